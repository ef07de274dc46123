//! The steps of a link: what each frame means where, and what is checked before it counts.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::super::envelope;
use super::super::frame::{self, Frame, FrameError, Kind};
use super::super::noise::{FirstMessage, ReadFirst, ReadSecond, Start, Suite, Transport};
use super::super::payload;
use super::super::session::Session;
use super::super::{Dial, Expect, LocalNode, Peer};
use super::{Event, Link, LinkError, Phase, SeqMemory, Side, Stage, sender};
use crate::crypto::Ed25519Key;
use crate::identity::{Enrolment, Role, Statement};
use crate::limits::{CLOSE_FRAMES, FRAME_HEADER, MAX_FRAME};
use crate::time::Millis;
use crate::wire::{Admission, MIN_VERSION, Message, NodeCard};

/// Suite, dial, token id: what the listener needs before the noise message.
const FIRST_HEAD: usize = 1 + 1 + 8;
const XX: u8 = 1;
const XX_PSK0: u8 = 2;

/// Either end's handshake, bound to suite, dial and token.
pub(super) fn start(dial: Dial, enrol: Option<&Enrolment>) -> Start {
    let mut prologue = [0; 7 + FIRST_HEAD];
    let head = first_head(dial, enrol.map(|enrolment| enrolment.token_id));
    let bytes = b"SMSG/1\0".iter().chain(&head);
    prologue.iter_mut().zip(bytes).for_each(|(p, b)| *p = *b);
    match enrol.map(Enrolment::psk) {
        Some(psk) => Start::new(Suite::XxPsk0(&psk), &prologue),
        None => Start::new(Suite::Xx, &prologue),
    }
}

fn first_head(dial: Dial, token_id: Option<[u8; 8]>) -> [u8; FIRST_HEAD] {
    let suite = if token_id.is_some() { XX_PSK0 } else { XX };
    let [a, b, c, d, e, f, g, h] = token_id.unwrap_or_default();
    [suite, dial_byte(dial), a, b, c, d, e, f, g, h]
}

const fn dial_byte(dial: Dial) -> u8 {
    match dial {
        Dial::WorkerDials => 1,
        Dial::ControllerDials => 2,
    }
}

impl Link {
    /// Listener, after [`Event::TokenAsked`]: the secret of that token, or `None` to close.
    pub fn answer_token(&mut self, secret: Option<&[u8; 16]>) -> Result<(), LinkError> {
        let (Stage::TokenAsked(first), Some(token_id)) = (&self.stage, self.token_id) else {
            return Err(LinkError::Misplaced);
        };
        let first = *first;
        self.stage = Stage::Closed;
        let secret = secret.ok_or(LinkError::TokenRefused)?;
        let enrolment = Enrolment {
            token_id,
            secret: Zeroizing::new(*secret),
        };
        let read = start(self.dial, Some(&enrolment)).read_first(&first)?;
        self.stage = Stage::SecondOwed(read);
        Ok(())
    }

    /// Listener, after [`Event::PeerProven`]: admits the dialler, or holds it as pending, which
    /// closes the link once the Welcome is sent. `memory` is that of this peer, if there is one.
    pub fn welcome(
        &mut self,
        admission: Admission,
        memory: Option<SeqMemory>,
    ) -> Result<(), LinkError> {
        let (Stage::Session(_, Phase::Proven), Some(peer)) = (&self.stage, self.peer) else {
            return Err(LinkError::Misplaced);
        };
        let hello = self.rx;
        self.memory = memory;
        self.recall(&peer);
        self.hear(hello)
            .inspect_err(|_| self.stage = Stage::Closed)?;
        self.enter(Phase::WelcomeOwed(admission));
        Ok(())
    }

    /// Dialler, after [`Event::Answered`]: goes on from what is remembered of this peer. A code or a token
    /// is no reason to count anew: within one pair of boots no number is ever signed twice, so that
    /// nothing signed before a removal counts after it.
    pub fn go_on_from(&mut self, memory: Option<SeqMemory>) -> Result<(), LinkError> {
        let (Stage::ThirdOwed(_), Some(peer)) = (&self.stage, self.peer) else {
            return Err(LinkError::Misplaced);
        };
        self.memory = memory;
        self.recall(&peer);
        Ok(())
    }

    /// Dialler, after [`Event::Succession`]: the peer's key has rightly taken the place of the one that
    /// was expected, and the program has stored so. The handshake goes on.
    pub fn accept(&mut self) -> Result<(), LinkError> {
        match (self.take_stage(), self.peer) {
            (Stage::AwaitChain(read), Some(peer)) => {
                // The numbers were those of the old key's.
                self.memory = None;
                self.recall(&peer);
                self.stage = Stage::ThirdOwed(read);
                Ok(())
            }
            _ => Err(LinkError::Misplaced),
        }
    }

    pub(super) fn write_first(
        &mut self,
        me: &LocalNode,
        rng: &mut dyn CryptoRng,
        start: Start,
        out: &mut [u8; MAX_FRAME],
    ) -> Result<usize, LinkError> {
        self.check_part(me)?;
        let (sent, first) = start.write_first(rng)?;
        self.stage = Stage::SentFirst(sent);
        let head = first_head(self.dial, self.token_id);
        let tag = first.tag.as_ref().map_or(&[][..], |tag| tag);
        Ok(write(Kind::First, &[&head, &first.ephemeral, tag], out))
    }

    pub(super) fn write_second(
        &mut self,
        me: &LocalNode,
        rng: &mut dyn CryptoRng,
        read: ReadFirst,
        out: &mut [u8; MAX_FRAME],
    ) -> Result<usize, LinkError> {
        let (sent, second) = read.write_second(me.keys(), rng, &payload::encode(me))?;
        self.stage = Stage::SentSecond(sent);
        Ok(write(Kind::Second, &[&second], out))
    }

    pub(super) fn write_third(
        &mut self,
        me: &LocalNode,
        now: Millis,
        read: ReadSecond,
        out: &mut [u8; MAX_FRAME],
    ) -> Result<usize, LinkError> {
        let (transport, third) = read.write_third(me.keys(), &payload::encode(me))?;
        self.begin(transport, Phase::HelloOwed);
        self.timers.await_welcome(now);
        Ok(write(Kind::Third, &[&third], out))
    }

    /// Listener: suite, dial and token of the dialler, and its ephemeral key.
    pub(super) fn handle_first(
        &mut self,
        me: &LocalNode,
        frame: Frame<'_>,
    ) -> Result<Event, LinkError> {
        handshake_version(&frame)?;
        let Stage::AwaitFirst = self.stage else {
            return Err(FrameError::Unexpected(frame.kind).into());
        };
        let (head, noise) = frame
            .body
            .split_first_chunk::<FIRST_HEAD>()
            .ok_or(FrameError::BadLength)?;
        let (ephemeral, tag) = noise.split_first_chunk().ok_or(FrameError::BadLength)?;
        let [suite, dial, token_id @ ..] = *head;
        match dial {
            1 | 2 if dial == dial_byte(self.dial) => self.check_part(me)?,
            1 | 2 => return Err(LinkError::WrongRole),
            _ => return Err(LinkError::BadFirst),
        }

        let tag = match (suite, token_id, tag) {
            (XX, [0, 0, 0, 0, 0, 0, 0, 0], []) => None,
            (XX_PSK0, _, tag) => Some(tag.try_into().map_err(|_| FrameError::BadLength)?),
            _ => return Err(LinkError::BadFirst),
        };
        let first = FirstMessage {
            ephemeral: *ephemeral,
            tag,
        };
        if tag.is_some() {
            self.token_id = Some(token_id);
            self.stage = Stage::TokenAsked(first);
            return Ok(Event::TokenAsked { token_id });
        }
        let read = start(self.dial, None).read_first(&first)?;
        self.stage = Stage::SecondOwed(read);
        Ok(Event::Idle)
    }

    /// Dialler: who listens. Nothing of us was told yet but an ephemeral key.
    pub(super) fn handle_second(
        &mut self,
        me: &LocalNode,
        frame: Frame<'_>,
    ) -> Result<Event, LinkError> {
        handshake_version(&frame)?;
        let (Stage::SentFirst(sent), Side::Dialler(expect)) = (self.take_stage(), &self.side)
        else {
            return Err(FrameError::Unexpected(frame.kind).into());
        };
        let (read, payload) = sent.read_second(frame.body)?;
        let peer = payload::decode(me, &payload, read.remote())?;
        let expected = match expect {
            Expect::Anyone => self.token_id.is_some(),
            Expect::Fingerprint(fingerprint) => peer.fingerprint == *fingerprint,
            Expect::Prefix(prefix) => peer.fingerprint.prefix() == *prefix,
            Expect::Probe => {
                self.check_peer(me, &peer)?;
                self.peer = Some(peer);
                return Ok(Event::Probed(peer));
            }
        };
        self.awaited = peer.statements;
        if !expected && self.awaited == 0 {
            return Err(LinkError::WrongPeer(peer.fingerprint.node_id()));
        }
        self.check_peer(me, &peer)?;
        self.peer = Some(peer);
        if expected {
            let named = matches!(expect, Expect::Fingerprint(_));
            self.recall(&peer);
            self.stage = Stage::ThirdOwed(read);
            return Ok(if named {
                Event::Idle
            } else {
                Event::Answered(peer)
            });
        }
        self.stage = Stage::AwaitChain(read);
        Ok(Event::Idle)
    }

    /// Dialler: how the listener's key came to be its key. Of interest only to who expected another.
    pub(super) fn handle_succession(&mut self, frame: Frame<'_>) -> Result<Event, LinkError> {
        let (Side::Dialler(_), Some(peer)) = (&self.side, self.peer) else {
            return Err(FrameError::Unexpected(frame.kind).into());
        };
        handshake_version(&frame)?;
        let statement = Statement::try_from(&*frame.body)?;
        self.take_statement()?;
        match self.stage {
            Stage::AwaitChain(_) => Ok(Event::Succession {
                peer,
                statement,
                left: self.awaited,
            }),
            _ => Ok(Event::Idle),
        }
    }

    /// One of the statements that the peer announced has come.
    fn take_statement(&mut self) -> Result<(), LinkError> {
        self.awaited = self.awaited.checked_sub(1).ok_or(LinkError::Misplaced)?;
        Ok(())
    }

    /// Listener: who dials. It counts once its Hello has come.
    pub(super) fn handle_third(
        &mut self,
        me: &LocalNode,
        frame: Frame<'_>,
    ) -> Result<Event, LinkError> {
        handshake_version(&frame)?;
        let Stage::SentSecond(sent) = self.take_stage() else {
            return Err(FrameError::Unexpected(frame.kind).into());
        };
        let (transport, payload) = sent.read_third(frame.body)?;
        let peer = payload::decode(me, &payload, &transport.remote)?;
        self.check_peer(me, &peer)?;
        self.awaited = peer.statements;
        self.peer = Some(peer);
        self.begin(transport, Phase::AwaitHello);
        Ok(Event::Idle)
    }

    pub(super) fn handle_message(
        &mut self,
        me: &LocalNode,
        now: Millis,
        frame: Frame<'_>,
    ) -> Result<Event, LinkError> {
        let (Stage::Session(session, phase), Some(peer)) = (&mut self.stage, self.peer) else {
            return Err(FrameError::Unexpected(frame.kind).into());
        };
        let phase = *phase;
        if frame.version != session.version() {
            return Err(FrameError::BadVersion(frame.version).into());
        }
        let plain = session.open(frame)?;
        let (seq, body) = session
            .author()
            .and_then(|author| envelope::open(me, &peer, &author, plain))
            .ok_or(LinkError::Unsigned)?;
        self.timers.received(now);
        if phase == Phase::Up && self.hear(seq).is_err() {
            return Ok(Event::Stale);
        }
        let message = Message::decode(body).map_err(LinkError::BadMessage)?;
        if message.since() > peer.version {
            return Err(LinkError::TooNew);
        }
        match (phase, message) {
            (Phase::AwaitHello, Message::Succession(statement)) => {
                self.take_statement()?;
                let left = self.awaited;
                Ok(Event::Succession {
                    peer,
                    statement,
                    left,
                })
            }
            (Phase::AwaitHello, Message::Hello(card)) => {
                // Compared with what the caller remembers once it has said who this is.
                self.rx = seq;
                self.enter(Phase::Proven);
                self.timers.await_welcome(now);
                let enrolled_by = self.token_id;
                Ok(Event::PeerProven {
                    peer,
                    card,
                    enrolled_by,
                })
            }
            (Phase::AwaitWelcome, Message::Welcome(admission, card)) => {
                self.hear(seq)?;
                Ok(self.welcomed(peer, admission, card))
            }
            (Phase::Up, message) => self.handle_up(now, message),
            _ => Err(LinkError::Misplaced),
        }
    }

    fn handle_up(&mut self, now: Millis, message: Message) -> Result<Event, LinkError> {
        match (message, self.part()) {
            (Message::Ping(number), _) => {
                self.pong_owed = Some(number);
                Ok(Event::Idle)
            }
            (Message::Pong(number), _) => Ok(self
                .timers
                .pong(number, now)
                .map_or(Event::Idle, |rtt_ms| Event::Pong { rtt_ms })),
            (message, ours) if sender(&message).is_some_and(|theirs| theirs != ours) => {
                Ok(Event::Message(message))
            }
            _ => Err(LinkError::Misplaced),
        }
    }

    fn welcomed(&mut self, peer: Peer, admission: Admission, card: NodeCard) -> Event {
        self.enter(Phase::Up);
        if admission == Admission::Pending {
            self.stage = Stage::Closed;
        }
        Event::Up {
            peer,
            card,
            admission,
        }
    }

    fn begin(&mut self, transport: Transport, phase: Phase) {
        let version = self.peer.map_or(MIN_VERSION, |peer| peer.version);
        let author = self
            .peer
            .and_then(|peer| Ed25519Key::new(&peer.keys.ed25519));
        self.stage = Stage::Session(Session::new(transport, version, author), phase);
    }

    /// Goes on with the numbers that the caller remembers of this pair of boots. An older session
    /// may still be sending: the gap is more than one can send.
    fn recall(&mut self, peer: &Peer) {
        let remembered = self.memory.take();
        let same_boots = remembered.filter(|memory| memory.peer_boot == peer.boot_id);
        (self.tx, self.rx) = same_boots.map_or((0, 0), |memory| {
            (memory.tx.saturating_add(CLOSE_FRAMES), memory.rx)
        });
    }

    /// Takes note of a received number, which must be above the last.
    fn hear(&mut self, seq: u64) -> Result<(), LinkError> {
        if seq <= self.rx {
            return Err(LinkError::SeqForgotten);
        }
        self.rx = seq;
        Ok(())
    }

    fn check_part(&self, me: &LocalNode) -> Result<(), LinkError> {
        if me.role().contains(self.part()) {
            Ok(())
        } else {
            Err(LinkError::WrongRole)
        }
    }

    fn check_peer(&self, me: &LocalNode, peer: &Peer) -> Result<(), LinkError> {
        let ours = me.keys().public();
        if peer.keys.x25519 == ours.x25519 || peer.keys.ed25519 == ours.ed25519 {
            return Err(LinkError::OwnKey);
        }
        let theirs = match self.part() {
            Role::Worker => Role::Controller,
            _ => Role::Worker,
        };
        if !peer.role.contains(theirs) {
            return Err(LinkError::WrongRole);
        }
        Ok(())
    }

    fn take_stage(&mut self) -> Stage {
        core::mem::replace(&mut self.stage, Stage::Closed)
    }
}

/// A statement of ours, for the dialler.
pub(super) fn write_statement(statement: &Statement, out: &mut [u8; MAX_FRAME]) -> usize {
    write(Kind::Succession, &[statement.as_bytes()], out)
}

/// Until the version is agreed, headers carry the lowest.
fn handshake_version(frame: &Frame<'_>) -> Result<(), FrameError> {
    if frame.version == MIN_VERSION {
        Ok(())
    } else {
        Err(FrameError::BadVersion(frame.version))
    }
}

/// Writes a handshake frame; its parts are far shorter than `out`.
fn write(kind: Kind, parts: &[&[u8]], out: &mut [u8; MAX_FRAME]) -> usize {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let header = frame::header(MIN_VERSION, kind, body);
    let bytes = header.iter().chain(parts.iter().copied().flatten());
    out.iter_mut().zip(bytes).for_each(|(o, b)| *o = *b);
    FRAME_HEADER + body
}

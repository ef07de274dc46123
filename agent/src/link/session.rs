//! One connection from its first frame to its end: feeds the link, obeys it, answers the manager.
//!
//! ```text
//!   loop:  owed frames ──▶ socket     then wait for the first of
//!            frame ──▶ Link ──▶ event: token? · succession · proven? · up · message ──▶ rig ──▶ sealed answer;
//!                      before the receipt of a command that was applied, the statistics it made
//!            order ──▶ another connection of this manager: prove that the peer lives, or give way
//!            change, or 10 s ──▶ heartbeat, and to version 2 the state's hash and found shares; a new key of ours: end, and come back under it
//!            time  ──▶ Link (deadline, ping, death, age)
//! ```

use std::rc::Rc;

use log::{debug, info, warn};
use miner_shared::identity::{Fingerprint, Pin, Role, Statement};
use miner_shared::limits::{HEARTBEAT_MS, MAX_FRAME, MAX_STATEMENTS};
use miner_shared::smsg::{Event, Expect, Link, LinkError, Peer};
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, Answer, ImageStatus, MIN_VERSION, Message, NodeCard, Outcome};
use smol::channel::{Receiver, Sender, bounded};
use smol::future;

use super::end::End;
use super::me::Me;
use super::sessions::{Open, Order, Rival};
use super::socket::Socket;
use crate::rig::Rig;
use crate::store::{lead, system_rng};

/// A peer that does not take a frame for this long is gone, in milliseconds.
const SEND_MS: u64 = 10_000;
/// A live session has this long to prove its peer against another connection, in milliseconds.
const PROOF_MS: u64 = 5_000;
/// A peer has this long to take the closing of the WebSocket, in milliseconds.
const CLOSE_MS: u64 = 1_000;
/// Changes are gathered for this long before they make a heartbeat, in milliseconds.
const CHANGE_MS: u64 = 250;
/// Two heartbeats are at least this far apart, however much changes, in milliseconds.
const HEARTBEAT_GAP_MS: u64 = 1_000;
/// Protocol version since which a rig says more than its statistics unasked.
const NEWS_SINCE: u8 = 2;
/// Protocol version since which a rig says what it was booted from, and fetches releases.
const IMAGE_SINCE: u8 = 3;
/// It says so at most once in this time by itself, in milliseconds.
const IMAGE_GAP_MS: u64 = 1_000;

/// One connection.
pub(crate) struct Session {
    rig: Rc<Rig>,
    /// The key that the link began with.
    me: Rc<Me>,
    socket: Socket,
    link: Link,
    input: Box<[u8; MAX_FRAME]>,
    output: Box<[u8; MAX_FRAME]>,
    up: Option<Up>,
    /// Called once when the peer is admitted: the connection is no longer pending.
    on_up: Option<Box<dyn FnOnce()>>,
    /// Whom we dialled; `None` for who dials us.
    expect: Option<Expect>,
    /// Whether the controller that welcomes this rig is pinned.
    pins: bool,
    /// The earlier key of that controller, by which the token names it.
    was: Option<Fingerprint>,
    /// What the peer has shown of how its key came to be its key.
    chain: Vec<Statement>,
    /// Once it was up: keeps the program from ending before the peer is told.
    open: Option<Open>,
}

/// What a session has once the peer is admitted.
struct Up {
    manager: Fingerprint,
    /// Protocol version of this link.
    version: u8,
    /// Generation and hash of the state that it was told last.
    applied: Option<(u64, [u8; 32])>,
    /// What it was told last of the machine's image, and when.
    image: Option<(ImageStatus, Millis)>,
    /// Number of the next found share that it is told.
    found: u64,
    orders: Receiver<Order>,
    changes: Receiver<()>,
    next_heartbeat: Millis,
    last_heartbeat: Option<Millis>,
    /// Who waits for a sign of life of this peer.
    prove_to: Option<Sender<()>>,
}

enum Wake {
    Frame(usize),
    Order(Order),
    Change,
    Time,
}

impl Session {
    /// A session over an opened socket. `on_up` runs when the peer is admitted.
    pub(crate) fn new(
        rig: Rc<Rig>,
        me: Rc<Me>,
        socket: Socket,
        link: Link,
        on_up: Box<dyn FnOnce()>,
    ) -> Self {
        Self {
            open: None,
            rig,
            me,
            socket,
            link,
            input: Box::new([0; MAX_FRAME]),
            output: Box::new([0; MAX_FRAME]),
            up: None,
            on_up: Some(on_up),
            expect: None,
            pins: false,
            was: None,
            chain: Vec::new(),
        }
    }

    /// The session that dials this controller. With `pins` it is pinned once it has registered this
    /// rig.
    pub(crate) const fn dialling(mut self, expect: Expect, pins: bool) -> Self {
        self.expect = Some(expect);
        self.pins = pins;
        self
    }

    /// Runs it to its end. Whose it was, if it ever was up.
    pub(crate) async fn run(mut self) -> (Option<Fingerprint>, End) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        let manager = self.up.as_ref().map(|up| up.manager);
        self.remember();
        self.up = None;
        let clock = self.rig.clock;
        let late = async {
            clock.timer_at(clock.now() + CLOSE_MS).await;
        };
        future::or(self.socket.close(end.close_code()), late).await;
        drop(self.open);
        (manager, end)
    }

    async fn step(&mut self) -> Result<(), End> {
        if !self.rig.is_me(&self.me) {
            return Err(End::NewKey);
        }
        // Before anything is sealed: a session that was replaced must not use another number.
        let order = self.up.as_ref().and_then(|up| up.orders.try_recv().ok());
        if let Some(order) = order {
            self.obey(order)?;
        }
        self.send_owed().await?;
        let now = self.rig.clock.now();
        if self.link.wants_renewal(now) {
            return Err(End::Renew);
        }
        if self.up.as_ref().is_some_and(|up| now >= up.next_heartbeat) {
            self.heartbeat(now).await?;
        }
        if self.image_at().is_some_and(|at| now >= at) {
            self.tell_image().await?;
        }
        if let Some(wanted) = self.asks().and_then(|up| self.rig.wanted(&up.manager)) {
            self.say(&Message::Wanted(wanted)).await?;
        }
        match self.wait().await? {
            Wake::Frame(len) => self.handle_frame(len).await,
            Wake::Order(order) => self.obey(order),
            Wake::Change => {
                let soon = self.rig.clock.now() + CHANGE_MS;
                if let Some(up) = &mut self.up {
                    let gap_ends = up.last_heartbeat.map(|last| last + HEARTBEAT_GAP_MS);
                    let earliest = gap_ends.map_or(soon, |end| end.max(soon));
                    up.next_heartbeat = up.next_heartbeat.min(earliest);
                }
                Ok(())
            }
            Wake::Time => {
                let now = self.rig.clock.now();
                if now >= self.link.poll_timeout() {
                    self.link.handle_timeout(now)?;
                }
                Ok(())
            }
        }
    }

    async fn wait(&mut self) -> Result<Wake, End> {
        let heartbeat = self.up.as_ref().map(|up| up.next_heartbeat);
        let link = self.link.poll_timeout();
        let piece = self.asks().and_then(|up| self.rig.ask_at(&up.manager));
        let own = [heartbeat, self.image_at(), piece];
        let wake_at = own.into_iter().flatten().fold(link, Millis::min);
        let clock = self.rig.clock;
        let up = self.up.as_ref();
        let time = async {
            clock.timer_at(wake_at).await;
            Ok(Wake::Time)
        };
        let order = async {
            match up {
                // Closed: the table forgot us, which only a replacement does.
                Some(up) => Ok(Wake::Order(
                    up.orders.recv().await.unwrap_or(Order::Replaced),
                )),
                None => future::pending().await,
            }
        };
        let change = async {
            match up {
                Some(up) if up.changes.recv().await.is_ok() => Ok(Wake::Change),
                _ => future::pending().await,
            }
        };
        let frame = async { Ok(Wake::Frame(self.socket.receive(&mut self.input).await?)) };
        future::or(order, future::or(time, future::or(frame, change))).await
    }

    async fn send_owed(&mut self) -> Result<(), End> {
        loop {
            let (now, rng) = (self.rig.clock.now(), &mut system_rng());
            let (me, out) = (&self.me.node, &mut *self.output);
            let owed = self.link.poll_transmit(me, now, rng, out);
            match owed {
                Some(len) => self.send(len).await?,
                None if self.link.is_closed() => return Err(LinkError::Closed.into()),
                None => return Ok(()),
            }
        }
    }

    /// Sends the first `len` bytes of the output buffer.
    async fn send(&mut self, len: usize) -> Result<(), End> {
        let clock = self.rig.clock;
        let frame = self.output.get(..len).unwrap_or_default();
        let late = async {
            clock.timer_at(clock.now() + SEND_MS).await;
            Err(End::Stuck)
        };
        future::or(async { Ok(self.socket.send(frame).await?) }, late).await
    }

    async fn say(&mut self, message: &Message) -> Result<(), End> {
        let now = self.rig.clock.now();
        let (me, out) = (&self.me.node, &mut *self.output);
        let len = self.link.seal(me, now, message, out)?;
        self.remember();
        self.send(len).await
    }

    /// Keeps the numbers where they are now, so that the next session goes on from there. Whom we
    /// dialled may have heard our Hello, also if no Welcome came back: its number is used.
    fn remember(&self) {
        let dialled = self.expect.and_then(|_| self.link.peer());
        let with = match &self.up {
            Some(up) => Some(up.manager),
            None => dialled.map(|peer| peer.fingerprint),
        };
        if let (Some(with), Some(memory)) = (with, self.link.memory()) {
            self.me.remember(with, memory);
        }
    }

    async fn heartbeat(&mut self, now: Millis) -> Result<(), End> {
        if let Some(up) = &mut self.up {
            up.next_heartbeat = now + HEARTBEAT_MS;
            up.last_heartbeat = Some(now);
        }
        let version = self.version();
        let stats = self.rig.stats().for_version(version);
        self.say(&Message::Heartbeat(stats)).await?;
        if version >= NEWS_SINCE {
            self.tell_news().await?;
        }
        Ok(())
    }

    /// Says what the manager has not heard on this link: another state in force, found shares.
    async fn tell_news(&mut self) -> Result<(), End> {
        let applied = self.rig.applied();
        if let Some(up) = &mut self.up
            && up.applied != applied
        {
            up.applied = applied;
            if let Some((generation, hash)) = applied {
                self.say(&Message::Applied { generation, hash }).await?;
            }
        }
        while let Some(batch) = self.up.as_ref().and_then(|up| self.rig.found(up.found)) {
            if let Some(up) = &mut self.up {
                up.found = batch.first + batch.shares.len() as u64;
            }
            self.say(&Message::FoundShares(batch)).await?;
        }
        self.tell_image().await
    }

    /// The other end, if it knows what an image is.
    fn asks(&self) -> Option<&Up> {
        self.up.as_ref().filter(|up| up.version >= IMAGE_SINCE)
    }

    /// When it is to be told of the machine's image, if there is something new.
    fn image_at(&self) -> Option<Millis> {
        match &self.asks()?.image {
            None => Some(Millis(0)),
            Some((told, at)) => (*told != self.rig.image()).then_some(*at + IMAGE_GAP_MS),
        }
    }

    /// Says what the machine was booted from and how its update does, if that is something new.
    async fn tell_image(&mut self) -> Result<(), End> {
        if self.image_at().is_none() {
            return Ok(());
        }
        let (now, image) = (self.rig.clock.now(), self.rig.image());
        if let Some(up) = &mut self.up {
            up.image = Some((image.clone(), now));
        }
        self.say(&Message::Image(image)).await
    }

    fn version(&self) -> u8 {
        self.up.as_ref().map_or(MIN_VERSION, |up| up.version)
    }

    async fn handle_frame(&mut self, len: usize) -> Result<(), End> {
        let now = self.rig.clock.now();
        let frame = self.input.get_mut(..len).unwrap_or_default();
        match self.link.handle_frame(&self.me.node, now, frame)? {
            Event::Succession {
                peer,
                statement,
                left,
            } => self.shown(&peer, statement, left),
            Event::TokenAsked { token_id } => self.answer_token(token_id),
            Event::PeerProven {
                peer,
                card,
                enrolled_by,
            } => self.admit(peer, &card, enrolled_by).await,
            Event::Up {
                peer,
                card,
                admission,
            } => match admission {
                Admission::Registered => {
                    self.pin(peer.fingerprint)?;
                    self.enter(peer, &card)
                }
                Admission::Pending => Err(End::Pending(peer.fingerprint)),
            },
            Event::Answered(peer) => {
                let memory = self.me.numbers(&peer.fingerprint);
                Ok(self.link.go_on_from(memory)?)
            }
            Event::Message(message) => self.answer(&message).await,
            Event::Pong { rtt_ms } => {
                debug!("link pong rtt_ms={rtt_ms}");
                if let Some(waiting) = self.up.as_mut().and_then(|up| up.prove_to.take()) {
                    let _ = waiting.try_send(());
                }
                Ok(())
            }
            Event::Stale => {
                warn!("link dropped a stale message");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A controller that a token vouched for has registered this rig: it is obeyed from now on, also
    /// after a power cut.
    fn pin(&self, controller: Fingerprint) -> Result<(), End> {
        if self.pins {
            let own = self.me.fingerprint();
            let store = &self.rig.store;
            store.pin_successor(own, controller, self.was)?;
            info!("enrolled controller={}", controller.node_id());
        }
        Ok(())
    }

    /// Keeps what the peer shows. A listener looks at it once the peer has said Hello; we who dialled
    /// look at it when all is shown, and leave without a word who did not come to its key rightly.
    fn shown(&mut self, peer: &Peer, statement: Statement, left: u8) -> Result<(), End> {
        if self.chain.len() < MAX_STATEMENTS {
            self.chain.push(statement);
        }
        let Some(expect) = self.expect.filter(|_| left == 0) else {
            return Ok(());
        };
        let (to, chain) = (&peer.fingerprint, &self.chain);
        let old = match expect {
            Expect::Fingerprint(key) => Some(key),
            Expect::Prefix(prefix) => {
                let mut old = chain.iter().filter_map(Statement::predecessor);
                old.find(|key| key.prefix() == prefix)
            }
            Expect::Anyone | Expect::Probe => None,
        };
        let old = old.ok_or_else(|| LinkError::WrongPeer(to.node_id()))?;
        if !self.rig.follow(Some(&old), to, chain)? {
            // Whom a token names is not pinned yet: its successor is, once it has registered this rig.
            if !self.pins || lead(Pin::new(old), to, chain.iter()).is_none() {
                return Err(LinkError::WrongPeer(to.node_id()).into());
            }
            self.was = Some(old);
        }
        Ok(self.link.accept()?)
    }

    fn answer_token(&mut self, token_id: [u8; 8]) -> Result<(), End> {
        let code = self.rig.store.pairing();
        let code = code.filter(|code| code.token_id() == token_id);
        let secret = code.as_ref().map(|code| code.secret());
        Ok(self.link.answer_token(secret)?)
    }

    /// Decides about a dialler that has proven its key: a pinned manager, or one that knows the
    /// pairing code, which pins it and uses the code up before it is welcomed.
    async fn admit(
        &mut self,
        peer: Peer,
        card: &NodeCard,
        enrolled_by: Option<[u8; 8]>,
    ) -> Result<(), End> {
        let rig = Rc::clone(&self.rig);
        let refused = Err(End::NotAManager(peer.fingerprint));
        if !peer.role.contains(Role::Controller) {
            return refused;
        }
        rig.follow(None, &peer.fingerprint, &self.chain)?;
        let code = rig.store.pairing().map(|code| code.token_id());
        let by_code = enrolled_by.is_some() && enrolled_by == code;
        if by_code {
            rig.store.end_pairing()?;
        }
        if !rig.store.managers()?.contains(&peer.fingerprint) {
            if !by_code {
                rig.note_candidate(peer.fingerprint);
                return refused;
            }
            rig.store
                .pin_manager(self.me.fingerprint(), peer.fingerprint)?;
            info!("paired manager={}", peer.fingerprint.node_id());
        }
        self.settle(&peer).await?;
        // An older session ends here, so its numbers are final.
        self.enter(peer, card)?;
        let memory = self.me.numbers(&peer.fingerprint);
        Ok(self.link.welcome(Admission::Registered, memory)?)
    }

    /// Waits until a live session of the same manager has proven its peer, given way, or ended.
    async fn settle(&self, peer: &Peer) -> Result<(), End> {
        let Rival::Ask(orders) = self.rig.sessions.rival(peer) else {
            return Ok(());
        };
        let (answer, proof) = bounded(1);
        let clock = self.rig.clock;
        let asked =
            async { orders.send(Order::Prove(answer)).await.is_ok() && proof.recv().await.is_ok() };
        let silence = async {
            clock.timer_at(clock.now() + PROOF_MS).await;
            false
        };
        if future::or(asked, silence).await {
            warn!("duplicate-identity manager={}", peer.fingerprint.node_id());
            return Err(End::Duplicate);
        }
        Ok(())
    }

    fn enter(&mut self, peer: Peer, card: &NodeCard) -> Result<(), End> {
        let manager = peer.fingerprint;
        let orders = self.rig.sessions.enter(&peer).ok_or(End::TooMany)?;
        info!(
            "link up manager={} software=\"{}\"",
            manager.node_id(),
            card.software
        );
        self.open = self.rig.sessions.open();
        self.rig.link_up();
        self.up = Some(Up {
            manager,
            version: peer.version,
            applied: None,
            image: None,
            found: 0,
            orders,
            changes: self.rig.changes(),
            next_heartbeat: self.rig.clock.now(),
            last_heartbeat: None,
            prove_to: None,
        });
        if let Some(on_up) = self.on_up.take() {
            on_up();
        }
        Ok(())
    }

    async fn answer(&mut self, message: &Message) -> Result<(), End> {
        let Some(manager) = self.up.as_ref().map(|up| up.manager) else {
            return Ok(());
        };
        self.remember();
        let Some(answer) = self.rig.handle(manager, message) else {
            return Ok(());
        };
        if let Message::Receipt(_, Outcome::Applied) = answer {
            // Who reads the receipt and then looks at the rig sees what the receipt says.
            self.heartbeat(self.rig.clock.now()).await?;
        }
        let answer = match answer {
            Message::Answer(id, Answer::Stats(stats)) => {
                Message::Answer(id, Answer::Stats(stats.for_version(self.version())))
            }
            Message::Receipt(op_id, outcome) => {
                Message::Receipt(op_id, outcome.for_version(self.version()))
            }
            answer => answer,
        };
        self.say(&answer).await
    }

    fn obey(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Replaced => Err(End::Replaced),
            Order::Unpinned => Err(End::Unpinned),
            Order::Stop => Err(End::Stopping),
            Order::Prove(waiting) => {
                self.link.ping(self.rig.clock.now());
                if let Some(up) = &mut self.up {
                    up.prove_to = Some(waiting);
                }
                Ok(())
            }
        }
    }
}

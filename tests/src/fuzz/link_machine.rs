//! Two links and a hostile wire between them: the input is a schedule.
//!
//! | byte % 8 | what happens |
//! |---|---|
//! | 0, 1 | the oldest frame arrives at the dialler, the listener |
//! | 2 | it is lost |
//! | 3 | it is there twice |
//! | 4 | a byte of it is changed (next two bytes: where, xor) |
//! | 5 | it goes behind the others |
//! | 6 | time passes (next byte, in 250 ms), timers run |
//! | 7 | an end says something, or a recorded frame comes back to either end |
//!
//! The oracle: a message is taken at most once, in order, as it was sent; whoever is
//! up talks to the right node; whatever is changed ends the link that receives it.

use std::collections::VecDeque;

use miner_shared::limits::MAX_FRAME;
use miner_shared::smsg::{Event, Link, LocalNode};
use miner_shared::time::Millis;
use miner_shared::wire::{Admission, Message, Outcome, Query};

use super::input::{Input, XorShift};
use super::said;
use super::world::{self, START};

/// Frames on the wire, and frames recorded, at most.
const ROOM: usize = 8;
/// Steps of one schedule, at most.
const STEPS: usize = 200;

struct End {
    me: &'static LocalNode,
    peer: &'static LocalNode,
    link: Link,
    /// Frames on their way to this end.
    inbox: VecDeque<InFlight>,
    /// Numbers in the messages that this end has sent.
    said: u32,
    /// The number in the last message that this end took.
    heard: u32,
}

#[derive(Clone)]
struct InFlight {
    frame: Vec<u8>,
    /// As it was sent.
    genuine: Vec<u8>,
}

struct Wire {
    ends: [End; 2],
    recorded: VecDeque<Vec<u8>>,
    now: Millis,
    rng: XorShift,
}

pub(super) fn run(data: &[u8]) {
    let mut input = Input(data);
    let head = input.byte();
    let mut wire = Wire::new(head & 1 == 1);
    wire.transmit();
    if head & 2 == 2 {
        // Most schedules are about what comes after the handshake.
        for to in [1, 0, 1, 1, 0] {
            wire.deliver(to);
        }
    }
    for _ in 0..STEPS {
        if input.is_empty() {
            return;
        }
        wire.step(&mut input);
        wire.check();
    }
}

impl Wire {
    fn new(enrol: bool) -> Self {
        let end = |me, peer, link| End {
            me,
            peer,
            link,
            inbox: VecDeque::new(),
            said: 0,
            heard: 0,
        };
        let (worker, controller) = (world::worker(), world::controller());
        Self {
            ends: [
                end(worker, controller, world::dialler(enrol)),
                end(controller, worker, world::listener()),
            ],
            recorded: VecDeque::new(),
            now: START,
            rng: XorShift::new(5),
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.byte();
        let to = usize::from(op >> 3 & 1);
        match op % 8 {
            end @ (0 | 1) => self.deliver(usize::from(end)),
            2 => drop(self.ends[to].inbox.pop_front()),
            3 => {
                let inbox = &mut self.ends[to].inbox;
                if let Some(twin) = inbox.front().cloned() {
                    inbox.insert(1, twin);
                }
            }
            4 => {
                let (at, xor) = (usize::from(input.word()), input.byte());
                if let Some(InFlight { frame, .. }) = self.ends[to].inbox.front_mut() {
                    let at = at % frame.len();
                    frame[at] ^= xor;
                }
            }
            5 => self.ends[to]
                .inbox
                .rotate_left(1.min(self.ends[to].inbox.len())),
            6 => self.wait(u64::from(input.byte()) * 250),
            _ if op >> 4 & 1 == 0 => self.say(to),
            _ => self.replay(to),
        }
        self.transmit();
    }

    /// Puts what both ends owe on the wire.
    fn transmit(&mut self) {
        let mut out = [0; MAX_FRAME];
        for from in [0, 1] {
            for round in 0.. {
                assert!(round < 4, "it never stops sending");
                let End { me, link, .. } = &mut self.ends[from];
                let Some(len) = link.poll_transmit(me, self.now, &mut self.rng, &mut out) else {
                    break;
                };
                self.put(1 - from, out[..len].to_vec());
            }
        }
    }

    fn put(&mut self, to: usize, frame: Vec<u8>) {
        if self.recorded.len() == ROOM {
            self.recorded.pop_front();
        }
        self.recorded.push_back(frame.clone());
        if self.ends[to].inbox.len() < ROOM {
            self.ends[to].inbox.push_back(InFlight {
                genuine: frame.clone(),
                frame,
            });
        }
    }

    /// The oldest frame arrives.
    fn deliver(&mut self, to: usize) {
        let now = self.now;
        let end = &mut self.ends[to];
        let Some(InFlight { mut frame, genuine }) = end.inbox.pop_front() else {
            return;
        };
        // A first message is plain: what was changed in it shows one step later.
        let spoilt = frame != genuine && genuine.get(5) != Some(&1);
        let frame_changed = frame != genuine;
        let was_closed = end.link.is_closed();
        let before = end.link.memory();
        let result = end.link.handle_frame(end.me, now, &mut frame);
        if spoilt {
            assert!(result.is_err(), "a changed frame: {result:?}");
        }
        match result {
            Ok(Event::TokenAsked { .. }) => {
                let right = end.link.answer_token(Some(&[0x71; 16]));
                assert!(right.is_ok() || frame_changed);
            }
            Ok(Event::PeerProven { .. }) => {
                let admission = Admission::Registered;
                end.link.welcome(admission, None).expect("it was proven");
            }
            Ok(Event::Message(message)) => end.hear(&message),
            Ok(_) => {}
            Err(error) => {
                said(&error);
                assert!(end.link.is_closed());
                assert!(
                    was_closed || before.is_none() || end.link.memory() == before,
                    "a refused frame moves no number"
                );
            }
        }
        self.transmit();
    }

    fn say(&mut self, from: usize) {
        let End { me, link, said, .. } = &mut self.ends[from];
        let number = *said + 1;
        let message = match from {
            0 => Message::Receipt([0; 16], Outcome::Behind(u64::from(number))),
            _ => Message::Query(number, Query::GetStats),
        };
        let mut out = [0; MAX_FRAME];
        if let Ok(len) = link.seal(me, self.now, &message, &mut out) {
            *said = number;
            self.put(1 - from, out[..len].to_vec());
        }
    }

    /// A recorded frame comes to an end that has had it, or never should.
    fn replay(&mut self, to: usize) {
        let at = self.rng.below(ROOM);
        let Some(frame) = self.recorded.get(at).cloned() else {
            return;
        };
        let waits = self.ends[to]
            .inbox
            .iter()
            .any(|other| other.genuine == frame);
        if !waits && self.ends[to].link.peer().is_some() {
            self.ends[to].inbox.push_front(InFlight {
                genuine: frame.clone(),
                frame,
            });
        }
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
        for end in &mut self.ends {
            if end.link.poll_timeout() <= self.now {
                let result = end.link.handle_timeout(self.now);
                assert_eq!(result.is_err(), end.link.is_closed());
            }
        }
    }

    fn check(&self) {
        for end in &self.ends {
            let peer = end.link.peer().map(|peer| peer.fingerprint);
            assert!(peer.is_none_or(|peer| peer == end.peer.fingerprint()));
            assert!(peer.is_some() || !end.link.is_up());
        }
        let [dialler, listener] = &self.ends;
        assert!(dialler.heard <= listener.said && listener.heard <= dialler.said);
    }
}

impl End {
    /// Numbers rise: nothing counts twice, nothing overtakes.
    fn hear(&mut self, message: &Message) {
        let number = match message {
            Message::Query(number, Query::GetStats) => *number,
            Message::Receipt(_, Outcome::Behind(number)) => {
                u32::try_from(*number).expect("as it was said")
            }
            other => panic!("nobody said {other:?}"),
        };
        assert!(number > self.heard, "{number} after {}", self.heard);
        self.heard = number;
    }
}

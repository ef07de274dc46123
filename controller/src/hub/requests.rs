//! Requests: what somebody waits for, with a deadline.
//!
//! ```text
//!   ask ─▶ link up? ── yes ─▶ asked ── answer ─▶ Finished(Ok)
//!             │                 │ link lost        ▲
//!             │ no, has address ▼                  │ asked again on the next link
//!             ├───────────▶ waiting ── link up ────┘
//!             │                 └─ dial failed ─▶ Finished(Offline)
//!             └ no address ─▶ Finished(Offline)          deadline ─▶ Finished(TimedOut)
//! ```
//! Questions have no effect, so asking again is harmless; a wish is stored and numbered before
//! anyone waits for it, so it needs no asking at all (`reconcile.rs`).
//!
//! An order has an effect; it is stored and sent by `orders.rs`, whoever waits for it. Who does hears
//! [`Reply::Unknown`] if it was sent and no receipt came.

use miner_shared::identity::Fingerprint;
use miner_shared::limits::RECEIPTS;
use miner_shared::time::Millis;
use miner_shared::wire::{Answer, MIN_VERSION, Message, OpId, Outcome, Query, RigStats};

use super::conn::Outgoing;
use super::score::Exchange;
use super::{Action, ConnId, Env, Hub, Timer, Unreached};

/// Requests that may be open for one peer at a time: as many receipts as a rig remembers.
const MAX_REQUESTS: usize = RECEIPTS;

/// Names one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u64);

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A sign of life.
    Ping,
    /// A question.
    Query(Query),
    /// What became of the wish of this generation, which the registry has.
    Wish(u64),
    /// What became of the order of this name, which the registry has.
    Order(OpId),
}

impl Ask {
    /// First protocol version that has words for it. Whether there are some for a wish or an order is
    /// `reconcile.rs`'s and `orders.rs`'s to know.
    fn since(&self) -> u8 {
        match self {
            Self::Ping | Self::Wish(_) | Self::Order(_) => MIN_VERSION,
            Self::Query(query) => query.since(),
        }
    }
}

/// How a request ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To [`Ask::Query`].
    Answer(Box<Answer>),
    /// To [`Ask::Wish`] and [`Ask::Order`].
    Outcome(Outcome),
    /// To [`Ask::Ping`]: the round trip in milliseconds.
    Pong(u64),
    /// To [`Ask::Order`]: it was sent, and what became of it will not be heard.
    Unknown,
}

/// How a request ended otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Too many requests are open for this peer.
    #[error("too many requests wait for this peer")]
    Busy,
    /// The peer cannot be reached.
    #[error("the peer cannot be reached")]
    Offline,
    /// The peer was removed.
    #[error("the peer was removed")]
    Removed,
    /// A newer wish took this one's place.
    #[error("a newer command took this one's place")]
    Superseded,
    /// No answer by the deadline.
    #[error("no answer in time")]
    TimedOut,
    /// The peer's agent speaks no protocol version that has words for it.
    #[error("its agent is too old")]
    TooOld,
}

/// An open request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) key: Fingerprint,
    pub(super) ask: Ask,
    /// On which connection and under which number it was asked; `None` while it waits for a link.
    asked: Option<(ConnId, u32)>,
    /// Whether it is about an order that the rig may have heard.
    pub(super) sent: bool,
}

impl Request {
    /// Whether it is an order that the rig may have heard.
    const fn was_sent(&self) -> bool {
        self.sent
    }
}

impl Hub {
    /// Asks a peer something; ends by [`Action::Finished`], at the deadline at the latest.
    pub fn ask(
        &mut self,
        env: &mut Env<'_>,
        key: Fingerprint,
        ask: Ask,
        deadline: Millis,
    ) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let request = Request {
            key,
            ask,
            asked: None,
            sent: false,
        };
        self.requests.insert(id, request);
        let rig = self.rigs.entry(key).or_default();
        rig.requests.push(id);
        let busy = rig.requests.len() > MAX_REQUESTS;
        self.timers.insert((deadline, Timer::Request(id)));

        let peer = env.registry.peer(&key);
        if busy {
            self.finish(id, Err(Failure::Busy));
        } else if self.order_is_over(env, id) {
            // It has been told.
        } else if self.is_live(&key) {
            self.ask_waiting(env, &key);
        } else if peer.is_some_and(|peer| peer.address.is_some()) {
            self.actions.push_back(Action::Dial { key, now: true });
        } else {
            self.finish(id, Err(Failure::Offline));
        }
        id
    }

    /// Nobody waits for this request any more.
    pub fn cancel(&mut self, id: RequestId) {
        self.take(id);
    }

    /// Asks what has not been asked on this peer's live connection.
    pub(super) fn ask_waiting(&mut self, env: &mut Env<'_>, key: &Fingerprint) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let (conn, version) = (session.conn, session.version);
        let waiting: Vec<_> = self.requests_of(key).collect();
        for id in waiting {
            let Some(request) = self.requests.get_mut(&id) else {
                continue;
            };
            if request.asked.is_some() {
                continue;
            }
            if request.ask.since() > version {
                self.finish(id, Err(Failure::TooOld));
                continue;
            }
            self.next_query = self.next_query.wrapping_add(1);
            request.asked = Some((conn, self.next_query));
            match request.ask.clone() {
                Ask::Query(query) => {
                    self.send(env, conn, Outgoing::Query(self.next_query, query));
                }
                Ask::Ping => {
                    if let Some(conn) = self.conns.get_mut(&conn) {
                        conn.link.ping(env.now.mono);
                    }
                    self.touched(conn, env.now.mono);
                }
                Ask::Wish(generation) => self.look_at_wish(key, generation),
                // It goes out by itself.
                Ask::Order(_) => {}
            }
        }
    }

    /// The link is gone: what was asked on it waits for the next one.
    pub(super) fn unasked(&mut self, key: &Fingerprint) {
        let asked: Vec<_> = self.requests_of(key).collect();
        for id in asked {
            if let Some(request) = self.requests.get_mut(&id) {
                request.asked = None;
            }
        }
    }

    /// A message of a peer. Anything but the live session's is ignored; what a rig has no business
    /// to say ends its session.
    pub(super) fn on_message(&mut self, env: &mut Env<'_>, id: ConnId, message: Message) {
        let Some(key) = self.live_key(id) else {
            return;
        };
        let rig = self.rigs.entry(key).or_default();
        rig.last_seen = Some(env.now);
        match message {
            Message::Heartbeat(stats) => {
                self.on_stats(env, &key, stats);
            }
            Message::Applied { generation, hash } => {
                rig.applied_hash = Some((generation, hash));
            }
            Message::FoundShares(batch) => {
                if let Some(session) = self.sessions.get(&key) {
                    rig.found.take(session.boot_id, &batch, env.now.mono);
                }
            }
            Message::Answer(number, answer) => {
                if let Answer::Stats(stats) = &answer {
                    self.on_stats(env, &key, stats.clone());
                }
                if let Answer::Info(info) = &answer {
                    self.on_machine(env, &key, info);
                }
                if let Answer::Network(interfaces) = &answer {
                    self.on_network(env, &key, interfaces);
                }
                if let Answer::Managers(managers) = &answer {
                    self.on_managers(env, &key, managers);
                }
                self.on_answer(id, &key, number, answer);
            }
            Message::Receipt(op_id, outcome) => {
                let ordered = self.on_order_receipt(env, &key, &op_id, &outcome);
                if !ordered && !self.on_recovery_receipt(env, &key, &op_id, &outcome) {
                    self.on_receipt(env, &key, &op_id, outcome);
                }
            }
            Message::Image(status) => self.on_image(env, &key, status),
            Message::Wanted(wanted) => self.on_wanted(env, id, &key, wanted),
            _ => {
                let reason = "a rig gave an order".to_owned();
                self.broken(env, id, reason, Unreached::Closed);
            }
        }
    }

    /// A rig has reported.
    fn on_stats(&mut self, env: &mut Env<'_>, key: &Fingerprint, stats: RigStats) {
        let rig = self.rigs.entry(*key).or_default();
        if let Some((old, _)) = rig.stats.as_deref() {
            let told = env.registry.desired(key).map(|row| &row.state);
            self.moves.note(told, (old, &stats), &mut rig.left_pool);
            self.effort.add(old, &stats);
        }
        let shares = rig.heard(stats, env.now);
        self.note_shares(env.registry, key, shares);
        self.on_report(env, key);
    }

    fn on_answer(&mut self, conn: ConnId, key: &Fingerprint, number: u32, answer: Answer) {
        let asked = self.requests_of(key).find(|id| {
            let request = self.requests.get(id);
            request.is_some_and(|request| request.asked == Some((conn, number)))
        });
        if let Some(id) = asked {
            self.count(key, Exchange::Answered);
            self.finish(id, Ok(Reply::Answer(Box::new(answer))));
        }
    }

    /// An order is on its way: who waits for it is not told that the rig cannot be reached.
    pub(super) fn order_sent(&mut self, key: &Fingerprint, op_id: &OpId) {
        let ids: Vec<_> = self.requests_of(key).collect();
        for id in ids {
            if let Some(request) = self.requests.get_mut(&id) {
                request.sent |= request.ask == Ask::Order(*op_id);
            }
        }
    }

    /// A pong answers all pings that wait.
    pub(super) fn answer_pings(&mut self, key: &Fingerprint, rtt_ms: u64) {
        self.finish_where(key, |request| {
            (request.ask == Ask::Ping).then_some(Ok(Reply::Pong(rtt_ms)))
        });
    }

    /// What became of the wish of this generation.
    pub(super) fn answer_wish(&mut self, key: &Fingerprint, generation: u64, outcome: &Outcome) {
        self.finish_where(key, |request| {
            (request.ask == Ask::Wish(generation)).then(|| Ok(Reply::Outcome(outcome.clone())))
        });
    }

    /// The rig's agent has no words for the wish of this generation.
    pub(super) fn too_old_for(&mut self, key: &Fingerprint, generation: u64) {
        self.finish_where(key, |request| {
            (request.ask == Ask::Wish(generation)).then_some(Err(Failure::TooOld))
        });
    }

    /// A newer wish is stored: nobody will hear of the older ones.
    pub(super) fn supersede_wishes(&mut self, key: &Fingerprint, generation: u64) {
        self.finish_where(key, |request| match request.ask {
            Ask::Wish(older) if older < generation => Some(Err(Failure::Superseded)),
            _ => None,
        });
    }

    /// The peer could not be reached: nobody needs to wait for the deadline.
    pub(super) fn unreachable(&mut self, key: &Fingerprint) {
        self.count(key, Exchange::Failed);
        self.offline(key);
    }

    /// No link for now; whose fault it is, the score does not say. The receipt of an order may still
    /// come.
    pub(super) fn offline(&mut self, key: &Fingerprint) {
        self.finish_where(key, |request| {
            (!request.was_sent()).then_some(Err(Failure::Offline))
        });
    }

    /// The peer was removed.
    pub(super) fn fail_requests(&mut self, key: &Fingerprint) {
        self.finish_where(key, |_| Some(Err(Failure::Removed)));
    }

    /// A request's deadline.
    pub(super) fn request_due(&mut self, id: RequestId) {
        let Some(request) = self.requests.get(&id) else {
            return;
        };
        if request.asked.is_some() {
            let key = request.key;
            self.count(&key, Exchange::Late);
        }
        self.finish(id, Err(Failure::TimedOut));
    }

    pub(super) fn count(&mut self, key: &Fingerprint, exchange: Exchange) {
        self.rigs.entry(*key).or_default().score.count(exchange);
    }

    pub(super) fn finish_where(
        &mut self,
        key: &Fingerprint,
        end: impl Fn(&Request) -> Option<Result<Reply, Failure>>,
    ) {
        let ends: Vec<_> = self
            .requests_of(key)
            .filter_map(|id| Some((id, end(self.requests.get(&id)?)?)))
            .collect();
        for (id, result) in ends {
            self.finish(id, result);
        }
    }

    pub(super) fn finish(&mut self, id: RequestId, result: Result<Reply, Failure>) {
        let Some(request) = self.take(id) else {
            return;
        };
        let result = match result {
            Err(_) if request.was_sent() => Ok(Reply::Unknown),
            result => result,
        };
        self.actions.push_back(Action::Finished(id, result));
    }

    fn take(&mut self, id: RequestId) -> Option<Request> {
        let request = self.requests.remove(&id)?;
        if let Some(rig) = self.rigs.get_mut(&request.key) {
            rig.requests.retain(|other| *other != id);
        }
        Some(request)
    }

    fn requests_of(&self, key: &Fingerprint) -> impl Iterator<Item = RequestId> + use<'_> {
        let rig = self.rigs.get(key);
        rig.into_iter().flat_map(|rig| rig.requests.iter().copied())
    }
}

//! One connection to a pool.
//!
//! ```text
//!   new ── login ──▶ waiting ── reply with session and job ──▶ logged in ── job, job, ..
//!                       │ 10 s, an error, no usable job            │ banned, two pings lost,
//!                       ▼                                          ▼ three bad jobs in a row
//!                   ClientError                                ClientError
//! ```
//!
//! | timer | value |
//! |---|---|
//! | answer to the login | 10 s, then the connection is over |
//! | answer to a submit | 20 s, then the share is lost |
//! | ping, only where the pool takes pings | after 60 s without a line sent; answer within 15 s, twice |

use core::fmt;

use heapless::{Deque, Vec};

use super::job::{self, BadJob};
use super::words::{ends_session, error_of, id_of, write_line};
use crate::json::{Value, Writer};
use crate::limits::{
    KEEPALIVE_MS, LOGIN_MS, MAX_BAD_IN_A_ROW, MAX_POOL_MESSAGE, MAX_SENT_LINE, MAX_SESSION_ID,
    MAX_UNANSWERED, PING_MS, SHARE_QUEUE, SUBMIT_MS,
};
use crate::mining::{Job, Share, Submitted, Verdict};
use crate::text::{Label, Name, PoolPass, PoolUser, Text};
use crate::time::Millis;
use crate::wire::Algo;

/// One connection to a pool, from login to its end.
#[derive(Debug)]
pub struct Client {
    login: Login,
    made_at: Millis,
    sent_at: Millis,
    session: Option<Session>,
    job: Option<Job>,
    waiting: Deque<(Share, Submitted), SHARE_QUEUE>,
    asked: Vec<Asked, MAX_ASKED>,
    ids: u32,
    ping_due: bool,
    pings_lost: u8,
    lost_in_a_row: u32,
    bad_jobs: u8,
    bad_lines: u8,
}

/// What a client says of itself when it logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Wallet, with what the pool lets one append.
    pub user: PoolUser,
    /// Password.
    pub pass: PoolPass,
    /// Program and version; our own begin with [`super::AGENT_PREFIX`].
    pub agent: Label,
    /// Name of the rig, if the pool may know it.
    pub rig: Option<Name>,
    /// Keep to the low 24 bits of the nonce even if the pool does not ask for it.
    pub nicehash: bool,
}

/// What a line or the passing of time brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Nothing for the caller.
    Idle,
    /// The pool let us in; the first job.
    LoggedIn(Job),
    /// Another job: leave the old one.
    Job(Job),
    /// The pool answered a share.
    Answered {
        /// Which share.
        share: Submitted,
        /// What it made of it.
        verdict: Verdict,
        /// From sending the share to the answer, in milliseconds.
        latency_ms: u64,
        /// The pool's words, empty if it said none.
        message: Text<MAX_POOL_MESSAGE>,
    },
    /// These submits got no answer in time: count them as lost.
    Lost {
        /// Lost now.
        shares: Vec<Submitted, MAX_UNANSWERED>,
        /// Lost since the last answer; three are worth an alert.
        in_a_row: u32,
    },
    /// `client.reconnect`: refused, and worth an alert.
    RedirectRefused,
    /// Something odd that changes nothing; worth a line in the log.
    Notice(Notice),
}

/// Something odd that a pool did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A job that cannot be mined; the old one goes on.
    BadJob(BadJob),
    /// A line that is no JSON object.
    Unreadable,
}

/// Why a connection is over: close it, and count what is outstanding as lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The pool refused the login, in these words.
    LoginRefused(Text<MAX_POOL_MESSAGE>),
    /// No answer to the login in time.
    LoginTimeout,
    /// The answer to the login names no session.
    NoSession,
    /// The first job, or the third in a row, cannot be mined.
    BadJob(BadJob),
    /// The pool no longer knows the session, or bans us, in these words.
    Unwelcome(Text<MAX_POOL_MESSAGE>),
    /// Two pings in a row without an answer.
    PingTimeout,
    /// Too many lines in a row that are no JSON objects.
    Unreadable,
}

/// Why a share was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// Not logged in.
    NotLoggedIn,
    /// As many shares wait as can.
    Full,
}

/// What the pool said when it let us in.
#[derive(Debug)]
struct Session {
    id: Text<MAX_SESSION_ID>,
    /// Repeat `algo` in submits.
    algo: bool,
    /// Only the low 24 bits of the nonce are ours.
    nicehash: bool,
    /// Pings are taken and answered.
    keepalive: bool,
}

/// A request without an answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u32,
    at: Millis,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Login,
    Submit(Submitted),
    Ping,
}

/// The login is answered before anything else is asked, and one ping is out at a time.
const MAX_ASKED: usize = MAX_UNANSWERED + 1;

impl Client {
    /// A client for a connection that was just made; the login is the first thing it sends.
    pub const fn new(now: Millis, login: Login) -> Self {
        Self {
            login,
            made_at: now,
            sent_at: now,
            session: None,
            job: None,
            waiting: Deque::new(),
            asked: Vec::new(),
            ids: 0,
            ping_due: false,
            pings_lost: 0,
            lost_in_a_row: 0,
            bad_jobs: 0,
            bad_lines: 0,
        }
    }

    /// The job in hand.
    pub const fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// Whether the pool let us in.
    pub const fn is_logged_in(&self) -> bool {
        self.session.is_some()
    }

    /// Shares taken and not answered yet: lost when the connection ends now.
    pub fn outstanding(&self) -> u32 {
        u32::try_from(self.waiting.len() + self.unanswered()).unwrap_or(u32::MAX)
    }

    /// Handles one line from the pool, without its ending.
    pub fn handle_line(&mut self, now: Millis, line: &[u8]) -> Result<ClientEvent, ClientError> {
        if line.trim_ascii().is_empty() {
            return Ok(ClientEvent::Idle);
        }
        let Some(message) = Value::parse(line).ok().filter(|value| value.is_object()) else {
            self.bad_lines = self.bad_lines.saturating_add(1);
            return if self.bad_lines < MAX_BAD_IN_A_ROW {
                Ok(ClientEvent::Notice(Notice::Unreadable))
            } else {
                Err(ClientError::Unreadable)
            };
        };
        self.bad_lines = 0;
        self.pings_lost = 0;
        match message.get("method").and_then(Value::as_str) {
            Some(method) if method.is("job") => self.handle_job(message.get("params")),
            Some(method) if method.is("client.reconnect") => Ok(ClientEvent::RedirectRefused),
            Some(_) => Ok(ClientEvent::Idle),
            None => self.handle_reply(now, message),
        }
    }

    /// Takes a share to send; it waits while four have no answer yet.
    pub fn submit(&mut self, share: Share) -> Result<(), SubmitError> {
        if self.session.is_none() {
            return Err(SubmitError::NotLoggedIn);
        }
        let job = self.job.as_ref().filter(|job| job.id == share.job_id);
        let known = Submitted {
            height: job.and_then(|job| job.height),
            nonce: share.nonce,
            thread: share.thread,
        };
        self.waiting
            .push_back((share, known))
            .map_err(|_| SubmitError::Full)
    }

    /// The shares behind [`Self::outstanding`].
    pub fn outstanding_shares(&self) -> impl Iterator<Item = Submitted> {
        let asked = self.asked.iter().filter_map(Asked::share);
        asked.chain(self.waiting.iter().map(|(_, share)| *share))
    }

    /// Writes the next line to send, ending included, and says its length. `out` has room for
    /// [`MAX_SENT_LINE`] bytes. Call until `None` after every other call.
    pub fn poll_transmit(&mut self, now: Millis, out: &mut [u8]) -> Option<usize> {
        let bound = out.len().min(MAX_SENT_LINE);
        let out = out.get_mut(..bound)?;
        let id = self.ids + 1;
        let (length, what) = match &self.session {
            None if self.ids == 0 => (write_login(out, id, &self.login)?, What::Login),
            None => return None,
            Some(session) if !self.waiting.is_empty() && self.unanswered() < MAX_UNANSWERED => {
                let (share, known) = self.waiting.front()?;
                let (length, known) = (write_submit(out, id, session, share)?, *known);
                self.waiting.pop_front();
                (length, What::Submit(known))
            }
            Some(session) if self.ping_due => {
                self.ping_due = false;
                (write_ping(out, id, session)?, What::Ping)
            }
            Some(_) => return None,
        };
        self.ids = id;
        self.sent_at = now;
        // There is room: at most four submits and one ping are out, and the login was answered.
        let _ = self.asked.push(Asked { id, at: now, what });
        Some(length)
    }

    /// When to call [`Self::handle_timeout`] next; `None` while there is nothing to wait for.
    pub fn poll_timeout(&self) -> Option<Millis> {
        let Some(session) = &self.session else {
            return Some(self.made_at + LOGIN_MS);
        };
        let ping = (session.keepalive && !self.ping_due && !self.is_asked(What::Ping))
            .then_some(self.sent_at + KEEPALIVE_MS);
        self.asked.iter().map(Asked::deadline).chain(ping).min()
    }

    /// Handles the passing of time.
    pub fn handle_timeout(&mut self, now: Millis) -> Result<ClientEvent, ClientError> {
        let Some(session) = &self.session else {
            return if now >= self.made_at + LOGIN_MS {
                Err(ClientError::LoginTimeout)
            } else {
                Ok(ClientEvent::Idle)
            };
        };
        let idle = session.keepalive && now >= self.sent_at + KEEPALIVE_MS;
        let overdue = |asked: &Asked| now >= asked.deadline();
        let ping = |asked: &Asked| asked.what == What::Ping && overdue(asked);
        if let Some(at) = self.asked.iter().position(ping) {
            self.asked.remove(at);
            self.pings_lost = self.pings_lost.saturating_add(1);
            if self.pings_lost >= 2 {
                // Before overdue submits are taken off the table: they stay outstanding.
                return Err(ClientError::PingTimeout);
            }
            self.ping_due = true;
        }
        let late = self.asked.iter().filter(|asked| overdue(asked));
        let shares: Vec<_, MAX_UNANSWERED> = late.filter_map(Asked::share).collect();
        self.asked.retain(|asked| !overdue(asked));
        self.ping_due |= idle && !self.is_asked(What::Ping);
        if shares.is_empty() {
            return Ok(ClientEvent::Idle);
        }
        let count = u32::try_from(shares.len()).unwrap_or(u32::MAX);
        self.lost_in_a_row = self.lost_in_a_row.saturating_add(count);
        Ok(ClientEvent::Lost {
            shares,
            in_a_row: self.lost_in_a_row,
        })
    }

    fn handle_job(&mut self, params: Option<Value<'_>>) -> Result<ClientEvent, ClientError> {
        let Some(session) = &self.session else {
            // The first job comes inside the login's answer; one before it belongs to nobody.
            return Ok(ClientEvent::Idle);
        };
        match job::parse(params, session.nicehash || self.login.nicehash) {
            Ok(job) => {
                self.bad_jobs = 0;
                let same = self.job.as_ref().is_some_and(|old| {
                    (&old.id, &old.blob, old.target) == (&job.id, &job.blob, job.target)
                });
                if same {
                    return Ok(ClientEvent::Idle);
                }
                self.job = Some(job.clone());
                Ok(ClientEvent::Job(job))
            }
            Err(bad) => {
                self.bad_jobs = self.bad_jobs.saturating_add(1);
                if self.bad_jobs < MAX_BAD_IN_A_ROW {
                    Ok(ClientEvent::Notice(Notice::BadJob(bad)))
                } else {
                    Err(ClientError::BadJob(bad))
                }
            }
        }
    }

    fn handle_reply(&mut self, now: Millis, reply: Value<'_>) -> Result<ClientEvent, ClientError> {
        let id = id_of(reply);
        let Some(at) = self
            .asked
            .iter()
            .position(|asked| Some(asked.id.into()) == id)
        else {
            return Ok(ClientEvent::Idle);
        };
        let error = error_of(reply);
        // Before the request is taken off the table, so that its share counts as outstanding.
        if let Some(message) = error
            .as_ref()
            .filter(|message| ends_session(message.as_str()))
        {
            return Err(ClientError::Unwelcome(message.clone()));
        }
        let asked = self.asked.remove(at);
        match asked.what {
            What::Login => self.handle_welcome(reply, error),
            What::Submit(share) => {
                self.lost_in_a_row = 0;
                Ok(ClientEvent::Answered {
                    share,
                    verdict: verdict_of(reply, error.as_ref()),
                    latency_ms: now.since(asked.at),
                    message: error.unwrap_or_default(),
                })
            }
            What::Ping => Ok(ClientEvent::Idle),
        }
    }

    fn handle_welcome(
        &mut self,
        reply: Value<'_>,
        error: Option<Text<MAX_POOL_MESSAGE>>,
    ) -> Result<ClientEvent, ClientError> {
        if let Some(message) = error {
            return Err(ClientError::LoginRefused(message));
        }
        let result = reply.get("result").ok_or(ClientError::NoSession)?;
        let id = result.get("id").and_then(Value::text);
        let extension = |name: &str| {
            let listed = result.get("extensions");
            listed.is_some_and(|list| list.items().filter_map(Value::as_str).any(|e| e.is(name)))
        };
        let session = Session {
            id: id
                .filter(|id| !id.is_empty())
                .ok_or(ClientError::NoSession)?,
            algo: extension("algo"),
            nicehash: extension("nicehash"),
            keepalive: extension("keepalive"),
        };
        let job = job::parse(result.get("job"), session.nicehash || self.login.nicehash)
            .map_err(ClientError::BadJob)?;
        self.session = Some(session);
        self.job = Some(job.clone());
        Ok(ClientEvent::LoggedIn(job))
    }

    fn unanswered(&self) -> usize {
        self.asked.iter().filter_map(Asked::share).count()
    }

    fn is_asked(&self, what: What) -> bool {
        self.asked.iter().any(|asked| asked.what == what)
    }
}

impl Asked {
    fn deadline(&self) -> Millis {
        self.at
            + match self.what {
                What::Login => LOGIN_MS,
                What::Submit(_) => SUBMIT_MS,
                What::Ping => PING_MS,
            }
    }

    fn share(&self) -> Option<Submitted> {
        match self.what {
            What::Submit(share) => Some(share),
            What::Login | What::Ping => None,
        }
    }
}

/// Accepted is an object or `true` as result and no error, whatever a `status` in it says.
fn verdict_of(reply: Value<'_>, error: Option<&Text<MAX_POOL_MESSAGE>>) -> Verdict {
    match (error, reply.get("result")) {
        (Some(message), _) => Verdict::from_message(message.as_str()),
        (None, Some(result)) if result.is_object() || result.as_bool() == Some(true) => {
            Verdict::Accepted
        }
        (None, _) => Verdict::Refused,
    }
}

fn write_login(out: &mut [u8], id: u32, login: &Login) -> Option<usize> {
    write_request(out, id, "login", |w| {
        w.key("login").string(login.user.as_str());
        w.key("pass").string(login.pass.as_str());
        w.key("agent").string(login.agent.as_str());
        if let Some(rig) = &login.rig {
            w.key("rigid").string(rig.as_str());
        }
        w.key("algo").open_array();
        w.string(Algo::Rx0.as_str()).close_array();
    })
}

fn write_submit(out: &mut [u8], id: u32, session: &Session, share: &Share) -> Option<usize> {
    write_request(out, id, "submit", |w| {
        w.key("id").string(session.id.as_str());
        w.key("job_id").string(share.job_id.as_str());
        w.key("nonce").hex(&share.nonce.to_le_bytes());
        w.key("result").hex(&share.hash);
        if session.algo {
            w.key("algo").string(Algo::Rx0.as_str());
        }
    })
}

fn write_ping(out: &mut [u8], id: u32, session: &Session) -> Option<usize> {
    write_request(out, id, "keepalived", |w| {
        w.key("id").string(session.id.as_str());
    })
}

fn write_request(
    out: &mut [u8],
    id: u32,
    method: &str,
    params: impl FnOnce(&mut Writer<'_>),
) -> Option<usize> {
    write_line(out, |w| {
        w.open_object();
        w.key("id").number(id.into());
        w.key("jsonrpc").string("2.0");
        w.key("method").string(method);
        w.key("params").open_object();
        params(w);
        w.close_object().close_object();
    })
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LoginRefused(words) => write!(f, "the pool refused the login: {words}"),
            Self::LoginTimeout => f.write_str("the pool did not answer the login"),
            Self::NoSession => f.write_str("the pool's answer to the login names no session"),
            Self::BadJob(bad) => write!(f, "the pool's job cannot be mined: {bad}"),
            Self::Unwelcome(words) => write!(f, "the pool ended the session: {words}"),
            Self::PingTimeout => f.write_str("the pool does not answer pings"),
            Self::Unreadable => f.write_str("the pool does not speak JSON"),
        }
    }
}

impl core::error::Error for ClientError {}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotLoggedIn => "not logged in to a pool",
            Self::Full => "too many shares wait for the pool",
        })
    }
}

impl core::error::Error for SubmitError {}

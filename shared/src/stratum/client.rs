//! One connection to a pool.

use crate::limits::MAX_POOL_MESSAGE;
use crate::mining::{Job, Share, Verdict};
use crate::text::{Label, Name, PoolPass, PoolUser, Text};
use crate::time::Millis;

/// What a client says of itself when it logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Wallet, with what the pool lets one append.
    pub user: PoolUser,
    /// Password.
    pub pass: PoolPass,
    /// Program and version, such as `miner/0.1.0 (linux; x86_64)`.
    pub agent: Label,
    /// Name of the rig, if the pool may know it.
    pub rig: Option<Name>,
    /// Keep to the low 24 bits of the nonce even if the pool does not ask for it.
    pub nicehash: bool,
}

/// One connection to a pool, from login to its end.
#[derive(Debug)]
pub struct Client {
    login: Login,
}

/// What a line or the passing of time brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "no allocator here; an event lives for one call"
)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Nothing for the caller.
    Idle,
    /// The pool let us in; the first job.
    LoggedIn(Job),
    /// Another job: leave the old one.
    Job(Job),
    /// The pool answered the oldest unanswered submit with this nonce.
    Answered {
        /// What it made of the share.
        verdict: Verdict,
        /// From sending the share to the answer, in milliseconds.
        latency_ms: u64,
        /// The pool's words, empty if it said none.
        message: Text<MAX_POOL_MESSAGE>,
    },
    /// This many submits got no answer in time: count them as lost.
    Lost {
        /// Lost now.
        count: u32,
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

/// Why a job cannot be mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadJob {
    /// No object where a job should be.
    NotAJob,
    /// No usable `job_id`.
    Id,
    /// No usable `blob`.
    Blob,
    /// No usable `target`.
    Target,
    /// No usable `seed_hash`.
    Seed,
    /// An algorithm that this program does not have, such as RandomX v2.
    Algo,
}

/// Why a connection is over: close it, and count what is outstanding as lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientError {
    /// The pool refused the login, in these words.
    LoginRefused(Text<MAX_POOL_MESSAGE>),
    /// No answer to the login in 10 s.
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

impl Client {
    /// A client for a connection that was just made; the login is the first thing it sends.
    pub fn new(now: Millis, login: Login) -> Self {
        let _ = now;
        Self { login }
    }

    /// Handles one line from the pool, without its ending.
    pub fn handle_line(&mut self, now: Millis, line: &[u8]) -> Result<ClientEvent, ClientError> {
        todo!()
    }

    /// Takes a share to send; it may wait behind four that have no answer yet.
    pub fn submit(&mut self, now: Millis, share: &Share) -> Result<(), SubmitError> {
        todo!()
    }

    /// Writes the next line to send, ending included, and says its length. `out` has room for
    /// [`crate::limits::MAX_SENT_LINE`] bytes. Call until `None` after every other call.
    pub fn poll_transmit(&mut self, now: Millis, out: &mut [u8]) -> Option<usize> {
        todo!()
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Millis> {
        todo!()
    }

    /// Handles the passing of time. Call until it returns `Idle`.
    pub fn handle_timeout(&mut self, now: Millis) -> Result<ClientEvent, ClientError> {
        todo!()
    }

    /// The job in hand.
    pub fn job(&self) -> Option<&Job> {
        todo!()
    }

    /// Whether the pool let us in.
    pub fn is_logged_in(&self) -> bool {
        todo!()
    }

    /// Shares taken and not answered yet: lost when the connection ends now.
    pub fn outstanding(&self) -> u32 {
        todo!()
    }
}

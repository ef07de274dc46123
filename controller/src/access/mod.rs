//! Who asks: what a credential proves, without HTTP.
//!
//! ```text
//!   Authorization: Bearer mct_… ─┬─ the token of this run (our own CLI) ─▶ Who::local
//!                                └─ a token of the registry ────────────▶ Who, its scope
//!   Cookie ──────────────────────── a session ──────────────────────────▶ Who, its scope
//!   none of these ───────────────── counted by Failures
//! ```
//!
//! Being on this machine is no credential: every program of every user is. The command line finds the
//! token of the run in `controller.http`, which only its owner can read.

mod failures;
mod secret;
mod sessions;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use miner_agent::store::system_rng;
use miner_shared::text::Name;

pub use self::failures::{ALL_FAILURES, Failures, MAX_FAILED_SOURCES, SOURCE_FAILURES};
pub use self::secret::{ApiToken, Cookie, LoginCode, PREFIX, is_same};
pub use self::sessions::{
    CODE_MS, IDLE_MS, LIFE_MS, MAX_CODES, MAX_SESSIONS, READ_LIFE_MS, Session, Sessions,
};
use crate::clock::Clock;
use crate::registry::{ApiTokenId, Author};
use crate::scope::Scope;

/// Somebody whose credential was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// By what.
    pub by: By,
    /// What this allows.
    pub scope: Scope,
}

/// By what somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The command line of this controller's owner.
    Local,
    /// A browser that logged in; its session's number since the start.
    Session(u64),
    /// An API token.
    Token(ApiTokenId, Option<Name>),
}

impl By {
    /// The same as what is kept beside a version or rollout, cut where that is too long.
    pub fn author(&self) -> Author {
        Author::lossy(&self.to_string())
    }
}

/// As the audit log has it.
impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Session(number) => write!(f, "session {number}"),
            Self::Token(id, None) => write!(f, "token {id}"),
            Self::Token(id, Some(label)) => write!(f, "token {id} ({label})"),
        }
    }
}

/// What a running controller knows of who may ask, beside the tokens in its registry.
#[derive(Debug)]
pub struct Access {
    own: ApiToken,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sessions: Sessions,
    failures: Failures,
}

impl Access {
    /// With a fresh token for this run.
    pub fn new(clock: Clock) -> Self {
        Self {
            own: ApiToken::generate(&mut system_rng()),
            clock,
            state: Mutex::default(),
        }
    }

    /// The token of this run: for our own command line.
    pub const fn own_token(&self) -> &ApiToken {
        &self.own
    }

    /// Whether this is the token of this run.
    pub fn is_own(&self, token: &ApiToken) -> bool {
        token.id() == self.own.id() && is_same(&token.hash(), &self.own.hash())
    }

    /// A code for one login.
    pub fn invite(&self, scope: Scope) -> LoginCode {
        let code = LoginCode::generate(&mut system_rng());
        let now = self.clock.now().mono;
        self.lock().sessions.invite(code.hash(), scope, now);
        code
    }

    /// Turns a code into a session, and its cookie.
    pub fn log_in(&self, code: &LoginCode) -> Option<(Session, Cookie)> {
        let cookie = Cookie::generate(&mut system_rng());
        let now = self.clock.now().mono;
        let mut state = self.lock();
        let session = state.sessions.redeem(&code.hash(), cookie.hash(), now)?;
        Some((session, cookie))
    }

    /// The session that a browser's cookie names.
    pub fn session(&self, cookie: &str) -> Option<Session> {
        let now = self.clock.now().mono;
        self.lock().sessions.find(&Cookie::hash_of(cookie), now)
    }

    /// Ends the session that a browser's cookie names.
    pub fn log_out(&self, cookie: &str) -> bool {
        self.lock().sessions.end(&Cookie::hash_of(cookie))
    }

    /// Notes a bad credential; whether it is the last before its address has to wait. `Err` is for one too
    /// many: how many seconds to wait.
    pub fn failed(&self, from: IpAddr) -> Result<bool, u16> {
        let now = self.clock.now().mono;
        self.lock().failures.note(from, now)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever panicked, each table is whole: every change of one is a single call.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

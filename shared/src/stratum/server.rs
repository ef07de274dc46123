//! One connection from a miner.

use crate::limits::MAX_NAME;
use crate::mining::{Blob, Difficulty, Hash, SeedHash, Target, Verdict};
use crate::stratum::Refusal;
use crate::text::{Label, PoolPass, PoolUser, Text};
use crate::time::Millis;
use crate::wire::Algo;

/// One connection from a miner, from accept to its end.
#[derive(Debug)]
pub struct Server {
    session: [u8; 8],
}

/// Work to hand out; the server makes a job of it with an id of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// What is hashed.
    pub blob: Blob,
    /// Proof of work.
    pub algo: Algo,
    /// Height of the block.
    pub height: u64,
    /// Key of the RandomX memory.
    pub seed: SeedHash,
    /// The seed after this one, if it is known.
    pub next_seed: Option<SeedHash>,
}

/// Names a submit that waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// A login to decide on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRequest {
    /// Wallet or label.
    pub user: PoolUser,
    /// Password, if given.
    pub pass: Option<PoolPass>,
    /// Program, as far as it is shown.
    pub agent: Label,
    /// Name of the rig, if given.
    pub rig: Option<Text<MAX_NAME>>,
}

/// A share that passed every check but the hash function's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// To answer it with.
    pub ticket: Ticket,
    /// The job's blob with the nonce in place.
    pub input: Blob,
    /// Key of the RandomX memory.
    pub seed: SeedHash,
    /// What the miner says the hash is.
    pub hash: Hash,
    /// Target that the claimed hash is below.
    pub target: Target,
    /// Height of the job.
    pub height: u64,
}

/// What a line brought.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "no allocator here; an event lives for one call"
)]
#[non_exhaustive]
pub enum ServerEvent {
    /// Nothing for the caller.
    Idle,
    /// A miner wants in: answer with [`Server::accept`] or [`Server::refuse`].
    Login(LoginRequest),
    /// A share to verify: answer with [`Server::answer`].
    Claimed(Claim),
    /// A share that needed no verification; the miner has its answer.
    Refused(Verdict),
}

/// Why a connection is over: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerError {
    /// No login in 10 s.
    LoginTimeout,
    /// No valid line in 600 s.
    Idle,
    /// A line that is no JSON object.
    Unreadable,
    /// The miner does not read what it is sent.
    Backlog,
}

impl Server {
    /// A server for a connection that was just accepted; `session` is random.
    pub fn new(now: Millis, session: [u8; 8]) -> Self {
        let _ = now;
        Self { session }
    }

    /// Handles one line from the miner, without its ending.
    pub fn handle_line(&mut self, now: Millis, line: &[u8]) -> Result<ServerEvent, ServerError> {
        todo!()
    }
}

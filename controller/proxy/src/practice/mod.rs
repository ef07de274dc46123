//! The practice pool: a real stratum server over TCP whose blocks lead nowhere.
//!
//! ```text
//!   socket ── session ── stratum::Server ── Claim ──▶ verifier thread: RandomX, light
//!     ▲          ▲                                         │
//!     └─ lines ──┴───────────── verdict ◀──────────────────┘
//!   chain (height, seed, blob) ──▶ session: vardiff ──▶ job
//! ```

use std::io;
use std::net::SocketAddr;

use miner_shared::mining::{Difficulty, Verdict};
use miner_shared::text::Label;
use rand_core::CryptoRng;
use smol::channel::Receiver;

/// How a practice pool behaves.
#[derive(Clone, Debug)]
pub struct PracticeConfig {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Time from block to block, in milliseconds.
    pub block_ms: u64,
    /// Height of the first block.
    pub first_height: u64,
}

impl Default for PracticeConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 3333)),
            block_ms: 30_000,
            first_height: 3_500_000,
        }
    }
}

/// A pool that listens and has yet to run.
#[derive(Debug)]
pub struct PracticePool {
    address: SocketAddr,
    events: Receiver<PracticeEvent>,
}

/// What happened at the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PracticeEvent {
    /// A miner logged in.
    LoggedIn {
        /// Number of the connection, counted from 1.
        connection: u64,
        /// Login label as far as it is shown.
        miner: Label,
        /// Its program.
        agent: Label,
        /// Where it is.
        peer: SocketAddr,
    },
    /// A share got its verdict.
    Share {
        /// Number of the connection.
        connection: u64,
        /// Login label.
        miner: Label,
        /// What became of it.
        verdict: Verdict,
        /// Difficulty of its job, if the job was known.
        difficulty: Option<Difficulty>,
        /// From the line to the answer, in milliseconds.
        latency_ms: u64,
    },
    /// A miner's connection ended.
    Left {
        /// Number of the connection.
        connection: u64,
        /// Login label.
        miner: Label,
    },
    /// A new block: all miners got new jobs.
    Block {
        /// Its height.
        height: u64,
    },
}

impl PracticePool {
    /// Binds the listener; nothing is served before [`Self::run`].
    pub async fn bind(config: PracticeConfig) -> io::Result<Self> {
        let _ = config;
        todo!()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What happens, from now on. When nobody reads, the newest events are dropped.
    pub fn events(&self) -> Receiver<PracticeEvent> {
        self.events.clone()
    }

    /// Serves until dropped. `Send`, so it runs on any executor; it brings its own for connections
    /// and one thread for verification.
    pub async fn run(self, rng: impl CryptoRng + Send) -> io::Result<()> {
        let _ = rng;
        todo!()
    }
}

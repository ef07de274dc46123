//! What a rig is told to mine, and with what.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::limits::MAX_POOLS;
use crate::text::{Address, Name, PoolPass, PoolUser};

/// A named way to mine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The profile's name at the controller.
    pub name: Name,
    /// Which kind of miner runs it.
    pub backend: Backend,
    /// Which proof of work.
    pub algo: Algo,
    /// Fast or light mode.
    pub mode: Mode,
    /// How many hash threads.
    pub threads: Threads,
    /// Where to mine, first choice first; never empty in a profile that is accepted.
    pub pools: Vec<Pool, MAX_POOLS>,
}

/// A pool and the account there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Where it listens.
    pub address: Address,
    /// Whether to speak TLS with it.
    pub tls: bool,
    /// Login: the wallet, with what the pool lets one append.
    pub user: PoolUser,
    /// Password.
    pub pass: PoolPass,
}

/// Kind of miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Backend {
    /// The agent's own engine on the processor.
    Cpu,
    /// A graphics card, by a process of its own.
    Cuda,
    /// A locally installed miner that the agent supervises.
    External,
}

/// Proof of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algo {
    /// RandomX as Monero uses it, `rx/0`.
    Rx0,
}

impl Algo {
    /// The field's name, as pools write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rx0 => "rx/0",
        }
    }
}

/// RandomX memory wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Fast where the memory suffices, light while it is being filled and elsewhere.
    Auto,
    /// 2,080 MiB dataset; refused where the memory does not suffice.
    Fast,
    /// 256 MiB cache only.
    Light,
}

/// Number of hash threads wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Threads {
    /// As many as the processor's cores and caches suit.
    Auto,
    /// This many, from 1 to [`crate::limits::MAX_THREADS`].
    Count(u16),
    /// This part, from 1 to 100, of what `Auto` would be, rounded up. Since version 2.
    Percent(u8),
}

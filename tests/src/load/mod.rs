//! Attack, measured: what a controller and its registered rigs feel while somebody is at it.
//!
//! | case | who attacks | how |
//! |---|---|---|
//! | [`Case::Flood`] (D1) | strangers from many addresses | connect, say a valid first message, go |
//! | [`Case::Slow`] (D2) | strangers that stay | idle, a byte a second, stuck after the first message |
//! | [`Case::Oversize`] (D3) | strangers that send too much | headers, frames, text, pings, fragments, compression |
//! | [`Case::Hostile`] (D4) | registered rigs | messages as fast as the socket takes them |
//!
//! ```text
//!   this process                                        a process of its own
//!   ┌ rigs      one thread each, real links ───────────▶ miner-ctrl node serve
//!   ├ owner     pings and commands, all the time ─REST─▶   (temporary folders, port 0)
//!   └ attackers ───────────────────────────────────────▶   RSS and CPU from /proc
//! ```
//! [`Plan`] is no attack: a whole farm of simulated rigs, from power-on to a restart of its controller.
//!
//! Everything is on loopback and bounded in count and time. The owner's latencies are what a person
//! sees: from the HTTP request to the answer that waited for the rig.
#![expect(
    clippy::expect_used,
    reason = "what it makes itself, names and keys, is valid"
)]

pub(crate) mod connect;
pub(crate) mod controller;
mod farm;
mod figures;
mod fleet;
mod flood;
mod gauge;
mod hostile;
mod oversize;
mod owner;
pub(crate) mod rig;
mod slow;

use core::time::Duration;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::farm::Farm;
pub use self::figures::{Figure, Figures};
pub use self::fleet::{Plan, Show};

/// What to do to the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// D1.
    Flood,
    /// D2.
    Slow,
    /// D3.
    Oversize,
    /// D4.
    Hostile,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How long commands are measured in peace, and again under attack.
    pub seconds: u64,
    /// D1: connections begun in a second.
    pub rate: u32,
    /// Loopback addresses that strangers come from.
    pub sources: u32,
    /// D2: sockets of each kind. D3: connections of each kind. D4: hostile rigs.
    pub count: u32,
    /// Registered rigs that are commanded meanwhile.
    pub rigs: u8,
}

impl Case {
    /// The case of this id.
    pub fn parse(id: &str) -> Option<Self> {
        match id.to_ascii_uppercase().as_str() {
            "D1" => Some(Self::Flood),
            "D2" => Some(Self::Slow),
            "D3" => Some(Self::Oversize),
            "D4" => Some(Self::Hostile),
            _ => None,
        }
    }

    /// The extent that the promise speaks of.
    pub const fn promised(self) -> Extent {
        let (seconds, count) = match self {
            Self::Flood => (60, 0),
            Self::Slow => (10, 512),
            Self::Oversize => (10, 200),
            Self::Hostile => (20, 1),
        };
        Extent {
            seconds,
            rate: 5_000,
            sources: 200,
            count,
            rigs: 8,
        }
    }

    /// Runs it on a controller made for it. `progress` hears what is being done.
    ///
    /// # Errors
    /// The programs cannot be built or started, or a rig cannot link up: nothing was measured.
    pub fn run(self, extent: &Extent, progress: impl Fn(&str)) -> Result<Figures, String> {
        progress("starting a controller and its rigs");
        let mut farm = Farm::start(extent.rigs)?;
        match self {
            Self::Flood => flood::run(&mut farm, extent, progress),
            Self::Slow => slow::run(&mut farm, extent, progress),
            Self::Oversize => oversize::run(&mut farm, extent, progress),
            Self::Hostile => hostile::run(&mut farm, extent, progress),
        }
    }
}

/// Tells threads to end.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

const fn seconds(extent: &Extent) -> Duration {
    Duration::from_secs(extent.seconds)
}

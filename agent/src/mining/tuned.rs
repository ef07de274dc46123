//! What `miner tune` found to be the fastest on this machine, and when it holds.
//!
//! | what | holds |
//! |---|---|
//! | threads | where a profile leaves them to the miner |
//! | inputs in flight | with the threads that they were measured with |
//! | prefetch | always |

use std::fmt;

use miner_engine::Prefetch;
use miner_shared::wire::Threads;

use super::topology::Topology;

/// How hash threads are to work, where it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuned {
    /// So many hash threads; `None` for as many as the miner takes by itself.
    pub threads: Option<u16>,
    /// Inputs in flight per thread, 1 to [`miner_engine::MAX_WAYS`].
    pub ways: usize,
    /// How memory is asked for ahead.
    pub prefetch: Prefetch,
}

impl Tuned {
    /// These threads, where nobody says how many.
    pub fn threads(self) -> Threads {
        self.threads.map_or(Threads::Auto, Threads::Count)
    }
}

/// Inputs in flight per thread of a plan: as measured if it is the plan of the measurement, else by the
/// processor.
pub(crate) fn ways(tuned: Option<Tuned>, topology: &Topology, plan: &[Option<u16>]) -> usize {
    match tuned {
        Some(tuned) if topology.plan(tuned.threads()) == plan => tuned.ways,
        _ => topology.ways(plan),
    }
}

/// The kind of prefetch: as measured, else the usual one.
pub(crate) fn prefetch(tuned: Option<Tuned>) -> Prefetch {
    tuned.map_or_else(Prefetch::default, |tuned| tuned.prefetch)
}

impl fmt::Display for Tuned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.threads {
            Some(threads) => write!(f, "threads={threads}")?,
            None => f.write_str("threads=auto")?,
        }
        write!(f, " ways={} prefetch={}", self.ways, self.prefetch.name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::topology::{Cpu, L3};
    use super::*;

    fn four_cores() -> Topology {
        let cpu = |number| Cpu {
            number,
            core: number,
            l3: Some(L3 {
                first: 0,
                bytes: 32 << 20,
            }),
            node: None,
        };
        Topology {
            cpus: (0..4).map(cpu).collect(),
            granted: 4,
        }
    }

    #[test]
    fn inputs_in_flight_are_as_measured_only_with_the_threads_of_the_measurement() {
        let topology = four_cores();
        let plan = |threads| topology.plan(threads);
        let tuned = |threads| {
            Some(Tuned {
                threads,
                ways: 1,
                prefetch: Prefetch::Nta,
            })
        };
        assert_eq!(ways(None, &topology, &plan(Threads::Auto)), 2);
        assert_eq!(ways(tuned(None), &topology, &plan(Threads::Auto)), 1);
        assert_eq!(ways(tuned(Some(3)), &topology, &plan(Threads::Count(3))), 1);
        assert_eq!(ways(tuned(Some(3)), &topology, &plan(Threads::Count(2))), 2);
        assert_eq!(prefetch(tuned(None)), Prefetch::Nta);
        assert_eq!(prefetch(None), Prefetch::T0);
    }
}

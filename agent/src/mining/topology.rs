//! How many hash threads, and on which processors.
//!
//! Each hash works on a scratchpad of 2 MiB, which wants to stay in the third-level cache; two hash
//! threads on one core only share its units. So the automatic choice is, for each L3 cache, one
//! thread per core, at most one per 2 MiB of it, at least one. Without a known L3 it is one per core.
//! Where a thread has a core for itself and twice that cache, it keeps two inputs in flight, whose programs
//! take turns (docs/decisions/0015).
//!
//! | sysfs file under `cpuN/` | gives |
//! |---|---|
//! | `topology/thread_siblings_list` | the core: processors of one core name the same list |
//! | `cache/index3/shared_cpu_list`, `size` | the L3 cache |
//! | a link `nodeM` | the NUMA node |

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use miner_engine::{MAX_WAYS, SCRATCHPAD_BYTES};
use miner_shared::limits::MAX_THREADS;
use miner_shared::wire::Threads;
use rustix::thread::{CpuSet, sched_getaffinity};

use crate::platform;

/// The processors that this program may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Each logical processor, in ascending order.
    pub cpus: Vec<Cpu>,
    /// How many processors' worth of time the system grants, which may be fewer than there are.
    pub granted: usize,
}

/// A logical processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Its number.
    pub number: u16,
    /// Number of the first processor of its core.
    pub core: u16,
    /// Its third-level cache, if known.
    pub l3: Option<L3>,
    /// Number of its NUMA node, if that has memory and it is known.
    pub node: Option<u16>,
}

/// A NUMA node: processors that have memory of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its number.
    pub number: u16,
    /// Its processors that this program may use, in ascending order.
    pub cpus: Vec<u16>,
}

/// A third-level cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L3 {
    /// Number of the first processor that shares it.
    pub first: u16,
    /// Size in bytes.
    pub bytes: u64,
}

impl Topology {
    /// Asks the system.
    pub fn read() -> Self {
        let granted = std::thread::available_parallelism().map_or(1, usize::from);
        let allowed = match sched_getaffinity(None) {
            Ok(set) => (0..CpuSet::MAX_CPU)
                .filter(|number| set.is_set(*number))
                .filter_map(|number| u16::try_from(number).ok())
                .collect(),
            Err(_) => (0..u16::try_from(granted).unwrap_or(1)).collect(),
        };
        let root = Path::new("/sys/devices/system/cpu");
        Self::read_from(root, allowed, platform::memory_nodes(), granted)
    }

    /// Reads the files of these processors; what is missing counts as a core of its own without L3. `memory`:
    /// the nodes that have some for us, all if not known.
    fn read_from(root: &Path, allowed: Vec<u16>, memory: Option<Vec<u16>>, granted: usize) -> Self {
        let has_memory = |node: &u16| memory.as_ref().is_none_or(|memory| memory.contains(node));
        let cpus = allowed.into_iter().map(|number| {
            let file =
                |name: &str| fs::read_to_string(root.join(format!("cpu{number}/{name}"))).ok();
            let siblings = file("topology/thread_siblings_list");
            let shared = file("cache/index3/shared_cpu_list");
            let size = file("cache/index3/size");
            Cpu {
                number,
                core: siblings
                    .and_then(|list| first_of_list(&list))
                    .unwrap_or(number),
                l3: shared
                    .and_then(|list| first_of_list(&list))
                    .zip(size.and_then(|size| bytes_of_size(&size)))
                    .map(|(first, bytes)| L3 { first, bytes }),
                node: node_in(&root.join(format!("cpu{number}"))).filter(has_memory),
            }
        });
        Self {
            cpus: cpus.collect(),
            granted,
        }
    }

    /// One entry per hash thread, never none: the processor to stay on, or `None` to leave that to
    /// the system.
    pub fn plan(&self, threads: Threads) -> Vec<Option<u16>> {
        match threads {
            Threads::Auto => placed(self.suited()),
            Threads::Percent(percent) => {
                let suited = self.suited();
                let count = (suited.len() * usize::from(percent.min(100))).div_ceil(100);
                // From each cache in turn, as the fewer threads have the more of each cache.
                let mut chosen = self.spread();
                chosen.retain(|cpu| suited.contains(cpu));
                chosen.truncate(count.max(1));
                chosen.sort_unstable();
                placed(chosen)
            }
            Threads::Count(count) => {
                let count = usize::from(count).clamp(1, MAX_THREADS);
                let spread = self.spread().into_iter().map(Some);
                spread.chain(std::iter::repeat(None)).take(count).collect()
            }
        }
    }

    /// The NUMA nodes with memory that threads of a plan stay on, in ascending order.
    pub fn nodes(&self, plan: &[Option<u16>]) -> Vec<Node> {
        let mut nodes = Vec::<Node>::new();
        for cpu in &self.cpus {
            let Some(number) = cpu.node else {
                continue;
            };
            match nodes.iter_mut().find(|node| node.number == number) {
                Some(node) => node.cpus.push(cpu.number),
                None => nodes.push(Node {
                    number,
                    cpus: vec![cpu.number],
                }),
            }
        }
        nodes.retain(|node| node.cpus.iter().any(|cpu| plan.contains(&Some(*cpu))));
        nodes.sort_unstable_by_key(|node| node.number);
        nodes
    }

    /// Inputs that each thread of a plan can have in flight, at least one.
    pub fn ways(&self, plan: &[Option<u16>]) -> usize {
        let mut cores = BTreeSet::new();
        let mut caches = BTreeMap::<u16, (u64, u64)>::new();
        for number in plan {
            let placed = self.cpus.iter().find(|cpu| Some(cpu.number) == *number);
            let Some((core, l3)) = placed.and_then(|cpu| Some((cpu.core, cpu.l3?))) else {
                return 1;
            };
            if !cores.insert(core) {
                return 1;
            }
            caches.entry(l3.first).or_insert((l3.bytes, 0)).1 += 1;
        }
        let scratchpad = u64::try_from(SCRATCHPAD_BYTES).unwrap_or(u64::MAX);
        let fits = |(bytes, threads): (u64, u64)| bytes / scratchpad / threads.max(1);
        let least = caches.into_values().map(fits).min().unwrap_or(1);
        usize::try_from(least)
            .unwrap_or(MAX_WAYS)
            .clamp(1, MAX_WAYS)
    }

    /// The processors that the automatic choice takes, in ascending order.
    fn suited(&self) -> Vec<u16> {
        let mut chosen: Vec<_> = self.caches().iter().flat_map(Shared::suited).collect();
        chosen.sort_unstable();
        chosen.truncate(self.granted.clamp(1, MAX_THREADS));
        chosen
    }

    /// All processors: from each cache in turn, cores before second threads of cores.
    fn spread(&self) -> Vec<u16> {
        let caches = self.caches();
        let mut order = Vec::with_capacity(self.cpus.len());
        for all in [Shared::cores, Shared::second_threads] {
            let lists: Vec<_> = caches.iter().map(all).collect();
            let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
            order.extend((0..longest).flat_map(|nth| lists.iter().filter_map(move |l| l.get(nth))));
        }
        order
    }

    fn caches(&self) -> Vec<Shared> {
        let mut caches = BTreeMap::<Option<u16>, Shared>::new();
        for cpu in &self.cpus {
            let cache = caches.entry(cpu.l3.map(|l3| l3.first)).or_default();
            cache.bytes = cpu.l3.map(|l3| l3.bytes);
            cache.cpus.push(*cpu);
        }
        caches.into_values().collect()
    }
}

/// A thread for each of these processors; one anywhere if there is none.
fn placed(cpus: Vec<u16>) -> Vec<Option<u16>> {
    if cpus.is_empty() {
        return vec![None];
    }
    cpus.into_iter().map(Some).collect()
}

/// The processors that share a cache.
#[derive(Debug, Default)]
struct Shared {
    bytes: Option<u64>,
    cpus: Vec<Cpu>,
}

impl Shared {
    /// One processor of each core, as many as the cache suits.
    fn suited(&self) -> Vec<u16> {
        let mut cores = self.cores();
        if let Some(bytes) = self.bytes {
            let fit = bytes / u64::try_from(SCRATCHPAD_BYTES).unwrap_or(u64::MAX);
            cores.truncate(usize::try_from(fit).unwrap_or(usize::MAX).max(1));
        }
        cores
    }

    fn cores(&self) -> Vec<u16> {
        let mut firsts = BTreeMap::new();
        for cpu in &self.cpus {
            firsts.entry(cpu.core).or_insert(cpu.number);
        }
        firsts.into_values().collect()
    }

    fn second_threads(&self) -> Vec<u16> {
        let cores = self.cores();
        let numbers = self.cpus.iter().map(|cpu| cpu.number);
        numbers.filter(|number| !cores.contains(number)).collect()
    }
}

/// The `M` of the entry `nodeM` in a processor's folder.
fn node_in(folder: &Path) -> Option<u16> {
    let mut entries = fs::read_dir(folder).ok()?.flatten();
    entries.find_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.strip_prefix("node")?.parse().ok()
    })
}

/// The first number of a list.
fn first_of_list(list: &str) -> Option<u16> {
    platform::numbers(list).first().copied()
}

/// Bytes of a size such as `32768K`.
fn bytes_of_size(size: &str) -> Option<u64> {
    let size = size.trim();
    let digits = size.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let factor = match size.get(digits.len()..)? {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `caches` L3 caches of `mib` MiB with `cores` cores of `smt` threads each; second threads are
    /// numbered after all cores, as Linux does.
    fn machine(caches: u16, mib: u64, cores: u16, smt: u16) -> Topology {
        let all = caches * cores;
        let cpus: Vec<_> = (0..all * smt)
            .map(|number| Cpu {
                number,
                core: number % all,
                l3: Some(L3 {
                    first: number % all / cores * cores,
                    bytes: mib << 20,
                }),
                node: None,
            })
            .collect();
        let granted = cpus.len();
        Topology { cpus, granted }
    }

    fn auto(topology: &Topology) -> Vec<u16> {
        topology.plan(Threads::Auto).into_iter().flatten().collect()
    }

    #[test]
    fn automatic_is_one_thread_per_core_where_the_cache_suffices() {
        assert_eq!(auto(&machine(1, 32, 8, 2)), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(auto(&machine(2, 32, 4, 1)).len(), 8);
    }

    #[test]
    fn automatic_is_one_thread_per_2_mib_of_each_cache_and_at_least_one() {
        assert_eq!(auto(&machine(2, 8, 6, 2)), [0, 1, 2, 3, 6, 7, 8, 9]);
        assert_eq!(auto(&machine(1, 1, 4, 1)), [0]);
    }

    #[test]
    fn automatic_without_a_known_cache_is_one_thread_per_core() {
        let mut board = machine(1, 8, 6, 1);
        for cpu in &mut board.cpus {
            cpu.l3 = None;
        }
        assert_eq!(auto(&board).len(), 6);
    }

    #[test]
    fn two_ways_need_a_core_and_twice_the_cache_for_each_thread() {
        let ways = |topology: &Topology, threads| topology.ways(&topology.plan(threads));
        assert_eq!(ways(&machine(1, 32, 8, 2), Threads::Auto), MAX_WAYS.min(2));
        assert_eq!(ways(&machine(1, 16, 8, 2), Threads::Auto), 1, "2 MiB each");
        assert_eq!(
            ways(&machine(1, 16, 8, 2), Threads::Count(4)),
            MAX_WAYS.min(2)
        );
        assert_eq!(
            ways(&machine(1, 64, 8, 2), Threads::Count(16)),
            1,
            "one core for two"
        );
        assert_eq!(
            ways(&machine(1, 64, 2, 1), Threads::Count(3)),
            1,
            "one is anywhere"
        );
        let mut board = machine(1, 64, 2, 1);
        board.cpus[0].l3 = None;
        assert_eq!(ways(&board, Threads::Auto), 1, "a cache that nobody knows");
    }

    #[test]
    fn automatic_is_not_more_than_the_system_grants() {
        let granted = Topology {
            granted: 3,
            ..machine(1, 32, 8, 2)
        };
        assert_eq!(auto(&granted), [0, 1, 2]);
        let nothing = Topology {
            cpus: Vec::new(),
            granted: 0,
        };
        assert_eq!(nothing.plan(Threads::Auto), [None]);
    }

    #[test]
    fn a_percentage_is_of_the_automatic_choice_rounded_up_and_spread_over_caches() {
        let two = machine(2, 8, 4, 2);
        let plan = |percent| {
            let plan = two.plan(Threads::Percent(percent));
            plan.into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(plan(100), auto(&two));
        assert_eq!(plan(50), [0, 1, 4, 5]);
        assert_eq!(plan(51).len(), 5);
        assert_eq!(plan(1), [0]);
        assert_eq!(plan(255), auto(&two), "never more");
        let nothing = Topology {
            cpus: Vec::new(),
            granted: 0,
        };
        assert_eq!(nothing.plan(Threads::Percent(50)), [None]);
    }

    #[test]
    fn a_given_number_spreads_over_caches_then_cores_then_second_threads() {
        let two = machine(2, 8, 2, 2);
        let plan = |count| two.plan(Threads::Count(count));
        assert_eq!(plan(3), [Some(0), Some(2), Some(1)]);
        let all: Vec<_> = [0, 2, 1, 3, 4, 6, 5, 7].map(Some).into();
        assert_eq!(plan(8), all);
        assert_eq!(plan(10)[8..], [None, None]);
        assert_eq!(plan(0).len(), 1);
        assert_eq!(plan(u16::MAX).len(), MAX_THREADS);
    }

    #[test]
    fn nodes_are_those_that_threads_stay_on() {
        let mut board = machine(2, 16, 2, 2);
        for cpu in &mut board.cpus {
            cpu.node = Some(cpu.core / 2);
        }
        let nodes = |threads| board.nodes(&board.plan(threads));
        let node = |number, cpus: [u16; 4]| Node {
            number,
            cpus: cpus.into(),
        };
        let (first, second) = (node(0, [0, 1, 4, 5]), node(1, [2, 3, 6, 7]));
        assert_eq!(nodes(Threads::Auto), [first.clone(), second]);
        assert_eq!(nodes(Threads::Count(1)), std::slice::from_ref(&first));
        assert_eq!(board.nodes(&[None, None]), []);
        // One without memory is none to have a dataset.
        for cpu in &mut board.cpus {
            cpu.node = cpu.node.filter(|node| *node == 0);
        }
        assert_eq!(board.nodes(&board.plan(Threads::Auto)), [first]);
    }

    #[test]
    fn sysfs_is_read_and_what_is_missing_is_a_core_of_its_own() {
        let root = tempfile::tempdir().expect("a folder");
        for (file, text) in [
            ("cpu0/topology/thread_siblings_list", "0,2\n"),
            ("cpu2/topology/thread_siblings_list", "0,2\n"),
            ("cpu2/cache/index3/shared_cpu_list", "0-3\n"),
            ("cpu2/cache/index3/size", "32768K\n"),
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        for node in ["cpu0/node0", "cpu2/node1"] {
            fs::create_dir(root.path().join(node)).expect("made");
        }
        let memory = Some(vec![1]);
        let read = Topology::read_from(root.path(), vec![0, 2, 5], memory, 3);
        let cpu = |number, core, l3, node| Cpu {
            number,
            core,
            l3,
            node,
        };
        let l3 = L3 {
            first: 0,
            bytes: 32 << 20,
        };
        assert_eq!(
            read.cpus,
            [
                cpu(0, 0, None, None),
                cpu(2, 0, Some(l3), Some(1)),
                cpu(5, 5, None, None)
            ]
        );
    }

    #[test]
    fn sizes_of_sysfs() {
        assert_eq!(bytes_of_size("512K\n"), Some(512 << 10));
        assert_eq!(bytes_of_size("96M"), Some(96 << 20));
        assert_eq!(bytes_of_size("K"), None);
        assert_eq!(bytes_of_size("5T"), None);
    }
}

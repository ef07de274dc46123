//! Huge pages: reserved first of all, while memory is in one piece.
//!
//! | memory | pages of 2 MiB |
//! |---|---|
//! | for a dataset of 2080 MiB on each NUMA node with memory, the cache of 256 MiB and 256 MiB for all else | 1040 per node, 128 and one per processor |
//! | for one dataset and the same | 1168 and one per processor |
//! | for the cache and 256 MiB for all else | 128 and one per processor |
//! | less | none |
//!
//! The kernel gives as many as it has, which may be fewer: what it gave is read back and logged.

use std::fs;

use log::{info, warn};
use miner_shared::cmdline::HugePages;

use super::Root;
use crate::platform::numbers;

/// Pages for a dataset and for the cache.
const DATASET: u32 = 1040;
const CACHE: u32 = 128;
/// What the rest of the machine needs, in MiB.
const REST_MIB: u64 = 256;
/// Size of a page, in MiB.
const PAGE_MIB: u64 = 2;

/// Reserves what was asked for.
pub(super) fn reserve(root: &Root, wish: HugePages) {
    let free = root.text("proc/meminfo").and_then(|text| free_mib(&text));
    let free_mib = free.unwrap_or_default();
    let wanted = wanted(wish, free_mib, processors(root), nodes(root));
    if wanted == 0 {
        info!("huge pages: none wanted free_mib={free_mib}");
        return;
    }
    let file = "proc/sys/vm/nr_hugepages";
    if let Err(error) = fs::write(root.at(file), wanted.to_string()) {
        warn!("huge pages: the kernel has none: {error}");
        return;
    }
    let got: u32 = root
        .text(file)
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    if got < wanted {
        warn!("huge pages: wanted={wanted} got={got}: memory is short, hashing is slower");
    } else {
        info!("huge pages: wanted={wanted} got={got}");
    }
}

fn wanted(wish: HugePages, free_mib: u64, processors: u32, nodes: u32) -> u32 {
    let room = |pages: u32| u64::from(pages) * PAGE_MIB + REST_MIB <= free_mib;
    match wish {
        HugePages::Off => 0,
        HugePages::Count(pages) => pages,
        // Dataset and cache are in pages of 1 GiB; scratchpads are not.
        HugePages::Gigabyte => processors,
        HugePages::Auto => [nodes, 1, 0]
            .into_iter()
            .map(|datasets| {
                datasets
                    .saturating_mul(DATASET)
                    .saturating_add(CACHE + processors)
            })
            .find(|pages| room(*pages))
            .unwrap_or_default(),
    }
}

fn free_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

fn processors(root: &Root) -> u32 {
    let info = root.text("proc/cpuinfo").unwrap_or_default();
    let count = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    u32::try_from(count).unwrap_or_default().max(1)
}

/// NUMA nodes with memory; the kernel spreads reserved pages over them evenly.
fn nodes(root: &Root) -> u32 {
    let list = root.text("sys/devices/system/node/has_memory");
    let count = list.map_or(0, |list| numbers(&list).len());
    u32::try_from(count).unwrap_or_default().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fast_mode_gets_its_pages_where_there_is_room_and_light_mode_otherwise() {
        for (free_mib, pages) in [
            (16_000, 1_184),
            (2_624, 1_184),
            (2_623, 144),
            (544, 144),
            (543, 0),
            (0, 0),
        ] {
            let wanted = wanted(HugePages::Auto, free_mib, 16, 1);
            assert_eq!(wanted, pages, "{free_mib}");
        }
        assert_eq!(wanted(HugePages::Off, 16_000, 16, 2), 0);
        assert_eq!(wanted(HugePages::Count(3), 0, 16, 2), 3);
        assert_eq!(wanted(HugePages::Gigabyte, 16_000, 16, 2), 16);
    }

    #[test]
    fn each_numa_node_gets_pages_for_a_dataset_where_there_is_room_for_all() {
        for (free_mib, pages) in [(4_704, 2_224), (4_703, 1_184), (2_623, 144)] {
            let wanted = wanted(HugePages::Auto, free_mib, 16, 2);
            assert_eq!(wanted, pages, "{free_mib}");
        }
    }

    #[test]
    fn what_is_wanted_is_written_to_the_kernel() {
        let (_folder, root) = Root::with(&[
            (
                "proc/meminfo",
                "MemTotal: 9 kB\nMemAvailable:  1048576 kB\n",
            ),
            (
                "proc/cpuinfo",
                "processor\t: 0\nflags : x\nprocessor\t: 1\n",
            ),
            ("proc/sys/vm/nr_hugepages", "0\n"),
            ("sys/devices/system/node/has_memory", "0,2\n"),
        ]);
        reserve(&root, HugePages::Auto);
        assert_eq!(root.text("proc/sys/vm/nr_hugepages"), Some("130".into()));
        assert_eq!(nodes(&root), 2);
    }
}

//! The datasets of fast mode: one on each NUMA node that hash threads stay on, since memory of another node
//! takes much longer to read; one that lies on all of them in turns where there is not memory for more.
//!
//! The first is computed by all processors; the others are copies of it.

use std::sync::Arc;

use miner_engine::{Backing, Cache, DATASET_MIB, Dataset, EngineError, Progress};
use miner_shared::wire::PageWish;

use super::fast_mode_mib;
use super::topology::Node;
use crate::platform;

/// A dataset for each node: `D` is [`Dataset`] while it is filled, and then shared.
#[derive(Clone, Debug)]
pub(crate) struct PerNode<D> {
    /// Also for threads that are on none of the nodes.
    first: OnNode<D>,
    others: Vec<OnNode<D>>,
}

#[derive(Clone, Debug)]
struct OnNode<D> {
    cpus: Vec<u16>,
    dataset: D,
}

/// Memory that a miner can take now, in MiB; `None` where the system does not say.
pub(crate) fn available_mib(pages: PageWish) -> Option<u32> {
    let available = platform::available_mib(pages)?;
    Some(u32::try_from(available).unwrap_or(u32::MAX))
}

/// Whether so much memory suffices for so many threads and a dataset on each of so many nodes; if nobody knows
/// how much it is, it does.
pub(crate) fn is_affordable(nodes: usize, threads: u16, available_mib: Option<u32>) -> bool {
    let others = u32::try_from(nodes.saturating_sub(1)).unwrap_or(u32::MAX);
    let needed_mib = fast_mode_mib(threads).saturating_add(others.saturating_mul(DATASET_MIB));
    available_mib.is_none_or(|mib| mib >= needed_mib)
}

/// The numbers of nodes.
pub(crate) fn numbers(nodes: &[Node]) -> Vec<u16> {
    nodes.iter().map(|node| node.number).collect()
}

impl<D> PerNode<D> {
    /// That of the node of this processor.
    pub(crate) fn near(&self, cpu: Option<u16>) -> &D {
        let is_near = |node: &&OnNode<D>| cpu.is_some_and(|cpu| node.cpus.contains(&cpu));
        let near = self.others.iter().find(is_near);
        &near.unwrap_or(&self.first).dataset
    }

    /// How many.
    pub(crate) const fn count(&self) -> usize {
        1 + self.others.len()
    }
}

impl PerNode<Dataset> {
    /// Gets the memory: for a dataset on `each` node, if that is wished and can be had; else for one, which needs
    /// no nodes.
    ///
    /// # Errors
    /// As [`Dataset::with_pages`].
    pub(crate) fn new(nodes: &[Node], each: bool, pages: PageWish) -> Result<Self, EngineError> {
        let on = |numbers: &[u16], cpus: &[u16]| {
            let mut dataset = Dataset::with_pages(pages)?;
            dataset.place(numbers);
            Ok(OnNode {
                cpus: cpus.to_vec(),
                dataset,
            })
        };
        if each && nodes.len() > 1 {
            let all = nodes.iter().map(|node| on(&[node.number], &node.cpus));
            if let Ok(mut others) = all.collect::<Result<Vec<_>, EngineError>>() {
                let first = others.remove(0);
                return Ok(Self { first, others });
            }
        }
        Ok(Self {
            first: on(&numbers(nodes), &[])?,
            others: Vec::new(),
        })
    }

    /// As [`Dataset::fill`], and the progress is that of the first of them.
    ///
    /// # Errors
    /// As [`Dataset::fill`].
    pub(crate) fn fill(
        &mut self,
        cache: &Cache,
        threads: u16,
        progress: &Progress,
    ) -> Result<(), EngineError> {
        let Self { first, others } = self;
        first.dataset.fill(cache, threads, progress)?;
        let mut copies = others.iter_mut();
        copies.try_for_each(|copy| copy.dataset.copy_from(&first.dataset, progress))
    }

    /// For machines to read.
    pub(crate) fn share(self) -> PerNode<Arc<Dataset>> {
        let share = |OnNode { cpus, dataset }| OnNode {
            cpus,
            dataset: Arc::new(dataset),
        };
        PerNode {
            first: share(self.first),
            others: self.others.into_iter().map(share).collect(),
        }
    }
}

impl PerNode<Arc<Dataset>> {
    /// For filling anew, once no machine is on any of them.
    pub(crate) fn unshare(self) -> Option<PerNode<Dataset>> {
        let unshare = |OnNode { cpus, dataset }| {
            Some(OnNode {
                cpus,
                dataset: Arc::into_inner(dataset)?,
            })
        };
        Some(PerNode {
            first: unshare(self.first)?,
            others: self
                .others
                .into_iter()
                .map(unshare)
                .collect::<Option<_>>()?,
        })
    }

    /// Pages behind that of them which has the smallest.
    pub(crate) fn backing(&self) -> Option<Backing> {
        let all = std::iter::once(&self.first).chain(&self.others);
        let backings = all.filter_map(|node| node.dataset.backing());
        backings.min_by_key(|backing| (backing.pages, backing.huge_percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_has_a_dataset_where_memory_suffices_for_all() {
        let one = fast_mode_mib(4);
        for (nodes, available_mib, affordable) in [
            (2, None, true),
            (2, Some(one + DATASET_MIB), true),
            (2, Some(one + DATASET_MIB - 1), false),
            (8, Some(one + 7 * DATASET_MIB), true),
            (1, Some(one), true),
            (0, Some(one), true),
        ] {
            let is = is_affordable(nodes, 4, available_mib);
            assert_eq!(is, affordable, "{nodes} {available_mib:?}");
        }
    }

    #[test]
    fn a_thread_reads_the_dataset_of_its_node_and_the_first_from_anywhere_else() {
        let on = |cpus: [u16; 2], dataset| OnNode {
            cpus: cpus.into(),
            dataset,
        };
        let datasets = PerNode {
            first: on([0, 2], 'a'),
            others: vec![on([1, 3], 'b')],
        };
        let near = [Some(0), Some(1), Some(2), Some(3), Some(4), None];
        let near: String = near.iter().map(|cpu| datasets.near(*cpu)).collect();
        assert_eq!(near, "ababaa");
        assert_eq!(datasets.count(), 2);
    }
}

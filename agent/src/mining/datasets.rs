//! The datasets of fast mode: one on each NUMA node that hash threads stay on, since memory of another node
//! takes much longer to read; one for all of them where there is not memory for more.
//!
//! Linux takes a page from the node of the processor that first writes to it. So each dataset is first
//! written to on its node: one is touched there, then computed by all processors; the others are copied
//! from it, which takes a fraction of a second each.

use std::sync::Arc;

use miner_engine::{Backing, Cache, DATASET_MIB, Dataset, EngineError, Progress};
use miner_shared::wire::PageWish;
use rustix::thread::{sched_getaffinity, sched_setaffinity};

use super::topology::Node;
use super::{fast_mode_mib, settle};

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

/// Those of the nodes that are to have a dataset of their own: all if `available_mib` suffices for so many
/// threads and datasets, or is not known; else the first alone.
pub(crate) fn affordable(
    mut nodes: Vec<Node>,
    threads: u16,
    available_mib: Option<u32>,
) -> Vec<Node> {
    let others = u32::try_from(nodes.len().saturating_sub(1)).unwrap_or(u32::MAX);
    let needed_mib = fast_mode_mib(threads).saturating_add(others.saturating_mul(DATASET_MIB));
    if available_mib.is_some_and(|mib| mib < needed_mib) {
        nodes.truncate(1);
    }
    nodes
}

impl<D> PerNode<D> {
    /// That of the node of this processor.
    pub(crate) fn near(&self, cpu: Option<u16>) -> &D {
        let is_near = |node: &&OnNode<D>| cpu.is_some_and(|cpu| node.cpus.contains(&cpu));
        &self
            .others
            .iter()
            .find(is_near)
            .unwrap_or(&self.first)
            .dataset
    }

    /// How many.
    pub(crate) const fn count(&self) -> usize {
        1 + self.others.len()
    }
}

impl PerNode<Dataset> {
    /// Gets the memory: for one dataset at least, even without nodes, and for those of other nodes as far
    /// as the system gives it.
    ///
    /// # Errors
    /// As [`Dataset::with_pages`].
    pub(crate) fn new(nodes: Vec<Node>, pages: PageWish) -> Result<Self, EngineError> {
        let mut nodes = nodes.into_iter();
        let on = |node: Node| {
            Dataset::with_pages(pages).map(|dataset| OnNode {
                cpus: node.cpus,
                dataset,
            })
        };
        Ok(Self {
            first: on(nodes.next().unwrap_or_default())?,
            others: nodes.map_while(|node| on(node).ok()).collect(),
        })
    }

    /// As [`Dataset::fill`], and the progress is that of the first dataset.
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
        if !others.is_empty() {
            first.there(Dataset::touch);
        }
        first.dataset.fill(cache, threads, progress)?;
        others
            .iter_mut()
            .try_for_each(|other| other.there(|dataset| dataset.copy_from(&first.dataset)))
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

impl OnNode<Dataset> {
    /// Does this with the dataset while this thread is on the node.
    fn there<T>(&mut self, work: impl FnOnce(&mut Dataset) -> T) -> T {
        let before = sched_getaffinity(None);
        settle(&self.cpus, 0);
        let done = work(&mut self.dataset);
        if let Ok(before) = before {
            let _ = sched_setaffinity(None, &before);
        }
        done
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

    /// Pages behind the first of them.
    pub(crate) fn backing(&self) -> Option<Backing> {
        self.first.dataset.backing()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_nodes() -> Vec<Node> {
        let node = |number, cpus: [u16; 2]| Node {
            number,
            cpus: cpus.into(),
        };
        [node(0, [0, 2]), node(1, [1, 3])].into()
    }

    #[test]
    fn each_node_has_a_dataset_where_memory_suffices_and_else_one_serves_all() {
        let one = fast_mode_mib(4);
        let both = one + DATASET_MIB;
        for (available_mib, datasets) in [(None, 2), (Some(both), 2), (Some(both - 1), 1)] {
            let nodes = affordable(two_nodes(), 4, available_mib);
            assert_eq!(nodes.len(), datasets, "{available_mib:?}");
        }
        assert_eq!(affordable(Vec::new(), 4, Some(0)), []);
    }

    #[test]
    fn a_thread_reads_the_dataset_of_its_node_and_the_first_from_anywhere_else() {
        let on = |node: Node, dataset| OnNode {
            cpus: node.cpus,
            dataset,
        };
        let [first, second] = two_nodes().try_into().expect("two");
        let datasets = PerNode {
            first: on(first, 'a'),
            others: vec![on(second, 'b')],
        };
        let near = [Some(0), Some(1), Some(2), Some(3), Some(4), None];
        let near: String = near.iter().map(|cpu| datasets.near(*cpu)).collect();
        assert_eq!(near, "ababaa");
        assert_eq!(datasets.count(), 2);
    }
}

//! Rigs that should make the same, compared with each other: the median of each kind.

use std::collections::BTreeMap;

use miner_shared::text::Label;

use super::facts::RigFacts;

/// Rigs of a kind below which nothing is said: of two that differ, nobody knows which is right.
pub(super) const MIN_TWINS: usize = 3;

/// Rigs that should make the same: model of the processor and hash threads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    /// Model name of the processor; never empty.
    pub(super) cpu: Label,
    /// Hash threads that run.
    pub(super) threads: u32,
}

impl Kind {
    /// The kind of a rig; `None` if its processor or its threads are not known.
    pub(super) fn of(rig: &RigFacts<'_>) -> Option<Self> {
        let cpu = &rig.registry.machine(rig.key)?.cpu_model;
        let threads = rig.threads().filter(|_| !cpu.is_empty())?;
        let cpu = cpu.clone();
        Some(Self { cpu, threads })
    }
}

/// The median of each kind of which there are at least [`MIN_TWINS`]; of an even number the mean of the
/// two in the middle.
pub(super) fn medians<K: Ord>(rates: impl IntoIterator<Item = (K, u64)>) -> BTreeMap<K, u64> {
    let mut kinds = BTreeMap::<K, Vec<u64>>::new();
    for (kind, rate) in rates {
        kinds.entry(kind).or_default().push(rate);
    }
    let medians = kinds.into_iter().filter_map(|(kind, mut rates)| {
        let enough = rates.len() >= MIN_TWINS;
        rates.sort_unstable();
        let upper = *rates.get(rates.len() / 2)?;
        let lower = *rates.get((rates.len() - 1) / 2)?;
        enough.then(|| (kind, lower.midpoint(upper)))
    });
    medians.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_needs_three_rigs_and_one_that_is_far_off_moves_no_median() {
        let rates = [
            ("a", 10_000),
            ("a", 9_900),
            ("a", 3),
            ("b", 7),
            ("b", 8),
            ("c", 1),
            ("c", 4),
            ("c", 8),
            ("c", u64::MAX),
        ];
        let medians = medians(rates);
        assert_eq!(medians.get("a"), Some(&9_900));
        assert_eq!(medians.get("b"), None);
        assert_eq!(medians.get("c"), Some(&6));
    }

    #[test]
    fn a_median_lies_between_the_two_in_the_middle_and_does_not_overflow() {
        let median = |rates: &[u64]| {
            let rates = rates.iter().map(|rate| ((), *rate));
            medians(rates).get(&()).copied()
        };
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[5, 5]), None);
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[9, 1, 5, 8]), Some(6));
        assert_eq!(median(&[u64::MAX; 4]), Some(u64::MAX));
    }

    #[test]
    fn rigs_of_another_processor_or_with_other_threads_are_of_another_kind() {
        let kinds = [("x", 2), ("x", 3), ("y", 2), ("x", 2)].map(|(model, threads)| Kind {
            cpu: Label::lossy(model),
            threads,
        });
        let rates = kinds.into_iter().cycle().take(12).map(|kind| (kind, 1));
        // The first and the last of them are one.
        assert_eq!(medians(rates).len(), 3);
    }
}

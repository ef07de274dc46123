//! How many rigs each stage has.

use crate::registry::{MAX_STAGES, Step};

/// Why stages are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoStages {
    /// There are none, or too many.
    #[error("give 1 to {MAX_STAGES} stages")]
    Count,
    /// A stage of nothing, or of more than all.
    #[error("a stage is a number of rigs above 0, or a part such as 10% up to 100%")]
    Size,
}

/// Rigs in all stages up to and with each, of `rigs` in all. Stages that bring no further rig are left
/// out, so that of three rigs `1, 10%, 100%` are two stages.
pub fn bounds(steps: &[Step], rigs: u32) -> Result<Vec<u32>, NoStages> {
    if steps.is_empty() || steps.len() > MAX_STAGES {
        return Err(NoStages::Count);
    }
    let mut bounds = Vec::new();
    let mut last = 0;
    for step in steps {
        let bound = match *step {
            Step::Rigs(count @ 1..) => count.min(rigs),
            Step::Percent(percent @ 1..=100) => part(rigs, percent),
            Step::Rigs(_) | Step::Percent(_) => return Err(NoStages::Size),
        };
        if bound > last {
            bounds.push(bound);
            last = bound;
        }
    }
    Ok(bounds)
}

/// A part of so many, rounded up.
fn part(rigs: u32, percent: u8) -> u32 {
    let part = (u64::from(rigs) * u64::from(percent)).div_ceil(100);
    u32::try_from(part).unwrap_or(rigs)
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: [Step; 3] = [Step::Rigs(1), Step::Percent(10), Step::Percent(100)];

    #[test]
    fn stages_rise_and_those_without_a_rig_are_left_out() {
        assert_eq!(bounds(&USUAL, 1_000), Ok(vec![1, 100, 1_000]));
        assert_eq!(bounds(&USUAL, 15), Ok(vec![1, 2, 15]), "rounded up");
        assert_eq!(bounds(&USUAL, 3), Ok(vec![1, 3]));
        assert_eq!(bounds(&USUAL, 1), Ok(vec![1]));
        assert_eq!(bounds(&USUAL, 0), Ok(vec![]));
        let falling = [Step::Percent(50), Step::Rigs(1), Step::Percent(60)];
        assert_eq!(
            bounds(&falling, 10),
            Ok(vec![5, 6]),
            "not all of them is allowed"
        );
        assert_eq!(bounds(&[Step::Percent(100)], u32::MAX), Ok(vec![u32::MAX]));
    }

    #[test]
    fn stages_of_nothing_and_of_more_than_all_are_none() {
        assert_eq!(bounds(&[], 5), Err(NoStages::Count));
        assert_eq!(bounds(&[Step::Rigs(1); 9], 5), Err(NoStages::Count));
        for step in [Step::Rigs(0), Step::Percent(0), Step::Percent(101)] {
            assert_eq!(bounds(&[step], 5), Err(NoStages::Size));
        }
    }
}

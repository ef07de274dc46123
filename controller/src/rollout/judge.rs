//! What rigs make, against what they made before.
//!
//! A rig's figure is the mean of its samples. Judged are the rigs of a stage together, so that one of a
//! hundred that fails for its own reasons stops nothing; of one rig, the first stage, it is the rig.

use miner_shared::identity::Fingerprint;

use super::Run;
use crate::registry::RigOutcome;

/// What a rig makes at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Makes {
    /// So much, in thousandths of a hash per second.
    Rate(u64),
    /// It should mine, and does not.
    Nothing,
    /// It cannot be said: it rests by its hours, or gets its memory ready.
    Unknown,
}

/// Samples of one rig.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched {
    sum: u128,
    samples: u32,
}

impl Watched {
    /// Adds what a rig makes now. One that went away makes nothing: that may be the version's fault.
    pub(crate) fn add(&mut self, live: bool, makes: Makes) {
        let rate = match makes {
            _ if !live => 0,
            Makes::Rate(rate) => rate,
            Makes::Nothing => 0,
            Makes::Unknown => return,
        };
        self.sum += u128::from(rate);
        self.samples = self.samples.saturating_add(1);
    }

    pub(crate) fn mean(self) -> Option<u64> {
        let mean = self.sum.checked_div(u128::from(self.samples))?;
        u64::try_from(mean).ok()
    }
}

impl Run {
    /// Whether these rigs make enough, and if not, in words how much they make.
    pub(super) fn judge(&mut self, watched: &[Fingerprint]) -> Result<(), String> {
        let mut figures = Vec::new();
        for key in watched {
            let observed = self.watched.get(key).and_then(|watched| watched.mean());
            let Some(rig) = self.rigs.get_mut(key) else {
                continue;
            };
            rig.observed = observed;
            figures.push((rig.baseline, observed));
        }
        enough(self.record.terms.min_percent, &figures)
    }

    /// Whether so many refusals leave less than the share of rigs that is asked for.
    pub(super) fn too_many_refuse(&self, refused: usize, heard: usize) -> bool {
        too_few(self.record.terms.min_percent, refused, heard)
    }

    /// The reason of the first of these rigs.
    pub(super) fn why_refused(&self, refused: &[Fingerprint]) -> String {
        let mut rigs = refused.iter().filter_map(|key| self.rigs.get(key));
        let why = rigs.find_map(|rig| match &rig.outcome {
            RigOutcome::Refused(why) => Some(why.as_str().to_owned()),
            _ => None,
        });
        why.unwrap_or_default()
    }
}

/// Whether rigs make together this part of what they made before, each given as what it made and makes; if
/// not, in words how much they make.
pub(crate) fn enough(
    min_percent: u8,
    figures: &[(Option<u64>, Option<u64>)],
) -> Result<(), String> {
    let min = u128::from(min_percent);
    let (mut before, mut after, mut fell, mut judged) = (0, 0, 0, 0);
    for (baseline, observed) in figures {
        // What was not known before says nothing now.
        let (Some(was), Some(is)) = (baseline.filter(|was| *was > 0), *observed) else {
            continue;
        };
        let (was, is) = (u128::from(was), u128::from(is));
        before += was;
        after += is;
        judged += 1;
        fell += usize::from(is * 100 < was * min);
    }
    if before == 0 || after * 100 >= before * min {
        return Ok(());
    }
    let percent = after * 100 / before;
    Err(format!(
        "{fell} of {judged} rigs fell below {min} %, together they make {percent} % of what they made before"
    ))
}

/// Whether so many that failed, of those heard of, leave less than this part of them.
pub(crate) fn too_few(min_percent: u8, failed: usize, heard: usize) -> bool {
    let takers = heard.saturating_sub(failed);
    takers * 100 < heard * usize::from(min_percent).max(1)
}

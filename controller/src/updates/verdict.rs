//! What became of a rig that was told: by its order, by what it says, and by how long it came no further.

use miner_shared::release::Version;
use miner_shared::time::Millis;
use miner_shared::wire::{Step, UpdateFault};

use super::{PATIENCE_MS, Seen};
use crate::hub::{TOO_OLD, refusal_text};
use crate::registry::{OrderState, Reason, UpdateOutcome};

/// How far a rig that was told is, and since when it came no further. By the monotonic clock of this
/// process: a rig is not to blame for the time in which nobody was there to hear it.
#[derive(Debug)]
pub(super) struct Progress {
    step: Option<Step>,
    since: Millis,
}

impl Progress {
    pub(super) const fn begin(step: Option<Step>, now: Millis) -> Self {
        Self { step, since: now }
    }

    /// Notes what it says now.
    pub(super) fn note(&mut self, step: Option<Step>, now: Millis) {
        let further = match (self.step, step) {
            (Some(Step::Fetching { done: was, .. }), Some(Step::Fetching { done: is, .. })) => {
                is > was
            }
            (was, is) => was != is,
        };
        if further {
            self.since = now;
        }
        self.step = step;
    }

    pub(super) fn is_late(&self, now: Millis) -> bool {
        now.since(self.since) >= PATIENCE_MS
    }

    /// Whether it fetches, or is about to.
    pub(super) const fn is_fetching(&self) -> bool {
        !matches!(
            self.step,
            Some(Step::Installing | Step::Restarting | Step::Trying)
        )
    }
}

/// What became of a rig that was told.
pub(super) enum Became {
    /// It is not over.
    Pending,
    /// There is no order: a crash left it untold.
    Untold,
    /// Its receipt is here.
    Taken,
    /// This.
    Over(UpdateOutcome),
}

/// What became of a rig that was told then; `taken`: its receipt came, `is_late`: it came no further for long.
pub(super) fn became(
    target: Version,
    at_ms: u64,
    taken: bool,
    seen: &Seen,
    is_late: bool,
) -> Became {
    // What it runs counts, not what it says of an update.
    let image = seen.image.as_ref().and_then(|status| status.image.as_ref());
    if image.is_some_and(|image| image.version >= target && !image.on_trial) {
        return Became::Over(UpdateOutcome::Done);
    }
    let failed = |why: &str| Became::Over(UpdateOutcome::Failed(Reason::lossy(why)));
    let late = || failed("it has not said in time that it works: look at the machine");
    let order = seen.order.as_ref().filter(|(given, _)| *given >= at_ms);
    match order.map(|(_, state)| state) {
        _ if taken => {}
        None if is_late => return late(),
        None => return Became::Untold,
        Some(OrderState::Waiting | OrderState::Sent) => return Became::Pending,
        Some(OrderState::Expired) => return Became::Over(UpdateOutcome::Waiting),
        Some(OrderState::TooOld) => return failed(TOO_OLD),
        Some(OrderState::Refused(why)) => return failed(refusal_text(why)),
        // What it says of itself from now on it says after that.
        Some(OrderState::Done | OrderState::AlreadyThere) => return Became::Taken,
        // It may have the order; a late receipt would put that right.
        Some(OrderState::Unknown) => {}
    }
    match seen.step_to(target) {
        Some(Step::FellBack) => {
            failed("it did not work there, and the rig went back to what it ran")
        }
        Some(Step::Failed(fault)) => failed(fault_text(fault)),
        _ if is_late => late(),
        _ => Became::Pending,
    }
}

/// Why a rig gave an update up, in words.
pub const fn fault_text(fault: UpdateFault) -> &'static str {
    match fault {
        UpdateFault::Cancelled => "it was cancelled",
        UpdateFault::Gone => "the controller no longer has the release",
        UpdateFault::BadManifest => "the manifest is none, or not the one that was offered",
        UpdateFault::BadSignature => {
            "it is not signed by the release key that the rig's image was made with"
        }
        UpdateFault::OtherMachine => "it is for another product or architecture",
        UpdateFault::NotNewer => "it is not newer than what the rig runs",
        UpdateFault::TooOld => {
            "the rig runs something that is too old for it: update to an earlier release first"
        }
        UpdateFault::BadFile => {
            "a file is not the one that was signed: remove the release, and add it anew"
        }
        UpdateFault::NoRoom => "there is no room for it on the rig",
        UpdateFault::Disk => {
            "the rig's disk could not be written to, or does not read back what was written"
        }
        _ => "it was given up",
    }
}

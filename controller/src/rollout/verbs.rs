//! What a person may do to a rollout.
//!
//! | status | pause | resume | abort | roll back |
//! |---|---|---|---|---|
//! | running | yes | | yes | yes |
//! | paused | | goes on where it was | yes | yes |
//! | halted | | takes the stage for good, goes on with the next | yes | yes |
//! | done, aborted | | | | yes |

use super::{Action, Run};
use crate::clock::Now;
use crate::registry::{Phase, RolloutStatus};

/// A verb that does not fit how far the rollout has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is {}", .0.as_str())]
pub struct NotNow(pub RolloutStatus);

impl Run {
    /// Has it wait: no further rig is told.
    pub fn pause(&mut self) -> Result<Vec<Action>, NotNow> {
        match self.record.status {
            RolloutStatus::Running => {
                self.record.status = RolloutStatus::Paused;
                Ok(vec![Action::Save(Vec::new())])
            }
            status => Err(NotNow(status)),
        }
    }

    /// Goes on. What was being observed is observed anew; a stage that fell short is taken for good.
    pub fn resume(&mut self, now: Now) -> Result<Vec<Action>, NotNow> {
        let status = self.record.status;
        match status {
            RolloutStatus::Paused => {
                self.record.status = RolloutStatus::Running;
                self.enter(self.record.phase, now);
                Ok(vec![Action::Save(Vec::new())])
            }
            RolloutStatus::Halted => {
                self.record.status = RolloutStatus::Running;
                self.record.reason = None;
                Ok(self.next_stage(now))
            }
            _ => Err(NotNow(status)),
        }
    }

    /// Ends it; rigs keep what they have.
    pub fn abort(&mut self, now: Now) -> Result<Vec<Action>, NotNow> {
        match self.record.status {
            RolloutStatus::Running | RolloutStatus::Paused | RolloutStatus::Halted => {
                Ok(self.end(RolloutStatus::Aborted, now))
            }
            status => Err(NotNow(status)),
        }
    }

    /// Has rigs told what they had before; the next tick does it.
    pub fn roll_back(&mut self) -> Result<Vec<Action>, NotNow> {
        match self.record.status {
            status @ (RolloutStatus::RollingBack | RolloutStatus::RolledBack) => {
                Err(NotNow(status))
            }
            _ => {
                self.record.status = RolloutStatus::RollingBack;
                self.record.ended_at_ms = None;
                Ok(vec![Action::Save(Vec::new())])
            }
        }
    }

    /// Whether a stage is being observed.
    pub fn observes(&self) -> bool {
        self.record.status == RolloutStatus::Running && self.record.phase == Phase::Observe
    }
}

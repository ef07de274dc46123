//! A profile with how a rig is to carry it out: what version 2 adds to [`State`].

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Profile, State, Threads};
use crate::limits::MAX_MESSAGE;

/// Mining by a profile, at rest or not, and how much of the machine it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What to mine, and with what.
    pub profile: Profile,
    /// Hash nothing for now, but stay logged in and keep the memory, so as to go on at once.
    pub paused: bool,
    /// Pages wanted behind the RandomX memory.
    pub pages: PageWish,
    /// How much hash threads give way to other programs, 0 (not at all) to
    /// [`MAX_NICE`](crate::limits::MAX_NICE).
    pub nice: u8,
}

impl Plan {
    /// Mining by this profile as version 1 knows it: at once, in the best pages, giving way to nobody.
    pub const fn new(profile: Profile) -> Self {
        Self {
            profile,
            paused: false,
            pages: PageWish::Auto,
            nice: 0,
        }
    }

    /// Whether version 1 can say all of it.
    fn is_plain(&self) -> bool {
        !self.paused && self.pages == PageWish::Auto && self.nice == 0
    }
}

/// Pages wanted behind the RandomX memory. A wish: a rig that cannot fulfil it mines in the best that it
/// gets, and says in its statistics and findings which those are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageWish {
    /// The largest that the system gives.
    Auto,
    /// Small pages only: reserved ones are left to others.
    Small,
    /// Reserved 2 MiB pages.
    Huge2M,
    /// Reserved 1 GiB pages.
    Huge1G,
}

impl State {
    /// The profile to mine with, if any.
    pub const fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Stopped => None,
            Self::Mine(profile) => Some(profile),
            Self::Plan(plan) => Some(&plan.profile),
        }
    }

    /// Whether mining rests for now.
    pub const fn is_paused(&self) -> bool {
        matches!(self, Self::Plan(Plan { paused: true, .. }))
    }

    /// The plan, if there is one to carry out.
    pub fn into_plan(self) -> Option<Plan> {
        match self {
            Self::Stopped => None,
            Self::Mine(profile) => Some(Plan::new(profile)),
            Self::Plan(plan) => Some(plan),
        }
    }

    /// The same wish in the words of this protocol version; `None` if it has none for it.
    pub fn for_version(&self, version: u8) -> Option<Self> {
        if self.since() <= version {
            return Some(self.clone());
        }
        match self {
            Self::Plan(plan) if plan.is_plain() => {
                let state = Self::Mine(plan.profile.clone());
                (state.since() <= version).then_some(state)
            }
            _ => None,
        }
    }

    /// First protocol version that knows it.
    pub(super) fn since(&self) -> u8 {
        match self {
            Self::Stopped => 1,
            Self::Mine(profile) => match profile.threads {
                Threads::Auto | Threads::Count(_) => 1,
                Threads::Percent(_) => 2,
            },
            Self::Plan(_) => 2,
        }
    }

    /// SHA-256 of its encoding: by this a rig says which state it has, and a controller whether that is
    /// the one it wished.
    pub fn hash(&self) -> [u8; 32] {
        let mut buffer = [0; MAX_MESSAGE];
        // It came out of a message or goes into one, so it fits.
        let bytes = postcard::to_slice(self, &mut buffer).map_or(&[][..], |bytes| bytes);
        Sha256::digest(bytes).into()
    }
}

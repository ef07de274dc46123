//! What a rig does in one word, how loud that is, and why: the vocabulary of table, map and breakdown.
//!
//! | state | tone | when |
//! |---|---|---|
//! | `failed` | red | it should mine and cannot |
//! | `refused`, `behind` | amber | it does not have what it was told |
//! | `noPool`, `degraded` | amber | it hashes nothing, or less than it could |
//! | `offline` | amber | no link; quiet as long as there never was one |
//! | `pending` | quiet | it is being told something |
//! | `unknown` | quiet | a link, and no statistics yet |
//! | `starting`, `filling`, `paused`, `stopped` | quiet | on its way, or at rest as wished |
//! | `mining` | good | it hashes |
//!
//! A rig is in one of them. A selector with `state=WORD` takes it by this word, and by others that hold too.

use miner_shared::limits::HEARTBEAT_MS;
use miner_shared::wire::{Activity, Memory, Mode};
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::RigFacts;
use super::show;
use super::view::{ActivityView, DesiredStatus};
use crate::units;

/// Statistics older than this, two heartbeats, are not of now.
pub const OLD_MS: u64 = 2 * HEARTBEAT_MS;

/// State of a rig, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RigState {
    /// It should mine and cannot.
    Failed,
    /// It will not do what it was told, or cannot be told.
    Refused,
    /// It was told something newer than the registry knows.
    Behind,
    /// No pool can be reached.
    NoPool,
    /// It hashes in light mode, though it was not told to.
    Degraded,
    /// No link is up.
    Offline,
    /// It has yet to say that it has what it was told.
    Pending,
    /// It has not said yet what it does.
    Unknown,
    /// It gets ready.
    Starting,
    /// It hashes in light mode while the dataset is being filled.
    Filling,
    /// It rests, ready to go on at once.
    Paused,
    /// It was told to mine nothing.
    Stopped,
    /// It hashes.
    Mining,
}

/// How loud a state is, the loudest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Tone {
    /// Look now.
    Red,
    /// Look when you can.
    Amber,
    /// As it should be.
    Quiet,
    /// It hashes.
    Good,
}

impl RigState {
    /// All of them, the worst first.
    pub const ALL: [Self; 13] = [
        Self::Failed,
        Self::Refused,
        Self::Behind,
        Self::NoPool,
        Self::Degraded,
        Self::Offline,
        Self::Pending,
        Self::Unknown,
        Self::Starting,
        Self::Filling,
        Self::Paused,
        Self::Stopped,
        Self::Mining,
    ];

    /// The word, as selectors take it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Behind => "behind",
            Self::NoPool => "noPool",
            Self::Degraded => "degraded",
            Self::Offline => "offline",
            Self::Pending => "pending",
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Filling => "filling",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Mining => "mining",
        }
    }

    /// What a rig with this link, wish and word does. `slow` is that it hashes in light mode unasked.
    const fn of(live: bool, wish: DesiredStatus, does: Option<Activity>, slow: bool) -> Self {
        if !live {
            return Self::Offline;
        }
        match wish {
            DesiredStatus::Refused => return Self::Refused,
            DesiredStatus::Behind => return Self::Behind,
            DesiredStatus::Pending => return Self::Pending,
            DesiredStatus::None | DesiredStatus::Applied => {}
        }
        match does {
            Some(Activity::Mining) if slow => Self::Degraded,
            Some(Activity::Mining) => Self::Mining,
            Some(Activity::Filling { .. }) => Self::Filling,
            Some(Activity::Starting) => Self::Starting,
            Some(Activity::NoPool) => Self::NoPool,
            Some(Activity::Stopped) => Self::Stopped,
            Some(Activity::Paused) => Self::Paused,
            Some(Activity::Failed) => Self::Failed,
            _ => Self::Unknown,
        }
    }

    /// How loud it is; `known` is whether the rig was ever heard of.
    const fn tone(self, known: bool) -> Tone {
        match self {
            Self::Failed => Tone::Red,
            Self::Offline if !known => Tone::Quiet,
            Self::Refused | Self::Behind | Self::NoPool | Self::Degraded | Self::Offline => {
                Tone::Amber
            }
            Self::Pending
            | Self::Unknown
            | Self::Starting
            | Self::Filling
            | Self::Paused
            | Self::Stopped => Tone::Quiet,
            Self::Mining => Tone::Good,
        }
    }
}

impl Tone {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Amber => "amber",
            Self::Quiet => "quiet",
            Self::Good => "good",
        }
    }
}

impl RigFacts<'_> {
    /// What it does.
    pub(super) fn state(&self) -> RigState {
        let stats = self.stats();
        let light = stats.is_some_and(|stats| {
            let mut miners = stats.miners.iter();
            miners.any(|miner| miner.memory == Some(Memory::Light))
        });
        let does = stats.map(|stats| stats.activity);
        let slow = light && !self.wants_light();
        RigState::of(self.live, self.status(), does, slow)
    }

    /// Whether light mode is what it was told.
    fn wants_light(&self) -> bool {
        let wish = self.registry.desired(self.key);
        let profile = wish.and_then(|row| row.state.profile());
        profile.is_some_and(|profile| profile.mode == Mode::Light)
    }

    /// How loud that is.
    pub(super) fn tone(&self) -> Tone {
        self.state().tone(self.last_seen_age_ms().is_some())
    }

    /// Why it is in its state, as one short sentence; `None` where the word says it all.
    pub(super) fn reason(&self) -> Option<String> {
        let said = |text: &str| Some(text.to_owned());
        match self.state() {
            RigState::Mining | RigState::Starting => None,
            RigState::Failed => said("it should mine and cannot; its log says why"),
            RigState::Refused => {
                let generation = self.registry.desired(self.key)?.generation;
                show::refusal_of(generation, self.rig).map(str::to_owned)
            }
            RigState::Behind => said("it was told something newer by another controller"),
            RigState::NoPool => said("no pool of its profile answers"),
            RigState::Degraded => said("light mode: several times slower than in fast mode"),
            RigState::Offline => Some(self.last_seen_age_ms().map_or_else(
                || "no link yet; has it accepted this controller?".to_owned(),
                |age| format!("no link for {}", units::age(Some(age))),
            )),
            RigState::Pending => Some(self.being_told()),
            RigState::Unknown => said("no statistics yet"),
            RigState::Filling => {
                let stats = self.stats()?;
                Some(filling(&show::activity(stats.activity)))
            }
            RigState::Paused => self
                .why_it_rests()
                .or_else(|| said("it rests, though it was not told to")),
            RigState::Stopped => self.why_it_rests(),
        }
    }

    fn being_told(&self) -> String {
        let wish = self.registry.desired(self.key);
        match self.profile_name() {
            None => "being told to mine nothing".to_owned(),
            Some(_) if wish.is_some_and(|row| row.rests()) => "being told to rest".to_owned(),
            Some(profile) => format!("being told to mine with {profile}"),
        }
    }

    fn why_it_rests(&self) -> Option<String> {
        let wish = self.registry.desired(self.key)?;
        if wish.held {
            return Some("paused until somebody resumes it".to_owned());
        }
        let profile = self.profile_name().filter(|_| wish.rests())?;
        Some(format!("outside the hours of {profile}"))
    }
}

/// `42 %, 1 min left; light mode until then`.
pub(crate) fn filling(activity: &ActivityView) -> String {
    let mut text = activity
        .percent
        .map_or_else(String::new, |percent| format!("{percent} %"));
    if let Some(left) = activity.left_ms {
        text += &format!(", {} left", units::age(Some(left)));
    }
    text + "; light mode until then"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rig_is_in_one_state_and_no_link_outweighs_a_wish_and_a_wish_what_it_does() {
        let (none, mining) = (DesiredStatus::None, Some(Activity::Mining));
        let fill = Activity::Filling {
            percent: 1,
            left_ms: None,
        };
        for (live, wish, does, slow, state) in [
            (false, DesiredStatus::Refused, mining, true, "offline"),
            (true, DesiredStatus::Refused, mining, true, "refused"),
            (true, DesiredStatus::Behind, None, false, "behind"),
            (true, DesiredStatus::Pending, mining, true, "pending"),
            (true, DesiredStatus::Applied, mining, true, "degraded"),
            (true, none, mining, false, "mining"),
            (true, none, Some(fill), true, "filling"),
            (true, none, Some(Activity::Starting), true, "starting"),
            (true, none, Some(Activity::NoPool), true, "noPool"),
            (true, none, Some(Activity::Stopped), true, "stopped"),
            (true, none, Some(Activity::Paused), true, "paused"),
            (true, none, Some(Activity::Failed), true, "failed"),
            (true, none, None, false, "unknown"),
        ] {
            assert_eq!(RigState::of(live, wish, does, slow).as_str(), state);
        }
    }

    #[test]
    fn every_state_is_spelt_as_in_json_and_the_loud_ones_are_worse_than_the_quiet_ones() {
        assert!(RigState::ALL.is_sorted());
        assert!(RigState::ALL.is_sorted_by_key(|state| state.tone(true)));
        for state in RigState::ALL {
            let json = serde_json::to_value(state).expect("a word");
            assert_eq!(json, state.as_str());
            let tone = serde_json::to_value(state.tone(true)).expect("a word");
            assert_eq!(tone, state.tone(true).as_str());
        }
        assert_eq!(RigState::Offline.tone(false), Tone::Quiet, "never seen");
    }
}

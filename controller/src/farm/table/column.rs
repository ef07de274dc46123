//! The columns of the table: their names, and what a rig has in each, to sort by and for CSV.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::super::facts::RigFacts;
use super::super::view::DesiredStatus;
use super::row::WINDOWS;
use crate::nearest::nearest;
use crate::registry::LabelName;

/// A column of the table, in their order. Its name is that of [`TableRow`](super::TableRow)'s field in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Id,
    Name,
    Group,
    Site,
    Tags,
    Connected,
    State,
    Reason,
    Tone,
    Hashrate,
    Hashrate60s,
    Hashrate15m,
    Highest,
    Accepted,
    Rejected,
    Stale,
    Efficiency,
    PingMs,
    Score,
    ScoreReason,
    Address,
    Role,
    LastSeenAgeMs,
    AgeMs,
    IsOld,
    Profile,
    ProfileId,
    Version,
    Status,
    Drift,
    Pool,
    Algorithm,
    Threads,
    CpuModel,
    MemoryMib,
    Pages,
    Memory,
    Difficulty,
    Uptime,
    LastShareAgeMs,
    Software,
    Image,
    Update,
}

/// Every column by name.
pub(super) const COLUMNS: [(&str, Column); 43] = [
    ("id", Column::Id),
    ("name", Column::Name),
    ("group", Column::Group),
    ("site", Column::Site),
    ("tags", Column::Tags),
    ("connected", Column::Connected),
    ("state", Column::State),
    ("reason", Column::Reason),
    ("tone", Column::Tone),
    ("hashrate", Column::Hashrate),
    ("hashrate60s", Column::Hashrate60s),
    ("hashrate15m", Column::Hashrate15m),
    ("highest", Column::Highest),
    ("accepted", Column::Accepted),
    ("rejected", Column::Rejected),
    ("stale", Column::Stale),
    ("efficiency", Column::Efficiency),
    ("pingMs", Column::PingMs),
    ("score", Column::Score),
    ("scoreReason", Column::ScoreReason),
    ("address", Column::Address),
    ("role", Column::Role),
    ("lastSeenAgeMs", Column::LastSeenAgeMs),
    ("ageMs", Column::AgeMs),
    ("isOld", Column::IsOld),
    ("profile", Column::Profile),
    ("profileId", Column::ProfileId),
    ("version", Column::Version),
    ("status", Column::Status),
    ("drift", Column::Drift),
    ("pool", Column::Pool),
    ("algorithm", Column::Algorithm),
    ("threads", Column::Threads),
    ("cpuModel", Column::CpuModel),
    ("memoryMib", Column::MemoryMib),
    ("pages", Column::Pages),
    ("memory", Column::Memory),
    ("difficulty", Column::Difficulty),
    ("uptime", Column::Uptime),
    ("lastShareAgeMs", Column::LastShareAgeMs),
    ("software", Column::Software),
    ("image", Column::Image),
    ("update", Column::Update),
];

/// By which column, and whether the largest come first. `name`, or `-hashrate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    pub(super) column: Column,
    pub(super) descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self {
            column: Column::Name,
            descending: false,
        }
    }
}

/// Why a text names no column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortError(String);

impl fmt::Display for SortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = || COLUMNS.iter().map(|(name, _)| *name);
        write!(f, "{:?} is no column of the table: ", self.0)?;
        match nearest(&self.0, names()) {
            Some(meant) => write!(f, "did you mean {meant}?"),
            None => write!(f, "there are {}", names().collect::<Vec<_>>().join(", ")),
        }
    }
}

impl std::error::Error for SortError {}

impl FromStr for Sort {
    type Err = SortError;

    fn from_str(text: &str) -> Result<Self, SortError> {
        let (name, descending) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let known = COLUMNS.iter().find(|(known, _)| *known == name);
        let (_, column) = known.ok_or_else(|| SortError(name.to_owned()))?;
        Ok(Self {
            column: *column,
            descending,
        })
    }
}

/// What a rig has in a column.
#[derive(Debug)]
pub(super) enum Cell<'a> {
    Text(Cow<'a, str>),
    /// A word that is sorted by its rank.
    Word(&'static str, u64),
    Number(u64),
    /// Thousandths of a hash per second.
    Rate(u64),
    /// Not below 0.
    Percent(f64),
    Flag(bool),
}

impl<'a> RigFacts<'a> {
    /// What it has in this column; `None` is unknown or nothing.
    pub(super) fn cell(&self, column: Column) -> Option<Cell<'a>> {
        let text = |text: &'a str| Cell::Text(text.into());
        let label = |label: &'a LabelName| Cell::Text(label.as_str().into());
        let labels = self.registry.labels(self.key);
        let [s10, s60, m15] = WINDOWS;
        match column {
            Column::Id => Some(Cell::Text(self.key.node_id().to_string().into())),
            Column::Name => Some(text(self.row.name.as_str())),
            Column::Group => labels.group.as_ref().map(label),
            Column::Site => labels.site.as_ref().map(label),
            Column::Tags => {
                let tags: Vec<_> = labels.tags.iter().map(LabelName::as_str).collect();
                (!tags.is_empty()).then(|| Cell::Text(tags.join(" ").into()))
            }
            Column::Connected => Some(Cell::Flag(self.live)),
            Column::State => {
                let state = self.state();
                Some(Cell::Word(state.as_str(), state as u64))
            }
            Column::Reason => self.reason().map(|why| Cell::Text(why.into())),
            Column::Tone => {
                let tone = self.tone();
                Some(Cell::Word(tone.as_str(), tone as u64))
            }
            Column::Hashrate => self.rate(s10).map(Cell::Rate),
            Column::Hashrate60s => self.rate(s60).map(Cell::Rate),
            Column::Hashrate15m => self.rate(m15).map(Cell::Rate),
            Column::Highest => self.highest().map(Cell::Rate),
            Column::Accepted => self.count(|miner| miner.accepted).map(Cell::Number),
            Column::Rejected => self.count(|miner| miner.rejected).map(Cell::Number),
            Column::Stale => self.count(|miner| miner.stale).map(Cell::Number),
            Column::Efficiency => self.efficiency().map(Cell::Percent),
            Column::PingMs => self.ping_ms().map(Cell::Number),
            Column::Score => self.score().map(|score| Cell::Number(score.into())),
            Column::ScoreReason => Some(Cell::Text(self.score_reason().into())),
            Column::Address => self.address().map(text),
            Column::Role => self.role().map(text),
            Column::LastSeenAgeMs => self.last_seen_age_ms().map(Cell::Number),
            Column::AgeMs => self.age_ms().map(Cell::Number),
            Column::IsOld => self.is_old().map(Cell::Flag),
            Column::Profile => self.profile_name().map(text),
            Column::ProfileId => self.profile_id().map(text),
            Column::Version => self.version().map(|version| Cell::Number(version.into())),
            Column::Status => Some(text(word(self.status()))),
            Column::Drift => self.drift().map(Cell::Flag),
            Column::Pool => self.pool().map(text),
            Column::Algorithm => self.algorithm().map(text),
            Column::Threads => self.threads().map(|threads| Cell::Number(threads.into())),
            Column::CpuModel => self.cpu_model().map(text),
            Column::MemoryMib => self.memory_mib().map(|mib| Cell::Number(mib.into())),
            Column::Pages => self.pages().map(text),
            Column::Memory => self.memory().map(text),
            Column::Difficulty => self.difficulty().map(Cell::Number),
            Column::Uptime => self.uptime_secs().map(Cell::Number),
            Column::LastShareAgeMs => self.last_share_age_ms().map(Cell::Number),
            Column::Software => self.software().map(text),
            Column::Image => {
                let version = self.image_version()?;
                Some(Cell::Text(version.to_string().into()))
            }
            Column::Update => self.update_step().map(text),
        }
    }
}

/// As JSON spells it.
const fn word(status: DesiredStatus) -> &'static str {
    match status {
        DesiredStatus::None => "none",
        DesiredStatus::Applied => "applied",
        DesiredStatus::Pending => "pending",
        DesiredStatus::Refused => "refused",
        DesiredStatus::Behind => "behind",
    }
}

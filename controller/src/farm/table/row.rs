//! One rig as a row of the table.

use miner_shared::wire::Windows;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::facts::RigFacts;
use super::super::show;
use super::super::state::{OLD_MS, RigState, Tone};
use super::super::view::DesiredStatus;
use crate::clock::EpochMs;
use crate::registry::LabelName;

/// A part of the table of rigs, sorted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableView {
    /// When, by the controller's clock.
    pub at: EpochMs,
    /// Rigs in the registry.
    pub registered: usize,
    /// Of these, those that the selector takes.
    pub matched: usize,
    /// Rigs before the first row.
    pub offset: usize,
    /// The rows; none behind the last rig.
    pub rows: Vec<TableRow>,
}

/// A rig as a row of the table. Figures are those that it told last, of the age `ageMs`, with or without a
/// link; those of several miners are added up.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableRow {
    /// Node ID, 16 hex characters.
    pub id: String,
    /// Name.
    pub name: String,
    /// The group that it is in.
    pub group: Option<String>,
    /// Where it stands.
    pub site: Option<String>,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// Whether a link is up.
    pub connected: bool,
    /// What it does, in one word.
    pub state: RigState,
    /// Why, as one short sentence; `null` where the word says it all.
    pub reason: Option<String>,
    /// How loud the state is.
    pub tone: Tone,
    /// Hash rate over 10 s, in H/s.
    pub hashrate: Option<f64>,
    /// Hash rate over 60 s, in H/s.
    #[serde(rename = "hashrate60s")]
    pub hashrate_60s: Option<f64>,
    /// Hash rate over 15 min, in H/s.
    #[serde(rename = "hashrate15m")]
    pub hashrate_15m: Option<f64>,
    /// Highest hash rate over 10 s since its miner's start, in H/s; `null` if it has several miners.
    pub highest: Option<f64>,
    /// Shares that pools accepted since its miners' start.
    pub accepted: Option<u64>,
    /// Shares that pools refused, stale ones apart, likewise.
    pub rejected: Option<u64>,
    /// Shares for a job that was over, likewise.
    pub stale: Option<u64>,
    /// Accepted ones in a hundred of these shares; unknown before the first.
    pub efficiency: Option<f64>,
    /// Round trip of the last ping, in milliseconds.
    pub ping_ms: Option<u64>,
    /// Reliability, 0 to 100; unknown before the first exchange.
    pub score: Option<u8>,
    /// What the score was made of, in words.
    pub score_reason: String,
    /// Where the farm dials it; `null` for a rig that dials in.
    pub address: Option<String>,
    /// `worker` or `dual`; unknown until the first link.
    pub role: Option<&'static str>,
    /// Since it was last heard of, in milliseconds.
    pub last_seen_age_ms: Option<u64>,
    /// Age of what it told, in milliseconds.
    pub age_ms: Option<u64>,
    /// Whether that is older than two report intervals, 20 s.
    pub is_old: Option<bool>,
    /// Name of the profile that it should mine with; `null` is "mine nothing".
    pub profile: Option<String>,
    /// Id of that profile.
    pub profile_id: Option<String>,
    /// Version of that profile.
    pub version: Option<u32>,
    /// How far its wish has come.
    pub status: DesiredStatus,
    /// Whether it has another state in force than was wished; `null` if it does not say.
    pub drift: Option<bool>,
    /// Pool that it is logged in to; of several miners, that of the first.
    pub pool: Option<String>,
    /// Algorithm of its first miner, such as `rx/0`.
    pub algorithm: Option<&'static str>,
    /// Hash threads.
    pub threads: Option<u32>,
    /// Model name of its processor.
    pub cpu_model: Option<String>,
    /// Its memory, in MiB.
    pub memory_mib: Option<u32>,
    /// The worst pages of its miners: `small`, `transparent`, `huge2M` or `huge1G`.
    pub pages: Option<&'static str>,
    /// RandomX memory: `light` if one of its miners uses that, else `fast`.
    pub memory: Option<&'static str>,
    /// Difficulty of its first job.
    pub difficulty: Option<u64>,
    /// Since its agent's start, in seconds.
    pub uptime: Option<u64>,
    /// Since its last accepted share, in milliseconds.
    pub last_share_age_ms: Option<u64>,
    /// Program and version, such as `miner 0.1.0`.
    pub software: Option<String>,
    /// Version of our image that it was booted from, as it said last to this process.
    pub image: Option<String>,
    /// How far the update of that is, if it was told of one: `fetching`, `installing`, `restarting`, `trying`,
    /// `confirmed`, `fellBack` or `failed`.
    pub update: Option<&'static str>,
}

/// 10 s, 60 s and 15 min.
pub(super) const WINDOWS: [fn(&Windows) -> Option<u64>; 3] = [
    |windows| windows.s10,
    |windows| windows.s60,
    |windows| windows.m15,
];

impl RigFacts<'_> {
    pub(super) fn is_old(&self) -> Option<bool> {
        self.age_ms().map(|age_ms| age_ms > OLD_MS)
    }

    pub(super) fn table_row(&self) -> TableRow {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let label = |label: &LabelName| label.as_str().to_owned();
        let labels = self.registry.labels(self.key);
        let [s10, s60, m15] = WINDOWS.map(|window| show::per_second(self.rate(window)));
        TableRow {
            id: self.key.node_id().to_string(),
            name: self.row.name.as_str().to_owned(),
            group: labels.group.as_ref().map(label),
            site: labels.site.as_ref().map(label),
            tags: labels.tags.iter().map(label).collect(),
            connected: self.live,
            state: self.state(),
            reason: self.reason(),
            tone: self.tone(),
            hashrate: s10,
            hashrate_60s: s60,
            hashrate_15m: m15,
            highest: show::per_second(self.highest()),
            accepted: self.count(|miner| miner.accepted),
            rejected: self.count(|miner| miner.rejected),
            stale: self.count(|miner| miner.stale),
            efficiency: self.efficiency(),
            ping_ms: self.ping_ms(),
            score: self.score(),
            score_reason: self.score_reason(),
            address: text(self.address()),
            role: self.role(),
            last_seen_age_ms: self.last_seen_age_ms(),
            age_ms: self.age_ms(),
            is_old: self.is_old(),
            profile: text(self.profile_name()),
            profile_id: text(self.profile_id()),
            version: self.version(),
            status: self.status(),
            drift: self.drift(),
            pool: text(self.pool()),
            algorithm: self.algorithm(),
            threads: self.threads(),
            cpu_model: text(self.cpu_model()),
            memory_mib: self.memory_mib(),
            pages: self.pages(),
            memory: self.memory(),
            difficulty: self.difficulty(),
            uptime: self.uptime_secs(),
            last_share_age_ms: self.last_share_age_ms(),
            software: text(self.software()),
            image: self.image_version().map(|version| version.to_string()),
            update: self.update_step(),
        }
    }
}

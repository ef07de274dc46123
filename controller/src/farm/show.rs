//! How views are made of rows, reports and events. Nothing here decides anything.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use miner_shared::identity::Fingerprint;
use miner_shared::wire::{
    Activity, Backend, Level, LogLine, Memory, MinerStats, Pages, RigStats, Windows,
};

use super::keys;
use super::updates;
use super::view::{
    ActivityView, DesiredStatus, DesiredView, ExchangesView, LogLineView, MinerView, PeerView,
    StatsView, WindowsView,
};
use crate::clock::{EpochMs, Now};
use crate::hub::{Event, Hub, Rig, TOO_OLD, refusal_text};
use crate::registry::{LabelName, PeerRecord, Registry};

/// A key in base64.
pub(super) fn base64(key: &[u8; 32]) -> String {
    STANDARD.encode(key)
}

/// A registered peer.
pub(super) fn peer(
    key: &Fingerprint,
    row: &PeerRecord,
    registry: &Registry,
    hub: &Hub,
    now: Now,
) -> PeerView {
    let rig = hub.rig(key);
    let told = row.told.as_ref();
    let seen = last_seen(row, rig, now);
    let stats = rig.and_then(|rig| rig.last_stats(now));
    let origin = registry.origin(key);
    let labels = registry.labels(key);
    let machine = registry.machine(key);
    let owned = |label: &LabelName| label.as_str().to_owned();
    PeerView {
        id: key.node_id().to_string(),
        name: row.name.as_str().to_owned(),
        public_key: told.map(|told| base64(&told.x25519)),
        fingerprint: key.to_string(),
        address: row.address.as_ref().map(|a| a.as_str().to_owned()),
        role: told.map(|told| told.role.as_str()),
        trust: row.trust.as_str(),
        token: origin.map(|origin| origin.token.to_string()),
        group: labels.group.as_ref().map(owned),
        site: labels.site.as_ref().map(owned),
        tags: labels.tags.iter().map(owned).collect(),
        ephemeral: origin.is_some_and(|origin| origin.ephemeral),
        added_at: EpochMs(row.added_at_ms),
        last_seen: seen.map(|(at, _)| at),
        last_seen_age_ms: seen.map(|(_, age_ms)| age_ms),
        ping_ms: rig.and_then(Rig::rtt_ms),
        score: rig.and_then(Rig::score),
        exchanges: rig.map(exchanges).unwrap_or_default(),
        connected: hub.is_live(key),
        software: told.map(|told| told.software.as_str().to_owned()),
        host: told.map(|told| told.host.as_str().to_owned()),
        cpu_model: machine
            .map(|machine| machine.cpu_model.as_str().to_owned())
            .filter(|model| !model.is_empty()),
        cpus: machine.map(|machine| machine.cpus),
        memory_mib: machine.and_then(|machine| machine.memory_mib),
        image: updates::image(rig, now),
        recovery: keys::status(registry, key),
        desired: desired(key, registry, rig),
        activity: stats.map(|(stats, _)| activity(stats.activity)),
        hashrate: stats.and_then(|(stats, _)| per_second(thousandths(stats))),
        shares: stats.map(|(stats, _)| stats.miners.iter().map(|m| m.accepted).sum()),
        memory: stats.and_then(|(stats, _)| least_memory(stats)),
        age_ms: stats.map(|(_, age_ms)| age_ms),
    }
}

/// When a peer was last heard of, and how long ago that is in milliseconds.
pub(super) fn last_seen(row: &PeerRecord, rig: Option<&Rig>, now: Now) -> Option<(EpochMs, u64)> {
    if let Some(seen) = rig.and_then(Rig::last_seen) {
        return Some((seen.wall, now.mono.since(seen.mono)));
    }
    let at = row.last_seen()?;
    Some((at, now.wall.0.saturating_sub(at.0)))
}

pub(super) fn least_memory(stats: &RigStats) -> Option<&'static str> {
    let known = || stats.miners.iter().filter_map(|miner| miner.memory);
    known()
        .find(|memory| *memory == Memory::Light)
        .or_else(|| known().next())
        .map(memory)
}

fn memory(memory: Memory) -> &'static str {
    match memory {
        Memory::Light => "light",
        Memory::Fast => "fast",
    }
}

pub(super) fn exchanges(rig: &Rig) -> ExchangesView {
    let (succeeded, timed_out, failed) = rig.exchanges();
    ExchangesView {
        succeeded,
        failed,
        timed_out,
    }
}

/// What a peer should be doing, and how far that has come.
pub(super) fn desired(key: &Fingerprint, registry: &Registry, rig: Option<&Rig>) -> DesiredView {
    let row = registry.desired(key);
    let generation = row.map_or(0, |row| row.generation);
    DesiredView {
        generation,
        profile: row.and_then(|row| Some(row.profile.as_ref()?.to_string())),
        version: row.and_then(|row| row.profile.as_ref().map(|_| row.version)),
        applied_generation: rig.and_then(Rig::had),
        status: desired_status(key, registry, rig),
        reason: refusal_of(generation, rig).map(str::to_owned),
        paused: row.is_some_and(|row| row.state.is_paused()),
        drift: drifts(key, registry, rig),
    }
}

/// Whether the state that a peer has in force is another one than wished, if that is known.
pub(super) fn drifts(key: &Fingerprint, registry: &Registry, rig: Option<&Rig>) -> Option<bool> {
    let row = registry.desired(key)?;
    let (told, hash) = rig?.applied_hash()?;
    Some(told != row.generation || hash != row.state.hash())
}

/// How far a peer's wish has come.
pub(super) fn desired_status(
    key: &Fingerprint,
    registry: &Registry,
    rig: Option<&Rig>,
) -> DesiredStatus {
    let generation = registry.desired(key).map_or(0, |row| row.generation);
    match rig.and_then(Rig::had) {
        Some(applied) if applied > generation => DesiredStatus::Behind,
        _ if generation == 0 => DesiredStatus::None,
        Some(applied) if applied == generation => DesiredStatus::Applied,
        _ if refusal_of(generation, rig).is_some() => DesiredStatus::Refused,
        _ => DesiredStatus::Pending,
    }
}

/// Why a rig will not have the wish of this generation, or cannot be told it, in words.
pub(super) fn refusal_of(generation: u64, rig: Option<&Rig>) -> Option<&'static str> {
    let rig = rig?;
    let refused = rig.refused().filter(|(refused, _)| *refused == generation);
    let too_old = rig.is_too_old_for(generation);
    refused
        .map(|(_, refusal)| refusal_text(refusal))
        .or_else(|| too_old.then_some(TOO_OLD))
}

/// Sum of the miners' 10 s rates, in thousandths of a hash per second; unknown if none is known.
pub(super) fn thousandths(stats: &RigStats) -> Option<u64> {
    let rates = stats.miners.iter().filter_map(|miner| miner.hashrate.s10);
    rates.reduce(u64::saturating_add)
}

/// Statistics of one peer.
pub(super) fn stats(
    key: &Fingerprint,
    row: &PeerRecord,
    (stats, age_ms): (&RigStats, u64),
    connected: bool,
) -> StatsView {
    StatsView {
        node_id: key.node_id().to_string(),
        node_name: row.name.as_str().to_owned(),
        miners: stats.miners.iter().map(miner).collect(),
        uptime: stats.uptime_ms / 1000,
        age_ms,
        connected,
        activity: activity(stats.activity),
        generation: stats.generation,
        profile: stats.profile.as_ref().map(|name| name.as_str().to_owned()),
        logs_lost: stats.logs_lost,
    }
}

fn miner(miner: &MinerStats) -> MinerView {
    MinerView {
        name: miner.name.as_str().to_owned(),
        kind: backend(miner.backend),
        hashrate: per_second(miner.hashrate.s10),
        windows: windows(&miner.hashrate),
        hashes: miner.hashes,
        shares: miner.accepted,
        rejected: miner.rejected,
        stale: miner.stale,
        lost: miner.lost,
        last_share_ms: miner.last_share_ms,
        uptime: miner.uptime_ms / 1000,
        pool: miner.pool.as_ref().map(|pool| pool.as_str().to_owned()),
        difficulty: miner.difficulty,
        algorithm: miner.algo.as_str(),
        cpu_threads: miner.threads,
        memory: miner.memory.map(memory),
        pages: miner.pages.map(pages),
    }
}

pub(super) fn windows(windows: &Windows) -> WindowsView {
    WindowsView {
        s10: per_second(windows.s10),
        s60: per_second(windows.s60),
        m15: per_second(windows.m15),
        highest: per_second(windows.highest),
    }
}

/// Thousandths of a hash per second, as H/s.
#[expect(
    clippy::cast_precision_loss,
    reason = "exact below 2^53 thousandths, which is 9 TH/s"
)]
pub(super) fn per_second(thousandths: Option<u64>) -> Option<f64> {
    thousandths.map(|rate| rate as f64 / 1000.0)
}

pub(super) fn activity(activity: Activity) -> ActivityView {
    let (percent, left_ms) = match activity {
        Activity::Filling { percent, left_ms } => (Some(percent), left_ms),
        _ => (None, None),
    };
    let state = match activity {
        Activity::Stopped => "stopped",
        Activity::Starting => "starting",
        Activity::NoPool => "noPool",
        Activity::Filling { .. } => "filling",
        Activity::Mining => "mining",
        Activity::Failed => "failed",
        Activity::Paused => "paused",
        _ => "unknown",
    };
    ActivityView {
        state,
        percent,
        left_ms,
    }
}

/// Kind of miner.
pub(super) fn backend(backend: Backend) -> &'static str {
    match backend {
        Backend::Cpu => "cpu",
        Backend::Cuda => "cuda",
        Backend::External => "external",
        _ => "unknown",
    }
}

pub(super) fn pages(pages: Pages) -> &'static str {
    match pages {
        Pages::Small => "small",
        Pages::Transparent => "transparent",
        Pages::Huge2M => "huge2M",
        Pages::Huge1G => "huge1G",
        _ => "unknown",
    }
}

/// One record of a log. Its age is by the rig's clock, the moment by ours.
pub(super) fn log_record(line: &LogLine, rig_now_ms: u64, now: Now) -> LogLineView {
    let age = rig_now_ms.saturating_sub(line.at_ms);
    LogLineView {
        at: EpochMs(now.wall.0.saturating_sub(age)),
        level: level(line.level),
        text: line.text.as_str().to_owned(),
    }
}

/// The word for a level of a log.
pub(super) const fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

/// An event as a line of the program's log.
pub(super) fn log_line(event: &Event) -> String {
    let name = event.node_name.as_deref().unwrap_or("-");
    let node = event.node_id.as_deref().unwrap_or("-");
    format!(
        "{:?} rig={name:?} node={node} event={}",
        event.kind, event.seq
    )
}

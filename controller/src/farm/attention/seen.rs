//! What is looked at of one rig: taken under the lock, and small, as there may be 10,000.

use miner_shared::identity::Fingerprint;
use miner_shared::text::Name;
use miner_shared::wire::{Activity, Memory, MinerStats, Mode, PageWish, Pages, RigStats, State};

use super::super::drift::DriftReason;
use super::super::facts::RigFacts;
use super::super::show;
use super::super::twins::Kind;
use super::super::view::{DesiredStatus, ExchangesView};
use crate::clock::Now;
use crate::hub::Rig;
use crate::registry::{DesiredRecord, Registry};

/// Exchanges below which a score says little: one link that broke halves it.
const EXCHANGES: u8 = 10;
/// After the end of an order to switch off, for so long, in milliseconds, a rig may still be heard of.
const OFF_MS: u64 = 120_000;

/// One rig.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) key: Fingerprint,
    pub(super) name: Name,
    pub(super) live: bool,
    /// Since it was last heard of; `None` if it never was.
    pub(super) away_ms: Option<u64>,
    /// Since the controller began to wait for its rigs; `None` if it does not serve.
    pub(super) up_ms: Option<u64>,
    /// Whether it was switched off by order and has not come back since.
    pub(super) off: bool,
    pub(super) wish: Wish,
    /// Its score, with enough exchanges behind it, and what it was made of.
    pub(super) score: Option<(u8, ExchangesView)>,
    pub(super) linked_ms: Option<u64>,
    pub(super) hashing_ms: Option<u64>,
    pub(super) idle_ms: Option<u64>,
    pub(super) kind: Option<Kind>,
    /// What it said last to this process.
    pub(super) report: Option<Report>,
}

/// What it should be doing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Whether it is told to mine now.
    pub(super) mines: bool,
    pub(super) age_ms: u64,
    pub(super) status: DesiredStatus,
    pub(super) reason: Option<&'static str>,
    pub(super) drift: Option<bool>,
    /// Light mode and small pages are what was wished.
    pub(super) light: bool,
    pub(super) small: bool,
}

/// What its last report comes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    pub(super) age_ms: u64,
    pub(super) activity: Activity,
    /// Sum over a minute, or over 10 s while that is not known, in thousandths of a hash per second.
    pub(super) rate: Option<u64>,
    /// Worst of its miners.
    pub(super) memory: Option<Memory>,
    pub(super) pages: Option<Pages>,
    /// Shares of its miners since their start: all, rejected, stale.
    pub(super) shares: (u64, u64, u64),
    /// Of the miner that waits longest by its own measure.
    pub(super) silent: Option<Silent>,
}

/// A miner that hashes for a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silent {
    /// Since its last accepted share, or its start.
    pub(super) for_ms: u64,
    /// The mean time between two, by its hash rate and difficulty.
    pub(super) each_ms: u64,
}

impl Seen {
    pub(super) fn new(facts: &RigFacts<'_>, up_ms: Option<u64>, off: Option<u64>) -> Self {
        let (key, rig, now) = (facts.key, facts.rig, facts.now);
        let seen = show::last_seen(facts.row, rig, now);
        let work = rig.map(Rig::work);
        let report = rig.and_then(Rig::stats);
        let report = report.map(|(stats, at)| Report::new(stats, now.mono.since(at.mono)));
        Self {
            key: *key,
            name: facts.row.name.clone(),
            live: facts.live,
            away_ms: seen.map(|(_, age_ms)| age_ms),
            up_ms,
            off: seen
                .zip(off)
                .is_some_and(|((at, _), off)| at.0 <= off.saturating_add(OFF_MS)),
            wish: Wish::new(key, facts.registry, rig, now),
            score: rig.and_then(score),
            linked_ms: work.and_then(|work| work.linked_ms(now.mono)),
            hashing_ms: work.and_then(|work| work.hashing_ms(now.mono)),
            idle_ms: work.and_then(|work| work.idle_ms(now.mono)),
            kind: Kind::of(facts),
            report,
        }
    }

    /// Whether it hashes as it was told, and its report is of now.
    pub(super) fn mines(&self) -> Option<&Report> {
        let mines = self.live && self.wish.mines && self.wish.status == DesiredStatus::Applied;
        let report = self.report.as_ref().filter(|_| mines)?;
        (report.activity == Activity::Mining).then_some(report)
    }
}

impl Wish {
    fn new(key: &Fingerprint, registry: &Registry, rig: Option<&Rig>, now: Now) -> Self {
        let row = registry.desired(key);
        let state = row.map(|row| &row.state);
        let profile = state.and_then(State::profile);
        let small = |state: &State| {
            let plan = match state {
                State::Plan(plan) => Some(plan),
                _ => None,
            };
            plan.is_some_and(|plan| plan.pages == PageWish::Small)
        };
        let mines = |row: &DesiredRecord| row.profile.is_some() && !row.rests();
        Self {
            mines: row.is_some_and(mines),
            age_ms: row.map_or(0, |row| now.wall.0.saturating_sub(row.set_at_ms)),
            status: show::desired_status(key, registry, rig),
            reason: row.and_then(|row| show::refusal_of(row.generation, rig)),
            drift: show::drifts(key, registry, rig),
            light: profile.is_some_and(|profile| profile.mode == Mode::Light),
            small: state.is_some_and(small),
        }
    }

    /// Why the rig, which has a link, does not run it; `None` if it does.
    pub(super) const fn drift_reason(&self) -> Option<DriftReason> {
        DriftReason::of(self.status, self.drift, true)
    }
}

impl Report {
    pub(super) fn new(stats: &RigStats, age_ms: u64) -> Self {
        let miners = || stats.miners.iter();
        let steady = miners().filter_map(|miner| miner.hashrate.s60.or(miner.hashrate.s10));
        let sum = |of: fn(&MinerStats) -> u64| miners().map(of).fold(0, u64::saturating_add);
        let (rejected, stale) = (sum(|miner| miner.rejected), sum(|miner| miner.stale));
        let memories = || miners().filter_map(|miner| miner.memory);
        let light = memories().find(|memory| *memory == Memory::Light);
        Self {
            age_ms,
            activity: stats.activity,
            rate: steady.reduce(u64::saturating_add),
            memory: light.or_else(|| memories().next()),
            pages: miners()
                .filter_map(|miner| miner.pages)
                .min_by_key(|pages| size_of_pages(*pages)),
            shares: (
                sum(|miner| miner.accepted)
                    .saturating_add(rejected)
                    .saturating_add(stale),
                rejected,
                stale,
            ),
            silent: miners()
                .filter_map(|miner| Silent::of(miner, age_ms))
                .max_by_key(|silent| silent.for_ms / silent.each_ms.max(1)),
        }
    }
}

impl Silent {
    /// `None` without a pool, a hash rate or a difficulty: then nothing can be expected.
    fn of(miner: &MinerStats, age_ms: u64) -> Option<Self> {
        miner.pool.as_ref()?;
        let rate = miner.hashrate.s60.or(miner.hashrate.s10);
        let rate = rate.filter(|rate| *rate > 0)?;
        // Thousandths of a hash per second: hashes per million milliseconds.
        let each_ms = u128::from(miner.difficulty?) * 1_000_000 / u128::from(rate);
        let since = miner.last_share_ms.unwrap_or(miner.uptime_ms);
        Some(Self {
            for_ms: since.saturating_add(age_ms),
            each_ms: u64::try_from(each_ms).unwrap_or(u64::MAX),
        })
    }
}

/// Which pages are larger.
pub(super) fn size_of_pages(pages: Pages) -> u8 {
    match pages {
        Pages::Small => 0,
        Pages::Transparent => 1,
        Pages::Huge2M => 2,
        _ => 3,
    }
}

fn score(rig: &Rig) -> Option<(u8, ExchangesView)> {
    let score = rig.score()?;
    let (succeeded, timed_out, failed) = rig.exchanges();
    let exchanges = ExchangesView {
        succeeded,
        failed,
        timed_out,
    };
    let enough = succeeded.saturating_add(timed_out).saturating_add(failed) >= EXCHANGES;
    enough.then_some((score, exchanges))
}

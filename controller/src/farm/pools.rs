//! How the pools are: what profiles in use say, and what rigs report, by address.
//!
//! A rig's report names the address alone, so an address is one entry, with TLS or without. Shares are
//! those of the live miners that are there now, since their start.

use std::collections::{BTreeMap, BTreeSet};

use miner_shared::wire::{MinerStats, RigStats, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::facts::RigFacts;
use super::view::DesiredStatus;
use super::{Farm, show};
use crate::clock::EpochMs;
use crate::hub::Rig;
use crate::registry::DesiredRecord;

/// A pool that profiles in use name, or that rigs report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolUseView {
    /// `host:port`.
    pub url: String,
    /// Whether profiles speak TLS with it; `null` if no profile in use names it, or if they differ.
    pub tls: Option<bool>,
    /// Ids of the profiles in use that name it, in whatever place.
    pub profiles: Vec<String>,
    /// Rigs that are told to mine there first and do not rest.
    pub rigs_told: usize,
    /// Live rigs that are logged in there.
    pub rigs_on: usize,
    /// Sum of their 10 s hash rates, in H/s; `null` if none is known.
    pub hashrate: Option<f64>,
    /// Shares that it accepted.
    pub accepted: u64,
    /// Shares that it refused, stale ones apart.
    pub rejected: u64,
    /// Shares for a job that was over.
    pub stale: u64,
    /// The lowest difficulty of their jobs.
    pub difficulty_lowest: Option<u64>,
    /// The highest.
    pub difficulty_highest: Option<u64>,
    /// Since it last accepted a share, in milliseconds.
    pub last_share_age_ms: Option<u64>,
    /// Round trip, in milliseconds: no rig reports one yet.
    pub latency_ms: Option<u64>,
    /// How often a rig left it for a later choice of its profile since `failoversSince`; `null` if there
    /// was no room to count them.
    pub failovers: Option<u64>,
    /// The controller's start.
    pub failovers_since: EpochMs,
    /// What it comes to.
    pub state: PoolState,
}

/// How a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum PoolState {
    /// All live rigs that are told to mine there do.
    Ok,
    /// Some of them are elsewhere, or nowhere.
    SomeAway,
    /// No rig is told to mine there first, and none does.
    Unused,
    /// Rigs are told to, and none has said where it is.
    Unknown,
}

#[derive(Debug, Default)]
struct Sum {
    with_tls: bool,
    without_tls: bool,
    profiles: BTreeSet<String>,
    told: usize,
    /// Of these, live ones that have said where they are.
    known: usize,
    away: usize,
    on: usize,
    rate: Option<u64>,
    accepted: u64,
    rejected: u64,
    stale: u64,
    difficulties: Option<(u64, u64)>,
    last_share_ms: Option<u64>,
}

impl Sum {
    fn add(&mut self, miner: &MinerStats, age_ms: u64) {
        if let Some(rate) = miner.hashrate.s10 {
            self.rate = Some(self.rate.unwrap_or(0).saturating_add(rate));
        }
        self.accepted = self.accepted.saturating_add(miner.accepted);
        self.rejected = self.rejected.saturating_add(miner.rejected);
        self.stale = self.stale.saturating_add(miner.stale);
        if let Some(of) = miner.difficulty {
            let (lowest, highest) = self.difficulties.unwrap_or((of, of));
            self.difficulties = Some((lowest.min(of), highest.max(of)));
        }
        let last = miner.last_share_ms.map(|ms| ms.saturating_add(age_ms));
        self.last_share_ms = self.last_share_ms.into_iter().chain(last).min();
    }

    fn state(&self) -> PoolState {
        match (self.told, self.on) {
            (0, 0) => PoolState::Unused,
            _ if self.away > 0 => PoolState::SomeAway,
            (1.., _) if self.known == 0 => PoolState::Unknown,
            _ => PoolState::Ok,
        }
    }
}

type Sums = BTreeMap<String, Sum>;

impl Farm {
    /// All pools, by address. Rigs are looked at in portions.
    pub async fn pools(&self) -> Vec<PoolUseView> {
        let mut sums = Sums::new();
        self.look_at_all(|rig| look_at(&mut sums, rig)).await;
        let moves = self.lock().hub.moves().clone();
        let now = self.clock.now();
        let since = EpochMs(now.wall.0.saturating_sub(now.mono.0));
        let views = sums.into_iter().map(|(url, sum)| PoolUseView {
            state: sum.state(),
            failovers: moves.of(&url),
            failovers_since: since,
            tls: (sum.with_tls != sum.without_tls).then_some(sum.with_tls),
            profiles: sum.profiles.into_iter().collect(),
            rigs_told: sum.told,
            rigs_on: sum.on,
            hashrate: show::per_second(sum.rate),
            accepted: sum.accepted,
            rejected: sum.rejected,
            stale: sum.stale,
            difficulty_lowest: sum.difficulties.map(|(lowest, _)| lowest),
            difficulty_highest: sum.difficulties.map(|(_, highest)| highest),
            last_share_age_ms: sum.last_share_ms,
            latency_ms: None,
            url,
        });
        views.collect()
    }
}

fn look_at(sums: &mut Sums, facts: &RigFacts<'_>) {
    let rig = facts.rig.filter(|_| facts.live);
    let said = rig.and_then(Rig::stats);
    let said = said.map(|(stats, at)| (stats, facts.now.mono.since(at.mono)));
    if let Some(row) = facts.registry.desired(facts.key) {
        let has_it = show::desired_status(facts.key, facts.registry, rig) == DesiredStatus::Applied;
        let stats = said.map(|(stats, _)| stats).filter(|_| has_it);
        add_told(sums, row, stats);
    }
    if let Some((stats, age_ms)) = said {
        add_said(sums, stats, age_ms);
    }
}

/// What a rig is told, and whether it is where it should be, if it has said so.
fn add_told(sums: &mut Sums, row: &DesiredRecord, stats: Option<&RigStats>) {
    let (Some(id), Some(profile)) = (&row.profile, State::profile(&row.state)) else {
        return;
    };
    for (place, pool) in profile.pools.iter().enumerate() {
        let sum = sums.entry(pool.address.as_str().to_owned()).or_default();
        sum.profiles.insert(id.to_string());
        *if pool.tls {
            &mut sum.with_tls
        } else {
            &mut sum.without_tls
        } = true;
        if place > 0 || row.rests() {
            continue;
        }
        sum.told += 1;
        if let Some(stats) = stats {
            let mut there = stats.miners.iter().filter_map(|miner| miner.pool.as_ref());
            sum.known += 1;
            sum.away += usize::from(!there.any(|there| *there == pool.address));
        }
    }
}

fn add_said(sums: &mut Sums, stats: &RigStats, age_ms: u64) {
    let mut on = BTreeSet::new();
    for miner in &stats.miners {
        if let Some(pool) = &miner.pool {
            let sum = sums.entry(pool.as_str().to_owned()).or_default();
            sum.add(miner, age_ms);
            sum.on += usize::from(on.insert(pool.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::text::{Address, Name, PoolPass, PoolUser};
    use miner_shared::wire::{Algo, Backend, Mode, PageWish, Plan, Pool, Profile, Threads};

    use super::*;
    use crate::history::point::tests::report;
    use crate::registry::ProfileId;

    fn told(pools: &[(&str, bool)], paused: bool) -> DesiredRecord {
        let pool = |(address, tls): &(&str, bool)| Pool {
            address: Address::parse(address).expect("valid"),
            tls: *tls,
            user: PoolUser::parse("w").expect("valid"),
            pass: PoolPass::parse("x").expect("valid"),
        };
        let profile = Profile {
            name: Name::parse("main").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Auto,
            pools: pools.iter().map(pool).collect(),
        };
        DesiredRecord {
            generation: 1,
            op_id: [0; 16],
            profile: Some(ProfileId::of("main")),
            state: State::Plan(Plan {
                profile,
                paused,
                pages: PageWish::Auto,
                nice: 0,
            }),
            set_at_ms: 0,
            version: 1,
            held: false,
        }
    }

    fn on(pool: Option<&str>, rate: u64) -> RigStats {
        let mut stats = report(Some(rate), 7);
        stats.miners[0].pool = pool.map(|pool| Address::parse(pool).expect("valid"));
        stats.miners[0].difficulty = Some(rate);
        stats.miners[0].last_share_ms = Some(rate);
        stats
    }

    /// The sums of rigs that are told to mine at `a:1` and then `b:1`, and say where they are.
    fn sums(rigs: &[Option<Option<&str>>]) -> Sums {
        let mut sums = Sums::new();
        for (rate, said) in (1_000..).zip(rigs) {
            let stats = said.map(|pool| on(pool, rate));
            add_told(
                &mut sums,
                &told(&[("a:1", false), ("b:1", true)], false),
                stats.as_ref(),
            );
            if let Some(stats) = &stats {
                add_said(&mut sums, stats, 10);
            }
        }
        sums
    }

    fn states(rigs: &[Option<Option<&str>>]) -> [PoolState; 2] {
        let sums = sums(rigs);
        ["a:1", "b:1"].map(|pool| sums[pool].state())
    }

    #[test]
    fn a_pool_is_well_while_all_its_rigs_are_there_and_a_spare_one_is_unused() {
        let (a, b) = (Some(Some("a:1")), Some(Some("b:1")));
        assert_eq!(states(&[a, a]), [PoolState::Ok, PoolState::Unused]);
        assert_eq!(states(&[a, b]), [PoolState::SomeAway, PoolState::Ok]);
        assert_eq!(
            states(&[a, Some(None)]),
            [PoolState::SomeAway, PoolState::Unused]
        );
        assert_eq!(states(&[None]), [PoolState::Unknown, PoolState::Unused]);
        assert_eq!(states(&[None, a]), [PoolState::Ok, PoolState::Unused]);
    }

    #[test]
    fn what_rigs_say_is_summed_up_where_they_are() {
        let (a, b) = (Some(Some("a:1")), Some(Some("b:1")));
        let sums = sums(&[a, a, b, None]);
        let first = &sums["a:1"];
        assert_eq!(
            (first.told, first.on, first.known, first.away),
            (4, 2, 3, 1)
        );
        assert_eq!(first.rate, Some(2_001));
        assert_eq!(first.accepted, 14);
        assert_eq!(first.difficulties, Some((1_000, 1_001)));
        assert_eq!(first.last_share_ms, Some(1_010));
        assert_eq!((first.with_tls, first.without_tls), (false, true));
        assert!(first.profiles.contains("main"));
        assert_eq!((sums["b:1"].told, sums["b:1"].on), (0, 1));
    }

    #[test]
    fn a_rig_that_rests_is_told_nothing_and_one_elsewhere_shows_where_it_is() {
        let mut sums = Sums::new();
        add_told(&mut sums, &told(&[("a:1", false)], true), None);
        assert_eq!(
            (sums["a:1"].told, sums["a:1"].state()),
            (0, PoolState::Unused)
        );
        add_said(&mut sums, &on(Some("rogue:1"), 1), 0);
        assert_eq!(sums["rogue:1"].state(), PoolState::Ok);
        assert!(sums["rogue:1"].profiles.is_empty());
        let elsewhere = Sum::default();
        assert_eq!(
            elsewhere.with_tls, elsewhere.without_tls,
            "TLS is not known"
        );
    }
}

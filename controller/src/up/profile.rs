//! The profile that `up` mines with.
//!
//! | start | profile | pool |
//! |---|---|---|
//! | `up` | `practice` | the built-in practice pool |
//! | `up --pool P --user W` | `up` | P |
//!
//! A profile that says something else gets a next version; other rigs that use it keep theirs. What this
//! start does not say (hours, pages, and threads without `--threads`) stays as the owner has set it.

use std::net::SocketAddr;
use std::sync::Arc;

use miner_agent::cli::Failure;
use miner_shared::identity::NodeId;
use miner_shared::text::{Address, Label, Name, PoolPass, PoolUser};
use miner_shared::wire::{Algo, Backend, Mode, Pool, Profile, Threads};

use super::report::Report;
use super::{PoolPlan, WorkerPlan, reached_at};
use crate::error::{Code, FarmError};
use crate::farm::{Farm, NewVersion, ProfileView};

/// What to mine with, and whether it was asked for by name of a pool.
#[derive(Debug)]
pub(super) struct Wanted {
    name: Name,
    pool: Pool,
    mode: Option<Mode>,
    threads: Option<Threads>,
    explicit: bool,
}

/// The profile for this start; `None` where the registry alone decides.
pub(super) fn wanted(
    pool: PoolPlan,
    practice_at: Option<SocketAddr>,
    worker: Option<WorkerPlan>,
) -> Result<Option<Wanted>, Failure> {
    let (name, explicit, pool) = match (pool, practice_at) {
        (
            PoolPlan::Real {
                address,
                user,
                pass,
            },
            _,
        ) => {
            let pool = Pool {
                address,
                tls: false,
                user,
                pass,
            };
            ("up", true, pool)
        }
        (PoolPlan::Practice(_), Some(at)) => {
            let pool = Pool {
                address: Address::parse(&reached_at(at).to_string())?,
                tls: false,
                user: PoolUser::parse("practice")?,
                pass: PoolPass::parse("")?,
            };
            ("practice", false, pool)
        }
        (PoolPlan::None | PoolPlan::Practice(_), _) => return Ok(None),
    };
    let light = worker.is_some_and(|worker| worker.light);
    let threads = worker.and_then(|worker| worker.threads);
    Ok(Some(Wanted {
        name: Name::parse(name)?,
        pool,
        mode: light.then_some(Mode::Light),
        threads: threads.map(Threads::Count),
        explicit,
    }))
}

/// Makes the profile and lets the local worker, if there is one, mine with it. A worker that its
/// owner gave another profile keeps that, unless a pool was named at this start.
pub(super) async fn mine(
    farm: &Arc<Farm>,
    rig: Option<NodeId>,
    wanted: Wanted,
    report: &Report,
) -> Result<(), FarmError> {
    let profile = settle(farm, &wanted)?;
    let Some(rig) = rig else { return Ok(()) };
    let id = profile.id;
    let desired = farm.peer(rig)?.desired;
    match &desired.profile {
        Some(other) if *other != id && !wanted.explicit => {
            report.line(&format!(
                "local worker keeps the profile {other}; `miner-ctrl remote start {rig} --profile {id}` changes it"
            ));
        }
        // It was told so before, and may have been paused since.
        Some(same) if *same == id && desired.version == Some(profile.version) => {}
        // Pending is as good as applied: the rig is told as soon as its link is up.
        _ => drop(farm.start(rig, &id).await?),
    }
    Ok(())
}

/// The profile that says what is wanted, made or changed now if there is none.
fn settle(farm: &Farm, wanted: &Wanted) -> Result<ProfileView, FarmError> {
    let name = wanted.name.as_str();
    let mut version = match farm.newest_version(name) {
        Ok(version) => version,
        Err(error) if error.code == Code::ProfileNotFound => NewVersion::from(Profile {
            name: wanted.name.clone(),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: Mode::Auto,
            threads: Threads::Auto,
            pools: heapless::Vec::new(),
        }),
        Err(error) => return Err(error),
    };
    let is_new = version.spec.profile.pools.is_empty();
    let profile = &mut version.spec.profile;
    profile.pools = [wanted.pool.clone()].into_iter().collect();
    profile.mode = wanted.mode.unwrap_or(profile.mode);
    profile.threads = wanted.threads.unwrap_or(profile.threads);
    version.by = Label::parse("up").ok();
    if is_new {
        farm.create_profile(version)
    } else {
        farm.change_profile(name, version)
    }
}

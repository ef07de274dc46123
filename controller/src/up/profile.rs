//! The profile that `up` mines with.
//!
//! | start | profile | pool |
//! |---|---|---|
//! | `up` | `practice` | the built-in practice pool |
//! | `up --pool P --user W` | `up` | P |
//!
//! A profile is never changed under the rigs that use it: one that differs from what is wanted is
//! replaced if only the local worker uses it, and otherwise the next free name is taken.

use std::net::SocketAddr;
use std::sync::Arc;

use miner_agent::cli::Failure;
use miner_shared::identity::NodeId;
use miner_shared::text::{Address, Name, PoolPass, PoolUser};
use miner_shared::wire::{Algo, Backend, Mode, Pool, Profile, Threads};

use super::report::Report;
use super::{PoolPlan, WorkerPlan, reached_at};
use crate::error::{Code, FarmError};
use crate::farm::{Farm, ProfileView};

/// Names tried: `up`, `up-2` .. `up-9`.
const NAMES: u8 = 9;

/// What to mine with, and whether it was asked for by name of a pool.
#[derive(Debug)]
pub(super) struct Wanted {
    profile: Profile,
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
        profile: Profile {
            name: Name::parse(name)?,
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            mode: if light { Mode::Light } else { Mode::Auto },
            threads: threads.map_or(Threads::Auto, Threads::Count),
            pools: [pool].into_iter().collect(),
        },
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
    let id = settle(farm, rig, wanted.profile).await?;
    let Some(rig) = rig else { return Ok(()) };
    let desired = farm.peer(rig)?.desired;
    if let (Some(other), false) = (&desired.profile, wanted.explicit)
        && *other != id
    {
        report.line(&format!(
            "local worker keeps the profile {other}; `miner-ctrl remote start {rig} --profile {id}` changes it"
        ));
        return Ok(());
    }
    // Pending is as good as applied: the rig is told as soon as its link is up.
    farm.start(rig, &id).await?;
    Ok(())
}

/// The id of a profile that is exactly this one, made now if there is none.
async fn settle(
    farm: &Arc<Farm>,
    rig: Option<NodeId>,
    mut profile: Profile,
) -> Result<String, FarmError> {
    let base = profile.name.clone();
    let mut taken = FarmError::new(Code::ProfileExists, "all names for the profile are taken");
    for number in 1..=NAMES {
        if number > 1
            && let Ok(name) = Name::parse(&format!("{base}-{number}"))
        {
            profile.name = name;
        }
        match farm.profile(profile.name.as_str()) {
            Err(error) if error.code == Code::ProfileNotFound => {}
            Err(error) => return Err(error),
            Ok(found) if is(&found, &profile) => return Ok(found.id),
            Ok(found) => {
                if let Err(error) = give_way(farm, rig, &found).await {
                    taken = error;
                    continue;
                }
            }
        }
        return Ok(farm.create_profile(profile)?.id);
    }
    Err(taken)
}

/// Deletes a profile that at most the local worker uses.
async fn give_way(
    farm: &Arc<Farm>,
    rig: Option<NodeId>,
    found: &ProfileView,
) -> Result<(), FarmError> {
    if let ([_], Some(rig)) = (found.used_by.as_slice(), rig)
        && farm.peer(rig)?.desired.profile.as_deref() == Some(&found.id)
    {
        farm.stop(rig, None).await?;
    }
    farm.delete_profile(&found.id)
}

/// Whether the stored profile does the same. Passwords are not readable, so a profile with one is
/// taken as another.
fn is(found: &ProfileView, wanted: &Profile) -> bool {
    let mode = match wanted.mode {
        Mode::Auto => "auto",
        Mode::Fast => "fast",
        Mode::Light => "light",
    };
    let threads = match wanted.threads {
        Threads::Auto | Threads::Percent(_) => None,
        Threads::Count(count) => Some(count),
    };
    let pools = found.pools.len() == wanted.pools.len()
        && found
            .pools
            .iter()
            .zip(&wanted.pools)
            .all(|(found, wanted)| {
                found.url == wanted.address.as_str()
                    && found.tls == wanted.tls
                    && found.user == wanted.user.as_str()
                    && !found.has_pass
                    && wanted.pass.as_str().is_empty()
            });
    found.mode == mode && found.threads == threads && pools
}

//! What is shown of profiles. Logins are, passwords never.

use miner_shared::wire::{Mode, PageWish, Threads};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::diff;
use crate::clock::EpochMs;
use crate::farm::show;
use crate::registry::{ProfileId, ProfileRecord, Registry, YieldRecord};
use crate::schedule::Opening;
use crate::wallet;

/// A profile in one of its versions.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileView {
    /// What `--profile` takes: the name in lower case, other characters as `-`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Number of this version, from 1.
    pub version: u32,
    /// First 12 hex characters of SHA-256 over what rigs get.
    pub hash: String,
    /// `cpu`, `cuda` or `external`.
    pub miner_type: &'static str,
    /// The field's name, such as `rx/0`.
    pub algorithm: &'static str,
    /// Coin that the wallets are addresses of; `null` where they may be anything.
    pub coin: Option<String>,
    /// `auto`, `fast` or `light`.
    pub mode: &'static str,
    /// Hash threads; `null` is "as many as suit", or see `threadsPercent`.
    pub threads: Option<u16>,
    /// Hash threads as a part of those that suit, in percent.
    pub threads_percent: Option<u8>,
    /// Pages wanted behind the RandomX memory: `auto`, `small`, `huge2M` or `huge1G`.
    pub pages: &'static str,
    /// How much hash threads give way to other programs, 0 to 19.
    pub nice: u8,
    /// First choice first.
    pub pools: Vec<PoolView>,
    /// Hours of mining.
    pub hours: HoursView,
    /// Names of the peers that are told to mine with the profile, in whatever version.
    pub used_by: Vec<String>,
    /// When the profile was made.
    pub created_at: EpochMs,
    /// When this version was made.
    pub changed_at: EpochMs,
    /// Who made it, if that is known.
    pub by: Option<String>,
    /// Why.
    pub comment: Option<String>,
    /// The older version that it brought back.
    pub restores: Option<u32>,
    /// Versions of the profile that are no longer kept.
    pub versions_lost: u32,
}

/// A pool of a profile.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoolView {
    /// `host:port`.
    pub url: String,
    /// Whether to speak TLS with it.
    pub tls: bool,
    /// Login there.
    pub user: String,
    /// How far the login could be checked: `address` with its checksum, `formOnly` where the coin is
    /// unknown here, `login` where it is taken for no address.
    pub checked: &'static str,
    /// Whether a password is set.
    pub has_pass: bool,
}

/// When to mine.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoursView {
    /// Weekly, in the controller's local time, such as `mon-fri 22:00-06:00`; none is always.
    pub windows: Vec<String>,
    /// Whether it is time to mine now.
    pub open: bool,
    /// When that changes; `null` if it never does.
    pub next: Option<EpochMs>,
}

/// A version in the list of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// Number, from 1.
    pub version: u32,
    /// First 12 hex characters of SHA-256 over what rigs get. Versions that only differ in hours, coin
    /// or comment have the same.
    pub hash: String,
    /// When it was made.
    pub at: EpochMs,
    /// Who made it, if that is known.
    pub by: Option<String>,
    /// Why.
    pub comment: Option<String>,
    /// The older version that it brought back.
    pub restores: Option<u32>,
    /// Registered rigs that are told to mine with it.
    pub rigs: usize,
    /// Mean of one rig over all the time that rigs had it applied and their rate was known, in H/s.
    pub hashrate: Option<f64>,
    /// That time, of all rigs together, in hours.
    pub rig_hours: f64,
}

/// What two versions differ in.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffView {
    /// The profile.
    pub id: String,
    /// Number of the one version.
    pub from: u32,
    /// Number of the other.
    pub to: u32,
    /// Field by field; none if both say the same.
    pub changes: Vec<ChangeView>,
    /// Whether somebody else would be paid.
    pub payout_changed: bool,
}

/// What becomes of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    /// Which, such as `pools[0].url`.
    pub field: String,
    /// What it was; `null` if it was not there. Of a password only that it was set.
    pub old: Option<String>,
    /// What it becomes; `null` if it is no more.
    pub new: Option<String>,
}

/// The beginning of a hash, as it is shown.
pub(in crate::farm) fn short_hash(hash: &[u8; 32]) -> String {
    let shown = hash.iter().take(6);
    shown.map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn profile(
    id: &ProfileId,
    row: &ProfileRecord,
    registry: &Registry,
    opening: Opening,
) -> ProfileView {
    let (profile, settings) = (&row.profile, &row.settings);
    let (threads, threads_percent) = match profile.threads {
        Threads::Auto => (None, None),
        Threads::Count(count) => (Some(count), None),
        Threads::Percent(percent) => (None, Some(percent)),
    };
    let pools = profile.pools.iter().map(|pool| PoolView {
        url: pool.address.as_str().to_owned(),
        tls: pool.tls,
        user: pool.user.as_str().to_owned(),
        // Rows of older programs were not checked.
        checked: wallet::check(settings.coin.as_ref(), pool.user.as_str())
            .map_or("wrong", wallet::Checked::as_str),
        has_pass: !pool.pass.as_str().is_empty(),
    });
    let newest = registry.profile(id).unwrap_or(row);
    ProfileView {
        id: id.to_string(),
        name: profile.name.as_str().to_owned(),
        version: row.version,
        hash: short_hash(&row.hash()),
        miner_type: show::backend(profile.backend),
        algorithm: profile.algo.as_str(),
        coin: settings.coin.as_ref().map(ToString::to_string),
        mode: mode(profile.mode),
        threads,
        threads_percent,
        pages: pages(settings.pages),
        nice: settings.nice,
        pools: pools.collect(),
        hours: HoursView {
            windows: settings.windows.iter().map(ToString::to_string).collect(),
            open: opening.open,
            next: opening.next,
        },
        used_by: registry
            .users_of(id)
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect(),
        created_at: row.first_at(),
        changed_at: EpochMs(row.created_at_ms),
        by: text(row.revision.by.as_ref()),
        comment: text(row.revision.comment.as_ref()),
        restores: row.revision.restores,
        versions_lost: newest.lost,
    }
}

pub(super) fn version(row: &ProfileRecord, rigs: usize, made: Option<&YieldRecord>) -> VersionView {
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact below 2^53 seconds, which is 285 million years"
    )]
    let rig_hours = made.map_or(0.0, |made| made.rig_secs as f64 / 3600.0);
    VersionView {
        version: row.version,
        hash: short_hash(&row.hash()),
        at: EpochMs(row.created_at_ms),
        by: text(row.revision.by.as_ref()),
        comment: text(row.revision.comment.as_ref()),
        restores: row.revision.restores,
        rigs,
        hashrate: show::per_second(made.and_then(YieldRecord::mean)),
        rig_hours,
    }
}

pub(super) fn diff(id: &ProfileId, from: &ProfileRecord, to: &ProfileRecord) -> DiffView {
    let specs = (from.spec(), to.spec());
    DiffView {
        id: id.to_string(),
        from: from.version,
        to: to.version,
        changes: diff::changes(&specs.0, &specs.1),
        payout_changed: diff::pays_others(&specs.0, &specs.1),
    }
}

fn text<const N: usize>(text: Option<&miner_shared::text::Text<N>>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

pub(super) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto => "auto",
        Mode::Fast => "fast",
        Mode::Light => "light",
    }
}

pub(super) fn pages(pages: PageWish) -> &'static str {
    match pages {
        PageWish::Auto => "auto",
        PageWish::Small => "small",
        PageWish::Huge2M => "huge2M",
        PageWish::Huge1G => "huge1G",
    }
}

//! What the farm shows of itself: the bodies of REST answers, and what the page and the CLI print.
//!
//! Field names are the original's where it had them. Three rules hold throughout: unknown is
//! `null`, never 0; a figure from a rig carries its age; hash rates are in H/s.
//!
//! | view | original | route |
//! |---|---|---|
//! | [`NodeInfoView`] | `node/info` | `GET /node/info` |
//! | [`PeerView`] | `Peer` | `GET, POST /peers` |
//! | [`StatsView`] | `StatsPayload` | `GET /remote/stats`, `/remote/{peerId}/stats` |
//! | [`LogsView`] | `logs` | `GET /remote/{peerId}/logs/{miner}` |
//! | [`AppliedView`] | `miner_ack` | `POST /remote/{peerId}/start`, `/stop` |
//! | [`RecoveryView`](super::RecoveryView), [`ManagersView`](super::ManagersView), [`OrderView`](super::OrderView) | - | `/node/recovery`, `/remote/{peerId}/managers`, `/handover`, `/revoke`, `/rotate-key` |
//! | [`ProfileView`](super::ProfileView) | profile | `GET, POST /profiles` |

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::keys::RecoveryStatus;
use super::updates::ImageView;
use crate::clock::EpochMs;

/// The local node and its farm in numbers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfoView {
    /// Always true while the farm is open; kept for the original's clients.
    pub has_identity: bool,
    /// Who the local node is.
    pub identity: IdentityView,
    /// Peers in the registry.
    pub registered_peers: usize,
    /// Peers with a live link.
    pub connected_peers: usize,
    /// Statements of succession that the local node shows.
    pub statements: usize,
    /// Where rigs dial in, if the farm listens.
    pub listen: Option<String>,
    /// Since the controller's start, in seconds.
    pub uptime: u64,
    /// Orders that have come to their end and made room for others since the controller's start.
    pub orders_lost: u64,
    /// Version of the registry's file format.
    pub schema: u8,
}

/// A node's public identity.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IdentityView {
    /// Node ID, 16 hex characters.
    pub id: String,
    /// Name.
    pub name: String,
    /// X25519 key, base64.
    pub public_key: String,
    /// Fingerprint in groups of four.
    pub fingerprint: String,
    /// `controller`, `worker` or `dual`.
    pub role: &'static str,
}

/// A registered peer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Node ID, 16 hex characters.
    pub id: String,
    /// Name.
    pub name: String,
    /// X25519 key, base64; unknown until the peer's first link if it was added by fingerprint.
    pub public_key: Option<String>,
    /// Fingerprint in groups of four.
    pub fingerprint: String,
    /// Where the farm dials it; `null` for a peer that dials in.
    pub address: Option<String>,
    /// `worker` or `dual`; unknown until the first link.
    pub role: Option<&'static str>,
    /// How its key was confirmed: `pairing`, `fingerprint`, `tofu` or `token`. Never changes.
    pub trust: &'static str,
    /// Name of the token that it came by, if it did.
    pub token: Option<String>,
    /// The group that it is in: that of its token until the owner says otherwise.
    pub group: Option<String>,
    /// Where it stands.
    pub site: Option<String>,
    /// Its tags, in order.
    pub tags: Vec<String>,
    /// Whether its entry vanishes 10 minutes after its link was lost.
    pub ephemeral: bool,
    /// When it was registered.
    pub added_at: EpochMs,
    /// When it was last heard of by the wall clock.
    pub last_seen: Option<EpochMs>,
    /// The same as an age, in milliseconds.
    pub last_seen_age_ms: Option<u64>,
    /// Round trip of the last ping, in milliseconds.
    pub ping_ms: Option<u64>,
    /// Reliability, 0 to 100, over its last exchanges; unknown before the first.
    pub score: Option<u8>,
    /// What the score was made of.
    pub exchanges: ExchangesView,
    /// Whether a link is up.
    pub connected: bool,
    /// Program and version, such as `miner 0.1.0`, as it says itself.
    pub software: Option<String>,
    /// Operating system and architecture, as it says itself.
    pub host: Option<String>,
    /// Model name of its processor, as it said last.
    pub cpu_model: Option<String>,
    /// Its logical processors, as it said last.
    pub cpus: Option<u16>,
    /// Its memory in MiB, as it said last.
    pub memory_mib: Option<u32>,
    /// What its machine was booted from, and how an update of it does; `null` until it has said so to this
    /// process.
    pub image: Option<ImageView>,
    /// What it has made of the recovery key; `null` if the farm has none.
    pub recovery: Option<RecoveryStatus>,
    /// What it should be doing.
    pub desired: DesiredView,
    /// What it last said that it does.
    pub activity: Option<ActivityView>,
    /// Sum of its miners' hash rates over 10 s, in H/s.
    pub hashrate: Option<f64>,
    /// Shares that pools accepted, over all its miners.
    pub shares: Option<u64>,
    /// RandomX memory that its miners use: `light` if one of them does, else `fast`.
    pub memory: Option<&'static str>,
    /// Age of `activity`, `hashrate`, `shares` and `memory`, in milliseconds.
    pub age_ms: Option<u64>,
}

/// What the last exchanges with a peer came to; at most 20 in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExchangesView {
    /// Answered in time.
    pub succeeded: u8,
    /// The link broke or could not be made.
    pub failed: u8,
    /// No answer in time.
    pub timed_out: u8,
}

impl ExchangesView {
    /// Why the score is what it is, such as `3 late, 1 failed of the last 20`.
    pub fn why(self) -> String {
        let [answered, late, failed] = [self.succeeded, self.timed_out, self.failed].map(u16::from);
        let counted = answered + late + failed;
        match (late, failed) {
            _ if counted == 0 => "no exchange yet".to_owned(),
            (0, 0) => format!("all of the last {counted} answered"),
            (late, 0) => format!("{late} late of the last {counted}"),
            (0, failed) => format!("{failed} failed of the last {counted}"),
            _ => format!("{late} late, {failed} failed of the last {counted}"),
        }
    }
}

/// What a peer should be doing, and how far that has come.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DesiredView {
    /// Number of the wish; 0 is "never told".
    pub generation: u64,
    /// Profile to mine with; `null` is "mine nothing".
    pub profile: Option<String>,
    /// Which version of it.
    pub version: Option<u32>,
    /// Generation that the peer last reported.
    pub applied_generation: Option<u64>,
    /// How far it has come.
    pub status: DesiredStatus,
    /// The peer's reason, if it refused.
    pub reason: Option<String>,
    /// Whether it shall rest for now, ready to go on at once.
    pub paused: bool,
    /// Whether the state that the peer has in force is another one than wished, by its hash; `null`
    /// while it has not said which, or if its agent is too old to say.
    pub drift: Option<bool>,
}

/// How far a wish has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DesiredStatus {
    /// Nothing was ever wished of this peer.
    None,
    /// The peer has it, and keeps it over a power cut.
    Applied,
    /// Stored here; the peer gets it as soon as it can be reached.
    Pending,
    /// The peer will not, or cannot be told; see `reason`.
    Refused,
    /// The peer was told something newer, by an owner of this key or before a restored backup.
    Behind,
}

/// What a rig does.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivityView {
    /// `stopped`, `starting`, `noPool`, `filling`, `mining`, `failed` or `paused`.
    pub state: &'static str,
    /// Part of the dataset that is ready, while it is being filled.
    pub percent: Option<u8>,
    /// Estimated time left of the filling, in milliseconds.
    pub left_ms: Option<u64>,
}

/// Statistics of one peer: the original's `StatsPayload`, with ages.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatsView {
    /// Node ID.
    pub node_id: String,
    /// Name in the registry.
    pub node_name: String,
    /// Its miners.
    pub miners: Vec<MinerView>,
    /// Since the agent's start, in seconds.
    pub uptime: u64,
    /// Age of all this, in milliseconds.
    pub age_ms: u64,
    /// Whether a link is up; if not, this is what the peer said last.
    pub connected: bool,
    /// What it does.
    pub activity: ActivityView,
    /// Generation of the state that it applied.
    pub generation: u64,
    /// Profile that it applied.
    pub profile: Option<String>,
    /// Log records that fell out of the rig's ring.
    pub logs_lost: u64,
}

/// Statistics of one miner on a rig.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinerView {
    /// Name on the rig, such as `miner-rx0`.
    pub name: String,
    /// `cpu`, `cuda` or `external`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Over 10 s, in H/s.
    pub hashrate: Option<f64>,
    /// Over all windows, in H/s.
    pub windows: WindowsView,
    /// Hashes since the miner's start.
    pub hashes: u64,
    /// Shares that the pool accepted.
    pub shares: u64,
    /// Shares that the pool refused, stale ones apart.
    pub rejected: u64,
    /// Shares for a job that was over.
    pub stale: u64,
    /// Shares that were found and could not be sent or got no answer.
    pub lost: u64,
    /// Since the last accepted share, in milliseconds, when the rig said so.
    pub last_share_ms: Option<u64>,
    /// Since the miner's start, in seconds.
    pub uptime: u64,
    /// Pool that it is logged in to.
    pub pool: Option<String>,
    /// Difficulty of the current job.
    pub difficulty: Option<u64>,
    /// The field's name, such as `rx/0`.
    pub algorithm: &'static str,
    /// Hash threads.
    pub cpu_threads: u16,
    /// RandomX memory: `light` or `fast`.
    pub memory: Option<&'static str>,
    /// Pages behind it: `small`, `transparent`, `huge2M` or `huge1G`.
    pub pages: Option<&'static str>,
}

/// Hash rate over the field's windows, in H/s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct WindowsView {
    /// Last 10 s.
    #[serde(rename = "10s")]
    pub s10: Option<f64>,
    /// Last 60 s.
    #[serde(rename = "60s")]
    pub s60: Option<f64>,
    /// Last 15 min.
    #[serde(rename = "15m")]
    pub m15: Option<f64>,
    /// Highest 10 s figure since the start.
    pub highest: Option<f64>,
}

/// What became of a start or stop.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedView {
    /// Node ID.
    pub node_id: String,
    /// Number of the wish.
    pub generation: u64,
    /// Profile to mine with; `null` after a stop.
    pub profile: Option<String>,
    /// Which version of it.
    pub version: Option<u32>,
    /// Whether it rests for now, as the hours of its profile are over.
    pub rests: bool,
    /// `applied`, or `pending` if the rig is out of reach: the wish is stored and the rig gets it
    /// when it is back.
    pub status: DesiredStatus,
}

/// Part of a miner's log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogsView {
    /// Node ID.
    pub node_id: String,
    /// Name of the miner.
    pub miner_name: String,
    /// Oldest first.
    pub lines: Vec<LogLineView>,
    /// Whether the log went on while it was read.
    pub has_more: bool,
    /// Number of the record after these: the cursor by which to go on reading.
    pub next: u64,
    /// Wanted records that had fallen out of the rig's ring.
    pub lost: u64,
}

/// One record of a log.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogLineView {
    /// When, by the controller's wall clock and the record's age.
    pub at: EpochMs,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// What.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_score_is_made_of_is_said_in_words() {
        let why = |succeeded, timed_out, failed| {
            let exchanges = ExchangesView {
                succeeded,
                failed,
                timed_out,
            };
            exchanges.why()
        };
        assert_eq!(why(0, 0, 0), "no exchange yet");
        assert_eq!(why(7, 0, 0), "all of the last 7 answered");
        assert_eq!(why(16, 3, 1), "3 late, 1 failed of the last 20");
        assert_eq!(why(19, 1, 0), "1 late of the last 20");
        assert_eq!(why(0, 0, 2), "2 failed of the last 2");
    }
}

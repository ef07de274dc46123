//! What the page shows, as text: the farm's views turned into words, tones and rounded figures.
//!
//! | state | shape | tone | when |
//! |---|---|---|---|
//! | mining | ● | green dot | it hashes; "light mode" is said where it is so |
//! | filling, starting | ◐ | quiet | on its way, with time left |
//! | no pool, failed, refused, behind | ◐ ✕ | amber, red | says why |
//! | pending | △ | quiet | told, or added, and not yet heard of |
//! | stopped | ■ | quiet | as wished |
//! | offline | ○ | amber | since when |

use crate::error::FarmError;
pub(crate) use crate::farm::filling;
use crate::farm::{
    ActivityView, DesiredStatus, Farm, IdentityView, NodeInfoView, OLD_MS, PeerView,
};
use crate::units::{self, UNKNOWN};

/// A figure older than two heartbeats is grey and says its age.
const STALE_MS: u64 = OLD_MS;

/// Everything on the page.
#[derive(Clone, Debug)]
pub struct Fleet {
    /// The controller itself.
    pub me: IdentityView,
    /// Where rigs dial in.
    pub listen: Option<String>,
    /// The bar.
    pub totals: Totals,
    /// The table, by name.
    pub rows: Vec<Row>,
}

/// The fleet in numbers; only rigs with a live link count as live.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Sum over live rigs, rounded.
    pub hashrate: String,
    /// The same in full.
    pub hashrate_exact: String,
    /// Rigs that hash, also while the dataset is being filled.
    pub mining: usize,
    /// Rigs that should do something else than they do.
    pub attention: usize,
    /// Registered rigs without a link.
    pub offline: usize,
    /// Rigs that are stopped as wished, or on their way.
    pub idle: usize,
    /// Shares that pools accepted, as last reported by each rig.
    pub shares: String,
}

/// One rig.
#[derive(Clone, Debug)]
pub struct Row {
    /// Node ID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Whether its link is up.
    pub online: bool,
    /// What it does, or what keeps it from it.
    pub state: RowState,
    /// Rounded hash rate.
    pub hashrate: String,
    /// Hash rate in full.
    pub hashrate_exact: String,
    /// Whether the hash rate is older than two heartbeats.
    pub stale: bool,
    /// Age of the hash rate.
    pub age: String,
    /// Where the farm dials it.
    pub address: String,
    /// Role.
    pub role: &'static str,
    /// Round trip.
    pub ping: String,
    /// Its mark: `good` under 50 ms, `fair` under 200, then `poor`; empty if unknown.
    pub ping_tone: &'static str,
    /// Reliability, 0 to 100.
    pub score: String,
    /// Its mark: `good` from 90, `fair` from 50, then `poor`; empty if unknown.
    pub score_tone: &'static str,
    /// What the score was made of.
    pub score_reason: String,
    /// Age of the last word from it.
    pub last_seen: String,
    /// The same as a moment.
    pub last_seen_at: String,
}

/// State of a rig: shape and word say it, tone only helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowState {
    /// One character.
    pub shape: &'static str,
    /// One or two words.
    pub word: String,
    /// Cause, or what comes next; empty if there is nothing to say.
    pub detail: String,
    /// How loud.
    pub tone: Tone,
}

/// How loud a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Hashing: a green dot.
    Mining,
    /// As it should be.
    Quiet,
    /// Look when you can.
    Amber,
    /// Look now.
    Red,
}

impl std::fmt::Display for Tone {
    /// The name of its style class.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Mining => "mining",
            Self::Quiet => "quiet",
            Self::Amber => "amber",
            Self::Red => "red",
        })
    }
}

impl Fleet {
    /// The farm as it is now.
    pub fn of(farm: &Farm) -> Result<Self, FarmError> {
        Ok(Self::new(farm.node_info()?, &farm.peers()?))
    }

    /// The page's view of these.
    pub fn new(info: NodeInfoView, peers: &[PeerView]) -> Self {
        Self {
            me: info.identity,
            listen: info.listen,
            totals: Totals::new(peers),
            rows: peers.iter().map(Row::new).collect(),
        }
    }
}

impl Totals {
    fn new(peers: &[PeerView]) -> Self {
        let rates = || {
            let live = peers.iter().filter(|peer| peer.connected);
            live.filter_map(|peer| peer.hashrate)
        };
        let hashrate = rates().next().map(|_| rates().sum());
        let shares = || peers.iter().filter_map(|peer| peer.shares);
        let mut totals = Self {
            hashrate: units::hashrate(hashrate),
            hashrate_exact: exact(hashrate),
            shares: shares()
                .next()
                .map_or_else(|| UNKNOWN.to_owned(), |_| units::count(shares().sum())),
            ..Self::default()
        };
        for peer in peers {
            let hashes = peer
                .activity
                .as_ref()
                .is_some_and(|a| matches!(a.state, "mining" | "filling"));
            *match RowState::new(peer).tone {
                _ if !peer.connected => &mut totals.offline,
                Tone::Amber | Tone::Red => &mut totals.attention,
                Tone::Mining | Tone::Quiet if hashes => &mut totals.mining,
                Tone::Mining | Tone::Quiet => &mut totals.idle,
            } += 1;
        }
        totals
    }
}

impl Row {
    fn new(peer: &PeerView) -> Self {
        let stale = peer.hashrate.is_some() && peer.age_ms.is_some_and(|age| age > STALE_MS);
        Self {
            id: peer.id.clone(),
            name: peer.name.clone(),
            online: peer.connected,
            state: RowState::new(peer),
            hashrate: units::hashrate(peer.hashrate),
            hashrate_exact: exact(peer.hashrate),
            stale,
            age: units::age(peer.age_ms),
            address: peer
                .address
                .clone()
                .unwrap_or_else(|| "dials in".to_owned()),
            role: peer.role.unwrap_or(UNKNOWN),
            ping: peer
                .ping_ms
                .map_or_else(|| UNKNOWN.to_owned(), |ms| format!("{ms} ms")),
            ping_tone: match peer.ping_ms {
                None => "",
                Some(..50) => "good",
                Some(50..200) => "fair",
                Some(_) => "poor",
            },
            score: peer
                .score
                .map_or_else(|| UNKNOWN.to_owned(), |score| score.to_string()),
            score_tone: match peer.score {
                None => "",
                Some(90..) => "good",
                Some(50..90) => "fair",
                Some(_) => "poor",
            },
            score_reason: peer.exchanges.why(),
            last_seen: units::age(peer.last_seen_age_ms),
            last_seen_at: peer
                .last_seen
                .map_or_else(|| "never".to_owned(), |at| at.to_string()),
        }
    }
}

impl RowState {
    fn new(peer: &PeerView) -> Self {
        let state = |shape, word: &str, detail: String, tone| Self {
            shape,
            word: word.to_owned(),
            detail,
            tone,
        };
        if !peer.connected {
            return match peer.last_seen_age_ms {
                None => state(
                    "△",
                    "pending",
                    "no link yet; has it accepted this controller?".to_owned(),
                    Tone::Quiet,
                ),
                Some(age) => state(
                    "○",
                    "offline",
                    format!("for {}", units::age(Some(age))),
                    Tone::Amber,
                ),
            };
        }
        let reason = || peer.desired.reason.clone().unwrap_or_default();
        match peer.desired.status {
            DesiredStatus::Refused => return state("◐", "refused", reason(), Tone::Amber),
            DesiredStatus::Behind => {
                let detail = "the rig was told something newer by another controller".to_owned();
                return state("◐", "behind", detail, Tone::Amber);
            }
            DesiredStatus::Pending => {
                let detail = peer.desired.profile.as_ref().map_or_else(
                    || "being told to stop".to_owned(),
                    |profile| format!("being told to mine with {profile}"),
                );
                return state("△", "pending", detail, Tone::Quiet);
            }
            DesiredStatus::None | DesiredStatus::Applied => {}
        }
        match peer.activity.as_ref() {
            None => state("△", "pending", "no statistics yet".to_owned(), Tone::Quiet),
            Some(activity) => Self::doing(activity, mines_with(peer)),
        }
    }

    fn doing(activity: &ActivityView, mines_with: String) -> Self {
        let (shape, word, detail, tone) = match activity.state {
            "mining" => ("●", "mining", mines_with, Tone::Mining),
            "filling" => ("◐", "filling", filling(activity), Tone::Quiet),
            "starting" => ("◐", "starting", String::new(), Tone::Quiet),
            "stopped" => ("■", "stopped", String::new(), Tone::Quiet),
            "noPool" => (
                "◐",
                "no pool",
                "no pool of the profile answers".to_owned(),
                Tone::Amber,
            ),
            "failed" => (
                "✕",
                "failed",
                "see `miner-ctrl remote logs`".to_owned(),
                Tone::Red,
            ),
            other => ("◐", other, String::new(), Tone::Amber),
        };
        Self {
            shape,
            word: word.to_owned(),
            detail,
            tone,
        }
    }
}

/// `my-profile`, and `light mode` where a rig hashes several times slower than it could.
fn mines_with(peer: &PeerView) -> String {
    let light = (peer.memory == Some("light")).then_some("light mode");
    let parts = [peer.desired.profile.as_deref(), light];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn exact(hashrate: Option<f64>) -> String {
    hashrate.map_or_else(|| "not known".to_owned(), |rate| format!("{rate:.3} H/s"))
}

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

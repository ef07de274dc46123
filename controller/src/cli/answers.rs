//! What the tables read from answers: only the fields shown, everything optional, so that another
//! version's controller can still be asked.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::Problem;
use crate::farm::ExchangesView;
use crate::units;
use axum::http::StatusCode;
use miner_agent::cli::Failure;

/// The answer as this type; one that does not fit is another program's.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        let message = format!("the answer has another shape: {error}");
        Problem::new(StatusCode::BAD_GATEWAY, "UNEXPECTED_ANSWER", message).into()
    })
}

/// See [`crate::farm::PeerView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Peer {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) address: Option<String>,
    pub(super) group: Option<String>,
    pub(super) role: Option<String>,
    pub(super) ping_ms: Option<u64>,
    pub(super) score: Option<u8>,
    pub(super) exchanges: ExchangesView,
    pub(super) trust: String,
    pub(super) last_seen_age_ms: Option<u64>,
    pub(super) connected: bool,
    pub(super) activity: Option<Activity>,
    pub(super) hashrate: Option<f64>,
    pub(super) desired: Desired,
}

/// See [`crate::farm::DesiredView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Desired {
    pub(super) profile: Option<String>,
    pub(super) status: String,
    pub(super) reason: Option<String>,
}

/// See [`crate::farm::ActivityView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Activity {
    pub(super) state: String,
    pub(super) percent: Option<u8>,
}

/// See [`crate::farm::StatsView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Stats {
    pub(super) node_name: String,
    pub(super) miners: Vec<Miner>,
    pub(super) age_ms: Option<u64>,
    pub(super) connected: bool,
    pub(super) activity: Activity,
}

/// [`Stats`] of all rigs, by node ID.
pub(super) type AllStats = BTreeMap<String, Stats>;

/// See [`crate::farm::MinerView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Miner {
    pub(super) name: String,
    pub(super) windows: BTreeMap<String, Option<f64>>,
    pub(super) shares: u64,
    pub(super) rejected: u64,
    pub(super) stale: u64,
    pub(super) memory: Option<String>,
    pub(super) pages: Option<String>,
    pub(super) cpu_threads: u16,
    pub(super) pool: Option<String>,
}

/// See [`crate::farm::AppliedView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Applied {
    pub(super) generation: u64,
    pub(super) profile: Option<String>,
    pub(super) status: String,
}

/// See [`crate::farm::LogsView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Logs {
    pub(super) lines: Vec<LogLine>,
    pub(super) lost: u64,
    pub(super) next: u64,
}

/// See [`crate::farm::LogLineView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LogLine {
    pub(super) at: String,
    pub(super) level: String,
    pub(super) text: String,
}

/// See [`crate::farm::ProfileView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Profile {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) algorithm: String,
    pub(super) mode: String,
    pub(super) version: u32,
    pub(super) hash: String,
    pub(super) coin: Option<String>,
    pub(super) threads: Option<u16>,
    pub(super) threads_percent: Option<u8>,
    pub(super) pages: String,
    pub(super) nice: u8,
    pub(super) pools: Vec<Pool>,
    pub(super) hours: Hours,
    pub(super) used_by: Vec<String>,
    pub(super) created_at: String,
    pub(super) changed_at: String,
    pub(super) by: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) restores: Option<u32>,
}

/// See [`crate::farm::HoursView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Hours {
    pub(super) windows: Vec<String>,
    pub(super) open: bool,
    pub(super) next: Option<String>,
}

/// See [`crate::farm::PoolView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Pool {
    pub(super) url: String,
    pub(super) tls: bool,
    pub(super) user: String,
    pub(super) checked: String,
    pub(super) has_pass: bool,
}

impl Peer {
    /// One word or a few: what it does, or what keeps it from it.
    pub(super) fn state(&self) -> String {
        if !self.connected {
            return match self.last_seen_age_ms {
                None => "never seen".to_owned(),
                Some(age) => format!("offline {}", units::age(Some(age))),
            };
        }
        match (self.desired.status.as_str(), &self.desired.reason) {
            ("refused", Some(reason)) => format!("refused: {reason}"),
            ("refused" | "pending" | "behind", _) => self.desired.status.clone(),
            _ => self
                .activity
                .as_ref()
                .map_or_else(|| units::UNKNOWN.to_owned(), Activity::words),
        }
    }
}

impl Activity {
    pub(super) fn words(&self) -> String {
        match (self.state.as_str(), self.percent) {
            ("filling", Some(percent)) => format!("filling {percent} %"),
            ("noPool", _) => "no pool".to_owned(),
            ("", _) => units::UNKNOWN.to_owned(),
            (state, _) => state.to_owned(),
        }
    }
}

//! Shapes of what rigs report beyond their statistics, fixed before anything fills them, so that
//! clients can be written now.
//!
//! | view | from | filled by |
//! |---|---|---|
//! | [`TelemetryView`] | sensors of the machine | agents that read sensors |
//! | [`FoundSharesView`] | the engine, share by share | agents of protocol version 2 |
//!
//! What a rig cannot know is `null`. Each reading has its own age, as sensors answer at their own pace.

use serde::Serialize;
use utoipa::ToSchema;

/// What the sensors of a rig say.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TelemetryView {
    /// Node ID.
    pub node_id: String,
    /// Temperatures.
    pub temperatures: Vec<TemperatureView>,
    /// Power, of the processor or of the whole machine.
    pub power: Vec<PowerView>,
    /// Fans.
    pub fans: Vec<FanView>,
    /// Clock of the processor.
    pub frequency: Option<FrequencyView>,
    /// Sensors that are not shown, because a report has no room for more.
    pub lost: u64,
}

/// A temperature.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemperatureView {
    /// The sensor, as the system names it, such as `k10temp Tctl`.
    pub sensor: String,
    /// In degrees Celsius.
    pub celsius: Option<f64>,
    /// Where the maker says that damage begins, in degrees Celsius.
    pub critical_celsius: Option<f64>,
    /// Age of the reading, in milliseconds.
    pub age_ms: Option<u64>,
}

/// Electrical power.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PowerView {
    /// What is measured, and by what: `package` by the processor itself, `wall` by a socket.
    pub sensor: String,
    /// In watts, a mean since the reading before.
    pub watts: Option<f64>,
    /// Age of the reading, in milliseconds.
    pub age_ms: Option<u64>,
}

/// A fan.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FanView {
    /// The sensor, as the system names it.
    pub sensor: String,
    /// Turns per minute; 0 is a fan that stands.
    pub rpm: Option<u32>,
    /// Part of its full speed that it is told, 0 to 100.
    pub percent: Option<u8>,
    /// Age of the reading, in milliseconds.
    pub age_ms: Option<u64>,
}

/// Clock of the processor over its hashing cores.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FrequencyView {
    /// Mean, in MHz.
    pub mean_mhz: Option<f64>,
    /// Slowest, in MHz.
    pub lowest_mhz: Option<f64>,
    /// Whether the processor holds itself back for heat or power.
    pub throttled: Option<bool>,
    /// Age of the reading, in milliseconds.
    pub age_ms: Option<u64>,
}

/// Shares that a rig found, one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundSharesView {
    /// Node ID.
    pub node_id: String,
    /// Number of the first in `shares`; they are counted from 0 at the agent's start.
    pub first: u64,
    /// Oldest first.
    pub shares: Vec<FoundShareView>,
    /// Shares that fell out of the rig's ring before they were read.
    pub lost: u64,
}

/// A share that a rig found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundShareView {
    /// Height of the block that it was for; unknown where the pool does not say.
    pub height: Option<u64>,
    /// Nonce in the blob.
    pub nonce: u32,
    /// Hash thread that found it, from 0.
    pub thread: u16,
    /// What became of it.
    pub verdict: VerdictView,
    /// Since that was known, in milliseconds.
    pub age_ms: u64,
}

/// What became of a found share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum VerdictView {
    /// The pool counted it.
    Accepted,
    /// The pool refused it.
    Rejected,
    /// Its job was over.
    Stale,
    /// It could not be sent, or got no answer.
    Lost,
}

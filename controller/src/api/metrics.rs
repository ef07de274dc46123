//! The farm for Prometheus, in the text format of OpenMetrics 1.0; docs/METRICS.md lists it.
//!
//! | series | how many at most |
//! |---|---|
//! | of the farm | some 40, whatever its size |
//! | of groups | 3 for each of the [`MAX_GROUPS`] largest groups |
//! | of rigs | 4 for each of the [`MAX_RIGS`] rigs that were registered first |
//!
//! What is left out is counted. Rigs keep their series as the farm grows, since the oldest are chosen. A
//! figure that nobody knows has no sample, never a 0.

use std::fmt;

use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Api, Problem};
use crate::farm::{BoardRow, Counters, Farm, LabelView, RigsView, SummaryView};
use crate::scope::Scope;

/// Rigs with series of their own: 1,000 * 4 series * about 120 bytes = 480 KB of text.
pub(super) const MAX_RIGS: usize = 1_000;
/// Groups with series of their own.
pub(super) const MAX_GROUPS: usize = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::default().routes(routes!(metrics))
}

/// The farm for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "getMetrics",
    security(("token" = [Scope::Read])),
    responses((status = 200, content_type = "application/openmetrics-text", body = String)))]
pub(super) async fn metrics(
    State(api): State<Api>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = Snapshot::of(&api.farm).text();
    Ok(([(CONTENT_TYPE, KIND)], text))
}

/// All figures of one moment.
#[derive(Debug)]
struct Snapshot {
    summary: SummaryView,
    counters: Counters,
    groups: Vec<LabelView>,
    groups_left_out: usize,
    rigs: Vec<BoardRow>,
    rigs_left_out: usize,
}

impl Snapshot {
    fn of(farm: &Farm) -> Self {
        let mut groups = farm.groups().groups;
        groups.sort_by(|a, b| (b.rigs, &a.name).cmp(&(a.rigs, &b.name)));
        let groups_left_out = groups.len().saturating_sub(MAX_GROUPS);
        groups.truncate(MAX_GROUPS);
        let (rigs, rigs_left_out) = farm.oldest_rows(MAX_RIGS);
        Self {
            summary: farm.summary(),
            counters: farm.counters(),
            groups,
            groups_left_out,
            rigs,
            rigs_left_out,
        }
    }

    fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // A text takes everything.
        let _written = text::encode(&mut text, &registry);
        text
    }
}

/// One metric: its samples are written below its head.
struct Metric<'a>(MetricEncoder<'a>);

impl Metric<'_> {
    fn gauge(
        &mut self,
        labels: &impl EncodeLabelSet,
        figure: impl Into<Option<f64>>,
    ) -> fmt::Result {
        match figure.into() {
            Some(figure) => self.0.encode_family(labels)?.encode_gauge(&figure),
            None => Ok(()),
        }
    }

    fn counter(&mut self, labels: &impl EncodeLabelSet, count: u64) -> fmt::Result {
        let mut sample = self.0.encode_family(labels)?;
        sample.encode_counter::<[(&str, &str); 0], _, u64>(&count, None)
    }
}

const NONE: [(&str, &str); 0] = [];

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        self.encode_farm(encoder)?;
        self.encode_controller(encoder)?;
        self.encode_groups(encoder)?;
        self.encode_rigs(encoder)
    }
}

/// The unit of hash rates.
fn per_second() -> Unit {
    Unit::Other("hashes_per_second".to_owned())
}

fn head<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
    unit: Option<&'a Unit>,
    kind: MetricType,
) -> Result<Metric<'a>, fmt::Error> {
    Ok(Metric(encoder.encode_descriptor(name, help, unit, kind)?))
}

impl Snapshot {
    fn encode_farm(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let RigsView {
            registered,
            online,
            offline,
            mining,
            starting,
            no_pool,
            stopped,
            paused,
            failed,
            unknown,
            refused,
            behind,
            pending,
        } = self.summary.rigs;
        let gauge = MetricType::Gauge;
        let help = "Rigs in the registry";
        head(encoder, "farm_rigs_registered", help, None, gauge)?
            .gauge(&NONE, count(registered))?;
        let help = "Rigs with a link";
        head(encoder, "farm_rigs_online", help, None, gauge)?.gauge(&NONE, count(online))?;
        let help = "Rigs by state; each is in one";
        let mut metric = head(encoder, "farm_rigs", help, None, gauge)?;
        for (state, rigs) in [
            ("offline", offline),
            ("mining", mining),
            ("starting", starting),
            ("no_pool", no_pool),
            ("stopped", stopped),
            ("paused", paused),
            ("failed", failed),
            ("unknown", unknown),
        ] {
            metric.gauge(&[("state", state)], count(rigs))?;
        }
        let help = "Rigs that do not have what they were told";
        let mut metric = head(encoder, "farm_rigs_drifting", help, None, gauge)?;
        for (why, rigs) in [
            ("refused", refused),
            ("behind", behind),
            ("pending", pending),
        ] {
            metric.gauge(&[("why", why)], count(rigs))?;
        }
        let help = "Sum of the hash rates of rigs with a link, by window";
        let unit = per_second();
        let mut metric = head(encoder, "farm_hashrate", help, Some(&unit), gauge)?;
        let rates = &self.summary.hashrate;
        for (window, rate) in [("10s", rates.s10), ("60s", rates.s60), ("15m", rates.m15)] {
            metric.gauge(&[("window", window)], rate)?;
        }
        let help = "Age of the oldest report of a rig with a link";
        let age = self.summary.oldest_age_ms.map(seconds);
        head(
            encoder,
            "farm_oldest_report_age",
            help,
            Some(&Unit::Seconds),
            gauge,
        )?
        .gauge(&NONE, age)?;
        let help = "Shares that rigs reported since the controller started";
        let mut metric = head(encoder, "farm_shares", help, None, MetricType::Counter)?;
        let shares = self.counters.shares;
        metric.counter(&[("result", "accepted")], shares.accepted)?;
        metric.counter(&[("result", "rejected")], shares.rejected)?;
        metric.counter(&[("result", "stale")], shares.stale)
    }

    fn encode_controller(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counters = &self.counters;
        let gauge = MetricType::Gauge;
        let help = "Version of the controller";
        let mut metric = head(encoder, "farm_controller_version", help, None, gauge)?;
        metric.gauge(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)?;
        let help = "Since the controller started";
        let mut metric = head(
            encoder,
            "farm_controller_uptime",
            help,
            Some(&Unit::Seconds),
            gauge,
        )?;
        metric.gauge(&NONE, seconds(counters.uptime_ms))?;
        let help = "Connections of rigs in any state, handshakes too";
        let mut metric = head(encoder, "farm_connections", help, None, gauge)?;
        metric.gauge(&NONE, count(counters.connections))?;
        for (name, help, value) in [
            (
                "farm_events",
                "Numbers given to events, since the first start",
                counters.events,
            ),
            (
                "farm_events_lost",
                "Events that did not get to the disk",
                counters.events_lost,
            ),
            (
                "farm_history_steps_lost",
                "Steps of 10 s that the disk was too slow for",
                counters.steps_lost,
            ),
            (
                "farm_history_steps_failed",
                "Steps of 10 s that were not written whole",
                counters.steps_failed,
            ),
        ] {
            head(encoder, name, help, None, MetricType::Counter)?.counter(&NONE, value)?;
        }
        let help = "Rigs without a place in the history file, which is full";
        let mut metric = head(encoder, "farm_history_rigs_left_out", help, None, gauge)?;
        metric.gauge(&NONE, count(counters.unplaced))
    }

    fn encode_groups(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let name = |group: &LabelView| group.name.clone().unwrap_or_default();
        let help = "Rigs of a group; those in none have an empty name";
        let mut metric = head(encoder, "farm_group_rigs", help, None, gauge)?;
        for group in &self.groups {
            metric.gauge(&[("group", name(group))], count(group.rigs))?;
        }
        let help = "Rigs of a group with a link";
        let mut metric = head(encoder, "farm_group_rigs_online", help, None, gauge)?;
        for group in &self.groups {
            metric.gauge(&[("group", name(group))], count(group.online))?;
        }
        let help = "Sum of the hash rates over 10 s of a group's rigs with a link";
        let unit = per_second();
        let mut metric = head(encoder, "farm_group_hashrate", help, Some(&unit), gauge)?;
        for group in &self.groups {
            metric.gauge(&[("group", name(group))], group.hashrate)?;
        }
        let help = "Groups without series of their own";
        let mut metric = head(encoder, "farm_groups_left_out", help, None, gauge)?;
        metric.gauge(&NONE, count(self.groups_left_out))
    }

    fn encode_rigs(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let gauge = MetricType::Gauge;
        let labels = |rig: &BoardRow| [("rig", rig.name.clone()), ("id", rig.id.clone())];
        let help = "Whether a rig has a link";
        let mut metric = head(encoder, "farm_rig_online", help, None, gauge)?;
        for rig in &self.rigs {
            metric.gauge(&labels(rig), f64::from(u8::from(rig.connected)))?;
        }
        let help = "Hash rate over 10 s of a rig with a link";
        let unit = per_second();
        let mut metric = head(encoder, "farm_rig_hashrate", help, Some(&unit), gauge)?;
        for rig in &self.rigs {
            // What a rig said last and long ago is no rate of now.
            metric.gauge(&labels(rig), rig.hashrate.filter(|_| rig.connected))?;
        }
        let help = "Age of what a rig said last";
        let mut metric = head(
            encoder,
            "farm_rig_report_age",
            help,
            Some(&Unit::Seconds),
            gauge,
        )?;
        for rig in &self.rigs {
            metric.gauge(&labels(rig), rig.age_ms.map(seconds))?;
        }
        let help = "Shares that pools accepted of a rig, since its miners' start";
        let mut metric = head(
            encoder,
            "farm_rig_shares_accepted",
            help,
            None,
            MetricType::Counter,
        )?;
        for (rig, shares) in self.rigs.iter().filter_map(|rig| Some((rig, rig.shares?))) {
            metric.counter(&labels(rig), shares)?;
        }
        let help = "Rigs without series of their own";
        let mut metric = head(encoder, "farm_rigs_left_out", help, None, gauge)?;
        metric.gauge(&NONE, count(self.rigs_left_out))
    }
}

/// A count as a gauge has it.
#[expect(
    clippy::cast_precision_loss,
    reason = "rigs and milliseconds are far below 2^53"
)]
fn count(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

fn seconds(ms: u64) -> f64 {
    count(ms) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::farm::DesiredStatus;

    #[test]
    fn what_stands_in_a_label_is_escaped() {
        let rig = BoardRow {
            id: "ab".to_owned(),
            name: "a \"b\\c\nd".to_owned(),
            connected: true,
            status: DesiredStatus::None,
            activity: None,
            hashrate: Some(1.5),
            shares: None,
            ping_ms: None,
            age_ms: None,
        };
        let snapshot = Snapshot {
            summary: SummaryView::default(),
            counters: Counters::default(),
            groups: Vec::new(),
            groups_left_out: 0,
            rigs: vec![rig],
            rigs_left_out: 0,
        };
        let text = snapshot.text();
        let line = r#"farm_rig_hashrate_hashes_per_second{rig="a \"b\\c\nd",id="ab"} 1.5"#;
        assert!(text.contains(&format!("{line}\n")), "{text}");
    }
}

//! `history`, `remote history`, `summary`: the farm and its rigs over time, and now.

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, Terminal, say};
use serde::Deserialize;
use serde_json::Value;

use super::chart::{self, chart};
use super::client::{Client, segment};
use super::show;
use super::table::{Column, Table};
use crate::clock::{EpochMs, When};
use crate::units::{self, UNKNOWN};

/// Rows of a table, where no chart is shown.
const ROWS: usize = 60;
/// Widest chart.
const WIDEST: usize = 360;

/// Show the farm over time: hash rate of its live rigs, shares, how many rigs were live.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "history")]
pub(super) struct History {
    /// how far back: an age such as 24h, or a moment such as 2026-11-26T04:19:50Z; default: 1h
    #[argh(option, default = "\"1h\".to_owned()")]
    since: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show a rig over time: hash rate, shares, part of the time with a link.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "history")]
pub(super) struct RigHistory {
    /// node ID, unique prefix of one, or name
    #[argh(positional)]
    peer: String,
    /// how far back: an age such as 24h, or a moment such as 2026-11-26T04:19:50Z; default: 1h
    #[argh(option, default = "\"1h\".to_owned()")]
    since: String,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// Show what the farm comes to now: hash rate of its live rigs, shares, rigs by state.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "summary")]
pub(super) struct Summary {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::HistoryView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    node_name: Option<String>,
    from: String,
    step: u64,
    points: Vec<Option<Point>>,
}

/// See [`crate::farm::RigPointView`] and [`crate::farm::FleetPointView`].
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Point {
    hashrate: Option<f64>,
    accepted: Option<u64>,
    rejected: Option<u64>,
    stale: Option<u64>,
    online: f64,
    registered: Option<f64>,
}

impl History {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        show_history(client, "/history/fleet", &self.since, self.json).await
    }
}

impl RigHistory {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let path = format!("/history/{}", segment(&self.peer));
        show_history(client, &path, &self.since, self.json).await
    }
}

async fn show_history(client: &Client, path: &str, since: &str, json: bool) -> Result<(), Failure> {
    since
        .parse::<When>()
        .map_err(|why| Failure::usage(format!("--since cannot be used: {why}")))?;
    let terminal = Terminal::stdout().filter(|terminal| terminal.utf8 && !json);
    let room = terminal.map(|terminal| terminal.width.unwrap_or(80).saturating_sub(chart::LABEL));
    let points = room.unwrap_or(ROWS).clamp(10, WIDEST);
    let points = if json {
        String::new()
    } else {
        format!("&points={points}")
    };
    let path = format!("{path}?since={}{points}", segment(since));
    let answer = client.get(&path).await?;
    let Some(answer) = show::for_a_person::<Answer>(answer, json)? else {
        return Ok(());
    };
    if answer.points.iter().all(Option::is_none) {
        say("nothing is known of that time");
        return Ok(());
    }
    if room.is_some() {
        print(&answer.chart());
        show::say_clean(&answer.words());
    } else {
        show::rows_or(&answer.rows(), "", table);
    }
    Ok(())
}

fn print(text: &str) {
    use std::io::Write as _;
    // A reader that has gone away is no error of ours.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

impl Answer {
    fn chart(&self) -> String {
        let figures: Vec<_> = self
            .points
            .iter()
            .map(|point| point.and_then(|p| p.hashrate))
            .collect();
        let minute = |at: &str| at.get(..16).unwrap_or(at).replace('T', " ");
        let last = self.moment(self.points.len());
        chart(&figures, &minute(&self.from), &minute(&last))
    }

    /// When the point of this number begins.
    fn moment(&self, number: usize) -> String {
        let Ok(When::At(from)) = self.from.parse() else {
            return UNKNOWN.to_owned();
        };
        EpochMs(from.0 + number as u64 * self.step * 1_000).to_string()
    }

    /// `rig-alpha: mean 12.1 kH/s, highest 12.5 kH/s; shares 123/0/1; online 98 % of the time`
    fn words(&self) -> String {
        let known: Vec<Point> = self.points.iter().copied().flatten().collect();
        let rates = known.iter().filter_map(|point| point.hashrate);
        let count = rates.clone().count();
        let sum: f64 = rates.clone().sum();
        let mean = (count > 0).then(|| sum / as_figure(count));
        let highest = rates.reduce(f64::max);
        let shares = |of: fn(&Point) -> Option<u64>| {
            let sum = known.iter().filter_map(of).reduce(u64::saturating_add);
            sum.map_or_else(|| UNKNOWN.to_owned(), units::count)
        };
        let online = known.iter().map(|point| point.online).sum::<f64>() / as_figure(known.len());
        let online = match (&self.node_name, known.last()) {
            (None, Some(last)) => format!(
                "{online:.1} rigs online, now {:.0} of {:.0}",
                last.online,
                last.registered.unwrap_or_default()
            ),
            _ => format!("online {:.0} % of the known time", online * 100.0),
        };
        format!(
            "{}: mean {}, highest {}; shares {}/{}/{}; {online}; a column is {}",
            self.node_name.as_deref().unwrap_or("farm"),
            units::hashrate(mean),
            units::hashrate(highest),
            shares(|point| point.accepted),
            shares(|point| point.rejected),
            shares(|point| point.stale),
            units::age(Some(self.step * 1_000)),
        )
    }

    /// When each point begins, and the point, from the first that is known.
    fn rows(&self) -> Vec<(String, Option<Point>)> {
        let moments = (0..).map(|number| self.moment(number));
        let rows = moments.zip(self.points.iter().copied());
        rows.skip_while(|(_, point)| point.is_none()).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "points of one answer")]
fn as_figure(count: usize) -> f64 {
    count as f64
}

fn table(rows: &[(String, Option<Point>)]) -> Table<4> {
    let mut table = Table::new([
        Column::text("From", 0),
        Column::figure("Hash rate", 0),
        Column::figure("Shares", 1),
        Column::figure("Online", 2),
    ]);
    for (from, point) in rows {
        let unknown = || UNKNOWN.to_owned();
        let shares = |point: &Point| {
            let counts = (point.accepted?, point.rejected?, point.stale?);
            Some(format!("{}/{}/{}", counts.0, counts.1, counts.2))
        };
        table.row([
            from.clone(),
            units::hashrate(point.and_then(|point| point.hashrate)),
            point.as_ref().and_then(shares).unwrap_or_else(unknown),
            point.map_or_else(unknown, |point| match point.registered {
                Some(registered) => format!("{:.1} of {registered:.0}", point.online),
                None => format!("{:.0} %", point.online * 100.0),
            }),
        ]);
    }
    table
}

impl Summary {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(None).await;
        let answer = client.get("/summary").await?;
        if let Some(summary) = show::for_a_person::<Value>(answer, self.json)? {
            for line in summary_lines(&summary) {
                show::say_clean(&line);
            }
        }
        Ok(())
    }
}

fn summary_lines(summary: &Value) -> Vec<String> {
    let rate = |window: &str| units::hashrate(summary["hashrate"][window].as_f64());
    let count = |field: &Value| {
        field
            .as_u64()
            .map_or_else(|| UNKNOWN.to_owned(), units::count)
    };
    let rigs = &summary["rigs"];
    let states = [
        ("mining", "mining"),
        ("starting", "starting"),
        ("noPool", "no pool"),
        ("stopped", "stopped"),
        ("paused", "paused"),
        ("failed", "failed"),
        ("unknown", "unknown"),
        ("offline", "offline"),
        ("refused", "refused a wish"),
        ("behind", "behind"),
        ("pending", "yet to be told"),
    ];
    let states = states.into_iter().filter_map(|(field, words)| {
        let count = rigs[field].as_u64().filter(|count| *count > 0)?;
        Some(format!("{} {words}", units::count(count)))
    });
    let states: Vec<_> = states.collect();
    vec![
        format!(
            "hash rate  {} (60 s {}, 15 min {})",
            rate("10s"),
            rate("60s"),
            rate("15m")
        ),
        format!(
            "shares     {}/{}/{} accepted/rejected/stale, of live rigs since their miners' start",
            count(&summary["accepted"]),
            count(&summary["rejected"]),
            count(&summary["stale"]),
        ),
        format!(
            "rigs       {} of {} online: {}",
            count(&rigs["online"]),
            count(&rigs["registered"]),
            if states.is_empty() {
                UNKNOWN.to_owned()
            } else {
                states.join(", ")
            },
        ),
        format!(
            "reports    {} to {} old",
            units::age(summary["newestAgeMs"].as_u64()),
            units::age(summary["oldestAgeMs"].as_u64()),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::Output;
    use super::*;

    fn answer(name: Option<&str>) -> Answer {
        let point =
            json!({"hashrate": 100.0, "accepted": 2, "rejected": 0, "stale": 1, "online": 0.5});
        let points = json!([null, point, {"hashrate": null, "online": 1.0}, point]);
        let answer = json!({
            "nodeName": name, "from": "2026-11-26T04:00:00.000Z", "step": 60, "points": points,
        });
        serde_json::from_value(answer).expect("fits")
    }

    #[test]
    fn a_rig_over_time_in_words_and_rows() {
        assert_eq!(
            answer(Some("rig-alpha")).words(),
            "rig-alpha: mean 100 H/s, highest 100 H/s; shares 4/0/2; online 67 % of the known time; \
             a column is 1 min"
        );
        assert_eq!(
            table(&answer(Some("rig-alpha")).rows()).render(Output::PIPE),
            "FROM                      HASH RATE  SHARES  ONLINE\n\
             2026-11-26T04:01:00.000Z    100 H/s   2/0/1    50 %\n\
             2026-11-26T04:02:00.000Z          –       –   100 %\n\
             2026-11-26T04:03:00.000Z    100 H/s   2/0/1    50 %\n"
        );
    }

    #[test]
    fn a_chart_has_a_column_for_each_point() {
        let chart = answer(None).chart();
        let bottom = chart.lines().rev().nth(1).expect("a line");
        assert!(bottom.ends_with("▕·█·█"), "{chart}");
    }

    #[test]
    fn a_summary_names_only_states_that_rigs_are_in() {
        let summary = json!({
            "hashrate": {"10s": 12_480.0, "60s": null, "15m": 12_000.0},
            "accepted": 1_234, "rejected": 0, "stale": 2, "newestAgeMs": 300, "oldestAgeMs": null,
            "rigs": {"registered": 5, "online": 4, "offline": 1, "mining": 4, "failed": 0},
        });
        assert_eq!(
            summary_lines(&summary),
            [
                "hash rate  12.5 kH/s (60 s –, 15 min 12.0 kH/s)",
                "shares     1,234/0/2 accepted/rejected/stale, of live rigs since their miners' start",
                "rigs       4 of 5 online: 4 mining, 1 offline",
                "reports    0 s to – old",
            ]
        );
    }
}

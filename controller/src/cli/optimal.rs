//! `peer optimal`: the rigs that answer best, for a first try of something new.

use std::num::NonZeroUsize;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use serde::Deserialize;

use super::answers::{self, Peer};
use super::client::Client;
use super::show;
use super::table::{Column, Table};
use crate::units::UNKNOWN;

/// Show the linked rigs that answer best. The cost of one is its ping by its score: the time until
/// an answer, asked again as often as it has failed lately.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "optimal")]
pub(super) struct Optimal {
    /// how many rigs; default: 1
    #[argh(option, short = 'c', default = "NonZeroUsize::MIN")]
    count: NonZeroUsize,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// What is read of [`crate::farm::OptimalView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Best {
    peers: Vec<Row>,
    left_out: LeftOut,
}

/// See [`crate::farm::OptimalPeer`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Row {
    id: String,
    name: String,
    ping_ms: Option<u64>,
    score: Option<u8>,
    cost_ms: Option<f64>,
}

/// See [`crate::farm::LeftOutView`].
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LeftOut {
    offline: usize,
    worse: usize,
}

impl Optimal {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(None).await;
        let peers: Vec<Peer> = answers::read(client.get("/peers").await?)?;
        let linked = peers.iter().filter(|peer| peer.connected);
        client.refresh(linked.map(|peer| peer.id.as_str())).await;
        let path = format!("/optimal?count={}", self.count);
        let answer = client.get(&path).await?;
        let Some(best) = show::for_a_person::<Best>(answer, self.json)? else {
            return Ok(());
        };
        show::rows_or(&best.peers, "no rig has a link now; see `peer list`", table);
        if let Some(line) = left_out(best.left_out) {
            say(line);
        }
        Ok(())
    }
}

fn table(rows: &[Row]) -> Table<5> {
    let mut table = Table::new([
        Column::text("Peer", 0),
        Column::figure("Cost", 0),
        Column::figure("Ping", 2),
        Column::figure("Score", 3),
        Column::text("ID", 1),
    ]);
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    for row in rows {
        table.row([
            row.name.clone(),
            or_unknown(row.cost_ms.map(|ms| format!("{ms:.1} ms"))),
            or_unknown(row.ping_ms.map(|ms| format!("{ms} ms"))),
            or_unknown(row.score.map(|score| score.to_string())),
            row.id.clone(),
        ]);
    }
    table
}

/// `left out: 3 without a link, 2 that answer worse`; nothing if nobody is.
fn left_out(LeftOut { offline, worse }: LeftOut) -> Option<String> {
    let parts = [
        (offline, "without a link"),
        (worse, "that answer no better"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{count} {why}"))
        .collect();
    (!said.is_empty()).then(|| format!("left out: {}", said.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    #[test]
    fn costs_are_shown_beside_what_they_are_made_of() {
        let rows = [
            Row {
                id: "0123456789abcdef".to_owned(),
                name: "rig-alpha".to_owned(),
                ping_ms: Some(4),
                score: Some(86),
                cost_ms: Some(4.651),
            },
            Row {
                id: "fedcba9876543210".to_owned(),
                name: "rig-beta".to_owned(),
                ..Row::default()
            },
        ];
        assert_eq!(
            table(&rows).render(Output::PIPE),
            "\
PEER         COST  PING  SCORE  ID
rig-alpha  4.7 ms  4 ms     86  0123456789abcdef
rig-beta        –     –      –  fedcba9876543210
"
        );
    }

    #[test]
    fn who_is_left_out_is_said_and_nothing_else() {
        let line = |offline, worse| left_out(LeftOut { offline, worse });
        assert_eq!(line(0, 0), None);
        assert_eq!(
            line(3, 2).as_deref(),
            Some("left out: 3 without a link, 2 that answer no better")
        );
        assert_eq!(
            line(0, 2).as_deref(),
            Some("left out: 2 that answer no better")
        );
    }
}

//! `pxe boots`: which rigs boot over the network, and how far they have come.

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::Failure;
use serde::Deserialize;

use crate::cli::client::Client;
use crate::cli::show;
use crate::cli::table::{Column, Table};
use crate::units::{self, UNKNOWN};

/// Show which rigs boot over the network, and how far they have come, as `pxe serve` tells it.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "boots")]
pub(super) struct Boots {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::BootView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Row {
    pub(super) mac: String,
    pub(super) step: String,
    file: Option<String>,
    percent: Option<u8>,
    reason: Option<String>,
    age_ms: u64,
    rig: Option<String>,
}

impl Boots {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.get("/boots").await?;
        let empty =
            "no rig has booted over the network since the controller began; `pxe serve` tells it";
        show::list(answer, self.json, empty, table)
    }
}

fn table(rows: &[Row]) -> Table<6> {
    let mut table = Table::new([
        Column::text("Address", 0),
        Column::state("Step", 0),
        Column::text("File", 1),
        Column::figure("Ago", 0),
        Column::text("Rig", 0),
        Column::text("Why", 2),
    ]);
    for row in rows {
        let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| UNKNOWN.to_owned());
        let file = match (&row.file, row.percent) {
            (Some(file), Some(percent)) => format!("{file} {percent} %"),
            (file, _) => or_unknown(file),
        };
        table.row([
            row.mac.clone(),
            row.step.clone(),
            file,
            units::age(Some(row.age_ms)),
            or_unknown(&row.rig),
            or_unknown(&row.reason),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::table::Output;

    #[test]
    fn the_table_shows_how_far_each_rig_has_come() {
        let row = |step: &str, percent, rig: Option<&str>| Row {
            mac: "52:54:00:12:34:56".to_owned(),
            step: step.to_owned(),
            file: Some("x64.efi".to_owned()),
            percent,
            age_ms: 4_000,
            rig: rig.map(str::to_owned),
            ..Row::default()
        };
        let rows = [
            row("loading", Some(40), None),
            row("linked", None, Some("rig-7")),
        ];
        assert_eq!(
            table(&rows).render(Output::PIPE),
            "\
ADDRESS            STEP     FILE          AGO  RIG    WHY
52:54:00:12:34:56  loading  x64.efi 40 %  4 s  –      –
52:54:00:12:34:56  linked   x64.efi       4 s  rig-7  –
"
        );
    }
}

//! `attention`: what a person should look at, worst first.
//!
//! Exit code 1 if something is red, which is "look now"; amber alone is 0, as is nothing at all.

use std::collections::BTreeSet;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::table::{Column, Table};
use super::{answers, show};
use crate::units;

/// Most that a person reads, and the API gives.
const LIMIT: usize = crate::farm::MAX_ATTENTION;

/// Show what is wrong with rigs, orders, rollouts and the controller, worst first. Exit code 1 if
/// something is red: look now. Amber, look when you can, is 0.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "attention")]
pub(super) struct Attention {
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::AttentionView`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    total: usize,
    items: Vec<Item>,
}

/// See [`crate::farm::AttentionItem`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Item {
    severity: String,
    kind: String,
    name: String,
    text: String,
    fix: String,
    since_ms: Option<u64>,
}

impl Attention {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.reach(None).await;
        let path = format!("/attention?limit={LIMIT}");
        let value: Value = client.get(&path).await?;
        let answer: Answer = answers::read(value.clone())?;
        if self.json {
            show::say_json(&value);
        } else {
            show::rows_or(&answer.items, "nothing is wrong", table);
            if answer.total > answer.items.len() {
                let left_out = answer.total - answer.items.len();
                say(format_args!("and {left_out} more"));
            }
            for line in answer.to_do() {
                show::say_clean(&line);
            }
            if !client.is_served() {
                say("no controller runs here: this is what one look at the rigs shows");
            }
        }
        answer.end()
    }
}

impl Answer {
    /// What to do about the first of each kind.
    fn to_do(&self) -> Vec<String> {
        let mut kinds = BTreeSet::new();
        let first = self.items.iter().filter(|item| kinds.insert(&item.kind));
        let lines = first.map(|item| format!("{}: {}", item.name, item.fix));
        lines.collect()
    }

    fn end(&self) -> Result<(), Failure> {
        let red = self.items.iter().filter(|item| item.severity == "red");
        match red.count() {
            0 => Ok(()),
            red => Err(Failure::new(format!(
                "{red} of {} need a look now",
                self.total
            ))),
        }
    }
}

fn table(items: &[Item]) -> Table<4> {
    let mut table = Table::new([
        Column::state("Look", 0),
        Column::text("Name", 0),
        Column::figure("Since", 1),
        Column::text("What is wrong", 0),
    ]);
    for item in items {
        table.row([
            if item.severity == "red" {
                "now"
            } else {
                "soon"
            }
            .to_owned(),
            item.name.clone(),
            units::age(item.since_ms),
            item.text.clone(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::table::Output;
    use super::*;

    fn item(severity: &str, kind: &str, name: &str) -> Item {
        Item {
            severity: severity.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            text: "no accepted share for 14 min; the pool answers".to_owned(),
            fix: format!("look at {name}"),
            since_ms: (severity == "red").then_some(840_000),
        }
    }

    fn answer(items: &[Item]) -> Answer {
        Answer {
            total: items.len(),
            items: items.to_vec(),
        }
    }

    #[test]
    fn the_table_fits_its_terminal_and_says_when_to_look() {
        let items = [
            item("red", "noShare", "rig-a"),
            item("amber", "offline", "b"),
        ];
        let render = |width| {
            table(&items).render(Output {
                width,
                colour: false,
            })
        };
        assert_eq!(
            render(None),
            "\
LOOK  NAME    SINCE  WHAT IS WRONG
now   rig-a  14 min  no accepted share for 14 min; the pool answers
soon  b           –  no accepted share for 14 min; the pool answers
"
        );
        let narrow = render(Some(40));
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 40),
            "{narrow}"
        );
        assert!(narrow.contains("no accepted"), "{narrow}");
    }

    #[test]
    fn the_first_of_each_kind_says_what_to_do() {
        let items = [
            item("red", "offline", "a"),
            item("red", "offline", "b"),
            item("amber", "drift", "c"),
        ];
        assert_eq!(answer(&items).to_do(), ["a: look at a", "c: look at c"]);
    }

    #[test]
    fn red_alone_is_a_failure() {
        assert!(answer(&[]).end().is_ok());
        assert!(answer(&[item("amber", "drift", "c")]).end().is_ok());
        let failure = answer(&[item("red", "offline", "a"), item("amber", "drift", "c")]).end();
        assert_eq!(failure.expect_err("red").line, "1 of 2 need a look now");
    }

    #[test]
    fn a_hostile_name_moves_no_cursor() {
        let text = table(&[item("red", "offline", "\u{1b}[2J\u{202e}x")]).render(Output::PIPE);
        assert!(text.contains("?[2J?x"), "{text}");
    }
}

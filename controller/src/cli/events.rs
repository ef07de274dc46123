//! `events`: what happened on the farm.

use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use serde::Deserialize;
use serde_json::{Map, Value};
use smol::Timer;

use super::client::{Client, segment};
use super::{answers, show};
use crate::clock::When;
use crate::units::UNKNOWN;

/// Between two questions of `--follow`.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Show what happened: the newest, those since a moment, or those to come.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "events")]
pub(super) struct Events {
    /// go on with what comes, until Ctrl-C; needs a controller that runs
    #[argh(switch, short = 'f')]
    follow: bool,
    /// those of these types, such as linkUp,linkDown
    #[argh(option, long = "type")]
    kind: Option<String>,
    /// those about the rig of this name or node ID, also one that was removed
    #[argh(option)]
    peer: Option<String>,
    /// those since an age such as 24h, or a moment such as 2026-11-26T04:19:50Z
    #[argh(option)]
    since: Option<When>,
    /// at most so many, 1 to 1000; default: 50
    #[argh(option, short = 'n', default = "50")]
    limit: u16,
    /// print JSON; with --follow one event a line
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::EventsView`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    events: Vec<Value>,
    next: Option<u64>,
    lost: u64,
}

impl Events {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        if self.follow && matches!(client, Client::Here { .. }) {
            return Err(Failure::new(
                "no controller runs here, so nothing will happen; start one with `miner-ctrl up`",
            ));
        }
        let since = self.since.map(|since| match since {
            When::At(at) => at.to_string(),
            When::Ago(age_ms) => format!("{}s", age_ms / 1_000),
        });
        let first = self.path(since.map(|since| ("since", since)));
        let answer = client.get(&first).await?;
        if self.json && !self.follow {
            show::say_json(&answer);
            return Ok(());
        }
        let page: Page = answers::read(answer)?;
        if page.events.is_empty() && !self.follow {
            say("nothing happened");
            return Ok(());
        }
        self.print(&page);
        if !self.follow {
            return Ok(());
        }
        // With nothing in the log yet, or nothing that fits, all from its beginning is new.
        let mut next = page.next;
        loop {
            Timer::after(ASK_AGAIN).await;
            let after = next.map(|after| ("after", after.to_string()));
            let beginning = || ("since", "0".to_owned());
            let path = self.path(Some(after.unwrap_or_else(beginning)));
            let page: Page = answers::read(client.get(&path).await?)?;
            if page.lost > 0 {
                say(format_args!(
                    "({} events fell out of the log before they were read)",
                    page.lost
                ));
            }
            self.print(&page);
            next = page.next.or(next);
        }
    }

    fn path(&self, from: Option<(&str, String)>) -> String {
        let parameters = [
            from,
            self.kind.clone().map(|kind| ("type", kind)),
            self.peer.clone().map(|peer| ("peer", peer)),
            Some(("limit", self.limit.to_string())),
        ];
        let parameters = parameters.into_iter().flatten();
        let parameters: Vec<_> = parameters
            .map(|(name, value)| format!("{name}={}", segment(&value)))
            .collect();
        format!("/events?{}", parameters.join("&"))
    }

    fn print(&self, page: &Page) {
        for event in &page.events {
            if self.json {
                say(event);
            } else {
                show::say_clean(&line(event));
            }
        }
    }
}

/// `2026-11-26T04:19:50.000Z  rig-alpha  linkDown  reason=silent  (by token x)`
fn line(event: &Value) -> String {
    const HEAD: [&str; 7] = ["seq", "at", "nodeId", "nodeName", "type", "by", "request"];
    let text = |field: &str| event[field].as_str();
    let who = text("nodeName").or_else(|| text("nodeId")).unwrap_or("-");
    let none = Map::new();
    let fields = event.as_object().unwrap_or(&none);
    let facts = fields
        .iter()
        .filter(|(name, _)| !HEAD.contains(&name.as_str()));
    let facts: String = facts
        .map(|(name, value)| match value.as_str() {
            Some(text) => format!("  {name}={text}"),
            None => format!("  {name}={value}"),
        })
        .collect();
    let by = text("by").map_or_else(String::new, |by| format!("  (by {by})"));
    let (at, kind) = (
        text("at").unwrap_or(UNKNOWN),
        text("type").unwrap_or(UNKNOWN),
    );
    format!("{at}  {who}  {kind}{facts}{by}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line_with_its_facts() {
        let event = json!({
            "seq": 7, "at": "2026-11-26T04:19:50.000Z", "nodeId": "abab", "nodeName": "rig-alpha",
            "by": "local", "request": "17", "type": "applied", "generation": 3, "profile": "my",
        });
        assert_eq!(
            line(&event),
            "2026-11-26T04:19:50.000Z  rig-alpha  applied  generation=3  profile=my  (by local)"
        );
        assert_eq!(line(&json!({})), "–  -  –");
    }

    #[test]
    fn filters_become_parameters() {
        let events = Events {
            follow: false,
            kind: Some("linkUp".to_owned()),
            peer: Some("rig a".to_owned()),
            since: None,
            limit: 5,
            json: false,
        };
        assert_eq!(
            events.path(Some(("after", "7".to_owned()))),
            "/events?after=7&type=linkUp&peer=rig%20a&limit=5"
        );
    }
}

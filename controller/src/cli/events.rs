//! `events`: what happened on the farm.

use std::io::{self, Write as _};
use std::path::Path;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};
use miner_agent::store::Dirs;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use smol::Timer;

use super::client::{Client, segment};
use super::follow::{Follow, Said};
use super::instance::{Announced, Instance};
use super::transport::unanswered;
use super::{answers, show};
use crate::api::Problem;
use crate::clock::When;
use crate::units::{self, UNKNOWN};

/// Show what happened: the newest, those since a moment, or those to come.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "events")]
pub(super) struct Events {
    /// go on with what comes, until Ctrl-C, also over a restart of the controller; needs one that runs
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
    /// print JSON; with --follow one event a line, of the type "lost" where some are gone
    #[argh(switch)]
    json: bool,
}

/// See [`crate::farm::EventsView`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    events: Vec<Value>,
    next: Option<u64>,
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
        let first = self.path("/events", since.map(|since| ("since", since)));
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
        let stream = self.path("/events/stream", None);
        // What there is by the time that the stream is open, of a log in which nothing fits so far.
        let log = self.path("/events", Some(("since", "0".to_owned())));
        let follow = Follow::new(&stream, &log, page.next);
        let data = Dirs::from_env()?.data().to_owned();
        follow
            .run(
                async || found(&data).await,
                async |pause| {
                    Timer::after(pause).await;
                },
                |said| self.say(said),
            )
            .await
    }

    fn path(&self, route: &str, from: Option<(&str, String)>) -> String {
        // A stream has no end.
        let limit = (route == "/events").then(|| ("limit", self.limit.to_string()));
        let parameters = [
            from,
            self.kind.clone().map(|kind| ("type", kind)),
            self.peer.clone().map(|peer| ("peer", peer)),
            limit,
        ];
        let parameters = parameters.into_iter().flatten();
        let parameters: Vec<_> = parameters
            .map(|(name, value)| format!("{name}={}", segment(&value)))
            .collect();
        let joint = if parameters.is_empty() { "" } else { "?" };
        format!("{route}{joint}{}", parameters.join("&"))
    }

    fn print(&self, page: &Page) {
        for event in &page.events {
            self.say(Said::Event(event));
        }
    }

    fn say(&self, said: Said<'_>) {
        match said {
            Said::Event(event) if self.json => say(event),
            Said::Event(event) => show::say_clean(&line(event)),
            Said::Lost(events) if self.json => say(json!({ "type": "lost", "events": events })),
            Said::Lost(events) => say(format_args!(
                "({events} events fell out of the log before they were read)"
            )),
            Said::Note(note) => {
                // With stderr gone there is nobody left to tell.
                let _ = writeln!(io::stderr(), "miner-ctrl: {}", units::printable(&note));
            }
        }
    }
}

/// The controller that serves this data directory now.
async fn found(data: &Path) -> Result<Announced, Problem> {
    match Instance::find(data).await {
        Ok(Instance::Serving(api)) => Ok(api),
        Ok(Instance::Ours(_)) => Err(unanswered(&"none runs now")),
        Err(failure) => Err(unanswered(&failure.line)),
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
            events.path("/events", Some(("after", "7".to_owned()))),
            "/events?after=7&type=linkUp&peer=rig%20a&limit=5"
        );
        assert_eq!(
            events.path("/events/stream", None),
            "/events/stream?type=linkUp&peer=rig%20a"
        );
        let all = Events {
            kind: None,
            peer: None,
            ..events
        };
        assert_eq!(all.path("/events/stream", None), "/events/stream");
    }
}

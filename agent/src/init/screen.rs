//! What the console shows: a block of plain lines, printed when something in it has changed.
//!
//! ```text
//!   name         rig-12ab0f
//!   node ID      068c54d873fc32f7
//!   fingerprint  EW4D-…
//!   address      10.0.0.7/24 on eth0, leased
//!   controller   farm.lan:9091, linked
//!   state        mining, 7.21 kH/s
//!   identity     kept on /dev/sda2
//! ```
//! No escape codes: the same bytes are read on a screen, on a serial line and in a file. Hash rates are
//! never still, so one alone is no reason to print for a while.

use std::fmt::{self, Display};

use miner_shared::time::Millis;
use miner_shared::wire::Activity;

use crate::report::Report;

/// Between two blocks that differ in the hash rate only, in milliseconds.
const RATE_MS: u64 = 60_000;
/// Between any two blocks, in milliseconds.
const REST_MS: u64 = 2_000;

/// What is known of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// Name and key of the worker, once it has said them.
    pub(super) report: Option<Report>,
    /// Host name, until the worker has said its own.
    pub(super) host: String,
    /// Its address and how it got it, or what it waits for.
    pub(super) address: String,
    /// Whom it dials; `None` where it waits to be dialled.
    pub(super) controller: Option<String>,
    /// Why no worker runs, if none does.
    pub(super) without_worker: Option<String>,
    /// What keeps the identity; empty until that is known.
    pub(super) kept: String,
    /// Whether anybody answers for the machine; `None` until that is known.
    pub(super) owned: Option<bool>,
}

/// What is printed.
#[derive(Debug)]
struct Block {
    /// Title and text of each line, but for the hash rate.
    lines: Vec<(&'static str, String)>,
    hashrate: Option<u64>,
}

impl Shown {
    fn block(&self) -> Block {
        let mut lines = Vec::new();
        let mut line = |title, text: String| lines.push((title, text));
        match &self.report {
            Some(report) => {
                line("name", report.name.to_string());
                line("node ID", report.fingerprint.node_id().to_string());
                line("fingerprint", report.fingerprint.to_string());
            }
            None => line("name", self.host.clone()),
        }
        line("address", self.address.clone());
        let linked = self.report.as_ref().is_some_and(|report| report.linked);
        line(
            "controller",
            match (&self.controller, linked) {
                (Some(controller), true) => format!("{controller}, linked"),
                (Some(controller), false) => format!("{controller}, not linked"),
                (None, true) => String::from("linked"),
                (None, false) => String::from("none named: waits for one to pair"),
            },
        );
        let activity = self.report.as_ref().map(|report| report.activity);
        line(
            "state",
            match (&self.without_worker, activity) {
                (Some(why), _) => why.clone(),
                (None, None) => String::from("starting"),
                (None, Some(activity)) => doing(activity).to_owned(),
            },
        );
        if !self.kept.is_empty() {
            line("identity", self.kept.clone());
        }
        if self.owned == Some(false) {
            let how = "nobody answers for this machine (miner.owner, owner.toml): it does not mine";
            line("owner", how.to_owned());
        }
        let refused = self.report.as_ref().map(|report| report.refused.as_str());
        if let Some(refused) = refused.filter(|text| !text.is_empty()) {
            line("refused", refused.to_owned());
        }
        let hashes = matches!(activity, Some(Activity::Mining | Activity::Filling { .. }));
        let rate = self.report.as_ref().and_then(|report| report.hashrate);
        Block {
            lines,
            hashrate: rate.filter(|_| hashes && self.without_worker.is_none()),
        }
    }
}

const fn doing(activity: Activity) -> &'static str {
    match activity {
        Activity::Stopped => "told to mine nothing",
        Activity::Starting => "getting ready to mine",
        Activity::NoPool => "no pool can be reached",
        Activity::Filling { .. } => "mining in light mode until the dataset is filled",
        Activity::Mining => "mining",
        Activity::Failed => "should mine and cannot",
        Activity::Paused => "told to rest",
        _ => "busy",
    }
}

/// Thousandths of a hash per second, in words.
fn rate(millihashes: u64) -> String {
    let (unit, size) = match millihashes {
        0..1_000_000 => ("H/s", 1_000),
        1_000_000..1_000_000_000 => ("kH/s", 1_000_000),
        _ => ("MH/s", 1_000_000_000),
    };
    let hundredths = millihashes / (size / 100);
    format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
}

/// What the console showed last.
#[derive(Debug, Default)]
pub(super) struct Screen {
    last: Option<(Block, Millis)>,
}

impl Screen {
    /// The block to print now, if it is time for one.
    pub(super) fn due(&mut self, shown: &Shown, now: Millis) -> Option<String> {
        let block = shown.block();
        if let Some((before, at)) = &self.last {
            let same = before.lines == block.lines;
            let wait = match same && before.hashrate == block.hashrate {
                true => return None,
                false if same => RATE_MS,
                false => REST_MS,
            };
            if now.since(*at) < wait {
                return None;
            }
        }
        let text = block.to_string();
        self.last = Some((block, now));
        Some(text)
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        for (title, line) in &self.lines {
            write!(f, "  {title:<11}  {line}")?;
            if let Some(hashrate) = self.hashrate
                && *title == "state"
            {
                write!(f, ", {}", rate(hashrate))?;
            }
            writeln!(f)?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use miner_shared::identity::Fingerprint;
    use miner_shared::text::{Label, Name};

    use super::*;

    fn shown() -> Shown {
        Shown {
            report: Some(Report {
                at: Millis(1),
                fingerprint: Fingerprint([7; 32]),
                name: Name::parse("rig-alpha").expect("valid"),
                activity: Activity::Mining,
                hashrate: Some(7_214_999),
                linked: true,
                refused: Label::lossy(""),
            }),
            host: String::from("rig-12ab0f"),
            address: String::from("10.0.0.7/24 on eth0, leased"),
            controller: Some(String::from("farm.lan:9091")),
            without_worker: None,
            kept: String::from("kept on /dev/sda2"),
            owned: Some(true),
        }
    }

    #[test]
    fn a_rig_that_mines_shows_who_where_whom_and_how_fast_in_plain_lines() {
        let text = Screen::default().due(&shown(), Millis(0)).expect("first");
        let expected = format!(
            "\n  name         rig-alpha\n  node ID      {}\n  fingerprint  {}\n  \
             address      10.0.0.7/24 on eth0, leased\n  controller   farm.lan:9091, linked\n  \
             state        mining, 7.21 kH/s\n  identity     kept on /dev/sda2\n\n",
            Fingerprint([7; 32]).node_id(),
            Fingerprint([7; 32]),
        );
        assert_eq!(text, expected);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn before_the_worker_has_reported_it_says_what_it_is_at() {
        let mut shown = Shown {
            report: None,
            ..shown()
        };
        let text = Screen::default().due(&shown, Millis(0)).expect("first");
        assert!(text.contains("name         rig-12ab0f\n"));
        assert!(text.contains("state        starting\n"));
        shown.without_worker = Some(String::from("the worker ended: code 3"));
        let text = Screen::default().due(&shown, Millis(0)).expect("first");
        assert!(text.contains("state        the worker ended: code 3\n"));
    }

    #[test]
    fn a_refusal_and_a_missing_owner_are_shown() {
        let mut shown = shown();
        shown.owned = Some(false);
        if let Some(report) = &mut shown.report {
            report.refused = Label::lossy("the wallet at pool 1 is not in wallets");
        }
        let text = Screen::default().due(&shown, Millis(0)).expect("first");
        assert!(text.contains("refused      the wallet"));
        assert!(text.contains("nobody answers for this machine"));
    }

    #[test]
    fn it_prints_when_something_changed_and_for_the_rate_alone_once_a_minute() {
        let (mut screen, mut shown) = (Screen::default(), shown());
        assert!(screen.due(&shown, Millis(0)).is_some());
        assert!(screen.due(&shown, Millis(99_000)).is_none(), "the same");
        if let Some(report) = &mut shown.report {
            (report.hashrate, report.at) = (Some(8_000_000), Millis(2));
        }
        assert!(screen.due(&shown, Millis(59_999)).is_none());
        let text = screen.due(&shown, Millis(60_000)).expect("a minute");
        assert!(text.contains("8.00 kH/s"));
        if let Some(report) = &mut shown.report {
            report.linked = false;
        }
        assert!(screen.due(&shown, Millis(61_999)).is_none(), "calm");
        assert!(screen.due(&shown, Millis(62_000)).is_some());
    }

    #[test]
    fn rates_are_written_in_the_unit_that_suits() {
        for (millihashes, text) in [
            (0, "0.00 H/s"),
            (999_999, "999.99 H/s"),
            (1_000_000, "1.00 kH/s"),
            (123_456_789, "123.45 kH/s"),
            (5_000_000_000, "5.00 MH/s"),
        ] {
            assert_eq!(rate(millihashes), text);
        }
    }
}

//! The owner, who pings and commands rigs all the time and notes how long each took.

use core::time::Duration;
use std::thread;

use super::Stop;
use super::figures::Figures;
use crate::clock::Deadline;
use crate::http::{self, Api};

/// Between two requests of the same kind: a person and a few scripts at once.
const PAUSE: Duration = Duration::from_millis(20);

/// How long requests took, and how many failed.
#[derive(Debug, Default)]
pub(super) struct Times {
    took: Vec<Duration>,
    /// Those that were not answered as they should have been, each with the answer.
    pub(super) lost: Vec<String>,
}

impl Times {
    /// Milliseconds below which this part of all requests lies; 0 without requests.
    pub(super) fn ms(&self, part: f64) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let last = took.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list of some thousands"
        )]
        let at = (last as f64 * part).ceil() as usize;
        took.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    }

    pub(super) fn count(&self) -> usize {
        self.took.len()
    }

    pub(super) fn note(
        &mut self,
        took: Duration,
        answer: Result<http::Answer, String>,
        wanted: &str,
    ) {
        self.took.push(took);
        match answer {
            Ok(answer) if answer.status == 200 && answer.body.contains(wanted) => {}
            Ok(answer) => self.lost.push(format!("{} {}", answer.status, answer.body)),
            Err(error) => self.lost.push(error),
        }
    }

    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.lost.extend(other.lost);
    }
}

/// What the owner saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) pings: Times,
    pub(super) commands: Times,
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        self.pings.add(other.pings);
        self.commands.add(other.commands);
    }

    /// Requests without the answer that they should have had.
    pub(super) fn lost(&self) -> usize {
        self.pings.lost.len() + self.commands.lost.len()
    }

    /// The figures of one phase.
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    pub(super) fn figures(&self, figures: &mut Figures, phase: &str) {
        for (what, times) in [("command", &self.commands), ("ping", &self.pings)] {
            figures.add(&format!("{what}s {phase}"), times.count() as f64, "");
            figures.add(&format!("{what} p50 {phase}"), times.ms(0.5), "ms");
            figures.add(&format!("{what} p99 {phase}"), times.ms(0.99), "ms");
        }
    }
}

/// Pings and stops these rigs in turn until told to stop.
pub(super) fn commands(http: &Api, rigs: &[String], stop: &Stop) -> Seen {
    thread::scope(|scope| {
        let pings = scope.spawn(|| turns(http, rigs, stop, "peers", "ping", "pingMs"));
        let commands = turns(http, rigs, stop, "remote", "stop", "applied");
        Seen {
            pings: pings.join().unwrap_or_default(),
            commands,
        }
    })
}

fn turns(http: &Api, rigs: &[String], stop: &Stop, under: &str, verb: &str, wanted: &str) -> Times {
    let mut times = Times::default();
    for rig in rigs.iter().cycle() {
        if stop.is_set() {
            break;
        }
        let path = format!("/api/v1/mining/{under}/{rig}/{verb}");
        let watch = Deadline::after(Duration::MAX);
        let answer = http::ask(http, "POST", &path, "{}");
        times.note(watch.elapsed(), answer, wanted);
        thread::park_timeout(PAUSE);
    }
    times
}

/// The same for this long.
pub(super) fn commands_for(http: &Api, rigs: &[String], limit: Duration) -> Seen {
    let stop = Stop::default();
    thread::scope(|scope| {
        let seen = scope.spawn(|| commands(http, rigs, &stop));
        Deadline::after(limit).wait();
        stop.set();
        seen.join().unwrap_or_default()
    })
}

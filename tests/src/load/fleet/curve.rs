//! How the rigs came online: what the tally said, looked at again and again.

use core::time::Duration;

use super::tally::Tally;
use crate::clock::Deadline;

/// A look.
#[derive(Clone, Copy, Debug)]
struct Point {
    at_ms: u64,
    online: u64,
    dials: u64,
    links: u64,
}

/// All looks, from a moment on.
#[derive(Debug)]
pub(super) struct Curve {
    begun_ms: u64,
    points: Vec<Point>,
}

impl Curve {
    /// Begins now.
    pub(super) fn new(tally: &Tally) -> Self {
        let mut curve = Self {
            begun_ms: tally.now_ms(),
            points: Vec::new(),
        };
        curve.look(tally);
        curve
    }

    fn look(&mut self, tally: &Tally) {
        self.points.push(Point {
            at_ms: tally.now_ms(),
            online: tally.online(),
            dials: tally.dials.get(),
            links: tally.links.get(),
        });
    }

    /// Looks until so many are online; `told` hears how many are.
    pub(super) fn follow(
        &mut self,
        tally: &Tally,
        wanted: u64,
        limit: Duration,
        told: impl Fn(u64),
    ) -> Result<(), String> {
        let deadline = Deadline::after(limit);
        while tally.online() < wanted {
            if !deadline.pause() {
                let online = tally.online();
                let secs = limit.as_secs();
                return Err(format!(
                    "{online} of {wanted} rigs are online after {secs} s"
                ));
            }
            self.look(tally);
            told(tally.online());
        }
        self.look(tally);
        Ok(())
    }

    /// Seconds until so many were online, after the last time that fewer were.
    #[expect(clippy::cast_precision_loss, reason = "some minutes")]
    pub(super) fn seconds_to(&self, wanted: u64) -> f64 {
        let later = self
            .points
            .iter()
            .rev()
            .take_while(|point| point.online >= wanted);
        let at = later.last().map(|point| point.at_ms);
        at.map_or(f64::INFINITY, |at| (at - self.begun_ms) as f64 / 1e3)
    }

    /// The most of something within a second.
    fn most(&self, of: impl Fn(&Point) -> u64) -> u64 {
        let within = |first: &Point| {
            let second = self
                .points
                .iter()
                .skip_while(|point| point.at_ms < first.at_ms);
            let last = second
                .take_while(|point| point.at_ms <= first.at_ms + 1_000)
                .last();
            last.map_or(0, |last| of(last) - of(first))
        };
        self.points.iter().map(within).max().unwrap_or(0)
    }

    /// The most connections begun within a second.
    pub(super) fn most_dials(&self) -> u64 {
        self.most(|point| point.dials)
    }

    /// The most links that came up within a second.
    pub(super) fn most_links(&self) -> u64 {
        self.most(|point| point.links)
    }
}

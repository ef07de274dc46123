//! The history across kills: every step that was over, and every step that was ever read.

use core::time::Duration;
use std::collections::BTreeMap;

use miner_ctrl::clock::{EpochMs, When};
use serde_json::Value;

use super::read;
use crate::clock::wall_ms;
use crate::http::Api;
use crate::load::Figures;

/// The finest step, in milliseconds.
const STEP_MS: u64 = 10_000;
/// A step is written this long after its end at the latest, in milliseconds.
const WRITTEN_MS: u64 = 1_000;

/// Steps of the farm's history by the moment of their beginning.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// When the process that runs began to serve.
    began_ms: u64,
    /// Steps that must be there: they were over while the process lived.
    due: Vec<u64>,
    read: BTreeMap<u64, Value>,
    /// Kills within a second of a step's end.
    close: u32,
    compared: u32,
}

impl Steps {
    /// A process serves.
    pub(super) fn begin(&mut self) {
        self.began_ms = wall_ms();
    }

    /// It is killed.
    pub(super) fn end(&mut self) {
        let killed_ms = wall_ms();
        let first = self.began_ms.div_ceil(STEP_MS) * STEP_MS;
        let ends = (first..killed_ms).step_by(10_000);
        let written = ends.filter(|end| end + WRITTEN_MS <= killed_ms);
        self.due.extend(written.map(|end| end - STEP_MS));
        self.close += u32::from(killed_ms % STEP_MS < WRITTEN_MS);
    }

    /// From now to the end of the step that is open.
    pub(super) fn until_next() -> Duration {
        Duration::from_millis(STEP_MS - wall_ms() % STEP_MS)
    }

    /// Each step that was over is there, and each that was read before says the same.
    pub(super) fn compare(&mut self, api: &Api) -> Result<(), String> {
        let history = read(api, "/history/fleet?tier=10s&points=1440")?;
        let from = history["from"].as_str().unwrap_or_default();
        let from: When = from.parse().map_err(|_| format!("no moment: {from}"))?;
        let from = from.at(EpochMs::default()).0;
        if history["step"] != 10 {
            return Err(format!("steps of {} seconds", history["step"]));
        }
        let points = history["points"].as_array().cloned().unwrap_or_default();
        let known: BTreeMap<u64, Value> = (0_u64..)
            .zip(points)
            .filter(|(_, point)| !point.is_null())
            .map(|(at, point)| (from + at * STEP_MS, point))
            .collect();
        for at in self.due.drain(..).filter(|at| *at >= from) {
            if !known.contains_key(&at) {
                return Err(format!(
                    "the step of the history at {at} was over and is gone"
                ));
            }
        }
        for (at, before) in self.read.range(from..) {
            if known.get(at) != Some(before) {
                let now = known.get(at);
                return Err(format!("the step at {at} said {before}, now {now:?}"));
            }
        }
        self.compared += u32::try_from(known.len()).unwrap_or(u32::MAX);
        self.read = known;
        Ok(())
    }

    /// What was compared in all lives.
    pub(super) fn figures(&self, figures: &mut Figures) {
        figures.add(
            "kills within a second of a step's end",
            self.close.into(),
            "",
        );
        figures.add("steps of the history compared", self.compared.into(), "");
    }
}

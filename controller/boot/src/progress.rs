//! How far each rig has come: asked, offered, loading, loaded, linked.
//!
//! ```text
//!   DISCOVER ─▶ Asked ─▶ Offered x64.efi ─▶ Started ─▶ (bytes) ─▶ Finished ─▶ … ─▶ Linked
//!                 └ NotOffered: why                  └▶ Failed: why
//! ```
//! A bounded table of the latest, and the steps themselves for whoever listens. A boot begins with a
//! question that comes after a finished file or a minute of silence; ROMs ask several times in one boot.

use core::fmt;
use std::collections::BTreeMap;

use miner_shared::dhcp::Mac;
use miner_shared::time::Millis;
use smol::channel::{Receiver, Sender, TrySendError, bounded};

use crate::files::BootFile;
use crate::limits::{MAX_BOOTING, MAX_STEPS};
use crate::proxy::Silence;

/// Where a rig is in its boot. Moments are of the server's clock; `None` is "not yet".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rig {
    /// It asked for the first time.
    pub asked: Option<Millis>,
    /// It was told of a file for the first time.
    pub offered: Option<Millis>,
    /// The file that it was last told of, or last loaded.
    pub file: Option<BootFile>,
    /// It began to load that file.
    pub started: Option<Millis>,
    /// Bytes of that file that it has.
    pub bytes: u64,
    /// It had all of that file.
    pub finished: Option<Millis>,
    /// Its agent was there for the first time.
    pub linked: Option<Millis>,
    /// The last that was heard of it.
    pub last: Millis,
    /// The last step that it made.
    pub step: Option<Step>,
}

/// Something that a rig did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It asked where to boot from.
    Asked,
    /// It was told of this file.
    Offered(BootFile),
    /// It was told nothing.
    NotOffered(Silence),
    /// It began to load this file.
    Started(BootFile),
    /// It has all of this file.
    Finished {
        /// Which one.
        file: BootFile,
        /// Its length.
        bytes: u64,
        /// How long it took, in milliseconds.
        took_ms: u64,
    },
    /// It stopped loading this file.
    Failed {
        /// Which one.
        file: BootFile,
        /// Bytes that it had by then.
        bytes: u64,
        /// Why.
        why: Failure,
    },
    /// Its agent is there.
    Linked,
}

/// Why a file did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The rig ended it, with this code of TFTP.
    Refused(u16),
    /// The rig was silent for too long, or its connection ended.
    Lost,
    /// The file cannot be read; the log has more.
    Unreadable,
}

/// A step, whose, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The rig.
    pub mac: Mac,
    /// When, by the server's clock.
    pub at: Millis,
    /// What.
    pub step: Step,
}

/// After this long without a sign, a question begins another boot, in milliseconds: ROMs ask for 60 s.
const SILENCE_MS: u64 = 60_000;

/// Keeps the latest of every rig.
#[derive(Debug)]
pub struct Progress {
    rigs: BTreeMap<Mac, Rig>,
    events: (Sender<Event>, Receiver<Event>),
    lost: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            rigs: BTreeMap::new(),
            events: bounded(MAX_STEPS),
            lost: 0,
        }
    }
}

impl Progress {
    /// The steps from now on; each goes to one listener. Beyond [`MAX_STEPS`] unread ones, the oldest go.
    pub fn events(&self) -> Receiver<Event> {
        self.events.1.clone()
    }

    /// Steps that nobody read in time.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// All rigs that are kept.
    pub fn rigs(&self) -> impl Iterator<Item = (Mac, Rig)> {
        self.rigs.iter().map(|(mac, rig)| (*mac, *rig))
    }

    /// Notes a step.
    pub fn record(&mut self, now: Millis, mac: Mac, step: Step) {
        self.rig(now, mac).take(now, step);
        self.tell(Event { mac, at: now, step });
    }

    /// Notes how much of its file a rig has.
    pub fn sent(&mut self, now: Millis, mac: Mac, bytes: u64) {
        let rig = self.rig(now, mac);
        rig.bytes = bytes;
        rig.last = now;
    }

    /// The place of a rig; if there is none left, that of the one that was silent for longest.
    fn rig(&mut self, now: Millis, mac: Mac) -> &mut Rig {
        if self.rigs.len() >= MAX_BOOTING && !self.rigs.contains_key(&mac) {
            let oldest = self.rigs.iter().min_by_key(|(_, rig)| rig.last);
            if let Some(oldest) = oldest.map(|(mac, _)| *mac) {
                self.rigs.remove(&oldest);
            }
        }
        let last = now;
        self.rigs.entry(mac).or_insert_with(|| Rig {
            last,
            ..Rig::default()
        })
    }

    fn tell(&mut self, event: Event) {
        let (sender, receiver) = &self.events;
        if let Err(TrySendError::Full(event)) = sender.try_send(event) {
            self.lost += 1;
            let _oldest = receiver.try_recv();
            let _room = sender.try_send(event);
        }
    }
}

impl Rig {
    fn take(&mut self, now: Millis, step: Step) {
        match step {
            Step::Asked => {
                let over = self.finished.is_some() || now.since(self.last) > SILENCE_MS;
                if over || self.linked.is_some() {
                    *self = Self::default();
                }
                self.asked = self.asked.or(Some(now));
            }
            Step::Offered(file) => {
                self.offered = self.offered.or(Some(now));
                self.file = Some(file);
            }
            Step::Started(file) => {
                self.file = Some(file);
                self.started = Some(now);
                (self.bytes, self.finished) = (0, None);
            }
            Step::Finished { file, bytes, .. } => {
                self.file = Some(file);
                self.bytes = bytes;
                self.finished = Some(now);
            }
            Step::Failed { bytes, .. } => self.bytes = bytes,
            Step::Linked => self.linked = self.linked.or(Some(now)),
            Step::NotOffered(_) => {}
        }
        self.last = now;
        self.step = Some(step);
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = self.mac;
        match self.step {
            Step::Asked => write!(f, "{mac} asks where to boot from"),
            Step::Offered(file) => write!(f, "{mac} is offered {file}"),
            Step::NotOffered(why) => write!(f, "{mac} is offered nothing: {why}"),
            Step::Started(file) => write!(f, "{mac} loads {file}"),
            Step::Finished {
                file,
                bytes,
                took_ms,
            } => {
                write!(f, "{mac} has {file}: {bytes} bytes in {took_ms} ms")
            }
            Step::Failed { file, bytes, why } => {
                write!(f, "{mac} stopped loading {file} after {bytes} bytes: {why}")
            }
            Step::Linked => write!(f, "{mac} is linked"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the rig ended it with code {code}"),
            Self::Lost => f.write_str("the rig is gone"),
            Self::Unreadable => f.write_str("the file cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(number: u16) -> Mac {
        let [high, low] = number.to_be_bytes();
        Mac([2, 0, 0, 0, high, low])
    }

    fn only(progress: &Progress) -> Rig {
        progress.rigs().next().expect("a rig").1
    }

    #[test]
    fn a_boot_is_told_step_by_step_with_its_times() {
        let mut progress = Progress::default();
        let events = progress.events();
        let file = BootFile::UkiX64;
        let finished = Step::Finished {
            file,
            bytes: 8_000_000,
            took_ms: 2_000,
        };
        let steps = [
            Step::Asked,
            Step::Offered(file),
            Step::Started(file),
            finished,
            Step::Linked,
        ];
        for (step, at) in steps.into_iter().zip([10, 11, 3_500, 5_500, 9_000]) {
            progress.record(Millis(at), mac(1), step);
        }
        let expected = Rig {
            asked: Some(Millis(10)),
            offered: Some(Millis(11)),
            file: Some(file),
            started: Some(Millis(3_500)),
            bytes: 8_000_000,
            finished: Some(Millis(5_500)),
            linked: Some(Millis(9_000)),
            last: Millis(9_000),
            step: Some(Step::Linked),
        };
        assert_eq!(only(&progress), expected);
        let told: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
        assert_eq!(
            told.iter().map(|event| event.step).collect::<Vec<_>>(),
            steps
        );
        assert_eq!(
            told[3].to_string(),
            "02:00:00:00:00:01 has x64.efi: 8000000 bytes in 2000 ms"
        );
    }

    #[test]
    fn a_rom_that_asks_again_is_in_the_same_boot_and_a_rig_that_starts_again_is_not() {
        let mut progress = Progress::default();
        progress.record(Millis(0), mac(1), Step::Asked);
        progress.record(Millis(4_000), mac(1), Step::Asked);
        assert_eq!(only(&progress).asked, Some(Millis(0)));
        progress.record(Millis(90_000), mac(1), Step::Asked);
        assert_eq!(only(&progress).asked, Some(Millis(90_000)), "it was silent");
        progress.record(Millis(95_000), mac(1), Step::Linked);
        progress.record(Millis(96_000), mac(1), Step::Asked);
        assert_eq!(only(&progress).asked, Some(Millis(96_000)), "it was up");
        assert_eq!(only(&progress).linked, None);
    }

    #[test]
    fn one_rig_too_many_makes_the_most_silent_one_forgotten() {
        let mut progress = Progress::default();
        let all = u16::try_from(MAX_BOOTING).expect("small");
        for number in 0..all {
            progress.record(Millis(number.into()), mac(number), Step::Asked);
        }
        progress.sent(Millis(5_000), mac(0), 1_000);
        progress.record(Millis(6_000), mac(all), Step::Asked);
        let kept: Vec<Mac> = progress.rigs().map(|(mac, _)| mac).collect();
        assert_eq!(kept.len(), MAX_BOOTING);
        assert!(kept.contains(&mac(0)) && !kept.contains(&mac(1)) && kept.contains(&mac(all)));
    }

    #[test]
    fn steps_that_nobody_reads_are_counted() {
        let mut progress = Progress::default();
        for at in 0..MAX_STEPS as u64 + 3 {
            progress.record(Millis(at), mac(1), Step::Asked);
        }
        assert_eq!(progress.lost(), 3);
        let first = progress.events().try_recv().expect("a step");
        assert_eq!(first.at, Millis(3), "the oldest went");
    }
}

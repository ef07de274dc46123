//! GRUB's saved environment: which slot starts under a BIOS.
//!
//! ```text
//! # GRUB Environment Block⏎
//! slot=a⏎                     the slot that was confirmed
//! trial=b⏎                    the slot on trial, or nothing
//! tries=3⏎                    starts that it has left
//! #########…                  up to 1024 bytes
//! ```
//! All of it lies in the first 512 bytes, which a disk writes in one piece; GRUB reads and writes the
//! file where it is, so the file is made once and then only ever changed in place.

use super::{Slot, TRIES};

/// Bytes of the file; GRUB insists on it.
pub const GRUBENV: usize = 1024;

const HEAD: &[u8] = b"# GRUB Environment Block\n";
const FILL: u8 = b'#';

/// Which slot starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootState {
    /// The slot that was confirmed.
    pub slot: Slot,
    /// The slot that is tried first.
    pub trial: Option<Trial>,
}

/// A slot on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Which one.
    pub slot: Slot,
    /// Starts that it has left; with none the confirmed slot starts.
    pub tries: u8,
}

impl BootState {
    /// This slot starts.
    pub const fn confirmed(slot: Slot) -> Self {
        Self { slot, trial: None }
    }

    /// The slot that is not confirmed is tried.
    pub const fn on_trial(self) -> Self {
        let trial = Trial {
            slot: self.slot.other(),
            tries: TRIES,
        };
        Self {
            trial: Some(trial),
            ..self
        }
    }

    /// The file.
    pub fn encode(&self) -> [u8; GRUBENV] {
        let (trial, tries) = match self.trial {
            Some(Trial { slot, tries }) => (slot.as_str(), tries.min(9)),
            None => ("", 0),
        };
        let mut file = [FILL; GRUBENV];
        let digit = [b'0' + tries];
        let parts = [
            HEAD,
            b"slot=",
            self.slot.as_str().as_bytes(),
            b"\ntrial=",
            trial.as_bytes(),
            b"\ntries=",
            &digit,
            b"\n",
        ];
        let bytes = parts.into_iter().flatten();
        file.iter_mut().zip(bytes).for_each(|(f, b)| *f = *b);
        file
    }

    /// Reads the file; `None` if it is none, or names no slot. Variables of others are passed over.
    pub fn decode(file: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(file.strip_prefix(HEAD)?).ok()?;
        let value = |name: &str| {
            let values = text.lines().filter_map(|line| line.split_once('='));
            let mut values = values.filter(|(key, _)| *key == name);
            values.next_back().map(|(_, value)| value)
        };
        let trial = value("trial").and_then(Slot::parse).map(|slot| Trial {
            slot,
            tries: value("tries").and_then(|n| n.parse().ok()).unwrap_or(0),
        });
        Some(Self {
            slot: Slot::parse(value("slot")?)?,
            trial,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_what_grub_editenv_writes() {
        let file = BootState::confirmed(Slot::A).on_trial().encode();
        let want = b"# GRUB Environment Block\nslot=a\ntrial=b\ntries=3\n####";
        assert_eq!(file.len(), 1024);
        assert!(file.starts_with(want));
        assert!(file.ends_with(b"#"));
    }

    #[test]
    fn every_state_reads_back() {
        for slot in [Slot::A, Slot::B] {
            let state = BootState::confirmed(slot);
            assert_eq!(BootState::decode(&state.encode()), Some(state));
            for tries in 0..=TRIES {
                let trial = Some(Trial {
                    slot: slot.other(),
                    tries,
                });
                let state = BootState { slot, trial };
                assert_eq!(BootState::decode(&state.encode()), Some(state));
            }
        }
    }

    #[test]
    fn what_grub_did_not_write_is_no_state() {
        assert_eq!(BootState::decode(&[0; GRUBENV]), None);
        assert_eq!(BootState::decode(b""), None);
        assert_eq!(
            BootState::decode(b"# GRUB Environment Block\nslot=c\n"),
            None
        );
        let others = b"# GRUB Environment Block\nsaved_entry=0\nslot=b\ntrial=\n##";
        let state = BootState::confirmed(Slot::B);
        assert_eq!(BootState::decode(others), Some(state));
    }
}

//! Who may begin a handshake now: asked at TCP accept, before a byte is read or allocated.
//!
//! | an address from which | rate of its own | of all | places |
//! |---|---|---|---|
//! | a registered peer came within 24 h | none: 10,000 rigs can sit behind one | both halves | all |
//! | none came | 20 a second, 40 at once | the first half | half |
//!
//! So whoever floods, from however many addresses, leaves half of everything to those who are known.
//! Known addresses outlive the process: the registry gets them now and then, never per connection, and
//! gives them back at the next start with the time that they have left. No calendar is asked; while the
//! controller is off, nothing runs out.

use std::collections::BTreeMap;
use std::net::IpAddr;

use miner_shared::gate::{Bucket, source_of};
use miner_shared::limits::{
    HALF_RATE, KNOWN_SOURCE_MS, MAX_KNOWN_SOURCES, MAX_PENDING_STRANGERS, MAX_SOURCES, SOURCE_RATE,
};
use miner_shared::time::Millis;

use crate::registry::KnownSource;

/// The state of all rates, of bounded size.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    strangers: Bucket,
    reserved: Bucket,
    /// Connections of strangers that have not proven themselves.
    pending: usize,
    /// Buckets that are not full, and some that are; at most [`MAX_SOURCES`].
    sources: BTreeMap<u64, Bucket>,
    /// Until when it is remembered that a registered peer came from there; at most
    /// [`MAX_KNOWN_SOURCES`].
    known: BTreeMap<u64, Millis>,
    /// Whether `known` says more than what was last given out to be kept.
    unsaved: bool,
}

/// How much longer an address may be remembered before that is worth writing down, in milliseconds.
const WORTH_MS: u64 = 3_600_000;

/// A connection that was let in, until it has proven itself or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    source: u64,
    stranger: bool,
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Shut {
    /// This address tries too often.
    #[error("this address tries too often")]
    Source,
    /// Too many try at once.
    #[error("too many try at once")]
    All,
    /// Too many have not proven who they are.
    #[error("too many are unproven")]
    Pending,
}

impl Gate {
    /// A gate that knows what an earlier one knew.
    pub(crate) fn knowing(kept: &[KnownSource], now: Millis) -> Self {
        let known = kept.iter().take(MAX_KNOWN_SOURCES);
        Self {
            known: known
                .map(|kept| (kept.source, now + kept.left_ms.min(KNOWN_SOURCE_MS)))
                .collect(),
            ..Self::default()
        }
    }

    /// What to keep for the next process, if it has changed enough since the last time.
    pub(crate) fn unsaved(&mut self, now: Millis) -> Option<Vec<KnownSource>> {
        let known = self.known.iter().map(|(source, until)| KnownSource {
            source: *source,
            left_ms: until.since(now),
        });
        std::mem::take(&mut self.unsaved).then(|| known.filter(|kept| kept.left_ms > 0).collect())
    }

    /// Whether a connection from there may go on; it must come back by [`Gate::proven`] or
    /// [`Gate::gone`].
    pub(crate) fn admit(&mut self, from: IpAddr, now: Millis) -> Result<Pass, Shut> {
        let source = source_of(from);
        let stranger = !self.knows(from, now);
        if stranger {
            self.admit_stranger(source, now)?;
        } else if !self.reserved.take(HALF_RATE, now) && !self.strangers.take(HALF_RATE, now) {
            return Err(Shut::All);
        }
        Ok(Pass { source, stranger })
    }

    /// Whether a registered peer came from there lately.
    pub(crate) fn knows(&self, from: IpAddr, now: Millis) -> bool {
        let until = self.known.get(&source_of(from));
        until.is_some_and(|until| *until > now)
    }

    /// A rate that refuses takes nothing from another.
    fn admit_stranger(&mut self, source: u64, now: Millis) -> Result<(), Shut> {
        if self.pending >= MAX_PENDING_STRANGERS {
            return Err(Shut::Pending);
        }
        let mut own = self.sources.get(&source).copied().unwrap_or_default();
        if !own.take(SOURCE_RATE, now) {
            return Err(Shut::Source);
        }
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&source) {
            self.sources.retain(|_, bucket| !bucket.is_full(now));
            if self.sources.len() >= MAX_SOURCES {
                return Err(Shut::All);
            }
        }
        if !self.strangers.take(HALF_RATE, now) {
            return Err(Shut::All);
        }
        self.sources.insert(source, own);
        self.pending += 1;
        Ok(())
    }

    /// A registered peer has proven itself on this connection.
    pub(crate) fn proven(&mut self, pass: Pass, now: Millis) {
        self.gone(pass);
        if self.known.len() >= MAX_KNOWN_SOURCES && !self.known.contains_key(&pass.source) {
            let oldest = self.known.iter().min_by_key(|(_, until)| **until);
            if let Some(oldest) = oldest.map(|(source, _)| *source) {
                self.known.remove(&oldest);
            }
        }
        let until = now + KNOWN_SOURCE_MS;
        let before = self.known.insert(pass.source, until);
        self.unsaved |= before.is_none_or(|before| until.since(before) >= WORTH_MS);
    }

    /// The connection is gone, or no stranger's any more.
    pub(crate) fn gone(&mut self, pass: Pass) {
        self.pending -= usize::from(pass.stranger);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    /// Tries so often in a millisecond each, from the address of each try; how many got in. Whoever
    /// got in is gone at once.
    fn tries(gate: &mut Gate, from: impl Fn(u32) -> IpAddr, each_ms: u32, ms: u64) -> usize {
        let mut admitted = 0;
        for t in 0..ms {
            for n in 0..each_ms {
                let address = from(u32::try_from(t).expect("short") * each_ms + n);
                if let Ok(pass) = gate.admit(address, Millis(1_000 + t)) {
                    gate.gone(pass);
                    admitted += 1;
                }
            }
        }
        admitted
    }

    #[test]
    fn an_address_gets_40_and_then_20_a_second() {
        assert_eq!(tries(&mut Gate::default(), |_| v4(1), 5, 10_000), 239);
    }

    #[test]
    fn one_ipv6_customer_is_one_source() {
        let from = |n: u32| Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(n)).into();
        assert_eq!(tries(&mut Gate::default(), from, 5, 10_000), 239);
    }

    #[test]
    fn a_flood_from_200_addresses_gets_half_of_the_global_rate() {
        let admitted = tries(&mut Gate::default(), |n| v4(n % 200), 5, 10_000);
        assert_eq!(admitted, 125 + 2_499, "a burst, then 250 a second");
    }

    #[test]
    fn a_flood_leaves_the_other_half_to_those_who_are_known() {
        let mut gate = Gate::default();
        let friend = v4(1_000_000);
        let pass = gate.admit(friend, Millis(0)).expect("quiet");
        gate.proven(pass, Millis(0));
        let mut friends = 0;
        for t in 0..10_000 {
            let now = Millis(1_000 + t);
            for n in 0..5 {
                if let Ok(pass) = gate.admit(v4(n), now) {
                    gate.gone(pass);
                }
            }
            if t % 5 == 0 && gate.admit(friend, now).is_ok() {
                friends += 1;
            }
        }
        assert_eq!(friends, 2_000, "200 a second, all of them");
    }

    #[test]
    fn who_is_known_is_forgotten_after_a_day() {
        let mut gate = Gate::default();
        let pass = gate.admit(v4(1), Millis(0)).expect("quiet");
        gate.proven(pass, Millis(0));
        assert_eq!(tries(&mut gate, |_| v4(1), 1, 100), 100);
        let later = Millis(KNOWN_SOURCE_MS);
        let again = (0..100).filter(|_| gate.admit(v4(1), later).is_ok());
        assert_eq!(again.count(), 40);
    }

    #[test]
    fn known_addresses_are_known_to_the_next_process_with_the_time_that_is_left() {
        let mut gate = Gate::default();
        let pass = gate.admit(v4(1), Millis(0)).expect("quiet");
        assert_eq!(gate.unsaved(Millis(0)), None, "nothing to keep");
        gate.proven(pass, Millis(0));
        let now = Millis(3_000);
        let kept = gate.unsaved(now).expect("a new address");
        assert_eq!(kept.len(), 1);
        assert_eq!(gate.unsaved(now), None, "kept once");
        let pass = gate.admit(v4(1), now).expect("known");
        gate.proven(pass, now);
        assert_eq!(gate.unsaved(now), None, "not per connection");

        let mut next = Gate::knowing(&kept, Millis(7));
        assert_eq!(tries(&mut next, |_| v4(1), 1, 100), 100);
        let later = Millis(7 + KNOWN_SOURCE_MS - 3_000);
        let again = (0..100).filter(|_| next.admit(v4(1), later).is_ok());
        assert_eq!(again.count(), 40, "a restart gives no more time");
    }

    #[test]
    fn ten_thousand_rigs_behind_one_address_are_back_within_twenty_seconds_of_a_restart() {
        let kept = KnownSource {
            source: source_of(v4(1)),
            left_ms: KNOWN_SOURCE_MS,
        };
        let mut gate = Gate::knowing(&[kept], Millis(0));
        // All of them try all the time.
        assert!(tries(&mut gate, |_| v4(1), 5, 20_000) >= 10_000);
        assert!(tries(&mut Gate::default(), |_| v4(1), 5, 20_000) < 500);
    }

    #[test]
    fn strangers_fill_half_of_the_places() {
        let mut gate = Gate::default();
        let friend = gate.admit(v4(9_999), Millis(0)).expect("quiet");
        gate.proven(friend, Millis(0));
        let mut passes = Vec::new();
        for n in 0..1_000 {
            if let Ok(pass) = gate.admit(v4(n), Millis(u64::from(n) * 10)) {
                passes.push(pass);
            }
        }
        let now = Millis(10_000);
        assert_eq!(passes.len(), MAX_PENDING_STRANGERS);
        assert_eq!(gate.admit(v4(1), now), Err(Shut::Pending));
        assert!(gate.admit(v4(9_999), now).is_ok());
        passes.into_iter().for_each(|pass| gate.gone(pass));
        assert!(gate.admit(v4(1), now).is_ok());
    }

    #[test]
    fn the_tables_stay_within_their_bounds() {
        let mut gate = Gate::default();
        tries(&mut gate, v4, 5, 20_000);
        assert!(gate.sources.len() <= MAX_SOURCES);
        for n in 0..MAX_KNOWN_SOURCES + 10 {
            let now = Millis(1_000_000 + n as u64 * 100);
            let address = v4(u32::try_from(n).expect("few"));
            let pass = gate.admit(address, now).expect("slowly");
            gate.proven(pass, now);
        }
        assert_eq!(gate.known.len(), MAX_KNOWN_SOURCES);
        assert!(!gate.known.contains_key(&source_of(v4(9))), "oldest out");
        assert!(gate.known.contains_key(&source_of(v4(10))));
    }
}

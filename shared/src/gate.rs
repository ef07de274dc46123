//! What keeps strangers from using up a node: how often, and never the same twice.
//!
//! | | what | memory |
//! |---|---|---|
//! | [`Bucket`] | a rate with a burst, as one moment in time | 8 bytes |
//! | [`source_of`] | whom a rate is for: an IPv4 address, or an IPv6 /64, which one customer gets | 8 bytes |
//! | [`Ephemerals`] | first messages of one token that were answered: a recording of one is not | 8 KiB |
//!
//! The controller's table of sources stands on these; a rig's listener needs a bucket only.

use core::net::IpAddr;

use heapless::Deque;

use crate::limits::TOKEN_EPHEMERALS;
use crate::time::Millis;

/// A rate and a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Between two of them in the long run, in milliseconds.
    pub every_ms: u64,
    /// How many may come at once after a long rest.
    pub burst: u64,
}

/// A token bucket, kept as the moment at which it will be full again: time needs no ticking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Millis,
}

impl Bucket {
    /// Takes one if there is one.
    pub fn take(&mut self, rate: Rate, now: Millis) -> bool {
        let free = self.has_one(rate, now);
        if free {
            self.full_at = self.full_at.max(now) + rate.every_ms;
        }
        free
    }

    /// Whether there is one.
    pub fn has_one(&self, rate: Rate, now: Millis) -> bool {
        let owed = self.full_at.since(now).saturating_add(rate.every_ms);
        owed <= rate.every_ms.saturating_mul(rate.burst)
    }

    /// Takes one whether there is one or not; how long whoever took it is to wait before the next, in
    /// milliseconds.
    pub fn take_ahead(&mut self, rate: Rate, now: Millis) -> u64 {
        self.full_at = self.full_at.max(now) + rate.every_ms;
        let burst = rate.every_ms.saturating_mul(rate.burst);
        self.full_at.since(now).saturating_sub(burst)
    }

    /// Puts back the one that was taken for what counts elsewhere.
    pub fn put_back(&mut self, rate: Rate) {
        self.full_at = Millis(self.full_at.0.saturating_sub(rate.every_ms));
    }

    /// Whether it is as if nothing had ever been taken.
    pub fn is_full(&self, now: Millis) -> bool {
        self.full_at <= now
    }
}

/// Whom a rate is for. An IPv4 address lies in ::/8, which no IPv6 network uses, whether it came as
/// itself or mapped into IPv6.
pub fn source_of(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h, ..] = v6.octets();
            u64::from_be_bytes([a, b, c, d, e, f, g, h])
        }
    }
}

/// The ephemeral keys of the last first messages that knew a token's secret.
///
/// A key is noted only after the secret was proven, so that nobody without it can push others out.
#[derive(Clone, Debug, Default)]
pub struct Ephemerals {
    last: Deque<[u8; 32], TOKEN_EPHEMERALS>,
}

impl Ephemerals {
    /// Whether this first message was answered before: it is a recording.
    pub fn contains(&self, ephemeral: &[u8; 32]) -> bool {
        self.last.iter().any(|seen| seen == ephemeral)
    }

    /// Notes the key of a first message that is answered; the oldest falls out.
    pub fn note(&mut self, ephemeral: [u8; 32]) {
        if self.last.is_full() {
            self.last.pop_front();
        }
        // There is room: one was just taken out.
        let _noted = self.last.push_back(ephemeral);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        every_ms: 50,
        burst: 40,
    };

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::default();
        let mut now = Millis(7);
        assert_eq!((0..100).filter(|_| bucket.take(RATE, now)).count(), 40);
        now += 49;
        assert!(!bucket.take(RATE, now));
        now += 1;
        assert!(bucket.take(RATE, now) && !bucket.take(RATE, now));
        now += 10_000;
        assert!(bucket.is_full(now));
        assert_eq!((0..100).filter(|_| bucket.take(RATE, now)).count(), 40);
    }

    #[test]
    fn whoever_takes_ahead_is_told_how_long_to_wait() {
        let mut bucket = Bucket::default();
        let now = Millis(1_000);
        let waits = (0..43).map(|_| bucket.take_ahead(RATE, now));
        assert_eq!(waits.sum::<u64>(), 50 + 100 + 150);
        assert_eq!(bucket.take_ahead(RATE, now + 200), 0);
    }

    #[test]
    fn ipv4_counts_by_address_and_ipv6_by_network() {
        let source = |text: &str| source_of(text.parse().expect("an address"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
    }

    #[test]
    fn the_last_256_first_messages_are_known_again() {
        let mut seen = Ephemerals::default();
        let key = |n: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_le_bytes());
            key
        };
        (0..257).for_each(|n| seen.note(key(n)));
        assert!(!seen.contains(&key(0)), "the oldest fell out");
        assert!((1..257).all(|n| seen.contains(&key(n))));
        assert!(!seen.contains(&key(257)));
    }
}

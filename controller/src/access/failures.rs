//! How often somebody may come with a credential that is none.
//!
//! | whose | rate | beyond it |
//! |---|---|---|
//! | one address, or one IPv6 customer | 10 at once, then one each 6 s | 429 instead of 401 |
//! | everybody | 100 at once, then 10 a second | the same, for bad credentials only |
//!
//! A good credential always passes, also from an address that is over its rate: 2^256 values cannot be
//! tried, so what is bounded is noise (log, events, audit), and nobody can lock the owner out by
//! guessing from the owner's address, which on loopback every user of the machine has.

use std::collections::BTreeMap;
use std::net::IpAddr;

use miner_shared::gate::{Bucket, Rate, source_of};
use miner_shared::time::Millis;

/// Bad credentials of one address.
pub const SOURCE_FAILURES: Rate = Rate {
    every_ms: 6_000,
    burst: 10,
};
/// Bad credentials of all addresses.
pub const ALL_FAILURES: Rate = Rate {
    every_ms: 100,
    burst: 100,
};
/// Addresses that are counted by themselves: 1,024 of 16 bytes. The others share [`ALL_FAILURES`].
pub const MAX_FAILED_SOURCES: usize = 1024;

/// The state of both rates.
#[derive(Debug, Default)]
pub struct Failures {
    all: Bucket,
    sources: BTreeMap<u64, Bucket>,
}

impl Failures {
    /// Notes a bad credential; whether it is the last before a rate is reached. `Err` is for one beyond it:
    /// how many seconds to wait.
    pub fn note(&mut self, from: IpAddr, now: Millis) -> Result<bool, u16> {
        let source = source_of(from);
        if self.sources.len() >= MAX_FAILED_SOURCES && !self.sources.contains_key(&source) {
            self.sources.retain(|_, bucket| !bucket.is_full(now));
        }
        let has_room = self.sources.len() < MAX_FAILED_SOURCES;
        let mut own = self.sources.get(&source).copied().unwrap_or_default();
        if !own.take(SOURCE_FAILURES, now) {
            return Err(seconds(SOURCE_FAILURES));
        }
        let is_last = !own.has_one(SOURCE_FAILURES, now);
        if has_room || self.sources.contains_key(&source) {
            self.sources.insert(source, own);
        }
        if !self.all.take(ALL_FAILURES, now) {
            return Err(seconds(ALL_FAILURES));
        }
        Ok(is_last)
    }
}

/// Until there is one more, in whole seconds.
fn seconds(rate: Rate) -> u16 {
    u16::try_from(rate.every_ms.div_ceil(1000)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn v4(n: u32) -> IpAddr {
        Ipv4Addr::from_bits(0x0a00_0000 + n).into()
    }

    #[test]
    fn an_address_may_fail_ten_times_and_then_once_in_six_seconds() {
        let mut failures = Failures::default();
        let now = Millis(1_000);
        let taken = (0..100).filter(|_| failures.note(v4(1), now).is_ok());
        assert_eq!(taken.count(), 10);
        assert_eq!(failures.note(v4(1), now + 5_999), Err(6));
        assert_eq!(failures.note(v4(1), now + 6_000), Ok(true));
        assert_eq!(
            failures.note(v4(2), now),
            Ok(false),
            "another is not slowed"
        );
    }

    #[test]
    fn one_ipv6_customer_is_one_source() {
        let mut failures = Failures::default();
        let from = |n: u128| IpAddr::from(Ipv6Addr::from(0x2001_0db8 << 96 | n));
        let taken = (0..100).filter(|n| failures.note(from(*n), Millis(1)).is_ok());
        assert_eq!(taken.count(), 10);
    }

    #[test]
    fn however_many_addresses_fail_the_table_and_the_sum_are_bounded() {
        let mut failures = Failures::default();
        let taken = (0..5_000).filter(|n| failures.note(v4(*n), Millis(1)).is_ok());
        assert_eq!(taken.count(), 100);
        assert_eq!(failures.sources.len(), MAX_FAILED_SOURCES);
        assert_eq!(failures.note(v4(9_999), Millis(60_001)), Ok(false));
        assert!(failures.sources.len() <= MAX_FAILED_SOURCES);
    }
}

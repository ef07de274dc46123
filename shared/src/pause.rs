//! Pauses between attempts, with full jitter: whoever lost the same thing at the same moment does not
//! come back for it at the same moment.
//!
//! ```text
//!   attempt   1     2       3           4                        longest
//!   pause   0..first  0..2·first  0..4·first  0..8·first   ..   0..longest
//! ```
//! Used towards controllers ([`REDIAL_MS`](crate::limits::REDIAL_MS)) and towards pools.

use rand_core::Rng;

/// A pause between 0 and `first · 2^doublings`, at most `longest`, in milliseconds; `bounds` is
/// (first, longest), `doublings` how many attempts have failed before this one.
pub fn full_jitter(bounds: (u64, u64), doublings: u32, rng: &mut dyn Rng) -> u64 {
    let (first, longest) = bounds;
    let ceiling = first.saturating_mul(1 << doublings.min(32)).min(longest);
    rng.next_u64() % ceiling.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use rand_core::Infallible;
    use rand_core::TryRng;

    use super::*;
    use crate::limits::REDIAL_MS;

    /// Numbers that are spread evenly, by the golden ratio.
    struct Spread(u64);

    impl TryRng for Spread {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok((self.try_next_u64()? >> 32) as u32)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            Ok(self.0)
        }

        fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
            bytes.fill_with(|| (self.0 >> 56) as u8);
            Ok(())
        }
    }

    #[test]
    fn jitter_uses_the_whole_range() {
        let mut rng = Spread(1);
        let pauses: Vec<u64> = (0..200)
            .map(|_| full_jitter(REDIAL_MS, 6, &mut rng))
            .collect();
        assert!(pauses.iter().any(|ms| *ms < 7_500));
        assert!(pauses.iter().any(|ms| *ms > 22_500));
        assert!(pauses.iter().all(|ms| *ms <= 30_000));
    }

    #[test]
    fn the_ceiling_doubles_to_the_longest() {
        let mut rng = Spread(7);
        for (doublings, ceiling) in [
            (0, 1_000),
            (1, 2_000),
            (4, 16_000),
            (5, 30_000),
            (99, 30_000),
        ] {
            let longest = (0..1_000)
                .map(|_| full_jitter(REDIAL_MS, doublings, &mut rng))
                .max();
            assert!(
                longest <= Some(ceiling) && longest > Some(ceiling / 2),
                "{doublings}"
            );
        }
    }
}

//! One point of the history, of a rig or of the fleet: what is known of one step, and how two are merged.
//!
//! Both carry for how many seconds their figures stand, so that merging is a mean by time, in whatever
//! order and over whatever gaps, and unknown stays apart from 0.

use miner_shared::wire::{MinerStats, RigStats};

use super::tier::Tier;

/// Seconds that a point of the finest tier stands for.
const STEP_S: u16 = 10;
const _: () = assert!(STEP_S as u64 == Tier::Fine.step_s());
/// In [`Point::known`]: its counts of shares are known.
const SHARES_KNOWN: u16 = 1 << 15;
// The seconds of the longest step are below that bit.
const _: () = assert!(Tier::Quarter.step_s() < SHARES_KNOWN as u64);

/// One step of one rig.
///
/// ```text
///   0  rate      f32   mean hash rate while it was known, in H/s
///   4  accepted  u32   shares that pools accepted in the step
///   8  rejected  u16   refused, stale ones apart; stops at 65,535, as do stale
///  10  stale     u16
///  12  live      u16   seconds with a link
///  14  known     u16   seconds with a known hash rate; bit 15: the counts of shares are known
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    rate: f32,
    accepted: u32,
    rejected: u16,
    stale: u16,
    live: u16,
    known: u16,
}

/// Shares in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// That pools accepted.
    pub accepted: u64,
    /// That pools refused, stale ones apart.
    pub rejected: u64,
    /// For a job that was over.
    pub stale: u64,
}

impl Shares {
    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            accepted: self.accepted.saturating_add(other.accepted),
            rejected: self.rejected.saturating_add(other.rejected),
            stale: self.stale.saturating_add(other.stale),
        }
    }

    /// What a miner says that it has counted since its start.
    fn counted(miner: &MinerStats) -> Self {
        Self {
            accepted: miner.accepted,
            rejected: miner.rejected,
            stale: miner.stale,
        }
    }

    /// What came between two reports of one miner. Counts that fell mean that it started again.
    fn between(old: Self, new: Self) -> Self {
        let grown = || {
            Some(Self {
                accepted: new.accepted.checked_sub(old.accepted)?,
                rejected: new.rejected.checked_sub(old.rejected)?,
                stale: new.stale.checked_sub(old.stale)?,
            })
        };
        grown().unwrap_or(new)
    }

    /// What came between two reports of one rig.
    fn since(old: &RigStats, new: &RigStats) -> Self {
        new.miners.iter().fold(Self::default(), |sum, miner| {
            let before = old.miners.iter().find(|before| before.name == miner.name);
            let before = before.map_or_else(Self::default, Self::counted);
            sum.plus(Self::between(before, Self::counted(miner)))
        })
    }
}

impl Point {
    /// Bytes of a point.
    pub(super) const BYTES: usize = 16;

    /// A step of the finest tier.
    pub fn new(rate: Option<f64>, shares: Option<Shares>, live: bool) -> Self {
        let counts = shares.unwrap_or_default();
        let known = if rate.is_some() { STEP_S } else { 0 };
        Self {
            rate: narrowed(rate.unwrap_or(0.0)),
            accepted: u32::try_from(counts.accepted).unwrap_or(u32::MAX),
            rejected: u16::try_from(counts.rejected).unwrap_or(u16::MAX),
            stale: u16::try_from(counts.stale).unwrap_or(u16::MAX),
            live: if live { STEP_S } else { 0 },
            known: known | shares.map_or(0, |_| SHARES_KNOWN),
        }
    }

    /// Mean hash rate while it was known, in H/s.
    pub fn rate(&self) -> Option<f64> {
        (self.rate_s() > 0).then_some(f64::from(self.rate))
    }

    /// Shares of the step, if somebody counted them.
    pub fn shares(&self) -> Option<Shares> {
        (self.known & SHARES_KNOWN != 0).then_some(Shares {
            accepted: self.accepted.into(),
            rejected: self.rejected.into(),
            stale: self.stale.into(),
        })
    }

    /// Seconds of the step with a link.
    pub const fn live_s(&self) -> u16 {
        self.live
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.known == 0 && self.live == 0
    }

    /// Seconds of the step with a known hash rate.
    pub const fn rate_s(&self) -> u16 {
        self.known & !SHARES_KNOWN
    }

    /// Both steps as one.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let (mine, theirs) = (self.rate_s(), other.rate_s());
        let known = mine.saturating_add(theirs).min(!SHARES_KNOWN);
        let weights = (
            f64::from(self.rate),
            mine.into(),
            f64::from(other.rate),
            theirs.into(),
        );
        Self {
            rate: narrowed(mean(weights)),
            accepted: self.accepted.saturating_add(other.accepted),
            rejected: self.rejected.saturating_add(other.rejected),
            stale: self.stale.saturating_add(other.stale),
            live: self.live.saturating_add(other.live),
            known: known | (self.known | other.known) & SHARES_KNOWN,
        }
    }

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.rate.to_le_bytes();
        let [e, f, g, h] = self.accepted.to_le_bytes();
        let [[i, j], [k, l], [m, n], [o, p]] =
            [self.rejected, self.stale, self.live, self.known].map(u16::to_le_bytes);
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    pub(super) fn decode(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        let [rejected, stale, live, known] =
            [[i, j], [k, l], [m, n], [o, p]].map(u16::from_le_bytes);
        Self {
            rate: f32::from_le_bytes([a, b, c, d]),
            accepted: u32::from_le_bytes([e, f, g, h]),
            rejected,
            stale,
            live,
            known,
        }
    }
}

/// Mean of two rates by the seconds that they stand for.
fn mean((left, left_s, right, right_s): (f64, f64, f64, f64)) -> f64 {
    let seconds = left_s + right_s;
    if seconds == 0.0 {
        return 0.0;
    }
    (left * left_s + right * right_s) / seconds
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "to the nearest: seven digits of a hash rate"
)]
fn narrowed(rate: f64) -> f32 {
    rate as f32
}

/// One step of the whole farm.
///
/// ```text
///   0  rate        f64   mean of the sum of the live rigs' hash rates while one was known, in H/s
///   8  accepted    u64   shares that pools accepted in the step
///  16  rejected    u64
///  24  stale       u64
///  32  live        u32   seconds with a link, of all rigs together
///  36  registered  u32   seconds in the registry, of all rigs together
///  40  seconds     u32   that were recorded
///  44  known       u32   seconds with a known hash rate
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fleet {
    rate: f64,
    shares: Shares,
    live: u32,
    registered: u32,
    seconds: u32,
    known: u32,
}

impl Fleet {
    /// Bytes of a point.
    pub(super) const BYTES: usize = 48;

    /// A step of the finest tier: how many rigs the registry has, and what the step was for each rig.
    pub fn of(registered: usize, rigs: impl Iterator<Item = Point>) -> Self {
        let seconds = u32::from(STEP_S);
        let registered = u32::try_from(registered).unwrap_or(u32::MAX);
        let mut fleet = Self {
            registered: registered.saturating_mul(seconds),
            seconds,
            ..Self::default()
        };
        for rig in rigs {
            fleet.live = fleet.live.saturating_add(rig.live.into());
            fleet.shares = fleet.shares.plus(rig.shares().unwrap_or_default());
            if let (Some(rate), 1..) = (rig.rate(), rig.live) {
                fleet.rate += rate;
                fleet.known = seconds;
            }
        }
        fleet
    }

    /// Mean of the sum of the live rigs' hash rates while one was known, in H/s.
    pub fn rate(&self) -> Option<f64> {
        (self.known > 0).then_some(self.rate)
    }

    /// Shares of the step.
    pub const fn shares(&self) -> Shares {
        self.shares
    }

    /// Mean number of rigs with a link.
    pub fn live(&self) -> f64 {
        f64::from(self.live) / f64::from(self.seconds.max(1))
    }

    /// Mean number of rigs in the registry.
    pub fn registered(&self) -> f64 {
        f64::from(self.registered) / f64::from(self.seconds.max(1))
    }

    /// Seconds with a known hash rate.
    pub const fn rate_s(&self) -> u32 {
        self.known
    }

    /// Seconds that were recorded.
    pub const fn seconds(&self) -> u32 {
        self.seconds
    }

    /// Whether nothing was recorded.
    pub const fn is_empty(&self) -> bool {
        self.seconds == 0
    }

    /// Both steps as one.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        let weights = (self.rate, self.known.into(), other.rate, other.known.into());
        Self {
            rate: mean(weights),
            shares: self.shares.plus(other.shares),
            live: self.live.saturating_add(other.live),
            registered: self.registered.saturating_add(other.registered),
            seconds: self.seconds.saturating_add(other.seconds),
            known: self.known.saturating_add(other.known),
        }
    }

    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let Shares {
            accepted,
            rejected,
            stale,
        } = self.shares;
        let (wide, narrow) = bytes.split_at_mut(32);
        let words = [self.rate.to_bits(), accepted, rejected, stale];
        for (place, word) in wide.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let words = [self.live, self.registered, self.seconds, self.known];
        for (place, word) in narrow.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: [u8; Self::BYTES]) -> Self {
        let (wide, narrow) = bytes.split_at(32);
        let (wide, _) = wide.as_chunks::<8>();
        let (narrow, _) = narrow.as_chunks::<4>();
        let wide = |at: usize| wide.get(at).map_or(0, |word| u64::from_le_bytes(*word));
        let narrow = |at: usize| narrow.get(at).map_or(0, |word| u32::from_le_bytes(*word));
        Self {
            rate: f64::from_bits(wide(0)),
            shares: Shares {
                accepted: wide(1),
                rejected: wide(2),
                stale: wide(3),
            },
            live: narrow(0),
            registered: narrow(1),
            seconds: narrow(2),
            known: narrow(3),
        }
    }
}

/// What a rig has said since the last step was closed.
///
/// A share is counted in the step in which the controller learns of it, also after a gap in the link; what
/// a rig counted before its first report to this process is not in the history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    rates: f64,
    samples: u32,
    shares: Option<Shares>,
}

impl Tally {
    /// A report came; `old` is the one before it in this process, if there was one. The shares between them.
    pub fn add(&mut self, old: Option<&RigStats>, new: &RigStats) -> Shares {
        if let Some(rate) = rate_of(new) {
            self.rates += rate;
            self.samples = self.samples.saturating_add(1);
        }
        let Some(old) = old else {
            return Shares::default();
        };
        let found = Shares::since(old, new);
        self.shares = Some(self.shares.unwrap_or_default().plus(found));
        found
    }

    /// Closes the step: its point; `live` is whether a link is up now.
    pub fn take(&mut self, live: bool) -> Point {
        let Self {
            rates,
            samples,
            shares,
        } = std::mem::take(self);
        let rate = (samples > 0).then(|| rates / f64::from(samples));
        Point::new(rate, shares, live)
    }
}

/// Sum of the miners' hash rates over 10 s, in H/s; unknown if none is known.
fn rate_of(stats: &RigStats) -> Option<f64> {
    let known = stats.miners.iter().filter_map(|miner| miner.hashrate.s10);
    let thousandths = known.reduce(u64::saturating_add)?;
    #[expect(clippy::cast_precision_loss, reason = "exact below 9 TH/s")]
    Some(thousandths as f64 / 1_000.0)
}

#[cfg(test)]
pub(crate) mod tests {
    use miner_shared::text::MinerName;
    use miner_shared::wire::{Activity, Algo, Backend, Windows};
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn report(rate: Option<u64>, accepted: u64) -> RigStats {
        let miner = MinerStats {
            name: MinerName::parse("miner-rx0").expect("valid"),
            backend: Backend::Cpu,
            algo: Algo::Rx0,
            threads: 2,
            memory: None,
            pages: None,
            hashrate: Windows {
                s10: rate,
                ..Windows::default()
            },
            hashes: 0,
            accepted,
            rejected: 0,
            stale: 0,
            lost: 0,
            last_share_ms: None,
            uptime_ms: 0,
            pool: None,
            difficulty: None,
        };
        RigStats {
            uptime_ms: 0,
            generation: 0,
            profile: None,
            activity: Activity::Mining,
            miners: [miner].into_iter().collect(),
            logs_lost: 0,
        }
    }

    fn accepted(point: Point) -> Option<u64> {
        point.shares().map(|shares| shares.accepted)
    }

    #[test]
    fn a_step_is_the_mean_of_its_reports_and_the_shares_between_them() {
        let mut tally = Tally::default();
        let reports = [
            report(Some(1_000), 7),
            report(Some(3_000), 9),
            report(None, 12),
        ];
        tally.add(None, &reports[0]);
        tally.add(Some(&reports[0]), &reports[1]);
        tally.add(Some(&reports[1]), &reports[2]);
        let point = tally.take(true);
        assert_eq!(point.rate(), Some(2.0));
        assert_eq!(accepted(point), Some(5));
        assert_eq!(point.live_s(), 10);
        assert!(tally.take(false).is_empty(), "a step begins empty");
    }

    #[test]
    fn unknown_is_not_zero() {
        let mut tally = Tally::default();
        tally.add(None, &report(None, 7));
        let first = tally.take(true);
        assert_eq!((first.rate(), first.shares()), (None, None));
        tally.add(Some(&report(None, 7)), &report(Some(0), 7));
        let second = tally.take(true);
        assert_eq!((second.rate(), accepted(second)), (Some(0.0), Some(0)));
    }

    #[test]
    fn a_miner_that_started_again_counts_from_zero() {
        let mut tally = Tally::default();
        tally.add(Some(&report(None, 100)), &report(None, 3));
        assert_eq!(accepted(tally.take(true)), Some(3));
    }

    #[test]
    fn the_fleet_is_the_sum_of_live_rigs() {
        let shares = |accepted| {
            Some(Shares {
                accepted,
                ..Shares::default()
            })
        };
        let rigs = [
            Point::new(Some(100.0), shares(1), true),
            Point::new(Some(50.0), shares(2), true),
            Point::new(Some(1_000.0), shares(4), false),
            Point::new(None, None, true),
        ];
        let fleet = Fleet::of(5, rigs.into_iter());
        assert_eq!(fleet.rate(), Some(150.0));
        assert_eq!(
            fleet.shares().accepted,
            7,
            "a share counts whatever became of the link"
        );
        assert_eq!((fleet.live(), fleet.registered()), (3.0, 5.0));
        let dark = Fleet::of(5, std::iter::empty());
        assert_eq!((dark.rate(), dark.live()), (None, 0.0));
        let both = fleet.merge(&dark);
        assert_eq!((both.rate(), both.live()), (Some(150.0), 1.5));
    }

    fn points() -> impl Strategy<Value = Point> {
        let rate = proptest::option::of(0.0..1e9);
        let counts = proptest::option::of((0..100_000u64, 0..70_000u64, 0..9u64));
        (rate, counts, any::<bool>()).prop_map(|(rate, counts, live)| {
            let shares = counts.map(|(accepted, rejected, stale)| Shares {
                accepted,
                rejected,
                stale,
            });
            Point::new(rate, shares, live)
        })
    }

    proptest! {
        #[test]
        fn a_point_is_read_back_as_it_was_written(point in points()) {
            prop_assert_eq!(Point::decode(point.encode()), point);
        }

        #[test]
        fn a_fleet_point_is_read_back_as_it_was_written(rigs in proptest::collection::vec(points(), 0..9)) {
            let fleet = Fleet::of(9, rigs.into_iter());
            prop_assert_eq!(Fleet::decode(fleet.encode()), fleet);
        }

        #[test]
        fn merging_is_a_mean_by_time_whatever_the_order(points in proptest::collection::vec(points(), 1..90)) {
            let merge = |all: &mut dyn Iterator<Item = &Point>| {
                all.fold(Point::default(), |sum, point| sum.merge(point))
            };
            let (there, back) = (merge(&mut points.iter()), merge(&mut points.iter().rev()));
            let known: Vec<f64> = points.iter().filter_map(Point::rate).collect();
            match there.rate() {
                None => prop_assert!(known.is_empty()),
                Some(rate) => {
                    let mean = known.iter().sum::<f64>() / known.len() as f64;
                    let close = |a: f64, b: f64| (a - b).abs() <= 1e-5 * b.abs() + 1e-6;
                    prop_assert!(close(rate, mean), "{} {}", rate, mean);
                    prop_assert!(close(back.rate().unwrap_or(-1.0), mean));
                }
            }
            prop_assert_eq!(there.shares(), back.shares());
            prop_assert_eq!(there.live_s(), back.live_s());
        }
    }
}

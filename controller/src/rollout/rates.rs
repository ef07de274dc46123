//! What rigs made in the last ten minutes, one sample a minute.

use std::collections::BTreeMap;

use miner_shared::identity::Fingerprint;

/// Samples of each rig: ten minutes. 10,000 rigs * 10 * 16 bytes = 1.6 MB.
const SAMPLES: usize = 10;

/// Samples of all rigs, in thousandths of a hash per second.
#[derive(Debug, Default)]
pub struct Rates {
    /// Where the next samples go.
    at: usize,
    rigs: BTreeMap<Fingerprint, [Option<u64>; SAMPLES]>,
}

impl Rates {
    /// Takes this minute's samples. A rig without one was not seen to mine.
    pub fn take(&mut self, samples: &BTreeMap<Fingerprint, u64>) {
        for (key, rates) in &mut self.rigs {
            if let Some(place) = rates.get_mut(self.at) {
                *place = samples.get(key).copied();
            }
        }
        for (key, rate) in samples {
            if !self.rigs.contains_key(key) {
                let mut rates = [None; SAMPLES];
                if let Some(place) = rates.get_mut(self.at) {
                    *place = Some(*rate);
                }
                self.rigs.insert(*key, rates);
            }
        }
        self.rigs
            .retain(|_, rates| rates.iter().any(Option::is_some));
        self.at = (self.at + 1) % SAMPLES;
    }

    /// Mean of a rig's samples; `None` if there are none.
    pub fn mean(&self, key: &Fingerprint) -> Option<u64> {
        let known = || self.rigs.get(key).into_iter().flatten().flatten();
        let sum: u128 = known().map(|rate| u128::from(*rate)).sum();
        let mean = sum.checked_div(u128::try_from(known().count()).ok()?)?;
        u64::try_from(mean).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIG: Fingerprint = Fingerprint([1; 32]);

    fn take(rates: &mut Rates, rate: Option<u64>) {
        let samples = rate.map(|rate| (RIG, rate)).into_iter().collect();
        rates.take(&samples);
    }

    #[test]
    fn the_mean_is_of_the_last_ten_minutes_and_of_what_is_known() {
        let mut rates = Rates::default();
        assert_eq!(rates.mean(&RIG), None);
        take(&mut rates, Some(100));
        take(&mut rates, None);
        take(&mut rates, Some(200));
        assert_eq!(rates.mean(&RIG), Some(150));
        for _ in 0..SAMPLES {
            take(&mut rates, Some(7));
        }
        assert_eq!(rates.mean(&RIG), Some(7), "older samples are gone");
        for _ in 0..SAMPLES {
            take(&mut rates, None);
        }
        assert_eq!(rates.mean(&RIG), None);
        assert!(
            rates.rigs.is_empty(),
            "nothing is kept of a rig that is gone"
        );
    }
}

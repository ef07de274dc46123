//! A machine: what a hash thread owns, over memory that all share.

use core::fmt;
use std::sync::Arc;

use super::features::Features;
use super::ffi::{Flags, RawVm};
use super::{Cache, Dataset};
use crate::{EngineError, Hash, HashEngine};

/// A RandomX machine. Making one takes a few milliseconds: keep it.
///
/// Its scratchpad lies in reserved huge pages where some are free, else in small pages: RandomX
/// 1.2.x tells nobody where it is, so transparent ones cannot be asked for. One reserved page of
/// 2 MiB per hash thread (`vm.nr_hugepages`) is enough. It was worth 6 % per second of processor
/// time on two busy cores of a virtual machine (median of 12 rounds in turn, from -3 to +16 %), with
/// the dataset in transparent huge pages both times.
pub struct Vm {
    raw: RawVm,
    reserved_scratchpad: bool,
}

impl Vm {
    /// A machine that computes dataset items from the cache as it needs them.
    ///
    /// # Errors
    /// [`EngineError::NotKeyed`], [`EngineError::NoVmMemory`].
    pub fn light(cache: &Arc<Cache>) -> Result<Self, EngineError> {
        Self::light_with(cache, Features::detect())
    }

    pub(crate) fn light_with(cache: &Arc<Cache>, features: Features) -> Result<Self, EngineError> {
        Self::best(features, |flags| RawVm::light(flags, cache))
    }

    /// A machine that reads the dataset.
    ///
    /// # Errors
    /// [`EngineError::NotFilled`], [`EngineError::NoVmMemory`].
    pub fn fast(dataset: &Arc<Dataset>) -> Result<Self, EngineError> {
        Self::best(Features::detect(), |flags| RawVm::fast(flags, dataset))
    }

    /// Reserved pages first; without a compiler rather than not at all.
    fn best(
        features: Features,
        make: impl Fn(Flags) -> Result<RawVm, EngineError>,
    ) -> Result<Self, EngineError> {
        let flags = features.vm_flags();
        let (mut raw, reserved_scratchpad) = match make(flags.with(Flags::LARGE_PAGES)) {
            Ok(raw) => (raw, true),
            Err(_) => {
                let plain = make(flags).or_else(|_| make(features.without_jit().vm_flags()))?;
                (plain, false)
            }
        };
        // From here on an input is in flight, as the trait says; it also touches the scratchpad on
        // the thread that will use it.
        raw.first(&[]);
        Ok(Self {
            raw,
            reserved_scratchpad,
        })
    }
}

impl HashEngine for Vm {
    fn first(&mut self, input: &[u8]) {
        self.raw.first(input);
    }

    fn next(&mut self, input: &[u8], hash: &mut Hash) {
        self.raw.next(input, hash);
    }

    fn last(&mut self, hash: &mut Hash) {
        self.raw.last(hash);
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm")
            .field("reserved_scratchpad", &self.reserved_scratchpad)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::features::Jit;
    use super::*;

    #[test]
    fn every_way_to_run_programs_gives_the_published_hash() {
        let best = Features::detect();
        let mut cache = Cache::new().expect("memory");
        cache.key_bytes(b"test key 000");
        let cache = Arc::new(cache);
        for jit in [Jit::Off, Jit::Secure, Jit::On] {
            for hard_aes in [false, true] {
                let features = Features {
                    jit,
                    hard_aes: hard_aes && best.hard_aes,
                    ..best
                };
                if jit > best.jit {
                    continue;
                }
                let mut vm = Vm::light_with(&cache, features).expect("memory");
                assert_eq!(
                    vm.hash(b"This is a test")[..8],
                    [0x63, 0x91, 0x83, 0xaa, 0xe1, 0xbf, 0x4c, 0x9a],
                    "{features}"
                );
            }
        }
    }
}

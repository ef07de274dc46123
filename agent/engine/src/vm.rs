//! A machine: what a hash thread owns, over memory that all share.
#![expect(
    unsafe_code,
    reason = "answers for the memory that compiled programs read"
)]

use core::fmt;
use std::sync::Arc;

use miner_shared::wire::PageWish;

use crate::aes::{Aes, State};
use crate::blake::{hash256, hash512};
use crate::interpret;
use crate::jit::{self, Lines};
use crate::memory::Memory;
use crate::params::{LINE, MAX_PROGRAM, Params};
use crate::program::{Configuration, Instruction, ProgramBytes, decode, program_bytes};
use crate::registers::Registers;
use crate::rounding::Mode;
use crate::{Algorithm, Cache, Dataset, EngineError, Features, Hash, HashEngine};

/// Size of a machine's scratchpad.
pub const SCRATCHPAD_BYTES: usize = 2 << 20;

/// A RandomX machine. Making one takes a few milliseconds: keep it.
///
/// Its scratchpad lies in a reserved huge page where one is free, else in a transparent one.
pub struct Vm {
    source: Source,
    params: &'static Params,
    aes: Aes,
    /// Where programs are compiled to; without it they are interpreted.
    compiled: Option<jit::Program>,
    scratchpad: Memory,
    /// Where the generator of the input in flight stands, after it filled the scratchpad.
    seed: State,
    work: Box<Work>,
}

/// What a program needs while it is made and run.
struct Work {
    registers: Registers,
    bytes: ProgramBytes,
    program: [Instruction; MAX_PROGRAM],
}

/// Where dataset items come from.
#[derive(Clone)]
enum Source {
    Light(Arc<Cache>),
    Fast(Arc<Dataset>),
}

impl Source {
    fn params(&self) -> Result<&'static Params, EngineError> {
        match self {
            Self::Light(cache) => Ok(cache.keyed()?.params),
            Self::Fast(dataset) => Ok(dataset.filled()?.1),
        }
    }

    /// For compiled programs; `None` if they cannot be had.
    fn lines(&self) -> Option<Lines> {
        match self {
            Self::Light(cache) => cache.keyed().ok()?.lines(),
            Self::Fast(dataset) => {
                let start = dataset.filled().ok()?.0.as_ptr();
                Some(Lines::Dataset { start })
            }
        }
    }

    /// A dataset item.
    fn line(&self, number: u64) -> [u64; 8] {
        let mut words = [0; 8];
        match self {
            Self::Light(cache) => {
                if let Ok(cache) = cache.keyed() {
                    words = cache.item(number);
                }
            }
            Self::Fast(dataset) => {
                if let Ok((bytes, _)) = dataset.filled() {
                    let line = &bytes.as_chunks::<LINE>().0[number as usize];
                    for (word, bytes) in words.iter_mut().zip(line.as_chunks::<8>().0) {
                        *word = u64::from_le_bytes(*bytes);
                    }
                }
            }
        }
        words
    }
}

impl Vm {
    /// A machine that computes dataset items from the cache as it needs them.
    ///
    /// # Errors
    /// [`EngineError::NotKeyed`], [`EngineError::NoVmMemory`].
    pub fn light(cache: &Arc<Cache>) -> Result<Self, EngineError> {
        Self::over(cache, compiler())
    }

    /// A machine that reads the dataset.
    ///
    /// # Errors
    /// [`EngineError::NotFilled`], [`EngineError::NoVmMemory`].
    pub fn fast(dataset: &Arc<Dataset>) -> Result<Self, EngineError> {
        let source = Source::Fast(Arc::clone(dataset));
        Self::new(source, Aes::detect(), compiler())
    }

    /// This machine for another algorithm on the same cache or dataset, with the empty input in flight.
    #[must_use]
    pub fn hashing(mut self, algorithm: Algorithm) -> Self {
        self.params = algorithm.params();
        self.first(&[]);
        self
    }

    /// A machine on a cache, with this compiler or interpreting.
    pub(crate) fn over(
        cache: &Arc<Cache>,
        compiled: Option<jit::Program>,
    ) -> Result<Self, EngineError> {
        Self::new(Source::Light(Arc::clone(cache)), Aes::detect(), compiled)
    }

    fn new(source: Source, aes: Aes, compiled: Option<jit::Program>) -> Result<Self, EngineError> {
        let params = source.params()?;
        let scratchpad =
            Memory::new(SCRATCHPAD_BYTES, PageWish::Auto).ok_or(EngineError::NoVmMemory)?;
        let mut vm = Self {
            source,
            params,
            aes,
            compiled,
            scratchpad,
            seed: [0; LINE],
            work: Box::new(Work {
                registers: Registers::new(),
                bytes: [0; _],
                program: [Instruction::Nothing; MAX_PROGRAM],
            }),
        };
        // From here on an input is in flight, as the trait says; it also touches the scratchpad on
        // the thread that will use it.
        vm.first(&[]);
        Ok(vm)
    }

    fn scratchpad(&mut self) -> &mut [u8] {
        let bytes = self.params.l3 as usize;
        &mut self.scratchpad.as_mut_slice()[..bytes]
    }

    /// Runs all programs of the input in flight (specification, chapter 2, steps 6 to 11).
    fn run_programs(&mut self) {
        self.work.registers.mode = Mode::Nearest;
        for left in (0..self.params.programs).rev() {
            self.run_program();
            if left > 0 {
                self.seed = hash512(&self.work.registers.file());
            }
        }
    }

    fn run_program(&mut self) {
        let work = &mut *self.work;
        let bytes = &mut work.bytes[..program_bytes(self.params)];
        self.aes.program(&self.seed, bytes);
        let configuration = Configuration::of(bytes);
        work.registers.configure(&configuration);
        let program = decode(bytes, self.params, &mut work.program);
        if let (Some(code), Some(lines)) = (&mut self.compiled, self.source.lines()) {
            // SAFETY: `lines` are those of a keyed cache or a filled dataset, which `source` holds:
            // nobody changes them, and they live for as long as this machine.
            let ran = unsafe {
                code.run(
                    program,
                    &configuration,
                    self.params,
                    lines,
                    self.scratchpad.as_mut_slice(),
                    &mut work.registers,
                )
            };
            if ran {
                return;
            }
        }
        interpret::run(
            program,
            &configuration,
            self.params,
            self.scratchpad.as_mut_slice(),
            &mut work.registers,
            self.aes,
            &|number| self.source.line(number),
        );
    }
}

/// Where programs are compiled to, if that is possible and right.
fn compiler() -> Option<jit::Program> {
    jit::Program::new(Features::detect().views?)
}

impl HashEngine for Vm {
    fn first(&mut self, input: &[u8]) {
        let mut seed = hash512(input);
        self.aes.fill(&mut seed, self.scratchpad());
        self.seed = seed;
    }

    fn next(&mut self, input: &[u8], hash: &mut Hash) {
        self.run_programs();
        let mut seed = hash512(input);
        let aes = self.aes;
        let fingerprint = aes.fingerprint_and_fill(self.scratchpad(), &mut seed);
        self.seed = seed;
        *hash = hash256(&self.work.registers.file_with(&fingerprint));
    }

    fn last(&mut self, hash: &mut Hash) {
        self.run_programs();
        let aes = self.aes;
        let fingerprint = aes.fingerprint(self.scratchpad());
        *hash = hash256(&self.work.registers.file_with(&fingerprint));
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_run_programs_gives_the_published_hash() {
        let mut cache = Cache::new().expect("memory");
        cache.key_bytes(b"test key 000");
        let cache = Arc::new(cache);
        for aes in [Aes::Soft, Aes::detect()] {
            for compiled in [None, compiler()] {
                let way = format!("{aes:?}, {compiled:?}");
                let source = Source::Light(Arc::clone(&cache));
                let mut vm = Vm::new(source, aes, compiled).expect("memory");
                assert_eq!(
                    vm.hash(b"This is a test")[..8],
                    [0x63, 0x91, 0x83, 0xaa, 0xe1, 0xbf, 0x4c, 0x9a],
                    "{way}"
                );
                assert_eq!(
                    vm.hashing(Algorithm::Rx2).hash(b"This is a test")[..8],
                    [0x22, 0xec, 0x6b, 0x86, 0x1b, 0x3e, 0xb2, 0x36],
                    "rx/2, {way}"
                );
            }
        }
    }
}

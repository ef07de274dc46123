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
use crate::jit::{self, Lines, MAX_WAYS};
use crate::memory::Memory;
use crate::params::{LINE, MAX_PROGRAM, Params};
use crate::program::{Configuration, Instruction, ProgramBytes, decode, program_bytes};
use crate::registers::Registers;
use crate::rounding::Mode;
use crate::{Algorithm, Cache, Dataset, EngineError, Features, Hash, HashEngine, Prefetch};

/// Size of a machine's scratchpad, of which some algorithms use a part.
pub const SCRATCHPAD_BYTES: usize = 2 << 20;

/// A RandomX machine. Making one takes a few milliseconds: keep it.
///
/// Each of its scratchpads lies in a reserved huge page where one is free, else in a transparent one;
/// in small pages where those were wished for behind its cache or dataset.
pub struct Vm {
    source: Source,
    params: &'static Params,
    aes: Aes,
    /// Where programs are compiled to; without it they are interpreted.
    compiled: Option<jit::Program>,
    ways: heapless::Vec<Way, MAX_WAYS>,
    /// The way with the oldest input.
    oldest: usize,
}

/// One input in flight.
struct Way {
    scratchpad: Memory,
    /// Where the input's generator stands: after it filled the scratchpad, or made a program.
    seed: State,
    /// Whether the input's programs were run.
    ran: bool,
    work: Box<Work>,
}

/// What a program needs while it is made and run.
struct Work {
    registers: Registers,
    configuration: Configuration,
    bytes: ProgramBytes,
    program: [Instruction; MAX_PROGRAM],
}

impl Way {
    fn new(wish: PageWish) -> Result<Self, EngineError> {
        Ok(Self {
            scratchpad: Memory::new(SCRATCHPAD_BYTES, wish).ok_or(EngineError::NoVmMemory)?,
            seed: [0; LINE],
            ran: false,
            work: Box::new(Work {
                registers: Registers::new(),
                configuration: Configuration::of(&[]),
                bytes: [0; _],
                program: [Instruction::Nothing; MAX_PROGRAM],
            }),
        })
    }

    fn scratchpad(&mut self, params: &Params) -> &mut [u8] {
        &mut self.scratchpad.as_mut_slice()[..params.l3 as usize]
    }

    /// Begins with an input.
    fn fill(&mut self, input: &[u8], aes: Aes, params: &Params) {
        let mut seed = hash512(input);
        aes.fill(&mut seed, self.scratchpad(params));
        self.seed = seed;
        self.ran = false;
    }

    /// Makes the next program from the seed.
    fn prepare(&mut self, aes: Aes, params: &Params) {
        let work = &mut *self.work;
        let bytes = &mut work.bytes[..program_bytes(params)];
        aes.program(params.generator, &self.seed, bytes);
        work.configuration = Configuration::of(bytes);
        work.registers.configure(&work.configuration);
        decode(bytes, params, &mut work.program);
    }

    /// As compiled code runs it.
    fn turn(&mut self, params: &Params) -> jit::Way<'_> {
        let work = &mut *self.work;
        jit::Way {
            program: &work.program[..params.program_size],
            configuration: &work.configuration,
            scratchpad: self.scratchpad.as_mut_slice(),
            registers: &mut work.registers,
        }
    }
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

    fn wish(&self) -> PageWish {
        match self {
            Self::Light(cache) => cache.wish(),
            Self::Fast(dataset) => dataset.wish(),
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
    ///
    /// # Errors
    /// [`EngineError::OtherAlgorithm`] if that algorithm makes another cache of a key.
    pub fn hashing(mut self, algorithm: Algorithm) -> Result<Self, EngineError> {
        let params = algorithm.params();
        if params.keying != self.source.params()?.keying {
            return Err(EngineError::OtherAlgorithm);
        }
        self.params = params;
        Ok(self.emptied())
    }

    /// A machine on a cache, with this compiler or interpreting.
    pub(crate) fn over(
        cache: &Arc<Cache>,
        compiled: Option<jit::Program>,
    ) -> Result<Self, EngineError> {
        Self::new(Source::Light(Arc::clone(cache)), Aes::detect(), compiled)
    }

    fn new(source: Source, aes: Aes, compiled: Option<jit::Program>) -> Result<Self, EngineError> {
        let vm = Self {
            params: source.params()?,
            source,
            aes,
            compiled,
            ways: heapless::Vec::new(),
            oldest: 0,
        };
        vm.with_ways(1)
    }

    /// This machine with so many inputs in flight, 1 to [`MAX_WAYS`] where programs are compiled, and
    /// all of them empty, each with a scratchpad of its own. Their programs take turns: one computes
    /// while another waits for memory or for its own results. Worth it where the processor looks far
    /// ahead and has the cache for all scratchpads.
    ///
    /// # Errors
    /// [`EngineError::NoVmMemory`].
    pub fn with_ways(mut self, ways: usize) -> Result<Self, EngineError> {
        let most = if self.compiled.is_some() { MAX_WAYS } else { 1 };
        let ways = ways.clamp(1, most);
        self.ways.truncate(ways);
        while self.ways.len() < ways {
            // There is room for as many.
            let _ = self.ways.push(Way::new(self.source.wish())?);
        }
        Ok(self.emptied())
    }

    /// This machine, asking ahead for memory in this way where programs are compiled and there is a choice.
    #[must_use]
    pub fn prefetching(mut self, prefetch: Prefetch) -> Self {
        if let Some(compiled) = &mut self.compiled {
            compiled.prefetch = prefetch;
        }
        self
    }

    /// With empty inputs in flight, as the trait says. It also touches the scratchpads on the thread
    /// that will use them.
    fn emptied(mut self) -> Self {
        let Self { aes, params, .. } = self;
        self.oldest = 0;
        for way in &mut self.ways {
            way.fill(&[], aes, params);
        }
        self
    }

    /// Runs all programs of the inputs in flight that were not run yet (specification, chapter 2,
    /// steps 6 to 11).
    fn run_programs(&mut self) {
        for program in 0..self.params.programs {
            for way in self.ways.iter_mut().filter(|way| !way.ran) {
                if program == 0 {
                    way.work.registers.mode = Mode::Nearest;
                } else {
                    way.seed = hash512(&way.work.registers.file());
                }
                way.prepare(self.aes, self.params);
            }
            self.run_prepared();
        }
        for way in &mut self.ways {
            way.ran = true;
        }
    }

    fn run_prepared(&mut self) {
        let Self {
            source,
            params,
            aes,
            compiled,
            ways,
            ..
        } = self;
        let waiting = ways.iter_mut().filter(|way| !way.ran);
        let mut turns: heapless::Vec<jit::Way<'_>, MAX_WAYS> =
            waiting.map(|way| way.turn(params)).collect();
        if let (Some(code), Some(lines)) = (compiled, source.lines()) {
            // SAFETY: `lines` are those of a keyed cache or a filled dataset, which `source` holds:
            // nobody changes them, and they live for as long as this machine.
            if unsafe { code.run(&mut turns, params, lines) } {
                return;
            }
        }
        for turn in turns {
            interpret::run(
                turn.program,
                turn.configuration,
                params,
                turn.scratchpad,
                turn.registers,
                *aes,
                &|number| source.line(number),
            );
        }
    }

    /// Runs what has to be run before the oldest input has its hash.
    fn finish_oldest(&mut self) {
        if self.ways.get(self.oldest).is_some_and(|way| !way.ran) {
            self.run_programs();
        }
    }

    fn next_way(&self) -> usize {
        (self.oldest + 1) % self.ways.len()
    }
}

/// Where programs are compiled to, if that is possible and right.
fn compiler() -> Option<jit::Program> {
    jit::Program::new(Features::detect().views?)
}

impl HashEngine for Vm {
    fn ways(&self) -> usize {
        self.ways.len()
    }

    fn first(&mut self, input: &[u8]) {
        // It is the newest: the oldest of before gives it its place.
        let next = self.next_way();
        if let Some(way) = self.ways.get_mut(self.oldest) {
            way.fill(input, self.aes, self.params);
        }
        self.oldest = next;
    }

    fn next(&mut self, input: &[u8], hash: &mut Hash) {
        self.finish_oldest();
        let (aes, params, next) = (self.aes, self.params, self.next_way());
        if let Some(way) = self.ways.get_mut(self.oldest) {
            let mut seed = hash512(input);
            let fingerprint = aes.fingerprint_and_fill(way.scratchpad(params), &mut seed);
            way.seed = seed;
            way.ran = false;
            *hash = hash256(&way.work.registers.file_with(&fingerprint));
        }
        self.oldest = next;
    }

    fn last(&mut self, hash: &mut Hash) {
        self.finish_oldest();
        let (aes, params, next) = (self.aes, self.params, self.next_way());
        if let Some(way) = self.ways.get_mut(self.oldest) {
            let fingerprint = aes.fingerprint(way.scratchpad(params));
            *hash = hash256(&way.work.registers.file_with(&fingerprint));
        }
        self.oldest = next;
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
                    vm.hashing(Algorithm::Rx2)
                        .expect("same cache")
                        .hash(b"This is a test")[..8],
                    [0x22, 0xec, 0x6b, 0x86, 0x1b, 0x3e, 0xb2, 0x36],
                    "rx/2, {way}"
                );
            }
        }
    }

    #[test]
    fn who_wishes_small_pages_leaves_reserved_and_huge_ones_to_others() {
        let mut cache = Cache::with_pages(PageWish::Small).expect("memory");
        cache.key_bytes(b"small");
        let vm = Vm::light(&Arc::new(cache)).expect("memory");
        for way in &vm.ways {
            let backing = way.scratchpad.backing().expect("linux");
            assert_eq!(backing.huge_percent, 0);
        }
    }

    #[test]
    fn two_ways_give_the_hashes_of_one_in_order() {
        let mut cache = Cache::new().expect("memory");
        cache.key_bytes(b"ways");
        let cache = Arc::new(cache);
        for algorithm in [Algorithm::Rx0, Algorithm::Rx2] {
            let machine = || {
                let vm = Vm::light(&cache).expect("memory");
                vm.hashing(algorithm).expect("same cache")
            };
            let mut one = machine();
            let mut two = machine().with_ways(2).expect("memory");
            if two.ways() == 1 {
                return;
            }
            let inputs: Vec<[u8; 3]> = (0..7).map(|number| [number; 3]).collect();
            let single: Vec<Hash> = inputs.iter().map(|input| one.hash(input)).collect();
            let mut hash = [0; 32];
            let mut streamed = Vec::new();
            two.first(&inputs[0]);
            for input in &inputs[1..] {
                two.next(input, &mut hash);
                streamed.push(hash);
            }
            // The first of them was in flight before.
            for _ in 0..2 {
                two.last(&mut hash);
                streamed.push(hash);
            }
            assert_eq!(streamed[1..], single);
            // Fewer ways than before, whichever was the oldest.
            two.next(&inputs[0], &mut hash);
            let mut fewer = two.with_ways(1).expect("memory");
            assert_eq!(fewer.hash(&inputs[2]), single[2]);
            let mut two = fewer.with_ways(2).expect("memory");
            // Whatever is in flight, and half done, the hash of one input is its own.
            assert_eq!(two.hash(&inputs[3]), single[3]);
            two.next(&inputs[1], &mut hash);
            assert_eq!(two.hash(&inputs[4]), single[4]);
        }
    }
}

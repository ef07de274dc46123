//! Arbitrary bytes as programs, for the fuzz target `program` (docs/FUZZING.md).
//!
//! ```text
//!   byte  0      the algorithm
//!         1      bit 0 light mode, bits 1-2 rounding mode, bit 3 two programs in turns,
//!                bits 4-5 how memory is asked for ahead
//!         2      of what the scratchpad is made
//!         3..5   bytes of room for the code, up to all that there can be
//!         5..    the program: 128 bytes of configuration, 8 per instruction
//! ```
//!
//! What is not there reads as zero; a program has as many instructions as there are bytes for, one at
//! least and no more than its algorithm has.
#![expect(unsafe_code, reason = "runs compiled programs")]

use miner_shared::wire::PageWish;

use crate::jit::compare::{Case, compiler, small};
use crate::jit::{Lines, PROGRAM_BYTES, Program, Way};
use crate::memory::Memory;
use crate::params::Params;
use crate::rounding::Mode;
use crate::{Algorithm, Cache, DATASET_BYTES, Features, MAX_WAYS, Prefetch};

/// Bytes before the program.
const HEADER: usize = 5;

/// Bytes of configuration, and of one instruction.
const CONFIGURATION: usize = 128;
const INSTRUCTION: usize = 8;

/// What programs are compiled to and run on. It takes 64 KiB for each that takes turns, and some
/// pages of zeros that stand for cache and dataset.
pub struct Programs {
    compiled: Program,
    cases: Vec<Case>,
    /// What is never written takes no memory.
    dataset: Memory,
    /// A cache of zeros with the code for its items.
    cache: Cache,
    /// Where code is written to see that it fits: into all the room, and into less.
    code: [Vec<u8>; 2],
}

impl core::fmt::Debug for Programs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Programs").finish_non_exhaustive()
    }
}

impl Programs {
    /// `None` where nothing is compiled, or the system gives no memory.
    pub fn new() -> Option<Self> {
        let l3 = small(Algorithm::Rx0.params()).l3;
        Some(Self {
            compiled: compiler()?,
            cases: (0..MAX_WAYS)
                .map(|_| Case::new(l3).ok())
                .collect::<Option<_>>()?,
            dataset: Memory::new(DATASET_BYTES, PageWish::Small)?,
            cache: Cache::empty(b"fuzzing", Features::detect().views).ok()?,
            code: [(); 2].map(|()| vec![0; PROGRAM_BYTES]),
        })
    }

    /// Decodes, compiles and runs a program.
    ///
    /// # Errors
    /// What is wrong: code that does not fit where all code must, code that depends on the room for it,
    /// or what the compiled program left otherwise than the interpreted one.
    pub fn check(&mut self, data: &[u8]) -> Result<(), &'static str> {
        let input = Input::of(data);
        let Self {
            compiled,
            cases,
            dataset,
            cache,
            code,
        } = self;
        let params = &input.params;
        let cache = cache.keyed().map_err(|_| "the cache has no key")?;
        let lines = if input.light {
            cache.lines().ok_or("there is no code for items")?
        } else {
            Lines::Dataset {
                start: dataset.as_slice().as_ptr(),
            }
        };
        let line = |number| {
            if input.light {
                cache.item(number)
            } else {
                [0; 8]
            }
        };
        let cases = &mut cases[..input.ways];
        for (way, case) in (0..).zip(&mut *cases) {
            case.bytes.fill(0);
            let length = input.program.len().min(case.bytes.len());
            case.bytes[..length].copy_from_slice(&input.program[..length]);
            scatter(case.scratchpad, input.seed << 8 | way);
            case.start(params, input.mode);
            case.interpret(params, &line);
        }
        let ways = cases.iter_mut().map(|case| case.way(params));
        let mut ways: heapless::Vec<Way<'_>, MAX_WAYS> = ways.collect();
        compiled.prefetch = input.prefetch;
        emit(compiled, code, input.room, &ways, params, lines)?;
        // SAFETY: the dataset is whole, and so is the cache, with the code for its items.
        if !unsafe { compiled.run(&mut ways, params, lines) } {
            return Err("the program was not run");
        }
        drop(ways);
        cases.iter().find_map(Case::difference).map_or(Ok(()), Err)
    }
}

/// What the bytes say; the layout is in the head of this module.
struct Input<'a> {
    params: Params,
    light: bool,
    mode: Mode,
    ways: usize,
    prefetch: Prefetch,
    seed: u64,
    room: usize,
    program: &'a [u8],
}

impl<'a> Input<'a> {
    fn of(data: &'a [u8]) -> Self {
        let byte = |at: usize| data.get(at).copied().unwrap_or(0);
        let algorithm = Algorithm::ALL[usize::from(byte(0)) % Algorithm::ALL.len()];
        let flags = byte(1);
        let program = data.get(HEADER..).unwrap_or_default();
        let instructions = program.len().saturating_sub(CONFIGURATION) / INSTRUCTION;
        let params = small(algorithm.params());
        Self {
            params: Params {
                program_size: instructions.clamp(1, params.program_size),
                ..params
            },
            light: flags & 1 != 0,
            mode: Mode::of(u64::from(flags >> 1)),
            ways: if flags & 8 == 0 { 1 } else { MAX_WAYS },
            prefetch: Prefetch::ALL[usize::from(flags >> 4) % Prefetch::ALL.len()],
            seed: byte(2).into(),
            room: usize::from(u16::from_le_bytes([byte(3), byte(4)])) % (PROGRAM_BYTES + 1),
            program,
        }
    }
}

/// Compiles into all the room there is, and into less.
fn emit(
    compiled: &Program,
    [whole, part]: &mut [Vec<u8>; 2],
    room: usize,
    ways: &[Way<'_>],
    params: &Params,
    lines: Lines,
) -> Result<(), &'static str> {
    whole.fill(0);
    part.fill(0);
    let start = compiled.emit(whole, ways, params, lines);
    if start.is_none() {
        return Err("the code does not fit");
    }
    let part = &mut part[..room];
    let cut = compiled.emit(part, ways, params, lines);
    if cut.is_some() && (cut != start || *part != whole[..room]) {
        return Err("other code where there is less room");
    }
    Ok(())
}

/// Fills a scratchpad, the same for the same seed; xorshift64, Marsaglia 2003.
fn scatter(scratchpad: &mut [u8], seed: u64) {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    for word in scratchpad.as_chunks_mut::<8>().0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *word = state.to_le_bytes();
    }
}

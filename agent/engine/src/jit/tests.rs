//! Compiled programs against interpreted ones: random instructions on random registers, with every
//! kind of instruction in the majority now and then, so that rare ones meet each other, results
//! leave the range of numbers, and branches are taken.

use core::ptr;
use std::env;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use super::*;
use crate::aes::Aes;
use crate::interpret;
use crate::memory::Memory;
use crate::params::{MAX_PROGRAM, RX_0, RX_2};
use crate::program::{Instruction, ProgramBytes, decode, program_bytes};
use crate::rounding::Mode;
use crate::testing::Random;
use crate::{DATASET_BYTES, Features};
use miner_shared::wire::PageWish;

/// A small scratchpad and few iterations: what matters is that there are many programs.
fn params(algorithm: &Params) -> Params {
    Params {
        iterations: 3,
        l1: 16 << 10,
        l2: 32 << 10,
        l3: 64 << 10,
        ..algorithm.clone()
    }
}

/// As the engine compiles here.
fn compiler() -> Option<Program> {
    Program::new(Features::detect().views?)
}

/// Memory between two pages that nobody may touch.
fn guarded(bytes: usize) -> &'static mut [u8] {
    const GUARD: usize = 64 << 10;
    let map = |at: *mut core::ffi::c_void, bytes, rights, flags| {
        // SAFETY: new mappings; the second replaces a part of the first, which nobody uses yet.
        unsafe { mmap_anonymous(at, bytes, rights, MapFlags::PRIVATE | flags) }.expect("memory")
    };
    let all = map(
        ptr::null_mut(),
        bytes + 2 * GUARD,
        ProtFlags::empty(),
        MapFlags::empty(),
    );
    let inner = all.wrapping_byte_add(GUARD);
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    let inner = map(inner, bytes, rights, MapFlags::FIXED);
    // SAFETY: mapped, zeroed, of this size, and nobody else's until the process ends.
    unsafe { core::slice::from_raw_parts_mut(inner.cast(), bytes) }
}

/// A program with what it runs on, compiled and interpreted.
struct Case {
    bytes: ProgramBytes,
    instructions: [Instruction; MAX_PROGRAM],
    configuration: Configuration,
    scratchpad: &'static mut [u8],
    registers: Registers,
    interpreted: (Vec<u8>, Registers),
}

impl Case {
    fn new(params: &Params) -> Self {
        Self {
            bytes: [0; _],
            instructions: [Instruction::Nothing; MAX_PROGRAM],
            configuration: Configuration::of(&[]),
            scratchpad: guarded(params.l3 as usize),
            registers: Registers::new(),
            interpreted: (vec![0; params.l3 as usize], Registers::new()),
        }
    }

    /// Another program; half of its instructions are of one opcode, or with `only` all.
    fn renew(&mut self, random: &mut Random, params: &Params, only: Option<u8>) {
        random.fill(&mut self.bytes);
        let favours = random.next().is_multiple_of(2);
        let favoured = only.unwrap_or_else(|| random.next() as u8);
        for word in self.bytes[128..].as_chunks_mut::<8>().0 {
            if only.is_some() || favours && random.next().is_multiple_of(2) {
                word[0] = favoured;
            }
        }
        random.fill(self.scratchpad);
        self.interpreted.0.copy_from_slice(self.scratchpad);
        let bytes = &self.bytes[..program_bytes(params)];
        self.configuration = Configuration::of(bytes);
        decode(bytes, params, &mut self.instructions);
        self.registers = Registers::new();
        self.registers.configure(&self.configuration);
        self.registers.mode = Mode::of(random.next());
        self.interpreted.1 = self.registers.clone();
    }

    fn interpret(&mut self, params: &Params) {
        let (scratchpad, registers) = &mut self.interpreted;
        interpret::run(
            &self.instructions[..params.program_size],
            &self.configuration,
            params,
            scratchpad,
            registers,
            Aes::detect(),
            &|_| [0; 8],
        );
    }

    fn way(&mut self, params: &Params) -> Way<'_> {
        Way {
            program: &self.instructions[..params.program_size],
            configuration: &self.configuration,
            scratchpad: self.scratchpad,
            registers: &mut self.registers,
        }
    }
}

/// Of `programs` random programs each result is the same, alone and in turns with others.
fn compare(params: &Params, programs: u64, seed: u64, only: Option<u8>) {
    let Some(mut compiled) = compiler() else {
        return;
    };
    let mut random = Random(seed);
    // All lines of it are zero, and none takes memory.
    let dataset = Memory::new(DATASET_BYTES, PageWish::Small).expect("address space");
    let lines = Lines::Dataset {
        start: dataset.as_slice().as_ptr(),
    };
    let mut cases: Vec<Case> = (0..MAX_WAYS).map(|_| Case::new(params)).collect();
    for number in 0..programs {
        let cases = &mut cases[..1 + number as usize % MAX_WAYS];
        for case in &mut *cases {
            case.renew(&mut random, params, only);
            case.interpret(params);
        }
        let mut ways: Vec<Way<'_>> = cases.iter_mut().map(|case| case.way(params)).collect();
        // SAFETY: the dataset is whole.
        let ran = unsafe { compiled.run(&mut ways, params, lines) };
        assert!(ran, "it was not compiled");
        for (at, case) in cases.iter().enumerate() {
            let name = format!(
                "seed {seed}, program {number}, way {at}, {:?}",
                case.instructions[0]
            );
            let (scratchpad, registers) = &case.interpreted;
            assert_eq!(case.registers.mode, registers.mode, "{name}");
            assert_eq!(case.registers.file(), registers.file(), "{name}");
            assert!(*case.scratchpad == scratchpad[..], "{name}");
        }
    }
}

/// An emulator of another processor is some ten times slower.
const fn few_if_emulated(count: u64) -> u64 {
    if cfg!(target_arch = "x86_64") {
        count
    } else {
        count / 10
    }
}

#[test]
fn compiled_programs_do_what_interpreted_ones_do() {
    let programs = few_if_emulated(20_000);
    for algorithm in [&RX_0, &RX_2] {
        compare(&params(algorithm), programs / 2, 1, None);
    }
}

/// The slow form: `PROGRAMS=10000000 cargo test -p miner-engine --release -- --ignored programs`.
#[test]
#[ignore = "minutes: see docs/ENGINE.md"]
fn many_compiled_programs_do_what_interpreted_ones_do() {
    let programs = env::var("PROGRAMS").ok().and_then(|text| text.parse().ok());
    for algorithm in [&RX_0, &RX_2] {
        compare(
            &params(algorithm),
            programs.unwrap_or(1_000_000) / 2,
            2,
            None,
        );
    }
}

#[test]
fn the_longest_programs_fit() {
    let Some(mut compiled) = compiler() else {
        return;
    };
    let params = Params {
        program_size: MAX_PROGRAM,
        iterations: 1,
        ..params(&RX_2)
    };
    let dataset = Memory::new(DATASET_BYTES, PageWish::Small).expect("address space");
    let lines = Lines::Dataset {
        start: dataset.as_slice().as_ptr(),
    };
    let mut cases: Vec<Case> = (0..MAX_WAYS).map(|_| Case::new(&params)).collect();
    // Every opcode in turn, all of one kind, with operands that need the long forms.
    for opcode in 0..=255 {
        for case in &mut cases {
            for (at, word) in case.bytes[128..]
                .as_chunks_mut::<8>()
                .0
                .iter_mut()
                .enumerate()
            {
                *word = [opcode, 5, 4, at as u8, 0x11, 0x22, 0x33, 0x44];
            }
            decode(&case.bytes, &params, &mut case.instructions);
        }
        let mut ways: Vec<Way<'_>> = cases.iter_mut().map(|case| case.way(&params)).collect();
        // SAFETY: the dataset is whole.
        let ran = unsafe { compiled.run(&mut ways, &params, lines) };
        assert!(ran, "opcode {opcode}");
    }
}

/// Each kind of instruction by itself, so that a difference is named.
#[test]
fn each_compiled_instruction_does_what_the_interpreted_one_does() {
    for algorithm in [&RX_0, &RX_2] {
        let params = Params {
            program_size: 4,
            ..params(algorithm)
        };
        for opcode in 0..=255 {
            compare(&params, few_if_emulated(20), 3, Some(opcode));
        }
    }
}

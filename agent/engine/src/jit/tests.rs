//! Compiled programs against interpreted ones: random instructions on random registers, with every
//! kind of instruction in the majority now and then, so that rare ones meet each other, results
//! leave the range of numbers, and branches are taken.

use std::env;

use super::compare::{Case, compiler, small};
use super::*;
use crate::memory::Memory;
use crate::params::{MAX_PROGRAM, RX_0, RX_2};
use crate::program::decode;
use crate::rounding::Mode;
use crate::testing::Random;
use crate::{Algorithm, DATASET_BYTES};
use miner_shared::wire::PageWish;

/// Another program; half of its instructions are of one opcode, or with `only` all.
fn renew(case: &mut Case, random: &mut Random, params: &Params, only: Option<u8>) {
    random.fill(&mut case.bytes);
    let favours = random.next().is_multiple_of(2);
    let favoured = only.unwrap_or_else(|| random.next() as u8);
    for word in case.bytes[128..].as_chunks_mut::<8>().0 {
        if only.is_some() || favours && random.next().is_multiple_of(2) {
            word[0] = favoured;
        }
    }
    random.fill(case.scratchpad);
    case.start(params, Mode::of(random.next()));
}

/// So many places for programs that take turns.
fn cases(params: &Params) -> Vec<Case> {
    let case = |_| Case::new(params.l3).expect("memory");
    (0..MAX_WAYS).map(case).collect()
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
    let mut cases = cases(params);
    for number in 0..programs {
        let cases = &mut cases[..1 + number as usize % MAX_WAYS];
        compiled.prefetch = Prefetch::ALL[number as usize / MAX_WAYS % Prefetch::ALL.len()];
        for case in &mut *cases {
            renew(case, &mut random, params, only);
            case.interpret(params, &|_| [0; 8]);
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
            assert_eq!(case.difference(), None, "{name}");
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
    for algorithm in Algorithm::ALL {
        let params = small(algorithm.params());
        compare(&params, programs / Algorithm::ALL.len() as u64, 1, None);
    }
}

/// The slow form: `PROGRAMS=10000000 cargo test -p miner-engine --release -- --ignored programs`.
#[test]
#[ignore = "minutes: see docs/ENGINE.md"]
fn many_compiled_programs_do_what_interpreted_ones_do() {
    let programs = env::var("PROGRAMS").ok().and_then(|text| text.parse().ok());
    for algorithm in [&RX_0, &RX_2] {
        compare(
            &small(algorithm),
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
        ..small(&RX_2)
    };
    let dataset = Memory::new(DATASET_BYTES, PageWish::Small).expect("address space");
    let lines = Lines::Dataset {
        start: dataset.as_slice().as_ptr(),
    };
    let mut cases = cases(&params);
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
            ..small(algorithm)
        };
        for opcode in 0..=255 {
            compare(&params, few_if_emulated(20), 3, Some(opcode));
        }
    }
}

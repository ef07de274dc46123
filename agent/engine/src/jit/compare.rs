//! A program compiled and interpreted on the same registers and memory: what the tests of random
//! programs and the fuzz target share.

use core::ptr;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use super::{Program, Way};
use crate::Features;
use crate::aes::Aes;
use crate::interpret;
use crate::params::{MAX_PROGRAM, Params};
use crate::program::{Configuration, Instruction, ProgramBytes, decode, program_bytes};
use crate::registers::Registers;
use crate::rounding::Mode;

/// A small scratchpad and few iterations: what matters is that there are many programs.
pub(crate) fn small(algorithm: &Params) -> Params {
    Params {
        iterations: 3,
        l1: 16 << 10,
        l2: 32 << 10,
        l3: 64 << 10,
        ..algorithm.clone()
    }
}

/// As the engine compiles here.
pub(crate) fn compiler() -> Option<Program> {
    Program::new(Features::detect().views?)
}

/// Memory between two pages that nobody may touch.
fn guarded(bytes: usize) -> Result<&'static mut [u8], Errno> {
    const GUARD: usize = 64 << 10;
    let map = |at: *mut core::ffi::c_void, bytes, rights, flags| {
        // SAFETY: new mappings; the second replaces a part of the first, which nobody uses yet.
        unsafe { mmap_anonymous(at, bytes, rights, MapFlags::PRIVATE | flags) }
    };
    let all = map(
        ptr::null_mut(),
        bytes + 2 * GUARD,
        ProtFlags::empty(),
        MapFlags::empty(),
    )?;
    let inner = all.wrapping_byte_add(GUARD);
    let rights = ProtFlags::READ | ProtFlags::WRITE;
    let inner = map(inner, bytes, rights, MapFlags::FIXED)?;
    // SAFETY: mapped, zeroed, of this size, and nobody else's until the process ends.
    Ok(unsafe { core::slice::from_raw_parts_mut(inner.cast(), bytes) })
}

/// A program with what it runs on, twice.
pub(crate) struct Case {
    pub(crate) bytes: ProgramBytes,
    pub(crate) instructions: [Instruction; MAX_PROGRAM],
    configuration: Configuration,
    /// What compiled code reads and writes, between pages that it may not touch.
    pub(crate) scratchpad: &'static mut [u8],
    registers: Registers,
    /// The same for the interpreter.
    interpreted: (Vec<u8>, Registers),
}

impl Case {
    /// Room for programs with a scratchpad of at most `l3` bytes; it is kept until the process ends.
    ///
    /// # Errors
    /// What the system says when it gives no memory.
    pub(crate) fn new(l3: u32) -> Result<Self, Errno> {
        Ok(Self {
            bytes: [0; _],
            instructions: [Instruction::Nothing; MAX_PROGRAM],
            configuration: Configuration::of(&[]),
            scratchpad: guarded(l3 as usize)?,
            registers: Registers::new(),
            interpreted: (vec![0; l3 as usize], Registers::new()),
        })
    }

    /// Decodes `bytes`, and begins with this rounding mode and the scratchpad as it stands.
    pub(crate) fn start(&mut self, params: &Params, mode: Mode) {
        self.interpreted.0.copy_from_slice(self.scratchpad);
        let bytes = &self.bytes[..program_bytes(params)];
        self.configuration = Configuration::of(bytes);
        decode(bytes, params, &mut self.instructions);
        self.registers = Registers::new();
        self.registers.configure(&self.configuration);
        self.registers.mode = mode;
        self.interpreted.1 = self.registers.clone();
    }

    pub(crate) fn interpret(&mut self, params: &Params, line: &dyn Fn(u64) -> [u64; 8]) {
        let (scratchpad, registers) = &mut self.interpreted;
        interpret::run(
            &self.instructions[..params.program_size],
            &self.configuration,
            params,
            scratchpad,
            registers,
            Aes::detect(),
            line,
        );
    }

    /// What [`Program::run`] takes.
    pub(crate) fn way(&mut self, params: &Params) -> Way<'_> {
        Way {
            program: &self.instructions[..params.program_size],
            configuration: &self.configuration,
            scratchpad: self.scratchpad,
            registers: &mut self.registers,
        }
    }

    /// What the compiled program left otherwise than the interpreted one.
    pub(crate) fn difference(&self) -> Option<&'static str> {
        let (scratchpad, registers) = &self.interpreted;
        if self.registers.mode != registers.mode {
            Some("rounding mode")
        } else if self.registers.file() != registers.file() {
            Some("registers")
        } else if *self.scratchpad != scratchpad[..] {
            Some("scratchpad")
        } else {
            None
        }
    }
}

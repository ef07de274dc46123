//! Proof that a binary runs on a bare kernel: no interpreter, no needed library, no executable stack.
//!
//! Reads just enough of ELF to say so (System V gABI, chapters 4 and 5), all numbers little-endian. The
//! 32-bit and the 64-bit form differ in the width of a word, and in where things lie:
//!
//! ```text
//!               64-bit                        32-bit
//! ELF header    0 magic, class, order         0 magic, class, order
//!               18 e_machine                  18 e_machine
//!               32 e_phoff                    28 e_phoff
//!               54 e_phentsize, 56 e_phnum    42 e_phentsize, 44 e_phnum
//! program head  0 p_type    4 p_flags         0 p_type    24 p_flags
//!               8 p_offset  32 p_filesz       4 p_offset  16 p_filesz
//! .dynamic      pairs of words d_tag, d_val; DT_NEEDED = 1 names a shared library
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use argh::FromArgs;

use crate::tools::{Context as _, Failure};

/// Prove that a binary needs no interpreter and no library.
#[derive(FromArgs)]
#[argh(subcommand, name = "static-check")]
pub(crate) struct StaticCheck {
    /// the ELF binary
    #[argh(positional)]
    file: PathBuf,
}

impl StaticCheck {
    pub(crate) fn run(self) -> Result<(), Failure> {
        check(&self.file, None)
    }
}

/// Checks the file and prints one line about it; `machine` is what it has to be for, if that matters.
///
/// # Errors
/// The file cannot be read, is no ELF, is for another machine, or needs something at run time.
pub(crate) fn check(file: &Path, machine: Option<&str>) -> Result<(), Failure> {
    let bytes = fs::read(file).context(file.display())?;
    let facts = Facts::parse(&bytes)
        .ok_or_else(|| Failure::new(format!("{}: no little-endian ELF", file.display())))?;
    if let Some(machine) = machine.filter(|machine| *machine != facts.machine()) {
        let (file, other) = (file.display(), facts.machine());
        return Err(Failure::new(format!("{file}: for {other}, not {machine}")));
    }
    let faults = facts.faults();
    if !faults.is_empty() {
        return Err(Failure::new(format!(
            "{}: {}",
            file.display(),
            faults.join("; ")
        )));
    }
    println!(
        "{}: static, {}, stack not executable",
        file.display(),
        facts.machine()
    );
    Ok(())
}

const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PF_X: u32 = 1;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;

/// Where things lie in one of the two forms of ELF.
struct Layout {
    /// Bytes of a word.
    word: usize,
    phoff: usize,
    phentsize: usize,
    phnum: usize,
    p_flags: usize,
    p_offset: usize,
    p_filesz: usize,
}

const ELF_32: Layout = Layout {
    word: 4,
    phoff: 28,
    phentsize: 42,
    phnum: 44,
    p_flags: 24,
    p_offset: 4,
    p_filesz: 16,
};

const ELF_64: Layout = Layout {
    word: 8,
    phoff: 32,
    phentsize: 54,
    phnum: 56,
    p_flags: 4,
    p_offset: 8,
    p_filesz: 32,
};

impl Layout {
    fn of(elf: &[u8]) -> Option<&'static Self> {
        match elf.get(..6)? {
            b"\x7fELF\x01\x01" => Some(&ELF_32),
            b"\x7fELF\x02\x01" => Some(&ELF_64),
            _ => None,
        }
    }

    fn word_at(&self, bytes: &[u8], at: usize) -> Option<u64> {
        match self.word {
            4 => u32_at(bytes, at).map(u64::from),
            _ => u64_at(bytes, at),
        }
    }

    /// A word that is an offset or a length.
    fn size_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        usize::try_from(self.word_at(bytes, at)?).ok()
    }

    /// Counts the DT_NEEDED entries of a dynamic section.
    fn needed(&self, dynamic: &[u8]) -> usize {
        let entries = dynamic.chunks_exact(2 * self.word);
        let tags = entries.filter_map(|entry| self.word_at(entry, 0));
        tags.take_while(|tag| *tag != DT_NULL)
            .filter(|tag| *tag == DT_NEEDED)
            .count()
    }
}

/// What the program headers say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    machine: u16,
    interpreter: bool,
    needed: usize,
    /// Flags of PT_GNU_STACK; without that header the kernel makes the stack executable.
    stack: Option<u32>,
}

impl Facts {
    fn parse(elf: &[u8]) -> Option<Self> {
        let layout = Layout::of(elf)?;
        let mut facts = Self {
            machine: u16_at(elf, 18)?,
            ..Self::default()
        };
        let table = layout.size_at(elf, layout.phoff)?;
        let size = usize::from(u16_at(elf, layout.phentsize)?);
        for index in 0..usize::from(u16_at(elf, layout.phnum)?) {
            let start = table.checked_add(index.checked_mul(size)?)?;
            let header = elf.get(start..start.checked_add(size)?)?;
            facts.program_header(layout, elf, header)?;
        }
        Some(facts)
    }

    fn program_header(&mut self, layout: &Layout, elf: &[u8], header: &[u8]) -> Option<()> {
        match u32_at(header, 0)? {
            PT_INTERP => self.interpreter = true,
            PT_GNU_STACK => self.stack = Some(u32_at(header, layout.p_flags)?),
            PT_DYNAMIC => {
                let start = layout.size_at(header, layout.p_offset)?;
                let len = layout.size_at(header, layout.p_filesz)?;
                self.needed += layout.needed(elf.get(start..start.checked_add(len)?)?);
            }
            _ => {}
        }
        Some(())
    }

    /// The name of the target in cross/targets.toml, where there is one.
    fn machine(&self) -> &'static str {
        match self.machine {
            0x03 => "i686",
            0x28 => "armv7",
            0x3e => "x86_64",
            0xb7 => "aarch64",
            0xf3 => "riscv64",
            _ => "unknown machine",
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.interpreter {
            faults.push("names an interpreter (PT_INTERP)".to_owned());
        }
        if self.needed > 0 {
            faults.push(format!(
                "needs {} shared libraries (DT_NEEDED)",
                self.needed
            ));
        }
        if self.stack.is_none_or(|flags| flags & PF_X != 0) {
            faults.push("has an executable stack (PT_GNU_STACK)".to_owned());
        }
        faults
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|le| u16::from_le_bytes(*le))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|le| u32::from_le_bytes(*le))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|le| u64::from_le_bytes(*le))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One program header: type, flags, offset, size in the file.
    type Segment = (u32, u32, u64, u64);

    /// An x86_64 ELF of these segments; `tail` follows the program headers.
    fn elf(segments: &[Segment], tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[18] = 0x3e;
        bytes[32] = 64; // e_phoff: right behind this header
        bytes[54] = 56; // e_phentsize
        bytes[56] = u8::try_from(segments.len()).unwrap();
        for (kind, flags, offset, size) in segments {
            bytes.extend(kind.to_le_bytes());
            bytes.extend(flags.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            bytes.extend([0; 16]); // p_vaddr, p_paddr
            bytes.extend(size.to_le_bytes());
            bytes.extend([0; 16]); // p_memsz, p_align
        }
        bytes.extend(tail);
        bytes
    }

    /// The same as 32-bit ELF for i686.
    fn elf_32(segments: &[Segment], tail: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 52];
        bytes[..6].copy_from_slice(b"\x7fELF\x01\x01");
        bytes[18] = 0x03;
        bytes[28] = 52; // e_phoff
        bytes[42] = 32; // e_phentsize
        bytes[44] = u8::try_from(segments.len()).unwrap();
        for (kind, flags, offset, size) in segments {
            let [offset, size] = [offset, size].map(|n| u32::try_from(*n).unwrap());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            bytes.extend([0; 8]); // p_vaddr, p_paddr
            bytes.extend(size.to_le_bytes());
            bytes.extend([0; 4]); // p_memsz
            bytes.extend(flags.to_le_bytes());
            bytes.extend([0; 4]); // p_align
        }
        bytes.extend(tail);
        bytes
    }

    const STACK: Segment = (PT_GNU_STACK, 6, 0, 0);

    #[test]
    fn bare_binary_has_no_fault() {
        let facts = Facts::parse(&elf(&[STACK], &[])).unwrap();
        assert_eq!(facts.faults(), Vec::<String>::new());
        assert_eq!(facts.machine(), "x86_64");
    }

    #[test]
    fn interpreter_is_a_fault() {
        let facts = Facts::parse(&elf(&[STACK, (PT_INTERP, 4, 0, 0)], &[])).unwrap();
        assert_eq!(facts.faults(), ["names an interpreter (PT_INTERP)"]);
    }

    #[test]
    fn needed_library_is_a_fault_and_what_follows_the_end_mark_is_not() {
        let dynamic: Vec<u8> = [DT_NEEDED, 7, DT_NULL, 0, DT_NEEDED, 9]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        let behind_headers = 64 + 2 * 56;
        let facts = elf(&[STACK, (PT_DYNAMIC, 6, behind_headers, 48)], &dynamic);
        assert_eq!(
            Facts::parse(&facts).unwrap().faults(),
            ["needs 1 shared libraries (DT_NEEDED)"]
        );
    }

    #[test]
    fn the_32_bit_form_is_read_as_well() {
        let bare = Facts::parse(&elf_32(&[STACK], &[])).unwrap();
        assert_eq!(bare.faults(), Vec::<String>::new());
        assert_eq!(bare.machine(), "i686");
        let dynamic: Vec<u8> = [1_u32, 7, 0, 0, 1, 9]
            .iter()
            .flat_map(|n| n.to_le_bytes())
            .collect();
        let behind_headers = 52 + 2 * 32;
        let executable = (PT_GNU_STACK, 7, 0, 0);
        let file = elf_32(&[executable, (PT_DYNAMIC, 6, behind_headers, 24)], &dynamic);
        assert_eq!(
            Facts::parse(&file).unwrap().faults(),
            [
                "needs 1 shared libraries (DT_NEEDED)",
                "has an executable stack (PT_GNU_STACK)"
            ]
        );
    }

    #[test]
    fn stack_must_be_declared_and_not_executable() {
        let executable = Facts::parse(&elf(&[(PT_GNU_STACK, 7, 0, 0)], &[])).unwrap();
        let undeclared = Facts::parse(&elf(&[], &[])).unwrap();
        assert_eq!(
            executable.faults(),
            ["has an executable stack (PT_GNU_STACK)"]
        );
        assert_eq!(undeclared.faults(), executable.faults());
    }

    #[test]
    fn cut_or_foreign_files_are_no_elf() {
        for whole in [elf(&[STACK], &[]), elf_32(&[STACK], &[])] {
            for len in 0..whole.len() {
                assert_eq!(Facts::parse(&whole[..len]), None, "{len} bytes");
            }
        }
        assert_eq!(Facts::parse(b"#!/bin/sh\n"), None);
    }
}

//! Just enough of ELF-64 (System V gABI, chapters 4 and 5): sections by name, and whether a program
//! starts on a bare kernel.
//!
//! ```text
//! ELF header    0 magic, class, order   16 e_type   18 e_machine   32 e_phoff   40 e_shoff
//!              54 e_phentsize   56 e_phnum   58 e_shentsize   60 e_shnum   62 e_shstrndx
//! program head  0 p_type   8 p_offset   32 p_filesz
//! section head  0 sh_name   4 sh_type   24 sh_offset   32 sh_size
//! .dynamic      pairs of d_tag, d_val
//! ```

use crate::bytes::{slice, u16_at, u32_at, u64_at};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;

/// A little-endian ELF-64 file.
#[derive(Clone, Copy, Debug)]
pub struct Elf<'a>(&'a [u8]);

/// What a program takes from the system it runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// It is something that a kernel can start.
    pub program: bool,
    /// It names an interpreter.
    pub interpreter: bool,
    /// It names shared libraries.
    pub libraries: bool,
}

impl<'a> Elf<'a> {
    /// Takes bytes that begin as an ELF-64 file does.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        (bytes.get(..6)? == b"\x7fELF\x02\x01").then_some(Self(bytes))
    }

    /// `e_machine`.
    pub fn machine(&self) -> Option<u16> {
        u16_at(self.0, 18)
    }

    /// The bytes of the first section with this name.
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let names = self.section_head(usize::from(u16_at(self.0, 62)?))?;
        let names = self.contents(names, 24)?;
        (0..usize::from(u16_at(self.0, 60)?)).find_map(|index| {
            let head = self.section_head(index)?;
            let at = usize::try_from(u32_at(head, 0)?).ok()?;
            let found = names.get(at..)?.split(|byte| *byte == 0).next()?;
            (found == name.as_bytes()).then(|| self.contents(head, 24))?
        })
    }

    fn section_head(&self, index: usize) -> Option<&'a [u8]> {
        let start = u64_at(self.0, 40)?;
        self.entry(start, u16_at(self.0, 58)?, index)
    }

    fn entry(&self, table: u64, size: u16, index: usize) -> Option<&'a [u8]> {
        let skip = u64::from(size).checked_mul(u64::try_from(index).ok()?)?;
        slice(self.0, table.checked_add(skip)?, size.into())
    }

    /// What a header points at: its file offset stands at `at`.
    fn contents(&self, head: &[u8], at: usize) -> Option<&'a [u8]> {
        slice(self.0, u64_at(head, at)?, u64_at(head, at + 8)?)
    }

    /// What it needs to run; nothing if the file is broken.
    pub fn needs(&self) -> Option<Needs> {
        let mut needs = Needs::default();
        let runs = matches!(u16_at(self.0, 16)?, ET_EXEC | ET_DYN);
        let (table, size) = (u64_at(self.0, 32)?, u16_at(self.0, 54)?);
        for index in 0..usize::from(u16_at(self.0, 56)?) {
            let head = self.entry(table, size, index)?;
            match u32_at(head, 0)? {
                PT_LOAD => needs.program = runs,
                PT_INTERP => needs.interpreter = true,
                PT_DYNAMIC => {
                    let dynamic = slice(self.0, u64_at(head, 8)?, u64_at(head, 32)?)?;
                    needs.libraries |= names_a_library(dynamic);
                }
                _ => {}
            }
        }
        Some(needs)
    }
}

fn names_a_library(dynamic: &[u8]) -> bool {
    let (entries, _) = dynamic.as_chunks::<16>();
    let tags = entries.iter().filter_map(|entry| u64_at(entry, 0));
    tags.take_while(|tag| *tag != DT_NULL)
        .any(|tag| tag == DT_NEEDED)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A relocatable file with one named section.
    pub(crate) fn with_section(name: &str, contents: &[u8]) -> Vec<u8> {
        let mut names = b"\0".to_vec();
        names.extend(name.as_bytes());
        names.push(0);
        let mut elf = header(1, 62);
        let (names_at, contents_at) = (64, 64 + names.len());
        let table = contents_at + contents.len();
        elf[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        elf[58] = 64;
        elf[60] = 2;
        elf[62] = 0;
        elf.extend(&names);
        elf.extend(contents);
        for (name, at, len) in [
            (0_u32, names_at, names.len()),
            (1, contents_at, contents.len()),
        ] {
            let mut head = [0; 64];
            head[..4].copy_from_slice(&name.to_le_bytes());
            head[24..32].copy_from_slice(&(at as u64).to_le_bytes());
            head[32..40].copy_from_slice(&(len as u64).to_le_bytes());
            elf.extend(head);
        }
        elf
    }

    /// A program with these program headers: type and contents.
    pub(crate) fn program(machine: u16, parts: &[(u32, &[u8])]) -> Vec<u8> {
        let mut elf = header(ET_EXEC, machine);
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = u8::try_from(parts.len()).unwrap();
        let mut at = 64 + 56 * parts.len();
        for (kind, contents) in parts {
            let mut head = [0; 56];
            head[..4].copy_from_slice(&kind.to_le_bytes());
            head[8..16].copy_from_slice(&(at as u64).to_le_bytes());
            head[32..40].copy_from_slice(&(contents.len() as u64).to_le_bytes());
            elf.extend(head);
            at += contents.len();
        }
        for (_, contents) in parts {
            elf.extend(*contents);
        }
        elf
    }

    fn header(kind: u16, machine: u16) -> Vec<u8> {
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[16..18].copy_from_slice(&kind.to_le_bytes());
        elf[18..20].copy_from_slice(&machine.to_le_bytes());
        elf
    }

    #[test]
    fn a_section_is_found_by_its_name() {
        let file = with_section(".modinfo", b"name=x\0");
        let elf = Elf::parse(&file).unwrap();
        assert_eq!(elf.section(".modinfo"), Some(&b"name=x\0"[..]));
        assert_eq!(elf.section(".mod"), None);
    }

    #[test]
    fn a_program_tells_what_it_needs() {
        let needed = [DT_NEEDED.to_le_bytes(), 5_u64.to_le_bytes()].concat();
        let file = program(62, &[(PT_LOAD, b"code"), (PT_DYNAMIC, &needed)]);
        let needs = Elf::parse(&file).unwrap().needs().unwrap();
        assert!(needs.program && needs.libraries && !needs.interpreter);
        let ended = [[0; 16].as_slice(), &needed].concat();
        let file = program(62, &[(PT_LOAD, b"code"), (PT_DYNAMIC, &ended)]);
        assert!(!Elf::parse(&file).unwrap().needs().unwrap().libraries);
    }

    #[test]
    fn a_cut_file_is_no_panic() {
        let whole = with_section(".modinfo", b"name=x\0");
        for len in 0..whole.len() {
            if let Some(elf) = Elf::parse(&whole[..len]) {
                assert!(elf.section(".modinfo").is_none());
                let _ = elf.needs();
            }
        }
    }
}

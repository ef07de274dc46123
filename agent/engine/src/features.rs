//! What the processor and the system let the engine use.

use core::fmt;
use std::sync::OnceLock;

use crate::aes::Aes;
use crate::jit::{self, Views};
use crate::{Cache, Hash, HashEngine, Vm};

/// What the engine uses on this machine; its `Display` is for the log: `jit=on aes=hard`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// How programs run.
    pub jit: Jit,
    /// AES by instructions of the processor; otherwise by tables.
    pub hard_aes: bool,
    /// How pages of code are mapped, where there is code.
    pub(crate) views: Option<Views>,
}

/// How programs run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jit {
    /// Interpreted, many times slower: there is no compiler for this processor.
    #[default]
    None,
    /// Interpreted: the system lets no data become code.
    Off,
    /// Interpreted, because compiled programs gave a wrong hash: this processor, or whatever plays
    /// it, does not do what others do. Please report it.
    Wrong,
    /// Compiled; no mapping of the code is writable and executable at once.
    On,
}

impl Features {
    /// Asks processor and system; the answer does not change while a program runs.
    pub fn detect() -> Self {
        static DETECTED: OnceLock<Features> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let (jit, views) = Jit::detect();
            Self {
                jit,
                hard_aes: Aes::detect().is_hard(),
                views,
            }
        })
    }
}

impl Jit {
    /// Looks which way to compile works.
    fn detect() -> (Self, Option<Views>) {
        let mut jit = if jit::COMPILES { Self::Off } else { Self::None };
        for views in [Views::Two, Views::One] {
            match Self::with(views) {
                Self::On => return (Self::On, Some(views)),
                Self::Wrong => jit = Self::Wrong,
                Self::None | Self::Off => {}
            }
        }
        (jit, None)
    }

    /// Compiles and runs the programs of a hash that is known, within some 50 ms.
    fn with(views: Views) -> Self {
        let Some(compiled) = jit::Program::new(views) else {
            return Self::Off;
        };
        let cache = Cache::empty(KNOWN_KEY, Some(views));
        let vm = cache.and_then(|cache| Vm::over(&cache.into(), Some(compiled)));
        match vm.map(|mut vm| vm.hash(KNOWN_KEY)) {
            Ok(hash) if hash == KNOWN_HASH => Self::On,
            Ok(_) => Self::Wrong,
            Err(_) => Self::Off,
        }
    }
}

/// Key and input of a hash over a cache of zeros, and that hash, as the interpreter has it.
const KNOWN_KEY: &[u8] = b"is the engine right?";
const KNOWN_HASH: Hash = [
    0x83, 0x31, 0x5b, 0x96, 0x6d, 0x5b, 0x7c, 0x0e, 0x19, 0x6a, 0x19, 0x49, 0x06, 0xb6, 0xe9, 0xd2,
    0x59, 0x61, 0x25, 0x00, 0x91, 0xa0, 0x85, 0x04, 0xa1, 0x3a, 0x5e, 0x80, 0xa9, 0x95, 0xbc, 0x8f,
];

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jit = match self.jit {
            Jit::None => "none",
            Jit::Off => "off",
            Jit::Wrong => "wrong",
            Jit::On => "on",
        };
        let aes = if self.hard_aes { "hard" } else { "soft" };
        write!(f, "jit={jit} aes={aes}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without this, tests of compiled programs would pass where none runs.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn programs_are_compiled_where_there_is_a_compiler() {
        assert_eq!(Features::detect().jit, Jit::On);
    }

    #[cfg(target_pointer_width = "32")]
    #[test]
    fn thirty_two_bits_are_interpreted_and_have_no_room_for_a_dataset() {
        use crate::{DATASET_BYTES, Dataset, EngineError, memory::Memory};
        assert_eq!(Features::detect().jit, Jit::None);
        assert_eq!(Dataset::new().err(), Some(EngineError::DatasetTooLarge));
        let memory = Memory::new(DATASET_BYTES, miner_shared::wire::PageWish::Small);
        assert!(memory.is_none());
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn code_is_written_through_a_view_of_its_own() {
        assert_eq!(Features::detect().views, Some(Views::Two));
    }

    #[test]
    fn the_known_hash_is_the_interpreters() {
        let cache = Cache::empty(KNOWN_KEY, None).expect("memory");
        let mut vm = Vm::over(&cache.into(), None).expect("memory");
        assert_eq!(vm.hash(KNOWN_KEY), KNOWN_HASH);
    }
}

//! What the processor and the system let RandomX use.

use core::fmt;
use std::sync::OnceLock;

use super::ffi::{self, ExecutablePages, Flags};

/// What RandomX uses on this machine; its `Display` is for the log:
/// `jit=on aes=hard argon2=avx2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// How programs run.
    pub jit: Jit,
    /// AES by instructions of the processor; otherwise by tables.
    pub hard_aes: bool,
    /// How the cache is filled.
    pub argon2: Argon2,
}

/// How programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Jit {
    /// Interpreted, many times slower: no compiler for this processor, or the system lets no data
    /// become code.
    Off,
    /// Compiled, into pages that are never writable and executable at once.
    Secure,
    /// Compiled.
    On,
}

/// How the cache is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argon2 {
    /// By portable code.
    Portable,
    /// With SSSE3.
    Ssse3,
    /// With AVX2.
    Avx2,
}

impl Features {
    /// Asks processor and system; the answer does not change while a program runs.
    pub fn detect() -> Self {
        static DETECTED: OnceLock<Features> = OnceLock::new();
        *DETECTED.get_or_init(|| Self::of(Flags::recommended(), ffi::executable_pages()))
    }

    fn of(flags: Flags, code: ExecutablePages) -> Self {
        Self {
            jit: match code {
                _ if !flags.contains(Flags::JIT) => Jit::Off,
                ExecutablePages::No => Jit::Off,
                ExecutablePages::NotWritable => Jit::Secure,
                ExecutablePages::Writable => Jit::On,
            },
            hard_aes: flags.contains(Flags::HARD_AES),
            argon2: if flags.contains(Flags::ARGON2_AVX2) {
                Argon2::Avx2
            } else if flags.contains(Flags::ARGON2_SSSE3) {
                Argon2::Ssse3
            } else {
                Argon2::Portable
            },
        }
    }

    pub(crate) fn cache_flags(self) -> Flags {
        let argon2 = match self.argon2 {
            Argon2::Portable => Flags::NONE,
            Argon2::Ssse3 => Flags::ARGON2_SSSE3,
            Argon2::Avx2 => Flags::ARGON2_AVX2,
        };
        // The cache's code is written first and made executable then: W^X suffices.
        match self.jit {
            Jit::Off => argon2,
            Jit::Secure | Jit::On => argon2.with(Flags::JIT),
        }
    }

    pub(crate) fn vm_flags(self) -> Flags {
        let aes = if self.hard_aes {
            Flags::HARD_AES
        } else {
            Flags::NONE
        };
        match self.jit {
            Jit::Off => aes,
            Jit::Secure => aes.with(Flags::JIT).with(Flags::SECURE),
            Jit::On => aes.with(Flags::JIT),
        }
    }

    #[must_use]
    pub(crate) fn without_jit(self) -> Self {
        Self {
            jit: Jit::Off,
            ..self
        }
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jit = match self.jit {
            Jit::Off => "off",
            Jit::Secure => "secure",
            Jit::On => "on",
        };
        let aes = if self.hard_aes { "hard" } else { "soft" };
        let argon2 = match self.argon2 {
            Argon2::Portable => "portable",
            Argon2::Ssse3 => "ssse3",
            Argon2::Avx2 => "avx2",
        };
        write!(f, "jit={jit} aes={aes} argon2={argon2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_must_not_be_executable_mean_no_compiler() {
        let all = Flags::JIT.with(Flags::HARD_AES).with(Flags::ARGON2_AVX2);
        let with = |flags, code| {
            let features = Features::of(flags, code);
            (features.to_string(), features.vm_flags().0)
        };
        assert_eq!(
            with(all, ExecutablePages::Writable),
            ("jit=on aes=hard argon2=avx2".into(), 2 | 8)
        );
        assert_eq!(
            with(all, ExecutablePages::NotWritable),
            ("jit=secure aes=hard argon2=avx2".into(), 2 | 8 | 16)
        );
        assert_eq!(
            with(all, ExecutablePages::No),
            ("jit=off aes=hard argon2=avx2".into(), 2)
        );
        assert_eq!(
            with(Flags::NONE, ExecutablePages::Writable),
            ("jit=off aes=soft argon2=portable".into(), 0)
        );
    }
}

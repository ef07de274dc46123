//! What differs between the machines that images are built for.

use std::fmt;

/// A kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// 64-bit ARM: Debian's arm64.
    Aarch64,
    /// 64-bit Intel and AMD: Debian's amd64.
    X86_64,
}

impl Arch {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Aarch64, Self::X86_64];

    /// The name in recipes and targets.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Debian's name.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Aarch64 => "arm64",
            Self::X86_64 => "amd64",
        }
    }

    /// `e_machine` of its ELF files.
    pub const fn elf_machine(self) -> u16 {
        match self {
            Self::Aarch64 => 183,
            Self::X86_64 => 62,
        }
    }

    /// `Machine` of its PE files.
    pub const fn pe_machine(self) -> u16 {
        match self {
            Self::Aarch64 => 0xaa64,
            Self::X86_64 => 0x8664,
        }
    }

    /// Where systemd's package keeps the EFI stub.
    pub const fn stub_path(self) -> &'static str {
        match self {
            Self::Aarch64 => "usr/lib/systemd/boot/efi/linuxaa64.efi.stub",
            Self::X86_64 => "usr/lib/systemd/boot/efi/linuxx64.efi.stub",
        }
    }

    /// Most that kernel and initramfs may weigh together, in bytes: what every rig of a hall loads at
    /// once. Debian's arm64 kernel is not compressed.
    pub const fn max_payload(self) -> usize {
        match self {
            Self::Aarch64 => 36_000_000,
            Self::X86_64 => 24_000_000,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

//! What differs between the members of the RandomX family, as values of the running program.
//!
//! Source: the specification's table 1.2.1 and its tables of instruction frequencies
//! (tevador/RandomX, doc/specs.md and doc/configuration.md); for the others `src/configuration.h` of
//! RandomWOW, RandomARQ, Graft-RandomX, RandomSFX and YadaCoin's RandomX. What none of them changes is
//! a constant here.
//!
//! | | differs from rx/0 in |
//! |---|---|
//! | rx/2 | [`Version`], programs of 384 instructions |
//! | rx/wow | salt; 16 programs of 1,024 iterations; scratchpad 128 KiB and 1 MiB; frequencies; keys of the generator of programs |
//! | rx/arq | salt, one pass of Argon2; 4 programs of 1,024 iterations; scratchpad 128 KiB and 256 KiB |
//! | rx/graft | salt, two lanes of Argon2; programs of 280 instructions; frequencies |
//! | rx/sfx | salt |
//! | rx/yada | salt, four passes of Argon2; superscalar programs of 150 cycles |

use crate::aes::{GENERATOR, GENERATOR_OF_WOW, GeneratorKeys};

/// Kinds of instruction, by their names in chapter 5, in the order in which the opcodes are dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    IAddRs,
    IAddM,
    ISubR,
    ISubM,
    IMulR,
    IMulM,
    IMulhR,
    IMulhM,
    ISMulhR,
    ISMulhM,
    IMulRcp,
    INegR,
    IXorR,
    IXorM,
    IRorR,
    IRolR,
    ISwapR,
    FSwapR,
    FAddR,
    FAddM,
    FSubR,
    FSubM,
    FScalR,
    FMulR,
    FDivM,
    FSqrtR,
    CBranch,
    CFRound,
    IStore,
}

/// An algorithm of the RandomX family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// rx/0, RandomX of 2019: what Monero uses.
    #[default]
    Rx0,
    /// rx/2, RandomX v2 of 2026, on the same cache and dataset. A pool's target is for
    /// [`commitment`](crate::commitment) of its hash.
    Rx2,
    /// rx/wow, `RandomWOW`: Wownero.
    Wow,
    /// rx/arq, `RandomARQ`: `ArQmA`.
    Arq,
    /// rx/graft: Graft.
    Graft,
    /// rx/sfx, `RandomSFX`: Safex Cash.
    Sfx,
    /// rx/yada: `YadaCoin`.
    Yada,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 7] = [
        Self::Rx0,
        Self::Rx2,
        Self::Wow,
        Self::Arq,
        Self::Graft,
        Self::Sfx,
        Self::Yada,
    ];

    /// What pools and miners call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rx0 => "rx/0",
            Self::Rx2 => "rx/2",
            Self::Wow => "rx/wow",
            Self::Arq => "rx/arq",
            Self::Graft => "rx/graft",
            Self::Sfx => "rx/sfx",
            Self::Yada => "rx/yada",
        }
    }

    pub(crate) const fn params(self) -> &'static Params {
        match self {
            Self::Rx0 => &RX_0,
            Self::Rx2 => &RX_2,
            Self::Wow => &RX_WOW,
            Self::Arq => &RX_ARQ,
            Self::Graft => &RX_GRAFT,
            Self::Sfx => &RX_SFX,
            Self::Yada => &RX_YADA,
        }
    }
}

/// What was changed in the virtual machine by RandomX v2 (doc/design_v2.md).
///
/// | | one | two |
/// |---|---|---|
/// | CFROUND sets the mode | always | if bits 2 to 5 of the rotated value are zero |
/// | at an iteration's end, `f` | is XORed with `e` | goes through four rounds of AES, with `e0` to `e3` as keys |
/// | a dataset line is prefetched | one iteration ahead, through `mx` | two ahead, through `ma` |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// How a key becomes a cache. Algorithms that agree in it use the same cache and dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keying {
    /// Argon2's salt; the key of the coin is its password.
    pub(crate) salt: &'static [u8],
    /// Passes of Argon2 over the cache.
    pub(crate) passes: u32,
    /// Lanes of Argon2.
    pub(crate) lanes: u32,
    /// Cycles of the reference processor that a superscalar program is made to last.
    pub(crate) superscalar_latency: usize,
}

/// The parameters of one algorithm.
#[derive(Clone, Debug)]
pub(crate) struct Params {
    pub(crate) version: Version,
    pub(crate) keying: Keying,
    /// Keys of the generator that makes programs.
    pub(crate) generator: &'static GeneratorKeys,
    /// Instructions of a program; at most [`MAX_PROGRAM`].
    pub(crate) program_size: usize,
    /// Times that a program runs.
    pub(crate) iterations: u32,
    /// Programs of a hash.
    pub(crate) programs: u32,
    /// Bytes of the scratchpad's innermost level, a power of two.
    pub(crate) l1: u32,
    /// Bytes of its middle level, a power of two.
    pub(crate) l2: u32,
    /// Bytes of the whole of it, a power of two and at most [`crate::SCRATCHPAD_BYTES`].
    pub(crate) l3: u32,
    /// Which instruction each opcode is.
    pub(crate) opcodes: [Kind; 256],
}

/// Instructions of the longest program.
pub(crate) const MAX_PROGRAM: usize = 384;

/// Instructions of the longest superscalar program: `3 * latency + 2`.
pub(crate) const MAX_SUPERSCALAR: usize = 512;

/// Cache lines that go into one dataset item, and so superscalar programs of a cache.
pub(crate) const CACHE_ACCESSES: usize = 8;

/// Bytes of a dataset item, a cache line and a scratchpad line.
pub(crate) const LINE: usize = 64;

/// Size of the part of the dataset that one program reads.
pub(crate) const DATASET_BASE: u64 = 1 << 31;

/// How far that part may lie from the start of the dataset, in lines.
pub(crate) const DATASET_EXTRA_LINES: u64 = 524_287;

/// The width of a branch's condition, and its lowest place, in bits.
pub(crate) const JUMP_BITS: u32 = 8;
/// See [`JUMP_BITS`].
pub(crate) const JUMP_OFFSET: u32 = 8;

const RX: Params = Params {
    version: Version::One,
    keying: Keying {
        salt: b"RandomX\x03",
        passes: 3,
        lanes: 1,
        superscalar_latency: 170,
    },
    generator: &GENERATOR,
    program_size: 256,
    iterations: 2048,
    programs: 8,
    l1: 16 << 10,
    l2: 256 << 10,
    l3: 2 << 20,
    opcodes: opcodes(&[]),
};

const fn salted(salt: &'static [u8]) -> Keying {
    Keying { salt, ..RX.keying }
}

pub(crate) static RX_0: Params = RX;

pub(crate) static RX_2: Params = Params {
    version: Version::Two,
    program_size: 384,
    ..RX
};

static RX_WOW: Params = Params {
    keying: salted(b"RandomWOW\x01"),
    generator: &GENERATOR_OF_WOW,
    iterations: 1024,
    programs: 16,
    l2: 128 << 10,
    l3: 1 << 20,
    opcodes: opcodes(&[
        (Kind::IAddRs, 25),
        (Kind::IRorR, 10),
        (Kind::IRolR, 0),
        (Kind::FSwapR, 8),
        (Kind::FAddR, 20),
        (Kind::FSubR, 20),
        (Kind::FMulR, 20),
        (Kind::CBranch, 16),
    ]),
    ..RX
};

static RX_ARQ: Params = Params {
    keying: Keying {
        passes: 1,
        ..salted(b"RandomARQ\x01")
    },
    iterations: 1024,
    programs: 4,
    l2: 128 << 10,
    l3: 256 << 10,
    ..RX
};

static RX_GRAFT: Params = Params {
    keying: Keying {
        lanes: 2,
        ..salted(b"RandomX-Graft\x01")
    },
    program_size: 280,
    opcodes: opcodes(&[(Kind::IRorR, 7), (Kind::IRolR, 3)]),
    ..RX
};

static RX_SFX: Params = Params {
    keying: salted(b"RandomSFX\x01"),
    ..RX
};

static RX_YADA: Params = Params {
    keying: Keying {
        passes: 4,
        superscalar_latency: 150,
        ..salted(b"RandomXYadaCoin\x03")
    },
    ..RX
};

/// Out of 256 instructions, how many are of each kind in rx/0, in the order of [`Kind`].
const FREQUENCIES: [(Kind, usize); 29] = [
    (Kind::IAddRs, 16),
    (Kind::IAddM, 7),
    (Kind::ISubR, 16),
    (Kind::ISubM, 7),
    (Kind::IMulR, 16),
    (Kind::IMulM, 4),
    (Kind::IMulhR, 4),
    (Kind::IMulhM, 1),
    (Kind::ISMulhR, 4),
    (Kind::ISMulhM, 1),
    (Kind::IMulRcp, 8),
    (Kind::INegR, 2),
    (Kind::IXorR, 15),
    (Kind::IXorM, 5),
    (Kind::IRorR, 8),
    (Kind::IRolR, 2),
    (Kind::ISwapR, 4),
    (Kind::FSwapR, 4),
    (Kind::FAddR, 16),
    (Kind::FAddM, 5),
    (Kind::FSubR, 16),
    (Kind::FSubM, 5),
    (Kind::FScalR, 6),
    (Kind::FMulR, 32),
    (Kind::FDivM, 4),
    (Kind::FSqrtR, 6),
    (Kind::CBranch, 25),
    (Kind::CFRound, 1),
    (Kind::IStore, 16),
];

/// Deals out the opcodes, with other frequencies for some kinds.
const fn opcodes(others: &[(Kind, usize)]) -> [Kind; 256] {
    let mut frequencies = FREQUENCIES;
    let mut at = 0;
    while at < others.len() {
        frequencies[others[at].0 as usize] = others[at];
        at += 1;
    }
    let mut opcodes = [Kind::IStore; 256];
    let (mut kind, mut opcode) = (0, 0);
    while kind < frequencies.len() {
        let end = opcode + frequencies[kind].1;
        while opcode < end {
            opcodes[opcode] = frequencies[kind].0;
            opcode += 1;
        }
        kind += 1;
    }
    assert!(opcode == 256, "every opcode has a meaning");
    opcodes
}

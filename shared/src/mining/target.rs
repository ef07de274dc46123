//! Targets and difficulties, with the rounding that both ends must agree on.
//!
//! | form on the wire | meaning (integer divisions; M64 = 2^64-1, M32 = 2^32-1) |
//! |---|---|
//! | 16 hex digits | `t` = the 8 bytes as u64 LE |
//! | 8 hex digits | `v` = the 4 bytes as u32 LE; `t = M64 / (M32 / v)` |
//! | difficulty | `d = M64 / t` |
//! | share | `u64_LE(hash[24..32]) < t`, strictly |
//!
//! The short form loses precision as the difficulty grows (always harder than asked, never easier)
//! and cannot express 2^32 and more. A server therefore tests shares with the target that the
//! client computed from what was sent: [`Target::on_wire`].

use core::fmt;

use super::{Hash, hex};

/// A hash below this, read as a little-endian number from its last 8 bytes, is a share. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(u64);

/// Expected number of hashes per share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Difficulty(pub u64);

/// How many bytes a target takes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetWidth {
    /// Four: what every miner reads.
    Four,
    /// Eight: exact.
    Eight,
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// Neither 8 nor 16 digits.
    Length,
    /// Not hexadecimal.
    NotHex,
    /// No hash is below zero (and XMRig divides by it).
    Zero,
}

impl Target {
    /// The easiest: every hash but one in 2^64 is a share.
    pub const EASIEST: Self = Self(u64::MAX);

    /// The target as a number; `None` for 0.
    pub const fn new(value: u64) -> Option<Self> {
        match value {
            0 => None,
            value => Some(Self(value)),
        }
    }

    /// Reads either form of the wire.
    pub fn from_hex(text: &str) -> Result<Self, TargetError> {
        let value = match text.len() {
            16 => u64::from_le_bytes(hex::array(text).ok_or(TargetError::NotHex)?),
            8 => from_short(u32::from_le_bytes(
                hex::array(text).ok_or(TargetError::NotHex)?,
            )),
            _ => return Err(TargetError::Length),
        };
        Self::new(value).ok_or(TargetError::Zero)
    }

    /// The target of a difficulty; 0 counts as 1.
    pub const fn from_difficulty(difficulty: Difficulty) -> Self {
        Self(match difficulty.0 {
            0 => u64::MAX,
            d => u64::MAX / d,
        })
    }

    /// The target as the other side computes it when sent in this width; `None` where four bytes
    /// cannot express it (difficulty 2^32 and more).
    pub const fn on_wire(self, width: TargetWidth) -> Option<Self> {
        match width {
            TargetWidth::Eight => Some(self),
            TargetWidth::Four => Self::new(from_short(short(self.0))),
        }
    }

    /// Its digits; for [`TargetWidth::Four`] only meaningful where [`Self::on_wire`] is `Some`.
    pub fn to_hex(self, width: TargetWidth) -> heapless::String<16> {
        let mut digits = [0; 16];
        let text = match width {
            TargetWidth::Eight => hex::encode(&self.0.to_le_bytes(), &mut digits),
            TargetWidth::Four => hex::encode(&short(self.0).to_le_bytes(), &mut digits),
        };
        text.and_then(|text| heapless::String::try_from(text).ok())
            .unwrap_or_default()
    }

    /// The number compared with.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Expected number of hashes per share.
    pub const fn difficulty(self) -> Difficulty {
        // Never 0: the constructors see to it.
        match u64::MAX.checked_div(self.0) {
            Some(d) => Difficulty(d),
            None => Difficulty(u64::MAX),
        }
    }

    /// Whether a hash is a share.
    pub fn is_met_by(self, hash: &Hash) -> bool {
        tail(hash) < self.0
    }
}

impl Difficulty {
    /// The difficulty that a hash reaches.
    pub fn of(hash: &Hash) -> Self {
        Self(u64::MAX.checked_div(tail(hash)).unwrap_or(u64::MAX))
    }
}

impl TargetWidth {
    /// Difficulty up to which four bytes are precise enough for foreign miners (p2pool's choice).
    pub const MAX_SHORT: Difficulty = Difficulty(4_000_000);

    /// Eight bytes for our own agents and for what four bytes would distort.
    pub const fn choose(own_agent: bool, difficulty: Difficulty) -> Self {
        if own_agent || difficulty.0 > Self::MAX_SHORT.0 {
            Self::Eight
        } else {
            Self::Four
        }
    }
}

/// The last 8 bytes of a hash as the number that targets are compared with.
fn tail(hash: &Hash) -> u64 {
    hash.last_chunk()
        .map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
}

const fn short(target: u64) -> u32 {
    (target >> 32) as u32
}

/// 0 stays 0, to be refused by the caller.
const fn from_short(v: u32) -> u64 {
    match u32::MAX.checked_div(v) {
        // At least 1, since v is at most M32.
        Some(quotient) => u64::MAX / quotient as u64,
        None => 0,
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the target has neither 8 nor 16 digits",
            Self::NotHex => "the target is not hexadecimal",
            Self::Zero => "the target is zero",
        })
    }
}

impl core::error::Error for TargetError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of docs/STRATUM.md: digits, t, difficulty.
    const EXAMPLES: [(&str, u64, u64); 10] = [
        ("b88d0600", 0x0006_8db8_bac7_10cb, 10_000),
        ("37894100", 0x0041_8937_4bc6_a7ef, 1_000),
        ("c5a70000", 0x0000_a7c5_3e53_e3ee, 100_001),
        ("97050000", u64::MAX / 3_001_374, 3_001_374),
        ("02000000", u64::MAX / 2_147_483_647, 2_147_483_647),
        ("ffffffff", u64::MAX, 1),
        ("00000080", u64::MAX, 1),
        ("efa7c64b37894100", 0x0041_8937_4bc6_a7ef, 1_000),
        ("caab297fad010000", 0x0000_01ad_7f29_abca, 10_000_000),
        ("fcafbf0200000000", 0x0000_0000_02bf_affc, 400_000_001_598),
    ];

    #[test]
    fn worked_examples_of_the_wire_forms() {
        for (text, t, difficulty) in EXAMPLES {
            let target = Target::from_hex(text).expect(text);
            assert_eq!(
                (target.value(), target.difficulty().0),
                (t, difficulty),
                "{text}"
            );
        }
    }

    #[test]
    fn zero_and_other_lengths_are_refused() {
        assert_eq!(Target::from_hex("00000000"), Err(TargetError::Zero));
        assert_eq!(Target::from_hex("0000000000000000"), Err(TargetError::Zero));
        for bad in ["", "b88d06", "b88d060000", "b88d06000000000000"] {
            assert_eq!(Target::from_hex(bad), Err(TargetError::Length), "{bad}");
        }
        assert_eq!(Target::from_hex("b88d06zz"), Err(TargetError::NotHex));
    }

    #[test]
    fn a_server_writes_what_the_examples_show() {
        for (difficulty, width, text) in [
            (10_000, TargetWidth::Four, "b88d0600"),
            (1_000, TargetWidth::Four, "37894100"),
            (100_000, TargetWidth::Four, "c5a70000"),
            (3_000_000, TargetWidth::Four, "97050000"),
            (1_000, TargetWidth::Eight, "efa7c64b37894100"),
            (10_000_000, TargetWidth::Eight, "caab297fad010000"),
        ] {
            let target = Target::from_difficulty(Difficulty(difficulty));
            assert_eq!(target.to_hex(width).as_str(), text);
            let sent = target.on_wire(width).expect("expressible");
            assert_eq!(Target::from_hex(text), Ok(sent), "{text}");
        }
    }

    #[test]
    fn four_bytes_are_harder_never_easier_and_end_at_2_pow_32() {
        for d in [
            1,
            2,
            3,
            999,
            1_000,
            65_537,
            4_000_000,
            1 << 31,
            u64::from(u32::MAX),
        ] {
            let asked = Target::from_difficulty(Difficulty(d));
            let sent = asked.on_wire(TargetWidth::Four).expect("expressible");
            assert!(sent <= asked || d == 1, "{d}");
        }
        let too_hard = Target::from_difficulty(Difficulty((1 << 32) + 1));
        assert_eq!(too_hard.on_wire(TargetWidth::Four), None);
    }

    #[test]
    fn worked_example_of_a_share() {
        let hash: Hash =
            hex::array("e1364b8782719d7683e2ccd3d8f724bc59dfa780a9e960e7c0e0046acdb40100")
                .expect("32 bytes");
        assert_eq!(tail(&hash), 480_269_316_710_592);
        assert_eq!(Difficulty::of(&hash), Difficulty(38_409));
        assert!(
            Target::from_hex("b88d0600")
                .expect("valid")
                .is_met_by(&hash)
        );
    }

    #[test]
    fn the_share_test_is_strict() {
        let target = Target::new(0x0102_0304_0506_0708).expect("not zero");
        let mut hash = [0xff; 32];
        hash[24..].copy_from_slice(&target.value().to_le_bytes());
        assert!(!target.is_met_by(&hash));
        hash[24..].copy_from_slice(&(target.value() - 1).to_le_bytes());
        assert!(target.is_met_by(&hash));
    }
}

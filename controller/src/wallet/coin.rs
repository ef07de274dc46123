//! Coins whose addresses can be checked, and the numbers that their addresses begin with.
//!
//! Each row is from `src/cryptonote_config.h` of that coin's own program. A coin that is not here can
//! be named all the same; its addresses are then checked for their form only.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name of a coin, in bytes.
pub const MAX_COIN: usize = 24;

/// A coin as a profile names it: lower-case letters, digits and `-`, such as `monero`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coin(String);

/// Why a text names no coin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be 1 to {MAX_COIN} lower-case letters, digits or -, such as monero")]
pub struct NoCoin;

impl std::str::FromStr for Coin {
    type Err = NoCoin;

    fn from_str(text: &str) -> Result<Self, NoCoin> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let text = text.to_ascii_lowercase();
        if text.is_empty() || text.len() > MAX_COIN || !text.chars().all(allowed) {
            return Err(NoCoin);
        }
        Ok(Self(text))
    }
}

impl Coin {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Forms that its addresses may have; none for a coin that this program does not know.
    pub(super) fn forms(&self) -> impl Iterator<Item = &'static Form> {
        FORMS.iter().filter(|form| form.coin == self.0)
    }
}

impl fmt::Display for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A form of a coin's addresses.
#[derive(Debug)]
pub(super) struct Form {
    /// The coin, as profiles name it.
    pub(super) coin: &'static str,
    /// The coin, as people do.
    pub(super) title: &'static str,
    /// Numbers that an address begins with: standard, integrated, sub-address.
    pub(super) prefixes: [u64; 3],
}

/// The coin that is meant by a login that looks like one of its addresses.
pub(super) const DEFAULT: &Form = &MONERO;

const MONERO: Form = Form {
    coin: "monero",
    title: "Monero",
    prefixes: [18, 19, 42],
};

pub(super) const FORMS: [Form; 7] = [
    MONERO,
    Form {
        coin: "monero-stagenet",
        title: "Monero stagenet",
        prefixes: [24, 25, 36],
    },
    Form {
        coin: "monero-testnet",
        title: "Monero testnet",
        prefixes: [53, 54, 63],
    },
    Form {
        coin: "salvium",
        title: "Salvium",
        prefixes: [0x3e_f318, 0x55e_f318, 0xf5e_f318],
    },
    // Since its Carrot fork; the older ones are still paid to.
    Form {
        coin: "salvium",
        title: "Salvium",
        prefixes: [0x18_0c96, 0x2c_cc96, 0x31_4c96],
    },
    Form {
        coin: "wownero",
        title: "Wownero",
        prefixes: [4146, 6810, 12208],
    },
    Form {
        coin: "zephyr",
        title: "Zephyr",
        prefixes: [0x6_241d_18c0, 0xc_4f7d_18c0, 0x8dd_58c0],
    },
];

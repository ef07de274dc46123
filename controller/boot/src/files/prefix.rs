//! Rigs by the beginning of their hardware address.

use core::fmt;
use core::str::FromStr;

use miner_shared::dhcp::{InvalidMac, Mac};
use miner_shared::mining::hex;

/// The first bytes of a hardware address: all six are one rig, three are what one maker's have in common,
/// none are all rigs'.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    // First, so that the more general comes first in order.
    len: usize,
    /// Zeros behind the prefix.
    bytes: [u8; 6],
}

impl Prefix {
    /// Every rig's.
    pub const ALL: Self = Self {
        len: 0,
        bytes: [0; 6],
    };
    /// The first bytes of an address.
    fn of(mac: Mac, len: usize) -> Self {
        let mut bytes = [0; 6];
        for (to, from) in bytes.iter_mut().zip(mac.0).take(len) {
            *to = from;
        }
        Self {
            len: len.min(mac.0.len()),
            bytes,
        }
    }

    /// All that cover it, from [`Self::ALL`] to itself.
    pub fn covering(self) -> impl DoubleEndedIterator<Item = Self> {
        (0..=self.len).map(move |len| Self::of(Mac(self.bytes), len))
    }
}

impl From<Mac> for Prefix {
    fn from(mac: Mac) -> Self {
        Self::of(mac, mac.0.len())
    }
}

/// One to six bytes, as in a hardware address.
impl FromStr for Prefix {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let mut prefix = Self::ALL;
        for part in text.split([':', '-']) {
            let place = prefix.bytes.get_mut(prefix.len).ok_or(InvalidMac)?;
            [*place] = hex::array(part).ok_or(InvalidMac)?;
            prefix.len += 1;
        }
        Ok(prefix)
    }
}

/// `52-54-00`; that of all rigs is `all`.
impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len == 0 {
            return f.write_str("all");
        }
        let mut separator = "";
        for byte in self.bytes.iter().take(self.len) {
            write!(f, "{separator}{byte:02x}")?;
            separator = "-";
        }
        Ok(())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    #[test]
    fn a_prefix_is_one_to_six_bytes() {
        for text in ["52", "52-54-00", "52-54-00-12-34-56"] {
            assert_eq!(prefix(text).to_string(), text);
        }
        assert_eq!(prefix("52:54:0A").to_string(), "52-54-0a");
        for text in ["", "all", "5", "52-", "52-54-00-12-34-56-78", "52.54"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_covers_a_prefix_is_all_that_it_begins_with() {
        let covering = |text: &str| {
            let names = prefix(text).covering().map(|one| one.to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(covering("52-54-00"), ["all", "52", "52-54", "52-54-00"]);
        let mac = Prefix::from(Mac([0x52, 0x54, 0, 1, 2, 3]));
        assert_eq!(mac.covering().next_back(), Some(mac));
        assert_eq!(Prefix::ALL.covering().count(), 1);
    }
}

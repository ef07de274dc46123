//! Hardware addresses of Ethernet, as text `52:54:00:12:34:56`.

use core::fmt;
use core::str::FromStr;

use crate::mining::hex;

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// Not six bytes, each of two hexadecimal digits, with `:` or `-` between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMac;

impl Mac {
    /// The address with `-` between its bytes, as it stands in names of files.
    pub const fn hyphenated(self) -> impl fmt::Display {
        Separated(self, "-")
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let mut parts = text.split([':', '-']);
        let mut mac = [0; 6];
        for byte in &mut mac {
            [*byte] = parts.next().and_then(hex::array).ok_or(InvalidMac)?;
        }
        if parts.next().is_some() {
            return Err(InvalidMac);
        }
        Ok(Self(mac))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Separated(*self, ":").fmt(f)
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

struct Separated(Mac, &'static str);

impl fmt::Display for Separated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for byte in self.0.0 {
            write!(f, "{separator}{byte:02x}")?;
            separator = self.1;
        }
        Ok(())
    }
}

impl fmt::Display for InvalidMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a hardware address like 52:54:00:12:34:56")
    }
}

impl core::error::Error for InvalidMac {}

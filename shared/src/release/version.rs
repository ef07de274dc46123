//! Three numbers that only rise.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// `MAJOR.MINOR.PATCH`, ordered as numbers; each part below 2^32, without leading zeros, so that one
/// version has one text and one file name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Version {
    /// Changes what rigs and controllers must agree about.
    pub major: u32,
    /// Adds.
    pub minor: u32,
    /// Mends.
    pub patch: u32,
}

/// The text is not three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut parts = text.split('.').map(number);
        let mut next = || parts.next().flatten().ok_or(NotAVersion);
        let version = Self {
            major: next()?,
            minor: next()?,
            patch: next()?,
        };
        match parts.next() {
            None => Ok(version),
            Some(_) => Err(NotAVersion),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    is_plain.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version is three numbers, such as 1.2.3")
    }
}

impl core::error::Error for NotAVersion {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn versions_are_ordered_as_numbers_and_have_one_text() {
        let version: Version = "1.10.0".parse().unwrap();
        assert!(version > "1.9.4294967295".parse().unwrap());
        assert_eq!(version.to_string(), "1.10.0");
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.02.3",
            "1.+2.3",
            "1.2.",
            "1.2.x",
            "1.2.4294967296",
        ] {
            assert_eq!(text.parse::<Version>(), Err(NotAVersion), "{text}");
        }
    }
}

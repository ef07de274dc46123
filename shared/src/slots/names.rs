//! What slots are called.

use core::fmt;
use core::str::FromStr;

use crate::release::Version;

/// A slot: a folder of the boot volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The one that a new image fills.
    A,
    /// The other one.
    B,
}

impl Slot {
    /// The slot that is not this one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Its folder, and its name in the boot state and on the kernel command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// The slot of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::A, Self::B].into_iter().find(|s| s.as_str() == name)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

const PREFIX: &str = "miner-";
const SUFFIX: &str = ".conf";

/// The name of the file by which UEFI starts a slot: `miner-VERSION[+LEFT[-DONE]].conf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryName {
    /// What it boots.
    pub version: Version,
    /// Starts left and done, if it is on trial; a confirmed slot counts nothing.
    pub tries: Option<(u8, u8)>,
}

/// A file of another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEntry;

impl EntryName {
    /// A slot that starts whenever it is the newest.
    pub const fn confirmed(version: Version) -> Self {
        Self {
            version,
            tries: None,
        }
    }

    /// A slot that is given [`TRIES`](super::TRIES) starts.
    pub const fn on_trial(version: Version) -> Self {
        Self {
            version,
            tries: Some((super::TRIES, 0)),
        }
    }

    /// Whether it was tried in vain: systemd-boot takes it only if there is no other.
    pub const fn is_bad(&self) -> bool {
        matches!(self.tries, Some((0, _)))
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.version)?;
        match self.tries {
            None => {}
            Some((left, 0)) => write!(f, "+{left}")?,
            Some((left, done)) => write!(f, "+{left}-{done}")?,
        }
        f.write_str(SUFFIX)
    }
}

impl FromStr for EntryName {
    type Err = NotAnEntry;

    fn from_str(name: &str) -> Result<Self, NotAnEntry> {
        let inner = name
            .strip_prefix(PREFIX)
            .and_then(|name| name.strip_suffix(SUFFIX))
            .ok_or(NotAnEntry)?;
        let number = |text: &str| text.parse().map_err(|_| NotAnEntry);
        let (version, tries) = match inner.split_once('+') {
            None => (inner, None),
            Some((version, tries)) => {
                let (left, done) = tries.split_once('-').unwrap_or((tries, "0"));
                (version, Some((number(left)?, number(done)?)))
            }
        };
        Ok(Self {
            version: version.parse().map_err(|_| NotAnEntry)?,
            tries,
        })
    }
}

impl fmt::Display for NotAnEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not the name of a boot entry")
    }
}

impl core::error::Error for NotAnEntry {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn names_are_those_of_the_boot_loader_specification() {
        let version: Version = "1.2.4".parse().unwrap();
        for (name, text) in [
            (EntryName::confirmed(version), "miner-1.2.4.conf"),
            (EntryName::on_trial(version), "miner-1.2.4+3.conf"),
            (
                EntryName {
                    version,
                    tries: Some((2, 1)),
                },
                "miner-1.2.4+2-1.conf",
            ),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
            assert!(!name.is_bad());
        }
        assert!(
            "miner-1.2.4+0-3.conf"
                .parse::<EntryName>()
                .unwrap()
                .is_bad()
        );
        for text in [
            "miner.conf",
            "miner-1.2.conf",
            "miner-1.2.3+.conf",
            "miner-1.2.3+3-.conf",
            "x-1.2.3.conf",
        ] {
            assert_eq!(text.parse::<EntryName>(), Err(NotAnEntry), "{text}");
        }
    }
}

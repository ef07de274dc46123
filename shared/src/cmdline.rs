//! The `miner.*` words of the kernel command line: an image's builder and boot server write them,
//! the agent as PID 1 reads them.
//!
//! ```text
//! console=ttyS0 panic=10 quiet miner.owner=Ada%20L. miner.ip=dhcp,10.0.0.9/24,10.0.0.1
//! └───────── the kernel's ─────────┘ └─────── ours: KEY=VALUE, percent-encoded ───────┘
//! ```
//! The dot keeps the kernel from handing words that it does not know to init as arguments. Quotes mean
//! nothing here: what cannot stand on the line is percent-encoded (RFC 3986, section 2.1). A key given
//! twice: the last counts. A word that is refused counts as not given, and whoever reads warns of it.
//!
//! | key                 | value                                                                   |
//! |---------------------|-------------------------------------------------------------------------|
//! | `miner.controller`  | `host:port`, comma list, tried in order                                 |
//! | `miner.fingerprint` | the controller's full fingerprint                                       |
//! | `miner.token`       | an enrolment token, `ENR1-…`                                            |
//! | `miner.owner`       | the owner's name or contact                                             |
//! | `miner.name`        | the machine's host name, which a new node takes as its own              |
//! | `miner.hugepages`   | see [`HugePages`]                                                       |
//! | `miner.ip`          | see [`Ip`]                                                              |
//! | `miner.test`        | only for builds that boot in tests                                      |

use core::fmt::{self, Write as _};

use crate::identity::{EnrolToken, Fingerprint};
use crate::limits::{MAX_CMDLINE, MAX_CMDLINE_KERNEL, MAX_CMDLINE_VALUE};
use crate::slots::SLOT_WORD;
use crate::text::{Name, Text, TextError};

mod values;

pub use values::{HugePages, Ip, StaticIp};

/// What every key begins with.
const PREFIX: &str = "miner.";

/// One of the keys, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Controllers to dial: `host:port`, comma list.
    Controller,
    /// The fingerprint that the controller has to show.
    Fingerprint,
    /// Enrolment token; a secret, never logged.
    Token,
    /// Who owns the machine: without an owner it does not mine.
    Owner,
    /// The machine's host name.
    Name,
    /// See [`HugePages`].
    HugePages,
    /// See [`Ip`].
    Ip,
    /// What a test wants of the machine.
    Test,
}

/// Keys there are.
const KEYS: usize = Key::ALL.len();

impl Key {
    /// All keys, in order.
    pub const ALL: [Self; 8] = [
        Self::Controller,
        Self::Fingerprint,
        Self::Token,
        Self::Owner,
        Self::Name,
        Self::HugePages,
        Self::Ip,
        Self::Test,
    ];

    /// The key as it stands on the line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Controller => "miner.controller",
            Self::Fingerprint => "miner.fingerprint",
            Self::Token => "miner.token",
            Self::Owner => "miner.owner",
            Self::Name => "miner.name",
            Self::HugePages => "miner.hugepages",
            Self::Ip => "miner.ip",
            Self::Test => "miner.test",
        }
    }

    /// Longest value, in bytes before percent-encoding.
    pub const fn max(self) -> usize {
        match self {
            Self::Controller => MAX_CMDLINE_VALUE,
            Self::Token => 96,
            Self::Fingerprint | Self::Owner | Self::Ip | Self::Name => 64,
            Self::Test => 32,
            Self::HugePages => 8,
        }
    }

    /// Longest value as it stands on the line. The characters of some need no encoding: their checks take
    /// no others.
    const fn widest(self) -> usize {
        match self {
            Self::Name | Self::HugePages | Self::Ip => self.max(),
            _ => 3 * self.max(),
        }
    }

    fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|key| key.name().as_bytes() == name)
    }

    /// Whether `value` is one of this key's values. Addresses and pools are read by who dials them.
    fn check(self, value: &str) -> Result<(), Reason> {
        let good = match self {
            Self::Fingerprint => value.parse::<Fingerprint>().is_ok(),
            Self::Token => value.parse::<EnrolToken>().is_ok(),
            Self::HugePages => value.parse::<HugePages>().is_ok(),
            Self::Ip => value.parse::<Ip>().is_ok(),
            Self::Name => is_host_name(value),
            Self::Controller | Self::Owner | Self::Test => !value.trim().is_empty(),
        };
        match good {
            true if value.len() <= self.max() => Ok(()),
            true => Err(Reason::Text(TextError::TooLong(self.max()))),
            false => Err(Reason::BadValue),
        }
    }
}

/// Why a `miner.*` word was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CmdlineError {
    /// The word's key, if it is one of ours. A value is never repeated: it may be a secret.
    pub key: Option<Key>,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Not one of the key's values.
    BadValue,
    /// `%` without two hexadecimal digits, or bytes that are no UTF-8.
    BadEncoding,
    /// No `=`.
    NoValue,
    /// Too long, or with control characters.
    Text(TextError),
    /// `miner.` and then something that is no key.
    UnknownKey,
}

impl fmt::Display for CmdlineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.key.map_or("miner.*", Key::name);
        match self.reason {
            Reason::BadEncoding => write!(f, "{name}: its percent-encoding is wrong"),
            Reason::BadValue => match self.key {
                Some(Key::Fingerprint) => write!(f, "{name}: not a fingerprint; copy it again"),
                Some(Key::Token) => write!(f, "{name}: not an enrolment token; copy it again"),
                Some(Key::HugePages) => write!(f, "{name}: not auto, off, 1g or a number of pages"),
                Some(Key::Name) => write!(f, "{name}: letters, digits, - _ and . alone"),
                Some(Key::Ip) => write!(f, "{name}: not [dhcp,]ADDRESS/PREFIX,GATEWAY[,DNS]"),
                _ => write!(f, "{name}: it is empty"),
            },
            Reason::NoValue => write!(f, "{name}: it has no value; write {name}=VALUE"),
            Reason::Text(error) => write!(f, "{name}: {error}"),
            Reason::UnknownKey => write!(f, "{name}: a key that this version does not know"),
        }
    }
}

impl core::error::Error for CmdlineError {}

/// What the command line says: at most one value per key. `Debug` shows no values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings([Option<Text<MAX_CMDLINE_VALUE>>; KEYS]);

impl Settings {
    /// Reads a whole command line, such as `/proc/cmdline`; words that are not `miner.*` are the
    /// kernel's, and `miner.slot` is of [`slots`](crate::slots). Each refused word goes to `warn`.
    pub fn read(line: &[u8], warn: &mut dyn FnMut(CmdlineError)) -> Self {
        let mut settings = Self::default();
        for word in line.split(u8::is_ascii_whitespace) {
            let is_ours = word.starts_with(PREFIX.as_bytes());
            // Which slot runs is the boot loader's word.
            if is_ours
                && !word.starts_with(SLOT_WORD.as_bytes())
                && let Err(error) = settings.read_word(word)
            {
                warn(error);
            }
        }
        settings
    }

    fn read_word(&mut self, word: &[u8]) -> Result<(), CmdlineError> {
        let mut parts = word.splitn(2, |byte| *byte == b'=');
        let unknown = CmdlineError {
            key: None,
            reason: Reason::UnknownKey,
        };
        let key = parts.next().and_then(Key::named).ok_or(unknown)?;
        let fault = |reason| CmdlineError {
            key: Some(key),
            reason,
        };
        let raw = parts.next().ok_or_else(|| fault(Reason::NoValue))?;
        let bytes = decode(raw, key.max()).map_err(fault)?;
        let value = core::str::from_utf8(&bytes).map_err(|_| fault(Reason::BadEncoding))?;
        self.set(key, value)
    }

    /// The value of a key.
    pub fn get(&self, key: Key) -> Option<&str> {
        self.0.get(key as usize)?.as_ref().map(Text::as_str)
    }

    /// What to do about huge pages.
    pub fn huge_pages(&self) -> HugePages {
        let value = self.get(Key::HugePages).and_then(|text| text.parse().ok());
        value.unwrap_or_default()
    }

    /// Where the address comes from.
    pub fn ip(&self) -> Ip {
        let value = self.get(Key::Ip).and_then(|text| text.parse().ok());
        value.unwrap_or_default()
    }

    /// Sets a key.
    ///
    /// # Errors
    /// The value is too long, holds control characters, or is none of the key's.
    pub fn set(&mut self, key: Key, value: &str) -> Result<(), CmdlineError> {
        let fault = |reason| CmdlineError {
            key: Some(key),
            reason,
        };
        key.check(value).map_err(fault)?;
        let text = Text::parse(value).map_err(|error| fault(Reason::Text(error)))?;
        if let Some(place) = self.0.get_mut(key as usize) {
            *place = Some(text);
        }
        Ok(())
    }
}

/// The words as they stand on the line, one space between: what [`Settings::read`] reads. Secrets
/// included.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for key in Key::ALL {
            if let Some(value) = self.get(key) {
                write!(f, "{space}{}=", key.name())?;
                encode(f, value)?;
                space = " ";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = Key::ALL.into_iter().filter(|key| self.get(*key).is_some());
        f.debug_set().entries(given.map(Key::name)).finish()
    }
}

/// What stands on the line as it is: nothing that the kernel, GRUB or iPXE reads as its own.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'/' | b',' | b'+')
}

/// Whether a text does as a host name: what DNS takes, and `_`.
pub fn is_host_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    Name::parse(text).is_ok() && text.bytes().all(plain)
}

fn encode(f: &mut fmt::Formatter<'_>, value: &str) -> fmt::Result {
    for byte in value.bytes() {
        if is_plain(byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

fn decode(raw: &[u8], max: usize) -> Result<heapless::Vec<u8, MAX_CMDLINE_VALUE>, Reason> {
    let mut out = heapless::Vec::new();
    let mut bytes = raw.iter();
    let digit = |bytes: &mut core::slice::Iter<'_, u8>| {
        let byte = bytes.next().ok_or(Reason::BadEncoding)?;
        char::from(*byte).to_digit(16).ok_or(Reason::BadEncoding)
    };
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let value = digit(&mut bytes)? << 4 | digit(&mut bytes)?;
                u8::try_from(value).map_err(|_| Reason::BadEncoding)?
            }
            byte => *byte,
        };
        out.push(byte)
            .map_err(|_| Reason::Text(TextError::TooLong(max)))?;
    }
    Ok(out)
}

// All keys with their longest values, encoded, leave room for the kernel's own words.
const _: () = {
    let (mut total, mut index) = (0, 0);
    let mut keys: &[Key] = &Key::ALL;
    while let [key, rest @ ..] = keys {
        let max = Key::max(*key);
        assert!(*key as usize == index && max <= MAX_CMDLINE_VALUE);
        total += 1 + key.name().len() + 1 + Key::widest(*key);
        index += 1;
        keys = rest;
    }
    assert!(total + MAX_CMDLINE_KERNEL <= MAX_CMDLINE);
};

#[cfg(test)]
mod tests {
    use std::string::ToString as _;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn read(line: &str) -> (Settings, Vec<CmdlineError>) {
        let mut warnings = Vec::new();
        let settings = Settings::read(line.as_bytes(), &mut |error| warnings.push(error));
        (settings, warnings)
    }

    fn refused(word: &str) -> Reason {
        let (settings, warnings) = read(word);
        assert_eq!(settings, Settings::default(), "{word}");
        assert_eq!(warnings.len(), 1, "{word}");
        warnings[0].reason
    }

    #[test]
    fn the_kernels_own_words_are_none_of_ours() {
        let (settings, warnings) =
            read("console=ttyS0 quiet panic=10 miner.slot=a -- minerowner=x\n");
        assert_eq!(settings, Settings::default());
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_value_is_percent_decoded_and_the_last_of_a_key_counts() {
        let (settings, warnings) = read("miner.owner=Bob miner.owner=Ada%20%c3%a9 quiet");
        assert_eq!(settings.get(Key::Owner), Some("Ada é"));
        assert!(warnings.is_empty());
        assert_eq!(settings.to_string(), "miner.owner=Ada%20%C3%A9");
    }

    #[test]
    fn a_bad_word_is_told_of_and_counts_as_not_given() {
        assert_eq!(refused("miner.colour=red"), Reason::UnknownKey);
        assert_eq!(refused("miner.owner"), Reason::NoValue);
        assert_eq!(refused("miner.owner="), Reason::BadValue);
        assert_eq!(refused("miner.owner=%2"), Reason::BadEncoding);
        assert_eq!(refused("miner.owner=%zz"), Reason::BadEncoding);
        assert_eq!(refused("miner.owner=%+1"), Reason::BadEncoding);
        assert_eq!(refused("miner.owner=%ff"), Reason::BadEncoding);
        assert_eq!(
            refused("miner.owner=a%1b[2J"),
            Reason::Text(TextError::Forbidden('\u{1b}'))
        );
        assert_eq!(refused("miner.token=ENR1-AAAA"), Reason::BadValue);
        assert_eq!(refused("miner.fingerprint=AAAA"), Reason::BadValue);
        assert_eq!(refused("miner.hugepages=+3"), Reason::BadValue);
        assert_eq!(refused("miner.name=rig%207"), Reason::BadValue);
        assert_eq!(refused("miner.ip=10.0.0.9"), Reason::BadValue);
    }

    #[test]
    fn a_value_of_the_longest_length_is_taken_and_one_byte_more_is_not() {
        for key in [Key::Controller, Key::Owner, Key::Test] {
            let mut settings = Settings::default();
            settings.set(key, &"é".repeat(key.max() / 2)).unwrap();
            let (again, warnings) = read(&settings.to_string());
            assert_eq!((again, warnings), (settings.clone(), Vec::new()));
            let error = settings.set(key, &"a".repeat(key.max() + 1)).unwrap_err();
            assert_eq!(error.reason, Reason::Text(TextError::TooLong(key.max())));
        }
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_value() {
        let mut settings = Settings::default();
        settings.set(Key::Owner, "Ada").unwrap();
        assert_eq!(std::format!("{settings:?}"), "{\"miner.owner\"}");
        let error = settings.set(Key::Token, "ENR1-SECRET").unwrap_err();
        let text = std::format!("{error} {error:?}");
        assert!(!text.contains("SECRET"), "{text}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(owner in "[^\\p{C}]{1,16}", controller in "[!-~]{1,128}") {
            let mut settings = Settings::default();
            prop_assume!(settings.set(Key::Owner, &owner).is_ok());
            settings.set(Key::Controller, &controller).unwrap();
            let (again, warnings) = read(&settings.to_string());
            prop_assert_eq!(again, settings);
            prop_assert!(warnings.is_empty());
        }

        #[test]
        fn any_line_is_read_without_a_panic(line in any::<Vec<u8>>()) {
            Settings::read(&line, &mut |_| {});
            let mut word = b"miner.owner=".to_vec();
            word.extend(line);
            Settings::read(&word, &mut |_| {});
        }
    }
}

//! Bounded text from outside, checked once at the edge and trusted inside.
//!
//! [`Text`] holds at most `N` bytes of UTF-8 without control characters, so that nothing a rig, a
//! pool or a file says can move a cursor or break a line. The newtypes below add the rule of one
//! kind of text each; serde goes through the same `parse`, so a decoded message is a checked one.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::{
    MAX_ADDRESS, MAX_LABEL, MAX_LOG_LINE, MAX_MINER_NAME, MAX_NAME, MAX_POOL_PASS, MAX_POOL_USER,
};

/// At most `N` bytes of UTF-8 without control characters.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize>(heapless::String<N>);

/// Why a text was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextError {
    /// Nothing in it, where something is required.
    Empty,
    /// A character that this kind of text may not contain, or not there.
    Forbidden(char),
    /// Longer than the bound (in bytes).
    TooLong(usize),
    /// Not `host:port` with a port from 1 to 65535.
    NotAnAddress,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Forbidden(c) => write!(f, "{c:?} is not allowed there"),
            Self::TooLong(max) => write!(f, "it is longer than {max} bytes"),
            Self::NotAnAddress => f.write_str("it is not HOST:PORT with a port from 1 to 65535"),
        }
    }
}

impl core::error::Error for TextError {}

impl<const N: usize> Text<N> {
    /// The text as given, if it fits and holds no control character.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        if let Some(c) = text.chars().find(|c| is_unsafe(*c)) {
            return Err(TextError::Forbidden(c));
        }
        heapless::String::try_from(text)
            .map(Self)
            .map_err(|_| TextError::TooLong(N))
    }

    /// The text cut to the bound, control characters replaced by `?`. For text that is only shown.
    pub fn lossy(text: &str) -> Self {
        let mut out = heapless::String::new();
        for c in text.chars() {
            if out.push(if is_unsafe(c) { '?' } else { c }).is_err() {
                break;
            }
        }
        Self(out)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Control characters, line separators, and the bidirectional marks that make text read as
/// something else.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> Serialize for Text<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Text<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_with(deserializer, Self::parse)
    }
}

fn deserialize_with<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: fn(&str) -> Result<T, TextError>,
) -> Result<T, D::Error> {
    struct Visitor<T>(fn(&str) -> Result<T, TextError>);
    impl<T> de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bounded text")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Visitor(parse))
}

/// Declares a newtype over [`Text`] with a rule of its own.
macro_rules! bounded_text {
    ($(#[$meta:meta])* $name:ident, $max:expr, $rule:expr, $debug:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text<{ $max }>);

        impl $name {
            /// The text, if it keeps this type's rule.
            pub fn parse(text: &str) -> Result<Self, TextError> {
                let text = Text::parse(text)?;
                let rule: fn(&str) -> Result<(), TextError> = $rule;
                rule(text.as_str())?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let show: fn(&Self, &mut fmt::Formatter<'_>) -> fmt::Result = $debug;
                show(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserialize_with(deserializer, Self::parse)
            }
        }
    };
}

/// The `Display` of the kinds that are not secret.
macro_rules! shown {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl core::str::FromStr for $name {
            type Err = TextError;

            fn from_str(text: &str) -> Result<Self, TextError> {
                Self::parse(text)
            }
        }
    )*};
}

bounded_text!(
    /// Name of a node or of a profile: 1 to 64 letters, digits, `-`, `_`, `.` and spaces, starting
    /// and ending with a letter or digit. A label, never an identity.
    Name, MAX_NAME, name_rule, |s, f| fmt::Debug::fmt(s.as_str(), f)
);
bounded_text!(
    /// Name of a miner on a rig, such as `miner-rx0`: lower-case letters, digits and `-`.
    MinerName, MAX_MINER_NAME, miner_name_rule, |s, f| fmt::Debug::fmt(s.as_str(), f)
);
bounded_text!(
    /// `host:port` of a peer or pool; IPv6 literals in brackets.
    Address, MAX_ADDRESS, address_rule, |s, f| fmt::Debug::fmt(s.as_str(), f)
);
bounded_text!(
    /// Login at a pool: the wallet, with what the pool lets one append. Never logged.
    PoolUser, MAX_POOL_USER, not_empty, |_, f| f.write_str("PoolUser(…)")
);
bounded_text!(
    /// Password at a pool, often empty or `x`. Never logged, never read back by the API.
    PoolPass, MAX_POOL_PASS, |_| Ok(()), |_, f| f.write_str("PoolPass(…)")
);
shown!(Name, MinerName, Address);

/// Text of a version or host description.
pub type Label = Text<MAX_LABEL>;
/// Text of one log record.
pub type LogText = Text<MAX_LOG_LINE>;

impl Address {
    /// Host and port apart; brackets of an IPv6 literal are taken off.
    pub fn host_port(&self) -> (&str, u16) {
        split_address(self.as_str()).unwrap_or(("", 0))
    }
}

/// The wallet in a pool login: all before what a pool lets one append to it.
pub fn wallet_of(login: &str) -> &str {
    let end = login.find(|c: char| !c.is_ascii_alphanumeric());
    let cut = end.and_then(|end| login.split_at_checked(end));
    cut.map_or(login, |(wallet, _)| wallet)
}

fn split_address(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse::<u16>().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(inner) => inner
            .strip_suffix(']')
            .filter(|inner| inner.contains(':'))?,
        None if host.contains([':', '[', ']']) => return None,
        None => host,
    };
    (!host.is_empty()).then_some((host, port))
}

fn address_rule(text: &str) -> Result<(), TextError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:[]%".contains(c);
    if let Some(c) = text.chars().find(|c| !allowed(*c)) {
        return Err(TextError::Forbidden(c));
    }
    split_address(text)
        .map(|_| ())
        .ok_or(TextError::NotAnAddress)
}

fn not_empty(text: &str) -> Result<(), TextError> {
    if text.is_empty() {
        Err(TextError::Empty)
    } else {
        Ok(())
    }
}

fn name_rule(text: &str) -> Result<(), TextError> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    if let Some(c) = text.chars().find(|c| !inside(*c)) {
        return Err(TextError::Forbidden(c));
    }
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
        return Err(TextError::Empty);
    };
    match [first, last]
        .into_iter()
        .find(|c| !c.is_ascii_alphanumeric())
    {
        Some(c) => Err(TextError::Forbidden(c)),
        None => Ok(()),
    }
}

fn miner_name_rule(text: &str) -> Result<(), TextError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(TextError::Forbidden(c)),
        None => not_empty(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_the_page() {
        for good in ["rig-alpha", "a", "7", "Control Center_2.0", &"x".repeat(64)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Name::parse(""), Err(TextError::Empty));
        assert_eq!(Name::parse("-rig"), Err(TextError::Forbidden('-')));
        assert_eq!(Name::parse("rig "), Err(TextError::Forbidden(' ')));
        assert_eq!(
            Name::parse("rig\u{1b}[2J"),
            Err(TextError::Forbidden('\u{1b}'))
        );
        assert_eq!(Name::parse("<b>"), Err(TextError::Forbidden('<')));
        assert_eq!(Name::parse(&"x".repeat(65)), Err(TextError::TooLong(64)));
    }

    #[test]
    fn addresses_need_host_and_port() {
        for (text, host, port) in [
            ("192.168.1.100:9091", "192.168.1.100", 9091),
            ("pool.example:3333", "pool.example", 3333),
            ("[::1]:9091", "::1", 9091),
        ] {
            assert_eq!(Address::parse(text).expect(text).host_port(), (host, port));
        }
        for bad in [
            "",
            "host",
            ":9091",
            "host:0",
            "host:65536",
            "::1:9091",
            "[::1]",
            "[host]:1",
            "a[b]:1",
        ] {
            assert_eq!(Address::parse(bad), Err(TextError::NotAnAddress), "{bad}");
        }
        assert_eq!(Address::parse("a b:1"), Err(TextError::Forbidden(' ')));
    }

    #[test]
    fn shown_text_loses_control_characters_and_overlength() {
        assert_eq!(Text::<8>::lossy("ab\u{1b}[2Jcdef").as_str(), "ab?[2Jcd");
        assert_eq!(
            Text::<3>::lossy("éé").as_str(),
            "é",
            "cut at a character boundary"
        );
        for mark in ['\u{61c}', '\u{200f}', '\u{2028}', '\u{202e}', '\u{2066}'] {
            assert_eq!(Text::<8>::lossy(&std::format!("a{mark}b")).as_str(), "a?b");
            assert_eq!(
                Text::<8>::parse(&std::format!("a{mark}b")),
                Err(TextError::Forbidden(mark))
            );
        }
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        use core::fmt::Write;
        let mut out = heapless::String::<64>::new();
        let user = PoolUser::parse("44Wallet").expect("valid");
        let pass = PoolPass::parse("hunter2").expect("valid");
        write!(out, "{user:?} {pass:?}").expect("fits");
        assert_eq!(out.as_str(), "PoolUser(…) PoolPass(…)");
    }
}

//! Where a controller is dialled, and whether through TLS.
//!
//! | written | spoken |
//! |---|---|
//! | `HOST:PORT`, `ws://HOST:PORT` | WebSocket |
//! | `wss://HOST:PORT` | WebSocket inside TLS, never without |

use std::str::FromStr;
use std::{fmt, iter};

use miner_shared::limits::MAX_CONTROLLER_ADDRESSES;
use miner_shared::text::{Address, TextError};

/// Scheme, host and port of a controller; the path is always `/ws`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerUrl {
    /// Whether TLS is spoken there; if so, nothing is said without it.
    pub tls: bool,
    /// Host and port.
    pub address: Address,
}

impl FromStr for ControllerUrl {
    type Err = NotAController;

    fn from_str(text: &str) -> Result<Self, NotAController> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("ws", text));
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(NotAController::Scheme),
        };
        if rest.contains(['/', '?', '#']) {
            return Err(NotAController::Path);
        }
        let address = rest.parse().map_err(NotAController::Address)?;
        Ok(Self { tls, address })
    }
}

impl fmt::Display for ControllerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// Where one controller is dialled, first choice first, and which of these places it is dialled at now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerUrls {
    first: ControllerUrl,
    others: Vec<ControllerUrl>,
    /// Which one it is dialled at: 0 is the first.
    at: usize,
}

impl ControllerUrls {
    /// The place to dial.
    pub fn now(&self) -> &ControllerUrl {
        let other = self.at.checked_sub(1).and_then(|at| self.others.get(at));
        other.unwrap_or(&self.first)
    }

    /// Goes on to the next place. Whether it was the last, and the next is the first again.
    pub fn advance(&mut self) -> bool {
        self.at = (self.at + 1) % (1 + self.others.len());
        self.at == 0
    }

    /// Whether TLS is spoken at all of them.
    pub fn is_tls(&self) -> bool {
        self.all().all(|url| url.tls)
    }

    fn all(&self) -> impl Iterator<Item = &ControllerUrl> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl FromStr for ControllerUrls {
    type Err = NotAController;

    fn from_str(text: &str) -> Result<Self, NotAController> {
        let (first, rest) = text
            .split_once(',')
            .map_or((text, None), |(first, rest)| (first, Some(rest)));
        let others = rest.into_iter().flat_map(|rest| rest.split(','));
        let others: Vec<_> = others.map(str::parse).collect::<Result<_, _>>()?;
        if others.len() >= MAX_CONTROLLER_ADDRESSES {
            return Err(NotAController::Many);
        }
        Ok(Self {
            first: first.parse()?,
            others,
            at: 0,
        })
    }
}

/// As short as it can be written.
impl fmt::Display for ControllerUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, url) in self.all().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            match url.tls {
                true => url.fmt(f)?,
                false => url.address.fmt(f)?,
            }
        }
        Ok(())
    }
}

/// Why a text is no [`ControllerUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAController {
    /// Another scheme than the two.
    Scheme,
    /// Something follows the port.
    Path,
    /// Not a host and a port.
    Address(TextError),
    /// More than [`MAX_CONTROLLER_ADDRESSES`].
    Many,
}

impl fmt::Display for NotAController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("it starts with neither wss:// (TLS) nor ws://"),
            Self::Path => f.write_str("leave out what follows the port: wss://HOST:PORT"),
            Self::Address(why) => why.fmt(f),
            Self::Many => write!(f, "it has more than {MAX_CONTROLLER_ADDRESSES} addresses"),
        }
    }
}

impl std::error::Error for NotAController {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_spoken_if_it_is_written_and_only_then() {
        for (text, shown) in [
            ("farm.local:9091", "ws://farm.local:9091"),
            ("ws://10.0.0.1:9091", "ws://10.0.0.1:9091"),
            ("wss://farm.local:9091", "wss://farm.local:9091"),
            ("WSS://[::1]:443", "wss://[::1]:443"),
        ] {
            let url: ControllerUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }

    #[test]
    fn places_are_dialled_in_order_and_then_again_from_the_first() {
        let mut urls: ControllerUrls = "a:1,wss://b:2,c:3".parse().expect("three places");
        assert_eq!(urls.to_string(), "a:1,wss://b:2,c:3");
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push((urls.now().to_string(), urls.advance()));
        }
        let want = [
            ("ws://a:1", false),
            ("wss://b:2", false),
            ("ws://c:3", true),
        ];
        let want = want.into_iter().cycle().take(4);
        assert!(
            seen.iter()
                .map(|(url, last)| (url.as_str(), *last))
                .eq(want)
        );
        let many = ["a:1"; MAX_CONTROLLER_ADDRESSES + 1].join(",");
        assert_eq!(many.parse::<ControllerUrls>(), Err(NotAController::Many));
        assert!("a:1,".parse::<ControllerUrls>().is_err());
    }

    #[test]
    fn what_cannot_be_dialled_is_refused_with_what_to_change() {
        for (text, why) in [
            ("https://farm.local:9091", "wss://"),
            ("wss://farm.local:9091/ws", "leave out"),
            ("wss://farm.local:9091/", "leave out"),
            ("wss://farm.local", "HOST:PORT"),
            ("wss://", "HOST:PORT"),
            ("wss://user@farm.local:1", "'@'"),
        ] {
            let refused = text.parse::<ControllerUrl>().expect_err(text);
            assert!(refused.to_string().contains(why), "{text}: {refused}");
        }
    }
}

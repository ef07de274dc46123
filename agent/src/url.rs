//! Where a controller is dialled, and whether through TLS.
//!
//! | written | spoken |
//! |---|---|
//! | `HOST:PORT`, `ws://HOST:PORT` | WebSocket |
//! | `wss://HOST:PORT` | WebSocket inside TLS, never without |

use std::fmt;
use std::str::FromStr;

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

/// Why a text is no [`ControllerUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAController {
    /// Another scheme than the two.
    Scheme,
    /// Something follows the port.
    Path,
    /// Not a host and a port.
    Address(TextError),
}

impl fmt::Display for NotAController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("it starts with neither wss:// (TLS) nor ws://"),
            Self::Path => f.write_str("leave out what follows the port: wss://HOST:PORT"),
            Self::Address(why) => why.fmt(f),
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

//! `node serve` for the role worker: from a configuration to a working rig, and to its end.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use miner_shared::identity::Fingerprint;
use miner_shared::text::{Address, TextError};

use crate::cli::Failure;
use crate::store::Dirs;

/// What a rig needs to know to serve.
#[derive(Clone, Debug)]
pub struct ServeConfig {
    /// Where its files are.
    pub dirs: Dirs,
    /// Where it waits for controllers, if it does.
    pub listen: Option<ListenAddress>,
    /// Which controller it dials, if it does.
    pub controller: Option<Address>,
    /// Fingerprint of that controller, pinned at start; otherwise the first manager is expected.
    pub fingerprint: Option<Fingerprint>,
    /// Light mode, whatever the profile says.
    pub light: bool,
    /// Hash threads, 1 to [`miner_shared::limits::MAX_THREADS`], whatever the profile says.
    pub threads: Option<u16>,
    /// End when standard input ends: the parent is gone.
    pub with_parent: bool,
    /// Least serious records that are logged.
    pub log_level: log::LevelFilter,
}

/// Serves until SIGTERM, SIGINT, or the parent's end. Blocks; ends within 2 s of the signal.
pub fn serve(config: ServeConfig) -> Result<(), Failure> {
    let _ = config;
    todo!()
}

/// `[HOST]:PORT` to listen on; without a host all addresses, port 0 for any free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    host: Option<String>,
    port: u16,
}

impl ListenAddress {
    /// The addresses to try, in order: the first that can be bound is it.
    pub fn candidates(&self) -> std::io::Result<Vec<SocketAddr>> {
        use std::net::ToSocketAddrs;
        match &self.host {
            Some(host) => Ok((host.as_str(), self.port).to_socket_addrs()?.collect()),
            // The first takes IPv4 as well; the second is for kernels without IPv6.
            None => Ok(vec![
                SocketAddr::from((Ipv6Addr::UNSPECIFIED, self.port)),
                SocketAddr::from((Ipv4Addr::UNSPECIFIED, self.port)),
            ]),
        }
    }
}

impl FromStr for ListenAddress {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let (host, port) = text.rsplit_once(':').ok_or(TextError::NotAnAddress)?;
        let port = port.parse().map_err(|_| TextError::NotAnAddress)?;
        let host = if host.is_empty() {
            None
        } else {
            // The rule of addresses, asked with a port that it accepts.
            let address = Address::parse(&format!("{host}:1"))?;
            Some(address.host_port().0.to_owned())
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, ":{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_port_means_all_addresses() {
        let listen: ListenAddress = ":9091".parse().expect("the page's form");
        let candidates = listen.candidates().expect("no lookup");
        assert_eq!(candidates[0], "[::]:9091".parse().expect("valid"));
        assert_eq!(candidates[1], "0.0.0.0:9091".parse().expect("valid"));
        assert_eq!(listen.to_string(), ":9091");
    }

    #[test]
    fn a_host_narrows_it_and_nonsense_is_refused() {
        for text in ["127.0.0.1:0", "[::1]:9091", "rig.local:9091"] {
            let listen: ListenAddress = text.parse().expect(text);
            assert_eq!(listen.to_string(), text);
        }
        for text in ["9091", ":", ":65536", "::1:9091", "a b:1"] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
    }
}

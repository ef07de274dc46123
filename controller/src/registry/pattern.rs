//! What a token asks of a rig besides its secret: a name of some form, an address in some network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use miner_shared::limits::MAX_NAME;
use serde::{Deserialize, Serialize};

/// Names that a token admits: letters as they are, `*` for any run of characters, such as `rig-*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamePattern(String);

impl NamePattern {
    /// Whether this name has the form.
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else {
            return false;
        };
        let parts: Vec<&str> = parts.collect();
        let Some((last, middle)) = parts.split_last() else {
            return rest.is_empty();
        };
        // The earliest place of each part leaves the most for those behind it.
        for part in middle {
            match rest.split_once(part) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NamePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || " -_.*".contains(c);
        if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(allowed) {
            return Err(format!(
                "it takes 1 to {MAX_NAME} letters, digits, blanks, - _ . and * for anything"
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A network by its first address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address is in the network. An IPv4 address that came by an IPv6 socket counts as
    /// what it is.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(self.prefix);
                (u32::from(net) ^ u32::from(address))
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let shift = 128 - u32::from(self.prefix);
                (u128::from(net) ^ u128::from(address))
                    .checked_shr(shift)
                    .unwrap_or(0)
                    == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it is no network; 10.0.0.0/8 and fd00::/8 are";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| FORM)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| FORM)?,
            None => longest,
        };
        if prefix > longest {
            return Err("its prefix is longer than an address");
        }
        let network = Self { address, prefix };
        let host_bits = match address {
            IpAddr::V4(net) => u32::from(net)
                .checked_shl(u32::from(prefix))
                .is_some_and(|bits| bits != 0),
            IpAddr::V6(net) => u128::from(net)
                .checked_shl(u32::from(prefix))
                .is_some_and(|bits| bits != 0),
        };
        if host_bits {
            return Err(
                "its address has bits behind the prefix; write the network's first address",
            );
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_the_rest_for_itself() {
        let matches = |pattern: &str, name: &str| {
            let pattern: NamePattern = pattern.parse().expect("valid");
            pattern.matches(name)
        };
        for (pattern, name) in [
            ("rig-*", "rig-7"),
            ("rig-*", "rig-"),
            ("*", "anything"),
            ("rig-7", "rig-7"),
            ("a*b*c", "a-b-b-c"),
            ("*-gpu", "rig-gpu"),
            ("a*a", "aa"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("rig-*", "xrig-7"),
            ("rig-*", "Rig-7"),
            ("rig-7", "rig-77"),
            ("a*b*c", "a-c-b"),
            ("*-gpu", "rig-gpu2"),
            ("a*a", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        for bad in ["", "rig\n*", "rig-é", &"x".repeat(65)] {
            assert!(bad.parse::<NamePattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().expect("valid");
            network.contains(address.parse().expect("valid"))
        };
        for (network, address) in [
            ("10.0.0.0/8", "10.255.1.2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3"),
            ("0.0.0.0/0", "203.0.113.9"),
            ("192.0.2.7", "192.0.2.7"),
            ("fd00::/8", "fdff::1"),
            ("::/0", "2001:db8::1"),
        ] {
            assert!(holds(network, address), "{network} {address}");
        }
        for (network, address) in [
            ("10.0.0.0/8", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "2001:db8::1"),
            ("fd00::/8", "fe00::1"),
            ("::/0", "192.0.2.1"),
        ] {
            assert!(!holds(network, address), "{network} {address}");
        }
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "fd00::1/8",
            "10/8",
            "x/8",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}

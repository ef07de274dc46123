//! The values of `miner.hugepages` and `miner.ip`.

use core::net::Ipv4Addr;
use core::str::FromStr;

use super::Reason;

/// The value of `miner.hugepages`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// `auto`: as many as hashing takes, if the memory allows.
    #[default]
    Auto,
    /// `off`: none.
    Off,
    /// A number of pages of 2 MiB.
    Count(u32),
    /// `1g`: pages of 1 GiB that the kernel reserved already (`hugepagesz=1G hugepages=3`).
    Gigabyte,
}

impl FromStr for HugePages {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            "1g" => Ok(Self::Gigabyte),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Self::Count).map_err(|_| Reason::BadValue)
            }
            _ => Err(Reason::BadValue),
        }
    }
}

/// The value of `miner.ip`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ip {
    /// `dhcp`: what the network's server gives.
    #[default]
    Dhcp,
    /// `dhcp,ADDRESS/PREFIX,GATEWAY[,DNS]`: this one if no server answers.
    DhcpThen(StaticIp),
    /// `ADDRESS/PREFIX,GATEWAY[,DNS]`: no server is asked.
    Static(StaticIp),
}

/// An address that is given, not leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticIp {
    /// The machine's own address.
    pub address: Ipv4Addr,
    /// Bits of the network, 1 to 30.
    pub prefix: u8,
    /// The way out.
    pub gateway: Ipv4Addr,
    /// Who resolves names.
    pub dns: Option<Ipv4Addr>,
}

impl StaticIp {
    /// The network mask of [`StaticIp::prefix`].
    pub fn mask(&self) -> Ipv4Addr {
        let host_bits = 32_u32.saturating_sub(self.prefix.into());
        Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or(0))
    }
}

impl FromStr for Ip {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        match text.split_once(',') {
            None if text == "dhcp" => Ok(Self::Dhcp),
            Some(("dhcp", rest)) => rest.parse().map(Self::DhcpThen),
            _ => text.parse().map(Self::Static),
        }
    }
}

impl FromStr for StaticIp {
    type Err = Reason;

    fn from_str(text: &str) -> Result<Self, Reason> {
        let parse = |part: &str| part.parse().map_err(|_| Reason::BadValue);
        let mut parts = text.split(',');
        let (address, prefix) = parts
            .next()
            .and_then(|part| part.split_once('/'))
            .ok_or(Reason::BadValue)?;
        let prefix = prefix.parse().map_err(|_| Reason::BadValue)?;
        let gateway = parts.next().ok_or(Reason::BadValue)?;
        let dns = parts.next();
        if !(1..=30).contains(&prefix) || parts.next().is_some() {
            return Err(Reason::BadValue);
        }
        Ok(Self {
            address: parse(address)?,
            prefix,
            gateway: parse(gateway)?,
            dns: dns.map(parse).transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_server_in_front() {
        let fixed = StaticIp {
            address: Ipv4Addr::new(10, 0, 0, 9),
            prefix: 24,
            gateway: Ipv4Addr::new(10, 0, 0, 1),
            dns: None,
        };
        let with_dns = StaticIp {
            dns: Some(Ipv4Addr::new(9, 9, 9, 9)),
            ..fixed
        };
        assert_eq!("dhcp".parse(), Ok(Ip::Dhcp));
        assert_eq!("10.0.0.9/24,10.0.0.1".parse(), Ok(Ip::Static(fixed)));
        assert_eq!(
            "dhcp,10.0.0.9/24,10.0.0.1,9.9.9.9".parse(),
            Ok(Ip::DhcpThen(with_dns))
        );
        assert_eq!(fixed.mask(), Ipv4Addr::new(255, 255, 255, 0));
        for bad in [
            "",
            "dhcp,",
            "10.0.0.9,10.0.0.1",
            "10.0.0.9/0,10.0.0.1",
            "10.0.0.9/31,10.0.0.1",
            "10.0.0.9/24",
            "10.0.0.9/24,10.0.0.1,9.9.9.9,8.8.8.8",
        ] {
            assert_eq!(bad.parse::<Ip>(), Err(Reason::BadValue), "{bad}");
        }
    }

    #[test]
    fn huge_pages_are_counted_switched_off_or_left_to_the_agent() {
        for (text, value) in [
            ("1168", HugePages::Count(1168)),
            ("off", HugePages::Off),
            ("1g", HugePages::Gigabyte),
            ("auto", HugePages::Auto),
        ] {
            assert_eq!(text.parse(), Ok(value));
        }
        assert_eq!("-1".parse::<HugePages>(), Err(Reason::BadValue));
    }
}

//! A message that someone sent, looked at where it lies.

use core::net::Ipv4Addr;
use core::{fmt, str};

use super::{BROADCAST, Mac};
use super::{COOKIE, ETHERNET, FILE, Header, MessageType, Op, SERVER_NAME, option};

/// A message whose options all lie within it.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    header: Header,
    server_name: &'m [u8],
    file: &'m [u8],
    /// What holds options, in the order in which they count (RFC 3396 section 5); often only the first.
    fields: [&'m [u8]; 3],
}

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// It ends before the options begin.
    Short,
    /// Neither a request nor a reply, or BOOTP without the cookie of DHCP.
    NotDhcp,
    /// The hardware is not Ethernet.
    NotEthernet,
    /// An option is longer than what is left of its field.
    Option,
}

/// A route of option 121.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network, without the bits behind its prefix.
    pub network: Ipv4Addr,
    /// Bits of the network, 0 to 32; 0 is the route to everywhere else.
    pub prefix: u8,
    /// Where its packets go; 0.0.0.0 is "to the network itself".
    pub gateway: Ipv4Addr,
}

impl<'m> Message<'m> {
    /// Reads a UDP payload. The message has no more to it than its form: whether an option makes sense
    /// shows when it is asked for.
    pub fn parse(bytes: &'m [u8]) -> Result<Self, Malformed> {
        let mut fixed = Fixed(bytes);
        let [op, hardware @ .., hops] = *fixed.take::<4>()?;
        let op = match op {
            1 => Op::Request,
            2 => Op::Reply,
            _ => return Err(Malformed::NotDhcp),
        };
        if hardware != ETHERNET {
            return Err(Malformed::NotEthernet);
        }
        let header = Header {
            op,
            hops,
            xid: u32::from_be_bytes(*fixed.take()?),
            secs: fixed.u16()?,
            broadcast: fixed.u16()? & BROADCAST != 0,
            client: fixed.address()?,
            yours: fixed.address()?,
            next_server: fixed.address()?,
            relay: fixed.address()?,
            mac: Mac(*fixed.take()?),
        };
        let _padding = fixed.take::<10>()?;
        let server_name = fixed.take::<SERVER_NAME>()?.as_slice();
        let file = fixed.take::<FILE>()?.as_slice();
        if *fixed.take()? != COOKIE {
            return Err(Malformed::NotDhcp);
        }
        let mut message = Self {
            header,
            server_name,
            file,
            fields: [fixed.0, &[], &[]],
        };
        message.check_options()?;
        if let Some([overload]) = message.option(option::OVERLOAD) {
            if overload & 1 != 0 {
                message.fields[1] = file;
                message.file = &[];
            }
            if overload & 2 != 0 {
                message.fields[2] = server_name;
                message.server_name = &[];
            }
            message.check_options()?;
        }
        Ok(message)
    }

    fn check_options(&self) -> Result<(), Malformed> {
        let mut fields = self.fields.into_iter().flat_map(Options);
        fields.try_for_each(|option| option.map(|_| ()))
    }

    /// What stands at fixed places.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// `sname` up to its first NUL; empty if it holds options.
    pub fn server_name(&self) -> &'m [u8] {
        until_nul(self.server_name)
    }

    /// `file` up to its first NUL; empty if it holds options.
    pub fn file(&self) -> &'m [u8] {
        until_nul(self.file)
    }

    /// All options, code and value, as they come. One that is there twice is one option in two pieces
    /// (RFC 3396).
    pub fn options(&self) -> impl Iterator<Item = (u8, &'m [u8])> + Clone + use<'m> {
        self.fields
            .into_iter()
            .flat_map(Options)
            .map_while(Result::ok)
    }

    /// The first piece of an option, which is the whole of any that is not longer than 255 bytes.
    pub fn option(&self, code: u8) -> Option<&'m [u8]> {
        let mut options = self.options();
        options.find_map(|(its, value)| (its == code).then_some(value))
    }

    /// All pieces of an option, one after the other.
    fn whole(&self, code: u8) -> impl Iterator<Item = u8> + use<'m> {
        let pieces = self.options().filter(move |(its, _)| *its == code);
        pieces.flat_map(|(_, value)| value.iter().copied())
    }

    /// Option 53; `None` for BOOTP and for types that RFC 2131 does not have.
    pub fn message_type(&self) -> Option<MessageType> {
        MessageType::read(self.option(option::MESSAGE_TYPE)?)
    }

    /// Option 1.
    pub fn subnet_mask(&self) -> Option<Ipv4Addr> {
        self.address(option::SUBNET_MASK)
    }

    /// Option 3. To be ignored where [`Self::classless_routes`] has any (RFC 3442).
    pub fn routers(&self) -> impl Iterator<Item = Ipv4Addr> + use<'m> {
        self.addresses(option::ROUTERS)
    }

    /// Option 6.
    pub fn dns_servers(&self) -> impl Iterator<Item = Ipv4Addr> + use<'m> {
        self.addresses(option::DNS_SERVERS)
    }

    /// Option 12, if it is printable ASCII.
    pub fn host_name(&self) -> Option<&'m str> {
        self.text(option::HOST_NAME)
    }

    /// Option 15, if it is printable ASCII.
    pub fn domain_name(&self) -> Option<&'m str> {
        self.text(option::DOMAIN_NAME)
    }

    /// Option 26, in bytes.
    pub fn interface_mtu(&self) -> Option<u16> {
        self.fixed(option::INTERFACE_MTU).map(u16::from_be_bytes)
    }

    /// Option 42.
    pub fn ntp_servers(&self) -> impl Iterator<Item = Ipv4Addr> + use<'m> {
        self.addresses(option::NTP_SERVERS)
    }

    /// Option 51, in seconds; `u32::MAX` is for ever.
    pub fn lease_time(&self) -> Option<u32> {
        self.fixed(option::LEASE_TIME).map(u32::from_be_bytes)
    }

    /// Option 54.
    pub fn server_id(&self) -> Option<Ipv4Addr> {
        self.address(option::SERVER_ID)
    }

    /// Option 58, T1, in seconds.
    pub fn renewal_time(&self) -> Option<u32> {
        self.fixed(option::RENEWAL_TIME).map(u32::from_be_bytes)
    }

    /// Option 59, T2, in seconds.
    pub fn rebinding_time(&self) -> Option<u32> {
        self.fixed(option::REBINDING_TIME).map(u32::from_be_bytes)
    }

    /// Option 121, up to the first route that is broken.
    pub fn classless_routes(&self) -> impl Iterator<Item = Route> + use<'m> {
        let mut bytes = self.whole(option::CLASSLESS_ROUTES);
        core::iter::from_fn(move || route(&mut bytes))
    }

    /// Option 93: what the client's firmware is made for, in its order (RFC 4578 section 2.1).
    pub fn architectures(&self) -> impl Iterator<Item = u16> + use<'m> {
        let mut bytes = self.whole(option::CLIENT_ARCHITECTURE);
        core::iter::from_fn(move || array(&mut bytes).map(u16::from_be_bytes))
    }

    fn fixed<const N: usize>(&self, code: u8) -> Option<[u8; N]> {
        self.option(code)?.try_into().ok()
    }

    fn address(&self, code: u8) -> Option<Ipv4Addr> {
        self.fixed::<4>(code).map(Ipv4Addr::from)
    }

    fn addresses(&self, code: u8) -> impl Iterator<Item = Ipv4Addr> + use<'m> {
        let mut bytes = self.whole(code);
        core::iter::from_fn(move || array::<4>(&mut bytes).map(Ipv4Addr::from))
    }

    fn text(&self, code: u8) -> Option<&'m str> {
        let text = str::from_utf8(until_nul(self.option(code)?)).ok()?;
        let printable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        printable.then_some(text)
    }
}

/// A destination descriptor, which is as long as the prefix needs, and the gateway (RFC 3442).
fn route(bytes: &mut impl Iterator<Item = u8>) -> Option<Route> {
    let prefix = bytes.next().filter(|prefix| *prefix <= 32)?;
    let mut network = [0; 4];
    for byte in network.iter_mut().take(prefix.div_ceil(8).into()) {
        *byte = bytes.next()?;
    }
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    Some(Route {
        network: Ipv4Addr::from(u32::from_be_bytes(network) & mask),
        prefix,
        gateway: array::<4>(bytes)?.into(),
    })
}

/// The next bytes, if there are as many.
fn array<const N: usize>(bytes: &mut impl Iterator<Item = u8>) -> Option<[u8; N]> {
    let mut array = [0; N];
    for byte in &mut array {
        *byte = bytes.next()?;
    }
    Some(array)
}

/// Text in a field, or an option that a server ended with a NUL against RFC 2132 section 2.
fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or(field)
}

/// The fields at fixed places, from front to back.
struct Fixed<'m>(&'m [u8]);

impl<'m> Fixed<'m> {
    fn take<const N: usize>(&mut self) -> Result<&'m [u8; N], Malformed> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(field)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(*self.take()?))
    }

    fn address(&mut self) -> Result<Ipv4Addr, Malformed> {
        Ok(Ipv4Addr::from(*self.take::<4>()?))
    }
}

/// The options of one field, up to its END or, where firmware forgot that, to the last byte. Behind an
/// error there are none.
#[derive(Clone, Debug)]
struct Options<'m>(&'m [u8]);

impl<'m> Iterator for Options<'m> {
    type Item = Result<(u8, &'m [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (code, rest) = self.0.split_first()?;
            self.0 = match *code {
                option::PAD => rest,
                option::END => &[],
                _ => break,
            };
        }
        let [code, length, rest @ ..] = self.0 else {
            self.0 = &[];
            return Some(Err(Malformed::Option));
        };
        let Some((value, rest)) = rest.split_at_checked((*length).into()) else {
            self.0 = &[];
            return Some(Err(Malformed::Option));
        };
        self.0 = rest;
        Some(Ok((*code, value)))
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "the message ends before its options",
            Self::NotDhcp => "not a message of DHCP",
            Self::NotEthernet => "the hardware is not Ethernet",
            Self::Option => "an option goes beyond the message",
        })
    }
}

impl core::error::Error for Malformed {}

//! A network interface's flags, address, MTU and routes, by the calls that Linux has for IPv4 (netdevice(7)).
//!
//! ```text
//!   struct ifreq    0  16  name, NUL-terminated      struct sockaddr_in   0  2  AF_INET, native order
//!                  16  24  union: sockaddr, flags,                        2  2  port, 0 here
//!                          MTU                                            4  4  address
//!                                                                         8  8  zero
//! ```
//! A kernel takes an interface's route to its own network with its address, and drops both with it.
#![expect(
    unsafe_code,
    reason = "no crate that the agent links wraps these ioctls"
)]

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};

/// Room for an interface's name with its NUL (`IFNAMSIZ`).
const NAME: usize = 16;
const NAME_LEN: libc::socklen_t = 16;

// linux/sockios.h
const SIOCADDRT: libc::Ioctl = 0x890b;
const SIOCGIFFLAGS: libc::Ioctl = 0x8913;
const SIOCSIFFLAGS: libc::Ioctl = 0x8914;
const SIOCSIFADDR: libc::Ioctl = 0x8916;
const SIOCSIFNETMASK: libc::Ioctl = 0x891c;
const SIOCSIFMTU: libc::Ioctl = 0x8922;

/// `IFF_UP`, linux/if.h.
const UP: i16 = 1;
/// `RTF_UP` and `RTF_GATEWAY`, linux/route.h.
const ROUTE_UP: u16 = 1;
const ROUTE_GATEWAY: u16 = 2;

type SockAddr = [u8; 16];

/// `struct ifreq` of linux/if.h, whose union has at most 24 bytes.
#[repr(C, align(8))]
struct IfReq {
    name: [u8; NAME],
    data: [u8; 24],
}

/// `struct rtentry` of linux/route.h.
#[repr(C)]
#[derive(Default)]
struct RtEntry {
    pad1: usize,
    to: SockAddr,
    gateway: SockAddr,
    mask: SockAddr,
    flags: u16,
    pad2: i16,
    pad3: usize,
    pad4: usize,
    metric: i16,
    /// A pointer: null for whatever interface reaches the gateway.
    device: usize,
    mtu: usize,
    window: usize,
    irtt: u16,
}

/// Brings an interface up or down.
pub fn set_up(name: &str, up: bool) -> io::Result<()> {
    let mut request = IfReq::of(name)?;
    call(SIOCGIFFLAGS, &mut request)?;
    let [low, high, ..] = request.data;
    let flags = i16::from_ne_bytes([low, high]);
    let flags = if up { flags | UP } else { flags & !UP };
    request.set(&flags.to_ne_bytes());
    call(SIOCSIFFLAGS, &mut request)
}

/// Gives an interface its address and its network, 0 to 32 bits long.
pub fn set_address(name: &str, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    let mut request = IfReq::of(name)?;
    request.set(&sock_addr(address));
    call(SIOCSIFADDR, &mut request)?;
    request.set(&sock_addr(mask(prefix)));
    call(SIOCSIFNETMASK, &mut request)
}

/// Takes an interface's address away, and with it the routes through it.
pub fn clear_address(name: &str) -> io::Result<()> {
    let mut request = IfReq::of(name)?;
    request.set(&sock_addr(Ipv4Addr::UNSPECIFIED));
    call(SIOCSIFADDR, &mut request)
}

/// Sets the longest packet that an interface sends, in bytes.
pub fn set_mtu(name: &str, bytes: u16) -> io::Result<()> {
    let mut request = IfReq::of(name)?;
    request.set(&i32::from(bytes).to_ne_bytes());
    call(SIOCSIFMTU, &mut request)
}

/// Routes what is for a network through a gateway; a prefix of 0 bits is the default route. That the
/// route is there already is success too.
pub fn add_route(to: Ipv4Addr, prefix: u8, gateway: Ipv4Addr) -> io::Result<()> {
    let mask = mask(prefix);
    let network = Ipv4Addr::from_bits(to.to_bits() & mask.to_bits());
    let direct = gateway.is_unspecified();
    let mut route = RtEntry {
        to: sock_addr(network),
        gateway: sock_addr(gateway),
        mask: sock_addr(mask),
        flags: ROUTE_UP | if direct { 0 } else { ROUTE_GATEWAY },
        ..RtEntry::default()
    };
    match call(SIOCADDRT, &mut route) {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        result => result,
    }
}

/// Binds a socket to an interface, so that it works before any address is there.
pub fn bind_to(socket: impl AsFd, name: &str) -> io::Result<()> {
    let name = terminated(name)?;
    // SAFETY: the kernel reads NAME bytes of `name`, which lives through the call, and writes nothing.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast(),
            NAME_LEN,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

impl IfReq {
    fn of(name: &str) -> io::Result<Self> {
        Ok(Self {
            name: terminated(name)?,
            data: [0; 24],
        })
    }

    fn set(&mut self, value: &[u8]) {
        self.data = [0; 24];
        for (to, from) in self.data.iter_mut().zip(value) {
            *to = *from;
        }
    }
}

fn terminated(name: &str) -> io::Result<[u8; NAME]> {
    let mut out = [0; NAME];
    let room = out.get_mut(..name.len().min(NAME)).unwrap_or_default();
    if name.is_empty() || name.len() >= NAME || name.bytes().any(|byte| byte == 0) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    room.copy_from_slice(name.as_bytes());
    Ok(out)
}

fn sock_addr(address: Ipv4Addr) -> SockAddr {
    let mut out = [0; 16];
    let family = u16::try_from(libc::AF_INET).unwrap_or_default();
    let [a, b] = family.to_ne_bytes();
    let [c, d, e, f] = address.octets();
    for (to, from) in out.iter_mut().zip([a, b, 0, 0, c, d, e, f]) {
        *to = from;
    }
    out
}

fn mask(prefix: u8) -> Ipv4Addr {
    let host_bits = u32::from(32_u8.saturating_sub(prefix));
    Ipv4Addr::from_bits(u32::MAX.checked_shl(host_bits).unwrap_or_default())
}

/// `T` is the structure that `request` reads and writes: [`IfReq`] or [`RtEntry`].
fn call<T>(request: libc::Ioctl, structure: &mut T) -> io::Result<()> {
    // Any IPv4 socket will do to name the protocol.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: `structure` has the layout that the request wants, as every caller in this module sees to,
    // and lives through the call; its pointers are null.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), request, &raw mut *structure) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_have_as_many_ones_as_the_prefix_says() {
        for (prefix, text) in [
            (0, "0.0.0.0"),
            (1, "128.0.0.0"),
            (24, "255.255.255.0"),
            (32, "255.255.255.255"),
            (200, "255.255.255.255"),
        ] {
            assert_eq!(mask(prefix).to_string(), text);
        }
    }

    #[test]
    fn an_address_is_laid_out_as_the_kernel_reads_it() {
        let bytes = sock_addr(Ipv4Addr::new(192, 168, 1, 2));
        assert_eq!(bytes[..2], 2_u16.to_ne_bytes());
        assert_eq!(bytes[2..], [0, 0, 192, 168, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn structures_have_the_sizes_of_the_kernels() {
        assert_eq!(size_of::<IfReq>(), 40);
        assert_eq!(size_of::<RtEntry>(), size_of::<libc::rtentry>());
    }

    #[test]
    fn names_that_no_interface_can_have_are_refused_before_the_kernel_is_asked() {
        for name in ["", "a-name-of-16-char", "0123456789abcdef", "a\0b"] {
            let error = set_up(name, true).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
        assert!(set_up("no-such-card", true).is_err());
    }
}

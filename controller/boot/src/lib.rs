//! Boots rigs over the network beside whatever DHCP server the network has: that one gives addresses,
//! this one says where the boot file is, and serves it.
//!
//! ```text
//!   rig's firmware ── DISCOVER ──▶ 67/udp   ┐
//!                  ◀── OFFER: file name ──  ├ proxy     (PXE 2.1, RFC 4578)
//!                  ── REQUEST ──▶ 4011/udp  ┘
//!                  ── RRQ ──▶ 69/udp          tftp      (RFC 1350, 2347 to 2349, 7440)
//!                  ── GET ──▶ 7402/tcp        http      (HTTP/1.1)
//!                                               │
//!                                             files ◀── recipes: kernel, initramfs, UKIs, command line
//!   progress ◀── every step of every rig
//! ```
//!
//! | client | gets by | file |
//! |---|---|---|
//! | BIOS PXE ROM | TFTP | `undionly.kpxe`, which is iPXE and asks again |
//! | iPXE | HTTP | `boot.ipxe`, and what it names: `vmlinuz`, `initrd` |
//! | UEFI PXE | TFTP | `x64.efi`, `arm64.efi`: a UKI |
//! | UEFI HTTP boot | HTTP | the same |
//!
//! Every file is named `MAC/FILE`, so that each request says which rig it is for. [`proxy`],
//! [`tftp::Transfer`], [`ipxe`] and [`progress`] know no socket and no clock; [`server`] drives them.
//!
//! TFTP and HTTP are clear text, and whoever owns the network can serve another kernel altogether: network
//! boot trusts the network. The server therefore answers on one chosen interface and to its own subnet
//! only, from a fixed table, reads no path that a client names, and writes nothing.

mod clock;
mod door;
pub mod files;
mod http;
pub mod ipxe;
pub mod limits;
pub mod progress;
pub mod proxy;
pub mod server;
pub mod tftp;

//! A network to boot from: three network namespaces of this machine, nothing of which leads anywhere.
//!
//! ```text
//!   miner-boot-lan    bridge ── tap ── a machine ([`crate::machine`]), whose firmware asks
//!                        ├─ veth ── miner-boot-dhcp   10.77.0.1  dnsmasq: addresses, and no word of booting
//!                        └─ veth ── miner-boot-serve  10.77.0.2  controller and boot server
//! ```
//! It needs root, `ip`, `dnsmasq` and `/dev/net/tun`.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::home::Home;
use crate::service::Service;

/// Where machines are.
pub const MACHINES: &str = "miner-boot-lan";
/// Where the controller is, and its address there.
pub const SERVE: (&str, &str) = ("miner-boot-serve", "10.77.0.2");
const DHCP: (&str, &str) = ("miner-boot-dhcp", "10.77.0.1");
const DNSMASQ: &str = "/usr/sbin/dnsmasq";

/// Namespaces, and who gives addresses in them; gone when it is dropped.
#[derive(Debug)]
pub struct Lan {
    // Ends before the namespaces do.
    dhcp: Option<(Home, Service)>,
}

/// Runs `ip` with these words.
fn ip(words: &str) -> bool {
    let mut ip = Command::new("ip");
    let status = ip.args(words.split(' ')).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Lan {
    /// The network, with addresses for whoever asks.
    ///
    /// # Errors
    /// What this machine lacks.
    pub fn new() -> Result<Self, String> {
        for needed in [DNSMASQ, "/dev/net/tun"] {
            if !Path::new(needed).exists() {
                return Err(needed.to_owned());
            }
        }
        // What a test that was killed left behind.
        remove();
        let mut lan = Self { dhcp: None };
        for namespace in [MACHINES, DHCP.0, SERVE.0] {
            if !ip(&format!("netns add {namespace}")) {
                return Err("the right to make network namespaces, or ip".to_owned());
            }
            ip(&format!("-n {namespace} link set lo up"));
        }
        let mut whole = ip(&format!("-n {MACHINES} link add br0 type bridge"))
            && ip(&format!("-n {MACHINES} link set br0 up"))
            && ip(&format!("-n {MACHINES} tuntap add tap0 mode tap"))
            && ip(&format!("-n {MACHINES} link set tap0 master br0 up"));
        for ((namespace, address), end) in [(DHCP, "dhcp"), (SERVE, "serve")] {
            whole &= ip(&format!(
                "-n {MACHINES} link add {end} type veth peer name eth0 netns {namespace}"
            )) && ip(&format!("-n {MACHINES} link set {end} master br0 up"))
                && ip(&format!(
                    "-n {namespace} addr add {address}/24 brd + dev eth0"
                ))
                && ip(&format!("-n {namespace} link set eth0 up"));
        }
        if !whole {
            return Err("bridge, veth and tap in the kernel".to_owned());
        }
        let home = Home::new("dhcp").map_err(|error| error.to_string())?;
        let home = home.inside(DHCP.0);
        let words = "--keep-in-foreground --port=0 --conf-file=/dev/null --leasefile-ro --interface=eth0 \
                     --bind-interfaces --dhcp-range=10.77.0.100,10.77.0.150,1h --dhcp-authoritative";
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        let service = home.serve(DNSMASQ, &words)?;
        lan.dhcp = Some((home, service));
        Ok(lan)
    }
}

fn remove() {
    for namespace in [MACHINES, DHCP.0, SERVE.0] {
        ip(&format!("netns delete {namespace}"));
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        self.dhcp = None;
        remove();
    }
}

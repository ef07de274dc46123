//! The machine as a whole: starting it anew, switching it off, and by which addresses it is woken.

use std::fs;
use std::io;
use std::path::Path;

use miner_shared::limits::MAX_INTERFACES;
use miner_shared::text::Text;
use miner_shared::wire::{Interface, Interfaces};
use rustix::system::{RebootCommand, reboot};

/// Number of `CAP_SYS_BOOT` among the kernel's capabilities (linux/capability.h).
const CAP_SYS_BOOT: u32 = 22;
/// `ARPHRD_ETHER`: what a magic packet can wake (linux/if_arp.h).
const ETHERNET: &str = "1";

/// How a machine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineEnd {
    /// It starts anew.
    Reboot,
    /// It is off.
    PowerOff,
}

/// Whether this process is one to end the machine: told so by the owner, and let by the kernel.
pub fn may_end(told_so: bool) -> bool {
    told_so && has_capability(CAP_SYS_BOOT)
}

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective =
        super::field(&status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    effective.is_some_and(|set| set >> number & 1 == 1)
}

/// Writes what is buffered to disk and ends the machine. Returns only if that failed.
pub fn end(how: MachineEnd) -> io::Error {
    rustix::fs::sync();
    let command = match how {
        MachineEnd::Reboot => RebootCommand::Restart,
        MachineEnd::PowerOff => RebootCommand::PowerOff,
    };
    match reboot(command) {
        Ok(()) => io::Error::other("the kernel did nothing"),
        Err(error) => error.into(),
    }
}

/// The Ethernet interfaces that are up and stand for hardware, at most [`MAX_INTERFACES`], by name.
pub fn interfaces() -> Interfaces {
    interfaces_in(Path::new("/sys/class/net"))
}

fn interfaces_in(root: &Path) -> Interfaces {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .filter_map(|entry| interface(&entry.path()))
        .collect();
    all.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    all.into_iter().take(MAX_INTERFACES).collect()
}

fn interface(folder: &Path) -> Option<Interface> {
    let read = |file: &str| fs::read_to_string(folder.join(file)).ok();
    let is = |file: &str, what: &str| read(file).is_some_and(|text| text.trim() == what);
    if !is("type", ETHERNET) || !is("operstate", "up") || !folder.join("device").exists() {
        return None;
    }
    let address = read("address")?;
    let mut bytes = address
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16));
    let mut mac = [0; 6];
    for byte in &mut mac {
        *byte = bytes.next()?.ok()?;
    }
    let name = folder.file_name()?.to_str()?;
    (bytes.next().is_none() && mac != [0; 6]).then(|| Interface {
        name: Text::lossy(name),
        mac,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_those_that_are_up_and_of_hardware() {
        let root = tempfile::tempdir().expect("a folder");
        let make = |name: &str, kind: &str, state: &str, address: &str, device: bool| {
            let folder = root.path().join(name);
            fs::create_dir(&folder).expect("made");
            for (file, text) in [("type", kind), ("operstate", state), ("address", address)] {
                fs::write(folder.join(file), format!("{text}\n")).expect("written");
            }
            if device {
                fs::create_dir(folder.join("device")).expect("made");
            }
        };
        make("lo", "772", "unknown", "00:00:00:00:00:00", false);
        make("eth1", "1", "up", "02:fc:00:00:00:01", true);
        make("eth0", "1", "up", "02:fc:00:00:00:02", true);
        make("eth2", "1", "down", "02:fc:00:00:00:03", true);
        make("docker0", "1", "up", "02:42:00:00:00:04", false);
        make("odd", "1", "up", "02:fc:00:00:00", true);
        make("ib0", "32", "up", "02:fc:00:00:00:05", true);
        let found: Vec<_> = interfaces_in(root.path())
            .iter()
            .map(|interface| (interface.name.to_string(), interface.mac))
            .collect();
        let mac = |last| [2, 0xfc, 0, 0, 0, last];
        assert_eq!(
            found,
            [("eth0".to_owned(), mac(2)), ("eth1".to_owned(), mac(1))]
        );
        assert!(interfaces_in(Path::new("/nonexistent")).is_empty());
    }

    #[test]
    fn a_process_like_any_other_does_not_end_the_machine() {
        assert!(!may_end(false), "nobody told it so");
    }
}

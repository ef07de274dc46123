//! The file systems that a system without a distribution has.
//!
//! | where | type | options |
//! |---|---|---|
//! | `/dev` | devtmpfs | nosuid, noexec |
//! | `/proc` | proc | nosuid, nodev, noexec |
//! | `/sys` | sysfs | nosuid, nodev, noexec |
//! | `/run` | tmpfs | nosuid, nodev, noexec; at most 16 MiB, 0755 |
//!
//! The root stays what the kernel unpacked the image into.

use std::ffi::CStr;
use std::fs;

use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

use super::Root;

struct Mount {
    at: &'static str,
    kind: &'static str,
    devices: bool,
    options: &'static CStr,
}

const MOUNTS: [Mount; 4] = [
    Mount {
        at: "dev",
        kind: "devtmpfs",
        devices: true,
        options: c"mode=0755",
    },
    Mount {
        at: "proc",
        kind: "proc",
        devices: false,
        options: c"",
    },
    Mount {
        at: "sys",
        kind: "sysfs",
        devices: false,
        options: c"",
    },
    Mount {
        at: "run",
        kind: "tmpfs",
        devices: false,
        options: c"mode=0755,size=16m",
    },
];

/// Mounts all; gives what failed, for the log that does not exist yet. That the kernel has mounted one
/// itself is no failure.
pub(super) fn mount_all(root: &Root) -> Vec<(&'static str, std::io::Error)> {
    let mut failed = Vec::new();
    for wanted in &MOUNTS {
        let at = root.at(wanted.at);
        let _ = fs::create_dir_all(&at); // If it is not there, mounting says so.
        match mount(wanted.kind, &at, wanted.kind, flags(wanted), wanted.options) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => failed.push((wanted.at, error.into())),
        }
    }
    failed
}

fn flags(wanted: &Mount) -> MountFlags {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    if wanted.devices {
        flags
    } else {
        flags | MountFlags::NODEV
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folder_of_devices_has_devices_and_none_runs_programs() {
        for wanted in &MOUNTS {
            let flags = flags(wanted);
            assert_eq!(!flags.contains(MountFlags::NODEV), wanted.at == "dev");
            assert!(flags.contains(MountFlags::NOSUID | MountFlags::NOEXEC));
        }
    }
}

//! Which modules a rig may need: [`GROUPS`] is the table to read and to extend.
//!
//! What a module depends on comes by itself; what the kernel would ask modprobe for does not, and so
//! stands here: code pages of FAT, disks behind AHCI and USB, the bus behind a watchdog.

use std::fmt;
use std::str::FromStr;

use super::plain;
use crate::arch::Arch;

/// How much hardware an image knows; each holds the ones before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Set {
    /// Virtual machines.
    Virt,
    /// And what rigs are built of.
    #[default]
    Full,
    /// And what servers have besides: 10 MB of drivers.
    Server,
}

impl Set {
    /// All, the smallest first.
    pub const ALL: [Self; 3] = [Self::Virt, Self::Full, Self::Server];

    /// The name in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Virt => "virt",
            Self::Full => "full",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Set {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|set| set.name() == text);
        found.ok_or("not a set of modules; take virt, full or server")
    }
}

/// Some modules of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The smallest set with them.
    pub set: Set,
    /// The machines that have them; `None` for all.
    pub arch: Option<Arch>,
    /// What they are for.
    pub what: &'static str,
    /// Their names.
    pub modules: &'static [&'static str],
}

const fn group(
    set: Set,
    arch: Option<Arch>,
    what: &'static str,
    modules: &'static [&'static str],
) -> Group {
    Group {
        set,
        arch,
        what,
        modules,
    }
}

const ANY: Option<Arch> = None;
const X86: Option<Arch> = Some(Arch::X86_64);
const ARM: Option<Arch> = Some(Arch::Aarch64);

/// The table, in the order of loading.
#[rustfmt::skip]
pub const GROUPS: &[Group] = &[
    group(Set::Virt, ANY, "randomness", &["virtio-rng"]),
    group(Set::Virt, ANY, "virtual bus", &["virtio_pci"]),
    group(Set::Virt, ARM, "virtual bus", &["virtio_mmio"]),
    group(Set::Virt, ANY, "FAT and its code pages", &["vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1", "nls_utf8"]),
    group(Set::Virt, ANY, "virtual disk and card", &["virtio_blk", "virtio_net", "net_failover"]),
    group(Set::Virt, X86, "watchdog of qemu", &["i6300esb"]),

    group(Set::Full, ANY, "watchdog without hardware", &["softdog"]),
    group(Set::Full, X86, "watchdogs and the bus to them", &["lpc_ich", "i2c-i801", "iTCO_wdt", "sp5100_tco", "wdat_wdt"]),
    group(Set::Full, ARM, "watchdogs and randomness of the Pi", &["bcm2835_wdt", "bcm2835-rng"]),
    group(Set::Full, X86, "sensors, power, registers", &["coretemp", "k10temp", "msr", "rapl", "intel_rapl_msr"]),
    group(Set::Full, ANY, "firmware's variables", &["efivarfs"]),
    group(Set::Full, ANY, "disks", &["sd_mod", "ahci", "nvme", "virtio_scsi"]),
    group(Set::Full, X86, "old disk controllers", &["ata_piix"]),
    group(Set::Full, ARM, "memory cards", &["mmc_block", "bcm2835", "sdhci-iproc"]),
    group(Set::Full, ANY, "USB, its sticks and keyboards", &["xhci-pci", "ehci-pci", "ohci-pci", "usb-storage", "uas", "usbhid", "hid-generic"]),
    group(Set::Full, X86, "old USB", &["uhci-hcd"]),
    group(Set::Full, ANY, "cards by Intel", &["e1000", "e1000e", "igb", "igc", "ixgbe", "i40e"]),
    group(Set::Full, ANY, "cards by Realtek", &["r8169"]),
    group(Set::Full, ANY, "cards by others", &["tg3", "atlantic", "alx", "atl1c", "bnx2", "sky2"]),
    group(Set::Full, X86, "old cards", &["forcedeth", "jme"]),
    group(Set::Full, ARM, "cards on the board of the Pi", &["genet", "lan78xx", "smsc95xx"]),
    group(Set::Full, ANY, "cards at USB", &["r8152", "ax88179_178a", "asix", "cdc_ether", "cdc_ncm"]),
    group(Set::Full, X86, "Hyper-V and VMware", &["hv_vmbus", "hv_netvsc", "hv_storvsc", "vmxnet3", "vmw_pvscsi"]),

    group(Set::Server, ANY, "fast cards", &["bnx2x", "bnxt_en", "ice", "mlx4_en", "mlx5_core", "ena"]),
    group(Set::Server, ANY, "disk controllers", &["megaraid_sas", "mpt3sas"]),
];

/// The modules of a set, each once, in the order of the table.
pub fn wanted(set: Set, arch: Arch) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for group in GROUPS {
        if group.set <= set && group.arch.is_none_or(|only| only == arch) {
            for name in group.modules {
                if !names.iter().any(|other| plain(other) == plain(name)) {
                    names.push(name);
                }
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_set_holds_the_smaller_one() {
        for arch in Arch::ALL {
            let sizes = Set::ALL.map(|set| wanted(set, arch));
            for pair in sizes.windows(2) {
                assert!(pair[0].iter().all(|name| pair[1].contains(name)));
                assert!(pair[0].len() < pair[1].len());
            }
        }
    }

    #[test]
    fn no_module_stands_in_the_table_twice_for_one_machine() {
        for arch in Arch::ALL {
            let groups = GROUPS
                .iter()
                .filter(|g| g.arch.is_none_or(|only| only == arch));
            let listed: usize = groups.map(|group| group.modules.len()).sum();
            assert_eq!(listed, wanted(Set::Server, arch).len());
        }
    }

    #[test]
    fn a_set_goes_by_its_name() {
        for set in Set::ALL {
            assert_eq!(set.to_string().parse(), Ok(set));
        }
        assert!("huge".parse::<Set>().is_err());
    }
}

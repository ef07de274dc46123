//! A machine of its own: qemu, without the host's accelerator, so that it runs wherever the tests do.
//!
//! | boots from | how |
//! |---|---|
//! | [`From::Kernel`] | kernel and initramfs, as a boot server would hand them over |
//! | [`From::Bios`], [`From::Uefi`] | a disk image |
//! | [`From::Network`] | what a boot server on a [`crate::lan`] offers |
//!
//! A machine that starts anew is off by default, so that a kernel that dies is noticed; one that is updated
//! goes on ([`Restarts`]).
//!
//! But for the latter the network is qemu's own: the guest reaches the host's loopback as [`HOST`].

use std::fs;
use std::path::{Path, PathBuf};

use miner_images::fat::{SECTOR, Tree, Volume};
use miner_shared::slots::{BOOT_LABEL, STATE_LABEL};

use crate::home::Home;
use crate::service::Service;

/// The host, for a guest.
pub const HOST: &str = "10.0.2.2";
/// The network card of a machine that boots from the network.
pub const MAC: &str = "52:54:00:12:34:56";
/// Firmware of PCs with UEFI, from Debian's package `ovmf`, and its empty variables.
const OVMF: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Whose machine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// `-M virt` with a Cortex-A72.
    Aarch64,
    /// The usual PC.
    X86_64,
}

/// What it boots from.
#[derive(Clone, Copy, Debug)]
pub enum From<'a> {
    /// A folder with `vmlinuz`, `initrd` and `cmdline`.
    Kernel(&'a Path),
    /// A disk image, by the PC's BIOS.
    Bios(&'a Path),
    /// A disk image, by UEFI.
    Uefi(&'a Path),
    /// The network.
    Network(Firmware),
}

/// How a machine boots from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// A BIOS with the card's own iPXE.
    Bios,
    /// UEFI by PXE.
    UefiPxe,
    /// UEFI by HTTP.
    UefiHttp,
}

impl Arch {
    /// The name in recipes and targets.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aarch64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    /// The static agent that `cargo xtask build` makes.
    pub fn agent(self) -> PathBuf {
        let file = format!("target/{}-unknown-linux-musl/agent/miner", self.name());
        crate::sources::root().join(file)
    }

    fn qemu(self) -> PathBuf {
        format!("/usr/bin/qemu-system-{}", self.name()).into()
    }
}

/// What a machine does that starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restarts {
    /// It goes on.
    GoOn,
    /// It is off.
    SwitchOff,
}

/// Switches a machine on; its serial console is what the service prints. `home` keeps its files, `memory` is in MiB.
///
/// # Errors
/// qemu or a file is missing.
pub fn boot(
    home: &Home,
    arch: Arch,
    memory: u32,
    from: From<'_>,
    restarts: Restarts,
) -> Result<Service, String> {
    let mut words: Vec<String> = Vec::new();
    let mut say = |line: &str| words.extend(line.split(' ').map(str::to_owned));
    say("-accel tcg,thread=multi -smp 2 -nographic");
    if restarts == Restarts::SwitchOff {
        say("-no-reboot");
    }
    say(&format!("-m {memory}"));
    match from {
        From::Network(firmware) => {
            say("-boot n -netdev tap,id=n0,ifname=tap0,script=no,downscript=no");
            // Without a ROM, UEFI takes its own driver.
            let rom = if firmware == Firmware::Bios {
                ""
            } else {
                ",romfile="
            };
            say(&format!("-device virtio-net-pci,netdev=n0,mac={MAC}{rom}"));
        }
        _ => say("-netdev user,id=n0 -device virtio-net-pci,netdev=n0"),
    }
    if arch == Arch::Aarch64 {
        say("-M virt -cpu cortex-a72");
    }
    match from {
        From::Kernel(folder) => {
            let line = folder.join("cmdline");
            let line = fs::read_to_string(&line)
                .map_err(|error| format!("{}: {error}", line.display()))?;
            for (word, file) in [("-kernel", "vmlinuz"), ("-initrd", "initrd")] {
                words.extend([word.to_owned(), folder.join(file).display().to_string()]);
            }
            words.extend(["-append".to_owned(), line]);
        }
        From::Bios(disk) => say(&drive(disk)),
        From::Uefi(disk) => {
            say(&uefi(home)?);
            say(&drive(disk));
        }
        From::Network(Firmware::Bios) => {}
        From::Network(Firmware::UefiPxe) => say(&uefi(home)?),
        From::Network(Firmware::UefiHttp) => {
            say(&uefi(home)?);
            say("-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=no");
            say("-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=no");
        }
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let qemu = arch.qemu();
    let qemu = qemu.to_str().ok_or("qemu's path")?;
    home.serve(qemu, &words)
}

/// A PC with UEFI, whose variables are kept in `home`.
fn uefi(home: &Home) -> Result<String, String> {
    let variables = home.path().join("variables.fd");
    if !variables.exists() {
        fs::copy(OVMF_VARIABLES, &variables)
            .map_err(|error| format!("{OVMF_VARIABLES}: {error}"))?;
    }
    Ok(format!(
        "-machine q35 -drive if=pflash,format=raw,readonly=on,file={OVMF} \
         -drive if=pflash,format=raw,file={}",
        variables.display()
    ))
}

/// Puts files on the state volume of a disk image, beside those that are on it.
///
/// # Errors
/// The image is none of ours, or the files do not fit.
pub fn add_state(disk: &Path, files: &[(String, Vec<u8>)]) -> Result<(), String> {
    let failed = |error: &dyn core::fmt::Display| format!("{}: {error}", disk.display());
    let mut bytes = fs::read(disk).map_err(|error| failed(&error))?;
    let volumes = miner_images::disk::volumes(&bytes);
    let mut found = volumes.iter().filter(|found| found.label == STATE_LABEL);
    let found = found.next().ok_or_else(|| failed(&"no state volume"))?;
    let mut tree = Tree::default();
    for entry in found.volume.list().map_err(|error| failed(&error))? {
        if !entry.is_folder {
            let file = found.volume.read(&entry.path);
            let file = file.map_err(|error| failed(&error))?;
            tree.add(&entry.path, file)
                .map_err(|error| failed(&error))?;
        }
    }
    for (path, bytes) in files {
        tree.add(path, &**bytes).map_err(|error| failed(&error))?;
    }
    let sectors = |bytes: usize| u32::try_from(bytes / SECTOR).map_err(|error| failed(&error));
    let volume = Volume {
        label: STATE_LABEL,
        serial: 1,
        sectors: sectors(found.place.len())?,
        hidden: sectors(found.place.start)?,
        kind: None,
    };
    let volume = volume
        .format(tree)
        .map_err(|error| failed(&error))?
        .to_vec();
    let place = found.place.clone();
    bytes.splice(place, volume);
    fs::write(disk, bytes).map_err(|error| failed(&error))
}

/// The paths of what is on the boot volume of a disk image.
///
/// # Errors
/// The image is none of ours.
pub fn boot_files(disk: &Path) -> Result<Vec<String>, String> {
    let failed = |error: &dyn core::fmt::Display| format!("{}: {error}", disk.display());
    let bytes = fs::read(disk).map_err(|error| failed(&error))?;
    let volumes = miner_images::disk::volumes(&bytes);
    let mut found = volumes.iter().filter(|found| found.label == BOOT_LABEL);
    let found = found.next().ok_or_else(|| failed(&"no boot volume"))?;
    let entries = found.volume.list().map_err(|error| failed(&error))?;
    Ok(entries.into_iter().map(|entry| entry.path).collect())
}

fn drive(disk: &Path) -> String {
    format!("-drive file={},format=raw,if=virtio", disk.display())
}

//! A machine of its own: qemu, without the host's accelerator, so that it runs wherever the tests do.
//!
//! | boots from | how |
//! |---|---|
//! | [`From::Kernel`] | kernel and initramfs, as a boot server would hand them over |
//! | [`From::Bios`], [`From::Uefi`] | a disk image |
//! | [`From::Network`] | what a boot server on a [`crate::lan`] offers |
//!
//! A machine that starts anew is off by default, so that a kernel that dies is noticed; one that is updated
//! goes on ([`Machine::going_on`]).
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
const OVMF: [&str; 2] = [
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_VARS_4M.fd",
];
/// The same for ARM64, from `qemu-efi-aarch64`.
const AAVMF: [&str; 2] = [
    "/usr/share/AAVMF/AAVMF_CODE.fd",
    "/usr/share/AAVMF/AAVMF_VARS.fd",
];

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

    /// UEFI, whose variables are kept in `home`.
    fn uefi(self, home: &Home) -> Result<String, String> {
        let ([code, empty], machine) = match self {
            Self::Aarch64 => (AAVMF, ""),
            Self::X86_64 => (OVMF, "-machine q35"),
        };
        let variables = home.path().join("variables.fd");
        if !variables.exists() {
            fs::copy(empty, &variables).map_err(|error| format!("{empty}: {error}"))?;
        }
        Ok(format!(
            "{machine} -drive if=pflash,format=raw,readonly=on,file={code} \
             -drive if=pflash,format=raw,file={}",
            variables.display()
        ))
    }
}

/// What a machine does that starts anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Restarts {
    /// It goes on.
    GoOn,
    /// It is off.
    SwitchOff,
}

/// A machine that is off.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    arch: Arch,
    memory: u32,
    from: From<'a>,
    restarts: Restarts,
    processors: u32,
    writes: Option<&'a Path>,
    more: String,
}

impl<'a> Machine<'a> {
    /// With two processors, and so much memory in MiB; it is off when it would start anew.
    pub const fn new(arch: Arch, memory: u32, from: From<'a>) -> Self {
        Self {
            arch,
            memory,
            from,
            restarts: Restarts::SwitchOff,
            processors: 2,
            writes: None,
            more: String::new(),
        }
    }

    /// It goes on when it starts anew.
    #[must_use]
    pub const fn going_on(mut self) -> Self {
        self.restarts = Restarts::GoOn;
        self
    }

    /// With one processor.
    #[must_use]
    pub const fn small(mut self) -> Self {
        self.processors = 1;
        self
    }

    /// What is written to its disk is noted in this file, in its order ([`crate::writes`]).
    #[must_use]
    pub const fn noting_writes(mut self, log: &'a Path) -> Self {
        self.writes = Some(log);
        self
    }

    /// Further words for qemu.
    #[must_use]
    pub fn with(mut self, words: &str) -> Self {
        self.more.push(' ');
        self.more.push_str(words);
        self
    }

    /// Switches it on; its serial console is what the service prints. `home` keeps its files.
    ///
    /// # Errors
    /// qemu or a file is missing.
    pub fn boot(&self, home: &Home) -> Result<Service, String> {
        let mut words = self.words(home)?;
        if let From::Kernel(folder) = self.from {
            let line = folder.join("cmdline");
            let line = fs::read_to_string(&line)
                .map_err(|error| format!("{}: {error}", line.display()))?;
            for (word, file) in [("-kernel", "vmlinuz"), ("-initrd", "initrd")] {
                words.extend([word.to_owned(), folder.join(file).display().to_string()]);
            }
            words.extend(["-append".to_owned(), line]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let qemu = self.arch.qemu();
        let qemu = qemu.to_str().ok_or("qemu's path")?;
        home.serve(qemu, &words)
    }

    fn words(&self, home: &Home) -> Result<Vec<String>, String> {
        let mut words: Vec<String> = Vec::new();
        let mut say = |line: &str| words.extend(line.split_whitespace().map(str::to_owned));
        say(match self.processors {
            1 => "-accel tcg -smp 1",
            _ => "-accel tcg,thread=multi -smp 2",
        });
        say(&format!("-nographic -m {}", self.memory));
        if self.restarts == Restarts::SwitchOff {
            say("-no-reboot");
        }
        match self.from {
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
        if self.arch == Arch::Aarch64 {
            say("-M virt -cpu cortex-a72");
        }
        match self.from {
            From::Kernel(_) | From::Network(Firmware::Bios) => {}
            From::Bios(disk) => say(&self.drive(disk)),
            From::Uefi(disk) => {
                say(&self.arch.uefi(home)?);
                say(&self.drive(disk));
            }
            From::Network(Firmware::UefiPxe) => say(&self.arch.uefi(home)?),
            From::Network(Firmware::UefiHttp) => {
                say(&self.arch.uefi(home)?);
                say("-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=no");
                say("-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=no");
            }
        }
        say(&self.more);
        Ok(words)
    }

    /// A disk with a cache that writes when the machine says so, as disks have one. What the machine has
    /// written is the host's then: a killed qemu loses what the machine has not.
    fn drive(&self, disk: &Path) -> String {
        let disk = disk.display();
        match self.writes {
            None => format!("-drive file={disk},format=raw,if=virtio,cache=writeback"),
            Some(log) => format!(
                "-blockdev driver=blklogwrites,node-name=d0,file.driver=file,file.filename={disk},\
                 log.driver=file,log.filename={} -device virtio-blk-pci,drive=d0",
                log.display()
            ),
        }
    }
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

/// The entries by which UEFI starts the slots of a disk image, by their paths.
///
/// # Errors
/// The image is none of ours.
pub fn boot_entries(disk: &Path) -> Result<Vec<String>, String> {
    let failed = |error: &dyn core::fmt::Display| format!("{}: {error}", disk.display());
    let bytes = fs::read(disk).map_err(|error| failed(&error))?;
    let volumes = miner_images::disk::volumes(&bytes);
    let mut found = volumes.iter().filter(|found| found.label == BOOT_LABEL);
    let found = found.next().ok_or_else(|| failed(&"no boot volume"))?;
    let entries = found.volume.list().map_err(|error| failed(&error))?;
    let paths = entries.into_iter().map(|entry| entry.path);
    Ok(paths
        .filter(|path| path.starts_with("loader/entries/"))
        .collect())
}

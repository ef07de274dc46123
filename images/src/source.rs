//! What an image is made of: a kernel and its modules, an EFI stub, and the agent.
//!
//! ```text
//! linux-image-….deb  or a folder: boot/vmlinuz-*, lib/modules/*  ─▶ Kernel
//! systemd-boot-efi_….deb                                        ─▶ EFI stub
//! agent                                                         ─▶ checked: static, of the right machine
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::deb::{self, DebError};
use crate::elf::{Elf, Needs};
use crate::modules::{Modules, ModulesError};

/// Folders of modules that no set has: half of what a kernel comes with. A module that needs one of them
/// after all is refused by its name.
const NEVER: [&str; 7] = [
    "/kernel/drivers/gpu/",
    "/kernel/drivers/iio/",
    "/kernel/drivers/infiniband/",
    "/kernel/drivers/media/",
    "/kernel/drivers/net/wireless/",
    "/kernel/drivers/staging/",
    "/kernel/sound/",
];

/// Why there is no source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The agent cannot be used.
    #[error("{0}: {1}")]
    Agent(PathBuf, AgentFault),
    /// A package was not read.
    #[error(transparent)]
    Deb(#[from] DebError),
    /// A file or folder was not read.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// A part is not there.
    #[error("{0}: {1} is not in it")]
    Missing(PathBuf, &'static str),
    /// A module was not read.
    #[error(transparent)]
    Modules(#[from] ModulesError),
    /// More than one kernel where one is wanted.
    #[error("{0}: more than one kernel; leave one there")]
    SeveralKernels(PathBuf),
}

/// Why a program cannot be an image's agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AgentFault {
    /// It needs what an image does not have.
    #[error(
        "not static: an image has no libraries; build it with `cargo xtask build --target {0}`"
    )]
    NotStatic(Arch),
    /// It is no program.
    #[error("no Linux program of 64 bits; build it with `cargo xtask build --target {0}`")]
    NotAProgram(Arch),
    /// It is for another machine.
    #[error("not for {0}; build it with `cargo xtask build --target {0}`")]
    WrongMachine(Arch),
}

/// A kernel with its modules.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// Its release, such as `6.1.0-56-amd64`.
    pub release: String,
    /// The image that is started.
    pub image: Vec<u8>,
    /// Its modules.
    pub modules: Modules,
}

impl Kernel {
    /// From Debian's package. Takes about 300 MB of memory and 10 s of one core.
    ///
    /// # Errors
    /// The package cannot be read, or holds not just one kernel.
    pub fn from_package(package: &Path) -> Result<Self, SourceError> {
        Self::from_files(package, deb::files(package, &is_wanted)?)
    }

    /// From a folder with the same layout as a package: a user's own kernel.
    ///
    /// # Errors
    /// The folder cannot be read, or holds not just one kernel.
    pub fn from_folder(folder: &Path) -> Result<Self, SourceError> {
        let mut files = BTreeMap::new();
        for part in ["boot", "lib/modules", "usr/lib/modules"] {
            read_below(folder, Path::new(part), &mut files)?;
        }
        Self::from_files(folder, files)
    }

    fn from_files(from: &Path, files: BTreeMap<String, Vec<u8>>) -> Result<Self, SourceError> {
        let mut found: Option<(String, Vec<u8>)> = None;
        let mut modules = Modules::new();
        for (path, bytes) in files {
            if let Some(release) = path.strip_prefix("boot/vmlinuz-") {
                if found.is_some() {
                    return Err(SourceError::SeveralKernels(from.to_owned()));
                }
                found = Some((release.to_owned(), bytes));
            } else if path.ends_with("/modules.builtin") {
                modules.add_builtin(&String::from_utf8_lossy(&bytes));
            } else {
                modules.add(&path, bytes)?;
            }
        }
        let missing = SourceError::Missing(from.to_owned(), "boot/vmlinuz-*");
        let (release, image) = found.ok_or(missing)?;
        Ok(Self {
            release,
            image,
            modules,
        })
    }
}

fn is_wanted(path: &str) -> bool {
    let in_folder = path.starts_with("lib/modules/") || path.starts_with("usr/lib/modules/");
    let module = in_folder && (Modules::is_module(path) || path.ends_with("/modules.builtin"));
    let kernel = path.starts_with("boot/vmlinuz-");
    (kernel || module) && !NEVER.iter().any(|folder| path.contains(folder))
}

fn read_below(
    folder: &Path,
    below: &Path,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), SourceError> {
    let here = folder.join(below);
    let io = |error| SourceError::Io(here.clone(), error);
    let entries = match fs::read_dir(&here) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(io)?,
    };
    for entry in entries {
        let entry = entry.map_err(io)?;
        let path = below.join(entry.file_name());
        // Links, such as `build` to a kernel's sources, are not followed.
        let kind = entry.file_type().map_err(io)?;
        if kind.is_dir() {
            read_below(folder, &path, files)?;
        } else if let Some(name) = path
            .to_str()
            .filter(|name| kind.is_file() && is_wanted(name))
        {
            let bytes = fs::read(entry.path()).map_err(io)?;
            files.insert(name.to_owned(), bytes);
        }
    }
    Ok(())
}

/// systemd's EFI stub, from the package `systemd-boot-efi`.
///
/// # Errors
/// The package cannot be read or has none for this machine.
pub fn stub(package: &Path, arch: Arch) -> Result<Vec<u8>, SourceError> {
    one_file(package, arch.stub_path())
}

/// One file of a package.
///
/// # Errors
/// The package cannot be read or does not have it.
pub fn one_file(package: &Path, path: &'static str) -> Result<Vec<u8>, SourceError> {
    let mut files = deb::files(package, &|name| name == path)?;
    let missing = SourceError::Missing(package.to_owned(), path);
    files.remove(path).ok_or(missing)
}

/// Reads the agent's program and checks that it can be PID 1 of this machine.
///
/// # Errors
/// The file cannot be read, or it cannot.
pub fn agent(file: &Path, arch: Arch) -> Result<Vec<u8>, SourceError> {
    let bytes = fs::read(file).map_err(|error| SourceError::Io(file.to_owned(), error))?;
    match check_agent(&bytes, arch) {
        Ok(()) => Ok(bytes),
        Err(fault) => Err(SourceError::Agent(file.to_owned(), fault)),
    }
}

/// Checks that a program runs on a bare kernel of this machine.
///
/// # Errors
/// It does not.
pub fn check_agent(program: &[u8], arch: Arch) -> Result<(), AgentFault> {
    let elf = Elf::parse(program).ok_or(AgentFault::NotAProgram(arch))?;
    if elf.machine() != Some(arch.elf_machine()) {
        return Err(AgentFault::WrongMachine(arch));
    }
    match elf.needs() {
        Some(Needs {
            program: true,
            interpreter: false,
            libraries: false,
        }) => Ok(()),
        Some(Needs { program: true, .. }) => Err(AgentFault::NotStatic(arch)),
        _ => Err(AgentFault::NotAProgram(arch)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::tests::{program, with_section};

    const LOAD: (u32, &[u8]) = (1, b"code");

    #[test]
    fn a_static_agent_of_the_right_machine_is_taken() {
        assert_eq!(check_agent(&program(62, &[LOAD]), Arch::X86_64), Ok(()));
        assert_eq!(check_agent(&program(183, &[LOAD]), Arch::Aarch64), Ok(()));
    }

    #[test]
    fn any_other_agent_is_refused_in_one_line() {
        let x86 = Arch::X86_64;
        let needed = [1_u64.to_le_bytes(), 5_u64.to_le_bytes()].concat();
        for (bytes, fault) in [
            (b"#!/bin/sh".to_vec(), AgentFault::NotAProgram(x86)),
            (with_section(".modinfo", b""), AgentFault::NotAProgram(x86)),
            (program(183, &[LOAD]), AgentFault::WrongMachine(x86)),
            (
                program(62, &[LOAD, (3, b"/lib/ld")]),
                AgentFault::NotStatic(x86),
            ),
            (
                program(62, &[LOAD, (2, &needed)]),
                AgentFault::NotStatic(x86),
            ),
        ] {
            assert_eq!(check_agent(&bytes, x86), Err(fault));
            assert!(!fault.to_string().contains('\n'));
        }
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = match name.ends_with(".ko") {
                true => with_section(".modinfo", b"depends=usb-core\0"),
                false => b"kernel/usb/usb-core.ko\n".to_vec(),
            };
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn a_kernel_comes_from_a_folder_laid_out_like_a_package() {
        let folder = folder(&[
            "boot/vmlinuz-6.1.0",
            "boot/config-6.1.0",
            "lib/modules/6.1.0/kernel/usb/usb-storage.ko",
            "lib/modules/6.1.0/kernel/sound/loud.ko",
            "lib/modules/6.1.0/modules.builtin",
        ]);
        let kernel = Kernel::from_folder(folder.path()).unwrap();
        assert_eq!(kernel.release, "6.1.0");
        let closure = kernel.modules.closure(&["usb_storage"]).unwrap();
        assert_eq!(closure.len(), 1);
        assert!(kernel.modules.closure(&["loud"]).is_err());
    }

    #[test]
    fn no_kernel_or_two_are_an_error() {
        let none = Kernel::from_folder(folder(&[]).path()).unwrap_err();
        assert!(none.to_string().ends_with("boot/vmlinuz-* is not in it"));
        let two = folder(&["boot/vmlinuz-1", "boot/vmlinuz-2"]);
        let two = Kernel::from_folder(two.path()).unwrap_err().to_string();
        assert!(
            two.ends_with("more than one kernel; leave one there"),
            "{two}"
        );
    }
}

//! Debian's packages, downloaded by apt and never installed.
//!
//! apt gets a state of its own below the cache, so that it needs no root, changes nothing on this machine,
//! and works for either architecture on either. It checks the archive's signature as always.
//!
//! ```text
//! CACHE/linux-image-6.1.0-56-amd64_6.1.192-2_amd64.deb     a package stays, by its name and version
//! CACHE/apt-amd64/{sources.list,state/,lists/,cache/}       apt's own
//! ```
//!
//! | package             | what an image takes from it                          |
//! |---------------------|------------------------------------------------------|
//! | `linux-image-…`     | kernel and modules; named by `linux-image-ARCH`      |
//! | `systemd-boot-efi`  | the EFI stub                                         |
//! | `grub-pc-bin`       | what starts a disk under a BIOS                      |
//! | `ipxe`              | what starts a BIOS machine from the network          |

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use miner_shared::crypto::sha256;

use crate::arch::Arch;

/// The list of an archive that is not this machine's own, in apt's state.
const SOURCES: &str = "sources.list";

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackagesError {
    /// apt failed.
    #[error("{command} failed: {said}; see that this machine reaches the archive")]
    Apt {
        /// What was run.
        command: &'static str,
        /// The first error that it told, or its last line.
        said: String,
    },
    /// A file or folder of the cache.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// apt is not there.
    #[error("{0} cannot be run: {1}; give a kernel of your own by --kernel DIR")]
    NoApt(&'static str, io::Error),
    /// The archive has no such package.
    #[error("the archive has no package {0} for {1}")]
    Unknown(String, Arch),
    /// A download is not what the archive's index says.
    #[error("{0}: not the file that the archive's index names; delete it and try again")]
    WrongHash(PathBuf),
}

/// What an image may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    /// The EFI stub.
    EfiStub,
    /// What starts a disk under a BIOS.
    Grub,
    /// What starts a BIOS machine from the network.
    Ipxe,
    /// The kernel that is current.
    Kernel,
}

/// Where packages come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Archive {
    /// From where this machine's own packages come: apt's sources as they are.
    #[default]
    OfThisMachine,
    /// From these.
    Sources {
        /// Lines of sources.list(5) without `deb [signed-by=…]`, such as `http://mirror/debian bookworm main`.
        lines: Vec<String>,
        /// The keys that they are signed with.
        keyring: PathBuf,
    },
}

impl Archive {
    /// The text of sources.list(5), if there has to be one of our own.
    fn list(&self) -> Option<String> {
        let Self::Sources { lines, keyring } = self else {
            return None;
        };
        let keyring = keyring.display();
        let line = |line| format!("deb [signed-by={keyring}] {line}\n");
        Some(lines.iter().map(line).collect())
    }
}

/// A package in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The file.
    pub path: PathBuf,
}

/// Packages of one architecture, in a folder.
#[derive(Debug)]
pub struct Packages {
    cache: PathBuf,
    state: PathBuf,
    arch: Arch,
    own_sources: bool,
}

impl Packages {
    /// Reads the archive's index anew. `progress` gets a line for each step.
    ///
    /// # Errors
    /// The folder cannot be written, or apt fails.
    pub fn update(
        cache: &Path,
        arch: Arch,
        archive: &Archive,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, PackagesError> {
        // apt runs with its own working folder, and takes a path with blanks only as one argument.
        let cache = std::path::absolute(cache).map_err(|error| at(cache, error))?;
        let state = cache.join(format!("apt-{}", arch.debian()));
        for folder in ["state", "lists/partial", "cache/archives/partial"] {
            let folder = state.join(folder);
            fs::create_dir_all(&folder).map_err(|error| at(&folder, error))?;
        }
        let list = archive.list();
        for (file, text) in [("state/status", Some("")), (SOURCES, list.as_deref())] {
            let file = state.join(file);
            let text = text.unwrap_or_default();
            fs::write(&file, text).map_err(|error| at(&file, error))?;
        }
        let packages = Self {
            cache,
            state,
            arch,
            own_sources: list.is_some(),
        };
        progress(&format!("reading the archive's index for {arch}"));
        // A source that is out of reach is a warning to apt: the index of the last time counts.
        packages.ask("apt-get", &["update"])?;
        Ok(packages)
    }

    /// The package, from the cache if it is there as the index describes it.
    ///
    /// # Errors
    /// The archive does not have it, or apt fails.
    pub fn fetch(
        &self,
        package: Package,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Fetched, PackagesError> {
        let name = match package {
            Package::EfiStub => "systemd-boot-efi".to_owned(),
            Package::Grub => "grub-pc-bin".to_owned(),
            Package::Ipxe => "ipxe".to_owned(),
            Package::Kernel => self.kernel_name()?,
        };
        let unknown = || PackagesError::Unknown(name.clone(), self.arch);
        let told = self.ask("apt-get", &["download", "--print-uris", &name])?;
        let entry = Entry::parse(&told).ok_or_else(unknown)?;
        let version = entry.version().ok_or_else(unknown)?;
        let path = self.cache.join(entry.file);
        if !entry.describes(&path)? {
            let megabytes = entry.size.div_ceil(1_000_000);
            progress(&format!("downloading {name} {version}, {megabytes} MB"));
            self.apt("apt-get", &["download", &name], &self.cache)?;
            if !entry.describes(&path)? {
                return Err(PackagesError::WrongHash(path));
            }
        }
        progress(&format!("{name} {version} is there"));
        Ok(Fetched {
            version,
            name,
            path,
        })
    }

    /// What the package that always names the newest kernel depends on.
    fn kernel_name(&self) -> Result<String, PackagesError> {
        let newest = format!("linux-image-{}", self.arch.debian());
        let told = self.ask("apt-cache", &["depends", &newest])?;
        kernel_among(&told).ok_or(PackagesError::Unknown(newest, self.arch))
    }

    /// Asks apt something. It does not run in the cache: of a package that lies there it would say nothing.
    fn ask(&self, program: &'static str, arguments: &[&str]) -> Result<String, PackagesError> {
        self.apt(program, arguments, &self.state)
    }

    /// Runs a command of apt in a folder, with our state only.
    fn apt(
        &self,
        program: &'static str,
        arguments: &[&str],
        folder: &Path,
    ) -> Result<String, PackagesError> {
        let arch = self.arch.debian();
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        command.env("LC_ALL", "C");
        for (name, path) in [
            ("Dir::State", "state"),
            ("Dir::State::status", "state/status"),
            ("Dir::State::lists", "lists"),
            ("Dir::Cache", "cache"),
        ] {
            option(&mut command, name, self.state.join(path).as_os_str());
        }
        if self.own_sources {
            let list = self.state.join(SOURCES);
            option(&mut command, "Dir::Etc::sourcelist", list.as_os_str());
            option(&mut command, "Dir::Etc::sourceparts", OsStr::new("-"));
        }
        option(&mut command, "APT::Architecture", OsStr::new(arch));
        option(&mut command, "APT::Architectures", OsStr::new(arch));
        // Without it a root's apt wants to write as a user that cannot enter the folder.
        option(&mut command, "APT::Sandbox::User", OsStr::new("root"));
        let output = command.args(arguments).output();
        let output = output.map_err(|error| PackagesError::NoApt(program, error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(PackagesError::Apt {
            command: program,
            said: complaint(&output),
        })
    }
}

fn option(command: &mut Command, name: &str, value: &OsStr) {
    let mut setting = OsStr::new(name).to_owned();
    setting.push("=");
    setting.push(value);
    command.arg("-o").arg(setting);
}

fn at(path: &Path, error: io::Error) -> PackagesError {
    PackagesError::Io(path.to_owned(), error)
}

/// The first line that apt marks as an error, or its last.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(str::trim);
    let marked = lines.clone().find_map(|line| line.strip_prefix("E: "));
    let line = marked.or_else(|| lines.rfind(|line| !line.is_empty()));
    line.unwrap_or("it did not say why").to_owned()
}

fn kernel_among(depends: &str) -> Option<String> {
    let names = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    names
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .find(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        .map(|rest| format!("linux-image-{rest}"))
}

/// A line of `apt-get download --print-uris`: `'URL' FILE SIZE SHA256:HASH`.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    file: &'a str,
    size: u64,
    sha256: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(told: &'a str) -> Option<Self> {
        told.lines().find_map(|line| {
            let mut words = line.strip_prefix('\'')?.split_ascii_whitespace();
            let [_, file, size, hash] =
                [words.next()?, words.next()?, words.next()?, words.next()?];
            let plain = file.ends_with(".deb") && !file.contains('/');
            Some(Self {
                file: plain.then_some(file)?,
                size: size.parse().ok()?,
                sha256: hash.strip_prefix("SHA256:")?,
            })
        })
    }

    /// The version in the file's name, `NAME_VERSION_ARCH.deb`, where `%3a` stands for a colon.
    fn version(&self) -> Option<String> {
        let version = self.file.split('_').nth(1)?;
        Some(version.replace("%3a", ":"))
    }

    /// Whether the file is there and is the one.
    fn describes(&self, path: &Path) -> Result<bool, PackagesError> {
        let len = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found.map_err(|error| at(path, error))?.len(),
        };
        if len != self.size {
            return Ok(false);
        }
        let bytes = fs::read(path).map_err(|error| at(path, error))?;
        let hash = sha256(&[&bytes]);
        let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(hex == self.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_what_the_package_of_packages_depends_on() {
        let told = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n  Replaces: <x>\n";
        assert_eq!(
            kernel_among(told).as_deref(),
            Some("linux-image-6.1.0-56-amd64")
        );
        assert_eq!(kernel_among("linux-image-amd64\n"), None);
    }

    #[test]
    fn an_index_entry_gives_file_version_size_and_hash() {
        let told = "'http://x/y_1%3a2-3_amd64.deb' y_1%3a2-3_amd64.deb 12 SHA256:abc\n";
        let entry = Entry::parse(told).unwrap();
        assert_eq!((entry.size, entry.sha256), (12, "abc"));
        assert_eq!(entry.version().as_deref(), Some("1:2-3"));
        for bad in [
            "",
            "'u' ../y.deb 1 SHA256:a",
            "'u' y.deb 1 MD5Sum:a",
            "'u' y.deb",
        ] {
            assert_eq!(Entry::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cached_file_counts_only_if_size_and_hash_are_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.deb");
        let entry = Entry {
            file: "a.deb",
            size: 3,
            sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        };
        assert!(!entry.describes(&path).unwrap());
        for (bytes, good) in [("abc", true), ("abd", false), ("abcd", false)] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(entry.describes(&path).unwrap(), good, "{bytes}");
        }
    }

    #[test]
    fn sources_name_the_keys_that_they_are_signed_with() {
        assert_eq!(Archive::OfThisMachine.list(), None);
        let archive = Archive::Sources {
            lines: vec!["http://mirror.example/debian bookworm main".to_owned()],
            keyring: "/keys.gpg".into(),
        };
        assert_eq!(
            archive.list().as_deref(),
            Some("deb [signed-by=/keys.gpg] http://mirror.example/debian bookworm main\n")
        );
    }
}

//! What starts a disk under a BIOS: GRUB, embedded without its installer, from the packages
//! `grub-common` (the tool `grub-mkimage`) and `grub-pc-bin` (its parts).
//!
//! ```text
//! sector 0      bytes 0-439 of boot.img    at 0x5C: sector of the core; at 0x66: 90 90, to distrust a
//!                                          BIOS that names a wrong drive
//! BIOS boot     core.img, made of the modules below; in its first sector:
//! partition         0x1F4  u64  sector of its second sector
//!                   0x1FC  u16  how many sectors follow
//! ```
//! The core finds the boot volume by its label and goes on with `grub/grub.cfg`.

mod config;
mod embed;

pub use config::grub_cfg;
pub use embed::{Embedded, embed};

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules of the core: the disk, tables and file system, and the commands that [`grub_cfg`] uses.
const MODULES: [&str; 15] = [
    "biosdisk",
    "part_gpt",
    "part_msdos",
    "fat",
    "search_label",
    "normal",
    "configfile",
    "linux",
    "loadenv",
    "test",
    "echo",
    "sleep",
    "reboot",
    "serial",
    "terminal",
];
/// Where Debian's `grub-pc-bin` lays GRUB's parts.
pub const MODULES_FOLDER: &str = "/usr/lib/grub/i386-pc";

/// GRUB as its packages hold it.
#[derive(Clone, Debug)]
pub struct Grub {
    /// The program that joins the modules.
    pub mkimage: PathBuf,
    /// The folder with `boot.img`, `diskboot.img` and the modules.
    pub folder: PathBuf,
}

impl Default for Grub {
    /// As installed on Debian.
    fn default() -> Self {
        Self {
            mkimage: "grub-mkimage".into(),
            folder: MODULES_FOLDER.into(),
        }
    }
}

/// The two parts that are embedded into a disk.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The code of sector 0.
    pub boot: Vec<u8>,
    /// The core.
    pub core: Vec<u8>,
}

/// Why there is no GRUB.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrubError {
    /// A program or file of the packages is missing.
    #[error("{} is missing: install the packages grub-common and grub-pc-bin", .0.display())]
    Missing(PathBuf),
    /// The program failed.
    #[error("grub-mkimage failed: {0}")]
    Failed(String),
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The parts are not what this module knows how to embed.
    #[error("GRUB's {0} is not of the form that can be embedded: use another version")]
    Unknown(&'static str),
}

impl Grub {
    /// Makes the parts; `work` is a folder for two files that are removed again. The same packages make
    /// the same bytes.
    pub fn parts(&self, work: &Path) -> Result<Parts, GrubError> {
        let boot = self.folder.join("boot.img");
        let boot = match fs::read(&boot) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(GrubError::Missing(boot));
            }
            Err(source) => return Err(GrubError::Io { path: boot, source }),
        };
        let config = work.join("grub-early.cfg");
        let core = work.join("grub-core.img");
        let made = self.make_core(&config, &core);
        // Left-overs harm nobody, and the error that counts is the first one.
        let _ = fs::remove_file(&config);
        let _ = fs::remove_file(&core);
        Ok(Parts { boot, core: made? })
    }

    fn make_core(&self, config: &Path, core: &Path) -> Result<Vec<u8>, GrubError> {
        let io = |path: &Path, source| GrubError::Io {
            path: path.to_owned(),
            source,
        };
        fs::write(config, config::early_cfg()).map_err(|error| io(config, error))?;
        let output = Command::new(&self.mkimage)
            .args(["-O", "i386-pc", "-p", config::PREFIX])
            .arg("-d")
            .arg(&self.folder)
            .arg("-c")
            .arg(config)
            .arg("-o")
            .arg(core)
            .args(MODULES)
            .output()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => GrubError::Missing(self.mkimage.clone()),
                _ => io(&self.mkimage, error),
            })?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            let line = text.lines().next().unwrap_or("it said nothing");
            return Err(GrubError::Failed(line.to_owned()));
        }
        fs::read(core).map_err(|error| io(core, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_packages_are_named() {
        let work = tempfile::tempdir().unwrap();
        let none = Grub {
            mkimage: work.path().join("grub-mkimage"),
            folder: work.path().to_owned(),
        };
        let error = none.parts(work.path()).unwrap_err().to_string();
        assert!(
            error
                .ends_with("boot.img is missing: install the packages grub-common and grub-pc-bin")
        );
        fs::write(work.path().join("boot.img"), [0; 512]).unwrap();
        let error = none.parts(work.path()).unwrap_err().to_string();
        assert!(
            error.contains("grub-mkimage is missing: install"),
            "{error}"
        );
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 1);
    }
}

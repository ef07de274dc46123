//! Debian packages, read without installing them (deb(5)).
//!
//! ```text
//! ar:  debian-binary "2.0\n" │ control.tar[.xz|.zst|.gz] │ data.tar[.xz|.zst|.gz]
//!                              └ ./control: Package, …      └ ./boot/vmlinuz-…, ./lib/modules/…
//! ```
//! Only regular files are looked at: no links are followed, no owners or modes are taken, and a path that
//! leaves the package is refused. Everything is streamed; only wanted files are held or written.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

mod ar;
mod tar;
mod unpack;

pub use unpack::unpack;

/// Longest `control` file, in bytes.
const MAX_CONTROL: u64 = 64 * 1024;
/// Most that wanted files of one package may hold together, in bytes: a kernel's modules are 400 MB.
const MAX_WANTED: u64 = 768 * 1024 * 1024;

/// Why a package was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DebError {
    /// Reading, unpacking or writing failed.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// Not a package of this format.
    #[error("{0}: {1}; download the package again")]
    Malformed(PathBuf, &'static str),
}

/// Who a package is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Control {
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`, as Debian names it.
    pub architecture: String,
}

/// Reads who the package is.
///
/// # Errors
/// The file cannot be read, or is no package.
pub fn control(package: &Path) -> Result<Control, DebError> {
    let mut text = String::new();
    walk(package, "control.tar", &mut |path, contents| {
        if path == "control" {
            contents.take(MAX_CONTROL).read_to_string(&mut text)?;
        }
        Ok(())
    })?;
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().to_owned())
            .ok_or_else(|| malformed(package, "no name, version or architecture in it"))
    };
    Ok(Control {
        name: field("Package")?,
        version: field("Version")?,
        architecture: field("Architecture")?,
    })
}

/// The wanted files by their path, such as `boot/vmlinuz-6.1.0-56-amd64`, in memory.
///
/// # Errors
/// The file cannot be read, is no package, or holds more than is good for the memory.
pub fn files(
    package: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<u8>>, DebError> {
    let mut found = BTreeMap::new();
    let mut left = MAX_WANTED;
    walk(package, "data.tar", &mut |path, contents| {
        if wanted(path) {
            let mut bytes = Vec::new();
            let len = contents.take(left + 1).read_to_end(&mut bytes)?;
            left = left
                .checked_sub(len as u64)
                .ok_or_else(|| io::Error::other("its files are too large to unpack"))?;
            found.insert(path.to_owned(), bytes);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Writes the wanted files below a folder, which is made.
///
/// # Errors
/// The file cannot be read or is no package, or the folder cannot be written to.
pub fn extract(
    package: &Path,
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
) -> Result<(), DebError> {
    walk(package, "data.tar", &mut |path, contents| {
        if wanted(path) {
            let target = folder.join(path);
            fs::create_dir_all(target.parent().unwrap_or(folder))?;
            io::copy(&mut *contents, &mut File::create(target)?)?;
        }
        Ok(())
    })
}

/// What to do with one file: its path, and its contents for as long as they are wanted.
type Visit<'a> = dyn FnMut(&str, &mut dyn Read) -> io::Result<()> + 'a;

fn malformed(package: &Path, what: &'static str) -> DebError {
    DebError::Malformed(package.to_owned(), what)
}

/// Shows every regular file of the first member whose name begins with `member`.
fn walk(package: &Path, member: &str, visit: &mut Visit<'_>) -> Result<(), DebError> {
    let io = |error| DebError::Io(package.to_owned(), error);
    let mut file = BufReader::new(File::open(package).map_err(io)?);
    let archive = ar::member(&mut file, member)
        .map_err(io)?
        .ok_or_else(|| malformed(package, "no Debian package"))?;
    let mut tar = unpack(Box::new(archive)).map_err(io)?;
    tar::walk(&mut tar, visit).map_err(io)
}

#[cfg(test)]
mod tests;

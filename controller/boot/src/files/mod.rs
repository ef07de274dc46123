//! What is served: names, and the bytes behind them.
//!
//! ```text
//!   52-54-00-12-34-56/x64.efi
//!   └───── which rig ┘└ which file of its recipe
//!
//!   Table: MAC ──▶ Recipe: boot file ──▶ Content: memory or disk, SHA-256
//!                                           └ + Patches: the rig's command line in the UKI
//! ```
//! A name is looked up, never opened: there is no path from a request to a folder. Files on disk are
//! opened, measured and hashed when the table is made, and read in pieces from then on; that blocks for a
//! moment at the most, since a farm's boot files stay in the page cache.

mod content;
#[cfg(test)]
mod tests;

pub use content::{Content, Patch};

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use miner_shared::dhcp::Mac;

use crate::ipxe;
use crate::limits::{MAX_COMMAND_LINE, MAX_RIG_RECIPES};

/// The files that a rig may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootFile {
    /// iPXE for the network driver of a BIOS ROM.
    Undionly,
    /// What iPXE shall do; made for each rig.
    Script,
    /// The kernel, for iPXE.
    Kernel,
    /// The initramfs, for iPXE.
    Initramfs,
    /// Kernel, initramfs and command line in one EFI program, for x86-64.
    UkiX64,
    /// The same for arm64.
    UkiArm64,
}

impl BootFile {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Undionly,
        Self::Script,
        Self::Kernel,
        Self::Initramfs,
        Self::UkiX64,
        Self::UkiArm64,
    ];

    /// Its name in requests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Undionly => "undionly.kpxe",
            Self::Script => "boot.ipxe",
            Self::Kernel => "vmlinuz",
            Self::Initramfs => "initrd",
            Self::UkiX64 => "x64.efi",
            Self::UkiArm64 => "arm64.efi",
        }
    }

    /// The file of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|file| file.name() == name)
    }

    const fn is_uki(self) -> bool {
        matches!(self, Self::UkiX64 | Self::UkiArm64)
    }
}

impl fmt::Display for BootFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A file of one rig, as requests and offers name it: `52-54-00-12-34-56/x64.efi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileName {
    /// The rig.
    pub mac: Mac,
    /// Its file.
    pub file: BootFile,
}

impl FileName {
    /// Reads a name; a `/` in front is passed over, as some firmware puts one there.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.strip_prefix('/').unwrap_or(name);
        let (mac, file) = name.split_once('/')?;
        Some(Self {
            mac: mac.parse().ok()?,
            file: BootFile::named(file)?,
        })
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.mac.hyphenated(), self.file)
    }
}

/// The kernel command line of a rig.
pub type CommandLine = Arc<dyn Fn(Mac) -> String + Send + Sync>;
/// What to change in a UKI so that it has this command line.
pub type Patcher = Arc<dyn Fn(&Content, &str) -> io::Result<Vec<Patch>> + Send + Sync>;

/// What one rig, or many, boot.
#[derive(Clone)]
pub struct Recipe {
    files: BTreeMap<BootFile, Content>,
    command_line: CommandLine,
    patcher: Option<Patcher>,
}

impl Recipe {
    /// A recipe without files. The command line goes into the script of iPXE and, with a patcher, into
    /// the UKIs; without one these keep the command line that they were built with.
    pub fn new(command_line: CommandLine, patcher: Option<Patcher>) -> Self {
        Self {
            files: BTreeMap::new(),
            command_line,
            patcher,
        }
    }

    /// Adds a file, or replaces it. [`BootFile::Script`] is always made and never added.
    #[must_use]
    pub fn with(mut self, file: BootFile, content: Content) -> Self {
        if file != BootFile::Script {
            self.files.insert(file, content);
        }
        self
    }

    /// The files as they are before they are made for a rig.
    pub fn files(&self) -> impl Iterator<Item = (BootFile, &Content)> {
        self.files.iter().map(|(file, content)| (*file, content))
    }

    /// Whether it has this file. The script is there if what it names is.
    pub fn has(&self, file: BootFile) -> bool {
        let has = |file| self.files.contains_key(&file);
        match file {
            BootFile::Script => has(BootFile::Kernel) && has(BootFile::Initramfs),
            // Without the script it would start and come back with nothing to do.
            BootFile::Undionly => has(file) && self.has(BootFile::Script),
            _ => has(file),
        }
    }

    /// The file as this rig gets it.
    fn made_for(&self, mac: Mac, file: BootFile) -> io::Result<Option<Content>> {
        if !self.has(file) {
            return Ok(None);
        }
        if file == BootFile::Script {
            let script = ipxe::script(&self.command_line(mac)?).map_err(io::Error::other)?;
            return Ok(Some(Content::memory(script.into_bytes())));
        }
        let Some(content) = self.files.get(&file) else {
            return Ok(None);
        };
        match &self.patcher {
            Some(patcher) if file.is_uki() => {
                let patches = patcher(content, &self.command_line(mac)?)?;
                content.patched(patches).map(Some)
            }
            _ => Ok(Some(content.clone())),
        }
    }

    fn command_line(&self, mac: Mac) -> io::Result<String> {
        let line = (self.command_line)(mac);
        if line.len() > MAX_COMMAND_LINE {
            let length = line.len();
            return Err(io::Error::other(format!(
                "the command line has {length} bytes, at most {MAX_COMMAND_LINE} fit"
            )));
        }
        Ok(line)
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Which rig boots what. A rig that is neither listed nor covered by the rest is not answered.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// `None` is "never".
    rigs: BTreeMap<Mac, Option<Arc<Recipe>>>,
    rest: Option<Arc<Recipe>>,
}

/// The table holds [`MAX_RIG_RECIPES`] rigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

impl Table {
    /// What every rig boots that is not listed.
    pub fn set_rest(&mut self, recipe: Option<Arc<Recipe>>) {
        self.rest = recipe;
    }

    /// What one rig boots; `None` is "it is not answered".
    pub fn set(&mut self, mac: Mac, recipe: Option<Arc<Recipe>>) -> Result<(), TableFull> {
        if self.rigs.len() >= MAX_RIG_RECIPES && !self.rigs.contains_key(&mac) {
            return Err(TableFull);
        }
        self.rigs.insert(mac, recipe);
        Ok(())
    }

    /// Treats a rig like every other again.
    pub fn unset(&mut self, mac: Mac) {
        self.rigs.remove(&mac);
    }

    /// The recipe of a rig.
    pub fn recipe(&self, mac: Mac) -> Option<&Arc<Recipe>> {
        self.rigs.get(&mac).unwrap_or(&self.rest).as_ref()
    }

    /// The bytes of a file, made for its rig; `None` if it has no such file.
    ///
    /// # Errors
    /// The command line does not fit, or the UKI cannot take it.
    pub fn open(&self, name: FileName) -> io::Result<Option<Content>> {
        match self.recipe(name.mac) {
            Some(recipe) => recipe.made_for(name.mac, name.file),
            None => Ok(None),
        }
    }
}

impl fmt::Display for TableFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{MAX_RIG_RECIPES} rigs have recipes of their own; remove one first"
        )
    }
}

impl core::error::Error for TableFull {}

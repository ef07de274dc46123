//! What is served: names, and the bytes behind them.
//!
//! ```text
//!   52-54-00-12-34-56/x64.efi
//!   └───── which rig ┘└ which file of its recipe
//!
//!   Table: MAC, or how it begins ──▶ Recipe: boot file ──▶ Content: memory or disk, SHA-256
//!                                                             └ + Patches: the rig's command line in the UKI
//! ```
//! A name is looked up, never opened: there is no path from a request to a folder. Files on disk are
//! opened, measured and hashed when the table is made, and read in pieces from then on; that blocks for a
//! moment at the most, since a farm's boot files stay in the page cache.

mod content;
mod prefix;
#[cfg(test)]
mod tests;

pub use content::{Content, Patch};
pub use prefix::Prefix;

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use miner_shared::dhcp::Mac;

use crate::ipxe;
use crate::limits::MAX_RIG_RECIPES;

/// The files that a rig may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BootFile {
    /// iPXE for the network driver of a BIOS ROM.
    Undionly,
    /// What iPXE shall do: a recipe's command line is in it.
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

    /// Whether the command line is inside it.
    pub const fn is_uki(self) -> bool {
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

/// What one rig, or many, boot.
#[derive(Clone, Debug, Default)]
pub struct Recipe {
    files: BTreeMap<BootFile, Content>,
}

impl Recipe {
    /// Adds a file, or replaces it. [`BootFile::Script`] is made by [`Self::with_command_line`] alone.
    #[must_use]
    pub fn with(mut self, file: BootFile, content: Content) -> Self {
        if file != BootFile::Script {
            self.files.insert(file, content);
        }
        self
    }

    /// The same with this command line for a kernel that iPXE loads.
    ///
    /// # Errors
    /// It would not arrive as it is.
    pub fn with_command_line(mut self, line: &str) -> Result<Self, ipxe::Refused> {
        let script = Content::memory(ipxe::script(line)?.into_bytes());
        self.files.insert(BootFile::Script, script);
        Ok(self)
    }

    /// Whether it has this file. The script is there if what it names is.
    pub fn has(&self, file: BootFile) -> bool {
        let has = |file| self.files.contains_key(&file);
        match file {
            BootFile::Script => has(file) && has(BootFile::Kernel) && has(BootFile::Initramfs),
            // Without the script it would start and come back with nothing to do.
            BootFile::Undionly => has(file) && self.has(BootFile::Script),
            _ => has(file),
        }
    }

    /// A file that it has.
    pub fn file(&self, file: BootFile) -> Option<&Content> {
        self.files.get(&file).filter(|_| self.has(file))
    }
}

/// Which rig boots what: the longest [`Prefix`] of its address decides. A rig that none covers is not
/// answered.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// `None` is "never".
    rigs: BTreeMap<Prefix, Option<Arc<Recipe>>>,
}

/// The table holds [`MAX_RIG_RECIPES`] lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableFull;

impl Table {
    /// What rigs boot whose address begins so; `None` is "they are not answered".
    ///
    /// # Errors
    /// There are too many.
    pub fn set(&mut self, rigs: Prefix, recipe: Option<Arc<Recipe>>) -> Result<(), TableFull> {
        if self.rigs.len() >= MAX_RIG_RECIPES && !self.rigs.contains_key(&rigs) {
            return Err(TableFull);
        }
        self.rigs.insert(rigs, recipe);
        Ok(())
    }

    /// The recipe of a rig.
    pub fn recipe(&self, mac: Mac) -> Option<&Arc<Recipe>> {
        let mut prefixes = Prefix::from(mac).covering().rev();
        prefixes.find_map(|prefix| self.rigs.get(&prefix))?.as_ref()
    }

    /// A file of its rig; `None` if it has no such file.
    pub fn open(&self, name: FileName) -> Option<Content> {
        self.recipe(name.mac)?.file(name.file).cloned()
    }
}

/// What every rig boots.
impl From<Recipe> for Table {
    fn from(recipe: Recipe) -> Self {
        Self {
            rigs: BTreeMap::from([(Prefix::ALL, Some(Arc::new(recipe)))]),
        }
    }
}

impl fmt::Display for TableFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at most {MAX_RIG_RECIPES} rigs, or kinds of rigs, have recipes of their own"
        )
    }
}

impl core::error::Error for TableFull {}

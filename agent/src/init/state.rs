//! Where the worker's files are: on the state volume, so that the rig is the same one after a restart, or
//! in memory, so that it is a new one each time.
//!
//! | volume | files | shown |
//! |---|---|---|
//! | one | on it, at `/state` | its device |
//! | none after 10 s | in memory | no state volume |
//! | several | in memory: which one it is would be chance | their names |
//! | one that cannot be mounted | in memory | why |
//!
//! FAT has no owners: the volume is mounted so that all files are the worker's, mode 0600, as its store
//! wants them.

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use log::{info, warn};
use miner_shared::slots::STATE_LABEL;

use super::Root;
use super::volume::{self, Found};
use super::worker::WORKER;
use crate::clock::Clock;

/// How long the volume is looked for, in milliseconds: a stick needs seconds.
const LOOK_FOR_MS: u64 = 10_000;
/// Between two looks, in milliseconds.
const LOOK_MS: u64 = 250;

/// Where the worker's files are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    /// The folder that has them.
    pub(super) folder: PathBuf,
    /// What keeps them, for the console.
    pub(super) kept: Kept,
}

/// What keeps the worker's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The volume on this device.
    Volume(PathBuf),
    /// Memory, and why.
    Memory(String),
}

impl Home {
    /// The folder of the volume, if there is one.
    pub(super) fn volume(&self) -> Option<&Path> {
        matches!(self.kept, Kept::Volume(_)).then_some(&self.folder)
    }
}

impl Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(device) => write!(f, "kept on {}", device.display()),
            Self::Memory(why) => write!(f, "in memory, new at each start: {why}"),
        }
    }
}

/// Finds the volume and mounts it, or makes a folder in memory.
pub(super) async fn settle(root: &Root, clock: Clock) -> Home {
    let until = clock.now() + LOOK_FOR_MS;
    let found = loop {
        let found = volume::find(root, STATE_LABEL);
        if found != Found::Nothing || clock.now() >= until {
            break found;
        }
        clock.timer_at(clock.now() + LOOK_MS).await;
    };
    let home = match take(root, found) {
        Ok(home) => home,
        Err(why) => in_memory(root, why),
    };
    match &home.kept {
        Kept::Volume(_) => info!("state: {}", home.kept),
        Kept::Memory(_) => warn!("state: {}", home.kept),
    }
    home
}

fn take(root: &Root, found: Found) -> Result<Home, String> {
    let device = match found {
        Found::Device(device) => device,
        Found::Nothing => return Err(String::from("no volume FARMSTATE")),
        Found::Several(names) => {
            let names = names.join(", ");
            return Err(format!(
                "several volumes FARMSTATE ({names}); remove all but one"
            ));
        }
    };
    let folder = root.at("state");
    match volume::mount_fat(&device, &folder, WORKER) {
        Ok(()) => Ok(Home {
            folder,
            kept: Kept::Volume(device),
        }),
        Err(error) => Err(format!("{} cannot be mounted: {error}", device.display())),
    }
}

fn in_memory(root: &Root, why: String) -> Home {
    let folder = root.at("run/miner/home");
    if let Err(error) = make_private(&folder) {
        warn!("{}: {error}", folder.display());
    }
    Home {
        folder,
        kept: Kept::Memory(why),
    }
}

/// Makes a folder that only the worker enters.
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    chown(folder, Some(WORKER), Some(WORKER))
}

/// Lets go of the volume before the machine ends.
pub(super) fn leave(home: &Home) {
    if let Some(folder) = home.volume() {
        volume::unmount_whole(folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_volumes_and_none_leave_the_files_in_memory_and_say_why() {
        let (_folder, root) = Root::with(&[]);
        let several = Found::Several(vec!["sda1".into(), "sdb1".into()]);
        for (found, said) in [(several, "sda1, sdb1"), (Found::Nothing, "no volume")] {
            let why = take(&root, found).expect_err("none is taken");
            assert!(why.contains(said), "{why}");
            let home = in_memory(&root, why);
            assert_eq!(home.volume(), None);
            assert!(home.folder.is_dir());
            assert!(home.kept.to_string().starts_with("in memory"));
        }
    }

    #[test]
    fn a_device_that_cannot_be_mounted_is_named_with_the_reason() {
        let (_folder, root) = Root::with(&[("dev/sda1", "no file system")]);
        let device = root.at("dev/sda1");
        let why = take(&root, Found::Device(device.clone())).expect_err("it is none");
        assert!(why.starts_with(&device.display().to_string()), "{why}");
        assert!(why.contains("cannot be mounted"));
    }
}

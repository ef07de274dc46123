//! What the machine was told, by three sources of the same words ([`miner_shared::cmdline`]).
//!
//! ```text
//!   miner.conf on the state volume ─▶ /miner.conf in the image ─▶ the kernel's command line
//!   first that says something of a key counts; who serves the boot can fill gaps, never replace
//! ```
//! The token is a secret: it is in no log, and goes to the worker in a file that only the worker reads.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use log::{info, warn};
use miner_shared::cmdline::{HugePages, Ip, Key, Settings};
use miner_shared::limits::MAX_CMDLINE;

use super::Root;

/// Name of the file in the image and on the state volume.
const FILE: &str = "miner.conf";

/// The words of all sources.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    settings: Settings,
    /// `miner.ip` is of the network that the machine boots in: no volume is asked for it, as the network
    /// does not wait for a volume.
    early: Settings,
}

impl Told {
    /// A value by the order of trust.
    pub(super) fn get(&self, key: Key) -> Option<&str> {
        self.settings.get(key)
    }

    pub(super) fn hugepages(&self) -> HugePages {
        self.early.huge_pages()
    }

    pub(super) fn ip(&self) -> Ip {
        self.early.ip()
    }

    /// The controllers to dial, in order.
    pub(super) fn controllers(&self) -> impl Iterator<Item = &str> {
        let list = self.get(Key::Controller).unwrap_or_default();
        list.split(',').map(str::trim).filter(|one| !one.is_empty())
    }
}

/// Reads all sources; `state` is the folder of the state volume, once it is there.
pub(super) fn read(root: &Root, state: Option<&Path>) -> Told {
    let kernel = words_of(&root.at("proc/cmdline"));
    let image = words_of(&root.at(FILE));
    let early = first_of([&image, &kernel]);
    let settings = match state {
        None => early.clone(),
        Some(folder) => first_of([&words_of(&folder.join(FILE)), &early]),
    };
    if state.is_none() {
        info!("told: {settings:?}");
    }
    Told { settings, early }
}

fn words_of(path: &Path) -> Settings {
    let mut line = Vec::new();
    // A longer file is cut, and its last word refused by its check.
    let most = MAX_CMDLINE as u64;
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut line));
    if read.is_err() {
        return Settings::default();
    }
    Settings::read(&line, &mut |error| {
        warn!("{} is not heeded: {error}", path.display());
    })
}

fn first_of(sources: [&Settings; 2]) -> Settings {
    let mut all = Settings::default();
    for key in Key::ALL {
        if let Some(value) = sources.iter().find_map(|source| source.get(key))
            && let Err(error) = all.set(key, value)
        {
            warn!("not heeded: {error}");
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_volume_comes_first_then_the_image_then_the_kernels_line() {
        let (_folder, root) = Root::with(&[
            (
                "proc/cmdline",
                "quiet miner.owner=line miner.controller=line:1,spare:2 miner.ip=10.0.0.2/24,10.0.0.1",
            ),
            ("miner.conf", "miner.owner=image\nminer.hugepages=7\n"),
            (
                "state/miner.conf",
                "miner.owner=Ada%20L.\nminer.controller=state:1\nminer.hugepages=9",
            ),
        ]);
        let early = read(&root, None);
        assert_eq!(early.get(Key::Owner), Some("image"));
        assert_eq!(
            early.controllers().collect::<Vec<_>>(),
            ["line:1", "spare:2"]
        );
        assert!(matches!(early.ip(), Ip::Static(_)));
        let late = read(&root, Some(&root.at("state")));
        assert_eq!(late.get(Key::Owner), Some("Ada L."));
        assert_eq!(late.controllers().collect::<Vec<_>>(), ["state:1"]);
        assert_eq!(
            late.hugepages(),
            HugePages::Count(7),
            "taken before a volume is there"
        );
    }

    #[test]
    fn words_that_mean_nothing_and_files_that_are_not_there_change_nothing() {
        let (_folder, root) = Root::with(&[("proc/cmdline", "miner.ip=nonsense miner.frob=1")]);
        let told = read(&root, None);
        assert_eq!((told.ip(), told.hugepages()), (Ip::Dhcp, HugePages::Auto));
        assert_eq!(told.controllers().count(), 0);
    }
}

//! Where a node's files live, by the XDG rules.
//!
//! ```text
//!   $XDG_CONFIG_HOME or ~/.config        lethean-desktop/node.json            public: name, role, keys
//!                                                        owner.toml           what the owner allows; a person writes it
//!   $XDG_DATA_HOME or ~/.local/share     lethean-desktop/node/private.key     0600, the seed
//!                                                            succession       0600, how it got that key
//!                                                            managers         0600, whom this node obeys
//!                                                            state            0600, what it was told last
//!                                                            pairing          0600, a code that waits
//!                                                            candidates       0600, who asked to be obeyed
//!                                                        tuning               0600, how this machine hashes fastest
//!                                      update/                               a release that is being fetched
//! ```

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The two folders of a node. The folders themselves are made when something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    config: PathBuf,
    data: PathBuf,
}

impl Dirs {
    /// The folders that the environment names: XDG variables first, `$HOME` otherwise.
    pub fn from_env() -> Result<Self, StoreError> {
        Self::from_lookup(|name| env::var_os(name))
    }

    /// The same rule over any environment. A relative or empty value counts as unset, as XDG says.
    fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, StoreError> {
        let absolute = |name| {
            lookup(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let home = absolute("HOME");
        let folder = |name, below_home: &str| {
            absolute(name).or_else(|| home.as_ref().map(|home| home.join(below_home)))
        };
        let config = folder("XDG_CONFIG_HOME", ".config").ok_or(StoreError::NoHome)?;
        let data = folder("XDG_DATA_HOME", ".local/share").ok_or(StoreError::NoHome)?;
        Ok(Self::at(&config, &data))
    }

    /// The folders below the given XDG roots.
    pub fn at(config_home: &Path, data_home: &Path) -> Self {
        Self {
            config: config_home.join(PROGRAM),
            data: data_home.join(PROGRAM),
        }
    }

    /// Both folders below one root, for tests and for a child with an identity of its own.
    pub fn below(root: &Path) -> Self {
        Self::at(&root.join("config"), &root.join("data"))
    }

    /// The folder of public configuration.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of data; the controller's registry lives here, the node's secrets in `node/`.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The public identity, mode 0644.
    pub fn node_json(&self) -> PathBuf {
        self.config.join("node.json")
    }

    /// The owner's word on this machine, where `--owner` names no other file.
    pub fn owner(&self) -> PathBuf {
        self.config.join("owner.toml")
    }

    /// The folder of secrets, mode 0700.
    pub fn node(&self) -> PathBuf {
        self.data.join("node")
    }

    /// The private key, mode 0600.
    pub fn private_key(&self) -> PathBuf {
        self.node().join("private.key")
    }

    /// The statements by which the key took the place of earlier ones.
    pub fn succession(&self) -> PathBuf {
        self.node().join("succession")
    }

    /// The pinned managers.
    pub fn managers(&self) -> PathBuf {
        self.node().join("managers")
    }

    /// The last state applied.
    pub fn state(&self) -> PathBuf {
        self.node().join("state")
    }

    /// The last keys that were refused.
    pub fn candidates(&self) -> PathBuf {
        self.node().join("candidates")
    }

    /// What `miner tune` found. It is the machine's, and stays when the node goes.
    pub fn tuning(&self) -> PathBuf {
        self.data.join("tuning")
    }

    /// Where a release is fetched to, for the process that supervises this one: beside the folder of data.
    pub fn update(&self) -> PathBuf {
        self.data.with_file_name("update")
    }

    /// The pairing code that waits for its manager.
    pub fn pairing(&self) -> PathBuf {
        self.node().join("pairing")
    }
}

/// The folder's name under both XDG roots, as the page says.
const PROGRAM: &str = "lethean-desktop";

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(pairs: &[(&str, &str)]) -> Result<Dirs, StoreError> {
        Dirs::from_lookup(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_pages_paths_are_the_default() {
        let dirs = dirs(&[("HOME", "/h")]).expect("home is set");
        assert_eq!(
            dirs.node_json(),
            Path::new("/h/.config/lethean-desktop/node.json")
        );
        assert_eq!(
            dirs.private_key(),
            Path::new("/h/.local/share/lethean-desktop/node/private.key")
        );
    }

    #[test]
    fn xdg_variables_win_and_relative_ones_count_as_unset() {
        let dirs = dirs(&[
            ("HOME", "/h"),
            ("XDG_CONFIG_HOME", "/etc/farm"),
            ("XDG_DATA_HOME", "relative"),
        ])
        .expect("home is set");
        assert_eq!(dirs.config(), Path::new("/etc/farm/lethean-desktop"));
        assert_eq!(dirs.data(), Path::new("/h/.local/share/lethean-desktop"));
    }

    #[test]
    fn without_any_home_it_says_so() {
        assert!(matches!(dirs(&[("HOME", "")]), Err(StoreError::NoHome)));
    }
}

//! The worker: this program again, as a user without rights, with the words of `node serve`.
//!
//! | file in `/run/miner` | mode | for |
//! |---|---|---|
//! | `report` | 0600, the worker's | [`crate::report`]; process 1 keeps it open |
//! | `token` | 0600, the worker's | the enrolment token: arguments can be read by every process |
//! | `system` | 0644, root's | [`crate::system`]; of [`super::slots`] |
//! | `owner.toml` | 0644, root's | the owner's word, where neither volume nor image has one |
//!
//! | owner's word | first that is there |
//! |---|---|
//! | `owner.toml` on the state volume | 1 |
//! | `/owner.toml` in the image | 2 |
//! | `miner.owner` | 3: a word with that name, which allows all |
//! | none | 4: a word that forbids mining, as nobody answers for the machine |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use log::warn;
use miner_shared::cmdline::Key;
use miner_shared::limits::MAX_CONTROLLER_ADDRESSES;
use rustix::process::Pid;

use super::Root;
use super::settings::Told;
use super::state::Home;
use crate::report::SIZE;
use crate::url::{ControllerUrl, ControllerUrls};

/// User and group of the worker.
pub(super) const WORKER: u32 = 1_000;

/// Where it reports; beside it the worker reads how its machine was booted ([`crate::system`]).
pub(super) const REPORT: &str = "run/miner/report";
/// What it listens on where no controller is named.
const LISTEN: &str = ":9091";
/// Name of the owner's word.
const OWNER: &str = "owner.toml";
/// A controller's port, where none is named.
const PORT: u16 = 9_091;

/// What the worker is started with.
#[derive(Debug)]
pub(super) struct Orders {
    home: PathBuf,
    /// Where to dial the controller; nowhere: it waits for one, and shows the code by which one may pair.
    pub(super) controller: Option<ControllerUrls>,
    fingerprint: Option<String>,
    token: Option<PathBuf>,
    owner: PathBuf,
    report: PathBuf,
    /// Whether anybody answers for the machine.
    pub(super) owned: bool,
}

impl Orders {
    /// Writes the files that the worker reads, and opens the one that it writes.
    pub(super) fn prepare(root: &Root, told: &Told, home: &Home) -> io::Result<(Self, File)> {
        let folder = root.at("run/miner");
        fs::create_dir_all(&folder)?;
        let controller = controller(told);
        let token = match (told.get(Key::Token), &controller) {
            (Some(token), Some(_)) => {
                let path = folder.join("token");
                workers_own(&path)?.write_all(token.as_bytes())?;
                Some(path)
            }
            _ => None,
        };
        let report = root.at(REPORT);
        let file = workers_own(&report)?;
        file.set_len(SIZE as u64)?;
        let (owner, owned) = owner(root, told, home)?;
        let orders = Self {
            home: home.folder.clone(),
            fingerprint: told
                .get(Key::Fingerprint)
                .filter(|_| controller.is_some())
                .map(str::to_owned),
            controller,
            token,
            owner,
            report,
            owned,
        };
        Ok((orders, file))
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec![String::from("node"), String::from("serve")];
        let mut option = |name: &str, value: String| args.extend([format!("--{name}"), value]);
        match &self.controller {
            Some(urls) => option("controller", urls.to_string()),
            None => option("listen", String::from(LISTEN)),
        }
        if let Some(fingerprint) = &self.fingerprint {
            option("fingerprint", fingerprint.clone());
        }
        let files = [
            ("token-file", self.token.as_ref()),
            ("owner", Some(&self.owner)),
            ("supervised", Some(&self.report)),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                option(name, file.display().to_string());
            }
        }
        args
    }

    /// Starts the worker; it lives until process 1 reaps it.
    pub(super) fn start(&self, root: &Root) -> io::Result<Pid> {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("miner")
            .args(self.args())
            .env_clear()
            .env("XDG_CONFIG_HOME", &self.home)
            .env("XDG_DATA_HOME", &self.home)
            .current_dir("/")
            .stdin(Stdio::null())
            .uid(WORKER)
            .gid(WORKER);
        if self.controller.is_some() {
            // What it would introduce itself with is on the console already; a pairing code is not.
            command.stdout(Stdio::null());
        }
        let child = command.spawn()?;
        let id = child.id();
        // It inherits that the kernel never ends it, which is for process 1 alone.
        if let Err(error) = fs::write(root.at(&format!("proc/{id}/oom_score_adj")), "0") {
            warn!("the kernel may not end the worker where memory is short: {error}");
        }
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| io::Error::other("a process without a number"))
    }
}

/// Those of the controller's addresses that can be dialled, as many as a rig tries.
fn controller(told: &Told) -> Option<ControllerUrls> {
    let urls = told.controllers().filter_map(|text| {
        let url = text.parse().or_else(|_| format!("{text}:{PORT}").parse());
        url.map(|url: ControllerUrl| url.to_string())
            .inspect_err(|_| warn!("no controller is called {text}: write HOST:PORT"))
            .ok()
    });
    let urls: Vec<_> = urls.take(MAX_CONTROLLER_ADDRESSES).collect();
    urls.join(",").parse().ok()
}

/// The owner's word, and whether anybody's it is.
fn owner(root: &Root, told: &Told, home: &Home) -> io::Result<(PathBuf, bool)> {
    for written in [home.folder.join(OWNER), root.at(OWNER)] {
        if written.exists() {
            return Ok((written, true));
        }
    }
    let path = root.at("run/miner").join(OWNER);
    let name = told.get(Key::Owner);
    fs::write(&path, word(name))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    Ok((path, name.is_some()))
}

/// An owner's word for a name, or for nobody.
fn word(name: Option<&str>) -> String {
    match name {
        // The word's language has no escapes.
        Some(name) => format!("owner = \"{}\"\n", name.replace(['"', '\\'], "'")),
        None => String::from("mine = false\n"),
    }
}

/// An empty file that the worker alone reads and writes.
fn workers_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(true);
    let file = options.mode(0o600).open(path)?;
    chown(path, Some(WORKER), Some(WORKER))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::super::settings;
    use super::super::state::Kept;
    use super::*;

    fn prepared(words: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Root, Orders) {
        let (folder, root) = Root::with(files);
        fs::create_dir_all(root.at("proc")).expect("made");
        fs::write(root.at("proc/cmdline"), words).expect("written");
        let home = Home {
            folder: root.at("home"),
            kept: Kept::Memory(String::new()),
        };
        let told = settings::read(&root, None);
        let (orders, _) = Orders::prepare(&root, &told, &home).expect("prepared");
        (folder, root, orders)
    }

    fn has(args: &[String], name: &str, value: &str) -> bool {
        args.windows(2).any(|pair| pair == [name, value])
    }

    #[test]
    fn with_a_controller_it_dials_and_opens_no_port() {
        let (_folder, root, orders) =
            prepared("miner.controller=nonsense:x,farm.lan,10.0.0.1:7", &[]);
        let args = orders.args();
        let places = "farm.lan:9091,10.0.0.1:7";
        assert!(has(&args, "--controller", places), "{args:?}");
        assert!(!args.contains(&"--listen".to_owned()));
        let report = root.at("run/miner/report").display().to_string();
        assert!(has(&args, "--supervised", &report));
    }

    #[test]
    fn without_a_controller_it_waits_for_one_and_has_no_use_for_a_token() {
        let (_folder, root, orders) = prepared("quiet", &[]);
        assert!(has(&orders.args(), "--listen", ":9091"));
        assert!(!root.at("run/miner/token").exists());
    }

    #[test]
    fn without_an_owner_it_does_not_mine() {
        let (_folder, root, orders) = prepared("quiet", &[]);
        assert!(!orders.owned);
        assert_eq!(
            root.text("run/miner/owner.toml"),
            Some("mine = false".into())
        );
        let (_folder, root, orders) = prepared("miner.owner=Ada%20%22L%22", &[]);
        assert!(orders.owned);
        assert_eq!(
            root.text("run/miner/owner.toml"),
            Some("owner = \"Ada 'L'\"".into())
        );
    }

    #[test]
    fn the_volumes_word_goes_before_the_images() {
        let image = ("owner.toml", "owner = \"image\"");
        let volume = ("home/owner.toml", "owner = \"volume\"");
        for (files, word) in [(&[image][..], "owner.toml"), (&[image, volume], volume.0)] {
            let (_folder, root, orders) = prepared("miner.owner=line", files);
            let path = root.at(word).display().to_string();
            assert!(orders.owned && has(&orders.args(), "--owner", &path));
        }
    }
}

//! A farm for machines: a controller with a practice pool, a token for rigs and a profile, and images that
//! come to it.
//!
//! | address | who listens there |
//! |---|---|
//! | `listen` | controller and pool |
//! | [`Farm::link`] | the same controller, as rigs know it: a guest of qemu's network sees the host elsewhere |

use core::time::Duration;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use miner_agent::store::file::{self, Access};
use miner_shared::identity::key_file;
use serde_json::Value;

use crate::clock::{Deadline, eventually};
use crate::home::{Home, MINER_CTRL};
use crate::machine::{self, Arch, HOST};
use crate::release;
use crate::service::Service;

/// A program says that it serves.
pub const START: Duration = Duration::from_secs(20);
/// Power-on until the rig is online; firmware and kernel are emulated.
pub const ONLINE: Duration = Duration::from_secs(180);
/// A share in light mode, emulated.
pub const SHARE: Duration = Duration::from_secs(400);
/// The name of the token's file in the controller's folder.
pub const TOKEN: &str = "token";
const RELEASE_KEY: &str = "release.key";
/// The version of images that updates begin with.
pub const BEFORE: &str = "0.1.0";

/// A controller with a practice pool, a token for rigs, and a profile.
#[derive(Debug)]
pub struct Farm {
    /// The controller's machine.
    pub home: Home,
    /// Where images are built: not in a namespace, from which no archive is reached.
    pub images: Home,
    /// Where rigs dial.
    pub link: String,
    _service: Service,
}

/// A rig as its controller lists it.
pub type Listed = (String, String);

impl Farm {
    /// One for guests of qemu's own network.
    ///
    /// # Errors
    /// The controller cannot be started.
    pub fn start() -> Result<Self, String> {
        let home = Home::new("farm").map_err(|error| error.to_string())?;
        Self::start_in(home, "127.0.0.1", HOST)
    }

    /// Listens at this address, which rigs know by another one.
    ///
    /// # Errors
    /// The controller cannot be started.
    pub fn start_in(home: Home, address: &str, known_as: &str) -> Result<Self, String> {
        let listen = format!("{address}:0");
        let up = ["up", "--no-worker", "--http", "127.0.0.1:0"];
        let up = [&up[..], &["--pool-listen", &listen, "--listen", &listen]].concat();
        let mut service = home.serve(MINER_CTRL, &up)?;
        let link = port(&service.expect("rigs dial in", START)?);
        let pool = port(&service.expect("practice pool", START)?);
        let farm = Self {
            home,
            images: Home::new("images").map_err(|error| error.to_string())?,
            _service: service,
            link: format!("{known_as}:{link}"),
        };
        let pool = format!("{known_as}:{pool}");
        let profile = [
            "profile",
            "create",
            "--name",
            "image",
            "--user",
            "4Practice",
        ];
        let how = ["--pool", &pool, "--threads", "1", "--mode", "light"];
        farm.run(&[&profile[..], &how].concat())?;
        Ok(farm)
    }

    /// Makes a token for so many rigs, in the file [`TOKEN`].
    ///
    /// # Errors
    /// The controller makes none.
    pub fn token_for(&self, rigs: usize) -> Result<(), String> {
        let uses = rigs.to_string();
        self.run(&["token", "create", "--uses", &uses, "--out", TOKEN])?;
        Ok(())
    }

    /// Runs a command of the controller's.
    ///
    /// # Errors
    /// It fails.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        self.home.run(MINER_CTRL, arguments)?.ok()
    }

    /// The same; what it says as JSON.
    ///
    /// # Errors
    /// It fails.
    pub fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        self.home
            .run(MINER_CTRL, &[arguments, &["--json"]].concat())?
            .json()
    }

    /// Builds an image for virtual machines that comes to this farm.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn image(&self, arch: Arch, artefact: &str) -> Result<PathBuf, String> {
        self.image_with(&arch.agent(), arch, artefact, &[])
    }

    /// Builds one with this agent that is told `more` as well.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn image_with(
        &self,
        agent: &Path,
        arch: Arch,
        artefact: &str,
        more: &[&str],
    ) -> Result<PathBuf, String> {
        let recipe = format!("{}-{artefact}", arch.name());
        let told = self.told(more);
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        self.build(agent, (arch, artefact), &recipe, &told)
    }

    /// What an image for this farm is told.
    fn told(&self, more: &[&str]) -> Vec<String> {
        let token = self.home.path().join(TOKEN).display().to_string();
        // Version 7.2 of qemu reads 16 bytes where CVTDQ2PD takes 8, which faults behind the last 8 bytes of a scratchpad
        // that ends with its mapping, as those in reserved pages do. No processor does so.
        let farm = ["--hugepages", "off", "--controller", &self.link];
        let token = ["--token-file", &token];
        let owner: &[&str] = match more.contains(&"--owner-file") {
            true => &[],
            false => &["--owner", "Test farm"],
        };
        let told = [&farm[..], &token, owner, more].concat();
        told.into_iter().map(str::to_owned).collect()
    }

    /// Builds one that is told no more than this.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn build(
        &self,
        agent: &Path,
        (arch, artefact): (Arch, &str),
        out: &str,
        more: &[&str],
    ) -> Result<PathBuf, String> {
        let recipe = format!("{}-{artefact}", arch.name());
        let packages = crate::sources::root().join("target/packages");
        let paths = [agent, &packages].map(|path| path.display().to_string());
        let [agent, packages] = &paths;
        let build = ["image", "build", "--recipe", &recipe, "--out", out];
        let from = [
            "--agent",
            agent,
            "--packages",
            packages,
            "--modules",
            "virt",
        ];
        let ran = self
            .images
            .run(MINER_CTRL, &[&build[..], &from, more].concat())?;
        ran.ok()?;
        Ok(self.images.path().join(out))
    }

    /// Builds a disk that takes updates: those that [`release::key`] signs.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn disk_for_updates(&self) -> Result<PathBuf, String> {
        let path = self.images.path().join(RELEASE_KEY);
        let bytes = key_file::encode(release::key().seed());
        file::write(&path, &*bytes, Access::Private).map_err(|error| error.to_string())?;
        let arch = Arch::X86_64;
        self.image_with(&arch.agent(), arch, "disk", &signed(BEFORE))
    }

    /// Builds a release for such disks, in the folder `release-VERSION`.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn release(&self, version: &str, agent: &Path, more: &[&str]) -> Result<PathBuf, String> {
        let folder = format!("release-{version}");
        let release = [&signed(version)[..], &["--release", &folder], more].concat();
        let told = self.told(&release);
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        self.build(agent, (Arch::X86_64, "disk"), "not-used", &told)?;
        Ok(self.images.path().join(folder))
    }

    /// Builds a disk of version [`BEFORE`] that has fetched 0.1.1, whose first process is this agent and which is
    /// told `more`.
    ///
    /// # Errors
    /// It cannot be built.
    pub fn disk_with_update(&self, agent: &Path, more: &[&str]) -> Result<PathBuf, String> {
        let disk = self.disk_for_updates()?;
        let release = self.release("0.1.1", agent, more)?;
        let mut files = vec![("update/ready".to_owned(), Vec::new())];
        for name in release::FILES.iter().chain(&["manifest"]) {
            let path = release.join(name);
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            files.push((format!("update/{name}"), bytes));
        }
        machine::add_state(&disk, &files)?;
        Ok(disk)
    }

    /// ID and name of each rig that is linked.
    pub fn linked(&self) -> Option<BTreeSet<Listed>> {
        let peers = self.json(&["peer", "list"]).ok()?;
        let text = |peer: &Value, field: &str| Some(peer[field].as_str()?.to_owned());
        let linked = peers.as_array()?.iter();
        linked
            .filter(|peer| peer["connected"] == true)
            .map(|peer| Some((text(peer, "id")?, text(peer, "name")?)))
            .collect()
    }

    /// The same, once it is so many.
    ///
    /// # Errors
    /// It is another number all the time.
    pub fn linked_when(&self, count: usize, limit: Duration) -> Result<BTreeSet<Listed>, String> {
        let what = format!("{count} rigs linked");
        eventually(&what, limit, || {
            self.linked().filter(|rigs| rigs.len() == count)
        })
    }

    /// The rig that is online, by its ID, once one is.
    ///
    /// # Errors
    /// None comes; the text has what its machine said.
    pub fn rig(&self, console: &mut Service) -> Result<String, String> {
        let clock = Deadline::after(ONLINE);
        let found = eventually("a rig online", ONLINE, || {
            let (id, _) = self.linked()?.pop_first()?;
            Some(id)
        });
        println!("online {} s after power-on", clock.elapsed().as_secs());
        found.map_err(|error| format!("{error}\n{}", console.transcript()))
    }

    /// Nobody is linked any more.
    ///
    /// # Errors
    /// Somebody is.
    pub fn offline(&self) -> Result<(), String> {
        self.linked_when(0, ONLINE).map(|_| ())
    }

    /// Tells a rig to mine, and waits for a share of it.
    ///
    /// # Errors
    /// None is accepted; the text has what its machine said.
    pub fn mines(&self, rig: &str, console: &mut Service) -> Result<(), String> {
        self.run(&mine(rig))?;
        self.shares(rig, console)
    }

    /// Waits for a share of a rig that mines.
    ///
    /// # Errors
    /// None is accepted; the text has what its machine said.
    pub fn shares(&self, rig: &str, console: &mut Service) -> Result<(), String> {
        let shares = || {
            let status = self.json(&["remote", "status", rig]).ok()?;
            let miners = status["miners"].as_array()?;
            miners
                .iter()
                .find(|miner| miner["shares"].as_u64() > Some(0))
                .map(|_| ())
        };
        let clock = Deadline::after(SHARE);
        let found = eventually("an accepted share", SHARE, shares);
        println!("a share {} s after the order", clock.elapsed().as_secs());
        found.map_err(|error| format!("{error}\n{}", console.transcript()))
    }
}

/// The words of `miner-ctrl` that tell a rig to mine.
pub const fn mine(rig: &str) -> [&str; 7] {
    [
        "remote",
        "start",
        rig,
        "--profile",
        "image",
        "--confirm-payout",
        "4Practice",
    ]
}

/// What an image of this version is signed by.
const fn signed(version: &str) -> [&str; 4] {
    ["--release-key", RELEASE_KEY, "--image-version", version]
}

/// The port at the end of a line.
fn port(line: &str) -> String {
    let digits: String = line
        .chars()
        .rev()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.chars().rev().collect()
}

//! R4, R8: the power of one rig is cut, again and again, while it starts, writes what it is told, and is updated.
//!
//! ```text
//!   boot ─▶ online: the same rig? ─▶ something goes on ─▶ qemu is killed at a moment that follows from the seed
//!     ▲                                                        │
//!     └────────────────────────────────────────────────────────┘   in the end: no cut, and the update gets through
//! ```
//! | at | what goes on |
//! |---|---|
//! | first start | of a new rig: it makes its key and is let in; whom the controller has met it is for good |
//! | start | firmware, kernel, process 1 mounts; the next boot has to come online |
//! | orders | it is told to mine and to stop, as fast as it obeys: each is written to the state volume |
//! | fetching | a release comes from the controller |
//! | installing | process 1 writes the other slot, puts it on trial, starts the machine anew |
//! | trial | the new version runs on trial; three cuts here and it falls back, which is no fault |
//! | confirming | the minute is over: the boot volume is being written |
//!
//! A killed qemu is a power cut with a disk that keeps what it said to have written: what the machine still had in
//! memory is lost, and of the requests under way any part. A disk that loses its own cache as well is what
//! [`crate::state_volume`] looks at.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use miner_shared::release::Version;
use serde_json::Value;

use crate::clock::{Deadline, eventually};
use crate::farm::{BEFORE, Farm, mine};
use crate::home::{Home, MINER_CTRL};
use crate::machine::{Arch, From, Machine};
use crate::release;
use crate::seeded::Seeded;
use crate::service::Service;

/// MiB: it mines now and then.
const MEMORY: u32 = 512;
/// Firmware and boot loader write nothing, and take at least as long.
const FIRMWARE: Duration = Duration::from_secs(5);
/// From then, and from power-on, until well after the rig is online, in milliseconds.
const FIRST_START_MS: u64 = 11_000;
const START_MS: u64 = 16_000;
/// How long the other things take.
const ORDERS_MS: u64 = 3_000;
const FETCHING_MS: u64 = 16_000;
const INSTALLING_MS: u64 = 12_000;
const TRIAL_MS: u64 = 30_000;
/// From the first write after the minute of a trial until both boot loaders know.
const CONFIRMING_MS: u64 = 300;
/// A trial writes nothing for so long once it is online.
const QUIET: Duration = Duration::from_secs(45);
/// A release is fetched and read by process 1; a trial is over.
const LONG: Duration = Duration::from_secs(300);

/// What a rig says of itself on a link that has just come up is not older, in milliseconds.
const FRESH_MS: u64 = 6_000;
/// What process 1 says when it begins to write a slot.
const INSTALLING: &str = "Installing";

/// What is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    FirstStart,
    Start,
    Orders,
    Fetching,
    Installing,
    Trial,
    Confirming,
}

/// How often, and from which seed.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Power cuts.
    pub cuts: u32,
    /// Their moments follow from it.
    pub seed: u64,
}

/// The rig, and what is known of it.
struct Rig {
    farm: Farm,
    vm: Home,
    /// Of a rig that has never started.
    fresh: PathBuf,
    disk: PathBuf,
    id: Option<String>,
    /// The highest version that there is a release of.
    newest: Version,
    cuts: BTreeMap<At, u32>,
    fell_back: u32,
    updated: u32,
}

impl Plan {
    /// Cuts the power so often, and then updates the rig.
    ///
    /// # Errors
    /// The rig does not come back, is another one, or cannot be updated; the text names the cut.
    pub fn run(&self) -> Result<(), String> {
        let mut rig = Rig::new(self.cuts)?;
        let mut last = None;
        for cut in 0..self.cuts {
            let mut seeded = Seeded::new(self.seed, cut);
            let at = rig.live(&mut seeded, last);
            let at = at.map_err(|why| format!("seed {}, cut {cut}: {why}", self.seed))?;
            println!("cut {} of {}: {at:?}", cut + 1, self.cuts);
            *rig.cuts.entry(at).or_default() += 1;
            // A first start is of another rig.
            if at != At::FirstStart {
                last = Some(at);
            }
        }
        rig.is_updated_at_last()
            .map_err(|why| format!("seed {}, after {} cuts: {why}", self.seed, self.cuts))?;
        let (updated, back) = (rig.updated, rig.fell_back);
        println!("{:?}; {updated} updates, {back} times back", rig.cuts);
        Ok(())
    }
}

impl Rig {
    fn new(cuts: u32) -> Result<Self, String> {
        let farm = Farm::start()?;
        farm.token_for(1 + usize::try_from(cuts).unwrap_or(usize::MAX))?;
        let fresh = farm.disk_for_updates()?;
        let disk = fresh.with_extension("used");
        fs::copy(&fresh, &disk).map_err(|error| format!("{}: {error}", disk.display()))?;
        let newest = BEFORE.parse().map_err(|_| "a version")?;
        Ok(Self {
            farm,
            vm: Home::new("machine").map_err(|error| error.to_string())?,
            fresh,
            disk,
            id: None,
            newest,
            cuts: BTreeMap::new(),
            fell_back: 0,
            updated: 0,
        })
    }

    fn boot(&self) -> Result<Service, String> {
        let machine = Machine::new(Arch::X86_64, MEMORY, From::Bios(&self.disk));
        machine.going_on().boot(&self.vm)
    }

    /// One life, and what it was cut off at.
    fn live(&mut self, seeded: &mut Seeded, last: Option<At>) -> Result<At, String> {
        if seeded.below(5) == 0 {
            return self.cut_first_start(seeded).map(|()| At::FirstStart);
        }
        let mut console = self.boot()?;
        // After a cut at the start the next boot has to come online.
        if last != Some(At::Start) && seeded.below(4) == 0 {
            wait(seeded, START_MS);
            console.kill()?;
            self.farm.offline()?;
            return Ok(At::Start);
        }
        self.online(&mut console)?;
        let at = match (is_on_trial(&mut console)?, seeded.below(4)) {
            (true, 0) => At::Trial,
            (true, _) => At::Confirming,
            (false, 0) => At::Orders,
            (false, 1) => At::Fetching,
            (false, _) => At::Installing,
        };
        match at {
            At::FirstStart | At::Start => {}
            At::Orders => return self.cut_while_told(seeded, console).map(|()| at),
            At::Fetching => {
                self.has_an_update()?;
                wait(seeded, FETCHING_MS);
            }
            At::Installing => {
                self.has_an_update()?;
                // What was fetched before is installed at once.
                if !console.transcript().contains(INSTALLING) {
                    console.expect(INSTALLING, LONG)?;
                }
                wait(seeded, INSTALLING_MS);
            }
            At::Trial => wait(seeded, TRIAL_MS),
            At::Confirming => {
                Deadline::after(QUIET).wait();
                written_to(&self.disk)?;
                wait(seeded, CONFIRMING_MS);
            }
        }
        console.kill()?;
        self.farm.offline()?;
        Ok(at)
    }

    /// A new rig, whose power is cut while it starts for the first time, and which then starts again.
    fn cut_first_start(&self, seeded: &mut Seeded) -> Result<(), String> {
        let vm = Home::new("machine").map_err(|error| error.to_string())?;
        let disk = vm.path().join("disk");
        fs::copy(&self.fresh, &disk).map_err(|error| format!("{}: {error}", disk.display()))?;
        let machine = Machine::new(Arch::X86_64, MEMORY, From::Bios(&disk));
        let before = self.known()?;
        let mut console = machine.boot(&vm)?;
        Deadline::after(FIRMWARE).wait();
        wait(seeded, FIRST_START_MS);
        console.kill()?;
        self.farm.offline()?;
        let met = &self.known()? - &before;

        let mut console = machine.boot(&vm)?;
        let is = self.farm.rig(&mut console)?;
        let said = console.transcript();
        console.kill()?;
        self.farm.offline()?;
        if before.contains(&is) || !met.is_empty() && !met.contains(&is) {
            return Err(format!("{met:?} were met, now it is {is}\n{said}"));
        }
        Ok(())
    }

    /// The IDs of all rigs that the controller has let in.
    fn known(&self) -> Result<BTreeSet<String>, String> {
        let peers = self.farm.json(&["peer", "list"])?;
        let peers = peers.as_array().into_iter().flatten();
        Ok(peers
            .filter_map(|peer| Some(peer["id"].as_str()?.to_owned()))
            .collect())
    }

    /// It is online, and the rig that it was.
    fn online(&mut self, console: &mut Service) -> Result<(), String> {
        let is = self.farm.rig(console)?;
        match &self.id {
            Some(was) if *was != is => {
                let said = console.transcript();
                Err(format!("it was {was} and is {is}\n{said}"))
            }
            _ => {
                self.id = Some(is);
                Ok(())
            }
        }
    }

    /// Orders come as fast as the command line can give them, until the power is cut.
    fn cut_while_told(&self, seeded: &mut Seeded, mut console: Service) -> Result<(), String> {
        let id = self.id.as_deref().unwrap_or_default();
        let (home, powered) = (&self.farm.home, AtomicBool::new(true));
        thread::scope(|scope| {
            scope.spawn(|| {
                while powered.load(Ordering::Relaxed) {
                    // What comes too late is refused.
                    let _told = home.run(MINER_CTRL, &mine(id));
                    let _told = home.run(MINER_CTRL, &["remote", "stop", id]);
                }
            });
            wait(seeded, ORDERS_MS);
            let killed = console.kill();
            powered.store(false, Ordering::Relaxed);
            killed
        })?;
        self.farm.offline()
    }

    /// What it says of its image, on the link that has just come up.
    fn image(&self) -> Result<Value, String> {
        eventually("the rig says what it runs", LONG, || {
            let image = self.known_image()?;
            (image["ageMs"].as_u64()? < FRESH_MS).then_some(image)
        })
    }

    /// The same, as it said last.
    fn known_image(&self) -> Option<Value> {
        let peers = self.farm.json(&["peer", "list"]).ok()?;
        let mut peers = peers.as_array()?.iter();
        let image = &peers.find(|peer| peer["id"].as_str() == self.id.as_deref())?["image"];
        image["version"].is_string().then(|| image.clone())
    }

    fn is_confirmed(&self) -> Option<()> {
        let image = self.known_image()?;
        let runs = image["version"] == self.newest.to_string();
        (runs && image["onTrial"] == false).then_some(())
    }

    /// Sees to it that a release is on its way to the rig.
    fn has_an_update(&mut self) -> Result<(), String> {
        let image = self.image()?;
        if image["version"] == self.newest.to_string() {
            self.updated += u32::from(self.newest.patch > 0);
            self.newest.patch += 1;
            let newest = self.newest.to_string();
            let folder = self
                .farm
                .release(&newest, &Arch::X86_64.agent(), &[])?
                .display()
                .to_string();
            let key = release::public_key();
            self.farm
                .run(&["update", "add", &folder, "--public-key", &key])?;
            fs::remove_dir_all(&folder).map_err(|error| format!("{folder}: {error}"))?;
        }
        let newest = self.newest.to_string();
        let all = self.farm.json(&["update", "status", "--all"])?;
        let open = all.as_array().into_iter().flatten().find(|update| {
            let status = update["status"].as_str();
            !matches!(status, Some("done" | "aborted"))
        });
        if let Some(open) = open {
            if open["version"] == newest && open["status"] == "running" {
                return Ok(());
            }
            self.farm
                .run(&["update", "cancel", &open["id"].to_string()])?;
        }
        self.fell_back += u32::from(image["update"]["step"] == "fellBack");
        let how = ["--observe", "60", "--min-hashrate", "0"];
        // Of new rigs none is on.
        let rollout = ["update", "rollout", &newest, "--select", "state=online"];
        self.farm.run(&[&rollout[..], &how].concat()).map(|_| ())
    }

    /// Without a cut the update gets through.
    fn is_updated_at_last(&mut self) -> Result<(), String> {
        let mut console = self.boot()?;
        self.online(&mut console)?;
        if is_on_trial(&mut console)? {
            eventually("the trial is over", LONG, || self.is_confirmed())?;
        } else {
            self.has_an_update()?;
        }
        let found = eventually("the update is confirmed", LONG, || self.is_confirmed());
        found.map_err(|error| format!("{error}\n{}", console.transcript()))?;
        self.online(&mut console)
    }
}

/// Whether the version that runs is on trial, once process 1 has said so.
fn is_on_trial(console: &mut Service) -> Result<bool, String> {
    eventually("it says which slot it runs", LONG, || {
        let said = console.transcript();
        let confirmed = ["slot a", "slot b", "this is the one before"];
        let is_so = |line: &str| confirmed.iter().any(|end| line.trim_end().ends_with(end));
        match said.lines().any(|line| line.contains("is on trial")) {
            true => Some(true),
            false => said.lines().any(is_so).then_some(false),
        }
    })
}

/// Waits for a moment below so many milliseconds.
fn wait(seeded: &mut Seeded, below_ms: u64) {
    Deadline::after(Duration::from_millis(seeded.below(below_ms))).wait();
}

/// Waits until something is written to the disk.
fn written_to(disk: &Path) -> Result<(), String> {
    let modified = || fs::metadata(disk).and_then(|meta| meta.modified()).ok();
    let before = modified();
    eventually("something is written to the disk", LONG, || {
        (modified() != before).then_some(())
    })
}

//! Machines that do not come up as they should, machines by the dozen, and one whose power is cut again and again:
//! the long forms of what images promise.
//!
//! `./tests/run --images --long` runs them one after the other, with what [`images.rs`](images.rs) needs.
//!
//! | test | a trial run | all of it |
//! |---|---|---|
//! | copies of one disk | `FARM_COPIES=10` | 50 |
//! | power cuts | `FARM_CUTS=20` | 200; `FARM_SEED=N` for other moments |
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use core::time::Duration;
use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use farm_tests::Deadline;
use farm_tests::cuts::Plan;
use farm_tests::farm::{Farm, ONLINE};
use farm_tests::home::Home;
use farm_tests::machine::{self, Arch, From, Machine};
use miner_shared::identity::Fingerprint;

/// Three starts in vain, each of which a kernel ends ten seconds after its first process.
const WAY_BACK: Duration = Duration::from_secs(600);
/// On a console of `-nographic`: to qemu's monitor, a non-maskable interrupt, and back.
const MONITOR_NMI: &[u8] = b"\x01cnmi\n\x01c";
/// A machine has begun, or an order is done.
const SOON: Duration = Duration::from_secs(60);
/// An update is written, and the machine has started anew.
const UPDATE: Duration = Duration::from_secs(240);
/// MiB of a machine that does not hash.
const MEMORY: u32 = 256;
/// Copies that are booted a second time.
const RETURNING: usize = 4;

type Outcome = Result<(), String>;

/// What boots machines.
mod in_qemu {
    use super::*;

    /// A farm with a token for so many rigs: a second identity of one of them would have to stay out.
    fn farm_for(rigs: usize) -> Result<Farm, String> {
        let farm = Farm::start()?;
        farm.token_for(rigs)?;
        Ok(farm)
    }

    /// An agent that dies with its first instruction.
    fn broken_agent(farm: &Farm) -> PathBuf {
        /// `e_entry` of a 64-bit ELF file.
        const ENTRY: core::ops::Range<usize> = 24..32;
        let mut agent = fs::read(Arch::X86_64.agent()).unwrap();
        agent[ENTRY].fill(0);
        let path = farm.images.path().join("broken");
        fs::write(&path, agent).unwrap();
        path
    }

    fn falls_back(from: fn(&Path) -> From<'_>) -> Outcome {
        let farm = farm_for(1)?;
        let disk = farm.disk_with_update(&broken_agent(&farm), &[])?;
        let vm = Home::new("machine").unwrap();
        let clock = Deadline::after(WAY_BACK);
        let mut console = Machine::new(Arch::X86_64, MEMORY, from(&disk))
            .going_on()
            .boot(&vm)?;
        console.expect("update: version=0.1.1 Restarting", UPDATE)?;
        for _ in 0..3 {
            console.expect("Kernel panic", UPDATE)?;
            println!("dead {} s after power-on", clock.elapsed().as_secs());
        }
        console.expect("update: the other version did not work", WAY_BACK)?;
        println!("back {} s after power-on", clock.elapsed().as_secs());
        farm.rig(&mut console)?;
        console.kill()?;
        assert_eq!(
            machine::boot_entries(&disk)?,
            ["loader/entries/miner-0.1.0.conf"]
        );
        Ok(())
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images --long"]
    fn a_disk_falls_back_under_a_bios_from_a_version_that_does_not_start() -> Outcome {
        falls_back(|disk| From::Bios(disk))
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images --long"]
    fn a_disk_falls_back_under_uefi_from_a_version_that_does_not_start() -> Outcome {
        falls_back(|disk| From::Uefi(disk))
    }

    /// Its owner's word lets a controller manage it that is not this one, so it works in all but the link. Ten minutes
    /// of each of three trials pass at the machine's own pace: whenever it waits, its clock leaps.
    #[test]
    #[ignore = "boots a machine: ./tests/run --images --long"]
    fn a_disk_falls_back_from_a_version_that_never_gets_a_link() -> Outcome {
        let farm = farm_for(1)?;
        let word = farm.images.path().join("another.toml");
        let other = Fingerprint([7; 32]);
        fs::write(
            &word,
            format!("owner = \"Test farm\"\ncontrollers = [\"{other}\"]\n"),
        )
        .unwrap();
        let word = word.display().to_string();
        let agent = Arch::X86_64.agent();
        let disk = farm.disk_with_update(&agent, &["--owner-file", &word])?;
        let vm = Home::new("machine").unwrap();
        let clock = Deadline::after(WAY_BACK);
        let machine = Machine::new(Arch::X86_64, MEMORY, From::Bios(&disk));
        let leaping = machine.clone().small().going_on();
        let mut console = leaping.with("-icount shift=auto,sleep=off").boot(&vm)?;
        console.expect("update: version=0.1.1 Restarting", UPDATE)?;
        for _ in 0..3 {
            console.expect("update: slot b is on trial", WAY_BACK)?;
            console.expect("this version does not work", WAY_BACK)?;
            println!(
                "without a link {} s after power-on",
                clock.elapsed().as_secs()
            );
        }
        console.expect("update: the other version did not work", WAY_BACK)?;
        console.kill()?;
        assert_eq!(farm.linked().map(|rigs| rigs.len()), Some(0));

        let mut console = machine.boot(&vm)?;
        farm.rig(&mut console)?;
        console.kill()?;
        assert_eq!(
            machine::boot_entries(&disk)?,
            ["loader/entries/miner-0.1.0.conf"]
        );
        Ok(())
    }

    /// A kernel that a non-maskable interrupt ends, and that then stands for ever: nobody in it can pet the
    /// watchdog any more.
    #[test]
    #[ignore = "boots a machine: ./tests/run --images --long"]
    fn the_watchdog_starts_a_machine_anew_that_stands() -> Outcome {
        // Without a disk it is another rig at each start.
        let farm = farm_for(2)?;
        let words = ["--kernel-words", "unknown_nmi_panic panic=0"];
        let parts = farm.image_with(&Arch::X86_64.agent(), Arch::X86_64, "netboot", &words)?;
        let vm = Home::new("machine").unwrap();
        let machine = Machine::new(Arch::X86_64, MEMORY, From::Kernel(&parts)).going_on();
        let mut console = machine.with("-device i6300esb").boot(&vm)?;
        console.expect("watchdog: timeout_s=60", SOON)?;
        farm.rig(&mut console)?;
        console.say(MONITOR_NMI)?;
        console.expect("Kernel panic", SOON)?;
        let clock = Deadline::after(UPDATE);
        console.expect("is process 1", UPDATE)?;
        println!("the watchdog bit {} s later", clock.elapsed().as_secs());
        farm.offline()?;
        farm.rig(&mut console).map(|_| ())
    }

    /// Not even their network cards differ, and none of them has a source of randomness but its own course.
    #[test]
    #[ignore = "boots machines: ./tests/run --images --long"]
    fn copies_of_one_disk_are_as_many_rigs_and_stay_who_they_are() -> Outcome {
        let copies = number("FARM_COPIES", 50);
        let farm = farm_for(copies)?;
        let disk = farm.image(Arch::X86_64, "disk")?;
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        let mut known = BTreeSet::new();
        let mut kept = Vec::new();
        for first in (0..copies).step_by(at_once) {
            let mut wave = Vec::new();
            for _ in first..copies.min(first + at_once) {
                let vm = Home::new("machine").unwrap();
                let copy = vm.path().join("disk");
                fs::copy(&disk, &copy).unwrap();
                wave.push((vm, copy));
            }
            let rigs = who_they_are(&farm, &wave)?;
            for rig in &rigs {
                assert!(known.insert(rig.clone()), "{rig} was there before");
            }
            println!("{} of {copies} rigs", known.len());
            kept.extend(wave.into_iter().zip(rigs));
            kept.truncate(RETURNING);
        }
        for again in kept.chunks(at_once) {
            let (wave, were): (Vec<_>, Vec<_>) = again.iter().map(|(vm, rig)| (vm, rig)).unzip();
            let are = who_they_are(&farm, &wave)?;
            assert!(are.iter().eq(were), "they are who they were");
        }
        let peers = farm.json(&["peer", "list"])?;
        let listed: BTreeSet<_> = peers
            .as_array()
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .iter()
            .filter_map(|peer| peer["id"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(listed, known);
        let duplicates = farm.json(&["events", "--type", "duplicateIdentity"])?;
        assert_eq!(duplicates["events"].as_array().map(Vec::len), Some(0));
        Ok(())
    }

    /// Boots machines at the same time, and says which rig each of them is; off again.
    fn who_they_are(
        farm: &Farm,
        wave: &[impl Borrow<(Home, PathBuf)>],
    ) -> Result<Vec<String>, String> {
        let mut consoles = Vec::new();
        for (vm, disk) in wave.iter().map(Borrow::borrow) {
            let machine = Machine::new(Arch::X86_64, MEMORY, From::Bios(disk)).small();
            consoles.push(machine.boot(vm)?);
        }
        let mut rigs = Vec::new();
        for console in &mut consoles {
            let said = console.expect("node ID", ONLINE)?;
            rigs.push(
                said.split_whitespace()
                    .last()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        let linked = farm.linked_when(wave.len(), ONLINE)?;
        let linked: BTreeSet<_> = linked.into_iter().map(|(id, _)| id).collect();
        assert_eq!(
            linked,
            rigs.iter().cloned().collect(),
            "the console says who"
        );
        for console in &mut consoles {
            console.kill()?;
        }
        farm.offline()?;
        Ok(rigs)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images --long"]
    fn a_rig_outlives_power_cuts_and_is_updated_in_the_end() -> Outcome {
        let cuts = u32::try_from(number("FARM_CUTS", 200)).unwrap();
        let seed = u64::try_from(number("FARM_SEED", 7)).unwrap();
        Plan { cuts, seed }.run()
    }
}

/// A number that the environment may say otherwise.
fn number(name: &str, usual: usize) -> usize {
    let told = env::var(name).ok().and_then(|told| told.parse().ok());
    told.unwrap_or(usual)
}

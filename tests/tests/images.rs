//! Images in a machine: each boots to a share that the practice pool accepted, under a real controller.
//!
//! `./tests/run --images` runs them one after the other: they need qemu, Debian's packages from the archive, and
//! the static agents of `cargo xtask build`. The one that is called short is for every push. With `UPDATE=1` what a
//! rig has written to its state volume is kept for [`state_volume.rs`](state_volume.rs).
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use core::time::Duration;
use std::fs;
use std::path::Path;

use farm_tests::farm::{self, Farm, START, TOKEN};
use farm_tests::home::{Home, MINER_CTRL};
use farm_tests::lan::{self, Lan};
use farm_tests::machine::{self, Arch, Firmware, From, MAC, Machine};
use farm_tests::writes::Writes;
use farm_tests::{Deadline, eventually, release, state_volume};

/// A machine has ended, or started anew.
const END: Duration = Duration::from_secs(60);
/// What was written to a state volume, for the form of every push.
const KEPT: &str = "tests/tests/state_volume.writes";
/// An order is done, an update fetched.
const ORDER: Duration = Duration::from_secs(120);
/// An update is written, and the machine has started anew.
const UPDATE: Duration = Duration::from_secs(240);
/// MiB of a machine that hashes in light mode: the promise is 512.
const SMALL: u32 = 512;

type Outcome = Result<(), String>;

/// What boots machines.
mod in_qemu {
    use super::*;

    /// A farm with a token for its rigs.
    fn farm() -> Result<Farm, String> {
        let farm = Farm::start()?;
        farm.token_for(100)?;
        Ok(farm)
    }

    /// Power-on to a share, from kernel and initramfs.
    fn netboot(arch: Arch) -> Outcome {
        let farm = farm()?;
        let parts = farm.image(arch, "netboot")?;
        let vm = Home::new("machine").unwrap();
        let mut console = Machine::new(arch, SMALL, From::Kernel(&parts)).boot(&vm)?;
        let rig = farm.rig(&mut console)?;
        farm.mines(&rig, &mut console)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn short_a_kernel_with_our_initramfs_enrols_and_mines_in_512_mib() -> Outcome {
        netboot(Arch::X86_64)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn an_aarch64_kernel_with_our_initramfs_enrols_and_mines_in_512_mib() -> Outcome {
        netboot(Arch::Aarch64)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_disk_boots_by_bios_and_by_uefi_as_the_same_rig_and_mines() -> Outcome {
        let farm = farm()?;
        let disk = farm.image(Arch::X86_64, "disk")?;
        let vm = Home::new("machine").unwrap();
        let boot = |from| Machine::new(Arch::X86_64, 1_024, from).boot(&vm);

        let mut console = boot(From::Bios(&disk))?;
        let by_bios = farm.rig(&mut console)?;
        farm.mines(&by_bios, &mut console)?;
        console.kill()?;
        farm.offline()?;

        let mut console = boot(From::Uefi(&disk))?;
        let by_uefi = farm.rig(&mut console)?;
        assert_eq!(by_uefi, by_bios, "another identity");
        farm.mines(&by_uefi, &mut console)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn an_arm64_disk_mines_under_uefi_starts_anew_when_told_and_is_the_same_rig() -> Outcome {
        let farm = farm()?;
        let disk = farm.image(Arch::Aarch64, "disk")?;
        let vm = Home::new("machine").unwrap();
        let machine = Machine::new(Arch::Aarch64, 1_024, From::Uefi(&disk)).going_on();
        let mut console = machine.boot(&vm)?;
        let rig = farm.rig(&mut console)?;
        farm.mines(&rig, &mut console)?;

        farm.run(&["remote", "reboot", &rig])?;
        console.expect("the machine ends: Reboot", END)?;
        farm.offline()?;
        assert_eq!(farm.rig(&mut console)?, rig, "another identity");
        // It mines on as it was told before.
        farm.shares(&rig, &mut console)?;
        farm.run(&["remote", "poweroff", &rig, "--yes"])?;
        console.ends(END).map(|_| ())
    }

    /// Power-on to a share over a network with an ordinary DHCP server, from an image that is for everybody:
    /// what the rig is told is in `rigs.toml`.
    fn network(arch: Arch, firmware: Firmware) -> Outcome {
        let lan = match Lan::new() {
            Ok(lan) => lan,
            Err(lacks) => {
                println!("SKIPPED: this machine lacks {lacks}");
                return Ok(());
            }
        };
        let (namespace, address) = lan::SERVE;
        let home = Home::new("farm").unwrap().inside(namespace);
        let farm = Farm::start_in(home, address, address)?;
        farm.token_for(1)?;
        let agent = arch.agent();
        let folder = match firmware {
            Firmware::Bios => farm.build(&agent, (arch, "netboot"), "boot", &[])?,
            Firmware::UefiPxe | Firmware::UefiHttp => {
                let folder = farm.images.path().join("boot");
                fs::create_dir(&folder).unwrap();
                let file = match arch {
                    Arch::Aarch64 => "boot/arm64.efi",
                    Arch::X86_64 => "boot/x64.efi",
                };
                farm.build(&agent, (arch, "uki"), file, &[])?;
                folder
            }
        };
        let rigs = format!(
            "[all]\ncontroller = \"{}\"\ntoken-file = \"rack.token\"\nowner = \"Test farm\"\n\
             [52-54-00-12-34-56]\nname = \"rig-seven\"\nhugepages = \"off\"\n",
            farm.link
        );
        fs::write(folder.join("rigs.toml"), rigs).unwrap();
        fs::copy(farm.home.path().join(TOKEN), folder.join("rack.token")).unwrap();
        let folder = folder.to_str().ok_or("the folder's path")?;
        let serve = ["pxe", "serve", "--interface", "eth0", "--folder", folder];
        let mut server = farm.home.serve(MINER_CTRL, &serve)?;
        server.expect("rigs.toml: 2 sections", START)?;

        let vm = Home::new("machine").unwrap().inside(lan::MACHINES);
        let machine = Machine::new(arch, 1_024, From::Network(firmware));
        let mut console = machine.boot(&vm)?;
        let rig = farm.rig(&mut console);
        let rig = rig.map_err(|error| format!("{error}\n{}", server.transcript()))?;
        let peers = farm.json(&["peer", "list"])?;
        assert_eq!(peers[0]["name"], "rig-seven", "{peers}");
        server.expect(&format!("{MAC} is linked"), START)?;
        let boots = farm.json(&["pxe", "boots"])?;
        let boot = ["mac", "step", "rig", "rigId"].map(|field| boots[0][field].as_str());
        assert_eq!(
            boot,
            [Some(MAC), Some("linked"), Some("rig-seven"), Some(&*rig)],
            "{boots}"
        );
        assert!(
            !server.transcript().contains("ENR1-"),
            "a token is in the log"
        );
        farm.mines(&rig, &mut console)?;
        drop(lan);
        Ok(())
    }

    /// From a release in the state volume to a confirmed slot, in one run.
    fn updates_itself(from: fn(&Path) -> From<'_>) -> Outcome {
        let farm = farm()?;
        let disk = farm.disk_with_update(&Arch::X86_64.agent(), &[])?;
        let vm = Home::new("machine").unwrap();
        let clock = Deadline::after(UPDATE);
        let mut console = Machine::new(Arch::X86_64, SMALL, from(&disk))
            .going_on()
            .boot(&vm)?;
        for said in [
            "update: version=0.1.1 Installing",
            "update: version=0.1.1 Restarting",
            "update: slot b is on trial",
            "update: slot b is confirmed",
        ] {
            console.expect(said, UPDATE)?;
            println!("{said}: {} s after power-on", clock.elapsed().as_secs());
        }
        console.kill()?;
        farm.offline()?;
        let both = ["miner-0.1.0.conf", "miner-0.1.1.conf"];
        let both = both.map(|name| format!("loader/entries/{name}"));
        assert_eq!(machine::boot_entries(&disk)?, both);

        // The other firmware starts the same slot, which is no trial any more.
        let other = match from(&disk) {
            From::Bios(disk) => From::Uefi(disk),
            _ => From::Bios(&disk),
        };
        let mut console = Machine::new(Arch::X86_64, SMALL, other).boot(&vm)?;
        console.expect("slot b", UPDATE)?;
        farm.rig(&mut console).map(|_| ())
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_disk_updates_itself_under_a_bios_and_goes_on_under_uefi() -> Outcome {
        updates_itself(|disk| From::Bios(disk))
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_disk_updates_itself_under_uefi_and_goes_on_under_a_bios() -> Outcome {
        updates_itself(|disk| From::Uefi(disk))
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_bios_boots_from_the_network_by_ipxe_and_mines_as_its_recipe_says() -> Outcome {
        network(Arch::X86_64, Firmware::Bios)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn uefi_boots_from_the_network_by_pxe_and_mines_as_its_recipe_says() -> Outcome {
        network(Arch::X86_64, Firmware::UefiPxe)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn arm64_uefi_boots_from_the_network_by_pxe_and_mines_as_its_recipe_says() -> Outcome {
        network(Arch::Aarch64, Firmware::UefiPxe)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn uefi_boots_from_the_network_by_http_and_mines_as_its_recipe_says() -> Outcome {
        network(Arch::X86_64, Firmware::UefiHttp)
    }

    /// First start, orders, a new key, and an update: all of them are written to the state volume.
    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_cut_after_every_write_to_a_state_volume_leaves_the_rig_that_it_was() -> Outcome {
        let farm = Farm::start()?;
        farm.token_for(1)?;
        let disk = farm.disk_for_updates()?;
        let (before, place) = state_volume_of(&disk)?;
        let vm = Home::new("machine").unwrap();
        let log = vm.path().join("log");
        fs::write(&log, "").unwrap();
        let machine = Machine::new(Arch::X86_64, SMALL, From::Bios(&disk));
        let mut console = machine.noting_writes(&log).boot(&vm)?;
        let rig = farm.rig(&mut console)?;
        for _ in 0..2 {
            farm.run(&farm::mine(&rig))?;
            farm.run(&["remote", "stop", &rig])?;
        }
        farm.run(&["remote", "rotate-key", &rig])?;
        eventually("the rig has a new key", ORDER, || {
            farm.linked()?
                .iter()
                .any(|(id, _)| *id != rig)
                .then_some(())
        })?;
        let files = [vec![1; 10_000], vec![2; 30_000]];
        let folder = vm.path().join("release");
        release::write(&folder, "0.1.1".parse().unwrap(), &files)?;
        let folder = folder.display().to_string();
        let key = release::public_key();
        farm.run(&["update", "add", &folder, "--public-key", &key])?;
        farm.run(&["update", "rollout", "0.1.1"])?;
        console.expect("update: version=0.1.1 Restarting", ORDER)?;
        console.ends(ORDER)?;

        let writes = Writes::of_log(&log, &before, place).map_err(|error| error.to_string())?;
        if std::env::var_os("UPDATE").is_some() {
            fs::write(farm_tests::sources::root().join(KEPT), writes.encode()).unwrap();
        }
        let seen = state_volume::survives(&writes)?;
        println!("{} writes: {seen:?}", writes.count());
        Ok(())
    }

    /// The bytes of a disk's state volume, and where it is.
    fn state_volume_of(disk: &Path) -> Result<(Vec<u8>, core::ops::Range<usize>), String> {
        let bytes = fs::read(disk).unwrap();
        let volumes = miner_images::disk::volumes(&bytes);
        let found = volumes.iter().find(|found| found.label == "FARMSTATE");
        let place = found.ok_or("no state volume")?.place.clone();
        Ok((bytes[place.clone()].to_vec(), place))
    }
}

/// What the builder refuses, it refuses before it downloads anything.
#[test]
fn an_agent_that_is_not_static_is_no_agent_of_an_image() -> Outcome {
    let home = Home::new("builder").unwrap();
    let build = [
        "image",
        "build",
        "--recipe",
        "x86_64-netboot",
        "--out",
        "out",
    ];
    let shell = home.run(MINER_CTRL, &[&build[..], &["--agent", "/bin/sh"]].concat())?;
    assert_eq!(shell.code, Some(1), "{shell:#?}");
    assert!(shell.stderr.contains("/bin/sh: not static"), "{shell:#?}");
    let recipe = ["image", "build", "--recipe", "floppy", "--out", "out"];
    let floppy = home.run(MINER_CTRL, &recipe)?;
    assert_eq!(floppy.code, Some(2), "{floppy:#?}");
    assert!(floppy.stderr.contains("x86_64-disk"), "{floppy:#?}");
    assert!(!Path::new(&home.path().join("out")).exists());
    Ok(())
}

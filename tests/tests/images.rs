//! Images in a machine: each boots to a share that the practice pool accepted, under a real controller.
//!
//! `./tests/run --images` runs them one after the other: they need qemu, Debian's packages from the archive, and
//! the static agents of `cargo xtask build`. The one that is called short is for every push.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use farm_tests::home::{Home, MINER_CTRL};
use farm_tests::lan::{self, Lan};
use farm_tests::machine::{self, Arch, Firmware, From, HOST, MAC, Restarts};
use farm_tests::service::Service;
use farm_tests::{Deadline, eventually};
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// Power-on until the rig is online; firmware and kernel are emulated.
const ONLINE: Duration = Duration::from_secs(180);
/// A share in light mode, emulated.
const SHARE: Duration = Duration::from_secs(400);
/// An update is written, and the machine has started anew.
const UPDATE: Duration = Duration::from_secs(240);
/// Three starts in vain, each of which a kernel ends ten seconds after its first process.
const WAY_BACK: Duration = Duration::from_secs(600);
/// MiB of a machine that hashes in light mode: the promise is 512.
const SMALL: u32 = 512;

type Outcome = Result<(), String>;

/// A controller with a practice pool, a token for rigs, and a profile.
struct Farm {
    home: Home,
    /// Where images are built: not in a namespace, from which no archive is reached.
    images: Home,
    _service: Service,
    link: String,
}

impl Farm {
    fn start() -> Result<Self, String> {
        Self::start_in(Home::new("farm").unwrap(), "127.0.0.1", HOST)
    }

    /// Listens at this address, which rigs know by another one.
    fn start_in(home: Home, address: &str, known_as: &str) -> Result<Self, String> {
        let listen = format!("{address}:0");
        let up = ["up", "--no-worker", "--http", "127.0.0.1:0"];
        let up = [&up[..], &["--pool-listen", &listen, "--listen", &listen]].concat();
        let mut service = home.serve(MINER_CTRL, &up)?;
        let link = port(&service.expect("rigs dial in", START)?);
        let pool = port(&service.expect("practice pool", START)?);
        let farm = Self {
            home,
            images: Home::new("images").unwrap(),
            _service: service,
            link: format!("{known_as}:{link}"),
        };
        farm.run(&["token", "create", "--uses", "100", "--out", "token"])?;
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

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        self.home.run(MINER_CTRL, arguments)?.ok()
    }

    fn json(&self, arguments: &[&str]) -> Result<Value, String> {
        self.home
            .run(MINER_CTRL, &[arguments, &["--json"]].concat())?
            .json()
    }

    /// Builds an image for virtual machines that comes to this farm.
    fn image(&self, arch: Arch, artefact: &str) -> Result<PathBuf, String> {
        self.image_with(&arch.agent(), arch, artefact, &[])
    }

    /// Builds one with this agent that is told `more` as well.
    fn image_with(
        &self,
        agent: &Path,
        arch: Arch,
        artefact: &str,
        more: &[&str],
    ) -> Result<PathBuf, String> {
        let token = self.home.path().join("token");
        let token = token.to_str().ok_or("the token's path")?;
        let farm = ["--controller", &self.link, "--token-file", token];
        // Version 7.2 of qemu reads 16 bytes where CVTDQ2PD takes 8, which faults behind the last 8 bytes of a scratchpad
        // that ends with its mapping, as those in reserved pages do. No processor does so.
        let rest = ["--owner", "Test farm", "--hugepages", "off"];
        let recipe = format!("{}-{artefact}", arch.name());
        let told = [&farm[..], &rest, more].concat();
        self.build(agent, (arch, artefact), &recipe, &told)
    }

    /// Builds one that is told no more than this.
    fn build(
        &self,
        agent: &Path,
        (arch, artefact): (Arch, &str),
        out: &str,
        more: &[&str],
    ) -> Result<PathBuf, String> {
        let recipe = format!("{}-{artefact}", arch.name());
        let packages = farm_tests::sources::root().join("target/packages");
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

    /// The rig that is online, by its ID, once one is.
    fn rig(&self, console: &mut Service) -> Result<String, String> {
        let clock = Deadline::after(ONLINE);
        let found = eventually("a rig online", ONLINE, || {
            let peers = self.json(&["peer", "list"]).ok()?;
            let online = peers
                .as_array()?
                .iter()
                .find(|peer| peer["connected"] == true)?;
            Some(online["id"].as_str()?.to_owned())
        });
        println!("online {} s after power-on", clock.elapsed().as_secs());
        found.map_err(|error| format!("{error}\n{}", console.transcript()))
    }

    fn mines(&self, rig: &str, console: &mut Service) -> Outcome {
        self.run(&[
            "remote",
            "start",
            rig,
            "--profile",
            "image",
            "--confirm-payout",
            "4Practice",
        ])?;
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

/// What boots machines.
mod in_qemu {
    use super::*;

    /// Power-on to a share, from kernel and initramfs.
    fn netboot(arch: Arch) -> Outcome {
        let farm = Farm::start()?;
        let parts = farm.image(arch, "netboot")?;
        let vm = Home::new("machine").unwrap();
        let mut console =
            machine::boot(&vm, arch, SMALL, From::Kernel(&parts), Restarts::SwitchOff)?;
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
        let farm = Farm::start()?;
        let disk = farm.image(Arch::X86_64, "disk")?;
        let vm = Home::new("machine").unwrap();
        let boot = |from| machine::boot(&vm, Arch::X86_64, 1_024, from, Restarts::SwitchOff);

        let mut console = boot(From::Bios(&disk))?;
        let by_bios = farm.rig(&mut console)?;
        farm.mines(&by_bios, &mut console)?;
        console.kill()?;
        offline(&farm)?;

        let mut console = boot(From::Uefi(&disk))?;
        let by_uefi = farm.rig(&mut console)?;
        assert_eq!(by_uefi, by_bios, "another identity");
        farm.mines(&by_uefi, &mut console)
    }

    /// Power-on to a share over a network with an ordinary DHCP server, from an image that is for everybody:
    /// what the rig is told is in `rigs.toml`.
    fn network(firmware: Firmware) -> Outcome {
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
        let agent = Arch::X86_64.agent();
        let folder = match firmware {
            Firmware::Bios => farm.build(&agent, (Arch::X86_64, "netboot"), "boot", &[])?,
            Firmware::UefiPxe | Firmware::UefiHttp => {
                let folder = farm.images.path().join("boot");
                fs::create_dir(&folder).unwrap();
                farm.build(&agent, (Arch::X86_64, "uki"), "boot/x64.efi", &[])?;
                folder
            }
        };
        let rigs = format!(
            "[all]\ncontroller = \"{}\"\ntoken-file = \"rack.token\"\nowner = \"Test farm\"\n\
             [52-54-00-12-34-56]\nname = \"rig-seven\"\nhugepages = \"off\"\n",
            farm.link
        );
        fs::write(folder.join("rigs.toml"), rigs).unwrap();
        fs::copy(farm.home.path().join("token"), folder.join("rack.token")).unwrap();
        let folder = folder.to_str().ok_or("the folder's path")?;
        let serve = ["pxe", "serve", "--interface", "eth0", "--folder", folder];
        let mut server = farm.home.serve(MINER_CTRL, &serve)?;
        server.expect("rigs.toml: 2 sections", START)?;

        let vm = Home::new("machine").unwrap().inside(lan::MACHINES);
        let mut console = machine::boot(
            &vm,
            Arch::X86_64,
            1_024,
            From::Network(firmware),
            Restarts::SwitchOff,
        )?;
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

    /// A disk with version 0.1.0 that has fetched 0.1.1, whose first process is this agent.
    fn disk_before_update(farm: &Farm, agent: &Path) -> Result<PathBuf, String> {
        let out = |name: &str| farm.images.path().join(name);
        let key = ["image", "key", "--out", "release.key"];
        farm.images.run(MINER_CTRL, &key)?.ok()?;
        let signed = |version| ["--release-key", "release.key", "--image-version", version];
        let release = [&signed("0.1.1")[..], &["--release", "release"]].concat();
        farm.image_with(agent, Arch::X86_64, "disk", &release)?;
        let agent = Arch::X86_64.agent();
        let disk = farm.image_with(&agent, Arch::X86_64, "disk", &signed("0.1.0"))?;
        let read = |name: &str| {
            let bytes = fs::read(out("release").join(name)).unwrap();
            (format!("update/{name}"), bytes)
        };
        let mut files = ["manifest", "vmlinuz", "initrd"].map(read).to_vec();
        files.push(("update/ready".to_owned(), Vec::new()));
        machine::add_state(&disk, &files)?;
        Ok(disk)
    }

    fn entries(disk: &Path) -> Result<Vec<String>, String> {
        let mut paths = machine::boot_files(disk)?;
        paths.retain(|path| path.starts_with("loader/entries/"));
        Ok(paths)
    }

    /// From a release in the state volume to a confirmed slot, in one run.
    fn updates_itself(from: fn(&Path) -> From<'_>) -> Outcome {
        let farm = Farm::start()?;
        let disk = disk_before_update(&farm, &Arch::X86_64.agent())?;
        let vm = Home::new("machine").unwrap();
        let clock = Deadline::after(UPDATE);
        let mut console = machine::boot(&vm, Arch::X86_64, SMALL, from(&disk), Restarts::GoOn)?;
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
        offline(&farm)?;
        let both = ["miner-0.1.0.conf", "miner-0.1.1.conf"];
        let both = both.map(|name| format!("loader/entries/{name}"));
        assert_eq!(entries(&disk)?, both);

        // The other firmware starts the same slot, which is no trial any more.
        let other = match from(&disk) {
            From::Bios(disk) => From::Uefi(disk),
            _ => From::Bios(&disk),
        };
        let mut console = machine::boot(&vm, Arch::X86_64, SMALL, other, Restarts::SwitchOff)?;
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
        let farm = Farm::start()?;
        let disk = disk_before_update(&farm, &broken_agent(&farm))?;
        let vm = Home::new("machine").unwrap();
        let clock = Deadline::after(WAY_BACK);
        let mut console = machine::boot(&vm, Arch::X86_64, SMALL, from(&disk), Restarts::GoOn)?;
        console.expect("update: version=0.1.1 Restarting", UPDATE)?;
        for _ in 0..3 {
            console.expect("Kernel panic", UPDATE)?;
            println!("dead {} s after power-on", clock.elapsed().as_secs());
        }
        console.expect("update: the other version did not work", WAY_BACK)?;
        println!("back {} s after power-on", clock.elapsed().as_secs());
        farm.rig(&mut console)?;
        console.kill()?;
        assert_eq!(entries(&disk)?, ["loader/entries/miner-0.1.0.conf"]);
        Ok(())
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_bios_boots_from_the_network_by_ipxe_and_mines_as_its_recipe_says() -> Outcome {
        network(Firmware::Bios)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_disk_falls_back_under_a_bios_from_a_version_that_does_not_start() -> Outcome {
        falls_back(|disk| From::Bios(disk))
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn uefi_boots_from_the_network_by_pxe_and_mines_as_its_recipe_says() -> Outcome {
        network(Firmware::UefiPxe)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn uefi_boots_from_the_network_by_http_and_mines_as_its_recipe_says() -> Outcome {
        network(Firmware::UefiHttp)
    }

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_disk_falls_back_under_uefi_from_a_version_that_does_not_start() -> Outcome {
        falls_back(|disk| From::Uefi(disk))
    }

    fn offline(farm: &Farm) -> Outcome {
        eventually("the rig is offline", ONLINE, || {
            let peers = farm.json(&["peer", "list"]).ok()?;
            let all = peers.as_array()?;
            all.iter()
                .all(|peer| peer["connected"] == false)
                .then_some(())
        })
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

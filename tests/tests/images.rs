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
use farm_tests::machine::{self, Arch, Firmware, From, HOST, MAC};
use farm_tests::service::Service;
use farm_tests::{Deadline, eventually};
use serde_json::Value;

/// A program says that it serves.
const START: Duration = Duration::from_secs(20);
/// Power-on until the rig is online; firmware and kernel are emulated.
const ONLINE: Duration = Duration::from_secs(180);
/// A share in light mode, emulated.
const SHARE: Duration = Duration::from_secs(400);
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
        let token = self.home.path().join("token");
        let token = token.to_str().ok_or("the token's path")?;
        let farm = ["--controller", &self.link, "--token-file", token];
        // Version 7.2 of qemu reads 16 bytes where CVTDQ2PD takes 8, which faults behind the last 8 bytes of a scratchpad
        // that ends with its mapping, as those in reserved pages do. No processor does so.
        let rest = ["--owner", "Test farm", "--hugepages", "off"];
        let recipe = format!("{}-{artefact}", arch.name());
        self.build(arch, artefact, &recipe, &[&farm[..], &rest].concat())
    }

    /// Builds one that is told `more`.
    fn build(
        &self,
        arch: Arch,
        artefact: &str,
        out: &str,
        more: &[&str],
    ) -> Result<PathBuf, String> {
        let recipe = format!("{}-{artefact}", arch.name());
        let agent = arch.agent();
        let packages = farm_tests::sources::root().join("target/packages");
        let paths = [&agent, &packages].map(|path| path.display().to_string());
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
        let mut console = machine::boot(&vm, arch, SMALL, From::Kernel(&parts))?;
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
        let boot = |from| machine::boot(&vm, Arch::X86_64, 1_024, from);

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
        let folder = match firmware {
            Firmware::Bios => farm.build(Arch::X86_64, "netboot", "boot", &[])?,
            Firmware::UefiPxe | Firmware::UefiHttp => {
                let folder = farm.images.path().join("boot");
                fs::create_dir(&folder).unwrap();
                farm.build(Arch::X86_64, "uki", "boot/x64.efi", &[])?;
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
        let mut console = machine::boot(&vm, Arch::X86_64, 1_024, From::Network(firmware))?;
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

    #[test]
    #[ignore = "boots a machine: ./tests/run --images"]
    fn a_bios_boots_from_the_network_by_ipxe_and_mines_as_its_recipe_says() -> Outcome {
        network(Firmware::Bios)
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

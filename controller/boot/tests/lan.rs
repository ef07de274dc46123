//! Firmware boots from the server on a network of its own: three network namespaces of this machine,
//! nothing of which leads anywhere.
//!
//! ```text
//!   miner-boot-lan    bridge ── tap ── qemu, whose ROM is iPXE
//!                        ├─ veth ── miner-boot-dhcp   10.77.0.1  dnsmasq: addresses, and no word of booting
//!                        └─ veth ── miner-boot-serve  10.77.0.2  the boot server: this test, called again
//! ```
//! It needs root, `ip`, `dnsmasq`, `qemu-system-x86_64` with its ROMs, OVMF, and `/dev/net/tun`; where one is
//! missing the test says so on standard error and passes. What is served is no kernel, so the rig stops after
//! it has loaded it.
#![expect(clippy::expect_used, reason = "a test's helpers fail as the test does")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{env, fs, io};

use miner_boot::files::{BootFile, Content, Recipe, Table};
use miner_boot::server::{BootServer, Lan, Ports};
use smol::Timer;
use smol::future::or;

/// Set where the server of the test runs.
const INSIDE: &str = "MINER_BOOT_TEST_NETWORK";
const LAN: &str = "miner-boot-lan";
const DHCP: &str = "miner-boot-dhcp";
const SERVE: &str = "miner-boot-serve";
/// The network card of the rig.
const MAC: &str = "52:54:00:12:34:56";
/// Where Debian has UEFI for qemu.
const OVMF: &str = "/usr/share/OVMF";
/// Bytes of the kernel and of the UKI that are none: as many as real ones have.
const FILE: usize = 8_000_000;
/// What a rig may take, most of it waiting of its firmware.
const PATIENCE: Duration = Duration::from_secs(120);

/// Namespaces, and programs in them; gone when the test is.
struct Network {
    programs: Vec<Child>,
}

/// Runs `ip` with these words.
fn ip(words: &str) -> bool {
    let mut ip = Command::new("ip");
    let status = ip.args(words.split(' ')).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

impl Network {
    /// `None`, and why, where this machine cannot have one.
    fn new() -> Result<Self, &'static str> {
        for tool in ["ip", "dnsmasq", "qemu-system-x86_64"] {
            let found = Command::new(tool).arg("--version").output().is_ok()
                || Command::new(tool).arg("-V").output().is_ok();
            if !found {
                return Err(tool);
            }
        }
        if !Path::new("/dev/net/tun").exists() {
            return Err("/dev/net/tun");
        }
        // What a test that was killed left behind.
        let network = Self {
            programs: Vec::new(),
        };
        network.remove();
        for namespace in [LAN, DHCP, SERVE] {
            if !ip(&format!("netns add {namespace}")) {
                return Err("the right to make network namespaces");
            }
            ip(&format!("-n {namespace} link set lo up"));
        }
        let mut whole = ip(&format!("-n {LAN} link add br0 type bridge"))
            && ip(&format!("-n {LAN} link set br0 up"))
            && ip(&format!("-n {LAN} tuntap add tap0 mode tap"))
            && ip(&format!("-n {LAN} link set tap0 master br0 up"));
        for (namespace, end, address) in
            [(DHCP, "dhcp", "10.77.0.1"), (SERVE, "serve", "10.77.0.2")]
        {
            whole &= ip(&format!(
                "-n {LAN} link add {end} type veth peer name eth0 netns {namespace}"
            )) && ip(&format!("-n {LAN} link set {end} master br0 up"))
                && ip(&format!(
                    "-n {namespace} addr add {address}/24 brd + dev eth0"
                ))
                && ip(&format!("-n {namespace} link set eth0 up"));
        }
        whole
            .then_some(network)
            .ok_or("bridge, veth and tap in the kernel")
    }

    /// Starts a program in a namespace.
    fn start(&mut self, namespace: &str, program: &str, words: &[&str]) -> &mut Child {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", namespace, program])
            .args(words)
            .env(INSIDE, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        self.programs.push(command.spawn().expect("started"));
        self.programs.last_mut().expect("just pushed")
    }

    fn remove(&self) {
        for namespace in [LAN, DHCP, SERVE] {
            ip(&format!("netns del {namespace}"));
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        self.remove();
    }
}

/// Boots a machine, and returns what the server said of it until it had this file; `None` where this
/// machine cannot.
fn boots(machine: &[&str], last: BootFile) -> Option<Vec<String>> {
    // There is one set of namespaces.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _mine = ONE_AT_A_TIME.lock();
    let mut network = match Network::new() {
        Ok(network) => network,
        Err(lacks) => {
            skip(lacks);
            return None;
        }
    };
    network.start(
        DHCP,
        "dnsmasq",
        &[
            "--keep-in-foreground",
            "--port=0",
            "--conf-file=/dev/null",
            "--leasefile-ro",
            "--interface=eth0",
            "--bind-interfaces",
            "--dhcp-range=10.77.0.100,10.77.0.150,1h",
            "--dhcp-authoritative",
        ],
    );
    let this = env::current_exe().expect("this program");
    let words = ["--exact", "--nocapture", "serve_in_a_namespace"];
    let server = network.start(SERVE, this.to_str().expect("a path"), &words);
    let mut said = BufReader::new(server.stdout.take().expect("piped")).lines();
    let mut next = || {
        said.next()
            .expect("the rig came to its end in time")
            .expect("text")
    };
    while next() != "serves" {}
    let common = "-accel tcg -nographic -no-reboot -boot n -netdev tap,id=n0,ifname=tap0,script=no,downscript=no";
    let words: Vec<&str> = common.split(' ').chain(machine.iter().copied()).collect();
    network.start(LAN, "qemu-system-x86_64", &words);
    let mut steps = Vec::new();
    let had = format!("{MAC} has {last}");
    while !steps
        .last()
        .is_some_and(|step: &String| step.starts_with(&had))
    {
        let step = next();
        println!("{step}");
        assert!(
            !step.contains("stopped") && !step.contains("nothing"),
            "{step}"
        );
        steps.push(step);
    }
    Some(steps)
}

fn skip(lacks: &str) {
    // Not by the macro, whose output the test harness keeps.
    let line = format!("SKIPPED: this machine lacks {lacks}\n");
    io::stderr()
        .write_all(line.as_bytes())
        .expect("standard error");
}

fn assert_told(steps: &[String], words: &[&str]) {
    for words in words {
        let words = format!("{MAC} {words}");
        assert!(
            steps.iter().any(|step| step.starts_with(&words)),
            "{words}: {steps:#?}"
        );
    }
}

/// OVMF, with a memory of its own for settings in `folder`, and more words; `None` if it is not here.
fn uefi(folder: &Path, more: &str) -> Option<Vec<String>> {
    let vars = folder.join("vars.fd");
    if fs::copy(format!("{OVMF}/OVMF_VARS_4M.fd"), &vars).is_err() {
        skip("OVMF");
        return None;
    }
    let vars = vars.display();
    let words = format!(
        "-machine q35 -m 512 -device virtio-net-pci,netdev=n0,mac={MAC},romfile= \
         -drive if=pflash,format=raw,readonly=on,file={OVMF}/OVMF_CODE_4M.fd \
         -drive if=pflash,format=raw,file={vars} {more}"
    );
    Some(words.split_ascii_whitespace().map(str::to_owned).collect())
}

fn uefi_boots(more: &str) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().expect("a folder");
    let words = uefi(folder.path(), more)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    boots(&words, BootFile::UkiX64)
}

#[test]
#[ignore = "boots a machine: 20 s, as root"]
fn ipxe_asks_is_told_and_loads_beside_an_ordinary_dhcp_server() {
    let card = format!("virtio-net-pci,netdev=n0,mac={MAC}");
    let Some(steps) = boots(&["-m", "256", "-device", &card], BootFile::Kernel) else {
        return;
    };
    let kernel = format!("has vmlinuz: {FILE} bytes");
    let script = ["is offered boot.ipxe", "loads boot.ipxe", "has boot.ipxe"];
    assert_told(
        &steps,
        &["asks where to boot from", "loads vmlinuz", &kernel],
    );
    assert_told(&steps, &script);
}

#[test]
#[ignore = "boots a machine: 20 s, as root"]
fn uefi_loads_its_uki_by_tftp() {
    if let Some(steps) = uefi_boots("") {
        let uki = format!("has x64.efi: {FILE} bytes");
        assert_told(
            &steps,
            &["asks where to boot from", "is offered x64.efi", &uki],
        );
    }
}

#[test]
#[ignore = "boots a machine: 20 s, as root"]
fn uefi_without_pxe_loads_its_uki_by_http() {
    let no_pxe = "-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=no \
                  -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=no";
    if let Some(steps) = uefi_boots(no_pxe) {
        let uki = format!("has x64.efi: {FILE} bytes");
        assert_told(
            &steps,
            &["asks where to boot from", "is offered x64.efi", &uki],
        );
    }
}

/// The server of the tests above, which start it in its namespace; nothing by itself.
#[test]
fn serve_in_a_namespace() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let recipe = Recipe::new(Arc::new(|_| "panic=10 quiet".to_owned()), None)
        .with(BootFile::Kernel, Content::memory(vec![7; FILE]))
        .with(BootFile::UkiX64, Content::memory(vec![7; FILE]))
        .with(BootFile::Initramfs, Content::memory(vec![7; 1_000_000]));
    let mut table = Table::default();
    table.set_rest(Some(Arc::new(recipe)));
    let lan = Lan {
        interface: Some("eth0".to_owned()),
        address: Ipv4Addr::new(10, 77, 0, 2),
        prefix: 24,
    };
    let server = BootServer::bind(lan, Ports::default(), table).expect("bound");
    let events = server.handle().events();
    println!("serves");
    let stop = async {
        while let Ok(event) = events.recv().await {
            println!("{event}");
        }
    };
    let late = async {
        Timer::after(PATIENCE).await;
    };
    smol::block_on(server.run(or(stop, late))).expect("served");
}

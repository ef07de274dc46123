//! Images of Debian's real packages: sizes, and what other tools say of the result.
//!
//! `MINER_IMAGES_CACHE` names a folder that keeps the packages from run to run, `MINER_IMAGES_OUT` one for what
//! is built, `MINER_IMAGES_AGENT_x86_64` and `…_aarch64` the programs that become `/init`.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's helpers fail as the test does"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use miner_images::arch::Arch;
use miner_images::initramfs::Initramfs;
use miner_images::modules::{Set, wanted};
use miner_images::packages::{Archive, Fetched, Package, Packages};
use miner_images::pe::Pe;
use miner_images::source::{self, Kernel};
use miner_images::{deb, recipe, uki};
use miner_shared::cmdline::Settings;

/// As large as the agent when it is packed.
const AGENT: usize = 1_000_000;

struct Parts {
    kernel: Kernel,
    stub: Vec<u8>,
    initramfs: Vec<u8>,
}

fn cache(temporary: &Path) -> PathBuf {
    std::env::var_os("MINER_IMAGES_CACHE").map_or_else(|| temporary.to_owned(), PathBuf::from)
}

/// The agent that the environment names, or as many bytes.
fn agent(arch: Arch) -> Vec<u8> {
    match std::env::var(format!("MINER_IMAGES_AGENT_{arch}")) {
        Ok(file) => source::agent(Path::new(&file), arch).unwrap(),
        Err(_) => noise(AGENT),
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(|_| next()).collect()
}

fn parts(arch: Arch) -> Parts {
    let temporary = tempfile::tempdir().unwrap();
    let mut progress = |line: &str| println!("{line}");
    let cache = cache(temporary.path());
    let archive = Archive::OfThisMachine;
    let packages = Packages::update(&cache, arch, &archive, &mut progress).unwrap();
    let kernel = packages.fetch(Package::Kernel, &mut progress).unwrap();
    let stub = packages.fetch(Package::EfiStub, &mut progress).unwrap();
    let control = deb::control(&kernel.path).unwrap();
    assert_eq!(
        (&control.name, &control.version),
        (&kernel.name, &kernel.version)
    );
    assert_eq!(control.architecture, arch.debian());
    from_packages(arch, &kernel, &stub)
}

fn from_packages(arch: Arch, kernel: &Fetched, stub: &Fetched) -> Parts {
    let kernel = Kernel::from_package(&kernel.path).unwrap();
    let stub = source::stub(&stub.path, arch).unwrap();
    let agent = agent(arch);
    let mut full = Vec::new();
    for set in Set::ALL {
        let modules = kernel.modules.closure(&wanted(set, arch)).unwrap();
        let parts = Initramfs {
            agent: &agent,
            modules: &modules,
            ..Initramfs::default()
        };
        let archive = parts.archive().unwrap();
        let initramfs = parts.build().unwrap();
        println!(
            "{arch} {set}: modules={} raw={} packed={}",
            modules.len(),
            archive.len(),
            initramfs.len()
        );
        if set == Set::Full {
            full = initramfs;
        }
    }
    Parts {
        kernel,
        stub,
        initramfs: full,
    }
}

fn builds_and_is_small_enough(arch: Arch) -> Vec<u8> {
    let parts = parts(arch);
    let line = recipe::command_line(arch, "", &Settings::default()).unwrap();
    let image = uki::build(
        arch,
        &uki::Parts {
            stub: &parts.stub,
            os_release: &recipe::os_release("0.1.0"),
            cmdline: &line,
            kernel: &parts.kernel.image,
            initramfs: &parts.initramfs,
        },
    )
    .unwrap();
    println!(
        "{arch}: kernel={} uki={}",
        parts.kernel.image.len(),
        image.len()
    );
    if let Some(folder) = std::env::var_os("MINER_IMAGES_OUT").map(PathBuf::from) {
        let mut patched = image.clone();
        uki::patch_cmdline(&mut patched, &format!("{line} miner.owner=Ada")).unwrap();
        fs::write(folder.join(format!("{arch}.efi")), &patched).unwrap();
        fs::write(folder.join(format!("{arch}.vmlinuz")), &parts.kernel.image).unwrap();
        fs::write(folder.join(format!("{arch}.initrd")), &parts.initramfs).unwrap();
    }
    assert!(image.len() <= arch.max_payload());
    assert_eq!(uki::cmdline(&image), Some(&*line));
    image
}

#[test]
#[ignore = "downloads 70 MB of packages"]
fn an_x86_64_image_of_debians_packages_is_small_enough() {
    let image = builds_and_is_small_enough(Arch::X86_64);
    objdump_agrees(&image);
}

#[test]
#[ignore = "downloads 60 MB of packages"]
fn an_aarch64_image_of_debians_packages_is_small_enough() {
    builds_and_is_small_enough(Arch::Aarch64);
}

/// binutils read the same sections as we do, where binutils are.
fn objdump_agrees(image: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.efi");
    fs::write(&file, image).unwrap();
    let Ok(output) = Command::new("objdump").arg("-h").arg(&file).output() else {
        println!("skipped: no objdump here");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    for section in Pe::parse(image).unwrap().sections {
        let row = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .find(|words| words.get(1) == Some(&&*section.name))
            .unwrap_or_else(|| panic!("{} is not in {text}", section.name));
        let hex = |word: &str| u64::from_str_radix(word, 16).unwrap();
        assert_eq!(hex(row[2]), u64::from(section.size.min(section.raw_size)));
        assert_eq!(hex(row[5]), u64::from(section.raw_at), "{}", section.name);
    }
}

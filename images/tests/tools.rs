//! What other people's tools make of our volumes, tables and boot loaders. A tool that is not installed
//! is said to be missing; on Debian they are in `dosfstools`, `mtools`, `gdisk` and `grub-pc-bin`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use miner_images::fat::{FatKind, Tree, Volume};
use miner_images::gpt::{self, Guid};
use miner_images::grub::{self, Grub};
use miner_images::sparse::Image;
use miner_shared::release::Version;
use miner_shared::slots::{BootState, Slot, Start};
use tempfile::TempDir;

const MIB: u32 = 2048;

/// Runs a tool and returns what it printed; `None`, loudly, where it is not installed.
fn run(tool: &str, arguments: &[&str]) -> Option<String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
    let Some(program) = folders.map(|f| f.join(tool)).find(|p| p.exists()) else {
        eprintln!("NOT TESTED: {tool} is not installed");
        return None;
    };
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{tool} {arguments:?}:\n{text}");
    Some(text)
}

fn saved(image: &Image<'_>) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image");
    image.save(&path, &mut |_| {}).unwrap();
    let text = path.to_str().unwrap().to_owned();
    (folder, text)
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn volumes_of_every_kind_pass_fsck_and_mtools_read_their_files() {
    let large: Vec<u8> = (0..=250).cycle().take(300_000).collect();
    for (mib, kind) in [
        (2, FatKind::Fat12),
        (8, FatKind::Fat16),
        (64, FatKind::Fat32),
    ] {
        let mut files = Tree::default();
        files.add("EFI/BOOT/BOOTX64.EFI", &large[..]).unwrap();
        let name = "EFI/Linux/miner-1.2.3+3-0.efi";
        files.add(name, &large[7..]).unwrap();
        files.add("EFI/Linux/miner-1.2.2.efi", &b"old"[..]).unwrap();
        files.add("grub/grub.cfg", &b"set slot=a\n"[..]).unwrap();
        files.add("empty", &b""[..]).unwrap();
        let volume = Volume {
            label: "FARMBOOT",
            serial: 0x4d49_4e52,
            sectors: mib * MIB,
            hidden: 0,
            kind: Some(kind),
        };
        let (folder, path) = saved(&volume.format(files).unwrap());
        run("fsck.vfat", &["-n", "-v", &path]);
        if let Some(text) = run("mdir", &["-i", &path, "-/", "-a", "::"]) {
            assert!(text.contains("is FARMBOOT"), "{text}");
            assert!(text.contains("miner-1.2.3+3-0.efi"), "{text}");
            assert!(text.contains("1980-01-01"), "{text}");
        }
        let out = folder.path().join("out");
        let arguments = ["-i", &path, &format!("::{name}"), out.to_str().unwrap()];
        if run("mcopy", &arguments).is_some() {
            assert!(read(&out) == large[7..], "{kind}");
        }
    }
}

#[test]
fn a_partition_table_passes_sgdisk() {
    let mut image = Image::new(64 << 20);
    let partition = |id, kind, first, last, name| gpt::Partition {
        kind,
        id: Guid::new(id, 0, 0x4000, 0x8000_0000_0000_0000),
        first,
        last,
        name,
    };
    let partitions = [
        partition(1, Guid::ESP, 4096, 98_303, "FARMBOOT"),
        partition(2, Guid::BASIC_DATA, 98_304, 114_687, "FARMSTATE"),
        partition(3, Guid::BIOS_BOOT, 2048, 4095, "BIOS boot"),
    ];
    let disk = Guid::new(0x4d49_4e52, 0, 0x4000, 0x8000_0000_0000_0000);
    gpt::write(&mut image, disk, &partitions).unwrap();
    let (_folder, path) = saved(&image);
    if let Some(text) = run("sgdisk", &["-v", &path]) {
        assert!(text.contains("No problems found"), "{text}");
    }
    if let Some(text) = run("sgdisk", &["-p", &path]) {
        assert!(
            text.contains("4D494E52-0000-4000-8000-000000000000"),
            "{text}"
        );
        for line in [
            "4096           98303   46.0 MiB    EF00  FARMBOOT",
            "98304          114687   8.0 MiB     0700  FARMSTATE",
            "2048            4095   1024.0 KiB  EF02  BIOS boot",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

#[test]
fn grub_understands_the_scripts_and_the_boot_state() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let words = "console=ttyS0 miner.controller=wss://h:1";
    let start = Start::new(Slot::A, Version::default(), words).unwrap();
    let scripts = [grub::grub_cfg(), start.script().to_string()];
    for script in scripts {
        run("grub-script-check", &[&write("cfg", script.as_bytes())]);
    }
    let state = BootState::confirmed(Slot::A).on_trial();
    let env = write("grubenv", &state.encode());
    if let Some(text) = run("grub-editenv", &[&env, "list"]) {
        assert_eq!(text, "slot=a\ntrial=b\ntries=3\n");
        run("grub-editenv", &[&env, "set", "tries=2"]);
        let trial = BootState::decode(&read(Path::new(&env))).unwrap().trial;
        assert_eq!(trial.unwrap().tries, 2);
    }
}

#[test]
fn grubs_parts_are_made_embedded_and_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let grub = Grub::default();
    if run("grub-mkimage", &["--version"]).is_none() || !grub.folder.exists() {
        return;
    }
    let parts = grub.parts(folder.path()).unwrap();
    assert_eq!(parts.core, grub.parts(folder.path()).unwrap().core);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let embedded = grub::embed(&parts, 2048, 2048).unwrap();
    assert_eq!(embedded.core.len() % 512, 0);
}

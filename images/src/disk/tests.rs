//! Disks made of made-up files. Real ones boot in `tests/run --images`.

use super::*;
use miner_shared::slots::{BootState, GRUBENV_PATH, Slot};

const OWNER: (&str, &[u8]) = ("owner.toml", b"owner = \"Ada\"\n");

/// GRUB's parts, as far as [`grub::embed`] looks at them.
fn parts() -> grub::Parts {
    let mut core = vec![0xC0; 140_000];
    core[0x1FE..0x200].copy_from_slice(&[0x20, 0x08]);
    grub::Parts {
        boot: vec![0xB0; 512],
        core,
    }
}

/// A file whose bytes say which one it is.
fn file(mark: u8, length: usize) -> Vec<u8> {
    vec![mark; length]
}

struct Files {
    grub: grub::Parts,
    manager: Vec<u8>,
    kernel: Vec<u8>,
    initramfs: Vec<u8>,
}

impl Files {
    fn new() -> Self {
        Self {
            grub: parts(),
            manager: file(1, 90_000),
            kernel: file(3, 8_300_000),
            initramfs: file(4, 4_400_000),
        }
    }

    fn loaded(&self) -> Kernel<'_> {
        Kernel {
            image: &self.kernel,
            initramfs: &self.initramfs,
            command_line: "console=ttyS0 panic=10",
        }
    }

    fn pc(&self) -> Disk<'_> {
        self.disk(Machine::Pc {
            boot_manager: &self.manager,
            grub: &self.grub,
            kernel: self.loaded(),
        })
    }

    fn disk<'a>(&self, machine: Machine<'a>) -> Disk<'a> {
        Disk {
            version: "1.2.3".parse().unwrap(),
            machine,
            state: &[OWNER],
        }
    }
}

fn text(volume: &Found<'_>, path: &str) -> String {
    String::from_utf8(volume.volume.read(path).unwrap()).unwrap()
}

#[test]
fn a_pc_disk_has_everything_that_both_firmwares_start() {
    let files = Files::new();
    let image = files.pc().layout().unwrap();
    assert!(image.content() <= X86_64_BUDGET, "{}", image.content());
    let bytes = image.to_vec();
    let found = volumes(&bytes);
    let labels: Vec<&str> = found.iter().map(|found| &found.label[..]).collect();
    assert_eq!(labels, ["FARMBOOT", "FARMSTATE"]);
    let [boot, state] = &found[..] else {
        unreachable!("two labels")
    };
    assert_eq!(boot.volume.kind(), FatKind::Fat32);
    for (path, content) in [
        ("EFI/BOOT/BOOTX64.EFI", &files.manager),
        ("a/vmlinuz", &files.kernel),
        ("a/initrd", &files.initramfs),
    ] {
        assert!(boot.volume.read(path).as_ref() == Ok(content), "{path}");
    }
    assert!(text(boot, "a/boot.cfg").contains("'panic=10' miner.slot=a"));
    let entry = text(boot, "loader/entries/miner-1.2.3.conf");
    assert!(
        entry.contains("\noptions  console=ttyS0 panic=10 miner.slot=a\nlinux    /a/vmlinuz\n")
    );
    assert!(entry.contains("\ninitrd   /a/initrd\n"));
    assert!(text(boot, "loader/loader.conf").starts_with("timeout 0\n"));
    let grubenv = boot.volume.read(GRUBENV_PATH).unwrap();
    let confirmed = BootState::confirmed(Slot::A);
    assert_eq!(BootState::decode(&grubenv), Some(confirmed));
    assert_eq!(text(state, "owner.toml").as_bytes(), OWNER.1);
    assert_eq!(state.volume.list().unwrap().len(), 1);
    // GRUB's code is in sector 0, the table behind it is whole, the core is where the code looks.
    assert_eq!(bytes[0..4], [0xB0; 4]);
    assert_eq!(bytes[0x5C..0x60], [0, 8, 0, 0]);
    assert_eq!(mbr::partitions(&bytes)[0].kind, 0xEE);
    assert_eq!(bytes[2048 * 512], 0xC0);
}

#[test]
fn there_is_room_for_a_second_slot_that_is_a_fifth_larger() {
    let files = Files::new();
    let bytes = files.pc().layout().unwrap().to_vec();
    let boot = &volumes(&bytes)[0];
    let used: u64 = boot
        .volume
        .list()
        .unwrap()
        .iter()
        .map(|e| u64::from(e.size))
        .sum();
    let slot = files.loaded().bytes();
    let room = boot.place.len() as u64 * 98 / 100;
    assert!(used + slot * 6 / 5 < room, "{used} of {room}");
}

#[test]
fn there_is_room_for_a_fetched_slot_beside_the_rigs_files() {
    let files = Files::new();
    let image = files.pc().layout().unwrap();
    let bytes = image.to_vec();
    let state = &volumes(&bytes)[1];
    assert_eq!(state.volume.kind(), FatKind::Fat16);
    assert!(state.place.len() as u64 * 98 / 100 > 2 * files.loaded().bytes());
    // What is not used of it costs nothing.
    assert!(image.content() < files.loaded().bytes() + 2_000_000);
}

#[test]
fn the_same_files_make_the_same_disk() {
    let files = Files::new();
    let one = files.pc().layout().unwrap().to_vec();
    assert!(one == files.pc().layout().unwrap().to_vec());
}

#[test]
fn an_arm64_disk_has_no_part_for_a_bios() {
    let files = Files::new();
    let disk = files.disk(Machine::Arm64 {
        boot_manager: &files.manager,
        kernel: files.loaded(),
    });
    let bytes = disk.layout().unwrap().to_vec();
    assert_eq!(bytes[..440], [0; 440]);
    assert_eq!(gpt::read(&bytes).unwrap().len(), 2);
    let boot = &volumes(&bytes)[0];
    let listed = boot.volume.list().unwrap();
    let paths: Vec<&str> = listed
        .iter()
        .filter(|entry| !entry.is_folder)
        .map(|entry| &entry.path[..])
        .collect();
    let want = [
        "a/initrd",
        "a/vmlinuz",
        "EFI/BOOT/BOOTAA64.EFI",
        "loader/entries/miner-1.2.3.conf",
        "loader/loader.conf",
    ];
    assert_eq!(paths, want);
}

#[test]
fn a_raspberry_pi_card_has_an_mbr_and_the_users_firmware() {
    let files = Files::new();
    let disk = files.disk(Machine::RaspberryPi(RaspberryPi {
        kernel: &files.kernel,
        initramfs: &files.initramfs,
        command_line: "console=ttyS1,115200 panic=10",
        device_trees: &[("bcm2711-rpi-4-b.dtb", b"dtb")],
        firmware: &[("bootcode.bin", b"rom"), ("overlays/x.dtbo", b"o")],
    }));
    let bytes = disk.layout().unwrap().to_vec();
    assert!(gpt::read(&bytes).is_err());
    let kinds: Vec<u8> = mbr::partitions(&bytes).iter().map(|p| p.kind).collect();
    assert_eq!(kinds, [mbr::FAT32, mbr::FAT16]);
    let found = volumes(&bytes);
    let labels: Vec<&str> = found.iter().map(|found| &found.label[..]).collect();
    assert_eq!(labels, ["FARMBOOT", "FARMSTATE"]);
    assert!(text(&found[0], "config.txt").contains("\nos_prefix=a/\n"));
    let command_line = "console=ttyS1,115200 panic=10 miner.slot=a\n";
    assert_eq!(text(&found[0], "a/cmdline.txt"), command_line);
    assert_eq!(text(&found[0], "a/bcm2711-rpi-4-b.dtb"), "dtb");
    assert_eq!(text(&found[0], "BOOTCODE.BIN"), "rom");
}

#[test]
fn what_cannot_be_made_is_one_line() {
    let files = Files::new();
    let mut disk = files.pc();
    disk.state = &[("a:b", b"")];
    let error = disk.layout().unwrap_err().to_string();
    assert!(
        error.starts_with("\"a:b\" cannot be a file's path"),
        "{error}"
    );
    let mut kernel = files.loaded();
    kernel.command_line = "a'b";
    let machine = Machine::Arm64 {
        boot_manager: &files.manager,
        kernel,
    };
    let error = files.disk(machine).layout().unwrap_err();
    assert!(matches!(error, DiskError::CommandLine));
}

#[test]
fn a_disk_of_anything_has_no_volumes_and_no_panic() {
    assert!(volumes(&[]).is_empty());
    assert!(volumes(&[0xFF; 4096]).is_empty());
}

//! Boot volumes as plain folders, with models of both boot loaders, and a power cut after each step.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use miner_shared::crypto::sha256;
use miner_shared::mining::hex;
use miner_shared::release::{IMAGE_SIZE, ReleaseKey, Version};
use miner_shared::slots::{
    BootState, ENTRY_FOLDER, EntryName, GRUBENV_PATH, INITRAMFS_FILE, KERNEL_FILE, SCRIPT_FILE,
    Start as Starts, Trial as Tried,
};
use miner_shared::text::Text;

use super::fetched::{FOLDER, MANIFEST, READY};
use super::*;

const WORDS: &str = "console=ttyS0 miner.hugepages=off";

fn version(text: &str) -> Version {
    text.parse().expect("valid")
}

fn key() -> ReleaseKey {
    ReleaseKey::from_seed(&[7; 32])
}

fn image() -> Image {
    Image {
        product: Text::parse("image").expect("valid"),
        arch: Text::parse("x86_64").expect("valid"),
        version: version("1.2.3"),
        release_key: Some(key().public()),
    }
}

/// Kernel and initramfs of a version; the latter takes several steps to copy.
fn files(of: &str) -> [(&'static str, Vec<u8>); 2] {
    let initramfs = format!("initramfs {of} ").repeat(2_500).into_bytes();
    [
        (KERNEL_FILE, format!("kernel {of}").into_bytes()),
        (INITRAMFS_FILE, initramfs),
    ]
}

/// A machine that runs slot A, with 1.2.3, and has fetched 1.2.4.
struct Machine {
    folder: tempfile::TempDir,
    disk: Disk,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let boot = folder.path().join("boot");
        let machine = Self {
            disk: Disk::at(boot),
            folder,
        };
        for folder in [ENTRY_FOLDER, "grub", "a"] {
            fs::create_dir_all(machine.at(folder)).expect("made");
        }
        let starts = Starts::new(Slot::A, version("1.2.3"), WORDS).expect("plain");
        let name = EntryName::confirmed(version("1.2.3"));
        let entry = format!("{ENTRY_FOLDER}/{name}");
        machine.put(&entry, starts.entry().to_string().as_bytes());
        machine.put("a/boot.cfg", starts.script().to_string().as_bytes());
        machine.put(GRUBENV_PATH, &BootState::confirmed(Slot::A).encode());
        for (name, bytes) in files("1.2.3") {
            machine.put(&format!("a/{name}"), &bytes);
        }
        machine.fetch("1.2.4", &|line| line);
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("boot").join(path)
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        fs::write(self.at(path), bytes).expect("written");
    }

    fn update(&self, name: &str) -> PathBuf {
        self.folder.path().join(FOLDER).join(name)
    }

    /// What the worker does; the manifest's line can be changed before it is signed.
    fn fetch(&self, of: &str, change: &dyn Fn(String) -> String) {
        fs::create_dir_all(self.update("")).expect("made");
        let mut list = Vec::new();
        for (name, bytes) in files(of) {
            fs::write(self.update(name), &bytes).expect("written");
            let sum: String = sha256(&[&bytes])
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            let len = bytes.len();
            list.push(format!(
                r#"{{"name":"{name}","size":{len},"sha256":"{sum}"}}"#
            ));
        }
        let list = list.join(",");
        let line = change(format!(
            "{{\"product\":\"image\",\"arch\":\"x86_64\",\"version\":\"{of}\",\"min_from\":\"1.0.0\",\
             \"files\":[{list}],\"packages\":[]}}\n"
        ));
        let mut digits = [0; 128];
        let digits = hex::encode(&key().sign(line.as_bytes()), &mut digits).expect("fits");
        fs::write(self.update(MANIFEST), format!("{line}ed25519 {digits}\n")).expect("written");
        fs::write(self.update(READY), b"").expect("written");
    }

    fn fetched(&self) -> Fetched {
        Fetched::look(self.folder.path()).expect("ready")
    }

    fn install_from(&self, running: Slot, image: &Image) -> Result<Update, Update> {
        let fetched = self.fetched();
        let release = install::check(&fetched, image)?;
        install::install(&self.disk, running, &fetched, &release)
    }

    fn install(&self) -> Result<Update, Update> {
        self.install_from(Slot::A, &image())
    }

    fn fault(&self) -> UpdateFault {
        match self.install().expect_err("refused").step {
            Step::Failed(fault) => fault,
            step => unreachable!("{step:?}"),
        }
    }

    fn entries(&self) -> Vec<(String, EntryName)> {
        let names = fs::read_dir(self.at(ENTRY_FOLDER)).expect("there");
        let names = names.map(|name| name.expect("there").file_name());
        let names = names.map(|name| name.into_string().expect("text"));
        names
            .map(|name| (name.clone(), name.parse().expect("ours")))
            .collect()
    }

    /// What systemd-boot starts: entries without tries last, then the highest version; those that count
    /// are renamed first.
    fn uefi(&self) -> Slot {
        let mut found: Vec<_> = self
            .entries()
            .into_iter()
            .filter_map(|(file, name)| {
                let text = fs::read_to_string(self.at(ENTRY_FOLDER).join(&file)).ok()?;
                // It looks at nothing but lines; what has no kernel is no entry.
                let value = |key: &str| {
                    let mut lines = text.lines();
                    lines.find_map(|line| Some(line.strip_prefix(key)?.trim().to_owned()))
                };
                Some((
                    name.is_bad(),
                    value("version "),
                    value("linux ")?,
                    file,
                    name,
                ))
            })
            .collect();
        found.sort_by(|a, b| (a.0, &b.1).cmp(&(b.0, &a.1)));
        let (_, _, kernel, file, name) = found.into_iter().next().expect("an entry");
        if let Some((left @ 1.., done)) = name.tries {
            let counted = EntryName {
                tries: Some((left - 1, done + 1)),
                ..name
            };
            let folder = self.at(ENTRY_FOLDER);
            fs::rename(folder.join(file), folder.join(counted.to_string())).expect("renamed");
        }
        Slot::parse(kernel.get(1..2).expect("a path")).expect("a slot")
    }

    /// What GRUB starts, by `grub.cfg`.
    fn bios(&self) -> Slot {
        let state = fs::read(self.at(GRUBENV_PATH)).expect("there");
        let mut state = BootState::decode(&state).expect("a state");
        let mut first = state.slot;
        if let Some(Tried {
            slot,
            tries: tries @ 1..,
        }) = state.trial
        {
            state.trial = Some(Tried {
                slot,
                tries: tries - 1,
            });
            fs::write(self.at(GRUBENV_PATH), state.encode()).expect("written");
            first = slot;
        }
        let tried = [first, state.slot, Slot::A, Slot::B];
        let has_script = |slot: &Slot| self.at(&format!("{slot}/{SCRIPT_FILE}")).exists();
        tried.into_iter().find(has_script).expect("a slot")
    }

    /// Both boot loaders start a slot that is whole.
    fn starts(&self) -> [Slot; 2] {
        let slots = [self.uefi(), self.bios()];
        for slot in slots {
            assert!(self.is_whole(slot), "slot {slot} is not whole");
        }
        slots
    }

    fn is_whole(&self, slot: Slot) -> bool {
        let has = |of: &str| {
            let mut all = files(of).into_iter();
            all.all(|(name, bytes)| {
                fs::read(self.at(&format!("{slot}/{name}"))).is_ok_and(|is| is == bytes)
            })
        };
        let words = fs::read_to_string(self.at(&format!("{slot}/{SCRIPT_FILE}")));
        let has_words = words.is_ok_and(|text| text.ends_with("fi\nfi\n"));
        has_words && ["1.2.3", "1.2.4", "1.2.5"].into_iter().any(has)
    }

    fn begin(&self, running: Slot) -> Start {
        let start = at_start(&self.disk, running).expect("read");
        start.expect("a slot")
    }
}

fn step(update: Option<Update>) -> Step {
    update.expect("an update").step
}

#[test]
fn a_release_goes_to_the_other_slot_is_tried_by_both_firmwares_and_confirmed() {
    let machine = Machine::new();
    assert_eq!(machine.begin(Slot::A).update, None);
    let update = machine.install().expect("installed");
    assert_eq!(
        (update.step, update.version),
        (Step::Restarting, version("1.2.4"))
    );
    assert_eq!(machine.starts(), [Slot::B, Slot::B]);
    let entry = fs::read_to_string(machine.at("loader/entries/miner-1.2.4+2-1.conf"));
    let starts = Starts::new(Slot::B, version("1.2.4"), WORDS).expect("plain");
    assert_eq!(entry.expect("there"), starts.entry().to_string());

    let start = machine.begin(Slot::B);
    assert!(start.on_trial);
    assert_eq!(step(start.update), Step::Trying);
    let update = confirm(&machine.disk, Slot::B).expect("confirmed");
    assert_eq!(step(update), Step::Confirmed);
    assert_eq!(machine.starts(), [Slot::B, Slot::B]);
    let start = machine.begin(Slot::B);
    assert!(!start.on_trial);
    assert_eq!(step(start.update), Step::Confirmed);

    // The next one goes to the slot that is free now.
    machine.fetch("1.2.5", &|line| line);
    let newer = Image {
        version: version("1.2.4"),
        ..image()
    };
    machine.install_from(Slot::B, &newer).expect("installed");
    assert_eq!(machine.starts(), [Slot::A, Slot::A]);
}

/// Cuts the power after each step of `what`, and starts the machine by each firmware; `then` says what
/// follows. Gives the number of steps.
fn cut_everywhere(
    prepare: &dyn Fn(&Machine),
    what: &dyn Fn(&Machine) -> bool,
    then: &dyn Fn(&Machine, Slot, bool),
) -> u32 {
    let mut steps = 0;
    loop {
        let mut was_cut = false;
        for start in [Machine::uefi, Machine::bios] {
            let machine = Machine::new();
            prepare(&machine);
            machine.disk.left.set(Some(steps));
            let done = what(&machine);
            was_cut = machine.disk.left.get() == Some(0);
            assert!(done || was_cut, "step {steps}");
            machine.disk.left.set(None);
            let running = start(&machine);
            assert!(machine.is_whole(running), "step {steps}: slot {running}");
            then(&machine, running, was_cut);
        }
        if !was_cut {
            return steps;
        }
        steps += 1;
    }
}

#[test]
fn a_power_cut_after_any_step_of_an_installation_leaves_a_slot_that_starts() {
    let install = |machine: &Machine| machine.install().is_ok();
    let steps = cut_everywhere(&|_| (), &install, &|machine, running, was_cut| {
        let start = machine.begin(running);
        assert_eq!(start.on_trial, running == Slot::B);
        if running == Slot::A {
            assert!(was_cut);
            assert_eq!(machine.starts(), [Slot::A; 2]);
            // What was fetched is still there: it goes on from the beginning.
            machine.install().expect("installed");
            assert_eq!(machine.starts(), [Slot::B; 2]);
        }
        assert_eq!(step(machine.begin(Slot::B).update), Step::Trying);
        confirm(&machine.disk, Slot::B).expect("confirmed");
        assert_eq!(machine.starts(), [Slot::B; 2]);
    });
    assert!(steps >= 20, "{steps} steps");
}

#[test]
fn a_power_cut_after_any_step_of_a_confirmation_leaves_the_slot_that_works() {
    let install = |machine: &Machine| {
        machine.install().expect("installed");
    };
    let confirms = |machine: &Machine| confirm(&machine.disk, Slot::B).is_ok();
    let steps = cut_everywhere(&install, &confirms, &|machine, running, _| {
        assert_eq!(running, Slot::B);
        if machine.begin(Slot::B).on_trial {
            confirm(&machine.disk, Slot::B).expect("confirmed");
        }
        // Under either firmware, however often it starts: nothing counts any more.
        for _ in 0..4 {
            assert_eq!(machine.starts(), [Slot::B; 2]);
        }
        assert_eq!(step(machine.begin(Slot::B).update), Step::Confirmed);
        assert_eq!(machine.starts(), [Slot::B; 2]);
        let confirmed = machine
            .entries()
            .into_iter()
            .all(|(_, name)| name.tries.is_none());
        assert!(confirmed, "nothing counts any more");
    });
    assert!(steps > 4, "{steps} steps");
}

#[test]
fn a_power_cut_after_any_step_of_the_way_back_leaves_a_slot_that_starts() {
    let fail = |machine: &Machine| {
        machine.install().expect("installed");
        for _ in 0..3 {
            assert_eq!(machine.starts(), [Slot::B; 2]);
        }
    };
    let back = |machine: &Machine| at_start(&machine.disk, Slot::A).is_ok();
    let steps = cut_everywhere(&fail, &back, &|machine, running, _| {
        assert_eq!(running, Slot::A);
        assert_eq!(step(machine.begin(Slot::A).update), Step::FellBack);
        assert_eq!(machine.starts(), [Slot::A; 2]);
    });
    assert!(steps > 3, "{steps} steps");
}

#[test]
fn a_version_that_never_works_is_left_after_three_starts() {
    for by_uefi in [true, false] {
        let machine = Machine::new();
        machine.install().expect("installed");
        let start = || match by_uefi {
            true => machine.uefi(),
            false => machine.bios(),
        };
        for _ in 0..3 {
            assert_eq!(start(), Slot::B);
            assert_eq!(step(machine.begin(Slot::B).update), Step::Trying);
        }
        assert_eq!(start(), Slot::A);
        let back = machine.begin(Slot::A);
        assert!(!back.on_trial);
        assert_eq!(step(back.update), Step::FellBack);
        // Under neither firmware it is tried again, and it is still known after another start.
        assert_eq!(machine.starts(), [Slot::A, Slot::A]);
        assert_eq!(step(machine.begin(Slot::A).update), Step::FellBack);
        machine.install().expect("another attempt is allowed");
        assert_eq!(machine.starts(), [Slot::B, Slot::B]);
    }
}

#[test]
fn what_the_running_slot_has_too_is_copied_from_there_and_what_it_lacks_is_refused() {
    let machine = Machine::new();
    // The worker is told what there is.
    let sums = files("1.2.3").map(|(_, file)| sha256(&[&file]));
    assert_eq!(machine.begin(Slot::A).files, sums);
    let kernel = machine.update(KERNEL_FILE);
    fs::remove_file(&kernel).expect("fetched");
    assert_eq!(machine.fault(), UpdateFault::Disk, "nobody has it");

    let machine = Machine::new();
    let [(_, new), _] = files("1.2.4");
    machine.put("a/vmlinuz", &new);
    fs::remove_file(machine.update(KERNEL_FILE)).expect("fetched");
    assert_eq!(machine.install().expect("installed").step, Step::Restarting);
    assert!(machine.is_whole(Slot::B));
}

#[test]
fn what_the_release_key_did_not_sign_for_this_machine_is_refused() {
    type Change = (&'static str, &'static str, UpdateFault);
    let changes: [Change; 7] = [
        ("\"image\"", "\"agent\"", UpdateFault::OtherMachine),
        ("x86_64", "aarch64", UpdateFault::OtherMachine),
        ("1.2.4", "1.2.3", UpdateFault::NotNewer),
        ("1.2.4", "0.9.9", UpdateFault::NotNewer),
        ("\"1.0.0\"", "\"1.2.4\"", UpdateFault::TooOld),
        ("vmlinuz", "kernel8", UpdateFault::BadManifest),
        ("\"size\":", "\"size\":9999999", UpdateFault::NoRoom),
    ];
    for (from, to, fault) in changes {
        let machine = Machine::new();
        machine.fetch("1.2.4", &|line| line.replacen(from, to, 1));
        assert_eq!(machine.fault(), fault, "{to}");
        assert_eq!(machine.starts(), [Slot::A, Slot::A]);
    }
    let machine = Machine::new();
    let more = r#"[{"name":"c","size":0,"sha256":"HASH"},"#.replace("HASH", &"0".repeat(64));
    machine.fetch("1.2.4", &|line| line.replacen('[', &more, 1));
    assert_eq!(machine.fault(), UpdateFault::BadManifest);

    let machine = Machine::new();
    let mut manifest = fs::read(machine.update(MANIFEST)).expect("there");
    manifest[40] ^= 1;
    fs::write(machine.update(MANIFEST), &manifest).expect("written");
    assert_eq!(machine.fault(), UpdateFault::BadSignature);
    let machine = Machine::new();
    for release_key in [None, Some(ReleaseKey::from_seed(&[8; 32]).public())] {
        let image = Image {
            release_key,
            ..image()
        };
        let refused = machine.install_from(Slot::A, &image).expect_err("refused");
        assert_eq!(refused.step, Step::Failed(UpdateFault::BadSignature));
    }
}

#[test]
fn a_file_that_is_not_the_signed_one_is_refused_and_the_running_slot_stays() {
    type Spoil = fn(&Path);
    let spoils: [(&str, Spoil); 5] = [
        ("short", |path| {
            let bytes = fs::read(path).expect("there");
            fs::write(path, &bytes[..bytes.len() - 1]).expect("written");
        }),
        ("changed", |path| {
            let mut bytes = fs::read(path).expect("there");
            bytes[20_000] ^= 1;
            fs::write(path, bytes).expect("written");
        }),
        ("a link", |path| {
            let real = path.with_file_name("real");
            fs::rename(path, &real).expect("moved");
            symlink(real, path).expect("linked");
        }),
        ("a pipe", |path| {
            fs::remove_file(path).expect("there");
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).expect("made");
        }),
        ("gone", |path| fs::remove_file(path).expect("there")),
    ];
    for (what, spoil) in spoils {
        let machine = Machine::new();
        spoil(&machine.update(INITRAMFS_FILE));
        let fault = match what {
            // Not fetched, as if the running slot had it.
            "gone" => UpdateFault::Disk,
            _ => UpdateFault::BadFile,
        };
        assert_eq!(machine.fault(), fault, "{what}");
        assert_eq!(machine.starts(), [Slot::A, Slot::A], "{what}");
        let said = step(machine.begin(Slot::A).update);
        assert_eq!(said, Step::Failed(fault), "{what}");
    }
}

#[test]
fn a_link_in_the_place_of_the_folder_or_the_manifest_leads_nowhere() {
    let machine = Machine::new();
    let real = machine.update("real");
    fs::rename(machine.update(MANIFEST), &real).expect("moved");
    symlink(&real, machine.update(MANIFEST)).expect("linked");
    assert_eq!(machine.fault(), UpdateFault::BadManifest);
    let elsewhere = machine.folder.path().join("elsewhere");
    fs::rename(machine.update(""), &elsewhere).expect("moved");
    symlink(&elsewhere, machine.folder.path().join(FOLDER)).expect("linked");
    assert!(Fetched::look(machine.folder.path()).is_none());
}

#[test]
fn nothing_is_looked_at_before_it_is_ready_and_nothing_is_left_after() {
    let machine = Machine::new();
    machine.fetched().clear().expect("removed");
    assert_eq!(fs::read_dir(machine.update("")).expect("there").count(), 0);
    machine.fetch("1.2.4", &|line| line);
    fs::remove_file(machine.update(READY)).expect("there");
    assert!(Fetched::look(machine.folder.path()).is_none());
}

#[test]
fn a_disk_without_grub_has_entries_alone() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.at("grub")).expect("there");
    fs::remove_file(machine.at("a/boot.cfg")).expect("there");
    machine.install().expect("installed");
    assert!(!machine.at("b/boot.cfg").exists() && !machine.at("grub").exists());
    assert_eq!(machine.uefi(), Slot::B);
    assert!(machine.begin(Slot::B).on_trial);
    confirm(&machine.disk, Slot::B).expect("confirmed");
    assert_eq!(machine.entries().len(), 2);
    assert_eq!(machine.uefi(), Slot::B);
}

#[test]
fn a_damaged_state_of_grub_is_written_anew() {
    let machine = Machine::new();
    machine.put(GRUBENV_PATH, &[0; 1024]);
    assert!(!machine.begin(Slot::A).on_trial);
    machine.install().expect("installed");
    assert_eq!(machine.starts(), [Slot::B, Slot::B]);
}

#[test]
fn the_worker_is_told_what_the_machine_was_booted_from() {
    let mut file = [0; IMAGE_SIZE];
    let file = image().encode(&mut file).expect("fits").to_vec();
    for (line, booted) in [
        ("quiet miner.slot=b", Booted::Slot),
        ("quiet miner.slot=c", Booted::Whole),
        ("quiet", Booted::Whole),
    ] {
        let (_folder, root) = Root::with(&[("proc/cmdline", line)]);
        fs::write(root.at(IMAGE_FILE), &file).expect("written");
        let mut slots = Slots::begin(&root, Millis(0));
        let told = || system::read(&root.at("run/miner/system")).status;
        assert_eq!(told().boot, booted, "{line}");
        let id = told().image.expect("one of ours");
        let on_trial = booted == Booted::Slot;
        assert_eq!((id.version, id.on_trial), (version("1.2.3"), on_trial));
        assert_eq!(id.release_key, Some(key().public()));
        // A boot volume that never comes cannot be updated.
        let look = slots.look(Millis(LOOK_FOR_MS), true, None);
        assert_eq!(smol::block_on(look), Next::Look);
        assert_eq!(told().boot, Booted::Whole);
    }
    let (_folder, root) = Root::with(&[("proc/cmdline", "miner.slot=a")]);
    Slots::begin(&root, Millis(0));
    let told = system::read(&root.at("run/miner/system")).status;
    assert_eq!((told.boot, told.image), (Booted::Whole, None));
}

#[test]
fn a_version_that_does_not_see_its_disk_stays_only_while_it_works() {
    let mut file = [0; IMAGE_SIZE];
    let file = image().encode(&mut file).expect("fits").to_vec();
    for works in [true, false] {
        let (_folder, root) = Root::with(&[("proc/cmdline", "miner.slot=b")]);
        fs::write(root.at(IMAGE_FILE), &file).expect("written");
        let mut slots = Slots::begin(&root, Millis(0));
        let mut ends = None;
        for second in 0..=700 {
            let look = slots.look(Millis(second * 1_000), works, None);
            if smol::block_on(look) == Next::StartAnew {
                ends.get_or_insert(second);
            }
        }
        assert_eq!(ends, (!works).then_some(600));
        let told = system::read(&root.at("run/miner/system")).status;
        // It has shown nothing to those who wait for it.
        assert!(told.boot == Booted::Whole && told.image.expect("ours").on_trial);
    }
}

#[test]
fn a_confirmed_version_that_does_not_start_any_more_is_no_confirmed_one() {
    let machine = Machine::new();
    machine.install().expect("installed");
    assert_eq!(machine.uefi(), Slot::B);
    confirm(&machine.disk, Slot::B).expect("confirmed");
    // GRUB takes the other slot where this one's script is damaged.
    let start = machine.begin(Slot::A);
    assert_eq!(step(start.update), Step::FellBack);
    assert_eq!(machine.starts(), [Slot::A, Slot::A], "both agree");
}

#[test]
fn pauses_between_attempts_double_up_to_an_hour() {
    let mut attempts = Attempts::default();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        attempts.failed(Millis(5));
        pauses.push((attempts.next.0 - 5) / 60_000);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64]);
    attempts.end();
    assert_eq!(attempts.next, Millis(u64::MAX));
}

#[test]
fn a_boot_volume_without_entries_has_no_slots() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.at("loader")).expect("there");
    assert!(at_start(&machine.disk, Slot::A).expect("read").is_none());
}

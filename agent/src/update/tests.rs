//! Fetching, against a manager that sends, drops, lies, goes away and comes back, in virtual time.

use std::fs;
use std::path::Path;

use miner_shared::crypto::sha256;
use miner_shared::limits::MAX_PIECE;
use miner_shared::mining::hex;
use miner_shared::release::{ReleaseKey, Version};
use miner_shared::text::Text;

use super::*;

const MANAGER: Fingerprint = Fingerprint([1; 32]);
const OTHER: Fingerprint = Fingerprint([2; 32]);

fn version(text: &str) -> Version {
    text.parse().expect("a version")
}

fn key() -> ReleaseKey {
    ReleaseKey::from_seed(&[7; 32])
}

/// A release as a manager has it.
struct Release {
    offer: Offer,
    files: Vec<Vec<u8>>,
}

impl Release {
    fn new() -> Self {
        Self::of("1.2.3", "1.0.0", "x86_64", &["vmlinuz", "initrd"], &key())
    }

    /// With files that are not synced in one go.
    fn large() -> Self {
        let size = 700 * MAX_PIECE;
        Self::with("1.2.3", "1.0.0", "x86_64", (&FILES, size), &key())
    }

    fn of(to: &str, min_from: &str, arch: &str, names: &[&str], key: &ReleaseKey) -> Self {
        Self::with(to, min_from, arch, (names, 3 * MAX_PIECE + 5), key)
    }

    fn with(
        to: &str,
        min_from: &str,
        arch: &str,
        (names, size): (&[&str], usize),
        key: &ReleaseKey,
    ) -> Self {
        let content = |at: usize| {
            let byte = |n: usize| u8::try_from((n * 7 + at) % 251).expect("below 251");
            (0..size + at).map(byte).collect::<Vec<u8>>()
        };
        let files: Vec<_> = (0..names.len()).map(content).collect();
        let listed: Vec<String> = names.iter().zip(&files).map(entry).collect();
        let line = format!(
            "{{\"product\":\"image\",\"arch\":\"{arch}\",\"version\":\"{to}\",\
             \"min_from\":\"{min_from}\",\"files\":[{}],\"packages\":[]}}\n",
            listed.join(",")
        );
        let mut digits = [0; 128];
        let digits = hex::encode(&key.sign(line.as_bytes()), &mut digits).expect("fits");
        let manifest = format!("{line}ed25519 {digits}\n").into_bytes();
        let offer = Offer {
            release: sha256(&[&manifest]),
            manifest_size: u32::try_from(manifest.len()).expect("short"),
            version: version(to),
        };
        let files = [vec![manifest], files].concat();
        Self { offer, files }
    }

    fn piece(&self, wanted: Wanted) -> Piece {
        let file = self.files.get(usize::from(wanted.file));
        let from = usize::try_from(wanted.from).expect("short");
        let rest = file.and_then(|file| file.get(from..)).unwrap_or_default();
        let bytes = rest.iter().copied().take(MAX_PIECE).collect();
        Piece { wanted, bytes }
    }
}

fn entry((name, bytes): (&&str, &Vec<u8>)) -> String {
    let mut digits = [0; 64];
    let digits = hex::encode(&sha256(&[bytes]), &mut digits).expect("fits");
    let size = bytes.len();
    format!("{{\"name\":\"{name}\",\"size\":{size},\"sha256\":\"{digits}\"}}")
}

/// A machine, whose worker may start anew.
struct Machine {
    root: tempfile::TempDir,
    now: Millis,
    updates: Updates,
    asked: u32,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        let status = ImageStatus {
            boot: Boot::Slot,
            image: Some(ImageId {
                arch: Text::lossy("x86_64"),
                version: version("1.1.0"),
                on_trial: false,
                release_key: Some(key().public()),
            }),
            update: None,
        };
        let system = System {
            status,
            ..system::UNKNOWN
        };
        system::write(&root.path().join("system"), &system).expect("written");
        let updates = open(root.path());
        Self {
            root,
            now: Millis(1_000),
            updates,
            asked: 0,
        }
    }

    fn order(&mut self, release: &Release) -> Outcome {
        self.updates.order(Some(MANAGER), &release.offer)
    }

    fn restart(&mut self) {
        self.updates = open(self.root.path());
        self.updates.tick(|| Some(MANAGER));
    }

    fn wanted(&mut self) -> Option<Wanted> {
        let wanted = self.updates.wanted(&MANAGER, self.now);
        self.asked += u32::from(wanted.is_some());
        wanted
    }

    fn take(&mut self, piece: &Piece) -> bool {
        self.updates.take(&MANAGER, piece)
    }

    /// Answers until nothing is asked any more, so many times at most.
    fn fetch(&mut self, release: &Release, most: u32) {
        for _ in 0..most {
            match self.wanted() {
                Some(wanted) => self.take(&release.piece(wanted)),
                None => return,
            };
        }
    }

    fn step(&self) -> Option<Step> {
        self.updates.status().update.map(|update| update.step)
    }

    fn holds(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.root.path().join("update").join(name)).ok()
    }

    fn names(&self) -> usize {
        let folder = fs::read_dir(self.root.path().join("update"));
        folder.map_or(0, Iterator::count)
    }

    fn says(&self, change: impl FnOnce(&mut ImageStatus)) {
        let path = self.root.path().join("system");
        let mut system = system::read(&path);
        change(&mut system.status);
        system::write(&path, &system).expect("written");
    }

    /// The slot that runs has these files.
    fn runs(&self, files: &[&Vec<u8>]) {
        let path = self.root.path().join("system");
        let mut system = system::read(&path);
        system.files = files.iter().map(|file| sha256(&[file])).collect();
        system::write(&path, &system).expect("written");
    }
}

fn open(root: &Path) -> Updates {
    Updates::open(root.join("update"), Some(root.join("system")))
}

#[test]
fn a_release_is_fetched_piece_by_piece_and_left_to_process_1() {
    let (mut machine, release) = (Machine::new(), Release::new());
    assert_eq!(machine.order(&release), Outcome::Applied);
    assert_eq!(machine.step(), Some(Step::Fetching { done: 0, total: 0 }));
    machine.fetch(&release, 100);
    assert_eq!(machine.holds("ready").as_deref(), Some(&[][..]));
    for (name, bytes) in ["manifest", "vmlinuz", "initrd"].iter().zip(&release.files) {
        assert_eq!(machine.holds(name).as_ref(), Some(bytes), "{name}");
    }
    let total = release.files.iter().map(|file| file.len() as u64).sum();
    assert_eq!(machine.step(), Some(Step::Fetching { done: total, total }));
    assert_eq!(machine.asked, 1 + 4 + 4, "one piece for each question");
    assert_eq!(machine.order(&release), Outcome::AlreadyThere);
    // Process 1 has it from here on.
    machine.says(|status| {
        status.update = Some(Update {
            release: release.offer.release,
            version: release.offer.version,
            step: Step::Installing,
        });
    });
    assert!(machine.updates.tick(|| None), "worth telling");
    assert_eq!(machine.step(), Some(Step::Installing));
    assert_eq!(machine.order(&release), Outcome::AlreadyThere);
    let next = Release::of("1.3.0", "1.0.0", "x86_64", &["vmlinuz", "initrd"], &key());
    assert_eq!(machine.order(&next), Outcome::Refused(Refusal::Busy));
}

#[test]
fn a_file_that_the_slot_that_runs_has_too_is_not_fetched() {
    let release = Release::new();
    let [manifest, kernel, initramfs] = &release.files[..] else {
        unreachable!("a manifest and two files");
    };
    for (there, fetched, asked) in [
        (vec![kernel], vec![manifest, initramfs], 1 + 4),
        (vec![initramfs], vec![manifest, kernel], 1 + 4),
        (vec![kernel, initramfs], vec![manifest], 1),
        (vec![manifest], vec![manifest, kernel, initramfs], 1 + 4 + 4),
    ] {
        let mut machine = Machine::new();
        machine.runs(&there);
        machine.restart();
        machine.order(&release);
        machine.fetch(&release, 3);
        machine.restart();
        machine.fetch(&release, 100);
        assert!(machine.holds("ready").is_some());
        let total = fetched.iter().map(|file| file.len() as u64).sum();
        assert_eq!(machine.step(), Some(Step::Fetching { done: total, total }));
        assert!(machine.asked <= asked + 3, "{} of {asked}", machine.asked);
        for (name, file) in ["vmlinuz", "initrd"].iter().zip([kernel, initramfs]) {
            let file = fetched.contains(&file).then_some(file);
            assert_eq!(machine.holds(name).as_ref(), file, "{name}");
        }
    }
}

#[test]
fn what_the_slot_has_may_be_told_while_it_is_fetched() {
    let (mut machine, release) = (Machine::new(), Release::large());
    machine.order(&release);
    machine.fetch(&release, 100);
    machine.runs(&[&release.files[1]]);
    assert!(!machine.updates.tick(|| Some(MANAGER)), "nothing to tell");
    machine.asked = 0;
    machine.fetch(&release, 2_000);
    assert!(machine.holds("ready").is_some());
    assert_eq!(machine.holds("initrd").as_ref(), Some(&release.files[2]));
    assert_eq!(machine.asked, 701, "the initramfs alone");
}

#[test]
fn one_piece_is_asked_for_at_a_time_and_again_after_15_s_or_on_another_link() {
    let (mut machine, release) = (Machine::new(), Release::new());
    machine.order(&release);
    let wanted = machine.wanted().expect("the manifest");
    assert_eq!(machine.wanted(), None, "it waits for the answer");
    assert_eq!(machine.updates.wanted(&OTHER, machine.now), None);
    machine.now += AGAIN_MS - 1;
    assert_eq!(machine.wanted(), None);
    machine.now += 1;
    assert_eq!(machine.updates.ask_at(&MANAGER), Some(machine.now));
    assert_eq!(machine.wanted(), Some(wanted));
    machine.updates.link_up();
    assert_eq!(machine.wanted(), Some(wanted));
    machine.take(&release.piece(wanted));
    assert!(!machine.take(&release.piece(wanted)), "nobody asked");
    machine.fetch(&release, 100);
    assert!(machine.holds("ready").is_some());
}

#[test]
fn a_worker_that_starts_anew_at_any_moment_fetches_no_whole_file_again() {
    let release = Release::new();
    for stop in 0..9 {
        let mut machine = Machine::new();
        machine.order(&release);
        machine.fetch(&release, stop);
        machine.restart();
        machine.fetch(&release, 100);
        assert!(machine.holds("ready").is_some(), "stopped after {stop}");
        // Less than is synced in one go is there of a file that is not whole: it begins anew.
        let lost = [0, 0, 1, 2, 3, 0, 1, 2, 3][stop as usize];
        assert_eq!(machine.asked, 9 + lost, "stopped after {stop}");
        machine.restart();
        assert_eq!(machine.wanted(), None, "all is there");
    }
}

/// What a power cut leaves on FAT: the length of a file, and at its end other bytes than were written.
fn spoil(machine: &Machine, name: &str, from_end: usize) {
    let path = machine.root.path().join("update").join(name);
    let mut bytes = fs::read(&path).expect("there");
    let from = bytes.len().saturating_sub(from_end);
    bytes[from..].fill(0xa5);
    fs::write(&path, bytes).expect("written");
}

#[test]
fn what_a_power_cut_took_from_the_end_of_a_file_is_fetched_again() {
    let release = Release::large();
    let unsure = usize::try_from(folder::UNSURE).expect("short");
    for stop in [300, 585, 590, 650] {
        let mut machine = Machine::new();
        machine.order(&release);
        machine.fetch(&release, 1 + stop);
        spoil(&machine, "vmlinuz", unsure);
        machine.restart();
        let wanted = machine.wanted().expect("more");
        let there = u64::from(stop) * MAX_PIECE as u64;
        assert_eq!((wanted.file, wanted.from), (1, there - folder::UNSURE));
        machine.updates.link_up();
        machine.fetch(&release, 3_000);
        assert_eq!(machine.holds("vmlinuz").as_ref(), Some(&release.files[1]));
        assert!(machine.holds("ready").is_some(), "stopped after {stop}");
    }
}

#[test]
fn a_resumed_file_that_is_not_the_one_is_fetched_once_more_from_its_beginning() {
    let mut release = Release::large();
    // In the middle, and one whose length says that it is whole.
    for stop in [601, 701] {
        let mut machine = Machine::new();
        machine.order(&release);
        machine.fetch(&release, stop);
        spoil(&machine, "vmlinuz", usize::MAX);
        machine.restart();
        machine.fetch(&release, 3_000);
        for (name, bytes) in ["manifest", "vmlinuz", "initrd"].iter().zip(&release.files) {
            assert_eq!(machine.holds(name).as_ref(), Some(bytes), "{name}");
        }
        assert!(machine.holds("ready").is_some(), "stopped after {stop}");
    }
    // Once more, not for ever: the manager's is another one too.
    let mut machine = Machine::new();
    machine.order(&release);
    machine.fetch(&release, 601);
    machine.restart();
    release.files[1].fill(1);
    machine.fetch(&release, 3_000);
    assert_eq!(machine.step(), Some(Step::Failed(UpdateFault::BadFile)));
    let left = 700 - (600 - 294);
    assert_eq!(machine.asked, 601 + left + 700);
}

#[test]
fn whatever_is_not_right_ends_it_and_leaves_nothing_behind() {
    let files = ["vmlinuz", "initrd"];
    let other = ReleaseKey::from_seed(&[8; 32]);
    let of = |to, min_from, arch, names: &[&str]| Release::of(to, min_from, arch, names, &key());
    let cases = [
        (
            of("1.1.0", "1.0.0", "x86_64", &files),
            UpdateFault::NotNewer,
        ),
        (of("1.2.3", "1.1.1", "x86_64", &files), UpdateFault::TooOld),
        (
            of("1.2.3", "1.0.0", "aarch64", &files),
            UpdateFault::OtherMachine,
        ),
        (
            of("1.2.3", "1.0.0", "x86_64", &["vmlinuz"]),
            UpdateFault::BadManifest,
        ),
        (
            of("1.2.3", "1.0.0", "x86_64", &["ready", "initrd"]),
            UpdateFault::BadManifest,
        ),
        (
            Release::of("1.2.3", "1.0.0", "x86_64", &files, &other),
            UpdateFault::BadSignature,
        ),
    ];
    for (release, fault) in cases {
        let mut machine = Machine::new();
        machine.order(&release);
        machine.fetch(&release, 100);
        assert_eq!(machine.step(), Some(Step::Failed(fault)));
        assert_eq!((machine.names(), machine.asked), (0, 1), "{fault:?}");
    }
}

#[test]
fn a_changed_byte_and_a_piece_that_is_too_long_are_no_file() {
    for file in 0..3 {
        let (mut machine, mut release) = (Machine::new(), Release::new());
        machine.order(&release);
        release.files[file][100] ^= 1;
        machine.fetch(&release, 100);
        let fault = match file {
            0 => UpdateFault::BadManifest,
            _ => UpdateFault::BadFile,
        };
        assert_eq!(machine.step(), Some(Step::Failed(fault)), "file {file}");
        assert_eq!(machine.names(), 0);
    }
    let (mut machine, mut release) = (Machine::new(), Release::new());
    machine.order(&release);
    release.files[0].push(b'\n');
    machine.fetch(&release, 100);
    assert_eq!(machine.step(), Some(Step::Failed(UpdateFault::BadFile)));
    // The next try is another one.
    release = Release::new();
    assert_eq!(machine.order(&release), Outcome::Applied);
    machine.fetch(&release, 100);
    assert!(machine.holds("ready").is_some());
}

#[test]
fn a_manager_that_no_longer_has_it_ends_it() {
    let (mut machine, release) = (Machine::new(), Release::new());
    machine.order(&release);
    machine.fetch(&release, 3);
    let wanted = machine.wanted().expect("more");
    let bytes = heapless::Vec::new();
    assert!(machine.take(&Piece { wanted, bytes }));
    assert_eq!(machine.step(), Some(Step::Failed(UpdateFault::Gone)));
}

#[test]
fn a_cancelled_update_leaves_nothing_and_another_one_begins_anew() {
    let (mut machine, release) = (Machine::new(), Release::new());
    assert_eq!(machine.updates.cancel(&[9; 32]), Outcome::AlreadyThere);
    machine.order(&release);
    machine.fetch(&release, 4);
    assert_eq!(machine.updates.cancel(&[9; 32]), Outcome::AlreadyThere);
    let cancelled = machine.updates.cancel(&release.offer.release);
    assert_eq!((cancelled, machine.names()), (Outcome::Applied, 0));
    assert_eq!(machine.step(), Some(Step::Failed(UpdateFault::Cancelled)));
    machine.order(&release);
    machine.fetch(&release, 2);
    let next = Release::of("1.3.0", "1.0.0", "x86_64", &["initrd", "vmlinuz"], &key());
    assert_eq!(machine.order(&next), Outcome::Applied);
    machine.fetch(&next, 100);
    assert_eq!(machine.holds("manifest").as_ref(), Some(&next.files[0]));
    assert_eq!(machine.holds("initrd").as_ref(), Some(&next.files[1]));
    assert!(machine.holds("ready").is_some());
}

#[test]
fn a_machine_without_slots_or_without_a_release_key_takes_none() {
    let release = Release::new();
    for boot in [Boot::Foreign, Boot::Whole] {
        let mut machine = Machine::new();
        machine.says(|status| status.boot = boot);
        machine.restart();
        assert_eq!(machine.order(&release), Outcome::Refused(Refusal::NoSlots));
    }
    let mut machine = Machine::new();
    machine.says(|status| status.image.as_mut().expect("ours").release_key = None);
    machine.restart();
    machine.order(&release);
    machine.fetch(&release, 100);
    assert_eq!(
        machine.step(),
        Some(Step::Failed(UpdateFault::BadSignature))
    );
    let offer = Offer {
        manifest_size: 0,
        ..release.offer
    };
    let refused = machine.updates.order(Some(MANAGER), &offer);
    assert_eq!(refused, Outcome::Refused(Refusal::Unsupported));
}

#[test]
fn a_link_where_a_file_should_be_is_not_followed() {
    let (mut machine, release) = (Machine::new(), Release::new());
    let elsewhere = machine.root.path().join("elsewhere");
    machine.order(&release);
    fs::write(&elsewhere, b"precious").expect("written");
    let name = machine.root.path().join("update/vmlinuz");
    std::os::unix::fs::symlink(&elsewhere, name).expect("linked");
    machine.fetch(&release, 100);
    assert_eq!(machine.step(), Some(Step::Failed(UpdateFault::Disk)));
    assert_eq!(fs::read(&elsewhere).expect("there"), b"precious");
}

#[test]
fn a_release_that_failed_before_is_tried_again_and_the_old_word_is_not_told() {
    let release = Release::new();
    let earlier = Update {
        release: release.offer.release,
        version: release.offer.version,
        step: Step::FellBack,
    };
    // Process 1 says so before the order, or when the boot volume is there, which may be later.
    for late in [false, true] {
        let mut machine = Machine::new();
        let says = |machine: &Machine| machine.says(|status| status.update = Some(earlier));
        if !late {
            says(&machine);
            machine.updates.tick(|| Some(MANAGER));
        }
        assert_eq!(machine.order(&release), Outcome::Applied);
        machine.fetch(&release, 100);
        if late {
            says(&machine);
        }
        let whole = machine.updates.own.as_ref().map(|(_, own)| own.step());
        machine.updates.tick(|| Some(MANAGER));
        assert_eq!(machine.step(), whole, "late: {late}");
        machine.says(|status| {
            status.update = Some(Update {
                step: Step::Installing,
                ..earlier
            });
        });
        machine.updates.tick(|| Some(MANAGER));
        assert_eq!(machine.step(), Some(Step::Installing));
    }
    // It is told what became of it also where all was over between two looks.
    let mut machine = Machine::new();
    machine.order(&release);
    machine.fetch(&release, 100);
    machine.says(|status| {
        status.update = Some(Update {
            step: Step::Failed(UpdateFault::Disk),
            ..earlier
        });
    });
    fs::remove_file(machine.root.path().join("update/ready")).expect("was there");
    machine.updates.tick(|| Some(MANAGER));
    assert_eq!(machine.step(), Some(Step::Failed(UpdateFault::Disk)));
}

#[test]
fn a_release_that_is_whole_is_process_1s_and_no_manager_takes_it_back() {
    let (mut machine, release) = (Machine::new(), Release::new());
    machine.order(&release);
    machine.fetch(&release, 100);
    let (names, whole) = (machine.names(), machine.step());
    let untouched = |machine: &mut Machine| {
        let cancelled = machine.updates.cancel(&release.offer.release);
        (cancelled, machine.names()) == (Outcome::AlreadyThere, names)
    };
    assert!(untouched(&mut machine));
    assert_eq!(machine.step(), whole);
    let next = Release::of("1.3.0", "1.0.0", "x86_64", &FILES, &key());
    assert_eq!(machine.order(&next), Outcome::Refused(Refusal::Busy));
    assert_eq!(machine.names(), names);
    for step in [Step::Installing, Step::Restarting, Step::Trying] {
        machine.says(|status| {
            status.update = Some(Update {
                release: release.offer.release,
                version: release.offer.version,
                step,
            });
        });
        machine.updates.tick(|| Some(MANAGER));
        assert!(untouched(&mut machine), "{step:?}");
        assert_eq!(machine.step(), Some(step), "it is what process 1 says");
    }
}

#[test]
fn a_machine_that_turns_out_to_have_no_slots_forgets_what_it_fetches() {
    let release = Release::new();
    for fetched in [3, 100] {
        let mut machine = Machine::new();
        machine.order(&release);
        machine.fetch(&release, fetched);
        machine.says(|status| status.boot = Boot::Whole);
        assert!(machine.updates.tick(|| Some(MANAGER)), "worth telling");
        assert_eq!((machine.step(), machine.names()), (None, 0));
        assert_eq!(machine.wanted(), None);
        assert_eq!(machine.order(&release), Outcome::Refused(Refusal::NoSlots));
    }
}

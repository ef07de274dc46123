//! Releases on disk: what is taken, what is refused, what is read.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;

use miner_images::manifest::{Draft, File};
use miner_shared::release::ReleaseKey;

use super::*;

fn key() -> ReleaseKey {
    ReleaseKey::from_seed(&[7; 32])
}

/// A controller's data directory, and folders with releases to copy from.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("temporary folder"))
    }

    fn shelf(&self) -> Shelf {
        Shelf::of(&self.0.path().join("data"))
    }

    fn release(&self, version: &str) -> PathBuf {
        self.release_of(version, "image", &["vmlinuz", "initrd"])
    }

    fn release_of(&self, version: &str, product: &str, names: &[&str]) -> PathBuf {
        let folder = self.0.path().join(format!("{product}-{version}"));
        fs::create_dir_all(&folder).expect("made");
        let mut files = Vec::new();
        for name in names {
            let bytes = format!("{name} {version} ").repeat(1_000).into_bytes();
            fs::write(folder.join(name), &bytes).expect("written");
            files.push(File::of(name, &bytes));
        }
        let draft = Draft {
            product: product.to_owned(),
            arch: "x86_64".to_owned(),
            version: version.parse().expect("a version"),
            min_from: Version::default(),
            files,
            packages: Vec::new(),
        };
        let text = draft.sign(&key()).expect("signed");
        fs::write(folder.join("manifest"), text).expect("written");
        folder
    }

    fn entries(&self) -> usize {
        let folder = fs::read_dir(self.0.path().join("data/releases"));
        folder.map_or(0, Iterator::count)
    }
}

#[test]
fn a_release_is_copied_by_the_key_that_is_noted_and_only_a_higher_one_after_it() {
    let disk = Disk::new();
    let (first, second) = (disk.release("1.2.0"), disk.release("1.3.0"));
    let public = key().public();
    let shelf = disk.shelf();
    let refused = shelf.copy_in(&first, None);
    assert!(matches!(refused, Err(Untaken::NoKey)));
    let release = shelf.copy_in(&first, Some(public)).expect("taken");
    assert_eq!(release.version, "1.2.0".parse().expect("a version"));
    assert_eq!(shelf.key().expect("noted"), public);
    assert_eq!(
        shelf.copy_in(&first, None).expect("the same again"),
        release
    );
    let other = shelf.copy_in(&second, Some([9; 32]));
    assert!(matches!(other, Err(Untaken::OtherKey(_))));
    shelf.copy_in(&second, None).expect("higher");
    let lower = disk.release("1.2.9");
    let refused = shelf.copy_in(&lower, None).expect_err("lower").to_string();
    assert!(refused.contains("1.2.9 is not above 1.3.0"), "{refused}");
    assert_eq!((shelf.load().len(), disk.entries()), (2, 3));
}

#[test]
fn the_manifest_may_lie_beside_the_folder_as_image_build_leaves_it() {
    let disk = Disk::new();
    let folder = disk.release("1.2.0");
    let beside = disk.0.path().join("image-1.2.0.manifest");
    fs::rename(folder.join("manifest"), beside).expect("moved");
    disk.shelf()
        .copy_in(&folder, Some(key().public()))
        .expect("taken");
}

#[test]
fn what_is_not_signed_or_not_an_image_for_slots_is_refused_and_leaves_nothing() {
    let disk = Disk::new();
    let public = Some(key().public());
    let shelf = disk.shelf();
    let agent = disk.release_of("1.0.0", "agent", &["vmlinuz", "initrd"]);
    let other = shelf.copy_in(&agent, public);
    assert!(matches!(other, Err(Untaken::OtherProduct(_))));
    let more = disk.release_of("1.0.1", "image", &["vmlinuz", "initrd", "more"]);
    assert!(matches!(
        shelf.copy_in(&more, public),
        Err(Untaken::OtherFiles)
    ));
    for name in ["vmlinuz", "initrd", "manifest"] {
        let folder = disk.release("1.0.2");
        let mut bytes = fs::read(folder.join(name)).expect("there");
        bytes[9] ^= 1;
        fs::write(folder.join(name), bytes).expect("written");
        assert!(shelf.copy_in(&folder, public).is_err(), "{name}");
    }
    assert_eq!(disk.entries(), 0);
}

#[test]
fn pieces_are_read_to_the_end_of_a_file_and_nothing_is_there_behind_it() {
    let disk = Disk::new();
    let folder = disk.release("1.2.0");
    let shelf = disk.shelf();
    let release = shelf.copy_in(&folder, Some(key().public())).expect("taken");
    let (sender, pieces) = mpsc::channel();
    let deliver =
        move |_, wanted: Wanted, bytes: &[u8]| sender.send((wanted, bytes.to_vec())).is_ok();
    let releases = Releases::open(shelf, Box::new(deliver)).expect("opens");
    let conn =
        crate::hub::Hub::default().dial(miner_shared::time::Millis(0), crate::hub::Target::Probe);
    let read = |file, from, release| {
        releases.read(
            conn,
            Wanted {
                release,
                file,
                from,
            },
        );
        pieces.recv().expect("answered").1
    };
    for (file, name) in [(0, "manifest"), (1, "vmlinuz"), (2, "initrd")] {
        let whole = fs::read(folder.join(name)).expect("there");
        let mut fetched = Vec::new();
        loop {
            let piece = read(file, fetched.len() as u64, release.id);
            assert!(piece.len() <= MAX_PIECE);
            if piece.is_empty() {
                break;
            }
            fetched.extend(piece);
        }
        assert_eq!(fetched, whole, "{name}");
    }
    assert_eq!(read(3, 0, release.id), b"");
    assert_eq!(read(1, u64::MAX, release.id), b"");
    assert_eq!(read(0, 0, [9; 32]), b"");
    smol::block_on(releases.remove(release.id)).expect("removed");
    assert_eq!(read(0, 0, release.id), b"");
    assert!(matches!(
        smol::block_on(releases.take(release.id)),
        Err(Untaken::Io { .. })
    ));
}

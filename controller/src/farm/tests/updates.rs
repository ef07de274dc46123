//! Releases and rollouts of them, at one moment.

use std::fs;
use std::pin::pin;

use miner_images::manifest::{Draft, File};
use miner_shared::release::{ReleaseKey, Version};
use miner_shared::time::Millis;
use miner_shared::wire::Wanted;

use super::*;
use crate::registry::{OnFailure, RolloutTerms, Step};
use crate::releases::{Releases, Shelf};

fn shelf(disk: &tempfile::TempDir) -> (Shelf, [u8; 32]) {
    let key = ReleaseKey::from_seed(&[7; 32]);
    let folder = disk.path().join("built");
    fs::create_dir_all(&folder).expect("made");
    let files = ["vmlinuz", "initrd"].map(|name| {
        fs::write(folder.join(name), name).expect("written");
        File::of(name, name.as_bytes())
    });
    let draft = Draft {
        product: "image".to_owned(),
        arch: "x86_64".to_owned(),
        version: "1.2.0".parse().expect("a version"),
        min_from: Version::default(),
        files: files.to_vec(),
        packages: Vec::new(),
    };
    let text = draft.sign(&key).expect("signed");
    fs::write(folder.join("manifest"), text).expect("written");
    let shelf = Shelf::of(&disk.path().join("data"));
    let release = shelf.copy_in(&folder, Some(key.public())).expect("taken");
    (shelf, release.id)
}

fn tried_out() -> NewUpdate {
    NewUpdate {
        version: "1.2.0".parse().expect("a version"),
        rigs: None,
        terms: RolloutTerms {
            stages: vec![Step::Percent(100)],
            observe_secs: 60,
            min_percent: 90,
            on_failure: OnFailure::Halt,
        },
        restart: false,
        dry_run: true,
        by: None,
        comment: None,
    }
}

#[test]
fn no_rollout_begins_of_a_release_that_is_being_removed() {
    let disk = tempfile::tempdir().expect("temporary folder");
    let (shelf, id) = shelf(&disk);
    with_farm(|fixture| async move {
        let farm = &fixture.farm;
        // The thread that removes files is held up until `go_on` is dropped.
        let (go_on, held) = std::sync::mpsc::channel::<()>();
        let deliver = move |_, _, _: &[u8]| held.recv().is_err();
        let releases = Releases::open(shelf, Box::new(deliver)).expect("opens");
        let wanted = Wanted {
            release: id,
            file: 0,
            from: 0,
        };
        let conn = Hub::default().dial(Millis(0), crate::hub::Target::Probe);
        releases.read(conn, wanted);
        farm.lock().releases = Some(Arc::new(releases));
        let missing = || {
            let tried = farm.start_update(tried_out()).map(drop);
            tried.is_err_and(|error| error.to_string().contains("there is no release"))
        };
        assert!(!missing());
        let mut removal = pin!(farm.remove_release(id));
        assert!(smol::future::poll_once(&mut removal).await.is_none());
        assert!(missing());
        drop(go_on);
        removal.await.expect("removed");
        let again = farm.remove_release(id).await.expect_err("gone");
        assert_eq!(again.code, Code::ReleaseNotFound);
    });
}

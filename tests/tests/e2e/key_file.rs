//! A key file that cannot be trusted: neither program starts with it, says why in one line, and leaves
//! it as it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use farm_tests::home::{Home, MINER, MINER_CTRL};

use super::Outcome;

/// What is done to the file, and what the line says of it.
type Case = (&'static str, fn(&Path), &'static str);

const CASES: [Case; 6] = [
    (
        "mode 0644",
        |key| fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap(),
        "chmod 600",
    ),
    (
        "a symbolic link",
        |key| {
            let elsewhere = key.with_file_name("elsewhere");
            fs::rename(key, &elsewhere).unwrap();
            symlink(&elsewhere, key).unwrap();
        },
        "symbolic link",
    ),
    (
        "another owner",
        |key| chown(key, Some(12_345), None).unwrap(),
        "another user",
    ),
    (
        "truncated",
        |key| fs::write(key, &fs::read(key).unwrap()[..47]).unwrap(),
        "damaged",
    ),
    (
        "a wrong checksum",
        |key| {
            let mut bytes = fs::read(key).unwrap();
            bytes[20] ^= 1;
            fs::write(key, bytes).unwrap();
        },
        "damaged",
    ),
    ("lost", |key| fs::remove_file(key).unwrap(), "is missing"),
];

/// Everything below a folder: path, mode, content; a link's target.
fn everything(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            found.extend(everything(&path));
            continue;
        }
        let content = if meta.is_symlink() {
            fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else {
            fs::read(&path).unwrap()
        };
        // What a start that fails may leave: nobody's identity.
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !["controller.lock", "lock"].contains(&name.as_str()) {
            found.push((
                path.to_string_lossy().into_owned(),
                meta.permissions().mode(),
                content,
            ));
        }
    }
    found.sort();
    found
}

#[test]
fn a_key_that_cannot_be_trusted_stops_either_program_and_is_never_replaced() -> Outcome {
    let root = rustix::process::geteuid().is_root();
    for (program, role) in [(MINER, "worker"), (MINER_CTRL, "controller")] {
        for (what, spoil, says) in CASES {
            if what == "another owner" && !root {
                // Only root can give a file away; the store's own test has a case for others.
                continue;
            }
            let home = Home::new("rig-alpha").unwrap();
            home.run(program, &["node", "init", "--role", role])?.ok()?;
            let key = home.path().join("data/lethean-desktop/node/private.key");
            spoil(&key);
            let before = everything(home.path());

            // A port that is no port: should the key be taken, it ends all the same.
            let refused = home.run(program, &["node", "serve", "--listen", "192.0.2.1:1"])?;
            assert_eq!(refused.code, Some(1), "{what}: {refused:#?}");
            assert_eq!(refused.stderr.lines().count(), 1, "{what}: {refused:#?}");
            assert!(refused.stderr.contains(says), "{what}: {refused:#?}");
            assert!(
                refused.stderr.contains("private.key"),
                "{what}: {refused:#?}"
            );
            let again = home.run(program, &["node", "init", "--role", role])?;
            assert_eq!(again.code, Some(1), "{what}: {again:#?}");
            assert_eq!(everything(home.path()), before, "{what}: {program}");
        }
    }
    Ok(())
}

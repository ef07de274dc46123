//! `node reset` of the real program: what goes, what stays, and who is asked.

#![expect(clippy::expect_used, reason = "helpers of a test fail by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

/// Exit code and everything it said.
fn ctrl(home: &Path, args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_miner-ctrl"))
        .args(args)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("XDG_DATA_HOME", home.join("data"))
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    (output.status.code().expect("ends by itself"), text)
}

fn farm_with_a_token() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("temporary folder");
    let init = [
        "node",
        "init",
        "--name",
        "control-center",
        "--role",
        "controller",
    ];
    assert_eq!(ctrl(home.path(), &init).0, 0);
    assert_eq!(ctrl(home.path(), &["token", "create"]).0, 0);
    home
}

#[test]
fn a_reset_controller_keeps_its_registry_unless_told_otherwise() {
    let home = farm_with_a_token();
    let registry = home.path().join("data/lethean-desktop/registry.redb");
    let (code, said) = ctrl(home.path(), &["node", "reset"]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.contains("control-center") && said.contains("--yes"),
        "{said}"
    );

    let tls = registry.with_file_name("tls.key");
    std::fs::write(&tls, "").expect("ours");
    let (code, said) = ctrl(home.path(), &["node", "reset", "--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(!tls.exists(), "the key of TLS is this node's as well");
    assert!(
        said.contains("the registry stays, with 0 rigs, 0 profiles and 1 token"),
        "{said}"
    );
    assert!(registry.exists());
    assert_eq!(ctrl(home.path(), &["node", "info"]).0, 1);

    ctrl(home.path(), &["node", "init", "--role", "controller"]);
    assert!(ctrl(home.path(), &["token", "list"]).1.contains("active"));
    let (code, said) = ctrl(home.path(), &["node", "reset", "--yes", "--registry"]);
    assert_eq!(code, 0, "{said}");
    assert!(!registry.exists());
}

#[test]
fn a_registry_in_use_is_not_reset() {
    let home = farm_with_a_token();
    let lock = home.path().join("data/lethean-desktop/controller.lock");
    let lock = std::fs::File::open(lock).expect("there");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("free");
    let (code, said) = ctrl(home.path(), &["node", "reset", "--yes", "--registry"]);
    assert_eq!(code, 1);
    assert!(said.contains("stop it first"), "{said}");
    assert_eq!(ctrl(home.path(), &["node", "info"]).0, 0);
}

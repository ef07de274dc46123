//! The configuration file by the real program: exit codes, and which of file and flag a start obeys.

#![expect(clippy::expect_used, reason = "helpers of a test fail by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ctrl(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_miner-ctrl"));
    command
        .args(args)
        .env("HOME", home)
        .env_remove("XDG_CONFIG_HOME")
        .env_remove("XDG_DATA_HOME");
    command
}

fn run(home: &Path, args: &[&str]) -> Output {
    ctrl(home, args).output().expect("runs")
}

fn write(home: &Path, text: &str) {
    let folder = home.join(".config/lethean-desktop");
    fs::create_dir_all(&folder).expect("ours");
    fs::write(folder.join("controller.toml"), text).expect("ours");
}

#[test]
fn exit_codes_say_whether_the_file_is_in_order() {
    let home = tempfile::tempdir().expect("temporary folder");
    let home = home.path();
    let code = |args: &[&str]| run(home, args).status.code();
    assert_eq!(code(&["config", "check"]), Some(0), "none is needed");
    assert_eq!(code(&["config", "check", "--config", "/nowhere"]), Some(1));
    write(home, "lisen = \":1\"\n");
    assert_eq!(code(&["config", "check"]), Some(1));
    let start = run(home, &["up"]);
    assert_eq!(start.status.code(), Some(2));
    let line = String::from_utf8_lossy(&start.stderr);
    assert!(
        line.contains("controller.toml:1: there is no key lisen; did you mean listen?"),
        "{line}"
    );
    // Nothing was made by a start that was not understood.
    assert!(!home.join(".local").exists());
}

#[test]
fn a_start_obeys_the_file_and_a_flag_before_it() {
    let home = tempfile::tempdir().expect("temporary folder");
    let home = home.path();
    let taken = TcpListener::bind("127.0.0.1:0").expect("free");
    let http = taken.local_addr().expect("bound");
    write(
        home,
        &format!(
            "listen = \"127.0.0.1:0\"\nhttp = \"{http}\"\npool-listen = \"127.0.0.1:0\"\nworker = false\nannounce = false\n"
        ),
    );
    let refused = run(home, &["up"]);
    assert_eq!(refused.status.code(), Some(1));
    let line = String::from_utf8_lossy(&refused.stderr);
    assert!(line.contains(&format!("{http} is in use")), "{line}");
    let mut up = ctrl(home, &["up", "--http", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let lines = BufReader::new(up.stdout.take().expect("piped")).lines();
    let dial_in = lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("rigs dial in"));
    up.kill().expect("ours");
    up.wait().expect("ours");
    assert!(dial_in.is_some_and(|line| line.contains("127.0.0.1:")));
}

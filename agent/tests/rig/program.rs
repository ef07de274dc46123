//! The program `miner` as a person and a script meet it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use miner_agent::store::{Dirs, NodeStore};
use miner_shared::identity::Fingerprint;

fn miner(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_miner"));
    command
        .args(args)
        .env_clear()
        .env("XDG_CONFIG_HOME", root.join("config"))
        .env("XDG_DATA_HOME", root.join("data"))
        .stdin(Stdio::null());
    command
}

fn output(root: &Path, args: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = miner(root, args).output().expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        status.code().expect("ends by itself"),
        text(stdout),
        text(stderr),
    )
}

/// A rig that serves, and the lines it prints.
struct Serving {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Serving {
    fn start(root: &Path, args: &[&str], stdin: Stdio) -> Self {
        let mut child = miner(root, &[&["node", "serve"], args].concat())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("runs");
        let stdout = child.stdout.take().expect("piped");
        let lines = BufReader::new(stdout).lines();
        Self { child, lines }
    }

    /// What follows `label` on the first line that has it.
    fn line(&mut self, label: &str) -> String {
        let found = self
            .lines
            .by_ref()
            .map(|line| line.expect("text"))
            .find_map(|line| {
                let rest = line.strip_prefix(label)?;
                Some(rest.trim().to_owned())
            });
        found.unwrap_or_else(|| panic!("no line starts with {label:?}"))
    }

    /// The exit code, which has to come within 2 s.
    fn ends(mut self) -> i32 {
        let (sender, receiver) = mpsc::channel();
        let id = self.child.id();
        std::thread::spawn(move || sender.send(self.child.wait()));
        let status = receiver.recv_timeout(Duration::from_secs(2));
        let status = status.unwrap_or_else(|_| panic!("process {id} ends within 2 s"));
        status
            .expect("waited for")
            .code()
            .expect("no signal kills it")
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("not zero");
        rustix::process::kill_process(id, signal).expect("ours");
    }
}

#[test]
fn the_pages_node_commands_work_as_written() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (code, _, stderr) = output(root.path(), &["node", "info"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("node init"), "{stderr}");

    let (code, stdout, _) = output(
        root.path(),
        &["node", "init", "--name", "rig-alpha", "--role", "worker"],
    );
    assert_eq!(code, 0);
    assert!(
        stdout.contains("rig-alpha") && stdout.contains("worker"),
        "{stdout}"
    );

    let (code, json, _) = output(root.path(), &["node", "info", "--json"]);
    assert_eq!(code, 0);
    let id = json.split('"').nth(3).expect("id first");
    assert!(
        id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{json}"
    );
    assert!(stdout.contains(id));

    let (code, _, stderr) = output(root.path(), &["node", "init", "--name", "again"]);
    assert_eq!(code, 1);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn managers_are_listed_in_the_order_of_their_pins() {
    let root = tempfile::tempdir().expect("temporary folder");
    let mut pins = Vec::new();
    for name in ["one", "two"] {
        let other = tempfile::tempdir().expect("temporary folder");
        output(other.path(), &["node", "init", "--name", name]);
        let (_, json, _) = output(other.path(), &["node", "info", "--json"]);
        let fingerprint = json.split("\"fingerprint\": \"").nth(1).expect("there");
        pins.push(fingerprint.split('"').next().expect("closed").to_owned());
    }
    let (code, ..) = output(root.path(), &["node", "init", "--controller", &pins[0]]);
    assert_eq!(code, 0);
    // As copied from a screen: groups as words.
    let words: Vec<&str> = pins[1].split([' ', '-']).collect();
    let (code, ..) = output(root.path(), &[&["peer", "accept"], &words[..]].concat());
    assert_eq!(code, 0);
    let (_, list, _) = output(root.path(), &["peer", "list"]);
    let rows: Vec<&str> = list.lines().collect();
    assert!(
        rows[0].contains("first") && rows[0].ends_with(&pins[0]),
        "{list}"
    );
    assert!(
        rows[1].contains("reads") && rows[1].ends_with(&pins[1]),
        "{list}"
    );
    let (_, json, _) = output(root.path(), &["peer", "list", "--json"]);
    assert!(json.starts_with("[{\"id\":\""), "{json}");

    assert!(
        json.contains("\"part\":\"first\",\"recovery\":false"),
        "{json}"
    );

    let second_id = rows[1].split(' ').next().expect("the ID comes first");
    let (code, stdout, _) = output(root.path(), &["peer", "first", second_id]);
    assert_eq!((code, stdout), (0, format!("{second_id} decides now\n")));
    let (_, list, _) = output(root.path(), &["peer", "list"]);
    let row = list.lines().next().expect("two rows");
    assert!(
        row.starts_with(second_id) && row.contains("first"),
        "{list}"
    );
    assert_eq!(output(root.path(), &["peer", "first", &pins[0]]).0, 0);
    let nobody = "0123456789abcdef";
    assert_eq!(output(root.path(), &["peer", "first", nobody]).0, 1);

    let first_id = rows[0].split(' ').next().expect("the ID comes first");
    let (code, stdout, _) = output(root.path(), &["peer", "remove", first_id]);
    assert_eq!(code, 0);
    assert!(stdout.contains("decides now"), "{stdout}");
    assert_eq!(output(root.path(), &["peer", "remove", first_id]).0, 1);
    let (code, stdout, _) = output(root.path(), &["peer", "remove", &pins[1]]);
    assert_eq!(code, 0);
    assert!(stdout.contains("nobody is obeyed"), "{stdout}");
    assert_eq!(output(root.path(), &["peer", "remove", "rig"]).0, 2);
}

#[test]
fn a_reset_deletes_the_node_after_a_yes_and_never_under_a_process_that_serves() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (code, stdout, _) = output(root.path(), &["node", "reset"]);
    assert_eq!(code, 0);
    assert!(stdout.contains("no node"), "{stdout}");

    let mut rig = Serving::start(root.path(), &["--listen", "127.0.0.1:0"], Stdio::null());
    let id = rig.line("node ID");
    rig.line("listening");
    let (code, _, stderr) = output(root.path(), &["node", "reset", "--yes"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("another process serves"), "{stderr}");
    rig.signal(rustix::process::Signal::TERM);
    assert_eq!(rig.ends(), 0);

    let (code, _, stderr) = output(root.path(), &["node", "reset"]);
    assert_eq!(code, 3, "nobody is there to say yes");
    assert!(stderr.contains(&id) && stderr.contains("--yes"), "{stderr}");
    assert!(output(root.path(), &["node", "info"]).1.contains(&id));

    assert_eq!(output(root.path(), &["node", "reset", "--yes"]).0, 0);
    assert_eq!(output(root.path(), &["node", "info"]).0, 1);
    assert_eq!(output(root.path(), &["node", "init"]).0, 0);
    assert!(!output(root.path(), &["node", "info"]).1.contains(&id));
}

#[test]
fn the_beginning_of_who_asked_is_shown_in_full_and_pins_nobody_unasked() {
    let root = tempfile::tempdir().expect("temporary folder");
    let store = NodeStore::new(Dirs::below(root.path()));
    let asked = Fingerprint([0xab; 32]);
    let mut candidates = store.candidates();
    candidates.note(asked);
    store.set_candidates(&candidates).expect("written");
    let (code, _, stderr) = output(root.path(), &["peer", "accept", "abab"]);
    assert_eq!(code, 3, "nobody is there to compare it");
    assert!(stderr.contains(&format!("peer accept {asked}")), "{stderr}");
    assert!(store.managers().expect("readable").is_empty());
    assert_eq!(output(root.path(), &["peer", "accept", "cdcd"]).0, 2);
}

#[test]
fn a_code_in_a_pipe_is_text_alone() {
    let root = tempfile::tempdir().expect("temporary folder");
    output(root.path(), &["node", "init"]);
    let (code, stdout, _) = output(root.path(), &["peer", "pair"]);
    assert_eq!(code, 0);
    assert!(stdout.is_ascii() && stdout.lines().count() == 2, "{stdout}");
}

#[test]
fn a_new_key_is_made_only_if_that_is_meant() {
    let root = tempfile::tempdir().expect("temporary folder");
    let rotate = ["node", "rotate-key", "--yes"];
    let (code, _, stderr) = output(root.path(), &rotate);
    assert_eq!(code, 1);
    assert!(stderr.contains("node init"), "{stderr}");
    let init = ["node", "init", "--name", "rig-alpha", "--role", "worker"];
    let (_, before, _) = output(root.path(), &init);
    let (code, stdout, stderr) = output(root.path(), &["node", "rotate-key"]);
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.contains("--yes"), "{stderr}");
    let info = |json: &[&str]| output(root.path(), &[&["node", "info"], json].concat()).1;
    assert_eq!(info(&[]), before);

    let (code, stdout, _) = output(root.path(), &rotate);
    assert_eq!(code, 0, "{stdout}");
    let id = before
        .lines()
        .next()
        .and_then(|line| line.split(' ').next_back());
    assert!(
        stdout.contains(id.expect("first")),
        "the replaced one: {stdout}"
    );
    let after = info(&[]);
    assert_ne!(after, before);
    assert!(
        after.contains("rig-alpha") && after.contains("key changes  1"),
        "{after}"
    );
    assert!(info(&["--json"]).contains("\"statements\": 1"));

    let other = tempfile::tempdir().expect("temporary folder");
    output(other.path(), &["node", "init", "--role", "controller"]);
    let (code, _, stderr) = output(other.path(), &rotate);
    assert_eq!(code, 1);
    assert!(stderr.contains("miner-ctrl node rotate-key"), "{stderr}");
}

#[test]
fn exit_codes_say_what_kind_of_failure_it_was() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (code, stdout, _) = output(root.path(), &["--version"]);
    assert_eq!(
        (code, stdout.as_str()),
        (0, concat!("miner ", env!("CARGO_PKG_VERSION"), "\n"))
    );
    for (args, expected) in [
        (&["--help"][..], 0),
        (&["node", "serve"], 2),
        (&["node", "serve", "--token", "x"], 2),
        (&["node", "serve", "--controller", "127.0.0.1:1"], 3),
    ] {
        assert_eq!(output(root.path(), args).0, expected, "{args:?}");
    }
}

#[test]
fn a_first_run_makes_the_key_and_prints_the_pairing_code_on_stdout_only() {
    let root = tempfile::tempdir().expect("temporary folder");
    let mut rig = Serving::start(root.path(), &["--listen", "127.0.0.1:0"], Stdio::null());
    assert_eq!(rig.line("node ID").len(), 16);
    assert!(rig.line("listening").starts_with("127.0.0.1:"));
    let code = rig.line("pairing code");
    let characters = code.chars().filter(|c| c.is_ascii_alphanumeric()).count();
    assert_eq!(characters, 28, "{code}");
    rig.signal(rustix::process::Signal::TERM);
    assert_eq!(rig.ends(), 0);

    let mut again = Serving::start(root.path(), &["--listen", "127.0.0.1:0"], Stdio::null());
    assert_eq!(again.line("pairing code"), code, "a restart keeps it");
    again.signal(rustix::process::Signal::TERM);
    assert_eq!(again.ends(), 0);
}

#[test]
fn a_rig_outlives_the_reader_of_its_log() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut child = miner(
        root.path(),
        &["node", "serve", "--listen", "127.0.0.1:0", "--verbose"],
    )
    .stdout(Stdio::piped())
    .stderr(writer)
    .spawn()
    .expect("runs");
    let stdout = child.stdout.take().expect("piped");
    let lines = BufReader::new(stdout).lines();
    let mut rig = Serving { child, lines };
    let address = rig.line("listening");
    // A line of the log for each; it is written when the connection ends.
    for _ in 0..2 {
        let mut stranger = std::net::TcpStream::connect(&address).expect("it listens");
        stranger.write_all(b"nonsense\r\n\r\n").expect("sent");
        let _ = stranger.read_to_end(&mut Vec::new());
    }
    rig.signal(rustix::process::Signal::TERM);
    assert_eq!(rig.ends(), 0);
}

#[test]
fn both_signals_and_the_parents_end_stop_it_cleanly() {
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let root = tempfile::tempdir().expect("temporary folder");
        let mut rig = Serving::start(root.path(), &["--listen", "127.0.0.1:0"], Stdio::null());
        rig.line("listening");
        rig.signal(signal);
        assert_eq!(rig.ends(), 0);
    }
    let root = tempfile::tempdir().expect("temporary folder");
    let args = ["--listen", "127.0.0.1:0", "--with-parent"];
    let mut rig = Serving::start(root.path(), &args, Stdio::piped());
    rig.line("listening");
    drop(rig.child.stdin.take());
    assert_eq!(rig.ends(), 0);
}

#[test]
fn the_system_shows_a_serving_agent_as_what_it_is_and_lets_it_start_nothing() {
    let root = tempfile::tempdir().expect("temporary folder");
    let args = ["--listen", "127.0.0.1:0"];
    let mut rig = Serving::start(root.path(), &args, Stdio::null());
    rig.line("listening");
    let proc = Path::new("/proc").join(rig.child.id().to_string());
    let read = |name: &str| std::fs::read_to_string(proc.join(name)).expect("ours");
    assert_eq!(read("comm"), "miner\n");
    let typed = [
        env!("CARGO_BIN_EXE_miner"),
        "node",
        "serve",
        args[0],
        args[1],
    ];
    assert!(read("cmdline").split_terminator('\0').eq(typed));
    let program = std::fs::read_link(proc.join("exe")).expect("ours");
    assert_eq!(program, Path::new(env!("CARGO_BIN_EXE_miner")));

    let mut threads = 0;
    for thread in std::fs::read_dir(proc.join("task")).expect("ours") {
        let thread = thread.expect("ours").path();
        let status = std::fs::read_to_string(thread.join("status")).expect("ours");
        for word in ["Seccomp:\t2", "NoNewPrivs:\t1"] {
            assert!(status.contains(word), "{}: {status}", thread.display());
        }
        threads += 1;
    }
    assert!(threads >= 1);
    rig.signal(rustix::process::Signal::TERM);
    assert_eq!(rig.ends(), 0);
}

#[test]
fn a_port_in_use_names_the_flag_that_changes_it() {
    let root = tempfile::tempdir().expect("temporary folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let (code, _, stderr) = output(root.path(), &["node", "serve", "--listen", &address]);
    assert_eq!(code, 1);
    assert!(stderr.contains("--listen"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

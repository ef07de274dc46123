//! What keeps the agent useless to a thief of other people's electricity, as far as sources show it.
//!
//! docs/ABUSE.md lists every promise with its state; the tests here hold the part that exists.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use farm_tests::sources::{Source, files};

/// The agent's own sources, its engine included, without what the feature `reference` alone builds.
fn agent() -> Vec<Source> {
    let mut sources = files("agent/src", "rs").unwrap();
    sources.extend(files("agent/engine/src", "rs").unwrap());
    sources.retain(|source| !source.path.starts_with("agent/engine/src/reference/"));
    sources
}

fn wire() -> String {
    let sources = files("shared/src/wire", "rs").unwrap();
    sources
        .iter()
        .flat_map(Source::program_lines)
        .map(|(_, line)| format!("{line}\n"))
        .collect()
}

/// The lines between `pub enum NAME {` and its closing brace, without comments.
fn variants(text: &str, name: &str) -> Vec<String> {
    let start = format!("pub enum {name} {{");
    let body = text.lines().skip_while(|line| *line != start).skip(1);
    let body = body.take_while(|line| *line != "}").map(str::trim);
    let code = body.filter(|line| !line.starts_with("//") && !line.starts_with('#'));
    code.map(|line| line.trim_end_matches(',').to_owned())
        .collect()
}

#[test]
fn the_set_of_commands_is_closed() {
    let wire = wire();
    let commands = variants(&wire, "Command");
    let names: Vec<&str> = commands
        .iter()
        .filter(|line| line.starts_with(char::is_uppercase))
        .filter_map(|line| line.split(['(', ' ', '{']).next())
        .collect();
    assert!(!names.is_empty(), "no enum Command in shared/src/wire");
    assert_eq!(
        names,
        [
            "SetState",
            "PinRecovery",
            "Handover",
            "Revoke",
            "Rotate",
            "Restart",
            "Reboot",
            "PowerOff",
            "Locate",
            "SetLogLevel",
            "Update",
            "CancelUpdate",
        ],
        "a new command must be argued in docs/ABUSE.md first"
    );
}

/// Which file of a signed release a piece is of: a number, never a name.
const NUMBER_OF_FILE: &str = "pub file: u8,";

#[test]
fn no_message_can_carry_a_path_an_environment_or_a_download_address() {
    let wire = wire().to_lowercase();
    let code: Vec<&str> = wire
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .filter(|line| line.trim() != NUMBER_OF_FILE)
        .collect();
    let parts = |line: &str| {
        line.split(|c: char| !c.is_alphanumeric())
            .map(str::to_owned)
            .collect()
    };
    for word in [
        "shell", "exec", "script", "path", "file", "url", "http", "env", "argv",
    ] {
        let hit = code.iter().find(|line| {
            let parts: Vec<String> = parts(line);
            parts.iter().any(|part| part == word)
        });
        assert_eq!(hit, None, "{word}");
    }
}

/// As the first process of an image the agent starts itself, without the rights of the first process.
const SUPERVISOR: &str = "agent/src/init/worker.rs";

#[test]
fn the_agent_starts_no_other_program() {
    // That file names the calls to have the kernel refuse them.
    let forbids = |source: &Source| source.path == "agent/src/platform/no_exec.rs";
    let excepted = |source: &Source| forbids(source) || source.path == SUPERVISOR;
    for source in agent().into_iter().filter(|source| !excepted(source)) {
        for (number, line) in source.program_lines() {
            for word in [
                "process::Command",
                "Command::new",
                "execve",
                "posix_spawn",
                "fork(",
            ] {
                assert!(!line.contains(word), "{}:{number}: {line}", source.path);
            }
        }
    }
}

#[test]
fn the_first_process_of_an_image_starts_its_own_file_and_nothing_else() {
    let sources = agent();
    let supervisor = sources.iter().find(|source| source.path == SUPERVISOR);
    let lines = supervisor.unwrap().program_lines();
    let starts: Vec<&str> = lines
        .filter(|(_, line)| line.contains("Command::new") || line.contains("spawn("))
        .map(|(_, line)| line.trim())
        .collect();
    let (new, spawn) = (
        "let mut command = Command::new(\"/proc/self/exe\");",
        "let child = command.spawn()?;",
    );
    assert_eq!(starts, [new, spawn]);
}

#[test]
fn the_agent_neither_hides_nor_installs_itself() {
    let words = [
        "set_name(",
        "PR_SET_NAME",
        "systemd",
        "crontab",
        "LD_PRELOAD",
        "/etc/",
        "rc.local",
        "ptrace",
        "memfd_create",
    ];
    for source in agent() {
        for (number, line) in source.program_lines() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words {
                assert!(!code.contains(word), "{}:{number}: {line}", source.path);
            }
        }
    }
}

#[test]
fn variants_are_read_from_an_enum() {
    let text = "pub enum Command {\n    /// A comment.\n    SetState(State),\n    Other {\n}\n";
    assert_eq!(variants(text, "Command"), ["SetState(State)", "Other {"]);
}

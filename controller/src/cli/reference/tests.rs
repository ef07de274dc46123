use std::collections::BTreeSet;
use std::process::{Command as Process, Output};

use super::*;
use crate::{golden, options};

/// Runs a program if this machine has it.
fn run(program: &str, args: &[&str]) -> Option<Output> {
    Process::new(program).args(args).output().ok()
}

fn script(shell: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("temporary file");
    std::fs::write(file.path(), shells::script(shell).expect("known")).expect("writes");
    file
}

/// What bash offers after these words, the last of which is being typed.
fn offered(words: &[&str]) -> Vec<String> {
    let file = script("bash");
    let code = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        compopt() { :; }; _miner_ctrl; printf '%s\n' "${COMPREPLY[@]}""#;
    let path = file.path().to_str().expect("plain");
    let mut args = vec!["-c", code, "bash", path, PROGRAM];
    args.extend(words);
    let output = run("bash", &args).expect("bash is everywhere that this is built");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn cli_reference_is_what_the_program_says() {
    golden::check("docs/CLI.md", &markdown::document(), "cli_reference");
}

#[test]
fn every_verb_says_in_a_sentence_what_it_and_each_flag_does() {
    for command in commands() {
        assert!(
            command.help().ends_with('.') || command.help().contains("; "),
            "{}",
            command.name()
        );
        for flag in command.flags() {
            assert!(
                !flag.description.trim().is_empty(),
                "{} {}",
                command.name(),
                flag.long
            );
        }
        for word in command.positionals() {
            assert!(
                !word.description.trim().is_empty(),
                "{} <{}>",
                command.name(),
                word.name
            );
        }
    }
}

/// Verbs without `--json`, and why.
const NO_JSON: [(&str, &str); 22] = [
    ("export xmrig", "what it prints is JSON, XMRig's"),
    (
        "config example",
        "a file for a person; GET /options has the table",
    ),
    (
        "up",
        "it runs until it is told to end; the API has what its lines say",
    ),
    ("node serve", "it runs until it is told to end"),
    ("node init", "`node info --json` has the result"),
    ("node recover", "`node info --json` has the result"),
    ("node reset", "the exit code is the result"),
    ("node rotate-key", "`node info --json` has the result"),
    ("image flash", "the exit code is the result"),
    ("image key", "its one line is the public key"),
    ("image verify", "the exit code is the result"),
    ("pxe serve", "it runs until it is told to end"),
    ("completions", "a script for a shell is no data"),
    ("man", "a manual page is no data"),
    (
        "worker node init",
        "`worker node info --json` has the result",
    ),
    ("worker node reset", "the exit code is the result"),
    (
        "worker node rotate-key",
        "`worker node info --json` has the result",
    ),
    ("worker node serve", "it runs until it is told to end"),
    (
        "worker peer accept",
        "`worker peer list --json` has the result",
    ),
    (
        "worker peer first",
        "`worker peer list --json` has the result",
    ),
    (
        "worker peer pair",
        "its one line is a secret for a person's eyes",
    ),
    (
        "worker peer remove",
        "`worker peer list --json` has the result",
    ),
];

#[test]
fn every_verb_that_prints_data_can_print_json() {
    let all = commands();
    let (with, without): (Vec<&Command>, Vec<_>) = all
        .iter()
        .filter(|command| command.is_leaf())
        .partition(|command| command.flags().any(|flag| flag.long == "--json"));
    let names = |commands: &[&Command]| -> BTreeSet<String> {
        let paths = commands.iter().map(|command| command.path.join(" "));
        paths.collect()
    };
    let excused: BTreeSet<String> = NO_JSON.iter().map(|(verb, _)| (*verb).to_owned()).collect();
    let silent: Vec<_> = names(&without).difference(&excused).cloned().collect();
    assert!(silent.is_empty(), "neither --json nor a reason: {silent:?}");
    let spared: Vec<_> = excused.difference(&names(&without)).cloned().collect();
    assert!(
        spared.is_empty(),
        "no such verb, or it has --json: {spared:?} of {}",
        with.len()
    );
}

#[test]
fn names_with_choices_and_files_are_flags_or_words_of_some_verb() {
    let all = commands();
    let names: Vec<&str> = all
        .iter()
        .flat_map(|command| {
            let flags = command.flags().map(|flag| flag.long);
            flags.chain(command.positionals().map(|word| word.name))
        })
        .collect();
    let known = CHOICES.iter().map(|(name, _)| *name).chain(FILE_FLAGS);
    for name in known {
        assert!(names.contains(&name), "{name}");
    }
}

#[test]
fn bash_completes_verbs_flags_files_and_choices() {
    assert_eq!(offered(&["pee"]), ["peer"]);
    assert!(offered(&["peer", ""]).contains(&"discover".to_owned()));
    assert_eq!(offered(&["peer", "add", "--addr"]), ["--address"]);
    assert_eq!(offered(&["up", "--log-level", "de"]), ["debug"]);
    assert_eq!(offered(&["completions", "z"]), ["zsh"]);
    assert_eq!(offered(&["up", "--threads", ""]), [""]);
    assert_eq!(offered(&["up", "--tls-cert", "/dev/nul"]), ["/dev/null"]);
    // A value with a colon is three words for bash.
    let before = [
        "peer",
        "add",
        "--address",
        "192.0.2.1",
        ":",
        "9091",
        "--tof",
    ];
    assert_eq!(offered(&before), ["--tofu"]);
    // Verbs of the agent are below `worker`.
    assert_eq!(offered(&["worker", "node", "ser"]), ["serve"]);
}

#[test]
fn scripts_are_understood_by_the_shells_that_are_there() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let file = script(shell);
        let path = file.path().to_str().expect("plain");
        if let Some(output) = run(shell, &[check, path]) {
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && stderr.is_empty(),
                "{shell}: {stderr}"
            );
        }
    }
}

#[test]
fn a_manual_page_exists_for_the_program_and_each_verb() {
    let pages = man::pages();
    let names: Vec<String> = pages.iter().map(man::Page::file_name).collect();
    assert_eq!(names.first().map(String::as_str), Some("miner-ctrl.1"));
    assert!(names.contains(&"miner-ctrl-peer.1".to_owned()));
    let peer = pages.iter().find(|page| page.verb == Some("peer"));
    let text = &peer.expect("there").text;
    for part in [
        ".SS add",
        ".SH EXIT STATUS",
        ".SH ENVIRONMENT",
        "\\-\\-address",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn no_text_of_a_manual_page_is_taken_for_an_order() {
    for (text, roff) in [
        (".hidden", "\\&.hidden"),
        ("'quoted'", "\\&\\(aqquoted\\(aq"),
        ("a\\b", "a\\eb"),
        ("--no-worker", "\\-\\-no\\-worker"),
        ("~/x", "\\(ti/x"),
    ] {
        assert_eq!(man::escape(text), roff);
    }
    const KNOWN: [&str; 8] = [".TH ", ".SH ", ".SS ", ".TP", ".PP", ".ad l", ".br", ".nh"];
    for page in man::pages() {
        for line in page.text.lines() {
            let is_order = line.starts_with(['.', '\'']);
            assert!(
                !is_order || KNOWN.iter().any(|known| line.starts_with(known)),
                "{line}"
            );
        }
    }
}

#[test]
fn groff_has_no_complaint_about_a_manual_page() {
    for page in man::pages() {
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), &page.text).expect("writes");
        let path = file.path().to_str().expect("plain");
        let Some(output) = run("groff", &["-man", "-Tutf8", "-ww", "-z", path]) else {
            return;
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && stderr.is_empty(),
            "{}: {stderr}",
            page.file_name()
        );
    }
}

#[test]
fn flags_that_make_a_profile_are_those_of_its_options() {
    let all = commands();
    let create = all
        .iter()
        .find(|command| command.path == ["profile", "create"]);
    let flags = create
        .expect("there")
        .flags()
        .map(|flag| flag.long.to_owned());
    // A file in place of a value, a word about the version, and none of them.
    let own = ["--user-file", "--comment", "--help", "--json"];
    let flags: BTreeSet<String> = flags.filter(|flag| !own.contains(&flag.as_str())).collect();
    let options = options::profile::ALL.iter().filter_map(|of| of.flag());
    assert_eq!(flags, options.collect::<BTreeSet<_>>());
}

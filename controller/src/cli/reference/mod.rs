//! What the program says about itself: completions, manual pages, docs/CLI.md. All of it is made from
//! the structs that parse the command line, so that none of it can be out of date.
//!
//! ```text
//!   argh structs ── ArgsInfo ──▶ commands() ─┬─▶ shells    completions bash | zsh | fish
//!     (Ctrl, and miner's own)                ├─▶ man       miner-ctrl.1, miner-ctrl-peer.1, ..
//!                                            └─▶ markdown  docs/CLI.md, which a test compares
//! ```
//! What is common to all verbs (exit codes, files, environment) is listed here once.

mod man;
#[cfg(test)]
mod markdown;
mod shells;
#[cfg(test)]
mod tests;
mod verbs;

use argh::{ArgsInfo, CommandInfoWithArgs, FlagInfo, FlagInfoKind, Optionality, PositionalInfo};
use miner_agent::cli as agent;

pub(super) use self::verbs::{Completions, Man};
use super::Ctrl;

/// The program's name.
const PROGRAM: &str = "miner-ctrl";

/// Files of the program: where, and what.
const FILES: [(&str, &str); 6] = [
    (
        "~/.config/lethean-desktop/node.json",
        "who this machine is; public",
    ),
    (
        "~/.config/lethean-desktop/controller.toml",
        "options of the service; need not be there",
    ),
    (
        "~/.local/share/lethean-desktop/node/private.key",
        "its key; mode 0600",
    ),
    (
        "~/.local/share/lethean-desktop/registry.redb",
        "the farm: rigs, profiles, tokens",
    ),
    (
        "~/.local/share/lethean-desktop/controller.http",
        "where the controller that runs here answers",
    ),
    (
        "~/.local/share/lethean-desktop/local-worker/",
        "the same for the worker that `up` runs",
    ),
];

/// Variables of the environment that change what the program does.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("XDG_CONFIG_HOME", "instead of ~/.config"),
    ("XDG_DATA_HOME", "instead of ~/.local/share"),
    ("NO_COLOR", "no colours if it is set and not empty"),
    ("TERM", "no colours if it is dumb"),
    (
        "LC_ALL, LC_CTYPE, LANG",
        "whether the terminal shows UTF-8, for QR codes",
    ),
];

/// A command: the program itself, a verb, or a verb of a verb.
struct Command {
    /// The words after the program's name: none, `peer`, `peer add`.
    path: Vec<&'static str>,
    info: CommandInfoWithArgs,
}

/// The program, its verbs and theirs, each before those below it.
fn commands() -> Vec<Command> {
    let mut all = Vec::new();
    collect(&mut all, Vec::new(), program());
    all
}

/// The whole tree. The agent's verbs take the place of `worker`, which passes its words on unread.
fn program() -> CommandInfoWithArgs {
    let mut program = Ctrl::get_args_info();
    for verb in &mut program.commands {
        if verb.name == "worker" {
            verb.command = CommandInfoWithArgs {
                name: verb.name,
                description: verb.command.description,
                ..agent::words()
            };
        }
    }
    program
}

fn collect(all: &mut Vec<Command>, path: Vec<&'static str>, info: CommandInfoWithArgs) {
    let below = info.commands.clone();
    all.push(Command {
        path: path.clone(),
        info,
    });
    for verb in below {
        let path = path.iter().copied().chain([verb.name]).collect();
        collect(all, path, verb.command);
    }
}

impl Command {
    /// As it is typed: `miner-ctrl peer add`.
    fn name(&self) -> String {
        [&[PROGRAM][..], &self.path].concat().join(" ")
    }

    /// What it does, on one line.
    fn help(&self) -> String {
        one_line(self.info.description)
    }

    /// Whether it does something itself, rather than by one of its verbs.
    fn is_leaf(&self) -> bool {
        self.info.commands.is_empty()
    }

    /// Its flags, `--help` among them.
    fn flags(&self) -> impl Iterator<Item = &'static FlagInfo<'static>> {
        self.info.flags.iter().filter(|flag| !flag.hidden)
    }

    /// What it takes without a flag.
    fn positionals(&self) -> impl Iterator<Item = &'static PositionalInfo<'static>> {
        self.info.positionals.iter().filter(|word| !word.hidden)
    }

    /// The words after its name: `[--json] <peer>`.
    fn usage(&self) -> Vec<String> {
        let flags = self.flags().filter(|flag| flag.long != "--help");
        let mut words: Vec<String> = flags.map(flag_usage).collect();
        if !self.is_leaf() {
            words.push("<verb>".to_owned());
        }
        words.extend(self.positionals().map(|word| match word.optionality {
            Optionality::Required => format!("<{}>", word.name),
            Optionality::Optional => format!("[<{}>]", word.name),
            Optionality::Repeating | Optionality::Greedy => format!("[<{}>...]", word.name),
        }));
        words
    }
}

fn flag_usage(flag: &FlagInfo<'_>) -> String {
    let text = spelling(flag);
    match flag.optionality {
        Optionality::Required => text,
        Optionality::Optional => format!("[{text}]"),
        Optionality::Repeating | Optionality::Greedy => format!("[{text}]..."),
    }
}

/// The flag with what it takes: `--name <name>`.
fn spelling(flag: &FlagInfo<'_>) -> String {
    match flag.kind {
        FlagInfoKind::Switch => flag.long.to_owned(),
        FlagInfoKind::Option { arg_name } => format!("{} <{arg_name}>", flag.long),
    }
}

/// The short form first, where there is one: `-n, --name <name>`.
fn both_spellings(flag: &FlagInfo<'_>) -> String {
    flag.short.map_or_else(
        || spelling(flag),
        |short| format!("-{short}, {}", spelling(flag)),
    )
}

/// Doc comments break their lines where the source does.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What may stand after a flag, or in the place of a word without one, for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    /// Nothing: a switch.
    Nothing,
    /// A text that only the person knows.
    Text,
    /// The name of a file or folder.
    File,
    /// One of these.
    Words(&'static [&'static str]),
}

/// Flags and words that take one of a few.
const CHOICES: [(&str, &[&str]); 7] = [
    ("--log-level", &["error", "warn", "info", "debug", "trace"]),
    ("--mode", &["auto", "fast", "light"]),
    ("--modules", &["virt", "full", "server"]),
    ("--prefetch", &["none", "t0", "nta", "mov"]),
    (
        "--recipe",
        &[
            "x86_64-disk",
            "x86_64-uki",
            "x86_64-netboot",
            "aarch64-disk",
            "aarch64-uki",
            "aarch64-netboot",
            "aarch64-pi",
        ],
    ),
    ("--role", &["controller", "worker", "dual"]),
    ("shell", &shells::NAMES),
];
/// Flags that take a file or a folder; any `--..-file` does too.
const FILE_FLAGS: [&str; 16] = [
    "--agent",
    "--config",
    "--dir",
    "--firmware",
    "--folder",
    "--kernel",
    "--old",
    "--out",
    "--packages",
    "--release",
    "--release-key",
    "--tls-cert",
    "--tls-key",
    "file",
    "image",
    "manifest",
];

impl Takes {
    fn of(flag: &FlagInfo<'_>) -> Self {
        match flag.kind {
            FlagInfoKind::Switch => Self::Nothing,
            FlagInfoKind::Option { .. } => Self::named(flag.long),
        }
    }

    /// What an option or a word of this name takes.
    fn named(name: &str) -> Self {
        let choice = CHOICES.iter().find(|(of, _)| *of == name);
        if let Some((_, words)) = choice {
            return Self::Words(words);
        }
        if name.ends_with("-file") || FILE_FLAGS.contains(&name) {
            return Self::File;
        }
        Self::Text
    }
}

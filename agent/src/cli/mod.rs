//! The command line of `miner`, and the exit codes of both programs.
//!
//! ```text
//!   miner node init|info|serve|rotate-key|reset   who this machine is, and the work itself
//!   miner peer list|accept|first|remove|pair      whom it obeys
//!   miner bench                                   a hash rate, and the proof that the hashes are right
//!   miner tune                                    the fastest way to hash on this machine
//! ```
//! Read commands take `--json`. Secrets are never taken from the command line, where every user of
//! the machine can read them.

use std::fmt;
use std::io::{self, Write};

use argh::{ArgsInfo, CommandInfoWithArgs, FromArgs, TopLevelCommand};

use crate::node_cli::Node;

mod bench;
mod peer;
pub mod qr;
pub mod terminal;
mod tune;

pub use terminal::Terminal;

/// The worker agent of a mining rig: hashes, and obeys its controller.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(help_triggers("-h", "--help", "help"))]
struct Miner {
    /// print the version
    #[argh(switch, short = 'V')]
    version: bool,
    #[argh(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand)]
#[expect(clippy::large_enum_variant, reason = "one, for the time of parsing")]
enum Verb {
    Node(Node),
    Peer(peer::Peer),
    Bench(bench::Bench),
    Tune(tune::Tune),
}

/// How a program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Not done; one line on stderr says why.
    Failure = 1,
    /// The command line is not understood.
    Usage = 2,
    /// A person has to confirm something first; the line names the flag that does it.
    NeedsConsent = 3,
    /// The benchmark's check sum is wrong, or a way to hash gives other hashes: this machine cannot be trusted.
    WrongSum = 4,
    /// A manager wants the machine to start anew; whoever supervises the program does it.
    Reboot = 10,
    /// A manager wants the machine to be off; whoever supervises the program does it.
    PowerOff = 11,
}

impl Exit {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Ok,
        Self::Failure,
        Self::Usage,
        Self::NeedsConsent,
        Self::WrongSum,
        Self::Reboot,
        Self::PowerOff,
    ];

    /// What it means, as manual pages say it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Failure => "not done; one line on standard error says why",
            Self::Usage => "the command line is not understood, or a value cannot be used",
            Self::NeedsConsent => {
                "a person has to confirm something first; the line names the flag that does it"
            }
            Self::WrongSum => {
                "bench: the check sum is wrong; tune: a way to hash gives other hashes; this machine cannot be trusted"
            }
            Self::Reboot => "node serve --supervised: start the machine anew",
            Self::PowerOff => "node serve --supervised: switch the machine off",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a verb failed: one line for the person, and the exit code for the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the program ends with.
    pub exit: Exit,
    /// What it says on stderr.
    pub line: String,
}

impl Failure {
    /// An ordinary failure.
    pub fn new(line: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Failure,
            line: line.to_string(),
        }
    }

    /// A command line that is not understood.
    pub fn usage(line: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Usage,
            line: line.to_string(),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

/// Runs the command line and says how to exit. `program` is what the help calls it: `miner`, or
/// `miner-ctrl worker` where the controller carries the agent. `args` come without the program.
pub fn run(program: &str, args: &[&str]) -> Exit {
    match parse_and_run(program, args) {
        Ok(()) => Exit::Ok,
        Err(help) if help.exit == Exit::Ok => {
            say(help.line);
            Exit::Ok
        }
        Err(failure) => {
            // With stderr gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "{program}: {}", failure.line);
            failure.exit
        }
    }
}

/// Every verb and flag of `miner`, for completions and manual pages.
pub fn words() -> CommandInfoWithArgs {
    Miner::get_args_info()
}

fn parse_and_run(program: &str, args: &[&str]) -> Result<(), Failure> {
    refuse_secrets(args)?;
    let miner: Miner = parse(program, args)?;
    if miner.version {
        say(format_args!("miner {}", env!("CARGO_PKG_VERSION")));
        return Ok(());
    }
    match miner.verb {
        Some(Verb::Node(node)) => node.run(),
        Some(Verb::Peer(peer)) => peer.run(),
        Some(Verb::Bench(bench)) => bench.run(),
        Some(Verb::Tune(tune)) => tune.run(),
        None => Err(Failure::usage("say what to do; --help lists it")),
    }
}

/// Parses by argh. Help comes as a "failure" of [`Exit::Ok`] whose line is the help text.
pub fn parse<T: TopLevelCommand>(program: &str, args: &[&str]) -> Result<T, Failure> {
    let words: Vec<&str> = program.split(' ').collect();
    T::from_args(&words, args).map_err(|early| {
        if early.status.is_ok() {
            return Failure {
                exit: Exit::Ok,
                line: early.output.trim_end().to_owned(),
            };
        }
        // argh says what is wrong on the first lines and appends the usage.
        let line = early.output.split("\n\n").next().unwrap_or_default();
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        Failure::usage(format!("{line}; --help shows what there is"))
    })
}

/// Refuses arguments that are, or ask for, a secret.
pub fn refuse_secrets(args: &[&str]) -> Result<(), Failure> {
    const FLAGS: [&str; 6] = ["--code", "--key", "--pair", "--pass", "--secret", "--token"];
    for arg in args {
        let flag = arg.split('=').next().unwrap_or_default();
        if FLAGS.contains(&flag) {
            return Err(Failure::usage(format!(
                "{flag} would show a secret to every user of this machine; \
                 use {flag}-file FILE, or {flag}-file - for standard input, where the verb has it"
            )));
        }
        if arg.to_ascii_uppercase().contains("ENR1-") {
            return Err(Failure::usage(
                "an enrolment token is a secret; put it into a file and name the file",
            ));
        }
        if arg.to_ascii_lowercase().contains("mct_") {
            return Err(Failure::usage(
                "an API token is a secret, and no argument of any verb; `api-token revoke` takes its ID",
            ));
        }
        if arg.to_ascii_uppercase().contains("REC1-") {
            return Err(Failure::usage(
                "a recovery key is a secret; put it into a file and name the file",
            ));
        }
    }
    Ok(())
}

/// Prints a line on stdout. A reader that has gone away is no error of ours.
pub fn say(line: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(args: &[&str]) -> Failure {
        parse_and_run("miner", args).expect_err("refused")
    }

    #[test]
    fn a_secret_in_argv_is_refused_with_a_hint() {
        for args in [
            ["node", "serve", "--token", "x"],
            ["node", "serve", "--token=x", "--light"],
            ["node", "serve", "--controller", "enr1-ABCD"],
            ["node", "recover", "--recovery-file", "rec1-ABCD"],
        ] {
            let failure = failure(&args);
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.line.contains("file"), "{}", failure.line);
            assert!(!failure.line.contains("ABCD"), "the secret is not repeated");
        }
    }

    #[test]
    fn what_is_not_understood_is_one_line_and_exit_code_2() {
        for args in [
            &["dig"][..],
            &["node", "serve", "--listen"],
            &["bench", "--hashes", "x"],
            &["node", "serve", "--listen", "9091"],
            &["node", "serve", "--log-level", "loud"],
            &[],
        ] {
            let failure = failure(args);
            assert_eq!(failure.exit, Exit::Usage, "{args:?}");
            assert_eq!(failure.line.lines().count(), 1, "{}", failure.line);
        }
    }

    #[test]
    fn help_is_no_failure() {
        assert_eq!(failure(&["--help"]).exit, Exit::Ok);
        assert!(
            failure(&["node", "serve", "--help"])
                .line
                .contains("--listen")
        );
    }
}

//! `completions` and `man`.

use std::fs;
use std::path::PathBuf;

use argh::{ArgsInfo, FromArgs};
use miner_agent::cli::{Failure, say};

use super::{man, shells};

/// Print a script by which a shell completes verbs and flags: bash, zsh or fish.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "completions")]
pub(in crate::cli) struct Completions {
    /// bash, zsh or fish
    #[argh(positional)]
    shell: String,
}

/// Print the manual page of a verb, or write the pages of all into a folder.
#[derive(Debug, ArgsInfo, FromArgs)]
#[argh(subcommand, name = "man")]
pub(in crate::cli) struct Man {
    /// folder for miner-ctrl.1 and a page per verb, such as ~/.local/share/man/man1
    #[argh(option)]
    dir: Option<PathBuf>,
    /// verb to print the page of; default: the program's own page
    #[argh(positional)]
    verb: Option<String>,
}

impl Completions {
    pub(in crate::cli) fn run(self) -> Result<(), Failure> {
        let script = shells::script(&self.shell).ok_or_else(|| {
            Failure::usage(format!(
                "{:?} is no shell that has completions here; there are {}",
                self.shell,
                shells::NAMES.join(", ")
            ))
        })?;
        say(script.trim_end());
        Ok(())
    }
}

impl Man {
    pub(in crate::cli) fn run(self) -> Result<(), Failure> {
        let pages = man::pages();
        match (self.dir, self.verb) {
            (Some(_), Some(_)) => Err(Failure::usage(
                "--dir writes the pages of all verbs; leave the verb out",
            )),
            (Some(dir), None) => {
                let failed =
                    |error: std::io::Error| Failure::new(format!("{}: {error}", dir.display()));
                fs::create_dir_all(&dir).map_err(failed)?;
                for page in &pages {
                    fs::write(dir.join(page.file_name()), &page.text).map_err(failed)?;
                }
                say(format_args!(
                    "wrote {} pages to {}",
                    pages.len(),
                    dir.display()
                ));
                Ok(())
            }
            (None, verb) => {
                let page = pages.iter().find(|page| page.verb == verb.as_deref());
                let page = page.ok_or_else(|| {
                    Failure::usage("no verb is called that; miner-ctrl --help lists them")
                })?;
                say(page.text.trim_end());
                Ok(())
            }
        }
    }
}

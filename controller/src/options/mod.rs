//! Options: each defined once, read from flags and a file, shown to whoever asks.
//!
//! ```text
//!   service, profile   the tables: key, kind, default, help, since ──▶ docs/OPTIONS.md, GET /options,
//!        │                                                            `config example`, help of flags
//!        ▼
//!   flags of up, node serve ── Layer ─┐
//!   controller.toml ── file ── Layer ─┴─▶ Settings ──▶ what is run        flag > file > default
//! ```
//! A key of the file is the flag without its dashes, and `--no-worker` is `worker = false`. The structs
//! that parse flags and bodies are compared with the tables by tests, so that neither can say what the
//! other does not.

mod describe;
mod example;
mod file;
mod kind;
pub mod profile;
pub mod service;
mod settings;
#[cfg(test)]
pub(crate) mod tests;

pub use self::describe::{OptionView, describe};
pub(crate) use self::example::example;
pub(crate) use self::file::{ConfigFile, Place, default_path, line_of, type_of};
pub use self::kind::{Form, Kind};
pub(crate) use self::settings::{Layer, Origin, Settings};

/// One option.
#[derive(Debug)]
pub struct Definition {
    /// Its name: the key in the file, or the field of a profile.
    pub key: &'static str,
    /// How the command line says it.
    pub flag: Flag,
    /// What values it has.
    pub kind: Kind,
    /// What holds if nobody says anything.
    pub default: Default,
    /// What it does: a clause in lower case, without range and default.
    pub help: &'static str,
    /// First version that knows it.
    pub since: &'static str,
    /// A value that it could have, where the default shows none.
    pub example: &'static str,
    /// What has the option.
    pub of: Of,
    /// Whether its value names a file that holds a secret.
    pub secret: bool,
    /// Whether a change takes hold at the next start only.
    pub restart: bool,
}

/// The flag of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// The key with two dashes before it.
    Same,
    /// `--no-` before the key, which turns it off; and its help.
    No(&'static str),
    /// This one.
    Named(&'static str),
    /// None.
    None,
}

/// What holds if nobody says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    /// This value, as it would be written.
    Is(&'static str),
    /// What these words say.
    Words(&'static str),
    /// Nothing.
    None,
}

/// What has an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// `up` and `node serve`, the latter in every role.
    Both,
    /// The same with a remark for `node serve`: in which roles, or what else it is in one.
    BothBut(&'static str),
    /// `up` alone.
    Up,
    /// A profile.
    Profile,
}

impl Definition {
    /// The flag as it is typed.
    pub fn flag(&self) -> Option<String> {
        match self.flag {
            Flag::Same => Some(format!("--{}", self.key)),
            Flag::No(_) => Some(format!("--no-{}", self.key)),
            Flag::Named(flag) => Some(flag.to_owned()),
            Flag::None => None,
        }
    }

    /// The default as a value; a switch is off unless its flag turns it off.
    pub const fn default_value(&self) -> Option<&'static str> {
        match (self.default, self.flag) {
            (Default::Is(value), _) => Some(value),
            (_, Flag::No(_)) => Some("true"),
            (..) if matches!(self.kind, Kind::Switch) => Some("false"),
            _ => None,
        }
    }

    /// What `--help` says about the flag: help, form and default; for `node serve` the remark too.
    pub fn flag_help(&self, remark: bool) -> String {
        let mut help = match self.flag {
            Flag::No(help) => help,
            _ => self.help,
        }
        .to_owned();
        if let Some(form) = self.kind.form() {
            help += &format!(", {form}");
        }
        if let Default::Is(default) | Default::Words(default) = self.default {
            help += &format!("; default: {default}");
        }
        if let (true, Of::BothBut(but)) = (remark, self.of) {
            help += &format!(" ({but})");
        }
        help
    }
}

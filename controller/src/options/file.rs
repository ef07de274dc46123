//! The configuration file: TOML, flat, every key an option of the service.
//!
//! | refused | because |
//! |---|---|
//! | an unknown key | a slip would otherwise be a silent default; the nearest known one is named |
//! | a value of another type, or out of range | key and line are named |
//! | a file that others may write | they could say who is paid |
//! | a secret in the file | it names a file that holds it, and nobody else may read that one |
//!
//! All problems are found at once, so that `config check` lists them all.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use miner_agent::cli::Failure;
use miner_agent::store::Dirs;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Definition, Flag, Kind, Layer, Origin, service};
use crate::nearest::nearest;
use crate::units::printable;

/// Longest file. All options with long values are under 4 KiB; the rest is for comments.
pub(crate) const MAX_CONFIG_FILE: u64 = 64 * 1024;
/// Keys that people write a password under.
const SECRETS: [&str; 3] = ["pass", "password", "pool-pass"];

/// Where the file is if nobody says: beside `node.json`.
pub(crate) fn default_path(dirs: &Dirs) -> PathBuf {
    dirs.config().join("controller.toml")
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// In which line, if it is about one; from 1.
    pub(crate) line: Option<usize>,
    /// What, on one line.
    pub(crate) what: String,
}

/// A file, read.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    /// What it says, as far as it could be read.
    layer: Layer,
    problems: Vec<Problem>,
    /// Whether it is there.
    exists: bool,
}

impl ConfigFile {
    /// Reads the named file, or the default one, which need not be there.
    pub(crate) fn open(named: Option<&Path>, dirs: &Dirs) -> Result<Self, Failure> {
        let path = named.map_or_else(|| default_path(dirs), Path::to_owned);
        let text = match read(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => None,
            Err(error) => return Err(Failure::new(format!("{}: {error}", path.display()))),
        };
        let mut file = Self::parse(path, text.as_deref().unwrap_or_default());
        file.exists = text.is_some();
        Ok(file)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there.
    pub(crate) const fn exists(&self) -> bool {
        self.exists
    }

    /// What is wrong with it.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What it says, if nothing is wrong.
    pub(crate) fn layer(self) -> Result<Layer, Failure> {
        let Some(first) = self.problems.first() else {
            return Ok(self.layer);
        };
        let place = Place(&self.path, first.line);
        let more = match self.problems.len() - 1 {
            0 => String::new(),
            more => format!("; {more} more, see `miner-ctrl config check`"),
        };
        Err(Failure::usage(format!("{place}: {}{more}", first.what)))
    }

    fn parse(path: PathBuf, text: &str) -> Self {
        let mut file = Self {
            path,
            layer: Layer::default(),
            problems: Vec::new(),
            exists: true,
        };
        // What can be read of a broken file is still looked at: its other problems are told as well.
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| line_of(text, &span));
            file.problem(line, error.message().replace('\n', "; "));
        }
        let mut entries: Vec<_> = table.get_ref().iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let line = line_of(text, &key.span());
            if let Err(what) = file.entry(key.get_ref(), value, line) {
                file.problem(Some(line), what);
            }
        }
        for (of, why, origin) in file.layer.problems() {
            let line = match origin {
                Origin::File(line) => Some(line),
                _ => None,
            };
            file.problem(line, format!("{} cannot be used: {why}", of.key));
        }
        // One slip can be wrong in several ways; the first says enough.
        file.problems.sort_by_key(|problem| problem.line);
        file.problems
            .dedup_by(|later, first| later.line.is_some() && later.line == first.line);
        file
    }

    fn problem(&mut self, line: Option<usize>, what: String) {
        self.problems.push(Problem { line, what });
    }

    fn entry(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        line: usize,
    ) -> Result<(), String> {
        if value.get_ref().is_table() {
            return Err(format!(
                "there are no sections here, and {} is one; every key stands for itself",
                printable(key)
            ));
        }
        let known = service::ALL.iter().find(|of| of.key == key);
        let of = known.ok_or_else(|| unknown(key))?;
        let mut texts = texts(of, value.get_ref())?;
        if matches!(of.kind, Kind::Path) {
            for text in &mut texts {
                *text = self.beside(of, text)?;
            }
        }
        self.layer.say(of, texts, Origin::File(line));
        Ok(())
    }

    /// A name of a file, as seen from the folder of this one.
    fn beside(&self, of: &Definition, name: &str) -> Result<String, String> {
        let key = of.key;
        if name.is_empty() {
            return Err(format!("{key} must name a file"));
        }
        if name.starts_with("~/") {
            return Err(format!("{key}: only a shell knows ~; write the whole path"));
        }
        if name == "-" {
            return Err(format!(
                "{key} must name a file; only a flag can mean standard input by -"
            ));
        }
        let path = self
            .path
            .parent()
            .unwrap_or_else(|| Path::new(""))
            .join(name);
        let meta =
            fs::metadata(&path).map_err(|error| format!("{key}: {}: {error}", path.display()))?;
        if of.secret && meta.is_file() && meta.mode() & 0o077 != 0 {
            let path = path.display();
            return Err(format!(
                "{key}: others may read {path}, which holds a secret; run `chmod 600 {path}`"
            ));
        }
        Ok(path.to_string_lossy().into_owned())
    }
}

/// The text of the file, if nobody else could have written it.
fn read(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    let us = rustix::process::geteuid().as_raw();
    if meta.is_file() && (meta.mode() & 0o022 != 0 || ![us, 0].contains(&meta.uid())) {
        return Err(io::Error::other(
            "others may write this file, and it says who is paid; make it yours and run `chmod go-w` on it",
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_CONFIG_FILE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > MAX_CONFIG_FILE) {
        return Err(io::Error::other(format!(
            "it is longer than {MAX_CONFIG_FILE} bytes"
        )));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8 text"))
}

/// What to say about a key that is no option.
fn unknown(key: &str) -> String {
    let key = printable(key);
    let key = key.as_str();
    if SECRETS.contains(&key) {
        return format!(
            "{key} would be a secret in this file; put it into a file of its own and write pass-file = \"FILE\""
        );
    }
    let negated = |of: &&&Definition| {
        matches!(of.flag, Flag::No(_)) && key.strip_prefix("no-") == Some(of.key)
    };
    if let Some(of) = service::ALL.iter().find(negated) {
        return format!("{key} is a flag; here it is {} = false", of.key);
    }
    match nearest(key, service::ALL.iter().map(|of| of.key)) {
        Some(known) => format!("there is no key {key}; did you mean {known}?"),
        None => format!("there is no key {key}; `miner-ctrl config example` shows all"),
    }
}

/// The value as texts, if it has the type of the option.
fn texts(of: &Definition, value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let wrong = |wanted: &str| {
        Err(format!(
            "{} must be {wanted}, not {}",
            of.key,
            type_of(value)
        ))
    };
    match (of.kind, value) {
        (Kind::Switch, DeValue::Boolean(is_on)) => Ok(vec![is_on.to_string()]),
        (Kind::Switch, _) => wrong("true or false, without quotes"),
        // TOML's `1_000` and `0x10` are numbers too.
        (Kind::Whole { .. }, DeValue::Integer(number)) => {
            let digits = number.as_str().replace('_', "");
            match u64::from_str_radix(&digits, number.radix()) {
                Ok(number) => Ok(vec![number.to_string()]),
                Err(_) => wrong("a number that is not so large"),
            }
        }
        (Kind::Whole { .. }, _) => wrong("a whole number, without quotes"),
        (Kind::List { .. }, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| item.get_ref().as_str());
            match texts.map(|text| text.map(str::to_owned)).collect() {
                Some(texts) => Ok(texts),
                None => wrong("a list of texts in quotes"),
            }
        }
        (Kind::List { .. }, _) => wrong("a list of texts, such as [\"a\", \"b\"]"),
        (_, DeValue::String(text)) => Ok(vec![text.clone().into_owned()]),
        _ => wrong("a text in quotes"),
    }
}

/// What a value is, in words.
pub(crate) fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// The line of a place in the text, from 1.
pub(crate) fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().get(..span.start).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// `FILE:LINE`.
pub(crate) struct Place<'a>(pub(crate) &'a Path, pub(crate) Option<usize>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.display())?;
        self.1.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

//! What was said by flags and file, and what holds.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use miner_agent::cli::Failure;

use super::{Definition, Flag, Kind, service};

/// Who said it. The later in order wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// Nobody.
    Default,
    /// The file, in this line.
    File(usize),
    /// A flag.
    Flag,
}

/// What one source says: texts by key, more than one where the kind is a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer(BTreeMap<&'static str, (Vec<String>, Origin)>);

impl Layer {
    /// Notes what was said.
    pub(super) fn say(&mut self, of: &Definition, texts: Vec<String>, origin: Origin) {
        self.0.insert(of.key, (texts, origin));
    }

    /// What flags with a value say.
    pub(crate) fn texts<const N: usize>(
        mut self,
        flags: [(&Definition, Option<String>); N],
    ) -> Self {
        for (of, text) in flags {
            if let Some(text) = text {
                self.say(of, vec![text], Origin::Flag);
            }
        }
        self
    }

    /// What switches say: one that is given turns its option on, or off if it begins with `--no-`.
    pub(crate) fn switches<const N: usize>(mut self, flags: [(&Definition, bool); N]) -> Self {
        for (of, given) in flags {
            if given {
                let is_on = !matches!(of.flag, Flag::No(_));
                self.say(of, vec![is_on.to_string()], Origin::Flag);
            }
        }
        self
    }

    /// What a flag says that may be given more than once.
    pub(crate) fn list(mut self, of: &Definition, texts: Vec<String>) -> Self {
        if !texts.is_empty() {
            self.say(of, texts, Origin::Flag);
        }
        self
    }

    /// Whether the source says something of it.
    pub(super) fn says(&self, of: &Definition) -> bool {
        self.0.contains_key(of.key)
    }

    /// Every text that is no value of its option: key, why, and who said it.
    pub(super) fn problems(&self) -> Vec<(&'static Definition, String, Origin)> {
        let mut problems = Vec::new();
        for &of in service::ALL {
            let Some((texts, origin)) = self.0.get(of.key) else {
                continue;
            };
            if let Kind::List { max, .. } = of.kind
                && texts.len() > max
            {
                problems.push((of, format!("it has at most {max}"), *origin));
            }
            let why = texts.iter().find_map(|text| of.kind.check(text).err());
            problems.extend(why.map(|why| (of, why, *origin)));
        }
        problems
    }
}

/// What holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(Layer);

impl Settings {
    /// Flags over the file over defaults. A flag also hides what the file says instead of it, such as
    /// `user-file` where `--user` is given.
    pub(crate) fn of(flags: Layer, file: Layer) -> Result<Self, Failure> {
        if let Some((of, why, _)) = flags.problems().into_iter().next() {
            let flag = of.flag().unwrap_or_default();
            return Err(Failure::usage(format!("{flag} cannot be used: {why}")));
        }
        let mut layer = file;
        for group in service::ALTERNATIVES {
            if group.iter().any(|of| flags.says(of)) {
                for of in group {
                    layer.0.remove(of.key);
                }
            }
        }
        layer.0.extend(flags.0);
        Ok(Self(layer))
    }

    /// Who said what holds.
    pub(crate) fn origin(&self, of: &Definition) -> Origin {
        self.0
            .0
            .get(of.key)
            .map_or(Origin::Default, |(_, origin)| *origin)
    }

    /// All texts of an option, the default's if nobody said anything.
    pub(crate) fn texts<'a>(&'a self, of: &Definition) -> Vec<&'a str> {
        match self.0.0.get(of.key) {
            Some((texts, _)) => texts.iter().map(String::as_str).collect(),
            None => of.default_value().into_iter().collect(),
        }
    }

    /// The text of an option.
    pub(crate) fn text<'a>(&'a self, of: &Definition) -> Option<&'a str> {
        self.texts(of).into_iter().next()
    }

    /// Whether somebody said something of it.
    pub(crate) fn is_said(&self, of: &Definition) -> bool {
        self.0.says(of)
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, of: &Definition) -> bool {
        self.text(of) == Some("true")
    }

    /// The name of a file.
    pub(crate) fn path(&self, of: &Definition) -> Option<PathBuf> {
        self.text(of).map(PathBuf::from)
    }

    /// The value of an option.
    pub(crate) fn get<T: FromStr<Err: Display>>(
        &self,
        of: &Definition,
    ) -> Result<Option<T>, Failure> {
        Ok(self.list(of)?.into_iter().next())
    }

    /// All values of an option.
    pub(crate) fn list<T: FromStr<Err: Display>>(
        &self,
        of: &Definition,
    ) -> Result<Vec<T>, Failure> {
        let values = self.texts(of).into_iter().map(|text| {
            let value = text.parse();
            // The kind's check has passed; only a type that is stricter than its kind gets here.
            value.map_err(|why| Failure::usage(format!("{} cannot be used: {why}", of.key)))
        });
        values.collect()
    }
}

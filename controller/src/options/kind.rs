//! What values an option has, and the one check of them.

use std::fmt::Display;
use std::str::FromStr;

/// What values an option has. Everywhere they are texts: of a flag, of the file, of a form.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// On or off.
    Switch,
    /// A whole number from `min` to `max`.
    Whole {
        /// The least.
        min: u64,
        /// The greatest.
        max: u64,
    },
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The name of a file.
    Path,
    /// A text with a form of its own.
    Text(Form),
    /// Up to `max` such texts.
    List {
        /// Of each.
        form: Form,
        /// How many.
        max: usize,
    },
}

/// The form of a text.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// As help shows it, such as `HOST:PORT`; empty if there is nothing to say.
    pub shown: &'static str,
    /// Whether a text has it, and if not, why.
    pub check: fn(&str) -> Result<(), String>,
}

impl Form {
    /// The form that `T` reads.
    pub const fn of<T: FromStr<Err: Display>>(shown: &'static str) -> Self {
        Self {
            shown,
            check: |text| match text.parse::<T>() {
                Ok(_) => Ok(()),
                Err(why) => Err(why.to_string()),
            },
        }
    }
}

impl Kind {
    /// Whether this text is such a value, and if not, why: a clause that begins with "it".
    pub fn check(&self, text: &str) -> Result<(), String> {
        match self {
            Self::Switch if matches!(text, "true" | "false") => Ok(()),
            Self::Switch => Err("it is true or false".to_owned()),
            Self::Whole { min, max } => match text.parse::<u64>() {
                Ok(number) if (*min..=*max).contains(&number) => Ok(()),
                _ => Err(format!("it is a whole number from {min} to {max}")),
            },
            Self::OneOf(words) if words.contains(&text) => Ok(()),
            Self::OneOf(words) => Err(format!("it is {}", one_of(words))),
            Self::Path if text.is_empty() => Err("it is the name of a file".to_owned()),
            Self::Path => Ok(()),
            Self::Text(form) | Self::List { form, .. } => (form.check)(text),
        }
    }

    /// The values as help shows them, where they need words.
    pub fn form(&self) -> Option<String> {
        match self {
            Self::Switch | Self::Path => None,
            Self::Whole { min, max } => Some(format!("{min} to {max}")),
            Self::OneOf(words) => Some(one_of(words)),
            Self::Text(form) | Self::List { form, .. } => {
                (!form.shown.is_empty()).then(|| form.shown.to_owned())
            }
        }
    }

    /// The type in the file, in JSON and in the table of docs/OPTIONS.md.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Switch => "boolean",
            Self::Whole { .. } => "integer",
            Self::OneOf(_) | Self::Path | Self::Text(_) => "string",
            Self::List { .. } => "array",
        }
    }
}

/// `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

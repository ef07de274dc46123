//! Which rigs: the selector language of REST, page and command line.
//!
//! ```text
//!   selector = "all" | term { blank term }            every term must hold
//!   term     = [ "!" ] key op value { "," value }     one of the values must fit
//!   op       = "=" | "!=" | "~" | "!~" | "<" | "<=" | ">" | ">="
//!   value    = characters but blank , "     |  '"' characters but " '"'     |  nothing: unknown, none
//! ```
//!
//! | example | rigs |
//! |---|---|
//! | `group=shed tag!=old` | in the group `shed` and without the tag `old` |
//! | `name=rig-1*,rig-2*` | whose name begins so: `*` is any run of characters |
//! | `cpu~5950x` | whose processor's name holds it, in any case |
//! | `state=offline seen>1h` | without a link for more than an hour |
//! | `hashrate<12.5kH` | that hash, and slower than that |
//! | `group=` | in no group |
//!
//! What is not known fits nothing, negated or not: `cpu!~EPYC` leaves out rigs whose processor nobody
//! knows. Having no group, site, tag or profile is known, so `tag!=old` holds for a rig without tags.
//!
//! Pure: text to [`Selector`] ([`parse`]), and a selector on [`Facts`] to yes or no. What each key
//! means is in [`keys`]; where a rig's facts come from in `farm::facts`.

mod keys;
mod parse;
#[cfg(test)]
mod tests;

pub use self::keys::Key;
pub use self::parse::SelectError;

/// Bytes of a selector.
pub const MAX_SELECTOR: usize = 1024;
/// Terms of a selector.
pub const MAX_TERMS: usize = 16;
/// Values in all terms together: what the work per rig is bounded by.
pub const MAX_VALUES: usize = 64;

/// Which rigs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    source: String,
    /// None is all rigs: a text without a term is not understood.
    terms: Vec<Term>,
}

/// What a selector asks about one rig.
pub trait Facts {
    /// Whether one of the texts under this key passes; `None` if there is none. Not called for keys
    /// of numbers.
    fn any(&self, key: Key, passes: &dyn Fn(&str) -> bool) -> Option<bool>;

    /// The number under this key, in the unit that [`Key`] says, if it is known. Called for keys of
    /// numbers alone.
    fn number(&self, key: Key) -> Option<u64>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    key: Key,
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Texts(Vec<Pattern>),
    Numbers(Compare, Vec<Option<u64>>),
}

/// What a text has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    /// Not there.
    Nothing,
    /// These parts in order, whatever is between them: what `*` separates. One part is the whole.
    Parts(Vec<String>),
    /// Holding this, in any case; it is in lower case here.
    Holds(String),
    /// This word, in any case.
    Word(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Selector {
    /// All rigs.
    pub fn all() -> Self {
        Self {
            source: parse::ALL.to_owned(),
            terms: Vec::new(),
        }
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether it takes a rig with these facts.
    pub fn takes(&self, rig: &impl Facts) -> bool {
        self.terms.iter().all(|term| term.holds(rig))
    }
}

impl Term {
    fn holds(&self, rig: &impl Facts) -> bool {
        let nothing_fits = match &self.test {
            Test::Texts(patterns) => patterns.contains(&Pattern::Nothing),
            Test::Numbers(_, values) => values.contains(&None),
        };
        let fits = match &self.test {
            Test::Texts(patterns) => {
                rig.any(self.key, &|text| patterns.iter().any(|p| p.fits(text)))
            }
            Test::Numbers(compare, values) => rig.number(self.key).map(|number| {
                let mut known = values.iter().flatten();
                known.any(|value| compare.holds(number, *value))
            }),
        };
        match fits {
            Some(fits) => fits != self.negated,
            None if nothing_fits => !self.negated,
            None => self.negated && self.key.absence_is_known(),
        }
    }
}

impl Pattern {
    fn fits(&self, text: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Parts(parts) => fits_parts(parts, text),
            Self::Holds(part) => holds(text, part),
            Self::Word(word) => text.eq_ignore_ascii_case(word),
        }
    }
}

fn fits_parts(parts: &[String], text: &str) -> bool {
    let (first, rest) = match parts {
        [] => return text.is_empty(),
        [whole] => return text == whole,
        [first, rest @ ..] => (first, rest),
    };
    let Some(mut left) = text.strip_prefix(first.as_str()) else {
        return false;
    };
    let Some((last, middle)) = rest.split_last() else {
        return false;
    };
    // The earliest place of each part leaves the most for those behind it.
    for part in middle {
        match left.split_once(part.as_str()) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(last.as_str())
}

/// Whether the text holds this part, which is in lower case, in any case of ASCII letters.
fn holds(text: &str, part: &str) -> bool {
    let mut windows = text.as_bytes().windows(part.len().max(1));
    windows.any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

impl Compare {
    const fn holds(self, number: u64, value: u64) -> bool {
        match self {
            Self::Equal => number == value,
            Self::Less => number < value,
            Self::AtMost => number <= value,
            Self::More => number > value,
            Self::AtLeast => number >= value,
        }
    }
}

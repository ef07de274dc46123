//! From text to a selector, or to what is wrong with it and where.

use std::fmt;
use std::str::FromStr;

use super::keys::{KEYS, Kind};
use super::{Compare, Key, MAX_SELECTOR, MAX_TERMS, MAX_VALUES, Pattern, Selector, Term, Test};
use crate::nearest::nearest;

/// The selector of all rigs.
pub(super) const ALL: &str = "all";

/// Why a text is no selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectError {
    /// Characters of the text before the place.
    pub at: usize,
    /// What is wrong there.
    pub why: String,
}

impl SelectError {
    /// The text with a mark under the place, on two lines. Control characters are the caller's
    /// concern.
    pub fn caret(&self, text: &str) -> String {
        format!("{text}\n{:width$}^", "", width = self.at)
    }
}

impl fmt::Display for SelectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.at + 1, self.why)
    }
}

impl std::error::Error for SelectError {}

/// How a term relates its key to its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Is,
    Holds,
    Than(Compare),
}

/// Longest first, so that none is taken for the beginning of another.
const RELATIONS: &[(&str, Relation, bool)] = &[
    ("!=", Relation::Is, true),
    ("!~", Relation::Holds, true),
    ("<=", Relation::Than(Compare::AtMost), false),
    (">=", Relation::Than(Compare::AtLeast), false),
    ("=", Relation::Is, false),
    ("~", Relation::Holds, false),
    ("<", Relation::Than(Compare::Less), false),
    (">", Relation::Than(Compare::More), false),
];

impl FromStr for Selector {
    type Err = SelectError;

    fn from_str(text: &str) -> Result<Self, SelectError> {
        if text.len() > MAX_SELECTOR {
            return Err(SelectError {
                at: 0,
                why: format!("it is longer than {MAX_SELECTOR} bytes"),
            });
        }
        if text.trim() == ALL {
            return Ok(Self::all());
        }
        let mut parser = Parser { text, rest: text };
        let terms = parser.terms()?;
        Ok(Self {
            source: text.trim().to_owned(),
            terms,
        })
    }
}

struct Parser<'a> {
    text: &'a str,
    /// What is still to be read: an end of `text`.
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn terms(&mut self) -> Result<Vec<Term>, SelectError> {
        let (mut terms, mut values) = (Vec::new(), 0);
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() {
                break;
            }
            let from = self.rest;
            let term = self.term()?;
            values += match &term.test {
                Test::Texts(values) => values.len(),
                Test::Numbers(_, values) => values.len(),
            };
            terms.push(term);
            if terms.len() > MAX_TERMS || values > MAX_VALUES {
                let why = format!("it has more than {MAX_TERMS} terms or {MAX_VALUES} values");
                return Err(self.wrong(from, why));
            }
        }
        if terms.is_empty() {
            let why = format!("it is empty; `{ALL}` is every rig");
            return Err(self.wrong(self.rest, why));
        }
        Ok(terms)
    }

    fn term(&mut self) -> Result<Term, SelectError> {
        let not = self.rest.strip_prefix('!');
        self.rest = not.unwrap_or(self.rest);
        let from = self.rest;
        let word = self.until(|c| c.is_whitespace() || "=!~<>,\"".contains(c));
        let Some((relation, negated)) = self.relation() else {
            let why = match word {
                "" => "a term begins with a key, such as group=shed".to_owned(),
                ALL => format!("`{ALL}` stands alone"),
                word if key(word).is_some() => format!("say which {word}: {word}=…"),
                word => format!("{word:?} is no term; a rig's name is name={word}"),
            };
            return Err(self.wrong(from, why));
        };
        let Some((_, key, kind)) = key(word) else {
            let known = KEYS.iter().map(|(name, ..)| *name);
            let meant = nearest(word, known.clone()).map_or_else(
                || format!("known are {}", known.collect::<Vec<_>>().join(", ")),
                |meant| format!("did you mean {meant}?"),
            );
            return Err(self.wrong(from, format!("nothing is known as {word:?}: {meant}")));
        };
        let test = self.test(*kind, relation)?;
        Ok(Term {
            key: *key,
            negated: negated != not.is_some(),
            test,
        })
    }

    fn relation(&mut self) -> Option<(Relation, bool)> {
        RELATIONS.iter().find_map(|(sign, relation, negated)| {
            self.rest = self.rest.strip_prefix(sign)?;
            Some((*relation, *negated))
        })
    }

    fn test(&mut self, kind: Kind, relation: Relation) -> Result<Test, SelectError> {
        let from = self.rest;
        match (kind, relation) {
            (Kind::Text, Relation::Is) => Ok(Test::Texts(self.values(|text, quoted| {
                let parts = text.split(|c| c == '*' && !quoted);
                Ok(match text {
                    "" => Pattern::Nothing,
                    _ => Pattern::Parts(parts.map(str::to_owned).collect()),
                })
            })?)),
            (Kind::Text, Relation::Holds) => {
                Ok(Test::Texts(self.values(|text, _| match text {
                    "" => Err("~ needs a text to look for".to_owned()),
                    text => Ok(Pattern::Holds(text.to_ascii_lowercase())),
                })?))
            }
            (Kind::Words(words), Relation::Is) => {
                Ok(Test::Texts(self.values(|text, _| match text {
                    "" => Ok(Pattern::Nothing),
                    text => known_word(words, text).map(Pattern::Word),
                })?))
            }
            (Kind::Number(units, form), Relation::Is) => {
                let values = self.values(|text, _| match text {
                    "" => Ok(None),
                    text => number(text, units).map(Some).ok_or_else(|| form.to_owned()),
                })?;
                Ok(Test::Numbers(Compare::Equal, values))
            }
            (Kind::Number(units, form), Relation::Than(compare)) => {
                let read = |text: &str, _| number(text, units).ok_or_else(|| form.to_owned());
                match self.values(read)?.as_slice() {
                    [value] => Ok(Test::Numbers(compare, vec![Some(*value)])),
                    _ => Err(self.wrong(from, "it is compared with one number alone".to_owned())),
                }
            }
            (Kind::Number(..), Relation::Holds) => {
                Err(self.wrong(from, "numbers are compared by = < <= > >=".to_owned()))
            }
            (Kind::Text, Relation::Than(_)) => {
                Err(self.wrong(from, "texts are compared by = and ~".to_owned()))
            }
            (Kind::Words(_), _) => Err(self.wrong(from, "words are compared by =".to_owned())),
        }
    }

    /// The values of a term, each read by this; whether it was quoted is said too.
    fn values<T>(
        &mut self,
        read: impl Fn(&str, bool) -> Result<T, String>,
    ) -> Result<Vec<T>, SelectError> {
        let mut values = Vec::new();
        loop {
            let from = self.rest;
            let (text, quoted) = match self.rest.strip_prefix('"') {
                None => (
                    self.until(|c| c.is_whitespace() || ",\"".contains(c)),
                    false,
                ),
                Some(rest) => match rest.split_once('"') {
                    Some((text, rest)) => {
                        self.rest = rest;
                        (text, true)
                    }
                    None => return Err(self.wrong(from, "its \" is missing at the end".to_owned())),
                },
            };
            values.push(read(text, quoted).map_err(|why| self.wrong(from, why))?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            } else if self.rest.starts_with(|c: char| !c.is_whitespace()) {
                let why = "a value ends with a blank, or a comma before another value";
                return Err(self.wrong(self.rest, why.to_owned()));
            } else {
                return Ok(values);
            }
        }
    }

    /// Reads up to the first such character.
    fn until(&mut self, ends: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// An error where this end of the text begins.
    fn wrong(&self, from: &str, why: String) -> SelectError {
        let before = self.text.len().saturating_sub(from.len());
        let at = self.text.get(..before).unwrap_or_default().chars().count();
        SelectError { at, why }
    }
}

fn key(word: &str) -> Option<&'static (&'static str, Key, Kind)> {
    KEYS.iter().find(|(name, ..)| *name == word)
}

fn known_word(words: &'static [&'static str], text: &str) -> Result<&'static str, String> {
    let known = words.iter().find(|word| word.eq_ignore_ascii_case(text));
    known.copied().ok_or_else(|| {
        let meant = nearest(text, words.iter().copied());
        let meant = meant.map_or(String::new(), |word| format!("; did you mean {word}?"));
        format!("{text:?} is none of {}{meant}", words.join(", "))
    })
}

/// A number such as `12.5kH` in the smallest unit, rounded down.
fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (figure, unit) = text.split_at(end.unwrap_or(text.len()));
    let known = units
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit));
    let (whole, part) = figure.split_once('.').unwrap_or((figure, "0"));
    if whole.is_empty() || part.is_empty() {
        return None;
    }
    let scale = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
    let whole = whole.parse::<u128>().ok()?.checked_mul(scale)?;
    let digits = whole.checked_add(part.parse::<u128>().ok()?)?;
    let all = digits.checked_mul(u128::from(known?.1))?;
    u64::try_from(all / scale).ok()
}

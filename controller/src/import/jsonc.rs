//! JSON as XMRig reads it: with `//` and `/* */` comments and commas before a closing bracket.
//!
//! Both are replaced by blanks, so that line and column of an error are those of the file. A key that
//! is there twice is an error: which of the two counts differs between programs, and it may be the wallet.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// A value. Objects keep the order of the file, so that the report can.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(Object),
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Object(pub(super) Vec<(String, Value)>);

impl Object {
    /// Parses a whole file, which must be an object.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let plain = plain(text)?;
        match serde_json::from_str(&plain) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err("the file holds JSON, but no object".to_owned()),
            Err(error) => Err(format!("the file is no JSON: {error}")),
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value)
    }
}

impl Value {
    /// A whole number that is not negative.
    pub(super) fn as_whole(&self) -> Option<u32> {
        match self {
            Self::Number(number) if number.fract() == 0.0 => {
                let whole = format!("{number}");
                whole.parse().ok()
            }
            _ => None,
        }
    }
}

/// The text without comments and without commas before a closing bracket; blanks stand for them.
fn plain(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .chars()
        .peekable();
    // Where the last comma is, if only blanks and comments came after it, and a value before it.
    let mut comma = None;
    let mut last = '{';
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                (comma, last) = (None, c);
                out.push(c);
                let mut escaped = false;
                for c in chars.by_ref() {
                    out.push(c);
                    match c {
                        '"' if !escaped => break,
                        '\\' => escaped = !escaped,
                        _ => escaped = false,
                    }
                }
            }
            '/' if chars.peek() == Some(&'/') => {
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    out.extend(blanks(c));
                }
                out.push(' ');
            }
            '/' if chars.peek() == Some(&'*') => {
                let mut before = ' ';
                let mut ended = false;
                out.push(' ');
                // The star of the opening is no star of a closing.
                out.extend(chars.next().map(|_| ' '));
                for c in chars.by_ref() {
                    out.extend(blanks(c));
                    if before == '*' && c == '/' {
                        ended = true;
                        break;
                    }
                    before = c;
                }
                if !ended {
                    return Err(
                        "the file is no JSON: a comment that /* begins does not end".to_owned()
                    );
                }
            }
            '}' | ']' => {
                if let Some(at) = comma.take() {
                    out.replace_range(at..=at, " ");
                }
                last = c;
                out.push(c);
            }
            ',' => {
                comma = (!"{[,".contains(last)).then_some(out.len());
                last = c;
                out.push(c);
            }
            c => {
                if !c.is_whitespace() {
                    (comma, last) = (None, c);
                }
                out.push(c);
            }
        }
    }
    Ok(out)
}

/// As many blanks as the character has bytes; a line stays one.
fn blanks(c: char) -> impl Iterator<Item = char> {
    let blank = if c == '\n' { '\n' } else { ' ' };
    std::iter::repeat_n(blank, c.len_utf8())
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no option needs more than 53 bits"
    )]
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "no option needs more than 53 bits"
    )]
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Object::default();
        while let Some(key) = entries.next_key::<String>()? {
            if object.get(&key).is_some() {
                return Err(A::Error::custom(format_args!("{key:?} is there twice")));
            }
            let value = entries.next_value()?;
            object.0.push((key, value));
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<String> {
        let object = Object::parse(text).expect("an object");
        object.0.into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn comments_and_last_commas_are_no_part_of_it() {
        let text = "{ // one, \"two\"\n \"a\": [1, 2, /* three */ ], /**/ \"b\": \"x // y /* z */, ]\", \n}";
        assert_eq!(keys(text), ["a", "b"]);
        let object = Object::parse(text).expect("an object");
        let text = Value::Text("x // y /* z */, ]".to_owned());
        assert_eq!(object.get("b"), Some(&text));
        assert_eq!(keys("\u{feff}{\"é\\\"\": 1, // ü\n}"), ["é\""]);
    }

    #[test]
    fn an_error_has_the_line_of_the_file() {
        let text = "{\n /* é\n two */ \"a\": 1,\n \"b\" 2 }";
        let why = Object::parse(text).expect_err("no colon");
        assert!(why.ends_with("at line 4 column 6"), "{why}");
    }

    #[test]
    fn what_is_no_object_with_each_key_once_is_refused() {
        for text in [
            "",
            "[]",
            "{",
            "{\"a\": 1,, }",
            "{} {}",
            "/* {}",
            "{\"a\":1, \"a\":2}",
            "{,}",
        ] {
            assert!(Object::parse(text).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(Object::parse(&deep).is_err());
    }

    #[test]
    fn whole_numbers_are_those_without_a_fraction_or_a_sign() {
        let whole = |number| Value::Number(number).as_whole();
        assert_eq!(whole(4.0), Some(4));
        for number in [-1.0, 0.5, 1e300, f64::NAN] {
            assert_eq!(whole(number), None, "{number}");
        }
    }
}

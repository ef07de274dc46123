//! Reading: a value is a piece of text that was checked.
//!
//! | rule | |
//! |---|---|
//! | depth | at most [`MAX_DEPTH`] objects and arrays inside each other |
//! | keys that come twice | the last one counts |
//! | numbers | any JSON number is skipped over; only 0 ..= 2^64-1 without fraction is read |
//! | strings | `\uXXXX` in pairs as needed; half a pair reads as U+FFFD |
//! | after the value | white space only |

use core::fmt;
use core::str::{CharIndices, FromStr};

use super::cursor::Cursor;
use crate::text::Text;

/// Deepest nesting that is read; stratum needs four.
pub const MAX_DEPTH: usize = 8;

/// One JSON value, known to be well-formed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(pub(super) &'a str);

/// A string as it stands in the text: escaped, without its quotes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Str<'a>(&'a str);

/// Why bytes are no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonError {
    /// Not UTF-8.
    NotUtf8,
    /// Not a JSON text.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
}

impl<'a> Value<'a> {
    /// Checks that the bytes are exactly one value.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JsonError> {
        let text = core::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
        let mut cursor = Cursor::new(text);
        let value = cursor.value(MAX_DEPTH)?;
        if cursor.is_at_end() {
            Ok(value)
        } else {
            Err(JsonError::Syntax)
        }
    }

    /// The text of the value, without space around it.
    pub const fn as_json(self) -> &'a str {
        self.0
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// Whether it is an object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether it is an array.
    pub fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    /// The member of this name, if the value is an object that has one; the last of several.
    pub fn get(self, key: &str) -> Option<Self> {
        self.members()
            .filter(|(name, _)| name.is(key))
            .last()
            .map(|(_, value)| value)
    }

    /// The members of an object in order; nothing for any other value.
    pub fn members(self) -> Members<'a> {
        Members(Cursor::new(self.0.strip_prefix('{').unwrap_or_default()))
    }

    /// The items of an array in order; nothing for any other value.
    pub fn items(self) -> Items<'a> {
        Items(Cursor::new(self.0.strip_prefix('[').unwrap_or_default()))
    }

    /// The truth value, if it is one.
    pub fn as_bool(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The number, if it is one from 0 to 2^64-1 written without fraction or exponent.
    pub fn as_u64(self) -> Option<u64> {
        // A JSON number that passed the check has no plus sign, so this reads digits only.
        u64::from_str(self.0).ok()
    }

    /// The string, if it is one.
    pub fn as_str(self) -> Option<Str<'a>> {
        let inner = self.0.strip_prefix('"')?;
        inner.strip_suffix('"').map(Str)
    }

    /// The string as bounded text, if it is one that [`Text`] accepts.
    pub fn text<const N: usize>(self) -> Option<Text<N>> {
        let unescaped = self.as_str()?.unescape::<N>()?;
        Text::parse(&unescaped).ok()
    }
}

impl<'a> Str<'a> {
    /// Its characters.
    pub fn chars(self) -> Chars<'a> {
        Chars(self.0.char_indices())
    }

    /// Whether it reads as exactly this text.
    pub fn is(self, text: &str) -> bool {
        self.chars().eq(text.chars())
    }

    /// The string itself, if it fits `N` bytes.
    pub fn unescape<const N: usize>(self) -> Option<heapless::String<N>> {
        let mut out = heapless::String::new();
        for c in self.chars() {
            out.push(c).ok()?;
        }
        Some(out)
    }

    /// What fits of it, control characters replaced: for text that is only shown.
    pub fn lossy<const N: usize>(self) -> Text<N> {
        let mut out = heapless::String::<N>::new();
        for c in self.chars() {
            if out.push(c).is_err() {
                break;
            }
        }
        Text::lossy(&out)
    }
}

/// Iterates over the characters of a [`Str`].
#[derive(Clone, Debug)]
pub struct Chars<'a>(CharIndices<'a>);

impl Iterator for Chars<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.0.next()? {
            (_, '\\') => Some(self.escape().unwrap_or(char::REPLACEMENT_CHARACTER)),
            (_, c) => Some(c),
        }
    }
}

impl Chars<'_> {
    fn escape(&mut self) -> Option<char> {
        Some(match self.0.next()?.1 {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.code_point(),
            same => same,
        })
    }

    /// After `\u`: one code unit, or a surrogate pair.
    fn code_point(&mut self) -> Option<char> {
        let first = self.code_unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        // Look ahead for the other half; without it the first half stands alone and is replaced.
        let mut ahead = self.clone();
        if (ahead.0.next()?.1, ahead.0.next()?.1) != ('\\', 'u') {
            return None;
        }
        let second = ahead.code_unit()?;
        if !(0xdc00..0xe000).contains(&second) {
            return None;
        }
        *self = ahead;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn code_unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | self.0.next()?.1.to_digit(16)?;
        }
        Some(unit)
    }
}

/// Iterates over the members of an object.
#[derive(Clone, Debug)]
pub struct Members<'a>(Cursor<'a>);

impl<'a> Iterator for Members<'a> {
    type Item = (Str<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.string().ok()?;
        self.0.expect(b':').ok()?;
        // Checked before with the real depth; MAX_DEPTH cannot be exceeded here.
        let value = self.0.value(MAX_DEPTH).ok()?;
        self.0.take(b',');
        Some((Str(key), value))
    }
}

/// Iterates over the items of an array.
#[derive(Clone, Debug)]
pub struct Items<'a>(Cursor<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let value = self.0.value(MAX_DEPTH).ok()?;
        self.0.take(b',');
        Some(value)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Lines carry logins and passwords, so their text stays out of logs.
        write!(f, "Value({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Str<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Str({} bytes)", self.0.len())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "not UTF-8",
            Self::Syntax => "not JSON",
            Self::TooDeep => "nested too deep",
        })
    }
}

impl core::error::Error for JsonError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Value<'_> {
        Value::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn members_are_found_wherever_they_stand_and_the_last_counts() {
        let value = parse(r#" {"a":{"b":[1,{"a":2}]}, "id" : 1 ,"i\u0064":7,"c":null} "#);
        assert_eq!(value.get("id").and_then(Value::as_u64), Some(7));
        let inner = value.get("a").and_then(|a| a.get("b")).expect("there");
        assert_eq!(inner.items().count(), 2);
        assert_eq!(
            inner.items().nth(1).and_then(|v| v.get("a")?.as_u64()),
            Some(2)
        );
        assert!(value.get("c").expect("there").is_null());
        assert!(value.get("b").is_none(), "not a member of the outer object");
    }

    #[test]
    fn numbers_beyond_u64_are_refused_never_wrapped() {
        assert_eq!(parse("18446744073709551615").as_u64(), Some(u64::MAX));
        for text in [
            "18446744073709551616",
            "-1",
            "1.5",
            "1e3",
            "1.0",
            "\"1\"",
            "true",
        ] {
            assert_eq!(parse(text).as_u64(), None, "{text}");
        }
    }

    #[test]
    fn strings_are_unescaped_into_a_bound() {
        let text = parse(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#)
            .as_str()
            .expect("string");
        let plain = text.unescape::<32>().expect("fits");
        assert_eq!(plain.as_str(), "a\"\\/\u{8}\u{c}\n\r\té😀");
        assert_eq!(text.unescape::<8>(), None);
        for half in [
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ude00""#,
            r#""\ud83d\n""#,
        ] {
            assert!(
                parse(half)
                    .as_str()
                    .expect("string")
                    .chars()
                    .any(|c| c == '\u{fffd}')
            );
        }
        assert_eq!(
            parse(r#""a\u001b[2J""#).text::<16>(),
            None,
            "control characters"
        );
        assert_eq!(
            parse(r#""a\u001bb""#)
                .as_str()
                .expect("string")
                .lossy::<2>()
                .as_str(),
            "a?"
        );
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "tru",
            "nulls",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\u{1}\"",
            "1 2",
            "{} {}",
            "'a'",
            "NaN",
            "/* */1",
            "[1 2]",
            "{\"a\" 1}",
        ] {
            assert_eq!(
                Value::parse(bad.as_bytes()),
                Err(JsonError::Syntax),
                "{bad}"
            );
        }
        assert_eq!(Value::parse(b"\"\xff\""), Err(JsonError::NotUtf8));
    }

    #[test]
    fn eight_levels_are_read_and_nine_are_not() {
        let nested = |depth| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(Value::parse(nested(8).as_bytes()).is_ok());
        assert_eq!(Value::parse(nested(9).as_bytes()), Err(JsonError::TooDeep));
        let bomb = "[{\"a\":".repeat(10_000);
        assert_eq!(Value::parse(bomb.as_bytes()), Err(JsonError::TooDeep));
    }

    /// Looks at every value of a text.
    fn walk(value: Value<'_>) -> usize {
        let strings = value.as_str().map_or(0, |s| s.chars().count());
        let items: usize = value.items().map(walk).sum();
        let members: usize = value
            .members()
            .map(|(k, v)| k.chars().count() + walk(v))
            .sum();
        1 + strings + items + members
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = Value::parse(&bytes) {
                walk(value);
            }
        }

        #[test]
        fn near_json_is_read_without_panic(text in "[\\[\\]{},:\"\\\\u0-9a-fnrtle. \u{e9}-]{0,60}") {
            if let Ok(value) = Value::parse(text.as_bytes()) {
                walk(value);
            }
        }
    }
}

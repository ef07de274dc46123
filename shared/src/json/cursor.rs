//! The grammar of JSON (RFC 8259): goes over a text once, and stops where it is none.

use super::read::{JsonError, Value};

/// What is left of the text.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    /// At the beginning of a text.
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// Whether only white space is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.0.is_empty()
    }

    /// Reads one value, whatever it is; `depth` objects or arrays may be nested in it.
    pub(super) fn value(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.skip_space();
        let start = self.0;
        match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => {
                self.string()?;
            }
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            _ => self.number()?,
        }
        let length = start.len() - self.0.len();
        start.get(..length).map(Value).ok_or(JsonError::Syntax)
    }

    fn object(&mut self, depth: usize) -> Result<(), JsonError> {
        let inside = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
        self.expect(b'{')?;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.string()?;
            self.expect(b':')?;
            self.value(inside)?;
            if !self.take(b',') {
                return self.expect(b'}');
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), JsonError> {
        let inside = depth.checked_sub(1).ok_or(JsonError::TooDeep)?;
        self.expect(b'[')?;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.value(inside)?;
            if !self.take(b',') {
                return self.expect(b']');
            }
        }
    }

    /// Reads a string and returns what is between its quotes.
    pub(super) fn string(&mut self) -> Result<&'a str, JsonError> {
        self.expect(b'"')?;
        let start = self.0;
        loop {
            let plain = |b: &u8| *b != b'"' && *b != b'\\' && *b >= 0x20;
            let stop = self.0.bytes().position(|b| !plain(&b));
            self.skip(stop.ok_or(JsonError::Syntax)?)?;
            if self.peek() == Some(b'\\') {
                self.escape()?;
                continue;
            }
            let length = start.len() - self.0.len();
            // A control character also stops the scan, and is no closing quote.
            if !self.take_here(b'"') {
                return Err(JsonError::Syntax);
            }
            return start.get(..length).ok_or(JsonError::Syntax);
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.0.as_bytes() {
            [b'\\', b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|d| d.is_ascii_hexdigit()) => {
                self.skip(6)
            }
            [
                b'\\',
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                ..,
            ] => self.skip(2),
            _ => Err(JsonError::Syntax),
        }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        self.take_here(b'-');
        match self.digits() {
            0 => return Err(JsonError::Syntax),
            count => {
                let digits = self.behind(count);
                if count > 1 && digits.starts_with('0') {
                    return Err(JsonError::Syntax);
                }
                self.skip(count)?;
            }
        }
        if self.take_here(b'.') {
            self.some_digits()?;
        }
        if self.take_here(b'e') || self.take_here(b'E') {
            let _ = self.take_here(b'+') || self.take_here(b'-');
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        match self.digits() {
            0 => Err(JsonError::Syntax),
            count => self.skip(count),
        }
    }

    /// Number of digits here.
    fn digits(&self) -> usize {
        self.0.bytes().take_while(u8::is_ascii_digit).count()
    }

    fn behind(&self, count: usize) -> &'a str {
        self.0.get(..count).unwrap_or_default()
    }

    fn word(&mut self, word: &str) -> Result<(), JsonError> {
        self.0 = self.0.strip_prefix(word).ok_or(JsonError::Syntax)?;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.0.bytes().next()
    }

    fn skip(&mut self, count: usize) -> Result<(), JsonError> {
        self.0 = self.0.get(count..).ok_or(JsonError::Syntax)?;
        Ok(())
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take_here(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            let _ = self.skip(1);
        }
        found
    }

    /// Takes this byte, if it comes next after white space.
    pub(super) fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        self.take_here(byte)
    }

    /// As [`Self::take`], for a byte that has to be there.
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(JsonError::Syntax)
        }
    }
}

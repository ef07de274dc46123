//! From the text of `owner.toml` to its word, by the grammar in the module above.

use heapless::Vec;

use super::{Fault, OwnerError, OwnerWord, PoolRule};
use crate::limits::MAX_THREADS;
use crate::text::Text;

/// A key of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Owner,
    Controllers,
    Wallets,
    Pools,
    Mine,
    MaxThreads,
    Light,
}

/// All keys.
pub(super) const KEYS: [Key; 7] = [
    Key::Owner,
    Key::Controllers,
    Key::Wallets,
    Key::Pools,
    Key::Mine,
    Key::MaxThreads,
    Key::Light,
];

impl Key {
    /// As it stands in the file.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Controllers => "controllers",
            Self::Wallets => "wallets",
            Self::Pools => "pools",
            Self::Mine => "mine",
            Self::MaxThreads => "max_threads",
            Self::Light => "light",
        }
    }
}

/// Reads the whole text.
pub(super) fn read(text: &str) -> Result<OwnerWord, OwnerError> {
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    let (mut word, mut seen) = (OwnerWord::default(), [false; KEYS.len()]);
    while !reader.rest.is_empty() {
        reader.spaces();
        if !reader.rest.starts_with(['#', '\r', '\n']) && !reader.rest.is_empty() {
            let key = reader.key()?;
            let Some(seen) = seen.get_mut(key as usize) else {
                return reader.fail(Fault::UnknownKey);
            };
            if core::mem::replace(seen, true) {
                return reader.fail(Fault::Twice(key.name()));
            }
            reader.value(key, &mut word)?;
        }
        reader.end_of_line()?;
    }
    Ok(word)
}

/// What is left of the text, and in which line it begins.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    const fn fail<T>(&self, fault: Fault) -> Result<T, OwnerError> {
        Err(OwnerError::new(self.line, fault))
    }

    /// Takes the first `len` bytes; all that is left where that is no boundary.
    fn take(&mut self, len: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Takes what fits, up to the first character that does not.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !fits(c));
        self.take(end.unwrap_or(self.rest.len()))
    }

    /// Takes this text if it comes next.
    fn eat(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn spaces(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t'));
    }

    /// Takes a comment if it comes next, up to the end of its line.
    fn comment(&mut self) -> Result<(), OwnerError> {
        if !self.rest.starts_with('#') {
            return Ok(());
        }
        self.take_while(|c| c == '\t' || !c.is_control());
        match self.rest.chars().next() {
            Some(c) if c != '\n' && !self.rest.starts_with("\r\n") => {
                self.fail(Fault::Character(c))
            }
            _ => Ok(()),
        }
    }

    /// Takes the end of a line if it comes next.
    fn newline(&mut self) -> bool {
        let ended = self.eat("\n") || self.eat("\r\n");
        self.line += usize::from(ended);
        ended
    }

    /// Spaces, a comment, and the end of the line or of the file.
    fn end_of_line(&mut self) -> Result<(), OwnerError> {
        self.spaces();
        self.comment()?;
        if self.newline() || self.rest.is_empty() {
            return Ok(());
        }
        self.fail(Fault::Expected("the end of the line"))
    }

    /// What may stand between the parts of a list.
    fn gap(&mut self) -> Result<(), OwnerError> {
        loop {
            self.spaces();
            self.comment()?;
            if !self.newline() {
                return Ok(());
            }
        }
    }

    fn key(&mut self) -> Result<Key, OwnerError> {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        let Some(key) = KEYS.into_iter().find(|key| key.name() == name) else {
            return self.fail(Fault::UnknownKey);
        };
        self.spaces();
        if !self.eat("=") {
            return self.fail(Fault::Expected("= behind the key"));
        }
        self.spaces();
        Ok(key)
    }

    fn value(&mut self, key: Key, word: &mut OwnerWord) -> Result<(), OwnerError> {
        match key {
            Key::Owner => {
                let (line, name) = (self.line, self.string()?);
                let name = Text::parse(name).map_err(Fault::Text);
                word.owner = Some(name.map_err(|fault| OwnerError::new(line, fault))?);
            }
            Key::Controllers => {
                let read = |text: &str| text.parse().map_err(Fault::Fingerprint);
                word.controllers = Some(self.list(read)?);
            }
            Key::Wallets => {
                let read = |text: &str| match text {
                    "" => Err(Fault::Expected("a wallet")),
                    text => Text::parse(text).map_err(Fault::Text),
                };
                word.wallets = Some(self.list(read)?);
            }
            Key::Pools => {
                let read = |text: &str| PoolRule::parse(text).map_err(Fault::Pool);
                word.pools = Some(self.list(read)?);
            }
            Key::Mine => word.mine = self.truth()?,
            Key::MaxThreads => word.max_threads = Some(self.threads()?),
            Key::Light => word.light = self.truth()?,
        }
        Ok(())
    }

    fn string(&mut self) -> Result<&'a str, OwnerError> {
        if !self.eat("\"") {
            return self.fail(Fault::Expected("a string in quotes"));
        }
        let text = self.take_while(|c| !matches!(c, '"' | '\\') && !c.is_control());
        if self.eat("\"") {
            return Ok(text);
        }
        match self.rest.chars().next() {
            Some('\r' | '\n') | None => self.fail(Fault::Expected("a quote at the string's end")),
            Some(c) => self.fail(Fault::Character(c)),
        }
    }

    fn list<T, const N: usize>(
        &mut self,
        read: impl Fn(&str) -> Result<T, Fault>,
    ) -> Result<Vec<T, N>, OwnerError> {
        if !self.eat("[") {
            return self.fail(Fault::Expected("a list in brackets"));
        }
        let mut list = Vec::new();
        loop {
            self.gap()?;
            if self.eat("]") {
                return Ok(list);
            }
            let (line, text) = (self.line, self.string()?);
            let item = read(text).map_err(|fault| OwnerError::new(line, fault))?;
            if list.push(item).is_err() {
                return self.fail(Fault::TooMany(N));
            }
            self.gap()?;
            if !self.eat(",") && !self.rest.starts_with(']') {
                return self.fail(Fault::Expected("a comma, or ] at the list's end"));
            }
        }
    }

    fn truth(&mut self) -> Result<bool, OwnerError> {
        match self.take_while(|c| c.is_ascii_alphanumeric()) {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => self.fail(Fault::Expected("true or false")),
        }
    }

    fn threads(&mut self) -> Result<u16, OwnerError> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        let in_range = |n: &u16| (1..=MAX_THREADS).contains(&usize::from(*n));
        let number = digits.parse().ok().filter(in_range);
        match number.filter(|_| !digits.starts_with('0')) {
            Some(number) => Ok(number),
            None => self.fail(Fault::Threads),
        }
    }
}

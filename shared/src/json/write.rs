//! Writing: commas, quotes and escapes are the writer's business, the buffer is the caller's.

use core::fmt;

use crate::mining::hex;

/// Writes one compact JSON text.
///
/// What does not fit is noticed at the end, by [`Writer::finish`], so that a text is built without
/// an error check per word. Opening and closing in pairs is up to the caller.
pub struct Writer<'b> {
    out: &'b mut [u8],
    length: usize,
    comma: bool,
    full: bool,
}

/// The buffer is too small for the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'b> Writer<'b> {
    /// Writes to the front of `out`.
    pub const fn new(out: &'b mut [u8]) -> Self {
        Self {
            out,
            length: 0,
            comma: false,
            full: false,
        }
    }

    /// Begins an object.
    pub fn open_object(&mut self) -> &mut Self {
        self.open(b'{')
    }

    /// Ends an object.
    pub fn close_object(&mut self) -> &mut Self {
        self.close(b'}')
    }

    /// Begins an array.
    pub fn open_array(&mut self) -> &mut Self {
        self.open(b'[')
    }

    /// Ends an array.
    pub fn close_array(&mut self) -> &mut Self {
        self.close(b']')
    }

    /// The name of the member whose value comes next.
    pub fn key(&mut self, name: &str) -> &mut Self {
        self.string(name).push(b":");
        self.comma = false;
        self
    }

    /// A string, escaped as needed.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.separate();
        self.push(b"\"");
        let mut rest = text;
        while let Some(stop) = rest.find(|c: char| c == '"' || c == '\\' || c.is_control()) {
            let (plain, special) = rest.split_at(stop);
            self.push(plain.as_bytes());
            let mut chars = special.chars();
            self.escape(chars.next().unwrap_or_default());
            rest = chars.as_str();
        }
        self.push(rest.as_bytes());
        self.push(b"\"");
        self
    }

    /// A string of two lower-case digits per byte.
    pub fn hex(&mut self, bytes: &[u8]) -> &mut Self {
        self.separate();
        self.push(b"\"");
        for byte in bytes {
            self.push(&hex::digits(*byte));
        }
        self.push(b"\"");
        self
    }

    /// A number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.raw(format_args!("{number}"))
    }

    /// A number, or `null` for what is not known.
    pub fn number_or_null(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.null(),
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.raw(format_args!("{value}"))
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.raw(format_args!("null"))
    }

    /// A value that is JSON already, such as a fixed-point number.
    pub fn raw(&mut self, json: fmt::Arguments<'_>) -> &mut Self {
        self.separate();
        // Overflow is kept in `full`, and no Display of ours fails.
        let _ = fmt::Write::write_fmt(self, json);
        self
    }

    /// Length of the text.
    pub fn finish(&self) -> Result<usize, Full> {
        if self.full {
            Err(Full)
        } else {
            Ok(self.length)
        }
    }

    fn open(&mut self, bracket: u8) -> &mut Self {
        self.separate();
        self.push(&[bracket]);
        self.comma = false;
        self
    }

    fn close(&mut self, bracket: u8) -> &mut Self {
        self.push(&[bracket]);
        self.comma = true;
        self
    }

    /// A comma before this value if another one stands before it.
    fn separate(&mut self) {
        if self.comma {
            self.push(b",");
        }
        self.comma = true;
    }

    fn escape(&mut self, c: char) {
        match c {
            '"' => self.push(b"\\\""),
            '\\' => self.push(b"\\\\"),
            '\n' => self.push(b"\\n"),
            '\r' => self.push(b"\\r"),
            '\t' => self.push(b"\\t"),
            other => {
                // Control characters are below U+00A0, so four digits hold them.
                let _ = fmt::Write::write_fmt(self, format_args!("\\u{:04x}", u32::from(other)));
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        match self.out.get_mut(self.length..end) {
            Some(room) if !self.full => {
                room.copy_from_slice(bytes);
                self.length = end;
            }
            _ => self.full = true,
        }
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} of {} bytes)", self.length, self.out.len())
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is too small for the text")
    }
}

impl core::error::Error for Full {}

#[cfg(test)]
mod tests {
    use std::string::String;

    use proptest::prelude::*;

    use super::*;
    use crate::json::Value;

    fn sample(w: &mut Writer<'_>) {
        w.open_object().key("id").number(7).key("p").open_array();
        w.string("a")
            .null()
            .bool(true)
            .hex(&[0xb8, 0])
            .open_object()
            .close_object();
        w.close_array()
            .key("none")
            .number_or_null(None)
            .close_object();
    }

    #[test]
    fn commas_stand_between_values_only() {
        let mut buf = [0; 128];
        let mut w = Writer::new(&mut buf);
        sample(&mut w);
        let n = w.finish().expect("fits");
        assert_eq!(
            &buf[..n],
            br#"{"id":7,"p":["a",null,true,"b800",{}],"none":null}"#
        );
    }

    #[test]
    fn a_text_that_does_not_fit_is_an_error_at_every_length() {
        let mut buf = [0; 50];
        for size in 0..50 {
            let mut w = Writer::new(&mut buf[..size]);
            sample(&mut w);
            assert_eq!(w.finish(), Err(Full), "{size}");
        }
        let mut w = Writer::new(&mut buf);
        sample(&mut w);
        assert_eq!(w.finish(), Ok(50));
    }

    proptest! {
        #[test]
        fn any_string_comes_back_as_it_was(text in any::<String>(), key in "\\PC{0,10}") {
            let mut buf = [0; 4096];
            let mut w = Writer::new(&mut buf);
            w.open_object().key(&key).string(&text).close_object();
            let n = w.finish().expect("fits");
            prop_assert!(buf[..n].iter().all(|b| *b >= 0x20), "one line");
            let value = Value::parse(&buf[..n]).expect("JSON");
            prop_assert!(value.get(&key).expect("there").as_str().expect("string").is(&text));
        }
    }
}

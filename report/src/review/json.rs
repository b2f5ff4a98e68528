//! JSON values one at a time: of an array, of lines, or of a run of objects.
//!
//! The text is cut into values by counting brackets, so that a value that is malformed or too long
//! costs itself alone; what is in a value, `serde_json` tells. Keys that stand more than once in
//! an object, as tshark writes them, are all seen.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Bytes of one value. A packet in all its fields has some hundred thousand.
pub(super) const VALUE_LEN_MAX: usize = 16 << 20;

const CHUNK_LEN: usize = 1 << 16;

/// A value, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The text of a value is in the reader.
    Value,
    /// Text that is no value was passed over.
    Unreadable(&'static str),
    /// The end.
    End,
}

/// Cuts a text into its top-level values; an array around them counts as none.
pub(super) struct Values<R> {
    input: R,
    chunk: Vec<u8>,
    at: usize,
    value: Vec<u8>,
    /// Within the array around the values.
    is_in_array: bool,
    has_begun: bool,
    /// Number of the line where the last value began, from 1.
    pub(super) line: u64,
    next_line: u64,
    pub(super) bytes: u64,
}

impl<R: Read> Values<R> {
    pub(super) fn new(head: Vec<u8>, input: R) -> Self {
        let bytes = head.len() as u64;
        Self {
            input,
            chunk: head,
            at: 0,
            value: Vec::new(),
            is_in_array: false,
            has_begun: false,
            line: 0,
            next_line: 1,
            bytes,
        }
    }

    /// The text of the value that was read last.
    pub(super) fn value(&self) -> &[u8] {
        &self.value
    }

    /// Reads the next object.
    ///
    /// # Errors
    ///
    /// When reading fails.
    pub(super) fn next_value(&mut self) -> io::Result<Found> {
        self.value.clear();
        loop {
            let Some(byte) = self.next_byte()? else {
                let is_cut = std::mem::take(&mut self.is_in_array);
                return Ok(if is_cut {
                    Found::Unreadable("the file ends before the list does")
                } else {
                    Found::End
                });
            };
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' | b',' => {}
                b'[' if !self.has_begun => (self.has_begun, self.is_in_array) = (true, true),
                b']' if self.is_in_array => self.is_in_array = false,
                b'{' => {
                    self.has_begun = true;
                    self.line = self.next_line;
                    return self.object();
                }
                _ => {
                    self.has_begun = true;
                    self.line = self.next_line;
                    if !self.pass_to_object(byte)? {
                        return Ok(Found::Unreadable("no JSON object"));
                    }
                    return self.object();
                }
            }
        }
    }

    /// Reads the rest of an object whose bracket was read.
    fn object(&mut self) -> io::Result<Found> {
        let (mut depth, mut is_text, mut is_escaped, mut is_long) = (1u32, false, false, false);
        self.value.push(b'{');
        while depth > 0 {
            if self.at == self.chunk.len() && !self.refill()? {
                self.is_in_array = false;
                return Ok(Found::Unreadable("the file ends within a value"));
            }
            // Most bytes are those of texts, and of them only three mean anything.
            let rest = &self.chunk[self.at..];
            let next = match is_text && !is_escaped {
                true => memchr::memchr3(b'"', b'\\', b'\n', rest),
                false => Some(0),
            };
            let len = next.map_or(rest.len(), |at| at + 1);
            let taken = &rest[..len];
            let room = VALUE_LEN_MAX - self.value.len();
            is_long |= len > room;
            self.value.extend_from_slice(&taken[..len.min(room)]);
            self.at += len;
            let Some(byte) = next.map(|at| taken[at]) else { continue };
            self.next_line += u64::from(byte == b'\n');
            match byte {
                // A line end is none of a text's: its quote was lost.
                b'\n' if is_text => return Ok(Found::Unreadable("a text that is never closed")),
                _ if is_escaped => is_escaped = false,
                b'\\' if is_text => is_escaped = true,
                b'"' => is_text = !is_text,
                b'{' | b'[' if !is_text => depth += 1,
                b'}' | b']' if !is_text => depth -= 1,
                _ => {}
            }
        }
        Ok(if is_long { Found::Unreadable("a value of more than 16 MiB") } else { Found::Value })
    }

    /// Passes over what stands in front of an object, as syslog puts its header there: to its
    /// bracket, or to the end of the line where there is none.
    fn pass_to_object(&mut self, first: u8) -> io::Result<bool> {
        // What is left of a value that was cut is in the midst of one.
        let may_be_header = first.is_ascii_alphanumeric() || matches!(first, b'<' | b'@');
        let mut is_open = false;
        while let Some(byte) = self.next_byte()? {
            match byte {
                b'\n' => return Ok(false),
                // The bracket was taken with its quote.
                b'"' if is_open && may_be_header => {
                    self.at -= 1;
                    return Ok(true);
                }
                byte => is_open = byte == b'{',
            }
        }
        Ok(false)
    }

    /// Reads more; `false` at the end.
    #[cold]
    fn refill(&mut self) -> io::Result<bool> {
        self.chunk.resize(CHUNK_LEN, 0);
        let read = loop {
            match self.input.read(&mut self.chunk) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.at = 0;
        let read = read.inspect_err(|_| self.chunk.clear())?;
        self.chunk.truncate(read);
        self.bytes += read as u64;
        Ok(read > 0)
    }

    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        if self.at == self.chunk.len() && !self.refill()? {
            return Ok(None);
        }
        let byte = self.chunk[self.at];
        self.at += 1;
        self.next_line += u64::from(byte == b'\n');
        Ok(Some(byte))
    }
}

/// Visits every value in a JSON text that is no object and no list: its keys from the outside in,
/// and its text.
///
/// # Errors
///
/// When the text is no JSON, or nested deeper than 128 levels.
pub(super) fn visit(
    text: &[u8],
    each: &mut dyn FnMut(&[Cow<'_, str>], &str),
) -> serde_json::Result<()> {
    let mut path = Vec::new();
    let text = without_surrogates(text);
    let mut reader = serde_json::Deserializer::from_slice(&text);
    Walk { path: &mut path, each }.deserialize(&mut reader)?;
    reader.end()
}

/// The text without escapes of surrogates, which tshark writes alone where a value is no text
/// (RFC 8259 §8.2).
fn without_surrogates(text: &[u8]) -> Cow<'_, [u8]> {
    let is_surrogate = |window: &[u8]| {
        matches!(window, [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..])
    };
    let mut escapes = memchr::memchr_iter(b'\\', text);
    if !escapes.any(|at| is_surrogate(&text[at..])) {
        return text.into();
    }
    let mut text = text.to_vec();
    for at in 0..text.len().saturating_sub(5) {
        if is_surrogate(&text[at..at + 4]) {
            text[at + 2..at + 6].copy_from_slice(b"fffd");
        }
    }
    text.into()
}

struct Walk<'a, 'de> {
    path: &'a mut Vec<Cow<'de, str>>,
    each: &'a mut dyn FnMut(&[Cow<'_, str>], &str),
}

/// A key, borrowed from the text unless it holds escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key)? {
            self.path.push(key);
            map.next_value_seed(Walk { path: self.path, each: self.each })?;
            self.path.pop();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Walk { path: self.path, each: self.each })?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.each)(self.path, text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        (self.each)(self.path, if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        (self.each)(self.path, &value.to_string());
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        (self.each)(self.path, &value.to_string());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        (self.each)(self.path, &value.to_string());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        let mut values = Values::new(Vec::new(), text.as_bytes());
        let mut found = Vec::new();
        loop {
            match values.next_value().unwrap() {
                Found::End => return found,
                Found::Unreadable(why) => found.push(format!("{}! {why}", values.line)),
                Found::Value => {
                    let text = String::from_utf8_lossy(values.value()).into_owned();
                    found.push(format!("{}: {text}", values.line));
                }
            }
        }
    }

    #[test]
    fn values_are_cut_out_of_lists_and_lines() {
        let expect = ["1: {\"a\":1}", "2: {\"b\":\"}\\\"\"}"];
        assert_eq!(values("[{\"a\":1},\n{\"b\":\"}\\\"\"}]\n"), expect);
        assert_eq!(values("{\"a\":1}\n{\"b\":\"}\\\"\"}\n"), expect);
        assert_eq!(values(""), [""; 0]);
        assert_eq!(values("[]"), [""; 0]);
    }

    #[test]
    fn a_bad_value_costs_itself_alone() {
        assert_eq!(values("{}\nx\n{}\n"), ["1: {}", "2! no JSON object", "3: {}"]);
        assert_eq!(values("[{}"), ["1: {}", "1! the file ends before the list does"]);
        assert_eq!(values("[{},{\"a"), ["1: {}", "1! the file ends within a value"]);
        assert_eq!(values("{\"a\n{\"b\":1}\n"), ["1! a text that is never closed", "2: {\"b\":1}"]);
        let long = format!("{{\"a\":\"{}\"}}\n{{}}\n", "x".repeat(VALUE_LEN_MAX));
        assert_eq!(values(&long), ["1! a value of more than 16 MiB", "2: {}"]);
    }

    #[test]
    fn keys_that_stand_twice_are_both_seen() {
        let mut seen = Vec::new();
        let text = br#"{"a":{"b":"1","b":"2"},"c":[3,true,null],"d":1.5}"#;
        visit(text, &mut |path, value| seen.push(format!("{}={value}", path.join("/")))).unwrap();
        assert_eq!(seen, ["a/b=1", "a/b=2", "c=3", "c=true", "d=1.5"]);
        let mut seen = String::new();
        visit(br#"{"a":"x\ud83dy\\"}"#, &mut |_, value| seen.push_str(value)).unwrap();
        assert_eq!(seen, "x\u{fffd}y\\");
        assert!(visit(b"{\"a\":}", &mut |_, _| {}).is_err());
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(visit(deep.as_bytes(), &mut |_, _| {}).is_err());
    }
}

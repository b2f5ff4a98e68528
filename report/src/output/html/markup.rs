//! Text in HTML and in JSON islands: escaped, and made printable first.
//!
//! Names from the wire, from inventories and from the command line go through [`Text`] or
//! [`Json::text`], without exception. Invariant: what leaves here holds none of the characters that
//! could end an element, an attribute or a script, nor any that turns the direction of writing.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::hash::Hash;
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::Endpoint;
use foldhash::HashMap;

use super::super::layout::printable;
use super::super::memo::Memo;
use super::super::put::{put_address, put_number};

/// Characters of one text that are shown; a name in a certificate may be longer than a screen.
const TEXT_LEN_MAX: usize = 2000;

/// Text as content of an element or of a quoted attribute.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in shown(self.0).chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A count with its thousands set apart: `12,345`.
pub(super) struct Count(pub(super) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// `1 host`, `2,000 hosts`.
pub(super) fn count_of(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", Count(count), if count == 1 { "" } else { "s" })
}

/// Text as [`Text`] has it, with a capital, as a heading or a sentence begins.
pub(super) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>());
    Text(&(first.unwrap_or_default() + characters.as_str())).to_string()
}

/// Printable, and no longer than a page can bear.
fn shown(text: &str) -> String {
    let mut shown = printable(text);
    if let Some((end, _)) = shown.char_indices().nth(TEXT_LEN_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// Whether a text is short and stands for itself everywhere: printable ASCII that ends nothing.
///
/// Every byte is looked at, without a way out early, so that the processor takes many at a time.
fn is_plain(text: &str) -> bool {
    let ends = |byte: u8| {
        (byte.wrapping_sub(b' ') > b'~' - b' ')
            | (byte == b'"')
            | (byte == b'\\')
            | (byte == b'<')
            | (byte == b'>')
            | (byte == b'&')
            | (byte == b'\'')
    };
    let odd = text.as_bytes().iter().fold(0, |odd, byte| odd | u8::from(ends(*byte)));
    text.len() <= TEXT_LEN_MAX && odd == 0
}

/// JSON that is safe inside a `script` element, written value by value.
///
/// Texts that repeat are written once, in a table at the end, and stand for themselves as numbers.
/// What others lend for as long as the JSON is written (`'t`) is not copied, and found by where it
/// lies when it is long.
pub(super) struct Json<'o, 't> {
    out: &'o mut dyn Write,
    /// What the writer beneath has not had.
    written: Vec<u8>,
    /// Whether a comma comes before the next value.
    needs_comma: bool,
    places: HashMap<Cow<'t, str>, usize>,
    /// Places of long texts, by where they lie.
    lying: Vec<(&'t str, usize)>,
    /// Where values become text.
    scratch: String,
}

/// Texts in the table; those that find no place stand where they are used.
const TEXTS_MAX: usize = 1 << 18;

/// Bytes that are collected before the writer beneath is called.
const BUFFER_LEN: usize = 1 << 16;

/// Texts from this length on are found by where they lie.
const LONG_MIN: usize = 32;

/// Long texts that are found by where they lie; a power of two.
const LYING: usize = 256;

impl<'o, 't> Json<'o, 't> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            written: Vec::with_capacity(BUFFER_LEN + BUFFER_LEN / 4),
            needs_comma: false,
            places: HashMap::default(),
            lying: vec![("", 0); LYING],
            scratch: String::new(),
        }
    }

    fn comma(&mut self) {
        if std::mem::replace(&mut self.needs_comma, true) {
            self.written.push(b',');
        }
    }

    /// Begins an array or an object.
    pub(super) fn open(&mut self, bracket: &str) {
        self.comma();
        self.needs_comma = false;
        self.written.extend_from_slice(bracket.as_bytes());
    }

    pub(super) fn close(&mut self, bracket: &str) {
        self.needs_comma = true;
        self.written.extend_from_slice(bracket.as_bytes());
    }

    /// The key of the value that follows; one of our words.
    pub(super) fn key(&mut self, key: &str) {
        self.comma();
        self.needs_comma = false;
        self.written.push(b'"');
        self.written.extend_from_slice(key.as_bytes());
        self.written.extend_from_slice(b"\":");
    }

    pub(super) fn number(&mut self, number: i64) {
        self.comma();
        self.written.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A count, which is far below what a number of JavaScript holds.
    pub(super) fn count(&mut self, count: u64) {
        self.number(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A text that hardly repeats.
    pub(super) fn text(&mut self, text: &str) {
        self.comma();
        put_text(&mut self.written, text);
    }

    /// Bytes of our own as a text: plain ASCII that ends nothing.
    pub(super) fn plain(&mut self, text: &[u8]) {
        debug_assert!(str::from_utf8(text).is_ok_and(is_plain), "our own text is plain");
        self.comma();
        self.written.push(b'"');
        self.written.extend_from_slice(text);
        self.written.push(b'"');
    }

    pub(super) fn address(&mut self, addr: IpAddr) {
        self.comma();
        self.written.push(b'"');
        put_address(&mut self.written, addr);
        self.written.push(b'"');
    }

    /// An address and a port, IPv6 in brackets.
    pub(super) fn socket(&mut self, end: Endpoint) {
        self.comma();
        self.written.push(b'"');
        put_socket(&mut self.written, end);
        self.written.push(b'"');
    }

    /// An address and a port as a text that may repeat.
    pub(super) fn socket_word(&mut self, end: Endpoint) {
        let mut text = std::mem::take(&mut self.scratch).into_bytes();
        text.clear();
        put_socket(&mut text, end);
        // Digits, points, colons and brackets.
        let text = String::from_utf8(text).unwrap_or_default();
        self.word_in(&text);
        self.scratch = text;
    }

    /// A text that may repeat: its place in the table.
    pub(super) fn word(&mut self, text: &'t str) {
        let is_long = text.len() >= LONG_MIN;
        let slot = (text.as_ptr().addr() >> 4) % LYING;
        if let Some((known, place)) = self.lying.get(slot).filter(|_| is_long)
            && std::ptr::eq(*known, text)
        {
            return self.count(*place as u64);
        }
        let next = self.places.len();
        let place = match self.places.get(text) {
            Some(place) => *place,
            None if next >= TEXTS_MAX => return self.text(text),
            None => {
                self.places.insert(Cow::Borrowed(text), next);
                next
            }
        };
        if let Some(known) = self.lying.get_mut(slot).filter(|_| is_long) {
            *known = (text, place);
        }
        self.count(place as u64);
    }

    /// A value as a text that may repeat.
    pub(super) fn word_of(&mut self, value: impl fmt::Display) {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        // A string takes everything.
        let _ = write!(text, "{value}");
        self.word_in(&text);
        self.scratch = text;
    }

    /// A text of the moment that may repeat.
    fn word_in(&mut self, text: &str) {
        let next = self.places.len();
        let place = match self.places.get(text) {
            Some(place) => *place,
            None if next >= TEXTS_MAX => return self.text(text),
            None => {
                self.places.insert(Cow::Owned(text.to_owned()), next);
                next
            }
        };
        self.count(place as u64);
    }

    /// The place of a text that is in the table.
    pub(super) fn place_of(&self, text: &str) -> Option<usize> {
        self.places.get(text).copied()
    }

    /// Values behind the first that are made from `key` alone: put together once, then copied.
    pub(super) fn repeated<K: Eq + Hash>(
        &mut self,
        memo: &mut Memo<K>,
        key: K,
        put: impl FnOnce(&mut Self, &K),
    ) {
        debug_assert!(self.needs_comma, "the bytes begin with a comma");
        if let Some(kept) = memo.get(&key) {
            return self.written.extend_from_slice(&kept.bytes);
        }
        let start = self.written.len();
        put(self, &key);
        memo.keep(key, self.written.get(start..).unwrap_or_default(), 0);
    }

    /// The table of texts.
    pub(super) fn table(&mut self) {
        self.open("[");
        let mut texts = vec![""; self.places.len()];
        for (text, place) in &self.places {
            if let Some(known) = texts.get_mut(*place) {
                *known = text;
            }
        }
        for (index, text) in texts.into_iter().enumerate() {
            if index > 0 {
                self.written.push(b',');
            }
            put_text(&mut self.written, text);
        }
        self.close("]");
    }

    /// Writes what was collected, when it is enough to be worth it.
    pub(super) fn write_some(&mut self) -> io::Result<()> {
        if self.written.len() >= BUFFER_LEN { self.finish() } else { Ok(()) }
    }

    /// Writes what was collected.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.out.write_all(&self.written)?;
        self.written.clear();
        Ok(())
    }
}

/// An address and a port as [`std::net::SocketAddr`] is shown.
fn put_socket(out: &mut Vec<u8>, end: Endpoint) {
    let is_v6 = end.addr.is_ipv6();
    if is_v6 {
        out.push(b'[');
    }
    put_address(out, end.addr);
    if is_v6 {
        out.push(b']');
    }
    out.push(b':');
    put_number(out, end.port.into());
}

/// A string with its quotes.
fn put_text(out: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        return out.push(b'"');
    }
    out.push(b'"');
    for character in shown(text).chars() {
        match character {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                write!(out, "\\u{:04x}", u32::from(character)).expect("memory takes everything");
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_in_a_text_ends_an_element_or_an_attribute() {
        let check = |text, expect: &str| assert_eq!(Text(text).to_string(), expect);
        check("mail.example", "mail.example");
        check("</script>", "&lt;/script&gt;");
        check("\" onload='x'", "&quot; onload=&#39;x&#39;");
        check("a&lt;", "a&amp;lt;");
        check("\u{202e}gpj\0", "\\u{202e}gpj\\u{0}");
        check("\u{61c}a", "\\u{61c}a");
    }

    #[test]
    fn long_texts_are_cut_at_their_bound() {
        let len = |len: usize| Text(&"ä".repeat(len)).to_string().chars().count();
        assert_eq!(len(TEXT_LEN_MAX), TEXT_LEN_MAX);
        assert_eq!(len(TEXT_LEN_MAX + 1), TEXT_LEN_MAX + 1);
        assert!(Text(&"a".repeat(TEXT_LEN_MAX + 1)).to_string().ends_with("a…"));
    }

    #[test]
    fn thousands_are_set_apart() {
        let check = |count, expect: &str| assert_eq!(Count(count).to_string(), expect);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
    }

    #[test]
    fn a_capital_begins_and_nothing_else_changes() {
        let check = |text, expect: &str| assert_eq!(capital(text), expect);
        check("clients to <b>", "Clients to &lt;b&gt;");
        check("<b>", "&lt;b&gt;");
        check("", "");
    }

    #[test]
    fn what_repeats_is_written_once() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        let long = "a text that is long enough to be found by where it lies";
        let again = long.to_owned();
        json.open("[");
        for word in ["b", long, "b", &again, long, &again[1..]] {
            json.word(word);
        }
        json.table();
        json.close("]");
        json.finish().unwrap();
        let expect = format!(r#"[0,1,0,1,1,2,["b","{long}","{}"]]"#, &long[1..]);
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn a_value_is_written_as_its_text() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        json.open("[");
        json.word("7");
        json.word_of(17);
        json.word_of(7);
        json.text("<");
        json.plain(b"7");
        assert_eq!((json.place_of("17"), json.place_of("<")), (Some(1), None));
        json.close("]");
        json.finish().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"[0,1,0,"\u003c","7"]"#);
    }

    #[test]
    fn sockets_are_written_as_they_are_shown() {
        for text in ["10.0.255.1:65535", "[2001:db8::1]:443", "[::ffff:10.0.0.1]:0"] {
            let socket: std::net::SocketAddr = text.parse().unwrap();
            let mut out = Vec::new();
            let mut json = Json::new(&mut out);
            json.open("[");
            json.socket(Endpoint { addr: socket.ip(), port: socket.port() });
            json.socket_word(Endpoint { addr: socket.ip(), port: socket.port() });
            json.table();
            json.close("]");
            json.finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!(r#"["{text}",0,["{text}"]]"#));
        }
    }

    #[test]
    fn texts_beyond_the_table_stand_where_they_are_used() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        json.open("[");
        for number in 0..=TEXTS_MAX {
            json.word_of(number);
        }
        json.word("long enough to be found by where it lies");
        json.close("]");
        json.finish().unwrap();
        let expect = format!(
            ",{},\"{TEXTS_MAX}\",\"long enough to be found by where it lies\"]",
            TEXTS_MAX - 1
        );
        assert!(String::from_utf8(out).unwrap().ends_with(&expect));
    }

    proptest! {
        #[test]
        fn any_text_survives_and_none_ends_the_script(
            text in prop_oneof![any::<String>(), "[ -~]{0,40}", "[a-z0-9.]{1998,2002}"],
        ) {
            let mut out = Vec::new();
            put_text(&mut out, &text);
            let json = String::from_utf8(out).unwrap();
            let ends = json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(!ends);
            let read: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read, shown(&text));
        }
    }
}

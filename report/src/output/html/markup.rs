//! Text in HTML and in JSON islands: escaped, and made printable first.
//!
//! Names from the wire, from inventories and from the command line go through [`Text`] or
//! [`Json::text`], without exception. Invariant: what leaves here holds none of the characters that
//! could end an element, an attribute or a script, nor any that turns the direction of writing.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::net::IpAddr;

use foldhash::HashMap;

use super::super::layout::printable;

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
fn is_plain(text: &str) -> bool {
    let stands = |byte: &u8| {
        matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&' | b'\'')
    };
    text.len() <= TEXT_LEN_MAX && text.as_bytes().iter().all(stands)
}

/// JSON that is safe inside a `script` element, written value by value.
///
/// Texts that repeat are written once, in a table at the end, and stand for themselves as numbers.
pub(super) struct Json<'o> {
    out: &'o mut dyn Write,
    /// Whether a comma comes before the next value.
    needs_comma: bool,
    texts: Vec<String>,
    places: HashMap<String, usize>,
    /// Where values become text.
    scratch: String,
}

/// Texts in the table; those that find no place stand where they are used.
const TEXTS_MAX: usize = 1 << 18;

impl<'o> Json<'o> {
    pub(super) fn new(out: &'o mut dyn Write) -> Self {
        Self {
            out,
            needs_comma: false,
            texts: Vec::new(),
            places: HashMap::default(),
            scratch: String::new(),
        }
    }

    fn comma(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.needs_comma, true) {
            self.out.write_all(b",")?;
        }
        Ok(())
    }

    /// Begins an array or an object.
    pub(super) fn open(&mut self, bracket: &str) -> io::Result<()> {
        self.comma()?;
        self.needs_comma = false;
        self.out.write_all(bracket.as_bytes())
    }

    pub(super) fn close(&mut self, bracket: &str) -> io::Result<()> {
        self.needs_comma = true;
        self.out.write_all(bracket.as_bytes())
    }

    /// The key of the value that follows; one of our words.
    pub(super) fn key(&mut self, key: &str) -> io::Result<()> {
        self.comma()?;
        self.needs_comma = false;
        write!(self.out, "\"{key}\":")
    }

    pub(super) fn number(&mut self, number: i64) -> io::Result<()> {
        self.comma()?;
        self.out.write_all(itoa::Buffer::new().format(number).as_bytes())
    }

    /// A count, which is far below what a number of JavaScript holds.
    pub(super) fn count(&mut self, count: u64) -> io::Result<()> {
        self.number(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A text that hardly repeats.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        self.comma()?;
        if is_plain(text) {
            self.out.write_all(b"\"")?;
            self.out.write_all(text.as_bytes())?;
            return self.out.write_all(b"\"");
        }
        write_string(self.out, &shown(text))
    }

    /// A value as a text that hardly repeats.
    pub(super) fn text_of(&mut self, value: impl fmt::Display) -> io::Result<()> {
        self.with_text_of(value, Self::text)
    }

    pub(super) fn address(&mut self, addr: IpAddr) -> io::Result<()> {
        self.comma()?;
        write!(self.out, "\"{addr}\"")
    }

    /// A text that may repeat: its place in the table.
    pub(super) fn word(&mut self, text: &str) -> io::Result<()> {
        let place = match self.places.get(text) {
            Some(place) => *place,
            None if self.texts.len() >= TEXTS_MAX => return self.text(text),
            None => {
                self.places.insert(text.to_owned(), self.texts.len());
                self.texts.push(shown(text));
                self.texts.len() - 1
            }
        };
        self.count(place as u64)
    }

    /// A value as a text that may repeat.
    pub(super) fn word_of(&mut self, value: impl fmt::Display) -> io::Result<()> {
        self.with_text_of(value, Self::word)
    }

    /// The place of a text that is in the table.
    pub(super) fn place_of(&self, text: &str) -> Option<usize> {
        self.places.get(text).copied()
    }

    fn with_text_of(
        &mut self,
        value: impl fmt::Display,
        put: impl FnOnce(&mut Self, &str) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        // A string takes everything.
        let _ = write!(text, "{value}");
        let result = put(self, &text);
        self.scratch = text;
        result
    }

    /// The table of texts.
    pub(super) fn table(&mut self) -> io::Result<()> {
        self.open("[")?;
        for text in std::mem::take(&mut self.texts) {
            self.comma()?;
            write_string(self.out, &text)?;
        }
        self.close("]")
    }
}

fn write_string(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // A string takes everything.
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    out.write_all(quoted.as_bytes())
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
        json.open("[").unwrap();
        for word in ["b", "a", "b"] {
            json.word(word).unwrap();
        }
        json.table().unwrap();
        json.close("]").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"[0,1,0,["b","a"]]"#);
    }

    #[test]
    fn a_value_is_written_as_its_text() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        json.open("[").unwrap();
        json.word("7").unwrap();
        json.word_of(17).unwrap();
        json.word_of(7).unwrap();
        json.text_of('<').unwrap();
        json.text_of(7).unwrap();
        assert_eq!((json.place_of("17"), json.place_of("<")), (Some(1), None));
        json.close("]").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"[0,1,0,"\u003c","7"]"#);
    }

    #[test]
    fn texts_beyond_the_table_stand_where_they_are_used() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        json.open("[").unwrap();
        for number in 0..=TEXTS_MAX {
            json.word(&number.to_string()).unwrap();
        }
        json.close("]").unwrap();
        let expect = format!(",{},\"{TEXTS_MAX}\"]", TEXTS_MAX - 1);
        assert!(String::from_utf8(out).unwrap().ends_with(&expect));
    }

    proptest! {
        #[test]
        fn any_text_survives_and_none_ends_the_script(
            text in prop_oneof![any::<String>(), "[ -~]{0,40}", "[a-z0-9.]{1998,2002}"],
        ) {
            let mut out = Vec::new();
            Json::new(&mut out).text(&text).unwrap();
            let json = String::from_utf8(out).unwrap();
            let ends = json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
            prop_assert!(!ends);
            let read: String = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(read, shown(&text));
        }
    }
}

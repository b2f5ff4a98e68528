//! CSV as RFC 4180 has it, safe to open in a spreadsheet.
//!
//! A [`CsvTable`] takes one typed cell after the other and quotes where needed. Text that others
//! chose (names from the wire, from files) goes through [`CsvTable::text`], which defuses it; our
//! own words, numbers and times need no such care. Invariant: every record has as many cells as
//! the header.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use csv::{QuoteStyle, Terminator, Writer, WriterBuilder};
use dissect::Timestamp;

/// A CSV file being written.
pub(crate) struct CsvTable<W: Write> {
    csv: Writer<W>,
    /// The cell being formatted; kept to save an allocation a cell.
    cell: String,
}

/// Bytes that are collected before the writer beneath is called.
const BUFFER_LEN: usize = 1 << 16;

impl<W: Write> CsvTable<W> {
    /// Starts a table with its header.
    pub(crate) fn new(out: W, columns: &[&str]) -> io::Result<Self> {
        let mut csv = WriterBuilder::new()
            .buffer_capacity(BUFFER_LEN)
            .quote_style(QuoteStyle::Necessary)
            .terminator(Terminator::Any(b'\n'))
            .from_writer(out);
        csv.write_record(columns).map_err(io_error)?;
        Ok(Self { csv, cell: String::with_capacity(256) })
    }

    /// A cell of our own words: nothing in it is anybody else's choice.
    pub(crate) fn word(&mut self, word: &str) -> io::Result<()> {
        self.csv.write_field(word).map_err(io_error)
    }

    /// A cell of text that somebody else chose.
    pub(crate) fn text(&mut self, text: &str) -> io::Result<()> {
        if is_harmless(text) {
            return self.csv.write_field(text).map_err(io_error);
        }
        self.cell.clear();
        defuse_into(&mut self.cell, text);
        self.csv.write_field(&self.cell).map_err(io_error)
    }

    /// A cell of text that somebody else chose and that has to be put together first.
    pub(crate) fn text_of(&mut self, value: impl fmt::Display) -> io::Result<()> {
        self.cell.clear();
        write!(self.cell, "{value}").map_err(io::Error::other)?;
        if is_harmless(&self.cell) {
            return self.csv.write_field(&self.cell).map_err(io_error);
        }
        let mut defused = String::with_capacity(self.cell.len() + 1);
        defuse_into(&mut defused, &self.cell);
        self.csv.write_field(&defused).map_err(io_error)
    }

    /// A cell of our own that has to be formatted.
    pub(crate) fn value(&mut self, value: impl fmt::Display) -> io::Result<()> {
        self.cell.clear();
        write!(self.cell, "{value}").map_err(io::Error::other)?;
        self.csv.write_field(&self.cell).map_err(io_error)
    }

    /// A cell that may be empty.
    pub(crate) fn optional(&mut self, value: Option<impl fmt::Display>) -> io::Result<()> {
        match value {
            Some(value) => self.value(value),
            None => self.word(""),
        }
    }

    /// A number.
    pub(crate) fn number(&mut self, number: u64) -> io::Result<()> {
        self.csv.write_field(itoa::Buffer::new().format(number)).map_err(io_error)
    }

    /// `true`, `false`, or empty when it can't be told.
    pub(crate) fn truth(&mut self, truth: Option<bool>) -> io::Result<()> {
        self.word(match truth {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        })
    }

    /// A time in RFC 3339.
    pub(crate) fn time(&mut self, time: Timestamp) -> io::Result<()> {
        self.value(time)
    }

    /// Ends the record.
    pub(crate) fn end_record(&mut self) -> io::Result<()> {
        self.csv.write_record(None::<&[u8]>).map_err(io_error)
    }

    /// Ends the table: everything has reached the writer beneath.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

/// The operating system's error where it is one, so that a broken pipe can be told.
fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("{kind:?}")),
    }
}

/// Whether a text can be written as it is.
fn is_harmless(text: &str) -> bool {
    !begins_like_formula(text) && text.bytes().all(|byte| (b' '..0x7f).contains(&byte))
}

/// Whether a spreadsheet would run a cell as a formula, or drop its first character and then do.
fn begins_like_formula(text: &str) -> bool {
    matches!(text.as_bytes().first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n'))
}

/// Puts an apostrophe before what looks like a formula, and replaces control characters but TAB,
/// CR and LF, which mean something in text.
fn defuse_into(cell: &mut String, text: &str) {
    if begins_like_formula(text) {
        cell.push('\'');
    }
    cell.extend(text.chars().map(|character| match character {
        '\t' | '\r' | '\n' => character,
        _ if character.is_control() => char::REPLACEMENT_CHARACTER,
        _ => character,
    }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(text: &str) -> String {
        let mut out = Vec::new();
        let mut table = CsvTable::new(&mut out, &["a", "b"]).unwrap();
        table.text(text).unwrap();
        table.text_of(text).unwrap();
        table.end_record().unwrap();
        table.finish().unwrap();
        let line = String::from_utf8(out).unwrap();
        let line = line.strip_prefix("a,b\n").unwrap().strip_suffix('\n').unwrap();
        let half = (line.len() - 1) / 2;
        assert_eq!(line[..half], line[half + 1..], "both ways to write text agree");
        line[..half].to_owned()
    }

    #[test]
    fn cells_are_quoted_and_defused() {
        let check = |text, expect| assert_eq!(cell(text), expect, "{text:?}");
        check("mail.contoso.com", "mail.contoso.com");
        check("", "");
        check("a,b", "\"a,b\"");
        check("say \"hi\"", "\"say \"\"hi\"\"\"");
        check("two\nlines", "\"two\nlines\"");
        check("two\r\nlines", "\"two\r\nlines\"");
        check("=1+1", "'=1+1");
        check("+1", "'+1");
        check("-1", "'-1");
        check("@sum", "'@sum");
        check("\tx", "'\tx");
        check("\r=x", "\"'\r=x\"");
        check("\n=x", "\"'\n=x\"");
        check("a=b", "a=b");
        check("\u{1b}[31m\0", "\u{fffd}[31m\u{fffd}");
        check("bücher.example", "bücher.example");
    }

    #[test]
    fn numbers_and_truths_are_plain() {
        let mut out = Vec::new();
        let mut table = CsvTable::new(&mut out, &["n", "v", "t", "f", "u"]).unwrap();
        table.number(u64::MAX).unwrap();
        table.value(-1).unwrap();
        table.truth(Some(true)).unwrap();
        table.truth(Some(false)).unwrap();
        table.truth(None).unwrap();
        table.end_record().unwrap();
        table.finish().unwrap();
        assert_eq!(out, b"n,v,t,f,u\n18446744073709551615,-1,true,false,\n");
    }

    #[test]
    fn a_broken_pipe_stays_a_broken_pipe() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut table = CsvTable::new(Closed, &["a"]).unwrap();
        let failed = (0..BUFFER_LEN).find_map(|_| {
            table.word("x").and_then(|()| table.end_record()).err().map(|error| error.kind())
        });
        assert_eq!(failed, Some(io::ErrorKind::BrokenPipe));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(rows in prop::collection::vec(("\\PC*", "[ -~\r\n\t]*"), 1..20)) {
            let mut out = Vec::new();
            let mut table = CsvTable::new(&mut out, &["one", "two"]).unwrap();
            for (one, two) in &rows {
                table.text(one).unwrap();
                table.text(two).unwrap();
                table.end_record().unwrap();
            }
            table.finish().unwrap();
            let mut reader = csv::Reader::from_reader(out.as_slice());
            let read: Vec<(String, String)> =
                reader.deserialize().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read.len(), rows.len());
            for ((one, two), (got_one, got_two)) in rows.iter().zip(&read) {
                for (text, got) in [(one, got_one), (two, got_two)] {
                    prop_assert!(!begins_like_formula(got));
                    let bare = if begins_like_formula(text) { &got[1..] } else { got };
                    prop_assert_eq!(bare, text);
                }
            }
        }
    }
}

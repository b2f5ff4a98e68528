//! CSV as RFC 4180 has it, safe to open in a spreadsheet.
//!
//! A [`CsvTable`] takes one typed cell after the other and quotes where needed. Text that others
//! chose (names from the wire, from files) goes through [`CsvTable::text`], which defuses it; our
//! own words, numbers and times need no such care. Cells are put together where they are written
//! from, since a report is millions of them. Invariant: every record has as many cells as the
//! header.

use std::fmt;
use std::hash::Hash;
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::Timestamp;

use super::memo::Memo;
use super::put::{Clock, put_address, put_hex, put_micros, put_number};

/// A CSV file being written.
pub(crate) struct CsvTable<W: Write> {
    out: W,
    /// Records, and the cells of the current one, that the writer beneath has not had.
    written: Vec<u8>,
    columns: usize,
    /// Cells of the current record.
    cells: usize,
    /// A cell being put together; kept to save an allocation a cell.
    draft: String,
    clock: Clock,
    /// Long texts as cells, by a place that their length and end tell.
    phrases: Vec<Phrase>,
}

/// A long text and its cell. Sentences are few and stand in thousands of rows.
#[derive(Clone, Default)]
struct Phrase {
    text: String,
    cell: Vec<u8>,
}

/// Texts from this length on are kept as cells.
const PHRASE_LEN_MIN: usize = 64;
/// Longer ones are not, so that those that are kept take 256 KiB at most.
const PHRASE_LEN_MAX: usize = 2048;
/// Texts that are kept; a power of two.
const PHRASES: usize = 64;

/// Bytes that are collected before the writer beneath is called.
const BUFFER_LEN: usize = 1 << 16;

impl<W: Write> CsvTable<W> {
    /// Starts a table with its header.
    pub(crate) fn new(out: W, columns: &[&str]) -> io::Result<Self> {
        let mut table = Self {
            out,
            written: Vec::with_capacity(BUFFER_LEN + BUFFER_LEN / 4),
            columns: columns.len(),
            cells: 0,
            draft: String::with_capacity(256),
            clock: Clock::default(),
            phrases: vec![Phrase::default(); PHRASES],
        };
        for column in columns {
            table.word(column);
        }
        table.end_record()?;
        Ok(table)
    }

    /// A cell of our own words: nothing in it is anybody else's choice, nor punctuation.
    pub(crate) fn word(&mut self, word: &str) {
        debug_assert_eq!(look(word), (true, false), "a word is a word");
        self.begin_cell();
        self.written.extend_from_slice(word.as_bytes());
    }

    /// A cell of our own that was put together already, in plain ASCII.
    pub(crate) fn plain(&mut self, cell: &[u8]) {
        debug_assert!(str::from_utf8(cell).is_ok_and(|cell| look(cell) == (true, false)));
        self.begin_cell();
        self.written.extend_from_slice(cell);
    }

    /// A cell of text that somebody else chose.
    pub(crate) fn text(&mut self, text: &str) {
        self.begin_cell();
        if !(PHRASE_LEN_MIN..=PHRASE_LEN_MAX).contains(&text.len()) {
            return put_text(&mut self.written, text);
        }
        // What tells sentences with the same end apart is mostly their length.
        let last = text.as_bytes().last_chunk().map_or(0, |last| usize::from_le_bytes(*last));
        let place = text.len() ^ last ^ last >> 17;
        let Some(phrase) = self.phrases.get_mut(place % PHRASES) else { return };
        if phrase.text != text {
            phrase.text.clear();
            phrase.text.push_str(text);
            phrase.cell.clear();
            put_text(&mut phrase.cell, text);
        }
        self.written.extend_from_slice(&phrase.cell);
    }

    /// A cell of text that somebody else chose and that has to be put together first.
    pub(crate) fn text_of(&mut self, put_together: impl FnOnce(&mut String)) {
        let mut draft = std::mem::take(&mut self.draft);
        draft.clear();
        put_together(&mut draft);
        self.text(&draft);
        self.draft = draft;
    }

    /// A cell of our own that has to be formatted.
    pub(crate) fn value(&mut self, value: impl fmt::Display) {
        self.begin_cell();
        let start = self.written.len();
        write!(self.written, "{value}").expect("memory takes everything");
        debug_assert!(
            str::from_utf8(&self.written[start..]).is_ok_and(|cell| !look(cell).1),
            "our own values are plain"
        );
    }

    /// A cell that may be empty.
    pub(crate) fn optional(&mut self, value: Option<impl fmt::Display>) {
        match value {
            Some(value) => self.value(value),
            None => self.begin_cell(),
        }
    }

    /// A number.
    pub(crate) fn number(&mut self, number: u64) {
        self.begin_cell();
        put_number(&mut self.written, number);
    }

    /// `true`, `false`, or empty when it can't be told.
    pub(crate) fn truth(&mut self, truth: Option<bool>) {
        self.word(match truth {
            Some(true) => "true",
            Some(false) => "false",
            None => "",
        });
    }

    /// An address.
    pub(crate) fn address(&mut self, address: IpAddr) {
        self.begin_cell();
        put_address(&mut self.written, address);
    }

    /// A time in RFC 3339.
    pub(crate) fn time(&mut self, time: Timestamp) {
        self.begin_cell();
        self.clock.put(&mut self.written, time);
    }

    /// Seconds with six decimals, cut; negative when a clock stepped back.
    pub(crate) fn seconds(&mut self, ns: i64) {
        self.begin_cell();
        let micros = ns.unsigned_abs() / 1_000;
        if ns < 0 && micros > 0 {
            self.written.push(b'-');
        }
        put_number(&mut self.written, micros / 1_000_000);
        self.written.push(b'.');
        // The rest of a division by a million fits.
        put_micros(&mut self.written, (micros % 1_000_000) as u32);
    }

    /// Bytes in lower-case hexadecimal.
    pub(crate) fn hex(&mut self, bytes: Option<&[u8; 16]>) {
        self.begin_cell();
        put_hex(&mut self.written, bytes.map_or(&[], |bytes| bytes));
    }

    /// Cells behind the first that are made from `key` alone: put together once, then copied.
    pub(crate) fn repeated<K: Eq + Hash>(
        &mut self,
        memo: &mut Memo<K>,
        key: K,
        cells: impl FnOnce(&mut Self, &K),
    ) {
        debug_assert!(self.cells > 0, "the bytes begin with a comma");
        if let Some(kept) = memo.get(&key) {
            self.written.extend_from_slice(&kept.bytes);
            self.cells += kept.count;
            return;
        }
        let (start, before) = (self.written.len(), self.cells);
        cells(self, &key);
        memo.keep(key, self.written.get(start..).unwrap_or_default(), self.cells - before);
    }

    /// Ends the record.
    pub(crate) fn end_record(&mut self) -> io::Result<()> {
        debug_assert_eq!(self.cells, self.columns, "a record has as many cells as the header");
        self.cells = 0;
        self.written.push(b'\n');
        if self.written.len() >= BUFFER_LEN {
            self.out.write_all(&self.written)?;
            self.written.clear();
        }
        Ok(())
    }

    /// Ends the table: everything has reached the writer beneath.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.written)?;
        self.out.flush()
    }

    fn begin_cell(&mut self) {
        if self.cells > 0 {
            self.written.push(b',');
        }
        self.cells += 1;
    }
}

impl CsvTable<Vec<u8>> {
    /// What was put together since the last call, for a place of its own.
    pub(crate) fn take_written(&mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.written);
        self.written.clear();
        std::mem::take(&mut self.out)
    }
}

/// Puts a text defused and quoted, where it needs that.
fn put_text(out: &mut Vec<u8>, text: &str) {
    match look(text) {
        (true, false) => out.extend_from_slice(text.as_bytes()),
        (true, true) => quote(out, text),
        (false, _) => {
            let mut defused = String::with_capacity(text.len() + 1);
            defuse_into(&mut defused, text);
            if defused.contains([',', '"', '\r', '\n']) {
                quote(out, &defused);
            } else {
                out.extend_from_slice(defused.as_bytes());
            }
        }
    }
}

/// Whether a text is printable ASCII and no formula, and whether it needs quotes then.
///
/// Every byte is looked at, without a way out early, so that the processor takes many at a time.
fn look(text: &str) -> (bool, bool) {
    let bytes = text.as_bytes();
    let odd =
        bytes.iter().fold(0, |odd, byte| odd | u8::from(byte.wrapping_sub(b' ') > b'~' - b' '));
    let special =
        bytes.iter().fold(0, |special, byte| special | u8::from(*byte == b',' || *byte == b'"'));
    (odd == 0 && !begins_like_formula(text), special != 0)
}

/// Puts quotes around a text, and doubles those in it.
fn quote(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for (index, part) in text.split('"').enumerate() {
        if index > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
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
        table.text(text);
        table.text_of(|cell| cell.push_str(text));
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
        table.number(u64::MAX);
        table.value(-1);
        table.truth(Some(true));
        table.truth(Some(false));
        table.truth(None);
        table.end_record().unwrap();
        table.finish().unwrap();
        assert_eq!(out, b"n,v,t,f,u\n18446744073709551615,-1,true,false,\n");
    }

    #[test]
    fn addresses_and_times_are_written_as_they_are_shown() {
        let mut out = Vec::new();
        let mut table = CsvTable::new(&mut out, &["a", "a", "t", "t", "t", "h", "h"]).unwrap();
        table.address("255.0.10.1".parse().unwrap());
        table.address("2001:db8::1".parse().unwrap());
        for ns in [-1, 0, 1_540_944_000_123_456_789] {
            table.time(Timestamp::from_nanos(ns));
        }
        table.hex(Some(&[0x0a; 16]));
        table.hex(None);
        table.end_record().unwrap();
        table.finish().unwrap();
        let expect = "255.0.10.1,2001:db8::1,1969-12-31T23:59:59.999999Z,\
                      1970-01-01T00:00:00.000000Z,2018-10-31T00:00:00.123456Z,\
                      0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a,";
        assert_eq!(String::from_utf8(out).unwrap().lines().last(), Some(expect));
    }

    #[test]
    fn seconds_have_six_decimals() {
        let check = |ns, expect: &str| {
            let mut out = Vec::new();
            let mut table = CsvTable::new(&mut out, &["s"]).unwrap();
            table.seconds(ns);
            table.end_record().unwrap();
            table.finish().unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("s\n{expect}\n"));
        };
        check(0, "0.000000");
        check(1_234_567_891, "1.234567");
        check(-1_500_000, "-0.001500");
        check(-1, "0.000000");
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
            table.word("x");
            table.end_record().err().map(|error| error.kind())
        });
        assert_eq!(failed, Some(io::ErrorKind::BrokenPipe));
    }

    #[test]
    fn long_texts_that_share_a_place_keep_their_cells() {
        let mut table = CsvTable::new(Vec::new(), &["text"]).unwrap();
        let texts: Vec<String> = (0..200)
            .map(|number| {
                format!("{number:03}, \"quoted\" and long enough to be kept as a cell of the table that it is in")
            })
            .collect();
        // One after the other, and the same again.
        for text in texts.iter().chain(&texts) {
            table.text(text);
            table.end_record().unwrap();
        }
        assert!(texts.iter().all(|text| (PHRASE_LEN_MIN..PHRASE_LEN_MAX).contains(&text.len())));
        table.out.write_all(&table.written).unwrap();
        let mut reader = ::csv::Reader::from_reader(table.out.as_slice());
        let cells: Vec<String> =
            reader.records().map(|record| record.unwrap()[0].to_owned()).collect();
        assert_eq!(cells, [texts.clone(), texts].concat());
    }

    proptest! {
        #[test]
        fn ipv6_addresses_are_written_as_they_are_shown(
            parts in prop::array::uniform8(prop_oneof![Just(0_u16), Just(1), any::<u16>()]),
        ) {
            let address = std::net::Ipv6Addr::from(parts);
            let mut table = CsvTable::new(Vec::new(), &["a"]).unwrap();
            table.written.clear();
            table.address(address.into());
            prop_assert_eq!(table.written, address.to_string().into_bytes());
        }

        #[test]
        fn any_time_is_written_as_it_is_shown(times: Vec<i64>) {
            let mut out = Vec::new();
            let mut table = CsvTable::new(&mut out, &["t"]).unwrap();
            for ns in &times {
                table.time(Timestamp::from_nanos(*ns));
                table.end_record().unwrap();
            }
            table.finish().unwrap();
            let expect: String = std::iter::once("t\n".to_owned())
                .chain(times.iter().map(|ns| format!("{}\n", Timestamp::from_nanos(*ns))))
                .collect();
            prop_assert_eq!(String::from_utf8(out).unwrap(), expect);
        }

        #[test]
        fn what_was_written_is_read_back(rows in prop::collection::vec(("\\PC*", "[ -~\r\n\t]*"), 1..20)) {
            let mut out = Vec::new();
            let mut table = CsvTable::new(&mut out, &["one", "two"]).unwrap();
            for (one, two) in &rows {
                table.text(one);
                table.text(two);
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

//! Rows of delimited text, one at a time, in memory that a hostile file can't make grow.
//!
//! `csv-core` tells the cells; this module decides how much text a row may take and where to go on
//! after one that is none. A row that spans lines and has the wrong number of cells is most likely
//! a quote that was never closed: then only its first line is given up.

use std::io::{self, Read};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

/// Bytes of one row. The longest that tshark writes of a handshake has some ten thousand; a
/// quote that is never closed must not swallow the file.
pub(super) const ROW_LEN_MAX: usize = 1 << 20;

/// Cells of one row. Exports of every field of TLS have some hundreds.
pub(super) const CELLS_MAX: usize = 4096;

const CHUNK_LEN: usize = 1 << 16;

/// Delimiter and quote of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
}

/// A row, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A row is in the reader.
    Row,
    /// Text that is no row was passed over.
    Unreadable(&'static str),
    /// The end.
    End,
}

/// Reads rows.
pub(super) struct Rows<R> {
    input: R,
    dialect: Dialect,
    window: Vec<u8>,
    /// Where in the window the next row begins.
    at: usize,
    /// Everything of the input is in the window.
    is_drained: bool,
    core: Reader,
    output: Vec<u8>,
    ends: Vec<usize>,
    cells: usize,
    /// Cells of every row, once the header told.
    width: Option<usize>,
    /// Number of the line where the last row began, from 1.
    pub(super) line: u64,
    next_line: u64,
    pub(super) bytes: u64,
}

impl<R: Read> Rows<R> {
    /// Rows of a text whose beginning was read already.
    pub(super) fn new(head: Vec<u8>, input: R, dialect: Dialect) -> Self {
        let core = ReaderBuilder::new().delimiter(dialect.delimiter).quote(dialect.quote).build();
        let bytes = head.len() as u64;
        Self {
            input,
            dialect,
            window: head,
            at: 0,
            is_drained: false,
            core,
            output: vec![0; 4096],
            ends: vec![0; 64],
            cells: 0,
            width: None,
            line: 0,
            next_line: 1,
            bytes,
        }
    }

    /// Takes the row that was read last for the header: every other one has as many cells.
    pub(super) const fn take_as_header(&mut self) {
        self.width = Some(self.cells);
    }

    /// The cells of the row that was read last.
    pub(super) fn cells(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.ends.iter().take(self.cells);
        ends.scan(0, |begin, end| {
            let cell = self.output.get(*begin..*end)?;
            *begin = *end;
            Some(cell)
        })
    }

    /// Reads the next row.
    ///
    /// # Errors
    ///
    /// When reading fails.
    pub(super) fn next_row(&mut self) -> io::Result<Found> {
        loop {
            let rest = self.window.get(self.at..).unwrap_or_default();
            // csv-core passes over empty lines, which would blur where a row begins.
            let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
            if blank > 0 {
                self.pass(blank);
                continue;
            }
            if rest.is_empty() && self.is_drained {
                return Ok(Found::End);
            }
            match self.parse() {
                Parsed::More if !self.is_drained => {
                    if rest_len(&self.window, self.at) >= ROW_LEN_MAX {
                        return self.give_up("a row of more than a million bytes");
                    }
                    self.fill()?;
                }
                Parsed::More => return self.give_up("a quote that is never closed"),
                Parsed::TooMany => return self.give_up("more cells than any export has"),
                Parsed::Row(len) => return self.take(len),
            }
        }
    }

    /// Whether the row of `len` bytes has the cells that it should have.
    fn take(&mut self, len: usize) -> io::Result<Found> {
        let text = &self.window[self.at..self.at + len];
        let is_last = self.is_drained && self.at + len == self.window.len();
        let ends_whole =
            text.ends_with(b"\n") || text.ends_with(b"\r") || text.ends_with(&[self.dialect.quote]);
        let spans_lines = text.trim_ascii_end().contains(&b'\n');
        if is_last && !ends_whole {
            return self.give_up("the file ends within the row");
        }
        match self.width {
            Some(width) if self.cells < width => {
                return self.give_up("fewer cells than the header has");
            }
            Some(width)
                if spans_lines && (self.cells > width || !is_well_quoted(text, self.dialect)) =>
            {
                return self.give_up("a quote that is never closed");
            }
            Some(width) if self.cells > width => {
                return self.give_up(
                    "more cells than the header has; cells that hold the separator need quotes \
                     (-E quote=d)",
                );
            }
            _ => {}
        }
        self.line = self.next_line;
        self.pass(len);
        Ok(Found::Row)
    }

    fn parse(&mut self) -> Parsed {
        self.core.reset();
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            let input = &self.window[self.at + read..];
            if input.is_empty() && !self.is_drained {
                return Parsed::More;
            }
            let (result, taken, wrote, cells) =
                self.core.read_record(input, &mut self.output[written..], &mut self.ends[ended..]);
            (read, written, ended) = (read + taken, written + wrote, ended + cells);
            match result {
                ReadRecordResult::InputEmpty if self.is_drained => {}
                ReadRecordResult::InputEmpty => return Parsed::More,
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() < CELLS_MAX => {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                ReadRecordResult::OutputEndsFull => return Parsed::TooMany,
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        self.cells = ended;
        let text = &self.window[self.at..self.at + read];
        if self.is_drained && self.at + read == self.window.len() && is_open(text, self.dialect) {
            return Parsed::More;
        }
        Parsed::Row(read)
    }

    /// Passes over the line where a row should be.
    fn give_up(&mut self, why: &'static str) -> io::Result<Found> {
        self.line = self.next_line;
        loop {
            let rest = self.window.get(self.at..).unwrap_or_default();
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.pass(end + 1);
                    break;
                }
                None => {
                    self.pass(rest.len());
                    if self.is_drained {
                        break;
                    }
                    self.fill()?;
                }
            }
        }
        Ok(Found::Unreadable(why))
    }

    fn pass(&mut self, len: usize) {
        let text = &self.window[self.at..self.at + len];
        self.next_line += text.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.at += len;
    }

    fn fill(&mut self) -> io::Result<()> {
        self.window.drain(..self.at);
        self.at = 0;
        let begin = self.window.len();
        self.window.resize(begin + CHUNK_LEN.max(begin), 0);
        let read = loop {
            match self.input.read(&mut self.window[begin..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                self.window.truncate(begin);
                return Err(error);
            }
        };
        self.window.truncate(begin + read);
        self.bytes += read as u64;
        self.is_drained = read == 0;
        Ok(())
    }
}

fn rest_len(window: &[u8], at: usize) -> usize {
    window.len().saturating_sub(at)
}

enum Parsed {
    /// The row goes on behind the window.
    More,
    /// A row of so many bytes.
    Row(usize),
    TooMany,
}

/// Whether a text ends within quotes.
fn is_open(text: &[u8], dialect: Dialect) -> bool {
    quoting(text, dialect).0
}

/// Whether every quote that ends a cell stands at the cell's end.
fn is_well_quoted(text: &[u8], dialect: Dialect) -> bool {
    quoting(text, dialect).1
}

/// Whether a text ends within quotes, and whether it is well quoted.
fn quoting(text: &[u8], dialect: Dialect) -> (bool, bool) {
    let (mut is_quoted, mut is_at_start, mut is_sound, mut was_closed) = (false, true, true, false);
    for &byte in text {
        if byte == dialect.quote && (is_quoted || is_at_start) {
            is_quoted = !is_quoted;
            // Two quotes in a row are one within the cell.
            is_at_start = !is_quoted;
            was_closed = !is_quoted;
        } else if !is_quoted {
            is_at_start = byte == dialect.delimiter || byte == b'\n' || byte == b'\r';
            is_sound &= is_at_start || !was_closed;
            was_closed = false;
        }
    }
    (is_quoted, is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Vec<String> {
        rows_in_pieces(text, usize::MAX)
    }

    /// A reader that gives few bytes at a time.
    struct Dribble<'a>(&'a [u8], usize);

    impl Read for Dribble<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let len = self.1.min(out.len()).min(self.0.len());
            let (now, later) = self.0.split_at(len);
            out[..len].copy_from_slice(now);
            self.0 = later;
            Ok(len)
        }
    }

    fn rows_in_pieces(text: &[u8], piece: usize) -> Vec<String> {
        let dialect = Dialect { delimiter: b',', quote: b'"' };
        let mut rows = Rows::new(Vec::new(), Dribble(text, piece), dialect);
        let mut found = Vec::new();
        loop {
            match rows.next_row().unwrap() {
                Found::End => return found,
                Found::Unreadable(why) => found.push(format!("{}! {why}", rows.line)),
                Found::Row => {
                    if found.is_empty() {
                        rows.take_as_header();
                    }
                    let cells: Vec<_> = rows.cells().map(String::from_utf8_lossy).collect();
                    found.push(format!("{}: {}", rows.line, cells.join("|")));
                }
            }
        }
    }

    #[test]
    fn cells_may_hold_line_ends_and_quotes() {
        let text = b"a,b\r\n1,\"x\r\ny\"\r\n\r\n2,\"say \"\"hi\"\"\"\n3,it\"s\r4,5\n";
        let expect = ["1: a|b", "2: 1|x\r\ny", "5: 2|say \"hi\"", "6: 3|it\"s", "6: 4|5"];
        assert_eq!(rows(text), expect);
        for piece in 1..20 {
            assert_eq!(rows_in_pieces(text, piece), expect, "{piece}");
        }
    }

    #[test]
    fn a_bad_line_costs_itself_alone() {
        let check = |text: &str, expect: &[&str]| assert_eq!(rows(text.as_bytes()), expect);
        check("a,b\n1\n2,3\n", &["1: a|b", "2! fewer cells than the header has", "3: 2|3"]);
        check(
            "a,b\n1,\"x\n2,\"y\"\n3,4\n",
            &["1: a|b", "2! a quote that is never closed", "3: 2|y", "4: 3|4"],
        );
        check("a,b\n1,\"x", &["1: a|b", "2! a quote that is never closed"]);
        check("a,b\n1,x", &["1: a|b", "2! the file ends within the row"]);
        check("a,b\n1,\"x\"", &["1: a|b", "2: 1|x"]);
        assert!(rows(b"a,b\n1,2,3\n4,5\n")[1].starts_with("2! more cells"));
    }

    #[test]
    fn a_row_is_read_up_to_its_bound_and_not_beyond() {
        let of_len = |len: usize| format!("a,b\n1,\"{}\"\n2,3\n", "x".repeat(len - 5));
        let found = rows(of_len(ROW_LEN_MAX - CHUNK_LEN).as_bytes());
        assert_eq!(found.len(), 3);
        assert!(found[1].starts_with("2: 1|xxx"));
        let found = rows(of_len(4 * ROW_LEN_MAX).as_bytes());
        assert_eq!(found[1..], ["2! a row of more than a million bytes", "3: 2|3"]);
        let found = rows(format!("a,b\n{}\n1,2\n", ",".repeat(2 * CELLS_MAX)).as_bytes());
        assert_eq!(found[1..], ["2! more cells than any export has", "3: 1|2"]);
    }
}

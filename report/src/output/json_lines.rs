//! A table as JSON Lines: one object a row, with the keys that the CSV has as columns.
//!
//! Numbers are numbers, truths are `true` and `false`, and what is empty in CSV is `null`. Text is
//! kept as it is: no spreadsheet runs it, and JSON escapes what would end a line.

use std::fmt;
use std::io::{self, BufWriter, Write};

use dissect::Timestamp;

use super::cells::Cells;

/// A JSON Lines file being written.
pub(crate) struct JsonLines<'a, W: Write> {
    out: BufWriter<W>,
    columns: &'a [&'a str],
    /// The place of the next cell.
    place: usize,
    /// The cell being formatted; kept to save an allocation a cell.
    cell: String,
}

/// Bytes that are collected before the writer beneath is called.
const BUFFER_LEN: usize = 1 << 16;

impl<'a, W: Write> JsonLines<'a, W> {
    /// Starts a table; JSON Lines have no header.
    pub(crate) fn new(out: W, columns: &'a [&'a str]) -> Self {
        let out = BufWriter::with_capacity(BUFFER_LEN, out);
        Self { out, columns, place: 0, cell: String::new() }
    }

    /// Begins a cell with its key.
    fn key(&mut self) -> io::Result<()> {
        self.out.write_all(if self.place == 0 { b"{" } else { b"," })?;
        let name = self.columns.get(self.place).ok_or(io::ErrorKind::InvalidInput)?;
        self.place += 1;
        serde_json::to_writer(&mut self.out, name)?;
        self.out.write_all(b":")
    }
}

impl<W: Write> Cells for JsonLines<'_, W> {
    fn word(&mut self, word: &str) -> io::Result<()> {
        self.text(word)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.key()?;
        if text.is_empty() {
            return self.out.write_all(b"null");
        }
        Ok(serde_json::to_writer(&mut self.out, text)?)
    }

    fn text_of(&mut self, value: impl fmt::Display) -> io::Result<()> {
        use fmt::Write as _;
        let mut cell = std::mem::take(&mut self.cell);
        cell.clear();
        write!(cell, "{value}").map_err(io::Error::other)?;
        let written = self.text(&cell);
        self.cell = cell;
        written
    }

    fn value(&mut self, value: impl fmt::Display) -> io::Result<()> {
        self.text_of(value)
    }

    fn number(&mut self, number: u64) -> io::Result<()> {
        self.key()?;
        self.out.write_all(itoa::Buffer::new().format(number).as_bytes())
    }

    fn truth(&mut self, truth: Option<bool>) -> io::Result<()> {
        self.key()?;
        self.out.write_all(match truth {
            Some(true) => b"true",
            Some(false) => b"false",
            None => b"null",
        })
    }

    fn time(&mut self, time: Timestamp) -> io::Result<()> {
        self.text_of(time)
    }

    fn end_record(&mut self) -> io::Result<()> {
        debug_assert_eq!(self.place, self.columns.len(), "a row has every column");
        self.place = 0;
        self.out.write_all(b"}\n")
    }

    fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

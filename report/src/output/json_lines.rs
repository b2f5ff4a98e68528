//! A table as JSON Lines: one object a row, with the keys that the CSV has as columns.
//!
//! Numbers are numbers, truths are `true` and `false`, and what is empty in CSV is `null`. Text is
//! kept as it is: no spreadsheet runs it, and JSON escapes what would end a line.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::Timestamp;

use super::cells::Cells;
use crate::rows::Hex;

/// A JSON Lines file being written.
pub(crate) struct JsonLines<'a, W: Write> {
    out: W,
    /// Rows, and the cells of the current one, that the writer beneath has not had.
    written: Vec<u8>,
    columns: &'a [&'a str],
    /// The place of the next cell.
    place: usize,
    /// A cell being put together; kept to save an allocation a cell.
    draft: String,
}

/// Bytes that are collected before the writer beneath is called.
const BUFFER_LEN: usize = 1 << 16;

impl<'a, W: Write> JsonLines<'a, W> {
    /// Starts a table; JSON Lines have no header.
    pub(crate) fn new(out: W, columns: &'a [&'a str]) -> Self {
        Self { out, written: Vec::new(), columns, place: 0, draft: String::new() }
    }

    /// Begins a cell with its key.
    fn key(&mut self) {
        self.written.push(if self.place == 0 { b'{' } else { b',' });
        let name = self.columns.get(self.place).copied().unwrap_or_default();
        self.place += 1;
        put_string(&mut self.written, name);
        self.written.push(b':');
    }
}

/// A string with its quotes.
fn put_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("memory takes every string");
}

impl<W: Write> Cells for JsonLines<'_, W> {
    fn word(&mut self, word: &str) {
        self.text(word);
    }

    fn text(&mut self, text: &str) {
        self.key();
        match text {
            "" => self.written.extend(b"null"),
            _ => put_string(&mut self.written, text),
        }
    }

    fn text_of(&mut self, put_together: impl FnOnce(&mut String)) {
        let mut draft = std::mem::take(&mut self.draft);
        draft.clear();
        put_together(&mut draft);
        self.text(&draft);
        self.draft = draft;
    }

    fn value(&mut self, value: impl fmt::Display) {
        self.text_of(|cell| write!(cell, "{value}").expect("memory takes everything"));
    }

    fn number(&mut self, number: u64) {
        self.key();
        self.written.extend(itoa::Buffer::new().format(number).as_bytes());
    }

    fn truth(&mut self, truth: Option<bool>) {
        self.key();
        self.written.extend_from_slice(match truth {
            Some(true) => b"true",
            Some(false) => b"false",
            None => b"null",
        });
    }

    fn address(&mut self, address: IpAddr) {
        self.value(address);
    }

    fn time(&mut self, time: Timestamp) {
        self.value(time);
    }

    fn hex(&mut self, bytes: Option<&[u8; 16]>) {
        self.optional(bytes.map(|bytes| Hex(bytes)));
    }

    fn end_record(&mut self) -> io::Result<()> {
        debug_assert_eq!(self.place, self.columns.len(), "a row has every column");
        self.place = 0;
        self.written.extend(b"}\n");
        if self.written.len() >= BUFFER_LEN {
            self.out.write_all(&self.written)?;
            self.written.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.out.write_all(&self.written)?;
        self.out.flush()
    }
}

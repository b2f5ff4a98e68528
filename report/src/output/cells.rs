//! What a table takes, whatever its format: typed cells, one after the other.

use std::fmt;
use std::hash::Hash;
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::Timestamp;

use super::csv::CsvTable;
use super::memo::Memo;
use crate::rows::CommunityId;

/// A table being written, cell by cell in the order of its columns.
pub(crate) trait Cells {
    /// A cell of our own words: nothing in it is anybody else's choice, nor punctuation.
    fn word(&mut self, word: &str);

    /// A cell of text that somebody else chose.
    fn text(&mut self, text: &str);

    /// A cell of text that somebody else chose and that has to be put together first.
    fn text_of(&mut self, put_together: impl FnOnce(&mut String));

    /// A cell of our own that has to be formatted.
    fn value(&mut self, value: impl fmt::Display);

    /// A cell that may be empty.
    fn optional(&mut self, value: Option<impl fmt::Display>) {
        match value {
            Some(value) => self.value(value),
            None => self.word(""),
        }
    }

    /// A number.
    fn number(&mut self, number: u64);

    /// True, false, or empty when it can't be told.
    fn truth(&mut self, truth: Option<bool>);

    /// An address.
    fn address(&mut self, address: IpAddr);

    /// A time in RFC 3339.
    fn time(&mut self, time: Timestamp);

    /// Bytes in lower-case hexadecimal.
    fn hex(&mut self, bytes: Option<&[u8; 16]>);

    /// Cells behind the first that are made from `key` alone.
    fn repeated<K: Eq + Hash>(
        &mut self,
        memo: &mut Memo<K>,
        key: K,
        cells: impl FnOnce(&mut Self, &K),
    ) {
        let _ = memo;
        cells(self, &key);
    }

    /// A Community ID.
    fn community_id(&mut self, id: CommunityId) {
        self.value(id);
    }

    /// Ends the record.
    fn end_record(&mut self) -> io::Result<()>;

    /// Ends the table: everything has reached the writer beneath.
    fn finish(self) -> io::Result<()>;
}

impl<W: Write> Cells for CsvTable<W> {
    fn word(&mut self, word: &str) {
        self.word(word);
    }

    fn text(&mut self, text: &str) {
        self.text(text);
    }

    fn text_of(&mut self, put_together: impl FnOnce(&mut String)) {
        self.text_of(put_together);
    }

    fn value(&mut self, value: impl fmt::Display) {
        self.value(value);
    }

    fn number(&mut self, number: u64) {
        self.number(number);
    }

    fn truth(&mut self, truth: Option<bool>) {
        self.truth(truth);
    }

    fn address(&mut self, address: IpAddr) {
        self.address(address);
    }

    fn time(&mut self, time: Timestamp) {
        self.time(time);
    }

    fn hex(&mut self, bytes: Option<&[u8; 16]>) {
        self.hex(bytes);
    }

    fn repeated<K: Eq + Hash>(
        &mut self,
        memo: &mut Memo<K>,
        key: K,
        cells: impl FnOnce(&mut Self, &K),
    ) {
        self.repeated(memo, key, cells);
    }

    fn community_id(&mut self, id: CommunityId) {
        self.plain(&id.text());
    }

    fn end_record(&mut self) -> io::Result<()> {
        self.end_record()
    }

    fn finish(self) -> io::Result<()> {
        self.finish()
    }
}

//! What a table takes, whatever its format: typed cells, one after the other.

use std::fmt;
use std::io;

use dissect::Timestamp;

/// A table being written, cell by cell in the order of its columns.
pub(crate) trait Cells {
    /// A cell of our own words: nothing in it is anybody else's choice.
    fn word(&mut self, word: &str) -> io::Result<()>;

    /// A cell of text that somebody else chose.
    fn text(&mut self, text: &str) -> io::Result<()>;

    /// A cell of text that somebody else chose and that has to be put together first.
    fn text_of(&mut self, value: impl fmt::Display) -> io::Result<()>;

    /// A cell of our own that has to be formatted.
    fn value(&mut self, value: impl fmt::Display) -> io::Result<()>;

    /// A cell that may be empty.
    fn optional(&mut self, value: Option<impl fmt::Display>) -> io::Result<()> {
        match value {
            Some(value) => self.value(value),
            None => self.word(""),
        }
    }

    /// A number.
    fn number(&mut self, number: u64) -> io::Result<()>;

    /// True, false, or empty when it can't be told.
    fn truth(&mut self, truth: Option<bool>) -> io::Result<()>;

    /// A time in RFC 3339.
    fn time(&mut self, time: Timestamp) -> io::Result<()>;

    /// Ends the record.
    fn end_record(&mut self) -> io::Result<()>;

    /// Ends the table: everything has reached the writer beneath.
    fn finish(self) -> io::Result<()>;
}

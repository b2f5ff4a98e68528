//! Lines of text that are sorted by the frames that they are of.

use std::cmp::Ordering;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use dissect::Endpoint;
use serde::{Deserialize, Serialize};

use super::sorter::{Kind, Sorter};
use crate::state::FrameWriter;

/// A line with what tells its place: in the order of the fields, up to the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Number of the frame.
    pub(crate) frame: u64,
    /// Time of the frame in nanoseconds since the Unix epoch.
    pub(crate) time: i64,
    /// The client.
    pub(crate) client: (IpAddr, u16),
    /// The server.
    pub(crate) server: (IpAddr, u16),
    /// The connection's place among all, and the line's among those of the connection.
    pub(crate) place: (u64, u32),
    /// The line as it is written.
    pub(crate) bytes: Vec<u8>,
}

/// An end of a connection, as lines are ordered by it.
pub(crate) const fn end_of(end: Endpoint) -> (IpAddr, u16) {
    (end.addr, end.port)
}

/// Takes lines in any order.
#[derive(Debug)]
pub(crate) struct Lines(Sorter<LineKind>);

impl Lines {
    /// For so many bytes in memory, and more in a file in a folder.
    pub(super) fn new(held_max: usize, dir: &Path) -> Self {
        Self(Sorter::new(LineKind, held_max, dir))
    }

    /// Takes a line.
    pub(crate) fn push(&mut self, line: Line) {
        self.0.push(line);
    }

    /// Gives the lines in order.
    ///
    /// # Errors
    ///
    /// Whatever `take` fails with, and when lines could not be put aside or read.
    pub(crate) fn each(self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let (sorted, error) = Sorter::finish([self.0]);
        if let Some(error) = error {
            return Err(error);
        }
        match sorted.into_held() {
            Ok(mut held) => {
                held.sort_unstable();
                held.iter().try_for_each(|line| take(&line.bytes))
            }
            Err(sorted) => sorted.each(|line| take(&line.bytes)),
        }
    }
}

/// Lines need nothing but themselves.
#[derive(Debug, Default)]
struct LineKind;

impl Kind for LineKind {
    type Item = Line;

    fn compare(one: &Line, other: &Line) -> Ordering {
        one.cmp(other)
    }

    fn held_bytes(line: &Line) -> usize {
        size_of::<Line>() + line.bytes.len()
    }

    fn write<W: io::Write>(&mut self, line: &Line, frames: &mut FrameWriter<W>) -> io::Result<()> {
        frames.push(line)
    }

    fn read<'b>(&self, bytes: &'b [u8]) -> Option<(Line, &'b [u8])> {
        postcard::take_from_bytes(bytes).ok()
    }
}

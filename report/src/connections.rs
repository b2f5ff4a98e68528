//! The connections of a report, wherever they are.

use std::io;

use crate::JudgedFlow;
use crate::store::StoredFlows;

/// Judged connections in the order in which they are to appear.
#[derive(Debug, Clone, Copy)]
pub enum Connections<'a> {
    /// All of them in memory.
    Held(&'a [JudgedFlow]),
    /// Their facts in a file, from which they are judged each time.
    Stored(&'a StoredFlows<'a>),
}

impl Connections<'_> {
    /// Gives all connections in their order, as many at a time as are in memory together.
    ///
    /// # Errors
    ///
    /// Whatever `take` fails with, and when the file can't be read.
    pub fn each_part(
        self,
        mut take: impl FnMut(&[JudgedFlow]) -> io::Result<()>,
    ) -> io::Result<()> {
        match self {
            Self::Held(flows) => take(flows),
            Self::Stored(flows) => flows.each_part(&mut take),
        }
    }
}

//! The way of a frame: link, IP, flow table.

use crate::flow::{FlowTable, Segment};
use crate::{Counters, Frame, Limits, Observer};

/// Follows the connections in a series of frames.
///
/// Frames of one connection have to reach the same dissector, in the order they were captured.
/// What is learned goes to the [`Observer`] that is passed along.
#[derive(Debug)]
pub struct Dissector {
    counters: Counters,
    flows: FlowTable,
}

impl Dissector {
    /// A dissector without connections.
    ///
    /// `seed` keys the hash tables: a number that an attacker on the wire can't know keeps lookups
    /// fast. It changes nothing in what is observed.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self { counters: Counters::default(), flows: FlowTable::new(limits, seed) }
    }

    /// Follows one frame.
    pub fn push(&mut self, frame: &Frame<'_>, seen: &mut impl Observer) {
        let _ = (frame, seen);
    }

    /// Reports every connection that is still open: the input is over.
    pub fn finish(&mut self, seen: &mut impl Observer) {
        self.flows.finish(&mut self.counters, seen);
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

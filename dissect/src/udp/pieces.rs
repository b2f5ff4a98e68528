//! Puts a message together whose pieces arrive in any order, twice, or overlapping: CRYPTO frames
//! of QUIC (RFC 9000 §19.6) and handshake fragments of DTLS (RFC 6347 §4.2.3).
//!
//! Knows nothing but offsets. Of two copies of a byte the first counts.

use std::ops::Range;

use smallvec::SmallVec;

/// Ranges apart from each other that are kept. Browsers scatter a hello over a dozen frames on
/// purpose; past this, a piece that joins none is dropped.
const RANGES_MAX: usize = 64;

/// A message of which some ranges have arrived.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    /// What has arrived: ascending, and a hole between each two.
    covered: SmallVec<[Range<usize>; 2]>,
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It is kept, as far as it was not there already.
    Kept,
    /// It contradicts bytes that were there already, which stay.
    Conflict,
    /// It lies beyond a bound and was dropped.
    Dropped,
}

impl Pieces {
    /// Takes the bytes at `offset` of a message of at most `len_max` bytes.
    pub(super) fn insert(&mut self, offset: usize, piece: &[u8], len_max: usize) -> Inserted {
        let Some(end) = offset.checked_add(piece.len()).filter(|&end| end <= len_max) else {
            return Inserted::Dropped;
        };
        if piece.is_empty() {
            return Inserted::Kept;
        }
        let first = self.covered.partition_point(|range| range.end < offset);
        let last = self.covered.partition_point(|range| range.start <= end);
        if first == last && self.covered.len() >= RANGES_MAX {
            return Inserted::Dropped;
        }
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let touched = self.covered.get(first..last).unwrap_or_default();
        let merged = touched.first().map_or(offset, |range| range.start.min(offset))
            ..touched.last().map_or(end, |range| range.end.max(end));
        let mut is_conflict = false;
        let mut fresh = offset;
        for range in touched.iter().cloned().chain(std::iter::once(end..end)) {
            copy(&mut self.bytes, piece, offset, fresh..range.start);
            let known = range.start.max(offset)..range.end.min(end);
            is_conflict |= slice(&self.bytes, &known)
                != slice(piece, &(known.start.saturating_sub(offset)..known.end - offset));
            fresh = fresh.max(range.end);
        }
        self.covered.drain(first..last);
        self.covered.insert(first, merged);
        if is_conflict { Inserted::Conflict } else { Inserted::Kept }
    }

    /// The bytes from the beginning to the first hole.
    pub(super) fn prefix(&self) -> &[u8] {
        match self.covered.first() {
            Some(range) if range.start == 0 => slice(&self.bytes, range),
            _ => &[],
        }
    }

    /// Whether nothing has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.covered.is_empty()
    }

    /// Bytes that are held.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

/// Copies those bytes of a piece that lie in `range` of the message; an empty or inverted range
/// copies nothing.
fn copy(message: &mut [u8], piece: &[u8], offset: usize, range: Range<usize>) {
    if range.is_empty() {
        return;
    }
    let from = slice(piece, &(range.start - offset..range.end - offset));
    if let Some(to) = message.get_mut(range).filter(|to| to.len() == from.len()) {
        to.copy_from_slice(from);
    }
}

fn slice<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pieces_join_in_any_order() {
        let mut pieces = Pieces::default();
        for (offset, piece) in [(6, "world"), (3, "lo"), (0, "hel"), (5, " "), (2, "llo")] {
            assert_eq!(pieces.insert(offset, piece.as_bytes(), 100), Inserted::Kept);
        }
        assert_eq!(pieces.prefix(), b"hello world");
    }

    #[test]
    fn the_first_copy_of_a_byte_counts() {
        let mut pieces = Pieces::default();
        pieces.insert(2, b"cd", 100);
        assert_eq!(pieces.insert(0, b"abXXef", 100), Inserted::Conflict);
        assert_eq!(pieces.prefix(), b"abcdef");
    }

    #[test]
    fn a_hole_ends_the_prefix() {
        let mut pieces = Pieces::default();
        pieces.insert(4, b"efg", 100);
        assert_eq!(pieces.prefix(), b"");
        pieces.insert(0, b"abc", 100);
        assert_eq!(pieces.prefix(), b"abc");
    }

    #[test]
    fn pieces_beyond_the_message_are_dropped() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.insert(9, b"x", 10), Inserted::Kept);
        assert_eq!(pieces.insert(10, b"x", 10), Inserted::Dropped);
        assert_eq!(pieces.insert(usize::MAX, b"x", 10), Inserted::Dropped);
        assert!(pieces.held_bytes() <= 16);
    }

    #[test]
    fn ranges_beyond_the_bound_are_dropped() {
        let mut pieces = Pieces::default();
        for i in 0..RANGES_MAX {
            assert_eq!(pieces.insert(1 + 2 * i, b"x", 1000), Inserted::Kept);
        }
        assert_eq!(pieces.insert(500, b"x", 1000), Inserted::Dropped);
        assert_eq!(pieces.insert(0, b"x", 1000), Inserted::Kept);
    }

    proptest! {
        #[test]
        fn any_pieces_of_a_message_give_it(
            message: Vec<u8>,
            cuts: Vec<(prop::sample::Index, prop::sample::Index)>,
        ) {
            let mut pieces = Pieces::default();
            for (a, b) in cuts {
                let (a, b) = (a.index(message.len() + 1), b.index(message.len() + 1));
                let (a, b) = (a.min(b), a.max(b));
                prop_assert_ne!(pieces.insert(a, &message[a..b], message.len()), Inserted::Conflict);
                prop_assert!(message.starts_with(pieces.prefix()));
            }
            if pieces.insert(0, &message, message.len()) == Inserted::Kept {
                prop_assert_eq!(pieces.prefix(), &message[..]);
            }
        }
    }
}

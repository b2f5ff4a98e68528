//! Puts the bytes of one direction in order.
//!
//! In-order bytes pass through without a copy. Segments that come too early are parked, within
//! [`Limits`]; a hole that does not fill becomes a [`Sink::gap`], an event beside the data and not
//! an error. Where two copies of a byte differ, the first to arrive counts and the conflict is
//! counted.
//!
//! Invariant: `parked` is sorted, its entries don't overlap, and all lie behind `next`.

use super::Seq;
use crate::{Counters, Limits};

/// Takes a direction's bytes in order.
pub(crate) trait Sink {
    /// The next bytes. A call's first byte is a segment's first byte or follows a gap or a
    /// parked neighbour directly.
    fn data(&mut self, bytes: &[u8]);
    /// `len` bytes are missing here.
    fn gap(&mut self, len: u32, cause: GapCause);
}

/// Why bytes are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GapCause {
    /// No packet brought them.
    Lost,
    /// The snap length cut them off.
    Cut,
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    /// The next byte to deliver; `None` before the beginning is known.
    next: Option<Seq>,
    parked: Vec<Parked>,
    parked_bytes: usize,
    /// The last bytes delivered, to compare retransmissions with; they end at `history_end`.
    history: Vec<u8>,
    history_end: Option<Seq>,
}

#[derive(Debug)]
struct Parked {
    seq: Seq,
    bytes: Box<[u8]>,
    /// Bytes behind `bytes` that the snap length cut off.
    cut: u32,
}

impl Parked {
    fn len(&self) -> u32 {
        // Bounded by the 64 KiB of an IP packet, or 4 GiB of a jumbogram at the very most.
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).saturating_add(self.cut)
    }

    fn end(&self) -> Seq {
        self.seq.plus(self.len())
    }
}

impl Assembler {
    /// Says where the stream begins.
    pub(crate) fn anchor(&mut self, start: Seq) {
        if self.next.is_none() {
            self.next = Some(start);
            self.parked.retain(|parked| parked.end().since(start) > 0);
            self.parked_bytes = self.parked.iter().map(|parked| parked.bytes.len()).sum();
        }
    }

    /// The next byte that is waited for; `None` before the beginning is known.
    pub(crate) fn next(&self) -> Option<Seq> {
        self.next
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.parked_bytes + self.history.capacity()
    }

    /// How many segments wait.
    pub(crate) fn parked_segments(&self) -> usize {
        self.parked.len()
    }

    /// The earliest of the segments that wait.
    pub(crate) fn first_parked(&self) -> Option<Seq> {
        self.parked.first().map(|parked| parked.seq)
    }

    /// Takes a segment: `payload` as captured, `cut` more bytes that the snap length removed.
    pub(crate) fn push(
        &mut self,
        seq: Seq,
        payload: &[u8],
        cut: u32,
        limits: &Limits,
        counters: &mut Counters,
        sink: &mut impl Sink,
    ) {
        let Some(next) = self.next else {
            self.park(seq, payload, cut, counters);
            return;
        };
        let ahead = seq.since(next);
        if ahead == 0 && self.parked.is_empty() {
            self.deliver(payload, cut, limits, sink);
            return;
        }
        if ahead > 0 {
            counters.out_of_order_segments += 1;
            self.park(seq, payload, cut, counters);
            while self.parked_bytes > limits.parked_bytes_max
                || self.parked.len() > limits.parked_segments_max
            {
                self.skip_hole(limits, counters, sink);
            }
            return;
        }
        let known = ahead.unsigned_abs();
        let (old, fresh) = payload.split_at(payload.len().min(known as usize));
        if self.differs_from_history(seq, old) {
            counters.overlap_conflicts += 1;
        }
        if fresh.is_empty() && len_u32(payload).saturating_add(cut) <= known {
            counters.duplicate_segments += 1;
            return;
        }
        let cut = if fresh.is_empty() { cut - (known - len_u32(payload)) } else { cut };
        self.fill(fresh, cut, limits, counters, sink);
    }

    /// Delivers what is parked and turns the holes before it into gaps: nothing more will come.
    pub(crate) fn flush(&mut self, limits: &Limits, counters: &mut Counters, sink: &mut impl Sink) {
        if let Some(first) = self.first_parked() {
            self.anchor(first);
        }
        while !self.parked.is_empty() {
            self.skip_hole(limits, counters, sink);
        }
    }

    /// Delivers bytes that begin at `next`, around and together with what is parked.
    fn fill(
        &mut self,
        mut fresh: &[u8],
        cut: u32,
        limits: &Limits,
        counters: &mut Counters,
        sink: &mut impl Sink,
    ) {
        while let (Some(next), Some(first)) = (self.next, self.parked.first()) {
            let room = first.seq.since(next).unsigned_abs() as usize;
            if room > fresh.len() {
                break;
            }
            let (before, rest) = fresh.split_at(room);
            if !before.is_empty() {
                self.deliver(before, 0, limits, sink);
            }
            let first = self.parked.remove(0);
            self.parked_bytes -= first.bytes.len();
            let shared = rest.len().min(first.bytes.len());
            if rest.iter().zip(&first.bytes).any(|(new, old)| new != old) {
                counters.overlap_conflicts += 1;
            }
            self.deliver(&first.bytes, first.cut, limits, sink);
            fresh = rest.get(shared.max(first.len() as usize).min(rest.len())..).unwrap_or(&[]);
        }
        let room = match (self.next, self.parked.first()) {
            (Some(next), Some(first)) => first.seq.since(next).unsigned_abs(),
            _ => u32::MAX,
        };
        let cut = cut.min(room.saturating_sub(len_u32(fresh)));
        if !fresh.is_empty() || cut > 0 {
            self.deliver(fresh, cut, limits, sink);
        }
        self.drain(limits, sink);
    }

    /// Delivers parked segments that follow directly.
    pub(crate) fn drain(&mut self, limits: &Limits, sink: &mut impl Sink) {
        let ready = |this: &Self| this.parked.first().is_some_and(|p| Some(p.seq) == this.next);
        if !ready(self) {
            return;
        }
        let parked = std::mem::take(&mut self.parked);
        let mut rest = parked.into_iter();
        for parked in rest.by_ref() {
            if Some(parked.seq) != self.next {
                self.parked.push(parked);
                break;
            }
            self.parked_bytes -= parked.bytes.len();
            self.deliver(&parked.bytes, parked.cut, limits, sink);
        }
        self.parked.extend(rest);
    }

    fn deliver(&mut self, bytes: &[u8], cut: u32, limits: &Limits, sink: &mut impl Sink) {
        let Some(next) = self.next else { return };
        let end = next.plus(len_u32(bytes));
        let room = limits.history_bytes_max.saturating_sub(self.history.len());
        if room > 0 && (self.history_end == Some(next) || self.history.is_empty()) {
            let kept = bytes.get(..room).unwrap_or(bytes);
            self.history.extend_from_slice(kept);
            self.history_end = Some(next.plus(len_u32(kept)));
        }
        if !bytes.is_empty() {
            sink.data(bytes);
        }
        if cut > 0 {
            sink.gap(cut, GapCause::Cut);
        }
        self.next = Some(end.plus(cut));
    }

    fn skip_hole(&mut self, limits: &Limits, counters: &mut Counters, sink: &mut impl Sink) {
        if let (Some(next), Some(first)) = (self.next, self.first_parked()) {
            let hole = first.since(next).unsigned_abs();
            if hole > 0 {
                counters.gaps += 1;
                sink.gap(hole, GapCause::Lost);
                self.next = Some(first);
            }
        }
        self.drain(limits, sink);
    }

    /// Keeps those bytes of a segment that nothing parked covers.
    fn park(&mut self, seq: Seq, payload: &[u8], cut: u32, counters: &mut Counters) {
        let (mut seq, mut bytes) = (seq, payload);
        let mut at = self.parked.partition_point(|parked| parked.end().since(seq) <= 0);
        let mut conflict = false;
        let mut is_new = false;
        while let Some(other) = self.parked.get(at) {
            let room = other.seq.since(seq);
            if room > 0 {
                let (before, rest) = bytes.split_at(bytes.len().min(room.unsigned_abs() as usize));
                if before.is_empty() || rest.is_empty() {
                    break;
                }
                self.parked_bytes += before.len();
                self.parked.insert(at, Parked { seq, bytes: before.into(), cut: 0 });
                is_new = true;
                at += 1;
                seq = seq.plus(len_u32(before));
                bytes = rest;
                continue;
            }
            let skip = room.unsigned_abs() as usize;
            let theirs = other.bytes.get(skip..).unwrap_or(&[]);
            conflict |= bytes.iter().zip(theirs).any(|(new, old)| new != old);
            let covered = other.end().since(seq).unsigned_abs();
            seq = other.end();
            bytes = bytes.get(covered as usize..).unwrap_or(&[]);
            at += 1;
            if bytes.is_empty() {
                break;
            }
        }
        counters.overlap_conflicts += u64::from(conflict);
        if !bytes.is_empty() || (cut > 0 && payload.is_empty()) {
            let room = self.parked.get(at).map_or(u32::MAX, |p| p.seq.since(seq).unsigned_abs());
            let cut = cut.min(room.saturating_sub(len_u32(bytes)));
            self.parked_bytes += bytes.len();
            self.parked.insert(at, Parked { seq, bytes: bytes.into(), cut });
            is_new = true;
        }
        counters.duplicate_segments += u64::from(!is_new);
    }

    /// Whether bytes that were delivered before are different this time.
    fn differs_from_history(&self, seq: Seq, again: &[u8]) -> bool {
        let Some(end) = self.history_end else { return false };
        let start = end.plus(len_u32(&self.history).wrapping_neg());
        let offset = seq.since(start);
        let (history, again) = if offset < 0 {
            (self.history.as_slice(), again.get(offset.unsigned_abs() as usize..).unwrap_or(&[]))
        } else {
            (self.history.get(offset.unsigned_abs() as usize..).unwrap_or(&[]), again)
        };
        history.iter().zip(again).any(|(first, second)| first != second)
    }
}

/// A length of captured bytes: those of one packet, or of a bounded buffer.
fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Default, PartialEq)]
    struct Stream(Vec<Option<u8>>);

    impl Sink for Stream {
        fn data(&mut self, bytes: &[u8]) {
            self.0.extend(bytes.iter().copied().map(Some));
        }
        fn gap(&mut self, len: u32, _: GapCause) {
            self.0.extend(std::iter::repeat_n(None, len as usize));
        }
    }

    impl Stream {
        fn text(&self) -> String {
            self.0.iter().map(|b| b.map_or('?', char::from)).collect()
        }
    }

    /// Pushes `(offset, text, cut)` after the sequence number `start`; returns what came out, at
    /// once and after the flush, and the counters.
    fn run(start: u32, segments: &[(i32, &str, u32)]) -> (String, String, Counters) {
        let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
        let (limits, mut counters) = (Limits::default(), Counters::default());
        assembler.anchor(Seq(start));
        for &(offset, text, cut) in segments {
            let seq = Seq(start.wrapping_add_signed(offset));
            assembler.push(seq, text.as_bytes(), cut, &limits, &mut counters, &mut stream);
        }
        let at_once = stream.text();
        assembler.flush(&limits, &mut counters, &mut stream);
        (at_once, stream.text(), counters)
    }

    #[track_caller]
    fn check(segments: &[(i32, &str, u32)], at_once: &str, flushed: &str) -> Counters {
        for start in [0, 77, u32::MAX - 2, u32::MAX] {
            let (now, then, _) = run(start, segments);
            assert_eq!((now.as_str(), then.as_str()), (at_once, flushed), "from {start}");
        }
        run(5, segments).2
    }

    #[test]
    fn order_is_restored() {
        check(&[(0, "ab", 0), (2, "cd", 0)], "abcd", "abcd");
        check(&[(2, "cd", 0), (0, "ab", 0)], "abcd", "abcd");
        check(&[(4, "ef", 0), (2, "cd", 0), (0, "ab", 0)], "abcdef", "abcdef");
        let counters = check(&[(2, "cd", 0), (4, "ef", 0), (0, "ab", 0)], "abcdef", "abcdef");
        assert_eq!(counters.out_of_order_segments, 2);
    }

    #[test]
    fn retransmissions_change_nothing() {
        let counters = check(&[(0, "ab", 0), (0, "ab", 0), (2, "c", 0)], "abc", "abc");
        assert_eq!((counters.duplicate_segments, counters.overlap_conflicts), (1, 0));
        let counters = check(&[(2, "cd", 0), (2, "cd", 0), (0, "ab", 0)], "abcd", "abcd");
        assert_eq!((counters.duplicate_segments, counters.overlap_conflicts), (1, 0));
        check(&[(0, "abc", 0), (1, "bcde", 0)], "abcde", "abcde");
        check(&[(0, "ab", 0), (-1, "x", 0), (2, "c", 0)], "abc", "abc"); // keepalive
    }

    #[test]
    fn first_copy_wins_and_the_conflict_is_counted() {
        let counters = check(&[(0, "abc", 0), (1, "XYd", 0)], "abcd", "abcd");
        assert_eq!(counters.overlap_conflicts, 1);
        let counters = check(&[(2, "cd", 0), (0, "abXY", 0)], "abcd", "abcd");
        assert_eq!(counters.overlap_conflicts, 1);
        let counters = check(&[(2, "cd", 0), (1, "bXYe", 0), (0, "a", 0)], "abcde", "abcde");
        assert_eq!(counters.overlap_conflicts, 1);
        let counters = check(&[(1, "b", 0), (3, "d", 0), (0, "aXcXe", 0)], "abcde", "abcde");
        assert_eq!(counters.overlap_conflicts, 2);
    }

    #[test]
    fn holes_become_gaps() {
        let counters = check(&[(0, "ab", 0), (4, "ef", 0)], "ab", "ab??ef");
        assert_eq!(counters.gaps, 1);
        check(&[(3, "d", 0), (6, "g", 0)], "", "???d??g");
    }

    #[test]
    fn cut_bytes_are_missing_where_they_were() {
        check(&[(0, "ab", 2), (4, "ef", 0)], "ab??ef", "ab??ef");
        check(&[(4, "ef", 1), (0, "ab", 2)], "ab??ef?", "ab??ef?");
        check(&[(0, "ab", 2), (0, "ab", 2), (4, "e", 0)], "ab??e", "ab??e");
    }

    #[test]
    fn parked_bytes_stay_within_the_limit() {
        let limits = Limits { parked_bytes_max: 4, ..Limits::default() };
        let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
        let mut counters = Counters::default();
        assembler.anchor(Seq(0));
        assembler.push(Seq(2), b"cdef", 0, &limits, &mut counters, &mut stream);
        assert_eq!((stream.text().as_str(), counters.gaps), ("", 0));
        assembler.push(Seq(7), b"h", 0, &limits, &mut counters, &mut stream);
        assert_eq!((stream.text().as_str(), counters.gaps), ("??cdef", 1));
    }

    #[test]
    fn parked_segments_stay_within_the_limit() {
        let limits = Limits { parked_segments_max: 2, ..Limits::default() };
        let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
        let mut counters = Counters::default();
        assembler.anchor(Seq(0));
        for seq in [2, 4] {
            assembler.push(Seq(seq), b"x", 0, &limits, &mut counters, &mut stream);
        }
        assert_eq!(stream.text(), "");
        assembler.push(Seq(6), b"x", 0, &limits, &mut counters, &mut stream);
        assert_eq!((stream.text().as_str(), counters.gaps), ("??x", 1));
    }

    proptest! {
        /// Whatever the cuts, the order, the duplicates and the overlaps: the same stream.
        #[test]
        fn any_order_gives_the_stream(
            text in proptest::collection::vec(any::<u8>(), 1..200),
            pieces in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..40), 0..40),
            start in any::<u32>(),
        ) {
            let limits = Limits::default();
            let (mut assembler, mut stream) = (Assembler::default(), Stream::default());
            let mut counters = Counters::default();
            assembler.anchor(Seq(start));
            let mut seen = vec![false; text.len()];
            let mut push = |from: usize, to: usize| {
                seen[from..to].fill(true);
                let seq = Seq(start).plus(u32::try_from(from).unwrap());
                assembler.push(seq, &text[from..to], 0, &limits, &mut counters, &mut stream);
            };
            for (index, len) in pieces {
                let from = index.index(text.len());
                push(from, (from + len).min(text.len()));
            }
            assembler.flush(&limits, &mut counters, &mut stream);
            let end = seen.iter().rposition(|&s| s).map_or(0, |last| last + 1);
            let expect: Vec<Option<u8>> =
                (0..end).map(|i| seen[i].then_some(text[i])).collect();
            prop_assert_eq!(stream.0, expect);
            prop_assert_eq!(counters.overlap_conflicts, 0);
        }
    }
}

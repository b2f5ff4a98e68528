//! Puts the bytes of one direction in order.
//!
//! In-order bytes pass through without a copy. Segments that come too early are parked, within
//! [`Limits`]; a hole that does not fill becomes a [`Sink::gap`], an event beside the data and not
//! an error. Where two copies of a byte differ, the first to arrive counts and the conflict is
//! counted.
//!
//! Invariant: `parked` is sorted, its entries don't overlap, and all lie behind `next`.

use super::{Buffers, Seq};
use crate::{Counters, Limits};

/// Takes a direction's bytes in order.
pub(crate) trait Sink {
    /// The next bytes. A call's first byte is a segment's first byte or follows a gap or a
    /// parked neighbour directly.
    fn data(&mut self, bytes: &[u8], place: Place);
    /// `len` bytes are missing here.
    fn gap(&mut self, len: u32, cause: GapCause);
    /// Where the room comes from for what is kept.
    fn buffers(&mut self) -> &mut Buffers;
}

/// Where bytes lie between the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    /// Number of the first byte.
    pub(crate) seq: Seq,
    /// What their sender had received by then of the other direction; `None` without ACK.
    pub(crate) ack: Option<Seq>,
}

/// What a segment brings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// Number of the first byte.
    pub(crate) seq: Seq,
    /// The segment's acknowledgement number, if it has one.
    pub(crate) ack: Option<Seq>,
    /// The bytes as captured.
    pub(crate) bytes: &'a [u8],
    /// How many more there were that the snap length removed.
    pub(crate) cut: u32,
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
    /// Up to here the stream is known to go, by a FIN or by what the other side acknowledged.
    extent: Option<Seq>,
}

#[derive(Debug)]
struct Parked {
    seq: Seq,
    ack: Option<Seq>,
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

    /// Drops the bytes before `start`, which lies before the end.
    fn cut_off_before(&mut self, start: Seq) {
        let before = start.since(self.seq);
        if before > 0 {
            let before = before.unsigned_abs();
            let absent = before.saturating_sub(len_u32(&self.bytes));
            self.bytes = self.bytes.get(before as usize..).unwrap_or_default().into();
            self.cut = self.cut.saturating_sub(absent);
            self.seq = start;
        }
    }
}

impl Assembler {
    /// Says where the stream begins.
    pub(crate) fn anchor(&mut self, start: Seq) {
        if self.next.is_none() {
            self.next = Some(start);
            self.parked.retain(|parked| parked.end().since(start) > 0);
            if let Some(first) = self.parked.first_mut() {
                first.cut_off_before(start);
            }
            self.parked_bytes = self.parked.iter().map(|parked| parked.bytes.len()).sum();
        }
    }

    /// The next byte that is waited for; `None` before the beginning is known.
    pub(crate) fn next(&self) -> Option<Seq> {
        self.next
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.parked_bytes + self.parked.capacity() * size_of::<Parked>() + self.history.capacity()
    }

    /// How many segments wait.
    pub(crate) fn parked_segments(&self) -> usize {
        self.parked.len()
    }

    /// The earliest of the segments that wait.
    pub(crate) fn first_parked(&self) -> Option<Seq> {
        self.parked.first().map(|parked| parked.seq)
    }

    /// The earliest of the segments that wait and lie less than `reach` before `seq`, or `seq`
    /// itself.
    pub(crate) fn beginning(&self, seq: Seq, reach: u32) -> Seq {
        let before = |parked: &&Parked| (0..=reach.cast_signed()).contains(&seq.since(parked.seq));
        self.parked.iter().find(before).map_or(seq, |parked| parked.seq)
    }

    /// Tells that the stream goes on up to `end` at least: what doesn't arrive of it is missing.
    pub(crate) fn note_extent(&mut self, end: Seq) {
        if self.extent.is_none_or(|known| end.since(known) > 0) {
            self.extent = Some(end);
        }
    }

    /// Takes what a segment brings.
    pub(crate) fn push(
        &mut self,
        piece: Piece<'_>,
        limits: &Limits,
        counters: &mut Counters,
        sink: &mut impl Sink,
    ) {
        let Some(next) = self.next else {
            self.park(piece, counters);
            return;
        };
        let Piece { seq, ack, bytes: payload, cut } = piece;
        let ahead = seq.since(next);
        if ahead == 0 && self.parked.is_empty() {
            self.deliver(payload, cut, ack, limits, sink);
            return;
        }
        if ahead > 0 {
            counters.out_of_order_segments += 1;
            self.park(piece, counters);
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
        self.fill(fresh, cut, ack, limits, counters, sink);
    }

    /// Delivers what is parked and turns the holes before it into gaps: nothing more will come.
    pub(crate) fn flush(&mut self, limits: &Limits, counters: &mut Counters, sink: &mut impl Sink) {
        if let Some(first) = self.first_parked() {
            self.anchor(first);
        }
        while !self.parked.is_empty() {
            self.skip_hole(limits, counters, sink);
        }
        if let (Some(next), Some(extent)) = (self.next, self.extent) {
            let missing = extent.since(next);
            if missing > 0 {
                counters.gaps += 1;
                sink.gap(missing.unsigned_abs(), GapCause::Lost);
                self.next = Some(extent);
            }
        }
    }

    /// Delivers bytes that begin at `next`, around and together with what is parked.
    fn fill(
        &mut self,
        mut fresh: &[u8],
        cut: u32,
        ack: Option<Seq>,
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
                self.deliver(before, 0, ack, limits, sink);
            }
            let first = self.parked.remove(0);
            self.parked_bytes -= first.bytes.len();
            let shared = rest.len().min(first.bytes.len());
            if rest.iter().zip(&first.bytes).any(|(new, old)| new != old) {
                counters.overlap_conflicts += 1;
            }
            self.deliver(&first.bytes, first.cut, first.ack, limits, sink);
            fresh = rest.get(shared.max(first.len() as usize).min(rest.len())..).unwrap_or(&[]);
        }
        let room = match (self.next, self.parked.first()) {
            (Some(next), Some(first)) => first.seq.since(next).unsigned_abs(),
            _ => u32::MAX,
        };
        let cut = cut.min(room.saturating_sub(len_u32(fresh)));
        if !fresh.is_empty() || cut > 0 {
            self.deliver(fresh, cut, ack, limits, sink);
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
            self.deliver(&parked.bytes, parked.cut, parked.ack, limits, sink);
        }
        self.parked.extend(rest);
    }

    fn deliver(
        &mut self,
        bytes: &[u8],
        cut: u32,
        ack: Option<Seq>,
        limits: &Limits,
        sink: &mut impl Sink,
    ) {
        let Some(next) = self.next else { return };
        let end = next.plus(len_u32(bytes));
        let room = limits.history_bytes_max.saturating_sub(self.history.len());
        if room > 0 && (self.history_end == Some(next) || self.history.is_empty()) {
            let kept = bytes.get(..room).unwrap_or(bytes);
            let needed = self.history.len() + kept.len();
            if needed > self.history.capacity() {
                self.widen_history(needed, limits, sink.buffers());
            }
            self.history.extend_from_slice(kept);
            self.history_end = Some(next.plus(len_u32(kept)));
        }
        if !bytes.is_empty() {
            sink.data(bytes, Place { seq: next, ack });
        }
        if cut > 0 {
            sink.gap(cut, GapCause::Cut);
        }
        self.next = Some(end.plus(cut));
    }

    /// Makes room for so many bytes of history, and some that may follow.
    fn widen_history(&mut self, needed: usize, limits: &Limits, buffers: &mut Buffers) {
        const MORE: usize = 256;
        let mut wide = buffers.take((needed + MORE).min(limits.history_bytes_max).max(needed));
        wide.extend_from_slice(&self.history);
        buffers.give(std::mem::replace(&mut self.history, wide));
    }

    /// Begins anew; room that was taken is given back.
    pub(crate) fn reset(&mut self, buffers: &mut Buffers) {
        buffers.give(std::mem::take(self).history);
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
    fn park(&mut self, piece: Piece<'_>, counters: &mut Counters) {
        let Piece { mut seq, ack, mut bytes, cut } = piece;
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
                self.parked.insert(at, Parked { seq, ack, bytes: before.into(), cut: 0 });
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
        if !bytes.is_empty() || (cut > 0 && piece.bytes.is_empty()) {
            let room = self.parked.get(at).map_or(u32::MAX, |p| p.seq.since(seq).unsigned_abs());
            let cut = cut.min(room.saturating_sub(len_u32(bytes)));
            self.parked_bytes += bytes.len();
            self.parked.insert(at, Parked { seq, ack, bytes: bytes.into(), cut });
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
mod tests;

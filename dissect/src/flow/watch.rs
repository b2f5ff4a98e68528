//! What a connection's packets show of the capture that they are in: a direction that is missing,
//! tags, copies, cuts, offload, loss, and directions that are out of step.
//!
//! Looks at packets while a handshake is read; a decided connection costs nothing here. Changes
//! nothing in what is read of a connection.

mod checksum;
mod prints;

use super::Segment;
use super::key::Way;
use crate::net::tcp_flags as flags;
use crate::tcp::Seq;
use crate::{Faults, SideQuality, Timestamp};
use prints::Prints;

/// An answer that is captured so much before what it answers is out of step. Queues of a network
/// card put neighbours in a wrong order by less.
const LATE_NS_MIN: i64 = 1_000_000;
/// No segment on a wire is longer: the payload of a jumbo frame.
const SEGMENT_LEN_MAX: u32 = 9_000;
/// Segments of a direction whose checksums are verified: the first ones tell of all others.
const CHECKED_MAX: u8 = 3;
/// Wrong checksums that are no accident of the wire.
const WRONG_MIN: u8 = 2;
/// Numbers further ahead than this belong to no window, but to another connection.
const AHEAD_MAX: i32 = 1 << 24;

/// What is known of the capture before a connection's first payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dial {
    frames: [u8; 2],
    /// Longest segment that the sender of a direction takes; 0 when it did not say.
    mss: [u16; 2],
}

impl Dial {
    /// Nothing yet.
    pub(super) const NONE: Self = Self { frames: [0; 2], mss: [0; 2] };

    /// Notes a SYN or SYN-ACK; whether it is the first SYN, and comes behind its answer.
    #[inline]
    pub(super) fn note(&mut self, way: Way, segment: &Segment<'_>) -> bool {
        let at = way.index();
        let is_late = self.frames[at] == 0
            && segment.flags & flags::ACK == 0
            && self.frames[way.reverse().index()] > 0;
        self.frames[at] = self.frames[at].saturating_add(1);
        self.mss[at] = mss(segment.header).unwrap_or(self.mss[at]);
        is_late
    }

    /// The only direction of which a frame was captured.
    pub(super) const fn lone(&self) -> Option<Way> {
        match [self.frames[0] > 0, self.frames[1] > 0] {
            [true, false] => Some(Way::BOTH[0]),
            [false, true] => Some(Way::BOTH[1]),
            _ => None,
        }
    }

    /// Notes the end of an attempt.
    pub(super) fn note_ending(&mut self, way: Way) {
        let frames = &mut self.frames[way.index()];
        *frames = frames.saturating_add(1);
    }
}

/// Both directions of a connection.
#[derive(Debug, Default)]
pub(super) struct Watch {
    trails: [Trail; 2],
    /// A SYN or SYN-ACK was captured: the capture runs since the beginning.
    saw_syn: bool,
}

/// How much is there of what a direction is known to have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Captured {
    /// Not a single frame.
    Nothing,
    /// Bytes are missing behind the last ones.
    Less,
    /// As far as numbers tell, all behind the first captured frame but for holes.
    All,
}

/// What was noted of a direction.
#[derive(Debug, Default)]
struct Trail {
    frames: u32,
    copies: u32,
    late_ns: i64,
    faults: Faults,
    tags: Tags,
    mss: u16,
    right_sums: u8,
    wrong_sums: u8,
    prints: Prints,
    /// Number behind the last byte that was captured.
    end: Option<Seq>,
    /// Number behind the last byte that is known to have been sent.
    sent: Option<Seq>,
    /// Since when `sent` is beyond `end`.
    ahead_since: Option<Timestamp>,
}

/// VLAN tags of a direction's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tags {
    #[default]
    Unseen,
    All(Option<u16>),
    /// Some with and some without, or different ones.
    Mixed,
}

impl Watch {
    /// Goes on from what was seen before the first payload.
    pub(super) fn new(dial: Dial, late_ns: [i64; 2], starts: [Option<Seq>; 2]) -> Self {
        let trail = |at: usize| Trail {
            frames: dial.frames[at].into(),
            late_ns: late_ns[at],
            mss: dial.mss[at],
            end: starts[at],
            sent: starts[at],
            ..Trail::default()
        };
        Self { trails: [trail(0), trail(1)], saw_syn: starts.iter().any(Option::is_some) }
    }

    /// Whether a SYN or SYN-ACK was captured.
    pub(super) const fn saw_syn(&self) -> bool {
        self.saw_syn
    }

    /// Something of what a segment of a direction meets.
    #[inline]
    pub(super) fn look(&self, way: Way) -> u32 {
        let trail = &self.trails[way.index()];
        trail.frames ^ trail.prints.look() ^ self.trails[way.reverse().index()].frames
    }

    /// Notes a segment.
    pub(super) fn note(&mut self, way: Way, segment: &Segment<'_>) {
        let is_syn = segment.is_syn();
        self.saw_syn |= is_syn;
        let peer = &mut self.trails[way.reverse().index()];
        if let Some(ack) = segment.acked() {
            peer.note_sent(ack, segment.at.time);
        }
        let (mss_max, has_peer_sums) = (peer.mss, peer.right_sums > 0);
        let trail = &mut self.trails[way.index()];
        trail.frames = trail.frames.saturating_add(1);
        if is_syn {
            trail.mss = mss(segment.header).unwrap_or(trail.mss);
        }
        trail.note_numbers(segment);
        if segment.has_payload() || is_syn {
            let is_copy = trail.prints.is_copy(segment);
            trail.copies = trail.copies.saturating_add(is_copy.into());
        }
        let len = segment.len();
        let len_max = if mss_max == 0 { SEGMENT_LEN_MAX } else { mss_max.into() };
        trail.faults = trail
            .faults
            .with_if(Faults::CUT, segment.cut > 0)
            .with_if(Faults::OVERSIZED, len > len_max);
        // What came in fragments says nothing of tags and checksums.
        if !segment.header.is_empty() {
            trail.note_tag(segment.vlan);
            // Two directions with a right one each are settled: neither can be the one without.
            let is_settled = trail.right_sums > 0 && has_peer_sums;
            let is_wanted = trail.right_sums + trail.wrong_sums < CHECKED_MAX && !is_settled;
            if is_wanted && segment.cut == 0 {
                match checksum::is_right(segment) {
                    true => trail.right_sums += 1,
                    false => trail.wrong_sums += 1,
                }
            }
        }
    }

    /// How each direction's payload was captured.
    pub(super) fn captured(&self) -> [Captured; 2] {
        self.trails.each_ref().map(|trail| match (trail.frames, trail.end, trail.sent) {
            (0, ..) => Captured::Nothing,
            // The number of a FIN is acknowledged too, so the last one proves no byte.
            (_, Some(end), Some(sent)) if sent.since(end) > 1 => Captured::Less,
            _ => Captured::All,
        })
    }

    /// Numbers behind the last byte of each direction that was captured, and that was received.
    pub(super) fn reached(&self) -> [(Option<Seq>, Option<Seq>); 2] {
        self.trails.each_ref().map(|trail| (trail.end, trail.sent))
    }

    /// What came of it, by direction. `lost` are those whose bytes have holes, `silent` those of
    /// which no payload was captured.
    pub(super) fn quality(&self, lost: [bool; 2], silent: [bool; 2]) -> [SideQuality; 2] {
        let quality = |at: usize| {
            let (trail, peer) = (&self.trails[at], &self.trails[1 - at]);
            let is_ahead = trail.ahead_since.is_some();
            let is_unseen = trail.frames == 0;
            let is_lost = !is_unseen && (lost[at] || silent[at] && is_ahead);
            // What is sent again behind a loss comes late, too.
            let is_late = trail.late_ns >= LATE_NS_MIN && !is_lost;
            SideQuality {
                frames: trail.frames,
                copies: trail.copies,
                late_ms: if is_late {
                    u32::try_from(trail.late_ns / 1_000_000).unwrap_or(u32::MAX)
                } else {
                    0
                },
                faults: trail
                    .faults
                    .with_if(Faults::UNSEEN, is_unseen && (is_ahead || self.saw_syn))
                    .with_if(Faults::LOST, is_lost)
                    .with_if(Faults::TAGGED, trail.tags.differ_from(peer.tags))
                    .with_if(Faults::UNSUMMED, trail.is_unsummed() && peer.is_summed()),
            }
        };
        [quality(0), quality(1)]
    }
}

impl Trail {
    /// Notes that this direction's sender got so far, as the other side says.
    fn note_sent(&mut self, ack: Seq, time: Timestamp) {
        let Some(end) = self.end else {
            (self.end, self.sent) = (Some(ack), Some(ack));
            return;
        };
        if self.sent.is_none_or(|sent| (1..AHEAD_MAX).contains(&ack.since(sent))) {
            self.sent = Some(ack);
        }
        if self.ahead_since.is_none() && (1..AHEAD_MAX).contains(&ack.since(end)) {
            self.ahead_since = Some(time);
        }
    }

    /// Notes where a segment lies, and whether it should have been here before.
    fn note_numbers(&mut self, segment: &Segment<'_>) {
        // A reset may carry any number.
        if segment.flags & flags::RST != 0 {
            return;
        }
        let (start, end) = (segment.start(), segment.end());
        let end = end.plus(u32::from(segment.flags & flags::FIN != 0));
        let known = *self.end.get_or_insert(start);
        let sent = *self.sent.get_or_insert(start);
        if segment.has_payload()
            && end.since(known) > 0
            && sent.since(start) > 0
            && let Some(since) = self.ahead_since
        {
            self.late_ns = self.late_ns.max(segment.at.time.nanos_since(since));
        }
        if (0..AHEAD_MAX).contains(&start.since(known)) && start != known && !segment.has_payload()
        {
            // Bytes before an empty segment were sent and not captured.
            self.note_sent(start, segment.at.time);
            return;
        }
        if (1..AHEAD_MAX).contains(&end.since(known)) {
            self.end = Some(end);
            if end.since(sent) >= 0 {
                (self.sent, self.ahead_since) = (Some(end), None);
            }
        }
    }

    fn note_tag(&mut self, vlan: Option<u16>) {
        self.tags = match self.tags {
            Tags::Unseen => Tags::All(vlan),
            Tags::All(known) if known == vlan => return,
            _ => Tags::Mixed,
        };
    }

    fn is_unsummed(&self) -> bool {
        self.right_sums == 0 && self.wrong_sums >= WRONG_MIN
    }

    fn is_summed(&self) -> bool {
        self.right_sums > 0 && self.wrong_sums == 0
    }
}

impl Tags {
    /// Whether these frames have a tag that those lack.
    fn differ_from(self, others: Self) -> bool {
        matches!((self, others), (Self::All(Some(tag)), Self::All(other)) if other != Some(tag))
    }
}

/// The maximum segment size (RFC 9293 §3.7.1) among the options of a SYN's header.
fn mss(header: &[u8]) -> Option<u16> {
    /// Length of a TCP header without options.
    const FIXED_LEN: usize = 20;
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const MSS: u8 = 2;
    let mut options = header.get(FIXED_LEN..)?;
    loop {
        options = match *options {
            [NO_OPERATION, ref rest @ ..] => rest,
            [MSS, 4, high, low, ..] => return Some(u16::from_be_bytes([high, low])),
            [END, ..] => return None,
            [_, len, ..] if len >= 2 => options.get(usize::from(len)..)?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::Key;

    /// A segment between two hosts, its checksum right or not.
    fn segment(way: Way, header: &[u8]) -> Segment<'_> {
        let key = Key::v4((1, 5000), (2, 443)).0;
        Segment { ack: Seq(1), flags: flags::ACK, header, ..Segment::bare(key, way) }
    }

    /// A header with the checksum that it must have.
    fn header() -> [u8; 20] {
        let mut header = [0; 20];
        let is_right = |header: &[u8]| checksum::is_right(&segment(Way::Up, header));
        for sum in 0..=u16::MAX {
            header[16..18].copy_from_slice(&sum.to_be_bytes());
            if is_right(&header) {
                return header;
            }
        }
        panic!("there is one");
    }

    proptest! {
        /// Sums that are passed over would have changed nothing.
        #[test]
        fn checksums_tell_the_same_whoever_speaks_first(
            segments in prop::collection::vec((any::<bool>(), any::<bool>()), 0..12),
        ) {
            let right = header();
            let mut wrong = right;
            wrong[17] ^= 1;
            let mut watch = Watch::default();
            let mut sums = [[0, 0]; 2];
            for (is_up, is_right) in segments {
                let way = if is_up { Way::Up } else { Way::Down };
                watch.note(way, &segment(way, if is_right { &right } else { &wrong }));
                let sums = &mut sums[way.index()];
                if sums[0] + sums[1] < CHECKED_MAX {
                    sums[usize::from(is_right)] += 1;
                }
            }
            let unsummed = |at: usize| {
                let ([wrong, right], [peer_wrong, peer_right]) = (sums[at], sums[1 - at]);
                wrong >= WRONG_MIN && right == 0 && peer_right > 0 && peer_wrong == 0
            };
            let quality = watch.quality([false; 2], [false; 2]);
            let found = quality.map(|quality| quality.faults.contains(Faults::UNSUMMED));
            prop_assert_eq!(found, [unsummed(0), unsummed(1)]);
        }
    }

    #[test]
    fn the_longest_segment_is_read_from_the_options() {
        let check = |options: &[u8], expect| {
            assert_eq!(mss(&[&[0; 20], options].concat()), expect, "{options:?}");
        };
        check(&[], None);
        check(&[2, 4, 5, 180], Some(1460));
        check(&[1, 3, 3, 8, 2, 4, 5, 100, 0], Some(1380));
        check(&[0, 2, 4, 5, 180], None);
        check(&[2, 4, 5], None);
        check(&[3, 0, 2, 4, 5, 180], None);
        check(&[8, 200], None);
        assert_eq!(mss(&[]), None);
    }
}

//! Tells a frame that was captured twice from a segment that was sent twice.
//!
//! A mirror of several ports sees one packet at each: the copies have the same IP identification
//! and follow each other closely, though others may come between. A sender that repeats itself
//! makes another packet, and waits for a round trip or a timeout first.

use crate::Timestamp;
use crate::flow::Segment;

/// Packets of a direction that are remembered: as many may lie between two copies.
const PRINTS: usize = 4;
/// Copies with the same identification lie closer: below the least timeout of a sender, 200 ms,
/// for there are senders with one identification for all.
const COPY_NS_MAX: i64 = 200_000_000;
/// Without an identification, equal packets that lie closer are copies: repeats without a timeout
/// take a round trip and some.
const TWIN_NS_MAX: i64 = 5_000_000;
/// Place and length of the checksum in the TCP header.
const CHECKSUM: std::ops::Range<usize> = 16..18;

/// The last packets of a direction.
#[derive(Debug, Default)]
pub(super) struct Prints {
    last: [Print; PRINTS],
    next: usize,
}

/// What two copies of a packet share, and what may differ between them.
#[derive(Debug, Default, Clone, Copy)]
struct Print {
    seq: u32,
    ack: u32,
    len: u32,
    /// 0 for a print that is not there, too.
    flags: u8,
    ttl: u8,
    id: u16,
    checksum: Option<[u8; 2]>,
    vlan: Option<u16>,
    time: Timestamp,
}

impl Prints {
    /// Something of the packet that is forgotten next.
    #[inline]
    pub(super) fn look(&self) -> u32 {
        self.last.get(self.next).map_or(0, |print| print.seq)
    }

    /// Whether a segment was captured shortly before. It is remembered.
    pub(super) fn is_copy(&mut self, segment: &Segment<'_>) -> bool {
        let print = Print {
            seq: segment.seq.0,
            ack: segment.ack.0,
            len: segment.len(),
            flags: segment.flags,
            ttl: segment.ttl,
            id: segment.id,
            checksum: segment.header.get(CHECKSUM).and_then(|bytes| bytes.try_into().ok()),
            vlan: segment.vlan,
            time: segment.at.time,
        };
        let mut like = self.last.iter().filter(|known| known.seq == print.seq);
        let is_copy = like.any(|known| print.is_copy_of(known));
        if let Some(oldest) = self.last.get_mut(self.next) {
            *oldest = print;
        }
        self.next = (self.next + 1) % PRINTS;
        is_copy
    }
}

impl Print {
    fn is_copy_of(&self, known: &Self) -> bool {
        let is_same = self.seq == known.seq
            && self.len == known.len
            && self.ack == known.ack
            && self.flags == known.flags
            && self.id == known.id
            && self.checksum == known.checksum;
        let ns = self.time.nanos_since(known.time).saturating_abs();
        let went_elsewhere = self.ttl != known.ttl || self.vlan != known.vlan;
        let ns_max = if self.id != 0 || went_elsewhere { COPY_NS_MAX } else { TWIN_NS_MAX };
        is_same && ns < ns_max
    }
}

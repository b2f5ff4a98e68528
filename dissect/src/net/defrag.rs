//! IP packets put together from fragments (RFC 791 §3.2, RFC 8200 §4.5), in bounded memory.
//!
//! Datagrams live in a ring of slots: a new one takes the next slot and gives up whatever was in
//! it, so the oldest goes first and nothing has to be searched. The first copy of a byte wins. A
//! datagram that was put together stays known for a while, without its bytes, so that a second
//! copy of its fragments (a mirror of two ports) is no new datagram.
//!
//! Invariant: the pieces of a datagram are sorted, don't overlap, and none ends behind its end.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use hashbrown::HashMap;

use super::ip::Fragment;
use crate::{Counters, Timestamp};

/// Most datagrams in the making. Fragments of one datagram follow each other closely: thousands
/// of others between them mean that the rest was lost.
const DATAGRAMS_MAX: usize = 4_096;

/// Most bytes in the making, bookkeeping included: 16 MiB, so that a quarter of the datagrams may
/// have the greatest length.
const BYTES_MAX: usize = 16 << 20;

/// Most fragments of a datagram: the greatest length in pieces of 64 bytes. No link cuts that
/// small, but tools that try to slip past an inspection do.
const FRAGMENTS_MAX: usize = 1_024;

/// What a fragment costs beside its payload: a [`Print`], a [`Piece`] or two, an allocation.
const FRAGMENT_COST: usize = 160;

/// What it costs once the datagram was handed out.
const PRINT_COST: usize = size_of::<Print>();

/// Longest datagram, header included: the length fields have 16 bits.
const DATAGRAM_LEN_MAX: usize = 65_535;

/// How long the rest of a datagram may take, in packet time. RFC 791 asks for 15 s, RFC 8200 for
/// 60 s; identifiers come round again, and then old pieces would spoil a new datagram.
const TIMEOUT_NS: i64 = 30_000_000_000;

/// What one fragment led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// Kept, or a copy of one that was.
    Kept,
    /// It does not fit into its datagram or the bounds.
    Dropped,
    /// The last piece: here is the IP packet. Ends early where the snap length cut a piece; its
    /// header tells the whole length.
    Whole(Vec<u8>),
}

/// Fragments that wait for the rest of their datagram.
#[derive(Debug)]
pub(crate) struct Defragmenter {
    slots: Vec<Option<Slot>>,
    /// The slot that the next datagram takes.
    cursor: usize,
    index: HashMap<Key, usize, SeedableRandomState>,
    hash: SeedableRandomState,
    /// Sum of what the slots cost.
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: u8,
}

#[derive(Debug)]
struct Slot {
    key: Key,
    /// When the first fragment came.
    since: Timestamp,
    /// One entry a fragment that was taken.
    prints: Vec<Print>,
    /// None once the datagram was handed out.
    assembly: Option<Assembly>,
    /// Bytes of memory, about.
    cost: usize,
}

/// What tells a fragment from another of the same datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    offset: usize,
    len: usize,
    more: bool,
    content: u64,
}

#[derive(Debug, Default)]
struct Assembly {
    /// Headers of the fragment at offset 0.
    head: Vec<u8>,
    /// Where in `head` the payload's protocol goes; 0 for IPv4, where it stands already.
    protocol_at: usize,
    /// Length of the payload, known from the last fragment.
    end: Option<usize>,
    pieces: Vec<Piece>,
    /// Sum of the lengths of `pieces`, captured or not.
    covered: usize,
}

/// Payload from `start` to `end`; fewer bytes where the snap length cut it.
#[derive(Debug)]
struct Piece {
    start: usize,
    end: usize,
    bytes: Box<[u8]>,
}

impl Defragmenter {
    /// An empty one. `seed` keeps a sender from choosing colliding identifiers; it has no
    /// influence on results.
    pub(crate) fn new(seed: u64) -> Self {
        let hash = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed());
        Self {
            slots: Vec::new(),
            cursor: 0,
            index: HashMap::with_hasher(hash.clone()),
            hash,
            bytes: 0,
        }
    }

    /// Takes a fragment.
    pub(super) fn push(
        &mut self,
        fragment: &Fragment<'_>,
        time: Timestamp,
        counters: &mut Counters,
    ) -> Pushed {
        let len = fragment.payload.wire_len();
        let end = fragment.offset + len;
        if fragment.head.len() + end > DATAGRAM_LEN_MAX {
            return Pushed::Dropped;
        }
        let print = Print {
            offset: fragment.offset,
            len,
            more: fragment.more,
            content: self.hash.hash_one(fragment.payload.data()),
        };
        let (src, dst, id) = (fragment.src, fragment.dst, fragment.id);
        // RFC 8200 §4.5 leaves the protocol out: pieces may name different ones.
        let protocol = if src.is_ipv4() { fragment.protocol } else { 0 };
        let place = self.place(Key { src, dst, id, protocol }, time, &print);
        let Some(slot) = self.slots.get_mut(place).and_then(Option::as_mut) else {
            return Pushed::Dropped;
        };
        if slot.prints.contains(&print) {
            return Pushed::Kept;
        }
        let Some(assembly) = slot.assembly.as_mut() else {
            return Pushed::Kept;
        };
        if slot.prints.len() >= FRAGMENTS_MAX {
            return Pushed::Dropped;
        }
        if !assembly.insert(fragment, end, counters) {
            return Pushed::Dropped;
        }
        slot.prints.push(print);
        let whole = assembly.whole();
        let cost = if whole.is_some() {
            slot.assembly = None;
            slot.prints.shrink_to_fit();
            slot.prints.len() * PRINT_COST
        } else {
            slot.cost + fragment.payload.data().len() + FRAGMENT_COST
        };
        self.bytes = self.bytes - slot.cost + cost;
        slot.cost = cost;
        self.shed(place);
        whole.map_or(Pushed::Kept, Pushed::Whole)
    }

    /// Bytes in the making.
    #[cfg(test)]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The slot of a datagram, a fresh one if it has none or only an outdated one.
    fn place(&mut self, key: Key, time: Timestamp, print: &Print) -> usize {
        if let Some(&place) = self.index.get(&key) {
            if let Some(slot) = self.slots.get_mut(place).and_then(Option::as_mut) {
                // A clock that was set back must not keep a datagram for ever.
                slot.since = slot.since.min(time);
                let in_time = time.nanos_since(slot.since) <= TIMEOUT_NS;
                if in_time && (slot.assembly.is_some() || slot.prints.contains(print)) {
                    return place;
                }
            }
            self.release(place);
        }
        let place = self.cursor;
        self.cursor = (self.cursor + 1) % DATAGRAMS_MAX;
        self.release(place);
        let assembly = Some(Assembly::default());
        let slot = Slot { key, since: time, prints: Vec::new(), assembly, cost: 0 };
        match self.slots.get_mut(place) {
            Some(free) => *free = Some(slot),
            None => self.slots.push(Some(slot)), // the ring fills in order
        }
        self.index.insert(key, place);
        place
    }

    /// Forgets the datagram in a slot.
    fn release(&mut self, place: usize) {
        if let Some(slot) = self.slots.get_mut(place).and_then(Option::take) {
            self.index.remove(&slot.key);
            self.bytes -= slot.cost;
        }
    }

    /// Gives up the oldest datagrams until the bytes are in bounds; never the one in `keep`.
    fn shed(&mut self, keep: usize) {
        for step in 0..DATAGRAMS_MAX {
            if self.bytes <= BYTES_MAX {
                return;
            }
            let place = (self.cursor + step) % DATAGRAMS_MAX;
            if place != keep {
                self.release(place);
            }
        }
    }
}

impl Assembly {
    /// Takes a fragment that ends at `end`; false when it contradicts the end of the datagram.
    fn insert(&mut self, fragment: &Fragment<'_>, end: usize, counters: &mut Counters) -> bool {
        let known_end = self.pieces.last().map_or(0, |piece| piece.end);
        if self.end.is_some_and(|last| end > last)
            || (!fragment.more && (end < known_end || self.end.is_some_and(|last| last != end)))
        {
            counters.overlap_conflicts += 1;
            return false;
        }
        if !fragment.more {
            self.end = Some(end);
        }
        if fragment.offset == 0 && self.head.is_empty() {
            self.head = fragment.head.to_vec();
            self.protocol_at = fragment.protocol_at;
            if let Some(next) = self.head.get_mut(self.protocol_at).filter(|_| self.protocol_at > 0)
            {
                *next = fragment.protocol;
            }
        }
        if self.fill(fragment.offset, end, fragment.payload.data()) {
            counters.overlap_conflicts += 1;
        }
        true
    }

    /// Puts bytes where there are none; true when bytes that are there differ.
    fn fill(&mut self, start: usize, end: usize, bytes: &[u8]) -> bool {
        let (mut at, mut conflict) = (start, false);
        while at < end {
            let index = self.pieces.partition_point(|piece| piece.end <= at);
            let stop = match self.pieces.get(index) {
                Some(piece) if piece.start <= at => {
                    let stop = end.min(piece.end);
                    let theirs = part(bytes, at - start, stop - start);
                    let ours = part(&piece.bytes, at - piece.start, stop - piece.start);
                    conflict |= ours.iter().zip(theirs).any(|(ours, theirs)| ours != theirs);
                    stop
                }
                piece => {
                    let stop = piece.map_or(end, |piece| end.min(piece.start));
                    let bytes = part(bytes, at - start, stop - start).into();
                    self.pieces.insert(index, Piece { start: at, end: stop, bytes });
                    self.covered += stop - at;
                    stop
                }
            };
            at = stop;
        }
        conflict
    }

    /// The IP packet, once nothing is missing.
    fn whole(&self) -> Option<Vec<u8>> {
        // Sorted pieces without overlap that end in time cover everything or leave a hole.
        let end = self.end.filter(|&end| end == self.covered && !self.head.is_empty())?;
        let mut packet = Vec::with_capacity(self.head.len() + end);
        packet.extend_from_slice(&self.head);
        for piece in &self.pieces {
            packet.extend_from_slice(&piece.bytes);
            if piece.bytes.len() < piece.end - piece.start {
                break;
            }
        }
        self.write_len(&mut packet, end);
        Some(packet)
    }

    /// Makes the header one of a whole packet with `payload_len` bytes.
    fn write_len(&self, packet: &mut [u8], payload_len: usize) {
        let (at, len) = if self.protocol_at == 0 {
            if let Some(position) = packet.get_mut(6..8) {
                position.fill(0);
            }
            (2, self.head.len() + payload_len)
        } else {
            (4, self.head.len() - 40 + payload_len)
        };
        // `push` measures with each fragment's own header; the first one's may be longer.
        let len = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(field) = packet.get_mut(at..at + 2) {
            field.copy_from_slice(&len);
        }
    }
}

/// The bytes from `start` to `end`, as far as they are there.
fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end.min(bytes.len())).unwrap_or_default()
}

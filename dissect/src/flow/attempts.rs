//! Connections that have dialled and not said anything yet.
//!
//! A SYN takes a small entry here until the first payload makes a flow of it. A flood of SYNs can
//! fill this table and no other: at the bound the oldest attempt is forgotten, and a connection
//! whose attempt is forgotten is read like one whose SYN was not captured.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::hash_map::{Entry, HashMap};

use super::connection::{REACH, Segment};
use super::ending::Ending;
use super::key::{Key, Way};
use crate::net::tcp_flags as flags;
use crate::tcp::Seq;
use crate::{Counters, Limits, Mark};

/// A connection without payload so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    pub(super) first: Mark,
    /// First sequence number behind the SYN, of each direction.
    pub(super) starts: [Option<Seq>; 2],
    pub(super) dialled: Option<Way>,
    /// FIN or RST of a direction that came before the first payload of the other one, as mirrors
    /// with a lag between directions deliver them.
    pub(super) endings: [Option<Ending>; 2],
}

impl Attempt {
    /// A connection that begins without a SYN.
    pub(super) const fn unseen(first: Mark) -> Self {
        Self { first, starts: [None; 2], dialled: None, endings: [None; 2] }
    }

    /// Notes a SYN or SYN-ACK.
    pub(super) fn note(&mut self, way: Way, segment: &Segment<'_>) {
        self.starts[way.index()] = Some(segment.seq.plus(1));
        if segment.flags & flags::ACK != 0 {
            self.starts[way.reverse().index()].get_or_insert(segment.ack);
            self.dialled = self.dialled.or_else(|| Some(way.reverse()));
        } else {
            self.dialled = Some(way);
        }
    }

    /// Whether a segment lies shortly behind the SYN.
    pub(super) fn owns(&self, way: Way, segment: &Segment<'_>) -> bool {
        let is_behind = |number: Seq, start: Seq| (0..=REACH).contains(&number.since(start));
        match (self.starts[way.index()], self.starts[way.reverse().index()]) {
            (Some(start), _) => is_behind(segment.seq, start),
            (None, Some(start)) => segment.acked().is_some_and(|ack| is_behind(ack, start)),
            (None, None) => false,
        }
    }
}

/// Attempts by their endpoints.
#[derive(Debug)]
pub(super) struct Attempts {
    entries: HashMap<Key, Attempt, FixedState>,
    /// Oldest first, with the frame of the attempt that is meant; others are out of date.
    by_age: VecDeque<(Key, u64)>,
    entries_max: usize,
}

impl Attempts {
    pub(super) fn new(limits: &Limits, hasher: FixedState) -> Self {
        /// The part of all memory that attempts may take.
        const SHARE: usize = 8;
        // A table keeps room for twice its entries, the queue for twice that.
        const ENTRY_BYTES: usize =
            2 * size_of::<(Key, Attempt, u8)>() + 4 * size_of::<(Key, u64)>();
        let affordable = limits.memory_max / SHARE / ENTRY_BYTES;
        Self {
            entries: HashMap::with_hasher(hasher),
            by_age: VecDeque::new(),
            entries_max: limits.attempts_max.min(affordable),
        }
    }

    /// Notes a SYN or SYN-ACK.
    pub(super) fn note(
        &mut self,
        key: Key,
        way: Way,
        segment: &Segment<'_>,
        counters: &mut Counters,
    ) {
        let start = segment.seq.plus(1);
        let is_known = match self.entries.entry(key) {
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                let is_same = known.starts[way.index()].is_none_or(|other| other == start);
                if !is_same {
                    *known = Attempt::unseen(segment.at);
                }
                known.note(way, segment);
                is_same
            }
            Entry::Vacant(entry) => {
                entry.insert(Attempt::unseen(segment.at)).note(way, segment);
                false
            }
        };
        if !is_known {
            self.by_age.push_back((key, segment.at.frame));
            self.shed(counters);
        }
    }

    pub(super) fn find(&self, key: &Key) -> Option<&Attempt> {
        self.entries.get(key)
    }

    /// Notes a FIN or RST of a connection that has dialled.
    pub(super) fn note_ending(&mut self, key: Key, way: Way, segment: &Segment<'_>) {
        if let Some(attempt) = self.entries.get_mut(&key)
            && attempt.owns(way, segment)
        {
            attempt.endings[way.index()].get_or_insert_with(|| segment.ending());
        }
    }

    pub(super) fn take(&mut self, key: &Key) -> Option<Attempt> {
        self.entries.remove(key)
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.by_age.clear();
    }

    /// Bytes that are held, by capacity.
    pub(super) fn held_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<(Key, Attempt, u8)>()
            + self.by_age.capacity() * size_of::<(Key, u64)>()
    }

    /// Forgets the oldest attempts beyond the bound.
    fn shed(&mut self, counters: &mut Counters) {
        while self.entries.len() > self.entries_max || self.by_age.len() > 2 * self.entries_max {
            let Some((key, frame)) = self.by_age.pop_front() else { break };
            if self.entries.get(&key).is_some_and(|attempt| attempt.first.frame == frame) {
                self.entries.remove(&key);
                counters.evicted_attempts += 1;
            }
        }
    }
}

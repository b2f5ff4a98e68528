//! Connections that have dialled and not said anything yet.
//!
//! A SYN takes a small entry here until the first payload makes a flow of it. A flood of SYNs can
//! fill this table and no other: at the bound the oldest attempt is forgotten, and a connection
//! whose attempt is forgotten is read like one whose SYN was not captured.
//!
//! Attempts lie in a queue in the order in which they began, and are found through chains: a head
//! by hash, from there by links to the next older one. Links lie apart from the attempts, so that
//! a chain is followed within the processor's cache. What leaves the queue is taken out of no chain. Its
//! number is older than the queue from then on, which ends the chain there, so that a flood costs
//! one look at a head and one entry behind the last. Invariant: along a chain numbers go back.

use std::collections::VecDeque;
use std::hint::black_box;

use super::connection::{REACH, Segment};
use super::ending::Ending;
use super::half::Half;
use super::index::KeyHash;
use super::key::{Key, Way};
use super::watch::Dial;
use crate::net::tcp_flags as flags;
use crate::tcp::Seq;
use crate::{Counters, Coverage, FlowFacts, Limits, Mark, Observer, RoleFrom, Side, Timestamp};

/// A connection without payload so far.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) first: Mark,
    /// First sequence number behind the SYN, of each direction.
    pub(super) starts: [Option<Seq>; 2],
    pub(super) dialled: Option<Way>,
    /// FIN or RST of a direction that came before the first payload of the other one, as mirrors
    /// with a lag between directions deliver them. Rare, and larger than all the rest.
    endings: Option<Box<Endings>>,
    pub(super) dial: Dial,
}

/// By direction.
pub(super) type Endings = [Option<Ending>; 2];

impl Attempt {
    /// A connection that begins without a SYN.
    pub(super) const fn unseen(first: Mark) -> Self {
        Self { first, starts: [None; 2], dialled: None, endings: None, dial: Dial::NONE }
    }

    /// Notes a SYN or SYN-ACK.
    pub(super) fn note(&mut self, way: Way, segment: &Segment<'_>) {
        self.dial.note(way, segment, self.first.time);
        self.starts[way.index()] = Some(segment.seq.plus(1));
        if segment.flags & flags::ACK != 0 {
            self.starts[way.reverse().index()].get_or_insert(segment.ack);
            self.dialled = self.dialled.or_else(|| Some(way.reverse()));
        } else {
            self.dialled = Some(way);
        }
    }

    /// FIN or RST of each direction.
    pub(super) fn endings(&self) -> Endings {
        self.endings.as_deref().copied().unwrap_or_default()
    }

    /// What is known of it, when the answers to it alone were captured and they ended in FIN or
    /// RST.
    fn silent(&self, key: Key) -> Option<FlowFacts> {
        let way = self.dial.lone().filter(|way| self.dialled == Some(way.reverse()))?;
        let ending = self.endings()[way.index()]?;
        let half = Half::silent(Side::Server, ending, self.starts[way.index()]?);
        let ends = (key.sender(way.reverse()), key.sender(way));
        Some(FlowFacts {
            first: self.first,
            last: ending.at,
            role_from: RoleFrom::Syn,
            dialled_by: Some(Side::Client),
            end: Some(ending.by(Side::Server)),
            coverage: Coverage::CLIENT_SIDE_MISSING,
            half: Some(Box::new(half)),
            ..FlowFacts::new(ends.0, ends.1)
        })
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
    /// Numbers of the newest entry by hash; a power of two of them, or none.
    heads: Vec<u32>,
    /// Oldest first.
    entries: VecDeque<Entry>,
    /// By entry.
    links: VecDeque<Link>,
    /// The number of the first entry. Numbers wrap around.
    first: u32,
    entries_max: usize,
}

#[derive(Debug)]
struct Entry {
    key: Key,
    /// None any more when it became a connection.
    attempt: Option<Attempt>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    hash: KeyHash,
    /// The number of the next older one in the chain.
    older: u32,
}

/// Heads for each entry, at least: chains are short then.
const HEADS_PER_ENTRY: usize = 2;

impl Attempts {
    pub(super) fn new(limits: &Limits) -> Self {
        /// The part of all memory that attempts may take.
        const SHARE: usize = 8;
        // A queue keeps room for twice its entries, and heads are as many as a power of two.
        const ENTRY_BYTES: usize = 2 * (size_of::<Entry>() + size_of::<Link>())
            + size_of::<Endings>()
            + 2 * HEADS_PER_ENTRY * size_of::<u32>();
        let affordable = limits.memory_max / SHARE / ENTRY_BYTES;
        Self {
            heads: Vec::new(),
            entries: VecDeque::new(),
            links: VecDeque::new(),
            first: 0,
            entries_max: limits.attempts_max.min(affordable),
        }
    }

    /// Notes a SYN or SYN-ACK.
    pub(super) fn note(
        &mut self,
        (key, hash): (Key, KeyHash),
        way: Way,
        segment: &Segment<'_>,
        counters: &mut Counters,
    ) {
        let start = segment.seq.plus(1);
        if let Some(known) = self.entry_mut(&key, hash) {
            match &mut known.attempt {
                Some(attempt) if attempt.starts[way.index()].is_none_or(|other| other == start) => {
                    return attempt.note(way, segment);
                }
                other => *other = None,
            }
            self.drop_spent();
        }
        let mut attempt = Attempt::unseen(segment.at);
        attempt.note(way, segment);
        self.append(Entry { key, attempt: Some(attempt) }, hash, counters);
    }

    pub(super) fn find(&self, key: &Key, hash: KeyHash) -> Option<&Attempt> {
        self.entries.get(self.place(key, hash)?)?.attempt.as_ref()
    }

    /// Notes a FIN or RST of a connection that has dialled.
    pub(super) fn note_ending(
        &mut self,
        (key, hash): (Key, KeyHash),
        way: Way,
        segment: &Segment<'_>,
    ) {
        if let Some(entry) = self.entry_mut(&key, hash)
            && let Some(attempt) = &mut entry.attempt
            && attempt.owns(way, segment)
        {
            attempt.dial.note_ending(way);
            let endings = attempt.endings.get_or_insert_default();
            Ending::note(&mut endings[way.index()], segment.ending());
        }
    }

    pub(super) fn take(&mut self, key: &Key, hash: KeyHash) -> Option<Attempt> {
        let attempt = self.entry_mut(key, hash)?.attempt.take();
        self.drop_spent();
        attempt
    }

    /// Reports the attempts of which the answers alone were captured, and forgets them. With a
    /// time those that had ended by then.
    pub(super) fn report_silent(&mut self, until: Option<Timestamp>, seen: &mut impl Observer) {
        for Entry { key, attempt } in &mut self.entries {
            let facts = attempt.as_ref().and_then(|attempt| attempt.silent(*key));
            if let Some(facts) = facts
                && until.is_none_or(|until| facts.last.time <= until)
            {
                *attempt = None;
                seen.silent(Box::new(facts));
            }
        }
        self.drop_spent();
    }

    pub(super) fn clear(&mut self) {
        self.heads = Vec::new();
        self.entries = VecDeque::new();
        self.links = VecDeque::new();
    }

    /// Bytes that are held, by capacity.
    pub(super) fn held_bytes(&self) -> usize {
        self.heads.capacity() * size_of::<u32>()
            + self.entries.capacity() * (size_of::<Entry>() + size_of::<Endings>())
            + self.links.capacity() * size_of::<Link>()
    }

    /// Where in the queue the attempt between these endpoints is.
    fn place(&self, key: &Key, hash: KeyHash) -> Option<usize> {
        let head = *self.heads.get(hash.slot(self.heads.len()))?;
        let mut newer = self.entries.len();
        let mut place = self.place_of(head);
        while place < newer {
            let link = *self.links.get(place)?;
            if link.hash == hash {
                let entry = self.entries.get(place)?;
                if entry.key == *key && entry.attempt.is_some() {
                    return Some(place);
                }
            }
            newer = place;
            place = self.place_of(link.older);
        }
        None
    }

    /// Fetches what is looked at first for a hash.
    pub(super) fn look(&self, hash: KeyHash) {
        let head = self.heads.get(hash.slot(self.heads.len()));
        black_box(
            head.and_then(|head| self.links.get(self.place_of(*head))).map(|link| link.older),
        );
    }

    fn entry_mut(&mut self, key: &Key, hash: KeyHash) -> Option<&mut Entry> {
        let place = self.place(key, hash)?;
        self.entries.get_mut(place)
    }

    /// Where in the queue a number is; far behind its end when the number is older.
    fn place_of(&self, number: u32) -> usize {
        number.wrapping_sub(self.first) as usize
    }

    /// Drops the entries in front that have no attempt any more.
    fn drop_spent(&mut self) {
        while self.entries.front().is_some_and(|entry| entry.attempt.is_none()) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        self.entries.pop_front();
        self.links.pop_front();
        self.first = self.first.wrapping_add(1);
    }

    /// Adds the newest attempt; at the bound the oldest goes.
    fn append(&mut self, entry: Entry, hash: KeyHash, counters: &mut Counters) {
        if self.entries_max == 0 {
            counters.evicted_attempts += 1;
            return;
        }
        if self.entries.len() >= self.entries_max {
            self.drop_oldest();
            counters.evicted_attempts += 1;
            self.drop_spent();
        }
        let needed = (self.entries.len() + 1) * HEADS_PER_ENTRY;
        if self.heads.len() < needed {
            self.grow(needed);
        }
        // The queue is far shorter than numbers go.
        let len = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let slot = hash.slot(self.heads.len());
        if let Some(head) = self.heads.get_mut(slot) {
            let older = std::mem::replace(head, self.first.wrapping_add(len));
            self.links.push_back(Link { hash, older });
            self.entries.push_back(entry);
        }
    }

    /// Makes more heads, and the chains anew.
    #[cold]
    fn grow(&mut self, needed: usize) {
        const HEADS_MIN: usize = 64;
        let before_all = self.first.wrapping_sub(1);
        self.heads = vec![before_all; needed.next_power_of_two().max(HEADS_MIN)];
        let mut number = self.first;
        for link in &mut self.links {
            let slot = link.hash.slot(self.heads.len());
            if let Some(head) = self.heads.get_mut(slot) {
                link.older = std::mem::replace(head, number);
            }
            number = number.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::index::KeyHasher;
    use super::*;
    use crate::Endpoint;

    const ENTRIES_MAX: usize = 4;

    struct Dialling {
        attempts: Attempts,
        counters: Counters,
        hasher: KeyHasher,
    }

    impl Dialling {
        fn new() -> Self {
            let limits = Limits { attempts_max: ENTRIES_MAX, ..Limits::default() };
            let attempts = Attempts::new(&limits);
            Self { attempts, counters: Counters::default(), hasher: KeyHasher::new(1) }
        }

        fn key(&self, client: u8) -> ((Key, KeyHash), Way) {
            let end = |octet, port| Endpoint { addr: [10, 0, 0, octet].into(), port };
            let (key, way) = Key::new(end(client, 50_000), end(200, 443));
            ((key, self.hasher.hash(&key)), way)
        }

        fn syn(&mut self, client: u8, seq: u32) {
            let (key, way) = self.key(client);
            let segment = Segment {
                key: key.0,
                way,
                seq: Seq(seq),
                ack: Seq(0),
                flags: flags::SYN,
                header: &[],
                payload: &[],
                cut: 0,
                at: Mark::default(),
                frame_len: 60,
                id: 0,
                ttl: 64,
                vlan: None,
            };
            self.attempts.note(key, way, &segment, &mut self.counters);
        }

        /// Where the client's bytes begin.
        fn start(&self, client: u8) -> Option<u32> {
            let ((key, hash), way) = self.key(client);
            Some(self.attempts.find(&key, hash)?.starts[way.index()]?.0)
        }

        fn take(&mut self, client: u8) -> bool {
            let ((key, hash), _) = self.key(client);
            self.attempts.take(&key, hash).is_some()
        }
    }

    #[test]
    fn the_oldest_is_forgotten_at_the_bound() {
        let mut dialling = Dialling::new();
        for client in 1..=4 {
            dialling.syn(client, 10);
        }
        assert_eq!(dialling.counters.evicted_attempts, 0);
        assert_eq!(dialling.start(1), Some(11));
        dialling.syn(5, 10);
        assert_eq!(dialling.counters.evicted_attempts, 1);
        assert_eq!((dialling.start(1), dialling.start(2)), (None, Some(11)));
        for client in 6..=250 {
            dialling.syn(client, 10);
        }
        let found: Vec<u8> = (1..=250).filter(|client| dialling.start(*client).is_some()).collect();
        assert_eq!(found, [247, 248, 249, 250]);
        assert_eq!(dialling.attempts.entries.len(), ENTRIES_MAX);
    }

    #[test]
    fn what_became_a_connection_makes_room() {
        let mut dialling = Dialling::new();
        for client in 1..=4 {
            dialling.syn(client, 10);
        }
        assert!(dialling.take(2) && !dialling.take(2));
        assert_eq!(dialling.attempts.entries.len(), 4);
        assert!(dialling.take(1));
        assert_eq!(dialling.attempts.entries.len(), 2);
        dialling.syn(5, 10);
        dialling.syn(6, 10);
        assert_eq!(dialling.counters.evicted_attempts, 0);
        for client in 3..=6 {
            assert!(dialling.take(client));
        }
        assert!(dialling.attempts.entries.is_empty());
        assert_eq!(dialling.start(3), None);
    }

    #[test]
    fn a_syn_again_is_the_same_attempt_and_another_is_a_new_one() {
        let mut dialling = Dialling::new();
        dialling.syn(1, 10);
        dialling.syn(2, 10);
        dialling.syn(2, 10);
        assert_eq!(dialling.attempts.entries.len(), 2);
        dialling.syn(1, 99);
        assert_eq!(dialling.start(1), Some(100));
        // As the newest it outlives the other one.
        for client in 3..=5 {
            dialling.syn(client, 10);
        }
        assert_eq!((dialling.start(1), dialling.start(2)), (Some(100), None));
    }

    #[test]
    fn numbers_wrap_around() {
        let mut dialling = Dialling::new();
        dialling.attempts.first = u32::MAX - 1;
        for client in 1..=9 {
            dialling.syn(client, 10);
        }
        assert_eq!((dialling.start(5), dialling.start(6)), (None, Some(11)));
        assert!((6..=9).all(|client| dialling.take(client)));
    }

    proptest! {
        /// Against a plain list: the same attempts are known after any number of steps.
        #[test]
        fn it_is_a_bounded_list(steps in prop::collection::vec((0u8..9, 0u32..3), 0..200)) {
            let mut dialling = Dialling::new();
            let mut list: Vec<(u8, u32)> = Vec::new();
            for (client, seq) in steps {
                let known = list.iter().position(|(other, _)| *other == client);
                if seq == 0 {
                    prop_assert_eq!(dialling.take(client), known.is_some());
                    known.map(|place| list.remove(place));
                } else if known.is_none_or(|place| list[place].1 != seq) {
                    dialling.syn(client, seq);
                    known.map(|place| list.remove(place));
                    list.push((client, seq));
                } else {
                    dialling.syn(client, seq);
                }
                // What left the middle of the queue takes room until the oldest goes.
                let kept = |(client, seq): &(u8, u32)| dialling.start(*client) == Some(seq + 1);
                let forgotten = list.iter().take_while(|entry| !kept(entry)).count();
                prop_assert!(list.len() <= ENTRIES_MAX || forgotten > 0);
                list.drain(..forgotten);
                prop_assert!(list.iter().all(kept), "only the oldest are forgotten");
                prop_assert!(dialling.attempts.entries.len() <= ENTRIES_MAX);
            }
        }
    }
}

//! Connections that have dialled and not said anything yet.
//!
//! A SYN takes a small entry here until the first payload makes a flow of it. A flood of SYNs can
//! fill this table and no other: at the bound the oldest attempt is forgotten, and a connection
//! whose attempt is forgotten is read like one whose SYN was not captured. Both families of
//! addresses share the bound, and each forgets its own oldest one.

mod queue;

use self::queue::{Queue, entry_bytes};
use super::connection::{REACH, Segment};
use super::ending::Ending;
use super::half::Half;
use super::index::KeyHash;
use super::key::{Key, KeyOf, Way};
use super::watch::Dial;
use crate::net::tcp_flags as flags;
use crate::tcp::Seq;
use crate::{Counters, Coverage, FlowFacts, Limits, Mark, Observer, RoleFrom, Side, Timestamp};

/// A connection without payload so far.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) first: Mark,
    rare: Option<Box<Rare>>,
    /// First sequence number behind the SYN, of each direction that is known.
    starts: [Seq; 2],
    pub(super) dial: Dial,
    /// Bits of the directions whose start is known.
    known: u8,
    pub(super) dialled: Option<Way>,
}

/// What few attempts have, and what is larger than all the rest, by direction.
#[derive(Debug, Clone, Copy, Default)]
struct Rare {
    /// FIN or RST that came before the first payload of the other direction, as mirrors with a lag
    /// between directions deliver them.
    endings: Endings,
    /// By how much the SYN came behind its answer, in nanoseconds.
    late_ns: [i64; 2],
}

/// By direction.
pub(super) type Endings = [Option<Ending>; 2];

impl Attempt {
    /// A connection that begins without a SYN.
    pub(super) const fn unseen(first: Mark) -> Self {
        let starts = [Seq(0); 2];
        Self { first, rare: None, starts, dial: Dial::NONE, known: 0, dialled: None }
    }

    /// First sequence number behind the SYN of a direction.
    #[inline]
    pub(super) fn start(&self, way: Way) -> Option<Seq> {
        (self.known & way.bit() != 0).then_some(self.starts[way.index()])
    }

    /// The same of both directions.
    pub(super) fn starts(&self) -> [Option<Seq>; 2] {
        Way::BOTH.map(|way| self.start(way))
    }

    /// Says where a direction starts.
    #[inline]
    pub(super) fn set_start(&mut self, way: Way, start: Seq) {
        self.starts[way.index()] = start;
        self.known |= way.bit();
    }

    /// Notes a SYN or SYN-ACK.
    #[inline]
    pub(super) fn note(&mut self, way: Way, segment: &Segment<'_>) {
        if self.dial.note(way, segment) {
            let late = segment.at.time.nanos_since(self.first.time);
            self.rare.get_or_insert_default().late_ns[way.index()] = late;
        }
        self.set_start(way, segment.seq.plus(1));
        if segment.flags & flags::ACK != 0 {
            if self.start(way.reverse()).is_none() {
                self.set_start(way.reverse(), segment.ack);
            }
            self.dialled = self.dialled.or_else(|| Some(way.reverse()));
        } else {
            self.dialled = Some(way);
        }
    }

    /// Notes a FIN or RST.
    fn note_ending(&mut self, way: Way, segment: &Segment<'_>) {
        self.dial.note_ending(way);
        let rare = self.rare.get_or_insert_default();
        Ending::note(&mut rare.endings[way.index()], segment.ending());
    }

    /// FIN or RST of each direction.
    pub(super) fn endings(&self) -> Endings {
        self.rare.as_ref().map(|rare| rare.endings).unwrap_or_default()
    }

    /// By how many nanoseconds the SYN of each direction came behind its answer.
    pub(super) fn late_ns(&self) -> [i64; 2] {
        self.rare.as_ref().map(|rare| rare.late_ns).unwrap_or_default()
    }

    /// What is known of it, when the answers to it alone were captured and they ended in FIN or
    /// RST.
    fn silent(&self, key: Key) -> Option<FlowFacts> {
        let way = self.dial.lone().filter(|way| self.dialled == Some(way.reverse()))?;
        let ending = self.endings()[way.index()]?;
        let half = Half::silent(Side::Server, ending, self.start(way)?);
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
        match (self.start(way), self.start(way.reverse())) {
            (Some(start), _) => is_behind(segment.seq, start),
            (None, Some(start)) => segment.acked().is_some_and(|ack| is_behind(ack, start)),
            (None, None) => false,
        }
    }
}

/// Attempts by their endpoints.
#[derive(Debug)]
pub(super) struct Attempts {
    v4: Queue<KeyOf<u32>>,
    v6: Queue<KeyOf<[u32; 4]>>,
    /// Of both together.
    entries_max: usize,
}

impl Attempts {
    pub(super) fn new(limits: &Limits) -> Self {
        /// The part of all memory that attempts may take.
        const SHARE: usize = 8;
        const ENTRY_BYTES: usize = entry_bytes::<KeyOf<[u32; 4]>>();
        let affordable = limits.memory_max / SHARE / ENTRY_BYTES;
        let entries_max = limits.attempts_max.min(affordable).min(queue::ENTRIES_MAX);
        Self { v4: Queue::default(), v6: Queue::default(), entries_max }
    }

    /// Notes a SYN or SYN-ACK.
    #[inline]
    pub(super) fn note(
        &mut self,
        key: &Key,
        hash: KeyHash,
        way: Way,
        segment: &Segment<'_>,
        counters: &mut Counters,
    ) {
        if self.entries_max == 0 {
            counters.evicted_attempts += 1;
            return;
        }
        let is_full = self.v4.len() + self.v6.len() >= self.entries_max;
        let is_dropped = match key {
            Key::V4(key) => note(&mut self.v4, &mut self.v6, (key, hash), way, segment, is_full),
            Key::V6(key) => note(&mut self.v6, &mut self.v4, (key, hash), way, segment, is_full),
        };
        counters.evicted_attempts += u64::from(is_dropped);
    }

    pub(super) fn find(&self, key: &Key, hash: KeyHash) -> Option<&Attempt> {
        match key {
            Key::V4(key) => self.v4.find(key, hash),
            Key::V6(key) => self.v6.find(key, hash),
        }
    }

    fn find_mut(&mut self, key: &Key, hash: KeyHash) -> Option<&mut Attempt> {
        match key {
            Key::V4(key) => self.v4.find_mut(key, hash),
            Key::V6(key) => self.v6.find_mut(key, hash),
        }
    }

    /// Notes a FIN or RST of a connection that has dialled.
    pub(super) fn note_ending(
        &mut self,
        key: &Key,
        hash: KeyHash,
        way: Way,
        segment: &Segment<'_>,
    ) {
        let attempt = self.find_mut(key, hash).filter(|attempt| attempt.owns(way, segment));
        if let Some(attempt) = attempt {
            attempt.note_ending(way, segment);
        }
    }

    pub(super) fn take(&mut self, key: &Key, hash: KeyHash) -> Option<Attempt> {
        match key {
            Key::V4(key) => self.v4.take(key, hash),
            Key::V6(key) => self.v6.take(key, hash),
        }
    }

    /// Reports the attempts of which the answers alone were captured, and forgets them. With a
    /// time those that had ended by then.
    pub(super) fn report_silent(&mut self, until: Option<Timestamp>, seen: &mut impl Observer) {
        let mut report = |key: Key, attempt: &Attempt| {
            let facts = attempt.silent(key);
            let facts = facts.filter(|it| until.is_none_or(|until| it.last.time <= until));
            facts.map(|facts| seen.silent(Box::new(facts))).is_some()
        };
        self.v4.forget_each(|key, attempt| report(Key::V4(*key), attempt));
        self.v6.forget_each(|key, attempt| report(Key::V6(*key), attempt));
    }

    pub(super) fn clear(&mut self) {
        (self.v4, self.v6) = (Queue::default(), Queue::default());
    }

    /// Bytes that are held, by capacity.
    pub(super) fn held_bytes(&self) -> usize {
        self.v4.held_bytes() + self.v6.held_bytes()
    }

    /// Fetches what is looked at first for a hash.
    #[inline]
    pub(super) fn look(&self, key: &Key, hash: KeyHash) {
        match key {
            Key::V4(_) => self.v4.look(hash),
            Key::V6(_) => self.v6.look(hash),
        }
    }
}

/// Notes a SYN or SYN-ACK; whether another attempt was forgotten for it.
#[inline]
fn note<A: Copy + Default + Eq, B>(
    own: &mut Queue<A>,
    other: &mut Queue<B>,
    (key, hash): (&A, KeyHash),
    way: Way,
    segment: &Segment<'_>,
    is_full: bool,
) -> bool {
    let is_other_dropped = is_full && own.is_empty();
    if is_other_dropped {
        other.drop_oldest();
    }
    own.note(key, hash, way, segment, is_full) || is_other_dropped
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

    fn syn_segment(key: Key, way: Way, seq: u32) -> Segment<'static> {
        Segment { seq: Seq(seq), ..Segment::bare(key, way) }
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
            let segment = syn_segment(key.0, way, seq);
            self.attempts.note(&key.0, key.1, way, &segment, &mut self.counters);
        }

        /// Where the client's bytes begin.
        fn start(&self, client: u8) -> Option<u32> {
            let ((key, hash), way) = self.key(client);
            Some(self.attempts.find(&key, hash)?.start(way)?.0)
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
        assert_eq!(dialling.attempts.v4.len(), ENTRIES_MAX);
    }

    #[test]
    fn what_became_a_connection_makes_room() {
        let mut dialling = Dialling::new();
        for client in 1..=4 {
            dialling.syn(client, 10);
        }
        assert!(dialling.take(2) && !dialling.take(2));
        assert_eq!(dialling.attempts.v4.len(), 4);
        assert!(dialling.take(1));
        assert_eq!(dialling.attempts.v4.len(), 2);
        dialling.syn(5, 10);
        dialling.syn(6, 10);
        assert_eq!(dialling.counters.evicted_attempts, 0);
        for client in 3..=6 {
            assert!(dialling.take(client));
        }
        assert!(dialling.attempts.v4.is_empty());
        assert_eq!(dialling.start(3), None);
    }

    #[test]
    fn a_syn_again_is_the_same_attempt_and_another_is_a_new_one() {
        let mut dialling = Dialling::new();
        dialling.syn(1, 10);
        dialling.syn(2, 10);
        dialling.syn(2, 10);
        assert_eq!(dialling.attempts.v4.len(), 2);
        dialling.syn(1, 99);
        assert_eq!(dialling.start(1), Some(100));
        // As the newest it outlives the other one.
        for client in 3..=5 {
            dialling.syn(client, 10);
        }
        assert_eq!((dialling.start(1), dialling.start(2)), (Some(100), None));
    }

    #[test]
    fn both_families_share_the_bound_and_keep_their_own() {
        let mut dialling = Dialling::new();
        let v6 = |client: u16, dialling: &Dialling| {
            let end =
                |last, port| Endpoint { addr: [0x2001, 0xdb8, 0, 0, 0, 0, 0, last].into(), port };
            let (key, way) = Key::new(end(client, 50_000), end(200, 443));
            (key, dialling.hasher.hash(&key), way)
        };
        let syn = |client: u16, dialling: &mut Dialling| {
            let (key, hash, way) = v6(client, dialling);
            let segment = syn_segment(key, way, 10);
            dialling.attempts.note(&key, hash, way, &segment, &mut dialling.counters);
        };
        (1..=2).for_each(|client| dialling.syn(client, 10));
        (1..=9).for_each(|client| syn(client, &mut dialling));
        let found: Vec<u16> = (1..=9)
            .filter(|client| {
                let (key, hash, _) = v6(*client, &dialling);
                dialling.attempts.find(&key, hash).is_some()
            })
            .collect();
        assert_eq!(found, [8, 9]);
        assert_eq!((dialling.start(1), dialling.counters.evicted_attempts), (Some(11), 7));
        // Whoever has none yet takes the place of the other family's oldest.
        (3..=9).for_each(|client| dialling.syn(client, 10));
        assert_eq!((dialling.attempts.v4.len(), dialling.attempts.v6.len()), (2, 2));
        let mut dialling = Dialling::new();
        (1..=9).for_each(|client| syn(client, &mut dialling));
        dialling.syn(1, 10);
        assert_eq!((dialling.attempts.v4.len(), dialling.attempts.v6.len()), (1, 3));
        assert_eq!(dialling.counters.evicted_attempts, 6);
    }

    #[test]
    fn numbers_wrap_around() {
        let mut dialling = Dialling::new();
        dialling.attempts.v4.start_at(u32::MAX - 1);
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
                prop_assert!(dialling.attempts.v4.len() <= ENTRIES_MAX);
            }
        }
    }
}

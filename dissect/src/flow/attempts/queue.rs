//! Attempts of one family of addresses, in the order in which they began.
//!
//! They lie in a ring and are found through chains: a head by hash, from there by links to the next
//! older one. Links lie apart from the attempts, so that a chain is followed within the
//! processor's cache. What leaves the queue is taken out of no chain. Its number is older than the
//! queue from then on, which ends the chain there, so that a flood costs one look at a head and one
//! entry behind the last. Invariant: along a chain numbers go back.

use std::hint::black_box;

use super::super::connection::Segment;
use super::super::index::KeyHash;
use super::super::key::{KeyOf, Way};
use super::{Attempt, Rare};

/// Far fewer than numbers go.
pub(super) const ENTRIES_MAX: usize = 1 << 30;

/// Heads for each place of the ring: chains are short then.
const HEADS_PER_ENTRY: usize = 2;

/// Places of the smallest ring.
const PLACES_MIN: usize = 64;

// A flood is of bare SYNs, and nearly always of IPv4.
const _: () = assert!(size_of::<Entry<KeyOf<u32>>>() <= 64, "a bare SYN takes 64 bytes at most");

#[derive(Debug)]
pub(super) struct Queue<K> {
    /// Numbers of the newest entry by hash; a power of two of them, or none.
    heads: Vec<u32>,
    /// By number, around the ring; a power of two of them, or none.
    entries: Vec<Entry<K>>,
    /// By entry.
    links: Vec<Link>,
    /// The number of the oldest entry. Numbers wrap around.
    first: u32,
    len: u32,
}

#[derive(Debug, Clone, Default)]
struct Entry<K> {
    key: K,
    /// None any more when it became a connection.
    attempt: Option<Attempt>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Link {
    hash: KeyHash,
    /// The number of the next older one in the chain.
    older: u32,
}

/// Bytes that an entry takes, in a ring whose places are as many as a power of two.
pub(super) const fn entry_bytes<K>() -> usize {
    2 * (size_of::<Entry<K>>() + size_of::<Link>() + HEADS_PER_ENTRY * size_of::<u32>())
        + size_of::<Rare>()
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { heads: Vec::new(), entries: Vec::new(), links: Vec::new(), first: 0, len: 0 }
    }
}

impl<K> Queue<K> {
    /// Entries, with those whose attempt became a connection.
    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that are held.
    pub(super) const fn held_bytes(&self) -> usize {
        self.heads.capacity() * size_of::<u32>()
            + self.entries.capacity() * size_of::<Entry<K>>()
            + self.links.capacity() * size_of::<Link>()
            + self.entries.capacity() * size_of::<Rare>()
    }

    /// Fetches what is looked at first for a hash.
    #[inline]
    pub(super) fn look(&self, hash: KeyHash) {
        let head = self.heads.get(hash.slot(self.heads.len()));
        black_box(head.and_then(|head| self.links.get(self.place(*head))).map(|link| link.older));
    }

    /// Forgets the attempts that are to go, which are looked at from the oldest on.
    pub(super) fn forget_each(&mut self, mut is_to_go: impl FnMut(&K, &Attempt) -> bool) {
        for after in 0..self.len {
            let place = self.place(self.first.wrapping_add(after));
            let Some(Entry { key, attempt }) = self.entries.get_mut(place) else { continue };
            if attempt.as_ref().is_some_and(|attempt| is_to_go(key, attempt)) {
                *attempt = None;
            }
        }
        self.drop_spent();
    }

    /// Forgets the oldest attempt.
    pub(super) fn drop_oldest(&mut self) {
        self.drop_first();
        self.drop_spent();
    }

    /// Makes an empty queue begin with this number.
    #[cfg(test)]
    pub(super) fn start_at(&mut self, first: u32) {
        self.first = first;
    }

    /// Where in the ring a number is.
    #[inline]
    fn place(&self, number: u32) -> usize {
        number as usize & self.entries.len().wrapping_sub(1)
    }

    /// How far behind the oldest entry a number is; beyond the newest when it is older.
    #[inline]
    const fn age(&self, number: u32) -> u32 {
        number.wrapping_sub(self.first)
    }

    /// Drops the entries in front that have no attempt any more.
    #[inline]
    fn drop_spent(&mut self) {
        while self.len > 0 && self.entries[self.place(self.first)].attempt.is_none() {
            self.drop_first();
        }
    }

    #[inline]
    fn drop_first(&mut self) {
        let place = self.place(self.first);
        if let Some(entry) = self.entries.get_mut(place).filter(|_| self.len > 0) {
            entry.attempt = None;
            self.first = self.first.wrapping_add(1);
            self.len -= 1;
        }
    }
}

impl<K: Copy + Default + Eq> Queue<K> {
    /// Notes a SYN or SYN-ACK; whether the oldest attempt was forgotten for it, when there is no
    /// room for one more.
    #[inline]
    pub(super) fn note(
        &mut self,
        key: &K,
        hash: KeyHash,
        way: Way,
        segment: &Segment<'_>,
        is_full: bool,
    ) -> bool {
        let mut is_full = is_full;
        if let Some(known) = self.entry_mut(key, hash) {
            let start = segment.seq.plus(1);
            match &mut known.attempt {
                Some(attempt) if attempt.start(way).is_none_or(|other| other == start) => {
                    attempt.note(way, segment);
                    return false;
                }
                other => *other = None,
            }
            let len_before = self.len;
            self.drop_spent();
            is_full &= self.len == len_before;
        }
        let is_dropped = is_full && self.len > 0;
        if is_dropped {
            self.drop_oldest();
        }
        self.append(key, hash, way, segment);
        is_dropped
    }

    pub(super) fn find(&self, key: &K, hash: KeyHash) -> Option<&Attempt> {
        self.entries.get(self.find_place(key, hash)?)?.attempt.as_ref()
    }

    pub(super) fn find_mut(&mut self, key: &K, hash: KeyHash) -> Option<&mut Attempt> {
        self.entry_mut(key, hash)?.attempt.as_mut()
    }

    pub(super) fn take(&mut self, key: &K, hash: KeyHash) -> Option<Attempt> {
        let attempt = self.entry_mut(key, hash)?.attempt.take();
        self.drop_spent();
        attempt
    }

    #[inline]
    fn entry_mut(&mut self, key: &K, hash: KeyHash) -> Option<&mut Entry<K>> {
        let place = self.find_place(key, hash)?;
        self.entries.get_mut(place)
    }

    /// Where in the ring the attempt of a key is.
    #[inline]
    fn find_place(&self, key: &K, hash: KeyHash) -> Option<usize> {
        let mut number = *self.heads.get(hash.slot(self.heads.len()))?;
        let mut newer = self.len;
        while self.age(number) < newer {
            let place = self.place(number);
            let link = *self.links.get(place)?;
            if link.hash == hash {
                let entry = self.entries.get(place)?;
                if entry.key == *key && entry.attempt.is_some() {
                    return Some(place);
                }
            }
            newer = self.age(number);
            number = link.older;
        }
        None
    }

    /// Adds the newest attempt.
    #[inline]
    fn append(&mut self, key: &K, hash: KeyHash, way: Way, segment: &Segment<'_>) {
        if self.len() == self.entries.len() {
            self.grow();
        }
        let number = self.first.wrapping_add(self.len);
        let (place, slot) = (self.place(number), hash.slot(self.heads.len()));
        let (Some(entry), Some(link), Some(head)) =
            (self.entries.get_mut(place), self.links.get_mut(place), self.heads.get_mut(slot))
        else {
            return;
        };
        *link = Link { hash, older: std::mem::replace(head, number) };
        entry.key = *key;
        entry.attempt.insert(Attempt::unseen(segment.at)).note(way, segment);
        self.len += 1;
    }

    /// Makes the ring twice as large, and the chains anew.
    #[cold]
    fn grow(&mut self) {
        let places = (self.entries.len() * 2).max(PLACES_MIN);
        let mut grown = Self {
            heads: vec![self.first.wrapping_sub(1); places * HEADS_PER_ENTRY],
            entries: vec![Entry::default(); places],
            links: vec![Link::default(); places],
            ..*self
        };
        for after in 0..self.len {
            let number = self.first.wrapping_add(after);
            let (from, to) = (self.place(number), grown.place(number));
            let hash = self.links[from].hash;
            grown.entries[to] = std::mem::take(&mut self.entries[from]);
            let slot = hash.slot(grown.heads.len());
            let older = std::mem::replace(&mut grown.heads[slot], number);
            grown.links[to] = Link { hash, older };
        }
        *self = grown;
    }
}

//! From endpoints to the place of what is known of them.
//!
//! The table holds no keys: a place is eight bytes, so that many thousand connections fit into a
//! processor's cache, and the key is compared where the connection lies, which has to be fetched
//! anyway. A key is hashed once a packet, by whoever takes the packet in.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::key::Key;

/// Hashes keys with a seed that nobody on the wire knows.
#[derive(Debug, Clone)]
pub(super) struct KeyHasher(FixedState);

/// The hash of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct KeyHash(u32);

/// Where things are, by the hash of their key.
#[derive(Debug, Default)]
pub(super) struct Index(HashTable<Place>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    hash: KeyHash,
    at: u32,
}

impl KeyHasher {
    pub(super) fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    #[inline]
    pub(super) fn hash(&self, key: &Key) -> KeyHash {
        // The upper half is as good as the lower one.
        KeyHash((self.0.hash_one(key) >> 32) as u32)
    }
}

impl KeyHash {
    /// The place among `count`, a power of two.
    pub(super) const fn slot(self, count: usize) -> usize {
        self.0 as usize & count.wrapping_sub(1)
    }

    /// For a table that looks at both ends of a hash.
    const fn spread(self) -> u64 {
        (self.0 as u64) << 32 | self.0 as u64
    }
}

impl Index {
    /// The place of what `is_it` recognizes.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let place = self.0.find(hash.spread(), |place| place.hash == hash && is_it(place.at));
        place.map(|place| place.at)
    }

    /// Adds a place.
    pub(super) fn insert(&mut self, hash: KeyHash, at: u32) {
        self.0.insert_unique(hash.spread(), Place { hash, at }, |place| place.hash.spread());
    }

    /// Removes a place.
    pub(super) fn remove(&mut self, hash: KeyHash, at: u32) {
        if let Ok(entry) = self.0.find_entry(hash.spread(), |place| *place == Place { hash, at }) {
            entry.remove();
        }
    }

    /// Bytes that are held.
    pub(super) fn held_bytes(&self) -> usize {
        self.0.allocation_size()
    }
}

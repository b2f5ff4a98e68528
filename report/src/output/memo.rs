//! Bytes that were put together before, by what decides them.
//!
//! Thousands of connections differ in their names, addresses and times alone. What else is said of
//! them is put together once and copied. Invariant: two keys that are equal give equal bytes, so a
//! key holds everything that its bytes are made from.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::FixedState;

/// Bytes by key. Each key has one place, and takes it from the key before it.
pub(crate) struct Memo<K> {
    slots: Vec<Slot<K>>,
    hasher: FixedState,
}

struct Slot<K> {
    key: Option<K>,
    kept: Kept,
}

/// What is kept for a key.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    /// How many cells they are, or where their second part begins.
    pub(crate) count: usize,
}

/// Keys that are kept; a power of two. A capture of a large site has some hundred.
const SLOTS: usize = 512;
/// More bytes are not kept for a key, so that all of them take 2 MiB at most.
const LEN_MAX: usize = 4096;

impl<K: Eq + Hash> Memo<K> {
    pub(crate) fn new() -> Self {
        let slots = std::iter::repeat_with(|| Slot { key: None, kept: Kept::default() });
        Self { slots: slots.take(SLOTS).collect(), hasher: FixedState::default() }
    }

    /// What is kept for a key.
    pub(crate) fn get(&self, key: &K) -> Option<&Kept> {
        let slot = self.slots.get(self.place(key))?;
        (slot.key.as_ref() == Some(key)).then_some(&slot.kept)
    }

    /// Keeps bytes for a key.
    pub(crate) fn keep(&mut self, key: K, bytes: &[u8], count: usize) {
        let place = self.place(&key);
        let Some(slot) = self.slots.get_mut(place).filter(|_| bytes.len() <= LEN_MAX) else {
            return;
        };
        slot.key = Some(key);
        slot.kept.bytes.clear();
        slot.kept.bytes.extend_from_slice(bytes);
        slot.kept.count = count;
    }

    fn place(&self, key: &K) -> usize {
        usize::try_from(self.hasher.hash_one(key) % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_share_a_place_keep_their_bytes() {
        let mut memo = Memo::new();
        for key in 0..10 * SLOTS {
            memo.keep(key, &key.to_le_bytes(), key);
            assert!(memo.get(&key).is_some_and(|it| it.bytes == key.to_le_bytes()));
        }
        let kept: Vec<usize> = (0..10 * SLOTS).filter(|key| memo.get(key).is_some()).collect();
        assert!(!kept.is_empty() && kept.len() <= SLOTS, "{}", kept.len());
        for key in kept {
            let it = memo.get(&key).unwrap();
            assert_eq!((&*it.bytes, it.count), (&key.to_le_bytes()[..], key));
        }
    }

    #[test]
    fn long_bytes_are_not_kept() {
        let mut memo = Memo::new();
        memo.keep(1, &[0; LEN_MAX], 0);
        memo.keep(2, &[0; LEN_MAX + 1], 0);
        assert!(memo.get(&1).is_some() && memo.get(&2).is_none());
    }
}

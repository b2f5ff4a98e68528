//! Blocks of bytes that frames lie in, and the pool that buffers return to.
//!
//! A region never changes once it is shared. A pooled one gives its buffer back when the last
//! batch over it is dropped, on whatever thread that happens, so nobody has to keep count.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::Mmap;

/// A block of bytes that holds the frames of one or more batches.
pub struct Region {
    storage: Storage,
}

enum Storage {
    Mapped {
        map: Arc<Mmap>,
        range: Range<usize>,
    },
    Owned(Vec<u8>),
    /// `buffer` is longer than what was read into it.
    Pooled {
        buffer: Vec<u8>,
        filled: usize,
        pool: Arc<Pool>,
    },
}

impl Region {
    /// A region of its own, that returns to no pool.
    #[must_use]
    pub fn owned(bytes: Vec<u8>) -> Self {
        Self { storage: Storage::Owned(bytes) }
    }

    /// The first `filled` bytes of `buffer`, which goes back to `pool` in the end.
    pub(crate) fn pooled(buffer: Vec<u8>, filled: usize, pool: &Arc<Pool>) -> Self {
        debug_assert!(filled <= buffer.len());
        Self { storage: Storage::Pooled { buffer, filled, pool: Arc::clone(pool) } }
    }

    /// A piece of a mapped file.
    pub(crate) fn mapped(map: &Arc<Mmap>, range: Range<usize>) -> Self {
        debug_assert!(range.end <= map.len());
        Self { storage: Storage::Mapped { map: Arc::clone(map), range } }
    }

    /// The bytes that were read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.storage {
            Storage::Mapped { map, range } => map.get(range.clone()).unwrap_or_default(),
            Storage::Owned(bytes) => bytes,
            Storage::Pooled { buffer, filled, .. } => buffer.get(..*filled).unwrap_or(buffer),
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Storage::Pooled { buffer, pool, .. } = &mut self.storage {
            pool.give(std::mem::take(buffer));
        }
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region").field("len", &self.bytes().len()).finish_non_exhaustive()
    }
}

/// Buffers of one length, kept for the next read.
#[derive(Debug)]
pub(crate) struct Pool {
    block_len: usize,
    idle: Mutex<Vec<Vec<u8>>>,
}

impl Pool {
    /// A pool of buffers of `block_len` bytes.
    pub(crate) fn new(block_len: usize) -> Arc<Self> {
        Arc::new(Self { block_len, idle: Mutex::default() })
    }

    /// The length of its buffers.
    pub(crate) fn block_len(&self) -> usize {
        self.block_len
    }

    /// A buffer of at least `len` bytes. Its content is arbitrary.
    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        if len > self.block_len {
            return vec![0; len];
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| vec![0; self.block_len])
    }

    /// Takes back a buffer that nobody needs.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.len() == self.block_len && idle.len() < IDLE_BUFFERS_MAX {
            idle.push(buffer);
        }
    }
}

#[cfg(test)]
impl Pool {
    /// How many buffers wait to be used again.
    pub(crate) fn idle_count(&self) -> usize {
        self.idle.lock().unwrap().len()
    }
}

/// Buffers kept idle. More than a reader and its consumers ever hold between them is only waste.
const IDLE_BUFFERS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_returns_when_its_region_is_dropped() {
        let pool = Pool::new(64);
        let region = Arc::new(Region::pooled(pool.take(10), 10, &pool));
        assert_eq!(region.bytes().len(), 10);
        let second = Arc::clone(&region);
        drop(region);
        assert_eq!(pool.idle.lock().unwrap().len(), 0);
        drop(second);
        assert_eq!(pool.idle.lock().unwrap().len(), 1);
        assert_eq!(pool.take(64).len(), 64);
        assert_eq!(pool.idle.lock().unwrap().len(), 0);
    }

    #[test]
    fn the_pool_keeps_neither_odd_sizes_nor_too_many() {
        let pool = Pool::new(8);
        pool.give(vec![0; 16]);
        assert_eq!(pool.idle.lock().unwrap().len(), 0);
        for _ in 0..=IDLE_BUFFERS_MAX {
            pool.give(vec![0; 8]);
        }
        assert_eq!(pool.idle.lock().unwrap().len(), IDLE_BUFFERS_MAX);
    }
}

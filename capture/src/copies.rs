//! Frames copied into blocks, to be kept, handed on or put in order.
//!
//! What is read where it lies is gone at once; this is for the frames that somebody needs later.

use std::fmt;
use std::sync::Arc;

use dissect::Frame;

use crate::region::{Pool, Region};
use crate::{Batch, FrameDesc};

/// Bytes in a batch, more or less: the cache holds what is read next.
const BLOCK_LEN: usize = 256 << 10;
/// Frames in a batch.
const FRAMES_MAX: usize = 4096;

/// A batch that is being put together.
pub struct Copies {
    pool: Arc<Pool>,
    frames_max: usize,
    buffer: Vec<u8>,
    filled: usize,
    descs: Vec<FrameDesc>,
}

impl Copies {
    /// For batches of some 256 KiB and 4096 frames at most.
    #[must_use]
    pub fn new() -> Self {
        Self::bounded(BLOCK_LEN, FRAMES_MAX)
    }

    /// For batches of about these sizes.
    pub(crate) fn bounded(block_len: usize, frames_max: usize) -> Self {
        Self::pooled(Pool::new(block_len), frames_max)
    }

    /// For further batches of the same kind, whose memory is used again for both.
    #[must_use]
    pub fn sibling(&self) -> Self {
        Self::pooled(Arc::clone(&self.pool), self.frames_max)
    }

    fn pooled(pool: Arc<Pool>, frames_max: usize) -> Self {
        Self { pool, frames_max, buffer: Vec::new(), filled: 0, descs: Vec::new() }
    }

    /// Whether there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.descs.is_empty()
    }

    /// Whether no more frames should be put in before these are taken. One more has room always.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.filled >= self.pool.block_len() / 8 * 7 || self.descs.len() >= self.frames_max
    }

    /// Copies a frame.
    pub fn push(&mut self, frame: &Frame<'_>) {
        if self.buffer.is_empty() {
            self.buffer = self.pool.take(self.pool.block_len());
        }
        let data = frame.data;
        let (Ok(offset), Ok(cap_len)) = (u32::try_from(self.filled), u32::try_from(data.len()))
        else {
            debug_assert!(false, "a block is far shorter than 4 GiB");
            return;
        };
        let end = self.filled + data.len();
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        if let Some(room) = self.buffer.get_mut(self.filled..end) {
            room.copy_from_slice(data);
        }
        self.filled = end;
        let Frame { number, time, link, wire_len, .. } = *frame;
        self.descs.push(FrameDesc { number, time, offset, cap_len, wire_len, link });
    }

    /// Where the frames lie; some may be taken out, to be pushed again.
    #[cfg(feature = "libpcap")]
    pub(crate) fn descs_mut(&mut self) -> &mut Vec<FrameDesc> {
        &mut self.descs
    }

    /// The frames, and their bytes, those of frames that were taken out included.
    pub fn take(&mut self) -> Option<Batch> {
        if self.buffer.is_empty() {
            return None;
        }
        // As many are likely to come again.
        let next = Vec::with_capacity(self.descs.len());
        let descs = std::mem::replace(&mut self.descs, next);
        let buffer = std::mem::take(&mut self.buffer);
        let filled = std::mem::take(&mut self.filled);
        // A few frames that are kept keep no whole block.
        let region = match buffer.get(..filled) {
            Some(bytes) if filled <= self.pool.block_len() / 8 => {
                let region = Region::owned(bytes.to_vec());
                self.pool.give(buffer);
                region
            }
            _ => Region::pooled(buffer, filled, &self.pool),
        };
        Some(Batch::new(Arc::new(region), descs))
    }
}

impl Default for Copies {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copies").field("frames", &self.descs.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use dissect::{LinkType, Timestamp};

    use super::*;

    fn frame(number: u64, data: &[u8]) -> Frame<'_> {
        let time = Timestamp::from_nanos(7);
        Frame { number, time, link: LinkType::RAW, wire_len: 9, data }
    }

    #[test]
    fn frames_are_the_same_in_their_new_place() {
        let mut copies = Copies::new();
        assert!(copies.take().is_none());
        copies.push(&frame(3, &[1, 2]));
        copies.push(&frame(5, &[]));
        copies.push(&frame(9, &[4]));
        let batch = copies.take().unwrap();
        let told = |frame: Frame<'_>| (frame.number, frame.data.to_vec(), frame.wire_len);
        let found: Vec<_> = batch.frames().map(told).collect();
        assert_eq!(found, [(3, vec![1, 2], 9), (5, vec![], 9), (9, vec![4], 9)]);
        assert!(copies.is_empty());
        assert!(copies.take().is_none());
    }

    #[test]
    fn a_few_frames_keep_no_block() {
        let mut copies = Copies::new();
        let mut sibling = copies.sibling();
        let mut batches = Vec::new();
        for (len, idle) in [(1, 1), (BLOCK_LEN / 8, 1), (BLOCK_LEN / 8 + 1, 0)] {
            for copies in [&mut copies, &mut sibling] {
                copies.push(&frame(1, &vec![7; len]));
                let batch = copies.take().unwrap();
                assert_eq!(batch.frame(0).unwrap().data, vec![7; len]);
                assert_eq!(copies.pool.idle_count(), idle, "{len}");
                batches.push(batch);
            }
        }
        drop(batches);
        assert_eq!(copies.pool.idle_count(), 2);
    }

    #[test]
    fn a_batch_is_full_by_frames_or_bytes_and_a_huge_frame_fits() {
        let mut copies = Copies::new();
        for number in 0..FRAMES_MAX {
            assert!(!copies.is_full(), "{number}");
            copies.push(&frame(1, &[7]));
        }
        assert!(copies.is_full());
        copies.take();
        let long = vec![7; BLOCK_LEN - 1];
        copies.push(&frame(1, &long));
        assert!(copies.is_full());
        copies.push(&frame(2, &long));
        assert_eq!(copies.take().unwrap().frame(1).unwrap().data, long);
    }
}

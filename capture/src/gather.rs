//! Frames of several files that alternate, copied into one region.
//!
//! A batch has one region, so frames that come from two files by turns would make a batch each. A
//! copy of a packet costs less than sending a batch.

use std::sync::Arc;

use crate::region::{Pool, Region};
use crate::timeline::Head;
use crate::{Batch, FrameDesc};

/// The batch that is being put together.
pub(crate) struct Gather {
    pool: Arc<Pool>,
    frames_max: usize,
    buffer: Vec<u8>,
    filled: usize,
    descs: Vec<FrameDesc>,
}

impl Gather {
    pub(crate) fn new(pool: Arc<Pool>, frames_max: usize) -> Self {
        Self { pool, frames_max, buffer: Vec::new(), filled: 0, descs: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.descs.is_empty()
    }

    /// Whether the next frame of `head` has room beside the others.
    pub(crate) fn fits(&self, head: &Head) -> bool {
        let len = head.descs.get(head.at).map_or(0, |desc| desc.cap_len as usize);
        self.descs.len() < self.frames_max && self.filled + len <= self.pool.block_len()
    }

    /// Moves the next frame of `head` here; it has to fit.
    pub(crate) fn push(&mut self, head: &mut Head) {
        if self.buffer.is_empty() {
            self.buffer = self.pool.take(self.pool.block_len());
        }
        let Some(desc) = head.descs.get(head.at) else { return };
        let (start, len) = (desc.offset as usize, desc.cap_len as usize);
        let frame = head.region.bytes().get(start..start + len).unwrap_or_default();
        let Some(room) = self.buffer.get_mut(self.filled..self.filled + frame.len()) else {
            debug_assert!(false, "the caller asked whether the frame fits");
            return;
        };
        room.copy_from_slice(frame);
        // A pooled buffer is far below 4 GiB.
        let offset = u32::try_from(self.filled).unwrap_or(u32::MAX);
        self.descs.push(FrameDesc { offset, ..*desc });
        self.filled += frame.len();
        head.at += 1;
    }

    /// What was put together, if it is anything.
    pub(crate) fn flush(&mut self) -> Option<Batch> {
        if self.descs.is_empty() {
            return None;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let region = Region::pooled(buffer, std::mem::take(&mut self.filled), &self.pool);
        Some(Batch::new(Arc::new(region), std::mem::take(&mut self.descs)))
    }
}

//! Frames of several interfaces on their way into one batch, in the order of their time.
//!
//! The kernel hands frames over in blocks, so that the newest frame of one interface may be a
//! block's delay older than what another one gave before. Of several interfaces frames are held
//! back for two such delays and sorted; of one they go out as they come.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dissect::{LinkType, Timestamp};

use super::KERNEL_DELAY_MS;
use crate::region::{Pool, Region};
use crate::{Batch, FrameDesc};

/// Bytes in a batch, more or less: the cache holds what the worker reads next.
const BLOCK_LEN: usize = 256 << 10;
/// Bytes that are held back for sorting. A link that fills this within the delay fills the kernel's
/// blocks too, which then come at once.
const HELD_BYTES_MAX: usize = 4 << 20;
/// Frames in a batch.
const FRAMES_MAX: usize = 4096;
/// For how long frames are held back for sorting.
const HOLD: Duration = Duration::from_millis(2 * KERNEL_DELAY_MS as u64);

pub(super) struct Staging {
    pool: Arc<Pool>,
    is_sorted: bool,
    buffer: Vec<u8>,
    filled: usize,
    descs: Vec<FrameDesc>,
    /// When the oldest frame that is held came in.
    since: Option<Instant>,
    /// Frames given out.
    count: u64,
    newest: Option<Timestamp>,
}

impl Staging {
    /// `is_sorted` for several interfaces.
    pub(super) fn new(is_sorted: bool) -> Self {
        let block_len = if is_sorted { HELD_BYTES_MAX } else { BLOCK_LEN };
        Self {
            pool: Pool::new(block_len),
            is_sorted,
            buffer: Vec::new(),
            filled: 0,
            descs: Vec::new(),
            since: None,
            count: 0,
            newest: None,
        }
    }

    pub(super) const fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// No frame that is held is older.
    pub(super) fn oldest(&self) -> Timestamp {
        let oldest = self.descs.iter().map(|desc| desc.time).min();
        oldest.unwrap_or(Timestamp::from_nanos(i64::MAX))
    }

    /// Whether no more frames should be put in before some are taken out.
    pub(super) fn is_full(&self) -> bool {
        let frames_max = if self.is_sorted { 16 * FRAMES_MAX } else { FRAMES_MAX };
        self.filled >= self.pool.block_len() / 8 * 7 || self.descs.len() >= frames_max
    }

    /// Copies a frame in.
    pub(super) fn push(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]) {
        if self.buffer.is_empty() {
            self.buffer = self.pool.take(self.pool.block_len());
        }
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
        self.newest = self.newest.max(Some(time));
        self.since.get_or_insert_with(Instant::now);
        // The number is given when the order is known.
        self.descs.push(FrameDesc { number: 0, time, offset, cap_len, wire_len, link });
    }

    /// For how long it may be waited before held frames are due.
    pub(super) fn patience(&self) -> Duration {
        match self.since {
            Some(since) if self.is_sorted => HOLD.saturating_sub(since.elapsed()),
            _ => Duration::MAX,
        }
    }

    /// Frames whose place in the order is known.
    pub(super) fn take_ready(&mut self) -> Option<Batch> {
        let since = self.since?;
        if !self.is_sorted || self.is_full() {
            return self.take_all();
        }
        if since.elapsed() < HOLD {
            return None;
        }
        self.descs.sort_by_key(|desc| desc.time);
        let hold_ns = i64::try_from(HOLD.as_nanos()).unwrap_or(i64::MAX);
        let newest = self.newest?;
        let due = self.descs.partition_point(|desc| newest.nanos_since(desc.time) >= hold_ns);
        // Nothing new came for so long that everything is due, or time is not what it was.
        let due = if due == 0 || since.elapsed() >= 2 * HOLD { self.descs.len() } else { due };
        let held = self.descs.split_off(due);
        let (batch, bytes) = self.give();
        for desc in held {
            let start = desc.offset as usize;
            let data = bytes.bytes().get(start..start + desc.cap_len as usize).unwrap_or_default();
            self.push(desc.link, desc.time, desc.wire_len, data);
        }
        Some(batch)
    }

    /// Everything that is held, in the order of time.
    pub(super) fn take_all(&mut self) -> Option<Batch> {
        self.since?;
        if self.is_sorted {
            self.descs.sort_by_key(|desc| desc.time);
        }
        Some(self.give().0)
    }

    /// The frames that are left, numbered, and the bytes of all.
    fn give(&mut self) -> (Batch, Arc<Region>) {
        // As many are likely to come again.
        let next = Vec::with_capacity(self.descs.len());
        let mut descs = std::mem::replace(&mut self.descs, next);
        for desc in &mut descs {
            self.count += 1;
            desc.number = self.count;
        }
        let buffer = std::mem::take(&mut self.buffer);
        let region = Arc::new(Region::pooled(buffer, self.filled, &self.pool));
        (self.filled, self.since) = (0, None);
        (Batch::new(Arc::clone(&region), descs), region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(staging: &mut Staging, ms: i64, byte: u8) {
        let time = Timestamp::from_nanos(ms * 1_000_000);
        staging.push(LinkType::ETHERNET, time, 1, &[byte]);
    }

    fn bytes(batch: &Batch) -> Vec<u8> {
        batch.frames().map(|frame| frame.data[0]).collect()
    }

    #[test]
    fn one_interface_is_given_out_as_it_comes() {
        let mut staging = Staging::new(false);
        assert!(staging.take_ready().is_none());
        push(&mut staging, 2, 1);
        push(&mut staging, 1, 2);
        let batch = staging.take_ready().unwrap();
        assert_eq!(bytes(&batch), [1, 2]);
        assert_eq!(batch.descs()[1].number, 2);
        push(&mut staging, 3, 3);
        assert_eq!(staging.take_ready().unwrap().descs()[0].number, 3);
    }

    #[test]
    fn several_interfaces_are_put_in_order() {
        let mut staging = Staging::new(true);
        for (ms, byte) in [(1_000, 1), (1_100, 4), (1_001, 2), (1_002, 3)] {
            push(&mut staging, ms, byte);
        }
        assert!(staging.take_ready().is_none(), "an older one may still come");
        staging.since = Instant::now().checked_sub(HOLD);
        let batch = staging.take_ready().unwrap();
        assert_eq!(bytes(&batch), [1, 2, 3]);
        let numbers: Vec<u64> = batch.descs().iter().map(|desc| desc.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let rest = staging.take_all().unwrap();
        assert_eq!((bytes(&rest), rest.descs()[0].number), (vec![4], 4));
        assert!(staging.take_all().is_none());
    }

    #[test]
    fn a_full_block_is_given_out_and_a_huge_frame_fits() {
        let mut staging = Staging::new(true);
        let frame = vec![7; HELD_BYTES_MAX - 1];
        staging.push(LinkType::ETHERNET, Timestamp::default(), 1, &frame);
        assert!(staging.is_full());
        staging.push(LinkType::ETHERNET, Timestamp::default(), 1, &frame);
        let batch = staging.take_ready().unwrap();
        assert_eq!(batch.frame(1).unwrap().data.len(), frame.len());
    }

    #[test]
    fn many_small_frames_fill_a_batch() {
        let mut staging = Staging::new(false);
        for at in 0..FRAMES_MAX {
            assert!(!staging.is_full(), "{at}");
            push(&mut staging, 1, 1);
        }
        assert!(staging.is_full());
    }
}

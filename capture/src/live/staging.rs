//! Frames of several interfaces on their way into one batch, in the order of their time.
//!
//! The kernel hands frames over in blocks, so that the newest frame of one interface may be a
//! block's delay older than what another one gave before. Of several interfaces frames are held
//! back for two such delays and sorted; of one they go out as they come.

use std::time::{Duration, Instant};

use dissect::{Frame, LinkType, Timestamp};

use super::KERNEL_DELAY_MS;
use super::interface::Sink;
use crate::{Batch, Copies};

/// Bytes that are held back for sorting. A link that fills this within the delay fills the kernel's
/// blocks too, which then come at once.
const HELD_BYTES_MAX: usize = 4 << 20;
/// Frames that are held back.
const HELD_FRAMES_MAX: usize = 1 << 16;
/// For how long frames are held back for sorting.
const HOLD: Duration = Duration::from_millis(2 * KERNEL_DELAY_MS as u64);

pub(super) struct Staging {
    copies: Copies,
    is_sorted: bool,
    /// When the oldest frame that is held came in.
    since: Option<Instant>,
    /// Frames given out.
    count: u64,
    newest: Option<Timestamp>,
}

impl Staging {
    /// `is_sorted` for several interfaces.
    pub(super) fn new(is_sorted: bool) -> Self {
        let copies = match is_sorted {
            true => Copies::bounded(HELD_BYTES_MAX, HELD_FRAMES_MAX),
            false => Copies::new(),
        };
        Self { copies, is_sorted, since: None, count: 0, newest: None }
    }

    pub(super) const fn is_sorted(&self) -> bool {
        self.is_sorted
    }

    pub(super) const fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// No frame that is held is older.
    pub(super) fn oldest(&mut self) -> Timestamp {
        let oldest = self.copies.descs_mut().iter().map(|desc| desc.time).min();
        oldest.unwrap_or(Timestamp::from_nanos(i64::MAX))
    }

    /// The number of a frame that is given out where it lies.
    pub(super) fn pass(&mut self, time: Timestamp) -> u64 {
        self.newest = self.newest.max(Some(time));
        self.count += 1;
        self.count
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
        let newest = self.newest?;
        let descs = self.copies.descs_mut();
        descs.sort_by_key(|desc| desc.time);
        let hold_ns = i64::try_from(HOLD.as_nanos()).unwrap_or(i64::MAX);
        let due = descs.partition_point(|desc| newest.nanos_since(desc.time) >= hold_ns);
        // Nothing new came for so long that everything is due, or time is not what it was.
        let due = if due == 0 || since.elapsed() >= 2 * HOLD { descs.len() } else { due };
        let held = descs.split_off(due);
        let batch = self.give()?;
        let bytes = batch.region().bytes();
        for desc in held {
            let start = desc.offset as usize;
            let data = bytes.get(start..start + desc.cap_len as usize).unwrap_or_default();
            self.push(desc.link, desc.time, desc.wire_len, data);
        }
        Some(batch)
    }

    /// Everything that is held, in the order of time.
    pub(super) fn take_all(&mut self) -> Option<Batch> {
        self.since?;
        if self.is_sorted {
            self.copies.descs_mut().sort_by_key(|desc| desc.time);
        }
        self.give()
    }

    /// The frames that are left, numbered.
    fn give(&mut self) -> Option<Batch> {
        for desc in self.copies.descs_mut() {
            self.count += 1;
            desc.number = self.count;
        }
        self.since = None;
        self.copies.take()
    }
}

impl Sink for Staging {
    fn is_full(&self) -> bool {
        self.copies.is_full()
    }

    fn push(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]) {
        self.newest = self.newest.max(Some(time));
        self.since.get_or_insert_with(Instant::now);
        // The number is given when the order is known.
        self.copies.push(&Frame { number: 0, time, link, wire_len, data });
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
}

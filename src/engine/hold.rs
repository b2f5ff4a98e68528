//! Frames that wait until their place in time is known.
//!
//! What one reader hands to another comes later than what the other reads itself. Held frames go
//! on in the order of their time once every reader is past it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::{Batch, FrameDesc, Region};
use dissect::Timestamp;

/// Frames that are held. Past this they go on as they are: a reader that far behind has filled
/// its ring too.
pub(super) const FRAMES_MAX: usize = 1 << 16;
/// Batches whose bytes are held: 64 MiB of blocks, if all of them are full ones.
pub(super) const BATCHES_MAX: usize = 256;
/// For how long frames are held when a reader does not come on, or clocks are set.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a batch holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Frames as they were captured.
    Frames,
    /// A packet that a frame was found to hold; the frame is counted.
    Datagram,
}

#[derive(Debug, Default)]
pub(super) struct Hold {
    held: Vec<Held>,
    batches: usize,
    since: Option<Instant>,
}

#[derive(Debug)]
struct Held {
    region: Arc<Region>,
    desc: FrameDesc,
    kind: Kind,
}

impl Hold {
    pub(super) fn push(&mut self, batch: Batch, kind: Kind) {
        let (region, descs) = batch.into_parts();
        self.since.get_or_insert_with(Instant::now);
        self.batches += 1;
        let held = |desc| Held { region: Arc::clone(&region), desc, kind };
        self.held.extend(descs.into_iter().map(held));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes what is older than a time, or everything if there is too much of it, in the
    /// order of time: batches of frames that lie in the same region.
    pub(super) fn release(&mut self, until: Timestamp, mut take: impl FnMut(Batch, Kind)) {
        if self.held.is_empty() {
            return;
        }
        let is_full = self.held.len() >= FRAMES_MAX || self.batches >= BATCHES_MAX;
        let is_old = self.since.is_some_and(|since| since.elapsed() >= PATIENCE);
        // Frames of the same time keep the order in which they came.
        self.held.sort_by_key(|held| held.desc.time);
        let due = match is_full || is_old {
            true => self.held.len(),
            false => self.held.partition_point(|held| held.desc.time < until),
        };
        let mut due = self.held.drain(..due).peekable();
        while let Some(Held { region, desc, kind }) = due.next() {
            let mut descs = vec![desc];
            let fits = |next: &Held| {
                kind == Kind::Frames && next.kind == kind && Arc::ptr_eq(&next.region, &region)
            };
            while let Some(next) = due.next_if(fits) {
                descs.push(next.desc);
            }
            take(Batch::new(region, descs), kind);
        }
        drop(due);
        self.since = (!self.held.is_empty()).then(Instant::now);
        self.batches = self.batches.min(self.held.len());
    }
}

#[cfg(test)]
mod tests {
    use dissect::LinkType;

    use super::*;

    fn frame(ns: i64) -> Batch {
        let time = Timestamp::from_nanos(ns);
        Batch::owned(LinkType::ETHERNET, time, 0, 1, vec![u8::try_from(ns & 0x7f).unwrap()])
    }

    fn released(hold: &mut Hold, until: i64) -> Vec<Vec<i64>> {
        let mut batches = Vec::new();
        hold.release(Timestamp::from_nanos(until), |batch, _| {
            batches.push(batch.descs().iter().map(|desc| desc.time.as_nanos()).collect());
        });
        batches
    }

    #[test]
    fn frames_come_in_the_order_of_time_when_they_are_due() {
        let mut hold = Hold::default();
        let pair = frame(4);
        let descs =
            [9, 4].map(|ns| FrameDesc { time: Timestamp::from_nanos(ns), ..pair.descs()[0] });
        hold.push(Batch::new(Arc::clone(pair.region()), descs.to_vec()), Kind::Frames);
        hold.push(frame(7), Kind::Datagram);
        assert!(released(&mut hold, 4).is_empty());
        assert_eq!(released(&mut hold, 8), [[4], [7]]);
        hold.push(Batch::new(Arc::clone(pair.region()), descs.to_vec()), Kind::Frames);
        assert_eq!(released(&mut hold, 10), [[4, 9, 9]]);
        assert!(hold.is_empty());
    }

    #[test]
    fn no_more_is_held_than_the_bounds() {
        let check = |batches: usize, frames: usize, expect: usize| {
            let mut hold = Hold::default();
            for _ in 0..batches {
                let one = frame(5);
                let descs = vec![one.descs()[0]; frames];
                hold.push(Batch::new(Arc::clone(one.region()), descs), Kind::Frames);
            }
            let released: usize = released(&mut hold, 0).iter().map(Vec::len).sum();
            assert_eq!(released, expect, "{batches} batches of {frames}");
        };
        check(BATCHES_MAX - 1, 1, 0);
        check(BATCHES_MAX, 1, BATCHES_MAX);
        check(1, FRAMES_MAX - 1, 0);
        check(1, FRAMES_MAX, FRAMES_MAX);
    }
}

//! Frames that several readers share, delivered to any of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::yield_now;
use std::time::Duration;

use capture::Batch;
use dissect::{
    FlowFacts, Frame, Limits, NameSeen, Pairing, Placement, Placer, Sweep, Timestamp, Wrap,
};
use tlsunset::engine::{Director, Harvest, Reader, Settings, Step, watch_readers};

/// Who gets which frames. What is in no tunnel comes to one reader for each pair of addresses; all
/// else comes to anyone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) readers: u16,
    /// By how many the kernel counts readers differently.
    pub(crate) shift: usize,
    /// Decides who gets what is in a tunnel.
    pub(crate) seed: u64,
}

struct Queue<'a> {
    batches: VecDeque<Batch>,
    horizon: Timestamp,
    left: &'a AtomicUsize,
}

impl Reader for Queue<'_> {
    fn visit(&mut self, _: Duration, take: &mut impl FnMut(&Frame<'_>)) -> bool {
        // Nothing older than the next frame is to come.
        let batch = self.batches.pop_front();
        let next = self.batches.front().map_or(i64::MAX, |it| it.descs()[0].time.as_nanos());
        self.horizon = Timestamp::from_nanos(next);
        if batch.is_some() {
            self.left.fetch_sub(1, Ordering::Relaxed);
        }
        batch.iter().flat_map(Batch::frames).for_each(|frame| take(&frame));
        batch.is_some()
    }

    fn drain(&mut self) -> Option<Batch> {
        None
    }

    fn horizon(&self) -> Timestamp {
        self.horizon
    }

    fn settle(&mut self) {}
}

/// Harvests now and then, and stops when everything was read.
struct Taker<'a> {
    left: &'a AtomicUsize,
    now: Timestamp,
    steps: u32,
    pub(crate) flows: Vec<FlowFacts>,
    pub(crate) names: Vec<NameSeen>,
    frames: u64,
}

impl Director for Taker<'_> {
    fn step(&mut self) -> Step {
        self.steps += 1;
        match self.left.load(Ordering::Relaxed) {
            0 => Step::Stop,
            _ if self.steps.is_multiple_of(64) => Step::Harvest(self.now, Sweep::Over),
            _ => {
                yield_now();
                Step::Idle
            }
        }
    }

    fn harvest(&mut self, harvest: Harvest, _: Option<Sweep>) {
        self.flows.extend(harvest.flows.into_iter().map(|flow| *flow));
        self.names.extend(harvest.names);
        self.frames += harvest.counters.frames;
    }
}

/// What readers learn of frames, in the order of their time.
pub(crate) fn read(frames: &[Frame<'_>], shares: Shares) -> (Vec<FlowFacts>, Vec<NameSeen>) {
    let pairing = Pairing::new(shares.seed, shares.readers);
    let count = usize::from(shares.readers);
    let mut queues = vec![VecDeque::new(); count];
    let (mut placer, mut seed) = (Placer::new(1), shares.seed | 1);
    for frame in frames {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let to = match placer.place(frame) {
            Placement::Frame(pair, Wrap::Plain) => (pairing.reader(pair) + shares.shift) % count,
            Placement::Frame(_, Wrap::Tunnel) => usize::try_from(seed >> 33).unwrap() % count,
            Placement::Packets(..) | Placement::Kept | Placement::Any => shares.shift % count,
        };
        let (link, number) = (frame.link, frame.number);
        // Frames of the same time would have no order; a sample's clock is coarser than a capture's.
        let order = i64::try_from(number).unwrap();
        let time = Timestamp::from_nanos(frame.time.as_nanos() + order);
        queues[to].push_back(Batch::owned(link, time, number, frame.wire_len, frame.data.to_vec()));
    }
    let left = AtomicUsize::new(frames.len());
    let queue = |batches| Queue { batches, horizon: Timestamp::from_nanos(i64::MIN), left: &left };
    let now = frames.first().map_or_else(Timestamp::default, |frame| frame.time);
    let mut taker =
        Taker { left: &left, now, steps: 0, flows: Vec::new(), names: Vec::new(), frames: 0 };
    let settings = Settings { workers: count, limits: Limits::default(), seed: 1 };
    let queues: Vec<_> = queues.into_iter().map(queue).collect();
    watch_readers(&mut taker, queues, &pairing, &settings);
    assert_eq!(taker.frames, frames.len() as u64, "every frame is counted once");
    (taker.flows, taker.names)
}

//! Hands frames out to workers, one message a batch.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use capture::{Batch, FrameDesc, Region};
use crossbeam_channel::{Receiver, SendError, Sender, bounded};
use dissect::{Frame, LinkType, Steer, Steering, Sweep, Timestamp};

use super::{Learned, Worker};

/// Batches that wait for one worker: enough to ride out a pause, little enough to stay in cache.
pub(super) const QUEUED_BATCHES_MAX: usize = 8;

/// A worker's life: frames in, and at the end what it learned.
pub(super) fn work(
    mut worker: Worker<'_>,
    works: &Receiver<Work>,
    used: &Sender<Batch>,
) -> Learned {
    for work in works {
        // The reader may be gone already; then the memory is simply freed.
        worker.work(work, |batch| drop(used.send(batch)));
    }
    worker.finish()
}

impl Worker<'_> {
    /// Does what it is given; a batch goes to `used` afterwards.
    pub(super) fn work(&mut self, work: Work, used: impl FnOnce(Batch)) {
        match work {
            Work::Frames(batch) => {
                self.take(&batch);
                used(batch);
            }
            Work::Datagram(packet) => self.take_datagram(&packet),
            // Who asked waits for the answer, or is gone with a panic of its own.
            Work::Sweep(now, kind, answer) => drop(answer.send(self.sweep(now, kind))),
        }
    }
}

/// What a worker is given.
pub(super) enum Work {
    /// Frames as they were captured.
    Frames(Batch),
    /// A packet put together from fragments, as the frame that completed it; or one of several in
    /// a frame.
    Datagram(Batch),
    /// To report what is known, as of a time.
    Sweep(Timestamp, Sweep, Sender<Learned>),
}

/// The workers' queues, and the frames of the current batch that go to each.
pub(super) struct HandOut {
    queues: Vec<Sender<Work>>,
    shares: Vec<Vec<FrameDesc>>,
    /// Where the next frame goes that belongs to no connection.
    turn: usize,
    /// The worker that hands out itself, if one does, and what it has for itself.
    own: (Option<usize>, Vec<Work>),
    /// Counts what is handed to each worker.
    loads: Arc<[AtomicUsize]>,
    /// What is collected for each worker, and how much is before it is handed over.
    collected: Vec<Vec<Work>>,
    collected_max: usize,
    /// Lists of frames to use again.
    spare: Vec<Vec<FrameDesc>>,
}

impl HandOut {
    pub(super) fn new(queues: Vec<Sender<Work>>) -> Self {
        Self {
            shares: vec![Vec::new(); queues.len()],
            collected: queues.iter().map(|_| Vec::new()).collect(),
            collected_max: 1,
            queues,
            turn: 0,
            own: (None, Vec::new()),
            loads: Arc::new([]),
            spare: Vec::new(),
        }
    }

    /// Adds what is handed to each worker to its count.
    pub(super) fn with_loads(self, loads: &Arc<[AtomicUsize]>) -> Self {
        Self { loads: Arc::clone(loads), ..self }
    }

    /// Says which of the workers hands out itself. What it has for itself is kept for
    /// [`HandOut::take_own`]: a queue that nobody empties meanwhile would stop it.
    pub(super) fn set_own(&mut self, worker: Option<usize>) {
        self.own.0 = worker;
    }

    /// What the worker that hands out has for itself.
    pub(super) fn take_own(&mut self) -> impl Iterator<Item = Work> + '_ {
        self.own.1.drain(..)
    }

    /// Says how many shares a worker gets at once: waking it for each costs more than little work is
    /// worth. [`HandOut::flush`] hands over what is left.
    pub(super) fn set_collected_max(&mut self, shares: usize) {
        self.collected_max = shares;
    }

    /// Hands over what is collected.
    pub(super) fn flush(&mut self) -> Result<(), SendError<Work>> {
        (0..self.queues.len()).try_for_each(|worker| self.flush_to(worker))
    }

    fn flush_to(&mut self, worker: usize) -> Result<(), SendError<Work>> {
        match (self.queues.get(worker), self.collected.get_mut(worker)) {
            (Some(queue), Some(collected)) => {
                collected.drain(..).try_for_each(|work| queue.send(work))
            }
            _ => Ok(()),
        }
    }

    /// Takes back a batch that nobody needs, to use its memory again.
    pub(super) fn recycle(&mut self, batch: Batch) {
        let (_, mut descs) = batch.into_parts();
        if self.spare.len() < self.queues.len() {
            descs.clear();
            self.spare.push(descs);
        }
    }

    /// Splits a batch between the workers.
    ///
    /// A worker's queue is closed only by a panic, which goes on where the worker is joined.
    pub(super) fn take(&mut self, batch: Batch, steer: &mut Steer) -> Result<(), SendError<Work>> {
        let count = self.queues.len() as u64;
        for (frame, desc) in batch.frames().zip(batch.descs()) {
            let worker = match steer.steer(&frame) {
                // The remainder is below the number of queues.
                Steering::Flow(hash) => usize::try_from(hash % count).unwrap_or(0),
                Steering::Any => {
                    self.turn = (self.turn + 1) % self.queues.len();
                    self.turn
                }
                Steering::Kept => continue,
                Steering::Datagram { hash, bytes } => {
                    self.deliver_packet(hash, LinkType::RAW, bytes, &frame, batch.region())?;
                    continue;
                }
                Steering::Several(packets) => {
                    for (hash, bytes) in packets {
                        let link = LinkType::ETHERNET;
                        self.deliver_packet(hash, link, bytes, &frame, batch.region())?;
                    }
                    continue;
                }
            };
            if let Some(share) = self.shares.get_mut(worker) {
                share.push(*desc);
            }
        }
        (0..self.queues.len()).try_for_each(|worker| self.send(worker, batch.region()))
    }

    /// Sends a packet that is not the frame itself, after the frames that came before it.
    fn deliver_packet(
        &mut self,
        hash: u64,
        link: LinkType,
        bytes: Vec<u8>,
        frame: &Frame<'_>,
        region: &Arc<Region>,
    ) -> Result<(), SendError<Work>> {
        // The remainder is below the number of queues.
        let worker = usize::try_from(hash % self.queues.len() as u64).unwrap_or(0);
        self.send(worker, region)?;
        let packet = Batch::owned(link, frame.time, frame.number, frame.wire_len, bytes);
        self.deliver(worker, Work::Datagram(packet))
    }

    /// Asks every worker what it learned, after all frames that were handed out.
    pub(super) fn sweep(
        &mut self,
        now: Timestamp,
        kind: Sweep,
    ) -> Result<Vec<Learned>, SendError<Work>> {
        let (answer, answers) = bounded(self.queues.len());
        for worker in 0..self.queues.len() {
            self.deliver(worker, Work::Sweep(now, kind, answer.clone()))?;
        }
        drop(answer);
        Ok(answers.iter().collect())
    }

    /// Sends a worker its share of the current batch so far.
    fn send(&mut self, worker: usize, region: &Arc<Region>) -> Result<(), SendError<Work>> {
        match self.shares.get_mut(worker) {
            Some(share) if !share.is_empty() => {
                let next = self.spare.pop();
                let next = next.unwrap_or_else(|| Vec::with_capacity(share.len()));
                let share = std::mem::replace(share, next);
                self.deliver(worker, Work::Frames(Batch::new(Arc::clone(region), share)))
            }
            _ => Ok(()),
        }
    }

    fn deliver(&mut self, worker: usize, work: Work) -> Result<(), SendError<Work>> {
        if let Some(load) = self.loads.get(worker) {
            load.fetch_add(1, Relaxed);
        }
        if self.own.0 == Some(worker) {
            self.own.1.push(work);
            return Ok(());
        }
        let Some(collected) = self.collected.get_mut(worker) else { return Ok(()) };
        collected.push(work);
        if collected.len() < self.collected_max { Ok(()) } else { self.flush_to(worker) }
    }
}

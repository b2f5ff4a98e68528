//! Hands frames out to workers, one message a batch.

use std::sync::Arc;
use std::thread;

use capture::{Batch, FrameDesc, Region};
use crossbeam_channel::{Receiver, SendError, Sender, bounded, unbounded};
use dissect::{Frame, LinkType, Steer, Steering, Sweep, Timestamp};

use super::{Feed, Learned, Settings, Worker};

/// Batches that wait for one worker: enough to ride out a pause, little enough to stay in cache.
pub(super) const QUEUED_BATCHES_MAX: usize = 8;

/// Reads in this thread, dissects in others.
pub(super) fn run(feed: &mut Feed<'_>, settings: &Settings) {
    let hosts = feed.hosts;
    let (used, returned) = unbounded::<Batch>();
    let mut steer = Steer::new(settings.seed);
    thread::scope(|scope| {
        let (queues, workers): (Vec<Sender<Work>>, Vec<_>) = (0..settings.workers)
            .map(|_| {
                let (queue, works) = bounded(QUEUED_BATCHES_MAX);
                let (used, worker) = (used.clone(), Worker::new(settings, hosts));
                (queue, scope.spawn(move || work(worker, &works, &used)))
            })
            .unzip();
        drop(used);
        let mut hand_out = HandOut::new(queues);
        while let Some(batch) = feed.next() {
            if hand_out.take(batch, &mut steer).is_err() {
                break;
            }
            for batch in returned.try_iter() {
                feed.source.recycle(batch);
            }
        }
        drop(hand_out);
        for worker in workers {
            // A worker that panicked takes the run with it, message and all.
            let learned = match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            feed.analysis.absorb(learned);
        }
    });
    feed.analysis.counters.absorb(steer.counters());
}

/// A worker's life: frames in, and at the end what it learned.
pub(super) fn work(
    mut worker: Worker<'_>,
    works: &Receiver<Work>,
    used: &Sender<Batch>,
) -> Learned {
    for work in works {
        match work {
            Work::Frames(batch) => {
                worker.take(&batch);
                // The reader may be gone already; then the memory is simply freed.
                let _ = used.send(batch);
            }
            Work::Datagram(packet) => worker.take_datagram(&packet),
            // Who asked waits for the answer, or is gone with a panic of its own.
            Work::Sweep(now, kind, answer) => drop(answer.send(worker.sweep(now, kind))),
        }
    }
    worker.finish()
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
}

impl HandOut {
    pub(super) fn new(queues: Vec<Sender<Work>>) -> Self {
        Self { shares: vec![Vec::new(); queues.len()], queues, turn: 0 }
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
        &self,
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
                let next = Vec::with_capacity(share.len());
                let share = std::mem::replace(share, next);
                self.deliver(worker, Work::Frames(Batch::new(Arc::clone(region), share)))
            }
            _ => Ok(()),
        }
    }

    fn deliver(&self, worker: usize, work: Work) -> Result<(), SendError<Work>> {
        self.queues.get(worker).map_or(Ok(()), |queue| queue.send(work))
    }
}

//! Hands frames out to workers, one message a batch.

use std::sync::Arc;
use std::thread;

use capture::{Batch, FrameDesc, Region};
use crossbeam_channel::{Receiver, SendError, Sender, bounded, unbounded};
use dissect::{Counters, FlowFacts, LinkType, Steer, Steering};

use super::{Feed, Settings, Worker};

/// Batches that wait for one worker: enough to ride out a pause, little enough to stay in cache.
const QUEUED_BATCHES_MAX: usize = 8;

/// Reads in this thread, dissects in others.
pub(super) fn run(feed: &mut Feed<'_>, settings: &Settings) {
    let hosts = feed.hosts;
    let (used, returned) = unbounded::<Batch>();
    let mut steer = Steer::new(settings.seed);
    thread::scope(|scope| {
        let (queues, workers): (Vec<Sender<Batch>>, Vec<_>) = (0..settings.workers)
            .map(|_| {
                let (queue, batches) = bounded(QUEUED_BATCHES_MAX);
                let (used, worker) = (used.clone(), Worker::new(settings, hosts));
                (queue, scope.spawn(move || work(worker, &batches, &used)))
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
            let (flows, counters) = match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            feed.analysis.flows.extend(flows);
            feed.analysis.counters.absorb(&counters);
        }
    });
    feed.analysis.counters.absorb(steer.counters());
}

fn work(
    mut worker: Worker<'_>,
    batches: &Receiver<Batch>,
    used: &Sender<Batch>,
) -> (Vec<Box<FlowFacts>>, Counters) {
    for batch in batches {
        worker.take(&batch);
        // The reader may be gone already; then the memory is simply freed.
        let _ = used.send(batch);
    }
    worker.finish()
}

/// The workers' queues, and the frames of the current batch that go to each.
pub(super) struct HandOut {
    queues: Vec<Sender<Batch>>,
    shares: Vec<Vec<FrameDesc>>,
    /// Where the next frame goes that belongs to no connection.
    turn: usize,
}

impl HandOut {
    pub(super) fn new(queues: Vec<Sender<Batch>>) -> Self {
        Self { shares: vec![Vec::new(); queues.len()], queues, turn: 0 }
    }

    /// Splits a batch between the workers.
    ///
    /// A worker's queue is closed only by a panic, which goes on where the worker is joined.
    pub(super) fn take(&mut self, batch: Batch, steer: &mut Steer) -> Result<(), SendError<Batch>> {
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
                Steering::Datagram { hash, bytes, wire_len } => {
                    let worker = usize::try_from(hash % count).unwrap_or(0);
                    self.send(worker, batch.region())?;
                    let packet =
                        Batch::owned(LinkType::RAW, frame.time, frame.number, wire_len, bytes);
                    self.deliver(worker, packet)?;
                    continue;
                }
            };
            if let Some(share) = self.shares.get_mut(worker) {
                share.push(*desc);
            }
        }
        (0..self.queues.len()).try_for_each(|worker| self.send(worker, batch.region()))
    }

    /// Sends a worker its share of the current batch so far.
    fn send(&mut self, worker: usize, region: &Arc<Region>) -> Result<(), SendError<Batch>> {
        match self.shares.get_mut(worker) {
            Some(share) if !share.is_empty() => {
                let next = Vec::with_capacity(share.len());
                let share = std::mem::replace(share, next);
                self.deliver(worker, Batch::new(Arc::clone(region), share))
            }
            _ => Ok(()),
        }
    }

    fn deliver(&self, worker: usize, batch: Batch) -> Result<(), SendError<Batch>> {
        self.queues.get(worker).map_or(Ok(()), |queue| queue.send(batch))
    }
}

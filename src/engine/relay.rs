//! Workers that take turns at reading.
//!
//! A reader with a thread of its own waits while the workers work, and they wait while it reads.
//! Here there are as many threads as workers: whose turn it is reads and hands out until it has a
//! few batches of its own to work on, and passes the turn to the worker that has the fewest. What
//! it read for itself is still in its cache.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use capture::Batch;
use crossbeam_channel::{Receiver, Sender, bounded, select, unbounded};
use dissect::Steer;

use super::dispatch::{HandOut, QUEUED_BATCHES_MAX, Work};
use super::{Feed, Learned, Settings, Worker, joined};

/// Shares of its own that a worker reads ahead before it passes the turn: enough for all to have
/// work while the turn goes round, and fewer than a queue holds.
const READ_AHEAD: usize = QUEUED_BATCHES_MAX / 2;

/// A share that takes less is light: to wake another worker for it takes about as long. Then the
/// turn stays where it is, and the others get several shares at once. So it is with bulk data,
/// where nearly all work is reading.
const LIGHT: Duration = Duration::from_micros(50);

/// The right to read, and what it takes.
struct Turn<'t, 'f> {
    feed: &'t mut Feed<'f>,
    steer: Steer,
    hand_out: HandOut,
    /// Where batches come back that nobody needs any more.
    returned: Receiver<Batch>,
    /// To each of the workers.
    turns: Vec<Sender<Box<Self>>>,
}

/// One of the threads.
struct Runner<'t, 'f, 'h> {
    number: usize,
    worker: Worker<'h>,
    /// What this worker read for itself, or found in its queue when its turn came.
    own: VecDeque<Work>,
    queue: Receiver<Work>,
    turns: Receiver<Box<Turn<'t, 'f>>>,
    used: Sender<Batch>,
    /// Shares that wait for each worker.
    loads: Arc<[AtomicUsize]>,
    /// How long a share takes lately.
    pace: Duration,
}

/// Reads and dissects in as many threads as there are workers.
pub(super) fn run(feed: &mut Feed<'_>, settings: &Settings) {
    let hosts = feed.watched_hosts();
    let loads: Arc<[AtomicUsize]> = (0..settings.workers).map(|_| AtomicUsize::new(0)).collect();
    let (used, returned) = unbounded();
    let mut learned = Vec::new();
    let stores: Vec<_> = (0..settings.workers).map(|_| feed.store.sibling()).collect();
    thread::scope(|scope| {
        let (queues, works): (Vec<_>, Vec<_>) =
            (0..settings.workers).map(|_| bounded(QUEUED_BATCHES_MAX)).unzip();
        let (turns, waiting): (Vec<_>, Vec<_>) = (0..settings.workers).map(|_| bounded(1)).unzip();
        let first = turns.first().cloned();
        let turn = Turn {
            steer: Steer::new(settings.seed),
            hand_out: HandOut::new(queues).with_loads(&loads),
            feed: &mut *feed,
            returned,
            turns,
        };
        // It finds room and a receiver: the channel is new.
        let _ = first.map(|first| first.send(Box::new(turn)));
        let runners: Vec<_> = works.into_iter().zip(waiting).zip(stores).enumerate().collect();
        let threads: Vec<_> = runners
            .into_iter()
            .map(|(number, ((queue, turns), store))| {
                let runner = Runner {
                    number,
                    worker: Worker::new(settings, hosts).with_store(store),
                    own: VecDeque::new(),
                    queue,
                    turns,
                    used: used.clone(),
                    loads: Arc::clone(&loads),
                    pace: Duration::ZERO,
                };
                scope.spawn(move || runner.run())
            })
            .collect();
        drop(used);
        learned.extend(threads.into_iter().map(joined));
    });
    for learned in learned {
        feed.analysis.absorb(learned);
    }
}

impl<'t, 'f> Runner<'t, 'f, '_> {
    /// A worker's life. It ends with the input, or when another worker is gone with a panic.
    fn run(mut self) -> Learned {
        loop {
            if let Ok(turn) = self.turns.try_recv() {
                self.take_turn(turn);
            } else if let Some(work) = self.own.pop_front() {
                self.work(work);
            } else {
                select! {
                    recv(self.turns) -> turn => match turn {
                        Ok(turn) => self.take_turn(turn),
                        Err(_) => break,
                    },
                    recv(self.queue) -> work => match work {
                        Ok(work) => self.work(work),
                        Err(_) => break,
                    },
                }
            }
        }
        // Who ended the input may have handed out something before.
        while let Ok(work) = self.queue.recv() {
            self.work(work);
        }
        self.worker.finish()
    }

    /// Reads until there is enough to work on and somebody has less, or to the end.
    fn take_turn(&mut self, mut turn: Box<Turn<'t, 'f>>) {
        turn.hand_out.set_own(Some(self.number));
        // What others handed out comes before what is read now.
        self.own.extend(self.queue.try_iter());
        let mut is_over = false;
        while !is_over {
            if self.own.len() >= READ_AHEAD {
                let is_heavy = self.pace >= LIGHT;
                turn.hand_out.set_collected_max(if is_heavy { 1 } else { READ_AHEAD });
                if let Some(next) = self.idlest().filter(|_| is_heavy)
                    && let Some(next) = turn.turns.get(next).cloned()
                    && turn.hand_out.flush().is_ok()
                {
                    turn.hand_out.set_own(None);
                    // It fails when the next one panicked; then the turn ends here, and the run.
                    let _ = next.send(turn);
                    return;
                }
                if let Some(work) = self.own.pop_front() {
                    self.work(work);
                }
                continue;
            }
            for batch in turn.returned.try_iter() {
                turn.hand_out.recycle(batch);
            }
            let Some(batch) = turn.feed.next() else { break };
            let handed_out = turn.hand_out.take(batch, &mut turn.steer);
            self.own.extend(turn.hand_out.take_own());
            is_over = handed_out.is_err();
        }
        // Whoever it is for may be gone with a panic.
        let _ = turn.hand_out.flush();
        turn.feed.analysis.counters.absorb(turn.steer.counters());
        // The queues close with the turn, which ends the others; what this one has comes first.
        drop(turn);
        while let Some(work) = self.own.pop_front() {
            self.work(work);
        }
    }

    /// The worker with the fewest shares waiting, if that is not this one.
    fn idlest(&self) -> Option<usize> {
        let loads = self.loads.iter().map(|load| load.load(Relaxed)).enumerate();
        let (idlest, load) = loads.min_by_key(|(number, load)| (*load, *number))?;
        (idlest != self.number && load < self.own.len()).then_some(idlest)
    }

    fn work(&mut self, work: Work) {
        if let Some(load) = self.loads.get(self.number) {
            load.fetch_sub(1, Relaxed);
        }
        // Whoever reads may be gone already; then the memory is simply freed.
        let begun = Instant::now();
        self.worker.work(work, |batch| drop(self.used.send(batch)));
        // One that was interrupted says nothing of the others.
        self.pace = begun.elapsed().min(2 * self.pace + Duration::from_micros(1));
    }
}

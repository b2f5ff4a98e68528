//! The threads: frames from a source, through dissectors, to the facts of connections.
//!
//! With one worker everything happens in the calling thread. With more, whoever
//! reads hands out batches: both directions of a connection reach the same worker, so workers share
//! nothing but the table of hosts that is shown while they run. The facts do not depend on how many there are.
//! [`analyze`] takes a source to its end; [`watch`] goes on and hands over what is known bit by bit,
//! and `watch_readers` has every worker read its share of the frames of an interface.

mod clock;
mod dispatch;
mod hold;
mod hosts;
mod live;
mod numbers;
mod readers;
mod relay;
mod share;

use std::thread;
use std::time::{Duration, Instant};

use capture::{Batch, CaptureError, Progress, Source};
use dissect::{
    Counters, Dissector, FlowFacts, Frame, Held, HelloSeen, Limits, NameSeen, Observer, Side,
    Sweep, Timestamp,
};

use clock::Clock;
use report::{ClockInfo, FactsStore};

pub use hosts::{LiveHost, LiveHosts};
pub use live::{Director, Harvest, Step, watch};
pub use readers::{Reader, watch_readers};

impl Analysis {
    fn absorb(&mut self, learned: Learned) {
        self.stores.extend(learned.store);
        self.silent.extend(learned.silent);
        self.names.extend(learned.names);
        self.counters.absorb(&learned.counters);
    }
}

/// How to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Workers, at least 1.
    pub workers: usize,
    /// Bounds for all workers together; each gets its share of the memory. As much again is for
    /// the connections that were reported and stay until the end; more of them are put aside.
    pub limits: Limits,
    /// Keys the hash tables.
    pub seed: u64,
}

/// What came out.
#[derive(Debug, Default)]
pub struct Analysis {
    /// The connections: what [`FactsStore::finish`] makes one of.
    pub stores: Vec<FactsStore>,
    /// What ended without a word, of one direction each, in no particular order; no more than
    /// attempts are remembered.
    pub silent: Vec<Box<FlowFacts>>,
    /// What DNS answers said, in no particular order.
    pub names: Vec<NameSeen>,
    /// What became of the frames.
    pub counters: Counters,
    /// What could not be read. The frames before and behind it were.
    pub errors: Vec<CaptureError>,
    /// Time of the first frame.
    pub first_time: Option<Timestamp>,
    /// Time of the last frame.
    pub last_time: Option<Timestamp>,
    /// How time went on from frame to frame.
    pub clock: ClockInfo,
}

/// Told while the run goes on.
pub trait Watcher: Send {
    /// How far it is. Called between batches, ten times a second at most.
    fn progress(&mut self, progress: &Progress, frames: u64, hosts: &LiveHosts);

    /// Whether it looks at the hosts; if not, none are noted.
    fn looks_at_hosts(&self) -> bool {
        true
    }

    /// Something could not be read; the run goes on.
    fn error(&mut self, error: &CaptureError);
}

/// Takes all frames of a source. Connections go to siblings of `store`.
///
/// # Panics
///
/// When a frame is neither dissected nor skipped for a reason: the promise of the whole run.
pub fn analyze(
    store: FactsStore,
    source: &mut dyn Source,
    settings: &Settings,
    hosts: &LiveHosts,
    watcher: &mut dyn Watcher,
) -> Analysis {
    let mut feed = Feed {
        source,
        hosts,
        watcher,
        last_told: Instant::now(),
        frames: 0,
        clock: Clock::default(),
        store,
        analysis: Analysis::default(),
    };
    if settings.workers <= 1 {
        let mut worker =
            Worker::new(settings, feed.watched_hosts()).with_store(feed.store.sibling());
        while let Some(batch) = feed.next() {
            worker.take(&batch);
            feed.source.recycle(batch);
        }
        feed.analysis.absorb(worker.finish());
    } else {
        relay::run(&mut feed, settings);
    }
    assert!(feed.analysis.counters.balances(), "every frame is dissected or skipped for a reason");
    feed.analysis.clock = feed.clock.into_info();
    // First, as its bound is the one that was asked for.
    feed.analysis.stores.insert(0, feed.store);
    feed.analysis
}

/// The source with what is noted on the way: errors, times, progress.
struct Feed<'a> {
    source: &'a mut dyn Source,
    hosts: &'a LiveHosts,
    watcher: &'a mut dyn Watcher,
    last_told: Instant,
    frames: u64,
    clock: Clock,
    /// Workers have siblings of it.
    store: FactsStore,
    analysis: Analysis,
}

impl<'a> Feed<'a> {
    /// The hosts, if anybody looks at them.
    fn watched_hosts(&self) -> Option<&'a LiveHosts> {
        self.watcher.looks_at_hosts().then_some(self.hosts)
    }

    /// The next batch with frames; errors are noted and passed over.
    fn next(&mut self) -> Option<Batch> {
        const TELL_EVERY: Duration = Duration::from_millis(100);
        loop {
            match self.source.next_batch()? {
                Ok(batch) => {
                    let descs = batch.descs();
                    let (Some(first), Some(last)) = (descs.first(), descs.last()) else { continue };
                    self.analysis.first_time.get_or_insert(first.time);
                    self.analysis.last_time = Some(last.time);
                    self.frames += descs.len() as u64;
                    self.clock.note(descs);
                    if self.last_told.elapsed() >= TELL_EVERY {
                        self.last_told = Instant::now();
                        let progress = self.source.progress();
                        self.watcher.progress(&progress, self.frames, self.hosts);
                    }
                    return Some(batch);
                }
                Err(error) => {
                    self.watcher.error(&error);
                    self.analysis.errors.push(error);
                }
            }
        }
    }
}

/// What a thread learned. One that panicked takes the run with it, message and all.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A dissector and what it learned.
struct Worker<'a> {
    dissector: Dissector,
    seen: Seen<'a>,
    /// Bytes for connections at hand, and as many for those that were reported.
    share: usize,
}

struct Seen<'a> {
    learned: Learned,
    /// Where connections go that nobody takes away while the run goes on.
    store: Option<FactsStore>,
    /// Who looks at the hosts.
    hosts: Option<&'a LiveHosts>,
    /// Whether somebody looks at hellos and decided connections themselves.
    keeps_decided: bool,
}

/// What one worker brings home.
#[derive(Default)]
struct Learned {
    flows: Vec<Box<FlowFacts>>,
    /// Where the connections are instead, of a worker that is done and had a store.
    store: Option<FactsStore>,
    silent: Vec<Box<FlowFacts>>,
    /// Copies of what was decided, for those who watch.
    decided: Vec<Box<FlowFacts>>,
    /// The hellos, for those who watch.
    hellos: Vec<HelloSeen>,
    names: Vec<NameSeen>,
    counters: Counters,
    /// What the tables hold still.
    held: Held,
}

impl<'a> Worker<'a> {
    fn new(settings: &Settings, hosts: Option<&'a LiveHosts>) -> Self {
        let mut limits = settings.limits.clone();
        let share = limits.memory_max / settings.workers.max(1);
        // UDP takes its part of the ceiling.
        limits.memory_max -= limits.udp_memory_max.min(limits.memory_max / 8);
        limits.memory_max /= settings.workers.max(1);
        limits.udp_memory_max /= settings.workers.max(1);
        limits.attempts_max /= settings.workers.max(1);
        Self {
            share,
            dissector: Dissector::new(limits, settings.seed),
            seen: Seen { learned: Learned::default(), store: None, hosts, keeps_decided: false },
        }
    }

    /// The worker with a store for its connections.
    fn with_store(mut self, store: FactsStore) -> Self {
        self.seen.store = Some(store);
        self
    }

    /// A worker that tells of connections as soon as they are decided, too.
    fn live(settings: &Settings) -> Self {
        let mut worker = Self::new(settings, None);
        worker.seen.keeps_decided = true;
        worker
    }

    /// What was learned since the last call, as of a time.
    fn sweep(&mut self, now: Timestamp, kind: Sweep) -> Learned {
        self.dissector.sweep(now, kind, &mut self.seen);
        let counters = self.dissector.take_counters();
        let held = self.dissector.held();
        Learned { counters, held, ..std::mem::take(&mut self.seen.learned) }
    }

    fn take(&mut self, batch: &Batch) {
        self.dissector.push_all(batch.frames(), &mut self.seen);
        if let Some(store) = &mut self.seen.store {
            // What the connections at hand leave is for the others.
            let left = (2 * self.share).saturating_sub(self.dissector.held().bytes);
            store.set_held_max(left.max(self.share));
            // What should be elsewhere and can't takes room from them.
            self.dissector.reserve(store.overdue_bytes());
        }
    }

    /// Takes a frame of a run that is watched.
    fn take_frame(&mut self, frame: &Frame<'_>) {
        self.dissector.push(frame, &mut self.seen);
    }

    fn take_datagram(&mut self, packet: &Batch) {
        for frame in packet.frames() {
            self.dissector.push_datagram(&frame, &mut self.seen);
        }
    }

    fn finish(mut self) -> Learned {
        if let Some(store) = &mut self.seen.store {
            // Connections at hand become others.
            store.set_held_max(2 * self.share);
        }
        self.dissector.finish(&mut self.seen);
        let counters = self.dissector.counters().clone();
        Learned { counters, store: self.seen.store, ..self.seen.learned }
    }
}

impl Observer for Seen<'_> {
    fn flow(&mut self, facts: FlowFacts) {
        self.boxed_flow(Box::new(facts));
    }

    fn boxed_flow(&mut self, facts: Box<FlowFacts>) {
        match &mut self.store {
            Some(store) => store.push(facts),
            None => self.learned.flows.push(facts),
        }
    }

    fn silent(&mut self, facts: Box<FlowFacts>) {
        self.learned.silent.push(facts);
    }

    fn decided(&mut self, facts: &FlowFacts) {
        if self.keeps_decided {
            self.learned.decided.push(Box::new(facts.clone()));
        }
    }

    fn name(&mut self, seen: NameSeen) {
        self.learned.names.push(seen);
    }

    fn hello(&mut self, seen: HelloSeen) {
        if let Some(hosts) = self.hosts {
            hosts.note(&seen);
        }
        if self.keeps_decided && seen.from == Side::Client {
            self.learned.hellos.push(seen);
        }
    }
}

#[cfg(test)]
mod tests;

//! A run without end: frames as they come, and what is known of connections bit by bit.
//!
//! Whoever directs the run decides when something is reported and when it ends; nothing here looks
//! at a clock. Every connection is reported once, and every frame is accounted for in one harvest.

use std::thread;

use capture::Batch;
use crossbeam_channel::{Sender, bounded, unbounded};
use dissect::{Counters, FlowFacts, Frame, Held, HelloSeen, NameSeen, Steer, Sweep, Timestamp};
use report::ClockInfo;

use super::clock::Clock;
use super::dispatch::{HandOut, QUEUED_BATCHES_MAX, Work, work};
use super::{Learned, Settings, Worker, joined};

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Frames to follow.
    Frames(Batch),
    /// Frames were followed where they lay.
    Followed,
    /// Nothing came.
    Idle,
    /// To hand over what is known, as of a time.
    Harvest(Timestamp, Sweep),
    /// The end: everything is handed over.
    Stop,
}

/// Decides what is done, and takes what is learned.
pub trait Director {
    /// What to do next. May wait for frames for a moment.
    fn step(&mut self) -> Step;

    /// The same for whoever follows frames itself: they may be given to `follow` where they lie,
    /// which saves copying them, instead of in a batch.
    fn step_in_place(&mut self, follow: &mut dyn FnMut(&Frame<'_>)) -> Step {
        let _ = follow;
        self.step()
    }

    /// Takes what was learned since the last harvest; `kind` is that of the step, `None` at the
    /// end of the run.
    fn harvest(&mut self, harvest: Harvest, kind: Option<Sweep>);
}

/// What was learned since the last harvest.
#[derive(Debug, Default)]
pub struct Harvest {
    /// Connections to be reported, in no particular order; each once in a run.
    pub flows: Vec<Box<FlowFacts>>,
    /// What ended without a word, of one direction each, in no particular order.
    pub silent: Vec<Box<FlowFacts>>,
    /// Connections that were decided, reported or not; each once in a run.
    pub decided: Vec<Box<FlowFacts>>,
    /// ClientHellos that were read, in no particular order.
    pub hellos: Vec<HelloSeen>,
    /// What DNS answers said, in no particular order.
    pub names: Vec<NameSeen>,
    /// What became of the frames.
    pub counters: Counters,
    /// Time of the first frame.
    pub first_time: Option<Timestamp>,
    /// Time of the last frame.
    pub last_time: Option<Timestamp>,
    /// How time went on from frame to frame.
    pub clock: ClockInfo,
    /// What the workers' tables hold still.
    pub held: Held,
    /// Frames that came to one reader and belonged to another.
    pub handed_over: u64,
}

impl Harvest {
    /// Adds what another thread learned of its share at the same time.
    fn absorb(&mut self, other: Self) {
        self.flows.extend(other.flows);
        self.silent.extend(other.silent);
        self.decided.extend(other.decided);
        self.hellos.extend(other.hellos);
        self.names.extend(other.names);
        self.counters.absorb(&other.counters);
        self.held.connections += other.held.connections;
        self.held.bytes += other.held.bytes;
        self.handed_over += other.handed_over;
        self.first_time = self.first_time.into_iter().chain(other.first_time).min();
        self.last_time = self.last_time.max(other.last_time);
        let (all, one) = (&mut self.clock, other.clock);
        all.unordered_frames += one.unordered_frames;
        // Every reader sees the same step.
        all.steps_back = all.steps_back.max(one.steps_back);
        all.steps_ahead = all.steps_ahead.max(one.steps_ahead);
        if one.steps.len() > all.steps.len() {
            all.steps = one.steps;
        }
    }
}

/// What several readers learned, which took their shares at the same time.
pub(super) fn merged(harvests: Vec<Harvest>) -> Harvest {
    let mut sum = Harvest::default();
    harvests.into_iter().for_each(|harvest| sum.absorb(harvest));
    sum
}

/// What a worker learned, without what whoever reads notes.
impl From<Learned> for Harvest {
    fn from(learned: Learned) -> Self {
        let Learned { flows, silent, decided, hellos, names, counters, held, store: _ } = learned;
        Self { flows, silent, decided, hellos, names, counters, held, ..Self::default() }
    }
}

/// Follows frames until the director stops.
///
/// # Panics
///
/// When a frame is neither dissected nor skipped for a reason.
pub fn watch(director: &mut dyn Director, settings: &Settings) {
    let mut log = Log::default();
    if settings.workers <= 1 {
        let mut worker = Worker::live(settings);
        loop {
            let mut follow = |frame: &Frame<'_>| {
                log.note_frame(frame);
                worker.take_frame(frame);
            };
            match director.step_in_place(&mut follow) {
                Step::Frames(batch) => batch.frames().for_each(|frame| follow(&frame)),
                Step::Followed | Step::Idle => {}
                Step::Harvest(now, kind) => {
                    let harvest = log.harvest([worker.sweep(now, kind)], Counters::default());
                    director.harvest(harvest, Some(kind));
                }
                Step::Stop => break,
            }
        }
        director.harvest(log.harvest([worker.finish()], Counters::default()), None);
    } else {
        watch_many(director, settings, &mut log);
    }
}

/// Hands frames out to workers.
fn watch_many(director: &mut dyn Director, settings: &Settings, log: &mut Log) {
    let mut steer = Steer::new(settings.seed);
    let learned = thread::scope(|scope| {
        // Batches that come back this way are dropped, which returns their bytes to the source.
        let (used, returned) = unbounded::<Batch>();
        let (queues, workers): (Vec<Sender<Work>>, Vec<_>) = (0..settings.workers)
            .map(|_| {
                let (queue, works) = bounded(QUEUED_BATCHES_MAX);
                let (used, worker) = (used.clone(), Worker::live(settings));
                (queue, scope.spawn(move || work(worker, &works, &used)))
            })
            .unzip();
        drop(used);
        let mut hand_out = HandOut::new(queues);
        // Handing out fails when a worker panicked, which goes on where it is joined.
        loop {
            returned.try_iter().for_each(drop);
            match director.step() {
                Step::Frames(batch) => {
                    log.note(&batch);
                    if hand_out.take(batch, &mut steer).is_err() {
                        break;
                    }
                }
                Step::Followed | Step::Idle => {}
                Step::Harvest(now, kind) => {
                    let Ok(learned) = hand_out.sweep(now, kind) else { break };
                    if learned.len() < settings.workers {
                        break;
                    }
                    director.harvest(log.harvest(learned, steer.take_counters()), Some(kind));
                }
                Step::Stop => break,
            }
        }
        drop(hand_out);
        workers.into_iter().map(joined).collect::<Vec<_>>()
    });
    director.harvest(log.harvest(learned, steer.take_counters()), None);
}

/// What the thread that hands out notes itself.
#[derive(Default)]
pub(super) struct Log {
    clock: Clock,
    first_time: Option<Timestamp>,
    last_time: Option<Timestamp>,
}

impl Log {
    fn note(&mut self, batch: &Batch) {
        let descs = batch.descs();
        if let (Some(first), Some(last)) = (descs.first(), descs.last()) {
            self.first_time.get_or_insert(first.time);
            self.last_time = Some(last.time);
            self.clock.note(descs);
        }
    }

    /// Notes a frame.
    pub(super) fn note_frame(&mut self, frame: &Frame<'_>) {
        self.first_time.get_or_insert(frame.time);
        self.last_time = Some(frame.time);
        self.clock.note_one(frame.number, frame.time);
    }

    /// A share of the frames goes on with this time; the newest one of the others has that time.
    pub(super) fn begin_share(&mut self, time: Timestamp, newest: Timestamp) {
        self.clock.pass_quiet_time(time, newest);
    }

    pub(super) fn harvest(
        &mut self,
        learned: impl IntoIterator<Item = Learned>,
        counters: Counters,
    ) -> Harvest {
        let mut harvest = Harvest {
            counters,
            first_time: self.first_time.take(),
            last_time: self.last_time.take(),
            clock: self.clock.take_info(),
            ..Harvest::default()
        };
        for learned in learned {
            harvest.absorb(learned.into());
        }
        assert!(harvest.counters.balances(), "every frame is dissected or skipped for a reason");
        harvest
    }
}

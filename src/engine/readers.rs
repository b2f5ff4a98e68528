//! Threads that read and dissect, each its share of the frames.
//!
//! Frames belong to the reader of their innermost pair of addresses, by a rule that the kernel
//! knows too, so nearly all come to the right one. What is in a tunnel may come to any, and its two
//! directions to two; it is handed to its reader and put into the order of time there. Wherever the
//! kernel delivers a frame, what is learned is the same.

use std::thread;
use std::time::Duration;

use capture::Batch;
use crossbeam_channel::{Sender, bounded};
use dissect::{Frame, Pairing, Timestamp};

use super::live::{Director, Harvest, Step, merged};
use super::share::{Common, Order, Share};
use super::{Settings, joined};

/// Batches that wait for one reader, from each other one.
const QUEUED_BATCHES_MAX: usize = 8;

/// A share of the frames.
pub trait Reader: Send {
    /// Waits for frames, `timeout` at the most, and gives each to `take`. Whether there were any.
    fn visit(&mut self, timeout: Duration, take: &mut impl FnMut(&Frame<'_>)) -> bool;

    /// What is held back when nothing more is to come.
    fn drain(&mut self) -> Option<Batch>;

    /// No frame that is given from now on is older.
    fn horizon(&self) -> Timestamp;

    /// Brings what it counts up to date.
    fn settle(&mut self);
}

#[cfg(feature = "libpcap")]
impl Reader for capture::LiveSource {
    fn visit(&mut self, timeout: Duration, take: &mut impl FnMut(&Frame<'_>)) -> bool {
        Self::visit(self, timeout, take)
    }

    fn drain(&mut self) -> Option<Batch> {
        Self::drain(self)
    }

    fn horizon(&self) -> Timestamp {
        Self::horizon(self)
    }

    fn settle(&mut self) {
        self.publish();
    }
}

/// Follows frames until the director stops, which is never asked for any.
///
/// # Panics
///
/// When a frame is neither dissected nor skipped for a reason.
pub fn watch_readers<R: Reader>(
    director: &mut dyn Director,
    readers: Vec<R>,
    pairing: &Pairing,
    settings: &Settings,
) {
    let count = readers.len();
    let settings = Settings { workers: count, ..settings.clone() };
    let common = Common::new(pairing, count);
    let (outboxes, inboxes): (Vec<_>, Vec<_>) =
        (0..count).map(|_| bounded(QUEUED_BATCHES_MAX * count)).unzip();
    let learned = thread::scope(|scope| {
        let (orders, threads): (Vec<_>, Vec<_>) = readers
            .into_iter()
            .zip(inboxes)
            .enumerate()
            .map(|(index, (reader, inbox))| {
                let (order, orders) = bounded(1);
                let outboxes = outboxes.iter().enumerate();
                let outboxes = outboxes.map(|(to, it)| (to != index).then(|| it.clone()));
                let mail = (outboxes.collect(), inbox);
                let share = Share::new((index, reader), &common, orders, mail, &settings);
                (order, scope.spawn(move || share.run()))
            })
            .unzip();
        drop(outboxes);
        direct(director, &orders);
        drop(orders);
        threads.into_iter().map(joined).collect::<Vec<_>>()
    });
    director.harvest(merged(learned), None);
}

/// Does what the director says until it stops, or a reader panicked; that goes on at its join.
fn direct(director: &mut dyn Director, orders: &[Sender<Order>]) {
    loop {
        match director.step() {
            Step::Frames(_) | Step::Followed | Step::Idle => {}
            Step::Harvest(now, kind) => {
                let (answer, answers) = bounded(orders.len());
                for reader in orders {
                    if reader.send(Order { now, kind, answer: answer.clone() }).is_err() {
                        return;
                    }
                }
                drop(answer);
                let learned: Vec<Harvest> = answers.iter().collect();
                if learned.len() < orders.len() {
                    return;
                }
                director.harvest(merged(learned), Some(kind));
            }
            Step::Stop => return,
        }
    }
}

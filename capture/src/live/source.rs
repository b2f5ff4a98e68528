//! A reader's source: frames of its interfaces as they arrive.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use dissect::{Frame, LinkType, Timestamp};

use super::interface::{Found, Interface, Sink};
use super::staging::Staging;
use super::{LiveEvent, LiveMonitor, UNSEEN, now, system};
use crate::Batch;

/// Frames of one or more interfaces as they arrive.
pub struct LiveSource {
    interfaces: Vec<Interface>,
    staging: Staging,
    events: Vec<LiveEvent>,
    looked_at: Instant,
    /// Its place among the sources that the monitor tells of.
    place: usize,
    monitor: LiveMonitor,
    horizon: Timestamp,
    lag_ns: i64,
    /// Whether the last look found all that there was.
    is_drained: bool,
    /// Bytes read before the last rest.
    read_bytes: u64,
    rested_at: Instant,
    /// How long to rest while frames come fast; zero for not at all.
    nap: Duration,
}

impl LiveSource {
    pub(super) fn new(interfaces: Vec<Interface>, place: usize, monitor: LiveMonitor) -> Self {
        let nap = interfaces.iter().map(Interface::nap).min();
        Self {
            nap: nap.unwrap_or_default(),
            is_drained: false,
            read_bytes: 0,
            rested_at: Instant::now(),
            staging: Staging::new(interfaces.len() > 1),
            events: Vec::new(),
            looked_at: Instant::now(),
            interfaces,
            place,
            monitor,
            horizon: Timestamp::from_nanos(i64::MIN),
            lag_ns: 0,
        }
    }

    /// Tells the monitor of something, the next time.
    pub(super) fn tell(&mut self, events: impl IntoIterator<Item = LiveEvent>) {
        self.events.extend(events);
    }

    /// Waits for frames, `timeout` at the most; `None` when none came.
    pub fn wait(&mut self, timeout: Duration) -> Option<Batch> {
        self.look(timeout, |source| {
            let found = read(&mut source.interfaces, &mut source.staging, &mut source.events);
            let batch = source.staging.take_ready();
            if let Some((first, last)) = batch.as_ref().and_then(ends) {
                source.note(first, last);
            }
            (found, batch)
        })
    }

    /// Waits for frames, `timeout` at the most, and gives each to `take`: where it lies in the
    /// kernel's buffer, as long as there is but one interface. Whether there were any.
    pub fn visit<F>(&mut self, timeout: Duration, take: &mut F) -> bool
    where
        F: FnMut(&Frame<'_>) + ?Sized,
    {
        if self.staging.is_sorted() {
            let batch = self.wait(timeout);
            batch.iter().flat_map(Batch::frames).for_each(|frame| take(&frame));
            return batch.is_some();
        }
        let has_taken = self.look(timeout, |source| {
            let mut sink = InPlace { staging: &mut source.staging, take: &mut *take, ends: None };
            let found = read(&mut source.interfaces, &mut sink, &mut source.events);
            let ends = sink.ends;
            if let Some((first, last)) = ends {
                source.note(first, last);
            }
            (found, ends)
        });
        has_taken.is_some()
    }

    /// Looks for something until it is there, or the time is over.
    fn look<T>(
        &mut self,
        timeout: Duration,
        mut look: impl FnMut(&mut Self) -> (Found, Option<T>),
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        loop {
            self.look_after();
            // The last look found all that there was.
            if self.is_drained {
                self.rest(deadline.saturating_duration_since(Instant::now()));
            }
            let (found, result) = look(self);
            self.is_drained = found != Found::More;
            if result.is_some() {
                return result;
            }
            if found == Found::Nothing {
                self.horizon = before(now(), UNSEEN).min(self.staging.oldest());
            }
            if Instant::now() >= deadline {
                return None;
            }
        }
    }

    /// Waits until there may be more.
    fn rest(&mut self, longest: Duration) {
        let longest = longest.min(self.staging.patience());
        if longest.is_zero() {
            return;
        }
        let read_bytes: u64 = self.interfaces.iter().map(Interface::read_bytes).sum();
        let bytes = read_bytes - std::mem::replace(&mut self.read_bytes, read_bytes);
        let passed = std::mem::replace(&mut self.rested_at, Instant::now()).elapsed();
        // Bytes until the nap is over, if they come as fast as since the last rest.
        let expected = u128::from(bytes) * self.nap.as_nanos() / passed.as_nanos().max(1);
        if expected >= NAP_BYTES_MIN {
            thread::sleep(self.nap.min(longest));
        } else {
            system::wait_readable(&self.interfaces, longest);
        }
    }

    /// What is held back to be put in order, when nothing more is to come.
    pub fn drain(&mut self) -> Option<Batch> {
        self.staging.take_all()
    }

    /// No frame that is given from now on is older, as far as the kernel keeps to its delays.
    #[must_use]
    pub const fn horizon(&self) -> Timestamp {
        self.horizon
    }

    /// What is known of the capture, for other threads.
    #[must_use]
    pub fn monitor(&self) -> LiveMonitor {
        self.monitor.clone()
    }

    /// Brings what the monitor tells up to date.
    pub fn publish(&mut self) {
        let counts = self.interfaces.iter_mut().map(Interface::counts).collect();
        let (newest, lag_ns) = (self.staging.newest(), std::mem::take(&mut self.lag_ns));
        self.monitor.tell(self.place, counts, &mut self.events, newest, lag_ns);
    }

    /// Notes frames that are given out.
    fn note(&mut self, first: Timestamp, last: Timestamp) {
        self.lag_ns = self.lag_ns.max(now().nanos_since(first));
        self.horizon = before(last, DISORDER);
    }

    /// Sees to interfaces that went or came, and to counters before they overflow.
    fn look_after(&mut self) {
        const EVERY: Duration = Duration::from_millis(250);
        if self.looked_at.elapsed() >= EVERY {
            self.looked_at = Instant::now();
            for interface in &mut self.interfaces {
                interface.look_after(&mut self.events);
            }
            self.publish();
        }
    }
}

/// Takes what the interfaces have.
fn read(interfaces: &mut [Interface], sink: &mut impl Sink, events: &mut Vec<LiveEvent>) -> Found {
    let found = interfaces.iter_mut().map(|interface| interface.read(sink, events));
    found.fold(Found::Nothing, |all, one| match (all, one) {
        (Found::More, _) | (_, Found::More) => Found::More,
        (Found::Last, _) | (_, Found::Last) => Found::Last,
        (Found::Nothing, Found::Nothing) => Found::Nothing,
    })
}

/// The times of a batch's first and last frame.
fn ends(batch: &Batch) -> Option<(Timestamp, Timestamp)> {
    Some((batch.descs().first()?.time, batch.descs().last()?.time))
}

/// Gives frames to somebody where they lie.
struct InPlace<'a, F: ?Sized> {
    /// Counts them.
    staging: &'a mut Staging,
    take: &'a mut F,
    /// The times of the first and the last one.
    ends: Option<(Timestamp, Timestamp)>,
}

impl<F: FnMut(&Frame<'_>) + ?Sized> Sink for InPlace<'_, F> {
    fn is_full(&self) -> bool {
        false
    }

    fn push(&mut self, link: LinkType, time: Timestamp, wire_len: u32, data: &[u8]) {
        let number = self.staging.pass(time);
        self.ends = Some((self.ends.map_or(time, |(first, _)| first), time));
        (self.take)(&Frame { number, time, link, wire_len, data });
    }
}

fn before(time: Timestamp, by: Duration) -> Timestamp {
    let by_ns = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(time.as_nanos().saturating_sub(by_ns))
}

impl fmt::Debug for LiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.interfaces.iter().map(Interface::name).collect();
        f.debug_struct("LiveSource").field("interfaces", &names).finish_non_exhaustive()
    }
}

/// By how much a processor may be late with putting a frame into the ring, behind others.
const DISORDER: Duration = Duration::from_millis(2);
/// What comes in a nap at least, which is several of the kernel's blocks. To be woken for each of
/// them takes about as long as to read it.
const NAP_BYTES_MIN: u128 = 1 << 20;

//! Takes frames from the interfaces, and says when to report, to end an interval, and to stop.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use capture::{InterfaceCounts, LiveMonitor, LiveSource};
use crossbeam_channel::Sender;
use dissect::{Frame, Sweep, Timestamp};

use super::interval::counted_since;
use super::recorder::{Close, Message, Sight};
use super::service::Service;
use super::signals::Signals;
use super::{flows_max, panic_for_tests};
use crate::cli::LiveConfig;
use crate::engine::{Director, Harvest, Step};
use crate::progress::say;

/// How long frames are waited for at a time; signals are seen as often.
const WAIT: Duration = Duration::from_millis(50);
/// How often what is over is reported.
const HARVEST_EVERY: Duration = Duration::from_secs(2);
/// How often when somebody watches.
const WATCHED_HARVEST_EVERY: Duration = Duration::from_secs(1);
/// Harvests are put off until they took less than this part of the time.
const HARVEST_SHARE: u32 = 50;
/// For how long frames are taken that were on their way when the run was to end.
const DRAIN: Duration = Duration::from_millis(120);

pub(super) struct Patrol {
    /// What frames are taken from, where readers don't do it.
    source: Option<LiveSource>,
    monitor: LiveMonitor,
    signals: Signals,
    recorder: Sender<Message>,
    interval_ns: Option<i64>,
    /// When the open interval ends.
    boundary: Option<Timestamp>,
    harvest_every: Duration,
    next_harvest: Instant,
    harvest_began: Instant,
    drains_until: Option<Instant>,
    /// What interfaces had counted when the open interval began.
    counts: Vec<InterfaceCounts>,
    /// Connections reported in the open interval, and how many end it early.
    flows: usize,
    flows_max: usize,
    now: Timestamp,
    service: Service,
}

impl Patrol {
    pub(super) fn new(
        config: &LiveConfig,
        source: Option<LiveSource>,
        monitor: LiveMonitor,
        signals: Signals,
        service: Service,
        recorder: Sender<Message>,
    ) -> Self {
        let interval_ns =
            config.rotate.map(|time| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX));
        let now = now();
        let begin = Instant::now();
        let harvest_every = if config.has_screen { WATCHED_HARVEST_EVERY } else { HARVEST_EVERY };
        Self {
            source,
            monitor,
            signals,
            recorder,
            interval_ns,
            boundary: interval_ns.map(|len| boundary_after(now, len)),
            harvest_every,
            next_harvest: begin + harvest_every,
            harvest_began: begin,
            drains_until: None,
            counts: Vec::new(),
            flows: 0,
            flows_max: flows_max(config),
            now,
            service,
        }
    }

    /// Whether the open interval is to end.
    fn ends_interval(&self) -> bool {
        let (Some(boundary), Some(len)) = (self.boundary, self.interval_ns) else { return false };
        let left_ns = boundary.nanos_since(self.now);
        // The clock may be set back; then the boundary would be far off.
        left_ns <= 0 || left_ns > len.saturating_mul(2) || self.flows >= self.flows_max
    }

    /// Tells the recorder; it is gone only by a panic, which goes on where it is joined.
    fn tell(&self, message: Message) {
        let _ = self.recorder.send(message);
    }

    fn drain(&mut self, until: Instant, wait: impl Wait) -> Step {
        if Instant::now() < until {
            return self.wait(Duration::from_millis(20), wait);
        }
        self.source.as_mut().and_then(LiveSource::drain).map_or(Step::Stop, Step::Frames)
    }

    /// Waits for frames, or while readers take them.
    fn wait(&mut self, timeout: Duration, wait: impl Wait) -> Step {
        match &mut self.source {
            Some(source) => wait(source, timeout),
            None => {
                sleep(timeout);
                Step::Idle
            }
        }
    }

    /// What to do next; frames are waited for this way.
    fn next(&mut self, wait: impl Wait) -> Step {
        for event in self.monitor.take_events() {
            say(event);
        }
        self.service.alive();
        panic_for_tests("patrol");
        if let Some(until) = self.drains_until {
            return self.drain(until, wait);
        }
        if self.signals.is_stopped() {
            self.drains_until = Some(Instant::now() + DRAIN);
            self.service.stopping();
            return Step::Idle;
        }
        if self.signals.take_reload() {
            self.tell(Message::Reload);
        }
        self.now = now();
        let (is_due, ends) = (Instant::now() >= self.next_harvest, self.ends_interval());
        if is_due || ends {
            self.harvest_began = Instant::now();
            return Step::Harvest(self.now, if ends { Sweep::Cut } else { Sweep::Over });
        }
        self.wait(WAIT, wait)
    }
}

/// Takes frames from a source, or waits for them for a time.
trait Wait: FnOnce(&mut LiveSource, Duration) -> Step {}

impl<T: FnOnce(&mut LiveSource, Duration) -> Step> Wait for T {}

impl Director for Patrol {
    fn step(&mut self) -> Step {
        self.next(|source, timeout| source.wait(timeout).map_or(Step::Idle, Step::Frames))
    }

    fn step_in_place(&mut self, follow: &mut dyn FnMut(&Frame<'_>)) -> Step {
        self.next(|source, timeout| match source.visit(timeout, follow) {
            true => Step::Followed,
            false => Step::Idle,
        })
    }

    fn harvest(&mut self, harvest: Harvest, kind: Option<Sweep>) {
        self.flows += harvest.flows.len();
        if let Some(source) = &mut self.source {
            source.publish();
        }
        let interfaces = self.monitor.counts();
        let close = (kind != Some(Sweep::Over)).then(|| {
            let capture = counted_since(&interfaces, &self.counts);
            (self.counts, self.flows) = (interfaces.clone(), 0);
            self.boundary = self.interval_ns.map(|len| boundary_after(self.now, len));
            Close { at: self.now, capture }
        });
        let sight = Sight {
            interfaces,
            newest: self.monitor.newest(),
            lag_ns: self.monitor.take_lag_ns(),
            now: self.now,
        };
        self.tell(Message::Harvest(Box::new(harvest), sight, close));
        let took = self.harvest_began.elapsed();
        self.next_harvest = Instant::now() + self.harvest_every.max(took * HARVEST_SHARE);
    }
}

/// The first multiple of an interval after a time: intervals of an hour begin on the hour.
fn boundary_after(now: Timestamp, interval_ns: i64) -> Timestamp {
    let past = now.as_nanos().rem_euclid(interval_ns);
    Timestamp::from_nanos((now.as_nanos() - past).saturating_add(interval_ns))
}

/// The time of day.
pub(super) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_end_on_round_times() {
        let check = |now: &str, len_s: i64, expect: &str| {
            let seconds: i64 = now.parse().unwrap();
            let boundary = boundary_after(
                Timestamp::from_nanos(seconds * 1_000_000_000 + 5),
                len_s * 1_000_000_000,
            );
            assert_eq!(boundary.to_string(), expect);
        };
        check("1540944000", 3600, "2018-10-31T01:00:00.000000Z");
        check("1540947599", 3600, "2018-10-31T01:00:00.000000Z");
        check("1540944000", 86_400, "2018-11-01T00:00:00.000000Z");
        check("1540944001", 7, "2018-10-31T00:00:06.000000Z");
    }
}

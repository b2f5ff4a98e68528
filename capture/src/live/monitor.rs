//! What is known of a capture by those who do not read it.

use std::sync::{Arc, Mutex, PoisonError};

use dissect::Timestamp;

use super::{InterfaceCounts, LiveEvent};

/// Events that wait to be taken; an interface that flaps makes a few a second.
const EVENTS_MAX: usize = 1024;

/// What sources tell of themselves several times a second, and whenever they are asked to.
///
/// Clones tell of the same sources.
#[derive(Debug, Clone, Default)]
pub struct LiveMonitor(Arc<Mutex<Told>>);

#[derive(Debug, Default)]
struct Told {
    /// By source, then by interface.
    counts: Vec<Vec<InterfaceCounts>>,
    events: Vec<LiveEvent>,
    newest: Option<Timestamp>,
    lag_ns: i64,
}

impl LiveMonitor {
    /// What the interfaces delivered and lost since they were opened, of all sources together.
    #[must_use]
    pub fn counts(&self) -> Vec<InterfaceCounts> {
        let told = self.told();
        let mut sums = told.counts.first().cloned().unwrap_or_default();
        for counts in told.counts.iter().skip(1) {
            for (sum, count) in sums.iter_mut().zip(counts) {
                sum.received += count.received;
                sum.kernel_drops += count.kernel_drops;
                sum.interface_drops += count.interface_drops;
                sum.outages += count.outages;
            }
        }
        sums
    }

    /// Takes what happened to interfaces since the last call.
    #[must_use]
    pub fn take_events(&self) -> Vec<LiveEvent> {
        std::mem::take(&mut self.told().events)
    }

    /// Time of the newest frame.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.told().newest
    }

    /// By how many nanoseconds frames were late at most since the last call.
    #[must_use]
    pub fn take_lag_ns(&self) -> i64 {
        std::mem::take(&mut self.told().lag_ns)
    }

    pub(super) fn tell(
        &self,
        source: usize,
        counts: Vec<InterfaceCounts>,
        events: &mut Vec<LiveEvent>,
        newest: Option<Timestamp>,
        lag_ns: i64,
    ) {
        let mut told = self.told();
        if told.counts.len() <= source {
            told.counts.resize(source + 1, Vec::new());
        }
        if let Some(place) = told.counts.get_mut(source) {
            *place = counts;
        }
        let room = EVENTS_MAX.saturating_sub(told.events.len());
        told.events.extend(events.drain(..).take(room));
        told.newest = told.newest.max(newest);
        told.lag_ns = told.lag_ns.max(lag_ns);
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(received: u64, kernel_drops: u64, outages: u64) -> Vec<InterfaceCounts> {
        let name = "eth1".to_owned();
        vec![InterfaceCounts { name, received, kernel_drops, interface_drops: 0, outages }]
    }

    #[test]
    fn sources_add_up() {
        let monitor = LiveMonitor::default();
        assert!(monitor.counts().is_empty());
        let time = Timestamp::from_nanos;
        let mut events = vec![LiveEvent::Listening { name: "eth1".to_owned() }];
        monitor.tell(0, counts(5, 1, 2), &mut events, Some(time(7)), 3);
        monitor.clone().tell(1, counts(4, 2, 0), &mut Vec::new(), Some(time(6)), 9);
        monitor.tell(1, counts(6, 3, 0), &mut Vec::new(), None, 1);
        assert_eq!(monitor.counts(), counts(11, 4, 2));
        assert_eq!((monitor.newest(), monitor.take_lag_ns()), (Some(time(7)), 9));
        assert_eq!((monitor.take_events().len(), monitor.take_events().len()), (1, 0));
        assert_eq!(monitor.take_lag_ns(), 0);
    }

    #[test]
    fn events_that_nobody_takes_are_bounded() {
        let monitor = LiveMonitor::default();
        for _ in 0..=EVENTS_MAX {
            let mut events = vec![LiveEvent::Gone { name: "eth1".to_owned() }];
            monitor.tell(0, Vec::new(), &mut events, None, 0);
        }
        assert_eq!(monitor.take_events().len(), EVENTS_MAX);
    }
}

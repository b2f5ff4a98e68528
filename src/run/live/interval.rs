//! What was learned in a stretch of time.

use std::collections::HashMap;
use std::net::IpAddr;

use capture::InterfaceCounts as Counted;
use dissect::{Counters, Endpoint, FlowFacts, Timestamp, Version};
use report::{CaptureCounts, ClockInfo, InterfaceCounts, client_of};

use crate::engine::Harvest;

/// Connections that ended without a word, of one direction each, that are kept for `merge`: some 45 MiB.
/// Past it `merge` takes such a connection for one that was not answered.
const SILENT_MAX: usize = 1 << 16;

/// An interval that goes on.
#[derive(Debug)]
pub(super) struct Interval {
    pub(super) start: Timestamp,
    pub(super) flows: Vec<Box<FlowFacts>>,
    /// What ended without a word, of one direction each.
    pub(super) silent: Vec<Box<FlowFacts>>,
    pub(super) counters: Counters,
    pub(super) clock: ClockInfo,
    pub(super) first_time: Option<Timestamp>,
    pub(super) last_time: Option<Timestamp>,
    /// Connections that were let go since others tell the same.
    pub(super) repeats: u64,
}

impl Interval {
    pub(super) fn new(start: Timestamp) -> Self {
        Self {
            start,
            flows: Vec::new(),
            silent: Vec::new(),
            counters: Counters::default(),
            clock: ClockInfo::default(),
            first_time: None,
            last_time: None,
            repeats: 0,
        }
    }

    /// Takes everything but the names.
    pub(super) fn absorb(&mut self, harvest: Harvest) {
        /// Clock steps that are kept; the counts go on.
        const STEPS_MAX: usize = 16;
        self.flows.extend(harvest.flows);
        let room = SILENT_MAX.saturating_sub(self.silent.len());
        self.silent.extend(harvest.silent.into_iter().take(room));
        self.counters.absorb(&harvest.counters);
        self.first_time = self.first_time.or(harvest.first_time);
        self.last_time = harvest.last_time.or(self.last_time);
        let clock = harvest.clock;
        self.clock.unordered_frames += clock.unordered_frames;
        self.clock.steps_back += clock.steps_back;
        self.clock.steps_ahead += clock.steps_ahead;
        let room = STEPS_MAX.saturating_sub(self.clock.steps.len());
        self.clock.steps.extend(clock.steps.into_iter().take(room));
    }

    /// Lets go of connections that tell what others tell: of each client, server, offer and
    /// outcome the first few stay. Every host keeps its verdict; only the numbers of connections
    /// are lower, by `repeats`.
    pub(super) fn compact(&mut self) {
        /// Connections of a kind that stay.
        const ALIKE_KEPT: u32 = 4;
        self.flows.sort_by_key(|facts| (facts.first.time, facts.first.frame));
        let mut met: HashMap<Kind, u32> = HashMap::new();
        let before = self.flows.len();
        self.flows.retain(|facts| {
            let count = met.entry(Kind::of(facts)).or_default();
            *count += 1;
            *count <= ALIKE_KEPT
        });
        self.repeats += (before - self.flows.len()) as u64;
    }
}

/// What decides on the verdict of a connection.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    client: IpAddr,
    server: Endpoint,
    name: Option<Box<str>>,
    asked: Option<Box<str>>,
    ja3: Option<[u8; 16]>,
    offered: Option<Version>,
    chosen: Option<(Option<Version>, Option<u16>)>,
    is_refused: bool,
    coverage: u8,
}

impl Kind {
    fn of(facts: &FlowFacts) -> Self {
        let hello = facts.client_hello.as_ref();
        let chosen = facts.server_hello.as_ref();
        Self {
            client: client_of(facts).addr,
            server: facts.server,
            name: hello.and_then(|hello| hello.server_name.as_deref()).map(Into::into),
            asked: facts.upgrade_name.as_deref().map(Into::into),
            ja3: hello.and_then(|hello| hello.offer.ja3),
            offered: hello.and_then(|hello| hello.offer.max_version()),
            chosen: chosen.map(|chosen| (chosen.version(), chosen.cipher_suite)),
            is_refused: facts.refusal.is_some(),
            coverage: facts.coverage.bits(),
        }
    }
}

/// What interfaces counted since an earlier count.
pub(super) fn counted_since(now: &[Counted], before: &[Counted]) -> CaptureCounts {
    let since = |now: &Counted| {
        let before = before.iter().find(|before| before.name == now.name);
        let before = before.cloned().unwrap_or_default();
        InterfaceCounts {
            name: now.name.clone(),
            received: now.received - before.received,
            kernel_drops: now.kernel_drops - before.kernel_drops,
            interface_drops: now.interface_drops - before.interface_drops,
            outages: now.outages - before.outages,
        }
    };
    CaptureCounts::of(now.iter().map(since).collect())
}

#[cfg(test)]
mod tests {
    use capture::Source as _;

    use super::*;

    fn counted(name: &str, received: u64, outages: u64) -> Counted {
        Counted { name: name.to_owned(), received, outages, ..Counted::default() }
    }

    #[test]
    fn an_interval_counts_what_is_new() {
        let before = [counted("eth1", 5, 1)];
        let capture = counted_since(&[counted("eth1", 9, 1), counted("eth2", 3, 2)], &before);
        let counts: Vec<_> =
            capture.interfaces.iter().map(|it| (it.received, it.outages)).collect();
        assert_eq!((capture.received, &*counts), (7, &[(4, 0), (3, 2)][..]));
    }

    /// The connections of a sample.
    fn flows(sample: &str) -> Vec<Box<FlowFacts>> {
        struct Flows(Vec<Box<FlowFacts>>);
        impl dissect::Observer for Flows {
            fn flow(&mut self, facts: FlowFacts) {
                self.0.push(Box::new(facts));
            }
        }
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample);
        let input = capture::Input::parse(folder.join("input.pcap"));
        let mut source = capture::open(&[input], &capture::Options::default()).unwrap();
        let mut dissector = dissect::Dissector::new(dissect::Limits::default(), 1);
        let mut flows = Flows(Vec::new());
        while let Some(batch) = source.next_batch() {
            batch.unwrap().frames().for_each(|frame| dissector.push(&frame, &mut flows));
        }
        dissector.finish(&mut flows);
        flows.0
    }

    #[test]
    fn what_repeats_is_let_go_and_counted() {
        let sample = flows("demo");
        let mut interval = Interval::new(Timestamp::default());
        for _ in 0..50 {
            let flows = sample.clone();
            interval.absorb(Harvest { flows, ..Harvest::default() });
        }
        interval.compact();
        let left = interval.flows.len();
        assert!(left <= 4 * sample.len(), "{left}");
        assert_eq!(usize::try_from(interval.repeats).unwrap() + left, 50 * sample.len());
        let clients = |flows: &[Box<FlowFacts>]| {
            let mut clients: Vec<_> = flows.iter().map(|it| (it.client.addr, it.server)).collect();
            clients.sort_unstable();
            clients.dedup();
            clients
        };
        assert_eq!(clients(&interval.flows), clients(&sample), "nobody is forgotten");
        interval.compact();
        assert_eq!(interval.flows.len(), left);
    }
}

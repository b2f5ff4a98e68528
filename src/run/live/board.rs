//! What is known at the moment, for those who look: metrics, the screen, the log.
//!
//! Connections are judged as soon as they are decided, before the report knows all of an interval.
//! Later connections can still soften a verdict there; to keep that rare, hellos that failed are
//! remembered for the minutes in which a retry may follow, and what may be a retry waits a while.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use capture::InterfaceCounts;
use dissect::{Counters, Endpoint, FlowFacts, Held, HelloSeen, Timestamp, Version};
use report::rows;
use report::{Cause, Direction, Judge, JudgedFlow, NameBook, Verdict, client_of};

use super::sightings::Sightings;

/// Hosts that are kept with what is wrong with them. Past this they are counted only.
const HOSTS_MAX: usize = 1 << 16;
/// Failed hellos that are remembered.
const FAILED_MAX: usize = 4096;
/// For how long they are: a retry comes within a minute.
const FAILED_KEPT_NS: i64 = 120 * 1_000_000_000;

/// How long after a hello a lower one may be its retry.
const RETRY_NS: i64 = 60 * 1_000_000_000;
/// How long such a one waits: a refused connection is reported within this.
const WAIT_NS: i64 = 15 * 1_000_000_000;
/// Clients and servers whose hellos are remembered, and connections that wait. Past these a retry
/// is told like any other connection.
const HELLOS_MAX: usize = 1 << 16;
const WAITING_MAX: usize = 4096;

/// The state of a run.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// What became of all frames.
    pub(super) counters: Counters,
    pub(super) interfaces: Vec<InterfaceCounts>,
    pub(super) held: Held,
    /// Threads that take frames, and how many came to one that belonged to another.
    pub(super) readers: usize,
    pub(super) handed_over: u64,
    /// When all this was found so, and how often it was looked.
    pub(super) seen_at: Timestamp,
    pub(super) revision: u64,
    /// Time of the newest frame.
    pub(super) newest: Option<Timestamp>,
    /// By how many nanoseconds frames were late at most, lately.
    pub(super) lag_ns: i64,
    /// Connections by policy, negotiated version and verdict.
    pub(super) flows: BTreeMap<(Arc<str>, &'static str, &'static str), u64>,
    /// Hosts that don't pass, by policy.
    pub(super) hosts: HashMap<(Arc<str>, IpAddr), Patient>,
    /// Connections of these hosts, lately.
    pub(super) sightings: Sightings,
    /// Hosts for which there was no room.
    pub(super) hosts_passed_over: u64,
    /// DNS answers at hand.
    pub(super) names: usize,
    /// Connections that wait to be written.
    pub(super) pending: usize,
    pub(super) intervals_written: u64,
    pub(super) write_failures: u64,
    failed: VecDeque<Box<FlowFacts>>,
    /// The highest hello of a client to a server, lately.
    hellos: HashMap<(IpAddr, Endpoint), (Version, Timestamp)>,
    /// Connections that may be retries.
    waiting: Vec<Box<FlowFacts>>,
}

/// A host that does not pass under a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patient {
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    /// Connections with the verdict.
    pub(super) flows: u64,
    pub(super) verdict: Verdict,
    pub(super) cause: Option<Cause>,
    pub(super) service: Arc<str>,
    pub(super) server_name: Arc<str>,
    pub(super) offered: &'static str,
    pub(super) reason: Arc<str>,
    pub(super) fix: Arc<str>,
}

/// A host whose verdict became `breaks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Break {
    pub(super) host: IpAddr,
    pub(super) policy: Arc<str>,
    pub(super) patient: Patient,
}

impl Board {
    /// Notes hellos, before the connections that they begin are decided.
    pub(super) fn note_hellos(&mut self, hellos: &[HelloSeen], now: Timestamp) {
        self.hellos.retain(|_, (_, at)| now.nanos_since(*at) <= RETRY_NS);
        for hello in hellos {
            let (Some(version), key) = (hello.version, (hello.client.addr, hello.server)) else {
                continue;
            };
            if self.hellos.len() >= HELLOS_MAX && !self.hellos.contains_key(&key) {
                continue;
            }
            let highest = self.hellos.entry(key).or_insert((version, hello.at.time));
            *highest = (*highest).max((version, hello.at.time));
        }
    }

    /// Judges connections that were decided; gives the hosts that break and did not before.
    ///
    /// A hello lower than one that its client sent to the same server shortly before may be a
    /// retry. It waits until what became of the higher one is known.
    pub(super) fn take(
        &mut self,
        decided: Vec<Box<FlowFacts>>,
        now: Timestamp,
        judge: &Judge,
        names: &NameBook,
    ) -> Vec<Break> {
        self.failed.retain(|facts| now.nanos_since(facts.last.time) <= FAILED_KEPT_NS);
        let (mut due, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|facts| now.nanos_since(facts.last.time) >= WAIT_NS);
        self.waiting = waiting;
        for facts in decided {
            if self.may_be_retry(&facts) && self.waiting.len() < WAITING_MAX {
                self.waiting.push(facts);
            } else {
                due.push(facts);
            }
        }
        if due.is_empty() {
            return Vec::new();
        }
        let earlier: Vec<_> = self.failed.iter().map(|facts| place(facts)).collect();
        let failed = due.iter().filter(|facts| facts.server_hello.is_none()).cloned();
        let all: Vec<_> = self.failed.iter().cloned().chain(due.iter().cloned()).collect();
        self.failed.extend(failed);
        let surplus = self.failed.len().saturating_sub(FAILED_MAX);
        self.failed.drain(..surplus);
        let mut breaks = Vec::new();
        for flow in judge.judge_all_named(all, names) {
            if !earlier.contains(&place(&flow.facts)) {
                self.note(&flow, judge, &mut breaks);
            }
        }
        breaks
    }

    fn may_be_retry(&self, facts: &FlowFacts) -> bool {
        let Some(hello) = &facts.client_hello else { return false };
        let before = self.hellos.get(&(facts.client.addr, facts.server));
        before.is_some_and(|(version, at)| {
            hello.offer.max_version().is_some_and(|offered| offered < *version)
                && *at <= hello.at.time
        })
    }

    /// Counts a judged connection.
    fn note(&mut self, flow: &JudgedFlow, judge: &Judge, breaks: &mut Vec<Break>) {
        let version = rows::negotiated(&flow.facts).map_or("", |version| version.name());
        let host = match flow.direction {
            Direction::FromOffice365 => flow.facts.server.addr,
            _ => client_of(&flow.facts).addr,
        };
        for judgement in &flow.judgements {
            let key = (Arc::clone(&judgement.policy), version, judgement.verdict.name());
            *self.flows.entry(key).or_default() += 1;
            let is_ill = matches!(
                judgement.verdict,
                Verdict::Breaks | Verdict::FailsToday | Verdict::AtRisk | Verdict::Degrades
            );
            if self.hosts.contains_key(&(Arc::clone(&judgement.policy), host)) || is_ill {
                self.sightings.note(host, flow, judgement);
            }
            if !is_ill || (!judge.home().contains(host) && flow.direction == Direction::Other) {
                continue;
            }
            let key = (Arc::clone(&judgement.policy), host);
            if self.hosts.len() >= HOSTS_MAX && !self.hosts.contains_key(&key) {
                self.hosts_passed_over += 1;
                continue;
            }
            let known = self.hosts.get(&key);
            let was = known.map(|patient| patient.verdict);
            let last_seen = flow.facts.last.time;
            // Verdicts are ordered, the worst first.
            if was.is_none_or(|was| judgement.verdict < was) {
                let share = |text: Option<&Arc<str>>| text.cloned().unwrap_or_else(|| "".into());
                let hello = flow.facts.client_hello.as_ref();
                let patient = Patient {
                    first_seen: known.map_or(flow.facts.first.time, |known| known.first_seen),
                    last_seen,
                    flows: 1,
                    verdict: judgement.verdict,
                    cause: judgement.cause,
                    service: share(flow.service.as_ref().map(|(name, _)| name)),
                    server_name: share(flow.server_name.as_ref().map(|(name, _)| name)),
                    offered: hello
                        .and_then(|hello| hello.offer.max_version())
                        .map_or("", |version| version.name()),
                    reason: Arc::clone(&judgement.reason),
                    fix: Arc::clone(&judgement.fix),
                };
                if judgement.verdict == Verdict::Breaks {
                    let policy = Arc::clone(&judgement.policy);
                    breaks.push(Break { host, policy, patient: patient.clone() });
                }
                self.hosts.insert(key, patient);
            } else if let Some(patient) = self.hosts.get_mut(&key) {
                patient.flows += u64::from(was == Some(judgement.verdict));
                patient.last_seen = last_seen;
            }
        }
    }

    /// How many hosts have a verdict under a policy.
    pub(super) fn hosts_with(&self, policy: &str, verdict: Verdict) -> u64 {
        let hosts = self
            .hosts
            .iter()
            .filter(|((of, _), patient)| &**of == policy && patient.verdict == verdict);
        hosts.count() as u64
    }
}

/// What tells connections apart.
fn place(facts: &FlowFacts) -> (Endpoint, Endpoint, u64) {
    (facts.client, facts.server, facts.first.frame)
}

#[cfg(test)]
mod tests {
    use dissect::{Dissector, Limits, Observer};
    use report::JudgeConfig;

    use super::*;

    #[derive(Default)]
    struct Seen {
        decided: Vec<Box<FlowFacts>>,
        hellos: Vec<HelloSeen>,
    }

    impl Observer for Seen {
        fn flow(&mut self, _: FlowFacts) {}

        fn decided(&mut self, facts: &FlowFacts) {
            self.decided.push(Box::new(facts.clone()));
        }

        fn hello(&mut self, seen: HelloSeen) {
            self.hellos.push(seen);
        }
    }

    /// Shows a sample frame by frame, as it happens; gives who was said to break.
    fn told(sample: &str) -> Vec<IpAddr> {
        use capture::Source as _;
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample);
        let input = capture::Input::parse(folder.join("input.pcap"));
        let mut source = capture::open(&[input], &capture::Options::default()).unwrap();
        let mut dissector = Dissector::new(Limits::default(), 1);
        let (mut board, judge) = (Board::default(), Judge::new(JudgeConfig::default()));
        let (mut breaks, mut now) = (Vec::new(), Timestamp::default());
        let mut show = |seen: Seen, now| {
            board.note_hellos(&seen.hellos, now);
            breaks.extend(board.take(seen.decided, now, &judge, &NameBook::default()));
        };
        while let Some(batch) = source.next_batch() {
            for frame in batch.unwrap().frames() {
                let mut seen = Seen::default();
                dissector.push(&frame, &mut seen);
                now = frame.time;
                show(seen, now);
            }
        }
        for _ in 0..20 {
            now = Timestamp::from_nanos(now.as_nanos() + 2_000_000_000);
            let mut seen = Seen::default();
            dissector.sweep(now, dissect::Sweep::Over, &mut seen);
            show(seen, now);
        }
        breaks.iter().map(|found| found.host).collect()
    }

    #[test]
    fn a_host_is_told_once_and_a_retry_is_no_break() {
        assert_eq!(told("tls10-client-outlook").len(), 1);
        assert_eq!(told("tls12-ok").len(), 0);
        assert_eq!(told("fallback-dance"), Vec::<IpAddr>::new());
        assert_eq!(told("fallback-dance-refused"), Vec::<IpAddr>::new());
    }
}

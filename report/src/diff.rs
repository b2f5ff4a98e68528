//! What became of hosts from one run to the next: fixed, still old, new, relapsed, silent.
//!
//! A host is compared with itself by address, side and policy, with the verdicts of `hosts.csv`. A
//! run in which its deciding handshakes were not seen says nothing of it, neither good nor bad.
//! Invariant: nothing is called fixed that was not seen to pass after it broke.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use dissect::{Side, Timestamp, Version};

use crate::{Cause, Direction, JudgedFlow, Report, Verdict, client_of, concerns};

/// What became of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It passed before and breaks now.
    Relapsed,
    /// It breaks now and did not before, as far as was seen.
    New,
    /// It broke before and breaks now.
    StillOld,
    /// It broke before, and nothing was seen of it since that would decide.
    SilentSince,
    /// It broke before and passes now.
    Fixed,
}

impl Change {
    /// Every change, the most urgent first.
    pub const ALL: [Self; 5] =
        [Self::Relapsed, Self::New, Self::StillOld, Self::SilentSince, Self::Fixed];

    /// The name in reports, such as `still-old`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relapsed => "relapsed",
            Self::New => "new",
            Self::StillOld => "still-old",
            Self::SilentSince => "silent-since",
            Self::Fixed => "fixed",
        }
    }

    /// What became of a host that stood like this in one run after the other.
    fn of(history: impl DoubleEndedIterator<Item = Standing> + Clone) -> Option<Self> {
        let mut before = history;
        let now = before.next_back()?;
        let ever = |standing| before.clone().any(|seen| seen == standing);
        let last_seen = before.clone().rev().find(|seen| *seen != Standing::Unseen);
        match now {
            Standing::Behind if ever(Standing::Passes) => Some(Self::Relapsed),
            Standing::Behind if ever(Standing::Behind) => Some(Self::StillOld),
            Standing::Behind => Some(Self::New),
            Standing::Passes => ever(Standing::Behind).then_some(Self::Fixed),
            Standing::Unseen => match last_seen? {
                Standing::Behind => Some(Self::SilentSince),
                _ => ever(Standing::Behind).then_some(Self::Fixed),
            },
        }
    }
}

/// How a host stands in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// It breaks, fails already, is at risk or falls back to cleartext.
    Behind,
    Passes,
    /// Nothing was seen that decides.
    Unseen,
}

impl Standing {
    const fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Breaks | Verdict::FailsToday | Verdict::AtRisk | Verdict::Degrades => {
                Self::Behind
            }
            Verdict::Passes => Self::Passes,
            Verdict::Unknown | Verdict::Unaffected | Verdict::OutOfScope => Self::Unseen,
        }
    }
}

/// Who is compared: policy, address, side.
type Subject = (String, IpAddr, Side);

/// What one run says of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Its verdict.
    pub verdict: Verdict,
    /// Why.
    pub cause: Option<Cause>,
    /// The verdict in words.
    pub reason: String,
    /// What to do.
    pub fix: String,
    /// The highest version that it offered; `None` for servers.
    pub offered_max: Option<Version>,
    /// When its last connection ended.
    pub last_seen: Timestamp,
    /// The worst verdict by service; connections of no service are under `other`.
    services: BTreeMap<String, Verdict>,
}

/// One run, reduced to what is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What the run is called.
    pub label: String,
    /// Time of its first frame.
    pub first_time: Option<Timestamp>,
    /// By policy: hosts that break, and hosts that may be hidden, as in the summary.
    counts: BTreeMap<String, (u64, u64)>,
    hosts: BTreeMap<Subject, Observation>,
}

impl Snapshot {
    /// What a report says.
    ///
    /// # Errors
    ///
    /// When its connections can't be read.
    pub fn of(label: &str, report: &Report<'_>) -> io::Result<Self> {
        let mut hosts = BTreeMap::new();
        for row in report.hosts().rows() {
            for outcome in &row.outcomes {
                let judgement = outcome.judgement();
                let observation = Observation {
                    verdict: outcome.verdict(),
                    cause: judgement.and_then(|judgement| judgement.cause),
                    reason: judgement.map(|it| it.reason.to_string()).unwrap_or_default(),
                    fix: judgement.map(|it| it.fix.to_string()).unwrap_or_default(),
                    offered_max: row.offered_max,
                    last_seen: row.last_seen,
                    services: BTreeMap::new(),
                };
                hosts.insert((outcome.policy.to_string(), row.addr, row.side), observation);
            }
        }
        report.flows().each_part(|flows| {
            add_services(&mut hosts, flows);
            Ok(())
        })?;
        let counts = report.tallies().iter().map(|tally| {
            (tally.policy.clone(), (tally.hosts(Verdict::Breaks), tally.unseen_max()))
        });
        Ok(Self {
            label: label.to_owned(),
            first_time: report.run().first_time.or_else(|| report.first_seen()),
            counts: counts.collect(),
            hosts,
        })
    }

    fn standing(&self, subject: &Subject) -> Standing {
        self.hosts.get(subject).map_or(Standing::Unseen, |seen| Standing::of(seen.verdict))
    }

    fn standing_at(&self, subject: &Subject, service: &str) -> Standing {
        let seen = self.hosts.get(subject).and_then(|seen| seen.services.get(service));
        seen.map_or(Standing::Unseen, |verdict| Standing::of(*verdict))
    }
}

fn add_services(hosts: &mut BTreeMap<Subject, Observation>, flows: &[JudgedFlow]) {
    for flow in flows {
        let service = match &flow.service {
            Some((service, _)) if flow.direction != Direction::Other => service,
            _ => "other",
        };
        let ends = [(Side::Client, client_of(&flow.facts)), (Side::Server, flow.facts.server)];
        for judgement in &flow.judgements {
            for (side, end) in ends.iter().filter(|(side, _)| concerns(flow, judgement, *side)) {
                let subject = (judgement.policy.to_string(), end.addr, *side);
                let Some(host) = hosts.get_mut(&subject) else { continue };
                let worst = host.services.entry(service.to_owned()).or_insert(judgement.verdict);
                *worst = judgement.verdict.min(*worst);
            }
        }
    }
}

/// A host of which there is something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffRow<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// The host.
    pub addr: IpAddr,
    /// As client or as server.
    pub side: Side,
    /// What became of it.
    pub change: Change,
    /// What the last earlier run that saw it decided says.
    pub before: Option<&'a Observation>,
    /// What the last run says.
    pub after: Option<&'a Observation>,
    /// Services in which it is or was behind, sorted.
    pub services: Vec<&'a str>,
    /// Those of them that the last run saw nothing of that decides, sorted.
    pub unseen_services: Vec<&'a str>,
}

impl<'a> DiffRow<'a> {
    /// The observation that tells why and what to do: the last in which the host is behind.
    #[must_use]
    pub fn telling(&self) -> Option<&'a Observation> {
        let behind = |seen: &&Observation| Standing::of(seen.verdict) == Standing::Behind;
        self.after.filter(behind).or_else(|| self.before.filter(behind))
    }
}

/// Hosts of one policy after one run, counted: a row of the burn-down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BurnDownRow<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// The run's name.
    pub run: &'a str,
    /// Time of its first frame.
    pub time: Option<Timestamp>,
    /// Hosts that break, as in the summary of that run.
    pub breaks: u64,
    /// Hosts that may break unseen, as in the summary of that run.
    pub hidden_max: u64,
    /// Hosts by what became of them up to this run, in the order of [`Change::ALL`].
    changes: [u64; Change::ALL.len()],
}

impl BurnDownRow<'_> {
    /// Hosts of which this became.
    #[must_use]
    pub const fn count(&self, change: Change) -> u64 {
        self.changes[change as usize]
    }
}

/// Runs, one after the other, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    runs: Vec<Snapshot>,
    subjects: Vec<Subject>,
    policies: Vec<String>,
}

impl Diff {
    /// Compares runs in the order given; `policies` in the order to appear.
    #[must_use]
    pub fn new(runs: Vec<Snapshot>, policies: Vec<String>) -> Self {
        let mut subjects: Vec<Subject> =
            runs.iter().flat_map(|run| run.hosts.keys().cloned()).collect();
        subjects.sort_unstable();
        subjects.dedup();
        Self { runs, subjects, policies }
    }

    /// The runs.
    #[must_use]
    pub fn runs(&self) -> &[Snapshot] {
        &self.runs
    }

    /// The policies.
    #[must_use]
    pub fn policies(&self) -> &[String] {
        &self.policies
    }

    /// The hosts of which there is something to say: by policy, change, address and side.
    #[must_use]
    pub fn rows(&self) -> Vec<DiffRow<'_>> {
        let mut rows: Vec<DiffRow<'_>> =
            self.subjects.iter().filter_map(|subject| self.row(subject)).collect();
        let place = |policy: &str| self.policies.iter().position(|known| known == policy);
        rows.sort_by_key(|row| (place(row.policy), row.change, row.addr, row.side));
        rows
    }

    fn row<'a>(&'a self, subject: &'a Subject) -> Option<DiffRow<'a>> {
        let change = Change::of(self.runs.iter().map(|run| run.standing(subject)))?;
        let (last, earlier) = self.runs.split_last()?;
        let seen = |run: &'a Snapshot| run.hosts.get(subject);
        let decided = |run: &&Snapshot| run.standing(subject) != Standing::Unseen;
        let before = earlier.iter().rev().find(decided).or_else(|| earlier.last()).and_then(seen);
        let mut services: Vec<&str> = Vec::new();
        for observation in self.runs.iter().filter_map(seen) {
            let behind = observation
                .services
                .iter()
                .filter(|(_, verdict)| Standing::of(**verdict) == Standing::Behind);
            services.extend(behind.map(|(service, _)| service.as_str()));
        }
        services.sort_unstable();
        services.dedup();
        let is_unseen = |service: &&str| last.standing_at(subject, service) == Standing::Unseen;
        Some(DiffRow {
            policy: &subject.0,
            addr: subject.1,
            side: subject.2,
            change,
            before,
            after: seen(last),
            unseen_services: services.iter().copied().filter(is_unseen).collect(),
            services,
        })
    }

    /// Hosts by service and change, in the order of [`Change::ALL`], for a policy.
    #[must_use]
    pub fn services(&self, policy: &str) -> BTreeMap<&str, [u64; Change::ALL.len()]> {
        let mut counts: BTreeMap<&str, [u64; Change::ALL.len()]> = BTreeMap::new();
        for subject in self.subjects.iter().filter(|subject| subject.0 == policy) {
            let seen = self.runs.iter().filter_map(|run| run.hosts.get(subject));
            let mut services: Vec<&str> =
                seen.flat_map(|host| host.services.keys().map(String::as_str)).collect();
            services.sort_unstable();
            services.dedup();
            for service in services {
                let history = self.runs.iter().map(|run| run.standing_at(subject, service));
                if let Some(change) = Change::of(history) {
                    counts.entry(service).or_default()[change as usize] += 1;
                }
            }
        }
        counts
    }

    /// A row for each run, in their order, for a policy.
    #[must_use]
    pub fn burn_down<'a>(&'a self, policy: &'a str) -> Vec<BurnDownRow<'a>> {
        let row = |(index, run): (usize, &'a Snapshot)| {
            let mut changes = [0; Change::ALL.len()];
            let until = &self.runs[..=index];
            for subject in self.subjects.iter().filter(|subject| subject.0 == policy) {
                if let Some(change) = Change::of(until.iter().map(|run| run.standing(subject))) {
                    changes[change as usize] += 1;
                }
            }
            let (breaks, hidden_max) = run.counts.get(policy).copied().unwrap_or_default();
            let (run, time) = (run.label.as_str(), run.first_time);
            BurnDownRow { policy, run, time, breaks, hidden_max, changes }
        };
        self.runs.iter().enumerate().map(row).collect()
    }

    /// Whether any host breaks in the last run, or relapsed, as `--check` asks.
    #[must_use]
    pub fn any_breaks(&self) -> bool {
        let breaks =
            |run: &Snapshot| run.hosts.values().any(|host| host.verdict == Verdict::Breaks);
        self.runs.last().is_some_and(breaks)
            || self.rows().iter().any(|row| row.change == Change::Relapsed)
    }
}

#[cfg(test)]
mod tests;

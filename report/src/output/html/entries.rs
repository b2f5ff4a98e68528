//! The hosts of the page, the worst first, and what one measure mends.
//!
//! An [`Entry`] is a row of `hosts.csv`: a host on one side, with what every policy makes of it.
//! A [`FixGroup`] is what the hosts have in common that one fix is for. Both are sorted by what a
//! reader wants to see first, and by address where that is equal, so that equal input gives equal
//! pages.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use dissect::Side;
use foldhash::{HashMap, HashSet};

use super::super::Report;
use crate::{Cause, HostRow, Judgement, SilentHost, UNKNOWN_STACK, Verdict};

/// Verdicts that somebody has to act on, the worst first.
pub(super) const ACTED_ON: [Verdict; 4] =
    [Verdict::Breaks, Verdict::FailsToday, Verdict::AtRisk, Verdict::Degrades];

/// A host on one side.
#[derive(Clone, Copy)]
pub(super) enum Entry<'r> {
    /// Seen in the capture.
    Seen(&'r HostRow),
    /// Known from the inventory alone.
    Silent(&'r SilentHost),
}

impl<'r> Entry<'r> {
    /// All hosts of a report, the worst and busiest first.
    pub(super) fn all(report: &'r Report<'_>) -> Vec<Self> {
        let seen = report.hosts().rows().iter().map(Self::Seen);
        let silent = report.hosts().silent().iter().map(Self::Silent);
        let mut entries: Vec<Self> = seen.chain(silent).collect();
        // Stable: what is equal stays in order of address.
        entries.sort_by_cached_key(|entry| (entry.worst(), Reverse(entry.weight())));
        entries
    }

    /// Its judgement under the policy at a place.
    pub(super) fn judgement(self, policy: usize) -> Option<&'r Judgement> {
        match self {
            Self::Seen(row) => row.outcomes.get(policy)?.judgement(),
            Self::Silent(host) => host.judgements.get(policy)?.as_ref(),
        }
    }

    pub(super) fn verdict(self, policy: usize) -> Verdict {
        self.judgement(policy).map_or(Verdict::OutOfScope, |judgement| judgement.verdict)
    }

    /// The worst verdict under any policy.
    pub(super) fn worst(self) -> Verdict {
        let policies = match self {
            Self::Seen(row) => row.outcomes.len(),
            Self::Silent(host) => host.judgements.len(),
        };
        (0..policies).map(|policy| self.verdict(policy)).min().unwrap_or(Verdict::OutOfScope)
    }

    /// Its connections with the worst verdict.
    fn weight(self) -> u64 {
        match self {
            Self::Seen(row) => {
                let worst = self.worst();
                row.outcomes.iter().map(|outcome| outcome.count(worst)).max().unwrap_or(0)
            }
            Self::Silent(_) => 0,
        }
    }

    pub(super) const fn addr(self) -> Option<IpAddr> {
        match self {
            Self::Seen(row) => Some(row.addr),
            Self::Silent(host) => host.addr,
        }
    }

    pub(super) const fn side(self) -> Side {
        match self {
            Self::Seen(row) => row.side,
            Self::Silent(host) => host.side,
        }
    }

    /// Its name by an inventory; empty when it has none.
    pub(super) fn name(self) -> &'r str {
        match self {
            Self::Seen(row) => row.name.as_deref().unwrap_or(""),
            Self::Silent(host) if host.host.parse::<IpAddr>().is_err() => &host.host,
            Self::Silent(_) => "",
        }
    }

    /// What to call it: its address, else its name.
    pub(super) fn label(self) -> String {
        self.addr().map_or_else(|| self.name().to_owned(), |addr| addr.to_string())
    }

    /// What it probably is; empty when that is not known.
    pub(super) fn stack(self, policy: usize) -> String {
        let Self::Seen(row) = self else { return String::new() };
        let stack = row.outcomes.get(policy).map(|outcome| row.stack(outcome)).unwrap_or_default();
        // Lines break behind a space.
        if stack == UNKNOWN_STACK { String::new() } else { stack.replace(';', "; ") }
    }
}

/// Hosts that one measure mends, under one policy.
pub(super) struct FixGroup<'r> {
    /// The policy's place.
    pub(super) policy: usize,
    pub(super) cause: Option<Cause>,
    pub(super) fix: &'r str,
    /// Addresses or names, each once, the busiest hosts first.
    pub(super) hosts: Vec<String>,
    /// Hosts by verdict, each with its worst here.
    pub(super) verdicts: BTreeMap<Verdict, u64>,
    /// What the hosts probably are, the most frequent first.
    pub(super) stacks: Vec<String>,
    /// Reasons and how many entries have them, the most frequent first.
    pub(super) reasons: Vec<(&'r str, u64)>,
}

/// What makes a group.
pub(super) type GroupKey<'r> = (usize, Option<Cause>, &'r str);

/// The group that an entry belongs to under a policy.
pub(super) fn group_key(entry: Entry<'_>, policy: usize) -> Option<GroupKey<'_>> {
    let judgement = entry.judgement(policy)?;
    let is_acted_on = ACTED_ON.contains(&judgement.verdict);
    is_acted_on.then_some((policy, judgement.cause, &*judgement.fix))
}

/// All groups: for each policy the worst and largest first.
pub(super) fn groups<'r>(entries: &[Entry<'r>], policies: usize) -> Vec<FixGroup<'r>> {
    let mut places: BTreeMap<GroupKey<'r>, usize> = BTreeMap::new();
    let mut members: Vec<Vec<Entry<'r>>> = Vec::new();
    for policy in 0..policies {
        // Hosts share their judgements, so that few keys, which are long texts, are looked at.
        let mut known: HashMap<usize, Option<usize>> = HashMap::default();
        for entry in entries {
            let Some(judgement) = entry.judgement(policy) else { continue };
            let place = known.entry(std::ptr::from_ref(judgement).addr()).or_insert_with(|| {
                let place = *places.entry(group_key(*entry, policy)?).or_insert(members.len());
                if place == members.len() {
                    members.push(Vec::new());
                }
                Some(place)
            });
            if let Some(members) = place.and_then(|place| members.get_mut(place)) {
                members.push(*entry);
            }
        }
    }
    let of_place = |(key, place): (_, usize)| FixGroup::of(key, &members[place]);
    let mut groups: Vec<FixGroup<'r>> = places.into_iter().map(of_place).collect();
    groups.sort_by_key(|group| {
        let worst = group.verdicts.keys().next().copied();
        (group.policy, worst, Reverse(group.hosts.len()))
    });
    groups
}

impl<'r> FixGroup<'r> {
    fn of((policy, cause, fix): GroupKey<'r>, members: &[Entry<'r>]) -> Self {
        let mut known = HashSet::default();
        let mut hosts = Vec::new();
        let mut verdicts = BTreeMap::new();
        let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in members {
            let label = entry.addr().ok_or_else(|| entry.name());
            // Members come worst first, so that the first tells the verdict.
            if known.insert(label) {
                hosts.push(entry.label());
                *verdicts.entry(entry.verdict(policy)).or_default() += 1;
            }
            let stack = entry.stack(policy);
            if !stack.is_empty() {
                *stacks.entry(stack).or_default() += 1;
            }
            if let Some(judgement) = entry.judgement(policy) {
                *reasons.entry(&judgement.reason).or_default() += 1;
            }
        }
        let stacks = by_frequency(stacks).into_iter().map(|(stack, _)| stack).collect();
        Self { policy, cause, fix, hosts, verdicts, stacks, reasons: by_frequency(reasons) }
    }

    pub(super) const fn key(&self) -> GroupKey<'r> {
        (self.policy, self.cause, self.fix)
    }
}

/// The most frequent first; equals in their order.
pub(super) fn by_frequency<K>(counts: BTreeMap<K, u64>) -> Vec<(K, u64)> {
    let mut counts: Vec<(K, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{self, judged};
    use crate::{JudgedFlow, RunInfo};

    fn run() -> RunInfo {
        RunInfo { policies: vec!["office365-tls12".to_owned()], ..RunInfo::default() }
    }

    /// Connections of clients `10.0.0.N`.
    fn flow(client: u8, verdict: Verdict, cause: Option<Cause>, fix: &str) -> JudgedFlow {
        let facts = testkit::facts(&format!("10.0.0.{client}:50000"), "52.97.1.1:443");
        let mut flow = judged(facts, verdict, cause);
        flow.judgements[0].fix = fix.into();
        flow
    }

    #[test]
    fn one_measure_is_one_group_and_names_each_host_once() {
        let old = Some(Cause::ClientTooOld);
        let flows = [
            flow(1, Verdict::Breaks, old, "update it"),
            flow(2, Verdict::Breaks, old, "update it"),
            flow(2, Verdict::Breaks, old, "update it"),
            flow(3, Verdict::AtRisk, Some(Cause::Middlebox), "exempt it"),
            flow(4, Verdict::FailsToday, old, "update it"),
            flow(5, Verdict::Passes, None, ""),
        ];
        let run = run();
        let report = Report::new(&flows, &run, |_| true);
        let groups = groups(&Entry::all(&report), 1);
        let hosts: Vec<String> = groups.iter().map(|group| group.hosts.join(" ")).collect();
        assert_eq!(hosts, ["10.0.0.2 10.0.0.1 10.0.0.4", "10.0.0.3"]);
        let verdicts: Vec<_> = groups[0].verdicts.clone().into_iter().collect();
        assert_eq!(verdicts, [(Verdict::Breaks, 2), (Verdict::FailsToday, 1)]);
    }

    #[test]
    fn the_worst_and_busiest_come_first() {
        let flows = [
            flow(1, Verdict::Passes, None, ""),
            flow(2, Verdict::Breaks, None, ""),
            flow(3, Verdict::Breaks, None, ""),
            flow(3, Verdict::Breaks, None, ""),
            flow(4, Verdict::Unknown, None, ""),
        ];
        let run = run();
        let report = Report::new(&flows, &run, |addr| addr.to_string().starts_with("10."));
        let labels: Vec<String> = Entry::all(&report).iter().map(|entry| entry.label()).collect();
        assert_eq!(labels, ["10.0.0.3", "10.0.0.2", "10.0.0.4", "10.0.0.1"]);
    }
}

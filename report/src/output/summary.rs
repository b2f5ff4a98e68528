//! `summary.json`: the run in numbers, for scripts.
//!
//! Keys are always all there, zeros included, so that a script need not ask whether one exists.
//! Invariants: `frames_read = frames_dissected + sum(skipped)`, and the buckets of `coverage` add
//! up to `flows`, those of `coverage_watched` to `flows_watched`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::SkipReason;
use serde::Serialize;

use super::Report;
use crate::digest::Digest;
use crate::review::{Reason, ReviewInfo, SourceKind};
use crate::{
    AccessPath, Bucket, CaptureCounts, CoverageLedger, Finding, HostTally, InterfaceCounts,
    Passage, PathTable, RunInfo, Scenario, Verdict,
};

/// Writes `summary.json`.
pub(super) fn write_summary<W: Write>(mut out: W, report: &Report<'_>) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &Summary::of(report)).map_err(io::Error::from)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Summary<'a> {
    version: &'a str,
    sensor: &'a str,
    policies: &'a [String],
    home: &'a [String],
    inputs: &'a [String],
    errors: &'a [String],
    first_seen: Option<String>,
    last_seen: Option<String>,
    frames_read: u64,
    frames_dissected: u64,
    skipped: BTreeMap<&'static str, u64>,
    bytes_read: u64,
    flows: u64,
    flows_watched: u64,
    flows_ech_offered: u64,
    hosts: u64,
    hosts_judged: u64,
    hosts_break: u64,
    hosts_hidden_max: u64,
    hosts_by_policy: BTreeMap<&'a str, PolicyHosts>,
    coverage: Ordered<7>,
    coverage_watched: Ordered<7>,
    capture_health: Vec<FindingRow<'a>>,
    verdicts: BTreeMap<&'a str, BTreeMap<&'a str, Ordered<8>>>,
    paths: BTreeMap<&'a str, Named<Way>>,
    scenarios: BTreeMap<&'a str, Named<Way>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inventory: Option<InventoryPart<'a>>,
    counters: BTreeMap<&'static str, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capture: Option<CapturePart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<ReviewPart>,
}

impl<'a> Summary<'a> {
    fn of(report: &'a Report<'_>) -> Self {
        let run = report.run();
        let watched = report.coverage();
        let digest = &report.digest;
        let first = report.tallies().first();
        let of_first = |count: fn(&HostTally) -> u64| first.map_or(0, count);
        Self {
            version: &run.version,
            sensor: &run.sensor,
            policies: &run.policies,
            home: &run.home,
            inputs: &run.inputs,
            errors: &run.errors,
            first_seen: run.first_time.map(|time| time.to_string()),
            last_seen: run.last_time.map(|time| time.to_string()),
            frames_read: run.counters.frames,
            frames_dissected: run.counters.dissected,
            skipped: SkipReason::ALL
                .into_iter()
                .map(|reason| (reason.name(), run.counters.skipped_for(reason)))
                .collect(),
            bytes_read: run.bytes_read,
            flows: digest.flows,
            flows_watched: watched.total(),
            flows_ech_offered: digest.ech_offered,
            hosts: of_first(|tally| tally.total),
            hosts_judged: of_first(|tally| tally.judged),
            hosts_break: of_first(|tally| tally.hosts(Verdict::Breaks)),
            hosts_hidden_max: of_first(HostTally::unseen_max),
            hosts_by_policy: hosts_by_policy(report.tallies()),
            coverage: buckets(&digest.coverage_all),
            coverage_watched: buckets(watched),
            capture_health: findings(report),
            verdicts: verdicts(digest),
            paths: ways(report, |table| {
                AccessPath::ALL.map(|path| (path.name(), Way::of(table.path(path)))).into()
            }),
            scenarios: ways(report, |table| {
                let of = |scenario| Way::of(table.scenario(scenario));
                Scenario::ALL.map(|scenario| (scenario.name(), of(scenario))).into()
            }),
            inventory: report.inventory_rows.map(|rows| InventoryPart::of(report, rows)),
            counters: counters(run),
            capture: run.capture.as_ref().map(CapturePart::of),
            review: run.review.as_ref().map(ReviewPart::of),
        }
    }
}

/// What was read of foreign texts.
#[derive(Serialize)]
struct ReviewPart {
    /// Texts by kind.
    sources: Ordered<4>,
    rows_read: u64,
    rows_not_understood: Ordered<4>,
    rows_of_others: u64,
    rows_ambiguous: u64,
    flows_grouped_by_address: u64,
}

impl ReviewPart {
    fn of(info: &ReviewInfo) -> Self {
        let of_kind = |kind| info.sources.get(&kind).copied().unwrap_or_default();
        let of_reason = |reason| info.rows_not_understood.get(&reason).copied().unwrap_or_default();
        Self {
            sources: Ordered(SourceKind::ALL.map(|kind| (kind.name(), of_kind(kind)))),
            rows_read: info.rows_read,
            rows_not_understood: Ordered(Reason::ALL.map(|it| (it.name(), of_reason(it)))),
            rows_of_others: info.rows_of_others,
            rows_ambiguous: info.ambiguous_rows,
            flows_grouped_by_address: info.grouped_flows,
        }
    }
}

/// What a live capture delivered and lost.
#[derive(Serialize)]
struct CapturePart<'a> {
    received: u64,
    kernel_drops: u64,
    interface_drops: u64,
    interfaces: BTreeMap<&'a str, InterfacePart>,
}

#[derive(Serialize)]
struct InterfacePart {
    received: u64,
    kernel_drops: u64,
    interface_drops: u64,
    outages: u64,
}

impl<'a> CapturePart<'a> {
    fn of(capture: &'a CaptureCounts) -> Self {
        let part = |counts: &'a InterfaceCounts| {
            let &InterfaceCounts { received, kernel_drops, interface_drops, outages, .. } = counts;
            let part = InterfacePart { received, kernel_drops, interface_drops, outages };
            (counts.name.as_str(), part)
        };
        Self {
            received: capture.received,
            kernel_drops: capture.kernel_drops,
            interface_drops: capture.interface_drops,
            interfaces: capture.interfaces.iter().map(part).collect(),
        }
    }
}

/// Hosts by fate under one policy.
#[derive(Serialize)]
struct PolicyHosts {
    judged: u64,
    hidden_max: u64,
    #[serde(flatten)]
    by_verdict: Ordered<8>,
}

fn hosts_by_policy(tallies: &[HostTally]) -> BTreeMap<&str, PolicyHosts> {
    let hosts = |tally: &HostTally| PolicyHosts {
        judged: tally.judged,
        hidden_max: tally.unseen_max(),
        by_verdict: Ordered(Verdict::ALL.map(|verdict| (verdict.name(), tally.hosts(verdict)))),
    };
    tallies.iter().map(|tally| (tally.policy.as_str(), hosts(tally))).collect()
}

fn buckets(ledger: &CoverageLedger) -> Ordered<7> {
    Ordered(Bucket::ALL.map(|bucket| (bucket.name(), ledger.count(bucket))))
}

/// What an inventory adds.
#[derive(Serialize)]
struct InventoryPart<'a> {
    rows: usize,
    /// Hosts that break by their version and were silent.
    silent: Vec<SilentPart<'a>>,
    /// Where traffic and inventory say different things.
    contradictions: Vec<(IpAddr, &'a str)>,
}

#[derive(Serialize)]
struct SilentPart<'a> {
    host: &'a str,
    address: Option<IpAddr>,
    findings: &'a BTreeSet<String>,
}

impl<'a> InventoryPart<'a> {
    fn of(report: &'a Report<'_>, rows: usize) -> Self {
        let hosts = report.hosts();
        let silent = hosts.silent().iter().map(|host| SilentPart {
            host: &host.host,
            address: host.addr,
            findings: &host.findings,
        });
        let contradictions = hosts.contradictions().iter().map(|it| (it.addr, &*it.what));
        Self { rows, silent: silent.collect(), contradictions: contradictions.collect() }
    }
}

/// What was seen of an access path or a scenario.
#[derive(Serialize)]
struct Way {
    /// The worst verdict, or `not-seen`.
    status: &'static str,
    flows: u64,
    hosts: usize,
    hosts_breaking: usize,
    verdicts: Ordered<8>,
}

impl Way {
    fn of(passage: &Passage) -> Self {
        Self {
            status: passage.worst().map_or("not-seen", Verdict::name),
            flows: passage.flows(),
            hosts: passage.hosts(),
            hosts_breaking: passage.hosts_breaking(),
            verdicts: Ordered(
                Verdict::ALL.map(|verdict| (verdict.name(), passage.flows_of(verdict))),
            ),
        }
    }
}

/// A JSON object whose keys keep our order.
struct Named<T>(Vec<(&'static str, T)>);

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

fn ways<'a>(
    report: &'a Report<'_>,
    of: impl Fn(&PathTable) -> Vec<(&'static str, Way)>,
) -> BTreeMap<&'a str, Named<Way>> {
    let policies = report.run().policies.iter().map(String::as_str);
    policies.zip(report.paths()).map(|(policy, table)| (policy, Named(of(table)))).collect()
}

/// A JSON object of counts whose keys keep our order.
struct Ordered<const N: usize>([(&'static str, u64); N]);

impl<const N: usize> Serialize for Ordered<N> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}

/// A finding of the capture doctor.
#[derive(Serialize)]
struct FindingRow<'a> {
    finding: &'static str,
    count: u64,
    flows: u64,
    message: &'a str,
    fix: &'a str,
}

fn findings<'a>(report: &'a Report<'_>) -> Vec<FindingRow<'a>> {
    let row = |found: &'a Finding| FindingRow {
        finding: found.finding,
        count: found.count,
        flows: found.flows,
        message: &found.message,
        fix: &found.fix,
    };
    report.findings().iter().map(row).collect()
}

/// Connections by policy, service and verdict. Those of no service are under `other`.
fn verdicts(digest: &Digest) -> BTreeMap<&str, BTreeMap<&str, Ordered<8>>> {
    let mut policies: BTreeMap<&str, BTreeMap<&str, Ordered<8>>> = BTreeMap::new();
    for (service, counted) in &digest.services {
        for (policy, verdicts) in &counted.verdicts {
            let counts = policies
                .entry(policy)
                .or_default()
                .entry(service.as_deref().unwrap_or("other"))
                .or_insert_with(|| Ordered(Verdict::ALL.map(|verdict| (verdict.name(), 0))));
            counts.0.iter_mut().zip(verdicts).for_each(|((_, sum), count)| *sum += count);
        }
    }
    policies
}

fn counters(run: &RunInfo) -> BTreeMap<&'static str, u64> {
    let counters = &run.counters;
    BTreeMap::from([
        ("captured_bytes", counters.bytes),
        ("cut_frames", counters.cut_frames),
        ("data_segments", counters.data_segments),
        ("duplicate_segments", counters.duplicate_segments),
        ("evicted_attempts", counters.evicted_attempts),
        ("evicted_candidates", counters.evicted_candidates),
        ("evicted_flows", counters.evicted_flows),
        ("fragments", counters.fragments),
        ("gaps", counters.gaps),
        ("names", counters.names),
        ("out_of_order_segments", counters.out_of_order_segments),
        ("overlap_conflicts", counters.overlap_conflicts),
        ("quic_unopened", counters.quic_unopened),
        ("reassembled_datagrams", counters.reassembled_datagrams),
        ("unordered_frames", run.clock.unordered_frames),
    ])
}

#[cfg(test)]
mod tests;

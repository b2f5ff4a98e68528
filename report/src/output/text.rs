//! The summary for people: the headline first, then whom it concerns and what to do.
//!
//! Fits the width it is given and asks no terminal for it. Everything that came from the wire or
//! from files is made printable first, so that no name can steer the terminal it is shown on.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::{LinkType, SkipReason, Version};

use super::Report;
use super::layout::{Ink, Page, count_of};
use crate::digest::{ByVersion, VERSIONS};
use crate::rows::side_name;
use crate::{AccessPath, HostOutcome, HostRow, HostTally, Passage, PathTable, Scenario, Verdict};

/// How the summary for people is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// Columns of the terminal; at least 40 are used.
    pub width: usize,
    /// Whether to use ANSI colours.
    pub color: bool,
}

/// Hosts or reasons listed before a list is cut.
const LISTED_MAX: usize = 20;

/// Fates that are listed host by host, with their titles.
const LISTED: [(Verdict, &str, Ink); 4] = [
    (Verdict::Breaks, "Break", Ink::Red),
    (Verdict::FailsToday, "Fail today", Ink::Red),
    (Verdict::AtRisk, "At risk", Ink::Yellow),
    (Verdict::Degrades, "Fall back to cleartext", Ink::Yellow),
];

pub(super) fn write_text<W: Write>(
    mut out: W,
    report: &Report<'_>,
    style: TextStyle,
) -> io::Result<()> {
    let mut page = Page::new(style);
    for tally in report.tallies() {
        page.title(&headline(tally), headline_ink(tally));
    }
    not_read(&mut page, report);
    let mut fixes = BTreeMap::new();
    for (index, tally) in report.tallies().iter().enumerate() {
        for (verdict, title, ink) in LISTED {
            hosts(&mut page, report, index, (verdict, title, ink), &tally.policy, &mut fixes);
        }
    }
    inventory(&mut page, report);
    paths(&mut page, report);
    services(&mut page, report);
    not_judged(&mut page, report);
    health(&mut page, report);
    frames(&mut page, report);
    out.write_all(page.text().as_bytes())?;
    out.flush()
}

/// The answer in one sentence.
pub(super) fn headline(tally: &HostTally) -> String {
    let (breaks, judged, hidden) = (tally.hosts(Verdict::Breaks), tally.judged, tally.unseen_max());
    let verb = if breaks == 1 || judged == 1 { "breaks" } else { "break" };
    let hosts = if judged == 1 { "host" } else { "hosts" };
    let when = match tally.policy.as_str() {
        "office365-tls12" => "on the day TLS 1.0 and 1.1 are switched off".to_owned(),
        policy => format!("when {policy} is enforced"),
    };
    let rest = if judged == 0 {
        "nothing was seen that could be judged".to_owned()
            + &match tally.dropped_frames {
                0 => String::new(),
                lost => format!(", and the capture dropped {}", count_of(lost, "frame")),
            }
    } else {
        let lost = match tally.dropped_frames {
            0 => String::new(),
            lost => format!(", {lost} of them in frames that the capture dropped"),
        };
        format!("at most {hidden} more {} hidden{lost}", if hidden == 1 { "is" } else { "are" })
    };
    format!("{breaks} of {judged} {hosts} {verb} {when}; {rest}")
}

/// What the capture did to frames when none of them let a host be judged.
fn not_read(page: &mut Page, report: &Report<'_>) {
    let counters = &report.run().counters;
    if report.tallies().iter().any(|tally| tally.judged > tally.hidden_max) {
        return;
    }
    let mut causes = Vec::new();
    if counters.cut_frames > 0 {
        causes.push(format!(
            "{} of {} were cut by the snap length (tcpdump -s 0 captures them whole)",
            counters.cut_frames,
            count_of(counters.frames, "frame"),
        ));
    }
    for (link, count) in counters.unknown_link_types.iter().take(LISTED_MAX) {
        causes.push(format!(
            "{count} of {} are of {}, which is not decoded",
            count_of(counters.frames, "frame"),
            LinkType(*link),
        ));
    }
    if !causes.is_empty() {
        page.paragraph(0, &format!("{}.", causes.join("; ")));
    }
}

fn headline_ink(tally: &HostTally) -> Ink {
    match (tally.hosts(Verdict::Breaks), tally.unseen_max(), tally.judged) {
        (0, _, 0) => Ink::Plain,
        (0, 0, _) => Ink::Green,
        (0, ..) => Ink::Yellow,
        _ => Ink::Red,
    }
}

/// The hosts of one fate under one policy, with reason and fix. A fix is told once, at the first
/// host that needs it.
fn hosts<'a>(
    page: &mut Page,
    report: &'a Report<'_>,
    policy: usize,
    (verdict, title, ink): (Verdict, &str, Ink),
    policy_name: &str,
    fixes: &mut BTreeMap<&'a str, (IpAddr, String)>,
) {
    let mut rows: Vec<(&HostRow, &HostOutcome)> = report
        .hosts()
        .rows()
        .iter()
        .filter_map(|row| Some((row, row.outcomes.get(policy)?)))
        .filter(|(_, outcome)| outcome.verdict() == verdict)
        .collect();
    if rows.is_empty() {
        return;
    }
    let named = named(report, policy_name);
    let addresses: BTreeSet<IpAddr> = rows.iter().map(|(row, _)| row.addr).collect();
    page.gap();
    page.title(&format!("{title} ({}{named})", count_of(addresses.len() as u64, "host")), ink);
    // What one measure mends stands together, the largest group first, and in it those that are
    // heard most. The sorts are stable, so equals stay in order of address.
    rows.sort_by_key(|(_, outcome)| std::cmp::Reverse(outcome.count(verdict)));
    let mut groups: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for (row, outcome) in rows {
        let fix = outcome.judgement().map_or("", |judgement| &*judgement.fix);
        groups.entry(fix).or_default().push((row, outcome));
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, rows)| std::cmp::Reverse(rows.len()));
    for (fix, rows) in groups {
        host_group(page, &rows, verdict);
        let Some((first, _)) = rows.first().filter(|_| !fix.is_empty()) else { continue };
        match fixes.entry(fix) {
            Entry::Vacant(entry) => {
                entry.insert((first.addr, named.clone()));
                page.fix(2, fix);
            }
            Entry::Occupied(entry) => {
                let (addr, named) = entry.get();
                page.paragraph(2, &format!("Fix: as for {addr} above{named}."));
            }
        }
    }
}

/// A policy behind a title, where there are several.
fn named(report: &Report<'_>, policy: &str) -> String {
    if report.tallies().len() > 1 { format!(", {policy}") } else { String::new() }
}

/// Hosts that one measure mends.
fn host_group(page: &mut Page, rows: &[(&HostRow, &HostOutcome)], verdict: Verdict) {
    let listed = || rows.iter().take(LISTED_MAX);
    let addr_width = listed().map(|(row, _)| row.addr.to_string().len()).max().unwrap_or(0).max(4);
    page.line(&format!("  {:addr_width$}  SIDE    OFFERS    FLOWS  SERVICES", "HOST"));
    for (row, outcome) in listed() {
        let services: Vec<&str> = row.services.iter().map(|name| &**name).collect();
        page.line(&format!(
            "  {:addr_width$}  {:6}  {:8}  {:>5}  {}",
            row.addr.to_string(),
            side_name(row.side),
            row.offered_max.map_or("-", Version::name),
            outcome.count(verdict),
            services.join(", "),
        ));
        let Some(judgement) = outcome.judgement() else { continue };
        let reason = match judgement.cause {
            Some(cause) => format!("{}: {}", cause.name(), judgement.reason),
            None => judgement.reason.to_string(),
        };
        let stack = row.deciding_stack(outcome).filter(|stack| stack.family.is_some());
        match stack {
            Some(stack) => page.paragraph(6, &format!("{reason}; probably {}", stack.name)),
            None => page.paragraph(6, &reason),
        }
    }
    page.more(rows.len().saturating_sub(LISTED_MAX), "hosts.csv");
}

/// Hosts that only the inventory knows and that break, and where it and the traffic disagree.
fn inventory(page: &mut Page, report: &Report<'_>) {
    let (silent, contradictions) = (report.hosts().silent(), report.hosts().contradictions());
    if !silent.is_empty() {
        page.gap();
        let count = count_of(silent.len() as u64, "host");
        page.title(&format!("Break by the inventory, silent in this capture ({count})"), Ink::Red);
        for host in silent.iter().take(LISTED_MAX) {
            let addr = match host.addr.map(|addr| addr.to_string()) {
                Some(addr) if addr != host.host => format!(" ({addr})"),
                _ => String::new(),
            };
            let findings: Vec<&str> = host.findings.iter().map(String::as_str).collect();
            page.paragraph(2, &format!("{}{addr}: {}", host.host, findings.join("; ")));
        }
        page.more(silent.len().saturating_sub(LISTED_MAX), "hosts.csv");
    }
    if !contradictions.is_empty() {
        page.gap();
        page.title("Inventory and traffic disagree", Ink::Yellow);
        for it in contradictions.iter().take(LISTED_MAX) {
            page.paragraph(2, &format!("{}: {}", it.addr, it.what));
        }
        page.more(contradictions.len().saturating_sub(LISTED_MAX), "hosts.csv");
    }
}

/// Access paths and scenarios: what was seen of each, and which were never seen.
fn paths(page: &mut Page, report: &Report<'_>) {
    // Which connections are on which path does not depend on the policy.
    if !report.paths().first().is_some_and(PathTable::is_any) {
        return;
    }
    for (tally, table) in report.tallies().iter().zip(report.paths()) {
        let named = named(report, &tally.policy);
        page.gap();
        page.title(&format!("Access paths{named}"), Ink::Plain);
        passages(page, AccessPath::ALL.map(|path| (path.title(), table.path(path))));
        page.gap();
        page.title(&format!("Scenarios{named}"), Ink::Plain);
        passages(page, Scenario::ALL.map(|scenario| (scenario.title(), table.scenario(scenario))));
    }
}

fn passages<const N: usize>(page: &mut Page, passages: [(&str, &Passage); N]) {
    for (title, passage) in passages.iter().filter(|(_, passage)| passage.flows() > 0) {
        let verdicts: Vec<String> = Verdict::ALL
            .into_iter()
            .filter(|verdict| passage.flows_of(*verdict) > 0)
            .map(|verdict| format!("{} {}", passage.flows_of(verdict), verdict.name()))
            .collect();
        let hosts = count_of(passage.hosts() as u64, "host");
        page.paragraph(2, &format!("{title}: {} ({hosts})", verdicts.join(", ")));
    }
    let unseen: Vec<&str> = passages
        .iter()
        .filter(|(_, passage)| passage.flows() == 0)
        .map(|(title, _)| *title)
        .collect();
    if !unseen.is_empty() {
        page.paragraph(2, &format!("Never seen in this capture: {}", unseen.join("; ")));
    }
}

/// Connections to and from watched services, by what was negotiated.
fn services(page: &mut Page, report: &Report<'_>) {
    let watched =
        report.digest.services.iter().filter(|(_, it)| it.watched != ByVersion::default());
    let mut services: Vec<(&str, &ByVersion)> = watched
        .map(|(name, counted)| (name.as_deref().unwrap_or("(no service)"), &counted.watched))
        .collect();
    services.sort_unstable();
    if services.is_empty() {
        return;
    }
    page.gap();
    page.title("Connections by service and negotiated version", Ink::Plain);
    for (name, versions) in services.iter().take(LISTED_MAX) {
        let counts = VERSIONS.iter().zip(versions.iter()).filter(|(_, count)| **count > 0);
        let counts: Vec<String> = counts
            .map(|(version, count)| {
                format!("{} {count}", version.map_or("not seen", |version| version.name()))
            })
            .collect();
        page.paragraph(2, &format!("{name}: {}", counts.join(", ")));
    }
    page.more(services.len().saturating_sub(LISTED_MAX), "summary.json");
}

/// Connections that stay unknown, by the reason why.
fn not_judged(page: &mut Page, report: &Report<'_>) {
    let reasons = &report.digest.unknown_first;
    if reasons.is_empty() {
        return;
    }
    let mut reasons: Vec<(&str, u64)> =
        reasons.iter().map(|(reason, count)| (&**reason, *count)).collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    page.gap();
    let named = report.tallies().first().map_or_else(String::new, |it| named(report, &it.policy));
    page.title(&format!("Could not be judged{named}"), Ink::Plain);
    for (reason, count) in reasons.iter().take(LISTED_MAX) {
        page.paragraph(2, &format!("{}: {reason}", count_of(*count, "connection")));
    }
    page.more(reasons.len().saturating_sub(LISTED_MAX), "flows.csv");
}

/// What is wrong with the capture, and what mends it.
fn health(page: &mut Page, report: &Report<'_>) {
    if report.findings().is_empty() {
        return;
    }
    page.gap();
    page.title("Capture health", Ink::Yellow);
    for found in report.findings() {
        page.paragraph(2, &format!("{}: {}", found.finding, found.message));
        page.paragraph(6, &format!("Fix: {}", found.fix));
    }
}

/// Where every frame went, and what failed.
fn frames(page: &mut Page, report: &Report<'_>) {
    let counters = &report.run().counters;
    let skipped: Vec<String> = SkipReason::ALL
        .into_iter()
        .filter(|reason| counters.skipped_for(*reason) > 0)
        .map(|reason| format!("{} {}", counters.skipped_for(reason), reason.name()))
        .collect();
    let total: u64 = counters.skipped.iter().sum();
    page.gap();
    let detail =
        if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join(", ")) };
    page.paragraph(
        0,
        &format!(
            "{} read: {} dissected, {total} skipped{detail}.",
            count_of(counters.frames, "frame"),
            counters.dissected
        ),
    );
    for error in report.run().errors.iter().take(LISTED_MAX) {
        page.paragraph(0, &format!("error: {error}"));
    }
    page.more(report.run().errors.len().saturating_sub(LISTED_MAX), "summary.json");
}

#[cfg(test)]
mod tests;

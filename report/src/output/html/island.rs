//! The data of the page: all hosts and some of their connections, as compact JSON.
//!
//! Rows are arrays in a fixed order, which `data.js` reads by place; repeated texts are numbers
//! into a table. It stands in a `script` element of a type that no browser runs.

use std::cell::RefCell;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::net::SocketAddr;

use dissect::{Endpoint, FlowFacts, Offer, Side, Transport, is_grease};
use foldhash::HashMap;

use super::View;
use super::entries::{Entry, GroupKey, group_key};
use super::markup::Json;
use super::picked::Picked;
use super::words::verdict_meaning;
use crate::iana::{CipherSuite, Group};
use crate::rows::{AlertCell, CoverageCell, FlowRow};
use crate::{Cause, HostOutcome, JudgedFlow, Judgement, SilentHost, Verdict};

/// Rows of hosts in the page; the worst come first.
const HOSTS_MAX: usize = 200_000;

/// Names of servers that are listed of one host.
const NAMES_MAX: usize = 12;

/// Suites, groups and versions of one offer that are listed.
const OFFERED_MAX: usize = 64;

/// Writes the element.
pub(super) fn write(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    write!(out, "<script type=\"application/json\" id=\"data\">")?;
    let island = Island {
        view,
        picked: Picked::of(view.report.flows(), &view.entries),
        groups: view.groups.iter().map(super::entries::FixGroup::key).zip(0..).collect(),
        start_ns: start_ns(view),
        offers: RefCell::default(),
    };
    island.write(&mut Json::new(out))?;
    writeln!(out, "</script>")
}

struct Island<'v, 'r> {
    view: &'v View<'r>,
    picked: Picked,
    groups: HashMap<GroupKey<'r>, u64>,
    /// What times count from.
    start_ns: i64,
    /// The places of an offer's words, by where it lies: connections share what they offer, and its
    /// names are long. As many as connections in the page at most.
    offers: RefCell<HashMap<usize, [usize; 3]>>,
}

/// The earliest connection; times near it are short numbers.
fn start_ns(view: &View<'_>) -> i64 {
    let times = view.report.flows().iter().map(|flow| flow.facts.first.time.as_nanos());
    times.min().unwrap_or(0)
}

impl Island<'_, '_> {
    fn write(&self, json: &mut Json<'_>) -> io::Result<()> {
        let run = self.view.report.run();
        json.open("{")?;
        json.key("policies")?;
        json.open("[")?;
        run.policies.iter().try_for_each(|name| json.text(name))?;
        json.close("]")?;
        json.key("verdicts")?;
        json.open("[")?;
        for verdict in Verdict::ALL {
            json.open("[")?;
            json.text(verdict.name())?;
            json.text(verdict_meaning(verdict))?;
            json.close("]")?;
        }
        json.close("]")?;
        json.key("start")?;
        json.number(self.start_ns / 1000)?;
        json.key("left_out")?;
        json.count(self.view.entries.len().saturating_sub(HOSTS_MAX) as u64)?;
        json.key("hosts")?;
        json.open("[")?;
        for (place, entry) in self.view.entries.iter().take(HOSTS_MAX).enumerate() {
            self.write_entry(json, place, *entry)?;
        }
        json.close("]")?;
        json.key("texts")?;
        json.table()?;
        json.close("}")
    }

    /// `[address, name, side, sensors, first, last, flows, Office 365 flows, [versions], offered,
    /// [services], [names], names left out, inventory, [outcomes], [connections]]`
    fn write_entry(&self, json: &mut Json<'_>, place: usize, entry: Entry<'_>) -> io::Result<()> {
        json.open("[")?;
        match entry.addr() {
            Some(addr) => json.address(addr)?,
            None => json.text("")?,
        }
        json.text(entry.name())?;
        json.count(u64::from(entry.side() == Side::Server))?;
        match entry {
            Entry::Seen(row) => {
                let sensors: Vec<&str> = row.sensors.iter().copied().collect();
                json.word(&sensors.join("; "))?;
                json.number(self.micros(row.first_seen))?;
                json.number(self.micros(row.last_seen))?;
                json.count(row.flows)?;
                json.count(row.office365_flows)?;
                json.open("[")?;
                row.negotiated.into_iter().try_for_each(|count| json.count(count))?;
                json.count(row.undetermined)?;
                json.close("]")?;
                json.word(row.offered_max.map_or("", |version| version.name()))?;
                words(json, row.services.iter().copied())?;
                words(json, row.server_names.iter().copied())?;
                json.count(row.server_names.len().saturating_sub(NAMES_MAX) as u64)?;
                let inventory: Vec<&str> = row.inventory.iter().map(String::as_str).collect();
                json.word(&inventory.join("; "))?;
            }
            Entry::Silent(host) => write_silent(json, host)?,
        }
        json.open("[")?;
        for policy in 0..self.view.report.tallies().len() {
            self.write_outcome(json, entry, policy)?;
        }
        json.close("]")?;
        json.open("[")?;
        for index in self.picked.flows(place) {
            if let Some(flow) = self.view.report.flows().get(index) {
                self.write_flow(json, flow)?;
            }
        }
        json.close("]")?;
        json.close("]")
    }

    /// `[verdict, cause, reason, fix, group, stack, its evidence, connections with the verdict]`
    fn write_outcome(
        &self,
        json: &mut Json<'_>,
        entry: Entry<'_>,
        policy: usize,
    ) -> io::Result<()> {
        let judgement = entry.judgement(policy);
        let outcome: Option<&HostOutcome<'_>> = match entry {
            Entry::Seen(row) => row.outcomes.get(policy),
            Entry::Silent(_) => None,
        };
        let verdict = entry.verdict(policy);
        json.open("[")?;
        json.count(verdict as u64)?;
        json.word(judgement.and_then(|it| it.cause).map_or("", Cause::name))?;
        json.word(judgement.map_or("", |it| &it.reason))?;
        json.word(judgement.map_or("", |it| &it.fix))?;
        let group = group_key(entry, policy).and_then(|key| self.groups.get(&key));
        match group {
            Some(group) => json.count(*group)?,
            None => json.number(-1)?,
        }
        json.word(&entry.stack(policy))?;
        let stack = match (entry, outcome) {
            (Entry::Seen(row), Some(outcome)) => row.deciding_stack(outcome),
            _ => None,
        };
        json.word(stack.map_or("", |stack| &stack.evidence))?;
        json.count(outcome.map_or(0, |outcome| outcome.count(verdict)))?;
        json.close("]")
    }

    /// `[client, server, transport, first, last, name, its source, service, direction, protocol,
    /// upgrade, offered versions, offered suites, offered groups, negotiated, suite, group,
    /// established, alert, coverage, first frame, frame of the ClientHello, of the ServerHello,
    /// JA4, community id, [judgements]]`
    fn write_flow(&self, json: &mut Json<'_>, flow: &JudgedFlow) -> io::Result<()> {
        let Some(first) = flow.judgements.first() else { return Ok(()) };
        let row = FlowRow::new(flow, first);
        let facts = &flow.facts;
        json.open("[")?;
        json.text_of(socket(row.client))?;
        json.word_of(socket(row.server))?;
        json.count(u64::from(facts.transport == Transport::Udp))?;
        json.number(self.micros(row.first_seen))?;
        json.number(self.micros(row.last_seen))?;
        json.word(row.server_name.map_or("", |(name, _)| name))?;
        json.word(row.server_name.map_or("", |(_, from)| from.name()))?;
        json.word(row.service.map_or("", |(name, _)| name))?;
        json.word(row.direction.name())?;
        json.word(row.protocol)?;
        json.word(row.upgrade)?;
        self.write_offer(json, facts)?;
        json.word(row.negotiated.map_or("", |version| version.name()))?;
        optional(json, row.cipher)?;
        optional(json, row.group)?;
        json.number(row.established.map_or(-1, i64::from))?;
        optional(json, row.alert.map(AlertCell))?;
        json.word_of(CoverageCell(row.coverage))?;
        json.count(facts.first.frame)?;
        json.count(facts.client_hello.as_ref().map_or(0, |hello| hello.at.frame))?;
        json.count(facts.server_hello.as_ref().map_or(0, |hello| hello.at.frame))?;
        json.word(row.ja4.unwrap_or(""))?;
        json.text_of(row.community_id)?;
        json.open("[")?;
        flow.judgements.iter().try_for_each(|judgement| write_judgement(json, judgement))?;
        json.close("]")?;
        json.close("]")
    }

    /// What the ClientHello offered: versions, suites and groups.
    fn write_offer(&self, json: &mut Json<'_>, facts: &FlowFacts) -> io::Result<()> {
        let Some(hello) = &facts.client_hello else {
            return ["", "", ""].into_iter().try_for_each(|empty| json.word(empty));
        };
        let offer: &Offer = &hello.offer;
        let lies_at = std::ptr::from_ref(offer).addr();
        if let Some(places) = self.offers.borrow().get(&lies_at) {
            return places.iter().try_for_each(|place| json.count(*place as u64));
        }
        let words = words_of(offer);
        words.iter().try_for_each(|word| json.word(word))?;
        // What found no room in the table has no place.
        if let [Some(versions), Some(suites), Some(groups)] = words.map(|it| json.place_of(&it)) {
            self.offers.borrow_mut().insert(lies_at, [versions, suites, groups]);
        }
        Ok(())
    }

    fn micros(&self, time: dissect::Timestamp) -> i64 {
        time.as_nanos().saturating_sub(self.start_ns) / 1000
    }
}

/// The part of a row that was not seen.
fn write_silent(json: &mut Json<'_>, host: &SilentHost) -> io::Result<()> {
    json.word("")?;
    for _ in ["first", "last", "flows", "Office 365 flows"] {
        json.number(0)?;
    }
    json.open("[")?;
    (0..7).try_for_each(|_| json.number(0))?;
    json.close("]")?;
    json.word("")?;
    words(json, [].into_iter())?;
    words(json, [].into_iter())?;
    json.number(0)?;
    let findings: Vec<&str> = host.findings.iter().map(String::as_str).collect();
    json.word(&findings.join("; "))
}

fn words<'t>(json: &mut Json<'_>, words: impl Iterator<Item = &'t str>) -> io::Result<()> {
    json.open("[")?;
    words.take(NAMES_MAX).try_for_each(|word| json.word(word))?;
    json.close("]")
}

/// Versions, suites and groups of an offer in words.
fn words_of(offer: &Offer) -> [String; 3] {
    let real = |numbers: &[u16]| -> Vec<u16> {
        numbers.iter().copied().filter(|number| !is_grease(*number)).collect()
    };
    let suites = real(&offer.cipher_suites);
    let groups = real(offer.groups.as_deref().unwrap_or_default());
    [
        joined(offer.versions().iter()),
        joined(suites.into_iter().map(CipherSuite)),
        joined(groups.into_iter().map(Group)),
    ]
}

/// The first of them, and how many more there are.
fn joined(items: impl Iterator<Item = impl Display>) -> String {
    let mut items = items;
    let mut text = String::new();
    for item in items.by_ref().take(OFFERED_MAX) {
        // A string takes everything.
        let _ = write!(text, "{item}, ");
    }
    match items.count() {
        0 => text.truncate(text.len().saturating_sub(2)),
        more => text.push_str(&format!("and {more} more")),
    }
    text
}

/// `[verdict, cause, reason, rule, fix]`
fn write_judgement(json: &mut Json<'_>, judgement: &Judgement) -> io::Result<()> {
    json.open("[")?;
    json.count(judgement.verdict as u64)?;
    json.word(judgement.cause.map_or("", Cause::name))?;
    json.word(&judgement.reason)?;
    json.word(judgement.rule)?;
    json.word(&judgement.fix)?;
    json.close("]")
}

fn optional(json: &mut Json<'_>, value: Option<impl Display>) -> io::Result<()> {
    match value {
        Some(value) => json.word_of(value),
        None => json.word(""),
    }
}

/// An address and a port, IPv6 in brackets.
const fn socket(end: Endpoint) -> SocketAddr {
    SocketAddr::new(end.addr, end.port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_offers_are_cut_at_their_bound_and_say_so() {
        let check = |items: usize, expect: &str| {
            let text = joined(std::iter::repeat_n("a", items));
            assert!(text.ends_with(expect), "{items}: {text}");
            assert_eq!(
                text.split(", ").filter(|item| *item == "a").count(),
                items.min(OFFERED_MAX)
            );
        };
        assert_eq!(joined(std::iter::empty::<u8>()), "");
        assert_eq!(joined([1, 2].into_iter()), "1, 2");
        check(OFFERED_MAX, "a, a");
        check(OFFERED_MAX + 1, "a, and 1 more");
        check(OFFERED_MAX + 9, "a, and 9 more");
    }
}

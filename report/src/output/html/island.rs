//! The data of the page: all hosts and some of their connections, as compact JSON.
//!
//! Rows are arrays in a fixed order, which `data.js` reads by place; repeated texts are numbers
//! into a table. It stands in a `script` element of a type that no browser runs.

use std::collections::BTreeSet;
use std::fmt::{Display, Write as _};
use std::io::{self, Write};
use std::sync::Arc;

use dissect::{Offer, Side, Transport, Upgrade, is_grease};
use foldhash::HashMap;

use super::super::memo::Memo;
use super::View;
use super::entries::{Entry, GroupKey, group_key};
use super::markup::Json;
use super::words::verdict_meaning;
use crate::iana::{CipherSuite, Group};
use crate::rows::{AlertCell, CommunityId, CoverageCell, FlowKind, protocol_name, upgrade_name};
use crate::{
    Cause, HostOutcome, JudgedFlow, Judgement, NameSource, SilentHost, Verdict, client_of,
};

/// Rows of hosts in the page; the worst come first.
const HOSTS_MAX: usize = 200_000;

/// Names of servers that are listed of one host.
const NAMES_MAX: usize = 12;

/// Suites, groups and versions of one offer that are listed.
const OFFERED_MAX: usize = 64;

/// Writes the element.
pub(super) fn write<'r>(out: &mut dyn Write, view: &'r View<'r>) -> io::Result<()> {
    write!(out, "<script type=\"application/json\" id=\"data\">")?;
    let mut island = Island {
        view,
        groups: view.groups.iter().map(super::entries::FixGroup::key).zip(0..).collect(),
        groups_by_place: HashMap::default(),
        start_ns: view.report.first_seen().unwrap_or_default().as_nanos(),
        offers: HashMap::default(),
        ways: Memo::new(),
        endings: Memo::new(),
    };
    island.write(&mut Json::new(out))?;
    writeln!(out, "</script>")
}

struct Island<'r> {
    view: &'r View<'r>,
    groups: HashMap<GroupKey<'r>, i64>,
    /// The group of a judgement, by where it lies: its key is a long text. As many as there are
    /// judgements in the page at most.
    groups_by_place: HashMap<(usize, usize), i64>,
    /// What times count from: the earliest connection, so that they are short numbers.
    start_ns: i64,
    /// The places of an offer's words, by where it lies: connections share what they offer, and its
    /// names are long. As many as connections in the page at most.
    offers: HashMap<usize, [usize; 3]>,
    /// The values of connections between their names and their frames.
    ways: Memo<(FlowKind<'r>, Upgrade)>,
    /// The judgements of connections, by the place of the first.
    endings: Memo<usize>,
}

impl<'r> Island<'r> {
    fn write(&mut self, json: &mut Json<'_, 'r>) -> io::Result<()> {
        let run = self.view.report.run();
        json.open("{");
        json.key("policies");
        json.open("[");
        run.policies.iter().for_each(|name| json.text(name));
        json.close("]");
        json.key("verdicts");
        json.open("[");
        for verdict in Verdict::ALL {
            json.open("[");
            json.text(verdict.name());
            json.text(verdict_meaning(verdict));
            json.close("]");
        }
        json.close("]");
        json.key("start");
        json.number(self.start_ns / 1000);
        json.key("left_out");
        json.count(self.view.entries.len().saturating_sub(HOSTS_MAX) as u64);
        json.key("hosts");
        json.open("[");
        for (place, entry) in self.view.entries.iter().take(HOSTS_MAX).enumerate() {
            self.put_entry(json, place, *entry);
            json.write_some()?;
        }
        json.close("]");
        json.key("texts");
        json.table();
        json.close("}");
        json.finish()
    }

    /// `[address, name, side, sensors, first, last, flows, Office 365 flows, [versions], offered,
    /// [services], [names], names left out, inventory, [outcomes], [connections]]`
    fn put_entry(&mut self, json: &mut Json<'_, 'r>, place: usize, entry: Entry<'r>) {
        json.open("[");
        match entry.addr() {
            Some(addr) => json.address(addr),
            None => json.text(""),
        }
        json.text(entry.name());
        json.count(u64::from(entry.side() == Side::Server));
        match entry {
            Entry::Seen(row) => {
                match &row.sensors[..] {
                    [sensor] => json.word(sensor),
                    sensors => json.word_of(sensors.join("; ")),
                }
                json.number(self.micros(row.first_seen));
                json.number(self.micros(row.last_seen));
                json.count(row.flows);
                json.count(row.office365_flows);
                json.open("[");
                row.negotiated.into_iter().for_each(|count| json.count(count));
                json.count(row.undetermined);
                json.close("]");
                json.word(row.offered_max.map_or("", |version| version.name()));
                put_words(json, &row.services);
                put_words(json, &row.server_names);
                json.count(row.server_names.len().saturating_sub(NAMES_MAX) as u64);
                put_findings(json, &row.inventory);
            }
            Entry::Silent(host) => put_silent(json, host),
        }
        json.open("[");
        for policy in 0..self.view.report.tallies().len() {
            self.put_outcome(json, entry, policy);
        }
        json.close("]");
        json.open("[");
        let view = self.view;
        for flow in view.picked.flows(place) {
            self.put_flow(json, flow);
        }
        json.close("]");
        json.close("]");
    }

    /// `[verdict, cause, reason, fix, group, stack, its evidence, connections with the verdict]`
    fn put_outcome(&mut self, json: &mut Json<'_, 'r>, entry: Entry<'r>, policy: usize) {
        let judgement = entry.judgement(policy);
        let outcome: Option<&'r HostOutcome> = match entry {
            Entry::Seen(row) => row.outcomes.get(policy),
            Entry::Silent(_) => None,
        };
        let verdict = entry.verdict(policy);
        json.open("[");
        json.count(verdict as u64);
        json.word(judgement.and_then(|it| it.cause).map_or("", Cause::name));
        json.word(judgement.map_or("", |it| &it.reason));
        json.word(judgement.map_or("", |it| &it.fix));
        json.number(judgement.map_or(NO_GROUP, |judgement| {
            let lies_at = (policy, std::ptr::from_ref(judgement).addr());
            *self.groups_by_place.entry(lies_at).or_insert_with(|| {
                let group = group_key(entry, policy).and_then(|key| self.groups.get(&key));
                group.copied().unwrap_or(NO_GROUP)
            })
        }));
        let stack = match (entry, outcome) {
            (Entry::Seen(row), Some(outcome)) => row.deciding_stack(outcome),
            _ => None,
        };
        match stack.filter(|stack| stack.family.is_some()) {
            Some(stack) => json.word(stack.name),
            None => json.word_of(entry.stack(policy)),
        }
        json.word(stack.map_or("", |stack| &stack.evidence));
        json.count(outcome.map_or(0, |outcome| outcome.count(verdict)));
        json.close("]");
    }

    /// `[client, server, transport, first, last, name, its source, service, direction, protocol,
    /// upgrade, offered versions, offered suites, offered groups, negotiated, suite, group,
    /// established, alert, coverage, first frame, frame of the ClientHello, of the ServerHello,
    /// JA4, community id, [judgements]]`
    fn put_flow(&mut self, json: &mut Json<'_, 'r>, flow: &'r JudgedFlow) {
        let Some(first) = flow.judgements.first() else { return };
        let facts = &flow.facts;
        json.open("[");
        json.socket(client_of(facts));
        json.socket_word(facts.server);
        json.count(u64::from(facts.transport == Transport::Udp));
        json.number(self.micros(facts.first.time));
        json.number(self.micros(facts.last.time));
        json.word(flow.server_name.as_ref().map_or("", |(name, _)| name));
        let kind = FlowKind::of(flow, first);
        let offers = &mut self.offers;
        json.repeated(&mut self.ways, (kind, facts.upgrade), |json, (kind, upgrade)| {
            put_kind(json, offers, kind, *upgrade);
        });
        json.count(facts.first.frame);
        json.count(facts.client_hello.as_ref().map_or(0, |hello| hello.at.frame));
        json.count(facts.server_hello.as_ref().map_or(0, |hello| hello.at.frame));
        json.word(kind.offer.and_then(|offer| offer.ja4.as_deref()).unwrap_or(""));
        json.plain(&CommunityId::of(facts.client, facts.server, facts.transport).text());
        json.repeated(&mut self.endings, std::ptr::from_ref(first).addr(), |json, _| {
            json.open("[");
            flow.judgements.iter().for_each(|judgement| put_judgement(json, judgement));
            json.close("]");
        });
        json.close("]");
    }

    fn micros(&self, time: dissect::Timestamp) -> i64 {
        time.as_nanos().saturating_sub(self.start_ns) / 1000
    }
}

/// The number of no group.
const NO_GROUP: i64 = -1;

/// The values of a connection from the source of its name to its coverage.
fn put_kind<'r>(
    json: &mut Json<'_, 'r>,
    offers: &mut HashMap<usize, [usize; 3]>,
    kind: &FlowKind<'r>,
    upgrade: Upgrade,
) {
    json.word(kind.name_from.map_or("", NameSource::name));
    json.word(kind.service.map_or("", |(name, _)| name));
    json.word(kind.direction.name());
    json.word(protocol_name(kind.protocol));
    json.word(upgrade_name(upgrade));
    match kind.offer {
        Some(offer) => put_offer(json, offers, offer),
        None => ["", "", ""].into_iter().for_each(|empty| json.word(empty)),
    }
    json.word(kind.negotiated.map_or("", |version| version.name()));
    put_optional(json, kind.cipher.map(CipherSuite));
    put_optional(json, kind.group.map(Group));
    json.number(kind.established.map_or(-1, i64::from));
    put_optional(json, kind.alert.map(AlertCell));
    json.word_of(CoverageCell(kind.coverage));
}

/// What the ClientHello offered: versions, suites and groups.
fn put_offer(json: &mut Json<'_, '_>, offers: &mut HashMap<usize, [usize; 3]>, offer: &Offer) {
    let lies_at = std::ptr::from_ref(offer).addr();
    if let Some(places) = offers.get(&lies_at) {
        return places.iter().for_each(|place| json.count(*place as u64));
    }
    let words = words_of(offer);
    words.iter().for_each(|word| json.word_of(word));
    // What found no room in the table has no place.
    if let [Some(versions), Some(suites), Some(groups)] = words.map(|it| json.place_of(&it)) {
        offers.insert(lies_at, [versions, suites, groups]);
    }
}

/// The part of a row that was not seen.
fn put_silent<'r>(json: &mut Json<'_, 'r>, host: &'r SilentHost) {
    json.word("");
    for _ in ["first", "last", "flows", "Office 365 flows"] {
        json.number(0);
    }
    json.open("[");
    (0..7).for_each(|_| json.number(0));
    json.close("]");
    json.word("");
    put_words(json, &[]);
    put_words(json, &[]);
    json.number(0);
    put_findings(json, &host.findings);
}

/// What an inventory says, as one text.
fn put_findings(json: &mut Json<'_, '_>, findings: &BTreeSet<String>) {
    if findings.is_empty() {
        return json.word("");
    }
    let findings: Vec<&str> = findings.iter().map(String::as_str).collect();
    json.word_of(findings.join("; "));
}

fn put_words<'r>(json: &mut Json<'_, 'r>, words: &'r [Arc<str>]) {
    json.open("[");
    words.iter().take(NAMES_MAX).for_each(|word| json.word(word));
    json.close("]");
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
fn put_judgement<'r>(json: &mut Json<'_, 'r>, judgement: &'r Judgement) {
    json.open("[");
    json.count(judgement.verdict as u64);
    json.word(judgement.cause.map_or("", Cause::name));
    json.word(&judgement.reason);
    json.word(judgement.rule);
    json.word(&judgement.fix);
    json.close("]");
}

fn put_optional(json: &mut Json<'_, '_>, value: Option<impl Display>) {
    match value {
        Some(value) => json.word_of(value),
        None => json.word(""),
    }
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

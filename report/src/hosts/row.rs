//! One host on one side: what was counted, and what each policy makes of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use dissect::{Endpoint, Mark, Offer, Side, Timestamp, Version};
use smallvec::SmallVec;

use super::NameSet;
use crate::judged::Judgements;
use crate::{Direction, JudgedFlow, Judgement, Stack, UNKNOWN_STACK, Verdict, rows};

/// A host as client or as server.
#[derive(Debug)]
pub struct HostRow {
    /// Names of the sensors that saw it, sorted.
    pub sensors: NameSet<Arc<str>>,
    /// Its address.
    pub addr: IpAddr,
    /// Whether this row counts it as client or as server.
    pub side: Side,
    /// Whether it counts as ours.
    pub inside: bool,
    /// Time of the first frame of its connections.
    pub first_seen: Timestamp,
    /// Time of the last frame of its connections.
    pub last_seen: Timestamp,
    /// Its connections.
    pub flows: u64,
    /// Those to or from Office 365.
    pub office365_flows: u64,
    /// Its connections by negotiated version, SSL 2.0 to TLS 1.3.
    pub negotiated: [u64; 6],
    /// Its other connections: no version was seen, or one of DTLS.
    pub undetermined: u64,
    /// The highest version that it offered in any connection; `None` for servers.
    pub offered_max: Option<Version>,
    /// Names of the services, sorted.
    pub services: NameSet<Arc<str>>,
    /// Names of the servers, sorted: its own for a server, those it asked for as a client.
    pub server_names: NameSet<Arc<str>>,
    /// Names of the stacks that its hellos tell, sorted; none for servers.
    pub stacks: NameSet<&'static str>,
    /// Its name by an inventory.
    pub name: Option<String>,
    /// What an inventory says of it, and where its traffic contradicts that.
    pub inventory: BTreeSet<String>,
    /// What each policy makes of it, in the order the policies were given.
    pub outcomes: Vec<HostOutcome>,
    /// The places among all of the connections that tell most of it, the worst and earliest, with
    /// what they say under any policy.
    pub(crate) shown: Shown,
}

/// Connections that are shown of a host at most.
pub(crate) const SHOWN_MAX: usize = 5;

/// Connections with the worst that they say of a host, the worst first.
pub(crate) type Shown = SmallVec<[(Verdict, u64); SHOWN_MAX]>;

/// Keeps the worst and earliest.
fn show(shown: &mut Shown, new: (Verdict, u64)) {
    let place = shown.partition_point(|known| *known <= new);
    if place < SHOWN_MAX {
        shown.truncate(SHOWN_MAX - 1);
        shown.insert(place, new);
    }
}

impl HostRow {
    /// An empty row, with the times and policies of a first connection.
    pub(super) fn new(flow: &JudgedFlow, addr: IpAddr, side: Side, inside: bool) -> Self {
        Self {
            sensors: NameSet::default(),
            addr,
            side,
            inside,
            first_seen: flow.facts.first.time,
            last_seen: flow.facts.last.time,
            flows: 0,
            office365_flows: 0,
            negotiated: [0; 6],
            undetermined: 0,
            offered_max: None,
            services: NameSet::default(),
            server_names: NameSet::default(),
            stacks: NameSet::default(),
            name: None,
            inventory: BTreeSet::new(),
            outcomes: flow.judgements.iter().map(HostOutcome::new).collect(),
            shown: Shown::new(),
        }
    }

    /// Ends the adding of connections.
    pub(super) fn settle(&mut self) {
        for names in [&mut self.sensors, &mut self.services, &mut self.server_names] {
            names.settle();
        }
        self.stacks.settle();
    }

    /// Adds a connection in which the host had this side, which is at a place among all.
    pub(super) fn absorb(&mut self, flow: &JudgedFlow, place_of_flow: u64) {
        let mut worst = Verdict::OutOfScope;
        let facts = &flow.facts;
        self.first_seen = self.first_seen.min(facts.first.time);
        self.last_seen = self.last_seen.max(facts.last.time);
        self.flows += 1;
        self.office365_flows += u64::from(flow.direction != Direction::Other);
        let place = rows::negotiated(facts).and_then(column);
        match place.and_then(|place| self.negotiated.get_mut(place)) {
            Some(count) => *count += 1,
            None => self.undetermined += 1,
        }
        if self.side == Side::Client {
            self.offered_max = better_offer(self.offered_max, rows::offered_max(facts));
            if let Some(stack) = &flow.stack {
                self.stacks.insert(&stack.name);
            }
        }
        self.sensors.insert(&flow.sensor);
        if let Some((name, _)) = &flow.service {
            self.services.insert(name);
        }
        if let Some((name, _)) = &flow.server_name {
            self.server_names.insert(name);
        }
        for (place, (outcome, judgement)) in
            self.outcomes.iter_mut().zip(&flow.judgements).enumerate()
        {
            if super::concerns(flow, judgement, self.side) {
                outcome.absorb(flow, place, judgement);
                worst = worst.min(judgement.verdict);
            }
        }
        show(&mut self.shown, (worst, place_of_flow));
    }

    /// What the host probably is, as far as the connection tells that decides under a policy; what
    /// its other connections tell where that one does not. Empty for servers.
    #[must_use]
    pub fn stack(&self, outcome: &HostOutcome) -> String {
        if self.stacks.is_empty() {
            return String::new();
        }
        if let Some(stack) = self.deciding_stack(outcome).filter(|stack| stack.family.is_some()) {
            return stack.name.to_owned();
        }
        let known: Vec<&str> =
            self.stacks.iter().copied().filter(|name| *name != UNKNOWN_STACK).collect();
        if known.is_empty() { UNKNOWN_STACK.to_owned() } else { known.join(";") }
    }

    /// The stack of the client of the connection that decides under a policy.
    #[must_use]
    pub fn deciding_stack<'o>(&self, outcome: &'o HostOutcome) -> Option<&'o Stack> {
        outcome.decider.as_ref().filter(|_| self.side == Side::Client)?.stack.as_deref()
    }

    /// What the client of the connection that decides under a policy offered, where its stack is told
    /// from it.
    #[must_use]
    pub fn deciding_offer<'o>(&self, outcome: &'o HostOutcome) -> Option<&'o Offer> {
        let decider = outcome.decider.as_ref().filter(|_| self.side == Side::Client)?;
        decider.stack.as_ref().and(decider.offer.as_deref())
    }
}

/// The place of a version among the columns; `None` for DTLS, which has none.
const fn column(version: Version) -> Option<usize> {
    match version {
        Version::Ssl2 => Some(0),
        Version::Ssl3 => Some(1),
        Version::Tls10 => Some(2),
        Version::Tls11 => Some(3),
        Version::Tls12 => Some(4),
        Version::Tls13 => Some(5),
        Version::Dtls10 | Version::Dtls12 | Version::Dtls13 => None,
    }
}

/// The better of two offers. A version of TLS stands above any of DTLS: media says nothing of what
/// a host's TLS can do.
fn better_offer(one: Option<Version>, other: Option<Version>) -> Option<Version> {
    [one, other].into_iter().flatten().max_by_key(|version| (column(*version).is_some(), *version))
}

/// What one policy makes of a host on one side.
#[derive(Debug)]
pub struct HostOutcome {
    /// The policy's name.
    pub policy: Arc<str>,
    /// Connections that concern this side, by verdict in the order of [`Verdict::ALL`].
    counts: [u64; Verdict::ALL.len()],
    /// The connection that decides.
    decider: Option<Decider>,
    /// What an inventory says where the connections don't decide.
    pub(super) by_inventory: Option<Judgement>,
}

/// What is kept of the connection that decides.
#[derive(Debug)]
struct Decider {
    /// Its judgements, and the place of the one that decides.
    judgements: Judgements,
    place: usize,
    first: Mark,
    client: Endpoint,
    server: Endpoint,
    stack: Option<Arc<Stack>>,
    offer: Option<Arc<Offer>>,
}

impl Decider {
    fn new(flow: &JudgedFlow, place: usize) -> Self {
        let facts = &flow.facts;
        Self {
            judgements: flow.judgements.clone(),
            place,
            first: facts.first,
            client: crate::client_of(facts),
            server: facts.server,
            stack: flow.stack.clone(),
            offer: facts.client_hello.as_ref().map(|hello| Arc::clone(&hello.offer)),
        }
    }

    fn judgement(&self) -> &Judgement {
        &self.judgements[self.place]
    }
}

impl HostOutcome {
    fn new(judgement: &Judgement) -> Self {
        Self {
            policy: Arc::clone(&judgement.policy),
            counts: [0; Verdict::ALL.len()],
            decider: None,
            by_inventory: None,
        }
    }

    /// Counts a connection with its judgement, which is at a place among its judgements.
    fn absorb(&mut self, flow: &JudgedFlow, place: usize, judgement: &Judgement) {
        self.counts[judgement.verdict as usize] += 1;
        let facts = &flow.facts;
        let is_worse = self.decider.as_ref().is_none_or(|known| {
            let client = crate::client_of(facts);
            severity(judgement, facts.first, client, facts.server)
                < severity(known.judgement(), known.first, known.client, known.server)
        });
        if is_worse {
            self.decider = Some(Decider::new(flow, place));
        }
    }

    /// How many connections have this verdict.
    #[must_use]
    pub const fn count(&self, verdict: Verdict) -> u64 {
        self.counts[verdict as usize]
    }

    /// The worst verdict; out of scope when no connection concerns this side.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.judgement().map_or(Verdict::OutOfScope, |judgement| judgement.verdict)
    }

    /// The judgement of the connection that decides, whatever an inventory says.
    pub(super) fn seen(&self) -> Option<&Judgement> {
        self.decider.as_ref().map(Decider::judgement)
    }

    /// The judgement that decides.
    #[must_use]
    pub fn judgement(&self) -> Option<&Judgement> {
        self.by_inventory.as_ref().or_else(|| self.seen())
    }

    /// Whether an inventory decides, because the connections don't.
    #[must_use]
    pub const fn is_by_inventory(&self) -> bool {
        self.by_inventory.is_some()
    }
}

/// What orders judgements from worst to best: the verdict, then the cause in the order that causes
/// outrank each other, then the earliest connection. Total, so that the order of input is nothing.
fn severity(
    judgement: &Judgement,
    first: Mark,
    client: Endpoint,
    server: Endpoint,
) -> impl Ord + use<'_> {
    (
        judgement.verdict,
        judgement.cause.is_none(),
        judgement.cause,
        first.time,
        first,
        client,
        server,
        &judgement.reason,
        &judgement.fix,
    )
}

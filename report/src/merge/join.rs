//! Which sightings are of one connection, and what they say together.
//!
//! Two runs saw the same connection when the random of a hello is the same, which holds through
//! address translation and for halves that two sensors saw; or, where no random says otherwise,
//! when the two ends are the same and the times overlap. The strongest links are followed first: a
//! random and the same ends, a random, then the longest overlap. What one run saw as two
//! connections stays two. The result is a function of all sightings together and not of the order
//! in which runs were merged.
//!
//! The addresses are those of the inside-most sighting, all of one, so that they are found in its
//! capture: with a client inside that asks a proxy; then with one end inside; then with both; then
//! with none. Of several the first in time.

use std::collections::{BTreeSet, HashMap};

use dissect::{
    Coverage, Endpoint, FlowFacts, HelloExtent, JoinedHalves, MessageMark, Protocol, Quality, Side,
    Transport, Upgrade, join_halves,
};

use crate::state::SavedFlow;
use crate::{Home, client_of};

/// Sightings that may share a random, or overlap at the same ends. Beyond that it is no identity:
/// programs exist that always send the same random.
const ALIKE_MAX: usize = 64;

type Random = [u8; 32];

/// Joins the sightings of merged runs.
pub(super) fn join(flows: Vec<SavedFlow>, home: &Home) -> Vec<SavedFlow> {
    let mut clusters = Clusters::new(&flows);
    let mut links = links(&flows);
    links.sort_unstable();
    for link in links {
        clusters.unite(link.one, link.other);
    }
    let mut members: HashMap<usize, Vec<SavedFlow>> = HashMap::new();
    let mut order = Vec::new();
    for (index, flow) in flows.into_iter().enumerate() {
        let root = clusters.root(index);
        let cluster = members.entry(root).or_default();
        if cluster.is_empty() {
            order.push(root);
        }
        cluster.push(flow);
    }
    order
        .into_iter()
        .filter_map(|root| members.remove(&root))
        .map(|cluster| together(cluster, home))
        .collect()
}

/// Two sightings that are likely of one connection; the strongest first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    kind: LinkKind,
    /// Negative, so that longer is first.
    overlap_ns: i64,
    one: usize,
    other: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LinkKind {
    RandomAndEnds,
    Random,
    Ends,
}

/// The two ends in ascending order.
fn ends(facts: &FlowFacts) -> (Endpoint, Endpoint, Transport) {
    let (one, other) = (facts.client, facts.server);
    (one.min(other), one.max(other), facts.transport)
}

/// The randoms that tell a connection: not those of imitations, which are constants, and not what
/// was cut off.
fn randoms(facts: &FlowFacts) -> [Option<Random>; 2] {
    if let Protocol::PseudoTls(_) = facts.protocol {
        return [None; 2];
    }
    let client = facts.client_hello.as_ref().map(|hello| hello.random);
    let server = facts.server_hello.as_ref().map(|hello| hello.random);
    [client, server].map(|random| random.filter(|random| *random != [0; 32]))
}

fn links(flows: &[SavedFlow]) -> Vec<Link> {
    let mut links = Vec::new();
    for which in 0..2 {
        let mut alike: HashMap<Random, Vec<usize>> = HashMap::new();
        for (index, flow) in flows.iter().enumerate() {
            if let Some(random) = randoms(&flow.facts)[which] {
                alike.entry(random).or_default().push(index);
            }
        }
        for group in alike.into_values().filter(|group| group.len() <= ALIKE_MAX) {
            for (place, &one) in group.iter().enumerate() {
                links.extend(group[place + 1..].iter().map(|&other| {
                    let same_ends = ends(&flows[one].facts) == ends(&flows[other].facts);
                    let kind = if same_ends { LinkKind::RandomAndEnds } else { LinkKind::Random };
                    let overlap_ns = -overlap_ns(&flows[one].facts, &flows[other].facts);
                    Link { kind, overlap_ns, one, other }
                }));
            }
        }
    }
    let mut met: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, flow) in flows.iter().enumerate() {
        met.entry(ends(&flow.facts)).or_default().push(index);
    }
    for mut group in met.into_values() {
        group.sort_by_key(|index| (flows[*index].facts.first.time, *index));
        for (place, &one) in group.iter().enumerate() {
            for &other in group[place + 1..].iter().take(ALIKE_MAX) {
                let overlap_ns = overlap_ns(&flows[one].facts, &flows[other].facts);
                if overlap_ns < 0 {
                    continue;
                }
                let (one, other) = (one.min(other), one.max(other));
                links.push(Link { kind: LinkKind::Ends, overlap_ns: -overlap_ns, one, other });
            }
        }
    }
    links
}

/// How long two sightings overlap; negative by how far they are apart.
fn overlap_ns(one: &FlowFacts, other: &FlowFacts) -> i64 {
    let begin = one.first.time.max(other.first.time);
    one.last.time.min(other.last.time).nanos_since(begin)
}

/// Sightings put together.
struct Clusters {
    parents: Vec<usize>,
    known: Vec<Known>,
}

/// What keeps a cluster from being united with another.
#[derive(Clone)]
struct Known {
    parts: BTreeSet<usize>,
    randoms: [Option<Random>; 2],
}

impl Clusters {
    fn new(flows: &[SavedFlow]) -> Self {
        let known = |flow: &SavedFlow| Known {
            parts: BTreeSet::from([flow.part]),
            randoms: randoms(&flow.facts),
        };
        Self { parents: (0..flows.len()).collect(), known: flows.iter().map(known).collect() }
    }

    /// The first member of a sighting's cluster.
    fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    /// Unites two clusters, unless a run saw both or a random differs.
    fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        let (root, leaf) = (one.min(other), one.max(other));
        if root == leaf || !self.known[root].parts.is_disjoint(&self.known[leaf].parts) {
            return;
        }
        let [a, b] = [&self.known[root].randoms, &self.known[leaf].randoms];
        if a.iter().zip(b).any(|(a, b)| a.is_some() && b.is_some() && a != b) {
            return;
        }
        let added = self.known[leaf].clone();
        let known = &mut self.known[root];
        known.parts.extend(added.parts);
        for (mine, theirs) in known.randoms.iter_mut().zip(added.randoms) {
            *mine = mine.or(theirs);
        }
        self.parents[leaf] = root;
    }
}

/// What all sightings of a connection say.
fn together(mut sightings: Vec<SavedFlow>, home: &Home) -> SavedFlow {
    if sightings.len() == 1 {
        return sightings.remove(0);
    }
    turn(&mut sightings);
    sightings.sort_by_cached_key(|sighting| {
        let facts = &sighting.facts;
        (depth(facts, home), facts.first.time, facts.client, facts.server, sighting.part)
    });
    let sensors = sightings.iter().flat_map(|sighting| sighting.sensor.split(';')).collect();
    let sensor = super::joined(sensors).into();
    let dns_name = sightings.iter().find_map(|sighting| sighting.dns_name.clone());
    let part = sightings[0].part;
    let facts: Vec<&FlowFacts> = sightings.iter().map(|sighting| &*sighting.facts).collect();
    SavedFlow { sensor, dns_name, part, facts: Box::new(joined(&facts)) }
}

/// Where nothing but ports told a sighting who the client is, another may know better.
fn turn(sightings: &mut [SavedFlow]) {
    let known: Vec<_> = sightings
        .iter()
        .map(|sighting| (sighting.facts.role_from, sighting.facts.client, sighting.facts.server))
        .collect();
    for sighting in sightings {
        let facts = &mut sighting.facts;
        let turned = (facts.server, facts.client);
        let is_turned = known
            .iter()
            .any(|(role, client, server)| *role < facts.role_from && (*client, *server) == turned);
        let has_hello = facts.client_hello.is_some() || facts.server_hello.is_some();
        if !is_turned || has_hello {
            continue;
        }
        std::mem::swap(&mut facts.client, &mut facts.server);
        let Quality { client, server } = facts.quality;
        facts.quality = Quality { client: server, server: client };
        facts.dialled_by = facts.dialled_by.map(Side::peer);
        if let Some(half) = &mut facts.half {
            half.turn();
        }
        facts.end = facts.end.map(|mut end| {
            end.by = end.by.peer();
            end
        });
        facts.alerts.iter_mut().for_each(|alert| alert.from = alert.from.peer());
        facts.messages = facts
            .messages
            .iter()
            .map(|message| MessageMark { from: message.from.peer(), ..message })
            .collect();
        let (client, server) = (Coverage::CLIENT_SIDE_MISSING, Coverage::SERVER_SIDE_MISSING);
        let has = |part| facts.coverage.contains(part);
        let (no_client, no_server) = (has(client), has(server));
        let others = facts.coverage.bits() & !(client.bits() | server.bits());
        facts.coverage = Coverage::from_bits(others);
        if no_client {
            facts.coverage = facts.coverage.with(server);
        }
        if no_server {
            facts.coverage = facts.coverage.with(client);
        }
    }
}

/// How far inside a sighting is; less is further.
fn depth(facts: &FlowFacts, home: &Home) -> u8 {
    let client = home.contains(client_of(facts).addr);
    let asks_proxy = matches!(facts.upgrade, Upgrade::HttpConnect | Upgrade::Socks);
    match (client, home.contains(facts.server.addr)) {
        (true, _) if asks_proxy => 0,
        (true, false) | (false, true) => 1,
        (true, true) => 2,
        (false, false) => 3,
    }
}

/// Joins what sightings say, the inside-most first.
fn joined(sightings: &[&FlowFacts]) -> FlowFacts {
    let inmost = sightings[0];
    let client = client_half(sightings);
    let server = server_half(sightings);
    let at_inmost = || sightings.iter().copied().filter(|facts| ends(facts) == ends(inmost));
    let upgrade = at_inmost().map(|facts| facts.upgrade).find(|it| *it != Upgrade::Direct);
    let pseudo = sightings.iter().map(|facts| facts.protocol);
    let pseudo = pseudo.clone().find(|protocol| matches!(protocol, Protocol::PseudoTls(_)));
    let established = sightings.iter().filter_map(|facts| facts.established);
    let resumed = [server].into_iter().chain(sightings.iter().copied());
    let ends_seen = sightings.iter().filter_map(|facts| facts.end);
    let refusals = sightings.iter().filter_map(|facts| facts.refusal);
    let mut facts = FlowFacts {
        first: sightings
            .iter()
            .map(|facts| facts.first)
            .min_by_key(|mark| mark.time)
            .unwrap_or(inmost.first),
        last: sightings
            .iter()
            .map(|facts| facts.last)
            .max_by_key(|mark| mark.time)
            .unwrap_or(inmost.last),
        transport: inmost.transport,
        client: inmost.client,
        server: inmost.server,
        role_from: sightings.iter().map(|facts| facts.role_from).min().unwrap_or(inmost.role_from),
        dialled_by: sightings.iter().find_map(|facts| facts.dialled_by),
        protocol: pseudo.unwrap_or(inmost.protocol),
        upgrade: upgrade.unwrap_or(inmost.upgrade),
        upgrade_name: at_inmost().find_map(|facts| facts.upgrade_name.clone()),
        proxied_client: at_inmost().find_map(|facts| facts.proxied_client),
        client_hello: client.client_hello.clone(),
        server_hello: server.server_hello.clone(),
        hello_retried: sightings.iter().any(|facts| facts.hello_retried),
        certificate: sightings.iter().find_map(|facts| facts.certificate.clone()),
        certificate_requested: sightings.iter().any(|facts| facts.certificate_requested),
        alerts: [Side::Client, Side::Server]
            .into_iter()
            .flat_map(|side| alerts(sightings, side))
            .collect(),
        refusal: refusals.min_by_key(|refusal| refusal.at.time),
        end: ends_seen.min_by_key(|end| end.at.time),
        resumed: resumed.clone().find_map(|facts| facts.resumed),
        // That both sides encrypt is seen; that they don't may be for want of packets.
        established: established.max(),
        coverage: Coverage::COMPLETE,
        quality: Quality { client: client.quality.client, server: server.quality.server },
        messages: messages(sightings).into_iter().collect(),
        half: None,
    };
    if facts.server_hello.is_some() {
        facts.refusal = None;
    }
    facts.alerts.sort_by_key(|alert| (alert.at.time, alert.at.frame));
    facts.coverage = coverage(&facts, client, server);
    if let Some(told) = of_halves(sightings) {
        let JoinedHalves { role_from, protocol, upgrade, .. } = told;
        let JoinedHalves { refusal, end, resumed, established, coverage, .. } = told;
        (facts.role_from, facts.protocol, facts.upgrade) = (role_from, protocol, upgrade);
        (facts.refusal, facts.end, facts.coverage) = (refusal, end, coverage);
        (facts.resumed, facts.established) = (resumed, established);
    }
    facts
}

/// What halves say together, where nobody saw both.
fn of_halves(sightings: &[&FlowFacts]) -> Option<JoinedHalves> {
    if sightings.iter().any(|facts| facts.half.is_none()) {
        return None;
    }
    let of = |side: Side| -> Vec<&FlowFacts> {
        let is_of = |facts: &&FlowFacts| facts.half.as_ref().map(|half| half.from()) == Some(side);
        sightings.iter().copied().filter(is_of).collect()
    };
    let (clients, servers) = (of(Side::Client), of(Side::Server));
    if clients.is_empty() || servers.is_empty() {
        return None;
    }
    join_halves(client_half(&clients), server_half(&servers))
}

/// The sighting that knows most of the client.
fn client_half<'a>(sightings: &[&'a FlowFacts]) -> &'a FlowFacts {
    let knows = |facts: &FlowFacts| {
        let hello = facts.client_hello.as_ref();
        let extent = hello.map(|hello| (hello.offer.extent, hello.server_name.is_some()));
        (extent, !facts.coverage.contains(Coverage::CLIENT_SIDE_MISSING))
    };
    best(sightings, knows)
}

/// The sighting that knows most of the server.
fn server_half<'a>(sightings: &[&'a FlowFacts]) -> &'a FlowFacts {
    let knows = |facts: &FlowFacts| {
        let hello = facts.server_hello.as_ref();
        let extent = hello.map(|hello| (hello.extent, hello.group.is_some()));
        let is_missing = facts.coverage.contains(Coverage::SERVER_SIDE_MISSING);
        (extent, facts.refusal.is_some(), !is_missing)
    };
    best(sightings, knows)
}

/// The first of those that know most.
fn best<'a, K: Ord>(sightings: &[&'a FlowFacts], knows: impl Fn(&FlowFacts) -> K) -> &'a FlowFacts {
    let mut best = sightings[0];
    for &facts in &sightings[1..] {
        if knows(facts) > knows(best) {
            best = facts;
        }
    }
    best
}

/// One side's alerts, of the sighting that has most of them.
fn alerts(sightings: &[&FlowFacts], side: Side) -> Vec<dissect::Alert> {
    let of = |facts: &FlowFacts| {
        facts.alerts.iter().filter(|alert| alert.from == side).copied().collect::<Vec<_>>()
    };
    of(best(sightings, |facts| of(facts).len()))
}

/// Each side's messages, of the sighting that has most of them, in the order of time.
fn messages(sightings: &[&FlowFacts]) -> Vec<MessageMark> {
    let of = |facts: &FlowFacts, side| {
        facts.messages.iter().filter(|message| message.from == side).collect::<Vec<_>>()
    };
    let mut all: Vec<_> = [Side::Client, Side::Server]
        .into_iter()
        .flat_map(|side| of(best(sightings, |facts| of(facts, side).len()), side))
        .collect();
    all.sort_by_key(|message| (message.at.time, message.at.frame));
    all
}

/// What nobody saw of the bytes that decide.
fn coverage(facts: &FlowFacts, client: &FlowFacts, server: &FlowFacts) -> Coverage {
    let sides = Coverage::CLIENT_SIDE_MISSING.bits() | Coverage::SERVER_SIDE_MISSING.bits();
    let losses = |facts: &FlowFacts| Coverage::from_bits(facts.coverage.bits() & !sides);
    let mut missing = Coverage::COMPLETE;
    let offer = facts.client_hello.as_ref().map(|hello| hello.offer.extent);
    if offer != Some(HelloExtent::Whole) {
        missing = missing.with(match client.coverage.contains(Coverage::CLIENT_SIDE_MISSING) {
            true => Coverage::CLIENT_SIDE_MISSING,
            false => losses(client),
        });
    }
    let choice = facts.server_hello.as_ref().map(|hello| hello.extent);
    if choice != Some(HelloExtent::Whole) && facts.refusal.is_none() {
        missing = missing.with(match server.coverage.contains(Coverage::SERVER_SIDE_MISSING) {
            true => Coverage::SERVER_SIDE_MISSING,
            false => losses(server),
        });
    }
    missing
}

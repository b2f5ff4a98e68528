//! All connections over UDP at hand.
//!
//! What has shown no hello yet is a candidate; candidates have a bound of their own, so that
//! forged packets only push out each other. A connection whose handshake is decided keeps its
//! facts and costs its later datagrams one lookup. Media that share the ports of a DTLS handshake
//! are not looked up, and do not count for the connection's last frame.

use std::collections::BTreeMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::hash_map::HashMap;

use super::recognise::{Recognised, recognise};
use super::{dns, dtls, quic};
use crate::flow::{Context, Key, SideFacts, Way};
use crate::tcp::Place;
use crate::tls::Interner;
use crate::{
    Counters, Coverage, Endpoint, FlowFacts, HelloSeen, Limits, Mark, NameSeen, Observer, Side,
    Sweep, Timestamp, Transport,
};

/// A UDP datagram as the layers below deliver it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Datagram<'a> {
    pub(crate) source: Endpoint,
    pub(crate) target: Endpoint,
    /// The captured payload.
    pub(crate) payload: &'a [u8],
    /// Payload bytes that the snap length cut off.
    pub(crate) cut: u32,
    pub(crate) at: Mark,
    /// Length of the frame on the wire.
    pub(crate) frame_len: u32,
}

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct UdpTable {
    limits: Limits,
    index: HashMap<Key, u32, FixedState>,
    flows: Vec<Flow>,
    free: Vec<u32>,
    /// Slots by age, oldest first: of candidates, and of connections that showed a hello.
    candidates: BTreeMap<u64, u32>,
    proven: BTreeMap<u64, u32>,
    next_age: u64,
    /// Bytes held by connections, beside the fixed size of each.
    held_bytes: usize,
    interner: Interner,
}

#[derive(Debug)]
struct Flow {
    key: Key,
    /// Unique, and greater than that of older connections.
    age: u64,
    is_proven: bool,
    first: Mark,
    last: Mark,
    /// Bytes that were counted for the state.
    counted_bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// An unused slot.
    Free,
    Quic(Box<quic::Conversation>),
    Dtls(Box<dtls::Conversation>),
    /// Decided.
    Settled(Box<Settled>),
}

#[derive(Debug)]
struct Settled {
    facts: FlowFacts,
    /// What the keys of a QUIC connection come from.
    opener: Option<quic::ConnectionId>,
    /// How often it was tried whether an Initial begins another connection.
    trials: u8,
}

/// DNS servers answer from this port (RFC 1035 §4.2.1).
const DNS_PORT: u16 = 53;
/// Trials of a decided connection for the beginning of another one between its endpoints.
const SETTLED_TRIALS_MAX: u8 = 16;
/// A connection over UDP that is silent for so long is over: servers end idle QUIC connections
/// within half a minute to two (RFC 9000 §10.1).
const SILENT_NS: i64 = 120_000_000_000;
/// Handshake packets are sent again within so long, with their time-out doubling (RFC 9002 §6.2).
const COPIES_NS: i64 = 10_000_000_000;
/// Bytes of decided facts beside their fixed size: names, alerts and their like, as a rule.
const FACTS_BYTES: usize = 256;
/// Bytes of a connection in the index and in the order of age, with their slack.
const ENTRY_BYTES: usize = 2 * size_of::<(Key, u32)>() + 2 * size_of::<(u64, u32)>();

impl UdpTable {
    pub(crate) fn new(mut limits: Limits, seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        limits.udp_memory_max = limits.udp_memory_max.min(limits.memory_max / 8);
        Self {
            limits,
            interner: Interner::new(hasher.hash_one(seed)),
            index: HashMap::with_hasher(hasher),
            flows: Vec::new(),
            free: Vec::new(),
            candidates: BTreeMap::new(),
            proven: BTreeMap::new(),
            next_age: 0,
            held_bytes: 0,
        }
    }

    /// Takes a datagram.
    #[inline]
    pub(crate) fn push(
        &mut self,
        datagram: &Datagram<'_>,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        if datagram.source.port == DNS_PORT {
            return name(datagram, counters, seen);
        }
        let Some(recognised) = recognise(datagram.payload, datagram.cut as usize) else { return };
        if recognised == Recognised::QuicShort && self.index.is_empty() {
            return;
        }
        let (key, way) = Key::new(datagram.source, datagram.target);
        if let Some(&slot) = self.index.get(&key) {
            if self.continues(slot, datagram, recognised) {
                return self.follow(slot, way, datagram, recognised, counters, seen);
            }
            self.close(slot, Coverage::COMPLETE, seen);
        }
        if let Some(slot) = self.open(key, datagram, recognised, counters, seen) {
            self.follow(slot, way, datagram, recognised, counters, seen);
        }
    }

    /// Ends all connections.
    pub(crate) fn finish(&mut self, seen: &mut impl Observer) {
        for slot in 0..self.flows.len() {
            // The table never holds more connections than a u32 counts.
            self.close(u32::try_from(slot).unwrap_or(u32::MAX), Coverage::COMPLETE, seen);
        }
    }

    /// Reports what is over at a time, and with [`Sweep::Cut`] what is decided. Of that its packets
    /// are no longer known, so it has to be old enough for its handshake's copies to be through.
    pub(crate) fn sweep(&mut self, now: Timestamp, kind: Sweep, seen: &mut impl Observer) {
        for slot in 0..self.flows.len() {
            let Some(flow) = self.flows.get(slot) else { break };
            let silent_ns = now.nanos_since(flow.last.time);
            let is_old = now.nanos_since(flow.first.time) >= COPIES_NS;
            let is_over = match flow.state {
                State::Free => false,
                State::Settled(_) => silent_ns >= SILENT_NS || (kind == Sweep::Cut && is_old),
                State::Quic(_) | State::Dtls(_) => silent_ns >= SILENT_NS,
            };
            if is_over {
                // The table never holds more connections than a u32 counts.
                self.close(u32::try_from(slot).unwrap_or(u32::MAX), Coverage::COMPLETE, seen);
            }
        }
        if kind == Sweep::Cut {
            self.interner.refresh();
        }
    }

    /// Whether a datagram belongs to the connection that has its endpoints, and not to a later
    /// one. What an open QUIC connection makes of it shows when it is read.
    fn continues(
        &mut self,
        slot: u32,
        datagram: &Datagram<'_>,
        recognised: Recognised<'_>,
    ) -> bool {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return false };
        let random = flow.client_random();
        match (recognised, &mut flow.state) {
            (Recognised::Dtls { records, .. }, State::Dtls(_) | State::Settled(_)) => {
                let other = dtls::hello_random(records);
                match random {
                    Some(_) => other.is_none() || other == random.as_ref(),
                    None => other.is_none() || !flow.is_midstream(),
                }
            }
            (Recognised::QuicLong, State::Settled(settled)) => {
                let (payload, cut) = (datagram.payload, datagram.cut as usize);
                if settled.trials >= SETTLED_TRIALS_MAX || !quic::begins_initial(payload, cut) {
                    return true;
                }
                settled.trials += 1;
                !quic::opens_another(payload, cut, settled.opener, random.as_ref())
            }
            _ => true,
        }
    }

    /// Makes a connection of a datagram that may begin one, or be a server's answer.
    fn open(
        &mut self,
        key: Key,
        datagram: &Datagram<'_>,
        recognised: Recognised<'_>,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) -> Option<u32> {
        let state = match recognised {
            Recognised::QuicLong
                if quic::begins_initial(datagram.payload, datagram.cut as usize) =>
            {
                State::Quic(Box::default())
            }
            Recognised::Dtls { records, cut }
                if dtls::opens_conversation(records, cut)
                    || dtls::sealed_data(records, cut).is_some() =>
            {
                State::Dtls(Box::default())
            }
            _ => return None,
        };
        while self.candidates.len() >= self.limits.udp_candidates_max
            || self.used_bytes() > self.limits.udp_memory_max
        {
            if !self.evict(counters, seen) {
                break;
            }
        }
        let age = self.next_age;
        self.next_age += 1;
        let flow = Flow {
            key,
            age,
            is_proven: false,
            first: datagram.at,
            last: datagram.at,
            counted_bytes: 0,
            state,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.flows[slot as usize] = flow;
                slot
            }
            None => {
                self.flows.push(flow);
                // Far fewer connections than 2^32 fit into memory.
                u32::try_from(self.flows.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.candidates.insert(age, slot);
        self.index.insert(key, slot);
        Some(slot)
    }

    /// Takes a datagram of a known connection.
    fn follow(
        &mut self,
        slot: u32,
        way: Way,
        datagram: &Datagram<'_>,
        recognised: Recognised<'_>,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        let mut context = Context {
            at: datagram.at,
            place: Place::default(),
            frame_len: datagram.frame_len,
            transport: Transport::Udp,
            limits: &self.limits,
            interner: &mut self.interner,
        };
        let had_hello = Way::BOTH.map(|way| flow.facts(way).is_some_and(SideFacts::has_hello));
        let step = match (&mut flow.state, recognised) {
            (State::Quic(conversation), _) => {
                let (payload, cut) = (datagram.payload, datagram.cut as usize);
                conversation.push(way, payload, cut, counters, &mut context)
            }
            (State::Dtls(conversation), Recognised::Dtls { records, cut }) => {
                conversation.push(way, records, cut, counters, &mut context);
                quic::Step::Continue
            }
            (State::Settled(_), _) => {
                flow.last = datagram.at;
                return;
            }
            _ => return,
        };
        if step == quic::Step::Another {
            let key = flow.key;
            self.close(slot, Coverage::COMPLETE, seen);
            if let Some(slot) = self.open(key, datagram, recognised, counters, seen) {
                // A connection without a hello never takes a datagram for another's.
                self.follow(slot, way, datagram, recognised, counters, seen);
            }
            return;
        }
        flow.last = datagram.at;
        for way in Way::BOTH {
            if !had_hello[way.index()]
                && let Some(facts) = flow.facts(way)
            {
                report_hello(flow.key, way, facts, datagram.at, seen);
            }
        }
        self.settle(slot, seen);
    }

    /// Notes that a connection is proven, stops reading one that is decided, and counts its bytes.
    fn settle(&mut self, slot: u32, seen: &mut impl Observer) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        let (is_proven, is_settled) = match &flow.state {
            State::Quic(conversation) => (conversation.is_proven(), conversation.is_settled()),
            State::Dtls(conversation) => (conversation.is_proven(), conversation.is_settled()),
            State::Settled(_) | State::Free => return,
        };
        if is_proven && !flow.is_proven {
            flow.is_proven = true;
            self.candidates.remove(&flow.age);
            self.proven.insert(flow.age, slot);
        }
        if is_settled {
            let opener = match &flow.state {
                State::Quic(conversation) => conversation.opener(),
                _ => None,
            };
            let facts = flow.take_facts(Coverage::COMPLETE, &self.limits, &mut self.interner);
            let Some(facts) = facts else { return self.forget(slot) };
            let facts = FlowFacts { first: flow.first, last: flow.last, ..facts };
            seen.decided(&facts);
            flow.state = State::Settled(Box::new(Settled { facts, opener, trials: 0 }));
        }
        self.count_bytes(slot);
    }

    /// Ends a connection, reports it and frees its slot.
    fn close(&mut self, slot: u32, missing: Coverage, seen: &mut impl Observer) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        let (first, last) = (flow.first, flow.last);
        let was_decided = matches!(flow.state, State::Settled(_));
        let facts = flow.take_facts(missing, &self.limits, &mut self.interner);
        self.forget(slot);
        if let Some(facts) = facts {
            let facts = FlowFacts { first, last, ..facts };
            if !was_decided {
                seen.decided(&facts);
            }
            seen.flow(facts);
        }
    }

    /// Frees a slot.
    fn forget(&mut self, slot: u32) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        let order = if flow.is_proven { &mut self.proven } else { &mut self.candidates };
        // A slot that is free already is in no order, since its age was taken out of it.
        if order.remove(&flow.age).is_none() {
            return;
        }
        self.held_bytes -= std::mem::take(&mut flow.counted_bytes);
        flow.state = State::Free;
        self.index.remove(&flow.key);
        self.free.push(slot);
    }

    /// Gives up the oldest candidate, or the oldest connection without any. `false` when there is
    /// nothing to give up.
    fn evict(&mut self, counters: &mut Counters, seen: &mut impl Observer) -> bool {
        let oldest = self.candidates.first_key_value().or_else(|| self.proven.first_key_value());
        let Some((_, &slot)) = oldest else { return false };
        let Some(flow) = self.flows.get(slot as usize) else { return false };
        let missing = match (&flow.state, flow.is_proven) {
            (State::Settled(_), _) => Coverage::COMPLETE,
            (_, is_proven) => {
                counters.evicted_flows += u64::from(is_proven);
                counters.evicted_candidates += u64::from(!is_proven);
                Coverage::EVICTED
            }
        };
        self.close(slot, missing, seen);
        true
    }

    fn count_bytes(&mut self, slot: u32) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        let held = match &flow.state {
            State::Free => 0,
            State::Quic(conversation) => {
                size_of::<quic::Conversation>() + conversation.held_bytes()
            }
            State::Dtls(conversation) => {
                size_of::<dtls::Conversation>() + conversation.held_bytes()
            }
            State::Settled(_) => size_of::<Settled>() + FACTS_BYTES,
        };
        self.held_bytes = self.held_bytes - flow.counted_bytes + held;
        flow.counted_bytes = held;
    }

    /// Bytes of state, approximately.
    pub(crate) fn used_bytes(&self) -> usize {
        self.index.len() * (size_of::<Flow>() + ENTRY_BYTES) + self.held_bytes
    }

    /// Connections at hand.
    pub(crate) fn flow_count(&self) -> usize {
        self.index.len()
    }
}

impl Flow {
    /// What one direction said, of a connection that is being read.
    fn facts(&self, way: Way) -> Option<&SideFacts> {
        match &self.state {
            State::Quic(conversation) => Some(conversation.facts(way)),
            State::Dtls(conversation) => Some(conversation.facts(way)),
            State::Settled(_) | State::Free => None,
        }
    }

    /// The random of the first ClientHello.
    fn client_random(&self) -> Option<[u8; 32]> {
        let hello = match &self.state {
            State::Settled(settled) => settled.facts.client_hello.as_ref(),
            _ => Way::BOTH.iter().find_map(|&way| self.facts(way)?.client_hello.as_ref()),
        };
        hello.map(|hello| hello.random)
    }

    /// Whether it is a DTLS connection that is known by its application data alone.
    fn is_midstream(&self) -> bool {
        match &self.state {
            State::Dtls(conversation) => conversation.is_midstream(),
            State::Settled(settled) => settled.facts.messages.is_empty(),
            State::Quic(_) | State::Free => false,
        }
    }

    /// Takes the facts out; `None` when there are none.
    fn take_facts(
        &mut self,
        missing: Coverage,
        limits: &Limits,
        interner: &mut Interner,
    ) -> Option<FlowFacts> {
        let senders = Way::BOTH.map(|way| self.key.sender(way));
        let transport = Transport::Udp;
        let place = Place::default();
        let mut context =
            Context { at: self.last, place, frame_len: 0, transport, limits, interner };
        match std::mem::replace(&mut self.state, State::Free) {
            State::Free => None,
            State::Settled(settled) => Some(settled.facts),
            State::Quic(conversation) => conversation.finish(senders, missing, &mut context),
            State::Dtls(conversation) => conversation.finish(senders, missing, &mut context),
        }
    }
}

/// Reports the names in a DNS answer.
fn name(datagram: &Datagram<'_>, counters: &mut Counters, seen: &mut impl Observer) {
    let Some(answer) = dns::answer(datagram.payload) else { return };
    counters.names += 1;
    let dns::Answer { name, addresses, ttl } = answer;
    let (client, at) = (datagram.target.addr, datagram.at);
    seen.name(NameSeen { client, name, addresses, ttl, at });
}

fn report_hello(key: Key, way: Way, facts: &SideFacts, at: Mark, seen: &mut impl Observer) {
    let (sender, receiver) = (key.sender(way), key.sender(way.reverse()));
    let (client, server, from, version) = match (&facts.client_hello, &facts.server_hello) {
        (Some(hello), _) => (sender, receiver, Side::Client, hello.offer.max_version()),
        (None, Some(hello)) => (receiver, sender, Side::Server, hello.version()),
        (None, None) => return,
    };
    seen.hello(HelloSeen { client, server, from, version, at });
}

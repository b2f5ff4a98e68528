//! All connections at hand.
//!
//! A connection attempt without payload takes a small entry in a table of its own; the first
//! payload makes a flow of it. A flow whose handshake is decided keeps its facts and stops being
//! read. Flows that are no TLS keep a bare entry, so that their packets are known.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::hash_map::{Entry, HashMap};

use super::conversation::Conversation;
use super::join::Halves;
use super::key::{Key, Way};
use super::{Context, reader::Reader};
use crate::net::tcp_flags as flags;
use crate::tcp::Seq;
use crate::tls::Interner;
use crate::{
    Counters, Coverage, End, EndKind, Endpoint, FlowFacts, HelloSeen, Limits, Mark, Observer, Side,
    Transport,
};

/// A TCP segment as the layers below deliver it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) source: Endpoint,
    pub(crate) target: Endpoint,
    pub(crate) seq: Seq,
    pub(crate) ack: Seq,
    /// Bits of [`flags`].
    pub(crate) flags: u8,
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
pub(crate) struct FlowTable {
    limits: Limits,
    attempts: HashMap<Key, Attempt, FixedState>,
    attempts_by_age: VecDeque<(Key, u64)>,
    index: HashMap<Key, u32, FixedState>,
    flows: Vec<Flow>,
    free: Vec<u32>,
    /// The next flow that is looked at when memory runs out.
    eviction_hand: usize,
    /// Bytes held by open conversations, beside the fixed size of each flow.
    held_bytes: usize,
    interner: Interner,
}

/// A connection without payload so far.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    first: Mark,
    /// First sequence number behind the SYN, of each direction.
    starts: [Option<Seq>; 2],
    dialled: Option<Way>,
}

#[derive(Debug)]
struct Flow {
    key: Key,
    first: Mark,
    last: Mark,
    starts: [Option<Seq>; 2],
    dialled: Option<Way>,
    end: Option<(Way, EndKind, Mark)>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// An unused slot.
    Free,
    /// Being read.
    Open(Box<Conversation>),
    /// Decided.
    Settled(Box<FlowFacts>),
    /// No TLS.
    Plain,
}

impl FlowTable {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        let hasher = FixedState::with_seed(seed);
        Self {
            limits,
            attempts: HashMap::with_hasher(hasher.clone()),
            attempts_by_age: VecDeque::new(),
            index: HashMap::with_hasher(hasher.clone()),
            flows: Vec::new(),
            free: Vec::new(),
            eviction_hand: 0,
            held_bytes: 0,
            interner: Interner::new(hasher.hash_one(seed)),
        }
    }

    /// Takes a segment.
    pub(crate) fn push(
        &mut self,
        segment: &Segment<'_>,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        let (key, way) = Key::new(segment.source, segment.target);
        if let Some(&slot) = self.index.get(&key) {
            if self.continues(slot, way, segment) {
                return self.follow(slot, way, segment, counters, seen);
            }
            self.close(slot, Coverage::COMPLETE, counters, seen);
        }
        if segment.flags & flags::SYN != 0 {
            self.attempt(key, way, segment, counters);
        }
        if !segment.payload.is_empty() || segment.cut > 0 {
            let slot = self.open(key, segment, counters, seen);
            self.follow(slot, way, segment, counters, seen);
        }
    }

    /// Ends all connections.
    pub(crate) fn finish(&mut self, counters: &mut Counters, seen: &mut impl Observer) {
        for slot in 0..self.flows.len() {
            // The table never holds more flows than a u32 counts.
            self.close(u32::try_from(slot).unwrap_or(u32::MAX), Coverage::COMPLETE, counters, seen);
        }
        self.attempts.clear();
        self.attempts_by_age.clear();
    }

    /// Whether a segment belongs to the flow that has its endpoints, and not to a later
    /// connection with the same ports.
    fn continues(&self, slot: u32, way: Way, segment: &Segment<'_>) -> bool {
        let Some(flow) = self.flows.get(slot as usize) else { return false };
        if segment.flags & flags::SYN != 0 {
            let start = segment.seq.plus(1);
            return match flow.starts[way.index()] {
                Some(known) => known == start,
                // The direction's first packet, or the SYN of a connection first seen later.
                None => flow.end.is_none() || flow.fits_start(way, start),
            };
        }
        match &flow.state {
            State::Settled(facts) => !is_other_hello(segment.payload, facts),
            State::Plain => !is_hello(segment.payload) || flow.end.is_none(),
            State::Open(_) | State::Free => true,
        }
    }

    /// Notes a SYN or SYN-ACK.
    fn attempt(&mut self, key: Key, way: Way, segment: &Segment<'_>, counters: &mut Counters) {
        let start = segment.seq.plus(1);
        let is_answer = segment.flags & flags::ACK != 0;
        let mut attempt = Attempt { first: segment.at, starts: [None; 2], dialled: None };
        match self.attempts.entry(key) {
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                if known.starts[way.index()].is_none_or(|other| other == start) {
                    attempt = *known;
                }
                attempt.note(way, start, is_answer, segment.ack);
                *known = attempt;
            }
            Entry::Vacant(entry) => {
                attempt.note(way, start, is_answer, segment.ack);
                entry.insert(attempt);
                self.attempts_by_age.push_back((key, segment.at.frame));
            }
        }
        while self.attempts.len() > self.limits.attempts_max
            || self.attempts_by_age.len() > 2 * self.limits.attempts_max
        {
            let Some((key, frame)) = self.attempts_by_age.pop_front() else { break };
            if self.attempts.get(&key).is_some_and(|attempt| attempt.first.frame == frame) {
                self.attempts.remove(&key);
                counters.evicted_attempts += 1;
            }
        }
    }

    /// Makes a flow for a first payload.
    fn open(
        &mut self,
        key: Key,
        segment: &Segment<'_>,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) -> u32 {
        let attempt = self.attempts.remove(&key).unwrap_or(Attempt {
            first: segment.at,
            starts: [None; 2],
            dialled: None,
        });
        let mut conversation = Box::<Conversation>::default();
        for way in Way::BOTH {
            if let Some(start) = attempt.starts[way.index()] {
                conversation.anchor(way, start);
            }
        }
        while self.used_bytes() > self.limits.memory_max {
            if !self.evict(counters, seen) {
                break;
            }
        }
        let flow = Flow {
            key,
            first: attempt.first,
            last: segment.at,
            starts: attempt.starts,
            dialled: attempt.dialled,
            end: None,
            state: State::Open(conversation),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.flows[slot as usize] = flow;
                slot
            }
            None => {
                self.flows.push(flow);
                // Far fewer flows than 2^32 fit into memory.
                u32::try_from(self.flows.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.held_bytes += size_of::<Conversation>();
        self.index.insert(key, slot);
        slot
    }

    /// Takes a segment of a known flow.
    fn follow(
        &mut self,
        slot: u32,
        way: Way,
        segment: &Segment<'_>,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        flow.last = segment.at;
        let has_payload = !segment.payload.is_empty() || segment.cut > 0;
        counters.data_segments += u64::from(has_payload);
        if segment.flags & flags::SYN != 0 {
            flow.note_syn(way, segment);
        }
        if let State::Open(conversation) = &mut flow.state
            && has_payload
        {
            let mut context = Context {
                at: segment.at,
                frame_len: segment.frame_len,
                transport: Transport::Tcp,
                limits: &self.limits,
                interner: &mut self.interner,
            };
            let had_hello = conversation.reader(way).facts.has_hello();
            let is_syn = segment.flags & flags::SYN != 0;
            let seq = segment.seq.plus(u32::from(is_syn));
            conversation.push(way, seq, segment.payload, segment.cut, counters, &mut context);
            self.held_bytes =
                self.held_bytes.saturating_add_signed(conversation.held_bytes_change());
            if !had_hello && conversation.reader(way).facts.has_hello() {
                report_hello(flow.key, way, conversation.reader(way), segment.at, seen);
            }
            Self::settle(flow, &mut self.held_bytes);
        }
        if segment.flags & (flags::FIN | flags::RST) != 0 && flow.end.is_none() {
            let is_reset = segment.flags & flags::RST != 0;
            let kind = if is_reset { EndKind::Reset } else { EndKind::Fin };
            flow.end = Some((way, kind, segment.at));
        }
    }

    /// Stops reading a flow that is decided.
    fn settle(flow: &mut Flow, held_bytes: &mut usize) {
        let State::Open(conversation) = &mut flow.state else { return };
        let is_plain = conversation.is_plain();
        if !is_plain && !conversation.is_settled() {
            return;
        }
        let conversation = std::mem::take(conversation);
        *held_bytes = held_bytes
            .saturating_add_signed(-conversation.counted_bytes())
            .saturating_sub(size_of::<Conversation>());
        if is_plain {
            flow.state = State::Plain;
        } else {
            let facts = flow.join(conversation.into_readers(), Coverage::COMPLETE);
            flow.state = facts.map_or(State::Plain, |facts| State::Settled(Box::new(facts)));
        }
    }

    /// Ends a flow, reports it and frees its slot.
    fn close(
        &mut self,
        slot: u32,
        missing: Coverage,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        let facts = match std::mem::replace(&mut flow.state, State::Free) {
            State::Free => return,
            State::Plain => None,
            State::Settled(facts) => Some(*facts),
            State::Open(mut conversation) => {
                let mut context = Context {
                    at: flow.last,
                    frame_len: 0,
                    transport: Transport::Tcp,
                    limits: &self.limits,
                    interner: &mut self.interner,
                };
                self.held_bytes = self
                    .held_bytes
                    .saturating_add_signed(-conversation.counted_bytes())
                    .saturating_sub(size_of::<Conversation>());
                conversation.finish(counters, &mut context);
                flow.join(conversation.into_readers(), missing)
            }
        };
        self.index.remove(&flow.key);
        self.free.push(slot);
        if let Some(mut facts) = facts {
            (facts.first, facts.last) = (flow.first, flow.last);
            let side = |way| {
                if flow.key.sender(way) == facts.client { Side::Client } else { Side::Server }
            };
            facts.end = flow.end.map(|(way, kind, at)| End { by: side(way), kind, at });
            seen.flow(facts);
        }
    }

    /// Gives up one flow: the first plain or decided one from the hand on, or, when there is
    /// none, the one under the hand. `false` when there is nothing to give up.
    fn evict(&mut self, counters: &mut Counters, seen: &mut impl Observer) -> bool {
        let count = self.flows.len();
        if count == self.free.len() {
            return false;
        }
        let at = |hand: usize| (hand % count, self.flows.get(hand % count));
        let mut victim = None;
        for hand in self.eviction_hand..self.eviction_hand + count {
            let (slot, flow) = at(hand);
            match flow.map(|flow| (&flow.state, flow.end)) {
                Some((State::Plain | State::Settled(_), _)) => {
                    victim = Some((slot, Coverage::COMPLETE));
                    break;
                }
                Some((State::Open(_), Some(_))) => {
                    victim = Some((slot, Coverage::COMPLETE));
                    break;
                }
                Some((State::Open(_), None)) if victim.is_none() => {
                    victim = Some((slot, Coverage::EVICTED));
                }
                _ => {}
            }
            if hand - self.eviction_hand > EVICTION_STEPS_MAX && victim.is_some() {
                break;
            }
        }
        let Some((slot, missing)) = victim else { return false };
        self.eviction_hand = slot + 1;
        counters.evicted_flows += u64::from(!missing.is_complete());
        self.close(u32::try_from(slot).unwrap_or(u32::MAX), missing, counters, seen);
        true
    }

    /// Bytes of flow state, approximately: tables by their capacity, flows by what they hold.
    fn used_bytes(&self) -> usize {
        self.attempts.capacity() * size_of::<(Key, Attempt, u8)>()
            + self.attempts_by_age.capacity() * size_of::<(Key, u64)>()
            + self.index.capacity() * size_of::<(Key, u32, u8)>()
            + (self.flows.len() - self.free.len()) * size_of::<Flow>()
            + self.held_bytes
    }
}

/// Flows that are looked at for one that can be given up without loss.
const EVICTION_STEPS_MAX: usize = 64;

impl Attempt {
    fn note(&mut self, way: Way, start: Seq, is_answer: bool, ack: Seq) {
        self.starts[way.index()] = Some(start);
        if is_answer {
            self.starts[way.reverse().index()].get_or_insert(ack);
            self.dialled = self.dialled.or(Some(way.reverse()));
        } else {
            self.dialled = Some(way);
        }
    }
}

impl Flow {
    /// Joins what both directions said; `None` when it is no TLS.
    fn join(&self, readers: [Reader; 2], missing: Coverage) -> Option<FlowFacts> {
        let halves = Halves {
            senders: Way::BOTH.map(|way| self.key.sender(way)),
            sides: readers.map(|reader| reader.facts),
            dialled: self.dialled.map(Way::index),
            end: self.end.map(|(way, kind, at)| (way.index(), kind, at)),
            missing,
        };
        halves.join()
    }

    /// Whether a SYN's first byte is where this direction's bytes begin.
    fn fits_start(&self, way: Way, start: Seq) -> bool {
        self.starts[way.index()].is_none_or(|known| known == start)
    }

    /// Notes a SYN that comes after payload, as mirrors with a lag between directions deliver it.
    fn note_syn(&mut self, way: Way, segment: &Segment<'_>) {
        let start = segment.seq.plus(1);
        let is_answer = segment.flags & flags::ACK != 0;
        let mut attempt = Attempt { first: self.first, starts: self.starts, dialled: self.dialled };
        attempt.note(way, start, is_answer, segment.ack);
        (self.starts, self.dialled) = (attempt.starts, attempt.dialled);
        if let State::Open(conversation) = &mut self.state {
            for way in Way::BOTH {
                if let Some(start) = self.starts[way.index()] {
                    conversation.anchor(way, start);
                }
            }
        }
    }
}

fn report_hello(key: Key, way: Way, reader: &Reader, at: Mark, seen: &mut impl Observer) {
    let (sender, receiver) = (key.sender(way), key.sender(way.reverse()));
    let facts = &reader.facts;
    let hello = match (&facts.client_hello, &facts.server_hello) {
        (Some(hello), _) => HelloSeen {
            client: sender,
            server: receiver,
            from: Side::Client,
            version: hello.offer.max_version(),
            at,
        },
        (None, Some(hello)) => HelloSeen {
            client: receiver,
            server: sender,
            from: Side::Server,
            version: hello.version(),
            at,
        },
        (None, None) => return,
    };
    seen.hello(hello);
}

/// Whether a payload begins with a ClientHello in the clear.
fn is_hello(payload: &[u8]) -> bool {
    matches!(*payload, [22, 3, 0..=4, _, _, 1, 0, _, _, 3, ..])
}

/// Whether a payload begins another ClientHello than the one known: a later connection.
fn is_other_hello(payload: &[u8], facts: &FlowFacts) -> bool {
    is_hello(payload)
        && payload.get(11..43).is_some_and(|random| {
            facts.client_hello.as_ref().is_some_and(|hello| hello.random != random)
        })
}

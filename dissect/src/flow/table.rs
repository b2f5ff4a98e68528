//! All connections at hand.
//!
//! A connection attempt without payload takes a small entry in a table of its own; the first
//! payload makes a flow of it. A flow whose handshake is decided keeps its facts and stops being
//! read. Flows that are no TLS keep a bare entry, so that their packets are known.
//!
//! Ports are reused. A SYN with another sequence number, or a hello far from the known bytes,
//! begins a new connection; the old one stays until the new one has said something, since its last
//! packets may come late.

use super::Context;
use super::attempts::{Attempt, Attempts};
use super::connection::{Flow, Segment, State};
use super::index::{Index, KeyHash, KeyHasher};
use super::key::{Key, Way};
use super::reader::Reader;
use crate::tcp::Place;
use crate::tls::Interner;
use crate::{Counters, Coverage, HelloSeen, Limits, Mark, Observer, Side, Transport};

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct FlowTable {
    pub(super) limits: Limits,
    hasher: KeyHasher,
    pub(super) attempts: Attempts,
    index: Index,
    pub(super) flows: Vec<Flow>,
    free: Vec<u32>,
    /// The next flow that is looked at when memory runs out.
    pub(super) eviction_hand: usize,
    /// How far is looked for one that can be given up without loss.
    pub(super) eviction_patience: usize,
    /// Bytes held by the flows' states, beside the fixed size of each flow.
    held_bytes: usize,
    /// Bytes that are taken from the ceiling for what is kept elsewhere.
    pub(super) reserved_bytes: usize,
    interner: Interner,
}

/// Where a segment's connection may be found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Located {
    hash: KeyHash,
    /// The slot that its flow had when it was looked at, if there was one.
    slot: Option<u32>,
}

/// Whose a segment is.
enum Owner {
    /// The known connection's.
    Known,
    /// A later one's with the same ports, which begins with this payload.
    Later,
    /// A later one's, which has said nothing yet.
    Silent,
}

impl FlowTable {
    pub(crate) fn new(limits: Limits, seed: u64) -> Self {
        Self {
            hasher: KeyHasher::new(seed),
            attempts: Attempts::new(&limits),
            limits,
            index: Index::default(),
            flows: Vec::new(),
            free: Vec::new(),
            eviction_hand: 0,
            eviction_patience: super::evict::PATIENCE,
            held_bytes: 0,
            reserved_bytes: 0,
            interner: Interner::new(seed),
        }
    }

    /// Where to look for a segment's connection.
    #[inline]
    pub(crate) fn locate(&self, segment: &Segment<'_>) -> Located {
        let hash = self.hasher.hash(&segment.key);
        Located { hash, slot: self.index.find(hash, |_| true) }
    }

    /// Looks at what is known of a segment's connection, so that it is at hand when the segment is
    /// pushed. Changes nothing.
    #[inline]
    pub(crate) fn look(&self, segment: &Segment<'_>, located: &mut Located) {
        match located.slot {
            Some(slot) => {
                located.slot = Some(slot).filter(|slot| self.holds(*slot, &segment.key));
            }
            None if segment.is_syn() => self.attempts.look(&segment.key, located.hash),
            None => {}
        }
    }

    /// Whether the flow in a slot is the one of a key.
    #[inline]
    fn holds(&self, slot: u32, key: &Key) -> bool {
        let flow = self.flows.get(slot as usize);
        flow.is_some_and(|flow| flow.key == *key && !matches!(flow.state, State::Free))
    }

    /// Takes a segment.
    pub(crate) fn push(
        &mut self,
        segment: &Segment<'_>,
        located: &Located,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        let (Segment { key, way, .. }, &Located { hash, slot }) = (segment, located);
        let way = *way;
        let slot = slot.filter(|slot| self.holds(*slot, key));
        let flow = slot.and_then(|slot| self.flows.get_mut(slot as usize));
        if let Some(flow) = flow.filter(|flow| flow.is_decided_for(segment)) {
            counters.data_segments += u64::from(segment.has_payload());
            return flow.note_bytes(way, segment);
        }
        if let Some(slot) = slot.or_else(|| self.index.find(hash, |slot| self.holds(slot, key))) {
            match self.owner(slot, way, segment, counters) {
                Owner::Known => return self.follow(slot, way, segment, counters, seen),
                Owner::Silent => return,
                Owner::Later => self.close(slot, Coverage::COMPLETE, counters, seen),
            }
        } else if segment.is_syn() {
            self.attempts.note(key, hash, way, segment, counters);
        } else if segment.is_end() {
            self.attempts.note_ending(key, hash, way, segment);
        }
        if segment.has_payload() {
            let slot = self.open(*key, hash, segment);
            self.follow(slot, way, segment, counters, seen);
        }
    }

    /// Ends all connections.
    pub(crate) fn finish(&mut self, counters: &mut Counters, seen: &mut impl Observer) {
        for slot in 0..self.flows.len() {
            // The table never holds more flows than a u32 counts.
            self.close(u32::try_from(slot).unwrap_or(u32::MAX), Coverage::COMPLETE, counters, seen);
        }
        self.attempts.report_silent(None, seen);
        self.attempts.clear();
        debug_assert_eq!(self.held_bytes, 0, "closed flows hold nothing");
    }

    /// Whose a segment between the endpoints of a known flow is.
    #[inline]
    fn owner(
        &mut self,
        slot: u32,
        way: Way,
        segment: &Segment<'_>,
        counters: &mut Counters,
    ) -> Owner {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return Owner::Later };
        let later = if segment.has_payload() { Owner::Later } else { Owner::Silent };
        if segment.is_syn() {
            if flow.is_own_syn(way, segment) {
                return Owner::Known;
            }
            flow.has_successor = true;
            self.attempts.note(&flow.key, flow.hash, way, segment, counters);
            return later;
        }
        if flow.has_successor {
            match self.attempts.find(&flow.key, flow.hash) {
                Some(attempt) if attempt.owns(way, segment) => {
                    if segment.is_end() && !segment.has_payload() {
                        self.attempts.note_ending(&flow.key, flow.hash, way, segment);
                    }
                    return later;
                }
                Some(_) => {}
                None => flow.has_successor = false,
            }
        }
        if flow.is_over_by(way, segment) { later } else { Owner::Known }
    }

    /// Makes a flow for a first payload.
    fn open(&mut self, key: Key, hash: KeyHash, segment: &Segment<'_>) -> u32 {
        let attempt = self.attempts.take(&key, hash).unwrap_or_else(|| Attempt::unseen(segment.at));
        let flow = Flow::new(key, hash, &attempt, segment.at);
        self.held_bytes += flow.held_bytes;
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
        self.index.insert(hash, slot);
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
        flow.note(way, segment);
        if let State::Open(conversation) = &mut flow.state {
            conversation.note(way, segment);
        }
        if !segment.has_payload() {
            return;
        }
        counters.data_segments += 1;
        let State::Open(conversation) = &mut flow.state else { return };
        let mut context = Context {
            at: segment.at,
            place: Place { seq: segment.start(), ack: segment.acked() },
            frame_len: segment.frame_len,
            transport: Transport::Tcp,
            limits: &self.limits,
            interner: &mut self.interner,
        };
        let had_hello = conversation.reader(way).facts.has_hello();
        conversation.push(way, segment, counters, &mut context);
        if !had_hello && conversation.reader(way).facts.has_hello() {
            report_hello(flow.key, way, conversation.reader(way), segment.at, seen);
        }
        Self::settle(flow, seen);
        let held = flow.state.held_bytes();
        let held_before = std::mem::replace(&mut flow.held_bytes, held);
        self.held_bytes = self.held_bytes + held - held_before;
        if held > held_before {
            self.shed(counters, seen);
        }
    }

    /// Stops reading a flow that is decided.
    fn settle(flow: &mut Flow, seen: &mut impl Observer) {
        let State::Open(conversation) = &mut flow.state else { return };
        if conversation.is_plain() {
            flow.state = State::Plain;
        } else if conversation.is_settled() {
            let State::Open(mut read) = std::mem::replace(&mut flow.state, State::Plain) else {
                return;
            };
            let facts = flow.join(&mut read, Coverage::COMPLETE);
            flow.state = facts.map_or(State::Plain, |mut facts| {
                flow.complete(&mut facts);
                seen.decided(&facts);
                State::Settled(facts)
            });
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
        self.report(slot, missing, counters, seen);
        self.forget(slot);
    }

    /// Reports a flow. Its entry stays, so that its later packets are known.
    pub(super) fn report(
        &mut self,
        slot: u32,
        missing: Coverage,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        self.held_bytes -= std::mem::take(&mut flow.held_bytes);
        let facts = match std::mem::replace(&mut flow.state, State::Plain) {
            State::Free => {
                flow.state = State::Free;
                None
            }
            State::Plain => None,
            State::Settled(facts) => Some(facts),
            State::Open(mut conversation) => {
                let mut context = Context {
                    at: flow.last,
                    place: Place::default(),
                    frame_len: 0,
                    transport: Transport::Tcp,
                    limits: &self.limits,
                    interner: &mut self.interner,
                };
                conversation.finish(counters, &mut context);
                let mut facts = flow.join(&mut conversation, missing);
                match &mut facts {
                    Some(facts) => {
                        flow.complete(facts);
                        seen.decided(facts);
                    }
                    None if missing.is_complete() && conversation.awaits_hello() => {
                        flow.silent(&mut conversation).into_iter().for_each(|it| seen.silent(it));
                    }
                    None => {}
                }
                facts
            }
        };
        if let Some(mut facts) = facts {
            flow.complete(&mut facts);
            seen.boxed_flow(facts);
        }
    }

    /// Frees the slot of a flow that is reported.
    pub(super) fn forget(&mut self, slot: u32) {
        let Some(flow) = self.flows.get_mut(slot as usize) else { return };
        if !matches!(flow.state, State::Free) {
            flow.state = State::Free;
            self.index.remove(flow.hash, slot);
            self.free.push(slot);
        }
    }

    /// Forgets what is shared between connections, before it is full of what nobody sends any more.
    pub(super) fn refresh(&mut self) {
        self.interner.refresh();
    }

    /// Leaves so many bytes of the ceiling to others.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.reserved_bytes = bytes;
    }

    /// Connections that have an entry.
    pub(crate) fn count(&self) -> usize {
        self.flows.len() - self.free.len()
    }

    /// Bytes of flow state, approximately: tables by their capacity, flows by what they hold.
    pub(crate) fn used_bytes(&self) -> usize {
        self.attempts.held_bytes()
            + self.index.held_bytes()
            + (self.flows.len() - self.free.len()) * size_of::<Flow>()
            + self.held_bytes
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

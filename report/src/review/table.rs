//! The connections of a text, found again by ports where there are any, else by addresses.
//!
//! Wireshark's packet list names no ports in the rows of TLS. Connections between the same two
//! addresses are then told apart as well as can be: a hello goes to the oldest connection that
//! waits for one, an answer to the oldest hello without one, and what fits several goes to none.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;

use dissect::{Coverage, Endpoint, FlowFacts, Mark, MessageKind, Timestamp, Transport};

use super::packet::{Packet, Speech};
use super::shared::Shared;
use super::talk::{Sight, Talk, without_imitation};
use crate::FactsStore;

/// Bytes of a connection that is followed, with its places in the tables; what it holds outside is
/// counted by itself.
pub(super) const TALK_SIZE: u64 = 2048;
const _: () = assert!(size_of::<Talk>() as u64 + 512 <= TALK_SIZE);

/// Open connections of two addresses that are looked through for a row without ports.
const OPEN_MAX: usize = 256;

/// Late copies of the packets of a connection that ended come within a minute, or never.
const LINGER_NS: i64 = 60_000_000_000;

/// Connections that are over and are remembered, so that their late rows are known: 8 MiB.
const REMEMBERED_MAX: usize = 1 << 16;

/// Rows between two looks for connections that are over, at least.
const SWEEP_ROWS_MIN: usize = 1 << 12;

/// The two ends in ascending order, and the transport.
type Ends = (Endpoint, Endpoint, Transport);
type Pair = (IpAddr, IpAddr, Transport);

/// All connections that are followed, and the facts of those that are over.
#[derive(Debug)]
pub(super) struct Table {
    talks: HashMap<u64, Box<Talk>>,
    by_ends: HashMap<Ends, u64>,
    by_pair: HashMap<Pair, Vec<u64>>,
    /// Those of `by_ends` that are over, the oldest first.
    remembered: VecDeque<(Ends, u64)>,
    next: u64,
    memory_max: u64,
    /// Bytes that the connections hold outside of themselves.
    held: u64,
    /// Rows since the last look for connections that are over.
    rows_unswept: usize,
    shared: Shared,
    /// Texts that have rows of ServerHellos.
    answering: HashSet<u32>,
    pub(super) done: Vec<Box<FlowFacts>>,
    /// Where they are instead, where they may be too many.
    pub(super) store: Option<FactsStore>,
    /// Connections given up to stay below the ceiling.
    pub(super) evicted: u64,
    /// Rows without ports that may be of several connections, and connections put together of
    /// such.
    pub(super) ambiguous_rows: u64,
    pub(super) grouped_flows: u64,
}

/// What giving up a connection loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    Nothing,
    /// What it was yet to say.
    Rest,
}

fn pair(packet: &Packet) -> Pair {
    let (one, other) = (packet.source, packet.destination);
    (one.min(other), one.max(other), packet.transport)
}

fn ends(packet: &Packet) -> Option<Ends> {
    let (source, destination) = packet.ports?;
    let one = Endpoint { addr: packet.source, port: source };
    let other = Endpoint { addr: packet.destination, port: destination };
    Some((one.min(other), one.max(other), packet.transport))
}

impl Table {
    /// A table that takes up to so many bytes.
    pub(super) fn new(memory_max: u64) -> Self {
        Self {
            talks: HashMap::new(),
            by_ends: HashMap::new(),
            by_pair: HashMap::new(),
            remembered: VecDeque::new(),
            next: 0,
            memory_max: memory_max.max(16 * TALK_SIZE),
            held: 0,
            rows_unswept: 0,
            shared: Shared::default(),
            answering: HashSet::new(),
            done: Vec::new(),
            store: None,
            evicted: 0,
            ambiguous_rows: 0,
            grouped_flows: 0,
        }
    }

    /// Takes a packet of a file.
    pub(super) fn take(&mut self, mut packet: Packet, at: Mark, file: u32, sight: Sight) {
        self.rows_unswept += 1;
        if self.rows_unswept > SWEEP_ROWS_MIN.max(4 * self.talks.len()) {
            self.sweep(at.time);
        }
        if packet.messages.contains(&MessageKind::ServerHello) {
            self.answering.insert(file);
        }
        let id = match ends(&packet) {
            Some(ends) => self.by_ports(&packet, ends, at, file, sight),
            None => self.by_addresses(&packet, at, file, sight),
        };
        let Some(talk) = id.and_then(|id| self.talks.get_mut(&id)) else { return };
        let hello_len = packet.client_hello.as_mut().map_or(0, |hello| self.shared.hello(hello));
        let before = talk.held();
        talk.take(packet, at, hello_len);
        self.held += (talk.held() - before) as u64;
        if self.used() > self.memory_max {
            self.evict();
        }
    }

    /// Takes a connection that a log told as a whole.
    pub(super) fn take_whole(&mut self, mut facts: FlowFacts) {
        if let Some(hello) = &mut facts.client_hello {
            self.shared.hello(hello);
        }
        self.finish(facts);
    }

    /// Bytes of all connections that are followed.
    fn used(&self) -> u64 {
        self.talks.len() as u64 * TALK_SIZE + self.held
    }

    fn by_ports(
        &mut self,
        packet: &Packet,
        ends: Ends,
        at: Mark,
        file: u32,
        sight: Sight,
    ) -> Option<u64> {
        if let Some(&id) = self.by_ends.get(&ends) {
            match self.talks.get(&id) {
                Some(talk) if talk.is_over_before(packet, file) => self.close(id, Loss::Nothing),
                Some(_) => return Some(id),
                // A late row of one that is over.
                None if !packet.begins() => return None,
                None => {}
            }
        }
        // What is no TLS and begins nothing needs no place.
        let begins = packet.syn || packet.speech != Speech::Nothing || packet.asked.is_some();
        begins.then(|| self.open(packet, at, file, sight))
    }

    fn by_addresses(&mut self, packet: &Packet, at: Mark, file: u32, sight: Sight) -> Option<u64> {
        if packet.speech == Speech::Nothing && packet.asked.is_none() {
            return None;
        }
        let all = self.by_pair.get(&pair(packet)).map(Vec::as_slice).unwrap_or_default();
        let open: Vec<(u64, &Talk)> = all
            .iter()
            .rev()
            .filter_map(|id| Some((*id, &**self.talks.get(id)?)))
            .filter(|(_, talk)| !talk.has_ended())
            .take(OPEN_MAX)
            .collect();
        let oldest = |fits: &dyn Fn(&Talk) -> bool| {
            open.iter().rev().find(|(_, talk)| fits(talk)).map(|(id, _)| *id)
        };
        let says = |kind: MessageKind| packet.messages.contains(&kind);
        let is_hello = says(MessageKind::ClientHello) || packet.speech != Speech::Tls;
        let is_answer = says(MessageKind::ServerHello) || says(MessageKind::HelloRetryRequest);
        let with_records = open.iter().filter(|(_, talk)| talk.has_records());
        let is_alone = with_records.clone().count() <= 1;
        let found = if is_hello {
            oldest(&|talk| talk.awaits_hello_again(packet))
                .or_else(|| oldest(&|talk| talk.awaits_hello_of(packet)))
        } else if is_answer {
            oldest(&|talk| talk.awaits_answer_of(packet))
        } else if is_alone {
            let with_records = with_records.map(|(id, _)| *id).next();
            with_records.or_else(|| open.first().map(|(id, _)| *id))
        } else {
            self.ambiguous_rows += 1;
            return None;
        };
        let is_guess = open.len() > 1;
        let id = match found {
            Some(id) => id,
            None => self.open(packet, at, file, sight),
        };
        if is_guess && let Some(talk) = self.talks.get_mut(&id) {
            talk.is_guessed = true;
        }
        Some(id)
    }

    fn open(&mut self, packet: &Packet, at: Mark, file: u32, sight: Sight) -> u64 {
        if self.used() + TALK_SIZE > self.memory_max {
            self.evict();
        }
        let id = self.next;
        self.next += 1;
        self.talks.insert(id, Box::new(Talk::new(packet, at, file, sight)));
        if let Some(ends) = ends(packet) {
            self.by_ends.insert(ends, id);
        }
        if !sight.ports {
            self.by_pair.entry(pair(packet)).or_default().push(id);
        }
        id
    }

    /// Gives up connections until a quarter of the room is free: first those that lose nothing, and
    /// of equal ones those that were silent for the longest time.
    fn evict(&mut self) {
        let loss = |talk: &Talk| if talk.is_decided() { Loss::Nothing } else { Loss::Rest };
        let mut silent: Vec<(Loss, Mark, u64)> =
            self.talks.iter().map(|(id, talk)| (loss(talk), talk.last, *id)).collect();
        silent.sort_unstable();
        for (loss, _, id) in silent {
            self.close(id, loss);
            if self.used() <= self.memory_max / 4 * 3 {
                break;
            }
        }
    }

    /// Reports connections that ended long ago.
    fn sweep(&mut self, now: Timestamp) {
        self.rows_unswept = 0;
        let is_over =
            |talk: &Talk| talk.has_ended() && now.nanos_since(talk.last.time) >= LINGER_NS;
        let over = self.talks.iter().filter(|(_, talk)| is_over(talk)).map(|(id, _)| *id);
        let mut over: Vec<u64> = over.collect();
        over.sort_unstable();
        over.into_iter().for_each(|id| self.close(id, Loss::Nothing));
    }

    fn close(&mut self, id: u64, loss: Loss) {
        let Some(talk) = self.talks.remove(&id) else { return };
        self.held -= talk.held() as u64;
        let [a, b] = talk.ends;
        for transport in [Transport::Tcp, Transport::Udp] {
            let ends = (a.min(b), a.max(b), transport);
            if self.by_ends.get(&ends) == Some(&id) {
                self.remember(ends, id);
            }
            let pair = (a.addr.min(b.addr), a.addr.max(b.addr), transport);
            if let Some(ids) = self.by_pair.get_mut(&pair) {
                // They stand in the order in which they came.
                if let Ok(place) = ids.binary_search(&id) {
                    ids.remove(place);
                }
                if ids.is_empty() {
                    self.by_pair.remove(&pair);
                }
            }
        }
        let is_guessed = talk.is_guessed;
        let shows_answers = self.answering.contains(&talk.file);
        if let Some(mut facts) = talk.into_facts(loss == Loss::Rest, shows_answers) {
            without_imitation(&mut facts);
            self.grouped_flows += u64::from(is_guessed);
            self.evicted += u64::from(facts.coverage.contains(Coverage::EVICTED));
            self.finish(facts);
        }
    }

    /// Keeps the ends of a connection that is over.
    fn remember(&mut self, ends: Ends, id: u64) {
        self.remembered.push_back((ends, id));
        if self.remembered.len() > REMEMBERED_MAX
            && let Some((ends, id)) = self.remembered.pop_front()
            && self.by_ends.get(&ends) == Some(&id)
        {
            self.by_ends.remove(&ends);
        }
    }

    fn finish(&mut self, mut facts: FlowFacts) {
        if let Some(certificate) = &mut facts.certificate {
            self.shared.certificate(certificate);
        }
        let facts = Box::new(facts);
        match &mut self.store {
            Some(store) => store.push(facts),
            None => self.done.push(facts),
        }
    }

    /// Ends every connection.
    pub(super) fn flush(&mut self) {
        let mut ids: Vec<u64> = self.talks.keys().copied().collect();
        ids.sort_unstable();
        // One pass for each connection would take long where two addresses have many.
        self.by_pair.clear();
        ids.into_iter().for_each(|id| self.close(id, Loss::Nothing));
    }
}

#[cfg(test)]
mod tests;

//! The connections of a text, found again by ports where there are any, else by addresses.
//!
//! Wireshark's packet list names no ports in the rows of TLS. Connections between the same two
//! addresses are then told apart as well as can be: a hello goes to the oldest connection that
//! waits for one, an answer to the oldest hello without one, and what fits several goes to none.

use std::collections::HashMap;
use std::net::IpAddr;

use dissect::{Endpoint, FlowFacts, Mark, MessageKind, Transport};

use super::packet::{Packet, Speech};
use super::talk::{Sight, Talk, without_imitation};

/// Bytes of a connection that is followed, with its hellos and its places in the tables.
pub(super) const TALK_SIZE: u64 = 2048;

/// Open connections of two addresses that are looked through for a row without ports.
const OPEN_MAX: usize = 256;

/// The two ends in ascending order, and the transport.
type Ends = (Endpoint, Endpoint, Transport);
type Pair = (IpAddr, IpAddr, Transport);

/// All connections that are followed, and the facts of those that are over.
#[derive(Debug)]
pub(super) struct Table {
    talks: HashMap<u64, Talk>,
    by_ends: HashMap<Ends, u64>,
    by_pair: HashMap<Pair, Vec<u64>>,
    next: u64,
    talks_max: usize,
    pub(super) done: Vec<FlowFacts>,
    /// Connections given up to stay below the ceiling.
    pub(super) evicted: u64,
    /// Rows without ports that may be of several connections, and connections put together of
    /// such.
    pub(super) ambiguous_rows: u64,
    pub(super) grouped_flows: u64,
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
        let talks_max = usize::try_from(memory_max / TALK_SIZE).unwrap_or(usize::MAX).max(16);
        Self {
            talks: HashMap::new(),
            by_ends: HashMap::new(),
            by_pair: HashMap::new(),
            next: 0,
            talks_max,
            done: Vec::new(),
            evicted: 0,
            ambiguous_rows: 0,
            grouped_flows: 0,
        }
    }

    /// Takes a packet of a file.
    pub(super) fn take(&mut self, packet: Packet, at: Mark, file: u32, sight: Sight) {
        let id = match ends(&packet) {
            Some(ends) => self.by_ports(&packet, ends, at, file, sight),
            None => self.by_addresses(&packet, at, file, sight),
        };
        if let Some(talk) = id.and_then(|id| self.talks.get_mut(&id)) {
            talk.take(packet, at);
        }
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
            let is_over = self.talks.get(&id).is_none_or(|talk| talk.is_over_before(packet, file));
            if !is_over {
                return Some(id);
            }
            self.close(id, false);
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
            .filter_map(|id| Some((*id, self.talks.get(id)?)))
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
        if self.talks.len() >= self.talks_max {
            self.evict();
        }
        let id = self.next;
        self.next += 1;
        self.talks.insert(id, Talk::new(packet, at, file, sight));
        if let Some(ends) = ends(packet) {
            self.by_ends.insert(ends, id);
        }
        if !sight.ports {
            self.by_pair.entry(pair(packet)).or_default().push(id);
        }
        id
    }

    /// Gives up the quarter that was silent for the longest time.
    fn evict(&mut self) {
        let mut silent: Vec<(Mark, u64)> =
            self.talks.iter().map(|(id, talk)| (talk.last, *id)).collect();
        let count = (silent.len() / 4).max(1);
        silent.sort_unstable();
        for (_, id) in silent.into_iter().take(count) {
            let known = self.done.len();
            self.close(id, true);
            self.evicted += (self.done.len() - known) as u64;
        }
    }

    fn close(&mut self, id: u64, is_evicted: bool) {
        let Some(talk) = self.talks.remove(&id) else { return };
        let [a, b] = talk.ends;
        let is_guessed = talk.is_guessed;
        for transport in [Transport::Tcp, Transport::Udp] {
            let ends = (a.min(b), a.max(b), transport);
            if self.by_ends.get(&ends) == Some(&id) {
                self.by_ends.remove(&ends);
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
        if let Some(mut facts) = talk.into_facts(is_evicted) {
            without_imitation(&mut facts);
            self.grouped_flows += u64::from(is_guessed);
            self.done.push(facts);
        }
    }

    /// Ends every connection.
    pub(super) fn flush(&mut self) {
        let mut ids: Vec<u64> = self.talks.keys().copied().collect();
        ids.sort_unstable();
        // One pass for each connection would take long where two addresses have many.
        self.by_pair.clear();
        ids.into_iter().for_each(|id| self.close(id, false));
    }
}

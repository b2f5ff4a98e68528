//! A table, two endpoints, and what was observed of them.

use super::{Datagram, UdpTable};
use crate::{
    Counters, Endpoint, FlowFacts, HelloSeen, Limits, Mark, NameSeen, Observer, Side, Timestamp,
};

/// Pushes datagrams between endpoints into a table.
pub(super) struct Talk {
    table: UdpTable,
    pub(super) counters: Counters,
    pub(super) seen: Seen,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    frames: u64,
}

/// Everything observed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) flows: Vec<FlowFacts>,
    pub(super) hellos: Vec<HelloSeen>,
    pub(super) names: Vec<NameSeen>,
}

impl Observer for Seen {
    fn flow(&mut self, facts: FlowFacts) {
        self.flows.push(facts);
    }

    fn hello(&mut self, seen: HelloSeen) {
        self.hellos.push(seen);
    }

    fn name(&mut self, seen: NameSeen) {
        self.names.push(seen);
    }
}

impl Talk {
    pub(super) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    pub(super) fn with_limits(limits: Limits) -> Self {
        Self {
            table: UdpTable::new(limits, 1),
            counters: Counters::default(),
            seen: Seen::default(),
            client: Endpoint { addr: [10, 0, 0, 1].into(), port: 50000 },
            server: Endpoint { addr: [192, 0, 2, 1].into(), port: 443 },
            frames: 0,
        }
    }

    /// Sends a datagram.
    pub(super) fn send(&mut self, from: Side, payload: &[u8]) -> &mut Self {
        self.send_cut(from, payload, payload.len())
    }

    /// Sends a datagram of which the capture holds `len` bytes.
    pub(super) fn send_cut(&mut self, from: Side, payload: &[u8], len: usize) -> &mut Self {
        self.frames += 1;
        let (source, target) = match from {
            Side::Client => (self.client, self.server),
            Side::Server => (self.server, self.client),
        };
        let datagram = Datagram {
            source,
            target,
            payload: &payload[..len],
            cut: u32::try_from(payload.len() - len).unwrap(),
            at: Mark { frame: self.frames, time: Timestamp::default() },
            frame_len: u32::try_from(payload.len()).unwrap() + 42,
        };
        self.table.push(&datagram, &mut self.counters, &mut self.seen);
        self
    }

    /// Connections in the table.
    pub(super) fn flow_count(&self) -> usize {
        self.table.flow_count()
    }

    /// Bytes that the table counts.
    pub(super) fn used_bytes(&self) -> usize {
        self.table.used_bytes()
    }

    /// The connections, at the end.
    pub(super) fn finish(mut self) -> Vec<FlowFacts> {
        self.table.finish(&mut self.seen);
        assert_eq!(self.table.flow_count(), 0);
        assert_eq!(self.table.used_bytes(), 0);
        self.seen.flows
    }

    /// The only connection, at the end.
    pub(super) fn finish_one(self) -> FlowFacts {
        let mut flows = self.finish();
        assert_eq!(flows.len(), 1, "{flows:#?}");
        flows.remove(0)
    }
}

/// Bytes of hexadecimal digits.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

//! Frames of a conversation, and what a dissector sees in them.

use std::net::IpAddr;

use dissect::{
    Counters, Dissector, FlowFacts, Frame, HelloSeen, Limits, LinkType, Mark, Observer, Quality,
    Sweep, Timestamp,
};

use super::Packet;

/// How packets are looked at.
#[derive(Debug, Clone)]
pub(crate) struct Lens {
    /// Bytes of each frame that are captured.
    pub(crate) snap_len: usize,
    pub(crate) limits: Limits,
    /// Bytes of the ceiling that are left to others.
    pub(crate) reserved_bytes: usize,
    /// Numbers of packets behind which an interval ends, or what is over is reported.
    pub(crate) sweeps: Vec<(usize, Sweep)>,
}

impl Default for Lens {
    fn default() -> Self {
        Self {
            snap_len: usize::MAX,
            limits: Limits::default(),
            reserved_bytes: 0,
            sweeps: Vec::new(),
        }
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) flows: Vec<FlowFacts>,
    pub(crate) hellos: Vec<HelloSeen>,
    /// What ended without a word.
    pub(crate) silent: Vec<FlowFacts>,
    pub(crate) decided: usize,
    /// Connections that were reported before the input was over.
    pub(crate) reported_by_sweeps: usize,
    /// The same of what ended without a word.
    pub(crate) silent_by_sweeps: usize,
    /// Bytes that the tables held at the most.
    pub(crate) held_bytes_max: usize,
    pub(crate) counters: Counters,
}

impl Observer for Seen {
    fn flow(&mut self, facts: FlowFacts) {
        self.flows.push(facts);
    }

    fn silent(&mut self, facts: Box<FlowFacts>) {
        self.silent.push(*facts);
    }

    fn decided(&mut self, facts: &FlowFacts) {
        assert!(facts.first.frame > 0 && facts.last >= facts.first, "{facts:?}");
        self.decided += 1;
    }

    fn hello(&mut self, seen: HelloSeen) {
        self.hellos.push(seen);
    }
}

impl Lens {
    /// Looks at these packets in this order.
    pub(crate) fn see(&self, packets: &[Packet]) -> Seen {
        let mut seen = Seen::default();
        let mut dissector = Dissector::new(self.limits.clone(), 7);
        dissector.reserve(self.reserved_bytes);
        let mut idle_s = 0;
        for (number, packet) in (1u64..).zip(packets) {
            idle_s += packet.idle_s;
            let bytes = frame(packet);
            let frame = Frame {
                number,
                time: Timestamp::from_nanos(
                    i64::try_from(number).unwrap() * 1_000_000 + idle_s * 1_000_000_000,
                ),
                link: LinkType::ETHERNET,
                wire_len: u32::try_from(bytes.len()).unwrap(),
                data: &bytes[..bytes.len().min(self.snap_len)],
            };
            dissector.push(&frame, &mut seen);
            seen.held_bytes_max = seen.held_bytes_max.max(dissector.held().bytes);
            for (_, kind) in self.sweeps.iter().filter(|(after, _)| *after as u64 == number) {
                dissector.sweep(frame.time, *kind, &mut seen);
                seen.reported_by_sweeps = seen.flows.len();
                seen.silent_by_sweeps = seen.silent.len();
            }
        }
        dissector.finish(&mut seen);
        assert!(dissector.counters().balances());
        seen.counters = dissector.counters().clone();
        seen
    }
}

/// Looks at whole frames with usual limits.
pub(crate) fn see(packets: &[Packet]) -> Seen {
    Lens::default().see(packets)
}

/// The facts of the connections.
pub(crate) fn rows(packets: &[Packet]) -> Vec<FlowFacts> {
    see(packets).flows
}

/// The facts of the one connection that is there, without places, times and what they say of the
/// capture: those differ from one order of packets to the other.
#[track_caller]
pub(crate) fn facts(packets: &[Packet]) -> FlowFacts {
    let mut flows = rows(packets);
    assert_eq!(flows.len(), 1, "{flows:#?}");
    let mut facts = flows.remove(0);
    let here = Mark::default();
    (facts.first, facts.last) = (here, here);
    facts.quality = Quality::default();
    facts.client_hello.iter_mut().for_each(|hello| hello.at = here);
    facts.server_hello.iter_mut().for_each(|hello| hello.at = here);
    facts.alerts.iter_mut().for_each(|alert| alert.at = here);
    facts.refusal.iter_mut().for_each(|refusal| refusal.at = here);
    facts.end.iter_mut().for_each(|end| end.at = here);
    let mut messages: Vec<_> = facts.messages.iter().collect();
    messages.iter_mut().for_each(|message| (message.at, message.frame_len) = (here, 0));
    messages.sort_by_key(|message| message.from);
    facts.messages = messages.into_iter().collect();
    facts
}

/// Compares facts and shows only what differs.
#[track_caller]
pub(crate) fn same(seen: &FlowFacts, expect: &FlowFacts, what: &str) {
    let (seen, expect) = (format!("{seen:#?}"), format!("{expect:#?}"));
    let pairs = seen.lines().zip(expect.lines());
    let differing: Vec<_> = pairs.filter(|(seen, expect)| seen != expect).take(12).collect();
    assert!(seen == expect, "{what}: (seen, expected) {differing:#?}");
}

/// A packet in an Ethernet frame.
fn frame(packet: &Packet) -> Vec<u8> {
    let mut tcp = Vec::new();
    tcp.extend(packet.source.port.to_be_bytes());
    tcp.extend(packet.target.port.to_be_bytes());
    tcp.extend(packet.seq.to_be_bytes());
    tcp.extend(packet.ack.to_be_bytes());
    let words: u8 = if packet.timestamps { 8 } else { 5 };
    tcp.extend([words << 4, packet.flags, 0xff, 0xff, 0, 0, 0, 0]);
    if packet.timestamps {
        tcp.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    }
    tcp.extend(&packet.payload);
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    match (packet.source.addr, packet.target.addr) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let len = u16::try_from(20 + tcp.len()).unwrap().to_be_bytes();
            bytes.extend([8, 0, 0x45, 0, len[0], len[1], 0, 0, 0x40, 0, packet.ttl, 6, 0, 0]);
            bytes.extend(source.octets());
            bytes.extend(target.octets());
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            let len = u16::try_from(tcp.len()).unwrap().to_be_bytes();
            bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, len[0], len[1], 6, packet.ttl]);
            bytes.extend(source.octets());
            bytes.extend(target.octets());
        }
        _ => panic!("two address families in one packet"),
    }
    bytes.extend(tcp);
    bytes
}

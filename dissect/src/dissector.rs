//! The way of a frame: link, IP, flow table.

use smallvec::SmallVec;

use crate::flow::{FlowTable, Key, Located, Segment, Way};
use crate::net::{
    Decoded, Defragmenter, Packet, Swift, TransportHeader, decode, decode_part, swift, swift_v6,
};
use crate::tcp::Seq;
use crate::udp::{Datagram, UdpTable};
use crate::{Counters, Endpoint, Frame, Limits, Mark, Observer, Timestamp};

/// What the tables of a dissector hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Connections that are known: read, decided, or to be recognised.
    pub connections: usize,
    /// Bytes of their state, approximately.
    pub bytes: usize,
}

/// What a sweep through the connections at hand reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// What is over.
    Over,
    /// What is over or decided: an interval ends. Nothing is reported again in a later one, so
    /// what goes on has its last frame as of the cut.
    Cut,
}

/// Frames that are decoded before the first of them is followed. What connections know lies
/// anywhere in memory; the processor fetches it for all of them at a time.
const AHEAD: usize = 16;

/// A frame on its way to what is known of its connection.
enum Ready<'a> {
    Segment(Segment<'a>, Located),
    Datagram(Datagram<'a>),
}

/// Follows the connections in a series of frames.
///
/// Frames of one connection have to reach the same dissector, in the order they were captured.
/// What is learned goes to the [`Observer`] that is passed along.
#[derive(Debug)]
pub struct Dissector {
    counters: Counters,
    defrag: Defragmenter,
    flows: FlowTable,
    datagrams: UdpTable,
}

impl Dissector {
    /// A dissector without connections.
    ///
    /// `seed` keys the hash tables: a number that an attacker on the wire can't know keeps lookups
    /// fast. It changes nothing in what is observed.
    #[must_use]
    pub fn new(limits: Limits, seed: u64) -> Self {
        Self {
            counters: Counters::default(),
            defrag: Defragmenter::new(seed),
            flows: FlowTable::new(limits.clone(), seed),
            datagrams: UdpTable::new(limits, seed),
        }
    }

    /// Follows one frame.
    pub fn push(&mut self, frame: &Frame<'_>, seen: &mut impl Observer) {
        self.push_all(std::iter::once(*frame), seen);
    }

    /// Follows frames, one after the other: what one [`push`](Self::push) for each does, faster.
    pub fn push_all<'a>(
        &mut self,
        frames: impl IntoIterator<Item = Frame<'a>>,
        seen: &mut impl Observer,
    ) {
        let mut ready: SmallVec<[Ready<'a>; AHEAD]> = SmallVec::new();
        for frame in frames {
            self.counters.count(&frame);
            if let Some(swift) = swift(&frame) {
                self.counters.dissected += 1;
                ready.push(self.locate_swift(&swift, &frame));
                if ready.len() == AHEAD {
                    self.follow(&mut ready, seen);
                }
                continue;
            }
            if let Some(swift) = swift_v6(&frame) {
                self.counters.dissected += 1;
                ready.push(self.locate_swift_v6(&swift, &frame));
                if ready.len() == AHEAD {
                    self.follow(&mut ready, seen);
                }
                continue;
            }
            match decode(&frame, &mut self.defrag, &mut self.counters) {
                Decoded::Packet(packet) => {
                    self.counters.dissected += 1;
                    // An IP length beyond what was on the wire is a lie, and no cut.
                    let behind_cut = frame.wire_len.saturating_sub(len_u32(frame.data));
                    ready.push(self.locate(&packet, behind_cut, &frame));
                    if ready.len() == AHEAD {
                        self.follow(&mut ready, seen);
                    }
                }
                Decoded::Datagram(datagram) => {
                    self.counters.dissected += 1;
                    self.follow(&mut ready, seen);
                    self.follow_one(&datagram.packet(), u32::MAX, &frame, seen);
                }
                Decoded::Several(packets) => {
                    self.counters.dissected += 1;
                    self.follow(&mut ready, seen);
                    for packet in &packets {
                        self.follow_one(packet, u32::MAX, &frame, seen);
                    }
                }
                Decoded::FragmentKept => self.counters.dissected += 1,
                Decoded::Skip(reason) => self.counters.skip(reason),
            }
        }
        self.follow(&mut ready, seen);
    }

    /// Follows an IP packet that a [`Steer`](crate::Steer) or a [`Placer`](crate::Placer) put together
    /// from fragments, or a packet that it took out of a frame of several.
    ///
    /// `frame` is the one that completed or held it, with the packet in place of its bytes and
    /// the link type that was named. It is counted already, and so is the packet.
    #[cold]
    pub fn push_datagram(&mut self, frame: &Frame<'_>, seen: &mut impl Observer) {
        match decode_part(frame, &mut self.defrag, &mut self.counters) {
            Some(Decoded::Packet(packet)) => self.follow_one(&packet, u32::MAX, frame, seen),
            Some(Decoded::Datagram(whole)) => {
                self.follow_one(&whole.packet(), u32::MAX, frame, seen);
            }
            _ => {}
        }
    }

    #[cold]
    fn follow_one(
        &mut self,
        packet: &Packet<'_>,
        cut_max: u32,
        frame: &Frame<'_>,
        seen: &mut impl Observer,
    ) {
        let ready = self.locate(packet, cut_max, frame);
        self.follow(&mut SmallVec::from_iter([ready]), seen);
    }

    #[inline]
    fn locate_swift<'a>(&self, swift: &Swift<'a, u32>, frame: &Frame<'_>) -> Ready<'a> {
        let ends = Key::v4((swift.src, swift.src_port), (swift.dst, swift.dst_port));
        self.locate_between(ends, swift, frame)
    }

    #[inline(never)]
    fn locate_swift_v6<'a>(&self, swift: &Swift<'a, [u32; 4]>, frame: &Frame<'_>) -> Ready<'a> {
        let ends = Key::v6((swift.src, swift.src_port), (swift.dst, swift.dst_port));
        self.locate_between(ends, swift, frame)
    }

    #[inline]
    fn locate_between<'a, A>(
        &self,
        (key, way): (Key, Way),
        swift: &Swift<'a, A>,
        frame: &Frame<'_>,
    ) -> Ready<'a> {
        let segment = Segment {
            key,
            way,
            seq: Seq(swift.seq),
            ack: Seq(swift.ack),
            flags: swift.flags,
            header: swift.header,
            payload: swift.payload,
            cut: 0,
            at: Mark { frame: frame.number, time: frame.time },
            frame_len: frame.wire_len,
            id: swift.id,
            ttl: swift.ttl,
            vlan: None,
        };
        let located = self.flows.locate(&segment);
        Ready::Segment(segment, located)
    }

    /// Puts what is to be known of a packet together.
    fn locate<'a>(&self, packet: &Packet<'a>, cut_max: u32, frame: &Frame<'_>) -> Ready<'a> {
        let at = Mark { frame: frame.number, time: frame.time };
        let cut = packet.payload_len.saturating_sub(len_u32(packet.payload)).min(cut_max);
        match packet.transport {
            TransportHeader::Tcp { src_port, dst_port, seq, ack, flags } => {
                let source = Endpoint { addr: packet.src, port: src_port };
                let target = Endpoint { addr: packet.dst, port: dst_port };
                let (key, way) = Key::new(source, target);
                let segment = Segment {
                    key,
                    way,
                    seq: Seq(seq),
                    ack: Seq(ack),
                    flags,
                    header: packet.header,
                    payload: packet.payload,
                    cut,
                    at,
                    frame_len: frame.wire_len,
                    id: packet.id,
                    ttl: packet.ttl,
                    vlan: packet.vlan,
                };
                let located = self.flows.locate(&segment);
                Ready::Segment(segment, located)
            }
            TransportHeader::Udp { src_port, dst_port } => Ready::Datagram(Datagram {
                source: Endpoint { addr: packet.src, port: src_port },
                target: Endpoint { addr: packet.dst, port: dst_port },
                payload: packet.payload,
                cut,
                at,
                frame_len: frame.wire_len,
            }),
        }
    }

    /// Follows packets in their order.
    fn follow<'a>(&mut self, ready: &mut SmallVec<[Ready<'a>; AHEAD]>, seen: &mut impl Observer) {
        // One step for all, then the next: what a step waits for is on its way for several.
        for ready in ready.iter_mut() {
            if let Ready::Segment(_, located) = ready {
                self.flows.find(located);
            }
        }
        for ready in ready.iter_mut() {
            if let Ready::Segment(segment, located) = ready {
                self.flows.look(segment, located);
            }
        }
        for ready in ready.iter() {
            if let Ready::Segment(segment, located) = ready {
                self.flows.meet(segment, located);
            }
        }
        for ready in ready.iter() {
            match ready {
                Ready::Segment(segment, located) => {
                    self.flows.push(segment, located, &mut self.counters, seen);
                }
                Ready::Datagram(datagram) => {
                    self.datagrams.push(datagram, &mut self.counters, seen);
                }
            }
        }
        ready.clear();
    }

    /// Reports connections while the input goes on, as of a time: that of the newest frames.
    pub fn sweep(&mut self, now: Timestamp, kind: Sweep, seen: &mut impl Observer) {
        self.flows.sweep(now, kind, &mut self.counters, seen);
        self.datagrams.sweep(now, kind, seen);
    }

    /// What was counted since the last call, or the beginning.
    #[must_use]
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// What the tables of connections hold.
    #[must_use]
    pub fn held(&self) -> Held {
        Held {
            connections: self.flows.count() + self.datagrams.flow_count(),
            bytes: self.flows.used_bytes() + self.datagrams.used_bytes(),
        }
    }

    /// Leaves `bytes` of [`Limits::memory_max`] to others, such as those who keep what was reported.
    /// A quarter remains for the connections at hand.
    pub fn reserve(&mut self, bytes: usize) {
        self.flows.reserve(bytes);
    }

    /// Reports every connection that is still open: the input is over.
    pub fn finish(&mut self, seen: &mut impl Observer) {
        self.flows.finish(&mut self.counters, seen);
        self.datagrams.finish(seen);
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// A count of captured bytes; captures beyond 4 GiB a frame do not exist.
fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

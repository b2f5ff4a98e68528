//! The way of a frame: link, IP, flow table.

use crate::flow::{FlowTable, Segment};
use crate::net::{Decoded, Defragmenter, Packet, TransportHeader, decode, whole_packet};
use crate::tcp::Seq;
use crate::udp::{Datagram, UdpTable};
use crate::{Counters, Endpoint, Frame, Limits, Mark, Observer};

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
        self.counters.frames += 1;
        self.counters.bytes += frame.data.len() as u64;
        self.counters.cut_frames += u64::from(frame.is_cut());
        match decode(frame, &mut self.defrag, &mut self.counters) {
            Decoded::Packet(packet) => {
                self.counters.dissected += 1;
                // An IP length beyond what was on the wire is a lie, and no cut.
                let behind_cut = frame.wire_len.saturating_sub(len_u32(frame.data));
                self.packet(&packet, behind_cut, frame, seen);
            }
            Decoded::Datagram(datagram) => {
                self.counters.dissected += 1;
                self.packet(&datagram.packet(), u32::MAX, frame, seen);
            }
            Decoded::Several(packets) => {
                self.counters.dissected += 1;
                for packet in &packets {
                    self.packet(packet, u32::MAX, frame, seen);
                }
            }
            Decoded::FragmentKept => self.counters.dissected += 1,
            Decoded::Skip(reason) => self.counters.skip(reason),
        }
    }

    /// Follows an IP packet that a [`Steer`](crate::Steer) put together from fragments, or a packet
    /// that it took out of a frame of several.
    ///
    /// `frame` is the one that completed or held it, with the packet in place of its bytes and
    /// the link type that the steer named. Nothing is counted of either: the steer did.
    #[cold]
    pub fn push_datagram(&mut self, frame: &Frame<'_>, seen: &mut impl Observer) {
        if let Some(packet) = whole_packet(frame) {
            self.packet(&packet, u32::MAX, frame, seen);
        }
    }

    #[inline]
    fn packet(
        &mut self,
        packet: &Packet<'_>,
        cut_max: u32,
        frame: &Frame<'_>,
        seen: &mut impl Observer,
    ) {
        let at = Mark { frame: frame.number, time: frame.time };
        let cut = packet.payload_len.saturating_sub(len_u32(packet.payload)).min(cut_max);
        match packet.transport {
            TransportHeader::Tcp { src_port, dst_port, seq, ack, flags } => {
                let segment = Segment {
                    source: Endpoint { addr: packet.src, port: src_port },
                    target: Endpoint { addr: packet.dst, port: dst_port },
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
                self.flows.push(&segment, &mut self.counters, seen);
            }
            TransportHeader::Udp { src_port, dst_port } => {
                let datagram = Datagram {
                    source: Endpoint { addr: packet.src, port: src_port },
                    target: Endpoint { addr: packet.dst, port: dst_port },
                    payload: packet.payload,
                    cut,
                    at,
                    frame_len: frame.wire_len,
                };
                self.datagrams.push(&datagram, &mut self.counters, seen);
            }
        }
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

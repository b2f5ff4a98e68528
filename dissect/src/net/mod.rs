//! From a captured frame to a TCP segment or UDP datagram.
//!
//! [`decode`] steps through one header after the other until it meets a transport header; the
//! innermost one wins, since a mirror port may wrap what it copies. [`Steer`] does the same for
//! the thread that hands frames out, and stops at the endpoints; [`Placer`] does for threads that
//! all read, and stops at the addresses. Nothing here knows flows or TLS.
//!
//! Invariant: a frame has exactly one outcome, and it depends on the frame alone, but for
//! fragments, which depend on the [`Defragmenter`] too.

mod defrag;
mod ethernet;
mod glance;
mod ip;
mod link;
mod pair;
mod place;
mod plain;
mod shim;
mod span;
mod steer;
mod swift;
mod transport;
mod tunnel;
mod udp_tunnel;
mod wireless;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use self::defrag::Pushed;
use self::ip::{Fragment, Ip, IpHeader, protocol};
use self::span::Span;
use crate::{Counters, Frame, LinkType, SkipReason, Timestamp};

pub(crate) use self::defrag::Defragmenter;
pub use self::glance::{Glance, Packet as GlancedPacket, glance};
pub use self::pair::{Pair, Pairing};
pub use self::place::{Placement, Placer, Wrap};
pub use self::steer::{Steer, Steering};
pub(crate) use self::swift::{Swift, swift, swift_v6};

/// Most headers below IP that are followed in one frame, tags and labels included. Provider
/// networks stack about ten; a frame made of nothing but tags is somebody's attack.
const LAYERS_MAX: usize = 64;

/// Most tunnels around a packet. A mirror of a virtual network within a provider's tunnel is
/// three deep.
const TUNNELS_MAX: usize = 8;

/// Most datagrams within datagrams that one fragment may complete.
const REASSEMBLIES_MAX: usize = 4;

/// Control bits of the TCP header (RFC 9293 §3.1).
pub(crate) mod tcp_flags {
    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const ACK: u8 = 0x10;
}

/// A TCP segment or UDP datagram, and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet<'a> {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) transport: TransportHeader,
    /// The TCP header with its options, where all of it was captured; not told of UDP, nor of a
    /// segment that came in fragments.
    pub(crate) header: &'a [u8],
    /// The captured payload of the segment or datagram.
    pub(crate) payload: &'a [u8],
    /// Length of the payload by the IP header. More than was captured: the snap length cut it.
    pub(crate) payload_len: u32,
    /// Time to live, or hop limit.
    pub(crate) ttl: u8,
    /// Identification of the IPv4 packet (RFC 791 §3.1); 0 for IPv6.
    pub(crate) id: u16,
    /// Identifier of the innermost VLAN tag; none for a datagram that came in fragments.
    pub(crate) vlan: Option<u16>,
    /// Whether a tunnel was around the packet; not told of a datagram that came in fragments.
    pub(crate) tunnelled: bool,
}

/// What is needed of a transport header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransportHeader {
    /// TCP; `flags` as in [`tcp_flags`].
    Tcp { src_port: u16, dst_port: u16, seq: u32, ack: u32, flags: u8 },
    /// UDP.
    Udp { src_port: u16, dst_port: u16 },
}

impl TransportHeader {
    /// Source and destination port.
    pub(crate) const fn ports(self) -> (u16, u16) {
        match self {
            Self::Tcp { src_port, dst_port, .. } | Self::Udp { src_port, dst_port } => {
                (src_port, dst_port)
            }
        }
    }
}

/// What became of a frame.
#[derive(Debug)]
pub(crate) enum Decoded<'a> {
    /// A segment or datagram.
    Packet(Packet<'a>),
    /// The frame was the last missing piece of this one.
    Datagram(Box<Datagram>),
    /// Several segments and datagrams in one frame, at least one.
    Several(Vec<Packet<'a>>),
    /// A piece of a packet, kept until the others come; counts as dissected.
    FragmentKept,
    /// Not followed.
    Skip(SkipReason),
}

/// A segment or datagram that came in fragments.
#[derive(Debug)]
pub(crate) struct Datagram {
    head: Packet<'static>,
    payload: Vec<u8>,
}

impl Datagram {
    fn new(packet: &Packet<'_>) -> Self {
        let Packet { src, dst, transport, payload_len, ttl, id, vlan, tunnelled, .. } = *packet;
        let (header, payload): (&[u8], &[u8]) = (&[], &[]);
        let head =
            Packet { src, dst, transport, header, payload, payload_len, ttl, id, vlan, tunnelled };
        Self { head, payload: packet.payload.to_vec() }
    }

    /// The segment or datagram itself.
    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet { payload: &self.payload, ..self.head }
    }
}

/// Follows a frame to its transport header.
///
/// Counts fragments, put-together datagrams and unknown link types in `counters`; whether the
/// frame counts as dissected or skipped is left to the caller.
#[inline]
pub(crate) fn decode<'a>(
    frame: &Frame<'a>,
    defrag: &mut Defragmenter,
    counters: &mut Counters,
) -> Decoded<'a> {
    if let Some(packet) = plain::packet(frame) {
        return Decoded::Packet(packet);
    }
    if may_hold_several(frame.link)
        && let Some(packets) = several(frame)
    {
        return Decoded::Several(packets.into_iter().map(|(_, packet)| packet).collect());
    }
    match walk(frame.link, Span::new(frame.data, frame.wire_len)) {
        Walked::Packet(packet) => Decoded::Packet(packet),
        Walked::Fragment(fragment) => match reassemble(&fragment, frame.time, defrag, counters) {
            Reassembled::Kept => Decoded::FragmentKept,
            Reassembled::Skip(reason) => Decoded::Skip(reason),
            Reassembled::Datagram(bytes) => match walk_whole(&bytes) {
                Walked::Packet(packet) => Decoded::Datagram(Box::new(Datagram::new(&packet))),
                Walked::Skip(reason) => Decoded::Skip(reason),
                Walked::Fragment(_) => Decoded::Skip(SkipReason::FragmentDropped),
            },
        },
        Walked::Skip(reason) => {
            if reason == SkipReason::UnknownLinkType {
                *counters.unknown_link_types.entry(frame.link.0).or_default() += 1;
            }
            Decoded::Skip(reason)
        }
    }
}

/// Whether frames of this link type may hold more than one packet.
#[inline]
const fn may_hold_several(link: LinkType) -> bool {
    matches!(link, LinkType::IEEE802_11 | LinkType::RADIOTAP | LinkType::PRISM | LinkType::AVS)
}

/// The packets in an aggregated frame, each with the IEEE 802.3 frame that it came in; `None`
/// when there is no second one. A fragment in an aggregate is passed over: whoever puts several
/// packets into a frame has no reason to take one apart.
#[cold]
fn several<'a>(frame: &Frame<'a>) -> Option<Vec<(Span<'a>, Packet<'a>)>> {
    let subframes = wireless::subframes(frame.link, Span::new(frame.data, frame.wire_len));
    let packets: Vec<_> = subframes
        .filter_map(|span| match walk(LinkType::ETHERNET, span) {
            Walked::Packet(packet) => Some((span, packet)),
            Walked::Fragment(_) | Walked::Skip(_) => None,
        })
        .collect();
    (packets.len() > 1).then_some(packets)
}

/// Where a frame led, fragments not put together.
#[derive(Debug)]
enum Walked<'a> {
    Packet(Packet<'a>),
    Fragment(Fragment<'a>),
    Skip(SkipReason),
}

/// The header to read next, and the bytes it starts.
#[derive(Debug, Clone, Copy)]
enum Next<'a> {
    Link(LinkType, Span<'a>),
    Ethernet(Span<'a>),
    EtherType(u16, Span<'a>),
    Llc(Span<'a>),
    Ip(Span<'a>),
}

/// Reads headers until one is a transport header.
#[inline]
fn walk(link: LinkType, span: Span<'_>) -> Walked<'_> {
    let (mut vlan, mut tunnels) = (None, 0);
    let mut next = match link {
        LinkType::ETHERNET => Next::Ethernet(span),
        _ => Next::Link(link, span),
    };
    for _ in 0..LAYERS_MAX {
        let step = match next {
            Next::Link(link, span) => link::frame(link, span),
            Next::Ethernet(span) => ethernet::frame(span),
            Next::EtherType(number, span) => ethernet::ether_type(number, span, &mut vlan),
            Next::Llc(span) => ethernet::llc(span),
            Next::Ip(span) => match ip::packet(span) {
                Ok(Ip::Whole(ip, protocol, payload)) => match upper(&ip, protocol, payload) {
                    Ok(Upper::Packet(packet)) => {
                        return Walked::Packet(Packet { vlan, tunnelled: tunnels > 0, ..packet });
                    }
                    Ok(Upper::Tunnel(inner)) => {
                        tunnels += 1;
                        if tunnels > TUNNELS_MAX {
                            return Walked::Skip(SkipReason::NestedTooDeep);
                        }
                        Ok(inner)
                    }
                    Err(reason) => Err(reason),
                },
                Ok(Ip::Piece(piece)) => {
                    return Walked::Fragment(Fragment { is_tunnelled: tunnels > 0, ..piece });
                }
                Err(reason) => Err(reason),
            },
        };
        next = match step {
            Ok(next) => next,
            Err(reason) => return Walked::Skip(reason),
        };
    }
    Walked::Skip(SkipReason::NestedTooDeep)
}

/// Reads the headers of an IP packet that was put together from fragments.
fn walk_whole(bytes: &[u8]) -> Walked<'_> {
    walk(LinkType::RAW, Span::new(bytes, 0))
}

/// The packet in what a [`Steer`] or a [`Placer`] made: an IP packet of fragments, or a part of an
/// aggregate. What a placer made may be a fragment itself, within a tunnel.
pub(crate) fn decode_part<'a>(
    frame: &Frame<'a>,
    defrag: &mut Defragmenter,
    counters: &mut Counters,
) -> Option<Decoded<'a>> {
    let piece = match walk(frame.link, Span::new(frame.data, 0)) {
        Walked::Packet(packet) => return Some(Decoded::Packet(packet)),
        Walked::Fragment(piece) => piece,
        Walked::Skip(_) => return None,
    };
    match put_together(&piece, frame.time, defrag, counters) {
        Reassembled::Datagram(bytes) => match walk_whole(&bytes) {
            Walked::Packet(packet) => Some(Decoded::Datagram(Box::new(Datagram::new(&packet)))),
            Walked::Fragment(_) | Walked::Skip(_) => None,
        },
        Reassembled::Kept | Reassembled::Skip(_) => None,
    }
}

/// What an IP packet carries.
#[derive(Debug)]
enum Upper<'a> {
    Packet(Packet<'a>),
    Tunnel(Next<'a>),
}

#[inline]
fn upper<'a>(ip: &IpHeader, protocol: u8, span: Span<'a>) -> Result<Upper<'a>, SkipReason> {
    let mut header: &[u8] = &[];
    let (transport, payload) = match protocol {
        protocol::TCP => {
            let (transport, payload) = transport::tcp(span)?;
            header = transport::header_of(span, payload);
            (transport, payload)
        }
        protocol::UDP => {
            let (transport, payload) = transport::udp(span)?;
            if let Some(inner) = udp_tunnel::inner(transport.ports(), payload) {
                return Ok(Upper::Tunnel(inner));
            }
            (transport, payload)
        }
        _ => return tunnel::inner(protocol, span).map(Upper::Tunnel),
    };
    Ok(Upper::Packet(Packet {
        src: ip.src,
        dst: ip.dst,
        transport,
        header,
        payload: payload.data(),
        payload_len: payload.wire_len_u32(),
        ttl: ip.ttl,
        id: ip.id,
        vlan: None,
        tunnelled: false,
    }))
}

/// What became of a fragment.
enum Reassembled {
    Kept,
    Skip(SkipReason),
    /// An IP packet that [`walk_whole`] follows to a [`Packet`].
    Datagram(Vec<u8>),
}

/// Keeps a fragment, or puts its datagram together, and the one that a tunnel in it may complete.
#[cold]
fn reassemble(
    fragment: &Fragment<'_>,
    time: Timestamp,
    defrag: &mut Defragmenter,
    counters: &mut Counters,
) -> Reassembled {
    counters.fragments += 1;
    put_together(fragment, time, defrag, counters)
}

/// As [`reassemble`], of a fragment that was counted.
#[cold]
fn put_together(
    fragment: &Fragment<'_>,
    time: Timestamp,
    defrag: &mut Defragmenter,
    counters: &mut Counters,
) -> Reassembled {
    let mut pushed = defrag.push(fragment, time, counters);
    for _ in 0..REASSEMBLIES_MAX {
        let bytes = match pushed {
            Pushed::Kept => return Reassembled::Kept,
            Pushed::Dropped => return Reassembled::Skip(SkipReason::FragmentDropped),
            Pushed::Whole(bytes) => bytes,
        };
        counters.reassembled_datagrams += 1;
        pushed = match walk_whole(&bytes) {
            Walked::Packet(_) => return Reassembled::Datagram(bytes),
            Walked::Skip(reason) => return Reassembled::Skip(reason),
            Walked::Fragment(inner) => defrag.push(&inner, time, counters),
        };
    }
    Reassembled::Skip(SkipReason::NestedTooDeep)
}

//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers with their extensions.
//!
//! Takes what real captures hold: lengths of zero (segmentation offload), wrong checksums
//! (checksum offload; never verified), padding behind the packet, and tails that the snap length
//! cut. Says what the packet carries, or that it is a fragment; what becomes of either is decided
//! elsewhere.

use std::net::{IpAddr, Ipv6Addr};

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice};

use super::span::Span;
use crate::SkipReason;

/// Protocol numbers (IANA "Protocol Numbers") that headers and tunnels are told by.
pub(super) mod protocol {
    pub(in crate::net) const HOP_BY_HOP: u8 = 0;
    pub(in crate::net) const ICMP: u8 = 1;
    pub(in crate::net) const IGMP: u8 = 2;
    pub(in crate::net) const IPV4: u8 = 4;
    pub(in crate::net) const TCP: u8 = 6;
    pub(in crate::net) const UDP: u8 = 17;
    pub(in crate::net) const IPV6: u8 = 41;
    pub(in crate::net) const ROUTING: u8 = 43;
    pub(in crate::net) const FRAGMENT: u8 = 44;
    pub(in crate::net) const GRE: u8 = 47;
    pub(in crate::net) const ESP: u8 = 50;
    pub(in crate::net) const AUTHENTICATION: u8 = 51;
    pub(in crate::net) const ICMP_V6: u8 = 58;
    pub(in crate::net) const DESTINATION_OPTIONS: u8 = 60;
    pub(in crate::net) const OSPF: u8 = 89;
    pub(in crate::net) const ETHERIP: u8 = 97;
    pub(in crate::net) const L2TP: u8 = 115;
    pub(in crate::net) const MOBILITY: u8 = 135;
    pub(in crate::net) const MPLS: u8 = 137;
    pub(in crate::net) const SHIM6: u8 = 140;
}

/// Length of the fixed IPv6 header.
pub(super) const IPV6_LEN: usize = 40;

/// Most extension headers that are followed. RFC 8200 §4.1 foresees seven in a packet.
const EXTENSIONS_MAX: usize = 16;

/// What an IP header says of its packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct IpHeader {
    pub(super) src: IpAddr,
    /// Where the packet ends up: the last stop of a routing header, if there is one.
    pub(super) dst: IpAddr,
    /// Time to live, or hop limit.
    pub(super) ttl: u8,
    /// Identification; 0 for IPv6.
    pub(super) id: u16,
}

/// A piece of a packet (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment<'a> {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) id: u32,
    /// What the whole packet carries.
    pub(super) protocol: u8,
    /// Position of `payload` in the packet's payload, in bytes.
    pub(super) offset: usize,
    /// Whether pieces behind this one exist.
    pub(super) more: bool,
    /// Every header that is repeated in each piece.
    pub(super) head: &'a [u8],
    /// Where in `head` the number of the next header is to be written; IPv6 only.
    pub(super) protocol_at: usize,
    pub(super) payload: Span<'a>,
    /// Whether a tunnel was around it; whoever walks down to it knows.
    pub(super) is_tunnelled: bool,
}

/// An IP packet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ip<'a> {
    /// A whole packet: its header, the protocol number, the payload.
    Whole(IpHeader, u8, Span<'a>),
    /// A piece of a packet.
    Piece(Fragment<'a>),
}

/// Reads the IP headers at the start of `span`, of either version.
#[inline]
pub(super) fn packet(span: Span<'_>) -> Result<Ip<'_>, SkipReason> {
    match span.data().first() {
        Some(byte) if byte >> 4 == 4 => ipv4(span),
        Some(byte) if byte >> 4 == 6 => ipv6(span),
        Some(_) => Err(SkipReason::MalformedIp),
        None => Err(SkipReason::TruncatedIp),
    }
}

/// Whether an IP packet of a believable length starts here: the test before payload is taken for
/// a tunnel.
pub(super) fn is_plausible(span: Span<'_>) -> bool {
    let data = span.data();
    let room = span.wire_len();
    match data.first().map(|byte| byte >> 4) {
        Some(4) => Ipv4HeaderSlice::from_slice(data).is_ok_and(|header| {
            let len = usize::from(header.total_len());
            let is_offloaded = len == 0 && header.protocol().0 == protocol::TCP;
            is_offloaded || (header.slice().len()..=room).contains(&len)
        }),
        Some(6) => Ipv6HeaderSlice::from_slice(data)
            .is_ok_and(|header| IPV6_LEN + usize::from(header.payload_length()) <= room),
        _ => false,
    }
}

/// The IPv4 header at the start of `span`, and what it says is its payload.
#[inline]
pub(super) fn ipv4_header(span: Span<'_>) -> Result<(Ipv4HeaderSlice<'_>, Span<'_>), SkipReason> {
    let header = match Ipv4HeaderSlice::from_slice(span.data()) {
        Ok(header) => header,
        Err(etherparse::err::ipv4::HeaderSliceError::Len(_)) => {
            return Err(SkipReason::TruncatedIp);
        }
        Err(_) => return Err(SkipReason::MalformedIp),
    };
    let header_len = header.slice().len();
    let span = match usize::from(header.total_len()) {
        0 => span, // segmentation offload leaves the length to the network card
        total_len if total_len < header_len => return Err(SkipReason::MalformedIp),
        total_len => span.limit(total_len),
    };
    Ok((header, span.skip(header_len)?))
}

#[inline]
fn ipv4(span: Span<'_>) -> Result<Ip<'_>, SkipReason> {
    let (header, payload) = ipv4_header(span)?;
    let (src, dst) = (IpAddr::V4(header.source_addr()), IpAddr::V4(header.destination_addr()));
    let protocol = header.protocol().0;
    if header.is_fragmenting_payload() {
        let fragment = Fragment {
            src,
            dst,
            id: header.identification().into(),
            protocol,
            offset: usize::from(header.fragments_offset().value()) * 8,
            more: header.more_fragments(),
            head: header.slice(),
            protocol_at: 0,
            payload,
            is_tunnelled: false,
        };
        return piece(fragment);
    }
    let ip = IpHeader { src, dst, ttl: header.ttl(), id: header.identification() };
    if protocol == protocol::AUTHENTICATION {
        return authenticated(ip, payload);
    }
    Ok(Ip::Whole(ip, protocol, payload))
}

/// Steps over an authentication header (RFC 4302 §2).
#[cold]
fn authenticated(ip: IpHeader, span: Span<'_>) -> Result<Ip<'_>, SkipReason> {
    let [protocol, words] = *span.head::<2>().or(Err(SkipReason::TruncatedIp))?;
    let payload = span.skip((usize::from(words) + 2) * 4).or(Err(SkipReason::TruncatedIp))?;
    Ok(Ip::Whole(ip, protocol, payload))
}

/// The IPv6 header at the start of `span`, and the packet as long as it says.
#[inline]
pub(super) fn ipv6_header(span: Span<'_>) -> Result<(Ipv6HeaderSlice<'_>, Span<'_>), SkipReason> {
    let header = match Ipv6HeaderSlice::from_slice(span.data()) {
        Ok(header) => header,
        Err(etherparse::err::ipv6::HeaderSliceError::Len(_)) => {
            return Err(SkipReason::TruncatedIp);
        }
        Err(_) => return Err(SkipReason::MalformedIp),
    };
    let packet = match usize::from(header.payload_length()) {
        0 => span, // a jumbogram (RFC 2675 §3) or segmentation offload
        len => span.limit(IPV6_LEN + len),
    };
    Ok((header, packet))
}

#[inline]
fn ipv6(span: Span<'_>) -> Result<Ip<'_>, SkipReason> {
    let (header, span) = ipv6_header(span)?;
    let ip = IpHeader {
        src: IpAddr::V6(header.source_addr()),
        dst: IpAddr::V6(header.destination_addr()),
        ttl: header.hop_limit(),
        id: 0,
    };
    let next = header.next_header().0;
    if next == protocol::TCP || next == protocol::UDP {
        return Ok(Ip::Whole(ip, next, span.skip(IPV6_LEN)?));
    }
    extensions(ip, next, span)
}

/// Follows the extension headers (RFC 8200 §4) of the packet in `span`.
fn extensions<'a>(mut ip: IpHeader, next: u8, span: Span<'a>) -> Result<Ip<'a>, SkipReason> {
    const NEXT_HEADER: usize = 6; // its place in the fixed header
    let (mut next, mut next_at, mut at) = (next, NEXT_HEADER, IPV6_LEN);
    for _ in 0..EXTENSIONS_MAX {
        let rest = span.skip(at).or(Err(SkipReason::TruncatedIp))?;
        let len = |unit: usize, more: usize| {
            rest.u8(1).map(|len| (usize::from(len) + more) * unit).or(Err(SkipReason::TruncatedIp))
        };
        let len = match next {
            protocol::HOP_BY_HOP
            | protocol::DESTINATION_OPTIONS
            | protocol::MOBILITY
            | protocol::SHIM6 => len(8, 1)?,
            protocol::ROUTING => {
                if let Some(last) = last_stop(rest) {
                    ip.dst = IpAddr::V6(last);
                }
                len(8, 1)?
            }
            protocol::AUTHENTICATION => len(4, 2)?,
            protocol::FRAGMENT => {
                let &[protocol, _, high, low, ref id @ ..] =
                    rest.head::<8>().or(Err(SkipReason::TruncatedIp))?;
                let position = u16::from_be_bytes([high, low]);
                let (offset, more) = (usize::from(position & !7), position & 1 != 0);
                if offset != 0 || more {
                    return piece(Fragment {
                        src: ip.src,
                        dst: ip.dst,
                        id: u32::from_be_bytes(*id),
                        protocol,
                        offset,
                        more,
                        head: span.data().get(..at).unwrap_or_default(),
                        protocol_at: next_at,
                        payload: rest.skip(8)?,
                        is_tunnelled: false,
                    });
                }
                8 // an atomic fragment (RFC 6946) is a whole packet
            }
            _ => return Ok(Ip::Whole(ip, next, rest)),
        };
        next = rest.u8(0).or(Err(SkipReason::TruncatedIp))?;
        (next_at, at) = (at, at + len);
    }
    Err(SkipReason::NestedTooDeep)
}

/// The address that a packet with this routing header is finally for, while it is on its way.
///
/// Type 0 lists the stops in order (RFC 5095), type 2 holds one (RFC 6275 §6.4), segment routing
/// lists them backwards (RFC 8754 §2).
#[cold]
fn last_stop(span: Span<'_>) -> Option<Ipv6Addr> {
    let &[_, len, kind, left] = span.head::<4>().ok()?;
    let stops = usize::from(len) / 2;
    let stop = match (kind, left, stops) {
        (_, 0, _) | (_, _, 0) => return None,
        (0, ..) => stops - 1,
        (2 | 4, ..) => 0,
        _ => return None,
    };
    let bytes: &[u8; 16] = span.data().get(8 + 16 * stop..)?.first_chunk()?;
    Some(Ipv6Addr::from(*bytes))
}

/// Checks that a fragment can be one, of a packet worth the memory.
#[cold]
fn piece(fragment: Fragment<'_>) -> Result<Ip<'_>, SkipReason> {
    if let protocol::ICMP | protocol::IGMP | protocol::ESP | protocol::ICMP_V6 | protocol::OSPF =
        fragment.protocol
    {
        return Err(SkipReason::OtherTransport);
    }
    let len = fragment.payload.wire_len();
    if len == 0 || (fragment.more && !len.is_multiple_of(8)) {
        return Err(SkipReason::MalformedIp);
    }
    Ok(Ip::Piece(fragment))
}

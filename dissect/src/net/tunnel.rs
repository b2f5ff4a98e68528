//! Tunnels with an IP protocol number of their own: IP in IP, GRE and what runs over it.

use super::ethernet::{self, ether_type};
use super::ip::{self, protocol};
use super::span::Span;
use super::{Next, shim};
use crate::SkipReason;

/// What a packet of a protocol that is neither TCP nor UDP carries, if it is a tunnel.
#[cold]
pub(super) fn inner(protocol: u8, span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    match protocol {
        protocol::IPV4 | protocol::IPV6 => Ok(Next::Ip(span)),
        protocol::GRE => gre(span),
        protocol::MPLS => Ok(Next::EtherType(ether_type::MPLS, span)),
        // RFC 3378 §3: version 3, twelve bits reserved.
        protocol::ETHERIP if span.u16(0)? == 0x3000 => Ok(Next::Ethernet(span.skip(2)?)),
        protocol::L2TP => l2tp_3(span),
        _ => Err(SkipReason::OtherTransport),
    }
}

/// Bits and fields of the first two bytes of a GRE header (RFC 2784, RFC 2890, RFC 2637).
mod gre {
    pub(super) const CHECKSUM: u16 = 0x8000;
    pub(super) const ROUTING: u16 = 0x4000;
    pub(super) const KEY: u16 = 0x2000;
    pub(super) const SEQUENCE: u16 = 0x1000;
    pub(super) const ACKNOWLEDGMENT: u16 = 0x0080;
    pub(super) const VERSION: u16 = 0x0007;
}

/// Protocols that GRE carries and Ethernet does not.
mod gre_protocol {
    pub(super) const ERSPAN_3: u16 = 0x22eb;
    pub(super) const CACHE_REDIRECT: u16 = 0x883e;
    pub(super) const ERSPAN: u16 = 0x88be;
}

/// MikroTik's Ethernet over IP looks like GRE version 1 with a protocol of its own.
const EOIP: [u8; 4] = [0x20, 0x01, 0x64, 0x00];

fn gre(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    if span.data().starts_with(&EOIP) {
        let len = usize::from(span.u16(4)?);
        let rest = span.skip(8)?;
        return Ok(Next::Ethernet(rest.limit(len.min(rest.wire_len()))));
    }
    let (flags, number) = (span.u16(0)?, span.u16(2)?);
    match flags & gre::VERSION {
        0 => {}
        1 if number == ether_type::PPP => return point_to_point(flags, span),
        _ => return Err(SkipReason::NotIp),
    }
    let mut rest = span.skip(4)?;
    if flags & (gre::CHECKSUM | gre::ROUTING) != 0 {
        rest = rest.skip(4)?;
    }
    for field in [gre::KEY, gre::SEQUENCE] {
        if flags & field != 0 {
            rest = rest.skip(4)?;
        }
    }
    if flags & gre::ROUTING != 0 {
        rest = behind_routes(rest)?;
    }
    match number {
        gre_protocol::ERSPAN if flags & gre::SEQUENCE == 0 => Ok(Next::Ethernet(rest)),
        gre_protocol::ERSPAN => Ok(Next::Ethernet(rest.skip(8)?)),
        gre_protocol::ERSPAN_3 => erspan_3(rest),
        // WCCP: version 2 has a redirect header, version 1 the packet at once.
        gre_protocol::CACHE_REDIRECT if rest.u8(0)? >> 4 == 4 => Ok(Next::Ip(rest)),
        gre_protocol::CACHE_REDIRECT => Ok(Next::Ip(rest.skip(4)?)),
        _ => ethernet::protocol_type(number, rest),
    }
}

/// Most source routes of a GRE header; routers refuse to act on any.
const ROUTES_MAX: usize = 16;

/// Steps over source routes (RFC 1701 §2): each has its length in its fourth byte, the last is 0.
fn behind_routes(span: Span<'_>) -> Result<Span<'_>, SkipReason> {
    let mut rest = span;
    for _ in 0..ROUTES_MAX {
        let &[family_high, family_low, _, len] = rest.head::<4>()?;
        rest = rest.skip(4 + usize::from(len))?;
        if [family_high, family_low, len] == [0; 3] {
            return Ok(rest);
        }
    }
    Err(SkipReason::NestedTooDeep)
}

/// Enhanced GRE (RFC 2637 §4.1): PPP with its length, or a bare acknowledgment.
fn point_to_point(flags: u16, span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let len = usize::from(span.u16(4)?);
    if flags & gre::SEQUENCE == 0 || len == 0 {
        return Err(SkipReason::NotIp);
    }
    let header_len = if flags & gre::ACKNOWLEDGMENT == 0 { 12 } else { 16 };
    let rest = span.skip(header_len)?;
    shim::ppp(rest.limit(len.min(rest.wire_len())))
}

/// ERSPAN type III (draft-foschiano-erspan §4.3): twelve bytes, and eight more that the last bit
/// announces; five bits before tell Ethernet from IP.
fn erspan_3(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const SUBHEADER: u16 = 0x0001;
    let bits = span.u16(10)?;
    let rest = span.skip(if bits & SUBHEADER == 0 { 12 } else { 20 })?;
    match bits >> 10 & 0x1f {
        0 => Ok(Next::Ethernet(rest)),
        2 => Ok(Next::Ip(rest)),
        _ => Err(SkipReason::NotIp),
    }
}

/// L2TP version 3 over IP (RFC 3931 §4.1.1). The lengths of cookie and sublayer were agreed on
/// elsewhere, so the payload is looked for behind each.
fn l2tp_3(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    for len in [4, 8, 12, 16] {
        let rest = span.skip(len)?;
        if ethernet::is_plausible(rest) {
            return Ok(Next::Ethernet(rest));
        }
        if ip::is_plausible(rest) {
            return Ok(Next::Ip(rest));
        }
    }
    Err(SkipReason::OtherTransport)
}

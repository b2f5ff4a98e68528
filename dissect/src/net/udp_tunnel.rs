//! Tunnels over UDP, by port, and by content where ports are chosen freely.
//!
//! A datagram that does not parse as its port promises is a plain datagram: any application may
//! use any port.

use super::ethernet::{self, ether_type};
use super::span::Span;
use super::{Next, ip, shim, wireless};
use crate::SkipReason;

/// Ports (IANA service names) that announce a tunnel.
mod port {
    pub(super) const L2TP: u16 = 1701;
    pub(super) const GTP_USER: u16 = 2152;
    pub(super) const TEREDO: u16 = 3544;
    pub(super) const LISP_DATA: u16 = 4341;
    pub(super) const VXLAN: u16 = 4789;
    pub(super) const VXLAN_GPE: u16 = 4790;
    pub(super) const CAPWAP_DATA: u16 = 5247;
    pub(super) const GENEVE: u16 = 6081;
    pub(super) const MPLS: u16 = 6635;
    /// Linux took this one for VXLAN before IANA had assigned any.
    pub(super) const VXLAN_LINUX: u16 = 8472;
    pub(super) const TZSP: u16 = 37_008;
}

/// What a datagram between these two ports carries, if it is a tunnel.
#[inline]
pub(super) fn inner(ports: (u16, u16), span: Span<'_>) -> Option<Next<'_>> {
    let (src, dst) = ports;
    if is_known(dst)
        && let Some(inner) = by_port(dst, span)
    {
        return Some(inner);
    }
    if is_known(src)
        && let Some(inner) = by_port(src, span)
    {
        return Some(inner);
    }
    match *span.data().first_chunk::<4>()? {
        [0x08, 0, 0, 0] => vxlan_anywhere(span),
        [_, _, 0x65, 0x58] => geneve_anywhere(span),
        [version, ..] if version >> 4 == 6 => teredo_anywhere(span),
        _ => None,
    }
}

#[inline]
const fn is_known(number: u16) -> bool {
    matches!(
        number,
        port::L2TP
            | port::GTP_USER
            | port::TEREDO
            | port::LISP_DATA
            | port::VXLAN
            | port::VXLAN_GPE
            | port::CAPWAP_DATA
            | port::GENEVE
            | port::MPLS
            | port::VXLAN_LINUX
            | port::TZSP
    )
}

#[cold]
fn by_port(number: u16, span: Span<'_>) -> Option<Next<'_>> {
    let inner = match number {
        port::L2TP => l2tp(span),
        port::GTP_USER => gtp_user(span),
        port::TEREDO => teredo(span),
        port::LISP_DATA => plausible_ip(span.skip(8).ok()?),
        port::VXLAN | port::VXLAN_LINUX => vxlan(span),
        port::VXLAN_GPE => vxlan_gpe(span),
        port::CAPWAP_DATA => wireless::capwap(span),
        port::GENEVE => geneve(span),
        port::MPLS => Ok(Next::EtherType(ether_type::MPLS, span)),
        port::TZSP => tzsp(span),
        _ => return None,
    };
    inner.ok()
}

fn plausible_ip(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    if ip::is_plausible(span) { Ok(Next::Ip(span)) } else { Err(SkipReason::NotIp) }
}

/// VXLAN (RFC 7348 §5): a flag that the network identifier is there, and bits that senders leave
/// zero but for the group policy extension. A receiver ignores the other flags, so that where some
/// are set a believable frame is enough.
fn vxlan(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const GROUP_POLICY: u8 = 0x80;
    const IDENTIFIER: u8 = 0x08;
    let &[flags, _, _, _, _, _, _, reserved] = span.head::<8>()?;
    let rest = span.skip(8)?;
    let is_plain = flags & !GROUP_POLICY == IDENTIFIER;
    if flags & IDENTIFIER == 0 || reserved != 0 || !is_plain && !ethernet::is_plausible(rest) {
        return Err(SkipReason::NotIp);
    }
    Ok(Next::Ethernet(rest))
}

/// VXLAN on a port of the operator's choice: only with a believable frame in it.
#[cold]
fn vxlan_anywhere(span: Span<'_>) -> Option<Next<'_>> {
    let rest = span.skip(8).ok()?;
    if ethernet::is_plausible(rest) { vxlan(span).ok() } else { None }
}

/// Generic protocol extension for VXLAN (draft-ietf-nvo3-vxlan-gpe §3.1). Not every sender sets
/// the flag that a protocol number is there; plain VXLAN has zeros in its place.
fn vxlan_gpe(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let &[flags, _, _, protocol, ..] = span.head::<8>()?;
    let rest = span.skip(8)?;
    match protocol {
        _ if flags & 0x08 == 0 || flags & 0xc0 != 0 => Err(SkipReason::NotIp),
        0 => Ok(Next::Ethernet(rest)),
        _ => shim::numbered(protocol, rest),
    }
}

/// Geneve (RFC 8926 §3.4): version 0, options of a length in words, an EtherType.
fn geneve(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let &[options, reserved, high, low, _, _, _, zero] = span.head::<8>()?;
    if options >> 6 != 0 || reserved & 0x3f != 0 || zero != 0 {
        return Err(SkipReason::NotIp);
    }
    let rest = span.skip(8 + usize::from(options) * 4)?;
    ethernet::protocol_type(u16::from_be_bytes([high, low]), rest)
}

/// Geneve on a port of the operator's choice: only with a believable frame in it.
#[cold]
fn geneve_anywhere(span: Span<'_>) -> Option<Next<'_>> {
    match geneve(span) {
        Ok(Next::EtherType(_, rest)) if ethernet::is_plausible(rest) => Some(Next::Ethernet(rest)),
        _ => None,
    }
}

/// Most extension headers of a GTP packet; a session carries one or two.
const GTP_EXTENSIONS_MAX: usize = 8;

/// GTP version 1, user plane (3GPP TS 29.281 §5): only packets of users, and no signalling.
fn gtp_user(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const VERSION_1: u8 = 0x30; // with the bit that tells GTP from its charging variant
    const OPTIONAL_FIELDS: u8 = 0x07;
    const USER_PACKET: u8 = 0xff;
    let &[flags, kind, high, low, ..] = span.head::<8>()?;
    if flags & 0xf0 != VERSION_1 || kind != USER_PACKET {
        return Err(SkipReason::NotIp);
    }
    let rest = span.skip(8)?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    let mut rest = rest.limit(len.min(rest.wire_len()));
    if flags & OPTIONAL_FIELDS != 0 {
        let mut extension = rest.u8(3)?;
        rest = rest.skip(4)?;
        for _ in 0..GTP_EXTENSIONS_MAX {
            if extension == 0 || flags & 0x04 == 0 {
                break;
            }
            // Its length in words comes first, the type of the next one last.
            let len = usize::from(rest.u8(0)?.max(1)) * 4;
            extension = rest.u8(len - 1)?;
            rest = rest.skip(len)?;
        }
    }
    plausible_ip(rest)
}

/// Teredo (RFC 4380 §5.1.1): authentication and origin may come before the packet.
fn teredo(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let mut rest = span;
    if let [0, 1, id_len, value_len] = *rest.head::<4>()? {
        rest = rest.skip(4 + usize::from(id_len) + usize::from(value_len) + 9)?;
    }
    if let [0, 0, _, _] = *rest.head::<4>()? {
        rest = rest.skip(8)?;
    }
    if rest.u8(0)? >> 4 == 6 { plausible_ip(rest) } else { Err(SkipReason::NotIp) }
}

/// Teredo between two clients, whose ports are arbitrary: an IPv6 packet of exactly this length
/// with an address of the Teredo service, 2001::/32.
#[cold]
fn teredo_anywhere(span: Span<'_>) -> Option<Next<'_>> {
    const PREFIX: u32 = 0x2001_0000;
    let exact = 40 + usize::from(span.u16(4).ok()?) == span.wire_len();
    let teredo = span.u32(8).ok()? == PREFIX || span.u32(24).ok()? == PREFIX;
    if exact && teredo { Some(Next::Ip(span)) } else { None }
}

/// L2TP version 2 (RFC 2661 §3.1): data messages that carry an IP packet.
fn l2tp(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    let flags = span.u16(0)?;
    if flags & CONTROL != 0 || flags & 0x000f != 2 {
        return Err(SkipReason::NotIp);
    }
    let mut len = 6;
    for (flag, field) in [(LENGTH, 2), (SEQUENCE, 4)] {
        if flags & flag != 0 {
            len += field;
        }
    }
    if flags & OFFSET != 0 {
        len += 2 + usize::from(span.u16(len)?);
    }
    match shim::ppp(span.skip(len)?)? {
        Next::Ip(packet) => plausible_ip(packet),
        _ => Err(SkipReason::NotIp),
    }
}

/// Most tags of a TZSP header; about ten are defined.
const TZSP_TAGS_MAX: usize = 32;

/// TaZmen Sniffer Protocol, as access points and MikroTik mirror with: version 1, a type, what is
/// inside, then tags up to an end tag.
fn tzsp(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const PADDING: u8 = 0;
    const END: u8 = 1;
    let &[version, kind, high, low] = span.head::<4>()?;
    if version != 1 || kind > 1 {
        return Err(SkipReason::NotIp);
    }
    let mut rest = span.skip(4)?;
    for _ in 0..TZSP_TAGS_MAX {
        match rest.u8(0)? {
            PADDING => rest = rest.skip(1)?,
            END => {
                let rest = rest.skip(1)?;
                return match u16::from_be_bytes([high, low]) {
                    1 => Ok(Next::Ethernet(rest)),
                    18 => Ok(Next::Link(crate::LinkType::IEEE802_11, rest)),
                    119 => Ok(Next::Link(crate::LinkType::PRISM, rest)),
                    127 => Ok(Next::Link(crate::LinkType::AVS, rest)),
                    _ => Err(SkipReason::NotIp),
                };
            }
            _ => rest = rest.skip(2 + usize::from(rest.u8(1)?))?,
        }
    }
    Err(SkipReason::NestedTooDeep)
}

//! What stands between a link-layer header and IP: PPP, PPPoE, MPLS, MACsec, service chaining.

use super::ethernet::{self, ether_type};
use super::span::Span;
use super::{Next, ip};
use crate::SkipReason;

/// Most labels of a stack. Traffic engineering pushes up to about ten.
const LABELS_MAX: usize = 16;

/// A PPPoE session packet (RFC 2516 §4).
pub(super) fn pppoe(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let &[version_and_type, code, _, _, len_high, len_low] = span.head::<6>()?;
    if (version_and_type, code) != (0x11, 0) {
        return Err(SkipReason::NotIp);
    }
    let rest = span.skip(6)?;
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    ppp(rest.limit(len.min(rest.wire_len())))
}

/// PPP (RFC 1661 §2), its address and control bytes and the high byte of the protocol perhaps
/// left out (RFC 1662 §3.2, RFC 1661 §6.5).
pub(super) fn ppp(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let span = if span.data().starts_with(&[0xff, 0x03]) { span.skip(2)? } else { span };
    let first = span.u8(0)?;
    let (protocol, rest) = if first & 1 == 1 {
        (u16::from(first), span.skip(1)?)
    } else {
        (span.u16(0)?, span.skip(2)?)
    };
    match protocol {
        0x0021 | 0x0057 => Ok(Next::Ip(rest)),
        // Bridging (RFC 3518 §4.2): flags, and 1 for Ethernet.
        0x0031 if rest.u8(1)? == 1 => Ok(Next::Ethernet(rest.skip(2)?)),
        0x003d => multilink(rest),
        0x0281 | 0x0283 => Ok(Next::EtherType(ether_type::MPLS, rest)),
        0x0053 | 0x0055 => Err(SkipReason::EncryptedLink),
        _ => Err(SkipReason::NotIp),
    }
}

/// A multilink fragment (RFC 1990 §3): whole packets only, which begin and end in it. Whether the
/// sequence number is short or long was negotiated before: its unused bits are zero, and what
/// follows has to be IP.
fn multilink(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const BEGINS_AND_ENDS: u8 = 0xc0;
    const UNUSED_SHORT: u8 = 0x30;
    const UNUSED_LONG: u8 = 0x3f;
    let flags = span.u8(0)?;
    if flags & BEGINS_AND_ENDS != BEGINS_AND_ENDS {
        return Err(SkipReason::FragmentDropped);
    }
    for (unused, len) in [(UNUSED_LONG, 4), (UNUSED_SHORT, 2)] {
        let rest = span.skip(len)?;
        let protocol_len = match *rest.head::<2>()? {
            [0x21 | 0x57, _] => 1,
            [0x00, 0x21 | 0x57] => 2,
            _ => continue,
        };
        let packet = rest.skip(protocol_len)?;
        if flags & unused == 0 && ip::is_plausible(packet) {
            return Ok(Next::Ip(packet));
        }
    }
    Err(SkipReason::NotIp)
}

/// An MPLS label stack (RFC 3032 §2.1). No label tells what follows the last one: that has to be
/// seen from its first bytes (RFC 4928 §3).
pub(super) fn mpls(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const BOTTOM_OF_STACK: u8 = 0x01;
    let mut rest = span;
    for _ in 0..LABELS_MAX {
        let [_, _, label_end, _] = *rest.head::<4>()?;
        rest = rest.skip(4)?;
        if label_end & BOTTOM_OF_STACK != 0 {
            return below_labels(rest);
        }
    }
    Err(SkipReason::NestedTooDeep)
}

fn below_labels(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let nibble = span.u8(0)? >> 4;
    if ip::is_plausible(span) {
        return Ok(Next::Ip(span));
    }
    // An Ethernet pseudowire (RFC 4448 §4.6), behind a control word or not.
    let behind_control_word = span.skip(4)?;
    if nibble == 0 && ethernet::is_plausible(behind_control_word) {
        return Ok(Next::Ethernet(behind_control_word));
    }
    if ethernet::is_plausible(span) {
        return Ok(Next::Ethernet(span));
    }
    match nibble {
        4 | 6 => Ok(Next::Ip(span)),
        _ => Err(SkipReason::NotIp),
    }
}

/// A MACsec tag (IEEE 802.1AE §9.3). Without encryption the frame goes on behind it, and the
/// check value at the end is taken for padding.
pub(super) fn macsec(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const EXPLICIT_CHANNEL: u8 = 0x20;
    const ENCRYPTED: u8 = 0x08;
    const CHANGED: u8 = 0x04;
    let control = span.u8(0)?;
    if control & (ENCRYPTED | CHANGED) != 0 {
        return Err(SkipReason::EncryptedLink);
    }
    let len = if control & EXPLICIT_CHANNEL != 0 { 14 } else { 6 };
    Ok(Next::EtherType(span.u16(len)?, span.skip(len + 2)?))
}

/// A network service header (RFC 8300 §2).
pub(super) fn service_header(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let &[_, len, _, protocol] = span.head::<4>()?;
    let rest = span.skip(usize::from(len & 0x3f).max(2) * 4)?;
    numbered(protocol, rest)
}

/// The next header as RFC 8300 §11.2.5 numbers it.
pub(super) fn numbered(protocol: u8, rest: Span<'_>) -> Result<Next<'_>, SkipReason> {
    match protocol {
        1 | 2 => Ok(Next::Ip(rest)),
        3 => Ok(Next::Ethernet(rest)),
        4 => Ok(Next::EtherType(ether_type::SERVICE_HEADER, rest)),
        5 => Ok(Next::EtherType(ether_type::MPLS, rest)),
        _ => Err(SkipReason::NotIp),
    }
}

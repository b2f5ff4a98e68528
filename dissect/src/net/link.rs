//! What a frame's first bytes are, by the link type of its interface.

use super::span::Span;
use super::{Next, ethernet, shim, wireless};
use crate::{LinkType, SkipReason};

/// Steps into a frame of link type `link`.
#[cold]
pub(super) fn frame(link: LinkType, span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    match link {
        LinkType::ETHERNET => Ok(Next::Ethernet(span)),
        LinkType::NULL | LinkType::LOOP => loopback(span),
        LinkType::ENC => family(span.u32_le(0)?, span.skip(12)?),
        LinkType::RAW | LinkType::RAW_DLT | LinkType::RAW_OPENBSD => Ok(Next::Ip(span)),
        LinkType::IPV4 | LinkType::IPV6 => Ok(Next::Ip(span)),
        LinkType::LINUX_SLL => cooked(span),
        LinkType::LINUX_SLL2 => cooked_2(span),
        LinkType::PPP => shim::ppp(span),
        LinkType::PPP_PPPD => shim::ppp(span.skip(2)?),
        LinkType::PPP_WITH_DIR => shim::ppp(span.skip(1)?),
        LinkType::PPP_HDLC if matches!(span.u8(0)?, 0x0f | 0x8f) => cisco_hdlc(span),
        LinkType::PPP_HDLC => shim::ppp(span),
        LinkType::PPP_ETHER => shim::pppoe(span),
        LinkType::C_HDLC => cisco_hdlc(span),
        LinkType::C_HDLC_WITH_DIR => cisco_hdlc(span.skip(1)?),
        LinkType::FRELAY => frame_relay(span),
        LinkType::FRELAY_WITH_DIR => frame_relay(span.skip(1)?),
        LinkType::ATM_RFC1483 => Ok(Next::Llc(span)),
        LinkType::MPLS => shim::mpls(span),
        LinkType::NFLOG => netfilter_log(span),
        LinkType::IEEE802_11 => wireless::frame(span, false),
        LinkType::RADIOTAP => wireless::radiotap(span),
        LinkType::PRISM | LinkType::AVS => wireless::prism(span),
        LinkType::PPI => wrapped(span.u32_le(4)?, span.skip(usize::from(span.u16_le(2)?).max(8))?),
        LinkType::PKTAP => {
            let len = usize::try_from(span.u32_le(0)?).unwrap_or(usize::MAX);
            wrapped(span.u32_le(8)?, span.skip(len.max(12))?)
        }
        _ => Err(SkipReason::UnknownLinkType),
    }
}

/// A loopback header: four bytes of address family, in either byte order. BSD systems agree on
/// the number of IPv4 and on nothing else.
fn loopback(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    family(span.u32_le(0)?, span.skip(4)?)
}

/// What an address family announces, whatever host wrote it: Linux, Windows, the BSDs and macOS
/// each have their own number for IPv6.
fn family(number: u32, rest: Span<'_>) -> Result<Next<'_>, SkipReason> {
    match number.min(number.swap_bytes()) {
        2 | 10 | 23 | 24 | 28 | 30 => Ok(Next::Ip(rest)),
        _ => Err(SkipReason::NotIp),
    }
}

/// A frame within a capture header that names its link type.
fn wrapped(number: u32, rest: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let number = u16::try_from(number).or(Err(SkipReason::UnknownLinkType))?;
    Ok(Next::Link(LinkType(number), rest))
}

/// Number in the protocol field of a cooked header for "no protocol, but an LLC header"
/// (`linux/if_ether.h`).
const COOKED_LLC: u16 = 4;

/// A Linux cooked header, version 1 (tcpdump.org, `LINKTYPE_LINUX_SLL`).
fn cooked(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    cooked_payload(span.u16(14)?, span.skip(16)?)
}

/// A Linux cooked header, version 2 (tcpdump.org, `LINKTYPE_LINUX_SLL2`).
fn cooked_2(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    cooked_payload(span.u16(0)?, span.skip(20)?)
}

fn cooked_payload(protocol: u16, rest: Span<'_>) -> Result<Next<'_>, SkipReason> {
    if protocol == COOKED_LLC {
        return Ok(Next::Llc(rest));
    }
    ethernet::protocol_type(protocol, rest)
}

/// Cisco HDLC: address, control, and a number that is an EtherType for what matters here.
fn cisco_hdlc(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    ethernet::protocol_type(span.u16(2)?, span.skip(4)?)
}

/// Frame Relay: an address of two to four bytes, then a network layer protocol identifier (RFC
/// 2427 §3), or an EtherType as Cisco has it.
fn frame_relay(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const LAST_OF_ADDRESS: u8 = 0x01;
    const UNNUMBERED: u8 = 0x03;
    let end = (1..4).find(|&at| span.u8(at).is_ok_and(|byte| byte & LAST_OF_ADDRESS != 0));
    let rest = span.skip(end.ok_or(SkipReason::NotIp)? + 1)?;
    if rest.u8(0)? != UNNUMBERED {
        return ethernet::protocol_type(rest.u16(0)?, rest.skip(2)?);
    }
    let pad = usize::from(rest.u8(1)? == 0);
    let (protocol, rest) = (rest.u8(1 + pad)?, rest.skip(2 + pad)?);
    match protocol {
        0xcc | 0x8e => Ok(Next::Ip(rest)),
        0x80 => ethernet::snap(rest),
        _ => Err(SkipReason::NotIp),
    }
}

/// Most attributes of a netfilter log entry that are stepped over; the kernel writes about 20.
const LOG_ATTRIBUTES_MAX: usize = 64;

/// A netfilter log entry: attributes, one of which is the packet. Their length and type are in
/// the byte order of the capturing host, and no attribute is as long as its length reversed.
fn netfilter_log(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const HEADER_LEN: usize = 4;
    const PAYLOAD: u16 = 9; // NFULA_PAYLOAD of linux/netfilter/nfnetlink_log.h
    let mut rest = span.skip(4)?;
    for _ in 0..LOG_ATTRIBUTES_MAX {
        let (len, kind) = (rest.u16_le(0)?, rest.u16_le(2)?);
        let big_endian = kind.swap_bytes() < kind;
        let (len, kind) =
            if big_endian { (len.swap_bytes(), kind.swap_bytes()) } else { (len, kind) };
        let len = usize::from(len);
        if len < HEADER_LEN {
            return Err(SkipReason::NotIp);
        }
        if kind == PAYLOAD {
            return Ok(Next::Ip(rest.limit(len).skip(HEADER_LEN)?));
        }
        rest = rest.skip(len.next_multiple_of(4))?;
    }
    Err(SkipReason::NestedTooDeep)
}

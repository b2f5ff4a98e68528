//! What a frame's first bytes are, by the link type of its interface.

use super::Next;
use super::ethernet;
use super::span::Span;
use crate::{LinkType, SkipReason};

/// Steps into a frame of link type `link`.
#[cold]
pub(super) fn frame(link: LinkType, span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    match link {
        LinkType::ETHERNET => Ok(Next::Ethernet(span)),
        LinkType::NULL | LinkType::LOOP => loopback(span),
        LinkType::RAW | LinkType::RAW_DLT | LinkType::RAW_OPENBSD => Ok(Next::Ip(span)),
        LinkType::IPV4 | LinkType::IPV6 => Ok(Next::Ip(span)),
        LinkType::LINUX_SLL => cooked(span),
        LinkType::LINUX_SLL2 => cooked_2(span),
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

/// Numbers in the protocol field of a cooked header that are no EtherTypes (`linux/if_ether.h`).
mod cooked_protocol {
    pub(super) const LLC: u16 = 4;
}

/// A Linux cooked header, version 1 (tcpdump.org, `LINKTYPE_LINUX_SLL`).
fn cooked(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    cooked_payload(span.u16(14)?, span.u16(2)?, span.skip(16)?)
}

/// A Linux cooked header, version 2 (tcpdump.org, `LINKTYPE_LINUX_SLL2`).
fn cooked_2(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    cooked_payload(span.u16(0)?, span.u16(8)?, span.skip(20)?)
}

fn cooked_payload(protocol: u16, _hardware: u16, rest: Span<'_>) -> Result<Next<'_>, SkipReason> {
    match protocol {
        cooked_protocol::LLC => ethernet::llc(rest),
        0..0x0600 => Err(SkipReason::NotIp),
        _ => Ok(Next::EtherType(protocol, rest)),
    }
}

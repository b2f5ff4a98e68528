//! Ethernet, IEEE 802.2 LLC, and everything that an EtherType announces.
//!
//! Tags and shims between the Ethernet header and the packet are stepped over one at a time.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};

use super::span::Span;
use super::{Next, ip, shim};
use crate::SkipReason;

/// EtherTypes (IEEE registration authority) that are followed.
pub(super) mod ether_type {
    pub(in crate::net) const IPV4: u16 = 0x0800;
    pub(in crate::net) const ARP: u16 = 0x0806;
    pub(in crate::net) const TRANSPARENT_ETHERNET: u16 = 0x6558;
    pub(in crate::net) const CUSTOMER_VLAN: u16 = 0x8100;
    pub(in crate::net) const IPV6: u16 = 0x86dd;
    pub(in crate::net) const PPP: u16 = 0x880b;
    pub(in crate::net) const MPLS: u16 = 0x8847;
    pub(in crate::net) const MPLS_MULTICAST: u16 = 0x8848;
    pub(in crate::net) const PPPOE_SESSION: u16 = 0x8864;
    pub(in crate::net) const LLC: u16 = 0x8870;
    pub(in crate::net) const SERVICE_VLAN: u16 = 0x88a8;
    pub(in crate::net) const MACSEC: u16 = 0x88e5;
    pub(in crate::net) const PROVIDER_BACKBONE: u16 = 0x88e7;
    pub(in crate::net) const CISCO_METADATA: u16 = 0x8909;
    pub(in crate::net) const VN_TAG: u16 = 0x8926;
    pub(in crate::net) const SEAMLESS_REDUNDANCY: u16 = 0x892f;
    pub(in crate::net) const BRIDGE_PORT_TAG: u16 = 0x893f;
    pub(in crate::net) const SERVICE_HEADER: u16 = 0x894f;
    pub(in crate::net) const QINQ_9100: u16 = 0x9100;
    pub(in crate::net) const QINQ_9200: u16 = 0x9200;
    pub(in crate::net) const REDUNDANCY_TAG: u16 = 0xf1c1;
}

use ether_type as et;

/// Greatest number that is a length and no EtherType (IEEE 802.3 §3.2.6).
const LENGTH_MAX: u16 = 1500;

/// An Ethernet frame.
#[inline]
pub(super) fn frame(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    header(span).map(|(number, rest)| Next::EtherType(number, rest))
}

/// The EtherType or length of an Ethernet frame, and what follows it.
#[inline]
pub(super) fn header(span: Span<'_>) -> Result<(u16, Span<'_>), SkipReason> {
    let Ok(header) = Ethernet2HeaderSlice::from_slice(span.data()) else {
        return Err(SkipReason::TruncatedLink);
    };
    Ok((header.ether_type().0, span.skip(header.slice().len())?))
}

/// Whether an EtherType announces a VLAN tag.
#[inline]
pub(super) const fn is_vlan(number: u16) -> bool {
    matches!(number, et::CUSTOMER_VLAN | et::SERVICE_VLAN | et::QINQ_9100 | et::QINQ_9200)
}

/// The identifier in a VLAN tag (IEEE 802.1Q §9.6), the EtherType behind it, and what follows.
#[inline]
pub(super) fn vlan_tag(span: Span<'_>) -> Result<(u16, u16, Span<'_>), SkipReason> {
    let Ok(tag) = SingleVlanHeaderSlice::from_slice(span.data()) else {
        return Err(SkipReason::TruncatedLink);
    };
    Ok((tag.vlan_identifier().value(), tag.ether_type().0, span.skip(tag.slice().len())?))
}

/// What follows an EtherType or length field. `vlan` takes the identifier of a tag.
#[inline]
pub(super) fn ether_type<'a>(
    number: u16,
    span: Span<'a>,
    vlan: &mut Option<u16>,
) -> Result<Next<'a>, SkipReason> {
    match number {
        et::IPV4 | et::IPV6 => Ok(Next::Ip(span)),
        _ if is_vlan(number) => {
            let (id, number, rest) = vlan_tag(span)?;
            *vlan = Some(id);
            Ok(Next::EtherType(number, rest))
        }
        _ => rare_ether_type(number, span),
    }
}

#[cold]
fn rare_ether_type(number: u16, span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    match number {
        ..=LENGTH_MAX => Ok(Next::Llc(span.limit(usize::from(number).min(span.wire_len())))),
        et::LLC => Ok(Next::Llc(span)),
        et::TRANSPARENT_ETHERNET => Ok(Next::Ethernet(span)),
        et::PROVIDER_BACKBONE => Ok(Next::Ethernet(span.skip(4)?)),
        et::PPPOE_SESSION => shim::pppoe(span),
        et::PPP => shim::ppp(span),
        et::MPLS | et::MPLS_MULTICAST => shim::mpls(span),
        et::MACSEC => shim::macsec(span),
        et::SERVICE_HEADER => shim::service_header(span),
        // Tags of a fixed length, each in front of another EtherType.
        et::VN_TAG | et::SEAMLESS_REDUNDANCY | et::REDUNDANCY_TAG => tagged(span, 4),
        et::BRIDGE_PORT_TAG => tagged(span, 6),
        et::CISCO_METADATA => tagged(span, 2 + 4 * usize::from(span.u8(1)?)),
        _ => Err(SkipReason::NotIp),
    }
}

/// What follows a tag of `len` bytes.
fn tagged(span: Span<'_>, len: usize) -> Result<Next<'_>, SkipReason> {
    Ok(Next::EtherType(span.u16(len)?, span.skip(len + 2)?))
}

/// What follows an EtherType that a tunnel carries: there, no number is a length.
pub(super) fn protocol_type(number: u16, span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    if number <= LENGTH_MAX { Err(SkipReason::NotIp) } else { Ok(Next::EtherType(number, span)) }
}

/// Whether an Ethernet frame with a believable packet starts here: the test before bytes that
/// nothing announces are taken for one.
pub(super) fn is_plausible(span: Span<'_>) -> bool {
    let mut at = 12;
    for _ in 0..3 {
        let (Ok(number), Ok(rest)) = (span.u16(at), span.skip(at + 2)) else {
            return false;
        };
        match number {
            et::IPV4 | et::IPV6 => return ip::is_plausible(rest),
            et::ARP => return rest.data().starts_with(&[0, 1, 8, 0]),
            et::PPPOE_SESSION | et::MPLS => return true,
            et::CUSTOMER_VLAN | et::SERVICE_VLAN => at += 4,
            _ => return false,
        }
    }
    false
}

/// An IEEE 802.2 logical link control header, with or without SNAP.
#[cold]
pub(super) fn llc(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const UNNUMBERED: u8 = 0x03;
    match *span.head::<3>()? {
        [0xaa, 0xaa, UNNUMBERED] => snap(span.skip(3)?),
        [0x06, 0x06, UNNUMBERED] => Ok(Next::Ip(span.skip(3)?)),
        _ => Err(SkipReason::NotIp),
    }
}

/// A SNAP header: an organization and its protocol number (RFC 1042, IEEE 802.1H).
pub(super) fn snap(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let &[o0, o1, o2, p0, p1] = span.head::<5>()?;
    let (number, rest) = (u16::from_be_bytes([p0, p1]), span.skip(5)?);
    match [o0, o1, o2] {
        [0, 0, 0] | [0, 0, 0xf8] => Ok(Next::EtherType(number, rest)),
        // RFC 2427 §4.2: bridged Ethernet, with or without its check sequence.
        [0, 0x80, 0xc2] if matches!(number, 1 | 7) => Ok(Next::Ethernet(rest)),
        _ => Err(SkipReason::NotIp),
    }
}

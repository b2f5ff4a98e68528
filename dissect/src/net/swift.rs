//! The shortest way, for what nearly every frame is: TCP in IPv4 or IPv6 in Ethernet, without tags
//! and options of IP, captured whole.
//!
//! All fields lie at fixed places there. Whatever is odd goes another way. Invariant: all ways lead
//! to the same segment.

use super::ethernet::ether_type;
use super::ip::protocol;
use crate::{Frame, LinkType};

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const IPV6_LEN: usize = 40;
const TCP_LEN: usize = 20;

/// A whole TCP segment between addresses of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swift<'a, A> {
    pub(crate) src: A,
    pub(crate) dst: A,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) ttl: u8,
    /// Identification of the IPv4 packet; 0 for IPv6.
    pub(crate) id: u16,
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// The segment of a frame with IPv4; nothing for any other frame.
#[inline]
pub(crate) fn swift<'a>(frame: &Frame<'a>) -> Option<Swift<'a, u32>> {
    const HEADERS_LEN: usize = ETHERNET_LEN + IPV4_LEN + TCP_LEN;
    /// Version 4, five words.
    const PLAIN: u8 = 0x45;
    /// More fragments, and the fragment's offset.
    const FRAGMENT: u16 = 0x3fff;
    let head: &[u8; HEADERS_LEN] = frame.data.first_chunk()?;
    let is_plain = frame.link == LinkType::ETHERNET
        && u16_at(head, 12) == ether_type::IPV4
        && head[14] == PLAIN
        && u16_at(head, 20) & FRAGMENT == 0
        && head[23] == protocol::TCP;
    if !is_plain {
        return None;
    }
    let end = ETHERNET_LEN + usize::from(u16_at(head, 16));
    let segment = frame.data.get(ETHERNET_LEN + IPV4_LEN..end)?;
    let (header, payload) = segment.split_at_checked(usize::from(head[46] >> 4) * 4)?;
    if header.len() < TCP_LEN {
        return None;
    }
    Some(Swift {
        src: u32_at(head, 26),
        dst: u32_at(head, 30),
        src_port: u16_at(head, 34),
        dst_port: u16_at(head, 36),
        seq: u32_at(head, 38),
        ack: u32_at(head, 42),
        flags: head[47],
        ttl: head[22],
        id: u16_at(head, 18),
        header,
        payload,
    })
}

/// The segment of a frame with IPv6, addresses as words with the first one first; nothing for any
/// other frame.
#[inline]
pub(crate) fn swift_v6<'a>(frame: &Frame<'a>) -> Option<Swift<'a, [u32; 4]>> {
    const HEADERS_LEN: usize = ETHERNET_LEN + IPV6_LEN + TCP_LEN;
    const VERSION: u8 = 6;
    let head: &[u8; HEADERS_LEN] = frame.data.first_chunk()?;
    let is_plain = frame.link == LinkType::ETHERNET
        && u16_at(head, 12) == ether_type::IPV6
        && head[14] >> 4 == VERSION
        && head[20] == protocol::TCP;
    if !is_plain {
        return None;
    }
    let end = ETHERNET_LEN + IPV6_LEN + usize::from(u16_at(head, 18));
    let segment = frame.data.get(ETHERNET_LEN + IPV6_LEN..end)?;
    let (header, payload) = segment.split_at_checked(usize::from(head[66] >> 4) * 4)?;
    if header.len() < TCP_LEN {
        return None;
    }
    let words = |at: usize| [0, 4, 8, 12].map(|word| u32_at(head, at + word));
    Some(Swift {
        src: words(22),
        dst: words(38),
        src_port: u16_at(head, 54),
        dst_port: u16_at(head, 56),
        seq: u32_at(head, 58),
        ack: u32_at(head, 62),
        flags: head[67],
        ttl: head[21],
        id: 0,
        header,
        payload,
    })
}

#[inline]
fn u16_at<const LEN: usize>(bytes: &[u8; LEN], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn u32_at<const LEN: usize>(bytes: &[u8; LEN], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;
    use crate::net::{TransportHeader, Walked, span::Span, walk};

    /// A frame with every field filled in.
    fn frame(payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(IPV4_LEN + TCP_LEN + 4 + payload.len()).unwrap();
        let mut bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0];
        bytes.extend([0x45, 0, 0, len, 7, 8, 0x40, 0, 61, 6, 0, 0, 10, 0, 0, 1, 52, 96, 0, 9]);
        bytes.extend(segment(payload));
        bytes
    }

    /// The same in IPv6.
    fn frame_v6(payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(TCP_LEN + 4 + payload.len()).unwrap();
        let mut bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x86, 0xdd];
        bytes.extend([0x60, 1, 2, 3, 0, len, 6, 61, 32, 1, 13, 184]);
        bytes.extend(1..=28);
        bytes.extend(segment(payload));
        bytes
    }

    fn segment(payload: &[u8]) -> Vec<u8> {
        let mut bytes =
            vec![0xc0, 1, 1, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x18, 0, 9, 1, 1, 0, 0];
        bytes.extend([1, 1, 1, 0]);
        bytes.extend(payload);
        bytes
    }

    fn check(bytes: &[u8], wire_len: u32) -> bool {
        let link = LinkType::ETHERNET;
        let frame = Frame { number: 1, time: Timestamp::default(), link, wire_len, data: bytes };
        let v4 = swift(&frame).map(|it| addressed(it, |src| Ipv4Addr::from_bits(src).into()));
        let v6 = swift_v6(&frame).map(|it| addressed(it, |src| v6(src).into()));
        assert!(v4.is_none() || v6.is_none());
        let Some(swift) = v4.or(v6) else { return false };
        let Walked::Packet(packet) = walk(link, Span::new(bytes, wire_len)) else {
            panic!("the other way takes the frame too");
        };
        let Swift { src_port, dst_port, seq, ack, flags, .. } = swift;
        assert_eq!(packet.transport, TransportHeader::Tcp { src_port, dst_port, seq, ack, flags });
        assert_eq!((packet.src, packet.dst), (swift.src, swift.dst));
        assert_eq!((packet.header, packet.payload), (swift.header, swift.payload));
        assert_eq!(packet.payload_len as usize, swift.payload.len());
        assert_eq!((packet.ttl, packet.id, packet.vlan), (swift.ttl, swift.id, None));
        assert!(!packet.tunnelled);
        true
    }

    /// The same segment, between addresses of any family.
    fn addressed<A>(swift: Swift<'_, A>, addr: impl Fn(A) -> IpAddr) -> Swift<'_, IpAddr> {
        let Swift { src, dst, src_port, dst_port, seq, ack, flags, ttl, id, header, payload } =
            swift;
        let (src, dst) = (addr(src), addr(dst));
        Swift { src, dst, src_port, dst_port, seq, ack, flags, ttl, id, header, payload }
    }

    fn v6(words: [u32; 4]) -> Ipv6Addr {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        <[u8; 16]>::try_from(bytes).unwrap().into()
    }

    #[test]
    fn plain_segments_are_taken_and_no_others() {
        let sound = frame(b"hello");
        let odd = |at: usize, byte: u8| {
            let mut bytes = sound.clone();
            bytes[at] = byte;
            check(&bytes, 63)
        };
        assert!(check(&sound, 63) && check(&sound, 9));
        assert!(check(&[&sound[..], &[0; 9]].concat(), 72), "padding is none of it");
        assert!(!check(&sound[..62], 63), "cut by the snap length");
        assert!(!odd(12, 0x86) && !odd(14, 0x46) && !odd(20, 0x20) && !odd(21, 1) && !odd(23, 17));
        assert!(!odd(17, 0) && !odd(17, 39) && !odd(17, 43), "lengths that lie");
        assert!(odd(17, 44) && !odd(46, 0x40) && !odd(46, 0xf0));
    }

    #[test]
    fn so_are_those_in_ipv6() {
        let sound = frame_v6(b"hello");
        let odd = |at: usize, byte: u8| {
            let mut bytes = sound.clone();
            bytes[at] = byte;
            check(&bytes, 83)
        };
        assert!(check(&sound, 83) && check(&sound, 9));
        assert!(check(&[&sound[..], &[0; 9]].concat(), 92), "padding is none of it");
        assert!(!check(&sound[..82], 83), "cut by the snap length");
        assert!(!odd(12, 8) && !odd(14, 0x45) && !odd(20, 0) && !odd(20, 44) && !odd(20, 17));
        assert!(!odd(19, 0) && !odd(19, 19) && !odd(19, 23), "lengths that lie");
        assert!(odd(19, 24) && !odd(66, 0x40) && !odd(66, 0xf0));
    }

    proptest! {
        #[test]
        fn all_ways_lead_to_the_same_segment(
            changes in prop::collection::vec((12_usize..83, any::<u8>()), 0..4),
            is_v6: bool,
            len in 0_usize..84,
            wire_len in 0_u32..100,
        ) {
            let mut bytes = if is_v6 { frame_v6(b"hello") } else { frame(b"hello") };
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            if len < 20 {
                bytes.extend(vec![0; len]);
            } else {
                bytes.truncate(len);
            }
            check(&bytes, wire_len);
        }
    }
}

//! The shortest way, for what nearly every frame is: TCP in IPv4 in Ethernet, without tags and
//! options of IP, captured whole.
//!
//! All fields lie at fixed places there. Whatever is odd goes another way. Invariant: all ways lead
//! to the same segment.

use super::ethernet::ether_type;
use super::ip::protocol;
use crate::{Frame, LinkType};

/// Ethernet, IPv4 and TCP headers without options.
const HEADERS_LEN: usize = ETHERNET_LEN + IPV4_LEN + TCP_LEN;
const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;
const TCP_LEN: usize = 20;

/// A whole TCP segment between IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Swift<'a> {
    pub(crate) src: u32,
    pub(crate) dst: u32,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) ttl: u8,
    pub(crate) id: u16,
    pub(crate) header: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// The segment of a frame; nothing for any other frame.
#[inline]
pub(crate) fn swift<'a>(frame: &Frame<'a>) -> Option<Swift<'a>> {
    /// Version 4, five words.
    const IPV4_PLAIN: u8 = 0x45;
    /// More fragments, and the fragment's offset.
    const FRAGMENT: u16 = 0x3fff;
    let head: &[u8; HEADERS_LEN] = frame.data.first_chunk()?;
    let u16_at = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let u32_at =
        |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let is_plain = frame.link == LinkType::ETHERNET
        && u16_at(12) == ether_type::IPV4
        && head[14] == IPV4_PLAIN
        && u16_at(20) & FRAGMENT == 0
        && head[23] == protocol::TCP;
    if !is_plain {
        return None;
    }
    let segment =
        frame.data.get(ETHERNET_LEN + IPV4_LEN..ETHERNET_LEN + usize::from(u16_at(16)))?;
    let (header, payload) = segment.split_at_checked(usize::from(head[46] >> 4) * 4)?;
    if header.len() < TCP_LEN {
        return None;
    }
    Some(Swift {
        src: u32_at(26),
        dst: u32_at(30),
        src_port: u16_at(34),
        dst_port: u16_at(36),
        seq: u32_at(38),
        ack: u32_at(42),
        flags: head[47],
        ttl: head[22],
        id: u16_at(18),
        header,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;
    use crate::net::{TransportHeader, Walked, span::Span, walk};

    /// A frame with every field filled in.
    fn frame(payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(IPV4_LEN + TCP_LEN + 4 + payload.len()).unwrap();
        let mut bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 8, 0];
        bytes.extend([0x45, 0, 0, len, 7, 8, 0x40, 0, 61, 6, 0, 0, 10, 0, 0, 1, 52, 96, 0, 9]);
        bytes.extend([0xc0, 1, 1, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8, 0x60, 0x18, 0, 9, 1, 1, 0, 0]);
        bytes.extend([1, 1, 1, 0]);
        bytes.extend(payload);
        bytes
    }

    fn check(bytes: &[u8], wire_len: u32) -> bool {
        let link = LinkType::ETHERNET;
        let frame = Frame { number: 1, time: Timestamp::default(), link, wire_len, data: bytes };
        let Some(swift) = swift(&frame) else { return false };
        let Walked::Packet(packet) = walk(link, Span::new(bytes, wire_len)) else {
            panic!("the other way takes the frame too");
        };
        let Swift { src_port, dst_port, seq, ack, flags, .. } = swift;
        assert_eq!(packet.transport, TransportHeader::Tcp { src_port, dst_port, seq, ack, flags });
        let addr = |bits| IpAddr::V4(Ipv4Addr::from_bits(bits));
        assert_eq!((packet.src, packet.dst), (addr(swift.src), addr(swift.dst)));
        assert_eq!((packet.header, packet.payload), (swift.header, swift.payload));
        assert_eq!(packet.payload_len as usize, swift.payload.len());
        assert_eq!((packet.ttl, packet.id, packet.vlan), (swift.ttl, swift.id, None));
        assert!(!packet.tunnelled);
        true
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

    proptest! {
        #[test]
        fn all_ways_lead_to_the_same_segment(
            changes in prop::collection::vec((12_usize..63, any::<u8>()), 0..4),
            len in 0_usize..64,
            wire_len in 0_u32..80,
        ) {
            let mut bytes = frame(b"hello");
            changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
            if len < 20 {
                bytes.extend(vec![0; len]);
            } else {
                bytes.truncate(len);
            }
            check(&bytes, wire_len);
        }
    }
}

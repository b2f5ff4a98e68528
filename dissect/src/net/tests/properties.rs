//! What holds for every input: etherparse's slicer as a second opinion, and bytes of any kind.

use etherparse::{LaxNetSlice, LaxSlicedPacket, PacketBuilder, TransportSlice};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Ethernet frames of an independent builder, some with one byte changed or the tail cut.
fn built_frame() -> impl Strategy<Value = Vec<u8>> {
    let addresses = (any::<bool>(), any::<[u8; 16]>(), any::<[u8; 16]>());
    let tags = vec(0..4096u16, 0..3);
    let ports = (any::<u16>(), any::<u16>(), any::<u32>());
    let damage = (any::<bool>(), 14..80usize, any::<u8>(), 0..100usize, 0..30usize);
    (addresses, tags, ports, vec(any::<u8>(), 0..60), damage).prop_map(
        |((v6, src, dst), tags, (src_port, dst_port, seq), payload, damage)| {
            let ip = if v6 {
                PacketBuilder::ipv6(src, dst, 9)
            } else {
                let first = |bytes: [u8; 16]| [bytes[0], bytes[1], bytes[2], bytes[3]];
                PacketBuilder::ipv4(first(src), first(dst), 9)
            };
            let mut packet = Vec::new();
            ip.tcp(src_port, dst_port, seq, 512).write(&mut packet, &payload).unwrap();
            let mut bytes = vec![0; 12];
            for tag in &tags {
                bytes.extend([0x81, 0]);
                bytes.extend(tag.to_be_bytes());
            }
            bytes.extend(if v6 { [0x86, 0xdd] } else { [8, 0] });
            bytes.extend(packet);
            let (change, at, value, cut, pad) = damage;
            if let Some(byte) = bytes.get_mut(at).filter(|_| change) {
                *byte = value;
            }
            bytes.truncate(bytes.len() - cut.min(bytes.len()) / 2);
            bytes.extend(vec![0; pad * usize::from(cut < 50)]);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_second_slicer_agrees(bytes in built_frame()) {
        let lax = LaxSlicedPacket::from_ethernet(&bytes);
        let lax = lax.as_ref().ok();
        let addresses = lax.and_then(|lax| match lax.net.as_ref()? {
            LaxNetSlice::Ipv4(ip) => {
                let header = ip.header();
                // Lengths of zero, and fragments, are where the two differ on purpose.
                (header.total_len() >= 20 && !header.is_fragmenting_payload())
                    .then(|| (header.source_addr().into(), header.destination_addr().into()))
            }
            LaxNetSlice::Ipv6(ip) => (ip.header().payload_length() > 0)
                .then(|| (IpAddr::V6(ip.header().source_addr()), ip.header().destination_addr().into())),
            LaxNetSlice::Arp(_) => None,
        });
        let theirs = addresses.and_then(|(src, dst)| match lax?.transport.as_ref()? {
            TransportSlice::Tcp(tcp) => {
                let ports = (tcp.source_port(), tcp.destination_port());
                Some((src, dst, ports, tcp.sequence_number(), tcp.payload().to_vec()))
            }
            _ => None,
        });
        let ours = with_decoded_or_kept(&frame(LinkType::ETHERNET, &bytes), |packet| {
            let TransportHeader::Tcp { src_port, dst_port, seq, .. } = packet.transport else {
                return None;
            };
            Some((packet.src, packet.dst, (src_port, dst_port), seq, packet.payload.to_vec()))
        });
        if theirs.is_some() {
            prop_assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn any_bytes_have_an_outcome(
        link in prop_oneof![0..300u16, Just(1), Just(101), Just(105), Just(113), Just(239)],
        bytes in vec(any::<u8>(), 0..200),
        extra in prop_oneof![Just(0), any::<u32>()],
    ) {
        one_outcome(link, &bytes, extra)?;
    }

    #[test]
    fn damaged_frames_have_an_outcome(
        bytes in built_frame(),
        changes in vec((12..60usize, any::<u8>()), 0..4),
        extra in 0..3u32,
    ) {
        let mut bytes = bytes;
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        one_outcome(1, &bytes, extra)?;
    }
}

fn with_decoded_or_kept<T>(
    frame: &Frame<'_>,
    look: impl FnOnce(Packet<'_>) -> Option<T>,
) -> Option<T> {
    let mut counters = Counters::default();
    match decode(frame, &mut Defragmenter::new(0), &mut counters) {
        Decoded::Packet(packet) => look(packet),
        Decoded::Several(packets) => look(packets[0]),
        Decoded::Datagram(datagram) => look(datagram.packet()),
        Decoded::Skip(_) | Decoded::FragmentKept => None,
    }
}

/// Decoding and steering agree, the other direction goes the same way, and payload is captured.
pub(super) fn one_outcome(link: u16, bytes: &[u8], extra: u32) -> Result<(), TestCaseError> {
    let link = LinkType(link);
    let wire_len = len_of(bytes.len()).saturating_add(extra);
    let frame = Frame { wire_len, ..frame(link, bytes) };
    let mut counters = Counters::default();
    let decoded = decode(&frame, &mut Defragmenter::new(0), &mut counters);
    let steered = Steer::new(0).steer(&frame);
    if let Some(short) = plain::packet(&frame) {
        let Walked::Packet(long) = walk(link, Span::new(bytes, wire_len)) else {
            return Err(TestCaseError::fail("only the short way finds a packet"));
        };
        prop_assert_eq!(short, long);
    }
    match decoded {
        Decoded::Packet(packet) => {
            prop_assert!(packet.payload.len() <= packet.payload_len as usize);
            prop_assert!(packet.payload.len() <= bytes.len());
            prop_assert_eq!(Steering::Flow(Steer::new(0).hash(&packet)), steered);
        }
        Decoded::Several(packets) => {
            let Steering::Several(parts) = steered else {
                return Err(TestCaseError::fail("steering finds one packet"));
            };
            prop_assert_eq!(packets.len(), parts.len());
            for (packet, (hash, part)) in packets.iter().zip(&parts) {
                let frame = Frame { link: LinkType::ETHERNET, data: part, ..frame };
                prop_assert_eq!(Some(*packet), part_of(&frame));
                prop_assert_eq!(*hash, Steer::new(0).hash(packet));
            }
        }
        Decoded::Datagram(_) => prop_assert!(false, "one fragment is no datagram"),
        Decoded::FragmentKept => prop_assert_eq!(steered, Steering::Kept),
        // Counted by steering when the defragmenter said so, else by the worker.
        Decoded::Skip(SkipReason::FragmentDropped) => {
            prop_assert!(matches!(steered, Steering::Kept | Steering::Any));
        }
        Decoded::Skip(_) => prop_assert_eq!(steered, Steering::Any),
    }
    Ok(())
}

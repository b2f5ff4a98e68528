//! Steering: both directions to one worker, and nothing lost between the threads.

use super::*;

fn swapped_v4(mut ip: Vec<u8>) -> Vec<u8> {
    let (src, rest) = ip[12..].split_at_mut(4);
    src.swap_with_slice(&mut rest[..4]);
    let (src, rest) = ip[20..].split_at_mut(2);
    src.swap_with_slice(&mut rest[..2]);
    ip
}

#[test]
fn both_directions_go_together_whatever_is_around_them() {
    let mut steer = Steer::new(3);
    let there = ip_hello();
    let back = swapped_v4(there.clone());
    let expect = steer.steer(&frame(LinkType::RAW, &there));
    assert!(matches!(expect, Steering::Flow(_)));
    assert_eq!(steer.steer(&frame(LinkType::RAW, &back)), expect);
    let tagged = eth(0x8100, &cat!([0, 9, 8, 0], back));
    assert_eq!(steer.steer(&frame(LinkType::ETHERNET, &tagged)), expect);
    let mut other = there;
    other[21] ^= 1;
    assert_ne!(steer.steer(&frame(LinkType::RAW, &other)), expect);
    assert_ne!(Steer::new(4).steer(&frame(LinkType::RAW, &back)), expect);
    assert_eq!(steer.steer(&frame(LinkType(147), &back)), Steering::Any);
    assert_eq!(steer.steer(&frame(LinkType::ETHERNET, &back)), Steering::Any);
    assert_eq!(*steer.counters(), Counters::default());
}

/// What a dissector counts of each frame, without its upper layers.
fn count(frame: &Frame<'_>, defrag: &mut Defragmenter, counters: &mut Counters) -> Option<Vec<u8>> {
    counters.count(frame);
    let payload = match decode(frame, defrag, counters) {
        Decoded::Skip(reason) => {
            counters.skip(reason);
            return None;
        }
        Decoded::FragmentKept => None,
        Decoded::Packet(packet) => Some(packet.payload.to_vec()),
        Decoded::Several(_) => panic!("an IP packet is one"),
        Decoded::Datagram(datagram) => Some(datagram.packet().payload.to_vec()),
    };
    counters.dissected += 1;
    payload
}

#[test]
fn a_steered_capture_counts_like_an_unsteered_one() {
    let segment = tcp(HELLO);
    let fragment = |offset: u8, more: u8, piece: &[u8]| {
        let mut ip = ipv4(6, piece);
        ip[6..8].copy_from_slice(&[more, offset]);
        ip
    };
    let another = |mut ip: Vec<u8>| {
        ip[5] ^= 1;
        ip
    };
    let frames = [
        ip_hello(),
        fragment(0, 0x20, &segment[..24]),
        fragment(0, 0x20, &segment[..24]),
        fragment(3, 0, &segment[24..]),
        fragment(3, 0, &segment[24..]),
        fragment(9, 0x20, &[0; 7]),
        vec![0x45],
        ipv4(1, &[8, 0, 0, 0]),
        fragment(0xff, 0x3f, &[0; 8]),
        // Put together it holds no segment.
        another(fragment(0, 0x20, &[0; 8])),
        another(fragment(1, 0, &[0; 8])),
        ip_hello(),
    ];
    let (mut single, mut workers) = (Counters::default(), Counters::default());
    let (mut at_single, mut at_workers) = (Vec::new(), Vec::new());
    let mut defrag = Defragmenter::new(0);
    let mut steer = Steer::new(7);
    for (number, bytes) in (1..).zip(&frames) {
        let frame = Frame { number, ..frame(LinkType::RAW, bytes) };
        at_single.extend(count(&frame, &mut defrag, &mut single));
        let mut fresh = Defragmenter::new(0);
        at_workers.extend(match steer.steer(&frame) {
            Steering::Flow(_) | Steering::Any => count(&frame, &mut fresh, &mut workers),
            Steering::Kept => None,
            Steering::Several(_) => panic!("an IP packet is one"),
            Steering::Datagram { bytes, .. } => {
                let whole = Frame { data: &bytes, ..frame };
                part_of(&whole).map(|packet| packet.payload.to_vec())
            }
        });
    }
    workers.absorb(steer.counters());
    assert!(single.balances());
    assert_eq!(workers, single);
    assert_eq!(at_workers, at_single);
    assert_eq!(at_single, [HELLO, HELLO, HELLO]);
}

#[test]
fn fragments_go_where_their_connection_goes() {
    let mut placer = Placer::new(3);
    let whole = eth(0x0800, &ip_hello());
    let expect = placer.place(&frame(LinkType::ETHERNET, &whole));
    let Placement::Frame(pair, Wrap::Plain) = expect else { panic!("{expect:?}") };
    let piece = |offset: u8, more: u8, piece: &[u8]| {
        let mut ip = ipv4(6, piece);
        ip[6..8].copy_from_slice(&[more, offset]);
        ip
    };
    let (head, tail) = (piece(0, 0x20, &tcp(HELLO)[..24]), piece(3, 0, &tcp(HELLO)[24..]));
    for ip in [&head, &tail] {
        let tagged = eth(0x8100, &cat!([0, 9, 8, 0], ip));
        assert_eq!(placer.place(&frame(LinkType::ETHERNET, &tagged)), expect);
        let tunnelled = eth(0x0800, &ipv4(47, &cat!([0, 0, 8, 0], ip)));
        let placed = placer.place(&frame(LinkType::ETHERNET, &tunnelled));
        assert_eq!(placed, Placement::Frame(pair, Wrap::Tunnel));
    }
    assert_eq!(placer.take_counters(), Counters::default(), "whoever gets them counts them");
}

#[test]
fn a_tunnel_in_fragments_is_opened_where_it_comes() {
    let mut placer = Placer::new(3);
    let placed = placer.place(&frame(LinkType::RAW, &ip_hello()));
    let Placement::Frame(pair, _) = placed else { panic!("{placed:?}") };
    let tunnel = cat!([0, 0, 8, 0], ip_hello());
    let piece = |offset: u8, more: u8, piece: &[u8]| {
        let mut ip = ipv4(47, piece);
        ip[6..8].copy_from_slice(&[more, offset]);
        ip
    };
    let (head, tail) = (piece(0, 0x20, &tunnel[..32]), piece(4, 0, &tunnel[32..]));
    assert_eq!(placer.place(&frame(LinkType::RAW, &head)), Placement::Kept);
    let placed = placer.place(&frame(LinkType::RAW, &tail));
    let Placement::Packets(LinkType::RAW, packets) = placed else { panic!("{placed:?}") };
    let [(found, Wrap::Tunnel, bytes)] = &packets[..] else { panic!("{packets:?}") };
    assert_eq!(*found, pair);
    assert_eq!(part_of(&frame(LinkType::RAW, bytes)).unwrap().payload, HELLO);
    let counters = placer.take_counters();
    assert_eq!((counters.frames, counters.dissected, counters.fragments), (2, 2, 2));
    assert!(counters.balances());
}

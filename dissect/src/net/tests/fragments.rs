//! Fragments: order, copies, contradictions, bounds, time.

use super::*;

const SECOND: i64 = 1_000_000_000;

/// A conversation with one defragmenter.
struct Bench {
    defrag: Defragmenter,
    counters: Counters,
    now: i64,
}

/// What a frame led to: None when it was kept.
type Outcome = Option<Result<(Vec<u8>, u32), SkipReason>>;

impl Bench {
    fn new() -> Self {
        Self { defrag: Defragmenter::new(1), counters: Counters::default(), now: SECOND }
    }

    fn push_cut(&mut self, ip: &[u8], captured: usize) -> Outcome {
        let frame = Frame {
            time: Timestamp::from_nanos(self.now),
            ..frame(LinkType::RAW, &ip[..captured])
        };
        match decode(&frame, &mut self.defrag, &mut self.counters) {
            Decoded::Packet(packet) => Some(Ok((packet.payload.to_vec(), packet.payload_len))),
            Decoded::Datagram(datagram) => {
                let packet = datagram.packet();
                Some(Ok((packet.payload.to_vec(), packet.payload_len)))
            }
            Decoded::Several(_) => panic!("an IP packet is one"),
            Decoded::Skip(reason) => Some(Err(reason)),
            Decoded::FragmentKept => None,
        }
    }

    fn push(&mut self, ip: &[u8]) -> Outcome {
        self.push_cut(ip, ip.len())
    }
}

fn v4(id: u16, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let mut ip = ipv4(6, payload);
    let position = u16::try_from(offset / 8).unwrap() | if more { 0x2000 } else { 0 };
    ip[4..6].copy_from_slice(&id.to_be_bytes());
    ip[6..8].copy_from_slice(&position.to_be_bytes());
    ip
}

fn v6(id: u16, offset: usize, more: bool, payload: &[u8]) -> Vec<u8> {
    let position = (u16::try_from(offset).unwrap() | u16::from(more)).to_be_bytes();
    // Behind a destination options header, as RFC 8200 allows.
    let header = cat!([44, 0, 1, 4, 0, 0, 0, 0, 6, 0], position, [0, 0], id.to_be_bytes());
    ipv6(60, &cat!(header, payload))
}

type Make = fn(u16, usize, bool, &[u8]) -> Vec<u8>;

/// A segment with 100 bytes of payload, in five pieces.
fn pieces(make: Make, id: u16) -> (Vec<Vec<u8>>, Vec<u8>) {
    let payload: Vec<u8> = (0..100).collect();
    let segment = tcp(&payload);
    let pieces = segment.chunks(24).enumerate();
    let last = segment.len().div_ceil(24) - 1;
    (pieces.map(|(i, piece)| make(id, i * 24, i < last, piece)).collect(), payload)
}

#[test]
fn any_order_and_any_copies_give_the_datagram_once() {
    for make in [v4 as Make, v6] {
        let (frames, payload) = pieces(make, 5);
        let whole = Some(Ok((payload, 100)));
        for order in [
            [0, 1, 2, 3, 4].as_slice(),
            &[4, 3, 2, 1, 0],
            &[2, 0, 4, 1, 3],
            &[0, 0, 1, 1, 2, 2, 4, 4, 3],
        ] {
            let mut bench = Bench::new();
            for (step, &piece) in order.iter().enumerate() {
                let expect = if step + 1 == order.len() { whole.clone() } else { None };
                assert_eq!(bench.push(&frames[piece]), expect, "{order:?} at {step}");
            }
            // A second mirror port brings everything again.
            for frame in &frames {
                assert_eq!(bench.push(frame), None);
            }
            assert_eq!(bench.counters.overlap_conflicts, 0);
            assert_eq!(bench.counters.reassembled_datagrams, 1);
            assert_eq!(bench.counters.fragments, (order.len() + frames.len()) as u64);
        }
    }
}

#[test]
fn the_first_copy_of_a_byte_wins() {
    let (frames, payload) = pieces(v4, 5);
    let mut bench = Bench::new();
    assert_eq!(bench.push(&frames[0]), None);
    assert_eq!(bench.push(&v4(5, 16, true, &[0xee; 32])), None); // 16..48, 16..24 known
    assert_eq!(bench.counters.overlap_conflicts, 1);
    assert_eq!(bench.push(&frames[1]), None); // 24..48, all known
    assert_eq!(bench.counters.overlap_conflicts, 2);
    assert_eq!(bench.push(&frames[2]), None);
    assert_eq!(bench.push(&frames[3]), None);
    let mut expect = payload;
    expect[4..28].fill(0xee);
    assert_eq!(bench.push(&frames[4]), Some(Ok((expect, 100))));
}

#[test]
fn a_fragment_across_others_fills_the_gaps_only() {
    let (frames, payload) = pieces(v4, 5);
    let segment = tcp(&payload);
    let mut bench = Bench::new();
    assert_eq!(bench.push(&frames[1]), None);
    assert_eq!(bench.push(&frames[3]), None);
    assert_eq!(bench.push(&v4(5, 0, true, &segment[..112])), None);
    assert_eq!(bench.push(&v4(5, 96, false, &segment[96..])), Some(Ok((payload, 100))));
    assert_eq!(bench.counters.overlap_conflicts, 0);
}

#[test]
fn an_end_that_contradicts_is_dropped() {
    let (frames, payload) = pieces(v4, 5);
    let mut bench = Bench::new();
    let dropped = Some(Err(SkipReason::FragmentDropped));
    assert_eq!(bench.push(&frames[4]), None); // ends at 120
    assert_eq!(bench.push(&v4(5, 120, true, &[0; 8])), dropped);
    assert_eq!(bench.push(&v4(5, 96, false, &[0; 8])), dropped);
    for frame in &frames[..3] {
        assert_eq!(bench.push(frame), None);
    }
    assert_eq!(bench.push(&frames[3]), Some(Ok((payload, 100))));
    assert_eq!(bench.counters.overlap_conflicts, 2);
}

#[test]
fn what_the_snap_length_cut_is_missing_from_the_datagram() {
    let (frames, payload) = pieces(v4, 5);
    for cut in 0..frames.len() {
        let mut bench = Bench::new();
        for (i, frame) in frames.iter().enumerate() {
            let captured = if i == cut { 24 } else { frame.len() };
            let outcome = bench.push_cut(frame, captured);
            if i + 1 < frames.len() {
                assert_eq!(outcome, None);
            } else if cut == 0 {
                assert_eq!(outcome, Some(Err(SkipReason::TruncatedTransport)));
            } else {
                let kept = payload[..cut * 24 + 4 - 20].to_vec();
                assert_eq!(outcome, Some(Ok((kept, 100))));
            }
        }
    }
}

#[test]
fn old_pieces_do_not_meet_new_ones() {
    let (frames, payload) = pieces(v4, 5);
    let mut bench = Bench::new();
    assert_eq!(bench.push(&v4(5, 0, true, &[0xee; 24])), None);
    bench.now += 31 * SECOND;
    for frame in &frames[..4] {
        assert_eq!(bench.push(frame), None);
    }
    bench.now += 29 * SECOND;
    assert_eq!(bench.push(&frames[4]), Some(Ok((payload, 100))));
    assert_eq!(bench.counters.overlap_conflicts, 0);
}

#[test]
fn an_identifier_may_come_round_at_once() {
    let (frames, payload) = pieces(v4, 5);
    let mut bench = Bench::new();
    for round in 0..3 {
        let other: Vec<u8> = payload.iter().map(|byte| byte ^ round).collect();
        let segment = tcp(&other);
        assert_eq!(bench.push(&v4(5, 0, true, &segment[..64])), None);
        assert_eq!(bench.push(&v4(5, 64, false, &segment[64..])), Some(Ok((other, 100))));
    }
    assert_eq!(bench.push(&frames[0]), None);
}

#[test]
fn a_clock_set_back_breaks_nothing() {
    let (frames, payload) = pieces(v4, 5);
    let mut bench = Bench::new();
    bench.now = 9_000 * SECOND;
    for (i, frame) in frames.iter().enumerate() {
        bench.now -= 1_000 * SECOND;
        let expect = if i == 4 { Some(Ok((payload.clone(), 100))) } else { None };
        assert_eq!(bench.push(frame), expect);
    }
    bench.now = i64::MIN;
    assert_eq!(bench.push(&v4(6, 0, true, &[0; 8])), None);
    bench.now = i64::MAX;
    assert_eq!(bench.push(&v4(6, 8, true, &[0; 8])), None);
}

#[test]
fn the_longest_datagram_passes_and_a_longer_one_is_dropped() {
    let mut bench = Bench::new();
    let first = tcp(&[1; 65_440 - 20]);
    assert_eq!(bench.push(&v4(5, 0, true, &first)), None);
    let dropped = Some(Err(SkipReason::FragmentDropped));
    assert_eq!(bench.push(&v4(5, 65_440, false, &[1; 76])), dropped);
    let payload = vec![1; 65_535 - 40];
    assert_eq!(bench.push(&v4(5, 65_440, false, &[1; 75])), Some(Ok((payload, 65_495))));
}

#[test]
fn a_datagram_has_so_many_fragments_and_no_more() {
    const LEN: usize = 8 * 1_024;
    let segment = tcp(&[7; LEN - 20]);
    let mut bench = Bench::new();
    for i in 0..1_023 {
        assert_eq!(bench.push(&v4(5, i * 8, true, &segment[i * 8..][..8])), None);
    }
    let outcome = bench.push(&v4(5, LEN - 8, false, &segment[LEN - 8..]));
    assert_eq!(outcome, Some(Ok((vec![7; LEN - 40 + 20], 8_172))));
    for i in 1..1_025 {
        assert_eq!(bench.push(&v4(6, i * 8, true, &[0; 8])), None);
    }
    let dropped = Some(Err(SkipReason::FragmentDropped));
    assert_eq!(bench.push(&v4(6, 0, true, &segment[..8])), dropped);
}

#[test]
fn a_flood_pushes_the_oldest_out() {
    let (frames, payload) = pieces(v4, 0);
    // As many others as there is room for, and one more.
    for (others, complete) in [(4_095, true), (4_096, false)] {
        let mut bench = Bench::new();
        for frame in &frames[..4] {
            assert_eq!(bench.push(frame), None);
        }
        for id in 1..=others {
            assert_eq!(bench.push(&v4(id, 8, true, &[0; 8])), None);
        }
        let expect = complete.then(|| Ok((payload.clone(), 100)));
        assert_eq!(bench.push(&frames[4]), expect);
    }
}

#[test]
fn a_flood_of_bytes_stays_in_bounds() {
    let mut bench = Bench::new();
    for id in 0..2_000 {
        assert_eq!(bench.push(&v4(id, 8, true, &[0; 60_000])), None);
        assert!(bench.defrag.bytes() <= 16 << 20);
    }
    let (frames, payload) = pieces(v4, 1_999);
    bench.now += 60 * SECOND;
    for frame in &frames[..4] {
        assert_eq!(bench.push(frame), None);
    }
    assert_eq!(bench.push(&frames[4]), Some(Ok((payload, 100))));
}

#[test]
fn fragments_that_can_be_none() {
    let mut bench = Bench::new();
    let malformed = Some(Err(SkipReason::MalformedIp));
    assert_eq!(bench.push(&v4(5, 0, true, &[0; 7])), malformed);
    assert_eq!(bench.push(&v4(5, 8, false, &[])), malformed);
    assert_eq!(bench.push(&v6(5, 0, true, &[0; 7])), malformed);
    let mut icmp = v4(5, 0, true, &[0; 8]);
    icmp[9] = 1;
    assert_eq!(bench.push(&icmp), Some(Err(SkipReason::OtherTransport)));
    assert_eq!(bench.counters.fragments, 0);
}

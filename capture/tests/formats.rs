//! Every format, byte order and resolution, in files made by hand.

mod common;

use common::{EPOCH, Got, MICROS, MODIFIED, NANOS, ORDERS, Order, Pcap, Pcapng, read};

const EPOCH_NS: i64 = EPOCH as i64 * 1_000_000_000;

/// Reads a sound file: no errors.
fn sound(bytes: &[u8]) -> Vec<Got> {
    let log = read(bytes);
    assert_eq!(log.errors, []);
    log.frames
}

#[test]
fn pcap_is_read_in_either_order_and_resolution() {
    for order in ORDERS {
        for (magic, unit) in [(MICROS, 1000), (NANOS, 1), (MODIFIED, 1000)] {
            let file = Pcap::with(order, magic, (2, 4), 65_535, 113)
                .frame(EPOCH, 999_999, b"first")
                .record(EPOCH + 1, 7, (3, 1500), b"cut");
            let frames = sound(&file.bytes);
            let first = Got {
                number: 1,
                time: EPOCH_NS + 999_999 * unit,
                link: 113,
                wire_len: 5,
                data: b"first".to_vec(),
            };
            let second = Got {
                number: 2,
                time: EPOCH_NS + 1_000_000_000 + 7 * unit,
                wire_len: 1500,
                data: b"cut".to_vec(),
                ..first.clone()
            };
            assert_eq!(frames, [first, second], "{order:?} {magic:x}");
        }
    }
}

#[test]
fn the_link_type_is_without_fcs_bits() {
    let file = Pcap::with(Order::Big, MICROS, (2, 4), 65_535, 0x5400_0001).frame(EPOCH, 0, b"x");
    assert_eq!(sound(&file.bytes)[0].link, 1);
}

#[test]
fn old_versions_have_the_lengths_the_other_way_round() {
    for version in [(2, 2), (543, 0)] {
        let file = Pcap::with(Order::Little, MICROS, version, 65_535, 1)
            .record(EPOCH, 0, (900, 3), b"abc")
            .record(EPOCH, 1, (2, 2), b"de");
        let frames = sound(&file.bytes);
        assert_eq!((frames[0].wire_len, frames[0].data.as_slice()), (900, &b"abc"[..]));
        assert_eq!(frames[1].data, b"de");
    }
    let file = Pcap::with(Order::Little, MICROS, (2, 3), 65_535, 1)
        .record(EPOCH, 0, (900, 3), b"abc")
        .record(EPOCH, 1, (2, 800), b"de");
    let frames = sound(&file.bytes);
    assert_eq!((frames[0].wire_len, frames[0].data.as_slice()), (900, &b"abc"[..]));
    assert_eq!((frames[1].wire_len, frames[1].data.as_slice()), (800, &b"de"[..]));
}

#[test]
fn empty_and_overlong_frames_are_frames() {
    let file = Pcap::new()
        .record(EPOCH, 0, (0, 0), b"")
        .record(EPOCH, 1, (0, 60), b"")
        .record(EPOCH, 2, (4, 2), b"more")
        .frame(EPOCH, 3, b"usual");
    let frames = sound(&file.bytes);
    let lens: Vec<_> = frames.iter().map(|frame| (frame.data.len(), frame.wire_len)).collect();
    assert_eq!(lens, [(0, 0), (0, 60), (4, 2), (5, 5)]);
}

#[test]
fn a_frame_larger_than_any_buffer_is_read() {
    let huge = vec![0x5a; 3_000_000];
    let file = Pcap::with(Order::Little, MICROS, (2, 4), 4_000_000, 1)
        .frame(EPOCH, 0, b"before")
        .frame(EPOCH, 1, &huge)
        .frame(EPOCH, 2, b"after");
    let frames = sound(&file.bytes);
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[1].data, huge);
    // The snap length in the file header is often not kept.
    let file = Pcap::with(Order::Little, MICROS, (2, 4), 96, 1)
        .frame(EPOCH, 0, b"before")
        .frame(EPOCH, 1, &huge)
        .frame(EPOCH, 2, b"after");
    assert_eq!(sound(&file.bytes).len(), 3);
}

#[test]
fn a_clock_that_steps_is_no_damage() {
    let file = Pcap::new()
        .frame(0, 0, b"no clock yet")
        .frame(EPOCH, 0, b"set")
        .frame(EPOCH - 400_000, 0, b"set back")
        .frame(EPOCH + 90_000_000, 0, b"years later");
    assert_eq!(sound(&file.bytes).len(), 4);
}

#[test]
fn nanoseconds_under_a_magic_of_microseconds_are_no_damage() {
    let file = Pcap::new().frame(EPOCH, 999_999_999, b"one").frame(EPOCH + 1, 5_000_000, b"two");
    let frames = sound(&file.bytes);
    assert_eq!(frames[0].time, EPOCH_NS + 999_999_999_000);
}

#[test]
fn pcapng_is_read_in_either_order() {
    for order in ORDERS {
        let file = Pcapng::new(order)
            .interface(1, 262_144, &[(2, b"eth0"), (9, &[9])])
            .block(4, &[0; 8])
            .interface(113, 262_144, &[])
            .enhanced(0, 1_540_944_000_123_456_789, 5, b"first")
            .block(5, &[0; 12])
            .enhanced(1, 1_540_944_000_123_456, 1500, b"cut")
            .block(0x8000_1234, b"unknown")
            .block(10, &[0; 16]);
        let frames = sound(&file.bytes);
        let first = Got {
            number: 1,
            time: EPOCH_NS + 123_456_789,
            link: 1,
            wire_len: 5,
            data: b"first".to_vec(),
        };
        let second = Got {
            number: 2,
            time: EPOCH_NS + 123_456_000,
            link: 113,
            wire_len: 1500,
            data: b"cut".to_vec(),
        };
        assert_eq!(frames, [first, second], "{order:?}");
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let ticks = u64::from(EPOCH) * 1_000_000;
    let file = Pcapng::new(Order::Little)
        .interface(1, 0, &[])
        .enhanced(0, ticks, 1, b"a")
        .section(Order::Big)
        .interface(101, 0, &[])
        .enhanced(0, ticks + 1, 1, b"b")
        .section(Order::Big)
        .interface(228, 0, &[])
        .enhanced(0, ticks + 2, 1, b"c")
        .section(Order::Little)
        .interface(229, 0, &[])
        .enhanced(0, ticks + 3, 1, b"d");
    let frames = sound(&file.bytes);
    let links: Vec<_> = frames.iter().map(|frame| frame.link).collect();
    assert_eq!(links, [1, 101, 228, 229]);
}

#[test]
fn resolutions_and_offsets_are_applied() {
    let check = |options: &[(u16, &[u8])], ticks: u64, expect: i64| {
        for order in ORDERS {
            let file = Pcapng::new(order).interface(1, 0, options).enhanced(0, ticks, 1, b"x");
            assert_eq!(sound(&file.bytes)[0].time, expect, "{options:?} {ticks}");
        }
    };
    check(&[], 1_000_001, 1_000_001_000);
    check(&[(9, &[0])], 5, 5_000_000_000);
    check(&[(9, &[3])], 5, 5_000_000);
    check(&[(9, &[6])], 5, 5_000);
    check(&[(9, &[9])], 5, 5);
    check(&[(9, &[12])], 5_999, 5);
    check(&[(9, &[28])], u64::MAX, 1);
    check(&[(9, &[29])], 1 << 60, 0);
    check(&[(9, &[127])], 1 << 60, 0);
    // Powers of two: 2^-10 and 2^-32 s.
    check(&[(9, &[0x8a])], 1024 + 512, 1_500_000_000);
    check(&[(9, &[0xa0])], (7 << 32) + (1 << 31), 7_500_000_000);
    check(&[(9, &[0xff])], u64::MAX, 0);
    // Too far away for a timestamp: its end.
    check(&[(9, &[0])], u64::MAX, i64::MAX);
    check(&[], u64::MAX, i64::MAX);
    // Options behind the end of the options do not count.
    check(&[(0, &[]), (9, &[9])], 5, 5_000);
}

#[test]
fn an_offset_is_in_seconds_and_may_be_negative() {
    for order in ORDERS {
        let offset = |seconds: i64| match order {
            Order::Big => seconds.to_be_bytes(),
            Order::Little => seconds.to_le_bytes(),
        };
        let file = Pcapng::new(order)
            .interface(1, 0, &[(14, &offset(i64::from(EPOCH)))])
            .interface(1, 0, &[(14, &offset(-2)), (9, &[0])])
            .interface(1, 0, &[(14, &offset(i64::MIN))])
            .enhanced(0, 1, 1, b"x")
            .enhanced(1, 1, 1, b"x")
            .enhanced(2, 1, 1, b"x");
        let times: Vec<_> = sound(&file.bytes).iter().map(|frame| frame.time).collect();
        // A product that has no room is the end of the range, to which the ticks are added.
        assert_eq!(times, [EPOCH_NS + 1000, -1_000_000_000, i64::MIN + 1000], "{order:?}");
    }
}

#[test]
fn simple_packets_take_time_and_length_from_around_them() {
    for order in ORDERS {
        let simple = |wire_len: u32, data: &[u8]| [&order.u32(wire_len)[..], data].concat();
        let file = Pcapng::new(order)
            .interface(1, 4, &[])
            .block(3, &simple(3, b"abc"))
            .enhanced(0, u64::from(EPOCH) * 1_000_000, 1, b"x")
            .block(3, &simple(1500, b"abcd"))
            .section(order)
            .interface(1, 0, &[])
            .block(3, &simple(6, b"abcdef"))
            .block(3, &simple(1500, b"abcdef\0\0"));
        let frames = sound(&file.bytes);
        let seen: Vec<_> = frames.iter().map(|f| (f.time, f.wire_len, f.data.as_slice())).collect();
        assert_eq!(
            seen,
            [
                (0, 3, &b"abc"[..]),
                (EPOCH_NS, 1, b"x"),
                (EPOCH_NS, 1500, b"abcd"),
                (0, 6, b"abcdef"),
                (0, 1500, b"abcdef\0\0"),
            ]
        );
    }
}

#[test]
fn old_packet_blocks_are_read() {
    for order in ORDERS {
        let ticks = u64::from(EPOCH) * 1_000_000 + 5;
        let mut body = order.u16(1).to_vec();
        body.extend(order.u16(3));
        body.extend(order.u32((ticks >> 32) as u32));
        body.extend(order.u32((ticks & 0xffff_ffff) as u32));
        body.extend(order.u32(3));
        body.extend(order.u32(1500));
        body.extend(b"abc");
        let file = Pcapng::new(order).interface(1, 0, &[]).interface(101, 0, &[]).block(2, &body);
        let frames = sound(&file.bytes);
        let expect = Got {
            number: 1,
            time: EPOCH_NS + 5000,
            link: 101,
            wire_len: 1500,
            data: b"abc".to_vec(),
        };
        assert_eq!(frames, [expect]);
    }
}

#[test]
fn a_section_length_that_lies_is_ignored() {
    let mut file = Pcapng::new(Order::Little);
    file.bytes[16..24].copy_from_slice(&12_u64.to_le_bytes());
    let file = file.interface(1, 0, &[]).frame(0, b"a").frame(1, b"b");
    assert_eq!(sound(&file.bytes).len(), 2);
}

fn snoop(records: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut bytes = b"snoop\0\0\0".to_vec();
    bytes.extend(2_u32.to_be_bytes());
    bytes.extend(4_u32.to_be_bytes());
    for (micros, wire_len, data) in records {
        let len = u32::try_from(data.len()).unwrap();
        let padded = len.next_multiple_of(4);
        for value in [*wire_len, len, 24 + padded, 0, EPOCH, *micros] {
            bytes.extend(value.to_be_bytes());
        }
        bytes.extend(*data);
        bytes.extend(vec![0; (padded - len) as usize]);
    }
    bytes
}

#[test]
fn snoop_is_read() {
    let bytes = snoop(&[(1, 5, b"first"), (2, 1500, b"cut"), (3, 1, b"z")]);
    let frames = sound(&bytes);
    let seen: Vec<_> =
        frames.iter().map(|f| (f.time, f.link, f.wire_len, f.data.as_slice())).collect();
    assert_eq!(
        seen,
        [
            (EPOCH_NS + 1000, 1, 5, &b"first"[..]),
            (EPOCH_NS + 2000, 1, 1500, b"cut"),
            (EPOCH_NS + 3000, 1, 1, b"z"),
        ]
    );
    // Some writers leave the last padding out.
    assert_eq!(sound(&bytes[..bytes.len() - 3]).len(), 3);
}

#[test]
fn captures_without_a_frame_are_sound() {
    assert_eq!(sound(&Pcap::new().bytes), []);
    assert_eq!(sound(&Pcapng::ethernet().bytes), []);
    assert_eq!(sound(&Pcapng::new(Order::Big).bytes), []);
    assert_eq!(sound(&snoop(&[])), []);
}

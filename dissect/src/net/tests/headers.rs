//! Link layers without tunnels, IP and transport headers, well-formed and not.

use super::*;
use LinkType as L;
use SkipReason as S;

#[test]
fn every_field_of_a_segment_is_read() {
    let bytes = eth(0x0800, &ip_hello());
    with_decoded(&frame(L::ETHERNET, &bytes), |packet| {
        let expect = Packet {
            src: [10, 0, 0, 1].into(),
            dst: [10, 0, 0, 2].into(),
            transport: TransportHeader::Tcp {
                src_port: 0xc001,
                dst_port: 443,
                seq: 0x0102_0304,
                ack: 0x0506_0708,
                flags: 0x08 | tcp_flags::ACK,
            },
            header: &tcp(&[]),
            payload: HELLO,
            payload_len: 10,
            ttl: 64,
            id: 7,
            vlan: None,
            tunnelled: false,
        };
        assert_eq!(packet, Ok(expect));
    });
    let bytes = eth(0x86dd, &ipv6(17, &udp(5000, 443, HELLO)));
    with_decoded(&frame(L::ETHERNET, &bytes), |packet| {
        let expect = Packet {
            src: ip6(1).into(),
            dst: ip6(2).into(),
            transport: TransportHeader::Udp { src_port: 5000, dst_port: 443 },
            header: &[],
            payload: HELLO,
            payload_len: 10,
            ttl: 63,
            id: 0,
            vlan: None,
            tunnelled: false,
        };
        assert_eq!(packet, Ok(expect));
    });
}

#[test]
fn link_layers_lead_to_ip() {
    let ip = ip_hello();
    let ip6 = ipv6(6, &tcp(HELLO));
    let snap =
        |oui: [u8; 3], pid: u16, rest: &[u8]| cat!([0xaa, 0xaa, 3], oui, pid.to_be_bytes(), rest);
    let len_of = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap();
    check_hello(L::ETHERNET, &eth(0x0800, &ip));
    check_hello(L::ETHERNET, &eth(0x86dd, &ip6));
    check_hello(L::ETHERNET, &eth(0x0800, &ip6));
    for llc in [
        snap([0; 3], 0x0800, &ip),
        snap([0, 0, 0xf8], 0x86dd, &ip6),
        snap([0, 0x80, 0xc2], 7, &eth(0x0800, &ip)),
        cat!([6, 6, 3], ip),
    ] {
        check_hello(L::ETHERNET, &eth(len_of(&llc), &llc));
        check_hello(L::ETHERNET, &cat!(eth(len_of(&llc), &llc), [0; 9]));
        check_hello(L::LINUX_SLL, &cat!([0, 0, 0, 1, 0, 6], [0; 8], [0, 4], llc));
    }
    for link in [L::RAW, L::RAW_DLT, L::RAW_OPENBSD, L::IPV4, L::IPV6] {
        check_hello(link, &ip);
        check_hello(link, &ip6);
    }
    for (family, ip) in [(2, &ip), (10, &ip6), (23, &ip6), (24, &ip6), (28, &ip6), (30, &ip6)] {
        for link in [L::NULL, L::LOOP] {
            check_hello(link, &cat!([0, 0, 0, family], ip));
            check_hello(link, &cat!([family, 0, 0, 0], ip));
        }
    }
    check_skip(L::NULL, &cat!([7, 0, 0, 0], ip), S::NotIp);
    check_hello(L::LINUX_SLL, &cat!([0, 0, 0, 1, 0, 6], [0; 8], [8, 0], ip));
    check_hello(L::LINUX_SLL, &cat!([0, 0, 0, 1, 0, 6], [0; 8], [0x81, 0, 0, 5, 8, 0], ip));
    check_hello(L::LINUX_SLL2, &cat!([8, 0], [0; 18], ip));
    check_hello(L::LINUX_SLL2, &cat!([0x81, 0], [0; 18], [0, 5, 0x86, 0xdd], ip6));
    check_skip(L::LINUX_SLL, &cat!([0, 0, 0, 1, 0, 6], [0; 8], [0, 1], ip), S::NotIp);
    check_skip(L(147), &ip, S::UnknownLinkType);
}

#[test]
fn vlan_tags_are_stepped_over_and_the_innermost_is_told() {
    let mut bytes = cat!([0x08, 0x00], ip_hello());
    for (tag, tci) in [(0x8100, 7), (0x88a8, 0xe00a), (0x9100, 3), (0x9200, 4), (0x8100, 5)] {
        bytes = cat!(u16::to_be_bytes(tag), u16::to_be_bytes(tci), bytes);
        let frame_bytes = cat!([0; 12], bytes);
        check_hello(L::ETHERNET, &frame_bytes);
        with_decoded(&frame(L::ETHERNET, &frame_bytes), |packet| {
            assert_eq!(packet.unwrap().vlan, Some(7), "{tag:#x}");
        });
    }
    let too_many = cat!([0; 12], [0x81, 0, 0, 1].repeat(LAYERS_MAX), [8, 0], ip_hello());
    check_skip(L::ETHERNET, &too_many, S::NestedTooDeep);
    let most = cat!([0; 12], [0x81, 0, 0, 1].repeat(LAYERS_MAX - 3), [8, 0], ip_hello());
    check_hello(L::ETHERNET, &most);
    let arp = eth(0x8100, &cat!([0, 1, 8, 6], [0; 28]));
    check_skip(L::ETHERNET, &arp, S::NotIp);
    check_skip(L::ETHERNET, &eth(0x8100, &[0, 1, 8]), S::TruncatedLink);
}

#[test]
fn link_headers_may_be_cut() {
    for (link, whole) in [
        (L::ETHERNET, eth(0x8100, &[0, 1, 8, 0])),
        (L::LINUX_SLL, cat!([0; 14], [8, 0])),
        (L::LINUX_SLL2, cat!([8, 0], [0; 18])),
        (L::NULL, vec![2, 0, 0, 0]),
    ] {
        for len in 0..whole.len() {
            check_skip(link, &whole[..len], S::TruncatedLink);
        }
        check_skip(link, &whole, S::TruncatedIp);
    }
}

#[test]
fn ethernet_padding_is_no_payload() {
    let ip = ipv4(6, &tcp(&[]));
    let bytes = eth(0x0800, &cat!(ip, [0; 6]));
    with_decoded(&frame(L::ETHERNET, &bytes), |packet| {
        let packet = packet.unwrap();
        assert_eq!((packet.payload, packet.payload_len), (&[][..], 0));
    });
}

/// IPv4 with four bytes of options.
fn with_options(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut ip = ipv4(protocol, &cat!([1, 1, 1, 0], payload));
    ip[0] = 0x46;
    ip
}

#[test]
fn ipv4_headers_that_are_odd_and_that_are_none() {
    check_hello(L::RAW, &with_options(6, &tcp(HELLO)));
    let changed = |at: usize, value: u8| {
        let mut ip = ip_hello();
        ip[at] = value;
        ip
    };
    let mut offload = ip_hello();
    offload[2..4].fill(0);
    check_hello(L::RAW, &offload);
    check_skip(L::RAW, &changed(0, 0x44), S::MalformedIp);
    check_skip(L::RAW, &changed(0, 0x55), S::MalformedIp);
    check_skip(L::RAW, &changed(3, 19), S::MalformedIp);
    check_skip(L::RAW, &changed(3, 39), S::MalformedTransport);
    check_skip(L::RAW, &changed(9, 1), S::OtherTransport);
    for len in 0..20 {
        check_skip(L::RAW, &ip_hello()[..len], S::TruncatedIp);
    }
    check_skip(L::RAW, &with_options(6, &[])[..23], S::TruncatedIp);
    // An authentication header with twelve bytes of check value.
    let authenticated = cat!([6, 4, 0, 0], [0; 20], tcp(HELLO));
    check_hello(L::RAW, &ipv4(51, &authenticated));
    check_skip(L::RAW, &ipv4(51, &authenticated)[..43], S::TruncatedIp);
}

#[test]
fn ipv6_extension_headers_are_followed() {
    let options = |next: u8, rest: &[u8]| cat!([next, 0, 1, 4, 0, 0, 0, 0], rest);
    let segment = tcp(HELLO);
    for kind in [0, 43, 60, 135, 140] {
        check_hello(L::RAW, &ipv6(kind, &options(6, &segment)));
        check_hello(L::RAW, &ipv6(0, &options(kind, &options(6, &segment))));
    }
    let long = cat!([6, 1, 1, 12], [0; 12], segment);
    check_hello(L::RAW, &ipv6(60, &long));
    check_hello(L::RAW, &ipv6(51, &cat!([6, 4, 0, 0], [0; 20], segment)));
    // An atomic fragment is a whole packet.
    check_hello(L::RAW, &ipv6(44, &cat!([6, 0, 0, 0, 0, 0, 0, 9], segment)));
    check_skip(L::RAW, &ipv6(59, &[]), S::OtherTransport);
    check_skip(L::RAW, &ipv6(0, &options(58, &[128, 0, 0, 0])), S::OtherTransport);
    let chain = |count: usize| {
        let inner = (1..count).fold(options(6, &segment), |rest, _| options(60, &rest));
        ipv6(60, &inner)
    };
    check_hello(L::RAW, &chain(15));
    check_skip(L::RAW, &chain(16), S::NestedTooDeep);
    let whole = ipv6(0, &options(6, &segment));
    for len in 1..48 {
        check_skip(L::RAW, &whole[..len], S::TruncatedIp);
    }
}

#[test]
fn ipv6_payload_length_may_be_zero() {
    // A jumbogram names its length in a hop-by-hop option; offload names none at all.
    let jumbo = cat!([6, 0, 0xc2, 4, 0, 0, 0, 38], tcp(HELLO));
    for mut ip in [ipv6(0, &jumbo), ipv6(6, &tcp(HELLO))] {
        ip[4..6].fill(0);
        check_hello(L::RAW, &ip);
    }
}

#[test]
fn routing_headers_tell_the_last_stop() {
    let check = |kind: u8, left: u8, expect: u8| {
        let routing = cat!([6, 4, kind, left, 0, 0, 0, 0], ip6(7), ip6(8), tcp(HELLO));
        let ip = ipv6(43, &routing);
        with_decoded(&frame(L::RAW, &ip), |packet| {
            let packet = packet.unwrap();
            assert_eq!(packet.payload, HELLO);
            assert_eq!(packet.dst, IpAddr::from(ip6(expect)), "type {kind}, {left} left");
        });
    };
    check(0, 2, 8);
    check(0, 0, 2);
    check(4, 1, 7);
    check(2, 1, 7);
    check(9, 1, 2);
}

#[test]
fn transport_headers_that_are_none() {
    let tcp_with = |at: usize, value: u8| {
        let mut segment = tcp(HELLO);
        segment[at] = value;
        ipv4(6, &segment)
    };
    check_skip(L::RAW, &tcp_with(12, 0x40), S::MalformedTransport);
    check_skip(L::RAW, &tcp_with(12, 0xf0), S::MalformedTransport);
    check_skip(L::RAW, &ipv4(6, &tcp(&[])[..19]), S::MalformedTransport);
    check_skip(L::RAW, &ipv4(17, &udp(1, 2, &[])[..7]), S::MalformedTransport);
    let mut short = udp(1, 2, HELLO);
    short[5] = 7;
    check_skip(L::RAW, &ipv4(17, &short), S::MalformedTransport);
    for (protocol, header) in [(6, tcp(&[])), (17, udp(1, 2, &[]))] {
        let whole = ipv4(protocol, &header);
        for len in 20..whole.len() {
            check_skip(L::RAW, &whole[..len], S::TruncatedTransport);
        }
    }
}

#[test]
fn udp_length_decides_unless_it_is_zero_or_too_long() {
    let check = |len: u8, expect: &[u8]| {
        let mut datagram = udp(1, 2, HELLO);
        datagram[5] = len;
        with_decoded(&frame(L::RAW, &ipv4(17, &datagram)), |packet| {
            assert_eq!(packet.unwrap().payload, expect);
        });
    };
    check(18, HELLO);
    check(12, &HELLO[..4]);
    check(0, HELLO);
    check(19, HELLO);
}

#[test]
fn a_cut_segment_keeps_its_place_in_the_stream() {
    let mut segment = cat!(tcp(&[]), [1; 12], HELLO);
    segment[12] = 0x80;
    let bytes = eth(0x0800, &ipv4(6, &segment));
    let whole = bytes.len();
    for cut in 14 + 20 + 20..whole {
        let frame = Frame { wire_len: len_of(whole), ..frame(L::ETHERNET, &bytes[..cut]) };
        with_decoded(&frame, |packet| {
            let packet = packet.unwrap();
            assert_eq!(packet.payload, bytes.get(14 + 20 + 32..cut).unwrap_or_default());
            assert_eq!(packet.payload_len, 10);
        });
    }
}

#[test]
fn a_cut_segment_without_length_is_as_long_as_the_frame_was() {
    let mut ip = ip_hello();
    ip[2..4].fill(0);
    let cut = Frame { wire_len: len_of(ip.len()), ..frame(L::RAW, &ip[..44]) };
    with_decoded(&cut, |packet| {
        let packet = packet.unwrap();
        assert_eq!((packet.payload, packet.payload_len), (&HELLO[..4], 10));
    });
    let absurd = Frame { wire_len: u32::MAX, ..cut };
    with_decoded(&absurd, |packet| assert_eq!(packet.unwrap().payload_len, 4 + 8 * 65_536));
}

#[test]
fn unknown_link_types_are_counted_by_number() {
    let mut counters = Counters::default();
    for _ in 0..3 {
        let _ = decode(&frame(L(147), &[]), &mut Defragmenter::new(0), &mut counters);
    }
    assert_eq!(counters.unknown_link_types, [(147, 3)].into());
}

//! Everything that may stand between the wire and the packet: well-formed, cut, and damaged.

use super::properties::one_outcome;
use super::*;
use LinkType as L;
use SkipReason as S;

/// An encapsulation's name, the link type and the frame.
type Case = (&'static str, LinkType, Vec<u8>);

fn vxlan(flags: u8, inner: &[u8]) -> Vec<u8> {
    cat!([flags, 0, 0, 0, 0, 0, 5, 0], inner)
}

fn geneve(number: u16, inner: &[u8]) -> Vec<u8> {
    cat!([2, 0], number.to_be_bytes(), [0, 0, 5, 0], [1, 2, 3, 1, 5, 6, 7, 8], inner)
}

fn gtp(flags: u8, optional: &[u8], inner: &[u8]) -> Vec<u8> {
    let len = u16::try_from(optional.len() + inner.len()).unwrap().to_be_bytes();
    cat!([flags, 0xff], len, [0, 0, 0, 9], optional, inner)
}

fn gre(flags: u16, number: u16, fields: &[u8], inner: &[u8]) -> Vec<u8> {
    ipv4(47, &cat!(flags.to_be_bytes(), number.to_be_bytes(), fields, inner))
}

fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ipv4(17, &udp(50_000, port, payload))
}

fn snap(ip: &[u8]) -> Vec<u8> {
    cat!([0xaa, 0xaa, 3, 0, 0, 0, 8, 0], ip)
}

fn with_len(len_at: usize, mut bytes: Vec<u8>, len: usize) -> Vec<u8> {
    bytes[len_at..len_at + 2].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
    bytes
}

/// Encapsulations below IP, all around [`ip_hello`] or its like.
fn shims() -> Vec<Case> {
    let ip = ip_hello();
    let v6 = ipv6(6, &tcp(HELLO));
    let inner = eth(0x0800, &ip);
    let tagged = eth(0x8100, &cat!([0, 7, 8, 0], ip));
    let e = L::ETHERNET;
    let pppoe = |ppp: &[u8]| with_len(4, cat!([0x11, 0, 0, 9, 0, 0], ppp), ppp.len());
    let label = [0, 1, 0x20, 64];
    let bottom = [0, 1, 0x21, 64];
    vec![
        ("pppoe ipv4", e, eth(0x8864, &pppoe(&cat!([0, 0x21], ip)))),
        ("pppoe ipv6", e, eth(0x8864, &pppoe(&cat!([0, 0x57], v6)))),
        ("pppoe padded", e, cat!(eth(0x8864, &pppoe(&cat!([0, 0x21], ip))), [0; 9])),
        ("pppoe mpls", e, eth(0x8864, &pppoe(&cat!([2, 0x81], bottom, ip)))),
        ("ppp ethertype", e, eth(0x880b, &cat!([0xff, 3, 0, 0x21], ip))),
        ("ppp bridging", e, eth(0x880b, &cat!([0, 0x31, 0, 1], inner))),
        ("mpls ipv4", e, eth(0x8847, &cat!(bottom, ip))),
        ("mpls ipv6", e, eth(0x8848, &cat!(label, label, bottom, v6))),
        ("mpls pseudowire", e, eth(0x8847, &cat!(label, bottom, inner))),
        ("mpls control word", e, eth(0x8847, &cat!(bottom, [0, 0, 0, 4], tagged))),
        ("macsec", e, eth(0x88e5, &cat!([0, 0, 0, 0, 0, 1, 8, 0], ip, [9; 16]))),
        ("macsec channel", e, eth(0x88e5, &cat!([0x20, 0, 0, 0, 0, 1], [2; 8], [8, 0], ip))),
        ("backbone", e, eth(0x88a8, &cat!([0, 3, 0x88, 0xe7, 0, 0, 0, 5], tagged))),
        ("vn-tag", e, eth(0x8926, &cat!([0, 1, 2, 3, 8, 0], ip))),
        ("e-tag", e, eth(0x893f, &cat!([0, 1, 2, 3, 4, 5, 8, 0], ip))),
        ("hsr", e, eth(0x892f, &cat!([0, 1, 2, 3, 8, 0], ip))),
        ("r-tag", e, eth(0xf1c1, &cat!([0, 0, 2, 3, 8, 0], ip))),
        ("cisco metadata", e, eth(0x8909, &cat!([1, 1, 0, 1, 0, 2, 8, 0], ip))),
        ("cisco metadata 2", e, eth(0x8909, &cat!([1, 2], [0; 8], [0x86, 0xdd], v6))),
        ("nsh ipv4", e, eth(0x894f, &cat!([0, 6, 1, 1], [0; 20], ip))),
        ("nsh ethernet", e, eth(0x894f, &cat!([0, 2, 2, 3], [0; 4], inner))),
        ("jumbo llc", e, eth(0x8870, &snap(&ip))),
    ]
}

/// Link types other than Ethernet.
fn links() -> Vec<Case> {
    let ip = ip_hello();
    let inner = eth(0x0800, &ip);
    let ppp = cat!([0, 0x21], ip);
    let framed = cat!([0xff, 3], ppp);
    let tap = |kind: u32, inner: &[u8]| {
        cat!(16u32.to_le_bytes(), [1, 0, 0, 0], kind.to_le_bytes(), [0; 4], inner)
    };
    let log = |big: bool, kind: u16, bytes: &[u8]| {
        let len = u16::try_from(4 + bytes.len()).unwrap();
        let number = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        cat!(
            number(len),
            number(kind),
            bytes,
            vec![0; bytes.len().next_multiple_of(4) - bytes.len()]
        )
    };
    vec![
        ("ppp", L::PPP, ppp.clone()),
        ("ppp framed", L::PPP, framed.clone()),
        ("ppp compressed", L::PPP, cat!([0x21], ip)),
        ("ppp hdlc", L::PPP_HDLC, framed.clone()),
        ("ppp pppd", L::PPP_PPPD, cat!([0, 3], ppp)),
        ("ppp multilink", L::PPP, cat!([0xff, 3, 0, 0x3d, 0xc0, 0, 0, 9], ppp)),
        ("ppp multilink short", L::PPP, cat!([0x3d, 0xc1, 9, 0x21], ip)),
        ("ppp direction", L::PPP_WITH_DIR, cat!([1], framed)),
        ("pppoe", L::PPP_ETHER, with_len(4, cat!([0x11, 0, 0, 9, 0, 0], ppp), ppp.len())),
        ("cisco hdlc", L::C_HDLC, cat!([0x0f, 0, 8, 0], ip)),
        ("cisco hdlc as ppp", L::PPP_HDLC, cat!([0x8f, 0, 8, 0], ip)),
        ("cisco hdlc direction", L::C_HDLC_WITH_DIR, cat!([0, 0x0f, 0, 8, 0], ip)),
        ("frame relay", L::FRELAY, cat!([0x18, 0x41, 3, 0xcc], ip)),
        ("frame relay long", L::FRELAY, cat!([0x18, 0x40, 0, 0x41, 3, 0, 0xcc], ip)),
        ("frame relay snap", L::FRELAY, cat!([0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0], ip)),
        ("frame relay cisco", L::FRELAY_WITH_DIR, cat!([0, 0x18, 0x41, 8, 0], ip)),
        ("atm", L::ATM_RFC1483, snap(&ip)),
        ("mpls", L::MPLS, cat!([0, 1, 0x21, 64], ip)),
        ("enc", L::ENC, cat!([2, 0, 0, 0], [0; 8], ip)),
        ("nflog", L::NFLOG, cat!([2, 0, 0, 0], log(false, 10, b"eth"), log(false, 9, &ip))),
        (
            "nflog big-endian",
            L::NFLOG,
            cat!([2, 0, 0, 0], log(true, 1, &[8, 0]), log(true, 9, &ip)),
        ),
        ("ppi", L::PPI, cat!([0, 0, 8, 0], 1u32.to_le_bytes(), inner)),
        ("pktap ethernet", L::PKTAP, tap(1, &inner)),
        ("pktap raw", L::PKTAP, tap(12, &ip)),
    ]
}

/// An IEEE 802.11 data frame with `more` behind the three addresses.
fn wlan(kind: u8, flags: u8, more: &[u8], payload: &[u8]) -> Vec<u8> {
    cat!([kind, flags, 0, 0], [2; 18], [0x10, 0], more, payload)
}

fn wireless() -> Vec<Case> {
    let llc = snap(&ip_hello());
    let w = L::IEEE802_11;
    let plain = wlan(0x08, 0x01, &[], &llc);
    let len = u16::try_from(llc.len()).unwrap().to_be_bytes();
    let aggregate = cat!([2; 12], len, llc, [0; 2], [2; 12], len, llc);
    let radiotap = |present: [u8; 4], fields: &[u8], frame: &[u8]| {
        let len = u16::try_from(8 + fields.len()).unwrap().to_le_bytes();
        cat!([0, 0], len, present, fields, frame)
    };
    let padded = wlan(0x88, 0x01, &[0; 4], &llc);
    vec![
        ("data", w, plain.clone()),
        ("qos data", w, wlan(0x88, 0x02, &[0; 2], &llc)),
        ("qos with ht control", w, wlan(0x88, 0x82, &[0; 6], &llc)),
        ("four addresses", w, wlan(0x08, 0x03, &[2; 6], &llc)),
        ("aggregate", w, wlan(0x88, 0x01, &[0x80, 0], &aggregate)),
        ("aggregate in the clear", w, wlan(0x88, 0x41, &[0x80, 0], &aggregate)),
        ("decrypted", w, wlan(0x08, 0x41, &[], &llc)),
        ("decrypted with vector", w, wlan(0x88, 0x41, &[0; 10], &llc)),
        ("radiotap", L::RADIOTAP, radiotap([0; 4], &[], &plain)),
        ("radiotap flags", L::RADIOTAP, radiotap([2, 0, 0, 0], &[0x10], &plain)),
        ("radiotap padded", L::RADIOTAP, radiotap([2, 0, 0, 0], &[0x20], &padded)),
        (
            "radiotap timer and two words",
            L::RADIOTAP,
            radiotap([3, 0, 0, 0x80], &cat!([0; 4], [0; 4], [7; 8], [0x20]), &padded),
        ),
        ("prism", L::PRISM, cat!([0x44, 0, 0, 0, 16, 0, 0, 0], [0; 8], plain)),
        ("prism big-endian", L::PRISM, cat!([0, 0, 0, 0x44, 0, 0, 0, 16], [0; 8], plain)),
        ("avs", L::AVS, cat!([0x80, 0x21, 0x10, 1, 0, 0, 0, 12], [0; 4], plain)),
        ("ppi wlan", L::PPI, cat!([0, 0, 12, 0], 105u32.to_le_bytes(), [0; 4], plain)),
    ]
}

/// Tunnels over IP, the outer packet raw.
fn tunnels() -> Vec<Case> {
    let ip = ip_hello();
    let v6 = ipv6(6, &tcp(HELLO));
    let inner = eth(0x0800, &ip);
    let tagged = eth(0x8100, &cat!([0, 7, 0x86, 0xdd], v6));
    let mut teredo6 = v6.clone();
    teredo6[8..12].copy_from_slice(&[0x20, 1, 0, 0]);
    let ppp = cat!([0xff, 3, 0, 0x21], ip);
    let eoip = with_len(4, cat!([0x20, 1, 0x64, 0, 0, 0, 1, 0], tagged), tagged.len());
    let pptp = |flags: [u8; 2], fields: &[u8]| {
        ipv4(47, &with_len(4, cat!(flags, [0x88, 0x0b, 0, 0, 0, 1], fields, ppp), ppp.len()))
    };
    let wifi = wlan(0x08, 0x01, &[], &snap(&ip));
    let mut swapped = wifi.clone();
    swapped.swap(0, 1);
    swapped.swap(22, 23);
    let mut all = vec![
        ("4 in 4", ipv4(4, &ip)),
        ("6 in 4", ipv4(41, &v6)),
        ("4 in 6", ipv6(4, &ip)),
        ("6 in 6", ipv6(60, &cat!([41, 0, 1, 4, 0, 0, 0, 0], v6))),
        ("mpls in ip", ipv4(137, &cat!([0, 1, 0x21, 64], ip))),
        ("etherip", ipv4(97, &cat!([0x30, 0], inner))),
        ("l2tp 3", ipv4(115, &cat!([0, 0, 0, 5], inner))),
        ("l2tp 3 cookie", ipv4(115, &cat!([0, 0, 0, 5], [7; 8], tagged))),
        ("gre", gre(0, 0x0800, &[], &ip)),
        ("gre ipv6", gre(0, 0x86dd, &[], &v6)),
        ("gre checksum", gre(0x8000, 0x0800, &[0; 4], &ip)),
        ("gre key", gre(0x2000, 0x0800, &[7; 4], &ip)),
        ("gre all", gre(0xb000, 0x6558, &[7; 12], &tagged)),
        ("gre routes", gre(0x4000, 0x0800, &cat!([0; 4], [8, 0, 0, 4], [1; 4], [0; 4]), &ip)),
        ("gre mpls", gre(0, 0x8847, &[0, 1, 0x21, 64], &ip)),
        ("gre ppp", gre(0, 0x880b, &[], &ppp)),
        ("gre vlan", gre(0, 0x8100, &[0, 5, 8, 0], &ip)),
        ("gre wccp", gre(0, 0x883e, &[], &ip)),
        ("gre wccp redirect", gre(0, 0x883e, &[0, 1, 2, 3], &ip)),
        ("pptp", pptp([0x30, 1], &[0, 0, 0, 1])),
        ("pptp acknowledging", pptp([0x30, 0x81], &[0; 8])),
        ("eoip", ipv4(47, &eoip)),
        ("erspan 1", gre(0, 0x88be, &[], &inner)),
        ("erspan 2", gre(0x1000, 0x88be, &cat!([0, 0, 0, 1], [0x10; 8]), &tagged)),
        ("erspan 3", gre(0x1000, 0x22eb, &cat!([0, 0, 0, 1], [0x20; 10], [0, 0]), &inner)),
        (
            "erspan 3 subheader",
            gre(0x1000, 0x22eb, &cat!([0, 0, 0, 1], [0x20; 10], [0, 1], [0; 8]), &inner),
        ),
        ("erspan 3 ip", gre(0x1000, 0x22eb, &cat!([0, 0, 0, 1], [0x20; 10], [0x08, 0]), &ip)),
        ("vxlan", over_udp(4789, &vxlan(8, &inner))),
        ("vxlan linux", over_udp(8472, &vxlan(8, &tagged))),
        ("vxlan group policy", over_udp(4789, &vxlan(0x88, &inner))),
        ("vxlan with flags that receivers ignore", over_udp(4789, &vxlan(0x0c, &inner))),
        ("vxlan anywhere", over_udp(19_999, &vxlan(8, &tagged))),
        ("vxlan back", ipv4(17, &udp(4789, 50_000, &vxlan(8, &inner)))),
        ("vxlan-gpe plain", over_udp(4790, &vxlan(8, &inner))),
        ("vxlan-gpe ipv4", over_udp(4790, &cat!([0x0c, 0, 0, 1, 0, 0, 5, 0], ip))),
        ("vxlan-gpe flag", over_udp(4790, &cat!([0x08, 0, 0, 1, 0, 0, 5, 0], ip))),
        (
            "vxlan-gpe nsh",
            over_udp(4790, &cat!([0x0c, 0, 0, 4, 0, 0, 5, 0, 0, 2, 2, 3, 0, 0, 0, 0], inner)),
        ),
        ("geneve", over_udp(6081, &geneve(0x6558, &tagged))),
        ("geneve ip", over_udp(6081, &geneve(0x0800, &ip))),
        ("geneve anywhere", over_udp(47_101, &geneve(0x6558, &inner))),
        ("mpls in udp", over_udp(6635, &cat!([0, 1, 0x21, 64], ip))),
        ("gtp-u", over_udp(2152, &gtp(0x30, &[], &ip))),
        ("gtp-u sequence", over_udp(2152, &gtp(0x32, &[0, 1, 0, 0x85], &v6))),
        (
            "gtp-u extensions",
            over_udp(
                2152,
                &gtp(0x34, &[0, 0, 0, 0x85, 1, 0, 9, 0x40, 2, 0, 0, 0, 0, 0, 0, 0], &ip),
            ),
        ),
        ("teredo", over_udp(3544, &v6)),
        ("teredo origin", over_udp(3544, &cat!([0, 0], [1; 6], v6))),
        (
            "teredo authentication",
            over_udp(3544, &cat!([0, 1, 2, 1], [7; 3], [5; 9], [0, 0], [1; 6], v6)),
        ),
        ("teredo anywhere", over_udp(33_333, &teredo6)),
        ("l2tp", over_udp(1701, &cat!([0, 2, 0, 1, 0, 2], ppp))),
        (
            "l2tp fields",
            over_udp(1701, &cat!([0x4a, 2, 0, 99, 0, 1, 0, 2, 0, 0, 0, 0, 0, 2, 9, 9], ppp)),
        ),
        ("lisp", over_udp(4341, &cat!([0x80, 0, 0, 0, 0, 0, 0, 1], ip))),
        ("capwap", over_udp(5247, &cat!([0, 0x10, 3, 0, 0, 0, 0, 0], wifi))),
        ("capwap swapped", over_udp(5247, &cat!([0, 0x10, 3, 0, 0, 0, 0, 0], swapped))),
        ("capwap ethernet", over_udp(5247, &cat!([0, 0x10, 2, 0, 0, 0, 0, 0], inner))),
        ("tzsp", over_udp(37_008, &cat!([1, 0, 0, 1, 10, 1, 200, 0, 1], inner))),
        ("tzsp wlan", over_udp(37_008, &cat!([1, 0, 0, 18, 1], wifi))),
        ("deep", over_udp(4789, &vxlan(8, &eth(0x0800, &gre(0, 0x0800, &[], &ipv4(4, &ip)))))),
    ];
    all.drain(..).map(|(name, packet)| (name, L::RAW, packet)).collect()
}

#[test]
fn what_is_around_a_packet_does_not_matter() {
    for (name, link, bytes) in [shims(), links(), wireless(), tunnels()].concat() {
        eprintln!("{name}");
        check_hello(link, &bytes);
    }
}

#[test]
fn a_tunnel_is_told() {
    let is_tunnelled = |(name, link, bytes): &Case| {
        with_decoded(&frame(*link, bytes), |packet| (*name, packet.unwrap().tunnelled))
    };
    for case in tunnels() {
        assert_eq!(is_tunnelled(&case), (case.0, true));
    }
    for case in shims() {
        assert_eq!(is_tunnelled(&case), (case.0, false));
    }
}

#[test]
fn no_cut_makes_a_packet_up() {
    for (name, link, bytes) in [shims(), links(), wireless(), tunnels()].concat() {
        for len in 0..bytes.len() {
            let cut = Frame { wire_len: len_of(bytes.len()), ..frame(link, &bytes[..len]) };
            with_decoded(&cut, |packet| match packet {
                Ok(Packet {
                    transport: TransportHeader::Tcp { dst_port, .. },
                    payload,
                    payload_len,
                    ..
                }) => {
                    assert_eq!((dst_port, payload_len), (443, 10), "{name} at {len}");
                    assert!(HELLO.starts_with(payload), "{name} at {len}");
                }
                // A tunnel that can't be seen any more: its datagram is a plain one.
                Ok(packet) => assert!(!packet.tunnelled, "{name} at {len}"),
                Err(S::TruncatedLink | S::TruncatedIp | S::TruncatedTransport) => {}
                // Heuristics that lack bytes to look at.
                Err(S::NotIp | S::OtherTransport | S::EncryptedLink) => {}
                Err(reason) => panic!("{name} at {len}: {}", reason.name()),
            });
        }
    }
}

#[test]
fn no_damage_breaks_the_bookkeeping() {
    for (name, link, bytes) in [shims(), links(), wireless(), tunnels()].concat() {
        for at in 0..bytes.len() {
            for flip in [0xff, 0x01, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                if let Err(error) = one_outcome(link.0, &damaged, 0) {
                    panic!("{name} at {at}: {error}");
                }
            }
        }
    }
}

/// The frame leads to a UDP datagram with the outer ports.
#[track_caller]
fn check_plain(packet: &[u8], ports: (u16, u16)) {
    with_decoded(&frame(L::RAW, packet), |packet| {
        let packet = packet.unwrap();
        assert_eq!(packet.transport.ports(), ports);
        assert!(!packet.tunnelled);
    });
}

#[test]
fn a_datagram_that_is_no_tunnel_is_plain() {
    let inner = eth(0x0800, &ip_hello());
    let mut cases = vec![
        (4789, vxlan(0, &inner)),
        (4789, cat!([8, 0, 0, 0, 0, 0, 5, 1], inner)),
        (19_999, vxlan(8, &[0x16, 3, 1, 0])),
        (19_999, vxlan(8, &eth(0x0800, &[0x45; 40]))),
        (6081, cat!([0x40, 0, 0x65, 0x58, 0, 0, 5, 0], inner)),
        (6081, cat!([0x3f, 0, 0x65, 0x58, 0, 0, 5, 0], inner)),
        (2152, gtp(0x30, &[], b"no packet of anybody")),
        (2152, cat!([0x32, 1, 0, 4, 0, 0, 0, 0], [0; 4])),
        (3544, cat!([0, 1, 0, 0], [0; 9])),
        (1701, cat!([0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0])),
        (1701, cat!([0, 2, 0, 1, 0, 2, 0xff, 3, 0xc0, 0x21, 1, 1, 0, 4])),
        (4341, HELLO.to_vec()),
        (5247, cat!([1, 0, 0, 0], HELLO)),
        (5247, cat!([0, 0x10, 3, 0x80, 0, 0, 0, 0], HELLO)),
        (37_008, cat!([1, 0, 0, 1], [0; 40])),
        (37_008, cat!([2, 0, 0, 1, 1], inner)),
        (33_333, ipv6(6, &tcp(HELLO))),
    ];
    cases.push((4789, Vec::new()));
    for (port, payload) in cases {
        check_plain(&over_udp(port, &payload), (50_000, port));
        check_plain(&ipv4(17, &udp(port, 50_000, &payload)), (port, 50_000));
    }
}

#[test]
fn what_carries_no_packet_is_skipped() {
    let e = L::ETHERNET;
    let ip = ip_hello();
    check_skip(e, &eth(0x0806, &[0; 28]), S::NotIp);
    check_skip(e, &eth(0x05f0, &ip), S::NotIp);
    check_skip(e, &eth(7, &[0x42, 0x42, 3, 0, 0, 0, 0]), S::NotIp);
    check_skip(e, &eth(0x8864, &[0x11, 0xa7, 0, 9, 0, 0]), S::NotIp);
    check_skip(e, &eth(0x8864, &[0x11, 0, 0, 9, 0, 4, 0xc0, 0x21, 9, 9]), S::NotIp);
    check_skip(e, &eth(0x880b, &[0, 0x53, 1, 2, 3]), S::EncryptedLink);
    check_skip(e, &eth(0x8847, &[0, 1, 0x21, 64, 0x10, 0, 0, 0, 0]), S::NotIp);
    check_skip(e, &eth(0x8847, &[0, 1, 0x20, 64].repeat(16)), S::NestedTooDeep);
    check_skip(e, &eth(0x88e5, &cat!([0x0c, 0, 0, 0, 0, 1, 8, 0], ip)), S::EncryptedLink);
    let w = L::IEEE802_11;
    let llc = snap(&ip);
    check_skip(w, &wlan(0x80, 0, &[], &llc), S::NotIp);
    check_skip(w, &wlan(0x48, 1, &[], &[]), S::NotIp);
    check_skip(w, &[0xd4, 0, 0, 0, 2, 2, 2, 2, 2, 2], S::NotIp);
    check_skip(w, &wlan(0x08, 0x41, &[], &[0x5a; 60]), S::EncryptedLink);
    check_skip(w, &wlan(0x08, 0x05, &[], &llc), S::FragmentDropped);
    check_skip(L::RADIOTAP, &[1, 0, 8, 0, 0, 0, 0, 0], S::NotIp);
    check_skip(L::NFLOG, &[2, 0, 0, 0, 3, 0, 9, 0], S::NotIp);
    check_skip(L::NFLOG, &cat!([2, 0, 0, 0], [4, 0, 1, 0].repeat(64)), S::NestedTooDeep);
    check_skip(L::PPI, &[0, 0, 8, 0, 147, 0, 0, 0], S::UnknownLinkType);
    check_skip(L::PPI, &[0, 0, 8, 0, 1, 0, 1, 0], S::UnknownLinkType);
    check_skip(L::FRELAY, &[0, 0, 0, 0, 3, 0xcc], S::NotIp);
    check_skip(L::RAW, &gre(0, 0, &[], &[]), S::NotIp);
    check_skip(L::RAW, &gre(2, 0x0800, &[], &ip), S::NotIp);
    check_skip(L::RAW, &gre(0x2081, 0x880b, &[0, 0, 0, 1, 0, 0, 0, 9], &[]), S::NotIp);
    check_skip(L::RAW, &gre(0x4000, 0x0800, &[0; 4], &[8, 0, 0, 0].repeat(16)), S::NestedTooDeep);
    check_skip(L::RAW, &gre(0, 0x22eb, &[0x20; 12], &ip), S::NotIp);
    check_skip(L::RAW, &ipv4(97, &cat!([0x20, 0], ip)), S::OtherTransport);
    check_skip(L::RAW, &ipv4(115, &[0; 20]), S::OtherTransport);
    check_skip(L::RAW, &ipv4(50, &[0; 20]), S::OtherTransport);
    check_skip(L::RAW, &over_udp(4789, &vxlan(8, &eth(0x0806, &[0; 28]))), S::NotIp);
}

#[test]
fn tunnels_nest_so_deep_and_no_deeper() {
    let nested = |depth: usize| (0..depth).fold(ip_hello(), |inner, _| ipv4(4, &inner));
    check_hello(L::RAW, &nested(TUNNELS_MAX));
    check_skip(L::RAW, &nested(TUNNELS_MAX + 1), S::NestedTooDeep);
}

#[test]
fn fragments_of_a_tunnel_give_the_packet_inside() {
    let outer = over_udp(4789, &vxlan(8, &eth(0x8100, &cat!([0, 7, 8, 0], ip_hello()))));
    let mut first = ipv4(17, &outer[20..60]);
    first[6] = 0x20;
    let mut second = ipv4(17, &outer[60..]);
    second[7] = 5;
    // The second fragment travels in a tunnel of its own.
    let frames = [first, ipv4(4, &second)];
    let (mut defrag, mut counters) = (Defragmenter::new(0), Counters::default());
    let kept = decode(&frame(L::RAW, &frames[0]), &mut defrag, &mut counters);
    assert!(matches!(kept, Decoded::FragmentKept));
    let Decoded::Datagram(datagram) =
        decode(&frame(L::RAW, &frames[1]), &mut defrag, &mut counters)
    else {
        panic!("not put together");
    };
    let packet = datagram.packet();
    assert_eq!((packet.payload, packet.vlan, packet.tunnelled), (HELLO, Some(7), true));
}

#[test]
fn datagrams_in_datagrams_are_bounded() {
    // Each packet is the last fragment of a datagram that is the last fragment of another.
    for (depth, complete) in [(REASSEMBLIES_MAX, true), (REASSEMBLIES_MAX + 1, false)] {
        let (mut defrag, mut counters) = (Defragmenter::new(0), Counters::default());
        let mut push =
            |packet: &[u8]| match decode(&frame(L::RAW, packet), &mut defrag, &mut counters) {
                Decoded::FragmentKept => None,
                Decoded::Datagram(datagram) => Some(Ok(datagram.packet().payload.to_vec())),
                Decoded::Skip(reason) => Some(Err(reason)),
                Decoded::Packet(_) | Decoded::Several(_) => panic!("a fragment is no packet"),
            };
        let mut packet = ip_hello();
        for id in 0..depth {
            let piece = |position: [u8; 2], payload: &[u8]| {
                let mut ip = ipv4(4, payload);
                ip[5] = u8::try_from(id).unwrap();
                ip[6..8].copy_from_slice(&position);
                ip
            };
            assert_eq!(push(&piece([0x20, 0], &packet[..8])), None);
            packet = piece([0, 1], &packet[8..]);
        }
        let expect = if complete { Ok(HELLO.to_vec()) } else { Err(S::NestedTooDeep) };
        assert_eq!(push(&packet), Some(expect));
    }
}

#[test]
fn every_packet_of_an_aggregate_is_found() {
    let part = |llc: &[u8]| {
        let len = u16::try_from(llc.len()).unwrap().to_be_bytes();
        cat!([2; 12], len, llc, vec![0; (14 + llc.len()).next_multiple_of(4) - 14 - llc.len()])
    };
    let of = |ports: [u8; 2], payload: &[u8]| {
        let mut segment = tcp(payload);
        segment[..2].copy_from_slice(&ports);
        snap(&ipv4(6, &segment))
    };
    let arp = cat!([0xaa, 0xaa, 3, 0, 0, 0, 8, 6], [0; 28]);
    let parts = cat!(part(&of([1, 1], b"one")), part(&arp), part(&of([2, 2], b"three")));
    let parts = cat!(parts, part(&of([3, 3], b"last")));
    let bytes = wlan(0x88, 0x01, &[0x80, 0], &parts);
    let mut counters = Counters::default();
    let frame = frame(L::IEEE802_11, &bytes);
    let payloads = |frame: &Frame<'_>, counters: &mut Counters| -> Vec<Vec<u8>> {
        match decode(frame, &mut Defragmenter::new(0), counters) {
            Decoded::Several(packets) => packets.iter().map(|it| it.payload.to_vec()).collect(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(payloads(&frame, &mut counters), [&b"one"[..], b"three", b"last"]);
    // A snap length takes what it takes.
    let cut = Frame { data: &bytes[..bytes.len() - 60], ..frame };
    assert_eq!(payloads(&cut, &mut counters), [&b"one"[..], b"three"]);
    let mut steer = Steer::new(5);
    let Steering::Several(parts) = steer.steer(&frame) else { panic!("three packets") };
    assert_eq!(parts.len(), 3);
    assert_eq!((steer.counters().frames, steer.counters().dissected), (1, 1));
    assert!(parts[0].0 != parts[1].0, "each goes where its own connection goes");
    one_outcome(L::IEEE802_11.0, &bytes, 0).unwrap();
}

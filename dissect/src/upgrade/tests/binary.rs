//! Proxies' headers, directories, databases, desktops and tunnels: protocols of binary messages.

use super::*;

pub(super) fn hex(digits: &str) -> Vec<u8> {
    let digits: String = digits.split_whitespace().collect();
    let pairs = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal digits")).collect()
}

#[test]
fn socks_asks_for_a_host() {
    let by_name = "05 01 00 03 0b 4f75746c6f6f6b2e436f6d 01bb";
    for (script, name) in [
        (format!("05 01 00 {by_name}"), "outlook.com"),
        // Two methods, of which the server takes none or the password.
        (format!("05 02 00 02 {by_name}"), "outlook.com"),
        (format!("05 02 01 00 {by_name}"), "outlook.com"),
        (format!("05 02 00 02 01 02 6d65 03 616263 {by_name}"), "outlook.com"),
        ("05 01 00 05 01 00 01 0a010203 01bb".into(), "10.1.2.3"),
        ("05 02 00 01 05 01 00 04 20010db8 00000000 00000000 00000001 01bb".into(), "2001:db8::1"),
        ("04 01 01bb 0a010203 00".into(), "10.1.2.3"),
        ("04 01 01bb 0a010203 6d65 00".into(), "10.1.2.3"),
        ("04 01 01bb 00000001 6d65 00 6f75746c6f6f6b2e636f6d 00".into(), "outlook.com"),
    ] {
        println!("{script}");
        let facts = leads(C, &hex(&script), Upgrade::Socks);
        assert_eq!(facts.name.as_deref(), Some(name));
    }
    for script in [
        "05 00 05 00 00 01 7f000001 0438",
        "05 02 01 00 05 00 00 01 00000000 0000",
        "05 00 05 00 00 03 01 61 0438",
        "00 5a 0000 00000000",
    ] {
        println!("{script}");
        let facts = leads(S, &hex(script), Upgrade::Socks);
        assert_eq!(facts.name, None);
    }
}

#[test]
fn socks_carries_other_dialogues() {
    let mut script = hex("05 01 00 05 01 00 03 01 61 1466");
    script.extend_from_slice(b"EHLO a\r\nSTARTTLS\r\n");
    let facts = leads(C, &script, Upgrade::Socks);
    assert_eq!(facts.name.as_deref(), Some("a"));
}

#[test]
fn proxy_header_tells_the_real_client() {
    let ends = |source: &str, destination: &str| {
        let end = |text: &str| {
            let address: std::net::SocketAddr = text.parse().expect("a socket address");
            Endpoint { addr: address.ip(), port: address.port() }
        };
        Some(Box::new((end(source), end(destination))))
    };
    let four = ends("192.0.2.1:56324", "192.0.2.2:443");
    let six = ends("[2001:db8::1]:1", "[2001:db8::2]:443");
    let signature = "0d0a0d0a000d0a515549540a";
    let six_hex = "20010db8000000000000000000000001 20010db8000000000000000000000002 0001 01bb";
    for (script, proxied) in [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n".to_vec(), &four),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 1 443\r\n".to_vec(), &six),
        (b"PROXY UNKNOWN\r\n".to_vec(), &None),
        (hex(&format!("{signature} 21 11 000c c0000201 c0000202 dc04 01bb")), &four),
        (hex(&format!("{signature} 21 11 0011 c0000201 c0000202 dc04 01bb 0400021603")), &four),
        (hex(&format!("{signature} 21 21 0024 {six_hex}")), &six),
        (hex(&format!("{signature} 20 00 0000")), &None),
    ] {
        println!("{}", script.escape_ascii());
        assert_eq!(leads(C, &script, Upgrade::Direct).proxied, *proxied);
        let then = [script.as_slice(), b"EHLO a\r\nSTARTTLS\r\n"].concat();
        assert_eq!(leads(C, &then, Upgrade::Smtp).proxied, *proxied);
    }
    let extended =
        format!("{signature} 21 11 1f00 c0000201 c0000202 dc04 01bb {}", "00".repeat(0x1ef4));
    assert_eq!(leads(C, &hex(&extended), Upgrade::Direct).proxied, four);
}

const START_TLS: &str = "312e332e362e312e342e312e313436362e3230303337";

#[test]
fn ldap_lengths_may_be_long_or_short() {
    for script in [
        format!("30 1d 020101 77 18 80 16 {START_TLS}"),
        format!("30 84 00000021 020101 77 84 00000018 80 16 {START_TLS}"),
        format!("30 81 1f 02020101 77 81 18 80 16 {START_TLS}"),
        // A search before.
        format!("30 0c 020101 63 07 04000a01000a01 30 1d 020102 77 18 80 16 {START_TLS}"),
    ] {
        println!("{script}");
        assert!(leads(C, &hex(&script), Upgrade::Ldap).asked);
    }
    for script in [
        "30 0c 020101 78 07 0a0100 0400 0400".into(),
        "30 84 00000010 020101 78 84 00000007 0a0100 0400 0400".into(),
        format!("30 24 020101 78 1f 0a0100 0400 0400 8a 16 {START_TLS}"),
        "30 0c 020101 65 07 0a0100 0400 0400 30 0c 020101 78 07 0a0100 0400 0400".into(),
        // Refused at first.
        "30 0c 020101 78 07 0a0134 0400 0400 30 0c 020101 78 07 0a0100 0400 0400".into(),
    ] {
        println!("{script}");
        assert!(!leads(S, &hex(&script), Upgrade::Ldap).refused);
    }
    let refused = hex("30 0c 020101 78 07 0a0134 0400 0400");
    assert!(leads_nowhere(&with_hello(&refused, b"")).refused);
    let bind = hex("30 0c 020101 60 07 020103 0400 8000");
    leads_nowhere(&with_hello(&bind, b""));
}

#[test]
fn databases_ask_for_tls() {
    assert!(leads(C, &hex("00000008 04d2162f"), Upgrade::Postgres).asked);
    leads(C, &hex("00000008 04d21630 00000008 04d2162f"), Upgrade::Postgres);
    assert!(!leads(S, b"S", Upgrade::Postgres).refused);
    assert!(!leads(S, b"NS", Upgrade::Postgres).refused);
    leads_nowhere(&with_hello(b"N", b""));
    leads_nowhere(&with_hello(&hex("00000010 00030000 7573657200610000"), b""));

    let greeting = |capabilities: &str| {
        let payload = format!("0a 352e372e313600 4d682000 0937522b2f254629 00 {capabilities} 08");
        let payload = format!("{payload} 0200 ffc1 15 {} 69647844637e00", "00".repeat(10));
        let payload = hex(&payload);
        [&[u8::try_from(payload.len()).expect("short"), 0, 0, 0][..], &payload].concat()
    };
    assert!(leads(S, &greeting("ffff"), Upgrade::MySql).offered);
    leads_nowhere(&with_hello(&greeting("fff7"), b""));
    let request = |capabilities: &str| {
        hex(&format!("200000 01 {capabilities} 3a00 ffffff00 21 {}", "00".repeat(23)))
    };
    assert!(leads(C, &request("8faa"), Upgrade::MySql).asked);
    leads(C, &hex("050000 01 0508 000000"), Upgrade::MySql);
    leads_nowhere(&with_hello(&request("8fa2"), b""));
}

#[test]
fn rdp_negotiates() {
    for script in [
        "03000013 0e e0 0000 0000 00 01 00 0800 03000000",
        "0300002f 2a e0 0000 0000 00 436f6f6b69653a206d737473686173683d5744 6570 6c6f7941640d0a 01 00 0800 03000000",
    ] {
        println!("{script}");
        assert!(leads(C, &hex(script), Upgrade::Rdp).asked);
    }
    for selected in ["01", "02", "08"] {
        let script = format!("03000013 0e d0 0000 1234 00 02 1f 0800 {selected}000000");
        assert!(!leads(S, &hex(&script), Upgrade::Rdp).refused);
    }
    for script in [
        "03000013 0e d0 0000 1234 00 02 00 0800 00000000",
        "03000013 0e d0 0000 1234 00 03 00 0800 05000000",
        "0300000b 06 d0 0000 1234 00",
    ] {
        assert!(leads_nowhere(&with_hello(&hex(script), b"")).refused, "{script}");
    }
    leads_nowhere(&with_hello(&hex("03000013 0e e0 0000 0000 00 01 00 0800 00000000"), b""));
    leads_nowhere(&with_hello(&hex("0300000b 06 e0 0000 0000 00"), b""));
}

/// A TDS packet.
fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).expect("short").to_be_bytes();
    [&[kind, 1, len[0], len[1], 0, 0, 1, 0][..], payload].concat()
}

fn prelogin(kind: u8, encryption: u8) -> Vec<u8> {
    let table = format!("00 000b 0006 01 0011 0001 ff 0f0007d0 0000 {encryption:02x}");
    packet(kind, &hex(&table))
}

/// Cuts a message into packets of these lengths.
fn in_packets(kind: u8, message: &[u8], len: usize) -> Vec<u8> {
    message.chunks(len).flat_map(|chunk| packet(kind, chunk)).collect()
}

#[test]
fn tds_wraps_the_handshake() {
    for (side, script, kinds) in
        [(C, prelogin(0x12, 1), &[0x12][..]), (S, prelogin(0x04, 0), &[0x12, 0x04][..])]
    {
        for &kind in kinds {
            for len in [1, 3, 7, 20, 200] {
                let message = [hello_of(side), b"\x16\x03\x01\x00\x04\x0e\0\0\0".to_vec()].concat();
                let records = b"\x17\x03\x01\x00\x04abcd\x12\x01\x00".to_vec();
                let wrapped = in_packets(kind, &message, len);
                let all = [script.clone(), wrapped, records.clone()].concat();
                for size in [1, 2, 5, 50, 1000] {
                    check_unwrap(side, &all, size, &[message.clone(), records.clone()].concat());
                }
            }
        }
    }
    leads_nowhere(&[prelogin(0x12, 2), packet(0x10, &client_hello())].concat());
    let facts = leads_nowhere(&[prelogin(0x04, 2), packet(0x04, b"\xad and so on")].concat());
    assert!(facts.refused);
}

/// Pushes in pieces of a size; what is unwrapped has to be `expected`.
#[track_caller]
fn check_unwrap(side: Side, bytes: &[u8], size: usize, expected: &[u8]) {
    let mut prelude = Prelude::default();
    let mut unwrap = None;
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        match &mut unwrap {
            None => match prelude.push(piece) {
                Step::More => {}
                Step::NotTls => panic!("plain: {prelude:?}"),
                Step::Tls { consumed } => {
                    let wrapping = prelude.facts().wrapped.expect("it is wrapped");
                    let unwrap = unwrap.insert(Unwrap::new(wrapping));
                    unwrap.push(prelude.pending(), &mut out);
                    unwrap.push(&piece[consumed..], &mut out);
                }
            },
            Some(unwrap) => unwrap.push(piece, &mut out),
        }
    }
    assert_eq!(prelude.facts().role, Some(side));
    assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string(), "by {size}");
}

#[test]
fn openvpn_carries_tls_in_its_control_packets() {
    for guard in [0usize, 24, 28, 40, 72] {
        let guarded = |opcode: u8, rest: &[u8]| {
            let body = [&[opcode][..], b"SESSION!", &vec![0xaa; guard], rest].concat();
            [&u16::try_from(body.len()).expect("short").to_be_bytes()[..], &body].concat()
        };
        let acks = b"\x01\x00\x00\x00\x00PEER'S..";
        let hello = client_hello();
        let all = [
            guarded(0x38, &[0; 5]),
            guarded(0x28, acks),
            guarded(0x20, &[acks, &[0, 0, 0, 1][..], &hello[..30]].concat()),
            guarded(0x20, &[&[0, 0, 0, 0, 2][..], &hello[30..]].concat()),
            // Sent again, acknowledged, and the data channel.
            guarded(0x20, &[&[0, 0, 0, 0, 2][..], &hello[30..]].concat()),
            guarded(0x28, acks),
            guarded(0x30, &[0x16; 200]),
            guarded(0x20, &[&[0, 0, 0, 0, 3][..], b"\x14\x03\x01\x00\x01\x01"].concat()),
        ]
        .concat();
        let expected = [hello.as_slice(), b"\x14\x03\x01\x00\x01\x01"].concat();
        for size in [1, 2, 7, 64, 5000] {
            check_unwrap(C, &all, size, &expected);
        }
        let server = [
            guarded(0x40, &[&acks[..], &[0; 4]].concat()),
            guarded(0x20, &[acks, &[0, 0, 0, 1][..], &server_hello()].concat()),
        ]
        .concat();
        check_unwrap(S, &server, 9, &server_hello());
    }
}

#[test]
fn foreign_dialogues_are_left_at_a_segment() {
    let hello = client_hello();
    for first in [&b"\xde\xad\xbe\xef\xde\xad\xbe\xef"[..], b"\0", b"hello!\n", b"\x05\x01"] {
        let (prelude, step, began) = hear([first, &hello]);
        assert_eq!(step, Step::Tls { consumed: 0 }, "{}", first.escape_ascii());
        assert_eq!(began, first.len());
        assert_eq!(prelude.facts().upgrade, Some(Upgrade::Other));
    }
    let (_, step, _) = hear([b"\xde\xad", &hello[..9]]);
    assert_eq!(step, Step::More);
    let wrong = hello.iter().map(|&byte| if byte == 4 { 5 } else { byte }).collect::<Vec<_>>();
    let (_, step, _) = hear([b"\xde\xad", &[&wrong[..], b"x"].concat()[..]]);
    assert_eq!(step, Step::More);
    let (_, step, _) = hear([&[0xde; 8][..], &[0xde; 8], &[0xde; 8], &hello]);
    assert_eq!(step, Step::NotTls);
    let (_, step, _) = hear([&[0xde; 600][..], &hello]);
    assert_eq!(step, Step::NotTls);
}

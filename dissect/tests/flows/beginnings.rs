//! How connections begin that are no TLS, not from their beginning, or not at once.

use dissect::{Coverage, Protocol, PseudoTls, Side, Upgrade, Version};
use proptest::prelude::*;

use crate::kit::*;
use crate::versions::finish;

/// The hello of [MS-TURN] §2.1.1.
fn turn_hello() -> Vec<u8> {
    let mut hello = Hello::up_to(0x0301);
    (hello.suites, hello.extensions) = (vec![0x0018], None);
    assert_eq!(hello.record().len(), 50);
    hello.record()
}

fn turn_reply() -> Reply {
    let mut reply = Reply::of(0x0301);
    (reply.suite, reply.extensions) = (0x0018, None);
    reply
}

/// ServerHello and ServerHelloDone in one record.
fn turn_answer() -> Vec<u8> {
    let answer = record(22, 0x0301, &[turn_reply().message(), message(14, b"")].concat());
    assert_eq!(answer.len(), 83);
    answer
}

const ALLOCATE: &[u8] = b"\x02\x00\x00\x0c\x00\x03\x00\x08\x00\x0f\x00\x04\x72\xc6\x4b\xc6";

#[test]
fn media_relays_only_look_like_tls() {
    let start = Conversation::default().open().client(&turn_hello());
    let media = [&[3, 0, 0, 200][..], &[0x80; 200]].concat();
    let whole = start.clone().server(&turn_answer()).client(ALLOCATE).server(ALLOCATE);
    let whole = whole.client(&media).server(&media).close(Side::Client);
    let expect = Protocol::PseudoTls(PseudoTls::MsTurn);
    for whole in [
        whole.clone(),
        whole.clone().without_syn(),
        whole.clone().only(Side::Client),
        whole.clone().only(Side::Server),
        whole.clone().delayed(Side::Client),
        whole.mirrored(),
    ] {
        assert_eq!(facts(&whole.packets).protocol, expect);
    }
    // A proxy answers in earnest.
    let proxied = facts(&finish(start.clone(), &turn_reply()).packets);
    assert_eq!(proxied.protocol, expect);
    assert!(proxied.certificate.is_some());
    // The client refuses an answer that imitates nothing.
    let certificate = record(22, 0x0301, &message(11, &[0, 0, 0]));
    let proxied = start.server(&[turn_reply().record(), certificate].concat());
    let refused = facts(&proxied.client(&alert(0x0301, 10)).close(Side::Client).packets);
    assert_eq!((refused.protocol, refused.established), (expect, Some(false)));
    let said: Vec<_> =
        refused.alerts.iter().map(|it| (it.from, it.level, it.description)).collect();
    assert_eq!(said, [(Side::Client, 2, 10)]);
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn google_hello() -> Vec<u8> {
    hex("8046010301002d0000001001008003008007\
        00c006004002008004008000000400feff00000a00fefe0000090000640000620000030000061f170ca62f00\
        78fc46552eb18339f1ea")
}

#[test]
fn imitations_are_known_by_what_a_snap_length_leaves() {
    let seen = |hello: &[u8], answer: &[u8], snap_len| {
        let whole = Conversation::default().open().client(hello).server(answer);
        let mut flows = Lens { snap_len, ..Lens::default() }.see(&whole.packets).flows;
        assert_eq!(flows.len(), 1);
        flows.remove(0)
    };
    // Ethernet, IPv4 and TCP take 54 bytes, the imitations 50 and 72.
    for (hello, kind, lens) in
        [(turn_hello(), PseudoTls::MsTurn, 66..=104), (google_hello(), PseudoTls::Google, 89..=126)]
    {
        for snap_len in lens {
            let facts = seen(&hello, b"", snap_len);
            assert_eq!(facts.protocol, Protocol::PseudoTls(kind), "{snap_len}");
        }
    }
    // The answer tells that the hello offered another suite.
    let old = Hello { suites: vec![0x002f], extensions: None, ..Hello::up_to(0x0301) };
    let reply = Reply { session_id: Vec::new(), extensions: None, ..Reply::of(0x0301) };
    let facts = seen(&old.record(), &reply.record(), 100);
    assert_eq!((facts.protocol, facts.offered_max()), (Protocol::Tls, Some(Version::Tls10)));
    // One suite more, and it is no imitation.
    let old = Hello { suites: vec![0x002f, 0x000a], ..old };
    let facts = seen(&old.record(), b"", 96);
    assert_eq!((facts.protocol, facts.offered_max()), (Protocol::Tls, Some(Version::Tls10)));
}

#[test]
fn constant_hellos_are_known() {
    let hello = google_hello();
    let answer =
        hex("160301004a020000460301428545a727a95da0b3c5e753da482b3fc65aca89c15852a1783c5b\
        174600853f200ed306725b5b1b5f15ac13f988539d9be83d7b0c30326e384da27557416c345c000400");
    let whole = Conversation::default().open().client(&hello).server(&answer).client(&[0, 9, 1]);
    for whole in [whole.clone(), whole.clone().only(Side::Client), whole.only(Side::Server)] {
        let protocol = facts(&whole.packets).protocol;
        assert_eq!(protocol, Protocol::PseudoTls(PseudoTls::Google));
    }
}

#[test]
fn a_lone_hello_of_the_old_form_before_cipher_text_is_skypes() {
    let hello = sslv2_hello(0x0301, &[0x05, 0x04], &[3; 16]);
    let start = || Conversation::default().open().client(&hello);
    let answer = Reply::of(0x0301).record();
    let whole = start().server(&answer).client(&[0x5c; 90]).server(&[0xc5; 90]);
    assert_eq!(facts(&whole.packets).protocol, Protocol::PseudoTls(PseudoTls::Skype));
    // An old client in earnest, also when its answer was not captured.
    let real = finish(start(), &Reply::of(0x0301));
    assert_eq!(facts(&real.packets).protocol, Protocol::Tls);
    assert_eq!(facts(&real.clone().only(Side::Client).packets).protocol, Protocol::Tls);
    assert_eq!(facts(&real.without_syn().packets).protocol, Protocol::Tls);
}

#[test]
fn upgrades_are_followed_by_either_side() {
    let tls = |start: Conversation| {
        finish(start.client(&Hello::up_to(0x0303).record()), &Reply::of(0x0301))
    };
    let connect = Conversation::default()
        .open()
        .client(b"CONNECT Outlook.Office365.com:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        .server(b"HTTP/1.1 200 Connection established\r\n\r\n");
    let smtp = Conversation::default()
        .open()
        .server(b"220 mx.contoso.com ESMTP\r\n")
        .client(b"EHLO pc\r\n")
        .server(b"250-mx\r\n250 STARTTLS\r\n")
        .client(b"STARTTLS\r\n")
        .server(b"220 go\r\n");
    for (start, upgrade) in [(connect, Upgrade::HttpConnect), (smtp, Upgrade::Smtp)] {
        let whole = tls(start);
        let views = [
            (whole.clone(), "complete"),
            (whole.clone().without_syn(), "complete"),
            (whole.clone().delayed(Side::Client), "complete"),
            (whole.clone().delayed(Side::Server), "complete"),
            (whole.clone().only(Side::Client), "server-side-missing"),
            (whole.clone().only(Side::Server), "client-side-missing"),
            (whole.clone().without_syn().only(Side::Client), "server-side-missing"),
        ];
        for (view, coverage) in views {
            let facts = facts(&view.packets);
            assert_eq!(facts.upgrade, upgrade);
            let names: Vec<_> = facts.coverage.names().collect();
            assert_eq!(names.first().copied().unwrap_or("complete"), coverage, "{upgrade:?}");
            if upgrade == Upgrade::HttpConnect && coverage != "client-side-missing" {
                assert_eq!(facts.upgrade_name.as_deref(), Some("outlook.office365.com"));
            }
        }
        // A dialogue that was answered, and a hello that was not.
        let hello = whole.packets.iter().position(|packet| packet.payload.starts_with(&[22]));
        let facts = facts(&whole.packets[..=hello.unwrap()]);
        assert_eq!(facts.coverage, Coverage::SERVER_SIDE_MISSING);
    }
}

#[test]
fn a_hole_in_the_dialogue_takes_nothing_from_the_handshake() {
    let start = Conversation::default().open().server(b"220 mx.contoso.com ESMTP\r\n");
    let start = start.client(b"EHLO pc\r\n").lost(Side::Server, 400).client(b"STARTTLS\r\n");
    let start = start.server(b"220 go\r\n").client(&Hello::up_to(0x0301).record());
    let facts = facts(&finish(start, &Reply::of(0x0301)).packets);
    assert_eq!(facts.negotiated(), Some(Version::Tls10));
    assert_eq!((facts.established, facts.resumed), (Some(true), Some(false)));
    assert_eq!(facts.coverage, Coverage::COMPLETE);
}

#[test]
fn other_protocols_make_no_rows() {
    let openings: [(&[u8], &[u8]); 4] = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
        (b"\x17\x00\x03\x2a\0\0\0\0", b"\x1c\x02\0\0\0\0\0\0"),
        (b"REGISTER sip:a SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n"),
    ];
    for (client, server) in openings {
        let mut whole = Conversation::default().open();
        for _ in 0..12 {
            whole = whole.client(client).server(server).client(&[0x9c; 70]).server(&[0x1b; 900]);
        }
        for whole in [whole.clone(), whole.clone().without_syn(), whole.only(Side::Server)] {
            assert!(rows(&whole.packets).is_empty(), "{}", String::from_utf8_lossy(client));
        }
    }
}

#[test]
fn cleartext_without_an_upgrade_makes_no_row() {
    let whole = Conversation::default()
        .open()
        .server(b"220 mx.contoso.com ESMTP\r\n")
        .client(b"EHLO pc\r\n")
        .server(b"250-mx\r\n250 STARTTLS\r\n")
        .client(b"MAIL FROM:<a@b>\r\n")
        .server(b"451 5.7.3 Must issue a STARTTLS command first\r\n");
    assert!(rows(&whole.close(Side::Client).packets).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_500, ..ProptestConfig::default() })]

    /// Four streams a case: from their beginning and not, one side and both.
    #[test]
    fn random_bytes_make_no_rows(
        client in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 1..300), 1..6),
        server in proptest::collection::vec(any::<u8>(), 0..600),
        first in 20u8..24,
    ) {
        let mut whole = Conversation::default().open().server(&server);
        for part in &client {
            whole = whole.client(part);
        }
        prop_assert!(rows(&whole.packets).is_empty());
        prop_assert!(rows(&whole.clone().only(Side::Client).packets).is_empty());
        // The same behind the first byte of a record.
        for packet in whole.packets.iter_mut().filter(|packet| !packet.payload.is_empty()) {
            packet.payload[0] = first;
        }
        prop_assert!(rows(&whole.packets).is_empty());
        prop_assert!(rows(&whole.without_syn().packets).is_empty());
    }
}

#[test]
fn a_syn_may_carry_the_hello() {
    let hello = Hello::up_to(0x0303).record();
    let mut start = Conversation::default().open().client(&hello);
    let packets = &mut start.packets;
    // RFC 7413: the hello goes with the SYN, whose answer acknowledges both.
    packets[0].payload = packets.remove(3).payload;
    packets.remove(2);
    packets[1].ack += u32::try_from(hello.len()).unwrap();
    let whole = finish(start, &Reply::of(0x0303));
    for whole in [whole.clone(), whole.mirrored()] {
        let facts = facts(&whole.packets);
        assert_eq!((facts.established, facts.coverage), (Some(true), Coverage::COMPLETE));
    }
}

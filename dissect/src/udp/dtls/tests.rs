//! Whole connections, with flights made by hand.

use proptest::prelude::*;

use crate::udp::testkit::Talk;
use crate::{Coverage, HelloExtent, Protocol, RefusalKind, Side, Transport, Version};

/// A handshake record in the clear.
fn record(sequence: u8, body: &[u8]) -> Vec<u8> {
    record_of(22, 0, sequence, body)
}

fn record_of(kind: u8, epoch: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, sequence][..], &len, body].concat()
}

/// A piece of a message.
fn fragment(kind: u8, seq: u8, message: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
    let number = |value: usize| u32::try_from(value).unwrap().to_be_bytes();
    [
        &[kind],
        &number(message.len())[1..],
        &[0, seq],
        &number(range.start)[1..],
        &number(range.len())[1..],
        &message[range],
    ]
    .concat()
}

fn whole(kind: u8, seq: u8, message: &[u8]) -> Vec<u8> {
    fragment(kind, seq, message, 0..message.len())
}

/// Suites and `extended_master_secret` behind the cookie of a ClientHello.
fn client_hello(random: u8, cookie: &[u8], extensions: &[u8]) -> Vec<u8> {
    let cookie_len = u8::try_from(cookie.len()).unwrap();
    let len = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    let mut hello = [&[0xfe, 0xfd][..], &[random; 32], &[0, cookie_len], cookie].concat();
    hello.extend([0, 4, 0xc0, 0x2f, 0x13, 0x01, 1, 0]);
    [&hello[..], &len, extensions].concat()
}

fn server_hello(extensions: &[u8]) -> Vec<u8> {
    let len = u16::try_from(extensions.len()).unwrap().to_be_bytes();
    [&[0xfe, 0xfd][..], &[2; 32], &[0, 0xc0, 0x2f, 0], &len, extensions].concat()
}

const NAME: &[u8] = b"\0\0\0\x0f\0\x0d\0\0\x0amedia.test";
const VERSIONS: &[u8] = &[0, 43, 0, 5, 4, 0xfe, 0xfc, 0xfe, 0xfd];
const SELECTED_13: &[u8] = &[0, 43, 0, 2, 0xfe, 0xfc];
const CURVE: &[u8] = &[3, 0, 29, 1, 9];

/// ChangeCipherSpec and a Finished that nobody can read.
fn finished() -> Vec<u8> {
    [record_of(20, 0, 8, &[1]), record_of(22, 1, 0, &[9; 40])].concat()
}

#[test]
fn a_cookie_round_is_one_handshake() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &record(0, &whole(1, 0, &client_hello(1, &[], NAME))));
    talk.send(Side::Server, &record(0, &whole(3, 0, &[0xfe, 0xff, 2, 7, 7])));
    talk.send(Side::Client, &record(1, &whole(1, 1, &client_hello(1, &[7, 7], NAME))));
    let flight = [
        record(1, &whole(2, 1, &server_hello(&[]))),
        record(2, &[whole(12, 3, CURVE), whole(14, 4, &[])].concat()),
    ];
    talk.send(Side::Server, &flight.concat());
    talk.send(Side::Client, &finished()).send(Side::Server, &finished());
    talk.send(Side::Client, &record_of(23, 1, 1, &[9; 60]));
    let facts = talk.finish_one();
    assert_eq!((facts.protocol, facts.transport), (Protocol::Dtls, Transport::Udp));
    let hello = facts.client_hello.as_ref().unwrap();
    assert_eq!((hello.at.frame, hello.server_name.as_deref()), (1, Some("media.test")));
    assert_eq!(hello.offer.cipher_suites, [0xc02f, 0x1301]);
    assert!(hello.offer.ja4.as_ref().unwrap().starts_with("dd2d0201"));
    assert_eq!(facts.offered_max(), Some(Version::Dtls12));
    assert_eq!(facts.negotiated(), Some(Version::Dtls12));
    assert_eq!(facts.server_hello.as_ref().unwrap().group, Some(29));
    assert_eq!((facts.established, facts.coverage), (Some(true), Coverage::COMPLETE));
    assert_eq!(facts.last.frame, 7);
}

#[test]
fn fragments_join_in_any_order_and_twice() {
    let hello = client_hello(1, &[], NAME);
    let answer = server_hello(&[]);
    let mut talk = Talk::new();
    for range in [30..60, 0..20, 40..hello.len(), 30..60, 10..35] {
        talk.send(Side::Client, &record(0, &fragment(1, 0, &hello, range)));
    }
    // The curve comes before the hello that makes sense of it.
    talk.send(Side::Server, &record(3, &fragment(12, 2, CURVE, 2..5)));
    talk.send(Side::Server, &record(3, &fragment(12, 2, CURVE, 0..2)));
    talk.send(Side::Server, &record(2, &fragment(2, 0, &answer, 9..answer.len())));
    talk.send(Side::Server, &record(2, &fragment(2, 0, &answer, 0..9)));
    let facts = talk.finish_one();
    let hello = facts.client_hello.unwrap();
    assert_eq!((hello.offer.extent, hello.at.frame), (HelloExtent::Whole, 5));
    assert_eq!(facts.server_hello.unwrap().group, Some(29));
}

#[test]
fn version_13_hides_in_supported_versions() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &record(0, &whole(1, 0, &client_hello(1, &[], VERSIONS))));
    talk.send(Side::Server, &record(0, &whole(2, 0, &server_hello(SELECTED_13))));
    talk.send(Side::Server, &[&[0x2e, 0, 0, 0, 80][..], &[9; 80]].concat());
    talk.send(Side::Client, &[&[0x2e, 0, 0, 0, 60][..], &[9; 60]].concat());
    let facts = talk.finish_one();
    assert_eq!(facts.offered_max(), Some(Version::Dtls13));
    assert_eq!(facts.negotiated(), Some(Version::Dtls13));
    assert_eq!((facts.established, facts.resumed), (Some(true), Some(false)));
    assert!(facts.client_hello.unwrap().offer.ja4.as_ref().unwrap().starts_with("dd3i"));
}

#[test]
fn an_acknowledgement_does_not_prove_version_13() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &record(0, &whole(1, 0, &client_hello(1, &[], VERSIONS))));
    talk.send(Side::Server, &record(0, &whole(2, 0, &server_hello(SELECTED_13))));
    talk.send(Side::Client, &[&[0x2e, 0, 0, 0, 35][..], &[9; 35]].concat());
    assert_eq!(talk.finish_one().established, None);
}

#[test]
fn an_alert_refuses_the_hello() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &record(0, &whole(1, 0, &client_hello(1, &[], &[]))));
    talk.send(Side::Server, &record_of(21, 0, 0, &[2, 70]));
    let facts = talk.finish_one();
    assert_eq!(facts.refusal.unwrap().kind, RefusalKind::Alert(70));
    assert_eq!((facts.established, facts.coverage), (Some(false), Coverage::COMPLETE));
}

#[test]
fn an_abbreviated_handshake_resumes() {
    let hello = record(0, &whole(1, 0, &client_hello(1, &[], NAME)));
    let answer = record(0, &whole(2, 0, &server_hello(&[])));
    let mut talk = Talk::new();
    talk.send(Side::Client, &hello).send(Side::Server, &[answer.clone(), finished()].concat());
    talk.send(Side::Client, &finished());
    let facts = talk.finish_one();
    assert_eq!((facts.resumed, facts.established), (Some(true), Some(true)));

    // The rest of the server's flight was lost, but the client answers to it.
    let mut talk = Talk::new();
    talk.send(Side::Client, &hello).send(Side::Server, &answer);
    talk.send(Side::Client, &[record(2, &whole(16, 1, &[9; 33])), finished()].concat());
    talk.send(Side::Server, &finished());
    assert_eq!(talk.finish_one().resumed, Some(false));
}

#[test]
fn one_side_alone_is_told() {
    let mut talk = Talk::new();
    talk.send(Side::Server, &record(0, &whole(2, 0, &server_hello(&[]))));
    talk.send(Side::Server, &finished());
    let facts = talk.finish_one();
    assert_eq!((facts.client.port, facts.negotiated()), (50000, Some(Version::Dtls12)));
    assert_eq!((facts.established, facts.coverage), (None, Coverage::CLIENT_SIDE_MISSING));
}

#[test]
fn a_lost_fragment_shows_as_a_gap() {
    let hello = client_hello(1, &[], NAME);
    let mut talk = Talk::new();
    talk.send(Side::Client, &record(0, &fragment(1, 0, &hello, 0..40)));
    let facts = talk.finish_one();
    assert_eq!(facts.offered_max(), None);
    assert_eq!(facts.client_hello.unwrap().offer.cipher_suites, [0xc02f]);
    assert!(facts.coverage.contains(Coverage::GAP));
}

#[test]
fn a_relay_passes_records_on() {
    let hello = record(0, &whole(1, 0, &client_hello(1, &[], NAME)));
    let len = u16::try_from(hello.len()).unwrap().to_be_bytes();
    let mut talk = Talk::new();
    talk.send(Side::Client, &[&[0x40, 1][..], &len, &hello, &[0]].concat());
    assert_eq!(talk.finish_one().offered_max(), Some(Version::Dtls12));
}

#[test]
fn another_hello_between_the_same_endpoints_is_another_connection() {
    let first = record(0, &whole(1, 0, &client_hello(1, &[], NAME)));
    let second = record(0, &whole(1, 0, &client_hello(2, &[], NAME)));
    let mut talk = Talk::new();
    talk.send(Side::Client, &first).send(Side::Client, &first).send(Side::Client, &second);
    assert_eq!(talk.finish().len(), 2);
}

#[test]
fn what_is_no_exact_chain_of_records_makes_no_connection() {
    let hello = record(0, &whole(1, 0, &client_hello(1, &[], &[])));
    let check = |datagram: &[u8]| {
        let mut talk = Talk::new();
        talk.send(Side::Client, datagram);
        assert_eq!((talk.flow_count(), talk.finish()), (0, vec![]));
    };
    check(&hello[..hello.len() - 1]);
    check(&[&hello[..], &[22]].concat());
    check(&[&hello[..], &[99; 20]].concat());
    check(&record_of(22, 1, 0, &[9; 40]));
    check(&record_of(21, 0, 0, &[2, 70]));
    let mut lie = hello.clone();
    lie[24] = 0xff; // a fragment longer than its record
    check(&lie);
}

proptest! {
    #[test]
    fn any_fragments_give_the_hello(
        cuts: Vec<prop::sample::Index>,
        order: prop::sample::Index,
    ) {
        let hello = client_hello(1, &[5; 20], NAME);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(hello.len())).collect();
        cuts.extend([0, hello.len()]);
        cuts.sort_unstable();
        let mut fragments: Vec<_> = cuts
            .windows(2)
            .map(|pair| record(0, &fragment(1, 0, &hello, pair[0]..pair[1])))
            .collect();
        let middle = order.index(fragments.len());
        fragments.rotate_left(middle);
        let mut talk = Talk::new();
        for datagram in &fragments {
            talk.send(Side::Client, datagram);
        }
        let facts = talk.finish_one();
        prop_assert_eq!(facts.client_hello.unwrap().offer.extent, HelloExtent::Whole);
    }

    #[test]
    fn any_datagrams_are_survived(
        datagrams: Vec<(bool, Vec<u8>, prop::sample::Index, u8)>,
    ) {
        let packets = [
            record(0, &whole(1, 0, &client_hello(1, &[], NAME))),
            record(0, &whole(2, 0, &server_hello(SELECTED_13))),
            finished(),
        ];
        let mut talk = Talk::new();
        for (i, (from_client, bytes, at, value)) in datagrams.iter().enumerate() {
            let side = if *from_client { Side::Client } else { Side::Server };
            let mut packet = packets[i % 3].clone();
            talk.send(side, &packet);
            let at = at.index(packet.len());
            packet[at] = *value;
            talk.send(side, &packet);
            talk.send_cut(side, &packet, at);
            talk.send(side, &[&packet[..at], bytes].concat());
            talk.send(side, &[&[0x2f][..], bytes].concat());
        }
        talk.finish();
    }
}

#[test]
fn application_data_alone_is_midstream() {
    let data = |sequence| record_of(23, 1, sequence, &[7; 40]);
    let mut talk = Talk::new();
    talk.send(Side::Client, &data(4)).send(Side::Server, &data(1));
    talk.send(Side::Server, &[data(3), data(4)].concat()).send(Side::Client, &data(5));
    talk.send(Side::Client, &data(6));
    let facts = talk.finish_one();
    assert_eq!((facts.protocol, facts.coverage), (Protocol::Dtls, Coverage::MIDSTREAM));
    assert_eq!(
        (facts.established, facts.offered_max(), facts.negotiated()),
        (Some(true), None, None)
    );

    let mut talk = Talk::new();
    talk.send(Side::Client, &data(4)).send(Side::Client, &data(5));
    let facts = talk.finish_one();
    let expect = Coverage::MIDSTREAM.with(Coverage::SERVER_SIDE_MISSING);
    assert_eq!((facts.coverage, facts.established), (expect, None));
}

#[test]
fn a_handshake_behind_application_data_is_another_connection() {
    let data = |sequence| record_of(23, 1, sequence, &[7; 40]);
    let mut talk = Talk::new();
    for sequence in 0..20 {
        talk.send(Side::Client, &data(sequence)).send(Side::Server, &data(sequence));
    }
    talk.send(Side::Client, &record(0, &whole(1, 0, &client_hello(1, &[], NAME))));
    let flows = talk.finish();
    assert_eq!(flows.len(), 2);
    assert_eq!(flows[0].coverage, Coverage::MIDSTREAM);
    assert_eq!(flows[1].offered_max(), Some(Version::Dtls12));
}

#[test]
fn what_looks_like_application_data_once_is_none() {
    let data = |sequence| record_of(23, 1, sequence, &[7; 40]);
    let check = |datagrams: &[Vec<u8>]| {
        let mut talk = Talk::new();
        for datagram in datagrams {
            talk.send(Side::Client, datagram);
        }
        assert_eq!(talk.finish().len(), 0, "{datagrams:?}");
    };
    check(&[data(1)]);
    check(&[data(1), data(1)]);
    // Bytes behind the record, epoch zero, another content type, numbers far apart.
    check(&[[data(1), vec![0]].concat(), [data(2), vec![0]].concat()]);
    check(&[record_of(23, 0, 1, &[7; 40]), record_of(23, 0, 2, &[7; 40])]);
    check(&[record_of(22, 1, 1, &[7; 40]), record_of(22, 1, 2, &[7; 40])]);
    check(&[record_of(23, 1, 1, &[7; 40]), record_of(23, 2, 2, &[7; 40])]);
}

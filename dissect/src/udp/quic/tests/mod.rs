//! Whole connections, with packets of the standards' appendices and packets made here.

mod vectors;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::BlockCipherEncrypt;
use aes_gcm::{Aes128Gcm, Nonce};
use proptest::prelude::*;

use super::keys::Keys;
use super::packet::{ConnectionId, Dialect, Packet, Packets};
use crate::udp::testkit::{Talk, hex};
use crate::{Coverage, HelloExtent, Limits, Protocol, RoleFrom, Side, Transport, Version};

/// The client's first destination identifier in both appendices.
const OPENER: [u8; 8] = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
/// Another one, as a server puts it into a Retry.
const OTHER: [u8; 8] = [0xf0, 0x67, 0xa5, 0x50, 0x2a, 0x42, 0x62, 0xb5];
const V1: u32 = 1;
const V2: u32 = 0x6b33_43cf;

fn keys(version: u32, id: &[u8]) -> Keys {
    Keys::derive(Dialect::from_wire(version).unwrap(), ConnectionId::new(id).unwrap())
}

/// What an Initial is made of.
#[derive(Clone, Copy)]
struct Seal<'a> {
    version: u32,
    sender: Side,
    /// What the keys come from.
    opener: &'a [u8],
    destination: &'a [u8],
    token: &'a [u8],
    number: u32,
    /// Whether the fixed bit is missing (RFC 9287).
    is_greased: bool,
}

impl Seal<'_> {
    const CLIENT: Self = Self {
        version: V1,
        sender: Side::Client,
        opener: &OPENER,
        destination: &OPENER,
        token: &[],
        number: 0,
        is_greased: false,
    };
    const SERVER: Self = Self { sender: Side::Server, destination: &[], ..Self::CLIENT };

    /// The packet with these frames, padded to a length of `len`.
    fn packet(self, frames: &[u8], len: usize) -> Vec<u8> {
        let first = if self.version == V2 { 0xd3 } else { 0xc3 };
        let first = if self.is_greased { first & !0x40 } else { first };
        let id = |id: &[u8]| [&[u8::try_from(id.len()).unwrap()], id].concat();
        let mut packet = [
            &[first][..],
            &self.version.to_be_bytes(),
            &id(self.destination),
            &[0],
            &id(self.token),
        ]
        .concat();
        let text_len = frames.len().max(len.saturating_sub(packet.len() + 2 + 4 + 16));
        let protected_len = u16::try_from(4 + text_len + 16).unwrap();
        packet.extend((0x4000 | protected_len).to_be_bytes());
        let number_at = packet.len();
        packet.extend(self.number.to_be_bytes());
        let keys = keys(self.version, self.opener);
        let keys = keys.of(self.sender);
        let mut nonce = keys.iv;
        nonce[8..].iter_mut().zip(self.number.to_be_bytes()).for_each(|(a, b)| *a ^= b);
        let mut text = frames.to_vec();
        text.resize(text_len, 0);
        let tag = Aes128Gcm::new(&keys.key.into())
            .encrypt_inout_detached(&Nonce::from(nonce), &packet, text.as_mut_slice().into())
            .unwrap();
        packet.extend(text);
        packet.extend(tag);
        let mut mask = *packet[number_at + 4..].first_chunk::<16>().unwrap();
        let block: &mut aes_gcm::aes::Block = (&mut mask).into();
        Aes128::new(&keys.header.into()).encrypt_block(block);
        packet[0] ^= mask[0] & 0x0f;
        packet[number_at..].iter_mut().zip(&mask[1..5]).for_each(|(byte, key)| *byte ^= key);
        packet
    }
}

/// A CRYPTO frame.
fn crypto(offset: usize, bytes: &[u8]) -> Vec<u8> {
    let integer = |value: usize| (0x4000 | u16::try_from(value).unwrap()).to_be_bytes();
    [&[6][..], &integer(offset), &integer(bytes.len()), bytes].concat()
}

/// The ClientHello of RFC 9001 §A.2, with its message header.
fn client_hello() -> Vec<u8> {
    hex(vectors::CLIENT_CRYPTO)[4..].to_vec()
}

/// The ServerHello of RFC 9001 §A.3, with its message header.
fn server_hello() -> Vec<u8> {
    hex(vectors::SERVER_FRAMES)[9..].to_vec()
}

/// A client's first datagram with these frames.
fn opening(frames: &[u8]) -> Vec<u8> {
    Seal::CLIENT.packet(frames, 1200)
}

/// A server's first datagram: Initial and Handshake.
fn answer() -> Vec<u8> {
    [Seal::SERVER.packet(&crypto(0, &server_hello()), 0), handshake()].concat()
}

/// A Handshake packet that nobody can read.
fn handshake() -> Vec<u8> {
    [&[0xe0, 0, 0, 0, 1, 0, 0, 20][..], &[9; 20]].concat()
}

const ONE_RTT: [u8; 40] = [0x4a; 40];

#[test]
fn keys_are_those_of_the_standards() {
    let check = |version, sender, key: &str, iv: &str, header: &str| {
        let keys = keys(version, &OPENER);
        let keys = keys.of(sender);
        assert_eq!(keys.key[..], hex(key));
        assert_eq!(keys.iv[..], hex(iv));
        assert_eq!(keys.header[..], hex(header));
    };
    check(
        V1,
        Side::Client,
        "1f369613dd76d5467730efcbe3b1a22d",
        "fa044b2f42a3fd3b46fb255c",
        "9f50449e04a0e810283a1e9933adedd2",
    );
    check(
        V1,
        Side::Server,
        "cf3a5331653c364c88f0f379b6067e37",
        "0ac1493ca1905853b0bba03e",
        "c206b8d9b9f0f37644430b490eeaa314",
    );
    check(
        V2,
        Side::Client,
        "8b1a0bc121284290a29e0971b5cd045d",
        "91f73e2351d8fa91660e909f",
        "45b95e15235d6f45a6b19cbcb0294ba9",
    );
    check(
        V2,
        Side::Server,
        "82db637861d55e1d011f19ea71d5d2a7",
        "dd13c276499c0249d3310652",
        "edf6d05c83121201b436e16877593c3a",
    );
}

#[test]
fn packets_of_the_standards_open() {
    let check = |packet: &str, version, sender, text: &str, padding: usize| {
        let packet = hex(packet);
        let Some(Packet::Initial(initial)) = Packets::new(&packet, 0).next() else { panic!() };
        assert_eq!(initial.bytes.len(), packet.len());
        let frames = keys(version, &OPENER).of(sender).open(&initial).unwrap();
        let mut expect = hex(text);
        expect.resize(expect.len() + padding, 0);
        assert_eq!(frames, expect);
    };
    check(vectors::CLIENT_V1, V1, Side::Client, vectors::CLIENT_CRYPTO, 917);
    check(vectors::SERVER_V1, V1, Side::Server, vectors::SERVER_FRAMES, 0);
    check(vectors::CLIENT_V2, V2, Side::Client, vectors::CLIENT_CRYPTO, 917);
    check(vectors::SERVER_V2, V2, Side::Server, vectors::SERVER_FRAMES, 0);
}

#[test]
fn a_connection_is_followed_to_its_proof() {
    for (client, server) in
        [(vectors::CLIENT_V1, vectors::SERVER_V1), (vectors::CLIENT_V2, vectors::SERVER_V2)]
    {
        let mut talk = Talk::new();
        talk.send(Side::Client, &hex(client)).send(Side::Server, &hex(server));
        talk.send(Side::Server, &ONE_RTT).send(Side::Client, &ONE_RTT);
        assert_eq!(talk.seen.hellos.len(), 2);
        let facts = talk.finish_one();
        assert_eq!((facts.protocol, facts.transport), (Protocol::Quic, Transport::Udp));
        assert_eq!((facts.role_from, facts.client.port), (RoleFrom::ClientHello, 50000));
        let hello = facts.client_hello.as_ref().unwrap();
        assert_eq!(hello.server_name.as_deref(), Some("example.com"));
        assert!(hello.offer.ja4.as_ref().unwrap().starts_with("q13d0211an_"));
        assert_eq!(facts.offered_max(), Some(Version::Tls13));
        assert_eq!(facts.negotiated(), Some(Version::Tls13));
        let answer = facts.server_hello.as_ref().unwrap();
        assert_eq!((answer.cipher_suite, answer.group), (Some(0x1301), Some(29)));
        assert_eq!((facts.established, facts.resumed), (Some(true), Some(false)));
        assert_eq!((facts.coverage, facts.last.frame), (Coverage::COMPLETE, 4));
    }
}

#[test]
fn a_hello_is_put_together_from_packets_in_any_order() {
    let hello = client_hello();
    let mut talk = Talk::new();
    let scattered = [crypto(200, &hello[200..]), vec![1, 0], crypto(90, &hello[90..120])].concat();
    talk.send(Side::Client, &opening(&scattered));
    talk.send(Side::Client, &opening(&crypto(100, &hello[100..210])));
    let coalesced = [
        Seal { number: 2, ..Seal::CLIENT }.packet(&crypto(0, &hello[..50]), 0),
        Seal { number: 3, ..Seal::CLIENT }.packet(&crypto(40, &hello[40..90]), 1200),
    ];
    talk.send(Side::Client, &coalesced.concat());
    let facts = talk.finish_one();
    let hello = facts.client_hello.unwrap();
    assert_eq!(hello.server_name.as_deref(), Some("example.com"));
    assert_eq!((hello.offer.extent, hello.at.frame), (HelloExtent::Whole, 3));
    assert_eq!(facts.coverage, Coverage::SERVER_SIDE_MISSING);
    assert_eq!(facts.established, None);
}

#[test]
fn a_lost_piece_of_a_hello_shows_as_a_gap() {
    let hello = client_hello();
    let mut talk = Talk::new();
    talk.send(Side::Client, &opening(&crypto(0, &hello[..100])));
    let facts = talk.finish_one();
    assert_eq!(facts.client_hello.unwrap().server_name.as_deref(), Some("example.com"));
    assert!(facts.coverage.contains(Coverage::GAP));

    let mut talk = Talk::new();
    talk.send(Side::Client, &opening(&crypto(100, &hello[100..])));
    let facts = talk.finish_one();
    assert_eq!((facts.client_hello, facts.role_from), (None, RoleFrom::ClientHello));
    assert!(facts.coverage.contains(Coverage::GAP));
}

#[test]
fn what_the_snap_length_left_of_a_hello_is_read() {
    let mut talk = Talk::new();
    talk.send_cut(Side::Client, &opening(&crypto(0, &client_hello())), 128);
    let facts = talk.finish_one();
    let hello = facts.client_hello.unwrap();
    assert_eq!(hello.server_name.as_deref(), Some("example.com"));
    assert_eq!(hello.offer.extent, HelloExtent::Extensions);
    assert!(facts.coverage.contains(Coverage::TRUNCATED));
}

#[test]
fn the_server_may_be_captured_first() {
    let mut talk = Talk::new();
    let first = [Seal::SERVER.packet(&crypto(0, &server_hello()), 1172), handshake()].concat();
    talk.send(Side::Server, &first).send(Side::Server, &ONE_RTT);
    talk.send(Side::Client, &hex(vectors::CLIENT_V1)).send(Side::Client, &ONE_RTT);
    let facts = talk.finish_one();
    assert_eq!(facts.server_hello.as_ref().unwrap().at.frame, 1);
    assert_eq!((facts.established, facts.coverage), (Some(true), Coverage::COMPLETE));
}

#[test]
fn the_servers_side_alone_makes_a_row_without_hellos() {
    let mut talk = Talk::new();
    talk.send(Side::Server, &Seal::SERVER.packet(&crypto(0, &server_hello()), 1200));
    let facts = talk.finish_one();
    assert_eq!((facts.client.port, facts.role_from), (50000, RoleFrom::Ports));
    assert_eq!((facts.offered_max(), facts.negotiated()), (None, None));
    assert!(facts.coverage.contains(Coverage::CLIENT_SIDE_MISSING));
}

#[test]
fn a_retry_brings_other_keys() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &hex(vectors::CLIENT_V1)).send(Side::Server, &hex(vectors::RETRY_V1));
    let again = Seal { opener: &OTHER, destination: &OTHER, token: b"token", ..Seal::CLIENT };
    talk.send(Side::Client, &again.packet(&crypto(0, &client_hello()), 1200));
    let answer = Seal { opener: &OTHER, ..Seal::SERVER };
    talk.send(Side::Server, &answer.packet(&crypto(0, &server_hello()), 0));
    let facts = talk.finish_one();
    assert_eq!(facts.client_hello.unwrap().at.frame, 1);
    assert!(facts.server_hello.is_some());
    assert_eq!(facts.coverage, Coverage::COMPLETE);
}

#[test]
fn the_server_may_go_on_in_another_version() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &hex(vectors::CLIENT_V1)).send(Side::Server, &hex(vectors::SERVER_V2));
    assert!(talk.finish_one().server_hello.is_some());
}

#[test]
fn version_negotiation_does_not_end_the_connection() {
    let mut talk = Talk::new();
    let draft = Seal { version: 0xff00_001d, ..Seal::CLIENT };
    talk.send(Side::Client, &draft.packet(&crypto(0, &client_hello()), 1200));
    talk.send(Side::Server, &[&[0xf0, 0, 0, 0, 0, 0, 8][..], &OPENER, &[0, 0, 0, 1]].concat());
    let mut hello = client_hello();
    hello[10] ^= 1;
    let second = Seal { opener: &OTHER, destination: &OTHER, ..Seal::CLIENT };
    talk.send(Side::Client, &second.packet(&crypto(0, &hello), 1200));
    let answer = Seal { opener: &OTHER, ..Seal::SERVER };
    talk.send(Side::Server, &answer.packet(&crypto(0, &server_hello()), 0));
    let facts = talk.finish_one();
    assert_eq!(facts.client_hello.unwrap().at.frame, 1);
    assert!(facts.server_hello.is_some());
}

#[test]
fn another_hello_between_the_same_endpoints_is_another_connection() {
    let mut hello = client_hello();
    hello[10] ^= 1;
    let second = Seal { opener: &OTHER, destination: &OTHER, ..Seal::CLIENT };
    let second = second.packet(&crypto(0, &hello), 1200);
    for settled in [false, true] {
        let mut talk = Talk::new();
        talk.send(Side::Client, &hex(vectors::CLIENT_V1)).send(Side::Server, &answer());
        if settled {
            talk.send(Side::Client, &ONE_RTT);
        }
        talk.send(Side::Client, &second).send(Side::Client, &second);
        let flows = talk.finish();
        assert_eq!(flows.len(), 2);
        assert_eq!(flows[0].established, settled.then_some(true));
        assert_eq!(flows[1].first.frame, flows[0].last.frame + 1);
    }
}

#[test]
fn a_refusal_by_the_server_is_an_alert() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &hex(vectors::CLIENT_V1));
    // CONNECTION_CLOSE: CRYPTO_ERROR with no_application_protocol (120).
    talk.send(Side::Server, &Seal::SERVER.packet(&[0x1c, 0x41, 120, 6, 0], 0));
    let facts = talk.finish_one();
    assert_eq!((facts.alerts[0].level, facts.alerts[0].description), (2, 120));
    assert!(facts.refusal.is_some());
    assert_eq!((facts.established, facts.coverage), (Some(false), Coverage::COMPLETE));
}

#[test]
fn a_server_may_drop_the_fixed_bit() {
    let greased = Seal { is_greased: true, ..Seal::SERVER };
    let mut talk = Talk::new();
    talk.send(Side::Client, &hex(vectors::CLIENT_V1));
    talk.send(Side::Server, &greased.packet(&crypto(0, &server_hello()), 0));
    talk.send(Side::Server, &[0x2a; 40]).send(Side::Client, &ONE_RTT);
    let facts = talk.finish_one();
    assert_eq!((facts.established, facts.coverage), (Some(true), Coverage::COMPLETE));

    let greased = Seal { is_greased: true, ..Seal::CLIENT };
    let mut talk = Talk::new();
    talk.send(Side::Client, &greased.packet(&crypto(0, &client_hello()), 1200));
    assert_eq!(talk.finish(), []);
}

#[test]
fn a_hello_retry_request_is_no_answer() {
    let retry = {
        let mut hello = server_hello();
        hello[6..38].copy_from_slice(&hex(
            "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c",
        ));
        hello
    };
    let mut talk = Talk::new();
    talk.send(Side::Client, &hex(vectors::CLIENT_V1));
    talk.send(Side::Server, &Seal::SERVER.packet(&crypto(0, &retry), 0));
    let second = Seal { destination: &OTHER, number: 1, ..Seal::CLIENT };
    talk.send(Side::Client, &second.packet(&crypto(241, &client_hello()), 1200));
    let both = [retry, server_hello()].concat();
    talk.send(Side::Server, &Seal::SERVER.packet(&crypto(90, &both[90..]), 0));
    let facts = talk.finish_one();
    assert!(facts.hello_retried);
    assert_eq!(facts.client_hello.unwrap().at.frame, 1);
    assert!(facts.server_hello.is_some_and(|hello| hello.at.frame >= 4));
}

#[test]
fn random_datagrams_make_no_connection() {
    let mut talk = Talk::new();
    let mut forged = hex(vectors::CLIENT_V1);
    forged[700] ^= 1;
    talk.send(Side::Client, &forged);
    talk.send(Side::Client, &ONE_RTT).send(Side::Client, &hex(vectors::CLIENT_V1)[..1199]);
    assert_eq!(talk.counters.quic_unopened, 1);
    assert_eq!(talk.finish(), []);
}

#[test]
fn trials_are_bounded() {
    let mut talk = Talk::new();
    let mut forged = hex(vectors::CLIENT_V1);
    forged[700] ^= 1;
    for _ in 0..100 {
        talk.send(Side::Client, &forged);
    }
    talk.send(Side::Client, &hex(vectors::CLIENT_V1));
    assert_eq!(talk.finish(), []);
}

#[test]
fn a_flood_of_forged_packets_stays_within_the_bound() {
    const BOUND: usize = 8;
    let limits = Limits { udp_candidates_max: BOUND, ..Limits::default() };
    let mut talk = Talk::with_limits(limits);
    talk.send(Side::Client, &hex(vectors::CLIENT_V1));
    let mut forged = hex(vectors::CLIENT_V1);
    forged[700] ^= 1;
    for port in 1000..1100 {
        talk.client.port = port;
        talk.send(Side::Client, &forged);
    }
    assert_eq!(talk.flow_count(), 1 + BOUND);
    assert_eq!(talk.counters.evicted_candidates, 100 - BOUND as u64);
    assert!(talk.finish_one().client_hello.is_some());
}

#[test]
fn memory_stays_within_the_bound() {
    let mut talk = Talk::new();
    talk.send(Side::Client, &hex(vectors::CLIENT_V1));
    let one = talk.used_bytes();
    let limits = Limits { udp_memory_max: 4 * one, ..Limits::default() };
    let mut talk = Talk::with_limits(limits);
    for port in 1000..1100 {
        talk.client.port = port;
        talk.send(Side::Client, &hex(vectors::CLIENT_V1));
        assert!(talk.used_bytes() <= 5 * one);
    }
    assert!(talk.counters.evicted_flows >= 90);
    let flows = talk.finish();
    assert_eq!(flows.len(), 100);
    assert!(flows[0].coverage.contains(Coverage::EVICTED));
}

proptest! {
    #[test]
    fn any_order_of_pieces_gives_the_hello(
        cuts: Vec<prop::sample::Index>,
        order: prop::sample::Index,
    ) {
        let hello = client_hello();
        let mut cuts: Vec<_> = cuts.iter().take(9).map(|cut| cut.index(hello.len())).collect();
        cuts.extend([0, hello.len()]);
        cuts.sort_unstable();
        let mut datagrams: Vec<_> = cuts
            .windows(2)
            .map(|pair| opening(&crypto(pair[0], &hello[pair[0]..pair[1]])))
            .collect();
        let middle = order.index(datagrams.len());
        datagrams.rotate_left(middle);
        let mut talk = Talk::new();
        for datagram in &datagrams {
            talk.send(Side::Client, datagram);
        }
        let facts = talk.finish_one();
        prop_assert_eq!(facts.client_hello.unwrap().offer.extent, HelloExtent::Whole);
    }

    #[test]
    fn any_datagrams_are_survived(
        datagrams: Vec<(bool, Vec<u8>, prop::sample::Index, u8)>,
        frames: Vec<u8>,
    ) {
        let packets = [hex(vectors::CLIENT_V1), answer(), opening(&frames)];
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
            talk.send(side, &[&[0xc0, 0, 0, 0, 1][..], bytes].concat());
        }
        talk.finish();
    }
}

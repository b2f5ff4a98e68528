//! Streams of one direction.

use super::*;
use crate::tcp::Place;
use crate::tls::Interner;
use crate::{Limits, Mark, Transport};
use proptest::prelude::*;

fn read(parts: &[&[u8]], midstream: bool) -> Reader {
    let (limits, mut interner) = (Limits::default(), Interner::new(0));
    let mut context = Context {
        at: Mark::default(),
        place: Place::default(),
        frame_len: 0,
        transport: Transport::Tcp,
        limits: &limits,
        interner: &mut interner,
    };
    let mut reader = Reader::default();
    reader.facts.is_midstream = midstream;
    for part in parts {
        reader.data(part, &mut context);
    }
    reader.finish(&mut context);
    reader
}

const ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";

#[test]
fn a_lone_alert_is_read() {
    let behind_empty = [b"\x16\x03\x01\x00\x00", ALERT].concat();
    for parts in [vec![ALERT], ALERT.chunks(1).collect(), vec![&behind_empty]] {
        let reader = read(&parts, false);
        assert_eq!(reader.facts.alerts[0].description, 70);
    }
}

/// A client's first record: suite, no extensions, and the version of the record.
fn hello(minor: u8) -> Vec<u8> {
    let body = [&b"\x03\x01"[..], &[7; 32], b"\x00\x00\x02\xc0\x14\x01\x00"].concat();
    let len = u8::try_from(body.len()).unwrap();
    [&[22, 3, minor, 0, len + 4, 1, 0, 0, len], &body[..]].concat()
}

/// That the hello is read, whole and without loss, however the stream is cut into segments, behind
/// SMTP's answer to STARTTLS as well as at the beginning.
fn check_hello_is_read(stream: &[u8]) {
    for size in [1, 2, 5, 7, 100, 4096] {
        for (before, midstream) in [(&b""[..], false), (b"", true), (b"STARTTLS\r\n", false)] {
            let mut parts: Vec<&[u8]> = stream.chunks(size).collect();
            if midstream && size < stream.len() {
                continue;
            }
            if !before.is_empty() {
                parts.insert(0, before);
            }
            let facts = read(&parts, midstream).facts;
            let offer = facts.client_hello.map(|hello| hello.offer);
            let offer = offer.unwrap_or_else(|| panic!("{stream:02x?} by {size} after {before:?}"));
            assert_eq!(offer.cipher_suites, [0xc014]);
            let is_clean = !facts.changed_cipher && !facts.saw_sealed_handshake && !facts.has_holes;
            assert!(is_clean, "{stream:02x?} by {size} after {before:?}");
        }
    }
}

#[test]
fn empty_records_before_a_hello_and_in_it_say_nothing() {
    let hello = hello(1);
    for idle in [
        &b"\x16\x03\x01\x00\x00"[..],
        b"\x14\x03\x01\x00\x00",
        b"\x15\x03\x01\x00\x00",
        b"\x17\x03\x03\x00\x00",
        b"\x14\x03\x03\x00\x01\x01",
        b"\x16\x03\x01\x00\x00\x14\x03\x03\x00\x01\x01\x16\x03\x01\x00\x00",
    ] {
        check_hello_is_read(&[idle, &hello].concat());
        check_hello_is_read(&[idle.repeat(40), hello.clone()].concat());
    }
    let (head, rest) = hello[5..].split_at(20);
    for idle in [&b"\x16\x03\x01\x00\x00"[..], b"\x14\x03\x01\x00\x00"] {
        let records = [b"\x16\x03\x01\x00\x14", head, idle, b"\x16\x03\x01\x00\x19", rest];
        check_hello_is_read(&records.concat());
    }
}

#[test]
fn a_hello_counts_under_any_record_version_of_3() {
    for minor in [0, 3, 4, 5, 9, 255] {
        check_hello_is_read(&hello(minor));
    }
}

#[test]
fn a_change_of_ciphers_without_a_hello_is_no_tls() {
    for stream in [&b"\x14\x03\x03\x00\x01\x01"[..], &b"\x16\x03\x01\x00\x00".repeat(9)] {
        let more = b"and something else".repeat(9);
        let reader = read(&[stream, &more, &more, &more], false);
        assert!(reader.is_plain() && !reader.facts.has_hello());
    }
}

#[test]
fn plain_protocols_are_given_up_at_once() {
    let check = |bytes: &[u8]| assert!(read(&[bytes], false).is_plain(), "{bytes:?}");
    check(b"GET / HTTP/1.1\r\n\r\n");
    check(b"SSH-2.0-OpenSSH_9.2\r\n");
}

#[test]
fn unknown_protocols_are_given_up_soon() {
    let check = |bytes: &[u8]| assert!(read(&[bytes; 3], false).is_plain(), "{bytes:?}");
    check(b"\x16\x03\x01\x00\x10\x07abcdefghijklmnop");
    check(b"\x80\x2e\x01\x03\x01 random bytes that are no hello");
}

#[test]
fn application_data_alone_is_records_in_a_capture_that_begins_late() {
    let data = [b"\x17\x03\x03\x00\x20", &[7; 32][..], b"\x17\x03\x03\x00\x10", &[8; 16]].concat();
    let reader = read(&[&data], true);
    assert!(reader.facts.saw_records);
    assert_eq!(reader.facts.application_records, 2);
    let reader = read(&[&data, &data, &data], false);
    assert!(reader.is_plain());
}

#[test]
fn one_header_alone_is_no_proof() {
    let reader = read(&[b"\x17\x03\x03\x00\x20abc", &[1; 100]], true);
    assert!(!reader.facts.saw_records);
}

#[test]
fn a_record_over_two_segments_is_proof_with_the_next_header() {
    let first = [b"\x17\x03\x03\x00\x20", &[7; 20][..]].concat();
    let second = [&[7; 12][..], b"\x17\x03\x03\x00\x30"].concat();
    let reader = read(&[b"middle of a record", &first, &second], true);
    assert!(reader.facts.saw_records);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(parts: Vec<Vec<u8>>, midstream: bool, head in 0usize..4) {
        let heads: [&[u8]; 4] = [b"", b"\x16\x03\x01\x00\xc0\x01\x00\x00\xbc\x03\x03",
            b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", b"\x16\x03\x03\x00\x51\x02\x00\x00"];
        let mut all = vec![heads[head]];
        all.extend(parts.iter().map(Vec::as_slice));
        let _ = read(&all, midstream);
    }
}

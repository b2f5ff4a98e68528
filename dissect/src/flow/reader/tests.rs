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
    for parts in [vec![ALERT], ALERT.chunks(1).collect()] {
        let reader = read(&parts, false);
        assert_eq!(reader.facts.alerts[0].description, 70);
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

//! Packets made by hand, and what becomes of them.

mod encapsulations;
mod fragments;
mod headers;
mod properties;
mod steering;

use super::*;

/// The payload of every well-formed packet here.
const HELLO: &[u8] = b"\x16\x03\x01\x00\x05hello";

/// Bytes one after the other.
macro_rules! cat {
    ($($part:expr),* $(,)?) => {{
        let mut all: Vec<u8> = Vec::new();
        $(all.extend_from_slice(AsRef::<[u8]>::as_ref(&$part));)*
        all
    }};
}
use cat;

/// The packet that a dissector finds in what it is handed.
fn part_of<'a>(frame: &Frame<'a>) -> Option<Packet<'a>> {
    match decode_part(frame, &mut Defragmenter::new(0), &mut Counters::default()) {
        Some(Decoded::Packet(packet)) => Some(packet),
        _ => None,
    }
}

fn tcp(payload: &[u8]) -> Vec<u8> {
    cat!(
        [0xc0, 0x01, 0x01, 0xbb, 1, 2, 3, 4, 5, 6, 7, 8],
        [0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0],
        payload
    )
}

fn udp(src: u16, dst: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    cat!(src.to_be_bytes(), dst.to_be_bytes(), len.to_be_bytes(), [0, 0], payload)
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    cat!(
        [0x45, 0, len[0], len[1], 0, 7, 0x40, 0, 64, protocol, 0xba, 0xad],
        [10, 0, 0, 1, 10, 0, 0, 2],
        payload
    )
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len()).unwrap().to_be_bytes();
    cat!([0x60, 0, 0, 0, len[0], len[1], next, 63], ip6(1), ip6(2), payload)
}

fn ip6(last: u8) -> [u8; 16] {
    [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]
}

fn eth(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    cat!([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1], ether_type.to_be_bytes(), payload)
}

/// IPv4 with TCP and [`HELLO`].
fn ip_hello() -> Vec<u8> {
    ipv4(6, &tcp(HELLO))
}

fn len_of(len: usize) -> u32 {
    u32::try_from(len).unwrap()
}

fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
    let time = Timestamp::from_nanos(1_540_944_000_000_000_000);
    Frame { number: 1, time, link, wire_len: len_of(data.len()), data }
}

fn with_decoded<T>(frame: &Frame<'_>, look: impl FnOnce(Result<Packet<'_>, SkipReason>) -> T) -> T {
    let mut counters = Counters::default();
    match decode(frame, &mut Defragmenter::new(0), &mut counters) {
        Decoded::Packet(packet) => look(Ok(packet)),
        Decoded::Several(packets) => look(Ok(packets[0])),
        Decoded::Datagram(datagram) => look(Ok(datagram.packet())),
        Decoded::Skip(reason) => look(Err(reason)),
        Decoded::FragmentKept => panic!("a fragment was kept"),
    }
}

/// The frame leads to the segment of [`ip_hello`], whole.
#[track_caller]
fn check_hello(link: LinkType, bytes: &[u8]) {
    let frame = frame(link, bytes);
    with_decoded(&frame, |packet| {
        let packet = packet.unwrap_or_else(|reason| panic!("skipped: {}", reason.name()));
        assert_eq!(packet.payload, HELLO);
        assert_eq!(packet.payload_len as usize, HELLO.len());
        assert_eq!(packet.transport.ports(), (0xc001, 443));
    });
}

#[track_caller]
fn check_skip(link: LinkType, bytes: &[u8], expect: SkipReason) {
    with_decoded(&frame(link, bytes), |packet| assert_eq!(packet.unwrap_err(), expect));
}

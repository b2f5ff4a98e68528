//! Datagrams between two endpoints, and what is in tunnels.

use super::{Flows, dissect, steer, tight};
use crate::{Dissector, Frame, LinkType, Timestamp};

/// `(direction and port u8 | bytes cut off u8 | length u16 | payload)...`: media, QUIC, DTLS, DNS
/// and tunnels over UDP, by port or by content.
pub fn datagrams(bytes: &[u8]) {
    const PORTS: [u16; 16] = [
        443, 3478, 53, 2152, 3544, 4341, 4789, 4790, 5247, 6081, 6635, 8472, 37_008, 50_000, 5349,
        1,
    ];
    let mut packets = Vec::new();
    let mut rest = bytes;
    while let Some((&[way, cut, high, low], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (payload, tail) = tail.split_at(len);
        let port = PORTS.get(usize::from(way & 15)).copied().unwrap_or(443);
        packets.push(packet(17, way & 0x80 != 0, port, payload, usize::from(cut)));
        rest = tail;
    }
    check(&packets);
}

/// `(direction and kind u8 | bytes cut off u8 | length u16 | payload)...`: what IP may carry beside
/// TCP and UDP: GRE and ERSPAN, IP in IP, fragments and extension headers of IPv6.
pub fn tunnels(bytes: &[u8]) {
    const PROTOCOLS: [u8; 16] = [47, 4, 41, 0, 43, 44, 60, 51, 97, 115, 137, 47, 6, 50, 132, 94];
    let mut packets = Vec::new();
    let mut rest = bytes;
    while let Some((&[way, cut, high, low], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (payload, tail) = tail.split_at(len);
        let protocol = PROTOCOLS.get(usize::from(way & 15)).copied().unwrap_or(47);
        packets.push(match way & 0x40 {
            0 => ipv4(protocol, way & 0x80 != 0, payload, usize::from(cut)),
            _ => ipv6(protocol, way & 0x80 != 0, payload, usize::from(cut)),
        });
        rest = tail;
    }
    check(&packets);
}

/// Frames of IP packets and how many bytes were cut off each.
fn check(packets: &[(Vec<u8>, usize)]) {
    let frames: Vec<Frame<'_>> = (1..)
        .zip(packets)
        .map(|(number, (data, cut))| Frame {
            number,
            time: Timestamp::from_nanos(number.cast_signed() * 1_000_000),
            link: LinkType::RAW,
            wire_len: u32::try_from(data.len() + cut).unwrap_or(u32::MAX),
            data,
        })
        .collect();
    let (alone, counted) = dissect(&frames, 1);
    assert_eq!(alone, dissect(&frames, 2).0, "the seed of the hash tables shows nowhere");
    assert_eq!(steer(&frames), counted, "a frame counts the same whether it was steered or not");
    let (mut dissector, mut flows) = (Dissector::new(tight(), 0), Flows::default());
    for frame in frames.iter().chain(&frames) {
        dissector.push(frame, &mut flows);
    }
    dissector.finish(&mut flows);
    assert!(dissector.counters().balances(), "packets that come again are accounted for");
}

fn packet(protocol: u8, is_back: bool, port: u16, payload: &[u8], cut: usize) -> (Vec<u8>, usize) {
    const OTHER_PORT: u16 = 51_000;
    let ports = if is_back { [port, OTHER_PORT] } else { [OTHER_PORT, port] };
    let len = u16::try_from(8 + payload.len() + cut).unwrap_or(0);
    let mut datagram = Vec::with_capacity(8 + payload.len());
    for field in [ports[0], ports[1], len, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend(payload);
    ipv4(protocol, is_back, &datagram, cut)
}

fn ipv4(protocol: u8, is_back: bool, payload: &[u8], cut: usize) -> (Vec<u8>, usize) {
    let len = u16::try_from(20 + payload.len() + cut).unwrap_or(0).to_be_bytes();
    let mut bytes = vec![0x45, 0, len[0], len[1], 0, 0, 0x40, 0, 64, protocol, 0, 0];
    let ends = [[10, 0, 0, 7], [52, 96, 0, 1]];
    let [source, target] = if is_back { [ends[1], ends[0]] } else { ends };
    bytes.extend(source.iter().chain(&target).chain(payload));
    (bytes, cut)
}

fn ipv6(next: u8, is_back: bool, payload: &[u8], cut: usize) -> (Vec<u8>, usize) {
    let len = u16::try_from(payload.len() + cut).unwrap_or(0).to_be_bytes();
    let mut bytes = vec![0x60, 0, 0, 0, len[0], len[1], next, 64];
    let (here, there) = ([0xfd; 16], [0x26; 16]);
    let [source, target] = if is_back { [there, here] } else { [here, there] };
    bytes.extend(source.iter().chain(&target).chain(payload));
    (bytes, cut)
}

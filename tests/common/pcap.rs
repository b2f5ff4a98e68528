//! Capture files taken apart and put together again.

use std::path::Path;

use capture::{Input, Options, Source as _};

/// A captured frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub link: u16,
    /// Nanoseconds since 1970.
    pub time: i64,
    pub wire_len: u32,
    pub data: Vec<u8>,
}

/// All frames of a capture file.
pub fn read(path: &Path) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut timeline = capture::open(&[Input::parse(path)], &Options::default()).unwrap();
    while let Some(batch) = timeline.next_batch() {
        packets.extend(batch.unwrap().frames().map(|frame| Packet {
            link: frame.link.0,
            time: frame.time.as_nanos(),
            wire_len: frame.wire_len,
            data: frame.data.to_vec(),
        }));
    }
    packets
}

/// A pcap file with times in nanoseconds. All packets have the link type of the first.
pub fn write<'a>(packets: impl IntoIterator<Item = &'a Packet>) -> Vec<u8> {
    let mut packets = packets.into_iter().peekable();
    let link = packets.peek().map_or(1, |packet| packet.link);
    let mut file = header(link);
    for packet in packets {
        assert_eq!(packet.link, link, "a pcap file has one link type");
        let second = u32::try_from(packet.time / 1_000_000_000).unwrap();
        let nanosecond = u32::try_from(packet.time % 1_000_000_000).unwrap();
        let captured = u32::try_from(packet.data.len()).unwrap();
        for field in [second, nanosecond, captured, packet.wire_len] {
            file.extend(field.to_le_bytes());
        }
        file.extend(&packet.data);
    }
    file
}

/// The header of a pcap file with times in nanoseconds.
pub fn header(link: u16) -> Vec<u8> {
    let mut header = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    header.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    header.extend(262_144_u32.to_le_bytes());
    header.extend(u32::from(link).to_le_bytes());
    header
}

/// The length of a pcap file's header, and of a packet's.
pub const HEADER_LEN: usize = 24;
pub const PACKET_HEADER_LEN: usize = 16;

/// Where the packets of a pcap file in the order of this machine's samples begin.
pub fn offsets(file: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut at = HEADER_LEN;
    while let Some(len) = file.get(at + 8..at + 12) {
        offsets.push(at);
        let len = u32::from_le_bytes(len.try_into().unwrap());
        at += PACKET_HEADER_LEN + usize::try_from(len).unwrap();
    }
    offsets
}

/// Whether a packet goes to the larger of its two addresses: one of two directions.
pub fn goes_up(packet: &Packet) -> bool {
    let at = |index: usize| packet.data.get(index).copied().unwrap_or(0);
    let header = match packet.link {
        // Behind the Ethernet header and its VLAN tags.
        1 => (0..3)
            .map(|tags| 14 + 4 * tags)
            .find(|start| [[0x08, 0x00], [0x86, 0xdd]].contains(&[at(start - 2), at(start - 1)])),
        101 => Some(0),
        113 => Some(16),
        276 => Some(20),
        _ => None,
    };
    let Some(header) = header else { return false };
    let (source, len) = if at(header) >> 4 == 6 { (8, 16) } else { (12, 4) };
    let address = |start: usize| packet.data.get(start..start + len);
    address(header + source) < address(header + source + len)
}

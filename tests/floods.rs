//! Floods with little memory: what honest hosts are told stays the same.

mod common;

use std::ffi::OsStr;
use std::fs;

use common::pcap::{self, Packet};
use common::{Folder, analyze_to, sample};

/// Attackers' frames between two honest ones.
const FLOOD_FRAMES: u32 = 400;
/// The least that the program takes.
const MEMORY: &str = "16M";

/// A TCP segment in IPv4 in Ethernet, from an address that no sample has.
fn segment(number: u32, port: u16, seq: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut data = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    data.extend(u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
    data.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    data.extend((0xcb00_0000 | number & 0x00ff_ffff).to_be_bytes());
    data.extend([10, 0, 0, 1]);
    data.extend(port.to_be_bytes());
    data.extend(443_u16.to_be_bytes());
    data.extend(seq.to_be_bytes());
    data.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    data.extend(payload);
    data
}

/// A SYN from everywhere.
fn syn(number: u32) -> Vec<u8> {
    segment(number.wrapping_mul(2_654_435_761), 1_024, number, 0x02, &[])
}

/// One of some thousand connections that say nothing but bytes over each other behind a hole.
fn overlap(number: u32) -> Vec<u8> {
    let (connection, step) = (number % 5_000, number / 5_000);
    if step == 0 {
        return segment(connection, 2_000, 0, 0x02, &[]);
    }
    let filler = [u8::try_from(step % 251).unwrap(); 600];
    segment(connection, 2_000, 20 + step * 7 % 900, 0x10, &filler)
}

/// The honest frames, each followed by some of a flood's.
fn flooded(honest: &[Packet], flood: fn(u32) -> Vec<u8>) -> Vec<Packet> {
    let mut packets = Vec::new();
    for (step, packet) in (0..).zip(honest) {
        packets.push(packet.clone());
        packets.extend((step * FLOOD_FRAMES..(step + 1) * FLOOD_FRAMES).map(|number| {
            let data = flood(number);
            let wire_len = u32::try_from(data.len()).unwrap();
            Packet { link: packet.link, time: packet.time, wire_len, data }
        }));
    }
    packets
}

#[test]
fn floods_change_nothing_for_honest_hosts() {
    let honest = pcap::read(&sample("demo"));
    assert!(honest.len() > 100, "{}", honest.len());
    let folder = Folder::new("floods");
    let told = |name: &str, packets: &[Packet]| {
        let (input, out) = (folder.join(name).with_extension("pcap"), folder.join(name));
        fs::write(&input, pcap::write(packets)).unwrap();
        let arguments =
            [input.as_os_str(), "--threads".as_ref(), "1".as_ref(), "--memory".as_ref()];
        analyze_to(&out, arguments.into_iter().chain([OsStr::new(MEMORY)])).expect(0);
        let read = |file: &str| fs::read_to_string(out.join(file)).unwrap();
        (read("hosts.csv"), read("flows.csv"), read("summary.json"))
    };
    let (hosts, flows, _) = told("honest", &honest);
    assert!(hosts.contains(",breaks,") && hosts.contains(",passes,"));
    for (name, flood, counter) in [
        ("syns", syn as fn(u32) -> _, "evicted_attempts"),
        ("overlaps", overlap, "overlap_conflicts"),
    ] {
        let (flooded_hosts, flooded_flows, summary) = told(name, &flooded(&honest, flood));
        assert_eq!(hosts, flooded_hosts, "{name}");
        assert_eq!(flows, flooded_flows, "{name}");
        // The flood was more than there was room for, and the report says so.
        let value = summary.split(&format!("\"{counter}\":")).nth(1).unwrap_or_default();
        let digits: String = value.trim_start().chars().take_while(char::is_ascii_digit).collect();
        assert!(
            digits.parse::<u64>().is_ok_and(|count| count > 1_000),
            "{name}: {counter} {digits}"
        );
    }
}

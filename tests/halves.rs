//! A capture of each direction, merged, against one capture of both: the same rows, on every sample.

mod common;

use std::fs;
use std::path::Path;

use common::{Folder, Ran, Row, analyze_to, csv_file, pcap, sample, samples, tlsunset};
use pcap::Packet;
use report::state::State;

/// What two halves can't tell, and why.
const EXCEPTIONS: [(&str, &str); 0] = [];

/// Columns in which rows are the same.
const COLUMNS: [&str; 20] = [
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "transport",
    "protocol",
    "upgrade",
    "service",
    "direction",
    "offered_max",
    "negotiated",
    "cipher",
    "group",
    "resumed",
    "established",
    "alert",
    "coverage",
    "verdict",
    "cause",
    "reason",
];

fn state(folder: &Folder) -> State {
    State::read(&*fs::read(folder.join("state.tlsunset")).unwrap()).unwrap()
}

fn merge(runs: &[&Path], more: &[&str]) -> Folder {
    let out = Folder::new("halves");
    let mut command = tlsunset();
    command.arg("merge").args(runs).args(more).arg("--out").arg(out.path());
    Ran::from(command.output().unwrap()).expect(0);
    out
}

fn rows(folder: &Folder) -> Vec<Row> {
    let mut rows = csv_file(&folder.join("flows.csv"));
    rows.sort_by_key(|row| COLUMNS.map(|column| row[column].clone()));
    rows
}

/// Runs of each direction of some packets, which have one link type.
fn halves(packets: &[Packet]) -> [Folder; 2] {
    [true, false].map(|up| {
        let folder = Folder::new("halves");
        let half = packets.iter().filter(|packet| pcap::goes_up(packet) == up);
        let input = folder.write("input.pcap", pcap::write(half));
        let sensor = ["--sensor", if up { "up" } else { "down" }].map(std::ffi::OsStr::new);
        analyze_to(folder.path(), [input.as_os_str()].into_iter().chain(sensor)).expect(0);
        folder
    })
}

/// Where the rows of halves differ from those of the whole, a line each.
fn differences(name: &str, found: &[Row], expected: &[Row]) -> String {
    let mut differences = String::new();
    if found.len() != expected.len() {
        differences += &format!("{name}: {} for {}\n", found.len(), expected.len());
    }
    for (found, expected) in found.iter().zip(expected) {
        for column in COLUMNS {
            let (found, expected) = (&found[column], &expected[column]);
            if found != expected && !EXCEPTIONS.contains(&(name, column)) {
                differences += &format!("{name}: {column} {found} for {expected}\n");
            }
        }
    }
    differences
}

#[test]
fn halves_of_every_sample_give_the_rows_of_the_whole() {
    let mut all_differences = String::new();
    for sample in samples() {
        let packets: Vec<Packet> = sample.inputs.iter().flat_map(|it| pcap::read(it)).collect();
        if packets.iter().any(|packet| packet.link != packets[0].link) {
            eprintln!("{}: several link types can't be in a pcap file", sample.name);
            continue;
        }
        let runs = halves(&packets);
        let whole = Folder::new("halves");
        analyze_to(whole.path(), sample.arguments()).expect(0);
        let merged = merge(&[runs[0].path(), runs[1].path()], &[]);
        all_differences += &differences(&sample.name, &rows(&merged), &rows(&whole));
        // The laws hold for what is kept of halves.
        let [a, b] = [&runs[0], &runs[1]].map(state);
        let c = state(&whole);
        let two = |one: &State, other: &State| State::merge([one.clone(), other.clone()]);
        assert!(two(&a, &b) == two(&b, &a), "{}: commutative", sample.name);
        assert!(two(&two(&a, &b), &c) == two(&a, &two(&b, &c)), "{}: associative", sample.name);
        let all = two(&two(&a, &b), &c);
        assert!(two(&all, &all) == all && two(&all, &a) == all, "{}: idempotent", sample.name);
        let mut bytes = Vec::new();
        all.write(&mut bytes).unwrap();
        assert!(State::read(&*bytes).unwrap() == all, "{}: saved and read", sample.name);
    }
    assert!(all_differences.is_empty(), "{all_differences}");
}

/// The packet as one that holds no payload, with other flags. Its checksums are those of nothing,
/// as offloading leaves them.
fn bare(packet: &Packet, flags: u8) -> Packet {
    const ETHERNET: usize = 14;
    let mut data = packet.data.clone();
    let ip_len = usize::from(data[ETHERNET] & 0xf) * 4;
    let tcp_len = usize::from(data[ETHERNET + ip_len + 12] >> 4) * 4;
    data.truncate(ETHERNET + ip_len + tcp_len);
    data[ETHERNET + ip_len + 13] = flags;
    let total = u16::try_from(ip_len + tcp_len).unwrap();
    data[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&total.to_be_bytes());
    Packet { wire_len: u32::try_from(data.len()).unwrap(), data, ..packet.clone() }
}

/// Servers that agree to go over to TLS and break the connection off in place of a ServerHello.
#[test]
fn a_server_that_agrees_and_refuses_is_joined_with_the_hello() {
    const RST: u8 = 0x14;
    const FIN: u8 = 0x11;
    // The frame with the ServerHello, from 1.
    for (name, answer) in
        [("smtp-starttls-outbound", 12), ("xmpp-starttls", 11), ("http-connect", 9)]
    {
        let whole = pcap::read(&sample(name));
        for flags in [RST, FIN] {
            let mut packets = whole[..answer - 1].to_vec();
            packets.push(bare(&whole[answer - 1], flags));
            let runs = halves(&packets);
            let merged = merge(&[runs[0].path(), runs[1].path()], &[]);
            let folder = Folder::new("halves");
            let input = folder.write("input.pcap", pcap::write(&packets));
            analyze_to(folder.path(), [&input]).expect(0);
            let expected = rows(&folder);
            // Refused: nothing of the answer is missing, since there was none.
            let refused = ["established", "coverage"].map(|column| &*expected[0][column]);
            assert_eq!(refused, ["false", "complete"], "{name}");
            assert_eq!(differences(name, &rows(&merged), &expected), "");
            // What makes no connection by itself makes none.
            let counts = runs.each_ref().map(|run| rows(run).len());
            assert_eq!(counts.iter().sum::<usize>(), 1, "{name}: {counts:?}");
        }
    }
}

//! A capture of each direction, merged, against one capture of both: the same rows, on every sample.

mod common;

use std::fs;
use std::path::Path;

use common::{Folder, Ran, Row, analyze_to, csv_file, pcap, samples, tlsunset};
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

#[test]
fn halves_of_every_sample_give_the_rows_of_the_whole() {
    let mut differences = String::new();
    for sample in samples() {
        let packets: Vec<Packet> = sample.inputs.iter().flat_map(|it| pcap::read(it)).collect();
        if packets.iter().any(|packet| packet.link != packets[0].link) {
            eprintln!("{}: several link types can't be in a pcap file", sample.name);
            continue;
        }
        let runs = [true, false].map(|up| {
            let folder = Folder::new("halves");
            let half = packets.iter().filter(|packet| pcap::goes_up(packet) == up);
            let input = folder.write("input.pcap", pcap::write(half));
            let sensor = ["--sensor", if up { "up" } else { "down" }].map(std::ffi::OsStr::new);
            analyze_to(folder.path(), [input.as_os_str()].into_iter().chain(sensor)).expect(0);
            folder
        });
        let whole = Folder::new("halves");
        analyze_to(whole.path(), sample.arguments()).expect(0);
        let merged = merge(&[runs[0].path(), runs[1].path()], &[]);
        let (found, expected) = (rows(&merged), rows(&whole));
        if found.len() != expected.len() {
            differences += &format!("{}: {} for {}\n", sample.name, found.len(), expected.len());
        }
        for (found, expected) in found.iter().zip(&expected) {
            for column in COLUMNS {
                let (found, expected) = (&found[column], &expected[column]);
                let is_known = EXCEPTIONS.contains(&(&*sample.name, column));
                if found != expected && !is_known {
                    differences += &format!("{}: {column} {found} for {expected}\n", sample.name);
                }
            }
        }
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
    assert!(differences.is_empty(), "{differences}");
}

//! Every sample against what its two ends said of themselves.
//!
//! `truth.csv` comes from the programs that spoke, not from a look at the capture, so neither a
//! dissector's mistake nor an accepted expected file can hide behind it.

mod common;

use common::{Folder, Row, analyze_to, csv_file, samples};

/// What identifies a connection, and what the ends know of it.
const ENDS: [&str; 4] = ["client_ip", "client_port", "server_ip", "server_port"];
const FACTS: [&str; 8] = [
    "offered_max",
    "negotiated",
    "server_name",
    "upgrade",
    "direction",
    "established",
    "verdict",
    "cause",
];

fn known(row: &Row) -> Vec<String> {
    ENDS.iter().chain(&FACTS).map(|name| row[*name].clone()).collect()
}

#[test]
fn every_connection_is_as_its_ends_say() {
    let mut differences = String::new();
    for sample in samples() {
        let folder = Folder::new("truth");
        analyze_to(folder.path(), sample.arguments()).expect(0);
        let truth: Vec<_> = csv_file(&sample.folder.join("truth.csv")).iter().map(known).collect();
        let ours: Vec<_> = csv_file(&folder.join("flows.csv")).iter().map(known).collect();
        for (who, rows, others) in [("ends", &truth, &ours), ("tlsunset", &ours, &truth)] {
            for row in lacking(rows, others) {
                differences.push_str(&format!("{}: {who}: {}\n", sample.name, row.join(",")));
            }
        }
    }
    assert!(differences.is_empty(), "rows that only one side has:\n{differences}");
}

/// The rows of `these` that `those` lack; each of `those` stands for one.
fn lacking(these: &[Vec<String>], those: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut rest = those.to_vec();
    let is_lacking = |row: &&Vec<String>| match rest.iter().position(|other| other == *row) {
        Some(at) => {
            rest.remove(at);
            false
        }
        None => true,
    };
    these.iter().filter(is_lacking).cloned().collect()
}

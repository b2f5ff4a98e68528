//! `handshakes.csv` beside what Wireshark's own tshark says of the same frames.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use common::{Folder, Row, analyze, sample, samples, table};

/// The columns that Wireshark exports.
const COLUMNS: [&str; 7] = ["No.", "Time", "Source", "Destination", "Protocol", "Length", "Info"];

/// The packet list of a capture as tshark exports it, by frame; two passes, as the window has them.
fn packet_list(path: &Path) -> Option<BTreeMap<String, Row>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(path).args(["-2", "-T", "fields", "-E", "header=y"]);
    command.args(["-E", "separator=,", "-E", "quote=d"]);
    for column in COLUMNS {
        command.args(["-e", &format!("_ws.col.{column}")]);
    }
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout).replace("_ws.col.", "");
    // Text that is no TLS may hold quotes that are not doubled; such rows are nobody's here.
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let rows = reader.records().filter_map(Result::ok).map(|record| -> Row {
        COLUMNS.iter().zip(&record).map(|(name, value)| ((*name).into(), value.into())).collect()
    });
    Some(rows.map(|row| (row["No."].clone(), row)).collect())
}

/// The messages of an Info cell: those in the clear, without the name that newer versions add.
fn messages(info: &str) -> Vec<String> {
    const OTHERS: [&str; 5] = [
        "Change Cipher Spec",
        "Application Data",
        "Encrypted Handshake Message",
        "Encrypted Alert",
        "Ignored Unknown Record",
    ];
    let mut messages: Vec<String> = Vec::new();
    let mut is_open = false;
    for part in info.split(", ") {
        match messages.last_mut().filter(|_| is_open) {
            Some(last) => last.push_str(&format!(", {part}")),
            None => messages.push(part.to_owned()),
        }
        is_open = messages.last().is_some_and(|it| it.contains('(') && !it.contains(')'));
    }
    let plain = messages.into_iter().map(|it| it.split(" (SNI=").next().unwrap_or("").to_owned());
    plain.filter(|message| !OTHERS.contains(&message.as_str())).collect()
}

fn is_tls(row: &Row) -> bool {
    ["TLS", "SSL", "DTLS", "QUIC"].iter().any(|name| row["Protocol"].starts_with(name))
}

/// Whether one of the messages makes a row of `handshakes.csv`.
fn has_row(messages: &[String]) -> bool {
    let hellos = ["Client Hello", "Server Hello", "Hello Retry Request"];
    messages.iter().any(|it| hellos.contains(&it.as_str()) || it.starts_with("Alert (Level"))
}

#[test]
fn rows_and_frame_numbers_are_those_of_wireshark() {
    if Command::new("tshark").arg("--version").output().is_err() {
        return eprintln!(
            "SKIPPED rows_and_frame_numbers: there is no tshark (apt-get install tshark)"
        );
    }
    let mut compared = 0;
    let mut differences = String::new();
    for sample in samples() {
        for input in &sample.inputs {
            compared += compare(&sample.name, &[input], input, &mut differences);
        }
    }
    assert!(differences.is_empty(), "{differences}");
    assert!(compared > 150, "{compared} rows were compared");
}

/// Compares the rows of inputs with what Wireshark says of one capture, and says how many.
fn compare(name: &str, inputs: &[&Path], capture: &Path, differences: &mut String) -> usize {
    let theirs = packet_list(capture).expect("tshark reads every sample");
    let inputs = inputs.iter().map(|path| path.as_os_str());
    let ran = analyze(inputs.chain(["--handshakes".as_ref(), "-".as_ref()])).expect(0);
    assert!(ran.stdout.starts_with(&COLUMNS.join(",")), "the columns are Wireshark's");
    let ours: BTreeMap<String, Row> =
        table(&ran.stdout, b',').into_iter().map(|row| (row["No."].clone(), row)).collect();
    let mut compared = 0;
    for (number, row) in &ours {
        let Some(their) = theirs.get(number).filter(|row| is_tls(row)) else { continue };
        compared += 1;
        let same =
            ["Source", "Destination", "Protocol", "Length"].iter().all(|it| row[*it] == their[*it]);
        // Wireshark shows as many decimals as the file has.
        let is_in_time = their["Time"].starts_with(&row["Time"]);
        let (mine, their_info) = (messages(&row["Info"]), &their["Info"]);
        let says_the_same = match their_info.split_once("[Packet size limited") {
            Some((whole, _)) => messages(whole).starts_with(&mine),
            None => messages(their_info) == mine,
        };
        if !(same && is_in_time && says_the_same) {
            differences.push_str(&format!("{name}: ours {row:?}\n  Wireshark {their:?}\n"));
        }
    }
    for (number, their) in theirs.iter().filter(|(_, row)| is_tls(row)) {
        if has_row(&messages(&their["Info"])) && !ours.contains_key(number) {
            differences.push_str(&format!("{name}: only Wireshark has {their:?}\n"));
        }
    }
    compared
}

#[test]
fn several_files_are_numbered_as_if_they_were_merged() {
    let folder = Folder::new("wireshark");
    let inputs = ["tls12-ok", "demo", "tls10-client-outlook"].map(sample);
    let merged = folder.join("merged.pcap");
    let ran = Command::new("mergecap").arg("-w").arg(&merged).args(&inputs).output();
    if !ran.is_ok_and(|output| output.status.success()) {
        return eprintln!("SKIPPED several_files: there is no mergecap (apt-get install tshark)");
    }
    let paths = inputs.each_ref().map(|path| path.as_path());
    let mut differences = String::new();
    let compared = compare("merged", &paths, &merged, &mut differences);
    assert!(differences.is_empty(), "{differences}");
    assert!(compared > 30, "{compared} rows were compared");
}

//! Hellos of others, when they are at hand: `TLSUNSET_CORPUS` names a folder beside which a folder
//! `data` holds them. Without it these tests say that they were skipped.

mod common;

use std::path::PathBuf;

use common::pcap::{self, Packet};
use common::{Folder, Row, analyze_to, csv_file};
use serde_json::Value;

fn data(name: &str) -> Option<Value> {
    let corpus = std::env::var_os("TLSUNSET_CORPUS").map(PathBuf::from);
    let path = corpus.map(|folder| folder.join("../data").join(name));
    let Some(path) = path.filter(|path| path.exists()) else {
        eprintln!("SKIPPED: set TLSUNSET_CORPUS to a folder beside data/{name}");
        return None;
    };
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A capture of one connection from a host inside to a media relay: payloads by who sent them.
fn capture(payloads: &[(bool, Vec<u8>)]) -> Vec<u8> {
    let ends = [([10, 20, 1, 11], 50_000_u16), ([52, 112, 3, 3], 443)];
    let mut next = [1000_u32, 9000];
    let mut packets = Vec::new();
    let mut send = |from_client: bool, flags: u8, payload: &[u8]| {
        let (me, peer) = if from_client { (0, 1) } else { (1, 0) };
        let mut data = [0; 12].to_vec();
        data.extend([0x08, 0x00, 0x45, 0]);
        data.extend(u16::try_from(40 + payload.len()).unwrap().to_be_bytes());
        data.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        data.extend(ends[me].0);
        data.extend(ends[peer].0);
        data.extend(ends[me].1.to_be_bytes());
        data.extend(ends[peer].1.to_be_bytes());
        data.extend(next[me].to_be_bytes());
        data.extend(next[peer].to_be_bytes());
        data.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        data.extend(payload);
        next[me] += u32::try_from(payload.len()).unwrap() + u32::from(flags & 2 != 0);
        let time = 1_600_000_000_000_000_000 + packets.len() as i64 * 1_000_000;
        packets.push(Packet { link: 1, time, wire_len: u32::try_from(data.len()).unwrap(), data });
    };
    send(true, 0x02, &[]);
    send(false, 0x12, &[]);
    send(true, 0x10, &[]);
    for (from_client, payload) in payloads {
        send(*from_client, 0x18, payload);
    }
    pcap::write(&packets)
}

fn judged(payloads: &[(bool, Vec<u8>)]) -> Vec<Row> {
    let folder = Folder::new("reference");
    let input = folder.write("input.pcap", capture(payloads));
    analyze_to(&folder.join("out"), [&input]).expect(0);
    csv_file(&folder.join("out/flows.csv"))
}

#[test]
fn imitations_of_tls_are_unaffected_whichever_side_was_seen() {
    let Some(vectors) = data("pseudo_tls_vectors.json") else { return };
    let turn = &vectors["msoc"];
    let google = &vectors["google"];
    let frame = [2, 0, 0, 8, 0, 3, 0, 0, 0x72, 0xc6, 0x4b, 0xc6].to_vec();
    let pairs = [
        (&turn["client_hello"]["example_hex"], &turn["server_hello_plus_done"]["template_hex"]),
        (&google["client_hello"]["hex"], &google["server_hello"]["hex"]),
    ];
    for (client, server) in pairs {
        let (client, server) = (bytes(client), bytes(server));
        let mut other_random = client.clone();
        if client[0] == 0x16 {
            // Time and random are the client's own.
            other_random[11..43].fill(0x5a);
        }
        let both = |hello: &[u8]| {
            vec![(true, hello.to_vec()), (false, server.clone()), (true, frame.clone())]
        };
        let one_sided = vec![(true, client.clone()), (true, frame.clone())];
        for payloads in [both(&client), both(&other_random), one_sided] {
            let rows = judged(&payloads);
            assert_eq!(rows.len(), 1);
            let row = &rows[0];
            let found =
                ["protocol", "verdict", "offered_max", "negotiated"].map(|name| &*row[name]);
            assert_eq!(found, ["pseudo-tls", "unaffected", "", ""], "{row:?}");
        }
    }
}

//! The laws of merging, on saved runs of real packets however sensors share them.

mod common;

use std::fs;
use std::path::Path;

use common::{Folder, Ran, Row, analyze_to, csv_file, pcap, root, sample, tlsunset};
use pcap::Packet;
use report::state::State;

/// Numbers that look random and are the same in every run (xorshift64*, Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }
}

/// The outputs of a sensor that saw these packets.
fn saved<'a>(sensor: &str, packets: impl IntoIterator<Item = &'a Packet>) -> Folder {
    let folder = Folder::new("merge");
    let input = folder.write("input.pcap", pcap::write(packets));
    let sensor = ["--sensor", sensor].map(std::ffi::OsStr::new);
    analyze_to(folder.path(), [input.as_os_str()].into_iter().chain(sensor)).expect(0);
    folder
}

fn state(folder: &Folder) -> State {
    State::read(&*fs::read(folder.join("state.tlsunset")).unwrap()).unwrap()
}

fn bytes(state: &State) -> Vec<u8> {
    let mut bytes = Vec::new();
    state.write(&mut bytes).unwrap();
    bytes
}

fn merge(runs: &[&Path]) -> Folder {
    let out = Folder::new("merge");
    let mut command = tlsunset();
    command.arg("merge").args(runs).arg("--out").arg(out.path());
    Ran::from(command.output().unwrap()).expect(0);
    out
}

fn flows(folder: &Folder) -> Vec<Row> {
    csv_file(&folder.join("flows.csv"))
}

/// What a sample gives that one sensor saw whole.
fn expected(name: &str) -> Vec<Row> {
    csv_file(&root().join("samples").join(name).join("expected/flows.csv"))
}

const SAMPLES: [&str; 8] = [
    "demo",
    "tls13-hello-retry-request",
    "http-connect",
    "fallback-dance",
    "smtp-starttls-inbound",
    "middlebox-downgrade-aborted",
    "port-reuse",
    "ipv6",
];

#[test]
fn however_sensors_share_packets_merging_keeps_its_laws() {
    let mut numbers = Numbers(0x7151_7e57);
    for name in SAMPLES {
        let packets = pcap::read(&sample(name));
        // Each packet is seen by one sensor to three.
        let seen: Vec<u64> = packets.iter().map(|_| 1 + numbers.next() % 7).collect();
        let runs = [0, 1, 2].map(|sensor| {
            let kept = packets.iter().zip(&seen).filter(|(_, seen)| *seen >> sensor & 1 == 1);
            saved(["a", "b", "c"][sensor], kept.map(|(packet, _)| packet))
        });
        let [a, b, c] = [&runs[0], &runs[1], &runs[2]].map(state);
        let two = |one: &State, other: &State| State::merge([one.clone(), other.clone()]);
        let all = State::merge([a.clone(), b.clone(), c.clone()]);
        assert!(two(&a, &b) == two(&b, &a), "{name}: commutative");
        assert!(two(&two(&a, &b), &c) == all, "{name}: associative");
        assert!(two(&a, &two(&b, &c)) == all, "{name}: associative");
        assert!(two(&a, &a) == State::merge([a.clone()]), "{name}: idempotent");
        assert!(two(&all, &all) == all && two(&all, &b) == all, "{name}: idempotent");
        assert!(State::read(&*bytes(&all)).unwrap() == all, "{name}: saved and read");
        let frames: u64 = [&a, &b, &c].iter().map(|state| state.run.counters.frames).sum();
        assert_eq!(all.run.counters.frames, frames, "{name}");

        // What no sensor saw is not made up, and what one can tell is not lost.
        let merged = merge(&[runs[0].path(), runs[1].path(), runs[2].path()]);
        let whole = expected(name);
        let ends = |row: &Row| {
            ["client_ip", "client_port", "server_ip", "server_port"].map(|end| row[end].clone())
        };
        for row in flows(&merged) {
            // Where too little was seen to tell who the client is, the ends are turned.
            let [a, b, c, d] = ends(&row);
            let turned = [c.clone(), d.clone(), a.clone(), b.clone()];
            let ends_of = [[a, b, c, d], turned];
            let of_whole: Vec<&Row> =
                whole.iter().filter(|row| ends_of.contains(&ends(row))).collect();
            assert!(!of_whole.is_empty(), "{name}: {row:?}");
            if row["verdict"] == "passes" {
                let passes = of_whole.iter().any(|row| row["verdict"] == "passes");
                assert!(passes, "{name}: {row:?}");
            }
        }
    }
}

/// The packets as seen behind an address translation of the inside.
fn translated(packets: &[Packet]) -> Vec<Packet> {
    let mut packets = packets.to_vec();
    for packet in &mut packets {
        let from_inside = packet.data[26..28] == [10, 20];
        let (addr, port) = if from_inside { (26..30, 34) } else { (30..34, 36) };
        packet.data[addr].copy_from_slice(&[203, 0, 113, 5]);
        packet.data[port] ^= 0x40;
    }
    packets
}

/// The packets within a tunnel of IP in IP (RFC 2003).
fn tunnelled(packets: &[Packet]) -> Vec<Packet> {
    let wrap = |packet: &Packet| {
        let (ethernet, inner) = packet.data.split_at(14);
        let len = u16::try_from(20 + inner.len()).unwrap().to_be_bytes();
        let up = inner[12] == 10;
        let (from, to) = if up { (1, 2) } else { (2, 1) };
        let outer = [
            &[0x45, 0, len[0], len[1], 0, 0, 0, 0, 64, 4, 0, 0][..],
            &[192, 0, 2, from, 192, 0, 2, to],
        ]
        .concat();
        let data = [ethernet, &outer, inner].concat();
        Packet { wire_len: u32::try_from(data.len()).unwrap(), data, ..packet.clone() }
    };
    packets.iter().map(wrap).collect()
}

/// Merged rows are those of one sensor that saw everything, whatever the addresses in between.
#[track_caller]
fn check_once(name: &str, runs: &[&Folder]) {
    let paths: Vec<&Path> = runs.iter().map(|run| run.path()).collect();
    let (found, whole) = (flows(&merge(&paths)), expected(name));
    assert_eq!(found.len(), whole.len(), "{name}");
    for (found, whole) in found.iter().zip(&whole) {
        for column in ["client_ip", "client_port", "offered_max", "negotiated", "verdict", "cause"]
        {
            assert_eq!(found[column], whole[column], "{name} {column}");
        }
    }
}

const ONE_CLIENT: [&str; 4] =
    ["tls10-client-outlook", "tls12-ok", "tls13-ok", "tls13-hello-retry-request"];

#[test]
fn before_and_behind_address_translation_a_connection_counts_once() {
    for name in ONE_CLIENT {
        let packets = pcap::read(&sample(name));
        let (lan, edge) = (saved("lan", &packets), saved("edge", &translated(&packets)));
        check_once(name, &[&lan, &edge]);
        check_once(name, &[&edge, &lan]);
    }
}

#[test]
fn halves_from_both_sides_of_address_translation_are_one_connection() {
    for name in ONE_CLIENT {
        let packets = pcap::read(&sample(name));
        // Before it all the client says and the hello of the server, behind it the server alone:
        // the random of the ServerHello is what they have in common.
        let lan = saved("lan", &packets);
        let outside = translated(&packets);
        let down = outside.iter().filter(|packet| packet.data[30..34] == [203, 0, 113, 5]);
        let edge = saved("edge", down);
        check_once(name, &[&edge, &lan]);
    }
}

#[test]
fn within_a_tunnel_and_without_a_connection_counts_once() {
    for name in ONE_CLIENT {
        let packets = pcap::read(&sample(name));
        let (plain, tunnel) = (saved("plain", &packets), saved("tunnel", &tunnelled(&packets)));
        check_once(name, &[&plain, &tunnel]);
        let half = |up: bool| packets.iter().filter(move |packet| (packet.data[26] == 10) == up);
        let up = saved("up", half(true));
        let down: Vec<Packet> = half(false).cloned().collect();
        let down = saved("down", &tunnelled(&down));
        check_once(name, &[&up, &down]);
    }
}

#[test]
fn a_run_that_was_judged_twice_counts_once() {
    let demo = sample("demo");
    let judged = |policy: &str| {
        let folder = Folder::new("merge");
        let policy = ["--policy", policy].map(std::ffi::OsStr::new);
        analyze_to(folder.path(), [demo.as_os_str()].into_iter().chain(policy)).expect(0);
        folder
    };
    let (one, other) = (judged("office365-tls12"), judged("tls13-only"));
    let merged = merge(&[one.path(), other.path()]);
    let frames = |folder: &Folder| {
        let summary = fs::read_to_string(folder.join("summary.json")).unwrap();
        let line = summary.lines().find(|line| line.contains("\"frames_read\"")).unwrap();
        line.trim().to_owned()
    };
    assert_eq!(frames(&merged), frames(&one));
    assert_eq!(flows(&merged).len(), 2 * flows(&one).len());
    let mut policies: Vec<String> =
        flows(&merged).into_iter().map(|mut row| row.remove("policy").unwrap()).collect();
    policies.sort();
    policies.dedup();
    assert_eq!(policies, ["office365-tls12", "tls13-only"]);
    let again = merge(&[merged.path(), one.path()]);
    assert!(state(&again) == state(&merged));
}

#[test]
fn an_inventory_joins_as_it_does_in_an_analysis() {
    let folder = Folder::new("merge");
    let rows =
        "Host,IP,Product,Version\nKIOSK-77,10.77.1.2,Windows XP,5.1\nPC-7,10.20.1.11,Lync 2010,4\n";
    let inventory = folder.write("inventory.csv", rows);
    let demo = sample("demo");
    let options = ["--inventory".as_ref(), inventory.as_os_str()];
    let whole = Folder::new("merge");
    analyze_to(whole.path(), [demo.as_os_str()].into_iter().chain(options)).expect(0);
    let plain = Folder::new("merge");
    analyze_to(plain.path(), [demo.as_os_str()]).expect(0);
    let merged = |run: &Folder, options: &[&std::ffi::OsStr]| {
        let mut command = tlsunset();
        command.arg("merge").arg(run.path()).args(options).args(["--hosts", "-"]);
        Ran::from(command.output().unwrap())
    };
    let hosts = |folder: &Folder| fs::read_to_string(folder.join("hosts.csv")).unwrap();
    assert_ne!(hosts(&whole), hosts(&plain));
    assert_eq!(merged(&plain, &options).expect(0).stdout, hosts(&whole));
    // The inventory is no part of what is saved.
    assert_eq!(merged(&whole, &[]).expect(0).stdout, hosts(&plain));
    let missing = folder.join("none.csv");
    let ran = merged(&plain, &["--inventory".as_ref(), missing.as_os_str()]);
    ran.expect(2).says(&["--inventory", "none.csv"]);
}

#[test]
fn files_that_are_no_sound_runs_are_told_by_name() {
    let folder = Folder::new("merge");
    let run = saved("a", &pcap::read(&sample("tls12-ok")));
    let good = fs::read(run.join("state.tlsunset")).unwrap();
    let check = |content: &[u8], parts: &[&str]| {
        let file = folder.write("other.tlsunset", content);
        let mut command = tlsunset();
        command.arg("merge").arg(run.path()).arg(&file).args(["--hosts", "-"]);
        let ran = Ran::from(command.output().unwrap()).expect(2);
        assert_eq!(ran.stdout, "");
        ran.says(&["other.tlsunset"]).says(parts);
    };
    check(b"", &["not a state file"]);
    check(b"tlsunset state 1\n", &["has version 1", "run the analysis again"]);
    check(b"tlsunset state 99\n", &["has version 99", "the program that wrote it"]);
    check(&good[..good.len() - 1], &["cut short"]);
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    check(&damaged, &["damaged at byte 17", "checksum"]);
    check(&[&good[..], b"more"].concat(), &["bytes follow the end"]);
    // A frame that claims four gigabytes.
    check(&[&good[..17], &[0xff; 8]].concat(), &["a frame's length is impossible"]);
}

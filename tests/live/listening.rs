//! What is seen on interfaces is what is seen in files.

use std::fs;

use crate::common::{Folder, analyze_to, sample, samples};
use crate::kit::*;

/// Samples that a cable can't carry as they were captured: cut frames are put on it whole.
const CUT: [&str; 1] = ["snap-length"];

#[test]
fn replayed_samples_get_the_verdicts_of_files() {
    let Some(net) = Net::new("replayed_samples", &["tcpreplay"]) else { return };
    let mut replayed = 0;
    for sample in samples() {
        let [input] = &*sample.inputs else { continue };
        let is_ethernet = fs::read(input).unwrap().get(20) == Some(&1);
        if !is_ethernet || CUT.contains(&sample.name.as_str()) {
            continue;
        }
        let (offline, online) = (Folder::new("offline"), Folder::new("online"));
        analyze_to(offline.path(), [input]).expect(0);
        let out = online.path().to_str().unwrap().to_owned();
        let listener = net.listen(&["-i", "v1", "--out", &out]);
        net.replay(input);
        let (stdout, said) = listener.ends("INT", Some(0));
        let other = |line: &&str| !line.contains(" breaks (") && !line.contains("runs as root");
        let said: Vec<&str> = said.lines().filter(other).collect();
        assert_eq!((stdout.as_str(), &*said), ("", &["tlsunset: listening on v1"][..]));
        for table in ["flows.csv", "hosts.csv"] {
            let (offline, online) = [&offline, &online].map(|it| timeless(it.path(), table)).into();
            assert_eq!(online, offline, "{} {table}", sample.name);
        }
        let frames = number(offline.path(), &["frames_read"]);
        assert_eq!(number(online.path(), &["frames_read"]), frames, "{}", sample.name);
        assert_eq!(number(online.path(), &["capture", "received"]), frames);
        assert_eq!(number(online.path(), &["capture", "kernel_drops"]), 0);
        replayed += 1;
    }
    assert!(replayed >= 40, "{replayed}");
}

#[test]
fn one_worker_and_many_see_the_same() {
    let Some(net) = Net::new("one_worker_and_many", &["tcpreplay"]) else { return };
    let offline = Folder::new("offline");
    analyze_to(offline.path(), [sample("demo")]).expect(0);
    for threads in ["1", "4"] {
        let online = Folder::new("online");
        let out = online.path().to_str().unwrap();
        let listener = net.listen(&["-i", "v1", "--out", out, "--threads", threads]);
        net.replay(&sample("demo"));
        listener.ends("TERM", Some(0));
        assert_eq!(timeless(online.path(), "flows.csv"), timeless(offline.path(), "flows.csv"));
    }
}

#[test]
fn two_ports_with_a_direction_each_are_one_link() {
    let Some(net) = Net::new("two_ports", &["tcpreplay", "tcpdump"]) else { return };
    net.cable("w0", "w1");
    let (parts, offline, online) =
        (Folder::new("parts"), Folder::new("offline"), Folder::new("online"));
    let input = sample("tls10-client-outlook");
    analyze_to(offline.path(), [&input]).expect(0);
    let to_server = part(&input, "src net 10.0.0.0/8", &parts, "up.pcap");
    let to_client = part(&input, "not src net 10.0.0.0/8", &parts, "down.pcap");
    let out = online.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "-i", "w1", "--out", out]);
    listener.waits_for("listening on w1");
    net.replay(&to_server);
    net.replay_on("w0", &to_client, "--topspeed");
    listener.ends("INT", Some(0));
    let columns = ["client_ip", "server_ip", "negotiated", "offered_max", "verdict", "cause"];
    let verdicts = |folder: &Folder| {
        let rows = timeless(folder.path(), "flows.csv").into_iter();
        rows.map(|row| columns.map(|column| row[column].clone())).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&online), verdicts(&offline));
    for port in ["v1", "w1"] {
        assert!(number(online.path(), &["capture", "interfaces", port, "received"]) > 0);
    }
}

#[test]
fn without_a_folder_the_answer_comes_at_the_end() {
    let Some(net) = Net::new("without_a_folder", &["tcpreplay"]) else { return };
    let listener = net.listen(&["-i", "v1"]);
    net.replay(&sample("tls10-client-outlook"));
    let (stdout, _) = listener.ends("INT", Some(0));
    assert!(stdout.starts_with("1 of 1 host breaks on the day"), "{stdout}");
    let listener = net.listen(&["-i", "v1", "--check", "--hosts", "-"]);
    net.replay(&sample("tls10-client-outlook"));
    let (stdout, _) = listener.ends("INT", Some(1));
    assert!(stdout.starts_with("sensor,host_ip,"), "{stdout}");
}

#[test]
fn the_kernel_filters() {
    let Some(net) = Net::new("the_kernel_filters", &["tcpreplay"]) else { return };
    let out = Folder::new("filtered");
    let path = out.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--filter", "udp port 9", "--out", path]);
    net.replay(&sample("demo"));
    listener.ends("INT", Some(0));
    assert_eq!(number(out.path(), &["frames_read"]), 0);
}

#[test]
fn interfaces_are_listed() {
    let Some(net) = Net::new("interfaces_are_listed", &[]) else { return };
    let listed = net.live(&["--list"]).expect(0).says_nothing().stdout;
    assert!(listed.lines().any(|line| line.starts_with("v1 ") && line.contains("up")), "{listed}");
}

/// A connection that a server refused without a word, seen by two sensors, of one direction each.
#[test]
fn what_ends_without_a_word_is_saved_for_a_merge() {
    let Some(net) = Net::new("ends_without_a_word", &["tcpreplay", "tcpdump"]) else { return };
    net.cable("w0", "w1");
    let input = sample("refused-by-reset");
    let (parts, whole) = (Folder::new("parts"), Folder::new("whole"));
    analyze_to(whole.path(), [&input]).expect(0);
    let sensors = [
        ("v0", "v1", "src net 10.0.0.0/8", Folder::new("up")),
        ("w0", "w1", "not src net 10.0.0.0/8", Folder::new("down")),
    ];
    let listeners = sensors.each_ref().map(|(_, port, _, folder)| {
        let out = folder.path().to_str().unwrap();
        net.listen(&["-i", port, "--out", out, "--sensor", port])
    });
    let halves = sensors.each_ref().map(|(port, _, filter, _)| part(&input, filter, &parts, port));
    std::thread::scope(|scope| {
        for ((port, ..), half) in sensors.iter().zip(&halves) {
            // Slow enough that the two overlap whoever begins.
            scope.spawn(|| net.replay_on(port, half, "--multiplier=0.005"));
        }
    });
    listeners.into_iter().for_each(|listener| drop(listener.ends("INT", Some(0))));
    let merged = Folder::new("merged");
    let mut command = crate::common::tlsunset();
    command.arg("merge").args(sensors.each_ref().map(|(.., folder)| folder.path()));
    let ran = command.arg("--out").arg(merged.path()).output().unwrap();
    crate::common::Ran::from(ran).expect(0);
    let verdicts = |folder: &Folder| {
        let columns = ["client_port", "established", "coverage", "verdict", "cause", "reason"];
        let rows = timeless(folder.path(), "flows.csv").into_iter();
        rows.map(|row| columns.map(|column| row[column].clone())).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(&merged), verdicts(&whole));
    assert_eq!(verdicts(&whole)[0][3], "fails-today");
}

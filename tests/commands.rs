//! The commands beside `analyze`: what they say of saved runs, and the laws that they keep.

mod common;

use std::fs;
use std::path::Path;

use common::pcap;
use common::{Folder, Ran, Row, Sample, analyze_to, csv_file, sample, samples, tlsunset};

/// A sample's outputs in a folder of their own.
fn saved(sample: &Sample) -> Folder {
    let folder = Folder::new("commands");
    analyze_to(folder.path(), sample.arguments()).expect(0);
    folder
}

fn saved_demo() -> Folder {
    let folder = Folder::new("commands");
    analyze_to(folder.path(), [sample("demo")]).expect(0);
    folder
}

/// The outputs of a sample whose host inside has another address, `10.20.1.host`.
fn saved_as(name: &str, host: u8) -> Folder {
    let mut packets = pcap::read(&sample(name));
    for packet in &mut packets {
        for address in [26..30, 30..34] {
            if let Some(bytes @ [10, 20, 1, _]) = packet.data.get_mut(address) {
                bytes[3] = host;
            }
        }
    }
    let folder = Folder::new("commands");
    let input = folder.write("input.pcap", pcap::write(&packets));
    analyze_to(folder.path(), [&input]).expect(0);
    folder
}

fn diff(runs: &[&Path], more: &[&str]) -> Ran {
    tlsunset().arg("diff").args(runs).args(more).output().unwrap().into()
}

fn explain(run: &Path, host: &str, more: &[&str]) -> Ran {
    tlsunset().arg("explain").arg(run).arg(host).args(more).output().unwrap().into()
}

/// What has to be equal of a host's connections wherever they are read from.
fn verdicts(rows: &[Row], host: &str) -> Vec<[String; 6]> {
    let of_host = rows.iter().filter(|row| row["client_ip"] == host || row["server_ip"] == host);
    let columns = ["client_ip", "client_port", "server_ip", "policy", "verdict", "cause"];
    let mut found: Vec<_> = of_host.map(|row| columns.map(|column| row[column].clone())).collect();
    found.sort();
    found
}

fn flows(folder: &Path) -> Vec<Row> {
    csv_file(&folder.join("flows.csv"))
}

// explain

#[test]
fn a_host_is_explained_with_every_connection() {
    let folder = saved_demo();
    let rows = flows(folder.path());
    for host in csv_file(&folder.join("hosts.csv")) {
        let host = &host["host_ip"];
        let ran = explain(folder.path(), host, &[]).expect(0).says_nothing();
        let expected = verdicts(&rows, host);
        assert!(ran.stdout.starts_with(&format!("{host}: {} connection", expected.len())));
        for (index, row) in expected.iter().enumerate() {
            let title = format!("Connection {} of {}, ", index + 1, expected.len());
            assert!(ran.stdout.contains(&title), "{}", ran.stdout);
            assert!(ran.stdout.contains(&format!("Verdict under office365-tls12: {}", row[4])));
        }
        assert!(!ran.stdout.contains('\x1b'));
    }
}

#[test]
fn the_evidence_of_an_old_client_is_told() {
    let folder = saved_demo();
    let ran = explain(folder.path(), "10.20.1.11", &["--color", "always"]).expect(0);
    for part in [
        "Connection 1 of 2, breaks: 10.20.1.11:",
        "Version fields: record version 03 01 (TLSv1.0), legacy_version 03 01 (TLSv1.0),",
        "Rule: the client's offer decides",
        "Fix:",
        "In Wireshark: ip.addr == 10.20.1.11 && ",
        "\x1b[1;31m",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in:\n{}", ran.stdout);
    }
    let by_name = explain(folder.path(), "outlook.office365.com", &[]).expect(0);
    assert!(by_name.stdout.starts_with("outlook.office365.com: "));
}

#[test]
fn what_can_t_be_explained_is_said() {
    let folder = saved_demo();
    explain(folder.path(), "192.0.2.1", &[]).expect(2).says(&["192.0.2.1", "hosts.csv"]);
    for wrong in ["10.20.1.300", "10.20.1.", "2001:db8::x"] {
        let said = format!("{wrong} is no address, and no server of that name");
        explain(folder.path(), wrong, &[]).expect(2).says(&[&said, "hosts.csv"]);
    }
    let ran = explain(folder.path(), "mail7.contoso.com", &[]).expect(2);
    assert!(!ran.stderr.contains("no address"));
    explain(&folder.join("nowhere"), "x", &[]).expect(2).says(&["nowhere", "--out"]);
    explain(&folder.join("flows.csv"), "x", &[]).expect(2).says(&["flows.csv", "not a state file"]);
    let ran = explain(folder.path(), "10.20.1.11", &["--policy", "no-such"]);
    ran.expect(2).says(&["no-such"]);
}

#[test]
fn a_proof_gives_the_same_verdicts() {
    for sample in samples() {
        let folder = saved(&sample);
        let rows = flows(folder.path());
        let proof = folder.join("proof.pcapng");
        let mut hosts: Vec<String> =
            csv_file(&folder.join("hosts.csv")).iter().map(|row| row["host_ip"].clone()).collect();
        hosts.dedup();
        for host in hosts {
            let ran = explain(folder.path(), &host, &["--proof", proof.to_str().unwrap()]);
            let ran = ran.expect(0);
            assert!(!ran.stderr.contains("judged otherwise"), "{}: {}", sample.name, ran.stderr);
            let again = Folder::new("commands");
            analyze_to(again.path(), [&proof]).expect(0);
            let (expected, found) = (verdicts(&rows, &host), verdicts(&flows(again.path()), &host));
            assert_eq!(expected, found, "{} of {}", host, sample.name);
            assert_eq!(flows(again.path()).len(), found.len(), "nothing of others is in it");
        }
    }
}

#[test]
fn a_proof_is_copied_from_elsewhere_and_takes_the_place_of_no_input() {
    let folder = Folder::new("commands");
    let (captures, report) = (folder.join("captures"), folder.join("report"));
    fs::create_dir(&captures).unwrap();
    let input = captures.join("input.pcap");
    fs::copy(sample("demo"), &input).unwrap();
    analyze_to(&report, [&input]).expect(0);
    let bytes = fs::read(&input).unwrap();
    let refused = |proof: &Path, more: &[&str]| {
        let proof = ["--proof", proof.to_str().unwrap()];
        let arguments: Vec<&str> = proof.iter().chain(more).copied().collect();
        explain(&report, "10.20.1.11", &arguments).expect(2)
    };
    refused(&input, &[]).says(&["part of the input"]);
    refused(&captures.join("p"), &["--from", captures.to_str().unwrap()]).says(&["part of"]);
    assert_eq!(fs::read(&input).unwrap(), bytes);

    fs::remove_file(&input).unwrap();
    let proof = folder.join("proof.pcapng");
    refused(&proof, &[]).says(&["input.pcap"]);
    let from = sample("demo");
    let arguments = ["--proof", proof.to_str().unwrap(), "--from", from.to_str().unwrap()];
    explain(&report, "10.20.1.11", &arguments).expect(0).says(&["packets are in"]);
    assert!(fs::metadata(&proof).unwrap().len() < fs::metadata(&from).unwrap().len() / 4);
    let other = sample("tls12-ok");
    refused(&proof, &["--from", other.to_str().unwrap()]).says(&["no packet"]);
}

// diff

/// What `diff --csv` says of each host: address, status, before, after.
fn statuses(runs: &[&Path]) -> Vec<String> {
    let ran = diff(runs, &["--csv", "-"]).expect(0);
    let rows = common::table(&ran.stdout, b',');
    let columns = ["host_ip", "status", "before", "after"];
    rows.iter().map(|row| columns.map(|column| row[column].as_str()).join(" ")).collect()
}

#[test]
fn what_became_of_a_host_is_told() {
    let (old, good) = (saved_as("tls10-client-outlook", 7), saved_as("tls12-ok", 7));
    let (other, late) = (saved_as("tls12-ok", 8), saved_as("midstream", 7));
    let check = |before: &Folder, after: &Folder, expect: &[&str]| {
        assert_eq!(statuses(&[before.path(), after.path()]), expect);
    };
    check(&old, &good, &["10.20.1.7 fixed breaks passes"]);
    check(&old, &old, &["10.20.1.7 still-old breaks breaks"]);
    check(&good, &old, &["10.20.1.7 relapsed passes breaks"]);
    check(&other, &old, &["10.20.1.7 new  breaks"]);
    check(&old, &other, &["10.20.1.7 silent-since breaks "]);
    check(&old, &late, &["10.20.1.7 silent-since breaks unknown"]);
    check(&good, &other, &[]);
}

#[test]
fn check_asks_for_hosts_that_break() {
    let (old, good) = (saved_as("tls10-client-outlook", 7), saved_as("tls12-ok", 7));
    diff(&[good.path(), old.path()], &["--check"]).expect(1);
    diff(&[old.path(), old.path()], &["--check"]).expect(1);
    diff(&[good.path(), old.path()], &[]).expect(0);
    let ran = diff(&[old.path(), good.path()], &["--check"]).expect(0);
    assert!(ran.stdout.starts_with("Under office365-tls12: 0 relapsed, 0 new, 0 still old, "));
    assert!(ran.stdout.contains("\nFixed (1)\n"), "{}", ran.stdout);
    let state = old.join("state.tlsunset");
    diff(&[&state, good.path()], &["--quiet"]).expect(0);
    diff(&[old.path(), &old.join("none")], &["--check"]).expect(2).says(&["none"]);
    diff(&[old.path()], &[]).expect(2);
    diff(&[old.path(), good.path()], &["--csv", "-", "--burn-down", "-"]).expect(2);
}

#[test]
fn many_runs_burn_down() {
    let (old, good) = (saved_as("tls10-client-outlook", 7), saved_as("tls12-ok", 7));
    let late = saved_as("midstream", 7);
    let runs = [old.path(), late.path(), good.path(), late.path()];
    let ran = diff(&runs, &["--burn-down", "-"]).expect(0);
    let rows = common::table(&ran.stdout, b',');
    assert_eq!(rows.len(), 4);
    let count =
        |column: &str| rows.iter().map(|row| row[column].parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!((count("breaks"), count("hidden")), (1, 2));
    assert!(rows.iter().all(|row| row["date"].len() == 10));
    let text = diff(&runs, &[]).expect(0).stdout;
    assert!(text.contains("Run by run"), "{text}");
}

// merge

fn merge(runs: &[&Path], out: &Path) -> Ran {
    tlsunset().arg("merge").args(runs).arg("--out").arg(out).output().unwrap().into()
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn a_run_merged_with_itself_is_that_run() {
    for sample in samples() {
        let run = saved(&sample);
        let merged = Folder::new("commands");
        merge(&[run.path(), run.path()], merged.path()).expect(0).says_nothing();
        for name in run.names() {
            assert!(
                read(run.path(), &name) == read(merged.path(), &name),
                "{} {name}",
                sample.name
            );
        }
    }
}

/// Outputs of the packets of a sample that go up or down, as of a sensor of this name.
fn saved_half(name: &str, sensor: &str, keep: impl Fn(&pcap::Packet) -> bool) -> Folder {
    let packets = pcap::read(&sample(name));
    let kept = packets.iter().filter(|packet| keep(packet));
    let folder = Folder::new("commands");
    let input = folder.write("input.pcap", pcap::write(kept));
    let sensor = ["--sensor", sensor].map(std::ffi::OsStr::new);
    analyze_to(folder.path(), [input.as_os_str()].into_iter().chain(sensor)).expect(0);
    folder
}

#[test]
fn two_sensors_with_a_direction_each_see_the_whole() {
    for name in ["tls10-client-outlook", "tls12-ok", "tls13-ok", "server-picks-lower"] {
        let up = saved_half(name, "up", pcap::goes_up);
        let down = saved_half(name, "down", |packet| !pcap::goes_up(packet));
        let merged = Folder::new("commands");
        merge(&[up.path(), down.path()], merged.path()).expect(0);
        let whole = csv_file(&common::root().join("samples").join(name).join("expected/flows.csv"));
        let found = flows(merged.path());
        assert_eq!(found.len(), whole.len(), "{name}");
        for (found, whole) in found.iter().zip(&whole) {
            for column in [
                "client_ip",
                "server_ip",
                "server_name",
                "offered_max",
                "negotiated",
                "cipher",
                "coverage",
                "verdict",
                "cause",
            ] {
                assert_eq!(found[column], whole[column], "{name} {column}");
            }
            assert_eq!(found["sensor"], "down;up");
        }
        let summary = String::from_utf8(read(merged.path(), "summary.json")).unwrap();
        let frames = pcap::read(&sample(name)).len();
        assert!(summary.contains(&format!("\"frames_read\": {frames},")), "{summary}");
    }
}

#[test]
fn the_order_and_the_steps_of_merging_do_not_show() {
    let runs = ["demo", "port-reuse", "tls10-client-outlook"].map(|name| {
        let folder = Folder::new("commands");
        analyze_to(folder.path(), [sample(name)]).expect(0);
        folder
    });
    let [a, b, c] = [runs[0].path(), runs[1].path(), runs[2].path()];
    let [all, turned, some, more] = [0; 4].map(|_| Folder::new("commands"));
    merge(&[a, b, c], all.path()).expect(0);
    merge(&[c, b, a, b], turned.path()).expect(0);
    merge(&[c, a], some.path()).expect(0);
    merge(&[some.path(), b, a], more.path()).expect(0);
    for name in all.names() {
        assert!(read(all.path(), &name) == read(turned.path(), &name), "{name}");
        assert!(read(all.path(), &name) == read(more.path(), &name), "{name}");
    }
    explain(all.path(), "10.20.1.11", &[]).expect(0);
    diff(&[a, all.path()], &[]).expect(0);
    merge(&[a, &runs[0].join("flows.csv")], some.path()).expect(2).says(&["flows.csv"]);
}

// endpoints

fn endpoints(words: &[&str]) -> Ran {
    tlsunset().arg("endpoints").args(words).output().unwrap().into()
}

#[test]
fn the_endpoint_list_in_use_is_shown() {
    let ran = endpoints(&["show"]).expect(0).says_nothing();
    for part in [
        "Endpoint list: built-in, ",
        "SERVICE",
        "\nSkype for Business Online\n",
        "*.lync.com",
        "52.112.0.0/14",
        "Ports: tcp ",
        "left out: ",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in:\n{}", ran.stdout);
    }
}

#[test]
fn an_endpoint_file_is_checked() {
    let folder = Folder::new("commands");
    let check = |content: &str| {
        let file = folder.write("list.json", content);
        endpoints(&["check", file.to_str().unwrap()])
    };
    let good = r#"[{"id":1,"serviceArea":"Exchange","urls":["outlook.office365.com","aka.ms"],
        "ips":["52.96.0.0/14"],"tcpPorts":"443"}]"#;
    let ran = check(good).expect(0).says_nothing();
    assert!(ran.stdout.contains("left out: 1 name\n") && ran.stdout.contains("aka.ms"));
    let file = folder.join("list.json");
    let ran = endpoints(&["show", file.to_str().unwrap()]).expect(0);
    assert!(ran.stdout.contains("Names: outlook.office365.com"));
    check("[\n{\"id\":\"x\"}]").expect(2).says(&["list.json", "line 2, column"]);
    check(r#"[{"id":7,"ips":["10.0.0.0/40"]}]"#).expect(2).says(&["set 1", "id 7", "`ips`"]);
    check("[]").expect(2).says(&["empty"]);
    endpoints(&["check", "/nowhere.json"]).expect(2).says(&["/nowhere.json"]);
    endpoints(&["check"]).expect(2);
}

// Formats

#[test]
fn connections_are_written_as_json_lines() {
    let folder = saved_demo();
    let out = folder.join("json");
    let more = ["--flows-format", "jsonl"].map(std::ffi::OsStr::new);
    let demo = sample("demo");
    analyze_to(&out, [demo.as_os_str()].into_iter().chain(more)).expect(0);
    let lines = fs::read_to_string(out.join("flows.jsonl")).unwrap();
    assert!(!out.join("flows.csv").exists());
    let rows = flows(folder.path());
    assert_eq!(lines.lines().count(), rows.len());
    for (line, row) in lines.lines().zip(&rows) {
        assert!(line.starts_with('{') && line.ends_with('}'));
        assert!(line.contains(&format!("\"client_port\":{},", row["client_port"])));
        assert!(line.contains(&format!("\"verdict\":\"{}\"", row["verdict"])));
        let established = match row["established"].as_str() {
            "" => "null",
            told => told,
        };
        assert!(line.contains(&format!("\"established\":{established},")));
    }
    let arguments = ["analyze", "x", "--flows-format", "xml"];
    common::run(arguments).expect(2).says(&["jsonl"]);
}

#[test]
fn every_command_helps() {
    for command in ["diff", "endpoints", "endpoints check", "endpoints show", "explain", "merge"] {
        let words = command.split(' ').chain(["--help"]);
        let ran = common::run(words).expect(0).says_nothing();
        assert!(ran.stdout.contains(&format!("Usage: tlsunset {command}")), "{}", ran.stdout);
        assert!(ran.stdout.contains("Examples:") || command == "endpoints");
    }
}

// policies of files

#[test]
fn a_run_is_judged_again_by_the_policy_file_that_is_gone() {
    let folder = Folder::new("commands");
    let strict = "name = \"house\"\nminimum = \"TLSv1.3\"\ndirection = \"office365\"\n";
    let file = folder.write("house.toml", strict.as_bytes());
    let run = |name: &str| {
        let out = folder.join(name);
        let policy = ["--policy".into(), file.clone().into_os_string(), "--policy".into()];
        let more = ["office365-tls12".into(), sample("demo").into_os_string()];
        analyze_to(&out, policy.into_iter().chain(more)).expect(0);
        out
    };
    let (one, other) = (run("one"), run("other"));
    let before = flows(&one);
    assert!(before.iter().any(|row| row["policy"] == "house" && row["verdict"] == "breaks"));

    fs::remove_file(&file).unwrap();
    let words = "Verdict under house: breaks";
    explain(&one, "10.20.1.11", &[]).expect(0).shows(&[words]);
    assert!(diff(&[&one, &other], &["--csv", "-"]).expect(0).stdout.contains(",house,"));
    let merged = folder.join("merged");
    let merge = |out: &Path, runs: &[&Path]| -> Ran {
        tlsunset().arg("merge").args(runs).arg("--out").arg(out).output().unwrap().into()
    };
    merge(&merged, &[&one]).expect(0);
    assert_eq!(flows(&merged), before);
    // What was merged can be merged and explained as well.
    let again = folder.join("again");
    merge(&again, &[&merged, &other]).expect(0);
    explain(&again, "10.20.1.11", &[]).expect(0).shows(&[words]);

    // Another policy of the same name is no way to compare.
    fs::write(&file, strict.replace("TLSv1.3", "TLSv1.1")).unwrap();
    let third = run("third");
    let differ = ["two different policies called `house`", "--policy"];
    diff(&[&one, &third], &[]).expect(2).says(&differ);
    merge(&folder.join("mixed"), &[&one, &third]).expect(2).says(&differ);
    diff(&[&one, &third], &["--policy", "office365-tls12"]).expect(0);
}

#[test]
fn a_shown_policy_is_a_sound_file_that_judges_alike() {
    let shown = |name: &str| tlsunset().args(["policy", "show", name]).output().unwrap().stdout;
    let list = tlsunset().args(["policy", "list"]).output().unwrap().stdout;
    let list = String::from_utf8(list).unwrap();
    assert_eq!(list.lines().count(), 8);
    let folder = Folder::new("commands");
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap();
        let file = folder.write("policy.toml", shown(name));
        let ran: Ran = tlsunset().args(["policy", "check"]).arg(&file).output().unwrap().into();
        ran.expect(0).shows(&[name, "a sound policy"]);
        let judged = |policy: &std::ffi::OsStr| -> Ran {
            let input = sample("demo");
            let arguments = ["--flows", "-", "-q", "--policy"];
            tlsunset()
                .arg("analyze")
                .args(arguments)
                .arg(policy)
                .arg(input)
                .output()
                .unwrap()
                .into()
        };
        let (by_name, by_file) = (judged(name.as_ref()), judged(file.as_os_str()));
        assert_eq!(by_name.expect(0).stdout, by_file.expect(0).stdout, "{name}");
    }
}

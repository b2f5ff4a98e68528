//! `--anonymize`: no name and no address of the inside in any output, and the same verdicts.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use common::{Folder, Ran, Row, analyze, csv_file, pcap, sample, samples, tlsunset};

const KEY: &str = "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4\n";

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}

/// Analyzes `inputs`, all outputs to `out`.
fn analyze_to(inputs: &[PathBuf], out: &Path, more: &[&str]) -> Ran {
    let out = [OsStr::new("--out"), out.as_os_str()].map(OsString::from);
    analyze(inputs.iter().map(OsString::from).chain(out).chain(words(more)))
}

/// Copies of all samples under a name that nobody else has, so that paths are told from others.
fn secret_inputs(folder: &Folder) -> Vec<PathBuf> {
    let copy = |(index, input): (usize, PathBuf)| {
        folder.write(&format!("payroll-{index}.pcap"), fs::read(input).unwrap())
    };
    samples().into_iter().flat_map(|sample| sample.inputs).enumerate().map(copy).collect()
}

fn flows(folder: &Path) -> Vec<Row> {
    csv_file(&folder.join("flows.csv"))
}

fn is_inside(addr: &str) -> bool {
    match addr.parse().unwrap() {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local() || v4.octets()[0] == 100,
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// A row without what has a pseudonym.
fn without_names(rows: &[Row]) -> Vec<Row> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        for column in ["client_ip", "server_ip", "server_name", "community_id"] {
            row.insert(column.to_owned(), String::new());
        }
    }
    rows.sort();
    rows
}

/// What `--out` writes.
const FILES: [&str; 6] =
    ["flows.csv", "hosts.csv", "handshakes.csv", "summary.json", "report.html", "state.tlsunset"];

/// Everything of the inside that the outputs of a run tell.
fn secrets(folder: &Path) -> BTreeSet<String> {
    let mut secrets = BTreeSet::from(["payroll".to_owned()]);
    for row in flows(folder) {
        secrets.extend([&row["client_ip"], &row["server_ip"]].into_iter().cloned());
        if row["service_from"] != "name" {
            secrets.insert(row["server_name"].clone());
        }
    }
    let is_secret = |text: &String| match text.parse::<IpAddr>() {
        Ok(_) => is_inside(text),
        Err(_) => text.len() > 2,
    };
    secrets.retain(is_secret);
    secrets
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

#[test]
fn nothing_of_the_inside_is_in_any_byte_of_any_output() {
    let folder = Folder::new("anonymize");
    let inputs = secret_inputs(&folder);
    let key = folder.write("key", KEY);
    let key = key.to_str().unwrap();
    let (raw, out) = (folder.join("raw"), folder.join("out"));
    analyze_to(&inputs, &raw, &[]).expect(0);
    analyze_to(&inputs, &out, &["--anonymize", key]).expect(0);
    for format in ["jsonl", "zeek", "zeek-json", "eve", "ecs", "ocsf"] {
        let file = out.join(format);
        let more = ["--flows", file.to_str().unwrap(), "--flows-format", format];
        let more = [&more[..], &["--anonymize", key]].concat();
        analyze(inputs.iter().map(OsString::from).chain(words(&more))).expect(0);
    }
    let text = analyze(inputs.iter().map(OsString::from).chain(words(&["--anonymize", key])));
    fs::write(out.join("text"), text.expect(0).stdout).unwrap();

    let secrets = secrets(&raw);
    assert!(secrets.len() > 20, "{secrets:?}");
    // Names of certificates and of XMPP domains stand in the saved run alone.
    let more = ["contoso", "fabrikam"].map(str::to_owned);
    let saved = fs::read(raw.join("state.tlsunset")).unwrap();
    let more: Vec<String> =
        more.into_iter().filter(|name| contains(&saved, name.as_bytes())).collect();
    assert!(!more.is_empty(), "the samples have names of their own");
    // What is looked for is found where nothing is hidden.
    for name in FILES {
        let bytes = fs::read(raw.join(name)).unwrap();
        let is_found = |secret: &String| contains(&bytes, secret.as_bytes());
        assert!(secrets.iter().any(is_found), "nothing is found in {name}");
    }
    let names = common::names(&out);
    assert!(FILES.iter().all(|file| names.iter().any(|name| name == file)), "{names:?}");
    assert!(names.len() >= 13, "{names:?}");
    for name in names {
        let bytes = fs::read(out.join(&name)).unwrap();
        for secret in secrets.iter().chain(&more) {
            assert!(!contains(&bytes, secret.as_bytes()), "{secret} is in {name}");
            let binary = match secret.parse() {
                Ok(IpAddr::V4(v4)) => v4.octets().to_vec(),
                Ok(IpAddr::V6(v6)) => v6.octets().to_vec(),
                Err(_) => continue,
            };
            assert!(!contains(&bytes, &binary), "{secret} is in {name} in binary");
        }
    }
}

#[test]
fn verdicts_and_all_that_is_no_name_stay() {
    let folder = Folder::new("anonymize");
    let inputs = secret_inputs(&folder);
    let key = folder.write("key", KEY);
    let key = key.to_str().unwrap();
    let [raw, out, again, late] = ["raw", "out", "again", "late"].map(|name| folder.join(name));
    analyze_to(&inputs, &raw, &[]).expect(0);
    analyze_to(&inputs, &out, &["--anonymize", key]).expect(0);
    let (before, after) = (flows(&raw), flows(&out));
    assert_eq!(without_names(&before), without_names(&after));

    // One to one, private ones private, those of endpoints as they are.
    let of = |rows: &[Row]| -> BTreeSet<String> {
        rows.iter().flat_map(|row| [row["client_ip"].clone(), row["server_ip"].clone()]).collect()
    };
    let (before, after) = (of(&before), of(&after));
    let inside = |all: &BTreeSet<String>| all.iter().filter(|addr| is_inside(addr)).count();
    assert_eq!((before.len(), inside(&before)), (after.len(), inside(&after)));
    assert!(before.intersection(&after).all(|addr| !is_inside(addr)));
    assert!(before.intersection(&after).count() > 5);

    // What is saved is judged alike, and anonymizing may be left to merging.
    let merge = |from: &Path, to: &Path, more: &[&str]| -> Ran {
        let mut command = tlsunset();
        command.arg("merge").arg(from).arg("--out").arg(to).args(more);
        command.output().unwrap().into()
    };
    merge(&out, &again, &[]).expect(0).says_nothing();
    merge(&raw, &late, &["--anonymize", key]).expect(0).says_nothing();
    for name in common::names(&out) {
        let bytes = |folder: &Path| fs::read(folder.join(&name)).unwrap();
        assert!(bytes(&again) == bytes(&out), "{name}");
        assert!(bytes(&late) == bytes(&out), "{name}");
    }
    merge(&out, &again, &["--anonymize", key]).expect(2).says(&["anonymized already"]);
    merge(&raw, &again, &["--anonymize", "nowhere"]).expect(2).says(&["--anonymize", "nowhere"]);

    let host = csv_file(&out.join("hosts.csv"))[0]["host_ip"].clone();
    let explain = |more: &[&str]| -> Ran {
        tlsunset().arg("explain").arg(&out).arg(&host).args(more).output().unwrap().into()
    };
    assert!(explain(&[]).expect(0).stdout.starts_with(&host));
    explain(&["--proof", "proof.pcapng"]).expect(2).says(&["anonymized"]);
    let diff: Ran = tlsunset().arg("diff").args([&raw, &out]).output().unwrap().into();
    diff.expect(0).says(&["not all of the runs are anonymized"]);
    let mixed: Ran =
        tlsunset().arg("merge").args([&raw, &out]).args(["--hosts", "-"]).output().unwrap().into();
    mixed.expect(0).says(&["not all of the runs are anonymized"]);
}

#[test]
fn sensors_with_one_key_give_equal_pseudonyms() {
    let folder = Folder::new("anonymize");
    let key = folder.write("key", KEY);
    let key = key.to_str().unwrap();
    for name in ["tls10-client-outlook", "server-picks-lower", "http-connect"] {
        let packets = pcap::read(&sample(name));
        let half = |name: &str, up: bool| {
            let kept = packets.iter().filter(|packet| pcap::goes_up(packet) == up);
            let input = folder.write(&format!("{name}.pcap"), pcap::write(kept));
            let out = folder.join(name);
            analyze_to(&[input], &out, &["--anonymize", key, "--sensor", name]).expect(0);
            out
        };
        let (up, down) = (half("up", true), half("down", false));
        let (whole, merged) = (folder.join("whole"), folder.join("merged"));
        analyze_to(&[sample(name)], &whole, &["--anonymize", key]).expect(0);
        let mut command = tlsunset();
        command.arg("merge").args([&up, &down]).arg("--out").arg(&merged);
        Ran::from(command.output().unwrap()).expect(0);
        let columns = |folder: &Path| -> Vec<BTreeMap<String, String>> {
            let mut rows = flows(folder);
            let kept = ["client_ip", "server_ip", "server_name", "community_id", "verdict"];
            rows.iter_mut().for_each(|row| row.retain(|name, _| kept.contains(&&**name)));
            rows
        };
        assert_eq!(columns(&merged), columns(&whole), "{name}");
    }
}

#[test]
fn an_inventory_keeps_its_hosts_to_itself() {
    let folder = Folder::new("anonymize");
    let key = folder.write("key", KEY);
    let rows = "Host,IP,Product,Version\nKIOSK-77,10.77.1.2,Windows XP,5.1\nPC-PAYROLL,10.20.1.11,Windows XP,5.1\n";
    let inventory = folder.write("inventory.csv", rows);
    let run = |more: &[&OsStr]| {
        let base = [sample("demo").into_os_string(), "--hosts".into(), "-".into()];
        let inventory = ["--inventory".into(), inventory.clone().into_os_string()];
        let more = more.iter().map(OsString::from);
        analyze(base.into_iter().chain(inventory).chain(more)).expect(0).stdout
    };
    let raw = run(&[]);
    assert!(raw.contains("KIOSK-77") && raw.contains("PC-PAYROLL"), "{raw}");
    let hidden = run(&[OsStr::new("--anonymize"), key.as_os_str()]);
    for secret in ["KIOSK", "PAYROLL", "10.77.1.2", "10.20.1."] {
        assert!(!hidden.contains(secret), "{secret} is in\n{hidden}");
    }
    assert_eq!(raw.lines().count(), hidden.lines().count());
    assert_eq!(raw.matches("Windows XP").count(), hidden.matches("Windows XP").count());
}

#[test]
fn a_bad_key_is_told_before_work_begins() {
    let folder = Folder::new("anonymize");
    let run = |key: &Path| {
        analyze([sample("demo").as_os_str(), OsStr::new("--anonymize"), key.as_os_str()])
    };
    let check = |content: &[u8], part: &str| {
        let ran = run(&folder.write("key", content)).expect(2);
        assert_eq!(ran.stdout, "");
        ran.says(&["--anonymize", "key", part]);
    };
    check(b"", "has 0 bytes");
    check(b"secret", "openssl rand -hex 32 > KEYFILE");
    check(&[b'0'; 64], "one byte repeated");
    check(&[b'a'; 5000], "1025 bytes");
    run(&folder.join("none")).expect(2).says(&["can't read", "none"]);
    let key = folder.write("key", KEY);
    let more = [OsStr::new("--hosts"), key.as_os_str(), OsStr::new("--anonymize"), key.as_os_str()];
    let demo = sample("demo");
    analyze([demo.as_os_str()].into_iter().chain(more)).expect(2).says(&["named twice"]);
    assert_eq!(fs::read_to_string(&key).unwrap(), KEY);
}

/// The page shows names and networks where no other file does.
#[test]
fn pages_and_lists_show_no_address_and_no_network_of_the_inside() {
    let folder = Folder::new("anonymize");
    let inputs = secret_inputs(&folder);
    let key = folder.write("key", KEY);
    let (raw, out) = (folder.join("raw"), folder.join("out"));
    analyze_to(&inputs, &raw, &[]).expect(0);
    analyze_to(&inputs, &out, &["--anonymize", key.to_str().unwrap()]).expect(0);
    let mut networks = BTreeSet::new();
    for row in flows(&raw) {
        for addr in [&row["client_ip"], &row["server_ip"]] {
            // The first three parts, as in 10.20.1.0/24.
            let network = addr.rsplit_once('.').filter(|_| is_inside(addr));
            networks.extend(network.map(|(network, _)| format!("{network}.")));
        }
    }
    assert!(networks.len() > 3, "{networks:?}");
    for name in ["report.html", "handshakes.csv", "hosts.csv"] {
        let shown = |folder: &Path| -> Vec<String> {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            // As a whole number in front: 110.20.1. is another network than 10.20.1.
            let stands = |network: &String| {
                text.match_indices(network.as_str())
                    .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_ascii_digit() || c == '.'))
            };
            networks.iter().filter(|network| stands(network)).cloned().collect()
        };
        assert!(!shown(&raw).is_empty(), "nothing is found in {name}");
        assert_eq!(shown(&out), [""; 0], "{name}");
    }
}

//! The formats of other programs, by their own schemas and readers.

mod common;

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use common::{Ran, Row, analyze, root, samples, schema, table};
use serde_json::Value;

/// What every sample together gives in a format.
fn written(format: &str) -> String {
    let inputs = samples().into_iter().flat_map(|sample| sample.inputs).map(OsString::from);
    let more = ["--flows", "-", "--flows-format", format].map(OsString::from);
    let Ran { stdout, .. } = analyze(inputs.chain(more)).expect(0);
    stdout
}

/// The same connections as CSV.
fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let rows = table(&written("csv"), b',');
        assert!(rows.len() > 80, "the samples have {} connections", rows.len());
        rows
    })
}

fn events(format: &str) -> Vec<Value> {
    let text = written(format);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), rows().len(), "{format}");
    events
}

fn text<'a>(event: &'a Value, place: &str) -> &'a str {
    match event.pointer(place) {
        Some(Value::String(text)) => text,
        None | Some(Value::Null) => "",
        Some(other) => panic!("{place} is {other}"),
    }
}

fn truth(event: &Value, place: &str) -> String {
    event.pointer(place).map(Value::to_string).unwrap_or_default()
}

/// Every event has what the row of `flows.csv` says, at these places.
#[track_caller]
fn check_rows(events: &[Value], places: &[(&str, &str)]) {
    for (event, row) in events.iter().zip(rows()) {
        for (place, column) in places {
            assert_eq!(text(event, place), row[*column], "{place} of {event:#}");
        }
    }
}

/// What has a name of its own only with us, the same everywhere.
fn check_own(events: &[Value], prefix: &str) {
    for (event, row) in events.iter().zip(rows()) {
        let own = |name: &str| event.pointer(&format!("{prefix}{name}"));
        for name in ["offered_max", "negotiated", "protocol", "service", "direction", "coverage"] {
            let found = own(name).and_then(Value::as_str).unwrap_or_default();
            assert_eq!(found, row[name], "{name} of {event:#}");
        }
        for name in ["policy", "verdict", "cause", "reason", "fix"] {
            assert_eq!(own(name), Some(&serde_json::json!([row[name]])), "{name} of {event:#}");
        }
    }
}

fn check_schema(name: &str, events: &[Value]) {
    let file = root().join("tests/schemas").join(name);
    let schema: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    for event in events {
        schema::check(&schema, event).unwrap_or_else(|error| panic!("{name}: {error}\n{event:#}"));
    }
}

// Zeek

/// Reads a log of Zeek as its header says.
fn read_zeek(text: &str) -> Vec<Row> {
    let header = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.next().unwrap_or_else(|| panic!("{name} is missing")).trim_start()
    };
    assert!(text.starts_with("#separator \\x09\n"));
    assert_eq!((header("#unset_field"), header("#empty_field")), ("-", "(empty)"));
    let names: Vec<&str> = header("#fields").split('\t').collect();
    let types: Vec<&str> = header("#types").split('\t').collect();
    assert_eq!(names.len(), types.len());
    let value = |cell: &str| match cell {
        "-" | "(empty)" => String::new(),
        _ => cell.replace("\\x2c", ",").replace("\\\\", "\\"),
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| -> Row {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), names.len(), "{line}");
        names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), value(cell))).collect()
    };
    lines.map(row).collect()
}

const ZEEK_COLUMNS: [(&str, &str); 16] = [
    ("id.orig_h", "client_ip"),
    ("id.orig_p", "client_port"),
    ("id.resp_h", "server_ip"),
    ("id.resp_p", "server_port"),
    ("ja3", "ja3"),
    ("ja4", "ja4"),
    ("tlsunset_server_name", "server_name"),
    ("tlsunset_community_id", "community_id"),
    ("tlsunset_offered_max", "offered_max"),
    ("tlsunset_negotiated", "negotiated"),
    ("tlsunset_coverage", "coverage"),
    ("tlsunset_policy", "policy"),
    ("tlsunset_verdict", "verdict"),
    ("tlsunset_cause", "cause"),
    ("tlsunset_reason", "reason"),
    ("tlsunset_fix", "fix"),
];

#[test]
fn a_zeek_log_says_what_flows_csv_says() {
    let log = read_zeek(&written("zeek"));
    assert_eq!(log.len(), rows().len());
    for (event, row) in log.iter().zip(rows()) {
        for (name, column) in ZEEK_COLUMNS {
            assert_eq!(event[name], row[column], "{name}");
        }
        assert_eq!(event["version"], row["negotiated"].replace('.', ""));
        let truth = |cell: &str| match cell {
            "true" => "T",
            "false" => "F",
            _ => "",
        };
        assert_eq!(event["established"], truth(&row["established"]));
        assert_eq!(event["resumed"], truth(&row["resumed"]));
        let known = |cell: &str| !cell.starts_with("0x");
        assert!(event["cipher"] == row["cipher"] || !known(&row["cipher"]));
        assert!(event["curve"] == row["group"] || !known(&row["group"]));
    }
    let mut uids: Vec<&String> = log.iter().map(|event| &event["uid"]).collect();
    uids.sort();
    uids.dedup();
    // The same capture is in two samples, which gives the same connections.
    assert!(uids.len() >= log.len() - 2, "{} of {}", uids.len(), log.len());
}

/// `zeek-cut`, or `bro-cut` as Debian's package bro-aux has it.
fn zeek_cut() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    let names = ["zeek-cut", "bro-cut"].into_iter();
    names
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|it| it.is_file())
}

#[test]
fn zeek_cut_reads_the_log() {
    let Some(program) = zeek_cut() else {
        return eprintln!("SKIPPED zeek_cut_reads_the_log: there is no zeek-cut and no bro-cut");
    };
    let columns = ["id.orig_h", "id.resp_p", "version", "tlsunset_offered_max", "tlsunset_verdict"];
    let mut child = Command::new(program)
        .args(["-d", "ts"])
        .args(columns)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let log = written("zeek");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(log.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success());
    let cut = String::from_utf8(output.stdout).unwrap();
    assert_eq!(cut.lines().count(), rows().len());
    for (line, row) in cut.lines().zip(rows()) {
        let cells: Vec<&str> = line.split('\t').collect();
        let or_unset = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        assert!(cells[0].starts_with("20") && cells[0].contains('T'), "{line}");
        assert_eq!(
            cells[1..],
            [
                row["client_ip"].clone(),
                row["server_port"].clone(),
                or_unset(row["negotiated"].replace('.', "")),
                or_unset(row["offered_max"].clone()),
                row["verdict"].clone(),
            ]
        );
    }
}

#[test]
fn zeek_json_says_what_the_log_says() {
    let (events, log) = (events("zeek-json"), read_zeek(&written("zeek")));
    for (event, row) in events.iter().zip(&log) {
        let event = event.as_object().unwrap();
        for (name, cell) in row {
            let found = match event.get(name) {
                None => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(Value::Array(texts)) => {
                    texts.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join(",")
                }
                Some(Value::Bool(truth)) => if *truth { "T" } else { "F" }.to_owned(),
                Some(number) if matches!(&**name, "ts" | "tlsunset_last_seen") => {
                    format!("{:.6}", number.as_f64().unwrap())
                }
                Some(number) => number.to_string(),
            };
            assert_eq!(&found, cell, "{name}");
        }
    }
}

// Suricata

#[test]
fn eve_events_are_those_of_suricata_s_schema() {
    let mut events = events("eve");
    let names =
        HashMap::from([("TLSv1.0", "TLSv1"), ("TLSv1.1", "TLS 1.1"), ("TLSv1.2", "TLS 1.2")]);
    check_rows(
        &events,
        &[
            ("/src_ip", "client_ip"),
            ("/dest_ip", "server_ip"),
            ("/community_id", "community_id"),
            ("/tls/ja3/hash", "ja3"),
            ("/tls/ja4", "ja4"),
        ],
    );
    check_own(&events, "/tlsunset/");
    for (event, row) in events.iter().zip(rows()) {
        let seen =
            if row["negotiated"].is_empty() { &row["offered_max"] } else { &row["negotiated"] };
        let version = text(event, "/tls/version");
        if let Some(name) = names.get(&**seen) {
            assert_eq!(version, *name);
        }
        assert!(!version.is_empty());
        let negotiated = event.pointer("/tls/server_handshake").is_some();
        assert!(negotiated || row["negotiated"].is_empty() || row["protocol"] == "quic");
    }
    for event in &mut events {
        event.as_object_mut().unwrap().remove("tlsunset").unwrap();
    }
    check_schema("eve.json", &events);
    let Some(file) = env::var_os("TLSUNSET_EVE_SCHEMA") else {
        return eprintln!(
            "SKIPPED Suricata's own schema: TLSUNSET_EVE_SCHEMA names no etc/schema.json"
        );
    };
    let schema: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    for event in &events {
        schema::check(&schema, event).unwrap();
    }
}

// Elastic

#[test]
fn ecs_documents_have_the_names_of_the_schema() {
    let mut events = events("ecs");
    check_rows(
        &events,
        &[
            ("/source/ip", "client_ip"),
            ("/destination/ip", "server_ip"),
            ("/network/community_id", "community_id"),
            ("/network/transport", "transport"),
            ("/event/start", "first_seen"),
            ("/event/end", "last_seen"),
            ("/tls/cipher", "cipher"),
            ("/tls/curve", "group"),
            ("/tls/client/ja3", "ja3"),
            ("/tlsunset/ja4", "ja4"),
        ],
    );
    check_own(&events, "/tlsunset/");
    for (event, row) in events.iter().zip(rows()) {
        let version = text(event, "/tls/version_protocol").to_owned() + text(event, "/tls/version");
        let expect = row["negotiated"].to_lowercase().replace('v', "");
        assert_eq!(version, expect.replace("ssl3", "ssl3.0").replace("ssl2", "ssl2.0"));
        assert_eq!(truth(event, "/tls/established"), row["established"]);
        assert_eq!(truth(event, "/tls/resumed"), row["resumed"]);
    }
    for event in &mut events {
        event.as_object_mut().unwrap().remove("tlsunset").unwrap();
    }
    check_schema("ecs.json", &events);
}

// OCSF

#[test]
fn ocsf_events_are_valid_by_the_published_schema() {
    let script = root().join("tests/schemas/ocsf.py");
    let mut command = Command::new("python3");
    command.arg(script).stdin(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        eprintln!("SKIPPED the schema of OCSF: python3 does not run");
        return;
    };
    let mut pipe = child.stdin.take().unwrap();
    // A script without its modules reads nothing.
    let _ = pipe.write_all(written("ocsf").as_bytes());
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(3) => eprintln!("SKIPPED the schema of OCSF, which is not installed: {errors}"),
        status => assert_eq!(status, Some(0), "{errors}"),
    }
}

#[test]
fn ocsf_events_have_the_names_of_the_schema() {
    let events = events("ocsf");
    check_rows(
        &events,
        &[
            ("/src_endpoint/ip", "client_ip"),
            ("/dst_endpoint/ip", "server_ip"),
            ("/connection_info/community_uid", "community_id"),
            ("/connection_info/protocol_name", "transport"),
            ("/message", "reason"),
            ("/tls/cipher", "cipher"),
            ("/tls/ja3_hash/value", "ja3"),
            ("/ja4_fingerprint_list/0/value", "ja4"),
        ],
    );
    check_own(&events, "/unmapped/tlsunset/");
    for (event, row) in events.iter().zip(rows()) {
        let (activity, kind) = (&event["activity_id"], &event["type_uid"]);
        assert_eq!(kind.as_u64(), activity.as_u64().map(|activity| 400_100 + activity));
        let name = text(event, "/dst_endpoint/hostname");
        assert!(
            name == row["server_name"] || (name.is_empty() && row["server_name"].contains('*'))
        );
        let version = text(event, "/tls/version");
        assert!(
            version == row["negotiated"] || (version == "Unknown" && row["negotiated"].is_empty())
        );
        let own = event["unmapped"].as_object().unwrap();
        assert_eq!(own.keys().collect::<Vec<_>>(), ["tlsunset"]);
    }
    check_schema("ocsf.json", &events);
}

#[test]
fn a_schema_that_is_not_kept_is_told() {
    let file = root().join("tests/schemas/eve.json");
    let schema: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let good = serde_json::json!({
        "event_type": "tls", "timestamp": "2018-10-31T00:00:00.000000+0000", "dest_port": 443,
    });
    assert_eq!(schema::check(&schema, &good), Ok(()));
    let broken = |name: &str, value: Value| {
        let mut event = good.clone();
        event[name] = value;
        schema::check(&schema, &event).unwrap_err()
    };
    broken("timestamp", "2018-10-31T00:00:00.000000Z".into());
    broken("dest_port", "443".into());
    broken("verdict", "breaks".into());
    broken("tls", serde_json::json!({"client_handshake": {"ciphers": []}}));
    assert!(schema::check(&schema, &serde_json::json!({"event_type": "tls"})).is_err());
}

use proptest::prelude::*;

use super::*;
use crate::{JudgedFlow, testkit};

fn tsv(flows: &[JudgedFlow]) -> String {
    let mut out = Vec::new();
    let first = flows.iter().map(|flow| flow.facts.first.time).min().unwrap_or_default();
    let last = flows.iter().map(|flow| flow.facts.last.time).max().unwrap_or_default();
    write_tsv(&mut out, Connections::Held(flows), (first, last)).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(flows: &[JudgedFlow]) -> Vec<serde_json::Value> {
    let mut out = Vec::new();
    write_json(&mut out, Connections::Held(flows)).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a reader of Zeek's logs gets: names, types and rows, by the header alone.
fn read(text: &str) -> (Vec<&str>, Vec<&str>, Vec<Vec<&str>>) {
    let header = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split('\t').skip(1).collect::<Vec<_>>()
    };
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    (header("#fields"), header("#types"), rows.map(|row| row.split('\t').collect()).collect())
}

#[test]
fn a_log_has_the_header_of_zeek() {
    let text = tsv(&[testkit::old_client()]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..6],
        [
            "#separator \\x09",
            "#set_separator\t,",
            "#empty_field\t(empty)",
            "#unset_field\t-",
            "#path\tssl",
            "#open\t2018-10-31-00-00-00",
        ]
    );
    assert_eq!(lines.last(), Some(&"#close\t2018-10-31-00-00-01"));
    let (fields, types, rows) = read(&text);
    assert_eq!((fields.len(), types.len(), rows.len()), (40, 40, 1));
    let row = &rows[0];
    assert_eq!(row.len(), 40);
    assert_eq!(row[0], "1540944000.001000");
    assert!(row[1].starts_with('C') && row[1].len() == 18, "{}", row[1]);
    assert_eq!(
        row[2..16],
        [
            "10.0.0.7",
            "50000",
            "52.97.1.1",
            "443",
            "TLSv10",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
            "secp256r1",
            "outlook.office365.com",
            "F",
            "-",
            "-",
            "T",
            "000102030405060708090a0b0c0d0e0f",
            "t10d120500_d94e65cdb899_c35b4a14be45",
        ]
    );
    assert_eq!(
        row[34..],
        [
            "office365-tls12",
            "breaks",
            "client-too-old",
            "offers TLSv1.0\\x2c nothing newer",
            "update it",
            "F",
        ]
    );
}

#[test]
fn json_is_that_of_zeek_s_writer() {
    let row = &json(&[testkit::old_client()])[0];
    assert_eq!(row["ts"].to_string(), "1540944000.001");
    assert_eq!((&row["id.orig_h"], &row["id.resp_p"]), (&"10.0.0.7".into(), &443.into()));
    assert_eq!((&row["version"], &row["established"]), (&"TLSv10".into(), &true.into()));
    assert_eq!(row["tlsunset_reason"], serde_json::json!(["offers TLSv1.0, nothing newer"]));
    assert!(row.get("last_alert").is_none());
}

#[test]
fn without_connections_there_is_a_header_and_an_end() {
    let text = tsv(&[]);
    assert_eq!(text.lines().count(), 9);
    assert!(text.lines().all(|line| line.starts_with('#')));
}

#[test]
fn text_is_escaped() {
    let check = |text: &str, alone: &str, listed: &str| {
        let (mut one, mut other) = (String::new(), String::new());
        put_text(&mut one, text, false);
        put_text(&mut other, text, true);
        assert_eq!((&*one, &*other), (alone, listed));
    };
    check("a\tb\nc\\d", "a\\x09b\\x0ac\\\\d", "a\\x09b\\x0ac\\\\d");
    check("a,b", "a,b", "a\\x2cb");
    check("-", "\\x2d", "\\x2d");
    check("(empty)", "\\x28empty)", "\\x28empty)");
    check("", "(empty)", "(empty)");
    check("m\u{fc}ll\u{85}", "m\u{fc}ll\\xc2\\x85", "m\u{fc}ll\\xc2\\x85");
    check("#x-", "#x-", "#x-");
}

#[test]
fn what_zeek_has_no_name_for_is_a_number() {
    let mut flow = testkit::old_client();
    let hello = flow.facts.server_hello.as_mut().unwrap();
    (hello.cipher_suite, hello.group) = (Some(0xabcd), Some(0x7777));
    flow.facts.alerts = [70, 222]
        .map(|description| dissect::Alert {
            from: dissect::Side::Server,
            level: 2,
            description,
            at: testkit::mark(9, 9),
        })
        .into_iter()
        .collect();
    let row = &json(&[flow])[0];
    assert_eq!(row["cipher"], "unknown-43981");
    assert_eq!(row["curve"], "unknown-30583");
    assert_eq!(row["last_alert"], "unknown-222");
}

#[test]
fn times_before_1970_are_negative() {
    let mut out = String::new();
    put_seconds(&mut out, Timestamp::from_nanos(-1_500_000_000));
    assert_eq!(out, "-1.500000");
}

proptest! {
    #[test]
    fn no_text_breaks_a_row(
        flows in prop::collection::vec(testkit::any_judged_flow(), 1..10),
        name in any::<String>(),
    ) {
        let mut flows = flows;
        flows[0].server_name = Some((name.into(), crate::NameSource::Dns));
        let text = tsv(&flows);
        let (_, _, rows) = read(&text);
        prop_assert_eq!(rows.len(), flows.len());
        prop_assert!(rows.iter().all(|row| row.len() == FIELDS.len()));
        prop_assert_eq!(json(&flows).len(), flows.len());
    }
}

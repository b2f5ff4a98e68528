//! `tlsunset review` beside `tlsunset analyze`, on what tshark exports of the samples: the same
//! verdicts wherever the text carries the bytes, and never another one where it does not. And on
//! texts that no program should write.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Folder, Ran, Row, Sample, analyze, sample, samples, table, tlsunset};

/// Runs `tlsunset review` with `text` on standard input.
fn review<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, text: &[u8]) -> Ran {
    let mut command = tlsunset();
    command.arg("review").args(arguments).arg("-").stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that gives up early closes its end.
            let _ = pipe.write_all(text);
        });
        child.wait_with_output().unwrap().into()
    })
}

/// The connections of a text.
fn flows(text: &[u8]) -> Vec<Row> {
    table(&review(["-q", "--flows", "-"], text).expect(0).stdout, b',')
}

/// The connections of a capture.
fn flows_of(sample: &Sample) -> Vec<Row> {
    let arguments = ["-q", "--flows", "-"].map(OsStr::new).into_iter().chain(sample.arguments());
    table(&analyze(arguments).expect(0).stdout, b',')
}

/// What tshark says of a capture; `None`, loudly, where there is no tshark.
fn tshark(capture: &Path, options: &[&str]) -> Option<Vec<u8>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-r"]).arg(capture);
    match command.args(options).output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            Some(output.stdout)
        }
        Err(error) => {
            eprintln!("SKIPPED a comparison with tshark, which does not run: {error}");
            None
        }
    }
}

const LIST: [&str; 7] = [
    "_ws.col.No.",
    "_ws.col.Time",
    "_ws.col.Source",
    "_ws.col.Destination",
    "_ws.col.Protocol",
    "frame.len",
    "_ws.col.Info",
];

/// The titles that Wireshark gives to [`LIST`].
const TITLES: &str =
    "\"No.\",\"Time\",\"Source\",\"Destination\",\"Protocol\",\"Length\",\"Info\"\n";

const FIELDS: [&str; 46] = [
    "frame.number",
    "frame.time_epoch",
    "frame.len",
    "frame.cap_len",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "tcp.stream",
    "tcp.seq",
    "tcp.flags",
    "tls.record.content_type",
    "tls.record.opaque_type",
    "tls.record.version",
    "tls.record.length",
    "tls.handshake.type",
    "tls.handshake.version",
    "tls.handshake.random",
    "tls.handshake.session_id_length",
    "tls.handshake.cipher_suites_length",
    "tls.handshake.ciphersuite",
    "tls.handshake.cipher_spec_len",
    "tls.handshake.cipherspec",
    "tls.handshake.comp_method",
    "tls.handshake.extensions_length",
    "tls.handshake.extension.type",
    "tls.handshake.extension.len",
    "tls.handshake.extensions_server_name",
    "tls.handshake.extensions.supported_version",
    "tls.handshake.extensions_supported_group",
    "tls.handshake.extensions_key_share_group",
    "tls.handshake.extensions_key_share_selected_group",
    "tls.handshake.sig_hash_alg",
    "tls.handshake.extensions_ec_point_format",
    "tls.handshake.server_named_curve",
    "tls.alert_message.level",
    "tls.alert_message.desc",
    "dtls.handshake.type",
    "dtls.record.content_type",
    "http.request.method",
    "http.request.uri",
    "x509ce.dNSName",
];

/// The fields that people ask for first.
const FEW_FIELDS: [&str; 14] = [
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tls.handshake.type",
    "tls.handshake.version",
    "tls.handshake.extensions.supported_version",
    "tls.handshake.ciphersuite",
    "tls.handshake.extensions_server_name",
    "tls.alert_message.level",
    "tls.alert_message.desc",
];

/// `tshark -T fields` with a header and these options of `-E`.
fn fields<'a>(options: &[&'a str], fields: &[&'a str]) -> Vec<&'a str> {
    let options = options.iter().flat_map(|option| ["-E", option]);
    let fields = fields.iter().flat_map(|field| ["-e", field]);
    ["-T", "fields", "-E", "header=y"].into_iter().chain(options).chain(fields).collect()
}

type Ends = [String; 4];

/// Rows by the two ends.
fn by_ends(rows: &[Row]) -> BTreeMap<Ends, Vec<&Row>> {
    let mut ends: BTreeMap<Ends, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let key = ["client_ip", "client_port", "server_ip", "server_port"];
        ends.entry(key.map(|column| row[column].clone())).or_default().push(row);
    }
    ends
}

/// The samples of which a text can't tell what decides, and why.
const LESS: [(&str, &str); 3] = [
    ("pseudo-tls-google", "what tells the imitation stands in no field"),
    ("snap-length", "tshark reads less of a cut hello"),
    ("x-anonymoustls", "tshark does not follow this upgrade"),
];

#[test]
fn exports_that_carry_the_bytes_give_the_same_verdicts() {
    let styles =
        [("ek", vec!["-T", "ek"]), ("fields", fields(&["separator=,", "quote=d"], &FIELDS))];
    let mut compared = 0;
    for sample in samples().iter().filter(|sample| sample.inputs.len() == 1) {
        let analyzed = flows_of(sample);
        for (style, options) in &styles {
            let Some(text) = tshark(&sample.inputs[0], options) else { return };
            let reviewed = flows(&text);
            let found = by_ends(&reviewed);
            for (ends, rows) in by_ends(&analyzed) {
                let about = format!("{} as {style}: {ends:?}", sample.name);
                let is_less = LESS.iter().any(|(name, _)| *name == sample.name);
                if is_less && !found.contains_key(&ends) {
                    continue;
                }
                let others = found.get(&ends).unwrap_or_else(|| panic!("{about} is missing"));
                assert_eq!(others.len(), rows.len(), "{about}");
                for (row, other) in rows.iter().zip(others) {
                    compared += 1;
                    if is_less {
                        assert!(may_stand_for(&other["verdict"], &row["verdict"]), "{about}");
                        continue;
                    }
                    for column in ["verdict", "cause", "negotiated", "offered_max", "cipher"] {
                        assert_eq!(
                            other[column], row[column],
                            "{about}: {column}: {} / {}",
                            other["reason"], row["reason"]
                        );
                    }
                }
            }
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn separators_quotes_and_aggregators_change_nothing() {
    let demo = sample("demo");
    let verdicts = |rows: &[Row]| -> Vec<[String; 3]> {
        rows.iter().map(|row| ["client_ip", "verdict", "cause"].map(|it| row[it].clone())).collect()
    };
    let Some(json) = tshark(&demo, &["-T", "json"]) else { return };
    let expect = verdicts(&flows(&json));
    assert!(expect.len() > 20);
    for options in [
        &["separator=/t"][..],
        &["separator=;", "aggregator=|"],
        &["separator=,", "quote=d", "aggregator=/s"],
        &["separator=,", "quote=s", "occurrence=a"],
        &["separator=,", "quote=d", "bom=y"],
    ] {
        let text = tshark(&demo, &fields(options, &FIELDS)).unwrap();
        assert_eq!(verdicts(&flows(&text)), expect, "{options:?}");
    }
}

/// Whether a verdict may stand where another one is known: what a text leaves out makes a
/// verdict unknown, and an answer that it leaves out turns a refusal into a hello without answer.
fn may_stand_for(told: &str, known: &str) -> bool {
    told == known || told == "unknown" || (told, known) == ("breaks", "fails-today")
}

#[test]
fn what_an_export_leaves_out_is_never_made_up() {
    let hellos = ["-Y", "tls.handshake or tls.alert_message"];
    let few = fields(&["separator=;", "aggregator=/s"], &FEW_FIELDS);
    let styles = [
        ("the first values", fields(&["occurrence=f"], &FIELDS)),
        ("the last values", fields(&["occurrence=l"], &FIELDS)),
        ("few fields", [few.as_slice(), &hellos].concat()),
    ];
    let cases = [
        "demo",
        "fallback-dance",
        "fallback-dance-refused",
        "no-common-suite",
        "refused-by-reset",
        "tls13-ok",
        "ssl2-hello",
    ];
    for case in cases {
        let analyzed = table(
            &analyze(["-q".as_ref(), "--flows".as_ref(), "-".as_ref(), sample(case).as_os_str()])
                .expect(0)
                .stdout,
            b',',
        );
        let known = by_ends(&analyzed);
        for (style, options) in &styles {
            let Some(text) = tshark(&sample(case), options) else { return };
            for (ends, rows) in by_ends(&flows(&text)) {
                let verdict = &known[&ends][0]["verdict"];
                // Through a proxy only names tell where a connection goes.
                if known[&ends][0]["upgrade"] == "http-connect" {
                    continue;
                }
                for row in rows {
                    assert!(
                        may_stand_for(&row["verdict"], verdict),
                        "{case}, {style}, {ends:?}: {} for {verdict}: {}",
                        row["verdict"],
                        row["reason"]
                    );
                }
            }
        }
    }
}

#[test]
fn packet_lists_tell_versions_and_no_more() {
    let mut versions = 0;
    for sample in samples().iter().filter(|sample| sample.inputs.len() == 1) {
        let analyzed = flows_of(sample);
        let known = by_ends(&analyzed);
        for passes in [&[][..], &["-2"]] {
            let options = fields(&["separator=,", "quote=d"], &LIST);
            let options = [options.as_slice(), passes].concat();
            let Some(text) = tshark(&sample.inputs[0], &options) else { return };
            let rows = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            for row in flows(&[TITLES.as_bytes(), &text[rows..]].concat()) {
                let is_open = ["unknown", "unaffected", "out-of-scope"];
                assert!(is_open.contains(&row["verdict"].as_str()), "{}: {row:?}", sample.name);
                assert_eq!(row["offered_max"].replace("TLSv1.3", ""), "", "{}", sample.name);
                let ends = ["client_ip", "client_port", "server_ip", "server_port"];
                let Some(others) = known.get(&ends.map(|column| row[column].clone())) else {
                    continue;
                };
                if !row["negotiated"].is_empty() && others[0]["protocol"] == "tls" {
                    let is_known = others.iter().any(|it| it["negotiated"] == row["negotiated"]);
                    assert!(is_known, "{}: {row:?}", sample.name);
                    assert!(row["reason"].contains("leaves out the bytes"), "{}", row["reason"]);
                    versions += 1;
                }
            }
        }
    }
    assert!(versions == 0 || versions > 60, "{versions}");
}

#[test]
fn our_own_list_of_handshakes_is_read_back() {
    let folder = Folder::new("review");
    common::analyze_to(folder.path(), [sample("tls10-client-outlook")]).expect(0);
    let rows = flows(&std::fs::read(folder.join("handshakes.csv")).unwrap());
    assert_eq!(rows.len(), 1);
    assert_eq!((&*rows[0]["client_ip"], &*rows[0]["client_port"]), ("10.20.1.11", "49211"));
    assert_eq!((&*rows[0]["negotiated"], &*rows[0]["verdict"]), ("TLSv1.0", "unknown"));
}

const TWO_ROWS: &str = "\
No.,Time,Source,Destination,Protocol,Length,Info
1,0.1,10.0.0.7,52.97.1.1,TLSv1,200,Client Hello (SNI=outlook.office365.com)
2,0.2,52.97.1.1,10.0.0.7,TLSv1,900,\"Server Hello, Certificate, Server Hello Done\"
";

#[test]
fn every_output_and_saved_run_works_as_for_captures() {
    let folder = Folder::new("review");
    let out = folder.join("report");
    let file = folder.write("list.csv", TWO_ROWS);
    let arguments = ["review".as_ref(), file.as_os_str(), "--out".as_ref(), out.as_os_str()];
    common::run(arguments).expect(0).says(&["list.csv: a packet list does not say"]);
    let names = common::names(&out);
    for name in ["flows.csv", "handshakes.csv", "hosts.csv", "state.tlsunset", "summary.json"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    let summary = std::fs::read_to_string(out.join("summary.json")).unwrap();
    for part in [
        "\"packet-list\": 1",
        "\"rows_read\": 2",
        "\"malformed\": 0",
        "\"frames_read\": 2",
        "\"frames_dissected\": 2",
    ] {
        assert!(summary.contains(part), "no {part} in {summary}");
    }
    let explained = common::run(["explain".as_ref(), out.as_os_str(), "10.0.0.7".as_ref()]);
    assert!(explained.expect(0).stdout.contains("leaves out the bytes"));
    let merged = folder.join("merged");
    let arguments = ["merge".as_ref(), out.as_os_str(), "--out".as_ref(), merged.as_os_str()];
    common::run(arguments).expect(0);
    let merged = std::fs::read_to_string(merged.join("summary.json")).unwrap();
    assert!(merged.contains("\"rows_read\": 2"), "{merged}");
}

#[test]
fn lines_that_are_none_are_named_and_cost_nothing_else() {
    let text = format!(
        "{TWO_ROWS}3,0.3,\"10.0.0.7\n4,0.4,10.0.0.8,52.97.1.1,TLSv1,200,Client Hello\n\u{0}\n"
    );
    let ran = review(["--flows", "-"], text.as_bytes()).expect(0);
    assert_eq!(table(&ran.stdout, b',').len(), 2, "{}", ran.stdout);
    ran.says(&["-: line 4 was not understood: a quote that is never closed", "line 6 was not"]);
    let text = TWO_ROWS.replace("10.0.0.7,52", "OFFICE-PC,52");
    review(["--flows", "-"], text.as_bytes()).expect(0).says(&["line 2", "is no address"]);
    let text = TWO_ROWS.replace(",0.2,", ",soon,");
    review(["--flows", "-"], text.as_bytes()).expect(0).says(&["line 3", "\"soon\" is no time"]);
}

#[test]
fn what_is_no_export_is_an_error_that_helps() {
    let check = |text: &[u8], parts: &[&str]| {
        let _ = review(["--flows", "-"], text).expect(2).says(parts);
    };
    check(b"", &["empty"]);
    check(b"No.,Time,Source,Info\n", &["address of the receiver", "tshark -n -r"]);
    check(b"frame.number,ip.src,ip.dst\n1,10.0.0.1,10.0.0.2\n", &["tls.handshake.type"]);
    check(b"1,10.0.0.1,10.0.0.2\n", &["header=y"]);
    check(b"\xd4\xc3\xb2\xa1\x02\0\x04\0", &["tlsunset analyze"]);
    check(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0", &["no text"]);
    check(b"<?xml version=\"1.0\"?>", &["XML"]);
    check(b"{\"a\": 1}\n", &["JSON that holds no packets"]);
    check(b"[{\"_source\":{\"layers\":{\"frame_raw\":[\"00\",0,1,0,1]}}}]", &["jsonraw"]);
    let folder = Folder::new("review");
    let file = folder.write("list.csv", TWO_ROWS);
    analyze([file]).expect(2).says(&["tlsunset review"]);
    common::run(["review".as_ref(), folder.join("none.csv").as_os_str()])
        .expect(2)
        .says(&["none.csv"]);
}

#[test]
fn a_header_alone_is_an_empty_report() {
    let header = TWO_ROWS.lines().next().unwrap();
    let ran = review(["--flows", "-"], format!("{header}\n").as_bytes()).expect(0);
    assert_eq!(table(&ran.stdout, b',').len(), 0);
    ran.says(&["it has no rows"]);
}

#[test]
fn check_counts_hosts_that_break() {
    let fields = "ip.src,ip.dst,tcp.srcport,tcp.dstport,tls.handshake.type,tls.handshake.version\n";
    let text = format!("{fields}10.0.0.7,52.97.1.1,50000,443,1,0x0301\n");
    review(["--check", "-q"], text.as_bytes()).expect(1);
    let text = format!("{fields}10.0.0.7,52.97.1.1,50000,443,1,0x0303\n");
    review(["--check", "-q"], text.as_bytes()).expect(0);
}

#[test]
fn packed_texts_are_unpacked() {
    let text = [TWO_ROWS.as_bytes()].concat();
    let expect = flows(&text);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&text).unwrap();
    let gzip = gzip.finish().unwrap();
    assert_eq!(flows(&gzip), expect);
    for tool in ["zstd", "lz4"] {
        let folder = Folder::new("review");
        let file = folder.write("list.csv", &text);
        match Command::new(tool).arg("-qc").arg(file).output() {
            Ok(packed) => assert_eq!(flows(&packed.stdout), expect, "{tool}"),
            Err(error) => eprintln!("SKIPPED text packed by {tool}, which does not run: {error}"),
        }
    }
    // What was unpacked before the damage counts; the rest is said.
    let twice = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let short =
        review(["--flows", "-"], &gzip[..gzip.len() - 4]).expect(2).says(&["ends too early"]);
    assert_eq!(table(&short.stdout, b',').len(), 1);
    let others = "3,0.3,10.0.0.8,10.0.0.9,DNS,80,Standard query\n".repeat(10_000);
    let long = twice(&[&text, others.as_bytes()].concat());
    let cut = review(["--flows", "-"], &long[..long.len() - 4]).expect(2).says(&["ends too early"]);
    assert_eq!(table(&cut.stdout, b',').len(), 1);
    let with_more = [gzip.as_slice(), b"more"].concat();
    review(["--flows", "-"], &with_more).expect(0).says(&["bytes behind the end of the gzip"]);
    review(["--flows", "-"], &twice(b"\xd4\xc3\xb2\xa1\x02\0\x04\0"))
        .expect(2)
        .says(&["tlsunset analyze"]);
}

#[test]
fn rows_that_a_filter_took_prove_nothing() {
    let filters = ["tls.handshake or tcp.flags.reset == 1 or tcp.flags.fin == 1", "tls.handshake"];
    for sample in samples().iter().filter(|sample| sample.inputs.len() == 1) {
        let analyzed = flows_of(sample);
        let known = by_ends(&analyzed);
        for filter in filters {
            let options = [fields(&["separator=,", "quote=d"], &FIELDS), vec!["-Y", filter]];
            let Some(text) = tshark(&sample.inputs[0], &options.concat()) else { return };
            for (ends, rows) in by_ends(&flows(&text)) {
                let Some(others) = known.get(&ends) else { continue };
                for (row, other) in rows.iter().zip(others) {
                    for column in ["established", "resumed"] {
                        let is_said = !row[column].is_empty();
                        assert!(
                            !is_said || row[column] == other[column],
                            "{} with {filter}: {ends:?}: {column} {}",
                            sample.name,
                            row[column]
                        );
                    }
                }
            }
        }
    }
}

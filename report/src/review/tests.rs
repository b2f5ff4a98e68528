use dissect::{Coverage, FlowFacts, HelloExtent, Protocol, RefusalKind, Version};

use super::*;

fn reviewed(texts: &[&str]) -> Reviewed {
    let mut reviewer = Reviewer::new(1 << 20);
    for text in texts {
        reviewer.read(text.as_bytes()).expect("an export");
    }
    let mut reviewed = reviewer.finish();
    reviewed.flows.sort_by_key(|facts| facts.first);
    reviewed
}

fn flows(text: &str) -> Vec<Box<FlowFacts>> {
    reviewed(&[text]).flows
}

/// A packet list with these rows: source, destination, protocol, info; times count up.
fn list(rows: &[(&str, &str, &str, &str)]) -> String {
    let mut text = "No.,Time,Source,Destination,Protocol,Length,Info\n".to_owned();
    for (number, (source, destination, protocol, info)) in (1..).zip(rows) {
        text += &format!("{number},{number}.5,{source},{destination},{protocol},99,\"{info}\"\n");
    }
    text
}

const A: &str = "10.0.0.7";
const B: &str = "52.97.1.1";

/// One hello in fields, with more columns and their values.
fn hello(more: &[(&str, &str)]) -> FlowFacts {
    let fixed = [
        ("frame.time_epoch", "1540944000.5"),
        ("ip.src", A),
        ("ip.dst", B),
        ("tcp.srcport", "50000"),
        ("tcp.dstport", "443"),
        ("tls.handshake.type", "1"),
    ];
    let all = [fixed.as_slice(), more].concat();
    let join =
        |part: fn(&(&str, &str)) -> String| all.iter().map(part).collect::<Vec<_>>().join("\t");
    let text = format!("{}\n{}\n", join(|it| it.0.to_owned()), join(|it| it.1.to_owned()));
    let mut flows = flows(&text);
    assert_eq!(flows.len(), 1, "{text}");
    *flows.remove(0)
}

fn extent(facts: &FlowFacts) -> HelloExtent {
    facts.client_hello.as_ref().expect("a hello").offer.extent
}

#[test]
fn the_version_of_a_listed_hello_is_nobodys_offer() {
    for version in ["SSLv2", "SSLv3", "TLSv1", "TLSv1.2", "TLSv1.3", "SSL"] {
        let flows = flows(&list(&[(A, B, version, "Client Hello")]));
        assert_eq!(flows[0].offered_max(), None, "{version}");
        assert_eq!(flows[0].negotiated(), None, "{version}");
        assert!(flows[0].coverage.contains(Coverage::TRUNCATED));
    }
}

#[test]
fn the_version_of_a_listed_answer_is_what_was_selected() {
    for (name, version) in [
        ("SSLv2", Version::Ssl2),
        ("SSLv3", Version::Ssl3),
        ("TLSv1", Version::Tls10),
        ("TLSv1.1", Version::Tls11),
        ("TLSv1.2", Version::Tls12),
        ("TLSv1.3", Version::Tls13),
    ] {
        let rows = [(A, B, "TLSv1", "Client Hello"), (B, A, name, "Server Hello, Certificate")];
        assert_eq!(flows(&list(&rows))[0].negotiated(), Some(version), "{name}");
    }
}

#[test]
fn a_listed_refusal_is_told_by_alert_and_by_the_ports_of_a_reset() {
    let alert = "Alert (Level: Fatal, Description: Protocol Version)";
    let facts = &flows(&list(&[(A, B, "TLSv1", "Client Hello"), (B, A, "TLSv1", alert)]))[0];
    assert_eq!(facts.refusal.map(|it| it.kind), Some(RefusalKind::Alert(70)));
    let facts = &flows(&list(&[
        (A, B, "TCP", "50000 \u{2192} 443 [SYN] Seq=0"),
        (B, A, "TCP", "443 \u{2192} 50000 [SYN, ACK] Seq=0"),
        (A, B, "TLSv1", "Client Hello"),
        (B, A, "TCP", "443 \u{2192} 50000 [RST, ACK] Seq=1 Ack=119"),
    ]))[0];
    assert_eq!(facts.refusal.map(|it| it.kind), Some(RefusalKind::Reset));
    assert_eq!((facts.client.port, facts.server.port), (50000, 443));
}

#[test]
fn connections_without_ports_are_told_apart_in_order() {
    let reviewed = reviewed(&[&list(&[
        (A, B, "TLSv1", "Client Hello"),
        (A, B, "TLSv1", "Client Hello"),
        (B, A, "TLSv1.2", "Server Hello, Certificate"),
        (B, A, "TLSv1", "Server Hello, Certificate"),
        (A, B, "TLSv1.2", "Application Data"),
        (A, "52.97.1.2", "TLSv1", "Client Hello"),
    ])]);
    let versions: Vec<_> = reviewed.flows.iter().map(|it| it.negotiated()).collect();
    assert_eq!(versions, [Some(Version::Tls12), Some(Version::Tls10), None]);
    assert_eq!((reviewed.info.ambiguous_rows, reviewed.info.grouped_flows > 0), (1, true));
    assert_eq!(reviewed.info.rows_read, 6);
}

#[test]
fn one_value_of_a_list_is_not_the_list() {
    let facts = hello(&[
        ("tls.handshake.version", "0x0303"),
        ("tls.handshake.ciphersuite", "0x1301"),
        ("tls.handshake.extensions.supported_version", "0x0304"),
        ("tls.handshake.extensions_supported_group", "0x001d"),
    ]);
    assert_eq!((facts.offered_max(), extent(&facts)), (None, HelloExtent::Suites));
    let facts = hello(&[
        ("tls.handshake.version", "0x0303"),
        ("tls.handshake.cipher_suites_length", "2"),
        ("tls.handshake.ciphersuite", "0x1301"),
    ]);
    assert_eq!(extent(&facts), HelloExtent::Extensions);
}

/// A hello of TLS 1.2 in all columns.
const WHOLE: [(&str, &str); 8] = [
    ("tls.handshake.version", "0x0303"),
    ("tls.handshake.ciphersuite", "0xc02f,0xc030"),
    ("tls.handshake.extension.type", "10,13"),
    ("tls.handshake.extensions.supported_version", ""),
    ("tls.handshake.extensions_supported_group", "0x001d"),
    ("tls.handshake.sig_hash_alg", "0x0401"),
    ("frame.len", "300"),
    ("frame.cap_len", "300"),
];

#[test]
fn what_is_absent_counts_only_where_nothing_was_cut() {
    let facts = hello(&WHOLE);
    assert_eq!((facts.offered_max(), extent(&facts)), (Some(Version::Tls12), HelloExtent::Whole));
    assert!(!facts.coverage.contains(Coverage::TRUNCATED));
    let mut cut = WHOLE;
    cut[7].1 = "96";
    let facts = hello(&cut);
    assert_eq!((facts.offered_max(), extent(&facts)), (None, HelloExtent::Extensions));
    for missing in [2, 3, 4, 5] {
        let fewer: Vec<_> = (0..8).filter(|at| *at != missing).map(|at| WHOLE[at]).collect();
        assert_eq!(hello(&fewer).offered_max(), None, "without {}", WHOLE[missing].0);
    }
    let by_lengths = [
        &WHOLE[..6],
        &[("tls.handshake.extension.len", "4,4"), ("tls.handshake.extensions_length", "16")],
    ];
    assert_eq!(extent(&hello(&by_lengths.concat())), HelloExtent::Whole);
}

#[test]
fn an_old_version_is_an_offer_without_anything_else() {
    let facts = hello(&[("tls.handshake.version", "0x0301")]);
    assert_eq!(facts.offered_max(), Some(Version::Tls10));
    let facts = hello(&[("ssl.handshake.version", "769")]);
    assert_eq!(facts.offered_max(), Some(Version::Tls10));
    let facts = hello(&[("tls.handshake.version", "")]);
    assert_eq!(facts.offered_max(), None);
}

#[test]
fn two_hellos_in_a_row_of_cells_are_none() {
    let facts = hello(&[("tls.handshake.version", "0x0301,0x0303")]);
    assert_eq!(facts.offered_max(), None);
    let text = "ip.src\tip.dst\ttls.handshake.type\ttls.handshake.version\n\
                10.0.0.7\t52.97.1.1\t1,1\t0x0301,0x0303\n";
    assert_eq!(flows(text)[0].offered_max(), None);
}

#[test]
fn a_port_that_is_used_again_is_another_connection() {
    let header = "frame.time_epoch\tip.src\tip.dst\ttcp.srcport\ttcp.dstport\
                  \ttls.handshake.type\ttls.handshake.version\ttls.handshake.random\n";
    let row = |at: u32, digit: &str| {
        format!("{at}\t{A}\t{B}\t50000\t443\t1\t0x0301\t{}\n", digit.repeat(64))
    };
    let same = format!("{header}{}{}", row(1, "a"), row(2, "a"));
    assert_eq!(flows(&same).len(), 1);
    let other = format!("{header}{}{}", row(1, "a"), row(2, "b"));
    assert_eq!(flows(&other).len(), 2);
}

#[test]
fn texts_that_count_from_their_beginning_stand_apart() {
    let text = list(&[(A, B, "TLSv1", "Client Hello")]);
    let flows = reviewed(&[&text, &text]).flows;
    assert_eq!(flows.len(), 2);
    let gap = flows[1].first.time.nanos_since(flows[0].first.time);
    assert!(gap >= 3600 * 1_000_000_000, "{gap}");
}

#[test]
fn a_connection_goes_on_in_the_next_text() {
    let header = "frame.time_epoch\tip.src\tip.dst\ttcp.srcport\ttcp.dstport\ttcp.stream\
                  \ttls.handshake.type\ttls.handshake.version\n";
    let asks = format!("{header}1540944000\t{A}\t{B}\t50000\t443\t7\t1\t0x0301\n");
    let answers = format!("{header}1540944001\t{B}\t{A}\t443\t50000\t0\t2\t0x0301\n");
    let flows = reviewed(&[&asks, &answers]).flows;
    assert_eq!(flows.len(), 1);
    assert_eq!(flows[0].negotiated(), Some(Version::Tls10));
}

#[test]
fn quic_and_dtls_make_rows_of_their_own() {
    let rows = [
        (A, B, "QUIC", "Initial, DCID=00, PKN: 0, CRYPTO, PADDING"),
        (A, "52.97.1.2", "QUIC", "Protected Payload (KP0)"),
        (A, "52.97.1.3", "DTLSv1.2", "Client Hello"),
    ];
    let protocols: Vec<_> = flows(&list(&rows)).iter().map(|facts| facts.protocol).collect();
    assert_eq!(protocols, [Protocol::Quic, Protocol::Dtls]);
}

#[test]
fn titles_that_stand_twice_count_once() {
    let text = format!(
        "No.,Time,Source,Destination,Protocol,Length,Info,Info\n\
                        1,1.5,{A},{B},TLSv1,99,Client Hello,Server Hello\n"
    );
    let flows = flows(&text);
    assert!(flows[0].client_hello.is_some() && flows[0].server_hello.is_none());
}

#[test]
fn addresses_of_both_families_may_have_columns_of_their_own() {
    let text = "ip.src;ipv6.src;ip.dst;ipv6.dst;tls.handshake.type\n\
                ;2001:db8::7;;2001:db8::1;1\n10.0.0.7;;52.97.1.1;;1\n";
    assert_eq!(flows(text).len(), 2);
}

#[test]
fn every_row_is_counted_once() {
    let text = "{\"index\":{\"_type\":\"doc\"}}\n{\"layers\":{\"ip\":{\"ip_ip_src\":\"10.0.0.7\",\"ip_ip_dst\":\"52.97.1.1\"}}}\n\
                nonsense\n{\"event_type\":\"dns\"}\n{\"layers\":{\"arp\":{\"arp_arp_opcode\":\"1\"}}}\n";
    let reviewed = reviewed(&[text]);
    let info = &reviewed.info;
    assert_eq!((info.rows_read, info.not_understood(), info.rows_of_others), (4, 2, 1));
    assert_eq!((reviewed.counters.frames, reviewed.counters.dissected), (1, 1));
}

/// Rows in fields: source, type of content, of message, of ChangeCipherSpec or not, flags.
fn conversation(rows: &[(&str, &str, &str, &str)]) -> FlowFacts {
    let mut text = "frame.number,ip.src,ip.dst,tcp.srcport,tcp.dstport,tls.record.content_type,\
                    tls.handshake.type,tls.handshake.version,tcp.flags,tls.record.length\n"
        .to_owned();
    for (number, (source, content, message, flags)) in (1..).zip(rows) {
        let (ends, ports) = match *source == A {
            true => (format!("{A},{B}"), "50000,443"),
            false => (format!("{B},{A}"), "443,50000"),
        };
        let version = if message.is_empty() { "" } else { "0x0301" };
        text += &format!("{number},{ends},{ports},{content},{message},{version},{flags},\n");
    }
    let mut flows = flows(&text);
    assert_eq!(flows.len(), 1, "{text}");
    *flows.remove(0)
}

const HELLOS: [(&str, &str, &str, &str); 2] = [(A, "22", "1", "0x018"), (B, "22", "2", "0x018")];
const RESET: (&str, &str, &str, &str) = (A, "", "", "0x004");
const BARE: (&str, &str, &str, &str) = (A, "", "", "0x010");

#[test]
fn a_handshake_was_broken_off_only_where_no_row_can_be_missing() {
    let filtered = [HELLOS.as_slice(), &[RESET]].concat();
    assert_eq!(conversation(&filtered).established, None);
    let all = [&[BARE], HELLOS.as_slice(), &[BARE, RESET]].concat();
    assert_eq!(conversation(&all).established, Some(false));
    let went_on = [HELLOS.as_slice(), &[BARE]].concat();
    assert_eq!(conversation(&went_on).established, None);
    let both = [(A, "20", "", "0x018"), (B, "20", "", "0x018")];
    let whole = [HELLOS.as_slice(), &both, &[RESET]].concat();
    assert_eq!(conversation(&whole).established, Some(true));
}

#[test]
fn a_session_was_resumed_only_where_the_server_changed_first() {
    let (ours, theirs) = ((A, "20", "", "0x018"), (B, "20", "", "0x018"));
    let resumed = |more: &[(&str, &str, &str, &str)]| {
        conversation(&[HELLOS.as_slice(), more].concat()).resumed
    };
    assert_eq!(resumed(&[theirs, ours]), Some(true));
    assert_eq!(resumed(&[ours, theirs]), None, "the certificate's row may be missing");
    assert_eq!(resumed(&[theirs]), None);
    assert_eq!(resumed(&[(B, "22", "11", "0x018"), ours, theirs]), Some(false));
}

#[test]
fn rows_of_tls_alone_are_said() {
    let header = "ip.src,ip.dst,tcp.srcport,tcp.dstport,tls.handshake.type,tcp.flags\n";
    let hello = format!("{A},{B},50000,443,1,0x018\n");
    let says = |text: &str| {
        let report = Reviewer::new(1 << 20).read(text.as_bytes()).unwrap();
        report.notices.iter().any(|notice| notice.contains("no segments without TLS"))
    };
    assert!(says(&format!("{header}{hello}")));
    assert!(!says(&format!("{header}{hello}{B},{A},443,50000,,0x010\n")));
}

/// A log of Zeek as its ASCII writer has it.
fn zeek_log(path: &str, fields: &str, rows: &[&str]) -> String {
    let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
    format!(
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\t{path}\n\
         #open\t2026-11-23-08-00-00\n#fields\t{}\n#types\t...\n{}#close\t2026-11-23-09-00-00\n",
        fields.replace(' ', "\t"),
        rows.replace(' ', "\t")
    )
}

/// Columns as in `ssl.log` of Zeek 3 and 6, and as in `conn.log`.
#[test]
fn of_the_logs_of_zeek_only_the_one_of_tls_counts() {
    let fields = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p version cipher curve server_name \
                  resumed last_alert next_protocol established";
    let row = "1540944000.1 CHh1 10.0.0.7 50000 52.97.1.1 443 TLSv12 \
               TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 - outlook.office365.com T - - T";
    let old = zeek_log("ssl", fields, &[row]);
    let row = format!("{row} CsiI");
    let new = zeek_log("ssl", &format!("{fields} ssl_history"), &[&row]);
    let fields = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration history";
    let other = "1540944000.1 CHh1 10.0.0.7 50000 52.97.1.1 443 tcp ssl 1.5 ShADadFf";
    let other = zeek_log("conn", fields, &[other]);
    let text = [&*other, &old, &new].concat();
    let reviewed = reviewed(&[&text]);
    assert_eq!((reviewed.flows.len(), reviewed.info.rows_of_others), (2, 1));
    assert!(reviewed.flows.iter().all(|it| it.negotiated() == Some(Version::Tls12)));
    let json = r#"{"ts":1540944000.1,"uid":"CHh1","id.orig_h":"10.0.0.7","id.orig_p":50000,"id.resp_h":"52.97.1.1","id.resp_p":443,"proto":"tcp","service":"ssl","duration":1.5,"history":"ShADadFf"}"#;
    for text in [&*other, json] {
        let mut reviewer = Reviewer::new(1 << 20);
        let error = reviewer.read(text.as_bytes()).expect_err("another log");
        assert!(error.to_string().contains("give ssl.log"), "{error}");
        assert_eq!(reviewer.finish().flows.len(), 0);
    }
}

/// As `LogAscii::separator` and the like make them.
#[test]
fn zeek_may_write_other_characters_between_values() {
    let log = "#separator \\x2c\n#set_separator,|\n#empty_field,EMPTY\n#unset_field,NONE\n#path,ssl\n\
               #fields,ts,id.orig_h,id.orig_p,id.resp_h,id.resp_p,version,cipher,server_name,\
               established,client_version,client_ciphers,ssl_client_exts\n\
               #types,time,addr,port,addr,port,string,string,string,bool,count,vector[count],vector[count]\n\
               1540944000.5,10.0.0.7,50000,52.97.1.1,443,TLSv10,TLS_RSA_WITH_AES_128_CBC_SHA,NONE,\
               T,769,49172|53|47,EMPTY\n";
    for log in
        [log.to_owned(), log.replace("\\x2c", ","), log.replace(',', ";").replace("\\x2c", ";")]
    {
        let facts = flows(&log).remove(0);
        assert_eq!(facts.negotiated(), Some(Version::Tls10), "{log}");
        let offer = &facts.client_hello.as_ref().unwrap().offer;
        assert_eq!((offer.cipher_suites.len(), offer.extensions.as_ref()), (3, None));
        assert_eq!(facts.client_hello.as_ref().unwrap().server_name, None);
    }
    let wide = log.replace("\\x2c", "||");
    assert!(Reviewer::new(1 << 20).read(wide.as_bytes()).is_err());
}

/// What syslog, Filebeat, Elasticsearch, Splunk and Wazuh make of a line of EVE.
#[test]
fn events_are_found_in_what_shippers_put_around_them() {
    let event = "{\"timestamp\":\"2026-11-23T08:00:00.499967+0000\",\"event_type\":\"tls\",\
                 \"src_ip\":\"10.0.0.7\",\"src_port\":50000,\"dest_ip\":\"52.97.1.1\",\"dest_port\":443,\
                 \"tls\":{\"sni\":\"outlook.office365.com\",\"version\":\"TLS 1.3\"}}";
    let quoted = format!("\"{}\"", event.replace('"', "\\\""));
    let check = |text: String| {
        let reviewed = reviewed(&[&text, &text]);
        assert_eq!(reviewed.info.not_understood(), 0, "{text}");
        assert_eq!(reviewed.flows[0].negotiated(), Some(Version::Tls13), "{text}");
        assert_eq!(reviewed.flows.len(), 2, "{text}");
    };
    check(event.to_owned());
    check(format!("Nov 23 08:00:00 sensor suricata[812]: {event}\n"));
    check(format!("<142>1 2026-11-23T08:00:00Z sensor suricata - - - @cee: {event}\n"));
    check(format!("@cee: {event}\n"));
    check(format!("{{\"_index\":\"logs\",\"_source\":{event}}}\n"));
    check(format!("{{\"json\":{event},\"host\":{{\"name\":\"sensor\"}}}}\n"));
    check(format!("{{\"agent\":{{\"id\":\"1\"}},\"data\":{event}}}\n"));
    check(format!("{{\"source\":{{\"ip\":\"10.0.0.7\"}},\"event\":{{\"original\":{quoted}}}}}\n"));
    check(format!("{{\"source.ip\":\"10.0.0.7\",\"message\":{quoted}}}\n"));
    check(format!("{{\"preview\":false,\"result\":{{\"_raw\":{quoted}}}}}\n"));
    let zeek = "{\"ts\":1540944000.5,\"id_orig_h\":\"10.0.0.7\",\"id_orig_p\":50000,\
                \"id_resp_h\":\"52.97.1.1\",\"id_resp_p\":443,\"version\":\"TLSv13\",\"cipher\":\"x\"}";
    check(zeek.to_owned());
    // Words that are no JSON leave what stands beside them.
    check(format!("{{\"message\":\"{{x\",{}", &event[1..]));
}

/// Suricata has an event for each packet of QUIC.
#[test]
fn a_connection_of_quic_is_one_however_many_events_it_has() {
    let event = |time: &str, port: u16, quic: &str| {
        format!(
            "{{\"timestamp\":\"2026-11-23T08:{time}.1+0000\",\"event_type\":\"quic\",\"src_ip\":\"10.0.0.7\",\
             \"src_port\":{port},\"dest_ip\":\"52.97.1.1\",\"dest_port\":443,\"quic\":{{\"version\":\"1\"{quic}}}}}\n"
        )
    };
    let hello =
        ",\"sni\":\"outlook.office365.com\",\"ja4\":\"q13d0314h3_55b375c5d22e_79cc91d6b50c\"";
    let text = event("00:00", 50000, hello)
        + &event("00:01", 50000, hello)
        + &event("00:01", 50000, "")
        + &event("00:01", 50001, hello)
        + &event("02:00", 50000, hello);
    let reviewed = reviewed(&[&text]);
    assert_eq!((reviewed.flows.len(), reviewed.info.rows_of_others), (3, 2));
}

/// A display filter such as `tls.handshake.type == 1 || tls.alert_message` takes ServerHellos away:
/// then an alert of the server may have come behind one.
#[test]
fn an_alert_refuses_only_where_a_server_hello_would_show() {
    let asks = (A, B, "TLSv1", "Client Hello");
    let alert = (B, A, "TLSv1", "Alert (Level: Fatal, Description: Handshake Failure)");
    let refusals = |rows: &[(&str, &str, &str, &str)]| -> Vec<_> {
        let kinds = flows(&list(rows)).into_iter().map(|it| it.refusal.map(|it| it.kind));
        kinds.collect()
    };
    assert_eq!(refusals(&[asks, alert]), [None]);
    let other = "52.97.1.9";
    let elsewhere =
        [(A, other, "TLSv1", "Client Hello"), (other, A, "TLSv1", "Server Hello, Certificate")];
    let rows = [&[asks, alert], elsewhere.as_slice()].concat();
    assert_eq!(refusals(&rows), [Some(RefusalKind::Alert(40)), None]);
}

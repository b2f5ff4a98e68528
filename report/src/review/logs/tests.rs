use dissect::Side;

use super::*;

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    pairs.iter().for_each(|(key, value)| fields.push(key, value));
    fields
}

const ENDS: [(&str, &str); 5] = [
    ("ts", "1540944000.5"),
    ("id.orig_h", "10.0.0.7"),
    ("id.orig_p", "50000"),
    ("id.resp_h", "52.97.1.1"),
    ("id.resp_p", "443"),
];

fn zeek_row(more: &[(&str, &str)]) -> FlowFacts {
    zeek::connection(&fields(&[ENDS.as_slice(), more].concat())).unwrap().1
}

#[test]
fn zeek_tells_what_was_selected() {
    let facts = zeek_row(&[
        ("version", "TLSv12"),
        ("cipher", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("curve", "secp256r1"),
        ("server_name", "outlook.office365.com"),
        ("established", "T"),
        ("resumed", "F"),
    ]);
    let hello = facts.server_hello.as_ref().unwrap();
    assert_eq!(hello.version(), Some(Version::Tls12));
    assert_eq!((hello.cipher_suite, hello.group), (Some(0xc02f), Some(23)));
    assert_eq!((facts.established, facts.resumed), (Some(true), Some(false)));
    assert_eq!(facts.offered_max(), None);
}

/// Letters and values as Zeek's script for SSL writes them (`SSL::Info`, `add_to_history`).
#[test]
fn zeek_tells_by_letters_who_asked_and_what_was_no_answer() {
    let selected = [("version", "TLSv13"), ("cipher", "TLS_AES_256_GCM_SHA384")];
    let row = |history: &'static str| {
        let more = [("ssl_history", history), ("established", "F"), ("resumed", "F")];
        zeek_row(&[selected.as_slice(), &more].concat())
    };
    let facts = row("^CsiI");
    assert_eq!((facts.client.port, facts.server.port), (443, 50000));
    assert_eq!(facts.dialled_by, Some(Side::Server));
    let facts = row("Cj");
    assert!(facts.hello_retried && facts.server_hello.is_none());
    let facts = row("CjCs");
    assert_eq!((facts.hello_retried, facts.negotiated()), (true, Some(Version::Tls13)));
    // Old ones know of no session of TLS 1.3 that was resumed.
    assert_eq!(facts.resumed, None);
    assert_eq!(zeek_row(&[("version", "TLSv13-draft14")]).negotiated(), Some(Version::Tls13));
}

#[test]
fn an_alert_that_may_be_a_warning_ends_nothing() {
    let row = |alert: &'static str| {
        zeek_row(&[
            ("version", "TLSv10"),
            ("cipher", "TLS_RSA_WITH_AES_128_CBC_SHA"),
            ("last_alert", alert),
            ("established", "F"),
            ("ssl_history", "Csxnl"),
        ])
    };
    assert_eq!(row("unrecognized_name").alerts.len(), 0);
    assert_eq!(row("handshake_failure").alerts[0].description, 40);
}

/// Versions and subjects as Suricata writes them, and the suite as Suricata 8 may.
#[test]
fn suricata_tells_what_was_selected_in_its_own_words() {
    let facts = event(&[("tls.version", "TLSv1"), ("tls.server_handshake.cipher", "49172")]);
    assert_eq!(facts.server_hello.unwrap().cipher_suite, Some(0xc014));
    let facts = event(&[("tls.version", "TLS 1.3 draft-28"), ("tls.sni", "a.example")]);
    assert_eq!(facts.negotiated(), Some(Version::Tls13));
    let names = "C=US, ST=Somewhere, O=Contoso, Inc., CN=*.contoso.example";
    let facts = event(&[("tls.version", "TLS 1.2"), ("tls.subject", names)]);
    let name = facts.certificate.unwrap().common_name.clone();
    assert_eq!(name.as_deref(), Some("*.contoso.example"));
}

#[test]
fn zeek_with_its_extended_log_tells_what_was_offered() {
    let facts = zeek_row(&[
        ("client_version", "769"),
        ("client_ciphers", "49172,49171,53,47"),
        ("ssl_client_exts", "0,10,11"),
    ]);
    assert_eq!(facts.offered_max(), Some(Version::Tls10));
}

#[test]
fn an_alert_of_nobody_leaves_nothing_proven() {
    let chosen = [
        ("version", "TLSv12"),
        ("cipher", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("established", "F"),
        ("last_alert", "unknown_ca"),
    ];
    let facts = zeek_row(&chosen);
    assert!(facts.alerts.is_empty() && facts.server_hello.unwrap().cipher_suite.is_none());
    let facts = zeek_row(&[chosen.as_slice(), &[("ssl_history", "CsxL")]].concat());
    assert_eq!(facts.alerts[0].from, Side::Client);
}

#[test]
fn suricata_tells_the_version_and_by_ja3_the_offer() {
    let facts = event(&[("tls.version", "TLS 1.2"), ("tls.ja3s.string", "771,49199,65281")]);
    assert_eq!(facts.negotiated(), Some(Version::Tls12));
    assert_eq!(facts.server_hello.unwrap().cipher_suite, Some(0xc02f));
    assert!(event(&[("tls.version", "UNDETERMINED")]).server_hello.is_none());
    let facts = event(&[("tls.ja3.string", "769,49172-49171-53,0-10-11,23-24,0")]);
    assert_eq!(facts.offered_max(), Some(Version::Tls10));
    let facts = event(&[("tls.ja3.string", "771,4865-49199,0-10-43,29-23,0")]);
    assert_eq!(facts.offered_max(), None, "what supported_versions says is in no JA3");
    let facts = event(&[("tls.ja3.string", "771,49199-53,0-10-11-13,29-23,0")]);
    assert_eq!(facts.offered_max(), Some(Version::Tls12), "nothing raises it");
    assert!(eve::connection(&fields(&[("event_type", "dns")])).is_none());
    assert!(eve::connection(&fields(&[("event_type", "tls")])).unwrap().is_err());
}

fn event(more: &[(&str, &str)]) -> FlowFacts {
    event_of("tls", more).unwrap()
}

/// What is made of an event of a type.
fn event_of(event_type: &str, more: &[(&str, &str)]) -> Option<FlowFacts> {
    let ends = [
        ("timestamp", "2026-11-23T08:00:00.499967+0000"),
        ("event_type", event_type),
        ("src_ip", "10.0.0.7"),
        ("src_port", "50000"),
        ("dest_ip", "52.97.1.1"),
        ("dest_port", "443"),
    ];
    Some(eve::connection(&fields(&[ends.as_slice(), more].concat()))?.unwrap().1)
}

/// Suricata 6 to 8 write `TLSv1` for a connection that the server refused by an alert in a record
/// of TLS 1.0.
#[test]
fn suricata_takes_the_version_of_an_alert_for_the_one_selected() {
    let ja3 = ("tls.ja3.string", "769,49172-53,0-11-10,29-23,0");
    let refused = event(&[("tls.version", "TLSv1"), ja3]);
    assert_eq!((refused.negotiated(), refused.offered_max()), (None, Some(Version::Tls10)));
    let negotiated = |more| event(&[("tls.version", "TLSv1"), ja3, more]).negotiated();
    let selected = Some(Version::Tls10);
    assert_eq!(negotiated(("tls.ja3s.hash", "15af977ce25de452b96affa2addb1036")), selected);
    assert_eq!(negotiated(("tls.issuerdn", "CN=Contoso")), selected);
    assert_eq!(negotiated(("tls.session_resumed", "true")), selected);
    assert_eq!(event(&[("tls.version", "TLS 1.3"), ja3]).negotiated(), Some(Version::Tls13));
    let retried = [("tls.version", "TLS 1.2"), ("tls.ja3s.string", "771,4865,51-43")];
    assert_eq!(event(&retried).negotiated(), Some(Version::Tls13));
    let odd = [("tls.version", "TLS 1.2"), ("tls.ja3s.string", "771,4865,65281")];
    assert_eq!(event(&odd).negotiated(), Some(Version::Tls12), "it selects no version");
}

#[test]
fn what_was_offered_at_most_is_in_a_ja4() {
    let facts = event(&[("tls.ja4", "t10d050400_31079743cc62_a875e5012fde")]);
    assert_eq!(facts.offered_max(), Some(Version::Tls10));
    let offer = &facts.client_hello.unwrap().offer;
    assert_eq!(offer.ja4.as_deref(), Some("t10d050400_31079743cc62_a875e5012fde"));
    let facts = event(&[
        ("tls.ja3.hash", "d7d477dd98b3fab865d1970dc88a3b9c"),
        ("tls.ja3.string", "771,4866-49200-53,0-10-43-51,29-24,0"),
        ("tls.ja4", "t13d311000_e8f1e7e78f70_1f22a2ca17c4"),
    ]);
    assert_eq!(facts.offered_max(), Some(Version::Tls13));
    let offer = &facts.client_hello.unwrap().offer;
    assert_eq!(offer.ja3.map(|ja3| (ja3[0], ja3[15])), Some((0xd7, 0x9c)));
    assert_eq!(offer.extent, HelloExtent::Listed);
    let facts = event(&[("tls.ja4", "t13d311000_e8f1e7e78f70_1f22a2ca17c4")]);
    assert_eq!(facts.offered_max(), Some(Version::Tls13));
    for nonsense in ["", "t", "t1", "x13d31", "t\u{e9}\u{e9}"] {
        assert_eq!(version_of_ja4(nonsense), None, "{nonsense}");
    }
}

/// Lists as Suricata 8 writes them with `custom: [client_handshake, server_handshake]`.
#[test]
fn suricata_8_tells_both_hellos() {
    let of = |version, exts| {
        event(&[
            ("tls.version", "TLSv1"),
            ("tls.client_handshake.version", version),
            ("tls.client_handshake.ciphers", "49195"),
            ("tls.client_handshake.exts", exts),
            ("tls.server_handshake.version", "TLSv1"),
            ("tls.server_handshake.cipher", "49172"),
            ("tls.server_alpns", "h2"),
        ])
    };
    let facts = of("TLS 1.2", "0,10,11,13");
    assert_eq!(facts.offered_max(), Some(Version::Tls12));
    assert_eq!(facts.negotiated(), Some(Version::Tls10));
    let answer = facts.server_hello.unwrap();
    assert_eq!((answer.cipher_suite, answer.alpn.as_deref()), (Some(0xc014), Some(&b"h2"[..])));
    assert_eq!(of("TLS 1.3", "0,10,43").offered_max(), Some(Version::Tls13));
    assert_eq!(of("TLSv1", "0,10").offered_max(), Some(Version::Tls10));
}

#[test]
fn a_quic_hello_offers_tls_13() {
    let facts = event(&[]);
    assert_eq!(facts.protocol, Protocol::Tls);
    let facts = event_of("quic", &[("quic.ja4", "q13d0314h3_55b375c5d22e_79cc91d6b50c")]).unwrap();
    assert_eq!((facts.protocol, facts.offered_max()), (Protocol::Quic, Some(Version::Tls13)));
    // A later packet, of which there is an event too.
    assert!(event_of("quic", &[]).is_none());
}

/// Histories as Zeek writes them of one direction.
#[test]
fn a_history_tells_the_side_that_was_not_seen() {
    let coverage = |history| {
        let more = [("version", "TLSv12"), ("ssl_history", history)];
        zeek_row(&more).coverage
    };
    assert!(coverage("tsxknti").contains(Coverage::CLIENT_SIDE_MISSING));
    assert_eq!(coverage("Csxkn"), Coverage::TRUNCATED);
    assert_eq!(zeek_row(&[]).coverage, Coverage::TRUNCATED);
    assert!(zeek_row(&[("ssl_history", "CXGYI")]).coverage.contains(Coverage::SERVER_SIDE_MISSING));
}

/// Fields as Filebeat and Packetbeat name them.
#[test]
fn events_of_elastic_tell_the_same() {
    let of = |more: &[(&str, &str)]| {
        let ends = [
            ("@timestamp", "2026-11-23T08:00:00.500Z"),
            ("source.ip", "10.0.0.7"),
            ("source.port", "50000"),
            ("destination.ip", "52.97.1.1"),
            ("destination.port", "443"),
        ];
        ecs::connection(&fields(&[ends.as_slice(), more].concat()))
    };
    assert!(of(&[("event.dataset", "zeek.connection")]).is_none());
    let facts = of(&[
        ("tls.version", "1.0"),
        ("tls.version_protocol", "tls"),
        ("tls.cipher", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        ("tls.established", "true"),
        ("tls.client.server_name", "outlook.office365.com"),
    ]);
    let facts = facts.unwrap().unwrap().1;
    assert_eq!((facts.negotiated(), facts.established), (Some(Version::Tls10), Some(true)));
    let of_suricata = |more| {
        let version = [("tls.version", "1.2"), ("tls.client.ja3", "00")];
        of(&[version.as_slice(), more].concat()).unwrap().unwrap().1.negotiated()
    };
    assert_eq!(of_suricata(&[]), None, "the version may be that of an alert");
    assert_eq!(of_suricata(&[("tls.server.ja3s", "15")]), Some(Version::Tls12));
}

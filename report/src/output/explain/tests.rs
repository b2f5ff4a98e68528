use super::*;
use crate::{RunInfo, testkit};

fn explained(flows: &[JudgedFlow], host: &str, style: TextStyle) -> String {
    let inside = |addr: IpAddr| addr.to_string().starts_with("10.");
    let run = RunInfo {
        policies: vec!["office365-tls12".to_owned()],
        inputs: vec!["a.pcap".to_owned()],
        ..RunInfo::default()
    };
    let report = Report::new(flows, &run, inside);
    let policies = [Policy::builtin("office365-tls12").unwrap()];
    let host = HostQuery::parse(host);
    let explanation =
        Explanation { report: &report, flows, policies: &policies, host: &host, is_merged: false };
    let mut out = Vec::new();
    explanation.write(&mut out, style).unwrap();
    String::from_utf8(out).unwrap()
}

const STYLE: TextStyle = TextStyle { width: 100, color: false };

#[test]
fn hosts_are_asked_for_by_address_or_name() {
    let flow = testkit::old_client();
    let check = |host: &str, expect| {
        assert_eq!(HostQuery::parse(host).matches(&flow), expect, "{host}");
    };
    check("10.0.0.7", true);
    check("52.97.1.1", true);
    check("[10.0.0.7]", true);
    check("10.0.0.8", false);
    check("outlook.office365.com", true);
    check("Outlook.Office365.com.", true);
    check("office365.com", false);
}

#[test]
fn a_connection_is_told_with_its_bytes_and_frames() {
    let text = explained(&[testkit::old_client()], "10.0.0.7", STYLE);
    assert_eq!(
        text,
        "\
10.0.0.7: 1 connection
  As client, under office365-tls12: breaks, client-too-old; 1 connection
  Captured in: a.pcap

Connection 1 of 1, breaks: 10.0.0.7:50000 to outlook.office365.com (52.97.1.1:443)
  Who: 10.0.0.7:50000 dialled 52.97.1.1:443 over TCP; the client is who sent the ClientHello
  When: 2018-10-31T00:00:00.000000Z to 2018-10-31T00:00:01.500000Z (1.500000 s), frames 1 to 20
  Sensor: lab
  Where: to Office 365: Exchange Online, told by the name; the server is outlook.office365.com, by
    the SNI of the ClientHello
  Offered: SSLv3, TLSv1.0 (frame 4, after 0.001000 s)
    Version fields: record version 03 01 (TLSv1.0), legacy_version 03 01 (TLSv1.0),
      supported_versions not sent
    Suites (+ accepted, - not, by office365-tls12):
      + c0 14 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
      + c0 13 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
      - 00 35 TLS_RSA_WITH_AES_256_CBC_SHA
      - 00 2f TLS_RSA_WITH_AES_128_CBC_SHA
    Groups (+ accepted, - not, by office365-tls12): +secp256r1, +secp384r1
    Extensions: server_name, supported_groups, ec_point_formats
    SNI: outlook.office365.com
  Selected: TLSv1.0 (frame 6, after 0.002000 s)
    Version fields: record version 03 01 (TLSv1.0), legacy_version 03 01 (TLSv1.0),
      supported_versions not sent
    Suite: + c0 14 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
    Group: + secp256r1
    Downgrade mark: none in the random
    It is a full handshake
  Established: yes, both sides went over to encryption
  End: not captured
  Frames: 4 client Client Hello, 6 server Server Hello, 6 server Certificate, 6 server Server Key
    Exchange, 6 server Server Hello Done, 8 client Client Key Exchange
  Coverage: complete: all bytes that decide were captured
  Verdict under office365-tls12: breaks, client-too-old: offers TLSv1.0, nothing newer
    Rule: a rule
    Fix: update it
  In Wireshark: ip.addr == 10.0.0.7 && ip.addr == 52.97.1.1 && tcp.port == 50000 && tcp.port ==
    443
"
    );
}

#[test]
fn a_fix_is_told_at_the_first_connection_that_needs_it() {
    let mut later = testkit::old_client();
    later.facts.client.port += 1;
    let text = explained(&[testkit::old_client(), later], "10.0.0.7", STYLE);
    assert_eq!(text.matches("    Fix: update it\n").count(), 1, "{text}");
    assert_eq!(text.matches("    Fix: as for connection 1.\n").count(), 1, "{text}");
}

#[test]
fn names_from_the_wire_can_t_steer_the_terminal() {
    let mut flow = testkit::old_client();
    let hello = flow.facts.client_hello.as_mut().unwrap();
    hello.server_name = Some("a\x1b[2Jb\r\nc".into());
    flow.server_name = Some(("a\x1b[2Jb".into(), NameSource::Sni));
    let text = explained(&[flow], "10.0.0.7", STYLE);
    assert!(!text.contains('\x1b') && !text.contains('\r'));
    assert!(text.contains("a\\u{1b}[2Jb"));
}

proptest::proptest! {
    #[test]
    fn any_connection_is_explained_within_the_width(
        flows in proptest::collection::vec(testkit::any_judged_flow(), 1..4),
        width in 40usize..120,
    ) {
        let host = client_of(&flows[0].facts).addr.to_string();
        let text = explained(&flows, &host, TextStyle { width, color: false });
        proptest::prop_assert!(text.lines().all(|line| line.chars().count() <= width));
        proptest::prop_assert!(text.contains("Connection 1 of"));
    }
}

use dissect::{ClientHello, PseudoTls};

use super::*;
use crate::testkit::{self, client_hello, facts, judged, mark, offer, server_hello};

fn row_of(facts: FlowFacts, check: impl FnOnce(&FlowRow<'_>)) {
    let flow = judged(facts, Verdict::Unknown, None);
    check(&FlowRow::new(&flow, &flow.judgements[0]));
}

fn hello_with_alpn(names: &[&[u8]]) -> ClientHello {
    let mut offer = offer(0x0303);
    offer.alpn = names.iter().map(|name| Box::from(*name)).collect();
    client_hello(offer, None)
}

#[test]
fn alpn_is_the_servers_choice_where_it_is_visible() {
    let check = |legacy, selected, suite, chosen: Option<&[u8]>, extent, expect: &str| {
        let mut facts = facts("10.0.0.1:1", "10.0.0.2:443");
        facts.client_hello = Some(hello_with_alpn(&[b"h2", b"http/1.1"]));
        let mut answer = server_hello(legacy, suite);
        answer.selected_version = selected;
        answer.alpn = chosen.map(Into::into);
        answer.extent = extent;
        facts.server_hello = Some(answer);
        row_of(facts, |row| assert_eq!(row.alpn.to_string(), expect));
    };
    let whole = HelloExtent::Whole;
    check(0x0303, None, 0xc02f, Some(b"h2"), whole, "h2");
    check(0x0303, None, 0xc02f, None, whole, "");
    check(0x0301, None, 0xc014, None, whole, "");
    check(0x0303, Some(0x0304), 0x1301, None, whole, "h2;http/1.1");
    check(0x0303, None, 0xc02f, None, HelloExtent::Extensions, "h2;http/1.1");

    let mut unanswered = facts("10.0.0.1:1", "10.0.0.2:443");
    unanswered.client_hello = Some(hello_with_alpn(&[b"h2", b"\xff"]));
    row_of(unanswered, |row| assert_eq!(row.alpn.to_string(), "h2;\u{fffd}"));
}

#[test]
fn versions_of_quic_and_pseudo_tls() {
    let check = |protocol, hello, answer, coverage, expect: (Option<&str>, Option<&str>)| {
        let mut facts = facts("10.0.0.1:1", "10.0.0.2:443");
        facts.protocol = protocol;
        facts.coverage = coverage;
        facts.client_hello = bool::then(hello, || client_hello(offer(0x0303), None));
        facts.server_hello = bool::then(answer, || server_hello(0x0303, 0xc02f));
        row_of(facts, |row| {
            assert_eq!(
                (row.offered_max.map(Version::name), row.negotiated.map(Version::name)),
                expect
            );
        });
    };
    let complete = Coverage::COMPLETE;
    let (tls12, tls13) = (Some("TLSv1.2"), Some("TLSv1.3"));
    check(Protocol::Tls, true, true, complete, (tls12, tls12));
    check(Protocol::PseudoTls(PseudoTls::MsTurn), true, true, complete, (None, None));
    check(Protocol::Quic, true, true, complete, (tls13, tls13));
    check(Protocol::Quic, true, false, complete, (tls13, tls13));
    check(Protocol::Quic, true, false, Coverage::SERVER_SIDE_MISSING, (tls13, None));
    check(Protocol::Quic, false, false, complete, (None, None));
}

#[test]
fn the_first_fatal_alert_is_shown() {
    let alert = |from, level, description| Alert { from, level, description, at: mark(5, 2) };
    let check = |alerts: &[Alert], expect: Option<&str>| {
        let mut facts = facts("10.0.0.1:1", "10.0.0.2:443");
        facts.alerts = alerts.iter().copied().collect();
        row_of(facts, |row| {
            let shown = row.alert.map(|alert| AlertCell(alert).to_string());
            assert_eq!(shown.as_deref(), expect);
        });
    };
    check(&[], None);
    check(&[alert(Side::Client, 1, 0)], Some("client:warning:close_notify"));
    check(
        &[alert(Side::Client, 1, 0), alert(Side::Server, 2, 70), alert(Side::Server, 2, 40)],
        Some("server:fatal:protocol_version"),
    );
    check(&[alert(Side::Server, 3, 200)], Some("server:3:200"));
}

#[test]
fn missing_parts_are_joined_in_their_order() {
    let check = |coverage, expect| assert_eq!(CoverageCell(coverage).to_string(), expect);
    check(Coverage::COMPLETE, "complete");
    check(Coverage::GAP.with(Coverage::CLIENT_SIDE_MISSING), "client-side-missing+gap");
    check(
        Coverage::from_bits(0x3f),
        "midstream+client-side-missing+server-side-missing+gap+truncated+evicted",
    );
}

#[test]
fn upgrades_have_the_names_of_the_contract() {
    let names = testkit::UPGRADES.map(upgrade_name);
    assert_eq!(
        names,
        [
            "direct",
            "starttls-xmpp",
            "starttls-smtp",
            "x-anonymoustls",
            "starttls-imap",
            "starttls-pop3",
            "starttls-ldap",
            "starttls-ftp",
            "http-connect",
            "socks",
            "postgres",
            "mysql",
            "tds",
            "rdp",
            "starttls-irc",
            "starttls-nntp",
            "starttls-sieve",
            "other",
        ]
    );
}

#[test]
fn a_proxied_client_is_shown_but_the_wire_is_hashed() {
    let mut facts = facts("10.0.0.1:1", "10.0.0.2:443");
    let on_the_wire = CommunityId::of(facts.client, facts.server, facts.transport);
    facts.proxied_client = Some(testkit::end("192.0.2.9:6000"));
    row_of(facts, |row| {
        assert_eq!(row.client, testkit::end("192.0.2.9:6000"));
        assert_eq!(row.community_id, on_the_wire);
    });
}

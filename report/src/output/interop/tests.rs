use proptest::prelude::*;
use serde_json::{Value, json};

use crate::output::{ecs, eve, ocsf};
use crate::testkit::{any_judged_flow, old_client};
use crate::{JudgedFlow, Verdict};

use super::*;

fn lines(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Vec<Value> {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.is_empty() || text.ends_with("}\n"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same connections as EVE, ECS and OCSF.
fn all(flows: &[JudgedFlow]) -> [Vec<Value>; 3] {
    let flows = Connections::Held(flows);
    [
        lines(|out| eve::write(out, flows)),
        lines(|out| ecs::write(out, flows, "1.2.3")),
        lines(|out| ocsf::write(out, flows, "1.2.3")),
    ]
}

/// The parts of `value` at `paths` are what they should be.
#[track_caller]
fn check(value: &Value, expect: &[(&str, Value)]) {
    for (path, expect) in expect {
        assert_eq!(value.pointer(path), Some(expect), "{path} of {value:#}");
    }
}

#[test]
fn an_old_client_as_eve() {
    let event = &all(&[old_client()])[0][0];
    check(
        event,
        &[
            ("/timestamp", json!("2018-10-31T00:00:00.000000+0000")),
            ("/event_type", json!("tls")),
            ("/src_ip", json!("10.0.0.7")),
            ("/dest_port", json!(443)),
            ("/proto", json!("TCP")),
            ("/host", json!("lab")),
            ("/tls/version", json!("TLSv1")),
            ("/tls/sni", json!("outlook.office365.com")),
            ("/tls/ja3", json!({"hash": "000102030405060708090a0b0c0d0e0f"})),
            ("/tls/client_handshake/version", json!("TLSv1")),
            ("/tls/server_handshake/cipher", json!(0xc014)),
            ("/tlsunset/verdict", json!(["breaks"])),
            ("/tlsunset/negotiated", json!("TLSv1.0")),
        ],
    );
    assert!(event["flow_id"].as_u64().unwrap() < 1 << 53);
}

#[test]
fn an_old_client_as_ecs() {
    check(
        &all(&[old_client()])[1][0],
        &[
            ("/@timestamp", json!("2018-10-31T00:00:00.000000Z")),
            ("/ecs/version", json!("9.0.0")),
            ("/event/duration", json!(1_500_000_000)),
            ("/event/outcome", json!("success")),
            ("/observer/version", json!("1.2.3")),
            ("/network/direction", json!("outbound")),
            ("/source/ip", json!("10.0.0.7")),
            ("/destination/domain", json!("outlook.office365.com")),
            ("/tls/version", json!("1.0")),
            ("/tls/version_protocol", json!("tls")),
            ("/tls/cipher", json!("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA")),
            ("/tls/client/server_name", json!("outlook.office365.com")),
            ("/tlsunset/offered_max", json!("TLSv1.0")),
            ("/tlsunset/ja4", json!("t10d120500_d94e65cdb899_c35b4a14be45")),
        ],
    );
}

#[test]
fn an_old_client_as_ocsf() {
    check(
        &all(&[old_client()])[2][0],
        &[
            ("/class_uid", json!(4001)),
            ("/category_uid", json!(4)),
            ("/type_uid", json!(400_106)),
            ("/severity_id", json!(4)),
            ("/status_id", json!(1)),
            ("/time", json!(1_540_944_000_000_i64)),
            ("/duration", json!(1500)),
            ("/metadata/product/version", json!("1.2.3")),
            ("/dst_endpoint/hostname", json!("outlook.office365.com")),
            ("/connection_info/direction_id", json!(2)),
            ("/tls/version", json!("TLSv1.0")),
            ("/tls/ja3_hash/algorithm_id", json!(1)),
            ("/ja4_fingerprint_list/0/type_id", json!(1)),
            ("/unmapped/tlsunset/fix", json!(["update it"])),
        ],
    );
}

#[test]
fn a_refusal_is_no_traffic() {
    let mut flow = old_client();
    flow.facts.server_hello = None;
    let at = flow.facts.first;
    let refused = |kind| Some(dissect::Refusal { kind, at });
    flow.facts.refusal = refused(dissect::RefusalKind::Reset);
    check(&all(&[flow.clone()])[2][0], &[("/type_uid", json!(400_103))]);
    flow.facts.refusal = refused(dissect::RefusalKind::Alert(70));
    let [eve, ecs, ocsf] = &all(&[flow]);
    check(&ocsf[0], &[("/type_uid", json!(400_104)), ("/tls/version", json!("Unknown"))]);
    // Suricata falls back to the client's version; what was negotiated is said beside it.
    check(&eve[0], &[("/tls/version", json!("TLSv1")), ("/tlsunset/negotiated", Value::Null)]);
    assert!(ecs[0]["tls"].get("version").is_none());
}

#[test]
fn a_connection_is_one_event_under_any_number_of_policies() {
    let mut flow = old_client();
    let mut other = flow.judgements[0].clone();
    (other.policy, other.verdict, other.cause) = ("tls13".into(), Verdict::Unknown, None);
    flow.judgements.extend([other]);
    for events in all(&[flow]) {
        assert_eq!(events.len(), 1);
        let own = events[0].get("tlsunset").unwrap_or_else(|| &events[0]["unmapped"]["tlsunset"]);
        assert_eq!(own["policy"], json!(["office365-tls12", "tls13"]));
        assert_eq!(own["verdict"], json!(["breaks", "unknown"]));
        assert_eq!(own["cause"], json!(["client-too-old", ""]));
    }
}

#[test]
fn every_column_of_flows_has_its_place() {
    let flows = [old_client()];
    let own = Event::all(&flows).next().unwrap().own();
    let own = Own {
        sensor: own.sensor.or(Some("lab")),
        alpn: Some("h2".into()),
        alert: Some("client:fatal:unknown_ca".into()),
        service: Some("Exchange Online"),
        service_from: Some("name"),
        path: Some("direct"),
        scenario: Some("clients"),
        ech: Some(true),
        ..own
    };
    let own = serde_json::to_value(own).unwrap();
    // What every format has a field of its own for.
    let placed = [
        "first_seen",
        "client_ip",
        "client_port",
        "server_ip",
        "server_port",
        "cipher",
        "group",
        "ja3",
        "resumed",
        "established",
    ];
    for column in crate::FLOW_COLUMNS {
        let is_own = own.get(column).is_some();
        assert_ne!(is_own, placed.contains(&column), "{column}");
    }
    assert_eq!(own.as_object().unwrap().len() + placed.len(), crate::FLOW_COLUMNS.len());
}

#[test]
fn encrypted_client_hello_is_told_in_every_format() {
    let mut flow = old_client();
    let hello = flow.facts.client_hello.as_mut().unwrap();
    let mut offer = (*hello.offer).clone();
    offer.extensions.get_or_insert_default().push(0xfe0d);
    hello.offer = std::sync::Arc::new(offer);
    for events in all(&[flow]) {
        let own = events[0].get("tlsunset").unwrap_or_else(|| &events[0]["unmapped"]["tlsunset"]);
        assert_eq!(own["ech"], json!(true));
    }
}

proptest! {
    #[test]
    fn every_connection_is_an_event_with_both_versions(
        flows in prop::collection::vec(any_judged_flow(), 0..8),
    ) {
        for events in all(&flows) {
            prop_assert_eq!(events.len(), flows.len());
            for (event, flow) in events.iter().zip(&flows) {
                let own = event.get("tlsunset").unwrap_or_else(|| &event["unmapped"]["tlsunset"]);
                prop_assert!(own.get("offered_max").is_some() && own.get("negotiated").is_some());
                let row = FlowRow::new(flow, &flow.judgements[0]);
                let offered = row.offered_max.map(Version::name);
                prop_assert_eq!(own["offered_max"].as_str(), offered);
            }
        }
    }
}

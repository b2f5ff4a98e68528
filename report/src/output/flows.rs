//! `flows.csv`: a row for each connection and policy.

use std::io::{self, Write};

use dissect::Offer;

use super::cells::Cells;
use super::csv::CsvTable;
use super::json_lines::JsonLines;
use super::memo::Memo;
use crate::iana::{CipherSuite, Group};
use crate::rows::{
    AlertCell, CommunityId, CoverageCell, FlowKind, protocol_name, transport_name, upgrade_name,
};
use crate::{AccessPath, Cause, Connections, JudgedFlow, NameSource, Scenario, client_of};

/// The columns of `flows.csv`, in their order.
pub const FLOW_COLUMNS: [&str; 35] = [
    "sensor",
    "community_id",
    "first_seen",
    "last_seen",
    "client_ip",
    "client_port",
    "server_ip",
    "server_port",
    "transport",
    "protocol",
    "upgrade",
    "server_name",
    "server_name_from",
    "service",
    "service_from",
    "direction",
    "offered_max",
    "negotiated",
    "cipher",
    "group",
    "alpn",
    "ja3",
    "ja4",
    "resumed",
    "established",
    "alert",
    "coverage",
    "policy",
    "verdict",
    "cause",
    "reason",
    "fix",
    "path",
    "scenario",
    "ech",
];

/// Writes the connections in the order given, a row for each policy in its order.
pub(super) fn write_csv<W: Write>(out: W, flows: Connections<'_>) -> io::Result<()> {
    write_table(CsvTable::new(out, &FLOW_COLUMNS)?, flows)
}

/// Writes the same rows as JSON Lines.
pub(super) fn write_json_lines<W: Write>(out: W, flows: Connections<'_>) -> io::Result<()> {
    write_table(JsonLines::new(out, &FLOW_COLUMNS), flows)
}

fn write_table(mut table: impl Cells, flows: Connections<'_>) -> io::Result<()> {
    flows.each_part(|flows| write_part(&mut table, flows))?;
    table.finish()
}

fn write_part(table: &mut impl Cells, flows: &[JudgedFlow]) -> io::Result<()> {
    let mut kinds = Memo::new();
    for flow in flows {
        let facts = &flow.facts;
        let id = CommunityId::of(facts.client, facts.server, facts.transport);
        for judgement in &flow.judgements {
            table.text(&flow.sensor);
            table.community_id(id);
            table.time(facts.first.time);
            table.time(facts.last.time);
            let client = client_of(facts);
            table.address(client.addr);
            table.number(client.port.into());
            table.address(facts.server.addr);
            table.number(facts.server.port.into());
            table.word(transport_name(facts.transport));
            table.word(protocol_name(facts.protocol));
            table.word(upgrade_name(facts.upgrade));
            table.text(flow.server_name.as_ref().map_or("", |(name, _)| name));
            table.repeated(&mut kinds, FlowKind::of(flow, judgement), write_kind);
            table.end_record()?;
        }
    }
    Ok(())
}

/// The cells behind the server's name.
fn write_kind(table: &mut impl Cells, kind: &FlowKind<'_>) {
    let judgement = kind.judgement;
    table.word(kind.name_from.map_or("", NameSource::name));
    table.text(kind.service.map_or("", |(name, _)| name));
    table.word(kind.service.map_or("", |(_, from)| from.name()));
    table.word(kind.direction.name());
    table.word(kind.offered_max().map_or("", |version| version.name()));
    table.word(kind.negotiated.map_or("", |version| version.name()));
    table.optional(kind.cipher.map(CipherSuite));
    table.optional(kind.group.map(Group));
    table.text_of(|cell| kind.alpn.write_to(cell));
    table.hex(kind.offer.and_then(|offer| offer.ja3.as_ref()));
    table.text(kind.offer.and_then(|offer| offer.ja4.as_deref()).unwrap_or(""));
    table.truth(kind.resumed);
    table.truth(kind.established);
    table.optional(kind.alert.map(AlertCell));
    table.value(CoverageCell(kind.coverage));
    table.text(&judgement.policy);
    table.word(judgement.verdict.name());
    table.word(judgement.cause.map_or("", Cause::name));
    table.text(&judgement.reason);
    table.text(&judgement.fix);
    table.word(kind.path.map_or("", AccessPath::name));
    table.word(kind.scenario.map_or("", Scenario::name));
    table.truth(kind.offer.and_then(Offer::offers_ech));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testkit;

    fn csv(flows: &[JudgedFlow]) -> String {
        let mut out = Vec::new();
        write_csv(&mut out, Connections::Held(flows)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn without_connections_there_is_a_header() {
        assert_eq!(csv(&[]), format!("{}\n", FLOW_COLUMNS.join(",")));
    }

    #[test]
    fn a_row_for_each_policy() {
        let flow = testkit::old_client();
        let text = csv(&[flow]);
        let rows: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            rows,
            ["lab,1:TOxGFMLU4fjwHy0nWQOtZ3JjDGk=,2018-10-31T00:00:00.000000Z,\
                 2018-10-31T00:00:01.500000Z,10.0.0.7,50000,52.97.1.1,443,tcp,tls,direct,\
                 outlook.office365.com,sni,Exchange Online,name,to-office365,TLSv1.0,TLSv1.0,\
                 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,secp256r1,,\
                 000102030405060708090a0b0c0d0e0f,t10d120500_d94e65cdb899_c35b4a14be45,false,true,\
                 ,complete,office365-tls12,breaks,client-too-old,\"offers TLSv1.0, nothing newer\",\
                 update it,,,false",]
        );
    }

    #[test]
    fn json_lines_are_typed() {
        let mut out = Vec::new();
        let mut flow = testkit::old_client();
        flow.server_name.as_mut().unwrap().0 = "=1\n\"x".into();
        write_json_lines(&mut out, Connections::Held(&[flow])).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("{\"sensor\":\"lab\",\"community_id\":\"1:TOxG"), "{text}");
        assert_eq!((text.lines().count(), text.ends_with("}\n")), (1, true));
        let row: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(row["client_port"], 50000);
        assert_eq!(row["established"], true);
        assert_eq!(row["alert"], serde_json::Value::Null);
        assert_eq!(row["server_name"], "=1\n\"x");
        assert_eq!(row["first_seen"], "2018-10-31T00:00:00.000000Z");
    }

    proptest! {
        #[test]
        fn json_lines_say_what_the_csv_says(
            flows in prop::collection::vec(testkit::any_judged_flow(), 1..10),
        ) {
            let text = csv(&flows);
            let mut reader = ::csv::Reader::from_reader(text.as_bytes());
            let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            let mut out = Vec::new();
            write_json_lines(&mut out, Connections::Held(&flows)).unwrap();
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(text.lines().count(), rows.len());
            // Names from the wire differ: in CSV they are defused.
            let defused = ["server_name", "alpn", "ja4", "service", "sensor"];
            for (line, row) in text.lines().zip(&rows) {
                let object: serde_json::Value = serde_json::from_str(line).unwrap();
                prop_assert_eq!(object.as_object().unwrap().len(), FLOW_COLUMNS.len());
                for (column, cell) in FLOW_COLUMNS.iter().zip(row) {
                    let value = match &object[column] {
                        serde_json::Value::Null => String::new(),
                        serde_json::Value::String(text) => text.clone(),
                        other => other.to_string(),
                    };
                    prop_assert!(value == cell || defused.contains(column), "{}", column);
                }
            }
        }

        #[test]
        fn any_connection_is_one_row_of_all_columns(
            flows in prop::collection::vec(testkit::any_judged_flow(), 1..10),
        ) {
            let text = csv(&flows);
            let mut reader = ::csv::Reader::from_reader(text.as_bytes());
            let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(rows.len(), flows.len());
            for (row, flow) in rows.iter().zip(&flows) {
                prop_assert_eq!(&row[5], flow.facts.proxied_client.unwrap_or(flow.facts.client).port.to_string());
                prop_assert_eq!(&row[28], flow.judgements[0].verdict.name());
            }
        }
    }
}

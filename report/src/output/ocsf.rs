//! The Open Cybersecurity Schema Framework 1.x: class Network Activity (4001).
//!
//! Our own fields are in `unmapped.tlsunset`, the place that the schema has for what it lacks.

use std::io::{self, Write};
use std::net::IpAddr;

use dissect::{RefusalKind, RoleFrom};
use serde::Serialize;

use super::interop::{Event, Own, millis, put_json, write_lines};
use crate::{Connections, Direction, Verdict};

/// The version of the schema that the names are of: the first that has all of them, as
/// `is_src_dst_assignment_known` came with it and `ja4_fingerprint_list` with 1.3.
const OCSF_VERSION: &str = "1.6.0";
const CLASS: u32 = 4001;

#[derive(Serialize)]
struct NetworkActivity<'a> {
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    activity_id: u32,
    activity_name: &'static str,
    type_uid: u32,
    type_name: String,
    severity_id: u32,
    severity: &'static str,
    status_id: u32,
    status: &'static str,
    /// Milliseconds since 1970, as are the two below it.
    time: i64,
    start_time: i64,
    end_time: i64,
    /// Milliseconds.
    duration: i64,
    message: &'a str,
    metadata: Metadata<'a>,
    src_endpoint: Place<'a>,
    dst_endpoint: Place<'a>,
    is_src_dst_assignment_known: bool,
    connection_info: ConnectionInfo,
    tls: Tls<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ja4_fingerprint_list: Vec<Ja4<'a>>,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'static str,
    uid: String,
    log_name: &'static str,
    product: Product<'a>,
}

#[derive(Serialize)]
struct Product<'a> {
    name: &'static str,
    vendor_name: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    ip: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
}

#[derive(Serialize)]
struct ConnectionInfo {
    uid: String,
    community_uid: String,
    direction_id: u32,
    direction: &'static str,
    protocol_name: &'static str,
    protocol_num: u32,
    protocol_ver_id: u32,
    protocol_ver: &'static str,
}

#[derive(Serialize)]
struct Tls<'a> {
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    client_ciphers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja3_hash: Option<Fingerprint>,
}

#[derive(Serialize)]
struct Fingerprint {
    algorithm_id: u32,
    algorithm: &'static str,
    value: String,
}

#[derive(Serialize)]
struct Ja4<'a> {
    type_id: u32,
    #[serde(rename = "type")]
    kind: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct Unmapped<'a> {
    tlsunset: Own<'a>,
}

/// Writes the events, a line each; `version` is that of the program.
pub(super) fn write<W: Write>(out: W, flows: Connections<'_>, version: &str) -> io::Result<()> {
    write_lines(out, flows, |written, event| {
        put_json(written, &NetworkActivity::of(event, version));
    })
}

impl<'a> NetworkActivity<'a> {
    fn of(event: &Event<'a>, version: &'a str) -> Self {
        let row = &event.row;
        let (activity_id, activity_name) = activity(event);
        let (severity_id, severity) = severity(event);
        let (status_id, status) = match row.established {
            Some(true) => (1, "Success"),
            Some(false) => (2, "Failure"),
            None => (0, "Unknown"),
        };
        let mut own = event.own();
        (own.community_id, own.last_seen, own.transport, own.ja4) = (None, None, None, None);
        Self {
            category_uid: CLASS / 1000,
            category_name: "Network Activity",
            class_uid: CLASS,
            class_name: "Network Activity",
            activity_id,
            activity_name,
            type_uid: CLASS * 100 + activity_id,
            type_name: format!("Network Activity: {activity_name}"),
            severity_id,
            severity,
            status_id,
            status,
            time: millis(row.first_seen),
            start_time: millis(row.first_seen),
            end_time: millis(row.last_seen),
            duration: row.last_seen.nanos_since(row.first_seen) / 1_000_000,
            message: row.reason,
            metadata: Metadata {
                version: OCSF_VERSION,
                uid: event.uid(),
                log_name: "flows",
                product: Product { name: "tlsunset", vendor_name: "tlsunset", version },
            },
            src_endpoint: place(row.client.addr, row.client.port, None),
            dst_endpoint: place(row.server.addr, row.server.port, event.hostname()),
            is_src_dst_assignment_known: event.facts.role_from != RoleFrom::Ports,
            connection_info: ConnectionInfo::of(event),
            tls: Tls::of(event),
            ja4_fingerprint_list: row
                .ja4
                .map(|value| Ja4 { type_id: 1, kind: "JA4", value })
                .into_iter()
                .collect(),
            unmapped: Unmapped { tlsunset: own },
        }
    }
}

/// What became of the connection: refused in answer to the hello, or seen to go on.
fn activity(event: &Event<'_>) -> (u32, &'static str) {
    match event.facts.refusal.map(|refusal| refusal.kind) {
        Some(RefusalKind::Reset) => (3, "Reset"),
        Some(RefusalKind::Alert(_) | RefusalKind::Close) => (4, "Fail"),
        None => (6, "Traffic"),
    }
}

/// How much the worst verdict calls for action.
fn severity(event: &Event<'_>) -> (u32, &'static str) {
    match event.flow.judgements.iter().map(|judgement| judgement.verdict).min() {
        Some(Verdict::Breaks | Verdict::FailsToday) => (4, "High"),
        Some(Verdict::AtRisk | Verdict::Degrades) => (3, "Medium"),
        Some(Verdict::Unknown) => (2, "Low"),
        _ => (1, "Informational"),
    }
}

fn place(addr: IpAddr, port: u16, hostname: Option<&str>) -> Place<'_> {
    Place { ip: addr.to_string(), port, hostname }
}

impl ConnectionInfo {
    fn of(event: &Event<'_>) -> Self {
        let row = &event.row;
        let (direction_id, direction) = match row.direction {
            Direction::ToOffice365 => (2, "Outbound"),
            Direction::FromOffice365 => (1, "Inbound"),
            Direction::Other => (0, "Unknown"),
        };
        let (protocol_ver_id, protocol_ver) = match row.server.addr {
            IpAddr::V4(_) => (4, "Internet Protocol version 4 (IPv4)"),
            IpAddr::V6(_) => (6, "Internet Protocol version 6 (IPv6)"),
        };
        Self {
            uid: event.uid(),
            community_uid: row.community_id.to_string(),
            direction_id,
            direction,
            protocol_name: row.transport,
            protocol_num: if row.transport == "udp" { 17 } else { 6 },
            protocol_ver_id,
            protocol_ver,
        }
    }
}

impl<'a> Tls<'a> {
    fn of(event: &Event<'a>) -> Self {
        let row = &event.row;
        Self {
            // Required by the schema, also where nothing was negotiated.
            version: row.negotiated.map_or("Unknown", dissect::Version::name),
            cipher: row.cipher.map(|suite| suite.to_string()),
            sni: event.sni(),
            alert: row.alert.map(|alert| alert.description),
            client_ciphers: event.client_ciphers(),
            ja3_hash: event.ja3().map(|value| Fingerprint {
                algorithm_id: 1,
                algorithm: "MD5",
                value,
            }),
        }
    }
}

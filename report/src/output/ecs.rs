//! The Elastic Common Schema 9: a document for each connection, ready for any index.
//!
//! Objects are nested, which Elasticsearch, Logstash and ingest processors all take; names with
//! dots would have to be expanded for the latter. Our own fields are in the object `tlsunset`.

use std::io::{self, Write};

use dissect::Version;
use serde::Serialize;

use super::interop::{Event, Own, put_json, write_lines};
use crate::{Connections, Direction};

/// The version of the schema that the names are of.
const ECS_VERSION: &str = "9.0.0";

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    ecs: Ecs,
    event: EventFields,
    observer: Observer<'a>,
    network: Network,
    source: Place<'a>,
    destination: Place<'a>,
    tls: Tls<'a>,
    related: Related<'a>,
    tlsunset: Own<'a>,
}

#[derive(Serialize)]
struct Ecs {
    version: &'static str,
}

#[derive(Serialize)]
struct EventFields {
    kind: &'static str,
    category: [&'static str; 1],
    #[serde(rename = "type")]
    kinds: [&'static str; 2],
    module: &'static str,
    dataset: &'static str,
    id: String,
    start: String,
    end: String,
    /// Nanoseconds.
    duration: i64,
    outcome: &'static str,
}

#[derive(Serialize)]
struct Observer<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    product: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'a str,
}

#[derive(Serialize)]
struct Network {
    #[serde(rename = "type")]
    kind: &'static str,
    transport: &'static str,
    protocol: &'static str,
    direction: &'static str,
    community_id: String,
}

#[derive(Serialize)]
struct Place<'a> {
    address: String,
    ip: String,
    port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<&'a str>,
}

#[derive(Serialize)]
struct Tls<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    curve: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_protocol: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    established: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client<'a>>,
}

#[derive(Serialize)]
struct Client<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja3: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    supported_ciphers: Vec<String>,
}

#[derive(Serialize)]
struct Related<'a> {
    ip: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hash: Vec<String>,
}

/// Writes the documents, a line each; `version` is that of the program.
pub(super) fn write<W: Write>(out: W, flows: Connections<'_>, version: &str) -> io::Result<()> {
    write_lines(out, flows, |written, event| put_json(written, &Document::of(event, version)))
}

impl<'a> Document<'a> {
    fn of(event: &Event<'a>, version: &'a str) -> Self {
        let row = &event.row;
        let mut own = event.own();
        (own.sensor, own.community_id, own.last_seen, own.transport) = (None, None, None, None);
        let mut ips = vec![row.client.addr.to_string(), row.server.addr.to_string()];
        ips.dedup();
        Self {
            timestamp: row.first_seen.to_string(),
            ecs: Ecs { version: ECS_VERSION },
            event: EventFields {
                kind: "event",
                category: ["network"],
                kinds: ["connection", "protocol"],
                module: "tlsunset",
                dataset: "tlsunset.flows",
                id: event.uid(),
                start: row.first_seen.to_string(),
                end: row.last_seen.to_string(),
                duration: row.last_seen.nanos_since(row.first_seen),
                outcome: match row.established {
                    Some(true) => "success",
                    Some(false) => "failure",
                    None => "unknown",
                },
            },
            observer: Observer { name: row.sensor, product: "tlsunset", kind: "sensor", version },
            network: Network {
                kind: if row.server.addr.is_ipv4() { "ipv4" } else { "ipv6" },
                transport: row.transport,
                protocol: match row.protocol {
                    "pseudo-tls" => "tls",
                    protocol => protocol,
                },
                direction: match row.direction {
                    Direction::ToOffice365 => "outbound",
                    Direction::FromOffice365 => "inbound",
                    Direction::Other => "unknown",
                },
                community_id: row.community_id.to_string(),
            },
            source: Place {
                address: row.client.addr.to_string(),
                ip: row.client.addr.to_string(),
                port: row.client.port,
                domain: None,
            },
            destination: Place {
                address: row.server.addr.to_string(),
                ip: row.server.addr.to_string(),
                port: row.server.port,
                domain: event.sni(),
            },
            tls: Tls::of(event),
            related: Related {
                ip: ips,
                hosts: event.hostname().into_iter().collect(),
                hash: event.ja3().into_iter().collect(),
            },
            tlsunset: own,
        }
    }
}

impl<'a> Tls<'a> {
    fn of(event: &Event<'a>) -> Self {
        let row = &event.row;
        let (protocol, version) = row.negotiated.map(parts).unzip();
        Self {
            version,
            version_protocol: protocol,
            cipher: row.cipher.map(|suite| suite.to_string()),
            curve: row.group.map(|group| group.to_string()),
            next_protocol: event.next_protocol(),
            resumed: row.resumed,
            established: row.established,
            client: event.facts.client_hello.as_ref().map(|_| Client {
                server_name: event.sni(),
                ja3: event.ja3(),
                supported_ciphers: event.client_ciphers(),
            }),
        }
    }
}

/// `tls.version_protocol` and `tls.version`.
const fn parts(version: Version) -> (&'static str, &'static str) {
    match version {
        Version::Ssl2 => ("ssl", "2.0"),
        Version::Ssl3 => ("ssl", "3.0"),
        Version::Tls10 => ("tls", "1.0"),
        Version::Tls11 => ("tls", "1.1"),
        Version::Tls12 => ("tls", "1.2"),
        Version::Tls13 => ("tls", "1.3"),
        Version::Dtls10 => ("dtls", "1.0"),
        Version::Dtls12 => ("dtls", "1.2"),
        Version::Dtls13 => ("dtls", "1.3"),
    }
}

//! Suricata's EVE: an event of type `tls` for each connection.
//!
//! Names and types follow `etc/schema.json` of Suricata 8, which closes every object to other
//! names: ours are in the object `tlsunset` beside `tls`. As in Suricata, `tls.version` is the
//! client's where no ServerHello was seen; `server_handshake` and `tlsunset.negotiated` tell which.

use std::io::{self, Write};

use dissect::{Timestamp, Upgrade, Version, is_grease};
use serde::Serialize;

use super::interop::{Event, Own, put_json, write_lines};
use crate::Connections;
use crate::rows::Alpn;

#[derive(Serialize)]
struct EveEvent<'a> {
    timestamp: String,
    flow_id: u64,
    event_type: &'static str,
    src_ip: String,
    src_port: u16,
    dest_ip: String,
    dest_port: u16,
    proto: &'static str,
    ip_v: u8,
    community_id: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    host: &'a str,
    app_proto: &'static str,
    tls: Tls<'a>,
    tlsunset: Own<'a>,
}

#[derive(Serialize)]
struct Tls<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    from_proto: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subjectaltname: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sni: Option<&'a str>,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja3: Option<Ja3>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    client_alpns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    server_alpns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_handshake: Option<ClientHandshake>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_handshake: Option<ServerHandshake>,
}

#[derive(Serialize)]
struct Ja3 {
    hash: String,
}

/// Numbers without GREASE (RFC 8701), in the order of the hello.
#[derive(Serialize)]
struct ClientHandshake {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ciphers: Vec<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exts: Vec<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sig_algs: Vec<u16>,
}

#[derive(Serialize)]
struct ServerHandshake {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher: Option<u16>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exts: Vec<u16>,
}

/// Writes the events, a line each.
pub(super) fn write<W: Write>(out: W, flows: Connections<'_>) -> io::Result<()> {
    write_lines(out, flows, |written, event| put_json(written, &EveEvent::of(event)))
}

impl<'a> EveEvent<'a> {
    fn of(event: &Event<'a>) -> Self {
        let row = &event.row;
        let mut own = event.own();
        (own.sensor, own.community_id, own.transport, own.ja4) = (None, None, None, None);
        Self {
            timestamp: timestamp(row.first_seen),
            flow_id: flow_id(event),
            event_type: "tls",
            src_ip: row.client.addr.to_string(),
            src_port: row.client.port,
            dest_ip: row.server.addr.to_string(),
            dest_port: row.server.port,
            proto: if row.transport == "udp" { "UDP" } else { "TCP" },
            ip_v: if row.server.addr.is_ipv4() { 4 } else { 6 },
            community_id: row.community_id.to_string(),
            host: row.sensor,
            app_proto: if row.protocol == "quic" { "quic" } else { "tls" },
            tls: Tls::of(event),
            tlsunset: own,
        }
    }
}

impl<'a> Tls<'a> {
    fn of(event: &Event<'a>) -> Self {
        let (facts, row) = (event.facts, &event.row);
        let certificate = facts.certificate.as_deref();
        let names = certificate.map(|names| &*names.alternative_names).unwrap_or_default();
        let hello = facts.client_hello.as_ref();
        let offered = hello.map(|hello| &*hello.offer.alpn).unwrap_or_default();
        Self {
            from_proto: from_proto(facts.upgrade),
            subjectaltname: names.iter().map(|name| &**name).collect(),
            session_resumed: row.resumed,
            sni: event.sni(),
            version: row.negotiated.or(row.offered_max).map_or("UNDETERMINED", version),
            ja3: event.ja3().map(|hash| Ja3 { hash }),
            ja4: row.ja4,
            client_alpns: Alpn::Offered(offered).names(),
            server_alpns: event.next_protocol().into_iter().collect(),
            client_handshake: ClientHandshake::of(event),
            server_handshake: ServerHandshake::of(event),
        }
    }
}

impl ClientHandshake {
    fn of(event: &Event<'_>) -> Option<Self> {
        let offer = &event.facts.client_hello.as_ref()?.offer;
        Some(Self {
            version: event.row.offered_max.map(version),
            ciphers: without_grease(&offer.cipher_suites),
            exts: without_grease(offer.extensions.as_deref().unwrap_or_default()),
            sig_algs: without_grease(offer.signature_algorithms.as_deref().unwrap_or_default()),
        })
    }
}

impl ServerHandshake {
    fn of(event: &Event<'_>) -> Option<Self> {
        let hello = event.facts.server_hello.as_ref()?;
        Some(Self {
            version: event.row.negotiated.map(version),
            cipher: hello.cipher_suite,
            exts: without_grease(&hello.extensions),
        })
    }
}

fn without_grease(numbers: &[u16]) -> Vec<u16> {
    numbers.iter().copied().filter(|&number| !is_grease(number)).collect()
}

/// Suricata's name of a version. It has none for DTLS, which keeps ours.
const fn version(version: Version) -> &'static str {
    match version {
        Version::Tls10 => "TLSv1",
        Version::Tls11 => "TLS 1.1",
        Version::Tls12 => "TLS 1.2",
        Version::Tls13 => "TLS 1.3",
        _ => version.name(),
    }
}

/// Suricata's name of the protocol that went over to TLS.
const fn from_proto(upgrade: Upgrade) -> Option<&'static str> {
    match upgrade {
        Upgrade::Smtp | Upgrade::AnonymousTls => Some("smtp"),
        Upgrade::Imap => Some("imap"),
        Upgrade::Pop3 => Some("pop3"),
        Upgrade::Ldap => Some("ldap"),
        Upgrade::Ftp => Some("ftp"),
        Upgrade::HttpConnect => Some("http"),
        Upgrade::Postgres => Some("pgsql"),
        Upgrade::Rdp => Some("rdp"),
        _ => None,
    }
}

/// RFC 3339 with the offset as Suricata has it: `2018-10-31T00:00:00.000000+0000`.
fn timestamp(time: Timestamp) -> String {
    let mut text = time.to_string();
    text.truncate(text.trim_end_matches('Z').len());
    text.push_str("+0000");
    text
}

/// 53 bits, which every reader of JSON keeps.
fn flow_id(event: &Event<'_>) -> u64 {
    u64::try_from(event.identity() >> (128 - 53)).expect("53 bits are left")
}

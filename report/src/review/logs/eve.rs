//! Events of Suricata's EVE log.
//!
//! Suricata takes the version of an event from the last record of the server. Without a
//! ServerHello that is the version of its alert, so what else the event tells must prove that one was
//! selected. It names no suite before version 8; a JA3S string has it.

use dissect::{Protocol, Transport, Version};

use super::{
    Column, Fields, Logged, Row, Told, certificate, client_hello, copy, endpoint, facts, finish,
    moment, server_hello,
};
use crate::review::values;

/// How fields begin that Suricata writes of nothing but a ServerHello, or of what comes behind it.
const PROOFS: [&str; 9] = [
    "tls.ja3s.",
    "tls.server_handshake.",
    "tls.subject",
    "tls.issuerdn",
    "tls.serial",
    "tls.fingerprint",
    "tls.notbefore",
    "tls.certificate",
    "tls.session_resumed",
];

/// What Suricata writes of the packet of QUIC that holds a ClientHello.
const QUIC_HELLO: [&str; 3] = ["quic.ja3.hash", "quic.ja4", "quic.sni"];

/// The connection of an event; `None` for those of other things than TLS.
pub(in crate::review) fn connection(fields: &Fields) -> Option<Logged> {
    match fields.get("event_type")? {
        "tls" => Some(tls(fields)),
        // An event is a packet, of either end; what holds no ClientHello may be no QUIC at all.
        "quic" => QUIC_HELLO.iter().any(|key| fields.get(key).is_some()).then(|| quic(fields)),
        _ => None,
    }
}

fn tls(fields: &Fields) -> Logged {
    let client = endpoint(fields, "src_ip", "src_port")?;
    let server = endpoint(fields, "dest_ip", "dest_port")?;
    let version = fields.get("tls.version").and_then(values::version);
    // No record says that it is of TLS 1.3 (RFC 8446 §5.1).
    let is_proven = |version: &Version| {
        *version == Version::Tls13 || PROOFS.iter().any(|key| fields.has_any(key))
    };
    // JA3S: version, suite, extensions of the ServerHello.
    let suite = fields.get("tls.ja3s.string").and_then(|it| it.split(',').nth(1)?.parse().ok());
    let told = || fields.get("tls.server_handshake.cipher")?.parse().ok();
    let suite: Option<u16> = suite.or_else(told);
    let version = match suite {
        // Behind a HelloRetryRequest Suricata may stay at the version of its record.
        Some(0x1300..=0x13ff) => Some(Version::Tls13),
        _ => version.filter(is_proven),
    };
    let mut answer = version.map(|version| server_hello(version, suite, None));
    if let (Some(answer), Some(alpn)) = (&mut answer, fields.get("tls.server_alpns")) {
        let alpn = alpn.split(',').next().unwrap_or_default();
        answer.alpn = Some(alpn.as_bytes().into()).filter(|_| version < Some(Version::Tls13));
    }
    let mut asked = Row::default();
    for (key, column) in [
        ("tls.sni", Column::ServerName),
        ("tls.ja3.string", Column::Ja3Full),
        ("tls.client_alpns", Column::Alpn),
        ("tls.client_handshake.ciphers", Column::Suites),
        ("tls.client_handshake.exts", Column::ExtensionTypes),
        ("tls.client_handshake.sig_algs", Column::Signatures),
    ] {
        copy(fields, key, &mut asked, column);
    }
    let mut told = Told::new(fields.get("tls.ja3.hash"), fields.get("tls.ja4"));
    let listed = fields.get("tls.client_handshake.version").and_then(values::version);
    told.max = listed.or(told.max);
    told.has_lists = listed.is_some();
    let mut facts = facts(client, server, version);
    facts.resumed = fields.is_true("tls.session_resumed").filter(|_| answer.is_some());
    facts.certificate = certificate(fields.get("tls.subject"), fields.get("tls.subjectaltname"));
    finish(&mut facts, client_hello(asked, &told), answer);
    Ok((moment(fields, "timestamp")?, facts))
}

fn quic(fields: &Fields) -> Logged {
    let client = endpoint(fields, "src_ip", "src_port")?;
    let server = endpoint(fields, "dest_ip", "dest_port")?;
    let mut facts = facts(client, server, None);
    (facts.protocol, facts.transport) = (Protocol::Quic, Transport::Udp);
    let mut asked = Row::default();
    copy(fields, "quic.sni", &mut asked, Column::ServerName);
    copy(fields, "quic.ja3.string", &mut asked, Column::Ja3Full);
    let told = Told::new(fields.get("quic.ja3.hash"), fields.get("quic.ja4"));
    finish(&mut facts, client_hello(asked, &told), None);
    Ok((moment(fields, "timestamp")?, facts))
}

//! What the formats of other programs have in common: an event a connection, with our own fields
//! beside theirs.
//!
//! Each format is a module that names its fields as its consumers do. What their schemas have no
//! place for is [`Own`], under one prefix and with the same names everywhere: those of the columns
//! of `flows.csv`. Policies are parallel lists, as one connection is one event.

use std::io::{self, Write};
use std::net::IpAddr;

use dissect::{FlowFacts, Timestamp, Version, is_grease};
use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::rows::{AlertCell, Alpn, CoverageCell, FlowRow, Hex};
use crate::{AccessPath, Cause, Connections, JudgedFlow, Scenario, iana};

/// A connection, ready to be written as an event.
pub(super) struct Event<'a> {
    pub(super) flow: &'a JudgedFlow,
    pub(super) facts: &'a FlowFacts,
    /// The row under the first policy.
    pub(super) row: FlowRow<'a>,
}

impl<'a> Event<'a> {
    /// The events of connections; each has a judgement.
    pub(super) fn all(flows: &'a [JudgedFlow]) -> impl Iterator<Item = Self> {
        flows.iter().filter_map(|flow| {
            let row = FlowRow::new(flow, flow.judgements.first()?);
            Some(Self { flow, facts: &flow.facts, row })
        })
    }

    /// The name that the client asked for.
    pub(super) fn sni(&self) -> Option<&'a str> {
        self.facts.client_hello.as_ref()?.server_name.as_deref()
    }

    /// The server's name where it is the name of one host: no wildcard and no address.
    pub(super) fn hostname(&self) -> Option<&'a str> {
        let (name, _) = self.row.server_name?;
        let is_host = !name.contains('*') && name.parse::<IpAddr>().is_err();
        is_host.then_some(name)
    }

    /// The suites that the client offers, by name, without GREASE (RFC 8701).
    pub(super) fn client_ciphers(&self) -> Vec<String> {
        let hello = self.facts.client_hello.as_ref();
        let suites = hello.map(|hello| &*hello.offer.cipher_suites).unwrap_or_default();
        let named = |suite: &u16| iana::CipherSuite(*suite).to_string();
        suites.iter().filter(|suite| !is_grease(**suite)).map(named).collect()
    }

    /// JA3 in hexadecimal.
    pub(super) fn ja3(&self) -> Option<String> {
        self.row.ja3.map(|ja3| Hex(&ja3).to_string())
    }

    /// The application protocol that the server chose, where it is visible.
    pub(super) fn next_protocol(&self) -> Option<String> {
        match self.row.alpn {
            Alpn::Chosen(_) => Some(self.row.alpn.to_string()),
            Alpn::None | Alpn::Offered(_) => None,
        }
    }

    /// A number that tells the connection from others: the same in every format, and from the same
    /// packets at any time.
    pub(super) fn identity(&self) -> u128 {
        let mut hash = Sha1::new();
        hash.update(self.row.community_id.to_string());
        hash.update(self.row.first_seen.as_nanos().to_be_bytes());
        hash.update(self.row.sensor);
        let digest: [u8; 20] = hash.finalize().into();
        digest.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    /// The identity as Zeek writes its own: `C`, and 17 digits and letters.
    pub(super) fn uid(&self) -> String {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut rest = self.identity();
        let mut uid = String::from("C");
        for _ in 0..17 {
            let digit = usize::try_from(rest % 62).expect("below 62");
            uid.push(char::from(DIGITS[digit]));
            rest /= 62;
        }
        uid
    }

    /// Our own fields, all of them; a format takes out what its schema has a place for.
    pub(super) fn own(&self) -> Own<'a> {
        let Self { flow, row, .. } = self;
        let judged = &flow.judgements;
        Own {
            sensor: Some(row.sensor).filter(|sensor| !sensor.is_empty()),
            community_id: Some(row.community_id.to_string()),
            last_seen: Some(row.last_seen.to_string()),
            transport: Some(row.transport),
            protocol: row.protocol,
            upgrade: row.upgrade,
            server_name: row.server_name.map(|(name, _)| name),
            server_name_from: row.server_name.map(|(_, from)| from.name()),
            service: row.service.map(|(name, _)| name),
            service_from: row.service.map(|(_, from)| from.name()),
            direction: row.direction.name(),
            offered_max: row.offered_max.map(Version::name),
            negotiated: row.negotiated.map(Version::name),
            alpn: Some(row.alpn.to_string()).filter(|alpn| !alpn.is_empty()),
            ja4: row.ja4,
            alert: row.alert.map(|alert| AlertCell(alert).to_string()),
            coverage: CoverageCell(row.coverage).to_string(),
            path: row.path.map(AccessPath::name),
            scenario: row.scenario.map(Scenario::name),
            policy: judged.iter().map(|it| &*it.policy).collect(),
            verdict: judged.iter().map(|it| it.verdict.name()).collect(),
            cause: judged.iter().map(|it| it.cause.map_or("", Cause::name)).collect(),
            reason: judged.iter().map(|it| &*it.reason).collect(),
            fix: judged.iter().map(|it| &*it.fix).collect(),
            ech: row.ech,
        }
    }
}

/// What no other schema has, by the names of the columns of `flows.csv`. What is not known is left
/// out, but for the two versions, which are always there.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Own<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sensor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) community_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transport: Option<&'static str>,
    pub(super) protocol: &'static str,
    pub(super) upgrade: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server_name_from: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_from: Option<&'static str>,
    pub(super) direction: &'static str,
    pub(super) offered_max: Option<&'static str>,
    pub(super) negotiated: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alpn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alert: Option<String>,
    pub(super) coverage: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scenario: Option<&'static str>,
    pub(super) policy: Vec<&'a str>,
    pub(super) verdict: Vec<&'static str>,
    pub(super) cause: Vec<&'static str>,
    pub(super) reason: Vec<&'a str>,
    pub(super) fix: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ech: Option<bool>,
}

/// Bytes that are collected before the writer beneath is called.
const BUFFER_LEN: usize = 1 << 16;

/// Writes each connection by `put`, which appends a whole line without its end.
pub(super) fn write_lines<W: Write>(
    mut out: W,
    flows: Connections<'_>,
    mut put: impl FnMut(&mut Vec<u8>, &Event<'_>),
) -> io::Result<()> {
    let mut written = Vec::new();
    flows.each_part(|flows| {
        for event in Event::all(flows) {
            put(&mut written, &event);
            written.push(b'\n');
            if written.len() >= BUFFER_LEN {
                out.write_all(&written)?;
                written.clear();
            }
        }
        Ok(())
    })?;
    out.write_all(&written)?;
    out.flush()
}

/// Appends a value as JSON.
pub(super) fn put_json(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("memory takes every event");
}

/// Milliseconds since 1970, as a time before it is counted backwards.
pub(super) const fn millis(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests;

//! One connection under one policy as a row: what `flows.csv` says, before any file format.
//!
//! A [`FlowRow`] borrows from the judged connection and settles every question of presentation
//! once (which address, which version, which alert), so that all formats agree. It judges nothing.
//! Invariant: what the row calls negotiated and offered is what `hosts.csv` counts.

mod community_id;
mod kind;

use std::fmt;

use dissect::{
    Alert, Coverage, Endpoint, FlowFacts, HelloExtent, Offer, Protocol, Side, Timestamp, Transport,
    Upgrade, Version,
};

use crate::iana::{AlertDescription, CipherSuite, Group};
use crate::{
    AccessPath, Cause, Direction, JudgedFlow, Judgement, NameSource, Scenario, ServiceSource,
    Verdict, client_of,
};

pub use community_id::CommunityId;
pub(crate) use kind::FlowKind;

/// One connection under one policy.
#[derive(Debug, Clone, Copy)]
pub struct FlowRow<'a> {
    /// The sensor's name; empty by default.
    pub sensor: &'a str,
    /// Community ID of the connection as it was on the wire, also where a PROXY protocol header
    /// names another client.
    pub community_id: CommunityId,
    /// Time of the first frame.
    pub first_seen: Timestamp,
    /// Time of the last frame.
    pub last_seen: Timestamp,
    /// The client; of a PROXY protocol header where there was one.
    pub client: Endpoint,
    /// The server.
    pub server: Endpoint,
    /// `tcp` or `udp`.
    pub transport: &'static str,
    /// `tls`, `quic`, `dtls` or `pseudo-tls`.
    pub protocol: &'static str,
    /// What came before TLS, `direct` when nothing did.
    pub upgrade: &'static str,
    /// The server's name and its source.
    pub server_name: Option<(&'a str, NameSource)>,
    /// The service and what told it.
    pub service: Option<(&'a str, ServiceSource)>,
    /// Who dialled whom.
    pub direction: Direction,
    /// The highest version offered.
    pub offered_max: Option<Version>,
    /// The version selected.
    pub negotiated: Option<Version>,
    /// The suite selected.
    pub cipher: Option<CipherSuite>,
    /// The group of the key exchange.
    pub group: Option<Group>,
    /// The application protocol: the server's choice, or the client's list.
    pub alpn: Alpn<'a>,
    /// JA3 of the first ClientHello.
    pub ja3: Option<[u8; 16]>,
    /// JA4 of the first ClientHello.
    pub ja4: Option<&'a str>,
    /// Whether an earlier session was resumed.
    pub resumed: Option<bool>,
    /// Whether both sides went over to encryption.
    pub established: Option<bool>,
    /// The first fatal alert, else the first.
    pub alert: Option<&'a Alert>,
    /// What of the deciding bytes was not captured.
    pub coverage: Coverage,
    /// The policy's name.
    pub policy: &'a str,
    /// Its verdict.
    pub verdict: Verdict,
    /// Why; `None` when the verdict needs no cause.
    pub cause: Option<Cause>,
    /// The verdict in words.
    pub reason: &'a str,
    /// What to do; empty when there is nothing to fix.
    pub fix: &'a str,
    /// The access path that the connection is on.
    pub path: Option<AccessPath>,
    /// The scenario that it belongs to.
    pub scenario: Option<Scenario>,
    /// Whether Encrypted ClientHello is offered, as a decoy perhaps; the server's name may then be
    /// the one of a front. `None` without a whole hello.
    pub ech: Option<bool>,
}

impl<'a> FlowRow<'a> {
    /// The row of a connection under one of its judgements.
    #[must_use]
    pub fn new(flow: &'a JudgedFlow, judgement: &'a Judgement) -> Self {
        let facts = &flow.facts;
        let kind = FlowKind::of(flow, judgement);
        Self {
            sensor: &flow.sensor,
            community_id: CommunityId::of(facts.client, facts.server, facts.transport),
            first_seen: facts.first.time,
            last_seen: facts.last.time,
            client: client_of(facts),
            server: facts.server,
            transport: transport_name(facts.transport),
            protocol: protocol_name(facts.protocol),
            upgrade: upgrade_name(facts.upgrade),
            server_name: flow.server_name.as_ref().map(|(name, from)| (&**name, *from)),
            service: kind.service,
            direction: kind.direction,
            offered_max: kind.offered_max(),
            negotiated: kind.negotiated,
            cipher: kind.cipher.map(CipherSuite),
            group: kind.group.map(Group),
            alpn: kind.alpn,
            ja3: kind.offer.and_then(|offer| offer.ja3),
            ja4: kind.offer.and_then(|offer| offer.ja4.as_deref()),
            resumed: kind.resumed,
            established: kind.established,
            alert: kind.alert,
            coverage: kind.coverage,
            policy: &judgement.policy,
            verdict: judgement.verdict,
            cause: judgement.cause,
            reason: &judgement.reason,
            fix: &judgement.fix,
            path: kind.path,
            scenario: kind.scenario,
            ech: kind.offer.and_then(Offer::offers_ech),
        }
    }
}

/// The highest version offered, as reports say it.
///
/// Nothing for pseudo-TLS, whose hello offers nothing. QUIC has no version below TLS 1.3
/// (RFC 9001 §4.2), so a hello that was read offers 1.3, however much of it was there.
#[must_use]
pub fn offered_max(facts: &FlowFacts) -> Option<Version> {
    offered_by(facts.protocol, facts.client_hello.as_ref().map(|hello| &*hello.offer))
}

fn offered_by(protocol: Protocol, offer: Option<&Offer>) -> Option<Version> {
    match protocol {
        Protocol::PseudoTls(_) => None,
        Protocol::Quic => offer.map(|_| Version::Tls13),
        Protocol::Tls | Protocol::Dtls => offer?.max_version(),
    }
}

/// The version selected, as reports say it.
///
/// Nothing for pseudo-TLS. QUIC selects TLS 1.3 or fails: that is settled when the ServerHello was
/// read, and also when the ClientHello was and the server answered with what can't be decrypted.
#[must_use]
pub fn negotiated(facts: &FlowFacts) -> Option<Version> {
    match facts.protocol {
        Protocol::PseudoTls(_) => None,
        Protocol::Quic => {
            let answered = facts.client_hello.is_some()
                && !facts.coverage.contains(Coverage::SERVER_SIDE_MISSING);
            (answered || facts.server_hello.is_some()).then_some(Version::Tls13)
        }
        Protocol::Tls | Protocol::Dtls => facts.negotiated(),
    }
}

/// The alert that a row shows: the first fatal one, else the first.
fn telling_alert(alerts: &[Alert]) -> Option<&Alert> {
    alerts.iter().find(|alert| alert.is_fatal()).or_else(|| alerts.first())
}

/// An application protocol negotiation as one cell (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpn<'a> {
    /// Nothing was offered, or the server chose nothing.
    None,
    /// The server's choice.
    Chosen(&'a [u8]),
    /// The client's list, where the choice is encrypted or was not captured.
    Offered(&'a [Box<[u8]>]),
}

impl<'a> Alpn<'a> {
    fn of(facts: &'a FlowFacts) -> Self {
        if let Some(answer) = &facts.server_hello {
            if let Some(chosen) = &answer.alpn {
                return Self::Chosen(chosen);
            }
            // From TLS 1.3 on the choice is in EncryptedExtensions.
            let in_the_clear = answer.extent == HelloExtent::Whole
                && !matches!(negotiated(facts), Some(Version::Tls13 | Version::Dtls13));
            if in_the_clear {
                return Self::None;
            }
        }
        match &facts.client_hello {
            Some(hello) if !hello.offer.alpn.is_empty() => Self::Offered(&hello.offer.alpn),
            _ => Self::None,
        }
    }

    /// The protocols one by one, bytes that are no UTF-8 replaced.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        match self {
            Self::None => Vec::new(),
            Self::Chosen(name) => vec![text(name)],
            Self::Offered(names) => names.iter().map(|name| text(name)).collect(),
        }
    }

    /// Appends what [`Display`](fmt::Display) shows.
    pub(crate) fn write_to(&self, text: &mut String) {
        match self {
            Self::None => {}
            Self::Chosen(name) => text.push_str(&String::from_utf8_lossy(name)),
            Self::Offered(names) => {
                for (index, name) in names.iter().enumerate() {
                    if index > 0 {
                        text.push(';');
                    }
                    text.push_str(&String::from_utf8_lossy(name));
                }
            }
        }
    }
}

/// The protocols joined by `;`, bytes that are no UTF-8 replaced.
impl fmt::Display for Alpn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_to(&mut text);
        f.write_str(&text)
    }
}

/// An alert as one cell: `client:fatal:protocol_version`.
#[derive(Debug, Clone, Copy)]
pub struct AlertCell<'a>(pub &'a Alert);

impl fmt::Display for AlertCell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Alert { from, level, description, .. } = self.0;
        match level {
            1 => write!(f, "{}:warning:{}", side_name(*from), AlertDescription(*description)),
            2 => write!(f, "{}:fatal:{}", side_name(*from), AlertDescription(*description)),
            _ => write!(f, "{}:{level}:{}", side_name(*from), AlertDescription(*description)),
        }
    }
}

/// Missing parts as one cell: joined by `+`, or `complete`.
#[derive(Debug, Clone, Copy)]
pub struct CoverageCell(pub Coverage);

impl fmt::Display for CoverageCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_complete() {
            return f.write_str("complete");
        }
        for (index, name) in self.0.names().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// A fingerprint in lower-case hexadecimal.
#[derive(Debug, Clone, Copy)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for byte in self.0 {
            let pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0f)]];
            f.write_str(std::str::from_utf8(&pair).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

/// `client` or `server`.
#[must_use]
pub const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Client => "client",
        Side::Server => "server",
    }
}

pub(crate) const fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    }
}

pub(crate) const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tls => "tls",
        Protocol::Quic => "quic",
        Protocol::Dtls => "dtls",
        Protocol::PseudoTls(_) => "pseudo-tls",
    }
}

pub(crate) const fn upgrade_name(upgrade: Upgrade) -> &'static str {
    match upgrade {
        Upgrade::Direct => "direct",
        Upgrade::Xmpp => "starttls-xmpp",
        Upgrade::Smtp => "starttls-smtp",
        Upgrade::AnonymousTls => "x-anonymoustls",
        Upgrade::Imap => "starttls-imap",
        Upgrade::Pop3 => "starttls-pop3",
        Upgrade::Ldap => "starttls-ldap",
        Upgrade::Ftp => "starttls-ftp",
        Upgrade::HttpConnect => "http-connect",
        Upgrade::Socks => "socks",
        Upgrade::Postgres => "postgres",
        Upgrade::MySql => "mysql",
        Upgrade::Tds => "tds",
        Upgrade::Rdp => "rdp",
        Upgrade::Irc => "starttls-irc",
        Upgrade::Nntp => "starttls-nntp",
        Upgrade::Sieve => "starttls-sieve",
        _ => "other",
    }
}

#[cfg(test)]
mod tests;

//! Every connection of one host in words, with the evidence: bytes, frames, and the rule that decided.
//!
//! Says what the facts hold and how the verdict follows; it judges nothing itself. Fits the width
//! it is given, and what came from the wire is made printable first, as in the summary.

mod evidence;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::{FlowFacts, RoleFrom, Side, Transport, Upgrade};

use super::layout::{Ink, Page, count_of};
use super::{Report, TextStyle};
use crate::endpoints::normal;
use crate::names::host_of;
use crate::rows::{CoverageCell, FlowRow, side_name};
use crate::{
    Cause, Direction, HostRow, JudgedFlow, Judgement, NameSource, Policy, ServiceSource, Verdict,
    client_of,
};

/// Whose connections are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostQuery {
    /// Those from and to an address.
    Address(IpAddr),
    /// Those to a server of this name.
    Name(String),
}

impl HostQuery {
    /// Reads an address, also in brackets; anything else is a name.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare.parse() {
            Ok(addr) => Self::Address(addr),
            Err(_) => Self::Name(normal(text).into_owned()),
        }
    }

    /// Whether it is a name that no host can have: one that ends in a number or has a colon, as
    /// addresses do. Browsers tell addresses the same way (WHATWG URL, "ends in a number").
    #[must_use]
    pub fn is_failed_address(&self) -> bool {
        let Self::Name(name) = self else { return false };
        let last = name.rsplit('.').next().unwrap_or_default();
        name.contains(':') || !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether a connection is one of the host's.
    #[must_use]
    pub fn matches(&self, flow: &JudgedFlow) -> bool {
        let facts = &flow.facts;
        match self {
            Self::Address(addr) => {
                [client_of(facts).addr, facts.client.addr, facts.server.addr].contains(addr)
            }
            Self::Name(name) => {
                let sni = || facts.client_hello.as_ref()?.server_name.as_deref();
                let asked = || Some(host_of(facts.upgrade_name.as_deref()?));
                let is_it = |text: &str| normal(text) == name.as_str();
                flow.server_name.as_ref().is_some_and(|(shown, _)| is_it(shown))
                    || sni().is_some_and(is_it)
                    || asked().is_some_and(is_it)
            }
        }
    }
}

/// A host's connections, to be explained.
#[derive(Debug, Clone, Copy)]
pub struct Explanation<'a> {
    /// The report of the run.
    pub report: &'a Report<'a>,
    /// The connections that it is a report of.
    pub flows: &'a [JudgedFlow],
    /// The policies that judged, in the order of judgements.
    pub policies: &'a [Policy],
    /// Whose connections.
    pub host: &'a HostQuery,
    /// Whether the run was made of several, each of which numbered its frames.
    pub is_merged: bool,
}

impl<'a> Explanation<'a> {
    /// The host's connections, in the order of the report.
    #[must_use]
    pub fn flows(&self) -> Vec<&'a JudgedFlow> {
        self.flows.iter().filter(|flow| self.host.matches(flow)).collect()
    }

    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write<W: Write>(&self, mut out: W, style: TextStyle) -> io::Result<()> {
        let mut page = Page::new(style);
        let flows = self.flows();
        self.head(&mut page, &flows);
        let mut fixes = BTreeMap::new();
        for (index, flow) in flows.iter().enumerate() {
            page.gap();
            let (verdict, ink) = worst(flow);
            page.title(
                &format!(
                    "Connection {} of {}, {}: {}",
                    index + 1,
                    flows.len(),
                    verdict.name(),
                    ends(flow)
                ),
                ink,
            );
            self.connection(&mut page, flow, index + 1, &mut fixes);
            // Written one by one: a busy host has more connections than a page should hold.
            out.write_all(page.take().as_bytes())?;
        }
        out.write_all(page.take().as_bytes())?;
        out.flush()
    }

    /// Who it is, and what hosts.csv says of it.
    fn head(&self, page: &mut Page, flows: &[&JudgedFlow]) {
        let count = count_of(flows.len() as u64, "connection");
        match self.host {
            HostQuery::Name(name) => page.title(&format!("{name}: {count}"), Ink::Plain),
            HostQuery::Address(addr) => {
                page.title(&format!("{addr}: {count}"), Ink::Plain);
                let rows = self.report.hosts().rows().iter().filter(|row| row.addr == *addr);
                rows.for_each(|row| host_row(page, row));
            }
        }
        let run = self.report.run();
        if !run.inputs.is_empty() {
            page.paragraph(2, &format!("Captured in: {}", run.inputs.join(", ")));
        }
        if self.is_merged {
            page.paragraph(2, "Frame numbers are those of the run that saw the message.");
        } else if run.inputs.len() > 1 {
            page.paragraph(2, "Frame numbers count through all of them in the order of time.");
        }
    }

    /// Writes a connection. A fix is told once, at the first connection that needs it; `fixes` has
    /// the number of that one.
    fn connection(
        &self,
        page: &mut Page,
        flow: &'a JudgedFlow,
        number: usize,
        fixes: &mut BTreeMap<&'a str, usize>,
    ) {
        let facts = &flow.facts;
        page.paragraph(2, &format!("Who: {}", who(facts)));
        page.paragraph(2, &format!("When: {}", when(facts)));
        if !flow.sensor.is_empty() {
            page.paragraph(2, &format!("Sensor: {}", flow.sensor));
        }
        page.paragraph(2, &format!("Where: {}", place(flow)));
        if facts.upgrade != Upgrade::Direct {
            page.paragraph(2, &format!("Before TLS: {}", before(flow)));
        }
        evidence::write(page, flow, self.policies);
        page.paragraph(2, &format!("Coverage: {}", coverage(facts)));
        for judgement in &flow.judgements {
            let first = *fixes.entry(&*judgement.fix).or_insert(number);
            verdict(page, judgement, (first < number).then_some(first));
        }
        page.paragraph(2, &format!("In Wireshark: {}", filter(facts)));
    }
}

/// The worst verdict of a connection, and its colour.
fn worst(flow: &JudgedFlow) -> (Verdict, Ink) {
    let verdicts = flow.judgements.iter().map(|judgement| judgement.verdict);
    let verdict = verdicts.min().unwrap_or(Verdict::OutOfScope);
    let ink = match verdict {
        Verdict::Breaks | Verdict::FailsToday => Ink::Red,
        Verdict::AtRisk | Verdict::Degrades | Verdict::Unknown => Ink::Yellow,
        Verdict::Passes => Ink::Green,
        Verdict::Unaffected | Verdict::OutOfScope => Ink::Plain,
    };
    (verdict, ink)
}

fn ends(flow: &JudgedFlow) -> String {
    let server = flow.facts.server;
    let named = match &flow.server_name {
        Some((name, _)) => format!("{name} ({})", socket(server)),
        None => socket(server),
    };
    format!("{} to {named}", socket(client_of(&flow.facts)))
}

/// An address and a port, IPv6 in brackets.
fn socket(end: dissect::Endpoint) -> String {
    std::net::SocketAddr::new(end.addr, end.port).to_string()
}

fn host_row(page: &mut Page, row: &HostRow) {
    for outcome in &row.outcomes {
        let cause = outcome.judgement().and_then(|judgement| judgement.cause);
        page.paragraph(
            2,
            &format!(
                "As {}, under {}: {}{}; {}",
                side_name(row.side),
                outcome.policy,
                outcome.verdict().name(),
                cause.map(|cause| format!(", {}", cause.name())).unwrap_or_default(),
                count_of(row.flows, "connection"),
            ),
        );
    }
}

fn who(facts: &FlowFacts) -> String {
    let (client, server) = (socket(facts.client), socket(facts.server));
    let transport = match facts.transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    };
    let mut text = match facts.dialled_by {
        Some(Side::Client) => format!("{client} dialled {server} over {transport}"),
        Some(Side::Server) => {
            format!("{server} dialled {client} over {transport}, and yet answers as TLS server")
        }
        None => format!("{client} and {server} over {transport}; who dialled was not captured"),
    };
    text.push_str(match facts.role_from {
        RoleFrom::ClientHello => "; the client is who sent the ClientHello",
        RoleFrom::ServerHello => "; the client is who received the ServerHello",
        RoleFrom::Syn => "; the client is who sent the SYN, as no hello was seen",
        RoleFrom::Ports => "; the client is guessed from the ports, as no hello was seen",
    });
    if let Some(client) = facts.proxied_client {
        text.push_str(&format!("; a PROXY protocol header names {} as client", socket(client)));
    }
    text
}

fn when(facts: &FlowFacts) -> String {
    format!(
        "{} to {} ({} s), frames {} to {}",
        facts.first.time,
        facts.last.time,
        evidence::seconds(facts.last.time.nanos_since(facts.first.time)),
        facts.first.frame,
        facts.last.frame
    )
}

fn place(flow: &JudgedFlow) -> String {
    let direction = match flow.direction {
        Direction::ToOffice365 => "to Office 365",
        Direction::FromOffice365 => "from Office 365",
        Direction::Other => "neither to nor from Office 365",
    };
    let service = match &flow.service {
        Some((service, ServiceSource::Name)) => format!(": {service}, told by the name"),
        Some((service, ServiceSource::Address)) => format!(": {service}, told by the address"),
        None => String::new(),
    };
    let name = match &flow.server_name {
        Some((name, source)) => format!("; the server is {name}, by {}", source_words(*source)),
        None => "; the server has no name that was seen".to_owned(),
    };
    format!("{direction}{service}{name}")
}

const fn source_words(source: NameSource) -> &'static str {
    match source {
        NameSource::Sni => "the SNI of the ClientHello",
        NameSource::Connect => "what the proxy was asked for",
        NameSource::Xmpp => "the XMPP stream",
        NameSource::Certificate => "its certificate",
        NameSource::Dns => "a DNS answer seen earlier",
    }
}

fn before(flow: &JudgedFlow) -> String {
    // Every judgement has the same row up to the verdict.
    let row = flow.judgements.first().map(|judgement| FlowRow::new(flow, judgement));
    let upgrade = row.map_or("", |row| row.upgrade);
    match flow.facts.upgrade_name.as_deref() {
        Some(name) => format!("{upgrade}, asked for {name}"),
        None => upgrade.to_owned(),
    }
}

fn coverage(facts: &FlowFacts) -> String {
    if facts.coverage.is_complete() {
        return "complete: all bytes that decide were captured".to_owned();
    }
    let words: Vec<&str> = facts.coverage.names().map(missing_words).collect();
    format!("{}: {}", CoverageCell(facts.coverage), words.join("; "))
}

fn missing_words(part: &'static str) -> &'static str {
    match part {
        "midstream" => "the capture begins after the handshake",
        "client-side-missing" => "nothing that the client sent was captured",
        "server-side-missing" => "nothing that the server sent in answer was captured",
        "gap" => "packets are missing that carried deciding bytes",
        "truncated" => "deciding bytes were cut off, by the snap length or by what a text left out",
        "evicted" => "it was given up to stay below --memory before it was decided",
        other => other,
    }
}

/// A verdict; its fix may have been told at an earlier connection.
fn verdict(page: &mut Page, judgement: &Judgement, told_at: Option<usize>) {
    let cause = judgement.cause.map(Cause::name).map(|name| format!(", {name}"));
    page.paragraph(
        2,
        &format!(
            "Verdict under {}: {}{}: {}",
            judgement.policy,
            judgement.verdict.name(),
            cause.unwrap_or_default(),
            judgement.reason
        ),
    );
    page.paragraph(4, &format!("Rule: {}", judgement.rule));
    match told_at.filter(|_| !judgement.fix.is_empty()) {
        Some(number) => page.paragraph(4, &format!("Fix: as for connection {number}.")),
        None => page.fix(4, &judgement.fix),
    }
}

/// A display filter that finds the connection in any capture of it.
fn filter(facts: &FlowFacts) -> String {
    let ip = |addr: IpAddr| if addr.is_ipv4() { "ip" } else { "ipv6" };
    let layer = match facts.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let (client, server) = (facts.client, facts.server);
    format!(
        "{}.addr == {} && {}.addr == {} && {layer}.port == {} && {layer}.port == {}",
        ip(client.addr),
        client.addr,
        ip(server.addr),
        server.addr,
        client.port,
        server.port
    )
}

#[cfg(test)]
mod tests;

//! What was offered, selected and said, down to the bytes and the frames that brought them.

use std::fmt;

use dissect::{
    Alert, ClientHello, EndKind, FlowFacts, HelloExtent, HelloFormat, Mark, Offer, Protocol,
    RefusalKind, ServerHello, Side, Version, is_grease,
};

use super::super::handshakes::put_message;
use super::super::layout::Page;
use crate::iana::{AlertDescription, CipherSuite, Extension, Group};
use crate::rows::side_name;
use crate::{JudgedFlow, Policy};

/// Writes everything between who and verdict.
pub(super) fn write(page: &mut Page, flow: &JudgedFlow, policies: &[Policy]) {
    let facts = &flow.facts;
    if let Protocol::PseudoTls(_) = facts.protocol {
        page.paragraph(2, "Protocol: pseudo-tls, a media relay's imitation of a handshake");
    }
    match &facts.client_hello {
        Some(hello) => offered(page, facts, hello, policies),
        None => page.paragraph(2, "Offered: no ClientHello was captured"),
    }
    if facts.hello_retried {
        page.paragraph(2, "HelloRetryRequest: the server asked for another ClientHello first");
    }
    match &facts.server_hello {
        Some(hello) => selected(page, facts, hello, policies),
        None => page.paragraph(2, "Selected: no ServerHello was captured"),
    }
    certificate(page, facts);
    ending(page, facts);
    messages(page, facts);
}

/// Nanoseconds as seconds with six decimals, cut.
pub(super) fn seconds(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let micros = ns.unsigned_abs() / 1_000;
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// `frame 4, 0.001000 s after the first`.
fn place(facts: &FlowFacts, at: Mark) -> String {
    format!("frame {}, after {} s", at.frame, seconds(at.time.nanos_since(facts.first.time)))
}

/// A version as its two bytes, with its name.
struct Wire(u16);

impl fmt::Display for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0.to_be_bytes();
        write!(f, "{high:02x} {low:02x}")?;
        match Version::from_wire(self.0) {
            Some(version) => write!(f, " ({version})"),
            None if is_grease(self.0) => f.write_str(" (GREASE)"),
            None => f.write_str(" (no known version)"),
        }
    }
}

/// The numbers as two bytes, as packet lists show them.
struct Bytes(u16);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, low] = self.0.to_be_bytes();
        write!(f, "{high:02x} {low:02x}")
    }
}

fn joined<T: fmt::Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}

fn offered(page: &mut Page, facts: &FlowFacts, hello: &ClientHello, policies: &[Policy]) {
    let offer = &hello.offer;
    if offer.is_unread() {
        let place = place(facts, hello.at);
        return page
            .paragraph(2, &format!("Offered: not known, the text has no word of it ({place})"));
    }
    let versions = joined(offer.versions().iter());
    page.paragraph(2, &format!("Offered: {versions} ({})", place(facts, hello.at)));
    let supported = match &offer.supported_versions {
        Some(list) => joined(list.iter().map(|number| Wire(*number))),
        None => "not sent".to_owned(),
    };
    let format = match offer.format {
        HelloFormat::Tls => "record version",
        HelloFormat::SslV2 => "in the format of SSL 2.0, record version",
    };
    page.paragraph(
        4,
        &format!(
            "Version fields: {format} {}, legacy_version {}, supported_versions {supported}",
            Wire(hello.record_version),
            Wire(offer.legacy_version)
        ),
    );
    extent(page, offer.extent);
    suites(page, offer, policies);
    if let Some(groups) = &offer.groups {
        let marked = groups.iter().map(|group| {
            let mark = marks(policies, is_grease(*group), |policy| policy.accepts_group(*group));
            format!("{mark}{}", Group(*group))
        });
        page.paragraph(4, &format!("Groups ({}): {}", legend(policies), joined(marked)));
    } else {
        page.paragraph(4, "Groups: the extension supported_groups was not sent");
    }
    extensions(page, hello);
}

fn extent(page: &mut Page, extent: HelloExtent) {
    let cut = match extent {
        HelloExtent::Whole => return,
        HelloExtent::Listed => {
            return page.paragraph(4, "Told by a log, which leaves out what is in extensions");
        }
        HelloExtent::Extensions => "some extensions may be missing",
        HelloExtent::Suites => "the list of suites is cut short, and extensions are missing",
        HelloExtent::Version => "only the version is certain",
    };
    page.paragraph(4, &format!("Not all of it was captured: {cut}"));
}

/// `+ accepted, - not accepted by office365-tls12`; a mark for each policy.
fn legend(policies: &[Policy]) -> String {
    let names = joined(policies.iter().map(|policy| &policy.name));
    format!("+ accepted, - not, by {names}")
}

/// A mark for each policy; none for what nobody can select.
fn marks(policies: &[Policy], is_signal: bool, accepts: impl Fn(&Policy) -> bool) -> String {
    let mark = |policy| match (is_signal, accepts(policy)) {
        (true, _) => ' ',
        (false, true) => '+',
        (false, false) => '-',
    };
    policies.iter().map(mark).collect()
}

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV` and `TLS_FALLBACK_SCSV`, which are no suites.
const SIGNALS: [u16; 2] = [0x00ff, 0x5600];

fn suites(page: &mut Page, offer: &Offer, policies: &[Policy]) {
    page.paragraph(4, &format!("Suites ({}):", legend(policies)));
    for suite in &offer.cipher_suites {
        let is_signal = is_grease(*suite) || SIGNALS.contains(suite);
        let mark = marks(policies, is_signal, |policy| policy.accepts_suite(*suite));
        let name =
            if is_grease(*suite) { "GREASE".to_owned() } else { CipherSuite(*suite).to_string() };
        page.line(&format!("      {mark} {} {name}", Bytes(*suite)));
    }
    for kind in &offer.sslv2_ciphers {
        page.line(&format!(
            "      {} {kind:06x} a cipher of SSL 2.0",
            marks(policies, false, |_| false)
        ));
    }
}

fn extensions(page: &mut Page, hello: &ClientHello) {
    let offer = &hello.offer;
    match &offer.extensions {
        None => page.paragraph(4, "Extensions: the hello has none"),
        Some(list) => {
            let names = list.iter().filter(|number| !is_grease(**number));
            page.paragraph(4, &format!("Extensions: {}", joined(names.map(|n| Extension(*n)))));
        }
    }
    if let Some(name) = &hello.server_name {
        page.paragraph(4, &format!("SNI: {name}"));
    }
    if !offer.key_share_groups.is_empty() {
        let groups = offer.key_share_groups.iter().map(|group| Group(*group));
        page.paragraph(4, &format!("Key shares: {}", joined(groups)));
    }
    if let Some(algorithms) = &offer.signature_algorithms {
        let numbers = algorithms.iter().map(|number| Bytes(*number));
        page.paragraph(4, &format!("Signature algorithms: {}", joined(numbers)));
    }
    if !offer.alpn.is_empty() {
        let names = offer.alpn.iter().map(|name| String::from_utf8_lossy(name));
        page.paragraph(4, &format!("ALPN: {}", joined(names)));
    }
    if offer.is_fallback() {
        page.paragraph(4, "TLS_FALLBACK_SCSV: this is a retry with a lower version");
    }
    if hello.offers_ticket {
        page.paragraph(4, "It offers to resume an earlier session by ticket or pre-shared key");
    } else if hello.session_id_len > 0 {
        page.paragraph(4, &format!("It carries a session id of {} bytes", hello.session_id_len));
    }
}

fn selected(page: &mut Page, facts: &FlowFacts, hello: &ServerHello, policies: &[Policy]) {
    let version = hello.version().map_or("a version that was cut off", Version::name);
    page.paragraph(2, &format!("Selected: {version} ({})", place(facts, hello.at)));
    let supported = match hello.selected_version {
        Some(number) => Wire(number).to_string(),
        None => "not sent".to_owned(),
    };
    page.paragraph(
        4,
        &format!(
            "Version fields: record version {}, legacy_version {}, supported_versions {supported}",
            Wire(hello.record_version),
            Wire(hello.legacy_version)
        ),
    );
    extent(page, hello.extent);
    if let Some(suite) = hello.cipher_suite {
        let mark = marks(policies, false, |policy| policy.accepts_suite(suite));
        page.paragraph(4, &format!("Suite: {mark} {} {}", Bytes(suite), CipherSuite(suite)));
    }
    if let Some(group) = hello.group {
        let mark = marks(policies, false, |policy| policy.accepts_group(group));
        page.paragraph(4, &format!("Group: {mark} {}", Group(group)));
    }
    match hello.downgrade_mark() {
        Some(could) => page.paragraph(
            4,
            &format!("Downgrade mark: the random ends in 44 4f 57 4e 47 52 44 {}: the server could speak {could}",
                if could == Version::Tls13 { "01" } else { "00" }),
        ),
        None => page.paragraph(4, "Downgrade mark: none in the random"),
    }
    if let Some(alpn) = &hello.alpn {
        page.paragraph(4, &format!("ALPN: {}", String::from_utf8_lossy(alpn)));
    }
    match facts.resumed {
        Some(true) => page.paragraph(4, "It resumes an earlier session"),
        Some(false) => page.paragraph(4, "It is a full handshake"),
        None => {}
    }
}

fn certificate(page: &mut Page, facts: &FlowFacts) {
    /// A certificate of a front door has hundreds.
    const NAMES_MAX: usize = 8;
    if let Some(names) = &facts.certificate {
        let shown = names.alternative_names.iter().take(NAMES_MAX);
        let more = match names.alternative_names.len().checked_sub(NAMES_MAX) {
            None | Some(0) => String::new(),
            Some(more) => format!(" and {more} more"),
        };
        page.paragraph(
            2,
            &format!(
                "Certificate: CN {}, issued by {}, for {}{more}",
                names.common_name.as_deref().unwrap_or("none"),
                names.issuer.as_deref().unwrap_or("nobody named"),
                joined(shown)
            ),
        );
    }
    if facts.certificate_requested {
        page.paragraph(2, "The server asked for a client certificate");
    }
}

fn ending(page: &mut Page, facts: &FlowFacts) {
    for Alert { from, level, description, at } in &facts.alerts {
        let level = match level {
            1 => "warning".to_owned(),
            2 => "fatal".to_owned(),
            _ => format!("level {level}"),
        };
        page.paragraph(
            2,
            &format!(
                "Alert: {} from the {}: {} ({description}) ({})",
                level,
                side_name(*from),
                AlertDescription(*description),
                place(facts, *at)
            ),
        );
    }
    if let Some(refusal) = facts.refusal {
        let how = match refusal.kind {
            RefusalKind::Alert(description) => {
                format!("by the alert {}", AlertDescription(description))
            }
            RefusalKind::Reset => "by RST".to_owned(),
            RefusalKind::Close => "by FIN".to_owned(),
        };
        let at = place(facts, refusal.at);
        page.paragraph(2, &format!("Refused: the server refused the hello {how} ({at})"));
    }
    page.paragraph(
        2,
        match facts.established {
            Some(true) => "Established: yes, both sides went over to encryption",
            Some(false) => "Established: no, the handshake was not finished",
            None => "Established: what was captured does not tell",
        },
    );
    match facts.end {
        Some(end) => {
            let how = match end.kind {
                EndKind::Fin => "closed it (FIN)",
                EndKind::Reset => "reset it (RST)",
            };
            let by = match end.by {
                Side::Client => "client",
                Side::Server => "server",
            };
            page.paragraph(2, &format!("End: the {by} {how} ({})", place(facts, end.at)));
        }
        None => page.paragraph(2, "End: not captured"),
    }
}

fn messages(page: &mut Page, facts: &FlowFacts) {
    if facts.messages.is_empty() {
        return;
    }
    let messages = facts.messages.iter().map(|message| {
        let mut text = format!("{} {} ", message.at.frame, side_name(message.from));
        put_message(&mut text, message.kind);
        text
    });
    page.paragraph(2, &format!("Frames: {}", joined(messages)));
}

//! Connections out of the logs of Zeek and Suricata.
//!
//! They tell what was selected, and of what was offered no more than a policy script
//! (`ssl-log-ext`) or a JA3 string adds. Zeek writes no version without a ServerHello; Suricata
//! then writes `UNDETERMINED`. Suricata names no suite: a JA3S string does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use dissect::{
    Alert, CertificateNames, ClientHello, Coverage, Endpoint, Faults, FlowFacts, HelloExtent, Mark,
    Protocol, Quality, Refusal, RefusalKind, RoleFrom, ServerHello, Side, SideQuality, Transport,
    Version,
};

use super::columns::{Column, Row};
use super::hello;
use super::times::{self, Moment};
use super::values;
use crate::iana;

/// Fields of a log's row that are kept, and bytes of each: hostile rows must not take more.
const FIELDS_MAX: usize = 256;
const FIELD_LEN_MAX: usize = 16 << 10;

/// Alerts that end no handshake: `close_notify`, `user_canceled`, `no_renegotiation`,
/// `unrecognized_name` (RFC 5246 §7.2, RFC 6066 §3). Zeek names an alert without its level.
const WARNINGS: [u8; 4] = [0, 90, 100, 112];

/// A row by field; values of lists are joined by commas.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Forgets the values. Keys stay, as the next row has the same ones, unless rows differ.
    pub(super) fn clear(&mut self) {
        match self.0.len() > FIELDS_MAX / 2 {
            true => self.0.clear(),
            false => self.0.values_mut().for_each(String::clear),
        }
    }

    pub(super) fn push(&mut self, key: &str, value: &str) {
        if self.0.len() >= FIELDS_MAX && !self.0.contains_key(key) {
            return;
        }
        let cell = self.0.entry(key.to_owned()).or_default();
        if cell.len() + value.len() < FIELD_LEN_MAX {
            if !cell.is_empty() {
                cell.push(',');
            }
            cell.push_str(value);
        }
    }

    /// A value; `None` when it is empty or marked as unset.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|it| !matches!(*it, "" | "-" | "(empty)"))
    }

    fn is_true(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            "T" | "true" => Some(true),
            "F" | "false" => Some(false),
            _ => None,
        }
    }
}

/// A connection out of a row, and when; an error says why there is none.
pub(super) type Logged = Result<(Moment, FlowFacts), String>;

/// Whether a log of Zeek that has these fields is `ssl.log`: it says of every row whether the
/// handshake was done, and before Bro 2.3 it had columns for what was selected. Ours leaves out what
/// is not known.
pub(super) fn is_ssl_log(has: impl Fn(&str) -> bool) -> bool {
    has("established") || has("version") && has("cipher") || has("tlsunset_verdict")
}

/// A row of Zeek's `ssl.log`.
pub(super) fn zeek(fields: &Fields) -> Logged {
    let dialler = endpoint(fields, "id.orig_h", "id.orig_p")?;
    let dialled = endpoint(fields, "id.resp_h", "id.resp_p")?;
    // Letters of messages, those of the client in capitals.
    let history = fields.get("ssl_history").unwrap_or_default();
    // The hello came from the end that was dialled.
    let is_flipped = history.contains('^');
    let (client, server) = if is_flipped { (dialled, dialler) } else { (dialler, dialled) };
    let version = fields.get("version").and_then(values::version);
    let suite = fields.get("cipher").and_then(iana::cipher_suite_number);
    let group = fields.get("curve").and_then(iana::group_number);
    // A HelloRetryRequest has a version too, and the suite that the ServerHello will have.
    let has_retried = history.contains('j');
    let is_answered = !has_retried || history.contains('s');
    let answer = version.filter(|_| is_answered);
    let mut answer = answer.map(|version| server_hello(version, suite, group));
    let mut asked = Row::default();
    for (key, column) in [
        ("client_version", Column::Version),
        ("client_ciphers", Column::Suites),
        ("ssl_client_exts", Column::ExtensionTypes),
        ("client_supported_versions", Column::SupportedVersions),
        ("client_curves", Column::Groups),
        ("client_key_share_groups", Column::KeyShares),
        ("point_formats", Column::PointFormats),
        ("orig_alpn", Column::Alpn),
        ("server_name", Column::ServerName),
        ("ja3", Column::Ja3),
    ] {
        copy(fields, key, &mut asked, column);
    }
    let established = fields.is_true("established").filter(|is_established| *is_established);
    let mut facts = facts(client, server, version);
    facts.dialled_by = Some(if is_flipped { Side::Server } else { Side::Client });
    facts.hello_retried = has_retried;
    let alerted_by = match (history.contains('L'), history.contains('l')) {
        (true, false) => Some(Side::Client),
        (false, true) => Some(Side::Server),
        _ => None,
    };
    if let Some(description) = fields.get("last_alert").and_then(values::alert)
        && established.is_none()
        && !WARNINGS.contains(&description)
    {
        let alert =
            alerted_by.map(|from| Alert { from, level: 2, description, at: Mark::default() });
        match alert {
            Some(alert) => {
                // Zeek would have a version if there had been a ServerHello.
                if alert.from == Side::Server && version.is_none() {
                    let kind = RefusalKind::Alert(description);
                    facts.refusal = Some(Refusal { kind, at: Mark::default() });
                }
                facts.alerts.push(alert);
            }
            // Whoever gave up: what was selected is no proof that it works.
            None => answer = answer.map(|hello| ServerHello { cipher_suite: None, ..hello }),
        }
    }
    if let (Some(answer), Some(alpn)) = (&mut answer, fields.get("next_protocol")) {
        answer.alpn = Some(alpn.as_bytes().into()).filter(|_| version < Some(Version::Tls13));
    }
    facts.established = established;
    // Zeek before version 5 calls no session of TLS 1.3 resumed.
    let may_tell = |resumed: &bool| *resumed || version < Some(Version::Tls13);
    facts.resumed = fields.is_true("resumed").filter(|_| answer.is_some()).filter(may_tell);
    facts.certificate = certificate(fields.get("subject"), None);
    finish(&mut facts, client_hello(&asked), answer);
    Ok((moment(fields, "ts")?, facts))
}

/// An event of Suricata's EVE log; `None` for those of other things than TLS.
pub(super) fn eve(fields: &Fields) -> Option<Logged> {
    match fields.get("event_type")? {
        "tls" => Some(eve_tls(fields)),
        "quic" => Some(eve_quic(fields)),
        _ => None,
    }
}

fn eve_tls(fields: &Fields) -> Logged {
    let client = endpoint(fields, "src_ip", "src_port")?;
    let server = endpoint(fields, "dest_ip", "dest_port")?;
    let version = fields.get("tls.version").and_then(values::version);
    // JA3S: version, suite, extensions of the ServerHello.
    let suite = fields.get("tls.ja3s.string").and_then(|it| it.split(',').nth(1)?.parse().ok());
    let told = || fields.get("tls.server_handshake.cipher")?.parse().ok();
    let suite = suite.or_else(told);
    let answer = version.map(|version| server_hello(version, suite, None));
    let mut asked = Row::default();
    for (key, column) in [
        ("tls.sni", Column::ServerName),
        ("tls.ja3.hash", Column::Ja3),
        ("tls.ja3.string", Column::Ja3Full),
        ("tls.client_alpns", Column::Alpn),
    ] {
        copy(fields, key, &mut asked, column);
    }
    let mut facts = facts(client, server, version);
    facts.resumed = fields.is_true("tls.session_resumed").filter(|_| answer.is_some());
    facts.certificate = certificate(fields.get("tls.subject"), fields.get("tls.subjectaltname"));
    finish(&mut facts, client_hello(&asked), answer);
    Ok((moment(fields, "timestamp")?, facts))
}

fn eve_quic(fields: &Fields) -> Logged {
    let client = endpoint(fields, "src_ip", "src_port")?;
    let server = endpoint(fields, "dest_ip", "dest_port")?;
    let mut facts = facts(client, server, None);
    (facts.protocol, facts.transport) = (Protocol::Quic, Transport::Udp);
    let mut asked = Row::default();
    copy(fields, "quic.sni", &mut asked, Column::ServerName);
    finish(&mut facts, client_hello(&asked), None);
    Ok((moment(fields, "timestamp")?, facts))
}

fn copy(fields: &Fields, key: &str, row: &mut Row, column: Column) {
    if let Some(value) = fields.get(key) {
        row.know(column);
        row.push(column, value);
    }
}

fn endpoint(fields: &Fields, addr: &str, port: &str) -> Result<Endpoint, String> {
    let value = |key: &str| fields.get(key).ok_or_else(|| format!("there is no {key}"));
    let wrong = |key: &str, value: &str| {
        format!("{:?} is no value of {key}", value.chars().take(40).collect::<String>())
    };
    let (addr_text, port_text) = (value(addr)?, value(port)?);
    let address: IpAddr = addr_text.parse().map_err(|_| wrong(addr, addr_text))?;
    let number = port_text.parse().map_err(|_| wrong(port, port_text))?;
    Ok(Endpoint { addr: address, port: number })
}

fn moment(fields: &Fields, key: &str) -> Result<Moment, String> {
    let text = fields.get(key).ok_or_else(|| format!("there is no {key}"))?;
    let shown = || text.chars().take(40).collect::<String>();
    times::parse(text).ok_or_else(|| format!("{:?} is no time", shown()))
}

fn server_hello(version: Version, suite: Option<u16>, group: Option<u16>) -> ServerHello {
    let extent = if suite.is_some() { HelloExtent::Extensions } else { HelloExtent::Suites };
    let told = hello::told_server_hello(version);
    ServerHello { cipher_suite: suite, group, extent, ..told }
}

/// What is known of the ClientHello: all that there is, or its name alone.
fn client_hello(row: &Row) -> ClientHello {
    hello::client_hello(row, true).unwrap_or_else(|_| ClientHello {
        server_name: hello::name(row.text(Column::ServerName)),
        ..hello::hello_of(hello::unknown_offer())
    })
}

/// The names of a certificate, of its subject and its alternative names.
fn certificate(subject: Option<&str>, others: Option<&str>) -> Option<Arc<CertificateNames>> {
    let common_name = subject.and_then(|subject| {
        let mut parts = subject.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix("CN=")).and_then(hello::name)
    });
    let names = others.unwrap_or_default().split(',').filter_map(hello::name).take(64).collect();
    let names = CertificateNames { alternative_names: names, common_name, issuer: None };
    (names != CertificateNames::default()).then(|| Arc::new(names))
}

/// A connection of which its ends are known.
fn facts(client: Endpoint, server: Endpoint, version: Option<Version>) -> FlowFacts {
    let is_dtls = version.is_some_and(|version| version >= Version::Dtls10);
    let quality = SideQuality { faults: Faults::RETOLD, ..SideQuality::default() };
    FlowFacts {
        transport: if is_dtls { Transport::Udp } else { Transport::Tcp },
        protocol: if is_dtls { Protocol::Dtls } else { Protocol::Tls },
        coverage: Coverage::TRUNCATED,
        quality: Quality { client: quality, server: quality },
        ..FlowFacts::new(client, server)
    }
}

/// Puts the hellos in, and says what is missing: of a log at least the end of the ClientHello.
fn finish(facts: &mut FlowFacts, hello: ClientHello, answer: Option<ServerHello>) {
    let is_nameless = hello.server_name.is_none();
    let is_seen = !is_nameless || hello.offer.extent > HelloExtent::Version || answer.is_none();
    facts.role_from = if is_seen { RoleFrom::ClientHello } else { RoleFrom::ServerHello };
    facts.client_hello = is_seen.then_some(hello);
    facts.server_hello = answer;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        pairs.iter().for_each(|(key, value)| fields.push(key, value));
        fields
    }

    const ENDS: [(&str, &str); 5] = [
        ("ts", "1540944000.5"),
        ("id.orig_h", "10.0.0.7"),
        ("id.orig_p", "50000"),
        ("id.resp_h", "52.97.1.1"),
        ("id.resp_p", "443"),
    ];

    fn zeek_row(more: &[(&str, &str)]) -> FlowFacts {
        zeek(&fields(&[ENDS.as_slice(), more].concat())).unwrap().1
    }

    #[test]
    fn zeek_tells_what_was_selected() {
        let facts = zeek_row(&[
            ("version", "TLSv12"),
            ("cipher", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("curve", "secp256r1"),
            ("server_name", "outlook.office365.com"),
            ("established", "T"),
            ("resumed", "F"),
        ]);
        let hello = facts.server_hello.as_ref().unwrap();
        assert_eq!(hello.version(), Some(Version::Tls12));
        assert_eq!((hello.cipher_suite, hello.group), (Some(0xc02f), Some(23)));
        assert_eq!((facts.established, facts.resumed), (Some(true), Some(false)));
        assert_eq!(facts.offered_max(), None);
    }

    /// Letters and values as Zeek's script for SSL writes them (`SSL::Info`, `add_to_history`).
    #[test]
    fn zeek_tells_by_letters_who_asked_and_what_was_no_answer() {
        let selected = [("version", "TLSv13"), ("cipher", "TLS_AES_256_GCM_SHA384")];
        let row = |history: &'static str| {
            let more = [("ssl_history", history), ("established", "F"), ("resumed", "F")];
            zeek_row(&[selected.as_slice(), &more].concat())
        };
        let facts = row("^CsiI");
        assert_eq!((facts.client.port, facts.server.port), (443, 50000));
        assert_eq!(facts.dialled_by, Some(Side::Server));
        let facts = row("Cj");
        assert!(facts.hello_retried && facts.server_hello.is_none());
        let facts = row("CjCs");
        assert_eq!((facts.hello_retried, facts.negotiated()), (true, Some(Version::Tls13)));
        // Old ones know of no session of TLS 1.3 that was resumed.
        assert_eq!(facts.resumed, None);
        assert_eq!(zeek_row(&[("version", "TLSv13-draft14")]).negotiated(), Some(Version::Tls13));
    }

    #[test]
    fn an_alert_that_may_be_a_warning_ends_nothing() {
        let row = |alert: &'static str| {
            zeek_row(&[
                ("version", "TLSv10"),
                ("cipher", "TLS_RSA_WITH_AES_128_CBC_SHA"),
                ("last_alert", alert),
                ("established", "F"),
                ("ssl_history", "Csxnl"),
            ])
        };
        assert_eq!(row("unrecognized_name").alerts.len(), 0);
        assert_eq!(row("handshake_failure").alerts[0].description, 40);
    }

    /// Versions and subjects as Suricata writes them, and the suite as Suricata 8 may.
    #[test]
    fn suricata_tells_what_was_selected_in_its_own_words() {
        let event = |more: &[(&str, &str)]| {
            let ends = [
                ("timestamp", "2026-11-23T08:00:00.905055+0000"),
                ("event_type", "tls"),
                ("src_ip", "10.0.0.7"),
                ("src_port", "50000"),
                ("dest_ip", "52.97.1.1"),
                ("dest_port", "443"),
            ];
            eve(&fields(&[ends.as_slice(), more].concat())).unwrap().unwrap().1
        };
        let facts = event(&[("tls.version", "TLSv1"), ("tls.server_handshake.cipher", "49172")]);
        assert_eq!(facts.server_hello.unwrap().cipher_suite, Some(0xc014));
        let facts = event(&[("tls.version", "TLS 1.3 draft-28"), ("tls.sni", "a.example")]);
        assert_eq!(facts.negotiated(), Some(Version::Tls13));
        let names = "C=US, ST=Somewhere, O=Contoso, Inc., CN=*.contoso.example";
        let facts = event(&[("tls.version", "TLS 1.2"), ("tls.subject", names)]);
        let name = facts.certificate.unwrap().common_name.clone();
        assert_eq!(name.as_deref(), Some("*.contoso.example"));
    }

    #[test]
    fn zeek_with_its_extended_log_tells_what_was_offered() {
        let facts = zeek_row(&[
            ("client_version", "769"),
            ("client_ciphers", "49172,49171,53,47"),
            ("ssl_client_exts", "0,10,11"),
        ]);
        assert_eq!(facts.offered_max(), Some(Version::Tls10));
    }

    #[test]
    fn an_alert_of_nobody_leaves_nothing_proven() {
        let chosen = [
            ("version", "TLSv12"),
            ("cipher", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("established", "F"),
            ("last_alert", "unknown_ca"),
        ];
        let facts = zeek_row(&chosen);
        assert!(facts.alerts.is_empty() && facts.server_hello.unwrap().cipher_suite.is_none());
        let facts = zeek_row(&[chosen.as_slice(), &[("ssl_history", "CsxL")]].concat());
        assert_eq!(facts.alerts[0].from, Side::Client);
    }

    #[test]
    fn suricata_tells_the_version_and_by_ja3_the_offer() {
        let ends = [
            ("timestamp", "2018-10-31T00:00:00.500000+0000"),
            ("event_type", "tls"),
            ("src_ip", "10.0.0.7"),
            ("src_port", "50000"),
            ("dest_ip", "52.97.1.1"),
            ("dest_port", "443"),
        ];
        let of = |more: &[(&str, &str)]| {
            eve(&fields(&[ends.as_slice(), more].concat())).unwrap().unwrap().1
        };
        let facts = of(&[("tls.version", "TLS 1.2"), ("tls.ja3s.string", "771,49199,65281")]);
        assert_eq!(facts.negotiated(), Some(Version::Tls12));
        assert_eq!(facts.server_hello.unwrap().cipher_suite, Some(0xc02f));
        assert!(of(&[("tls.version", "UNDETERMINED")]).server_hello.is_none());
        let facts = of(&[("tls.ja3.string", "769,49172-49171-53,0-10-11,23-24,0")]);
        assert_eq!(facts.offered_max(), Some(Version::Tls10));
        let facts = of(&[("tls.ja3.string", "771,4865-49199,0-10-43,29-23,0")]);
        assert_eq!(facts.offered_max(), None, "what supported_versions says is in no JA3");
        assert!(eve(&fields(&[("event_type", "dns")])).is_none());
        assert!(eve(&fields(&[("event_type", "tls")])).unwrap().is_err());
    }
}

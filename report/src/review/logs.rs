//! Connections out of the logs of Zeek and Suricata, and of those who ship them.
//!
//! They tell what was selected, and of what was offered no more than a policy script
//! (`ssl-log-ext`), a JA3 string, a JA4 or Suricata's `client_handshake` adds. A hash of the hello
//! was taken from all of it, so it counts although the hello is not there.

pub(super) mod ecs;
pub(super) mod eve;
#[cfg(test)]
mod tests;
pub(super) mod zeek;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use dissect::{
    CertificateNames, ClientHello, Coverage, Endpoint, Faults, FlowFacts, HelloExtent, Protocol,
    Quality, RoleFrom, ServerHello, SideQuality, Transport, Version,
};

use super::columns::{Column, Row};
use super::hello;
use super::times::{self, Moment};
use super::values;

/// Fields of a log's row that are kept, and bytes of each: hostile rows must not take more.
const FIELDS_MAX: usize = 256;
const FIELD_LEN_MAX: usize = 16 << 10;

/// `supported_versions` (RFC 8446 §4.2).
const SUPPORTED_VERSIONS: u16 = 43;

/// What shippers put around the row of a log: Elasticsearch, Filebeat, Wazuh, Splunk.
const WRAPPERS: [&str; 5] = ["", "_source.", "json.", "data.", "result."];

/// A row by field; values of lists are joined by commas.
#[derive(Debug, Default)]
pub(super) struct Fields {
    values: BTreeMap<String, String>,
    /// What stands before the name of each field that is asked for.
    wrapper: &'static str,
}

impl Fields {
    /// Forgets the values. Keys stay, as the next row has the same ones, unless rows differ.
    pub(super) fn clear(&mut self) {
        self.wrapper = "";
        match self.values.len() > FIELDS_MAX / 2 {
            true => self.values.clear(),
            false => self.values.values_mut().for_each(String::clear),
        }
    }

    pub(super) fn push(&mut self, key: &str, value: &str) {
        // Nearly every row has the keys of the one before.
        if !self.values.contains_key(key) {
            if self.values.len() >= FIELDS_MAX {
                return;
            }
            self.values.insert(key.to_owned(), String::new());
        }
        let Some(cell) = self.values.get_mut(key) else { return };
        if cell.len() + value.len() < FIELD_LEN_MAX {
            if !cell.is_empty() {
                cell.push(',');
            }
            cell.push_str(value);
        }
    }

    /// A value; `None` when it is empty or marked as unset.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let value = match self.wrapper {
            "" => self.values.get(key),
            wrapper => self.values.get(&format!("{wrapper}{key}")),
        };
        value.map(String::as_str).filter(|it| !matches!(*it, "" | "-" | "(empty)"))
    }

    /// The first of two fields that has a value.
    fn either(&self, key: &str, other: &str) -> Option<&str> {
        self.get(key).or_else(|| self.get(other))
    }

    /// Whether a field that begins like this has a value.
    fn has_any(&self, beginning: &str) -> bool {
        let beginning = format!("{}{beginning}", self.wrapper);
        let behind = self.values.range(beginning.clone()..);
        behind
            .take_while(|(key, _)| key.starts_with(&beginning))
            .any(|(_, value)| !value.is_empty())
    }

    /// Finds one of these fields, as it is or in what a shipper put around it.
    pub(super) fn unwrap(&mut self, keys: &[&str]) -> bool {
        let found = WRAPPERS.into_iter().find(|wrapper| {
            self.wrapper = wrapper;
            keys.iter().any(|key| self.get(key).is_some())
        });
        self.wrapper = found.unwrap_or_default();
        found.is_some()
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

fn copy(fields: &Fields, key: &str, row: &mut Row, column: Column) {
    if let Some(value) = fields.get(key) {
        row.know(column);
        row.push(column, value);
    }
}

fn endpoint(fields: &Fields, addr: &str, port: &str) -> Result<Endpoint, String> {
    // A dot within a name is more than some databases take.
    let value = |key: &str| {
        let found = fields.get(key).or_else(|| fields.get(&key.replace('.', "_")));
        found.ok_or_else(|| format!("there is no {key}"))
    };
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

/// What a log says of a hello beside its lists.
#[derive(Debug, Default)]
struct Told<'a> {
    /// The highest version that was offered.
    max: Option<Version>,
    ja3: Option<&'a str>,
    ja4: Option<&'a str>,
    /// The list of suites, and that of extensions, are all there is.
    has_lists: bool,
}

impl<'a> Told<'a> {
    fn new(ja3: Option<&'a str>, ja4: Option<&'a str>) -> Self {
        // That of a hello in the format of SSL 2.0 is one of nothing.
        let ja4 = ja4.filter(|ja4| !ja4.starts_with("t00i000000"));
        Self { max: ja4.and_then(version_of_ja4), ja3, ja4, has_lists: false }
    }
}

/// The highest version offered, which JA4 has in its second and third character.
fn version_of_ja4(ja4: &str) -> Option<Version> {
    Some(match ja4.get(1..3).filter(|_| ja4.starts_with(['t', 'q']))? {
        "13" => Version::Tls13,
        "12" => Version::Tls12,
        "11" => Version::Tls11,
        "10" => Version::Tls10,
        "s3" => Version::Ssl3,
        _ => return None,
    })
}

fn server_hello(version: Version, suite: Option<u16>, group: Option<u16>) -> ServerHello {
    let extent = if suite.is_some() { HelloExtent::Extensions } else { HelloExtent::Suites };
    let told = hello::told_server_hello(version);
    ServerHello { cipher_suite: suite, group, extent, ..told }
}

/// What is known of the ClientHello: all that there is, or its name alone.
fn client_hello(mut row: Row, told: &Told<'_>) -> ClientHello {
    let max = told.max.filter(|max| *max >= Version::Ssl3 && *max <= Version::Tls13);
    if let Some(max) = max
        && row.text(Column::Version).is_empty()
        && row.text(Column::Ja3Full).is_empty()
    {
        // What is above stands in `supported_versions` (RFC 8446 §4.1.2).
        row.push(Column::Version, &values::version_number(max).min(0x0303).to_string());
    }
    let mut hello = hello::client_hello(&row, true).unwrap_or_else(|_| ClientHello {
        server_name: hello::name(row.text(Column::ServerName)),
        ..hello::hello_of(hello::unknown_offer())
    });
    let offer = Arc::make_mut(&mut hello.offer);
    offer.ja3 = offer.ja3.or_else(|| hello::hash(told.ja3?));
    offer.ja4 = offer.ja4.take().or_else(|| hello::name(told.ja4?));
    if told.has_lists && !offer.cipher_suites.is_empty() && offer.extent < HelloExtent::Listed {
        offer.extent = HelloExtent::Listed;
    }
    let may_list_versions = match offer.extent {
        HelloExtent::Listed => offer.has_extension(SUPPORTED_VERSIONS),
        HelloExtent::Version => true,
        _ => false,
    };
    if let Some(max) = max.filter(|max| *max == Version::Tls13)
        && may_list_versions
        && offer.supported_versions.is_none()
    {
        offer.supported_versions = Some(vec![values::version_number(max)]);
    }
    hello
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
    let is_seen = !is_nameless || *hello.offer != hello::unknown_offer() || answer.is_none();
    facts.role_from = if is_seen { RoleFrom::ClientHello } else { RoleFrom::ServerHello };
    facts.client_hello = is_seen.then_some(hello);
    facts.server_hello = answer;
}

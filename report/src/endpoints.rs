//! Which names and addresses are Office 365, and which service they belong to.
//!
//! [`Endpoints`] holds one list: the built-in one, or Microsoft's web-service JSON together with
//! the names and ranges that the web service lacks. It matches names and addresses; what a match
//! means for a connection is decided elsewhere. Ports are for display only: real traffic to these
//! addresses uses more ports than the list names.

mod builtin;
mod json;
mod pattern;
mod prefix;

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

pub(crate) use pattern::{NameTable, check as check_pattern, normal};
pub(crate) use prefix::DEFAULT_HOME;
pub use prefix::{Home, Prefix, PrefixError};

pub use self::json::EndpointsError;
use self::prefix::PrefixTable;
use crate::services::Service;

/// An endpoint list, ready to be asked.
#[derive(Debug, Clone)]
pub struct Endpoints {
    origin: String,
    rows: Vec<EndpointRow>,
    left_out: Vec<String>,
    names: NameTable<Service>,
    prefixes: PrefixTable<(Service, AddressClass)>,
}

/// Names and networks of one service, as a list has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointRow {
    /// The service.
    pub service: Service,
    /// Host names, with one `*` at most.
    pub names: Vec<String>,
    /// Networks.
    pub prefixes: Vec<Prefix>,
    /// TCP ports that the list names.
    pub tcp_ports: Vec<PortRange>,
    /// UDP ports that the list names.
    pub udp_ports: Vec<PortRange>,
    /// Whether the networks serve other sites too.
    pub class: AddressClass,
}

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl PortRange {
    /// Reads `443`, `50000-59999`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some(Self { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// Whether an address can belong to somebody else than its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressClass {
    /// The network serves one service alone: whatever the name, it is that service.
    Alone,
    /// A front door that serves other sites too, or a network that several services share: a name
    /// that is no endpoint overrules it.
    Shared,
}

/// What the list says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressMatch {
    /// The service.
    pub service: Service,
    /// The longest network around the address.
    pub prefix: Prefix,
    /// Whether it serves others too.
    pub class: AddressClass,
}

impl Endpoints {
    /// The built-in list: the worldwide and the sovereign clouds, and the names and ranges of
    /// Lync, Skype for Business and old mail clients that Microsoft's list lacks.
    #[must_use]
    pub fn builtin() -> Self {
        let table = builtin::read();
        Self::assemble(format!("built-in, {}", table.date), table.rows, table.left_out)
    }

    /// Reads Microsoft's endpoint web-service JSON (`https://endpoints.office.com/endpoints/...`).
    ///
    /// The list takes the place of the built-in one, except for what the web service never had
    /// (Lync, hybrid ranges, opt-in mail hosts). Wildcards over all of a company and sites that
    /// serve everybody don't count, as in the built-in list; see [`Endpoints::left_out`].
    ///
    /// # Errors
    ///
    /// When the text is no such JSON, with the place, what stands there and what is allowed.
    pub fn from_json(text: &str) -> Result<Self, EndpointsError> {
        let table = builtin::read();
        let ignored: HashSet<&str> = table.left_out.iter().map(String::as_str).collect();
        let mut rows = table.always().to_vec();
        let mut left_out = Vec::new();
        for mut row in json::read(text)? {
            let (out, kept) = row.names.into_iter().partition(|n| ignored.contains(n.as_str()));
            row.names = kept;
            left_out.extend::<Vec<String>>(out);
            rows.push(row);
        }
        left_out.sort_unstable();
        left_out.dedup();
        Ok(Self::assemble("endpoint web service".to_owned(), rows, left_out))
    }

    fn assemble(origin: String, mut rows: Vec<EndpointRow>, left_out: Vec<String>) -> Self {
        // What is listed for one service and as common to all belongs to the one.
        rows.sort_by_key(|row| row.service == Service::Microsoft365Common);
        let mut names = NameTable::new();
        for row in &rows {
            for name in &row.names {
                names.insert(name, row.service);
            }
        }
        let prefixes = PrefixTable::new(rows.iter().flat_map(|row| {
            row.prefixes.iter().map(|&prefix| (prefix, (row.service, class(row, &prefix))))
        }));
        Self { origin, rows, left_out, names, prefixes }
    }

    /// Where the list comes from, and its date when it has one.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What the list holds.
    #[must_use]
    pub fn rows(&self) -> &[EndpointRow] {
        &self.rows
    }

    /// Names that Microsoft lists and that do not count: too wide, or everybody's.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The service of a host name; case and a trailing dot don't matter.
    #[must_use]
    pub fn service_of_name(&self, name: &str) -> Option<Service> {
        self.service_of_normal(&normal(name))
    }

    /// The service of a host name in normal form: no dot at its end is insignificant any more.
    pub(crate) fn service_of_normal(&self, name: &str) -> Option<Service> {
        self.names.best(name).copied()
    }

    /// The part of a name in normal form that stands for the wildcard of its pattern; empty where
    /// the list writes the name out.
    pub(crate) fn stand_in(&self, name: &str) -> Option<Range<usize>> {
        self.names.stand_in(name)
    }

    /// What the list says of an address.
    #[must_use]
    pub fn match_address(&self, addr: IpAddr) -> Option<AddressMatch> {
        let (prefix, &(service, class)) = self.prefixes.longest(addr)?;
        Some(AddressMatch { service, prefix, class })
    }
}

/// Ranges of Microsoft's front doors, which serve other sites beside Office 365, each with the
/// part of it that does not.
///
/// `2620:1ec::/36` is what the same front doors use for IPv6: the web service lists single
/// addresses and parts of it beside the IPv4 ones, and two networks for Skype and Teams alone.
const FRONT_DOORS: [(&str, &[&str]); 5] = [
    ("13.107.0.0/16", &["13.107.64.0/18"]),
    ("150.171.0.0/16", &[]),
    ("204.79.197.0/24", &[]),
    ("131.253.33.0/24", &[]),
    ("2620:1ec::/36", &["2620:1ec:6::/48", "2620:1ec:40::/42"]),
];

fn class(row: &EndpointRow, prefix: &Prefix) -> AddressClass {
    let covers = |text: &str| {
        let range: Prefix = text.parse().expect("the table holds prefixes, as a test reads it");
        range.covers(prefix)
    };
    let front_door = FRONT_DOORS
        .iter()
        .any(|(range, except)| covers(range) && !except.iter().any(|part| covers(part)));
    // Networks of all services serve none alone.
    let is_common = row.service == Service::Microsoft365Common;
    if front_door || is_common { AddressClass::Shared } else { row.class }
}

#[cfg(test)]
mod tests;

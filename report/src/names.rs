//! What a connection's server is called, and what that says of its service.
//!
//! Of several names the strongest is shown; which of name and address decides follows the class
//! of the address. Nothing here judges.

pub(crate) mod labels;

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use dissect::{CertificateNames, FlowFacts, NameSeen, Timestamp, Upgrade};
use smallvec::{SmallVec, smallvec};

use crate::endpoints::{AddressClass, Endpoints, Home, Prefix, normal};
use crate::judge::client_of;
use crate::judged::{Direction, NameSource, ServiceSource};
use crate::services::Service;

/// Names that DNS answers gave to addresses, for connections that name nobody.
#[derive(Debug, Clone, Default)]
pub struct NameBook {
    /// By asker and address, in the order of time.
    answers: HashMap<(IpAddr, IpAddr), Vec<Answer>>,
    len: usize,
    dropped: u64,
}

/// When a name was learned, the name, and until when it is believed.
type Answer = (Timestamp, Arc<str>, Timestamp);

impl NameBook {
    /// How many answers are kept: a day of a large site, in some 100 MB. Later ones are dropped
    /// and counted.
    pub const ANSWERS_MAX: usize = 1 << 20;

    /// For how many seconds an answer is believed at the least: programs keep addresses for
    /// longer than the few seconds that answers of Office 365 allow.
    pub const TTL_MIN: u32 = 3600;

    /// Notes what a client learned from a DNS answer.
    pub fn learn(&mut self, seen: &NameSeen) {
        for server in &seen.addresses {
            self.insert(seen.client, *server, seen.at.time, &seen.name, seen.ttl);
        }
    }

    /// Notes that at a time `client` learned that `server` is the address of `name` for `ttl`
    /// seconds.
    pub fn insert(&mut self, client: IpAddr, server: IpAddr, at: Timestamp, name: &str, ttl: u32) {
        if self.len >= Self::ANSWERS_MAX {
            self.dropped += 1;
            return;
        }
        let answers = self.answers.entry((client, server)).or_default();
        let lifetime = i64::from(ttl.max(Self::TTL_MIN)) * 1_000_000_000;
        let until = Timestamp::from_nanos(at.as_nanos().saturating_add(lifetime));
        let answer = (at, Arc::from(normal(name)), until);
        if let Err(place) = answers.binary_search(&answer) {
            answers.insert(place, answer);
            self.len += 1;
        }
    }

    /// The name that `client` last learned for `server` before a time, unless it is too old.
    #[must_use]
    pub fn lookup(&self, client: IpAddr, server: IpAddr, before: Timestamp) -> Option<&str> {
        let answers = self.answers.get(&(client, server))?;
        let later = answers.partition_point(|(at, ..)| *at <= before);
        let (_, name, until) = answers.get(later.checked_sub(1)?)?;
        (before <= *until).then_some(name)
    }

    /// Forgets the answers that nobody believes any more at a time: in a run without end the book
    /// stays small.
    pub fn forget_before(&mut self, time: Timestamp) {
        self.answers.retain(|_, answers| {
            answers.retain(|(.., until)| *until >= time);
            !answers.is_empty()
        });
        self.answers.shrink_to(2 * self.answers.len());
        self.len = self.answers.values().map(Vec::len).sum();
    }

    /// How many answers there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no answer.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many answers were dropped.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// Where a connection goes, by its names and addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) server_name: Option<(Cow<'a, str>, NameSource)>,
    pub(crate) service: Option<(Service, ServiceSource)>,
    pub(crate) direction: Direction,
    /// The network that decided against a name that is no endpoint.
    pub(crate) overruled_by: Option<Prefix>,
}

/// Names beside those that the connection itself carries.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hearsay<'a> {
    /// The certificate that the same server showed elsewhere to clients that named nobody.
    pub(crate) certificate: Option<&'a CertificateNames>,
    /// The certificate that it showed to clients with SNI: what others get may differ, so it
    /// counts when it names an endpoint and is no objection when it does not.
    pub(crate) certificate_by_sni: Option<&'a CertificateNames>,
    /// A DNS answer.
    pub(crate) dns: Option<&'a str>,
}

/// Finds a connection's names, service and direction.
pub(crate) fn place<'a>(
    facts: &'a FlowFacts,
    hearsay: Hearsay<'a>,
    endpoints: &Endpoints,
    home: &Home,
) -> Place<'a> {
    let names = names_of(facts, hearsay, endpoints);
    let by_name = deciding(&names)
        .iter()
        .find_map(|(name, _)| endpoints.service_of_normal(name))
        .map(|service| (service, ServiceSource::Name));
    let has_name = names.iter().any(|(name, _)| !is_address(name));

    let mut overruled_by = None;
    let by_address = || {
        let found = endpoints.match_address(server_address(facts)?)?;
        if has_name {
            if found.class == AddressClass::Shared {
                return None;
            }
            overruled_by = Some(found.prefix);
        }
        Some((found.service, ServiceSource::Address))
    };
    let to = by_name.or_else(by_address);
    let dialler = endpoints.match_address(client_of(facts).addr);
    let (direction, service) = match (to, dialler) {
        // Whatever a server inside is called: Office 365 does not dial itself there.
        (Some(to), Some(_)) if !home.contains(facts.server.addr) => {
            (Direction::ToOffice365, Some(to))
        }
        (Some(to), None) => (Direction::ToOffice365, Some(to)),
        (_, Some(from)) => (Direction::FromOffice365, Some((from.service, ServiceSource::Address))),
        (None, None) => (Direction::Other, None),
    };
    if direction != Direction::ToOffice365 {
        overruled_by = None;
    }
    Place { server_name: names.into_iter().next(), service, direction, overruled_by }
}

type Name<'a> = (Cow<'a, str>, NameSource);

/// Most connections have one name.
type Names<'a> = SmallVec<[Name<'a>; 1]>;

/// The connection's names, the strongest first; without those that can't count beside it.
fn names_of<'a>(facts: &'a FlowFacts, hearsay: Hearsay<'a>, endpoints: &Endpoints) -> Names<'a> {
    let sni = facts.client_hello.as_ref().and_then(|hello| hello.server_name.as_deref());
    let (asked, asked_from) = match facts.upgrade {
        Upgrade::HttpConnect | Upgrade::Socks => {
            (facts.upgrade_name.as_deref().map(host_of), NameSource::Connect)
        }
        Upgrade::Xmpp => (facts.upgrade_name.as_deref(), NameSource::Xmpp),
        _ => (None, NameSource::Connect),
    };
    if let Some(sni) = sni.map(normal)
        && !sni.is_empty()
        && !is_address(&sni)
        && asked.is_none()
    {
        // Nothing outranks a name that was asked for.
        return smallvec![(sni, NameSource::Sni)];
    }
    let certificate = facts
        .certificate
        .as_deref()
        .or(hearsay.certificate)
        .and_then(|certificate| certificate_name(certificate, endpoints))
        .or_else(|| {
            let name = certificate_name(hearsay.certificate_by_sni?, endpoints)?;
            endpoints.service_of_name(name).and(Some(name))
        });
    [
        (sni, NameSource::Sni),
        (asked, asked_from),
        (certificate, NameSource::Certificate),
        (hearsay.dns, NameSource::Dns),
    ]
    .into_iter()
    .filter_map(|(name, source)| Some((normal(name?), source)))
    .filter(|(name, _)| !name.is_empty())
    .collect()
}

/// Whether a name is an address. Most names don't even begin like one.
fn is_address(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_hexdigit() || first == ':')
        && name.parse::<IpAddr>().is_ok()
}

/// The names that may decide: the one asked for, by SNI or by CONNECT, else the strongest of the
/// others. An XMPP domain is no host, so that the certificate counts beside it.
fn deciding<'a, 'n>(names: &'a [Name<'n>]) -> &'a [Name<'n>] {
    let count =
        |of: &[NameSource]| names.iter().take_while(|(_, source)| of.contains(source)).count();
    let asked = count(&[NameSource::Sni, NameSource::Connect]);
    if asked > 0 {
        return &names[..asked];
    }
    let shown = count(&[NameSource::Xmpp, NameSource::Certificate]).max(1);
    names.get(..shown).unwrap_or_default()
}

/// The alternative name that is an endpoint, else the first; the common name without any.
fn certificate_name<'a>(
    certificate: &'a CertificateNames,
    endpoints: &Endpoints,
) -> Option<&'a str> {
    let names = &certificate.alternative_names;
    names
        .iter()
        .find(|name| endpoints.service_of_name(name).is_some())
        .or_else(|| names.first())
        .or(certificate.common_name.as_ref())
        .map(|name| &**name)
}

/// The name on the connection's own certificate, when it is none of the service that was asked for
/// by name: it covers neither that name nor any endpoint.
///
/// `names_endpoint` is [`CertificateBook::names_endpoint`].
pub(crate) fn foreign_certificate<'a>(
    facts: &'a FlowFacts,
    place: &Place<'_>,
    endpoints: &Endpoints,
    names_endpoint: impl FnOnce(&Arc<CertificateNames>) -> bool,
) -> Option<&'a str> {
    let (asked, source) = place.server_name.as_ref()?;
    let is_asked = matches!(source, NameSource::Sni | NameSource::Connect);
    let (_, by) = place.service?;
    if !is_asked || by != ServiceSource::Name || place.direction != Direction::ToOffice365 {
        return None;
    }
    let certificate = facts.certificate.as_ref()?;
    if names_endpoint(certificate) {
        return None;
    }
    let shown = certificate_name(certificate, endpoints)?;
    (!counted_names(certificate).any(|name| covers(name, asked))).then_some(shown)
}

/// The names that a certificate is for: its common name counts where it has no others.
fn counted_names(certificate: &CertificateNames) -> impl Iterator<Item = &str> {
    let names = &certificate.alternative_names;
    let common = certificate.common_name.iter().filter(|_| names.is_empty());
    names.iter().chain(common).map(|name| &**name)
}

/// What certificates of a run are for, each asked once.
#[derive(Debug, Default)]
pub(crate) struct CertificateBook {
    /// By address of the certificate, which is held so that nothing else takes its place.
    known: foldhash::HashMap<usize, (Arc<CertificateNames>, bool)>,
}

impl CertificateBook {
    /// Whether one of a certificate's names is an endpoint.
    pub(crate) fn names_endpoint(
        &mut self,
        certificate: &Arc<CertificateNames>,
        endpoints: &Endpoints,
    ) -> bool {
        let look = || {
            let is_endpoint = |name: &str| endpoints.service_of_name(name).is_some();
            (Arc::clone(certificate), counted_names(certificate).any(is_endpoint))
        };
        self.known.entry(Arc::as_ptr(certificate).addr()).or_insert_with(look).1
    }
}

/// The one place where a reason names what a stranger chose: `--anonymize` finds it by these words.
pub(crate) fn foreign_certificate_words(name: &str) -> String {
    format!("the certificate is for {name}, which is no name of the service")
}

/// Whether a name on a certificate is for a host (RFC 6125 §6.4): itself, or a `*` for one label.
fn covers(name: &str, host: &str) -> bool {
    let name = normal(name);
    match name.strip_prefix("*.") {
        Some(domain) => host.split_once('.').is_some_and(|(_, rest)| rest == domain),
        None => name == host,
    }
}

/// The address whose network may tell the service: the server's, and through a proxy the one
/// asked for, if an address was asked for.
fn server_address(facts: &FlowFacts) -> Option<IpAddr> {
    match facts.upgrade {
        Upgrade::HttpConnect | Upgrade::Socks => {
            host_of(facts.upgrade_name.as_deref()?).parse().ok()
        }
        _ => Some(facts.server.addr),
    }
}

/// The host of `host:port`, `[address]:port` or a bare host.
pub(crate) fn host_of(authority: &str) -> &str {
    if let Some((host, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host;
    }
    match authority.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests;

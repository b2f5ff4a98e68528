//! What the connections of a run tell of each other.
//!
//! Built in one pass over all of them before the first verdict; asked by address afterwards.

use std::net::IpAddr;
use std::sync::Arc;

use dissect::{
    CertificateNames, Coverage, Endpoint, FlowFacts, MessageKind, Protocol, Side, Timestamp,
    Upgrade, Version,
};

use foldhash::{HashMap, HashSet};

use super::gist::{is_retold, proven, proven_refusal_of};
use super::{client_of, way_of};
use crate::endpoints::normal;
use crate::names::Hearsay;
use crate::paths::SIP_TLS;
use crate::policy::{Policy, Way, certain_top};

/// How long after a failed attempt a lower hello is its retry.
const RETRY_NS_MAX: i64 = 60 * 1_000_000_000;

/// Knowledge across connections.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// The highest version that a client certainly offers anywhere.
    offers: HashMap<IpAddr, Version>,
    certificates: HashMap<Endpoint, Remembered>,
    /// Who answers on the port of SIP over TLS.
    sip_servers: HashSet<IpAddr>,
    /// By policy: when clients failed at a server with a hello that had a way through.
    failures: Vec<HashMap<Meeting, Vec<Failure>>>,
}

/// When a hello failed, and whether it is certain that it had a way through and failed: a text may
/// leave out either.
type Failure = (Timestamp, bool);

/// Whether a hello is a retry of a higher one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Retry {
    Yes,
    /// A text tells of a hello before it, and not enough of it.
    Maybe,
    No,
}

/// Who failed where. Through a proxy, the place is what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Meeting {
    client: IpAddr,
    server: Endpoint,
    asked: Option<Box<str>>,
}

/// The certificate that a server shows to those who don't name it.
#[derive(Debug)]
struct Remembered {
    certificate: Arc<CertificateNames>,
    /// It was shown to a client without SNI, so it is what such clients get.
    is_default: bool,
    /// Clients with different SNI saw different certificates.
    is_ambiguous: bool,
}

impl History {
    pub(super) fn of(flows: &[Box<FlowFacts>], policies: &[Policy]) -> Self {
        let mut history = Self::new(policies);
        flows.iter().for_each(|facts| history.note(facts, policies));
        history.settle();
        history
    }

    /// Knows nothing yet.
    pub(crate) fn new(policies: &[Policy]) -> Self {
        Self { failures: vec![HashMap::default(); policies.len()], ..Self::default() }
    }

    /// Learns from a connection; they come in order. [`settle`](Self::settle) follows the last.
    pub(crate) fn note(&mut self, facts: &FlowFacts, policies: &[Policy]) {
        self.note_offer(facts);
        self.note_certificate(facts);
        if facts.server.port == SIP_TLS && facts.protocol == Protocol::Tls {
            self.sip_servers.insert(facts.server.addr);
        }
        for (policy, failures) in policies.iter().zip(&mut self.failures) {
            note_failure(policy, facts, failures);
        }
    }

    /// Ends learning.
    pub(crate) fn settle(&mut self) {
        for failures in &mut self.failures {
            // Connections come by their first frame; their hellos may be later and cross.
            failures.values_mut().for_each(|times| times.sort_unstable());
        }
    }

    fn note_offer(&mut self, facts: &FlowFacts) {
        if !matches!(facts.protocol, Protocol::Tls | Protocol::Quic) {
            return;
        }
        let Some(hello) = &facts.client_hello else { return };
        if let Some(top) = certain_top(&hello.offer, proven(facts)) {
            let best = self.offers.entry(client_of(facts).addr).or_insert(top);
            *best = top.max(*best);
        }
    }

    fn note_certificate(&mut self, facts: &FlowFacts) {
        let Some(certificate) = &facts.certificate else { return };
        if matches!(facts.upgrade, Upgrade::HttpConnect | Upgrade::Socks) {
            return;
        }
        let is_default =
            facts.client_hello.as_ref().is_some_and(|hello| hello.server_name.is_none());
        let new =
            || Remembered { certificate: Arc::clone(certificate), is_default, is_ambiguous: false };
        let known = self.certificates.entry(facts.server).or_insert_with(new);
        if is_default && !known.is_default {
            *known = new();
        } else if !known.is_default && known.certificate != *certificate {
            known.is_ambiguous = true;
        }
    }

    /// Whether a client offers this version or a better one anywhere.
    pub(super) fn offers(&self, client: IpAddr, minimum: Version) -> bool {
        self.offers.get(&client).is_some_and(|best| *best >= minimum)
    }

    /// Whether an address serves SIP over TLS.
    pub(super) fn serves_sip(&self, addr: IpAddr) -> bool {
        self.sip_servers.contains(&addr)
    }

    /// What a server's certificates in other connections and the DNS say of its name.
    pub(super) fn hearsay<'a>(&'a self, facts: &FlowFacts, dns: Option<&'a str>) -> Hearsay<'a> {
        if matches!(facts.upgrade, Upgrade::HttpConnect | Upgrade::Socks) {
            // What stands behind a proxy's address changes with each connection.
            return Hearsay::default();
        }
        let known = self.certificates.get(&facts.server);
        let shown = |is_default| {
            known
                .filter(|known| known.is_default == is_default && !known.is_ambiguous)
                .map(|known| &*known.certificate)
        };
        Hearsay { certificate: shown(true), certificate_by_sni: shown(false), dns }
    }

    /// Whether a hello without any version that is enough follows, within a minute, one of the
    /// same client to the same server that had a way through and failed.
    pub(super) fn retry(&self, policy: usize, facts: &FlowFacts) -> Retry {
        let Some(hello) = &facts.client_hello else { return Retry::No };
        let failures = &self.failures[policy];
        if failures.is_empty() || facts.protocol != Protocol::Tls {
            return Retry::No;
        }
        let Some(times) = failures.get(&meeting(facts)) else { return Retry::No };
        let at = hello.at.time;
        let before = times.partition_point(|(time, _)| *time <= at);
        let recent = times[..before].iter().rev();
        let mut recent = recent.take_while(|(last, _)| at.nanos_since(*last) <= RETRY_NS_MAX);
        match recent.clone().next() {
            None => Retry::No,
            Some(_) if recent.any(|(_, is_certain)| *is_certain) => Retry::Yes,
            Some(_) => Retry::Maybe,
        }
    }
}

fn note_failure(policy: &Policy, facts: &FlowFacts, failures: &mut HashMap<Meeting, Vec<Failure>>) {
    let Some(hello) = &facts.client_hello else { return };
    if facts.protocol != Protocol::Tls || facts.server_hello.is_some() {
        return;
    }
    let way = way_of(policy, facts);
    let has_way = matches!(way, Some(Way::Through { .. }));
    let has_failed = proven_refusal_of(facts).is_some() || is_unanswered(facts);
    let may_have_way = has_way || matches!(way, Some(Way::Unknown(_)));
    let is_certain = has_way && has_failed;
    if is_certain || is_retold(facts) && may_have_way {
        failures.entry(meeting(facts)).or_default().push((hello.at.time, is_certain));
    }
}

fn meeting(facts: &FlowFacts) -> Meeting {
    let asked = match facts.upgrade {
        Upgrade::HttpConnect | Upgrade::Socks => facts.upgrade_name.as_deref(),
        _ => None,
    };
    Meeting {
        client: client_of(facts).addr,
        server: facts.server,
        asked: asked.map(|name| normal(name).into()),
    }
}

/// Whether nothing came back to a hello, as far as the capture can tell.
///
/// With the client's side alone, what the client sends next tells that it had an answer.
fn is_unanswered(facts: &FlowFacts) -> bool {
    let lost = [Coverage::MIDSTREAM, Coverage::GAP, Coverage::TRUNCATED, Coverage::EVICTED];
    let may_be_lost = lost.into_iter().any(|part| facts.coverage.contains(part));
    let client_went_on = facts.messages.iter().any(|message| {
        message.from == Side::Client && matches!(message.kind, MessageKind::Handshake(_))
    });
    let server_spoke = facts.hello_retried
        || facts.established.is_some_and(|is_established| is_established)
        || facts.messages.iter().any(|message| message.from == Side::Server);
    // Rows of a text are often a choice: that those of a server are not there means nothing.
    let is_left_out = is_retold(facts) && facts.quality.server.frames == 0;
    !client_went_on
        && !server_spoke
        && !is_left_out
        && (facts.coverage.contains(Coverage::SERVER_SIDE_MISSING) || !may_be_lost)
}

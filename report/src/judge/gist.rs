//! What of a connection its verdict and words depend on.
//!
//! Rules and words see a [`Gist`] and never the facts, so that connections of one gist, under the
//! same circumstances, have the same judgements: [`Verdicts`] keeps those that were made. A capture
//! of a hundred thousand connections has some hundred of them.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use dissect::{
    Alert, Coverage, EndKind, Faults, FlowFacts, MessageKind, Offer, Protocol, PseudoTls,
    RefusalKind, ServerHello, Side, Version,
};
use foldhash::{HashMap, HashSet};
use smallvec::SmallVec;

use super::history::Retry;
use crate::endpoints::Prefix;
use crate::judged::{Direction, Judgements};
use crate::policy::certain_top;
use crate::services::Service;
use crate::stack::Family;

/// The port where mail servers meet: without TLS they go on in cleartext.
const MAIL_BETWEEN_SERVERS: u16 = 25;

/// What of a connection decides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gist<'a> {
    pub(super) protocol: Protocol,
    /// Whether mail servers meet on its port.
    pub(super) is_mail_between_servers: bool,
    /// What the ClientHello offers.
    pub(super) offer: Option<&'a Offer>,
    /// Whether the ClientHello names a server.
    pub(super) names_server: bool,
    pub(super) answer: Option<Answer>,
    pub(super) hello_retried: bool,
    /// Whether an imitation of a handshake was answered by a certificate.
    pub(super) is_imitation_answered: bool,
    /// How the server refused the hello, before any ServerHello.
    pub(super) refusal: Option<RefusalKind>,
    /// Whether no ServerHello can have come before the refusal: a text may leave out all of them.
    pub(super) is_refusal_proven: bool,
    /// Sender and description of the first fatal alert.
    pub(super) fatal: Option<(Side, u8)>,
    pub(super) end: Option<(Side, EndKind)>,
    pub(super) established: Option<bool>,
    pub(super) coverage: Coverage,
    /// Whether the connection is known from a text of another program.
    pub(super) is_retold: bool,
}

/// What the ServerHello selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Answer {
    pub(super) version: Option<Version>,
    pub(super) suite: Option<u16>,
    pub(super) group: Option<u16>,
    /// The better version that the server could have spoken, by its downgrade mark.
    pub(super) mark: Option<Version>,
}

impl Answer {
    fn of(hello: &ServerHello) -> Self {
        let version = hello.version();
        let mark = hello.downgrade_mark().filter(|could| is_believable(*could, version));
        Self { version, suite: hello.cipher_suite, group: hello.group, mark }
    }

    /// Whether the mark of TLS 1.2 under a choice below it proves that the client's offer was the
    /// limit: a server sets it only when it chose less than it could (RFC 8446 §4.1.3).
    pub(super) fn blames_client(self) -> bool {
        self.mark == Some(Version::Tls12)
    }
}

/// Whether a downgrade mark goes with what was selected.
///
/// The mark of TLS 1.3 goes with a choice of TLS 1.2 and with no other (RFC 8446 §4.1.3): under
/// an older one it is not what a server that knows the mark would send, and proves nothing.
fn is_believable(could: Version, chose: Option<Version>) -> bool {
    match could {
        Version::Tls12 => chose.is_some_and(|chose| chose < Version::Tls12),
        _ => chose == Some(Version::Tls12),
    }
}

impl<'a> Gist<'a> {
    pub(super) fn of(facts: &'a FlowFacts) -> Self {
        let hello = facts.client_hello.as_ref();
        Self {
            protocol: facts.protocol,
            is_mail_between_servers: facts.server.port == MAIL_BETWEEN_SERVERS,
            offer: hello.map(|hello| &*hello.offer),
            names_server: hello.is_some_and(|hello| hello.server_name.is_some()),
            answer: facts.server_hello.as_ref().map(Answer::of),
            hello_retried: facts.hello_retried,
            is_imitation_answered: is_imitation_answered(facts),
            refusal: refusal_of(facts),
            is_refusal_proven: proven_refusal_of(facts).is_some(),
            fatal: facts
                .alerts
                .iter()
                .find(|alert| alert.is_fatal())
                .map(|alert| (alert.from, alert.description)),
            end: facts.end.map(|end| (end.by, end.kind)),
            established: facts.established,
            coverage: facts.coverage,
            is_retold: is_retold(facts),
        }
    }

    /// The version that the server selected.
    pub(super) fn negotiated(&self) -> Option<Version> {
        self.answer?.version
    }

    /// The highest version offered, when it can be told.
    pub(super) fn offered_max(&self) -> Option<Version> {
        self.offer?.max_version()
    }

    /// The version to name for an offer: the highest that is certain.
    pub(super) fn offered_top(&self) -> Option<Version> {
        certain_top(self.offer?, self.proven())
    }

    /// The version that the server's choice proves to be offered.
    pub(super) fn proven(&self) -> Option<Version> {
        self.negotiated().or_else(|| self.hello_retried.then_some(Version::Tls13))
    }

    /// Whether a handshake that had its answer was given up, by either side. A HelloRetryRequest
    /// is an answer: it selects TLS 1.3.
    pub(super) fn is_aborted(&self) -> bool {
        (self.answer.is_some() || self.hello_retried)
            && match self.established {
                Some(true) => false,
                Some(false) => self.fatal.is_some() || self.end.is_some(),
                None => self.fatal.is_some(),
            }
    }
}

/// How the server refused a hello, before any ServerHello.
pub(super) fn refusal_of(facts: &FlowFacts) -> Option<RefusalKind> {
    if facts.server_hello.is_some() {
        return None;
    }
    let by_server = |alert: &&Alert| alert.from == Side::Server && alert.is_fatal();
    facts.refusal.map(|refusal| refusal.kind).or_else(|| {
        let fatal = facts.alerts.iter().find(by_server);
        fatal.map(|alert| RefusalKind::Alert(alert.description))
    })
}

/// The same, unless a ServerHello may have come before the alert: a text may leave out all of them.
pub(super) fn proven_refusal_of(facts: &FlowFacts) -> Option<RefusalKind> {
    refusal_of(facts).filter(|_| facts.refusal.is_some() || !is_retold(facts))
}

/// The version that the server's choice proves to be offered: it may only choose what the client
/// names (RFC 8446 §4.2.1). A HelloRetryRequest is a choice of TLS 1.3.
pub(super) fn proven(facts: &FlowFacts) -> Option<Version> {
    facts.negotiated().or_else(|| facts.hello_retried.then_some(Version::Tls13))
}

/// Whether the connection is known from a text of another program.
pub(super) const fn is_retold(facts: &FlowFacts) -> bool {
    facts.quality.client.faults.contains(Faults::RETOLD)
}

fn is_imitation_answered(facts: &FlowFacts) -> bool {
    const CERTIFICATE: u8 = 11;
    let Protocol::PseudoTls(imitation) = facts.protocol else { return false };
    // A relay selects the constant suite; another one comes from who answers in earnest, even
    // where the certificate behind it was cut off.
    let constant = match imitation {
        PseudoTls::MsTurn => Some(0x0018),
        PseudoTls::Google => Some(0x0004),
        PseudoTls::Skype => None,
    };
    let selected = facts.server_hello.as_ref().and_then(|hello| hello.cipher_suite);
    selected.zip(constant).is_some_and(|(selected, constant)| selected != constant)
        || facts.certificate.is_some()
        || facts.messages.iter().any(|message| {
            message.from == Side::Server && message.kind == MessageKind::Handshake(CERTIFICATE)
        })
}

/// All that the judgements of a connection depend on: its gist, with the offer by its address, and
/// what is around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    protocol: Protocol,
    offer: usize,
    answer: Option<Answer>,
    refusal: Option<RefusalKind>,
    fatal: Option<(Side, u8)>,
    end: Option<(Side, EndKind)>,
    established: Option<bool>,
    coverage: Coverage,
    /// What is true of the gist and of the circumstances, in the order of [`Key::of`].
    truths: [bool; 7],
    direction: Direction,
    family: Option<Family>,
    overruled: Option<(Prefix, Service)>,
    under: SmallVec<[Under; 1]>,
}

/// What is around a connection, whatever the policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    pub(super) direction: Direction,
    pub(super) server_is_inside: bool,
    pub(super) family: Option<Family>,
    /// The network that decided against a name.
    pub(super) overruled: Option<(Prefix, Service)>,
}

/// How a connection stands to one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Under {
    pub(super) in_scope: bool,
    pub(super) retry: Retry,
    pub(super) offers_more_elsewhere: bool,
}

impl Key {
    pub(super) fn of(gist: &Gist<'_>, around: Circumstances, under: SmallVec<[Under; 1]>) -> Self {
        let Gist {
            protocol,
            is_mail_between_servers,
            offer,
            names_server,
            answer,
            hello_retried,
            is_imitation_answered,
            refusal,
            is_refusal_proven,
            fatal,
            end,
            established,
            coverage,
            is_retold,
        } = *gist;
        let Circumstances { direction, server_is_inside, family, overruled } = around;
        Self {
            protocol,
            offer: offer.map_or(0, |offer| std::ptr::from_ref(offer).addr()),
            answer,
            refusal,
            fatal,
            end,
            established,
            coverage,
            truths: [
                is_mail_between_servers,
                names_server,
                hello_retried,
                is_imitation_answered,
                is_refusal_proven,
                is_retold,
                server_is_inside,
            ],
            direction,
            family,
            overruled,
            under,
        }
    }
}

/// Of what few connections share, and of little more.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (suite, version) =
            self.answer.map_or((None, None), |answer| (answer.suite, answer.version));
        let version = version.map_or(0, |version| version as u64 + 1);
        let established = self.established.map_or(2, u64::from);
        let family = self.family.map_or(0, |family| family as u64 + 1);
        let around = u64::from(suite.unwrap_or(0))
            | version << 16
            | established << 24
            | u64::from(self.coverage.bits()) << 32
            | (self.direction as u64) << 40
            | family << 48;
        state.write_u64(self.offer as u64 ^ around.rotate_left(24));
    }
}

/// Judgements that were made, each kept once.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// With the offer, which is held so that nothing else takes its place.
    known: HashMap<Key, (Option<Arc<Offer>>, Judgements)>,
    shared: HashSet<Judgements>,
}

/// Gists that are kept, in some 30 MB. A capture in which each connection is another one makes no
/// use of them.
const KNOWN_MAX: usize = 1 << 16;

impl Verdicts {
    /// The judgements of a key, made where it is new.
    pub(super) fn of(
        &mut self,
        key: Key,
        offer: Option<&Arc<Offer>>,
        judge: impl FnOnce(&[Under]) -> Judgements,
    ) -> Judgements {
        if let Some((_, known)) = self.known.get(&key) {
            return known.clone();
        }
        let judgements = self.share(judge(&key.under));
        if self.known.len() < KNOWN_MAX {
            self.known.insert(key, (offer.cloned(), judgements.clone()));
        }
        judgements
    }

    /// The shared copy of judgements.
    pub(super) fn share(&mut self, new: Judgements) -> Judgements {
        if let Some(known) = self.shared.get(&new) {
            return known.clone();
        }
        self.shared.insert(new.clone());
        new
    }
}

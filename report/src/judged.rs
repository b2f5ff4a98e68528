//! The vocabulary of a judged connection: facts, names, service, and a verdict for each policy.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use dissect::FlowFacts;

use crate::paths::{AccessPath, Scenario};
use crate::stack::Stack;

/// What happens to a connection, or a host, when a policy is enforced.
///
/// Ordered from worst to best: a host takes the least of its connections' verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Works today, or was seen offering only, and can't after.
    Breaks,
    /// Refused already, before any ServerHello.
    FailsToday,
    /// Below the minimum was chosen by somebody who should not have.
    AtRisk,
    /// Falls back to cleartext instead of failing.
    Degrades,
    /// The deciding bytes were not captured.
    Unknown,
    /// Works today and after.
    Passes,
    /// Only looks like TLS, or is QUIC.
    Unaffected,
    /// The policy does not concern this connection.
    OutOfScope,
}

impl Verdict {
    /// Every verdict, worst first.
    pub const ALL: [Self; 8] = [
        Self::Breaks,
        Self::FailsToday,
        Self::AtRisk,
        Self::Degrades,
        Self::Unknown,
        Self::Passes,
        Self::Unaffected,
        Self::OutOfScope,
    ];

    /// The name in reports, such as `fails-today`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::FailsToday => "fails-today",
            Self::AtRisk => "at-risk",
            Self::Degrades => "degrades",
            Self::Unknown => "unknown",
            Self::Passes => "passes",
            Self::Unaffected => "unaffected",
            Self::OutOfScope => "out-of-scope",
        }
    }
}

/// Why a connection breaks, fails or is at risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The client offers nothing as new as the policy's minimum.
    ClientTooOld,
    /// The client could do more, but is configured not to.
    ClientCapped,
    /// The server selects a version below the minimum although more was offered.
    ServerTooOld,
    /// No suite is shared with the policy.
    NoCommonSuite,
    /// No group is shared with the policy.
    NoCommonGroup,
    /// Somebody in between interferes.
    Middlebox,
}

impl Cause {
    /// The name in reports, such as `client-too-old`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientTooOld => "client-too-old",
            Self::ClientCapped => "client-capped",
            Self::ServerTooOld => "server-too-old",
            Self::NoCommonSuite => "no-common-suite",
            Self::NoCommonGroup => "no-common-group",
            Self::Middlebox => "middlebox",
        }
    }
}

/// Who dialled whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards a service of Office 365.
    ToOffice365,
    /// From Office 365 to a server inside.
    FromOffice365,
    /// Neither.
    Other,
}

impl Direction {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToOffice365 => "to-office365",
            Self::FromOffice365 => "from-office365",
            Self::Other => "other",
        }
    }
}

/// Where a server's name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameSource {
    /// `server_name` of the ClientHello.
    Sni,
    /// The name that HTTP CONNECT or SOCKS asked for.
    Connect,
    /// `to` of an XMPP stream.
    Xmpp,
    /// The server's certificate.
    Certificate,
    /// A DNS answer seen earlier.
    Dns,
}

impl NameSource {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sni => "sni",
            Self::Connect => "connect",
            Self::Xmpp => "xmpp",
            Self::Certificate => "certificate",
            Self::Dns => "dns",
        }
    }
}

/// What told the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceSource {
    /// A name of the service.
    Name,
    /// An address of the service.
    Address,
}

impl ServiceSource {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Address => "address",
        }
    }
}

/// One policy's verdict on one connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Judgement {
    /// The policy's name. Shared: there are as many as connections.
    pub policy: Arc<str>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why; `None` when the verdict needs no cause.
    pub cause: Option<Cause>,
    /// The rule that decided, in words; the same for all connections that it decides.
    pub rule: &'static str,
    /// The verdict in words, with the facts that decide it. Shared, as many connections have it.
    pub reason: Arc<str>,
    /// What to do; empty when there is nothing to fix.
    pub fix: Arc<str>,
}

/// The judgements of a connection, which it shares with those that are judged alike: thousands
/// have the same ones. To change them is to have a copy of one's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Judgements(Arc<[Judgement]>);

impl Deref for Judgements {
    type Target = [Judgement];

    fn deref(&self) -> &[Judgement] {
        &self.0
    }
}

impl DerefMut for Judgements {
    fn deref_mut(&mut self) -> &mut [Judgement] {
        Arc::make_mut(&mut self.0)
    }
}

impl FromIterator<Judgement> for Judgements {
    fn from_iter<I: IntoIterator<Item = Judgement>>(judgements: I) -> Self {
        Self(judgements.into_iter().collect())
    }
}

impl Extend<Judgement> for Judgements {
    fn extend<I: IntoIterator<Item = Judgement>>(&mut self, more: I) {
        *self = self.iter().cloned().chain(more).collect();
    }
}

impl<'a> IntoIterator for &'a Judgements {
    type Item = &'a Judgement;
    type IntoIter = std::slice::Iter<'a, Judgement>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A connection with everything that reports say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedFlow {
    /// What was seen. Boxed: connections are sorted and handed around by the hundred thousand.
    pub facts: Box<FlowFacts>,
    /// The sensor's name; empty by default.
    pub sensor: Arc<str>,
    /// The server's name by the strongest source, lower case, without a trailing dot.
    pub server_name: Option<(Arc<str>, NameSource)>,
    /// The service, such as `Exchange Online`, and what told it.
    pub service: Option<(Arc<str>, ServiceSource)>,
    /// Who dialled whom.
    pub direction: Direction,
    /// What the client probably is; `None` without a hello of TLS.
    pub stack: Option<Arc<Stack>>,
    /// The access path that it is on.
    pub path: Option<AccessPath>,
    /// The scenario that it belongs to.
    pub scenario: Option<Scenario>,
    /// One judgement for each policy, in the order they were given; never empty.
    pub judgements: Judgements,
}

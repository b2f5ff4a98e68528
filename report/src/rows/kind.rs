//! What the rows of thousands of connections have in common.

use std::hash::{Hash, Hasher};
use std::ptr;

use dissect::{Alert, Coverage, FlowFacts, Offer, Protocol, Version};

use super::{Alpn, negotiated, offered_by, telling_alert};
use crate::{AccessPath, Direction, JudgedFlow, Judgement, NameSource, Scenario, ServiceSource};

/// A connection under one policy, without what is its own: names, addresses, times and frames.
///
/// Kinds are equal when all that is shared lies at the same place and all else is equal, so that
/// telling them apart looks at no text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowKind<'a> {
    pub(crate) protocol: Protocol,
    /// What the ClientHello offers.
    pub(crate) offer: Option<&'a Offer>,
    pub(crate) negotiated: Option<Version>,
    pub(crate) cipher: Option<u16>,
    pub(crate) group: Option<u16>,
    pub(crate) alpn: Alpn<'a>,
    pub(crate) name_from: Option<NameSource>,
    pub(crate) service: Option<(&'a str, ServiceSource)>,
    pub(crate) direction: Direction,
    pub(crate) resumed: Option<bool>,
    pub(crate) established: Option<bool>,
    /// The alert that tells; its place in the capture is no part of the kind.
    pub(crate) alert: Option<&'a Alert>,
    pub(crate) coverage: Coverage,
    pub(crate) judgement: &'a Judgement,
    pub(crate) path: Option<AccessPath>,
    pub(crate) scenario: Option<Scenario>,
}

impl<'a> FlowKind<'a> {
    pub(crate) fn of(flow: &'a JudgedFlow, judgement: &'a Judgement) -> Self {
        let facts: &FlowFacts = &flow.facts;
        let answer = facts.server_hello.as_ref();
        Self {
            protocol: facts.protocol,
            offer: facts.client_hello.as_ref().map(|hello| &*hello.offer),
            negotiated: negotiated(facts),
            cipher: answer.and_then(|answer| answer.cipher_suite),
            group: answer.and_then(|answer| answer.group),
            alpn: Alpn::of(facts),
            name_from: flow.server_name.as_ref().map(|(_, from)| *from),
            service: flow.service.as_ref().map(|(name, from)| (&**name, *from)),
            direction: flow.direction,
            resumed: facts.resumed,
            established: facts.established,
            alert: telling_alert(&facts.alerts),
            coverage: facts.coverage,
            judgement,
            path: flow.path,
            scenario: flow.scenario,
        }
    }

    /// The highest version offered, as reports say it.
    pub(crate) fn offered_max(&self) -> Option<Version> {
        offered_by(self.protocol, self.offer)
    }

    /// What is compared by value.
    fn values(&self) -> impl Eq + use<> {
        (
            (self.protocol, self.negotiated, self.cipher, self.group),
            (self.name_from, self.service.map(|(_, from)| from), self.direction),
            (self.resumed, self.established, self.coverage, self.path, self.scenario),
            self.alert.map(|alert| (alert.from, alert.level, alert.description)),
        )
    }
}

impl PartialEq for FlowKind<'_> {
    fn eq(&self, other: &Self) -> bool {
        let place = |offer: Option<&Offer>| offer.map_or(0, |offer| ptr::from_ref(offer).addr());
        let service = |kind: &Self| kind.service.map(|(name, _)| (name.as_ptr(), name.len()));
        let lists = |alpn: &Alpn<'_>| match alpn {
            Alpn::Offered(names) => Some((names.as_ptr(), names.len())),
            _ => None,
        };
        let is_one_alpn = match (&self.alpn, &other.alpn) {
            (Alpn::None, Alpn::None) => true,
            (Alpn::Chosen(one), Alpn::Chosen(other)) => one == other,
            _ => lists(&self.alpn).is_some() && lists(&self.alpn) == lists(&other.alpn),
        };
        ptr::eq(self.judgement, other.judgement)
            && place(self.offer) == place(other.offer)
            && service(self) == service(other)
            && is_one_alpn
            && self.values() == other.values()
    }
}

impl Eq for FlowKind<'_> {}

/// Of what tells most kinds apart, and of little more.
impl Hash for FlowKind<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let offer = self.offer.map_or(0, |offer| ptr::from_ref(offer).addr());
        let service = self.service.map_or(0, |(name, _)| name.as_ptr().addr());
        let judgement = ptr::from_ref(self.judgement).addr();
        let answer = u64::from(self.cipher.unwrap_or(0)) << 16
            | u64::from(self.group.unwrap_or(0))
            | u64::from(self.coverage.bits()) << 32
            | self.established.map_or(2, u64::from) << 40
            | self.resumed.map_or(2, u64::from) << 42;
        let shared = offer as u64 ^ (service as u64).rotate_left(20);
        state.write_u64(shared ^ (judgement as u64).rotate_left(40));
        state.write_u64(answer);
    }
}

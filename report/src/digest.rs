//! What a report says of all connections together, counted as they come.
//!
//! Whatever looks at every connection and keeps few numbers is here, so that connections are gone
//! through once and need not all be there at the same time. Counts do not depend on how the
//! connections are divided into parts.

mod timeline;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use dissect::{Offer, Timestamp, Version};
use foldhash::HashMap;

use crate::doctor::Signs;
use crate::hosts::{HostCollector, HostTable};
use crate::{CoverageLedger, Direction, JudgedFlow, Judgements, PathTable, RunInfo, Verdict, rows};
pub(crate) use timeline::Timeline;

/// Connections by what was negotiated, in the order of [`VERSIONS`].
pub(crate) type ByVersion = [u64; VERSIONS.len()];

/// What may have been negotiated; `None` where it was not seen.
pub(crate) const VERSIONS: [Option<Version>; 10] = [
    Some(Version::Ssl2),
    Some(Version::Ssl3),
    Some(Version::Tls10),
    Some(Version::Tls11),
    Some(Version::Tls12),
    Some(Version::Tls13),
    Some(Version::Dtls10),
    Some(Version::Dtls12),
    Some(Version::Dtls13),
    None,
];

/// The place of a version in [`VERSIONS`], which has them all.
fn place_of(version: Option<Version>) -> usize {
    VERSIONS.iter().position(|known| *known == version).unwrap_or(VERSIONS.len() - 1)
}

/// The connections of one service, or of none.
#[derive(Debug, Default)]
pub(crate) struct ServiceDigest {
    /// Those to and from Office 365.
    pub(crate) watched: ByVersion,
    /// All others.
    pub(crate) others: ByVersion,
    /// All of them by verdict in the order of [`Verdict::ALL`], for each policy by name.
    pub(crate) verdicts: BTreeMap<Arc<str>, [u64; Verdict::ALL.len()]>,
}

/// The counts of all connections.
#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) flows: u64,
    /// When the first of them began.
    pub(crate) first: Option<Timestamp>,
    /// When the last frame of any of them came.
    pub(crate) last: Option<Timestamp>,
    /// Those that offer Encrypted Client Hello.
    pub(crate) ech_offered: u64,
    /// The ledger of all.
    pub(crate) coverage_all: CoverageLedger,
    /// The ledger of those to and from Office 365.
    pub(crate) coverage: CoverageLedger,
    /// For each policy in its order.
    pub(crate) paths: Vec<PathTable>,
    pub(crate) services: BTreeMap<Option<Arc<str>>, ServiceDigest>,
    /// Why connections stay unknown under any policy, and what helps; each counts once for the same words.
    pub(crate) unknown: BTreeMap<(Arc<str>, Arc<str>), u64>,
    /// Why connections stay unknown under the first policy.
    pub(crate) unknown_first: BTreeMap<Arc<str>, u64>,
    /// When connections to and from Office 365 began.
    pub(crate) timeline_watched: Timeline,
    /// When the others began.
    pub(crate) timeline_others: Timeline,
    pub(crate) signs: Signs,
    hosts: HostCollector,
}

/// What connections have in common that are counted together: by where it lies, as they share it.
type Kind = (Option<usize>, bool, usize, usize);

impl Digest {
    /// No connection yet, of a run.
    pub(crate) fn new(run: &RunInfo) -> Self {
        Self {
            flows: 0,
            first: None,
            last: None,
            ech_offered: 0,
            coverage_all: CoverageLedger::default(),
            coverage: CoverageLedger::default(),
            paths: vec![PathTable::default(); run.policies.len()],
            services: BTreeMap::new(),
            unknown: BTreeMap::new(),
            unknown_first: BTreeMap::new(),
            timeline_watched: Timeline::default(),
            timeline_others: Timeline::default(),
            signs: Signs::new(&run.clock),
            hosts: HostCollector::default(),
        }
    }

    /// Counts connections, where `inside` tells what counts as ours.
    pub(crate) fn absorb(&mut self, flows: &[JudgedFlow], inside: impl Fn(IpAddr) -> bool) {
        // Valid as long as the connections are there.
        let mut kinds: HashMap<Kind, (&JudgedFlow, u64)> = HashMap::default();
        for (flow, place) in flows.iter().zip(self.flows..) {
            let facts = &*flow.facts;
            let is_watched = flow.direction != Direction::Other;
            let negotiated = place_of(rows::negotiated(facts));
            self.first = Some(self.first.map_or(facts.first.time, |it| it.min(facts.first.time)));
            self.last = self.last.max(Some(facts.last.time));
            let offer = facts.client_hello.as_ref().map(|hello| &*hello.offer);
            self.ech_offered += u64::from(offer.and_then(Offer::offers_ech) == Some(true));
            self.coverage_all.count_flow(flow);
            if is_watched {
                self.coverage.count_flow(flow);
            }
            let timeline =
                if is_watched { &mut self.timeline_watched } else { &mut self.timeline_others };
            timeline.count(facts.first.time, negotiated);
            for (policy, table) in self.paths.iter_mut().enumerate() {
                table.count(flow, policy);
            }
            self.signs.note(flow);
            self.hosts.absorb(flow, place, &inside);
            let service = flow.service.as_ref().map(|(name, _)| name.as_ptr().addr());
            let kind = (service, is_watched, negotiated, flow.judgements.as_ptr().addr());
            kinds.entry(kind).or_insert((flow, 0)).1 += 1;
        }
        self.flows += flows.len() as u64;
        for ((_, is_watched, negotiated, _), (flow, count)) in kinds {
            self.count_kind(flow, is_watched, negotiated, count);
        }
    }

    /// Counts connections that share service, version and judgements with this one.
    fn count_kind(&mut self, flow: &JudgedFlow, is_watched: bool, negotiated: usize, count: u64) {
        let name = flow.service.as_ref().map(|(name, _)| Arc::clone(name));
        let service = self.services.entry(name).or_default();
        let versions = if is_watched { &mut service.watched } else { &mut service.others };
        versions[negotiated] += count;
        for judgement in &flow.judgements {
            let verdicts = match service.verdicts.get_mut(&judgement.policy) {
                Some(verdicts) => verdicts,
                None => service.verdicts.entry(Arc::clone(&judgement.policy)).or_default(),
            };
            verdicts[judgement.verdict as usize] += count;
        }
        self.count_unknown(&flow.judgements, count);
    }

    fn count_unknown(&mut self, judgements: &Judgements, count: u64) {
        let is_unknown = |place: &usize| judgements[*place].verdict == Verdict::Unknown;
        for place in (0..judgements.len()).filter(is_unknown) {
            let words = |place: usize| {
                let judgement = &judgements[place];
                (Arc::clone(&judgement.reason), Arc::clone(&judgement.fix))
            };
            if place == 0 {
                *self.unknown_first.entry(words(0).0).or_default() += count;
            }
            // Under several policies a connection counts once for what is said of it.
            let new = words(place);
            if !(0..place).filter(is_unknown).any(|before| words(before) == new) {
                *self.unknown.entry(new).or_default() += count;
            }
        }
    }

    /// The hosts. To be taken once, when all connections are counted.
    pub(crate) fn take_hosts(&mut self) -> HostTable {
        std::mem::take(&mut self.hosts).finish()
    }
}

#[cfg(test)]
mod tests;

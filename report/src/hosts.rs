//! Connections put together by host: the answer to "which of our hosts stop talking".
//!
//! A host is an address. It has a row as client and a row as server; each row counts the connections in which the
//! host had that side. A row's verdict comes only from the connections whose outcome this side
//! decides ([`concerns`]): towards Office 365 the client is judged, from Office 365 the server is,
//! so that nobody is blamed for what the peer can't do. Invariant: the order of connections has no
//! influence on anything here.

mod join;
mod names;
mod row;
mod tally;

use std::net::IpAddr;

use dissect::{Side, Upgrade};
use foldhash::HashMap;

use crate::{Cause, Direction, JudgedFlow, Judgement, Verdict};

pub use join::{Contradiction, SilentHost};
pub use names::NameSet;
pub(crate) use row::SHOWN_MAX;
pub use row::{HostOutcome, HostRow};
pub use tally::HostTally;

/// The hosts of a report.
///
/// Those inside, when any is; else all that were seen, as with a capture of public addresses.
#[derive(Debug, Default)]
pub struct HostTable {
    rows: Vec<HostRow>,
    silent: Vec<SilentHost>,
    contradictions: Vec<Contradiction>,
}

/// Puts connections together by host, one after the other.
#[derive(Debug, Default)]
pub(crate) struct HostCollector {
    rows: Vec<HostRow>,
    /// The rows of hosts; `None` for one outside when others are inside.
    places: HashMap<(IpAddr, Side), Option<usize>>,
    any_inside: bool,
}

impl HostCollector {
    /// Adds the connection at a place among all, where `inside` tells what counts as ours.
    pub(crate) fn absorb(
        &mut self,
        flow: &JudgedFlow,
        place_of_flow: u64,
        inside: impl Fn(IpAddr) -> bool,
    ) {
        for side in [Side::Client, Side::Server] {
            let Some(addr) = listed_addr(flow, side) else { continue };
            let place = match self.places.get(&(addr, side)) {
                Some(place) => *place,
                None => self.add(flow, addr, side, inside(addr)),
            };
            if let Some(row) = place.and_then(|place| self.rows.get_mut(place)) {
                row.absorb(flow, place_of_flow);
            }
        }
    }

    /// A row for a new host, where it gets one.
    fn add(&mut self, flow: &JudgedFlow, addr: IpAddr, side: Side, inside: bool) -> Option<usize> {
        if inside && !self.any_inside {
            // Those so far are outside, all of them.
            self.any_inside = true;
            self.rows.clear();
            self.places.values_mut().for_each(|place| *place = None);
        }
        let place = (inside || !self.any_inside).then(|| {
            self.rows.push(HostRow::new(flow, addr, side, inside));
            self.rows.len() - 1
        });
        self.places.insert((addr, side), place);
        place
    }

    /// The hosts, in order.
    pub(crate) fn finish(mut self) -> HostTable {
        self.rows.iter_mut().for_each(HostRow::settle);
        self.rows.sort_unstable_by_key(|row| (row.addr, row.side));
        HostTable { rows: self.rows, ..HostTable::default() }
    }
}

impl HostTable {
    /// Puts connections together by host, where `inside` tells what counts as ours.
    #[cfg(test)]
    pub(crate) fn new(flows: &[JudgedFlow], inside: impl Fn(IpAddr) -> bool) -> Self {
        let mut hosts = HostCollector::default();
        for (flow, place) in flows.iter().zip(0..) {
            hosts.absorb(flow, place, &inside);
        }
        hosts.finish()
    }

    /// Hosts that break by the inventory alone, by address and name.
    #[must_use]
    pub fn silent(&self) -> &[SilentHost] {
        &self.silent
    }

    /// Where traffic and inventory say different things, by address.
    #[must_use]
    pub fn contradictions(&self) -> &[Contradiction] {
        &self.contradictions
    }

    /// The rows by address, the client's before the server's.
    #[must_use]
    pub fn rows(&self) -> &[HostRow] {
        &self.rows
    }
}

/// The address that has a row for this side of a connection; none for a proxy, which is no server
/// of what was asked for.
pub(crate) fn listed_addr(flow: &JudgedFlow, side: Side) -> Option<IpAddr> {
    let facts = &flow.facts;
    match (side, facts.upgrade) {
        (Side::Client, _) => Some(crate::client_of(facts).addr),
        (Side::Server, Upgrade::HttpConnect | Upgrade::Socks) => None,
        (Side::Server, _) => Some(facts.server.addr),
    }
}

/// Whether a judgement of a connection says something of this side's host.
///
/// Between Office 365 and us the side that stays behind is settled by who dialled: the client
/// when we did, the server when Office 365 did. Its peer, a server of Microsoft or an inside relay
/// in between, is not judged by it. Elsewhere, under policies that reach further, the cause tells;
/// without a cause both sides have part in the outcome.
#[must_use]
pub fn concerns(flow: &JudgedFlow, judgement: &Judgement, side: Side) -> bool {
    match flow.direction {
        Direction::ToOffice365 => side == Side::Client,
        Direction::FromOffice365 => side == Side::Server,
        Direction::Other => match judgement.cause {
            Some(Cause::ServerTooOld) => side == Side::Server,
            Some(_) => side == Side::Client,
            None => true,
        },
    }
}

/// A verdict that tells something of the policy: the connection was in its scope and is TLS.
const fn is_deciding(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Unaffected | Verdict::OutOfScope)
}

#[cfg(test)]
mod tests;

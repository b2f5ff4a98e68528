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
pub use row::{HostOutcome, HostRow};
pub use tally::HostTally;

/// The hosts of a report.
///
/// Those inside, when any is; else all that were seen, as with a capture of public addresses.
#[derive(Debug)]
pub struct HostTable<'a> {
    rows: Vec<HostRow<'a>>,
    silent: Vec<SilentHost>,
    contradictions: Vec<Contradiction>,
}

impl<'a> HostTable<'a> {
    /// Puts connections together by host, where `inside` tells what counts as ours.
    #[must_use]
    pub fn new(flows: &'a [JudgedFlow], inside: impl Fn(IpAddr) -> bool) -> Self {
        let sides = |flow| [Side::Client, Side::Server].map(|side| (listed_addr(flow, side), side));
        // What is outside gets no row to be thrown away again.
        let any_inside = flows.iter().flat_map(sides).any(|(addr, _)| addr.is_some_and(&inside));
        let mut places: HashMap<(IpAddr, Side), Option<usize>> = HashMap::default();
        let mut rows: Vec<HostRow<'a>> = Vec::new();
        for flow in flows {
            for (addr, side) in sides(flow) {
                let Some(addr) = addr else { continue };
                let place = *places.entry((addr, side)).or_insert_with(|| {
                    let is_inside = inside(addr);
                    (is_inside || !any_inside).then(|| {
                        rows.push(HostRow::new(flow, addr, side, is_inside));
                        rows.len() - 1
                    })
                });
                if let Some(row) = place.and_then(|place| rows.get_mut(place)) {
                    row.absorb(flow);
                }
            }
        }
        rows.iter_mut().for_each(HostRow::settle);
        rows.sort_unstable_by_key(|row| (row.addr, row.side));
        Self { rows, silent: Vec::new(), contradictions: Vec::new() }
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
    pub fn rows(&self) -> &[HostRow<'a>] {
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

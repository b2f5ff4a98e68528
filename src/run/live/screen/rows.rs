//! What is shown of the board: copied off it, found and sorted as the keys say.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use capture::InterfaceCounts;
use report::{Verdict, printable};

use super::super::board::{Board, Patient};
use super::super::sightings::Sighting;
use super::keys::{Keys, Sort};

/// Hosts in the table. Past these, those that sort later are counted only; a filter finds them.
pub(super) const ROWS_MAX: usize = 1000;

/// A copy of what is shown.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) interfaces: Vec<InterfaceCounts>,
    pub(super) lag_ns: i64,
    pub(super) hosts_passed_over: u64,
    pub(super) policies: Vec<Arc<str>>,
    /// The policy of the rows.
    pub(super) policy: Option<Arc<str>>,
    pub(super) rows: Vec<(IpAddr, Patient)>,
    /// Hosts under the policy, and those that the filter finds.
    pub(super) hosts: usize,
    pub(super) found: usize,
    pub(super) breaks: usize,
    /// Connections of the host that is chosen, the newest first.
    pub(super) sightings: Vec<Sighting>,
}

impl Shown {
    pub(super) fn of(board: &Board, keys: &Keys) -> Self {
        let flows = board.flows.keys().map(|(policy, ..)| policy);
        let policies: BTreeSet<&Arc<str>> = flows.collect();
        let policies: Vec<_> = policies.into_iter().cloned().collect();
        let policy = policies.iter().cycle().nth(keys.policy % policies.len().max(1)).cloned();
        let of_policy = || board.hosts.iter().filter(|((of, _), _)| Some(of) == policy.as_ref());
        let wanted = keys.filter.to_lowercase();
        let mut found: Vec<(IpAddr, &Patient)> = of_policy()
            .map(|((_, host), patient)| (*host, patient))
            .filter(|(host, patient)| wanted.is_empty() || is_found(*host, patient, &wanted))
            .collect();
        sort(&mut found, keys.sort, keys.is_reversed);
        let chosen = policy.as_ref().zip(keys.chosen);
        Self {
            interfaces: board.interfaces.clone(),
            lag_ns: board.lag_ns,
            hosts_passed_over: board.hosts_passed_over,
            hosts: of_policy().count(),
            found: found.len(),
            breaks: of_policy().filter(|(_, it)| it.verdict == Verdict::Breaks).count(),
            sightings: chosen
                .map(|(policy, host)| board.sightings.of(policy, host))
                .unwrap_or_default(),
            rows: found
                .into_iter()
                .take(ROWS_MAX)
                .map(|(host, patient)| (host, patient.clone()))
                .collect(),
            policies,
            policy,
        }
    }

    /// The row of a host.
    pub(super) fn row_of(&self, host: IpAddr) -> Option<usize> {
        self.rows.iter().position(|(of, _)| *of == host)
    }
}

/// Whether any cell of a host has this text, in small letters, as it is shown.
fn is_found(host: IpAddr, patient: &Patient, wanted: &str) -> bool {
    let cause = patient.cause.map_or("", |cause| cause.name());
    let texts: [&str; 6] = [
        patient.verdict.name(),
        cause,
        patient.offered,
        &patient.service,
        &patient.reason,
        &patient.fix,
    ];
    host.to_string().contains(wanted)
        || texts.iter().any(|text| text.to_lowercase().contains(wanted))
        || printable(&patient.server_name).to_lowercase().contains(wanted)
}

/// Sorts as asked for; equals by address, so that rows keep their places.
fn sort(rows: &mut [(IpAddr, &Patient)], by: Sort, is_reversed: bool) {
    rows.sort_by(|(host, one), (other_host, other)| {
        let order = match by {
            Sort::Verdict => (one.verdict, other.first_seen).cmp(&(other.verdict, one.first_seen)),
            Sort::FirstSeen => other.first_seen.cmp(&one.first_seen),
            Sort::LastSeen => other.last_seen.cmp(&one.last_seen),
            Sort::Host => host.cmp(other_host),
            Sort::Connections => other.flows.cmp(&one.flows),
            Sort::Service => one.service.cmp(&other.service),
        };
        let order = if is_reversed { order.reverse() } else { order };
        order.then_with(|| host.cmp(other_host))
    });
}

//! Which connections of a host the page shows: the worst and earliest few.
//!
//! A page holds so many and no more, however many there were; `flows.csv` has them all. Of connections
//! that are not in memory those are fetched that are shown.

use std::io;

use super::entries::Entry;
use crate::hosts::SHOWN_MAX;
use crate::{Connections, JudgedFlow, Verdict};

/// Connections shown of a host that something is wrong with.
pub(super) const FLOWS_PER_HOST_MAX: usize = SHOWN_MAX;

/// Connections shown of a host that nothing is wrong with.
pub(super) const FLOWS_PER_FINE_HOST_MAX: usize = 1;

/// Connections in the page: some 10 MB.
pub(super) const FLOWS_MAX: usize = 50_000;

/// The connections shown, by the place of their host among the entries.
pub(super) struct Picked<'r> {
    by_entry: Vec<&'r [(Verdict, u64)]>,
    flows: Flows<'r>,
}

/// Where the connections are.
enum Flows<'r> {
    /// All of them, by their places.
    Held(&'r [JudgedFlow]),
    /// Those that are shown, each with its place among all, in order.
    Fetched(Vec<(u64, JudgedFlow)>),
}

impl<'r> Picked<'r> {
    /// Picks connections for entries, which come the worst first.
    ///
    /// # Errors
    ///
    /// When the connections can't be read.
    pub(super) fn of(flows: Connections<'r>, entries: &[Entry<'r>]) -> io::Result<Self> {
        let mut left = FLOWS_MAX;
        let mut pick = |entry: &Entry<'r>| {
            let Entry::Seen(row) = entry else { return &[][..] };
            let is_fine = entry.worst() >= Verdict::Passes;
            let max = if is_fine { FLOWS_PER_FINE_HOST_MAX } else { FLOWS_PER_HOST_MAX };
            let picked = &row.shown[..row.shown.len().min(max).min(left)];
            left -= picked.len();
            picked
        };
        let by_entry: Vec<_> = entries.iter().map(&mut pick).collect();
        let flows = match flows {
            Connections::Held(held) => Flows::Held(held),
            Connections::Stored(stored) => {
                let mut places: Vec<u64> =
                    by_entry.iter().copied().flatten().map(|(_, place)| *place).collect();
                places.sort_unstable();
                places.dedup();
                Flows::Fetched(stored.at(&places)?)
            }
        };
        Ok(Self { by_entry, flows })
    }

    /// An entry's connections; the worst comes first.
    pub(super) fn flows(&self, entry: usize) -> impl Iterator<Item = &JudgedFlow> {
        let picked = self.by_entry.get(entry).copied().unwrap_or_default();
        picked.iter().filter_map(|(_, place)| match &self.flows {
            Flows::Held(flows) => flows.get(usize::try_from(*place).ok()?),
            Flows::Fetched(flows) => {
                let at = flows.binary_search_by_key(place, |(place, _)| *place).ok()?;
                Some(&flows.get(at)?.1)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Report;
    use std::net::IpAddr;

    use super::*;
    use crate::{RunInfo, testkit};

    fn flow(client: u32, verdict: Verdict) -> JudgedFlow {
        let client = IpAddr::from((0x0a00_0000 + client).to_be_bytes());
        let facts = testkit::facts(&format!("{client}:50000"), "52.97.1.1:443");
        testkit::judged(facts, verdict, None)
    }

    fn picked(flows: &[JudgedFlow]) -> Vec<Vec<usize>> {
        let run = RunInfo { policies: vec!["office365-tls12".to_owned()], ..RunInfo::default() };
        let report = Report::new(flows, &run, |addr| addr.to_string().starts_with("10."));
        let entries = Entry::all(&report);
        let picked = Picked::of(Connections::Held(flows), &entries).unwrap();
        let place = |flow: &JudgedFlow| flows.iter().position(|it| std::ptr::eq(it, flow)).unwrap();
        (0..entries.len()).map(|entry| picked.flows(entry).map(place).collect()).collect()
    }

    #[test]
    fn a_host_shows_its_worst_connections_up_to_the_bound() {
        let mut flows: Vec<_> = (0..FLOWS_PER_HOST_MAX).map(|_| flow(1, Verdict::Passes)).collect();
        flows.push(flow(1, Verdict::Breaks));
        assert_eq!(picked(&flows), [[5, 0, 1, 2, 3]]);
        flows.pop();
        assert_eq!(picked(&flows), [[0]], "a host that passes shows one");
        flows.truncate(1);
        flows.push(flow(1, Verdict::AtRisk));
        assert_eq!(picked(&flows), [[1, 0]]);
    }

    #[test]
    fn a_page_shows_so_many_connections_and_no_more() {
        let hosts = |count: usize| -> usize {
            let flows: Vec<_> = (0u32..).take(count).map(|it| flow(it, Verdict::Breaks)).collect();
            picked(&flows).iter().map(Vec::len).sum()
        };
        assert_eq!(hosts(FLOWS_MAX), FLOWS_MAX);
        assert_eq!(hosts(FLOWS_MAX + 1), FLOWS_MAX);
    }
}

//! Which connections of a host the page shows: the worst and earliest few.
//!
//! A page holds so many and no more, however many there were; `flows.csv` has them all. Of connections
//! that are not in memory those are fetched that are shown.

use std::io;
use std::net::IpAddr;

use dissect::Side;
use foldhash::HashMap;
use smallvec::SmallVec;

use super::entries::Entry;
use crate::hosts::listed_addr;
use crate::{Connections, JudgedFlow, Verdict, concerns};

/// Connections shown of a host that something is wrong with.
pub(super) const FLOWS_PER_HOST_MAX: usize = 5;

/// Connections shown of a host that nothing is wrong with.
pub(super) const FLOWS_PER_FINE_HOST_MAX: usize = 1;

/// Connections in the page: some 10 MB.
pub(super) const FLOWS_MAX: usize = 50_000;

/// The connections shown, by the place of their host among the entries.
pub(super) struct Picked<'r> {
    by_entry: Vec<Kept>,
    flows: Flows<'r>,
}

/// Where the connections are.
enum Flows<'r> {
    /// All of them, by their places.
    Held(&'r [JudgedFlow]),
    /// Those that are shown, each with its place among all, in order.
    Fetched(Vec<(u64, JudgedFlow)>),
}

/// The worst of a host so far.
type Kept = SmallVec<[(Verdict, u64); FLOWS_PER_HOST_MAX]>;

impl<'r> Picked<'r> {
    /// Picks connections for entries, which come the worst first.
    ///
    /// # Errors
    ///
    /// When the connections can't be read.
    pub(super) fn of(flows: Connections<'r>, entries: &[Entry<'_>]) -> io::Result<Self> {
        let mut places: HashMap<(IpAddr, Side), usize> = HashMap::default();
        for (place, entry) in entries.iter().enumerate() {
            if let Entry::Seen(row) = entry {
                places.insert((row.addr, row.side), place);
            }
        }
        let mut by_entry = vec![Kept::new(); entries.len()];
        let mut indices = 0_u64..;
        flows.each_part(|part| {
            for (flow, index) in part.iter().zip(&mut indices) {
                for side in [Side::Client, Side::Server] {
                    let place = listed_addr(flow, side).and_then(|addr| places.get(&(addr, side)));
                    let Some(place) = place else { continue };
                    let is_fine = entries[*place].worst() >= Verdict::Passes;
                    let max = if is_fine { FLOWS_PER_FINE_HOST_MAX } else { FLOWS_PER_HOST_MAX };
                    keep(&mut by_entry[*place], (severity(flow, side), index), max);
                }
            }
            Ok(())
        })?;
        let mut left = FLOWS_MAX;
        for picked in &mut by_entry {
            picked.truncate(left);
            left -= picked.len();
        }
        let flows = match flows.held() {
            Some(held) => Flows::Held(held),
            None => Flows::Fetched(fetch(flows, &by_entry)?),
        };
        Ok(Self { by_entry, flows })
    }

    /// An entry's connections; the worst comes first.
    pub(super) fn flows(&self, entry: usize) -> impl Iterator<Item = &JudgedFlow> {
        let kept = self.by_entry.get(entry).map_or(&[][..], |kept| kept);
        kept.iter().filter_map(|(_, index)| match &self.flows {
            Flows::Held(flows) => flows.get(usize::try_from(*index).ok()?),
            Flows::Fetched(flows) => {
                let place = flows.binary_search_by_key(index, |(index, _)| *index).ok()?;
                Some(&flows.get(place)?.1)
            }
        })
    }
}

/// The connections that were picked, each with its place among all.
fn fetch(flows: Connections<'_>, by_entry: &[Kept]) -> io::Result<Vec<(u64, JudgedFlow)>> {
    let mut wanted: Vec<u64> = by_entry.iter().flatten().map(|(_, index)| *index).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut wanted = wanted.into_iter().peekable();
    let mut fetched = Vec::new();
    let mut indices = 0_u64..;
    flows.each_part(|part| {
        for (flow, index) in part.iter().zip(&mut indices) {
            if wanted.next_if_eq(&index).is_some() {
                fetched.push((index, flow.clone()));
            }
        }
        Ok(())
    })?;
    Ok(fetched)
}

/// Keeps the `max` least.
fn keep(kept: &mut Kept, new: (Verdict, u64), max: usize) {
    let place = kept.partition_point(|known| *known <= new);
    if place < max {
        kept.truncate(max - 1);
        kept.insert(place, new);
    }
}

/// The worst that a connection says of this side's host.
fn severity(flow: &JudgedFlow, side: Side) -> Verdict {
    let judgements = flow.judgements.iter().filter(|judgement| concerns(flow, judgement, side));
    judgements.map(|judgement| judgement.verdict).min().unwrap_or(Verdict::OutOfScope)
}

#[cfg(test)]
mod tests {
    use super::super::super::Report;
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

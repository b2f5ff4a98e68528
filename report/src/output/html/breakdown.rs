//! What the plots show: connections by version and time, by service; hosts by subnet.
//!
//! Counted from the connections to and from watched services; from all of them where there was
//! none. Invariant: the parts of each breakdown add up to what it is a breakdown of.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::entries::Entry;
use crate::Verdict;
use crate::digest::{ByVersion, Digest, ServiceDigest};

/// What was negotiated, the oldest first; then what is no TLS, and what was not seen.
pub(super) const VERSION_NAMES: [&str; 8] =
    ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3", "DTLS", "not seen"];

/// Counts in the order of [`VERSION_NAMES`].
pub(super) type Versions = [u64; VERSION_NAMES.len()];

/// Columns of the plot over time at most.
const BUCKETS_MAX: i64 = 60;

/// Widths of a column, in seconds.
const WIDTHS: [i64; 21] = [
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 2_419_200, 7_257_600, 31_449_600,
];

/// Versions as they are shown: DTLS of any version is one.
fn shown(counts: &ByVersion) -> Versions {
    let [ssl2, ssl3, tls10, tls11, tls12, tls13, dtls10, dtls12, dtls13, unseen] = *counts;
    [ssl2, ssl3, tls10, tls11, tls12, tls13, dtls10 + dtls12 + dtls13, unseen]
}

/// Connections by what was negotiated.
pub(super) struct Breakdown<'r> {
    /// Whether only connections to and from Office 365 are counted.
    pub(super) is_watched: bool,
    pub(super) total: Versions,
    /// By service, the busiest first.
    pub(super) services: Vec<(&'r str, Versions)>,
    pub(super) over_time: Option<OverTime>,
}

/// Connections by when they began.
pub(super) struct OverTime {
    /// Begin of the first column, in seconds since the Unix epoch.
    pub(super) start: i64,
    /// Width of a column, in seconds.
    pub(super) width: i64,
    pub(super) buckets: Vec<Versions>,
}

impl<'r> Breakdown<'r> {
    pub(super) fn of(digest: &'r Digest) -> Self {
        let is_watched = digest.timeline_watched.span().is_some();
        let timeline = if is_watched { &digest.timeline_watched } else { &digest.timeline_others };
        let over_time = timeline.span().map(|(first, last)| {
            let mut over_time = OverTime::between(first, last);
            timeline.columns().for_each(|(second, counts)| over_time.add(second, counts));
            over_time
        });
        let counts = |it: &ServiceDigest| shown(if is_watched { &it.watched } else { &it.others });
        let services = digest.services.iter().map(|(name, counted)| {
            (name.as_deref().unwrap_or("no service of Office 365"), counts(counted))
        });
        let mut services: Vec<_> =
            services.filter(|(_, versions)| *versions != Versions::default()).collect();
        services.sort_unstable_by_key(|(name, versions)| {
            (std::cmp::Reverse(versions.iter().sum::<u64>()), *name)
        });
        let mut total = Versions::default();
        for (_, versions) in &services {
            total.iter_mut().zip(versions).for_each(|(sum, count)| *sum += count);
        }
        Self { is_watched, total, services, over_time }
    }
}

impl OverTime {
    /// Columns of a round width, as many as fit.
    fn between(first: i64, last: i64) -> Self {
        let buckets = |width: i64| last.div_euclid(width) - first.div_euclid(width) + 1;
        let known = WIDTHS.into_iter().find(|width| buckets(*width) <= BUCKETS_MAX);
        // Clocks that were never set: years of any number.
        let widest = WIDTHS[WIDTHS.len() - 1];
        let width = known.unwrap_or_else(|| {
            let doubled = (1..32).map(|power| widest << power);
            doubled.into_iter().find(|width| buckets(*width) <= BUCKETS_MAX).unwrap_or(i64::MAX)
        });
        let count = usize::try_from(buckets(width)).unwrap_or(1);
        let start = first.div_euclid(width) * width;
        Self { start, width, buckets: vec![Versions::default(); count] }
    }

    /// Adds connections that began at a second, or from it on in a part of a column.
    fn add(&mut self, second: i64, counts: &ByVersion) {
        // In columns of the epoch: their difference fits where that of the seconds may not.
        let place = second.div_euclid(self.width) - self.start.div_euclid(self.width);
        let bucket = usize::try_from(place).ok().and_then(|place| self.buckets.get_mut(place));
        if let Some(bucket) = bucket {
            bucket.iter_mut().zip(shown(counts)).for_each(|(sum, count)| *sum += count);
        }
    }
}

/// Addresses that a site gives out together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subnet {
    /// A /24 of IPv4.
    V4([u8; 3]),
    /// A /64 of IPv6.
    V6([u16; 4]),
}

impl Subnet {
    pub(super) fn of(addr: IpAddr) -> Self {
        match addr.to_canonical() {
            IpAddr::V4(addr) => {
                let [a, b, c, _] = addr.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(addr) => {
                let [a, b, c, d, ..] = addr.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(a, b, c, 0)),
            Self::V6([a, b, c, d]) => write!(f, "{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)),
        }
    }
}

/// Hosts of one subnet by verdict, in the order of [`Verdict::ALL`].
pub(super) type Fates = [u64; Verdict::ALL.len()];

/// Hosts by subnet under one policy: most that break first, then most hosts.
pub(super) fn subnets(entries: &[Entry<'_>], policy: usize) -> Vec<(Subnet, Fates)> {
    let mut hosts: BTreeMap<IpAddr, Verdict> = BTreeMap::new();
    for entry in entries {
        if let Some(addr) = entry.addr() {
            let verdict = entry.verdict(policy);
            hosts.entry(addr).and_modify(|known| *known = verdict.min(*known)).or_insert(verdict);
        }
    }
    let mut subnets: BTreeMap<Subnet, Fates> = BTreeMap::new();
    for (addr, verdict) in hosts {
        subnets.entry(Subnet::of(addr)).or_default()[verdict as usize] += 1;
    }
    let mut subnets: Vec<_> = subnets.into_iter().collect();
    subnets.sort_by_key(|(_, fates)| {
        std::cmp::Reverse((fates[0], fates[1], fates.iter().sum::<u64>()))
    });
    subnets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::Report;
    use super::*;
    use crate::{Direction, RunInfo, testkit};

    #[test]
    fn columns_are_round_and_few() {
        let check = |first, last, start, width, count| {
            let time = OverTime::between(first, last);
            assert_eq!((time.start, time.width, time.buckets.len()), (start, width, count));
        };
        check(100, 100, 100, 1, 1);
        check(100, 159, 100, 1, 60);
        check(100, 160, 100, 2, 31);
        check(3_601, 90_000, 3_600, 1_800, 49);
        check(-5, 5, -5, 1, 11);
        let all = OverTime::between(i64::MIN / 1_000_000_000, i64::MAX / 1_000_000_000);
        assert!(all.buckets.len() <= 60, "{}", all.buckets.len());
    }

    #[test]
    fn subnets_are_of_the_usual_size() {
        let check = |addr: &str, expect: &str| {
            assert_eq!(Subnet::of(addr.parse().unwrap()).to_string(), expect);
        };
        check("10.20.1.11", "10.20.1.0/24");
        check("2001:db8:1:2:3::4", "2001:db8:1:2::/64");
        check("::ffff:10.20.1.11", "10.20.1.0/24");
    }

    proptest! {
        #[test]
        fn the_parts_add_up(flows in prop::collection::vec(testkit::any_judged_flow(), 0..40)) {
            let run = RunInfo {
                policies: vec!["office365-tls12".to_owned()],
                ..RunInfo::default()
            };
            let report = Report::new(&flows, &run, |_| true);
            let breakdown = Breakdown::of(&report.digest);
            let counted = flows.iter().filter(|flow| {
                !breakdown.is_watched || flow.direction != Direction::Other
            });
            let total: u64 = breakdown.total.iter().sum();
            prop_assert_eq!(total, counted.count() as u64);
            for (place, count) in breakdown.total.into_iter().enumerate() {
                let of_services: u64 = breakdown.services.iter().map(|(_, it)| it[place]).sum();
                prop_assert_eq!(of_services, count);
                let buckets = breakdown.over_time.iter().flat_map(|time| &time.buckets);
                prop_assert_eq!(buckets.map(|it| it[place]).sum::<u64>(), count);
            }
            let subnets = subnets(&Entry::all(&report), 0);
            let hosts: u64 = subnets.iter().flat_map(|(_, fates)| fates).sum();
            prop_assert_eq!(hosts, report.tallies()[0].total);
        }
    }
}

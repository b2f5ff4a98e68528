//! The hosts that a fault hits, and the few of them that are named.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// Hosts that a message names.
const NAMED_MAX: usize = 3;

/// How many connections of each host are hit.
#[derive(Debug, Default)]
pub(super) struct Hosts(BTreeMap<IpAddr, u64>);

impl Hosts {
    pub(super) fn add(&mut self, host: IpAddr) {
        *self.0.entry(host).or_default() += 1;
    }
}

/// The hosts that are hit most, with their connections: `10.0.0.1 (7), 10.0.0.2 (1)`.
impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hosts: Vec<(&IpAddr, &u64)> = self.0.iter().collect();
        // Stable, so that equals stay in order of address.
        hosts.sort_by_key(|(_, count)| Reverse(**count));
        for (index, (host, count)) in hosts.iter().take(NAMED_MAX).enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{host} ({count})")?;
        }
        match hosts.len().saturating_sub(NAMED_MAX) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_hit_most_come_first() {
        let check = |octets: &[u8], expect: &str| {
            let mut hosts = Hosts::default();
            octets.iter().for_each(|octet| hosts.add(IpAddr::from([10, 0, 0, *octet])));
            assert_eq!(hosts.to_string(), expect);
        };
        check(&[], "");
        check(&[2, 1, 2], "10.0.0.2 (2), 10.0.0.1 (1)");
        check(&[3, 2, 1], "10.0.0.1 (1), 10.0.0.2 (1), 10.0.0.3 (1)");
        check(&[4, 4, 3, 2, 1], "10.0.0.4 (2), 10.0.0.1 (1), 10.0.0.2 (1) and 1 more");
    }
}

//! The hosts seen so far, for those who watch a run: touched once a hello, never once a packet.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use dashmap::DashMap;
use dissect::{HelloSeen, Side, Version};
use foldhash::fast::RandomState;

/// Hosts that are kept. A capture of a large company has some hundred thousand; past this the
/// table takes no more, counts the hellos it passed over, and the report, which is not made from
/// it, misses nothing.
const HOSTS_MAX: usize = 1 << 20;

/// Hosts by address, shared by all workers.
///
/// The totals are kept beside the table, since the table would have to lock all of its parts to
/// count them.
#[derive(Debug)]
pub struct LiveHosts {
    hosts: DashMap<IpAddr, LiveHost, RandomState>,
    hosts_max: usize,
    count: AtomicUsize,
    count_below_tls12: AtomicUsize,
    passed_over: AtomicUsize,
}

/// What was seen of one host as a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LiveHost {
    /// ClientHellos sent.
    pub offers: u64,
    /// The highest version offered in any of them.
    pub offered_max: Option<Version>,
    /// ServerHellos received.
    pub selections: u64,
    /// ServerHellos received that select a version below TLS 1.2.
    pub selections_below_tls12: u64,
}

impl LiveHosts {
    fn with_max(hosts_max: usize) -> Self {
        Self {
            hosts: DashMap::default(),
            hosts_max,
            count: AtomicUsize::new(0),
            count_below_tls12: AtomicUsize::new(0),
            passed_over: AtomicUsize::new(0),
        }
    }

    /// Notes a hello under the client's address.
    pub fn note(&self, seen: &HelloSeen) {
        if let Some(mut host) = self.hosts.get_mut(&seen.client.addr) {
            return self.update(&mut host, seen);
        }
        // Workers that find the last place at the same time all take it: one host too many each.
        if self.len() >= self.hosts_max {
            self.passed_over.fetch_add(1, Relaxed);
            return;
        }
        let entry = self.hosts.entry(seen.client.addr);
        let mut host = entry.or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            LiveHost::default()
        });
        self.update(&mut host, seen);
    }

    /// Adds a hello to its host; the host is locked.
    fn update(&self, host: &mut LiveHost, seen: &HelloSeen) {
        let was_old = host.is_below_tls12();
        host.add(seen);
        match (was_old, host.is_below_tls12()) {
            (false, true) => self.count_below_tls12.fetch_add(1, Relaxed),
            (true, false) => self.count_below_tls12.fetch_sub(1, Relaxed),
            _ => 0,
        };
    }

    /// How many hosts were seen as clients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Whether no host was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many hosts never offered TLS 1.2 or more.
    #[must_use]
    pub fn count_below_tls12(&self) -> usize {
        self.count_below_tls12.load(Relaxed)
    }

    /// Hellos of hosts for which there was no room.
    #[must_use]
    pub fn passed_over(&self) -> usize {
        self.passed_over.load(Relaxed)
    }
}

impl Default for LiveHosts {
    fn default() -> Self {
        Self::with_max(HOSTS_MAX)
    }
}

impl LiveHost {
    fn add(&mut self, seen: &HelloSeen) {
        match seen.from {
            Side::Client => {
                self.offers += 1;
                self.offered_max = self.offered_max.max(seen.version);
            }
            Side::Server => {
                self.selections += 1;
                let is_old = seen.version.is_some_and(|version| version < Version::Tls12);
                self.selections_below_tls12 += u64::from(is_old);
            }
        }
    }

    fn is_below_tls12(&self) -> bool {
        self.offered_max.is_some_and(|max| max < Version::Tls12)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissect::{Endpoint, Mark};

    fn note(hosts: &LiveHosts, octet: u8, from: Side, version: Option<Version>) {
        let end = |octet| Endpoint { addr: IpAddr::from([10, 0, 0, octet]), port: 443 };
        let (client, server) = (end(octet), end(99));
        hosts.note(&HelloSeen { client, server, from, version, at: Mark::default() });
    }

    #[test]
    fn hosts_take_their_highest_offer() {
        let hosts = LiveHosts::default();
        assert!(hosts.is_empty());
        note(&hosts, 1, Side::Client, Some(Version::Tls10));
        note(&hosts, 2, Side::Client, Some(Version::Tls10));
        assert_eq!((hosts.len(), hosts.count_below_tls12()), (2, 2));
        note(&hosts, 2, Side::Client, Some(Version::Tls12));
        note(&hosts, 2, Side::Server, Some(Version::Tls10));
        note(&hosts, 3, Side::Client, None);
        assert_eq!((hosts.len(), hosts.count_below_tls12()), (3, 1));
    }

    #[test]
    fn a_full_table_goes_on_with_the_hosts_it_has() {
        let hosts = LiveHosts::with_max(2);
        for octet in 1..=3 {
            note(&hosts, octet, Side::Client, Some(Version::Tls10));
        }
        assert_eq!((hosts.len(), hosts.passed_over()), (2, 1));
        note(&hosts, 2, Side::Client, Some(Version::Tls12));
        assert_eq!((hosts.len(), hosts.passed_over(), hosts.count_below_tls12()), (2, 1, 1));
    }
}

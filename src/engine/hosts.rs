//! The hosts seen so far, for those who watch a run: touched once a hello, never once a packet.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::{DashMap, Entry};
use dissect::{HelloSeen, Side, Version};
use foldhash::fast::RandomState;

/// Hosts that are kept. A capture of a large company has some hundred thousand; past this the
/// table says so and takes no more, and the report, which is not made from it, misses nothing.
const HOSTS_MAX: usize = 1 << 20;

/// Hosts by address, shared by all workers.
#[derive(Debug, Default)]
pub struct LiveHosts {
    hosts: DashMap<IpAddr, LiveHost, RandomState>,
    count: AtomicUsize,
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
    /// Notes a hello under the client's address.
    pub fn note(&self, seen: &HelloSeen) {
        let mut host = match self.hosts.entry(seen.client.addr) {
            Entry::Occupied(known) => known.into_ref(),
            Entry::Vacant(place) => {
                // Counting is not the table's own `len`, which locks every part of it.
                if self.count.fetch_add(1, Ordering::Relaxed) >= HOSTS_MAX {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    return;
                }
                place.insert(LiveHost::default())
            }
        };
        match seen.from {
            Side::Client => {
                host.offers += 1;
                host.offered_max = host.offered_max.max(seen.version);
            }
            Side::Server => {
                host.selections += 1;
                let is_old = seen.version.is_some_and(|version| version < Version::Tls12);
                host.selections_below_tls12 += u64::from(is_old);
            }
        }
    }

    /// How many hosts were seen as clients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no host was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many hosts never offered TLS 1.2 or more.
    #[must_use]
    pub fn count_below_tls12(&self) -> usize {
        let is_old = |host: &LiveHost| host.offered_max.is_some_and(|max| max < Version::Tls12);
        self.hosts.iter().filter(|entry| is_old(entry.value())).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissect::{Endpoint, Mark};

    #[test]
    fn hosts_take_their_highest_offer() {
        let hosts = LiveHosts::default();
        let end = |octet| Endpoint { addr: IpAddr::from([10, 0, 0, octet]), port: 443 };
        let note = |octet, from, version| {
            let (client, server) = (end(octet), end(99));
            hosts.note(&HelloSeen { client, server, from, version, at: Mark::default() });
        };
        note(1, Side::Client, Some(Version::Tls10));
        note(2, Side::Client, Some(Version::Tls10));
        note(2, Side::Client, Some(Version::Tls12));
        note(2, Side::Server, Some(Version::Tls10));
        note(3, Side::Client, None);
        assert_eq!((hosts.len(), hosts.count_below_tls12()), (3, 1));
    }
}

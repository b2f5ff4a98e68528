//! The newest connections of hosts that don't pass, for those who look at one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use dissect::{Endpoint, Timestamp};
use report::{JudgedFlow, Judgement, Verdict, rows};

/// Hosts whose connections are kept: more than anybody looks through by hand.
const HOSTS_MAX: usize = 4096;
/// Connections that are kept of a host, the newest.
const SIGHTINGS_MAX: usize = 8;

/// Connections by policy and host; nothing is kept unless somebody looks.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    pub(super) is_kept: bool,
    hosts: HashMap<(Arc<str>, IpAddr), VecDeque<Sighting>>,
}

/// What is told of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) time: Timestamp,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    /// What the server is called, as the wire has it.
    pub(super) server_name: Option<Arc<str>>,
    pub(super) offered: &'static str,
    pub(super) negotiated: &'static str,
    pub(super) verdict: Verdict,
    pub(super) reason: Arc<str>,
}

impl Sightings {
    pub(super) fn note(&mut self, host: IpAddr, flow: &JudgedFlow, judgement: &Judgement) {
        if !self.is_kept {
            return;
        }
        let facts = &flow.facts;
        let offered = facts.client_hello.as_ref().and_then(|hello| hello.offer.max_version());
        let sighting = Sighting {
            time: facts.first.time,
            client: facts.client,
            server: facts.server,
            server_name: flow.server_name.as_ref().map(|(name, _)| Arc::clone(name)),
            offered: offered.map_or("", |version| version.name()),
            negotiated: rows::negotiated(facts).map_or("", |version| version.name()),
            verdict: judgement.verdict,
            reason: Arc::clone(&judgement.reason),
        };
        self.keep((Arc::clone(&judgement.policy), host), sighting);
    }

    fn keep(&mut self, key: (Arc<str>, IpAddr), sighting: Sighting) {
        if self.hosts.len() >= HOSTS_MAX && !self.hosts.contains_key(&key) {
            return;
        }
        let kept = self.hosts.entry(key).or_default();
        kept.push_back(sighting);
        if kept.len() > SIGHTINGS_MAX {
            kept.pop_front();
        }
    }

    /// Those of a host, the newest first.
    pub(super) fn of(&self, policy: &Arc<str>, host: IpAddr) -> Vec<Sighting> {
        let kept = self.hosts.get(&(Arc::clone(policy), host));
        kept.map(|kept| kept.iter().rev().cloned().collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_their_connections_are_bounded() {
        let at = |time| Sighting {
            time: Timestamp::from_nanos(time),
            client: Endpoint { addr: IpAddr::from([10, 0, 0, 1]), port: 1 },
            server: Endpoint { addr: IpAddr::from([10, 0, 0, 2]), port: 443 },
            server_name: None,
            offered: "",
            negotiated: "",
            verdict: Verdict::Breaks,
            reason: "".into(),
        };
        let (mut sightings, policy) = (Sightings::default(), Arc::<str>::from("p"));
        let host = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..=HOSTS_MAX {
            sightings.keep((Arc::clone(&policy), host(number)), at(0));
        }
        assert_eq!(sightings.of(&policy, host(HOSTS_MAX - 1)).len(), 1);
        assert_eq!(sightings.of(&policy, host(HOSTS_MAX)), []);
        for time in 1..=SIGHTINGS_MAX {
            sightings.keep((Arc::clone(&policy), host(0)), at(time as i64));
        }
        let times: Vec<_> = sightings.of(&policy, host(0)).iter().map(|it| it.time).collect();
        let expect: Vec<_> = (1..=SIGHTINGS_MAX as i64).rev().map(Timestamp::from_nanos).collect();
        assert_eq!(times, expect);
    }
}

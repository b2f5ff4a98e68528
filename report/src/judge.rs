//! From facts to verdicts.
//!
//! [`Judge`] takes all connections of a run at once, because one connection explains another: a
//! retry its first attempt, a resumed session the certificate that came before, a host that is
//! set to less what it offers elsewhere. The result depends on the set of connections and not on
//! their order.

mod advice;
mod fixes;
mod history;
mod rule_words;
mod rules;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod words;

use std::cmp::Ordering;
use std::sync::Arc;

use dissect::{Endpoint, FlowFacts, Protocol, Timestamp, Transport, Upgrade};

use self::history::History;
use self::rules::{Case, proven};
use self::words::Words;
use crate::endpoints::{Endpoints, Home, Prefix};
use crate::judged::{Direction, JudgedFlow, Judgement};
use crate::names::{Hearsay, NameBook, Place, foreign_certificate, host_of, place};
use crate::paths;
use crate::policy::{Destination, Policy, Way};
use crate::run::RunInfo;
use crate::services::Service;
use crate::stack::{Setting, StackBook};
use crate::state::SavedFlow;

/// What verdicts rest on beside the connections.
#[derive(Debug, Clone)]
pub struct JudgeConfig {
    /// The policies, in the order of their judgements; at least one.
    pub policies: Vec<Policy>,
    /// The endpoint list.
    pub endpoints: Endpoints,
    /// What counts as inside; empty for private networks.
    pub home: Vec<Prefix>,
    /// The sensor's name in every row.
    pub sensor: Arc<str>,
}

/// The built-in policy and endpoint list, private networks as home, no sensor name.
impl Default for JudgeConfig {
    fn default() -> Self {
        let office365 = Policy::builtin(crate::policy::BUILTIN_NAMES[0]);
        Self {
            policies: office365.into_iter().collect(),
            endpoints: Endpoints::builtin(),
            home: Vec::new(),
            sensor: Arc::from(""),
        }
    }
}

/// Judges connections.
#[derive(Debug, Clone)]
pub struct Judge {
    policies: Vec<Policy>,
    endpoints: Endpoints,
    home: Home,
    sensor: Arc<str>,
}

impl Judge {
    /// A judge for these policies.
    ///
    /// # Panics
    ///
    /// Without a policy: every connection has a judgement.
    #[must_use]
    pub fn new(config: JudgeConfig) -> Self {
        assert!(!config.policies.is_empty(), "a judge needs a policy");
        Self {
            policies: config.policies,
            endpoints: config.endpoints,
            home: Home::new(config.home),
            sensor: config.sensor,
        }
    }

    /// What counts as inside.
    #[must_use]
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// The endpoint list.
    #[must_use]
    pub const fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// The policies, in the order of judgements.
    #[must_use]
    pub fn policies(&self) -> &[Policy] {
        &self.policies
    }

    /// Writes into a run what it is judged by.
    pub fn sign(&self, run: &mut RunInfo) {
        let is_builtin = |policy: &&Policy| {
            Policy::builtin_toml(&policy.name).is_some_and(|text| *text == *policy.toml)
        };
        let texts = self.policies.iter().filter(|policy| !is_builtin(policy));
        run.policies = self.policies.iter().map(|policy| policy.name.to_string()).collect();
        run.policy_texts =
            texts.map(|policy| (policy.name.to_string(), policy.toml.to_string())).collect();
    }

    /// Judges all connections of a run; the result is sorted by first frame, client and server.
    #[must_use]
    pub fn judge_all<F: Into<Box<FlowFacts>>>(&self, flows: Vec<F>) -> Vec<JudgedFlow> {
        self.judge_all_named(flows, &NameBook::default())
    }

    /// Judges all connections of a run with the help of DNS answers.
    #[must_use]
    pub fn judge_all_named<F: Into<Box<FlowFacts>>>(
        &self,
        flows: Vec<F>,
        names: &NameBook,
    ) -> Vec<JudgedFlow> {
        let flows = sorted(flows.into_iter().map(Into::into).collect());
        let history = History::of(&flows, &self.policies);
        let (mut words, mut stacks) = (Words::default(), StackBook::default());
        let told = Told::ByBook(names);
        flows
            .into_iter()
            .map(|facts| self.judge(facts, &history, told, &mut words, &mut stacks))
            .collect()
    }

    /// Judges the connections of a saved run; each keeps its sensor and the name that DNS gave.
    #[must_use]
    pub fn judge_saved(&self, mut flows: Vec<SavedFlow>) -> Vec<JudgedFlow> {
        flows.sort_by(|one, other| compare(&one.facts, &other.facts));
        let (mut all, mut others) = (Vec::with_capacity(flows.len()), Vec::new());
        for SavedFlow { sensor, dns_name, part: _, facts } in flows {
            all.push(facts);
            others.push((sensor, dns_name));
        }
        let history = History::of(&all, &self.policies);
        let (mut words, mut stacks) = (Words::default(), StackBook::default());
        let judge = |(facts, (sensor, dns_name)): (_, (_, Option<Arc<str>>))| JudgedFlow {
            sensor,
            ..self.judge(
                facts,
                &history,
                Told::Before(dns_name.as_deref()),
                &mut words,
                &mut stacks,
            )
        };
        all.into_iter().zip(others).map(judge).collect()
    }

    fn judge(
        &self,
        facts: Box<FlowFacts>,
        history: &History,
        told: Told<'_>,
        words: &mut Words,
        stacks: &mut StackBook,
    ) -> JudgedFlow {
        let client = client_of(&facts).addr;
        let nothing = NameBook::default();
        let hearsay = match told {
            Told::ByBook(names) => history.hearsay(&facts, names),
            Told::Before(dns) => Hearsay { dns, ..history.hearsay(&facts, &nothing) },
        };
        let place = place(&facts, hearsay, &self.endpoints, &self.home);
        let destination = destination(&facts, &place);
        let stack = match (&facts.client_hello, facts.protocol) {
            (Some(hello), Protocol::Tls | Protocol::Quic) => {
                Some(stacks.of(&hello.offer, setting(place.direction, destination)))
            }
            _ => None,
        };
        let family = stack.as_ref().and_then(|stack| stack.family);
        let way = paths::Way {
            direction: place.direction,
            to: destination,
            client_serves_sip: history.serves_sip(client),
            family,
        };
        let foreign_certificate = foreign_certificate(&facts, &place, &self.endpoints);
        let (path, scenario) = (way.path(), way.scenario());
        let judgements = self
            .policies
            .iter()
            .enumerate()
            .map(|(index, policy)| {
                let case = Case {
                    policy,
                    facts: &facts,
                    direction: place.direction,
                    server_is_inside: self.home.contains(facts.server.addr),
                    in_scope: policy.scope.covers(destination),
                    way: way_of(policy, &facts),
                    retry: history.retry(index, &facts),
                    foreign_certificate,
                    retired_name: policy.retires(destination.names.into_iter().flatten()),
                    offers_more_elsewhere: history.offers(client, policy.minimum),
                };
                let ruling = case.rule();
                let overruled = place.overruled_by.zip(place.service.map(|(service, _)| service));
                Judgement {
                    policy: Arc::clone(&policy.name),
                    verdict: ruling.verdict,
                    cause: ruling.cause,
                    rule: case.rule_words(&ruling),
                    reason: words.reason(&case, &ruling, overruled),
                    fix: words.fix(&case, &ruling, family),
                }
            })
            .collect();
        let (service, direction) = (place.service, place.direction);
        let sni = facts.client_hello.as_ref().and_then(|hello| hello.server_name.as_ref());
        let server_name = place.server_name.map(|(name, source)| match sni {
            Some(sni) if **sni == *name => (Arc::clone(sni), source),
            _ => (words.share(&name), source),
        });
        JudgedFlow {
            sensor: Arc::clone(&self.sensor),
            server_name,
            service: service.map(|(service, source)| (words.share(service.name()), source)),
            direction,
            stack,
            path,
            scenario,
            judgements,
            facts,
        }
    }
}

/// What DNS said of a server's name.
#[derive(Clone, Copy)]
enum Told<'a> {
    /// To be looked up among the answers.
    ByBook(&'a NameBook),
    /// Was looked up when the connection was judged before.
    Before(Option<&'a str>),
}

/// What a connection's destination tells of its client.
fn setting(direction: Direction, to: Destination<'_>) -> Setting {
    let is_to = |services: &[Service]| {
        direction == Direction::ToOffice365
            && to.service.is_some_and(|service| services.contains(&service))
    };
    let is_sip_name = to.names[0].is_some_and(|name| name.starts_with("sip"));
    Setting {
        is_sip: is_to(&[Service::SkypeForBusinessOnline, Service::MicrosoftTeams])
            && (to.port == paths::SIP_TLS || is_sip_name),
        is_mail_submission: is_to(&[Service::ExchangeOnline]) && matches!(to.port, 25 | 465 | 587),
    }
}

/// Where a connection goes, for the scopes of policies.
fn destination<'a>(facts: &'a FlowFacts, place: &'a Place<'_>) -> Destination<'a> {
    let is_tunnel = matches!(facts.upgrade, Upgrade::HttpConnect | Upgrade::Socks);
    let asked = facts.upgrade_name.as_deref().filter(|_| is_tunnel);
    let asked_port = asked.and_then(|asked| asked.rsplit_once(':')?.1.parse().ok());
    Destination {
        service: place.service.map(|(service, _)| service),
        names: [place.server_name.as_ref().map(|(name, _)| &**name), asked.map(host_of)],
        addr: match place.direction {
            Direction::FromOffice365 => client_of(facts).addr,
            _ => facts.server.addr,
        },
        port: asked_port.unwrap_or(facts.server.port),
    }
}

/// How a connection's offer fares under a policy, with what the server's choice proves of it.
fn way_of(policy: &Policy, facts: &FlowFacts) -> Option<Way> {
    let hello = facts.client_hello.as_ref()?;
    Some(policy.way_given(&hello.offer, proven(facts)))
}

/// The client of a connection: by the PROXY protocol header where there is one.
#[must_use]
pub fn client_of(facts: &FlowFacts) -> Endpoint {
    facts.proxied_client.unwrap_or(facts.client)
}

/// Connections in the order of reports. Few share the time of their first frame; only those are
/// compared further.
fn sorted(flows: Vec<Box<FlowFacts>>) -> Vec<Box<FlowFacts>> {
    let mut timed: Vec<_> = flows.into_iter().map(|facts| (facts.first.time, facts)).collect();
    timed.sort_unstable_by(|(time, facts), (other_time, other)| {
        time.cmp(other_time).then_with(|| order(facts).cmp(&order(other)))
    });
    timed.into_iter().map(|(_, facts)| facts).collect()
}

/// The order of reports.
pub(crate) fn compare(one: &FlowFacts, other: &FlowFacts) -> Ordering {
    let times = one.first.time.cmp(&other.first.time);
    times.then_with(|| order(one).cmp(&order(other)))
}

/// What orders connections of one time; what follows the server only separates what is equal up
/// to there.
type Order = (Endpoint, Endpoint, Transport, Timestamp, u64, u64, Option<[u8; 32]>);

fn order(facts: &FlowFacts) -> Order {
    (
        client_of(facts),
        facts.server,
        facts.transport,
        facts.last.time,
        facts.first.frame,
        facts.last.frame,
        facts.client_hello.as_ref().map(|hello| hello.random),
    )
}

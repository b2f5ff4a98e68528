//! From facts to verdicts.
//!
//! [`Judge`] takes all connections of a run at once, because one connection explains another: a
//! retry its first attempt, a resumed session the certificate that came before, a host that is
//! set to less what it offers elsewhere. The result depends on the set of connections and not on
//! their order.

mod advice;
mod fixes;
mod gist;
mod history;
mod reasons;
mod rule_words;
mod rules;
#[cfg(test)]
pub(crate) mod testkit;
#[cfg(test)]
mod tests;
mod words;

use std::cmp::Ordering;
use std::sync::Arc;
use std::thread;

use dissect::{Endpoint, FlowFacts, Protocol, Timestamp, Transport, Upgrade};
use smallvec::SmallVec;

use self::gist::{Circumstances, Gist, Key, Under, Verdicts, proven};
pub(crate) use self::history::History;
use self::rules::Case;
use self::words::Words;
use crate::endpoints::{Endpoints, Home, Prefix};
use crate::judged::{Direction, JudgedFlow, Judgement, Judgements};
use crate::names::{
    CertificateBook, Hearsay, NameBook, Place, foreign_certificate, host_of, labels, place,
};
use crate::paths;
use crate::policy::{Destination, Policy, Way};
use crate::run::RunInfo;
use crate::services::Service;
use crate::stack::{Family, Setting, StackBook};
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
    workers: usize,
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
            workers: 1,
        }
    }

    /// The judge with so many threads for the connections of a run; the verdicts do not depend on
    /// how many there are.
    #[must_use]
    pub fn with_workers(self, workers: usize) -> Self {
        Self { workers: workers.max(1), ..self }
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
        let mut flows = self.unjudged(flows);
        self.judge_each(&mut flows, &history, |_| Told::ByBook(names));
        flows
    }

    /// Judges some connections of a run by what is known of all. What they share is in `book`, which
    /// grows with what is new in them.
    pub(crate) fn judge_some(
        &self,
        flows: Vec<Box<FlowFacts>>,
        history: &History,
        names: &NameBook,
        book: &mut Book,
    ) -> Vec<JudgedFlow> {
        let mut flows = self.unjudged(flows);
        for flow in &mut flows {
            self.judge(flow, history, Told::ByBook(names), book);
        }
        flows
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
        let mut judged = self.unjudged(all);
        for (flow, (sensor, _)) in judged.iter_mut().zip(&others) {
            flow.sensor = Arc::clone(sensor);
        }
        let told = |place: usize| {
            let (_, dns_name) = &others[place];
            Told::Before(dns_name.as_deref())
        };
        self.judge_each(&mut judged, &history, told);
        judged
    }

    /// Connections of which nothing is said yet.
    fn unjudged(&self, flows: Vec<Box<FlowFacts>>) -> Vec<JudgedFlow> {
        let none = Judgements::default();
        let unjudged = |facts| JudgedFlow {
            facts,
            sensor: Arc::clone(&self.sensor),
            server_name: None,
            service: None,
            direction: Direction::Other,
            stack: None,
            path: None,
            scenario: None,
            judgements: none.clone(),
        };
        flows.into_iter().map(unjudged).collect()
    }

    /// Judges connections where they are, a part of them in each thread. `told` says what DNS
    /// knows for the connection at a place.
    fn judge_each<'t>(
        &self,
        flows: &mut [JudgedFlow],
        history: &History,
        told: impl Fn(usize) -> Told<'t> + Sync,
    ) {
        let part_len = flows.len().div_ceil(self.workers).max(PART_LEN_MIN);
        let judge_part = |first: usize, part: &mut [JudgedFlow]| {
            let mut book = Book::default();
            for (place, flow) in (first..).zip(part) {
                self.judge(flow, history, told(place), &mut book);
            }
        };
        let judge_part = &judge_part;
        thread::scope(|scope| {
            let mut parts = (0..).step_by(part_len).zip(flows.chunks_mut(part_len));
            let own = parts.next();
            for (first, part) in parts {
                scope.spawn(move || judge_part(first, part));
            }
            if let Some((first, part)) = own {
                judge_part(first, part);
            }
        });
    }

    fn judge(&self, flow: &mut JudgedFlow, history: &History, told: Told<'_>, book: &mut Book) {
        let facts = &*flow.facts;
        let client = client_of(facts).addr;
        let hearsay = match told {
            Told::ByBook(names) => {
                let dns = names.lookup(client, facts.server.addr, facts.first.time);
                history.hearsay(facts, dns)
            }
            Told::Before(dns) => Hearsay { dns, ..history.hearsay(facts, None) },
        };
        let place = place(facts, hearsay, &self.endpoints, &self.home);
        let destination = destination(facts, &place);
        let stack = match (&facts.client_hello, facts.protocol) {
            (Some(hello), Protocol::Tls | Protocol::Quic) => {
                Some(book.stacks.of(&hello.offer, setting(place.direction, destination)))
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
        let (path, scenario) = (way.path(), way.scenario());
        let judgements = self.judgements(facts, history, &place, destination, family, book);
        let words = &mut book.words;
        let sni = facts.client_hello.as_ref().and_then(|hello| hello.server_name.as_ref());
        let server_name = place.server_name.map(|(name, source)| match sni {
            Some(sni) if **sni == *name => (Arc::clone(sni), source),
            _ => (words.share(&name), source),
        });
        let service = place.service.map(|(service, source)| (words.service(service), source));
        flow.direction = place.direction;
        flow.server_name = server_name;
        flow.service = service;
        flow.stack = stack;
        (flow.path, flow.scenario) = (path, scenario);
        flow.judgements = judgements;
    }

    /// A connection's judgements under all policies.
    fn judgements(
        &self,
        facts: &FlowFacts,
        history: &History,
        place: &Place<'_>,
        destination: Destination<'_>,
        family: Option<Family>,
        book: &mut Book,
    ) -> Judgements {
        let client = client_of(facts).addr;
        let gist = Gist::of(facts);
        let around = Circumstances {
            direction: place.direction,
            server_is_inside: self.home.contains(facts.server.addr),
            family,
            overruled: place.overruled_by.zip(place.service.map(|(service, _)| service)),
        };
        let policies = self.policies.iter().enumerate();
        let under: SmallVec<[Under; 1]> = policies
            .map(|(index, policy)| Under {
                in_scope: policy.scope.covers(destination),
                retry: history.retry(index, facts),
                offers_more_elsewhere: history.offers(client, policy.minimum),
            })
            .collect();
        let is_known =
            |certificate: &_| book.certificates.names_endpoint(certificate, &self.endpoints);
        let foreign_certificate = foreign_certificate(facts, place, &self.endpoints, is_known);
        let Book { words, verdicts, .. } = book;
        let mut judge = |under: &[Under]| {
            let judge = |(policy, under): (&Policy, &Under)| {
                let case = Case {
                    policy,
                    gist,
                    direction: around.direction,
                    server_is_inside: around.server_is_inside,
                    in_scope: under.in_scope,
                    way: gist.offer.map(|offer| policy.way_given(offer, gist.proven())),
                    retry: under.retry,
                    foreign_certificate,
                    retired_name: policy.retires(destination),
                    offers_more_elsewhere: under.offers_more_elsewhere,
                };
                let ruling = case.rule();
                Judgement {
                    policy: Arc::clone(&policy.name),
                    verdict: ruling.verdict,
                    cause: ruling.cause,
                    rule: case.rule_words(&ruling),
                    reason: words.reason(&case, &ruling, around.overruled),
                    fix: words.fix(&case, &ruling, family),
                }
            };
            self.policies.iter().zip(under).map(judge).collect()
        };
        // What others chose to be called may stand in the words; it is no part of a key.
        let tells_names = foreign_certificate.is_some()
            || self.policies.iter().any(|policy| policy.retires(destination).is_some());
        if tells_names {
            let judgements = judge(&under);
            return verdicts.share(judgements);
        }
        let offer = facts.client_hello.as_ref().map(|hello| &hello.offer);
        verdicts.of(Key::of(&gist, around, under), offer, judge)
    }
}

/// Connections that are worth a thread of their own.
const PART_LEN_MIN: usize = 256;

/// What connections of a run share: each made once in a thread.
#[derive(Default)]
pub(crate) struct Book {
    words: Words,
    stacks: StackBook,
    verdicts: Verdicts,
    certificates: CertificateBook,
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
    let is_sip_name = to.name.is_some_and(labels::is_sip);
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
        name: place.server_name.as_ref().map(|(name, _)| &**name),
        asked: asked.map(host_of),
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

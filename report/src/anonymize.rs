//! Pseudonyms for addresses and names, the same from the same key on every sensor.
//!
//! Addresses go through Crypto-PAn, so that networks stay networks; names are keyed hashes, label
//! by label, so that domains stay domains. What everybody knows stays as it is: names and networks
//! of the endpoint list, loopback, multicast and the like. Private ranges map onto themselves, and
//! what the user calls home moves with its addresses. Connections are judged before and get no
//! other verdicts by it; a saved run is judged alike afterwards, as what decides is kept: who is
//! inside, which service a name or an address is of, and who is the same as whom.

mod crypto_pan;
mod key;
mod names;
mod ranges;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dissect::{CertificateNames, Endpoint, FlowFacts, Upgrade};

use self::crypto_pan::CryptoPan;
pub use self::key::{AnonymizeKey, AnonymizeKeyError};
use self::names::Names;
use self::ranges::Ranges;
use crate::endpoints::normal;
use crate::names::{foreign_certificate_words, host_of};
use crate::state::State;
use crate::{Endpoints, Home, Inventory, JudgedFlow, Prefix, RunInfo, judge};

/// Pseudonyms that are remembered: more than the hosts of any site. Beyond that they are worked out
/// anew each time.
const REMEMBERED_MAX: usize = 1 << 20;

/// Gives pseudonyms.
#[derive(Debug)]
pub struct Anonymizer {
    key: AnonymizeKey,
    pan: CryptoPan,
    ranges: Ranges,
    names: Names,
    addresses: Mutex<HashMap<IpAddr, IpAddr>>,
}

impl Anonymizer {
    /// Pseudonyms by a key, for runs that are judged by this endpoint list and home.
    #[must_use]
    pub fn new(key: AnonymizeKey, endpoints: &Endpoints, home: &Home) -> Self {
        Self {
            pan: CryptoPan::new(&key),
            ranges: Ranges::new(endpoints, home),
            names: Names::new(&key, endpoints),
            addresses: Mutex::default(),
            key,
        }
    }

    /// The pseudonyms that are known.
    fn addresses(&self) -> MutexGuard<'_, HashMap<IpAddr, IpAddr>> {
        // A pseudonym is whole or not there, whoever panicked.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pseudonym of an address.
    #[must_use]
    pub fn address(&self, addr: IpAddr) -> IpAddr {
        if let Some(known) = self.addresses().get(&addr) {
            return *known;
        }
        let pseudonym = self.ranges.pseudonym(addr, &self.pan);
        let mut addresses = self.addresses();
        if addresses.len() < REMEMBERED_MAX {
            addresses.insert(addr, pseudonym);
        }
        pseudonym
    }

    /// The pseudonym of a host name, or of an address in text; case and a trailing dot are nothing.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        self.normal_name(&normal(name))
    }

    fn normal_name(&self, name: &str) -> String {
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        match bare.unwrap_or(name).parse() {
            Ok(addr) if bare.is_some() => format!("[{}]", self.address(addr)),
            Ok(addr) => self.address(addr).to_string(),
            Err(_) => self.names.pseudonym(name),
        }
    }

    /// The network that the addresses of `prefix` go to.
    #[must_use]
    pub fn prefix(&self, prefix: &Prefix) -> Prefix {
        let first = self.address(prefix.first());
        Prefix::new(first, prefix.bits()).expect("a pseudonym is of the same family")
    }

    /// What counts as inside among pseudonyms.
    #[must_use]
    pub fn home(&self, home: &Home) -> Home {
        Home::new(home.prefixes().iter().map(|prefix| self.prefix(prefix)).collect())
    }

    /// Judged connections under pseudonyms, in the order of the judge.
    #[must_use]
    pub fn flows(&self, mut flows: Vec<JudgedFlow>) -> Vec<JudgedFlow> {
        let mut shared = Shared::default();
        for flow in &mut flows {
            self.reasons(flow);
            self.facts(&mut flow.facts, &mut shared);
            if let Some((name, _)) = &mut flow.server_name {
                *name = shared.text(name, |name| self.normal_name(name));
            }
        }
        flows.sort_by(|one, other| judge::compare(&one.facts, &other.facts));
        flows
    }

    /// What ended without a word ([`dissect::Observer::silent`]), under pseudonyms.
    #[must_use]
    pub fn silent(&self, mut silent: Vec<Box<FlowFacts>>) -> Vec<Box<FlowFacts>> {
        let mut shared = Shared::default();
        silent.iter_mut().for_each(|facts| self.facts(facts, &mut shared));
        silent
    }

    /// A saved run under pseudonyms: what the same runs would have given, each saved under them.
    #[must_use]
    pub fn state(&self, state: State) -> State {
        let parts = if state.parts.is_empty() { vec![state.run] } else { state.parts };
        let of_part = |run| State { run: self.run(run), parts: Vec::new(), flows: Vec::new() };
        let mut states: Vec<State> = parts.into_iter().map(of_part).collect();
        let mut shared = Shared::default();
        for mut flow in state.flows {
            self.facts(&mut flow.facts, &mut shared);
            flow.dns_name =
                flow.dns_name.map(|name| shared.text(&name, |name| self.normal_name(name)));
            let part = std::mem::take(&mut flow.part);
            if let Some(state) = states.get_mut(part) {
                state.flows.push(flow);
            }
        }
        State::merge(states)
    }

    /// What is known of a run, without paths. The names of sensor and policies stay.
    #[must_use]
    pub fn run(&self, mut run: RunInfo) -> RunInfo {
        let errors = std::mem::take(&mut run.errors);
        run.errors = errors.iter().map(|error| self.error(error, &run.inputs)).collect();
        for input in run.inputs.iter_mut().filter(|input| *input != "-") {
            *input = self.path("input", input);
        }
        if !run.endpoints.is_empty() {
            run.endpoints = self.path("endpoints", &run.endpoints);
        }
        let home = run.home.iter().filter_map(|text| text.parse().ok());
        run.home = home.map(|prefix| self.prefix(&prefix).to_string()).collect();
        run.anonymized = self.key.mark();
        run
    }

    /// An inventory whose hosts have their pseudonyms. Products and versions stay.
    #[must_use]
    pub fn inventory(&self, inventory: &Inventory) -> Inventory {
        inventory.with_hosts(|host| self.name(host), |addr| self.address(addr))
    }

    /// The pseudonym of a path.
    fn path(&self, kind: &str, path: &str) -> String {
        format!("{kind}-{}", self.names.hash(path))
    }

    /// An error message whose file has its pseudonym.
    ///
    /// Messages begin with the file. Where that is no input but lies below one, what tells where it
    /// ends is the place in it, or the last colon.
    fn error(&self, message: &str, inputs: &[String]) -> String {
        let after = |path: &String| message.strip_prefix(path.as_str())?.strip_prefix(": ");
        if let Some((path, rest)) = inputs.iter().find_map(|path| Some((path, after(path)?))) {
            return format!("{}: {rest}", self.path("input", path));
        }
        let end = message.rfind(": byte ").or_else(|| message.rfind(": "));
        match end.map(|end| message.split_at(end)) {
            Some((path, rest)) => format!("{}{rest}", self.path("input", path)),
            None => self.path("error", message),
        }
    }

    /// The certificate's name in the words of a judgement.
    fn reasons(&self, flow: &mut JudgedFlow) {
        let Some(certificate) = &flow.facts.certificate else { return };
        for place in 0..flow.judgements.len() {
            let reason = &flow.judgements[place].reason;
            let names = certificate.alternative_names.iter().chain(&certificate.common_name);
            let told = names
                .map(|name| (name, foreign_certificate_words(name)))
                .find(|(_, words)| reason.contains(words));
            if let Some((name, words)) = told {
                let pseudonym = foreign_certificate_words(&self.name(name));
                // Others may share the judgements: only who has to gets a copy.
                let reason = reason.replace(&words, &pseudonym).into();
                flow.judgements[place].reason = reason;
            }
        }
    }

    fn facts(&self, facts: &mut FlowFacts, shared: &mut Shared) {
        for end in
            [&mut facts.client, &mut facts.server].into_iter().chain(&mut facts.proxied_client)
        {
            *end = Endpoint { addr: self.address(end.addr), port: end.port };
        }
        if let Some(name) = &mut facts.upgrade_name {
            *name = match facts.upgrade {
                Upgrade::HttpConnect | Upgrade::Socks => self.authority(name).into(),
                _ => self.name(name).into(),
            };
        }
        if let Some(hello) = &mut facts.client_hello {
            hello.server_name = hello.server_name.take().map(|name| self.name(&name).into());
        }
        if let Some(names) = &mut facts.certificate {
            *names = shared.certificate(names, |name| self.name(name));
        }
    }

    /// `host:port` with the pseudonym of the host.
    fn authority(&self, authority: &str) -> String {
        let host = host_of(authority);
        // Where the host stands in what it is a part of.
        let begin = host.as_ptr().addr() - authority.as_ptr().addr();
        let (before, rest) = authority.split_at(begin);
        let (_, after) = rest.split_at(host.len());
        format!("{before}{}{after}", self.name(host))
    }
}

/// Pseudonyms of what connections share, so that it stays shared.
#[derive(Default)]
struct Shared {
    texts: HashMap<Arc<str>, Arc<str>>,
    certificates: HashMap<Arc<CertificateNames>, Arc<CertificateNames>>,
}

impl Shared {
    fn text(&mut self, text: &Arc<str>, pseudonym: impl FnOnce(&str) -> String) -> Arc<str> {
        let new = || pseudonym(text).into();
        Arc::clone(self.texts.entry(Arc::clone(text)).or_insert_with(new))
    }

    fn certificate(
        &mut self,
        names: &Arc<CertificateNames>,
        pseudonym: impl Fn(&str) -> String,
    ) -> Arc<CertificateNames> {
        let of = |name: &str| Box::from(pseudonym(name));
        let new = || {
            Arc::new(CertificateNames {
                alternative_names: names.alternative_names.iter().map(|name| of(name)).collect(),
                common_name: names.common_name.as_deref().map(of),
                issuer: names.issuer.as_deref().map(of),
            })
        };
        Arc::clone(self.certificates.entry(Arc::clone(names)).or_insert_with(new))
    }
}

//! Joins an inventory to the hosts of a capture.
//!
//! What was seen decides; the inventory speaks where it was too little. A host that by its version
//! can't do TLS 1.2 breaks even if it was silent, and where the traffic says otherwise than the
//! inventory, the row says so. The order of the inventory has no influence.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use dissect::{Side, Version};

use super::{HostRow, HostTable};
use crate::products::{Requirement, Standing};
use crate::{Cause, Concerns, Inventory, InventoryItem, Judgement, Policy, Scope, Verdict};

/// A host that only the inventory knows, and that breaks.
#[derive(Debug)]
pub struct SilentHost {
    /// Its name or address, as the inventory has it.
    pub host: String,
    /// Its address, where one is given.
    pub addr: Option<IpAddr>,
    /// Whether it would dial or answer.
    pub side: Side,
    /// What the inventory says.
    pub findings: BTreeSet<String>,
    /// A judgement for each policy that the tables of products are about.
    pub judgements: Vec<Option<Judgement>>,
}

/// A host whose traffic and inventory say different things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contradiction {
    /// The host's address.
    pub addr: IpAddr,
    /// What contradicts what.
    pub what: String,
}

/// Whether the tables, which are about TLS 1.2 and Office 365, say something of a policy.
fn applies(policy: &Policy) -> bool {
    policy.minimum >= Version::Tls12
        && policy.concerns != Concerns::Everyone
        && policy.scope == Scope::default()
}

impl HostTable {
    /// Joins an inventory.
    pub(crate) fn join(&mut self, inventory: &Inventory, policies: &[Policy]) {
        let mut silent: BTreeMap<(Option<IpAddr>, &str, Side), Vec<&InventoryItem>> =
            BTreeMap::new();
        let places = Places::of(&self.rows);
        for item in inventory.items() {
            let side = if item.is_server() { Side::Server } else { Side::Client };
            let mut is_heard = false;
            for &place in places.of_item(item) {
                let row = &mut self.rows[place];
                is_heard |= row.side == side;
                note(row, item, side, &mut self.contradictions);
                if row.side == side && item.standing.is_too_old() {
                    overrule(row, item, policies);
                }
            }
            if !is_heard && item.standing.is_too_old() {
                silent.entry((item.addr, &item.host, side)).or_default().push(item);
            }
        }
        self.contradictions.sort();
        self.contradictions.dedup();
        for ((addr, host, side), items) in silent {
            let findings = items.iter().map(|item| item.finding()).collect();
            // The first by its text, so that the order of the rows is nothing.
            let Some(worst) = items.iter().min_by_key(|item| item.finding()) else { continue };
            let judge = |policy: &Policy| applies(policy).then(|| judgement(worst, policy, true));
            self.silent.push(SilentHost {
                host: host.to_owned(),
                addr,
                side,
                findings,
                judgements: policies.iter().map(judge).collect(),
            });
        }
    }
}

/// Where the rows of a host are: by its address, and for servers by name.
struct Places {
    by_addr: HashMap<IpAddr, Vec<usize>>,
    /// Full names and their first labels, in lower case.
    by_name: HashMap<String, Vec<usize>>,
}

impl Places {
    fn of(rows: &[HostRow]) -> Self {
        let mut by_addr: HashMap<IpAddr, Vec<usize>> = HashMap::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, row) in rows.iter().enumerate() {
            by_addr.entry(row.addr.to_canonical()).or_default().push(place);
            let names = row.server_names.iter().filter(|_| row.side == Side::Server);
            let names: BTreeSet<String> = names
                .flat_map(|name| [Some(&**name), name.split('.').next()])
                .flatten()
                .map(str::to_ascii_lowercase)
                .collect();
            for name in names {
                by_name.entry(name).or_default().push(place);
            }
        }
        Self { by_addr, by_name }
    }

    /// By address where the item has one, else by name.
    fn of_item(&self, item: &InventoryItem) -> &[usize] {
        let found = match item.addr {
            Some(addr) => self.by_addr.get(&addr),
            None => self.by_name.get(&item.host.to_ascii_lowercase()),
        };
        found.map_or(&[], Vec::as_slice)
    }
}

fn note(
    row: &mut HostRow,
    item: &InventoryItem,
    side: Side,
    contradictions: &mut Vec<Contradiction>,
) {
    if item.host.parse::<IpAddr>().is_err() {
        let is_first = row.name.as_ref().is_none_or(|known| item.host < *known);
        if is_first {
            row.name = Some(item.host.clone());
        }
    }
    row.inventory.insert(item.finding());
    if row.side != side {
        return;
    }
    let new_enough = match side {
        Side::Client => {
            row.offered_max.filter(|top| (Version::Tls12..=Version::Tls13).contains(top))
        }
        Side::Server if row.negotiated[5] > 0 => Some(Version::Tls13),
        Side::Server if row.negotiated[4] > 0 => Some(Version::Tls12),
        Side::Server => None,
    };
    let is_old = row.outcomes.iter().filter_map(super::HostOutcome::seen).any(|judgement| {
        matches!(judgement.verdict, Verdict::Breaks | Verdict::FailsToday)
            && matches!(
                judgement.cause,
                Some(Cause::ClientTooOld | Cause::ClientCapped | Cause::ServerTooOld)
            )
    });
    let verb = if side == Side::Client { "offers" } else { "selects" };
    let what = match (item.standing.is_too_old(), new_enough) {
        (true, Some(version)) => format!(
            "contradiction: {} {} has no TLSv1.2 by the tables, but the host {verb} {version}: \
             another program, or the inventory is out of date",
            item.product, item.version
        ),
        (false, None) if item.standing == Standing::Meets && is_old => format!(
            "contradiction: {} {} does TLSv1.2 by the tables, but the host does not: a setting, \
             another program, or the inventory is wrong",
            item.product, item.version
        ),
        _ => return,
    };
    row.inventory.insert(what.clone());
    contradictions.push(Contradiction { addr: row.addr, what });
}

/// Where traffic could not decide, a version that is too old does.
fn overrule(row: &mut HostRow, item: &InventoryItem, policies: &[Policy]) {
    for (outcome, policy) in row.outcomes.iter_mut().zip(policies) {
        let is_open = matches!(
            outcome.seen().map_or(Verdict::OutOfScope, |judgement| judgement.verdict),
            Verdict::Unknown | Verdict::Unaffected | Verdict::OutOfScope
        );
        if is_open && applies(policy) {
            // Of several the first by its text, so that the order of the rows is nothing.
            let new = judgement(item, policy, false);
            let is_first =
                outcome.by_inventory.as_ref().is_none_or(|known| new.reason < known.reason);
            if is_first {
                outcome.by_inventory = Some(new);
            }
        }
    }
}

fn judgement(item: &InventoryItem, policy: &Policy, is_silent: bool) -> Judgement {
    let heard =
        if is_silent { "it was silent in this capture" } else { "its traffic does not decide" };
    let fix = match item.known.map(|known| (known.name, known.requirement, known.note)) {
        Some((name, Requirement::Never, "")) => {
            format!("Replace {name}.")
        }
        Some((name, Requirement::Never, note)) => format!("Replace or upgrade {name}: {note}."),
        Some((name, needs, _)) => format!("Update {name} to {needs}."),
        None => String::new(),
    };
    Judgement {
        policy: policy.name.clone(),
        verdict: Verdict::Breaks,
        cause: Some(if item.is_server() { Cause::ServerTooOld } else { Cause::ClientTooOld }),
        rule: "a host whose product has no TLSv1.2 breaks, whether it was heard or not",
        reason: format!("by the inventory, {}; {heard}", item.finding()).into(),
        fix: fix.into(),
    }
}

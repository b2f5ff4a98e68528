//! Several runs, or sensors, become one.
//!
//! A merged [`State`] is the set of the runs that it was made of, each with what it saw: nothing is
//! added up that could not be taken apart again. Merging is the union of such sets, so that it is
//! associative, commutative and idempotent, and it does not matter in which steps runs come
//! together. What belongs together is joined afterwards, over all of them at once, by
//! [`State::connections`].

mod join;

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use dissect::Timestamp;

use crate::endpoints::DEFAULT_HOME;
use crate::judge;
use crate::state::{SavedFlow, State, bytes_of};
use crate::{CaptureCounts, Home, InterfaceCounts, RunInfo};

/// What tells runs apart and orders them: time, then everything else but how they were judged.
type RunKey = (Option<Timestamp>, Vec<u8>);

/// The same run judged otherwise is the same run.
fn key(run: &RunInfo) -> RunKey {
    let unjudged = RunInfo {
        policies: Vec::new(),
        policy_texts: BTreeMap::new(),
        home: Vec::new(),
        ..run.clone()
    };
    (run.first_time, bytes_of(&unjudged))
}

impl State {
    /// One state of several. A run that is in more than one of them counts once.
    #[must_use]
    pub fn merge(states: impl IntoIterator<Item = Self>) -> Self {
        let mut runs: BTreeMap<RunKey, (RunInfo, Vec<SavedFlow>)> = BTreeMap::new();
        for state in states {
            let parts = if state.parts.is_empty() { vec![state.run] } else { state.parts };
            let keys: Vec<RunKey> = parts.iter().map(key).collect();
            for (key, run) in keys.iter().zip(parts) {
                match runs.entry(key.clone()) {
                    Entry::Vacant(entry) => {
                        entry.insert((run, Vec::new()));
                    }
                    Entry::Occupied(mut entry) => unite(&mut entry.get_mut().0, &run),
                }
            }
            for flow in state.flows {
                let run = keys.get(flow.part).and_then(|key| runs.get_mut(key));
                if let Some((_, flows)) = run {
                    flows.push(flow);
                }
            }
        }
        let (mut parts, mut flows) = (Vec::with_capacity(runs.len()), Vec::new());
        for (part, (run, mut of_run)) in runs.into_values().enumerate() {
            of_run.iter_mut().for_each(|flow| flow.part = part);
            of_run.sort_by(compare);
            of_run.dedup();
            flows.append(&mut of_run);
            parts.push(run);
        }
        match parts.len() {
            0 => Self::default(),
            1 => Self { run: parts.remove(0), parts: Vec::new(), flows },
            _ => Self { run: sum(&parts), parts, flows },
        }
    }

    /// The connections, each once, however many of the merged runs saw it.
    ///
    /// `home` tells which of several addresses is the inside one. Of a run of its own these are its
    /// connections as they are.
    #[must_use]
    pub fn connections(self, home: &Home) -> Vec<SavedFlow> {
        let mut flows = match self.parts.len() {
            0 | 1 => self.flows,
            _ => join::join(self.flows, home),
        };
        // No other run knows what it was.
        flows.retain(|flow| !flow.facts.half.as_ref().is_some_and(|half| half.is_silent()));
        flows
    }
}

/// The order of connections in a run: total, so that the order of the input is nothing.
fn compare(one: &SavedFlow, other: &SavedFlow) -> Ordering {
    // Hardly ever are two connections alike up to here.
    let rest = |flow: &SavedFlow| format!("{flow:?}");
    judge::compare(&one.facts, &other.facts).then_with(|| rest(one).cmp(&rest(other)))
}

/// Adds how the same run was judged elsewhere: lists that are equal keep their order.
fn unite(run: &mut RunInfo, same: &RunInfo) {
    if run.policies != same.policies {
        run.policies.extend_from_slice(&same.policies);
        run.policies.sort_unstable();
        run.policies.dedup();
    }
    for (name, text) in &same.policy_texts {
        let known = run.policy_texts.entry(name.clone()).or_insert_with(|| text.clone());
        // Any rule will do that does not look at the order.
        if text < known {
            known.clone_from(text);
        }
    }
    if run.home != same.home {
        run.home = home([&*run.home, &same.home]);
    }
}

/// What runs add up to.
fn sum(parts: &[RunInfo]) -> RunInfo {
    let mut run = RunInfo { merged_runs: parts.len(), ..RunInfo::default() };
    let (mut sensors, mut endpoints) = (BTreeSet::new(), BTreeSet::new());
    let marks = parts.iter().map(|part| part.anonymized.as_str()).collect();
    for part in parts {
        run.version = run.version.max(part.version.clone());
        sensors.insert(part.sensor.as_str());
        endpoints.insert(part.endpoints.as_str());
        run.policies.extend_from_slice(&part.policies);
        for (name, text) in &part.policy_texts {
            // Where two differ, each is still with its part.
            run.policy_texts.entry(name.clone()).or_insert_with(|| text.clone());
        }
        run.inputs.extend_from_slice(&part.inputs);
        run.errors.extend_from_slice(&part.errors);
        run.bytes_read += part.bytes_read;
        run.first_time = earlier(run.first_time, part.first_time);
        run.last_time = run.last_time.max(part.last_time);
        run.counters.absorb(&part.counters);
        run.clock.unordered_frames += part.clock.unordered_frames;
        run.clock.steps_back += part.clock.steps_back;
        run.clock.steps_ahead += part.clock.steps_ahead;
        run.clock.steps.extend_from_slice(&part.clock.steps);
        run.capture = added(run.capture.take(), part.capture.clone());
        if let Some(review) = &part.review {
            run.review.get_or_insert_default().absorb(review);
        }
    }
    run.sensor = joined(sensors);
    run.anonymized = joined(marks);
    run.endpoints = match endpoints.len() {
        1 => endpoints.into_iter().collect(),
        // Runs that were judged by different lists have none in common.
        _ => String::new(),
    };
    run.home = home(parts.iter().map(|part| &*part.home));
    for list in [&mut run.policies, &mut run.inputs, &mut run.errors] {
        list.sort_unstable();
        list.dedup();
    }
    run
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

fn added(one: Option<CaptureCounts>, other: Option<CaptureCounts>) -> Option<CaptureCounts> {
    let [one, other] = match (one, other) {
        (Some(one), Some(other)) => [one, other],
        (one, other) => return one.or(other),
    };
    let mut interfaces: BTreeMap<String, InterfaceCounts> = BTreeMap::new();
    for counts in one.interfaces.into_iter().chain(other.interfaces) {
        let sum = interfaces.entry(counts.name.clone()).or_default();
        sum.received += counts.received;
        sum.kernel_drops += counts.kernel_drops;
        sum.interface_drops += counts.interface_drops;
        sum.outages += counts.outages;
        sum.name = counts.name;
    }
    Some(CaptureCounts {
        received: one.received + other.received,
        kernel_drops: one.kernel_drops + other.kernel_drops,
        interface_drops: one.interface_drops + other.interface_drops,
        interfaces: interfaces.into_values().collect(),
    })
}

/// Inside is what any of the runs calls inside; the default networks are written out where another
/// run has its own.
fn home<'a>(lists: impl IntoIterator<Item = &'a [String], IntoIter: Clone>) -> Vec<String> {
    let lists = lists.into_iter();
    if lists.clone().all(<[String]>::is_empty) {
        return Vec::new();
    }
    let mut home: BTreeSet<String> = BTreeSet::new();
    for list in lists {
        home.extend(list.iter().cloned());
        if list.is_empty() {
            home.extend(DEFAULT_HOME.map(str::to_owned));
        }
    }
    home.into_iter().collect()
}

/// Names of sensors, sorted, each once; those without a name don't show.
fn joined(names: BTreeSet<&str>) -> String {
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    names.join(";")
}

#[cfg(test)]
mod tests;

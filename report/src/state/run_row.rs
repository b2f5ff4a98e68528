//! The run as it is saved.

use std::collections::BTreeMap;

use dissect::{Counters, SkipReason, Timestamp};
use serde::{Deserialize, Serialize};

use crate::review::{Reason, ReviewInfo, SourceKind};
use crate::{CaptureCounts, ClockInfo, ClockStep, InterfaceCounts, RunInfo};

#[derive(Serialize, Deserialize)]
pub(super) struct RunRow {
    version: String,
    sensor: String,
    policies: Vec<String>,
    policy_texts: BTreeMap<String, String>,
    home: Vec<String>,
    inputs: Vec<String>,
    errors: Vec<String>,
    bytes_read: u64,
    first_time: Option<i64>,
    last_time: Option<i64>,
    counters: CountersRow,
    clock: ClockRow,
    /// Received, dropped by the kernel, dropped by the interface.
    capture: Option<(u64, u64, u64)>,
    endpoints: String,
    anonymized: String,
}

#[derive(Serialize, Deserialize)]
struct ClockRow {
    unordered_frames: u64,
    steps_back: u64,
    steps_ahead: u64,
    /// Number of the second frame, and both times.
    steps: Vec<(u64, i64, i64)>,
}

#[derive(Serialize, Deserialize)]
struct CountersRow {
    frames: u64,
    bytes: u64,
    dissected: u64,
    /// By name, so that reasons may come and go between versions of the program.
    skipped: BTreeMap<String, u64>,
    unknown_link_types: BTreeMap<u16, u64>,
    cut_frames: u64,
    fragments: u64,
    reassembled_datagrams: u64,
    data_segments: u64,
    out_of_order_segments: u64,
    duplicate_segments: u64,
    overlap_conflicts: u64,
    gaps: u64,
    evicted_flows: u64,
    evicted_attempts: u64,
    evicted_candidates: u64,
    quic_unopened: u64,
    names: u64,
}

impl RunRow {
    pub(super) fn of(run: &RunInfo) -> Self {
        Self {
            version: run.version.clone(),
            sensor: run.sensor.clone(),
            policies: run.policies.clone(),
            policy_texts: run.policy_texts.clone(),
            home: run.home.clone(),
            inputs: run.inputs.clone(),
            errors: run.errors.clone(),
            bytes_read: run.bytes_read,
            first_time: run.first_time.map(Timestamp::as_nanos),
            last_time: run.last_time.map(Timestamp::as_nanos),
            counters: CountersRow::of(&run.counters),
            clock: ClockRow::of(&run.clock),
            capture: run.capture.as_ref().map(|c| (c.received, c.kernel_drops, c.interface_drops)),
            endpoints: run.endpoints.clone(),
            anonymized: run.anonymized.clone(),
        }
    }

    pub(super) fn into_run(self) -> Result<RunInfo, &'static str> {
        Ok(RunInfo {
            version: self.version,
            sensor: self.sensor,
            policies: self.policies,
            policy_texts: self.policy_texts,
            home: self.home,
            inputs: self.inputs,
            errors: self.errors,
            bytes_read: self.bytes_read,
            first_time: self.first_time.map(Timestamp::from_nanos),
            last_time: self.last_time.map(Timestamp::from_nanos),
            counters: self.counters.into_counters()?,
            clock: self.clock.into_clock(),
            capture: self.capture.map(|(received, kernel_drops, interface_drops)| CaptureCounts {
                received,
                kernel_drops,
                interface_drops,
                interfaces: Vec::new(),
            }),
            endpoints: self.endpoints,
            anonymized: self.anonymized,
            review: None,
            merged_runs: 0,
        })
    }
}

impl ClockRow {
    fn of(clock: &ClockInfo) -> Self {
        let step = |step: &ClockStep| (step.frame, step.from.as_nanos(), step.to.as_nanos());
        Self {
            unordered_frames: clock.unordered_frames,
            steps_back: clock.steps_back,
            steps_ahead: clock.steps_ahead,
            steps: clock.steps.iter().map(step).collect(),
        }
    }

    fn into_clock(self) -> ClockInfo {
        let step = |(frame, from, to)| ClockStep {
            frame,
            from: Timestamp::from_nanos(from),
            to: Timestamp::from_nanos(to),
        };
        ClockInfo {
            unordered_frames: self.unordered_frames,
            steps_back: self.steps_back,
            steps_ahead: self.steps_ahead,
            steps: self.steps.into_iter().map(step).collect(),
        }
    }
}

impl CountersRow {
    fn of(counters: &Counters) -> Self {
        Self {
            frames: counters.frames,
            bytes: counters.bytes,
            dissected: counters.dissected,
            skipped: SkipReason::ALL
                .into_iter()
                .map(|reason| (reason.name().to_owned(), counters.skipped_for(reason)))
                .collect(),
            unknown_link_types: counters.unknown_link_types.clone(),
            cut_frames: counters.cut_frames,
            fragments: counters.fragments,
            reassembled_datagrams: counters.reassembled_datagrams,
            data_segments: counters.data_segments,
            out_of_order_segments: counters.out_of_order_segments,
            duplicate_segments: counters.duplicate_segments,
            overlap_conflicts: counters.overlap_conflicts,
            gaps: counters.gaps,
            evicted_flows: counters.evicted_flows,
            evicted_attempts: counters.evicted_attempts,
            evicted_candidates: counters.evicted_candidates,
            quic_unopened: counters.quic_unopened,
            names: counters.names,
        }
    }

    fn into_counters(self) -> Result<Counters, &'static str> {
        let mut skipped = [0; SkipReason::ALL.len()];
        for (name, count) in self.skipped {
            let index = SkipReason::ALL.iter().position(|reason| reason.name() == name);
            let slot = index.and_then(|index| skipped.get_mut(index));
            *slot.ok_or("frames were skipped for an unknown reason")? = count;
        }
        Ok(Counters {
            frames: self.frames,
            bytes: self.bytes,
            dissected: self.dissected,
            skipped,
            unknown_link_types: self.unknown_link_types,
            cut_frames: self.cut_frames,
            fragments: self.fragments,
            reassembled_datagrams: self.reassembled_datagrams,
            data_segments: self.data_segments,
            out_of_order_segments: self.out_of_order_segments,
            duplicate_segments: self.duplicate_segments,
            overlap_conflicts: self.overlap_conflicts,
            gaps: self.gaps,
            evicted_flows: self.evicted_flows,
            evicted_attempts: self.evicted_attempts,
            evicted_candidates: self.evicted_candidates,
            quic_unopened: self.quic_unopened,
            names: self.names,
        })
    }
}

/// An interface's name, and its counts: received, dropped by the kernel, dropped by the interface,
/// outages.
#[derive(Serialize, Deserialize)]
pub(super) struct InterfaceRow(String, [u64; 4]);

impl InterfaceRow {
    pub(super) fn of(counts: &InterfaceCounts) -> Self {
        let InterfaceCounts { name, received, kernel_drops, interface_drops, outages } = counts;
        Self(name.clone(), [*received, *kernel_drops, *interface_drops, *outages])
    }

    pub(super) fn into_counts(self) -> InterfaceCounts {
        let Self(name, [received, kernel_drops, interface_drops, outages]) = self;
        InterfaceCounts { name, received, kernel_drops, interface_drops, outages }
    }
}

/// What was counted while texts were read; kinds and reasons by name.
#[derive(Serialize, Deserialize)]
pub(super) struct ReviewRow {
    sources: BTreeMap<String, u64>,
    rows_read: u64,
    rows_not_understood: BTreeMap<String, u64>,
    rows_of_others: u64,
    ambiguous_rows: u64,
    grouped_flows: u64,
}

impl ReviewRow {
    pub(super) fn of(info: &ReviewInfo) -> Self {
        let sources = info.sources.iter().map(|(kind, count)| (kind.name().to_owned(), *count));
        let reasons = info.rows_not_understood.iter();
        Self {
            sources: sources.collect(),
            rows_read: info.rows_read,
            rows_not_understood: reasons
                .map(|(it, count)| (it.name().to_owned(), *count))
                .collect(),
            rows_of_others: info.rows_of_others,
            ambiguous_rows: info.ambiguous_rows,
            grouped_flows: info.grouped_flows,
        }
    }

    pub(super) fn into_info(self) -> Result<ReviewInfo, &'static str> {
        let kind = |(name, count): (String, u64)| {
            let mut kinds = SourceKind::ALL.into_iter();
            let kind = kinds.find(|kind| kind.name() == name).ok_or("a text of an unknown kind")?;
            Ok((kind, count))
        };
        let reason = |(name, count): (String, u64)| {
            let mut reasons = Reason::ALL.into_iter();
            let reason = reasons.find(|reason| reason.name() == name);
            Ok((reason.ok_or("rows were not understood for an unknown reason")?, count))
        };
        Ok(ReviewInfo {
            sources: self.sources.into_iter().map(kind).collect::<Result<_, &str>>()?,
            rows_read: self.rows_read,
            rows_not_understood: self
                .rows_not_understood
                .into_iter()
                .map(reason)
                .collect::<Result<_, &str>>()?,
            rows_of_others: self.rows_of_others,
            ambiguous_rows: self.ambiguous_rows,
            grouped_flows: self.grouped_flows,
        })
    }
}

/// A run as bytes: equal for equal runs, and in an order of its own.
pub(crate) fn bytes_of(run: &RunInfo) -> Vec<u8> {
    postcard::to_stdvec(&RunRow::of(run)).expect("a vector takes everything")
}

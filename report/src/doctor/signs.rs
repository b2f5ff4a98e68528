//! What connections show of the capture's faults, counted as they come.

use dissect::{Coverage, Faults, FlowFacts, SideQuality};

use super::hosts::Hosts;
use crate::{ClockInfo, JudgedFlow};

/// What the sides with a fault have in common.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) flows: u64,
    pub(super) clients: u64,
    pub(super) servers: u64,
    pub(super) hosts: Hosts,
}

impl Tally {
    /// Counts a connection, one side or both of which `is_hurt`.
    fn note(&mut self, facts: &FlowFacts, is_hurt: impl Fn(&SideQuality) -> bool) {
        let client = is_hurt(&facts.quality.client);
        let server = is_hurt(&facts.quality.server);
        self.flows += u64::from(client || server);
        self.clients += u64::from(client);
        self.servers += u64::from(server);
        if client {
            self.hosts.add(facts.client.addr);
        }
        if server {
            self.hosts.add(facts.server.addr);
        }
    }
}

/// The signs of faults in all connections.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    pub(super) flows: u64,
    pub(super) unseen: Tally,
    /// Frames of sides whose other side was not captured.
    pub(super) frames_of_lone_sides: u64,
    pub(super) lost: Tally,
    pub(super) cut: u64,
    pub(super) lacking_gap: u64,
    pub(super) lacking_truncated: u64,
    pub(super) lacking_start: u64,
    pub(super) late: Tally,
    pub(super) late_ms_max: u32,
    pub(super) copied: Tally,
    pub(super) copies: u64,
    pub(super) tagged: Tally,
    pub(super) oversized: Tally,
    pub(super) unsummed: Tally,
    /// Frames at which the clock stepped, sorted, each with the place of its step.
    steps: Vec<(u64, usize)>,
    /// Whether a connection goes on across a step, by its place.
    is_crossed: Vec<bool>,
    /// Connections that go on across any step.
    pub(super) crossing: u64,
}

impl Signs {
    /// No connection yet, of a capture with this clock.
    pub(crate) fn new(clock: &ClockInfo) -> Self {
        let mut steps: Vec<_> =
            clock.steps.iter().enumerate().map(|(place, step)| (step.frame, place)).collect();
        steps.sort_unstable();
        Self { is_crossed: vec![false; steps.len()], steps, ..Self::default() }
    }

    /// Notes what a connection shows.
    pub(crate) fn note(&mut self, flow: &JudgedFlow) {
        let facts = &*flow.facts;
        self.flows += 1;
        self.note_steps(facts);
        if !facts.coverage.is_complete() {
            let lacks = |part| u64::from(facts.coverage.contains(part));
            self.lacking_gap += lacks(Coverage::GAP);
            self.lacking_truncated += lacks(Coverage::TRUNCATED);
            self.lacking_start += lacks(Coverage::MIDSTREAM);
        }
        if !is_sound(&facts.quality.client) || !is_sound(&facts.quality.server) {
            self.note_faults(facts);
        }
    }

    fn note_faults(&mut self, facts: &FlowFacts) {
        let [(_, client), (_, server)] = facts.quality.sides();
        let is_any = |fault| client.faults.contains(fault) || server.faults.contains(fault);
        self.frames_of_lone_sides += match () {
            () if client.faults.contains(Faults::UNSEEN) => u64::from(server.frames),
            () if server.faults.contains(Faults::UNSEEN) => u64::from(client.frames),
            () => 0,
        };
        self.cut += u64::from(is_any(Faults::CUT));
        self.late_ms_max = self.late_ms_max.max(client.late_ms).max(server.late_ms);
        self.copies += u64::from(client.copies) + u64::from(server.copies);
        for (tally, fault) in [
            (&mut self.unseen, Faults::UNSEEN),
            (&mut self.lost, Faults::LOST),
            (&mut self.tagged, Faults::TAGGED),
            (&mut self.oversized, Faults::OVERSIZED),
            (&mut self.unsummed, Faults::UNSUMMED),
        ] {
            tally.note(facts, |side| side.faults.contains(fault));
        }
        self.late.note(facts, |side| side.late_ms > 0);
        self.copied.note(facts, |side| side.copies > 0);
    }

    /// Notes the steps of the clock that a connection goes on across.
    fn note_steps(&mut self, facts: &FlowFacts) {
        let from = self.steps.partition_point(|(frame, _)| *frame <= facts.first.frame);
        let to = self.steps.partition_point(|(frame, _)| *frame <= facts.last.frame);
        let crossed = self.steps.get(from..to).unwrap_or_default();
        self.crossing += u64::from(!crossed.is_empty());
        for (_, place) in crossed {
            self.is_crossed[*place] = true;
        }
    }

    /// Whether a connection goes on across the step at a place.
    pub(super) fn is_crossed(&self, step: usize) -> bool {
        self.is_crossed.get(step).is_some_and(|is_crossed| *is_crossed)
    }
}

/// Whether a side shows no fault at all.
fn is_sound(side: &SideQuality) -> bool {
    side.faults == Faults::NONE && side.late_ms == 0 && side.copies == 0
}

//! Giving up connections to stay below the memory ceiling.
//!
//! Least useful first: those that are no TLS or reported already, those that have said nothing yet
//! but bytes behind a hole, decided and ended ones, which lose little by being reported early, and
//! at last those that are still being read. What is reported keeps a bare entry until that is given
//! up too, lest its later packets look like a connection of their own.

use super::connection::State;
use super::table::FlowTable;
use crate::{Counters, Coverage, Observer};

/// Connections that are looked at for one that can be given up without loss, when one that loses
/// little is found among them.
const STEPS_MAX: usize = 64;

/// Connections that are looked at while all of them are still being read; half as many each time
/// that none else was found, down to `STEPS_MAX`, as a flood may be all that there is.
pub(super) const PATIENCE: usize = 1 << 12;

/// The part of the ceiling that is the table's, however much is reserved for others.
const OWN_SHARE: usize = 4;

/// What giving up a connection loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Loss {
    /// Nothing but that its packets are known.
    Name,
    /// What waits behind a hole: the connection has said nothing yet that can be read.
    Wait,
    /// Nothing but what its later packets add, once it is reported.
    Nothing,
    /// What it was yet to say.
    Rest,
}

impl FlowTable {
    /// Gives up connections until the bound is met.
    pub(super) fn shed(&mut self, counters: &mut Counters, seen: &mut impl Observer) {
        while self.used_bytes() > self.bytes_max() && self.evict(counters, seen) {}
    }

    fn bytes_max(&self) -> usize {
        let max = self.limits.memory_max;
        max.saturating_sub(self.reserved_bytes).max(max / OWN_SHARE)
    }

    /// Gives up one connection. `false` when there is none.
    fn evict(&mut self, counters: &mut Counters, seen: &mut impl Observer) -> bool {
        let count = self.flows.len();
        let mut victim: Option<(Loss, usize)> = None;
        for step in 0..count {
            let slot = (self.eviction_hand + step) % count;
            let Some(flow) = self.flows.get(slot) else { break };
            let loss = match &flow.state {
                State::Free => continue,
                State::Plain => Loss::Name,
                State::Settled(_) => Loss::Nothing,
                State::Open(_) if flow.has_ended() => Loss::Nothing,
                State::Open(conversation) if !conversation.has_begun() => Loss::Wait,
                State::Open(_) => Loss::Rest,
            };
            if victim.is_none_or(|(least, _)| loss < least) {
                victim = Some((loss, slot));
            }
            let steps_max = match victim {
                Some((Loss::Rest, _)) => self.eviction_patience,
                _ => STEPS_MAX,
            };
            if loss == Loss::Name || step >= steps_max {
                break;
            }
        }
        let Some((loss, slot)) = victim else { return false };
        self.eviction_patience = match loss {
            Loss::Rest => (self.eviction_patience / 2).max(STEPS_MAX),
            _ => PATIENCE,
        };
        self.eviction_hand = slot + 1;
        // The table never holds more flows than a u32 counts.
        let slot = u32::try_from(slot).unwrap_or(u32::MAX);
        match loss {
            Loss::Name => self.forget(slot),
            Loss::Nothing => self.report(slot, Coverage::COMPLETE, counters, seen),
            Loss::Wait | Loss::Rest => {
                counters.evicted_flows += 1;
                self.report(slot, Coverage::EVICTED, counters, seen);
            }
        }
        true
    }
}

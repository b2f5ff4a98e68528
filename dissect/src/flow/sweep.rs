//! Reporting connections while the capture goes on, for runs that have no end.
//!
//! A *sweep* reports what is over and forgets what is long gone. A *cut* reports in addition what
//! is decided: it ends an interval. A reported connection keeps a bare entry, so that its later
//! packets are known and it is reported once. What is still being read at a cut goes on, unless it
//! has said enough to be lost with the program.

use super::connection::State;
use super::key::Way;
use super::table::FlowTable;
use crate::{Counters, Coverage, Observer, Sweep, Timestamp};

/// Frames of a connection that ended come late by less.
const LINGER_NS: i64 = 10_000_000_000;
/// For how long a reported connection that ended is known: late copies of its packets come within
/// a minute, or never.
const REMEMBER_NS: i64 = 60_000_000_000;
/// A connection that shows no hello and is silent for so long says nothing any more: mail servers
/// give up after five minutes (RFC 5321 §4.5.3.2.7).
const SILENT_NS: i64 = 600_000_000_000;
/// A TCP connection that is silent for a day is none any more: no address translation keeps it.
const FORGET_NS: i64 = 86_400_000_000_000;
/// A handshake that is not over after a minute says nothing new any more.
const UNDECIDED_NS: i64 = 60_000_000_000;

impl FlowTable {
    /// Reports what is over at a time, and with [`Sweep::Cut`] what is decided.
    pub(crate) fn sweep(
        &mut self,
        now: Timestamp,
        kind: Sweep,
        counters: &mut Counters,
        seen: &mut impl Observer,
    ) {
        for slot in 0..self.flows.len() {
            let Some(flow) = self.flows.get(slot) else { break };
            let silent_ns = now.nanos_since(flow.last.time);
            let is_cut = kind == Sweep::Cut;
            let has_ended = flow.has_ended() && silent_ns >= LINGER_NS;
            let is_reported = match &flow.state {
                State::Free => continue,
                State::Plain => {
                    let is_gone = flow.has_ended() && silent_ns >= REMEMBER_NS;
                    if is_gone || silent_ns >= FORGET_NS {
                        self.forget(as_slot(slot));
                    }
                    continue;
                }
                State::Settled(_) => is_cut || has_ended || silent_ns >= FORGET_NS,
                State::Open(conversation) => {
                    let hellos = Way::BOTH.map(|way| conversation.reader(way).facts.hello_at());
                    let is_stuck = hellos
                        .iter()
                        .flatten()
                        .any(|hello| now.nanos_since(hello.time) >= UNDECIDED_NS);
                    has_ended || silent_ns >= SILENT_NS || (is_cut && is_stuck)
                }
            };
            if is_reported {
                self.report(as_slot(slot), Coverage::COMPLETE, counters, seen);
            }
        }
        if kind == Sweep::Cut {
            let over = now.as_nanos().saturating_sub(LINGER_NS);
            self.attempts.report_silent(Some(Timestamp::from_nanos(over)), seen);
            self.refresh();
        }
    }
}

/// The table never holds more flows than a u32 counts.
fn as_slot(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

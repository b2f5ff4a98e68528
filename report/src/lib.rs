//! What handshakes mean: policies, verdicts, hosts and every output format.
//!
//! The crate takes the facts of connections ([`dissect::FlowFacts`]) or foreign CSV, never frames.
#![forbid(unsafe_code)]

mod coverage;
mod hosts;
pub mod iana;
mod judged;
mod output;
pub mod rows;
mod run;
pub mod state;
#[cfg(test)]
mod testkit;

pub use coverage::{Bucket, CoverageLedger};
pub use hosts::{HostOutcome, HostRow, HostTable, HostTally, concerns};
pub use judged::{Cause, Direction, JudgedFlow, Judgement, NameSource, ServiceSource, Verdict};
pub use output::*;
pub use run::{CaptureCounts, RunInfo};

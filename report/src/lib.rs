//! What handshakes mean: policies, verdicts, hosts and every output format.
//!
//! The crate takes the facts of connections ([`dissect::FlowFacts`]) or foreign CSV, never frames.
#![forbid(unsafe_code)]

mod judged;

pub use judged::{Cause, Direction, JudgedFlow, Judgement, NameSource, ServiceSource, Verdict};

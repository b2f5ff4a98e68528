//! What handshakes mean: policies, verdicts, hosts and every output format.
//!
//! The crate takes the facts of connections ([`dissect::FlowFacts`]) or foreign CSV, never frames.
#![forbid(unsafe_code)]

mod endpoints;
mod judge;
mod judged;
mod names;
mod policy;
mod services;

pub use endpoints::{
    AddressClass, AddressMatch, EndpointRow, Endpoints, EndpointsError, Home, PortRange, Prefix,
    PrefixError,
};
pub use judge::{Judge, JudgeConfig, client_of};
pub use judged::{Cause, Direction, JudgedFlow, Judgement, NameSource, ServiceSource, Verdict};
pub use names::NameBook;
pub use policy::{BUILTIN_NAMES, Concerns, Policy, Undecided, Way};
pub use services::Service;

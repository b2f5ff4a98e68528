//! What handshakes mean: policies, verdicts, hosts and every output format.
//!
//! The crate takes the facts of connections ([`dissect::FlowFacts`]) or foreign CSV, never frames.
#![forbid(unsafe_code)]

mod anonymize;
mod base64;
mod connections;
mod coverage;
pub mod diff;
mod digest;
mod doctor;
mod endpoints;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod hosts;
pub mod iana;
mod inventory;
mod judge;
mod judged;
mod merge;
mod names;
mod output;
mod paths;
mod policy;
mod products;
pub mod review;
pub mod rows;
mod run;
mod services;
#[cfg(test)]
mod sources;
mod stack;
pub mod state;
mod store;
#[cfg(test)]
mod testkit;

pub use anonymize::{AnonymizeKey, AnonymizeKeyError, Anonymizer};
pub use connections::Connections;
pub use coverage::{Bucket, CoverageLedger};
pub use doctor::Finding;
pub use endpoints::{
    AddressClass, AddressMatch, EndpointRow, Endpoints, EndpointsError, Home, PortRange, Prefix,
    PrefixError,
};
pub use hosts::{
    Contradiction, HostOutcome, HostRow, HostTable, HostTally, NameSet, SilentHost, concerns,
};
pub use inventory::{Inventory, InventoryError, InventoryItem};
pub use judge::{Judge, JudgeConfig, client_of};
pub use judged::{
    Cause, Direction, JudgedFlow, Judgement, Judgements, NameSource, ServiceSource, Verdict,
};
pub use names::NameBook;
pub use output::*;
pub use paths::{AccessPath, Passage, PathTable, Scenario};
pub use policy::{
    Accepted, BUILTIN_NAMES, Concerns, Deadline, Policy, PolicyError, Scope, Undecided, Way,
};
pub use products::{PRODUCTS, Product, ProductKind, Requirement, Standing};
pub use run::{CaptureCounts, ClockInfo, ClockStep, InterfaceCounts, RunInfo};
pub use services::Service;
pub use stack::{Family, Setting, Stack, UNKNOWN_STACK};
pub use store::{FactsStore, JUDGED_BYTES, SortedFacts, StoredFacts, StoredFlows};

//! What is known of a run beside its connections: inputs, counts, errors.
//!
//! Filled by whoever drives the run, carried into the summary and the saved state. It holds plain
//! values only; nothing here is derived from connections.

use std::collections::BTreeMap;

use dissect::{Counters, Timestamp};

use crate::review::ReviewInfo;

/// A run's circumstances and totals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunInfo {
    /// Version of the program, such as `0.1.0`.
    pub version: String,
    /// The sensor's name; empty by default.
    pub sensor: String,
    /// Names of the policies, in the order they were given.
    pub policies: Vec<String>,
    /// Texts of those of them that are not built in, by name.
    pub policy_texts: BTreeMap<String, String>,
    /// What counts as inside, as CIDR blocks.
    pub home: Vec<String>,
    /// The file of the endpoint list, as it was named; empty for the built-in one.
    pub endpoints: String,
    /// The files, directories or interfaces that were read, as they were named.
    pub inputs: Vec<String>,
    /// What failed, a message each.
    pub errors: Vec<String>,
    /// Bytes read from the inputs, their headers included.
    pub bytes_read: u64,
    /// Time of the first frame of the capture; `None` without frames.
    pub first_time: Option<Timestamp>,
    /// Time of the last frame.
    pub last_time: Option<Timestamp>,
    /// What the dissectors counted; its `frames` are the frames read.
    pub counters: Counters,
    /// What the times of the frames showed.
    pub clock: ClockInfo,
    /// What a live capture reported; `None` for files.
    pub capture: Option<CaptureCounts>,
    /// The mark of the key that gave the pseudonyms; empty where names and addresses are real. Of
    /// runs under several keys the marks, joined by `;`.
    pub anonymized: String,
    /// What was counted while foreign texts were read; `None` for captures.
    pub review: Option<ReviewInfo>,
    /// How many runs were merged into this one; 0 for a run of its own.
    pub merged_runs: usize,
}

/// How the times of the frames went on, in the order of the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClockInfo {
    /// Frames whose time lies before that of the frame before them.
    pub unordered_frames: u64,
    /// How often time went back by more than a second.
    pub steps_back: u64,
    /// How often an hour or more passed between two frames.
    pub steps_ahead: u64,
    /// The first of all these steps, in order.
    pub steps: Vec<ClockStep>,
}

/// Two neighbouring frames whose times are far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockStep {
    /// Number of the second frame.
    pub frame: u64,
    /// Time of the first frame.
    pub from: Timestamp,
    /// Time of the second frame.
    pub to: Timestamp,
}

/// What a live capture reports of itself, in frames.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureCounts {
    /// Delivered to the program; drops are not among them.
    pub received: u64,
    /// Dropped by the kernel because the program was too slow.
    pub kernel_drops: u64,
    /// Dropped by the interface or its driver.
    pub interface_drops: u64,
    /// The same for each interface; they add up to the above.
    pub interfaces: Vec<InterfaceCounts>,
}

impl CaptureCounts {
    /// What several interfaces add up to.
    #[must_use]
    pub fn of(interfaces: Vec<InterfaceCounts>) -> Self {
        let sum = |count: fn(&InterfaceCounts) -> u64| interfaces.iter().map(count).sum();
        Self {
            received: sum(|counts| counts.received),
            kernel_drops: sum(|counts| counts.kernel_drops),
            interface_drops: sum(|counts| counts.interface_drops),
            interfaces,
        }
    }

    /// Frames that were there and not delivered.
    #[must_use]
    pub const fn drops(&self) -> u64 {
        self.kernel_drops + self.interface_drops
    }
}

/// What a live capture reports of one interface, in frames.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceCounts {
    /// The interface's name.
    pub name: String,
    /// Delivered to the program.
    pub received: u64,
    /// Dropped by the kernel because the program was too slow.
    pub kernel_drops: u64,
    /// Dropped by the interface or its driver.
    pub interface_drops: u64,
    /// How often the interface went down or away.
    pub outages: u64,
}

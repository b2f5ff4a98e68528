//! Foreign text: what Wireshark, tshark, Zeek and Suricata wrote of traffic becomes the facts that
//! a capture gives.
//!
//! Everything behind is the same as for captures, since the facts are. What a text leaves out is
//! missing and never guessed: a packet list tells what a server selected and nothing of what was
//! offered. Formats are told by content. Memory grows with the connections and not with the text;
//! a line that can't be read is counted, named, and costs itself alone.

mod columns;
mod delimited;
mod detect;
mod hello;
mod info;
mod json;
mod list;
mod logs;
mod notes;
mod object;
mod packet;
mod read;
mod shared;
mod table;
mod talk;
#[cfg(test)]
mod tests;
mod text;
mod times;
mod values;

use std::collections::HashMap;
use std::io;

use dissect::{Counters, Endpoint, FlowFacts, Timestamp};

#[cfg(any(test, fuzzing))]
pub(crate) use read::survive;

use crate::FactsStore;
pub use info::{Reason, ReviewInfo, SourceKind};
use table::Table;

/// How to export all that a verdict needs.
pub const EXPORT_COMMAND: &str = "tshark -n -r capture.pcap -o tcp.reassemble_out_of_order:TRUE \
     -T ek -J \"frame ip ipv6 tcp udp tls dtls quic http x509ce\" > capture.json";

/// Why a text can't be used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// Something else than an export.
    #[error("{0}")]
    Foreign(&'static str),
    /// Columns that nothing can be told without.
    #[error("the columns have no {missing}; this exports what is needed: {EXPORT_COMMAND}")]
    MissingColumns {
        /// What is missing, in words.
        missing: &'static str,
    },
    /// Reading failed; what was read before is kept.
    #[error("can't read it: {0}")]
    Io(#[from] io::Error),
}

/// What came of one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextReport {
    /// What it was.
    pub kind: SourceKind,
    /// What its owner should know, a sentence each.
    pub notices: Vec<String>,
}

/// Everything that texts told.
#[derive(Debug, Default)]
pub struct Reviewed {
    /// The connections.
    pub flows: Vec<Box<FlowFacts>>,
    /// Rows by fate.
    pub info: ReviewInfo,
    /// Rows of packets as frames.
    pub counters: Counters,
    /// Bytes of text.
    pub bytes_read: u64,
    /// Time of the first row.
    pub first_time: Option<Timestamp>,
    /// Time of the last row.
    pub last_time: Option<Timestamp>,
}

/// Reads texts, one after the other.
///
/// ```
/// let list = b"No.,Time,Source,Destination,Protocol,Length,Info\n\
///     1,0.1,10.0.0.7,52.97.1.1,TLSv1,200,Client Hello\n\
///     2,0.2,52.97.1.1,10.0.0.7,TLSv1,900,\"Server Hello, Certificate, Server Hello Done\"\n";
/// let mut reviewer = report::review::Reviewer::new(64 << 20);
/// reviewer.read(list.as_slice()).expect("a packet list");
/// let reviewed = reviewer.finish();
/// assert_eq!(reviewed.flows[0].negotiated(), Some(dissect::Version::Tls10));
/// assert_eq!(reviewed.flows[0].offered_max(), None);
/// ```
#[derive(Debug)]
pub struct Reviewer {
    table: Table,
    reviewed: Reviewed,
    /// Files that were begun.
    files: u32,
    clock: Clock,
    /// When a hello of QUIC was logged, by client and server.
    quic_hellos: HashMap<(Endpoint, Endpoint), Timestamp>,
}

/// The time of all texts: those that count from a moment of their own stand one after the other.
#[derive(Debug, Default)]
struct Clock {
    base: i64,
    /// The last time that was given, in nanoseconds since the Unix epoch.
    last: i64,
}

impl Reviewer {
    /// A reviewer that follows as many connections at once as fit into so many bytes.
    #[must_use]
    pub fn new(memory_max: u64) -> Self {
        Self {
            table: Table::new(memory_max),
            reviewed: Reviewed::default(),
            files: 0,
            clock: Clock::default(),
            quic_hellos: HashMap::new(),
        }
    }

    /// The reviewer with a store for connections that are over, which takes them also when they are
    /// too many for memory.
    #[must_use]
    pub fn with_store(mut self, store: FactsStore) -> Self {
        self.table.store = Some(store);
        self
    }

    /// The connections, and what was counted.
    #[must_use]
    pub fn finish(self) -> Reviewed {
        self.finish_into().0
    }

    /// What was counted, and the store with the connections; they are in [`Reviewed::flows`] without
    /// one.
    #[must_use]
    pub fn finish_into(mut self) -> (Reviewed, Option<FactsStore>) {
        self.table.flush();
        let mut reviewed = self.reviewed;
        reviewed.flows = self.table.done;
        reviewed.counters.evicted_flows = self.table.evicted;
        reviewed.info.ambiguous_rows = self.table.ambiguous_rows;
        reviewed.info.grouped_flows = self.table.grouped_flows;
        debug_assert!(reviewed.counters.balances(), "{:?}", reviewed.counters);
        (reviewed, self.table.store)
    }
}

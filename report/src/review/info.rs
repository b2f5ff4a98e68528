//! What was counted while texts were read.

use std::collections::BTreeMap;

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SourceKind {
    /// A packet list with the columns Protocol and Info: Wireshark's CSV, or `handshakes.csv`.
    PacketList,
    /// Fields of packets in columns: `tshark -T fields`.
    Fields,
    /// Packets in JSON: `tshark -T json` or `-T ek`.
    Packets,
    /// A log of Suricata, or of Zeek.
    Log,
}

impl SourceKind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 4] = [Self::PacketList, Self::Fields, Self::Packets, Self::Log];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PacketList => "packet-list",
            Self::Fields => "fields",
            Self::Packets => "packets-json",
            Self::Log => "log",
        }
    }
}

/// Why a row could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A name stands where an address should.
    Address,
    /// It is no row, or no JSON.
    Malformed,
    /// Its time is none.
    Time,
    /// A cell holds something else than its column.
    Value,
}

impl Reason {
    /// Every reason, in the order of reports.
    pub const ALL: [Self; 4] = [Self::Address, Self::Malformed, Self::Time, Self::Value];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Address => "name_instead_of_address",
            Self::Malformed => "malformed",
            Self::Time => "unreadable_time",
            Self::Value => "unreadable_value",
        }
    }
}

/// Rows by fate: those read are those understood and those not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReviewInfo {
    /// Texts by what they are.
    pub sources: BTreeMap<SourceKind, u64>,
    /// Rows read, headers and comments left out.
    pub rows_read: u64,
    /// Rows that could not be used.
    pub rows_not_understood: BTreeMap<Reason, u64>,
    /// Rows of a log about other things than TLS.
    pub rows_of_others: u64,
    /// Rows without ports that fit several connections and were given to none.
    pub ambiguous_rows: u64,
    /// Connections that were told apart from others of the same addresses without ports.
    pub grouped_flows: u64,
}

impl ReviewInfo {
    /// Adds another run's counts to these.
    pub fn absorb(&mut self, other: &Self) {
        for (kind, count) in &other.sources {
            *self.sources.entry(*kind).or_default() += count;
        }
        self.rows_read += other.rows_read;
        for (reason, count) in &other.rows_not_understood {
            *self.rows_not_understood.entry(*reason).or_default() += count;
        }
        self.rows_of_others += other.rows_of_others;
        self.ambiguous_rows += other.ambiguous_rows;
        self.grouped_flows += other.grouped_flows;
    }

    /// Rows that could not be used, for any reason.
    #[must_use]
    pub fn not_understood(&self) -> u64 {
        self.rows_not_understood.values().sum()
    }
}

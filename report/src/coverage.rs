//! The ledger of what was seen: each connection of a watched service in exactly one bucket.
//!
//! A connection may lack several things; it lands in the bucket of the first in the order of
//! reports. Invariant: the buckets add up to the connections counted.

use dissect::Coverage;

use crate::JudgedFlow;

/// Where a connection lands in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bucket {
    /// All bytes that decide were seen.
    Complete,
    /// The capture begins after the handshake.
    Midstream,
    /// Nothing that the client sent was captured.
    ClientSideMissing,
    /// Nothing that the server sent was captured.
    ServerSideMissing,
    /// Packets are missing.
    Gap,
    /// The snap length cut.
    Truncated,
    /// Given up to stay below the memory ceiling.
    Evicted,
}

impl Bucket {
    /// Every bucket, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Complete,
        Self::Midstream,
        Self::ClientSideMissing,
        Self::ServerSideMissing,
        Self::Gap,
        Self::Truncated,
        Self::Evicted,
    ];

    /// The one bucket for what a connection lacks: the first missing part.
    #[must_use]
    pub fn of(coverage: Coverage) -> Self {
        let missing = [
            (Coverage::MIDSTREAM, Self::Midstream),
            (Coverage::CLIENT_SIDE_MISSING, Self::ClientSideMissing),
            (Coverage::SERVER_SIDE_MISSING, Self::ServerSideMissing),
            (Coverage::GAP, Self::Gap),
            (Coverage::TRUNCATED, Self::Truncated),
            (Coverage::EVICTED, Self::Evicted),
        ];
        missing
            .into_iter()
            .find(|(part, _)| coverage.contains(*part))
            .map_or(Self::Complete, |(_, bucket)| bucket)
    }

    /// The name in reports, such as `server-side-missing`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Midstream => "midstream",
            Self::ClientSideMissing => "client-side-missing",
            Self::ServerSideMissing => "server-side-missing",
            Self::Gap => "gap",
            Self::Truncated => "truncated",
            Self::Evicted => "evicted",
        }
    }
}

/// Connections counted by bucket: each is in exactly one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CoverageLedger {
    counts: [u64; Bucket::ALL.len()],
}

impl CoverageLedger {
    /// Counts a connection.
    pub(crate) fn count_flow(&mut self, flow: &JudgedFlow) {
        self.counts[Bucket::of(flow.facts.coverage) as usize] += 1;
    }

    /// How many connections are in a bucket.
    #[must_use]
    pub const fn count(&self, bucket: Bucket) -> u64 {
        self.counts[bucket as usize]
    }

    /// All connections counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testkit;

    #[test]
    fn the_first_missing_part_decides() {
        let check = |coverage: Coverage, expect: &str| {
            assert_eq!(Bucket::of(coverage).name(), expect);
        };
        check(Coverage::COMPLETE, "complete");
        check(Coverage::GAP.with(Coverage::SERVER_SIDE_MISSING), "server-side-missing");
        check(Coverage::EVICTED.with(Coverage::TRUNCATED), "truncated");
        check(Coverage::EVICTED, "evicted");
        for (part, bucket) in Coverage::from_bits(0x3f).names().zip(&Bucket::ALL[1..]) {
            assert_eq!(part, bucket.name(), "buckets follow the order of the missing parts");
        }
    }

    proptest! {
        #[test]
        fn buckets_add_up_to_the_connections(
            flows in prop::collection::vec(testkit::any_judged_flow(), 0..40),
        ) {
            let mut ledger = CoverageLedger::default();
            flows.iter().for_each(|flow| ledger.count_flow(flow));
            prop_assert_eq!(ledger.total(), flows.len() as u64);
            let sum: u64 = Bucket::ALL.into_iter().map(|bucket| ledger.count(bucket)).sum();
            prop_assert_eq!(sum, ledger.total());
        }
    }
}

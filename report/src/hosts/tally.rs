//! How many hosts have which fate under one policy: the headline's numbers.
//!
//! A host that is client and server counts once, with the worse of its two fates.

use super::{HostOutcome, HostTable, is_deciding};
use crate::Verdict;

/// Hosts counted by their fate under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTally {
    /// The policy's name.
    pub policy: String,
    /// Hosts listed.
    pub total: u64,
    /// Those that the policy says something of: with a connection in its scope.
    pub judged: u64,
    /// Hosts by worst verdict, in the order of [`Verdict::ALL`]. Their sum is the total.
    by_verdict: [u64; Verdict::ALL.len()],
    /// Hosts that may break unseen: every handshake that would decide is `unknown`.
    pub hidden_max: u64,
    /// Frames that the capture dropped: each may have been all that there was of a host.
    pub dropped_frames: u64,
}

impl HostTally {
    /// One tally for each policy, in the order of `policies`.
    #[must_use]
    pub fn of(table: &HostTable, policies: &[String]) -> Vec<Self> {
        let mut tallies: Vec<Self> = policies.iter().map(|name| Self::empty(name)).collect();
        for rows in table.rows().chunk_by(|one, next| one.addr == next.addr) {
            for (index, tally) in tallies.iter_mut().enumerate() {
                tally.count(rows.iter().filter_map(|row| row.outcomes.get(index)));
            }
        }
        for host in table.silent() {
            for (tally, judgement) in tallies.iter_mut().zip(&host.judgements) {
                if let Some(judgement) = judgement {
                    tally.total += 1;
                    tally.judged += 1;
                    tally.by_verdict[judgement.verdict as usize] += 1;
                }
            }
        }
        tallies
    }

    /// How many hosts have this verdict.
    #[must_use]
    pub const fn hosts(&self, verdict: Verdict) -> u64 {
        self.by_verdict[verdict as usize]
    }

    /// The same tally of a capture that dropped frames.
    #[must_use]
    pub fn with_drops(self, dropped_frames: u64) -> Self {
        Self { dropped_frames, ..self }
    }

    /// Hosts that may break unseen: for want of a handshake, or in a frame that was dropped.
    #[must_use]
    pub const fn unseen_max(&self) -> u64 {
        self.hidden_max.saturating_add(self.dropped_frames)
    }

    fn empty(policy: &str) -> Self {
        Self {
            policy: policy.to_owned(),
            total: 0,
            judged: 0,
            by_verdict: [0; Verdict::ALL.len()],
            hidden_max: 0,
            dropped_frames: 0,
        }
    }

    /// Counts a host by the outcomes of its rows.
    fn count<'a>(&mut self, outcomes: impl Iterator<Item = &'a HostOutcome>) {
        let mut flows = [0; Verdict::ALL.len()];
        let mut is_by_inventory = false;
        for outcome in outcomes {
            is_by_inventory |= outcome.is_by_inventory();
            for verdict in Verdict::ALL {
                flows[verdict as usize] += outcome.count(verdict);
            }
        }
        let seen = |verdict: &Verdict| flows[*verdict as usize] > 0;
        let worst = match Verdict::ALL.into_iter().find(seen) {
            _ if is_by_inventory => Verdict::Breaks,
            worst => worst.unwrap_or(Verdict::OutOfScope),
        };
        let deciding = Verdict::ALL.into_iter().filter(|verdict| is_deciding(*verdict));
        self.total += 1;
        self.judged += u64::from(worst != Verdict::OutOfScope);
        self.by_verdict[worst as usize] += 1;
        let is_hidden = !is_by_inventory && deciding.filter(seen).eq([Verdict::Unknown]);
        self.hidden_max += u64::from(is_hidden);
    }
}

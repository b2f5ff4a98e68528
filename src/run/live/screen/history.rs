//! How much came, from one look at the board to the next.

use std::collections::{BTreeMap, VecDeque};

use dissect::Timestamp;

use super::super::board::Board;

/// Looks that are kept: minutes, and wider than any terminal.
const LOOKS_MAX: usize = 512;

/// Rates over time, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    base: Option<Look>,
    pub(super) rates: VecDeque<Rate>,
}

/// What was counted up to a moment.
#[derive(Debug, Clone, Default)]
struct Look {
    at: Timestamp,
    packets: u64,
    bytes: u64,
    versions: BTreeMap<&'static str, u64>,
}

/// What came in the time up to a look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) packets_per_s: u64,
    pub(super) bits_per_s: u64,
    /// Connections by negotiated version; empty for those without.
    pub(super) versions: BTreeMap<&'static str, u64>,
}

impl History {
    pub(super) fn take(&mut self, board: &Board) {
        self.look(Look {
            at: board.seen_at,
            packets: board.counters.frames,
            bytes: board.counters.bytes,
            versions: versions(board),
        });
    }

    fn look(&mut self, look: Look) {
        let Some(base) = &self.base else {
            self.base = Some(look);
            return;
        };
        let span_ns = u128::try_from(look.at.nanos_since(base.at)).unwrap_or(0);
        if span_ns == 0 && look.at == base.at {
            return;
        }
        // A clock that was set back tells nothing of this stretch.
        if span_ns > 0 {
            let per_second = |count: u64| {
                u64::try_from(u128::from(count) * 1_000_000_000 / span_ns).unwrap_or(u64::MAX)
            };
            let before = |version| base.versions.get(version).copied().unwrap_or(0);
            let versions = look.versions.iter();
            self.rates.push_back(Rate {
                packets_per_s: per_second(look.packets.saturating_sub(base.packets)),
                bits_per_s: per_second(look.bytes.saturating_sub(base.bytes).saturating_mul(8)),
                versions: versions
                    .map(|(version, count)| (*version, count.saturating_sub(before(version))))
                    .collect(),
            });
            if self.rates.len() > LOOKS_MAX {
                self.rates.pop_front();
            }
        }
        self.base = Some(look);
    }
}

/// Connections by negotiated version. Each is judged under every policy and counted under one.
fn versions(board: &Board) -> BTreeMap<&'static str, u64> {
    let mut versions = BTreeMap::new();
    let Some((first, ..)) = board.flows.keys().next() else { return versions };
    for ((_, version, _), count) in board.flows.iter().filter(|((of, ..), _)| of == first) {
        *versions.entry(*version).or_default() += count;
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(at_s: i64, packets: u64, tls10: u64) -> Look {
        Look {
            at: Timestamp::from_nanos(at_s * 1_000_000_000),
            packets,
            bytes: packets * 100,
            versions: [("TLSv1.0", tls10)].into(),
        }
    }

    #[test]
    fn rates_are_of_the_time_between_looks() {
        let mut history = History::default();
        history.look(look(10, 100, 1));
        history.look(look(12, 300, 4));
        // The same look again, and a clock that is set back.
        history.look(look(12, 300, 4));
        history.look(look(5, 400, 5));
        history.look(look(6, 401, 5));
        let rates: Vec<_> = history.rates.iter().collect();
        let rate = |packets_per_s, bits_per_s, tls10| Rate {
            packets_per_s,
            bits_per_s,
            versions: [("TLSv1.0", tls10)].into(),
        };
        assert_eq!(rates, [&rate(100, 80_000, 3), &rate(1, 800, 0)]);
    }

    #[test]
    fn no_more_looks_are_kept_than_named() {
        let mut history = History::default();
        for at in 0..=LOOKS_MAX as i64 {
            history.look(look(at, 0, 0));
        }
        assert_eq!(history.rates.len(), LOOKS_MAX);
        history.look(look(LOOKS_MAX as i64 + 1, 7, 0));
        assert_eq!(history.rates.len(), LOOKS_MAX);
        assert_eq!(history.rates.back().unwrap().packets_per_s, 7);
    }
}

//! The way back into a file behind damage.
//!
//! A record header can be mistaken: packets hold arbitrary bytes, and one that carries a piece of
//! another capture file holds true headers. So not a header decides but a chain of them, each where
//! the one before says, and of all chains the longest counts: a chain inside a packet ends with it.
//! Or nearly: where the carried piece ends with its packet, its chain runs on into the true one.
//! Then what is left of the damaged header tells, or the times of the records do.
//! The work is linear in the bytes looked at, whatever they are.

use crate::format::{Candidate, Format};

/// How many bytes are searched at once.
pub(crate) const WINDOW_LEN: usize = 1 << 20;

/// The records that begin at one offset and follow each other.
#[derive(Debug, Clone, Copy, Default)]
struct Chain {
    /// 0: no record begins here.
    records: u32,
    /// Where the last one ends; beyond the window when that cuts it.
    end: u32,
}

/// Which chains count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Long ones as well, wherever they lead.
    Any,
    /// Those that go on to the end.
    Strong,
}

/// Where the bytes that are searched lie, seen from the damage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) format: &'a Format,
    /// The bytes; no more than [`WINDOW_LEN`] of them are looked at.
    pub(crate) window: &'a [u8],
    /// Whether the file ends with the window. If it does not, only chains that begin in its first
    /// half count: the caller shows the second half again, with what follows it.
    pub(crate) is_last: bool,
    /// The longest frame so far.
    pub(crate) frame_len_max: usize,
    /// How far behind the start of the damaged record the window begins.
    pub(crate) distance: usize,
    /// Lengths of the damaged record that its own header suggests.
    pub(crate) suggested: [Option<usize>; 2],
}

impl Search<'_> {
    /// Where in the window records begin again.
    pub(crate) fn run(mut self) -> Option<usize> {
        self.window = self.window.get(..WINDOW_LEN).unwrap_or(self.window);
        let last_sec = self.format.last_sec();
        let found = self.find(last_sec, Trust::Any);
        // The last time may itself be wrong, or the clock was set meanwhile.
        found.or_else(|| last_sec.and_then(|_| self.find(None, Trust::Strong)))
    }

    /// The same among records near `last_sec`, if it is known, and chains of enough `trust`.
    fn find(&self, last_sec: Option<i64>, trust: Trust) -> Option<usize> {
        let chains = chains(self.format, self.window, last_sec);
        let starts = if self.is_last { self.window.len() } else { self.window.len() / 2 };
        let suggested = self.suggested.into_iter().flatten();
        for start in suggested.filter_map(|len| len.checked_sub(self.distance)) {
            let chain = chains.get(start).copied().unwrap_or_default();
            if start < starts && (chain.records > 1 || self.reaches_end(chain)) {
                return Some(start);
            }
        }
        let weak_span_min = (2 * self.frame_len_max).max(WEAK_SPAN_MIN);
        let (mut strong, mut weak) = (None, None);
        for (start, chain) in chains.iter().enumerate().take(starts) {
            if chain.records == 0 {
                continue;
            }
            let span = (chain.end as usize).min(self.window.len()) - start;
            let records_min = match self.is_last {
                true => CLOSED_RECORDS_MIN,
                false if span >= self.window.len() / 2 => 1,
                false => OPEN_RECORDS_MIN,
            };
            let best = if self.reaches_end(*chain) && chain.records >= records_min {
                &mut strong
            } else if trust == Trust::Any
                && chain.records >= WEAK_RECORDS_MIN
                && span > weak_span_min
            {
                &mut weak
            } else {
                continue;
            };
            if best.is_none_or(|(_, best_span)| span > best_span) {
                *best = Some((start, span));
            }
        }
        let starts = [weak, strong].into_iter().flatten().map(|(start, _)| start);
        starts.min().map(|start| self.without_carried(start))
    }

    /// Whether `chain` goes on to the end of the file, or of what can be seen of it.
    fn reaches_end(&self, chain: Chain) -> bool {
        let end = chain.end as usize;
        let is_at_end = if self.is_last {
            end == self.window.len()
        } else {
            end + RECORD_HEADER_LEN_MAX > self.window.len()
        };
        chain.records > 0 && is_at_end
    }

    /// Steps over the records at the start of a chain that lie in the packet of the damaged record.
    fn without_carried(&self, start: usize) -> usize {
        let packet_end = (self.frame_len_max + RECORD_HEADER_LEN_MAX).saturating_sub(self.distance);
        let is_file = start >= PCAP_HEADER_LEN
            && self.window.get(start - PCAP_HEADER_LEN..).is_some_and(Format::is_pcap);
        let last_sec = self.format.last_sec();
        let distance_in_time = |sec: Option<i64>| Some(sec?.abs_diff(last_sec?));
        let (mut best, mut at) = (start, start);
        while at < packet_end
            && let Some(record) = self.candidate(at)
        {
            let next = at + record.len;
            let Some(follower) = self.candidate(next) else { break };
            let is_nearer = distance_in_time(record.sec)
                .zip(distance_in_time(follower.sec))
                .is_some_and(|(here, there)| there + TIME_STEP_MIN < here);
            if is_nearer || is_file {
                best = next;
            }
            at = next;
        }
        best
    }

    fn candidate(&self, at: usize) -> Option<Candidate> {
        self.window.get(at..).and_then(|bytes| self.format.candidate(bytes))
    }
}

/// The chain that begins at each offset of `window`, found from the last offset to the first.
fn chains(format: &Format, window: &[u8], last_sec: Option<i64>) -> Vec<Chain> {
    let mut chains = vec![Chain::default(); window.len()];
    for start in (0..window.len()).rev() {
        let Some(candidate) = window.get(start..).and_then(|bytes| format.candidate(bytes)) else {
            continue;
        };
        if !is_near(candidate.sec, last_sec) {
            continue;
        }
        let next = start + candidate.len;
        let follower = chains.get(next).copied().filter(|follower| {
            let next_sec = window.get(next..).and_then(|bytes| format.candidate(bytes)?.sec);
            follower.records > 0 && is_near(candidate.sec, next_sec)
        });
        let chain = match follower {
            Some(follower) => Chain { records: follower.records + 1, end: follower.end },
            // A window and a record together are far below 4 GiB.
            None => Chain { records: 1, end: u32::try_from(next).unwrap_or(u32::MAX) },
        };
        if let Some(slot) = chains.get_mut(start) {
            *slot = chain;
        }
    }
    chains
}

/// Whether two times, where both are known, are at most a day apart.
fn is_near(sec: Option<i64>, other: Option<i64>) -> bool {
    match (sec, other) {
        (Some(sec), Some(other)) => sec.abs_diff(other) <= 86_400,
        _ => true,
    }
}

/// Records that end exactly where the file ends. Two are enough: a header that is none would have
/// to hit the end by chance.
const CLOSED_RECORDS_MIN: u32 = 2;

/// Records up to the end of a window that is not the last one.
const OPEN_RECORDS_MIN: u32 = 4;

/// Records that lead nowhere: to another damaged place, or to the end of a packet that carries a
/// piece of a capture file. To be the former they also have to be longer than any packet so far.
const WEAK_RECORDS_MIN: u32 = 8;

/// The least span of such records in bytes: two packets of the usual size on the wire.
const WEAK_SPAN_MIN: usize = 4096;

/// A header that begins this close to the end of the window may be cut by it.
const RECORD_HEADER_LEN_MAX: usize = 28;

/// The file header of a pcap file, which lies before its first record.
const PCAP_HEADER_LEN: usize = 24;

/// Seconds between a record and the last sound one, beyond those of its follower, that show that it
/// belongs to another capture.
const TIME_STEP_MIN: u64 = 60;

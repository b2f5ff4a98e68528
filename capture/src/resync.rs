//! The way back into a file behind damage.
//!
//! A record header can be mistaken: packets hold arbitrary bytes, and one that carries a piece of
//! another capture file holds true headers. So not a header decides but a chain of them, each where
//! the one before says, and of all chains the longest counts: a chain inside a packet ends with it.
//! The work is linear in the bytes looked at, whatever they are.

use crate::format::Format;

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

/// Where in `window` records begin again.
///
/// `is_last` says that the input ends with the window. If it does not, only chains that begin in
/// its first half are considered: the caller shows the second half again, with what follows it.
/// `frame_len_max` is the longest frame seen so far.
pub(crate) fn find(
    format: &Format,
    window: &[u8],
    is_last: bool,
    frame_len_max: usize,
) -> Option<usize> {
    let window = window.get(..WINDOW_LEN).unwrap_or(window);
    let chains = chains(format, window);
    let starts = if is_last { window.len() } else { window.len() / 2 };
    let weak_span_min = (2 * frame_len_max).max(WEAK_SPAN_MIN);
    let (mut strong, mut weak) = (None, None);
    for (start, chain) in chains.iter().enumerate().take(starts).filter(|(_, c)| c.records > 0) {
        let end = chain.end as usize;
        let span = end.min(window.len()) - start;
        let reaches_end = if is_last {
            end == window.len() && chain.records >= CLOSED_RECORDS_MIN
        } else {
            let is_at_end = end + RECORD_HEADER_LEN_MAX > window.len();
            is_at_end && (chain.records >= OPEN_RECORDS_MIN || span >= window.len() / 2)
        };
        let best = if reaches_end {
            &mut strong
        } else if chain.records >= WEAK_RECORDS_MIN && span > weak_span_min {
            &mut weak
        } else {
            continue;
        };
        if best.is_none_or(|(_, best_span)| span > best_span) {
            *best = Some((start, span));
        }
    }
    let starts = [weak, strong].into_iter().flatten().map(|(start, _)| start);
    starts.min()
}

/// The chain that begins at each offset of `window`, found from the last offset to the first.
fn chains(format: &Format, window: &[u8]) -> Vec<Chain> {
    let last_sec = format.last_sec();
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

//! The file formats: bytes in, frame descriptors out.
//!
//! Nothing here reads. A format walks over the bytes it is shown, says how far it came and why it
//! stopped, and the caller fetches what is missing. It never looks inside a packet.

mod bytes;
mod pcap;
mod pcapng;
mod snoop;

pub(crate) use pcap::Pcap;
pub(crate) use pcapng::Pcapng;
pub(crate) use snoop::Snoop;

use crate::FrameDesc;

/// A capture file's format, and what its headers said so far.
#[derive(Debug)]
pub(crate) enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
    Snoop(Snoop),
}

/// What the first bytes of a file are.
#[derive(Debug)]
pub(crate) enum Sniffed {
    /// A capture, whose records begin at `records_at`.
    Capture { format: Format, records_at: usize },
    /// A capture whose file header is `expected` bytes long and cut.
    Cut { expected: usize },
    /// A capture with a file header that can't be right.
    Broken { flaw: Flaw },
    /// Something else.
    Foreign,
}

/// How much of the beginning [`Format::sniff`] wants to see.
pub(crate) const HEADER_LEN_MAX: usize = 28;

/// The largest captured length that is taken for true, and the largest block of a pcapng file.
///
/// Packets end at 64 KiB and snap lengths at 256 KiB, but USB and D-Bus captures have larger ones,
/// and 128 MiB is the most that other readers allow. It bounds what a lying length can make us
/// allocate.
pub(crate) const RECORD_LEN_MAX: u32 = 64 << 20;

/// What one walk is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    /// The region's bytes.
    pub(crate) bytes: &'a [u8],
    /// Where to begin: the start of a record.
    pub(crate) at: usize,
    /// Whether the input ends with these bytes.
    pub(crate) is_last: bool,
    /// At most so many frames.
    pub(crate) frames_max: usize,
}

/// How a walk ended.
#[derive(Debug)]
pub(crate) struct Walked {
    /// The start of the first record that was not walked over.
    pub(crate) at: usize,
    /// Why it stopped there.
    pub(crate) stop: Stop,
}

/// Why a walk stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// There are as many frames as were wanted.
    Full,
    /// `need` bytes from the stop on would show all of what begins there.
    More { need: usize, within: &'static str },
    /// What begins there is damaged.
    Flaw(Flaw),
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) expected: String,
    pub(crate) found: String,
    /// How many bytes further the next record begins, when the damage leaves no doubt of that.
    pub(crate) resume_after: Option<usize>,
}

impl Flaw {
    fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into(), resume_after: None }
    }
}

/// What looks like the start of a record, seen from a place where nothing is certain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    /// Its length in bytes.
    pub(crate) len: usize,
    /// Its time in seconds, if it has one.
    pub(crate) sec: Option<i64>,
}

impl Format {
    /// Tells what `head`, the first bytes of a file, begins.
    pub(crate) fn sniff(head: &[u8]) -> Sniffed {
        let known =
            Pcap::sniff(head).or_else(|| Pcapng::sniff(head)).or_else(|| Snoop::sniff(head));
        known.unwrap_or(Sniffed::Foreign)
    }

    /// Walks over records and appends a descriptor to `out` for each frame.
    ///
    /// `number` is left 0 in each of them.
    pub(crate) fn walk(&mut self, view: View<'_>, out: &mut Vec<FrameDesc>) -> Walked {
        match self {
            Self::Pcap(pcap) => pcap.walk(view, out),
            Self::Pcapng(pcapng) => pcapng.walk(view, out),
            Self::Snoop(snoop) => snoop.walk(view, out),
        }
    }

    /// Whether a pcap file begins with `bytes`.
    pub(crate) fn is_pcap(bytes: &[u8]) -> bool {
        bytes.get(..HEADER_LEN_MAX).and_then(Pcap::sniff).is_some()
    }

    /// The lengths that a damaged record at the start of `bytes` may have by its own account.
    pub(crate) fn suggested_lens(&self, bytes: &[u8]) -> [Option<usize>; 2] {
        match self {
            Self::Pcap(pcap) => pcap.suggested_lens(bytes),
            // A block has its length at both ends: a sound one would have shown.
            Self::Pcapng(_) => [None; 2],
            Self::Snoop(snoop) => snoop.suggested_lens(bytes),
        }
    }

    /// Whether `bytes` look like the start of a record, judged strictly.
    pub(crate) fn candidate(&self, bytes: &[u8]) -> Option<Candidate> {
        match self {
            Self::Pcap(pcap) => pcap.candidate(bytes),
            Self::Pcapng(pcapng) => pcapng.candidate(bytes),
            Self::Snoop(snoop) => snoop.candidate(bytes),
        }
    }

    /// The time of the last frame in seconds; `None` before the first.
    pub(crate) fn last_sec(&self) -> Option<i64> {
        match self {
            Self::Pcap(pcap) => pcap.last_sec(),
            Self::Pcapng(pcapng) => pcapng.last_sec(),
            Self::Snoop(snoop) => snoop.last_sec(),
        }
    }
}

/// The largest captured length that a record found after damage may have: the largest snap length
/// that capture tools set by themselves.
const CANDIDATE_LEN_MAX: u32 = 256 << 10;

const SECONDS_PER_DAY: u32 = 86_400;

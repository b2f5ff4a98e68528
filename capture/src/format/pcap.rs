//! The pcap format: a file header, then records of a fixed header and a packet.
//!
//! ```text
//! magic  major minor  zone  sigfigs  snaplen  network     24 bytes
//! sec    sub  cap_len wire_len  packet                    16 bytes (24 in the modified format)
//! ```
//!
//! A record has no mark and no check value, so a damaged one shows only by values that can't be. The
//! walk looks at the following records before it calls an odd value damage, because odd values also
//! occur in sound files.

use dissect::{LinkType, Timestamp};

use super::bytes::{ByteOrder, word};
use super::{
    CANDIDATE_LEN_MAX, Candidate, Flaw, RECORD_LEN_MAX, SECONDS_PER_DAY, Sniffed, Stop, View,
    Walked,
};
use crate::FrameDesc;

/// A pcap file behind its file header.
#[derive(Debug)]
pub(crate) struct Pcap {
    order: ByteOrder,
    /// Nanoseconds in one unit of the sub-second field.
    sub_unit_ns: u32,
    /// Bytes of a record before its packet.
    header_len: usize,
    lengths: Lengths,
    link: LinkType,
    /// A captured length above this needs a second look.
    usual_len_max: u32,
    last_sec: Option<u32>,
}

/// Which of the two lengths of a record comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    CapturedFirst,
    /// Versions before 2.3, and 543.0.
    OriginalFirst,
    /// Version 2.3: both occur, the smaller one is the captured length.
    Either,
}

/// The fields of a record header.
#[derive(Debug, Clone, Copy)]
struct Record {
    sec: u32,
    sub: u32,
    cap_len: u32,
    wire_len: u32,
}

/// What the records behind an odd one look like.
#[derive(Debug, Clone, Copy)]
enum Followers {
    /// The file ends where the first of them would begin, or within its header.
    NoneAtEnd,
    Sound,
    /// So many bytes would show them.
    Unseen {
        need: usize,
    },
    Unsound,
}

impl Pcap {
    /// Reads the file header; `None` when it is no pcap file.
    pub(super) fn sniff(head: &[u8]) -> Option<Sniffed> {
        let magic = *head.first_chunk::<4>()?;
        let (order, sub_unit_ns, header_len) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (ByteOrder::Big, 1000, 16),
            [0xd4, 0xc3, 0xb2, 0xa1] => (ByteOrder::Little, 1000, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (ByteOrder::Big, 1, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (ByteOrder::Little, 1, 16),
            // Modified by Alexey Kuznetzov: interface, protocol and direction follow the lengths.
            [0xa1, 0xb2, 0xcd, 0x34] => (ByteOrder::Big, 1000, 24),
            [0x34, 0xcd, 0xb2, 0xa1] => (ByteOrder::Little, 1000, 24),
            _ => return None,
        };
        let fields = (
            order.u16(head, 4),
            order.u16(head, 6),
            order.u32(head, 16),
            order.u32(head, FILE_HEADER_LEN - 4),
        );
        let (Some(major), Some(minor), Some(snap_len), Some(network)) = fields else {
            return Some(Sniffed::Cut { expected: FILE_HEADER_LEN });
        };
        let lengths = match (major, minor) {
            (543, 0) | (..2, _) | (2, ..3) => Lengths::OriginalFirst,
            (2, 3) => Lengths::Either,
            _ => Lengths::CapturedFirst,
        };
        let usual_len_max = if snap_len <= RECORD_LEN_MAX {
            snap_len.max(CANDIDATE_LEN_MAX)
        } else {
            CANDIDATE_LEN_MAX
        };
        let link = LinkType((network & LINK_MASK) as u16);
        let format =
            Self { order, sub_unit_ns, header_len, lengths, link, usual_len_max, last_sec: None };
        Some(Sniffed::Capture { format: super::Format::Pcap(format), records_at: FILE_HEADER_LEN })
    }

    pub(super) fn walk(&mut self, view: View<'_>, out: &mut Vec<FrameDesc>) -> Walked {
        match self.order {
            ByteOrder::Big => self.walk_in::<true>(view, out),
            ByteOrder::Little => self.walk_in::<false>(view, out),
        }
    }

    fn walk_in<const BIG: bool>(&mut self, view: View<'_>, out: &mut Vec<FrameDesc>) -> Walked {
        let mut at = view.at;
        let mut last_sec = self.last_sec;
        let stop = loop {
            if out.len() == view.frames_max {
                break Stop::Full;
            }
            let rest = view.bytes.get(at..).unwrap_or_default();
            let Some(header) = rest.first_chunk::<16>() else {
                break Stop::More { need: self.header_len, within: "a packet header" };
            };
            let record = self.record::<BIG>(header);
            let is_odd = record.cap_len.wrapping_sub(1) >= self.usual_len_max
                || record.sub >= self.sub_limit()
                || record.sec.abs_diff(last_sec.unwrap_or(record.sec)) > SECONDS_PER_DAY;
            if is_odd && let Some(stop) = self.judge::<BIG>(rest, view.is_last, record, last_sec) {
                break stop;
            }
            let need = self.header_len + record.cap_len as usize;
            if rest.len() < need {
                break Stop::More { need, within: "a packet" };
            }
            out.push(FrameDesc {
                number: 0,
                time: self.time(record),
                offset: offset_in_region(at + self.header_len),
                cap_len: record.cap_len,
                wire_len: record.wire_len,
                link: self.link,
            });
            at += need;
            last_sec = Some(record.sec);
        };
        self.last_sec = last_sec;
        Walked { at, stop }
    }

    pub(super) fn candidate(&self, bytes: &[u8]) -> Option<Candidate> {
        let record = self.record_of(bytes)?;
        let is_sound = (1..=CANDIDATE_LEN_MAX).contains(&record.cap_len)
            && (record.cap_len..=CANDIDATE_WIRE_LEN_MAX).contains(&record.wire_len)
            && record.sub < self.sub_limit();
        is_sound.then(|| Candidate {
            len: self.header_len + record.cap_len as usize,
            sec: Some(record.sec.into()),
        })
    }

    /// A packet is mostly captured as long as it is.
    pub(super) fn suggested_lens(&self, bytes: &[u8]) -> [Option<usize>; 2] {
        let record = self.record_of(bytes);
        let lens = record.map_or([0; 2], |record| [record.wire_len, record.cap_len]);
        lens.map(|len| {
            (1..=CANDIDATE_LEN_MAX).contains(&len).then_some(self.header_len + len as usize)
        })
    }

    pub(super) fn last_sec(&self) -> Option<i64> {
        self.last_sec.map(i64::from)
    }

    /// Looks again at a record with an unusual value; `None` when it may pass.
    #[cold]
    fn judge<const BIG: bool>(
        &self,
        rest: &[u8],
        is_last: bool,
        record: Record,
        last_sec: Option<u32>,
    ) -> Option<Stop> {
        let Record { sec, sub, cap_len, wire_len } = record;
        let flaw = |found: String| Some(Stop::Flaw(Flaw::new("a packet header", found)));
        if cap_len > RECORD_LEN_MAX {
            return flaw(format!("a captured length of {cap_len} bytes"));
        }
        let is_near = last_sec.is_none_or(|last| last.abs_diff(sec) <= SECONDS_PER_DAY);
        let is_sub_sound = sub < self.sub_limit();
        if cap_len > self.usual_len_max {
            let may_pass = wire_len >= cap_len && is_sub_sound && is_near;
            return if may_pass {
                None
            } else {
                flaw(format!("a captured length of {cap_len} bytes"))
            };
        }
        // A hole in the file reads as an endless row of empty packets of 1970.
        let is_zero = (sec, sub, cap_len, wire_len) == (0, 0, 0, 0);
        if is_near && is_sub_sound && !is_zero {
            return None;
        }
        // A clock that stepped, or a file that was pieced together, goes on with sound records.
        let followers = self.followers(rest, is_last, record);
        match followers {
            Followers::Sound if is_near || !is_zero => None,
            Followers::NoneAtEnd if !is_zero => None,
            Followers::Unseen { need } => Some(Stop::More { need, within: "a packet" }),
            _ if is_zero => flaw("zero bytes".to_owned()),
            _ if is_sub_sound => flaw(format!("a time of {sec} seconds, far from its neighbours")),
            _ => flaw(format!("a sub-second field of {sub}")),
        }
    }

    /// What follows `record`, with which `rest` begins.
    fn followers(&self, rest: &[u8], is_last: bool, record: Record) -> Followers {
        let mut at = self.header_len + record.cap_len as usize;
        for index in 0..FOLLOWERS {
            let next = rest.get(at..).unwrap_or_default();
            let follower = match self.record_of(next) {
                Some(follower) => follower,
                None if !is_last => return Followers::Unseen { need: at + self.header_len },
                None if index == 0 => return Followers::NoneAtEnd,
                None => break,
            };
            let is_sound = follower.cap_len <= self.usual_len_max
                && follower.wire_len <= CANDIDATE_WIRE_LEN_MAX
                && (follower.wire_len >= follower.cap_len || record.wire_len < record.cap_len)
                && (follower.sub < self.sub_limit() || record.sub >= self.sub_limit())
                && next.get(..16).is_some_and(|header| header.iter().any(|byte| *byte != 0));
            if !is_sound {
                return Followers::Unsound;
            }
            at += self.header_len + follower.cap_len as usize;
        }
        Followers::Sound
    }

    /// The record header that `bytes` begin with, if they are long enough to hold one.
    fn record_of(&self, bytes: &[u8]) -> Option<Record> {
        if bytes.len() < self.header_len {
            return None;
        }
        let header = bytes.first_chunk::<16>()?;
        Some(match self.order {
            ByteOrder::Big => self.record::<true>(header),
            ByteOrder::Little => self.record::<false>(header),
        })
    }

    #[inline(always)]
    fn record<const BIG: bool>(&self, header: &[u8; 16]) -> Record {
        let (first, second) = (word::<BIG, 16>(header, 8), word::<BIG, 16>(header, 12));
        let is_swapped = match self.lengths {
            Lengths::CapturedFirst => false,
            Lengths::OriginalFirst => true,
            Lengths::Either => first > second,
        };
        let (cap_len, wire_len) = if is_swapped { (second, first) } else { (first, second) };
        Record {
            sec: word::<BIG, 16>(header, 0),
            sub: word::<BIG, 16>(header, 4),
            cap_len,
            wire_len,
        }
    }

    #[inline(always)]
    fn time(&self, record: Record) -> Timestamp {
        // At most 2^32 * 10^9 + 2^32 * 10^3, below 2^63.
        let sub_ns = i64::from(record.sub) * i64::from(self.sub_unit_ns);
        Timestamp::from_nanos(i64::from(record.sec) * 1_000_000_000 + sub_ns)
    }

    #[inline(always)]
    fn sub_limit(&self) -> u32 {
        if self.sub_unit_ns == 1 { 1_000_000_000 } else { 1_000_000 }
    }
}

/// An index into a region as a descriptor holds it.
#[inline(always)]
pub(super) fn offset_in_region(index: usize) -> u32 {
    debug_assert!(u32::try_from(index).is_ok(), "a region is shorter than 4 GiB");
    #[expect(clippy::cast_possible_truncation, reason = "a region is shorter than 4 GiB")]
    let offset = index as u32;
    offset
}

const FILE_HEADER_LEN: usize = 24;

/// The link type within the network field; FCS length and reserved bits lie above.
const LINK_MASK: u32 = 0xffff;

/// How many records behind an odd one have to be sound. Two random headers pass with a
/// probability of about 2^-50.
const FOLLOWERS: usize = 2;

/// The largest length on the wire that is believed after damage: the largest packet there is,
/// a jumbogram aside, is below it by far.
const CANDIDATE_WIRE_LEN_MAX: u32 = 16 << 20;

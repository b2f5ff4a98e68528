//! The snoop format of RFC 1761: big-endian, records padded and with their own length.

use dissect::{LinkType, Timestamp};

use super::bytes::{ByteOrder, word};
use super::pcap::offset_in_region;
use super::{CANDIDATE_LEN_MAX, Candidate, Flaw, RECORD_LEN_MAX, Sniffed, Stop, View, Walked};
use crate::FrameDesc;

/// A snoop file behind its file header.
#[derive(Debug)]
pub(crate) struct Snoop {
    link: LinkType,
    last_sec: Option<u32>,
}

impl Snoop {
    /// Reads the file header; `None` when it is no snoop file.
    pub(super) fn sniff(head: &[u8]) -> Option<Sniffed> {
        if !head.starts_with(b"snoop\0\0\0") {
            return None;
        }
        let order = ByteOrder::Big;
        let (Some(version), Some(datalink)) = (order.u32(head, 8), order.u32(head, 12)) else {
            return Some(Sniffed::Cut { expected: FILE_HEADER_LEN });
        };
        if version != 2 {
            let flaw = Flaw::new("snoop version 2", format!("version {version}"));
            return Some(Sniffed::Broken { flaw });
        }
        let link = match datalink {
            0 | 4 => LinkType::ETHERNET,
            2 => LinkType(6),
            8 => LinkType(10),
            _ => LINK_UNKNOWN,
        };
        let format = Self { link, last_sec: None };
        Some(Sniffed::Capture { format: super::Format::Snoop(format), records_at: FILE_HEADER_LEN })
    }

    pub(super) fn walk(&mut self, view: View<'_>, out: &mut Vec<FrameDesc>) -> Walked {
        let mut at = view.at;
        let stop = loop {
            if out.len() == view.frames_max {
                break Stop::Full;
            }
            let rest = view.bytes.get(at..).unwrap_or_default();
            let Some(header) = rest.first_chunk::<RECORD_HEADER_LEN>() else {
                break Stop::More { need: RECORD_HEADER_LEN, within: "a packet header" };
            };
            let record = Record::of(header);
            if !record.is_possible() {
                let found = format!(
                    "a record of {} bytes with {} captured bytes",
                    record.record_len, record.cap_len
                );
                break Stop::Flaw(Flaw::new("a packet header", found));
            }
            let need = record.record_len as usize;
            // Some writers leave the padding of the last record out.
            let held =
                if view.is_last { RECORD_HEADER_LEN + record.cap_len as usize } else { need };
            if rest.len() < held {
                break Stop::More { need, within: "a packet" };
            }
            out.push(FrameDesc {
                number: 0,
                time: record.time(),
                offset: offset_in_region(at + RECORD_HEADER_LEN),
                cap_len: record.cap_len,
                wire_len: record.wire_len,
                link: self.link,
            });
            at += need.min(rest.len());
            self.last_sec = Some(record.sec);
        };
        Walked { at, stop }
    }

    pub(super) fn candidate(&self, bytes: &[u8]) -> Option<Candidate> {
        let record = Record::of(bytes.first_chunk::<RECORD_HEADER_LEN>()?);
        let is_sound = record.is_possible()
            && (1..=CANDIDATE_LEN_MAX).contains(&record.cap_len)
            && record.wire_len >= record.cap_len
            && record.micros < 1_000_000;
        let sec = Some(record.sec.into());
        is_sound.then_some(Candidate { len: record.record_len as usize, sec })
    }

    /// Its length, and what its captured length makes of it.
    pub(super) fn suggested_lens(&self, bytes: &[u8]) -> [Option<usize>; 2] {
        let Some(header) = bytes.first_chunk() else { return [None; 2] };
        let record = Record::of(header);
        let is_usual = record.cap_len <= CANDIDATE_LEN_MAX;
        let padded = RECORD_HEADER_LEN + (record.cap_len as usize).next_multiple_of(4);
        [Some(record.record_len as usize), is_usual.then_some(padded)]
    }

    pub(super) fn last_sec(&self) -> Option<i64> {
        self.last_sec.map(i64::from)
    }
}

/// The fields of a record header; the count of dropped packets is left out.
#[derive(Debug, Clone, Copy)]
struct Record {
    wire_len: u32,
    cap_len: u32,
    /// Header and padding included.
    record_len: u32,
    sec: u32,
    micros: u32,
}

impl Record {
    fn of(header: &[u8; RECORD_HEADER_LEN]) -> Self {
        let field = |at| word::<true, RECORD_HEADER_LEN>(header, at);
        Self {
            wire_len: field(0),
            cap_len: field(4),
            record_len: field(8),
            sec: field(16),
            micros: field(20),
        }
    }

    /// Whether the packet fits its record and leaves no more than padding.
    fn is_possible(&self) -> bool {
        let held = u64::from(self.cap_len) + RECORD_HEADER_LEN as u64;
        let record_len = u64::from(self.record_len);
        self.cap_len <= RECORD_LEN_MAX && (held..=held + PADDING_LEN_MAX).contains(&record_len)
    }

    fn time(&self) -> Timestamp {
        let ns = i64::from(self.sec) * 1_000_000_000 + i64::from(self.micros) * 1000;
        Timestamp::from_nanos(ns)
    }
}

const FILE_HEADER_LEN: usize = 16;
const RECORD_HEADER_LEN: usize = 24;

/// Records are padded to four bytes; some writers pad more, none more than this.
const PADDING_LEN_MAX: u64 = 64;

/// Stands for a data link that has no number of its own in other capture files.
const LINK_UNKNOWN: LinkType = LinkType(u16::MAX);

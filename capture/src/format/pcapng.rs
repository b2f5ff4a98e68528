//! The pcapng format: blocks with their length at both ends, grouped into sections.
//!
//! ```text
//! type  length  body, padded to four bytes  length
//! ```
//!
//! A section has its own byte order and its own interfaces, each with a link type, a resolution and
//! an offset of its times. Blocks that hold no packet and describe no interface are stepped over.
//! The section length is not looked at: it is often absent and sometimes wrong.

use dissect::{LinkType, Timestamp};

use super::bytes::{ByteOrder, word};
use super::pcap::offset_in_region;
use super::{Candidate, Flaw, RECORD_LEN_MAX, Sniffed, Stop, View, Walked};
use crate::FrameDesc;

/// A pcapng file.
#[derive(Debug)]
pub(crate) struct Pcapng {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// The last time seen in this section.
    section_time: Option<Timestamp>,
    /// The last time seen in the file.
    last_time: Option<Timestamp>,
    /// Whether this section already had a packet of an interface it does not describe.
    is_stray_reported: bool,
}

/// One interface of a section.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: LinkType,
    /// 0: no limit.
    snap_len: u32,
    resolution: Resolution,
    /// Seconds to add to each time.
    offset_sec: i64,
}

/// How long one tick of a time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    /// So many nanoseconds.
    Nanos(u64),
    /// A nanosecond has so many ticks.
    PerNano(u64),
    /// A second has two to this power of them.
    Binary(u8),
}

/// What to do about the block that a walk came to.
enum Step {
    /// It was dealt with; the next begins so many bytes further.
    Next(usize),
    Stop(Stop),
}

impl Pcapng {
    /// Reads the start of the first section; `None` when it is no pcapng file.
    pub(super) fn sniff(head: &[u8]) -> Option<Sniffed> {
        if !head.starts_with(&SECTION.to_be_bytes()) {
            return None;
        }
        if head.len() < SECTION_LEN_MIN {
            return Some(Sniffed::Cut { expected: SECTION_LEN_MIN });
        }
        let Some(order) = section_order(head) else {
            let found = format!("{:02x?}", head.get(8..12).unwrap_or_default());
            return Some(Sniffed::Broken { flaw: Flaw::new("a byte-order mark", found) });
        };
        let format = Self {
            order,
            interfaces: Vec::new(),
            section_time: None,
            last_time: None,
            is_stray_reported: false,
        };
        Some(Sniffed::Capture { format: super::Format::Pcapng(format), records_at: 0 })
    }

    pub(super) fn walk(&mut self, view: View<'_>, out: &mut Vec<FrameDesc>) -> Walked {
        let mut at = view.at;
        loop {
            let view = View { at, ..view };
            let walked = match self.order {
                ByteOrder::Big => self.walk_in::<true>(view, out),
                ByteOrder::Little => self.walk_in::<false>(view, out),
            };
            match walked {
                Ok(walked) => return walked,
                Err(OrderChanged { at: section_at }) => at = section_at,
            }
        }
    }

    fn walk_in<const BIG: bool>(
        &mut self,
        view: View<'_>,
        out: &mut Vec<FrameDesc>,
    ) -> Result<Walked, OrderChanged> {
        let mut at = view.at;
        loop {
            if out.len() == view.frames_max {
                return Ok(Walked { at, stop: Stop::Full });
            }
            let rest = view.bytes.get(at..).unwrap_or_default();
            let Some(header) = rest.first_chunk::<12>() else {
                return Ok(Walked {
                    at,
                    stop: Stop::More { need: BLOCK_LEN_MIN, within: "a block" },
                });
            };
            let kind = word::<BIG, 12>(header, 0);
            if kind == SECTION && section_order(header).is_some_and(|order| order != self.order) {
                self.order = match self.order {
                    ByteOrder::Big => ByteOrder::Little,
                    ByteOrder::Little => ByteOrder::Big,
                };
                return Err(OrderChanged { at });
            }
            let block = match framed::<BIG>(rest, word::<BIG, 12>(header, 4)) {
                Ok(block) => block,
                Err(stop) => return Ok(Walked { at, stop }),
            };
            let step = if kind == ENHANCED_PACKET {
                self.enhanced_packet::<BIG>(block, at, out)
            } else {
                self.other_block(kind, block, at, out)
            };
            match step {
                Step::Next(len) => at += len,
                Step::Stop(stop) => return Ok(Walked { at, stop }),
            }
        }
    }

    #[inline(always)]
    fn enhanced_packet<const BIG: bool>(
        &mut self,
        block: &[u8],
        at: usize,
        out: &mut Vec<FrameDesc>,
    ) -> Step {
        let Some(header) = block.first_chunk::<ENHANCED_HEADER_LEN>() else {
            return damaged(block, "an enhanced packet block", "one too short for its fields");
        };
        let field = |at| word::<BIG, ENHANCED_HEADER_LEN>(header, at);
        let packet = Packet {
            interface: field(8),
            ticks: u64::from(field(12)) << 32 | u64::from(field(16)),
            cap_len: field(20),
            wire_len: field(24),
        };
        self.packet(packet, ENHANCED_HEADER_LEN, block, at, out)
    }

    #[inline(always)]
    fn packet(
        &mut self,
        packet: Packet,
        header_len: usize,
        block: &[u8],
        at: usize,
        out: &mut Vec<FrameDesc>,
    ) -> Step {
        if (packet.cap_len as usize).saturating_add(header_len + 4) > block.len() {
            let found = format!("{} in a block of {} bytes", packet.cap_len, block.len());
            return damaged(block, "a captured length", found);
        }
        let Some(interface) = self.interfaces.get(packet.interface as usize) else {
            return self.stray(packet.interface, block);
        };
        let time = interface.time(packet.ticks);
        out.push(FrameDesc {
            number: 0,
            time,
            offset: offset_in_region(at + header_len),
            cap_len: packet.cap_len,
            wire_len: packet.wire_len,
            link: interface.link,
        });
        self.section_time = Some(time);
        self.last_time = Some(time);
        Step::Next(block.len())
    }

    /// Any block but an enhanced packet.
    #[cold]
    fn other_block(
        &mut self,
        kind: u32,
        block: &[u8],
        at: usize,
        out: &mut Vec<FrameDesc>,
    ) -> Step {
        match kind {
            SECTION => {
                if block.len() < SECTION_LEN_MIN || section_order(block).is_none() {
                    let found = "one without byte order or version";
                    return damaged(block, "a section header", found);
                }
                self.interfaces.clear();
                self.section_time = None;
                self.is_stray_reported = false;
                Step::Next(block.len())
            }
            INTERFACE => self.interface(block),
            OLD_PACKET => {
                let order = self.order;
                let header = (
                    order.u16(block, 8),
                    order.u32(block, 12),
                    order.u32(block, 16),
                    order.u32(block, 20),
                    order.u32(block, 24),
                );
                let (Some(interface), Some(high), Some(low), Some(cap_len), Some(wire_len)) =
                    header
                else {
                    return damaged(block, "a packet block", "one too short for its fields");
                };
                let ticks = u64::from(high) << 32 | u64::from(low);
                let packet = Packet { interface: interface.into(), ticks, cap_len, wire_len };
                self.packet(packet, ENHANCED_HEADER_LEN, block, at, out)
            }
            SIMPLE_PACKET => self.simple_packet(block, at, out),
            _ => Step::Next(block.len()),
        }
    }

    /// A packet without interface, time and captured length of its own.
    fn simple_packet(&mut self, block: &[u8], at: usize, out: &mut Vec<FrameDesc>) -> Step {
        let Some(wire_len) =
            self.order.u32(block, 8).filter(|_| block.len() >= SIMPLE_HEADER_LEN + 4)
        else {
            return damaged(block, "a simple packet block", "one too short for its fields");
        };
        let Some(interface) = self.interfaces.first() else {
            return self.stray(0, block);
        };
        let held = u32::try_from(block.len() - SIMPLE_HEADER_LEN - 4).unwrap_or(u32::MAX);
        let snap_len = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
        out.push(FrameDesc {
            number: 0,
            time: self.section_time.unwrap_or_default(),
            offset: offset_in_region(at + SIMPLE_HEADER_LEN),
            cap_len: wire_len.min(snap_len).min(held),
            wire_len,
            link: interface.link,
        });
        Step::Next(block.len())
    }

    fn interface(&mut self, block: &[u8]) -> Step {
        let order = self.order;
        if self.interfaces.len() == INTERFACES_MAX {
            return damaged(block, "at most 65536 interfaces", "one more");
        }
        let body = block.get(..block.len() - 4).unwrap_or_default();
        let (Some(link), Some(snap_len)) = (order.u16(body, 8), order.u32(body, 12)) else {
            // Its number is taken all the same: the interfaces behind it keep theirs.
            let resolution = Resolution::MICROS;
            let link = LinkType(u16::MAX);
            self.interfaces.push(Interface { link, snap_len: 0, resolution, offset_sec: 0 });
            return damaged(block, "an interface description", "one too short for its fields");
        };
        let mut interface = Interface {
            link: LinkType(link),
            snap_len,
            resolution: Resolution::MICROS,
            offset_sec: 0,
        };
        let mut options = body.get(16..).unwrap_or_default();
        while let (Some(code), Some(len)) = (order.u16(options, 0), order.u16(options, 2)) {
            let value = options.get(4..).and_then(|rest| rest.get(..len.into()));
            match (code, value) {
                (OPTION_END, _) | (_, None) => break,
                (OPTION_RESOLUTION, Some([exponent, ..])) => {
                    interface.resolution = Resolution::of(*exponent);
                }
                (OPTION_OFFSET, Some(value)) => {
                    let offset = order.u64(value, 0).unwrap_or_default();
                    interface.offset_sec = offset.cast_signed();
                }
                _ => {}
            }
            let padded_len = 4 + usize::from(len).next_multiple_of(4);
            options = options.get(padded_len..).unwrap_or_default();
        }
        self.interfaces.push(interface);
        Step::Next(block.len())
    }

    /// A packet whose interface is not described: its link type and the unit of its time are lost.
    #[cold]
    fn stray(&mut self, interface: u32, block: &[u8]) -> Step {
        if std::mem::replace(&mut self.is_stray_reported, true) {
            return Step::Next(block.len());
        }
        let found = format!(
            "a packet of interface {interface} where {} are described (its like are passed over)",
            self.interfaces.len()
        );
        damaged(block, "a packet of a described interface", found)
    }

    pub(super) fn candidate(&self, bytes: &[u8]) -> Option<Candidate> {
        self.candidate_in(self.order, bytes).or_else(|| match self.order {
            ByteOrder::Big => self.candidate_in(ByteOrder::Little, bytes),
            ByteOrder::Little => self.candidate_in(ByteOrder::Big, bytes),
        })
    }

    fn candidate_in(&self, order: ByteOrder, bytes: &[u8]) -> Option<Candidate> {
        let (kind, len) = (order.u32(bytes, 0)?, order.u32(bytes, 4)?);
        let size = len as usize;
        if size < BLOCK_LEN_MIN || len % 4 != 0 || len > CANDIDATE_BLOCK_LEN_MAX {
            return None;
        }
        // The second length lies beyond the view for a block that ends there.
        if bytes.len() >= size && order.u32(bytes, size - 4) != Some(len) {
            return None;
        }
        let mut sec = None;
        match kind {
            SECTION => {
                if section_order(bytes)? != order || size < SECTION_LEN_MIN {
                    return None;
                }
            }
            ENHANCED_PACKET => {
                let (high, low) = (order.u32(bytes, 12)?, order.u32(bytes, 16)?);
                let (cap_len, wire_len) = (order.u32(bytes, 20)?, order.u32(bytes, 24)?);
                let fits = size >= ENHANCED_HEADER_LEN + 4
                    && cap_len as usize <= size - ENHANCED_HEADER_LEN - 4;
                if !fits || wire_len < cap_len || wire_len > CANDIDATE_BLOCK_LEN_MAX {
                    return None;
                }
                let interface = self.interfaces.get(order.u32(bytes, 8)? as usize)?;
                let time = interface.time(u64::from(high) << 32 | u64::from(low));
                sec = Some(time.as_nanos().div_euclid(1_000_000_000));
            }
            INTERFACE if size >= 20 => {}
            OLD_PACKET if size >= ENHANCED_HEADER_LEN + 4 => {}
            SIMPLE_PACKET if size >= SIMPLE_HEADER_LEN + 4 => {}
            NAMES | STATISTICS | JOURNAL | SECRETS | CUSTOM | CUSTOM_PRIVATE => {}
            _ => return None,
        }
        Some(Candidate { len: size, sec })
    }

    pub(super) fn last_sec(&self) -> Option<i64> {
        self.last_time.map(|time| time.as_nanos().div_euclid(1_000_000_000))
    }
}

/// A section in the other byte order begins at `at`.
struct OrderChanged {
    at: usize,
}

/// What both kinds of packet blocks with a header say.
struct Packet {
    interface: u32,
    ticks: u64,
    cap_len: u32,
    wire_len: u32,
}

impl Interface {
    #[inline(always)]
    fn time(&self, ticks: u64) -> Timestamp {
        let ns = match self.resolution {
            Resolution::Nanos(unit) => ticks.checked_mul(unit),
            Resolution::PerNano(count) => Some(ticks / count),
            Resolution::Binary(exponent) => {
                u64::try_from((u128::from(ticks) * 1_000_000_000) >> exponent).ok()
            }
        };
        let ns = ns.and_then(|ns| i64::try_from(ns).ok()).unwrap_or(i64::MAX);
        Timestamp::from_nanos(ns.saturating_add(self.offset_sec.saturating_mul(1_000_000_000)))
    }
}

impl Resolution {
    const MICROS: Self = Self::Nanos(1000);

    /// Reads `if_tsresol`: the top bit tells powers of two from powers of ten.
    fn of(option: u8) -> Self {
        let exponent = option & 0x7f;
        if option & 0x80 != 0 {
            return Self::Binary(exponent);
        }
        match exponent {
            0..=9 => Self::Nanos(10_u64.pow(9 - u32::from(exponent))),
            // 2^64 ticks of 10^-29 s are less than a nanosecond.
            10..=28 => Self::PerNano(10_u64.pow(u32::from(exponent) - 9)),
            _ => Self::PerNano(u64::MAX),
        }
    }
}

/// The block that `rest` begins with, when its two lengths are sound and it is all there.
#[inline(always)]
fn framed<const BIG: bool>(rest: &[u8], len: u32) -> Result<&[u8], Stop> {
    let size = len as usize;
    if size < BLOCK_LEN_MIN || !len.is_multiple_of(4) || len > BLOCK_LEN_MAX {
        return Err(bad_len(len));
    }
    let Some(block) = rest.get(..size) else {
        return Err(Stop::More { need: size, within: "a block" });
    };
    let trailer = block.last_chunk::<4>().map_or(0, |trailer| word::<BIG, 4>(trailer, 0));
    if trailer != len {
        return Err(bad_trailer(len, trailer));
    }
    Ok(block)
}

#[cold]
fn bad_len(len: u32) -> Stop {
    Stop::Flaw(Flaw::new("a block", format!("a block length of {len} bytes")))
}

#[cold]
fn bad_trailer(len: u32, trailer: u32) -> Stop {
    Stop::Flaw(Flaw::new(
        format!("the length of {len} bytes again at the end of the block"),
        trailer.to_string(),
    ))
}

/// A block that is framed well and says nonsense: the next one is where it should be.
#[cold]
fn damaged(block: &[u8], expected: &str, found: impl Into<String>) -> Step {
    let flaw = Flaw { resume_after: Some(block.len()), ..Flaw::new(expected, found) };
    Step::Stop(Stop::Flaw(flaw))
}

/// The byte order that a section header block declares.
fn section_order(block: &[u8]) -> Option<ByteOrder> {
    match block.get(8..12)? {
        [0x1a, 0x2b, 0x3c, 0x4d] => Some(ByteOrder::Big),
        [0x4d, 0x3c, 0x2b, 0x1a] => Some(ByteOrder::Little),
        _ => None,
    }
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const JOURNAL: u32 = 9;
const SECRETS: u32 = 10;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_PRIVATE: u32 = 0x4000_0bad;

const OPTION_END: u16 = 0;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;

/// Type and both lengths.
const BLOCK_LEN_MIN: usize = 12;
const SECTION_LEN_MIN: usize = 28;
/// Type, length, interface, time, both lengths of the packet.
const ENHANCED_HEADER_LEN: usize = 28;
/// Type, length, length on the wire.
const SIMPLE_HEADER_LEN: usize = 12;

/// A packet of [`RECORD_LEN_MAX`] with its header and options.
const BLOCK_LEN_MAX: u32 = RECORD_LEN_MAX + (1 << 20);

/// The largest block that is believed after damage: a packet of the usual size and its options.
const CANDIDATE_BLOCK_LEN_MAX: u32 = 320 << 10;

/// More interfaces than a host has, and 1.5 MiB of memory.
const INTERFACES_MAX: usize = 1 << 16;

//! IEEE 802.11 data frames, and the headers that capture programs put before them.
//!
//! Only frames in the clear: where the radio decrypts before it captures, the flag that says
//! "protected" stays, so the content is asked first.

use super::Next;
use super::span::Span;
use crate::{LinkType, SkipReason};

/// Bits of the frame control field (IEEE 802.11 §9.2.4.1), as two bytes.
mod control {
    pub(super) const KIND: u8 = 0x0f;
    pub(super) const DATA: u8 = 0x08;
    pub(super) const NO_DATA: u8 = 0x40;
    pub(super) const QUALITY: u8 = 0x80;
    pub(super) const BETWEEN_ACCESS_POINTS: u8 = 0x03;
    pub(super) const MORE_FRAGMENTS: u8 = 0x04;
    pub(super) const PROTECTED: u8 = 0x40;
    pub(super) const HT_CONTROL: u8 = 0x80;
}

/// How LLC with SNAP begins, the only way IP is carried.
const SNAP: [u8; 3] = [0xaa, 0xaa, 0x03];

/// Two addresses and a length in front of each packet of an aggregate.
const SUBFRAME_HEADER_LEN: usize = 14;

/// Length of the initialization vector that stays in front of decrypted payload.
const VECTOR_LEN: usize = 8;

/// Most packets of one frame that are read: an aggregate is no longer than 11 KiB, and packets of
/// TCP take 62 bytes at least.
const SUBFRAMES_MAX: usize = 184;

/// An IEEE 802.11 frame. `padded`: the header was filled up to a multiple of four bytes.
pub(super) fn frame(span: Span<'_>, padded: bool) -> Result<Next<'_>, SkipReason> {
    read_frame(span, padded)?.first()
}

/// The packets of an aggregate (IEEE 802.11 §9.3.2.2), each with two addresses and its length in
/// front as IEEE 802.3 has it. None when the frame holds a single packet, or what is no data.
pub(super) fn subframes(link: LinkType, span: Span<'_>) -> impl Iterator<Item = Span<'_>> {
    let body = match link {
        LinkType::IEEE802_11 => read_frame(span, false),
        LinkType::RADIOTAP => behind_radiotap(span).and_then(|(it, pad)| read_frame(it, pad)),
        LinkType::PRISM | LinkType::AVS => {
            behind_prism(span).and_then(|span| read_frame(span, false))
        }
        _ => Err(SkipReason::NotIp),
    };
    let mut rest = match body {
        Ok(Body::Aggregate(rest)) => Some(rest),
        _ => None,
    };
    std::iter::from_fn(move || {
        let span = rest?;
        let len = SUBFRAME_HEADER_LEN + usize::from(span.u16(SUBFRAME_HEADER_LEN - 2).ok()?);
        rest = span.skip(len.next_multiple_of(4)).ok().filter(|rest| rest.wire_len() > 0);
        Some(span.limit(len.min(span.wire_len())))
    })
    .take(SUBFRAMES_MAX)
}

/// What a data frame holds.
enum Body<'a> {
    /// A packet behind its LLC header.
    Single(Span<'a>),
    /// Subframes.
    Aggregate(Span<'a>),
}

impl<'a> Body<'a> {
    fn first(self) -> Result<Next<'a>, SkipReason> {
        match self {
            Self::Single(span) => Ok(Next::Llc(span)),
            Self::Aggregate(span) => {
                let len = usize::from(span.u16(SUBFRAME_HEADER_LEN - 2)?);
                let rest = span.skip(SUBFRAME_HEADER_LEN)?;
                Ok(Next::Llc(rest.limit(len.min(rest.wire_len()))))
            }
        }
    }
}

fn read_frame(span: Span<'_>, padded: bool) -> Result<Body<'_>, SkipReason> {
    let &[kind, flags] = span.head::<2>()?;
    data_frame([kind, flags], span.u16_le(22).unwrap_or_default(), span, padded)
}

/// A frame behind a CAPWAP header (RFC 5415 §4.3). Some controllers swap the bytes of its 16-bit
/// fields.
pub(super) fn capwap(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    const NATIVE: u8 = 0x01;
    const FRAGMENT_OR_KEEP_ALIVE: u8 = 0x88;
    let &[preamble, len, bits, flags] = span.head::<4>()?;
    if preamble != 0 || flags & FRAGMENT_OR_KEEP_ALIVE != 0 {
        return Err(SkipReason::NotIp);
    }
    let rest = span.skip(usize::from(len >> 3).max(2) * 4)?;
    if bits & NATIVE == 0 {
        return Ok(Next::Ethernet(rest));
    }
    match *rest.head::<2>()? {
        [kind, flags] if kind & control::KIND == control::DATA => {
            data_frame([kind, flags], rest.u16_le(22).unwrap_or_default(), rest, false)?.first()
        }
        [flags, kind] => {
            data_frame([kind, flags], rest.u16(22).unwrap_or_default(), rest, false)?.first()
        }
    }
}

/// A frame whose control and sequence fields were read.
fn data_frame(
    [kind, flags]: [u8; 2],
    sequence: u16,
    span: Span<'_>,
    padded: bool,
) -> Result<Body<'_>, SkipReason> {
    if kind & control::KIND != control::DATA || kind & control::NO_DATA != 0 {
        return Err(SkipReason::NotIp);
    }
    let mut len = 24;
    if flags & control::BETWEEN_ACCESS_POINTS == control::BETWEEN_ACCESS_POINTS {
        len += 6;
    }
    let mut aggregated = false;
    if kind & control::QUALITY != 0 {
        aggregated = span.u8(len)? & 0x80 != 0;
        len += 2;
        if flags & control::HT_CONTROL != 0 {
            len += 4;
        }
    }
    if flags & control::MORE_FRAGMENTS != 0 || sequence & 0x000f != 0 {
        return Err(SkipReason::FragmentDropped);
    }
    let rest = span.skip(if padded { len.next_multiple_of(4) } else { len })?;
    let snap_at = if aggregated { SUBFRAME_HEADER_LEN } else { 0 };
    let is_protected = flags & control::PROTECTED != 0;
    let rest = if is_protected { in_the_clear(rest, snap_at)? } else { rest };
    Ok(if aggregated { Body::Aggregate(rest) } else { Body::Single(rest) })
}

/// Payload that is marked as encrypted and is not.
fn in_the_clear(span: Span<'_>, snap_at: usize) -> Result<Span<'_>, SkipReason> {
    for at in [0, VECTOR_LEN] {
        if let Ok(rest) = span.skip(at)
            && rest.data().get(snap_at..).is_some_and(|bytes| bytes.starts_with(&SNAP))
        {
            return Ok(rest);
        }
    }
    Err(SkipReason::EncryptedLink)
}

/// Most words of presence bits in a radiotap header; one a antenna.
const PRESENCE_WORDS_MAX: usize = 16;

/// A radiotap header (radiotap.org) and its frame.
pub(super) fn radiotap(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    let (span, padded) = behind_radiotap(span)?;
    frame(span, padded)
}

fn behind_radiotap(span: Span<'_>) -> Result<(Span<'_>, bool), SkipReason> {
    let &[version, _, len_low, len_high] = span.head::<4>()?;
    if version != 0 {
        return Err(SkipReason::NotIp);
    }
    let len = usize::from(u16::from_le_bytes([len_low, len_high])).max(8);
    let padded = radiotap_flags(span).is_ok_and(|flags| flags & 0x20 != 0);
    Ok((span.skip(len)?, padded))
}

/// The flags field: behind all presence words and the 64-bit timer, if that is there.
fn radiotap_flags(span: Span<'_>) -> Result<u8, SkipReason> {
    const TIMER: u32 = 0x01;
    const FLAGS: u32 = 0x02;
    const MORE: u32 = 1 << 31;
    let present = span.u32_le(4)?;
    if present & FLAGS == 0 {
        return Ok(0);
    }
    let mut at = 4;
    for _ in 0..PRESENCE_WORDS_MAX {
        let word = span.u32_le(at)?;
        at += 4;
        if word & MORE == 0 {
            let at = if present & TIMER != 0 { at.next_multiple_of(8) + 8 } else { at };
            return span.u8(at);
        }
    }
    Err(SkipReason::NestedTooDeep)
}

/// A Prism header with its length in the capturing host's byte order, or the AVS header that
/// drivers write in its place.
pub(super) fn prism(span: Span<'_>) -> Result<Next<'_>, SkipReason> {
    frame(behind_prism(span)?, false)
}

fn behind_prism(span: Span<'_>) -> Result<Span<'_>, SkipReason> {
    const AVS_MAGIC: u32 = 0x8021_1000;
    let len = if span.u32(0)? & 0xffff_f000 == AVS_MAGIC {
        span.u32(4)?
    } else {
        let len = span.u32_le(4)?;
        len.min(len.swap_bytes())
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    span.skip(len.max(8))
}

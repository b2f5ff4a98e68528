//! QUIC packets and where they lie in a datagram (RFC 9000 §17, RFC 8999).
//!
//! Headers only: what is protected stays so. A datagram may hold several packets (RFC 9000
//! §12.2).

use crate::tls::Cursor;

/// Datagrams with a client's Initial have at least this length, and so have those with an Initial
/// of a server that wants an acknowledgement (RFC 9000 §14.1).
const DATAGRAM_LEN_MIN: usize = 1200;
/// The longest connection identifier of these versions (RFC 9000 §17.2).
const CONNECTION_ID_LEN_MAX: usize = 20;
/// The shortest 1-RTT packet that header protection works on: its sample begins four bytes behind
/// the packet number's start (RFC 9001 §5.4.2).
const ONE_RTT_LEN_MIN: usize = 1 + 4 + 16;
/// The least that a long header can be followed by: number and tag.
const PROTECTED_LEN_MIN: usize = 4 + 16;

/// Header form bit: set in long headers (RFC 8999 §5.1).
const LONG: u8 = 0x80;
/// Fixed bit (RFC 9000 §17.2).
const FIXED: u8 = 0x40;

/// What differs from one version to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Draft 22 of version 1.
    Draft22,
    /// Drafts 23 to 28 of version 1.
    Draft23,
    /// Drafts 29 to 32 of version 1.
    Draft29,
    /// Version 1 (RFC 9000) and its drafts 33 and 34.
    V1,
    /// Version 2 (RFC 9369).
    V2,
}

impl Dialect {
    /// The dialect of a version number; `None` for those that can't be read.
    pub(super) const fn from_wire(version: u32) -> Option<Self> {
        match version {
            // The last of these two are Facebook's names for drafts 22 and 27.
            0xff00_0016 | 0xface_b001 => Some(Self::Draft22),
            0xff00_0017..=0xff00_001c | 0xface_b002 => Some(Self::Draft23),
            0xff00_001d..=0xff00_0020 => Some(Self::Draft29),
            0x0000_0001 | 0xff00_0021 | 0xff00_0022 => Some(Self::V1),
            0x6b33_43cf => Some(Self::V2),
            _ => None,
        }
    }

    /// The packet type by the two bits of a long header (RFC 9000 §17.2, RFC 9369 §3.2).
    const fn kind(self, first: u8) -> LongKind {
        let bits = first >> 4 & 3;
        let bits = match self {
            Self::V2 => bits.wrapping_sub(1) & 3,
            _ => bits,
        };
        match bits {
            0 => LongKind::Initial,
            1 => LongKind::ZeroRtt,
            2 => LongKind::Handshake,
            _ => LongKind::Retry,
        }
    }
}

/// The types of long-header packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LongKind {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// A connection identifier (RFC 9000 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct ConnectionId {
    bytes: [u8; CONNECTION_ID_LEN_MAX],
    len: u8,
}

impl ConnectionId {
    /// The identifier of these bytes; `None` when they are too many.
    pub(super) fn new(id: &[u8]) -> Option<Self> {
        let mut bytes = [0; CONNECTION_ID_LEN_MAX];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { bytes, len: u8::try_from(id.len()).ok()? })
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A packet, as far as its header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Initial(Initial<'a>),
    ZeroRtt,
    Handshake,
    /// The server wants the client to begin again with a token and another identifier.
    Retry,
    /// The server does not speak the client's version.
    VersionNegotiation,
    OneRtt,
}

/// An Initial packet (RFC 9000 §17.2.2).
///
/// ```text
/// bytes: first byte | version | identifiers | token | length | number and payload, protected
///                                                             ^ number_at
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Initial<'a> {
    pub(super) dialect: Dialect,
    pub(super) destination: ConnectionId,
    /// A token is the client's alone to send.
    pub(super) has_token: bool,
    /// The packet from its first byte to its last captured one.
    pub(super) bytes: &'a [u8],
    /// Where in `bytes` the packet number begins.
    pub(super) number_at: usize,
    /// Bytes of the packet behind those that the snap length cut off.
    pub(super) cut: usize,
}

/// The packets of a datagram, until something that is none.
#[derive(Debug)]
pub(super) struct Packets<'a> {
    rest: &'a [u8],
    /// Bytes behind `rest` that the snap length cut off.
    cut: usize,
    /// Whether `rest` is the whole datagram.
    is_whole: bool,
}

impl<'a> Packets<'a> {
    pub(super) const fn new(datagram: &'a [u8], cut: usize) -> Self {
        Self { rest: datagram, cut, is_whole: true }
    }

    /// Reads a long header.
    fn long(&mut self) -> Option<Packet<'a>> {
        let datagram = self.rest;
        let mut cursor = Cursor(datagram);
        let first = cursor.u8()?;
        let version = u32::from(cursor.u16()?) << 16 | u32::from(cursor.u16()?);
        let destination = ConnectionId::new(cursor.vec8()?.0);
        let source = ConnectionId::new(cursor.vec8()?.0);
        if version == 0 {
            self.rest = &[];
            return Some(Packet::VersionNegotiation);
        }
        let dialect = Dialect::from_wire(version)?;
        let (destination, _) = (destination?, source?);
        let kind = dialect.kind(first);
        if kind == LongKind::Retry {
            self.rest = &[];
            return Some(Packet::Retry);
        }
        let mut has_token = false;
        if kind == LongKind::Initial {
            let token_len = usize::try_from(varint(&mut cursor)?).ok()?;
            has_token = token_len > 0;
            cursor.take(token_len)?;
        }
        let len = usize::try_from(varint(&mut cursor)?).ok()?;
        let cut = len.saturating_sub(cursor.0.len());
        if len < PROTECTED_LEN_MIN || cut > self.cut {
            return None;
        }
        let number_at = datagram.len() - cursor.0.len();
        cursor.take(len - cut)?;
        self.rest = cursor.0;
        Some(match kind {
            LongKind::Initial => Packet::Initial(Initial {
                dialect,
                destination,
                has_token,
                bytes: datagram.get(..datagram.len() - cursor.0.len())?,
                number_at,
                cut,
            }),
            LongKind::ZeroRtt => Packet::ZeroRtt,
            _ => Packet::Handshake,
        })
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let &first = self.rest.first()?;
        let is_whole = std::mem::replace(&mut self.is_whole, false);
        if first & LONG != 0 {
            let packet = self.long();
            if packet.is_none() {
                self.rest = &[];
            }
            return packet;
        }
        // A short header has no length: the packet is the rest of the datagram. Behind another
        // packet, what lacks the fixed bit is padding.
        let is_packet =
            (first & FIXED != 0 || is_whole) && self.rest.len() + self.cut >= ONE_RTT_LEN_MIN;
        self.rest = &[];
        is_packet.then_some(Packet::OneRtt)
    }
}

/// Whether a datagram begins with an Initial, and is long enough for a first one.
///
/// The fixed bit tells QUIC from other protocols. Either end may drop it, but not before it has
/// heard of the other (RFC 9287 §3).
pub(in super::super) fn begins_initial(datagram: &[u8], cut: usize) -> bool {
    datagram.len() + cut >= DATAGRAM_LEN_MIN
        && datagram.first().is_some_and(|first| first & FIXED != 0)
        && matches!(Packets::new(datagram, cut).next(), Some(Packet::Initial(_)))
}

/// Whether a long header is of a version that is read, or of Version Negotiation.
pub(in super::super) fn is_supported(version: u32) -> bool {
    version == 0 || Dialect::from_wire(version).is_some()
}

/// A variable-length integer (RFC 9000 §16).
pub(super) fn varint(cursor: &mut Cursor<'_>) -> Option<u64> {
    let first = cursor.u8()?;
    let tail = cursor.take((1 << (first >> 6)) - 1)?;
    Some(tail.iter().fold(u64::from(first & 0x3f), |value, &byte| value << 8 | u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_have_four_lengths() {
        let check = |bytes: &[u8], expect| assert_eq!(varint(&mut Cursor(bytes)), expect);
        // The examples of RFC 9000 appendix A.1.
        check(&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], Some(151_288_809_941_952_652));
        check(&[0x9d, 0x7f, 0x3e, 0x7d], Some(494_878_333));
        check(&[0x7b, 0xbd], Some(15_293));
        check(&[0x25], Some(37));
        check(&[0x40, 0x25], Some(37));
        check(&[0x40], None);
        check(&[], None);
    }

    /// A long header of version 1 with `rest` behind the identifiers.
    fn long(first: u8, rest: &[u8]) -> Vec<u8> {
        [&[first, 0, 0, 0, 1, 2, 7, 7, 1, 9][..], rest].concat()
    }

    #[test]
    fn packets_share_a_datagram() {
        let initial = long(0xc0, &[&[1, 5, 20][..], &[0; 20]].concat());
        let handshake = long(0xe0, &[&[20][..], &[0; 20]].concat());
        let datagram = [&initial[..], &handshake, &[0x40; 21]].concat();
        let packets: Vec<_> = Packets::new(&datagram, 0).collect();
        let [Packet::Initial(first), Packet::Handshake, Packet::OneRtt] = packets[..] else {
            panic!("{packets:?}")
        };
        assert_eq!((first.bytes, first.number_at), (&initial[..], initial.len() - 20));
        assert!(first.has_token && first.cut == 0);
        assert_eq!(first.destination.as_slice(), [7, 7]);
    }

    #[test]
    fn lying_lengths_end_the_packets() {
        let check = |rest: &[u8]| {
            assert_eq!(Packets::new(&long(0xc0, rest), 0).next(), None, "{rest:?}");
        };
        check(&[0, 21, 0, 0, 0]);
        check(&[0, 19]);
        check(&[200, 20, 0]);
        check(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        check(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn identifiers_beyond_the_bound_are_refused() {
        for (len, expect) in [(20, true), (21, false)] {
            let id = vec![7; usize::from(len)];
            let datagram = [&[0xc0, 0, 0, 0, 1, len][..], &id, &[0, 0, 20], &[0; 20]].concat();
            assert_eq!(Packets::new(&datagram, 0).next().is_some(), expect);
        }
    }

    #[test]
    fn version_2_turns_the_types_around() {
        let kinds = [0x00, 0x10, 0x20, 0x30].map(|bits| Dialect::V2.kind(0xc0 | bits));
        use LongKind::{Handshake, Initial, Retry, ZeroRtt};
        assert_eq!(kinds, [Retry, Initial, ZeroRtt, Handshake]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(datagram: Vec<u8>, cut in 0usize..2000) {
            let _ = Packets::new(&datagram, cut).count();
            let _ = Packets::new(&long(0xc0, &datagram), cut).count();
        }
    }
}

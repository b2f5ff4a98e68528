//! DTLS records and handshake fragments, and how a datagram is recognised by them.
//!
//! ```text
//! record    type | version (2) | epoch (2) | sequence (6) | length (2)             RFC 6347 §4.1
//! fragment  type | length (3) | message_seq (2) | offset (3) | length (3)        RFC 6347 §4.2.2
//! sealed    001CSLEE | connection id | sequence (1 or 2) | length (0 or 2)           RFC 9147 §4
//! ```

use crate::tls::{Cursor, message};

/// Length of a record's header.
const HEADER_LEN: usize = 13;
/// Records of one datagram that are looked at: a server's flight puts five into one.
const RECORDS_MAX: usize = 32;
/// The longest record: 2^14 bytes and what protection adds (RFC 6347 §4.1).
const RECORD_LEN_MAX: usize = (1 << 14) + 2048;
/// The longest message that is put together. Certificate chains take 3 to 8 KiB.
pub(super) const MESSAGE_LEN_MAX: usize = 64 << 10;

/// Content types (RFC 6347 §4.1, RFC 9146 §3).
pub(super) mod content {
    pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in super::super) const ALERT: u8 = 21;
    pub(in super::super) const HANDSHAKE: u8 = 22;
    pub(in super::super) const APPLICATION_DATA: u8 = 23;
    /// With a connection identifier, whose length only the two ends know.
    pub(in super::super) const WITH_CONNECTION_ID: u8 = 25;
}

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// In the clear.
    Plain {
        kind: u8,
        version: u16,
        /// As much as was captured.
        body: &'a [u8],
        /// Whether the snap length cut the body.
        is_cut: bool,
    },
    /// Protected up to version 1.2.
    Sealed {
        /// The content type.
        kind: u8,
    },
    /// Protected by version 1.3.
    Sealed13 {
        /// Length of what is encrypted, tag included.
        len: usize,
    },
}

/// The records of a datagram, until something that is none.
#[derive(Debug)]
pub(super) struct Records<'a> {
    rest: &'a [u8],
    /// Bytes behind `rest` that the snap length cut off.
    cut: usize,
    left: usize,
    /// Whether what followed the last record was none, and no missing end of the datagram either.
    is_broken: bool,
}

impl<'a> Records<'a> {
    pub(super) const fn new(datagram: &'a [u8], cut: usize) -> Self {
        Self { rest: datagram, cut, left: RECORDS_MAX, is_broken: false }
    }

    fn plain(&mut self) -> Option<Record<'a>> {
        let (header, rest) = self.rest.split_first_chunk::<HEADER_LEN>()?;
        let &[kind, v0, v1, e0, e1, _, _, _, _, _, _, l0, l1] = header;
        let version = u16::from_be_bytes([v0, v1]);
        if !is_version(version) {
            return None;
        }
        if kind == content::WITH_CONNECTION_ID {
            self.rest = &[];
            return Some(Record::Sealed { kind });
        }
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if len > RECORD_LEN_MAX || len > rest.len() + self.cut {
            return None;
        }
        let (body, rest) = rest.split_at(len.min(rest.len()));
        self.rest = rest;
        if [e0, e1] != [0, 0] {
            return Some(Record::Sealed { kind });
        }
        Some(Record::Plain { kind, version, body, is_cut: body.len() < len })
    }

    /// A record with the unified header of version 1.3 (RFC 9147 §4).
    fn sealed13(&mut self, first: u8) -> Option<Record<'a>> {
        const HAS_CONNECTION_ID: u8 = 0x10;
        const HAS_LONG_SEQUENCE: u8 = 0x08;
        const HAS_LEN: u8 = 0x04;
        let mut cursor = Cursor(self.rest.get(1..)?);
        cursor.take(if first & HAS_LONG_SEQUENCE != 0 { 2 } else { 1 })?;
        let is_rest = first & HAS_CONNECTION_ID != 0 || first & HAS_LEN == 0;
        let len = if is_rest { cursor.0.len() + self.cut } else { usize::from(cursor.u16()?) };
        if len > cursor.0.len() + self.cut {
            return None;
        }
        cursor.take(len.min(cursor.0.len()))?;
        self.rest = cursor.0;
        Some(Record::Sealed13 { len })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let &first = self.rest.first()?;
        self.left = self.left.checked_sub(1)?;
        let record = match first {
            content::CHANGE_CIPHER_SPEC..=content::WITH_CONNECTION_ID => self.plain(),
            0x20..=0x3f => self.sealed13(first),
            _ => None,
        };
        if record.is_none() {
            self.is_broken = self.rest.len() >= HEADER_LEN || self.cut == 0;
            self.rest = &[];
        }
        record
    }
}

/// A piece of a handshake message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    /// Length of the whole message.
    pub(super) message_len: usize,
    pub(super) message_seq: u16,
    pub(super) offset: usize,
    pub(super) bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the next fragment of a record; `None` at its end, or when it is none. Of a record
    /// whose end is cut off, the last fragment is what there is of it.
    pub(super) fn read(cursor: &mut Cursor<'a>, is_cut: bool) -> Option<Self> {
        let kind = cursor.u8()?;
        let message_len = cursor.u24()?;
        let message_seq = cursor.u16()?;
        let (offset, len) = (cursor.u24()?, cursor.u24()?);
        if !message::is_known(kind) || message_len > MESSAGE_LEN_MAX || offset + len > message_len {
            return None;
        }
        let bytes = cursor.take(if is_cut { len.min(cursor.0.len()) } else { len })?;
        Some(Self { kind, message_len, message_seq, offset, bytes })
    }
}

/// Whether a datagram is one of a DTLS handshake beyond doubt: it begins with a handshake record
/// in the clear whose fragments fill it, and nothing but records follows to its last byte.
pub(in super::super) fn opens(datagram: &[u8], cut: usize) -> bool {
    let mut records = Records::new(datagram, cut);
    let Some(Record::Plain { kind: content::HANDSHAKE, body, is_cut, .. }) = records.next() else {
        return false;
    };
    let mut cursor = Cursor(body);
    let mut has_fragment = false;
    while !cursor.is_empty() {
        if Fragment::read(&mut cursor, is_cut).is_none() {
            return has_fragment && is_cut;
        }
        has_fragment = true;
    }
    records.by_ref().for_each(drop);
    has_fragment && !records.is_broken
}

/// The numbers of the first record, epoch and sequence, in a datagram of protected application
/// data up to version 1.2 beyond doubt: records fill it to its last byte.
pub(in super::super) fn sealed_data(datagram: &[u8], cut: usize) -> Option<u64> {
    let (&[kind, _, _, numbers @ .., _, _], _) = datagram.split_first_chunk::<HEADER_LEN>()?;
    let mut records = Records::new(datagram, cut);
    let is_data = kind == content::APPLICATION_DATA
        && records.all(|record| matches!(record, Record::Sealed { .. }))
        && !records.is_broken;
    let numbers = u64::from_be_bytes(numbers);
    is_data.then_some(numbers).filter(|numbers| numbers >> 48 != 0)
}

/// Whether this may be the version of a record: 1.0 (which the first record of others has too),
/// and 1.2, which 1.3 goes by.
const fn is_version(version: u16) -> bool {
    matches!(version, 0xfeff | 0xfefd)
}

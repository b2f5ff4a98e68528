//! The record layer (RFC 8446 §5.1): headers and fragments, streaming, without a copy.

/// Content types of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
}

/// A record header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: ContentType,
    pub(crate) version: u16,
    /// Length of the fragment in bytes.
    pub(crate) len: u16,
}

/// Length of a record header.
const HEADER_LEN: usize = 5;

/// The largest fragment: 2^14 bytes and 2048 for the cipher (RFC 5246 §6.2.3).
const FRAGMENT_BYTES_MAX: u16 = (1 << 14) + 2048;

/// Reads a record header where nothing but the bytes speaks for one; `None` when they can't be one,
/// or are one that nobody should send: an empty record (RFC 5246 §6.2.1) or a version to come.
pub(crate) fn record_header(bytes: [u8; HEADER_LEN]) -> Option<RecordHeader> {
    header_in_place(bytes).filter(|header| {
        let is_empty_allowed = header.kind == ContentType::ApplicationData;
        header.version <= 0x0304 && (header.len > 0 || is_empty_allowed)
    })
}

/// Reads a record header where one must be. Servers accept a hello under any version 3.x (RFC 5246
/// appendix E.1), and OpenSSL and NSS pass over empty records.
pub(crate) fn header_in_place(bytes: [u8; HEADER_LEN]) -> Option<RecordHeader> {
    let [kind, major, minor, high, low] = bytes;
    let len = u16::from_be_bytes([high, low]);
    let kind = match kind {
        20 if len <= 64 => ContentType::ChangeCipherSpec,
        21 => ContentType::Alert,
        22 => ContentType::Handshake,
        23 => ContentType::ApplicationData,
        24 => ContentType::Heartbeat,
        _ => return None,
    };
    let is_version = major == 3 && (minor <= 4 || kind == ContentType::Handshake);
    (is_version && len <= FRAGMENT_BYTES_MAX).then(|| RecordHeader {
        kind,
        version: u16::from_be_bytes([major, minor]),
        len,
    })
}

/// Length of the whole records at the beginning that say nothing before a hello: empty ones, and
/// ChangeCipherSpec, which GnuTLS passes over there as RFC 8446 §5 asks of TLS 1.3 behind a hello.
pub(crate) fn idle_records(bytes: &[u8]) -> usize {
    const CHANGE_CIPHER_SPEC_LEN: usize = HEADER_LEN + 1;
    let mut at = 0;
    while let Some((head, rest)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk) {
        at += match (header_in_place(*head), rest.first()) {
            (Some(RecordHeader { len: 0, .. }), _) => HEADER_LEN,
            (Some(RecordHeader { kind: ContentType::ChangeCipherSpec, len: 1, .. }), Some(1)) => {
                CHANGE_CIPHER_SPEC_LEN
            }
            _ => break,
        };
    }
    at
}

/// How well the bytes read as records from the first one on: the count of headers, and whether the
/// last record ends with the bytes. `None` as soon as something is no header.
pub(crate) fn header_chain(mut bytes: &[u8]) -> Option<(usize, bool)> {
    let mut headers = 0;
    while let Some(head) = bytes.first_chunk::<HEADER_LEN>() {
        let header = record_header(*head)?;
        headers += 1;
        let end = HEADER_LEN + usize::from(header.len);
        match bytes.split_at_checked(end) {
            Some((_, [])) => return Some((headers, true)),
            Some((_, rest)) => bytes = rest,
            None => return Some((headers, false)),
        }
    }
    Some((headers, false))
}

/// Splits a stream into records.
#[derive(Debug, Default)]
pub(crate) struct RecordReader {
    head: [u8; HEADER_LEN],
    head_len: u8,
    current: Option<RecordHeader>,
    /// Bytes of the current fragment that have not arrived.
    remaining: u16,
}

/// What the next bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RecordEvent<'a> {
    /// A record begins.
    Begin(RecordHeader),
    /// The next part of the current record's fragment.
    Fragment { header: RecordHeader, bytes: &'a [u8], is_last: bool },
    /// No record begins where one must.
    NotARecord,
}

impl RecordReader {
    /// Takes bytes off the front of `bytes` up to the next event; `None` when they are used up.
    pub(crate) fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<RecordEvent<'a>> {
        if let Some(header) = self.current
            && (self.remaining > 0 || header.len == 0)
        {
            let len = bytes.len().min(usize::from(self.remaining));
            if len == 0 && header.len > 0 {
                return None;
            }
            let (fragment, rest) = bytes.split_at(len);
            *bytes = rest;
            // `len` is at most `remaining`.
            self.remaining -= u16::try_from(len).unwrap_or(self.remaining);
            let is_last = self.remaining == 0;
            if is_last {
                self.current = None;
            }
            return Some(RecordEvent::Fragment { header, bytes: fragment, is_last });
        }
        let head = match bytes.split_first_chunk() {
            Some((head, rest)) if self.head_len == 0 => {
                *bytes = rest;
                *head
            }
            _ => self.collect_head(bytes)?,
        };
        let Some(header) = header_in_place(head) else { return Some(RecordEvent::NotARecord) };
        self.current = Some(header);
        self.remaining = header.len;
        Some(RecordEvent::Begin(header))
    }

    /// Takes a header that is cut into segments; `None` until its last byte is there.
    #[cold]
    fn collect_head(&mut self, bytes: &mut &[u8]) -> Option<[u8; HEADER_LEN]> {
        while usize::from(self.head_len) < HEADER_LEN {
            let (&byte, rest) = bytes.split_first()?;
            *bytes = rest;
            *self.head.get_mut(usize::from(self.head_len))? = byte;
            self.head_len += 1;
        }
        self.head_len = 0;
        Some(self.head)
    }

    /// Passes over missing bytes. Within one fragment the place of the next header stays known:
    /// then the header of that fragment is returned. `None` when the place is lost.
    pub(crate) fn gap(&mut self, len: u32) -> Option<RecordHeader> {
        let header = self.current?;
        let len = u16::try_from(len).ok()?;
        self.remaining = self.remaining.checked_sub(len)?;
        if self.remaining == 0 {
            self.current = None;
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(reader: &mut RecordReader, mut bytes: &[u8]) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = reader.next(&mut bytes) {
            events.push(match event {
                RecordEvent::Begin(header) => format!("{:?} {}", header.kind, header.len),
                RecordEvent::Fragment { bytes, is_last, .. } => {
                    format!("{}{}", String::from_utf8_lossy(bytes), if is_last { "." } else { "" })
                }
                RecordEvent::NotARecord => {
                    events.push("not a record".into());
                    break;
                }
            });
        }
        events
    }

    #[test]
    fn records_are_split() {
        let stream = b"\x16\x03\x01\x00\x03abc\x17\x03\x03\x00\x00\x17\x03\x03\x00\x02de";
        let events = read(&mut RecordReader::default(), stream);
        let expect = ["Handshake 3", "abc.", "ApplicationData 0", ".", "ApplicationData 2", "de."];
        assert_eq!(events, expect);
    }

    #[test]
    fn headers_must_be_plausible() {
        let check = |bytes, expect: bool| assert_eq!(record_header(bytes).is_some(), expect);
        check([22, 3, 1, 0, 1], true);
        check([22, 3, 5, 0, 1], false);
        check([22, 2, 1, 0, 1], false);
        check([19, 3, 1, 0, 1], false);
        check([22, 3, 1, 0, 0], false);
        check([23, 3, 3, 0, 0], true);
        check([23, 3, 3, 0x48, 0], true); // 2^14 + 2048
        check([23, 3, 3, 0x48, 1], false);
    }

    #[test]
    fn a_gap_within_a_fragment_keeps_the_place() {
        let mut reader = RecordReader::default();
        assert_eq!(read(&mut reader, b"\x16\x03\x01\x00\x05a"), ["Handshake 5", "a"]);
        assert!(reader.gap(3).is_some());
        assert_eq!(read(&mut reader, b"e\x15"), ["e."]);
        assert!(reader.gap(1).is_none());
    }

    #[test]
    fn a_gap_beyond_the_fragment_loses_it() {
        let mut reader = RecordReader::default();
        read(&mut reader, b"\x16\x03\x01\x00\x05a");
        assert!(reader.gap(5).is_none());
    }

    #[test]
    fn chains_are_counted() {
        assert_eq!(header_chain(b"\x17\x03\x03\x00\x01a\x17\x03\x03\x00\x09a"), Some((2, false)));
        assert_eq!(header_chain(b"\x17\x03\x03\x00\x01a\x15\x03\x03\x00\x01a"), Some((2, true)));
        assert_eq!(header_chain(b"\x17\x03\x03\x00\x01ab\x03\x03\x00\x01a"), None);
    }

    proptest! {
        /// Where the stream is cut into segments makes no difference.
        #[test]
        fn splits_do_not_matter(bytes: Vec<u8>, cuts: Vec<prop::sample::Index>) {
            let mut stream = b"\x16\x03\x01\x00\x05hello\x17\x03\x03\x00\x03abc".to_vec();
            stream.extend(bytes);
            let whole = read(&mut RecordReader::default(), &stream).join("").replace('.', "");
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut reader = RecordReader::default();
            let mut parts = String::new();
            for pair in cuts.windows(2) {
                for event in read(&mut reader, &stream[pair[0]..pair[1]]) {
                    parts.push_str(&event.replace('.', ""));
                    if event == "not a record" {
                        prop_assert_eq!(parts, whole);
                        return Ok(());
                    }
                }
            }
            // Bytes that are no text come out differently when cut within a character.
            if stream.is_ascii() {
                prop_assert_eq!(parts, whole);
            }
        }
    }
}

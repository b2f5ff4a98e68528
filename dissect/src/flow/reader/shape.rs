//! What a few bytes may be the beginning of.

use crate::tls::{ContentType, header_in_place, message, record_header};

/// Whether the bytes begin a record that begins a hello, as far as they go. At least six bytes.
pub(super) fn is_hello(bytes: &[u8]) -> bool {
    let Some(&head) = bytes.first_chunk::<5>() else { return false };
    let Some(header) = header_in_place(head) else { return false };
    let Some(&kind) = bytes.get(5) else { return false };
    header.kind == ContentType::Handshake
        && header.len > 0
        && matches!(
            kind,
            message::CLIENT_HELLO | message::SERVER_HELLO | message::HELLO_RETRY_REQUEST
        )
        && fits_hello(header.len, bytes)
}

/// Whether length and version of the handshake message fit, where they lie in the same record.
fn fits_hello(record_len: u16, bytes: &[u8]) -> bool {
    /// The shortest ServerHello of all: a HelloRetryRequest of TLS 1.3's drafts.
    const HELLO_LEN_MIN: u32 = 6;
    const HELLO_LEN_MAX: u32 = 1 << 17;
    let (Some(&[_, a, b, c]), true) =
        (bytes.get(5..).and_then(<[u8]>::first_chunk), record_len >= 4)
    else {
        return true;
    };
    let len = u32::from_be_bytes([0, a, b, c]);
    let is_version = record_len < 5
        || bytes.get(9).is_none_or(|major| matches!(major, 0x03 | 0x7e | 0x7f | 0xfb));
    (HELLO_LEN_MIN..=HELLO_LEN_MAX).contains(&len) && is_version
}

/// How many bytes of a fragment [`begins_hello`] needs.
pub(super) const HELLO_HEAD_LEN: usize = 6;

/// Whether a record's fragment begins with a hello's header; used after a ChangeCipherSpec, where
/// anything else is encrypted.
pub(super) fn begins_hello(fragment: &[u8]) -> bool {
    const HELLO_LEN_MAX: u32 = 1 << 14;
    let Some(&[kind, a, b, c, major, minor]) = fragment.first_chunk() else { return false };
    let len = u32::from_be_bytes([0, a, b, c]);
    matches!(kind, message::CLIENT_HELLO | message::SERVER_HELLO)
        && (38..=HELLO_LEN_MAX).contains(&len)
        && (major, minor) == (3, 3)
}

/// Whether the bytes begin with an alert record in the clear: a fatal one, whatever its code, or a
/// warning with an assigned one (IANA TLS Alerts).
pub(super) fn is_alert(bytes: &[u8]) -> bool {
    bytes.len() >= 7
        && bytes
            .first_chunk()
            .copied()
            .and_then(record_header)
            .is_some_and(|header| header.kind == ContentType::Alert && header.len == 2)
        && match bytes.get(5) {
            Some(2) => true,
            Some(1) => matches!(
                bytes.get(6),
                Some(
                    0 | 10 | 20..=22 | 30 | 40..=51 | 60 | 70 | 71 | 80 | 86 | 90 | 100 | 109..=121,
                )
            ),
            _ => false,
        }
}

/// Whether these first bytes may still begin a record or an SSL 2.0 hello.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    match *bytes {
        [] => true,
        [first, ref rest @ ..] if (20..=24).contains(&first) => {
            rest.first().is_none_or(|&major| major == 3)
                && rest.get(1).is_none_or(|&minor| minor <= 4 || first == 22)
        }
        [first, ref rest @ ..] if first & 0x80 != 0 => {
            rest.get(1).is_none_or(|&kind| matches!(kind, 1 | 4))
        }
        _ => false,
    }
}

/// Where a record of application data may begin within a segment, as in a long transfer whose
/// records are larger than its segments. Five bytes prove little: the next header must fit too.
pub(super) fn find_data_header(bytes: &[u8]) -> Option<usize> {
    let mut heads = (0..bytes.len()).map_while(|at| bytes.get(at..)?.first_chunk().copied());
    heads.position(|head| {
        record_header(head)
            .is_some_and(|header| header.kind == ContentType::ApplicationData && header.len > 0)
    })
}

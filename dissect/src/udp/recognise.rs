//! What a datagram may be, by its first bytes alone (RFC 7983 tells the ranges apart where
//! several protocols share a port).
//!
//! ```text
//! 0..=3      STUN: an indication may carry a DTLS record to or from a relay
//! 20..=63    DTLS
//! 64..=79    TURN channel data, which may carry a DTLS record; or QUIC
//! 64..=127   QUIC, short header: only of a known connection
//! 128..=191  RTP and RTCP; or QUIC, long header, of a known connection without the fixed bit
//! 192..=255  QUIC, long header
//! ```
//!
//! Short headers without the fixed bit (RFC 9287) are found where they look like DTLS and missed
//! elsewhere: they only prove what others prove too.

use super::quic;

/// What a datagram may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recognised<'a> {
    /// It may open a QUIC connection, or belong to one.
    QuicLong,
    /// It may belong to a known QUIC connection.
    QuicShort,
    /// DTLS records.
    Dtls {
        records: &'a [u8],
        /// Bytes behind them that the snap length cut off.
        cut: usize,
    },
}

/// What a datagram may be; `None` for most.
#[inline]
pub(super) fn recognise(datagram: &[u8], cut: usize) -> Option<Recognised<'_>> {
    match *datagram.first()? {
        0 => indication(datagram),
        20..=63 => Some(Recognised::Dtls { records: datagram, cut }),
        64..=79 => Some(channel_data(datagram, cut).unwrap_or(Recognised::QuicShort)),
        80..=127 => Some(Recognised::QuicShort),
        128.. => {
            let (_, rest) = datagram.split_first()?;
            let version = u32::from_be_bytes(*rest.first_chunk()?);
            quic::is_supported(version).then_some(Recognised::QuicLong)
        }
        _ => None,
    }
}

/// First bytes of what a DTLS handshake or its continuation begins with.
fn begins_record(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=25, 0xfe, 0xfd | 0xff, ..])
}

/// The records in a TURN ChannelData message (RFC 8656 §12.4).
fn channel_data(datagram: &[u8], cut: usize) -> Option<Recognised<'_>> {
    let (&[_, _, l0, l1], data) = datagram.split_first_chunk()?;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    // Up to three bytes of padding follow.
    let is_channel = (len..len + 4).contains(&(data.len() + cut)) && begins_record(data);
    is_channel.then(|| Recognised::Dtls {
        records: data.get(..len).unwrap_or(data),
        cut: len.saturating_sub(data.len()),
    })
}

/// The records in the DATA attribute of a TURN Send or Data indication (RFC 8656 §11).
fn indication(datagram: &[u8]) -> Option<Recognised<'_>> {
    /// Message types, and the magic cookie of STUN (RFC 8489 §5).
    const SEND: u8 = 0x16;
    const DATA: u8 = 0x17;
    const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
    const HEADER_LEN: usize = 20;
    const ATTRIBUTE_DATA: [u8; 2] = [0x00, 0x13];
    /// Such an indication has two attributes, or a few more.
    const ATTRIBUTES_MAX: usize = 8;
    let is_indication =
        matches!(datagram, [0, SEND | DATA, _, _, cookie @ ..] if cookie.starts_with(&COOKIE));
    let mut rest = datagram.get(HEADER_LEN..).filter(|_| is_indication)?;
    for _ in 0..ATTRIBUTES_MAX {
        let (&[t0, t1, l0, l1], value) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        if [t0, t1] == ATTRIBUTE_DATA {
            let records = value.get(..len).filter(|records| begins_record(records))?;
            return Some(Recognised::Dtls { records, cut: 0 });
        }
        rest = value.get(len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RECORD: [u8; 14] = [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 9];

    fn dtls(records: &[u8]) -> Option<Recognised<'_>> {
        Some(Recognised::Dtls { records, cut: 0 })
    }

    #[test]
    fn records_are_found_in_what_a_relay_passes_on() {
        assert_eq!(recognise(&RECORD, 0), dtls(&RECORD));
        let channel = [&[0x40, 1, 0, 14][..], &RECORD, &[0, 0]].concat();
        assert_eq!(recognise(&channel, 0), dtls(&RECORD));
        let indication = [
            &[0, 0x17, 0, 0, 0x21, 0x12, 0xa4, 0x42][..],
            &[5; 12],
            &[0, 0x12, 0, 5, 1, 1, 1, 1, 1, 0, 0, 0],
            &[0, 0x13, 0, 14],
            &RECORD,
        ]
        .concat();
        assert_eq!(recognise(&indication, 0), dtls(&RECORD));
    }

    #[test]
    fn media_and_stray_datagrams_are_left_alone() {
        let check = |datagram: &[u8]| assert_eq!(recognise(datagram, 0), None, "{datagram:?}");
        check(&[]);
        check(&[0x80, 0x60, 0, 1, 0, 0, 0, 1]); // RTP
        check(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]); // STUN binding request
        check(b"\xc3Q046 and more"); // QUIC before TLS
        check(b"\xc0\0\0"); // too short for a version
    }

    #[test]
    fn a_short_header_may_look_like_a_channel() {
        assert_eq!(recognise(&[0x40, 1, 0, 14, 22], 0), Some(Recognised::QuicShort));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, cut in 0usize..2000) {
            let _ = recognise(&bytes, cut);
            let _ = indication(&[&[0, 0x17, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &bytes].concat());
        }
    }
}

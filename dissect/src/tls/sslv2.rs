//! Hellos in the record format of SSL 2.0.
//!
//! The oldest clients send a CLIENT-HELLO of SSL 2.0 that asks for SSL 3.0 or TLS 1.0
//! (RFC 5246 appendix E.2):
//!
//! ```text
//! 0x80|len_hi len_lo  type=1  version(2)  specs_len(2) session_len(2) challenge_len(2)
//! specs (3 bytes each)  session id  challenge
//! ```

use super::client_hello::{ClientHelloParts, SessionId};
use super::cursor::Cursor;
use crate::{HelloExtent, HelloFormat, Offer};

/// A CLIENT-HELLO and the bytes it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sslv2Hello {
    pub(crate) parts: ClientHelloParts,
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 4;
/// The part of a CLIENT-HELLO that tells all its lengths, record header included.
pub(crate) const HEADER_LEN: usize = 11;

/// The length in bytes of the CLIENT-HELLO that begins here, record header included; `None` when
/// the first [`HEADER_LEN`] bytes are no consistent header.
pub(crate) fn client_hello_len(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor(bytes.get(..HEADER_LEN)?);
    let header = cursor.u16()?;
    let len = usize::from(header & 0x7fff);
    let is_hello = header & 0x8000 != 0 && cursor.u8()? == CLIENT_HELLO;
    let version = cursor.u16()?;
    let (specs, session, challenge) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    let sum = 9 + usize::from(specs) + usize::from(session) + usize::from(challenge);
    (is_hello
        && matches!(version, 0x0002 | 0x0300..=0x0304)
        && specs > 0
        && specs % 3 == 0
        && matches!(session, 0 | 16)
        && (16..=32).contains(&challenge)
        && len == sum)
        .then_some(len + 2)
}

impl Sslv2Hello {
    /// Reads a CLIENT-HELLO that begins at the first byte; as much of it as is there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let len = client_hello_len(bytes)?;
        let whole = bytes.len() >= len;
        let mut cursor = Cursor(bytes.get(..len).unwrap_or(bytes));
        cursor.take(3)?;
        let version = cursor.u16()?;
        let (specs_len, session_len, challenge_len) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
        let mut offer = Offer::empty(HelloFormat::SslV2, version);
        let specs = cursor.0.get(..usize::from(specs_len)).unwrap_or(cursor.0);
        for spec in specs.chunks_exact(3) {
            match *spec {
                [0, high, low] => offer.cipher_suites.push(u16::from_be_bytes([high, low])),
                [kind, high, low] => {
                    offer.sslv2_ciphers.push(u32::from_be_bytes([0, kind, high, low]));
                }
                _ => {}
            }
        }
        offer.extent = if whole { HelloExtent::Whole } else { HelloExtent::Suites };
        let mut parts = ClientHelloParts {
            offer,
            random: [0; 32],
            session_id: SessionId::default(),
            offers_ticket: false,
            server_name: None,
        };
        if whole {
            cursor.take(usize::from(specs_len))?;
            parts.session_id = SessionId::new(cursor.take(usize::from(session_len))?);
            let challenge = cursor.take(usize::from(challenge_len))?;
            let start = parts.random.len().checked_sub(challenge.len())?;
            parts.random.get_mut(start..)?.copy_from_slice(challenge);
        }
        Some(Self { parts })
    }
}

/// Whether an SSL 2.0 SERVER-HELLO begins here, and its length with the record header.
///
/// `type=4, session_id_hit, certificate_type, version=0x0002, certificate_len, specs_len,
/// connection_id_len` follow the two-byte record header.
pub(crate) fn server_hello(bytes: &[u8]) -> Option<usize> {
    let mut cursor = Cursor(bytes);
    let header = cursor.u16()?;
    let len = usize::from(header & 0x7fff);
    let is_hello = header & 0x8000 != 0 && cursor.u8()? == SERVER_HELLO;
    let (hit, kind, version) = (cursor.u8()?, cursor.u8()?, cursor.u16()?);
    let (certificate, specs, id) = (cursor.u16()?, cursor.u16()?, cursor.u16()?);
    let sum = 11 + usize::from(certificate) + usize::from(specs) + usize::from(id);
    (is_hello && hit <= 1 && kind <= 3 && version == 0x0002 && specs % 3 == 0 && len == sum)
        .then_some(len + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;
    use proptest::prelude::*;

    fn hello(version: u16, specs: &[[u8; 3]]) -> Vec<u8> {
        let specs = specs.concat();
        let mut body = vec![CLIENT_HELLO];
        body.extend(version.to_be_bytes());
        body.extend(u16::try_from(specs.len()).unwrap().to_be_bytes());
        body.extend([0, 0, 0, 16]);
        body.extend(&specs);
        body.extend([5; 16]);
        let mut bytes = (0x8000 | u16::try_from(body.len()).unwrap()).to_be_bytes().to_vec();
        bytes.extend(body);
        bytes
    }

    #[test]
    fn a_tls_offer_in_the_old_format_is_read() {
        let bytes = hello(0x0301, &[[0, 0, 4], [1, 0, 0x80], [0, 0, 0xff]]);
        let parts = Sslv2Hello::read(&bytes).unwrap().parts;
        assert_eq!(client_hello_len(&bytes), Some(bytes.len()));
        assert_eq!(parts.offer.cipher_suites, [4, 0xff]);
        assert_eq!(parts.offer.sslv2_ciphers, [0x01_0080]);
        assert_eq!(parts.offer.max_version(), Some(Version::Tls10));
        assert_eq!(parts.random[..16], [0; 16]);
        assert_eq!(parts.random[16..], [5; 16]);
    }

    #[test]
    fn inconsistent_lengths_are_no_hello() {
        let good = hello(0x0301, &[[0, 0, 4]]);
        for at in [0, 1, 2, 3, 5, 6, 7, 8, 9] {
            let mut bad = good.clone();
            bad[at] ^= 1 << 6;
            assert_eq!(client_hello_len(&bad), None, "byte {at}");
        }
    }

    #[test]
    fn a_cut_hello_tells_its_version() {
        let bytes = hello(0x0300, &[[0, 0, 4], [0, 0, 5]]);
        let parts = Sslv2Hello::read(&bytes[..15]).unwrap().parts;
        assert_eq!(parts.offer.max_version(), Some(Version::Ssl3));
        assert_eq!(parts.offer.cipher_suites, [4]);
    }

    #[test]
    fn server_hellos_are_told() {
        let mut bytes = vec![0x80, 14, 4, 0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 1, 0, 0x80];
        assert_eq!(server_hello(&bytes), Some(16));
        bytes[6] = 3;
        assert_eq!(server_hello(&bytes), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = (Sslv2Hello::read(&bytes), server_hello(&bytes));
        }
    }
}

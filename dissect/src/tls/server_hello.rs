//! The ServerHello and HelloRetryRequest (RFC 8446 §4.1.3 and §4.1.4, RFC 5246 §7.4.1.3), whole
//! or cut anywhere, and the group in a ServerKeyExchange.

use smallvec::SmallVec;
use tls_parser::parse_tls_handshake_server_hello;

use super::client_hello::SessionId;
use super::cursor::Cursor;
use crate::{HelloExtent, Mark, ServerHello};

/// What one ServerHello says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerHelloParts {
    pub(crate) hello: ServerHello,
    pub(crate) session_id: SessionId,
    /// The message asks for another ClientHello and selects nothing.
    pub(crate) is_retry: bool,
}

/// The random that marks a HelloRetryRequest: SHA-256 of that name (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

const ALPN: u16 = 16;
const PRE_SHARED_KEY: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;
/// `key_share` of drafts before 23.
const KEY_SHARE_DRAFT: u16 = 40;
const KEY_SHARE: u16 = 51;

/// Drafts of TLS 1.3 before 22: their ServerHello has no session id and no compression method.
const SHORT_DRAFTS: std::ops::RangeInclusive<u16> = 0x7f00..=0x7f15;

impl ServerHelloParts {
    /// Reads a message body. `whole` says whether it is all there; when it is not, everything in
    /// front of the cut is read. `None` when not even the version is there, or it is none.
    pub(crate) fn read(body: &[u8], whole: bool, record_version: u16, at: Mark) -> Option<Self> {
        let legacy_version = Cursor(body).u16()?;
        if !matches!(legacy_version >> 8, 0x03 | 0x7e | 0x7f | 0xfb | 0xfe) {
            return None;
        }
        let mut parts = Self {
            hello: ServerHello {
                record_version,
                legacy_version,
                selected_version: None,
                random: [0; 32],
                session_id_len: 0,
                cipher_suite: None,
                group: None,
                alpn: None,
                extensions: SmallVec::new(),
                extent: HelloExtent::Version,
                at,
            },
            session_id: SessionId::default(),
            is_retry: false,
        };
        if whole
            && !SHORT_DRAFTS.contains(&legacy_version)
            && let Ok((_, hello)) = parse_tls_handshake_server_hello(body)
        {
            parts.hello.random = hello.random.try_into().unwrap_or_default();
            parts.session_id = SessionId::new(hello.session_id.unwrap_or_default());
            parts.hello.cipher_suite = Some(hello.cipher.0);
            parts.read_extensions(Cursor(hello.ext.unwrap_or_default()));
        } else {
            // What is behind the cut stays empty.
            let _ = parts.read_rest(&mut Cursor(body.get(2..).unwrap_or_default()));
        }
        if whole && parts.hello.cipher_suite.is_some() {
            parts.hello.extent = HelloExtent::Whole;
        }
        parts.hello.session_id_len = parts.session_id.len();
        parts.is_retry = parts.hello.random == RETRY_RANDOM;
        Some(parts)
    }

    fn read_rest(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.hello.random = *cursor.take(32)?.first_chunk()?;
        self.hello.extent = HelloExtent::Suites;
        let is_short = SHORT_DRAFTS.contains(&self.hello.legacy_version);
        if !is_short {
            self.session_id = SessionId::new(cursor.vec8()?.0);
        }
        self.hello.cipher_suite = Some(cursor.u16()?);
        self.hello.extent = HelloExtent::Extensions;
        if !is_short {
            cursor.u8()?;
        }
        let (block, _) = cursor.vec16_lossy()?;
        self.read_extensions(block);
        None
    }

    /// Reads extensions as far as they go; a broken one ends the list.
    fn read_extensions(&mut self, mut block: Cursor<'_>) {
        /// More extensions than any client offers.
        const EXTENSIONS_MAX: usize = 256;
        while self.hello.extensions.len() < EXTENSIONS_MAX
            && let Some(number) = block.u16()
        {
            let Some((mut content, true)) = block.vec16_lossy() else { break };
            self.hello.extensions.push(number);
            match number {
                SUPPORTED_VERSIONS if content.0.len() == 2 => {
                    self.hello.selected_version = content.u16();
                }
                KEY_SHARE | KEY_SHARE_DRAFT => self.hello.group = content.u16(),
                ALPN => {
                    let name = content.vec16().and_then(|mut names| names.vec8());
                    self.hello.alpn = name.map(|name| name.0.into());
                }
                _ => {}
            }
        }
    }

    /// Whether a TLS 1.3 session was resumed: the server accepted a pre-shared key.
    pub(crate) fn accepts_psk(hello: &ServerHello) -> bool {
        hello.extensions.contains(&PRE_SHARED_KEY)
    }
}

/// The named curve of an ECDHE ServerKeyExchange (RFC 8422 §5.4); `None` for other key exchanges,
/// which the suite tells.
pub(crate) fn named_curve(body: &[u8]) -> Option<u16> {
    const NAMED_CURVE: u8 = 3;
    let mut cursor = Cursor(body);
    (cursor.u8()? == NAMED_CURVE).then(|| cursor.u16()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;
    use proptest::prelude::*;

    fn hello(version: u16, random: [u8; 32], suite: u16, block: &[u8]) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend(random);
        body.extend([1, 9]);
        body.extend(suite.to_be_bytes());
        body.push(0);
        body.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
        body.extend(block);
        body
    }

    fn read(body: &[u8], whole: bool) -> ServerHelloParts {
        ServerHelloParts::read(body, whole, 0x0303, Mark::default()).unwrap()
    }

    #[test]
    fn tls13_hides_in_supported_versions() {
        let block = [0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 29];
        let parts = read(&hello(0x0303, [1; 32], 0x1301, &block), true);
        assert_eq!(parts.hello.version(), Some(Version::Tls13));
        assert_eq!(parts.hello.group, Some(29));
        assert!(!parts.is_retry);
        assert!(read(&hello(0x0303, RETRY_RANDOM, 0x1301, &block), true).is_retry);
    }

    #[test]
    fn an_empty_supported_versions_is_ignored() {
        let parts = read(&hello(0x0303, [1; 32], 0xc02f, &[0, 43, 0, 0, 0, 44, 0, 0]), true);
        assert_eq!(parts.hello.version(), Some(Version::Tls12));
    }

    #[test]
    fn a_cut_hello_tells_its_version_when_it_can() {
        let check = |version, suite, cut: usize, expect| {
            let body = hello(version, [1; 32], suite, &[0, 43, 0, 2, 3, 4]);
            assert_eq!(read(&body[..cut], false).hello.version(), expect, "{cut}");
        };
        check(0x0301, 0x002f, 2, Some(Version::Tls10));
        check(0x0303, 0x1301, 36, None);
        check(0x0303, 0x1301, 38, Some(Version::Tls13));
        check(0x0303, 0xc02f, 38, Some(Version::Tls12));
        check(0x0303, 0xc02f, 47, Some(Version::Tls13));
    }

    #[test]
    fn drafts_before_22_have_no_session_id() {
        let mut body = vec![0x7f, 18];
        body.extend([1; 32]);
        body.extend([0x13, 1, 0, 8, 0, 40, 0, 4, 0, 29, 0, 0]);
        let parts = read(&body, true);
        assert_eq!(parts.hello.version(), Some(Version::Tls13));
        assert_eq!((parts.hello.cipher_suite, parts.hello.group), (Some(0x1301), Some(29)));
    }

    #[test]
    fn downgrade_marks_are_told() {
        let mut random = [7; 32];
        random[24..].copy_from_slice(b"DOWNGRD\0");
        let parts = read(&hello(0x0301, random, 0x2f, &[]), true);
        assert_eq!(parts.hello.downgrade_mark(), Some(Version::Tls12));
        random[31] = 1;
        let parts = read(&hello(0x0303, random, 0x2f, &[]), true);
        assert_eq!(parts.hello.downgrade_mark(), Some(Version::Tls13));
        assert_eq!(read(&hello(0x0303, [7; 32], 0x2f, &[]), true).hello.downgrade_mark(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body: Vec<u8>, whole: bool) {
            let _ = ServerHelloParts::read(&body, whole, 0x0301, Mark::default());
            let _ = named_curve(&body);
        }
    }
}

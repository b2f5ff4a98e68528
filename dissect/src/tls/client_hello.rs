//! The ClientHello (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2), whole or cut anywhere.

use std::sync::Arc;

use tls_parser::parse_tls_handshake_client_hello;

use super::cursor::Cursor;
use crate::{HelloExtent, HelloFormat, Offer};

/// What one ClientHello says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientHelloParts {
    pub(crate) offer: Offer,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: SessionId,
    pub(crate) offers_ticket: bool,
    pub(crate) server_name: Option<Arc<str>>,
}

/// Up to 32 bytes that name a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SessionId {
    bytes: [u8; 32],
    len: u8,
}

impl SessionId {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let mut id = Self::default();
        for (to, from) in id.bytes.iter_mut().zip(bytes) {
            *to = *from;
            id.len += 1;
        }
        id
    }

    pub(crate) fn len(self) -> u8 {
        self.len
    }
}

/// Extension types that are read (IANA TLS ExtensionType Values).
pub(super) mod extension {
    pub(in super::super) const SERVER_NAME: u16 = 0;
    pub(in super::super) const SUPPORTED_GROUPS: u16 = 10;
    pub(in super::super) const EC_POINT_FORMATS: u16 = 11;
    pub(in super::super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(in super::super) const ALPN: u16 = 16;
    pub(in super::super) const SESSION_TICKET: u16 = 35;
    pub(in super::super) const PRE_SHARED_KEY: u16 = 41;
    pub(in super::super) const SUPPORTED_VERSIONS: u16 = 43;
    /// `key_share` of drafts before 23.
    pub(in super::super) const KEY_SHARE_DRAFT: u16 = 40;
    pub(in super::super) const KEY_SHARE: u16 = 51;
}

/// Extensions of one hello that are kept: no stack sends a third of this.
pub(super) const EXTENSIONS_MAX: usize = 256;
/// Extensions for which there is room from the start.
const EXTENSIONS_USUAL: usize = 20;
/// ALPN names of one hello that are kept.
const ALPN_NAMES_MAX: usize = 32;
/// Bytes of a server name that are kept: DNS names have 253 (RFC 1035 §2.3.4).
const SERVER_NAME_BYTES_MAX: usize = 255;

impl ClientHelloParts {
    /// Reads a message body. `whole` says whether it is all there; when it is not, everything in
    /// front of the cut is read. `None` when not even the version is there, or it is none.
    pub(crate) fn read(body: &[u8], whole: bool) -> Option<Self> {
        if whole && let Ok((_, hello)) = parse_tls_handshake_client_hello(body) {
            let mut parts = Self {
                offer: Offer::empty(HelloFormat::Tls, hello.version.0),
                random: hello.random.try_into().unwrap_or_default(),
                session_id: SessionId::new(hello.session_id.unwrap_or_default()),
                offers_ticket: false,
                server_name: None,
            };
            parts.offer.cipher_suites = hello.ciphers.iter().map(|suite| suite.0).collect();
            parts.offer.compression_methods = hello.comp.iter().map(|method| method.0).collect();
            parts.offer.extent = HelloExtent::Whole;
            if let Some(block) = hello.ext {
                parts.read_extensions(Cursor(block));
            }
            return plausible(parts.offer.legacy_version).then_some(parts);
        }
        let mut cursor = Cursor(body);
        let legacy_version = cursor.u16().filter(|&version| plausible(version))?;
        let mut parts = Self {
            offer: Offer::empty(HelloFormat::Tls, legacy_version),
            random: [0; 32],
            session_id: SessionId::default(),
            offers_ticket: false,
            server_name: None,
        };
        // What is behind the cut stays empty.
        let _ = parts.read_rest(&mut cursor);
        Some(parts)
    }

    fn read_rest(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        self.random = *cursor.take(32)?.first_chunk()?;
        self.session_id = SessionId::new(cursor.vec8()?.0);
        self.offer.extent = HelloExtent::Suites;
        let (suites, whole) = cursor.vec16_lossy()?;
        self.offer.cipher_suites = suites.u16_list();
        if !whole {
            return None;
        }
        self.offer.extent = HelloExtent::Extensions;
        self.offer.compression_methods = cursor.vec8()?.0.to_vec();
        let (block, _) = cursor.vec16_lossy()?;
        self.read_extensions(block);
        None
    }

    /// Reads extensions as far as they go; a broken one ends the list.
    fn read_extensions(&mut self, mut block: Cursor<'_>) {
        let mut types = Vec::with_capacity(EXTENSIONS_USUAL);
        while types.len() < EXTENSIONS_MAX
            && let Some(number) = block.u16()
        {
            let Some((content, whole)) = block.vec16_lossy() else { break };
            if !whole {
                break;
            }
            types.push(number);
            // A malformed extension tells nothing; the others still do.
            let _ = self.read_extension(number, content);
        }
        self.offer.extensions = Some(types);
    }

    fn read_extension(&mut self, number: u16, mut content: Cursor<'_>) -> Option<()> {
        let offer = &mut self.offer;
        match number {
            extension::SERVER_NAME => {
                self.server_name =
                    server_name(content).map(|name| String::from_utf8_lossy(name).into());
            }
            extension::SUPPORTED_GROUPS => offer.groups = Some(content.vec16()?.u16_list()),
            extension::EC_POINT_FORMATS => {
                offer.ec_point_formats = Some(content.vec8()?.0.to_vec())
            }
            extension::SIGNATURE_ALGORITHMS => {
                offer.signature_algorithms = Some(content.vec16()?.u16_list());
            }
            extension::ALPN => {
                let mut names = content.vec16()?;
                while offer.alpn.len() < ALPN_NAMES_MAX
                    && let Some(name) = names.vec8()
                {
                    offer.alpn.push(name.0.into());
                }
            }
            extension::SUPPORTED_VERSIONS => {
                offer.supported_versions = Some(content.vec8()?.u16_list());
            }
            extension::KEY_SHARE | extension::KEY_SHARE_DRAFT => {
                let mut shares = content.vec16()?;
                while let Some(group) = shares.u16() {
                    offer.key_share_groups.push(group);
                    shares.vec16()?;
                }
            }
            extension::SESSION_TICKET => self.offers_ticket |= !content.is_empty(),
            extension::PRE_SHARED_KEY => self.offers_ticket = true,
            _ => {}
        }
        Some(())
    }
}

/// Whether this may be the version of a hello: SSL 3 to TLS 1.x, drafts and experiments of 1.3, or
/// DTLS.
pub(super) fn plausible(version: u16) -> bool {
    matches!(version >> 8, 0x03 | 0x7e | 0x7f | 0xfb | 0xfe)
}

/// The bytes of the first name of type `host_name` (RFC 6066 §3).
pub(super) fn server_name(mut content: Cursor<'_>) -> Option<&[u8]> {
    let mut list = content.vec16()?;
    while let Some(kind) = list.u8() {
        let name = list.vec16()?;
        if kind == 0 {
            let name = name.0.get(..SERVER_NAME_BYTES_MAX).unwrap_or(name.0);
            return (!name.is_empty()).then_some(name);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A hello of TLS 1.2 with these extensions.
    fn hello(version: u16, suites: &[u16], extensions: Option<&[(u16, &[u8])]>) -> Vec<u8> {
        let mut body = version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.extend([2, 0xaa, 0xbb]);
        body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
        suites.iter().for_each(|suite| body.extend(suite.to_be_bytes()));
        body.extend([1, 0]);
        if let Some(extensions) = extensions {
            let mut block = Vec::new();
            for (number, content) in extensions {
                block.extend(number.to_be_bytes());
                block.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
                block.extend(*content);
            }
            body.extend(u16::try_from(block.len()).unwrap().to_be_bytes());
            body.extend(block);
        }
        body
    }

    const MODERN: &[(u16, &[u8])] = &[
        (0x0a0a, &[]),
        (0, b"\x00\x0f\x00\x00\x0coffice.test."),
        (10, &[0, 4, 0x11, 0xec, 0, 29]),
        (11, &[1, 0]),
        (13, &[0, 2, 4, 3]),
        (16, b"\x00\x0c\x02h2\x08http/1.1"),
        (35, &[]),
        (43, &[6, 0x0a, 0x0a, 3, 4, 3, 3]),
        (51, &[0, 9, 0x11, 0xec, 0, 1, 9, 0, 29, 0, 0]),
    ];

    #[test]
    fn every_field_is_read() {
        let parts =
            ClientHelloParts::read(&hello(0x0303, &[0x1301, 0xc02f], Some(MODERN)), true).unwrap();
        assert_eq!(parts.server_name.as_deref(), Some("office.test."));
        assert_eq!(parts.session_id.len(), 2);
        assert!(!parts.offers_ticket);
        let offer = parts.offer;
        assert_eq!(offer.supported_versions, Some(vec![0x0a0a, 0x0304, 0x0303]));
        assert_eq!(offer.cipher_suites, [0x1301, 0xc02f]);
        assert_eq!(offer.groups, Some(vec![0x11ec, 29]));
        assert_eq!(offer.key_share_groups, [0x11ec, 29]);
        assert_eq!(offer.signature_algorithms, Some(vec![0x0403]));
        assert_eq!(offer.alpn, [Box::from(&b"h2"[..]), Box::from(&b"http/1.1"[..])]);
        assert_eq!(offer.extensions.as_ref().unwrap().len(), MODERN.len());
        assert_eq!(offer.extent, HelloExtent::Whole);
        assert_eq!(offer.max_version(), Some(crate::Version::Tls13));
    }

    #[test]
    fn a_cut_hello_tells_what_is_in_front_of_the_cut() {
        let check = |version, cut, extent, max| {
            let body = hello(version, &[0x002f, 0x0035], Some(MODERN));
            let parts = ClientHelloParts::read(&body[..cut], false).unwrap();
            assert_eq!((parts.offer.extent, parts.offer.max_version()), (extent, max), "{cut}");
        };
        use crate::Version::{Tls10, Tls13};
        check(0x0301, 2, HelloExtent::Version, Some(Tls10));
        check(0x0303, 30, HelloExtent::Version, None);
        check(0x0303, 41, HelloExtent::Suites, None);
        check(0x0301, 43, HelloExtent::Extensions, Some(Tls10));
        check(0x0303, 50, HelloExtent::Extensions, None);
        check(0x0303, 130, HelloExtent::Extensions, Some(Tls13));
    }

    #[test]
    fn a_hello_without_extensions_is_whole() {
        let parts = ClientHelloParts::read(&hello(0x0301, &[5], None), true).unwrap();
        assert_eq!(parts.offer.extensions, None);
        assert_eq!(parts.offer.extent, HelloExtent::Whole);
    }

    #[test]
    fn what_is_no_hello_is_refused() {
        assert_eq!(ClientHelloParts::read(b"\x03", false), None);
        assert_eq!(ClientHelloParts::read(&hello(0x4854, &[5], None), true), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body: Vec<u8>, whole: bool) {
            let _ = ClientHelloParts::read(&body, whole);
        }

        /// Both readers, the library's for whole messages and ours for cut ones, agree.
        #[test]
        fn both_readers_agree(version in 0x0300u16..0x0304, suites: Vec<u16>) {
            prop_assume!(suites.len() < 200);
            let body = hello(version, &suites, Some(MODERN));
            let whole = ClientHelloParts::read(&body, true).unwrap();
            let mut cut = ClientHelloParts::read(&body, false).unwrap();
            cut.offer.extent = HelloExtent::Whole;
            prop_assert_eq!(whole, cut);
        }
    }
}

//! What a client offers in its ClientHello.
//!
//! An [`Offer`] holds everything of a hello that other hellos of the same program share: versions,
//! suites, extensions in wire order. Hosts send the same offer thousands of times, so offers are
//! shared behind an `Arc`; a [`ClientHello`] adds what is new each time (random, name, place).

use std::sync::Arc;

use crate::{Mark, Version};

/// How a ClientHello was wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HelloFormat {
    /// In handshake records (RFC 8446 §5.1) or DTLS or QUIC CRYPTO frames.
    Tls,
    /// The SSL 2.0 CLIENT-HELLO, also with a newer version inside (RFC 5246 appendix E.2).
    SslV2,
}

/// How far a hello could be read before its bytes ran out. Ordered: more is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HelloExtent {
    /// Only the version is certain.
    Version,
    /// The list of suites is cut short.
    Suites,
    /// Suites are complete; extensions are missing or cut short.
    Extensions,
    /// Suites, the types of extensions, and the groups where there are any are complete, and of
    /// `supported_versions` the highest at most is known. No hello is cut like that: it is what
    /// the log of another program tells of a whole one.
    Listed,
    /// All of it was there.
    Whole,
}

/// What a client offers, without what differs from one hello to the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Offer {
    /// The wrapping.
    pub format: HelloFormat,
    /// `client_version` or `legacy_version` of the message, never of the record.
    pub legacy_version: u16,
    /// `supported_versions` (RFC 8446 §4.2.1) as sent, GREASE included; `None` without it.
    pub supported_versions: Option<Vec<u16>>,
    /// Suites in the order sent, GREASE and signalling values included. Of an SSLv2 hello only
    /// the specs that name TLS suites (first byte zero).
    pub cipher_suites: Vec<u16>,
    /// SSL 2.0 cipher kinds (first byte not zero) of an SSLv2 hello.
    pub sslv2_ciphers: Vec<u32>,
    /// Compression methods in the order sent.
    pub compression_methods: Vec<u8>,
    /// Extension types in the order sent, GREASE included; `None` when there is no block at all.
    pub extensions: Option<Vec<u16>>,
    /// `supported_groups` (RFC 8422 §5.1.1, RFC 7919) as sent; `None` without the extension.
    pub groups: Option<Vec<u16>>,
    /// Groups for which a key share was sent (RFC 8446 §4.2.8).
    pub key_share_groups: Vec<u16>,
    /// `signature_algorithms` (RFC 8446 §4.2.3) as sent; `None` without the extension.
    pub signature_algorithms: Option<Vec<u16>>,
    /// `ec_point_formats` (RFC 8422 §5.1.2); `None` without the extension.
    pub ec_point_formats: Option<Vec<u8>>,
    /// ALPN protocol names in the order sent (RFC 7301 §3.1).
    pub alpn: Vec<Box<[u8]>>,
    /// How much of the hello was there; lists behind the cut are incomplete or absent.
    pub extent: HelloExtent,
    /// MD5 over the JA3 string; `None` for SSLv2 hellos and hellos that are not whole.
    pub ja3: Option<[u8; 16]>,
    /// JA4 (FoxIO, BSD licence); `None` for SSLv2 hellos and hellos that are not whole.
    pub ja4: Option<Box<str>>,
}

/// `TLS_FALLBACK_SCSV` (RFC 7507): this hello is a retry with a lower version.
const FALLBACK_SCSV: u16 = 0x5600;
/// `supported_versions` (RFC 8446 §4.2).
const SUPPORTED_VERSIONS: u16 = 43;
/// `encrypted_client_hello` (RFC 9849 §11.1).
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;

impl Offer {
    /// An offer of which only the version is known; of version 0 one of which nothing is.
    #[must_use]
    pub const fn empty(format: HelloFormat, legacy_version: u16) -> Self {
        Self {
            format,
            legacy_version,
            supported_versions: None,
            cipher_suites: Vec::new(),
            sslv2_ciphers: Vec::new(),
            compression_methods: Vec::new(),
            extensions: None,
            groups: None,
            key_share_groups: Vec::new(),
            signature_algorithms: None,
            ec_point_formats: None,
            alpn: Vec::new(),
            extent: HelloExtent::Version,
            ja3: None,
            ja4: None,
        }
    }

    /// The versions offered, oldest first and without duplicates, as far as they are certain.
    ///
    /// With `supported_versions` only what it names (RFC 8446 §4.2.1), else everything up to the
    /// hello's version that TLS clients are known to mean by it: SSL 3.0 to that version.
    #[must_use]
    pub fn versions(&self) -> Vec<Version> {
        let mut versions: Vec<Version> = match &self.supported_versions {
            Some(list) => list.iter().filter_map(|&wire| Version::from_wire(wire)).collect(),
            None => {
                let top = self.legacy_version;
                match Version::from_wire(top) {
                    // A hello of the old format can't ask for TLS 1.3.
                    Some(Version::Tls13) => Version::ALL[1..=4].to_vec(),
                    Some(top @ (Version::Dtls10 | Version::Dtls12 | Version::Dtls13)) => {
                        Version::ALL
                            .into_iter()
                            .filter(|v| *v >= Version::Dtls10 && *v <= top)
                            .collect()
                    }
                    Some(Version::Ssl2) => vec![Version::Ssl2],
                    Some(top) => Version::ALL
                        .into_iter()
                        .filter(|v| *v >= Version::Ssl3 && *v <= top)
                        .collect(),
                    // Versions above all known ones ask for the best there is (RFC 5246 §E.1).
                    None if (0x0305..0x8000).contains(&top) => Version::ALL[1..=4].to_vec(),
                    None => Vec::new(),
                }
            }
        };
        versions.sort_unstable();
        versions.dedup();
        versions
    }

    /// The highest version offered; `None` when it can't be told, as when the hello is cut before
    /// extensions that might raise it.
    #[must_use]
    pub fn max_version(&self) -> Option<Version> {
        // Only a hello of TLS 1.2 or DTLS 1.2 may be raised by `supported_versions` (RFC 8446
        // §4.1.2, RFC 9147 §5.3).
        let may_be_raised = self.extent < HelloExtent::Whole
            && !self.lacks(SUPPORTED_VERSIONS)
            && self.supported_versions.is_none()
            && matches!(self.legacy_version, 0x0303..0x0400 | 0x7e00 | 0x7e10..=0x7eff | 0xfefd);
        if may_be_raised { None } else { self.certain_max() }
    }

    /// The highest of [`Self::versions`].
    #[must_use]
    pub fn certain_max(&self) -> Option<Version> {
        match &self.supported_versions {
            Some(list) => list.iter().filter_map(|&wire| Version::from_wire(wire)).max(),
            None => match Version::from_wire(self.legacy_version) {
                // A hello of the old format can't ask for TLS 1.3.
                Some(Version::Tls13) => Some(Version::Tls12),
                Some(top) => Some(top),
                None => self.versions().last().copied(),
            },
        }
    }

    /// Whether an extension is certainly not among those of the hello.
    #[must_use]
    pub fn lacks(&self, extension: u16) -> bool {
        let is_known = match self.extent {
            HelloExtent::Whole => true,
            HelloExtent::Listed => self.extensions.is_some(),
            _ => false,
        };
        is_known && !self.has_extension(extension)
    }

    /// Whether nothing is known but that a hello was sent, as of one that another program only
    /// named: it has no version at all, which none on the wire has.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.legacy_version == 0
            && self.extent == HelloExtent::Version
            && self.supported_versions.is_none()
    }

    /// Whether the hello carries `TLS_FALLBACK_SCSV` (RFC 7507): a retry after a failure.
    #[must_use]
    pub fn is_fallback(&self) -> bool {
        self.cipher_suites.contains(&FALLBACK_SCSV)
    }

    /// Whether Encrypted ClientHello is offered (RFC 9849 §5); `None` when the hello is cut.
    ///
    /// What is offered may be a decoy (§6.2), and only the keys of the connection tell whether it
    /// was accepted: then the hello seen is the outer one, and its name the one of the front.
    #[must_use]
    pub fn offers_ech(&self) -> Option<bool> {
        match self.has_extension(ENCRYPTED_CLIENT_HELLO) {
            true => Some(true),
            false => self.lacks(ENCRYPTED_CLIENT_HELLO).then_some(false),
        }
    }

    /// Whether an extension of this type was sent.
    #[must_use]
    pub fn has_extension(&self, number: u16) -> bool {
        self.extensions.as_ref().is_some_and(|list| list.contains(&number))
    }
}

/// Whether a suite, group, extension or version is one of the reserved values of RFC 8701 §2.
#[must_use]
pub const fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && high & 0x0f == 0x0a
}

/// A ClientHello as it was seen in one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHello {
    /// What it offers.
    pub offer: Arc<Offer>,
    /// Version of the record around it: often lower than the hello's, no evidence of anything.
    /// Zero in QUIC, which has no records.
    pub record_version: u16,
    /// `random`, or the challenge of an SSLv2 hello right-aligned as RFC 5246 §E.2 says.
    pub random: [u8; 32],
    /// Length of `session_id` in bytes, 0 to 32.
    pub session_id_len: u8,
    /// Whether the hello carries a session ticket or a PSK with content.
    pub offers_ticket: bool,
    /// `server_name` (RFC 6066 §3) as sent, bytes that are no UTF-8 replaced.
    pub server_name: Option<Arc<str>>,
    /// Where its last byte arrived.
    pub at: Mark,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_is_the_last_of_all() {
        let check = |offer: &Offer| {
            assert_eq!(offer.certain_max(), offer.versions().last().copied(), "{offer:?}");
        };
        for version in 0..=u16::MAX {
            let mut offer = Offer::empty(HelloFormat::Tls, version);
            check(&offer);
            offer.supported_versions = Some(vec![0x0301, version, 0x0303]);
            check(&offer);
        }
    }
}

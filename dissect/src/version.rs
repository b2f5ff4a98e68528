//! Protocol versions: the numbers on the wire and the names in reports.

use std::fmt;

/// A version of SSL, TLS or DTLS, ordered from oldest to newest within its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// SSL 2.0, prohibited by RFC 6176.
    Ssl2,
    /// SSL 3.0 (RFC 6101), prohibited by RFC 7568.
    Ssl3,
    /// TLS 1.0 (RFC 2246), deprecated by RFC 8996.
    Tls10,
    /// TLS 1.1 (RFC 4346), deprecated by RFC 8996.
    Tls11,
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446), its drafts and its experiments.
    Tls13,
    /// DTLS 1.0 (RFC 4347).
    Dtls10,
    /// DTLS 1.2 (RFC 6347).
    Dtls12,
    /// DTLS 1.3 (RFC 9147).
    Dtls13,
}

impl Version {
    /// The version that a number on the wire stands for; `None` for GREASE (RFC 8701) and for
    /// numbers that nobody assigned.
    ///
    /// Drafts of TLS 1.3 (`0x7fNN`), Chrome's and Google's experiments (`0x7e0N`, `0x7a..` is
    /// GREASE and no version) and Facebook's variant (`0xfbNN`) count as TLS 1.3.
    #[must_use]
    pub const fn from_wire(wire: u16) -> Option<Self> {
        match wire {
            0x0002 => Some(Self::Ssl2),
            0x0300 => Some(Self::Ssl3),
            0x0301 => Some(Self::Tls10),
            0x0302 => Some(Self::Tls11),
            0x0303 => Some(Self::Tls12),
            0x0304 | 0x7e01..=0x7e0f | 0x7f00..=0x7fff | 0xfb00..=0xfbff => Some(Self::Tls13),
            0xfeff => Some(Self::Dtls10),
            0xfefd => Some(Self::Dtls12),
            0xfefc => Some(Self::Dtls13),
            _ => None,
        }
    }

    /// The name that reports use, such as `TLSv1.0`; never `TLSv1` alone.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ssl2 => "SSLv2",
            Self::Ssl3 => "SSLv3",
            Self::Tls10 => "TLSv1.0",
            Self::Tls11 => "TLSv1.1",
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
            Self::Dtls10 => "DTLSv1.0",
            Self::Dtls12 => "DTLSv1.2",
            Self::Dtls13 => "DTLSv1.3",
        }
    }

    /// The version of a report's name, the inverse of [`Version::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.name() == name)
    }

    /// Every version, oldest first.
    pub const ALL: [Self; 9] = [
        Self::Ssl2,
        Self::Ssl3,
        Self::Tls10,
        Self::Tls11,
        Self::Tls12,
        Self::Tls13,
        Self::Dtls10,
        Self::Dtls12,
        Self::Dtls13,
    ];
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_numbers_map_to_versions() {
        let check = |wire, expect| assert_eq!(Version::from_wire(wire), expect, "{wire:#06x}");
        check(0x0301, Some(Version::Tls10));
        check(0x0304, Some(Version::Tls13));
        check(0x7f1c, Some(Version::Tls13)); // draft 28
        check(0x7e01, Some(Version::Tls13)); // Chrome 63 experiment
        check(0xfb1a, Some(Version::Tls13)); // Facebook's draft 26
        check(0x0a0a, None); // GREASE
        check(0x7a7a, None); // GREASE
        check(0xfafa, None); // GREASE
        check(0x0305, None);
        check(0xfeff, Some(Version::Dtls10));
    }

    #[test]
    fn names_round_trip() {
        for version in Version::ALL {
            assert_eq!(Version::from_name(version.name()), Some(version));
        }
        assert_eq!(Version::from_name("TLSv1"), None);
    }
}

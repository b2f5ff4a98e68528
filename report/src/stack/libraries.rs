//! Libraries that programs bring along, and what others have in common when they are held below
//! TLS 1.2.
//!
//! The traits were read off handshakes of the libraries themselves (`tests/hellos.txt` has them).
//! A library whose hellos its users can bend into another's shape is left unknown.

use dissect::Version;

use super::table::{
    ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET, RENEGOTIATION_INFO, Row, SCSV, SERVER_NAME,
    SIGNATURE_ALGORITHMS, STATUS_REQUEST_V2, SUPPORTED_VERSIONS, has_camellia, is_of_a_later_age,
};
use super::{Family, Look};

const RECORD_SIZE_LIMIT: u16 = 28;
const SIGNED_CERTIFICATE_TIMESTAMP: u16 = 18;

/// The suites of rustls, in its order, without the signal for renegotiation.
const RUSTLS: [u16; 9] = [0x1302, 0x1301, 0x1303, 0xc02c, 0xc02b, 0xcca9, 0xc030, 0xc02f, 0xcca8];

impl Look<'_> {
    /// Whether the extensions begin so, leaving out those that come and go with the settings.
    fn begins_extensions(&self, optional: &[u16], list: &[u16]) -> bool {
        let mut rest = self.extensions.iter().filter(|number| !optional.contains(number));
        list.iter().all(|wanted| rest.next() == Some(wanted))
    }

    fn has_in_a_row(&self, list: &[u16]) -> bool {
        self.extensions.windows(list.len()).any(|part| part == list)
    }

    /// Whether a signal or an extension shows safe renegotiation (RFC 5746).
    fn shows_renegotiation(&self) -> bool {
        self.has(SCSV) || self.extends(RENEGOTIATION_INFO)
    }
}

/// Go's extensions, in the order up to 1.23 or from 1.24 on: name, signature algorithms, ALPN,
/// master secret and tickets come and go.
fn extends_as_go(look: &Look<'_>) -> bool {
    let optional = [SERVER_NAME, SIGNATURE_ALGORITHMS, 16, EXTENDED_MASTER_SECRET, 35];
    let (sct, reneg) = (SIGNED_CERTIFICATE_TIMESTAMP, RENEGOTIATION_INFO);
    look.begins_extensions(&optional, &[5, 10, 11, reneg, sct, SUPPORTED_VERSIONS])
        || look.begins_extensions(&optional, &[11, reneg, sct, 5, 10, SUPPORTED_VERSIONS])
}

pub(super) const LIBRARIES: [Row; 9] = [
    Row {
        name: "Java 8 or later (held below TLS 1.2)",
        family: Family::Java,
        gate: |look| look.ends_at(Version::Tls11) && look.extends(STATUS_REQUEST_V2),
        traits: &[
            (3, "certificate status of version 2, which Java offers", |look| {
                look.extends(STATUS_REQUEST_V2)
            }),
            (2, "its versions in an extension, though none is above TLS 1.1", |look| {
                look.extends(SUPPORTED_VERSIONS)
            }),
            (1, "status, master secret, versions, in this order", |look| {
                look.has_in_a_row(&[STATUS_REQUEST_V2, EXTENDED_MASTER_SECRET, SUPPORTED_VERSIONS])
            }),
        ],
        threshold: 5,
    },
    Row {
        name: "OpenSSL 1.0.1 or later (held below TLS 1.2)",
        family: Family::OpenSsl,
        gate: |look| {
            let is_101 = look.groups.starts_with(&[14, 13, 25]) && has_camellia(look);
            look.ends_at(Version::Tls11)
                && !look.has_grease
                && look.suites.last() == Some(&SCSV)
                && (is_101 || is_of_a_later_age(look))
        },
        traits: &[
            (2, "all three point formats", |look| look.point_formats() == [0, 1, 2]),
            (2, "point formats, then curves", |look| look.has_in_a_row(&[11, 10])),
            (1, "curves in the order of 1.0.1 (sect571r1, sect571k1, P-521)", |look| {
                look.groups.starts_with(&[14, 13, 25])
            }),
            (1, "curves or extensions of 1.0.2 or later", is_of_a_later_age),
        ],
        threshold: 5,
    },
    Row {
        name: "Go (crypto/tls)",
        family: Family::Go,
        gate: |look| extends_as_go(look) && !look.has_grease && !look.has(SCSV),
        traits: &[
            (4, "Go's extensions in Go's order", extends_as_go),
            (1, "uncompressed points only", |look| look.point_formats() == [0]),
        ],
        threshold: 5,
    },
    Row {
        name: "GnuTLS 3.6.3 or later",
        family: Family::GnuTls,
        gate: |look| {
            look.has_in_a_row(&[ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET])
                && look.extends(RECORD_SIZE_LIMIT)
                && look.extends(RENEGOTIATION_INFO)
                && !look.has_grease
        },
        traits: &[
            (3, "encrypt-then-MAC, master secret, record size limit", |look| {
                look.extends(RECORD_SIZE_LIMIT)
            }),
            (2, "renegotiation by the extension, not by the signal", |look| !look.has(SCSV)),
        ],
        threshold: 5,
    },
    Row {
        name: "NSS (Firefox and others)",
        family: Family::Nss,
        gate: |look| {
            let order = [EXTENDED_MASTER_SECRET, RENEGOTIATION_INFO, 10, 11];
            look.begins_extensions(&[SERVER_NAME], &order)
                && look.extends(RECORD_SIZE_LIMIT)
                && !look.extends(ENCRYPT_THEN_MAC)
                && !look.has(SCSV)
                && !look.has_grease
        },
        traits: &[
            (3, "master secret, renegotiation, curves, point formats, in this order", |look| {
                look.extends(EXTENDED_MASTER_SECRET)
            }),
            (2, "a record size limit, no reserved values", |look| look.extends(RECORD_SIZE_LIMIT)),
        ],
        threshold: 5,
    },
    Row {
        name: "rustls",
        family: Family::Rustls,
        gate: |look| look.reaches(Version::Tls12) && !look.has_grease,
        traits: &[(5, "the nine suites of rustls in its order", |look| {
            look.suites.iter().filter(|suite| **suite != SCSV).eq(&RUSTLS)
        })],
        threshold: 5,
    },
    Row {
        name: "Mbed TLS",
        family: Family::MbedTls,
        gate: |look| {
            let optional = [SERVER_NAME, 1, SIGNATURE_ALGORITHMS, 16];
            let order = [10, 11, ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET];
            look.begins_extensions(&optional, &order) && !look.has_grease
        },
        traits: &[
            (3, "curves, point formats, encrypt-then-MAC, master secret, in this order", |look| {
                look.has_in_a_row(&[10, 11, ENCRYPT_THEN_MAC, EXTENDED_MASTER_SECRET])
            }),
            (1, "the renegotiation signal last", |look| look.suites.last() == Some(&SCSV)),
            (1, "uncompressed points only", |look| look.point_formats() == [0]),
        ],
        threshold: 5,
    },
    Row {
        name: "wolfSSL",
        family: Family::WolfSsl,
        gate: |look| {
            look.has_in_a_row(&[SIGNATURE_ALGORITHMS, 11, 10]) && !look.shows_renegotiation()
        },
        traits: &[
            (3, "signature algorithms, point formats, curves, in this order", |look| {
                look.has_in_a_row(&[SIGNATURE_ALGORITHMS, 11, 10])
            }),
            (1, "nothing said of renegotiation", |look| !look.shows_renegotiation()),
            (1, "uncompressed points only", |look| look.point_formats() == [0]),
        ],
        threshold: 5,
    },
    Row {
        name: "BearSSL",
        family: Family::BearSsl,
        gate: |look| {
            let order = [RENEGOTIATION_INFO, SIGNATURE_ALGORITHMS, 10, 11];
            look.begins_extensions(&[SERVER_NAME, 1], &order) && !look.has_grease
        },
        traits: &[
            (
                3,
                "renegotiation, signature algorithms, curves, point formats, in this order",
                |look| look.extensions.first() == Some(&RENEGOTIATION_INFO),
            ),
            (2, "P-256, P-384, P-521 before curve25519", |look| {
                look.groups.starts_with(&[23, 24, 25])
            }),
        ],
        threshold: 5,
    },
];

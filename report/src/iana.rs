//! Names of the numbers that TLS carries, as IANA registers them.
//!
//! Suites come from the registry's table in `tls-parser`; what that table lacks, the groups and
//! the alerts are listed here. A number without a name is shown as a number and never guessed.

mod extensions;

use std::fmt;

use tls_parser::TlsCipherSuite;

pub use extensions::{Extension, extension};

/// The registered name of a cipher suite; `None` when nobody registered the number.
#[must_use]
pub fn cipher_suite(number: u16) -> Option<&'static str> {
    match TlsCipherSuite::from_id(number) {
        Some(suite) => Some(suite.name),
        None => name_in(SUITES, number),
    }
}

/// The number of a cipher suite's registered name.
#[must_use]
pub fn cipher_suite_number(name: &str) -> Option<u16> {
    match TlsCipherSuite::from_name(name) {
        Some(suite) => Some(suite.id.0),
        None => number_in(SUITES, name),
    }
}

/// The number of a group's registered name.
#[must_use]
pub fn group_number(name: &str) -> Option<u16> {
    number_in(GROUPS, name)
}

/// The registered name of a signature algorithm; `None` when nobody registered the number.
#[must_use]
pub fn signature_scheme(number: u16) -> Option<&'static str> {
    name_in(SIGNATURE_SCHEMES, number)
}

/// The number of a signature algorithm's registered name.
#[must_use]
pub fn signature_scheme_number(name: &str) -> Option<u16> {
    number_in(SIGNATURE_SCHEMES, name)
}

/// The registered name of a supported group; `GREASE` for the reserved values of RFC 8701.
#[must_use]
pub fn group(number: u16) -> Option<&'static str> {
    if dissect::is_grease(number) { Some("GREASE") } else { name_in(GROUPS, number) }
}

/// The name of an alert description in the RFC's spelling, such as `protocol_version`.
#[must_use]
pub fn alert(number: u8) -> Option<&'static str> {
    name_in(ALERTS, u16::from(number))
}

/// A cipher suite as reports show it: the name, or the number as `0xc755`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CipherSuite(pub u16);

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_or_hex(f, cipher_suite(self.0), self.0)
    }
}

/// A group as reports show it: the name, or the number as `0x1234`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(pub u16);

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        name_or_hex(f, group(self.0), self.0)
    }
}

/// An alert description as reports show it: the name, or the number in decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertDescription(pub u8);

impl fmt::Display for AlertDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match alert(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

fn name_or_hex(f: &mut fmt::Formatter<'_>, name: Option<&str>, number: u16) -> fmt::Result {
    match name {
        Some(name) => f.write_str(name),
        None => write!(f, "{number:#06x}"),
    }
}

/// Looks a number up in a table that ascends by number.
fn name_in(table: &[(u16, &'static str)], number: u16) -> Option<&'static str> {
    let index = table.binary_search_by_key(&number, |(known, _)| *known).ok()?;
    table.get(index).map(|(_, name)| *name)
}

/// Looks a name up in a table.
fn number_in(table: &[(u16, &'static str)], name: &str) -> Option<u16> {
    table.iter().find_map(|(number, known)| (*known == name).then_some(*number))
}

/// Suites that the table of `tls-parser` lacks (RFC 9189, RFC 9367).
const SUITES: &[(u16, &str)] = &[
    (0xc100, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC"),
    (0xc101, "TLS_GOSTR341112_256_WITH_MAGMA_CTR_OMAC"),
    (0xc102, "TLS_GOSTR341112_256_WITH_28147_CNT_IMIT"),
    (0xc103, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L"),
    (0xc104, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_L"),
    (0xc105, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S"),
    (0xc106, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S"),
];

/// The registry "TLS Supported Groups".
const GROUPS: &[(u16, &str)] = &[
    (1, "sect163k1"),
    (2, "sect163r1"),
    (3, "sect163r2"),
    (4, "sect193r1"),
    (5, "sect193r2"),
    (6, "sect233k1"),
    (7, "sect233r1"),
    (8, "sect239k1"),
    (9, "sect283k1"),
    (10, "sect283r1"),
    (11, "sect409k1"),
    (12, "sect409r1"),
    (13, "sect571k1"),
    (14, "sect571r1"),
    (15, "secp160k1"),
    (16, "secp160r1"),
    (17, "secp160r2"),
    (18, "secp192k1"),
    (19, "secp192r1"),
    (20, "secp224k1"),
    (21, "secp224r1"),
    (22, "secp256k1"),
    (23, "secp256r1"),
    (24, "secp384r1"),
    (25, "secp521r1"),
    (26, "brainpoolP256r1"),
    (27, "brainpoolP384r1"),
    (28, "brainpoolP512r1"),
    (29, "x25519"),
    (30, "x448"),
    (31, "brainpoolP256r1tls13"),
    (32, "brainpoolP384r1tls13"),
    (33, "brainpoolP512r1tls13"),
    (34, "GC256A"),
    (35, "GC256B"),
    (36, "GC256C"),
    (37, "GC256D"),
    (38, "GC512A"),
    (39, "GC512B"),
    (40, "GC512C"),
    (41, "curveSM2"),
    (256, "ffdhe2048"),
    (257, "ffdhe3072"),
    (258, "ffdhe4096"),
    (259, "ffdhe6144"),
    (260, "ffdhe8192"),
    (512, "MLKEM512"),
    (513, "MLKEM768"),
    (514, "MLKEM1024"),
    (4587, "SecP256r1MLKEM768"),
    (4588, "X25519MLKEM768"),
    (4589, "SecP384r1MLKEM1024"),
    (4590, "curveSM2MLKEM768"),
    (25497, "X25519Kyber768Draft00"),
    (25498, "SecP256r1Kyber768Draft00"),
    (65281, "arbitrary_explicit_prime_curves"),
    (65282, "arbitrary_explicit_char2_curves"),
];

/// The registry "TLS SignatureScheme", and pairs of RFC 5246 §7.4.1.4.1 that TLS 1.3 dropped.
const SIGNATURE_SCHEMES: &[(u16, &str)] = &[
    (0x0201, "rsa_pkcs1_sha1"),
    (0x0202, "dsa_sha1"),
    (0x0203, "ecdsa_sha1"),
    (0x0301, "rsa_pkcs1_sha224"),
    (0x0303, "ecdsa_sha224"),
    (0x0401, "rsa_pkcs1_sha256"),
    (0x0402, "dsa_sha256"),
    (0x0403, "ecdsa_secp256r1_sha256"),
    (0x0420, "rsa_pkcs1_sha256_legacy"),
    (0x0501, "rsa_pkcs1_sha384"),
    (0x0503, "ecdsa_secp384r1_sha384"),
    (0x0520, "rsa_pkcs1_sha384_legacy"),
    (0x0601, "rsa_pkcs1_sha512"),
    (0x0603, "ecdsa_secp521r1_sha512"),
    (0x0620, "rsa_pkcs1_sha512_legacy"),
    (0x0708, "sm2sig_sm3"),
    (0x0804, "rsa_pss_rsae_sha256"),
    (0x0805, "rsa_pss_rsae_sha384"),
    (0x0806, "rsa_pss_rsae_sha512"),
    (0x0807, "ed25519"),
    (0x0808, "ed448"),
    (0x0809, "rsa_pss_pss_sha256"),
    (0x080a, "rsa_pss_pss_sha384"),
    (0x080b, "rsa_pss_pss_sha512"),
    (0x081a, "ecdsa_brainpoolP256r1tls13_sha256"),
    (0x081b, "ecdsa_brainpoolP384r1tls13_sha384"),
    (0x081c, "ecdsa_brainpoolP512r1tls13_sha512"),
    (0x0904, "mldsa44"),
    (0x0905, "mldsa65"),
    (0x0906, "mldsa87"),
];

/// The registry "TLS Alerts"; reserved ones under the names that RFC 2246 gave them.
const ALERTS: &[(u16, &str)] = &[
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (30, "decompression_failure"),
    (40, "handshake_failure"),
    (41, "no_certificate"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (52, "too_many_cids_requested"),
    (60, "export_restriction"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (111, "certificate_unobtainable"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (114, "bad_certificate_hash_value"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (117, "general_error"),
    (120, "no_application_protocol"),
    (121, "ech_required"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_have_their_registered_names() {
        let check = |number, expect| assert_eq!(CipherSuite(number).to_string(), expect);
        check(0x0005, "TLS_RSA_WITH_RC4_128_SHA");
        check(0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
        check(0x1301, "TLS_AES_128_GCM_SHA256");
        check(0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV");
        check(0x5600, "TLS_FALLBACK_SCSV");
        check(0xc106, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S");
        check(0xc755, "0xc755");
        check(0x001c, "0x001c");
    }

    #[test]
    fn groups_have_their_registered_names() {
        let check = |number, expect| assert_eq!(Group(number).to_string(), expect);
        check(23, "secp256r1");
        check(29, "x25519");
        check(4588, "X25519MLKEM768");
        check(256, "ffdhe2048");
        check(1, "sect163k1");
        check(0x2a2a, "GREASE");
        check(0x1234, "0x1234");
        check(0, "0x0000");
    }

    #[test]
    fn alerts_have_the_names_of_the_rfcs() {
        let check = |number, expect| assert_eq!(AlertDescription(number).to_string(), expect);
        check(70, "protocol_version");
        check(40, "handshake_failure");
        check(86, "inappropriate_fallback");
        check(0, "close_notify");
        check(99, "99");
    }

    #[test]
    fn tables_ascend_so_that_every_entry_is_found() {
        for table in [SUITES, GROUPS, SIGNATURE_SCHEMES, ALERTS] {
            for (number, name) in table {
                assert_eq!(name_in(table, *number), Some(*name));
            }
        }
    }
}

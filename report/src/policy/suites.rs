//! What the number of a suite says, by the IANA registry "TLS Cipher Suites".

use tls_parser::{TlsCipherAu, TlsCipherKx, TlsCipherSuite};

/// Whether a suite of TLS 1.2 or below agrees on keys over a named group, so that client and
/// server have to share one: ECDHE, and ECDH with a certificate's key (RFC 8422 §2).
///
/// Finite-field DHE does not count: a server may send any group (RFC 5246 §7.4.3).
pub(super) const fn needs_group(suite: u16) -> bool {
    matches!(
        suite,
        0xc001..=0xc019 // RFC 8422 and its predecessor, anonymous ones included
            | 0xc023..=0xc032 // RFC 5289
            | 0xc033..=0xc03b // RFC 5489, with PSK
            | 0xc048..=0xc04f | 0xc05c..=0xc063 | 0xc070..=0xc071 // ARIA, RFC 6209
            | 0xc072..=0xc079 | 0xc086..=0xc08d | 0xc09a..=0xc09b // Camellia, RFC 6367
            | 0xc0ac..=0xc0af // CCM, RFC 7251
            | 0xcc13..=0xcc14 // ChaCha20 before its RFC
            | 0xcca8..=0xcca9 | 0xccac // ChaCha20, RFC 7905
            | 0xd001..=0xd005 // RFC 8442, with PSK
    )
}

/// Whether a suite of TLS 1.2 or below has the server sign its part of the key exchange, with an
/// algorithm that the client names (RFC 5246 §7.4.3).
pub(super) fn needs_signature(suite: u16) -> bool {
    TlsCipherSuite::from_id(suite).is_some_and(|suite| {
        matches!(suite.kx, TlsCipherKx::Dhe | TlsCipherKx::Ecdhe)
            && matches!(suite.au, TlsCipherAu::Rsa | TlsCipherAu::Dss | TlsCipherAu::Ecdsa)
    })
}

/// Whether a suite exists in TLS 1.2 or 1.3 only, so that a client that offers it knows one of
/// them: authenticated encryption, and SHA-256 or SHA-384 as the MAC (RFC 5246 §1.2, §5).
///
/// CBC suites with PSK and SHA-256 are allowed in older versions (RFC 5487 §3.2, RFC 5489 §3.2)
/// and tell nothing.
pub(crate) const fn is_tls12_suite(suite: u16) -> bool {
    matches!(
        suite,
        0x003b..=0x0040 | 0x0067..=0x006d // SHA-256, RFC 5246 §A.5
            | 0x009c..=0x00ad // GCM, RFC 5288 and RFC 5487
            | 0x00ba..=0x00c5 // Camellia with SHA-256, RFC 5932
            | 0x1301..=0x1307 // TLS 1.3
            | 0xc023..=0xc032 // RFC 5289
            | 0xc03c..=0xc063 | 0xc06a..=0xc06f // ARIA, RFC 6209
            | 0xc072..=0xc093 // Camellia, RFC 6367
            | 0xc09c..=0xc0af // CCM, RFC 6655 and RFC 7251
            | 0xcc13..=0xcc15 | 0xcca8..=0xccae // ChaCha20
            | 0xd001..=0xd005 // RFC 8442
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecdhe_needs_a_group_and_rsa_and_dhe_need_none() {
        for suite in [0xc013, 0xc014, 0xc009, 0xc02b, 0xc02f, 0xc030, 0xc027, 0xcca8, 0xc0ac] {
            assert!(needs_group(suite), "{suite:#06x}");
        }
        for suite in [0x002f, 0x0035, 0x003c, 0x009c, 0x009d, 0x0033, 0x009e, 0x000a, 0x0005] {
            assert!(!needs_group(suite), "{suite:#06x}");
        }
    }

    #[test]
    fn ephemeral_suites_are_signed_and_static_and_anonymous_ones_are_not() {
        for suite in [0xc013, 0xc02f, 0xc02b, 0x0033, 0x0032, 0x009e, 0xcca8] {
            assert!(needs_signature(suite), "{suite:#06x}");
        }
        for suite in [0x002f, 0x009c, 0x000a, 0x0018, 0xc018, 0x008c] {
            assert!(!needs_signature(suite), "{suite:#06x}");
        }
    }

    #[test]
    fn gcm_and_sha2_tell_that_a_client_knows_tls12() {
        for suite in [0x003c, 0x003d, 0x009c, 0x009d, 0x009e, 0xc027, 0xc02b, 0xc02f, 0xcca8] {
            assert!(is_tls12_suite(suite), "{suite:#06x}");
        }
        for suite in [0x0004, 0x000a, 0x002f, 0x0035, 0x0033, 0x0041, 0xc013, 0xc014, 0x00ff] {
            assert!(!is_tls12_suite(suite), "{suite:#06x}");
        }
        assert!(!is_tls12_suite(0x5600));
    }
}

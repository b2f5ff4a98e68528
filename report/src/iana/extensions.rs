//! Extensions of the hellos, by the registry "TLS ExtensionType Values".

use std::fmt;

use super::name_in;

/// The registered name of an extension; `GREASE` for the reserved values of RFC 8701.
#[must_use]
pub fn extension(number: u16) -> Option<&'static str> {
    if dissect::is_grease(number) { Some("GREASE") } else { name_in(EXTENSIONS, number) }
}

/// An extension as reports show it: the name, or the number as `0x1234`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension(pub u16);

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::name_or_hex(f, extension(self.0), self.0)
    }
}

/// Those that clients send, with what browsers sent before they were registered.
const EXTENSIONS: &[(u16, &str)] = &[
    (0, "server_name"),
    (1, "max_fragment_length"),
    (4, "truncated_hmac"),
    (5, "status_request"),
    (10, "supported_groups"),
    (11, "ec_point_formats"),
    (12, "srp"),
    (13, "signature_algorithms"),
    (14, "use_srtp"),
    (15, "heartbeat"),
    (16, "application_layer_protocol_negotiation"),
    (17, "status_request_v2"),
    (18, "signed_certificate_timestamp"),
    (19, "client_certificate_type"),
    (20, "server_certificate_type"),
    (21, "padding"),
    (22, "encrypt_then_mac"),
    (23, "extended_master_secret"),
    (24, "token_binding"),
    (27, "compress_certificate"),
    (28, "record_size_limit"),
    (34, "delegated_credential"),
    (35, "session_ticket"),
    (41, "pre_shared_key"),
    (42, "early_data"),
    (43, "supported_versions"),
    (44, "cookie"),
    (45, "psk_key_exchange_modes"),
    (47, "certificate_authorities"),
    (48, "oid_filters"),
    (49, "post_handshake_auth"),
    (50, "signature_algorithms_cert"),
    (51, "key_share"),
    (53, "connection_id_deprecated"),
    (54, "connection_id"),
    (57, "quic_transport_parameters"),
    (13172, "next_protocol_negotiation"),
    (17513, "application_settings_old"),
    (17613, "application_settings"),
    (30032, "channel_id"),
    (65037, "encrypted_client_hello"),
    (65281, "renegotiation_info"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_have_their_registered_names() {
        let check = |number, expect| assert_eq!(Extension(number).to_string(), expect);
        check(0, "server_name");
        check(43, "supported_versions");
        check(65281, "renegotiation_info");
        check(0x3a3a, "GREASE");
        check(0x1234, "0x1234");
        for (number, name) in EXTENSIONS {
            assert_eq!(extension(*number), Some(*name), "the table ascends");
        }
    }
}

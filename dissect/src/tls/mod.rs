//! SSL and TLS: records, handshake messages, hellos, certificates. Direction by direction, on
//! bytes that are in order; knows nothing of TCP.

mod certificate;
mod client_hello;
mod cursor;
mod fingerprint;
mod imprint;
mod intern;
mod joiner;
mod record;
mod server_hello;
mod sslv2;

pub(crate) use certificate::leaf_names;
pub(crate) use client_hello::ClientHelloParts;
pub(crate) use cursor::Cursor;
pub(crate) use intern::{Interner, ReadHello};
pub(crate) use joiner::{Joined, Joiner};
pub(crate) use record::{
    ContentType, RecordEvent, RecordReader, header_chain, header_in_place, idle_records,
    record_header,
};
pub(crate) use server_hello::{ServerHelloParts, named_curve};
pub(crate) use sslv2::{
    Sslv2Hello, client_hello_len as sslv2_client_hello_len, server_hello as sslv2_server_hello,
};

/// Handshake message types (RFC 8446 §4, RFC 5246 §7.4, RFC 6066 §8).
pub(crate) mod message {
    pub(crate) const CLIENT_HELLO: u8 = 1;
    pub(crate) const SERVER_HELLO: u8 = 2;
    /// Drafts of TLS 1.3 before 22.
    pub(crate) const HELLO_RETRY_REQUEST: u8 = 6;
    pub(crate) const CERTIFICATE: u8 = 11;
    pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
    pub(crate) const CERTIFICATE_REQUEST: u8 = 13;
    pub(crate) const SERVER_HELLO_DONE: u8 = 14;
    pub(crate) const CLIENT_KEY_EXCHANGE: u8 = 16;

    /// Whether a message of this type may stand in the clear at all.
    pub(crate) const fn is_known(kind: u8) -> bool {
        matches!(kind, 0..=6 | 8 | 11..=16 | 20..=24 | 67)
    }
}

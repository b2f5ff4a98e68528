//! DTLS 1.0 (RFC 4347), 1.2 (RFC 6347) and 1.3 (RFC 9147): the handshake in the clear.
//!
//! Datagrams arrive in any order, twice, or not at all, and a message may be spread over several.
//! Nothing is decrypted: of protected records only their header counts, as evidence that their
//! sender went over to encryption.

mod conversation;
mod record;

#[cfg(test)]
pub(super) mod tests;

pub(super) use conversation::{Conversation, hello_random};
pub(super) use record::{opens as opens_conversation, sealed_data};

//! UDP: the hellos of QUIC and DTLS, and the names in DNS answers.
//!
//! [`recognise`](recognise::recognise) tells by a datagram's first bytes whether it can matter;
//! most can't and cost nothing more. What remains goes to [`UdpTable`], which keeps its
//! connections apart from those of TCP, so that a flood of one never pushes out the other.
//!
//! Invariant: a connection is reported only when it showed a packet that chance can't make: an
//! Initial that its own key opens or with the exact structure of one, or a DTLS handshake record.

mod dns;
mod dtls;
mod pieces;
mod quic;
mod recognise;
mod table;

pub(crate) use table::{Datagram, UdpTable};

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz {
    //! What fuzzers attack here by itself.

    pub(crate) use super::quic::fuzz::frames as quic;

    /// A DNS message; what it tells is within the bounds that are promised.
    pub(crate) fn dns(message: &[u8]) {
        if let Some(answer) = super::dns::answer(message) {
            assert!(!answer.addresses.is_empty() && answer.addresses.len() <= 32);
            assert!(!answer.name.is_empty() && answer.name.len() <= 253 && answer.name.is_ascii());
        }
    }
}

#[cfg(test)]
mod testkit;

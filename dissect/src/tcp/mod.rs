//! TCP: sequence numbers and the order of bytes. Knows nothing of what the bytes mean.

mod assembler;
mod seq;

pub(crate) use assembler::{Assembler, GapCause, Sink};
pub(crate) use seq::Seq;

/// TCP flag bits as in byte 13 of the header (RFC 9293 §3.1).
pub(crate) mod flags {
    /// No more data from the sender.
    pub(crate) const FIN: u8 = 0x01;
    /// Synchronize sequence numbers.
    pub(crate) const SYN: u8 = 0x02;
    /// Reset the connection.
    pub(crate) const RST: u8 = 0x04;
    /// The acknowledgment field is significant.
    pub(crate) const ACK: u8 = 0x10;
}

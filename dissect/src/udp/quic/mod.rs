//! QUIC: the hellos in Initial packets, whose keys anyone can derive (RFC 9001 §5.2).
//!
//! Versions 1 (RFC 9000) and 2 (RFC 9369) and the last drafts of version 1. Nothing else is
//! decrypted, and nothing else can be. A connection is known by its two endpoints alone: when a
//! client moves to another address, what it sends from there is not followed.

mod conversation;
mod frames;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod keys;
mod packet;

#[cfg(test)]
pub(super) mod tests;

pub(super) use conversation::{Conversation, Step, opens_another};
pub(super) use packet::{ConnectionId, begins_initial, is_supported};

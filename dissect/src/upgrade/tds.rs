//! TDS before and during its TLS handshake ([MS-TDS] §2.2.3.1, §2.2.6.5).
//!
//! ```text
//! packet   type(1) status(1) length(2) channel(2) number(1) window(1), then length - 8 bytes
//! ```
//!
//! PRELOGIN goes back and forth in the clear, then the handshake's records travel inside packets.

use super::look::{Look, look};
use super::{Heard, PreludeFacts, Wrapping};
use crate::{Side, Upgrade};

pub(super) const PRELOGIN: u8 = 0x12;
pub(super) const REPLY: u8 = 0x04;
pub(super) const HEADER_LEN: usize = 8;

/// Longest packet ([MS-TDS] §2.2.3.1.3).
pub(super) const PACKET_MAX: usize = 32_767;

/// Option of PRELOGIN that negotiates encryption, and its value for "can't".
const ENCRYPTION: u8 = 1;
const NOT_SUPPORTED: u8 = 2;

/// Whether PRELOGIN begins here: `None` while it is too short to tell.
pub(super) fn may_open(start: &[u8]) -> Option<bool> {
    let fits = |at: usize, wanted: fn(u8) -> bool| start.get(at).is_none_or(|&byte| wanted(byte));
    // VERSION is the first option, and the option's table has some multiple of five bytes and one.
    let shape = fits(0, |kind| matches!(kind, PRELOGIN | REPLY))
        && fits(1, |status| status <= 1)
        && fits(2, |high| high <= 1)
        && fits(7, |window| window == 0)
        && fits(8, |option| option == 0)
        && fits(9, |high| high == 0)
        && fits(10, |low| low % 5 == 1);
    match (shape, start.len()) {
        (false, _) => Some(false),
        (true, 0..=10) => None,
        (true, _) => Some(true),
    }
}

/// Reads one packet.
pub(super) fn read(input: &[u8], facts: &mut PreludeFacts) -> Heard {
    let Some((header, rest)) = input.split_first_chunk::<HEADER_LEN>() else {
        return if matches!(input, [PRELOGIN | REPLY, ..]) { Heard::Partial } else { Heard::Plain };
    };
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if !matches!(header[0], PRELOGIN | REPLY) || !(HEADER_LEN + 1..=PACKET_MAX).contains(&len) {
        return Heard::Plain;
    }
    let role = facts.role;
    if role.is_some() {
        match look(rest.get(..len - HEADER_LEN).unwrap_or(rest), role) {
            Look::Yes => return Heard::Wrapped(Wrapping::Tds),
            Look::NeedMore if rest.len() < len - HEADER_LEN => return Heard::Partial,
            // A record whose first bytes alone fill a packet.
            Look::NeedMore => return Heard::Wrapped(Wrapping::Tds),
            Look::No => {}
        }
    }
    let side = if header[0] == PRELOGIN { Side::Client } else { Side::Server };
    if role.is_some_and(|role| role != side) || may_open(input) == Some(false) {
        return Heard::Plain;
    }
    let Some(payload) = rest.get(..len - HEADER_LEN) else { return Heard::Partial };
    facts.speaks(Upgrade::Tds, side);
    let willing = encryption(payload).is_some_and(|value| value != NOT_SUPPORTED);
    match side {
        Side::Client => facts.asked = willing,
        Side::Server => {
            facts.offered = willing;
            facts.refused = !willing;
        }
    }
    Heard::Message(len)
}

/// The value of the encryption option.
fn encryption(payload: &[u8]) -> Option<u8> {
    for option in payload.chunks_exact(5) {
        match *option {
            [ENCRYPTION, high, low, ..] => {
                return payload.get(usize::from(u16::from_be_bytes([high, low]))).copied();
            }
            [0xff, ..] => return None,
            _ => {}
        }
    }
    None
}

//! RDP's negotiation in X.224 connection packets ([MS-RDPBCGR] §2.2.1.1 and §2.2.1.2).
//!
//! ```text
//! TPKT           03 00 length(2)
//! X.224          length(1) e0|d0 destination(2) source(2) class(1)
//! client only    cookie or routing token, ends with CR LF
//! negotiation    01|02|03 flags(1) 08 00 protocols or failure(4, low byte first)
//! ```

use super::{Heard, PreludeFacts};
use crate::{Side, Upgrade};

const CONNECTION_REQUEST: u8 = 0xe0;
const CONNECTION_CONFIRM: u8 = 0xd0;

/// Longest connection request: routing tokens and correlation data stay far below.
const PACKET_MAX: usize = 1024;

/// Whether a connection packet begins here: `None` while it is too short to tell.
pub(super) fn may_open(start: &[u8]) -> Option<bool> {
    let fits = |at: usize, wanted: fn(u8) -> bool| start.get(at).is_none_or(|&byte| wanted(byte));
    let shape = fits(0, |version| version == 3)
        && fits(1, |reserved| reserved == 0)
        && fits(2, |high| usize::from(high) < PACKET_MAX >> 8)
        && fits(4, |length| length >= 6)
        && fits(5, |kind| matches!(kind & 0xf0, CONNECTION_REQUEST | CONNECTION_CONFIRM));
    match (shape, start.len()) {
        (false, _) => Some(false),
        (true, 0..=5) => None,
        (true, _) => Some(true),
    }
}

/// Reads the first packet of either side.
pub(super) fn read(input: &[u8], facts: &mut PreludeFacts) -> Heard {
    match may_open(input) {
        None => return Heard::Partial,
        Some(false) => return Heard::Plain,
        Some(true) => {}
    }
    let len = usize::from(u16::from_be_bytes([input[2], input[3]]));
    // An X.224 length of 255 is reserved, so the two lengths always agree.
    if len < 11 || usize::from(input[4]) + 5 != len {
        return Heard::Plain;
    }
    let Some(packet) = input.get(..len) else { return Heard::Partial };
    let negotiation = negotiation(&packet[11..]);
    if packet[5] & 0xf0 == CONNECTION_REQUEST {
        facts.speaks(Upgrade::Rdp, Side::Client);
        return match negotiation {
            Some((1, protocols)) if protocols != 0 => {
                facts.asked = true;
                Heard::Door(len)
            }
            _ => Heard::Plain,
        };
    }
    facts.speaks(Upgrade::Rdp, Side::Server);
    match negotiation {
        Some((2, protocol)) if protocol != 0 => Heard::Door(len),
        _ => {
            facts.refused = true;
            Heard::Plain
        }
    }
}

/// Kind and value of the negotiation structure, after a cookie or token line.
fn negotiation(variable: &[u8]) -> Option<(u8, u32)> {
    let at = match variable.first()? {
        1..=3 => 0,
        _ => variable.windows(2).position(|window| window == b"\r\n")? + 2,
    };
    let part: [u8; 8] = *variable.get(at..)?.first_chunk()?;
    let [kind @ 1..=3, _, 8, 0, value @ ..] = part else { return None };
    Some((kind, u32::from_le_bytes(value)))
}

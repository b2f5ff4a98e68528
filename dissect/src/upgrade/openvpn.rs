//! OpenVPN over TCP, whose control channel is TLS inside of its own packets.
//!
//! ```text
//! packet    length(2) opcode and key(1) session(8) [hmac(n) packet(4) time(4)]
//!           acks(1) ack(4) * acks [peer's session(8)] [message(4) payload]
//! ```
//!
//! Both sides begin with a reset, whose length alone tells how long the HMAC is.

use super::{Heard, PreludeFacts, Wrapping};
use crate::{Side, Upgrade};

pub(super) const CONTROL: u8 = 4;
const ACK: u8 = 5;
const RESET_CLIENT: u8 = 7;
const RESET_SERVER: u8 = 8;

/// Bytes between session and acks: none, or an HMAC of MD5, SHA-1, SHA-256, SHA-512 with a packet
/// number and a time.
const GUARDS: [usize; 5] = [0, 24, 28, 40, 72];

/// Reset of a client: opcode, session, no acks, message number 0; of a server: one ack.
const RESET_CLIENT_LEN: usize = 1 + 8 + 1 + 4;
const RESET_SERVER_LEN: usize = RESET_CLIENT_LEN + 4 + 8;

/// A packet within the stream.
pub(super) struct Packet<'a> {
    pub(super) opcode: u8,
    /// Key number, which counts renegotiations.
    pub(super) key: u8,
    /// What follows the opcode.
    pub(super) body: &'a [u8],
}

/// Whether a reset begins here: `None` while it is too short to tell.
pub(super) fn may_open(start: &[u8]) -> Option<bool> {
    let lengths = |base: usize| GUARDS.iter().map(move |guard| base + guard);
    let (of_client, of_server) = (lengths(RESET_CLIENT_LEN), lengths(RESET_SERVER_LEN));
    match *start {
        [0] => None,
        [0, len] if of_client.chain(of_server).any(|known| known == usize::from(len)) => None,
        [0, _] => Some(false),
        [0, _, _, ..] => {
            let known = guard_of(start).is_some();
            let len = usize::from(start[1]);
            if !known {
                return Some(false);
            }
            let body = start.get(2..2 + len)?;
            // The message number of a reset is 0.
            Some(body.ends_with(&[0; 4]))
        }
        _ => Some(false),
    }
}

/// How many guard bytes the connection that begins with this reset has, and who sends it.
fn guard_of(reset: &[u8]) -> Option<(u8, Side)> {
    let [0, len, opcode, ..] = *reset else { return None };
    let (base, side) = match (opcode >> 3, opcode & 7) {
        (RESET_CLIENT, 0) => (RESET_CLIENT_LEN, Side::Client),
        (RESET_SERVER, 0) => (RESET_SERVER_LEN, Side::Server),
        _ => return None,
    };
    let guard = usize::from(len).checked_sub(base)?;
    GUARDS.contains(&guard).then_some((u8::try_from(guard).ok()?, side))
}

/// One direction's packets up to the first with TLS in it.
#[derive(Debug, Default)]
pub(super) struct OpenVpn {
    guard: Option<u8>,
}

impl OpenVpn {
    pub(super) fn read(&mut self, input: &[u8], facts: &mut PreludeFacts) -> Heard {
        let Some(guard) = self.guard else {
            let Some((guard, side)) = guard_of(input) else { return Heard::Plain };
            self.guard = Some(guard);
            facts.speaks(Upgrade::Other, side);
            return Heard::Message(2 + usize::from(input[1]));
        };
        let Some((len, packet)) = packet(input) else { return Heard::Partial };
        match packet.opcode {
            _ if packet.key != 0 => Heard::Plain,
            ACK | RESET_CLIENT | RESET_SERVER => Heard::Message(len),
            CONTROL => match input.get(..len) {
                None => Heard::Partial,
                Some(_) => match payload(packet.body, guard) {
                    Some((_, [0x15 | 0x16, 3, ..])) => Heard::Wrapped(Wrapping::OpenVpn { guard }),
                    _ => Heard::Plain,
                },
            },
            _ => Heard::Plain,
        }
    }
}

/// Length and content of the packet at the beginning, of which the end may be missing.
pub(super) fn packet(input: &[u8]) -> Option<(usize, Packet<'_>)> {
    let (&[high, low, first], rest) = input.split_first_chunk::<3>()?;
    let len = usize::from(u16::from_be_bytes([high, low]));
    let body = rest.get(..len.saturating_sub(1)).unwrap_or(rest);
    Some((2 + len.max(1), Packet { opcode: first >> 3, key: first & 7, body }))
}

/// Message number and payload of a control packet's body.
pub(super) fn payload(body: &[u8], guard: u8) -> Option<(u32, &[u8])> {
    let acks_at = 8 + usize::from(guard);
    let acks = usize::from(*body.get(acks_at)?);
    if acks > 8 {
        return None;
    }
    let peer = if acks > 0 { 8 } else { 0 };
    let (number, payload) = body.get(acks_at + 1 + acks * 4 + peer..)?.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), payload))
}

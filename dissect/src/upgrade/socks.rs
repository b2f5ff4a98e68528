//! SOCKS 4, 4a and 5 (RFC 1928, RFC 1929).
//!
//! The whole exchange of one direction is a few hundred bytes and is parsed anew when more arrive,
//! for what its first bytes are is told by those after them: `05 02 01 00` is a client that offers
//! two methods, or a server that chose a password and found it right.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::http::host_name;
use super::{Dialogue, Heard, PreludeFacts};
use crate::{Side, Upgrade};

/// One direction of a SOCKS connection.
#[derive(Debug, Default)]
pub(super) struct Socks {
    /// The exchange is over; what follows is the tunnel.
    tunnel: bool,
}

/// What a reading of the bytes gives.
#[derive(Debug, PartialEq, Eq)]
enum Reading {
    /// They are not that.
    Not,
    /// They may become that.
    Partial,
    /// A request or a positive reply, of this length, for this host.
    Whole(usize, Option<Box<str>>),
    /// The server said no.
    Refused,
}

impl Socks {
    /// Whether SOCKS begins here: `None` while it is too short to tell.
    pub(super) fn may_open(start: &[u8]) -> Option<bool> {
        if !matches!(start, [0 | 4 | 5, ..]) {
            return Some(false);
        }
        let readings = Self::readings(start);
        if readings.iter().any(|(reading, _)| matches!(reading, Reading::Whole(..))) {
            return Some(true);
        }
        if matches!(readings[1].0, Reading::Refused) {
            return Some(true);
        }
        readings.iter().all(|(reading, _)| *reading == Reading::Not).then_some(false)
    }

    fn readings(bytes: &[u8]) -> [(Reading, Side); 2] {
        match bytes.first() {
            Some(4) => [(client4(bytes), Side::Client), (Reading::Not, Side::Server)],
            Some(0) => [(Reading::Not, Side::Client), (server4(bytes), Side::Server)],
            Some(5) => [
                (client5(bytes).unwrap_or(Reading::Partial), Side::Client),
                (server5(bytes).unwrap_or(Reading::Partial), Side::Server),
            ],
            _ => [(Reading::Not, Side::Client), (Reading::Not, Side::Server)],
        }
    }

    pub(super) fn read(&mut self, input: &[u8], facts: &mut PreludeFacts) -> Heard {
        if self.tunnel {
            return Heard::Becomes(0, Dialogue::Unknown);
        }
        let mut partial = false;
        for (reading, side) in Self::readings(input) {
            match reading {
                Reading::Whole(len, name) => {
                    facts.speaks(Upgrade::Socks, side);
                    facts.asked |= side == Side::Client;
                    if name.is_some() {
                        facts.name = name;
                    }
                    self.tunnel = true;
                    return Heard::Door(len);
                }
                Reading::Partial => partial = true,
                Reading::Refused if !partial => {
                    facts.role = Some(side);
                    facts.refused = true;
                    return Heard::Plain;
                }
                Reading::Refused | Reading::Not => {}
            }
        }
        if partial { Heard::Partial } else { Heard::Plain }
    }
}

/// `04 01 PORT ADDRESS USER 00 [HOST 00]`
fn client4(bytes: &[u8]) -> Reading {
    if !matches!(bytes, [4] | [4, 1, ..]) {
        return Reading::Not;
    }
    let Some((header, rest)) = bytes.split_first_chunk::<8>() else { return Reading::Partial };
    let address = [header[4], header[5], header[6], header[7]];
    // The window of a TDS packet, which begins alike, is zero; no host's address ends in it.
    if address[3] == 0 {
        return Reading::Not;
    }
    let (user_len, rest) = match text(rest) {
        Ok(text) => text,
        Err(reading) => return reading,
    };
    if !matches!(address, [0, 0, 0, _]) {
        let name = Ipv4Addr::from(address).to_string().into_boxed_str();
        return Reading::Whole(8 + user_len + 1, Some(name));
    }
    match text(rest) {
        Ok((host_len, _)) => {
            let host = std::str::from_utf8(&rest[..host_len]).ok().and_then(host_name);
            Reading::Whole(8 + user_len + 1 + host_len + 1, host)
        }
        Err(reading) => reading,
    }
}

/// A string that ends with zero: its length, and what comes after the zero.
fn text(bytes: &[u8]) -> Result<(usize, &[u8]), Reading> {
    match bytes.iter().position(|&byte| byte < b' ') {
        Some(end) if bytes[end] != 0 || end > 255 => Err(Reading::Not),
        Some(end) => Ok((end, &bytes[end + 1..])),
        None if bytes.len() > 255 => Err(Reading::Not),
        None => Err(Reading::Partial),
    }
}

/// `00 5A PORT ADDRESS`
fn server4(bytes: &[u8]) -> Reading {
    match bytes {
        [0] => Reading::Partial,
        [0, 0x5a, rest @ ..] if rest.len() >= 6 => Reading::Whole(8, None),
        [0, 0x5b..=0x5d, rest @ ..] if rest.len() >= 6 => Reading::Refused,
        [0, 0x5a..=0x5d, ..] => Reading::Partial,
        _ => Reading::Not,
    }
}

/// `05 N METHODS`, then perhaps `01 LEN USER LEN PASSWORD`, then `05 01 00 ADDRESS`. `None` when it
/// ends too early.
fn client5(bytes: &[u8]) -> Option<Reading> {
    let count = usize::from(*bytes.get(1)?);
    // The registry has ten methods; greetings of more are something else.
    if count == 0 || count > 16 {
        return Some(Reading::Not);
    }
    let mut at = 2 + count;
    let offers_password = bytes.get(2..at)?.contains(&2);
    if offers_password && *bytes.get(at)? == 1 {
        let user = usize::from(*bytes.get(at + 1)?);
        let password = usize::from(*bytes.get(at + 2 + user)?);
        at += 3 + user + password;
    }
    if *bytes.get(at)? != 5 || *bytes.get(at + 1)? != 1 {
        return Some(Reading::Not);
    }
    let (len, name) = match address5(bytes, at) {
        Ok(address) => address?,
        Err(reading) => return Some(reading),
    };
    Some(Reading::Whole(len, name))
}

/// `05 METHOD`, then perhaps `01 00`, then `05 00 00 ADDRESS`. `None` when it ends too early.
fn server5(bytes: &[u8]) -> Option<Reading> {
    let mut at = 2;
    match *bytes.get(1)? {
        0 => {}
        2 => {
            if *bytes.get(2)? != 1 {
                return Some(Reading::Not);
            }
            if *bytes.get(3)? != 0 {
                return Some(Reading::Refused);
            }
            at = 4;
        }
        0xff => return Some(Reading::Refused),
        _ => return Some(Reading::Not),
    }
    if *bytes.get(at)? != 5 {
        return Some(Reading::Not);
    }
    match *bytes.get(at + 1)? {
        0 => {}
        1..=8 => return Some(Reading::Refused),
        _ => return Some(Reading::Not),
    }
    match address5(bytes, at) {
        // The address of a reply is the proxy's own and no name.
        Ok(address) => address.map(|(len, _)| Reading::Whole(len, None)),
        Err(reading) => Some(reading),
    }
}

/// Where an address ends, and its host.
type Address = (usize, Option<Box<str>>);

/// The address of a request or reply that begins at `at`: where it ends, and its host.
fn address5(bytes: &[u8], at: usize) -> Result<Option<Address>, Reading> {
    let read = || {
        let body = bytes.get(at + 4..)?;
        Some(match *bytes.get(at + 3)? {
            1 => {
                let address: [u8; 4] = *body.first_chunk()?;
                (4, Some(Ipv4Addr::from(address).to_string().into_boxed_str()))
            }
            4 => {
                let address: [u8; 16] = *body.first_chunk()?;
                (16, Some(Ipv6Addr::from(address).to_string().into_boxed_str()))
            }
            _ => {
                let len = usize::from(*body.first()?);
                let host = std::str::from_utf8(body.get(1..=len)?).ok();
                (1 + len, host.and_then(host_name))
            }
        })
    };
    let fits = bytes.get(at + 2).is_none_or(|&reserved| reserved == 0)
        && bytes.get(at + 3).is_none_or(|kind| matches!(kind, 1 | 3 | 4));
    if !fits {
        return Err(Reading::Not);
    }
    let Some((len, name)) = read() else { return Ok(None) };
    let end = at + 4 + len + 2;
    Ok((bytes.len() >= end).then_some((end, name)))
}

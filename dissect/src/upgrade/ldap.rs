//! LDAP's StartTLS (RFC 4511 §4.14): an extended request of a known name, and its response.
//!
//! Messages of other operations are passed over by their length. Lengths may be short or long form.

use super::{Heard, PreludeFacts};
use crate::{Side, Upgrade};

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// Longest message: a root DSE is some KiB.
const MESSAGE_MAX: usize = 1 << 20;

/// Longest extended operation that is looked into; that of StartTLS has 31 bytes, and its response
/// carries at most a message for people.
const EXTENDED_MAX: usize = 2048;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0a;
const EXTENDED_REQUEST: u8 = 0x77;
const EXTENDED_RESPONSE: u8 = 0x78;
const REQUEST_NAME: u8 = 0x80;
const RESPONSE_NAME: u8 = 0x8a;
const UNBIND: u8 = 0x42;

/// Tag, content length and length of the header of a BER element.
struct Header {
    tag: u8,
    content: usize,
    len: usize,
}

/// Why there is no header.
enum Bad {
    Short,
    Wrong,
}

/// Whether an LDAP message begins here: `None` while it is too short to tell.
pub(super) fn may_open(start: &[u8]) -> Option<bool> {
    match operation(start) {
        Ok((_, _, tag)) => Some(is_operation(tag)),
        Err(Bad::Short) => None,
        Err(Bad::Wrong) => Some(false),
    }
}

/// Reads one message.
pub(super) fn read(input: &[u8], facts: &mut PreludeFacts) -> Heard {
    let (total, at, tag) = match operation(input) {
        Ok(found) => found,
        Err(Bad::Short) => return Heard::Partial,
        Err(Bad::Wrong) => return Heard::Plain,
    };
    match tag {
        EXTENDED_REQUEST | EXTENDED_RESPONSE if total <= EXTENDED_MAX => {
            let Some(message) = input.get(at..total) else { return Heard::Partial };
            let body = element(message).map(|(_, body, _)| body).unwrap_or_default();
            if tag == EXTENDED_REQUEST {
                hear_request(body, total, facts)
            } else {
                hear_response(body, total, facts)
            }
        }
        UNBIND => Heard::Plain,
        _ if is_operation(tag) => Heard::Message(total),
        _ => Heard::Plain,
    }
}

fn hear_request(body: &[u8], total: usize, facts: &mut PreludeFacts) -> Heard {
    facts.speaks(Upgrade::Ldap, Side::Client);
    match element(body) {
        Some((REQUEST_NAME, START_TLS, _)) => {
            facts.asked = true;
            Heard::Door(total)
        }
        _ => Heard::Message(total),
    }
}

fn hear_response(body: &[u8], total: usize, facts: &mut PreludeFacts) -> Heard {
    facts.speaks(Upgrade::Ldap, Side::Server);
    let Some((ENUMERATED, code, mut rest)) = element(body) else { return Heard::Plain };
    let mut of_start_tls = true;
    while let Some((tag, content, after)) = element(rest) {
        of_start_tls &= tag != RESPONSE_NAME || content == START_TLS;
        rest = after;
    }
    if !of_start_tls {
        return Heard::Message(total);
    }
    facts.refused = code != [0];
    if facts.refused { Heard::Message(total) } else { Heard::Door(total) }
}

/// Length of the message, where its operation begins, and the operation's tag.
fn operation(input: &[u8]) -> Result<(usize, usize, u8), Bad> {
    let message = header(input)?;
    if message.tag != SEQUENCE || !(5..=MESSAGE_MAX).contains(&message.content) {
        return Err(Bad::Wrong);
    }
    let id = header(&input[message.len..])?;
    if id.tag != INTEGER || !(1..=4).contains(&id.content) {
        return Err(Bad::Wrong);
    }
    let at = message.len + id.len + id.content;
    let tag = *input.get(at).ok_or(Bad::Short)?;
    if at >= message.len + message.content {
        return Err(Bad::Wrong);
    }
    Ok((message.len + message.content, at, tag))
}

/// The operations of RFC 4511 §4.2 to §4.13, from BindRequest to IntermediateResponse.
fn is_operation(tag: u8) -> bool {
    matches!(tag, 0x42 | 0x4a | 0x50 | 0x60..=0x79)
}

fn header(input: &[u8]) -> Result<Header, Bad> {
    let (&tag, rest) = input.split_first().ok_or(Bad::Short)?;
    if !matches!(tag, SEQUENCE | INTEGER | ENUMERATED | 0x04 | 0x40..=0xbf) {
        return Err(Bad::Wrong);
    }
    let (&first, rest) = rest.split_first().ok_or(Bad::Short)?;
    match first {
        0..=0x7f => Ok(Header { tag, content: usize::from(first), len: 2 }),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let digits = rest.get(..count).ok_or(Bad::Short)?;
            let content = digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit));
            Ok(Header { tag, content, len: 2 + count })
        }
        _ => Err(Bad::Wrong),
    }
}

/// Tag and content of the element at the beginning, and what follows it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let Header { tag, content, len } = header(input).ok()?;
    let (content, rest) = input.get(len..)?.split_at_checked(content)?;
    Some((tag, content, rest))
}

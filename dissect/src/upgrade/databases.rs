//! PostgreSQL's and MySQL's requests for TLS.

use super::{Heard, PreludeFacts};
use crate::{Side, Upgrade};

/// `SSLRequest` and `GSSENCRequest`: length 8 and a code in place of the protocol's version.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f];
const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 0xd2, 0x16, 0x30];

/// Flag of a MySQL capability set: the connection may go over to TLS.
const CLIENT_SSL: u16 = 0x0800;

/// Longest MySQL greeting; real ones have about 100 bytes.
const GREETING_MAX: usize = 512;

/// Whether a PostgreSQL client begins here: `None` while it is too short to tell.
pub(super) fn may_open_postgres_client(start: &[u8]) -> Option<bool> {
    let len = start.len().min(8);
    let fits = |request: &[u8; 8]| start[..len] == request[..len];
    if !fits(&SSL_REQUEST) && !fits(&GSSENC_REQUEST) {
        return Some(false);
    }
    (len == 8).then_some(true)
}

/// Whether a PostgreSQL server begins here: one letter, and then TLS or an answer to another try.
pub(super) fn may_open_postgres_server(start: &[u8]) -> Option<bool> {
    match start {
        [b'S' | b'N'] => None,
        [b'S', next, ..] => Some(matches!(next, 0x15 | 0x16)),
        // After a refusal: the answer to a second request, or an authentication request.
        [b'N', b'S'] => None,
        [b'N', b'S', next, ..] => Some(matches!(next, 0x15 | 0x16)),
        [b'N', b'R' | b'E', rest @ ..] => rest.first().map(|&high| high == 0),
        _ => Some(false),
    }
}

/// Reads one message of a PostgreSQL client.
pub(super) fn read_postgres_client(input: &[u8], facts: &mut PreludeFacts) -> Heard {
    match may_open_postgres_client(input) {
        None => Heard::Partial,
        Some(false) => Heard::Plain,
        Some(true) => {
            facts.speaks(Upgrade::Postgres, Side::Client);
            if input.starts_with(&GSSENC_REQUEST) {
                return Heard::Message(8);
            }
            facts.asked = true;
            Heard::Door(8)
        }
    }
}

/// Reads one answer of a PostgreSQL server.
pub(super) fn read_postgres_server(input: &[u8], facts: &mut PreludeFacts) -> Heard {
    facts.speaks(Upgrade::Postgres, Side::Server);
    match input.first() {
        Some(b'S') => {
            facts.refused = false;
            Heard::Door(1)
        }
        Some(b'N') => {
            facts.refused = true;
            Heard::Message(1)
        }
        _ => Heard::Plain,
    }
}

/// Whether a MySQL packet that matters begins here: a greeting of version 10, or an `SSLRequest`.
pub(super) fn may_open_mysql(start: &[u8]) -> Option<bool> {
    let fits = |at: usize, wanted: fn(u8) -> bool| start.get(at).is_none_or(|&byte| wanted(byte));
    // Length in three bytes, low first; sequence number; first byte of the payload.
    let greeting = fits(0, |low| low > 32)
        && fits(1, |middle| middle <= 1)
        && fits(2, |high| high == 0)
        && fits(3, |sequence| sequence == 0)
        && fits(4, |version| version == 10)
        && fits(5, |digit| digit.is_ascii_digit());
    let request = fits(0, |low| low == 32 || low == 5)
        && fits(1, |middle| middle == 0)
        && fits(2, |high| high == 0)
        && fits(3, |sequence| sequence == 1);
    match (greeting, request) {
        (false, false) => Some(false),
        (true, _) if start.len() > 5 => Some(true),
        (_, true) if start.len() > 5 => Some(true),
        _ => None,
    }
}

/// Reads the first packet of either side. A second one means cleartext.
pub(super) fn read_mysql(input: &[u8], facts: &mut PreludeFacts) -> Heard {
    if facts.asked || facts.offered || may_open_mysql(input) == Some(false) {
        return Heard::Plain;
    }
    let Some((header, rest)) = input.split_first_chunk::<4>() else { return Heard::Partial };
    let len = usize::from(u16::from_le_bytes([header[0], header[1]]));
    if len > GREETING_MAX {
        return Heard::Plain;
    }
    let Some(payload) = rest.get(..len) else { return Heard::Partial };
    if header[3] == 1 {
        return hear_ssl_request(payload, facts);
    }
    facts.speaks(Upgrade::MySql, Side::Server);
    // Version, zero, thread id, eight bytes of salt, filler, capabilities.
    let capabilities = payload.iter().position(|&byte| byte == 0).and_then(|end| {
        let at = end + 1 + 4 + 8 + 1;
        Some(u16::from_le_bytes(*payload.get(at..)?.first_chunk()?))
    });
    facts.offered = capabilities.is_some_and(|set| set & CLIENT_SSL != 0);
    if facts.offered { Heard::Door(4 + len) } else { Heard::Plain }
}

/// The beginning of a login packet, sent before the rest of it goes through TLS.
fn hear_ssl_request(payload: &[u8], facts: &mut PreludeFacts) -> Heard {
    let [low, high, ..] = *payload else { return Heard::Plain };
    let asks = u16::from_le_bytes([low, high]) & CLIENT_SSL != 0;
    // Capabilities, packet size, character set, and zeros up to MariaDB's own capabilities.
    let zeros = payload.get(9..28).is_none_or(|filler| filler.iter().all(|&byte| byte == 0));
    if !asks || !zeros {
        return Heard::Plain;
    }
    facts.speaks(Upgrade::MySql, Side::Client);
    facts.asked = true;
    Heard::Door(4 + payload.len())
}

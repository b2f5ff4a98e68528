//! Whether TLS begins here: the shape of a hello's first record, told from its first dozen bytes.
//!
//! The bytes are trusted to lie at a message boundary; inside a message nothing of this means
//! anything. Eleven bytes have to agree with each other, which random ones do about once in 2^45.

use crate::Side;
use crate::tls::idle_records;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// TLS begins here.
    Yes,
    /// It does not.
    No,
    /// Too few bytes to tell, and nothing against it.
    NeedMore,
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Longest fragment: RFC 5246 §6.2.3 allows 2^14 and 2048 of expansion.
const FRAGMENT_MAX: u16 = (1 << 14) + 2048;

/// Shortest ClientHello: version, random, empty session id, one suite, one compression method.
const CLIENT_HELLO_MIN: u32 = 2 + 32 + 1 + 4 + 2;
/// Shortest ServerHello: version, random, empty session id, suite, compression method.
const SERVER_HELLO_MIN: u32 = 2 + 32 + 1 + 2 + 1;
/// Longest hello that is believed. Real ones with two post-quantum shares stay below 8 KiB.
const HELLO_MAX: u32 = 1 << 17;

/// Whether a TLS record with a hello or an alert, or an SSLv2 ClientHello, begins here. Where it
/// is known who speaks, only that side's first messages count.
pub(super) fn look(bytes: &[u8], role: Option<Side>) -> Look {
    let client = role != Some(Side::Server);
    let server = role != Some(Side::Client);
    let bytes = bytes.get(idle_records(bytes)..).unwrap_or_default();
    match bytes.first() {
        None => Look::NeedMore,
        Some(&HANDSHAKE) => look_handshake(bytes, client, server),
        _ if may_be_idle(bytes) => Look::NeedMore,
        Some(&ALERT) if server => look_alert(bytes),
        Some(0x80..) if client => look_sslv2(bytes),
        Some(_) => Look::No,
    }
}

/// Whether these bytes are too few to tell a record that says nothing (see [`idle_records`]).
fn may_be_idle(bytes: &[u8]) -> bool {
    const CHANGE_CIPHER_SPEC: u8 = 20;
    matches!(
        *bytes,
        [CHANGE_CIPHER_SPEC..=23]
            | [CHANGE_CIPHER_SPEC..=23, 3]
            | [CHANGE_CIPHER_SPEC..=23, 3, 0..=4]
            | [CHANGE_CIPHER_SPEC..=23, 3, 0..=4, 0]
            | [CHANGE_CIPHER_SPEC, 3, 0..=4, 0, 1]
    )
}

/// Whether a hello begins here whose every field that is there agrees with its lengths. For places
/// where nothing else speaks for TLS.
pub(super) fn is_hello(bytes: &[u8], role: Option<Side>) -> bool {
    if look(bytes, role) != Look::Yes {
        return false;
    }
    match bytes.first() {
        Some(&HANDSHAKE) => is_one_record(bytes) || hello_body_agrees(bytes),
        Some(&ALERT) => false,
        _ => true,
    }
}

/// A record header that fits so far, and its length field when it is there. Servers accept a hello
/// under any version 3.x (RFC 5246 appendix E.1).
fn record_len(bytes: &[u8], kind: u8) -> Result<Option<u16>, ()> {
    let minor_max = if kind == HANDSHAKE { u8::MAX } else { 4 };
    let shape = |at: usize, fits: fn(u8) -> bool| bytes.get(at).is_none_or(|&byte| fits(byte));
    if bytes.first().is_some_and(|&byte| byte != kind)
        || !shape(1, |major| major == 3)
        || bytes.get(2).is_some_and(|&minor| minor > minor_max)
        || !shape(3, |high| u16::from(high) <= FRAGMENT_MAX >> 8)
    {
        return Err(());
    }
    match bytes {
        [_, _, _, high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            len if len > FRAGMENT_MAX => Err(()),
            len => Ok(Some(len)),
        },
        _ => Ok(None),
    }
}

fn look_alert(bytes: &[u8]) -> Look {
    match record_len(bytes, ALERT) {
        Err(()) => Look::No,
        Ok(None) => Look::NeedMore,
        Ok(Some(len)) => match bytes.get(5..) {
            _ if len != 2 => Look::No,
            Some([1 | 2, _, ..]) => Look::Yes,
            Some([1 | 2] | []) => Look::NeedMore,
            _ => Look::No,
        },
    }
}

/// Gathers the message's type, length and version, which may be spread over tiny records.
fn look_handshake(bytes: &[u8], client: bool, server: bool) -> Look {
    let mut start = [0; 6];
    let mut have = 0;
    let mut at = 0;
    while have < start.len() {
        let record = bytes.get(at..).unwrap_or_default();
        let len = match record_len(record, HANDSHAKE) {
            Err(()) => return Look::No,
            Ok(None) => break,
            Ok(Some(len)) => usize::from(len),
        };
        let fragment = record.get(5..).unwrap_or_default();
        let taken = len.min(fragment.len()).min(start.len() - have);
        start[have..have + taken].copy_from_slice(&fragment[..taken]);
        have += taken;
        if fragment.len() < len {
            break;
        }
        at += 5 + len;
    }
    look_hello_start(&start[..have], client, server)
}

fn look_hello_start(start: &[u8], client: bool, server: bool) -> Look {
    let floor = match start.first() {
        None => return Look::NeedMore,
        Some(&CLIENT_HELLO) if client => CLIENT_HELLO_MIN,
        Some(&SERVER_HELLO) if server => SERVER_HELLO_MIN,
        Some(_) => return Look::No,
    };
    if let [_, high, middle, low, ..] = *start {
        let len = u32::from_be_bytes([0, high, middle, low]);
        if !(floor..=HELLO_MAX).contains(&len) {
            return Look::No;
        }
    } else if start.get(1).is_some_and(|&high| high > 2) {
        return Look::No;
    }
    match start.get(4..).unwrap_or_default() {
        [3, 0..=4] => Look::Yes,
        // A version to come, which servers answer with their highest.
        [3, _] if start[0] == CLIENT_HELLO => Look::Yes,
        // Drafts of TLS 1.3 before 16 put their own numbers here (0x7fNN).
        [0x7f, _] if start[0] == SERVER_HELLO => Look::Yes,
        [3 | 0x7f] | [] => Look::NeedMore,
        _ => Look::No,
    }
}

/// A ClientHello in the form of SSL 2.0, as RFC 5246 §E.2 gives it to servers.
fn look_sslv2(bytes: &[u8]) -> Look {
    let prefix_fits = match bytes {
        [_, _, kind, ..] if *kind != CLIENT_HELLO => false,
        [_, _, _, 0, 2, ..] | [_, _, _, 3, 0..=4, ..] => true,
        [_, _, _, _, _, ..] => false,
        [_, _, _, major] => matches!(major, 0 | 3),
        _ => true,
    };
    if !prefix_fits {
        return Look::No;
    }
    let Some((header, _)) = bytes.split_first_chunk::<11>() else { return Look::NeedMore };
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let total = word(0) & 0x7fff;
    let (specs, session, challenge) = (word(5), word(7), word(9));
    let consistent = specs > 0
        && specs % 3 == 0
        && matches!(session, 0 | 16 | 32)
        && (8..=32).contains(&challenge)
        && u32::from(total) == 9 + u32::from(specs) + u32::from(session) + u32::from(challenge);
    if consistent { Look::Yes } else { Look::No }
}

/// Whether these bytes are one record of one message and nothing else.
fn is_one_record(bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_at_checked(9) else { return false };
    let record = usize::from(u16::from_be_bytes([header[3], header[4]]));
    let message = u32::from_be_bytes([0, header[6], header[7], header[8]]) as usize;
    record == 4 + message && message == body.len()
}

/// Walks a hello in its first record as far as it is there. Fields beyond the end are believed.
fn hello_body_agrees(bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_at_checked(9) else { return false };
    let client = header[5] == CLIENT_HELLO;
    let len = u32::from_be_bytes([0, header[6], header[7], header[8]]) as usize;
    let session_len = match body.get(34) {
        Some(&session_len @ 0..=32) => usize::from(session_len),
        _ => return false,
    };
    if !client {
        return true;
    }
    let word = |at: usize| {
        let pair = body.get(at..at + 2)?;
        Some(usize::from(u16::from_be_bytes([pair[0], pair[1]])))
    };
    let suites_at = 35 + session_len;
    let Some(suites) = word(suites_at) else { return true };
    let methods_at = suites_at + 2 + suites;
    if suites < 2 || suites % 2 != 0 || methods_at >= len {
        return false;
    }
    let Some(&methods) = body.get(methods_at) else { return true };
    let extensions_at = methods_at + 1 + usize::from(methods);
    if methods == 0 || extensions_at > len {
        return false;
    }
    extensions_at == len
        || word(extensions_at).is_none_or(|extensions| extensions_at + 2 + extensions == len)
}

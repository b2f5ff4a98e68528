//! Addresses, numbers and times put into bytes by hand: a report is made of millions of them.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use dissect::Timestamp;

/// `00` to `99`.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0_u8;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
};

/// The digits of a byte, and how many they are.
static OCTETS: [([u8; 3], usize); 256] = {
    let mut octets = [([0; 3], 0); 256];
    let mut octet = 0_u8;
    loop {
        let digits = [octet / 100, octet / 10 % 10, octet % 10];
        let len = if octet >= 100 { 3 } else { 1 + (octet >= 10) as usize };
        let mut place = 0;
        while place < len {
            octets[octet as usize].0[place] = b'0' + digits[3 - len + place];
            place += 1;
        }
        octets[octet as usize].1 = len;
        if octet == u8::MAX {
            break octets;
        }
        octet += 1;
    }
};

const HEX_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A number.
pub(super) fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// An address as [`IpAddr`] is shown.
pub(super) fn put_address(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => put_ipv4(out, addr),
        IpAddr::V6(addr) if addr.to_ipv4_mapped().is_some() => {
            write!(out, "{addr}").expect("memory takes everything");
        }
        IpAddr::V6(addr) => put_ipv6(out, addr.segments()),
    }
}

fn put_ipv4(out: &mut Vec<u8>, addr: Ipv4Addr) {
    // Each octet is written with room for three digits; the next one begins behind its own.
    let mut text = [b'.'; 16];
    let mut len = 0;
    for octet in addr.octets() {
        let (digits, count) = OCTETS[usize::from(octet)];
        text[len..len + 3].copy_from_slice(&digits);
        len += count;
        text[len] = b'.';
        len += 1;
    }
    out.extend_from_slice(&text[..len - 1]);
}

/// An IPv6 address (RFC 5952 §4): the longest run of zeros, the first of equal ones, is left out.
fn put_ipv6(out: &mut Vec<u8>, parts: [u16; 8]) {
    let (mut run, mut longest) = (0..0, 0..0);
    for (at, part) in parts.iter().enumerate() {
        run = if *part == 0 { run.start..at + 1 } else { at + 1..at + 1 };
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    if longest.len() < 2 {
        longest = 0..0;
    }
    for (at, part) in parts.into_iter().enumerate() {
        if longest.contains(&at) {
            if at == longest.start {
                out.extend_from_slice(b"::");
            }
            continue;
        }
        if at > 0 && at != longest.end {
            out.push(b':');
        }
        let digits = (4 - part.leading_zeros() / 4).max(1);
        for digit in (0..digits).rev() {
            out.push(HEX_DIGITS[usize::from(part >> (4 * digit) & 0xf)]);
        }
    }
}

/// Bytes in lower-case hexadecimal.
pub(super) fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        let digits = [byte >> 4, byte & 0x0f].map(|digit| HEX_DIGITS[usize::from(digit)]);
        out.extend_from_slice(&digits);
    }
}

/// Six digits of a number below a million.
pub(super) fn put_micros(out: &mut Vec<u8>, micros: u32) {
    let pair = |number: u32| PAIRS[(number % 100) as usize];
    let [[a, b], [c, d], [e, f]] = [pair(micros / 10_000), pair(micros / 100), pair(micros)];
    out.extend_from_slice(&[a, b, c, d, e, f]);
}

/// Puts times in RFC 3339.
#[derive(Default)]
pub(super) struct Clock {
    /// The second of the last time that was put: neighbours mostly share it.
    second: Option<i64>,
    /// Up to the point in front of the fraction.
    text: [u8; Self::TEXT_LEN],
}

impl Clock {
    const TEXT_LEN: usize = "2018-10-31T00:00:00.".len();

    /// A time in UTC, with microseconds.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        const NS_PER_SECOND: i64 = 1_000_000_000;
        let ns = time.as_nanos();
        let second = ns.div_euclid(NS_PER_SECOND);
        if self.second != Some(second) {
            self.second = Some(second);
            let whole = time.to_string();
            // Times have years of four digits, 1677 to 2262.
            if let Some(text) = whole.as_bytes().first_chunk() {
                self.text = *text;
            }
        }
        out.extend_from_slice(&self.text);
        let micros = ns.rem_euclid(NS_PER_SECOND) / 1_000;
        // Below a million.
        put_micros(out, u32::try_from(micros).unwrap_or(0));
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_has_its_digits() {
        for octet in 0..=u8::MAX {
            let addr = Ipv4Addr::new(octet, 255, 0, octet);
            let mut out = Vec::new();
            put_address(&mut out, addr.into());
            assert_eq!(out, addr.to_string().into_bytes());
        }
    }

    #[test]
    fn micros_have_six_digits() {
        for micros in [0, 1, 99, 100, 10_203, 123_456, 999_999] {
            let mut out = Vec::new();
            put_micros(&mut out, micros);
            assert_eq!(out, format!("{micros:06}").into_bytes());
        }
    }
}

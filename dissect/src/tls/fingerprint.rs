//! JA3 and JA4 of a ClientHello.
//!
//! JA3 is the MD5 of version, suites, extensions, groups and point formats as decimal lists. JA4
//! (BSD licence, FoxIO) is readable in its first part and hashes sorted lists in the other two.
//! Both leave GREASE out (RFC 8701).

use std::fmt::Write as _;

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::{Offer, Transport, is_grease};

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;

/// MD5 over the JA3 string.
pub(crate) fn ja3(offer: &Offer) -> [u8; 16] {
    Md5::digest(ja3_string(offer)).into()
}

/// The string that JA3 hashes.
fn ja3_string(offer: &Offer) -> String {
    let mut text = offer.legacy_version.to_string();
    let lists: [&[u16]; 3] = [
        &offer.cipher_suites,
        offer.extensions.as_deref().unwrap_or_default(),
        offer.groups.as_deref().unwrap_or_default(),
    ];
    for list in lists {
        text.push(',');
        push_list(&mut text, list.iter().copied().filter(|&value| !is_grease(value)));
    }
    text.push(',');
    let formats = offer.ec_point_formats.as_deref().unwrap_or_default();
    push_list(&mut text, formats.iter().map(|&format| u16::from(format)));
    text
}

fn push_list(text: &mut String, list: impl Iterator<Item = u16>) {
    for (i, value) in list.enumerate() {
        if i > 0 {
            text.push('-');
        }
        // Writing to a String can't fail.
        let _ = write!(text, "{value}");
    }
}

/// JA4 of a hello over TCP (`t`), QUIC (`q`) or DTLS (`d`).
pub(crate) fn ja4(offer: &Offer, transport: Transport) -> Box<str> {
    let version = offer
        .supported_versions
        .as_ref()
        .and_then(|list| {
            list.iter().copied().filter(|&version| !is_grease(version)).max_by_key(newness)
        })
        .unwrap_or(offer.legacy_version);
    let kind = match (transport, version >> 8) {
        (_, 0xfe) => 'd',
        (Transport::Tcp, _) => 't',
        (Transport::Udp, _) => 'q',
    };
    let version = match version {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        0xfeff => "d1",
        0xfefd => "d2",
        0xfefc => "d3",
        _ => "00",
    };
    let mut suites = without_grease(&offer.cipher_suites);
    let mut extensions = without_grease(offer.extensions.as_deref().unwrap_or_default());
    let name = if extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
    let (suite_count, extension_count) = (suites.len().min(99), extensions.len().min(99));
    suites.sort_unstable();
    extensions.retain(|&number| number != SERVER_NAME && number != ALPN);
    extensions.sort_unstable();
    let mut tail = hex_list(&extensions);
    if let Some(algorithms) = &offer.signature_algorithms
        && !algorithms.is_empty()
    {
        tail.push('_');
        tail.push_str(&hex_list(&without_grease(algorithms)));
    }
    let tail = if extension_count == 0 { String::new() } else { tail };
    format!(
        "{kind}{version}{name}{suite_count:02}{extension_count:02}{}_{}_{}",
        alpn_letters(offer),
        short_hash(&hex_list(&suites)),
        short_hash(&tail),
    )
    .into()
}

/// Orders versions from old to new: DTLS counts downwards (RFC 6347 §4.1).
const fn newness(version: &u16) -> u16 {
    if *version >> 8 == 0xfe { !*version } else { *version }
}

fn without_grease(list: &[u16]) -> Vec<u16> {
    list.iter().copied().filter(|&value| !is_grease(value)).collect()
}

fn hex_list(list: &[u16]) -> String {
    let mut text = String::with_capacity(list.len() * 5);
    for (i, value) in list.iter().enumerate() {
        if i > 0 {
            text.push(',');
        }
        let _ = write!(text, "{value:04x}");
    }
    text
}

/// The first twelve hexadecimal digits of SHA-256, or zeros for nothing.
fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    Sha256::digest(text).iter().take(6).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// First and last character of the first ALPN name; of its hexadecimal form when either is not
/// alphanumeric; `00` without ALPN.
fn alpn_letters(offer: &Offer) -> String {
    let (Some(&first), Some(&last)) = (
        offer.alpn.first().and_then(|name| name.first()),
        offer.alpn.first().and_then(|name| name.last()),
    ) else {
        return "00".into();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)].iter().collect();
    }
    let (first, last) = (format!("{first:02x}"), format!("{last:02x}"));
    first.chars().take(1).chain(last.chars().skip(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HelloFormat, tls::ClientHelloParts};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_fake_hello_of_a_media_relay() {
        let body = [&[3, 1][..], &[9; 32], &[0, 0, 2, 0, 0x18, 1, 0]].concat();
        let offer = ClientHelloParts::read(&body, true).unwrap().offer;
        assert_eq!(ja3_string(&offer), "769,24,,,");
        assert_eq!(hex(&ja3(&offer)), "98d82c43de4e22a055da96bcef1ca9b9");
        assert_eq!(&*ja4(&offer, Transport::Tcp), "t10i010000_7550e2da7b7a_000000000000");
    }

    #[test]
    fn greasy_values_are_left_out() {
        let mut offer = Offer::empty(HelloFormat::Tls, 0x0303);
        offer.cipher_suites = vec![0x0a0a, 0x1301];
        offer.extensions = Some(vec![0x1a1a, 0, 16, 43]);
        offer.supported_versions = Some(vec![0x2a2a, 0x0304]);
        offer.alpn = vec![Box::from(&b"h2"[..])];
        assert_eq!(ja3_string(&offer), "771,4865,0-16-43,,");
        assert!(ja4(&offer, Transport::Tcp).starts_with("t13d0103h2_"));
        assert!(ja4(&offer, Transport::Udp).starts_with("q13d0103h2_"));
    }

    #[test]
    fn odd_protocol_names_show_as_hexadecimal() {
        let mut offer = Offer::empty(HelloFormat::Tls, 0x0303);
        let check = |offer: &mut Offer, name: &[u8], expect: &str| {
            offer.alpn = vec![Box::from(name)];
            assert_eq!(alpn_letters(offer), expect);
        };
        check(&mut offer, b"http/1.1", "h1");
        check(&mut offer, b"\xab\xcd", "ad");
        check(&mut offer, b"h", "hh");
        check(&mut offer, b"", "00");
    }
}

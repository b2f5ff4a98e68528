//! Values in cells: numbers in hex, decimal or by name, several of them in a cell.

use std::borrow::Cow;

use dissect::Version;

use crate::iana;

/// What a cell's numbers are, for those that are written as names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An alert's description.
    Alert,
    /// An alert's level.
    AlertLevel,
    /// A record's content type.
    ContentType,
    /// A named group.
    Group,
    /// A handshake message.
    Message,
    /// Nothing that has names here.
    Plain,
    /// A suite.
    Suite,
    /// A version of the protocol.
    Version,
}

/// All numbers of a cell; `None` when something in it is no number and no name.
pub(super) fn numbers(text: &str, kind: Kind) -> Option<Vec<u64>> {
    let text = text.trim();
    if text.is_empty() || text == "-" || text == "(empty)" {
        return Some(Vec::new());
    }
    if text.contains('(') {
        return in_parentheses(text);
    }
    let mut all = Vec::new();
    for piece in text.split([',', ';', '|', '\n', '\t']).map(str::trim).filter(|it| !it.is_empty())
    {
        match number(piece).or_else(|| named(piece, kind)) {
            Some(value) => all.push(value),
            // Some other character stands between the values.
            None => {
                let words = piece.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                for word in words.filter(|word| !word.is_empty()) {
                    all.push(number(word).or_else(|| named(word, kind))?);
                }
            }
        }
    }
    Some(all)
}

/// The numbers behind names: `TLS 1.2 (0x0303), TLS 1.1 (0x0302)`.
fn in_parentheses(text: &str) -> Option<Vec<u64>> {
    let numbers = text.split('(').skip(1).map(|rest| number(rest.split(')').next()?.trim()));
    numbers.collect()
}

/// A number in decimal, or in hex with `0x`; `true` and `false` count as 1 and 0.
pub(super) fn number(text: &str) -> Option<u64> {
    match text.get(..2) {
        Some("0x" | "0X") => u64::from_str_radix(&text[2..], 16).ok(),
        _ => match text {
            "true" | "True" | "T" | "Set" => Some(1),
            "false" | "False" | "F" | "Not set" => Some(0),
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        },
    }
}

fn named(text: &str, kind: Kind) -> Option<u64> {
    let number = match kind {
        Kind::Alert => return (0..=u8::MAX).find(|it| is_alert(*it, text)).map(u64::from),
        Kind::AlertLevel => return level(text).map(u64::from),
        Kind::ContentType => return content_type(text).map(u64::from),
        Kind::Group => iana::group_number(text)?,
        Kind::Message => return message(text).map(u64::from),
        Kind::Plain => return None,
        Kind::Suite => iana::cipher_suite_number(text)?,
        Kind::Version => version_number(version(text)?),
    };
    Some(number.into())
}

/// The number on the wire of a version.
pub(super) const fn version_number(version: Version) -> u16 {
    match version {
        Version::Ssl2 => 0x0002,
        Version::Ssl3 => 0x0300,
        Version::Tls10 => 0x0301,
        Version::Tls11 => 0x0302,
        Version::Tls12 => 0x0303,
        Version::Tls13 => 0x0304,
        Version::Dtls10 => 0xfeff,
        Version::Dtls12 => 0xfefd,
        Version::Dtls13 => 0xfefc,
    }
}

/// The version of a name as any of the tools writes it: `TLSv1`, `TLSv1.0`, `TLSv10`, `TLS 1.2`,
/// `DTLSv1.2`, `SSLv3`, `SSL 3.0`, `TLS 1.3 (draft 28)`, `TLSv13-draft28`, `TLS 1.3 draft-28`.
pub(super) fn version(name: &str) -> Option<Version> {
    let name: String = name
        .split(['(', '-'])
        .next()?
        .trim_end_matches("draft")
        .chars()
        .filter(|c| !matches!(c, ' ' | '.' | '_' | 'v' | 'V'))
        .collect();
    Some(match name.to_ascii_uppercase().as_str() {
        "SSL2" | "SSL20" => Version::Ssl2,
        "SSL3" | "SSL30" => Version::Ssl3,
        "TLS1" | "TLS10" => Version::Tls10,
        "TLS11" => Version::Tls11,
        "TLS12" => Version::Tls12,
        "TLS13" => Version::Tls13,
        "DTLS1" | "DTLS10" => Version::Dtls10,
        "DTLS12" => Version::Dtls12,
        "DTLS13" => Version::Dtls13,
        _ => return None,
    })
}

/// Whether a text names an alert, in the RFC's spelling or in Wireshark's.
fn is_alert(number: u8, text: &str) -> bool {
    let Some(name) = iana::alert(number) else { return false };
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    letters(name) == letters(text)
}

/// The number of an alert's name.
pub(super) fn alert(text: &str) -> Option<u8> {
    (0..=u8::MAX).find(|number| is_alert(*number, text))
}

/// The number of an alert's level.
pub(super) fn level(text: &str) -> Option<u8> {
    match text.to_ascii_lowercase().as_str() {
        "warning" => Some(1),
        "fatal" => Some(2),
        _ => None,
    }
}

fn content_type(text: &str) -> Option<u8> {
    Some(match text {
        "Change Cipher Spec" => 20,
        "Alert" => 21,
        "Handshake" => 22,
        "Application Data" => 23,
        "Heartbeat" => 24,
        _ => return None,
    })
}

/// The number of a handshake message in Wireshark's words.
pub(super) fn message(text: &str) -> Option<u8> {
    Some(match text {
        "Hello Request" => 0,
        "Client Hello" => 1,
        "Server Hello" => 2,
        "Hello Verify Request" => 3,
        "New Session Ticket" => 4,
        "End of Early Data" => 5,
        "Hello Retry Request" => 6,
        "Encrypted Extensions" => 8,
        "Certificate" => 11,
        "Server Key Exchange" => 12,
        "Certificate Request" => 13,
        "Server Hello Done" => 14,
        "Certificate Verify" => 15,
        "Client Key Exchange" => 16,
        "Finished" => 20,
        "Certificate URL" => 21,
        "Certificate Status" => 22,
        "Supplemental Data" => 23,
        "Key Update" => 24,
        "Compressed Certificate" => 25,
        "Next Protocol" => 67,
        _ => return None,
    })
}

/// Up to 32 bytes as `7b:2e:f6` or `7b2ef6`; `None` for anything else.
pub(super) fn random(text: &str) -> Option<[u8; 32]> {
    let text: Cow<'_, str> = match text.contains(':') {
        true => text.replace(':', "").into(),
        false => text.into(),
    };
    let mut random = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in random.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_every_form() {
        let check = |text: &str, kind, expect: Option<&[u64]>| {
            assert_eq!(numbers(text, kind).as_deref(), expect, "{text}");
        };
        check("0x0303", Kind::Version, Some(&[0x0303]));
        check("0x00000303", Kind::Version, Some(&[0x0303]));
        check("771,770", Kind::Version, Some(&[771, 770]));
        check("TLS 1.2 (0x0303),TLS 1.1 (0x0302)", Kind::Version, Some(&[0x0303, 0x0302]));
        check("TLS 1.2", Kind::Version, Some(&[0x0303]));
        check("0x1301 0xc02f", Kind::Suite, Some(&[0x1301, 0xc02f]));
        check("0x1301#0xc02f", Kind::Suite, Some(&[0x1301, 0xc02f]));
        check("0x1301;0xc02f", Kind::Suite, Some(&[0x1301, 0xc02f]));
        check("TLS_RSA_WITH_AES_128_CBC_SHA (0x002f)", Kind::Suite, Some(&[0x2f]));
        check("TLS_RSA_WITH_AES_128_CBC_SHA", Kind::Suite, Some(&[0x2f]));
        check("Client Hello", Kind::Message, Some(&[1]));
        check("2,11,14", Kind::Message, Some(&[2, 11, 14]));
        check("Protocol Version (70)", Kind::Alert, Some(&[70]));
        check("Protocol Version", Kind::Alert, Some(&[70]));
        check("Fatal", Kind::AlertLevel, Some(&[2]));
        check("True", Kind::Plain, Some(&[1]));
        check("", Kind::Plain, Some(&[]));
        check("-", Kind::Plain, Some(&[]));
        check("x25519", Kind::Group, Some(&[29]));
        check("0x13 abc", Kind::Suite, None);
        check("banana", Kind::Version, None);
        check("99999999999999999999999", Kind::Plain, None);
        check("0x", Kind::Plain, None);
    }

    #[test]
    fn versions_have_many_names() {
        let check = |name: &str, expect| assert_eq!(version(name), expect, "{name}");
        check("TLSv1", Some(Version::Tls10));
        check("TLSv1.0", Some(Version::Tls10));
        check("TLSv10", Some(Version::Tls10));
        check("TLS 1.3", Some(Version::Tls13));
        check("TLSv1.3 (draft 28)", Some(Version::Tls13));
        check("TLSv13-draft14", Some(Version::Tls13));
        check("TLSv13-FB23", Some(Version::Tls13));
        check("TLS 1.3 draft-28", Some(Version::Tls13));
        check("unknown-64282", None);
        check("SSLv2", Some(Version::Ssl2));
        check("SSLv3", Some(Version::Ssl3));
        check("DTLSv1.0", Some(Version::Dtls10));
        check("DTLS 1.2", Some(Version::Dtls12));
        check("UNDETERMINED", None);
        check("SSL", None);
        check("TLS", None);
    }
}

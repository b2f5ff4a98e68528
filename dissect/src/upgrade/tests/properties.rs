//! What holds for any bytes and any split.

use crate::upgrade::look::{Look, look};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::upgrade::talk::{DIALOGUE_MAX, MESSAGE_MAX};

/// Scripts of all protocols, each followed by a hello: side, script, upgrade.
fn scripts() -> Vec<(Side, Vec<u8>, Upgrade)> {
    let mut scripts: Vec<(Side, Vec<u8>, Upgrade)> =
        LINES.iter().map(|&(side, script, to)| (side, script.as_bytes().to_vec(), to)).collect();
    for (side, script, to) in [
        (C, &b"CONNECT a.example:443 HTTP/1.1\r\nHost: a\r\n\r\n"[..], Upgrade::HttpConnect),
        (S, b"HTTP/1.1 407 no\r\nContent-Length: 3\r\n\r\nabcHTTP/1.0 200 OK\r\n\r\n", Upgrade::HttpConnect),
        (C, b"\x05\x01\x00\x05\x01\x00\x03\x01a\x01\xbb", Upgrade::Socks),
        (S, b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x04\x38", Upgrade::Socks),
        (C, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Upgrade::Postgres),
        (S, b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", Upgrade::Ldap),
        (C, b"\x03\x00\x00\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0", Upgrade::Rdp),
        (C, b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", Upgrade::Direct),
        (C, b"<stream:stream xmlns:stream=\"http://etherx.jabber.org/streams\" to=\"a\"><starttls></starttls>", Upgrade::Xmpp),
    ] {
        scripts.push((side, script.to_vec(), to));
    }
    scripts
}

/// Beginnings of all kinds of messages, from which noise is made.
fn crumbs() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..40),
        select(scripts()).prop_map(|(_, script, _)| script),
        (select(scripts()), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |((_, mut script, _), at, byte)| {
                let at = at.index(script.len());
                script[at] = byte;
                script
            }
        ),
        Just(client_hello()[..10].to_vec()),
    ]
}

fn cut<'a>(bytes: &'a [u8], lens: &'a [usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(rest.len().min(*len));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

proptest! {
    #[test]
    fn scripts_lead_to_tls_however_they_are_split(
        (side, script, upgrade) in select(scripts()),
        lens in vec(1usize..40, 1..8),
    ) {
        let bytes = [script.clone(), hello_of(side)].concat();
        let (prelude, step, began) = hear(cut(&bytes, &lens));
        prop_assert!(matches!(step, Step::Tls { .. }), "no TLS");
        prop_assert_eq!(began, script.len());
        prop_assert_eq!(prelude.facts().upgrade, Some(upgrade));
        prop_assert_eq!(prelude.facts().role.unwrap_or(side), side);
    }

    #[test]
    fn noise_neither_panics_nor_piles_up(
        parts in vec(crumbs(), 1..12),
        lens in vec(1usize..2000, 1..8),
        gap_at in 0usize..16,
    ) {
        let bytes = parts.concat();
        let mut prelude = Prelude::default();
        for (number, piece) in cut(&bytes, &lens).into_iter().enumerate() {
            if number == gap_at {
                prelude.gap();
            }
            match prelude.push(piece) {
                Step::More => prop_assert!(prelude.pending().len() < MESSAGE_MAX),
                Step::Tls { consumed } => {
                    prop_assert!(consumed <= piece.len());
                    if let Some(wrapping) = prelude.facts().wrapped {
                        let mut out = Vec::new();
                        Unwrap::new(wrapping).push(&piece[consumed..], &mut out);
                        prop_assert!(out.len() <= piece.len());
                    }
                    break;
                }
                Step::NotTls => prop_assert!(prelude.pending().is_empty()),
            }
        }
    }

    #[test]
    fn random_bytes_do_not_look_like_tls(bytes in vec(any::<u8>(), 11..64)) {
        prop_assert_ne!(look(&bytes, None), Look::Yes);
    }

    #[test]
    fn unwrapping_neither_panics_nor_piles_up(
        bytes in vec(prop_oneof![3 => select(vec![0u8, 1, 4, 8, 0x12, 0x20, 0x16, 3]), 1 => any::<u8>()], 0..400),
        lens in vec(1usize..50, 1..8),
        guard in select(vec![0u8, 28]),
        tds in any::<bool>(),
    ) {
        let wrapping = if tds { Wrapping::Tds } else { Wrapping::OpenVpn { guard } };
        let mut unwrap = Unwrap::new(wrapping);
        let mut out = Vec::new();
        for piece in cut(&bytes, &lens) {
            unwrap.push(piece, &mut out);
        }
        prop_assert!(out.len() <= bytes.len());
    }
}

#[test]
fn endless_dialogues_are_given_up() {
    for (first, more) in [
        (&b"EHLO a\r\n"[..], &b"NOOP\r\n"[..]),
        (b"EHLO a\r\n", b"xxxxxxxxxxxxxxxx"),
        (b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", b"<!--  "),
        (b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>", b"abcdefgh"),
        (b"CONNECT a:443 HTTP/1.1\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 407 no\r\n", b"X: y\r\n"),
    ] {
        let mut prelude = Prelude::default();
        assert_eq!(prelude.push(first), Step::More);
        let mut pushed = 0;
        while prelude.push(more) == Step::More {
            pushed += more.len();
            assert!(pushed <= DIALOGUE_MAX as usize, "{}", more.escape_ascii());
        }
    }
}

#[test]
fn a_fresh_prelude_is_small() {
    assert!(size_of::<Prelude>() <= 64, "{}", size_of::<Prelude>());
}

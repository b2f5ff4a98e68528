//! The PROXY protocol, versions 1 and 2: one header by which a load balancer tells whose connection
//! it passes on. What follows is TLS or another dialogue.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::server::begins;
use super::{Dialogue, Heard, PreludeFacts};
use crate::{Endpoint, Side};

const SIGNATURE_1: &[u8] = b"PROXY ";
const SIGNATURE_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Longest header of version 1, by its specification.
const LINE_MAX: usize = 107;

/// Whether a header begins here: `None` while it is too short to tell.
pub(super) fn may_open(start: &[u8]) -> Option<bool> {
    match (begins_exactly(start, SIGNATURE_1), begins_exactly(start, SIGNATURE_2)) {
        (Some(false), two) => two,
        (one, _) => one,
    }
}

fn begins_exactly(start: &[u8], signature: &[u8]) -> Option<bool> {
    let len = start.len().min(signature.len());
    if start[..len] == signature[..len] { begins(start, signature) } else { Some(false) }
}

/// Reads the header.
pub(super) fn read(input: &[u8], facts: &mut PreludeFacts) -> Heard {
    let (len, ends) = if input.starts_with(SIGNATURE_1) {
        match input.iter().take(LINE_MAX).position(|&byte| byte == b'\n') {
            None if input.len() < LINE_MAX => return Heard::Partial,
            None => return Heard::Plain,
            Some(end) => (end + 1, ends_of_line(&input[..end])),
        }
    } else {
        let Some((header, rest)) = input.split_first_chunk::<16>() else { return Heard::Partial };
        let len = usize::from(u16::from_be_bytes([header[14], header[15]]));
        // Version 2; command 0 is the balancer's own connection, 1 a client's.
        match header[12] {
            0x20 => (16 + len, None),
            0x21 => {
                let needed = len.min(36);
                let Some(body) = rest.get(..needed) else { return Heard::Partial };
                (16 + len, ends_of_body(header[13], body))
            }
            _ => return Heard::Plain,
        }
    };
    facts.role = Some(Side::Client);
    facts.proxied = ends.map(Box::new);
    Heard::Becomes(len, Dialogue::Unknown)
}

/// `PROXY TCP4 SOURCE DESTINATION PORT PORT`
fn ends_of_line(line: &[u8]) -> Option<(Endpoint, Endpoint)> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches('\r');
    let mut words = line.split(' ').skip(1);
    if !matches!(words.next()?, "TCP4" | "TCP6") {
        return None;
    }
    let source = words.next()?.parse().ok()?;
    let destination = words.next()?.parse().ok()?;
    let source = Endpoint { addr: source, port: words.next()?.parse().ok()? };
    Some((source, Endpoint { addr: destination, port: words.next()?.parse().ok()? }))
}

/// The addresses of version 2: both addresses, then both ports.
fn ends_of_body(family: u8, body: &[u8]) -> Option<(Endpoint, Endpoint)> {
    let (source, destination, ports): (IpAddr, IpAddr, &[u8]) = match family >> 4 {
        1 => {
            let (source, rest) = body.split_first_chunk::<4>()?;
            let (destination, ports) = rest.split_first_chunk::<4>()?;
            (Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), ports)
        }
        2 => {
            let (source, rest) = body.split_first_chunk::<16>()?;
            let (destination, ports) = rest.split_first_chunk::<16>()?;
            (Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), ports)
        }
        _ => return None,
    };
    let ports: [u8; 4] = *ports.first_chunk()?;
    let source = Endpoint { addr: source, port: u16::from_be_bytes([ports[0], ports[1]]) };
    let port = u16::from_be_bytes([ports[2], ports[3]]);
    Some((source, Endpoint { addr: destination, port }))
}

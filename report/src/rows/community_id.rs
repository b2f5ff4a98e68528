//! Community ID version 1: one name for a connection that every tool computes alike.
//!
//! Follows the published specification: a SHA-1 over seed, ordered endpoints and transport, in
//! base64 behind `1:`. The seed is zero, the default of all tools, so that the values join.

use std::fmt;
use std::net::IpAddr;

use dissect::{Endpoint, Transport};
use sha1::{Digest, Sha1};

use crate::base64;

/// A connection's Community ID with seed 0. Both directions have the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommunityId([u8; 20]);

impl CommunityId {
    /// The id of the connection between two endpoints.
    #[must_use]
    pub fn of(one: Endpoint, other: Endpoint, transport: Transport) -> Self {
        // Hashed:  seed (2) | lower address | higher address | protocol | 0 | ports (2 + 2)
        let mut hashed = [0; 2 + 16 + 16 + 2 + 4];
        let mut len = 2;
        let mut push = |bytes: &[u8]| {
            hashed[len..len + bytes.len()].copy_from_slice(bytes);
            len += bytes.len();
        };
        let (lower, higher) =
            if wire_order(one) <= wire_order(other) { (one, other) } else { (other, one) };
        for end in [lower, higher] {
            match end.addr {
                IpAddr::V4(addr) => push(&addr.octets()),
                IpAddr::V6(addr) => push(&addr.octets()),
            }
        }
        push(&[protocol_number(transport), 0]);
        push(&lower.port.to_be_bytes());
        push(&higher.port.to_be_bytes());
        Self(Sha1::digest(&hashed[..len]).into())
    }
}

impl CommunityId {
    /// The id as it is shown.
    pub(crate) fn text(&self) -> [u8; 2 + 28] {
        // 20 bytes are 27 characters of six bits, and one `=` that fills up the last four.
        let mut text = [0; 2 + 28];
        text[..2].copy_from_slice(b"1:");
        base64::encode(&self.0, &mut text[2..]);
        text
    }
}

impl fmt::Display for CommunityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

/// What the specification orders endpoints by: the address's bytes, then the port.
fn wire_order(end: Endpoint) -> (IpAddr, u16) {
    // `IpAddr` compares octet by octet, and IPv4 before IPv6; both ends are of one family.
    (end.addr, end.port)
}

/// The IANA protocol number.
const fn protocol_number(transport: Transport) -> u8 {
    match transport {
        Transport::Tcp => 6,
        Transport::Udp => 17,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Endpoint {
        let addr: std::net::SocketAddr = text.parse().unwrap();
        Endpoint { addr: addr.ip(), port: addr.port() }
    }

    /// Vectors of the specification's baseline files.
    #[test]
    fn published_vectors() {
        let check = |one, other, transport, expect: &str| {
            let (one, other) = (end(one), end(other));
            assert_eq!(CommunityId::of(one, other, transport).to_string(), expect);
            assert_eq!(CommunityId::of(other, one, transport).to_string(), expect);
        };
        check(
            "128.232.110.120:34855",
            "66.35.250.204:80",
            Transport::Tcp,
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        );
        check("192.168.1.52:54585", "8.8.8.8:53", Transport::Udp, "1:d/FP5EW3wiY1vCndhwleRRKHowQ=");
        check(
            "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943",
            "[2607:f8b0:400c:c03::1a]:25",
            Transport::Tcp,
            "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        );
    }
}

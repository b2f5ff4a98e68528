//! What makes two packets belong together: the unordered pair of endpoints.
//!
//! No VLAN and no outer header of a tunnel is part of it: mirrors tag directions differently and
//! copy a packet into two VLANs.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Endpoint;

/// A connection's two endpoints in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    V4(KeyOf<u32>),
    /// Addresses as words, the first one first: a key is then 40 bytes and not 64.
    V6(KeyOf<[u32; 4]>),
}

/// In as few steps as a hasher can take: the derived way has twice as many.
impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::V4(key) => {
                state.write_u64(u64::from(key.low) << 32 | u64::from(key.high));
                state.write_u32(key.ports());
            }
            Self::V6(key) => {
                for [a, b, c, d] in [key.low, key.high] {
                    state.write_u64(u64::from(a) << 32 | u64::from(b));
                    state.write_u64(u64::from(c) << 32 | u64::from(d));
                }
                state.write_u32(key.ports());
            }
        }
    }
}

/// The endpoints of one address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct KeyOf<A> {
    low: A,
    high: A,
    low_port: u16,
    high_port: u16,
}

/// One of a connection's two directions, before it is known who is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the lower endpoint to the higher one.
    Up,
    /// From the higher endpoint to the lower one.
    Down,
}

impl Way {
    pub(crate) const BOTH: [Self; 2] = [Self::Up, Self::Down];

    pub(crate) const fn reverse(self) -> Self {
        match self {
            Self::Up => Self::Down,
            Self::Down => Self::Up,
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// A bit of its own.
    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl Key {
    /// The connection between two endpoints and the direction from `source` to `target`.
    pub(crate) fn new(source: Endpoint, target: Endpoint) -> (Self, Way) {
        match (source.addr, target.addr) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let (key, way) = KeyOf::new(a.to_bits(), source.port, b.to_bits(), target.port);
                (Self::V4(key), way)
            }
            (a, b) => {
                let (key, way) = KeyOf::new(words(a), source.port, words(b), target.port);
                (Self::V6(key), way)
            }
        }
    }

    /// The same of two IPv4 addresses as numbers.
    #[inline]
    pub(crate) fn v4(source: (u32, u16), target: (u32, u16)) -> (Self, Way) {
        let (key, way) = KeyOf::new(source.0, source.1, target.0, target.1);
        (Self::V4(key), way)
    }

    /// The same of two IPv6 addresses as words, the first one first.
    #[inline]
    pub(crate) fn v6(source: ([u32; 4], u16), target: ([u32; 4], u16)) -> (Self, Way) {
        let (key, way) = KeyOf::new(source.0, source.1, target.0, target.1);
        (Self::V6(key), way)
    }

    /// The endpoint that sends in this direction.
    pub(crate) fn sender(self, way: Way) -> Endpoint {
        match self {
            Self::V4(key) => {
                let (addr, port) = key.sender(way);
                Endpoint { addr: Ipv4Addr::from_bits(addr).into(), port }
            }
            Self::V6(key) => {
                let (addr, port) = key.sender(way);
                let [a, b, c, d] = addr.map(u128::from);
                let addr = Ipv6Addr::from_bits(a << 96 | b << 64 | c << 32 | d);
                Endpoint { addr: addr.into(), port }
            }
        }
    }
}

/// The four words of an IPv6 address, or of the one that stands for an IPv4 address.
fn words(addr: IpAddr) -> [u32; 4] {
    let addr = match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped(),
        IpAddr::V6(addr) => addr,
    };
    let [a, b, c, d, e, f, g, h] = addr.segments().map(u32::from);
    [a << 16 | b, c << 16 | d, e << 16 | f, g << 16 | h]
}

impl<A> KeyOf<A> {
    fn ports(&self) -> u32 {
        u32::from(self.low_port) << 16 | u32::from(self.high_port)
    }
}

impl<A: Ord + Copy> KeyOf<A> {
    fn new(source: A, source_port: u16, target: A, target_port: u16) -> (Self, Way) {
        if (source, source_port) <= (target, target_port) {
            let key =
                Self { low: source, high: target, low_port: source_port, high_port: target_port };
            (key, Way::Up)
        } else {
            let key =
                Self { low: target, high: source, low_port: target_port, high_port: source_port };
            (key, Way::Down)
        }
    }

    fn sender(self, way: Way) -> (A, u16) {
        match way {
            Way::Up => (self.low, self.low_port),
            Way::Down => (self.high, self.high_port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_share_a_key() {
        let check = |a: &str, b: &str| {
            let end = |text: &str| {
                let socket: std::net::SocketAddr = text.parse().unwrap();
                Endpoint { addr: socket.ip(), port: socket.port() }
            };
            let (key, way) = Key::new(end(a), end(b));
            let (same, other) = Key::new(end(b), end(a));
            assert_eq!((key, way), (same, other.reverse()));
            assert_eq!((key.sender(way), key.sender(other)), (end(a), end(b)));
            let by_words = match (end(a).addr, end(b).addr) {
                (IpAddr::V4(from), IpAddr::V4(to)) => {
                    Key::v4((from.to_bits(), end(a).port), (to.to_bits(), end(b).port))
                }
                (from, to) => Key::v6((words(from), end(a).port), (words(to), end(b).port)),
            };
            assert_eq!(by_words, (key, way));
        };
        check("10.0.0.1:5061", "10.0.0.2:443");
        check("10.0.0.1:5061", "10.0.0.1:443");
        check("[2001:db8::1]:5061", "[::1]:443");
    }
}

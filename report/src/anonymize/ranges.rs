//! Which networks keep their place among pseudonyms, and which addresses stay as they are.
//!
//! Seen as a tree of bits, a network keeps its place when no bit before its length flips, and its
//! addresses stay when none behind it does either. What a bit may do depends on the bits before it
//! alone, so that prefixes are kept throughout. What it costs: an address outside shares as many
//! leading bits with a network that keeps its place as it did before.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::crypto_pan::CryptoPan;
use crate::{Endpoints, Home, Prefix};

/// Networks of no particular host, which stay: this host, loopback, multicast and broadcast.
const SPECIAL: [&str; 7] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "ff00::/8",
];

/// Networks that everybody has, whose addresses change within them: private and shared address
/// space, link-local. What is not here may be told to be somebody's.
const PRIVATE: [&str; 7] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// An address or the beginning of one: family, bits from the left, and how many count.
#[derive(Debug, Clone, Copy)]
struct Bits {
    is_v4: bool,
    bits: u128,
    len: u32,
}

impl Bits {
    fn of(prefix: &Prefix) -> Self {
        Self { len: prefix.bits().into(), ..Self::of_addr(prefix.first()) }
    }

    fn of_addr(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(v4) => Self { is_v4: true, bits: u128::from(u32::from(v4)) << 96, len: 32 },
            IpAddr::V6(v6) => Self { is_v4: false, bits: v6.into(), len: 128 },
        }
    }

    /// How many leading bits two have in common, as far as both count; `None` across families.
    fn common(&self, other: &Self) -> Option<u32> {
        let same = (self.bits ^ other.bits).leading_zeros();
        (self.is_v4 == other.is_v4).then(|| same.min(self.len).min(other.len))
    }

    fn covers(&self, other: &Self) -> bool {
        self.common(other) == Some(self.len)
    }
}

#[derive(Debug)]
pub(super) struct Ranges {
    /// Networks that keep their place.
    placed: Vec<Bits>,
    special: Vec<Bits>,
    /// Networks of the endpoint list.
    public: Vec<Bits>,
    /// Networks whose addresses change in any case.
    inside: Vec<Bits>,
}

impl Ranges {
    pub(super) fn new(endpoints: &Endpoints, home: &Home) -> Self {
        let parsed = |texts: &[&str]| -> Vec<Bits> {
            let parse = |text: &&str| text.parse().expect("the table holds prefixes");
            texts.iter().map(parse).map(|prefix| Bits::of(&prefix)).collect()
        };
        let (special, private) = (parsed(&SPECIAL), parsed(&PRIVATE));
        let listed = endpoints.rows().iter().flat_map(|row| &row.prefixes);
        let public: Vec<Bits> = listed.map(Bits::of).collect();
        let placed = [&*special, &*private, &*public].concat();
        let inside = home.prefixes().iter().map(Bits::of).chain(private).collect();
        Self { placed, special, public, inside }
    }

    /// The pseudonym of an address. One of IPv4 in IPv6 is that of the IPv4 address within.
    pub(super) fn pseudonym(&self, addr: IpAddr, pan: &CryptoPan) -> IpAddr {
        let addr_v4 = match addr {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) => v6.to_ipv4_mapped(),
        };
        if let Some(v4) = addr_v4 {
            return match self.pseudonym(v4.into(), pan) {
                IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
                v6 @ IpAddr::V6(_) => v6,
            };
        }
        let bits = Bits::of_addr(addr);
        let rules = self.rules(&bits);
        let pseudonym = pan.pseudonym(bits.bits, bits.len, |depth| rules.may_flip(depth));
        match addr {
            IpAddr::V4(_) => {
                let v4 = u32::try_from(pseudonym >> 96).expect("96 of 128 bits are gone");
                Ipv4Addr::from(v4).into()
            }
            IpAddr::V6(_) => Ipv6Addr::from(pseudonym).into(),
        }
    }

    fn rules(&self, addr: &Bits) -> Rules {
        let shortest = |networks: &[Bits]| {
            networks.iter().filter(|network| network.covers(addr)).map(|network| network.len).min()
        };
        // On the way to a network that keeps its place, the last bit that must stay is the one
        // that leads away from it, or its own last.
        let on_the_way =
            |placed: &Bits| placed.common(addr).map(|common| placed.len.min(common + 1));
        Rules {
            placed: self.placed.iter().filter_map(on_the_way).max().unwrap_or(0),
            special: shortest(&self.special),
            public: shortest(&self.public),
            inside: shortest(&self.inside),
        }
    }
}

/// From how many bits on an address is in a network of each kind.
struct Rules {
    /// Bits that lead to networks that keep their place.
    placed: u32,
    special: Option<u32>,
    public: Option<u32>,
    inside: Option<u32>,
}

impl Rules {
    fn may_flip(&self, depth: u32) -> bool {
        let is_in = |network: Option<u32>| network.is_some_and(|len| len <= depth);
        let stays = is_in(self.special) || is_in(self.public) && !is_in(self.inside);
        depth >= self.placed && !stays
    }
}

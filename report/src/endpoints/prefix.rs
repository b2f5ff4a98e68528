//! Address prefixes: parsing, and finding the longest one that contains an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// An IPv4 or IPv6 network, such as `52.112.0.0/14`.
///
/// IPv4-mapped IPv6 addresses count as the IPv4 addresses that they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    family: Family,
    /// The network's first address; an IPv4 address fills the low 32 bits.
    first: u128,
    /// Length in bits, up to 32 or 128.
    len: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Family {
    V4,
    V6,
}

impl Family {
    const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }
}

/// Why a text is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// The part before the slash.
    #[error("`{found}` is no IPv4 or IPv6 address; a prefix looks like 10.0.0.0/8 or fd00::/8")]
    Address {
        /// What stands there.
        found: String,
    },
    /// The part after the slash.
    #[error("`{found}` is no prefix length for this address; 0 to {max} is allowed")]
    Length {
        /// What stands there.
        found: String,
        /// The greatest length of the address family.
        max: u8,
    },
}

impl Prefix {
    /// The network of `len` bits around an address.
    ///
    /// # Errors
    ///
    /// When the address family has fewer bits than `len`.
    pub fn new(addr: IpAddr, len: u8) -> Result<Self, PrefixError> {
        let (family, value) = split(addr);
        if len > family.bits() {
            return Err(PrefixError::Length { found: len.to_string(), max: family.bits() });
        }
        Ok(Self { family, first: value & mask(family, len), len })
    }

    /// Whether the address lies within.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        let (family, value) = split(addr);
        self.holds(family, value)
    }

    fn holds(&self, family: Family, value: u128) -> bool {
        family == self.family && value & mask(family, self.len) == self.first
    }

    /// Whether all of `other` lies within.
    #[must_use]
    pub const fn covers(&self, other: &Self) -> bool {
        self.family as u8 == other.family as u8
            && self.len <= other.len
            && other.first & mask(self.family, self.len) == self.first
    }

    /// The first address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        match self.family {
            Family::V4 => {
                let value = u32::try_from(self.first).expect("an IPv4 network has 32 bits");
                IpAddr::V4(Ipv4Addr::from(value))
            }
            Family::V6 => IpAddr::V6(Ipv6Addr::from(self.first)),
        }
    }

    /// The length in bits.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.len
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first(), self.len)
    }
}

/// Takes `10.0.0.0/8`, and a bare address as the network of that one address. Bits behind the
/// length are dropped, as routers do.
impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (addr_text, len_text) = match text.split_once('/') {
            Some((addr, len)) => (addr, Some(len)),
            None => (text, None),
        };
        let addr: IpAddr =
            addr_text.parse().map_err(|_| PrefixError::Address { found: addr_text.to_owned() })?;
        let written_bits = if addr.is_ipv4() { 32 } else { 128 };
        let len = match len_text {
            None => written_bits,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|len| *len <= written_bits && !digits.starts_with('+'))
                .ok_or_else(|| PrefixError::Length {
                    found: digits.to_owned(),
                    max: written_bits,
                })?,
        };
        let mapped = addr.is_ipv6() && addr.to_canonical().is_ipv4();
        // ::ffff:10.0.0.0/104 is 10.0.0.0/8; a shorter one is a network of IPv6.
        if mapped && len < 96 {
            let value = u128::from_be_bytes(match addr {
                IpAddr::V6(v6) => v6.octets(),
                IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            });
            return Ok(Self { family: Family::V6, first: value & mask(Family::V6, len), len });
        }
        Self::new(addr, if mapped { len - 96 } else { len })
    }
}

/// Prefixes with a value each; finds the value of the longest one that contains an address.
///
/// Invariant: `entries` is sorted by family, first address and length, so that a prefix stands
/// before the ones inside it; `parent` is the nearest enclosing entry.
#[derive(Debug, Clone)]
pub(crate) struct PrefixTable<T> {
    entries: Vec<Entry<T>>,
    /// The first addresses of the entries of IPv4, which come first: most addresses are of it.
    v4_firsts: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    prefix: Prefix,
    parent: Option<usize>,
    value: T,
}

impl<T> PrefixTable<T> {
    /// Of equal prefixes the first one counts.
    pub(crate) fn new(prefixes: impl IntoIterator<Item = (Prefix, T)>) -> Self {
        let mut sorted: Vec<(Prefix, T)> = prefixes.into_iter().collect();
        sorted.sort_by_key(|(prefix, _)| *prefix);
        sorted.dedup_by(|later, earlier| later.0 == earlier.0);
        let mut entries: Vec<Entry<T>> = Vec::with_capacity(sorted.len());
        let mut enclosing: Vec<usize> = Vec::new();
        for (index, (prefix, value)) in sorted.into_iter().enumerate() {
            while enclosing.last().is_some_and(|&top| !entries[top].prefix.covers(&prefix)) {
                enclosing.pop();
            }
            entries.push(Entry { prefix, parent: enclosing.last().copied(), value });
            enclosing.push(index);
        }
        let v4 = entries.iter().take_while(|entry| entry.prefix.family == Family::V4);
        // An IPv4 network has 32 bits.
        let v4_firsts = v4.map(|entry| (entry.prefix.first & 0xffff_ffff) as u32).collect();
        Self { entries, v4_firsts }
    }

    /// The longest prefix around the address and its value.
    pub(crate) fn longest(&self, addr: IpAddr) -> Option<(Prefix, &T)> {
        let (family, value) = split(addr);
        let after = match (family, u32::try_from(value)) {
            (Family::V4, Ok(value)) => self.v4_firsts.partition_point(|first| *first <= value),
            _ => self.entries.partition_point(|entry| {
                (entry.prefix.family, entry.prefix.first) <= (family, value)
            }),
        };
        let mut at = after.checked_sub(1);
        while let Some(index) = at {
            let entry = &self.entries[index];
            if entry.prefix.holds(family, value) {
                return Some((entry.prefix, &entry.value));
            }
            at = entry.parent;
        }
        None
    }
}

/// The networks that count as inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    prefixes: Vec<Prefix>,
}

impl Home {
    /// These networks and no others; the default ones when there are none.
    #[must_use]
    pub fn new(prefixes: Vec<Prefix>) -> Self {
        if prefixes.is_empty() { Self::default() } else { Self { prefixes } }
    }

    /// The networks.
    #[must_use]
    pub fn prefixes(&self) -> &[Prefix] {
        &self.prefixes
    }

    /// Whether an address is inside.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        let (family, value) = split(addr);
        self.prefixes.iter().any(|prefix| prefix.holds(family, value))
    }
}

/// Private networks (RFC 1918, RFC 4193), carrier-grade NAT (RFC 6598), loopback and link-local.
impl Default for Home {
    fn default() -> Self {
        let prefixes = DEFAULT_HOME
            .iter()
            .map(|text| text.parse().expect("the table holds prefixes, as a test reads it"))
            .collect();
        Self { prefixes }
    }
}

pub(crate) const DEFAULT_HOME: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "fc00::/7",
    "::1/128",
    "fe80::/10",
];

fn split(addr: IpAddr) -> (Family, u128) {
    match addr.to_canonical() {
        IpAddr::V4(v4) => (Family::V4, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (Family::V6, u128::from(v6)),
    }
}

const fn mask(family: Family, len: u8) -> u128 {
    let host_bits = (family.bits() - len) as u32;
    match u128::MAX.checked_shl(host_bits) {
        Some(mask) => mask,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn prefixes_contain_their_first_and_last_address_only() {
        let check = |network: &str, candidate: &str, expect: bool| {
            assert_eq!(prefix(network).contains(addr(candidate)), expect, "{network} {candidate}");
        };
        check("52.112.0.0/14", "52.112.0.0", true);
        check("52.112.0.0/14", "52.115.255.255", true);
        check("52.112.0.0/14", "52.111.255.255", false);
        check("52.112.0.0/14", "52.116.0.0", false);
        check("52.112.0.0/14", "::ffff:52.113.1.1", true);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("0.0.0.0/0", "2603::1", false);
        check("::/0", "2603::1", true);
        check("::/0", "1.2.3.4", false);
        check("2603:1063::/38", "2603:1063:3ff:ffff::1", true);
        check("2603:1063::/38", "2603:1063:400::1", false);
        check("::ffff:10.0.0.0/104", "10.1.2.3", true);
        check("192.0.2.7", "192.0.2.7", true);
        check("192.0.2.7", "192.0.2.6", false);
    }

    #[test]
    fn texts_that_are_no_prefix_are_refused_with_what_is_allowed() {
        let check = |text: &str, expect: &str| {
            let error = text.parse::<Prefix>().expect_err(text).to_string();
            assert!(error.contains(expect), "{text}: {error}");
        };
        check("10.0.0/8", "no IPv4 or IPv6 address");
        check("10.0.0.0/33", "0 to 32");
        check("10.0.0.0/", "0 to 32");
        check("10.0.0.0/+8", "0 to 32");
        check("fd00::/129", "0 to 128");
        check("", "no IPv4 or IPv6 address");
    }

    #[test]
    fn display_gives_the_network() {
        assert_eq!(prefix("10.1.2.3/8").to_string(), "10.0.0.0/8");
        assert_eq!(prefix("2603:1063::1/38").to_string(), "2603:1063::/38");
    }

    #[test]
    fn the_longest_prefix_wins_also_behind_inner_ones() {
        let table = PrefixTable::new(
            ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.128/25", "10.9.0.0/16", "::/0"]
                .map(|text| (prefix(text), text)),
        );
        let check = |candidate: &str, expect: Option<&str>| {
            assert_eq!(table.longest(addr(candidate)).map(|(_, v)| *v), expect, "{candidate}");
        };
        check("10.1.2.200", Some("10.1.2.128/25"));
        check("10.1.2.1", Some("10.1.2.0/24"));
        check("10.1.3.1", Some("10.1.0.0/16"));
        check("10.200.0.1", Some("10.0.0.0/8"));
        check("11.0.0.0", None);
        check("9.255.255.255", None);
        check("2001::1", Some("::/0"));
    }

    #[test]
    fn the_first_of_equal_prefixes_counts() {
        let table = PrefixTable::new([(prefix("10.0.0.0/8"), 1), (prefix("10.0.0.0/8"), 2)]);
        assert_eq!(table.longest(addr("10.0.0.1")).map(|(_, v)| *v), Some(1));
    }

    #[test]
    fn private_networks_are_home_unless_others_are_named() {
        let home = Home::default();
        for inside in ["10.0.0.1", "172.31.255.1", "192.168.1.1", "100.127.0.1", "fd12::1", "::1"] {
            assert!(home.contains(addr(inside)), "{inside}");
        }
        for outside in ["172.32.0.1", "100.128.0.1", "52.112.0.1", "2603:1006::1"] {
            assert!(!home.contains(addr(outside)), "{outside}");
        }
        let only = Home::new(vec![prefix("203.0.113.0/24")]);
        assert!(only.contains(addr("203.0.113.9")));
        assert!(!only.contains(addr("10.0.0.1")));
    }
}

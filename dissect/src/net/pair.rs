//! Which of several readers a pair of addresses belongs to.
//!
//! The rule is simple enough for a classic BPF program in the kernel, which hands frames out to
//! readers by it, and it is the same for both directions. Ports have no part in it, so fragments
//! go where the rest of their connection goes.

use std::net::IpAddr;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use std::hash::BuildHasher as _;

/// Divides pairs of addresses between readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pairing {
    add: u32,
    multiply: u32,
    readers: u16,
}

impl Pairing {
    /// Low bits of a product say little of the high bits of its factors, so the high half counts.
    pub const SHIFT: u32 = 16;

    /// A rule for this many readers, at least 1; `seed` makes it hard to guess.
    #[must_use]
    pub fn new(seed: u64, readers: u16) -> Self {
        let hash = SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()).hash_one(seed);
        let half = |shift: u32| u32::try_from(hash >> shift & u64::from(u32::MAX)).unwrap_or(0);
        // Odd, so that no bit of the pair is lost.
        Self { add: half(0), multiply: half(32) | 1, readers: readers.max(1) }
    }

    /// How many readers there are.
    #[must_use]
    pub const fn readers(&self) -> u16 {
        self.readers
    }

    /// The numbers of the rule `((fold ^ add) * multiply >> SHIFT) % readers`, in 32 bits.
    #[must_use]
    pub const fn numbers(&self) -> (u32, u32) {
        (self.add, self.multiply)
    }

    /// The reader, from 0, of a pair that was folded.
    #[inline]
    #[must_use]
    pub fn reader(&self, pair: Pair) -> usize {
        let mixed = (pair.0 ^ self.add).wrapping_mul(self.multiply) >> Self::SHIFT;
        // The remainder is below the number of readers.
        usize::try_from(mixed % u32::from(self.readers)).unwrap_or(0)
    }
}

/// Two addresses, folded into 32 bits: all their words combined by exclusive or.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair(u32);

impl Pair {
    /// The pair of these addresses, in either order.
    #[inline]
    #[must_use]
    pub fn new(one: IpAddr, other: IpAddr) -> Self {
        Self(fold(one) ^ fold(other))
    }

    #[inline]
    pub(super) const fn of_v4(one: u32, other: u32) -> Self {
        Self(one ^ other)
    }
}

#[inline]
fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => address.to_bits(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let halves = (bits ^ bits >> 64) & u128::from(u64::MAX);
            u32::try_from((halves ^ halves >> 32) & u128::from(u32::MAX)).unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(one: &str, other: &str) -> Pair {
        Pair::new(one.parse().unwrap(), other.parse().unwrap())
    }

    #[test]
    fn both_directions_are_one_pair() {
        assert_eq!(pair("10.0.0.1", "52.96.0.9"), pair("52.96.0.9", "10.0.0.1"));
        assert_eq!(pair("10.0.0.1", "52.96.0.9"), Pair::of_v4(0x0a00_0001, 0x3460_0009));
        let folded = 0x2001_0db8 ^ 0x0102_0304 ^ 7;
        assert_eq!(pair("2001:db8::102:304", "::7"), Pair(folded));
        assert_ne!(pair("10.0.0.1", "52.96.0.9"), pair("10.0.0.2", "52.96.0.9"));
    }

    #[test]
    fn every_reader_gets_its_share_and_seeds_differ() {
        for readers in [1, 2, 3, 7, 64] {
            let pairing = Pairing::new(5, readers);
            assert_eq!(pairing.readers(), readers);
            let mut shares = vec![0_u32; readers.into()];
            for host in 0..20_000_u32 {
                let server = 0x3460_0000 + host % 50;
                shares[pairing.reader(Pair::of_v4(0x0a00_0000 + host / 50, server))] += 1;
            }
            let fair = 20_000 / u32::from(readers);
            let is_fair = |share: &u32| (fair / 2..=fair * 2).contains(share);
            assert!(shares.iter().all(is_fair), "{readers}: {shares:?}");
        }
        assert_eq!(Pairing::new(5, 0).readers(), 1);
        assert_ne!(Pairing::new(5, 4), Pairing::new(6, 4));
    }
}

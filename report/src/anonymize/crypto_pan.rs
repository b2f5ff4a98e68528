//! Crypto-PAn: addresses with n leading bits in common have pseudonyms with n leading bits in common
//! (Xu, Fan, Ammar, Moon: Prefix-Preserving IP Address Anonymization, ICNP 2002).
//!
//! Each bit is flipped or not by what a cipher makes of the bits before it. Any rule that looks only
//! at the bits before keeps prefixes and is one to one; so bits may also be told to stay.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

use super::AnonymizeKey;

/// The cipher and the padding of a key.
pub(super) struct CryptoPan {
    cipher: Aes128,
    padding: u128,
}

impl CryptoPan {
    pub(super) fn new(key: &AnonymizeKey) -> Self {
        let (cipher_key, padding) = key.halves();
        let cipher = Aes128::new(&cipher_key.into());
        let mut this = Self { cipher, padding: 0 };
        this.padding = this.encrypt(u128::from_be_bytes(padding));
        this
    }

    /// The pseudonym of the `len` leading bits of `addr`, whose other bits are zero. The bit behind
    /// the first `depth` bits may flip where `may_flip(depth)`.
    pub(super) fn pseudonym(&self, addr: u128, len: u32, may_flip: impl Fn(u32) -> bool) -> u128 {
        let mut flips = 0;
        for depth in (0..len).filter(|depth| may_flip(*depth)) {
            // All ones from the bit on; none of the bits before it.
            let rest = u128::MAX >> depth;
            let flip = self.encrypt(addr & !rest | self.padding & rest) >> 127;
            flips |= flip << (127 - depth);
        }
        addr ^ flips
    }

    fn encrypt(&self, block: u128) -> u128 {
        let mut block = block.to_be_bytes().into();
        self.cipher.encrypt_block(&mut block);
        u128::from_be_bytes(block.into())
    }
}

/// Shows no secret.
impl fmt::Debug for CryptoPan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CryptoPan")
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// The key of the sample that comes with the authors' program.
    const SAMPLE_KEY: [u8; 32] = [
        21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131,
        121, 121, 101, 39, 98, 87, 76, 45, 42, 132, 34, 2,
    ];

    fn pan(key: &[u8]) -> CryptoPan {
        CryptoPan::new(&AnonymizeKey::parse(key).unwrap())
    }

    fn of_v4(pan: &CryptoPan, addr: Ipv4Addr) -> Ipv4Addr {
        let pseudonym = pan.pseudonym(u128::from(u32::from(addr)) << 96, 32, |_| true);
        u32::try_from(pseudonym >> 96).unwrap().into()
    }

    /// Pairs of the authors' sample trace.
    #[test]
    fn published_vectors_of_ipv4() {
        let pan = pan(&SAMPLE_KEY);
        for (addr, expect) in [
            ("128.11.68.132", "135.242.180.132"),
            ("129.118.74.4", "134.136.186.123"),
            ("130.132.252.244", "133.68.164.234"),
            ("141.223.7.43", "141.167.8.160"),
            ("141.233.145.108", "141.129.237.235"),
            ("152.163.225.39", "151.140.114.167"),
            ("156.29.3.236", "147.225.12.42"),
            ("165.247.96.84", "162.9.99.234"),
            ("166.107.77.190", "160.132.178.185"),
            ("192.102.249.13", "252.138.62.131"),
            ("192.215.32.125", "252.43.47.189"),
            ("192.233.80.103", "252.25.108.8"),
            ("192.41.57.43", "252.222.221.184"),
            ("193.150.244.223", "253.169.52.216"),
            ("195.205.63.100", "255.186.223.5"),
            ("198.200.171.101", "249.199.68.213"),
            ("198.26.132.101", "249.36.123.202"),
            ("198.36.213.5", "249.7.21.132"),
            ("198.51.77.238", "249.18.186.254"),
            ("199.217.79.101", "248.38.184.213"),
        ] {
            assert_eq!(of_v4(&pan, addr.parse().unwrap()).to_string(), expect, "{addr}");
        }
    }

    /// No pairs of IPv6 were published with the paper. These are what the rule that the published
    /// pairs of IPv4 hold gives for 128 bits with the same key, and must stay: pseudonyms of earlier
    /// runs are compared with later ones.
    #[test]
    fn vectors_of_ipv6_stay() {
        let pan = pan(&SAMPLE_KEY);
        for (addr, expect) in [
            ("::1", "78ff:f001:9fc0:20df:8380:b1f1:704:ed"),
            ("::2", "78ff:f001:9fc0:20df:8380:b1f1:704:ef"),
            ("::ffff", "78ff:f001:9fc0:20df:8380:b1f1:704:f838"),
            ("2001:db8::1", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1e"),
            ("2001:db8::2", "4401:2bc:603f:d91d:27f:ff8e:e6f1:dc1c"),
        ] {
            let addr: Ipv6Addr = addr.parse().unwrap();
            let pseudonym = Ipv6Addr::from(pan.pseudonym(addr.into(), 128, |_| true));
            assert_eq!(pseudonym.to_string(), expect, "{addr}");
        }
    }

    #[test]
    fn bits_that_may_not_flip_stay() {
        let pan = pan(&SAMPLE_KEY);
        let addr = u128::from(0x0a14_010b_u32) << 96;
        let pseudonym = pan.pseudonym(addr, 32, |depth| depth >= 8);
        assert_eq!((pseudonym >> 120, pseudonym << 32), (10, 0));
        assert_ne!(pseudonym, addr);
        assert_eq!(pan.pseudonym(addr, 32, |_| false), addr);
    }
}

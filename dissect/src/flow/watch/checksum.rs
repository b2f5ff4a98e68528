//! The checksum of a TCP segment (RFC 9293 §3.1).

use std::net::IpAddr;

use crate::flow::{Segment, Way};

/// Number of TCP in the pseudo header.
const TCP: u64 = 6;

/// Whether a segment whose header and payload were captured whole has the checksum that it must
/// have.
pub(super) fn is_right(segment: &Segment<'_>) -> bool {
    let (header, payload) = (segment.header, segment.payload);
    // The header is of an even length, so both parts may be summed on their own.
    let len = (header.len() + payload.len()) as u64;
    let addresses = Way::BOTH.map(|way| address(segment.key.sender(way).addr));
    let ends = addresses.iter().sum::<u64>();
    fold(ends + TCP + len + sum(header) + sum(payload)) == 0xffff
}

fn address(addr: IpAddr) -> u64 {
    match addr {
        IpAddr::V4(addr) => sum(&addr.octets()),
        IpAddr::V6(addr) => sum(&addr.octets()),
    }
}

/// The sum of 16-bit words in network byte order; a last odd byte is the high one of its word.
///
/// A sum in ones' complement comes out the same in either byte order (RFC 1071 §2), so that words
/// are added as they lie there and the sum is turned once.
fn sum(bytes: &[u8]) -> u64 {
    // 32 bits of each word go to either sum, which takes half the steps of one sum of 32 bits.
    let (words, rest) = bytes.as_chunks::<8>();
    let (low, high) = words
        .iter()
        .map(|word| u64::from_ne_bytes(*word))
        .fold((0, 0), |(low, high), word| (low + (word & 0xffff_ffff), high + (word >> 32)));
    let (last_words, rest) = rest.as_chunks::<4>();
    let words: u64 = low
        + high
        + last_words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum::<u64>();
    let mut last = [0; 4];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let folded = fold(words + u64::from(u32::from_ne_bytes(last)));
    // Folding leaves 16 bits.
    u16::from_be(u16::try_from(folded).unwrap_or_default()).into()
}

/// The sum in ones' complement of 16 bits.
fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_words() {
        // RFC 1071 §3.
        let check = |bytes: &[u8], expect| assert_eq!(fold(sum(bytes)), expect, "{bytes:?}");
        check(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 0xddf2);
        check(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5], 0xe6fa);
        check(&[0x00, 0x01, 0xf2], 0xf201);
        check(&[0xf2], 0xf200);
        check(&[], 0);
        check(&[0xff; 40], 0xffff);
        check(&[0xff; 41], 0xff00);
    }
}

//! A block that the source ends in: its sequences of literals and a match, one after the other, as
//! far as they go. Nothing is checked that the rest of the block would prove.

/// How far back a match may refer.
pub(super) const HISTORY_LEN: usize = 64 << 10;
/// A match has so many bytes more than its length says.
const MATCH_LEN_MIN: usize = 4;

/// Unpacks what is there of `block`, up to `len_max` bytes, behind what was unpacked before it.
pub(super) fn unpack(mut block: &[u8], history: &[u8], len_max: usize) -> Vec<u8> {
    let mut all = history.get(history.len().saturating_sub(HISTORY_LEN)..).unwrap_or(&[]).to_vec();
    let begin = all.len();
    while sequence(&mut block, &mut all, begin + len_max).is_some() {}
    all.split_off(begin)
}

/// Unpacks one sequence; `None` when it is not whole, or refers to nothing.
fn sequence(block: &mut &[u8], all: &mut Vec<u8>, len_max: usize) -> Option<()> {
    let token = byte(block)?;
    let literals = length(token >> 4, block)?;
    let there = literals.min(block.len()).min(len_max.saturating_sub(all.len()));
    let (head, rest) = block.split_at(there);
    all.extend_from_slice(head);
    *block = rest;
    let distance = usize::from(u16::from_le_bytes([byte(block)?, byte(block)?]));
    let match_len = length(token & 0x0f, block)?.saturating_add(MATCH_LEN_MIN);
    if there < literals || distance == 0 || distance > all.len() {
        return None;
    }
    // It may overlap itself.
    for _ in 0..match_len.min(len_max.saturating_sub(all.len())) {
        all.push(*all.get(all.len() - distance)?);
    }
    (all.len() < len_max).then_some(())
}

/// A length: four bits, and bytes behind them as long as each is full.
fn length(nibble: u8, block: &mut &[u8]) -> Option<usize> {
    let mut len = usize::from(nibble);
    if nibble == 0x0f {
        loop {
            let more = byte(block)?;
            len = len.saturating_add(more.into());
            if more < u8::MAX {
                break;
            }
        }
    }
    Some(len)
}

fn byte(block: &mut &[u8]) -> Option<u8> {
    let (first, rest) = block.split_first()?;
    *block = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequences_are_unpacked_as_far_as_they_go() {
        let check = |block: &[u8], history: &[u8], expect: &[u8]| {
            assert_eq!(unpack(block, history, 40), expect, "{block:?}");
        };
        check(b"", b"", b"");
        check(b"\x30abc", b"", b"abc");
        check(b"\x50abc", b"", b"abc");
        check(b"\x30abc\x03\x00", b"", b"abcabca");
        check(b"\x30abc\x03", b"", b"abc");
        check(b"\x30abc\x04\x00", b"", b"abc");
        check(b"\x30abc\x00\x00", b"", b"abc");
        check(b"\x30abc\x04\x00", b"z", b"abczabc");
        check(b"\x1fa\x01\x00\x05", b"", &[b'a'; 25]);
        check(b"\x1fa\x01\x00\xff\xff\xff\x00", b"", &[b'a'; 40]);
        check(b"\xf0\x01abcdefghijklmnop", b"", b"abcdefghijklmnop");
        check(b"\xf0\xff", b"", b"");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived_within_the_bound(block: Vec<u8>, history: Vec<u8>) {
            prop_assert!(unpack(&block, &history, 300).len() <= 300);
        }
    }
}

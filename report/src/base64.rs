//! Base64 with its standard alphabet and padding (RFC 4648 §4), for the few digests in reports.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes `bytes` to `text`, which has room for every four characters that stand for three bytes.
pub(crate) fn encode(bytes: &[u8], text: &mut [u8]) {
    let (whole, rest) = bytes.as_chunks::<3>();
    let (quads, _) = text.as_chunks_mut::<4>();
    let (first, last) = quads.split_at_mut(whole.len().min(quads.len()));
    for (quad, [a, b, c]) in first.iter_mut().zip(whole) {
        let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
        *quad = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 0x3f) as usize]);
    }
    last.as_flattened_mut().fill(b'=');
    for (chunk, group) in last.iter_mut().zip(rest.chunks(3)) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (index, out) in chunk.iter_mut().enumerate().take(group.len() + 1) {
            *out = ALPHABET[(bits >> (18 - 6 * index) & 0x3f) as usize];
        }
    }
}

/// `bytes` as text.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len().div_ceil(3) * 4];
    encode(bytes, &mut text);
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        for (plain, expect) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(encoded(plain.as_bytes()), expect);
        }
    }
}

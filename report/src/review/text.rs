//! Bytes of a text file as UTF-8, whatever they were saved as.

use std::io::{self, Cursor, Read};

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

/// Bytes that are looked at to tell UTF-16 without a mark from UTF-8.
const HEAD_LEN: usize = 4096;

/// A reader that gives UTF-8 without a byte order mark: what stands for no character becomes
/// U+FFFD. UTF-16 is told by its mark, or by the zero bytes of ASCII in it.
pub(super) fn decoded<R: Read>(mut input: R) -> io::Result<impl Read> {
    let mut head = Vec::with_capacity(HEAD_LEN);
    input.by_ref().take(HEAD_LEN as u64).read_to_end(&mut head)?;
    let encoding = unmarked_utf16(&head);
    let reader: DecodeReaderBytes<_, Vec<u8>> =
        DecodeReaderBytesBuilder::new().encoding(encoding).build(Cursor::new(head).chain(input));
    Ok(reader)
}

fn unmarked_utf16(head: &[u8]) -> Option<&'static Encoding> {
    let zeros = |offset: usize| {
        let units = head.chunks_exact(2).filter(|unit| unit[offset] == 0 && unit[1 - offset] != 0);
        // Text of these formats is ASCII but for a few names.
        units.count() * 10 >= (head.len() / 2) * 9 && head.len() >= 8
    };
    if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
        None
    } else if zeros(1) {
        Some(UTF_16LE)
    } else if zeros(0) {
        Some(UTF_16BE)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_saving_gives_the_same_text() {
        let text = "No.,Time,Info\n1,0.5,443 \u{2192} 50000 [SYN]\n".repeat(300);
        let wide = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(to_bytes).collect()
        };
        let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
        let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            marked(b"\xef\xbb\xbf", text.as_bytes()),
            marked(b"\xff\xfe", &little),
            marked(b"\xfe\xff", &big),
            little,
            big,
        ] {
            let mut found = String::new();
            decoded(bytes.as_slice()).unwrap().read_to_string(&mut found).unwrap();
            assert!(found == text, "{:?}", &found[..20]);
        }
    }
}

//! What the fuzzer runs, as a plain function: any file is read to its end, and the promises hold.
#![allow(missing_docs, reason = "no part of the crate that others use")]

use std::io::Cursor;

use crate::{Options, Source, open_reader};

/// The bytes of one file.
pub fn file(bytes: &[u8]) {
    let small = Options {
        batch_bytes_max: Options::BATCH_BYTES_MIN,
        batch_frames_max: 3,
        ..Options::default()
    };
    let whole = read(bytes, &Options::default());
    let pieces = read(bytes, &small);
    assert_eq!(whole, pieces, "the size of the blocks shows nowhere");
}

/// What is inside of a packed file, `codec u8 | bytes`: behind a header that leads to the codec, so
/// that no input is spent on finding one.
pub fn packed(bytes: &[u8]) {
    let Some((codec, rest)) = bytes.split_first() else { return };
    let header: &[u8] = match codec % 4 {
        0 => &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
        1 => &[0x28, 0xb5, 0x2f, 0xfd],
        2 => &[0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82],
        _ => &[0x02, 0x21, 0x4c, 0x18],
    };
    file(&[header, rest].concat());
}

/// What the frames add up to: how many, their captured bytes, a sum over all that they say.
fn read(bytes: &[u8], options: &Options) -> (u64, u64, u64) {
    // An unpacked file may be large where the packed one is small.
    const STEPS_MAX: usize = 1 << 16;
    let input = Cursor::new(bytes.to_vec());
    let Ok(mut timeline) = open_reader("input", input, options) else { return (0, 0, 0) };
    let (mut count, mut len, mut sum) = (0, 0, 0_u64);
    for _ in 0..STEPS_MAX {
        let Some(step) = timeline.next_batch() else { break };
        let Ok(batch) = step else { continue };
        assert!(!batch.is_empty(), "no batch is empty");
        for (frame, desc) in batch.frames().zip(batch.descs()) {
            assert_eq!(frame.data.len(), desc.cap_len as usize, "a span lies in its region");
            count += 1;
            assert_eq!(frame.number, count, "frames are numbered without a hole");
            len += frame.data.len() as u64;
            let said = [
                frame.time.as_nanos().cast_unsigned(),
                u64::from(frame.wire_len) << 16 | u64::from(frame.link.0),
                frame.data.iter().map(|byte| u64::from(*byte)).sum(),
            ];
            sum = said.iter().fold(sum, |sum, part| sum.rotate_left(7) ^ part);
            if count == FRAMES_MAX {
                return (count, len, sum);
            }
        }
        timeline.recycle(batch);
    }
    (count, len, sum)
}

/// Frames that are looked at.
const FRAMES_MAX: u64 = 1 << 15;

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[track_caller]
    fn check(target: &str, body: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            body(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus is there");
    }

    #[test]
    fn files_of_the_corpus_are_survived() {
        check("file", super::file);
    }

    #[test]
    fn packed_files_of_the_corpus_are_survived() {
        check("packed", super::packed);
    }
}

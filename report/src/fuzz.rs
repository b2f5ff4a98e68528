//! What the fuzzer runs, as plain functions: any bytes are survived, and what is read of a saved
//! run is written as it was read.
#![allow(missing_docs, reason = "no part of the crate that others use")]

use crate::state::{MAGIC, State, VERSION};

/// The bytes of a saved run, or of one frame in it, whose checksum no fuzzer would hit.
pub fn state(bytes: &[u8]) {
    read(bytes);
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let frame = [&len.to_le_bytes(), &crc32fast::hash(bytes).to_le_bytes(), bytes].concat();
    read(&[MAGIC, VERSION.as_bytes(), b"\n", frame.as_slice()].concat());
}

/// A text in the shape that its first line tells: a table of any dialect, JSON, a log.
pub fn review(bytes: &[u8]) {
    crate::review::survive(bytes);
}

fn read(bytes: &[u8]) {
    let Ok(state) = State::read(bytes) else { return };
    let mut written = Vec::new();
    state.write(&mut written).expect("memory takes everything");
    let again = State::read(written.as_slice()).expect("what was written can be read");
    assert_eq!(state, again, "nothing is lost");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    fn survive(corpus: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(corpus);
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            target(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus is there");
    }

    #[test]
    fn states_of_the_corpus_are_survived() {
        survive("state", super::state);
    }

    #[test]
    fn texts_of_the_corpus_are_survived() {
        survive("review", super::review);
    }
}

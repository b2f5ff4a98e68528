//! What every origin of frames has in common, and how it is asked for.

use std::path::PathBuf;

use crate::{Batch, CaptureError};

/// An origin of frames.
pub trait Source: Send {
    /// The next frames, or what went wrong; `None` at the end.
    ///
    /// An error is not the end: what can still be read follows it. No batch is empty.
    fn next_batch(&mut self) -> Option<Result<Batch, CaptureError>>;

    /// How far it has come.
    fn progress(&self) -> Progress;

    /// Takes back a batch that nobody needs, to use its memory again.
    ///
    /// Dropping a batch is as good for its bytes; this saves the list of spans too.
    fn recycle(&mut self, batch: Batch) {
        drop(batch);
    }
}

/// How far a source has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes taken from the files, as they lie on disk: compressed ones count compressed.
    pub bytes_read: u64,
    /// Bytes of all the files; `None` when one of the inputs is a stream.
    pub bytes_total: Option<u64>,
    /// Files read to their end.
    pub files_done: usize,
    /// All files.
    pub files_total: usize,
    /// The file that the last frames came from.
    pub file: Option<PathBuf>,
    /// Frames found in the input, those that the filter dropped included.
    pub frames: u64,
    /// Frames that the filter dropped.
    pub filtered: u64,
    /// Captured bytes of those frames.
    pub filtered_bytes: u64,
}

/// How to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes read at a time, which bounds a batch; at least [`Options::BATCH_BYTES_MIN`].
    ///
    /// A frame that is longer gets a larger buffer of its own.
    pub batch_bytes_max: usize,
    /// Frames in a batch, at least 1.
    pub batch_frames_max: usize,
    /// Map plain files into memory instead of reading them.
    ///
    /// A mapped file that somebody shortens meanwhile ends the process with a bus error, so this
    /// is for files that nobody writes to.
    pub mmap: bool,
    /// A BPF expression as tcpdump takes it; frames that do not match are counted and dropped.
    pub filter: Option<String>,
}

impl Options {
    /// The smallest read: a page.
    pub const BATCH_BYTES_MIN: usize = 4096;
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_bytes_max: 256 << 10, batch_frames_max: 4096, mmap: false, filter: None }
    }
}

//! Opening files, and the one use of a memory map.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memmap2::Mmap;

use crate::CaptureError;
use crate::fetch::Supply;
use crate::file::FileReader;
use crate::region::Pool;
use crate::stream;

/// How to get at a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Map it if it is plain, else read it.
    Map,
    /// Read it in full blocks.
    Read,
    /// Read what is there without waiting for more: a pipe.
    ReadPromptly,
}

/// Opens the capture file at `path` and looks at its beginning. `meter` counts the bytes taken.
///
/// # Errors
///
/// When it can't be opened or is no capture.
pub(crate) fn open_file(
    path: &Path,
    access: Access,
    pool: &Arc<Pool>,
    meter: &Arc<AtomicU64>,
) -> Result<FileReader, CaptureError> {
    let supply = File::open(path).and_then(|file| supply(file, access, meter));
    let supply = supply.map_err(|source| CaptureError::Open { file: path.to_owned(), source })?;
    FileReader::new(path.to_owned(), supply, pool)
}

fn supply(file: File, access: Access, meter: &Arc<AtomicU64>) -> io::Result<Supply> {
    if access == Access::Map {
        let map = map(&file)?;
        if !stream::is_packed(&map) {
            return Ok(Supply::Map { map: Arc::new(map), meter: Arc::clone(meter) });
        }
    }
    Supply::stream(Box::new(file), access == Access::ReadPromptly, meter)
}

#[expect(unsafe_code, reason = "a memory map is unsafe by nature")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes must not change while they are borrowed. Nobody can promise that of a
    // file, so the user has to: `Options::mmap` is off by default and says what happens if the
    // file is shortened. Bytes that are changed in place are harmless to this crate: it checks
    // each value in the same expression that reads it and keeps no reference to a checked one.
    unsafe { Mmap::map(file) }
}

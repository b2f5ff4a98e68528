//! The bytes of one file, fetched block by block.
//!
//! A block is a region: read into a pooled buffer, or a piece of a mapped file. What was not used of
//! one block moves to the front of the next, and is the only thing that is ever copied. What the
//! bytes mean is not known here.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::Mmap;

use crate::CaptureError;
use crate::region::{Pool, Region};
use crate::stream::{Origin, Stream};

/// Where a file's bytes come from.
pub(crate) enum Supply {
    /// Read into buffers.
    Stream {
        stream: Stream,
        /// Take what is there and do not wait for a full buffer.
        is_prompt: bool,
    },
    /// Mapped, and read by looking.
    Map { map: Arc<Mmap>, meter: Arc<AtomicU64> },
}

impl Supply {
    /// Whatever `origin` gives, unpacked. `meter` counts what is taken from it.
    pub(crate) fn stream(
        origin: Origin,
        is_prompt: bool,
        meter: &Arc<AtomicU64>,
    ) -> io::Result<Self> {
        Ok(Self::Stream { stream: Stream::new(origin, meter)?, is_prompt })
    }
}

/// A place in a file, and the bytes around it.
pub(crate) struct Fetcher {
    path: PathBuf,
    supply: Supply,
    pool: Arc<Pool>,
    region: Arc<Region>,
    /// Where the region begins in the file, unpacked.
    region_offset: u64,
    /// The place, counted from the start of the region.
    at: usize,
    is_last: bool,
    /// Why the file ends with this region, when that is not its true end.
    failure: Option<io::Error>,
}

impl Fetcher {
    pub(crate) fn new(path: PathBuf, supply: Supply, pool: &Arc<Pool>) -> Self {
        Self {
            path,
            supply,
            pool: Arc::clone(pool),
            region: Arc::new(Region::owned(Vec::new())),
            region_offset: 0,
            at: 0,
            is_last: false,
            failure: None,
        }
    }

    /// The file, as the user named it.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The block that was fetched last.
    pub(crate) fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// The place as an index into the region.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The place as an offset in the file, unpacked.
    pub(crate) fn offset(&self) -> u64 {
        self.region_offset + self.at as u64
    }

    /// What was fetched and lies behind the place.
    pub(crate) fn rest(&self) -> &[u8] {
        self.region.bytes().get(self.at..).unwrap_or_default()
    }

    /// Whether the file ends with the region.
    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Moves the place to the index `at` of the region.
    pub(crate) fn go_to(&mut self, at: usize) {
        debug_assert!(at <= self.region.bytes().len(), "the place lies in the region");
        self.at = at;
    }

    /// Makes `need` bytes visible behind the place, if the file has them. One call may fetch
    /// fewer: a record that is larger than the usual block gets there by doubling, so that a
    /// length that lies can't allocate what the file does not hold.
    pub(crate) fn fill(&mut self, need: usize) {
        let tail_len = self.rest().len();
        if self.is_last || tail_len >= need {
            return;
        }
        let offset = self.offset();
        let block_len = self.pool.block_len();
        let len = if need <= block_len { block_len } else { need.min(2 * tail_len.max(block_len)) };
        self.region = match &mut self.supply {
            Supply::Stream { stream, is_prompt } => {
                let mut buffer = self.pool.take(len);
                let tail = self.region.bytes().get(self.at..).unwrap_or_default();
                let (front, free) = buffer.split_at_mut(tail_len);
                front.copy_from_slice(tail);
                let goal = if *is_prompt { need.min(len) - tail_len } else { free.len() };
                let (count, end) = read_up_to(stream, free, goal);
                self.is_last = end.is_some();
                self.failure = end.and_then(Result::err);
                Arc::new(Region::pooled(buffer, tail_len + count, &self.pool))
            }
            Supply::Map { map, meter } => {
                // The offset lies within the map, whose length is a usize.
                let start = usize::try_from(offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(len).min(map.len());
                self.is_last = end == map.len();
                meter.fetch_add((end - start - tail_len) as u64, Ordering::Relaxed);
                Arc::new(Region::mapped(map, start..end))
            }
        };
        self.region_offset = offset;
        self.at = 0;
    }

    /// Whether bytes behind the end of the archive were left alone.
    pub(crate) fn has_trailer(&self) -> bool {
        matches!(&self.supply, Supply::Stream { stream, .. } if stream.has_trailer())
    }

    /// Why the file ended before its end, asked once.
    pub(crate) fn take_failure(&mut self) -> Option<CaptureError> {
        let source = self.failure.take()?;
        let file = self.path.clone();
        let offset = self.region_offset + self.region.bytes().len() as u64;
        let is_damage =
            matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof);
        Some(match &self.supply {
            Supply::Stream { stream, .. } if is_damage && stream.codec().is_some() => {
                let codec = stream.codec()?;
                let packed_offset = stream.taken();
                CaptureError::BadArchive { file, codec, packed_offset, offset, source }
            }
            _ => CaptureError::Read { file, offset, source },
        })
    }
}

/// Reads until `goal` bytes of `buffer` are filled. The second value is there when the source ended
/// before that, and says how.
fn read_up_to(
    source: &mut impl Read,
    buffer: &mut [u8],
    goal: usize,
) -> (usize, Option<io::Result<()>>) {
    let mut count = 0;
    while count < goal {
        match source.read(buffer.get_mut(count..).unwrap_or_default()) {
            Ok(0) => return (count, Some(Ok(()))),
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (count, Some(Err(error))),
        }
    }
    (count, None)
}

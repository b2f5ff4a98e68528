//! Runs in a file, each in order, that become one while they are read.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::iter::Peekable;
use std::ops::Range;
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sorter::Kind;
use crate::state::FrameReader;

/// A file that several read at once, each at its own place.
#[derive(Debug)]
pub(super) struct SpillFile {
    file: File,
    /// Held from finding a place to reading there.
    place: Mutex<()>,
}

impl SpillFile {
    pub(super) const fn new(file: File) -> Self {
        Self { file, place: Mutex::new(()) }
    }

    /// The file, while nobody reads it.
    pub(super) const fn get_mut(&mut self) -> &mut File {
        &mut self.file
    }

    fn read_at(&self, place: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let _held = lock(&self.place);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place))?;
        file.read(bytes)
    }
}

/// A thread that panicked takes the whole run with it, so that nothing is seen of what it left.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs that become one.
pub(super) struct Merge<'a, K: Kind> {
    runs: Vec<RunReader<'a>>,
    /// The first item of each run that is left, the least of them on top.
    heads: BinaryHeap<Head<K>>,
    /// One more run, in memory.
    held: Peekable<slice::Iter<'a, K::Item>>,
}

impl<K: Kind> Default for Merge<'_, K> {
    fn default() -> Self {
        Self { runs: Vec::new(), heads: BinaryHeap::new(), held: [].iter().peekable() }
    }
}

impl<'a, K: Kind> Merge<'a, K> {
    /// With a run in memory.
    pub(super) fn with_held(held: &'a [K::Item]) -> Self {
        Self { held: held.iter().peekable(), ..Self::default() }
    }

    /// Adds the runs at these places of a file.
    pub(super) fn add_runs(
        &mut self,
        kind: &K,
        file: &'a SpillFile,
        runs: &[Range<u64>],
    ) -> io::Result<()> {
        for run in runs {
            let bytes = RunBytes { file, rest: run.clone() };
            let frames = FrameReader::new(bytes, run.start);
            self.runs.push(RunReader { frames, payload: Vec::new(), at: 0 });
            self.refill(kind, self.runs.len() - 1)?;
        }
        Ok(())
    }

    /// Puts a run's next item among the heads.
    fn refill(&mut self, kind: &K, place: usize) -> io::Result<()> {
        if let Some(item) = self.runs[place].next(kind)? {
            self.heads.push(Head { item, place });
        }
        Ok(())
    }

    /// The least item that is left.
    pub(super) fn next(&mut self, kind: &K) -> io::Result<Option<K::Item>> {
        let held = self.held.peek().copied();
        let is_held_next = |held: &K::Item| {
            self.heads.peek().is_none_or(|head| K::compare(held, &head.item) == Ordering::Less)
        };
        if held.is_some_and(is_held_next) {
            return Ok(self.held.next().cloned());
        }
        let Some(Head { item, place }) = self.heads.pop() else { return Ok(None) };
        self.refill(kind, place)?;
        Ok(Some(item))
    }
}

/// The first item of a run.
struct Head<K: Kind> {
    item: K::Item,
    place: usize,
}

/// The heap gives the greatest: the least item, of equal ones that of the first run.
impl<K: Kind> Ord for Head<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        let items = K::compare(&other.item, &self.item);
        items.then_with(|| other.place.cmp(&self.place))
    }
}

impl<K: Kind> PartialOrd for Head<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Kind> PartialEq for Head<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Kind> Eq for Head<K> {}

/// Reads a run, a frame at a time.
struct RunReader<'a> {
    frames: FrameReader<RunBytes<'a>>,
    /// The frame at hand, and how far it is read.
    payload: Vec<u8>,
    at: usize,
}

impl RunReader<'_> {
    fn next<K: Kind>(&mut self, kind: &K) -> io::Result<Option<K::Item>> {
        if self.at >= self.payload.len() {
            if self.frames.get_ref().rest.is_empty() {
                return Ok(None);
            }
            self.frames.swap_next_frame(&mut self.payload).map_err(io::Error::other)?;
            self.at = 0;
        }
        let rest = self.payload.get(self.at..).unwrap_or_default();
        let (item, rest) = kind.read(rest).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "what was put aside is damaged")
        })?;
        self.at = self.payload.len() - rest.len();
        Ok(Some(item))
    }
}

/// The bytes of a run.
struct RunBytes<'a> {
    file: &'a SpillFile,
    rest: Range<u64>,
}

impl Read for RunBytes<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.rest.end.saturating_sub(self.rest.start);
        let len = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let read = self.file.read_at(self.rest.start, &mut bytes[..len])?;
        self.rest.start += read as u64;
        Ok(read)
    }
}

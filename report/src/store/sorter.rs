//! Sorts more than fits into memory: runs in a file, each in order, merged when they are read.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom};
use std::iter::Peekable;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::state::{FrameReader, FrameWriter};

/// Bytes of a frame: what is in memory of each run while they are merged.
const FRAME_LEN: usize = 1 << 15;

/// Runs that are merged at a time; more are put together before.
const RUNS_MAX: usize = 256;

/// What can be sorted in a file.
pub(super) trait Kind: Send + std::fmt::Debug {
    /// A thing that is sorted.
    type Item: Clone + Send + std::fmt::Debug;

    /// The order. Items that are equal by it come in any order.
    fn compare(one: &Self::Item, other: &Self::Item) -> Ordering;

    /// Bytes that an item takes in memory.
    fn held_bytes(item: &Self::Item) -> usize;

    /// Writes an item.
    fn write<W: io::Write>(
        &mut self,
        item: &Self::Item,
        frames: &mut FrameWriter<W>,
    ) -> io::Result<()>;

    /// Reads the item that bytes begin with, and gives the rest; `None` when they are damaged.
    fn read<'b>(&self, bytes: &'b [u8]) -> Option<(Self::Item, &'b [u8])>;
}

/// Takes items in any order.
#[derive(Debug)]
pub(super) struct Sorter<K: Kind> {
    held: Vec<K::Item>,
    held_bytes: usize,
    held_max: usize,
    spill: Arc<Mutex<Spill<K>>>,
}

/// The file of a sorter and its siblings.
#[derive(Debug)]
struct Spill<K> {
    kind: K,
    dir: PathBuf,
    file: Option<SpillFile>,
    /// Where in the file the runs are.
    runs: Vec<Range<u64>>,
    /// Why nothing can be put aside any more.
    error: Option<io::Error>,
}

/// A file that several read at once, each at its own place.
#[derive(Debug)]
struct SpillFile {
    file: File,
    /// Held from finding a place to reading there.
    place: Mutex<()>,
}

impl SpillFile {
    fn read_at(&self, place: u64, bytes: &mut [u8]) -> io::Result<usize> {
        let _held = lock(&self.place);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(place))?;
        file.read(bytes)
    }
}

/// A thread that panicked takes the whole run with it, so that nothing is seen of what it left.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Kind> Sorter<K> {
    /// A sorter that keeps so many bytes in memory, and the rest in a file in a folder.
    pub(super) fn new(kind: K, held_max: usize, dir: &Path) -> Self {
        let dir = dir.to_owned();
        let spill = Spill { kind, dir, file: None, runs: Vec::new(), error: None };
        Self { held: Vec::new(), held_bytes: 0, held_max, spill: Arc::new(Mutex::new(spill)) }
    }

    /// A sorter for another thread, with the same file.
    pub(super) fn sibling(&self) -> Self {
        Self {
            held: Vec::new(),
            held_bytes: 0,
            held_max: self.held_max,
            spill: Arc::clone(&self.spill),
        }
    }

    /// Bytes beyond what may be held: nothing can be put aside.
    pub(super) const fn overdue_bytes(&self) -> usize {
        self.held_bytes.saturating_sub(self.held_max)
    }

    /// Takes an item. When it can't be put aside it stays in memory.
    pub(super) fn push(&mut self, item: K::Item) {
        self.held_bytes += K::held_bytes(&item);
        self.held.push(item);
        if self.held_bytes > self.held_max {
            self.put_aside();
        }
    }

    /// Writes what is held as a run.
    fn put_aside(&mut self) {
        let mut spill = lock(&self.spill);
        if spill.error.is_some() {
            return;
        }
        self.held.sort_unstable_by(K::compare);
        if spill.put_aside(&self.held) {
            self.held.clear();
            self.held_bytes = 0;
        }
    }

    /// All items of sorters that are siblings, and why some could not be put aside.
    pub(super) fn finish(sorters: impl IntoIterator<Item = Self>) -> (Sorted<K>, Option<io::Error>)
    where
        K: Default,
    {
        let mut sorters = sorters.into_iter();
        let Some(Self { mut held, spill, held_max, .. }) = sorters.next() else {
            return (Sorted::default(), None);
        };
        for mut sibling in sorters {
            held.append(&mut sibling.held);
        }
        let mut spill = std::mem::replace(&mut *lock(&spill), Spill::closed());
        if !spill.runs.is_empty() {
            held.sort_unstable_by(K::compare);
            if spill.error.is_none() && spill.put_aside(&held) {
                held = Vec::new();
            }
        }
        let Spill { kind, dir, file, runs, error } = spill;
        (Sorted { kind, held, held_max, dir, file, runs }, error)
    }
}

impl<K: Kind> Spill<K> {
    fn closed() -> Self
    where
        K: Default,
    {
        Self { kind: K::default(), dir: PathBuf::new(), file: None, runs: Vec::new(), error: None }
    }

    /// Writes items that are in order as a run; whether they are in the file now.
    fn put_aside(&mut self, items: &[K::Item]) -> bool {
        let added = self.add_run(items);
        let is_added = added.is_ok();
        let merged = added.and_then(|()| self.merge_runs());
        if let Err(error) = merged {
            self.error = Some(error);
        }
        is_added
    }

    fn add_run(&mut self, items: &[K::Item]) -> io::Result<()> {
        if self.file.is_none() {
            let file = tempfile::tempfile_in(&self.dir)?;
            self.file = Some(SpillFile { file, place: Mutex::new(()) });
        }
        let Self { kind, file: Some(SpillFile { file, .. }), runs, .. } = self else {
            return Ok(());
        };
        // A run that could not be written to its end is overwritten.
        let begin = file.seek(SeekFrom::Start(runs.last().map_or(0, |run| run.end)))?;
        let mut frames = FrameWriter::with_frame_len(BufWriter::new(&mut *file), FRAME_LEN);
        for item in items {
            kind.write(item, &mut frames)?;
        }
        frames.finish()?;
        runs.push(begin..file.stream_position()?);
        Ok(())
    }

    /// Makes one run of all when they are too many, in a new file.
    fn merge_runs(&mut self) -> io::Result<()> {
        let Some(file) = self.file.as_ref().filter(|_| self.runs.len() >= RUNS_MAX) else {
            return Ok(());
        };
        let mut new = tempfile::tempfile_in(&self.dir)?;
        let mut frames = FrameWriter::with_frame_len(BufWriter::new(&mut new), FRAME_LEN);
        let mut merge = Merge::<K>::default();
        merge.add_runs(&self.kind, file, &self.runs)?;
        while let Some(item) = merge.next(&self.kind)? {
            self.kind.write(&item, &mut frames)?;
        }
        frames.finish()?;
        let end = new.stream_position()?;
        self.file = Some(SpillFile { file: new, place: Mutex::new(()) });
        self.runs = std::iter::once(0..end).collect();
        Ok(())
    }
}

/// All items, in order if there is a run of them in the file.
#[derive(Debug)]
pub(super) struct Sorted<K: Kind> {
    kind: K,
    held: Vec<K::Item>,
    held_max: usize,
    dir: PathBuf,
    file: Option<SpillFile>,
    runs: Vec<Range<u64>>,
}

impl<K: Kind + Default> Default for Sorted<K> {
    fn default() -> Self {
        Self {
            kind: K::default(),
            held: Vec::new(),
            held_max: 0,
            dir: PathBuf::new(),
            file: None,
            runs: Vec::new(),
        }
    }
}

impl<K: Kind> Sorted<K> {
    pub(super) const fn held_max(&self) -> usize {
        self.held_max
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// All items, in no particular order, where none is in the file.
    pub(super) fn into_held(self) -> Result<Vec<K::Item>, Self> {
        if self.runs.is_empty() { Ok(self.held) } else { Err(self) }
    }

    /// Gives all items in order.
    pub(super) fn each(&self, mut take: impl FnMut(K::Item) -> io::Result<()>) -> io::Result<()> {
        let mut merge = Merge::<K> { held: self.held.iter().peekable(), ..Merge::default() };
        if let Some(file) = &self.file {
            merge.add_runs(&self.kind, file, &self.runs)?;
        }
        while let Some(item) = merge.next(&self.kind)? {
            take(item)?;
        }
        Ok(())
    }
}

/// Runs that become one.
struct Merge<'a, K: Kind> {
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
    fn add_runs(&mut self, kind: &K, file: &'a SpillFile, runs: &[Range<u64>]) -> io::Result<()> {
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
    fn next(&mut self, kind: &K) -> io::Result<Option<K::Item>> {
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

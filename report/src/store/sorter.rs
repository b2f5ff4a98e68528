//! Sorts more than fits into memory: runs in a file, each in order, merged when they are read.

use std::cmp::Ordering;
use std::io::{self, BufWriter, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::runs::{Merge, SpillFile, lock};
use crate::state::FrameWriter;

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

    pub(super) const fn set_held_max(&mut self, held_max: usize) {
        self.held_max = held_max;
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
            self.file = Some(SpillFile::new(file));
        }
        let Self { kind, file: Some(file), runs, .. } = self else { return Ok(()) };
        let file = file.get_mut();
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
        self.file = Some(SpillFile::new(new));
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
        let mut merge = Merge::<K>::with_held(&self.held);
        if let Some(file) = &self.file {
            merge.add_runs(&self.kind, file, &self.runs)?;
        }
        while let Some(item) = merge.next(&self.kind)? {
            take(item)?;
        }
        Ok(())
    }
}

//! Several files as one row of frames in the order of time.
//!
//! Each file is looked at once for its first time, and opened for reading when that time comes, so
//! that a thousand files that follow each other need one descriptor. Where files overlap their
//! frames are merged by time; within a file the order stays as it is. Frames are numbered here.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use dissect::Timestamp;

use crate::fetch::Supply;
use crate::file::FileReader;
use crate::filter::Filter;
use crate::gather::Gather;
use crate::input::Listing;
use crate::open::{Access, open_file};
use crate::region::{Pool, Region};
use crate::{Batch, CaptureError, FrameDesc, Input, Notice, Options, Progress, Source};

/// Opens all `inputs` as one timeline.
///
/// An input that can't be read is no error here: it is reported by the first calls of
/// [`Source::next_batch`], and the others are read.
///
/// # Errors
///
/// When the filter expression is not understood.
pub fn open(inputs: &[Input], options: &Options) -> Result<Timeline, CaptureError> {
    let mut timeline = Timeline::new(options)?;
    let mut listing = Listing::default();
    for input in inputs {
        listing.add(input);
    }
    timeline.admit(listing);
    Ok(timeline)
}

/// Reads one capture from `reader`; `name` stands for it in messages.
///
/// # Errors
///
/// When the filter expression is not understood.
pub fn open_reader(
    name: &str,
    reader: impl Read + Send + 'static,
    options: &Options,
) -> Result<Timeline, CaptureError> {
    let mut timeline = Timeline::new(options)?;
    let place = Place::Reader(Box::new(reader));
    timeline.progress.files_total = 1;
    timeline.waiting.push(Waiting { key: Key::EARLIEST, path: name.into(), place });
    Ok(timeline)
}

/// The frames of several files in the order of their time.
pub struct Timeline {
    batch_frames_max: usize,
    filter: Option<Filter>,
    plain_access: Access,
    pool: Arc<Pool>,
    /// For looking at first frames, and for many files at once.
    small_pool: Arc<Pool>,
    meter: Arc<AtomicU64>,
    /// Files whose time has not come, the last one first.
    waiting: Vec<Waiting>,
    /// Files that are being read, each with a frame at hand.
    active: BinaryHeap<Box<Head>>,
    /// A file that was read up to the end of what was fetched.
    spent: Option<Box<Head>>,
    gather: Gather,
    spare: Vec<FrameDesc>,
    errors: VecDeque<CaptureError>,
    notices: Vec<Notice>,
    progress: Progress,
}

/// When a file has its next turn: by time, and at equal times by the order of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    time: Timestamp,
    order: usize,
}

impl Key {
    const EARLIEST: Self = Self { time: Timestamp::from_nanos(i64::MIN), order: 0 };
}

/// A file that is not open.
struct Waiting {
    key: Key,
    path: PathBuf,
    place: Place,
}

/// Where the bytes of a waiting file are.
enum Place {
    /// At its path.
    File,
    /// At its path, to be read once and without waiting.
    Pipe,
    Reader(Box<dyn Read + Send>),
}

/// A file that is open, and those of its frames that were not given out.
pub(crate) struct Head {
    order: usize,
    reader: FileReader,
    pub(crate) region: Arc<Region>,
    pub(crate) descs: Vec<FrameDesc>,
    /// The first of them that was not given out.
    pub(crate) at: usize,
}

impl Timeline {
    fn new(options: &Options) -> Result<Self, CaptureError> {
        let filter = options.filter.as_deref().map(Filter::new).transpose()?;
        let pool = Pool::new(options.batch_bytes_max.max(Options::BATCH_BYTES_MIN));
        let small_pool = Pool::new(pool.block_len().min(SMALL_BLOCK_LEN));
        let batch_frames_max = options.batch_frames_max.max(1);
        Ok(Self {
            batch_frames_max,
            filter,
            plain_access: if options.mmap { Access::Map } else { Access::Read },
            gather: Gather::new(Arc::clone(&pool), batch_frames_max),
            pool,
            small_pool,
            meter: Arc::default(),
            waiting: Vec::new(),
            active: BinaryHeap::new(),
            spent: None,
            spare: Vec::new(),
            errors: VecDeque::new(),
            notices: Vec::new(),
            progress: Progress::default(),
        })
    }

    /// What the user should know beside errors; each is given once.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Looks at each file that was found and queues it by the time of its first frame.
    fn admit(&mut self, listing: Listing) {
        self.notices.extend(listing.notices);
        self.errors.extend(listing.errors);
        let mut is_barren = vec![true; listing.directories.len()];
        let is_alone = listing.files.len() == 1;
        let mut bytes_total = Some(0);
        for (order, found) in listing.files.into_iter().enumerate() {
            let time = match (found.len, found.directory) {
                (None, _) => Ok(Key::EARLIEST.time),
                (Some(_), None) if is_alone => Ok(Key::EARLIEST.time),
                _ => self.first_time(&found.path),
            };
            if let (Err(error), Some(_)) = (&time, found.directory)
                && is_about_kind(error)
            {
                let message = format!("skipped: {}", kind_words(error));
                self.notices.push(Notice { file: Some(found.path), message });
                continue;
            }
            if let Some(slot) = found.directory.and_then(|index| is_barren.get_mut(index)) {
                *slot = false;
            }
            self.progress.files_total += 1;
            let time = match time {
                Ok(time) => time,
                Err(error) => {
                    self.errors.push_back(error);
                    self.progress.files_done += 1;
                    continue;
                }
            };
            bytes_total = bytes_total.zip(found.len).map(|(total, len)| total + len);
            let place = match (found.is_stdin, found.len) {
                (true, _) => Place::Reader(Box::new(io::stdin())),
                (false, None) => Place::Pipe,
                (false, Some(_)) => Place::File,
            };
            self.waiting.push(Waiting { key: Key { time, order }, path: found.path, place });
        }
        let barren = listing.directories.into_iter().zip(is_barren).filter(|(_, barren)| *barren);
        let no_captures = |(directory, _)| CaptureError::NoCaptures { directory };
        self.errors.extend(barren.map(no_captures));
        self.waiting.sort_by_key(|waiting| Reverse(waiting.key));
        self.progress.bytes_total = bytes_total;
    }

    /// The time of a file's first frame; the earliest there is for a file that has to be read to
    /// say what is wrong with it.
    fn first_time(&self, path: &Path) -> Result<Timestamp, CaptureError> {
        let meter = Arc::default();
        let mut reader = open_file(path, Access::Read, &self.small_pool, &meter)?;
        Ok(match reader.next(1) {
            Some(Ok(batch)) => batch.frame(0).map_or(Key::EARLIEST.time, |frame| frame.time),
            Some(Err(_)) | None => Key::EARLIEST.time,
        })
    }

    /// Opens the files whose time has come.
    fn open_due(&mut self) {
        while let Some(waiting) = self.waiting.last() {
            let now = self.active.peek().map(|head| head.key());
            if now.is_some_and(|now| waiting.key > now) || !self.errors.is_empty() {
                return;
            }
            let Some(Waiting { key, path, place }) = self.waiting.pop() else { return };
            let pool =
                if self.active.len() < LARGE_BLOCKS_MAX { &self.pool } else { &self.small_pool };
            let reader = match place {
                Place::File => open_file(&path, self.plain_access, pool, &self.meter),
                Place::Pipe => open_file(&path, Access::ReadPromptly, pool, &self.meter),
                Place::Reader(reader) => Supply::stream(reader, true, &self.meter)
                    .map_err(|source| CaptureError::Open { file: path.clone(), source })
                    .and_then(|supply| FileReader::new(path.clone(), supply, pool)),
            };
            match reader {
                Ok(reader) => {
                    let region = Arc::new(Region::owned(Vec::new()));
                    let order = key.order;
                    self.load(Box::new(Head { order, reader, region, descs: Vec::new(), at: 0 }));
                }
                Err(error) => {
                    self.errors.push_back(error);
                    self.progress.files_done += 1;
                }
            }
        }
    }

    /// Fetches the next frames of a file that has none at hand, and queues it.
    fn load(&mut self, mut head: Box<Head>) {
        head.reader.reuse(std::mem::take(&mut self.spare));
        match head.reader.next(self.batch_frames_max) {
            None => {
                if head.reader.has_trailer() {
                    let message = "bytes after the end of the archive are ignored".to_owned();
                    let file = Some(head.reader.path().clone());
                    self.notices.push(Notice { file, message });
                }
                self.progress.files_done += 1;
            }
            Some(Ok(batch)) => {
                (head.region, head.descs) = batch.into_parts();
                head.at = 0;
                self.active.push(head);
            }
            Some(Err(error)) => {
                self.errors.push_back(error);
                self.spent = Some(head);
            }
        }
    }

    /// The frames that come next, not numbered; or an error.
    fn advance(&mut self) -> Option<Result<Batch, CaptureError>> {
        loop {
            if !self.errors.is_empty() {
                let gathered = self.gather.flush().map(Ok);
                return gathered.or_else(|| self.errors.pop_front().map(Err));
            }
            if let Some(head) = self.spent.take() {
                self.load(head);
                continue;
            }
            self.open_due();
            if !self.errors.is_empty() {
                continue;
            }
            let Some(mut head) = self.active.pop() else {
                return self.gather.flush().map(Ok);
            };
            let bound = self.bound();
            let count = head.run_len(bound);
            let is_whole = bound.is_none() || count >= RUN_LEN_MIN;
            let is_flush_due =
                if is_whole { !self.gather.is_empty() } else { !self.gather.fits(&head) };
            if is_flush_due && let Some(batch) = self.gather.flush() {
                self.active.push(head);
                return Some(Ok(batch));
            }
            if self.gather.is_empty() {
                self.progress.file = Some(head.reader.path().clone());
            }
            if is_whole || !self.gather.fits(&head) {
                let batch = head.take(count);
                self.put_back(head);
                return Some(Ok(batch));
            }
            for _ in 0..count {
                if !self.gather.fits(&head) {
                    break;
                }
                self.gather.push(&mut head);
            }
            self.put_back(head);
        }
    }

    /// When somebody else than the head that was taken out is due.
    fn bound(&self) -> Option<Key> {
        let active = self.active.peek().map(|head| head.key());
        let waiting = self.waiting.last().map(|waiting| waiting.key);
        active.into_iter().chain(waiting).min()
    }

    fn put_back(&mut self, head: Box<Head>) {
        if head.at < head.descs.len() {
            self.active.push(head);
        } else {
            self.spent = Some(head);
        }
    }
}

impl Source for Timeline {
    fn next_batch(&mut self) -> Option<Result<Batch, CaptureError>> {
        loop {
            let (region, mut descs) = match self.advance()? {
                Ok(batch) => batch.into_parts(),
                Err(error) => return Some(Err(error)),
            };
            for desc in &mut descs {
                self.progress.frames += 1;
                desc.number = self.progress.frames;
            }
            if let Some(filter) = &mut self.filter {
                let (frames, bytes) = filter.keep_matching(&region, &mut descs);
                self.progress.filtered += frames;
                self.progress.filtered_bytes += bytes;
                let notices = filter.take_complaints().into_iter().map(|(link, message)| {
                    let message = format!("no frame of {link} matches the filter: {message}");
                    Notice { file: None, message }
                });
                self.notices.extend(notices);
            }
            if !descs.is_empty() {
                return Some(Ok(Batch::new(region, descs)));
            }
            self.spare = descs;
        }
    }

    fn progress(&self) -> Progress {
        Progress { bytes_read: self.meter.load(Relaxed), ..self.progress.clone() }
    }

    fn recycle(&mut self, batch: Batch) {
        let (_, descs) = batch.into_parts();
        self.spare = descs;
    }
}

impl Head {
    fn next_desc(&self) -> Option<&FrameDesc> {
        self.descs.get(self.at)
    }

    fn key(&self) -> Key {
        let time = self.next_desc().map_or(Key::EARLIEST.time, |desc| desc.time);
        Key { time, order: self.order }
    }

    /// How many frames go out before `bound` is due: at least one.
    fn run_len(&self, bound: Option<Key>) -> usize {
        let descs = self.descs.get(self.at..).unwrap_or_default();
        let Some(bound) = bound else { return descs.len() };
        let is_due = |desc: &FrameDesc| Key { time: desc.time, order: self.order } > bound;
        descs.iter().position(is_due).unwrap_or(descs.len()).max(1)
    }

    /// The next `count` frames as they lie.
    fn take(&mut self, count: usize) -> Batch {
        let end = (self.at + count).min(self.descs.len());
        let descs = if self.at == 0 && end == self.descs.len() {
            self.at = 0;
            std::mem::take(&mut self.descs)
        } else {
            let descs = self.descs.get(self.at..end).unwrap_or_default().to_vec();
            self.at = end;
            descs
        };
        Batch::new(Arc::clone(&self.region), descs)
    }
}

/// The head that is due first is the greatest, as a heap wants it.
impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Head {}

/// A file in a directory that is no capture, and not one that is damaged.
fn is_about_kind(error: &CaptureError) -> bool {
    matches!(error, CaptureError::NotACapture { .. } | CaptureError::Empty { .. })
}

fn kind_words(error: &CaptureError) -> String {
    match error {
        CaptureError::NotACapture { found, .. } => format!("no capture but {found}"),
        _ => "the file is empty".to_owned(),
    }
}

/// Frames of one file in a row that are given out where they lie. A shorter run, where files
/// alternate, is cheaper to copy than to send as a batch of its own.
const RUN_LEN_MIN: usize = 32;

/// Files that get blocks of full size when many are read at once.
const LARGE_BLOCKS_MAX: usize = 16;

/// The blocks of the others, and of a first look: 1000 overlapping files stay below 130 MiB.
const SMALL_BLOCK_LEN: usize = 64 << 10;

//! One capture file, read from its first frame to its last.
//!
//! Blocks of bytes are fetched, walked in place, and given out as batches. An error comes behind the
//! frames that lie before it in the file; behind damage the next sound record is searched.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{CaptureError, Recovery};
use crate::fetch::{Fetcher, Supply};
use crate::foreign;
use crate::format::{Flaw, Format, HEADER_LEN_MAX, Sniffed, Stop, View};
use crate::region::Pool;
use crate::resync::{self, Search};
use crate::{Batch, FrameDesc};

/// A capture file on the way through it.
pub(crate) struct FileReader {
    fetcher: Fetcher,
    format: Format,
    /// Damage at the current place, found behind frames that had to be delivered first.
    flaw: Option<Flaw>,
    flaws: usize,
    /// The longest frame so far.
    frame_len_max: u32,
    is_done: bool,
    spare: Vec<FrameDesc>,
}

impl FileReader {
    /// Looks at the beginning of a file.
    ///
    /// # Errors
    ///
    /// When it is empty, no capture, or ends within the file header.
    pub(crate) fn new(
        path: PathBuf,
        supply: Supply,
        pool: &Arc<Pool>,
    ) -> Result<Self, CaptureError> {
        let mut fetcher = Fetcher::new(path, supply, pool);
        fetcher.fill(HEADER_LEN_MAX);
        let format = begin(&mut fetcher)?;
        Ok(Self {
            fetcher,
            format,
            flaw: None,
            flaws: 0,
            frame_len_max: 0,
            is_done: false,
            spare: Vec::new(),
        })
    }

    /// The next frames, at most `frames_max`, or the next thing that is wrong; `None` at the end.
    pub(crate) fn next(&mut self, frames_max: usize) -> Option<Result<Batch, CaptureError>> {
        loop {
            if let Some(flaw) = self.flaw.take() {
                return Some(Err(self.recover(flaw, None)));
            }
            if self.is_done {
                return None;
            }
            let mut descs = std::mem::take(&mut self.spare);
            let view = View {
                bytes: self.fetcher.region().bytes(),
                at: self.fetcher.at(),
                is_last: self.fetcher.is_last(),
                frames_max,
            };
            let walked = self.format.walk(view, &mut descs);
            self.fetcher.go_to(walked.at);
            if !descs.is_empty() {
                if let Stop::Flaw(flaw) = walked.stop {
                    self.flaw = Some(flaw);
                }
                let longest = descs.iter().map(|desc| desc.cap_len).max();
                self.frame_len_max = self.frame_len_max.max(longest.unwrap_or_default());
                return Some(Ok(Batch::new(Arc::clone(self.fetcher.region()), descs)));
            }
            self.spare = descs;
            match walked.stop {
                Stop::Full => {}
                Stop::Flaw(flaw) => self.flaw = Some(flaw),
                Stop::More { need, within } if self.fetcher.is_last() => {
                    return self.finish(need, within).map(Err);
                }
                Stop::More { need, .. } => self.fetcher.fill(need),
            }
        }
    }

    /// The file, as the user named it.
    pub(crate) fn path(&self) -> &PathBuf {
        self.fetcher.path()
    }

    /// Whether bytes behind the end of the archive were left alone.
    pub(crate) fn has_trailer(&self) -> bool {
        self.fetcher.has_trailer()
    }

    /// Takes back a list of spans to use its memory again.
    pub(crate) fn reuse(&mut self, mut descs: Vec<FrameDesc>) {
        if self.spare.capacity() < descs.capacity() {
            descs.clear();
            self.spare = descs;
        }
    }

    /// Says why the file ends, if there is something to say.
    fn finish(&mut self, need: usize, within: &'static str) -> Option<CaptureError> {
        if let Some(error) = self.fetcher.take_failure() {
            self.is_done = true;
            return Some(error);
        }
        let found = self.fetcher.rest().len();
        if found == 0 {
            self.is_done = true;
            return None;
        }
        // A length that points beyond the end is either damaged itself or tells of a cut: the
        // former when sound records follow up to the end.
        let cut = CaptureError::Cut {
            file: self.fetcher.path().clone(),
            offset: self.fetcher.offset(),
            within,
            expected: need as u64,
            found: found as u64,
        };
        let flaw = Flaw {
            expected: format!("{within} that fits into the file"),
            found: format!("a length of {need} bytes where {found} are left"),
            resume_after: None,
        };
        Some(self.recover(flaw, Some(cut)))
    }

    /// Goes to the next sound record behind the damage here, or to the end of the file.
    ///
    /// `cut` is what to say when there is none.
    #[cold]
    fn recover(&mut self, flaw: Flaw, cut: Option<CaptureError>) -> CaptureError {
        let offset = self.fetcher.offset();
        let at = self.fetcher.at();
        self.flaws += 1;
        let recovery = if self.flaws > FLAWS_MAX {
            self.is_done = true;
            Recovery::GaveUp { places: self.flaws }
        } else if let Some(len) = flaw.resume_after {
            self.fetcher.go_to(at + len);
            Recovery::Skipped { bytes: len as u64 }
        } else if self.seek_sound() {
            Recovery::Skipped { bytes: self.fetcher.offset() - offset }
        } else if let Some(cut) = cut {
            return cut;
        } else {
            Recovery::Stopped { bytes: self.fetcher.offset() - offset }
        };
        let file = self.fetcher.path().clone();
        let Flaw { expected, found, .. } = flaw;
        CaptureError::Damaged { file, offset, expected, found, recovery }
    }

    /// Moves on to where records begin again; false, at the end, when they do not.
    fn seek_sound(&mut self) -> bool {
        let suggested = self.format.suggested_lens(self.fetcher.rest());
        let (mut distance, mut step) = (0, 1);
        loop {
            self.fetcher.go_to(self.fetcher.at() + step);
            distance += step;
            while self.fetcher.rest().len() < resync::WINDOW_LEN && !self.fetcher.is_last() {
                self.fetcher.fill(resync::WINDOW_LEN);
            }
            let window = self.fetcher.rest();
            let is_last = self.fetcher.is_last() && window.len() <= resync::WINDOW_LEN;
            let search = Search {
                format: &self.format,
                window,
                is_last,
                frame_len_max: self.frame_len_max as usize,
                distance,
                suggested,
            };
            let found = search.run();
            step = resync::WINDOW_LEN / 2;
            if found.is_some() || is_last {
                let at = self.fetcher.at() + found.unwrap_or(window.len());
                self.fetcher.go_to(at);
                return found.is_some();
            }
        }
    }
}

/// Tells the format of the file that was just opened, and steps over its header.
fn begin(fetcher: &mut Fetcher) -> Result<Format, CaptureError> {
    let region = Arc::clone(fetcher.region());
    let head = region.bytes();
    let file = fetcher.path().clone();
    match Format::sniff(head) {
        Sniffed::Capture { format, records_at } => {
            fetcher.go_to(records_at);
            return Ok(format);
        }
        Sniffed::Broken { flaw: Flaw { expected, found, .. } } => {
            let recovery = Recovery::Unread;
            return Err(CaptureError::Damaged { file, offset: 0, expected, found, recovery });
        }
        Sniffed::Cut { .. } | Sniffed::Foreign => {}
    }
    if let Some(error) = fetcher.take_failure() {
        return Err(error);
    }
    Err(match Format::sniff(head) {
        Sniffed::Cut { expected } => CaptureError::Cut {
            file,
            offset: 0,
            within: "the file header",
            expected: expected as u64,
            found: head.len() as u64,
        },
        _ if head.is_empty() => CaptureError::Empty { file },
        _ => {
            fetcher.fill(FOREIGN_LEN);
            let head = fetcher.rest();
            let head = head.get(..FOREIGN_LEN).unwrap_or(head);
            CaptureError::NotACapture { file, found: foreign::describe(head) }
        }
    })
}

/// Damaged places in one file after which the rest is not worth another search.
const FLAWS_MAX: usize = 64;

/// How much of a foreign file is looked at to name it.
const FOREIGN_LEN: usize = 4096;

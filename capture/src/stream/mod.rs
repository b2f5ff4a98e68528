//! The bytes of one file, unpacked if they are packed.
//!
//! Compression is told by the first bytes and undone on the way, in memory that does not depend on
//! how much there is to unpack. Damage in an archive is an error of the read that meets it; what was
//! unpacked before is delivered first.

mod gzip;
mod lz4;
mod zstd;

use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::Codec;
use gzip::GzipMembers;
use lz4::Lz4Frames;
use zstd::ZstdFrames;

/// A source of packed bytes.
pub(crate) type Origin = Box<dyn Read + Send>;

/// The bytes of a file, plain.
pub(crate) struct Stream {
    bytes: Box<dyn Read + Send>,
    codec: Option<Codec>,
    /// Bytes taken from the origin.
    taken: Arc<AtomicU64>,
    /// Whether bytes behind the end of the archive were left alone.
    has_trailer: Arc<AtomicBool>,
}

impl Stream {
    /// Tells how `origin` is packed, and unpacks it. What is taken from it is added to `meter` too.
    pub(crate) fn new(origin: Origin, meter: &Arc<AtomicU64>) -> io::Result<Self> {
        let taken = Arc::new(AtomicU64::new(0));
        let mut origin = Metered { inner: origin, counts: [Arc::clone(meter), Arc::clone(&taken)] };
        let mut head = Vec::with_capacity(MAGIC_LEN);
        (&mut origin).take(MAGIC_LEN as u64).read_to_end(&mut head)?;
        let codec = codec_of(&head);
        let whole = Cursor::new(head).chain(origin);
        let has_trailer = Arc::default();
        let bytes: Box<dyn Read + Send> = match codec {
            None => Box::new(whole),
            Some(Codec::Gzip) => {
                Box::new(GzipMembers::new(packed(whole), Arc::clone(&has_trailer)))
            }
            Some(Codec::Lz4) => Box::new(Lz4Frames::new(packed(whole))),
            Some(Codec::Zstd) => Box::new(ZstdFrames::new(packed(whole))),
        };
        Ok(Self { bytes, codec, taken, has_trailer })
    }

    /// How it is packed.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// Whether bytes behind the end of the archive were left alone, as far as it was read.
    pub(crate) fn has_trailer(&self) -> bool {
        self.has_trailer.load(Ordering::Relaxed)
    }

    /// Bytes taken from the file so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

/// The bytes of a file that is no capture: unpacked when it is packed with gzip, zstd or lz4, else
/// as they are.
pub struct Unpacked(Stream);

impl Unpacked {
    /// Tells by its first bytes how `origin` is packed.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn new(origin: Box<dyn Read + Send>) -> io::Result<Self> {
        Stream::new(origin, &Arc::default()).map(Self)
    }

    /// Whether bytes behind the end of the archive were left alone, as far as it was read.
    #[must_use]
    pub fn has_trailer(&self) -> bool {
        self.0.has_trailer()
    }
}

/// Damage in an archive is an error of the read that meets it; what was unpacked before is
/// delivered first.
impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// Shows how it is packed.
impl fmt::Debug for Unpacked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unpacked").field(&self.0.codec()).finish()
    }
}

/// Whether a file that begins with `head` is compressed.
pub(crate) fn is_packed(head: &[u8]) -> bool {
    head.get(..MAGIC_LEN).and_then(codec_of).is_some()
}

fn codec_of(head: &[u8]) -> Option<Codec> {
    match head {
        [0x1f, 0x8b, ..] => Some(Codec::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd] => Some(Codec::Zstd),
        [0x04, 0x22, 0x4d, 0x18] | [0x02, 0x21, 0x4c, 0x18] => Some(Codec::Lz4),
        _ => None,
    }
}

type Packed = BufReader<Chain<Cursor<Vec<u8>>, Metered>>;

fn packed(whole: Chain<Cursor<Vec<u8>>, Metered>) -> Packed {
    BufReader::with_capacity(PACKED_LEN, whole)
}

/// Counts what is read.
struct Metered {
    inner: Origin,
    counts: [Arc<AtomicU64>; 2],
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for total in &self.counts {
            total.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(count)
    }
}

/// Passes over `count` bytes.
fn skip(source: &mut impl BufRead, count: u64) -> io::Result<()> {
    let skipped = io::copy(&mut source.take(count), &mut io::sink())?;
    if skipped < count { Err(cut()) } else { Ok(()) }
}

/// Reads `buffer` full; fewer bytes are an error that says what they mean.
fn read_all(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<()> {
    source.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => cut(),
        _ => error,
    })
}

#[cold]
fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the compressed data ends too early")
}

#[cold]
fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Enough of a file to tell how it is packed.
const MAGIC_LEN: usize = 4;

/// Packed bytes read at a time.
const PACKED_LEN: usize = 128 << 10;

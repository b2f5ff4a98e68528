//! Items in frames with a length and a checksum, so that damage is told before it is parsed.

use std::io::{self, Read, Write};

use postcard::ser_flavors::Flavor;
use serde::Serialize;

use super::StateError;

/// Payload at which a frame is closed.
const FRAME_LEN: usize = 1 << 20;

/// Payload that is read at most: a full frame and the largest item, which the bounds on names and
/// lists of a hello keep far below this.
const FRAME_LEN_MAX: u32 = 32 << 20;

/// Length and checksum.
const FRAME_HEADER_LEN: u64 = 8;

/// Collects items and writes them in frames.
pub(crate) struct FrameWriter<W> {
    out: W,
    payload: Vec<u8>,
    /// Payload at which a frame is closed.
    frame_len: usize,
}

/// Where postcard puts an item: in half the steps of its own way into any collection.
struct Payload<'a>(&'a mut Vec<u8>);

impl Flavor for Payload<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

impl<W: Write> FrameWriter<W> {
    pub(super) const fn new(out: W) -> Self {
        Self::with_frame_len(out, FRAME_LEN)
    }

    /// A writer of frames of so many bytes, or longer by an item.
    pub(crate) const fn with_frame_len(out: W, frame_len: usize) -> Self {
        Self { out, payload: Vec::new(), frame_len }
    }

    /// Adds an item, and writes the frame when it is full.
    pub(crate) fn push(&mut self, item: &impl Serialize) -> io::Result<()> {
        postcard::serialize_with_flavor(item, Payload(&mut self.payload))
            .map_err(io::Error::other)?;
        if self.payload.len() >= self.frame_len { self.flush() } else { Ok(()) }
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.out.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.payload.is_empty() {
            return Ok(());
        }
        let len = u32::try_from(self.payload.len())
            .ok()
            .filter(|len| *len <= FRAME_LEN_MAX)
            .ok_or_else(|| io::Error::other("an item is too long to be saved"))?;
        self.out.write_all(&len.to_le_bytes())?;
        self.out.write_all(&crc32fast::hash(&self.payload).to_le_bytes())?;
        self.out.write_all(&self.payload)?;
        self.payload.clear();
        Ok(())
    }
}

/// Reads frames and checks them.
pub(crate) struct FrameReader<R> {
    input: R,
    offset: u64,
    payload: Vec<u8>,
}

impl<R: Read> FrameReader<R> {
    /// Reads from an input that stands at `offset`.
    pub(crate) const fn new(input: R, offset: u64) -> Self {
        Self { input, offset, payload: Vec::new() }
    }

    /// Where the next frame begins, in bytes from the start of the file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// The payload of the next frame.
    pub(super) fn next_frame(&mut self) -> Result<&[u8], StateError> {
        let offset = self.offset;
        self.read(FRAME_HEADER_LEN)?;
        let (len, crc) = match *self.payload {
            [a, b, c, d, e, f, g, h] => {
                (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
            }
            _ => return Err(StateError::Truncated { offset }),
        };
        if len == 0 || len > FRAME_LEN_MAX {
            return Err(StateError::Damaged { offset, what: "a frame's length is impossible" });
        }
        self.read(len.into())?;
        if crc32fast::hash(&self.payload) != crc {
            return Err(StateError::Damaged { offset, what: "a checksum does not match" });
        }
        Ok(&self.payload)
    }

    /// What frames are read from.
    pub(crate) const fn get_ref(&self) -> &R {
        &self.input
    }

    /// Takes the payload of the next frame in exchange for bytes that are not needed any more.
    pub(crate) fn swap_next_frame(&mut self, payload: &mut Vec<u8>) -> Result<(), StateError> {
        self.next_frame()?;
        std::mem::swap(&mut self.payload, payload);
        Ok(())
    }

    /// Makes sure that nothing follows.
    pub(super) fn expect_end(mut self) -> Result<(), StateError> {
        let offset = self.offset;
        match self.read(1) {
            Ok(()) => Err(StateError::Damaged { offset, what: "bytes follow the end" }),
            Err(StateError::Truncated { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads so many bytes into `payload`, which grows only as bytes arrive.
    fn read(&mut self, len: u64) -> Result<(), StateError> {
        self.payload.clear();
        let read = self.input.by_ref().take(len).read_to_end(&mut self.payload)? as u64;
        self.offset += read;
        if read < len { Err(StateError::Truncated { offset: self.offset }) } else { Ok(()) }
    }
}

//! LZ4 frames one after the other, skippable ones left out.
//!
//! lz4_flex unpacks a frame, but takes a file that ends between two blocks for complete. So the
//! framing is followed here beside it: block lengths only, no content. Of a block that the source
//! ends in, lz4_flex gives nothing; what is there of it is unpacked by [`torn`].

mod torn;

use std::io::{self, BufRead, Read};

use lz4_flex::frame::FrameDecoder;

use self::torn::{HISTORY_LEN, unpack};
use super::{cut, damaged, read_all, skip};

/// What a sequence of LZ4 frames unpacks to.
pub(super) struct Lz4Frames<R: Read> {
    state: State<R>,
    /// The end of what the frame at hand was unpacked to, which its next block may refer to.
    history: Vec<u8>,
}

enum State<R: Read> {
    Between(R),
    Inside(Box<FrameDecoder<Followed<R>>>),
    /// In what could be unpacked of a block that the source ends in.
    Torn(io::Cursor<Vec<u8>>),
    /// After an error that left the place in the source unknown.
    Lost,
}

impl<R: BufRead> Lz4Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { state: State::Between(source), history: Vec::new() }
    }
}

impl<R: Read> Lz4Frames<R> {
    /// Keeps as much of what was unpacked as a later block may refer to.
    fn remember(&mut self, unpacked: &[u8]) {
        let tail = unpacked.len().saturating_sub(HISTORY_LEN);
        self.history.extend_from_slice(unpacked.get(tail..).unwrap_or_default());
        // Seldom, so that moving it costs little.
        if self.history.len() > 4 * HISTORY_LEN {
            self.history.drain(..self.history.len() - HISTORY_LEN);
        }
    }
}

/// The magic of the frame that comes next, data or not; `None` at the end of the source.
fn begin<R: BufRead>(source: &mut R) -> io::Result<Option<[u8; 4]>> {
    loop {
        if source.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut magic = [0; 4];
        read_all(source, &mut magic)?;
        if !matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18]) {
            return Ok(Some(magic));
        }
        let mut len = [0; 4];
        read_all(source, &mut len)?;
        skip(source, u32::from_le_bytes(len).into())?;
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match std::mem::replace(&mut self.state, State::Lost) {
                State::Between(mut source) => match begin(&mut source)? {
                    None => {
                        self.state = State::Between(source);
                        return Ok(0);
                    }
                    Some(magic) => {
                        self.history.clear();
                        let followed = Followed::new(source, magic);
                        self.state = State::Inside(Box::new(FrameDecoder::new(followed)));
                    }
                },
                State::Inside(mut frame) => {
                    let count = match frame.read(buffer) {
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                            let framing = frame.into_inner().framing;
                            let rest = framing.unpack_block(&self.history);
                            self.state = State::Torn(io::Cursor::new(rest));
                            continue;
                        }
                        count => count.map_err(plain)?,
                    };
                    if count > 0 {
                        if frame.get_ref().framing.is_linked {
                            self.remember(buffer.get(..count).unwrap_or_default());
                        }
                        self.state = State::Inside(frame);
                        return Ok(count);
                    }
                    let followed = frame.into_inner();
                    if !followed.framing.is_ended() {
                        return Err(cut());
                    }
                    self.state = State::Between(followed.source);
                }
                State::Torn(mut rest) => match rest.read(buffer)? {
                    0 => return Err(cut()),
                    count => {
                        self.state = State::Torn(rest);
                        return Ok(count);
                    }
                },
                State::Lost => return Ok(0),
            }
        }
    }
}

/// An error in words where the library has only the name of a variant.
fn plain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        _ => damaged(format!("the lz4 decoder says {error}")),
    }
}

/// The source as the decoder sees it, with an eye on where it is in the frame.
struct Followed<R> {
    /// The magic, which was taken from the source already.
    magic: [u8; 4],
    magic_given: usize,
    source: R,
    framing: Framing,
}

impl<R> Followed<R> {
    fn new(source: R, magic: [u8; 4]) -> Self {
        Self { magic, magic_given: 0, source, framing: Framing::new(magic) }
    }
}

impl<R: Read> Read for Followed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(rest @ [_, ..]) = self.magic.get(self.magic_given..) {
            let count = (&mut { rest }).read(buffer)?;
            self.magic_given += count;
            return Ok(count);
        }
        let count = self.source.read(buffer)?;
        self.framing.advance(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// The longest block, packed or unpacked: 8 MiB in frames of the old kind, 4 MiB in others.
const BLOCK_BYTES_MAX: usize = 8 << 20;

/// Where in a frame the bytes given so far end.
struct Framing {
    part: Part,
    /// What was gathered of the current length.
    word: [u8; 4],
    word_len: usize,
    has_block_sum: bool,
    has_content_sum: bool,
    is_legacy: bool,
    /// A block may refer to what was unpacked before it.
    is_linked: bool,
    /// What was read of the current block, and of its check sum.
    block: Vec<u8>,
    /// Length of the current block without its check sum.
    block_len: usize,
    /// The current block is not packed.
    is_stored: bool,
}

/// A part of a frame, and how much of it is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Flags,
    /// The rest of the frame header.
    Header(u64),
    BlockLen,
    Block(u64),
    ContentSum(u64),
    End,
}

impl Framing {
    fn new(magic: [u8; 4]) -> Self {
        let is_legacy = magic == [0x02, 0x21, 0x4c, 0x18];
        Self {
            part: if is_legacy { Part::BlockLen } else { Part::Flags },
            word: [0; 4],
            word_len: 0,
            has_block_sum: false,
            has_content_sum: false,
            is_legacy,
            is_linked: false,
            block: Vec::new(),
            block_len: 0,
            is_stored: false,
        }
    }

    /// Whether the frame may end here.
    fn is_ended(&self) -> bool {
        // A frame of the old kind has no end mark.
        let is_between_blocks = self.part == Part::BlockLen && self.word_len == 0;
        self.part == Part::End || (self.is_legacy && is_between_blocks)
    }

    fn advance(&mut self, mut bytes: &[u8]) {
        while let [first, rest @ ..] = bytes {
            let (Part::Header(missing) | Part::Block(missing) | Part::ContentSum(missing)) =
                self.part
            else {
                self.byte(*first);
                bytes = rest;
                continue;
            };
            let count = bytes.len().min(usize::try_from(missing).unwrap_or(usize::MAX));
            if let Part::Block(_) = self.part {
                let room = BLOCK_BYTES_MAX.saturating_sub(self.block.len()).min(count);
                self.block.extend_from_slice(bytes.get(..room).unwrap_or_default());
            }
            bytes = bytes.get(count..).unwrap_or_default();
            let missing = missing - count as u64;
            self.part = match self.part {
                Part::Header(_) if missing > 0 => Part::Header(missing),
                Part::Block(_) if missing > 0 => Part::Block(missing),
                Part::ContentSum(_) if missing > 0 => Part::ContentSum(missing),
                Part::ContentSum(_) => Part::End,
                _ => Part::BlockLen,
            };
        }
    }

    fn byte(&mut self, byte: u8) {
        match self.part {
            Part::Flags => {
                self.is_linked = byte & 0x20 == 0;
                self.has_block_sum = byte & 0x10 != 0;
                self.has_content_sum = byte & 0x04 != 0;
                let size_len = if byte & 0x08 != 0 { 8 } else { 0 };
                let dictionary_len = if byte & 0x01 != 0 { 4 } else { 0 };
                // A byte of block size and one of check sum.
                self.part = Part::Header(2 + size_len + dictionary_len);
            }
            Part::BlockLen => {
                if let Some(slot) = self.word.get_mut(self.word_len) {
                    *slot = byte;
                }
                self.word_len += 1;
                if self.word_len == 4 {
                    self.word_len = 0;
                    self.block(u32::from_le_bytes(self.word));
                }
            }
            _ => {}
        }
    }

    /// Unpacks what was read of the current block, behind the `history` that it may refer to.
    fn unpack_block(&self, history: &[u8]) -> Vec<u8> {
        match (self.part, self.block.get(..self.block_len).unwrap_or(&self.block)) {
            (Part::Block(_), stored) if self.is_stored => stored.to_vec(),
            (Part::Block(_), packed) => unpack(packed, history, BLOCK_BYTES_MAX),
            _ => Vec::new(),
        }
    }

    fn block(&mut self, len: u32) {
        self.block.clear();
        self.block_len = usize::try_from(len & 0x7fff_ffff).unwrap_or(usize::MAX);
        self.is_stored = len & 0x8000_0000 != 0 && !self.is_legacy;
        self.part = match len {
            0 if self.has_content_sum => Part::ContentSum(4),
            0 => Part::End,
            _ => {
                let sum_len = if self.has_block_sum { 4 } else { 0 };
                Part::Block(u64::from(len & 0x7fff_ffff) + sum_len)
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    use std::io::Write;

    fn unpack(packed: &[u8]) -> (Vec<u8>, Option<String>) {
        let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
        let mut frames = Lz4Frames::new(packed);
        loop {
            match frames.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => return (all, Some(error.to_string())),
            }
        }
    }

    fn frame(data: &[u8], info: FrameInfo) -> Vec<u8> {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn infos() -> Vec<FrameInfo> {
        let info = FrameInfo::new().block_size(BlockSize::Max64KB);
        vec![
            info.clone(),
            info.clone().content_checksum(true),
            info.clone().block_checksums(true),
            info.clone().block_checksums(true).content_checksum(true).content_size(Some(400_000)),
        ]
    }

    fn noise() -> Vec<u8> {
        (0..100_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
    }

    #[test]
    fn frames_are_joined_and_skippable_ones_left_out() {
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let one = |data| frame(data, FrameInfo::new());
        let packed = [one(b"one"), skippable.clone(), one(b""), one(b"two"), skippable].concat();
        assert_eq!(unpack(&packed), (b"onetwo".to_vec(), None));
    }

    #[test]
    fn every_cut_is_told_and_what_came_before_is_delivered() {
        let data = noise();
        for info in infos() {
            let packed = frame(&data, info);
            assert_eq!(unpack(&packed), (data.clone(), None));
            let steps = (1..packed.len()).step_by(7919).chain(packed.len() - 12..packed.len());
            for len in steps {
                let (got, error) = unpack(&packed[..len]);
                assert!(error.is_some(), "cut at {len}");
                assert!(data.starts_with(&got));
                // Noise is stored: but for heads and check sums, what is there is delivered.
                assert!(got.len() + 100 > len.min(data.len()), "cut at {len}");
            }
            // A cut between the first and the second block.
            let block_len = u32::from_le_bytes(packed[7..11].try_into().unwrap()) & 0x7fff_ffff;
            let (_, error) = unpack(&packed[..11 + block_len as usize]);
            assert!(error.is_some());
        }
    }

    #[test]
    fn a_torn_block_is_unpacked_up_to_where_it_is_torn() {
        let lines: String = (0..60_000).map(|i| format!("line {} of {}\n", i, i % 97)).collect();
        let data = lines.as_bytes();
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for size in [BlockSize::Max64KB, BlockSize::Max4MB] {
                let info = FrameInfo::new().block_size(size).block_mode(mode);
                let packed = frame(data, info.block_checksums(true));
                let mut before = 0;
                for len in (20..packed.len()).step_by(997) {
                    let (got, error) = unpack(&packed[..len]);
                    assert!(error.is_some() && data.starts_with(&got), "cut at {len}");
                    // A sequence brings less than 20 bytes of the source here.
                    assert!(got.len() > before || len < 100, "cut at {len}: {}", got.len());
                    before = got.len();
                }
                assert!(before > data.len() - 20_000);
            }
        }
    }

    #[test]
    fn garbage_behind_a_frame_is_told() {
        let packed = [frame(b"one", FrameInfo::new()), b"garbage".to_vec()].concat();
        let (got, error) = unpack(&packed);
        assert_eq!(got, b"one");
        assert!(error.is_some());
    }
}

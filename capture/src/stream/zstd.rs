//! Zstandard frames one after the other (RFC 8878), skippable ones left out.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{cut, damaged, skip};

/// What a sequence of zstd frames unpacks to.
pub(super) struct ZstdFrames<R> {
    source: R,
    decoder: FrameDecoder,
    is_in_frame: bool,
    /// Found while unpacked bytes still wait for delivery.
    error: Option<io::Error>,
}

impl<R: BufRead> ZstdFrames<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), is_in_frame: false, error: None }
    }

    /// Begins the next frame that holds data; false at the end of the source.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.is_in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => skip(&mut self.source, length.into())?,
                Err(error) => return Err(self.explain(&error)),
            }
        }
        Ok(false)
    }

    /// Unpacks until `wanted` bytes can be collected or the frame ends.
    fn unpack(&mut self, wanted: usize) {
        while self.decoder.can_collect() < wanted && !self.decoder.is_finished() {
            let missing = wanted - self.decoder.can_collect();
            let strategy = BlockDecodingStrategy::UptoBytes(missing);
            if let Err(error) = self.decoder.decode_blocks(&mut self.source, strategy) {
                self.error = Some(self.explain(&error));
                // The decoder holds a window of good bytes back until the frame ends: end it.
                let result = self
                    .decoder
                    .decode_blocks(&mut &EMPTY_LAST_BLOCK[..], BlockDecodingStrategy::All);
                debug_assert!(result.is_ok(), "an empty block is always sound");
                return;
            }
        }
    }

    /// Why unpacking failed: at the end of the source, because it ends there.
    fn explain(&mut self, error: &FrameDecoderError) -> io::Error {
        match self.source.fill_buf() {
            Ok([]) => cut(),
            Ok(_) => damaged(format!("the zstd decoder says {error}")),
            Err(error) => error,
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.is_in_frame = false;
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let stored = self.decoder.get_checksum_from_data();
        if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
            return Err(damaged("the check sum does not match"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.is_in_frame && !self.begin()? {
                return Ok(0);
            }
            self.unpack(buffer.len().min(UNPACKED_LEN));
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.end()?;
        }
    }
}

/// Unpacked at a time: the largest block.
const UNPACKED_LEN: usize = 128 << 10;

/// A raw block of no bytes that is the last one, and a check sum in case one is expected.
const EMPTY_LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use super::*;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    fn unpack(packed: &[u8]) -> (Vec<u8>, Option<String>) {
        let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
        let mut frames = ZstdFrames::new(packed);
        loop {
            match frames.read(&mut buffer) {
                Ok(0) => return (all, None),
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => return (all, Some(error.to_string())),
            }
        }
    }

    fn frame(data: &[u8]) -> Vec<u8> {
        compress_to_vec(data, CompressionLevel::Fastest)
    }

    #[test]
    fn frames_are_joined_and_skippable_ones_left_out() {
        let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"xyz"].concat();
        let packed = [frame(b"one"), skippable, frame(b""), frame(b"two")].concat();
        assert_eq!(unpack(&packed), (b"onetwo".to_vec(), None));
    }

    #[test]
    fn what_came_before_a_cut_is_delivered() {
        let data: Vec<u8> =
            (0..100_000_u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        let packed = frame(&data);
        let (got, error) = unpack(&packed[..packed.len() / 2]);
        assert_eq!(error.unwrap(), "the compressed data ends too early");
        assert!(got.len() > data.len() / 4, "{} of {}", got.len(), data.len());
        assert!(data.starts_with(&got));
    }

    #[test]
    fn garbage_behind_a_frame_is_told() {
        let (got, error) = unpack(&[frame(b"one"), b"garbage".to_vec()].concat());
        assert_eq!(got, b"one");
        assert!(error.is_some());
    }
}

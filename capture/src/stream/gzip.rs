//! Gzip members one after the other (RFC 1952).
//!
//! The members are told apart here and not by flate2's reader, because that one drops the last
//! bytes before damage, up to as many as were asked for. Bytes behind a whole member that begin no
//! other are no damage: as gzip does, they are left alone, and said.

use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{cut, damaged, read_all, skip};

/// What a sequence of gzip members unpacks to.
pub(super) struct GzipMembers<R> {
    source: R,
    inflater: Decompress,
    crc: Crc,
    is_in_member: bool,
    /// Whether a whole member was read.
    has_member: bool,
    /// Whether bytes behind the last member were left alone.
    has_trailer: Arc<AtomicBool>,
    /// Found together with bytes that had to be delivered first.
    error: Option<io::Error>,
}

impl<R: BufRead> GzipMembers<R> {
    /// Unpacks `source`; `has_trailer` is set when bytes behind the last member are left alone.
    pub(super) fn new(source: R, has_trailer: Arc<AtomicBool>) -> Self {
        Self {
            source,
            inflater: Decompress::new(false),
            crc: Crc::new(),
            is_in_member: false,
            has_member: false,
            has_trailer,
            error: None,
        }
    }

    /// Reads the header of the next member; false at the end of the source.
    fn begin(&mut self) -> io::Result<bool> {
        if self.has_trailer.load(Ordering::Relaxed) {
            return Ok(false);
        }
        // The two bytes of the magic are as here, or the loop ends.
        let mut header = [0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0];
        for (at, magic) in [0x1f, 0x8b].into_iter().enumerate() {
            let next = self.source.fill_buf()?.first().copied();
            match next {
                None if at == 0 => return Ok(false),
                Some(0) if at == 0 => return self.pass_padding(),
                Some(byte) if byte == magic => {}
                _ if self.has_member => return Ok(self.leave_rest()),
                None => return Err(cut()),
                Some(_) => return Err(damaged("bytes that are no gzip header follow")),
            }
            self.source.consume(1);
        }
        read_all(&mut self.source, &mut header[2..])?;
        let [0x1f, 0x8b, DEFLATE, flags, ..] = header else {
            return Err(damaged("bytes that are no gzip header follow"));
        };
        if flags & FLAG_EXTRA != 0 {
            let mut len = [0; 2];
            read_all(&mut self.source, &mut len)?;
            skip(&mut self.source, u16::from_le_bytes(len).into())?;
        }
        for flag in [FLAG_NAME, FLAG_COMMENT] {
            if flags & flag != 0 {
                self.skip_text()?;
            }
        }
        if flags & FLAG_HEADER_CRC != 0 {
            skip(&mut self.source, 2)?;
        }
        self.inflater.reset(false);
        self.crc.reset();
        self.is_in_member = true;
        Ok(true)
    }

    /// Tapes and block devices pad with zero bytes.
    fn pass_padding(&mut self) -> io::Result<bool> {
        loop {
            let rest = self.source.fill_buf()?;
            if rest.is_empty() {
                return Ok(false);
            }
            if rest.iter().any(|byte| *byte != 0) {
                return Ok(self.leave_rest());
            }
            let count = rest.len();
            self.source.consume(count);
        }
    }

    /// Takes what follows for no part of the archive; false, as at its end.
    fn leave_rest(&self) -> bool {
        self.has_trailer.store(true, Ordering::Relaxed);
        false
    }

    fn skip_text(&mut self) -> io::Result<()> {
        let mut byte = [1];
        for _ in 0..HEADER_TEXT_LEN_MAX {
            read_all(&mut self.source, &mut byte)?;
            if byte == [0] {
                return Ok(());
            }
        }
        Err(damaged("a file name without end in the gzip header"))
    }

    fn end(&mut self) -> io::Result<()> {
        self.is_in_member = false;
        self.has_member = true;
        let mut trailer = [0; 8];
        read_all(&mut self.source, &mut trailer)?;
        let [a, b, c, d, ..] = trailer;
        if u32::from_le_bytes([a, b, c, d]) != self.crc.sum() {
            return Err(damaged("the check sum does not match"));
        }
        Ok(())
    }

    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_in_member && !self.begin()? {
                return Ok(0);
            }
            let packed = self.source.fill_buf()?;
            let is_cut = packed.is_empty();
            let (taken, given) = (self.inflater.total_in(), self.inflater.total_out());
            let status = self.inflater.decompress(packed, buffer, FlushDecompress::None);
            // Both are at most the length of a slice.
            let taken = usize::try_from(self.inflater.total_in() - taken).unwrap_or(usize::MAX);
            let given = usize::try_from(self.inflater.total_out() - given).unwrap_or(usize::MAX);
            self.source.consume(taken);
            self.crc.update(buffer.get(..given).unwrap_or_default());
            let outcome = match status {
                Ok(Status::StreamEnd) => self.end(),
                Ok(_) if is_cut && given == 0 => Err(cut()),
                Ok(_) => Ok(()),
                Err(error) => Err(damaged(error)),
            };
            match outcome {
                Err(error) if given == 0 => return Err(error),
                Err(error) => self.error = Some(error),
                Ok(()) => {}
            }
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.error.take() {
            _ if buffer.is_empty() => Ok(0),
            Some(error) => Err(error),
            None => self.inflate(buffer),
        }
    }
}

const DEFLATE: u8 = 8;
const FLAG_HEADER_CRC: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;

/// The longest file name or comment in a header; a path has at most 4096 bytes.
const HEADER_TEXT_LEN_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, GzBuilder};
    use std::io::Write;

    fn member(data: &[u8]) -> Vec<u8> {
        let builder = GzBuilder::new().filename("a name").comment("words").extra(vec![1, 2, 3]);
        let mut encoder = builder.write(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// Everything that can be read, and the error that ends it.
    fn unpack(packed: &[u8]) -> (Vec<u8>, Option<String>) {
        let (data, error, _) = unpack_with_trailer(packed);
        (data, error)
    }

    /// And whether bytes behind it were left alone.
    fn unpack_with_trailer(packed: &[u8]) -> (Vec<u8>, Option<String>, bool) {
        let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
        let has_trailer = Arc::new(AtomicBool::new(false));
        let mut members = GzipMembers::new(packed, Arc::clone(&has_trailer));
        let error = loop {
            match members.read(&mut buffer) {
                Ok(0) => break None,
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) => break Some(error.to_string()),
            }
        };
        assert!(error.is_some() || matches!(members.read(&mut buffer), Ok(0)));
        (all, error, has_trailer.load(Ordering::Relaxed))
    }

    fn noise(len: u32) -> Vec<u8> {
        (0..len).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
    }

    #[test]
    fn members_are_joined_and_padding_is_ignored() {
        let mut packed = [member(b"one"), member(b""), member(b"two")].concat();
        assert_eq!(unpack(&packed), (b"onetwo".to_vec(), None));
        packed.extend([0; 700]);
        assert_eq!(unpack(&packed), (b"onetwo".to_vec(), None));
        packed.push(7);
        assert_eq!(unpack_with_trailer(&packed), (b"onetwo".to_vec(), None, true));
    }

    #[test]
    fn bytes_behind_the_last_member_are_left_alone_and_said() {
        let check = |trailer: &[u8], error: Option<&str>, has_trailer| {
            let got = unpack_with_trailer(&[&member(b"one"), trailer].concat());
            assert_eq!(
                got,
                (b"one".to_vec(), error.map(str::to_owned), has_trailer),
                "{trailer:?}"
            );
        };
        check(b"", None, false);
        check(&[0; 9], None, false);
        check(b"g", None, true);
        check(b"garbage", None, true);
        check(b"much more garbage than a header has", None, true);
        check(&[0x1f], None, true);
        check(&[0x1f, 7, 7], None, true);
        // What begins like a member is one.
        check(&[0x1f, 0x8b, 8], Some("the compressed data ends too early"), false);
        check(
            &[0x1f, 0x8b, 9, 0, 0, 0, 0, 0, 0, 0],
            Some("bytes that are no gzip header follow"),
            false,
        );
    }

    #[test]
    fn what_came_before_a_cut_is_delivered() {
        let data = noise(5000);
        let packed = member(&data);
        let (got, error) = unpack(&packed[..packed.len() / 2]);
        assert_eq!(error.unwrap(), "the compressed data ends too early");
        assert!(got.len() > data.len() / 3, "{} of {}", got.len(), data.len());
        assert!(data.starts_with(&got));
        let (got, error) = unpack(&packed[..packed.len() - 3]);
        assert_eq!((got, error.unwrap().as_str()), (data, "the compressed data ends too early"));
    }

    #[test]
    fn a_name_has_an_end() {
        let named = |len| {
            let builder = GzBuilder::new().filename(vec![b'n'; len]);
            let mut encoder = builder.write(Vec::new(), Compression::default());
            encoder.write_all(b"data").unwrap();
            unpack(&encoder.finish().unwrap())
        };
        assert_eq!(named(HEADER_TEXT_LEN_MAX - 1), (b"data".to_vec(), None));
        let (_, error) = named(HEADER_TEXT_LEN_MAX);
        assert_eq!(error.unwrap(), "a file name without end in the gzip header");
    }

    #[test]
    fn a_wrong_check_sum_is_told_after_the_data() {
        let mut packed = member(b"some data");
        let at = packed.len() - 6;
        packed[at] ^= 1;
        let (got, error) = unpack(&packed);
        assert_eq!(
            (got.as_slice(), error.unwrap().as_str()),
            (&b"some data"[..], "the check sum does not match")
        );
    }
}

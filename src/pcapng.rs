//! Writes pcapng (draft-ietf-opsawg-pcapng): one section, an interface for each link type, packets
//! with times in nanoseconds.
//!
//! ```text
//! block = type u32 | total length u32 | body, padded to 4 bytes | total length u32
//! ```
//!
//! Everything is little endian. Interfaces are described when their first packet comes, which the
//! format allows.

use std::io::{self, Write};

use dissect::{Frame, LinkType};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

const OPTION_USER_APPLICATION: u16 = 4;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

/// Times count from 1970; those before it from the first full second, in 1677, that a
/// [`Timestamp`](dissect::Timestamp) can be, as the format knows no negative times.
const EARLY_OFFSET_S: i64 = i64::MIN / 1_000_000_000;

/// A pcapng file being written.
pub(crate) struct PcapngWriter<W> {
    out: W,
    /// Link type, and whether times are before 1970.
    interfaces: Vec<(LinkType, bool)>,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file.
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend(BYTE_ORDER.to_le_bytes());
        body.extend(1_u16.to_le_bytes()); // version 1.0
        body.extend(0_u16.to_le_bytes());
        body.extend(u64::MAX.to_le_bytes()); // length of the section: not told
        let program = concat!("tlsunset ", env!("CARGO_PKG_VERSION"));
        option(&mut body, OPTION_USER_APPLICATION, program.as_bytes());
        body.extend([0; 4]);
        block(&mut out, SECTION_HEADER, &body)?;
        Ok(Self { out, interfaces: Vec::new() })
    }

    /// Adds a frame as it was captured.
    pub(crate) fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let nanoseconds = frame.time.as_nanos();
        let is_early = nanoseconds < 0;
        let interface = self.interface(frame.link, is_early)?;
        let offset_s = if is_early { EARLY_OFFSET_S } else { 0 };
        // Nothing is negative but the fraction before that first second, which no capture has.
        let time = i128::from(nanoseconds) - i128::from(offset_s) * 1_000_000_000;
        let time = u64::try_from(time).unwrap_or(0);
        let captured = u32::try_from(frame.data.len()).map_err(io::Error::other)?;
        let mut body = Vec::with_capacity(frame.data.len() + 24);
        body.extend(interface.to_le_bytes());
        let [a, b, c, d, high @ ..] = time.to_le_bytes();
        body.extend(high);
        body.extend([a, b, c, d]);
        body.extend(captured.to_le_bytes());
        body.extend(frame.wire_len.to_le_bytes());
        body.extend(frame.data);
        block(&mut self.out, ENHANCED_PACKET, &body)
    }

    /// The number of the interface of a link type, described when it is new.
    fn interface(&mut self, link: LinkType, is_early: bool) -> io::Result<u32> {
        let known = self.interfaces.iter().position(|known| *known == (link, is_early));
        let number = known.unwrap_or(self.interfaces.len());
        if known.is_none() {
            let mut body = Vec::new();
            body.extend(link.0.to_le_bytes());
            body.extend([0; 2]);
            body.extend(0_u32.to_le_bytes()); // no snap length
            option(&mut body, OPTION_TIME_RESOLUTION, &[9]);
            if is_early {
                option(&mut body, OPTION_TIME_OFFSET, &EARLY_OFFSET_S.to_le_bytes());
            }
            body.extend([0; 4]);
            block(&mut self.out, INTERFACE, &body)?;
            self.interfaces.push((link, is_early));
        }
        u32::try_from(number).map_err(io::Error::other)
    }
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let padded = body.len().next_multiple_of(4);
    let total = u32::try_from(padded + 12).map_err(io::Error::other)?;
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&total.to_le_bytes())?;
    out.write_all(body)?;
    out.write_all(&[0; 3][..padded - body.len()])?;
    out.write_all(&total.to_le_bytes())
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // Options are constants of this file, far below 64 KiB.
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(len.to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use dissect::Timestamp;

    use super::*;

    fn frame(link: LinkType, ns: i64, wire_len: u32, data: &[u8]) -> Frame<'_> {
        Frame { number: 1, time: Timestamp::from_nanos(ns), link, wire_len, data }
    }

    #[test]
    fn what_was_written_is_read_back() {
        let frames = [
            frame(LinkType::ETHERNET, 1_540_944_000_123_456_789, 5, &[1, 2, 3]),
            frame(LinkType::RAW, 7, 4, &[1, 2, 3, 4]),
            frame(LinkType::ETHERNET, i64::MAX, 0, &[]),
            frame(LinkType::ETHERNET, -1, 1, &[9]),
            frame(LinkType::RAW, EARLY_OFFSET_S * 1_000_000_000, 1, &[8]),
        ];
        for frame in &frames {
            let mut bytes = Vec::new();
            let mut writer = PcapngWriter::new(&mut bytes).unwrap();
            writer.frame(frame).unwrap();
            writer.frame(frame).unwrap();
            let folder = std::env::temp_dir();
            let name = format!("tlsunset-{}-{}", std::process::id(), frame.time.as_nanos());
            let path = folder.join(name);
            std::fs::write(&path, &bytes).unwrap();
            let found = read(&path);
            std::fs::remove_file(&path).unwrap();
            let one = (frame.link, frame.time, frame.wire_len, frame.data.to_vec());
            assert_eq!(found, [one.clone(), one]);
        }
    }

    fn read(path: &std::path::Path) -> Vec<(LinkType, Timestamp, u32, Vec<u8>)> {
        use capture::Source as _;
        let input = capture::Input::parse(path);
        let mut timeline = capture::open(&[input], &capture::Options::default()).unwrap();
        let mut found = Vec::new();
        while let Some(batch) = timeline.next_batch() {
            let batch = batch.unwrap();
            let frames = batch.frames();
            found.extend(frames.map(|f| (f.link, f.time, f.wire_len, f.data.to_vec())));
        }
        found
    }
}

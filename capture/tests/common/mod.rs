//! Capture files made by hand, and a reader that collects everything.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use capture::{CaptureError, Input, Options, Source, Timeline};

/// 2018-10-31T00:00:00Z.
pub const EPOCH: u32 = 1_540_944_000;

/// The two byte orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Big,
    Little,
}

pub const ORDERS: [Order; 2] = [Order::Big, Order::Little];

impl Order {
    pub fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }

    pub fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }
}

/// A frame as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub number: u64,
    pub time: i64,
    pub link: u16,
    pub wire_len: u32,
    pub data: Vec<u8>,
}

/// Frames and errors in the order they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Log {
    pub frames: Vec<Got>,
    /// The message, and how many frames came before it.
    pub errors: Vec<(usize, String)>,
}

impl Log {
    pub fn of(mut timeline: Timeline) -> Self {
        Self::drain(&mut timeline)
    }

    pub fn drain(timeline: &mut Timeline) -> Self {
        let mut log = Self::default();
        while let Some(step) = timeline.next_batch() {
            match step {
                Ok(batch) => {
                    assert!(!batch.is_empty());
                    log.frames.extend(batch.frames().map(|frame| Got {
                        number: frame.number,
                        time: frame.time.as_nanos(),
                        link: frame.link.0,
                        wire_len: frame.wire_len,
                        data: frame.data.to_vec(),
                    }));
                    timeline.recycle(batch);
                }
                Err(error) => log.errors.push((log.frames.len(), error.to_string())),
            }
            assert!(log.errors.len() < 1000, "errors without end");
        }
        assert!(timeline.next_batch().is_none(), "the end stays the end");
        log
    }

    pub fn data(&self) -> Vec<&[u8]> {
        self.frames.iter().map(|frame| frame.data.as_slice()).collect()
    }

    pub fn times(&self) -> Vec<i64> {
        self.frames.iter().map(|frame| frame.time).collect()
    }

    /// The only error, which has to be there.
    pub fn error(&self) -> &str {
        assert_eq!(self.errors.len(), 1, "{:?}", self.errors);
        &self.errors[0].1
    }
}

/// Reads `bytes` as a file named `it`.
pub fn read(bytes: &[u8]) -> Log {
    read_with(bytes, &Options::default())
}

pub fn read_with(bytes: &[u8], options: &Options) -> Log {
    let reader = io::Cursor::new(bytes.to_vec());
    Log::of(capture::open_reader("it", reader, options).unwrap())
}

/// Reads `bytes` one at a time.
pub fn read_dripping(bytes: &[u8], options: &Options) -> Log {
    let reader = Dripping { bytes: bytes.to_vec(), at: 0 };
    Log::of(capture::open_reader("it", reader, options).unwrap())
}

struct Dripping {
    bytes: Vec<u8>,
    at: usize,
}

impl Read for Dripping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(byte) = self.bytes.get(self.at) else { return Ok(0) };
        if buffer.is_empty() {
            return Ok(0);
        }
        buffer[0] = *byte;
        self.at += 1;
        Ok(1)
    }
}

/// A folder that is gone when the test is over.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("capture-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn open(paths: &[&Path]) -> Timeline {
    let inputs: Vec<Input> = paths.iter().map(Input::parse).collect();
    capture::open(&inputs, &Options::default()).unwrap()
}

pub fn open_with(path: &Path, options: &Options) -> Result<Timeline, CaptureError> {
    capture::open(&[Input::parse(path)], options)
}

/// A pcap file under construction.
#[derive(Clone)]
pub struct Pcap {
    pub bytes: Vec<u8>,
    order: Order,
    is_modified: bool,
}

pub const MICROS: u32 = 0xa1b2_c3d4;
pub const NANOS: u32 = 0xa1b2_3c4d;
pub const MODIFIED: u32 = 0xa1b2_cd34;

impl Pcap {
    pub fn new() -> Self {
        Self::with(Order::Little, MICROS, (2, 4), 262_144, 1)
    }

    pub fn with(
        order: Order,
        magic: u32,
        (major, minor): (u16, u16),
        snap_len: u32,
        network: u32,
    ) -> Self {
        let mut bytes = order.u32(magic).to_vec();
        bytes.extend(order.u16(major));
        bytes.extend(order.u16(minor));
        bytes.extend([0; 8]);
        bytes.extend(order.u32(snap_len));
        bytes.extend(order.u32(network));
        Self { bytes, order, is_modified: magic == MODIFIED }
    }

    pub fn record(mut self, sec: u32, sub: u32, lengths: (u32, u32), data: &[u8]) -> Self {
        for value in [sec, sub, lengths.0, lengths.1] {
            self.bytes.extend(self.order.u32(value));
        }
        if self.is_modified {
            self.bytes.extend([9; 8]);
        }
        self.bytes.extend(data);
        self
    }

    pub fn frame(self, sec: u32, sub: u32, data: &[u8]) -> Self {
        let len = u32::try_from(data.len()).unwrap();
        self.record(sec, sub, (len, len), data)
    }

    /// `count` frames, one each millisecond, of different lengths and contents.
    pub fn frames(mut self, count: u32) -> Self {
        for index in 0..count {
            self = self.frame(EPOCH + index / 1000, index % 1000 * 1000, &payload(index));
        }
        self
    }
}

/// Bytes that look like no header: 60 to 1500 of them.
pub fn payload(seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let len = 60 + (seed * 577) % 1440;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[1] | 0x80
    };
    (0..len).map(byte).collect()
}

/// A pcapng file under construction.
#[derive(Clone)]
pub struct Pcapng {
    pub bytes: Vec<u8>,
    pub order: Order,
}

impl Pcapng {
    pub fn new(order: Order) -> Self {
        Self { bytes: Vec::new(), order }.section(order)
    }

    /// A little-endian file with one Ethernet interface.
    pub fn ethernet() -> Self {
        Self::new(Order::Little).interface(1, 0, &[])
    }

    pub fn block(mut self, kind: u32, body: &[u8]) -> Self {
        let padding = body.len().next_multiple_of(4) - body.len();
        let len = u32::try_from(12 + body.len() + padding).unwrap();
        self.bytes.extend(self.order.u32(kind));
        self.bytes.extend(self.order.u32(len));
        self.bytes.extend(body);
        self.bytes.extend(vec![0; padding]);
        self.bytes.extend(self.order.u32(len));
        self
    }

    pub fn section(mut self, order: Order) -> Self {
        self.order = order;
        let mut body = order.u32(0x1a2b_3c4d).to_vec();
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    pub fn interface(self, link: u16, snap_len: u32, options: &[(u16, &[u8])]) -> Self {
        let order = self.order;
        let mut body = order.u16(link).to_vec();
        body.extend([0; 2]);
        body.extend(order.u32(snap_len));
        for (code, value) in options {
            body.extend(order.u16(*code));
            body.extend(order.u16(u16::try_from(value.len()).unwrap()));
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }

    pub fn enhanced(self, interface: u32, ticks: u64, wire_len: u32, data: &[u8]) -> Self {
        let order = self.order;
        let mut body = order.u32(interface).to_vec();
        body.extend(order.u32((ticks >> 32) as u32));
        body.extend(order.u32((ticks & 0xffff_ffff) as u32));
        body.extend(order.u32(u32::try_from(data.len()).unwrap()));
        body.extend(order.u32(wire_len));
        body.extend(data);
        self.block(6, &body)
    }

    /// A frame of interface 0, `micros` after [`EPOCH`].
    pub fn frame(self, micros: u64, data: &[u8]) -> Self {
        let ticks = u64::from(EPOCH) * 1_000_000 + micros;
        self.enhanced(0, ticks, u32::try_from(data.len()).unwrap(), data)
    }

    pub fn frames(mut self, count: u32) -> Self {
        for index in 0..count {
            self = self.frame(u64::from(index) * 1000, &payload(index));
        }
        self
    }
}

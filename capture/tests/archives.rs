//! Compressed captures: gzip, zstd and lz4, whole, joined and damaged.

mod common;

use std::io::Write;

use capture::{Options, Source};
use common::{Folder, Log, Pcap, Pcapng, open, read, read_dripping};
use flate2::Compression;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    compress_to_vec(data, CompressionLevel::Fastest)
}

fn lz4(data: &[u8]) -> Vec<u8> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

const PACKERS: [(&str, Pack); 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

#[test]
fn packed_captures_are_read_like_plain_ones() {
    for plain in [Pcap::new().frames(700).bytes, Pcapng::ethernet().frames(700).bytes] {
        let expect = read(&plain);
        assert_eq!(expect.frames.len(), 700);
        for (name, pack) in PACKERS {
            let whole = pack(&plain);
            assert!(read(&whole) == expect, "{name}");
            let small = Options { batch_bytes_max: 1, batch_frames_max: 1, ..Options::default() };
            assert!(read_dripping(&whole, &small) == expect, "{name} in single bytes");
            let (head, tail) = plain.split_at(plain.len() / 3);
            let joined = [pack(head), pack(b""), pack(tail)].concat();
            assert!(read(&joined) == expect, "{name} in parts");
        }
    }
}

#[test]
fn bytes_after_the_end_of_a_gzip_archive_are_a_notice_and_no_error() {
    let plain = Pcap::new().frames(9).bytes;
    let folder = Folder::new("trailer");
    for trailer in [&b"junk"[..], b"junk that is longer than a header"] {
        let path = folder.file("a.pcap.gz", &[&gzip(&plain), trailer].concat());
        let mut timeline = open(&[&path]);
        assert!(Log::drain(&mut timeline) == read(&plain));
        let notices: Vec<_> = timeline.take_notices().iter().map(ToString::to_string).collect();
        let expect = format!("{}: bytes after the end of the archive are ignored", path.display());
        assert_eq!(notices, [expect]);
    }
}

#[test]
fn a_cut_archive_gives_what_was_readable_and_then_the_error() {
    let plain = Pcap::new().frames(700).bytes;
    let expect = read(&plain);
    for (name, pack) in PACKERS {
        let whole = pack(&plain);
        let log = read(&whole[..whole.len() / 2]);
        assert!(log.frames.len() > 150, "{name}: {}", log.frames.len());
        assert!(expect.frames.starts_with(&log.frames), "{name}");
        let error = log.error();
        assert!(
            error.starts_with(&format!("it: the {name} data is damaged near byte ")),
            "{error}"
        );
        assert_eq!(log.errors[0].0, log.frames.len());
    }
}

#[test]
fn a_damaged_archive_gives_what_was_readable_and_then_the_error() {
    let plain = Pcap::new().frames(700).bytes;
    let expect = read(&plain);
    for (name, pack) in PACKERS {
        let mut whole = pack(&plain);
        let at = whole.len() * 2 / 3;
        whole[at..at + 200].fill(0xff);
        let log = read(&whole);
        assert!(!log.errors.is_empty(), "{name}");
        assert!(log.frames.len() > 150, "{name}: {}", log.frames.len());
        assert!(expect.frames.starts_with(&log.frames[..150]), "{name}");
    }
}

#[test]
fn an_archive_of_something_else_is_no_capture() {
    for (name, pack) in PACKERS {
        let log = read(&pack(b"hello\n"));
        assert!(log.error().contains("found text"), "{name}: {}", log.error());
        let log = read(&pack(b""));
        assert_eq!(log.error(), "it: the file is empty", "{name}");
    }
}

#[test]
fn an_archive_cut_in_its_header_is_told() {
    for (name, pack) in PACKERS {
        let whole = pack(&Pcap::new().frames(3).bytes);
        let log = read(&whole[..6]);
        let error = log.error();
        assert!(
            error.starts_with(&format!("it: the {name} data is damaged near byte 6")),
            "{error}"
        );
    }
}

#[test]
fn what_a_file_is_called_does_not_matter() {
    let folder = Folder::new("called");
    let plain = Pcap::new().frames(5).bytes;
    for (name, pack) in PACKERS {
        let path = folder.file(&format!("{name}.pcap"), &pack(&plain));
        let mut timeline = open(&[&path]);
        assert_eq!(Log::drain(&mut timeline).frames.len(), 5);
        let progress = timeline.progress();
        assert_eq!(Some(progress.bytes_read), progress.bytes_total, "{name}");
        let options = Options { mmap: true, ..Options::default() };
        let log = Log::of(common::open_with(&path, &options).unwrap());
        assert_eq!(log.frames.len(), 5);
    }
}

#[test]
fn a_bomb_is_unpacked_in_constant_memory() {
    // 200 MB of empty packets in 2 MB; the buffers bound what is held of it.
    let frame = Pcap::new().frame(common::EPOCH, 0, &[0; 1400]).bytes[24..].to_vec();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&Pcap::new().bytes).unwrap();
    let block = frame.repeat(1000);
    for _ in 0..140 {
        encoder.write_all(&block).unwrap();
    }
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 3_000_000, "{}", packed.len());
    let options = Options { batch_bytes_max: 65_536, ..Options::default() };
    let reader = std::io::Cursor::new(packed);
    let mut timeline = capture::open_reader("it", reader, &options).unwrap();
    let mut frames = 0;
    while let Some(batch) = timeline.next_batch() {
        let batch = batch.unwrap();
        assert!(batch.region().bytes().len() <= 65_536);
        frames += batch.len();
    }
    assert_eq!(frames, 140_000);
}

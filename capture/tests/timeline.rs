//! Inputs, directories, several files as one timeline, filters, and progress.

mod common;

use std::fs;
use std::io;
use std::path::PathBuf;

use capture::{Input, Options, Source};
use common::{
    EPOCH, Folder, Log, Order, Pcap, Pcapng, open, open_with, payload, read, read_dripping,
    read_with,
};

/// A file with a frame at each of the given milliseconds; the frame says its file and its time.
fn file(name: &str, millis: &[u32]) -> Vec<u8> {
    let file = millis.iter().fold(Pcap::new(), |file, ms| {
        file.frame(EPOCH + ms / 1000, ms % 1000 * 1000, format!("{name}{ms}").as_bytes())
    });
    file.bytes
}

fn words(log: &Log) -> String {
    assert_eq!(log.errors, []);
    let numbers: Vec<_> = log.frames.iter().map(|frame| frame.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let words = log.frames.iter().map(|frame| String::from_utf8(frame.data.clone()).unwrap());
    words.collect::<Vec<_>>().join(" ")
}

fn merged(files: &[&[u32]]) -> String {
    let folder = Folder::new(&format!("merged-{files:?}").replace([' ', '[', ']', ','], "_"));
    let paths: Vec<PathBuf> = files
        .iter()
        .zip('a'..)
        .map(|(millis, name)| folder.file(&name.to_string(), &file(&name.to_string(), millis)))
        .collect();
    let inputs: Vec<Input> = paths.iter().map(Input::parse).collect();
    let expect = words(&Log::of(capture::open(&inputs, &Options::default()).unwrap()));
    for batch_frames_max in [1, 2, 3] {
        for mmap in [false, true] {
            let options = Options { batch_frames_max, mmap, ..Options::default() };
            assert_eq!(words(&Log::of(capture::open(&inputs, &options).unwrap())), expect);
        }
    }
    expect
}

#[test]
fn a_dash_is_standard_input() {
    assert_eq!(Input::parse("-"), Input::Stdin);
    assert_eq!(Input::parse("./-"), Input::Path("./-".into()));
}

#[test]
fn files_are_merged_by_time() {
    assert_eq!(merged(&[&[1, 4, 9], &[2, 3, 10]]), "a1 b2 b3 a4 a9 b10");
    assert_eq!(merged(&[&[5, 6], &[1, 2]]), "b1 b2 a5 a6");
    assert_eq!(merged(&[&[1], &[], &[0], &[3]]), "c0 a1 d3");
}

#[test]
fn equal_times_keep_the_order_of_the_inputs() {
    assert_eq!(merged(&[&[1, 1, 2], &[1, 2], &[0, 1]]), "c0 a1 a1 b1 c1 a2 b2");
}

#[test]
fn within_a_file_the_order_stays() {
    assert_eq!(merged(&[&[5, 1, 9], &[6, 2]]), "a5 a1 b6 b2 a9");
}

#[test]
fn long_runs_and_large_frames_are_merged_too() {
    let folder = Folder::new("runs");
    let mut expect = Vec::new();
    let mut files = [Pcap::new(), Pcap::new(), Pcap::new()];
    for index in 0..3000_u32 {
        // Runs of 1 to 200 frames of each file, and a frame that fits no batch.
        let turn = (index / 200 + index % (1 + index / 300)) as usize % 3;
        let data = if index % 700 == 699 { vec![7; 20_000] } else { payload(index) };
        expect.push(data.clone());
        files[turn] = files[turn].clone().frame(EPOCH, index, &data);
    }
    let paths: Vec<_> =
        files.iter().zip('a'..).map(|(f, name)| folder.file(&name.to_string(), &f.bytes)).collect();
    let inputs: Vec<_> = paths.iter().map(Input::parse).collect();
    for (batch_bytes_max, batch_frames_max) in [(1 << 20, 4096), (4096, 4096), (1 << 20, 1)] {
        let options = Options { batch_bytes_max, batch_frames_max, ..Options::default() };
        let log = Log::of(capture::open(&inputs, &options).unwrap());
        assert!(log.data() == expect.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert_eq!(log.frames.last().unwrap().number, 3000);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_follow_each_other_are_open_one_at_a_time() {
    let folder = Folder::new("rotated");
    for index in 0..300 {
        folder.file(&format!("{index:03}.pcap"), &file("x", &[index * 10, index * 10 + 5]));
    }
    let mut timeline = open(&[folder.path()]);
    let mut open_max = 0;
    let mut frames = 0;
    while let Some(step) = timeline.next_batch() {
        frames += step.unwrap().len();
        let links = fs::read_dir("/proc/self/fd").unwrap();
        let ours = links
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(folder.path()));
        open_max = open_max.max(ours.count());
    }
    assert_eq!(frames, 600);
    assert!(open_max <= 2, "{open_max} files were open at once");
}

#[test]
fn a_directory_is_read_recursively_and_foreign_files_are_noticed() {
    let folder = Folder::new("directory");
    folder.file("b/c/late.pcap", &file("late", &[9]));
    folder.file("a.cap", &file("early", &[1]));
    folder.file("b/notes.txt", b"hello\n");
    folder.file("b/new.pcap", b"");
    folder.file("b/any", &Pcapng::ethernet().frame(5000, b"middle").bytes);
    let mut timeline = open(&[folder.path()]);
    let notices: Vec<_> = timeline.take_notices().iter().map(ToString::to_string).collect();
    let b = folder.path().join("b");
    assert_eq!(
        notices,
        [
            format!("{}: skipped: the file is empty", b.join("new.pcap").display()),
            format!("{}: skipped: no capture but text", b.join("notes.txt").display()),
        ]
    );
    assert_eq!(timeline.take_notices(), []);
    assert_eq!(words(&Log::drain(&mut timeline)), "early1 middle late9");
    let progress = timeline.progress();
    assert_eq!((progress.files_done, progress.files_total), (3, 3));
}

#[test]
fn a_foreign_file_that_was_named_is_an_error_and_the_others_are_read() {
    let folder = Folder::new("named");
    let text = folder.file("notes.txt", b"hello\n");
    let good = folder.file("good.pcap", &file("good", &[1]));
    let missing = folder.path().join("missing.pcap");
    let log = Log::of(open(&[&text, &good, &missing]));
    assert_eq!(log.data(), [b"good1"]);
    assert_eq!(log.errors.len(), 2);
    assert_eq!(log.errors[0].1, format!("{}: no such file or directory", missing.display()));
    assert!(log.errors[1].1.ends_with("found text"));
}

#[test]
fn damage_in_one_file_leaves_the_others_alone() {
    let folder = Folder::new("others");
    let good = folder.file("good.pcap", &file("good", &[1, 50]));
    let mut bytes = file("bad", &[2, 3, 60]);
    bytes.truncate(bytes.len() - 2);
    let bad = folder.file("bad.pcap", &bytes);
    let header_only = folder.file("header.pcap", &bytes[..10]);
    let log = Log::of(open(&[&good, &bad, &header_only]));
    assert_eq!(log.data(), [&b"good1"[..], b"bad2", b"bad3", b"good50"]);
    let places: Vec<_> = log.errors.iter().map(|(at, _)| *at).collect();
    assert_eq!(places, [0, 3]);
}

#[test]
fn a_directory_without_captures_is_an_error() {
    let folder = Folder::new("barren");
    folder.file("deep/notes.txt", b"hello\n");
    let log = Log::of(open(&[folder.path()]));
    let expect = "no capture file in this directory or below it";
    assert_eq!(log.error(), format!("{}: {expect}", folder.path().display()));
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_circles_or_nowhere_end() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new("circles");
    folder.file("a/one.pcap", &file("one", &[1]));
    symlink(folder.path(), folder.path().join("a/up")).unwrap();
    symlink(folder.path().join("a"), folder.path().join("b")).unwrap();
    symlink("nowhere", folder.path().join("c")).unwrap();
    symlink(folder.path().join("a/one.pcap"), folder.path().join("d")).unwrap();
    let mut timeline = open(&[folder.path()]);
    assert_eq!(timeline.take_notices().len(), 3);
    // A link to a file is a file.
    assert_eq!(words(&Log::drain(&mut timeline)), "one1 one1");
}

#[test]
fn directories_are_walked_64_deep() {
    let folder = Folder::new("deep");
    let nested = |depth: usize| "d/".repeat(depth);
    folder.file(&format!("{}deep.pcap", nested(63)), &file("deep", &[1]));
    let mut timeline = open(&[folder.path()]);
    assert_eq!(timeline.take_notices(), []);
    assert_eq!(words(&Log::drain(&mut timeline)), "deep1");
    folder.file(&format!("{}deeper.pcap", nested(64)), &file("deeper", &[2]));
    let mut timeline = open(&[folder.path()]);
    let notices = timeline.take_notices();
    assert_eq!(notices.len(), 1);
    assert!(notices[0].message.contains("too many directories inside each other"));
    assert_eq!(words(&Log::drain(&mut timeline)), "deep1");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_as_it_comes() {
    use std::process::{Command, Stdio};
    let folder = Folder::new("pipe");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let source = folder.file("source.pcap", &file("piped", &[1, 2]));
    let mut writer =
        Command::new("cp").args([&source, &pipe]).stdout(Stdio::null()).spawn().unwrap();
    // In a directory it would be passed over: opening it waits for a writer.
    let plain = folder.file("plain.pcap", &file("plain", &[0, 3]));
    let log = Log::of(open(&[&pipe, &plain]));
    writer.wait().unwrap();
    assert_eq!(words(&log), "plain0 piped1 piped2 plain3");
}

#[test]
fn a_stream_gives_what_it_has_before_it_waits() {
    /// Gives its bytes once, and then reports that somebody waits for more.
    struct Stalling(Option<Vec<u8>>);
    impl io::Read for Stalling {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(bytes) = self.0.take() else {
                return Err(io::Error::other("nobody should wait here"));
            };
            let (now, later) = bytes.split_at(bytes.len().min(buffer.len()));
            buffer[..now.len()].copy_from_slice(now);
            if !later.is_empty() {
                self.0 = Some(later.to_vec());
            }
            Ok(now.len())
        }
    }
    let reader = Stalling(Some(file("x", &[1, 2, 3])));
    let mut timeline = capture::open_reader("it", reader, &Options::default()).unwrap();
    assert_eq!(timeline.next_batch().unwrap().unwrap().len(), 3);
    let error = timeline.next_batch().unwrap().unwrap_err().to_string();
    assert!(error.contains("reading failed: nobody should wait here"), "{error}");
    assert!(timeline.next_batch().is_none());
}

#[test]
fn a_read_that_fails_comes_after_the_frames_before_it() {
    struct Failing(Vec<u8>);
    impl io::Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::Error::other("the disk is gone"));
            }
            let count = buffer.len().min(self.0.len()).min(7);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }
    let bytes = file("x", &[1, 2, 3]);
    let len = bytes.len();
    let reader = Failing(bytes[..len - 1].to_vec());
    let log = Log::of(capture::open_reader("it", reader, &Options::default()).unwrap());
    assert_eq!(log.data(), [b"x1", b"x2"]);
    let expect = format!("it: byte {}: reading failed: the disk is gone", len - 1);
    assert_eq!(log.error(), expect);
}

#[test]
fn the_size_of_reads_changes_nothing() {
    for bytes in [
        Pcap::new().frames(60).bytes,
        Pcapng::new(Order::Big).interface(1, 0, &[]).frames(60).bytes,
    ] {
        let expect = read(&bytes);
        assert_eq!(expect.frames.len(), 60);
        for batch_frames_max in [1, 4096] {
            for batch_bytes_max in [1, 1 << 20] {
                let options = Options { batch_bytes_max, batch_frames_max, ..Options::default() };
                assert!(read_with(&bytes, &options) == expect);
                assert!(read_dripping(&bytes, &options) == expect);
            }
        }
    }
}

#[test]
fn batches_keep_their_limits() {
    let folder = Folder::new("limits");
    let path = folder.file("a.pcap", &Pcap::new().frames(5000).bytes);
    let check = |options: Options, frames_max: usize, bytes_max: usize| {
        let mut timeline = open_with(&path, &options).unwrap();
        let (mut batches, mut frames) = (0, 0);
        while let Some(batch) = timeline.next_batch() {
            let batch = batch.unwrap();
            assert!((1..=frames_max).contains(&batch.len()));
            assert!(batch.region().bytes().len() <= bytes_max);
            (batches, frames) = (batches + 1, frames + batch.len());
            timeline.recycle(batch);
        }
        assert_eq!(frames, 5000);
        batches
    };
    let limits = |batch_bytes_max, batch_frames_max| Options {
        batch_bytes_max,
        batch_frames_max,
        ..Options::default()
    };
    assert_eq!(check(limits(1 << 20, 1), 1, 1 << 20), 5000);
    assert_eq!(check(limits(1 << 20, 0), 1, 1 << 20), 5000);
    assert!(check(limits(1 << 20, 1000), 1000, 1 << 20) < 20);
    assert!(check(limits(0, 4096), 4096, 4096) > 500);
}

#[test]
fn a_mapped_file_is_the_same() {
    let folder = Folder::new("mapped");
    let path = folder.file("a.pcap", &Pcap::new().frames(2000).bytes);
    let expect = Log::of(open(&[&path]));
    let options = Options { mmap: true, batch_bytes_max: 65_536, ..Options::default() };
    let mut timeline = open_with(&path, &options).unwrap();
    assert!(Log::drain(&mut timeline) == expect);
    let progress = timeline.progress();
    assert_eq!(Some(progress.bytes_read), progress.bytes_total);
    let empty = folder.file("empty.pcap", b"");
    let log = Log::of(open_with(&empty, &options).unwrap());
    assert!(log.error().ends_with("the file is empty"));
}

#[test]
fn progress_counts_files_and_bytes() {
    let folder = Folder::new("progress");
    let first = folder.file("a.pcap", &file("a", &[1]));
    let second = folder.file("b.pcap", &file("b", &[2]));
    let total = fs::metadata(&first).unwrap().len() + fs::metadata(&second).unwrap().len();
    let mut timeline = open(&[&first, &second]);
    let progress = timeline.progress();
    assert_eq!((progress.bytes_read, progress.bytes_total), (0, Some(total)));
    assert_eq!((progress.files_done, progress.files_total), (0, 2));
    timeline.next_batch().unwrap().unwrap();
    assert!(timeline.progress().file.is_some());
    while timeline.next_batch().is_some() {}
    let progress = timeline.progress();
    assert_eq!((progress.bytes_read, progress.frames), (total, 2));
    assert_eq!((progress.files_done, progress.files_total), (2, 2));
    let reader = io::Cursor::new(file("x", &[1]));
    let timeline = capture::open_reader("it", reader, &Options::default()).unwrap();
    assert_eq!(timeline.progress().bytes_total, None);
}

#[cfg(feature = "libpcap")]
mod filters {
    use std::path::Path;

    use super::*;

    fn with_filter(expression: &str) -> Options {
        Options { filter: Some(expression.to_owned()), ..Options::default() }
    }

    /// An Ethernet frame of `len` bytes with the IPv4 protocol number `protocol`.
    fn frame(protocol: u8, len: usize) -> Vec<u8> {
        let mut frame = vec![0; len];
        frame[12] = 8;
        frame[14] = 0x45;
        frame[23] = protocol;
        frame
    }

    #[test]
    fn frames_that_do_not_match_are_counted_and_keep_their_numbers() {
        let bytes = Pcap::new()
            .frame(EPOCH, 1, &frame(6, 60))
            .frame(EPOCH, 2, &frame(17, 70))
            .frame(EPOCH, 3, &frame(17, 80))
            .frame(EPOCH, 4, &frame(6, 90))
            .bytes;
        for batch_frames_max in [1, 4096] {
            let options = Options { batch_frames_max, ..with_filter("tcp") };
            let reader = io::Cursor::new(bytes.clone());
            let mut timeline = capture::open_reader("it", reader, &options).unwrap();
            let log = Log::drain(&mut timeline);
            let numbers: Vec<_> = log.frames.iter().map(|frame| frame.number).collect();
            assert_eq!(numbers, [1, 4]);
            let progress = timeline.progress();
            let counts = (progress.frames, progress.filtered, progress.filtered_bytes);
            assert_eq!(counts, (4, 2, 150));
        }
    }

    #[test]
    fn the_length_on_the_wire_is_what_counts() {
        let bytes = Pcap::new()
            .record(EPOCH, 1, (60, 1514), &frame(6, 60))
            .record(EPOCH, 2, (60, 60), &frame(6, 60))
            .bytes;
        assert_eq!(read_with(&bytes, &with_filter("greater 1000")).frames.len(), 1);
    }

    #[test]
    fn each_link_type_has_its_own_program() {
        let ticks = u64::from(EPOCH) * 1_000_000;
        let ethernet = frame(6, 60);
        let bytes = Pcapng::new(Order::Little)
            .interface(1, 0, &[])
            .interface(101, 0, &[])
            .interface(60_000, 0, &[])
            .enhanced(0, ticks, 60, &ethernet)
            .enhanced(1, ticks, 46, &ethernet[14..])
            .enhanced(2, ticks, 46, &ethernet[14..])
            .bytes;
        let reader = io::Cursor::new(bytes);
        let mut timeline = capture::open_reader("it", reader, &with_filter("tcp")).unwrap();
        let log = Log::drain(&mut timeline);
        assert_eq!(log.frames.iter().map(|frame| frame.link).collect::<Vec<_>>(), [1, 101]);
        let notices = timeline.take_notices();
        assert_eq!(notices.len(), 1);
        let notice = notices[0].to_string();
        assert!(notice.starts_with("no frame of link type 60000 matches the filter: "), "{notice}");
    }

    #[test]
    fn a_bad_expression_is_an_error_with_libpcaps_words() {
        let error = open_with(Path::new("x"), &with_filter("tcp prot 443")).err().unwrap();
        let error = error.to_string();
        assert!(error.starts_with("filter \"tcp prot 443\" is not understood: "), "{error}");
        assert!(error.contains("syntax error"), "{error}");
        assert!(open_with(Path::new("x"), &with_filter("tcp\0port 443")).is_err());
        assert!(open_with(Path::new("x"), &with_filter("")).is_ok());
        // Makes sense on radio captures only.
        assert!(open_with(Path::new("x"), &with_filter("type mgt")).is_ok());
    }
}

#[cfg(not(feature = "libpcap"))]
#[test]
fn a_build_without_libpcap_says_so_when_a_filter_is_wanted() {
    let options = Options { filter: Some("tcp".to_owned()), ..Options::default() };
    let error = open_with("x".as_ref(), &options).err().unwrap().to_string();
    assert!(error.contains("this build has no libpcap"), "{error}");
}

//! Files that are not what they should be: what is still read, and what is said.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;

use capture::{Options, Source};
use common::{EPOCH, Folder, Log, MICROS, Order, Pcap, Pcapng, open, payload, read, read_with};

/// What is said of the only input `bytes`.
fn message(bytes: &[u8]) -> String {
    let log = read(bytes);
    assert_eq!(log.frames, []);
    log.error().to_owned()
}

/// Expects that `log` has all frames of `sound` but those at `lost`.
fn lost(log: &Log, sound: &[u8], lost: &[usize]) {
    let sound = read(sound);
    let kept = sound.frames.iter().enumerate().filter(|(index, _)| !lost.contains(index));
    let expect: Vec<_> = kept.map(|(_, frame)| frame.data.as_slice()).collect();
    assert!(log.data() == expect, "{} of {} frames", log.frames.len(), expect.len());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let log = Log::of(open(&[Path::new("/nowhere/day.pcap")]));
    assert_eq!(log.error(), "/nowhere/day.pcap: no such file or directory");
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("permission");
    let path = folder.file("day.pcap", &Pcap::new().frames(1).bytes);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(&path).is_ok() {
        eprintln!("SKIPPED: whoever runs this test may read everything");
        return;
    }
    let expect = format!("{}: permission denied; run as a user who may read it", path.display());
    assert_eq!(Log::of(open(&[&path])).error(), expect);
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    assert_eq!(message(b""), "it: the file is empty");
}

#[test]
fn foreign_files_are_named_by_what_they_look_like() {
    let prefix = "it: expected a pcap, pcapng or snoop capture, found ";
    assert_eq!(
        message(b"\"No.\",\"Time\",\"Source\"\n\"1\",\"0.0\",\"10.0.0.1\"\n"),
        format!("{prefix}CSV text; give it to `tlsunset review`"),
    );
    assert_eq!(
        message(&[0xfd, b'7', b'z', b'X', b'Z', 0, 1, 2]),
        format!("{prefix}an xz archive; unpack it with `xz -d` first"),
    );
    assert_eq!(message(&[1, 2]), format!("{prefix}a file that begins with the bytes 01 02"),);
}

#[test]
fn a_file_header_that_is_cut_is_told() {
    for len in [4, 23] {
        let expect = format!(
            "it: byte 0: the file ends inside the file header: 24 bytes expected, {len} found; \
             what came before it was read"
        );
        assert_eq!(message(&Pcap::new().bytes[..len]), expect);
    }
    for len in [4, 11, 27] {
        let expect = format!(
            "it: byte 0: the file ends inside the file header: 28 bytes expected, {len} found; \
             what came before it was read"
        );
        assert_eq!(message(&Pcapng::ethernet().bytes[..len]), expect);
    }
}

#[test]
fn a_file_header_that_can_not_be_is_told() {
    let mut file = Pcapng::ethernet().bytes;
    file[8] = 7;
    assert_eq!(
        message(&file),
        "it: byte 0: expected a byte-order mark, found [07, 3c, 2b, 1a]; nothing of the file \
         was read"
    );
    let mut file = b"snoop\0\0\0".to_vec();
    file.extend([0, 0, 0, 1, 0, 0, 0, 4]);
    assert_eq!(
        message(&file),
        "it: byte 0: expected snoop version 2, found version 1; nothing of the file was read"
    );
}

#[test]
fn a_file_cut_inside_a_packet_gives_the_packets_before() {
    let file = Pcap::new().frames(20).bytes;
    let last = 16 + payload(19).len();
    for missing in [1, last - 17, last - 16] {
        let log = read(&file[..file.len() - missing]);
        lost(&log, &file, &[19]);
        assert_eq!(
            log.errors,
            [(
                19,
                format!(
                    "it: byte {}: the file ends inside a packet: {last} bytes expected, {} found; \
                     what came before it was read",
                    file.len() - last,
                    last - missing
                )
            )]
        );
    }
    let log = read(&file[..file.len() - last + 15]);
    lost(&log, &file, &[19]);
    assert!(log.error().contains("the file ends inside a packet header: 16 bytes expected, 15"));
}

#[test]
fn a_pcapng_file_cut_inside_a_block_gives_the_packets_before() {
    let file = Pcapng::ethernet().frames(20).bytes;
    for missing in [1, 30] {
        let log = read(&file[..file.len() - missing]);
        lost(&log, &file, &[19]);
        assert!(log.error().contains("the file ends inside a block"), "{}", log.error());
    }
}

#[test]
fn a_captured_length_beyond_the_file_is_a_cut_when_nothing_follows() {
    let file = Pcap::new().frames(3).record(EPOCH, 9, (200_000, 200_000), b"short").bytes;
    let log = read(&file);
    assert_eq!(log.frames.len(), 3);
    assert!(log.error().contains("200016 bytes expected, 21 found"), "{}", log.error());
}

#[test]
fn a_captured_length_beyond_the_file_is_damage_when_packets_follow() {
    let sound = Pcap::new().frames(40).bytes;
    let mut file = sound.clone();
    let third = third_record(&file);
    file[third + 8..third + 12].copy_from_slice(&200_000_u32.to_le_bytes());
    let log = read(&file);
    lost(&log, &sound, &[2]);
    let skipped = 16 + payload(2).len();
    let left = file.len() - third;
    assert_eq!(
        log.errors,
        [(
            2,
            format!(
                "it: byte {third}: expected a packet that fits into the file, found a length of \
                 200016 bytes where {left} are left; skipped {skipped} bytes and went on"
            )
        )]
    );
}

/// Where the third record of a file of [`Pcap::frames`] begins.
fn third_record(file: &[u8]) -> usize {
    let third = 24 + 32 + payload(0).len() + payload(1).len();
    assert!(third < file.len());
    third
}

#[test]
fn garbage_in_a_pcap_is_skipped() {
    let sound = Pcap::new().frames(400).bytes;
    let third = third_record(&sound);
    // Written over the header, over a packet and the next header, and pushed in between.
    let check = |file: Vec<u8>, lost_frames: &[usize], found: &str| {
        let log = read(&file);
        lost(&log, &sound, lost_frames);
        let start = format!("it: byte {third}: expected a packet header, found {found}; skipped ");
        assert!(log.error().starts_with(&start), "{}", log.error());
        assert_eq!(log.errors[0].0, 2);
    };
    let mut file = sound.clone();
    file[third..third + 16].fill(0xff);
    check(file, &[2], "a captured length of 4294967295 bytes");
    let mut file = sound.clone();
    file[third..third + payload(2).len() + 40].fill(0x20);
    check(file, &[2, 3], "a captured length of 538976288 bytes");
    let mut file = sound.clone();
    file[third..third + 16].fill(0);
    check(file, &[2], "zero bytes");
    let mut zeros = sound.clone();
    zeros[third..third + payload(2).len()].fill(0);
    check(zeros, &[2], "zero bytes");
    let mut file = sound.clone();
    file.splice(third..third, b"some other program wrote into this file".iter().copied());
    check(file, &[], "a captured length of 1881174629 bytes");
}

#[test]
fn a_length_that_is_wrong_and_plausible_is_noticed_at_the_next_record() {
    let sound = Pcap::new().frames(100).bytes;
    let third = third_record(&sound);
    for len in [10_u32, 100, 3000] {
        let mut file = sound.clone();
        file[third + 8..third + 12].copy_from_slice(&len.to_le_bytes());
        let log = read(&file);
        assert_eq!(log.errors.len(), 1, "{:?}", log.errors);
        assert!(log.frames.len() >= 96, "{}", log.frames.len());
        assert_eq!(log.frames.last().unwrap().data, payload(99));
    }
}

#[test]
fn a_hole_of_zeros_larger_than_any_buffer_is_skipped() {
    let head = Pcap::new().frames(50);
    let mut file = head.bytes.clone();
    file.extend(vec![0; 5_000_000]);
    let tail = Pcap::new().frames(50).bytes;
    file.extend(&tail[24..]);
    let log = read(&file);
    assert_eq!(log.frames.len(), 100);
    let expect = format!(
        "it: byte {}: expected a packet header, found zero bytes; skipped 5000000 bytes and went on",
        head.bytes.len()
    );
    assert_eq!(log.errors, [(50, expect)]);
}

#[test]
fn zeros_to_the_end_are_told_once() {
    let mut file = Pcap::new().frames(50).bytes;
    let end = file.len();
    file.extend(vec![0; 3_000_000]);
    let log = read(&file);
    assert_eq!(log.frames.len(), 50);
    assert_eq!(
        log.error(),
        format!(
            "it: byte {end}: expected a packet header, found zero bytes; no sound packet in the \
             3000000 bytes that follow, stopped here"
        )
    );
}

#[test]
fn two_damaged_places_are_two_errors() {
    let sound = Pcap::new().frames(200).bytes;
    let mut file = sound.clone();
    let third = third_record(&sound);
    let place = |index: u32| third + (2..index).map(|i| 16 + payload(i).len()).sum::<usize>();
    for index in [60, 120] {
        file[place(index)..place(index) + 16].fill(0xee);
    }
    let log = read(&file);
    lost(&log, &sound, &[60, 120]);
    assert_eq!(log.errors.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [60, 119]);
}

#[test]
fn a_capture_carried_in_packets_is_not_taken_for_the_capture() {
    let inner = (0..15).fold(Pcap::new(), |file, i| file.frame(EPOCH, i, &[0x55; 70])).bytes;
    assert!((1200..1500).contains(&inner.len()));
    let mut file = Pcap::new().frames(20);
    let damaged_at = file.bytes.len();
    for index in 0..30 {
        file = file.frame(EPOCH, 100_000 + index, &inner);
    }
    let file = file.frames(20);
    let sound = file.bytes.clone();
    for order in [0, 1] {
        let mut bytes = sound.clone();
        let at = damaged_at + order * (16 + inner.len());
        bytes[at + 8..at + 12].fill(0xff);
        let log = read(&bytes);
        lost(&log, &sound, &[20 + order]);
        assert_eq!(log.errors.len(), 1, "{:?}", log.errors);
    }
    // With nothing sound behind it, the inner file still must not be read.
    let mut bytes = sound[..damaged_at + 16 + inner.len() - 30].to_vec();
    bytes[damaged_at + 8..damaged_at + 12].fill(0xff);
    let log = read(&bytes);
    assert_eq!(log.frames.len(), 20, "{:?}", log.errors);
}

#[test]
fn garbage_in_a_pcapng_is_skipped() {
    let sound = Pcapng::ethernet().frames(200).bytes;
    let third = {
        let block = |index| 32 + payload(index).len().next_multiple_of(4);
        28 + 20 + block(0) + block(1)
    };
    let check = |file: Vec<u8>, lost_frames: &[usize], expect: &str| {
        let log = read(&file);
        lost(&log, &sound, lost_frames);
        let start = format!("it: byte {third}: expected {expect}; skipped ");
        assert!(log.error().starts_with(&start), "{}", log.error());
    };
    let mut file = sound.clone();
    file[third..third + 40].fill(0xff);
    check(file, &[2], "a block, found a block length of 4294967295 bytes");
    let mut file = sound.clone();
    file[third..third + 40].fill(0);
    check(file, &[2], "a block, found a block length of 0 bytes");
    // A length that is a lie, at the front or at the end.
    let len = u32::from_le_bytes(sound[third + 4..third + 8].try_into().unwrap());
    let mut file = sound.clone();
    file[third + 4..third + 8].copy_from_slice(&(len + 4).to_le_bytes());
    let next = 6;
    check(
        file,
        &[2],
        &format!("the length of {} bytes again at the end of the block, found {next}", len + 4),
    );
    let mut file = sound.clone();
    let end = third + len as usize;
    file[end - 4..end].copy_from_slice(&77_u32.to_le_bytes());
    check(
        file,
        &[2],
        &format!("the length of {len} bytes again at the end of the block, found 77"),
    );
    let mut file = sound.clone();
    file.splice(third..third, b"not a multiple of four".iter().copied());
    check(file, &[], "a block, found a block length of 1970085985 bytes");
}

#[test]
fn a_packet_that_does_not_fit_its_block_is_skipped_alone() {
    let mut file = Pcapng::ethernet().frame(0, b"first").frame(1, b"second").frame(2, b"third");
    let second = 28 + 20 + 40;
    file.bytes[second + 20..second + 24].copy_from_slice(&9_u32.to_le_bytes());
    let log = read(&file.bytes);
    assert_eq!(log.data(), [&b"first"[..], b"third"]);
    assert_eq!(
        log.errors,
        [(
            1,
            format!(
                "it: byte {second}: expected a captured length, found 9 in a block of 40 bytes; \
                 skipped 40 bytes and went on"
            )
        )]
    );
}

#[test]
fn packets_of_an_interface_that_is_not_described_are_told_once() {
    let ticks = u64::from(EPOCH) * 1_000_000;
    let file = Pcapng::ethernet()
        .frame(0, b"first")
        .enhanced(3, ticks, 1, b"x")
        .enhanced(3, ticks, 1, b"x")
        .frame(1, b"second");
    let log = read(&file.bytes);
    assert_eq!(log.data(), [&b"first"[..], b"second"]);
    assert!(
        log.error().contains("found a packet of interface 3 where 1 are described"),
        "{}",
        log.error()
    );
}

#[test]
fn blocks_too_short_for_their_fields_are_skipped_alone() {
    for (kind, name) in [
        (1, "an interface description"),
        (2, "a packet block"),
        (3, "a simple packet block"),
        (6, "an enhanced packet block"),
        (0x0a0d_0d0a, "a section header"),
    ] {
        let file = Pcapng::ethernet().frame(0, b"first").block(kind, &[]).frame(1, b"second");
        let log = read(&file.bytes);
        assert_eq!(log.data(), [&b"first"[..], b"second"], "{name}");
        assert!(log.error().contains(&format!("expected {name}, found one")), "{}", log.error());
    }
}

#[test]
fn a_file_full_of_damage_is_given_up() {
    let mut file = Pcapng::ethernet();
    for _ in 0..100 {
        file = file.block(6, &[]).frame(0, b"x");
    }
    let log = read(&file.bytes);
    assert_eq!(log.errors.len(), 65);
    assert_eq!(log.frames.len(), 64);
    let (_, last) = log.errors.last().unwrap();
    assert!(last.ends_with("this is damaged place 65 of this file, stopped here"), "{last}");
}

#[test]
fn snoop_records_that_can_not_be_are_skipped() {
    let mut bytes = b"snoop\0\0\0".to_vec();
    for value in [2_u32, 4] {
        bytes.extend(value.to_be_bytes());
    }
    for index in 0..20 {
        for value in [60_u32, 60, 84, 0, EPOCH, index] {
            bytes.extend(value.to_be_bytes());
        }
        bytes.extend([0xaa; 60]);
    }
    bytes[16 + 84 + 8] = 0x7f;
    let log = read(&bytes);
    assert_eq!(log.frames.len(), 19);
    assert_eq!(
        log.error(),
        "it: byte 100: expected a packet header, found a record of 2130706516 bytes with 60 \
         captured bytes; skipped 84 bytes and went on"
    );
}

#[test]
fn a_length_that_lies_allocates_nothing_that_the_file_does_not_hold() {
    // 60 MiB announced, 100 bytes there: this test would need 64 such buffers at once to fail
    // outright, so what it holds is that the answer is a cut.
    let file = Pcap::with(Order::Little, MICROS, (2, 4), 64 << 20, 1).record(
        EPOCH,
        0,
        (60 << 20, 60 << 20),
        &[1; 100],
    );
    assert!(read(&file.bytes).error().contains("62914576 bytes expected, 116 found"));
    // One more than the bound is damage and not a cut.
    let file = Pcap::new().record(EPOCH, 0, ((64 << 20) + 1, (64 << 20) + 1), &[1; 100]);
    assert!(read(&file.bytes).error().contains("found a captured length of 67108865 bytes"));
}

#[test]
fn a_file_that_shrinks_while_it_is_read_ends_there() {
    let folder = Folder::new("shrink");
    let path = folder.file("day.pcap", &Pcap::new().frames(5000).bytes);
    let options = Options { batch_bytes_max: 65_536, ..Options::default() };
    let mut timeline = common::open_with(&path, &options).unwrap();
    let first = timeline.next_batch().unwrap().unwrap();
    assert!(!first.is_empty());
    fs::File::options().write(true).open(&path).unwrap().set_len(100_000).unwrap();
    let log = Log::drain(&mut timeline);
    assert!(log.errors.len() <= 1, "{:?}", log.errors);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_read_to_its_new_end() {
    let folder = Folder::new("grow");
    let bytes = Pcap::new().frames(500).bytes;
    let path = folder.file("day.pcap", &bytes);
    let options = Options { batch_bytes_max: 65_536, ..Options::default() };
    let mut timeline = common::open_with(&path, &options).unwrap();
    let first = timeline.next_batch().unwrap().unwrap();
    fs::File::options().append(true).open(&path).unwrap().write_all(&bytes[24..]).unwrap();
    let log = Log::drain(&mut timeline);
    assert_eq!(first.len() + log.frames.len(), 1000);
    assert_eq!(log.errors, []);
}

#[test]
fn damage_says_the_same_whatever_the_buffer() {
    let sound = Pcap::new().frames(300).bytes;
    let mut file = sound.clone();
    let third = third_record(&sound);
    file[third..third + 2000].fill(0xdd);
    let at = sound.len() / 2;
    file[at..at + 5000].fill(0);
    let expect = read(&file);
    assert!(expect.frames.len() > 280 && expect.errors.len() == 2, "{:?}", expect.errors);
    for batch_bytes_max in [4096, 10_000, 1 << 22] {
        for batch_frames_max in [1, 7, 4096] {
            let options = Options { batch_bytes_max, batch_frames_max, ..Options::default() };
            assert!(read_with(&file, &options) == expect);
        }
    }
}

#[test]
fn the_end_of_a_carried_capture_is_not_read_when_its_time_is_another() {
    // The last piece of a file that was transferred: no file header, and its end is the packet's.
    let inner = (0..15).fold(Pcap::new(), |file, i| file.frame(EPOCH - 7200, i, &[0x55; 70]));
    let inner = &inner.bytes[24 + 30..];
    let mut file = Pcap::new().frames(20);
    let damaged_at = file.bytes.len();
    file = file.frame(EPOCH, 20_000, inner).frames(20);
    let sound = file.bytes.clone();
    file.bytes[damaged_at..damaged_at + 16].fill(0xff);
    let log = read(&file.bytes);
    lost(&log, &sound, &[20]);
}

#[test]
fn a_carried_capture_with_its_file_header_is_not_read() {
    let inner = (0..15).fold(Pcap::new(), |file, i| file.frame(EPOCH, i, &[0x55; 70])).bytes;
    let mut file = Pcap::new().frames(20);
    let damaged_at = file.bytes.len();
    file = file.frame(EPOCH, 20_000, &inner).frames(20);
    file.bytes[damaged_at..damaged_at + 16].fill(0xff);
    let log = read(&file.bytes);
    assert!(!log.data().contains(&&[0x55; 70][..]));
    assert!(log.frames.len() >= 38, "{}", log.frames.len());
}

#[test]
fn the_longest_frame_is_64_mebibytes() {
    let longest = vec![0x5a; 64 << 20];
    let file = Pcap::with(Order::Little, MICROS, (2, 4), 64 << 20, 1).frame(EPOCH, 0, &longest);
    assert!(read(&file.bytes).data() == [longest.as_slice()]);
    let file = Pcapng::ethernet().frame(0, &longest);
    assert!(read(&file.bytes).data() == [longest.as_slice()]);
    // A megabyte is for the header and options of a block.
    let file = Pcapng::ethernet().block(0x4000_0bad, &vec![0; (65 << 20) - 12]).frame(0, b"x");
    assert_eq!(read(&file.bytes).errors, []);
    let file = Pcapng::ethernet().block(0x4000_0bad, &vec![0; (65 << 20) - 8]).frame(0, b"x");
    assert!(read(&file.bytes).errors[0].1.contains("found a block length of 68157444 bytes"));
}

#[test]
fn a_section_has_at_most_65536_interfaces() {
    let mut file = Pcapng::new(Order::Little);
    for _ in 0..65_536 {
        file = file.interface(1, 0, &[]);
    }
    let ticks = u64::from(EPOCH) * 1_000_000;
    let full = file.clone().enhanced(65_535, ticks, 1, b"x");
    assert_eq!(read(&full.bytes).errors, []);
    let log = read(&file.interface(1, 0, &[]).enhanced(65_535, ticks, 1, b"x").bytes);
    assert_eq!(log.frames.len(), 1);
    assert!(log.error().contains("expected at most 65536 interfaces, found one more"));
}

//! What holds for any bytes.

mod common;

use capture::Options;
use common::{
    EPOCH, Log, MICROS, NANOS, ORDERS, Order, Pcap, Pcapng, read, read_dripping, read_with,
};
use proptest::prelude::*;

/// Reads `bytes` in three ways that have to agree.
fn check(bytes: &[u8]) -> Result<Log, TestCaseError> {
    let log = read(bytes);
    let small = Options { batch_bytes_max: 1, batch_frames_max: 1, ..Options::default() };
    prop_assert!(read_with(bytes, &small) == log, "small batches");
    let three = Options { batch_frames_max: 3, ..Options::default() };
    let dripped = read_dripping(bytes, &three);
    // Where an archive is damaged is told by what was taken from it, which is read ahead.
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    prop_assert!(dripped == log || (is_packed && dripped.frames == log.frames), "single bytes");
    let held: usize = log.frames.iter().map(|frame| frame.data.len()).sum();
    prop_assert!(held <= bytes.len());
    Ok(log)
}

fn order() -> impl Strategy<Value = Order> {
    prop::sample::select(ORDERS.to_vec())
}

fn pcap() -> impl Strategy<Value = Vec<u8>> {
    let frame = (0..4_000_000_u32, 0..2_000_000_u32, prop::collection::vec(any::<u8>(), 0..200));
    let magic = prop::sample::select(vec![MICROS, NANOS, common::MODIFIED]);
    (order(), magic, prop::collection::vec(frame, 0..40)).prop_map(|(order, magic, frames)| {
        let file = Pcap::with(order, magic, (2, 4), 65_535, 1);
        let add = |file: Pcap, (sec, sub, data): (u32, u32, Vec<u8>)| {
            file.frame(EPOCH + sec / 1000, sub % 1_000_000, &data)
        };
        frames.into_iter().fold(file, add).bytes
    })
}

#[derive(Debug, Clone)]
enum Piece {
    Section(Order),
    Interface(u16, u8),
    Frame(u32, u64, Vec<u8>),
    Other(u32, Vec<u8>),
}

fn pcapng() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..100);
    let piece = prop_oneof![
        1 => order().prop_map(Piece::Section),
        2 => (any::<u16>(), any::<u8>()).prop_map(|(link, tick)| Piece::Interface(link, tick)),
        6 => (0..3_u32, any::<u64>(), bytes()).prop_map(|(id, at, data)| Piece::Frame(id, at, data)),
        2 => (0..12_u32, bytes()).prop_map(|(kind, body)| Piece::Other(kind, body)),
    ];
    (order(), prop::collection::vec(piece, 0..40)).prop_map(|(order, pieces)| {
        let file = Pcapng::new(order).interface(1, 0, &[]);
        let add = |file: Pcapng, piece| match piece {
            Piece::Section(order) => file.section(order).interface(1, 0, &[]),
            Piece::Interface(link, tick) => file.interface(link, 0, &[(9, &[tick])]),
            Piece::Frame(id, at, data) => file.enhanced(id, at, 1500, &data),
            Piece::Other(kind, body) => file.block(kind, &body),
        };
        pieces.into_iter().fold(file, add).bytes
    })
}

/// What may happen to a file: bytes changed, put in, taken out, or cut off.
fn hurt() -> impl Strategy<Value = Vec<(usize, u8, Vec<u8>)>> {
    let bytes = prop::collection::vec(any::<u8>(), 1..30);
    prop::collection::vec((any::<usize>(), 0..5_u8, bytes), 0..4)
}

fn apply(mut file: Vec<u8>, wounds: Vec<(usize, u8, Vec<u8>)>) -> Vec<u8> {
    for (place, kind, bytes) in wounds {
        if file.is_empty() {
            break;
        }
        let at = place % file.len();
        let end = (at + bytes.len()).min(file.len());
        match kind {
            0 => file[at..end].copy_from_slice(&bytes[..end - at]),
            1 => drop(file.splice(at..at, bytes)),
            2 => drop(file.drain(at..end)),
            3 => file[at..end].fill(0),
            _ => file.truncate(at),
        }
    }
    file
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        check(&bytes)?;
    }

    #[test]
    fn any_bytes_behind_a_pcap_header_are_read_to_an_end(
        order in order(),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut file = Pcap::with(order, MICROS, (2, 4), 65_535, 1).bytes;
        file.extend(bytes);
        check(&file)?;
    }

    #[test]
    fn any_bytes_behind_a_pcapng_header_are_read_to_an_end(
        order in order(),
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
    ) {
        let mut file = Pcapng::new(order).interface(1, 0, &[]).bytes;
        file.extend(bytes);
        check(&file)?;
    }

    #[test]
    fn any_bytes_behind_an_archive_magic_are_read_to_an_end(
        magic in prop::sample::select(vec![
            vec![0x1f, 0x8b, 8, 0], vec![0x28, 0xb5, 0x2f, 0xfd], vec![4, 0x22, 0x4d, 0x18],
            vec![2, 0x21, 0x4c, 0x18],
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let file = [magic, bytes].concat();
        let log = read(&file);
        prop_assert!(log.errors.len() < 100);
    }

    #[test]
    fn a_sound_pcap_has_no_errors(file in pcap()) {
        prop_assert_eq!(check(&file)?.errors, []);
    }

    #[test]
    fn hurt_pcaps_are_read_to_an_end(file in pcap(), wounds in hurt()) {
        check(&apply(file, wounds))?;
    }

    #[test]
    fn hurt_pcapngs_are_read_to_an_end(file in pcapng(), wounds in hurt()) {
        check(&apply(file, wounds))?;
    }
}

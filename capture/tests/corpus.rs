//! The reader against two others over real captures: libpcap and the `pcap-parser` crate.
//!
//! `TLSUNSET_CORPUS` names the folder. Without it these tests say that they were skipped.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use capture::{Input, Options, Source, Timeline};
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};

/// What there is to compare of a frame.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Seen {
    link: u16,
    wire_len: u32,
    /// `None` where the other reader does not give it comparably.
    time: Option<i64>,
    data: Vec<u8>,
}

fn corpus() -> Option<Vec<PathBuf>> {
    let Some(root) = std::env::var_os("TLSUNSET_CORPUS") else {
        eprintln!("SKIPPED: set TLSUNSET_CORPUS to a folder of captures to compare the readers");
        return None;
    };
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "the corpus is empty");
    Some(files)
}

/// All frames of a file, and all errors.
fn ours(path: &Path, options: &Options) -> (Vec<Seen>, Vec<String>) {
    drain(capture::open(&[Input::Path(path.into())], options).unwrap())
}

fn drain(mut timeline: Timeline) -> (Vec<Seen>, Vec<String>) {
    let (mut frames, mut errors) = (Vec::new(), Vec::new());
    while let Some(step) = timeline.next_batch() {
        match step {
            Ok(batch) => {
                for frame in batch.frames() {
                    assert_eq!(frame.number, frames.len() as u64 + 1);
                    frames.push(Seen {
                        link: frame.link.0,
                        wire_len: frame.wire_len,
                        time: Some(frame.time.as_nanos()),
                        data: frame.data.to_vec(),
                    });
                }
                timeline.recycle(batch);
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    (frames, errors)
}

fn parsers(path: &Path) -> Option<(Vec<Seen>, bool)> {
    let magic = fs::read(path).unwrap();
    match magic.get(..4)? {
        [0x0a, 0x0d, 0x0d, 0x0a] => Some(parsers_pcapng(path)),
        [0xd4, 0xc3, 0xb2, 0xa1] | [0xa1, 0xb2, 0xc3, 0xd4] => Some(parsers_pcap(path, 1000)),
        [0x4d, 0x3c, 0xb2, 0xa1] | [0xa1, 0xb2, 0x3c, 0x4d] => Some(parsers_pcap(path, 1)),
        _ => None,
    }
}

/// Frames of a pcap file as pcap-parser sees them, and whether it came to the end.
fn parsers_pcap(path: &Path, unit: i64) -> (Vec<Seen>, bool) {
    let Ok(mut reader) = LegacyPcapReader::new(16 << 20, File::open(path).unwrap()) else {
        return (Vec::new(), false);
    };
    let (mut frames, mut link) = (Vec::new(), 0);
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        link = u16::try_from(header.network.0 & 0xffff).unwrap();
                    }
                    PcapBlockOwned::Legacy(block) => frames.push(Seen {
                        link,
                        wire_len: block.origlen,
                        time: Some(
                            i64::from(block.ts_sec) * 1_000_000_000
                                + i64::from(block.ts_usec) * unit,
                        ),
                        data: block.data[..block.caplen as usize].to_vec(),
                    }),
                    PcapBlockOwned::NG(_) => unreachable!(),
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return (frames, true),
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() || reader.reader_exhausted() {
                    return (frames, false);
                }
            }
            Err(_) => return (frames, false),
        }
    }
}

/// The same of a pcapng file.
fn parsers_pcapng(path: &Path) -> (Vec<Seen>, bool) {
    let mut frames = Vec::new();
    let Ok(mut reader) = PcapNGReader::new(16 << 20, File::open(path).unwrap()) else {
        return (frames, false);
    };
    let mut interfaces: Vec<(u16, u32)> = Vec::new();
    loop {
        match reader.next() {
            Ok((offset, block)) => {
                if let PcapBlockOwned::NG(block) = block {
                    match block {
                        Block::SectionHeader(_) => interfaces.clear(),
                        Block::InterfaceDescription(idb) => {
                            interfaces.push((u16::try_from(idb.linktype.0).unwrap(), idb.snaplen));
                        }
                        Block::EnhancedPacket(epb) => frames.push(Seen {
                            link: interfaces[epb.if_id as usize].0,
                            wire_len: epb.origlen,
                            time: None,
                            data: epb.data[..epb.caplen as usize].to_vec(),
                        }),
                        Block::SimplePacket(spb) => {
                            let (link, snap_len) = interfaces[0];
                            let snap_len = if snap_len == 0 { u32::MAX } else { snap_len };
                            let len = spb.origlen.min(snap_len) as usize;
                            frames.push(Seen {
                                link,
                                wire_len: spb.origlen,
                                time: None,
                                data: spb.data[..len.min(spb.data.len())].to_vec(),
                            });
                        }
                        _ => {}
                    }
                }
                reader.consume(offset);
            }
            Err(PcapError::Eof) => return (frames, true),
            Err(PcapError::Incomplete(_)) => {
                if reader.refill().is_err() || reader.reader_exhausted() {
                    return (frames, false);
                }
            }
            Err(_) => return (frames, false),
        }
    }
}

/// Frames as libpcap sees them, and whether it came to the end; `None` when it opens nothing.
#[cfg(feature = "libpcap")]
fn libpcaps(path: &Path) -> Option<(Vec<Seen>, bool)> {
    let mut capture = pcap::Capture::from_file_with_precision(path, pcap::Precision::Nano).ok()?;
    let link = match capture.get_datalink().0 {
        12 => 101,
        dlt => dlt,
    };
    let mut frames = Vec::new();
    loop {
        match capture.next_packet() {
            Ok(packet) => frames.push(Seen {
                link: u16::try_from(link).unwrap(),
                wire_len: packet.header.len,
                time: Some(packet.header.ts.tv_sec * 1_000_000_000 + packet.header.ts.tv_usec),
                data: packet.data.to_vec(),
            }),
            Err(pcap::Error::NoMorePackets) => return Some((frames, true)),
            Err(_) => return Some((frames, false)),
        }
    }
}

const ERA_NS: i64 = (1 << 32) * 1_000_000_000;

fn compare(path: &Path, who: &str, ours: &[Seen], theirs: &[Seen], is_complete: bool) -> u64 {
    let mut wrong = 0;
    if ours.len() < theirs.len() || (is_complete && ours.len() != theirs.len()) {
        eprintln!("{}: {} frames, {who} has {}", path.display(), ours.len(), theirs.len());
        wrong += 1;
    }
    for (index, (our, their)) in ours.iter().zip(theirs).enumerate() {
        // libpcap takes the 32 bits of a second for signed: 1901 to 2038.
        let is_era = their.time.zip(our.time).is_some_and(|(t, o)| o - t == ERA_NS);
        let time = if is_era { our.time } else { their.time.or(our.time) };
        let their = Seen { time, ..their.clone() };
        if *our != their {
            let short = |seen: &Seen| (seen.link, seen.wire_len, seen.time, seen.data.len());
            let (our, their) = (short(our), short(&their));
            eprintln!("{}: frame {}: {our:?}, {who} has {their:?}", path.display(), index + 1);
            return wrong + 1;
        }
    }
    wrong
}

#[test]
fn pcap_parser_sees_the_same_frames() {
    let Some(files) = corpus() else { return };
    let (mut wrong, mut compared) = (0, 0);
    for path in files {
        let Some((theirs, is_complete)) = parsers(&path) else { continue };
        let (ours, errors) = ours(&path, &Options::default());
        for error in &errors {
            eprintln!("note: {error} (pcap-parser: {} frames, end {is_complete})", theirs.len());
        }
        wrong += compare(&path, "pcap-parser", &ours, &theirs, is_complete);
        compared += 1;
    }
    eprintln!("compared {compared} files with pcap-parser");
    assert_eq!(wrong, 0);
}

#[cfg(feature = "libpcap")]
#[test]
fn libpcap_sees_the_same_frames() {
    let Some(files) = corpus() else { return };
    let (mut wrong, mut compared) = (0, 0);
    for path in files {
        let Some((theirs, is_complete)) = libpcaps(&path) else { continue };
        let (ours, errors) = ours(&path, &Options::default());
        for error in &errors {
            eprintln!("note: {error} (libpcap: {} frames, end {is_complete})", theirs.len());
        }
        wrong += compare(&path, "libpcap", &ours, &theirs, is_complete);
        compared += 1;
    }
    eprintln!("compared {compared} files with libpcap");
    assert_eq!(wrong, 0);
}

#[test]
fn the_size_of_reads_and_batches_changes_nothing() {
    let Some(files) = corpus() else { return };
    let small = Options { batch_bytes_max: 1, batch_frames_max: 1, ..Options::default() };
    let mapped = Options { mmap: true, ..small.clone() };
    for path in files {
        let expect = ours(&path, &Options::default());
        assert!(ours(&path, &small) == expect, "{}: small reads", path.display());
        assert!(ours(&path, &mapped) == expect, "{}: mapped", path.display());
    }
}

/// In the middle of each pcap file a header is overwritten, or bytes are put in or taken out.
#[test]
fn a_damaged_header_costs_few_frames_and_invents_none() {
    let Some(files) = corpus() else { return };
    let (mut files_hurt, mut lost, mut invented, mut silent) = (0, 0, 0, 0);
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let (sound, errors) = ours(&path, &Options::default());
        let is_pcap = matches!(bytes.get(..4), Some([0xd4, 0xc3, 0xb2, 0xa1]));
        if !is_pcap || sound.len() < 20 || !errors.is_empty() {
            continue;
        }
        let half = sound.len() / 2;
        let at = 24 + sound[..half].iter().map(|frame| 16 + frame.data.len()).sum::<usize>();
        let wounds = [(16, vec![0xff; 16]), (16, vec![0; 16]), (0, vec![0x55; 5]), (7, Vec::new())];
        for (len, wound) in wounds {
            let mut hurt = bytes.clone();
            hurt.splice(at..at + len, wound.clone());
            let reader = std::io::Cursor::new(hurt);
            let timeline = capture::open_reader("it", reader, &Options::default()).unwrap();
            let (frames, errors) = drain(timeline);
            silent += usize::from(errors.is_empty());
            files_hurt += 1;
            lost += sound.len().saturating_sub(1 + frames.len());
            let tail = frames.len().saturating_sub(half);
            let expect = &sound[sound.len() - tail.min(sound.len())..];
            if !frames.starts_with(&sound[..half]) || frames[frames.len() - tail..] != *expect {
                eprintln!("{}: {len}, {wound:x?}: {errors:?}", path.display());
                invented += 1;
            }
        }
    }
    eprintln!(
        "{files_hurt} files hurt, {lost} more frames lost, {invented} wrong, {silent} silent"
    );
    assert_eq!((invented, silent), (0, 0));
}

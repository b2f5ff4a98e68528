//! Every sample read in other ways: the way must not show in what is said.

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use common::pcap::{self, Packet};
use common::{Folder, Sample, analyze, analyze_piped, analyze_to, samples};
use report::state::State;

/// Output files by name.
type Outputs = BTreeMap<String, Vec<u8>>;

fn outputs(folder: &Path) -> Outputs {
    let read = |name: String| {
        let bytes = fs::read(folder.join(&name)).unwrap();
        (name, bytes)
    };
    common::names(folder).into_iter().map(read).collect()
}

/// What `tlsunset analyze` writes, given `arguments`.
fn analyzed<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Outputs {
    let folder = Folder::new("invariance");
    analyze_to(folder.path(), arguments).expect(0);
    outputs(folder.path())
}

/// Says which files differ, not what is in them.
#[track_caller]
fn assert_same(expected: &Outputs, found: &Outputs, what: &str) {
    let names = |outputs: &Outputs| outputs.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(expected), names(found), "{what}");
    let differing: Vec<_> =
        expected.keys().filter(|name| expected[*name] != found[*name]).collect();
    assert!(differing.is_empty(), "{what}: {differing:?} differ");
}

/// Runs `check` on all samples, in as many threads as there are processors.
fn on_every_sample(check: impl Fn(&Sample) + Sync) {
    let samples = samples();
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for part in samples.chunks(samples.len().div_ceil(threads)) {
            let check = &check;
            scope.spawn(move || part.iter().for_each(check));
        }
    });
}

#[test]
fn threads_batches_and_access_do_not_show() {
    on_every_sample(|sample| {
        let expected = analyzed(sample.arguments().chain(["--threads".as_ref(), "1".as_ref()]));
        assert!(expected.contains_key("state.tlsunset"));
        for way in [
            "--threads 2",
            "--threads 5 --batch-frames 1",
            "--threads 1 --batch-frames 1",
            "--threads 1 --mmap",
        ] {
            let found = analyzed(sample.arguments().chain(way.split(' ').map(OsStr::new)));
            assert_same(&expected, &found, &format!("{} with {way}", sample.name));
        }
    });
}

/// The outputs without what names or measures the input itself.
fn without_input(mut outputs: Outputs) -> (Outputs, State) {
    let summary = String::from_utf8(outputs.remove("summary.json").unwrap()).unwrap();
    let (mut kept, mut in_inputs) = (String::new(), false);
    for line in summary.lines() {
        in_inputs |= line.contains("\"inputs\": [");
        if !in_inputs && !line.contains("\"bytes_read\"") {
            kept.push_str(line);
            kept.push('\n');
        }
        in_inputs &= !line.contains(']');
    }
    outputs.insert("summary.json".to_owned(), kept.into_bytes());
    let page = String::from_utf8(outputs.remove("report.html").unwrap()).unwrap();
    let is_kept = |line: &&str| !line.contains("<dt>Inputs</dt>");
    let page: Vec<&str> = page.lines().filter(is_kept).collect();
    outputs.insert("report.html".to_owned(), page.join("\n").into_bytes());
    let mut state = State::read(&outputs.remove("state.tlsunset").unwrap()[..]).unwrap();
    state.run.inputs.clear();
    state.run.bytes_read = 0;
    (outputs, state)
}

#[test]
fn standard_input_and_compression_do_not_show() {
    on_every_sample(|sample| {
        // Several inputs are one timeline, which one pipe can't carry.
        let [input] = &sample.inputs[..] else { return };
        let expected = without_input(analyzed(sample.arguments()));
        let bytes = fs::read(input).unwrap();
        let folder = Folder::new("invariance");

        let out = folder.join("out");
        let arguments = ["-".as_ref(), "--out".as_ref(), out.as_os_str()];
        analyze_piped(&arguments, &bytes).expect(0);
        let found = without_input(outputs(&out));
        assert_same(&expected.0, &found.0, &format!("{} from standard input", sample.name));
        assert!(expected.1 == found.1, "{}: the state from standard input", sample.name);

        let packed = folder.join("packed");
        let file = fs::File::create(&packed).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
        let found = without_input(analyzed([packed.as_os_str()]));
        assert_same(&expected.0, &found.0, &format!("{} from gzip", sample.name));
        assert!(expected.1 == found.1, "{}: the state from gzip", sample.name);
    });
}

/// A single output, which needs no file.
fn printed(output: &str, inputs: &[PathBuf], options: &[&str]) -> String {
    let options = [output, "-"].into_iter().chain(options.iter().copied()).map(OsStr::new);
    analyze(inputs.iter().map(|path| path.as_os_str()).chain(options)).expect(0).stdout
}

#[test]
fn the_same_packets_twice_are_the_same_connections() {
    on_every_sample(|sample| {
        let twice = [&sample.inputs[..], &sample.inputs[..]].concat();
        for output in ["--flows", "--hosts"] {
            let is_same = printed(output, &sample.inputs, &[]) == printed(output, &twice, &[]);
            assert!(is_same, "{}: {output} of two copies", sample.name);
        }
    });
}

/// Writes the two parts of a sample's packets that `is_first` makes.
fn split(
    sample: &Sample,
    folder: &Folder,
    is_first: impl Fn(usize, &Packet) -> bool,
) -> Vec<PathBuf> {
    let packets: Vec<Packet> = sample.inputs.iter().flat_map(|path| pcap::read(path)).collect();
    // A pcap file has one link type.
    let mut parts: BTreeMap<(u16, bool), Vec<&Packet>> = BTreeMap::new();
    for (index, packet) in packets.iter().enumerate() {
        parts.entry((packet.link, is_first(index, packet))).or_default().push(packet);
    }
    let write = |((link, first), packets): ((u16, bool), Vec<&Packet>)| {
        folder.write(&format!("{link}-{first}.pcap"), pcap::write(packets))
    };
    parts.into_iter().map(write).collect()
}

#[test]
fn a_capture_in_two_files_is_one() {
    on_every_sample(|sample| {
        let outputs = ["--flows", "--handshakes"];
        let expected = outputs.map(|output| printed(output, &sample.inputs, &[]));
        let half = sample.inputs.iter().map(|path| pcap::read(path).len()).sum::<usize>() / 2;
        let folder = Folder::new("invariance");
        let check = |what: &str, parts: &[PathBuf]| {
            let found = outputs.map(|output| printed(output, parts, &[]));
            assert!(expected == found, "{} in two {what}", sample.name);
        };
        check("halves", &split(sample, &folder, |index, _| index < half));
        check("directions", &split(sample, &folder, |_, packet| pcap::goes_up(packet)));
        check("files by turns", &split(sample, &folder, |index, _| index % 2 == 0));
    });
}

#[test]
fn workers_do_not_show_where_a_snap_length_cut() {
    on_every_sample(|sample| {
        let folder = Folder::new("invariance");
        let mut packets = pcap::read(&sample.inputs[0]);
        let link = packets[0].link;
        packets.retain(|packet| packet.link == link);
        for snap_len in [400, 150, 80] {
            packets.iter_mut().for_each(|packet| packet.data.truncate(snap_len));
            let inputs = [folder.write("cut.pcap", pcap::write(&packets))];
            for output in ["--flows", "--handshakes", "--summary"] {
                let [one, three] =
                    ["1", "3"].map(|count| printed(output, &inputs, &["--threads", count]));
                assert!(one == three, "{} cut to {snap_len}: {output}", sample.name);
            }
        }
    });
}

#[test]
fn workers_do_not_show_where_fragments_come_out_of_order() {
    let folder = Folder::new("invariance");
    let mut packets = pcap::read(&common::sample("ip-fragments"));
    for step in 1..packets.len() {
        packets.rotate_left(step);
        packets.swap(0, step);
        let inputs = [folder.write("mixed.pcap", pcap::write(&packets))];
        for output in ["--handshakes", "--summary"] {
            let [one, three] =
                ["1", "3"].map(|count| printed(output, &inputs, &["--threads", count]));
            assert_eq!(one, three, "{output}, step {step}");
        }
    }
}

#[test]
fn a_run_can_be_repeated() {
    let demo = common::sample("demo");
    let (first, second) = (analyzed([demo.as_os_str()]), analyzed([demo.as_os_str()]));
    assert_same(&first, &second, "demo twice");
    let folder = Folder::new("invariance");
    fs::write(folder.join("demo.pcap"), fs::read(&demo).unwrap()).unwrap();
    let found = analyzed([folder.path().as_os_str()]);
    assert_eq!(first["flows.csv"], found["flows.csv"]);
    assert!(first["flows.csv"].split(|byte| *byte == b'\n').count() > 30);
}

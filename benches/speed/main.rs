//! How fast the parts are, each on traffic of its own that is made up here.
//!
//! Times are of the whole capture; the throughput beside them counts packets, connections or
//! bytes. On a shared machine compare within one run only.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    reason = "a program for ourselves, on small numbers"
)]

mod traffic;

use std::hint::black_box;

use capture::{Batch, CaptureError, Options, Progress, Source};
use dissect::{Dissector, FlowFacts, Limits, Observer};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use report::{BUILTIN_NAMES, FactsStore, Judge, JudgeConfig, Report, RunInfo, SortedFacts};
use tlsunset::engine::{Analysis, LiveHosts, Settings, Watcher, analyze};
use traffic::{Order, Wire};

fn main() {
    divan::main();
}

/// All batches of a capture.
fn batches(wire: &Wire) -> Vec<Batch> {
    let input = std::io::Cursor::new(wire.pcap.clone());
    let mut timeline =
        capture::open_reader("traffic", input, &Options::default()).expect("there is no filter");
    let mut batches = Vec::new();
    while let Some(batch) = timeline.next_batch() {
        batches.push(batch.expect("the traffic is a sound capture"));
    }
    assert_eq!(batches.iter().map(Batch::len).sum::<usize>(), wire.frames);
    batches
}

#[derive(Default)]
struct Count(usize);

impl Observer for Count {
    fn flow(&mut self, facts: FlowFacts) {
        self.0 += usize::from(black_box(facts).client_hello.is_some());
    }
}

/// Pushes all frames into a dissector.
fn push(dissector: &mut Dissector, batches: &[Batch], count: &mut Count) {
    for batch in batches {
        for frame in batch.frames() {
            dissector.push(&frame, count);
        }
    }
}

/// Dissects a capture from nothing to the end; it has `connections` with a hello.
fn dissect_all(bencher: Bencher<'_, '_>, wire: &Wire, connections: usize) {
    let batches = batches(wire);
    bencher.bench_local(|| {
        let (mut dissector, mut count) = (Dissector::new(Limits::default(), 1), Count::default());
        push(&mut dissector, &batches, &mut count);
        dissector.finish(&mut count);
        assert_eq!(count.0, connections);
    });
}

/// Data of connections whose handshake is decided: what almost every packet is.
#[divan::bench]
fn settled_packets(bencher: Bencher<'_, '_>) {
    let [handshakes, data] = traffic::bulk(500, 10);
    let (handshakes, packets, data) = (batches(&handshakes), data.frames, batches(&data));
    let (mut dissector, mut count) = (Dissector::new(Limits::default(), 1), Count::default());
    push(&mut dissector, &handshakes, &mut count);
    let bencher = bencher.counter(ItemsCount::new(packets));
    bencher.bench_local(|| push(&mut dissector, &data, &mut count));
}

/// Connections that never come to be.
#[divan::bench]
fn syn_packets(bencher: Bencher<'_, '_>) {
    let wire = traffic::syns(200_000);
    dissect_all(bencher.counter(ItemsCount::new(wire.frames)), &wire, 0);
}

/// A hello in one segment.
#[divan::bench]
fn old_hellos(bencher: Bencher<'_, '_>) {
    let wire = traffic::hellos(5000, traffic::old_hello);
    dissect_all(bencher.counter(ItemsCount::new(5000_usize)), &wire, 5000);
}

/// A hello in two segments.
#[divan::bench]
fn large_hellos(bencher: Bencher<'_, '_>) {
    let wire = traffic::hellos(5000, traffic::large_hello);
    dissect_all(bencher.counter(ItemsCount::new(5000_usize)), &wire, 5000);
}

/// Whole handshakes.
#[divan::bench]
fn handshakes_in_order(bencher: Bencher<'_, '_>) {
    let wire = traffic::handshakes(3000, Order::InOrder);
    dissect_all(bencher.counter(ItemsCount::new(3000_usize)), &wire, 3000);
}

/// Whole handshakes, each segment overtaken by the next.
#[divan::bench]
fn handshakes_out_of_order(bencher: Bencher<'_, '_>) {
    let wire = traffic::handshakes(3000, Order::Swapped);
    dissect_all(bencher.counter(ItemsCount::new(3000_usize)), &wire, 3000);
}

/// Walking over a pcap file that lies in memory.
#[divan::bench]
fn reading(bencher: Bencher<'_, '_>) {
    let wire = traffic::handshakes(3000, Order::InOrder);
    bencher
        .counter(BytesCount::new(wire.pcap.len()))
        .with_inputs(|| std::io::Cursor::new(wire.pcap.clone()))
        .bench_local_values(|input| {
            let timeline = capture::open_reader("traffic", input, &Options::default());
            let mut timeline = timeline.expect("there is no filter");
            while let Some(Ok(batch)) = timeline.next_batch() {
                black_box(&batch);
                timeline.recycle(batch);
            }
        });
}

/// Batches that are there already.
struct Ready(std::vec::IntoIter<Batch>);

impl Source for Ready {
    fn next_batch(&mut self) -> Option<Result<Batch, CaptureError>> {
        self.0.next().map(Ok)
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }
}

/// Nobody watches.
struct Nobody;

impl Watcher for Nobody {
    fn progress(&mut self, _: &Progress, _: u64, _: &LiveHosts) {}
    fn error(&mut self, _: &CaptureError) {}
}

fn analyze_with(source: &mut dyn Source, workers: usize) -> Analysis {
    let settings = Settings { workers, limits: Limits::default(), seed: 1 };
    analyze(FactsStore::in_memory(), source, &settings, &LiveHosts::default(), &mut Nobody)
}

/// Threads and what it costs to hand frames to them.
#[divan::bench(args = [1, 2, 4])]
fn workers(bencher: Bencher<'_, '_>, workers: usize) {
    let wire = traffic::handshakes(3000, Order::InOrder);
    let batches = batches(&wire);
    bencher
        .counter(ItemsCount::new(wire.frames))
        .with_inputs(|| Ready(batches.clone().into_iter()))
        .bench_local_values(|mut ready| analyze_with(&mut ready, workers));
}

/// From the bytes of a file to the bytes of every output.
#[divan::bench]
fn end_to_end(bencher: Bencher<'_, '_>) {
    let wire = traffic::handshakes(3000, Order::InOrder);
    let judge = Judge::new(JudgeConfig { sensor: "bench".into(), ..JudgeConfig::default() });
    let run = RunInfo { policies: vec![BUILTIN_NAMES[0].to_owned()], ..RunInfo::default() };
    bencher
        .counter(BytesCount::new(wire.pcap.len()))
        .with_inputs(|| std::io::Cursor::new(wire.pcap.clone()))
        .bench_local_values(|input| {
            let timeline = capture::open_reader("traffic", input, &Options::default());
            let analysis = analyze_with(&mut timeline.expect("there is no filter"), 1);
            let (SortedFacts::Held(flows), None) = FactsStore::finish(analysis.stores) else {
                panic!("connections fit into memory")
            };
            let flows = judge.judge_all(flows);
            let report = Report::new(&flows, &run, |addr| judge.home().contains(addr));
            let mut out = Vec::new();
            report.write_flows(&mut out).expect("memory takes everything");
            report.write_hosts(&mut out).expect("memory takes everything");
            report.write_handshakes(&mut out).expect("memory takes everything");
            report.write_state(&mut out).expect("memory takes everything");
            out
        });
}

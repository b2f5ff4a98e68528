use std::collections::VecDeque;
use std::path::PathBuf;

use dissect::LinkType;
use report::SortedFacts;

use super::dispatch::HandOut;
use super::*;

/// Gives what it was given.
struct Steps(VecDeque<Result<Batch, CaptureError>>);

impl Source for Steps {
    fn next_batch(&mut self) -> Option<Result<Batch, CaptureError>> {
        self.0.pop_front()
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }
}

/// Notes the errors it is told.
#[derive(Default)]
struct Notes(Vec<String>);

impl Watcher for Notes {
    fn progress(&mut self, _: &Progress, _: u64, _: &LiveHosts) {}

    fn error(&mut self, error: &CaptureError) {
        self.0.push(error.to_string());
    }
}

/// A batch of one frame, a SYN from a port of its own.
fn syn(number: u16) -> Result<Batch, CaptureError> {
    let mut packet = vec![0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 40, 96, 0, 1];
    packet.extend(number.to_be_bytes());
    packet.extend([1, 187, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 32, 0, 0, 0, 0, 0]);
    let time = Timestamp::from_nanos(i64::from(number));
    Ok(Batch::owned(LinkType::RAW, time, u64::from(number), 40, packet))
}

fn analyzed(
    source: &mut dyn Source,
    settings: &Settings,
    hosts: &LiveHosts,
    watcher: &mut dyn Watcher,
) -> Analysis {
    analyze(FactsStore::in_memory(), source, settings, hosts, watcher)
}

/// The connections, in no particular order.
fn flows(analysis: &mut Analysis) -> Vec<Box<FlowFacts>> {
    match FactsStore::finish(std::mem::take(&mut analysis.stores)) {
        (SortedFacts::Held(flows), None) => flows,
        other => panic!("they fit into memory: {other:?}"),
    }
}

fn settings(workers: usize) -> Settings {
    Settings { workers, limits: Limits::default(), seed: 7 }
}

#[test]
fn an_error_in_the_middle_is_told_and_passed_over() {
    for workers in [1, 2, 5] {
        let error = CaptureError::Empty { file: PathBuf::from("b.pcap") };
        let mut source = Steps(VecDeque::from([syn(1), Err(error), syn(2)]));
        let mut notes = Notes::default();
        let analysis = analyzed(&mut source, &settings(workers), &LiveHosts::default(), &mut notes);
        assert_eq!(notes.0, ["b.pcap: the file is empty"]);
        assert_eq!(analysis.errors.len(), 1);
        assert_eq!((analysis.counters.frames, analysis.counters.dissected), (2, 2));
        assert_eq!(analysis.last_time, Some(Timestamp::from_nanos(2)));
    }
}

#[test]
fn more_batches_than_queues_hold_get_through() {
    let mut source = Steps((1..=1000).map(syn).collect());
    let mut notes = Notes::default();
    let analysis = analyzed(&mut source, &settings(3), &LiveHosts::default(), &mut notes);
    assert_eq!(analysis.counters.frames, 1000);
}

#[test]
fn one_connection_for_one_of_many_workers_gets_through() {
    for workers in [2, 3, 8] {
        let mut source = Steps((0..1000).map(|_| syn(1)).collect());
        let mut notes = Notes::default();
        let analysis = analyzed(&mut source, &settings(workers), &LiveHosts::default(), &mut notes);
        assert_eq!(analysis.counters.frames, 1000);
    }
}

/// Panics when it is told of an error.
struct Fuse;

impl Watcher for Fuse {
    fn progress(&mut self, _: &Progress, _: u64, _: &LiveHosts) {}

    fn error(&mut self, error: &CaptureError) {
        panic!("{error}");
    }
}

#[test]
fn a_panic_of_the_thread_that_reads_ends_the_run() {
    for workers in [1, 2, 3, 8] {
        let run = move || {
            let error = Err(CaptureError::Empty { file: PathBuf::from("b.pcap") });
            let steps = (0..500).map(syn).chain([error]).chain((0..500).map(syn));
            let mut source = Steps(steps.collect());
            analyzed(&mut source, &settings(workers), &LiveHosts::default(), &mut Fuse)
        };
        let panic = thread::spawn(run).join().unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "b.pcap: the file is empty");
    }
}

#[test]
fn nothing_to_read_is_no_frames() {
    for workers in [0, 1, 2] {
        let mut source = Steps(VecDeque::new());
        let mut notes = Notes::default();
        let mut analysis =
            analyzed(&mut source, &settings(workers), &LiveHosts::default(), &mut notes);
        assert_eq!(analysis.counters.frames, 0);
        assert_eq!((analysis.first_time, flows(&mut analysis).len()), (None, 0));
    }
}

#[test]
fn a_worker_that_is_gone_ends_the_handing_out() {
    let (queue, batches) = crossbeam_channel::bounded(1);
    let mut hand_out = HandOut::new(vec![queue]);
    let mut steer = dissect::Steer::new(7);
    assert!(hand_out.take(syn(1).unwrap(), &mut steer).is_ok());
    // The queue is full; a worker that panics drops its end while the next one waits.
    thread::scope(|scope| {
        scope.spawn(move || drop(batches));
        assert!(hand_out.take(syn(2).unwrap(), &mut steer).is_err());
    });
}

/// Gives frames, harvests on the way, and notes what comes.
struct Script {
    steps: VecDeque<Step>,
    harvests: Vec<(Option<Sweep>, Harvest)>,
}

impl Script {
    fn run(steps: impl IntoIterator<Item = Step>, workers: usize) -> Vec<(Option<Sweep>, Harvest)> {
        let mut script = Self { steps: steps.into_iter().collect(), harvests: Vec::new() };
        watch(&mut script, &settings(workers));
        script.harvests
    }
}

impl Director for Script {
    fn step(&mut self) -> Step {
        self.steps.pop_front().unwrap_or(Step::Stop)
    }

    fn harvest(&mut self, harvest: Harvest, kind: Option<Sweep>) {
        self.harvests.push((kind, harvest));
    }
}

/// The frames of a sample, a batch each.
fn frames_of(sample: &str) -> Vec<Batch> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(sample);
    let input = capture::Input::parse(folder.join("input.pcap"));
    let options = capture::Options { batch_frames_max: 1, ..capture::Options::default() };
    let mut source = capture::open(&[input], &options).unwrap();
    std::iter::from_fn(|| source.next_batch()).map(Result::unwrap).collect()
}

/// What tells connections apart, without where their report fell in time.
fn told<'a>(flows: impl IntoIterator<Item = &'a Box<FlowFacts>>) -> Vec<String> {
    let told = |facts: &FlowFacts| {
        let FlowFacts { first, client, server, client_hello, server_hello, coverage, .. } = facts;
        format!("{first:?} {client:?} {server:?} {client_hello:?} {server_hello:?} {coverage:?}")
    };
    let mut told: Vec<String> = flows.into_iter().map(|facts| told(facts)).collect();
    told.sort();
    told
}

#[test]
fn harvests_add_up_to_one_analysis() {
    let frames = frames_of("demo");
    let mut source = Steps(frames.iter().cloned().map(Ok).collect());
    let mut whole =
        analyzed(&mut source, &settings(1), &LiveHosts::default(), &mut Notes::default());
    let whole_flows = flows(&mut whole);
    for (workers, every) in [(1, 1), (1, 7), (2, 7), (3, 50), (2, 10_000)] {
        let steps = frames.iter().enumerate().flat_map(|(at, batch)| {
            let kind = if at % 2 == 0 { Sweep::Cut } else { Sweep::Over };
            let now = batch.descs()[0].time;
            let harvest = ((at + 1) % every == 0).then_some(Step::Harvest(now, kind));
            [Some(Step::Frames(batch.clone())), Some(Step::Idle), harvest].into_iter().flatten()
        });
        let harvests = Script::run(steps, workers);
        assert_eq!(harvests.len(), frames.len() / every + 1);
        assert_eq!(harvests.last().unwrap().0, None);
        let all = || harvests.iter().map(|(_, harvest)| harvest);
        let what = format!("{workers} workers, harvests every {every} frames");
        assert_eq!(told(all().flat_map(|it| &it.flows)), told(&whole_flows), "{what}");
        let decided: usize = all().map(|it| it.decided.len()).sum();
        assert_eq!(decided, whole_flows.len(), "{what}");
        let mut counters = Counters::default();
        all().for_each(|harvest| counters.absorb(&harvest.counters));
        assert_eq!(counters.frames, whole.counters.frames);
        assert_eq!(counters.skipped, whole.counters.skipped);
        let names: usize = all().map(|harvest| harvest.names.len()).sum();
        assert_eq!(names, whole.names.len());
        assert_eq!(all().find_map(|it| it.first_time), whole.first_time);
        assert_eq!(all().filter_map(|it| it.last_time).next_back(), whole.last_time);
    }
}

/// Looks at no hosts.
struct Blind;

impl Watcher for Blind {
    fn progress(&mut self, _: &Progress, _: u64, _: &LiveHosts) {}

    fn looks_at_hosts(&self) -> bool {
        false
    }

    fn error(&mut self, _: &CaptureError) {}
}

#[test]
fn hosts_are_noted_for_those_who_look_at_them() {
    let noted = |watcher: &mut dyn Watcher, workers| {
        let hosts = LiveHosts::default();
        let mut source = Steps(frames_of("demo").into_iter().map(Ok).collect());
        let mut analysis = analyzed(&mut source, &settings(workers), &hosts, watcher);
        (hosts.len(), told(&flows(&mut analysis)))
    };
    for workers in [1, 2] {
        let (seen, unseen) = (noted(&mut Notes::default(), workers), noted(&mut Blind, workers));
        assert!(seen.0 > 0 && unseen.0 == 0, "{} and {}", seen.0, unseen.0);
        assert_eq!(seen.1, unseen.1);
    }
}

/// The frames of a connection, of another client and at another time.
fn again(frames: &[Batch], client: u16, at_ns: i64) -> impl Iterator<Item = Batch> {
    let begin = frames[0].descs()[0].time.as_nanos();
    frames.iter().map(move |batch| {
        let frame = batch.frame(0).unwrap();
        let mut bytes = frame.data.to_vec();
        // Whichever of the two addresses is inside, behind Ethernet's header.
        for place in [26, 30] {
            if bytes[place] == 10 {
                bytes[place + 2..place + 4].copy_from_slice(&client.to_be_bytes());
            }
        }
        let time = Timestamp::from_nanos(frame.time.as_nanos() - begin + at_ns);
        Batch::owned(frame.link, time, frame.number, frame.wire_len, bytes)
    })
}

#[test]
fn months_take_no_more_memory_than_days() {
    const HOUR_NS: i64 = 3600 * 1_000_000_000;
    let whole = frames_of("tls10-client-outlook");
    // Half of the connections never end: the printer that was unplugged.
    let unended = &whole[..whole.len() - 3];
    for workers in [1, 2] {
        let mut steps = Vec::new();
        for hour in 0..24 * 60 {
            let begin = hour * HOUR_NS;
            for number in 0..4 {
                let frames = if number % 2 == 0 { &whole[..] } else { unended };
                let client = u16::try_from((hour * 7 + number) % 50_000).unwrap();
                let at = begin + number * 1_000_000;
                steps.extend(again(frames, client, at).map(Step::Frames));
            }
            steps.push(Step::Harvest(Timestamp::from_nanos(begin + HOUR_NS - 1), Sweep::Cut));
        }
        let harvests = Script::run(steps, workers);
        let flows: usize = harvests.iter().map(|(_, harvest)| harvest.flows.len()).sum();
        assert_eq!(flows, 4 * 24 * 60, "each connection in one interval");
        let most = |days: std::ops::Range<usize>| {
            let held = harvests[24 * days.start..24 * days.end].iter().map(|(_, it)| it.held);
            (held.clone().map(|it| it.connections).max(), held.map(|it| it.bytes).max())
        };
        let (early, late) = (most(3..23), most(40..60));
        assert_eq!(late.0, early.0, "{workers} workers");
        // Tables grow by halves, at a moment that depends on the seed.
        assert!(late.1 < early.1.map(|bytes| bytes * 3 / 2), "{early:?} {late:?}");
        // A day of connections that never ended is known still.
        assert!(most(0..60).0 <= Some(2 * 26 + 2), "{:?}", most(0..60));
    }
}

use std::collections::VecDeque;
use std::path::PathBuf;

use dissect::LinkType;

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

fn settings(workers: usize) -> Settings {
    Settings { workers, limits: Limits::default(), seed: 7 }
}

#[test]
fn an_error_in_the_middle_is_told_and_passed_over() {
    for workers in [1, 2, 5] {
        let error = CaptureError::Empty { file: PathBuf::from("b.pcap") };
        let mut source = Steps(VecDeque::from([syn(1), Err(error), syn(2)]));
        let mut notes = Notes::default();
        let analysis = analyze(&mut source, &settings(workers), &LiveHosts::default(), &mut notes);
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
    let analysis = analyze(&mut source, &settings(3), &LiveHosts::default(), &mut notes);
    assert_eq!(analysis.counters.frames, 1000);
}

#[test]
fn nothing_to_read_is_no_frames() {
    for workers in [0, 1, 2] {
        let mut source = Steps(VecDeque::new());
        let mut notes = Notes::default();
        let analysis = analyze(&mut source, &settings(workers), &LiveHosts::default(), &mut notes);
        assert_eq!(analysis.counters.frames, 0);
        assert_eq!((analysis.first_time, analysis.flows.len()), (None, 0));
    }
}

#[test]
fn a_worker_that_is_gone_ends_the_handing_out() {
    let (queue, batches) = crossbeam_channel::bounded(1);
    let mut hand_out = HandOut::new(vec![queue]);
    let mut steer = dissect::Steer::new(7);
    assert!(hand_out.take(syn(1).unwrap(), &mut steer).is_ok());
    // The queue is full; a worker that panics drops its end while the next one waits.
    std::thread::scope(|scope| {
        scope.spawn(move || drop(batches));
        assert!(hand_out.take(syn(2).unwrap(), &mut steer).is_err());
    });
}

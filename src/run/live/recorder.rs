//! Judges and writes what was learned, in a thread of its own.
//!
//! An interval that can't be written waits, as long as there is room for it, and is tried again:
//! a full disk loses nothing that is made room for in time.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use capture::InterfaceCounts;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use dissect::{FlowFacts, Timestamp};
use report::{
    CaptureCounts, Inventory, Judge, JudgedFlow, NameBook, OutputError, OutputFolder, Report,
    RunInfo,
};

use super::alarm::{self, Alarm};
use super::archive::Archive;
use super::board::Board;
use super::interval::Interval;
use super::patrol::now;
use super::{Outcome, flows_max, panic_for_tests};
use crate::cli::LiveConfig;
use crate::engine::Harvest;
use crate::progress::say;
use crate::run::console::Console;
use crate::run::{inventory, judging, outputs, workers};

/// How long an interval that could not be written waits for the next attempt.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How long DNS answers are kept beyond their time, for connections that began before an interval.
const NAMES_KEPT_NS: i64 = 3600 * 1_000_000_000;

/// What the recorder is told.
pub(super) enum Message {
    /// What was learned, and whether the interval ends with it.
    Harvest(Box<Harvest>, Sight, Option<Close>),
    /// To read policies, endpoints and inventory again.
    Reload,
}

/// How the interfaces are.
pub(super) struct Sight {
    pub(super) interfaces: Vec<InterfaceCounts>,
    pub(super) newest: Option<Timestamp>,
    pub(super) lag_ns: i64,
    pub(super) now: Timestamp,
}

/// The end of an interval.
pub(super) struct Close {
    pub(super) at: Timestamp,
    pub(super) capture: CaptureCounts,
}

/// Where reports go.
pub(super) enum Place {
    /// One report, at the end: into a folder, if there is one, and wherever else is asked for.
    Once(Option<OutputFolder>),
    /// A folder for each interval.
    Intervals(Archive),
}

/// A judged interval that is not written yet.
struct Pending {
    start: Timestamp,
    run: RunInfo,
    flows: Vec<JudgedFlow>,
    /// What ended without a word.
    silent: Vec<Box<FlowFacts>>,
    /// Who judged them: it may be another one by the time they are written.
    judge: Arc<Judge>,
}

pub(super) struct Recorder {
    config: LiveConfig,
    place: Place,
    judge: Arc<Judge>,
    inventory: Option<Inventory>,
    names: NameBook,
    open: Interval,
    pending: VecDeque<Pending>,
    flows_max: usize,
    /// When writing is tried again, after it failed.
    retry_at: Option<Instant>,
    board: Arc<Mutex<Board>>,
    alarm: Option<Alarm>,
    outcome: Outcome,
}

impl Recorder {
    /// A recorder for this configuration.
    ///
    /// # Errors
    ///
    /// What is wrong with policies, endpoints or inventory, in words.
    pub(super) fn new(
        config: &LiveConfig,
        place: Place,
        board: Arc<Mutex<Board>>,
    ) -> Result<Self, String> {
        Ok(Self {
            judge: Arc::new(judging::judge(&config.judging, &config.sensor)?),
            inventory: read_inventory(config)?,
            config: config.clone(),
            place,
            names: NameBook::default(),
            open: Interval::new(now()),
            pending: VecDeque::new(),
            flows_max: flows_max(config),
            retry_at: None,
            board,
            alarm: None,
            outcome: Outcome::default(),
        })
    }

    /// A recorder that also runs a command for hosts that break.
    pub(super) fn with_alarm(self, alarm: Option<Alarm>) -> Self {
        Self { alarm, ..self }
    }

    /// Takes what is learned until nothing more comes, and writes the rest.
    pub(super) fn run(mut self, messages: &Receiver<Message>) -> Outcome {
        self.open.start = now();
        if let Place::Intervals(archive) = &self.place
            && let Err(error) = archive.mark(self.open.start)
        {
            say(format_args!("error: {error}"));
        }
        loop {
            panic_for_tests("recorder");
            match messages.recv_timeout(RETRY_AFTER) {
                Ok(Message::Harvest(harvest, sight, close)) => self.take(*harvest, sight, close),
                Ok(Message::Reload) => self.reload(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.retry_at.is_none_or(|at| Instant::now() >= at) {
                self.write_pending();
            }
        }
        self.finish()
    }

    fn take(&mut self, mut harvest: Harvest, sight: Sight, close: Option<Close>) {
        let mut answers = std::mem::take(&mut harvest.names);
        answers.sort_by_key(|seen| seen.at);
        answers.iter().for_each(|seen| self.names.learn(seen));
        self.show(&mut harvest, sight);
        self.open.absorb(harvest);
        let waiting: usize = self.pending.iter().map(|pending| pending.flows.len()).sum();
        if self.open.flows.len() + waiting > self.flows_max {
            self.make_room();
        }
        if let Some(close) = close {
            self.close(&close);
        }
    }

    /// Brings the board up to date, and tells of hosts that break.
    fn show(&mut self, harvest: &mut Harvest, sight: Sight) {
        let decided = std::mem::take(&mut harvest.decided);
        let breaks = {
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            board.counters.absorb(&harvest.counters);
            board.held = harvest.held;
            board.handed_over += harvest.handed_over;
            (board.seen_at, board.revision) = (sight.now, board.revision + 1);
            board.interfaces = sight.interfaces;
            (board.newest, board.lag_ns) = (sight.newest, sight.lag_ns);
            board.names = self.names.len();
            board.pending =
                self.open.flows.len() + self.pending.iter().map(|it| it.flows.len()).sum::<usize>();
            board.note_hellos(&std::mem::take(&mut harvest.hellos), sight.now);
            board.take(decided, sight.now, &self.judge, &self.names)
        };
        for found in &breaks {
            alarm::tell(self.alarm.as_ref(), found, &self.config.sensor);
        }
    }

    /// Ends the open interval and begins the next one.
    fn close(&mut self, close: &Close) {
        let interval = std::mem::replace(&mut self.open, Interval::new(close.at));
        let run = self.run_info(&interval, close.capture.clone());
        let flows = self.judge.judge_all_named(interval.flows, &self.names);
        self.pending.push_back(Pending {
            start: interval.start,
            run,
            flows,
            silent: interval.silent,
            judge: Arc::clone(&self.judge),
        });
        let oldest = close.at.as_nanos().saturating_sub(NAMES_KEPT_NS);
        self.names.forget_before(Timestamp::from_nanos(oldest));
    }

    /// Frees memory when more waits than there is room for: what repeats goes first, then the
    /// oldest interval that can't be written.
    fn make_room(&mut self) {
        self.open.compact();
        let waiting = |pending: &VecDeque<Pending>| -> usize {
            pending.iter().map(|pending| pending.flows.len()).sum()
        };
        while self.open.flows.len() + waiting(&self.pending) > self.flows_max
            && let Some(lost) = self.pending.pop_front()
        {
            self.outcome.has_failed = true;
            say(format_args!(
                "error: the report of the interval that began at {} is lost: it could not be \
                 written, and there is no memory to keep it",
                lost.start
            ));
        }
        let surplus = self.open.flows.len().saturating_sub(self.flows_max);
        if surplus > 0 {
            self.open.flows.truncate(self.flows_max);
            self.open.counters.evicted_flows += surplus as u64;
        }
    }

    fn run_info(&self, interval: &Interval, capture: CaptureCounts) -> RunInfo {
        let config = &self.config;
        let mut errors = Vec::new();
        if interval.repeats > 0 {
            errors.push(format!(
                "{} connections are not listed, to stay below --memory: others of the same client, \
                 server, offer and outcome are; --rotate lists all",
                interval.repeats
            ));
        }
        let mut run = RunInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sensor: config.sensor.clone(),
            home: config.judging.home.clone(),
            endpoints: config.judging.endpoints.as_ref().map(shown).unwrap_or_default(),
            inputs: config.interfaces.clone(),
            errors,
            bytes_read: interval.counters.bytes,
            first_time: interval.first_time,
            last_time: interval.last_time,
            counters: interval.counters.clone(),
            clock: interval.clock.clone(),
            capture: Some(capture),
            ..RunInfo::default()
        };
        self.judge.sign(&mut run);
        run
    }

    /// Writes what waits, the oldest first; at the first failure the rest waits on.
    fn write_pending(&mut self) {
        let Place::Intervals(archive) = &self.place else { return };
        let mut has_written = false;
        while let Some(pending) = self.pending.front() {
            match write_interval(archive, pending, self.inventory.as_ref(), &self.config) {
                Ok(any_breaks) => {
                    has_written = true;
                    self.board.lock().unwrap_or_else(PoisonError::into_inner).intervals_written +=
                        1;
                    self.outcome.check_failed |= self.config.outputs.check && any_breaks;
                    self.pending.pop_front();
                }
                Err(error) => {
                    let since = pending.start;
                    self.board.lock().unwrap_or_else(PoisonError::into_inner).write_failures += 1;
                    if self.retry_at.is_none() {
                        // Nothing but its own confinement keeps it from making the folder.
                        if !archive.base().exists() && is_forbidden(&error) {
                            say(format_args!(
                                "error: {}: the folder was removed, and the program gave up the \
                                 right to make another: start it again, or use --no-sandbox",
                                archive.base().display()
                            ));
                        }
                        say(format_args!(
                            "error: {error}; counting goes on, and what was seen since {since} is \
                             kept in memory and tried again"
                        ));
                    }
                    self.retry_at = Some(Instant::now() + RETRY_AFTER);
                    return;
                }
            }
        }
        if has_written {
            if self.retry_at.take().is_some() {
                say(format_args!("writing to {} works again", archive.base().display()));
            }
            let tidied = self.config.keep.map_or(Ok(()), |keep| archive.tidy(keep, now()));
            for error in [tidied, archive.mark(self.open.start)].into_iter().filter_map(Result::err)
            {
                say(format_args!("error: {error}"));
            }
        }
    }

    /// Reads policies, endpoints and inventory again. The open interval is judged with them.
    fn reload(&mut self) {
        let judge = judging::judge(&self.config.judging, &self.config.sensor);
        match judge.and_then(|judge| Ok((judge, read_inventory(&self.config)?))) {
            Ok((judge, inventory)) => {
                (self.judge, self.inventory) = (Arc::new(judge), inventory);
                say("policies, endpoints and inventory were read again");
            }
            Err(error) => say(format_args!("error: {error}; what was read before stays in use")),
        }
    }

    fn finish(mut self) -> Outcome {
        if let Some(alarm) = self.alarm.take() {
            alarm.finish();
        }
        match &self.place {
            Place::Once(folder) => {
                let mut console = Console::new(self.config.outputs.prints_notices);
                if let Some(last) = self.pending.pop_front() {
                    let report = report(&last, self.inventory.as_ref());
                    let state: &outputs::Content<'_> =
                        &|out| report.write_state_with(out, &last.silent);
                    let outputs = &self.config.outputs;
                    outputs::write(
                        &mut console,
                        outputs,
                        folder.as_ref(),
                        &report,
                        state,
                        workers(None),
                    );
                }
                console.outcome
            }
            Place::Intervals(_) => {
                self.write_pending();
                self.lose_pending();
                self.outcome
            }
        }
    }

    /// Says what could not be written until the end.
    fn lose_pending(&mut self) {
        let Place::Intervals(archive) = &self.place else { return };
        if let Some(first) = self.pending.front() {
            self.outcome.has_failed = true;
            let since = first.start;
            say(format_args!(
                "error: what was seen since {since} could not be written and is lost"
            ));
        } else if let Err(error) = archive.unmark() {
            self.outcome.has_failed = true;
            say(format_args!("error: {error}"));
        }
    }
}

fn read_inventory(config: &LiveConfig) -> Result<Option<Inventory>, String> {
    let inventory = config.inventory.as_deref().map(inventory::read).transpose();
    inventory.map_err(|error| format!("--inventory: {error}"))
}

fn report<'a>(interval: &'a Pending, inventory: Option<&Inventory>) -> Report<'a> {
    let judge = &interval.judge;
    let report = Report::new(&interval.flows, &interval.run, |addr| judge.home().contains(addr));
    let report = report.with_policies(judge.policies());
    match inventory {
        Some(inventory) => report.with_inventory(inventory, judge.policies()),
        None => report,
    }
}

/// Writes an interval's report folder. Whether any host breaks.
fn write_interval(
    archive: &Archive,
    interval: &Pending,
    inventory: Option<&Inventory>,
    config: &LiveConfig,
) -> Result<bool, OutputError> {
    let report = report(interval, inventory);
    let state: &outputs::Content<'_> = &|out| report.write_state_with(out, &interval.silent);
    archive.write(interval.start, |folder| {
        outputs::fill(folder, &config.outputs, &report, state, workers(None)).into_iter().collect()
    })?;
    Ok(report.any_breaks())
}

fn is_forbidden(error: &OutputError) -> bool {
    error.source.kind() == std::io::ErrorKind::PermissionDenied
}

fn shown(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

//! Runs a command from its configuration to its outputs.
//!
//! Data goes to standard output, everything else to standard error. What fails is said when it
//! happens and counted into the exit status at the end; it keeps nothing else from being done.

use std::fmt::Display;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, IsTerminal as _, Write};
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::ExitCode;
use std::thread::{self, available_parallelism};
use std::time::{Duration, Instant};

use capture::{Input, Notice, Options, Progress, Source as _};
use console::Term;
use dissect::Limits;
use report::{
    Endpoints, Judge, JudgeConfig, NameBook, OutputFolder, Policy, Report, RunInfo, TextStyle,
};

use crate::cli::{
    Arguments, ColorChoice, Command, InventoryCommand, Output, PolicyCommand, RunConfig, Target,
};
use crate::engine::{LiveHosts, Settings, analyze};
use crate::inventory;
use crate::policies;
use crate::progress::{ProgressBar, say};

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    has_failed: bool,
    check_failed: bool,
}

impl Outcome {
    /// The one place where the exit status is decided.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self { has_failed: true, .. } => ExitCode::from(2),
            Self { check_failed: true, .. } => ExitCode::from(1),
            _ => ExitCode::SUCCESS,
        }
    }

    const FAILED: Self = Self { has_failed: true, check_failed: false };
}

/// Runs what was asked for.
pub(crate) fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Analyze(arguments) => match RunConfig::from_analyze(*arguments) {
            Ok(config) => Run::new(config).analyze(),
            Err(error) => {
                say(format_args!("error: {error}"));
                Outcome::FAILED
            }
        },
        Command::Policy(command) => print_policies(&command),
        Command::Inventory(InventoryCommand::Check { file }) => {
            print_text(inventory::read(&file).map(|it| inventory::describe(&it)))
        }
    }
}

fn print_policies(command: &PolicyCommand) -> Outcome {
    let text = match command {
        PolicyCommand::List => Ok(policies::list()),
        PolicyCommand::Show { name } => {
            Policy::builtin_toml(name).map(str::to_owned).ok_or_else(|| {
                let known = report::BUILTIN_NAMES.join(", ");
                format!("there is no built-in policy `{name}`; there are {known}")
            })
        }
        PolicyCommand::Check { file } => policies::read(file).map(|it| policies::describe(&it)),
    };
    print_text(text)
}

/// Prints a command's answer, or what went wrong.
fn print_text(text: Result<String, String>) -> Outcome {
    let written = match text {
        Ok(text) => io::stdout().lock().write_all(text.as_bytes()),
        Err(error) => {
            say(format_args!("error: {error}"));
            return Outcome::FAILED;
        }
    };
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            say(format_args!("error: can't write to standard output: {error}"));
            Outcome::FAILED
        }
        _ => Outcome::default(),
    }
}

/// A run and what went wrong in it.
struct Run {
    config: RunConfig,
    outcome: Outcome,
}

impl Run {
    fn new(config: RunConfig) -> Self {
        Self { config, outcome: Outcome::default() }
    }

    fn analyze(mut self) -> Outcome {
        if let Some(file) = self.file_named_twice() {
            let file = file.display();
            say(format_args!("error: {file} is named twice; an output needs a file of its own"));
            return Outcome::FAILED;
        }
        let Some(judge) = self.judge() else { return Outcome::FAILED };
        let inventory = match self.config.inventory.as_deref().map(inventory::read).transpose() {
            Ok(inventory) => inventory,
            Err(error) => {
                self.fail(&format_args!("--inventory: {error}"));
                return Outcome::FAILED;
            }
        };
        let begin = Instant::now();
        // An output folder that can't be made is said before hours of work, not after.
        let folder = self.config.out.clone().map(|path| OutputFolder::create(&path));
        let folder = match folder.transpose() {
            Ok(folder) => folder,
            Err(error) => {
                self.fail(&error);
                return Outcome::FAILED;
            }
        };
        let inputs: Vec<Input> = self.config.inputs.iter().map(Input::parse).collect();
        let options = self.capture_options();
        let mut timeline = match capture::open(&inputs, &options) {
            Ok(timeline) => timeline,
            Err(error) => {
                self.fail(&error);
                return Outcome::FAILED;
            }
        };
        let hosts = LiveHosts::default();
        let mut progress = ProgressBar::new(self.config.shows_progress);
        self.notices(timeline.take_notices());
        let analysis = analyze(&mut timeline, &self.settings(), &hosts, &mut progress);
        progress.finish();
        self.notices(timeline.take_notices());
        self.outcome.has_failed |= !analysis.errors.is_empty();
        if self.config.is_verbose {
            self.notice(&pace(&timeline.progress(), begin.elapsed()));
        }
        let mut counters = analysis.counters;
        counters.frames += timeline.progress().filtered;
        counters.skipped[dissect::SkipReason::Filtered as usize] += timeline.progress().filtered;
        let run = RunInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sensor: self.config.sensor.clone(),
            policies: judge.policies().iter().map(|policy| policy.name.to_string()).collect(),
            home: self.config.home.clone(),
            inputs: self.config.inputs.iter().map(|input| input.display().to_string()).collect(),
            errors: analysis.errors.iter().map(ToString::to_string).collect(),
            bytes_read: timeline.progress().bytes_read,
            first_time: analysis.first_time,
            last_time: analysis.last_time,
            counters,
            clock: analysis.clock,
            capture: None,
        };
        let mut names = NameBook::default();
        let mut answers = analysis.names;
        // Workers finish in any order; past its bound the book keeps the earliest.
        answers.sort_by_key(|seen| seen.at);
        answers.iter().for_each(|seen| names.learn(seen));
        let flows = judge.judge_all_named(analysis.flows, &names);
        let mut report = Report::new(&flows, &run, |addr| judge.home().contains(addr));
        if let Some(inventory) = &inventory {
            report = report.with_inventory(inventory, judge.policies());
        }
        self.write(&report, folder.as_ref());
        self.outcome.check_failed = self.config.check && report.any_breaks();
        self.outcome
    }

    /// A file that an output would take from another output or from an input. What is no ordinary
    /// file, such as `/dev/null`, takes any number of outputs.
    fn file_named_twice(&self) -> Option<&Path> {
        let place = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let mut taken: Vec<_> = self.config.inputs.iter().map(|path| place(path)).collect();
        for (_, target) in &self.config.outputs {
            let Target::File(path) = target else { continue };
            if path.exists() && !path.is_file() {
                continue;
            }
            let place = place(path);
            if taken.contains(&place) {
                return Some(path);
            }
            taken.push(place);
        }
        None
    }

    /// Everything that judges, from files and names; `None` after saying what is wrong.
    fn judge(&self) -> Option<Judge> {
        let policies = match policies::load(&self.config.policies) {
            Ok(policies) => policies,
            Err(error) => {
                say(format_args!("error: --policy: {error}"));
                return None;
            }
        };
        let endpoints = match &self.config.endpoints {
            None => Endpoints::builtin(),
            Some(path) => read_endpoints(path)?,
        };
        let home = match self.config.home.iter().map(|text| text.parse()).collect() {
            Ok(home) => home,
            Err(error) => {
                say(format_args!("error: --home: {error}"));
                return None;
            }
        };
        let sensor = self.config.sensor.as_str().into();
        Some(Judge::new(JudgeConfig { policies, endpoints, home, sensor }))
    }

    fn capture_options(&self) -> Options {
        let mut options = Options {
            filter: self.config.filter.clone(),
            mmap: self.config.mmap,
            ..Options::default()
        };
        if let Some(frames) = self.config.batch_frames {
            options.batch_frames_max = frames.max(1);
        }
        options
    }

    fn settings(&self) -> Settings {
        let processors = || available_parallelism().map_or(1, NonZero::get);
        let memory_max = usize::try_from(self.config.memory_max).unwrap_or(usize::MAX);
        Settings {
            workers: self.config.workers.unwrap_or_else(processors),
            limits: Limits { memory_max, ..Limits::default() },
            // A number that nobody on the wire can know; it changes nothing in the report.
            seed: RandomState::new().hash_one(std::process::id()),
        }
    }

    /// Writes every output that was asked for; one that fails keeps no other from being written.
    fn write(&mut self, report: &Report<'_>, folder: Option<&OutputFolder>) {
        if let Some(folder) = folder {
            for written in write_folder(report, folder, self.settings().workers) {
                self.check(written);
            }
            // Who sits at a terminal sees no data here, and may ask where they went.
            if io::stderr().is_terminal() && !self.outcome.has_failed {
                self.notice(&format_args!("the outputs are in {}", folder.path().display()));
            }
        }
        for (output, target) in self.config.outputs.clone() {
            match target {
                Target::File(path) => {
                    let written =
                        report::write_file(&path, |out| write_output(report, output, out));
                    self.check(written);
                }
                Target::Stdout => self.print(|out| write_output(report, output, out)),
            }
        }
        if self.config.prints_summary {
            let style = self.text_style();
            self.print(|out| report.write_text(out, style));
        }
    }

    fn text_style(&self) -> TextStyle {
        const WIDTH_WITHOUT_TERMINAL: usize = 100;
        let term = Term::stdout();
        let width = match term.size_checked() {
            Some((_, columns)) => usize::from(columns),
            None => WIDTH_WITHOUT_TERMINAL,
        };
        let color = match self.config.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            // A terminal that is not dumb, and NO_COLOR is not set.
            ColorChoice::Auto => term.features().colors_supported(),
        };
        TextStyle { width, color }
    }

    /// Writes to standard output. That nobody reads it any more is no failure.
    fn print(&mut self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let mut out = io::BufWriter::new(io::stdout().lock());
        match content(&mut out).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => self.fail(&format!("can't write to standard output: {error}")),
        }
    }

    /// A file may be a pipe, too, that nobody reads any more.
    fn check(&mut self, written: Result<(), report::OutputError>) {
        match written {
            Err(error) if error.source.kind() != ErrorKind::BrokenPipe => self.fail(&error),
            _ => {}
        }
    }

    fn fail(&mut self, error: &dyn Display) {
        self.outcome.has_failed = true;
        say(format_args!("error: {error}"));
    }

    fn notices(&self, notices: Vec<Notice>) {
        for notice in &notices {
            self.notice(notice);
        }
    }

    fn notice(&self, notice: &dyn Display) {
        if self.config.prints_notices {
            say(format_args!("note: {notice}"));
        }
    }
}

/// What was read, and how fast.
fn pace(progress: &Progress, elapsed: Duration) -> String {
    let Progress { files_done, bytes_read, frames, .. } = progress;
    let seconds = elapsed.as_secs_f64();
    format!("read {bytes_read} bytes and {frames} frames of {files_done} files in {seconds:.3} s")
}

/// Writes every file of the output folder, side by side where there are workers for it.
fn write_folder(
    report: &Report<'_>,
    folder: &OutputFolder,
    workers: usize,
) -> Vec<Result<(), report::OutputError>> {
    type Content = fn(&Report<'_>, &mut dyn Write) -> io::Result<()>;
    // The longest first, so that none is left to the end alone.
    const FILES: [(&str, Content); 5] = [
        ("handshakes.csv", |report, out| report.write_handshakes(out)),
        ("flows.csv", |report, out| report.write_flows(out)),
        ("state.tlsunset", |report, out| report.write_state(out)),
        ("hosts.csv", |report, out| report.write_hosts(out)),
        ("summary.json", |report, out| report.write_summary(out)),
    ];
    let write = |(name, content): (&str, Content)| folder.write(name, |out| content(report, out));
    if workers <= 1 {
        return FILES.map(write).into();
    }
    thread::scope(|scope| {
        let writers = FILES.map(|file| scope.spawn(move || write(file)));
        writers.map(|writer| writer.join().unwrap_or_else(|panic| resume_unwind(panic))).into()
    })
}

fn write_output(report: &Report<'_>, output: Output, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Flows => report.write_flows(out),
        Output::Hosts => report.write_hosts(out),
        Output::Handshakes => report.write_handshakes(out),
        Output::Summary => report.write_summary(out),
    }
}

fn read_endpoints(path: &Path) -> Option<Endpoints> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            say(format_args!("error: can't read {}: {error}", path.display()));
            return None;
        }
    };
    match Endpoints::from_json(&text) {
        Ok(endpoints) => Some(endpoints),
        Err(error) => {
            say(format_args!("error: {}: {error}", path.display()));
            None
        }
    }
}

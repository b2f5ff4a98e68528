//! `analyze`: capture files in, every output out.

use std::path::Path;
use std::time::{Duration, Instant};

use capture::{Input, Options, Progress, Source as _};
use report::{NameBook, OutputFolder, RunInfo};

use super::console::Console;
use super::reporting::{Reporting, Seen};
use super::{Outcome, anonymizing, inventory, judging, outputs, reporting, settings};
use crate::cli::RunConfig;
use crate::engine::{LiveHosts, analyze as analyze_frames};
use crate::progress::{ProgressBar, say};

/// Analyzes capture files.
pub(super) fn analyze(config: RunConfig) -> Outcome {
    if let Some(file) = outputs::file_named_twice(&config.outputs, &config.inputs) {
        let file = file.display();
        say(format_args!("error: {file} is named twice; an output needs a file of its own"));
        return Outcome::FAILED;
    }
    let mut console = Console::new(config.outputs.prints_notices);
    if let Err(error) = run(&config, &mut console) {
        console.fail(&error);
    }
    console.outcome
}

/// An error ends the run; what is said on the way does not.
fn run(config: &RunConfig, console: &mut Console) -> Result<(), String> {
    let settings = settings(config.workers, config.memory_max);
    let judge = judging::judge(&config.judging, &config.sensor)?.with_workers(settings.workers);
    let anonymizer = anonymizing::anonymizer(&config.outputs, &judge)?;
    let inventory = inventory::of_option(config.inventory.as_deref())?;
    let begin = Instant::now();
    // An output folder that can't be made is said before hours of work, not after.
    let folder = config.outputs.out.as_deref().map(OutputFolder::create).transpose();
    let folder = folder.map_err(|error| error.to_string())?;
    let inputs: Vec<Input> = config.inputs.iter().map(Input::parse).collect();
    let timeline = capture::open(&inputs, &capture_options(config));
    let mut timeline = timeline.map_err(|error| error.to_string())?;
    let hosts = LiveHosts::default();
    let mut progress = ProgressBar::new(config.shows_progress);
    console.notices(&timeline.take_notices());
    let store = reporting::store(folder.as_ref(), config.memory_max, settings.workers);
    let analysis = analyze_frames(store, &mut timeline, &settings, &hosts, &mut progress);
    progress.finish();
    console.notices(&timeline.take_notices());
    console.outcome.has_failed |= !analysis.errors.is_empty();
    if config.is_verbose {
        console.notice(&pace(&timeline.progress(), begin.elapsed()));
    }
    let mut counters = analysis.counters;
    counters.frames += timeline.progress().filtered;
    counters.skipped[dissect::SkipReason::Filtered as usize] += timeline.progress().filtered;
    let mut run = RunInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sensor: config.sensor.clone(),
        home: config.judging.home.clone(),
        endpoints: config.judging.endpoints.as_ref().map(shown).unwrap_or_default(),
        inputs: config.inputs.iter().map(shown).collect(),
        errors: analysis.errors.iter().map(ToString::to_string).collect(),
        bytes_read: timeline.progress().bytes_read,
        first_time: analysis.first_time,
        last_time: analysis.last_time,
        counters,
        clock: analysis.clock,
        ..RunInfo::default()
    };
    judge.sign(&mut run);
    let mut names = NameBook::default();
    let mut answers = analysis.names;
    // Workers finish in any order; past its bound the book keeps the earliest.
    answers.sort_by_key(|seen| seen.at);
    answers.iter().for_each(|seen| names.learn(seen));
    let facts = reporting::collect(analysis.stores, console);
    let reporting = Reporting {
        outputs: &config.outputs,
        folder: folder.as_ref(),
        judge: &judge,
        anonymizer: anonymizer.as_ref(),
        inventory: inventory.as_ref(),
        workers: settings.workers,
    };
    reporting.report(Seen { run, facts, names, silent: analysis.silent }, console)
}

fn shown(path: impl AsRef<Path>) -> String {
    path.as_ref().display().to_string()
}

fn capture_options(config: &RunConfig) -> Options {
    let mut options =
        Options { filter: config.filter.clone(), mmap: config.mmap, ..Options::default() };
    if let Some(frames) = config.batch_frames {
        options.batch_frames_max = frames.max(1);
    }
    options
}

/// What was read, and how fast.
fn pace(progress: &Progress, elapsed: Duration) -> String {
    let Progress { files_done, bytes_read, frames, .. } = progress;
    let seconds = elapsed.as_secs_f64();
    format!("read {bytes_read} bytes and {frames} frames of {files_done} files in {seconds:.3} s")
}

//! `review`: what other programs exported in, every output out.

use std::fs::File;
use std::io;
use std::path::Path;

use capture::Unpacked;
use report::review::{ReviewError, Reviewer};
use report::{NameBook, OutputFolder, RunInfo};

use super::console::Console;
use super::reporting::{Reporting, Seen};
use super::{Outcome, anonymizing, inventory, judging, outputs, reporting, workers};
use crate::cli::ReviewConfig;

/// Reviews exports.
pub(super) fn review(config: ReviewConfig) -> Outcome {
    let mut console = Console::new(config.outputs.prints_notices);
    if let Err(error) = run(&config, &mut console) {
        console.fail(&error);
    }
    console.outcome
}

/// An error ends the run; what is said on the way does not.
fn run(config: &ReviewConfig, console: &mut Console) -> Result<(), String> {
    if let Some(file) = outputs::file_named_twice(&config.outputs, &config.inputs) {
        let file = file.display();
        return Err(format!("{file} is named twice; an output needs a file of its own"));
    }
    let workers = workers(config.workers);
    let judge = judging::judge(&config.judging, &config.sensor)?.with_workers(workers);
    let anonymizer = anonymizing::anonymizer(&config.outputs, &judge)?;
    let inventory = inventory::of_option(config.inventory.as_deref())?;
    // An output folder that can't be made is said before hours of work, not after.
    let folder = config.outputs.out.as_deref().map(OutputFolder::create).transpose();
    let folder = folder.map_err(|error| error.to_string())?;
    // Half for what is followed, half for what waits to be written.
    let store = reporting::store(folder.as_ref(), config.memory_max, 1);
    let mut reviewer = Reviewer::new(config.memory_max / 2).with_store(store);
    let mut errors = Vec::new();
    for path in &config.inputs {
        let shown = path.display();
        let read = open(path).map_err(ReviewError::from).and_then(|mut text| {
            let report = reviewer.read(&mut text)?;
            Ok((report, text.has_trailer()))
        });
        match read {
            Ok((report, has_trailer)) => {
                if has_trailer {
                    let what = "bytes behind the end of the gzip data were left out";
                    console.notice(&format_args!("{shown}: {what}"));
                }
                for notice in report.notices {
                    console.notice(&format_args!("{shown}: {notice}"));
                }
            }
            Err(error) => {
                let error = format!("{shown}: {error}");
                console.fail(&error);
                errors.push(error);
            }
        }
    }
    let (reviewed, store) = reviewer.finish_into();
    let mut run = RunInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        sensor: config.sensor.clone(),
        home: config.judging.home.clone(),
        endpoints: config
            .judging
            .endpoints
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        inputs: config.inputs.iter().map(|path| path.display().to_string()).collect(),
        errors,
        bytes_read: reviewed.bytes_read,
        first_time: reviewed.first_time,
        last_time: reviewed.last_time,
        counters: reviewed.counters,
        review: Some(reviewed.info),
        ..RunInfo::default()
    };
    judge.sign(&mut run);
    let reporting = Reporting {
        outputs: &config.outputs,
        folder: folder.as_ref(),
        judge: &judge,
        anonymizer: anonymizer.as_ref(),
        inventory: inventory.as_ref(),
        workers,
    };
    let facts = reporting::collect(store, console);
    reporting.report(Seen { run, facts, names: NameBook::default(), silent: Vec::new() }, console)
}

fn open(path: &Path) -> io::Result<Unpacked> {
    if path == Path::new("-") {
        return Unpacked::new(Box::new(io::stdin()));
    }
    Unpacked::new(Box::new(File::open(path)?))
}

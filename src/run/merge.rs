//! `merge`: several saved runs become one report.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};

use report::state::State;
use report::{Anonymizer, OutputFolder};

use super::console::Console;
use super::{Outcome, anonymizing, inventory, outputs, saved, workers};
use crate::cli::MergeConfig;

/// Merges saved runs.
pub(super) fn merge(config: MergeConfig) -> Outcome {
    let mut console = Console::new(config.outputs.prints_notices);
    if let Err(error) = run(&config, &mut console) {
        console.fail(&error);
    }
    console.outcome
}

/// Writes the merged state to a file without a name, so that its connections, which judging takes and
/// joins, need not be there twice. The file stands at its beginning.
fn spool(
    state: &State,
    folder: &OutputFolder,
    anonymizer: Option<&Anonymizer>,
) -> io::Result<File> {
    let mut file = tempfile::tempfile_in(folder.path())?;
    let mut out = BufWriter::new(&mut file);
    match anonymizer {
        Some(anonymizer) => anonymizer.state(state.clone()).write(&mut out)?,
        None => state.write(&mut out)?,
    }
    out.flush()?;
    drop(out);
    file.rewind()?;
    Ok(file)
}

fn run(config: &MergeConfig, console: &mut Console) -> Result<(), String> {
    if let Some(file) = outputs::file_named_twice(&config.outputs, &config.runs) {
        let file = file.display();
        return Err(format!("{file} is named twice; an output needs a file of its own"));
    }
    let inventory = inventory::of_option(config.inventory.as_deref())?;
    let folder = config.outputs.out.as_deref().map(OutputFolder::create).transpose();
    let folder = folder.map_err(|error| error.to_string())?;
    let mut states = Vec::with_capacity(config.runs.len());
    for path in &config.runs {
        states.push(saved::read(path)?);
    }
    if config.judging.policies.is_empty() {
        // Before runs are put together that differ in nothing else.
        saved::policies(&states)?;
    }
    let mut state = State::merge(states);
    let differs = |part: &report::RunInfo| part.endpoints != state.run.endpoints;
    if config.judging.endpoints.is_none() && state.parts.iter().any(differs) {
        console.notice(
            &"the runs were judged by different endpoint lists; the built-in one is taken, \
              --endpoints names another",
        );
    }
    if state.parts.iter().any(|part| part.anonymized != state.run.anonymized) {
        console.notice(
            &"not all of the runs are anonymized, or not all by one key: the same host has several \
              addresses and names, and counts as often",
        );
    }
    let workers = workers(None);
    let judge = saved::judge(&config.judging, &state)?.with_workers(workers);
    let anonymizer = anonymizing::anonymizer(&config.outputs, &judge)?;
    if anonymizer.is_some() && !state.run.anonymized.is_empty() {
        return Err(
            "--anonymize: these runs are anonymized already, at least in part; leave it out, \
                    or merge the runs as they were"
                .to_owned(),
        );
    }
    if state.parts.is_empty() {
        judge.sign(&mut state.run);
    }
    let saved = folder.as_ref().map(|folder| spool(&state, folder, anonymizer.as_ref()));
    let (run, flows) = saved::judged(state, &judge);
    let judged = anonymizing::judged(anonymizer.as_ref(), &judge, run, flows);
    let report = anonymizing::report(&judged, &judge, inventory.as_ref(), anonymizer.as_ref());
    let content: &outputs::Content<'_> = &|out| match &saved {
        Some(Ok(file)) => io::copy(&mut &*file, out).map(|_| ()),
        Some(Err(error)) => Err(io::Error::new(error.kind(), error.to_string())),
        None => Ok(()),
    };
    outputs::write(console, &config.outputs, folder.as_ref(), &report, content, workers);
    Ok(())
}

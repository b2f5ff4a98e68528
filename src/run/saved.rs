//! Saved runs: where they are, and what they were judged by.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use report::state::State;
use report::{Judge, JudgedFlow, RunInfo};

use crate::cli::Judging;

/// Reads a saved run: a folder that `--out` wrote, or the file in it.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn read(path: &Path) -> Result<State, String> {
    let file = match path.is_dir() {
        true => path.join("state.tlsunset"),
        false => path.to_owned(),
    };
    let shown = file.display();
    let bytes = File::open(&file).map_err(|error| {
        format!("can't read {shown}: {error}; give a folder that --out wrote, or its state file")
    })?;
    State::read(BufReader::new(bytes)).map_err(|error| format!("{shown}: {error}"))
}

/// What judges a saved run: what was typed, else what judged it then.
///
/// # Errors
///
/// When the run does not say any more where its endpoint list is.
pub(super) fn judging(typed: &Judging, run: &RunInfo) -> Result<Judging, String> {
    if typed.endpoints.is_none() && !run.endpoints.is_empty() && !run.anonymized.is_empty() {
        return Err(
            "the run was judged by an endpoint list of its own, and is anonymized: say with \
                    --endpoints where the list is"
                .to_owned(),
        );
    }
    let or = |typed: &Vec<String>, saved: &Vec<String>| match typed.is_empty() {
        true => saved.clone(),
        false => typed.clone(),
    };
    let endpoints = || Some(run.endpoints.as_str()).filter(|path| !path.is_empty());
    Ok(Judging {
        policies: or(&typed.policies, &run.policies),
        endpoints: typed.endpoints.clone().or_else(|| endpoints().map(Into::into)),
        home: or(&typed.home, &run.home),
    })
}

/// Judges a saved run anew; its policies become those of the judge.
pub(super) fn judged(state: State, judge: &Judge) -> (RunInfo, Vec<JudgedFlow>) {
    let mut run = state.run.clone();
    run.policies = judge.policies().iter().map(|policy| policy.name.to_string()).collect();
    (run, judge.judge_saved(state.connections(judge.home())))
}

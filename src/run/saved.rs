//! Saved runs: where they are, and what they were judged by.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use report::state::State;
use report::{Judge, JudgeConfig, JudgedFlow, Policy, RunInfo};

use super::judging;
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
/// What is wrong with a name or a file, in words.
pub(super) fn judge(typed: &Judging, state: &State) -> Result<Judge, String> {
    let policies = match typed.policies.is_empty() {
        true => policies([state])?,
        false => judging::policies(&typed.policies)?,
    };
    judge_by(policies, typed, &state.run)
}

/// What judges a saved run by these policies.
///
/// # Errors
///
/// What is wrong with a name or a file, in words.
pub(super) fn judge_by(
    policies: Vec<Policy>,
    typed: &Judging,
    run: &RunInfo,
) -> Result<Judge, String> {
    let home = if typed.home.is_empty() { &run.home } else { &typed.home };
    let saved = || Some(run.endpoints.as_str()).filter(|path| !path.is_empty()).map(Path::new);
    let endpoints = match (typed.endpoints.as_deref(), saved()) {
        (None, Some(path)) => judging::endpoints(Some(path)).map_err(|error| {
            format!("{error}; the run was judged by this endpoint list: name one by --endpoints")
        })?,
        (typed, _) => judging::endpoints(typed)?,
    };
    Ok(Judge::new(JudgeConfig {
        policies,
        endpoints,
        home: judging::home(home)?,
        sensor: run.sensor.as_str().into(),
    }))
}

/// The policies that saved runs were judged by, each once.
///
/// # Errors
///
/// When a policy is not known any more, and when two differ under one name.
pub(super) fn policies<'a>(
    states: impl IntoIterator<Item = &'a State>,
) -> Result<Vec<Policy>, String> {
    let mut found: Vec<Policy> = Vec::new();
    // A file that was made by hand may name none.
    for run in states.into_iter().flat_map(runs) {
        for name in &run.policies {
            let policy = match run.policy_texts.get(name) {
                Some(text) => Policy::from_toml(text)
                    .map_err(|error| format!("the policy `{name}` of a saved run: {error}"))?,
                None => Policy::builtin(name).ok_or_else(|| {
                    format!("a saved run was judged by `{name}`; --policy names another policy")
                })?,
            };
            match found.iter().find(|known| known.name == policy.name) {
                None => found.push(policy),
                Some(known) if *known == policy => {}
                Some(_) => {
                    return Err(format!(
                        "the runs were judged by two different policies called `{name}`; \
                         --policy says which to take"
                    ));
                }
            }
        }
    }
    if found.is_empty() { judging::policies(&[]) } else { Ok(found) }
}

/// The runs that a state is made of.
fn runs(state: &State) -> &[RunInfo] {
    if state.parts.is_empty() { std::slice::from_ref(&state.run) } else { &state.parts }
}

/// Judges a saved run anew; its policies become those of the judge.
pub(super) fn judged(state: State, judge: &Judge) -> (RunInfo, Vec<JudgedFlow>) {
    let mut run = state.run.clone();
    judge.sign(&mut run);
    (run, judge.judge_saved(state.connections(judge.home())))
}

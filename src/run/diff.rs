//! `diff`: saved runs compared, the earlier with the later.

use report::diff::{Diff, Snapshot};
use report::state::State;
use report::{Policy, Report};

use super::console::{Console, text_style};
use super::{Outcome, judging, saved};
use crate::cli::{DiffArguments, Judging, Target, UsageError};

/// Compares runs.
pub(super) fn diff(arguments: DiffArguments) -> Outcome {
    let mut console = Console::new(!arguments.quiet);
    if let Err(error) = run(arguments, &mut console) {
        console.fail(&error);
    }
    console.outcome
}

fn run(arguments: DiffArguments, console: &mut Console) -> Result<(), String> {
    let targets =
        [arguments.csv.as_deref().map(Target::of), arguments.burn_down.as_deref().map(Target::of)];
    if targets == [Some(Target::Stdout), Some(Target::Stdout)] {
        return Err(UsageError::StdoutTwice.to_string());
    }
    let mut states = Vec::with_capacity(arguments.runs.len());
    for path in &arguments.runs {
        states.push((path.display().to_string(), saved::read(path)?));
    }
    let is_other = |state: &State| state.run.anonymized != states[0].1.run.anonymized;
    if states.iter().any(|(_, state)| is_other(state)) {
        console.notice(
            &"not all of the runs are anonymized, or not all by one key: a host of one is not found \
              in another",
        );
    }
    let typed: Judging = arguments.judging.into();
    let policies = match typed.policies.is_empty() {
        // Each run under every policy, or there would be nothing to compare.
        true => saved::policies(states.iter().map(|(_, state)| state))?,
        false => judging::policies(&typed.policies)?,
    };
    let names = policies.iter().map(|policy| policy.name.to_string()).collect();
    let mut runs = Vec::with_capacity(states.len());
    for (label, state) in states {
        runs.push(snapshot(&label, state, &policies, &typed)?);
    }
    if runs.len() > 2 {
        runs.sort_by_key(|run| run.first_time);
    } else if runs.is_sorted_by(|before, after| before.first_time > after.first_time) {
        console.notice(&"the first run is the later one; give the earlier one first");
    }
    let diff = Diff::new(runs, names);
    let [csv, burn_down] = targets;
    let has_files = csv.is_some() || burn_down.is_some();
    if let Some(target) = csv {
        console.put(&target, |out| diff.write_csv(out));
    }
    if let Some(target) = burn_down {
        console.put(&target, |out| diff.write_burn_down(out));
    }
    if !has_files && !arguments.quiet {
        let style = text_style(arguments.color);
        console.print(|out| diff.write_text(out, style));
    }
    console.outcome.check_failed = arguments.check && diff.any_breaks();
    Ok(())
}

/// What a run says under these policies.
fn snapshot(
    label: &str,
    state: State,
    policies: &[Policy],
    typed: &Judging,
) -> Result<Snapshot, String> {
    let judge = saved::judge_by(policies.to_vec(), typed, &state.run)
        .map_err(|error| format!("{label}: {error}"))?;
    let (run, flows) = saved::judged(state, &judge);
    let report = Report::new(&flows, &run, |addr| judge.home().contains(addr));
    Snapshot::of(label, &report).map_err(|error| format!("{label}: {error}"))
}

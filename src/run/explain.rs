//! `explain`: one host of a saved run in words, and the packets that prove it.

use report::{Explanation, HostQuery, Report};

use super::console::{Console, text_style};
use super::{Outcome, proof, saved};
use crate::cli::{ExplainArguments, Judging};

/// Explains a host.
pub(super) fn explain(arguments: ExplainArguments) -> Outcome {
    let mut console = Console::new(true);
    if let Err(error) = run(arguments, &mut console) {
        console.fail(&error);
    }
    console.outcome
}

fn run(arguments: ExplainArguments, console: &mut Console) -> Result<(), String> {
    let state = saved::read(&arguments.run)?;
    let typed: Judging = arguments.judging.into();
    let judge = saved::judge(&typed, &state)?;
    if arguments.proof.is_some() && !state.run.anonymized.is_empty() {
        return Err("--proof: the run is anonymized, so that its packets can't be found".to_owned());
    }
    let host = HostQuery::parse(&arguments.host);
    let is_merged = !state.parts.is_empty();
    let (run, flows) = saved::judged(state, &judge);
    let report = Report::new(&flows, &run, |addr| judge.home().contains(addr));
    let policies = judge.policies();
    let explanation =
        Explanation { report: &report, flows: &flows, policies, host: &host, is_merged };
    let found = explanation.flows();
    if found.is_empty() {
        let is_failed_address = host.is_failed_address();
        let (host, dir) = (&arguments.host, arguments.run.display());
        if is_failed_address {
            return Err(format!(
                "{host} is no address, and no server of that name was seen in {dir}; hosts.csv \
                 lists the hosts"
            ));
        }
        return Err(format!(
            "there is no connection of {host} in {dir}; hosts.csv lists the hosts, and flows.csv \
             the names of servers"
        ));
    }
    let style = text_style(arguments.color);
    console.print(|out| explanation.write(out, style));
    if let Some(file) = &arguments.proof {
        let inputs = match arguments.from.is_empty() {
            true => run.inputs.iter().map(Into::into).collect(),
            false => arguments.from,
        };
        proof::write(console, file, &inputs, &found, &judge)?;
    }
    Ok(())
}

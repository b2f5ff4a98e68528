//! `--anonymize`: the key, and pseudonyms between judging and reporting.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use dissect::FlowFacts;
use report::{AnonymizeKey, Anonymizer, Home, Inventory, Judge, JudgedFlow, Report, RunInfo};

use crate::cli::Outputs;

/// What gives the pseudonyms that were asked for.
///
/// # Errors
///
/// What is wrong with the key file, in words.
pub(super) fn anonymizer(outputs: &Outputs, judge: &Judge) -> Result<Option<Anonymizer>, String> {
    let Some(path) = &outputs.anonymize else { return Ok(None) };
    let key = read_key(path).map_err(|error| format!("--anonymize: {error}"))?;
    Ok(Some(Anonymizer::new(key, judge.endpoints(), judge.home())))
}

fn read_key(path: &Path) -> Result<AnonymizeKey, String> {
    let shown = path.display();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(AnonymizeKey::FILE_LEN_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("can't read {shown}: {error}"))?;
    AnonymizeKey::parse(&bytes).map_err(|error| format!("{shown}: {error}"))
}

/// What a report is made of.
pub(super) struct Judged {
    pub(super) run: RunInfo,
    pub(super) flows: Vec<JudgedFlow>,
    /// What counts as inside.
    pub(super) home: Home,
}

/// Judged connections as they are to be reported: under pseudonyms where those were asked for.
pub(super) fn judged(
    anonymizer: Option<&Anonymizer>,
    judge: &Judge,
    run: RunInfo,
    flows: Vec<JudgedFlow>,
) -> Judged {
    match anonymizer {
        None => Judged { run, flows, home: judge.home().clone() },
        Some(anonymizer) => Judged {
            run: anonymizer.run(run),
            flows: anonymizer.flows(flows),
            home: anonymizer.home(judge.home()),
        },
    }
}

/// What ended without a word, as it is to be saved.
pub(super) fn silent(
    anonymizer: Option<&Anonymizer>,
    silent: Vec<Box<FlowFacts>>,
) -> Vec<Box<FlowFacts>> {
    match anonymizer {
        None => silent,
        Some(anonymizer) => anonymizer.silent(silent),
    }
}

/// The report of them, with an inventory whose hosts are found among those of the report.
pub(super) fn report<'a>(
    judged: &'a Judged,
    judge: &Judge,
    inventory: Option<&Inventory>,
    anonymizer: Option<&Anonymizer>,
) -> Report<'a> {
    let Judged { run, flows, home } = judged;
    let report = Report::new(flows, run, |addr| home.contains(addr));
    finished(report, judge, inventory, anonymizer)
}

/// A report with its policies, and with an inventory whose hosts are found among its own.
pub(super) fn finished<'a>(
    report: Report<'a>,
    judge: &Judge,
    inventory: Option<&Inventory>,
    anonymizer: Option<&Anonymizer>,
) -> Report<'a> {
    let report = report.with_policies(judge.policies());
    let Some(inventory) = inventory else { return report };
    let inventory = match anonymizer {
        Some(anonymizer) => Cow::Owned(anonymizer.inventory(inventory)),
        None => Cow::Borrowed(inventory),
    };
    report.with_inventory(&inventory, judge.policies())
}

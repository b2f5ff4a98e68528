//! What the arguments mean.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{AnalyzeArguments, ColorChoice, CommonArguments};

/// Everything that a run needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunConfig {
    /// Files, folders and `-`.
    pub inputs: Vec<PathBuf>,
    /// A BPF expression.
    pub filter: Option<String>,
    /// Whether files are mapped instead of read.
    pub mmap: bool,
    /// Most frames in a batch; `None` for as many as fit.
    pub batch_frames: Option<usize>,
    /// Names or files of policies, at least one.
    pub policies: Vec<String>,
    /// The endpoint web service's JSON.
    pub endpoints: Option<PathBuf>,
    /// Products and versions of hosts, as CSV.
    pub inventory: Option<PathBuf>,
    /// What is inside, as typed; empty for the default ranges.
    pub home: Vec<String>,
    /// Workers; `None` for as many as there are processors.
    pub workers: Option<usize>,
    /// Bytes of flow state.
    pub memory_max: u64,
    /// Folder for all outputs.
    pub out: Option<PathBuf>,
    /// Single outputs and where they go.
    pub outputs: Vec<(Output, Target)>,
    /// Name of the sensor.
    pub sensor: String,
    /// Whether a host that breaks makes exit status 1.
    pub check: bool,
    /// Whether the summary for people is printed.
    pub prints_summary: bool,
    /// Whether notices are printed.
    pub prints_notices: bool,
    /// Whether more is said than needed.
    pub is_verbose: bool,
    /// When to use colours.
    pub color: ColorChoice,
    /// Whether progress may be shown.
    pub shows_progress: bool,
}

/// One of the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// `flows.csv`.
    Flows,
    /// `hosts.csv`.
    Hosts,
    /// `handshakes.csv`.
    Handshakes,
    /// `summary.json`.
    Summary,
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To standard output.
    Stdout,
    /// To a file.
    File(PathBuf),
}

impl Target {
    fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdout } else { Self::File(path.to_owned()) }
    }
}

/// Arguments that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// Two outputs would be mixed on standard output.
    #[error("only one output can go to standard output")]
    StdoutTwice,
    /// Standard input can be read once.
    #[error("standard input (-) can be given only once")]
    StdinTwice,
}

impl RunConfig {
    /// Checks the arguments of `analyze`.
    ///
    /// # Errors
    ///
    /// When they contradict each other.
    pub fn from_analyze(arguments: AnalyzeArguments) -> Result<Self, UsageError> {
        let AnalyzeArguments { inputs, common, filter, mmap, no_mmap: _, batch_frames } = arguments;
        if inputs.iter().filter(|input| input.as_os_str() == "-").count() > 1 {
            return Err(UsageError::StdinTwice);
        }
        let outputs = outputs(&common);
        if outputs.iter().filter(|(_, target)| *target == Target::Stdout).count() > 1 {
            return Err(UsageError::StdoutTwice);
        }
        Ok(Self {
            inputs,
            filter,
            mmap,
            batch_frames,
            policies: without_repetition(common.policies),
            endpoints: common.endpoints,
            inventory: common.inventory,
            home: common.home,
            workers: common.threads.map(usize::from),
            memory_max: common.memory,
            prints_summary: !common.quiet && common.out.is_none() && outputs.is_empty(),
            prints_notices: !common.quiet,
            out: common.out,
            outputs,
            sensor: common.sensor,
            check: common.check,
            is_verbose: common.verbose > 0,
            color: common.color,
            shows_progress: !common.no_progress && !common.quiet,
        })
    }
}

/// A policy that is named twice is applied once, where it stands first.
fn without_repetition(names: Vec<String>) -> Vec<String> {
    let mut kept = Vec::with_capacity(names.len());
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

fn outputs(common: &CommonArguments) -> Vec<(Output, Target)> {
    let files = [
        (Output::Flows, &common.flows),
        (Output::Hosts, &common.hosts),
        (Output::Handshakes, &common.handshakes),
        (Output::Summary, &common.summary),
    ];
    let given = files.into_iter().filter_map(|(output, path)| Some((output, path.as_ref()?)));
    given.map(|(output, path)| (output, Target::of(path))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, Command};
    use clap::Parser as _;

    fn config(line: &str) -> Result<RunConfig, UsageError> {
        let words = std::iter::once("tlsunset").chain(line.split_whitespace());
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Analyze(arguments) => RunConfig::from_analyze(*arguments),
            other => panic!("{other:?} has no such configuration"),
        }
    }

    #[test]
    fn the_summary_is_printed_when_nothing_else_is_asked_for() {
        let check = |line, expect| assert_eq!(config(line).unwrap().prints_summary, expect);
        check("analyze a.pcap", true);
        check("analyze a.pcap -q", false);
        check("analyze a.pcap --out dir", false);
        check("analyze a.pcap --hosts -", false);
    }

    #[test]
    fn standard_streams_are_used_once() {
        assert_eq!(config("analyze a --hosts - --flows -"), Err(UsageError::StdoutTwice));
        assert_eq!(config("analyze - -"), Err(UsageError::StdinTwice));
        let outputs = config("analyze - --hosts - --flows f").unwrap().outputs;
        let expect = [(Output::Flows, Target::File("f".into())), (Output::Hosts, Target::Stdout)];
        assert_eq!(outputs, expect);
    }

    #[test]
    fn a_policy_is_applied_once() {
        let policies = config("analyze a --policy x --policy y --policy x").unwrap().policies;
        assert_eq!(policies, ["x", "y"]);
    }
}

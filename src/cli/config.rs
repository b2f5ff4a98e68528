//! What the arguments mean.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{AnalyzeArguments, ColorChoice, FlowsFormat, JudgingArguments, OutputArguments};

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
    /// What judges.
    pub judging: Judging,
    /// Products and versions of hosts, as CSV.
    pub inventory: Option<PathBuf>,
    /// Workers; `None` for as many as there are processors.
    pub workers: Option<usize>,
    /// Bytes of flow state.
    pub memory_max: u64,
    /// What is written where.
    pub outputs: Outputs,
    /// Name of the sensor.
    pub sensor: String,
    /// Whether more is said than needed.
    pub is_verbose: bool,
    /// Whether progress may be shown.
    pub shows_progress: bool,
}

/// What judges, as typed: nothing of it was looked up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judging {
    /// Names of policies; empty for the default, or those of a saved run.
    pub policies: Vec<String>,
    /// The endpoint web service's JSON.
    pub endpoints: Option<PathBuf>,
    /// What is inside; empty for the default ranges, or those of a saved run.
    pub home: Vec<String>,
}

/// What is written where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// Folder for all outputs.
    pub out: Option<PathBuf>,
    /// Single outputs and where they go.
    pub single: Vec<(Output, Target)>,
    /// How the connections are written.
    pub flows_format: FlowsFormat,
    /// The file of the key that pseudonyms are made by.
    pub anonymize: Option<PathBuf>,
    /// Whether a host that breaks makes exit status 1.
    pub check: bool,
    /// Whether the summary for people is printed.
    pub prints_summary: bool,
    /// Whether notices are printed.
    pub prints_notices: bool,
    /// When to use colours.
    pub color: ColorChoice,
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
    /// `report.html`.
    Html,
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
    /// Standard output for `-`, else the file of this name.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdout } else { Self::File(path.to_owned()) }
    }
}

/// Arguments that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UsageError {
    /// An interface is named twice.
    #[error("interface {name} is given twice; its frames would count twice")]
    InterfaceTwice {
        /// The interface.
        name: String,
    },
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
        Ok(Self {
            inputs,
            filter,
            mmap,
            batch_frames,
            judging: common.judging.into(),
            inventory: common.inventory,
            workers: common.threads.map(usize::from),
            memory_max: common.memory,
            shows_progress: !common.no_progress && !common.outputs.quiet,
            outputs: Outputs::from_arguments(common.outputs)?,
            sensor: common.sensor,
            is_verbose: common.verbose > 0,
        })
    }
}

impl From<JudgingArguments> for Judging {
    fn from(arguments: JudgingArguments) -> Self {
        let JudgingArguments { policies, endpoints, home } = arguments;
        Self { policies: without_repetition(policies), endpoints, home }
    }
}

impl Outputs {
    /// Checks the options that say what is written where.
    ///
    /// # Errors
    ///
    /// When two outputs would be mixed on standard output.
    pub fn from_arguments(arguments: OutputArguments) -> Result<Self, UsageError> {
        let single = single_outputs(&arguments);
        if single.iter().filter(|(_, target)| *target == Target::Stdout).count() > 1 {
            return Err(UsageError::StdoutTwice);
        }
        Ok(Self {
            prints_summary: !arguments.quiet && arguments.out.is_none() && single.is_empty(),
            prints_notices: !arguments.quiet,
            out: arguments.out,
            single,
            flows_format: arguments.flows_format,
            anonymize: arguments.anonymize,
            check: arguments.check,
            color: arguments.color,
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

fn single_outputs(arguments: &OutputArguments) -> Vec<(Output, Target)> {
    let files = [
        (Output::Flows, &arguments.flows),
        (Output::Hosts, &arguments.hosts),
        (Output::Handshakes, &arguments.handshakes),
        (Output::Summary, &arguments.summary),
        (Output::Html, &arguments.html),
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
        let check = |line, expect| assert_eq!(config(line).unwrap().outputs.prints_summary, expect);
        check("analyze a.pcap", true);
        check("analyze a.pcap -q", false);
        check("analyze a.pcap --out dir", false);
        check("analyze a.pcap --hosts -", false);
    }

    #[test]
    fn standard_streams_are_used_once() {
        assert_eq!(config("analyze a --hosts - --flows -"), Err(UsageError::StdoutTwice));
        assert_eq!(config("analyze - -"), Err(UsageError::StdinTwice));
        let outputs = config("analyze - --hosts - --flows f").unwrap().outputs.single;
        let expect = [(Output::Flows, Target::File("f".into())), (Output::Hosts, Target::Stdout)];
        assert_eq!(outputs, expect);
    }

    #[test]
    fn a_policy_is_applied_once() {
        let policies =
            config("analyze a --policy x --policy y --policy x").unwrap().judging.policies;
        assert_eq!(policies, ["x", "y"]);
    }
}

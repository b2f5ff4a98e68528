//! Arguments of the commands that read saved runs.

use std::path::PathBuf;

use clap::Args;

use super::{ColorChoice, Judging, JudgingArguments, OutputArguments, Outputs, UsageError};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset explain report/ 10.20.1.11             every connection of a host, in words
  tlsunset explain report/ outlook.office365.com  every connection to a name
  tlsunset explain report/ 10.20.1.11 --proof ticket.pcapng
  tlsunset explain report/ 10.20.1.11 --proof ticket.pcapng --from /captures/monday/

The proof holds the packets that decide: SYN, hellos and what else the
handshake needs, alerts, the first encrypted records, FIN and RST. They are
copied from the capture that was analyzed; --from says where it is now.")]
pub struct ExplainArguments {
    /// A folder that --out wrote, or its state.tlsunset
    #[arg(value_name = "DIR")]
    pub run: PathBuf,

    /// An address, or the name of a server
    #[arg(value_name = "HOST")]
    pub host: String,

    /// What judges.
    #[command(flatten)]
    pub judging: JudgingArguments,

    /// Copy the packets that decide into this pcapng file
    #[arg(long, value_name = "FILE")]
    pub proof: Option<PathBuf>,

    /// Where the packets are (repeatable) [default: the inputs of the saved run]
    #[arg(long, value_name = "INPUT", num_args = 1.., requires = "proof")]
    pub from: Vec<PathBuf>,

    /// Whether to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset diff monday/ friday/                  what was fixed, what is still old, what is new
  tlsunset diff --csv - monday/ friday/          a row for each host
  tlsunset diff --burn-down chart.csv week*/     a row for each run
  tlsunset diff --check monday/ friday/ || echo not there yet

A host that is not seen any more is never called fixed: it is silent since.
More than two runs are compared in the order of time.")]
pub struct DiffArguments {
    /// Folders that --out wrote, or state files: before, after, and more
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    pub runs: Vec<PathBuf>,

    /// What judges.
    #[command(flatten)]
    pub judging: JudgingArguments,

    /// Write a row for each host as CSV to FILE, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,

    /// Write a row for each run as CSV to FILE, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub burn_down: Option<PathBuf>,

    /// Exit with status 1 when any host breaks in the last run, or relapsed
    #[arg(long)]
    pub check: bool,

    /// Print nothing but errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Whether to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// Arguments of `merge`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset merge east/ west/ --out all/        two sensors, one report
  tlsunset merge monday/ tuesday/ --hosts -    hosts.csv of both days to standard output

A connection that several runs saw counts once, and the more complete facts
win: one sensor may have seen the client and another the server, also on the
two sides of an address translation. A run that is given twice, or is part of a
merged one, counts once.")]
pub struct MergeArguments {
    /// Folders that --out wrote, or state files
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,

    /// What judges.
    #[command(flatten)]
    pub judging: JudgingArguments,

    /// Join products and versions of hosts into the verdicts, from a CSV file (host, product,
    /// version)
    #[arg(long, value_name = "FILE.csv")]
    pub inventory: Option<PathBuf>,

    /// What is written where.
    #[command(flatten)]
    pub outputs: OutputArguments,
}

/// What `merge` needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeConfig {
    /// Saved runs.
    pub runs: Vec<PathBuf>,
    /// What judges.
    pub judging: Judging,
    /// Products and versions of hosts, as CSV.
    pub inventory: Option<PathBuf>,
    /// What is written where.
    pub outputs: Outputs,
}

impl MergeConfig {
    /// Checks the arguments of `merge`.
    ///
    /// # Errors
    ///
    /// When they contradict each other.
    pub fn from_arguments(arguments: MergeArguments) -> Result<Self, UsageError> {
        let MergeArguments { runs, judging, inventory, outputs } = arguments;
        let outputs = Outputs::from_arguments(outputs)?;
        Ok(Self { runs, judging: judging.into(), inventory, outputs })
    }
}

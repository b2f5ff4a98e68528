//! What was typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::{
    DiffArguments, ExplainArguments, GenerateArguments, LiveArguments, MergeArguments,
    ReviewArguments, parse_memory,
};

/// Finds the hosts that stop talking to Office 365 when TLS 1.0 and 1.1 are switched off.
///
/// It reads traffic and nothing else: it sends no packet, and decrypts nothing but the openings of
/// QUIC, whose keys are public.
#[derive(Debug, Parser)]
#[command(name = "tlsunset", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  tlsunset analyze office.pcap
  tlsunset analyze --out report/ captures/
  tcpdump -i eth1 -w - 'tcp' | tlsunset analyze -
  tlsunset explain report/ 10.20.1.11
  tlsunset review export.csv
  tlsunset live -i eth1 --out /var/lib/tlsunset --rotate 1h
  tlsunset analyze --help                   options and examples of a command

Exit status: 0 done; 1 only with --check, when some host breaks; 2 when something failed.")]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Analyze capture files
    Analyze(Box<AnalyzeArguments>),
    /// Compare runs: what was fixed, what is still old, new, relapsed or silent
    Diff(DiffArguments),
    /// Show the endpoint list of Microsoft 365 in use, and check another one
    #[command(subcommand)]
    Endpoints(EndpointsCommand),
    /// Explain every connection of one host in words, with the evidence
    Explain(ExplainArguments),
    /// Print manual pages and shell completions, for packages and shells
    Generate(GenerateArguments),
    /// Compare products and versions with what TLS 1.2 needs, without a capture
    #[command(subcommand)]
    Inventory(InventoryCommand),
    /// Listen on interfaces: mirror ports, for as long as it takes
    Live(Box<LiveArguments>),
    /// Make one report of several runs or sensors
    Merge(MergeArguments),
    /// Show what can be enforced, and check policy files
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Read what Wireshark, tshark, Zeek or Suricata exported instead of a capture
    Review(Box<ReviewArguments>),
}

/// What to do with inventories.
#[derive(Debug, Subcommand)]
pub enum InventoryCommand {
    /// Say of each row whether its version can do TLS 1.2
    #[command(after_help = "\
Examples:
  tlsunset inventory check hosts.csv
  tlsunset analyze --inventory hosts.csv office.pcap   the same, joined with what was seen")]
    Check {
        /// CSV with columns for host, product and version
        file: PathBuf,
    },
}

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// List the built-in policies
    #[command(after_help = "\
Examples:
  tlsunset policy list
  tlsunset analyze --policy tls13-only --policy pci-dss-4 office.pcap   two of them at once")]
    List,
    /// Print a built-in policy as TOML, to be copied and changed
    #[command(after_help = "\
Examples:
  tlsunset policy show office365-tls12 > ours.toml")]
    Show {
        /// Name of the policy
        name: String,
    },
    /// Say whether a TOML file is a sound policy, and what is wrong with it
    #[command(after_help = "\
Examples:
  tlsunset policy check ours.toml
  tlsunset analyze --policy ours.toml office.pcap")]
    Check {
        /// The file
        file: PathBuf,
    },
}

/// What to do with endpoint lists.
#[derive(Debug, Subcommand)]
pub enum EndpointsCommand {
    /// Print a list: services, names, networks and ports
    #[command(after_help = "\
Examples:
  tlsunset endpoints show                   the built-in list
  tlsunset endpoints show worldwide.json    what would be in use with --endpoints worldwide.json")]
    Show {
        /// Microsoft's endpoint web-service JSON [default: the built-in list]
        file: Option<PathBuf>,
    },
    /// Say whether a file is a sound list, what is in it, and what is left out
    #[command(after_help = "\
Examples:
  curl 'https://endpoints.office.com/endpoints/worldwide?clientrequestid=...' > worldwide.json
  tlsunset endpoints check worldwide.json")]
    Check {
        /// Microsoft's endpoint web-service JSON
        file: PathBuf,
    },
}

/// Arguments of `analyze`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset analyze office.pcap                   the answer on the terminal
  tlsunset analyze --out report/ captures/       every file below captures/, all outputs to report/
  tlsunset analyze --hosts - office.pcapng.gz    hosts.csv to standard output
  tlsunset analyze --html report.html office.pcap
  tlsunset analyze --check --home 203.0.113.0/24 office.pcap && echo nobody breaks")]
pub struct AnalyzeArguments {
    /// Capture files (pcap, pcapng, also compressed), directories, or - for standard input
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,

    /// Options that several commands share.
    #[command(flatten)]
    pub common: CommonArguments,

    /// Only frames that match this BPF filter, as tcpdump takes it
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// Map files into memory instead of reading them
    #[arg(long, overrides_with = "no_mmap")]
    pub mmap: bool,

    /// Read files instead of mapping them into memory (the default)
    #[arg(long)]
    pub no_mmap: bool,

    /// Most frames in a batch; smaller ones only cost time
    #[arg(long, value_name = "N", hide = true)]
    pub batch_frames: Option<usize>,
}

/// Options that several commands share.
#[derive(Debug, Args)]
pub struct CommonArguments {
    /// What is to be enforced, and on whom.
    #[command(flatten)]
    pub judging: JudgingArguments,

    /// Hosts with products and versions (CSV), joined into the verdicts
    #[arg(long, value_name = "FILE")]
    pub inventory: Option<PathBuf>,

    /// Workers [default: the processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Ceiling for connections in memory, at least 16M
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_memory)]
    pub memory: u64,

    /// What is written where.
    #[command(flatten)]
    pub outputs: OutputArguments,

    /// Name of the sensor, carried in every row
    #[arg(long, value_name = "NAME", default_value = "")]
    pub sensor: String,

    /// Say more of what is done
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Show no progress
    #[arg(long)]
    pub no_progress: bool,
}

/// What is to be enforced, and on whom.
#[derive(Debug, Args)]
pub struct JudgingArguments {
    /// What is to be enforced: a built-in policy or a TOML file (repeatable) [default:
    /// office365-tls12; of a saved run, its own]
    #[arg(long = "policy", value_name = "NAME or FILE")]
    pub policies: Vec<String>,

    /// Microsoft's endpoint web-service JSON instead of the built-in list
    #[arg(long, value_name = "FILE")]
    pub endpoints: Option<PathBuf>,

    /// What counts as inside (repeatable) [default: private, loopback and link-local ranges]
    #[arg(long, value_name = "CIDR")]
    pub home: Vec<String>,
}

/// What is written where.
#[derive(Debug, Args)]
pub struct OutputArguments {
    /// Write every output with its default name into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Write the connections to FILE, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub flows: Option<PathBuf>,

    /// How the connections are written
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub flows_format: FlowsFormat,

    /// Write the hosts as CSV
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,

    /// Write the handshake messages as CSV in Wireshark's columns
    #[arg(long, value_name = "FILE")]
    pub handshakes: Option<PathBuf>,

    /// Write the summary as JSON
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,

    /// Write pseudonyms instead of names and addresses, by the key in this file
    #[arg(long, value_name = "KEYFILE")]
    pub anonymize: Option<PathBuf>,
    /// Write the report for people as one HTML file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Exit with status 1 when any host breaks
    #[arg(long)]
    pub check: bool,

    /// Print no summary and no notices, only errors
    #[arg(short, long)]
    pub quiet: bool,

    /// Whether to use colours
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// How the connections are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FlowsFormat {
    /// CSV with a header
    Csv,
    /// One JSON object a line, with the same keys
    Jsonl,
    /// Zeek's ssl.log, tab-separated
    Zeek,
    /// Zeek's ssl.log as JSON
    ZeekJson,
    /// Suricata's EVE, events of type tls
    Eve,
    /// Elastic Common Schema 9
    Ecs,
    /// OCSF 1.x, class Network Activity
    Ocsf,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}

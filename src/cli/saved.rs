//! Arguments of the commands that read saved runs.

use std::path::PathBuf;

use clap::Args;

use super::{ColorChoice, JudgingArguments};

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset explain report/ 10.20.1.11             every connection of a host, in words
  tlsunset explain report/ outlook.office365.com  every connection to a name
  tlsunset explain report/ 10.20.1.11 --proof ticket.pcapng
  tlsunset explain report/ 10.20.1.11 --proof ticket.pcapng --from /captures/monday/

The proof holds the packets that decide: SYN, hellos and what else the handshake needs, alerts,
the first encrypted records, FIN and RST. They are copied from the capture that was analyzed;
--from says where it is now.")]
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

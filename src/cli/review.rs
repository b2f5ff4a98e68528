//! Arguments of `review`.

use std::path::PathBuf;

use clap::Args;

use super::{CommonArguments, Judging, Outputs, UsageError};

/// Arguments of `review`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset review packets.csv                 File, Export Packet Dissections, As CSV in Wireshark
  tlsunset review --out report/ monday.csv tuesday.csv
  tshark -n -r office.pcap -T ek -J 'frame ip ipv6 tcp udp tls' | tlsunset review -
  tlsunset review --hosts - ssl.log eve.json

Reads packet lists (CSV), `tshark -T fields -E header=y` with any separator,
`tshark -T json` and `-T ek`, handshakes.csv, ssl.log of Zeek (its own format
and JSON) and the tls events of Suricata's EVE log, told by content, plain or
packed with gzip, zstd or lz4. What such a text leaves out stays unknown: a
packet list tells which version a server selected and nothing of what the
client offered.")]
pub struct ReviewArguments {
    /// Exports, or - for standard input
    #[arg(required = true, value_name = "CSV")]
    pub inputs: Vec<PathBuf>,

    /// Options that several commands share.
    #[command(flatten)]
    pub common: CommonArguments,
}

/// What `review` needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewConfig {
    /// Files and `-`.
    pub inputs: Vec<PathBuf>,
    /// What judges.
    pub judging: Judging,
    /// Products and versions of hosts, as CSV.
    pub inventory: Option<PathBuf>,
    /// Workers that write outputs; `None` for as many as there are processors.
    pub workers: Option<usize>,
    /// Bytes for connections that are followed.
    pub memory_max: u64,
    /// What is written where.
    pub outputs: Outputs,
    /// Name of the sensor.
    pub sensor: String,
}

impl ReviewConfig {
    /// Checks the arguments of `review`.
    ///
    /// # Errors
    ///
    /// When they contradict each other.
    pub fn from_arguments(arguments: ReviewArguments) -> Result<Self, UsageError> {
        let ReviewArguments { inputs, common } = arguments;
        if inputs.iter().filter(|input| input.as_os_str() == "-").count() > 1 {
            return Err(UsageError::StdinTwice);
        }
        Ok(Self {
            inputs,
            judging: common.judging.into(),
            inventory: common.inventory,
            workers: common.threads.map(usize::from),
            memory_max: common.memory,
            outputs: Outputs::from_arguments(common.outputs)?,
            sensor: common.sensor,
        })
    }
}

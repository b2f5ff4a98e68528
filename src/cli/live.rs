//! Arguments of `live`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{CommonArguments, Judging, Outputs, UsageError, parse_size};

/// Arguments of `live`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tlsunset live -i eth1                           until Ctrl-C, then the answer on the terminal
  tlsunset live -i eth1 -i eth2 --out report/     two mirror ports, one for each direction
  tlsunset live -i eth1 --out /var/lib/tlsunset --rotate 1h --keep 90d --metrics 9488
  tlsunset live -i eth1 --out report/ --tui       with a screen: rates, drops, hosts that break
  tlsunset merge /var/lib/tlsunset/2026-11-*/     a month of intervals as one report

Capturing needs the capability CAP_NET_RAW and nothing else:
  sudo setcap cap_net_raw+ep \"$(command -v tlsunset)\"

SIGINT and SIGTERM end the run with complete files and status 0. SIGHUP reads
policies, endpoints and inventory again.")]
pub struct LiveArguments {
    /// Interface to listen on (repeatable); `any` for all
    #[arg(short, long = "interface", value_name = "IF", required_unless_present = "list")]
    pub interfaces: Vec<String>,

    /// List the interfaces and end
    #[arg(long)]
    pub list: bool,

    /// Options that several commands share.
    #[command(flatten)]
    pub common: CommonArguments,

    /// Only frames that match this BPF filter, as tcpdump takes it; the kernel drops the others
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,

    /// Kernel buffer for each interface
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_buffer)]
    pub buffer: u32,

    /// Bytes captured of a frame
    #[arg(long, value_name = "N", default_value_t = 262_144,
          value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub snaplen: u32,

    /// Take only frames that are for this host
    #[arg(long)]
    pub no_promiscuous: bool,

    /// Write a report folder for each stretch of time, such as 1h, into the folder of --out
    #[arg(long, value_name = "TIME", requires = "out", value_parser = parse_interval,
          conflicts_with_all = ["flows", "hosts", "handshakes", "summary", "html"])]
    pub rotate: Option<Duration>,

    /// Remove older report folders: keep this many, or those of a time such as 90d
    #[arg(long, value_name = "N or TIME", requires = "rotate", value_parser = parse_keep)]
    pub keep: Option<Keep>,

    /// Serve metrics for Prometheus on this address or port, of loopback when there is only a port
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub metrics: Option<SocketAddr>,

    /// Run this command the first time a host is seen that breaks, with what is known of it as
    /// JSON on its standard input
    #[arg(long, value_name = "CMD")]
    pub on_break: Option<String>,

    /// Become this user once the interfaces are open
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// Show rates, drops, versions and hosts that break on the terminal while the run goes on; q ends it
    #[arg(long)]
    pub tui: bool,

    /// Don't confine the program once the interfaces are open
    #[arg(long)]
    pub no_sandbox: bool,
}

/// What `live` needs to know, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveConfig {
    /// Interfaces to listen on; empty to list them.
    pub interfaces: Vec<String>,
    /// A BPF expression.
    pub filter: Option<String>,
    /// Bytes of the kernel's buffer for each interface.
    pub buffer_bytes: u32,
    /// Bytes captured of a frame.
    pub snap_len: u32,
    /// Whether to take frames that are not for this host.
    pub is_promiscuous: bool,
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
    /// How long an interval is.
    pub rotate: Option<Duration>,
    /// Which intervals are kept.
    pub keep: Option<Keep>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// What is run when a host breaks for the first time.
    pub on_break: Option<String>,
    /// Who to become.
    pub user: Option<String>,
    /// Whether to show a screen on the terminal.
    pub has_screen: bool,
    /// Whether to give up what is not needed.
    pub is_confined: bool,
}

/// Which report folders are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// This many, the newest.
    Count(usize),
    /// Those that began so long ago or less.
    Age(Duration),
}

impl LiveConfig {
    /// Checks the arguments of `live`.
    ///
    /// # Errors
    ///
    /// When they contradict each other.
    pub fn from_arguments(arguments: LiveArguments) -> Result<Self, UsageError> {
        let common = arguments.common;
        let mut interfaces = Vec::new();
        for name in arguments.interfaces {
            if interfaces.contains(&name) {
                return Err(UsageError::InterfaceTwice { name });
            }
            interfaces.push(name);
        }
        Ok(Self {
            interfaces: if arguments.list { Vec::new() } else { interfaces },
            filter: arguments.filter,
            buffer_bytes: arguments.buffer,
            snap_len: arguments.snaplen,
            is_promiscuous: !arguments.no_promiscuous,
            judging: common.judging.into(),
            inventory: common.inventory,
            workers: common.threads.map(usize::from),
            memory_max: common.memory,
            outputs: Outputs::from_arguments(common.outputs)?,
            sensor: common.sensor,
            rotate: arguments.rotate,
            keep: arguments.keep,
            metrics: arguments.metrics,
            on_break: arguments.on_break,
            user: arguments.user,
            has_screen: arguments.tui,
            is_confined: !arguments.no_sandbox,
        })
    }
}

/// Parses a time: digits and a unit s, m, h or d.
///
/// # Errors
///
/// A sentence that says what is allowed.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let usage = || "a time is a number and a unit s, m, h or d, such as 15m or 1h".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(usage)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(usage()),
    };
    let number: u32 = number.parse().map_err(|_| usage())?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_time(text)? {
        Duration::ZERO => Err("an interval lasts a second or more".to_owned()),
        interval => Ok(interval),
    }
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    match text.parse() {
        Ok(0) => Err("at least one has to be kept".to_owned()),
        Ok(count) => Ok(Keep::Count(count)),
        Err(_) => parse_time(text).map(Keep::Age),
    }
}

fn parse_buffer(text: &str) -> Result<u32, String> {
    // libpcap takes a signed number; a ring of less than a few blocks can't work.
    const RANGE: std::ops::RangeInclusive<u64> = 1 << 20..=(1 << 31) - 1;
    match parse_size(text)? {
        size if RANGE.contains(&size) => u32::try_from(size).map_err(|error| error.to_string()),
        _ => Err("a buffer has 1M to 2047M".to_owned()),
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let loopback = |port| SocketAddr::from((IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let port = text.strip_prefix(':').unwrap_or(text).parse().map(loopback);
    port.or_else(|_| text.parse())
        .map_err(|_| "a port, or an address with a port, such as 127.0.0.1:9488".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Arguments, Command};
    use clap::Parser as _;

    fn parse(line: &str) -> Result<LiveConfig, String> {
        let words = ["tlsunset", "live"].into_iter().chain(line.split_whitespace());
        match Arguments::try_parse_from(words).map_err(|error| error.to_string())?.command {
            Command::Live(arguments) => {
                LiveConfig::from_arguments(*arguments).map_err(|error| error.to_string())
            }
            other => panic!("{other:?} is another command"),
        }
    }

    #[test]
    fn times_have_units() {
        let check = |text, expect: Option<u64>| {
            assert_eq!(parse_time(text).ok(), expect.map(Duration::from_secs), "{text}");
        };
        check("90s", Some(90));
        check("15m", Some(900));
        check("1h", Some(3600));
        check("90d", Some(90 * 86_400));
        for bad in ["", "1", "h", "1.5h", "-1h", "1w", "99999999999h", "1é"] {
            check(bad, None);
        }
    }

    #[test]
    fn rotation_needs_a_folder_of_its_own() {
        let config = parse("-i a -i b --out o --rotate 1h --keep 48").unwrap();
        assert_eq!(config.interfaces, ["a", "b"]);
        assert_eq!(config.keep, Some(Keep::Count(48)));
        assert_eq!(
            parse("-i a --out o --rotate 1h --keep 7d").unwrap().keep,
            Some(Keep::Age(Duration::from_secs(7 * 86_400)))
        );
        for bad in [
            "",
            "-i a -i a",
            "-i a --rotate 1h",
            "-i a --out o --keep 3",
            "-i a --out o --rotate 0s",
            "-i a --out o --rotate 1h --keep 0",
            "-i a --out o --rotate 1h --hosts -",
            "-i a --out o --rotate 1h --html x",
            "-i a --buffer 10",
            "-i a --buffer 3G",
            "-i a --metrics x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn metrics_stay_on_loopback_unless_told_otherwise() {
        let metrics = |text: &str| parse(&format!("-i a --metrics {text}")).unwrap().metrics;
        assert_eq!(metrics("9488"), Some(([127, 0, 0, 1], 9488).into()));
        assert_eq!(metrics(":9488"), Some(([127, 0, 0, 1], 9488).into()));
        assert_eq!(metrics("0.0.0.0:1"), Some(([0, 0, 0, 0], 1).into()));
        assert_eq!(metrics("[::1]:1").unwrap().to_string(), "[::1]:1");
    }
}

//! Runs a command from its configuration to its outputs: one file a command.
//!
//! Data goes to standard output, everything else to standard error. What fails is said when it
//! happens and counted into the exit status at the end; it keeps nothing else from being done.

mod analyze;
mod anonymizing;
mod console;
mod diff;
mod endpoints;
mod explain;
mod generate;
mod inventory;
mod judging;
#[cfg(feature = "libpcap")]
mod live;
mod merge;
mod outputs;
mod policies;
mod proof;
mod reporting;
mod review;
mod saved;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;

use dissect::Limits;

use crate::cli::{
    Arguments, Command, LiveConfig, MergeConfig, ReviewConfig, RunConfig, UsageError,
};
use crate::engine::Settings;
use crate::progress::say;

/// How a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    has_failed: bool,
    check_failed: bool,
}

impl Outcome {
    /// The one place where the exit status is decided.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self { has_failed: true, .. } => ExitCode::from(2),
            Self { check_failed: true, .. } => ExitCode::from(1),
            _ => ExitCode::SUCCESS,
        }
    }

    const FAILED: Self = Self { has_failed: true, check_failed: false };
}

/// Threads to work with: as many as were asked for, else one for each processor.
fn workers(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get))
}

/// How frames are dissected. Half of the memory is for connections at hand, the other for those
/// that wait to be written.
fn settings(workers_asked: Option<usize>, memory_max: u64) -> Settings {
    let memory_max = usize::try_from(memory_max / 2).unwrap_or(usize::MAX);
    Settings {
        workers: workers(workers_asked),
        limits: Limits { memory_max, ..Limits::default() },
        // A number that nobody on the wire can know; it changes nothing in the report.
        seed: RandomState::new().hash_one(std::process::id()),
    }
}

/// Runs what was asked for.
pub(crate) fn run(arguments: Arguments) -> Outcome {
    match arguments.command {
        Command::Analyze(arguments) => {
            checked(RunConfig::from_analyze(*arguments), analyze::analyze)
        }
        Command::Diff(arguments) => diff::diff(arguments),
        Command::Endpoints(command) => endpoints::endpoints(&command),
        Command::Explain(arguments) => explain::explain(arguments),
        Command::Generate(arguments) => generate::generate(&arguments),
        Command::Inventory(command) => inventory::inventory(&command),
        Command::Live(arguments) => checked(LiveConfig::from_arguments(*arguments), live),
        Command::Merge(arguments) => checked(MergeConfig::from_arguments(arguments), merge::merge),
        Command::Policy(command) => policies::policy(&command),
        Command::Review(arguments) => {
            checked(ReviewConfig::from_arguments(*arguments), review::review)
        }
    }
}

/// Listens on interfaces.
#[cfg(feature = "libpcap")]
fn live(config: LiveConfig) -> Outcome {
    live::live(config)
}

/// Says that this build can't listen.
#[cfg(not(feature = "libpcap"))]
fn live(_: LiveConfig) -> Outcome {
    say("error: this build has no libpcap to listen on interfaces with");
    Outcome::FAILED
}

/// Runs a command whose arguments don't contradict each other.
fn checked<C>(config: Result<C, UsageError>, command: impl FnOnce(C) -> Outcome) -> Outcome {
    match config {
        Ok(config) => command(config),
        Err(error) => {
            say(format_args!("error: {error}"));
            Outcome::FAILED
        }
    }
}

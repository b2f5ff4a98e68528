//! Finds the hosts that stop talking to Office 365 when TLS 1.0 and 1.1 are switched off.
//!
//! This package holds the command line ([`cli`]) and the threads ([`engine`]). Where frames come
//! from is `capture`, what they say is `dissect`, what it means is `report`.
#![forbid(unsafe_code)]

pub mod cli;
pub mod engine;
mod inventory;
mod policies;
mod progress;
mod run;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

/// Parses the arguments, runs the command and decides the exit status: 0 done, 1 with `--check`
/// when some host breaks, 2 when something failed. Status 2 outranks 1.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Printing fails when nobody listens, which is no failure of ours.
            let _ = error.print();
            let is_help =
                matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return ExitCode::from(if is_help { 0 } else { 2 });
        }
    };
    run::run(arguments).exit_code()
}

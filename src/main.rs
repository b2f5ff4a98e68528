//! The `tlsunset` command: arguments in, exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    tlsunset::main()
}

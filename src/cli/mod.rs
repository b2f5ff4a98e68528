//! The command line: what was typed ([`Arguments`]) and what it means ([`RunConfig`]).
//!
//! Nothing here opens a file or looks at the world.

mod arguments;
mod config;
mod size;

pub use arguments::{
    AnalyzeArguments, Arguments, ColorChoice, Command, CommonArguments, InventoryCommand,
    PolicyCommand,
};
pub use config::{Output, RunConfig, Target, UsageError};
pub use size::{MEMORY_MIN, parse_memory, parse_size};

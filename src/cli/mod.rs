//! The command line: what was typed ([`Arguments`]) and what it means ([`RunConfig`]).
//!
//! Nothing here opens a file or looks at the world.

mod arguments;
mod config;
mod saved;
mod size;

pub use arguments::{
    AnalyzeArguments, Arguments, ColorChoice, Command, CommonArguments, EndpointsCommand,
    FlowsFormat, JudgingArguments, OutputArguments,
};
pub use config::{Judging, Output, Outputs, RunConfig, Target, UsageError};
pub use saved::{DiffArguments, ExplainArguments, MergeArguments, MergeConfig};
pub use size::parse_size;

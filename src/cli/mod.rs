//! The command line: what was typed ([`Arguments`]) and what it means ([`RunConfig`]).
//!
//! Nothing here opens a file or looks at the world.

mod arguments;
mod config;
mod generate;
mod live;
mod review;
mod saved;
mod size;

pub use arguments::{
    AnalyzeArguments, Arguments, ColorChoice, Command, CommonArguments, EndpointsCommand,
    FlowsFormat, InventoryCommand, JudgingArguments, OutputArguments, PolicyCommand,
};
pub use config::{Judging, Output, Outputs, RunConfig, Target, UsageError};
pub use generate::{GenerateArguments, Kind};
pub use live::{Keep, LiveArguments, LiveConfig, parse_time};
pub use review::{ReviewArguments, ReviewConfig};
pub use saved::{DiffArguments, ExplainArguments, MergeArguments, MergeConfig};
pub use size::{MEMORY_MIN, parse_memory, parse_size};

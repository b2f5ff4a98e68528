//! `endpoints`: the endpoint list in use, and whether another one is sound.

use report::Endpoints;

use super::console::{Console, text_style};
use super::{Outcome, judging};
use crate::cli::{ColorChoice, EndpointsCommand};

/// Shows or checks an endpoint list.
pub(super) fn endpoints(command: &EndpointsCommand) -> Outcome {
    let mut console = Console::new(true);
    let style = text_style(ColorChoice::Auto);
    let list = match command {
        EndpointsCommand::Show { file: None } => Ok(Endpoints::builtin()),
        EndpointsCommand::Show { file: Some(file) } | EndpointsCommand::Check { file } => {
            judging::read_endpoints(file)
        }
    };
    match (list, command) {
        (Ok(list), EndpointsCommand::Show { .. }) => {
            console.print(|out| list.write_text(out, style));
        }
        (Ok(list), EndpointsCommand::Check { .. }) => {
            console.print(|out| list.write_counts(out, style));
        }
        (Err(error), _) => console.fail(&error),
    }
    console.outcome
}

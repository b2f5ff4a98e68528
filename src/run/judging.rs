//! Everything that judges, from names and files.

use std::path::Path;

use report::{Endpoints, Judge, JudgeConfig, Prefix};

use super::policies;
use crate::cli::Judging;

/// The judge that was asked for.
///
/// # Errors
///
/// What is wrong with a name or a file, in words.
pub(super) fn judge(judging: &Judging, sensor: &str) -> Result<Judge, String> {
    Ok(Judge::new(JudgeConfig {
        policies: policies::load(&judging.policies)
            .map_err(|error| format!("--policy: {error}"))?,
        endpoints: match &judging.endpoints {
            None => Endpoints::builtin(),
            Some(path) => read_endpoints(path)?,
        },
        home: home(&judging.home)?,
        sensor: sensor.into(),
    }))
}

fn home(texts: &[String]) -> Result<Vec<Prefix>, String> {
    let prefixes = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
    prefixes.map_err(|error: report::PrefixError| format!("--home: {error}"))
}

/// Reads an endpoint list.
///
/// # Errors
///
/// What is wrong with the file, in words.
pub(super) fn read_endpoints(path: &Path) -> Result<Endpoints, String> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("can't read {shown}: {error}"))?;
    Endpoints::from_json(&text).map_err(|error| format!("{shown}: {error}"))
}

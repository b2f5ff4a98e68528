//! Everything that judges, from names and files.

use std::path::Path;

use report::{Endpoints, Judge, JudgeConfig, Policy, Prefix};

use crate::cli::Judging;

/// The judge that was asked for.
///
/// # Errors
///
/// What is wrong with a name or a file, in words.
pub(super) fn judge(judging: &Judging, sensor: &str) -> Result<Judge, String> {
    Ok(Judge::new(JudgeConfig {
        policies: policies(&judging.policies)?,
        endpoints: endpoints(judging.endpoints.as_deref())?,
        home: home(&judging.home)?,
        sensor: sensor.into(),
    }))
}

/// The policies of these names and files.
///
/// # Errors
///
/// What is wrong with a name or a file, in words.
pub(super) fn policies(wanted: &[String]) -> Result<Vec<Policy>, String> {
    super::policies::load(wanted).map_err(|error| format!("--policy: {error}"))
}

/// The endpoint list of a file, else the built-in one.
///
/// # Errors
///
/// What is wrong with the file, in words.
pub(super) fn endpoints(path: Option<&Path>) -> Result<Endpoints, String> {
    path.map_or_else(|| Ok(Endpoints::builtin()), read_endpoints)
}

/// Networks from text.
///
/// # Errors
///
/// What is wrong with one of them, in words.
pub(super) fn home(texts: &[String]) -> Result<Vec<Prefix>, String> {
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

//! Policies by name or file, and the `policy` commands.

use std::fmt::Write as _;
use std::path::Path;

use report::{BUILTIN_NAMES, Policy};

use super::Outcome;
use super::console::Console;
use crate::cli::PolicyCommand;

/// A file of policies is text; nobody writes a longer one.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Lists, shows or checks policies.
pub(super) fn policy(command: &PolicyCommand) -> Outcome {
    let mut console = Console::new(true);
    console.answer(match command {
        PolicyCommand::List => Ok(list()),
        PolicyCommand::Show { name } => {
            Policy::builtin_toml(name).map(str::to_owned).ok_or_else(|| {
                let known = BUILTIN_NAMES.join(", ");
                format!("there is no built-in policy `{name}`; there are {known}")
            })
        }
        PolicyCommand::Check { file } => read(file).map(|it| describe(&it)),
    });
    console.outcome
}

/// The policies that were asked for, each once; the default where none was.
///
/// # Errors
///
/// What is wrong, when a name is unknown, a file is no policy, or two differ under one name.
pub(super) fn load(wanted: &[String]) -> Result<Vec<Policy>, String> {
    if wanted.is_empty() {
        return Ok(Policy::builtin(BUILTIN_NAMES[0]).into_iter().collect());
    }
    let mut policies: Vec<Policy> = Vec::new();
    for name in wanted {
        let policy = by_name_or_file(name)?;
        match policies.iter().find(|known| known.name == policy.name) {
            None => policies.push(policy),
            Some(known) if *known == policy => {}
            Some(_) => {
                let name = &policy.name;
                return Err(format!("two different policies are called `{name}`; rename one"));
            }
        }
    }
    Ok(policies)
}

fn by_name_or_file(name: &str) -> Result<Policy, String> {
    if let Some(policy) = Policy::builtin(name) {
        return Ok(policy);
    }
    let path = Path::new(name);
    if path.exists() {
        return read(path);
    }
    let known = BUILTIN_NAMES.join(", ");
    Err(format!("there is no policy and no file `{name}`; built-in policies are {known}"))
}

/// Reads a policy file.
fn read(path: &Path) -> Result<Policy, String> {
    let shown = path.display();
    let can_not = |error: std::io::Error| format!("can't read {shown}: {error}");
    let len = std::fs::metadata(path).map_err(can_not)?.len();
    if len > FILE_LEN_MAX {
        return Err(format!("{shown}: a policy has at most {FILE_LEN_MAX} bytes, this has {len}"));
    }
    let text = std::fs::read_to_string(path).map_err(can_not)?;
    Policy::from_toml(&text).map_err(|error| format!("{shown}: {error}"))
}

/// What `policy list` prints: a line for each policy.
fn list() -> String {
    let width = BUILTIN_NAMES.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for policy in BUILTIN_NAMES.iter().filter_map(|name| Policy::builtin(name)) {
        let since = policy.since.as_deref().unwrap_or("-");
        let title = &*policy.title;
        let name = &*policy.name;
        // Writing to a string can't fail.
        let _ = writeln!(out, "{name:width$}  {}  {since:10}  {title}", policy.minimum);
    }
    out
}

/// What `policy check` prints for a sound policy.
fn describe(policy: &Policy) -> String {
    let Policy { name, minimum, .. } = policy;
    let count = |accepted: &report::Accepted| match accepted {
        report::Accepted::Any => "any".to_owned(),
        report::Accepted::Only(list) => list.len().to_string(),
    };
    format!(
        "{name}: a sound policy; minimum {minimum}; TLS 1.2: {} suites, {} groups; \
         TLS 1.3: {} suites, {} groups\n",
        count(&policy.suites),
        count(&policy.groups),
        count(&policy.suites13),
        count(&policy.groups13),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_come_by_name_once_each() {
        let load = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            load(&names).map(|policies| policies.len())
        };
        assert_eq!(load(&["office365-tls12", "pci-dss-4", "office365-tls12"]), Ok(2));
        let error = load(&["office365"]).unwrap_err();
        assert!(error.contains("`office365`") && error.contains("office365-tls12"), "{error}");
    }

    #[test]
    fn every_built_in_policy_is_listed() {
        let list = list();
        assert_eq!(list.lines().count(), BUILTIN_NAMES.len());
        for (line, name) in list.lines().zip(BUILTIN_NAMES) {
            assert!(line.starts_with(name) && line.len() > name.len() + 30, "{line}");
        }
    }
}

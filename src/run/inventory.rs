//! Inventory files, and the `inventory` command.

use std::fmt::Write as _;
use std::path::Path;

use report::{Inventory, Standing};

use super::Outcome;
use super::console::Console;
use crate::cli::InventoryCommand;

/// Ten times what an inventory of the most rows takes that is read.
const FILE_LEN_MAX: u64 = 1 << 30;

/// Checks an inventory without a capture.
pub(super) fn inventory(command: &InventoryCommand) -> Outcome {
    let InventoryCommand::Check { file } = command;
    let mut console = Console::new(true);
    console.answer(read(file).map(|it| describe(&it)));
    console.outcome
}

/// The inventory that `--inventory` names, where it names one.
///
/// # Errors
///
/// What is wrong with the file, in words.
pub(super) fn of_option(path: Option<&Path>) -> Result<Option<Inventory>, String> {
    path.map(read).transpose().map_err(|error| format!("--inventory: {error}"))
}

/// Reads an inventory file.
pub(super) fn read(path: &Path) -> Result<Inventory, String> {
    let shown = path.display();
    let can_not = |error: std::io::Error| format!("can't read {shown}: {error}");
    let len = std::fs::metadata(path).map_err(can_not)?.len();
    if len > FILE_LEN_MAX {
        return Err(format!("{shown}: more than {FILE_LEN_MAX} bytes; split the file"));
    }
    let bytes = std::fs::read(path).map_err(can_not)?;
    Inventory::read(&bytes).map_err(|error| format!("{shown}: {error}"))
}

/// What `inventory check` prints: a line for each row, the worst first, and the count of each kind.
fn describe(inventory: &Inventory) -> String {
    let mut items: Vec<_> = inventory.items().iter().collect();
    items.sort_by_key(|item| item.standing);
    let width = items.iter().map(|item| printable(&item.host).chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    // Writing to a string can't fail.
    for item in &items {
        let (host, finding) = (printable(&item.host), printable(&item.finding()));
        let _ = writeln!(out, "{:15}  {host:width$}  {finding}", item.standing.name());
    }
    let count = |standing: Standing| items.iter().filter(|item| item.standing == standing).count();
    let _ = writeln!(
        out,
        "{} rows: {} below the minimum, {} never supported, {} need a setting, {} undecided, \
         {} to ask the vendor, {} unknown, {} meet it",
        items.len(),
        count(Standing::Below),
        count(Standing::Never),
        count(Standing::NeedsSetting),
        count(Standing::Undecided),
        count(Standing::AskVendor),
        count(Standing::UnknownProduct),
        count(Standing::Meets),
    );
    out
}

/// A text from a file that can't steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first_and_are_counted() {
        let text = "host,product,version\nA,Lync 2013,15.0.5093.1\nB\u{1b},Lync 2010,4\n";
        let shown = describe(&Inventory::read(text.as_bytes()).expect("an inventory"));
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[0].starts_with("never-supported") && lines[0].contains("B\u{fffd}"));
        assert!(lines[1].starts_with("meets"));
        assert!(lines[2].starts_with("2 rows: 0 below the minimum, 1 never supported"));
    }
}

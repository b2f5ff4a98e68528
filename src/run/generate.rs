//! `generate`: manual pages and completions, made from the command line's own description.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::{Generator as _, Shell};
use clap_mangen::Man;
use report::OutputFolder;

use super::Outcome;
use super::console::Console;
use crate::cli::{Arguments, GenerateArguments, Kind};

/// Prints or writes what was asked for.
pub(super) fn generate(arguments: &GenerateArguments) -> Outcome {
    let mut console = Console::new(true);
    let mut command = command();
    match (arguments.kind, &arguments.out) {
        (Kind::Man, None) => console.print(|out| write_page(out, &command)),
        (Kind::Man, Some(folder)) => {
            let mut pages = Vec::new();
            collect(&command, &mut pages);
            write_files(&mut console, folder, &pages);
        }
        (kind, out) => {
            let shell = shell(kind);
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command, NAME, &mut script);
            match out {
                None => console.print(|out| out.write_all(&script)),
                Some(folder) => {
                    write_files(&mut console, folder, &[(shell.file_name(NAME), script)])
                }
            }
        }
    }
    console.outcome
}

/// The command line, whose `help` commands are in nobody's way here.
fn command() -> Command {
    fn without_help(command: Command) -> Command {
        command.disable_help_subcommand(true).mut_subcommands(without_help)
    }
    let mut command = without_help(Arguments::command());
    command.build();
    command
}

const NAME: &str = "tlsunset";

const fn shell(kind: Kind) -> Shell {
    match kind {
        // Pages are for no shell; they are dealt with before.
        Kind::Man | Kind::CompleteBash => Shell::Bash,
        Kind::CompleteElvish => Shell::Elvish,
        Kind::CompleteFish => Shell::Fish,
        Kind::CompletePowershell => Shell::PowerShell,
        Kind::CompleteZsh => Shell::Zsh,
    }
}

fn write_files(console: &mut Console, folder: &Path, files: &[(String, Vec<u8>)]) {
    match OutputFolder::create(folder) {
        Err(error) => console.fail(&error),
        Ok(folder) => {
            for (name, content) in files {
                console.check(folder.write(name, |out| out.write_all(content)));
            }
        }
    }
}

/// The page of a command and those of the commands below it, by file name.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) {
    let mut page = Vec::new();
    write_page(&mut page, command).expect("memory takes everything");
    pages.push((format!("{}.1", page_name(command)), page));
    let below = command.get_subcommands().filter(|it| !it.is_hide_set());
    below.for_each(|command| collect(command, pages));
}

/// `tlsunset-policy-show`
fn page_name(command: &Command) -> String {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    name.replace(' ', "-")
}

fn write_page(out: &mut dyn Write, command: &Command) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let man = Man::new(command.clone())
        .title(page_name(command).to_uppercase())
        .source(format!("{NAME} {version}"))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    out.write_all(&page)?;
    if let Some(help) = command.get_after_help() {
        write_examples(out, &help.to_string())?;
    }
    Ok(())
}

/// What stands behind the options in `--help`: examples, line by line as they are, and paragraphs.
fn write_examples(out: &mut dyn Write, help: &str) -> io::Result<()> {
    let examples = help
        .strip_prefix("Examples:\n")
        .map_or(help, |rest| rest.split_once("\n\n").map_or(rest, |(examples, _)| examples));
    writeln!(out, ".SH EXAMPLES\n.nf")?;
    for line in examples.lines() {
        writeln!(out, "{}", roff(line.strip_prefix("  ").unwrap_or(line)))?;
    }
    writeln!(out, ".fi")?;
    let notes = help.split_once("\n\n").map_or("", |(_, notes)| notes);
    if !notes.is_empty() {
        writeln!(out, ".SH NOTES")?;
        for line in notes.lines() {
            writeln!(out, "{}", if line.is_empty() { ".PP".to_owned() } else { roff(line) })?;
        }
    }
    Ok(())
}

/// A line of text for roff: no escape, no request, and hyphens that can be copied.
fn roff(line: &str) -> String {
    let escaped = line.replace('\\', "\\e").replace('-', "\\-");
    if escaped.starts_with(['.', '\'']) { format!("\\&{escaped}") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_text_to_roff() {
        let check = |line, expect: &str| assert_eq!(roff(line), expect);
        check("tlsunset --out x", "tlsunset \\-\\-out x");
        check(".hidden", "\\&.hidden");
        check("'quoted' \\n", "\\&'quoted' \\en");
    }

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let mut pages = Vec::new();
        collect(&command(), &mut pages);
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
        for name in ["tlsunset.1", "tlsunset-analyze.1", "tlsunset-policy-show.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len());
    }
}

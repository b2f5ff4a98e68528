//! Manual pages, completions and the examples in `--help`.

mod common;

use std::process::Command;

use clap::{CommandFactory as _, Parser as _};
use common::{Folder, run};
use tlsunset::cli::Arguments;

/// Every command that does something, with the words that lead to it.
fn commands() -> Vec<(Vec<String>, clap::Command)> {
    fn collect(
        path: &[String],
        command: &clap::Command,
        found: &mut Vec<(Vec<String>, clap::Command)>,
    ) {
        if !command.has_subcommands() {
            found.push((path.to_vec(), command.clone()));
        }
        for below in command.get_subcommands().filter(|it| it.get_name() != "help") {
            let path: Vec<String> =
                path.iter().cloned().chain([below.get_name().to_owned()]).collect();
            collect(&path, below, found);
        }
    }
    let mut found = Vec::new();
    collect(&[], &Arguments::command(), &mut found);
    found
}

/// The examples of a help text that call the program, without what a shell does with them.
fn examples(help: &str) -> Vec<Vec<String>> {
    let calls = help.lines().filter_map(|line| {
        let call = &line[line.find("tlsunset ").filter(|_| line.starts_with("  "))?..];
        // Remarks stand behind two spaces; then a shell's own words.
        let call = call.split("  ").next()?;
        // A pattern stands for several files.
        let files = |word: &str| match word.contains('*') {
            true => vec![word.replace('*', "1"), word.replace('*', "2")],
            false => vec![word.trim_matches('\'').to_owned()],
        };
        let words = call.split(' ').flat_map(files);
        Some(
            words
                .take_while(|word| !["|", ">", ">>", "&&", "||"].contains(&word.as_str()))
                .collect(),
        )
    });
    calls.collect()
}

#[test]
fn every_command_has_examples_that_its_arguments_take() {
    let mut count = 0;
    for (path, command) in commands() {
        let ran = run(path.iter().map(String::as_str).chain(["--help"])).expect(0);
        assert!(ran.stdout.contains("Examples:"), "{path:?} has no examples");
        let help = command.get_after_help().unwrap().to_string();
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{path:?}");
        for example in examples {
            let parsed = Arguments::try_parse_from(&example);
            assert!(parsed.is_ok(), "{example:?}: {}", parsed.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 20, "{count} examples");
}

#[test]
fn manual_pages_are_written_one_for_each_command() {
    let folder = Folder::new("man");
    let out = folder.path().as_os_str();
    run(["generate".as_ref(), "man".as_ref(), "--out".as_ref(), out]).expect(0).says_nothing();
    let names = folder.names();
    for (path, _) in commands() {
        let page = format!("tlsunset-{}.1", path.join("-"));
        assert!(names.contains(&page), "{page} is not among {names:?}");
    }
    let page = std::fs::read_to_string(folder.join("tlsunset.1")).unwrap();
    assert_eq!(run(["generate", "man"]).expect(0).stdout, page);
    let lint = |name: &str| {
        Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(folder.join(name)).output()
    };
    for name in names {
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        for section in [".SH NAME", ".SH SYNOPSIS"] {
            assert!(text.contains(section), "{name} has no {section}");
        }
        match lint(&name) {
            Err(_) => eprintln!(
                "SKIPPED the check of {name}: there is no mandoc (apt-get install mandoc)"
            ),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success(), "{name}: {said}");
            }
        }
    }
}

#[test]
fn completions_are_scripts_that_their_shells_take() {
    for (kind, file, shell) in [
        ("complete-bash", "tlsunset.bash", "bash"),
        ("complete-zsh", "_tlsunset", "zsh"),
        ("complete-fish", "tlsunset.fish", "fish"),
        ("complete-powershell", "_tlsunset.ps1", ""),
        ("complete-elvish", "tlsunset.elv", ""),
    ] {
        let folder = Folder::new("completions");
        let out = folder.path().as_os_str();
        run(["generate".as_ref(), kind.as_ref(), "--out".as_ref(), out]).expect(0).says_nothing();
        assert_eq!(folder.names(), [file]);
        let script = std::fs::read_to_string(folder.join(file)).unwrap();
        assert_eq!(run(["generate", kind]).expect(0).stdout, script);
        for word in ["analyze", "explain", "html", "flows-format"] {
            assert!(script.contains(word), "{kind} knows no {word}");
        }
        if shell.is_empty() {
            continue;
        }
        match Command::new(shell).arg("-n").arg(folder.join(file)).output() {
            Err(_) => eprintln!("SKIPPED the check of {kind}: there is no {shell}"),
            Ok(output) => assert!(output.status.success(), "{kind}: {output:?}"),
        }
    }
}

#[test]
fn bash_completes_commands_and_options() {
    let folder = Folder::new("completions");
    let script = folder.write("tlsunset.bash", run(["generate", "complete-bash"]).expect(0).stdout);
    let complete = |words: &str, last: &str| {
        let line = format!(
            ". {}; COMP_WORDS=({words} {last}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _tlsunset tlsunset {last:?} x; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        Command::new("bash").args(["--norc", "-c", &line]).output()
    };
    let Ok(output) = complete("tlsunset", "ana") else {
        return eprintln!("SKIPPED bash_completes: there is no bash");
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "analyze", "{output:?}");
    let output = complete("tlsunset analyze", "--ht").unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "--html", "{output:?}");
}

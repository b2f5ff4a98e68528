//! What is installed beside the program, as those read it who use it.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::process::Command;

use common::{Folder, root};

#[test]
fn systemd_takes_the_unit_without_complaint() {
    let unit = fs::read_to_string(root().join("packaging/tlsunset.service")).unwrap();
    // The program is where it was built.
    let unit = unit.replace("/usr/bin/tlsunset", env!("CARGO_BIN_EXE_tlsunset"));
    let folder = Folder::new("unit");
    let unit = folder.write("tlsunset.service", unit);
    let systemd = |arguments: &[&str]| {
        Command::new("systemd-analyze").args(arguments).arg(&unit).output().ok()
    };
    let Some(verified) = systemd(&["verify", "--man=no"]) else {
        return eprintln!("SKIPPED systemd_takes_the_unit: systemd-analyze is not there");
    };
    let said = String::from_utf8_lossy(&verified.stderr);
    assert!(verified.status.success() && said.is_empty(), "{said}");
    // Of 10; older versions can't look at a file.
    if let Some(judged) = systemd(&["security", "--offline=true", "--threshold=25"]) {
        let said = String::from_utf8_lossy(&judged.stderr);
        let is_known = !said.contains("unrecognized option");
        assert!(judged.status.success() || !is_known, "{said}");
    }
}

#[test]
fn every_file_of_the_package_is_there() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let assets = text.split_once("\nassets = [").unwrap().1.split_once("\n]").unwrap().0;
    let sources: Vec<&str> = assets
        .lines()
        .filter_map(|line| line.trim().strip_prefix("[\"")?.split('"').next())
        .collect();
    assert!(sources.len() >= 8, "{sources:?}");
    for source in sources.iter().filter(|source| !source.starts_with("target/")) {
        let path = root().join(source.trim_end_matches("/*"));
        assert!(path.exists(), "{source}");
    }
}

#[test]
fn the_changelog_has_the_form_of_debian() {
    let maker = "Somebody <somebody@packages.invalid>";
    let made = Command::new(root().join("packaging/changelog"))
        .arg(maker)
        .env("SOURCE_DATE_EPOCH", "1795400000")
        .output();
    let Ok(made) = made else {
        return eprintln!("SKIPPED the_changelog: bash is not there");
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8(made.stdout).unwrap();
    let first = format!("tlsunset ({}-1) unstable; urgency=medium", env!("CARGO_PKG_VERSION"));
    assert_eq!(text.lines().next(), Some(first.as_str()));
    let last = format!(" -- {maker}  Mon, 23 Nov 2026 02:13:20 +0000");
    assert_eq!(text.lines().last(), Some(last.as_str()));
    let is_known = |line: &str| {
        let starts = ["tlsunset (", "  * ", "    ", " -- "];
        line.is_empty() || starts.iter().any(|start| line.starts_with(start))
    };
    for line in text.lines() {
        assert!(is_known(line) && line.len() <= 80, "{line}");
    }
    // Nothing is left out: the same words, whatever the lines.
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().map(str::to_owned);
        words.filter(|word| word != "-" && word != "*").collect()
    };
    let source = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let items = source.split_once("\n## Unreleased\n").unwrap().1;
    let items = items.split("\n## ").next().unwrap();
    let entry = text.split_once('\n').unwrap().1.split("\n -- ").next().unwrap();
    assert_eq!(words(entry), words(items));
}

//! What the design promises of the source itself: who may know whom, and what is written nowhere.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::root;

const OURS: [&str; 4] = ["tlsunset", "capture", "dissect", "report"];

/// What a package of the workspace depends on directly, tests and builds included or not.
fn dependencies(package: &str, edges: &str) -> BTreeSet<String> {
    let arguments = "tree --locked --offline --all-features --depth 1 --prefix none --package";
    let output = Command::new(env!("CARGO"))
        .args(arguments.split(' '))
        .args([package, "--edges", edges])
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let tree = String::from_utf8(output.stdout).unwrap();
    let names = tree.lines().skip(1).filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty() && !name.starts_with('[')).map(str::to_owned).collect()
}

#[test]
fn dissect_is_in_the_middle() {
    let ours = |package: &str| -> Vec<String> {
        let all = dependencies(package, "all").into_iter();
        all.filter(|name| OURS.contains(&name.as_str()) && name != package).collect()
    };
    assert!(ours("dissect").is_empty(), "{:?}", ours("dissect"));
    assert_eq!(ours("capture"), ["dissect"]);
    assert_eq!(ours("report"), ["dissect"]);
    assert_eq!(ours("tlsunset"), ["capture", "dissect", "report"]);
}

#[test]
fn each_concern_has_one_home() {
    for (home, libraries) in [
        ("tlsunset", &["clap", "crossbeam-channel", "dashmap"][..]),
        ("capture", &["memmap2", "pcap"]),
        ("dissect", &["etherparse"]),
    ] {
        for package in OURS {
            let all = dependencies(package, "normal,build");
            for library in libraries {
                let is_used = all.contains(*library);
                assert_eq!(is_used, package == home, "{library} in {package}");
            }
        }
    }
}

/// The files of the repository, by their path below it, with their text; binary files are left
/// out. `None` outside a repository.
fn tracked() -> Option<Vec<(String, String)>> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().ok()?;
    if !listed.status.success() {
        return None;
    }
    let names = String::from_utf8(listed.stdout).unwrap();
    let names = names.split('\0').filter(|name| !name.is_empty());
    // A file that was removed and not yet committed is none.
    let texts = names.filter_map(|name| {
        let text = fs::read_to_string(root().join(name)).ok()?;
        Some((name.to_owned(), text))
    });
    Some(texts.collect())
}

/// The Rust files below a folder.
fn sources(folder: &str) -> Vec<(String, String)> {
    let (mut sources, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for name in common::names(&root().join(&folder)) {
            let path = folder.join(&name);
            if root().join(&path).is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(root().join(&path)).unwrap();
                sources.push((path.display().to_string(), text));
            }
        }
    }
    assert!(!sources.is_empty());
    sources
}

/// Whether `word` stands in `line` and is no part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part)
    })
}

#[test]
fn nothing_outside_capture_is_unsafe() {
    for folder in ["src", "dissect/src", "report/src"] {
        for (path, text) in sources(folder) {
            let code = text.lines().enumerate().filter(|(_, line)| !line.trim().starts_with("//"));
            for (number, line) in code {
                assert!(!has_word(line, "unsafe"), "{path}:{}: {line}", number + 1);
            }
        }
        let library = fs::read_to_string(root().join(folder).join("lib.rs")).unwrap();
        assert!(library.contains("#![forbid(unsafe_code)]"), "{folder}/lib.rs");
    }
}

#[test]
fn dissect_reads_no_clock_and_opens_nothing() {
    let forbidden = ["std::fs", "std::env", "std::thread", "std::net::Tcp", "std::net::Udp"];
    for (path, text) in sources("dissect/src") {
        // Tests may read files.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_test = path.contains("test") || path.contains("fuzz");
        for word in forbidden.into_iter().chain(["SystemTime", "Instant::now"]) {
            assert!(is_test || !code.contains(word), "{path}: {word}");
        }
    }
}

#[test]
fn main_only_calls_the_library() {
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() < 50);
}

#[test]
fn every_module_says_what_it_is_for() {
    for folder in ["src", "capture/src", "dissect/src", "report/src"] {
        for (path, text) in sources(folder) {
            let is_test = path.ends_with("tests.rs") || path.contains("/tests/");
            let is_documented = text.starts_with("//!") || text.starts_with("/*!");
            assert!(is_test || is_documented, "{path}");
        }
    }
}

#[test]
fn nothing_is_left_unfinished_or_names_a_machine() {
    let Some(tracked) = tracked() else {
        return eprintln!("SKIPPED nothing_is_left_unfinished: this is no git repository");
    };
    assert!(tracked.len() > 100);
    // Put together here, so that this file doesn't find itself.
    let words = ["TO|DO", "FIX|ME", "X|XX", "HA|CK", "W|IP"].map(|word| word.replace('|', ""));
    let parts = [
        "/ho|me/",
        "/ro|ot/",
        "/Us|ers/",
        "/wo|rk/",
        "to|do!(",
        "unimpl|emented!(",
        "d|bg!(",
        "#[ign|ore",
        "#[should_|panic",
        "<<<<|<<<",
        ">>>>|>>>",
    ]
    .map(|part| part.replace('|', ""));
    let mut found = String::new();
    for (path, text) in tracked {
        for (number, line) in text.lines().enumerate() {
            let has_words = words.iter().any(|word| has_word(line, word));
            let has_parts = parts.iter().any(|part| line.contains(part));
            if has_words || has_parts {
                found.push_str(&format!("{path}:{}: {line}\n", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}

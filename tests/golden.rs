//! Every sample against the outputs that were read and accepted, byte by byte.
//!
//! `UPDATE_EXPECTED=1 cargo test --test golden` writes them anew, to be read like code.

mod common;

use std::fs;

use common::{Folder, Sample, analyze, analyze_to, samples};

/// What is compared: the tables, and the summary for people.
const EXPECTED: [&str; 4] = ["flows.csv", "hosts.csv", "handshakes.csv", "summary.txt"];

/// Writes all of [`EXPECTED`] to `folder`.
fn produce(sample: &Sample, folder: &Folder) {
    analyze_to(folder.path(), sample.arguments()).expect(0).says_nothing();
    let summary = analyze(sample.arguments()).expect(0).says_nothing().stdout;
    folder.write("summary.txt", summary);
}

/// The first line that differs, both ways.
fn difference(expected: &str, found: &str) -> String {
    let (mut expected, mut found) = (expected.lines(), found.lines());
    for number in 1.. {
        let (expected, found) = (expected.next(), found.next());
        if expected != found {
            let [expected, found] = [expected, found].map(|line| line.unwrap_or("(the end)"));
            return format!("line {number}\n  expected {expected}\n  found    {found}\n");
        }
        if expected.is_none() {
            break;
        }
    }
    "line ends\n".to_owned()
}

#[test]
fn outputs_are_as_accepted() {
    let is_update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut differences = String::new();
    for sample in samples() {
        let folder = Folder::new("golden");
        produce(&sample, &folder);
        for name in EXPECTED {
            let place = sample.folder.join("expected").join(name);
            let found = fs::read_to_string(folder.join(name)).unwrap();
            let expected = fs::read_to_string(&place).unwrap_or_default();
            if found == expected {
                continue;
            }
            if is_update {
                fs::create_dir_all(place.parent().unwrap()).unwrap();
                fs::write(&place, found).unwrap();
            } else {
                let name = format!("{}/expected/{name}", sample.name);
                differences.push_str(&format!("{name}: {}", difference(&expected, &found)));
            }
        }
        let others = common::names(&sample.folder.join("expected")).len() - EXPECTED.len();
        assert_eq!(others, 0, "{}: files that nothing is compared with", sample.name);
    }
    assert!(differences.is_empty(), "(UPDATE_EXPECTED=1 accepts this)\n{differences}");
}

#[test]
fn outputs_have_their_names() {
    let folder = Folder::new("golden");
    analyze_to(folder.path(), [common::sample("demo")]).expect(0);
    let names = [
        "flows.csv",
        "handshakes.csv",
        "hosts.csv",
        "report.html",
        "state.tlsunset",
        "summary.json",
    ];
    let found = folder.names();
    assert!(names.iter().all(|name| found.iter().any(|found| found == name)), "{found:?}");
    assert!(found.iter().all(|name| !name.starts_with('.')), "{found:?}");
}

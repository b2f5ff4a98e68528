//! Real captures of others against tables of what is in them.
//!
//! `TLSUNSET_CORPUS` names a folder with `manifest.tsv`, the captures under `open/`, their tables
//! under `truth/`, and `overrides.tsv`: connections on which the tables must not be taken
//! literally. Without it this test says that it was skipped. `corpus_differences.tsv` beside this
//! file lists connections on which we differ for a reason that the bytes give; one that no longer
//! differs fails like one that is not listed.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Folder, Row, analyze, analyze_to, csv_file, table};

const ENDS: [&str; 4] = ["client_ip", "client_port", "server_ip", "server_port"];

struct Corpus {
    root: PathBuf,
    overrides: Vec<Row>,
}

/// What came out of one capture.
#[derive(Default)]
struct Comparison {
    connections: usize,
    right: usize,
    /// By connection, what is wrong with it.
    problems: Vec<(String, String)>,
}

#[test]
fn real_captures_are_as_their_tables_say() {
    let Some(root) = std::env::var_os("TLSUNSET_CORPUS").map(PathBuf::from) else {
        return eprintln!("SKIPPED: set TLSUNSET_CORPUS to a folder of captures with tables");
    };
    let corpus = Corpus { overrides: tsv(&root.join("overrides.tsv")), root };
    let files = corpus.files();
    assert!(!files.is_empty(), "the corpus is empty");
    let (next, all) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let comparison = corpus.compare(file);
                    all.lock().unwrap().insert(file, comparison);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    let total = |count: fn(&Comparison) -> usize| all.values().map(count).sum::<usize>();
    let (right, connections) = (total(|file| file.right), total(|file| file.connections));
    eprintln!("{} captures, {right} of {connections} connections right", files.len());
    let listed = tsv(&common::root().join("tests/corpus_differences.tsv"));
    let listed = listed.into_iter().filter(|row| files.contains(&row["file"]));
    let mut listed: BTreeSet<_> =
        listed.map(|row| (row["file"].clone(), row["connection"].clone())).collect();
    let mut problems = String::new();
    for (file, comparison) in all {
        for (connection, problem) in comparison.problems {
            if !listed.remove(&(file.clone(), connection.clone())) {
                problems.push_str(&format!("{file}: {connection}: {problem}\n"));
            }
        }
    }
    for (file, connection) in listed {
        problems.push_str(&format!("{file}: {connection}: listed, but does not differ\n"));
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
fn proofs_of_real_captures_give_the_same_verdicts() {
    /// Of each capture as many hosts are proven; the samples prove all of theirs.
    const HOSTS_MAX: usize = 2;
    let Some(root) = std::env::var_os("TLSUNSET_CORPUS").map(PathBuf::from) else {
        return eprintln!("SKIPPED: set TLSUNSET_CORPUS to a folder of captures with tables");
    };
    let corpus = Corpus { overrides: Vec::new(), root };
    let mut proven = 0;
    for file in corpus.files() {
        let folder = Folder::new("corpus");
        let policies = ["--policy", "office365-tls12", "--policy", "tls13-only"];
        let run = |input: &Path, name: &str| {
            let arguments = policies.iter().map(AsRef::as_ref).chain([input.as_os_str()]);
            let ran = analyze_to(&folder.join(name), arguments);
            assert!(matches!(ran.status, Some(0 | 2)), "{file}: {}", ran.stderr);
            csv_file(&folder.join(name).join("flows.csv"))
        };
        let rows = run(&corpus.capture(&file), "all");
        let hosts: BTreeSet<String> = csv_file(&folder.join("all/hosts.csv"))
            .into_iter()
            .map(|row| row["host_ip"].clone())
            .collect();
        for host in hosts.iter().take(HOSTS_MAX) {
            let (all, proof) = (folder.join("all"), folder.join("proof.pcapng"));
            let of_host: [&OsStr; 3] = [all.as_os_str(), host.as_ref(), "--proof".as_ref()];
            let ran = common::run(
                ["explain".as_ref()].into_iter().chain(of_host).chain([proof.as_os_str()]),
            );
            assert!(matches!(ran.status, Some(0 | 2)), "{file} {host}: {}", ran.stderr);
            let verdicts = |rows: &[Row]| {
                let of_host = rows
                    .iter()
                    .filter(|row| [&row["client_ip"], &row["server_ip"]].contains(&host));
                let columns =
                    ["client_ip", "client_port", "server_ip", "policy", "verdict", "cause"];
                let cells = |row: &Row| columns.map(|column| row[column].clone());
                of_host.map(cells).collect::<Vec<_>>()
            };
            assert_eq!(verdicts(&run(&proof, "proof")), verdicts(&rows), "{file}: {host}");
            proven += 1;
        }
    }
    assert!(proven > 0, "no host was proven");
}

impl Corpus {
    /// The captures that are there, by their names in the manifest.
    fn files(&self) -> Vec<String> {
        let listed = tsv(&self.root.join("manifest.tsv"));
        let names = listed.into_iter().map(|row| row["file"].clone());
        names.filter(|name| self.capture(name).exists()).collect()
    }

    fn capture(&self, file: &str) -> PathBuf {
        self.root.join("open").join(file)
    }

    fn compare(&self, file: &str) -> Comparison {
        let mut comparison = Comparison::default();
        let mut ours = match self.ours(file) {
            Ok(rows) => by_ends(rows),
            Err(problem) => {
                comparison.problems.push(("all".to_owned(), problem));
                return comparison;
            }
        };
        let key = file.replace('/', "__");
        let path = self.root.join("truth").join(format!("{key}.tsv"));
        if !path.exists() {
            return comparison;
        }
        let of_file =
            |row: &&Row| row["truth_file"] == key || row["truth_file"] == key.clone() + ".tsv";
        let overrides: Vec<&Row> = self.overrides.iter().filter(of_file).collect();
        let is_loose = |row: &Row| overrides.iter().any(|other| other["stream"] == row["stream"]);
        let (loose, truth): (Vec<Row>, Vec<Row>) = tsv(&path).into_iter().partition(is_loose);
        let mut loose: BTreeSet<String> = by_ends(loose).into_keys().collect();
        loose.extend(overrides.iter().filter_map(|row| {
            let (client, server) = row["conn"].split_once('-')?;
            Some(format!("{client} -> {server}"))
        }));
        for (ends, truth) in by_ends(truth) {
            let ours = ours.remove(&ends).unwrap_or_default();
            comparison.connections += truth.len();
            for (index, truth) in truth.iter().enumerate() {
                let problem = match ours.get(index) {
                    None => Some("missing".to_owned()),
                    Some(ours) => difference(ours, truth),
                };
                match problem {
                    None => comparison.right += 1,
                    Some(problem) => comparison.problems.push((ends.clone(), problem)),
                }
            }
            if ours.len() > truth.len() {
                let problem = format!("{} more than there are", ours.len() - truth.len());
                comparison.problems.push((ends, problem));
            }
        }
        for (ends, rows) in ours {
            if !loose.contains(&ends) && !rows.iter().all(is_without_hello) {
                let problem =
                    format!("surplus, {:?}", rows.iter().map(versions).collect::<Vec<_>>());
                comparison.problems.push((ends, problem));
            }
        }
        comparison
    }

    /// Our rows of TLS over TCP; the same with one worker and with several.
    fn ours(&self, file: &str) -> Result<Vec<Row>, String> {
        let path = self.capture(file);
        let run = |threads: &str| {
            let options = ["-q", "--flows", "-", "--threads", threads].map(AsRef::as_ref);
            analyze([path.as_os_str()].into_iter().chain(options))
        };
        let (one, several) = (run("1"), run("3"));
        if !matches!(one.status, Some(0 | 2)) || one.stderr.contains("panicked") {
            return Err(format!("ended with {:?}: {}", one.status, one.stderr));
        }
        if one != several {
            return Err("differs with the number of workers".to_owned());
        }
        let is_tls = |row: &Row| row["protocol"] == "tls" && row["transport"] == "tcp";
        Ok(table(&one.stdout, b',').into_iter().filter(is_tls).collect())
    }
}

/// Connections that began before the capture, or whose hellos were lost: the tables leave out what
/// we list as unknown.
fn is_without_hello(row: &Row) -> bool {
    let missing = ["midstream", "gap"];
    versions(row) == ("", "") && row["coverage"].split('+').any(|part| missing.contains(&part))
}

fn versions(row: &Row) -> (&str, &str) {
    (&row["offered_max"], &row["negotiated"])
}

/// What is wrong with our row, if anything is.
fn difference(ours: &Row, truth: &Row) -> Option<String> {
    let mut wrong = Vec::new();
    for (column, theirs) in [("offered_max", "client_max"), ("negotiated", "negotiated_name")] {
        let Some(version) = version(&truth[theirs]) else { continue };
        let is_unknown = column == "offered_max" && version.is_empty();
        if !is_unknown && ours[column] != version {
            wrong.push(format!("{column} {:?}, should be {version:?}", ours[column]));
        }
    }
    let (name, sni) = (&ours["server_name"], &truth["sni"]);
    let is_sni = !sni.is_empty() && ours["server_name_from"] == "sni";
    if is_sni && !name.eq_ignore_ascii_case(sni) {
        wrong.push(format!("server_name {name:?}, should be {sni:?}"));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

/// A version as flows.csv has it; `None` where the tables have no opinion.
fn version(name: &str) -> Option<&str> {
    match name {
        name if name.starts_with("TLSv1.3") => Some("TLSv1.3"),
        "" | "SSLv2" | "SSLv3" | "TLSv1.0" | "TLSv1.1" | "TLSv1.2" => Some(name),
        _ => None,
    }
}

/// Rows by connection; several of the same ends stay in their order.
fn by_ends(rows: Vec<Row>) -> BTreeMap<String, Vec<Row>> {
    let mut sorted: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        let [client, client_port, server, server_port] = ENDS.map(|name| &row[name]);
        let ends = format!("{client}:{client_port} -> {server}:{server_port}");
        sorted.entry(ends).or_default().push(row);
    }
    sorted
}

fn tsv(path: &Path) -> Vec<Row> {
    table(&fs::read_to_string(path).unwrap(), b'\t')
}

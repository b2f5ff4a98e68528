//! What the whole-program tests share: a folder of their own, the command, the samples, and tables.
//!
//! Nothing here knows what the program should say; each test file does.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]
#![allow(unreachable_pub, reason = "a module of tests has nobody outside")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

pub mod browser;
pub mod pcap;
pub mod schema;

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An empty folder that goes away with this value.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{name}-{}-{count}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and says where it is.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The names of what is in it, sorted.
    pub fn names(&self) -> Vec<String> {
        names(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What a test could not remove must not hide why it failed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The names of what is in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| name(entry).into_string().unwrap()).collect();
    names.sort();
    names
}

/// The program, with nothing on standard input and an environment that changes no output.
pub fn tlsunset() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlsunset"));
    command.stdin(Stdio::null()).env_remove("NO_COLOR").env_remove("COLUMNS");
    command
}

/// How a command ended and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        let stdout = text(output.stdout);
        Self { status: output.status.code(), stdout, stderr: text(output.stderr) }
    }
}

impl Ran {
    /// Fails unless the run ended with `status`.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{}\n{}", self.stderr, self.stdout);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Fails unless standard error has all of `parts`.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in:\n{}", self.stderr);
        }
        self
    }

    /// Fails unless standard output has all of `parts`.
    #[track_caller]
    pub fn shows(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stdout.contains(part), "no {part:?} in:\n{}", self.stdout);
        }
        self
    }

    /// Fails when anything is on standard error.
    #[track_caller]
    pub fn says_nothing(self) -> Self {
        assert_eq!(self.stderr, "");
        self
    }
}

/// Runs the program.
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ran {
    tlsunset().args(arguments).output().unwrap().into()
}

/// Runs `tlsunset analyze` with `arguments`.
pub fn analyze<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ran {
    tlsunset().arg("analyze").args(arguments).output().unwrap().into()
}

/// Runs `tlsunset analyze` with `arguments` and `--out`.
pub fn analyze_to<A: AsRef<OsStr>>(out: &Path, arguments: impl IntoIterator<Item = A>) -> Ran {
    tlsunset().arg("analyze").args(arguments).arg("--out").arg(out).output().unwrap().into()
}

/// Runs `tlsunset analyze` with `input` on standard input.
pub fn analyze_piped(arguments: &[&OsStr], input: &[u8]) -> Ran {
    let mut command = tlsunset();
    command.arg("analyze").args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that gives up early closes its end.
            let _ = pipe.write_all(input);
        });
        child.wait_with_output().unwrap().into()
    })
}

/// A case under `samples/`.
pub struct Sample {
    pub name: String,
    pub folder: PathBuf,
    /// Its captures, sorted by name.
    pub inputs: Vec<PathBuf>,
}

impl Sample {
    /// Its captures as arguments.
    pub fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.inputs.iter().map(|path| path.as_os_str())
    }
}

/// All samples with a capture, sorted by name.
pub fn samples() -> Vec<Sample> {
    let folder = root().join("samples");
    let all = names(&folder).into_iter().map(|name| {
        let folder = folder.join(&name);
        let is_input = |name: &String| name.starts_with("input.pcap");
        let names = if folder.is_dir() { names(&folder) } else { Vec::new() };
        let inputs = names.into_iter().filter(is_input).map(|name| folder.join(name)).collect();
        Sample { name, folder, inputs }
    });
    let samples: Vec<Sample> = all.filter(|sample| !sample.inputs.is_empty()).collect();
    assert!(samples.len() >= 38, "the samples are missing");
    samples
}

/// The sample of this name.
pub fn sample(name: &str) -> PathBuf {
    root().join("samples").join(name).join("input.pcap")
}

/// A row of a table, by column.
pub type Row = BTreeMap<String, String>;

/// A table with a header.
pub fn table(text: &str, delimiter: u8) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let columns = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| -> Row {
        columns.iter().zip(&record).map(|(name, value)| (name.into(), value.into())).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// The table in a CSV file.
pub fn csv_file(path: &Path) -> Vec<Row> {
    table(&fs::read_to_string(path).unwrap(), b',')
}

//! What the user names as input, and the files behind it.
//!
//! Directories are walked here, in sorted order, and each of them once, however
//! many links lead to it. No file is opened.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::CaptureError;

/// One input as the user named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file, or a directory of files.
    Path(PathBuf),
}

impl Input {
    /// Reads a command-line argument: `-` is standard input, anything else a path.
    #[must_use]
    pub fn parse(argument: impl AsRef<OsStr>) -> Self {
        let argument = argument.as_ref();
        if argument == "-" { Self::Stdin } else { Self::Path(argument.into()) }
    }
}

/// Something the user should know that is no failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file it is about, if it is about one.
    pub file: Option<PathBuf>,
    /// What there is to say.
    pub message: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}", file.display(), self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// A file to read.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Which of the inputs it was found under, when that is a directory.
    pub(crate) directory: Option<usize>,
    /// Whether it is standard input and not a path.
    pub(crate) is_stdin: bool,
    /// Its length in bytes; `None` when it is a stream that can be read only once.
    pub(crate) len: Option<u64>,
}

/// What the inputs amount to.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The files, in the order of the inputs.
    pub(crate) files: Vec<Found>,
    /// The inputs that are directories.
    pub(crate) directories: Vec<PathBuf>,
    /// What was passed over.
    pub(crate) notices: Vec<Notice>,
    /// What could not be looked at.
    pub(crate) errors: Vec<CaptureError>,
}

impl Listing {
    /// Lists the files behind one input.
    pub(crate) fn add(&mut self, input: &Input) {
        let path = match input {
            Input::Path(path) => path,
            Input::Stdin => {
                let path = PathBuf::from("standard input");
                return self.files.push(Found { path, directory: None, is_stdin: true, len: None });
            }
        };
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                let index = self.directories.len();
                self.directories.push(path.clone());
                self.walk(path, index, 0, &mut BTreeSet::new());
            }
            Ok(meta) => {
                let len = meta.is_file().then_some(meta.len());
                let path = path.clone();
                self.files.push(Found { path, directory: None, is_stdin: false, len });
            }
            Err(source) => {
                self.errors.push(CaptureError::Open { file: path.clone(), source });
            }
        }
    }

    /// Lists what is in `directory`, unless its real path is among the `visited` ones.
    fn walk(
        &mut self,
        directory: &Path,
        index: usize,
        depth: usize,
        visited: &mut BTreeSet<PathBuf>,
    ) {
        let real = match directory.canonicalize() {
            Ok(real) => real,
            Err(source) => return self.fail(directory, source),
        };
        if depth == DIRECTORY_DEPTH_MAX {
            return self.notice(directory, "skipped: too many directories inside each other");
        }
        if !visited.insert(real) {
            return self.notice(directory, "skipped: a link to a directory that is read already");
        }
        let entries: Result<Vec<_>, _> = match fs::read_dir(directory) {
            Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
            Err(source) => Err(source),
        };
        let mut paths = match entries {
            Ok(paths) => paths,
            Err(source) => return self.fail(directory, source),
        };
        paths.sort();
        for path in paths {
            match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => self.walk(&path, index, depth + 1, visited),
                Ok(meta) if meta.is_file() => {
                    let len = Some(meta.len());
                    let directory = Some(index);
                    self.files.push(Found { path, directory, is_stdin: false, len });
                }
                Ok(_) => self.notice(&path, "skipped: not a regular file"),
                Err(_) if path.is_symlink() => {
                    self.notice(&path, "skipped: the link leads nowhere")
                }
                Err(source) => self.fail(&path, source),
            }
        }
    }

    fn fail(&mut self, path: &Path, source: std::io::Error) {
        self.errors.push(CaptureError::Open { file: path.to_owned(), source });
    }

    fn notice(&mut self, path: &Path, message: &str) {
        self.notices.push(Notice { file: Some(path.to_owned()), message: message.to_owned() });
    }
}

/// Directories inside each other. A tree of captures by year, month, day, hour and sensor needs
/// five; a path of more than 4096 bytes can't be opened anyway.
const DIRECTORY_DEPTH_MAX: usize = 64;

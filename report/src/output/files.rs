//! Files that appear whole or not at all.
//!
//! Each is written beside its place under a name of its own, brought to the disk, and renamed. What
//! fails leaves nothing behind, and says which file, why, and what to do. One failing file keeps
//! no other from being tried: that is the caller's loop over [`OutputFolder::write`].

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// An output could not be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write {}: {source}{}", path.display(), advice(source))]
pub struct OutputError {
    /// The file or folder that was to be written.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// A folder for outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFolder {
    path: PathBuf,
}

impl OutputFolder {
    /// The folder at a path, made when it is missing.
    ///
    /// # Errors
    ///
    /// When it can't be made, or something else has that name.
    pub fn create(path: &Path) -> Result<Self, OutputError> {
        match fs::create_dir_all(path) {
            Ok(()) => Ok(Self { path: path.to_owned() }),
            Err(source) => Err(OutputError { path: path.to_owned(), source }),
        }
    }

    /// The folder's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file of the folder, whole or not at all.
    ///
    /// # Errors
    ///
    /// When the file can't be written, or `content` fails.
    pub fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        write_file(&self.path.join(name), content)
    }
}

/// Writes one file, whole or not at all.
///
/// What is no ordinary file (a pipe, `/dev/stdout`) is written to as it is; of a symbolic link the
/// target is replaced.
///
/// # Errors
///
/// When the file can't be written, or `content` fails.
pub fn write_file(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), OutputError> {
    let written = match fs::metadata(path) {
        Ok(known) if known.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(known) if !known.is_file() => write_in_place(path, content),
        // Through links, so that the link stays and its target is replaced.
        Ok(_) => fs::canonicalize(path).and_then(|path| replace(&path, content)),
        Err(_) => replace(path, content),
    };
    written.map_err(|source| OutputError { path: path.to_owned(), source })
}

fn write_in_place(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(OpenOptions::new().write(true).open(path)?);
    content(&mut out)?;
    out.flush()
}

/// Writes beside the path, then renames.
fn replace(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let temporary = Temporary::beside(path)?;
    let mut out = BufWriter::with_capacity(BUFFER_LEN, &temporary.file);
    content(&mut out)?;
    out.flush()?;
    drop(out);
    temporary.file.sync_all()?;
    temporary.rename_to(path)
}

/// Bytes collected before the operating system is called.
const BUFFER_LEN: usize = 1 << 16;

/// A file that is removed unless it is renamed.
struct Temporary {
    path: PathBuf,
    file: File,
    /// Whether it still has to be removed.
    is_left: bool,
}

impl Temporary {
    /// A new file in the folder of `path`, named after it and this process.
    fn beside(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".tmp-{}", std::process::id()));
        let path = path.with_file_name(hidden);
        // Never through what is there already: a link planted under this name must not be followed.
        let create = || OpenOptions::new().write(true).create_new(true).open(&path);
        let file = match create() {
            // Left by a process of the same number that was killed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_file(&path)?;
                create()?
            }
            result => result?,
        };
        Ok(Self { path, file, is_left: true })
    }

    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.is_left = false;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.is_left {
            // The error that led here is what the user has to know.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What helps against an error, where that is knowable.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; make room, or choose another folder with --out"
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "; choose a folder that you may write to with --out"
        }
        ErrorKind::NotFound => "; the folder has to exist",
        ErrorKind::IsADirectory => "; give the name of a file",
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
            "; a file is where the folder should be: choose another name"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests;

//! A folder of report folders, one for each interval.
//!
//! A report folder is written under a hidden name and renamed when it is complete. A marker says
//! since when something is known that is not written yet; one that a run finds at its start was
//! left by a run that was killed.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use dissect::Timestamp;
use report::{OutputError, OutputFolder};

use crate::cli::Keep;

/// The marker's name: hidden, so that a pattern for the report folders does not find it.
const MARKER: &str = ".open-interval";
/// What a report folder has when it is one of ours.
const STATE: &str = "state.tlsunset";
/// The end of the name of a folder that is not complete.
const PARTIAL: &str = ".partial";
/// Report folders that may begin within the same second.
const ALIKE_MAX: u32 = 1000;

/// Report folders by their beginning.
#[derive(Debug)]
pub(super) struct Archive {
    base: PathBuf,
}

impl Archive {
    /// The folder at a path, made when it is missing; and a sentence when the last run was killed.
    pub(super) fn open(base: &Path) -> Result<(Self, Option<String>), OutputError> {
        OutputFolder::create(base)?;
        let archive = Self { base: base.to_owned() };
        let lost = fs::read_to_string(base.join(MARKER)).ok().map(|since| {
            format!(
                "the last run did not end by itself; what it saw after {} is lost",
                since.trim().chars().filter(char::is_ascii_graphic).take(40).collect::<String>()
            )
        });
        archive.remove_partial().map_err(|source| archive.error(base, source))?;
        Ok((archive, lost))
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Notes since when something is known that is not written.
    pub(super) fn mark(&self, since: Timestamp) -> Result<(), OutputError> {
        OutputFolder::create(&self.base)?
            .write(MARKER, |out: &mut dyn io::Write| writeln!(out, "{since}"))
    }

    /// Notes that everything is written.
    pub(super) fn unmark(&self) -> Result<(), OutputError> {
        let path = self.base.join(MARKER);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => Err(self.error(&path, source)),
            _ => Ok(()),
        }
    }

    /// Writes a report folder, whole or not at all.
    pub(super) fn write(
        &self,
        start: Timestamp,
        fill: impl FnOnce(&OutputFolder) -> Result<(), OutputError>,
    ) -> Result<PathBuf, OutputError> {
        let name = name_of(start);
        let partial = self.base.join(format!(".{name}{PARTIAL}"));
        let written =
            OutputFolder::create(&partial).and_then(|folder| fill(&folder)).and_then(|()| {
                let place = self.free_place(&name);
                let moved = fs::rename(&partial, &place).and_then(|()| sync_folder(&self.base));
                moved.map(|()| place.clone()).map_err(|source| self.error(&place, source))
            });
        if written.is_err() {
            // The error that led here is what people have to know.
            let _ = fs::remove_dir_all(&partial);
        }
        written
    }

    /// Removes the report folders that are too many or too old. Of folders that can't be removed
    /// the first error is told.
    pub(super) fn tidy(&self, keep: Keep, now: Timestamp) -> Result<(), OutputError> {
        let list = |source| self.error(&self.base, source);
        let mut names = self.report_folders().map_err(list)?;
        names.sort_unstable();
        let surplus = match keep {
            Keep::Count(count) => names.len().saturating_sub(count),
            Keep::Age(age) => {
                let age_ns = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
                let oldest = Timestamp::from_nanos(now.as_nanos().saturating_sub(age_ns));
                let oldest = name_of(oldest);
                names.partition_point(|name| *name < oldest)
            }
        };
        let remove = |name: &String| {
            let path = self.base.join(name);
            fs::remove_dir_all(&path).map_err(|source| self.error(&path, source))
        };
        names.iter().take(surplus).map(remove).fold(Ok(()), Result::and)
    }

    /// Names of complete report folders.
    fn report_folders(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.base)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_name(&name) && entry.path().join(STATE).is_file() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Removes what a killed run left behind.
    fn remove_partial(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.base)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(PARTIAL));
            if inner.is_some_and(is_name) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// A place for a report folder of this name that nobody has.
    fn free_place(&self, name: &str) -> PathBuf {
        let named = |number: u32| match number {
            1 => self.base.join(name),
            number => self.base.join(format!("{name}-{number}")),
        };
        (1..=ALIKE_MAX).map(named).find(|place| !place.exists()).unwrap_or_else(|| named(1))
    }

    fn error(&self, path: &Path, source: io::Error) -> OutputError {
        OutputError { path: path.to_owned(), source }
    }
}

/// Brings the names in a folder to the disk.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
}

/// The name of the report folder of an interval, such as `2018-10-31T01-00-00Z`: without colons,
/// which not every system takes.
fn name_of(start: Timestamp) -> String {
    let text = start.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    format!("{}Z", seconds.replace(':', "-"))
}

/// Whether a name is that of a report folder, also of one of several of the same second.
fn is_name(name: &str) -> bool {
    const FORM: &str = "0000-00-00T00-00-00Z";
    let (time, rest) = name.split_at_checked(FORM.len()).unwrap_or((name, ""));
    let number = rest.strip_prefix('-').unwrap_or(if rest.is_empty() { "2" } else { "" });
    time.len() == FORM.len()
        && time.bytes().zip(FORM.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            form => byte == form,
        })
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("tlsunset-archive-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn hour(hour: i64) -> Timestamp {
        Timestamp::from_nanos((1_540_944_000 + hour * 3600) * 1_000_000_000)
    }

    fn fill(folder: &OutputFolder) -> Result<(), OutputError> {
        folder.write(STATE, |out: &mut dyn io::Write| writeln!(out, "x"))
    }

    #[test]
    fn names_are_times() {
        assert_eq!(name_of(hour(1)), "2018-10-31T01-00-00Z");
        assert!(is_name("2018-10-31T01-00-00Z") && is_name("2018-10-31T01-00-00Z-12"));
        for bad in
            ["", "2018", "2018-10-31T01-00-00Z-", "2018-10-31T01-00-00Zx", "x".repeat(20).as_str()]
        {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_report_folder_is_there_whole_or_not_at_all() {
        let folder = Folder::new("whole");
        let (archive, lost) = Archive::open(&folder.0).unwrap();
        assert_eq!(lost, None);
        archive.write(hour(0), fill).unwrap();
        archive.write(hour(0), fill).unwrap();
        let failing = archive.write(hour(1), |folder| {
            fill(folder)?;
            Err(OutputError { path: "x".into(), source: ErrorKind::StorageFull.into() })
        });
        assert!(failing.unwrap_err().to_string().contains("make room"));
        assert_eq!(folder.names(), ["2018-10-31T00-00-00Z", "2018-10-31T00-00-00Z-2"]);
    }

    #[test]
    fn a_killed_run_is_told_once_it_is_known() {
        let folder = Folder::new("killed");
        let (archive, _) = Archive::open(&folder.0).unwrap();
        archive.mark(hour(3)).unwrap();
        fs::create_dir(folder.0.join(".2018-10-31T03-00-00Z.partial")).unwrap();
        let (archive, lost) = Archive::open(&folder.0).unwrap();
        assert!(lost.unwrap().contains("after 2018-10-31T03:00:00.000000Z is lost"));
        assert_eq!(folder.names(), [MARKER]);
        archive.unmark().unwrap();
        archive.unmark().unwrap();
        assert_eq!(Archive::open(&folder.0).unwrap().1, None);
    }

    #[test]
    fn old_report_folders_are_removed_and_nothing_else() {
        let folder = Folder::new("tidy");
        let (archive, _) = Archive::open(&folder.0).unwrap();
        for at in 0..6 {
            archive.write(hour(at), fill).unwrap();
        }
        fs::create_dir(folder.0.join("2018-01-01T00-00-00Z")).unwrap();
        fs::create_dir(folder.0.join("mine")).unwrap();
        archive.tidy(Keep::Count(4), hour(6)).unwrap();
        let others = ["2018-01-01T00-00-00Z", "mine"];
        let left = |names: &[String]| {
            names
                .iter()
                .filter(|name| !others.contains(&name.as_str()))
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(folder.names().len(), 4 + others.len());
        assert_eq!(left(&folder.names())[0], "2018-10-31T02-00-00Z");
        archive.tidy(Keep::Age(Duration::from_secs(2 * 3600)), hour(6)).unwrap();
        assert_eq!(left(&folder.names()), ["2018-10-31T04-00-00Z", "2018-10-31T05-00-00Z"]);
        archive.tidy(Keep::Count(9), hour(6)).unwrap();
        assert_eq!(left(&folder.names()).len(), 2);
    }
}

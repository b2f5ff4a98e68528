use super::*;

/// A folder of its own for each test, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("report-files-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_appears_whole() {
    let folder = Folder::new("whole");
    let out = OutputFolder::create(&folder.0.join("new/deeper")).unwrap();
    out.write("flows.csv", |to| to.write_all(b"one")).unwrap();
    out.write("flows.csv", |to| to.write_all(b"two")).unwrap();
    assert_eq!(fs::read(out.path().join("flows.csv")).unwrap(), b"two");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn a_failing_file_leaves_the_earlier_one_and_nothing_else() {
    let folder = Folder::new("failing");
    let out = OutputFolder::create(&folder.0).unwrap();
    out.write("flows.csv", |to| to.write_all(b"earlier")).unwrap();
    let error = out
        .write("flows.csv", |to| {
            to.write_all(&vec![0; 1 << 20])?;
            Err(ErrorKind::StorageFull.into())
        })
        .unwrap_err();
    assert_eq!(folder.names(), ["flows.csv"]);
    assert_eq!(fs::read(folder.0.join("flows.csv")).unwrap(), b"earlier");
    let message = error.to_string();
    assert!(message.contains("flows.csv"), "{message}");
    assert!(message.ends_with("; make room, or choose another folder with --out"), "{message}");
}

#[test]
fn what_a_killed_process_left_is_replaced() {
    let folder = Folder::new("left");
    let left = folder.0.join(format!(".hosts.csv.tmp-{}", std::process::id()));
    fs::write(left, b"half").unwrap();
    write_file(&folder.0.join("hosts.csv"), |to| to.write_all(b"all")).unwrap();
    assert_eq!(folder.names(), ["hosts.csv"]);
}

#[test]
fn errors_name_the_path_and_what_to_do() {
    let folder = Folder::new("errors");
    let check = |path: &str, expect: &str| {
        let path = folder.0.join(path);
        let error = write_file(&path, |_| Ok(())).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(&format!("can't write {}: ", path.display())), "{message}");
        assert!(message.ends_with(expect), "{message}");
    };
    check("missing/flows.csv", "; the folder has to exist");
    check("", "; give the name of a file");

    fs::write(folder.0.join("taken"), b"").unwrap();
    let error = OutputFolder::create(&folder.0.join("taken")).unwrap_err();
    assert!(error.to_string().contains("choose another name"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_and_devices_stay_what_they_are() {
    let folder = Folder::new("links");
    fs::write(folder.0.join("real.csv"), b"old").unwrap();
    std::os::unix::fs::symlink(folder.0.join("real.csv"), folder.0.join("link.csv")).unwrap();
    write_file(&folder.0.join("link.csv"), |to| to.write_all(b"new")).unwrap();
    assert!(fs::symlink_metadata(folder.0.join("link.csv")).unwrap().is_symlink());
    assert_eq!(fs::read(folder.0.join("real.csv")).unwrap(), b"new");

    write_file(Path::new("/dev/null"), |to| to.write_all(b"gone")).unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let error = write_file(Path::new("/dev/full"), |to| to.write_all(b"rows")).unwrap_err();
    assert_eq!(error.source.kind(), ErrorKind::StorageFull);
}

//! Networks of their own, and the program listening in them.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::{Folder, Row, csv_file};

/// How long anything may take before a test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A network namespace with two ends of a cable, `v0` and `v1`; it goes away with this value.
pub struct Net {
    name: String,
}

impl Net {
    /// `None`, and loud, where that is not possible.
    pub fn new(test: &str, programs: &[&str]) -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let net = Self { name: format!("tlsunset-{}-{count}", std::process::id()) };
        for program in ["ip"].iter().chain(programs) {
            let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
            if !found.is_ok_and(|found| found.status.success()) {
                eprintln!("SKIPPED {test}: {program} is not there");
                return None;
            }
        }
        if !quiet(Command::new("ip").args(["netns", "add", &net.name])) {
            eprintln!("SKIPPED {test}: network namespaces need root on Linux");
            return None;
        }
        net.cable("v0", "v1");
        Some(net)
    }

    /// Lays a cable.
    pub fn cable(&self, one: &str, other: &str) {
        self.ip(&format!("link add name {one} type veth peer name {other}"));
        for end in [one, other] {
            // Quiet but for what is sent on purpose, and wide enough for offloaded frames.
            self.ip(&format!("link set {end} addrgenmode none mtu 65535 up"));
        }
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]).stdin(Stdio::null());
        command
    }

    #[track_caller]
    pub fn ip(&self, arguments: &str) {
        let mut command = Command::new("ip");
        command.args(["-n", &self.name]).args(arguments.split(' '));
        assert!(quiet(&mut command), "ip {arguments}");
    }

    /// Plays a capture on an interface, `v0` as a rule.
    #[track_caller]
    pub fn replay_on(&self, interface: &str, capture: &Path, options: &str) {
        let mut command = self.command("tcpreplay");
        command.args(["-q", "-i", interface]).args(options.split(' ')).arg(capture);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tcpreplay {}: {said}", capture.display());
    }

    #[track_caller]
    pub fn replay(&self, capture: &Path) {
        self.replay_on("v0", capture, "--topspeed");
    }

    /// Starts to listen; waits until it does.
    #[track_caller]
    pub fn listen(&self, arguments: &[&str]) -> Listener {
        let program = env!("CARGO_BIN_EXE_tlsunset");
        let mut command = self.command(program);
        command.arg("live").args(arguments);
        let listener = Listener::start(command);
        listener.waits_for("listening on");
        listener
    }

    /// Runs to its end what ends by itself.
    pub fn live(&self, arguments: &[&str]) -> crate::common::Ran {
        let mut command = self.command(env!("CARGO_BIN_EXE_tlsunset"));
        command.arg("live").args(arguments).output().unwrap().into()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = quiet(Command::new("ip").args(["netns", "del", &self.name]));
    }
}

/// Whether a command succeeds.
pub fn quiet(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The program while it listens.
pub struct Listener {
    child: Child,
    folder: Folder,
}

impl Listener {
    pub fn start(mut command: Command) -> Self {
        let folder = Folder::new("live");
        let file = |name| File::create(folder.join(name)).unwrap();
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Self { child, folder }
    }

    fn text(&self, name: &str) -> String {
        let mut text = String::new();
        File::open(self.folder.join(name)).unwrap().read_to_string(&mut text).unwrap();
        text
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn said(&self) -> String {
        self.text("stderr")
    }

    /// Waits until it has said this.
    #[track_caller]
    pub fn waits_for(&self, words: &str) {
        until(|| self.said().contains(words), || format!("no {words:?} in\n{}", self.said()));
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(quiet(Command::new("kill").args([&format!("-{signal}"), &id])));
    }

    /// Ends it, and gives what it wrote to standard output and to standard error.
    #[track_caller]
    pub fn ends(mut self, signal: &str, status: Option<i32>) -> (String, String) {
        self.signal(signal);
        let mut ended = None;
        until(
            || {
                ended = self.child.try_wait().unwrap();
                ended.is_some()
            },
            || "it does not end".to_owned(),
        );
        let said = self.said();
        assert_eq!(ended.unwrap().code(), status, "{said}");
        assert!(!said.contains("panicked"), "{said}");
        (self.text("stdout"), said)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something to become true.
#[track_caller]
pub fn until(mut is_true: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    let begin = Instant::now();
    while !is_true() {
        assert!(begin.elapsed() < PATIENCE, "{}", otherwise());
        sleep(Duration::from_millis(20));
    }
}

/// A report's rows without what depends on when they were seen.
pub fn timeless(folder: &Path, name: &str) -> Vec<Row> {
    let mut rows = csv_file(&folder.join(name));
    for row in &mut rows {
        row.retain(|column, _| !["first_seen", "last_seen", "Time"].contains(&column.as_str()));
    }
    rows.sort();
    rows
}

/// The number at a place in a report's summary.
#[track_caller]
pub fn number(folder: &Path, place: &[&str]) -> u64 {
    let text = fs::read_to_string(folder.join("summary.json")).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in place {
        value = value[*name].take();
    }
    value.as_u64().unwrap_or_else(|| panic!("no number at {place:?} in {text}"))
}

/// The report folders in a folder, the oldest first.
pub fn intervals(folder: &Path) -> Vec<PathBuf> {
    let names = crate::common::names(folder).into_iter();
    names.filter(|name| !name.starts_with('.')).map(|name| folder.join(name)).collect()
}

/// The part of a capture that matches a filter.
pub fn part(capture: &Path, filter: &str, folder: &Folder, name: &str) -> PathBuf {
    let path = folder.join(name);
    let mut command = Command::new("tcpdump");
    command.args(["-Z", "root", "-r"]).arg(capture).arg("-w").arg(&path).arg(filter);
    assert!(quiet(&mut command), "tcpdump {filter}");
    path
}

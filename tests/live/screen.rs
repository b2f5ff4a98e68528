//! `--tui` on a terminal, and where there is none.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::common::{Folder, sample};
use crate::kit::*;

/// The program on a terminal.
struct Desk {
    driver: Child,
    keyboard: Option<ChildStdin>,
    folder: Folder,
}

impl Desk {
    fn new(net: &Net, out: &str) -> Self {
        let folder = Folder::new("desk");
        let file = |name: &str| File::create(folder.join(name)).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/terminal.py");
        let mut command = Command::new("python3");
        command.args([script, "ip", "netns", "exec", net.name(), env!("CARGO_BIN_EXE_tlsunset")]);
        command.args(["live", "-i", "v1", "--tui", "--out", out]).env("TERM", "xterm");
        command.env("TLSUNSET_TEST_PANICS", folder.path());
        command.stdin(Stdio::piped()).stdout(file("shown")).stderr(file("said"));
        let mut driver = command.spawn().unwrap();
        let keyboard = driver.stdin.take();
        let desk = Self { driver, keyboard, folder };
        desk.shows("listening");
        desk
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.join(name)).unwrap()).into_owned()
    }

    /// What the driver said after a word.
    fn told(&self, word: &str) -> String {
        let said = self.text("said");
        said.lines().find_map(|line| line.strip_prefix(word)).unwrap().trim().to_owned()
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        let all = || format!("no {words:?} in {:?}\n{}", self.text("shown"), self.text("said"));
        until(|| self.text("shown").contains(words), all);
    }

    fn types(&mut self, keys: &str) {
        self.keyboard.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    #[track_caller]
    fn ends(&mut self, words: &str) {
        until(|| self.driver.try_wait().unwrap().is_some(), || "it does not end".to_owned());
        assert!(self.text("said").contains(words), "{}", self.text("said"));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Leaves the screen of its own, and shows the cursor.
const GIVEN_BACK: &str = "\u{1b}[?1049l\u{1b}[?25h";

#[test]
fn a_screen_shows_hosts_survives_another_size_and_gives_the_terminal_back() {
    let Some(net) = Net::new("a_screen", &["tcpreplay", "python3", "stty"]) else { return };
    let out = Folder::new("screen");
    let mut desk = Desk::new(&net, out.path().to_str().unwrap());
    net.replay(&sample("tls10-client-outlook"));
    desk.shows("breaks");
    desk.types("\r");
    desk.shows("client-too-old");
    assert!(!desk.text("shown").contains("\u{1b}[40;1H"));
    let size = ["-F", &desk.told("terminal"), "rows", "40", "cols", "132"];
    assert!(quiet(Command::new("stty").args(size)));
    desk.shows("\u{1b}[40;1H");
    desk.types("q");
    desk.ends("same terminal, status 0");
    let shown = desk.text("shown");
    let (_, after) = shown.split_once(GIVEN_BACK).unwrap();
    assert!(after.contains("tlsunset: listening on v1"), "{after:?}");
    assert!(after.contains(" breaks (office365-tls12): client-too-old"), "{after:?}");
    assert_eq!(number(out.path(), &["hosts_break"]), 1);
}

#[test]
fn ctrl_c_and_sigterm_give_the_terminal_back() {
    let Some(net) = Net::new("ctrl_c", &["python3"]) else { return };
    for is_signal in [false, true] {
        let out = Folder::new("screen");
        let mut desk = Desk::new(&net, out.path().to_str().unwrap());
        match is_signal {
            true => assert!(quiet(Command::new("kill").args(["-TERM", &desk.told("child")]))),
            false => desk.types("\u{3}"),
        }
        desk.ends("same terminal, status 0");
        assert!(desk.text("shown").contains(GIVEN_BACK));
        assert_eq!(number(out.path(), &["hosts_break"]), 0);
    }
}

#[test]
fn a_terminal_that_hangs_up_ends_the_run_with_complete_outputs() {
    let Some(net) = Net::new("a_terminal_that_hangs_up", &["tcpreplay", "python3"]) else { return };
    let out = Folder::new("screen");
    let mut desk = Desk::new(&net, out.path().to_str().unwrap());
    net.replay(&sample("tls10-client-outlook"));
    desk.shows("breaks");
    desk.keyboard = None;
    desk.ends("hung up, status 0");
    assert_eq!(number(out.path(), &["hosts_break"]), 1);
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    if !cfg!(debug_assertions) {
        return eprintln!("SKIPPED a_panic: a program that was built for use has none to order");
    }
    let Some(net) = Net::new("a_panic", &["tcpreplay", "python3"]) else { return };
    for place in ["screen", "patrol", "recorder"] {
        let out = Folder::new("screen");
        let mut desk = Desk::new(&net, out.path().to_str().unwrap());
        net.replay(&sample("tls10-client-outlook"));
        desk.shows("breaks");
        desk.folder.write(place, "");
        let told = format!("a test wants the {place} to panic");
        desk.shows(&told);
        if place == "screen" {
            // Frames are taken still; nobody sees it.
            assert!(quiet(Command::new("kill").args(["-TERM", &desk.told("child")])));
            desk.ends("same terminal, status 0");
            assert_eq!(number(out.path(), &["hosts_break"]), 1);
        } else {
            desk.ends("same terminal, status 101");
        }
        let shown = desk.text("shown");
        let (_, after) = shown.split_once(GIVEN_BACK).unwrap();
        assert!(after.contains(&told), "{place}: {after:?}");
        assert_eq!(shown.matches(GIVEN_BACK).count(), 1, "{place}");
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let Some(net) = Net::new("without_a_terminal", &[]) else { return };
    net.live(&["-i", "v1", "--tui"]).expect(2).says(&["--tui needs a terminal", "leave it out"]);
}

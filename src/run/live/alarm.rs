//! Tells of hosts that break: a line on standard error, and a command of the user's.
//!
//! The command runs once a host, with a JSON object on its standard input. It is started through a
//! shell that begins before privileges are given up, so that the program itself need not be able
//! to run anything, and so that the command is not confined with it.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError, bounded};
use serde_json::json;

use super::board::Break;
use super::confine::Account;
use crate::progress::say;

/// Hosts that wait for the command. When it is slower than hosts break for so long, the rest is
/// told on standard error only.
const QUEUED_BREAKS_MAX: usize = 4096;

/// Runs the command for each line that it is given.
const EACH_LINE: &str =
    r#"while IFS= read -r line; do printf '%s\n' "$line" | sh -c "$TLSUNSET_ON_BREAK"; done"#;

/// A command that waits for hosts that break.
#[derive(Debug)]
pub(super) struct Alarm {
    lines: Sender<String>,
    teller: JoinHandle<()>,
}

impl Alarm {
    /// Prepares a command, to be run as this user.
    ///
    /// # Errors
    ///
    /// When there is no shell to run it.
    pub(super) fn start(command: &str, account: Option<&Account>) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", EACH_LINE]).env("TLSUNSET_ON_BREAK", command).stdin(Stdio::piped());
        become_user(&mut shell, account);
        // A Ctrl-C is for us: what was already told is to be heard.
        in_own_group(&mut shell);
        let mut shell = shell.spawn()?;
        let pipe = shell.stdin.take();
        let (lines, told) = bounded::<String>(QUEUED_BREAKS_MAX);
        let teller = thread::spawn(move || {
            let Some(mut pipe) = pipe else { return };
            for line in told {
                if writeln!(pipe, "{line}").is_err() {
                    return say("error: the shell of --on-break is gone");
                }
            }
        });
        Ok(Self { lines, teller })
    }

    /// Runs the command for a host, in its turn.
    fn tell(&self, line: String) {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line) {
            say("error: the command of --on-break is too slow; a host is passed over");
        }
    }

    /// Tells no more. The command goes on with what it was told.
    pub(super) fn finish(self) {
        /// How long the shell may take to be told the rest. It reads on when we are gone.
        const PATIENCE: Duration = Duration::from_millis(300);
        let Self { lines, teller } = self;
        drop(lines);
        let begin = Instant::now();
        while !teller.is_finished() && begin.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Says that a host breaks.
pub(super) fn tell(alarm: Option<&Alarm>, found: &Break, sensor: &str) {
    let Break { host, policy, patient } = found;
    let cause = patient.cause.map_or("", |cause| cause.name());
    let separator = if cause.is_empty() { "" } else { ": " };
    say(format_args!("{host} breaks ({policy}): {cause}{separator}{}", patient.reason));
    if let Some(alarm) = alarm {
        let line = json!({
            "time": patient.last_seen.to_string(),
            "sensor": sensor,
            "host": host,
            "policy": &**policy,
            "verdict": patient.verdict.name(),
            "cause": cause,
            "service": &*patient.service,
            "server_name": &*patient.server_name,
            "offered_max": patient.offered,
            "reason": &*patient.reason,
            "fix": &*patient.fix,
        });
        alarm.tell(line.to_string());
    }
}

#[cfg(unix)]
fn become_user(command: &mut Command, account: Option<&Account>) {
    use std::os::unix::process::CommandExt as _;
    if let Some(account) = account {
        let (user, group) = account.ids();
        command.uid(user).gid(group);
    }
}

#[cfg(not(unix))]
fn become_user(_: &mut Command, _: Option<&Account>) {}

#[cfg(unix)]
fn in_own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
}

#[cfg(not(unix))]
fn in_own_group(_: &mut Command) {}

//! What is said on standard error: lines that stay, and on a terminal how far the run is.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use capture::{CaptureError, Progress};
use indicatif::{ProgressBar as Bar, ProgressDrawTarget, ProgressStyle};

use crate::engine::{LiveHosts, Watcher};

/// Lines that are kept while a screen takes the terminal; the oldest go first.
const HELD_LINES_MAX: usize = 1000;

/// Messages of one kind that are said; of more, how many.
pub(crate) const ALIKE_SAID_MAX: usize = 20;

/// Lines that wait until the terminal is free, while a screen takes it.
static HELD_LINES: Mutex<Option<VecDeque<String>>> = Mutex::new(None);

/// A line to standard error; when nobody reads it, nothing is lost.
pub(crate) fn say(line: impl Display) {
    let line = format!("tlsunset: {line}");
    let is_held = {
        let mut held = HELD_LINES.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_mut().map(|held| keep(held, line.clone())).is_some()
    };
    if !is_held || !io::stderr().is_terminal() {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }
}

fn keep(held: &mut VecDeque<String>, line: String) {
    held.push_back(line);
    if held.len() > HELD_LINES_MAX {
        held.pop_front();
    }
}

/// Keeps lines off the terminal until [`release_lines`].
#[cfg(feature = "libpcap")]
pub(crate) fn hold_lines() {
    HELD_LINES.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
}

/// The newest of the lines that are kept, the newest last.
#[cfg(feature = "libpcap")]
pub(crate) fn held_lines(count_max: usize) -> Vec<String> {
    let held = HELD_LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(held) = &*held else { return Vec::new() };
    held.iter().skip(held.len().saturating_sub(count_max)).cloned().collect()
}

/// Says on the terminal what was kept off it.
#[cfg(feature = "libpcap")]
pub(crate) fn release_lines() {
    let held = HELD_LINES.lock().unwrap_or_else(PoisonError::into_inner).take();
    if io::stderr().is_terminal() {
        for line in held.unwrap_or_default() {
            let _ = writeln!(io::stderr().lock(), "{line}");
        }
    }
}

/// A line on standard error that says how far the run is; nothing where there is no terminal.
pub(crate) struct ProgressBar {
    bar: Bar,
    errors: usize,
}

impl ProgressBar {
    pub(crate) fn new(is_shown: bool) -> Self {
        let target = match is_shown {
            true => ProgressDrawTarget::stderr_with_hz(4),
            false => ProgressDrawTarget::hidden(),
        };
        Self { bar: Bar::with_draw_target(None, target), errors: 0 }
    }

    /// Takes the line away, and says how many errors were not said.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        if let Some(more @ 1..) = self.errors.checked_sub(ALIKE_SAID_MAX) {
            say(format_args!("error: and {more} more; summary.json has all of them"));
        }
    }
}

impl Watcher for ProgressBar {
    fn progress(&mut self, progress: &Progress, frames: u64, hosts: &LiveHosts) {
        if self.bar.is_hidden() {
            return;
        }
        let template = match progress.bytes_total {
            Some(total) => {
                self.bar.set_length(total);
                "{bar:24} {percent}% {bytes}/{total_bytes} {bytes_per_sec} {eta} left{msg}"
            }
            None => "{spinner} {bytes} {bytes_per_sec}{msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        let seconds = self.bar.elapsed().as_secs().max(1);
        self.bar.set_position(progress.bytes_read);
        self.bar.set_message(format!(
            ", {} packets/s, {} hosts, {} below TLS 1.2",
            frames / seconds,
            hosts.len(),
            hosts.count_below_tls12()
        ));
    }

    fn looks_at_hosts(&self) -> bool {
        !self.bar.is_hidden()
    }

    fn error(&mut self, error: &CaptureError) {
        self.errors += 1;
        if self.errors <= ALIKE_SAID_MAX {
            self.bar.suspend(|| say(format_args!("error: {error}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_first() {
        let mut held = VecDeque::new();
        (0..=HELD_LINES_MAX).for_each(|number| keep(&mut held, number.to_string()));
        assert_eq!((held.len(), held.front().map(String::as_str)), (HELD_LINES_MAX, Some("1")));
    }
}

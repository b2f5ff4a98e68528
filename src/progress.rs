//! What is said on standard error: lines that stay, and on a terminal how far the run is.

use std::fmt::Display;
use std::io::{self, Write as _};

use capture::{CaptureError, Progress};
use indicatif::{ProgressBar as Bar, ProgressDrawTarget, ProgressStyle};

use crate::engine::{LiveHosts, Watcher};

/// A line to standard error; when nobody reads it, nothing is lost.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "tlsunset: {line}");
}

/// A line on standard error that says how far the run is; nothing where there is no terminal.
pub(crate) struct ProgressBar {
    bar: Bar,
}

impl ProgressBar {
    pub(crate) fn new(is_shown: bool) -> Self {
        let target = match is_shown {
            true => ProgressDrawTarget::stderr_with_hz(4),
            false => ProgressDrawTarget::hidden(),
        };
        Self { bar: Bar::with_draw_target(None, target) }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
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

    fn error(&mut self, error: &CaptureError) {
        self.bar.suspend(|| say(format_args!("error: {error}")));
    }
}

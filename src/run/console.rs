//! What a command says on its way: data to standard output, messages to standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use console::Term;
use report::{OutputError, TextStyle};

use super::Outcome;
use crate::cli::{ColorChoice, Target};
use crate::progress::{ALIKE_SAID_MAX, say};

/// Says things, and remembers what failed.
#[derive(Debug)]
pub(super) struct Console {
    pub(super) outcome: Outcome,
    prints_notices: bool,
}

impl Console {
    pub(super) fn new(prints_notices: bool) -> Self {
        Self { outcome: Outcome::default(), prints_notices }
    }

    /// Writes to standard output. That nobody reads it any more is no failure.
    pub(super) fn print(&mut self, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) {
        let mut out = io::BufWriter::new(io::stdout().lock());
        match content(&mut out).and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => self.fail(&format!("can't write to standard output: {error}")),
        }
    }

    /// Writes an output to where it is to go.
    pub(super) fn put(
        &mut self,
        target: &Target,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) {
        match target {
            Target::Stdout => self.print(content),
            Target::File(path) => self.check(report::write_file(path, content)),
        }
    }

    /// Prints a command's answer, or what went wrong.
    pub(super) fn answer(&mut self, text: Result<String, String>) {
        match text {
            Ok(text) => self.print(|out| out.write_all(text.as_bytes())),
            Err(error) => self.fail(&error),
        }
    }

    /// A file may be a pipe, too, that nobody reads any more.
    pub(super) fn check(&mut self, written: Result<(), OutputError>) {
        match written {
            Err(error) if error.source.kind() != ErrorKind::BrokenPipe => self.fail(&error),
            _ => {}
        }
    }

    pub(super) fn fail(&mut self, error: &dyn Display) {
        self.outcome.has_failed = true;
        say(format_args!("error: {error}"));
    }

    pub(super) fn notices(&self, notices: &[impl Display]) {
        for notice in notices.iter().take(ALIKE_SAID_MAX) {
            self.notice(notice);
        }
        if let Some(more @ 1..) = notices.len().checked_sub(ALIKE_SAID_MAX) {
            self.notice(&format_args!("and {more} more like these"));
        }
    }

    pub(super) fn notice(&self, notice: &dyn Display) {
        if self.prints_notices {
            say(format_args!("note: {notice}"));
        }
    }
}

/// The width that `COLUMNS` names, as for other programs that lay out text.
fn columns_asked_for() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0)
}

/// How text for people is laid out on standard output.
pub(super) fn text_style(color: ColorChoice) -> TextStyle {
    const WIDTH_WITHOUT_TERMINAL: usize = 100;
    let term = Term::stdout();
    let width = match term.size_checked() {
        Some((_, columns)) => usize::from(columns),
        None => columns_asked_for().unwrap_or(WIDTH_WITHOUT_TERMINAL),
    };
    let color = match color {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        // A terminal that is not dumb, and NO_COLOR is not set.
        ColorChoice::Auto => term.features().colors_supported(),
    };
    TextStyle { width, color }
}

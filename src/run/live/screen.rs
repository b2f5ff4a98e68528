//! The screen of `--tui`: what the board says, on the terminal, and keys that choose what is shown.
//!
//! A thread of its own draws from what it copies off the board; frames never wait for it. The
//! terminal is given back as it was found when the [`Screen`] is dropped, by whatever way the run
//! ends, and when any thread panics. Text from the wire is made printable before it is drawn.

mod history;
mod keys;
mod rows;
mod terminal;
mod view;

use std::io::{self, IsTerminal as _, Stdout};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

use super::board::Board;
use super::panic_for_tests;
use super::signals::Signals;
use crate::progress::{held_lines, hold_lines, release_lines, say};

use history::History;
use keys::Keys;
use rows::Shown;

/// How long a picture stays when nobody presses a key.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// How long it stays at least.
const DRAW_GAP: Duration = Duration::from_millis(100);
/// Keys that are taken before the next picture; a paste is longer.
const KEYS_AT_ONCE_MAX: usize = 256;
/// Messages that are shown, the newest.
const MESSAGES_MAX: usize = 4;

/// A terminal that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Screen {
    is_open: Arc<AtomicBool>,
    /// Whoever draws holds this.
    drawing: Arc<Mutex<()>>,
}

/// Whether there is a terminal to show anything on.
///
/// # Errors
///
/// What is missing, and what to do.
pub(super) fn check() -> Result<(), String> {
    let is_dumb = cfg!(unix) && std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(
            "--tui needs a terminal as standard input and output; leave it out in services \
                    and pipes, where --metrics and the lines on standard error tell the same"
                .to_owned(),
        );
    }
    if is_dumb {
        return Err(
            "--tui needs a terminal that can place text; set TERM, such as TERM=xterm, or \
                    leave --tui out"
                .to_owned(),
        );
    }
    Ok(())
}

impl Screen {
    /// Takes the terminal and begins to show the board.
    ///
    /// # Errors
    ///
    /// When the terminal can't be taken; it is then as it was.
    pub(super) fn open(board: Arc<Mutex<Board>>, signals: Signals) -> io::Result<Self> {
        let screen = Self { is_open: Arc::new(AtomicBool::new(true)), drawing: Arc::default() };
        board.lock().unwrap_or_else(PoisonError::into_inner).sightings.is_kept = true;
        hold_lines();
        terminal::take()?;
        let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        screen.give_back_on_panic();
        let (is_open, drawing) = (Arc::clone(&screen.is_open), Arc::clone(&screen.drawing));
        thread::Builder::new().name("screen".to_owned()).spawn(move || {
            if show(&mut terminal, &board, &is_open, &drawing).is_err() {
                // Whoever watched is gone; what was seen is written.
                say("the terminal of --tui is gone");
            }
            signals.stop();
        })?;
        Ok(screen)
    }

    /// Gives the terminal back before a panic is told on it.
    fn give_back_on_panic(&self) {
        let (is_open, drawing) = (Arc::clone(&self.is_open), Arc::clone(&self.drawing));
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if is_open.swap(false, SeqCst) {
                // Another thread may be about to finish a picture; this one never will.
                for _ in 0..20 {
                    if drawing.try_lock().is_ok() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                give_back();
            }
            tell(panic);
        }));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_open.swap(false, SeqCst) {
            let _last_picture = self.drawing.lock().unwrap_or_else(PoisonError::into_inner);
            give_back();
        }
    }
}

fn give_back() {
    terminal::give_back();
    release_lines();
}

/// Draws and takes keys until it is closed or told to end; an error is a terminal that is gone.
fn show(
    terminal: &mut Terminal<CrosstermBackend<Stdout>>,
    board: &Mutex<Board>,
    is_open: &AtomicBool,
    drawing: &Mutex<()>,
) -> io::Result<()> {
    let (mut keys, mut history, mut shown) =
        (Keys::default(), History::default(), Shown::default());
    let (mut revision, mut drawn) = (None, None::<Instant>);
    let mut is_touched = true;
    loop {
        let wait = if is_touched { DRAW_GAP } else { DRAW_EVERY };
        let left = drawn.map_or(Duration::ZERO, |drawn| wait.saturating_sub(drawn.elapsed()));
        for event in terminal::events(left, KEYS_AT_ONCE_MAX)? {
            if keys.take(&event, &shown) {
                return Ok(());
            }
            is_touched = true;
        }
        if drawn.is_some_and(|drawn| drawn.elapsed() < DRAW_GAP) {
            continue;
        }
        {
            let board = board.lock().unwrap_or_else(PoisonError::into_inner);
            if revision.replace(board.revision) != Some(board.revision) || is_touched {
                history.take(&board);
                shown = Shown::of(&board, &keys);
            }
        }
        keys.settle(&shown);
        let messages = held_lines(MESSAGES_MAX);
        let _picture = drawing.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_open.load(SeqCst) {
            return Ok(());
        }
        terminal.draw(|frame| view::draw(frame, &shown, &history, &keys, &messages))?;
        panic_for_tests("screen");
        (drawn, is_touched) = (Some(Instant::now()), false);
    }
}

//! The terminal itself: taken, read, and given back.

use std::io;
use std::time::Duration;

use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// Keys one by one, and a screen of our own.
///
/// # Errors
///
/// When the terminal refuses; it is then as it was.
pub(super) fn take() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen, Hide).inspect_err(|_| give_back())
}

/// As it was found. A terminal that is gone can't be helped.
pub(super) fn give_back() {
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}

/// Keys that are pressed, and other sizes, within a time; so many at most.
///
/// # Errors
///
/// When there is no terminal any more.
pub(super) fn events(timeout: Duration, count_max: usize) -> io::Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut wait = await_input(timeout)?;
    while events.len() < count_max && event::poll(wait)? {
        events.push(event::read()?);
        wait = Duration::ZERO;
    }
    Ok(events)
}

/// Waits for input where it is known how to tell a terminal that hung up: reading one never ends.
/// Gives how long is still to be waited.
#[cfg(target_os = "linux")]
fn await_input(timeout: Duration) -> io::Result<Duration> {
    use std::os::fd::AsFd as _;

    use nix::errno::Errno;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    let input = io::stdin();
    let mut awaited = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
    match poll(&mut awaited, timeout) {
        // A signal: another size, as a rule.
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    match awaited.iter().any(|it| it.revents().is_some_and(|events| events.intersects(gone))) {
        true => Err(io::ErrorKind::BrokenPipe.into()),
        false => Ok(Duration::ZERO),
    }
}

#[cfg(not(target_os = "linux"))]
fn await_input(timeout: Duration) -> io::Result<Duration> {
    Ok(timeout)
}

//! What systemd is told, where it started the program.

use std::time::{Duration, Instant};

/// A service manager that waits for signs of life, or none.
#[derive(Debug)]
pub(super) struct Service {
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only systemd is told"))]
    alive_every: Option<Duration>,
    told_at: Instant,
}

impl Service {
    /// Says that the program is ready.
    pub(super) fn ready() -> Self {
        #[cfg(target_os = "linux")]
        {
            // Nobody listens unless systemd does.
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
            // Half of what it waits for, as its manual advises.
            let alive_every = sd_notify::watchdog_enabled().map(|time| time / 2);
            Self { alive_every, told_at: Instant::now() }
        }
        #[cfg(not(target_os = "linux"))]
        Self { alive_every: None, told_at: Instant::now() }
    }

    /// Says that the program is alive, when it is time to.
    pub(super) fn alive(&mut self) {
        #[cfg(target_os = "linux")]
        if self.alive_every.is_some_and(|every| self.told_at.elapsed() >= every) {
            self.told_at = Instant::now();
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Watchdog]);
        }
    }

    /// Says that the program ends.
    pub(super) fn stopping(&self) {
        #[cfg(target_os = "linux")]
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    }
}

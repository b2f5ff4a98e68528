//! What the system and people ask of a run that goes on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Signals that came.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Catches SIGINT and SIGTERM, and where there is one SIGHUP.
    pub(super) fn catch() -> io::Result<Self> {
        let signals = Self { stop: Arc::default(), reload: Arc::default() };
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&signals.stop))?;
        }
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGHUP, Arc::clone(&signals.reload))?;
        Ok(signals)
    }

    /// Asks to end, as SIGINT does.
    pub(super) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// Whether to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Whether to read files again; told once.
    pub(super) fn take_reload(&self) -> bool {
        self.reload.swap(false, Relaxed)
    }
}

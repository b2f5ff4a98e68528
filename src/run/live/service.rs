//! What systemd is told, where it started the program (sd_notify(3)).
//!
//! The socket is connected early: connecting is one of the things that the program gives up.

use std::time::{Duration, Instant};

/// A service manager that waits for signs of life, or none.
#[derive(Debug)]
pub(super) struct Service {
    #[cfg(target_os = "linux")]
    socket: Option<std::os::unix::net::UnixDatagram>,
    is_ready: bool,
    alive_every: Option<Duration>,
    told_at: Instant,
}

impl Service {
    /// The service manager that started the program, if one did.
    pub(super) fn find() -> Self {
        Self {
            #[cfg(target_os = "linux")]
            socket: connect(),
            is_ready: false,
            alive_every: watchdog(),
            told_at: Instant::now(),
        }
    }

    /// Says that the program is ready, and later from time to time that it is alive.
    pub(super) fn alive(&mut self) {
        if !self.is_ready {
            self.is_ready = true;
            self.tell("READY=1");
        } else if self.alive_every.is_some_and(|every| self.told_at.elapsed() >= every) {
            self.told_at = Instant::now();
            self.tell("WATCHDOG=1");
        }
    }

    /// Says that the program ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    #[cfg(target_os = "linux")]
    fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not listen any more can't be helped.
            let _ = socket.send(state.as_bytes());
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn tell(&self, _: &str) {}
}

#[cfg(target_os = "linux")]
fn connect() -> Option<std::os::unix::net::UnixDatagram> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let place = std::env::var_os("NOTIFY_SOCKET")?;
    let address = match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&place),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address.ok()?).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

/// How often to give a sign of life: twice in the time after which the manager takes the program
/// for dead.
fn watchdog() -> Option<Duration> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|id| id == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|_| is_ours).map(|time| Duration::from_micros(time / 2))
}

//! Frames from live interfaces, through libpcap.
//!
//! Several interfaces are one source: the two directions of a link often come from two mirror
//! ports. Their frames are put into the order of their time, as far as the kernel's own buffering
//! disturbs it. An interface that goes down or away is waited for; what happens to interfaces is
//! told as events, what they lost is counted and never guessed.

mod info;
mod interface;
mod staging;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "portable.rs")]
mod system;

use std::fmt;
use std::time::{Duration, Instant};

use dissect::Timestamp;

use crate::{Batch, CaptureError};
use interface::Interface;
use staging::Staging;

pub use info::{InterfaceInfo, interfaces};

/// How to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// Bytes of the kernel's buffer for each interface.
    pub buffer_bytes: u32,
    /// Bytes captured of a frame; the rest counts as cut.
    pub snap_len: u32,
    /// Whether to take frames that are not for this host: all that a mirror delivers.
    pub is_promiscuous: bool,
    /// A BPF expression; the kernel drops what does not match, uncounted.
    pub filter: Option<String>,
}

impl Default for LiveOptions {
    /// 64 MiB ride out half a second at 1 Gbit/s; the snap length is that of tcpdump, which no
    /// offloaded frame exceeds.
    fn default() -> Self {
        Self { buffer_bytes: 64 << 20, snap_len: 262_144, is_promiscuous: true, filter: None }
    }
}

/// What an interface delivered and lost, in frames.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InterfaceCounts {
    /// The interface's name.
    pub name: String,
    /// Delivered to the program.
    pub received: u64,
    /// Dropped by the kernel because its buffer was full.
    pub kernel_drops: u64,
    /// Dropped by the interface or its driver.
    pub interface_drops: u64,
    /// How often the interface went down or away.
    pub outages: u64,
}

/// Something happened to an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LiveEvent {
    /// It delivers frames from now on.
    Listening {
        /// The interface.
        name: String,
    },
    /// It was taken down; it is waited for.
    Down {
        /// The interface.
        name: String,
    },
    /// It does not exist any more; it is waited for.
    Gone {
        /// The interface.
        name: String,
    },
    /// It delivers frames again.
    Back {
        /// The interface.
        name: String,
        /// For how long it did not.
        after: Duration,
    },
    /// It is there again but can't be listened on; tried again and told once.
    Blocked {
        /// The interface.
        name: String,
        /// Why, in words.
        reason: String,
    },
}

impl fmt::Display for LiveEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listening { name } => write!(f, "listening on {name}"),
            Self::Down { name } => write!(f, "{name} went down; waiting for it"),
            Self::Gone { name } => write!(f, "{name} is gone; waiting for it"),
            Self::Back { name, after } => {
                write!(f, "listening on {name} again, after {:.1} s", after.as_secs_f64())
            }
            Self::Blocked { name, reason } => write!(f, "can't listen on {name} again: {reason}"),
        }
    }
}

/// Frames of one or more interfaces as they arrive.
pub struct LiveSource {
    interfaces: Vec<Interface>,
    staging: Staging,
    events: Vec<LiveEvent>,
    looked_at: Instant,
}

impl LiveSource {
    /// Opens the interfaces; afterwards no privilege is needed any more.
    ///
    /// # Errors
    ///
    /// When one of them does not exist, is down, or may not be captured on, and when the filter is
    /// not understood.
    pub fn open(names: &[String], options: &LiveOptions) -> Result<Self, CaptureError> {
        let open = |name: &String| Interface::open(name, options);
        let interfaces = names.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let events = names.iter().map(|name| LiveEvent::Listening { name: name.clone() });
        Ok(Self {
            staging: Staging::new(interfaces.len() > 1),
            events: events.collect(),
            looked_at: Instant::now(),
            interfaces,
        })
    }

    /// Waits for frames, `timeout` at the most; `None` when none came.
    pub fn wait(&mut self, timeout: Duration) -> Option<Batch> {
        let deadline = Instant::now() + timeout;
        loop {
            self.look_after();
            let mut has_read = false;
            for interface in &mut self.interfaces {
                has_read |= interface.read(&mut self.staging, &mut self.events);
            }
            if let Some(batch) = self.staging.take_ready() {
                return Some(batch);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            if !has_read {
                system::wait_readable(&self.interfaces, left.min(self.staging.patience()));
            }
        }
    }

    /// What is held back to be put in order, when nothing more is to come.
    pub fn drain(&mut self) -> Option<Batch> {
        self.staging.take_all()
    }

    /// Takes what happened to interfaces since the last call.
    pub fn take_events(&mut self) -> Vec<LiveEvent> {
        std::mem::take(&mut self.events)
    }

    /// What the interfaces delivered and lost since they were opened.
    pub fn counts(&mut self) -> Vec<InterfaceCounts> {
        self.interfaces.iter_mut().map(Interface::counts).collect()
    }

    /// Time of the newest frame.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.staging.newest()
    }

    /// Sees to interfaces that went or came, and to counters before they overflow.
    fn look_after(&mut self) {
        const EVERY: Duration = Duration::from_millis(250);
        if self.looked_at.elapsed() >= EVERY {
            self.looked_at = Instant::now();
            for interface in &mut self.interfaces {
                interface.look_after(&mut self.events);
            }
        }
    }
}

impl fmt::Debug for LiveSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.interfaces.iter().map(Interface::name).collect();
        f.debug_struct("LiveSource").field("interfaces", &names).finish_non_exhaustive()
    }
}

/// How long the kernel collects frames before it hands them over, in milliseconds. Its ring is read
/// block by block; a quiet link's block is handed over after this.
const KERNEL_DELAY_MS: i32 = 20;

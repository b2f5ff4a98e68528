//! Frames from live interfaces, through libpcap.
//!
//! Several interfaces are one source: the two directions of a link often come from two mirror
//! ports. Their frames are put into the order of their time, as far as the kernel's own buffering
//! disturbs it. Several readers may share the frames of the same interfaces ([`LiveReaders`]), each
//! a thread's own source. An interface that goes down or away is waited for; what happens to interfaces is
//! told as events, what they lost is counted and never guessed.

mod ahead;
#[cfg(target_os = "linux")]
mod fanout;
mod handle;
mod info;
mod interface;
mod monitor;
mod readers;
mod source;
mod staging;
#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "portable.rs")]
mod system;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dissect::Timestamp;

pub use info::{InterfaceInfo, interfaces};
pub use monitor::LiveMonitor;
pub use readers::LiveReaders;
pub use source::LiveSource;

/// How to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveOptions {
    /// Bytes of the kernel's buffer for each interface. Several readers have each their share of it,
    /// and as much again is in reserve for when the interface goes and comes back.
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
    /// Several readers were asked for, but one takes all of its frames.
    OneReader {
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
            Self::OneReader { name, reason } => {
                write!(f, "one thread takes the frames of {name} for all: {reason}")
            }
        }
    }
}

/// The time of day.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// How long the kernel collects frames before it hands them over, in milliseconds. Its ring is read
/// block by block; a quiet link's block is handed over after this.
const KERNEL_DELAY_MS: i32 = 20;
/// How old a frame may be that an empty ring has not shown yet: its block's delay, by a timer that
/// may be late.
const UNSEEN: Duration = Duration::from_millis(3 * KERNEL_DELAY_MS as u64);

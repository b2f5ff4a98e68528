//! Where frames come from.
//!
//! [`open`](fn@open) takes files, directories and standard input and gives one [`Timeline`]: all
//! their frames in the order of their time, in [`Batch`]es that can be sent to another thread. Capture
//! files are pcap, pcapng and snoop, each plain or compressed; what a file is, is told by its
//! content.
//!
//! A packet stays in the block of bytes it was read into: a [`Batch`] is that block ([`Region`])
//! and a list of spans. Damage is an error that says where and what, after the frames before it
//! and, where the reader finds the next sound packet, before the frames behind it.
//! `LiveReaders` gives the same batches from live interfaces.
//!
//! ```no_run
//! use capture::{Input, Options, Source};
//!
//! let mut timeline = capture::open(&[Input::parse("day.pcapng")], &Options::default())?;
//! while let Some(step) = timeline.next_batch() {
//!     match step {
//!         Ok(batch) => {
//!             for frame in batch.frames() {
//!                 println!("{} {}", frame.time, frame.data.len());
//!             }
//!             timeline.recycle(batch);
//!         }
//!         Err(error) => eprintln!("{error}"),
//!     }
//! }
//! # Ok::<(), capture::CaptureError>(())
//! ```
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing, reason = "a test may panic"))]

mod batch;
mod copies;
mod error;
mod fetch;
mod file;
mod filter;
mod foreign;
mod format;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod gather;
mod input;
#[cfg(feature = "libpcap")]
mod live;
mod open;
mod region;
mod resync;
mod source;
mod stream;
mod timeline;

pub use batch::{Batch, FrameDesc};
pub use copies::Copies;
pub use error::{CaptureError, Codec, Recovery};
pub use input::{Input, Notice};
#[cfg(feature = "libpcap")]
pub use live::{
    InterfaceCounts, InterfaceInfo, LiveEvent, LiveMonitor, LiveOptions, LiveReaders, LiveSource,
    interfaces,
};
pub use region::Region;
pub use source::{Options, Progress, Source};
pub use stream::Unpacked;
pub use timeline::{Timeline, open, open_reader};

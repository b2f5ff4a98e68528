//! Connections: which packets belong together, what each direction says, and how the two halves
//! are joined into [`crate::FlowFacts`].

mod attempts;
mod connection;
mod conversation;
mod ending;
mod evict;
mod half;
mod index;
mod join;
mod key;
mod reader;
mod role;
mod side;
mod sweep;
mod table;
mod watch;

pub(crate) use connection::Segment;
pub use half::{Half, JoinedHalves, join_halves};
pub(crate) use join::Halves;
pub(crate) use key::{Key, Way};
pub use role::client_by_ports;
pub(crate) use side::SideFacts;
pub(crate) use table::{FlowTable, Located};

use crate::tcp::Place;
use crate::tls::Interner;
use crate::{Limits, Mark, Transport};

/// What every layer needs to know of the frame at hand.
pub(crate) struct Context<'a> {
    pub(crate) at: Mark,
    /// Where the bytes at hand lie in their stream.
    pub(crate) place: Place,
    /// Length of the frame on the wire.
    pub(crate) frame_len: u32,
    pub(crate) transport: Transport,
    pub(crate) limits: &'a Limits,
    pub(crate) interner: &'a mut Interner,
}

//! What frames say: link layer, IP, TCP and TLS, and the handshakes of QUIC and DTLS.
//!
//! Frames go in through a dissector; what was learned of each TLS connection comes out
//! through an [`Observer`]. The crate is pure: it reads no clock, opens no file, starts no thread
//! and draws no random number, so that equal frames give equal observations.
//!
//! Its input is hostile by assumption. Strange bytes are never an error: a frame that can't be
//! followed is counted under a [`SkipReason`], a byte that is missing shows as [`Coverage`], and
//! everything that is kept has a bound in [`Limits`].
#![forbid(unsafe_code)]

mod counters;
mod dissector;
mod flow;
mod frame;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod limits;
mod messages;
mod net;
mod observation;
mod offer;
mod quality;
mod tcp;
mod tls;
mod udp;
mod upgrade;
mod version;

pub use counters::{Counters, SkipReason};
pub use dissector::{Dissector, Held, Sweep};
pub use flow::{Half, JoinedHalves, client_by_ports, join_halves};
pub use frame::{Frame, LinkType, Timestamp};
pub use limits::Limits;
pub use messages::Messages;
pub use net::{
    Glance, GlancedPacket, Pair, Pairing, Placement, Placer, Steer, Steering, Wrap, glance,
};
pub use observation::{
    Alert, CertificateNames, Coverage, End, EndKind, Endpoint, FlowFacts, HelloSeen, Mark,
    MessageKind, MessageMark, NameSeen, Observer, Protocol, PseudoTls, Refusal, RefusalKind,
    RoleFrom, ServerHello, Side, Transport, Upgrade,
};
pub use offer::{ClientHello, HelloExtent, HelloFormat, Offer, is_grease};
pub use quality::{Faults, Quality, SideQuality};
pub use version::Version;

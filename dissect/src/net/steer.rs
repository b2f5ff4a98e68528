//! Which worker a frame belongs to, for a thread that hands frames out.
//!
//! Both directions of a connection go to the same worker, whatever tags and tunnels are around
//! either. That takes the endpoints of whole packets, so fragments are put together here and
//! workers never see one.

use std::hash::BuildHasher;
use std::net::IpAddr;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

use super::span::Span;
use super::{Defragmenter, Packet, Reassembled, Walked, plain, reassemble, walk, walk_whole};
use crate::{Counters, Frame};

/// Where a frame goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Steering {
    /// To the worker that owns this hash of the two endpoints.
    Flow(u64),
    /// The frame completed a packet that came in fragments. What goes to the worker, instead of
    /// the frame and with its number and time, is a frame of link type
    /// [`LinkType::RAW`](crate::LinkType::RAW) with these bytes.
    Datagram {
        /// As in [`Flow`](Self::Flow).
        hash: u64,
        /// An IP packet.
        bytes: Vec<u8>,
        /// Its length on the wire: more than there are bytes when the snap length cut a piece.
        wire_len: u32,
    },
    /// Nowhere: it is a fragment, and counted in [`Steer::counters`].
    Kept,
    /// To any worker, which will skip it and count why.
    Any,
}

/// Hands out frames.
#[derive(Debug)]
pub struct Steer {
    defrag: Defragmenter,
    hash: SeedableRandomState,
    counters: Counters,
}

impl Steer {
    /// `seed` keeps a sender from choosing the worker; equal seeds steer equally.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            defrag: Defragmenter::new(seed),
            hash: SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()),
            counters: Counters::default(),
        }
    }

    /// What was counted here and will be by no worker: frames that ended here, and fragments.
    /// Added to what the workers count, it gives what a single dissector counts of all frames.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Says where a frame goes.
    #[inline]
    pub fn steer(&mut self, frame: &Frame<'_>) -> Steering {
        if let Some(packet) = plain::packet(frame) {
            return Steering::Flow(self.hash(&packet));
        }
        match walk(frame.link, Span::new(frame.data, frame.wire_len)) {
            Walked::Packet(packet) => Steering::Flow(self.hash(&packet)),
            Walked::Skip(_) => Steering::Any,
            Walked::Fragment(fragment) => {
                let outcome =
                    reassemble(&fragment, frame.time, &mut self.defrag, &mut self.counters);
                self.finish(frame, outcome)
            }
        }
    }

    #[cold]
    fn finish(&mut self, frame: &Frame<'_>, outcome: Reassembled) -> Steering {
        let cut_frames = &mut self.counters.cut_frames;
        *cut_frames = cut_frames.wrapping_add(u64::from(frame.is_cut()));
        self.counters.bytes += frame.data.len() as u64;
        match outcome {
            Reassembled::Datagram(bytes) => {
                let Walked::Packet(packet) = walk_whole(&bytes) else {
                    return Steering::Any;
                };
                let hash = self.hash(&packet);
                // Captured bytes of a packet are those of an IP packet or a few.
                let captured_len = u32::try_from(packet.payload.len()).unwrap_or(u32::MAX);
                let cut = packet.payload_len.saturating_sub(captured_len);
                let wire_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).saturating_add(cut);
                // The worker will count these bytes, each of which came in a frame that was
                // counted above, and that the packet is cut, which is no frame's cut when the
                // packet lies about its length. Only the sum is a count.
                let counters = &mut self.counters;
                counters.bytes = counters.bytes.saturating_sub(bytes.len() as u64);
                counters.cut_frames = counters.cut_frames.wrapping_sub(u64::from(cut > 0));
                return Steering::Datagram { hash, bytes, wire_len };
            }
            Reassembled::Kept => self.counters.dissected += 1,
            Reassembled::Skip(reason) => self.counters.skip(reason),
        }
        self.counters.frames += 1;
        Steering::Kept
    }

    #[inline]
    pub(super) fn hash(&self, packet: &Packet<'_>) -> u64 {
        let (src_port, dst_port) = packet.transport.ports();
        let (src, dst) = ((number(packet.src), src_port), (number(packet.dst), dst_port));
        let (low, high) = if src <= dst { (src, dst) } else { (dst, src) };
        let ports = u32::from(low.1) << 16 | u32::from(high.1);
        self.hash.hash_one((low.0, high.0, ports))
    }
}

/// An address as a number: hashes in two steps, where the type itself takes six.
#[inline]
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

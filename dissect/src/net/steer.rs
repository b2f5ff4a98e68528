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
use super::{
    Defragmenter, Packet, Reassembled, Walked, may_hold_several, plain, reassemble, several, swift,
    walk, walk_whole,
};
use crate::{Counters, Frame, SkipReason};

/// Where a frame goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Steering {
    /// To the worker that owns this hash of the two endpoints.
    Flow(u64),
    /// The frame completed a packet that came in fragments. The frame is counted; the packet is
    /// for [`Dissector::push_datagram`](crate::Dissector::push_datagram) of the worker.
    Datagram {
        /// As in [`Flow`](Self::Flow).
        hash: u64,
        /// An IP packet.
        bytes: Vec<u8>,
    },
    /// The frame held several packets, each with its hash as in [`Flow`](Self::Flow). The frame is
    /// counted; the packets are Ethernet frames for
    /// [`Dissector::push_datagram`](crate::Dissector::push_datagram) of their workers.
    Several(Vec<(u64, Vec<u8>)>),
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

    /// What [`counters`](Self::counters) counted since the last call, or the beginning.
    #[must_use]
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// Says where a frame goes.
    #[inline]
    pub fn steer(&mut self, frame: &Frame<'_>) -> Steering {
        if let Some(swift) = swift(frame) {
            let (src, dst) = (swift.src.into(), swift.dst.into());
            return Steering::Flow(self.hash_of((src, swift.src_port), (dst, swift.dst_port)));
        }
        if let Some(packet) = plain::packet(frame) {
            return Steering::Flow(self.hash(&packet));
        }
        if may_hold_several(frame.link)
            && let Some(packets) = several(frame)
        {
            self.counters.count(frame);
            self.counters.dissected += 1;
            let part =
                |(span, packet): (Span<'_>, Packet<'_>)| (self.hash(&packet), span.data().to_vec());
            return Steering::Several(packets.into_iter().map(part).collect());
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

    /// Counts a fragment, and says where what it completed goes.
    #[cold]
    fn finish(&mut self, frame: &Frame<'_>, outcome: Reassembled) -> Steering {
        self.counters.count(frame);
        match outcome {
            Reassembled::Datagram(bytes) => match walk_whole(&bytes) {
                Walked::Packet(packet) => {
                    self.counters.dissected += 1;
                    let hash = self.hash(&packet);
                    return Steering::Datagram { hash, bytes };
                }
                Walked::Fragment(_) => self.counters.skip(SkipReason::FragmentDropped),
                Walked::Skip(reason) => self.counters.skip(reason),
            },
            Reassembled::Kept => self.counters.dissected += 1,
            Reassembled::Skip(reason) => self.counters.skip(reason),
        }
        Steering::Kept
    }

    #[inline]
    pub(super) fn hash(&self, packet: &Packet<'_>) -> u64 {
        let (src_port, dst_port) = packet.transport.ports();
        self.hash_of((number(packet.src), src_port), (number(packet.dst), dst_port))
    }

    #[inline]
    fn hash_of(&self, src: (u128, u16), dst: (u128, u16)) -> u64 {
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

//! Which reader a frame belongs to, where several threads read.
//!
//! Like [`Steer`](super::Steer), but by the innermost pair of addresses. Fragments have these too,
//! so they are put together where their connection is followed, and only those that may hold a
//! tunnel are put together before it is known where they go.

use super::defrag::Pushed;
use super::ip::{Fragment, protocol};
use super::pair::Pair;
use super::span::Span;
use super::{
    Defragmenter, Packet, Walked, may_hold_several, plain, several, swift, walk, walk_whole,
};
use crate::{Counters, Frame, LinkType, SkipReason};

/// Where a frame goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Placement {
    /// To the reader of this pair, the innermost one.
    Frame(Pair, Wrap),
    /// The frame held packets that it is not itself: several, or one that its fragment completed.
    /// The frame is counted; the packets, of this link type, are for
    /// [`Dissector::push_datagram`](crate::Dissector::push_datagram) of the readers of their pairs.
    Packets(LinkType, Vec<(Pair, Wrap, Vec<u8>)>),
    /// Nowhere: it is a fragment, and counted in [`Placer::take_counters`].
    Kept,
    /// To any reader, which will skip it and count why.
    Any,
}

/// What is around a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrap {
    /// Nothing that has addresses of its own: whoever looks at the frame sees the pair.
    Plain,
    /// A tunnel. The two directions of a connection may come between different outer addresses.
    Tunnel,
}

/// Places frames.
#[derive(Debug)]
pub struct Placer {
    defrag: Defragmenter,
    counters: Counters,
}

impl Placer {
    /// `seed` keys the table of fragments.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { defrag: Defragmenter::new(seed), counters: Counters::default() }
    }

    /// What was counted here since the last call and will be by no dissector: frames that ended
    /// here, and fragments.
    #[must_use]
    pub fn take_counters(&mut self) -> Counters {
        std::mem::take(&mut self.counters)
    }

    /// Says where a frame goes.
    #[inline]
    pub fn place(&mut self, frame: &Frame<'_>) -> Placement {
        if let Some(swift) = swift(frame) {
            return Placement::Frame(Pair::of_v4(swift.src, swift.dst), Wrap::Plain);
        }
        match plain::packet(frame) {
            Some(packet) => Placement::Frame(Pair::new(packet.src, packet.dst), Wrap::Plain),
            None => self.place_odd(frame),
        }
    }

    #[cold]
    fn place_odd(&mut self, frame: &Frame<'_>) -> Placement {
        if may_hold_several(frame.link)
            && let Some(packets) = several(frame)
        {
            self.counters.count(frame);
            self.counters.dissected += 1;
            let part = |(span, packet): (Span<'_>, Packet<'_>)| {
                (Pair::new(packet.src, packet.dst), wrap(packet.tunnelled), span.data().to_vec())
            };
            return Placement::Packets(LinkType::ETHERNET, packets.into_iter().map(part).collect());
        }
        match walk(frame.link, Span::new(frame.data, frame.wire_len)) {
            Walked::Packet(packet) => {
                Placement::Frame(Pair::new(packet.src, packet.dst), wrap(packet.tunnelled))
            }
            Walked::Skip(_) => Placement::Any,
            // Fragments in a tunnel may come to several readers; one has to get them all.
            Walked::Fragment(piece) if piece.protocol == protocol::TCP || piece.is_tunnelled => {
                Placement::Frame(Pair::new(piece.src, piece.dst), wrap(piece.is_tunnelled))
            }
            Walked::Fragment(piece) => self.put_together(frame, &piece),
        }
    }

    /// Counts a fragment of what may be a tunnel, and says where what it completed goes.
    fn put_together(&mut self, frame: &Frame<'_>, piece: &Fragment<'_>) -> Placement {
        self.counters.count(frame);
        self.counters.fragments += 1;
        let bytes = match self.defrag.push(piece, frame.time, &mut self.counters) {
            Pushed::Whole(bytes) => bytes,
            Pushed::Kept => {
                self.counters.dissected += 1;
                return Placement::Kept;
            }
            Pushed::Dropped => {
                self.counters.skip(SkipReason::FragmentDropped);
                return Placement::Kept;
            }
        };
        self.counters.reassembled_datagrams += 1;
        let (pair, wrap) = match walk_whole(&bytes) {
            Walked::Packet(packet) => (Pair::new(packet.src, packet.dst), wrap(packet.tunnelled)),
            Walked::Fragment(inner) => (Pair::new(inner.src, inner.dst), Wrap::Tunnel),
            Walked::Skip(reason) => {
                self.counters.skip(reason);
                return Placement::Kept;
            }
        };
        self.counters.dissected += 1;
        Placement::Packets(LinkType::RAW, vec![(pair, wrap, bytes)])
    }
}

const fn wrap(is_tunnelled: bool) -> Wrap {
    if is_tunnelled { Wrap::Tunnel } else { Wrap::Plain }
}

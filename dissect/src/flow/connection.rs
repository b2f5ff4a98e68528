//! One connection of the table: its state, where its two streams stand, and whether a segment
//! still belongs to it or to a later connection with the same ports.

use super::attempts::{Attempt, Endings};
use super::conversation::Conversation;
use super::ending::{self, Ending};
use super::index::KeyHash;
use super::join::Halves;
use super::key::{Key, Way};
use super::watch::Watch;
use crate::net::tcp_flags as flags;
use crate::tcp::Seq;
use crate::tls::{message, sslv2_client_hello_len};
use crate::{Coverage, EndKind, FlowFacts, Mark, Side};

/// How far behind its SYN a connection's first captured byte may lie, when everything between got
/// lost: twice the bytes after which a direction is given up.
pub(super) const REACH: i32 = 1 << 20;
/// How far beside a stream's known bytes its others may lie: a window without scaling.
const NEAR: u32 = 1 << 16;
/// A connection that was silent for so long has sent its hello and all copies of it; copies that a
/// mirror or a middlebox makes come within milliseconds.
const QUIET_NS: i64 = 5_000_000_000;

/// A TCP segment as the layers below deliver it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    pub(crate) key: Key,
    pub(crate) way: Way,
    pub(crate) seq: Seq,
    pub(crate) ack: Seq,
    /// Bits of [`flags`].
    pub(crate) flags: u8,
    /// The TCP header; empty when not all of it was captured, or it came in fragments.
    pub(crate) header: &'a [u8],
    /// The captured payload.
    pub(crate) payload: &'a [u8],
    /// Payload bytes that the snap length cut off.
    pub(crate) cut: u32,
    pub(crate) at: Mark,
    /// Length of the frame on the wire.
    pub(crate) frame_len: u32,
    /// Identification of the IPv4 packet; 0 for IPv6.
    pub(crate) id: u16,
    /// Time to live, or hop limit.
    pub(crate) ttl: u8,
    pub(crate) vlan: Option<u16>,
}

impl Segment<'_> {
    /// A SYN without header or payload, from which tests go on.
    #[cfg(test)]
    pub(super) fn bare(key: Key, way: Way) -> Self {
        Self {
            key,
            way,
            seq: Seq(1),
            ack: Seq(0),
            flags: flags::SYN,
            header: &[],
            payload: &[],
            cut: 0,
            at: Mark::default(),
            frame_len: 60,
            id: 0,
            ttl: 64,
            vlan: None,
        }
    }

    pub(super) fn is_syn(&self) -> bool {
        self.flags & flags::SYN != 0
    }

    pub(super) fn has_payload(&self) -> bool {
        !self.payload.is_empty() || self.cut > 0
    }

    /// The acknowledgement number, where it means one.
    pub(super) fn acked(&self) -> Option<Seq> {
        (self.flags & flags::ACK != 0).then_some(self.ack)
    }

    /// Number of the first byte of the payload.
    pub(super) fn start(&self) -> Seq {
        self.seq.plus(u32::from(self.is_syn()))
    }

    pub(super) fn is_end(&self) -> bool {
        self.flags & (flags::FIN | flags::RST) != 0
    }

    /// The end of a direction that this segment tells.
    pub(super) fn ending(&self) -> Ending {
        let kind = match self.flags & flags::RST != 0 {
            true => EndKind::Reset,
            false => EndKind::Fin,
        };
        Ending { kind, at: self.at, seq: self.end(), ack: self.acked() }
    }

    /// Length of the payload on the wire.
    pub(super) fn len(&self) -> u32 {
        // A captured payload is one packet's.
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX).saturating_add(self.cut)
    }

    /// Number behind the payload.
    pub(super) fn end(&self) -> Seq {
        self.start().plus(self.len())
    }
}

/// A connection with payload.
///
/// What every packet needs comes first and together: two cache lines in place of four.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Flow {
    pub(super) key: Key,
    pub(super) hash: KeyHash,
    /// A later connection with the same ports has dialled.
    pub(super) has_successor: bool,
    dialled: Option<Way>,
    pub(super) state: State,
    pub(super) last: Mark,
    /// The bytes of each direction that are known to have been sent.
    spans: [Option<Span>; 2],
    /// Bytes held by `state`, as they are counted in the table.
    pub(super) held_bytes: usize,
    pub(super) first: Mark,
    starts: [Option<Seq>; 2],
    endings: Endings,
}

/// From the first captured byte to behind the last one.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: Seq,
    end: Seq,
}

/// What is done with a connection's segments.
#[derive(Debug)]
pub(super) enum State {
    /// An unused slot.
    Free,
    /// Being read.
    Open(Box<Conversation>),
    /// Decided.
    Settled(Box<FlowFacts>),
    /// No TLS, or reported already.
    Plain,
}

impl State {
    /// Bytes that are held beside the slot.
    pub(super) fn held_bytes(&self) -> usize {
        match self {
            Self::Open(conversation) => size_of::<Conversation>() + conversation.held_bytes(),
            Self::Settled(facts) => facts.held_bytes(),
            Self::Free | Self::Plain => 0,
        }
    }
}

impl Flow {
    /// A connection whose first payload is at hand; `conversation` is one that is over, or new.
    pub(super) fn new(
        (key, hash): (Key, KeyHash),
        attempt: &Attempt,
        at: Mark,
        mut conversation: Box<Conversation>,
    ) -> Self {
        let starts = attempt.starts();
        let watch = Watch::new(attempt.dial, attempt.late_ns(), starts);
        conversation.begin(watch);
        let endings = attempt.endings();
        for way in Way::BOTH {
            if let Some(start) = starts[way.index()] {
                conversation.anchor(way, start);
            }
            if let Some(ending) = &endings[way.index()] {
                conversation.note_ending(way, ending);
            }
        }
        let state = State::Open(conversation);
        Self {
            key,
            hash,
            has_successor: false,
            dialled: attempt.dialled,
            held_bytes: state.held_bytes(),
            state,
            last: at,
            spans: [None; 2],
            first: attempt.first,
            starts,
            endings,
        }
    }

    /// Joins what both directions said; `None` when it is no TLS.
    pub(super) fn join(
        &self,
        read: &mut Conversation,
        missing: Coverage,
    ) -> Option<Box<FlowFacts>> {
        self.halves(read, missing).join().map(Box::new)
    }

    /// What is known of a connection that is no TLS by one direction alone and may be by both.
    pub(super) fn silent(&self, read: &mut Conversation) -> Option<Box<FlowFacts>> {
        let facts = self.halves(read, Coverage::COMPLETE).silent()?;
        Some(Box::new(FlowFacts { first: self.first, last: self.last, ..facts }))
    }

    fn halves<'a>(&self, read: &'a mut Conversation, missing: Coverage) -> Halves<'a> {
        let (sides, watch) = read.parts_mut();
        let lost = sides.each_ref().map(|side| side.lost_packets);
        let silent = sides.each_ref().map(|side| !side.saw_payload);
        Halves {
            senders: Way::BOTH.map(|way| self.key.sender(way)),
            sides,
            captured: watch.captured(),
            qualities: watch.quality(lost, silent),
            saw_syn: watch.saw_syn(),
            endings: self.endings,
            reached: watch.reached(),
            dialled: self.dialled.map(Way::index),
            end: ending::first(self.endings),
            missing,
        }
    }

    /// Fills in what goes on after a connection is decided.
    pub(super) fn complete(&self, facts: &mut FlowFacts) {
        (facts.first, facts.last) = (self.first, self.last);
        let sides = Way::BOTH.map(|way| match self.key.sender(way) == facts.client {
            true => Side::Client,
            false => Side::Server,
        });
        let end = ending::first(self.endings);
        facts.end = end.and_then(|(at, ending)| Some(ending.by(*sides.get(at)?)));
        if let Some(half) = &mut facts.half
            && let Some(at) = sides.iter().position(|side| *side == half.from())
        {
            half.note_ending(self.endings.get(at).copied().flatten());
        }
    }

    /// Whether the connection is decided, and a segment neither begins nor ends one: there is no
    /// more to it than where it lies.
    #[inline]
    pub(super) fn is_decided_for(&self, segment: &Segment<'_>) -> bool {
        const SIGNALS: u8 = flags::SYN | flags::FIN | flags::RST;
        matches!(self.state, State::Settled(_) | State::Plain)
            && !self.has_successor
            && segment.flags & SIGNALS == 0
            && hello_kind(segment.payload).is_none()
    }

    /// Notes where a segment lies, and what it says of the streams' beginnings and ends.
    pub(super) fn note(&mut self, way: Way, segment: &Segment<'_>) {
        if segment.is_syn() {
            self.note_syn(way, segment);
        }
        self.note_bytes(way, segment);
        if segment.is_end() {
            self.note_ending(way, segment.ending());
        }
    }

    /// Notes where a segment lies.
    #[inline]
    pub(super) fn note_bytes(&mut self, way: Way, segment: &Segment<'_>) {
        self.last = segment.at;
        if segment.has_payload() {
            let (start, end) = (segment.start(), segment.end());
            self.spans[way.index()].get_or_insert(Span { first: start, end }).cover(start, end);
            if let Some(ack) = segment.acked() {
                self.spans[way.reverse().index()].get_or_insert(Span { first: ack, end: ack });
            }
        }
    }

    /// Notes a SYN that comes after payload, as mirrors with a lag between directions deliver it.
    #[cold]
    fn note_syn(&mut self, way: Way, segment: &Segment<'_>) {
        let mut attempt = Attempt::unseen(self.first);
        attempt.dialled = self.dialled;
        for way in Way::BOTH {
            if let Some(start) = self.starts[way.index()] {
                attempt.set_start(way, start);
            }
        }
        attempt.note(way, segment);
        (self.starts, self.dialled) = (attempt.starts(), attempt.dialled);
        if let State::Open(conversation) = &mut self.state {
            for way in Way::BOTH {
                if let Some(start) = self.starts[way.index()] {
                    conversation.anchor(way, start);
                }
            }
        }
    }

    fn note_ending(&mut self, way: Way, ending: Ending) {
        let known = &mut self.endings[way.index()];
        // A RST behind a FIN is numbered behind it, which is no byte.
        let is_behind_fin = known.as_ref().is_some_and(|known| known.kind == EndKind::Fin);
        if let State::Open(conversation) = &mut self.state
            && !is_behind_fin
        {
            conversation.note_ending(way, &ending);
        }
        Ending::note(known, ending);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.endings.iter().any(Option::is_some)
    }

    /// Whether a SYN is the one of this connection, and not of a later one.
    pub(super) fn is_own_syn(&self, way: Way, segment: &Segment<'_>) -> bool {
        let fits = |way: Way, start: Seq| {
            let known = self.starts[way.index()].map(|known| known == start);
            let first = self.spans[way.index()].map(|span| span.first);
            known.or_else(|| Some((0..=REACH).contains(&first?.since(start))))
        };
        // The answer to a SYN with payload (RFC 7413) acknowledges the payload too, or not.
        let acknowledges = |way: Way, ack: Seq| {
            let (start, span) = (self.starts[way.index()], self.spans[way.index()]);
            match (start, span) {
                (Some(start), Some(span)) => {
                    Some((0..=span.end.since(start)).contains(&ack.since(start)))
                }
                _ => fits(way, ack),
            }
        };
        fits(way, segment.seq.plus(1))
            .or_else(|| acknowledges(way.reverse(), segment.acked()?))
            .unwrap_or_else(|| !self.has_ended())
    }

    /// Whether a payload begins another connection, whose SYN was not captured: a hello that is
    /// not the known one, far from the bytes of this connection. After a silence a hello there is
    /// another one whatever it says, and so is one with another random anywhere behind the end.
    pub(super) fn is_over_by(&self, way: Way, segment: &Segment<'_>) -> bool {
        let Some(kind) = hello_kind(segment.payload) else { return false };
        let Some(span) = self.spans[way.index()] else { return false };
        let is_near = span.is_near(segment.start());
        let is_quiet = segment.at.time.nanos_since(self.last.time) > QUIET_NS;
        if is_near && !(is_quiet && self.has_ended()) {
            return false;
        }
        let random = segment.payload.get(11..43);
        let (client, server) = match &self.state {
            State::Free => return false,
            State::Plain => return !is_near,
            State::Settled(facts) => (
                facts.client_hello.as_ref().map(|hello| &hello.random),
                facts.server_hello.as_ref().map(|hello| &hello.random),
            ),
            State::Open(conversation) => {
                let facts = &conversation.reader(way).facts;
                if !facts.has_hello() && !self.has_ended() && !is_quiet {
                    return false;
                }
                (
                    facts.client_hello.as_ref().map(|hello| &hello.random),
                    facts.server_hello.as_ref().map(|hello| &hello.random),
                )
            }
        };
        let known = if kind == message::SERVER_HELLO { server } else { client };
        let differs = known.map(|known| known.as_slice()) != random;
        // Near the known bytes it may be the hello of a direction that came late.
        if is_near { known.is_some() && differs } else { differs || is_quiet }
    }
}

impl Span {
    fn cover(&mut self, start: Seq, end: Seq) {
        if start.since(self.first) < 0 {
            self.first = start;
        }
        if end.since(self.end) > 0 {
            self.end = end;
        }
    }

    /// Whether a number lies among the known bytes or shortly beside them.
    fn is_near(self, seq: Seq) -> bool {
        let from = self.first.plus(NEAR.wrapping_neg());
        let room = self.end.since(self.first).cast_unsigned().saturating_add(2 * NEAR);
        seq.since(from).cast_unsigned() <= room
    }
}

/// The kind of hello with which a payload begins, those of SSL 2.0 included.
#[inline]
fn hello_kind(payload: &[u8]) -> Option<u8> {
    match *payload {
        [
            22,
            3,
            0..=4,
            _,
            _,
            kind @ (message::CLIENT_HELLO | message::SERVER_HELLO),
            0,
            _,
            _,
            3,
            ..,
        ] => Some(kind),
        [first, ..] if first & 0x80 != 0 => {
            sslv2_client_hello_len(payload).map(|_| message::CLIENT_HELLO)
        }
        _ => None,
    }
}

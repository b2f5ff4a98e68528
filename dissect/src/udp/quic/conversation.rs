//! A QUIC connection that is being read: keys, the CRYPTO streams of both directions, and the
//! facts in them.
//!
//! The server's Initials need the identifier that the client's first Initial carries. Where they
//! were captured earlier, a few wait for it. How often keys are tried is bounded.

use super::frames::{Frame, Frames};
use super::keys::Keys;
use super::packet::{ConnectionId, Initial, Packet, Packets};
use crate::flow::{Context, Halves, SideFacts, Way};
use crate::tls::message;
use crate::udp::pieces::{Inserted, Pieces};
use crate::{
    Counters, Coverage, Endpoint, FlowFacts, HelloExtent, Mark, Protocol, RoleFrom, Side, Transport,
};

/// Bytes of one direction's CRYPTO stream that are read. Receivers need not take more than 4096 at
/// once (RFC 9000 §7.5); hellos with several post-quantum shares stay below this.
const STREAM_LEN_MAX: usize = 16 << 10;
/// Packets of one datagram that are looked at: a handshake coalesces four.
const PACKETS_MAX: usize = 8;
/// Packets of a connection that are tried with a key. A handshake has some ten Initials, a lossy
/// one twice as many; each trial of 1200 bytes costs some microseconds.
const TRIALS_MAX: u8 = 48;
/// Packets that wait for a key: the server's first flight has up to three Initials.
const WAITING_MAX: usize = 4;
/// Bytes of packets that wait for a key.
const WAITING_BYTES_MAX: usize = 8 << 10;
/// Datagrams after which a connection is taken as it is: a handshake has a dozen each way.
const DATAGRAMS_MAX: u16 = 256;
/// The shortest identifier that a client may choose (RFC 9000 §7.2).
const CHOSEN_ID_LEN_MIN: usize = 8;
/// Type and length of a handshake message.
const MESSAGE_HEADER_LEN: usize = 4;

/// A connection whose hellos are not both known yet.
#[derive(Debug, Default)]
pub(in super::super) struct Conversation {
    keys: Option<Box<Keys>>,
    /// The direction whose Initials the client's keys opened.
    client: Option<Way>,
    directions: [Direction; 2],
    waiting: Vec<Waiting>,
    trials: u8,
    datagrams: u16,
    /// The server named other versions: the client's next hello answers to it.
    is_version_refused: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    stream: Pieces,
    /// Bytes of the stream that were read as messages.
    read: usize,
    facts: SideFacts,
    /// An Initial that no key opened, from a sender that may be a server by its form.
    sent_sealed: bool,
    sent_handshake: bool,
    sent_one_rtt: bool,
    /// A CONNECTION_CLOSE in the clear.
    has_closed: bool,
    /// An Initial was cut by the snap length.
    is_cut: bool,
}

/// A packet that no key opened so far.
#[derive(Debug)]
struct Waiting {
    way: Way,
    at: Mark,
    frame_len: u32,
    bytes: Box<[u8]>,
    cut: usize,
}

/// What a datagram meant for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Step {
    /// It belongs to it, or to nothing.
    Continue,
    /// It begins another connection between the same endpoints.
    Another,
}

/// What a trial with keys gave.
enum Opened {
    /// Frames, by the keys at hand.
    Known(Vec<u8>),
    /// Frames, by keys that follow from the packet's own identifier.
    Fresh(Box<Keys>, Vec<u8>),
    Sealed,
}

impl Conversation {
    /// Takes a datagram.
    pub(in super::super) fn push(
        &mut self,
        way: Way,
        datagram: &[u8],
        cut: usize,
        counters: &mut Counters,
        context: &mut Context<'_>,
    ) -> Step {
        self.datagrams = self.datagrams.saturating_add(1);
        self.direction_mut(way).facts.saw_payload = true;
        for packet in Packets::new(datagram, cut).take(PACKETS_MAX) {
            let direction = self.direction_mut(way);
            match packet {
                Packet::Initial(initial) => {
                    if self.initial(way, &initial, counters, context) == Step::Another {
                        return Step::Another;
                    }
                }
                Packet::Handshake => direction.sent_handshake = true,
                Packet::OneRtt => direction.sent_one_rtt = true,
                Packet::VersionNegotiation => self.is_version_refused = true,
                // The client's next Initial brings the keys that follow a Retry.
                Packet::Retry | Packet::ZeroRtt => {}
            }
        }
        Step::Continue
    }

    /// What one direction said.
    pub(in super::super) fn facts(&self, way: Way) -> &SideFacts {
        &self.directions[way.index()].facts
    }

    /// Whether an Initial was opened.
    pub(in super::super) fn is_proven(&self) -> bool {
        self.client.is_some()
    }

    /// The identifier that the keys come from.
    pub(in super::super) fn opener(&self) -> Option<ConnectionId> {
        self.keys.as_ref().map(|keys| keys.destination)
    }

    /// Whether nothing that follows can add anything.
    pub(in super::super) fn is_settled(&self) -> bool {
        self.datagrams >= DATAGRAMS_MAX || self.is_established()
    }

    /// Bytes that are held beside the fixed size.
    pub(in super::super) fn held_bytes(&self) -> usize {
        let streams: usize = self.directions.iter().map(|side| side.stream.held_bytes()).sum();
        let waiting: usize =
            self.waiting.iter().map(|packet| packet.bytes.len() + size_of::<Waiting>()).sum();
        streams + waiting + self.keys.as_ref().map_or(0, |_| size_of::<Keys>())
    }

    /// Ends the connection: the facts of both directions, or `None` when it was none.
    pub(in super::super) fn finish(
        mut self,
        senders: [Endpoint; 2],
        missing: Coverage,
        context: &mut Context<'_>,
    ) -> Option<FlowFacts> {
        let is_established = self.is_established();
        let has_closed = self.directions.iter().any(|direction| direction.has_closed);
        let dialled = match self.client {
            Some(way) => way.index(),
            // Without the client's first Initial, only what a server may have sent counts.
            None => usize::from(senders[0].port < senders[1].port),
        };
        if self.client.is_none() && !self.directions[1 - dialled].sent_sealed {
            return None;
        }
        for direction in &mut self.directions {
            direction.finish(context);
        }
        self.directions[dialled].facts.saw_records = true;
        let sides = self.directions.each_mut().map(|direction| &mut direction.facts);
        let halves = Halves::of_datagrams(sides, senders, Some(dialled), missing);
        let mut facts = halves.join()?;
        facts.transport = Transport::Udp;
        facts.protocol = Protocol::Quic;
        facts.dialled_by = None;
        if facts.role_from == RoleFrom::Syn {
            let is_known = self.client.is_some();
            facts.role_from = if is_known { RoleFrom::ClientHello } else { RoleFrom::Ports };
        }
        facts.established = match (is_established, has_closed) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        Some(facts)
    }

    /// Whether the handshake came to its end: a client has keys for 1-RTT packets only when it
    /// accepted the server's Finished, and a server sends Handshake packets only after its hello
    /// (RFC 9001 §4.1.1, §5.7). A client's Handshake packet is no proof, since it may refuse.
    fn is_established(&self) -> bool {
        let Some(client) = self.client else { return false };
        let (client, server) = (self.direction(client), self.direction(client.reverse()));
        client.facts.client_hello.is_some()
            && server.facts.server_hello.is_some()
            && client.sent_one_rtt
            && (server.sent_handshake || server.sent_one_rtt)
    }

    fn initial(
        &mut self,
        way: Way,
        packet: &Initial<'_>,
        counters: &mut Counters,
        context: &mut Context<'_>,
    ) -> Step {
        let is_cut = packet.cut > 0;
        match self.open(way, packet) {
            Opened::Known(frames) => self.read(way, &frames, is_cut, counters, context),
            Opened::Fresh(keys, frames) => {
                let known = &self.direction(way).facts;
                let is_answered = self.direction(way.reverse()).facts.has_hello();
                if !self.is_version_refused && is_other_hello(known, is_answered, &frames, is_cut) {
                    return Step::Another;
                }
                if !known.has_hello() {
                    // After a Retry the stream begins again (RFC 9000 §17.2.5.2).
                    let direction = self.direction_mut(way);
                    (direction.stream, direction.read) = (Pieces::default(), 0);
                }
                (self.keys, self.client) = (Some(keys), Some(way));
                self.read(way, &frames, is_cut, counters, context);
                self.read_waiting(counters, context);
            }
            Opened::Sealed => {
                counters.quic_unopened += 1;
                self.direction_mut(way).is_cut |= is_cut;
                self.wait(way, packet, context);
            }
        }
        Step::Continue
    }

    /// Tries the keys at hand, and those that follow from the packet's own identifier when it may
    /// be a client's first.
    fn open(&mut self, way: Way, packet: &Initial<'_>) -> Opened {
        if self.trials >= TRIALS_MAX {
            return Opened::Sealed;
        }
        self.trials += 1;
        let mut is_client = true;
        if let Some(keys) = &mut self.keys {
            is_client = self.client == Some(way);
            let sender = if is_client { Side::Client } else { Side::Server };
            if keys.dialect != packet.dialect {
                // A server may go on in another version (RFC 9368 §2.3), with keys of that one.
                let other = Keys::derive(packet.dialect, keys.destination);
                if let Some(frames) = open_whole_or_cut(&other, sender, packet) {
                    **keys = other;
                    return Opened::Known(frames);
                }
            } else if let Some(frames) = open_whole_or_cut(keys, sender, packet) {
                return Opened::Known(frames);
            }
            if keys.destination == packet.destination {
                return Opened::Sealed;
            }
        }
        let id_len_min = if self.keys.is_some() { 0 } else { CHOSEN_ID_LEN_MIN };
        if !is_client || packet.destination.as_slice().len() < id_len_min {
            return Opened::Sealed;
        }
        let keys = Box::new(Keys::derive(packet.dialect, packet.destination));
        match open_whole_or_cut(&keys, Side::Client, packet) {
            Some(frames) => Opened::Fresh(keys, frames),
            None => Opened::Sealed,
        }
    }

    /// Keeps a packet for keys that may come.
    fn wait(&mut self, way: Way, packet: &Initial<'_>, context: &Context<'_>) {
        if !packet.has_token {
            self.direction_mut(way).sent_sealed = true;
        }
        let held: usize = self.waiting.iter().map(|waiting| waiting.bytes.len()).sum();
        let has_room = self.waiting.len() < WAITING_MAX
            && held + packet.bytes.len() <= WAITING_BYTES_MAX
            && self.trials < TRIALS_MAX;
        if has_room {
            let bytes = packet.bytes.into();
            let Context { at, frame_len, .. } = *context;
            self.waiting.push(Waiting { way, at, frame_len, bytes, cut: packet.cut });
        }
    }

    /// Reads what waited for the keys.
    fn read_waiting(&mut self, counters: &mut Counters, context: &mut Context<'_>) {
        for waiting in std::mem::take(&mut self.waiting) {
            let packet = Packets::new(&waiting.bytes, waiting.cut).next();
            let Some(Packet::Initial(packet)) = packet else { continue };
            let mut context = Context {
                at: waiting.at,
                place: context.place,
                frame_len: waiting.frame_len,
                transport: context.transport,
                limits: context.limits,
                interner: &mut *context.interner,
            };
            if let Opened::Known(frames) = self.open(waiting.way, &packet) {
                self.read(waiting.way, &frames, packet.cut > 0, counters, &mut context);
            }
        }
    }

    /// Takes the frames of a packet.
    pub(super) fn read(
        &mut self,
        way: Way,
        frames: &[u8],
        is_cut: bool,
        counters: &mut Counters,
        context: &mut Context<'_>,
    ) {
        let direction = self.direction_mut(way);
        direction.is_cut |= is_cut;
        for frame in Frames::new(frames, is_cut) {
            match frame {
                Frame::Crypto { offset, bytes } => {
                    if direction.stream.insert(offset, bytes, STREAM_LEN_MAX) == Inserted::Conflict
                    {
                        counters.overlap_conflicts += 1;
                    }
                }
                Frame::Alert(description) => {
                    const FATAL: u8 = 2;
                    direction.facts.alert(FATAL, description, context);
                    direction.has_closed = true;
                }
                Frame::Close => direction.has_closed = true,
            }
        }
        direction.read_messages(context);
    }

    fn direction(&self, way: Way) -> &Direction {
        &self.directions[way.index()]
    }

    fn direction_mut(&mut self, way: Way) -> &mut Direction {
        &mut self.directions[way.index()]
    }
}

impl Direction {
    /// Reads the messages that are complete.
    fn read_messages(&mut self, context: &mut Context<'_>) {
        while let Some((kind, len)) = self.next_message() {
            let start = self.read + MESSAGE_HEADER_LEN;
            let Some(body) = self.stream.prefix().get(start..start + len) else { return };
            if !message::is_known(kind) {
                return;
            }
            self.facts.message(kind, body, 0, context);
            self.read = start + len;
        }
    }

    /// Type and length of the message that begins where the last one ended.
    fn next_message(&self) -> Option<(u8, usize)> {
        let &[kind, a, b, c] = self.stream.prefix().get(self.read..)?.first_chunk()?;
        Some((kind, usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)))
    }

    /// Takes what there is of an unfinished hello, and says why it is not whole.
    fn finish(&mut self, context: &mut Context<'_>) {
        if let Some((kind, len)) = self.next_message() {
            let body = self.stream.prefix().get(self.read + MESSAGE_HEADER_LEN..);
            self.facts.partial(kind, len, body.unwrap_or_default(), 0, context);
        }
        let hellos = (&self.facts.client_hello, &self.facts.server_hello);
        let extent = match hellos {
            (Some(hello), _) => Some(hello.offer.extent),
            (None, Some(hello)) => Some(hello.extent),
            (None, None) => None,
        };
        let said_more =
            !self.stream.is_empty() || self.sent_sealed || self.sent_handshake || self.sent_one_rtt;
        if extent != Some(HelloExtent::Whole) && said_more && !self.has_closed {
            self.facts.has_holes = true;
            self.facts.gap_before_hello = !self.is_cut;
            self.facts.cut_before_hello = self.is_cut;
        }
    }
}

/// Whether an Initial begins another connection than the one whose keys come from `known` and
/// whose hello had this random, between the same endpoints.
pub(in super::super) fn opens_another(
    datagram: &[u8],
    cut: usize,
    known: Option<ConnectionId>,
    random: Option<&[u8; 32]>,
) -> bool {
    let Some(Packet::Initial(packet)) = Packets::new(datagram, cut).next() else { return false };
    if Some(packet.destination) == known || packet.destination.as_slice().len() < CHOSEN_ID_LEN_MIN
    {
        return false;
    }
    let keys = Keys::derive(packet.dialect, packet.destination);
    open_whole_or_cut(&keys, Side::Client, &packet).is_some_and(|frames| {
        let other = random_of(&frames, packet.cut > 0);
        other.is_none() || other.as_ref() != random
    })
}

/// The frames of a packet by its tag; of a cut one when they begin a hello.
fn open_whole_or_cut(keys: &Keys, sender: Side, packet: &Initial<'_>) -> Option<Vec<u8>> {
    if packet.cut == 0 {
        return keys.of(sender).open(packet);
    }
    let frames = keys.of(sender).peek(packet)?;
    // What takes the place of the tag: four bytes that chance would have to hit, and more.
    let is_hello = |frame| match frame {
        Frame::Crypto { offset: 0, bytes } => {
            matches!(bytes, [message::CLIENT_HELLO | message::SERVER_HELLO, 0, _, _, 3, 3, ..])
        }
        _ => false,
    };
    Frames::new(&frames, true).any(is_hello).then_some(frames)
}

/// Whether frames of a client's first Initial belong to another ClientHello than the one known.
/// Where they do not show its random: after an answer they do, before it they follow a Retry.
fn is_other_hello(known: &SideFacts, is_answered: bool, frames: &[u8], is_cut: bool) -> bool {
    known.client_hello.as_ref().is_some_and(|hello| {
        random_of(frames, is_cut).map_or(is_answered, |random| random != hello.random)
    })
}

/// The random of the ClientHello that begins in these frames.
fn random_of(frames: &[u8], is_cut: bool) -> Option<[u8; 32]> {
    const RANDOM_AT: usize = MESSAGE_HEADER_LEN + 2;
    let mut stream = Pieces::default();
    for frame in Frames::new(frames, is_cut) {
        if let Frame::Crypto { offset, bytes } = frame {
            stream.insert(offset, bytes, STREAM_LEN_MAX);
        }
    }
    stream.prefix().get(RANDOM_AT..)?.first_chunk().copied()
}

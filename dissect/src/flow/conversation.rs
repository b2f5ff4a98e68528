//! A connection that is being read: two directions, each on its own.

use super::ending::Ending;
use super::reader::{Feed, Reader};
use super::side::SideFacts;
use super::watch::Watch;
use super::{Context, Segment, Way};
use crate::tcp::{Assembler, Buffers, Piece, Seq};
use crate::{Counters, EndKind, Version};

/// How far before a hello the bytes lie that lead to it, when no SYN tells the beginning.
const PRELUDE_REACH: u32 = 1 << 16;

/// Both directions of a connection whose handshake is not decided yet.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    directions: [Direction; 2],
    watch: Watch,
}

#[derive(Debug, Default)]
struct Direction {
    assembler: Assembler,
    reader: Reader,
}

impl Conversation {
    /// Begins anew with a connection whose dialling was watched.
    pub(super) fn begin(&mut self, watch: Watch) {
        *self = Self { watch, ..Self::default() };
    }

    /// Gives back the room that was taken: there is nothing more to read.
    pub(super) fn give_back(&mut self, buffers: &mut Buffers) {
        self.directions.iter_mut().for_each(|direction| direction.assembler.reset(buffers));
    }

    /// Looks at what a segment meets, so that it is at hand by then.
    #[inline]
    pub(super) fn look(&self, segment: &Segment<'_>) {
        let mut met = self.watch.look(segment.way);
        if segment.has_payload() {
            let Direction { assembler, reader } = &self.directions[segment.way.index()];
            met ^= reader.look();
            met ^= assembler.next().map_or(0, |next| next.0);
        }
        // Nothing comes of it, which the compiler must not know.
        std::hint::black_box(met);
    }

    /// Notes a segment, with payload or without.
    pub(super) fn note(&mut self, way: Way, segment: &Segment<'_>) {
        self.watch.note(way, segment);
        if let (false, Some(ack)) = (segment.has_payload(), segment.acked()) {
            self.note_ack(way, ack);
        }
    }

    /// Says where a direction's bytes begin.
    pub(crate) fn anchor(&mut self, way: Way, start: Seq) {
        let Direction { assembler, reader } = self.direction_mut(way);
        assembler.anchor(start);
        reader.facts.is_anchored = true;
        reader.facts.is_midstream &= reader.has_begun();
    }

    /// Notes up to where both directions' bytes go, by the end of one.
    pub(crate) fn note_ending(&mut self, way: Way, ending: &Ending) {
        // A FIN has a number too, so that of a reset behind a lost one proves no byte.
        let end = match ending.kind {
            EndKind::Fin => ending.seq,
            EndKind::Reset => ending.seq.plus(u32::MAX),
        };
        self.direction_mut(way).assembler.note_extent(end);
        if let (EndKind::Fin, Some(ack)) = (ending.kind, ending.ack) {
            self.note_ack(way, ack);
        }
    }

    /// Notes what was received of the other direction.
    fn note_ack(&mut self, way: Way, ack: Seq) {
        // The number of a FIN is acknowledged too, so the last one proves no byte.
        self.direction_mut(way.reverse()).assembler.note_extent(ack.plus(u32::MAX));
    }

    /// Takes a segment with payload.
    pub(crate) fn push(
        &mut self,
        way: Way,
        segment: &Segment<'_>,
        counters: &mut Counters,
        context: &mut Context<'_>,
        buffers: &mut Buffers,
    ) {
        if let Some(ack) = segment.acked() {
            self.note_ack(way, ack);
            self.await_answer(way, segment.payload, ack);
        }
        let Segment { payload, cut, .. } = *segment;
        let piece = Piece { seq: segment.start(), ack: segment.acked(), bytes: payload, cut };
        let Direction { assembler, reader } = self.direction_mut(way);
        if reader.is_over() {
            return;
        }
        let limits = context.limits;
        let is_anchored = assembler.next().is_some();
        assembler.push(piece, limits, counters, &mut Feed { reader, context, buffers });
        if !is_anchored {
            if !self.find_beginning(way, piece, context) {
                return;
            }
            let Direction { assembler, reader } = self.direction_mut(way);
            assembler.drain(limits, &mut Feed { reader, context, buffers });
        }
        self.settle_directions(buffers);
    }

    /// Begins the other direction, if nothing else tells its beginning, where the client's hello
    /// says that it stands: the answer begins there.
    fn await_answer(&mut self, way: Way, payload: &[u8], ack: Seq) {
        let other = &self.directions[way.reverse().index()].assembler;
        if other.next().is_none() && looks_like_start(payload) && !begins_server_hello(payload) {
            self.anchor(way.reverse(), other.beginning(ack, PRELUDE_REACH));
        }
    }

    /// Looks for the beginning of a direction whose SYN was not captured.
    ///
    /// The first segments may be out of order, so a few are held until one looks like a beginning,
    /// or there is none to wait for. Those that lead to a hello count too.
    fn find_beginning(&mut self, way: Way, piece: Piece<'_>, context: &Context<'_>) -> bool {
        let is_start = looks_like_start(piece.bytes);
        let Direction { assembler, reader } = self.direction_mut(way);
        reader.facts.is_midstream = true;
        if is_start {
            assembler.anchor(assembler.beginning(piece.seq, PRELUDE_REACH));
        } else if assembler.parked_segments() >= context.limits.unanchored_segments_max
            && let Some(first) = assembler.first_parked()
        {
            assembler.anchor(first);
        }
        assembler.next().is_some()
    }

    /// Ends both directions: what waits is read, holes become gaps.
    pub(crate) fn finish(
        &mut self,
        counters: &mut Counters,
        context: &mut Context<'_>,
        buffers: &mut Buffers,
    ) {
        for Direction { assembler, reader } in &mut self.directions {
            assembler.flush(context.limits, counters, &mut Feed { reader, context, buffers });
            reader.finish(context);
        }
    }

    /// Whether both directions have told all they can.
    pub(crate) fn is_settled(&self) -> bool {
        self.directions.iter().all(|direction| direction.reader.is_over())
    }

    /// Whether nothing here is TLS: one direction is plain and the other is too, or is silent.
    pub(crate) fn is_plain(&self) -> bool {
        let readers = self.directions.each_ref().map(|direction| &direction.reader);
        readers.iter().any(|reader| reader.is_plain())
            && readers.iter().all(|reader| reader.is_plain() || !reader.facts.saw_payload)
    }

    /// Whether a server has said all that leads to TLS, and nothing behind it.
    pub(crate) fn awaits_hello(&self) -> bool {
        self.directions.iter().any(|direction| direction.reader.awaits_hello())
    }

    /// Whether a direction has said something that can be read.
    pub(crate) fn has_begun(&self) -> bool {
        self.directions.iter().any(|direction| direction.reader.has_begun())
    }

    /// A direction's reader.
    pub(crate) fn reader(&self, way: Way) -> &Reader {
        &self.directions[way.index()].reader
    }

    /// Both directions' facts, to be taken out, and what was noted of the capture.
    pub(super) fn parts_mut(&mut self) -> ([&mut SideFacts; 2], &Watch) {
        (self.directions.each_mut().map(|direction| &mut direction.reader.facts), &self.watch)
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        let held = |direction: &Direction| {
            direction.assembler.held_bytes() + direction.reader.held_bytes()
        };
        self.directions.iter().map(held).sum()
    }

    fn direction_mut(&mut self, way: Way) -> &mut Direction {
        &mut self.directions[way.index()]
    }

    /// Stops reading a direction when nothing that follows can change the facts: both hellos and
    /// the proof that both sides went over to encryption.
    fn settle_directions(&mut self, buffers: &mut Buffers) {
        let facts = Way::BOTH.map(|way| &self.reader(way).facts);
        let answer = facts.iter().find(|side| side.server_hello.is_some());
        let negotiated = answer
            .and_then(|side| side.server_hello.as_ref())
            .and_then(crate::ServerHello::version);
        let is_done = facts.map(|side| {
            if side.client_hello.is_some() {
                match (negotiated, answer) {
                    // What goes on is no TLS, but when something else answered the imitation: then
                    // the client may still say by an alert that it did not expect that.
                    _ if side.pseudo.is_some() => side.has_holes || side.changed_cipher,
                    (Some(Version::Tls13), Some(answer)) => side.has_sent_behind(answer),
                    (Some(_), _) => side.changed_cipher,
                    // The answer may still come, and early data proves nothing without it.
                    (None, _) => side.changed_cipher && side.long_record && !side.may_send_early(),
                }
            } else if side.server_hello.is_some() {
                match negotiated {
                    Some(Version::Tls13) => side.long_record,
                    _ => side.changed_cipher,
                }
            } else {
                // Without a hello of its own, after a loss: encrypted records are all it can show.
                side.has_holes && side.changed_cipher && side.long_record
            }
        });
        for (direction, is_done) in self.directions.iter_mut().zip(is_done) {
            if is_done && !direction.reader.is_over() {
                direction.reader.stop();
                direction.assembler.reset(buffers);
            }
        }
    }
}

/// Whether a segment begins with a ServerHello's header.
fn begins_server_hello(payload: &[u8]) -> bool {
    matches!(*payload, [22, _, _, _, _, 2, ..])
}

/// Whether a segment may be a stream's first: a hello of TLS or of SSL 2.0.
fn looks_like_start(payload: &[u8]) -> bool {
    match *payload {
        [22, 3, 0..=4, _, _, 1 | 2, ..] => true,
        [first, _, 1, 0 | 3, ..] if first & 0x80 != 0 => true,
        _ => false,
    }
}

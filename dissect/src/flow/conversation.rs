//! A connection that is being read: two directions, each on its own.

use super::reader::{Feed, Reader};
use super::{Context, Way};
use crate::tcp::{Assembler, Seq};
use crate::{Counters, Version};

/// Both directions of a connection whose handshake is not decided yet.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    directions: [Direction; 2],
    /// Bytes held when they were last counted.
    counted_bytes: usize,
}

#[derive(Debug, Default)]
struct Direction {
    assembler: Assembler,
    reader: Reader,
}

impl Conversation {
    /// Says where a direction's bytes begin.
    pub(crate) fn anchor(&mut self, way: Way, start: Seq) {
        self.direction_mut(way).assembler.anchor(start);
    }

    /// Takes a segment with payload.
    pub(crate) fn push(
        &mut self,
        way: Way,
        seq: Seq,
        payload: &[u8],
        cut: u32,
        counters: &mut Counters,
        context: &mut Context<'_>,
    ) {
        let Direction { assembler, reader } = self.direction_mut(way);
        if reader.is_over() {
            return;
        }
        let limits = context.limits;
        if assembler.next().is_none() {
            // No SYN was seen. The first segments may be out of order, so a few are held until
            // one looks like a beginning, or there is none to wait for.
            reader.facts.is_midstream = true;
            let is_start = looks_like_start(payload);
            assembler.push(seq, payload, cut, limits, counters, &mut Feed { reader, context });
            if is_start {
                assembler.anchor(seq);
            } else if assembler.parked_segments() >= limits.unanchored_segments_max
                && let Some(first) = assembler.first_parked()
            {
                assembler.anchor(first);
            } else {
                return;
            }
            assembler.drain(limits, &mut Feed { reader, context });
        } else {
            assembler.push(seq, payload, cut, limits, counters, &mut Feed { reader, context });
        }
        self.settle_directions();
    }

    /// Ends both directions: what waits is read, holes become gaps.
    pub(crate) fn finish(&mut self, counters: &mut Counters, context: &mut Context<'_>) {
        for Direction { assembler, reader } in &mut self.directions {
            assembler.flush(context.limits, counters, &mut Feed { reader, context });
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

    /// A direction's reader.
    pub(crate) fn reader(&self, way: Way) -> &Reader {
        &self.directions[way.index()].reader
    }

    /// Takes both directions' readers.
    pub(crate) fn into_readers(self) -> [Reader; 2] {
        self.directions.map(|direction| direction.reader)
    }

    /// How many bytes more or less are held than when this was last asked.
    pub(crate) fn held_bytes_change(&mut self) -> isize {
        let held: usize = self
            .directions
            .iter()
            .map(|direction| direction.assembler.held_bytes() + direction.reader.held_bytes())
            .sum();
        let change = held.cast_signed() - self.counted_bytes.cast_signed();
        self.counted_bytes = held;
        change
    }

    /// Bytes held when they were last counted.
    pub(crate) fn counted_bytes(&self) -> isize {
        self.counted_bytes.cast_signed()
    }

    fn direction_mut(&mut self, way: Way) -> &mut Direction {
        &mut self.directions[way.index()]
    }

    /// Stops reading a direction when nothing that follows can change the facts: both hellos and
    /// the proof that both sides went over to encryption.
    fn settle_directions(&mut self) {
        let facts = Way::BOTH.map(|way| &self.reader(way).facts);
        let negotiated = facts
            .iter()
            .find_map(|side| side.server_hello.as_ref())
            .and_then(crate::ServerHello::version);
        let is_tls13 = negotiated == Some(Version::Tls13);
        let is_done = facts.map(|side| {
            let is_pseudo = side.pseudo.is_some() && side.client_hello.is_some();
            if is_pseudo {
                true
            } else if side.client_hello.is_some() && negotiated.is_none() {
                // The answer may still come; without it, only a long record ends the reading.
                side.changed_cipher && side.long_record.is_some()
            } else if side.has_hello() {
                let waits_for_reply = side.client_hello.is_some() && side.offers_early_data;
                match is_tls13 {
                    true => side.long_record.is_some() && !waits_for_reply,
                    false => side.changed_cipher,
                }
            } else {
                // Without a hello of its own, after a loss: encrypted records are all it can show.
                side.has_holes && side.changed_cipher && side.long_record.is_some()
            }
        });
        for (direction, is_done) in self.directions.iter_mut().zip(is_done) {
            if is_done && !direction.reader.is_over() {
                direction.reader.stop();
                direction.assembler = Assembler::default();
            }
        }
    }
}

/// Whether a segment may be a stream's first: a hello of TLS or of SSL 2.0.
fn looks_like_start(payload: &[u8]) -> bool {
    match *payload {
        [22, 3, 0..=4, _, _, 1 | 2, ..] => true,
        [first, _, 1, 0 | 3, ..] if first & 0x80 != 0 => true,
        _ => false,
    }
}

//! A DTLS connection that is being read: the messages of both directions, put together from
//! fragments, and the facts in them.

use smallvec::SmallVec;

use super::record::{Fragment, MESSAGE_LEN_MAX, Record, Records, content, sealed_data};
use crate::flow::{Context, Halves, SideFacts, Way};
use crate::tls::{Cursor, message};
use crate::udp::pieces::{Inserted, Pieces};
use crate::{
    Alert, Counters, Coverage, Endpoint, FlowFacts, HelloExtent, MessageKind, MessageMark,
    Protocol, Transport, Version,
};

/// Messages of one direction that are put together at a time: a flight has up to five.
const MESSAGES_MAX: usize = 8;
/// Bytes of one direction's unfinished messages: a long certificate chain and the others.
const MESSAGE_BYTES_MAX: usize = 2 * MESSAGE_LEN_MAX;
/// Messages of one direction that are told apart: a full handshake has seven, counted from zero.
const MESSAGE_SEQS_MAX: u16 = 64;
/// Datagrams after which a connection is taken as it is. Certificates in fragments of 100 bytes
/// take 80.
const DATAGRAMS_MAX: u16 = 512;
/// A protected record of version 1.3 of this length may carry a Finished: message and fragment
/// header (12), hash (32), content type (1), short tag (8). Acknowledgements, which the client
/// sends before it, are shorter but for long lists (RFC 9147 §7).
const FINISHED_RECORD_LEN_MIN: usize = 53;

/// A connection whose handshake is not decided yet.
#[derive(Debug, Default)]
pub(in super::super) struct Conversation {
    directions: [Direction; 2],
    datagrams: u16,
}

/// One direction.
#[derive(Debug, Default)]
struct Direction {
    facts: SideFacts,
    unfinished: SmallVec<[Unfinished; 1]>,
    /// A bit for each message that was read, by its number: retransmissions are common.
    taken: u64,
    /// A record in the clear was cut by the snap length.
    is_cut: bool,
    /// Sent what follows a hello.
    sent_more: bool,
    /// Numbers of the last datagram of nothing but application data, while no hello was read.
    last_data: Option<u64>,
}

/// A message that is being put together.
#[derive(Debug)]
struct Unfinished {
    seq: u16,
    kind: u8,
    len: usize,
    version: u16,
    pieces: Pieces,
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
    ) {
        self.datagrams = self.datagrams.saturating_add(1);
        let direction = &mut self.directions[way.index()];
        direction.facts.saw_payload = true;
        direction.sealed_data(datagram, cut);
        for record in Records::new(datagram, cut) {
            direction.record(&record, counters, context);
        }
    }

    /// What one direction said.
    pub(in super::super) fn facts(&self, way: Way) -> &SideFacts {
        &self.directions[way.index()].facts
    }

    /// Whether a hello was read, or application data that is DTLS beyond doubt.
    pub(in super::super) fn is_proven(&self) -> bool {
        let is_proven = |it: &Direction| it.facts.has_hello() || it.facts.is_midstream;
        self.directions.iter().any(is_proven)
    }

    /// Whether it is proven by application data alone: a hello begins another connection.
    pub(in super::super) fn is_midstream(&self) -> bool {
        let mut directions = self.directions.iter();
        self.is_proven() && directions.all(|direction| !direction.facts.has_hello())
    }

    /// Whether nothing that follows can add anything: both hellos, and the proof that both sides
    /// went over to encryption.
    pub(in super::super) fn is_settled(&self) -> bool {
        let has_hellos = self.directions.iter().all(|direction| direction.facts.has_hello());
        self.datagrams >= DATAGRAMS_MAX
            || has_hellos && self.is_handshake_over()
            || self.exchanges_data()
    }

    /// Whether both sides went over to encryption, which in version 1.3 the client's Finished
    /// proves and before it each side's word for it.
    fn is_handshake_over(&self) -> bool {
        let [a, b] = self.directions.each_ref().map(|direction| &direction.facts);
        let (client, server) = if b.server_hello.is_some() { (a, b) } else { (b, a) };
        let Some(hello) = &server.server_hello else { return false };
        match hello.version() {
            Some(Version::Dtls13) => client.long_record,
            _ => client.changed_cipher && server.changed_cipher,
        }
    }

    /// Whether both sides sent application data, and the capture begins after the handshake.
    fn exchanges_data(&self) -> bool {
        self.directions.iter().all(|it| it.facts.is_midstream && !it.facts.has_hello())
    }

    /// Bytes that are held beside the fixed size.
    pub(in super::super) fn held_bytes(&self) -> usize {
        self.directions.iter().map(Direction::held_bytes).sum()
    }

    /// Ends the connection: the facts of both directions, or `None` when it was none.
    pub(in super::super) fn finish(
        mut self,
        senders: [Endpoint; 2],
        missing: Coverage,
        context: &mut Context<'_>,
    ) -> Option<FlowFacts> {
        for direction in &mut self.directions {
            direction.finish(context);
        }
        let is_settled = self.is_handshake_over() || self.exchanges_data();
        let is_two_sided = self.directions.iter().all(|direction| direction.facts.saw_payload);
        let is_whole = self.directions.iter().all(|direction| !direction.facts.has_holes);
        let sides = self.directions.each_mut().map(|direction| &mut direction.facts);
        let halves = Halves::of_datagrams(sides, senders, None, missing);
        let mut facts = halves.join()?;
        facts.transport = Transport::Udp;
        facts.protocol = Protocol::Dtls;
        let is_aborted = facts.alerts.iter().any(Alert::is_fatal);
        facts.established = match is_two_sided {
            true if is_settled => Some(true),
            true if is_aborted && is_whole && missing.is_complete() => Some(false),
            _ => None,
        };
        if facts.resumed == Some(true)
            && facts.messages.iter().any(|message| is_key_exchange(&message))
        {
            // The server's part of a full handshake was not captured.
            facts.resumed = Some(false);
        }
        Some(facts)
    }
}

impl Direction {
    /// Takes a datagram for application data of a connection whose beginning was not captured:
    /// a second one of the same keys whose number is near the last one's, so that no protocol is
    /// taken for DTLS by chance.
    fn sealed_data(&mut self, datagram: &[u8], cut: usize) {
        const DISTANCE_MAX: u64 = 1 << 16;
        if self.facts.has_hello() || self.facts.is_midstream {
            return;
        }
        let Some(numbers) = sealed_data(datagram, cut) else { return };
        let last = self.last_data.replace(numbers);
        if last.is_some_and(|last| last != numbers && last.abs_diff(numbers) <= DISTANCE_MAX) {
            self.facts.is_midstream = true;
            self.facts.saw_records = true;
        }
    }

    fn record(&mut self, record: &Record<'_>, counters: &mut Counters, context: &mut Context<'_>) {
        match *record {
            Record::Plain { kind: content::HANDSHAKE, version, body, is_cut } => {
                self.is_cut |= is_cut;
                let mut cursor = Cursor(body);
                while let Some(fragment) = Fragment::read(&mut cursor, is_cut) {
                    self.fragment(&fragment, version, counters, context);
                }
            }
            Record::Plain { kind: content::ALERT, body: &[level, description], .. } => {
                self.facts.alert(level, description, context);
            }
            Record::Plain { kind: content::CHANGE_CIPHER_SPEC, .. } => {
                self.facts.changed_cipher = true;
                self.sent_more = true;
            }
            Record::Plain { .. } => {}
            Record::Sealed { kind } => {
                self.facts.changed_cipher = true;
                self.facts.application_records += u32::from(kind == content::APPLICATION_DATA);
                self.sent_more = true;
            }
            Record::Sealed13 { len } => {
                self.facts.changed_cipher = true;
                self.facts.long_record |= len >= FINISHED_RECORD_LEN_MIN;
                self.sent_more = true;
            }
        }
    }

    fn fragment(
        &mut self,
        fragment: &Fragment<'_>,
        version: u16,
        counters: &mut Counters,
        context: &mut Context<'_>,
    ) {
        let &Fragment { kind, message_len: len, message_seq: seq, offset, bytes } = fragment;
        if seq >= MESSAGE_SEQS_MAX || self.taken & 1 << seq != 0 {
            return;
        }
        // The curve in it is only told with the hello in front.
        let must_wait = kind == message::SERVER_KEY_EXCHANGE && self.facts.server_hello.is_none();
        if bytes.len() == len && !must_wait {
            return self.take(seq, kind, bytes, version, context);
        }
        let at = match self.unfinished.iter().position(|known| known.seq == seq) {
            Some(at) => at,
            None if self.unfinished.len() < MESSAGES_MAX
                && self.held_bytes() + len <= MESSAGE_BYTES_MAX =>
            {
                let pieces = Pieces::default();
                self.unfinished.push(Unfinished { seq, kind, len, version, pieces });
                self.unfinished.len() - 1
            }
            None => return,
        };
        let Some(known) = self.unfinished.get_mut(at) else { return };
        if (known.kind, known.len) != (kind, len) {
            counters.overlap_conflicts += 1;
            return;
        }
        if known.pieces.insert(offset, bytes, len) == Inserted::Conflict {
            counters.overlap_conflicts += 1;
        }
        if known.is_complete() && !must_wait {
            let known = self.unfinished.swap_remove(at);
            self.take(seq, kind, known.pieces.prefix(), known.version, context);
        }
    }

    /// Takes a whole message.
    fn take(&mut self, seq: u16, kind: u8, body: &[u8], version: u16, context: &mut Context<'_>) {
        self.taken |= 1 << seq;
        self.facts.saw_records = true;
        if kind == message::CLIENT_HELLO {
            self.facts.message(kind, &without_cookie(body), version, context);
        } else {
            self.sent_more |= !matches!(kind, message::SERVER_HELLO | HELLO_VERIFY_REQUEST);
            self.facts.message(kind, body, version, context);
        }
        if kind == message::SERVER_HELLO {
            let waiting = |known: &Unfinished| {
                known.kind == message::SERVER_KEY_EXCHANGE && known.is_complete()
            };
            if let Some(at) = self.unfinished.iter().position(waiting) {
                let known = self.unfinished.swap_remove(at);
                let Unfinished { seq, kind, version, pieces, .. } = known;
                self.take(seq, kind, pieces.prefix(), version, context);
            }
        }
    }

    /// Takes what there is of an unfinished hello, and says why it is not whole.
    fn finish(&mut self, context: &mut Context<'_>) {
        let unfinished = std::mem::take(&mut self.unfinished);
        for Unfinished { kind, len, version, pieces, .. } in &unfinished {
            let body = pieces.prefix();
            match *kind {
                message::CLIENT_HELLO => {
                    self.facts.partial(*kind, *len, &without_cookie(body), *version, context);
                }
                _ => self.facts.partial(*kind, *len, body, *version, context),
            }
        }
        let extent = match (&self.facts.client_hello, &self.facts.server_hello) {
            (Some(hello), _) => Some(hello.offer.extent),
            (None, Some(hello)) => Some(hello.extent),
            (None, None) => None,
        };
        // Messages are numbered in a row (RFC 6347 §4.2.2).
        let run = self.taken.checked_shr(self.taken.trailing_zeros()).unwrap_or_default();
        self.facts.has_holes |= run & run.wrapping_add(1) != 0;
        if self.facts.is_midstream && extent.is_none() {
            return;
        }
        if extent != Some(HelloExtent::Whole) && (self.sent_more || !unfinished.is_empty()) {
            self.facts.has_holes = true;
            self.facts.gap_before_hello = !self.is_cut;
            self.facts.cut_before_hello = self.is_cut;
        }
    }

    fn held_bytes(&self) -> usize {
        self.unfinished.iter().map(|known| known.pieces.held_bytes()).sum()
    }
}

impl Unfinished {
    fn is_complete(&self) -> bool {
        self.pieces.prefix().len() == self.len
    }
}

/// `hello_verify_request` (RFC 6347 §4.2.1): the server wants its cookie back first.
const HELLO_VERIFY_REQUEST: u8 = 3;
/// Version and random in front of a ClientHello's session identifier.
const RANDOM_AT: usize = 2;
const SESSION_ID_AT: usize = RANDOM_AT + 32;

/// Whether this is a ClientKeyExchange, which an abbreviated handshake has none of (RFC 5246 §7.3).
const fn is_key_exchange(message: &MessageMark) -> bool {
    matches!(message.kind, MessageKind::Handshake(message::CLIENT_KEY_EXCHANGE))
}

/// A ClientHello without its cookie (RFC 6347 §4.2.1, RFC 9147 §5.3): the form that it has in TLS.
fn without_cookie(body: &[u8]) -> Vec<u8> {
    let mut hello = body.to_vec();
    if let Some(&id_len) = body.get(SESSION_ID_AT) {
        let cookie_at = SESSION_ID_AT + 1 + usize::from(id_len);
        if let Some(&cookie_len) = body.get(cookie_at) {
            let end = cookie_at + 1 + usize::from(cookie_len);
            hello.drain(cookie_at..end.min(body.len()));
        }
    }
    hello
}

/// The random of the ClientHello that a datagram begins with.
pub(in super::super) fn hello_random(datagram: &[u8]) -> Option<&[u8; 32]> {
    let record = Records::new(datagram, 0).next()?;
    let Record::Plain { kind: content::HANDSHAKE, body, .. } = record else { return None };
    let fragment = Fragment::read(&mut Cursor(body), false)?;
    if fragment.kind != message::CLIENT_HELLO || fragment.offset != 0 {
        return None;
    }
    fragment.bytes.get(RANDOM_AT..)?.first_chunk()
}

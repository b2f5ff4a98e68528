//! Reads one direction's bytes: what comes first, the dialogue before TLS, records, and what is
//! left of them after a loss.
//!
//! Invariant: [`SideFacts`] only ever hold what bytes proved. After a loss, records count only
//! once two headers in a row fit or a hello begins.

mod shape;

#[cfg(test)]
mod tests;

use self::shape::{HELLO_HEAD_LEN, begins_hello, find_data_header, is_alert, is_hello, may_begin};
use super::Context;
use super::side::SideFacts;
use crate::tcp::{Buffers, GapCause, Place, Sink};
use crate::tls::{
    ContentType, Joined, Joiner, RecordEvent, RecordReader, Sslv2Hello, header_chain, idle_records,
    sslv2_client_hello_len, sslv2_server_hello,
};
use crate::upgrade::{Prelude, PreludeFacts, Step, Unwrap};

/// Bytes that tell a beginning: the header of a record and of a handshake message with its
/// version, or the header of an SSL 2.0 hello.
const START_LEN: usize = 13;
/// Segments that are searched for records after a loss, before the direction is given up.
const SEARCHED_SEGMENTS_MAX: u16 = 256;
/// The longest SSL 2.0 hello that is collected; the longest known has some 150 bytes.
const SSLV2_HELLO_BYTES_MAX: usize = 4096;
/// An encrypted record of up to this length may be an alert (TLS 1.3: 2 bytes, content type, tag).
const ALERT_RECORD_LEN_MAX: u16 = 19;
/// An alert of Java, whose sockets pad every record of TLS 1.3 by 16 bytes. No Finished is so short.
const PADDED_ALERT_RECORD_LEN: u16 = 35;

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    stage: Stage,
    /// Undecided first bytes, or an unfinished SSL 2.0 hello.
    start: Vec<u8>,
    records: RecordReader,
    record_version: u16,
    joiner: Joiner,
    alert: Vec<u8>,
    prelude: Prelude,
    /// Takes off the packets in which records travel.
    unwrap: Option<Box<Unwrap>>,
    is_record_start: bool,
    content: Content,
    seen_bytes: u64,
    pub(crate) facts: SideFacts,
}

/// What the reader expects next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The stream's first bytes.
    #[default]
    Start,
    /// A dialogue that may lead to TLS.
    Prelude,
    /// The rest of an SSL 2.0 hello of this length.
    Sslv2Hello(usize),
    /// Records.
    Records,
    /// Records, if the next header fits too.
    Tentative { searched: u16, has_begun: bool },
    /// Anything: a record may begin at any segment.
    Lost { searched: u16 },
    /// Nothing more.
    Over,
}

/// Whether the handshake record at hand is in the clear.
///
/// Behind a ChangeCipherSpec only a hello may be: TLS 1.3 sends one for old middleboxes and goes on
/// in the clear with the hello after a HelloRetryRequest (RFC 8446 appendix D.4).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Content {
    #[default]
    Clear,
    Sealed,
    /// Its first bytes will tell; so many of them are kept.
    Unsure([u8; HELLO_HEAD_LEN], u8),
}

/// A reader and the frame at hand.
pub(crate) struct Feed<'a, 'b> {
    pub(crate) reader: &'a mut Reader,
    pub(crate) context: &'a mut Context<'b>,
    pub(crate) buffers: &'a mut Buffers,
}

impl Sink for Feed<'_, '_> {
    fn data(&mut self, bytes: &[u8], place: Place) {
        self.context.place = place;
        self.reader.data(bytes, self.context);
    }

    fn gap(&mut self, len: u32, cause: GapCause) {
        self.reader.gap(Some(len), cause, self.context);
    }

    fn buffers(&mut self) -> &mut Buffers {
        self.buffers
    }
}

impl Reader {
    /// Whether the direction is known to carry no TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.facts.is_plain
    }

    /// Whether it is a server's that has said all that leads to TLS, and nothing behind it.
    pub(crate) fn awaits_hello(&self) -> bool {
        self.stage == Stage::Prelude && self.prelude.awaits_hello()
    }

    /// Whether bytes were read.
    pub(crate) fn has_begun(&self) -> bool {
        self.seen_bytes > 0 || self.facts.has_holes
    }

    /// Whether nothing that follows can add anything.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Stops reading and frees what is held.
    pub(crate) fn stop(&mut self) {
        self.stage = Stage::Over;
        self.facts.is_plain = !self.facts.has_hello() && !self.facts.saw_records;
        self.start = Vec::new();
        self.alert = Vec::new();
        self.prelude = Prelude::default();
        self.unwrap = None;
        self.joiner = Joiner::default();
    }

    /// Something of what bytes meet.
    #[inline]
    pub(super) fn look(&self) -> u32 {
        u32::from(self.record_version)
            ^ self.facts.application_records
            ^ u32::from(self.facts.saw_payload)
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.start.capacity() + self.joiner.held_bytes() + self.prelude.pending().len()
    }

    /// Takes the next bytes; the first is the first of a segment or follows a gap.
    pub(crate) fn data(&mut self, bytes: &[u8], context: &mut Context<'_>) {
        self.facts.saw_payload = true;
        self.seen_bytes += bytes.len() as u64;
        if self.seen_bytes > context.limits.undecided_bytes_max {
            return self.stop();
        }
        let mut unwrapped = Vec::new();
        let bytes = match &mut self.unwrap {
            Some(unwrap) => {
                unwrap.push(bytes, &mut unwrapped);
                &unwrapped
            }
            None => bytes,
        };
        match self.stage {
            Stage::Start => self.start(bytes, context),
            Stage::Prelude => self.prelude(bytes, context),
            Stage::Sslv2Hello(len) => self.sslv2_hello(len, bytes, context),
            Stage::Records | Stage::Tentative { .. } => self.read_records(bytes, context),
            Stage::Lost { searched } => self.search(bytes, searched, context),
            Stage::Over => {}
        }
    }

    /// Passes over missing bytes; `None` when it is unknown how many.
    pub(crate) fn gap(&mut self, len: Option<u32>, cause: GapCause, context: &mut Context<'_>) {
        if self.stage == Stage::Over {
            return;
        }
        let had_hello = self.facts.has_hello();
        self.facts.is_cut_at_start |= self.stage == Stage::Start
            && cause == GapCause::Cut
            && self.facts.prelude == PreludeFacts::default();
        self.take_partial(context);
        self.facts.has_holes = true;
        self.facts.lost_packets |= cause == GapCause::Lost;
        if !had_hello {
            match cause {
                GapCause::Lost => self.facts.gap_before_hello = true,
                GapCause::Cut => self.facts.cut_before_hello = true,
            }
        }
        self.alert.clear();
        if matches!(self.content, Content::Unsure(..)) {
            self.content = Content::Sealed;
        }
        if self.stage == Stage::Prelude {
            self.prelude.gap();
            return;
        }
        match len.and_then(|len| self.records.gap(len).map(|header| (len, header))) {
            Some((len, header)) if matches!(self.stage, Stage::Records) => {
                if header.kind == ContentType::Handshake && self.content == Content::Clear {
                    self.joiner.gap(Some(len));
                }
            }
            _ => {
                self.records = RecordReader::default();
                self.joiner.gap(None);
                self.stage = Stage::Lost { searched: 0 };
            }
        }
    }

    /// Takes what is there of an unfinished hello: nothing more will come.
    pub(crate) fn finish(&mut self, context: &mut Context<'_>) {
        if self.stage == Stage::Start && !self.start.is_empty() && self.facts.is_midstream {
            let start = std::mem::take(&mut self.start);
            self.search(&start, 0, context);
        }
        self.take_partial(context);
    }

    /// Takes what is there of an unfinished hello.
    fn take_partial(&mut self, context: &mut Context<'_>) {
        if let Stage::Sslv2Hello(_) = self.stage {
            if let Some(hello) = Sslv2Hello::read(&self.start) {
                self.facts.sslv2_hello(hello, context);
            }
            self.start = Vec::new();
            return;
        }
        if self.stage == Stage::Start && is_hello(&self.start) {
            let start = std::mem::take(&mut self.start);
            self.enter_records(context);
            self.read_records(&start, context);
        }
        if let Some((kind, len, body)) = self.joiner.partial() {
            self.facts.partial(kind, len, body, self.record_version, context);
        }
    }

    /// Goes over to records for certain.
    fn enter_records(&mut self, context: &Context<'_>) {
        self.stage = Stage::Records;
        self.facts.saw_records = true;
        self.facts.tls_seq.get_or_insert(context.place.seq);
    }

    /// Decides what the stream begins with.
    fn start(&mut self, bytes: &[u8], context: &mut Context<'_>) {
        if self.start.is_empty() && bytes.len() >= START_LEN {
            return self.begin(bytes, context);
        }
        self.start.extend_from_slice(bytes);
        let rest = self.start.get(idle_records(&self.start)..).unwrap_or_default();
        if self.start.len() >= START_LEN || !may_begin(&self.start) || is_alert(rest) {
            let start = std::mem::take(&mut self.start);
            self.begin(&start, context);
        }
    }

    /// Goes on as the first bytes tell.
    fn begin(&mut self, bytes: &[u8], context: &mut Context<'_>) {
        let rest = bytes.get(idle_records(bytes)..).unwrap_or_default();
        let may_be_hello = rest.len() < START_LEN && !self.facts.is_midstream && may_begin(rest);
        if rest.len() < bytes.len() && (is_hello(rest) || may_be_hello) {
            return self.start(rest, context);
        }
        if is_hello(bytes) || is_alert(bytes) {
            self.facts.is_midstream &= !is_hello(bytes);
            self.enter_records(context);
            self.read_records(bytes, context);
        } else if let Some(len) = sslv2_client_hello_len(bytes)
            && len <= SSLV2_HELLO_BYTES_MAX
        {
            self.stage = Stage::Sslv2Hello(len);
            self.facts.tls_seq = Some(context.place.seq);
            self.facts.is_midstream = false;
            self.sslv2_hello(len, bytes, context);
        } else if sslv2_server_hello(bytes).is_some() {
            self.facts.is_midstream = false;
            self.facts.saw_records = true;
            self.facts.sslv2_server_hello(context);
            self.stop();
        } else if self.facts.is_midstream && header_chain(bytes).is_some_and(|(n, _)| n > 0) {
            self.search(bytes, 0, context);
        } else if self.facts.prelude == PreludeFacts::default() {
            self.stage = Stage::Prelude;
            self.prelude(bytes, context);
        } else {
            self.stop();
        }
    }

    /// Follows the dialogue before TLS.
    fn prelude(&mut self, bytes: &[u8], context: &mut Context<'_>) {
        self.facts.plain_ack = context.place.ack;
        let may_be_records = matches!(bytes.first(), Some(20 | 21 | 23));
        if self.facts.is_midstream && may_be_records && header_chain(bytes).is_some() {
            return self.search(bytes, 0, context);
        }
        match self.prelude.push(bytes) {
            Step::More => {}
            Step::NotTls if self.facts.is_midstream => self.search(bytes, 0, context),
            Step::NotTls => self.stop(),
            Step::Tls { consumed } => {
                let rest = bytes.get(consumed..).unwrap_or_default();
                let first = [self.prelude.pending(), rest].concat();
                self.facts.prelude = self.prelude.facts().clone();
                self.prelude = Prelude::default();
                self.facts.is_midstream = false;
                self.stage = Stage::Start;
                if let Some(wrapping) = self.facts.prelude.wrapped {
                    let mut unwrap = Box::new(Unwrap::new(wrapping));
                    let mut unwrapped = Vec::new();
                    unwrap.push(&first, &mut unwrapped);
                    self.unwrap = Some(unwrap);
                    self.start(&unwrapped, context);
                } else {
                    self.start(&first, context);
                }
            }
        }
    }

    /// Collects an SSL 2.0 hello; records follow it.
    fn sslv2_hello(&mut self, len: usize, bytes: &[u8], context: &mut Context<'_>) {
        let wanted = len.saturating_sub(self.start.len()).min(bytes.len());
        let (head, rest) = bytes.split_at(wanted);
        self.start.extend_from_slice(head);
        if self.start.len() < len {
            return;
        }
        if let Some(hello) = Sslv2Hello::read(&self.start) {
            self.facts.sslv2_hello(hello, context);
        }
        self.start = Vec::new();
        self.stage = Stage::Records;
        if !rest.is_empty() {
            self.read_records(rest, context);
        }
    }

    /// Looks whether records begin here.
    fn search(&mut self, bytes: &[u8], searched: u16, context: &mut Context<'_>) {
        self.records = RecordReader::default();
        let (stage, is_certain) = match header_chain(bytes) {
            _ if is_hello(bytes) => (Stage::Records, true),
            Some((headers, is_exact)) if headers > 1 || (headers == 1 && is_exact) => {
                (Stage::Records, true)
            }
            Some((1, false)) => (Stage::Tentative { searched, has_begun: false }, false),
            _ => (Stage::Lost { searched: searched + 1 }, false),
        };
        if let (Stage::Lost { .. }, Some(at)) = (stage, find_data_header(bytes)) {
            self.stage = Stage::Tentative { searched: searched + 1, has_begun: false };
            return self.read_records(bytes.get(at..).unwrap_or_default(), context);
        }
        self.stage = stage;
        if is_certain {
            self.enter_records(context);
        }
        match stage {
            Stage::Lost { searched } if searched >= SEARCHED_SEGMENTS_MAX => self.stop(),
            Stage::Lost { .. } => {}
            _ => self.read_records(bytes, context),
        }
    }

    fn read_records(&mut self, mut bytes: &[u8], context: &mut Context<'_>) {
        while let Some(event) = self.records.next(&mut bytes) {
            match event {
                RecordEvent::Begin(header) => {
                    match self.stage {
                        // The first header only opens the trial; the second confirms it.
                        Stage::Tentative { searched, has_begun: false } => {
                            self.stage = Stage::Tentative { searched, has_begun: true };
                        }
                        Stage::Tentative { .. } => {
                            self.enter_records(context);
                        }
                        _ => {}
                    }
                    self.record_version = header.version;
                    self.is_record_start = true;
                    self.content = match self.facts.changed_cipher {
                        true => Content::Unsure([0; HELLO_HEAD_LEN], 0),
                        false => Content::Clear,
                    };
                    self.alert.clear();
                    if self.stage == Stage::Records && header.len > 0 {
                        self.count_record(header.kind, header.len, context);
                    }
                }
                RecordEvent::Fragment { header, bytes, is_last } => {
                    if self.stage == Stage::Records && header.len > 0 {
                        self.fragment(header.kind, header.len, bytes, is_last, context);
                        if self.stage == Stage::Over {
                            return;
                        }
                    }
                }
                RecordEvent::NotARecord => return self.not_a_record(context),
            }
        }
    }

    /// No record begins where one must: a loss that was not noticed, or the end of an imitation.
    fn not_a_record(&mut self, context: &mut Context<'_>) {
        match self.stage {
            Stage::Tentative { searched, .. } => {
                self.stage = Stage::Lost { searched: searched + 1 };
            }
            _ if self.facts.has_hello() && !self.facts.has_holes => {
                self.facts.left_tls = !self.facts.changed_cipher;
                self.stop();
            }
            _ => {
                self.take_partial(context);
                self.joiner.gap(None);
                self.stage = Stage::Lost { searched: 0 };
            }
        }
        self.records = RecordReader::default();
    }

    /// Notes a record by its header.
    fn count_record(&mut self, kind: ContentType, len: u16, context: &Context<'_>) {
        let facts = &mut self.facts;
        match kind {
            ContentType::ChangeCipherSpec => facts.changed_cipher = true,
            ContentType::ApplicationData => {
                facts.application_records += 1;
                let is_alert = matches!(len, ALERT_RECORD_LEN_MAX | PADDED_ALERT_RECORD_LEN);
                facts.alert_record |= is_alert;
                if len > ALERT_RECORD_LEN_MAX && !is_alert {
                    facts.long_record = true;
                    facts.long_record_ack = context.place.ack;
                }
            }
            ContentType::Alert | ContentType::Handshake | ContentType::Heartbeat => {}
        }
    }

    /// Reads a part of a record's content where it is in the clear.
    fn fragment(
        &mut self,
        kind: ContentType,
        len: u16,
        bytes: &[u8],
        is_last: bool,
        context: &mut Context<'_>,
    ) {
        const ALERT_LEN: u16 = 2;
        match kind {
            ContentType::Handshake => self.handshake(bytes, is_last, context),
            // An encrypted one is longer, by its code at least.
            ContentType::Alert if len == ALERT_LEN => {
                self.alert.extend_from_slice(bytes);
                if let (true, &[level, description]) = (is_last, self.alert.as_slice()) {
                    self.facts.alert(level, description, context);
                }
            }
            _ => {}
        }
    }

    fn handshake(&mut self, bytes: &[u8], is_last: bool, context: &mut Context<'_>) {
        match self.content {
            Content::Clear => self.messages(bytes, context),
            Content::Sealed => {}
            Content::Unsure(mut head, known) => {
                let room = head.get_mut(usize::from(known)..).unwrap_or_default();
                let taken = room.len().min(bytes.len());
                let (fresh, rest) = bytes.split_at(taken);
                room.iter_mut().zip(fresh).for_each(|(to, from)| *to = *from);
                // At most the length of the head.
                let known = known + u8::try_from(taken).unwrap_or_default();
                let is_whole = usize::from(known) == HELLO_HEAD_LEN;
                if is_whole && begins_hello(&head) {
                    self.content = Content::Clear;
                    self.messages(&head, context);
                    self.messages(rest, context);
                } else if is_whole || is_last {
                    self.content = Content::Sealed;
                    self.facts.saw_sealed_handshake = true;
                } else {
                    self.content = Content::Unsure(head, known);
                }
            }
        }
    }

    /// Reads handshake messages in the clear.
    fn messages(&mut self, bytes: &[u8], context: &mut Context<'_>) {
        let is_record_start = std::mem::replace(&mut self.is_record_start, false);
        let Self { joiner, facts, record_version, .. } = self;
        let joined = joiner.push(bytes, is_record_start, |kind, body| {
            facts.message(kind, body, *record_version, context);
        });
        if joined == Joined::NotHandshake {
            self.not_handshake(context);
        }
    }

    /// A handshake record holds no handshake message: it is encrypted, as in a capture that
    /// begins in the middle, or it is no TLS.
    fn not_handshake(&mut self, context: &mut Context<'_>) {
        if !self.facts.has_hello() && !self.facts.is_midstream && !self.facts.has_holes {
            return self.stop();
        }
        self.take_partial(context);
        self.joiner.gap(None);
    }
}

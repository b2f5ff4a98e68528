//! Reads one direction's bytes: what comes first, the dialogue before TLS, records, and what is
//! left of them after a loss.
//!
//! Invariant: [`SideFacts`] only ever hold what bytes proved. After a loss, records count only
//! once two headers in a row fit or a hello begins.

use super::Context;
use super::side::SideFacts;
use crate::tcp::{GapCause, Sink};
use crate::tls::{
    ContentType, Joined, Joiner, RecordEvent, RecordReader, Sslv2Hello, header_chain, message,
    record_header, sslv2_client_hello_len, sslv2_server_hello,
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

/// A reader and the frame at hand.
pub(crate) struct Feed<'a, 'b> {
    pub(crate) reader: &'a mut Reader,
    pub(crate) context: &'a mut Context<'b>,
}

impl Sink for Feed<'_, '_> {
    fn data(&mut self, bytes: &[u8]) {
        self.reader.data(bytes, self.context);
    }

    fn gap(&mut self, len: u32, cause: GapCause) {
        self.reader.gap(Some(len), cause, self.context);
    }
}

impl Reader {
    /// Whether the direction is known to carry no TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.stage == Stage::Over && !self.facts.has_hello() && !self.facts.saw_records
    }

    /// Whether nothing that follows can add anything.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Stops reading and frees what is held.
    pub(crate) fn stop(&mut self) {
        self.stage = Stage::Over;
        self.start = Vec::new();
        self.alert = Vec::new();
        self.prelude = Prelude::default();
        self.unwrap = None;
        self.joiner = Joiner::default();
    }

    /// Bytes that are held.
    pub(crate) fn held_bytes(&self) -> usize {
        self.start.capacity() + self.joiner.held_bytes()
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
        self.facts.has_holes = true;
        self.take_partial(context);
        if !self.facts.has_hello() {
            match cause {
                GapCause::Lost => self.facts.gap_before_hello = true,
                GapCause::Cut => self.facts.cut_before_hello = true,
            }
        }
        self.alert.clear();
        if self.stage == Stage::Prelude {
            self.prelude.gap();
            return;
        }
        match len.and_then(|len| self.records.gap(len).map(|header| (len, header))) {
            Some((len, header)) if matches!(self.stage, Stage::Records) => {
                if header.kind == ContentType::Handshake && !self.facts.changed_cipher {
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
        } else if let Some((kind, body)) = self.joiner.partial() {
            self.facts.partial(kind, body, self.record_version, context);
        } else if self.stage == Stage::Start && self.start.len() >= 11 {
            let start = std::mem::take(&mut self.start);
            if is_hello(&start) {
                self.stage = Stage::Records;
                self.read_records(&start, context);
            }
        }
    }

    /// Decides what the stream begins with.
    fn start(&mut self, bytes: &[u8], context: &mut Context<'_>) {
        if self.start.is_empty() && bytes.len() >= START_LEN {
            return self.begin(bytes, context);
        }
        self.start.extend_from_slice(bytes);
        if self.start.len() >= START_LEN || !may_begin(&self.start) || is_alert(&self.start) {
            let start = std::mem::take(&mut self.start);
            self.begin(&start, context);
        }
    }

    /// Goes on as the first bytes tell.
    fn begin(&mut self, bytes: &[u8], context: &mut Context<'_>) {
        if is_hello(bytes) || is_alert(bytes) {
            self.stage = Stage::Records;
            self.facts.saw_records = true;
            self.facts.is_midstream = false;
            self.read_records(bytes, context);
        } else if let Some(len) = sslv2_client_hello_len(bytes)
            && len <= SSLV2_HELLO_BYTES_MAX
        {
            self.stage = Stage::Sslv2Hello(len);
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
        self.stage = stage;
        self.facts.saw_records |= is_certain;
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
                            self.stage = Stage::Records;
                            self.facts.saw_records = true;
                        }
                        _ => {}
                    }
                    self.record_version = header.version;
                    self.is_record_start = true;
                    self.alert.clear();
                    if self.stage == Stage::Records {
                        self.count_record(header.kind, header.len, context);
                    }
                }
                RecordEvent::Fragment { header, bytes, is_last } => {
                    if self.stage == Stage::Records {
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
                if len > ALERT_RECORD_LEN_MAX {
                    facts.long_record = Some(context.at);
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
        let is_record_start = std::mem::replace(&mut self.is_record_start, false);
        // TLS 1.3 sends a ChangeCipherSpec for old middleboxes and goes on in the clear only with
        // a second hello after a HelloRetryRequest (RFC 8446 appendix D.4).
        let is_encrypted = self.facts.changed_cipher && !begins_hello(bytes, is_record_start);
        match kind {
            ContentType::Handshake if !is_encrypted => {
                let Self { joiner, facts, record_version, .. } = self;
                let joined = joiner.push(bytes, is_record_start, |kind, body| {
                    facts.message(kind, body, *record_version, context);
                });
                if joined == Joined::NotHandshake {
                    self.not_handshake(context);
                }
            }
            ContentType::Alert if len == ALERT_LEN && !self.facts.changed_cipher => {
                self.alert.extend_from_slice(bytes);
                if let (true, &[level, description]) = (is_last, self.alert.as_slice()) {
                    self.facts.alert(level, description, context);
                }
            }
            _ => {}
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

/// Whether the bytes begin a record that begins a hello, as far as they go. At least six bytes.
fn is_hello(bytes: &[u8]) -> bool {
    let Some(&head) = bytes.first_chunk::<5>() else { return false };
    let Some(header) = record_header(head) else { return false };
    let Some(&kind) = bytes.get(5) else { return false };
    header.kind == ContentType::Handshake
        && matches!(
            kind,
            message::CLIENT_HELLO | message::SERVER_HELLO | message::HELLO_RETRY_REQUEST
        )
        && fits_hello(header.len, bytes)
}

/// Whether length and version of the handshake message fit, where they lie in the same record.
fn fits_hello(record_len: u16, bytes: &[u8]) -> bool {
    /// The shortest ServerHello of all: a HelloRetryRequest of TLS 1.3's drafts.
    const HELLO_LEN_MIN: u32 = 6;
    const HELLO_LEN_MAX: u32 = 1 << 17;
    let (Some(&[_, a, b, c]), true) =
        (bytes.get(5..).and_then(<[u8]>::first_chunk), record_len >= 4)
    else {
        return true;
    };
    let len = u32::from_be_bytes([0, a, b, c]);
    let is_version = record_len < 5
        || bytes.get(9).is_none_or(|major| matches!(major, 0x03 | 0x7e | 0x7f | 0xfb));
    (HELLO_LEN_MIN..=HELLO_LEN_MAX).contains(&len) && is_version
}

/// Whether a fragment begins with a hello's header; used after a ChangeCipherSpec, where anything
/// else is encrypted.
fn begins_hello(fragment: &[u8], is_record_start: bool) -> bool {
    const HELLO_LEN_MAX: u32 = 1 << 14;
    let Some(&[kind, a, b, c, major, minor]) = fragment.first_chunk() else { return false };
    let len = u32::from_be_bytes([0, a, b, c]);
    is_record_start
        && matches!(kind, message::CLIENT_HELLO | message::SERVER_HELLO)
        && (38..=HELLO_LEN_MAX).contains(&len)
        && (major, minor) == (3, 3)
}

/// Whether the bytes are one alert record in the clear with a plausible content.
fn is_alert(bytes: &[u8]) -> bool {
    bytes.len() >= 7
        && bytes
            .first_chunk()
            .copied()
            .and_then(record_header)
            .is_some_and(|header| header.kind == ContentType::Alert && header.len == 2)
        && matches!(bytes.get(5), Some(1 | 2))
        && matches!(
            bytes.get(6),
            Some(0 | 10 | 20..=22 | 30 | 40..=51 | 60 | 70 | 71 | 80 | 86 | 90 | 100 | 109..=121)
        )
}

/// Whether these first bytes may still begin a record or an SSL 2.0 hello.
fn may_begin(bytes: &[u8]) -> bool {
    match *bytes {
        [] => true,
        [first, ref rest @ ..] if (20..=24).contains(&first) => {
            rest.first().is_none_or(|&major| major == 3)
                && rest.get(1).is_none_or(|&minor| minor <= 4)
        }
        [first, ref rest @ ..] if first & 0x80 != 0 => {
            rest.get(1).is_none_or(|&kind| matches!(kind, 1 | 4))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Interner;
    use crate::{Limits, Mark};
    use proptest::prelude::*;

    fn read(parts: &[&[u8]], midstream: bool) -> Reader {
        let (limits, mut interner) = (Limits::default(), Interner::new(0));
        let mut context = Context {
            at: Mark::default(),
            frame_len: 0,
            transport: crate::Transport::Tcp,
            limits: &limits,
            interner: &mut interner,
        };
        let mut reader = Reader::default();
        reader.facts.is_midstream = midstream;
        for part in parts {
            reader.data(part, &mut context);
        }
        reader.finish(&mut context);
        reader
    }

    const ALERT: &[u8] = b"\x15\x03\x01\x00\x02\x02\x46";

    #[test]
    fn a_lone_alert_is_read() {
        for parts in [vec![ALERT], ALERT.chunks(1).collect()] {
            let reader = read(&parts, false);
            assert_eq!(reader.facts.alerts[0].description, 70);
        }
    }

    #[test]
    fn plain_protocols_are_given_up_at_once() {
        let check = |bytes: &[u8]| assert!(read(&[bytes], false).is_plain(), "{bytes:?}");
        check(b"GET / HTTP/1.1\r\n\r\n");
        check(b"SSH-2.0-OpenSSH_9.2\r\n");
    }

    #[test]
    fn unknown_protocols_are_given_up_soon() {
        let check = |bytes: &[u8]| assert!(read(&[bytes; 3], false).is_plain(), "{bytes:?}");
        check(b"\x16\x03\x01\x00\x10\x07abcdefghijklmnop");
        check(b"\x80\x2e\x01\x03\x01 random bytes that are no hello");
    }

    #[test]
    fn application_data_alone_is_records_in_a_capture_that_begins_late() {
        let data =
            [b"\x17\x03\x03\x00\x20", &[7; 32][..], b"\x17\x03\x03\x00\x10", &[8; 16]].concat();
        let reader = read(&[&data], true);
        assert!(reader.facts.saw_records);
        assert_eq!(reader.facts.application_records, 2);
        let reader = read(&[&data, &data, &data], false);
        assert!(reader.is_plain());
    }

    #[test]
    fn one_header_alone_is_no_proof() {
        let reader = read(&[b"\x17\x03\x03\x00\x20abc", &[1; 100]], true);
        assert!(!reader.facts.saw_records);
    }

    #[test]
    fn a_record_over_two_segments_is_proof_with_the_next_header() {
        let first = [b"\x17\x03\x03\x00\x20", &[7; 20][..]].concat();
        let second = [&[7; 12][..], b"\x17\x03\x03\x00\x30"].concat();
        let reader = read(&[b"middle of a record", &first, &second], true);
        assert!(reader.facts.saw_records);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(parts: Vec<Vec<u8>>, midstream: bool, head in 0usize..4) {
            let heads: [&[u8]; 4] = [b"", b"\x16\x03\x01\x00\xc0\x01\x00\x00\xbc\x03\x03",
                b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10", b"\x16\x03\x03\x00\x51\x02\x00\x00"];
            let mut all = vec![heads[head]];
            all.extend(parts.iter().map(Vec::as_slice));
            let _ = read(&all, midstream);
        }
    }
}

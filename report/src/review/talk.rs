//! One connection as the rows of a text tell it, and its facts.
//!
//! Follows what `dissect` does with bytes: a side is what one end said, and the facts join both.
//! A row that is not there is no proof of anything, so that less is ever said to be `false`.

use std::sync::Arc;

use dissect::{
    Alert, CertificateNames, ClientHello, Coverage, End, EndKind, Endpoint, Faults, FlowFacts,
    HelloExtent, HelloFormat, Mark, MessageKind, MessageMark, Messages, Protocol, PseudoTls,
    Quality, Refusal, RefusalKind, RoleFrom, ServerHello, Side, SideQuality, Transport, Upgrade,
    Version, client_by_ports,
};
use smallvec::SmallVec;

use super::hello;
use super::packet::{Packet, Speech, UNKNOWN_PORT};

/// Messages and alerts of a side that are kept; a handshake has about eight.
const MESSAGES_MAX: usize = 16;

/// The longest frame that holds an encrypted alert and no more, in bytes: Ethernet with a VLAN
/// tag, IPv6, all options of TCP, a ChangeCipherSpec and the alert.
const ALERT_FRAME_LEN_MAX: u32 = 14 + 4 + 40 + 60 + 6 + 24;

/// The one suite of the imitated handshake of [MS-TURN] §2.1.1, TLS_DH_anon_WITH_RC4_128_MD5.
const MS_TURN_SUITE: u16 = 0x0018;

/// Alerts that answer a ClientHello and nothing else: `protocol_version`, `insufficient_security`
/// (RFC 8446 §6.2), `inappropriate_fallback` (RFC 7507 §3), `no_application_protocol` (RFC 7301
/// §3.2).
const ANSWERS: [u8; 4] = [70, 71, 86, 120];

const EARLY_DATA: u16 = 42;
const PRE_SHARED_KEY: u16 = 41;
const CERTIFICATE: MessageKind = MessageKind::Handshake(11);
const CERTIFICATE_REQUEST: MessageKind = MessageKind::Handshake(13);
const SERVER_HELLO_DONE: MessageKind = MessageKind::Handshake(14);

/// What one end said.
#[derive(Debug, Default)]
struct Half {
    frames: u32,
    hello: Option<ClientHello>,
    answer: Option<ServerHello>,
    has_retried: bool,
    messages: SmallVec<[(Mark, u32, MessageKind); 6]>,
    names: Vec<Box<str>>,
    /// Its first ChangeCipherSpec.
    changed_cipher: Option<Mark>,
    application_rows: u32,
    /// An encrypted record that is no alert, behind the ServerHello.
    has_sent_behind: bool,
    rows_behind: u32,
    has_records: bool,
    /// Bytes that it holds outside of itself.
    held: usize,
}

impl Half {
    fn says(&self, kind: MessageKind) -> bool {
        self.messages.iter().any(|(_, _, said)| *said == kind)
    }

    fn encrypts(&self) -> bool {
        self.changed_cipher.is_some() || self.application_rows > 0
    }

    /// Whether it said anything that only TLS says.
    fn is_tls(&self) -> bool {
        self.encrypts() || !self.messages.is_empty()
    }

    fn alerts(&self, from: Side) -> impl Iterator<Item = Alert> {
        self.messages.iter().filter_map(move |(at, _, kind)| match *kind {
            MessageKind::Alert { level, description } => {
                Some(Alert { from, level, description, at: *at })
            }
            _ => None,
        })
    }
}

/// What the source of the rows can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// Records of every content type have a word of their own.
    pub(super) records: bool,
    /// Lengths of records are there.
    pub(super) record_lengths: bool,
    /// Every row names its ports.
    pub(super) ports: bool,
}

/// A connection.
#[derive(Debug)]
pub(super) struct Talk {
    /// The sender of the first row, and the other end.
    pub(super) ends: [Endpoint; 2],
    transport: Transport,
    halves: [Half; 2],
    pub(super) first: Mark,
    pub(super) last: Mark,
    /// The text that it began in.
    pub(super) file: u32,
    /// File and number within it.
    stream: Option<(u32, u64)>,
    dialled: Option<usize>,
    end: Option<(usize, EndKind, Mark)>,
    /// The first to end sent nothing before.
    is_first_word: bool,
    /// Segments that carry no TLS have rows too, so that no filter took those that do.
    has_bare_rows: bool,
    speech: Speech,
    asked: Option<Box<str>>,
    sight: Sight,
    /// It was found by its addresses alone, among others.
    pub(super) is_guessed: bool,
}

impl Talk {
    pub(super) fn new(packet: &Packet, at: Mark, file: u32, sight: Sight) -> Self {
        let (source_port, destination_port) = packet.ports.unwrap_or((UNKNOWN_PORT, UNKNOWN_PORT));
        Self {
            ends: [
                Endpoint { addr: packet.source, port: source_port },
                Endpoint { addr: packet.destination, port: destination_port },
            ],
            transport: packet.transport,
            halves: [Half::default(), Half::default()],
            first: at,
            last: at,
            file,
            stream: packet.stream.map(|stream| (file, stream)),
            dialled: None,
            end: None,
            is_first_word: false,
            has_bare_rows: false,
            speech: Speech::Nothing,
            asked: None,
            sight,
            is_guessed: false,
        }
    }

    /// Which end sent a packet.
    fn sender(&self, packet: &Packet) -> usize {
        let is_second = match packet.ports {
            Some((port, _)) if self.ends[0].addr == self.ends[1].addr => port != self.ends[0].port,
            _ => packet.source != self.ends[0].addr,
        };
        usize::from(is_second)
    }

    /// Whether a packet between the same ends is of another connection.
    pub(super) fn is_over_before(&self, packet: &Packet, file: u32) -> bool {
        let stream = packet.stream.map(|stream| (file, stream));
        if let (Some((file, one)), Some((other_file, other))) = (self.stream, stream)
            && file == other_file
        {
            return one != other;
        }
        if packet.is_retransmission {
            return false;
        }
        let has_begun = self.halves.iter().any(Half::is_tls) || self.end.is_some();
        if packet.syn && !packet.ack {
            return has_begun;
        }
        let (Some(again), Some(before)) = (&packet.client_hello, self.hello()) else {
            return false;
        };
        let has_retried = self.halves.iter().any(|half| half.has_retried);
        if has_retried || again.random == before.random && again.random != [0; 32] {
            return false;
        }
        let are_known = again.random != [0; 32] && before.random != [0; 32];
        are_known || self.is_answered() || self.end.is_some()
    }

    fn hello(&self) -> Option<&ClientHello> {
        self.halves.iter().find_map(|half| half.hello.as_ref())
    }

    fn is_answered(&self) -> bool {
        self.halves
            .iter()
            .any(|half| half.answer.is_some() || half.alerts(Side::Client).count() > 0)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Whether what is yet to come changes nothing: it ended, or both sides encrypt.
    pub(super) fn is_decided(&self) -> bool {
        self.has_ended() || self.halves.iter().all(Half::encrypts)
    }

    /// Bytes that it holds outside of itself.
    pub(super) fn held(&self) -> usize {
        let asked = self.asked.as_ref().map_or(0, |name| name.len());
        self.halves.iter().map(|half| half.held).sum::<usize>() + asked
    }

    /// Whether the sender of a packet may say its first hello here.
    pub(super) fn awaits_hello_of(&self, packet: &Packet) -> bool {
        let sender = self.sender(packet);
        self.dialled.is_none_or(|dialled| dialled == sender)
            && self.hello().is_none()
            && !self.halves.iter().any(|half| half.has_records)
    }

    /// Whether the sender of a packet said its hello here before and may say it again.
    pub(super) fn awaits_hello_again(&self, packet: &Packet) -> bool {
        let sender = self.sender(packet);
        let has_retried = self.halves[1 - sender].has_retried;
        self.halves[sender].hello.is_some()
            && (packet.is_retransmission || has_retried && !self.is_answered())
    }

    /// Whether the sender of a packet was asked and has not answered.
    pub(super) fn awaits_answer_of(&self, packet: &Packet) -> bool {
        let sender = self.sender(packet);
        self.halves[1 - sender].hello.is_some() && self.halves[sender].answer.is_none()
    }

    pub(super) fn has_records(&self) -> bool {
        self.halves.iter().any(|half| half.has_records)
    }

    /// Takes a packet, of which the hello holds so many bytes that it shares with no other.
    pub(super) fn take(&mut self, packet: Packet, at: Mark, hello_len: usize) {
        let sender = self.sender(&packet);
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        if packet.speech != Speech::Nothing && self.speech == Speech::Nothing {
            self.speech = packet.speech;
        }
        if packet.syn {
            self.dialled.get_or_insert(if packet.ack { 1 - sender } else { sender });
        }
        if self.hello().is_none() {
            self.asked = packet.asked.clone().or_else(|| self.asked.take());
        }
        if (packet.fin || packet.reset) && self.end.is_none() {
            let kind = if packet.reset { EndKind::Reset } else { EndKind::Fin };
            self.end = Some((sender, kind, at));
            self.is_first_word = packet.is_first_word;
        }
        self.has_bare_rows |= packet.is_bare();
        let is_behind = self.halves[1 - sender].answer.is_some();
        let half = &mut self.halves[sender];
        half.frames += 1;
        half.take(packet, at, is_behind, hello_len);
    }

    /// The facts; `None` when it showed no TLS. `shows_answers` says that the text has rows of
    /// ServerHellos, so that one that is not there was not sent.
    pub(super) fn into_facts(self, is_evicted: bool, shows_answers: bool) -> Option<FlowFacts> {
        let is_tls = self.halves.iter().any(Half::is_tls);
        if !is_tls && self.speech != Speech::Quic {
            return None;
        }
        let (client_at, role_from) = self.find_client();
        let side_of = |at: usize| if at == client_at { Side::Client } else { Side::Server };
        let [a, b] = self.halves;
        let [a_end, b_end] = self.ends;
        let (client, server, client_end, server_end) =
            if client_at == 0 { (a, b, a_end, b_end) } else { (b, a, b_end, a_end) };
        let end = self.end.map(|(at, kind, mark)| End { by: side_of(at), kind, at: mark });
        let Self { is_first_word, has_bare_rows, .. } = self;
        let shows_answers = shows_answers || has_bare_rows;
        let ends = Ends { client, server, end, is_first_word, has_bare_rows, shows_answers };
        let protocol = match self.speech {
            Speech::Quic => Protocol::Quic,
            Speech::Dtls => Protocol::Dtls,
            _ => ends.protocol(),
        };
        let refusal = ends.refusal();
        let coverage = match protocol {
            Protocol::Quic | Protocol::Dtls => Coverage::TRUNCATED,
            _ => ends.coverage(refusal, self.dialled.is_some()),
        };
        let evicted = if is_evicted { Coverage::EVICTED } else { Coverage::COMPLETE };
        let coverage = if coverage.is_complete() { coverage } else { coverage.with(evicted) };
        let established = ends.established(self.sight, refusal);
        let resumed = ends.resumed(self.sight);
        let (alerts, messages) = (ends.alerts(), ends.messages());
        let quality = |half: &Half| SideQuality {
            frames: half.frames,
            faults: Faults::RETOLD,
            ..SideQuality::default()
        };
        let quality = Quality { client: quality(&ends.client), server: quality(&ends.server) };
        let Ends { client, server, .. } = ends;
        let certificate = (!server.names.is_empty()).then(|| {
            Arc::new(CertificateNames {
                alternative_names: server.names.clone(),
                ..CertificateNames::default()
            })
        });
        Some(FlowFacts {
            first: self.first,
            last: self.last,
            transport: self.transport,
            role_from,
            dialled_by: self.dialled.map(side_of),
            protocol,
            upgrade: if self.asked.is_some() { Upgrade::HttpConnect } else { Upgrade::Direct },
            upgrade_name: self.asked,
            certificate_requested: server.says(CERTIFICATE_REQUEST),
            client_hello: client.hello,
            server_hello: server.answer,
            hello_retried: server.has_retried,
            certificate,
            alerts,
            refusal,
            end,
            resumed,
            established,
            coverage,
            quality,
            messages,
            ..FlowFacts::new(client_end, server_end)
        })
    }

    /// Which end is the client, and what told it: as in a capture.
    fn find_client(&self) -> (usize, RoleFrom) {
        let [a, b] = &self.halves;
        let frame = |half: &Half| half.hello.as_ref().map(|hello| hello.at);
        match (frame(a), frame(b)) {
            (Some(a), Some(b)) => (usize::from(b < a), RoleFrom::ClientHello),
            (Some(_), None) => (0, RoleFrom::ClientHello),
            (None, Some(_)) => (1, RoleFrom::ClientHello),
            (None, None) if a.answer.is_some() => (1, RoleFrom::ServerHello),
            (None, None) if b.answer.is_some() => (0, RoleFrom::ServerHello),
            (None, None) => match self.dialled {
                Some(at) => (at, RoleFrom::Syn),
                None => (client_by_ports(self.ends), RoleFrom::Ports),
            },
        }
    }
}

impl Half {
    fn take(&mut self, packet: Packet, at: Mark, is_behind: bool, hello_len: usize) {
        self.has_records |= packet.has_records;
        if packet.changes_cipher {
            self.changed_cipher.get_or_insert(at);
        }
        if packet.application_records > 0 {
            self.application_rows += 1;
            self.rows_behind += u32::from(is_behind);
            self.has_sent_behind |= is_behind
                && (packet.long_record || self.rows_behind > 1 || packet.len > ALERT_FRAME_LEN_MAX);
        }
        if !packet.certificate_names.is_empty() && self.names.is_empty() {
            self.names = packet.certificate_names;
            self.held += self.names.iter().map(|name| name.len() + 16).sum::<usize>();
        }
        if let (Some(curve), Some(answer)) = (packet.curve, &mut self.answer) {
            answer.group.get_or_insert(curve);
        }
        if let (Some(hello), None) = (packet.client_hello, &self.hello) {
            self.hello = Some(ClientHello { at, ..hello });
            self.held += hello_len;
        }
        if let (Some(answer), None) = (packet.server_hello, &self.answer) {
            self.answer = Some(ServerHello { at, ..answer });
        }
        for kind in packet.messages {
            self.has_retried |= kind == MessageKind::HelloRetryRequest;
            let is_again = packet.is_retransmission && self.says(kind);
            if self.messages.len() < MESSAGES_MAX && !is_again {
                self.messages.push((at, packet.len, kind));
                self.held += size_of::<(Mark, u32, MessageKind)>();
            }
        }
    }
}

/// Both ends told apart.
struct Ends {
    client: Half,
    server: Half,
    end: Option<End>,
    is_first_word: bool,
    has_bare_rows: bool,
    /// A ServerHello would have a row.
    shows_answers: bool,
}

impl Ends {
    fn protocol(&self) -> Protocol {
        let asks = self.client.hello.as_ref().is_some_and(|hello| {
            let offer = &hello.offer;
            offer.format == HelloFormat::Tls
                && offer.extent == HelloExtent::Whole
                && offer.cipher_suites == [MS_TURN_SUITE]
                && offer.extensions.is_none()
        });
        let answers = self.server.answer.as_ref().is_some_and(|hello| {
            hello.cipher_suite == Some(MS_TURN_SUITE)
                && self.server.messages.get(1).is_some_and(|it| it.2 == SERVER_HELLO_DONE)
        });
        match asks || answers {
            true => Protocol::PseudoTls(PseudoTls::MsTurn),
            false => Protocol::Tls,
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        let (client, server) = (&self.client, &self.server);
        if server.answer.is_some() || client.hello.is_none() {
            return None;
        }
        if let Some(alert) = server.alerts(Side::Server).find(Alert::is_fatal) {
            if !self.shows_answers && !ANSWERS.contains(&alert.description) {
                return None;
            }
            return Some(Refusal { kind: RefusalKind::Alert(alert.description), at: alert.at });
        }
        let asked = client.hello.as_ref()?.at;
        let end = self.end.filter(|end| end.by == Side::Server && end.at >= asked)?;
        let gave_up = client.alerts(Side::Client).any(|alert| alert.at < end.at);
        if gave_up || server.is_tls() || !self.is_first_word {
            return None;
        }
        let kind = match end.kind {
            EndKind::Reset => RefusalKind::Reset,
            EndKind::Fin => RefusalKind::Close,
        };
        Some(Refusal { kind, at: end.at })
    }

    fn coverage(&self, refusal: Option<Refusal>, saw_syn: bool) -> Coverage {
        let (client, server) = (&self.client, &self.server);
        let is_late = !saw_syn && client.hello.is_none() && server.answer.is_none();
        let loss = |half: &Half, extent: Option<HelloExtent>, nothing: Coverage| match extent {
            Some(HelloExtent::Whole) => Coverage::COMPLETE,
            Some(_) => Coverage::TRUNCATED,
            None if half.says(MessageKind::ClientHello) || half.says(MessageKind::ServerHello) => {
                Coverage::TRUNCATED
            }
            None if is_late => Coverage::MIDSTREAM,
            None if half.is_tls() => Coverage::GAP,
            None => nothing,
        };
        let of_client = client.hello.as_ref().map(|hello| hello.offer.extent);
        let of_server = server.answer.as_ref().map(|hello| hello.extent);
        let missing = loss(client, of_client, Coverage::CLIENT_SIDE_MISSING);
        if refusal.is_some() {
            return missing;
        }
        missing.with(loss(server, of_server, Coverage::SERVER_SIDE_MISSING))
    }

    fn established(&self, sight: Sight, refusal: Option<Refusal>) -> Option<bool> {
        let (client, server) = (&self.client, &self.server);
        if client.frames == 0 || server.frames == 0 {
            return None;
        }
        if refusal.is_some() {
            return Some(false);
        }
        let version = server.answer.as_ref()?.version();
        // An alert that can be read was sent before encryption. An end proves nothing where rows
        // of what came before it may have been filtered away.
        let is_over = self.end.is_some() && self.has_bare_rows
            || [client, server]
                .iter()
                .any(|half| half.alerts(Side::Client).any(|it| it.is_fatal()));
        let may_send_early = client.hello.as_ref().is_none_or(|hello| {
            hello.offer.extent < HelloExtent::Whole || hello.offer.has_extension(EARLY_DATA)
        });
        match version? {
            Version::Ssl2 => None,
            Version::Tls13 if client.has_sent_behind && !may_send_early => Some(true),
            // Several rows behind the ServerHello are no early data of a listed connection.
            Version::Tls13 if client.has_sent_behind && client.rows_behind > 1 => Some(true),
            Version::Tls13 if !sight.record_lengths || client.has_sent_behind => None,
            Version::Tls13 => is_over.then_some(false),
            _ if client.encrypts() && server.encrypts() => Some(true),
            _ => (is_over && sight.records).then_some(false),
        }
    }

    fn resumed(&self, sight: Sight) -> Option<bool> {
        let server = &self.server;
        let hello = server.answer.as_ref()?;
        match hello.version()? {
            Version::Ssl2 => None,
            Version::Tls13 => {
                let is_whole = hello.extent == HelloExtent::Whole;
                is_whole.then(|| hello.extensions.contains(&PRE_SHARED_KEY))
            }
            _ if server.says(CERTIFICATE) || server.says(SERVER_HELLO_DONE) => Some(false),
            // Only who resumes has the server change first (RFC 5246 §7.3); that no certificate has
            // a row is no proof.
            _ => {
                let (Some(changed), true) = (server.changed_cipher, sight.records) else {
                    return None;
                };
                let is_at_once = changed <= hello.at;
                let is_first =
                    self.client.changed_cipher.is_some_and(|answered| changed < answered);
                (is_at_once || is_first).then_some(true)
            }
        }
    }

    fn alerts(&self) -> SmallVec<[Alert; 1]> {
        let mut all: SmallVec<[Alert; 1]> = self.client.alerts(Side::Client).collect();
        all.extend(self.server.alerts(Side::Server));
        all.sort_by_key(|alert| alert.at);
        all
    }

    fn messages(&self) -> Messages {
        let marks = |half: &Half, from: Side| {
            let mark = move |&(at, frame_len, kind): &(Mark, u32, MessageKind)| MessageMark {
                at,
                frame_len,
                from,
                kind,
            };
            half.messages.iter().map(mark).collect::<Vec<_>>()
        };
        let mut all: SmallVec<[MessageMark; 6]> = SmallVec::new();
        all.extend(marks(&self.client, Side::Client));
        all.extend(marks(&self.server, Side::Server));
        all.sort_by_key(|message| message.at.frame);
        all.into_iter().collect()
    }
}

/// Takes back what a hello in the format of SSL 2.0 says while nothing shows that the handshake
/// went on: media relays imitate such handshakes, and what tells them apart is in no text.
pub(super) fn without_imitation(facts: &mut FlowFacts) {
    let Some(asked) = &mut facts.client_hello else { return };
    let went_on = facts.messages.iter().any(|message| {
        message.from == Side::Server && matches!(message.kind, MessageKind::Handshake(_))
    });
    let is_refused = facts.refusal.is_some() || facts.server_hello.is_none();
    if asked.offer.format == HelloFormat::SslV2 && !went_on && !is_refused {
        asked.offer = Arc::new(hello::unknown_offer());
        facts.coverage = facts.coverage.with(Coverage::TRUNCATED);
    }
}

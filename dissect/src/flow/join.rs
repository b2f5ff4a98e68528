//! Joins what two directions said into the facts of one connection.

use smallvec::SmallVec;

use super::ending::Ending;
use super::half::Half;
use super::role::{TLS_PORTS, client_by_ports};
use super::side::{MS_TURN_SUITE, SideFacts};
use super::watch::Captured;
use crate::tcp::Seq;
use crate::tls::ServerHelloParts;
use crate::upgrade::join as join_upgrades;
use crate::{
    Alert, Coverage, EndKind, Endpoint, FlowFacts, HelloExtent, Mark, MessageMark, Messages,
    Protocol, PseudoTls, Quality, Refusal, RefusalKind, RoleFrom, ServerHello, Side, SideQuality,
    Transport, Upgrade, Version,
};

/// Both directions of a connection, told apart by who sent what, and its TCP frame. What the sides
/// hold goes into the facts; they are large, so that they stay where they are until then.
pub(crate) struct Halves<'a> {
    pub(crate) sides: [&'a mut SideFacts; 2],
    /// Who sends in each of the two.
    pub(crate) senders: [Endpoint; 2],
    /// Which of the two sent the SYN.
    pub(crate) dialled: Option<usize>,
    /// Which of the two ended the connection, how and when.
    pub(crate) end: Option<(usize, Ending)>,
    /// What the reader of the frames could not keep.
    pub(super) missing: Coverage,
    pub(super) captured: [Captured; 2],
    pub(super) qualities: [SideQuality; 2],
    /// The capture runs since the connection's beginning.
    pub(super) saw_syn: bool,
    /// FIN or RST of each direction.
    pub(super) endings: [Option<Ending>; 2],
    /// Numbers behind the last byte of each direction that was captured, and that was received.
    pub(super) reached: [(Option<Seq>, Option<Seq>); 2],
}

/// The client's half and the server's half.
struct Roles<'a> {
    client: &'a mut SideFacts,
    server: &'a mut SideFacts,
    client_captured: Captured,
    server_captured: Captured,
    saw_syn: bool,
    end: Option<(Side, Ending)>,
    /// The client's FIN or RST stands where its bytes begin.
    is_client_over: bool,
    missing: Coverage,
}

impl<'a> Halves<'a> {
    /// The halves of a connection over UDP, whose datagrams have no numbers that tell of losses.
    pub(crate) fn of_datagrams(
        sides: [&'a mut SideFacts; 2],
        senders: [Endpoint; 2],
        dialled: Option<usize>,
        missing: Coverage,
    ) -> Self {
        let captured = sides.each_ref().map(|side| match side.saw_payload {
            true => Captured::All,
            false => Captured::Nothing,
        });
        Self {
            sides,
            senders,
            dialled,
            end: None,
            missing,
            captured,
            qualities: [SideQuality::default(); 2],
            saw_syn: false,
            endings: [None; 2],
            reached: [(None, None); 2],
        }
    }

    /// The facts of the connection; `None` when it showed no TLS. First and last frame are the
    /// caller's to fill in.
    pub(crate) fn join(self) -> Option<FlowFacts> {
        let [a, b] = &self.sides;
        // An alert in answer to something else than TLS makes no TLS of it.
        let is_tls = |side: &SideFacts, other: &SideFacts| {
            side.has_hello() || side.saw_records && !(side.is_alerts_only() && other.is_plain)
        };
        let is_known_tls = is_tls(a, b) || is_tls(b, a);
        let (client_at, role_from) = self.find_client();
        if !is_known_tls && !self.may_be_tls(client_at) {
            return None;
        }
        let side_of = |at: usize| if at == client_at { Side::Client } else { Side::Server };
        let dialled_by = self.dialled.map(side_of);
        let end = self.end.map(|(at, ending)| (side_of(at), ending));
        // The number of a FIN counts as one more. A reset may have any, but the right one.
        let is_client_over = self.endings[client_at].is_some_and(|ending| {
            let end = self.reached[client_at].0;
            ending.kind == EndKind::Fin || end.is_some_and(|end| end == ending.seq)
        });
        let half = self.lone().map(|at| Box::new(self.half(at, side_of(at))));
        let [a, b] = self.sides;
        let [a_end, b_end] = self.senders;
        let (client, server, client_end, server_end) =
            if client_at == 0 { (a, b, a_end, b_end) } else { (b, a, b_end, a_end) };
        let of_both = |at: usize| (self.captured[at], self.qualities[at]);
        let (client_captured, client_quality) = of_both(client_at);
        let (server_captured, server_quality) = of_both(1 - client_at);
        let roles = Roles {
            client,
            server,
            client_captured,
            server_captured,
            saw_syn: self.saw_syn,
            end,
            is_client_over,
            missing: self.missing,
        };
        let resumed = roles.resumed();
        let protocol = roles.protocol();
        // An imitation goes over to nothing, unless somebody takes it in earnest.
        let may_encrypt = protocol == Protocol::Tls || roles.server.saw_certificate;
        let established = roles.established().filter(|_| may_encrypt);
        let refusal = roles.refusal();
        let coverage = roles.coverage(refusal);
        let messages = roles.messages();
        let alerts = roles.alerts();
        let words = [&roles.client.prelude, &roles.server.prelude];
        let upgrade = join_upgrades(words[0].upgrade, words[1].upgrade).unwrap_or(Upgrade::Direct);
        let upgrade_name = words.iter().find_map(|words| words.name.clone());
        let proxied_client = words[0].proxied.as_ref().map(|ends| ends.0);
        let Roles { client, server, .. } = roles;
        Some(FlowFacts {
            first: Mark::default(),
            last: Mark::default(),
            transport: Transport::Tcp,
            client: client_end,
            server: server_end,
            role_from,
            dialled_by,
            protocol,
            upgrade,
            upgrade_name,
            proxied_client,
            client_hello: client.client_hello.take(),
            server_hello: server.server_hello.take(),
            hello_retried: server.hello_retried,
            certificate: server.certificate.take(),
            certificate_requested: server.certificate_requested,
            alerts,
            refusal,
            end: end.map(|(by, ending)| ending.by(by)),
            resumed,
            established,
            coverage,
            quality: Quality { client: client_quality, server: server_quality },
            messages,
            half,
        })
    }

    /// What is known of a server that was asked in the clear to go over to TLS, agreed, and ended
    /// the connection, when its direction alone was captured. `None` for anything else.
    pub(super) fn silent(&self) -> Option<FlowFacts> {
        let at = self.lone()?;
        let ending = self.endings[at]?;
        let is_dialled = self.dialled == Some(1 - at);
        Some(FlowFacts {
            role_from: if is_dialled { RoleFrom::Syn } else { RoleFrom::Ports },
            dialled_by: is_dialled.then_some(Side::Client),
            end: Some(ending.by(Side::Server)),
            coverage: Coverage::CLIENT_SIDE_MISSING,
            half: Some(Box::new(self.half(at, Side::Server).without_tls())),
            ..FlowFacts::new(self.senders[1 - at], self.senders[at])
        })
    }

    /// What is kept of a direction that is the only one.
    fn half(&self, at: usize, from: Side) -> Half {
        let half = Half::of(self.sides[at], from, self.endings[at], self.saw_syn);
        let number = |seq: Option<Seq>| seq.map(|seq| seq.0);
        let (end, received) = (number(self.reached[at].0), number(self.reached[1 - at].1));
        Half { end, received, ..half }
    }

    /// The direction of a TCP connection of which alone anything was captured.
    fn lone(&self) -> Option<usize> {
        let is_there =
            |at: usize| self.captured[at] != Captured::Nothing && self.qualities[at].frames > 0;
        match (is_there(0), is_there(1)) {
            (true, false) => Some(0),
            (false, true) => Some(1),
            _ => None,
        }
    }

    /// Whether the snap length left nothing to tell TLS by, and the server's port speaks for it.
    fn may_be_tls(&self, client_at: usize) -> bool {
        let is_hidden = |side: &SideFacts| side.is_cut_at_start && !side.is_plain;
        let server = self.senders.iter().rev().nth(client_at);
        self.sides.iter().all(|side| is_hidden(side))
            && server.is_some_and(|server| TLS_PORTS.contains(&server.port))
    }

    /// Which half is the client's, and what told it.
    fn find_client(&self) -> (usize, RoleFrom) {
        let hello_frame = |side: &SideFacts| side.client_hello.as_ref().map(|hello| hello.at.frame);
        let [a, b] = &self.sides;
        match (hello_frame(a), hello_frame(b)) {
            (Some(a), Some(b)) => (usize::from(b < a), RoleFrom::ClientHello),
            (Some(_), None) => (0, RoleFrom::ClientHello),
            (None, Some(_)) => (1, RoleFrom::ClientHello),
            (None, None) if a.server_hello.is_some() => (1, RoleFrom::ServerHello),
            (None, None) if b.server_hello.is_some() => (0, RoleFrom::ServerHello),
            (None, None) => match self.dialled {
                Some(at) => (at, RoleFrom::Syn),
                None => (client_by_ports(self.senders), RoleFrom::Ports),
            },
        }
    }
}

impl Roles<'_> {
    fn negotiated(&self) -> Option<Version> {
        self.server.server_hello.as_ref()?.version()
    }

    fn protocol(&self) -> Protocol {
        let (client, server) = (&self.client, &self.server);
        let pseudo = client.pseudo.or(server.pseudo);
        let asks = client.client_hello.as_ref().is_some_and(|hello| {
            hello.record_version == 0x0002 && hello.offer.legacy_version != 0x0002
        });
        // One that selects SSL 2.0 goes on in records of another kind.
        let answers = |hello: &ServerHello| hello.legacy_version != 0x0002;
        let is_sslv2_shaped = asks && server.server_hello.as_ref().is_some_and(answers);
        match pseudo {
            Some(_) if self.is_cut_hello_of_tls() => Protocol::Tls,
            Some(kind) => Protocol::PseudoTls(kind),
            None if server.is_relay_answer() => Protocol::PseudoTls(PseudoTls::MsTurn),
            None if is_sslv2_shaped
                && (client.left_tls || server.left_tls)
                && !server.saw_certificate =>
            {
                Protocol::PseudoTls(PseudoTls::Skype)
            }
            None => Protocol::Tls,
        }
    }

    /// Whether the cut took what tells an imitation of the hello, and the answer tells it instead:
    /// the server selected a suite that the imitation does not offer.
    fn is_cut_hello_of_tls(&self) -> bool {
        let offer = self.client.client_hello.as_ref().map(|hello| &hello.offer);
        let suite = self.server.server_hello.as_ref().and_then(|hello| hello.cipher_suite);
        self.client.pseudo == Some(PseudoTls::MsTurn)
            && offer.is_some_and(|it| it.cipher_suites.is_empty())
            && suite.is_some_and(|suite| suite != MS_TURN_SUITE)
    }

    /// Whether a session was resumed. Up to TLS 1.2 the flight of a full handshake ends with
    /// ServerHelloDone, and an abbreviated one goes over to encryption without (RFC 5246 §7.3,
    /// RFC 5077 §3.1). In TLS 1.3 the server accepts a pre-shared key.
    fn resumed(&self) -> Option<bool> {
        let server = &self.server;
        let hello = server.server_hello.as_ref()?;
        match hello.version()? {
            Version::Ssl2 => None,
            Version::Tls13 | Version::Dtls13 if ServerHelloParts::accepts_psk(hello) => Some(true),
            Version::Tls13 | Version::Dtls13 => {
                (hello.extent == HelloExtent::Whole).then_some(false)
            }
            _ if server.saw_certificate || server.saw_done => Some(false),
            _ => (server.changed_cipher && !server.has_holes).then_some(true),
        }
    }

    fn established(&self) -> Option<bool> {
        let (client, server) = (&self.client, &self.server);
        if !client.saw_payload || (!server.saw_payload && self.end_by_server().is_none()) {
            return None;
        }
        let encrypts = |side: &SideFacts| side.changed_cipher || side.application_records > 0;
        let both_encrypt = encrypts(client) && encrypts(server);
        // Whether everything that a direction sent was read, as far as it decides.
        let is_whole = |side: &SideFacts| !side.has_holes && !side.is_midstream;
        let (proven, disproven) = match self.negotiated() {
            // It goes over to encryption without a word that says so.
            Some(Version::Ssl2) => return None,
            Some(Version::Tls13) => (client.has_sent_behind(server), is_whole(client)),
            Some(_) => (
                both_encrypt,
                is_whole(client) && !encrypts(client) || is_whole(server) && !encrypts(server),
            ),
            None => (
                both_encrypt && self.is_finished_in_any_version(),
                !both_encrypt || self.refusal().is_some() || self.is_over_after_retry(),
            ),
        };
        if proven {
            return Some(true);
        }
        let is_uncertain = self.negotiated().is_none() && !(is_whole(client) && is_whole(server));
        (disproven && !is_uncertain && self.missing.is_complete() && self.is_over())
            .then_some(false)
    }

    /// Whether encrypted records from both sides prove the end of the handshake, whatever version
    /// it was: in TLS 1.3 a ChangeCipherSpec means nothing, and an alert may be all that follows.
    /// Early data is sent before the server's first record, so that a capture of application data
    /// on both sides, without either hello, is past it.
    fn is_finished_in_any_version(&self) -> bool {
        let (client, server) = (&self.client, &self.server);
        let has_hello = client.has_hello() || server.has_hello();
        if client.long_record && server.application_records > 0 && self.is_late() && !has_hello {
            return true;
        }
        let offers_13 = client
            .client_hello
            .as_ref()
            .is_none_or(|hello| hello.offer.max_version().is_none_or(|max| max == Version::Tls13));
        let is_older = client.saw_sealed_handshake || server.saw_sealed_handshake;
        is_older || !offers_13 || client.has_sent_behind(server)
    }

    /// Whether the connection, or at least its handshake, came to an end.
    fn is_over(&self) -> bool {
        let was_aborted = |side: &SideFacts| side.alerts.iter().any(|alert| alert.level == 2);
        // A Finished is longer than an alert, so a first record of that length is one.
        let is_refused = self.negotiated() == Some(Version::Tls13) && self.client.alert_record;
        self.end.is_some() || was_aborted(self.client) || was_aborted(self.server) || is_refused
    }

    /// Whether the connection came to its end after a HelloRetryRequest, and nothing that the
    /// server said is missing.
    fn is_over_after_retry(&self) -> bool {
        let server = &self.server;
        server.hello_retried && server.server_hello.is_none() && !server.has_holes && self.is_over()
    }

    fn end_by_server(&self) -> Option<Ending> {
        self.end.filter(|(by, _)| *by == Side::Server).map(|(_, ending)| ending)
    }

    /// How the server refused the hello instead of answering it.
    fn refusal(&self) -> Option<Refusal> {
        let (client, server) = (&self.client, &self.server);
        if server.server_hello.is_some() {
            return None;
        }
        // Without the hello, only a stream that is known from its beginning has no answer before.
        let is_first_word = server.is_anchored || client.client_hello.is_some();
        let alert = server.alerts.iter().find(|alert| alert.level == 2);
        if let Some(alert) = alert {
            let kind = RefusalKind::Alert(alert.description);
            let is_answer = is_first_word && !alert.is_behind_hole;
            return is_answer.then_some(Refusal { kind, at: alert.at });
        }
        let asked = client.client_hello.as_ref()?;
        let end = self.end_by_server()?;
        // An alert behind the server's end is only the client's word on it.
        let gave_up = client.alerts.iter().any(|alert| {
            let has_received_end = alert.ack.is_some_and(|ack| ack.since(end.seq) > 0);
            alert.at.frame < end.at.frame && !has_received_end
        });
        if gave_up || !server.is_anchored || server.has_holes || !server.leaves_unanswered(client) {
            return None;
        }
        let again = client.asked_again.filter(|_| server.hello_retried);
        let (seq, asked_at) = match again {
            Some((seq, at)) => (Some(seq), at),
            None => (client.tls_seq, asked.at),
        };
        let is_later = end.at.frame >= asked_at.frame;
        let has_hello = seq.is_some_and(|seq| end.answers(seq));
        let (kind, is_answer) = match end.kind {
            EndKind::Reset => (RefusalKind::Reset, has_hello || is_later),
            EndKind::Fin => (RefusalKind::Close, has_hello || is_later && end.ack.is_none()),
        };
        is_answer.then_some(Refusal { kind, at: end.at })
    }

    /// What of the deciding bytes is missing: of the ClientHello, and of the answer to it.
    fn coverage(&self, refusal: Option<Refusal>) -> Coverage {
        let (client, server) = (&self.client, &self.server);
        let client_hello = client.client_hello.as_ref().map(|hello| hello.offer.extent);
        let server_hello = server.server_hello.as_ref().map(|hello| hello.extent);
        let mut missing = self.missing;
        if client_hello != Some(HelloExtent::Whole) && !self.is_client_silent() {
            let loss = Loss {
                side: client,
                captured: self.client_captured,
                nothing: Coverage::CLIENT_SIDE_MISSING,
                known: self.missing,
                // An answer proves the hello.
                was_sent: server_hello.is_some(),
                saw_beginning: self.saw_syn,
                is_late: self.is_late(),
            };
            missing = missing.with(loss.name());
        }
        if refusal.is_none()
            && server_hello != Some(HelloExtent::Whole)
            && !self.is_over_after_retry()
            && !server.answers_in_clear(client)
        {
            let loss = Loss {
                side: server,
                captured: self.server_captured,
                nothing: Coverage::SERVER_SIDE_MISSING,
                known: self.missing,
                was_sent: false,
                saw_beginning: self.saw_syn || client_hello.is_some(),
                is_late: self.is_late(),
            };
            missing = missing.with(loss.name());
        }
        missing
    }

    /// Whether the client was captured from its SYN to its end and sent nothing of TLS between the
    /// two, as health checks and port scans do, also after a STARTTLS: there is no ClientHello to be
    /// missed.
    fn is_client_silent(&self) -> bool {
        let client = &self.client;
        client.is_anchored
            && !client.has_hello()
            && !client.saw_records
            && !client.is_cut_at_start
            && !client.has_holes
            && self.client_captured == Captured::All
            && self.is_client_over
            && self.server.server_hello.is_none()
    }

    /// Whether nothing is there of the connection's beginning.
    fn is_late(&self) -> bool {
        let (client, server) = (&self.client, &self.server);
        let is_late = |side: &SideFacts| side.is_midstream || !side.saw_payload;
        !self.saw_syn && is_late(client) && is_late(server)
    }

    fn alerts(&self) -> SmallVec<[Alert; 1]> {
        let alerts = |side: &SideFacts, from| {
            let alerts = side.alerts.iter();
            let with_sender = move |alert: &super::side::PlainAlert| Alert {
                from,
                level: alert.level,
                description: alert.description,
                at: alert.at,
            };
            alerts.map(with_sender).collect::<SmallVec<[Alert; 4]>>()
        };
        let mut all: SmallVec<[Alert; 1]> = SmallVec::new();
        all.extend(alerts(self.client, Side::Client));
        all.extend(alerts(self.server, Side::Server));
        all.sort_by_key(|alert| alert.at);
        all
    }

    fn messages(&self) -> Messages {
        let mut all: SmallVec<[MessageMark; 8]> = SmallVec::new();
        for (side, from) in [(&self.client, Side::Client), (&self.server, Side::Server)] {
            all.extend(side.messages.iter().map(|message| MessageMark {
                at: message.at,
                frame_len: message.frame_len,
                from,
                kind: message.kind,
            }));
        }
        all.sort_by_key(|message| message.at.frame);
        all.into_iter().collect()
    }
}

/// A direction whose hello is missing or cut, and what tells why.
struct Loss<'a> {
    side: &'a SideFacts,
    captured: Captured,
    /// The name of a direction of which nothing was captured, or that said nothing.
    nothing: Coverage,
    /// What is known to be missing anyway.
    known: Coverage,
    /// The hello was sent for certain.
    was_sent: bool,
    /// The capture runs since before the hello.
    saw_beginning: bool,
    /// The capture runs since after both hellos.
    is_late: bool,
}

impl Loss<'_> {
    fn name(&self) -> Coverage {
        let side = self.side;
        let is_lost = self.was_sent || self.captured == Captured::Less;
        if self.captured == Captured::Nothing {
            return self.nothing;
        }
        if side.is_cut_at_start && !side.saw_payload {
            return Coverage::TRUNCATED;
        }
        if !side.saw_payload && !side.cut_before_hello {
            return match is_lost || side.gap_before_hello {
                _ if self.is_late => Coverage::MIDSTREAM,
                true => Coverage::GAP,
                false => self.nothing,
            };
        }
        let missing = Coverage::COMPLETE
            .with(if side.gap_before_hello { Coverage::GAP } else { Coverage::COMPLETE })
            .with(if side.cut_before_hello { Coverage::TRUNCATED } else { Coverage::COMPLETE });
        match missing {
            Coverage::COMPLETE if side.is_midstream && self.saw_beginning => Coverage::GAP,
            Coverage::COMPLETE if side.is_midstream => Coverage::MIDSTREAM,
            // Something else than TLS was said: there is no hello to be missed.
            Coverage::COMPLETE if side.is_plain => missing,
            Coverage::COMPLETE if !self.known.is_complete() => missing,
            // The last packets that were captured hold a part of it, or not even that.
            Coverage::COMPLETE if is_lost => Coverage::GAP,
            Coverage::COMPLETE if side.saw_records && !side.is_alerts_only() => Coverage::GAP,
            Coverage::COMPLETE => self.nothing,
            _ => missing,
        }
    }
}

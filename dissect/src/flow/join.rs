//! Joins what two directions said into the facts of one connection.

use smallvec::SmallVec;

use super::side::SideFacts;
use crate::tls::ServerHelloParts;
use crate::upgrade::join as join_upgrades;
use crate::{
    Alert, Coverage, End, EndKind, Endpoint, FlowFacts, HelloExtent, Mark, MessageMark, Protocol,
    PseudoTls, Refusal, RefusalKind, RoleFrom, Side, Transport, Upgrade, Version,
};

/// Both directions of a connection, told apart by who sent what, and its TCP frame.
pub(crate) struct Halves {
    pub(crate) sides: [SideFacts; 2],
    /// Who sends in each of the two.
    pub(crate) senders: [Endpoint; 2],
    /// Which of the two sent the SYN.
    pub(crate) dialled: Option<usize>,
    /// Which of the two ended the connection, how and when.
    pub(crate) end: Option<(usize, EndKind, Mark)>,
    /// What the reader of the frames could not keep.
    pub(crate) missing: Coverage,
}

/// The client's half and the server's half.
struct Roles {
    client: SideFacts,
    server: SideFacts,
    end: Option<End>,
    missing: Coverage,
}

impl Halves {
    /// The facts of the connection; `None` when it showed no TLS. First and last frame are the
    /// caller's to fill in.
    pub(crate) fn join(self) -> Option<FlowFacts> {
        let is_tls = |side: &SideFacts| {
            side.has_hello() || side.saw_records || side.alerts.iter().any(|alert| alert.level == 2)
        };
        if !self.sides.iter().any(is_tls) {
            return None;
        }
        let (client_at, role_from) = self.find_client();
        let side_of = |at: usize| if at == client_at { Side::Client } else { Side::Server };
        let dialled_by = self.dialled.map(side_of);
        let end = self.end.map(|(at, kind, mark)| End { by: side_of(at), kind, at: mark });
        let [a, b] = self.sides;
        let [a_end, b_end] = self.senders;
        let (client, server, client_end, server_end) =
            if client_at == 0 { (a, b, a_end, b_end) } else { (b, a, b_end, a_end) };
        let roles = Roles { client, server, end, missing: self.missing };
        let resumed = roles.resumed();
        let established = roles.established();
        let refusal = roles.refusal();
        let coverage = roles.coverage(refusal);
        let protocol = roles.protocol();
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
            client_hello: client.client_hello,
            server_hello: server.server_hello,
            hello_retried: server.hello_retried,
            certificate: server.certificate,
            certificate_requested: server.certificate_requested,
            alerts,
            refusal,
            end,
            resumed,
            established,
            coverage,
            messages,
        })
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
                None => {
                    let [a, b] = self.senders;
                    (usize::from(a.port < b.port), RoleFrom::Ports)
                }
            },
        }
    }
}

impl Roles {
    fn negotiated(&self) -> Option<Version> {
        self.server.server_hello.as_ref()?.version()
    }

    fn protocol(&self) -> Protocol {
        let (client, server) = (&self.client, &self.server);
        let pseudo = client.pseudo.or(server.pseudo);
        let is_sslv2_shaped = client.client_hello.as_ref().is_some_and(|hello| {
            hello.record_version == 0x0002 && hello.offer.legacy_version != 0x0002
        });
        match pseudo {
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

    /// Whether a session was resumed: the server echoes the session id that the client named and
    /// sends no certificate (RFC 5246 §7.3, RFC 5077 §3.4), or accepts a pre-shared key.
    fn resumed(&self) -> Option<bool> {
        let hello = self.server.server_hello.as_ref()?;
        match hello.version()? {
            Version::Tls13 | Version::Dtls13 => {
                (hello.extent == HelloExtent::Whole).then(|| ServerHelloParts::accepts_psk(hello))
            }
            _ if self.server.saw_certificate || self.server.saw_key_exchange => Some(false),
            _ => {
                let asked = self.client.client_hello.as_ref()?;
                if asked.offer.extent < HelloExtent::Suites || self.server.has_holes {
                    return None;
                }
                let is_echoed =
                    hello.session_id_len > 0 && self.server.session_id == self.client.session_id;
                if is_echoed {
                    return self.server.changed_cipher.then_some(true);
                }
                // A ticket may be accepted without an echo; then ChangeCipherSpec follows at once.
                self.server.changed_cipher.then_some(asked.offers_ticket)
            }
        }
    }

    fn established(&self) -> Option<bool> {
        let (client, server) = (&self.client, &self.server);
        let encrypts = |side: &SideFacts| side.changed_cipher || side.application_records > 0;
        let proven = match self.negotiated() {
            Some(Version::Tls13 | Version::Dtls13) => client.long_record.is_some_and(|record| {
                let answer = server.server_hello.as_ref().map(|hello| hello.at.frame);
                !client.offers_early_data || Some(record.frame) > answer
            }),
            _ => encrypts(client) && encrypts(server) && server.saw_payload,
        };
        if proven {
            return Some(true);
        }
        let is_one_sided =
            !client.saw_payload || (!server.saw_payload && self.end_by_server().is_none());
        let is_uncertain =
            is_one_sided || client.has_holes || server.has_holes || !self.missing.is_complete();
        if is_uncertain {
            return None;
        }
        let was_aborted = |side: &SideFacts| side.alerts.iter().any(|alert| alert.level == 2);
        let is_over = self.end.is_some() || was_aborted(client) || was_aborted(server);
        is_over.then_some(false)
    }

    fn end_by_server(&self) -> Option<End> {
        self.end.filter(|end| end.by == Side::Server)
    }

    fn refusal(&self) -> Option<Refusal> {
        if self.server.server_hello.is_some() {
            return None;
        }
        let alert = self.server.alerts.iter().find(|alert| alert.level == 2);
        if let Some(alert) = alert {
            return Some(Refusal { kind: RefusalKind::Alert(alert.description), at: alert.at });
        }
        let asked = self.client.client_hello.as_ref()?;
        if self.server.has_holes || self.server.saw_records {
            return None;
        }
        let end = self.end_by_server().filter(|end| end.at.frame >= asked.at.frame)?;
        let kind = match end.kind {
            EndKind::Reset => RefusalKind::Reset,
            EndKind::Fin => RefusalKind::Close,
        };
        Some(Refusal { kind, at: end.at })
    }

    /// What of the deciding bytes is missing: of the ClientHello, and of the answer to it.
    fn coverage(&self, refusal: Option<Refusal>) -> Coverage {
        let (client, server) = (&self.client, &self.server);
        let client_hello = client.client_hello.as_ref().map(|hello| hello.offer.extent);
        let server_hello = server.server_hello.as_ref().map(|hello| hello.extent);
        let has_answer = server_hello.is_some() || refusal.is_some();
        let mut missing = self.missing;
        if client_hello.is_none() && !client.saw_payload {
            missing = missing.with(Coverage::CLIENT_SIDE_MISSING);
        } else if client_hello != Some(HelloExtent::Whole) {
            missing = missing.with(loss(client));
        }
        if !has_answer && !server.saw_payload {
            missing = missing.with(Coverage::SERVER_SIDE_MISSING);
        } else if !has_answer || server_hello.is_some_and(|extent| extent < HelloExtent::Whole) {
            missing = missing.with(loss(server));
        }
        missing
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
        all.extend(alerts(&self.client, Side::Client));
        all.extend(alerts(&self.server, Side::Server));
        all.sort_by_key(|alert| alert.at);
        all
    }

    fn messages(&self) -> SmallVec<[MessageMark; 6]> {
        let mut all: SmallVec<[MessageMark; 6]> = SmallVec::new();
        for (side, from) in [(&self.client, Side::Client), (&self.server, Side::Server)] {
            all.extend(side.messages.iter().map(|message| MessageMark {
                at: message.at,
                frame_len: message.frame_len,
                from,
                kind: message.kind,
            }));
        }
        all.sort_by_key(|message| message.at.frame);
        all
    }
}

/// Why a direction's hello is missing or cut, when something of the direction was captured.
fn loss(side: &SideFacts) -> Coverage {
    let mut missing = Coverage::COMPLETE;
    if side.gap_before_hello {
        missing = missing.with(Coverage::GAP);
    }
    if side.cut_before_hello {
        missing = missing.with(Coverage::TRUNCATED);
    }
    if missing.is_complete() && side.is_midstream {
        missing = Coverage::MIDSTREAM;
    }
    missing
}

//! Facts as they are saved: row types of our own, so that the facts stay free of any file format.
//!
//! What shares few values is a number by a table of [`super::codes`]. Times and frame numbers are
//! counted from the connection's first frame, which makes them short. Invariant: a row of a fact
//! turns into that fact again, bit by bit.

use std::net::IpAddr;
use std::sync::Arc;

use dissect::{
    Alert, CertificateNames, ClientHello, Coverage, End, Endpoint, Faults, FlowFacts, Mark,
    MessageKind, MessageMark, Offer, Quality, Refusal, RefusalKind, ServerHello, SideQuality,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use super::codes::{
    END_KINDS, EXTENTS, FORMATS, PROTOCOLS, ROLES, SIDES, TRANSPORTS, UPGRADES, code, coded,
};

/// Why a row is no fact.
pub(super) type Malformed = &'static str;

#[derive(Serialize, Deserialize)]
pub(super) struct OfferRow {
    format: u8,
    legacy_version: u16,
    supported_versions: Option<Vec<u16>>,
    cipher_suites: Vec<u16>,
    sslv2_ciphers: Vec<u32>,
    compression_methods: Vec<u8>,
    extensions: Option<Vec<u16>>,
    groups: Option<Vec<u16>>,
    key_share_groups: Vec<u16>,
    signature_algorithms: Option<Vec<u16>>,
    ec_point_formats: Option<Vec<u8>>,
    alpn: Vec<Box<[u8]>>,
    extent: u8,
    ja3: Option<[u8; 16]>,
    ja4: Option<Box<str>>,
}

impl OfferRow {
    pub(super) fn of(offer: &Offer) -> Self {
        Self {
            format: code(&FORMATS, offer.format),
            legacy_version: offer.legacy_version,
            supported_versions: offer.supported_versions.clone(),
            cipher_suites: offer.cipher_suites.clone(),
            sslv2_ciphers: offer.sslv2_ciphers.clone(),
            compression_methods: offer.compression_methods.clone(),
            extensions: offer.extensions.clone(),
            groups: offer.groups.clone(),
            key_share_groups: offer.key_share_groups.clone(),
            signature_algorithms: offer.signature_algorithms.clone(),
            ec_point_formats: offer.ec_point_formats.clone(),
            alpn: offer.alpn.clone(),
            extent: code(&EXTENTS, offer.extent),
            ja3: offer.ja3,
            ja4: offer.ja4.clone(),
        }
    }

    pub(super) fn into_offer(self) -> Result<Offer, Malformed> {
        Ok(Offer {
            format: coded(&FORMATS, self.format)?,
            legacy_version: self.legacy_version,
            supported_versions: self.supported_versions,
            cipher_suites: self.cipher_suites,
            sslv2_ciphers: self.sslv2_ciphers,
            compression_methods: self.compression_methods,
            extensions: self.extensions,
            groups: self.groups,
            key_share_groups: self.key_share_groups,
            signature_algorithms: self.signature_algorithms,
            ec_point_formats: self.ec_point_formats,
            alpn: self.alpn,
            extent: coded(&EXTENTS, self.extent)?,
            ja3: self.ja3,
            ja4: self.ja4,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct CertificateRow {
    alternative_names: Vec<Box<str>>,
    common_name: Option<Box<str>>,
    issuer: Option<Box<str>>,
}

impl CertificateRow {
    pub(super) fn of(names: &CertificateNames) -> Self {
        Self {
            alternative_names: names.alternative_names.clone(),
            common_name: names.common_name.clone(),
            issuer: names.issuer.clone(),
        }
    }

    pub(super) fn into_names(self) -> CertificateNames {
        CertificateNames {
            alternative_names: self.alternative_names,
            common_name: self.common_name,
            issuer: self.issuer,
        }
    }
}

/// A frame's number and time, counted from the connection's first frame.
#[derive(Serialize, Deserialize, Clone, Copy)]
pub(super) struct MarkRow {
    frames: i64,
    ns: i64,
}

impl MarkRow {
    /// Wraps around at the ends of the integers, as does its inverse.
    pub(super) const fn of(mark: Mark, base: Mark) -> Self {
        Self {
            frames: mark.frame.wrapping_sub(base.frame).cast_signed(),
            ns: mark.time.as_nanos().wrapping_sub(base.time.as_nanos()),
        }
    }

    pub(super) const fn into_mark(self, base: Mark) -> Mark {
        Mark {
            frame: base.frame.wrapping_add(self.frames.cast_unsigned()),
            time: Timestamp::from_nanos(base.time.as_nanos().wrapping_add(self.ns)),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct HelloRow {
    offer: u32,
    record_version: u16,
    random: [u8; 32],
    session_id_len: u8,
    offers_ticket: bool,
    server_name: Option<Arc<str>>,
    at: MarkRow,
}

impl HelloRow {
    fn of(hello: &ClientHello, offer: u32, base: Mark) -> Self {
        Self {
            offer,
            record_version: hello.record_version,
            random: hello.random,
            session_id_len: hello.session_id_len,
            offers_ticket: hello.offers_ticket,
            server_name: hello.server_name.clone(),
            at: MarkRow::of(hello.at, base),
        }
    }

    fn into_hello(self, offer: Arc<Offer>, base: Mark) -> ClientHello {
        ClientHello {
            offer,
            record_version: self.record_version,
            random: self.random,
            session_id_len: self.session_id_len,
            offers_ticket: self.offers_ticket,
            server_name: self.server_name,
            at: self.at.into_mark(base),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct AnswerRow {
    record_version: u16,
    legacy_version: u16,
    selected_version: Option<u16>,
    random: [u8; 32],
    session_id_len: u8,
    cipher_suite: Option<u16>,
    group: Option<u16>,
    alpn: Option<Box<[u8]>>,
    extensions: Vec<u16>,
    extent: u8,
    at: MarkRow,
}

impl AnswerRow {
    fn of(answer: &ServerHello, base: Mark) -> Self {
        Self {
            record_version: answer.record_version,
            legacy_version: answer.legacy_version,
            selected_version: answer.selected_version,
            random: answer.random,
            session_id_len: answer.session_id_len,
            cipher_suite: answer.cipher_suite,
            group: answer.group,
            alpn: answer.alpn.clone(),
            extensions: answer.extensions.to_vec(),
            extent: code(&EXTENTS, answer.extent),
            at: MarkRow::of(answer.at, base),
        }
    }

    fn into_answer(self, base: Mark) -> Result<ServerHello, Malformed> {
        Ok(ServerHello {
            record_version: self.record_version,
            legacy_version: self.legacy_version,
            selected_version: self.selected_version,
            random: self.random,
            session_id_len: self.session_id_len,
            cipher_suite: self.cipher_suite,
            group: self.group,
            alpn: self.alpn,
            extensions: self.extensions.into(),
            extent: coded(&EXTENTS, self.extent)?,
            at: self.at.into_mark(base),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct AlertRow {
    from: u8,
    level: u8,
    description: u8,
    at: MarkRow,
}

impl AlertRow {
    fn of(alert: &Alert, base: Mark) -> Self {
        Self {
            from: code(&SIDES, alert.from),
            level: alert.level,
            description: alert.description,
            at: MarkRow::of(alert.at, base),
        }
    }

    fn into_alert(self, base: Mark) -> Result<Alert, Malformed> {
        Ok(Alert {
            from: coded(&SIDES, self.from)?,
            level: self.level,
            description: self.description,
            at: self.at.into_mark(base),
        })
    }
}

#[derive(Serialize, Deserialize)]
enum RefusalRow {
    Alert(u8, MarkRow),
    Reset(MarkRow),
    Close(MarkRow),
}

impl RefusalRow {
    const fn of(refusal: Refusal, base: Mark) -> Self {
        let at = MarkRow::of(refusal.at, base);
        match refusal.kind {
            RefusalKind::Alert(description) => Self::Alert(description, at),
            RefusalKind::Reset => Self::Reset(at),
            RefusalKind::Close => Self::Close(at),
        }
    }

    const fn into_refusal(self, base: Mark) -> Refusal {
        let (kind, at) = match self {
            Self::Alert(description, at) => (RefusalKind::Alert(description), at),
            Self::Reset(at) => (RefusalKind::Reset, at),
            Self::Close(at) => (RefusalKind::Close, at),
        };
        Refusal { kind, at: at.into_mark(base) }
    }
}

#[derive(Serialize, Deserialize)]
enum KindRow {
    ClientHello,
    ServerHello,
    HelloRetryRequest,
    Handshake(u8),
    Alert(u8, u8),
}

#[derive(Serialize, Deserialize)]
struct MessageRow {
    at: MarkRow,
    frame_len: u32,
    from: u8,
    kind: KindRow,
}

impl MessageRow {
    fn of(message: &MessageMark, base: Mark) -> Self {
        Self {
            at: MarkRow::of(message.at, base),
            frame_len: message.frame_len,
            from: code(&SIDES, message.from),
            kind: match message.kind {
                MessageKind::ClientHello => KindRow::ClientHello,
                MessageKind::ServerHello => KindRow::ServerHello,
                MessageKind::HelloRetryRequest => KindRow::HelloRetryRequest,
                MessageKind::Handshake(number) => KindRow::Handshake(number),
                MessageKind::Alert { level, description } => KindRow::Alert(level, description),
            },
        }
    }

    fn into_message(self, base: Mark) -> Result<MessageMark, Malformed> {
        Ok(MessageMark {
            at: self.at.into_mark(base),
            frame_len: self.frame_len,
            from: coded(&SIDES, self.from)?,
            kind: match self.kind {
                KindRow::ClientHello => MessageKind::ClientHello,
                KindRow::ServerHello => MessageKind::ServerHello,
                KindRow::HelloRetryRequest => MessageKind::HelloRetryRequest,
                KindRow::Handshake(number) => MessageKind::Handshake(number),
                KindRow::Alert(level, description) => MessageKind::Alert { level, description },
            },
        })
    }
}

/// A connection; sensor, offer and certificate by their numbers.
#[derive(Serialize, Deserialize)]
pub(crate) struct FactsRow {
    pub(super) sensor: u32,
    pub(super) dns_name: Option<Box<str>>,
    first_frame: u64,
    first_ns: i64,
    last: MarkRow,
    transport: u8,
    client: (IpAddr, u16),
    server: (IpAddr, u16),
    role_from: u8,
    dialled_by: Option<u8>,
    protocol: u8,
    upgrade: u8,
    upgrade_name: Option<Box<str>>,
    proxied_client: Option<(IpAddr, u16)>,
    client_hello: Option<HelloRow>,
    server_hello: Option<AnswerRow>,
    hello_retried: bool,
    certificate: Option<u32>,
    certificate_requested: bool,
    alerts: Vec<AlertRow>,
    refusal: Option<RefusalRow>,
    end: Option<(u8, u8, MarkRow)>,
    resumed: Option<bool>,
    established: Option<bool>,
    coverage: u8,
    quality: [QualityRow; 2],
    messages: Vec<MessageRow>,
}

/// Frames, copies, milliseconds late, and faults as bits.
type QualityRow = (u32, u32, u32, u8);

impl FactsRow {
    pub(crate) fn of(
        facts: &FlowFacts,
        sensor: u32,
        dns_name: Option<&str>,
        offer: Option<u32>,
        certificate: Option<u32>,
    ) -> Self {
        let base = facts.first;
        let hello = facts.client_hello.as_ref().zip(offer);
        let end = |end: &End| {
            (code(&SIDES, end.by), code(&END_KINDS, end.kind), MarkRow::of(end.at, base))
        };
        Self {
            sensor,
            dns_name: dns_name.map(Into::into),
            first_frame: base.frame,
            first_ns: base.time.as_nanos(),
            last: MarkRow::of(facts.last, base),
            transport: code(&TRANSPORTS, facts.transport),
            client: (facts.client.addr, facts.client.port),
            server: (facts.server.addr, facts.server.port),
            role_from: code(&ROLES, facts.role_from),
            dialled_by: facts.dialled_by.map(|side| code(&SIDES, side)),
            protocol: code(&PROTOCOLS, facts.protocol),
            upgrade: code(&UPGRADES, facts.upgrade),
            upgrade_name: facts.upgrade_name.clone(),
            proxied_client: facts.proxied_client.map(|end| (end.addr, end.port)),
            client_hello: hello.map(|(hello, offer)| HelloRow::of(hello, offer, base)),
            server_hello: facts.server_hello.as_ref().map(|answer| AnswerRow::of(answer, base)),
            hello_retried: facts.hello_retried,
            certificate,
            certificate_requested: facts.certificate_requested,
            alerts: facts.alerts.iter().map(|alert| AlertRow::of(alert, base)).collect(),
            refusal: facts.refusal.map(|refusal| RefusalRow::of(refusal, base)),
            end: facts.end.as_ref().map(end),
            resumed: facts.resumed,
            established: facts.established,
            coverage: facts.coverage.bits(),
            quality: [facts.quality.client, facts.quality.server].map(quality_row),
            messages: facts.messages.iter().map(|it| MessageRow::of(&it, base)).collect(),
        }
    }

    /// The number of its offer.
    pub(crate) fn offer(&self) -> Option<u32> {
        self.client_hello.as_ref().map(|hello| hello.offer)
    }

    /// The number of its certificate.
    pub(crate) const fn certificate(&self) -> Option<u32> {
        self.certificate
    }

    pub(crate) fn into_facts(
        self,
        offer: Option<Arc<Offer>>,
        certificate: Option<Arc<CertificateNames>>,
    ) -> Result<FlowFacts, &'static str> {
        let [client, server] = self.quality;
        let base = Mark { frame: self.first_frame, time: Timestamp::from_nanos(self.first_ns) };
        let endpoint = |(addr, port)| Endpoint { addr, port };
        let end = |(by, kind, at): (u8, u8, MarkRow)| {
            let (by, kind) = (coded(&SIDES, by)?, coded(&END_KINDS, kind)?);
            Ok::<_, Malformed>(End { by, kind, at: at.into_mark(base) })
        };
        Ok(FlowFacts {
            first: base,
            last: self.last.into_mark(base),
            transport: coded(&TRANSPORTS, self.transport)?,
            client: endpoint(self.client),
            server: endpoint(self.server),
            role_from: coded(&ROLES, self.role_from)?,
            dialled_by: self.dialled_by.map(|side| coded(&SIDES, side)).transpose()?,
            protocol: coded(&PROTOCOLS, self.protocol)?,
            upgrade: coded(&UPGRADES, self.upgrade)?,
            upgrade_name: self.upgrade_name,
            proxied_client: self.proxied_client.map(endpoint),
            client_hello: self
                .client_hello
                .zip(offer)
                .map(|(hello, offer)| hello.into_hello(offer, base)),
            server_hello: self.server_hello.map(|row| row.into_answer(base)).transpose()?,
            hello_retried: self.hello_retried,
            certificate,
            certificate_requested: self.certificate_requested,
            alerts: self
                .alerts
                .into_iter()
                .map(|row| row.into_alert(base))
                .collect::<Result<_, _>>()?,
            refusal: self.refusal.map(|row| row.into_refusal(base)),
            end: self.end.map(end).transpose()?,
            resumed: self.resumed,
            established: self.established,
            coverage: Coverage::from_bits(self.coverage),
            quality: Quality { client: quality(client), server: quality(server) },
            messages: self
                .messages
                .into_iter()
                .map(|row| row.into_message(base))
                .collect::<Result<_, _>>()?,
            half: None,
        })
    }
}

const fn quality_row(side: SideQuality) -> QualityRow {
    (side.frames, side.copies, side.late_ms, side.faults.bits())
}

const fn quality((frames, copies, late_ms, faults): QualityRow) -> SideQuality {
    SideQuality { frames, copies, late_ms, faults: Faults::from_bits(faults) }
}

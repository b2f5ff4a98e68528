//! What one direction of a connection said.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Context;
use crate::tcp::Seq;
use crate::tls::{ClientHelloParts, ReadHello, ServerHelloParts, Sslv2Hello, message, named_curve};
use crate::upgrade::PreludeFacts;
use crate::{
    CertificateNames, ClientHello, HelloExtent, HelloFormat, Mark, MessageKind, Offer, PseudoTls,
    ServerHello, Version,
};

/// Alerts of one direction that are kept: a handshake has one or two.
const ALERTS_MAX: usize = 8;
/// Messages of one direction that are kept.
const MESSAGES_MAX: usize = 16;

/// Facts of one direction, whichever side it is.
#[derive(Debug, Default)]
pub(crate) struct SideFacts {
    pub(crate) client_hello: Option<ClientHello>,
    pub(crate) server_hello: Option<ServerHello>,
    pub(crate) hello_retried: bool,
    /// Where the second ClientHello lies, and when it came.
    pub(crate) asked_again: Option<(Seq, Mark)>,
    pub(crate) certificate: Option<Arc<CertificateNames>>,
    pub(crate) saw_certificate: bool,
    /// ServerHelloDone, which ends the flight of a full handshake.
    pub(crate) saw_done: bool,
    pub(crate) certificate_requested: bool,
    pub(crate) alerts: SmallVec<[PlainAlert; 1]>,
    pub(crate) changed_cipher: bool,
    pub(crate) application_records: u32,
    /// Encrypted handshake records behind the ChangeCipherSpec, which TLS 1.3 doesn't have.
    pub(crate) saw_sealed_handshake: bool,
    /// An encrypted record longer than an alert.
    pub(crate) long_record: bool,
    /// What the sender had received of the other direction before the last such record.
    pub(crate) long_record_ack: Option<Seq>,
    /// An encrypted record of an alert's length.
    pub(crate) alert_record: bool,
    /// Where TLS began in the stream.
    pub(crate) tls_seq: Option<Seq>,
    pub(crate) messages: SmallVec<[PlainMessage; 4]>,
    /// Payload was captured.
    pub(crate) saw_payload: bool,
    /// Records were read, with certainty.
    pub(crate) saw_records: bool,
    /// Packets are missing in front of the hello, or in it.
    pub(crate) gap_before_hello: bool,
    /// The snap length cut bytes in front of the hello, or in it.
    pub(crate) cut_before_hello: bool,
    /// Packets are missing, anywhere.
    pub(crate) lost_packets: bool,
    /// The snap length cut the stream's first bytes, and those before the cut tell nothing.
    pub(crate) is_cut_at_start: bool,
    /// Bytes are missing behind the hello, or anywhere when there is none.
    pub(crate) has_holes: bool,
    /// The first captured bytes are not the stream's beginning.
    pub(crate) is_midstream: bool,
    /// Where the stream begins, or where its answer to the hello begins, is known.
    pub(crate) is_anchored: bool,
    /// The direction carries no TLS for certain.
    pub(crate) is_plain: bool,
    /// Bytes that are no TLS followed the hello directly.
    pub(crate) left_tls: bool,
    /// What the sender of the last bytes in the clear had received of the other direction.
    pub(crate) plain_ack: Option<Seq>,
    /// What came before TLS in this direction.
    pub(crate) prelude: PreludeFacts,
    /// What the hello imitates.
    pub(crate) pseudo: Option<PseudoTls>,
}

/// An alert, its sender being this direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainAlert {
    pub(crate) level: u8,
    pub(crate) description: u8,
    pub(crate) at: Mark,
    /// What its sender had received of the other direction.
    pub(crate) ack: Option<Seq>,
    /// Bytes are missing before it, a hello perhaps.
    pub(crate) is_behind_hole: bool,
}

/// A message, its sender being this direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlainMessage {
    pub(crate) at: Mark,
    pub(crate) frame_len: u32,
    pub(crate) kind: MessageKind,
}

/// `TLS_DH_anon_WITH_RC4_128_MD5`, all that the media relay of [MS-TURN] offers.
pub(super) const MS_TURN_SUITE: u16 = 0x0018;
/// `early_data` (RFC 8446 §4.2.10).
const EARLY_DATA: u16 = 42;
/// The challenge of the constant hello of Google's `ssltcp` (WebRTC, libnice).
const GOOGLE_CHALLENGE: [u8; 16] = [
    0x1f, 0x17, 0x0c, 0xa6, 0x2f, 0x00, 0x78, 0xfc, 0x46, 0x55, 0x2e, 0xb1, 0x83, 0x39, 0xf1, 0xea,
];
/// The start of the constant random of Google's `ssltcp` answer.
const GOOGLE_RANDOM: [u8; 4] = [0x42, 0x85, 0x45, 0xa7];

impl SideFacts {
    /// Whether a hello was seen, of either kind.
    pub(crate) fn has_hello(&self) -> bool {
        self.client_hello.is_some() || self.server_hello.is_some()
    }

    /// Where a hello was complete.
    pub(crate) fn hello_at(&self) -> Option<Mark> {
        let client = self.client_hello.as_ref().map(|hello| hello.at);
        client.or_else(|| self.server_hello.as_ref().map(|hello| hello.at))
    }

    /// Whether an encrypted record longer than an alert came after this answer: any, but for early
    /// data, which doesn't wait for the answer and therefore acknowledges nothing of it.
    pub(crate) fn has_sent_behind(&self, answer: &Self) -> bool {
        let has_received = |ack: Seq| answer.tls_seq.is_some_and(|seq| ack.since(seq) > 0);
        self.long_record
            && (!self.may_send_early() || self.long_record_ack.is_some_and(has_received))
    }

    /// Whether the client may send early data, which is encrypted before any ServerHello: it said
    /// so, or its word was not captured.
    pub(crate) fn may_send_early(&self) -> bool {
        self.client_hello.as_ref().is_none_or(|hello| {
            let offer = &hello.offer;
            let may_offer_13 = offer.max_version().is_none_or(|max| max == Version::Tls13);
            may_offer_13 && (offer.extent < HelloExtent::Whole || offer.has_extension(EARLY_DATA))
        })
    }

    /// Whether nothing but alerts was said, if anything.
    pub(crate) fn is_alerts_only(&self) -> bool {
        !self.has_hello()
            && !self.changed_cipher
            && self.application_records == 0
            && self.messages.iter().all(|seen| matches!(seen.kind, MessageKind::Alert { .. }))
    }

    /// Whether words in the clear were all that answered the hello of this direction's peer.
    pub(crate) fn answers_in_clear(&self, peer: &Self) -> bool {
        let has_received = |(ack, seq): (Seq, Seq)| ack.since(seq) > 0;
        !self.saw_records
            && !self.has_holes
            && !self.is_midstream
            && self.plain_ack.zip(peer.tls_seq).is_some_and(has_received)
    }

    /// Whether nothing was said that answers the last hello of this direction's peer: only alerts,
    /// and a HelloRetryRequest when the peer has asked again.
    pub(crate) fn leaves_unanswered(&self, peer: &Self) -> bool {
        let is_retry = self.hello_retried && peer.asked_again.is_some();
        self.is_alerts_only()
            || is_retry
                && !self.has_hello()
                && self.application_records == 0
                && self.messages.iter().all(|seen| {
                    matches!(seen.kind, MessageKind::Alert { .. } | MessageKind::HelloRetryRequest)
                })
    }

    /// Takes a handshake message in the clear.
    pub(crate) fn message(
        &mut self,
        kind: u8,
        body: &[u8],
        record_version: u16,
        context: &mut Context<'_>,
    ) {
        match kind {
            message::CLIENT_HELLO => {
                if let Some(hello) = context.interner.client_hello(body, context.transport) {
                    self.take_client_hello(hello, record_version, context);
                }
                return;
            }
            message::SERVER_HELLO => {
                self.take_server_hello(body, true, record_version, context);
                return;
            }
            message::HELLO_RETRY_REQUEST => {
                self.hello_retried = true;
                self.note(MessageKind::HelloRetryRequest, context);
                return;
            }
            message::CERTIFICATE => {
                if !self.saw_certificate {
                    self.certificate = context.interner.certificate(body);
                }
                self.saw_certificate = true;
            }
            message::SERVER_KEY_EXCHANGE => {
                if let Some(hello) = &mut self.server_hello
                    && hello.group.is_none()
                    && hello.cipher_suite.is_some_and(is_ecdhe)
                {
                    hello.group = named_curve(body);
                }
            }
            message::SERVER_HELLO_DONE => self.saw_done = true,
            message::CERTIFICATE_REQUEST => self.certificate_requested = true,
            _ => {}
        }
        self.note(MessageKind::Handshake(kind), context);
    }

    /// Takes what there is of a handshake message of `len` bytes that will not be completed.
    pub(crate) fn partial(
        &mut self,
        kind: u8,
        len: usize,
        body: &[u8],
        record_version: u16,
        context: &mut Context<'_>,
    ) {
        match kind {
            message::CLIENT_HELLO if self.client_hello.is_none() => {
                if let Some(parts) = ClientHelloParts::read(body, false) {
                    if record_version == 0x0301 && may_be_ms_turn(&parts.offer, len) {
                        self.pseudo = Some(PseudoTls::MsTurn);
                    }
                    let hello = context.interner.share(parts, context.transport);
                    self.take_client_hello(hello, record_version, context);
                }
            }
            message::SERVER_HELLO if self.server_hello.is_none() => {
                self.take_server_hello(body, false, record_version, context);
            }
            // A certificate was sent; whose, the cut took.
            message::CERTIFICATE => self.saw_certificate = true,
            _ => {}
        }
        self.has_holes = true;
    }

    /// Takes a CLIENT-HELLO of the SSL 2.0 format.
    pub(crate) fn sslv2_hello(&mut self, hello: Sslv2Hello, context: &mut Context<'_>) {
        let is_cut = hello.parts.offer.extent < HelloExtent::Whole;
        let is_google = hello.parts.random.ends_with(&GOOGLE_CHALLENGE);
        if is_google || is_cut && may_be_google(&hello.parts.offer) {
            self.pseudo = Some(PseudoTls::Google);
        }
        let hello = context.interner.share(hello.parts, context.transport);
        self.take_client_hello(hello, 0x0002, context);
        self.has_holes |= is_cut;
    }

    /// Takes a SERVER-HELLO of SSL 2.0.
    pub(crate) fn sslv2_server_hello(&mut self, context: &Context<'_>) {
        self.server_hello = Some(ServerHello {
            record_version: 0x0002,
            legacy_version: 0x0002,
            selected_version: None,
            random: [0; 32],
            session_id_len: 0,
            cipher_suite: None,
            group: None,
            alpn: None,
            extensions: SmallVec::new(),
            extent: HelloExtent::Whole,
            at: context.at,
        });
        self.note(MessageKind::ServerHello, context);
    }

    /// Takes an alert in the clear.
    pub(crate) fn alert(&mut self, level: u8, description: u8, context: &Context<'_>) {
        if self.alerts.len() < ALERTS_MAX {
            let is_behind_hole = self.has_holes;
            let (at, ack) = (context.at, context.place.ack);
            self.alerts.push(PlainAlert { level, description, at, ack, is_behind_hole });
        }
        self.note(MessageKind::Alert { level, description }, context);
    }

    fn take_client_hello(&mut self, hello: ReadHello, record_version: u16, context: &Context<'_>) {
        self.note(MessageKind::ClientHello, context);
        if self.client_hello.is_some() {
            self.asked_again.get_or_insert((context.place.seq, context.at));
            return;
        }
        self.has_holes = false;
        if self.pseudo.is_none() && is_ms_turn(&hello.offer) {
            self.pseudo = Some(PseudoTls::MsTurn);
        }
        self.client_hello = Some(ClientHello {
            offer: hello.offer,
            record_version,
            random: hello.random,
            session_id_len: hello.session_id_len,
            offers_ticket: hello.offers_ticket,
            server_name: hello.server_name,
            at: context.at,
        });
    }

    fn take_server_hello(
        &mut self,
        body: &[u8],
        whole: bool,
        record_version: u16,
        context: &Context<'_>,
    ) {
        let parts = ServerHelloParts::read(body, whole, record_version, context.at);
        let Some(parts) = parts else { return };
        if parts.is_retry {
            self.hello_retried = true;
            self.note(MessageKind::HelloRetryRequest, context);
            return;
        }
        self.note(MessageKind::ServerHello, context);
        if self.server_hello.is_none() {
            if parts.hello.random.starts_with(&GOOGLE_RANDOM) {
                self.pseudo = Some(PseudoTls::Google);
            }
            self.has_holes = false;
            self.server_hello = Some(parts.hello);
        }
    }

    fn note(&mut self, kind: MessageKind, context: &Context<'_>) {
        if self.messages.len() < MESSAGES_MAX {
            let (at, frame_len) = (context.at, context.frame_len);
            self.messages.push(PlainMessage { at, frame_len, kind });
        }
    }

    /// Whether ServerHelloDone follows the ServerHello as the second message, which only the
    /// imitation of [MS-TURN] §2.1.1 does: its suite demands a ServerKeyExchange.
    pub(crate) fn is_relay_answer(&self) -> bool {
        const DONE: MessageKind = MessageKind::Handshake(message::SERVER_HELLO_DONE);
        self.server_hello.as_ref().is_some_and(|hello| hello.cipher_suite == Some(MS_TURN_SUITE))
            && self.messages.get(1).is_some_and(|second| second.kind == DONE)
    }
}

/// Whether a hello is the one of [MS-TURN] §2.1.1: one anonymous suite, no extensions block.
fn is_ms_turn(offer: &Offer) -> bool {
    offer.format == HelloFormat::Tls
        && offer.extent == HelloExtent::Whole
        && offer.cipher_suites == [MS_TURN_SUITE]
        && offer.extensions.is_none()
}

/// Whether what is there of a cut hello of `len` bytes is the beginning of the one of [MS-TURN]
/// §2.1.1. A hello of that length has room for one suite and no extensions block, whichever suite
/// the cut took.
fn may_be_ms_turn(offer: &Offer, len: usize) -> bool {
    const LEN: usize = 41;
    len == LEN
        && offer.format == HelloFormat::Tls
        && offer.legacy_version == 0x0301
        && matches!(offer.cipher_suites[..], [] | [MS_TURN_SUITE])
}

/// Whether what is there of a cut hello is the beginning of Google's constant one: its ciphers of
/// SSL 2.0, and the suites behind them as far as they go.
fn may_be_google(offer: &Offer) -> bool {
    const CIPHERS: [u32; 6] = [0x01_0080, 0x03_0080, 0x07_00c0, 0x06_0040, 0x02_0080, 0x04_0080];
    const SUITES: [u16; 9] = [0x04, 0xfeff, 0x0a, 0xfefe, 0x09, 0x64, 0x62, 0x03, 0x06];
    offer.legacy_version == 0x0301
        && offer.sslv2_ciphers == CIPHERS
        && SUITES.starts_with(&offer.cipher_suites)
        && offer.cipher_suites.contains(&SUITES[1])
}

/// Whether a suite of TLS 1.2 and below exchanges keys by ECDHE or anonymous ECDH, whose
/// ServerKeyExchange names a curve (RFC 8422, RFC 5289, RFC 7905 and others).
const fn is_ecdhe(suite: u16) -> bool {
    matches!(suite,
        0xc006..=0xc00a | 0xc010..=0xc019 | 0xc023 | 0xc024 | 0xc027 | 0xc028 | 0xc02b | 0xc02c
        | 0xc02f | 0xc030 | 0xc033..=0xc03b | 0xc048 | 0xc049 | 0xc04c | 0xc04d | 0xc05c | 0xc05d
        | 0xc060 | 0xc061 | 0xc070 | 0xc071 | 0xc072 | 0xc073 | 0xc076 | 0xc077 | 0xc086 | 0xc087
        | 0xc08a | 0xc08b | 0xc09a | 0xc09b | 0xc0ac..=0xc0af | 0xcc13 | 0xcc14 | 0xcca8 | 0xcca9
        | 0xccac | 0xd001..=0xd005)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_with_a_named_curve_are_told() {
        let check = |suite, expect| assert_eq!(is_ecdhe(suite), expect, "{suite:#06x}");
        check(0xc02f, true); // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        check(0xc014, true); // TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
        check(0xcca8, true); // TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        check(0x0039, false); // TLS_DHE_RSA_WITH_AES_256_CBC_SHA
        check(0xc01b, false); // TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA
        check(0xc031, false); // TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256
    }
}

//! Made-up connections for tests: a few with names, and any at all for property tests.

use std::net::IpAddr;
use std::sync::Arc;

use dissect::{
    Alert, CertificateNames, ClientHello, Coverage, End, EndKind, Endpoint, Faults, FlowFacts,
    Half, HelloExtent, HelloFormat, Mark, MessageKind, MessageMark, Offer, Protocol, PseudoTls,
    Quality, Refusal, RefusalKind, RoleFrom, ServerHello, Side, SideQuality, Timestamp, Transport,
    Upgrade,
};
use proptest::prelude::*;

use crate::{
    AccessPath, Cause, Direction, JudgedFlow, Judgement, NameSource, ServiceSource, Verdict,
};

/// 2018-10-31T00:00:00Z, in nanoseconds.
pub(crate) const START_NS: i64 = 1_540_944_000_000_000_000;

pub(crate) fn end(text: &str) -> Endpoint {
    let addr: std::net::SocketAddr = text.parse().expect("tests give an address and a port");
    Endpoint { addr: addr.ip(), port: addr.port() }
}

pub(crate) fn mark(frame: u64, after_ms: i64) -> Mark {
    Mark { frame, time: Timestamp::from_nanos(START_NS + after_ms * 1_000_000) }
}

/// An offer of TLS 1.0 as an old Windows makes it.
pub(crate) fn offer(legacy_version: u16) -> Offer {
    Offer {
        format: HelloFormat::Tls,
        legacy_version,
        supported_versions: None,
        cipher_suites: vec![0xc014, 0xc013, 0x0035, 0x002f],
        sslv2_ciphers: Vec::new(),
        compression_methods: vec![0],
        extensions: Some(vec![0, 10, 11]),
        groups: Some(vec![23, 24]),
        key_share_groups: Vec::new(),
        signature_algorithms: None,
        ec_point_formats: Some(vec![0]),
        alpn: Vec::new(),
        extent: HelloExtent::Whole,
        ja3: Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]),
        ja4: Some("t10d120500_d94e65cdb899_c35b4a14be45".into()),
    }
}

pub(crate) fn client_hello(offer: Offer, name: Option<&str>) -> ClientHello {
    ClientHello {
        offer: Arc::new(offer),
        record_version: 0x0301,
        random: [7; 32],
        session_id_len: 0,
        offers_ticket: false,
        server_name: name.map(Into::into),
        at: mark(4, 1),
    }
}

pub(crate) fn server_hello(legacy_version: u16, cipher_suite: u16) -> ServerHello {
    ServerHello {
        record_version: legacy_version,
        legacy_version,
        selected_version: None,
        random: [9; 32],
        session_id_len: 32,
        cipher_suite: Some(cipher_suite),
        group: Some(23),
        alpn: None,
        extensions: [65281].into_iter().collect(),
        extent: HelloExtent::Whole,
        at: mark(6, 2),
    }
}

/// A connection of which only its ends are known.
pub(crate) fn facts(client: &str, server: &str) -> FlowFacts {
    FlowFacts {
        first: mark(1, 0),
        last: mark(20, 1500),
        dialled_by: Some(Side::Client),
        ..FlowFacts::new(end(client), end(server))
    }
}

pub(crate) fn judgement(verdict: Verdict, cause: Option<Cause>) -> Judgement {
    Judgement {
        policy: "office365-tls12".into(),
        verdict,
        cause,
        rule: "a rule",
        reason: "offers TLSv1.0, nothing newer".into(),
        fix: "update it".into(),
    }
}

pub(crate) fn judged(facts: FlowFacts, verdict: Verdict, cause: Option<Cause>) -> JudgedFlow {
    let name = facts.client_hello.as_ref().and_then(|hello| hello.server_name.clone());
    JudgedFlow {
        facts: Box::new(facts),
        sensor: "lab".into(),
        server_name: name.map(|name| (name, NameSource::Sni)),
        service: Some(("Exchange Online".into(), ServiceSource::Name)),
        direction: Direction::ToOffice365,
        stack: None,
        path: None,
        scenario: None,
        judgements: [judgement(verdict, cause)].into_iter().collect(),
    }
}

/// An inside client that offers nothing but TLS 1.0 to Exchange Online, and gets it.
pub(crate) fn old_client() -> JudgedFlow {
    let mut facts = facts("10.0.0.7:50000", "52.97.1.1:443");
    facts.client_hello = Some(client_hello(offer(0x0301), Some("outlook.office365.com")));
    facts.server_hello = Some(server_hello(0x0301, 0xc014));
    facts.resumed = Some(false);
    facts.established = Some(true);
    let message =
        |frame, from, kind| MessageMark { at: mark(frame, 3), frame_len: 200, from, kind };
    facts.messages = [
        message(4, Side::Client, MessageKind::ClientHello),
        message(6, Side::Server, MessageKind::ServerHello),
        message(6, Side::Server, MessageKind::Handshake(11)),
        message(6, Side::Server, MessageKind::Handshake(12)),
        message(6, Side::Server, MessageKind::Handshake(14)),
        message(8, Side::Client, MessageKind::Handshake(16)),
    ]
    .into_iter()
    .collect();
    judged(facts, Verdict::Breaks, Some(Cause::ClientTooOld))
}

fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    // Few addresses, so that hosts have several connections.
    let addr = prop_oneof![
        (0u8..4).prop_map(|low| IpAddr::from([10, 0, 0, low])),
        (0u8..4).prop_map(|low| IpAddr::from([52, 97, 1, low])),
        (0u16..3).prop_map(|low| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, low])),
    ];
    (addr, any::<u16>()).prop_map(|(addr, port)| Endpoint { addr, port })
}

fn any_mark() -> impl Strategy<Value = Mark> {
    (1u64..1000, 0i64..5000).prop_map(|(frame, ms)| mark(frame, ms))
}

fn any_side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn any_extent() -> impl Strategy<Value = HelloExtent> {
    prop_oneof![
        Just(HelloExtent::Version),
        Just(HelloExtent::Suites),
        Just(HelloExtent::Extensions),
        Just(HelloExtent::Listed),
        Just(HelloExtent::Whole),
    ]
}

fn any_version_number() -> impl Strategy<Value = u16> {
    prop_oneof![0x0300u16..0x0305, Just(2), Just(0xfefd), Just(0x7f17), any::<u16>()]
}

fn any_text() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[a-z]{1,8}\\.example", ".{0,12}"].prop_map(Into::into)
}

fn numbers() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(any::<u16>(), 0..6)
}

prop_compose! {
    fn any_offer()(
        (legacy_version, supported_versions, ssl_v2, extent) in
            (any_version_number(), prop::option::of(numbers()), any::<bool>(), any_extent()),
        (cipher_suites, sslv2_ciphers, compression_methods, extensions) in
            (numbers(), prop::collection::vec(any::<u32>(), 0..3), any::<Vec<u8>>(),
             prop::option::of(numbers())),
        (groups, key_share_groups, signature_algorithms, ec_point_formats) in
            (prop::option::of(numbers()), numbers(), prop::option::of(numbers()),
             any::<Option<Vec<u8>>>()),
        (alpn, ja3, ja4) in
            (prop::collection::vec(any::<Vec<u8>>().prop_map(Into::into), 0..3),
             any::<Option<[u8; 16]>>(), prop::option::of(any_text())),
    ) -> Offer {
        let format = if ssl_v2 { HelloFormat::SslV2 } else { HelloFormat::Tls };
        Offer {
            format, legacy_version, supported_versions, cipher_suites, sslv2_ciphers,
            compression_methods, extensions, groups, key_share_groups, signature_algorithms,
            ec_point_formats, alpn, extent, ja3, ja4,
        }
    }
}

prop_compose! {
    fn any_client_hello()(
        offer in any_offer(), record_version in any::<u16>(), random in any::<[u8; 32]>(),
        session_id_len in 0u8..=32, offers_ticket in any::<bool>(),
        server_name in prop::option::of(any_text()), at in any_mark(),
    ) -> ClientHello {
        ClientHello {
            offer: Arc::new(offer), record_version, random, session_id_len, offers_ticket,
            server_name: server_name.map(Arc::from), at,
        }
    }
}

prop_compose! {
    fn any_server_hello()(
        (record_version, legacy_version, selected_version) in
            (any::<u16>(), any_version_number(), prop::option::of(any_version_number())),
        (random, session_id_len, extent, at) in
            (any::<[u8; 32]>(), 0u8..=32, any_extent(), any_mark()),
        (cipher_suite, group, alpn, extensions) in
            (any::<Option<u16>>(), any::<Option<u16>>(), any::<Option<Vec<u8>>>(), numbers()),
    ) -> ServerHello {
        ServerHello {
            record_version, legacy_version, selected_version, random, session_id_len,
            cipher_suite, group, alpn: alpn.map(Into::into),
            extensions: extensions.into_iter().collect(), extent, at,
        }
    }
}

fn any_message() -> impl Strategy<Value = MessageMark> {
    let kind = prop_oneof![
        Just(MessageKind::ClientHello),
        Just(MessageKind::ServerHello),
        Just(MessageKind::HelloRetryRequest),
        any::<u8>().prop_map(MessageKind::Handshake),
        any::<(u8, u8)>()
            .prop_map(|(level, description)| MessageKind::Alert { level, description }),
    ];
    (any_mark(), any::<u32>(), any_side(), kind)
        .prop_map(|(at, frame_len, from, kind)| MessageMark { at, frame_len, from, kind })
}

fn any_certificate() -> impl Strategy<Value = CertificateNames> {
    let names = prop::collection::vec(any_text(), 0..3);
    (names, prop::option::of(any_text()), prop::option::of(any_text())).prop_map(
        |(alternative_names, common_name, issuer)| CertificateNames {
            alternative_names,
            common_name,
            issuer,
        },
    )
}

fn any_refusal() -> impl Strategy<Value = Refusal> {
    let kind = prop_oneof![
        any::<u8>().prop_map(RefusalKind::Alert),
        Just(RefusalKind::Reset),
        Just(RefusalKind::Close),
    ];
    (kind, any_mark()).prop_map(|(kind, at)| Refusal { kind, at })
}

fn any_end() -> impl Strategy<Value = End> {
    let kind = prop_oneof![Just(EndKind::Fin), Just(EndKind::Reset)];
    (any_side(), kind, any_mark()).prop_map(|(by, kind, at)| End { by, kind, at })
}

fn any_alert() -> impl Strategy<Value = Alert> {
    (any_side(), any::<u8>(), any::<u8>(), any_mark())
        .prop_map(|(from, level, description, at)| Alert { from, level, description, at })
}

fn any_side_quality() -> impl Strategy<Value = SideQuality> {
    (any::<u32>(), any::<u32>(), any::<u32>(), any::<u8>()).prop_map(
        |(frames, copies, late_ms, faults)| {
            let faults = Faults::from_bits(faults);
            SideQuality { frames, copies, late_ms, faults }
        },
    )
}

prop_compose! {
    /// Any facts at all, also such that no capture brings forth.
    pub(crate) fn any_facts()(
        (first, last, client, server) in (any_mark(), any_mark(), any_endpoint(), any_endpoint()),
        (udp, role, dialled_by, protocol, upgrade) in
            (any::<bool>(), 0usize..4, prop::option::of(any_side()), 0usize..6, 0usize..18),
        (upgrade_name, proxied_client, client_hello, server_hello, hello_retried) in
            (prop::option::of(any_text()), prop::option::of(any_endpoint()),
             prop::option::of(any_client_hello()), prop::option::of(any_server_hello()),
             any::<bool>()),
        (certificate, certificate_requested, alerts, refusal, end) in
            (prop::option::of(any_certificate()), any::<bool>(),
             prop::collection::vec(any_alert(), 0..3), prop::option::of(any_refusal()),
             prop::option::of(any_end())),
        (resumed, established, coverage, messages) in
            (any::<Option<bool>>(), any::<Option<bool>>(), 0u8..0x40,
             prop::collection::vec(any_message(), 0..5)),
        (client_quality, server_quality) in (any_side_quality(), any_side_quality()),
        half in prop::option::of(any_half()),
    ) -> FlowFacts {
        FlowFacts {
            first, last, client, server,
            transport: if udp { Transport::Udp } else { Transport::Tcp },
            role_from: [
                RoleFrom::ClientHello, RoleFrom::ServerHello, RoleFrom::Syn, RoleFrom::Ports,
            ][role],
            dialled_by,
            protocol: [
                Protocol::Tls, Protocol::Quic, Protocol::Dtls,
                Protocol::PseudoTls(PseudoTls::MsTurn), Protocol::PseudoTls(PseudoTls::Google),
                Protocol::PseudoTls(PseudoTls::Skype),
            ][protocol],
            upgrade: UPGRADES[upgrade],
            upgrade_name, proxied_client, client_hello, server_hello, hello_retried,
            certificate: certificate.map(Arc::new),
            certificate_requested,
            alerts: alerts.into_iter().collect(),
            refusal, end, resumed, established,
            coverage: Coverage::from_bits(coverage),
            quality: Quality { client: client_quality, server: server_quality },
            messages: messages.into_iter().collect(),
            half: half.map(Box::new),
        }
    }
}

prop_compose! {
    /// What may be known of a lone direction; never of one that makes no row.
    fn any_half()(
        flags in 0u32..1 << 26,
        application_records in any::<u32>(),
        numbers in any::<[Option<u32>; 5]>(),
        asked_again in prop::option::of((any::<u32>(), any_mark())),
        alerts in prop::collection::vec(any::<(Option<u32>, bool)>(), 0..3),
        ending in prop::option::of((any::<u32>(), any::<Option<u32>>(), any::<bool>(), any_mark())),
        upgrade in prop::option::of(0usize..18),
        pseudo in prop::option::of(0usize..3),
    ) -> Half {
        let [tls_seq, long_record_ack, plain_ack, end, received] = numbers;
        let kind = |is_reset| if is_reset { EndKind::Reset } else { EndKind::Fin };
        Half {
            flags, application_records, tls_seq, long_record_ack, plain_ack, end, received,
            asked_again,
            alerts: alerts.into(),
            ending: ending.map(|(seq, ack, is_reset, at)| (seq, ack, kind(is_reset), at)),
            upgrade: upgrade.map(|at| UPGRADES[at]),
            pseudo: pseudo.map(|at| [PseudoTls::MsTurn, PseudoTls::Google, PseudoTls::Skype][at]),
        }
    }
}

/// Every upgrade there is.
pub(crate) const UPGRADES: [Upgrade; 18] = [
    Upgrade::Direct,
    Upgrade::Xmpp,
    Upgrade::Smtp,
    Upgrade::AnonymousTls,
    Upgrade::Imap,
    Upgrade::Pop3,
    Upgrade::Ldap,
    Upgrade::Ftp,
    Upgrade::HttpConnect,
    Upgrade::Socks,
    Upgrade::Postgres,
    Upgrade::MySql,
    Upgrade::Tds,
    Upgrade::Rdp,
    Upgrade::Irc,
    Upgrade::Nntp,
    Upgrade::Sieve,
    Upgrade::Other,
];

fn any_judgement() -> impl Strategy<Value = Judgement> {
    let cause = prop::option::of(prop_oneof![
        Just(Cause::ClientTooOld),
        Just(Cause::ServerTooOld),
        Just(Cause::Middlebox),
    ]);
    (0usize..Verdict::ALL.len(), cause, "[a-c]", "[a-c]?").prop_map(
        |(verdict, cause, reason, fix)| Judgement {
            policy: "office365-tls12".into(),
            verdict: Verdict::ALL[verdict],
            cause,
            rule: "a rule",
            reason: reason.into(),
            fix: fix.into(),
        },
    )
}

prop_compose! {
    /// Any connection with any judgement.
    pub(crate) fn any_judged_flow()(
        facts in any_facts(), sensor in "[ab]?", name in prop::option::of(any_text()),
        service in prop::option::of("[A-C]"), direction in 0usize..3,
        judgement in any_judgement(),
    ) -> JudgedFlow {
        JudgedFlow {
            facts: Box::new(facts),
            sensor: sensor.into(),
            server_name: name.map(|name| (name.into(), NameSource::Sni)),
            service: service.map(|service| (service.into(), ServiceSource::Name)),
            direction: [Direction::ToOffice365, Direction::FromOffice365, Direction::Other]
                [direction],
            stack: None,
            path: Some(AccessPath::ClientToExchange),
            scenario: None,
            judgements: [judgement].into_iter().collect(),
        }
    }
}

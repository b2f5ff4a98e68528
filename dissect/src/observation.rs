//! What was learned of a connection, as plain facts without judgement.
//!
//! Each direction is parsed on its own; [`FlowFacts`] joins them. A fact that was not captured is
//! `None` or absent, and [`Coverage`] says what kept it from being seen. Whether a fact is good or
//! bad news is decided by those who read it.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::{ClientHello, Half, HelloExtent, Messages, Quality, Timestamp, Version};

/// Receives what a dissector learns, while it learns it.
pub trait Observer {
    /// A connection is over, or the input is: everything that is known of it.
    ///
    /// Called once a connection, and only for connections that are TLS or look like it.
    fn flow(&mut self, facts: FlowFacts);

    /// The same as [`flow`](Self::flow), for who keeps the facts where they are.
    fn boxed_flow(&mut self, facts: Box<FlowFacts>) {
        self.flow(*facts);
    }

    /// A connection of which one direction alone was captured ended without a word, or with none
    /// behind those that lead to TLS: what another capture tells of the other direction may make a
    /// refusal of it. It counts as no connection. Called once a connection, when it is over or at a
    /// cut ([`Sweep::Cut`](crate::Sweep::Cut)), as far as attempts are remembered.
    fn silent(&mut self, _facts: Box<FlowFacts>) {}

    /// A connection was decided, and may go on; or it is over undecided. For live displays: called
    /// once a connection, before [`flow`](Self::flow) reports it.
    fn decided(&mut self, _facts: &FlowFacts) {}

    /// A hello was read. For live displays; the same facts come again with the flow.
    fn hello(&mut self, _seen: HelloSeen) {}

    /// A DNS answer told which addresses a name stands for.
    fn name(&mut self, _seen: NameSeen) {}
}

/// A moment in a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mark {
    /// Number of the frame, counted from 1.
    pub frame: u64,
    /// Time of that frame.
    pub time: Timestamp,
}

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv4 or IPv6; an IPv4-mapped IPv6 address stays what it is.
    pub addr: IpAddr,
    /// TCP or UDP port.
    pub port: u16,
}

/// The two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The sender of the ClientHello; see [`RoleFrom`] for when there was none.
    Client,
    /// The other end.
    Server,
}

impl Side {
    /// The other side.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The transport underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

/// What speaks on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// SSL or TLS.
    Tls,
    /// QUIC with its TLS 1.3 handshake (RFC 9001).
    Quic,
    /// DTLS.
    Dtls,
    /// A media relay's imitation of a TLS handshake.
    PseudoTls(PseudoTls),
}

/// Which imitation of a TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PseudoTls {
    /// TURN over TCP 443 as Lync and Skype for Business speak it ([MS-TURN] §2.1.1).
    MsTurn,
    /// The `ssltcp` candidates of Google Talk and WebRTC.
    Google,
    /// Skype's own relays: a lone SSLv2-format hello and a lone ServerHello before cipher text.
    Skype,
}

/// How the connection came to speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Upgrade {
    /// From the first byte.
    Direct,
    /// XMPP `<starttls/>` (RFC 6120 §5).
    Xmpp,
    /// SMTP `STARTTLS` (RFC 3207).
    Smtp,
    /// SMTP `X-ANONYMOUSTLS` between Exchange servers.
    AnonymousTls,
    /// IMAP `STARTTLS` (RFC 9051 §6.2.1).
    Imap,
    /// POP3 `STLS` (RFC 2595 §4).
    Pop3,
    /// LDAP StartTLS (RFC 4511 §4.14).
    Ldap,
    /// FTP `AUTH TLS` (RFC 4217).
    Ftp,
    /// HTTP `CONNECT` (RFC 9110 §9.3.6).
    HttpConnect,
    /// SOCKS 4, 4a or 5 (RFC 1928).
    Socks,
    /// PostgreSQL `SSLRequest`.
    Postgres,
    /// MySQL `SSLRequest`.
    MySql,
    /// Microsoft TDS `PRELOGIN`, handshake records inside TDS packets ([MS-TDS] §2.2.6.5).
    Tds,
    /// RDP X.224 negotiation ([MS-RDPBCGR] §2.2.1).
    Rdp,
    /// IRC `STARTTLS`.
    Irc,
    /// NNTP `STARTTLS` (RFC 4642).
    Nntp,
    /// ManageSieve `STARTTLS` (RFC 5804 §2.2).
    Sieve,
    /// Some other dialogue came first.
    Other,
}

/// On what it rests which end is called the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleFrom {
    /// The client sent a ClientHello.
    ClientHello,
    /// The server sent a ServerHello.
    ServerHello,
    /// The client sent the SYN.
    Syn,
    /// Nothing better than the lower port number: servers use low ports.
    Ports,
}

/// What of a connection's deciding bytes was not captured. Empty when nothing was missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Coverage(u8);

impl Coverage {
    /// Nothing is missing.
    pub const COMPLETE: Self = Self(0);
    /// The capture begins after the handshake.
    pub const MIDSTREAM: Self = Self(1);
    /// Nothing that the client sent was captured.
    pub const CLIENT_SIDE_MISSING: Self = Self(1 << 1);
    /// Nothing that the server sent in answer was captured.
    pub const SERVER_SIDE_MISSING: Self = Self(1 << 2);
    /// Packets are missing that carried deciding bytes.
    pub const GAP: Self = Self(1 << 3);
    /// The snap length cut deciding bytes.
    pub const TRUNCATED: Self = Self(1 << 4);
    /// The connection was given up to stay below the memory ceiling before it was decided.
    pub const EVICTED: Self = Self(1 << 5);

    const NAMES: [(Self, &'static str); 6] = [
        (Self::MIDSTREAM, "midstream"),
        (Self::CLIENT_SIDE_MISSING, "client-side-missing"),
        (Self::SERVER_SIDE_MISSING, "server-side-missing"),
        (Self::GAP, "gap"),
        (Self::TRUNCATED, "truncated"),
        (Self::EVICTED, "evicted"),
    ];

    /// Whether all of `other`'s parts are missing here too.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is missing.
    #[must_use]
    pub const fn is_complete(self) -> bool {
        self.0 == 0
    }

    /// These missing parts and `other`'s.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Names of the missing parts in the order of reports; none when complete.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(part, _)| self.contains(*part)).map(|(_, name)| name)
    }

    /// The parts as a bit set, for storing.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The parts of a stored bit set; bits without a meaning are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x3f)
    }
}

/// A ServerHello that selects (a HelloRetryRequest is none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHello {
    /// Version of the record around it.
    pub record_version: u16,
    /// `legacy_version` of the message; 0x0002 for the SERVER-HELLO of SSL 2.0.
    pub legacy_version: u16,
    /// `supported_versions` (RFC 8446 §4.2.1): the selected version where it is present.
    pub selected_version: Option<u16>,
    /// `random`.
    pub random: [u8; 32],
    /// Length of the session id, 0 to 32.
    pub session_id_len: u8,
    /// The suite selected; `None` for SSL 2.0 and when it was cut off.
    pub cipher_suite: Option<u16>,
    /// The group: from `key_share`, or the named curve of the ServerKeyExchange.
    pub group: Option<u16>,
    /// The protocol selected by ALPN, where it is visible (TLS 1.2 and below).
    pub alpn: Option<Box<[u8]>>,
    /// Extension types in the order sent.
    pub extensions: SmallVec<[u16; 8]>,
    /// How much of it was there. `Suites` when the suite is cut off.
    pub extent: HelloExtent,
    /// Where its last byte arrived.
    pub at: Mark,
}

impl ServerHello {
    /// The version that the server selected; `None` when the cut makes it uncertain.
    ///
    /// A suite of TLS 1.3 (`0x13NN`) under 0x0303 tells 1.3 also when the extension was cut off.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        if let Some(selected) = self.selected_version {
            return Version::from_wire(selected)
                .or_else(|| Version::from_wire(self.legacy_version));
        }
        let version = Version::from_wire(self.legacy_version)?;
        match (version, self.extent, self.cipher_suite) {
            (Version::Tls12, HelloExtent::Whole, _) => Some(version),
            (Version::Tls12, _, Some(0x1301..=0x1305)) => Some(Version::Tls13),
            (Version::Tls12, _, None) => None,
            _ => Some(version),
        }
    }

    /// The downgrade mark of RFC 8446 §4.1.3 at the end of `random`: the best version that the
    /// server would have spoken, [`Version::Tls13`] (`DOWNGRD` 01) or [`Version::Tls12`]
    /// (`DOWNGRD` 00, which servers of both versions send when they select TLS 1.1 or below).
    #[must_use]
    pub fn downgrade_mark(&self) -> Option<Version> {
        match self.random[24..] {
            [b'D', b'O', b'W', b'N', b'G', b'R', b'D', 0] => Some(Version::Tls12),
            [b'D', b'O', b'W', b'N', b'G', b'R', b'D', 1] => Some(Version::Tls13),
            _ => None,
        }
    }
}

/// Names in the server's certificate (TLS 1.2 and below, where it is in the clear).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CertificateNames {
    /// `dNSName` subject alternative names (RFC 5280 §4.2.1.6), in the order of the certificate.
    pub alternative_names: Vec<Box<str>>,
    /// The subject's last common name.
    pub common_name: Option<Box<str>>,
    /// The issuer's common name, or its organization without one.
    pub issuer: Option<Box<str>>,
}

/// An alert in the clear (RFC 8446 §6, RFC 5246 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert {
    /// Who sent it.
    pub from: Side,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// The registered description, such as 70 `protocol_version`.
    pub description: u8,
    /// Where it arrived.
    pub at: Mark,
}

impl Alert {
    /// Whether its level is fatal. In TLS 1.3 the level means nothing, but all of a handshake's
    /// errors carry 2 (RFC 8446 §6.2).
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        self.level == 2
    }
}

/// How the TCP connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct End {
    /// Who ended it first.
    pub by: Side,
    /// How.
    pub kind: EndKind,
    /// When.
    pub at: Mark,
}

/// The two ways to end a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndKind {
    /// FIN.
    Fin,
    /// RST.
    Reset,
}

/// A ClientHello was answered by a refusal instead of a ServerHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// How the server refused.
    pub kind: RefusalKind,
    /// When.
    pub at: Mark,
}

/// How a hello was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RefusalKind {
    /// By a fatal alert of this description.
    Alert(u8),
    /// By RST.
    Reset,
    /// By FIN, before the client closed.
    Close,
}

/// What kind of handshake message, alert or record a frame completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageKind {
    /// A ClientHello; the second after a HelloRetryRequest too.
    ClientHello,
    /// A ServerHello.
    ServerHello,
    /// A HelloRetryRequest (RFC 8446 §4.1.4).
    HelloRetryRequest,
    /// Another handshake message in the clear, by its type number (RFC 8446 §4).
    Handshake(u8),
    /// An alert in the clear.
    Alert {
        /// 1 warning, 2 fatal.
        level: u8,
        /// The registered description.
        description: u8,
    },
}

/// A message and the frame that brought its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageMark {
    /// Where its last byte arrived.
    pub at: Mark,
    /// Length on the wire of that frame.
    pub frame_len: u32,
    /// Who sent it.
    pub from: Side,
    /// What it is.
    pub kind: MessageKind,
}

/// A hello as soon as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HelloSeen {
    /// Who sent the ClientHello or receives the ServerHello.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// Who sent this hello.
    pub from: Side,
    /// The highest version offered, or the version selected.
    pub version: Option<Version>,
    /// When.
    pub at: Mark,
}

/// What a client learned from a DNS answer (RFC 1035).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameSeen {
    /// Who asked: the receiver of the answer.
    pub client: IpAddr,
    /// The name asked for, as sent, without a dot at the end; at most 253 bytes of ASCII.
    pub name: Box<str>,
    /// Its addresses, after aliases (CNAME) within the answer; one to 32.
    pub addresses: SmallVec<[IpAddr; 4]>,
    /// For how many seconds the answer may be kept: the least of the records that led there.
    pub ttl: u32,
    /// When.
    pub at: Mark,
}

/// Everything that was learned of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowFacts {
    /// First frame of the connection.
    pub first: Mark,
    /// Last frame of the connection.
    pub last: Mark,
    /// TCP or UDP.
    pub transport: Transport,
    /// The client, as [`FlowFacts::role_from`] tells it.
    pub client: Endpoint,
    /// The server.
    pub server: Endpoint,
    /// Who the client is was told by this.
    pub role_from: RoleFrom,
    /// Who sent the SYN, when one was seen. TLS roles and TCP roles differ on rare connections.
    pub dialled_by: Option<Side>,
    /// What speaks.
    pub protocol: Protocol,
    /// What came before TLS.
    pub upgrade: Upgrade,
    /// The name that the client asked the upgrade for: of CONNECT, SOCKS or XMPP `to`.
    pub upgrade_name: Option<Box<str>>,
    /// The client's real address by a PROXY protocol header.
    pub proxied_client: Option<Endpoint>,
    /// The first ClientHello.
    pub client_hello: Option<ClientHello>,
    /// The ServerHello that selected.
    pub server_hello: Option<ServerHello>,
    /// Whether the server asked for another hello first (RFC 8446 §4.1.4).
    pub hello_retried: bool,
    /// Names of the server's certificate.
    pub certificate: Option<Arc<CertificateNames>>,
    /// Whether the server asked for a client certificate (mutual TLS), in the clear.
    pub certificate_requested: bool,
    /// Alerts in the clear, the first few.
    pub alerts: SmallVec<[Alert; 1]>,
    /// The hello was refused: by the server's first words, or by an end that acknowledges the
    /// hello and before which no byte of the server's is missing.
    pub refusal: Option<Refusal>,
    /// How the connection ended, when it did within the capture.
    pub end: Option<End>,
    /// Whether an earlier session was resumed; `None` when it can't be told.
    pub resumed: Option<bool>,
    /// Whether both sides went over to encryption; `None` when it can't be told.
    ///
    /// Up to TLS 1.2: ChangeCipherSpec or encrypted records from both sides. TLS 1.3: after the
    /// ServerHello the client sent an encrypted record longer than an alert; what may be early
    /// data has to acknowledge the ServerHello. Always `None` when one side was not captured, for
    /// SSL 2.0 and for imitations; `false` only when the handshake is over and no missing byte can hide its end.
    pub established: Option<bool>,
    /// What of the deciding bytes was not captured.
    pub coverage: Coverage,
    /// What is wrong with the capture, as it showed here.
    pub quality: Quality,
    /// Handshake messages and alerts in the clear, in the order of their frames, the first few.
    pub messages: Messages,
    /// What else is known of the only direction that was captured, where it was one alone.
    pub half: Option<Box<Half>>,
}

impl FlowFacts {
    /// Bytes that these facts take, approximately, without what connections share: offers,
    /// certificates and names.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let alerts = if self.alerts.spilled() { self.alerts.capacity() } else { 0 };
        size_of::<Self>()
            + self.messages.held_bytes()
            + self.upgrade_name.as_ref().map_or(0, |name| name.len())
            + alerts * size_of::<Alert>()
    }

    /// A connection over TCP that speaks TLS, of which only its ends are known, and no more.
    #[must_use]
    pub fn new(client: Endpoint, server: Endpoint) -> Self {
        Self {
            first: Mark::default(),
            last: Mark::default(),
            transport: Transport::Tcp,
            client,
            server,
            role_from: RoleFrom::ClientHello,
            dialled_by: None,
            protocol: Protocol::Tls,
            upgrade: Upgrade::Direct,
            upgrade_name: None,
            proxied_client: None,
            client_hello: None,
            server_hello: None,
            hello_retried: false,
            certificate: None,
            certificate_requested: false,
            alerts: SmallVec::new(),
            refusal: None,
            end: None,
            resumed: None,
            established: None,
            coverage: Coverage::COMPLETE,
            quality: Quality::default(),
            messages: Messages::default(),
            half: None,
        }
    }

    /// The highest version offered; `None` without a ClientHello or when it can't be told.
    #[must_use]
    pub fn offered_max(&self) -> Option<Version> {
        self.client_hello.as_ref()?.offer.max_version()
    }

    /// The version that the server selected; `None` without a ServerHello.
    #[must_use]
    pub fn negotiated(&self) -> Option<Version> {
        self.server_hello.as_ref()?.version()
    }
}

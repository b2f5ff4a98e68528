//! Builds the facts of a connection for tests, from the few things a test is about.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dissect::{
    Alert, CertificateNames, ClientHello, Coverage, End, EndKind, Endpoint, Faults, FlowFacts,
    HelloExtent, HelloFormat, Mark, MessageKind, MessageMark, Offer, Protocol, Refusal,
    RefusalKind, ServerHello, Side, Timestamp, Upgrade,
};

/// Judges connections under the default policy.
pub(crate) fn judge_flows(flows: Vec<FlowFacts>) -> Vec<crate::JudgedFlow> {
    crate::Judge::new(crate::JudgeConfig::default()).judge_all(flows)
}

/// A connection in the making.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) facts: FlowFacts,
}

/// Suites and groups that Office 365 shares.
pub(crate) const GOOD_SUITES: [u16; 3] = [0xc030, 0xc02f, 0x009c];
pub(crate) const GOOD_GROUPS: [u16; 2] = [29, 23];
/// Suites of a client that ends at TLS 1.0.
pub(crate) const OLD_SUITES: [u16; 4] = [0xc014, 0x002f, 0x0035, 0x000a];

pub(crate) fn endpoint(text: &str) -> Endpoint {
    let socket: SocketAddr = text.parse().expect("an address and a port");
    Endpoint { addr: socket.ip(), port: socket.port() }
}

impl Flow {
    /// From a client to a server, `10.0.0.5:50000`, with nothing seen yet.
    pub(crate) fn new(client: &str, server: &str) -> Self {
        let mark = Mark { frame: 1, time: Timestamp::from_nanos(0) };
        Self {
            facts: FlowFacts {
                first: mark,
                last: mark,
                dialled_by: Some(Side::Client),
                ..FlowFacts::new(endpoint(client), endpoint(server))
            },
        }
    }

    /// From an inside client to Exchange Online by address.
    pub(crate) fn to_exchange() -> Self {
        Self::new("10.0.0.5:50000", "40.97.1.1:443")
    }

    /// From Office 365 to an inside server, a federation by default.
    pub(crate) fn from_skype() -> Self {
        Self::new("52.112.7.7:50000", "10.0.0.9:5061")
    }

    fn edit(mut self, change: impl FnOnce(&mut FlowFacts)) -> Self {
        change(&mut self.facts);
        self
    }

    pub(crate) fn at(self, second: i64) -> Self {
        self.edit(|facts| {
            let time = Timestamp::from_nanos(second * 1_000_000_000);
            facts.first.time = time;
            facts.last.time = time;
            if let Some(hello) = &mut facts.client_hello {
                hello.at.time = time;
            }
        })
    }

    /// Known from a text alone.
    pub(crate) fn retold(self) -> Self {
        self.edit(|facts| {
            facts.quality.client.faults = Faults::RETOLD;
            facts.quality.server.faults = Faults::RETOLD;
        })
    }

    pub(crate) fn port(self, port: u16) -> Self {
        self.edit(|facts| facts.server.port = port)
    }

    pub(crate) fn protocol(self, protocol: Protocol) -> Self {
        self.edit(|facts| facts.protocol = protocol)
    }

    pub(crate) fn upgrade(self, upgrade: Upgrade, name: &str) -> Self {
        self.edit(|facts| {
            facts.upgrade = upgrade;
            facts.upgrade_name = (!name.is_empty()).then(|| name.into());
        })
    }

    pub(crate) fn proxied_client(self, client: &str) -> Self {
        self.edit(|facts| facts.proxied_client = Some(endpoint(client)))
    }

    /// A whole hello of this version with these suites and groups.
    pub(crate) fn hello(self, version: u16, suites: &[u16], groups: Option<&[u16]>) -> Self {
        self.offer(|offer| {
            offer.legacy_version = version;
            offer.cipher_suites = suites.to_vec();
            offer.groups = groups.map(<[u16]>::to_vec);
            let mut extensions = vec![0];
            extensions.extend(groups.map(|_| 10));
            offer.extensions = Some(extensions);
        })
    }

    /// An old client's hello.
    pub(crate) fn old_hello(self) -> Self {
        self.hello(0x0301, &OLD_SUITES, Some(&GOOD_GROUPS))
    }

    /// A hello of TLS 1.2 with a way through.
    pub(crate) fn good_hello(self) -> Self {
        self.hello(0x0303, &GOOD_SUITES, Some(&GOOD_GROUPS))
    }

    /// `supported_versions` in front of the other extensions.
    pub(crate) fn versions(self, versions: &[u16]) -> Self {
        self.offer(|offer| {
            offer.supported_versions = Some(versions.to_vec());
            offer.extensions.get_or_insert_default().insert(0, 43);
        })
    }

    pub(crate) fn extension(self, number: u16) -> Self {
        self.offer(|offer| offer.extensions.get_or_insert_default().push(number))
    }

    /// The hello is read this far only.
    pub(crate) fn cut(self, extent: HelloExtent) -> Self {
        self.offer(|offer| {
            offer.extent = extent;
            if extent < HelloExtent::Extensions {
                offer.extensions = None;
                offer.groups = None;
                offer.supported_versions = None;
            }
        })
        .coverage(Coverage::TRUNCATED)
    }

    pub(crate) fn sslv2_format(self) -> Self {
        self.offer(|offer| {
            offer.format = HelloFormat::SslV2;
            offer.extensions = None;
            offer.groups = None;
        })
    }

    pub(crate) fn offer(self, change: impl FnOnce(&mut Offer)) -> Self {
        self.edit(|facts| {
            let hello = facts.client_hello.get_or_insert_with(|| empty_hello(facts.first));
            change(Arc::make_mut(&mut hello.offer));
        })
    }

    pub(crate) fn sni(self, name: &str) -> Self {
        self.edit(|facts| {
            facts.client_hello.as_mut().expect("a hello first").server_name = Some(name.into());
        })
    }

    /// A ServerHello of TLS 1.2 or below.
    pub(crate) fn selects(self, version: u16, suite: u16, group: Option<u16>) -> Self {
        self.edit(|facts| {
            facts.server_hello = Some(ServerHello {
                record_version: version,
                legacy_version: version,
                selected_version: None,
                random: [7; 32],
                session_id_len: 32,
                cipher_suite: Some(suite),
                group,
                alpn: None,
                extensions: [].into_iter().collect(),
                extent: HelloExtent::Whole,
                at: facts.first,
            });
        })
    }

    /// A ServerHello of TLS 1.3.
    pub(crate) fn selects13(self, suite: u16, group: Option<u16>) -> Self {
        self.selects(0x0303, suite, group).server_hello(|hello| {
            hello.selected_version = Some(0x0304);
        })
    }

    pub(crate) fn server_hello(self, change: impl FnOnce(&mut ServerHello)) -> Self {
        self.edit(|facts| change(facts.server_hello.as_mut().expect("a ServerHello first")))
    }

    /// The downgrade mark at the end of the server's random.
    pub(crate) fn mark(self, last: u8) -> Self {
        self.server_hello(|hello| {
            hello.random[24..31].copy_from_slice(b"DOWNGRD");
            hello.random[31] = last;
        })
    }

    pub(crate) fn certificate(self, names: &[&str]) -> Self {
        self.edit(|facts| {
            facts.certificate = Some(Arc::new(CertificateNames {
                alternative_names: names.iter().map(|name| (*name).into()).collect(),
                common_name: None,
                issuer: None,
            }));
        })
    }

    pub(crate) fn common_name(self, name: &str) -> Self {
        self.edit(|facts| {
            facts.certificate = Some(Arc::new(CertificateNames {
                common_name: Some(name.into()),
                ..CertificateNames::default()
            }));
        })
    }

    pub(crate) fn refused(self, kind: RefusalKind) -> Self {
        self.edit(|facts| {
            facts.refusal = Some(Refusal { kind, at: facts.last });
            facts.established = Some(false);
            if let RefusalKind::Alert(description) = kind {
                let at = facts.last;
                facts.alerts.push(Alert { from: Side::Server, level: 2, description, at });
            }
        })
    }

    pub(crate) fn established(self, established: bool) -> Self {
        self.edit(|facts| facts.established = Some(established))
    }

    /// A fatal alert after the ServerHello, then the end.
    pub(crate) fn aborted_by(self, from: Side, description: u8) -> Self {
        self.edit(|facts| {
            let at = facts.last;
            facts.alerts.push(Alert { from, level: 2, description, at });
            facts.end = Some(End { by: from, kind: EndKind::Fin, at });
            facts.established = Some(false);
        })
    }

    pub(crate) fn ended_by(self, by: Side, kind: EndKind) -> Self {
        self.edit(|facts| facts.end = Some(End { by, kind, at: facts.last }))
    }

    pub(crate) fn message(self, from: Side, kind: MessageKind) -> Self {
        self.edit(|facts| {
            let at = facts.last;
            let message = MessageMark { at, frame_len: 100, from, kind };
            facts.messages = facts.messages.iter().chain([message]).collect();
        })
    }

    pub(crate) fn coverage(self, part: Coverage) -> Self {
        self.edit(|facts| facts.coverage = facts.coverage.with(part))
    }

    pub(crate) fn client_addr(self, addr: &str) -> Self {
        let addr: IpAddr = addr.parse().expect("an address");
        self.edit(|facts| facts.client.addr = addr)
    }

    pub(crate) fn client_port(self, port: u16) -> Self {
        self.edit(|facts| facts.client.port = port)
    }
}

fn empty_hello(at: Mark) -> ClientHello {
    ClientHello {
        offer: Arc::new(Offer {
            compression_methods: vec![0],
            extent: HelloExtent::Whole,
            ..Offer::empty(HelloFormat::Tls, 0x0303)
        }),
        record_version: 0x0301,
        random: [3; 32],
        session_id_len: 0,
        offers_ticket: false,
        server_name: None,
        at,
    }
}

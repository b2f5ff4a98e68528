//! Packets out of cells: who sent what to whom.

use std::net::IpAddr;

use dissect::{ClientHello, MessageKind, ServerHello, Transport, Version};
use smallvec::SmallVec;

use super::Reason;
use super::columns::{Column, Row};
use super::hello::{self, Answer, NotANumber};
use super::list::{self, Spoken};
use super::times::{self, Moment};
use super::values::{self, Kind};

/// Records longer than an encrypted alert can be, in bytes.
const ALERT_RECORD_LEN_MAX: u64 = 19;

/// The port that is not known.
pub(super) const UNKNOWN_PORT: u16 = 0;

/// What speaks in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    Dtls,
    /// A handshake in QUIC.
    Quic,
    Tls,
    /// Nothing of TLS.
    Nothing,
}

/// What a row tells of a packet.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) number: Option<u64>,
    pub(super) moment: Option<Moment>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Ports of source and destination; `None` where the row has none.
    pub(super) ports: Option<(u16, u16)>,
    pub(super) transport: Transport,
    pub(super) stream: Option<u64>,
    pub(super) len: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) reset: bool,
    /// The sender sent nothing before, by its sequence number.
    pub(super) is_first_word: bool,
    pub(super) speech: Speech,
    pub(super) messages: SmallVec<[MessageKind; 6]>,
    pub(super) client_hello: Option<ClientHello>,
    pub(super) server_hello: Option<ServerHello>,
    pub(super) curve: Option<u16>,
    pub(super) certificate_names: Vec<Box<str>>,
    pub(super) changes_cipher: bool,
    pub(super) application_records: u32,
    pub(super) long_record: bool,
    pub(super) has_records: bool,
    pub(super) is_retransmission: bool,
    /// The target of an HTTP CONNECT.
    pub(super) asked: Option<Box<str>>,
}

/// What came of a row.
#[derive(Debug)]
pub(super) enum Taken {
    Packet(Box<Packet>),
    /// A packet that no IP address stands in.
    NotIp,
    /// Why the row can't be used, by kind and in words.
    Unreadable(Reason, String),
}

/// The packet of a row.
pub(super) fn packet(row: &Row) -> Taken {
    match read(row) {
        Ok(taken) => taken,
        Err(NotANumber(column)) => {
            let cell: String = row.text(column).chars().take(40).collect();
            Taken::Unreadable(Reason::Value, format!("{cell:?} is no value of {}", column.name()))
        }
    }
}

fn read(row: &Row) -> Result<Taken, NotANumber> {
    let spoken = list::spoken(row.text(Column::Protocol));
    let info = row.text(Column::Info);
    let address = |exact, shown| -> Option<IpAddr> {
        let exact = row.last(exact).parse().ok();
        // An interface of a link-local address is no part of it.
        exact.or_else(|| row.text(shown).trim().split('%').next()?.parse().ok())
    };
    let source = address(Column::Source, Column::SourceShown);
    let destination = address(Column::Destination, Column::DestinationShown);
    let (Some(source), Some(destination)) = (source, destination) else {
        let is_named = !matches!(spoken, Spoken::Other);
        let shown = row.text(Column::SourceShown);
        return Ok(match is_named && !shown.is_empty() {
            true => Taken::Unreadable(
                Reason::Address,
                format!(
                    "{:?} is no address; switch name resolution off for the export",
                    shown.chars().take(40).collect::<String>()
                ),
            ),
            false => Taken::NotIp,
        });
    };
    let moment = row.text(Column::Time);
    let moment = match moment.is_empty() {
        true => None,
        false => match times::parse(moment).or_else(|| times::parse(row.last(Column::Time))) {
            Some(moment) => Some(moment),
            None => {
                let shown: String = moment.chars().take(40).collect();
                return Ok(Taken::Unreadable(Reason::Time, format!("{shown:?} is no time")));
            }
        },
    };
    let segment = match spoken {
        Spoken::Tcp | Spoken::Tls(_) => list::segment(info),
        _ => None,
    };
    let of_tcp = ports(row, Column::SourcePort, Column::DestinationPort)?;
    let of_udp = ports(row, Column::UdpSourcePort, Column::UdpDestinationPort)?;
    let is_udp =
        of_tcp.is_none() && of_udp.is_some() || matches!(spoken, Spoken::Quic | Spoken::Dtls);
    let told_ports = segment.as_ref().map(|it| (it.source_port, it.destination_port));
    let flags = hello::first(row, Column::Flags)?.unwrap_or_default();
    let flag = |column, bit: u64| -> Result<bool, NotANumber> {
        Ok(flags & bit != 0 || hello::first(row, column)? == Some(1))
    };
    let (syn, ack) = (flag(Column::Syn, 2)?, flag(Column::Ack, 16)?);
    let (fin, reset) = (flag(Column::Fin, 1)?, flag(Column::Reset, 4)?);
    let sequence = hello::first(row, Column::Sequence)?;
    let sequence = sequence.or_else(|| segment.as_ref()?.sequence);
    let has = |flag: fn(&list::Segment) -> bool| segment.as_ref().is_some_and(flag);
    let length = hello::first(row, Column::Length)?;
    let mut packet = Packet {
        number: hello::first(row, Column::Number)?,
        moment,
        source,
        destination,
        ports: of_tcp.or(of_udp).or(told_ports),
        transport: if is_udp { Transport::Udp } else { Transport::Tcp },
        stream: hello::first(row, Column::Stream)?.filter(|_| !is_udp),
        len: length.and_then(|len| u32::try_from(len).ok()).unwrap_or_default(),
        syn: syn || has(|it| it.syn),
        ack: ack || has(|it| it.ack),
        fin: fin || has(|it| it.fin),
        reset: reset || has(|it| it.reset),
        is_first_word: sequence == Some(1),
        speech: Speech::Nothing,
        messages: SmallVec::new(),
        client_hello: None,
        server_hello: None,
        curve: None,
        certificate_names: Vec::new(),
        changes_cipher: false,
        application_records: 0,
        long_record: false,
        has_records: false,
        is_retransmission: false,
        asked: None,
    };
    packet.read_speech(row, spoken)?;
    Ok(Taken::Packet(Box::new(packet)))
}

fn ports(row: &Row, source: Column, destination: Column) -> Result<Option<(u16, u16)>, NotANumber> {
    let port = |column| -> Result<Option<u16>, NotANumber> {
        let text = row.last(column);
        let number = values::number(text).and_then(|port| u16::try_from(port).ok());
        if text.is_empty() { Ok(None) } else { number.map(Some).ok_or(NotANumber(column)) }
    };
    Ok(port(source)?.zip(port(destination)?))
}

impl Packet {
    /// Whether it is a segment in the midst of a connection that carries nothing of TLS.
    pub(super) fn is_bare(&self) -> bool {
        let is_end = self.syn || self.fin || self.reset;
        self.ack && !is_end && self.speech == Speech::Nothing && self.transport == Transport::Tcp
    }

    /// Whether it begins a connection, whatever came before.
    pub(super) fn begins(&self) -> bool {
        self.syn && !self.ack || self.client_hello.is_some() || self.server_hello.is_some()
    }

    fn read_speech(&mut self, row: &Row, spoken: Spoken) -> Result<(), NotANumber> {
        let told = match spoken {
            Spoken::Tls(_) => Some(list::records(row.text(Column::Info))),
            _ => None,
        };
        let of_dtls = !row.text(Column::DtlsMessage).is_empty()
            || !row.text(Column::DtlsContentType).is_empty();
        let types = hello::list(row, Column::MessageType, Kind::Message)?;
        if of_dtls || spoken == Spoken::Dtls {
            self.speech = Speech::Dtls;
            let kinds = hello::list(row, Column::DtlsMessage, Kind::Message)?;
            let is_hello = kinds.contains(&1) || row.text(Column::Info).starts_with("Client Hello");
            if is_hello {
                self.messages.push(MessageKind::ClientHello);
                self.client_hello = Some(hello::hello_of(hello::unknown_offer()));
            }
            return Ok(());
        }
        if self.transport == Transport::Udp {
            let is_initial = row.text(Column::Info).contains("Initial");
            if types.contains(&1) || spoken == Spoken::Quic && is_initial {
                self.speech = Speech::Quic;
            }
            if types.contains(&1) {
                self.take_hellos(row, &types)?;
            }
            return Ok(());
        }
        self.read_request(row, spoken);
        let contents = hello::list(row, Column::ContentType, Kind::ContentType)?;
        let opaque = hello::list(row, Column::OpaqueType, Kind::ContentType)?;
        let is_tls = !types.is_empty()
            || !contents.is_empty()
            || !opaque.is_empty()
            || !row.text(Column::AlertLevel).is_empty()
            || told.is_some();
        if !is_tls {
            return Ok(());
        }
        self.speech = Speech::Tls;
        self.changes_cipher = contents.contains(&20);
        let sealed = contents.iter().chain(&opaque).filter(|content| **content == 23).count();
        self.application_records = u32::try_from(sealed).unwrap_or(u32::MAX);
        self.has_records = true;
        if sealed > 0 && !contents.contains(&22) {
            let lengths = values::numbers(row.text(Column::RecordLength), Kind::Plain);
            let lengths = lengths.ok_or(NotANumber(Column::RecordLength))?;
            self.long_record = lengths.iter().any(|len| *len > ALERT_RECORD_LEN_MAX);
        }
        self.take_hellos(row, &types)?;
        self.take_alerts(row)?;
        if let Some(told) = told {
            self.take_told(told, spoken, types.is_empty());
        }
        Ok(())
    }

    /// An HTTP CONNECT, by the packet list or by the fields of HTTP.
    fn read_request(&mut self, row: &Row, spoken: Spoken) {
        let by_fields = Some(row.text(Column::HttpTarget))
            .filter(|_| row.text(Column::HttpMethod) == "CONNECT");
        let by_list = || list::connect_target(row.text(Column::Info));
        let by_list = if spoken == Spoken::Http { by_list() } else { None };
        self.asked = by_fields.or(by_list).and_then(hello::name);
    }

    fn take_hellos(&mut self, row: &Row, types: &[u16]) -> Result<(), NotANumber> {
        let is_only = types.iter().filter(|kind| matches!(kind, 1 | 2)).count() == 1;
        for kind in types {
            let kind = match kind {
                1 => {
                    self.client_hello = Some(hello::client_hello(row, is_only)?);
                    MessageKind::ClientHello
                }
                2 => match hello::server_hello(row, is_only)? {
                    Some(Answer::Retry) => MessageKind::HelloRetryRequest,
                    Some(Answer::Hello(hello)) => {
                        self.server_hello = Some(hello);
                        MessageKind::ServerHello
                    }
                    None => MessageKind::ServerHello,
                },
                6 => MessageKind::HelloRetryRequest,
                other => MessageKind::Handshake(u8::try_from(*other).unwrap_or(u8::MAX)),
            };
            self.messages.push(kind);
        }
        if types.contains(&12) {
            self.curve = hello::list(row, Column::ServerCurve, Kind::Group)?.first().copied();
        }
        let names = row.text(Column::CertificateNames).split([',', ';']).map(str::trim);
        self.certificate_names = names.filter_map(hello::name).take(64).collect();
        Ok(())
    }

    fn take_alerts(&mut self, row: &Row) -> Result<(), NotANumber> {
        let levels = hello::list(row, Column::AlertLevel, Kind::AlertLevel)?;
        let descriptions = hello::list(row, Column::AlertDescription, Kind::Alert)?;
        let byte = |number: &u16| u8::try_from(*number).unwrap_or(u8::MAX);
        for (level, description) in levels.iter().zip(&descriptions) {
            let (level, description) = (byte(level), byte(description));
            self.messages.push(MessageKind::Alert { level, description });
        }
        Ok(())
    }

    /// Takes what the packet list says and the fields do not.
    fn take_told(&mut self, told: list::Told, spoken: Spoken, without_types: bool) {
        self.is_retransmission = told.is_retransmission;
        self.changes_cipher |= told.changes_cipher;
        self.application_records = self.application_records.max(told.application_records);
        self.has_records |= !told.is_empty() || told.has_other;
        let has_alerts = self.messages.iter().any(|it| matches!(it, MessageKind::Alert { .. }));
        for kind in told.messages {
            let is_alert = matches!(kind, MessageKind::Alert { .. });
            if if is_alert { has_alerts } else { !without_types } {
                continue;
            }
            self.messages.push(kind);
            match (kind, spoken) {
                (MessageKind::ClientHello, _) => {
                    self.client_hello = Some(ClientHello {
                        server_name: told.server_name.clone(),
                        ..hello::hello_of(hello::unknown_offer())
                    });
                }
                (MessageKind::ServerHello, Spoken::Tls(Some(version))) => {
                    self.server_hello = Some(hello::told_server_hello(version));
                }
                _ => {}
            }
        }
        if let Some(hello) = &mut self.client_hello {
            hello.server_name = hello.server_name.take().or(told.server_name);
        }
        // Only SSL 2.0 itself answers in its own format.
        if let Some(hello) = &mut self.server_hello
            && hello.version() == Some(Version::Ssl2)
        {
            hello.selected_version = None;
        }
    }
}

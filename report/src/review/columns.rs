//! What columns and keys mean, under every name that the programs give them.
//!
//! A [`Row`] holds the cells of one row or one JSON object under our own names, whatever wrote
//! them. Several values of a cell are joined by commas.

use std::borrow::Cow;
use std::sync::LazyLock;

/// What a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Level of an alert.
    AlertLevel,
    /// Description of an alert.
    AlertDescription,
    /// ALPN names.
    Alpn,
    /// Captured length of the frame in bytes.
    CapturedLength,
    /// Names of certificates.
    CertificateNames,
    /// Length of the list of suites or of specs in bytes.
    SuitesLength,
    /// The suites of a ClientHello, or the one of a ServerHello.
    Suites,
    /// Three-byte specs of a hello in the format of SSL 2.0.
    Sslv2Specs,
    /// Compression methods.
    Compression,
    /// Content types of records.
    ContentType,
    /// Records of TLS 1.3 whose true type is encrypted.
    OpaqueType,
    /// Content types of DTLS records.
    DtlsContentType,
    /// DTLS handshake messages.
    DtlsMessage,
    /// Address that the packet goes to.
    Destination,
    /// Name or address that the packet goes to, as the packet list shows it.
    DestinationShown,
    /// Port that it goes to.
    DestinationPort,
    /// Lengths of the extensions.
    ExtensionLengths,
    /// Length of the block of extensions in bytes.
    ExtensionsLength,
    /// Types of the extensions.
    ExtensionTypes,
    /// Flags of TCP as a number.
    Flags,
    /// FIN.
    Fin,
    /// RST.
    Reset,
    /// SYN.
    Syn,
    /// ACK.
    Ack,
    /// Groups.
    Groups,
    /// Method of an HTTP request.
    HttpMethod,
    /// Target of an HTTP request.
    HttpTarget,
    /// The packet list's words on the packet.
    Info,
    /// Hash of JA3.
    Ja3,
    /// JA3 before hashing.
    Ja3Full,
    /// JA4.
    Ja4,
    /// Groups of key shares.
    KeyShares,
    /// Length of the frame on the wire in bytes.
    Length,
    /// Types of handshake messages.
    MessageType,
    /// Number of the packet.
    Number,
    /// EC point formats.
    PointFormats,
    /// The packet list's protocol.
    Protocol,
    /// Types of QUIC long-header packets.
    QuicType,
    /// Random of a hello.
    Random,
    /// Lengths of records in bytes.
    RecordLength,
    /// Versions of records.
    RecordVersion,
    /// Relative sequence number of TCP.
    Sequence,
    /// Curve of a ServerKeyExchange.
    ServerCurve,
    /// SNI.
    ServerName,
    /// Length of the session id in bytes.
    SessionIdLength,
    /// Signature algorithms.
    Signatures,
    /// Address of the sender.
    Source,
    /// Name or address of the sender, as the packet list shows it.
    SourceShown,
    /// Port of the sender.
    SourcePort,
    /// Number of the connection in the capture.
    Stream,
    /// `supported_versions`.
    SupportedVersions,
    /// When.
    Time,
    /// UDP port of the sender.
    UdpSourcePort,
    /// UDP port that it goes to.
    UdpDestinationPort,
    /// Version of a hello, or what was negotiated in a log.
    Version,
}

impl Column {
    /// The name that tshark gives it, for messages.
    pub(super) fn name(self) -> &'static str {
        let mut names = NAMES.iter().filter(|(_, column)| *column == self).map(|(name, _)| *name);
        let first = names.next().unwrap_or_default();
        if first.contains('.') && !first.starts_with('_') {
            return first;
        }
        names.find(|name| name.contains('.') && !name.starts_with('_')).unwrap_or(first)
    }
}

/// How many columns there are.
pub(super) const COLUMNS: usize = Column::Version as usize + 1;

/// Names of columns and keys. Names of `tls.` hold for `ssl.` and `dtls.` as well, and every name
/// in the spelling of `tshark -T ek`.
const NAMES: &[(&str, Column)] = &[
    ("_ws.col.cls_time", Column::Time),
    ("_ws.col.def_dst", Column::DestinationShown),
    ("_ws.col.def_src", Column::SourceShown),
    ("_ws.col.destination", Column::DestinationShown),
    ("_ws.col.info", Column::Info),
    ("_ws.col.no.", Column::Number),
    ("_ws.col.number", Column::Number),
    ("_ws.col.packet_length", Column::Length),
    ("_ws.col.protocol", Column::Protocol),
    ("_ws.col.source", Column::SourceShown),
    ("_ws.col.time", Column::Time),
    ("alert description", Column::AlertDescription),
    ("alert level", Column::AlertLevel),
    ("cipher suite", Column::Suites),
    ("dest port", Column::DestinationPort),
    ("destination", Column::DestinationShown),
    ("destination address", Column::DestinationShown),
    ("destination port", Column::DestinationPort),
    ("dst port", Column::DestinationPort),
    ("dtls.handshake.type", Column::DtlsMessage),
    ("dtls.record.content_type", Column::DtlsContentType),
    ("frame.cap_len", Column::CapturedLength),
    ("frame.len", Column::Length),
    ("frame.number", Column::Number),
    ("frame.time", Column::Time),
    ("frame.time_epoch", Column::Time),
    ("frame.time_utc", Column::Time),
    ("handshake type", Column::MessageType),
    ("http.request.method", Column::HttpMethod),
    ("http.request.uri", Column::HttpTarget),
    ("info", Column::Info),
    ("ip.dst", Column::Destination),
    ("ip.src", Column::Source),
    ("ipv6.dst", Column::Destination),
    ("ipv6.src", Column::Source),
    ("ja3", Column::Ja3),
    ("ja4", Column::Ja4),
    ("length", Column::Length),
    ("no.", Column::Number),
    ("protocol", Column::Protocol),
    ("quic.long.packet_type", Column::QuicType),
    ("quic.long.packet_type_v2", Column::QuicType),
    ("server name", Column::ServerName),
    ("source", Column::SourceShown),
    ("source address", Column::SourceShown),
    ("source port", Column::SourcePort),
    ("src port", Column::SourcePort),
    ("stream index", Column::Stream),
    ("supported group", Column::Groups),
    ("supported version", Column::SupportedVersions),
    ("tcp.dstport", Column::DestinationPort),
    ("tcp.flags", Column::Flags),
    ("tcp.flags.ack", Column::Ack),
    ("tcp.flags.fin", Column::Fin),
    ("tcp.flags.reset", Column::Reset),
    ("tcp.flags.syn", Column::Syn),
    ("tcp.seq", Column::Sequence),
    ("tcp.srcport", Column::SourcePort),
    ("tcp.stream", Column::Stream),
    ("time", Column::Time),
    ("tls.alert_message.desc", Column::AlertDescription),
    ("tls.alert_message.level", Column::AlertLevel),
    ("tls.handshake.cipher_spec_len", Column::SuitesLength),
    ("tls.handshake.cipher_suites_length", Column::SuitesLength),
    ("tls.handshake.cipherspec", Column::Sslv2Specs),
    ("tls.handshake.ciphersuite", Column::Suites),
    ("tls.handshake.comp_method", Column::Compression),
    ("tls.handshake.extension.len", Column::ExtensionLengths),
    ("tls.handshake.extension.type", Column::ExtensionTypes),
    ("tls.handshake.extensions.supported_version", Column::SupportedVersions),
    ("tls.handshake.extensions_alpn_str", Column::Alpn),
    ("tls.handshake.extensions_ec_point_format", Column::PointFormats),
    ("tls.handshake.extensions_key_share_group", Column::KeyShares),
    ("tls.handshake.extensions_key_share_selected_group", Column::KeyShares),
    ("tls.handshake.extensions_length", Column::ExtensionsLength),
    ("tls.handshake.extensions_server_name", Column::ServerName),
    ("tls.handshake.extensions_supported_group", Column::Groups),
    ("tls.handshake.ja3", Column::Ja3),
    ("tls.handshake.ja3_full", Column::Ja3Full),
    ("tls.handshake.ja4", Column::Ja4),
    ("tls.handshake.random", Column::Random),
    ("tls.handshake.server_named_curve", Column::ServerCurve),
    ("tls.handshake.session_id_length", Column::SessionIdLength),
    ("tls.handshake.sig_hash_alg", Column::Signatures),
    ("tls.handshake.type", Column::MessageType),
    ("tls.handshake.version", Column::Version),
    ("tls.record.content_type", Column::ContentType),
    ("tls.record.length", Column::RecordLength),
    ("tls.record.opaque_type", Column::OpaqueType),
    ("tls.record.version", Column::RecordVersion),
    ("udp.dstport", Column::UdpDestinationPort),
    ("udp.srcport", Column::UdpSourcePort),
    ("x509ce.dnsname", Column::CertificateNames),
];

/// Every spelling of a name, in small letters.
type Names = foldhash::HashMap<Box<str>, Column>;

/// Names as headers and `tshark -T json` have them: those of `tls.` also as `ssl.`, their old name,
/// and as `dtls.` where that has none of its own.
static BY_NAME: LazyLock<Names> = LazyLock::new(|| {
    let mut names: Names = NAMES.iter().map(|(name, column)| ((*name).into(), *column)).collect();
    for (name, column) in NAMES {
        let Some(rest) = name.strip_prefix("tls.") else { continue };
        for layer in ["ssl", "dtls"] {
            names.entry(format!("{layer}.{rest}").into()).or_insert(*column);
        }
    }
    names
});

/// Names as `tshark -T ek` has them. Titles of the packet list are no keys.
static BY_EK_NAME: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names::default();
    for (name, column) in NAMES.iter().filter(|(name, _)| name.contains('.') && *name != "no.") {
        let name = name.replace('.', "_");
        if let Some(rest) = name.strip_prefix("tls_") {
            names.insert(format!("ssl_{rest}").into(), *column);
        }
        names.entry(name.into()).or_insert(*column);
    }
    names
});

/// A name in small letters, as most are.
fn small(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

/// The column of a header or of a JSON key.
pub(super) fn column(name: &str) -> Option<Column> {
    BY_NAME.get(&*small(name.trim())).copied()
}

/// The column of a key as `tshark -T ek` writes it: `tls_tls_handshake_type`, and without the
/// layer where fields were chosen: `tls_handshake_type`.
pub(super) fn column_of_ek(key: &str) -> Option<Column> {
    let key = small(key);
    let find = |key: &str| BY_EK_NAME.get(key).copied();
    let (layer, rest) = key.split_once('_')?;
    // The layer stands twice: before the name and at its beginning.
    match rest.strip_prefix(layer).and_then(|rest| rest.strip_prefix('_')) {
        Some(_) => find(rest),
        None => find(&key).or_else(|| find(rest)),
    }
}

/// The cells of a row, by column.
#[derive(Debug, Clone)]
pub(super) struct Row {
    cells: [String; COLUMNS],
    /// Columns that the file has, whether the row has a value or not.
    known: [bool; COLUMNS],
}

impl Default for Row {
    fn default() -> Self {
        Self { cells: std::array::from_fn(|_| String::new()), known: [false; COLUMNS] }
    }
}

impl Row {
    /// Forgets the cells and keeps the columns.
    pub(super) fn clear(&mut self) {
        self.cells.iter_mut().for_each(String::clear);
    }

    /// Says that the file has a column, so that an empty cell means that nothing was there.
    pub(super) fn know(&mut self, column: Column) {
        self.known[column as usize] = true;
    }

    /// Says that the file has every column, as whole packets in JSON have.
    pub(super) fn know_all(&mut self) {
        self.known = [true; COLUMNS];
    }

    /// Whether the file has a column.
    pub(super) const fn knows(&self, column: Column) -> bool {
        self.known[column as usize]
    }

    /// Adds a value to a cell.
    pub(super) fn push(&mut self, column: Column, value: &str) {
        let cell = &mut self.cells[column as usize];
        if value.is_empty() {
            return;
        }
        if !cell.is_empty() {
            cell.push(',');
        }
        cell.push_str(value);
    }

    /// The cell; empty when there is none.
    pub(super) fn text(&self, column: Column) -> &str {
        &self.cells[column as usize]
    }

    /// The last of a cell's values: of several layers the innermost.
    pub(super) fn last(&self, column: Column) -> &str {
        let text = self.text(column);
        text.rsplit([',', ';', '|', ' ']).map(str::trim).find(|it| !it.is_empty()).unwrap_or("")
    }

    /// Whether nothing is in any cell.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        for pair in NAMES.windows(2) {
            assert!(pair[0].0 < pair[1].0, "{} {}", pair[0].0, pair[1].0);
        }
    }

    #[test]
    fn columns_are_known_by_every_name() {
        let check = |name, expect| assert_eq!(column(name), Some(expect), "{name}");
        check("No.", Column::Number);
        check("Time", Column::Time);
        check("_ws.col.Info", Column::Info);
        check("tls.handshake.type", Column::MessageType);
        check("ssl.handshake.ciphersuite", Column::Suites);
        check("Source Port", Column::SourcePort);
        check("DTLS.handshake.type", Column::DtlsMessage);
        check("dtls.handshake.version", Column::Version);
        assert_eq!(column("tls.handshake"), None);
        let check = |name, expect| assert_eq!(column_of_ek(name), Some(expect), "{name}");
        check("tls_tls_handshake_type", Column::MessageType);
        check("tls_handshake_type", Column::MessageType);
        check("tls_tls_handshake_extensions_server_name", Column::ServerName);
        check("tls_tls_handshake_extensions_supported_version", Column::SupportedVersions);
        check("frame_frame_time_epoch", Column::Time);
        check("ip_ip_src", Column::Source);
        check("tcp_tcp_flags", Column::Flags);
        check("x509ce_x509ce_dNSName", Column::CertificateNames);
        check("ssl_ssl_handshake_type", Column::MessageType);
        assert_eq!(column_of_ek("ip_ip_src_host"), None);
    }
}

//! What the owner of a text should know: what its columns leave out, and what could not be read.

use super::columns::{Column, Row};
use super::info::SourceKind;
use super::talk::Sight;
use super::{EXPORT_COMMAND, ReviewError};

/// Lines that are named of those that could not be read.
pub(super) const NAMED_MAX: u64 = 3;

/// What is noted while one text is read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) named: Vec<String>,
    pub(super) unreadable: u64,
    pub(super) has_relative_times: bool,
    pub(super) has_no_times: bool,
    pub(super) goes_back: bool,
    /// Segments without TLS have rows.
    pub(super) has_bare_rows: bool,
    pub(super) rows: u64,
    pub(super) last: Option<i64>,
}

/// What a table is by its columns.
pub(super) fn kind_of_columns(row: &Row) -> Result<SourceKind, ReviewError> {
    let has = |columns: &[Column]| columns.iter().any(|column| row.knows(*column));
    let missing = |missing| Err(ReviewError::MissingColumns { missing });
    if !has(&[Column::Source, Column::SourceShown]) {
        return missing("address of the sender (Source, ip.src)");
    }
    if !has(&[Column::Destination, Column::DestinationShown]) {
        return missing("address of the receiver (Destination, ip.dst)");
    }
    if has(&[Column::MessageType]) {
        return Ok(SourceKind::Fields);
    }
    if has(&[Column::Info]) && has(&[Column::Protocol]) {
        return Ok(SourceKind::PacketList);
    }
    missing("word on handshakes (tls.handshake.type, or Protocol and Info)")
}

/// What the columns leave open, in words.
pub(super) fn missing_columns(row: &Row, kind: SourceKind) -> Vec<String> {
    let mut notices = Vec::new();
    let has_ports = row.knows(Column::SourcePort) && row.knows(Column::DestinationPort);
    if !has_ports {
        notices.push(
            "without the columns Source Port and Destination Port (tcp.srcport, tcp.dstport), \
             connections between the same two addresses are told apart as well as can be"
                .to_owned(),
        );
    }
    if kind == SourceKind::PacketList {
        notices.push(format!(
            "a packet list does not say what clients offer, so that verdicts stay unknown; this \
             exports what is needed: {EXPORT_COMMAND}"
        ));
        return notices;
    }
    let wanted = [
        Column::CapturedLength,
        Column::Length,
        Column::Version,
        Column::SupportedVersions,
        Column::Suites,
        Column::Groups,
        Column::ExtensionTypes,
        Column::Signatures,
        Column::Compression,
        Column::ServerName,
        Column::Random,
        Column::AlertLevel,
        Column::AlertDescription,
        Column::ContentType,
        Column::RecordLength,
        Column::Flags,
    ];
    let has_flags = row.knows(Column::Reset) && row.knows(Column::Fin);
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|column| !(row.knows(*column) || *column == Column::Flags && has_flags))
        .map(Column::name)
        .collect();
    if !missing.is_empty() {
        notices.push(format!(
            "without the columns {} some verdicts stay unknown; this exports what is needed: \
             {EXPORT_COMMAND}",
            missing.join(", ")
        ));
    }
    notices
}

/// What a text leaves open that has rows of TLS alone.
pub(super) fn missing_rows(kind: SourceKind, notes: &Notes) -> Option<String> {
    let is_of_packets = matches!(kind, SourceKind::Fields | SourceKind::Packets);
    (is_of_packets && notes.rows > 0 && !notes.has_bare_rows).then(|| {
        "it shows no segments without TLS (a display filter, or no column tcp.flags): a handshake \
         that was broken off without an alert looks like one that went on"
            .to_owned()
    })
}

pub(super) fn log_notices() -> Vec<String> {
    vec![
        "a log says what was selected and little of what was offered, so that a client that got \
         less than the minimum stays unknown"
            .to_owned(),
    ]
}

pub(super) fn sight(row: &Row, kind: SourceKind) -> Sight {
    Sight {
        records: row.knows(Column::ContentType) || kind == SourceKind::PacketList,
        record_lengths: row.knows(Column::RecordLength),
        ports: row.knows(Column::SourcePort) && row.knows(Column::DestinationPort),
    }
}

impl Notes {
    pub(super) fn into_notices(self) -> Vec<String> {
        let mut notices = self.named;
        let more = self.unreadable.saturating_sub(NAMED_MAX);
        if more > 0 {
            notices.push(format!("and {more} more lines were not understood"));
        }
        if self.has_no_times {
            notices.push("it has no column with times".to_owned());
        }
        if self.has_relative_times {
            notices.push(
                "its times count from its first packet: days and hours in the report are not \
                 those of the capture"
                    .to_owned(),
            );
        }
        if self.goes_back && self.has_relative_times {
            notices.push(
                "its times go back: seconds since the previous packet are no places in time"
                    .to_owned(),
            );
        }
        notices
    }
}

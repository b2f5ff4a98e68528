//! `handshakes.csv`: hellos and alerts, as Wireshark exports packets.
//!
//! A row is one frame that completed a ClientHello, ServerHello, HelloRetryRequest or alert, with
//! all that it completed of one sender, in Wireshark's columns and words, so that what reads its
//! exports reads this. Ports come behind the columns that Wireshark has by
//! default. Addresses are those on the wire.

use std::io::{self, Write};
use std::iter;

use dissect::{
    FlowFacts, HelloFormat, MessageKind, MessageMark, Protocol, Side, Timestamp, Version,
};

use smallvec::{SmallVec, smallvec};

use super::csv::CsvTable;
use crate::store::{Line, StoredFlows, end_of};
use crate::{Connections, JudgedFlow, iana};

/// The columns of `handshakes.csv`, in their order.
pub const HANDSHAKE_COLUMNS: [&str; 9] = [
    "No.",
    "Time",
    "Source",
    "Destination",
    "Protocol",
    "Length",
    "Info",
    "Source Port",
    "Destination Port",
];

/// Writes `handshakes.csv`, sorted by frame, with times that count from the capture's first frame.
pub(super) fn write_handshakes<W: Write>(
    out: W,
    flows: Connections<'_>,
    first_time: Timestamp,
) -> io::Result<()> {
    match flows {
        Connections::Held(flows) => write_held(out, flows, first_time),
        Connections::Stored(stored) => write_stored(out, stored, first_time),
    }
}

/// Connections in memory: what is sorted is where their rows are.
fn write_held<W: Write>(out: W, flows: &[JudgedFlow], first_time: Timestamp) -> io::Result<()> {
    let mut table = CsvTable::new(out, &HANDSHAKE_COLUMNS)?;
    let mut places: Vec<Place> = Vec::new();
    for (flow, judged) in (0..).zip(flows) {
        let rows = rows_of(&judged.facts);
        places.extend(rows.map(|(frame, message)| Place { frame, flow, message }));
    }
    places.sort_unstable();
    let row_at =
        |place: &Place| Row::of(&flows.get(place.flow as usize)?.facts, place.message as usize);
    let mut tied: Vec<Row<'_>> = Vec::new();
    for places in places.chunk_by(|one, next| one.frame == next.frame) {
        tied.clear();
        tied.extend(places.iter().filter_map(row_at));
        // Several inputs may number their frames alike: then time tells, and the ends.
        tied.sort_by_key(|row| (row.first.at, row.facts.client, row.facts.server));
        for row in &tied {
            row.write(&mut table, first_time)?;
        }
    }
    table.finish()
}

/// Connections in a file: what is sorted is the rows as they are written, in a file too.
fn write_stored<W: Write>(
    mut out: W,
    stored: &StoredFlows<'_>,
    first_time: Timestamp,
) -> io::Result<()> {
    let mut table = CsvTable::new(Vec::new(), &HANDSHAKE_COLUMNS)?;
    out.write_all(&table.take_written())?;
    let mut lines = stored.lines();
    let mut index = 0_u64;
    stored.each_facts(&mut |facts| {
        for (frame, message) in rows_of(facts) {
            let Some(row) = Row::of(facts, message as usize) else { continue };
            row.write(&mut table, first_time)?;
            lines.push(Line {
                frame,
                time: row.first.at.time.as_nanos(),
                client: end_of(facts.client),
                server: end_of(facts.server),
                place: (index, message),
                bytes: table.take_written(),
            });
        }
        index += 1;
        Ok(())
    })?;
    lines.each(|line| out.write_all(line))?;
    out.flush()
}

/// Where a row comes from: small, as all of them are sorted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    frame: u64,
    flow: u32,
    message: u32,
}

/// The messages of one sender that one frame completed.
struct Row<'a> {
    facts: &'a FlowFacts,
    first: MessageMark,
    /// All of them, the first too.
    messages: SmallVec<[MessageMark; 4]>,
}

/// The rows of a connection: the frame of each, and the place of its first message among all.
fn rows_of(facts: &FlowFacts) -> impl Iterator<Item = (u64, u32)> {
    let mut rest = (0..).zip(&facts.messages).peekable();
    iter::from_fn(move || {
        loop {
            let (index, first) = rest.next()?;
            let mut has_row = makes_row(first.kind);
            while let Some((_, next)) = rest.next_if(|(_, next)| is_beside(&first, next)) {
                has_row |= makes_row(next.kind);
            }
            if has_row {
                return Some((first.at.frame, index));
            }
        }
    })
}

/// Whether one frame completed both messages of one sender.
fn is_beside(one: &MessageMark, next: &MessageMark) -> bool {
    next.at.frame == one.at.frame && next.from == one.from
}

/// Whether a frame that completed this has a row.
const fn makes_row(kind: MessageKind) -> bool {
    match kind {
        MessageKind::ClientHello
        | MessageKind::ServerHello
        | MessageKind::HelloRetryRequest
        | MessageKind::Alert { .. } => true,
        MessageKind::Handshake(_) => false,
    }
}

impl<'a> Row<'a> {
    /// The row that begins with the message at a place.
    fn of(facts: &'a FlowFacts, place: usize) -> Option<Self> {
        let mut rest = facts.messages.iter().skip(place);
        let first = rest.next()?;
        let mut messages = smallvec![first];
        messages.extend(rest.take_while(|next| is_beside(&first, next)));
        Some(Self { facts, first, messages })
    }

    fn write<W: Write>(&self, table: &mut CsvTable<W>, first_time: Timestamp) -> io::Result<()> {
        let MessageMark { at, frame_len, from, .. } = self.first;
        let (source, destination) = match from {
            Side::Client => (self.facts.client, self.facts.server),
            Side::Server => (self.facts.server, self.facts.client),
        };
        table.number(at.frame);
        table.seconds(at.time.nanos_since(first_time));
        table.address(source.addr);
        table.address(destination.addr);
        table.word(self.protocol());
        table.number(frame_len.into());
        table.text_of(|cell| self.put_info(cell));
        table.number(source.port.into());
        table.number(destination.port.into());
        table.end_record()
    }

    /// The protocol as Wireshark names it: of the conversation when a ServerHello settled it, else
    /// by the record around a ClientHello, and for alerts by the hello that they answer.
    fn protocol(&self) -> &'static str {
        let facts = self.facts;
        if facts.protocol == Protocol::Quic {
            return "QUIC";
        }
        let hello = facts.client_hello.as_ref();
        let is_hello = self.messages.iter().any(|m| m.kind == MessageKind::ClientHello);
        if is_hello && hello.is_some_and(|hello| hello.offer.format == HelloFormat::SslV2) {
            return "SSLv2";
        }
        // Messages that follow an answer that was not seen have records of the version settled.
        let went_on = facts.messages.iter().any(|m| matches!(m.kind, MessageKind::Handshake(_)));
        let of_record = hello.map(|hello| hello.record_version).filter(|_| is_hello && !went_on);
        let of_offer = hello.map(|hello| hello.offer.legacy_version);
        let of_server = facts.server_hello.as_ref().map(|hello| hello.legacy_version);
        let seen = [of_record, of_offer, of_server].into_iter().flatten();
        match facts.negotiated().or_else(|| seen.filter_map(Version::from_wire).next()) {
            Some(version) => protocol_name(version),
            None if facts.protocol == Protocol::Dtls => "DTLS",
            None => "TLS",
        }
    }

    /// The messages in Wireshark's words, joined by commas.
    fn put_info(&self, cell: &mut String) {
        for (index, message) in self.messages.iter().enumerate() {
            if index > 0 {
                cell.push_str(", ");
            }
            match message.kind {
                MessageKind::ClientHello => self.put_client_hello(cell),
                kind => put_message(cell, kind),
            }
        }
    }

    fn put_client_hello(&self, cell: &mut String) {
        cell.push_str("Client Hello");
        let hello = self.facts.client_hello.as_ref();
        if let Some(name) = hello.and_then(|hello| hello.server_name.as_deref()) {
            cell.push_str(" (SNI=");
            cell.push_str(name);
            cell.push(')');
        }
    }
}

/// The name of a version in Wireshark's column.
const fn protocol_name(version: Version) -> &'static str {
    match version {
        Version::Ssl2 => "SSLv2",
        Version::Ssl3 => "SSLv3",
        Version::Tls10 => "TLSv1",
        Version::Tls11 => "TLSv1.1",
        Version::Tls12 => "TLSv1.2",
        Version::Tls13 => "TLSv1.3",
        Version::Dtls10 => "DTLSv1.0",
        Version::Dtls12 => "DTLSv1.2",
        Version::Dtls13 => "DTLSv1.3",
    }
}

/// Puts a kind of message in Wireshark's words.
pub(super) fn put_message(cell: &mut String, kind: MessageKind) {
    match kind {
        MessageKind::ClientHello => cell.push_str("Client Hello"),
        MessageKind::ServerHello => cell.push_str("Server Hello"),
        MessageKind::HelloRetryRequest => cell.push_str("Hello Retry Request"),
        MessageKind::Handshake(number) => put_handshake(cell, number),
        MessageKind::Alert { level, description } => put_alert(cell, level, description),
    }
}

fn put_handshake(cell: &mut String, number: u8) {
    cell.push_str(match number {
        0 => "Hello Request",
        1 => "Client Hello",
        2 => "Server Hello",
        3 => "Hello Verify Request",
        4 => "New Session Ticket",
        5 => "End of Early Data",
        6 => "Hello Retry Request",
        8 => "Encrypted Extensions",
        11 => "Certificate",
        12 => "Server Key Exchange",
        13 => "Certificate Request",
        14 => "Server Hello Done",
        15 => "Certificate Verify",
        16 => "Client Key Exchange",
        20 => "Finished",
        21 => "Certificate URL",
        22 => "Certificate Status",
        23 => "Supplemental Data",
        24 => "Key Update",
        25 => "Compressed Certificate",
        67 => "Next Protocol",
        254 => "Message Hash",
        _ => return cell.push_str(&format!("Unknown Handshake Message ({number})")),
    });
}

fn put_alert(cell: &mut String, level: u8, description: u8) {
    cell.push_str("Alert (Level: ");
    match level {
        1 => cell.push_str("Warning"),
        2 => cell.push_str("Fatal"),
        _ => cell.push_str(&format!("Unknown ({level})")),
    }
    cell.push_str(", Description: ");
    match iana::alert(description) {
        Some(name) => put_title_case(cell, name),
        None => cell.push_str(&format!("Unknown ({description})")),
    }
    cell.push(')');
}

/// `unknown_ca` as `Unknown CA`: words with capitals, abbreviations in capitals.
fn put_title_case(cell: &mut String, snake: &str) {
    for (index, word) in snake.split('_').enumerate() {
        if index > 0 {
            cell.push(' ');
        }
        match word {
            "ca" | "mac" | "psk" | "ech" => cell.push_str(&word.to_ascii_uppercase()),
            "cids" => cell.push_str("CIDs"),
            _ => {
                let (initial, rest) = word.split_at(word.len().min(1));
                cell.push_str(&initial.to_ascii_uppercase());
                cell.push_str(rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, testkit};

    fn csv(flows: &[JudgedFlow]) -> Vec<String> {
        let mut out = Vec::new();
        let first_time = Timestamp::from_nanos(testkit::START_NS);
        write_handshakes(&mut out, Connections::Held(flows), first_time).unwrap();
        String::from_utf8(out).unwrap().lines().skip(1).map(str::to_owned).collect()
    }

    /// A connection of the given messages only, all after 3 ms.
    fn flow(messages: &[(u64, Side, MessageKind)]) -> JudgedFlow {
        let mut facts = testkit::facts("10.0.0.7:50000", "52.97.1.1:443");
        facts.messages = messages
            .iter()
            .map(|&(frame, from, kind)| MessageMark {
                at: testkit::mark(frame, 3),
                frame_len: 99,
                from,
                kind,
            })
            .collect();
        testkit::judged(facts, Verdict::Unknown, None)
    }

    #[test]
    fn a_handshake_in_wireshark_s_words() {
        assert_eq!(
            csv(&[testkit::old_client()]),
            [
                "4,0.003000,10.0.0.7,52.97.1.1,TLSv1,200,Client Hello (SNI=outlook.office365.com),\
                 50000,443",
                "6,0.003000,52.97.1.1,10.0.0.7,TLSv1,200,\"Server Hello, Certificate, \
                 Server Key Exchange, Server Hello Done\",443,50000",
            ]
        );
    }

    #[test]
    fn alerts_and_retries() {
        let fatal = |description| MessageKind::Alert { level: 2, description };
        let check = |kind, expect: &str| {
            let rows = csv(&[flow(&[(5, Side::Server, kind)])]);
            assert_eq!(rows, [format!("5,0.003000,52.97.1.1,10.0.0.7,TLS,99,{expect},443,50000")]);
        };
        check(fatal(70), "\"Alert (Level: Fatal, Description: Protocol Version)\"");
        check(fatal(48), "\"Alert (Level: Fatal, Description: Unknown CA)\"");
        check(fatal(20), "\"Alert (Level: Fatal, Description: Bad Record MAC)\"");
        check(fatal(99), "\"Alert (Level: Fatal, Description: Unknown (99))\"");
        check(
            MessageKind::Alert { level: 1, description: 0 },
            "\"Alert (Level: Warning, Description: Close Notify)\"",
        );
        check(MessageKind::HelloRetryRequest, "Hello Retry Request");
    }

    #[test]
    fn a_frame_without_hello_or_alert_has_no_row() {
        let server = Side::Server;
        let rows = csv(&[flow(&[
            (5, server, MessageKind::ServerHello),
            (5, server, MessageKind::Handshake(11)),
            (6, server, MessageKind::Handshake(12)),
            (7, Side::Client, MessageKind::Handshake(16)),
            (8, server, MessageKind::Handshake(4)),
            (9, server, MessageKind::Handshake(77)),
            (9, server, MessageKind::Alert { level: 1, description: 90 }),
        ])]);
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert!(rows[0].starts_with("5,") && rows[0].contains("\"Server Hello, Certificate\""));
        assert!(rows[1].starts_with("9,"), "{rows:?}");
        assert!(rows[1].contains("Unknown Handshake Message (77), Alert (Level: Warning, "));
    }

    #[test]
    fn without_a_server_hello_rows_name_the_record_or_the_hello() {
        let refused = |record_version: u16, legacy_version: u16, format: HelloFormat| {
            let mut flow = testkit::old_client();
            let facts = &mut flow.facts;
            facts.server_hello = None;
            let hello = facts.client_hello.as_mut().unwrap();
            hello.record_version = record_version;
            let offer = std::sync::Arc::make_mut(&mut hello.offer);
            (offer.legacy_version, offer.format) = (legacy_version, format);
            let alert = MessageKind::Alert { level: 2, description: 70 };
            let kinds = [(Side::Client, MessageKind::ClientHello), (Side::Server, alert)];
            facts.messages = kinds
                .into_iter()
                .zip(4..)
                .map(|((from, kind), frame)| MessageMark {
                    at: testkit::mark(frame, 3),
                    frame_len: 99,
                    from,
                    kind,
                })
                .collect();
            let protocols: Vec<String> =
                csv(&[flow]).iter().map(|row| row.split(',').nth(4).unwrap().to_owned()).collect();
            protocols.join(" ")
        };
        assert_eq!(refused(0x0301, 0x0301, HelloFormat::Tls), "TLSv1 TLSv1");
        assert_eq!(refused(0x0300, 0x0301, HelloFormat::Tls), "SSLv3 TLSv1");
        assert_eq!(refused(0x0301, 0x0303, HelloFormat::Tls), "TLSv1 TLSv1.2");
        assert_eq!(refused(0x0303, 0x0303, HelloFormat::Tls), "TLSv1.2 TLSv1.2");
        assert_eq!(refused(0x0002, 0x0301, HelloFormat::SslV2), "SSLv2 TLSv1");
    }

    #[test]
    fn rows_are_sorted_by_frame_over_all_connections() {
        let hello = MessageKind::ClientHello;
        let one = flow(&[(9, Side::Client, hello), (12, Side::Client, hello)]);
        let other = flow(&[(3, Side::Client, hello), (10, Side::Client, hello)]);
        let numbers: Vec<String> = csv(&[one, other])
            .iter()
            .map(|row| row.split(',').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(numbers, ["3", "9", "10", "12"]);
    }
}

//! `handshakes.csv`: hellos and alerts, as Wireshark exports packets.
//!
//! A row is one frame that completed a ClientHello, ServerHello, HelloRetryRequest or alert, with
//! all that it completed of one sender, in Wireshark's columns and words, so that what reads its
//! exports reads this. Ports come behind the columns that Wireshark has by
//! default. Addresses are those on the wire.

use std::fmt;
use std::io::{self, Write};

use dissect::{
    FlowFacts, HelloFormat, MessageKind, MessageMark, Protocol, Side, Timestamp, Version,
};

use super::csv::CsvTable;
use crate::JudgedFlow;
use crate::iana;

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
    flows: &[JudgedFlow],
    first_time: Timestamp,
) -> io::Result<()> {
    let mut table = CsvTable::new(out, &HANDSHAKE_COLUMNS)?;
    let mut rows: Vec<Row<'_>> = flows.iter().flat_map(|flow| rows_of(&flow.facts)).collect();
    // Several inputs may number their frames alike: then time tells, and the ends.
    rows.sort_by(|one, next| {
        let ends = |row: &Row<'_>| (row.facts.client, row.facts.server);
        one.first.at.cmp(&next.first.at).then_with(|| ends(one).cmp(&ends(next)))
    });
    for row in &rows {
        row.write(&mut table, first_time)?;
    }
    table.finish()
}

/// The messages of one sender that one frame completed.
struct Row<'a> {
    facts: &'a FlowFacts,
    first: &'a MessageMark,
    /// All of them, the first too.
    messages: &'a [MessageMark],
}

/// A connection's messages, put together by frame and sender.
fn rows_of(facts: &FlowFacts) -> impl Iterator<Item = Row<'_>> {
    facts
        .messages
        .chunk_by(|one, next| one.at.frame == next.at.frame && one.from == next.from)
        .filter(|messages| messages.iter().any(|message| makes_row(message.kind)))
        .filter_map(move |messages| Some(Row { facts, first: messages.first()?, messages }))
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

impl Row<'_> {
    fn write<W: Write>(&self, table: &mut CsvTable<W>, first_time: Timestamp) -> io::Result<()> {
        let MessageMark { at, frame_len, from, .. } = *self.first;
        let (source, destination) = match from {
            Side::Client => (self.facts.client, self.facts.server),
            Side::Server => (self.facts.server, self.facts.client),
        };
        table.number(at.frame)?;
        table.value(Seconds(at.time.nanos_since(first_time)))?;
        table.value(source.addr)?;
        table.value(destination.addr)?;
        table.word(self.protocol())?;
        table.number(frame_len.into())?;
        table.text_of(Info(self))?;
        table.number(source.port.into())?;
        table.number(destination.port.into())?;
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

/// The messages in Wireshark's words, joined by commas.
struct Info<'a>(&'a Row<'a>);

impl fmt::Display for Info<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, message) in self.0.messages.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            match message.kind {
                MessageKind::ClientHello => self.client_hello(f)?,
                MessageKind::ServerHello => f.write_str("Server Hello")?,
                MessageKind::HelloRetryRequest => f.write_str("Hello Retry Request")?,
                MessageKind::Handshake(number) => handshake(f, number)?,
                MessageKind::Alert { level, description } => alert(f, level, description)?,
            }
        }
        Ok(())
    }
}

impl Info<'_> {
    fn client_hello(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hello = self.0.facts.client_hello.as_ref();
        match hello.and_then(|hello| hello.server_name.as_deref()) {
            Some(name) => write!(f, "Client Hello (SNI={name})"),
            None => f.write_str("Client Hello"),
        }
    }
}

fn handshake(f: &mut fmt::Formatter<'_>, number: u8) -> fmt::Result {
    f.write_str(match number {
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
        _ => return write!(f, "Unknown Handshake Message ({number})"),
    })
}

fn alert(f: &mut fmt::Formatter<'_>, level: u8, description: u8) -> fmt::Result {
    f.write_str("Alert (Level: ")?;
    match level {
        1 => f.write_str("Warning")?,
        2 => f.write_str("Fatal")?,
        _ => write!(f, "Unknown ({level})")?,
    }
    f.write_str(", Description: ")?;
    match iana::alert(description) {
        Some(name) => title_case(f, name)?,
        None => write!(f, "Unknown ({description})")?,
    }
    f.write_str(")")
}

/// `unknown_ca` as `Unknown CA`: words with capitals, abbreviations in capitals.
fn title_case(f: &mut fmt::Formatter<'_>, snake: &str) -> fmt::Result {
    for (index, word) in snake.split('_').enumerate() {
        if index > 0 {
            f.write_str(" ")?;
        }
        match word {
            "ca" | "mac" | "psk" | "ech" => f.write_str(&word.to_ascii_uppercase())?,
            "cids" => f.write_str("CIDs")?,
            _ => {
                let (initial, rest) = word.split_at(word.len().min(1));
                write!(f, "{}{rest}", initial.to_ascii_uppercase())?;
            }
        }
    }
    Ok(())
}

/// Nanoseconds as seconds with six decimals, cut; negative when the clock stepped back.
struct Seconds(i64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.unsigned_abs() / 1_000;
        let sign = if self.0 < 0 && micros > 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Verdict, testkit};

    fn csv(flows: &[JudgedFlow]) -> Vec<String> {
        let mut out = Vec::new();
        write_handshakes(&mut out, flows, Timestamp::from_nanos(testkit::START_NS)).unwrap();
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

    #[test]
    fn times_have_six_decimals() {
        let check = |ns, expect| assert_eq!(Seconds(ns).to_string(), expect);
        check(0, "0.000000");
        check(1_234_567_891, "1.234567");
        check(-1_500_000, "-0.001500");
        check(-1, "0.000000");
    }
}

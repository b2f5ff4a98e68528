//! The words of a packet list: Wireshark's columns Protocol and Info.
//!
//! The Protocol of a ServerHello's row is the version that was selected. That of a ClientHello's
//! row is the conversation's when the list was made in two passes, as Wireshark does, and the
//! record's when it was made in one, as tshark does; a refusal's record may even name a version
//! that nobody offered. It is evidence of nothing and is not looked at.

use std::sync::Arc;

use dissect::{MessageKind, Version};
use smallvec::SmallVec;

use super::values;

/// What the columns say of the records in a packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) messages: SmallVec<[MessageKind; 6]>,
    pub(super) changes_cipher: bool,
    pub(super) application_records: u32,
    /// Records that can't be followed: cut, or none of TLS.
    pub(super) has_other: bool,
    /// The name that a ClientHello asks for.
    pub(super) server_name: Option<Arc<str>>,
    pub(super) is_retransmission: bool,
}

/// A packet of TCP that carries nothing that Wireshark knows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) reset: bool,
    pub(super) sequence: Option<u64>,
}

/// What the column Protocol names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Dtls,
    Http,
    Quic,
    Tcp,
    /// SSL or TLS, with a version where one is named.
    Tls(Option<Version>),
    Other,
}

/// Reads the column Protocol.
pub(super) fn spoken(protocol: &str) -> Spoken {
    match protocol {
        "TCP" => Spoken::Tcp,
        "HTTP" => Spoken::Http,
        "SSL" | "TLS" => Spoken::Tls(None),
        "QUIC" | "GQUIC" => Spoken::Quic,
        _ if protocol.starts_with("DTLS") => Spoken::Dtls,
        _ => match values::version(protocol) {
            Some(version) => Spoken::Tls(Some(version)),
            None => Spoken::Other,
        },
    }
}

/// Reads the column Info of a packet of TLS.
pub(super) fn records(info: &str) -> Told {
    const NAME: &str = "(SNI=";
    let (info, is_retransmission) = without_notes(info);
    let mut told = Told { is_retransmission, ..Told::default() };
    let mut rest = info.trim_start_matches([',', ' ']);
    while !rest.is_empty() {
        let item;
        (item, rest) = next_item(rest);
        if let Some(name) = item.strip_prefix("Client Hello ").and_then(|it| it.strip_prefix(NAME))
        {
            told.messages.push(MessageKind::ClientHello);
            // A name comes from the wire: what may be more than a name ends the reading.
            let name = name.strip_suffix(')').filter(|name| is_name(name));
            let Some(name) = name.filter(|_| may_follow_hello(rest)) else { return told };
            told.server_name = Some(name.into());
        } else {
            told.note(item);
        }
    }
    told
}

/// Cuts `info` behind its first item; commas in parentheses separate nothing.
fn next_item(info: &str) -> (&str, &str) {
    let mut depth = 0u32;
    for (at, c) in info.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                let rest = info.get(at + 1..).unwrap_or_default();
                return (info[..at].trim(), rest.trim_start());
            }
            _ => {}
        }
    }
    (info.trim(), "")
}

/// Whether items may stand behind a ClientHello: anything else is part of its name.
fn may_follow_hello(items: &str) -> bool {
    let mut items = items.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.all(|item| matches!(item, "Application Data" | "Change Cipher Spec" | "Client Hello"))
}

/// Whether a text has no character that means something in the column.
fn is_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(['(', ')', ',', ' ', '"'])
}

impl Told {
    fn note(&mut self, item: &str) {
        /// More than a frame holds but of empty records.
        const MESSAGES_MAX: usize = 32;
        if self.messages.len() >= MESSAGES_MAX {
            return;
        }
        match item {
            "Change Cipher Spec" => self.changes_cipher = true,
            "Application Data" => self.application_records += 1,
            "Encrypted Handshake Message" | "Encrypted Alert" => {}
            "Hello Retry Request" => self.messages.push(MessageKind::HelloRetryRequest),
            _ => match alert(item).or_else(|| message(item)) {
                Some(kind) => self.messages.push(kind),
                None => self.has_other = true,
            },
        }
    }

    /// Whether it says anything of TLS at all.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty() && !self.changes_cipher && self.application_records == 0
    }
}

fn message(item: &str) -> Option<MessageKind> {
    Some(match values::message(item)? {
        1 => MessageKind::ClientHello,
        2 => MessageKind::ServerHello,
        number => MessageKind::Handshake(number),
    })
}

/// `Alert (Level: Fatal, Description: Protocol Version)`.
fn alert(item: &str) -> Option<MessageKind> {
    let inner = item.strip_prefix("Alert (Level: ")?.strip_suffix(')')?;
    let (level, description) = inner.split_once(", Description: ")?;
    Some(MessageKind::Alert {
        level: values::level(level)?,
        description: values::alert(description)?,
    })
}

/// The words behind notes such as `[TCP Retransmission]`, and whether the packet was sent before.
fn without_notes(info: &str) -> (&str, bool) {
    let (mut rest, mut is_retransmission) = (info.trim(), false);
    while let Some((note, behind)) = rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
        // `[TCP segment of a reassembled PDU]` is all there is of such a packet.
        is_retransmission |= note.contains("Retransmission");
        rest = behind.trim_start_matches([' ', ',']);
    }
    (rest, is_retransmission)
}

/// Reads the column Info of a packet of TCP: `443 \u{2192} 50000 [SYN, ACK] Seq=0 Ack=1`. The
/// arrow may be anything, as terminals and tools write it in many ways.
pub(super) fn segment(info: &str) -> Option<Segment> {
    let (info, _) = without_notes(info);
    let (ports, rest) = info.split_once('[')?;
    let (flags, rest) = rest.split_once(']')?;
    let mut words = ports.split_whitespace();
    let port = |word: &str| -> Option<u16> {
        // Names of services stand there when they are resolved: `https(443)`.
        let digits = word.split_once('(').map_or(word, |(_, number)| number.trim_end_matches(')'));
        digits.parse().ok()
    };
    let (source, _arrow, destination) = (words.next()?, words.next()?, words.next()?);
    let has = |flag: &str| flags.split(',').any(|it| it.trim() == flag);
    let sequence = rest.split_whitespace().find_map(|word| word.strip_prefix("Seq="));
    Some(Segment {
        source_port: port(source)?,
        destination_port: port(destination)?,
        syn: has("SYN"),
        ack: has("ACK"),
        fin: has("FIN"),
        reset: has("RST"),
        sequence: sequence.and_then(|text| text.parse().ok()),
    })
}

/// The target of an HTTP CONNECT: `CONNECT outlook.office365.com:443 HTTP/1.1`.
pub(super) fn connect_target(info: &str) -> Option<&str> {
    let (info, _) = without_notes(info);
    info.strip_prefix("CONNECT ")?.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER_HELLO_DONE: MessageKind = MessageKind::Handshake(14);

    fn kinds(info: &str) -> Vec<MessageKind> {
        records(info).messages.to_vec()
    }

    #[test]
    fn messages_are_read_from_the_words() {
        use MessageKind::{Alert, ClientHello, Handshake, HelloRetryRequest, ServerHello};
        assert_eq!(kinds("Client Hello"), [ClientHello]);
        let told = records("Client Hello (SNI=outlook.office365.com), Change Cipher Spec");
        assert_eq!(told.messages[..], [ClientHello]);
        assert_eq!(told.server_name.as_deref(), Some("outlook.office365.com"));
        assert!(told.changes_cipher);
        assert_eq!(
            kinds("Server Hello, Certificate, Server Hello Done"),
            [ServerHello, Handshake(11), SERVER_HELLO_DONE]
        );
        let fatal = Alert { level: 2, description: 70 };
        assert_eq!(kinds("Alert (Level: Fatal, Description: Protocol Version)"), [fatal]);
        assert_eq!(kinds("Hello Retry Request, Change Cipher Spec"), [HelloRetryRequest]);
        let told = records("Server Hello, Change Cipher Spec, Application Data, Application Data");
        assert_eq!((told.application_records, told.changes_cipher), (2, true));
        for other in ["Continuation Data", "Ignored Unknown Record"] {
            assert!(records(other).is_empty() && records(other).has_other, "{other}");
        }
        assert!(records("[TCP segment of a reassembled PDU]").is_empty());
        let told = records("[TCP Spurious Retransmission] , Client Hello");
        assert!(told.is_retransmission && told.messages[..] == [ClientHello]);
    }

    #[test]
    fn a_name_from_the_wire_says_nothing_but_itself() {
        for name in ["x), Server Hello", "x, Server Hello", "x), Server Hello, (y", "(", ""] {
            let told = records(&format!("Client Hello (SNI={name})"));
            assert_eq!(told.messages[..], [MessageKind::ClientHello], "{name}");
            assert_eq!(told.server_name, None, "{name}");
        }
    }

    #[test]
    fn segments_are_read_from_the_words() {
        let check = |info: &str, ports: (u16, u16), flags: [bool; 4], sequence| {
            let found = segment(info).unwrap_or_else(|| panic!("{info}"));
            assert_eq!((found.source_port, found.destination_port), ports, "{info}");
            assert_eq!([found.syn, found.ack, found.fin, found.reset], flags, "{info}");
            assert_eq!(found.sequence, sequence, "{info}");
        };
        let (yes, no) = (true, false);
        check(
            "443 \u{2192} 51234 [SYN, ACK] Seq=0 Ack=1",
            (443, 51234),
            [yes, yes, no, no],
            Some(0),
        );
        check("51234 > 443 [SYN] Seq=0 Win=1", (51234, 443), [yes, no, no, no], Some(0));
        check(
            "51234 \u{393}\u{e5}\u{c6} 443 [RST] Seq=9",
            (51234, 443),
            [no, no, no, yes],
            Some(9),
        );
        check(
            "[TCP Port numbers reused] 1 \u{2192} 2 [FIN, ACK]",
            (1, 2),
            [no, yes, yes, no],
            None,
        );
        check("https(443) \u{2192} 51234 [ACK] Seq=1", (443, 51234), [no, yes, no, no], Some(1));
        for other in ["", "Client Hello", "443 \u{2192} x [SYN]", "443 [SYN]", "70000 > 1 [SYN]"] {
            assert_eq!(segment(other), None, "{other}");
        }
        assert_eq!(connect_target("CONNECT a.example:443 HTTP/1.1 "), Some("a.example:443"));
        assert_eq!(connect_target("GET / HTTP/1.1"), None);
    }

    #[test]
    fn protocols_are_told() {
        let check = |text, expect| assert_eq!(spoken(text), expect, "{text}");
        check("TLSv1", Spoken::Tls(Some(Version::Tls10)));
        check("SSLv2", Spoken::Tls(Some(Version::Ssl2)));
        check("SSL", Spoken::Tls(None));
        check("DTLSv1.2", Spoken::Dtls);
        check("QUIC", Spoken::Quic);
        check("DNS", Spoken::Other);
    }
}

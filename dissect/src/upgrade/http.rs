//! HTTP/1.x as far as it leads to TLS: `CONNECT` (RFC 9110 §9.3.6) with the rounds of proxy
//! authentication before it, and `Upgrade: TLS/1.x` (RFC 2817) of printers.
//!
//! Bodies are passed over by their length, so that nothing in them is ever taken for an answer. A
//! direction whose requests are others than these, or whose 2xx answers have a body, is plain.

use super::lines::{Cut, Cutter, is_one, words};
use super::server::begins;
use super::{Dialogue, Heard, PreludeFacts};
use crate::{Side, Upgrade};

/// Longest host name that is noted (RFC 1035 §2.3.4).
const NAME_MAX: usize = 255;

/// Longest body that is passed over: an error page. A longer one is a download.
const BODY_MAX: usize = 64 * 1024;

/// One direction of HTTP.
#[derive(Debug)]
pub(super) struct Http {
    cutter: Cutter,
    side: Side,
    at: At,
    message: Message,
    /// A tunnel was asked for or granted: what follows may be anything.
    tunnel: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Head,
    ChunkSize,
    ChunkEnd,
    Trailer,
}

/// What the head of the running message says.
#[derive(Debug, Clone, Copy, Default)]
struct Message {
    kind: Kind,
    length: usize,
    chunked: bool,
    /// `Upgrade: TLS/1.x`.
    to_tls: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    Connect,
    #[default]
    Options,
    Status(u16),
}

impl Http {
    pub(super) fn new(side: Side) -> Self {
        let cutter = Cutter::default();
        Self { cutter, side, at: At::Start, message: Message::default(), tunnel: false }
    }

    pub(super) fn read(&mut self, input: &[u8], facts: &mut PreludeFacts) -> Heard {
        if self.at == At::Start && !matches!(input, [b'\r' | b'\n', ..]) {
            let opens = match self.side {
                Side::Server => begins(input, b"HTTP/1."),
                Side::Client => match begins(input, b"CONNECT ") {
                    Some(false) => begins(input, b"OPTIONS "),
                    decided => decided,
                },
            };
            match opens {
                Some(true) => {}
                None => return Heard::Partial,
                Some(false) if self.tunnel => return Heard::Becomes(0, Dialogue::Unknown),
                Some(false) => return Heard::Plain,
            }
        }
        let (text, len) = match self.cutter.cut(input) {
            Cut::Partial => return Heard::Partial,
            Cut::Rest(len) => return Heard::Idle(len),
            Cut::Line { text, len, .. } => (text, len),
        };
        match self.at {
            At::Start if text.is_empty() => Heard::Idle(len),
            At::Start => {
                self.at = At::Head;
                self.message = Message::default();
                let fits = match self.side {
                    Side::Client => self.hear_request(text, facts),
                    Side::Server => self.hear_status(text, facts),
                };
                if fits { Heard::Message(len) } else { Heard::Plain }
            }
            At::Head if text.is_empty() => self.end_head(len, facts),
            At::Head => self.hear_field(text, len),
            At::ChunkSize => self.hear_chunk_size(text, len),
            At::ChunkEnd => {
                self.at = At::ChunkSize;
                if text.is_empty() { Heard::Message(len) } else { Heard::Plain }
            }
            At::Trailer => {
                if text.is_empty() {
                    self.at = At::Start;
                }
                Heard::Message(len)
            }
        }
    }

    fn hear_request(&mut self, line: &[u8], facts: &mut PreludeFacts) -> bool {
        let mut words = words(line);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !words.next().is_some_and(|version| version.starts_with(b"HTTP/1.")) {
            return false;
        }
        if is_one(method, &["CONNECT"]) {
            facts.speaks(Upgrade::HttpConnect, Side::Client);
            facts.name = host_of(target);
            self.message.kind = Kind::Connect;
        } else {
            facts.role = Some(Side::Client);
            self.message.kind = Kind::Options;
        }
        true
    }

    fn hear_status(&mut self, line: &[u8], facts: &mut PreludeFacts) -> bool {
        let code = words(line).nth(1).and_then(|word| std::str::from_utf8(word).ok());
        let Some(code @ 100..=599) = code.and_then(|code| code.parse().ok()) else { return false };
        facts.role = Some(Side::Server);
        self.message.kind = Kind::Status(code);
        true
    }

    fn hear_field(&mut self, line: &[u8], len: usize) -> Heard {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            return Heard::Message(len);
        };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if is_one(name, &["Content-Length"]) {
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            match length {
                Some(length @ 0..=BODY_MAX) => self.message.length = length,
                _ => return Heard::Plain,
            }
        } else if is_one(name, &["Transfer-Encoding"]) {
            self.message.chunked = value.to_ascii_lowercase().ends_with(b"chunked");
        } else if is_one(name, &["Upgrade"]) {
            self.message.to_tls = value.get(..4).is_some_and(|word| is_one(word, &["TLS/"]));
        }
        Heard::Message(len)
    }

    /// The blank line after the head.
    fn end_head(&mut self, len: usize, facts: &mut PreludeFacts) -> Heard {
        self.at = At::Start;
        let Message { kind, length, chunked, to_tls } = self.message;
        let body = length > 0 || chunked;
        match kind {
            Kind::Connect if body => Heard::Plain,
            Kind::Connect => {
                facts.asked = true;
                self.tunnel = true;
                Heard::Door(len)
            }
            Kind::Options if !to_tls => Heard::Plain,
            Kind::Options => {
                facts.asked = true;
                facts.speaks(Upgrade::Other, Side::Client);
                if chunked { Heard::Plain } else { Heard::Door(len + length) }
            }
            Kind::Status(101) if to_tls => {
                facts.speaks(Upgrade::Other, Side::Server);
                Heard::Door(len)
            }
            Kind::Status(101) => Heard::Plain,
            Kind::Status(100..200) => Heard::Message(len),
            Kind::Status(200..300) if body => Heard::Plain,
            Kind::Status(200..300) => {
                facts.refused = false;
                facts.speaks(Upgrade::HttpConnect, Side::Server);
                self.tunnel = true;
                Heard::Door(len)
            }
            Kind::Status(_) => {
                facts.refused = true;
                if chunked {
                    self.at = At::ChunkSize;
                    Heard::Message(len)
                } else {
                    Heard::Message(len + length)
                }
            }
        }
    }

    fn hear_chunk_size(&mut self, line: &[u8], len: usize) -> Heard {
        let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok();
        match size.and_then(|size| usize::from_str_radix(size, 16).ok()) {
            Some(0) => {
                self.at = At::Trailer;
                Heard::Message(len)
            }
            Some(size @ 1..=BODY_MAX) => {
                self.at = At::ChunkEnd;
                Heard::Message(len + size)
            }
            _ => Heard::Plain,
        }
    }
}

/// The host of `host:port`, also with a scheme, a user or a path around it.
fn host_of(target: &[u8]) -> Option<Box<str>> {
    let target = std::str::from_utf8(target).ok()?;
    let target = target.split_once("://").map_or(target, |(_, rest)| rest);
    let target = target.split(['/', '?', '#']).next()?;
    let target = target.rsplit('@').next()?;
    let host = match target.strip_prefix('[') {
        Some(literal) => literal.split(']').next()?,
        // Two colons without brackets: an address and no port.
        None if target.matches(':').count() > 1 => target,
        None => target.split(':').next()?,
    };
    host_name(host)
}

/// A host name as it is noted: lower case, without the root's dot; `None` when it is none.
pub(super) fn host_name(host: &str) -> Option<Box<str>> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let fits = !host.is_empty()
        && host.len() <= NAME_MAX
        && !host.contains(|letter: char| letter.is_control() || letter.is_whitespace());
    fits.then(|| host.to_lowercase().into_boxed_str())
}

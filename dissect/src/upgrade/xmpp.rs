//! XMPP `<starttls/>` (RFC 6120 §5), of clients and between servers.
//!
//! A scanner of tags, not an XML parser: it knows names without their prefixes, attributes, depth,
//! comments, CDATA and processing instructions. Text is passed over. A tag that is split over pushes
//! is kept until its end; comments and CDATA are not.

use super::http::host_name;
use super::server::begins;
use super::{Heard, PreludeFacts};
use crate::{Side, Upgrade};

/// Deepest nesting of elements that is followed; stream features go four deep.
const DEPTH_MAX: u16 = 32;

const STREAMS_NAMESPACE: &[u8] = b"etherx.jabber.org/streams";
const TLS_NAMESPACE: &str = "urn:ietf:params:xml:ns:xmpp-tls";

/// One direction of an XMPP stream.
#[derive(Debug, Default)]
pub(super) struct Xmpp {
    /// Open elements; 1 is the stream.
    depth: u16,
    /// Within a comment, a CDATA section or a processing instruction, which ends with this.
    until: Option<&'static [u8]>,
    /// Within `<features>` at depth 2.
    in_features: bool,
    /// `<starttls>` or `<proceed>` is open: the door is its end.
    door: bool,
    /// Domains that the stream's header names: whom it is for, and who speaks.
    to: Option<Box<str>>,
    from: Option<Box<str>>,
}

/// A tag, as far as it matters.
struct Tag<'a> {
    /// Name without prefix.
    name: &'a [u8],
    attributes: &'a [u8],
    closes: bool,
    empty: bool,
}

impl Xmpp {
    /// Whether a stream may begin like this: `None` while it is too short to tell.
    pub(super) fn may_open(start: &[u8]) -> Option<bool> {
        let bom: &[u8] = b"\xef\xbb\xbf";
        let rest = match begins(start, bom) {
            None => return None,
            Some(true) => &start[bom.len()..],
            Some(false) => start,
        };
        let rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
        match begins(rest, b"<?xml") {
            Some(true) => return Some(true),
            None => return None,
            Some(false) => {}
        }
        let Some(name) = rest.strip_prefix(b"<") else { return Some(false) };
        let end = name.iter().position(|byte| b" \t\r\n/>".contains(byte));
        match end {
            Some(end) => Some(local(&name[..end]) == b"stream"),
            None if name.len() < 64 && name.iter().all(|&byte| is_name(byte)) => None,
            None => Some(false),
        }
    }

    pub(super) fn read(&mut self, input: &[u8], facts: &mut PreludeFacts) -> Heard {
        if let Some(end) = self.until {
            return self.pass(input, end);
        }
        let Some(first) = input.first() else { return Heard::Partial };
        if *first != b'<' {
            let len = input.iter().position(|&byte| byte == b'<').unwrap_or(input.len());
            let text = &input[..len];
            let blank = len - text.trim_ascii_start().len();
            if blank > 0 {
                return Heard::Idle(blank);
            }
            if text.iter().any(|&byte| byte < b' ' && !byte.is_ascii_whitespace()) {
                return Heard::Plain;
            }
            return Heard::Message(len);
        }
        let sections: [(&[u8], &'static [u8]); 3] =
            [(b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?", b"?>")];
        for (opening, end) in sections {
            match begins(input, opening) {
                Some(true) => {
                    self.until = Some(end);
                    return Heard::Idle(opening.len());
                }
                None => return Heard::Partial,
                Some(false) => {}
            }
        }
        if input.starts_with(b"<!") {
            // Document types and entities have no place in a stream (RFC 6120 §11.1).
            return Heard::Plain;
        }
        match tag_end(input) {
            None => Heard::Partial,
            Some(len) => self.hear_tag(&Tag::parse(&input[1..len - 1]), len, facts),
        }
    }

    /// Passes over a section until its end, of which the last bytes may be missing.
    fn pass(&mut self, input: &[u8], end: &'static [u8]) -> Heard {
        if let Some(at) = input.windows(end.len()).position(|window| window == end) {
            self.until = None;
            return Heard::Idle(at + end.len());
        }
        let split = (0..end.len()).rev().find(|&len| input.ends_with(&end[..len])).unwrap_or(0);
        match input.len() - split {
            0 => Heard::Partial,
            len => Heard::Idle(len),
        }
    }

    fn hear_tag(&mut self, tag: &Tag<'_>, len: usize, facts: &mut PreludeFacts) -> Heard {
        if tag.closes {
            self.depth = self.depth.saturating_sub(1);
            if self.depth <= 1 {
                self.in_features = false;
            }
            return match self.depth {
                0 => Heard::Plain,
                1 if std::mem::take(&mut self.door) => Heard::Door(len),
                _ => Heard::Message(len),
            };
        }
        let leads = match self.depth {
            0 => self.hear_stream(tag, facts),
            1 => self.hear_child(tag, facts),
            _ => {
                facts.offered |= self.in_features && self.depth == 2 && tag.name == b"starttls";
                true
            }
        };
        if !leads || self.depth >= DEPTH_MAX {
            return Heard::Plain;
        }
        if tag.empty {
            self.in_features &= self.depth > 1;
            let door = self.depth == 1 && std::mem::take(&mut self.door);
            return if door { Heard::Door(len) } else { Heard::Message(len) };
        }
        self.depth += 1;
        Heard::Message(len)
    }

    /// The root element.
    fn hear_stream(&mut self, tag: &Tag<'_>, facts: &mut PreludeFacts) -> bool {
        if tag.name != b"stream" || tag.empty {
            return false;
        }
        let streams = STREAMS_NAMESPACE;
        if !tag.attributes.windows(streams.len()).any(|window| window == streams) {
            return false;
        }
        let domain = |name| tag.attribute(name).as_deref().and_then(domain_of);
        (self.to, self.from) = (domain("to"), domain("from"));
        // Only the answering side may give the stream an id, and a client's counts for nothing
        // (RFC 6120 §4.7.3): a guess until the first child tells.
        let side = if tag.attribute("id").is_some() { Side::Server } else { Side::Client };
        facts.speaks(Upgrade::Xmpp, side);
        self.name_for(side, facts);
        true
    }

    /// Takes the server's domain from the header of a stream that this side began.
    fn name_for(&self, side: Side, facts: &mut PreludeFacts) {
        facts.role = Some(side);
        if !facts.tunnelled() {
            facts.name = match side {
                Side::Client => self.to.clone(),
                Side::Server => self.from.clone(),
            };
        }
    }

    /// A child of the stream. False when the session goes on in the clear.
    fn hear_child(&mut self, tag: &Tag<'_>, facts: &mut PreludeFacts) -> bool {
        match tag.name {
            b"features" => {
                self.name_for(Side::Server, facts);
                self.in_features = !tag.empty;
                true
            }
            b"starttls" => {
                self.name_for(Side::Client, facts);
                facts.asked = true;
                self.door = true;
                true
            }
            b"proceed" => {
                self.name_for(Side::Server, facts);
                facts.refused = false;
                self.door = true;
                true
            }
            b"failure" => {
                let of_tls = tag.attribute("xmlns").is_none_or(|space| space == TLS_NAMESPACE);
                facts.refused |= of_tls;
                false
            }
            // Authentication, stanzas, dialback and errors: the stream stays as it is.
            _ => false,
        }
    }
}

impl<'a> Tag<'a> {
    /// Parses what is between the angle brackets.
    fn parse(inner: &'a [u8]) -> Self {
        let closes = inner.first() == Some(&b'/');
        let inner = if closes { &inner[1..] } else { inner };
        let empty = !closes && inner.last() == Some(&b'/');
        let inner = if empty { &inner[..inner.len() - 1] } else { inner };
        let end = inner.iter().position(u8::is_ascii_whitespace).unwrap_or(inner.len());
        let (name, attributes) = inner.split_at(end);
        Self { name: local(name), attributes, closes, empty }
    }

    /// The value of an attribute; of `xmlns` also with a prefix, when it is this tag's own.
    fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_ascii_start();
            let equals = rest.iter().position(|&byte| byte == b'=')?;
            let name = rest[..equals].trim_ascii();
            let after = rest[equals + 1..].trim_ascii_start();
            let (&quote, value) = after.split_first()?;
            if !matches!(quote, b'"' | b'\'') {
                return None;
            }
            let end = value.iter().position(|&byte| byte == quote)?;
            let named =
                name == wanted.as_bytes() || (wanted == "xmlns" && name.starts_with(b"xmlns:"));
            if named {
                return Some(unescape(&String::from_utf8_lossy(&value[..end])));
            }
            rest = &value[end + 1..];
        }
    }
}

/// Length of the tag at the beginning, to its `>` outside of quotes.
fn tag_end(input: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, &byte) in input.iter().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            None if matches!(byte, b'"' | b'\'') => quote = Some(byte),
            None if byte == b'>' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// A name without its namespace prefix.
fn local(name: &[u8]) -> &[u8] {
    name.rsplit(|&byte| byte == b':').next().unwrap_or(name)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-' | b'.' | 0x80..)
}

/// Replaces the five entities and character references.
fn unescape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (entity, after) = tail.split_once(';').unwrap_or((tail, ""));
        let number = entity.strip_prefix('#').and_then(|digits| match digits.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
        match entity {
            "amp" => out.push('&'),
            "lt" => out.push('<'),
            "gt" => out.push('>'),
            "quot" => out.push('"'),
            "apos" => out.push('\''),
            _ => out.extend(number.and_then(char::from_u32)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The domain of an address (RFC 6120 §1.4): without the local part and the resource.
fn domain_of(address: &str) -> Option<Box<str>> {
    let bare = address.split('/').next().unwrap_or_default();
    host_name(bare.rsplit('@').next().unwrap_or_default().trim())
}

//! A dialogue under way in one direction: message after message, until TLS begins.
//!
//! What a message is, each protocol's module tells by a [`Heard`]. Here are the bytes that a split
//! leaves over, the boundaries at which TLS may begin, and the bounds.

use super::http::Http;
use super::lines::Lines;
use super::look::{self, Look};
use super::openvpn::OpenVpn;
use super::recognise::{Opening, recognise};
use super::socks::Socks;
use super::xmpp::Xmpp;
use super::{PreludeFacts, Step, Wrapping, databases, ldap, proxy, rdp, tds};
use crate::Upgrade;

/// Most bytes of an unfinished message that are kept: the longest stream header, line or packet that
/// has to be seen whole is well below it.
pub(super) const MESSAGE_MAX: usize = 4096;

/// Most bytes of dialogue before a direction is given up. They are not stored. Generous, because
/// three rounds of proxy authentication with Kerberos tickets and error pages fit in no less.
pub(super) const DIALOGUE_MAX: u32 = 256 * 1024;

/// Most messages of dialogue: an IMAP or IRC banner of some hundred lines fits.
const MESSAGES_MAX: u16 = 1024;

/// Most dialogues inside each other: PROXY header, CONNECT, STARTTLS, and one to spare.
const LAYERS_MAX: u8 = 4;

/// Most bytes, and most segments, of a first message in an unknown protocol before TLS.
const UNKNOWN_MAX: u32 = 512;
const UNKNOWN_SEGMENTS_MAX: u8 = 2;

/// Most segments after lost bytes in which a hello is waited for.
const LOSSY_SEGMENTS_MAX: u8 = 8;

/// What a protocol makes of the bytes at a message boundary.
#[derive(Debug)]
pub(super) enum Heard {
    /// The message is not complete.
    Partial,
    /// This many bytes without meaning: blank lines, white space, the rest of a long line.
    Idle(usize),
    /// A message of this length, which may lie beyond the bytes that are there.
    Message(usize),
    /// A message of this length after which TLS may begin.
    Door(usize),
    /// After this many bytes another dialogue begins, or TLS.
    Becomes(usize, Dialogue),
    /// TLS begins here, within packets.
    Wrapped(Wrapping),
    /// This direction is on no way to TLS.
    Plain,
}

/// The protocols, with what each has to remember.
#[derive(Debug, Default)]
pub(super) enum Dialogue {
    #[default]
    Unknown,
    /// No protocol that is known; a hello at the beginning of the next segment is accepted.
    Foreign,
    Lines(Lines),
    Http(Http),
    Xmpp(Xmpp),
    Socks(Socks),
    Proxy,
    Ldap,
    PostgresClient,
    PostgresServer,
    MySql,
    Rdp,
    Tds,
    OpenVpn(OpenVpn),
}

/// A dialogue under way.
#[derive(Debug)]
pub(super) struct Talk {
    dialogue: Dialogue,
    /// Bytes of an unfinished message.
    pub(super) kept: Vec<u8>,
    /// Bytes of the running message that are yet to be passed over.
    skip: usize,
    spent: u32,
    messages: u16,
    segments: u8,
    layers: u8,
    /// TLS may begin at this boundary.
    open: bool,
    /// Bytes were lost, so that doors may have been missed.
    lossy: bool,
}

impl Default for Talk {
    fn default() -> Self {
        Self {
            dialogue: Dialogue::Unknown,
            kept: Vec::new(),
            skip: 0,
            spent: 0,
            messages: 0,
            segments: 0,
            layers: 0,
            open: true,
            lossy: false,
        }
    }
}

impl Talk {
    /// Whether TLS may begin with the next byte, by what was said.
    pub(super) const fn is_open(&self) -> bool {
        self.open && self.messages > 0 && self.skip == 0 && self.kept.is_empty()
    }

    /// Hears one segment.
    pub(super) fn hear(&mut self, bytes: &[u8], facts: &mut PreludeFacts) -> Step {
        self.spent = self.spent.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.segments = self.segments.saturating_add(1);
        if self.spent > DIALOGUE_MAX || self.messages > MESSAGES_MAX {
            return Step::NotTls;
        }
        // Where no door is known, that a hello begins this segment has to do.
        let adrift = match self.dialogue {
            Dialogue::Foreign => true,
            Dialogue::Unknown => self.lossy || !self.kept.is_empty(),
            _ => self.lossy,
        };
        let step = self.advance(bytes, facts);
        if adrift && !matches!(step, Step::Tls { .. }) && look::is_hello(bytes, facts.role) {
            self.kept.clear();
            facts.upgrade.get_or_insert(Upgrade::Other);
            return Step::Tls { consumed: 0 };
        }
        step
    }

    /// Follows the dialogue through what was kept and these bytes, and keeps what is unfinished.
    fn advance(&mut self, bytes: &[u8], facts: &mut PreludeFacts) -> Step {
        if self.kept.is_empty() {
            let (at, step) = self.follow(bytes, facts);
            if step == Step::More {
                self.kept.extend_from_slice(bytes.get(at..).unwrap_or_default());
            }
            return step;
        }
        let mut joined = std::mem::take(&mut self.kept);
        let kept = joined.len();
        joined.extend_from_slice(bytes);
        let (at, step) = self.follow(&joined, facts);
        match step {
            Step::More => {
                joined.drain(..at);
                self.kept = joined;
                step
            }
            Step::Tls { .. } => {
                joined.truncate(kept);
                joined.drain(..at.min(kept));
                self.kept = joined;
                Step::Tls { consumed: at.saturating_sub(kept) }
            }
            Step::NotTls => step,
        }
    }

    /// Takes message after message; tells how far it came.
    fn follow(&mut self, input: &[u8], facts: &mut PreludeFacts) -> (usize, Step) {
        let mut at = 0;
        loop {
            let passed = self.skip.min(input.len() - at);
            self.skip -= passed;
            at += passed;
            let rest = &input[at..];
            if rest.is_empty() {
                return (at, Step::More);
            }
            let open = std::mem::take(&mut self.open);
            if open {
                match look::look(rest, facts.role) {
                    Look::Yes => {
                        facts.upgrade.get_or_insert(Upgrade::Direct);
                        return (at, Step::Tls { consumed: at });
                    }
                    Look::NeedMore => {
                        self.open = true;
                        return (at, Step::More);
                    }
                    Look::No => {}
                }
            }
            match self.read(rest, facts) {
                Heard::Partial if rest.len() >= MESSAGE_MAX => return (at, Step::NotTls),
                Heard::Partial => {
                    self.open = open;
                    return (at, Step::More);
                }
                Heard::Idle(len) => {
                    self.open = open;
                    self.skip = len;
                }
                Heard::Message(len) => self.take(len),
                Heard::Door(len) => {
                    self.take(len);
                    self.open = true;
                }
                Heard::Becomes(len, dialogue) => {
                    self.take(len);
                    self.open = len > 0;
                    self.dialogue = dialogue;
                    self.layers += u8::from(matches!(self.dialogue, Dialogue::Unknown));
                }
                Heard::Wrapped(wrapping) => {
                    facts.wrapped = Some(wrapping);
                    return (at, Step::Tls { consumed: at });
                }
                Heard::Plain => return (at, Step::NotTls),
            }
            if self.messages > MESSAGES_MAX || self.layers > LAYERS_MAX {
                return (at, Step::NotTls);
            }
        }
    }

    fn take(&mut self, len: usize) {
        self.skip = len;
        self.messages += 1;
    }

    fn read(&mut self, rest: &[u8], facts: &mut PreludeFacts) -> Heard {
        match &mut self.dialogue {
            Dialogue::Unknown => match recognise(rest) {
                Opening::Is(dialogue) => Heard::Becomes(0, dialogue),
                Opening::Undecided => Heard::Partial,
                Opening::Plain => Heard::Plain,
            },
            Dialogue::Foreign => {
                let patient = if self.lossy {
                    self.segments <= LOSSY_SEGMENTS_MAX
                } else {
                    self.segments <= UNKNOWN_SEGMENTS_MAX && self.spent <= UNKNOWN_MAX
                };
                if patient { Heard::Idle(rest.len()) } else { Heard::Plain }
            }
            Dialogue::Lines(lines) => lines.read(rest, facts),
            Dialogue::Http(http) => http.read(rest, facts),
            Dialogue::Xmpp(xmpp) => xmpp.read(rest, facts),
            Dialogue::Socks(socks) => socks.read(rest, facts),
            Dialogue::Proxy => proxy::read(rest, facts),
            Dialogue::Ldap => ldap::read(rest, facts),
            Dialogue::PostgresClient => databases::read_postgres_client(rest, facts),
            Dialogue::PostgresServer => databases::read_postgres_server(rest, facts),
            Dialogue::MySql => databases::read_mysql(rest, facts),
            Dialogue::Rdp => rdp::read(rest, facts),
            Dialogue::Tds => tds::read(rest, facts),
            Dialogue::OpenVpn(openvpn) => openvpn.read(rest, facts),
        }
    }

    /// Hears that bytes are missing.
    pub(super) fn lose(&mut self) {
        self.lossy = true;
        self.open = false;
        self.kept.clear();
        self.skip = 0;
        match &mut self.dialogue {
            Dialogue::Lines(lines) => lines.lose(),
            other => {
                *other = Dialogue::Foreign;
                self.segments = 0;
            }
        }
    }
}

//! The cleartext dialogue that comes before TLS on a TCP connection: `STARTTLS` and its kin, proxies
//! and their headers, and the database and desktop protocols that negotiate TLS in their own words.
//!
//! Each direction of a connection is heard on its own, so that a capture of one direction, or of two
//! that are skewed in time, is followed all the same; what both say is joined by the caller. A
//! [`Prelude`] follows one direction message by message and never looks inside one for TLS: records
//! are accepted only at the boundary after a message that leads to them in that protocol.
//! [`looks_like_tls`] decides about the bytes found there. Ports play no part.
//!
//! Invariant: whatever is pushed, and however it is split, at most [`MESSAGE_MAX`] bytes are kept,
//! and a direction that is not on its way to TLS is given up after [`DIALOGUE_MAX`] bytes.

mod client;
mod http;
mod lines;
mod look;
mod recognise;
mod server;
mod xmpp;

#[cfg(test)]
mod tests;

use crate::{Endpoint, Side, Upgrade};

#[cfg_attr(not(test), expect(unused_imports, reason = "for the dissector of TCP streams"))]
pub(crate) use look::{Look, looks_like_tls};

use http::Http;
use lines::Lines;
use recognise::{Opening, recognise};
use xmpp::Xmpp;

/// Most bytes of an unfinished message that are kept: the longest stream header, line or packet that
/// has to be seen whole is well below it.
const MESSAGE_MAX: usize = 4096;

/// Most bytes of dialogue before a direction is given up. They are not stored. Generous, because
/// three rounds of proxy authentication with Kerberos tickets and error pages fit in no less.
const DIALOGUE_MAX: u32 = 256 * 1024;

/// Most messages of dialogue: an IMAP or IRC banner of some hundred lines fits.
const MESSAGES_MAX: u16 = 1024;

/// Most dialogues inside each other: PROXY header, CONNECT, STARTTLS, and one to spare.
const LAYERS_MAX: u8 = 4;

/// Most bytes, and most segments, of a first message in an unknown protocol before TLS.
const UNKNOWN_MAX: u32 = 512;
const UNKNOWN_SEGMENTS_MAX: u8 = 2;

/// Most segments after lost bytes in which a hello is waited for.
const LOSSY_SEGMENTS_MAX: u8 = 8;

/// What to do after a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All bytes are taken and the dialogue goes on.
    More,
    /// TLS begins: with [`Prelude::pending`], then with the pushed bytes from `consumed` on.
    Tls {
        /// How many of the pushed bytes belong to the dialogue.
        consumed: usize,
    },
    /// No TLS will come on this direction.
    NotTls,
}

/// What one direction's dialogue told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PreludeFacts {
    /// The dialogue; `Direct` when TLS came without one.
    ///
    /// A tunnel (`CONNECT`, SOCKS) hides the dialogue that is led inside of it.
    pub(crate) upgrade: Option<Upgrade>,
    /// Host asked of a proxy, without port, lower case, an address as text; or the domain of an XMPP
    /// stream (`to` of a client, `from` of a server).
    pub(crate) name: Option<Box<str>>,
    /// The ends of the connection that a PROXY protocol header speaks of: source, destination.
    pub(crate) proxied: Option<Box<(Endpoint, Endpoint)>>,
    /// Whether this direction is the client's or the server's, by its words.
    pub(crate) role: Option<Side>,
    /// The server announced that it can go over to TLS.
    pub(crate) offered: bool,
    /// The client asked for TLS.
    pub(crate) asked: bool,
    /// The server's latest answer that may concern the request was negative.
    pub(crate) refused: bool,
}

impl PreludeFacts {
    /// Notes the dialogue, unless a tunnel around it is known.
    fn speaks(&mut self, upgrade: Upgrade, role: Side) {
        if !self.tunnelled() {
            self.upgrade = Some(upgrade);
        }
        self.role = Some(role);
    }

    fn tunnelled(&self) -> bool {
        matches!(self.upgrade, Some(Upgrade::HttpConnect | Upgrade::Socks))
    }
}

/// The upgrade of a connection by what its two directions told: the more telling word counts.
///
/// Of directions on which TLS began; what a plain one spoke is no upgrade.
#[must_use]
pub(crate) fn join(one: Option<Upgrade>, other: Option<Upgrade>) -> Option<Upgrade> {
    let weight = |upgrade: Option<Upgrade>| match upgrade {
        None => 0,
        Some(Upgrade::Direct) => 1,
        Some(Upgrade::Other) => 2,
        Some(Upgrade::Smtp) => 3,
        Some(Upgrade::HttpConnect | Upgrade::Socks) => 5,
        Some(_) => 4,
    };
    if weight(other) > weight(one) { other } else { one }
}

/// Follows the cleartext dialogue of one direction until TLS begins or can't any more.
#[derive(Debug, Default)]
pub(crate) struct Prelude {
    facts: PreludeFacts,
    stage: Stage,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Fresh,
    Talking(Box<Talk>),
    Over,
}

impl Prelude {
    /// A direction of which nothing was heard.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Hears the next bytes of this direction, one TCP segment's worth.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Step {
        if bytes.is_empty() {
            return if matches!(self.stage, Stage::Over) { Step::NotTls } else { Step::More };
        }
        let step = match &mut self.stage {
            Stage::Fresh => {
                let mut talk = Talk::default();
                let step = talk.hear(bytes, &mut self.facts);
                if step == Step::More {
                    self.stage = Stage::Talking(Box::new(talk));
                }
                step
            }
            Stage::Talking(talk) => talk.hear(bytes, &mut self.facts),
            Stage::Over => Step::NotTls,
        };
        if step == Step::NotTls {
            self.stage = Stage::Over;
        }
        step
    }

    /// Tells that bytes are missing before the next push.
    ///
    /// A dialogue of lines is taken up at its next line, others are not; TLS is accepted at the
    /// beginning of a segment from here on.
    pub(crate) fn gap(&mut self) {
        match &mut self.stage {
            Stage::Fresh => {
                let mut talk = Box::<Talk>::default();
                talk.lose();
                self.stage = Stage::Talking(talk);
            }
            Stage::Talking(talk) => talk.lose(),
            Stage::Over => {}
        }
    }

    /// After [`Step::Tls`]: the bytes of earlier pushes with which TLS begins.
    #[must_use]
    pub(crate) fn pending(&self) -> &[u8] {
        match &self.stage {
            Stage::Talking(talk) => &talk.kept,
            Stage::Fresh | Stage::Over => &[],
        }
    }

    /// What was learned up to here.
    #[must_use]
    pub(crate) fn facts(&self) -> &PreludeFacts {
        &self.facts
    }
}

/// What a protocol makes of the bytes at a message boundary.
#[derive(Debug)]
enum Heard {
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
    /// This direction is on no way to TLS.
    Plain,
}

/// The protocols, with what each has to remember.
#[derive(Debug, Default)]
enum Dialogue {
    #[default]
    Unknown,
    /// No protocol that is known; a hello at the beginning of the next segment is accepted.
    Foreign,
    Lines(Lines),
    Http(Http),
    Xmpp(Xmpp),
}

/// A dialogue under way.
#[derive(Debug)]
struct Talk {
    dialogue: Dialogue,
    /// Bytes of an unfinished message.
    kept: Vec<u8>,
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
    fn hear(&mut self, bytes: &[u8], facts: &mut PreludeFacts) -> Step {
        self.spent = self.spent.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.segments = self.segments.saturating_add(1);
        let adrift = self.lossy || matches!(self.dialogue, Dialogue::Foreign);
        if adrift && look::is_hello(bytes, facts.role) {
            self.kept.clear();
            facts.upgrade.get_or_insert(Upgrade::Other);
            return Step::Tls { consumed: 0 };
        }
        if self.spent > DIALOGUE_MAX || self.messages > MESSAGES_MAX {
            return Step::NotTls;
        }
        if self.kept.is_empty() {
            let (at, step) = self.follow(bytes, facts);
            match step {
                Step::More => self.kept.extend_from_slice(bytes.get(at..).unwrap_or_default()),
                Step::Tls { .. } => return Step::Tls { consumed: at },
                Step::NotTls => {}
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
        }
    }

    fn lose(&mut self) {
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

//! The cleartext dialogue that comes before TLS on a TCP connection: `STARTTLS` and its kin, proxies
//! and their headers, and the database and desktop protocols that negotiate TLS in their own words.
//!
//! Each direction of a connection is heard on its own, so that a capture of one direction, or of two
//! that are skewed in time, is followed all the same; what both say is joined by the caller. A
//! [`Prelude`] follows one direction message by message and never looks inside one for TLS: records
//! are accepted only at the boundary after a message that leads to them in that protocol.
//! [`look`](look::look) decides about the bytes found there. Ports play no part.
//!
//! Invariant: whatever is pushed, and however it is split, at most [`talk::MESSAGE_MAX`] bytes are kept,
//! and a direction that is not on its way to TLS is given up after [`talk::DIALOGUE_MAX`] bytes.

mod client;
mod databases;
mod http;
mod ldap;
mod lines;
mod look;
mod openvpn;
mod proxy;
mod rdp;
mod recognise;
mod server;
mod socks;
mod talk;
mod tds;
mod unwrap;
mod xmpp;

#[cfg(test)]
mod tests;

use crate::{Endpoint, Side, Upgrade};

pub(crate) use unwrap::Unwrap;

use talk::{Dialogue, Heard, Talk};

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
    /// From where TLS begins, its records travel in packets, which [`Unwrap`] takes off.
    pub(crate) wrapped: Option<Wrapping>,
    /// The server announced that it can go over to TLS.
    pub(crate) offered: bool,
    /// The client asked for TLS.
    pub(crate) asked: bool,
    /// The server's latest answer that may concern the request was negative.
    pub(crate) refused: bool,
}

/// Packets around TLS records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrapping {
    /// TDS packets, until the handshake is over.
    Tds,
    /// OpenVPN's control packets.
    OpenVpn {
        /// Bytes of each packet that guard it: HMAC, packet number and time.
        guard: u8,
    },
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
///
/// After [`Step::Tls`] it has nothing more to hear; take what is pending and the facts, and drop it.
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

    /// Whether it is a server's that has said all that leads to TLS, and nothing behind it.
    #[must_use]
    pub(crate) fn awaits_hello(&self) -> bool {
        let is_open = matches!(&self.stage, Stage::Talking(talk) if talk.is_open());
        is_open && self.facts.role == Some(Side::Server)
    }

    /// What was learned up to here.
    #[must_use]
    pub(crate) fn facts(&self) -> &PreludeFacts {
        &self.facts
    }
}

//! Which dialogue begins here, by its first bytes.
//!
//! All traffic that is not TLS from its first byte comes through here once, so that most of it has
//! to be turned away by the first few bytes.

use super::http::Http;
use super::lines::Lines;
use super::openvpn::{self, OpenVpn};
use super::server::begins;
use super::socks::Socks;
use super::xmpp::Xmpp;
use super::{Dialogue, client, databases, ldap, proxy, rdp, server, tds};
use crate::Side;

/// Most bytes after which a beginning that still fits several protocols fits none.
const OPENING_MAX: usize = 320;

/// What begins.
#[derive(Debug)]
pub(super) enum Opening {
    /// Several protocols begin like this.
    Undecided,
    /// This one.
    Is(Dialogue),
    /// One that never goes over to TLS.
    Plain,
}

/// Openings of protocols that never go over to TLS on the same connection, though they carry
/// anything in their messages.
const PLAIN: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"PATCH ",
    b"TRACE ",
    b"PROPFIND ",
    b"REPORT ",
    b"SUBSCRIBE ",
    b"NOTIFY ",
    b"DESCRIBE ",
    b"INVITE ",
    b"REGISTER ",
    b"SIP/2.0 ",
    b"RTSP/1.0 ",
    b"PRI * HTTP/2",
    b"SSH-",
    b"RFB 00",
    b"GIOP",
    b"\x13BitTorrent protocol",
];

/// Whether a dialogue may begin like this, undecided as `None`, and the dialogue.
type Candidate = (Option<bool>, fn() -> Dialogue);

/// Tells what begins with these bytes, of which there is at least one.
pub(super) fn recognise(start: &[u8]) -> Opening {
    if PLAIN.iter().any(|opening| begins(start, opening) == Some(true)) {
        return Opening::Plain;
    }
    let candidates: [Candidate; 15] = [
        (begins(start, b"CONNECT "), || Dialogue::Http(Http::new(Side::Client))),
        (begins(start, b"OPTIONS "), || Dialogue::Http(Http::new(Side::Client))),
        (begins(start, b"HTTP/1."), || Dialogue::Http(Http::new(Side::Server))),
        (proxy::may_open(start), || Dialogue::Proxy),
        (databases::may_open_mysql(start), || Dialogue::MySql),
        (databases::may_open_postgres_client(start), || Dialogue::PostgresClient),
        (databases::may_open_postgres_server(start), || Dialogue::PostgresServer),
        (ldap::may_open(start), || Dialogue::Ldap),
        (rdp::may_open(start), || Dialogue::Rdp),
        (tds::may_open(start), || Dialogue::Tds),
        (Socks::may_open(start), || Dialogue::Socks(Socks::default())),
        (openvpn::may_open(start), || Dialogue::OpenVpn(OpenVpn::default())),
        (Xmpp::may_open(start), || Dialogue::Xmpp(Xmpp::default())),
        (client::may_open(start), || Dialogue::Lines(Lines::new(Side::Client))),
        (server::may_open(start), || Dialogue::Lines(Lines::new(Side::Server))),
    ];
    if let Some((_, dialogue)) = candidates.iter().find(|(fits, _)| *fits == Some(true)) {
        return Opening::Is(dialogue());
    }
    if start.len() < OPENING_MAX && candidates.iter().any(|(fits, _)| fits.is_none()) {
        return Opening::Undecided;
    }
    Opening::Is(Dialogue::Foreign)
}

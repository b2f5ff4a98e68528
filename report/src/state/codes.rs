//! The numbers that stand for values of few kinds in the file: each value's place in its table.
//!
//! The tables are part of the file's format: new values go to the end, and nothing moves.

use dissect::{
    EndKind, HelloExtent, HelloFormat, Protocol, PseudoTls, RoleFrom, Side, Transport, Upgrade,
};

/// The number of a value. One that the table lacks takes the last place, which is the one for
/// what has no other in the tables of types that may grow.
pub(super) fn code<T: Copy + PartialEq>(table: &[T], value: T) -> u8 {
    let place = table.iter().position(|known| *known == value).unwrap_or(table.len() - 1);
    u8::try_from(place).unwrap_or(u8::MAX)
}

/// The value of a number.
pub(super) fn coded<T: Copy>(table: &[T], code: u8) -> Result<T, &'static str> {
    table.get(usize::from(code)).copied().ok_or("a number stands for nothing")
}

pub(super) const SIDES: [Side; 2] = [Side::Client, Side::Server];

pub(super) const TRANSPORTS: [Transport; 2] = [Transport::Tcp, Transport::Udp];

pub(super) const FORMATS: [HelloFormat; 2] = [HelloFormat::Tls, HelloFormat::SslV2];

pub(super) const EXTENTS: [HelloExtent; 5] = [
    HelloExtent::Version,
    HelloExtent::Suites,
    HelloExtent::Extensions,
    HelloExtent::Whole,
    HelloExtent::Listed,
];

pub(super) const END_KINDS: [EndKind; 2] = [EndKind::Fin, EndKind::Reset];

pub(super) const ROLES: [RoleFrom; 4] =
    [RoleFrom::ClientHello, RoleFrom::ServerHello, RoleFrom::Syn, RoleFrom::Ports];

pub(super) const PROTOCOLS: [Protocol; 6] = [
    Protocol::Tls,
    Protocol::Quic,
    Protocol::Dtls,
    Protocol::PseudoTls(PseudoTls::MsTurn),
    Protocol::PseudoTls(PseudoTls::Google),
    Protocol::PseudoTls(PseudoTls::Skype),
];

pub(super) const UPGRADES: [Upgrade; 18] = [
    Upgrade::Direct,
    Upgrade::Xmpp,
    Upgrade::Smtp,
    Upgrade::AnonymousTls,
    Upgrade::Imap,
    Upgrade::Pop3,
    Upgrade::Ldap,
    Upgrade::Ftp,
    Upgrade::HttpConnect,
    Upgrade::Socks,
    Upgrade::Postgres,
    Upgrade::MySql,
    Upgrade::Tds,
    Upgrade::Rdp,
    Upgrade::Irc,
    Upgrade::Nntp,
    Upgrade::Sieve,
    Upgrade::Other,
];

//! Lines that a client says: the commands that ask for TLS, those that give the protocol away, and
//! those after which a session stays in the clear.

use super::PreludeFacts;
use super::lines::{Leads, Lines, is_one, words};
use crate::Upgrade;

/// Commands that only one protocol has.
const SMTP: &[&str] = &["EHLO", "HELO", "LHLO", "MAIL", "RCPT", "XCLIENT", "X-EXPS"];
const POP3: &[&str] = &["CAPA", "APOP", "UIDL"];
const FTP: &[&str] = &["FEAT", "SYST", "OPTS", "CLNT", "PBSZ", "PROT", "ACCT", "EPSV", "PASV"];
const NNTP: &[&str] = &["CAPABILITIES", "MODE", "AUTHINFO", "XOVER"];
const IRC: &[&str] = &["CAP", "NICK", "WEBIRC", "PROTOCTL", "PONG"];
const SIEVE: &[&str] = &["CAPABILITY", "AUTHENTICATE", "UNAUTHENTICATE", "LISTSCRIPTS"];

/// Commands of several protocols, and those that ask for TLS.
const SHARED: &[&str] = &[
    "STARTTLS",
    "X-ANONYMOUSTLS",
    "STLS",
    "AUTH",
    "USER",
    "PASS",
    "NOOP",
    "HELP",
    "RSET",
    "QUIT",
    "HOST",
    "LANG",
    "PING",
    "LOGOUT",
    "DATE",
    "LIST",
    "VRFY",
    "SITE",
    "REIN",
];

/// IMAP's commands before authentication, which follow a tag.
const IMAP: &[&str] =
    &["CAPABILITY", "STARTTLS", "LOGIN", "AUTHENTICATE", "NOOP", "LOGOUT", "ID", "ENABLE"];

/// Commands after which a client has settled for cleartext.
const SETTLED: &[&str] = &[
    "DATA",
    "BDAT",
    "RETR",
    "STOR",
    "DELE",
    "UIDL",
    "TOP",
    "ARTICLE",
    "GROUP",
    "POST",
    "IHAVE",
    "JOIN",
    "PRIVMSG",
    "PUTSCRIPT",
    "LISTSCRIPTS",
    "PORT",
    "EPRT",
];
const SETTLED_IMAP: &[&str] =
    &["SELECT", "EXAMINE", "APPEND", "FETCH", "LIST", "LSUB", "STATUS", "UID", "IDLE", "NAMESPACE"];

/// Hears one line that is not blank.
pub(super) fn hear(lines: &mut Lines, line: &[u8], facts: &mut PreludeFacts) -> Leads {
    let mut words = words(line);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if let Some(upgrade) = asks(lines.protocol, first, second) {
        lines.protocol = Some(upgrade);
        facts.asked = true;
        return Leads::ToTls;
    }
    if lines.protocol == Some(Upgrade::Imap) {
        return if is_one(second, SETTLED_IMAP) { Leads::Nowhere } else { Leads::On };
    }
    if is_one(first, SETTLED) {
        return Leads::Nowhere;
    }
    if lines.protocol.is_none() {
        lines.protocol = tell(first, second, words.next());
    }
    Leads::On
}

/// The upgrade that a command asks for.
fn asks(protocol: Option<Upgrade>, first: &[u8], second: &[u8]) -> Option<Upgrade> {
    if is_one(first, &["STARTTLS"]) {
        // Alone it may be any of four protocols; the server's answer tells.
        Some(protocol.unwrap_or(Upgrade::Other))
    } else if is_one(first, &["X-ANONYMOUSTLS"]) {
        Some(Upgrade::AnonymousTls)
    } else if is_one(first, &["STLS"]) {
        Some(Upgrade::Pop3)
    } else if is_one(first, &["AUTH"]) && is_one(second, &["TLS", "SSL", "TLS-C", "TLS-P"]) {
        Some(Upgrade::Ftp)
    } else if is_one(second, &["STARTTLS"]) && is_tag(first) {
        Some(Upgrade::Imap)
    } else {
        None
    }
}

/// The protocol that a command belongs to, when it belongs to one alone.
fn tell(first: &[u8], second: &[u8], third: Option<&[u8]>) -> Option<Upgrade> {
    let known = [
        (SMTP, Upgrade::Smtp),
        (POP3, Upgrade::Pop3),
        (FTP, Upgrade::Ftp),
        (NNTP, Upgrade::Nntp),
        (IRC, Upgrade::Irc),
        (SIEVE, Upgrade::Sieve),
    ];
    if let Some((_, protocol)) = known.iter().find(|(commands, _)| is_one(first, commands)) {
        return Some(*protocol);
    }
    if is_one(second, IMAP) && is_tag(first) && !is_one(first, SHARED) {
        return Some(Upgrade::Imap);
    }
    // IRC's USER takes four parameters, that of POP3 and FTP takes one.
    (is_one(first, &["USER"]) && third.is_some()).then_some(Upgrade::Irc)
}

/// Whether a first line may be a command: `None` while the line is too short to tell.
pub(super) fn may_open(start: &[u8]) -> Option<bool> {
    let ended = start.contains(&b'\n');
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let first_ended = ended || line.contains(&b' ');
    let mut words = words(line);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let second_ended = ended || words.next().is_some() || line.ends_with(b" ");
    let openers = [SMTP, POP3, FTP, NNTP, IRC, SIEVE, SHARED];
    if first_ended && openers.iter().any(|commands| is_one(first, commands)) {
        return Some(true);
    }
    if !is_tag(first) {
        return Some(false);
    }
    if !first_ended {
        return None;
    }
    match (second.is_empty(), second_ended) {
        (true, _) => (ended).then_some(false),
        (false, true) => Some(is_one(second, IMAP)),
        (false, false) => {
            let begins = |command: &&str| {
                command
                    .as_bytes()
                    .get(..second.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(second))
            };
            if IMAP.iter().any(begins) { None } else { Some(false) }
        }
    }
}

/// An IMAP tag (RFC 9051 §9), or a command.
pub(super) fn is_tag(word: &[u8]) -> bool {
    (1..=32).contains(&word.len())
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_#$&!?/=:".contains(byte))
}

//! Lines that a server says: greetings, capabilities, and the answers that let TLS in.
//!
//! An answer opens the door by its form alone, for what it answers was said in the other direction.
//! That is safe because only a ServerHello or an alert gets through.

use super::PreludeFacts;
use super::client::is_tag;
use super::lines::{Leads, Lines, is_one, words};
use crate::Upgrade;

/// Hears one line that is not blank.
pub(super) fn hear(lines: &mut Lines, line: &[u8], facts: &mut PreludeFacts) -> Leads {
    match line {
        [b'+', b'O', b'K', ..] => {
            lines.protocol = Some(Upgrade::Pop3);
            yes(facts)
        }
        [b'-', b'E', b'R', b'R', ..] => {
            lines.protocol = Some(Upgrade::Pop3);
            no(facts)
        }
        [b'*', b' ', ..] if !matches!(lines.protocol, Some(Upgrade::Irc)) => {
            lines.protocol = Some(Upgrade::Imap);
            facts.offered |= contains(line, b"STARTTLS");
            Leads::On
        }
        [b':', ..] => {
            lines.protocol = Some(Upgrade::Irc);
            let code = words(line).nth(1).unwrap_or_default();
            match code {
                b"670" => yes(facts),
                b"691" => no(facts),
                _ => {
                    facts.offered |= is_one(code, &["CAP"]) && contains(line, b"tls");
                    Leads::On
                }
            }
        }
        [b'"', ..] => {
            lines.protocol = Some(Upgrade::Sieve);
            facts.offered |= contains(line, b"\"STARTTLS\"");
            Leads::On
        }
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9'] => hear_reply(lines, line, facts),
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ' | b'-', ..] => hear_reply(lines, line, facts),
        _ => hear_words(lines, line, facts),
    }
}

/// A reply that begins with three digits.
fn hear_reply(lines: &mut Lines, line: &[u8], facts: &mut PreludeFacts) -> Leads {
    let (code, text) = line.split_at(3);
    let last = text.first() != Some(&b'-');
    let fallback = lines.protocol;
    match code {
        b"220" if last => {
            lines.protocol = Some(fallback.unwrap_or(Upgrade::Smtp));
            yes(facts)
        }
        b"220" => Leads::On,
        b"234" => {
            lines.protocol = Some(Upgrade::Ftp);
            if last { yes(facts) } else { Leads::On }
        }
        b"382" => {
            lines.protocol = Some(Upgrade::Nntp);
            yes(facts)
        }
        b"250" => {
            let word = text.get(1..).unwrap_or_default().trim_ascii();
            facts.offered |= is_one(word, &["STARTTLS", "X-ANONYMOUSTLS"]);
            lines.protocol = Some(Upgrade::Smtp);
            Leads::On
        }
        b"211" | b"331" | b"215" if fallback == Some(Upgrade::Smtp) => {
            lines.protocol = Some(Upgrade::Ftp);
            Leads::On
        }
        b"200" | b"201" | b"101" if fallback.is_none() => {
            lines.protocol = Some(Upgrade::Nntp);
            Leads::On
        }
        b"354" => Leads::Nowhere,
        [b'4' | b'5', ..] => no(facts),
        _ => Leads::On,
    }
}

/// A line that begins with a word: an IMAP or ManageSieve answer, a capability.
fn hear_words(lines: &mut Lines, line: &[u8], facts: &mut PreludeFacts) -> Leads {
    let mut words = words(line);
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match lines.protocol {
        Some(Upgrade::Sieve) => {
            return if is_one(first, &["OK"]) {
                yes(facts)
            } else if is_one(first, &["NO", "BYE"]) {
                no(facts)
            } else {
                Leads::On
            };
        }
        Some(Upgrade::Pop3) => facts.offered |= is_one(first, &["STLS"]),
        Some(Upgrade::Nntp) => facts.offered |= is_one(first, &["STARTTLS"]),
        // FTP's features are indented.
        Some(Upgrade::Smtp | Upgrade::Ftp) if is_one(first, &["AUTH"]) => {
            facts.offered |= contains(second, b"TLS");
        }
        None | Some(Upgrade::Imap) if is_tag(first) => {
            if is_one(second, &["OK"]) {
                lines.protocol = Some(Upgrade::Imap);
                return yes(facts);
            }
            if is_one(second, &["NO", "BAD"]) {
                lines.protocol = Some(Upgrade::Imap);
                return no(facts);
            }
            if is_one(first, &["NOTICE", "PING", "ERROR"]) {
                lines.protocol = Some(Upgrade::Irc);
            }
        }
        _ => {}
    }
    Leads::On
}

fn yes(facts: &mut PreludeFacts) -> Leads {
    facts.refused = false;
    Leads::ToTls
}

fn no(facts: &mut PreludeFacts) -> Leads {
    facts.refused = true;
    Leads::On
}

/// Whether a first line may be a server's: `None` while it is too short to tell.
pub(super) fn may_open(start: &[u8]) -> Option<bool> {
    match start {
        [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', next, ..] => {
            Some((b'1'..=b'5').contains(&start[0]) && matches!(next, b' ' | b'-' | b'\r' | b'\n'))
        }
        [b'1'..=b'5', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => None,
        [b':', ..] => irc_prefix(start),
        [b'"', ..] => quoted(start),
        _ => ["+OK", "-ERR", "* OK", "* PREAUTH", "* BYE", "NOTICE ", "PING ", "ERROR :"]
            .iter()
            .map(|opening| begins(start, opening.as_bytes()))
            .chain([tagged(start)])
            .reduce(either)
            .flatten(),
    }
}

/// `:server.name NUMBER-OR-WORD`
fn irc_prefix(start: &[u8]) -> Option<bool> {
    let name = &start[1..];
    let end = name.iter().position(|&byte| byte == b' ').unwrap_or(name.len());
    let fits = end <= 255 && name[..end].iter().all(u8::is_ascii_graphic);
    match (fits, name.get(end + 1)) {
        (false, _) => Some(false),
        (true, None) => (end == 0 && name.len() > end).then_some(false),
        (true, Some(next)) => Some(end > 0 && next.is_ascii_alphanumeric()),
    }
}

/// `"CAPABILITY"` as ManageSieve announces them.
fn quoted(start: &[u8]) -> Option<bool> {
    let name = &start[1..];
    let end = name.iter().position(|&byte| byte == b'"');
    let word = &name[..end.unwrap_or(name.len())];
    if word.len() > 32 || !word.iter().all(|byte| byte.is_ascii_uppercase()) {
        return Some(false);
    }
    end.map(|end| end > 0)
}

/// `tag OK` of an IMAP server whose greeting was missed.
fn tagged(start: &[u8]) -> Option<bool> {
    let Some(end) = start.iter().position(|&byte| byte == b' ') else {
        return if is_tag(start) { None } else { Some(false) };
    };
    if !is_tag(&start[..end]) {
        return Some(false);
    }
    let second = &start[end + 1..];
    ["OK ", "NO ", "BAD "].iter().map(|word| begins(second, word.as_bytes())).reduce(either)?
}

/// Whether the input begins with this: `None` while it is shorter and fits.
pub(super) fn begins(input: &[u8], with: &[u8]) -> Option<bool> {
    let len = input.len().min(with.len());
    if !input[..len].eq_ignore_ascii_case(&with[..len]) {
        return Some(false);
    }
    (len == with.len()).then_some(true)
}

/// Either of two answers of which `None` is undecided.
pub(super) fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        _ => Some(false),
    }
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
}

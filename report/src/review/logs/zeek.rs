//! Zeek's `ssl.log`: what its header says of its form, and its rows. Zeek writes no version without
//! a ServerHello.

use std::borrow::Cow;

use dissect::{Alert, Coverage, Mark, Refusal, RefusalKind, ServerHello, Side, Version};

use super::{
    Column, Fields, Logged, Row, Told, certificate, client_hello, copy, endpoint, facts, finish,
    moment, server_hello,
};
use crate::iana;
use crate::review::values;

/// Alerts that end no handshake: `close_notify`, `user_canceled`, `no_renegotiation`,
/// `unrecognized_name` (RFC 5246 §7.2, RFC 6066 §3). Zeek names an alert without its level.
const WARNINGS: [u8; 4] = [0, 90, 100, 112];

/// Whether a log of Zeek that has these fields is `ssl.log`: it says of every row whether the
/// handshake was done, and before Bro 2.3 it had columns for what was selected. Ours leaves out what
/// is not known.
pub(in crate::review) fn is_ssl_log(has: impl Fn(&str) -> bool) -> bool {
    has("established") || has("version") && has("cipher") || has("tlsunset_verdict")
}

/// A row of Zeek's `ssl.log`.
pub(in crate::review) fn connection(fields: &Fields) -> Logged {
    let dialler = endpoint(fields, "id.orig_h", "id.orig_p")?;
    let dialled = endpoint(fields, "id.resp_h", "id.resp_p")?;
    // Letters of messages, those of the client in capitals.
    let history = fields.get("ssl_history").unwrap_or_default();
    // The hello came from the end that was dialled.
    let is_flipped = history.contains('^');
    let (client, server) = if is_flipped { (dialled, dialler) } else { (dialler, dialled) };
    let version = fields.get("version").and_then(values::version);
    let suite = fields.get("cipher").and_then(iana::cipher_suite_number);
    let group = fields.get("curve").and_then(iana::group_number);
    // A HelloRetryRequest has a version too, and the suite that the ServerHello will have.
    let has_retried = history.contains('j');
    let is_answered = !has_retried || history.contains('s');
    let answer = version.filter(|_| is_answered);
    let mut answer = answer.map(|version| server_hello(version, suite, group));
    let mut asked = Row::default();
    for (key, column) in [
        ("client_version", Column::Version),
        ("client_ciphers", Column::Suites),
        ("ssl_client_exts", Column::ExtensionTypes),
        ("client_supported_versions", Column::SupportedVersions),
        ("client_curves", Column::Groups),
        ("client_key_share_groups", Column::KeyShares),
        ("point_formats", Column::PointFormats),
        ("orig_alpn", Column::Alpn),
        ("server_name", Column::ServerName),
    ] {
        copy(fields, key, &mut asked, column);
    }
    let established = fields.is_true("established").filter(|is_established| *is_established);
    let mut facts = facts(client, server, version);
    facts.coverage = facts.coverage.with(missing_sides(history));
    facts.dialled_by = Some(if is_flipped { Side::Server } else { Side::Client });
    facts.hello_retried = has_retried;
    let alerted_by = match (history.contains('L'), history.contains('l')) {
        (true, false) => Some(Side::Client),
        (false, true) => Some(Side::Server),
        _ => None,
    };
    if let Some(description) = fields.get("last_alert").and_then(values::alert)
        && established.is_none()
        && !WARNINGS.contains(&description)
    {
        let alert =
            alerted_by.map(|from| Alert { from, level: 2, description, at: Mark::default() });
        match alert {
            Some(alert) => {
                // Zeek would have a version if there had been a ServerHello.
                if alert.from == Side::Server && version.is_none() {
                    let kind = RefusalKind::Alert(description);
                    facts.refusal = Some(Refusal { kind, at: Mark::default() });
                }
                facts.alerts.push(alert);
            }
            // Whoever gave up: what was selected is no proof that it works.
            None => answer = answer.map(|hello| ServerHello { cipher_suite: None, ..hello }),
        }
    }
    if let (Some(answer), Some(alpn)) = (&mut answer, fields.get("next_protocol")) {
        answer.alpn = Some(alpn.as_bytes().into()).filter(|_| version < Some(Version::Tls13));
    }
    facts.established = established;
    // Zeek before version 5 calls no session of TLS 1.3 resumed.
    let may_tell = |resumed: &bool| *resumed || version < Some(Version::Tls13);
    facts.resumed = fields.is_true("resumed").filter(|_| answer.is_some()).filter(may_tell);
    facts.certificate = certificate(fields.get("subject"), None);
    let told = Told::new(fields.get("ja3"), fields.get("ja4"));
    finish(&mut facts, client_hello(asked, &told), answer);
    Ok((moment(fields, "ts")?, facts))
}

/// What a log of Zeek says of its own form in the lines that begin with `#`.
#[derive(Debug)]
pub(in crate::review) struct Header {
    /// What stands between cells.
    pub(in crate::review) separator: u8,
    /// The names of the columns.
    pub(in crate::review) names: Vec<String>,
    /// The columns that hold lists.
    lists: Vec<bool>,
    list_separator: String,
    empty: String,
    unset: String,
}

impl Header {
    /// The header of a log that begins like this; `None` when several characters stand between
    /// its cells.
    pub(in crate::review) fn new(head: &[u8]) -> Option<Self> {
        let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_start();
        let separator = match line.strip_prefix(b"#separator ") {
            None => b'\t',
            Some(text) => match text.strip_suffix(b"\r").unwrap_or(text) {
                [b'\\', b'x', digits @ ..] => {
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
                }
                [byte] => *byte,
                _ => return None,
            },
        };
        Some(Self {
            separator,
            names: Vec::new(),
            lists: Vec::new(),
            list_separator: ",".to_owned(),
            empty: "(empty)".to_owned(),
            unset: "-".to_owned(),
        })
    }

    /// Takes a line, whose first cell names it.
    pub(in crate::review) fn take<'a>(
        &mut self,
        name: &str,
        mut cells: impl Iterator<Item = Cow<'a, str>>,
    ) {
        let mut value = |field: &mut String| {
            if let Some(cell) = cells.next().filter(|cell| !cell.is_empty()) {
                *field = cell.into_owned();
            }
        };
        match name {
            "#set_separator" => value(&mut self.list_separator),
            "#empty_field" => value(&mut self.empty),
            "#unset_field" => value(&mut self.unset),
            "#types" => {
                let is_list =
                    |cell: Cow<'_, str>| cell.starts_with("vector[") || cell.starts_with("set[");
                self.lists = cells.map(is_list).collect();
            }
            "#fields" => self.names = cells.map(Cow::into_owned).collect(),
            _ => {}
        }
    }

    /// The cells of a row as fields.
    pub(in crate::review) fn read<'a>(
        &self,
        cells: impl Iterator<Item = &'a [u8]>,
        fields: &mut Fields,
    ) {
        for (place, (name, cell)) in self.names.iter().zip(cells).enumerate() {
            let cell = String::from_utf8_lossy(cell);
            if *cell == *self.unset || *cell == *self.empty {
                continue;
            }
            let is_list = self.lists.get(place) == Some(&true) && self.list_separator != ",";
            match is_list {
                true => fields.push(name, &cell.replace(&self.list_separator, ",")),
                false => fields.push(name, &cell),
            }
        }
    }
}

/// The sides of which a history names no message: one direction alone was seen.
fn missing_sides(history: &str) -> Coverage {
    let of_client = history.contains(|c: char| c.is_ascii_uppercase());
    let of_server = history.contains(|c: char| c.is_ascii_lowercase());
    match (of_client, of_server) {
        (false, true) => Coverage::CLIENT_SIDE_MISSING,
        (true, false) => Coverage::SERVER_SIDE_MISSING,
        _ => Coverage::COMPLETE,
    }
}

//! Zeek's `ssl.log`, as tab-separated text and as JSON.
//!
//! Names and types are those of Zeek's `SSL::Info`, with `ja3` and `ja4` as the packages of these
//! names add them; our own fields follow behind `tlsunset_`. Text is escaped as Zeek's ASCII writer
//! does. The columns that rest on what is not recorded here (`ssl_history`, certificate chains) are
//! left out: readers go by the header.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::IpAddr;

use dissect::{Mark, Timestamp, Version};

use super::interop::{Event, put_json, write_lines};
use crate::{Connections, iana};

/// Names and types of the columns, in their order.
const FIELDS: [(&str, &str); 40] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("version", "string"),
    ("cipher", "string"),
    ("curve", "string"),
    ("server_name", "string"),
    ("resumed", "bool"),
    ("last_alert", "string"),
    ("next_protocol", "string"),
    ("established", "bool"),
    ("ja3", "string"),
    ("ja4", "string"),
    ("tlsunset_sensor", "string"),
    ("tlsunset_community_id", "string"),
    ("tlsunset_last_seen", "time"),
    ("tlsunset_transport", "string"),
    ("tlsunset_protocol", "string"),
    ("tlsunset_upgrade", "string"),
    ("tlsunset_server_name", "string"),
    ("tlsunset_server_name_from", "string"),
    ("tlsunset_service", "string"),
    ("tlsunset_service_from", "string"),
    ("tlsunset_direction", "string"),
    ("tlsunset_offered_max", "string"),
    ("tlsunset_negotiated", "string"),
    ("tlsunset_alpn", "string"),
    ("tlsunset_alert", "string"),
    ("tlsunset_coverage", "string"),
    ("tlsunset_path", "string"),
    ("tlsunset_scenario", "string"),
    ("tlsunset_policy", "vector[string]"),
    ("tlsunset_verdict", "vector[string]"),
    ("tlsunset_cause", "vector[string]"),
    ("tlsunset_reason", "vector[string]"),
    ("tlsunset_fix", "vector[string]"),
    ("tlsunset_ech", "bool"),
];

/// What stands in a column.
enum Value<'a> {
    Unset,
    Time(Timestamp),
    Text(Cow<'a, str>),
    Addr(IpAddr),
    Port(u16),
    Bool(bool),
    Texts(Vec<&'a str>),
}

impl<'a> Value<'a> {
    fn text(text: Option<impl Into<Cow<'a, str>>>) -> Self {
        text.map_or(Self::Unset, |text| Self::Text(text.into()))
    }

    fn truth(truth: Option<bool>) -> Self {
        truth.map_or(Self::Unset, Self::Bool)
    }
}

/// What stands in the columns of a connection, in their order.
fn values<'a>(event: &Event<'a>) -> [Value<'a>; FIELDS.len()] {
    let (row, own) = (&event.row, event.own());
    let suite = row.cipher.map(|suite| name_or_number(iana::cipher_suite(suite.0), suite.0));
    let group = row.group.map(|group| name_or_number(iana::group(group.0), group.0));
    let alert = event.facts.alerts.last().map(|alert| alert.description);
    let alert = alert.map(|number| name_or_number(iana::alert(number), number.into()));
    [
        Value::Time(first_message(event)),
        Value::Text(event.uid().into()),
        Value::Addr(row.client.addr),
        Value::Port(row.client.port),
        Value::Addr(row.server.addr),
        Value::Port(row.server.port),
        Value::text(row.negotiated.map(version)),
        Value::text(suite),
        Value::text(group),
        Value::text(event.sni()),
        Value::truth(row.resumed),
        Value::text(alert),
        Value::text(event.next_protocol()),
        Value::truth(row.established),
        Value::text(event.ja3()),
        Value::text(row.ja4),
        Value::text(own.sensor),
        Value::text(own.community_id),
        Value::Time(row.last_seen),
        Value::text(own.transport),
        Value::Text(own.protocol.into()),
        Value::Text(own.upgrade.into()),
        Value::text(own.server_name),
        Value::text(own.server_name_from),
        Value::text(own.service),
        Value::text(own.service_from),
        Value::Text(own.direction.into()),
        Value::text(own.offered_max),
        Value::text(own.negotiated),
        Value::text(own.alpn),
        Value::text(own.alert),
        Value::Text(own.coverage.into()),
        Value::text(own.path),
        Value::text(own.scenario),
        Value::Texts(own.policy),
        Value::Texts(own.verdict),
        Value::Texts(own.cause),
        Value::Texts(own.reason),
        Value::Texts(own.fix),
        Value::truth(own.ech),
    ]
}

/// Zeek's name of a version: ours without the dot.
fn version(version: Version) -> String {
    version.name().replace('.', "")
}

/// A name of IANA, or what Zeek shows for a number without one.
fn name_or_number(name: Option<&'static str>, number: u16) -> Cow<'static, str> {
    name.map_or_else(|| format!("unknown-{number}").into(), Cow::Borrowed)
}

/// When TLS was first seen, which is what Zeek's `ts` is: the first hello, else the first frame.
fn first_message(event: &Event<'_>) -> Timestamp {
    let facts = event.facts;
    let client = facts.client_hello.as_ref().map(|hello| hello.at);
    let server = facts.server_hello.as_ref().map(|hello| hello.at);
    let hellos = client.into_iter().chain(server).map(|Mark { time, .. }| time);
    hellos.min().unwrap_or(facts.first.time)
}

/// Writes `ssl.log` as tab-separated text. Its `#open` and `#close` are the first and last times of
/// the traffic, as Zeek has it for a capture file, and not those of writing.
pub(super) fn write_tsv<W: Write>(
    mut out: W,
    flows: Connections<'_>,
    (first, last): (Timestamp, Timestamp),
) -> io::Result<()> {
    let joined = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
        FIELDS.iter().map(pick).collect::<Vec<_>>().join("\t")
    };
    write!(
        out,
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tssl\n\
         #open\t{}\n#fields\t{}\n#types\t{}\n",
        stamp(first),
        joined(|(name, _)| name),
        joined(|(_, kind)| kind)
    )?;
    let mut line = String::new();
    write_lines(&mut out, flows, |written, event| {
        line.clear();
        for (index, value) in values(event).iter().enumerate() {
            if index > 0 {
                line.push('\t');
            }
            put_cell(&mut line, value);
        }
        written.extend_from_slice(line.as_bytes());
    })?;
    writeln!(out, "#close\t{}", stamp(last))?;
    out.flush()
}

/// Writes `ssl.log` as JSON, a line each, as Zeek's JSON writer does: names with dots, times in
/// seconds since 1970, and nothing where a column is unset.
pub(super) fn write_json<W: Write>(out: W, flows: Connections<'_>) -> io::Result<()> {
    let mut draft = String::new();
    write_lines(out, flows, |written, event| {
        let mut begin = b'{';
        for ((name, _), value) in FIELDS.iter().zip(values(event)) {
            if matches!(value, Value::Unset) {
                continue;
            }
            written.push(begin);
            begin = b',';
            put_json(written, name);
            written.push(b':');
            match &value {
                Value::Unset => {}
                Value::Text(text) => put_json(written, text),
                Value::Addr(addr) => put_json(written, addr),
                Value::Port(port) => put_json(written, port),
                Value::Bool(truth) => put_json(written, truth),
                Value::Texts(texts) => put_json(written, texts),
                Value::Time(time) => {
                    draft.clear();
                    put_seconds(&mut draft, *time);
                    written.extend_from_slice(draft.as_bytes());
                }
            }
        }
        written.push(b'}');
    })
}

/// A time in the header: `2018-10-31-00-00-00`.
fn stamp(time: Timestamp) -> String {
    let text = time.to_string();
    text.split('.').next().unwrap_or_default().replace(['T', ':'], "-")
}

/// Seconds since 1970 with six digits behind the point, cut and not rounded.
fn put_seconds(out: &mut String, time: Timestamp) {
    let micros = time.as_nanos().div_euclid(1_000);
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
    write!(out, "{sign}{seconds}.{rest:06}").expect("memory takes everything");
}

fn put_cell(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Unset => out.push('-'),
        Value::Time(time) => put_seconds(out, *time),
        Value::Text(text) => put_text(out, text, false),
        Value::Addr(addr) => write!(out, "{addr}").expect("memory takes everything"),
        Value::Port(port) => write!(out, "{port}").expect("memory takes everything"),
        Value::Bool(truth) => out.push(if *truth { 'T' } else { 'F' }),
        Value::Texts(texts) if texts.is_empty() => out.push_str("(empty)"),
        Value::Texts(texts) => {
            for (index, text) in texts.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                put_text(out, text, true);
            }
        }
    }
}

/// Text with what would be taken for structure escaped: control characters, the backslash, within
/// a list the comma, and words that stand for nothing.
fn put_text(out: &mut String, text: &str, is_listed: bool) {
    if text.is_empty() {
        return out.push_str("(empty)");
    }
    let is_word = matches!(text, "-" | "(empty)");
    for (index, character) in text.chars().enumerate() {
        match character {
            '\\' => out.push_str("\\\\"),
            ',' if is_listed => out.push_str("\\x2c"),
            _ if character.is_control() || (is_word && index == 0) => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    write!(out, "\\x{byte:02x}").expect("memory takes everything");
                }
            }
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests;

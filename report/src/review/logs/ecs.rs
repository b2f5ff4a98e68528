//! Events in the Elastic Common Schema: what Filebeat and Elastic Agent make of the logs of Zeek and
//! Suricata, what Packetbeat writes itself, and `--flows-format ecs`.

use dissect::ServerHello;

use super::{
    Column, Fields, Logged, Row, Told, certificate, client_hello, copy, endpoint, facts, finish,
    moment, server_hello,
};
use crate::iana;
use crate::review::values;

/// Fields of which an event of TLS has one at least.
const OF_TLS: [&str; 5] =
    ["tls.version", "tls.cipher", "tls.established", "tls.client.server_name", "tls.client.ja3"];

/// The connection of an event; `None` for those of other things than TLS.
pub(in crate::review) fn connection(fields: &Fields) -> Option<Logged> {
    OF_TLS.iter().any(|key| fields.get(key).is_some()).then(|| tls(fields))
}

fn tls(fields: &Fields) -> Logged {
    let client = endpoint(fields, "source.ip", "source.port")?;
    let server = endpoint(fields, "destination.ip", "destination.port")?;
    let protocol = fields.get("tls.version_protocol").unwrap_or("tls");
    let version = fields.get("tls.version").and_then(|version| {
        values::version(version).or_else(|| values::version(&format!("{protocol} {version}")))
    });
    // What Suricata tells of a refusal has the version of the alert, and nothing of a server.
    let is_proven = ["tls.cipher", "tls.curve", "tls.established"]
        .iter()
        .any(|key| fields.get(key).is_some_and(|value| value != "false"))
        || fields.has_any("tls.server.");
    let suite = fields.get("tls.cipher").and_then(iana::cipher_suite_number);
    let group = fields.get("tls.curve").and_then(iana::group_number);
    let answer: Option<ServerHello> =
        version.filter(|_| is_proven).map(|version| server_hello(version, suite, group));
    let mut asked = Row::default();
    copy(fields, "tls.client.server_name", &mut asked, Column::ServerName);
    let ja4 = fields.either("tls.client.ja4", "network.tls.ja4");
    let told = Told::new(fields.get("tls.client.ja3"), ja4);
    let mut facts = facts(client, server, version);
    facts.established = fields.is_true("tls.established").filter(|is_established| *is_established);
    facts.resumed = fields.is_true("tls.resumed").filter(|resumed| *resumed && answer.is_some());
    facts.certificate = certificate(fields.get("tls.server.subject"), None);
    finish(&mut facts, client_hello(asked, &told), answer);
    Ok((moment(fields, "@timestamp")?, facts))
}

//! Reads the JSON of Microsoft's endpoint web service.
//!
//! The service's quirks are input like any other: `urls` or `ips` may be absent, port lists have
//! blanks or are empty, areas that are not known here count as common to all services.

use serde::Deserialize;
use thiserror::Error;

use super::pattern::{self, normal};
use super::{AddressClass, EndpointRow, PortRange, Prefix};
use crate::services::Service;

/// Why a text is no endpoint list.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EndpointsError {
    /// The list has no names and no networks: every connection would be out of scope.
    #[error("the endpoint list is empty; expected an array of endpoint sets with `urls` or `ips`")]
    Empty,
    /// Not JSON, or not of the web service's shape.
    #[error(
        "line {}, column {}: {source}; expected the array that endpoints.office.com/endpoints/... \
         answers", .source.line(), .source.column()
    )]
    Json {
        /// What the reader found, with its place.
        source: serde_json::Error,
    },
    /// A value that can't be used.
    #[error(
        "endpoint set {set} (id {id}), `{field}`: `{found}` is not allowed; allowed: {allowed}"
    )]
    Value {
        /// Position of the set in the array, counted from 1.
        set: usize,
        /// The set's `id`.
        id: i64,
        /// The field.
        field: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        allowed: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    id: i64,
    #[serde(default)]
    service_area: Option<String>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    ips: Option<Vec<String>>,
    #[serde(default)]
    tcp_ports: Option<String>,
    #[serde(default)]
    udp_ports: Option<String>,
}

/// The rows of a list. A set whose names belong to several services becomes a row for each.
pub(super) fn read(text: &str) -> Result<Vec<EndpointRow>, EndpointsError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let sets: Vec<Set> =
        serde_json::from_str(text).map_err(|source| EndpointsError::Json { source })?;
    let mut rows = Vec::new();
    for (index, set) in sets.iter().enumerate() {
        rows.extend(rows_of(set, index + 1)?);
    }
    if rows.iter().all(|row: &EndpointRow| row.names.is_empty() && row.prefixes.is_empty()) {
        return Err(EndpointsError::Empty);
    }
    Ok(rows)
}

fn rows_of(set: &Set, position: usize) -> Result<Vec<EndpointRow>, EndpointsError> {
    let wrong = |field, found: &str, allowed: String| EndpointsError::Value {
        set: position,
        id: set.id,
        field,
        found: found.to_owned(),
        allowed,
    };
    let mut names = Vec::new();
    for url in set.urls.iter().flatten() {
        pattern::check(url).map_err(|allowed| wrong("urls", url, allowed.to_owned()))?;
        names.push(normal(url).into_owned());
    }
    let mut prefixes = Vec::new();
    for ip in set.ips.iter().flatten() {
        prefixes.push(ip.parse::<Prefix>().map_err(|error| wrong("ips", ip, error.to_string()))?);
    }
    let ports = |field, text: &Option<String>| {
        ports(text.as_deref().unwrap_or_default()).map_err(|found| {
            wrong(field, &found, "ports and ranges from 0 to 65535, joined by commas".to_owned())
        })
    };
    let tcp_ports = ports("tcpPorts", &set.tcp_ports)?;
    let udp_ports = ports("udpPorts", &set.udp_ports)?;

    let area = set.service_area.as_deref().unwrap_or_default();
    let of_set = service_of_set(area, &names);
    let row = |service, names: Vec<String>, prefixes| EndpointRow {
        service,
        names,
        prefixes,
        tcp_ports: tcp_ports.clone(),
        udp_ports: udp_ports.clone(),
        class: AddressClass::Alone,
    };
    let (teams, others): (Vec<String>, Vec<String>) =
        names.into_iter().partition(|name| is_teams_name(name));
    let mut rows = vec![row(of_set, others, prefixes)];
    if !teams.is_empty() {
        rows.push(row(Service::MicrosoftTeams, teams, Vec::new()));
    }
    Ok(rows)
}

fn service_of_set(area: &str, names: &[String]) -> Service {
    match area {
        "Exchange" => Service::ExchangeOnline,
        "SharePoint" => Service::SharePointOnline,
        "Skype" => Service::SkypeForBusinessOnline,
        "Common" if names.iter().any(|name| is_sign_in_name(name)) => Service::MicrosoftEntraId,
        _ => Service::Microsoft365Common,
    }
}

/// The web service files Teams under `Skype`; its names tell it.
fn is_teams_name(name: &str) -> bool {
    name.split('.').any(|label| label.starts_with("teams") || label.starts_with("msteams"))
}

/// The web service files sign-in under `Common`; the sets that hold these domains are it.
fn is_sign_in_name(name: &str) -> bool {
    ["com", "us", "cn"].iter().any(|top| {
        name.strip_suffix(top)
            .and_then(|rest| rest.strip_suffix("microsoftonline."))
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// The ports of a list such as `143, 587,50000-59999`; the element that is none as the error.
fn ports(text: &str) -> Result<Vec<PortRange>, String> {
    text.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| PortRange::parse(part).ok_or_else(|| part.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quirks_of_the_web_service_are_read() {
        let text = "\u{feff}[\n\
            {\"id\":11,\"serviceArea\":\"Skype\",\"ips\":[\"52.112.0.0/14\",\"2603:1063::/38\"],\
              \"udpPorts\":\"3478, 3479\",\"notes\":\"\",\"required\":true,\"new\":[1]},\n\
            {\"id\":2,\"serviceArea\":\"Exchange\",\"urls\":[\"Outlook.Office365.com\"],\
              \"tcpPorts\":\"143, 587, 993, 995\",\"udpPorts\":\"\"},\n\
            {\"id\":20,\"serviceArea\":\"Skype\",\"urls\":[\"*.lync.com\",\"teams.microsoft.com\"],\
              \"tcpPorts\":\"50000-59999\"},\n\
            {\"id\":163,\"serviceArea\":\"MEM\",\"urls\":[\"*cdn.onenote.net\"],\"ips\":null},\n\
            {\"id\":8,\"serviceArea\":\"Exchange\",\"urls\":[\"autodiscover.*.onmicrosoft.com\"]},\n\
            {\"id\":56,\"serviceArea\":\"Common\",\"urls\":[\"login.microsoftonline.us\"],\
              \"ips\":[\"20.190.128.0/18\"]}]";
        let rows = read(text).expect("the list reads");
        let services: Vec<Service> = rows.iter().map(|row| row.service).collect();
        assert_eq!(
            services,
            [
                Service::SkypeForBusinessOnline,
                Service::ExchangeOnline,
                Service::SkypeForBusinessOnline,
                Service::MicrosoftTeams,
                Service::Microsoft365Common,
                Service::ExchangeOnline,
                Service::MicrosoftEntraId,
            ]
        );
        assert_eq!(rows[1].names, ["outlook.office365.com"]);
        assert_eq!(rows[1].tcp_ports.len(), 4);
        assert_eq!(rows[2].tcp_ports[0].to_string(), "50000-59999");
        assert_eq!(rows[0].udp_ports[1].to_string(), "3479");
    }

    #[test]
    fn errors_say_where_what_and_what_is_allowed() {
        let check = |text: &str, expect: &[&str]| {
            let error = read(text).expect_err(text).to_string();
            for part in expect {
                assert!(error.contains(part), "{text}: {error}");
            }
        };
        check("", &["line 1", "expected the array"]);
        check("{}", &["line 1, column", "expected the array"]);
        check("[]", &["empty"]);
        check(r#"[{"id":1,"serviceArea":"Exchange"}]"#, &["empty"]);
        check("[\n{\"id\":\"x\"}]", &["line 2", "expected"]);
        check(
            r#"[{"id":1,"urls":["a.b"]},{"id":7,"ips":["10.0.0.0/40"]}]"#,
            &["set 2", "id 7", "`ips`", "10.0.0.0/40", "0 to 32"],
        );
        check(
            r#"[{"id":7,"urls":["https://a.b/"]}]"#,
            &["set 1", "`urls`", "https://a.b/", "without scheme"],
        );
        check(r#"[{"id":7,"tcpPorts":"80,x"}]"#, &["`tcpPorts`", "`x`", "0 to 65535"]);
        check(r#"[{"id":7,"udpPorts":"70000"}]"#, &["`udpPorts`", "70000"]);
    }
}

//! `hosts.csv`: a row for each host, side and policy.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use super::csv::CsvTable;
use crate::rows::side_name;
use crate::{Cause, HostOutcome, HostRow, HostTable, Judgement, SilentHost, Verdict};

/// The columns of `hosts.csv`, in their order.
pub const HOST_COLUMNS: [&str; 34] = [
    "sensor",
    "host_ip",
    "host_name",
    "side",
    "first_seen",
    "last_seen",
    "flows",
    "sslv2",
    "sslv3",
    "tlsv1_0",
    "tlsv1_1",
    "tlsv1_2",
    "tlsv1_3",
    "undetermined",
    "office365_flows",
    "offered_max",
    "services",
    "server_names",
    "stack",
    "policy",
    "passes",
    "breaks",
    "fails_today",
    "degrades",
    "at_risk",
    "unknown",
    "verdict",
    "cause",
    "reason",
    "fix",
    "stack_evidence",
    "ja3",
    "ja4",
    "inventory",
];

/// Writes `hosts.csv`: hosts by address, the client's row before the server's, policies in their
/// order.
pub(super) fn write_hosts<W: Write>(out: W, hosts: &HostTable) -> io::Result<()> {
    let mut table = CsvTable::new(out, &HOST_COLUMNS)?;
    for host in hosts.rows() {
        for outcome in &host.outcomes {
            write_row(&mut table, host, outcome)?;
        }
    }
    for host in hosts.silent() {
        for judgement in host.judgements.iter().flatten() {
            write_silent(&mut table, host, judgement)?;
        }
    }
    table.finish()
}

/// The row of a host that only the inventory knows: nothing was counted.
fn write_silent<W: Write>(
    table: &mut CsvTable<W>,
    host: &SilentHost,
    judgement: &Judgement,
) -> io::Result<()> {
    /// Columns that count, from `flows` to `office365_flows`.
    const COUNTS: usize = 9;
    table.word(""); // sensor
    match host.addr {
        Some(addr) => table.address(addr),
        None => table.word(""),
    }
    let is_name = host.host.parse::<std::net::IpAddr>().is_err();
    table.text(if is_name { &host.host } else { "" });
    table.word(side_name(host.side));
    table.word(""); // first_seen
    table.word(""); // last_seen
    for _ in 0..COUNTS {
        table.number(0);
    }
    for _ in ["offered_max", "services", "server_names", "stack"] {
        table.word("");
    }
    table.text(&judgement.policy);
    for _ in COUNTED {
        table.number(0);
    }
    table.word(judgement.verdict.name());
    table.word(judgement.cause.map_or("", Cause::name));
    table.text(&judgement.reason);
    table.text(&judgement.fix);
    for _ in ["stack_evidence", "ja3", "ja4"] {
        table.word("");
    }
    table.text(&joined(&host.findings));
    table.end_record()
}

/// Findings as one cell.
fn joined(findings: &BTreeSet<String>) -> String {
    findings.iter().map(String::as_str).collect::<Vec<_>>().join("; ")
}

fn write_row<W: Write>(
    table: &mut CsvTable<W>,
    host: &HostRow,
    outcome: &HostOutcome,
) -> io::Result<()> {
    table.text_of(|cell| list(cell, &host.sensors));
    table.address(host.addr);
    table.text(host.name.as_deref().unwrap_or(""));
    table.word(side_name(host.side));
    table.time(host.first_seen);
    table.time(host.last_seen);
    table.number(host.flows);
    for count in host.negotiated {
        table.number(count);
    }
    table.number(host.undetermined);
    table.number(host.office365_flows);
    table.word(host.offered_max.map_or("", |version| version.name()));
    table.text_of(|cell| list(cell, &host.services));
    table.text_of(|cell| list(cell, &host.server_names));
    table.text(&host.stack(outcome));
    table.text(&outcome.policy);
    for verdict in COUNTED {
        table.number(outcome.count(verdict));
    }
    table.word(outcome.verdict().name());
    let judgement = outcome.judgement();
    table.word(judgement.and_then(|judgement| judgement.cause).map_or("", Cause::name));
    table.text(judgement.map_or("", |judgement| &judgement.reason));
    table.text(judgement.map_or("", |judgement| &judgement.fix));
    let offer = host.deciding_offer(outcome);
    table.text(host.deciding_stack(outcome).map_or("", |stack| &stack.evidence));
    table.hex(offer.and_then(|offer| offer.ja3.as_ref()));
    table.text(offer.and_then(|offer| offer.ja4.as_deref()).unwrap_or(""));
    table.text(&joined(&host.inventory));
    table.end_record()
}

/// The verdicts that have a column, in its order.
const COUNTED: [Verdict; 6] = [
    Verdict::Passes,
    Verdict::Breaks,
    Verdict::FailsToday,
    Verdict::Degrades,
    Verdict::AtRisk,
    Verdict::Unknown,
];

/// Names in a cell; more are counted. With names of 253 bytes at most this stays below the 32,767
/// characters that spreadsheets take.
const LISTED_MAX: usize = 100;

/// Puts sorted names into one cell, joined by `;`.
fn list(cell: &mut String, names: &[Arc<str>]) {
    let more = names.len().saturating_sub(LISTED_MAX);
    for (index, name) in names.iter().take(LISTED_MAX).enumerate() {
        if index > 0 {
            cell.push(';');
        }
        cell.push_str(name);
    }
    if more > 0 {
        cell.push_str(&format!(";+{more} more"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JudgedFlow, testkit};

    fn csv(flows: &[JudgedFlow]) -> Vec<String> {
        let table = HostTable::new(flows, |addr| addr.to_string().starts_with("10."));
        let mut out = Vec::new();
        write_hosts(&mut out, &table).unwrap();
        String::from_utf8(out).unwrap().lines().skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn a_row_for_each_policy() {
        let mut flows = [testkit::old_client(), testkit::old_client()];
        flows[1].server_name.as_mut().unwrap().0 = "autodiscover.contoso.com".into();
        for flow in &mut flows {
            let mut passes = testkit::judgement(Verdict::Passes, None);
            (passes.policy, passes.reason, passes.fix) = ("other".into(), "fine".into(), "".into());
            flow.judgements.extend([passes]);
        }
        let known = "lab,10.0.0.7,,client,2018-10-31T00:00:00.000000Z,2018-10-31T00:00:01.500000Z,\
                     2,0,0,2,0,0,0,0,2,TLSv1.0,Exchange Online,\
                     autodiscover.contoso.com;outlook.office365.com,";
        assert_eq!(
            csv(&flows),
            [
                format!(
                    "{known},office365-tls12,0,2,0,0,0,0,breaks,client-too-old,\
                     \"offers TLSv1.0, nothing newer\",update it,,,,"
                ),
                format!("{known},other,2,0,0,0,0,0,passes,,fine,,,,,"),
            ]
        );
    }

    #[test]
    fn an_inventory_names_silent_hosts_and_contradictions() {
        let flows = [testkit::old_client()];
        let mut table = HostTable::new(&flows, |addr| addr.to_string().starts_with("10."));
        let inventory = crate::Inventory::read(
            b"host,ip,product,version\n\
              PC7,10.0.0.7,Skype for Business 2016,16.0.9126.2152\n\
              PHONE,10.0.0.50,Lync Phone Edition,4.0\n\
              KIOSK,,Lync 2013,15.0.4420.1017\n\
              NEW,,Lync 2013,15.0.5093.1000\n",
        )
        .unwrap();
        let policies = [crate::Policy::builtin("office365-tls12").unwrap()];
        table.join(&inventory, &policies);
        let mut out = Vec::new();
        write_hosts(&mut out, &table).unwrap();
        let mut reader = ::csv::Reader::from_reader(&*out);
        let column = |name: &str| HOST_COLUMNS.iter().position(|it| *it == name).unwrap();
        let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        let cells = |name: &'static str| rows.iter().map(move |row| row[column(name)].to_owned());
        assert!(cells("host_name").eq(["PC7", "KIOSK", "PHONE"]));
        assert!(cells("host_ip").eq(["10.0.0.7", "", "10.0.0.50"]));
        assert!(cells("verdict").eq(["breaks"; 3]));
        assert!(cells("flows").eq(["1", "0", "0"]));
        assert!(cells("inventory").next().unwrap().contains("contradiction"));
        assert!(cells("reason").nth(1).unwrap().contains("15.0.5023.1000"));
        assert!(cells("fix").nth(2).unwrap().contains("Replace"));
        let tally = crate::HostTally::of(&table, &["office365-tls12".to_owned()]);
        assert_eq!((tally[0].hosts(Verdict::Breaks), tally[0].total), (3, 3));
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<Arc<str>> =
            (0..=LISTED_MAX).map(|index| format!("n{index}").into()).collect();
        let check = |names: &[Arc<str>], expect: &str| {
            let mut cell = String::new();
            list(&mut cell, names);
            assert!(cell.ends_with(expect), "{cell}");
        };
        check(&names[..LISTED_MAX], ";n99");
        check(&names, ";n99;+1 more");
    }
}

//! `hosts.csv`: a row for each host, side and policy.

use std::io::{self, Write};

use super::csv::CsvTable;
use crate::rows::side_name;
use crate::{Cause, HostOutcome, HostRow, HostTable, Verdict};

/// The columns of `hosts.csv`, in their order.
pub const HOST_COLUMNS: [&str; 30] = [
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
];

/// Writes `hosts.csv`: hosts by address, the client's row before the server's, policies in their
/// order.
pub(super) fn write_hosts<W: Write>(out: W, hosts: &HostTable<'_>) -> io::Result<()> {
    let mut table = CsvTable::new(out, &HOST_COLUMNS)?;
    for host in hosts.rows() {
        for outcome in &host.outcomes {
            write_row(&mut table, host, outcome)?;
        }
    }
    table.finish()
}

fn write_row<W: Write>(
    table: &mut CsvTable<W>,
    host: &HostRow<'_>,
    outcome: &HostOutcome<'_>,
) -> io::Result<()> {
    table.text_of(|cell| list(cell, host.sensors.iter()));
    table.address(host.addr);
    table.word(""); // host_name
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
    table.text_of(|cell| list(cell, host.services.iter()));
    table.text_of(|cell| list(cell, host.server_names.iter()));
    table.word(""); // stack
    table.text(outcome.policy);
    for verdict in COUNTED {
        table.number(outcome.count(verdict));
    }
    table.word(outcome.verdict().name());
    let judgement = outcome.judgement();
    table.word(judgement.and_then(|judgement| judgement.cause).map_or("", Cause::name));
    table.text(judgement.map_or("", |judgement| &judgement.reason));
    table.text(judgement.map_or("", |judgement| &judgement.fix));
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
fn list<'a>(cell: &mut String, names: impl ExactSizeIterator<Item = &'a &'a str>) {
    let more = names.len().saturating_sub(LISTED_MAX);
    for (index, name) in names.take(LISTED_MAX).enumerate() {
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
            flow.judgements.push(passes);
        }
        let known = "lab,10.0.0.7,,client,2018-10-31T00:00:00.000000Z,2018-10-31T00:00:01.500000Z,\
                     2,0,0,2,0,0,0,0,2,TLSv1.0,Exchange Online,\
                     autodiscover.contoso.com;outlook.office365.com,";
        assert_eq!(
            csv(&flows),
            [
                format!(
                    "{known},office365-tls12,0,2,0,0,0,0,breaks,client-too-old,\
                     \"offers TLSv1.0, nothing newer\",update it"
                ),
                format!("{known},other,2,0,0,0,0,0,passes,,fine,"),
            ]
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..=LISTED_MAX).map(|index| format!("n{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let check = |names: &[&str], expect: &str| {
            let mut cell = String::new();
            list(&mut cell, names.iter());
            assert!(cell.ends_with(expect), "{cell}");
        };
        check(&names[..LISTED_MAX], ";n99");
        check(&names, ";n99;+1 more");
    }
}

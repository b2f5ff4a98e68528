//! `hosts.csv`: a row for each host, side and policy.

use std::fmt;
use std::io::{self, Write};

use dissect::Side;

use super::csv::CsvTable;
use crate::rows::{Hex, side_name};
use crate::{Cause, HostOutcome, HostRow, HostTable, Verdict};

/// The columns of `hosts.csv`, in their order.
pub const HOST_COLUMNS: [&str; 33] = [
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
    table.text_of(List(host.sensors.iter()))?;
    table.value(host.addr)?;
    table.word("")?; // host_name
    table.word(side_name(host.side))?;
    table.time(host.first_seen)?;
    table.time(host.last_seen)?;
    table.number(host.flows)?;
    for count in host.negotiated {
        table.number(count)?;
    }
    table.number(host.undetermined)?;
    table.number(host.office365_flows)?;
    table.word(host.offered_max.map_or("", |version| version.name()))?;
    table.text_of(List(host.services.iter()))?;
    table.text_of(List(host.server_names.iter()))?;
    table.word(&host.stack(outcome))?;
    table.text(outcome.policy)?;
    for verdict in COUNTED {
        table.number(outcome.count(verdict))?;
    }
    table.word(outcome.verdict().name())?;
    let judgement = outcome.judgement();
    table.word(judgement.and_then(|judgement| judgement.cause).map_or("", Cause::name))?;
    table.text(judgement.map_or("", |judgement| &judgement.reason))?;
    table.text(judgement.map_or("", |judgement| &judgement.fix))?;
    let is_client = host.side == Side::Client;
    let hello = outcome
        .flow()
        .filter(|_| is_client)
        .and_then(|flow| flow.facts.client_hello.as_ref().filter(|_| flow.stack.is_some()));
    table.word(host.deciding_stack(outcome).map_or("", |stack| &stack.evidence))?;
    table.optional(hello.and_then(|hello| hello.offer.ja3.as_ref()).map(|hash| Hex(hash)))?;
    table.text(hello.and_then(|hello| hello.offer.ja4.as_deref()).unwrap_or(""))?;
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

/// Sorted names as one cell, joined by `;`.
struct List<I>(I);

/// Names in a cell; more are counted. With names of 253 bytes at most this stays below the 32,767
/// characters that spreadsheets take.
const LISTED_MAX: usize = 100;

impl<'a, I: ExactSizeIterator<Item = &'a &'a str> + Clone> fmt::Display for List<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.clone().take(LISTED_MAX).enumerate() {
            if index > 0 {
                f.write_str(";")?;
            }
            f.write_str(name)?;
        }
        match self.0.len().checked_sub(LISTED_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, ";+{more} more"),
        }
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
                     \"offers TLSv1.0, nothing newer\",update it,,,"
                ),
                format!("{known},other,2,0,0,0,0,0,passes,,fine,,,,"),
            ]
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..=LISTED_MAX).map(|index| format!("n{index}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(List(names[..LISTED_MAX].iter()).to_string().ends_with(";n99"));
        assert!(List(names.iter()).to_string().ends_with(";n99;+1 more"));
    }
}

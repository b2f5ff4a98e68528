//! What was not seen, and what is wrong with the capture.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::View;
use super::entries::by_frequency;
use super::markup::{Count, Text, capital, count_of};
use super::tables::Tallies;
use super::words::bucket_meaning;
use crate::{AccessPath, Bucket, Scenario};

/// Reasons, silent hosts and contradictions in a list.
const LISTED_MAX: usize = 50;

pub(super) fn write(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    writeln!(out, "<section id=\"unseen\"><h2>What was not seen</h2>")?;
    write_hidden(out, view)?;
    write_coverage(out, view)?;
    write_not_judged(out, view)?;
    write_never_seen(out, view)?;
    write_inventory(out, view)?;
    write_health(out, view)?;
    writeln!(out, "</section>")
}

/// Hosts that may break unseen.
fn write_hidden(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    for (policy, tally) in view.report.tallies().iter().enumerate() {
        let (hidden, under) = (tally.hidden_max, view.under(policy));
        if tally.judged == 0 {
            writeln!(out, "<p class=\"none\">No host was seen that could be judged{under}.</p>")?;
        } else if hidden == 0 {
            writeln!(
                out,
                "<p>Of every host that was judged{under}, at least one deciding handshake was \
                 seen.</p>"
            )?;
        } else {
            writeln!(
                out,
                "<p>Of <a href=\"#hosts\" data-verdict=\"unknown\" data-policy=\"{policy}\">{}</a> \
                 every deciding handshake{under} was missed; each may break, or not.</p>",
                count_of(hidden, "host")
            )?;
        }
    }
    Ok(())
}

fn write_coverage(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let ledger = view.report.coverage();
    writeln!(out, "<h3>Coverage</h3>")?;
    if ledger.total() == 0 {
        return writeln!(
            out,
            "<p class=\"none\">No connection to or from Office 365 was captured.</p>"
        );
    }
    let buckets = Bucket::ALL.into_iter().filter(|bucket| ledger.count(*bucket) > 0);
    let rows: Vec<(String, Vec<u64>)> = buckets
        .map(|bucket| {
            let title = format!("{}: {}", bucket.name(), bucket_meaning(bucket));
            (title, vec![ledger.count(bucket)])
        })
        .collect();
    Tallies {
        id: "coverage",
        caption: "Connections to and from Office 365, by how much of them was captured",
        head: "Captured",
        kinds: &[("count".to_owned(), "connections")],
        sum: "connections",
        rows: &rows,
    }
    .write(out)
}

/// Connections that stay unknown, by the reason why.
fn write_not_judged(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let reasons: BTreeMap<(&str, &str), u64> = view
        .report
        .digest
        .unknown
        .iter()
        .map(|((reason, fix), count)| ((&**reason, &**fix), *count))
        .collect();
    if reasons.is_empty() {
        return Ok(());
    }
    let reasons = by_frequency(reasons);
    writeln!(out, "<h3>Connections that could not be judged</h3><ul>")?;
    for ((reason, fix), count) in reasons.iter().take(LISTED_MAX) {
        write!(out, "<li>{}: {}", count_of(*count, "connection"), Text(reason))?;
        if !fix.is_empty() {
            write!(out, ". <span class=\"cure\">{}</span>", Text(fix))?;
        }
        writeln!(out, "</li>")?;
    }
    write_more(out, reasons.len(), "flows.csv")?;
    writeln!(out, "</ul>")
}

fn write_more(out: &mut dyn Write, count: usize, file: &str) -> io::Result<()> {
    if count > LISTED_MAX {
        let more = Count((count - LISTED_MAX) as u64);
        writeln!(out, "<li>and {more} more ({file})</li>")?;
    }
    Ok(())
}

fn write_never_seen(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    // Which connections are on which path does not depend on the policy.
    let Some(table) = view.report.paths().first() else { return Ok(()) };
    let paths = AccessPath::ALL.map(|path| (path.title(), table.path(path)));
    let scenarios = Scenario::ALL.map(|scenario| (scenario.title(), table.scenario(scenario)));
    let unseen: Vec<&str> = paths
        .into_iter()
        .chain(scenarios)
        .filter(|(_, passage)| passage.flows() == 0)
        .map(|(title, _)| title)
        .collect();
    if unseen.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>Ways that were never seen</h3><ul>")?;
    for title in unseen {
        writeln!(out, "<li>{}</li>", capital(title))?;
    }
    writeln!(out, "</ul>")
}

/// Hosts that only the inventory knows and that break, and where it and the traffic disagree.
fn write_inventory(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let (silent, contradictions) =
        (view.report.hosts().silent(), view.report.hosts().contradictions());
    if !silent.is_empty() {
        let count = count_of(silent.len() as u64, "host");
        writeln!(out, "<h3>Break by the inventory, silent in this capture ({count})</h3><ul>")?;
        for host in silent.iter().take(LISTED_MAX) {
            let findings: Vec<&str> = host.findings.iter().map(String::as_str).collect();
            writeln!(out, "<li>{}: {}</li>", Text(&host.host), Text(&findings.join("; ")))?;
        }
        write_more(out, silent.len(), "hosts.csv")?;
        writeln!(out, "</ul>")?;
    }
    if !contradictions.is_empty() {
        writeln!(out, "<h3>Inventory and traffic disagree</h3><ul>")?;
        for it in contradictions.iter().take(LISTED_MAX) {
            writeln!(out, "<li>{}: {}</li>", it.addr, Text(&it.what))?;
        }
        write_more(out, contradictions.len(), "hosts.csv")?;
        writeln!(out, "</ul>")?;
    }
    Ok(())
}

/// What is wrong with the capture, and what mends it.
fn write_health(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    writeln!(out, "<h3 id=\"health\">Capture health</h3>")?;
    if view.report.findings().is_empty() {
        return writeln!(
            out,
            "<p class=\"none\">Nothing was found to be wrong with the capture.</p>"
        );
    }
    writeln!(out, "<ul class=\"findings\">")?;
    for found in view.report.findings() {
        writeln!(
            out,
            "<li><code>{}</code> {}<p class=\"cure\"><b>Mend:</b> {}</p></li>",
            found.finding,
            Text(&found.message),
            Text(&found.fix)
        )?;
    }
    writeln!(out, "</ul>")
}

//! The hosts: the worst as a plain table, and the place where the script shows all of them.

use std::io::{self, Write};

use super::View;
use super::entries::Entry;
use super::markup::{Count, Text, count_of};
use crate::rows::side_name;
use crate::{Cause, Verdict};

/// Hosts in the plain table.
const WORST_MAX: usize = 100;

/// Services of one host that are named.
const SERVICES_MAX: usize = 6;

pub(super) fn write(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    writeln!(out, "<section id=\"hosts\"><h2>Hosts</h2>")?;
    writeln!(out, "<div id=\"worst\">")?;
    write_worst(out, view)?;
    writeln!(out, "</div>\n<div id=\"table\" hidden></div></section>")
}

fn write_worst(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let entries = || view.entries.iter().filter(|entry| entry.worst() < Verdict::Passes);
    let count = entries().count();
    if count == 0 {
        let hosts = count_of(view.entries.len() as u64, "row");
        return writeln!(
            out,
            "<p class=\"none\">No host breaks, fails or is in doubt; {hosts} of hosts are in \
             hosts.csv.</p>"
        );
    }
    writeln!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"worst-caption\" tabindex=\"0\">\
         <table>\n<caption id=\"worst-caption\">The worst {} of {} to be looked at</caption>\n\
         <thead><tr><th scope=\"col\">Host</th><th scope=\"col\">Side</th><th \
         scope=\"col\">Verdict</th><th scope=\"col\">Cause</th><th scope=\"col\">Offers</th><th \
         scope=\"col\" class=\"n\">Connections</th><th scope=\"col\">Services</th><th \
         scope=\"col\">Why</th></tr></thead>\n<tbody>",
        Count(count.min(WORST_MAX) as u64),
        count_of(count as u64, "row"),
    )?;
    for entry in entries().take(WORST_MAX) {
        write_row(out, *entry)?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if count > WORST_MAX {
        let more = Count((count - WORST_MAX) as u64);
        writeln!(out, "<p>and {more} more, in hosts.csv.</p>")?;
    }
    Ok(())
}

fn write_row(out: &mut dyn Write, entry: Entry<'_>) -> io::Result<()> {
    // Under several policies the one that it fares worst under.
    let worst = entry.worst();
    let policies = 0..=match entry {
        Entry::Seen(row) => row.outcomes.len(),
        Entry::Silent(host) => host.judgements.len(),
    };
    let judgement = policies
        .filter_map(|policy| entry.judgement(policy))
        .find(|judgement| judgement.verdict == worst);
    let (mut offers, mut flows, mut services) = ("", 0, String::new());
    if let Entry::Seen(row) = entry {
        offers = row.offered_max.map_or("", |version| version.name());
        flows = row.flows;
        let names: Vec<&str> = row.services.iter().map(|name| &**name).take(SERVICES_MAX).collect();
        services = names.join(", ");
    }
    let name = entry.name();
    let name = if name.is_empty() || entry.addr().is_none() {
        String::new()
    } else {
        format!(" <span class=\"name\">{}</span>", Text(name))
    };
    writeln!(
        out,
        "<tr><th scope=\"row\">{}{name}</th><td>{}</td><td><span class=\"badge \
         {verdict}\">{verdict}</span></td><td>{}</td><td>{offers}</td><td \
         class=\"n\">{}</td><td>{}</td><td class=\"reason\">{}</td></tr>",
        Text(&entry.label()),
        side_name(entry.side()),
        judgement.and_then(|judgement| judgement.cause).map_or("", Cause::name),
        Count(flows),
        Text(&services),
        Text(judgement.map_or("", |judgement| &judgement.reason)),
        verdict = worst.name(),
    )
}

//! What to do: hosts that one measure mends stand together.

use std::io::{self, Write};

use super::View;
use super::entries::FixGroup;
use super::markup::{Count, Text, count_of};
use super::words::{cause_title, verdict_title};
use crate::Cause;
use crate::output::sentences::sentences;

/// Measures in the page; an inventory may ask for one each host.
const GROUPS_MAX: usize = 200;

/// Hosts of one group in the page's HTML; the script knows them all.
const HOSTS_MAX: usize = 200;

/// Reasons and stacks of one group before the list is cut.
const LISTED_MAX: usize = 3;

pub(super) fn write(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    writeln!(out, "<section id=\"fixes\"><h2>What to fix</h2>")?;
    if view.groups.is_empty() {
        writeln!(out, "<p class=\"none\">No host was seen that needs a fix.</p>")?;
    } else {
        let measures = count_of(view.groups.len() as u64, "measure");
        writeln!(
            out,
            "<p class=\"lead\">{measures}, the worst and largest first. Hosts that stand together \
             need the same one: a group policy, an update, or a setting.</p>"
        )?;
    }
    for (index, group) in view.groups.iter().take(GROUPS_MAX).enumerate() {
        write_group(out, view, index, group)?;
    }
    if view.groups.len() > GROUPS_MAX {
        let more = count_of((view.groups.len() - GROUPS_MAX) as u64, "smaller measure");
        writeln!(out, "<p>and {more}, in hosts.csv.</p>")?;
    }
    writeln!(out, "</section>")
}

fn write_group(
    out: &mut dyn Write,
    view: &View<'_>,
    index: usize,
    group: &FixGroup<'_>,
) -> io::Result<()> {
    let tone = group.verdicts.keys().next().map_or("", |verdict| verdict.name());
    write!(
        out,
        "<article class=\"fix {tone}\" data-group=\"{index}\" \
         data-policy=\"{}\">\n<h3><span \
         class=\"size\">{}:</span> {}{}</h3>\n<p class=\"facts\">",
        group.policy,
        count_of(group.hosts.len() as u64, "host"),
        cause_title(group.cause),
        view.under(group.policy),
    )?;
    for (verdict, count) in &group.verdicts {
        let (name, title) = (verdict.name(), verdict_title(*verdict));
        write!(out, "<span class=\"badge {name}\">{} {title}</span> ", Count(*count))?;
    }
    if let Some(cause) = group.cause {
        write!(out, "<code>{}</code> ", Cause::name(cause))?;
    }
    if !group.stacks.is_empty() {
        let stacks = listed(group.stacks.iter().map(String::as_str));
        write!(out, "probably {stacks}")?;
    }
    writeln!(out, "</p>")?;
    write_reasons(out, group)?;
    match sentences(group.fix)[..] {
        [] => {}
        [only] => writeln!(out, "<p class=\"steps\">{}</p>", Text(only))?,
        ref several => {
            writeln!(out, "<ul class=\"steps\">")?;
            for sentence in several {
                writeln!(out, "<li>{}</li>", Text(sentence))?;
            }
            writeln!(out, "</ul>")?;
        }
    }
    write_hosts(out, group)?;
    writeln!(out, "</article>")
}

fn write_reasons(out: &mut dyn Write, group: &FixGroup<'_>) -> io::Result<()> {
    write!(out, "<ul class=\"reasons\">")?;
    for (reason, count) in group.reasons.iter().take(LISTED_MAX) {
        write!(out, "<li>{} &times; {}</li>", Count(*count), Text(reason))?;
    }
    let more = group.reasons.len().saturating_sub(LISTED_MAX);
    if more > 0 {
        write!(out, "<li>and {} (hosts.csv)</li>", count_of(more as u64, "other reason"))?;
    }
    writeln!(out, "</ul>")
}

fn write_hosts(out: &mut dyn Write, group: &FixGroup<'_>) -> io::Result<()> {
    let count = count_of(group.hosts.len() as u64, "host");
    write!(out, "<details class=\"who\"><summary>{count}</summary><p class=\"addresses\">")?;
    for (index, host) in group.hosts.iter().take(HOSTS_MAX).enumerate() {
        let gap = if index == 0 { "" } else { " " };
        write!(out, "{gap}<span>{}</span>", Text(host))?;
    }
    let more = group.hosts.len().saturating_sub(HOSTS_MAX);
    if more > 0 {
        write!(out, " and {} more (hosts.csv)", Count(more as u64))?;
    }
    writeln!(out, "</p></details>")
}

/// The first few of a list, as HTML.
fn listed<'a>(items: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = items.len().saturating_sub(LISTED_MAX);
    let shown: Vec<String> = items.take(LISTED_MAX).map(|item| Text(item).to_string()).collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join("; "))
}

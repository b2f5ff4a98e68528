//! The page's begin, the answer to the question, and what the page was made from.

use std::io::{self, Write};

use dissect::SkipReason;

use super::super::text::headline;
use super::View;
use super::entries::ACTED_ON;
use super::markup::{Count, Text, capital, count_of};
use super::words::{verdict_meaning, verdict_title};
use crate::{HostTally, Policy, Verdict};

/// Inputs, errors and the like that are listed before a list is cut.
const LISTED_MAX: usize = 50;

/// Parts of the page, by their ids.
const PARTS: [(&str, &str); 7] = [
    ("answer", "Answer"),
    ("fixes", "What to fix"),
    ("hosts", "Hosts"),
    ("ways", "Access paths"),
    ("versions", "Versions"),
    ("unseen", "Not seen"),
    ("about", "About"),
];

pub(super) fn write_begin(
    out: &mut dyn Write,
    view: &View<'_>,
    content_policy: &str,
    style: &str,
) -> io::Result<()> {
    let headline = view.report.tallies().first().map(answer).unwrap_or_default();
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{content_policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"generator\" content=\"tlsunset\">\n\
         <title>{} - tlsunset</title>\n<style>{style}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the report</a>\n",
        Text(&headline)
    )?;
    writeln!(
        out,
        "<header>\n<p class=\"brand\">tlsunset</p>\n<h1>TLS readiness report</h1>\n<p \
         class=\"meta\">{}</p>",
        meta(view)
    )?;
    out.write_all(b"<nav aria-label=\"Parts of the report\"><ul>")?;
    for (id, title) in PARTS {
        write!(out, "<li><a href=\"#{id}\">{title}</a></li>")?;
    }
    out.write_all(b"</ul></nav>\n</header>\n<main id=\"main\">\n")
}

/// When and what was captured, in a line of HTML.
fn meta(view: &View<'_>) -> String {
    let run = view.report.run();
    let mut parts = Vec::new();
    if let (Some(first), Some(last)) = (run.first_time, run.last_time) {
        parts.push(format!("Captured {} to {} UTC", minutes(first), minutes(last)));
    }
    let read = match &run.review {
        Some(review) => count_of(review.rows_read, "exported row"),
        None => count_of(run.counters.frames, "frame"),
    };
    let flows = count_of(view.report.digest.flows, "connection");
    parts.push(format!("{read}, {flows}"));
    if !run.sensor.is_empty() {
        // Runs of several sensors have several names.
        let names = run.sensor.replace(';', ", ");
        let noun = if names == run.sensor { "sensor" } else { "sensors" };
        parts.push(format!("{noun} {}", Text(&names)));
    }
    parts.join(" <span aria-hidden=\"true\">&middot;</span> ")
}

/// A time without its fractions and letters.
fn minutes(time: dissect::Timestamp) -> String {
    let text = time.to_string();
    text.split(['.', 'Z']).next().unwrap_or_default().replace('T', " ")
}

/// The headline as a page shows it: with thousands set apart, and without a number of hosts where
/// that would read as an all-clear.
fn answer(tally: &HostTally) -> String {
    let headline = headline(tally);
    if tally.judged == 0 {
        let rest = headline.split_once("; ").map_or("", |(_, rest)| rest);
        return format!("No host could be judged; {rest}");
    }
    let (breaks, judged) = (tally.hosts(Verdict::Breaks), tally.judged);
    let apart = format!("{} of {} ", Count(breaks), Count(judged));
    headline.replacen(&format!("{breaks} of {judged} "), &apart, 1)
}

/// A card for each policy.
pub(super) fn write_answers(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    writeln!(out, "<section id=\"answer\" aria-label=\"Answer\">")?;
    if view.report.tallies().is_empty() {
        writeln!(out, "<h2>Nothing was judged</h2>")?;
    }
    for (place, tally) in view.report.tallies().iter().enumerate() {
        write_answer(out, view, place, tally)?;
    }
    for error in view.report.run().errors.iter().take(LISTED_MAX) {
        writeln!(
            out,
            "<p class=\"note bad\"><strong>Not everything was read:</strong> {}</p>",
            Text(error)
        )?;
    }
    writeln!(out, "</section>")
}

fn write_answer(
    out: &mut dyn Write,
    view: &View<'_>,
    place: usize,
    tally: &HostTally,
) -> io::Result<()> {
    let tone = match (tally.hosts(Verdict::Breaks), tally.hidden_max, tally.judged) {
        (0, _, 0) => "plain",
        (0, 0, _) => "good",
        (0, ..) => "doubt",
        _ => "bad",
    };
    let headline = answer(tally);
    // The headline's second half is what qualifies the first.
    let (answer, rest) = headline.split_once("; ").unwrap_or((&headline, ""));
    write!(out, "<article class=\"answer {tone}\">\n<h2>{}", Text(answer))?;
    if !rest.is_empty() {
        write!(out, "<span class=\"rest\"><span class=\"away\">; </span>{}</span>", Text(rest))?;
    }
    writeln!(out, "</h2>")?;
    write_policy(out, view, &tally.policy)?;
    write_tiles(out, place, tally)?;
    writeln!(out, "</article>")
}

/// What the policy asks, and its days.
fn write_policy(out: &mut dyn Write, view: &View<'_>, name: &str) -> io::Result<()> {
    let known = view.report.policies.iter().find(|policy| &*policy.name == name);
    write!(out, "<p class=\"policy\">Policy <b>{}</b>", Text(name))?;
    let Some(policy) = known else { return writeln!(out, "</p>") };
    let Policy { requirer, title, minimum, since, deadlines, .. } = policy;
    if !title.is_empty() {
        write!(out, ": {}", Text(title))?;
    }
    write!(out, ". {} requires at least {}", capital(requirer), minimum.name())?;
    if let Some(since) = since {
        write!(out, " from {}", Text(since))?;
    }
    writeln!(out, ".</p>")?;
    if deadlines.is_empty() {
        return Ok(());
    }
    writeln!(out, "<details><summary>Days of this policy</summary><ul class=\"days\">")?;
    for line in deadlines.iter().take(LISTED_MAX) {
        writeln!(out, "<li><b>{}</b> {}</li>", Text(&line.date), Text(&line.what))?;
    }
    writeln!(out, "</ul></details>")
}

/// Hosts by verdict, each a way into the table of hosts.
fn write_tiles(out: &mut dyn Write, place: usize, tally: &HostTally) -> io::Result<()> {
    writeln!(out, "<ul class=\"tiles\">")?;
    for verdict in Verdict::ALL {
        let hosts = tally.hosts(verdict);
        let is_always_there =
            matches!(verdict, Verdict::Breaks | Verdict::Unknown | Verdict::Passes);
        if hosts == 0 && !is_always_there {
            continue;
        }
        writeln!(
            out,
            "<li><a class=\"tile {name}{zero}\" href=\"#hosts\" data-verdict=\"{name}\" \
             data-policy=\"{place}\"><b>{}</b> <span class=\"what\">{}</span> <span \
             class=\"why\">{}</span></a></li>",
            Count(hosts),
            verdict_title(verdict),
            verdict_meaning(verdict),
            name = verdict.name(),
            zero = if hosts == 0 { " zero" } else { "" },
        )?;
    }
    writeln!(out, "</ul>")?;
    let acted_on: u64 = ACTED_ON.iter().map(|verdict| tally.hosts(*verdict)).sum();
    writeln!(
        out,
        "<p class=\"sum\">{} in all, {} judged, {} to be worked on.</p>",
        count_of(tally.total, "host"),
        Count(tally.judged),
        Count(acted_on)
    )
}

/// What the page was made from, and how to go on.
pub(super) fn write_about(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let run = view.report.run();
    writeln!(out, "<section id=\"about\"><h2>About this report</h2>")?;
    writeln!(
        out,
        "<p>All of this was read from captured traffic; nothing was sent to any host, and nothing \
         was decrypted. A host is never said to pass on the strength of traffic that was not \
         seen.</p>"
    )?;
    writeln!(out, "<h3>Verdicts</h3><dl class=\"words\">")?;
    for verdict in Verdict::ALL {
        writeln!(
            out,
            "<dt>{}</dt><dd>hosts that {}</dd>",
            verdict.name(),
            verdict_meaning(verdict)
        )?;
    }
    writeln!(out, "</dl>\n<h3>Where it comes from</h3><dl class=\"words\">")?;
    if run.merged_runs > 0 {
        let sensors = run.sensor.split(';').filter(|name| !name.is_empty());
        let sensors: Vec<String> = sensors.map(str::to_owned).collect();
        writeln!(
            out,
            "<dt>Merged</dt><dd>{}. A connection that several of them saw counts once.</dd>",
            count_of(run.merged_runs as u64, "run")
        )?;
        list(out, "Sensors", &sensors)?;
    }
    list(out, "Inputs", &run.inputs)?;
    list(out, "Inside", &run.home)?;
    let endpoints = match run.endpoints.as_str() {
        "" => "the built-in list of Microsoft 365",
        file => file,
    };
    writeln!(out, "<dt>Endpoints</dt><dd>{}</dd>", Text(endpoints))?;
    writeln!(out, "<dt>Frames</dt><dd>{}</dd>", frames(&run.counters))?;
    if let Some(review) = &run.review {
        let not_understood: u64 = review.rows_not_understood.values().sum();
        writeln!(
            out,
            "<dt>Exported rows</dt><dd>{} read, {} of them not understood, {} that fit several \
             connections and were given to none. What the rows do not hold is not known; a \
             capture of the same traffic may say more.</dd>",
            Count(review.rows_read),
            Count(not_understood),
            Count(review.ambiguous_rows)
        )?;
    }
    if let Some(capture) = &run.capture {
        writeln!(
            out,
            "<dt>Live capture</dt><dd>{} received, {} dropped by the kernel, {} by the \
             interface</dd>",
            Count(capture.received),
            Count(capture.kernel_drops),
            Count(capture.interface_drops)
        )?;
    }
    writeln!(
        out,
        "</dl>\n<h3>More</h3><p><code>hosts.csv</code> and <code>flows.csv</code>, which \
         <code>--out</code> writes beside this page, hold every host and every connection. \
         <code>tlsunset explain DIR HOST</code> tells all connections of one host, with the bytes \
         that decide.</p></section>"
    )
}

fn list(out: &mut dyn Write, title: &str, items: &[String]) -> io::Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    write!(out, "<dt>{title}</dt>")?;
    for item in items.iter().take(LISTED_MAX) {
        write!(out, "<dd>{}</dd>", Text(item))?;
    }
    if items.len() > LISTED_MAX {
        write!(out, "<dd>and {} more (summary.json)</dd>", items.len() - LISTED_MAX)?;
    }
    writeln!(out)
}

/// Where every frame went.
fn frames(counters: &dissect::Counters) -> String {
    let skipped: Vec<String> = SkipReason::ALL
        .into_iter()
        .filter(|reason| counters.skipped_for(*reason) > 0)
        .map(|reason| format!("{} {}", Count(counters.skipped_for(reason)), reason.name()))
        .collect();
    let total: u64 = counters.skipped.iter().sum();
    let detail =
        if skipped.is_empty() { String::new() } else { format!(" ({})", skipped.join(", ")) };
    let (read, dissected) = (Count(counters.frames), Count(counters.dissected));
    format!("{read} read: {dissected} dissected, {} skipped{detail}", Count(total))
}

//! Versions over time as a plot; by service, and hosts by subnet, as tables with bars.

use std::io::{self, Write};

use dissect::Timestamp;

use super::View;
use super::breakdown::{Breakdown, Fates, OverTime, VERSION_NAMES, Versions, subnets};
use super::markup::{Count, count_of};
use super::tables::{Tallies, verdict_kinds};

/// Services in a table.
const SERVICES_MAX: usize = 20;

/// Subnets in a table.
const SUBNETS_MAX: usize = 25;

pub(super) fn write(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    let breakdown = Breakdown::of(&view.report.digest);
    let what = match breakdown.is_watched {
        true => "Connections to and from Office 365",
        false => "Connections (none was to or from Office 365)",
    };
    writeln!(out, "<section id=\"versions\"><h2>Versions in use</h2>")?;
    writeln!(out, "<h3>Over time</h3>")?;
    match &breakdown.over_time {
        Some(over_time) => write_over_time(out, over_time, &breakdown.total, what)?,
        None => writeln!(out, "<p class=\"none\">No connection was seen.</p>")?,
    }
    if !breakdown.services.is_empty() {
        writeln!(out, "<h3>By service</h3>")?;
        write_services(out, &breakdown, what)?;
    }
    for policy in 0..view.report.tallies().len() {
        let found = subnets(&view.entries, policy);
        if !found.is_empty() {
            let under = view.under(policy);
            writeln!(out, "<h3>By subnet{under}</h3>")?;
            let rows = cut(found, SUBNETS_MAX, "other subnets");
            Tallies {
                id: &format!("subnets-{policy}"),
                caption: &format!("Hosts by subnet{under}, those with most breaking hosts first"),
                head: "Subnet",
                kinds: &verdict_kinds(),
                sum: "hosts",
                rows: &rows,
            }
            .write(out)?;
        }
    }
    writeln!(out, "</section>")
}

/// The first rows, and all others as one.
fn cut<K: std::fmt::Display>(
    rows: Vec<(K, Fates)>,
    max: usize,
    others: &str,
) -> Vec<(String, Vec<u64>)> {
    let more = rows.len().saturating_sub(max);
    let mut rest: Fates = Fates::default();
    let mut kept = Vec::with_capacity(max + 1);
    for (index, (title, counts)) in rows.into_iter().enumerate() {
        if index < max {
            kept.push((title.to_string(), counts.to_vec()));
        } else {
            rest.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    if more > 0 {
        kept.push((format!("{} {others}", Count(more as u64)), rest.to_vec()));
    }
    kept
}

fn version_kinds() -> Vec<(String, &'static str)> {
    (0..).zip(VERSION_NAMES).map(|(place, name): (usize, _)| (format!("v{place}"), name)).collect()
}

fn write_services(out: &mut dyn Write, breakdown: &Breakdown<'_>, what: &str) -> io::Result<()> {
    let rows = cut(breakdown.services.clone(), SERVICES_MAX, "other services");
    Tallies {
        id: "services",
        caption: &format!("{what}, by service and negotiated version"),
        head: "Service",
        kinds: &version_kinds(),
        sum: "connections",
        rows: &rows,
    }
    .write(out)
}

/// The plot's size in its own units: all of it, and where its columns stand.
const WIDTH: i64 = 960;
const HEIGHT: i64 = 240;
const LEFT: i64 = 56;
const TOP: i64 = 12;
const BOTTOM: i64 = 204;
/// What a label of a column takes.
const LABEL: i64 = 76;

fn write_over_time(
    out: &mut dyn Write,
    over_time: &OverTime,
    total: &Versions,
    what: &str,
) -> io::Result<()> {
    let highest = over_time.buckets.iter().map(|it| it.iter().sum::<u64>()).max().unwrap_or(0);
    let top = round_up(highest);
    let step = width_in_words(over_time.width);
    write!(
        out,
        "<figure>\n<figcaption>{what}, by the version that was negotiated; a column is \
         {step}</figcaption>\n"
    )?;
    write_legend(out, total)?;
    write!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-label=\"Plot of versions over time\" \
         tabindex=\"0\"><svg class=\"plot\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"plot-title plot-text\">\n<title id=\"plot-title\">Versions over \
         time</title><desc id=\"plot-text\">{}</desc>\n<defs><pattern id=\"hatch\" width=\"6\" \
         height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect \
         class=\"hatch\" width=\"2\" height=\"6\"/></pattern></defs>\n",
        in_words(total)
    )?;
    for part in [0, top / 2, top] {
        let y = height_of(part, top);
        writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y}\" y2=\"{y}\"/><text \
             x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 8,
            y + 4,
            Count(part)
        )?;
    }
    write_columns(out, over_time, top)?;
    writeln!(out, "</svg></div>")?;
    write_numbers(out, over_time, total)?;
    writeln!(out, "</figure>")
}

/// What a column of so many connections ends at.
fn height_of(count: u64, top: u64) -> i64 {
    let share = u128::from(count) * (BOTTOM - TOP).unsigned_abs() as u128 / u128::from(top.max(1));
    BOTTOM - i64::try_from(share).unwrap_or(0)
}

fn write_columns(out: &mut dyn Write, over_time: &OverTime, top: u64) -> io::Result<()> {
    // There are at most BUCKETS_MAX.
    let count = i64::try_from(over_time.buckets.len()).unwrap_or(1).max(1);
    let pitch = ((WIDTH - LEFT) / count).min(120);
    let labels_every = (count / 6).max(1);
    for (place, bucket) in (0i64..).zip(&over_time.buckets) {
        let x = LEFT + place * pitch;
        let width = (pitch - pitch / 5).max(1);
        let mut below = 0;
        for (version, count) in bucket.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (y, bottom) = (height_of(below + count, top), height_of(below, top));
            below += count;
            let height = (bottom - y).max(1);
            write!(
                out,
                "<rect class=\"v{version}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
            )?;
            if version < FIRST_NEW {
                write!(
                    out,
                    "<rect fill=\"url(#hatch)\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
                )?;
            }
        }
        if place % labels_every == 0 && x + LABEL <= WIDTH {
            let begin = over_time.start.saturating_add(place.saturating_mul(over_time.width));
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{}\">{}</text>",
                BOTTOM + 20,
                clock(begin, over_time.width)
            )?;
        }
    }
    Ok(())
}

/// The place of the first version that is hatched no more: TLS 1.2.
const FIRST_NEW: usize = 4;

fn write_legend(out: &mut dyn Write, total: &Versions) -> io::Result<()> {
    write!(out, "<ul class=\"legend\">")?;
    for (place, name) in VERSION_NAMES.iter().enumerate().filter(|(place, _)| total[*place] > 0) {
        let old = if place < FIRST_NEW { " old" } else { "" };
        write!(
            out,
            "<li><span class=\"swatch v{place}{old}\"></span>{name}: {}</li>",
            Count(total[place])
        )?;
    }
    writeln!(out, "</ul>")
}

/// The numbers of the plot, for those who can't see it or want to know.
fn write_numbers(out: &mut dyn Write, over_time: &OverTime, total: &Versions) -> io::Result<()> {
    let used = || (0..VERSION_NAMES.len()).filter(|place| total[*place] > 0);
    write!(
        out,
        "<details class=\"numbers\"><summary>The numbers of this plot</summary><table><thead><tr><th \
         scope=\"col\">From (UTC)</th>"
    )?;
    for place in used() {
        write!(out, "<th scope=\"col\" class=\"n\">{}</th>", VERSION_NAMES[place])?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for (place, bucket) in (0i64..).zip(&over_time.buckets) {
        let begin = over_time.start.saturating_add(place.saturating_mul(over_time.width));
        write!(out, "<tr><th scope=\"row\">{}</th>", day_and_clock(begin))?;
        for version in used() {
            write!(out, "<td class=\"n\">{}</td>", Count(bucket[version]))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></details>")
}

fn in_words(total: &Versions) -> String {
    let counts: Vec<String> = VERSION_NAMES
        .iter()
        .zip(total)
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{name}: {}", count_of(*count, "connection")))
        .collect();
    format!("Stacked columns. In all, {}.", counts.join(", "))
}

/// The least of 2, 4, 10, 20, 40, 100, ... that is enough, so that its half is a count too.
fn round_up(count: u64) -> u64 {
    let mut unit = 1u64;
    loop {
        for digit in [2, 4, 10] {
            let top = unit.saturating_mul(digit);
            if top >= count || top == u64::MAX {
                return top;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

fn width_in_words(seconds: i64) -> String {
    let (unit, noun) = match seconds {
        ..60 => (1, "second"),
        60..3_600 => (60, "minute"),
        3_600..86_400 => (3_600, "hour"),
        _ => (86_400, "day"),
    };
    count_of((seconds / unit).unsigned_abs(), noun)
}

/// `2026-11-23 08:00:01`
fn day_and_clock(second: i64) -> String {
    let text = Timestamp::from_nanos(second.saturating_mul(1_000_000_000)).to_string();
    text.split(['.', 'Z']).next().unwrap_or_default().replace('T', " ")
}

/// As much of a time as columns of this width need.
fn clock(second: i64, width: i64) -> String {
    let text = day_and_clock(second);
    let (day, clock) = text.split_once(' ').unwrap_or((&text, ""));
    match width {
        ..60 => clock.to_owned(),
        60..3_600 => clock.get(..5).unwrap_or(clock).to_owned(),
        3_600..86_400 => {
            format!("{} {}", day.get(5..).unwrap_or(day), clock.get(..5).unwrap_or(clock))
        }
        _ => day.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_counts() {
        let check = |count, expect| assert_eq!(round_up(count), expect);
        check(0, 2);
        check(3, 4);
        check(5, 10);
        check(11, 20);
        check(101, 200);
        check(u64::MAX, u64::MAX);
    }

    #[test]
    fn times_are_as_fine_as_the_columns() {
        let check = |width, expect: &str| assert_eq!(clock(1_540_944_061, width), expect);
        check(1, "00:01:01");
        check(600, "00:01");
        check(3_600, "10-31 00:01");
        check(86_400, "2018-10-31");
    }
}

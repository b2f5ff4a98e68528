//! The picture: rates, interfaces, versions, hosts, messages, and what keys do.

mod host;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table, TableState};

use report::{Verdict, printable};

use super::history::History;
use super::keys::{Keys, Mode, Sort};
use super::rows::{ROWS_MAX, Shown};

/// Versions with a line of their own, the oldest first; empty where none was chosen.
const VERSIONS: [&str; 7] = ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3", ""];
/// Interfaces that are shown; of more, a line says how many.
const INTERFACES_MAX: usize = 4;
/// Columns of names and numbers beside a line of bars.
const BAR_LABEL_WIDTH: u16 = 26;

/// Draws all.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    shown: &Shown,
    history: &History,
    keys: &Keys,
    messages: &[String],
) {
    let lines = |count: usize| Constraint::Length(u16::try_from(count).unwrap_or(u16::MAX));
    let versions = seen_versions(history);
    // A low terminal keeps the hosts and loses bars.
    let is_low = frame.area().height < 20;
    let bars = if is_low { 0 } else { 2 + versions.len() };
    let areas: [Rect; 6] = Layout::vertical([
        lines(1),
        lines(1 + shown.interfaces.len().min(INTERFACES_MAX + 1)),
        lines(bars),
        Constraint::Min(3),
        lines(if is_low { messages.len().min(1) } else { messages.len() }),
        lines(1),
    ])
    .areas(frame.area());
    let [title, interfaces, rates, hosts, said, help] = areas;
    frame.render_widget(headline(shown), title);
    draw_interfaces(frame, interfaces, shown);
    draw_rates(frame, rates, history, &versions);
    match keys.mode {
        Mode::Details => host::draw(frame, hosts, shown, keys),
        _ => draw_hosts(frame, hosts, shown, keys),
    }
    let newest = messages.len().saturating_sub(usize::from(said.height));
    let messages = messages.iter().skip(newest).map(|line| Line::from(printable(line)));
    frame.render_widget(Paragraph::new(messages.collect::<Vec<_>>()).style(dim()), said);
    frame.render_widget(help_line(keys), help);
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn headline(shown: &Shown) -> Line<'static> {
    let Some(policy) = &shown.policy else {
        return Line::styled("tlsunset: no TLS connection yet", bold());
    };
    let nouns = if shown.breaks == 1 { "host breaks" } else { "hosts break" };
    let style = if shown.breaks > 0 { bold().fg(Color::Red) } else { bold() };
    let mut spans = vec![
        Span::styled(format!("{} {nouns}", shown.breaks), style),
        Span::raw(format!(" under {}", printable(policy))),
    ];
    if shown.lag_ns > 1_000_000_000 {
        spans.push(Span::raw(format!(", {} s behind", shown.lag_ns / 1_000_000_000)));
    }
    if shown.hosts_passed_over > 0 {
        spans.push(Span::raw(format!(", no room for {} sightings", shown.hosts_passed_over)));
    }
    Line::from(spans)
}

fn draw_interfaces(frame: &mut Frame<'_>, area: Rect, shown: &Shown) {
    let count = |count: u64| {
        let style = if count > 0 { bold().fg(Color::Red) } else { Style::new() };
        Cell::new(Line::from(count.to_string()).right_aligned()).style(style)
    };
    let right = |text: &'static str| Cell::new(Line::from(text).right_aligned());
    let mut rows: Vec<Row<'_>> = shown
        .interfaces
        .iter()
        .take(INTERFACES_MAX)
        .map(|it| {
            Row::new([
                Cell::new(printable(&it.name)),
                Cell::new(Line::from(it.received.to_string()).right_aligned()),
                count(it.kernel_drops),
                count(it.interface_drops),
                count(it.outages),
            ])
        })
        .collect();
    if shown.interfaces.len() > INTERFACES_MAX {
        let more = shown.interfaces.len() - INTERFACES_MAX;
        rows.push(Row::new([Cell::new(format!("and {more} more"))]));
    }
    let titles = ["received", "kernel drops", "interface drops", "outages"].map(right);
    let titles = [Cell::new("interface")].into_iter().chain(titles);
    let widths = [16, 14, 13, 16, 8].map(Constraint::Length);
    frame.render_widget(Table::new(rows, widths).header(Row::new(titles).style(dim())), area);
}

/// Versions that were negotiated in the time shown.
fn seen_versions(history: &History) -> Vec<&'static str> {
    let is_seen = |version: &&'static str| {
        history.rates.iter().any(|rate| rate.versions.get(version).is_some_and(|count| *count > 0))
    };
    VERSIONS.into_iter().filter(is_seen).collect()
}

fn draw_rates(frame: &mut Frame<'_>, area: Rect, history: &History, versions: &[&'static str]) {
    let last = history.rates.back().cloned().unwrap_or_default();
    let packets = history.rates.iter().map(|rate| rate.packets_per_s).collect();
    let bits = history.rates.iter().map(|rate| rate.bits_per_s).collect();
    let mut lines = vec![
        (format!("{} packets/s", short(last.packets_per_s)), packets, Color::Cyan),
        (format!("{} bits/s", short(last.bits_per_s)), bits, Color::Cyan),
    ];
    for version in versions {
        let counts = history.rates.iter().map(|rate| *rate.versions.get(version).unwrap_or(&0));
        let counts: Vec<u64> = counts.collect();
        let name = if version.is_empty() { "no version" } else { version };
        let color = match *version {
            "TLSv1.2" | "TLSv1.3" => Color::Green,
            "" => Color::Gray,
            _ => Color::Red,
        };
        let label = format!("{name} {}", short(counts.iter().sum()));
        lines.push((label, counts, color));
    }
    for (place, (label, values, color)) in area.rows().zip(lines) {
        let widths = [Constraint::Length(BAR_LABEL_WIDTH), Constraint::Fill(1)];
        let [text, bars] = Layout::horizontal(widths).areas(place);
        frame.render_widget(label, text);
        // The newest at the right end.
        let width = usize::from(bars.width);
        let newest = values.len().saturating_sub(width);
        let padding = std::iter::repeat_n(0, width.saturating_sub(values.len()));
        let values: Vec<u64> = padding.chain(values.into_iter().skip(newest)).collect();
        frame.render_widget(Sparkline::default().data(values).style(Style::new().fg(color)), bars);
    }
}

fn draw_hosts(frame: &mut Frame<'_>, area: Rect, shown: &Shown, keys: &Keys) {
    let sorted = |sort: Sort| {
        let mark = match (keys.sort == sort, keys.is_reversed) {
            (false, _) => "",
            (true, false) => " v",
            (true, true) => " ^",
        };
        Cell::new(format!("{}{mark}", sort.name()))
    };
    let titles = [
        sorted(Sort::Host),
        sorted(Sort::Verdict),
        Cell::new("offers"),
        sorted(Sort::Connections),
        sorted(Sort::FirstSeen),
        sorted(Sort::LastSeen),
        sorted(Sort::Service),
        Cell::new("server name"),
    ];
    let rows = shown.rows.iter().map(|(host, patient)| {
        Row::new([
            Cell::new(host.to_string()),
            Cell::new(patient.verdict.name()).style(verdict_style(patient.verdict)),
            Cell::new(patient.offered),
            Cell::new(Line::from(patient.flows.to_string()).right_aligned()),
            Cell::new(clock(&patient.first_seen.to_string())),
            Cell::new(clock(&patient.last_seen.to_string())),
            Cell::new(printable(&patient.service)),
            Cell::new(printable(&patient.server_name)),
        ])
    });
    let mut title = format!(" {} of {} hosts that don't pass", shown.found, shown.hosts);
    if shown.found > ROWS_MAX {
        title += &format!(", the first {ROWS_MAX} shown");
    }
    if !keys.filter.is_empty() || keys.mode == Mode::Filter {
        title += &format!(", with \"{}\"", keys.filter);
    }
    // What does not fit is left out from the right; a host is never squeezed.
    let mut left = area.width;
    let widths = [if left < 120 { 16 } else { 24 }, 11, 8, 13, 14, 14, 26, 12];
    let widths = widths.into_iter().take_while(|width| {
        let fits = left > *width;
        left = left.saturating_sub(*width + 1);
        fits
    });
    let widths: Vec<_> = widths.map(Constraint::Min).collect();
    let titles = titles.into_iter().take(widths.len().max(1));
    let table = Table::new(rows, widths)
        .header(Row::new(titles).style(dim()))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED))
        .block(Block::new().borders(Borders::TOP).title(title + " "));
    let mut state = TableState::new().with_selected(keys.row());
    frame.render_stateful_widget(table, area, &mut state);
}

fn verdict_style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Breaks | Verdict::FailsToday => Style::new().fg(Color::Red),
        Verdict::AtRisk | Verdict::Degrades => Style::new().fg(Color::Yellow),
        _ => Style::new(),
    }
}

fn help_line(keys: &Keys) -> Line<'static> {
    match keys.mode {
        Mode::Table => Line::from(
            "q end  Enter details  / filter  Esc all  s sort  r reverse  p policy  arrows choose",
        ),
        Mode::Details => Line::from("q end  Esc back  arrows scroll"),
        Mode::Filter => Line::from(vec![
            Span::raw(format!("/{}", keys.filter)),
            Span::styled("_", Style::new().add_modifier(Modifier::REVERSED)),
            Span::raw("  Enter keep  Esc all"),
        ]),
    }
}

/// Month, day and minute of a time in RFC 3339 (UTC).
fn clock(time: &str) -> String {
    time.get(5..16).unwrap_or(time).replace('T', " ")
}

/// A number in few characters: 950, 1.2 k, 34 M.
fn short(count: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    match UNITS.iter().find(|(unit, _)| count >= *unit) {
        None => format!("{count} "),
        Some((unit, name)) if count / unit < 10 => {
            format!("{}.{} {name}", count / unit, count % unit * 10 / unit)
        }
        Some((unit, name)) => format!("{} {name}", count / unit),
    }
    .trim_end()
    .to_owned()
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;

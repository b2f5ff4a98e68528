//! One host: its verdict, reason and fix, and its newest connections.

use std::net::SocketAddr;

use dissect::Endpoint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Wrap};
use report::printable;

use super::super::keys::Keys;
use super::super::rows::Shown;
use super::{bold, verdict_style};

/// Draws the host that is chosen.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, shown: &Shown, keys: &Keys) {
    let Some((host, patient)) = keys.row().and_then(|row| shown.rows.get(row)) else { return };
    let cause = patient.cause.map_or("", |cause| cause.name());
    let separator = if cause.is_empty() { "" } else { ": " };
    let mut lines = vec![
        Line::from(vec![
            Span::styled(patient.verdict.name(), verdict_style(patient.verdict)),
            Span::raw(format!("{separator}{cause}")),
        ]),
        fact("reason", &patient.reason),
        fact("fix", &patient.fix),
        fact("offers", patient.offered),
        fact("service", &patient.service),
        fact("server", &patient.server_name),
        fact("seen", &format!("{} to {}", patient.first_seen, patient.last_seen)),
        Line::default(),
        Line::styled("newest connections", bold()),
    ];
    if shown.sightings.is_empty() {
        lines.push(Line::from("none kept: there are too many hosts"));
    }
    for sighting in &shown.sightings {
        let name = sighting.server_name.as_deref().unwrap_or("");
        let chosen = if sighting.negotiated.is_empty() { "nothing" } else { sighting.negotiated };
        let offered = if sighting.offered.is_empty() { "unseen" } else { sighting.offered };
        lines.push(Line::from(vec![
            Span::raw(format!("{}  ", sighting.time)),
            Span::styled(sighting.verdict.name(), verdict_style(sighting.verdict)),
            Span::raw(format!("  {} -> {}", shown_as(sighting.client), shown_as(sighting.server))),
        ]));
        let told = format!(
            "  {}{}offered {offered}, chosen {chosen}; {}",
            printable(name),
            if name.is_empty() { "" } else { "  " },
            printable(&sighting.reason)
        );
        lines.push(Line::from(told));
    }
    let block = Block::new().borders(Borders::TOP).title(format!(" {host} "));
    let details = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((keys.scroll, 0));
    frame.render_widget(details.block(block), area);
}

fn fact(name: &'static str, text: &str) -> Line<'static> {
    Line::from(vec![Span::styled(format!("{name:8}"), bold()), Span::raw(printable(text))])
}

fn shown_as(end: Endpoint) -> SocketAddr {
    SocketAddr::new(end.addr, end.port)
}

//! What keys ask for: a machine of states without a terminal.

use std::net::IpAddr;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::rows::Shown;

/// Characters of a filter: more than any cell that is looked for.
const FILTER_CHARS_MAX: usize = 64;
/// Rows that a page key goes.
const PAGE: usize = 10;
/// Lines that details go down at most.
const SCROLL_MAX: u16 = 500;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) mode: Mode,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    /// What rows must have.
    pub(super) filter: String,
    /// The how manieth policy.
    pub(super) policy: usize,
    /// The host of the row that is chosen, and where that was.
    pub(super) chosen: Option<IpAddr>,
    row: usize,
    /// Lines of details above the window.
    pub(super) scroll: u16,
}

/// What keys mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Table,
    /// A filter is typed.
    Filter,
    /// A host is looked at.
    Details,
}

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The worst first, the newest of them.
    #[default]
    Verdict,
    FirstSeen,
    LastSeen,
    Host,
    Connections,
    Service,
}

impl Sort {
    const ALL: [Self; 6] = [
        Self::Verdict,
        Self::FirstSeen,
        Self::LastSeen,
        Self::Host,
        Self::Connections,
        Self::Service,
    ];

    /// The title of the column.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::FirstSeen => "first seen",
            Self::LastSeen => "last seen",
            Self::Host => "host",
            Self::Connections => "connections",
            Self::Service => "service",
        }
    }

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL.iter().cycle().nth(place + 1).copied().unwrap_or_default()
    }
}

impl Keys {
    /// Takes an event; whether the run is to end.
    pub(super) fn take(&mut self, event: &Event, shown: &Shown) -> bool {
        let Event::Key(key) = event else { return false };
        // Windows tells of keys that are let go, too.
        key.kind != KeyEventKind::Release && self.press(*key, shown)
    }

    fn press(&mut self, key: KeyEvent, shown: &Shown) -> bool {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return key.code == KeyCode::Char('c');
        }
        match self.mode {
            Mode::Filter => self.type_filter(key.code),
            Mode::Table | Mode::Details if key.code == KeyCode::Char('q') => return true,
            Mode::Table => self.choose(key.code, shown),
            Mode::Details => self.look(key.code),
        }
        false
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.mode = Mode::Table,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Table;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(character)
                if !character.is_control() && self.filter.chars().count() < FILTER_CHARS_MAX =>
            {
                self.filter.push(character);
            }
            _ => {}
        }
    }

    fn choose(&mut self, key: KeyCode, shown: &Shown) {
        let last = shown.rows.len().saturating_sub(1);
        let row = match key {
            KeyCode::Up | KeyCode::Char('k') => self.row.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.row.saturating_add(1),
            KeyCode::PageUp => self.row.saturating_sub(PAGE),
            KeyCode::PageDown => self.row.saturating_add(PAGE),
            KeyCode::Home | KeyCode::Char('g') => 0,
            KeyCode::End | KeyCode::Char('G') => last,
            KeyCode::Enter => {
                if self.chosen.is_some() {
                    (self.mode, self.scroll) = (Mode::Details, 0);
                }
                return;
            }
            KeyCode::Char('/') => return self.mode = Mode::Filter,
            KeyCode::Esc => return self.filter.clear(),
            KeyCode::Char('s') => return self.sort = self.sort.next(),
            KeyCode::Char('r') => return self.is_reversed = !self.is_reversed,
            KeyCode::Char('p') => {
                return self.policy = (self.policy + 1) % shown.policies.len().max(1);
            }
            _ => return,
        };
        self.go_to(row.min(last), shown);
    }

    fn look(&mut self, key: KeyCode) {
        let page = u16::try_from(PAGE).unwrap_or(1);
        self.scroll = match key {
            KeyCode::Esc | KeyCode::Enter | KeyCode::Backspace | KeyCode::Left => {
                return self.mode = Mode::Table;
            }
            KeyCode::Up | KeyCode::Char('k') => self.scroll.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll.saturating_add(1),
            KeyCode::PageUp => self.scroll.saturating_sub(page),
            KeyCode::PageDown => self.scroll.saturating_add(page),
            KeyCode::Home | KeyCode::Char('g') => 0,
            _ => return,
        }
        .min(SCROLL_MAX);
    }

    fn go_to(&mut self, row: usize, shown: &Shown) {
        self.row = row;
        self.chosen = shown.rows.get(row).map(|(host, _)| *host);
    }

    /// Keeps the chosen host chosen when rows came, went or moved.
    pub(super) fn settle(&mut self, shown: &Shown) {
        match self.chosen.and_then(|host| shown.row_of(host)) {
            Some(row) => self.row = row,
            None => {
                self.mode = if self.mode == Mode::Details { Mode::Table } else { self.mode };
                self.go_to(self.row.min(shown.rows.len().saturating_sub(1)), shown);
            }
        }
    }

    /// The row that is chosen.
    pub(super) fn row(&self) -> Option<usize> {
        self.chosen.map(|_| self.row)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

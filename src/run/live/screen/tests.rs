//! Keys as they are pressed, and what they come to.

use dissect::Timestamp;
use report::Verdict;

use super::super::super::board::{Board, Patient};
use super::super::rows::ROWS_MAX;
use super::*;

fn patient(verdict: Verdict, first_s: i64, flows: u64, service: &str) -> Patient {
    Patient {
        first_seen: Timestamp::from_nanos(first_s * 1_000_000_000),
        last_seen: Timestamp::from_nanos((1000 - first_s) * 1_000_000_000),
        flows,
        verdict,
        cause: None,
        service: service.into(),
        server_name: "mail.Example.com\u{1b}[2J".into(),
        offered: "TLSv1.0",
        reason: "".into(),
        fix: "".into(),
    }
}

fn host(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn board() -> Board {
    let mut board = Board::default();
    for policy in ["a", "b"] {
        board.flows.insert((policy.into(), "TLSv1.0", "breaks"), 1);
    }
    let hosts = [
        (1, patient(Verdict::AtRisk, 10, 9, "Teams")),
        (2, patient(Verdict::Breaks, 20, 1, "SharePoint")),
        (3, patient(Verdict::Breaks, 30, 5, "Exchange")),
    ];
    board.hosts = hosts.into_iter().map(|(last, it)| (("a".into(), host(last)), it)).collect();
    board
}

/// A terminal whose keys are typed here, `^` before those with Ctrl, `<name>` for others.
#[derive(Default)]
struct Desk {
    board: Board,
    keys: Keys,
    shown: Shown,
}

impl Desk {
    fn new(board: Board) -> Self {
        let mut desk = Self { board, ..Self::default() };
        desk.settle();
        desk
    }

    fn settle(&mut self) {
        self.shown = Shown::of(&self.board, &self.keys);
        self.keys.settle(&self.shown);
    }

    fn press(&mut self, code: KeyCode) -> bool {
        let is_end = self.keys.take(&Event::Key(code.into()), &self.shown);
        self.settle();
        is_end
    }

    fn types(&mut self, text: &str) -> bool {
        text.chars().any(|character| self.press(KeyCode::Char(character)))
    }

    fn order(&self) -> Vec<u8> {
        let last = |host: &IpAddr| match host {
            IpAddr::V4(addr) => addr.octets()[3],
            IpAddr::V6(_) => 0,
        };
        self.shown.rows.iter().map(|(host, _)| last(host)).collect()
    }
}

#[test]
fn q_and_ctrl_c_end_the_run_and_a_typed_q_does_not() {
    let ctrl_c = Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL));
    for before in [&[][..], &[KeyCode::Enter], &[KeyCode::Char('/')]] {
        let mut desk = Desk::new(board());
        before.iter().for_each(|key| assert!(!desk.press(*key)));
        assert_eq!(desk.types("q"), desk.keys.mode != Mode::Filter, "{before:?}");
        assert!(desk.keys.take(&ctrl_c, &desk.shown), "{before:?}");
    }
    let mut desk = Desk::new(board());
    let released = KeyEvent {
        kind: KeyEventKind::Release,
        ..KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE)
    };
    assert!(!desk.keys.take(&Event::Key(released), &desk.shown));
    assert!(!desk.keys.take(&Event::Resize(1, 1), &desk.shown));
}

#[test]
fn rows_are_sorted_by_each_column_and_reversed() {
    let mut desk = Desk::new(board());
    let mut orders = Vec::new();
    for _ in Sort::ALL {
        let sort = desk.keys.sort;
        orders.push((sort, desk.order()));
        desk.types("r");
        let mut reversed = desk.order();
        reversed.reverse();
        assert_eq!(reversed, orders.last().unwrap().1, "{sort:?}");
        desk.types("rs");
    }
    assert_eq!(desk.keys.sort, Sort::default());
    let expect = [
        (Sort::Verdict, vec![3, 2, 1]),
        (Sort::FirstSeen, vec![3, 2, 1]),
        (Sort::LastSeen, vec![1, 2, 3]),
        (Sort::Host, vec![1, 2, 3]),
        (Sort::Connections, vec![1, 3, 2]),
        (Sort::Service, vec![3, 2, 1]),
    ];
    assert_eq!(orders, expect);
}

#[test]
fn a_filter_finds_cells_as_they_are_shown() {
    for (filter, expect) in [
        ("SHAREpoint", vec![2]),
        ("10.0.0.3", vec![3]),
        ("at-risk", vec![1]),
        ("example.com\\u{1b}", vec![3, 2, 1]),
        ("nothing", vec![]),
    ] {
        let mut desk = Desk::new(board());
        desk.types("/");
        desk.types(filter);
        assert_eq!((desk.order(), desk.keys.filter.as_str()), (expect, filter));
        desk.press(KeyCode::Backspace);
        assert_eq!(desk.keys.filter.len(), filter.len() - 1);
        desk.press(KeyCode::Enter);
        assert_eq!(desk.keys.mode, Mode::Table);
        desk.press(KeyCode::Esc);
        assert_eq!((desk.order(), desk.keys.filter.as_str()), (vec![3, 2, 1], ""));
    }
    let mut desk = Desk::new(board());
    desk.types("/");
    desk.types(&"x".repeat(FILTER_CHARS_MAX + 1));
    desk.types("\u{1b}\n");
    assert_eq!(desk.keys.filter, "x".repeat(FILTER_CHARS_MAX));
}

#[test]
fn the_host_that_is_chosen_stays_chosen_when_rows_move() {
    let mut desk = Desk::new(board());
    assert_eq!((desk.keys.row(), desk.keys.chosen), (Some(0), Some(host(3))));
    desk.press(KeyCode::Down);
    assert_eq!(desk.keys.chosen, Some(host(2)));
    desk.board.hosts.insert(("a".into(), host(4)), patient(Verdict::Breaks, 40, 1, ""));
    desk.settle();
    assert_eq!((desk.keys.row(), desk.keys.chosen), (Some(2), Some(host(2))));
    for (key, expect) in [
        (KeyCode::End, 1),
        (KeyCode::Down, 1),
        (KeyCode::Home, 4),
        (KeyCode::Up, 4),
        (KeyCode::PageDown, 1),
        (KeyCode::PageUp, 4),
    ] {
        desk.press(key);
        assert_eq!(desk.keys.chosen, Some(host(expect)), "{key}");
    }
    desk.press(KeyCode::End);
    desk.press(KeyCode::Enter);
    assert_eq!(desk.keys.mode, Mode::Details);
    desk.board.hosts.retain(|(_, of), _| *of != host(1));
    desk.settle();
    assert_eq!((desk.keys.mode, desk.keys.chosen), (Mode::Table, Some(host(2))));
}

#[test]
fn nothing_is_chosen_where_there_is_nothing() {
    let mut desk = Desk::new(Board::default());
    for key in [KeyCode::Down, KeyCode::End, KeyCode::PageDown, KeyCode::Enter] {
        assert!(!desk.press(key));
        assert_eq!((desk.keys.row(), desk.keys.mode), (None, Mode::Table), "{key}");
    }
    desk.types("p");
    assert_eq!(desk.keys.policy, 0);
}

#[test]
fn policies_take_turns() {
    let mut desk = Desk::new(board());
    for expect in ["a", "b", "a"] {
        assert_eq!(desk.shown.policy.as_deref(), Some(expect));
        assert_eq!(desk.shown.rows.is_empty(), expect == "b");
        desk.types("p");
    }
}

#[test]
fn rows_are_bounded_and_the_rest_is_counted() {
    let mut board = board();
    for number in 0..=u32::try_from(ROWS_MAX).unwrap() {
        let host = IpAddr::from((0x0a01_0000 + number).to_be_bytes());
        board.hosts.insert(("a".into(), host), patient(Verdict::Degrades, 1, 1, ""));
    }
    let desk = Desk::new(board);
    assert_eq!((desk.shown.rows.len(), desk.shown.found), (ROWS_MAX, ROWS_MAX + 4));
    assert_eq!(desk.shown.rows[0].0, host(3));
}

#[test]
fn details_scroll_between_bounds() {
    let mut desk = Desk::new(board());
    desk.press(KeyCode::Enter);
    desk.press(KeyCode::Up);
    assert_eq!(desk.keys.scroll, 0);
    (0..2000).for_each(|_| assert!(!desk.press(KeyCode::PageDown)));
    assert_eq!(desk.keys.scroll, SCROLL_MAX);
    desk.press(KeyCode::Esc);
    desk.press(KeyCode::Enter);
    assert_eq!(desk.keys.scroll, 0);
}

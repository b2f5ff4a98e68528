//! Pictures as text.

use std::net::IpAddr;
use std::sync::Arc;

use capture::InterfaceCounts;
use dissect::{Endpoint, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use report::Cause;

use super::super::super::board::{Board, Patient};
use super::super::super::sightings::Sighting;
use super::*;

const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos((1_540_944_000 + seconds) * 1_000_000_000)
}

fn board() -> Board {
    let mut board = Board::default();
    let patient = Patient {
        first_seen: at(0),
        last_seen: at(3600),
        flows: 3,
        verdict: Verdict::Breaks,
        cause: Some(Cause::ClientTooOld),
        service: "Exchange Online".into(),
        server_name: "evil\u{1b}]0;x\u{7}\u{202e}.com".into(),
        offered: "TLSv1.0",
        reason: "offers TLSv1.0 at most".into(),
        fix: "update it".into(),
    };
    board.hosts.insert(("p".into(), HOST), patient);
    board.interfaces = vec![InterfaceCounts {
        name: "eth1".to_owned(),
        received: 1300,
        kernel_drops: 5,
        ..InterfaceCounts::default()
    }];
    board
}

/// Two looks at the board, a second apart.
fn history(board: &mut Board) -> History {
    let mut history = History::default();
    board.seen_at = at(0);
    history.take(board);
    board.flows.insert(("p".into(), "TLSv1.0", "breaks"), 3);
    (board.seen_at, board.counters.frames, board.counters.bytes) = (at(1), 1250, 1_000_000);
    history.take(board);
    history
}

/// A picture, a line a row, without what is empty at its end.
fn picture(width: u16, height: u16, board: &mut Board, keys: &mut Keys) -> String {
    let history = history(board);
    let shown = Shown::of(board, keys);
    keys.settle(&shown);
    let shown = Shown { sightings: sightings(), ..shown };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let said = ["tlsunset: listening on eth1".to_owned(), "tlsunset: \u{1b}[2J".to_owned()];
    terminal.draw(|frame| draw(frame, &shown, &history, keys, &said)).unwrap();
    let cells = terminal.backend().buffer();
    let rows = cells.content().chunks(usize::from(width.max(1)));
    let rows = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| row.trim_end().to_owned() + "\n").collect()
}

fn keys(mode: Mode, filter: &str) -> Keys {
    let mut keys = Keys::default();
    (keys.mode, keys.filter) = (mode, filter.to_owned());
    keys
}

fn sightings() -> Vec<Sighting> {
    vec![Sighting {
        time: at(0),
        client: Endpoint { addr: HOST, port: 40_000 },
        server: Endpoint { addr: IpAddr::from([52, 96, 0, 1]), port: 443 },
        server_name: Some(Arc::from("a\rb.com")),
        offered: "TLSv1.0",
        negotiated: "",
        verdict: Verdict::Breaks,
        reason: "offers TLSv1.0 at most".into(),
    }]
}

#[test]
fn a_table_of_hosts() {
    let drawn = picture(150, 22, &mut board(), &mut Keys::default());
    assert_eq!(drawn, TABLE, "\n{drawn}");
}

#[test]
fn details_of_a_host() {
    let mut keys = keys(Mode::Details, "");
    keys.chosen = Some(HOST);
    let drawn = picture(80, 24, &mut board(), &mut keys);
    assert_eq!(drawn, DETAILS, "\n{drawn}");
}

#[test]
fn a_low_terminal_keeps_hosts_and_help() {
    let mut keys = keys(Mode::Filter, "10.");
    let drawn = picture(60, 9, &mut board(), &mut keys);
    assert_eq!(drawn, LOW, "\n{drawn}");
}

#[test]
fn any_size_is_drawn_and_nothing_steers_the_terminal() {
    for mode in [Mode::Table, Mode::Details, Mode::Filter] {
        for (width, height) in [(0, 0), (1, 1), (3, 2), (20, 5), (80, 1), (300, 100)] {
            let mut keys = keys(mode, "");
            let drawn = picture(width, height, &mut board(), &mut keys);
            let steers = |character: char| {
                (character.is_control() && character != '\n') || character == '\u{202e}'
            };
            assert!(!drawn.contains(steers), "{width}x{height} {mode:?} {drawn:?}");
        }
    }
}

#[test]
fn counts_are_short() {
    let check = |count, expect| assert_eq!(short(count), expect);
    check(0, "0");
    check(999, "999");
    check(1000, "1.0 k");
    check(9_999, "9.9 k");
    check(10_000, "10 k");
    check(8_000_000, "8.0 M");
    check(u64::MAX, "18446744073 G");
}

const TABLE: &str = "\
1 host breaks under p
interface              received  kernel drops  interface drops  outages
eth1                       1300             5                0        0
1.2 k packets/s                                                                                                                                      █
8.0 M bits/s                                                                                                                                         █
TLSv1.0 3                                                                                                                                            █
 1 of 1 hosts that don't pass ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
host                     verdict v        offers          connections      first seen      last seen        service                    server name
10.0.0.7                 breaks           TLSv1.0                        3 10-31 00:00     10-31 01:00      Exchange Online            evil\\u{1b}]0;x\\










tlsunset: listening on eth1
tlsunset: \\u{1b}[2J
q end  Enter details  / filter  Esc all  s sort  r reverse  p policy  arrows choose
";
const DETAILS: &str = "\
1 host breaks under p
interface              received  kernel drops  interface drops  outages
eth1                       1300             5                0        0
1.2 k packets/s                                                                █
8.0 M bits/s                                                                   █
TLSv1.0 3                                                                      █
 10.0.0.7 ──────────────────────────────────────────────────────────────────────
breaks: client-too-old
reason  offers TLSv1.0 at most
fix     update it
offers  TLSv1.0
service Exchange Online
server  evil\\u{1b}]0;x\\u{7}\\u{202e}.com
seen    2018-10-31T00:00:00.000000Z to 2018-10-31T01:00:00.000000Z

newest connections
2018-10-31T00:00:00.000000Z  breaks  10.0.0.7:40000 -> 52.96.0.1:443
  a\\u{d}b.com  offered TLSv1.0, chosen nothing; offers TLSv1.0 at most



tlsunset: listening on eth1
tlsunset: \\u{1b}[2J
q end  Esc back  arrows scroll
";
const LOW: &str = "\
1 host breaks under p
interface        received kernel drops erface drops  outages
eth1                 1300            5            0        0
 1 of 1 hosts that don't pass, with \"10.\" ──────────────────
host             verdict v      offers        connections
10.0.0.7         breaks         TLSv1.0                    3

tlsunset: \\u{1b}[2J
/10._  Enter keep  Esc all
";

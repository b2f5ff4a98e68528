use std::fmt::Write as _;

use super::super::{Reviewed, Reviewer};
use super::*;

const HEADER: &str = "frame.time_epoch,ip.src,ip.dst,tcp.srcport,tcp.dstport,tcp.flags,\
                      tls.handshake.type,tls.handshake.version,tls.record.content_type\n";
const CLIENT: &str = "10.0.0.7";
const SERVER: &str = "52.97.1.1";
const PUSH: u32 = 0x18;
const FIN: u32 = 0x11;

/// Rows of a connection from a port: flags, type of a message and of a record, by a sender.
#[derive(Default)]
struct Text(String);

impl Text {
    fn row(&mut self, second: u32, port: u32, from_client: bool, what: (u32, &str, &str)) {
        let (flags, message, content) = what;
        let ends = match from_client {
            true => format!("{CLIENT},{SERVER},{port},443"),
            false => format!("{SERVER},{CLIENT},443,{port}"),
        };
        let version = if message.is_empty() { "" } else { "0x0302" };
        let time = 1_540_944_000 + second;
        // Writing to a string can't fail.
        let _ = writeln!(self.0, "{time},{ends},{flags},{message},{version},{content}");
    }

    /// A handshake after which both sides encrypt.
    fn handshake(&mut self, second: u32, port: u32) {
        self.row(second, port, true, (PUSH, "1", "22"));
        self.row(second, port, false, (PUSH, "2", "22"));
        self.row(second, port, true, (PUSH, "", "20"));
        self.row(second, port, false, (PUSH, "", "20"));
    }

    fn reviewed(&self, talks_max: u64) -> Reviewed {
        let mut reviewer = Reviewer::new(talks_max * TALK_SIZE);
        reviewer.read(format!("{HEADER}{}", self.0).as_bytes()).expect("an export");
        reviewer.finish()
    }
}

#[test]
fn past_the_ceiling_the_most_silent_connections_are_given_up_with_what_is_known() {
    let rows = |count: u32| {
        let mut text = "ip.src,ip.dst,tcp.srcport,tcp.dstport,tls.handshake.type\n".to_owned();
        (0..count).for_each(|port| text += &format!("{CLIENT},{SERVER},{},443,1\n", 50_000 + port));
        let mut reviewer = Reviewer::new(32 * TALK_SIZE);
        reviewer.read(text.as_bytes()).expect("an export");
        reviewer.finish()
    };
    // A message of each is counted beside it.
    let at = rows(31);
    assert_eq!((at.flows.len(), at.counters.evicted_flows), (31, 0));
    let past = rows(32);
    assert_eq!((past.flows.len(), past.counters.evicted_flows), (32, 8));
    let evicted = past.flows.iter().filter(|it| it.coverage.contains(Coverage::EVICTED));
    assert_eq!(evicted.count(), 8);
}

#[test]
fn those_that_lose_nothing_go_first() {
    let mut text = Text::default();
    text.row(0, 50_000, true, (PUSH, "1", "22"));
    (1..200).for_each(|port| text.handshake(port, 50_000 + port));
    text.row(999, 50_000, false, (PUSH, "2", "22"));
    let reviewed = text.reviewed(32);
    assert_eq!((reviewed.flows.len(), reviewed.counters.evicted_flows), (200, 0));
    assert!(reviewed.flows.iter().all(|facts| facts.negotiated().is_some()));
}

#[test]
fn what_ended_long_ago_is_reported_and_makes_room() {
    let mut text = Text::default();
    for port in 0..20_000 {
        text.handshake(10 * port, 1 + port);
        text.row(10 * port + 1, 1 + port, true, (FIN, "", ""));
    }
    let mut reviewer = Reviewer::new(1 << 30);
    reviewer.read(format!("{HEADER}{}", text.0).as_bytes()).expect("an export");
    assert!(reviewer.table.talks.len() < 5000, "{}", reviewer.table.talks.len());
    let reviewed = reviewer.finish();
    assert_eq!((reviewed.flows.len(), reviewed.counters.evicted_flows), (20_000, 0));
}

#[test]
fn late_rows_of_what_is_over_are_no_connection() {
    let mut text = Text::default();
    text.handshake(0, 50_000);
    (1..100).for_each(|port| text.handshake(port, 50_000 + port));
    text.row(200, 50_000, false, (PUSH, "", "23"));
    assert_eq!(text.reviewed(32).flows.len(), 100);
    // But the port is used again.
    text.handshake(300, 50_000);
    assert_eq!(text.reviewed(32).flows.len(), 101);
}

#[test]
fn those_that_are_remembered_have_a_bound() {
    let mut table = Table::new(0);
    let end = |port| Endpoint { addr: [10, 0, 0, 1].into(), port };
    for id in 0..=REMEMBERED_MAX as u64 {
        let port = u16::try_from(id % 60_000).expect("a port");
        let ends = (end(port), end(u16::from(id < 60_000)), Transport::Tcp);
        table.by_ends.insert(ends, id);
        table.remember(ends, id);
    }
    assert_eq!((table.remembered.len(), table.by_ends.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
}

#[test]
fn what_a_connection_holds_counts() {
    let names: Vec<String> = (0..60).map(|at| format!("{at}{}", "n".repeat(900))).collect();
    let mut text =
        "ip.src,ip.dst,tcp.srcport,tcp.dstport,tls.handshake.type,x509ce.dNSName\n".to_owned();
    for port in 0..64 {
        let names = names.join(";");
        let _ = writeln!(text, "{SERVER},{CLIENT},443,{},11,{names}", 50_000 + port);
    }
    let mut reviewer = Reviewer::new(64 * TALK_SIZE);
    reviewer.read(text.as_bytes()).expect("an export");
    assert!(reviewer.table.used() <= 64 * TALK_SIZE, "{}", reviewer.table.used());
    assert_eq!(reviewer.finish().flows.len(), 64);
}

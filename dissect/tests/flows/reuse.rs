//! Ports that are used again, and packets that come after the end.

use dissect::{Side, Version};

use crate::kit::*;
use crate::versions::{finish, session};

const OLD: u16 = 0x0301;
const NEW: u16 = 0x0304;

/// What was negotiated, connection by connection.
#[track_caller]
fn check(name: &str, packets: &[Packet], expect: &[(u16, Option<u16>)]) {
    let version = |wire| Version::from_wire(wire).unwrap();
    let seen: Vec<_> =
        rows(packets).iter().map(|facts| (facts.offered_max(), facts.negotiated())).collect();
    let expect: Vec<_> =
        expect.iter().map(|(max, chosen)| (Some(version(*max)), chosen.map(version))).collect();
    assert_eq!(seen, expect, "{name}");
}

fn again(conversation: Conversation) -> Conversation {
    let mut reply = Reply::of(NEW);
    reply.random = [99; 32];
    finish(conversation.client(&Hello::up_to(NEW).random(99).record()), &reply)
}

fn unclosed() -> Conversation {
    let mut whole = session(OLD, OLD);
    whole.packets.truncate(whole.packets.len() - 3);
    whole
}

#[test]
fn a_new_connection_may_use_the_same_ports() {
    let half = || Conversation::default().open().client(&Hello::up_to(OLD).record());
    let isn = (900_000_000, 3_000_000_000);
    let before = [
        ("closed", session(OLD, OLD), Some(OLD)),
        ("reset", unclosed().reset(Side::Client), Some(OLD)),
        ("never closed", unclosed(), Some(OLD)),
        ("never answered", half(), None),
        ("without its own syn", session(OLD, OLD).without_syn(), Some(OLD)),
        ("not closed either", unclosed().without_syn(), Some(OLD)),
    ];
    for (name, old, chosen) in before {
        let expect = [(OLD, chosen), (NEW, Some(NEW))];
        check(name, &again(old.clone().reopen(isn.0, isn.1)).packets, &expect);
        let name = format!("{name}, new one without syn");
        check(&name, &again(old.restart(isn.0, isn.1)).packets, &expect);
    }
}

#[test]
fn one_direction_of_two_connections_is_two_connections() {
    let both = again(session(OLD, OLD).restart(900_000_000, 3_000_000_000));
    for side in [Side::Client, Side::Server] {
        assert_eq!(rows(&both.clone().only(side).packets).len(), 2, "{side:?}");
        assert_eq!(rows(&both.clone().only(side).without_syn().packets).len(), 2, "{side:?}");
    }
}

#[test]
fn last_packets_of_a_closed_connection_are_its_own() {
    let whole = session(OLD, OLD);
    let expect = [(OLD, Some(OLD))];
    let stray = whole
        .clone()
        .stray(Side::Server, -1, b"")
        .stray(Side::Client, -10, &[0xda; 9])
        .stray(Side::Server, -100, &[0xda; 99])
        .reset(Side::Client);
    check("strays", &stray.packets, &expect);
    // They also come after the next connection has dialled.
    let dialled = whole.packets.len();
    let mut both = again(whole.reopen(900_000_000, 3_000_000_000)).packets;
    let expect = [(OLD, Some(OLD)), (NEW, Some(NEW))];
    let late: Vec<Packet> = both.drain(dialled - 5..dialled).collect();
    for at in [dialled - 4, dialled - 3, dialled - 2] {
        let mut packets = both.clone();
        packets.splice(at..at, late.clone());
        check("late packets", &packets, &expect);
    }
}

#[test]
fn a_reset_of_the_next_attempt_is_no_refusal_of_the_last_one() {
    let half = Conversation::default().open().client(&Hello::up_to(OLD).record());
    let mut next = half.reopen(900_000_000, 3_000_000_000);
    next.packets.truncate(5);
    let next = next.reset(Side::Server);
    let facts = facts(&next.packets);
    assert_eq!((facts.refusal, facts.end), (None, None));
}

#[test]
fn repeated_hellos_are_one_connection() {
    let whole = session(OLD, OLD);
    let mut packets = whole.packets.clone();
    packets.insert(4, packets[3].clone());
    packets.push(packets[3].clone());
    packets.insert(1, packets[0].clone());
    packets.push(packets[0].clone());
    check("repeated", &packets, &[(OLD, Some(OLD))]);
}

#[test]
fn an_attempt_that_was_given_up_leaves_no_trace() {
    let start = Conversation::new(77, 0).open();
    let mut both = again(start.reopen(1 << 20, 1 << 21));
    check("new numbers", &both.packets, &[(NEW, Some(NEW))]);
    both.packets.drain(1..3);
    check("a syn alone", &both.packets, &[(NEW, Some(NEW))]);
}

#[test]
fn a_hello_after_a_silence_is_another_connections() {
    // The random is the same, as of clients whose clock and generator stand still.
    let next = |old: Conversation, isn: (u32, u32), random| {
        let at = old.packets.len();
        let hello = Hello::up_to(NEW).random(random).record();
        let mut reply = Reply::of(NEW);
        reply.random = [random; 32];
        let mut whole = finish(old.restart(isn.0, isn.1).client(&hello), &reply);
        whole.packets[at].idle_s = 300;
        whole.packets
    };
    let random = Hello::up_to(OLD).random;
    let far = (900_000_000, 3_000_000_000);
    let expect = [(OLD, Some(OLD)), (NEW, Some(NEW))];
    check("closed", &next(session(OLD, OLD), far, random), &expect);
    check("closed, no syn", &next(session(OLD, OLD).without_syn(), far, random), &expect);
    check("reset", &next(unclosed().reset(Side::Server), far, random), &expect);
    check("silent", &next(unclosed(), far, random), &expect);
    check("closed, near", &next(session(OLD, OLD), (20_000, 30_000), 98), &expect);
    // What comes late of a direction, or once more, is no connection.
    let mut late = session(OLD, OLD).delayed(Side::Client).packets;
    let at = late.iter().position(|packet| packet.from == Side::Client).unwrap();
    late[at].idle_s = 300;
    check("late", &late, &expect[..1]);
    let mut again = session(OLD, OLD).packets;
    again.push(Packet { idle_s: 300, ..again[3].clone() });
    check("again", &again, &expect[..1]);
}

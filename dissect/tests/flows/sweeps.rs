//! A run without end reports its connections bit by bit: none twice, none lost, none changed.

use std::net::IpAddr;

use dissect::{Coverage, FlowFacts, Side, Sweep, Version};

use crate::kit::*;
use crate::versions::finish;

fn whole() -> Vec<Packet> {
    let start = Conversation::default().open().client(&Hello::up_to(0x0303).record());
    finish(start, &Reply::of(0x0301)).client(&data(0x0301, 900)).packets
}

fn sweeping(sweeps: &[(usize, Sweep)]) -> Lens {
    Lens { sweeps: sweeps.to_vec(), ..Lens::default() }
}

/// The same facts, but for what only shows in frames behind the sweep.
#[track_caller]
fn same_but_end(seen: &FlowFacts, expect: &FlowFacts) {
    let seen = FlowFacts { last: expect.last, end: expect.end, ..seen.clone() };
    same(&seen, expect, "by a sweep");
}

#[test]
fn a_connection_is_reported_once_wherever_intervals_end() {
    let packets = whole();
    let expect = rows(&packets);
    assert_eq!((expect.len(), expect[0].negotiated()), (1, Some(Version::Tls10)));
    for after in 1..=packets.len() {
        for again in after..=packets.len() {
            let seen = sweeping(&[(after, Sweep::Cut), (again, Sweep::Cut)]).see(&packets);
            assert_eq!(seen.flows.len(), 1, "cut after {after} and {again}");
            same_but_end(&seen.flows[0], &expect[0]);
            assert_eq!(seen.decided, 1);
        }
    }
}

#[test]
fn what_goes_on_and_is_decided_is_reported_by_a_cut_and_by_no_sweep() {
    let packets = whole();
    let last = packets.len() - 1;
    let check = |kind, reported| {
        let seen = sweeping(&[(last, kind)]).see(&packets);
        assert_eq!((seen.reported_by_sweeps, seen.flows.len()), (reported, 1), "{kind:?}");
    };
    check(Sweep::Over, 0);
    check(Sweep::Cut, 1);
}

#[test]
fn what_ended_is_reported_after_its_late_packets() {
    let ends = |port| (IpAddr::from([10, 0, 0, 9]), port);
    let other = || Conversation::default().between(ends(9), ends(443)).open();
    for (idle_s, reported) in [(9, 0), (11, 1)] {
        let mut packets = Conversation::default()
            .open()
            .client(&Hello::up_to(0x0301).record())
            .reset(Side::Server)
            .packets;
        let mut later = other().packets;
        later[0].idle_s = idle_s;
        packets.append(&mut later);
        let end = packets.len();
        let seen = sweeping(&[(end, Sweep::Over)]).see(&packets);
        assert_eq!((seen.reported_by_sweeps, seen.flows.len()), (reported, 1), "{idle_s}");
        assert!(seen.flows[0].refusal.is_some());
    }
}

#[test]
fn a_hello_that_nobody_answers_does_not_wait_for_ever() {
    for (idle_s, reported) in [(58, 0), (61, 1)] {
        let start = Conversation::default().open().client(&Hello::up_to(0x0301).record());
        let mut packets = start.acknowledge(Side::Server).packets;
        packets.last_mut().unwrap().idle_s = idle_s;
        let end = packets.len();
        let seen = sweeping(&[(end, Sweep::Cut)]).see(&packets);
        assert_eq!((seen.reported_by_sweeps, seen.flows.len()), (reported, 1), "{idle_s}");
    }
}

#[test]
fn a_dialogue_before_tls_outlasts_intervals() {
    let dialogue = Conversation::default()
        .open()
        .server(b"220 mail.contoso.com ESMTP\r\n")
        .client(b"EHLO me\r\n")
        .server(b"250-mail.contoso.com\r\n250 STARTTLS\r\n");
    let waits = dialogue.packets.len();
    let start = dialogue
        .client(b"STARTTLS\r\n")
        .server(b"220 go ahead\r\n")
        .client(&Hello::up_to(0x0302).record());
    let mut packets = finish(start, &Reply::of(0x0302)).packets;
    packets[waits].idle_s = 240;
    let expect = rows(&packets);
    let cuts: Vec<_> = (1..=packets.len()).map(|after| (after, Sweep::Cut)).collect();
    let seen = sweeping(&cuts).see(&packets);
    assert_eq!(seen.flows.len(), 1);
    same_but_end(&seen.flows[0], &expect[0]);
    assert_eq!(seen.flows[0].coverage, Coverage::COMPLETE);
}

#[test]
fn ports_are_reused_after_a_cut() {
    let first = whole();
    let one = Conversation::default().open().client(&Hello::up_to(0x0303).record());
    let again = one.reopen(9_000_000, 8_000_000).client(&Hello::up_to(0x0302).random(9).record());
    let packets = finish(again, &Reply::of(0x0302)).packets;
    let cut = packets.len() / 2;
    for after in 1..cut {
        let seen = sweeping(&[(after, Sweep::Cut)]).see(&packets);
        assert_eq!(seen.flows.len(), rows(&packets).len(), "cut after {after}");
    }
    assert_eq!(rows(&first).len(), 1);
}

/// A server's direction alone, which ends without a word or with none but those that lead to TLS.
#[test]
fn what_ended_without_a_word_is_told_once_and_by_a_cut_after_its_late_packets() {
    let ends = |port| (IpAddr::from([10, 0, 0, 9]), port);
    let other = || Conversation::default().between(ends(9), ends(443)).open();
    let greets: &[u8] = b"220 mx.example ESMTP\r\n";
    let agrees: &[u8] = b"220 2.0.0 Ready to start TLS\r\n";
    let refuses: &[u8] = b"454 4.7.0 TLS not available\r\n";
    for (words, told) in [
        (&[][..], 1),
        (&[greets, agrees][..], 1),
        (&[greets, refuses][..], 0),
        (&[agrees, b"and more"][..], 0),
    ] {
        let spoken = words.iter().fold(Conversation::default().open(), |it, said| it.server(said));
        for (idle_s, is_told_by_cut) in [(9, false), (11, true)] {
            let mut packets = spoken.clone().reset(Side::Server).only(Side::Server).packets;
            let mut later = other().packets;
            later[0].idle_s = idle_s;
            packets.extend(later);
            let after = packets.len();
            let seen = sweeping(&[(after, Sweep::Cut), (after, Sweep::Cut)]).see(&packets);
            assert_eq!((seen.flows.len(), seen.silent.len()), (0, told), "{words:?} {idle_s}");
            let Some(silent) = seen.silent.first() else { continue };
            let half = silent.half.as_ref().unwrap();
            assert!(half.is_silent() && half.from() == Side::Server);
            assert_eq!(silent.end.unwrap().by, Side::Server);
            assert_eq!(seen.silent_by_sweeps, usize::from(is_told_by_cut), "{words:?} {idle_s}");
        }
    }
}

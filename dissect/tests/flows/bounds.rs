//! Memory stays below its ceiling, and what is given up is said.

use std::net::{IpAddr, Ipv4Addr};

use dissect::{Coverage, Limits, Side, Version};

use crate::kit::*;
use crate::versions::finish;

fn client(number: u32) -> (IpAddr, u16) {
    (Ipv4Addr::from_bits(0x0b00_0000 + number).into(), 40_000)
}

const SERVER: (IpAddr, u16) = (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 443);

fn dialling(number: u32) -> Conversation {
    Conversation::default().between(client(number), SERVER).open()
}

fn lens(limits: Limits) -> Lens {
    Lens { limits, ..Lens::default() }
}

#[test]
fn attempts_stay_within_the_limit() {
    for (flood, dialled_by) in [(7, Some(Side::Client)), (8, None)] {
        let limits = Limits { attempts_max: 8, ..Limits::default() };
        let honest = finish(dialling(0).client(&Hello::up_to(0x0303).record()), &Reply::of(0x0303));
        let (syns, rest) = honest.packets.split_at(3);
        let flood = (1..=flood).map(|number| dialling(number).packets[0].clone());
        let packets: Vec<Packet> =
            syns.iter().cloned().chain(flood).chain(rest.iter().cloned()).collect();
        let seen = lens(limits).see(&packets);
        assert_eq!(seen.flows.len(), 1);
        assert_eq!(seen.flows[0].dialled_by, dialled_by);
        assert_eq!(seen.counters.evicted_attempts, u64::from(dialled_by.is_none()));
        assert_eq!(seen.flows[0].negotiated(), Some(Version::Tls12));
        assert_eq!(seen.flows[0].coverage, Coverage::COMPLETE);
    }
}

#[test]
fn attempts_that_dial_anew_stay_within_the_limit_too() {
    let limits = Limits { attempts_max: 8, ..Limits::default() };
    let mut packets = Vec::new();
    for number in 0..100 {
        let mut syn = dialling(number).packets[0].clone();
        packets.push(syn.clone());
        syn.seq += 77;
        packets.push(syn);
    }
    assert!(lens(limits).see(&packets).counters.evicted_attempts >= 92);
}

#[test]
fn a_flood_of_syns_pushes_nothing_out() {
    let limits = Limits { memory_max: 256 << 10, ..Limits::default() };
    let mut packets = Vec::new();
    let honest: Vec<Conversation> = (0..10)
        .map(|number| {
            let start = dialling(number).client(&Hello::up_to(0x0301).record());
            finish(start, &Reply::of(0x0301))
        })
        .collect();
    let longest = honest[0].packets.len();
    for step in 0..longest {
        packets.extend(honest.iter().map(|whole| whole.packets[step].clone()));
        let from = 1_000 + u32::try_from(step).unwrap() * 3_000;
        packets.extend((from..from + 3_000).map(|number| dialling(number).packets[0].clone()));
    }
    let seen = lens(limits).see(&packets);
    assert_eq!(seen.flows.len(), honest.len());
    assert_eq!(seen.counters.evicted_flows, 0);
    for facts in seen.flows {
        assert_eq!(
            (facts.negotiated(), facts.coverage),
            (Some(Version::Tls10), Coverage::COMPLETE)
        );
    }
}

#[test]
fn eviction_keeps_what_is_decided_and_marks_the_rest() {
    let limits = Limits { memory_max: 64 << 10, ..Limits::default() };
    let hello = Hello::up_to(0x0301).record();
    let mut packets = Vec::new();
    for number in 0..300 {
        let start = dialling(number).client(&hello);
        let whole = if number % 2 == 0 { finish(start, &Reply::of(0x0301)) } else { start };
        packets.extend(whole.packets);
    }
    let seen = lens(limits).see(&packets);
    assert_eq!(seen.flows.len(), 300);
    let mut evicted = 0;
    for facts in &seen.flows {
        if facts.server_hello.is_some() {
            assert_eq!(facts.coverage, Coverage::COMPLETE);
            assert_eq!(facts.established, Some(true));
        } else {
            assert_eq!(facts.offered_max(), Some(Version::Tls10));
            assert_eq!(facts.established, None);
            evicted += u64::from(facts.coverage.contains(Coverage::EVICTED));
        }
    }
    assert!(evicted > 100);
    assert_eq!(seen.counters.evicted_flows, evicted);
    // With room for all of them nothing is given up.
    assert_eq!(see(&packets).counters.evicted_flows, 0);
}

#[test]
fn many_that_are_read_still_hide_none_that_is_decided() {
    let hello = Hello::up_to(0x0301).record();
    let start = |number| dialling(number).client(&hello);
    let mut packets: Vec<Packet> = (0..200).flat_map(|number| start(number).packets).collect();
    packets
        .extend((200..1_200).flat_map(|number| finish(start(number), &Reply::of(0x0301)).packets));
    let room = see(&packets).held_bytes_max;
    // What is read still takes far less than half.
    let limits = Limits { memory_max: room / 2, ..Limits::default() };
    let seen = lens(limits).see(&packets);
    assert_eq!(seen.flows.len(), 1_200);
    assert!(seen.held_bytes_max <= room / 2);
    assert_eq!(seen.counters.evicted_flows, 0);
}

#[test]
fn what_is_reserved_is_left_to_others_but_for_a_quarter() {
    let hello = Hello::up_to(0x0301).record();
    let packets: Vec<Packet> =
        (0..1_500).flat_map(|number| dialling(number).client(&hello).packets).collect();
    let see = |reserved_bytes| {
        let limits = Limits { memory_max: 1 << 20, ..Limits::default() };
        Lens { limits, reserved_bytes, ..Lens::default() }.see(&packets)
    };
    let bounds = [(0, 1 << 20), (1 << 19, 1 << 19), (1 << 20, 1 << 18), (usize::MAX, 1 << 18)];
    for (reserved_bytes, bytes_max) in bounds {
        let seen = see(reserved_bytes);
        let held = seen.held_bytes_max;
        assert!((bytes_max - 8_192..=bytes_max).contains(&held), "{reserved_bytes}: {held}");
        assert_eq!(seen.flows.len(), 1_500);
    }
}

#[test]
fn parked_bytes_take_other_memory_and_not_more() {
    let limits = Limits { memory_max: 64 << 10, ..Limits::default() };
    let hello = Hello::up_to(0x0304).record();
    let mut packets = Vec::new();
    for number in 0..4 {
        packets.extend(dialling(number).client(&hello[..20]).packets);
    }
    // Each of them parks more and more behind a hole, without a new connection.
    for round in 0..40 {
        for number in 0..4 {
            let hole = dialling(number).client(&hello[..20]);
            packets.extend(hole.stray(Side::Client, 10 + round * 2_000, &[7; 1_000]).packets.pop());
        }
    }
    let seen = lens(limits).see(&packets);
    assert!(seen.counters.evicted_flows >= 2, "{:?}", seen.counters);
    assert_eq!(see(&packets).counters.evicted_flows, 0);
}

#[test]
fn holes_are_waited_for_up_to_the_limit() {
    let hello = Hello::up_to(0x0303).record();
    let rest = u32::try_from(hello.len()).unwrap() - 30;
    for (parked_bytes_max, gaps) in [(rest, 0), (rest - 1, 1)] {
        let parked_bytes_max = usize::try_from(parked_bytes_max).unwrap();
        let limits = Limits { parked_bytes_max, ..Limits::default() };
        let mut whole = Conversation::default().open().client(&hello[..30]).client(&hello[30..]);
        whole.packets.swap(3, 4);
        let seen = lens(limits).see(&whole.packets);
        assert_eq!(seen.counters.gaps, gaps);
        let facts = seen.flows.first();
        assert_eq!(facts.and_then(|facts| facts.offered_max()).is_some(), gaps == 0);
    }
}

#[test]
fn a_flood_of_overlaps_stays_in_bounds() {
    let limits = Limits { memory_max: 1 << 20, ..Limits::default() };
    let hello = Hello::up_to(0x0301).record();
    let mut whole = Conversation::default().open();
    for at in 0..20_000i32 {
        let filler = u8::try_from(at % 251).unwrap();
        whole = whole.stray(Side::Client, 1 + at * 7 % 60_000, &[filler; 40]);
    }
    let seen = lens(limits).see(&whole.client(&hello).packets);
    assert!(seen.counters.overlap_conflicts > 1_000, "{:?}", seen.counters);
    assert_eq!(seen.counters.evicted_flows, 0);
}

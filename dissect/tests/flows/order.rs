//! The same bytes in other segments, another order, more than once.

use dissect::{Coverage, FlowFacts, Side};
use proptest::prelude::*;

use crate::kit::*;
use crate::versions::{finish, session, session_of};

/// The segments of these packets in another order; those without payload stay in their places.
fn reordered(packets: &[Packet], sort: impl Fn(&mut [Packet])) -> Vec<Packet> {
    let mut segments: Vec<Packet> =
        packets.iter().filter(|packet| !packet.payload.is_empty()).cloned().collect();
    sort(&mut segments);
    let mut segments = segments.into_iter();
    let next = |packet: &Packet| {
        if packet.payload.is_empty() { packet.clone() } else { segments.next().unwrap() }
    };
    packets.iter().map(next).collect()
}

#[test]
fn a_hello_splits_anywhere() {
    for (offered, chosen) in [(0x0304, 0x0304), (0x0303, 0x0301), (0x0300, 0x0300)] {
        let hello = Hello::up_to(offered).record();
        let expect = facts(&session(offered, chosen).packets);
        for at in 1..hello.len() {
            let start = Conversation::default().open().client(&hello[..at]).client(&hello[at..]);
            let mut whole = finish(start, &Reply::of(chosen)).packets;
            same(&facts(&whole), &expect, &format!("at {at}"));
            whole.swap(3, 4);
            same(&facts(&whole), &expect, &format!("at {at}, the second part first"));
        }
    }
}

#[test]
fn a_server_hello_splits_anywhere() {
    let expect = facts(&session(0x0304, 0x0302).packets);
    let reply = Reply::of(0x0302);
    for at in 1..reply.record().len() + 9 {
        let mut whole = session(0x0304, 0x0302);
        let flight = whole.packets[4].clone();
        let mut parts = [flight.clone(), flight];
        parts[0].payload.truncate(at);
        parts[1].payload.drain(..at);
        parts[1].seq += u32::try_from(at).unwrap();
        whole.packets.splice(4..5, parts);
        same(&facts(&whole.packets), &expect, &format!("at {at}"));
        whole.packets.swap(4, 5);
        same(&facts(&whole.packets), &expect, &format!("at {at}, the second part first"));
    }
}

#[test]
fn segments_of_one_byte_in_any_order() {
    for (offered, chosen) in [(0x0304, 0x0304), (0x0303, 0x0303), (0x0301, 0x0301)] {
        let expect = facts(&session(offered, chosen).packets);
        let hello = Hello::up_to(offered);
        let start = Conversation::default().mss(1).open().client(&hello.record());
        let tiny = finish(start.clone(), &Reply::of(chosen)).packets;
        same(&facts(&tiny), &expect, "");
        let with_hello = |packets: &[Packet]| {
            let mut start = start.clone();
            start.packets = packets.to_vec();
            facts(&finish(start, &Reply::of(chosen)).packets)
        };
        let reversed = reordered(&start.packets, |segments| segments.reverse());
        same(&with_hello(&reversed), &expect, "");
        let mixed = reordered(&start.packets, |segments| {
            segments.sort_by_key(|packet| packet.seq.wrapping_mul(2_654_435_761));
        });
        same(&with_hello(&mixed), &expect, "");
    }
}

#[test]
fn a_hello_spreads_over_many_records() {
    for (offered, chosen) in [(0x0304, 0x0304), (0x0301, 0x0301)] {
        let expect = facts(&session(offered, chosen).packets);
        let hello = Hello::up_to(offered);
        for len in [1, 2, 3, 4, 5, 40] {
            let records: Vec<u8> = hello
                .message()
                .chunks(len)
                .flat_map(|part| record(22, hello.record_version, part))
                .collect();
            for mss in [1, 1460] {
                let start = Conversation::default().mss(mss).open().client(&records);
                let facts = facts(&finish(start, &Reply::of(chosen)).packets);
                same(&facts, &expect, &format!("records of {len} bytes, segments of {mss}"));
            }
        }
    }
}

#[test]
fn several_messages_share_a_record() {
    let hello = Hello::up_to(0x0302).record();
    let flight = server_flight(&Reply::of(0x0302));
    let mut joined = Vec::new();
    let mut rest = flight.as_slice();
    while let [_, _, _, high, low, after @ ..] = rest {
        let (fragment, others) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        joined.extend_from_slice(fragment);
        rest = others;
    }
    let sealed = [change_cipher_spec(0x0302), finished(0x0302)].concat();
    let whole = |flight: &[u8]| {
        let start = Conversation::default().open().client(&hello).server(flight);
        start.client(&[client_key_exchange(0x0302), sealed.clone()].concat()).server(&sealed)
    };
    let expect = facts(&whole(&flight).packets);
    same(&facts(&whole(&record(22, 0x0302, &joined)).packets), &expect, "");
    assert!(expect.certificate.is_some());
}

/// Everything but what captures in another order can't tell: nothing.
#[test]
fn directions_may_be_skewed() {
    for (offered, chosen) in
        [(0x0304, 0x0304), (0x0304, 0x0303), (0x0303, 0x0301), (0x0300, 0x0300)]
    {
        let whole = session(offered, chosen);
        let expect = facts(&whole.packets);
        for side in [Side::Client, Side::Server] {
            same(&facts(&whole.clone().delayed(side).packets), &expect, "");
            let mut bare = expect.clone();
            bare.dialled_by = None;
            let delayed = whole.clone().without_syn().delayed(side);
            same(&facts(&delayed.packets), &bare, "");
        }
    }
}

#[test]
fn refusals_in_skewed_directions_stay_refusals() {
    let start = || Conversation::default().open().client(&Hello::up_to(0x0301).record());
    let refusals: [Conversation; 4] = [
        start().server(&alert(0x0301, 70)).close(Side::Server),
        start().fin(Side::Server).fin(Side::Client),
        start().reset(Side::Server),
        start().fin(Side::Client).fin(Side::Server),
    ];
    for whole in refusals {
        let expect = facts(&whole.packets);
        for side in [Side::Client, Side::Server] {
            same(&facts(&whole.clone().delayed(side).packets), &expect, "");
        }
    }
}

#[test]
fn copies_of_packets_are_one_connection() {
    for (offered, chosen) in [(0x0304, 0x0304), (0x0303, 0x0301)] {
        let whole = session(offered, chosen);
        let expect = facts(&whole.packets);
        same(&facts(&whole.clone().mirrored().packets), &expect, "");
        // The second port of the mirror lags behind.
        let twice = [whole.packets.clone(), whole.packets.clone()].concat();
        same(&facts(&twice), &expect, "");
        let mut bare = expect.clone();
        bare.dialled_by = None;
        let seen = whole.without_syn().packets;
        same(&facts(&[seen.clone(), seen].concat()), &bare, "");
    }
}

#[test]
fn sequence_numbers_wrap_inside_a_hello() {
    let expect = facts(&session(0x0304, 0x0301).packets);
    for before in [1, 2, 6, 20, 100, 2000] {
        let isn = u32::MAX - before;
        let start = Conversation::new(isn, isn).mss(16).open();
        let start = start.client(&Hello::up_to(0x0304).record());
        let whole = finish(start, &Reply::of(0x0301));
        same(&facts(&whole.packets), &expect, "");
        let reversed = reordered(&whole.packets[..12], |segments| segments.reverse());
        same(&facts(&[reversed, whole.packets[12..].to_vec()].concat()), &expect, "");
    }
}

#[test]
fn keepalives_and_window_probes_change_nothing() {
    let hello = Hello::up_to(0x0301).record();
    let reply = Reply::of(0x0301);
    let expect = facts(&session(0x0301, 0x0301).packets);
    let start = Conversation::default().open().client(&hello[..40]);
    let start = start.stray(Side::Client, -1, &[0]).stray(Side::Client, -1, &[]);
    let start = start.stray(Side::Client, 0, &hello[40..41]).client(&hello[40..]);
    same(&facts(&finish(start, &reply).packets), &expect, "");
}

#[test]
fn the_first_copy_of_a_byte_counts() {
    let hello = Hello::up_to(0x0301).record();
    let mut forged = Hello::up_to(0x0303).record();
    forged.resize(hello.len(), 0);
    let start = Conversation::default().open().client(&hello);
    let len = i32::try_from(hello.len()).unwrap();
    let start = start.stray(Side::Client, -len, &forged);
    let whole = finish(start, &Reply::of(0x0301));
    let seen = see(&whole.packets);
    assert_eq!(seen.counters.overlap_conflicts, 1);
    same(&facts(&whole.packets), &facts(&session(0x0301, 0x0301).packets), "");
    // The same while the first part of it is still missing.
    let mut early = whole.packets.clone();
    let mut parts = [early[3].clone(), early[3].clone()];
    parts[0].payload.truncate(9);
    parts[1].payload.drain(..9);
    parts[1].seq += 9;
    early[4].payload.drain(..9);
    early[4].seq += 9;
    let [first, second] = parts;
    early.splice(3..5, [second, early[4].clone(), first]);
    assert_eq!(see(&early).counters.overlap_conflicts, 1);
    same(&facts(&early), &facts(&whole.packets), "");
}

#[test]
fn either_syn_may_come_first() {
    let whole = session(0x0303, 0x0301);
    let expect = facts(&whole.packets);
    let mut swapped = whole.packets.clone();
    swapped.swap(0, 1);
    same(&facts(&swapped), &expect, "");
    // Both dial at once: two SYNs, then two SYN-ACKs.
    let mut both = whole.packets.clone();
    both[1].flags = flag::SYN;
    let answers = [0, 1].map(|at| {
        let mut answer: Packet = both[at].clone();
        answer.flags = flag::SYN | flag::ACK;
        answer.ack = both[1 - at].seq + 1;
        answer
    });
    both.splice(2..3, answers);
    let mut simultaneous = facts(&both);
    simultaneous.dialled_by = expect.dialled_by;
    assert_eq!(simultaneous, expect);
    assert_eq!(rows(&both).len(), 1);
}

#[test]
fn a_late_syn_belongs_to_the_bytes_behind_it() {
    let whole = session(0x0303, 0x0301);
    let expect = facts(&whole.packets);
    for (from, to) in [(0, 3), (0, 4), (1, 5), (1, whole.packets.len() - 1)] {
        let mut late = whole.packets.clone();
        let syn = late.remove(from);
        late.insert(to, syn);
        same(&facts(&late), &expect, &format!("{from} to {to}"));
    }
}

#[test]
fn addresses_of_both_families() {
    let ipv6 = |last: u16| std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).into();
    let start = Conversation::default().between((ipv6(1), 50_000), (ipv6(2), 443)).open();
    let mut start = start.client(&Hello::up_to(0x0302).record());
    start.timestamps = true;
    let seen = facts(&finish(start, &Reply::of(0x0302)).packets);
    let expect = facts(&session(0x0302, 0x0302).packets);
    assert_eq!(seen.client.addr, ipv6(1));
    assert_eq!(FlowFacts { client: expect.client, server: expect.server, ..seen }, expect);
}

#[test]
fn without_syn_the_first_segments_may_be_swapped() {
    let hello = Hello::up_to(0x0304).record();
    for chosen in [0x0304, 0x0301] {
        let start = Conversation::default().mss(100).open().client(&hello);
        let whole = finish(start, &Reply::of(chosen)).without_syn();
        let packets: Vec<Packet> =
            whole.packets.into_iter().filter(|packet| !packet.payload.is_empty()).collect();
        let expect = facts(&packets);
        assert_eq!(expect.coverage, Coverage::COMPLETE);
        let server = packets.iter().position(|packet| packet.from == Side::Server).unwrap();
        for at in [0, server] {
            let mut swapped = packets.clone();
            swapped.swap(at, at + 1);
            same(&facts(&swapped), &expect, &format!("at {at}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Segments of any size, overlapping, repeated and out of order within a window.
    #[test]
    fn any_order_gives_the_same_facts(
        kind in 0usize..6,
        mss in 9usize..1500,
        has_syn: bool,
        jitter in proptest::collection::vec((0usize..8, any::<bool>(), 0usize..60), 600),
    ) {
        let hello = Hello::up_to(if kind == 2 { 0x0301 } else { 0x0304 });
        let start = Conversation::default().open();
        let refused = || start.clone().client(&hello.record());
        let whole = match kind {
            0 => session_of(&hello, &Reply::of(0x0304)),
            1 | 2 => session_of(&hello, &Reply::of(0x0301)),
            3 => refused().server(&alert(0x0301, 70)).close(Side::Server),
            4 => session_of(&hello.clone().with(42, b""), &Reply::of(0x0304)),
            _ => refused().client(&data(0x0303, 300)).server(&alert(0x0303, 40)),
        };
        let mut expect = facts(&whole.packets);
        if !has_syn {
            expect.dialled_by = None;
        }
        let mut pieces: Vec<Packet> = Vec::new();
        for packet in &whole.packets {
            if packet.payload.is_empty() {
                pieces.push(packet.clone());
            }
            for (index, part) in packet.payload.chunks(mss).enumerate() {
                let at = index * mss;
                let mut piece = packet.clone();
                let extra = jitter[pieces.len() % jitter.len()].2;
                let end = (at + part.len() + extra).min(packet.payload.len());
                piece.payload = packet.payload[at..end].to_vec();
                piece.seq = packet.seq.wrapping_add(u32::try_from(at).unwrap());
                pieces.push(piece);
            }
        }
        let mut timed: Vec<(usize, Packet)> = Vec::new();
        for (at, packet) in pieces.into_iter().enumerate() {
            let (delay, twice, _) = jitter[at % jitter.len()];
            if packet.flags & flag::SYN != 0 {
                if has_syn {
                    timed.push((0, packet));
                }
                continue;
            }
            // Without SYN only the first few segments are waited for.
            let delay = if has_syn { delay } else { delay / 4 };
            timed.push((at + delay, packet.clone()));
            if twice {
                timed.push((at + delay + 3, packet));
            }
        }
        timed.sort_by_key(|(time, _)| *time);
        let packets: Vec<Packet> = timed.into_iter().map(|(_, packet)| packet).collect();
        same(&facts(&packets), &expect, "");
    }
}

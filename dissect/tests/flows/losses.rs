//! What remains when packets are missing, are cut, or were never captured.

use dissect::{Coverage, FlowFacts, RefusalKind, Side, Version};
use proptest::prelude::*;

use crate::kit::*;
use crate::versions::{finish, session};

fn names(facts: &FlowFacts) -> String {
    let names: Vec<&str> = facts.coverage.names().collect();
    if names.is_empty() { "complete".into() } else { names.join("+") }
}

#[track_caller]
fn check(packets: &[Packet], coverage: &str, offered: Option<Version>, chosen: Option<Version>) {
    let facts = facts(packets);
    assert_eq!(names(&facts), coverage);
    assert_eq!((facts.offered_max(), facts.negotiated()), (offered, chosen));
}

const V10: Option<Version> = Some(Version::Tls10);
const V12: Option<Version> = Some(Version::Tls12);
const V13: Option<Version> = Some(Version::Tls13);

/// A segment more than the truth may be missing, but what is there is never false.
#[track_caller]
fn no_lie(seen: &FlowFacts, truth: &FlowFacts, what: &str) {
    assert!(seen.offered_max().is_none_or(|max| Some(max) == truth.offered_max()), "{what}");
    assert!(seen.negotiated().is_none_or(|version| Some(version) == truth.negotiated()), "{what}");
    assert!(seen.established.is_none_or(|it| Some(it) == truth.established), "{what}: {seen:#?}");
    assert!(seen.resumed.is_none_or(|it| Some(it) == truth.resumed), "{what}");
    assert!(
        seen.refusal.is_none_or(|refusal| Some(refusal.kind) == truth.refusal.map(|r| r.kind)),
        "{what}"
    );
    assert_eq!(seen.protocol, truth.protocol, "{what}");
    if seen.role_from < dissect::RoleFrom::Ports {
        assert_eq!((seen.client, seen.server), (truth.client, truth.server), "{what}");
    }
    let is_whole =
        seen.offered_max().is_some() && (seen.negotiated().is_some() || seen.refusal.is_some());
    assert!(is_whole || !seen.coverage.is_complete(), "{what}: {seen:#?}");
}

fn conversations() -> Vec<Conversation> {
    let refused = |version| {
        let start = Conversation::default().open().client(&Hello::up_to(version).record());
        start.server(&alert(0x0301, 70)).close(Side::Server)
    };
    let closed = Conversation::default().open().client(&Hello::up_to(0x0301).record());
    let resumed = Conversation::default().open().client(&Hello::up_to(0x0303).record());
    let sealed = [change_cipher_spec(0x0303), finished(0x0303)].concat();
    vec![
        session(0x0304, 0x0304),
        session(0x0304, 0x0301),
        session(0x0303, 0x0303),
        session(0x0301, 0x0301),
        session(0x0300, 0x0300),
        refused(0x0301),
        refused(0x0304),
        closed.clone().close(Side::Server),
        closed.reset(Side::Server),
        resumed
            .server(&[Reply::of(0x0303).record(), sealed.clone()].concat())
            .client(&[sealed, data(0x0303, 100)].concat())
            .close(Side::Client),
        retried(),
        early_data(),
        finish(
            Conversation::default().open().client(&sslv2_hello(0x0301, &[0x2f, 0x0a], &[3; 16])),
            &Reply::of(0x0301),
        ),
        finish(upgraded().client(&Hello::up_to(0x0301).record()), &Reply::of(0x0301)),
        upgraded().client(&Hello::up_to(0x0302).record()).close(Side::Server),
        aborted(&[change_cipher_spec(0x0303), data(0x0303, 19)].concat()),
        aborted(&alert(0x0303, 70)),
    ]
}

fn upgraded() -> Conversation {
    let start = Conversation::default().open().server(b"220 mx.contoso.com ESMTP\r\n");
    let start = start.client(b"EHLO pc\r\n").server(b"250-mx\r\n250 STARTTLS\r\n");
    start.client(b"STARTTLS\r\n").server(b"220 go\r\n")
}

fn retried() -> Conversation {
    let hello = Hello::up_to(0x0304);
    let start = Conversation::default().open().client(&hello.record());
    let start = start.server(&[retry().record(), change_cipher_spec(0x0303)].concat());
    let again = [change_cipher_spec(0x0303), hello.with(44, b"cookie").record()].concat();
    finish(start.client(&again), &Reply::of(0x0304))
}

fn early_data() -> Conversation {
    let hello = Hello::up_to(0x0304).with(42, b"").with(41, &[1; 80]);
    let start = Conversation::default().open().client(&hello.record());
    let start = start.client(&[change_cipher_spec(0x0303), data(0x0303, 400)].concat());
    let reply = [Reply::of(0x0304).with(41, &[0, 0]).record(), data(0x0303, 500)].concat();
    start.server(&reply).client(&data(0x0303, 19)).close(Side::Client)
}

fn aborted(with: &[u8]) -> Conversation {
    let start = Conversation::default().open().client(&Hello::up_to(0x0304).record());
    let flight = [Reply::of(0x0304).record(), change_cipher_spec(0x0303), data(0x0303, 900)];
    start.server(&flight.concat()).client(with).close(Side::Client)
}

#[test]
fn any_missing_packets_tell_no_lies() {
    for (at, whole) in conversations().into_iter().enumerate() {
        let truth = facts(&whole.packets);
        let packets = split(&whole.packets, 200);
        for from in 0..packets.len() {
            for to in from + 1..(from + 4).min(packets.len()) + 1 {
                let mut rest = packets.clone();
                rest.drain(from..to);
                for seen in rows(&rest) {
                    no_lie(&seen, &truth, &format!("case {at} without {from}..{to}"));
                }
            }
            for rest in [&packets[from..], &packets[..from]] {
                for seen in rows(rest) {
                    no_lie(&seen, &truth, &format!("case {at} split at {from}"));
                }
            }
        }
    }
}

/// The packets in segments of at most this many bytes.
fn split(packets: &[Packet], len: usize) -> Vec<Packet> {
    let mut all = Vec::new();
    for packet in packets {
        if packet.payload.is_empty() {
            all.push(packet.clone());
        }
        for (index, part) in packet.payload.chunks(len).enumerate() {
            let seq = packet.seq + u32::try_from(index * len).unwrap();
            all.push(Packet { payload: part.to_vec(), seq, ..packet.clone() });
        }
    }
    all
}

#[test]
fn cut_packets_tell_no_lies() {
    for (at, whole) in conversations().into_iter().enumerate() {
        let truth = facts(&whole.packets);
        for snap_len in (54..300).step_by(3) {
            for len in [1460, 200] {
                let lens = Lens { snap_len, ..Lens::default() };
                let seen = lens.see(&split(&whole.packets, len)).flows;
                assert!(seen.len() <= 1);
                for seen in seen {
                    let what = format!("case {at}, segments of {len} cut at {snap_len}");
                    no_lie(&seen, &truth, &what);
                    if seen.offered_max().is_none() || seen.negotiated() != truth.negotiated() {
                        assert!(seen.coverage.contains(Coverage::TRUNCATED), "{what}");
                    }
                }
                assert!(
                    at > 9
                        || snap_len < 60
                        || !lens.see(&split(&whole.packets, len)).flows.is_empty()
                );
            }
        }
    }
}

#[test]
fn lost_packets_are_told() {
    let hello = Hello::up_to(0x0301).record();
    let reply = Reply::of(0x0301);
    let start = || Conversation::default().open();
    // The ClientHello.
    let lost = finish(start().lost(Side::Client, hello.len()), &reply);
    check(&lost.packets, "gap", None, V10);
    // Its second half, of a client that might offer more.
    let half = Hello::up_to(0x0304).record();
    let lost = start().client(&half[..80]).lost(Side::Client, half.len() - 80);
    check(&finish(lost, &reply).packets, "gap", None, V10);
    // Its second half, and nothing behind it.
    let lost = start().client(&hello[..60]).lost(Side::Client, hello.len() - 60);
    check(&lost.packets, "server-side-missing+gap", V10, None);
    // The server's flight.
    let whole = session(0x0301, 0x0301);
    let flight = server_flight(&reply).len();
    let mut lost = whole.packets.clone();
    assert_eq!(lost.remove(4).payload.len(), flight);
    check(&lost, "gap", V10, None);
    assert_eq!(facts(&lost).established, Some(true));
    assert_eq!(facts(&lost).resumed, None);
    // What comes after the ServerHello takes nothing away.
    let mut cut = whole.packets.clone();
    cut[4].payload.truncate(reply.record().len());
    check(&cut, "complete", V10, V10);
    assert_eq!((facts(&cut).established, facts(&cut).resumed), (Some(true), None));
    // The middle of the certificate: what follows it is still read.
    let mut cut = split(&whole.packets, 100);
    cut.retain(|packet| packet.from == Side::Client || !(5201..5401).contains(&packet.seq));
    check(&cut, "complete", V10, V10);
    assert_eq!((facts(&cut).established, facts(&cut).resumed), (Some(true), Some(false)));
}

#[test]
fn a_lost_answer_is_no_refusal() {
    let hello = Hello::up_to(0x0301).record();
    let start = || Conversation::default().open().client(&hello);
    for answer in [
        start().lost(Side::Server, 900).close(Side::Server),
        start().lost(Side::Server, 900).reset(Side::Server),
        start().lost(Side::Server, 900).server(&alert(0x0301, 42)).close(Side::Server),
    ] {
        let facts = facts(&answer.packets);
        assert_eq!(facts.refusal, None);
        assert_eq!(facts.established, None);
        assert!(!facts.coverage.is_complete());
    }
}

#[test]
fn one_direction_is_enough_for_what_it_says() {
    for whole in [session(0x0301, 0x0301), session(0x0304, 0x0304), session(0x0304, 0x0303)] {
        let truth = facts(&whole.packets);
        for whole in [whole.clone(), whole.without_syn()] {
            let client = facts(&whole.clone().only(Side::Client).packets);
            assert_eq!(names(&client), "server-side-missing");
            assert_eq!(client.offered_max(), truth.offered_max());
            assert_eq!(
                (client.negotiated(), client.established, client.resumed),
                (None, None, None)
            );
            let server = facts(&whole.only(Side::Server).packets);
            assert_eq!(names(&server), "client-side-missing");
            assert_eq!((server.client, server.server), (truth.client, truth.server));
            assert_eq!(server.negotiated(), truth.negotiated());
            assert_eq!((server.established, server.resumed), (None, Some(false)));
            assert_eq!(server.certificate, truth.certificate);
        }
    }
}

#[test]
fn a_missing_syn_takes_nothing_away() {
    for whole in conversations() {
        let mut truth = facts(&whole.packets);
        truth.dialled_by = None;
        same(&facts(&whole.without_syn().packets), &truth, "");
    }
}

#[test]
fn captures_that_begin_late_say_so() {
    let midstream = |bytes: &[u8]| Conversation::default().client(bytes).packets;
    check(&midstream(&data(0x0303, 100)), "midstream+server-side-missing", None, None);
    let both = Conversation::default()
        .client(&[data(0x0303, 100), data(0x0303, 30)].concat())
        .server(&data(0x0303, 700))
        .client(&data(0x0303, 90));
    check(&both.packets, "midstream", None, None);
    // In the middle of a record, of which nobody knows where it ends.
    let late = Conversation::default()
        .server(&[0x5a; 700])
        .server(&data(0x0303, 900))
        .server(&data(0x0303, 1000));
    check(&late.packets, "midstream+client-side-missing", None, None);
    // After the ClientHello.
    let whole = session(0x0303, 0x0301).packets;
    check(&whole[4..], "midstream", None, V10);
    check(&whole[5..], "midstream", None, None);
}

#[test]
fn a_port_of_tls_is_the_servers_however_low_the_other_is() {
    let ends = |ports: [u16; 2]| {
        let addr = |low| std::net::Ipv4Addr::new(10, 0, 0, low).into();
        let whole = Conversation::default().between((addr(1), ports[0]), (addr(2), ports[1]));
        let whole = whole.server(&data(0x0303, 900)).client(&data(0x0303, 90));
        let facts = facts(&whole.packets);
        assert_eq!(facts.role_from, dissect::RoleFrom::Ports);
        [facts.client.port, facts.server.port]
    };
    for ports in [[1500, 5061], [50_000, 5061], [4999, 8443], [5061, 443], [4000, 3000]] {
        assert_eq!(ends(ports), ports);
    }
}

#[test]
fn a_hello_that_is_never_answered_is_the_clients_side_alone() {
    let hello = Hello::up_to(0x0303).record();
    let start = || Conversation::default().open().client(&hello);
    for whole in [start(), start().close(Side::Client), start().reset(Side::Client)] {
        check(&whole.packets, "server-side-missing", V12, None);
        let facts = facts(&whole.packets);
        assert_eq!((facts.refusal, facts.established), (None, None));
    }
}

#[test]
fn snap_lengths_leave_what_fits() {
    let cut = |snap_len| {
        let lens = Lens { snap_len, ..Lens::default() };
        lens.see(&session(0x0304, 0x0301).packets).flows
    };
    assert_eq!(names(&cut(54)[0]), "truncated");
    assert_eq!(names(&cut(58)[0]), "truncated");
    assert_eq!(names(&cut(60)[0]), "truncated");
    assert_eq!(cut(66)[0].negotiated(), V10);
    assert_eq!(names(&cut(160)[0]), "truncated");
    assert_eq!(names(&cut(400)[0]), "complete");
    assert_eq!(cut(400)[0].offered_max(), V13);
    assert_eq!(cut(400)[0].established, Some(true));
}

#[test]
fn an_alert_out_of_the_blue_is_no_proof() {
    // The capture begins with it: what came before, nobody knows.
    let alone = Conversation::default().server(&alert(0x0301, 42)).close(Side::Server);
    assert_eq!(facts(&alone.packets).refusal, None);
    let alone = Conversation::default().open().server(&alert(0x0301, 70)).close(Side::Server);
    let seen = facts(&alone.only(Side::Server).packets);
    assert_eq!(seen.refusal.map(|refusal| refusal.kind), Some(RefusalKind::Alert(70)));
    assert_eq!(names(&seen), "client-side-missing");
}

#[test]
fn a_client_that_said_nothing_is_not_missing() {
    let alerted = |whole: Conversation| whole.server(&alert(0x0303, 50));
    // Health checks and port scans: connected, and closed or reset without a word.
    let closed = alerted(Conversation::default().open().fin(Side::Client));
    check(&closed.packets, "complete", None, None);
    let reset = alerted(Conversation::default().open().fin(Side::Client)).reset(Side::Client);
    check(&reset.packets, "complete", None, None);
    check(
        &alerted(Conversation::default().open()).close(Side::Client).packets,
        "complete",
        None,
        None,
    );
    let late = alerted(Conversation::default().open()).reset(Side::Client);
    check(&late.packets, "complete", None, None);
    // Asked for TLS, and left without a hello.
    let asked = alerted(upgraded().fin(Side::Client));
    check(&asked.packets, "complete", None, None);
    // A part of the dialogue is lost, a hello perhaps.
    let mut lost = upgraded();
    let at = lost.packets.iter().rposition(|packet| packet.from == Side::Client).unwrap();
    lost.packets.remove(at);
    check(&alerted(lost.fin(Side::Client)).packets, "gap", None, None);
    // Of one that is not over, nobody knows what it has sent.
    check(&alerted(Conversation::default().open()).packets, "client-side-missing", None, None);
    // Its end tells of a hello that was lost.
    let mut lost = Conversation::default().open().client(&Hello::up_to(0x0301).record());
    let hello = lost.packets.pop().expect("a hello");
    lost = alerted(lost).close(Side::Client);
    assert!(!facts(&lost.packets).coverage.is_complete(), "{hello:?}");
    let mut lost = Conversation::default().open().client(&Hello::up_to(0x0301).record());
    lost.packets.pop();
    lost = alerted(lost).reset(Side::Client);
    assert!(!facts(&lost.packets).coverage.is_complete());
}

/// The packets in segments of `len` bytes, but for the `first` ones, as their fates are: whether a
/// packet is lost, how late it is, whether it comes again. The server's come `skew` later.
fn arrive(
    whole: &[Packet],
    len: usize,
    skew: usize,
    fates: &[(usize, usize, usize)],
    first: usize,
) -> Vec<Packet> {
    let mut timed: Vec<(usize, Packet)> = Vec::new();
    for (at, packet) in split(whole, len).into_iter().enumerate() {
        let (loss, delay, again) = fates[at % fates.len()];
        let time = at + delay + if packet.from == Side::Server { skew } else { 0 };
        if again == 0 {
            timed.push((time + 2, packet.clone()));
        } else if loss == 0 {
            continue;
        }
        timed.push((time, packet));
    }
    timed.sort_by_key(|(time, _)| *time);
    timed.into_iter().skip(first).map(|(_, packet)| packet).collect()
}

#[test]
fn early_data_before_a_late_hello_of_the_server_establishes_nothing() {
    // Lost are all that don't come again; the hellos lose their ends to the snap length.
    let mut fates = vec![(0, 0, 0); 400];
    fates[1] = (0, 0, 1);
    fates[2] = (0, 1, 0);
    fates[3] = (0, 0, 1);
    let packets = arrive(&early_data().packets, 26, 0, &fates, 2);
    let seen = Lens { snap_len: 65, ..Lens::default() }.see(&packets).flows;
    assert_eq!(seen.len(), 1);
    assert_ne!(seen[0].established, Some(true));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Packets that are lost, cut, late and repeated, all at once.
    #[test]
    fn bad_captures_tell_no_lies(
        case in 0usize..17,
        len in 20usize..1500,
        snap_len in prop_oneof![Just(usize::MAX), 54usize..400],
        skew in prop_oneof![Just(0usize), 0usize..40],
        // Of each packet: whether it is lost, how late it is, whether it comes again.
        fates in proptest::collection::vec((0usize..8, 0usize..4, 0usize..6), 400),
        first in 0usize..12,
    ) {
        let whole = conversations().swap_remove(case);
        let truth = facts(&whole.packets);
        let packets = arrive(&whole.packets, len, skew, &fates, first / 3 * 2);
        let seen = Lens { snap_len, ..Lens::default() }.see(&packets).flows;
        prop_assert!(seen.len() <= 1);
        for seen in seen {
            no_lie(&seen, &truth, "");
        }
    }
}

#[test]
fn long_records_prove_themselves_over_many_segments() {
    let bulk = data(0x0303, 16_384).repeat(20);
    let at = |from: usize| Conversation::default().mss(1400).server(&bulk[from..]);
    for from in [5, 9_000, 16_388] {
        check(&at(from).packets, "midstream+client-side-missing", None, None);
    }
    let mut acknowledged = at(9_000).acknowledge(Side::Client);
    acknowledged.packets.rotate_right(1);
    check(&acknowledged.packets, "midstream+client-side-missing", None, None);
    // Headers that don't chain prove nothing.
    let mut noise = bulk[9_000..].to_vec();
    noise.retain(|&byte| byte != 3);
    assert!(rows(&Conversation::default().mss(1400).server(&noise).packets).is_empty());
    let lone = [&[0xda; 2000][..], &data(0x0303, 4000), &[0xda; 4000]].concat();
    assert!(rows(&Conversation::default().mss(1400).server(&lone).packets).is_empty());
}

#[test]
fn ports_count_where_only_headers_were_kept() {
    let rows = |port, lens: &Lens| {
        let end = |last| std::net::Ipv4Addr::new(10, 0, 0, last).into();
        let start = Conversation::default().between((end(1), 50_000), (end(2), port)).open();
        let whole = finish(start.client(&Hello::up_to(0x0303).record()), &Reply::of(0x0303));
        let whole = whole.close(Side::Client);
        [whole.clone(), whole.without_syn()].map(|whole| lens.see(&whole.packets).flows)
    };
    let headers = Lens { snap_len: 54, ..Lens::default() };
    for port in [443, 465, 636, 853, 993, 995, 4443, 5061, 5223, 5986, 8443] {
        for seen in rows(port, &headers) {
            assert_eq!((seen.len(), names(&seen[0])), (1, "truncated".into()), "{port}");
            assert_eq!(seen[0].server.port, port);
            assert_eq!((seen[0].offered_max(), seen[0].negotiated()), (None, None));
        }
    }
    for port in [22, 80, 5269, 9443] {
        assert!(rows(port, &headers).iter().all(Vec::is_empty), "{port}");
    }
    // Nothing was cut of a connection without payload.
    assert!(
        headers.see(&Conversation::default().open().close(Side::Client).packets).flows.is_empty()
    );
    let talk =
        Conversation::default().open().client(b"GET / HTTP/1.1\r\n").server(b"HTTP/1.1 200 OK");
    assert!(Lens { snap_len: 58, ..Lens::default() }.see(&talk.packets).flows.is_empty());
}

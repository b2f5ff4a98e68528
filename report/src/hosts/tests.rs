use dissect::{Coverage, Protocol, Version};
use proptest::prelude::*;

use super::*;
use crate::testkit::{
    any_judged_flow, client_hello, facts, judged, offer, old_client, server_hello,
};

fn inside(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_private(),
        IpAddr::V6(addr) => addr.is_unique_local(),
    }
}

/// Each row as `address side flows verdict`.
fn listed(flows: &[JudgedFlow]) -> Vec<String> {
    HostTable::new(flows, inside)
        .rows()
        .iter()
        .map(|row| {
            let verdict = row.outcomes[0].verdict().name();
            format!("{} {} {} {verdict}", row.addr, crate::rows::side_name(row.side), row.flows)
        })
        .collect()
}

fn flow(client: &str, server: &str, direction: Direction, verdict: Verdict) -> JudgedFlow {
    let mut flow = judged(facts(client, server), verdict, None);
    flow.direction = direction;
    flow
}

#[test]
fn inside_hosts_are_listed_with_the_side_that_they_had() {
    let to = flow("10.0.0.7:1", "52.97.1.1:443", Direction::ToOffice365, Verdict::Breaks);
    let from = flow("52.97.1.1:1", "10.0.0.7:25", Direction::FromOffice365, Verdict::Passes);
    assert_eq!(listed(&[to, from]), ["10.0.0.7 client 1 breaks", "10.0.0.7 server 1 passes"]);
}

#[test]
fn nobody_is_blamed_for_the_peer() {
    // A relay inside that answers for Office 365, and no inside host at all.
    let relayed = flow("10.0.0.7:1", "10.0.0.8:443", Direction::ToOffice365, Verdict::Breaks);
    assert_eq!(listed(&[relayed]), ["10.0.0.7 client 1 breaks", "10.0.0.8 server 1 out-of-scope"]);
    let public = flow("192.0.2.7:1", "52.97.1.1:443", Direction::ToOffice365, Verdict::Breaks);
    assert_eq!(listed(&[public]), ["52.97.1.1 server 1 out-of-scope", "192.0.2.7 client 1 breaks"]);
    let federated =
        flow("52.112.0.1:1", "192.0.2.7:5061", Direction::FromOffice365, Verdict::Breaks);
    assert_eq!(
        listed(&[federated]),
        ["52.112.0.1 client 1 out-of-scope", "192.0.2.7 server 1 breaks"]
    );
}

#[test]
fn elsewhere_the_cause_tells_whose_verdict_it_is() {
    let check = |cause, expect: [&str; 2]| {
        let mut flow = flow("10.0.0.7:1", "10.0.0.8:443", Direction::Other, Verdict::Breaks);
        flow.judgements[0].cause = cause;
        assert_eq!(listed(&[flow]), expect);
    };
    check(
        Some(Cause::ServerTooOld),
        ["10.0.0.7 client 1 out-of-scope", "10.0.0.8 server 1 breaks"],
    );
    check(
        Some(Cause::ClientTooOld),
        ["10.0.0.7 client 1 breaks", "10.0.0.8 server 1 out-of-scope"],
    );
    check(None, ["10.0.0.7 client 1 breaks", "10.0.0.8 server 1 breaks"]);
}

#[test]
fn a_proxy_gets_no_server_row() {
    for upgrade in [Upgrade::HttpConnect, Upgrade::Socks] {
        let mut flow = flow("10.0.0.7:1", "10.0.0.8:8080", Direction::ToOffice365, Verdict::Passes);
        flow.facts.upgrade = upgrade;
        assert_eq!(listed(&[flow]), ["10.0.0.7 client 1 passes"]);
    }
}

#[test]
fn a_host_takes_the_worst_verdict_and_the_words_of_its_flow() {
    let worst = |verdicts: &[Verdict]| {
        let flows: Vec<JudgedFlow> = verdicts
            .iter()
            .map(|verdict| flow("10.0.0.7:1", "52.97.1.1:443", Direction::ToOffice365, *verdict))
            .collect();
        let table = HostTable::new(&flows, inside);
        assert_eq!(table.rows().len(), 1);
        table.rows()[0].outcomes[0].verdict()
    };
    for (index, verdict) in Verdict::ALL.into_iter().enumerate() {
        assert_eq!(worst(&Verdict::ALL[index..]), verdict);
    }

    let mut flows = [old_client(), old_client(), old_client()];
    flows[0].judgements[0].cause = None;
    flows[1].judgements[0].cause = Some(Cause::ClientCapped);
    flows[2].judgements[0].fix = "replace it".into();
    let table = HostTable::new(&flows, inside);
    let judgement = table.rows()[0].outcomes[0].judgement().unwrap();
    assert_eq!((judgement.cause, &*judgement.fix), (Some(Cause::ClientTooOld), "replace it"));
}

#[test]
fn versions_are_counted_as_negotiated_and_add_up() {
    let version = |legacy| {
        let mut facts = facts("10.0.0.7:1", "52.97.1.1:443");
        facts.client_hello = Some(client_hello(offer(legacy), Some("outlook.office365.com")));
        facts.server_hello = Some(server_hello(legacy, 0xc014));
        judged(facts, Verdict::Passes, None)
    };
    let mut dtls = version(0xfefd);
    dtls.facts.protocol = Protocol::Dtls;
    dtls.direction = Direction::Other;
    let unseen = flow("10.0.0.7:1", "52.97.1.1:443", Direction::ToOffice365, Verdict::Unknown);
    let flows = [version(0x0300), version(0x0301), version(0x0303), version(0x0303), dtls, unseen];
    let table = HostTable::new(&flows, inside);
    let row = &table.rows()[0];
    assert_eq!((row.negotiated, row.undetermined), ([0, 1, 1, 0, 2, 0], 2));
    assert_eq!((row.flows, row.office365_flows), (6, 5));
    assert_eq!(row.offered_max, Some(Version::Tls12), "media says nothing of a host's TLS");
}

#[test]
fn hidden_hosts_are_those_with_nothing_but_unknown() {
    let check = |verdicts: &[Verdict], expect: (u64, u64)| {
        let flows: Vec<JudgedFlow> = verdicts
            .iter()
            .map(|verdict| flow("10.0.0.7:1", "52.97.1.1:443", Direction::ToOffice365, *verdict))
            .collect();
        let table = HostTable::new(&flows, inside);
        let tally = &HostTally::of(&table, &["office365-tls12".to_owned()])[0];
        assert_eq!((tally.judged, tally.hidden_max), expect, "{verdicts:?}");
        assert_eq!(tally.total, 1);
    };
    check(&[Verdict::Unknown], (1, 1));
    check(&[Verdict::Unknown, Verdict::Unaffected, Verdict::OutOfScope], (1, 1));
    check(&[Verdict::Unknown, Verdict::Passes], (1, 0));
    check(&[Verdict::Unknown, Verdict::Breaks], (1, 0));
    check(&[Verdict::Unaffected], (1, 0));
    check(&[Verdict::OutOfScope], (0, 0));
}

proptest! {
    #[test]
    fn the_order_of_connections_is_nothing(
        flows in prop::collection::vec(any_judged_flow(), 0..30),
        seed in any::<u64>(),
    ) {
        let mut shuffled = flows.clone();
        // Fisher-Yates with a small generator: the seed is the test's.
        let mut state = seed | 1;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(index, (state >> 33) as usize % (index + 1));
        }
        let csv = |flows: &[JudgedFlow]| {
            let run = crate::RunInfo {
                policies: vec!["office365-tls12".to_owned()],
                ..crate::RunInfo::default()
            };
            let report = crate::Report::new(flows, &run, inside);
            let mut out = Vec::new();
            report.write_hosts(&mut out).unwrap();
            report.write_summary(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        prop_assert_eq!(csv(&flows), csv(&shuffled));
    }

    #[test]
    fn counts_add_up(flows in prop::collection::vec(any_judged_flow(), 0..30)) {
        let table = HostTable::new(&flows, inside);
        for row in table.rows() {
            prop_assert_eq!(row.flows, row.negotiated.iter().sum::<u64>() + row.undetermined);
            let judged: u64 =
                Verdict::ALL.into_iter().map(|verdict| row.outcomes[0].count(verdict)).sum();
            prop_assert!(judged <= row.flows && row.office365_flows <= row.flows);
        }
        let tally = &HostTally::of(&table, &["office365-tls12".to_owned()])[0];
        let hosts: u64 = Verdict::ALL.into_iter().map(|verdict| tally.hosts(verdict)).sum();
        prop_assert_eq!(hosts, tally.total);
        prop_assert!(tally.hidden_max <= tally.hosts(Verdict::Unknown));
    }
}

#[test]
fn coverage_is_no_verdict() {
    // A connection with gaps that was judged all the same keeps its verdict.
    let mut flow = old_client();
    flow.facts.coverage = Coverage::GAP;
    assert_eq!(listed(&[flow]), ["10.0.0.7 client 1 breaks"]);
}

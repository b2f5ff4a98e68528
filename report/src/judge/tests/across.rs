//! What connections tell of each other, and that their order does not matter.

use super::*;

/// Verdicts and causes of connections judged together, in the order given; the order of the input
/// is turned around as well and must not matter.
#[track_caller]
fn check_all(flows: &[Flow], expect: &[(Verdict, Option<Cause>)]) {
    let numbered: Vec<FlowFacts> = flows
        .iter()
        .enumerate()
        .map(|(index, flow)| {
            let mut facts = flow.clone().facts;
            facts.first.frame = index as u64 + 1;
            facts
        })
        .collect();
    let found = |flows: Vec<FlowFacts>| {
        let mut judged = judge().judge_all(flows);
        judged.sort_by_key(|flow| flow.facts.first.frame);
        judged
            .iter()
            .map(|flow| (flow.judgements[0].verdict, flow.judgements[0].cause))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(numbered.clone()), expect);
    assert_eq!(found(numbered.into_iter().rev().collect()), expect, "backwards");
}

const DANCED: (Verdict, Option<Cause>) = (AtRisk, Some(Cause::Middlebox));
const TOO_OLD: (Verdict, Option<Cause>) = (Breaks, Some(Cause::ClientTooOld));
const CAPPED: (Verdict, Option<Cause>) = (Breaks, Some(Cause::ClientCapped));
const UNKNOWN: (Verdict, Option<Cause>) = (Unknown, None);
const PASSES: (Verdict, Option<Cause>) = (Passes, None);

fn good(second: i64) -> Flow {
    Flow::to_exchange().good_hello().at(second)
}

fn old(second: i64) -> Flow {
    Flow::to_exchange().old_hello().client_port(50_001).at(second)
}

#[test]
fn a_retry_within_a_minute_of_a_refused_hello_is_at_risk() {
    let refused = || good(0).refused(RefusalKind::Reset);
    check_all(&[refused(), old(1)], &[UNKNOWN, DANCED]);
    check_all(&[refused(), old(60)], &[UNKNOWN, DANCED]);
    check_all(&[refused(), old(61)], &[UNKNOWN, CAPPED]);
    check_all(&[refused(), old(1).refused(PROTOCOL_VERSION)], &[UNKNOWN, DANCED]);
    check_all(&[refused(), old(1).selects(0x0301, 0x002f, None)], &[UNKNOWN, DANCED]);
    // Before the failure it is no retry.
    check_all(&[good(5).refused(RefusalKind::Reset), old(1)], &[UNKNOWN, CAPPED]);
    let (_, alone) = judge_one(&old(1));
    assert_eq!((alone.verdict, alone.cause), TOO_OLD);
}

#[test]
fn a_retry_after_silence_is_at_risk() {
    let silent = || good(0).coverage(Coverage::SERVER_SIDE_MISSING);
    check_all(&[silent(), old(30)], &[PASSES, DANCED]);
    // The client went on, so there was an answer, beside the capture.
    let went_on = silent().message(Side::Client, MessageKind::Handshake(16));
    check_all(&[went_on, old(30)], &[PASSES, CAPPED]);
    // The answer may be in the gap.
    check_all(&[good(0).coverage(Coverage::GAP), old(30)], &[PASSES, CAPPED]);
}

#[test]
fn only_the_same_client_at_the_same_server_retries() {
    let refused = || good(0).refused(RefusalKind::Reset);
    check_all(&[refused(), old(1).client_addr("10.0.0.6")], &[UNKNOWN, TOO_OLD]);
    check_all(&[refused(), old(1).port(587)], &[UNKNOWN, CAPPED]);
    let elsewhere = Flow::new("10.0.0.5:50001", "40.97.1.2:443").old_hello().at(1);
    check_all(&[refused(), elsewhere], &[UNKNOWN, CAPPED]);
    // Through a proxy, the server is the one asked for.
    let proxied = |flow: Flow, name: &str| {
        let mut flow = flow.upgrade(Upgrade::HttpConnect, name);
        flow.facts.server = testkit::endpoint("10.0.0.80:8080");
        flow
    };
    let first = || proxied(refused(), "outlook.office365.com:443");
    check_all(&[first(), proxied(old(1), "outlook.office365.com:443")], &[UNKNOWN, DANCED]);
    check_all(&[first(), proxied(old(1), "teams.microsoft.com:443")], &[UNKNOWN, CAPPED]);
}

#[test]
fn a_retry_is_judged_like_any_other_when_the_first_hello_failed_on_its_own() {
    let hopeless = Flow::to_exchange().hello(0x0303, &[0x000a], None).refused(PROTOCOL_VERSION);
    check_all(&[hopeless.at(0), old(1)], &[(FailsToday, Some(Cause::NoCommonSuite)), CAPPED]);
    // A lower hello that still reaches the minimum.
    let first = good(0).versions(&[0x0304, 0x0303]).refused(RefusalKind::Reset);
    check_all(&[first, good(1).client_port(50_001)], &[UNKNOWN, PASSES]);
    // The higher hello was answered.
    let answered = good(0).selects(0x0303, 0xc02f, Some(23)).established(true);
    check_all(&[answered, old(1)], &[PASSES, CAPPED]);
    // Aborted after the ServerHello is neither refused nor unanswered.
    let aborted = good(0).selects(0x0303, 0xc02f, Some(23)).aborted_by(Side::Client, 48);
    check_all(&[aborted, old(1)], &[UNKNOWN, CAPPED]);
}

#[test]
fn every_step_of_a_dance_is_a_retry_of_the_first() {
    let step = |second, version, port| {
        let flow = Flow::to_exchange().hello(version, &OLD_SUITES, None).client_port(port);
        flow.at(second).refused(PROTOCOL_VERSION)
    };
    check_all(
        &[
            good(0).refused(RefusalKind::Alert(40)),
            step(1, 0x0302, 50_001),
            step(2, 0x0301, 50_002),
            step(3, 0x0300, 50_003),
        ],
        &[UNKNOWN, DANCED, DANCED, DANCED],
    );
}

#[test]
fn a_dance_of_office365_itself_is_at_risk_too() {
    let refused = Flow::from_skype().good_hello().at(0).refused(RefusalKind::Reset);
    let retry = Flow::from_skype().old_hello().at(1).selects(0x0301, 0x002f, None);
    check_all(&[refused, retry], &[(FailsToday, Some(Cause::ServerTooOld)), DANCED]);
}

#[test]
fn a_host_that_offers_the_minimum_anywhere_is_capped() {
    let elsewhere = |client: &str| Flow::new(client, "192.0.2.1:443").good_hello();
    let out = (OutOfScope, None);
    check_all(&[old(9), elsewhere("10.0.0.5:1")], &[CAPPED, out]);
    check_all(&[old(9), elsewhere("10.0.0.6:1")], &[TOO_OLD, out]);
    let lower = Flow::new("10.0.0.5:1", "192.0.2.1:443").hello(0x0302, &OLD_SUITES, None);
    check_all(&[old(9), lower], &[TOO_OLD, out]);
    let quic = elsewhere("10.0.0.5:1").versions(&[0x0304]).protocol(Protocol::Quic);
    check_all(&[old(9), quic], &[CAPPED, out]);
    let media = elsewhere("10.0.0.5:1").protocol(Protocol::Dtls);
    check_all(&[old(9), media], &[TOO_OLD, out]);
    let cut = || elsewhere("10.0.0.5:1").cut(HelloExtent::Version);
    check_all(&[old(9), cut()], &[TOO_OLD, out]);
    check_all(&[old(9), cut().selects(0x0303, 0xc02f, None)], &[CAPPED, out]);
    let marked = Flow::to_exchange().at(9).selects(0x0301, 0x002f, None).mark(0);
    check_all(&[marked, elsewhere("10.0.0.5:1")], &[CAPPED, out]);
}

#[test]
fn rows_come_by_time_client_and_server_in_any_order_of_input() {
    let flow =
        |second, client: &str, server: &str| Flow::new(client, server).old_hello().at(second);
    let sorted = [
        flow(1, "10.0.0.1:5", "40.97.1.1:443"),
        flow(2, "10.0.0.1:4", "40.97.1.1:443"),
        flow(2, "10.0.0.1:5", "40.97.1.1:443"),
        flow(2, "10.0.0.1:5", "40.97.1.2:443"),
        flow(2, "10.0.0.2:1", "40.97.1.1:443"),
        flow(2, "192.168.0.1:9", "40.97.1.1:443").proxied_client("10.0.0.3:1"),
        flow(3, "10.0.0.0:1", "40.97.1.1:443"),
    ]
    .map(|flow| flow.facts);
    let expect = judge().judge_all(sorted.to_vec());
    assert_eq!(
        expect.iter().map(|row| &*row.facts).collect::<Vec<_>>(),
        sorted.iter().collect::<Vec<_>>()
    );
    for turn in 0..sorted.len() {
        let mut turned = sorted.to_vec();
        turned.rotate_left(turn);
        assert_eq!(judge().judge_all(turned.clone()), expect);
        turned.reverse();
        assert_eq!(judge().judge_all(turned), expect);
    }
}

#[test]
fn equal_sentences_are_shared() {
    let judged = judge().judge_all(vec![old(1).facts, old(2).client_addr("10.0.0.9").facts]);
    let [first, second] = [&judged[0].judgements[0], &judged[1].judgements[0]];
    assert!(Arc::ptr_eq(&first.reason, &second.reason));
    assert!(Arc::ptr_eq(&first.fix, &second.fix));
    assert!(Arc::ptr_eq(&first.policy, &second.policy));
}

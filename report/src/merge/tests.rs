use dissect::{Endpoint, FlowFacts, HelloExtent, Side};
use proptest::prelude::*;

use super::*;
use crate::testkit::{any_facts, client_hello, end, facts, mark, offer, server_hello};

fn state(sensor: &str, flows: Vec<FlowFacts>) -> State {
    let run = RunInfo { sensor: sensor.to_owned(), ..RunInfo::default() };
    let saved = |facts| {
        let facts = Box::new(facts);
        SavedFlow { sensor: sensor.into(), dns_name: None, part: 0, facts }
    };
    State { run, parts: Vec::new(), flows: flows.into_iter().map(saved).collect() }
}

fn connections(states: &[State]) -> Vec<SavedFlow> {
    State::merge(states.iter().cloned()).connections(&Home::default())
}

/// The client's half, the server's half and the whole of one connection.
fn halves() -> [FlowFacts; 3] {
    let mut whole = facts("10.0.0.7:50000", "52.97.1.1:443");
    whole.client_hello = Some(client_hello(offer(0x0301), Some("outlook.office365.com")));
    whole.server_hello = Some(server_hello(0x0301, 0xc014));
    let (mut client, mut server) = (whole.clone(), whole.clone());
    client.server_hello = None;
    client.coverage = Coverage::SERVER_SIDE_MISSING;
    server.client_hello = None;
    server.coverage = Coverage::CLIENT_SIDE_MISSING;
    [client, server, whole]
}

use dissect::Coverage;

#[test]
fn a_client_s_half_joins_the_server_s_half() {
    let [client, server, whole] = halves();
    let merged = connections(&[state("a", vec![client]), state("b", vec![server])]);
    assert_eq!(merged.len(), 1);
    assert_eq!((&*merged[0].sensor, &*merged[0].facts), ("a;b", &whole));
}

#[test]
fn the_more_complete_facts_win() {
    let [client, _, whole] = halves();
    let mut cut = whole.clone();
    let hello = cut.client_hello.as_mut().unwrap();
    let mut offer = (*hello.offer).clone();
    (offer.extent, offer.groups) = (HelloExtent::Suites, None);
    hello.offer = offer.into();
    cut.coverage = Coverage::TRUNCATED;
    for states in [
        [state("a", vec![cut.clone()]), state("b", vec![client.clone()])],
        [state("b", vec![client]), state("a", vec![cut])],
    ] {
        let merged = connections(&states);
        assert_eq!((merged.len(), &*merged[0].facts), (1, &whole));
    }
}

#[test]
fn behind_address_translation_the_inside_address_counts() {
    let [client, server, whole] = halves();
    let mut outside = server.clone();
    outside.client = end("203.0.113.5:61000");
    outside.client_hello = whole.client_hello.clone();
    outside.coverage = Coverage::COMPLETE;
    let merged = connections(&[state("edge", vec![outside]), state("lan", vec![client])]);
    assert_eq!(merged.len(), 1);
    assert_eq!(merged[0].facts.client, end("10.0.0.7:50000"));
    assert!(merged[0].facts.server_hello.is_some() && merged[0].facts.coverage.is_complete());
    assert_eq!(&*merged[0].sensor, "edge;lan");
}

#[test]
fn what_asks_a_proxy_is_further_inside_than_the_proxy() {
    let [.., whole] = halves();
    let mut asking = whole.clone();
    asking.server = end("10.0.0.9:8080");
    asking.upgrade = dissect::Upgrade::HttpConnect;
    asking.upgrade_name = Some("outlook.office365.com:443".into());
    let mut proxy = whole;
    proxy.client = end("10.0.0.9:40000");
    let merged = connections(&[state("a", vec![proxy]), state("b", vec![asking.clone()])]);
    assert_eq!((merged.len(), &*merged[0].facts), (1, &asking));
}

#[test]
fn the_same_ends_at_the_same_time_are_one_unless_a_random_says_otherwise() {
    let [.., whole] = halves();
    let mut late = facts("10.0.0.7:50000", "52.97.1.1:443");
    late.coverage = Coverage::MIDSTREAM;
    (late.first, late.last) = (mark(3, 500), mark(9, 3000));
    let check = |other: &FlowFacts, expect| {
        let states = [state("a", vec![whole.clone()]), state("b", vec![other.clone()])];
        assert_eq!(connections(&states).len(), expect);
    };
    check(&late, 1);
    let mut apart = late.clone();
    apart.first = mark(3, 2000);
    check(&apart, 2);
    let mut other = whole.clone();
    other.client_hello.as_mut().unwrap().random = [8; 32];
    check(&other, 2);
    let mut elsewhere = late;
    elsewhere.server.port = 444;
    check(&elsewhere, 2);
}

#[test]
fn who_the_client_is_is_told_by_who_knows() {
    let [.., whole] = halves();
    let mut guessed = facts("52.97.1.1:443", "10.0.0.7:50000");
    guessed.role_from = dissect::RoleFrom::Ports;
    guessed.coverage = Coverage::MIDSTREAM.with(Coverage::CLIENT_SIDE_MISSING);
    guessed.end =
        Some(dissect::End { by: Side::Server, kind: dissect::EndKind::Fin, at: mark(7, 1000) });
    let merged = connections(&[state("a", vec![guessed]), state("b", vec![whole.clone()])]);
    assert_eq!((merged.len(), merged[0].facts.client), (1, whole.client));
    assert_eq!(merged[0].facts.end.unwrap().by, Side::Client);
    assert!(merged[0].facts.coverage.is_complete());
}

#[test]
fn imitations_have_no_random_of_their_own() {
    let [.., mut one] = halves();
    one.protocol = dissect::Protocol::PseudoTls(dissect::PseudoTls::MsTurn);
    let mut other = one.clone();
    other.client.port += 1;
    let merged = connections(&[state("a", vec![one]), state("b", vec![other])]);
    assert_eq!(merged.len(), 2);
}

#[test]
fn counters_add_up_and_a_run_counts_once() {
    let mut runs = [state("a", vec![]), state("b", vec![])];
    for state in &mut runs {
        (state.run.counters.frames, state.run.bytes_read) = (3, 100);
        state.run.counters.dissected = 3;
    }
    runs[0].run.home = vec!["203.0.113.0/24".to_owned()];
    let [a, b] = runs;
    let merged = State::merge([a.clone(), b.clone(), State::merge([b, a])]);
    let run = &merged.run;
    assert_eq!((run.counters.frames, run.bytes_read, &*run.sensor), (6, 200, "a;b"));
    assert_eq!(run.home.len(), 1 + DEFAULT_HOME.len());
    assert_eq!(merged.parts.len(), 2);
}

#[test]
fn a_run_that_was_judged_otherwise_is_the_same_run() {
    let [.., whole] = halves();
    let judged = |policies: &[&str], home: &[&str]| {
        let mut state = state("a", vec![whole.clone()]);
        state.run.counters.frames = 3;
        state.run.policies = policies.iter().map(|name| (*name).to_owned()).collect();
        state.run.home = home.iter().map(|network| (*network).to_owned()).collect();
        state
    };
    let check = |merged: State, policies: &[&str], home_len: usize| {
        assert_eq!((merged.parts.len(), merged.flows.len()), (0, 1));
        assert_eq!((merged.run.counters.frames, merged.run.home.len()), (3, home_len));
        assert_eq!(merged.run.policies, policies);
    };
    let (one, same) = (judged(&["z", "b"], &[]), judged(&["z", "b"], &[]));
    check(State::merge([one.clone(), same]), &["z", "b"], 0);
    let other = judged(&["c"], &["203.0.113.0/24"]);
    check(State::merge([one, other]), &["b", "c", "z"], 1 + DEFAULT_HOME.len());
}

/// Facts of which several are likely of one connection.
fn alike_facts() -> impl Strategy<Value = FlowFacts> {
    (any_facts(), 0u8..3, 0u8..3, 0u16..3, any::<bool>()).prop_map(
        |(mut facts, client, server, port, is_near)| {
            if let Some(hello) = &mut facts.client_hello {
                hello.random = [client; 32];
            }
            if let Some(hello) = &mut facts.server_hello {
                hello.random = [server; 32];
            }
            if is_near {
                let end = |low, port| Endpoint { addr: [10, 0, 0, low].into(), port };
                (facts.client, facts.server) = (end(1, 40000 + port), end(2, 443));
                (facts.first, facts.last) = (mark(1, 0), mark(9, 100));
            }
            facts
        },
    )
}

fn any_state() -> impl Strategy<Value = State> {
    // Few kinds of runs, so that some are the same one judged otherwise.
    let policies = prop::collection::vec("[pq]", 0..3);
    let run = ("[ab]?", 0u16..2, prop::option::of(0i64..2), "[xy]?", policies);
    (run, prop::collection::vec(alike_facts(), 0..5)).prop_map(
        |((sensor, frames, first, home, policies), facts)| {
            let mut state = state(&sensor, facts);
            state.run.counters.frames = frames.into();
            state.run.counters.dissected = frames.into();
            state.run.first_time = first.map(Timestamp::from_nanos);
            state.run.policies = policies;
            state.run.home = home.split_terminator(' ').map(str::to_owned).collect();
            state
        },
    )
}

proptest! {
    #[test]
    fn merging_is_commutative(a in any_state(), b in any_state()) {
        prop_assert_eq!(State::merge([a.clone(), b.clone()]), State::merge([b, a]));
    }

    #[test]
    fn merging_is_associative(a in any_state(), b in any_state(), c in any_state()) {
        let all = State::merge([a.clone(), b.clone(), c.clone()]);
        let left = State::merge([State::merge([a.clone(), b.clone()]), c.clone()]);
        let right = State::merge([a, State::merge([b, c])]);
        prop_assert_eq!(&left, &all);
        prop_assert_eq!(&right, &all);
    }

    #[test]
    fn merging_is_idempotent(a in any_state(), b in any_state()) {
        let once = State::merge([a.clone()]);
        prop_assert_eq!(State::merge([a.clone(), a.clone()]), once.clone());
        prop_assert_eq!(State::merge([once.clone()]), once.clone());
        // What one run saw is what it saw.
        prop_assert_eq!(once.clone().connections(&Home::default()), once.flows);
        let both = State::merge([a.clone(), b.clone()]);
        prop_assert_eq!(State::merge([both.clone(), both.clone()]), both.clone());
        prop_assert_eq!(State::merge([both.clone(), a]), both);
    }

    #[test]
    fn what_was_merged_is_saved_and_read(a in any_state(), b in any_state()) {
        let merged = State::merge([a, b]);
        let mut bytes = Vec::new();
        merged.write(&mut bytes).unwrap();
        prop_assert_eq!(State::read(&*bytes).unwrap(), merged);
    }

    #[test]
    fn nothing_is_lost_and_nothing_counts_more_often(a in any_state(), b in any_state()) {
        let merged = State::merge([a, b]);
        let of_part = |part| merged.flows.iter().filter(|flow| flow.part == part).count();
        let (most, all) = ((0..2).map(of_part).max().unwrap_or(0), merged.flows.len());
        let sensors: BTreeSet<String> =
            merged.flows.iter().map(|flow| flow.sensor.to_string()).collect();
        let joined = merged.connections(&Home::default());
        prop_assert!((most..=all).contains(&joined.len()));
        for flow in &joined {
            let known = |name: &str| name.is_empty() || sensors.contains(name);
            prop_assert!(flow.sensor.split(';').all(known));
        }
    }

    #[test]
    fn frames_balance_when_their_parts_do(a in any_state(), b in any_state()) {
        prop_assert!(State::merge([a, b]).run.counters.balances());
    }
}

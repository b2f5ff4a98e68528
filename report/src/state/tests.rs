use proptest::prelude::*;

use super::*;
use crate::testkit::{any_facts, old_client};
use crate::{CaptureCounts, InterfaceCounts};

fn bytes(state: &State) -> Vec<u8> {
    let mut out = Vec::new();
    state.write(&mut out).unwrap();
    out
}

fn sample() -> State {
    let flow = old_client();
    let saved = SavedFlow { sensor: "lab".into(), dns_name: None, part: 0, facts: flow.facts };
    let mut run = RunInfo {
        sensor: "lab".to_owned(),
        policies: vec!["office365-tls12".to_owned()],
        home: vec!["10.0.0.0/8".to_owned()],
        ..RunInfo::default()
    };
    run.counters.frames = 1;
    run.counters.skip(dissect::SkipReason::NotIp);
    State { run, parts: Vec::new(), flows: vec![saved.clone(), saved] }
}

#[test]
fn a_judged_run_is_saved_with_its_names() {
    let mut flow = old_client();
    flow.server_name = Some(("mail.contoso.com".into(), NameSource::Dns));
    let mut out = Vec::new();
    let flows = Connections::Held(std::slice::from_ref(&flow));
    write(&mut out, &RunInfo::default(), flows, &[]).unwrap();
    let state = State::read(&*out).unwrap();
    assert_eq!(state.flows[0].dns_name.as_deref(), Some("mail.contoso.com"));
    assert_eq!(state.flows[0].facts, flow.facts);
    assert_eq!(&*state.flows[0].sensor, "lab");
}

#[test]
fn the_version_before_is_read_alike() {
    let written = bytes(&sample());
    let old = [b"tlsunset state 5", &written[b"tlsunset state 6".len()..]].concat();
    assert_eq!(State::read(&*old).unwrap(), sample());
}

#[test]
fn a_half_belongs_to_the_connection_behind_it() {
    let mut run = sample();
    run.flows[1].facts.half =
        Some(Box::new(dissect::Half { flags: 1 << 25, ..Default::default() }));
    assert_eq!(State::read(&*bytes(&run)).unwrap(), run);
    let row =
        || Item::Half(Box::new(HalfRow::of(&dissect::Half::default(), dissect::Mark::default())));
    let check = |items: Vec<Item>, expect: &str| {
        let mut reader = Reader::default();
        let taken: Result<Vec<()>, _> = items.into_iter().map(|item| reader.take(item)).collect();
        assert_eq!(
            taken,
            Err(match expect {
                "two" => "a connection has two halves",
                _ => "a half has no connection",
            })
        );
    };
    let run = || Item::Run(Box::new(RunRow::of(&RunInfo::default())));
    check(vec![run(), row(), row()], "two");
    check(vec![run(), row(), Item::End { flows: 0 }], "none");
}

#[test]
fn what_ended_without_a_word_is_saved_and_is_no_connection() {
    let mut silent = old_client().facts;
    silent.half = Some(Box::new(dissect::Half { flags: 1 << 26, ..Default::default() }));
    let mut out = Vec::new();
    let flows = [old_client()];
    let flows = Connections::Held(&flows);
    write(&mut out, &RunInfo::default(), flows, &[silent.clone()]).unwrap();
    let state = State::read(&*out).unwrap();
    assert_eq!((state.flows.len(), &state.flows[1].facts), (2, &silent));
    assert_eq!(state.connections(&crate::Home::default()).len(), 1);
}

#[test]
fn offers_are_shared_again() {
    let state = State::read(&*bytes(&sample())).unwrap();
    let offer = |index: usize| &state.flows[index].facts.client_hello.as_ref().unwrap().offer;
    assert!(Arc::ptr_eq(offer(0), offer(1)));
}

#[test]
fn what_interfaces_counted_is_saved_with_each_run() {
    let live = |name: &str, received| RunInfo {
        capture: Some(CaptureCounts::of(vec![InterfaceCounts {
            name: name.to_owned(),
            received,
            kernel_drops: 1,
            interface_drops: 2,
            outages: 3,
        }])),
        first_time: Some(dissect::Timestamp::from_nanos(i64::try_from(received).unwrap())),
        ..RunInfo::default()
    };
    let [one, other, third] = [live("eth1", 5), live("eth2", 6), live("eth1", 7)];
    let single = State { run: one.clone(), ..State::default() };
    assert_eq!(State::read(&*bytes(&single)).unwrap(), single);
    let states = [one, other, third].map(|run| State { run, ..State::default() });
    let merged = State::merge(states);
    assert_eq!(State::read(&*bytes(&merged)).unwrap(), merged);
    let capture = merged.run.capture.unwrap();
    let sums: Vec<_> = capture.interfaces.iter().map(|it| (&*it.name, it.received)).collect();
    assert_eq!(sums, [("eth1", 12), ("eth2", 6)]);
    assert_eq!((capture.received, capture.drops()), (18, 9));
}

#[test]
fn an_empty_run_is_a_run() {
    assert_eq!(State::read(&*bytes(&State::default())).unwrap(), State::default());
}

#[test]
fn every_cut_is_told() {
    let whole = bytes(&sample());
    for len in 0..whole.len() {
        match State::read(&whole[..len]).unwrap_err() {
            StateError::NotState => assert!(len < MAGIC.len(), "{len}"),
            StateError::Truncated { offset } => assert_eq!(offset, len as u64),
            error => panic!("{len}: {error}"),
        }
    }
}

#[test]
fn every_flipped_bit_is_told() {
    let whole = bytes(&sample());
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 1 << (index % 8);
        assert!(State::read(&*damaged).is_err(), "byte {index}");
    }
}

#[test]
fn what_is_no_state_is_said_to_be_none() {
    let check = |bytes: &[u8], expect: &str| {
        let message = State::read(bytes).unwrap_err().to_string();
        assert!(message.starts_with(expect), "{message}");
    };
    check(b"", "not a state file");
    check(b"sensor,community_id,first_seen", "not a state file");
    check(b"tlsunset state \xff\n", "not a state file");
    check(b"tlsunset state 4\nrest", "the state file has version 4, this program reads version 6");
    check(b"tlsunset state 10\n", "the state file has version 10, this");
    check(b"tlsunset state \n", "the state file has version , this");
    let mut longer = bytes(&sample());
    longer.push(0);
    check(&longer, "the state file is damaged at byte");
}

/// The first line of a file.
fn header() -> Vec<u8> {
    [MAGIC, VERSION.as_bytes(), b"\n"].concat()
}

/// A file of one frame with these items, its checksum right.
fn file_of(items: &[Item]) -> Vec<u8> {
    let mut out = header();
    let mut frames = FrameWriter::new(&mut out);
    for item in items {
        frames.push(item).unwrap();
    }
    frames.finish().unwrap();
    out
}

#[test]
fn items_that_make_no_run_are_told() {
    let run = || Item::Run(Box::new(RunRow::of(&RunInfo::default())));
    let flow = || {
        let facts = old_client().facts;
        Item::Flow(Box::new(FactsRow::of(&facts, 0, None, Some(7), None)))
    };
    let check = |items: &[Item], expect: &str| {
        let message = State::read(&*file_of(items)).unwrap_err().to_string();
        assert!(message.contains(expect), "{message}");
    };
    check(&[Item::End { flows: 0 }], "the run is not the first item");
    check(&[run(), run()], "there are two runs");
    check(&[run(), flow()], "refers to what is not there");
    check(&[run(), Item::Sensor(String::new()), flow()], "refers to what is not there");
    check(&[run(), Item::End { flows: 1 }], "connections are missing");
    check(&[run(), Item::End { flows: 0 }, run()], "items follow the end");
}

#[test]
fn a_claimed_length_takes_no_memory() {
    // A frame that claims the most, and a list within it that claims more than memory holds.
    let mut frame = header();
    frame.extend((32u32 << 20).to_le_bytes());
    frame.extend([0; 5]);
    assert!(matches!(State::read(&*frame), Err(StateError::Truncated { .. })));

    let payload = [2, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let mut list = header();
    list.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    list.extend(crc32fast::hash(&payload).to_le_bytes());
    list.extend(payload);
    assert!(matches!(State::read(&*list), Err(StateError::Damaged { .. })));
}

proptest! {
    #[test]
    fn what_was_saved_is_read(
        facts in prop::collection::vec((any_facts(), "[ab]", prop::option::of("[a-z]*")), 0..8),
    ) {
        let mut state = sample();
        state.flows.extend(facts.into_iter().map(|(facts, sensor, dns_name)| SavedFlow {
            part: 0,
            sensor: sensor.into(),
            dns_name: dns_name.map(Into::into),
            facts: Box::new(facts),
        }));
        prop_assert_eq!(State::read(&*bytes(&state)).unwrap(), state);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(payload in any::<Vec<u8>>()) {
        let mut bytes = header();
        if !payload.is_empty() {
            bytes.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
            bytes.extend(crc32fast::hash(&payload).to_le_bytes());
            bytes.extend(&payload);
        }
        prop_assert!(State::read(&*bytes).is_err());
    }
}

use proptest::prelude::*;

use super::*;
use crate::testkit::any_facts;
use crate::{
    AnonymizeKey, Connections, Endpoints, FlowsFormat, JudgeConfig, Report, RunInfo, TextStyle,
};

fn stored(facts: Vec<Box<FlowFacts>>, held_max: usize) -> SortedFacts {
    let first = FactsStore::new(held_max, &std::env::temp_dir());
    let mut stores = vec![first.sibling(), first.sibling(), first];
    for (place, facts) in facts.into_iter().enumerate() {
        stores[place % 3].push(facts);
    }
    let (facts, error) = FactsStore::finish(stores);
    assert!(error.is_none(), "{error:?}");
    facts
}

fn in_order(mut facts: Vec<Box<FlowFacts>>) -> Vec<Box<FlowFacts>> {
    facts.sort_by(|one, other| crate::judge::compare(one, other));
    facts
}

fn all(facts: &StoredFacts) -> Vec<Box<FlowFacts>> {
    let mut all = Vec::new();
    let read = facts.each_part(|part| {
        assert!(part.len() <= PART_LEN);
        all.extend(part);
        Ok(())
    });
    read.unwrap();
    all
}

/// Every output of a report, by name.
fn outputs(report: &Report<'_>) -> Vec<(String, Vec<u8>)> {
    let mut outputs: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, write: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        outputs.push((name.to_owned(), out));
    };
    for format in [
        FlowsFormat::Csv,
        FlowsFormat::JsonLines,
        FlowsFormat::Zeek,
        FlowsFormat::ZeekJson,
        FlowsFormat::Eve,
        FlowsFormat::Ecs,
        FlowsFormat::Ocsf,
    ] {
        add(&format!("{format:?}"), &|out| report.write_flows_as(out, format));
    }
    add("hosts", &|out| report.write_hosts(out));
    add("handshakes", &|out| report.write_handshakes(out));
    add("html", &|out| report.write_html(out));
    add("summary", &|out| report.write_summary(out));
    add("state", &|out| report.write_state(out));
    add("text", &|out| report.write_text(out, TextStyle { width: 100, color: false }));
    outputs
}

#[test]
fn what_fits_stays_in_memory() {
    let facts = crate::testkit::facts("10.0.0.1:50000", "52.97.1.1:443");
    let mut store = FactsStore::new(1 << 20, Path::new("/nowhere"));
    store.push(Box::new(facts.clone()));
    assert_eq!(store.overdue_bytes(), 0);
    let (facts_of_store, error) = FactsStore::finish([store]);
    assert!(error.is_none());
    assert!(matches!(facts_of_store, SortedFacts::Held(held) if held == [Box::new(facts)]));
    assert!(matches!(FactsStore::finish([]), (SortedFacts::Held(none), None) if none.is_empty()));
}

#[test]
fn what_cannot_be_put_aside_stays_in_memory() {
    let mut store = FactsStore::new(1, Path::new("/nowhere/at/all"));
    for port in 1..20_u16 {
        let client = format!("10.0.0.1:{port}");
        store.push(Box::new(crate::testkit::facts(&client, "52.97.1.1:443")));
    }
    assert!(store.overdue_bytes() > 19 * JUDGED_BYTES);
    let (facts, error) = FactsStore::finish([store]);
    assert!(matches!(facts, SortedFacts::Held(held) if held.len() == 19));
    assert_eq!(error.unwrap().kind(), io::ErrorKind::NotFound);
}

#[test]
fn many_runs_become_one() {
    let facts: Vec<_> = (1..700_u16)
        .rev()
        .map(|port| Box::new(crate::testkit::facts(&format!("10.0.0.1:{port}"), "52.97.1.1:443")))
        .collect();
    let SortedFacts::Stored(stored) = stored(facts.clone(), 1) else { panic!("it was put aside") };
    assert_eq!(all(&stored), in_order(facts));
}

#[test]
fn lines_are_sorted_in_memory_and_beyond() {
    let line = |frame: u64| Line {
        frame: frame * 7 % 101,
        time: 0,
        client: ("10.0.0.1".parse().unwrap(), 1),
        server: ("10.0.0.2".parse().unwrap(), 2),
        place: (frame, 0),
        bytes: format!("{}\n", frame * 7 % 101).into_bytes(),
    };
    for held_max in [1 << 20, 500, 0] {
        let mut lines = Lines::new(held_max, &std::env::temp_dir());
        (0..101).for_each(|frame| lines.push(line(frame)));
        let mut text = Vec::new();
        let read = lines.each(|line| {
            text.extend_from_slice(line);
            Ok(())
        });
        read.unwrap();
        let expect: String = (0..101).map(|frame| format!("{frame}\n")).collect();
        assert_eq!(String::from_utf8(text).unwrap(), expect);
    }
}

proptest! {
    #[test]
    fn what_is_put_aside_comes_back_in_order(
        facts in prop::collection::vec(any_facts(), 0..40),
        held_max in 0..20_000_usize,
    ) {
        let facts: Vec<_> = facts.into_iter().map(Box::new).collect();
        let back = match stored(facts.clone(), held_max) {
            SortedFacts::Held(held) => in_order(held),
            SortedFacts::Stored(stored) => all(&stored),
        };
        prop_assert_eq!(back, in_order(facts));
    }

    #[test]
    fn outputs_are_the_same_from_memory_and_from_a_file(
        facts in prop::collection::vec(any_facts(), 1..30),
        is_anonymized: bool,
        workers in 1..3_usize,
    ) {
        let judge = Judge::new(JudgeConfig::default()).with_workers(workers);
        let anonymizer = is_anonymized.then(|| {
            let bytes: [u8; 32] = std::array::from_fn(|place| b"no two bytes alike: 0123456789+/"[place]);
            let key = AnonymizeKey::parse(&bytes).unwrap();
            Anonymizer::new(key, &Endpoints::builtin(), judge.home())
        });
        let names = NameBook::default();
        // Pseudonyms are another order where connections begin at one time.
        let mut facts: Vec<_> = facts.into_iter().map(Box::new).collect();
        facts.sort_by_key(|facts| facts.first.time);
        facts.dedup_by_key(|facts| facts.first.time);
        let mut run = RunInfo::default();
        judge.sign(&mut run);
        let inside = |addr| judge.home().contains(addr);
        let held = judge.judge_all_named(facts.clone(), &names);
        let held = match &anonymizer {
            Some(anonymizer) => anonymizer.flows(held),
            None => held,
        };
        let expect = outputs(&Report::new(&held, &run, inside));
        let SortedFacts::Stored(facts) = stored(facts, 0) else { panic!("it was put aside") };
        let flows = StoredFlows::new(&facts, &judge, &names, anonymizer.as_ref()).unwrap();
        let report = Report::of(Connections::Stored(&flows), &run, inside).unwrap();
        for ((name, expect), (_, found)) in expect.iter().zip(outputs(&report)) {
            prop_assert_eq!(
                String::from_utf8_lossy(&found),
                String::from_utf8_lossy(expect),
                "{}", name
            );
        }
    }
}

//! How many threads judge must not show.

use super::*;
use crate::judged::JudgedFlow;

/// Connections of all kinds, of hosts that meet again and again: retries, certificates shown to
/// others, hosts that offer more elsewhere, names and none.
fn mixed(count: u16) -> Vec<Flow> {
    let flow = |number: u16| {
        let client = format!("10.0.{}.{}:50000", number % 3, number % 17);
        let server = format!("52.97.1.{}:443", number % 5);
        let flow = Flow::new(&client, &server);
        let flow = match number % 7 {
            0 | 1 => flow.good_hello().sni(&format!("host{}.contoso.com", number % 40)),
            2 => flow.old_hello().sni("outlook.office365.com"),
            3 => flow.good_hello().sni("outlook.office365.com").refused(PROTOCOL_VERSION),
            4 => flow.old_hello().selects(0x0301, 0x002f, None).established(true),
            5 => flow.good_hello().selects(0x0303, 0x002f, None).certificate(&["www.contoso.com"]),
            _ => flow,
        };
        flow.at(i64::from(number))
    };
    (0..count).map(flow).collect()
}

fn judged(workers: usize, flows: &[Flow]) -> Vec<JudgedFlow> {
    let facts = flows.iter().map(|flow| flow.facts.clone()).collect();
    judge().with_workers(workers).judge_all::<FlowFacts>(facts)
}

#[test]
fn verdicts_do_not_depend_on_the_number_of_workers() {
    let per_part = u16::try_from(PART_LEN_MIN).unwrap();
    for count in [1, per_part, per_part + 1, 3 * per_part + 7] {
        let flows = mixed(count);
        let expect = judged(1, &flows);
        assert_eq!(expect.len(), flows.len());
        for workers in [0, 2, 3, 64] {
            assert_eq!(judged(workers, &flows), expect, "{count} by {workers}");
        }
    }
    let verdicts: std::collections::BTreeSet<_> =
        judged(2, &mixed(3 * per_part)).iter().map(|flow| flow.judgements[0].verdict).collect();
    assert!(verdicts.len() >= 3, "{verdicts:?}");
}

#[test]
fn judgements_are_shared_and_changed_alone() {
    let mut flows = judged(1, &mixed(100));
    let others = flows[9].judgements.clone();
    assert_eq!(flows[2].judgements.as_ptr(), others.as_ptr(), "judged alike");
    flows[2].judgements[0].fix = "".into();
    assert_eq!(flows[9].judgements, others);
    assert_ne!(flows[2].judgements, others);
}

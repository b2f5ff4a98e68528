use super::Standing::{Behind, Passes, Unseen};
use super::*;
use crate::{JudgedFlow, RunInfo, testkit};

#[test]
fn what_became_of_a_host_follows_from_how_it_stood() {
    let check = |history: &[Standing], expect| {
        assert_eq!(Change::of(history.iter().copied()), expect, "{history:?}");
    };
    check(&[Behind, Passes], Some(Change::Fixed));
    check(&[Behind, Behind], Some(Change::StillOld));
    check(&[Unseen, Behind], Some(Change::New));
    check(&[Passes, Behind], Some(Change::Relapsed));
    check(&[Behind, Unseen], Some(Change::SilentSince));
    check(&[Passes, Passes], None);
    check(&[Unseen, Passes], None);
    check(&[Passes, Unseen], None);
    check(&[Unseen, Unseen], None);
    check(&[], None);
    // Over many runs.
    check(&[Behind, Unseen, Passes], Some(Change::Fixed));
    check(&[Behind, Passes, Unseen], Some(Change::Fixed));
    check(&[Behind, Passes, Behind], Some(Change::Relapsed));
    check(&[Passes, Behind, Behind], Some(Change::Relapsed));
    check(&[Behind, Unseen, Behind], Some(Change::StillOld));
    check(&[Passes, Behind, Unseen], Some(Change::SilentSince));
    check(&[Behind], Some(Change::New));
}

#[test]
fn a_host_stands_by_its_verdict() {
    let stands = Verdict::ALL.map(Standing::of);
    let expect = [Behind, Behind, Behind, Behind, Unseen, Passes, Unseen, Unseen];
    assert_eq!(stands, expect);
}

fn flow(client: &str, service: &str, verdict: Verdict) -> JudgedFlow {
    let mut flow = testkit::judged(testkit::facts(client, "52.97.1.1:443"), verdict, None);
    flow.service.as_mut().unwrap().0 = service.into();
    flow
}

fn snapshot(label: &str, flows: &[JudgedFlow]) -> Snapshot {
    let policies = vec!["office365-tls12".to_owned()];
    let run = RunInfo { policies, ..RunInfo::default() };
    let report = Report::new(flows, &run, |addr| addr.to_string().starts_with("10."));
    Snapshot::of(label, &report).unwrap()
}

fn diff(runs: &[&[JudgedFlow]]) -> Diff {
    let snapshots = runs.iter().map(|flows| snapshot("run", flows)).collect();
    Diff::new(snapshots, vec!["office365-tls12".to_owned()])
}

#[test]
fn hosts_are_listed_by_what_became_of_them() {
    let before = [
        flow("10.0.0.1:1", "A", Verdict::Breaks),
        flow("10.0.0.2:1", "A", Verdict::Breaks),
        flow("10.0.0.3:1", "A", Verdict::Passes),
        flow("10.0.0.4:1", "A", Verdict::Breaks),
        flow("10.0.0.6:1", "A", Verdict::Passes),
    ];
    let after = [
        flow("10.0.0.1:1", "A", Verdict::Passes),
        flow("10.0.0.2:1", "A", Verdict::FailsToday),
        flow("10.0.0.3:1", "A", Verdict::Breaks),
        flow("10.0.0.4:1", "A", Verdict::Unknown),
        flow("10.0.0.5:1", "A", Verdict::Breaks),
        flow("10.0.0.6:1", "A", Verdict::Passes),
    ];
    let diff = diff(&[&before, &after]);
    let found: Vec<String> =
        diff.rows().iter().map(|row| format!("{} {}", row.addr, row.change.name())).collect();
    assert_eq!(
        found,
        [
            "10.0.0.3 relapsed",
            "10.0.0.5 new",
            "10.0.0.2 still-old",
            "10.0.0.4 silent-since",
            "10.0.0.1 fixed"
        ]
    );
    assert!(diff.any_breaks());
    assert_eq!(diff.services("office365-tls12"), BTreeMap::from([("A", [1, 1, 1, 1, 1])]));
    let burn_down = diff.burn_down("office365-tls12");
    assert_eq!((burn_down[0].breaks, burn_down[1].breaks), (3, 2));
    assert_eq!(burn_down[0].count(Change::New), 3);
    assert_eq!((burn_down[1].count(Change::Fixed), burn_down[1].hidden_max), (1, 1));
}

#[test]
fn a_service_that_was_not_seen_again_is_named() {
    let before =
        [flow("10.0.0.1:1", "A", Verdict::Breaks), flow("10.0.0.1:2", "B", Verdict::Breaks)];
    let after = [flow("10.0.0.1:1", "A", Verdict::Passes)];
    let diff = diff(&[&before, &after]);
    let rows = diff.rows();
    assert_eq!((rows[0].change, &*rows[0].unseen_services), (Change::Fixed, &["B"][..]));
    assert_eq!(rows[0].telling().unwrap().verdict, Verdict::Breaks);
    let services = diff.services("office365-tls12");
    assert_eq!(services["A"][Change::Fixed as usize], 1);
    assert_eq!(services["B"][Change::SilentSince as usize], 1);
    assert!(!diff.any_breaks());
}

#[test]
fn a_run_beside_itself_changes_nothing() {
    let flows =
        [flow("10.0.0.1:1", "A", Verdict::Breaks), flow("10.0.0.2:1", "A", Verdict::Passes)];
    let diff = diff(&[&flows, &flows, &flows]);
    let rows = diff.rows();
    assert_eq!((rows.len(), rows[0].change), (1, Change::StillOld));
    let rows = diff.burn_down("office365-tls12");
    assert!(rows.iter().all(|row| (row.breaks, row.count(Change::Fixed)) == (1, 0)));
}

proptest::proptest! {
    #[test]
    fn nothing_is_fixed_that_was_not_seen_to_pass(history in proptest::collection::vec(0usize..3, 1..6)) {
        let history: Vec<Standing> =
            history.iter().map(|place| [Behind, Passes, Unseen][*place]).collect();
        if Change::of(history.iter().copied()) == Some(Change::Fixed) {
            let broke = history.iter().position(|seen| *seen == Behind).unwrap();
            proptest::prop_assert!(history[broke..].contains(&Passes));
            let last = history.iter().rev().find(|seen| **seen != Unseen);
            proptest::prop_assert_eq!(last, Some(&Passes));
        }
    }
}

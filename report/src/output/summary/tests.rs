use dissect::{Coverage, LinkType};
use serde_json::{Value, json};

use super::*;
use crate::JudgedFlow;
use crate::{CaptureCounts, InterfaceCounts, testkit};

fn inside(addr: IpAddr) -> bool {
    addr.to_string().starts_with("10.")
}

fn run() -> RunInfo {
    let mut run = RunInfo {
        version: "0.1.0".to_owned(),
        policies: vec!["office365-tls12".to_owned()],
        ..RunInfo::default()
    };
    run.counters.frames = 12;
    run.counters.dissected = 10;
    run.counters.skip(SkipReason::NotIp);
    run.counters.skip(SkipReason::UnknownLinkType);
    run.counters.unknown_link_types.insert(LinkType(127).0, 1);
    run.bytes_read = 4096;
    run
}

fn summary(flows: &[JudgedFlow], run: &RunInfo) -> Value {
    let mut out = Vec::new();
    Report::new(flows, run, inside).write_summary(&mut out).unwrap();
    assert_eq!(out.last(), Some(&b'\n'));
    serde_json::from_slice(&out).unwrap()
}

fn finding<'a>(summary: &'a Value, name: &str) -> &'a Value {
    let findings = summary["capture_health"].as_array().unwrap();
    findings.iter().find(|finding| finding["finding"] == name).unwrap()
}

#[test]
fn keys_are_all_there_without_connections() {
    let summary = summary(&[], &RunInfo::default());
    for key in [
        "frames_read",
        "frames_dissected",
        "skipped",
        "bytes_read",
        "flows",
        "hosts",
        "coverage",
        "capture_health",
        "verdicts",
    ] {
        assert!(summary.get(key).is_some(), "{key}");
    }
    assert_eq!(summary.get("capture"), None);
    assert_eq!((&summary["hosts"], &summary["hosts_break"]), (&json!(0), &json!(0)));
    assert_eq!(summary["capture_health"], json!([]));
}

#[test]
fn frames_connections_and_hosts_are_accounted_for() {
    let broken = testkit::old_client();
    let mut hidden =
        testkit::judged(testkit::facts("10.0.0.8:2", "52.97.1.1:443"), Verdict::Unknown, None);
    hidden.facts.coverage = Coverage::MIDSTREAM.with(Coverage::GAP);
    let mut other =
        testkit::judged(testkit::facts("10.0.0.9:2", "192.0.2.1:443"), Verdict::OutOfScope, None);
    (other.direction, other.service) = (crate::Direction::Other, None);
    let summary = summary(&[broken, hidden, other], &run());

    assert_eq!(summary["frames_read"], 12);
    assert_eq!(summary["frames_dissected"], 10);
    assert_eq!(summary["skipped"]["not_ip"], 1);
    assert_eq!(summary["skipped"]["unknown_link_type"], 1);
    assert_eq!(summary["skipped"]["filtered"], 0);
    assert_eq!((&summary["flows"], &summary["flows_watched"]), (&json!(3), &json!(2)));
    assert_eq!(summary["coverage"]["complete"], 2);
    assert_eq!(
        summary["coverage_watched"],
        json!({
            "complete": 1, "midstream": 1, "client-side-missing": 0, "server-side-missing": 0,
            "gap": 0, "truncated": 0, "evicted": 0,
        })
    );
    let keys = ["hosts", "hosts_judged", "hosts_break", "hosts_hidden_max"];
    assert_eq!(keys.map(|key| &summary[key]), [&json!(3), &json!(2), &json!(1), &json!(1)]);
    assert_eq!(summary["hosts_by_policy"]["office365-tls12"]["out-of-scope"], 1);
    let verdicts = &summary["verdicts"]["office365-tls12"];
    assert_eq!(verdicts["Exchange Online"]["breaks"], 1);
    assert_eq!(verdicts["Exchange Online"]["unknown"], 1);
    assert_eq!(verdicts["other"]["out-of-scope"], 1);
    assert_eq!(finding(&summary, "unknown-link-type")["count"], 1);
}

#[test]
fn a_live_capture_says_what_was_dropped() {
    let mut run = run();
    run.capture = Some(CaptureCounts::of(vec![InterfaceCounts {
        name: "eth1".to_owned(),
        received: 12,
        kernel_drops: 3,
        interface_drops: 1,
        outages: 2,
    }]));
    let summary = summary(&[], &run);
    assert_eq!(
        summary["capture"],
        json!({
            "received": 12,
            "kernel_drops": 3,
            "interface_drops": 1,
            "interfaces": {
                "eth1": { "received": 12, "kernel_drops": 3, "interface_drops": 1, "outages": 2 },
            },
        })
    );
    assert_eq!(summary["hosts_hidden_max"], 4);
    assert_eq!(finding(&summary, "outages")["count"], 2);
    assert_eq!(finding(&summary, "drops")["count"], 4);
}

#[test]
fn paths_tell_what_was_seen_breaks_or_was_never_seen() {
    let mut flow = testkit::old_client();
    flow.path = Some(AccessPath::ClientToExchange);
    flow.scenario = Some(Scenario::Clients);
    let summary = summary(&[flow], &run());
    let paths = &summary["paths"]["office365-tls12"];
    assert_eq!(paths["client-to-exchange"]["status"], "breaks");
    assert_eq!(paths["client-to-exchange"]["hosts_breaking"], 1);
    assert_eq!(paths["client-to-exchange"]["verdicts"]["breaks"], 1);
    assert_eq!(paths["edge-to-office365"]["status"], "not-seen");
    let scenarios = &summary["scenarios"]["office365-tls12"];
    assert_eq!(scenarios["clients"]["status"], "breaks");
    assert_eq!(scenarios["third-parties"]["status"], "not-seen");
}

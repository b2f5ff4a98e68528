//! Intervals: nothing lost, nothing twice, and what was written stays.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::common::{Folder, analyze_to, run, sample};
use crate::kit::*;

#[test]
fn intervals_merged_are_one_run() {
    let Some(net) = Net::new("intervals_merged", &["tcpreplay"]) else { return };
    let (offline, out, merged) =
        (Folder::new("offline"), Folder::new("intervals"), Folder::new("merged"));
    analyze_to(offline.path(), [sample("demo")]).expect(0);
    let path = out.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--out", path, "--rotate", "1s", "--threads", "2"]);
    // Slow enough for connections to go on over several boundaries.
    net.replay_on("v0", &sample("demo"), "--pps 140");
    listener.ends("TERM", Some(0));
    let parts = intervals(out.path());
    assert!(parts.len() >= 4, "{parts:?}");
    let flows: usize = parts.iter().map(|part| timeless(part, "flows.csv").len()).sum();
    assert_eq!(flows, timeless(offline.path(), "flows.csv").len(), "each once");
    let frames: u64 = parts.iter().map(|part| number(part, &["frames_read"])).sum();
    assert_eq!(frames, number(offline.path(), &["frames_read"]));
    let arguments = ["merge"]
        .map(Into::into)
        .into_iter()
        .chain(parts)
        .chain(["--out".into(), merged.path().to_owned()]);
    run(arguments).expect(0);
    for table in ["flows.csv", "hosts.csv"] {
        assert_eq!(timeless(merged.path(), table), timeless(offline.path(), table), "{table}");
    }
    assert_eq!(number(merged.path(), &["capture", "received"]), frames);
}

#[test]
fn a_connection_that_goes_on_is_reported_once() {
    let Some(net) = Net::new("a_connection_that_goes_on", &["tcpreplay"]) else { return };
    let out = Folder::new("once");
    let path = out.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--out", path, "--rotate", "1s"]);
    net.replay_on("v0", &sample("tls10-client-outlook"), "--pps 8");
    listener.ends("TERM", Some(0));
    let parts = intervals(out.path());
    let rows: Vec<usize> = parts.iter().map(|part| timeless(part, "flows.csv").len()).collect();
    assert_eq!(rows.iter().sum::<usize>(), 1, "{rows:?}");
    assert!(rows.len() >= 2, "{rows:?}");
}

#[test]
fn old_intervals_are_removed() {
    let Some(net) = Net::new("old_intervals", &[]) else { return };
    let out = Folder::new("keep");
    out.write("notes.txt", "mine");
    let path = out.path().to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--out", path, "--rotate", "1s", "--keep", "2"]);
    let mut seen = std::collections::BTreeSet::new();
    until(
        || {
            seen.extend(intervals(out.path()));
            seen.len() >= 6
        },
        || "intervals are missing".to_owned(),
    );
    listener.ends("TERM", Some(0));
    let left = intervals(out.path());
    assert_eq!(left.len(), 3, "two and a file of somebody else: {left:?}");
    assert!(left.iter().any(|path| path.ends_with("notes.txt")));
}

#[test]
fn a_kill_loses_the_open_interval_and_the_next_start_says_so() {
    let Some(net) = Net::new("a_kill", &["tcpreplay"]) else { return };
    let out = Folder::new("killed");
    let path = out.path().to_str().unwrap();
    let options = ["-i", "v1", "--out", path, "--rotate", "1s"];
    let listener = net.listen(&options);
    net.replay(&sample("tls10-client-outlook"));
    let has_host = || {
        intervals(out.path())
            .iter()
            .any(|part| part.join("summary.json").exists() && number(part, &["hosts_break"]) == 1)
    };
    until(has_host, || "the interval is not written".to_owned());
    listener.ends("KILL", None);
    assert!(has_host());
    let listener = net.listen(&options);
    listener.waits_for("the last run did not end by itself; what it saw after 20");
    listener.ends("TERM", Some(0));
    let (_, said) = net.listen(&options).ends("TERM", Some(0));
    assert!(!said.contains("did not end by itself"), "{said}");
    let breaking: u64 =
        intervals(out.path()).iter().map(|part| number(part, &["hosts_break"])).sum();
    assert_eq!(breaking, 1);
}

#[test]
fn a_hangup_reads_policies_again() {
    let Some(net) = Net::new("a_hangup", &["tcpreplay"]) else { return };
    let (out, files) = (Folder::new("reload"), Folder::new("policy"));
    let text = run(["policy", "show", "office365-tls12"]).expect(0).stdout;
    let lax = text.replace("TLSv1.2", "TLSv1.0");
    assert_ne!(text, lax, "the policy names its minimum");
    let policy = files.write("mine.toml", &lax);
    let path = out.path().to_str().unwrap();
    let policy_path = policy.to_str().unwrap();
    let listener = net.listen(&["-i", "v1", "--out", path, "--policy", policy_path]);
    fs::write(&policy, "nonsense").unwrap();
    listener.signal("HUP");
    listener.waits_for("what was read before stays in use");
    fs::write(&policy, &text).unwrap();
    listener.signal("HUP");
    listener.waits_for("were read again");
    net.replay(&sample("tls10-client-outlook"));
    sleep(Duration::from_millis(100));
    listener.ends("TERM", Some(0));
    assert_eq!(number(out.path(), &["hosts_break"]), 1);
}

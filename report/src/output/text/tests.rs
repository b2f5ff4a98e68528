use dissect::SkipReason;

use super::*;
use crate::{JudgedFlow, RunInfo, testkit};

fn text(flows: &[JudgedFlow], run: &RunInfo, width: usize, color: bool) -> String {
    let inside = |addr: IpAddr| addr.to_string().starts_with("10.");
    let mut out = Vec::new();
    Report::new(flows, run, inside).write_text(&mut out, TextStyle { width, color }).unwrap();
    String::from_utf8(out).unwrap()
}

fn run() -> RunInfo {
    let mut run = RunInfo { policies: vec!["office365-tls12".to_owned()], ..RunInfo::default() };
    run.counters.frames = 3;
    run.counters.dissected = 2;
    run.counters.skip(SkipReason::NotIp);
    run
}

fn unknown(client: &str, reason: &str) -> JudgedFlow {
    let mut flow = testkit::judged(testkit::facts(client, "52.97.1.1:443"), Verdict::Unknown, None);
    flow.judgements[0].reason = reason.into();
    flow
}

#[test]
fn the_answer_comes_first() {
    let flows = [
        testkit::old_client(),
        unknown("10.0.0.8:1", "the capture begins after the handshake"),
        unknown("10.0.0.9:1", "the capture begins after the handshake"),
    ];
    assert_eq!(
        text(&flows, &run(), 100, false),
        "\
1 of 3 hosts breaks on the day TLS 1.0 and 1.1 are switched off; at most 2 more are hidden

Break (1 host)
  HOST      SIDE    OFFERS    FLOWS  SERVICES
  10.0.0.7  client  TLSv1.0       1  Exchange Online
      client-too-old: offers TLSv1.0, nothing newer
  Fix: update it

Connections by service and negotiated version
  Exchange Online: TLSv1.0 1, not seen 2

Could not be judged
  2 connections: the capture begins after the handshake

3 frames read: 2 dissected, 1 skipped (1 not_ip).
"
    );
}

#[test]
fn a_dropped_frame_may_hide_a_host() {
    let drops = crate::InterfaceCounts { kernel_drops: 3, ..crate::InterfaceCounts::default() };
    let capture = Some(crate::CaptureCounts::of(vec![drops]));
    let shown = |flows: &[JudgedFlow]| {
        text(flows, &RunInfo { capture: capture.clone(), ..run() }, 300, false)
    };
    let flows = [testkit::old_client(), unknown("10.0.0.8:1", "nothing was seen")];
    assert!(shown(&flows).starts_with(
        "1 of 2 hosts breaks on the day TLS 1.0 and 1.1 are switched off; at most 4 more are \
         hidden, 3 of them in frames that the capture dropped\n"
    ));
    assert!(shown(&[]).contains("could be judged, and the capture dropped 3 frames\n"));
}

#[test]
fn nothing_seen_is_said() {
    assert_eq!(
        text(&[], &run(), 200, false),
        "0 of 0 hosts break on the day TLS 1.0 and 1.1 are switched off; nothing was seen that \
         could be judged\n\n3 frames read: 2 dissected, 1 skipped (1 not_ip).\n"
    );
}

#[test]
fn one_host_breaks_and_so_does_none_of_one() {
    let passes = |client: &str| {
        testkit::judged(testkit::facts(client, "52.97.1.1:443"), Verdict::Passes, None)
    };
    let check = |flows: &[JudgedFlow], expect: &str| {
        let text = text(flows, &run(), 100, false);
        assert!(text.starts_with(expect), "{text}");
    };
    let (old, one, two) = (testkit::old_client(), passes("10.0.0.8:1"), passes("10.0.0.9:1"));
    check(&[], "0 of 0 hosts break on");
    check(std::slice::from_ref(&one), "0 of 1 host breaks on");
    check(&[one.clone(), two], "0 of 2 hosts break on");
    check(std::slice::from_ref(&old), "1 of 1 host breaks on");
    check(&[old, one], "1 of 2 hosts breaks on");
}

#[test]
fn frames_that_kept_everything_from_being_judged_are_told() {
    let mut run = run();
    run.counters.cut_frames = 2;
    let cut = "\n2 of 3 frames were cut by the snap length (tcpdump -s 0 captures them whole).\n";
    let flows = [unknown("10.0.0.8:1", "the hello is cut")];
    assert!(text(&[], &run, 100, false).contains(cut));
    assert!(text(&flows, &run, 100, false).contains(cut));
    assert!(!text(&[testkit::old_client()], &run, 100, false).contains(cut));
    run.counters.cut_frames = 0;
    run.counters.unknown_link_types.insert(147, 3);
    let strange = text(&[], &run, 100, false);
    assert!(strange.contains("\n3 of 3 frames are of "), "{strange}");
    assert!(strange.contains(", which is not decoded.\n"), "{strange}");
}

#[test]
fn long_lists_are_cut() {
    let flows: Vec<JudgedFlow> = (1..=25)
        .map(|low| {
            let client = format!("10.0.0.{low}:1");
            let facts = testkit::facts(&client, "52.97.1.1:443");
            testkit::judged(facts, Verdict::Breaks, None)
        })
        .collect();
    let text = text(&flows, &run(), 80, false);
    assert!(text.contains("Break (25 hosts)\n"), "{text}");
    assert!(text.contains("\n  and 5 more (hosts.csv)\n"), "{text}");
    assert!(!text.contains("10.0.0.21"), "{text}");
}

#[test]
fn a_fix_of_several_sentences_is_a_list() {
    let mut flow = testkit::old_client();
    flow.judgements[0].fix =
        "Take .NET 4.6.2 or later. .NET programs: set a key. Or replace it.".into();
    let several = text(std::slice::from_ref(&flow), &run(), 80, false);
    let list = "\n  Fix:\n    - Take .NET 4.6.2 or later.\n    - .NET programs: set a key.\n    \
                - Or replace it.\n";
    assert!(several.contains(list), "{several}");
    flow.judgements[0].fix = "Replace it.".into();
    let one = text(&[flow], &run(), 80, false);
    assert!(one.contains("\n  Fix: Replace it.\n"), "{one}");
}

#[test]
fn a_fix_that_was_told_is_found_by_host_and_policy() {
    let mut flow = testkit::old_client();
    let mut second = flow.judgements[0].clone();
    second.policy = "tls13-only".into();
    flow.judgements.extend([second]);
    let host = flow.facts.client.addr;
    let run = RunInfo { policies: vec!["office365-tls12".into(), "tls13-only".into()], ..run() };
    let told = text(&[flow, unknown("10.0.0.8:1", "cut")], &run, 80, false);
    assert!(told.contains(&format!("\n  Fix: as for {host} above, office365-tls12.\n")), "{told}");
    assert!(told.contains("\nCould not be judged, office365-tls12\n"), "{told}");
}

#[test]
fn lines_fit_the_width() {
    let mut flow = testkit::old_client();
    flow.judgements[0].reason = "word ".repeat(60).into();
    flow.judgements[0].fix = "x".repeat(300).into();
    for width in [40, 63, 80] {
        let text = text(&[flow.clone()], &run(), width, false);
        for line in text.lines() {
            assert!(line.len() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn only_our_own_sequences_reach_the_terminal() {
    let mut flow = unknown("10.0.0.8:1", "asked for \x1b]0;owned\x07");
    flow.service.as_mut().unwrap().0 = "evil\x1b[2J".into();
    let plain = text(&[flow.clone()], &run(), 80, false);
    assert!(!plain.contains(|character: char| character.is_control() && character != '\n'));
    assert!(plain.contains("evil\\u{1b}[2J"), "{plain}");

    let colored = text(&[flow], &run(), 80, true);
    let bare = ["\x1b[0m", "\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[1;33m"]
        .into_iter()
        .fold(colored, |text, sequence| text.replace(sequence, ""));
    assert_eq!(bare, plain);
}

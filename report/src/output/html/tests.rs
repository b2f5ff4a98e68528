mod dom;

use std::sync::Arc;

use dissect::Offer;
use serde_json::Value;

use self::dom::Page;
use super::super::Report;
use super::*;
use crate::stack::Stack;
use crate::testkit;
use crate::{Cause, Inventory, JudgedFlow, NameSource, Policy, RunInfo, Verdict};

const POLICY: &str = "office365-tls12";

fn run() -> RunInfo {
    RunInfo {
        version: "1.2.3".to_owned(),
        policies: vec![POLICY.to_owned()],
        inputs: vec!["office.pcap".to_owned()],
        ..RunInfo::default()
    }
}

fn html_of(flows: &[JudgedFlow], run: &RunInfo) -> String {
    let report = Report::new(flows, run, |addr| addr.to_string().starts_with("10."));
    let report = report.with_policies(&[Policy::builtin(POLICY).unwrap()]);
    let mut out = Vec::new();
    report.write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn data_of(page: &Page) -> Value {
    serde_json::from_str(&page.with_id("data").text()).unwrap()
}

/// A connection of client `10.0.0.N` that fares so.
fn flow(client: u8, verdict: Verdict) -> JudgedFlow {
    let mut flow = testkit::old_client();
    flow.facts.client = testkit::end(&format!("10.0.0.{client}:50000"));
    flow.judgements[0].verdict = verdict;
    if verdict >= Verdict::Unknown {
        flow.judgements[0].cause = None;
        flow.judgements[0].fix = "".into();
    }
    flow
}

fn office() -> Vec<JudgedFlow> {
    let mut flows: Vec<JudgedFlow> = (1..4).map(|it| flow(it, Verdict::Breaks)).collect();
    flows.extend((4..9).map(|it| flow(it, Verdict::Passes)));
    flows.push(flow(9, Verdict::Unknown));
    flows
}

#[test]
fn the_page_has_the_landmarks_headings_and_parts_that_a_reader_expects() {
    let page = Page::parse(&html_of(&office(), &run()));
    for landmark in ["header", "nav", "main", "footer", "h1"] {
        assert_eq!(page.named(landmark).len(), 1, "{landmark}");
    }
    let html = page.named("html").remove(0);
    assert_eq!(html.attribute("lang").as_deref(), Some("en"));
    let links: Vec<String> =
        page.named("nav")[0].all().iter().filter_map(|it| it.attribute("href")).collect();
    assert_eq!(links.len(), 7);
    for link in links {
        assert_eq!(page.with_id(link.trim_start_matches('#')).name(), "section", "{link}");
    }
    // No level of heading is left out on the way down.
    let levels: Vec<u32> =
        page.all().iter().filter_map(|it| it.name().strip_prefix('h')?.parse().ok()).collect();
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

#[test]
fn ids_are_used_once_and_what_is_named_is_there() {
    let page = Page::parse(&html_of(&office(), &run()));
    let of = |name: &str| -> Vec<String> {
        page.all().iter().filter_map(|it| it.attribute(name)).collect()
    };
    let mut ids = of("id");
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    for names in of("aria-labelledby") {
        for name in names.split(' ') {
            assert!(ids.iter().any(|id| id == name), "{name}");
        }
    }
    for table in page.named("table") {
        let heads: Vec<_> = table.all().into_iter().filter(|it| it.name() == "th").collect();
        assert!(!heads.is_empty() && heads.iter().all(|it| it.attribute("scope").is_some()));
    }
}

#[test]
fn without_its_script_the_page_has_the_answer_the_fixes_and_the_worst_hosts() {
    let page = Page::parse(&html_of(&office(), &run()));
    let answer = page.with_id("answer").text();
    assert!(answer.contains("3 of 9 hosts break"), "{answer}");
    assert!(answer.contains("at most 1 more is hidden"), "{answer}");
    assert!(answer.contains(POLICY) && answer.contains("Office 365 requires at least TLSv1.2"));
    let fixes = page.with_id("fixes").text();
    assert!(fixes.contains("3 hosts: The client is too old"), "{fixes}");
    assert!(fixes.contains("10.0.0.1 10.0.0.2 10.0.0.3"), "{fixes}");
    assert!(fixes.contains("update it"), "{fixes}");
    let worst = page.with_id("worst").text();
    assert!(worst.contains("10.0.0.3") && worst.contains("10.0.0.9"), "{worst}");
    assert!(!worst.contains("10.0.0.4"), "a host that passes is not among the worst");
    assert!(page.with_id("unseen").text().contains("PowerShell on front ends to Office 365"));
}

#[test]
fn the_data_holds_every_host_and_its_evidence() {
    let data = data_of(&Page::parse(&html_of(&office(), &run())));
    let hosts = data["hosts"].as_array().unwrap();
    let addresses: Vec<&str> = hosts.iter().map(|host| host[0].as_str().unwrap()).collect();
    assert_eq!(addresses[..4], ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9"]);
    assert_eq!(addresses.len(), 9);
    let place = |it: &Value| usize::try_from(it.as_u64().unwrap()).unwrap();
    let text = |it: &Value| data["texts"][place(it)].as_str().unwrap();
    let outcome = &hosts[0][14][0];
    assert_eq!((outcome[0].as_u64(), text(&outcome[1])), (Some(0), "client-too-old"));
    let flow = &hosts[0][15][0];
    assert_eq!((flow[0].as_str(), text(&flow[1])), (Some("10.0.0.1:50000"), "52.97.1.1:443"));
    assert_eq!(text(&flow[5]), "outlook.office365.com");
    assert!(text(&flow[12]).contains("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"), "{flow}");
    assert_eq!((flow[21].as_u64(), flow[22].as_u64()), (Some(4), Some(6)));
}

#[test]
fn connections_that_share_an_offer_are_told_as_those_that_do_not() {
    let mut flows = office();
    let old = Arc::clone(&flows[0].facts.client_hello.as_ref().unwrap().offer);
    let new = Arc::new(Offer { cipher_suites: vec![0x1301], ..Offer::clone(&old) });
    for (flow, offer) in flows.iter_mut().zip([old, new].iter().cycle()) {
        flow.facts.client_hello.as_mut().unwrap().offer = Arc::clone(offer);
    }
    let shared = html_of(&flows, &run());
    for flow in &mut flows {
        let offer = &mut flow.facts.client_hello.as_mut().unwrap().offer;
        *offer = Arc::new(Offer::clone(offer));
    }
    assert_eq!(shared, html_of(&flows, &run()));
    for suite in ["TLS_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"] {
        assert!(shared.contains(suite), "{suite}");
    }
}

/// Names as an attacker would choose them.
const HOSTILE: [&str; 6] = [
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'-alert(1)-'<!--",
    "a\u{202e}gpj.exe\u{2028}\u{2029}\u{0}\r\n",
    "&lt;b&gt;</style></title></textarea>",
    "{{constructor.constructor('alert(1)')()}}]]>",
];

/// The page of connections and a run that have nothing but this name.
fn page_of_name(name: &str) -> String {
    let mut flows = office();
    for flow in &mut flows {
        flow.server_name = Some((name.into(), NameSource::Sni));
        flow.sensor = name.into();
        flow.service.as_mut().unwrap().0 = name.into();
        flow.judgements[0].reason = name.into();
        flow.judgements[0].fix = name.into();
    }
    let run = RunInfo {
        sensor: name.to_owned(),
        inputs: vec![name.to_owned()],
        home: vec![name.to_owned()],
        endpoints: name.to_owned(),
        errors: vec![name.to_owned()],
        ..run()
    };
    html_of(&flows, &run)
}

#[test]
fn names_of_others_never_become_html() {
    let tags = |page: &Page| -> Vec<String> { page.all().iter().map(dom::Element::name).collect() };
    let plain = tags(&Page::parse(&page_of_name("mail.example")));
    for name in HOSTILE {
        let html = page_of_name(name);
        let page = Page::parse(&html);
        assert!(tags(&page) == plain, "{name:?} made elements");
        assert!(!html.contains(['\u{202e}', '\u{2028}', '\u{2029}', '\u{0}', '\r']), "{name:?}");
        let shown = super::super::layout::printable(name);
        for part in ["about", "answer", "fixes", "worst", "versions", "unseen"] {
            assert!(page.with_id(part).text().contains(&shown), "{name:?} is not in {part}");
        }
        assert!(data_of(&page)["texts"].as_array().unwrap().iter().any(|it| *it == *shown));
        let data = page.with_id("data").text();
        assert!(!data.contains(['<', '>', '&']), "{name:?}");
    }
}

#[test]
fn names_of_an_inventory_never_become_html() {
    for name in HOSTILE.iter().filter(|name| !name.contains(['\r', '\u{0}'])) {
        let cell = name.replace('"', "\"\"");
        let csv = format!("host,product,version\n\"{cell}\",Lync Server 2010,4.0\n");
        let inventory = Inventory::read(csv.as_bytes()).unwrap();
        let policies = [Policy::builtin(POLICY).unwrap()];
        let (flows, run) = (office(), run());
        let report = Report::new(&flows, &run, |_| true).with_inventory(&inventory, &policies);
        assert_eq!(report.hosts().silent().len(), 1, "the host is one that breaks");
        let mut out = Vec::new();
        report.write_html(&mut out).unwrap();
        let page = Page::parse(&String::from_utf8(out).unwrap());
        assert_eq!(page.named("script").len(), 2);
        assert!(
            page.named("img").is_empty() && page.named("b").iter().all(|it| !it.text().is_empty())
        );
        assert!(page.with_id("unseen").text().contains("silent in this capture"));
    }
}

#[test]
fn nothing_is_loaded_and_nothing_but_the_page_s_own_script_may_run() {
    let html = html_of(&office(), &run());
    let page = Page::parse(&html);
    let content_policy = page
        .named("meta")
        .iter()
        .find(|it| it.attribute("http-equiv").is_some())
        .and_then(|it| it.attribute("content"))
        .unwrap();
    for part in
        ["default-src 'none'", "base-uri 'none'", "form-action 'none'", "trusted-types 'none'"]
    {
        assert!(content_policy.contains(part), "{content_policy}");
    }
    assert!(!content_policy.contains("-inline") && !content_policy.contains("-eval"));
    // The digests are those of what stands in the page.
    let named = |part: &str, text: &str| {
        let digest = base64::encoded(&Sha256::digest(text.as_bytes()));
        assert!(content_policy.contains(&format!("{part} 'sha256-{digest}'")), "{part}");
    };
    named("style-src", &page.named("style")[0].text());
    let scripts = page.named("script");
    assert_eq!(scripts.len(), 2);
    assert_eq!(scripts[0].attribute("type").as_deref(), Some("application/json"));
    assert_eq!(scripts[1].attributes(), []);
    named("script-src", &scripts[1].text());
    for element in page.all() {
        for (name, value) in element.attributes() {
            assert!(!name.starts_with("on") && name != "style" && name != "src", "{name}={value}");
            assert!(name != "href" || value.starts_with('#'), "{name}={value}");
        }
    }
    for sink in
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
    {
        assert!(!SCRIPT.contains(sink), "{sink}");
    }
    for source in ["http:", "https:", "url(", "@import", "fetch(", "XMLHttpRequest"] {
        assert!(!STYLE.contains(source) && !SCRIPT.contains(source), "{source}");
    }
}

#[test]
fn assets_are_hashed_as_a_browser_reads_them() {
    assert_eq!(asset("a\r\nb\n"), "a\nb\n");
}

#[test]
fn equal_input_gives_equal_bytes_in_any_order_of_connections() {
    let mut flows = office();
    let html = html_of(&flows, &run());
    assert_eq!(html_of(&flows, &run()), html);
    flows.reverse();
    assert_eq!(html_of(&flows, &run()), html);
}

#[test]
fn every_policy_has_its_answer_fixes_and_paths() {
    let mut flows = office();
    for flow in &mut flows {
        let mut second = testkit::judgement(Verdict::AtRisk, Some(Cause::Middlebox));
        second.policy = "tls13-only".into();
        flow.judgements.extend([second]);
    }
    let mut run = run();
    run.policies.push("tls13-only".to_owned());
    let page = Page::parse(&html_of(&flows, &run));
    assert!(
        page.with_id("answer").text().contains("0 of 9 hosts break when tls13-only is enforced")
    );
    assert!(
        page.with_id("fixes").text().contains("A device on the way interferes under tls13-only")
    );
    assert!(page.with_id("ways").text().contains("Scenarios under tls13-only"));
    let data = data_of(&page);
    assert_eq!(data["policies"].as_array().unwrap().len(), 2);
    assert_eq!(data["hosts"][0][14].as_array().unwrap().len(), 2);
}

#[test]
fn a_connection_counts_once_for_what_several_policies_say_of_it() {
    let mut flows = vec![flow(1, Verdict::Unknown)];
    let again = flows[0].judgements[0].clone();
    flows[0].judgements.extend([again]);
    let mut run = run();
    run.policies.push("tls13-only".to_owned());
    let unseen = Page::parse(&html_of(&flows, &run)).with_id("unseen").text();
    assert!(unseen.contains("1 connection: offers TLSv1.0, nothing newer"), "{unseen}");
}

#[test]
fn a_capture_of_nothing_makes_a_page_that_says_so() {
    let page = Page::parse(&html_of(&[], &run()));
    let answer = page.with_id("answer").text();
    assert!(answer.contains("nothing was seen that could be judged"));
    assert!(answer.contains("No host could be judged") && !answer.contains("0 of 0"), "{answer}");
    assert!(page.with_id("versions").text().contains("No connection was seen."));
    let unseen = page.with_id("unseen").text();
    assert!(unseen.contains("No connection to or from Office 365"));
    assert!(
        unseen.contains("No host was seen that could be judged")
            && !unseen.contains("at least one")
    );
    assert_eq!(data_of(&page)["hosts"].as_array().unwrap().len(), 0);
}

#[test]
fn a_page_of_merged_runs_says_that_it_is_one() {
    let about = |merged_runs, sensor: &str| {
        let run = RunInfo { merged_runs, sensor: sensor.to_owned(), ..run() };
        Page::parse(&html_of(&office(), &run)).with_id("about").text()
    };
    let merged = about(3, "east;west");
    assert!(merged.contains("3 runs. A connection that several of them saw counts once."));
    assert!(merged.contains("east") && merged.contains("west"), "{merged}");
    assert!(!about(0, "east").contains("counts once"));
}

#[test]
fn a_page_of_exported_rows_says_that_it_is_one() {
    let review = crate::review::ReviewInfo { rows_read: 1234, ..Default::default() };
    let run = RunInfo { review: Some(review), ..run() };
    let page = Page::parse(&html_of(&office(), &run));
    assert!(page.named("header")[0].text().contains("1,234 exported rows"));
    assert!(page.with_id("about").text().contains("1,234 read, 0 of them not understood"));
}

#[test]
fn a_writer_that_fails_is_reported() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (flows, run) = (office(), run());
    let error = Report::new(&flows, &run, |_| true).write_html(Full).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

proptest::proptest! {
    #[test]
    fn any_connections_make_a_sound_page(
        flows in proptest::collection::vec(testkit::any_judged_flow(), 0..20),
    ) {
        let page = Page::parse(&html_of(&flows, &run()));
        data_of(&page);
        proptest::prop_assert_eq!(page.named("script").len(), 2);
    }
}

#[test]
fn lists_and_counts_are_set_apart() {
    let named = RunInfo { sensor: "east;west".to_owned(), ..run() };
    let page = html_of(&office(), &named);
    assert!(page.contains("sensors east, west"), "two sensors have two names");
    let named = RunInfo { sensor: "east".to_owned(), ..run() };
    assert!(html_of(&office(), &named).contains("sensor east<"), "one has one");
    let mut flows = Vec::new();
    for place in 0..1200 {
        let mut old = flow(1, Verdict::Breaks);
        old.facts.client = testkit::end(&format!("10.0.{}.{}:50000", place / 250, place % 250));
        flows.push(old);
    }
    let page = Page::parse(&html_of(&flows, &run()));
    let answer = page.with_id("answer").text();
    assert!(answer.contains("1,200 of 1,200 hosts break on"), "{answer}");
}

#[test]
fn stacks_that_may_be_meant_are_a_list_with_spaces() {
    let mut flows = vec![flow(1, Verdict::Breaks), flow(1, Verdict::Breaks)];
    for (flow, name) in flows.iter_mut().zip(["One (or Two)", "Three"]) {
        let stack = Stack { name, family: None, score: 0, evidence: String::new() };
        flow.stack = Some(stack.into());
    }
    let page = html_of(&flows, &run());
    assert!(page.contains("One (or Two); Three"), "a line breaks behind the space");
    assert!(!page.contains("Two);Three"));
}

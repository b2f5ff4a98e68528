use dissect::{
    Coverage, EndKind, HelloExtent, MessageKind, Protocol, PseudoTls, RefusalKind, Side, Upgrade,
};
use proptest::prelude::*;

use super::testkit::{Flow, GOOD_GROUPS, GOOD_SUITES, OLD_SUITES};
use super::*;
use crate::judged::{Cause, Direction, Verdict};
use crate::policy::Concerns;

mod across;
mod contract;
mod stacks;
mod workers;

use Verdict::{AtRisk, Breaks, Degrades, FailsToday, OutOfScope, Passes, Unaffected, Unknown};

pub(super) fn judge() -> Judge {
    Judge::new(JudgeConfig::default())
}

/// Judges one connection alone.
pub(super) fn judge_one(flow: &Flow) -> (Direction, Judgement) {
    let mut judged = judge().judge_all(vec![flow.facts.clone()]);
    let judged = judged.pop().expect("a row for each connection");
    (judged.direction, judged.judgements[0].clone())
}

/// The verdict and cause of a connection alone, and words that its reason has.
#[track_caller]
pub(super) fn check(flow: Flow, verdict: Verdict, cause: impl Into<Option<Cause>>, words: &[&str]) {
    let (_, judgement) = judge_one(&flow);
    let found = (judgement.verdict, judgement.cause);
    assert_eq!(found, (verdict, cause.into()), "{} {:#?}", judgement.reason, flow.facts);
    for word in words {
        assert!(judgement.reason.contains(word), "`{word}` is not in `{}`", judgement.reason);
    }
    let needs_fix = judgement.cause.is_some();
    assert!(!needs_fix || !judgement.fix.is_empty(), "{}", judgement.reason);
    assert!(!judgement.reason.is_empty());
}

/// The reason of a connection alone does not have these words.
#[track_caller]
fn check_without(flow: Flow, words: &str) {
    let (_, judgement) = judge_one(&flow);
    assert!(!judgement.reason.contains(words), "`{words}` is in `{}`", judgement.reason);
}

const PROTOCOL_VERSION: RefusalKind = RefusalKind::Alert(70);

#[test]
fn to_office365_the_offer_decides_and_not_what_is_negotiated() {
    let old = || Flow::to_exchange().old_hello();
    let too_old = Cause::ClientTooOld;
    check(old(), Breaks, too_old, &["offers at most TLSv1.0", "Office 365 requires TLSv1.2"]);
    check(old().selects(0x0301, 0x002f, None).established(true), Breaks, too_old, &["TLSv1.0"]);
    check(
        Flow::to_exchange().hello(0x0302, &OLD_SUITES, None).selects(0x0302, 0x002f, None),
        Breaks,
        too_old,
        &["offers at most TLSv1.1", "today TLSv1.1 is selected"],
    );
    check(Flow::to_exchange().hello(0x0300, &[0x000a], None), Breaks, too_old, &["SSLv3"]);
    let good = || Flow::to_exchange().good_hello();
    check(good().selects(0x0303, 0xc02f, Some(23)).established(true), Passes, None, &["TLSv1.2"]);
    // A suite that the policy does not know was chosen today; tomorrow another one will be.
    check(good().selects(0x0303, 0x0035, None).established(true), Passes, None, &[]);
    check(
        good().versions(&[0x0304, 0x0303]).selects13(0x1301, Some(29)).established(true),
        Passes,
        None,
        &["offers at most TLSv1.3"],
    );
}

#[test]
fn to_office365_suites_and_groups_are_causes_behind_the_version() {
    let flow = || Flow::to_exchange();
    check(
        flow().hello(0x0303, &[0x000a, 0x002f], Some(&[23])).selects(0x0303, 0x002f, None),
        Breaks,
        Cause::NoCommonSuite,
        &["none of the suites"],
    );
    check(
        flow().hello(0x0303, &[0xc02f], Some(&[22])),
        Breaks,
        Cause::NoCommonGroup,
        &["none of the groups"],
    );
    check(flow().hello(0x0301, &[0x0005], Some(&[22])), Breaks, Cause::ClientTooOld, &[]);
    check(
        flow().hello(0x0303, &[0xc02f], None),
        Unknown,
        None,
        &["no supported_groups", "the choice is the server's"],
    );
    // What one server chose today says nothing of the next one.
    check(
        flow().hello(0x0303, &[0xc02f], None).selects(0x0303, 0xc02f, Some(23)).established(true),
        Unknown,
        None,
        &["supported_groups"],
    );
    check(flow().hello(0x0303, &[0xc02f, 0x009d], None), Passes, None, &[]);
    check(
        flow().hello(0x0303, &[0xc02f], Some(&[23])).versions(&[0x0304, 0x0303]),
        Passes,
        None,
        &["warning: TLSv1.3"],
    );
    check(
        flow().hello(0x0303, &[0x1304, 0xc02f], Some(&[23])).versions(&[0x0304, 0x0302]),
        Breaks,
        Cause::NoCommonSuite,
        &[],
    );
    check(
        flow().hello(0x0303, &[0x000a], Some(&[23])).refused(RefusalKind::Alert(40)),
        FailsToday,
        Cause::NoCommonSuite,
        &["refused by alert handshake_failure"],
    );
    // A server that speaks TLS 1.3 refuses this; the reason says so.
    let shadowed = flow().hello(0x0303, &[0xc02f], Some(&[23])).versions(&[0x0304, 0x0303]);
    let words = &["refused for another reason", "warning: TLSv1.3"];
    check(shadowed.refused(RefusalKind::Alert(40)), Unknown, None, words);
}

#[test]
fn fixes_name_suites_and_groups_as_settings_do() {
    let judge = Judge::new(JudgeConfig::default());
    let fix = |suites: &[u16], groups: &[u16]| {
        let flow = Flow::to_exchange().hello(0x0303, suites, Some(groups));
        judge.judge_all(vec![flow.facts])[0].judgements[0].fix.to_string()
    };
    let suites = fix(&[0x000a], &[23]);
    assert!(suites.contains(": TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, "), "{suites}");
    assert!(suites.ends_with(", TLS_RSA_WITH_AES_128_GCM_SHA256."), "{suites}");
    let groups = fix(&[0xc02f], &[22]);
    assert!(groups.ends_with(": secp256r1, secp384r1, secp521r1, x25519."), "{groups}");
    assert!(!suites.contains("0x") && !groups.contains("0x"));
}

#[test]
fn where_versions_lack_different_things_the_words_say_which() {
    let judge = Judge::new(JudgeConfig::default());
    let check = |suites: &[u16], version: &str| {
        let flow = Flow::to_exchange().hello(0x0303, suites, Some(&[30]));
        let judged = judge.judge_all(vec![flow.versions(&[0x0304, 0x0303]).facts]).remove(0);
        let judgement = &judged.judgements[0];
        assert_eq!((judgement.verdict, judgement.cause), (Breaks, Some(Cause::NoCommonSuite)));
        let words = format!("none of the groups that Office 365 accepts in {version}, and none of");
        assert!(judgement.reason.contains(&words), "{}", judgement.reason);
        assert!(
            judgement.fix.starts_with("Allow at least one of these groups"),
            "{}",
            judgement.fix
        );
    };
    check(&[0x1301, 0x0033], "TLSv1.3");
    check(&[0x1304, 0xc02f], "TLSv1.2");
    let none = Flow::to_exchange().hello(0x0303, &[0x1304, 0x0033], Some(&[30]));
    let none = judge.judge_all(vec![none.versions(&[0x0304, 0x0303]).facts]).remove(0);
    assert!(none.judgements[0].reason.contains("none of the suites that Office 365 accepts from"));
    assert!(none.judgements[0].fix.starts_with("Allow at least one of these suites"));
}

#[test]
fn a_fix_for_an_unknown_client_says_first_that_it_is_unknown() {
    let judge = Judge::new(JudgeConfig::default());
    let fix = |flow: Flow| {
        let judged = judge.judge_all(vec![flow.facts]).remove(0);
        let family = judged.stack.and_then(|stack| stack.family);
        (family, judged.judgements[0].fix.to_string())
    };
    let untold = "The hello does not tell which client this is: of what follows, do what fits it. ";
    let (family, too_old) = fix(Flow::to_exchange().hello(0x0301, &[0x0035, 0x0016], None));
    assert_eq!(family, None);
    assert!(too_old.starts_with(untold), "{too_old}");
    let (family, capped) = fix(Flow::to_exchange().hello(0x0301, &[0x003c], None));
    assert_eq!(family, None);
    assert!(capped.starts_with("The client can do better") && capped.contains(untold), "{capped}");
    // A hello of the SSL 2.0 format with Java 6's suites.
    let (family, known) = fix(Flow::to_exchange().hello(0x0301, &[0x0004, 0x0005, 0x000a], None));
    assert!(family.is_none() == known.contains(untold), "{family:?}: {known}");
}

#[test]
fn a_name_that_goes_away_is_warned_of_whatever_is_offered() {
    let policies = ["exchange-online-pop-imap-2026", "office365-tls12"]
        .map(|name| Policy::builtin(name).expect("it is built in"))
        .into();
    let judge = Judge::new(JudgeConfig { policies, ..JudgeConfig::default() });
    let judged = |name: &str, flow: Flow| judge.judge_all(vec![flow.sni(name).facts]).remove(0);
    let to_pop = || Flow::new("10.0.0.5:5000", "52.97.1.1:995");
    let good = || to_pop().good_hello().selects(0x0303, 0xc02f, Some(23)).established(true);

    let retired = judged("POP-legacy.office365.com.", good());
    let [about_pop, general] = &retired.judgements[..] else { panic!("two policies") };
    assert_eq!(about_pop.verdict, Passes);
    assert!(about_pop.reason.contains("itself goes away"), "{}", about_pop.reason);
    assert_eq!(&*about_pop.fix, "Give the client a name of the server that stays.");
    assert!(!general.reason.contains("goes away"), "{}", general.reason);
    assert_eq!(&*general.fix, "");

    let old = judged("imap-legacy.office365.com", to_pop().old_hello());
    assert_eq!(old.judgements[0].verdict, Breaks);
    assert!(old.judgements[0].reason.contains("itself goes away"));
    assert!(old.judgements[0].fix.ends_with(" Give the client a name of the server that stays."));

    let stays = judged("outlook.office365.com", good());
    assert_eq!((stays.judgements[0].verdict, &*stays.judgements[0].fix), (Passes, ""));
    assert!(!stays.judgements[0].reason.contains("goes away"));
}

#[test]
fn a_client_that_could_do_more_is_capped_and_not_too_old() {
    let capped = Cause::ClientCapped;
    let flow = |suites: &[u16]| Flow::to_exchange().hello(0x0301, suites, Some(&GOOD_GROUPS));
    check(flow(&[0xc02f, 0xc014]), Breaks, capped, &["suites", "TLSv1.2"]);
    check(flow(&[0x003c]), Breaks, capped, &[]);
    check(flow(&[0xc014]).extension(13), Breaks, capped, &["extensions"]);
    check(flow(&[0xc014]).versions(&[0x0302, 0x0301]), Breaks, capped, &["extensions"]);
    check(flow(&[0xc014, 0x5600]), Breaks, Cause::ClientTooOld, &[]);
    check(flow(&[0xc014]).extension(23).extension(16), Breaks, Cause::ClientTooOld, &[]);
    check(flow(&[0xc02f]).refused(PROTOCOL_VERSION), FailsToday, capped, &["protocol_version"]);
}

#[test]
fn hellos_of_the_old_format_count() {
    let java6 = Flow::to_exchange().hello(0x0301, &[0x0004, 0x002f, 0x000a], None);
    check(java6.clone().sslv2_format(), Breaks, Cause::ClientTooOld, &["TLSv1.0"]);
    check(java6.sslv2_format().refused(RefusalKind::Reset), FailsToday, Cause::ClientTooOld, &[]);
    check(
        Flow::to_exchange().hello(0x0002, &[], None).sslv2_format(),
        Breaks,
        Cause::ClientTooOld,
        &["SSLv2"],
    );
    check(Flow::to_exchange().hello(0x0303, &[0x009c], None).sslv2_format(), Passes, None, &[]);
}

#[test]
fn a_refused_hello_fails_today_unless_it_had_a_way_through() {
    let old = || Flow::to_exchange().old_hello();
    for kind in [PROTOCOL_VERSION, RefusalKind::Reset, RefusalKind::Close] {
        check(old().refused(kind), FailsToday, Cause::ClientTooOld, &["refused"]);
        check(
            Flow::to_exchange().good_hello().refused(kind),
            Unknown,
            None,
            &["refused for another reason", "the offer satisfies Office 365's TLS 1.2 policy"],
        );
    }
    // Refused by an alert that no refusal was made of.
    let alerted = old().aborted_by(Side::Server, 70);
    check(alerted.clone(), FailsToday, Cause::ClientTooOld, &["protocol_version"]);
    // A text may leave out the ServerHello that came before the alert.
    check(alerted.retold(), Breaks, Cause::ClientTooOld, &["offers at most TLSv1.0"]);
    for flow in [Flow::to_exchange(), Flow::from_skype()] {
        let alerted = flow.good_hello().aborted_by(Side::Server, 40).retold();
        check(alerted, Unknown, None, &[]);
    }
}

#[test]
fn one_side_of_a_connection_to_office365_is_enough_when_it_decides() {
    let client_only = |flow: Flow| flow.coverage(Coverage::SERVER_SIDE_MISSING);
    check(client_only(Flow::to_exchange().old_hello()), Breaks, Cause::ClientTooOld, &[]);
    check(client_only(Flow::to_exchange().good_hello()), Passes, None, &["not needed"]);

    let server_only = || Flow::to_exchange().coverage(Coverage::CLIENT_SIDE_MISSING);
    check(
        server_only().selects(0x0301, 0x002f, None),
        Unknown,
        None,
        &["TLSv1.0", "client-side-missing"],
    );
    check(
        server_only().selects(0x0301, 0x002f, None).mark(0),
        Breaks,
        Cause::ClientTooOld,
        &["downgrade mark", "TLSv1.0"],
    );
    check(server_only().selects(0x0302, 0x002f, None).mark(0), Breaks, Cause::ClientTooOld, &[]);
    // The mark of TLS 1.3 has no place under an older choice, and proves nothing there.
    for version in [0x0301, 0x0302] {
        let odd = server_only().selects(version, 0x002f, None).mark(1);
        check(odd, Unknown, None, &["client-side-missing"]);
    }
    check(server_only().selects(0x0303, 0xc02f, Some(23)), Passes, None, &["must have offered"]);
    check(server_only().selects(0x0303, 0xc02f, Some(23)).mark(1), Passes, None, &[]);
    check(server_only().selects13(0x1302, Some(29)), Passes, None, &[]);
    check(
        server_only().selects(0x0303, 0x0035, None),
        Unknown,
        None,
        &["TLS_RSA_WITH_AES_256_CBC_SHA", "client-side-missing"],
    );
    check(server_only().selects13(0x1301, Some(0x11ec)), Unknown, None, &[]);
    check(
        server_only().aborted_by(Side::Server, 70),
        Unknown,
        None,
        &["client-side-missing", "protocol_version"],
    );
}

#[test]
fn an_unanswered_hello_is_judged_like_the_clients_side_alone() {
    let unanswered = |flow: Flow| flow.coverage(Coverage::SERVER_SIDE_MISSING);
    check(unanswered(Flow::to_exchange().old_hello()), Breaks, Cause::ClientTooOld, &["no answer"]);
    check(unanswered(Flow::to_exchange().good_hello()), Passes, None, &[]);
}

#[test]
fn less_chosen_than_offered_to_office365_is_a_middlebox() {
    let lower = || Flow::to_exchange().good_hello().selects(0x0301, 0x002f, None);
    let words = &["TLSv1.0 was selected", "somebody else answers"];
    check(lower(), AtRisk, Cause::Middlebox, words);
    check(lower().established(true), AtRisk, Cause::Middlebox, words);
    check(lower().aborted_by(Side::Client, 70), AtRisk, Cause::Middlebox, &["given up"]);
    check(lower().mark(0), AtRisk, Cause::Middlebox, words);
    check(lower().port(25), AtRisk, Cause::Middlebox, words);
    let all13 = Flow::to_exchange().good_hello().versions(&[0x0304, 0x0303]);
    check(all13.selects(0x0302, 0x002f, None), AtRisk, Cause::Middlebox, &["TLSv1.1"]);
    // What else tells that the service did not answer this hello is said.
    let seen = Flow::to_exchange()
        .hello(0x0303, &[0xc02f, 0xc014, 0x002f], Some(&GOOD_GROUPS))
        .sni("outlook.office365.com")
        .selects(0x0301, 0x002f, None);
    let order = "TLS_RSA_WITH_AES_128_CBC_SHA was selected although \
                 TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA was offered, which Office 365 prefers";
    let foreign = "the certificate is for proxy.contoso.com, which is no name of the service";
    let marked = seen.clone().mark(0).certificate(&["proxy.contoso.com"]);
    let all = &[words[0], words[1], order, foreign, "it was changed on the way"];
    check(marked, AtRisk, Cause::Middlebox, all);
    let own = seen.certificate(&["attachments.office.net", "*.office365.com"]);
    let (_, judgement) = judge_one(&own);
    assert!(judgement.reason.contains(order), "{}", judgement.reason);
    for not_so in ["certificate", "on the way"] {
        assert!(!judgement.reason.contains(not_so), "{}", judgement.reason);
    }
    // The suites may be undecided, the version that was offered is not.
    check(
        Flow::to_exchange().hello(0x0303, &[0xc02f], None).selects(0x0301, 0x002f, None),
        AtRisk,
        Cause::Middlebox,
        words,
    );
    // An offer without a way through breaks, whatever is chosen.
    check(
        Flow::to_exchange().hello(0x0303, &[0x002f], None).selects(0x0301, 0x002f, None),
        Breaks,
        Cause::NoCommonSuite,
        &[],
    );
}

#[test]
fn a_certificate_of_somebody_else_is_a_warning_beside_a_good_offer() {
    let to = |names: &[&str]| {
        let flow = Flow::to_exchange().good_hello().sni("outlook.office365.com");
        flow.selects(0x0303, 0xc02f, Some(23)).established(true).certificate(names)
    };
    let warning = "warning: the certificate is for proxy.contoso.com";
    check(to(&["proxy.contoso.com"]), Passes, None, &[warning]);
    for own in ["outlook.office365.com", "*.OFFICE365.com", "outlook.office.com"] {
        let (_, judgement) = judge_one(&to(&["first.contoso.com", own]));
        assert!(!judgement.reason.contains("warning"), "{own}: {}", judgement.reason);
    }
    // A vanity name has a certificate of its own.
    let vanity = Flow::new("10.0.0.5:50000", "52.112.9.9:443").good_hello().sni("sip.contoso.com");
    let vanity = vanity.selects(0x0303, 0xc02f, Some(23)).certificate(&["sip.contoso.com"]);
    assert!(!judge_one(&vanity).1.reason.contains("warning"));
}

#[test]
fn a_handshake_given_up_after_a_good_choice_is_refused_for_another_reason() {
    let good = || Flow::to_exchange().good_hello().selects(0x0303, 0xc02f, Some(23));
    let words = &["refused for another reason"];
    check(good().aborted_by(Side::Client, 48), Unknown, None, &[words[0], "unknown_ca"]);
    check(good().aborted_by(Side::Server, 40), Unknown, None, words);
    let closed = good().established(false).ended_by(Side::Client, EndKind::Reset);
    check(closed, Unknown, None, &[words[0], "RST"]);
    check(good().established(false), Passes, None, &[]);
    check(good().established(true).ended_by(Side::Client, EndKind::Fin), Passes, None, &[]);
    // What was chosen is none of the policy's, so giving it up says nothing of the policy.
    check(
        Flow::to_exchange().good_hello().selects(0x0303, 0x0039, None).aborted_by(Side::Client, 71),
        Passes,
        None,
        &["which Office 365 would not, and given up by the client, alert insufficient_security"],
    );
    // An old client that gives up stays an old client.
    check(
        Flow::to_exchange().old_hello().selects(0x0301, 0x002f, None).aborted_by(Side::Client, 40),
        Breaks,
        Cause::ClientTooOld,
        &[],
    );
}

#[test]
fn a_client_that_gives_up_after_a_hello_retry_request_refuses_for_another_reason() {
    let retried = |flow: Flow| {
        let mut flow = flow.versions(&[0x0304, 0x0303]);
        flow.facts.hello_retried = true;
        flow
    };
    let to = || {
        let suites = [0x1301, 0xc02f];
        retried(Flow::to_exchange().hello(0x0303, &suites, Some(&GOOD_GROUPS)))
    };
    let words = &["refused for another reason: TLSv1.3 was selected", "client"];
    check(to().aborted_by(Side::Client, 47), Unknown, None, &[words[0], "illegal_parameter"]);
    let closed = to().established(false).ended_by(Side::Client, EndKind::Reset);
    check(closed, Unknown, None, words);
    let lost = to().coverage(Coverage::GAP);
    check(lost, Passes, None, &["answered by a HelloRetryRequest"]);

    let from = || retried(Flow::from_skype().good_hello());
    check(from().aborted_by(Side::Client, 47), Unknown, None, words);
}

#[test]
fn an_answer_that_is_no_tls_is_said_to_be_one() {
    let words = "answered in the clear";
    let old = Flow::to_exchange().old_hello().established(false);
    check(old.clone(), Breaks, Cause::ClientTooOld, &[words]);
    let good = Flow::to_exchange().good_hello().established(false);
    check(good.clone(), Passes, None, &[words]);
    let missing = Coverage::SERVER_SIDE_MISSING;
    check(old.coverage(missing), Breaks, Cause::ClientTooOld, &["no answer was seen"]);
    check(good.coverage(missing), Passes, None, &["answer was not seen"]);
}

#[test]
fn a_name_in_front_of_an_encrypted_hello_is_said_to_be_one() {
    let words = "the name may be the one of a front";
    let to = |name| Flow::new("10.0.0.5:50000", "104.18.7.8:443").good_hello().sni(name);
    let ech = |flow: Flow| flow.extension(0xfe0d);
    check(ech(to("cloudflare-ech.com")), OutOfScope, None, &["neither end", words]);
    check_without(to("cloudflare-ech.com"), words);
    // Most browsers send a decoy, which says nothing of a name that is an endpoint.
    check_without(ech(to("outlook.office365.com")), words);
    let by_address = Flow::to_exchange().good_hello().sni("cloudflare-ech.com");
    check(ech(by_address), Passes, None, &["counted by address", words]);
}

#[test]
fn mail_between_servers_degrades_and_submission_does_not() {
    let too_old = Cause::ClientTooOld;
    let old = |port| Flow::to_exchange().old_hello().port(port).upgrade(Upgrade::Smtp, "");
    check(old(25), Degrades, too_old, &["cleartext"]);
    check(old(25).refused(PROTOCOL_VERSION), Degrades, too_old, &["refused", "cleartext"]);
    check(old(25).selects(0x0301, 0x002f, None), Degrades, too_old, &[]);
    check(old(587), Breaks, too_old, &[]);
    check(old(587).refused(PROTOCOL_VERSION), FailsToday, too_old, &[]);
    check(old(465).refused(RefusalKind::Reset), FailsToday, too_old, &[]);
    check(old(465), Breaks, too_old, &[]);
    let server_only = Flow::to_exchange().port(25).selects(0x0301, 0x002f, None);
    check(server_only.clone().mark(0), Degrades, too_old, &["cleartext"]);
    check(server_only, Unknown, None, &[]);
    let good = || Flow::to_exchange().good_hello().port(25);
    check(good().selects(0x0303, 0xc02f, Some(23)), Passes, None, &[]);

    let inside = || Flow::new("40.92.0.9:40000", "10.0.0.25:25").good_hello();
    check(
        inside().selects(0x0301, 0x002f, None).established(true),
        Degrades,
        Cause::ServerTooOld,
        &["TLSv1.0", "TLSv1.2", "cleartext"],
    );
    check(inside().refused(RefusalKind::Alert(40)), Degrades, Cause::ServerTooOld, &["cleartext"]);
}

#[test]
fn from_office365_the_servers_choice_decides() {
    let from = || Flow::from_skype().good_hello();
    let server_too_old = Cause::ServerTooOld;
    check(
        from().selects(0x0301, 0x002f, None).established(true),
        Breaks,
        server_too_old,
        &["the server selected TLSv1.0 although TLSv1.2 was offered"],
    );
    check(from().selects(0x0302, 0x002f, None), Breaks, server_too_old, &[]);
    check(from().selects(0x0303, 0xc02f, Some(23)), Passes, None, &["which Office 365 accepts"]);
    check(from().selects(0x0303, 0x009c, None), Passes, None, &[]);
    check(
        from().selects(0x0303, 0x0035, None),
        Unknown,
        None,
        &["TLS_RSA_WITH_AES_256_CBC_SHA", "may hold others"],
    );
    check(
        from().selects(0x0303, 0x0035, None).aborted_by(Side::Client, 40),
        Unknown,
        None,
        &["which is none of Office 365's", "may hold others"],
    );
    check(
        from().versions(&[0x0304, 0x0303]).selects13(0x1301, Some(29)),
        Passes,
        None,
        &["TLSv1.3"],
    );
    check(from().refused(PROTOCOL_VERSION), FailsToday, server_too_old, &["protocol_version"]);
    check(from().refused(RefusalKind::Reset), FailsToday, server_too_old, &["RST"]);
    check(from().refused(RefusalKind::Close), FailsToday, server_too_old, &["FIN"]);
    // A HelloRetryRequest shows that the server speaks TLS 1.3.
    let mut retried = from().versions(&[0x0304, 0x0303]).refused(RefusalKind::Alert(40));
    retried.facts.hello_retried = true;
    check(retried, Unknown, None, &["refused for another reason"]);
    check(
        from().selects(0x0303, 0xc02f, Some(23)).aborted_by(Side::Client, 48),
        Unknown,
        None,
        &["refused for another reason"],
    );
}

#[test]
fn a_refusing_server_may_lack_suites_and_need_not_be_microsofts() {
    let fix = |flow: Flow| judge_one(&flow).1.fix;
    let refused = fix(Flow::from_skype().good_hello().refused(RefusalKind::Alert(40)));
    assert!(refused.contains("these suites there: TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "));
    assert!(!refused.contains("TLS_AES_128_GCM_SHA256"), "{refused}");
    let old = fix(Flow::from_skype().good_hello().selects(0x0301, 0x002f, None));
    assert!(old.contains("ssl_protocols in nginx"), "{old}");
    assert!(!old.contains("suites there"), "{old}");
}

#[test]
fn a_low_hello_from_outside_that_is_refused_blames_no_server() {
    for low in [Flow::from_skype().old_hello(), Flow::from_skype().hello(0x0303, &[0x000a], None)] {
        let low = low.refused(PROTOCOL_VERSION);
        let (_, judgement) = judge_one(&low);
        assert_eq!(judgement.verdict, FailsToday);
        assert!(judgement.reason.starts_with("the caller at an address of Office 365 offers"));
        assert!(judgement.fix.contains("shows nothing of the server"), "{}", judgement.fix);
        assert!(!judgement.fix.contains("client's"), "{}", judgement.fix);
    }
    // The same from inside is the client's to mend; it is sorted before the other.
    let judge = Judge::new(JudgeConfig::default());
    let flows = vec![
        Flow::from_skype().old_hello().refused(PROTOCOL_VERSION).facts,
        Flow::to_exchange().old_hello().refused(PROTOCOL_VERSION).facts,
    ];
    let fixes: Vec<_> =
        judge.judge_all(flows).iter().map(|flow| flow.judgements[0].fix.clone()).collect();
    assert!(fixes[0].contains("Schannel"), "{}", fixes[0]);
    assert_ne!(fixes[0], fixes[1]);
    // The address is Office 365's whoever requires the version.
    let policies = vec![Policy::builtin("pci-dss-4").expect("it is built in")];
    let judge = Judge::new(JudgeConfig { policies, ..JudgeConfig::default() });
    let low = Flow::from_skype().old_hello().refused(PROTOCOL_VERSION).facts;
    let reason = &judge.judge_all(vec![low])[0].judgements[0].reason;
    assert!(reason.starts_with("the caller at an address of Office 365 offers"), "{reason}");
    assert!(reason.contains("PCI DSS"), "{reason}");
}

#[test]
fn a_marked_answer_to_a_low_hello_is_what_was_asked_for() {
    let from = || Flow::from_skype().selects(0x0301, 0x002f, None).mark(0);
    let fix = |flow: Flow| judge_one(&flow).1.fix;
    let low = || from().old_hello();
    check(low(), Unknown, None, &["downgrade mark", "no more was offered"]);
    assert!(fix(low()).contains("shows nothing of the server"), "{}", fix(low()));
    // A hello that asked for more was changed on the way.
    let high = || from().good_hello();
    check(high(), Unknown, None, &["downgrade mark", "no hello that low was seen"]);
    assert!(fix(high()).contains("interferes on the way"), "{}", fix(high()));
}

#[test]
fn a_caller_that_sent_no_hello_is_said_to_have_sent_none() {
    let alerted = |flow: Flow| flow.refused(RefusalKind::Alert(50));
    check(alerted(Flow::from_skype()), Unknown, None, &["sent no ClientHello"]);
    check(alerted(Flow::to_exchange()), Unknown, None, &["sent no ClientHello"]);
    let missing = Flow::to_exchange().coverage(Coverage::CLIENT_SIDE_MISSING);
    check(alerted(missing), Unknown, None, &["neither ClientHello nor ServerHello was captured"]);
}

#[test]
fn from_office365_what_the_server_did_not_show_is_unknown() {
    let missing = Coverage::SERVER_SIDE_MISSING;
    check(
        Flow::from_skype().good_hello().coverage(missing),
        Unknown,
        None,
        &["server's choice decides", "server-side-missing"],
    );
    let server_only = || Flow::from_skype().coverage(Coverage::CLIENT_SIDE_MISSING);
    check(
        server_only().selects(0x0301, 0x002f, None),
        Unknown,
        None,
        &["TLSv1.0", "client-side-missing"],
    );
    check(
        server_only().selects(0x0301, 0x002f, None).mark(0),
        Unknown,
        None,
        &["downgrade mark", "client-side-missing"],
    );
    check(server_only().selects(0x0303, 0xc02f, Some(23)), Passes, None, &[]);
    check(server_only().selects(0x0303, 0x0035, None), Unknown, None, &[]);
    // A hello this low is not what Office 365 sends, and the server had no choice.
    check(
        Flow::from_skype().old_hello().selects(0x0301, 0x002f, None),
        Unknown,
        None,
        &["too little"],
    );
}

#[test]
fn a_cut_hello_of_office365_may_leave_out_its_version() {
    for extent in [HelloExtent::Version, HelloExtent::Suites, HelloExtent::Extensions] {
        let cut = || Flow::from_skype().good_hello().cut(extent);
        check(cut().selects(0x0301, 0x002f, None), Unknown, None, &["ClientHello", "truncated"]);
        check(cut().selects(0x0303, 0xc02f, None), Passes, None, &[]);
        let low = cut().offer(|offer| offer.legacy_version = 0x0302);
        check(low.selects(0x0301, 0x002f, None), Unknown, None, &["too little"]);
    }
    // supported_versions before the cut tells.
    let listed = Flow::from_skype().good_hello().versions(&[0x0303]);
    check(
        listed.cut(HelloExtent::Extensions).selects(0x0301, 0x002f, None),
        Breaks,
        Cause::ServerTooOld,
        &[],
    );
}

#[test]
fn a_cut_changes_nothing_that_the_rest_determines() {
    let old = || Flow::to_exchange().old_hello();
    for extent in [HelloExtent::Version, HelloExtent::Suites, HelloExtent::Extensions] {
        check(old().cut(extent), Breaks, Cause::ClientTooOld, &["TLSv1.0"]);
        check(old().cut(extent).refused(PROTOCOL_VERSION), FailsToday, Cause::ClientTooOld, &[]);
    }
    let good = || Flow::to_exchange().good_hello();
    // supported_versions behind the cut may leave TLS 1.2 out.
    for extent in [HelloExtent::Version, HelloExtent::Suites, HelloExtent::Extensions] {
        let cut = || good().cut(extent);
        check(cut(), Unknown, None, &["ClientHello", "truncated"]);
        check(cut().selects(0x0301, 0x002f, None), Unknown, None, &["ClientHello", "truncated"]);
        check(cut().selects(0x0302, 0xc013, None), Unknown, None, &["ClientHello", "truncated"]);
        check(cut().selects(0x0303, 0xc02f, Some(23)), Passes, None, &[]);
    }
    // The choice proves the version, and the rest of the offer was seen.
    check(
        good().cut(HelloExtent::Extensions).selects(0x0303, 0x0035, None),
        Passes,
        None,
        &["offers TLSv1.2 or more"],
    );
    let listed = good().versions(&[0x0303, 0x0302]).cut(HelloExtent::Extensions);
    check(listed.clone(), Passes, None, &[]);
    check(listed.selects(0x0302, 0x002f, None), AtRisk, Cause::Middlebox, &["TLSv1.2"]);
    let cut = || good().offer(|offer| offer.cipher_suites.clear()).cut(HelloExtent::Version);
    check(cut(), Unknown, None, &["ClientHello", "truncated"]);
    check(cut().refused(PROTOCOL_VERSION), Unknown, None, &["truncated", "protocol_version"]);
    // The choice proves what the cut hid.
    check(cut().selects(0x0303, 0xc02f, Some(23)), Passes, None, &["must have offered"]);
    check(cut().selects(0x0303, 0x0035, None), Unknown, None, &["truncated"]);
    // A ServerHello that is cut changes nothing about the offer.
    let server_cut = good().selects(0x0303, 0xc02f, None).server_hello(|hello| {
        hello.extent = HelloExtent::Suites;
        hello.cipher_suite = None;
    });
    check(server_cut.coverage(Coverage::TRUNCATED), Passes, None, &[]);
    let nothing_left = Flow::from_skype().good_hello().selects(0x0303, 0xc02f, None);
    let nothing_left = nothing_left.server_hello(|hello| {
        hello.extent = HelloExtent::Suites;
        hello.cipher_suite = None;
    });
    check(nothing_left.coverage(Coverage::TRUNCATED), Unknown, None, &["ServerHello", "truncated"]);
}

#[test]
fn application_data_alone_is_unknown() {
    let midstream = Flow::to_exchange().coverage(Coverage::MIDSTREAM);
    check(midstream, Unknown, None, &["begins after the handshake", "midstream"]);
    let inside = Flow::from_skype().coverage(Coverage::MIDSTREAM);
    check(inside, Unknown, None, &["midstream"]);
    let evicted = Flow::to_exchange().coverage(Coverage::GAP).coverage(Coverage::EVICTED);
    check(evicted, Unknown, None, &["gap+evicted"]);
    let elsewhere = Flow::new("10.0.0.5:50000", "192.0.2.1:443").coverage(Coverage::MIDSTREAM);
    check(elsewhere, OutOfScope, None, &["neither end is Office 365"]);
}

#[test]
fn imitations_of_tls_and_quic_are_unaffected_towards_office365_only() {
    let media = |server: &str, kind| {
        Flow::new("10.0.0.5:50000", server).protocol(Protocol::PseudoTls(kind))
    };
    for kind in [PseudoTls::MsTurn, PseudoTls::Google, PseudoTls::Skype] {
        check(media("52.112.3.3:443", kind), Unaffected, None, &["only looks like TLS"]);
        check(media("192.0.2.1:443", kind), OutOfScope, None, &[]);
        let answered = |server| media(server, kind).certificate(&["proxy.contoso.com"]);
        check(answered("52.112.3.3:443"), AtRisk, Cause::Middlebox, &["certificate"]);
        check(answered("192.0.2.1:443"), OutOfScope, None, &[]);
    }
    let unnamed = media("52.112.3.3:443", PseudoTls::MsTurn)
        .message(Side::Server, MessageKind::Handshake(11));
    check(unnamed, AtRisk, Cause::Middlebox, &[]);

    let quic =
        |server: &str| Flow::new("10.0.0.5:50000", server).protocol(Protocol::Quic).good_hello();
    check(quic("40.97.1.1:443"), Unaffected, None, &["QUIC"]);
    check(quic("192.0.2.1:443"), OutOfScope, None, &[]);
    check(quic("192.0.2.1:443").sni("outlook.office365.com"), Unaffected, None, &[]);
    let dtls = |server: &str| Flow::new("10.0.0.5:50000", server).protocol(Protocol::Dtls);
    check(dtls("52.112.3.3:3478"), OutOfScope, None, &["DTLS"]);
    check(dtls("192.0.2.1:3478"), OutOfScope, None, &[]);
}

#[test]
fn connections_of_others_are_out_of_scope_whatever_they_do() {
    let other = || Flow::new("10.0.0.5:50000", "192.0.2.1:443");
    check(other().old_hello(), OutOfScope, None, &["neither end"]);
    check(other().old_hello().refused(PROTOCOL_VERSION), OutOfScope, None, &[]);
    check(
        other().old_hello().sni("outlook.office365.com.evil.test"),
        OutOfScope,
        None,
        &["neither end"],
    );
    check(Flow::new("10.0.0.5:5000", "10.0.0.6:5061").old_hello(), OutOfScope, None, &[]);
}

#[test]
fn every_unknown_says_what_was_missing() {
    for (part, name) in [
        (Coverage::MIDSTREAM, "midstream"),
        (Coverage::CLIENT_SIDE_MISSING, "client-side-missing"),
        (Coverage::SERVER_SIDE_MISSING, "server-side-missing"),
        (Coverage::GAP, "gap"),
        (Coverage::TRUNCATED, "truncated"),
        (Coverage::EVICTED, "evicted"),
    ] {
        for flow in [Flow::to_exchange(), Flow::from_skype()] {
            let (_, judgement) = judge_one(&flow.coverage(part));
            assert_eq!(judgement.verdict, Unknown);
            assert!(judgement.reason.contains(name), "{}", judgement.reason);
            assert!(!judgement.fix.is_empty(), "{name}");
        }
    }
}

#[test]
fn a_policy_concerns_the_directions_that_it_names() {
    let check = |concerns, flow: Flow, expect: Verdict| {
        let mut config = JudgeConfig::default();
        config.policies[0].concerns = concerns;
        let judged = Judge::new(config).judge_all(vec![flow.facts]);
        assert_eq!(judged[0].judgements[0].verdict, expect, "{concerns:?}");
    };
    let to = || Flow::to_exchange().old_hello();
    let from = || Flow::from_skype().good_hello().selects(0x0301, 0x002f, None);
    let other = || Flow::new("10.0.0.5:5000", "192.0.2.1:443").old_hello();
    check(Concerns::ToOffice365, to(), Breaks);
    check(Concerns::ToOffice365, from(), OutOfScope);
    check(Concerns::FromOffice365, from(), Breaks);
    check(Concerns::FromOffice365, to(), OutOfScope);
    check(Concerns::Office365, other(), OutOfScope);
    check(Concerns::Everyone, other(), Breaks);
    check(Concerns::Everyone, to(), Breaks);
    // Inside, the server answers for itself once the offer is good.
    let inside = Flow::new("10.0.0.5:5000", "10.0.0.6:443").good_hello();
    check(Concerns::Everyone, inside.selects(0x0301, 0x002f, None), Breaks);
}

#[test]
fn built_in_policies_judge_side_by_side() {
    let config = JudgeConfig {
        policies: crate::BUILTIN_NAMES.into_iter().filter_map(Policy::builtin).collect(),
        ..JudgeConfig::default()
    };
    let judge = Judge::new(config);
    let check = |flow: Flow, expect: [Verdict; 8]| {
        let judged = judge.judge_all(vec![flow.facts]);
        let verdicts: Vec<Verdict> = judged[0].judgements.iter().map(|row| row.verdict).collect();
        assert_eq!(verdicts, expect, "{:?}", judged[0].judgements);
    };
    let new = |flow: Flow| {
        flow.hello(0x0303, &[0x1301, 0xc030, 0x009c], Some(&[29, 23])).versions(&[0x0304, 0x0303])
    };
    // In the order of the names: Office 365, GCC High, Front Door, POP and IMAP, PCI, NIST,
    // TLS 1.3 only, post-quantum.
    check(
        Flow::to_exchange().old_hello(),
        [Breaks, OutOfScope, OutOfScope, OutOfScope, Breaks, Breaks, Breaks, Breaks],
    );
    check(
        new(Flow::to_exchange().port(993)),
        [Passes, OutOfScope, OutOfScope, Passes, Passes, Passes, Passes, Breaks],
    );
    check(
        Flow::to_exchange().port(995).hello(0x0303, &[0x009c], None),
        [Passes, OutOfScope, OutOfScope, Passes, Breaks, Breaks, Breaks, Breaks],
    );
    check(
        new(Flow::new("10.0.0.5:5000", "192.0.2.1:443")).sni("outlook.office365.us"),
        [Passes, Passes, OutOfScope, OutOfScope, Passes, Passes, Passes, Breaks],
    );
    check(
        Flow::new("10.0.0.5:5000", "52.112.1.1:443")
            .hello(0x0303, &[0xc013], Some(&[29]))
            .sni("teams.microsoft.com"),
        [Passes, OutOfScope, Breaks, OutOfScope, Breaks, Breaks, Breaks, Breaks],
    );
    check(
        Flow::new("10.0.0.5:5000", "192.0.2.1:443")
            .hello(0x0303, &[0x1301], Some(&[4588, 29]))
            .versions(&[0x0304]),
        [OutOfScope, OutOfScope, OutOfScope, OutOfScope, Passes, Breaks, Passes, Passes],
    );
}

#[test]
fn signature_algorithms_decide_where_a_policy_names_them() {
    let text = "name = 'x'\nminimum = 'TLSv1.2'\ndirection = 'any'\n\
                [tls12]\nsignature_algorithms = ['ecdsa_secp256r1_sha256']\n";
    let policies = vec![Policy::from_toml(text).expect("a sound policy")];
    let judge = Judge::new(JudgeConfig { policies, ..JudgeConfig::default() });
    let check = |suite: u16, list: Option<&[u16]>, expect| {
        let flow = Flow::to_exchange().hello(0x0303, &[suite], Some(&[23])).offer(|offer| {
            offer.signature_algorithms = list.map(<[u16]>::to_vec);
        });
        let judged = judge.judge_all(vec![flow.facts]);
        let judgement = &judged[0].judgements[0];
        assert_eq!((judgement.verdict, judgement.cause), expect, "{}", judgement.reason);
    };
    let fails = (Breaks, Some(Cause::NoCommonSuite));
    check(0xc02b, Some(&[0x0401, 0x0403]), (Passes, None));
    check(0xc02b, Some(&[0x0401]), fails);
    check(0xc02b, None, fails);
    check(0x009c, Some(&[0x0401]), (Passes, None));
}

#[test]
fn each_policy_gets_a_judgement_in_the_order_given() {
    let mut config = JudgeConfig::default();
    let mut strict = config.policies[0].clone();
    strict.name = "tls13-only".into();
    strict.minimum = dissect::Version::Tls13;
    config.policies.push(strict);
    let judged = Judge::new(config).judge_all(vec![Flow::to_exchange().good_hello().facts]);
    let rows: Vec<(&str, Verdict, Option<Cause>)> =
        judged[0].judgements.iter().map(|row| (&*row.policy, row.verdict, row.cause)).collect();
    assert_eq!(
        rows,
        [("office365-tls12", Passes, None), ("tls13-only", Breaks, Some(Cause::ClientCapped)),]
    );
    assert!(judged[0].judgements[1].reason.contains("requires TLSv1.3"));
}

proptest! {
    #[test]
    fn an_offer_that_satisfies_the_policy_never_breaks(
        suite in prop::sample::select(GOOD_SUITES.to_vec()),
        mut suites in prop::collection::vec(any::<u16>(), 0..12),
        port in prop::sample::select(vec![25u16, 443, 587, 5061]),
        chosen in prop::option::of((0x0300u16..0x0304, any::<u16>())),
        refused in any::<bool>(),
        marked in any::<bool>(),
    ) {
        suites.push(suite);
        let mut flow = Flow::to_exchange().hello(0x0303, &suites, Some(&GOOD_GROUPS)).port(port);
        flow = match chosen {
            Some((version, suite)) if marked => flow.selects(version, suite, None).mark(0),
            Some((version, suite)) => flow.selects(version, suite, None),
            None if refused => flow.refused(RefusalKind::Reset),
            None => flow,
        };
        let (_, judgement) = judge_one(&flow);
        prop_assert!(
            !matches!(judgement.verdict, Breaks | FailsToday | Degrades), "{}", judgement.reason
        );
    }

    #[test]
    fn nobody_passes_who_was_not_seen(parts in 1u8..64, from in any::<bool>()) {
        let flow = if from { Flow::from_skype() } else { Flow::to_exchange() };
        let (_, judgement) = judge_one(&flow.coverage(Coverage::from_bits(parts)));
        prop_assert_eq!(judgement.verdict, Unknown);
    }
}

//! What the program promises of verdicts, case by case: each row is a promise and the connections
//! that show it.

use super::*;

/// A promise, the connections in the order of time, and what becomes of each.
struct Promise {
    says: &'static str,
    flows: Vec<Flow>,
    expect: Vec<(Verdict, Option<Cause>)>,
}

fn promise(
    says: &'static str,
    flow: Flow,
    verdict: Verdict,
    cause: impl Into<Option<Cause>>,
) -> Promise {
    Promise { says, flows: vec![flow], expect: vec![(verdict, cause.into())] }
}

fn hold(promises: Vec<Promise>) {
    for Promise { says, flows, expect } in promises {
        let facts = flows.into_iter().map(|flow| flow.facts).collect();
        let judged = judge().judge_all::<FlowFacts>(facts);
        let found: Vec<_> = judged
            .iter()
            .map(|flow| (flow.judgements[0].verdict, flow.judgements[0].cause))
            .collect();
        let reasons: Vec<_> = judged.iter().map(|flow| &flow.judgements[0].reason).collect();
        assert_eq!(found, expect, "{says}: {reasons:?}");
    }
}

fn to() -> Flow {
    Flow::to_exchange()
}

fn from() -> Flow {
    Flow::from_skype().good_hello()
}

fn mail_from() -> Flow {
    Flow::new("40.92.0.9:40000", "10.0.0.25:25").good_hello()
}

const OLD: Option<Cause> = Some(Cause::ClientTooOld);
const SERVER: Option<Cause> = Some(Cause::ServerTooOld);
const MIDDLEBOX: Option<Cause> = Some(Cause::Middlebox);

#[test]
fn who_dialled_tells_which_side_decides() {
    let listed = |versions: &[u16], suites: &[u16], groups: &[u16]| {
        to().hello(0x0303, suites, Some(groups)).versions(versions)
    };
    hold(vec![
        promise("inside to Office 365: the client's offer decides", to().old_hello(), Breaks, OLD),
        promise(
            "Office 365 to inside: what the server selected decides",
            from().selects(0x0301, 0x002f, None).established(true),
            Breaks,
            SERVER,
        ),
        promise(
            "hybrid on 443",
            Flow::new("52.112.7.7:5000", "10.0.0.9:443").good_hello().selects(
                0x0302,
                0xc013,
                Some(23),
            ),
            Breaks,
            SERVER,
        ),
        promise(
            "without supported_versions everything up to the hello's version is offered",
            to().hello(0x0303, &[0x009c], None),
            Passes,
            None,
        ),
        promise(
            "supported_versions may have holes",
            listed(&[0x0304, 0x0302], &[0x1304, 0xc02f], &[23]),
            Breaks,
            Cause::NoCommonSuite,
        ),
        promise(
            "TLS 1.3 is a way through when a 1.3 suite and a group are shared",
            listed(&[0x0304], &[0x1301], &[29]),
            Passes,
            None,
        ),
        promise(
            "a 1.3 suite without a shared group is none",
            listed(&[0x0304], &[0x1301], &[30]),
            Breaks,
            Cause::NoCommonGroup,
        ),
        promise(
            "a suite of one version and a group of another are no way through",
            listed(&[0x0304], &[0xc02f, 0x1305], &[23]),
            Breaks,
            Cause::NoCommonSuite,
        ),
        promise(
            "static RSA needs no group",
            to().hello(0x0303, &[0xc02f, 0x009d], Some(&[22])),
            Passes,
            None,
        ),
        promise(
            "ECDHE without the groups extension leaves the choice to the server",
            to().hello(0x0303, &[0xc030], None),
            Unknown,
            None,
        ),
        promise(
            "signature algorithms decide nothing",
            to().good_hello().offer(|offer| offer.signature_algorithms = Some(vec![0x0403])),
            Passes,
            None,
        ),
        promise(
            "1.2 beside a 1.3 offer that shares nothing passes",
            listed(&[0x0304, 0x0303], &[0x1305, 0xc02f], &[23]),
            Passes,
            None,
        ),
        promise(
            "the suite that was negotiated is no evidence",
            to().good_hello().selects(0x0303, 0x0035, None).established(true),
            Passes,
            None,
        ),
        promise(
            "an inside server that chose a suite outside the policy may hold others",
            from().selects(0x0303, 0x0035, None).established(true),
            Unknown,
            None,
        ),
    ]);
}

#[test]
fn settled_questions_stay_settled() {
    let cut_off = Coverage::SERVER_SIDE_MISSING;
    let server_side = || to().coverage(Coverage::CLIENT_SIDE_MISSING);
    let pseudo = |flow: Flow| flow.protocol(Protocol::PseudoTls(PseudoTls::MsTurn));
    let media = || Flow::new("10.0.0.5:5000", "52.112.3.3:443");
    let other = || Flow::new("10.0.0.5:5000", "192.0.2.1:443");
    let low = |flow: Flow| flow.selects(0x0301, 0x002f, None);
    let mail = |port| to().old_hello().port(port).upgrade(Upgrade::Smtp, "");
    let proxied = |name: &str| {
        Flow::new("10.0.0.5:5000", "10.0.0.80:8080").upgrade(Upgrade::HttpConnect, name)
    };
    hold(vec![
        promise(
            "only the client's side, an old offer",
            to().old_hello().coverage(cut_off),
            Breaks,
            OLD,
        ),
        promise(
            "only the client's side, a good offer",
            to().good_hello().coverage(cut_off),
            Passes,
            None,
        ),
        promise("only the server's side, a low choice", low(server_side()), Unknown, None),
        promise("with the downgrade mark", low(server_side()).mark(0), Breaks, OLD),
        promise(
            "from Office 365 the mark clears the server",
            low(Flow::from_skype().coverage(Coverage::CLIENT_SIDE_MISSING)).mark(0),
            Unknown,
            None,
        ),
        promise(
            "a good offer refused by an alert",
            to().good_hello().refused(RefusalKind::Alert(40)),
            Unknown,
            None,
        ),
        promise("by RST", to().good_hello().refused(RefusalKind::Reset), Unknown, None),
        promise("by FIN", to().good_hello().refused(RefusalKind::Close), Unknown, None),
        promise(
            "from Office 365 by an alert",
            from().refused(RefusalKind::Alert(40)),
            FailsToday,
            SERVER,
        ),
        promise("from Office 365 by RST", from().refused(RefusalKind::Reset), FailsToday, SERVER),
        promise(
            "1.2 offered, 1.0 chosen, aborted by the client",
            low(to().good_hello()).aborted_by(Side::Client, 70),
            AtRisk,
            MIDDLEBOX,
        ),
        promise(
            "a hello below the minimum without any answer",
            to().old_hello().coverage(cut_off),
            Breaks,
            OLD,
        ),
        promise("and refused", to().old_hello().refused(PROTOCOL_VERSION), FailsToday, OLD),
        promise("SMTP on port 25", mail(25), Degrades, OLD),
        promise("refused or not", mail(25).refused(RefusalKind::Reset), Degrades, OLD),
        promise("submission on 587", mail(587), Breaks, OLD),
        promise("on 465, refused", mail(465).refused(RefusalKind::Reset), FailsToday, OLD),
        promise("mail that Office 365 brings", low(mail_from()), Degrades, SERVER),
        promise("refused or not", mail_from().refused(RefusalKind::Close), Degrades, SERVER),
        promise("pseudo-TLS", pseudo(media()), Unaffected, None),
        promise(
            "pseudo-TLS answered by a certificate",
            pseudo(media()).certificate(&["proxy.contoso.com"]),
            AtRisk,
            MIDDLEBOX,
        ),
        promise("pseudo-TLS to others", pseudo(other()), OutOfScope, None),
        promise("QUIC to Office 365", to().protocol(Protocol::Quic), Unaffected, None),
        promise("QUIC to others", other().protocol(Protocol::Quic), OutOfScope, None),
        promise("DTLS media anywhere", media().protocol(Protocol::Dtls), OutOfScope, None),
        promise("application data only", to().coverage(Coverage::MIDSTREAM), Unknown, None),
        promise(
            "too old before no suite before no group",
            to().hello(0x0302, &[0x000a], Some(&[22])),
            Breaks,
            OLD,
        ),
        promise(
            "no suite before no group",
            to().hello(0x0303, &[0x000a], Some(&[22])),
            Breaks,
            Cause::NoCommonSuite,
        ),
        promise(
            "no group",
            to().hello(0x0303, &[0xc02f], Some(&[22])),
            Breaks,
            Cause::NoCommonGroup,
        ),
        promise(
            "capped by suites of 1.2, also when refused",
            to().hello(0x0301, &[0x003c], None).refused(PROTOCOL_VERSION),
            FailsToday,
            Cause::ClientCapped,
        ),
        promise(
            "refused for want of a suite",
            to().hello(0x0303, &[0x002f], None).refused(RefusalKind::Alert(40)),
            FailsToday,
            Cause::NoCommonSuite,
        ),
        promise(
            "CONNECT goes by the name asked for",
            proxied("outlook.office365.com:443").old_hello(),
            Breaks,
            OLD,
        ),
        promise(
            "and not by the proxy",
            proxied("www.contoso.com:443").old_hello(),
            OutOfScope,
            None,
        ),
        promise(
            "SOCKS too",
            proxied("teams.microsoft.com:443")
                .upgrade(Upgrade::Socks, "login.microsoftonline.com:443")
                .old_hello(),
            Breaks,
            OLD,
        ),
        promise(
            "a client that refuses a ServerHello that satisfies the policy",
            to().good_hello().selects(0x0303, 0xc02f, Some(23)).aborted_by(Side::Client, 48),
            Unknown,
            None,
        ),
        promise(
            "a missing SYN or a cut after the ServerHello takes nothing away",
            low(from()).coverage(Coverage::MIDSTREAM).coverage(Coverage::TRUNCATED),
            Breaks,
            SERVER,
        ),
        promise(
            "a trailing dot and case don't count",
            other().old_hello().sni("OutLook.Office365.com."),
            Breaks,
            OLD,
        ),
        promise(
            "the apex is not matched by its wildcard",
            other().old_hello().sni("protection.outlook.com.contoso.com"),
            OutOfScope,
            None,
        ),
        promise(
            "a vanity name does not overrule an address of one service",
            media().old_hello().sni("sip.contoso.com"),
            Breaks,
            OLD,
        ),
        promise(
            "in front-door ranges it does",
            Flow::new("10.0.0.5:5000", "13.107.246.10:443").old_hello().sni("www.contoso.com"),
            OutOfScope,
            None,
        ),
        promise(
            "the PROXY protocol's client is the client",
            Flow::new("10.0.0.1:5000", "40.97.1.1:443").proxied_client("10.0.0.5:5000").old_hello(),
            Breaks,
            OLD,
        ),
    ]);
}

#[test]
fn a_fallback_dance_is_somebody_elses_doing() {
    let retry = || to().old_hello().client_port(50_001).at(30);
    let danced = |says, first: Flow, its: Verdict| Promise {
        says,
        flows: vec![first.at(0), retry()],
        expect: vec![(its, None), (AtRisk, MIDDLEBOX)],
    };
    let refused = || to().good_hello().refused(RefusalKind::Reset);
    let lower = |says, flows: Vec<Flow>, expect: Vec<(Verdict, Option<Cause>)>| Promise {
        says,
        flows,
        expect,
    };
    hold(vec![
        danced("after a refusal", refused(), Unknown),
        danced(
            "after no answer",
            to().good_hello().coverage(Coverage::SERVER_SIDE_MISSING),
            Passes,
        ),
        lower(
            "refused as well",
            vec![refused().at(0), retry().refused(PROTOCOL_VERSION)],
            vec![(Unknown, None), (AtRisk, MIDDLEBOX)],
        ),
        lower(
            "after a hello without a way through",
            vec![to().hello(0x0303, &[0x000a], None).refused(PROTOCOL_VERSION).at(0), retry()],
            vec![(FailsToday, Some(Cause::NoCommonSuite)), (Breaks, Some(Cause::ClientCapped))],
        ),
        lower(
            "a retry that still reaches the minimum",
            vec![
                refused().versions(&[0x0304, 0x0303]).at(0),
                to().good_hello().client_port(50_001).at(30),
            ],
            vec![(Unknown, None), (Passes, None)],
        ),
    ]);
}

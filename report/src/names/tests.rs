use dissect::{Coverage, Protocol};

use super::*;
use crate::judge::testkit::Flow;
use crate::judge::{Judge, JudgeConfig};

struct Found {
    direction: Direction,
    service: Option<(String, ServiceSource)>,
    name: Option<(String, NameSource)>,
    reason: String,
}

fn find(flow: &Flow) -> Found {
    let judged = Judge::new(JudgeConfig::default()).judge_all(vec![flow.facts.clone()]);
    found(&judged[0])
}

fn found(judged: &crate::judged::JudgedFlow) -> Found {
    let service = judged.service.as_ref();
    let name = judged.server_name.as_ref();
    Found {
        direction: judged.direction,
        service: service.map(|(service, source)| (service.to_string(), *source)),
        name: name.map(|(name, source)| (name.to_string(), *source)),
        reason: judged.judgements[0].reason.to_string(),
    }
}

#[track_caller]
fn check(
    flow: &Flow,
    direction: Direction,
    service: Option<(&str, ServiceSource)>,
    name: Option<(&str, NameSource)>,
) -> Found {
    let found = find(flow);
    assert_eq!(found.direction, direction, "{}", found.reason);
    assert_eq!(found.service.as_ref().map(|(s, from)| (&**s, *from)), service);
    assert_eq!(found.name.as_ref().map(|(n, from)| (&**n, *from)), name);
    found
}

use Direction::{FromOffice365, Other, ToOffice365};
use ServiceSource::{Address, Name as ByName};

const EXCHANGE: &str = "Exchange Online";
const SKYPE: &str = "Skype for Business Online";
const SHAREPOINT: &str = "SharePoint Online";

fn to(server: &str) -> Flow {
    Flow::new("10.0.0.5:50000", server).good_hello()
}

const NOBODY: &str = "192.0.2.1:443";
const SKYPE_ALONE: &str = "52.112.3.3:443";
const FRONT_DOOR: &str = "13.107.6.152:443";

#[test]
fn the_name_of_an_endpoint_decides_whatever_the_address() {
    let sni = |name: &str| to(NOBODY).sni(name);
    let check_sni = |shown: &str, sent: &str, service: Option<&str>| {
        let direction = if service.is_some() { ToOffice365 } else { Other };
        check(
            &sni(sent),
            direction,
            service.map(|service| (service, ByName)),
            Some((shown, NameSource::Sni)),
        );
    };
    check_sni("outlook.office365.com", "outlook.office365.com", Some(EXCHANGE));
    check_sni("outlook.office365.com", "OUTLOOK.Office365.com.", Some(EXCHANGE));
    check_sni("sipdir.online.lync.com", "sipdir.online.lync.com", Some(SKYPE));
    check_sni("teams.microsoft.com", "teams.microsoft.com", Some("Microsoft Teams"));
    check_sni("contoso.sharepoint.com", "contoso.sharepoint.com", Some(SHAREPOINT));
    check_sni("login.microsoftonline.com", "login.microsoftonline.com", Some("Microsoft Entra ID"));
    check_sni("www.office.com", "www.office.com", Some("Microsoft 365 Common"));
    // One dot at the end is the root of the DNS; two are no name.
    check_sni("outlook.office365.com.", "outlook.office365.com..", None);
    check_sni("lync.com", "lync.com", None);
    check_sni("outlook.office365.com.evil.test", "outlook.office365.com.evil.test", None);
    // By name on the address of another service.
    check(
        &to(SKYPE_ALONE).sni("outlook.office365.com"),
        ToOffice365,
        Some((EXCHANGE, ByName)),
        Some(("outlook.office365.com", NameSource::Sni)),
    );
}

#[test]
fn an_address_of_one_service_alone_is_not_overruled_by_a_vanity_name() {
    let vanity = check(
        &to(SKYPE_ALONE).sni("sip.contoso.com"),
        ToOffice365,
        Some((SKYPE, Address)),
        Some(("sip.contoso.com", NameSource::Sni)),
    );
    assert!(vanity.reason.contains("counted by address"), "{}", vanity.reason);
    assert!(vanity.reason.contains("52.112.0.0/14"), "{}", vanity.reason);
    for (server, service) in [
        ("13.107.64.9:443", SKYPE),
        ("40.97.1.1:443", EXCHANGE),
        ("40.92.1.1:25", EXCHANGE),
        ("52.104.1.1:443", SHAREPOINT),
        ("20.190.130.1:443", "Microsoft Entra ID"),
    ] {
        check(
            &to(server).sni("www.contoso.com"),
            ToOffice365,
            Some((service, Address)),
            Some(("www.contoso.com", NameSource::Sni)),
        );
    }
    let nameless = check(&to(SKYPE_ALONE), ToOffice365, Some((SKYPE, Address)), None);
    assert!(!nameless.reason.contains("counted by address"));
}

#[test]
fn a_front_door_is_overruled_by_a_name_that_is_none() {
    for server in [FRONT_DOOR, "150.171.32.4:443", "204.79.197.215:443", "131.253.33.215:443"] {
        check(
            &to(server).sni("www.contoso.com"),
            Other,
            None,
            Some(("www.contoso.com", NameSource::Sni)),
        );
        check(&to(server), ToOffice365, Some((EXCHANGE, Address)), None);
        check(
            &to(server).sni("outlook.office.com"),
            ToOffice365,
            Some((EXCHANGE, ByName)),
            Some(("outlook.office.com", NameSource::Sni)),
        );
        // A name from the certificate is a name.
        check(
            &to(server).certificate(&["www.contoso.com"]),
            Other,
            None,
            Some(("www.contoso.com", NameSource::Certificate)),
        );
        // An address in the place of a name is none.
        check(
            &to(server).sni("203.0.113.7"),
            ToOffice365,
            Some((EXCHANGE, Address)),
            Some(("203.0.113.7", NameSource::Sni)),
        );
    }
}

#[test]
fn a_network_of_several_services_is_overruled_by_a_name_that_is_none() {
    const COMMON: &str = "52.108.9.9:443";
    check(
        &to(COMMON).sni("www.contoso.com"),
        Other,
        None,
        Some(("www.contoso.com", NameSource::Sni)),
    );
    check(&to(COMMON), ToOffice365, Some(("Microsoft 365 Common", Address)), None);
}

#[test]
fn the_strongest_name_is_shown() {
    let all = to(NOBODY).upgrade(Upgrade::HttpConnect, "b.test:443").certificate(&["c.test"]);
    check(&all.clone().sni("a.test"), Other, None, Some(("a.test", NameSource::Sni)));
    check(&all, Other, None, Some(("b.test", NameSource::Connect)));
    let socks = to(NOBODY).upgrade(Upgrade::Socks, "b.test").certificate(&["c.test"]);
    check(&socks, Other, None, Some(("b.test", NameSource::Connect)));
    let xmpp = to("192.0.2.1:5222").upgrade(Upgrade::Xmpp, "D.test").certificate(&["c.test"]);
    check(&xmpp, Other, None, Some(("d.test", NameSource::Xmpp)));
    check(
        &to(NOBODY).certificate(&["c.test"]),
        Other,
        None,
        Some(("c.test", NameSource::Certificate)),
    );
    check(&to(NOBODY).sni(""), Other, None, None);
    check(&to(NOBODY), Other, None, None);
}

#[test]
fn of_a_certificate_the_name_of_an_endpoint_is_shown_else_the_first_else_the_common_one() {
    let names = ["mail.contoso.com", "*.online.lync.com", "sip.contoso.com"];
    check(
        &to(NOBODY).certificate(&names),
        ToOffice365,
        Some((SKYPE, ByName)),
        Some(("*.online.lync.com", NameSource::Certificate)),
    );
    check(
        &to(NOBODY).certificate(&["mail.contoso.com", "sip.contoso.com"]),
        Other,
        None,
        Some(("mail.contoso.com", NameSource::Certificate)),
    );
    check(
        &to(NOBODY).common_name("Mail.Protection.Outlook.com"),
        ToOffice365,
        Some((EXCHANGE, ByName)),
        Some(("mail.protection.outlook.com", NameSource::Certificate)),
    );
    // A certificate that many sites share says nothing beside the name asked for.
    check(
        &to(NOBODY).sni("www.contoso.com").certificate(&names),
        Other,
        None,
        Some(("www.contoso.com", NameSource::Sni)),
    );
}

#[test]
fn through_a_proxy_the_name_asked_for_decides() {
    let proxy = |upgrade, name: &str| {
        Flow::new("10.0.0.5:50000", "10.0.0.80:8080").good_hello().upgrade(upgrade, name)
    };
    for upgrade in [Upgrade::HttpConnect, Upgrade::Socks] {
        check(
            &proxy(upgrade, "outlook.office365.com"),
            ToOffice365,
            Some((EXCHANGE, ByName)),
            Some(("outlook.office365.com", NameSource::Connect)),
        );
        check(
            &proxy(upgrade, "outlook.office365.com:443").sni("vanity.contoso.com"),
            ToOffice365,
            Some((EXCHANGE, ByName)),
            Some(("vanity.contoso.com", NameSource::Sni)),
        );
        check(
            &proxy(upgrade, "vanity.contoso.com").sni("outlook.office365.com"),
            ToOffice365,
            Some((EXCHANGE, ByName)),
            Some(("outlook.office365.com", NameSource::Sni)),
        );
        check(
            &proxy(upgrade, "www.contoso.com"),
            Other,
            None,
            Some(("www.contoso.com", NameSource::Connect)),
        );
        check(
            &proxy(upgrade, "52.112.0.9:443"),
            ToOffice365,
            Some((SKYPE, Address)),
            Some(("52.112.0.9", NameSource::Connect)),
        );
    }
    check(
        &proxy(Upgrade::HttpConnect, "[2603:1063::1]:443"),
        ToOffice365,
        Some((SKYPE, Address)),
        Some(("2603:1063::1", NameSource::Connect)),
    );
    // A proxy in a range of Office 365 is still a proxy.
    let mut odd = proxy(Upgrade::HttpConnect, "www.contoso.com");
    odd.facts.server.addr = "52.112.0.1".parse().expect("an address");
    check(&odd, Other, None, Some(("www.contoso.com", NameSource::Connect)));
}

#[test]
fn who_dialled_tells_the_direction() {
    let dial = |client: &str, server: &str| Flow::new(client, server).good_hello();
    let from = |client: &str, server: &str, service: &str| {
        check(&dial(client, server), FromOffice365, Some((service, Address)), None);
    };
    from("52.112.7.7:5000", "10.0.0.9:5061", SKYPE);
    from("13.107.65.1:5000", "10.0.0.9:5061", SKYPE);
    from("40.97.1.1:5000", "10.0.0.9:443", EXCHANGE);
    from("40.92.1.1:5000", "10.0.0.9:25", EXCHANGE);
    // Servers in a perimeter network have public addresses.
    from("52.112.7.7:5000", "203.0.113.9:5061", SKYPE);
    // Clients seen behind address translation, too.
    check(&dial("203.0.113.5:5000", "40.97.1.1:443"), ToOffice365, Some((EXCHANGE, Address)), None);
    check(&dial("52.112.7.7:5000", "52.112.8.8:443"), ToOffice365, Some((SKYPE, Address)), None);
    check(&dial("10.0.0.5:5000", "10.0.0.9:443"), Other, None, None);
    check(&dial("203.0.113.5:5000", "10.0.0.9:443"), Other, None, None);
    // A server inside stays inside, whatever name it is asked for.
    check(
        &dial("52.112.7.7:5000", "10.0.0.9:5061").sni("sip.contoso.com"),
        FromOffice365,
        Some((SKYPE, Address)),
        Some(("sip.contoso.com", NameSource::Sni)),
    );
    check(
        &dial("52.112.7.7:5000", "10.0.0.9:5061").certificate(&["sipfed.online.lync.com"]),
        FromOffice365,
        Some((SKYPE, Address)),
        Some(("sipfed.online.lync.com", NameSource::Certificate)),
    );
    // Something inside that answers for Office 365.
    check(
        &dial("10.0.0.5:5000", "10.0.0.80:443").sni("outlook.office365.com"),
        ToOffice365,
        Some((EXCHANGE, ByName)),
        Some(("outlook.office365.com", NameSource::Sni)),
    );
    // The client by the PROXY protocol.
    let balanced = dial("10.0.0.2:5000", "10.0.0.9:5061").proxied_client("52.112.7.7:6000");
    check(&balanced, FromOffice365, Some((SKYPE, Address)), None);
}

#[test]
fn home_tells_what_is_inside() {
    let home = vec!["203.0.113.0/24".parse().expect("a prefix")];
    let judge = Judge::new(JudgeConfig { home, ..JudgeConfig::default() });
    let flow = Flow::new("52.112.7.7:5000", "203.0.113.9:443").good_hello();
    let flow = flow.sni("outlook.office365.com");
    assert_eq!(judge.judge_all(vec![flow.facts])[0].direction, FromOffice365);
    assert!(judge.home().contains("203.0.113.1".parse().expect("an address")));
    assert!(!judge.home().contains("10.0.0.1".parse().expect("an address")));
}

#[test]
fn a_certificate_seen_before_or_after_names_resumed_sessions() {
    let judge = Judge::new(JudgeConfig::default());
    let full = |client: &str| to(NOBODY).certificate(&["*.online.lync.com"]).client_addr(client);
    let resumed = || to(NOBODY).client_addr("10.0.0.7");
    let check_last = |flows: Vec<Flow>, expect: Option<&str>| {
        let wanted = resumed().facts.client;
        let judged = judge.judge_all(flows.into_iter().map(|flow| flow.facts).collect());
        let row = judged.iter().find(|row| row.facts.client == wanted).expect("the resumed one");
        assert_eq!(row.server_name.as_ref().map(|(name, _)| &**name), expect);
        assert_eq!(row.direction == ToOffice365, expect == Some("*.online.lync.com"));
    };
    let lync = Some("*.online.lync.com");
    check_last(vec![full("10.0.0.1"), resumed().at(9)], lync);
    check_last(vec![full("10.0.0.1").at(9), resumed()], lync);
    check_last(vec![resumed()], None);
    let named = |name: &str, shown: &str| {
        to(NOBODY).sni(name).certificate(&[shown]).client_addr("10.0.0.2")
    };
    // What clients with SNI see counts while it is always the same.
    check_last(vec![named("a.test", "*.online.lync.com"), resumed()], lync);
    check_last(
        vec![named("a.test", "*.online.lync.com"), named("b.test", "b.test"), resumed()],
        None,
    );
    check_last(vec![named("b.test", "b.test"), full("10.0.0.1").at(3), resumed()], lync);
    // What clients with SNI see is no reason to doubt an address.
    let front_door = |second| Flow::new("10.0.0.7:50000", FRONT_DOOR).good_hello().at(second);
    let theirs = Flow::new("10.0.0.2:50000", FRONT_DOOR).good_hello().sni("b.test");
    let rows = vec![theirs.certificate(&["b.test"]).facts, front_door(1).facts];
    assert_eq!(judge.judge_all(rows)[1].direction, ToOffice365);
    // Behind a proxy each connection meets another server.
    let proxied = full("10.0.0.1").upgrade(Upgrade::HttpConnect, "");
    check_last(vec![proxied, resumed()], None);
}

#[test]
fn dns_answers_name_what_nothing_else_names() {
    let judge = Judge::new(JudgeConfig::default());
    let addr = |text: &str| text.parse::<IpAddr>().expect("an address");
    let at = |second: i64| Timestamp::from_nanos(second * 1_000_000_000);
    let mut book = NameBook::default();
    let (client, server) = (addr("10.0.0.5"), addr("192.0.2.1"));
    book.insert(client, server, at(5), "Outlook.Office365.com.", 60);
    book.insert(client, server, at(1), "www.contoso.com", 60);
    book.insert(client, server, at(1), "www.contoso.com", 60);
    assert_eq!(book.lookup(client, server, at(0)), None);
    assert_eq!(book.lookup(client, server, at(4)), Some("www.contoso.com"));
    assert_eq!(book.lookup(client, server, at(5)), Some("outlook.office365.com"));
    assert_eq!(book.lookup(addr("10.0.0.6"), server, at(9)), None);
    let rows = |flow: Flow| judge.judge_all_named(vec![flow.facts], &book);
    let late = rows(to(NOBODY).at(6));
    assert_eq!(found(&late[0]).name, Some(("outlook.office365.com".into(), NameSource::Dns)));
    assert_eq!(late[0].direction, ToOffice365);
    assert_eq!(rows(to(NOBODY).at(2))[0].direction, Other);
    let certain = rows(to(NOBODY).at(6).certificate(&["www.contoso.com"]));
    assert_eq!(certain[0].direction, Other);
}

#[test]
fn names_of_media_and_of_unseen_handshakes_come_from_addresses() {
    let media = to(SKYPE_ALONE).protocol(Protocol::PseudoTls(dissect::PseudoTls::MsTurn));
    check(&media, ToOffice365, Some((SKYPE, Address)), None);
    let midstream = Flow::new("10.0.0.5:5000", SKYPE_ALONE).coverage(Coverage::MIDSTREAM);
    check(&midstream, ToOffice365, Some((SKYPE, Address)), None);
}

#[test]
fn answers_that_ran_out_are_forgotten() {
    let mut book = NameBook::default();
    let (client, server) = ("10.0.0.1".parse().unwrap(), "52.96.0.1".parse().unwrap());
    let at = |seconds: i64| Timestamp::from_nanos(seconds * 1_000_000_000);
    book.insert(client, server, at(0), "old.example", 60);
    book.insert(client, server, at(100), "new.example", 7200);
    book.forget_before(at(3600));
    assert_eq!(book.len(), 2);
    book.forget_before(at(3601));
    assert_eq!((book.len(), book.is_empty()), (1, false));
    assert_eq!(book.lookup(client, server, at(5000)), Some("new.example"));
    book.forget_before(at(7301));
    assert!(book.is_empty() && book.answers.is_empty());
}

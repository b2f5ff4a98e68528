use dissect::Upgrade;
use proptest::prelude::*;

use super::*;
use crate::state::SavedFlow;
use crate::testkit::{any_facts, client_hello, end, offer, old_client};
use crate::{Judge, JudgeConfig, NameSource};

const KEY: &[u8] = b"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

fn key() -> AnonymizeKey {
    AnonymizeKey::parse(KEY).unwrap()
}

fn home(texts: &[&str]) -> Home {
    Home::new(texts.iter().map(|text| text.parse().unwrap()).collect())
}

fn anonymizer_for(home: &Home) -> Anonymizer {
    Anonymizer::new(key(), &Endpoints::builtin(), home)
}

fn anonymizer() -> Anonymizer {
    anonymizer_for(&Home::default())
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_key_is_bytes_or_digits() {
    let bytes: Vec<u8> = (0..32).collect();
    assert_eq!(AnonymizeKey::parse(&bytes), Ok(key()));
    assert_eq!(AnonymizeKey::parse(KEY.to_ascii_uppercase().as_slice()), Ok(key()));
    let check = |bytes: &[u8], expect: &str| {
        let message = AnonymizeKey::parse(bytes).unwrap_err().to_string();
        assert!(message.contains(expect) && message.contains("openssl rand -hex 32"), "{message}");
    };
    check(b"", "has 0 bytes");
    check(&bytes[1..], "has 31 bytes");
    check(&KEY[1..], "has 64 bytes");
    check(&[b'x'; 64], "64 hexadecimal digits");
    check(&KEY.repeat(2), "has 130 bytes");
    check(&[7; 32], "one byte repeated");
    check(&[b'0'; 64], "one byte repeated");
}

#[test]
fn keys_are_told_apart_and_not_shown() {
    let other = AnonymizeKey::parse(b"another key of thirty-two bytes!").unwrap();
    assert_ne!(key().mark(), other.mark());
    assert_eq!(key().mark().len(), 8);
    let shown = format!("{:?}", anonymizer());
    assert!(!shown.contains("16, 17") && !shown.contains("101112"), "{shown}");
    let by_other = Anonymizer::new(other, &Endpoints::builtin(), &Home::default());
    assert_ne!(by_other.address(addr("10.20.1.11")), anonymizer().address(addr("10.20.1.11")));
    assert_ne!(by_other.name("contoso.com"), anonymizer().name("contoso.com"));
}

#[test]
fn everybody_s_addresses_stay_and_private_ones_stay_private() {
    let anonymizer = anonymizer();
    for stays in [
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.251",
        "::",
        "::1",
        "ff02::1",
        "52.97.1.1",
        "52.113.194.132",
        "2603:1006::1",
        "::ffff:52.97.1.1",
    ] {
        assert_eq!(anonymizer.address(addr(stays)), addr(stays));
    }
    for (moves, network) in [
        ("10.20.1.11", "10.0.0.0/8"),
        ("172.16.5.5", "172.16.0.0/12"),
        ("192.168.1.1", "192.168.0.0/16"),
        ("100.64.1.1", "100.64.0.0/10"),
        ("169.254.7.7", "169.254.0.0/16"),
        ("fd12:3456::1", "fc00::/7"),
        ("fe80::0202:b3ff:fe1e:8329", "fe80::/10"),
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
    ] {
        let pseudonym = anonymizer.address(addr(moves));
        assert_ne!(pseudonym, addr(moves));
        let network: Prefix = network.parse().unwrap();
        assert!(network.contains(pseudonym), "{moves}: {pseudonym}");
    }
    assert_ne!(anonymizer.address(addr("203.0.113.9")), addr("203.0.113.9"));
}

#[test]
fn a_home_of_one_s_own_moves_with_its_addresses() {
    let real = home(&["203.0.113.0/24", "2001:db8::/32"]);
    let anonymizer = anonymizer_for(&real);
    let pseudo = anonymizer.home(&real);
    assert!(!pseudo.contains(addr("203.0.113.1")));
    for inside in ["203.0.113.1", "203.0.113.255", "2001:db8::7"] {
        assert!(pseudo.contains(anonymizer.address(addr(inside))), "{inside}");
    }
    assert!(!pseudo.contains(anonymizer.address(addr("203.0.114.1"))));
}

#[test]
fn one_s_own_addresses_change_also_within_an_endpoint_network() {
    let anonymizer = anonymizer_for(&home(&["52.97.1.0/24"]));
    assert_ne!(anonymizer.address(addr("52.97.1.1")), addr("52.97.1.1"));
    assert_eq!(anonymizer.address(addr("52.97.2.1")), addr("52.97.2.1"));
}

#[test]
fn names_keep_what_everybody_knows() {
    let anonymizer = anonymizer();
    for stays in ["outlook.office365.com", "login.microsoftonline.com", ""] {
        assert_eq!(anonymizer.name(stays), stays);
    }
    assert_eq!(anonymizer.name("Outlook.Office365.com."), "outlook.office365.com");
    let of = |name: &str| anonymizer.name(name);
    let tenant = of("contoso.sharepoint.com");
    assert!(tenant.ends_with(".sharepoint.com") && !tenant.contains("contoso"), "{tenant}");
    let mine = of("contoso-my.sharepoint.com");
    assert!(!mine.contains("contoso") && mine != tenant, "{mine}");
    assert_eq!(of("CONTOSO.sharepoint.com."), tenant);
    assert!(of("sipfed.online.lync.com").starts_with("sipfed."));
    let vanity = of("sip.contoso.com");
    assert!(vanity.starts_with("sip.n") && vanity.ends_with(".invalid"), "{vanity}");
    let domain = of("contoso.com");
    assert_eq!(vanity, format!("sip.{domain}"));
    assert_eq!(of("*.contoso.com"), format!("*.{domain}"));
    // A short name is the first label of the full one.
    let edge = of("EDGE01");
    assert_eq!(of("edge01.contoso.com"), format!("{edge}.{domain}"));
    assert_eq!(of("10.20.1.11"), anonymizer.address(addr("10.20.1.11")).to_string());
    assert_eq!(of("[fd00::1]"), format!("[{}]", anonymizer.address(addr("fd00::1"))));
    let long = of(&["a."; 100].concat());
    assert!(long.len() < 200, "{long}");
}

#[test]
fn what_was_asked_of_a_proxy_keeps_its_port() {
    let anonymizer = anonymizer();
    let check = |text: &str, expect: &str| assert_eq!(anonymizer.authority(text), expect);
    check("outlook.office365.com:443", "outlook.office365.com:443");
    check("srv.contoso.com:443", &format!("{}:443", anonymizer.name("srv.contoso.com")));
    check("10.1.1.1:8443", &format!("{}:8443", anonymizer.address(addr("10.1.1.1"))));
    check("[fd00::1]:443", &format!("[{}]:443", anonymizer.address(addr("fd00::1"))));
    check("fd00::1", &anonymizer.address(addr("fd00::1")).to_string());
    check("contoso.com", &anonymizer.name("contoso.com"));
    check("", "");
    check(":443", ":443");
    check("[[]:443", &format!("[{}]:443", anonymizer.name("[")));
}

#[test]
fn a_domain_of_xmpp_is_a_name_whatever_is_in_it() {
    let mut flow = old_client();
    (flow.facts.upgrade, flow.facts.upgrade_name) = (Upgrade::Xmpp, Some("contoso:5061".into()));
    let [flow] = &anonymizer().flows(vec![flow])[..] else { panic!("one connection") };
    let name = flow.facts.upgrade_name.as_deref();
    assert_eq!(name, Some(&*anonymizer().name("contoso:5061")));
}

#[test]
fn a_run_names_no_path() {
    let anonymizer = anonymizer();
    let run = RunInfo {
        sensor: "lab".to_owned(),
        inputs: vec!["/data/contoso/a.pcap".to_owned(), "-".to_owned(), "captures".to_owned()],
        endpoints: "/etc/list.json".to_owned(),
        home: vec!["203.0.113.0/24".to_owned(), "10.0.0.0/8".to_owned()],
        errors: [
            "/data/contoso/a.pcap: the file is empty",
            "captures/contoso: b.pcap: byte 24: expected a packet, found 0xff",
            "captures/contoso: c.pcap: Permission denied",
            "contoso",
        ]
        .map(str::to_owned)
        .into(),
        ..RunInfo::default()
    };
    let pseudo = anonymizer.run(run.clone());
    let shown = format!("{pseudo:?}");
    for secret in ["contoso", "/data", "captures", "list.json", "203.0.113", "b.pcap"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert_eq!((&*pseudo.sensor, &*pseudo.inputs[1], &*pseudo.home[1]), ("lab", "-", "10.0.0.0/8"));
    assert_eq!(pseudo.errors[0], format!("{}: the file is empty", pseudo.inputs[0]));
    assert!(pseudo.errors[1].ends_with(": byte 24: expected a packet, found 0xff"));
    assert!(pseudo.errors[2].ends_with(": Permission denied"));
    assert_eq!((pseudo.anonymized, run.anonymized), (key().mark(), String::new()));
}

#[test]
fn every_name_and_address_of_a_connection_has_a_pseudonym() {
    let mut flow = old_client();
    let facts = &mut flow.facts;
    facts.upgrade = Upgrade::HttpConnect;
    facts.upgrade_name = Some("srv.contoso.com:443".into());
    facts.proxied_client = Some(end("10.9.9.9:1234"));
    facts.client_hello = Some(client_hello(offer(0x0301), Some("srv.contoso.com")));
    facts.certificate = Some(Arc::new(CertificateNames {
        alternative_names: vec!["srv.contoso.com".into(), "outlook.office365.com".into()],
        common_name: Some("Contoso Web".into()),
        issuer: Some("Contoso Root CA".into()),
    }));
    flow.server_name = Some(("srv.contoso.com".into(), NameSource::Sni));
    let shown = format!("{:?}", anonymizer().flows(vec![flow])).to_lowercase();
    for secret in ["contoso", "10.0.0.7", "10.9.9.9"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("52.97.1.1") && shown.contains("outlook.office365.com"), "{shown}");
}

fn state(sensor: &str, flows: Vec<FlowFacts>) -> State {
    let run = RunInfo { sensor: sensor.to_owned(), ..RunInfo::default() };
    let saved = |facts| SavedFlow {
        sensor: sensor.into(),
        dns_name: Some("srv.contoso.com".into()),
        part: 0,
        facts: Box::new(facts),
    };
    State { run, parts: Vec::new(), flows: flows.into_iter().map(saved).collect() }
}

/// Names of all kinds.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,3}\\.?[a-c]{0,3}\\.(contoso\\.com|sharepoint\\.com|lync\\.com|outlook\\.com)\\.?",
        "(sip|autodiscover|outlook|smtp)\\.(office365\\.com|online\\.lync\\.com|x\\.onmicrosoft\\.com)",
        "[a-z0-9.*-]{0,20}",
        any::<String>(),
    ]
}

/// Addresses of all kinds, many of them near to each other.
fn any_addr() -> impl Strategy<Value = IpAddr> {
    let near = |first: &'static str| {
        let first = u32::from_be_bytes(match addr(first) {
            IpAddr::V4(v4) => v4.octets(),
            IpAddr::V6(_) => [0; 4],
        });
        (0u32..1 << 12).prop_map(move |more| IpAddr::V4((first ^ more).into()))
    };
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        near("10.20.1.0"),
        near("52.96.0.0"),
        near("52.97.1.0"),
        near("13.107.6.152"),
        near("203.0.113.0"),
        any::<u32>().prop_map(|bits| IpAddr::V6(u128::from(bits).into())),
        any::<u32>().prop_map(|bits| IpAddr::V6((0x2603_1006 << 96 | u128::from(bits)).into())),
    ]
}

fn common_bits(one: IpAddr, other: IpAddr) -> Option<u32> {
    match (one, other) {
        (IpAddr::V4(a), IpAddr::V4(b)) => Some((u32::from(a) ^ u32::from(b)).leading_zeros()),
        (IpAddr::V6(a), IpAddr::V6(b)) => Some((u128::from(a) ^ u128::from(b)).leading_zeros()),
        _ => None,
    }
}

proptest! {
    #[test]
    fn as_many_leading_bits_are_shared_as_before(one in any_addr(), other in any_addr()) {
        for home in [Home::default(), home(&["203.0.113.0/24", "52.97.1.0/25"])] {
            let anonymizer = anonymizer_for(&home);
            let mapped = |addr: IpAddr| matches!(addr, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
            prop_assume!(!mapped(one) && !mapped(other));
            let (a, b) = (anonymizer.address(one), anonymizer.address(other));
            prop_assert_eq!(common_bits(a, b), common_bits(one, other));
        }
    }

    #[test]
    fn what_the_endpoint_list_says_is_kept(addr in any_addr()) {
        let (endpoints, anonymizer) = (Endpoints::builtin(), anonymizer());
        prop_assert_eq!(
            endpoints.match_address(anonymizer.address(addr)),
            endpoints.match_address(addr)
        );
    }

    #[test]
    fn who_is_inside_is_kept(addr in any_addr()) {
        for real in [
            Home::default(),
            home(&["203.0.113.0/25", "10.20.1.0/28", "52.97.1.0/24", "2603:1006::/112"]),
        ] {
            let anonymizer = anonymizer_for(&real);
            let pseudo = anonymizer.home(&real);
            prop_assert_eq!(pseudo.contains(anonymizer.address(addr)), real.contains(addr));
        }
    }

    #[test]
    fn the_service_of_a_name_is_kept(name in any_name()) {
        let (endpoints, anonymizer) = (Endpoints::builtin(), anonymizer());
        let pseudonym = anonymizer.name(&name);
        prop_assert_eq!(endpoints.service_of_name(&pseudonym), endpoints.service_of_name(&name));
    }

    #[test]
    fn pseudonyms_are_judged_as_the_names_and_addresses_were(
        seen in prop::collection::vec((any_facts(), any_name(), any_addr(), any_addr()), 1..6),
    ) {
        let judge = Judge::new(JudgeConfig::default());
        let anonymizer = Anonymizer::new(key(), judge.endpoints(), judge.home());
        let mut all = Vec::new();
        for (mut facts, name, client, server) in seen {
            (facts.client.addr, facts.server.addr) = (client, server);
            if let Some(hello) = &mut facts.client_hello {
                hello.server_name = Some(name.into());
            }
            all.push(facts);
        }
        let mut shared = Shared::default();
        let mut pseudo = all.clone();
        pseudo.iter_mut().for_each(|facts| anonymizer.facts(facts, &mut shared));
        let key = |flow: &JudgedFlow| format!("{flow:?}");
        let mut judged_before = anonymizer.flows(judge.judge_all(all));
        let mut judged_after = judge.judge_all(pseudo);
        judged_before.sort_by_key(key);
        judged_after.sort_by_key(key);
        prop_assert_eq!(judged_before, judged_after);
    }

    #[test]
    fn merging_and_anonymizing_may_change_places(
        one in prop::collection::vec(any_facts(), 0..4),
        other in prop::collection::vec(any_facts(), 0..4),
    ) {
        let anonymizer = anonymizer();
        let (one, other) = (state("a", one), state("b", other));
        let after = anonymizer.state(State::merge([one.clone(), other.clone()]));
        let before = State::merge([anonymizer.state(one), anonymizer.state(other)]);
        prop_assert_eq!(after, before);
    }
}

#[test]
fn beyond_the_bound_addresses_are_not_remembered_and_stay_equal() {
    let anonymizer = anonymizer();
    let filler = (0..REMEMBERED_MAX).map(|index| {
        let addr = IpAddr::V6((index as u128).into());
        (addr, addr)
    });
    anonymizer.addresses().extend(filler);
    let one = anonymizer.address(addr("10.20.1.11"));
    assert_eq!(anonymizer.addresses().len(), REMEMBERED_MAX);
    assert_eq!(
        (anonymizer.address(addr("10.20.1.11")), one),
        (one, self::anonymizer().address(addr("10.20.1.11")))
    );
}

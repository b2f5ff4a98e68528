use std::net::IpAddr;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn names_tell_the_service() {
    let list = Endpoints::builtin();
    let check = |name: &str, expect: Option<Service>| {
        assert_eq!(list.service_of_name(name), expect, "{name}");
    };
    check("outlook.office365.com", Some(Service::ExchangeOnline));
    check("Outlook.Office.com.", Some(Service::ExchangeOnline));
    check("smtp.office365.com", Some(Service::ExchangeOnline));
    check("smtp-legacy.office365.com", Some(Service::ExchangeOnline));
    check("pop-legacy.office365.com", Some(Service::ExchangeOnline));
    check("contoso-com.mail.protection.outlook.com", Some(Service::ExchangeOnline));
    check("autodiscover-s.outlook.com", Some(Service::ExchangeOnline));
    check("autodiscover.contoso.onmicrosoft.com", Some(Service::ExchangeOnline));
    check("outlook-dod.office365.us", Some(Service::ExchangeOnline));
    check("partner.outlook.cn", Some(Service::ExchangeOnline));
    check("sipdir.online.lync.com", Some(Service::SkypeForBusinessOnline));
    check("sipfed.online.lync.com", Some(Service::SkypeForBusinessOnline));
    check("meet.lync.com", Some(Service::SkypeForBusinessOnline));
    check("web.skypeforbusiness.com", Some(Service::SkypeForBusinessOnline));
    check("sipfed.online.gov.skypeforbusiness.us", Some(Service::SkypeForBusinessOnline));
    check("sipfed.online.dod.skypeforbusiness.us", Some(Service::SkypeForBusinessOnline));
    check("sipfed.online.partner.lync.cn", Some(Service::SkypeForBusinessOnline));
    check("teams.microsoft.com", Some(Service::MicrosoftTeams));
    check("emea.ng.teams.microsoft.com", Some(Service::MicrosoftTeams));
    check("teams.cloud.microsoft", Some(Service::MicrosoftTeams));
    check("gov.teams.microsoft.us", Some(Service::MicrosoftTeams));
    check("dod.teams.microsoft.us", Some(Service::MicrosoftTeams));
    check("sip.pstnhub.microsoft.com", Some(Service::MicrosoftTeams));
    check("contoso.sharepoint.com", Some(Service::SharePointOnline));
    check("contoso.sharepoint-mil.us", Some(Service::SharePointOnline));
    check("login.microsoftonline.com", Some(Service::MicrosoftEntraId));
    check("login.windows.net", Some(Service::MicrosoftEntraId));
    check("autologon.microsoftazuread-sso.com", Some(Service::MicrosoftEntraId));
    check("login.partner.microsoftonline.cn", Some(Service::MicrosoftEntraId));
    check("www.office.com", Some(Service::Microsoft365Common));
    check("word-edit.officeapps.live.com", Some(Service::Microsoft365Common));
    check("fef.manage.microsoft.com", Some(Service::Microsoft365Common));
    check("site-cdn.onenote.net", Some(Service::Microsoft365Common));
}

#[test]
fn look_alikes_apexes_and_everybodys_sites_are_no_endpoints() {
    let list = Endpoints::builtin();
    for name in [
        "outlook.office365.com.evil.test",
        "evil-lync.com",
        "lync.com",
        "office365.com",
        "sharepoint.com",
        "sip.contoso.com",
        "www.microsoft.com",
        "update.microsoft.com",
        "vortex.data.microsoft.com",
        "contoso.azureedge.net",
        "contoso.blob.core.windows.net",
        "www.bing.com",
        "ocsp.digicert.com",
        "ocsp.verisign.com",
        "contoso.trafficmanager.net",
        "*.com",
        "com",
        "",
        "52.112.0.1",
    ] {
        assert_eq!(list.service_of_name(name), None, "{name}");
    }
}

#[test]
fn addresses_tell_service_and_class() {
    let list = Endpoints::builtin();
    let check = |text: &str, expect: Option<(Service, AddressClass)>| {
        let found = list.match_address(addr(text));
        assert_eq!(found.map(|found| (found.service, found.class)), expect, "{text}");
    };
    use AddressClass::{Alone, Shared};
    check("52.112.7.7", Some((Service::SkypeForBusinessOnline, Alone)));
    check("13.107.64.1", Some((Service::SkypeForBusinessOnline, Alone)));
    check("13.107.127.255", Some((Service::SkypeForBusinessOnline, Alone)));
    check("52.123.0.1", Some((Service::SkypeForBusinessOnline, Alone)));
    check("2603:1063::1", Some((Service::SkypeForBusinessOnline, Alone)));
    check("2620:1ec:6::1", Some((Service::SkypeForBusinessOnline, Alone)));
    check("13.107.6.152", Some((Service::ExchangeOnline, Shared)));
    check("13.107.128.9", Some((Service::ExchangeOnline, Shared)));
    check("150.171.32.9", Some((Service::ExchangeOnline, Shared)));
    check("204.79.197.215", Some((Service::ExchangeOnline, Shared)));
    check("131.253.33.215", Some((Service::ExchangeOnline, Shared)));
    check("2620:1ec:c::10", Some((Service::ExchangeOnline, Shared)));
    check("40.97.1.1", Some((Service::ExchangeOnline, Alone)));
    check("40.92.0.1", Some((Service::ExchangeOnline, Alone)));
    check("104.47.1.1", Some((Service::ExchangeOnline, Alone)));
    check("13.107.136.1", Some((Service::SharePointOnline, Shared)));
    check("52.104.1.1", Some((Service::SharePointOnline, Alone)));
    check("20.190.128.1", Some((Service::MicrosoftEntraId, Alone)));
    check("40.126.1.1", Some((Service::MicrosoftEntraId, Alone)));
    check("52.108.0.1", Some((Service::Microsoft365Common, Shared)));
    check("52.127.88.1", Some((Service::SkypeForBusinessOnline, Alone)));
    check("52.127.64.1", Some((Service::SkypeForBusinessOnline, Alone)));
    check("159.27.160.1", Some((Service::SkypeForBusinessOnline, Alone)));
    check("101.28.252.1", Some((Service::Microsoft365Common, Shared)));
    check("13.107.42.14", None);
    check("204.79.197.200", None);
    check("8.8.8.8", None);
    check("10.0.0.1", None);
}

#[test]
fn another_list_takes_the_place_of_the_built_in_one_but_for_what_it_never_had() {
    let list = Endpoints::from_json(
        r#"[{"id":1,"serviceArea":"Exchange","urls":["mail.example.test","*.microsoft.com"],
            "ips":["192.0.2.0/24"]}]"#,
    )
    .expect("the list reads");
    assert_eq!(list.service_of_name("mail.example.test"), Some(Service::ExchangeOnline));
    assert_eq!(list.service_of_name("outlook.office365.com"), None);
    assert_eq!(
        list.service_of_name("sipfed.online.lync.com"),
        Some(Service::SkypeForBusinessOnline)
    );
    assert_eq!(list.service_of_name("update.microsoft.com"), None);
    assert_eq!(list.left_out(), ["*.microsoft.com"]);
    assert!(list.match_address(addr("192.0.2.1")).is_some());
    assert!(list.match_address(addr("40.97.0.1")).is_none());
    assert!(list.match_address(addr("52.112.0.1")).is_some());
    assert!(list.match_address(addr("13.107.64.1")).is_some());
    assert_eq!(list.origin(), "endpoint web service");
}

proptest! {
    #[test]
    fn a_name_under_a_foreign_domain_is_never_an_endpoint(
        index in 0usize..2000, label in "[a-z]{1,8}"
    ) {
        let list = Endpoints::builtin();
        let names: Vec<&String> = list.rows().iter().flat_map(|row| &row.names).collect();
        let host = names[index % names.len()].replace('*', &label);
        prop_assert!(list.service_of_name(&host).is_some(), "{host}");
        let below = format!("{host}.{label}.test");
        prop_assert!(list.service_of_name(&below).is_none(), "{below}");
        prop_assert_eq!(
            list.service_of_name(&host),
            list.service_of_name(&format!("{}.", host.to_uppercase()))
        );
    }
}

/// The reference copies of the web service's answers, when their place is given.
fn reference(file: &str) -> Option<String> {
    let Some(corpus) = std::env::var_os("TLSUNSET_CORPUS") else {
        eprintln!("SKIPPED: TLSUNSET_CORPUS is not set, {file} is not compared");
        return None;
    };
    let path = PathBuf::from(corpus).join("../data").join(file);
    Some(std::fs::read_to_string(&path).expect("the reference file reads"))
}

#[test]
fn the_built_in_list_agrees_with_the_web_service() {
    let list = Endpoints::builtin();
    for cloud in ["worldwide", "usgov_gcchigh", "usgov_dod", "china"] {
        let Some(text) = reference(&format!("o365_endpoints_{cloud}.json")) else { return };
        let published = Endpoints::from_json(&text).expect("the web service's answer reads");
        let mut compared = 0;
        for row in published.rows() {
            for name in &row.names {
                let host = name.replace('*', "x");
                let (ours, theirs) =
                    (list.service_of_name(&host), published.service_of_name(&host));
                assert!(ours.is_some(), "{cloud}: {name}");
                // Clouds file some shared names differently; sign-in and mail are never mixed up.
                let differs = ours != theirs
                    && ours != Some(row.service)
                    && row.service != Service::Microsoft365Common;
                assert!(!differs, "{cloud}: {name} is {ours:?} here and {theirs:?} there");
                compared += 1;
            }
            for prefix in &row.prefixes {
                let ours = list.match_address(prefix.first());
                let theirs = published.match_address(prefix.first());
                assert_eq!(
                    ours.map(|found| (found.service, found.prefix.covers(prefix))),
                    theirs.map(|found| (found.service, true)),
                    "{cloud}: {prefix}"
                );
                compared += 1;
            }
        }
        assert!(compared > 50, "{cloud}: only {compared} entries");
    }
}

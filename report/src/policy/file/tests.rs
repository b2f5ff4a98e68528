use super::*;

const LEAST: &str = "name = 'x'\nminimum = 'TLSv1.2'\ndirection = 'any'\n";

fn error(text: &str) -> String {
    match Policy::from_toml(text) {
        Ok(policy) => panic!("no error in {text:?} but {policy:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_left_out_restricts_nothing() {
    let policy = Policy::from_toml(LEAST).unwrap();
    assert_eq!(&*policy.requirer, "x");
    assert_eq!(policy.suites, Accepted::Any);
    assert_eq!(policy.groups13, Accepted::Any);
    assert_eq!(policy.signatures, Accepted::Any);
    assert_eq!(policy.concerns, Concerns::Everyone);
    assert_eq!(policy.scope, Scope::default());
    assert_eq!((policy.since, policy.deadlines), (None, Vec::new()));
}

#[test]
fn every_key_reaches_the_policy() {
    let text = "\
name = 'strict'
requirer = 'the bank'
title = 'money'
text = 'because'
source = 'a letter'
minimum = 'TLSv1.2'
direction = 'to-office365'
services = ['Exchange Online']
names = ['*.Contoso.com']
prefixes = ['192.0.2.0/24', '2001:db8::/32']
ports = [443, '5000-5001']
retired = ['Old.contoso.com']
from = '2024-02-29'
deadlines = [{ date = 2024-02-29, what = 'leap', source = 'calendar' }]
[tls12]
suites = ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 0xC030, '0x009d']
groups = ['secp256r1', 29]
signature_algorithms = ['rsa_pkcs1_sha256']
[tls13]
suites = []
signature_algorithms = [0x0804]
";
    let policy = Policy::from_toml(text).unwrap();
    assert_eq!(
        (&*policy.name, &*policy.requirer, &*policy.text),
        ("strict", "the bank", "because")
    );
    assert_eq!(&*policy.title, "money");
    assert_eq!((policy.minimum, policy.concerns), (Version::Tls12, Concerns::ToOffice365));
    assert_eq!(policy.scope.services, [Service::ExchangeOnline]);
    assert_eq!(policy.scope.names, ["*.contoso.com".into()]);
    assert_eq!(policy.scope.prefixes.len(), 2);
    assert_eq!(policy.scope.ports[1], PortRange { first: 5000, last: 5001 });
    assert_eq!(policy.retired, ["old.contoso.com".into()]);
    assert_eq!(policy.since.as_deref(), Some("2024-02-29"));
    assert_eq!(&*policy.deadlines[0].what, "leap");
    assert_eq!(policy.suites.listed(), [0xc02f, 0xc030, 0x009d]);
    assert_eq!(policy.groups.listed(), [23, 29]);
    assert_eq!(policy.signatures.listed(), [0x0401]);
    assert!(policy.suites13.is_nothing());
    assert_eq!(policy.groups13, Accepted::Any);
    assert_eq!(policy.signatures13.listed(), [0x0804]);
}

#[test]
fn an_error_names_line_fault_and_what_is_allowed() {
    let check = |added: &str, line: usize, parts: &[&str]| {
        let error = error(&format!("{LEAST}{added}"));
        assert!(error.starts_with(&format!("line {line}: ")), "{error}");
        for part in parts {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    };
    check("minimun = 3", 4, &["unknown key `minimun`", "minimum"]);
    check("\n[tls12]\nsuits = []", 6, &["unknown key `suits`", "suites"]);
    check("[tls12]\nsuites = [\n 'RC4-MD5',\n]", 6, &["`RC4-MD5`", "IANA names"]);
    check("[tls12]\nsuites = [0x1301]", 5, &["`1301` is no cipher suite of TLS 1.2", "[tls13]"]);
    check("[tls13]\nsuites = ['0xC030']", 5, &["`0xC030`", "[tls12]"]);
    check("[tls12]\nsuites = [70000]", 5, &["`70000`"]);
    check("[tls12]\nsuites = ['0x+12']", 5, &["`0x+12`"]);
    check("[tls12]\ngroups = ['P-256']", 5, &["`P-256` is no group", "secp256r1"]);
    check("[tls12]\nsignature_algorithms = ['rsa']", 5, &["`rsa`", "rsa_pss_rsae_sha256"]);
    check("retired = ['*.contoso.com']", 4, &["`*.contoso.com` is no host name", "in full"]);
    check("tls12 = 4", 4, &["`tls12` is no table"]);
    check("services = ['Exchange']", 4, &["`Exchange`", "Exchange Online"]);
    check("names = ['https://contoso.com']", 4, &["`https://contoso.com`", "without scheme"]);
    check("prefixes = ['10.0.0.0/33']", 4, &["33", "192.0.2.0/24"]);
    check("ports = [70000]", 4, &["`70000` is no port", "443"]);
    check("ports = 443", 4, &["`ports` is an integer", "list"]);
    check("from = 'soon'", 4, &["`soon` is no day", "2018-10-31"]);
    check("from = 2023-02-29", 4, &[]);
    check("deadlines = [{ date = '2020-01-01' }]", 4, &["`what`"]);
    check("deadlines = [3]", 4, &["[[deadlines]]"]);
    check("name = 'y'", 4, &["no TOML"]);
    check("x", 4, &["no TOML"]);
}

#[test]
fn what_every_policy_needs_is_asked_for() {
    let check = |text: &str, parts: &[&str]| {
        let error = error(text);
        for part in parts {
            assert!(error.contains(part), "{error} lacks {part}");
        }
    };
    check("", &["line 1", "`name` is missing"]);
    check("name = 'a b'", &["`a b`", "letters"]);
    check("name = 7", &["`name` is an integer", "text in quotes"]);
    check("name = 'x'", &["`minimum` is missing", "TLSv1.2"]);
    check("name = 'x'\nminimum = 'TLSv1'", &["line 2", "`TLSv1`", "TLSv1.0"]);
    check("name = 'x'\nminimum = 'DTLSv1.2'", &["line 2", "`DTLSv1.2`"]);
    check("name = 'x'\nminimum = 'TLSv1.2'", &["`direction` is missing", "to-office365"]);
    check("name = 'x'\nminimum = 'TLSv1.2'\ndirection = 'up'", &["line 3", "`up`", "any"]);
    check(
        "name = 'x'\nminimum = 'TLSv1.3'\ndirection = 'any'\n[tls13]\nsuites = []",
        &["line 2", "nobody"],
    );
}

#[test]
fn a_file_of_any_length_is_refused_beyond_the_most() {
    let text = format!("{LEAST}#{}", "x".repeat(TEXT_LEN_MAX - LEAST.len() - 1));
    assert!(Policy::from_toml(&text).is_ok());
    assert!(error(&(text + "x")).contains("1048577 bytes"));
}

#[test]
fn days_are_those_of_the_calendar() {
    for good in ["2018-10-31", "2000-02-29", "2024-02-29"] {
        assert!(is_day(good), "{good}");
    }
    for bad in [
        "2018-10-32",
        "1900-02-29",
        "2018-13-01",
        "2018-00-01",
        "18-10-31",
        "2018-10",
        "",
        "2018-10-31T00:00:00Z",
        "+018-10-31",
    ] {
        assert!(!is_day(bad), "{bad}");
    }
}

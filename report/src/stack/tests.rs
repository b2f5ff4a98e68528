use serde_json::Value;

use super::*;

/// Stacks that end below TLS 1.2.
const OLD: [Family; 14] = [
    Family::AndroidOrJava6,
    Family::AndroidOld,
    Family::ChromeOld,
    Family::Java6,
    Family::Java7,
    Family::LyncPhone,
    Family::NssOld,
    Family::OpenSslOld,
    Family::OperaOld,
    Family::Printer,
    Family::Schannel7,
    Family::Schannel8,
    Family::SchannelVista,
    Family::SchannelXp,
];

fn numbers(value: &Value, radix: u32) -> Vec<u16> {
    let parse = |item: &Value| match item {
        Value::String(text) => {
            u16::from_str_radix(text.trim_start_matches("0x"), radix).expect("a number")
        }
        number => u16::try_from(number.as_u64().expect("a number")).expect("a small number"),
    };
    value.as_array().map(|list| list.iter().map(parse).collect()).unwrap_or_default()
}

/// The offer of a record of real hellos.
fn offer_of(record: &Value) -> Offer {
    let is_v2 = record["format"].is_string();
    let version = record["hello_version"].as_str().or_else(|| record["max_offered"].as_str());
    let version = version.expect("a version").trim_start_matches("0x");
    let mut suites = Vec::new();
    let mut kinds = Vec::new();
    if is_v2 {
        for spec in record["ciphers"].as_array().expect("specs") {
            let spec = u32::from_str_radix(spec.as_str().expect("text"), 16).expect("hex");
            match u16::try_from(spec) {
                Ok(suite) => suites.push(suite),
                Err(_) => kinds.push(spec),
            }
        }
    } else {
        suites = numbers(&record["ciphers"], 16);
    }
    let extensions = numbers(&record["extensions"], 10);
    let list =
        |key: &str, number: u16| extensions.contains(&number).then(|| numbers(&record[key], 10));
    let versions = numbers(&record["supported_versions"], 16);
    let mut ja3 = [0; 16];
    if let Some(text) = record["ja3"].as_str().filter(|text| text.len() == 32) {
        for (place, byte) in ja3.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[place * 2..place * 2 + 2], 16).expect("hex");
        }
    }
    Offer {
        format: if is_v2 { HelloFormat::SslV2 } else { HelloFormat::Tls },
        legacy_version: u16::from_str_radix(version, 16).expect("hex"),
        supported_versions: (!versions.is_empty()).then_some(versions),
        cipher_suites: suites,
        sslv2_ciphers: kinds,
        compression_methods: vec![0],
        groups: list("groups", 10),
        key_share_groups: Vec::new(),
        signature_algorithms: extensions.contains(&13).then(|| vec![0x0401]),
        ec_point_formats: list("point_formats", 11)
            .map(|list| list.into_iter().filter_map(|f| u8::try_from(f).ok()).collect()),
        alpn: Vec::new(),
        extensions: (!extensions.is_empty()).then_some(extensions),
        extent: HelloExtent::Whole,
        ja3: Some(ja3),
        ja4: None,
    }
}

/// What a client of the records is to be called; `None` when anything that is not old will do.
fn expected(name: &str) -> Option<&'static str> {
    let starts = |prefix: &str| name.starts_with(prefix);
    Some(match name {
        "IE 6 XP" | "IE 8 XP" => "Windows XP",
        "IE 7 Vista" => "Vista",
        "IE 8 Win 7" | "IE 9 Win 7" | "IE 8-10 Win 7" => "Windows 7",
        "IE 10 Win Phone 8.0" => "Windows 8",
        "Android 2.3.7" => "Android 2",
        _ if starts("Android 4.0") || starts("Android 4.1") => "Android 4.0 to 4.3",
        "Android 4.2.2" | "Android 4.3" => "Android 4.0 to 4.3",
        "Chrome 27 Win 7" | "Chrome 28 Win 7" | "Opera 15 Win 7" => "Chrome 28",
        "Chrome 29 Win 7" | "Opera 16 Win 7" => "Chrome 29",
        "Opera 12.15 Win 7" => "Opera 12",
        _ if starts("Safari 5.1.9") || starts("Safari 6.0.4") => "SecureTransport (OS X 10.8",
        "Java 6u45" => "Java 6",
        "Java 7u25" => "Java 7",
        "OpenSSL 0.9.8y" => "OpenSSL 0.9.8",
        "Tor 17.0.9 Win 7" => "NSS",
        _ => return None,
    })
}

#[test]
fn real_hellos_are_named_and_no_modern_one_is_called_old() {
    let Some(corpus) = std::env::var_os("TLSUNSET_CORPUS") else {
        eprintln!("SKIPPED: TLSUNSET_CORPUS is not set; no real hellos were looked at");
        return;
    };
    let path = std::path::Path::new(&corpus).join("../data/client_stacks.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: there is no {}", path.display());
        return;
    };
    let records: Vec<Value> = serde_json::from_str(&text).expect("a list of hellos");
    assert!(records.len() >= 177);
    let mut wrong = Vec::new();
    for record in &records {
        let name = record["name"].as_str().expect("a name");
        let full = offer_of(record);
        // Without JA3 the traits have to do.
        let mut bare = full.clone();
        bare.ja3 = None;
        for offer in [&full, &bare] {
            let stack = Stack::of(offer, Setting::default());
            let is_old = stack.family.is_some_and(|family| OLD.contains(&family));
            let reaches = offer.max_version() >= Some(Version::Tls12);
            let fits = match expected(name) {
                Some(part) => stack.name.contains(part),
                None if name.starts_with("Firefox") && !reaches => stack.name.contains("NSS"),
                None => !reaches || !is_old,
            };
            if !fits {
                wrong.push(format!("{name}: {} ({})", stack.name, stack.evidence));
            }
            if std::env::var_os("TLSUNSET_SHOW_STACKS").is_some() {
                eprintln!("{name:40} {} [{}]", stack.name, stack.score);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn offer(version: u16, suites: &[u16], extensions: &[u16], groups: &[u16]) -> Offer {
    let mut offer = offer_of(&serde_json::json!({
        "hello_version": format!("{version:#06x}"),
        "ciphers": [], "extensions": extensions, "groups": groups, "point_formats": [0],
    }));
    offer.cipher_suites = suites.to_vec();
    offer
}

const WINDOWS_7: [u16; 12] = [
    0x002f, 0x0035, 0x0005, 0x000a, 0xc013, 0xc014, 0xc009, 0xc00a, 0x0032, 0x0038, 0x0013, 0x0004,
];

#[test]
fn evidence_is_shown_with_its_points() {
    let stack = Stack::of(
        &offer(0x0301, &WINDOWS_7, &[65281, 0, 5, 10, 11], &[23, 24]),
        Setting::default(),
    );
    assert_eq!(stack.name, "Schannel (Windows 7 or Server 2008 R2)");
    assert_eq!(stack.family, Some(Family::Schannel7));
    assert!(stack.evidence.contains("0xc013 before 0xc009") && stack.evidence.contains("(+2)"));
    let unknown = Stack::of(&offer(0x0300, &[0x000a, 0x0005], &[], &[]), Setting::default());
    assert_eq!((unknown.name, unknown.family), ("unknown", None));
    assert!(!unknown.evidence.is_empty());
}

#[test]
fn a_cut_hello_is_unknown() {
    let mut cut = offer(0x0301, &WINDOWS_7, &[65281, 0, 5, 10, 11], &[23, 24]);
    cut.extent = HelloExtent::Extensions;
    assert_eq!(Stack::of(&cut, Setting::default()).name, UNKNOWN_STACK);
}

#[test]
fn whom_a_hello_is_sent_to_tells_phones_and_printers() {
    let xp = offer(0x0301, &[4, 5, 0x0a, 9, 0x64, 0x62, 3, 6, 0x13, 0x12, 0x63], &[65281], &[]);
    let sip = Setting { is_sip: true, ..Setting::default() };
    assert_eq!(Stack::of(&xp, sip).family, Some(Family::LyncPhone));
    assert_eq!(Stack::of(&xp, Setting::default()).family, Some(Family::SchannelXp));
    let device = offer(0x0301, &[0x39, 0x38, 0x35, 0x16, 0x13, 0x0a, 0x07, 0xff], &[], &[]);
    let mail = Setting { is_mail_submission: true, ..Setting::default() };
    assert_eq!(Stack::of(&device, mail).family, Some(Family::Printer));
    assert_eq!(Stack::of(&device, Setting::default()).name, "OpenSSL 0.9.8");
}

/// The offer of a line of `hellos.txt`.
fn offer_of_line(versions: &str, ja3: &str) -> Offer {
    let list = |text: &str, radix: u32| -> Vec<u16> {
        let parts = text.split('-').filter(|part| !part.is_empty());
        parts.map(|part| u16::from_str_radix(part, radix).expect("a number")).collect()
    };
    let fields: Vec<&str> = ja3.split(',').collect();
    let [version, suites, extensions, groups, formats] = fields[..] else { panic!("{ja3}") };
    let version = version.parse().expect("a version");
    let extensions = list(extensions, 10);
    let mut offer = offer(version, &list(suites, 10), &extensions, &list(groups, 10));
    offer.supported_versions = extensions.contains(&43).then(|| list(versions, 16));
    let formats = list(formats, 10).into_iter();
    offer.ec_point_formats = extensions
        .contains(&11)
        .then(|| formats.map(|format| u8::try_from(format).expect("a format")).collect());
    offer
}

#[test]
fn libraries_are_told_by_what_they_really_send_or_not_at_all() {
    let lines = include_str!("tests/hellos.txt").lines().filter(|line| !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let fields: Vec<&str> = line.split('|').collect();
        let [name, program, versions, ja3] = fields[..] else { panic!("{line}") };
        let stack = Stack::of(&offer_of_line(versions, ja3), Setting::default());
        if stack.name != name {
            wrong.push(format!("{program}: {} ({})", stack.name, stack.evidence));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > 50, "{count} hellos");
}

proptest::proptest! {
    #[test]
    fn old_stacks_are_named_for_old_offers_only(
        suites in proptest::collection::vec(proptest::sample::select(
            [&WINDOWS_7[..], &[0xc02f, 0xfeff, 0x0069, 0x64, 0x62, 0x63, 0xff, 0x39, 0x38]].concat()
        ), 1..20),
        extensions in proptest::collection::vec(proptest::sample::select(
            vec![0u16, 5, 10, 11, 13, 16, 35, 13172, 30031, 65281]
        ), 0..6),
        version in 0x0303u16..0x0305,
    ) {
        let stack = Stack::of(&offer(version, &suites, &extensions, &[23]), Setting::default());
        let is_old = stack.family.is_some_and(|family| OLD.contains(&family));
        proptest::prop_assert!(!is_old, "{}", stack.name);
    }
}

use proptest::prelude::*;

use super::*;

const CUT: Way = Way::Unknown(Undecided::Cut);
const LEFT_TO_SERVER: Way = Way::Unknown(Undecided::NoGroupsExtension);
const THROUGH: Way = Way::Through { shadowed_by: None };
const SHADOWED: Way = Way::Through { shadowed_by: Some(Version::Tls13) };

fn policy() -> Policy {
    Policy::builtin("office365-tls12").expect("it is built in")
}

fn offer(
    legacy_version: u16,
    versions: Option<&[u16]>,
    suites: &[u16],
    groups: Option<&[u16]>,
) -> Offer {
    let mut extensions = vec![0, 10, 43, 13];
    extensions.retain(|number| match number {
        10 => groups.is_some(),
        43 => versions.is_some(),
        _ => true,
    });
    Offer {
        format: HelloFormat::Tls,
        legacy_version,
        supported_versions: versions.map(<[u16]>::to_vec),
        cipher_suites: suites.to_vec(),
        sslv2_ciphers: Vec::new(),
        compression_methods: vec![0],
        extensions: Some(extensions),
        groups: groups.map(<[u16]>::to_vec),
        key_share_groups: Vec::new(),
        signature_algorithms: None,
        ec_point_formats: None,
        alpn: Vec::new(),
        extent: HelloExtent::Whole,
        ja3: None,
        ja4: None,
    }
}

fn cut(mut offer: Offer, extent: HelloExtent) -> Offer {
    offer.extent = extent;
    offer
}

#[test]
fn an_offer_is_replayed_version_by_version() {
    let check =
        |legacy, versions: Option<&[u16]>, suites: &[u16], groups: Option<&[u16]>, expect| {
            let offer = offer(legacy, versions, suites, groups);
            assert_eq!(policy().way(&offer), expect, "{offer:x?}");
        };
    let all: Option<&[u16]> = Some(&[23, 24]);
    // The version of the hello alone.
    check(0x0300, None, &[0xc02f], all, Way::NoVersion);
    check(0x0301, None, &[0xc02f, 0x009c], all, Way::NoVersion);
    check(0x0302, None, &[0xc02f, 0x009c], all, Way::NoVersion);
    check(0x0002, None, &[], None, Way::NoVersion);
    check(0x0303, None, &[0xc02f], all, THROUGH);
    check(0x0304, None, &[0xc02f], all, THROUGH);
    check(0x0303, None, &[0x000a, 0x002f, 0x0033], all, Way::NoSuite);
    check(0x0303, None, &[0xc02b], all, Way::NoSuite);
    check(0x0303, None, &[], all, Way::NoSuite);
    // Groups decide ECDHE only.
    check(0x0303, None, &[0xc02f], Some(&[22, 256]), Way::NoGroup);
    check(0x0303, None, &[0xc02f], Some(&[]), Way::NoGroup);
    check(0x0303, None, &[0xc02f, 0x009c], Some(&[22]), THROUGH);
    check(0x0303, None, &[0x009d], None, THROUGH);
    check(0x0303, None, &[0xc02f], None, LEFT_TO_SERVER);
    check(0x0303, None, &[0xc02f, 0x009d], None, THROUGH);
    // supported_versions rules alone where it is there.
    let both: Option<&[u16]> = Some(&[0x0304, 0x0303]);
    check(0x0303, both, &[0x1301, 0xc02f], Some(&[29]), THROUGH);
    check(0x0303, Some(&[0x0304]), &[0x1301], Some(&[29]), THROUGH);
    check(0x0303, Some(&[0x0304]), &[0xc02f, 0x009c], Some(&[29]), Way::NoSuite);
    check(0x0303, Some(&[0x0302, 0x0301]), &[0xc02f], all, Way::NoVersion);
    check(0x0303, Some(&[0x0a0a]), &[0xc02f], all, Way::NoVersion);
    check(0x0303, Some(&[]), &[0xc02f], all, Way::NoVersion);
    check(0x0301, Some(&[0x0303]), &[0xc02f], all, THROUGH);
    // A hole at 1.2: its suites are of no use.
    check(0x0303, Some(&[0x0304, 0x0302]), &[0x1304, 0xc02f], all, Way::NoSuite);
    check(0x0303, Some(&[0x0304, 0x0302]), &[0x1301, 0xc02f], Some(&[22]), Way::NoGroup);
    check(0x0303, Some(&[0x0304, 0x0301]), &[0x1302, 0xc02f], all, THROUGH);
    // A suite of one version and a group of another don't add up.
    check(0x0303, both, &[0x1301], Some(&[22]), Way::NoSuite);
    check(0x0303, both, &[0x1301, 0xc02f], Some(&[22]), Way::NoGroup);
    // 1.2 goes through beside a 1.3 that shares nothing.
    check(0x0303, both, &[0x1304, 0xc02f], all, SHADOWED);
    check(0x0303, both, &[0x1301, 0x009c], Some(&[0x11ec]), SHADOWED);
    check(0x0303, both, &[0x1301, 0x009c], None, SHADOWED);
    check(0x0303, both, &[0x1301, 0xc02f], None, LEFT_TO_SERVER);
}

#[test]
fn a_cut_hello_is_judged_by_what_the_cut_cannot_change() {
    use HelloExtent::{Extensions, Suites, Version as VersionOnly};
    let check = |legacy, suites: &[u16], groups: Option<&[u16]>, extent, expect| {
        let mut offer = cut(offer(legacy, None, suites, groups), extent);
        if extent < Extensions {
            offer.extensions = None;
        }
        assert_eq!(policy().way(&offer), expect, "{offer:x?}");
    };
    check(0x0301, &[], None, VersionOnly, Way::NoVersion);
    check(0x0302, &[0xc02f], None, Suites, Way::NoVersion);
    check(0x0301, &[0xc02f], None, Extensions, Way::NoVersion);
    check(0x0303, &[], None, VersionOnly, CUT);
    check(0x0303, &[0x000a], None, Suites, CUT);
    check(0x0303, &[0x000a], None, Extensions, Way::NoSuite);
    // supported_versions behind the cut may leave 1.2 out, whatever the suites.
    check(0x0303, &[0x009c], None, Suites, CUT);
    check(0x0303, &[0x009c], None, Extensions, CUT);
    check(0x0303, &[0xc02f], None, Extensions, CUT);
    check(0x0303, &[0xc02f], Some(&[23]), Extensions, CUT);
    check(0x0303, &[0xc02f], Some(&[22]), Extensions, Way::NoGroup);
    check(0x0303, &[0xc013], Some(&[23]), Extensions, CUT);
    check(0x0303, &[0x1301], Some(&[29]), Extensions, CUT);
    check(0x0303, &[0x1301], None, Extensions, CUT);
}

#[test]
fn the_servers_choice_proves_its_version_in_a_cut_hello() {
    let check = |legacy, suites: &[u16], groups: Option<&[u16]>, proven, expect| {
        let offer = cut(offer(legacy, None, suites, groups), HelloExtent::Extensions);
        assert_eq!(policy().way_given(&offer, Some(proven)), expect, "{offer:x?} {proven}");
    };
    check(0x0303, &[0xc02f], Some(&[23]), Version::Tls12, THROUGH);
    check(0x0303, &[0x009c], None, Version::Tls12, THROUGH);
    check(0x0303, &[0xc02f], None, Version::Tls12, CUT);
    check(0x0303, &[0xc02f], Some(&[23]), Version::Tls11, CUT);
    check(0x0303, &[0xc02f], Some(&[23]), Version::Tls13, CUT);
    check(0x0303, &[0x1301], Some(&[29]), Version::Tls13, THROUGH);
    // What the hello rules out is not proven.
    check(0x0302, &[0xc02f], Some(&[23]), Version::Tls12, Way::NoVersion);
}

#[test]
fn the_last_extension_before_a_cut_may_go_on() {
    let mut offer = cut(
        offer(0x0303, Some(&[0x0304]), &[0x1301, 0xc013], Some(&[29])),
        HelloExtent::Extensions,
    );
    offer.extensions = Some(vec![43, 10]);
    assert_eq!(policy().way(&offer), THROUGH);
    offer.groups = Some(vec![22]);
    assert_eq!(policy().way(&offer), CUT);
    offer.extensions = Some(vec![43, 10, 13]);
    assert_eq!(policy().way(&offer), Way::NoGroup);
    offer.supported_versions = Some(vec![0x0302]);
    assert_eq!(policy().way(&offer), Way::NoVersion);
    offer.extensions = Some(vec![10, 43]);
    assert_ne!(policy().way(&offer), Way::NoVersion);
}

#[test]
fn the_old_format_has_no_extensions_to_wait_for() {
    let old = |legacy, suites: &[u16], extent| {
        let mut offer = cut(offer(legacy, None, suites, None), extent);
        offer.format = HelloFormat::SslV2;
        offer.extensions = None;
        policy().way(&offer)
    };
    assert_eq!(old(0x0301, &[0x002f], HelloExtent::Whole), Way::NoVersion);
    assert_eq!(old(0x0303, &[0x009c], HelloExtent::Whole), THROUGH);
    assert_eq!(old(0x0303, &[0xc013], HelloExtent::Whole), LEFT_TO_SERVER);
    assert_eq!(old(0x0303, &[0x000a], HelloExtent::Whole), Way::NoSuite);
    assert_eq!(old(0x0303, &[0x000a], HelloExtent::Suites), CUT);
}

#[test]
fn a_policy_that_does_not_know_tls13_is_not_shadowed_by_it() {
    let mut policy = policy();
    policy.suites13 = Accepted::Only(Vec::new());
    let both = offer(0x0303, Some(&[0x0304, 0x0303]), &[0x1301, 0xc02f], Some(&[23]));
    assert_eq!(policy.way(&both), THROUGH);
    let only = offer(0x0303, Some(&[0x0304]), &[0x1301], Some(&[23]));
    assert_eq!(policy.way(&only), Way::NoSuite);
}

#[test]
fn a_minimum_of_tls13_does_not_take_tls12() {
    let mut policy = policy();
    policy.minimum = Version::Tls13;
    assert_eq!(policy.way(&offer(0x0303, None, &[0xc02f], Some(&[23]))), Way::NoVersion);
    let both = offer(0x0303, Some(&[0x0304, 0x0303]), &[0x1301, 0xc02f], Some(&[23]));
    assert_eq!(policy.way(&both), THROUGH);
}

#[test]
fn a_cut_offer_reaches_what_it_lists_and_what_was_chosen() {
    let check = |legacy, versions: Option<&[u16]>, proven, minimum, expect| {
        let offer = cut(offer(legacy, versions, &[], None), HelloExtent::Extensions);
        assert_eq!(reaches(&offer, proven, minimum), expect, "{legacy:#x} {versions:x?}");
    };
    let (tls12, tls13) = (Version::Tls12, Version::Tls13);
    check(0x0303, None, None, tls12, false);
    check(0x0303, None, Some(tls12), tls12, true);
    check(0x0303, None, Some(tls13), tls12, true);
    check(0x0303, None, Some(tls12), tls13, false);
    check(0x0302, None, None, tls12, false);
    check(0x0302, None, Some(tls12), tls12, false);
    check(0x0303, Some(&[0x0304]), None, tls12, true);
    check(0x0303, Some(&[0x0304]), None, tls13, true);
    check(0xfefd, None, None, tls12, false);
    let whole = offer(0x0303, None, &[], None);
    assert!(reaches(&whole, None, tls12) && !may_reach(&whole, tls12));
    let part = cut(whole, HelloExtent::Extensions);
    assert!(may_reach(&part, tls12) && may_reach(&part, tls13));
}

proptest! {
    #[test]
    fn an_offer_that_satisfies_the_policy_goes_through_whatever_else_it_holds(
        suite in prop::sample::select(vec![0xc030u16, 0xc02f, 0xc028, 0xc027, 0xc014, 0xc013]),
        group in prop::sample::select(vec![23u16, 24, 25, 29]),
        mut suites in prop::collection::vec(any::<u16>(), 0..20),
        mut groups in prop::collection::vec(any::<u16>(), 0..10),
        versions in prop::option::of(prop::collection::vec(any::<u16>(), 0..5)),
        legacy in 0x0303u16..0x0400,
    ) {
        suites.push(suite);
        groups.push(group);
        let versions = versions.map(|mut list| { list.push(0x0303); list });
        let offer = offer(legacy, versions.as_deref(), &suites, Some(&groups));
        let way = policy().way(&offer);
        prop_assert!(matches!(way, Way::Through { .. }), "{way:?}");
    }

    #[test]
    fn a_cut_never_turns_an_answer_into_its_opposite(
        suites in prop::collection::vec(
            prop::sample::select(vec![0xc02fu16, 0xc013, 0x009c, 0x002f, 0x1301, 0x1304]), 0..4),
        groups in prop::option::of(prop::collection::vec(
            prop::sample::select(vec![22u16, 23, 29]), 0..3)),
        versions in prop::option::of(prop::sample::subsequence(
            vec![0x0304u16, 0x0303, 0x0302], 1..=3)),
        legacy in prop::sample::select(vec![0x0301u16, 0x0303]),
        kept in 0usize..4,
    ) {
        // A client that knows supported_versions says 0x0303, and who offers TLS 1.3 offers a
        // suite of it.
        prop_assume!(versions.is_none() || legacy == 0x0303);
        let whole = offer(legacy, versions.as_deref(), &suites, groups.as_deref());
        let mut part = cut(whole.clone(), HelloExtent::Extensions);
        let mut extensions = whole.extensions.clone().unwrap_or_default();
        extensions.truncate(kept);
        if !extensions.contains(&10) { part.groups = None; }
        if !extensions.contains(&43) { part.supported_versions = None; }
        part.extensions = Some(extensions);
        let (before, after) = (policy().way(&whole), policy().way(&part));
        let is_through = |way| matches!(way, Way::Through { .. });
        if !matches!(after, Way::Unknown(_)) && !matches!(before, Way::Unknown(_)) {
            prop_assert_eq!(is_through(before), is_through(after), "{:?} {:?}", before, after);
        }
    }
}

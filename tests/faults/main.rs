//! Samples as bad captures deliver them: in tunnels, twice, out of order, in pieces, cut, with
//! holes. What the remaining bytes determine must not change, and nothing may be made up.
//!
//! The packets come from programs that spoke (`samples/`); only what is around and between them
//! is made here.

#[path = "../common/mod.rs"]
mod common;
mod packets;
mod readers;
mod wraps;

use std::sync::LazyLock;

use common::pcap;
use dissect::{
    Dissector, FlowFacts, Frame, Limits, LinkType, NameSeen, Observer, Steer, Steering, Timestamp,
    Version,
};
use proptest::prelude::*;
use proptest::sample::select;
use report::{Judge, JudgeConfig, JudgedFlow, NameBook, Verdict};

use packets::{Fault, Ip, fragments};
use readers::Shares;
use wraps::{LINKS, Link, Shim, TUNNELS, Tunnel};

/// A sample's packets, and what they say as they were captured.
struct Case {
    name: String,
    packets: Vec<Ip>,
    truth: Vec<Said>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// What is said of a connection and must not depend on how it was captured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    ends: String,
    verdict: Verdict,
    cause: String,
    /// Protocol, upgrade, direction, service.
    what: String,
    name: String,
    offered: Option<Version>,
    negotiated: Option<Version>,
    fingerprint: String,
    /// Suite, group, resumed, established.
    how: String,
    coverage: String,
}

impl Said {
    fn of(flow: &JudgedFlow) -> Self {
        let (facts, judgement) = (&*flow.facts, &flow.judgements[0]);
        let hello = facts.client_hello.as_ref();
        let answer = facts.server_hello.as_ref();
        let chosen = answer.map(|answer| (answer.cipher_suite, answer.group));
        let mut coverage: Vec<&str> = facts.coverage.names().collect();
        if coverage.is_empty() {
            coverage.push("complete");
        }
        let (client, server) = (facts.client, facts.server);
        Self {
            ends: format!("{}:{} {}:{}", client.addr, client.port, server.addr, server.port),
            verdict: judgement.verdict,
            cause: format!("{:?}", judgement.cause),
            what: format!(
                "{:?} {:?} {:?} {:?}",
                facts.protocol, facts.upgrade, flow.direction, flow.service
            ),
            name: format!("{:?}", flow.server_name),
            offered: facts.offered_max(),
            negotiated: facts.negotiated(),
            fingerprint: format!("{:?}", hello.map(|hello| &hello.offer.ja4)),
            how: format!("{chosen:?} {:?} {:?}", facts.resumed, facts.established),
            coverage: coverage.join("+"),
        }
    }
}

#[derive(Default)]
struct Seen {
    flows: Vec<FlowFacts>,
    names: NameBook,
}

impl Observer for Seen {
    fn flow(&mut self, facts: FlowFacts) {
        self.flows.push(facts);
    }

    fn name(&mut self, seen: NameSeen) {
        self.names.learn(&seen);
    }
}

/// A frame as it is captured.
struct Captured {
    time: i64,
    wire_len: u32,
    data: Vec<u8>,
}

impl Captured {
    fn of(&self, link: u16, number: u64) -> Frame<'_> {
        let time = Timestamp::from_nanos(self.time);
        Frame { number, time, link: LinkType(link), wire_len: self.wire_len, data: &self.data }
    }
}

/// What the program says of frames, read in one thread or handed out to two.
fn say(link: u16, frames: &[Captured], workers: u64) -> Vec<Said> {
    let mut seen = Seen::default();
    let mut steer = Steer::new(1);
    let mut dissectors: Vec<Dissector> =
        (0..workers).map(|_| Dissector::new(Limits::default(), 1)).collect();
    for (number, frame) in (1..).zip(frames) {
        let frame = frame.of(link, number);
        let at = |hash: u64| usize::try_from(hash % workers).unwrap();
        if workers == 1 {
            dissectors[0].push(&frame, &mut seen);
            continue;
        }
        match steer.steer(&frame) {
            Steering::Flow(hash) => dissectors[at(hash)].push(&frame, &mut seen),
            Steering::Any => dissectors[0].push(&frame, &mut seen),
            Steering::Kept => {}
            Steering::Datagram { hash, bytes } => {
                let whole = Frame { link: LinkType::RAW, data: &bytes, ..frame };
                dissectors[at(hash)].push_datagram(&whole, &mut seen);
            }
            Steering::Several(parts) => {
                for (hash, bytes) in &parts {
                    let part = Frame { link: LinkType::ETHERNET, data: bytes, ..frame };
                    dissectors[at(*hash)].push_datagram(&part, &mut seen);
                }
            }
        }
    }
    for dissector in &mut dissectors {
        dissector.finish(&mut seen);
        assert!(dissector.counters().balances());
    }
    judged(seen)
}

fn judged(seen: Seen) -> Vec<Said> {
    let judge = Judge::new(JudgeConfig::default());
    let mut said: Vec<Said> =
        judge.judge_all_named(seen.flows, &seen.names).iter().map(Said::of).collect();
    said.sort();
    said
}

/// What the program says of frames that several threads read.
fn say_shared(link: u16, frames: &[Captured], shares: Shares) -> Vec<Said> {
    let frames: Vec<_> = (1..).zip(frames).map(|(number, it)| it.of(link, number)).collect();
    let (flows, mut names) = readers::read(&frames, shares);
    names.sort_by_key(|seen| seen.at);
    let mut seen = Seen { flows, names: NameBook::default() };
    names.iter().for_each(|name| seen.names.learn(name));
    judged(seen)
}

/// Samples with packets that can be taken out of their frames.
static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let case = |sample: common::Sample| {
        let frames: Vec<_> = sample.inputs.iter().flat_map(|path| pcap::read(path)).collect();
        let packets: Vec<Ip> = frames.iter().filter_map(Ip::of).collect();
        let is_all = packets.len() == frames.len();
        let truth = Capture::default().say(packets.clone(), 1);
        // The demo has hundreds of packets; its parts are samples of their own.
        (is_all && frames.len() < 100).then_some(Case { name: sample.name, packets, truth })
    };
    let cases: Vec<Case> = common::samples().into_iter().filter_map(case).collect();
    assert!(cases.len() >= 40, "{}", cases.len());
    cases
});

fn cases() -> impl Strategy<Value = &'static Case> {
    (0..CASES.len()).prop_map(|index| &CASES[index])
}

/// Which directions something is put around.
#[derive(Debug, Clone, Copy)]
enum Ways {
    Both,
    Up,
    Down,
}

impl Ways {
    const fn covers(self, ip: &Ip) -> bool {
        match self {
            Self::Both => true,
            Self::Up => ip.up,
            Self::Down => !ip.up,
        }
    }
}

/// How packets are captured.
#[derive(Debug, Clone)]
struct Capture {
    tunnels: Vec<(Tunnel, Ways)>,
    /// Fragments of this many bytes of what is outermost.
    outer_fragments: Option<usize>,
    shims: Vec<Shim>,
    shim_ways: Ways,
    link: Link,
    /// Bytes behind each packet: padding, a checksum, a time stamp of the mirror.
    trailer: usize,
    snap_len: usize,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            tunnels: Vec::new(),
            outer_fragments: None,
            shims: Vec::new(),
            shim_ways: Ways::Both,
            link: Link::Ethernet,
            trailer: 0,
            snap_len: usize::MAX,
        }
    }
}

impl Capture {
    fn say(&self, packets: Vec<Ip>, workers: u64) -> Vec<Said> {
        say(self.link.number(), &self.frames(packets), workers)
    }

    /// Whether one direction is in a tunnel and the other is not. Teredo takes IPv6 only.
    fn tunnels_one_direction(&self) -> bool {
        let is_sure = |is_covered: fn(&Ways) -> bool| {
            let covers =
                |(tunnel, ways): &(Tunnel, Ways)| *tunnel != Tunnel::Teredo && is_covered(ways);
            self.tunnels.iter().any(covers)
        };
        let up = is_sure(|ways| matches!(ways, Ways::Both | Ways::Up));
        let down = is_sure(|ways| matches!(ways, Ways::Both | Ways::Down));
        let is_one = |(_, ways): &(Tunnel, Ways)| !matches!(ways, Ways::Both);
        !(up && down) && self.tunnels.iter().any(is_one)
    }

    fn frames(&self, packets: Vec<Ip>) -> Vec<Captured> {
        let wrap = |ip: Ip| {
            let tunnels = self.tunnels.iter().filter(|(_, ways)| ways.covers(&ip));
            tunnels.fold(ip.clone(), |inner, (tunnel, _)| tunnel.wrap(&inner))
        };
        let cut = |numbered: (u16, Ip)| match self.outer_fragments {
            Some(size) => fragments(numbered, size, false),
            None => vec![numbered.1],
        };
        let frame = |ip: Ip| {
            let shims = if self.shim_ways.covers(&ip) { &self.shims[..] } else { &[] };
            let mut data = self.link.frame(&ip, shims);
            data.extend(vec![0x16; self.trailer]);
            let wire_len = u32::try_from(data.len()).unwrap();
            data.truncate(self.snap_len);
            Captured { time: ip.time, wire_len, data }
        };
        (0..).zip(packets.into_iter().map(wrap)).flat_map(cut).map(frame).collect()
    }
}

fn ways() -> impl Strategy<Value = Ways> {
    select(&[Ways::Both, Ways::Both, Ways::Up, Ways::Down][..])
}

fn shims() -> impl Strategy<Value = Vec<Shim>> {
    let shim = prop_oneof![
        (0u16..4095).prop_map(Shim::Vlan),
        (0u16..4095, 0u16..4095).prop_map(|(service, id)| Shim::QinQ(service, id)),
        (1u8..6).prop_map(Shim::Mpls),
        (1u8..4).prop_map(Shim::Pseudowire),
        Just(Shim::PppoE),
    ];
    prop::collection::vec(shim, 0..3)
}

/// Captures that see all bytes.
fn captures() -> impl Strategy<Value = Capture> {
    let tunnels = prop::collection::vec((select(&TUNNELS[..]), ways()), 0..4);
    let outer_fragments = prop::option::weighted(0.2, (8usize..100).prop_map(|size| size * 8));
    (tunnels, outer_fragments, shims(), ways(), select(&LINKS[..])).prop_map(
        |(tunnels, outer_fragments, shims, shim_ways, link)| Capture {
            tunnels,
            outer_fragments,
            shims,
            shim_ways,
            link,
            trailer: 0,
            snap_len: usize::MAX,
        },
    )
}

const SECOND: i64 = 1_000_000_000;

/// Faults that take no bytes.
fn harmless() -> impl Strategy<Value = Fault> {
    prop_oneof![
        (1usize..4, 0u8..3, 0usize..5).prop_map(|(every, ttl_less, later)| Fault::Copies {
            every,
            ttl_less,
            later
        }),
        (any::<u64>(), 1usize..12).prop_map(|(seed, window)| Fault::Disorder { seed, window }),
        any::<bool>().prop_map(|up_first| Fault::OneAfterTheOther { up_first }),
        (any::<bool>(), 0..5 * SECOND, any::<bool>())
            .prop_map(|(up, late_ns, is_stamped)| Fault::Skew { up, late_ns, is_stamped }),
        (0usize..30, -9 * SECOND..9 * SECOND)
            .prop_map(|(at, by_ns)| Fault::ClockStep { at, by_ns }),
        Just(Fault::Checksums),
        any::<bool>().prop_map(|zero_len| Fault::Offload { zero_len }),
        (1usize..4).prop_map(|every| Fault::Overlaps { every }),
        Just(Fault::Options),
        (1usize..400).prop_map(|size| Fault::Resegment { size }),
        (3usize..150, any::<bool>())
            .prop_map(|(size, reversed)| Fault::Fragments { size: size * 8, reversed }),
    ]
}

/// Faults that take some.
fn lossy() -> impl Strategy<Value = Fault> {
    prop_oneof![
        any::<bool>().prop_map(|up| Fault::OneDirection { up }),
        (any::<u64>(), 1u64..400).prop_map(|(seed, permille)| Fault::Loss { seed, permille }),
        (0usize..70, 0usize..70).prop_map(|(from, to)| Fault::Part { from, to }),
    ]
}

/// Faults in the order in which they come about: hosts, the network, the capture's clock.
fn apply(faults: &[Fault], packets: &[Ip]) -> Vec<Ip> {
    let mut faults: Vec<&Fault> = faults.iter().collect();
    faults.sort_by_key(|fault| fault.stage());
    faults.into_iter().fold(packets.to_vec(), |packets, fault| fault.apply(packets))
}

/// Whether a fault changes which connection explains which, or where one ends and the next one
/// between the same ports begins.
fn mixes_connections(case: &Case, fault: &Fault) -> bool {
    let is_reuse = case.name == "port-reuse";
    match fault {
        Fault::Disorder { .. } | Fault::Copies { .. } => is_reuse,
        Fault::ClockStep { .. }
        | Fault::Skew { .. }
        | Fault::OneAfterTheOther { .. }
        | Fault::OneDirection { .. }
        | Fault::Loss { .. }
        | Fault::Part { .. } => is_reuse || case.name.starts_with("fallback-dance"),
        _ => false,
    }
}

fn kept(case: &Case, faults: Vec<Fault>) -> Vec<Fault> {
    faults.into_iter().filter(|fault| !mixes_connections(case, fault)).collect()
}

/// Shows what differs.
fn differing<'a>(expect: &'a [Said], found: &'a [Said]) -> Vec<(&'static str, &'a Said)> {
    let gone = expect.iter().filter(|said| !found.contains(said)).map(|said| ("gone", said));
    let new = found.iter().filter(|said| !expect.contains(said)).map(|said| ("new", said));
    gone.chain(new).collect()
}

proptest! {
    #[test]
    fn what_is_around_packets_changes_nothing(
        case in cases(),
        capture in captures(),
        trailer in 0usize..24,
    ) {
        let capture = Capture { trailer, ..capture };
        let found = capture.say(case.packets.clone(), 1);
        let what = differing(&case.truth, &found);
        prop_assert!(found == case.truth, "{}: {what:#?}", case.name);
    }

    #[test]
    fn whoever_reads_a_frame_changes_nothing(
        case in cases(),
        capture in captures(),
        fragments in prop::option::of((3usize..150, any::<bool>())),
        readers in 2u16..5,
        shift in 0usize..4,
        seed in any::<u64>(),
    ) {
        // One direction is held until its place in time is known, and the other is not.
        let skew = Fault::Skew { up: true, late_ns: 0, is_stamped: false };
        prop_assume!(!capture.tunnels_one_direction() || !mixes_connections(case, &skew));
        let fault = |(size, reversed)| Fault::Fragments { size: size * 8, reversed };
        let packets = apply(&fragments.map(fault).into_iter().collect::<Vec<_>>(), &case.packets);
        let shares = Shares { readers, shift, seed };
        let found = say_shared(capture.link.number(), &capture.frames(packets), shares);
        let what = differing(&case.truth, &found);
        prop_assert!(found == case.truth, "{}: {what:#?}", case.name);
    }

    #[test]
    fn faults_that_take_no_bytes_change_nothing(
        case in cases(),
        faults in prop::collection::vec(harmless(), 1..4),
        capture in captures(),
    ) {
        let faults = kept(case, faults);
        let packets = apply(&faults, &case.packets);
        let found = capture.say(packets.clone(), 1);
        let what = differing(&case.truth, &found);
        let order = || packets.iter().map(Ip::describe).collect::<Vec<_>>();
        prop_assert!(found == case.truth, "{}: {what:#?} in {:#?}", case.name, order());
        prop_assert_eq!(found, capture.say(packets, 3), "workers show");
    }

    #[test]
    fn missing_bytes_make_no_lies(
        case in cases(),
        harmless in prop::collection::vec(harmless(), 0..2),
        lossy in prop::collection::vec(lossy(), 0..3),
        snap_len in prop_oneof![Just(usize::MAX), Just(96), Just(160), Just(256), 60usize..600],
        capture in captures(),
    ) {
        let faults = [harmless, lossy].concat();
        let faults = kept(case, faults);
        let packets = apply(&faults, &case.packets);
        let capture = Capture { snap_len, ..capture };
        let found = capture.say(packets.clone(), 1);
        for said in &found {
            let truths: Vec<_> =
                case.truth.iter().filter(|truth| is_same_connection(truth, said)).collect();
            let is_no_lie = truths.iter().any(|truth| may_be_said(said, truth));
            let order = || packets.iter().map(Ip::describe).collect::<Vec<_>>();
            prop_assert!(is_no_lie, "{}: {said:#?} of {truths:#?} in {:#?}", case.name, order());
        }
        prop_assert_eq!(found, capture.say(packets, 3), "workers show");
    }
}

/// Whether the ends are the same, whoever is taken for the client.
fn is_same_connection(truth: &Said, said: &Said) -> bool {
    let reversed = truth.ends.split_once(' ').map(|(client, server)| format!("{server} {client}"));
    said.ends == truth.ends || Some(&said.ends) == reversed.as_ref()
}

/// Whether a part of the truth may be seen like this.
fn may_be_said(said: &Said, truth: &Said) -> bool {
    use Verdict::{AtRisk, Breaks, FailsToday, OutOfScope, Passes, Unaffected, Unknown};
    let is_part = |said: Option<Version>, truth: Option<Version>| said.is_none() || said == truth;
    let keeps_name = said.name == truth.name;
    let is_verdict_of_a_part = match (truth.verdict, said.verdict) {
        (truth, said) if truth == said => true,
        (_, Unknown) => true,
        // Nobody saw the refusal, or what was selected.
        (FailsToday, Breaks) | (AtRisk | Unknown, Passes) => true,
        // Nobody saw the hello that was refused before, or the answer to an imitation.
        (AtRisk, Breaks | FailsToday | Unaffected) => true,
        // The name decides whether it is a service of Office 365.
        (OutOfScope, _) | (_, OutOfScope) => !keeps_name,
        _ => false,
    };
    // The bytes that are missing are another connection's.
    let is_retry = truth.verdict == AtRisk && matches!(said.verdict, Breaks | FailsToday);
    is_part(said.offered, truth.offered)
        && is_part(said.negotiated, truth.negotiated)
        && is_verdict_of_a_part
        && (said.verdict == truth.verdict || said.coverage != "complete" || is_retry)
}

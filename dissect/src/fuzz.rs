//! What the fuzzers run, as plain functions: any bytes are survived, and the promises hold.
//!
//! Built for tests, which try every file of the corpora, and for fuzzing (`--cfg fuzzing`).
#![allow(missing_docs, reason = "no part of the crate that others use")]

mod datagrams;
mod dialogue;

pub use datagrams::{datagrams, tunnels};
pub use dialogue::dialogue;

use crate::tls::{ClientHelloParts, Interner, ServerHelloParts, Sslv2Hello};
use crate::{
    Counters, Dissector, FlowFacts, Frame, Limits, LinkType, Mark, Observer, Steer, Steering,
    Timestamp, Transport,
};

#[derive(Default)]
struct Flows(Vec<FlowFacts>);

impl Observer for Flows {
    fn flow(&mut self, facts: FlowFacts) {
        self.0.push(facts);
    }
}

/// Bounds small enough for a short input to reach them.
fn tight() -> Limits {
    Limits {
        memory_max: 64 << 10,
        attempts_max: 4,
        parked_bytes_max: 4 << 10,
        parked_segments_max: 8,
        history_bytes_max: 256,
        ..Limits::default()
    }
}

/// Frames of one link type: `link type u16 | (length u16 | bytes cut off u8 | frame)...`.
pub fn frame(bytes: &[u8]) {
    let Some((link, mut rest)) = bytes.split_first_chunk() else { return };
    let link = LinkType(u16::from_be_bytes(*link));
    let mut frames = Vec::new();
    while let Some((&[high, low, cut], tail)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_be_bytes([high, low])).min(tail.len());
        let (data, tail) = tail.split_at(len);
        let wire_len = u32::try_from(len).unwrap_or(u32::MAX) + u32::from(cut);
        let number = frames.len() as u64 + 1;
        let time = Timestamp::from_nanos(number.cast_signed() * 1_000_000);
        frames.push(Frame { number, time, link, wire_len, data });
        rest = tail;
    }
    let (alone, counted) = dissect(&frames, 1);
    let (again, _) = dissect(&frames, 2);
    assert_eq!(alone, again, "the seed of the hash tables shows nowhere");
    assert_eq!(steer(&frames), counted, "a frame counts the same whether it was steered or not");
}

fn dissect(frames: &[Frame<'_>], seed: u64) -> (Vec<FlowFacts>, Counters) {
    let (mut dissector, mut flows) = (Dissector::new(tight(), seed), Flows::default());
    for frame in frames {
        dissector.push(frame, &mut flows);
    }
    dissector.finish(&mut flows);
    let counters = dissector.counters().clone();
    assert!(counters.balances(), "every frame is dissected or skipped for a reason");
    (flows.0, counters)
}

/// Counts frames as an engine of one worker behind a dispatcher does.
fn steer(frames: &[Frame<'_>]) -> Counters {
    let (mut steer, mut flows) = (Steer::new(3), Flows::default());
    let mut dissector = Dissector::new(tight(), 3);
    for frame in frames {
        match steer.steer(frame) {
            Steering::Flow(_) | Steering::Any => dissector.push(frame, &mut flows),
            Steering::Kept => {}
            Steering::Several(packets) => {
                for (_, bytes) in &packets {
                    let part = Frame { link: LinkType::ETHERNET, data: bytes, ..*frame };
                    dissector.push_datagram(&part, &mut flows);
                }
            }
            Steering::Datagram { bytes, .. } => {
                let whole = Frame { link: LinkType::RAW, data: &bytes, ..*frame };
                dissector.push_datagram(&whole, &mut flows);
            }
        }
    }
    dissector.finish(&mut flows);
    let mut counters = dissector.counters().clone();
    counters.absorb(steer.counters());
    counters
}

/// Both directions of a connection, cut into segments:
/// `plan length u8 | plan | (direction and length u16 | bytes)...`.
///
/// Each byte of the plan, taken by turns, is a segment's length and what becomes of it.
pub fn stream(bytes: &[u8]) {
    let Some((&plan_len, rest)) = bytes.split_first() else { return };
    let (plan, turns) = rest.split_at(usize::from(plan_len).min(rest.len()));
    for limits in [Limits::default(), tight()] {
        let mut talk = Talk::new(plan, limits);
        talk.run(turns);
        let counters = talk.dissector.counters();
        assert!(counters.balances(), "every frame is dissected or skipped for a reason");
        assert_eq!(counters.dissected, counters.frames, "these are all sound packets");
    }
}

/// A client and a server, and the network between.
struct Talk<'a> {
    plan: &'a [u8],
    step: usize,
    next: [u32; 2],
    frame: u64,
    /// A segment that the one after it overtakes.
    late: Option<(usize, u32, &'a [u8])>,
    dissector: Dissector,
    flows: Flows,
}

impl<'a> Talk<'a> {
    const SYN: u8 = 0x02;
    const PUSH_ACK: u8 = 0x18;

    fn new(plan: &'a [u8], limits: Limits) -> Self {
        // Sequence numbers that wrap around soon.
        Self {
            plan,
            step: 0,
            next: [u32::MAX - 700, u32::MAX - 3],
            frame: 0,
            late: None,
            dissector: Dissector::new(limits, 0),
            flows: Flows::default(),
        }
    }

    fn run(&mut self, mut turns: &'a [u8]) {
        if self.plan.first().is_none_or(|first| first & 0x80 == 0) {
            for from in [0, 1] {
                let before = self.next.map(|next| next.wrapping_sub(1));
                self.packet(from, before.get(from).copied().unwrap_or(0), Self::SYN, &[], 0);
            }
        }
        while let Some((&[high, low], tail)) = turns.split_first_chunk() {
            let len = usize::from(u16::from_be_bytes([high & 0x7f, low])).min(tail.len());
            let (said, tail) = tail.split_at(len);
            self.say(usize::from(high >> 7), said);
            turns = tail;
        }
        self.catch_up();
        self.dissector.finish(&mut self.flows);
    }

    fn say(&mut self, from: usize, mut said: &'a [u8]) {
        const LENGTHS: [usize; 8] = [1, 3, 17, 64, 536, 1460, 4096, 65_000];
        const LOST: u8 = 1;
        const LATE: u8 = 2;
        const TWICE: u8 = 3;
        const CUT: u8 = 4;
        while !said.is_empty() {
            let step = self.plan.get(self.step % self.plan.len().max(1)).copied().unwrap_or(5);
            self.step += 1;
            let len = LENGTHS.get(usize::from(step & 7)).copied().unwrap_or(1);
            let (segment, rest) = said.split_at(len.min(said.len()));
            said = rest;
            let Some(next) = self.next.get_mut(from) else { return };
            let seq = *next;
            // A segment is shorter than 2^16.
            *next = seq.wrapping_add(u32::try_from(segment.len()).unwrap_or(0));
            match step >> 3 & 7 {
                LOST => continue,
                LATE => {
                    self.catch_up();
                    self.late = Some((from, seq, segment));
                    continue;
                }
                TWICE => {
                    self.packet(from, seq, Self::PUSH_ACK, segment, 0);
                    self.packet(from, seq, Self::PUSH_ACK, segment, 0);
                }
                CUT => {
                    let (head, cut) = segment.split_at(segment.len() / 2);
                    self.packet(from, seq, Self::PUSH_ACK, head, cut.len());
                }
                _ => self.packet(from, seq, Self::PUSH_ACK, segment, 0),
            }
            self.catch_up();
        }
    }

    /// Sends the segment that was overtaken.
    fn catch_up(&mut self) {
        if let Some((from, seq, segment)) = self.late.take() {
            self.packet(from, seq, Self::PUSH_ACK, segment, 0);
        }
    }

    fn packet(&mut self, from: usize, seq: u32, flags: u8, payload: &[u8], cut: usize) {
        const HEADERS_LEN: usize = 40;
        let total_len = HEADERS_LEN + payload.len() + cut;
        let mut data = vec![0x45, 0];
        data.extend(u16::try_from(total_len).unwrap_or(0).to_be_bytes());
        data.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        let ends = [([10, 0, 0, 7], 50_000_u16), ([52, 96, 0, 1], 443)];
        let [source, target] = if from == 0 { ends } else { [ends[1], ends[0]] };
        data.extend(source.0);
        data.extend(target.0);
        data.extend(source.1.to_be_bytes());
        data.extend(target.1.to_be_bytes());
        data.extend(seq.to_be_bytes());
        data.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        data.extend(payload);
        self.frame += 1;
        let frame = Frame {
            number: self.frame,
            time: Timestamp::from_nanos(self.frame.cast_signed()),
            link: LinkType::RAW,
            wire_len: u32::try_from(total_len).unwrap_or(u32::MAX),
            data: &data,
        };
        self.dissector.push(&frame, &mut self.flows);
    }
}

/// The body of a hello of either side, or a whole SSL 2.0 hello.
pub fn hello(bytes: &[u8]) {
    let mut interner = Interner::new(0);
    let mut keep = |parts: ClientHelloParts| {
        let offer = interner.offer(parts.offer.clone(), Transport::Tcp);
        assert!(interner.offer(parts.offer, Transport::Tcp).ja3 == offer.ja3);
        let _ = (offer.versions(), offer.max_version(), offer.is_fallback());
    };
    if let Some(whole) = ClientHelloParts::read(bytes, true) {
        for cut in 0..bytes.len() {
            let Some(head) = bytes.get(..cut) else { continue };
            let Some(parts) = ClientHelloParts::read(head, false) else { continue };
            let (cut, whole) = (&parts.offer, &whole.offer);
            assert_eq!(cut.legacy_version, whole.legacy_version);
            assert!(whole.cipher_suites.starts_with(&cut.cipher_suites), "a cut adds nothing");
            if let (Some(cut), Some(whole)) = (&cut.extensions, &whole.extensions) {
                assert!(whole.starts_with(cut), "a cut adds nothing");
            }
        }
        keep(whole);
    }
    if let Some(parts) = ClientHelloParts::read(bytes, false) {
        keep(parts);
    }
    if let Some(hello) = Sslv2Hello::read(bytes) {
        keep(hello.parts);
    }
    for whole in [false, true] {
        if let Some(parts) = ServerHelloParts::read(bytes, whole, 0x0301, Mark::default()) {
            let _ = (parts.hello.version(), parts.hello.downgrade_mark());
        }
    }
    let _ = interner.certificate(bytes);
}

/// The frames within Initial packets of a QUIC connection.
pub fn quic(bytes: &[u8]) {
    crate::udp::fuzz::quic(bytes);
}

/// A DNS message.
pub fn dns(bytes: &[u8]) {
    crate::udp::fuzz::dns(bytes);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "a test may read files")]

    use std::path::Path;

    #[track_caller]
    fn check(target: &str, body: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            body(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "the corpus is there");
    }

    #[test]
    fn frames_of_the_corpus_are_survived() {
        check("frame", super::frame);
    }

    #[test]
    fn streams_of_the_corpus_are_survived() {
        check("stream", super::stream);
    }

    #[test]
    fn dialogues_of_the_corpus_are_survived() {
        check("dialogue", super::dialogue);
    }

    #[test]
    fn datagrams_of_the_corpus_are_survived() {
        check("datagrams", super::datagrams);
    }

    #[test]
    fn tunnels_of_the_corpus_are_survived() {
        check("tunnels", super::tunnels);
    }

    #[test]
    fn quic_frames_of_the_corpus_are_survived() {
        check("quic", super::quic);
    }

    #[test]
    fn names_of_the_corpus_are_survived() {
        check("dns", super::dns);
    }

    #[test]
    fn hellos_of_the_corpus_are_survived() {
        check("hello", super::hello);
    }
}

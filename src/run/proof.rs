//! `explain --proof`: the packets that decide, copied from the original capture.
//!
//! What is copied is dissected and judged on the way, so that the file is known to give the same
//! verdicts. Where the handshake's packets alone do not, all packets of the connections are copied.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use capture::{CaptureError, Input, Options, Source as _, Timeline};
use dissect::{
    Dissector, Endpoint, FlowFacts, Frame, Glance, GlancedPacket, Limits, Mark, NameSeen, Observer,
    Timestamp, Transport, glance,
};
use report::{Cause, Judge, JudgedFlow, NameBook, NameSource, Verdict, client_of};

use super::console::Console;
use crate::pcapng::PcapngWriter;

/// Packets with payload that are copied in each direction behind the last message in the clear:
/// ChangeCipherSpec, the encrypted end of the handshake, the first records. Certificates in
/// TLS 1.3 take up to five packets.
const PACKETS_BEHIND_MAX: u32 = 8;

/// The port of name servers.
const DNS: u16 = 53;

/// Which packets of a connection are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Handshakes,
    Everything,
}

/// Writes the packets that decide on connections.
///
/// # Errors
///
/// What kept the file from being written, in words.
pub(super) fn write(
    console: &mut Console,
    file: &Path,
    inputs: &[PathBuf],
    flows: &[&JudgedFlow],
    judge: &Judge,
) -> Result<(), String> {
    check_places(file, inputs)?;
    let expected = verdicts(flows.iter().copied());
    for extent in [Extent::Handshakes, Extent::Everything] {
        let parsed: Vec<Input> = inputs.iter().map(Input::parse).collect();
        // Before the file exists, so that it is no input itself.
        let timeline = capture::open(&parsed, &Options::default());
        let mut timeline = timeline.map_err(|error| error.to_string())?;
        let mut copy = Copying::new(flows, extent);
        let written = report::write_file(file, |out| copy.run(&mut timeline, out));
        written.map_err(|error| error.to_string())?;
        let packets = copy.packets;
        let (seen, errors) = copy.finish();
        let judged = judge.judge_all_named(seen.flows, &seen.names);
        let found = verdicts(judged.iter());
        let is_same = found == expected;
        if !is_same && extent == Extent::Handshakes {
            continue;
        }
        for error in &errors {
            console.fail(error);
        }
        let (shown, missing) = (file.display(), expected.len().saturating_sub(found.len()));
        console.notice(&format_args!("{packets} packets are in {shown}"));
        if packets == 0 {
            return Err("no packet of these connections was found; say with --from where the \
                        capture is"
                .to_owned());
        }
        if missing > 0 {
            console.notice(&format_args!(
                "{missing} of {} connections were not found there",
                expected.len()
            ));
        } else if !is_same {
            console.notice(
                &"these packets alone are judged otherwise: connections of other hosts, or other \
                  packets than those of TLS, had a part in a verdict",
            );
        }
        return Ok(());
    }
    Ok(())
}

/// The proof must not take the place of what it is copied from, nor become part of it.
fn check_places(file: &Path, inputs: &[PathBuf]) -> Result<(), String> {
    let real = |path: &Path| path.canonicalize().ok();
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => real(parent),
        _ => real(Path::new(".")),
    };
    for input in inputs {
        let shown = input.display();
        if input.as_os_str() == "-" {
            return Err(
                "the packets came from standard input; say with --from in which file they \
                        are"
                .to_owned(),
            );
        }
        let is_input = real(input).is_some_and(|input| {
            Some(&input) == real(file).as_ref()
                || folder.as_ref().is_some_and(|folder| folder.starts_with(&input))
        });
        if is_input {
            return Err(format!("the proof would become part of the input {shown}"));
        }
    }
    Ok(())
}

/// What is compared: the connection, and each policy's verdict and cause.
type Judged = ((Endpoint, Endpoint, Transport), Vec<(Verdict, Option<Cause>)>);

fn verdicts<'a>(flows: impl Iterator<Item = &'a JudgedFlow>) -> Vec<Judged> {
    let judged = |flow: &JudgedFlow| {
        let facts = &flow.facts;
        let ends = (client_of(facts), facts.server, facts.transport);
        (ends, flow.judgements.iter().map(|it| (it.verdict, it.cause)).collect())
    };
    let mut all: Vec<Judged> = flows.map(judged).collect();
    all.sort_unstable();
    all
}

/// The two ends in ascending order, and the transport.
type Pair = (Endpoint, Endpoint, Transport);

fn pair(one: Endpoint, other: Endpoint, transport: Transport) -> Pair {
    (one.min(other), one.max(other), transport)
}

/// A connection whose packets are wanted.
struct Wanted {
    first: Mark,
    last: Mark,
    /// Time of the last message in the clear.
    decided: Timestamp,
    client: Endpoint,
    /// Packets with payload behind it, by direction.
    behind: [u32; 2],
}

impl Wanted {
    fn of(facts: &FlowFacts) -> Self {
        let messages = facts.messages.iter().map(|message| message.at);
        let hellos = [
            facts.client_hello.as_ref().map(|hello| hello.at),
            facts.server_hello.as_ref().map(|hello| hello.at),
            facts.refusal.map(|refusal| refusal.at),
        ];
        let alerts = facts.alerts.iter().map(|alert| alert.at);
        let marks = messages.chain(hellos.into_iter().flatten()).chain(alerts);
        Self {
            first: facts.first,
            last: facts.last,
            decided: marks.map(|mark| mark.time).max().unwrap_or(facts.first.time),
            client: facts.client,
            behind: [0; 2],
        }
    }

    /// By number where the input is the one that was analyzed, by time where it is another.
    fn holds(&self, frame: &Frame<'_>) -> bool {
        (self.first.frame..=self.last.frame).contains(&frame.number)
            || (self.first.time..=self.last.time).contains(&frame.time)
    }

    fn takes(&mut self, frame: &Frame<'_>, packet: &GlancedPacket) -> bool {
        if packet.is_signal {
            return true;
        }
        if !packet.has_payload {
            return false;
        }
        if frame.time <= self.decided {
            return true;
        }
        let count = &mut self.behind[usize::from(packet.source != self.client)];
        *count += 1;
        *count <= PACKETS_BEHIND_MAX
    }
}

/// Copies packets and follows the copies.
struct Copying {
    wanted: HashMap<Pair, Vec<Wanted>>,
    /// Clients that learned a server's name from DNS: its answers are wanted too.
    askers: HashSet<IpAddr>,
    extent: Extent,
    dissector: Dissector,
    seen: Seen,
    errors: Vec<CaptureError>,
    packets: u64,
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

impl Copying {
    fn new(flows: &[&JudgedFlow], extent: Extent) -> Self {
        let mut wanted: HashMap<Pair, Vec<Wanted>> = HashMap::new();
        let mut askers = HashSet::new();
        for flow in flows {
            let facts = &flow.facts;
            if matches!(flow.server_name, Some((_, NameSource::Dns))) {
                askers.insert(client_of(facts).addr);
            }
            let pair = pair(facts.client, facts.server, facts.transport);
            wanted.entry(pair).or_default().push(Wanted::of(facts));
        }
        Self {
            wanted,
            askers,
            extent,
            dissector: Dissector::new(Limits::default(), 0),
            seen: Seen::default(),
            errors: Vec::new(),
            packets: 0,
        }
    }

    fn run(&mut self, timeline: &mut Timeline, out: &mut dyn Write) -> io::Result<()> {
        let mut writer = PcapngWriter::new(out)?;
        while let Some(batch) = timeline.next_batch() {
            let batch = match batch {
                Ok(batch) => batch,
                Err(error) => {
                    self.errors.push(error);
                    continue;
                }
            };
            for frame in batch.frames() {
                if self.takes(&frame) {
                    self.packets += 1;
                    self.dissector.push(&Frame { number: self.packets, ..frame }, &mut self.seen);
                    writer.frame(&frame)?;
                }
            }
            timeline.recycle(batch);
        }
        Ok(())
    }

    fn takes(&mut self, frame: &Frame<'_>) -> bool {
        match glance(frame) {
            Glance::Other => false,
            // Whose they are tells only the first piece.
            Glance::Fragment { source, target } => {
                self.extent == Extent::Everything
                    || self.wanted.iter().any(|((one, other, _), flows)| {
                        let ends = [one.addr, other.addr];
                        ends.contains(&source)
                            && ends.contains(&target)
                            && flows.iter().any(|flow| flow.holds(frame))
                    })
            }
            Glance::Packet(packet) if packet.source.port == DNS => {
                self.askers.contains(&packet.target.addr)
            }
            Glance::Packet(packet) => {
                let pair = pair(packet.source, packet.target, packet.transport);
                let Some(flows) = self.wanted.get_mut(&pair) else { return false };
                let mut holding = flows.iter_mut().filter(|flow| flow.holds(frame));
                match self.extent {
                    Extent::Everything => holding.next().is_some(),
                    Extent::Handshakes => holding.any(|flow| flow.takes(frame, &packet)),
                }
            }
        }
    }

    /// What the copied packets say, and what could not be read.
    fn finish(mut self) -> (Seen, Vec<CaptureError>) {
        self.dissector.finish(&mut self.seen);
        (self.seen, self.errors)
    }
}

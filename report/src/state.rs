//! `state.tlsunset`: a run as `merge`, `diff` and `explain` read it.
//!
//! Holds the facts of every connection without loss, and the run around them; no judgements, as
//! those are made anew with the policies of the reader. Layout:
//!
//! ```text
//! "tlsunset state 6\n" | frame | frame | ...
//! frame = length u32 | CRC-32 of payload u32 | payload      (little endian)
//! payload = items, each an `Item` in postcard's encoding
//! ```
//!
//! Of merged runs each connection stands behind the run that it is of, so that merging again loses
//! nothing. The run is the first item and the end the last, so that a file cut short is told from a
//! whole one. Invariant: what is read takes memory in proportion to the bytes that are there, never
//! to a length that a file claims.

mod codes;
mod frames;
mod half_row;
mod rows;
mod run_row;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::Arc;

use dissect::{CertificateNames, FlowFacts, Offer};
use serde::{Deserialize, Serialize};

use crate::{Connections, NameSource, RunInfo, judge};
pub(crate) use frames::{FrameReader, FrameWriter};
pub(crate) use half_row::HalfRow;
pub(crate) use rows::FactsRow;
use rows::{CertificateRow, OfferRow};
pub(crate) use run_row::bytes_of;
use run_row::{InterfaceRow, ReviewRow, RunRow};

/// A saved run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The run: sensor, policies, home, inputs, counts. Of merged runs what they add up to.
    pub run: RunInfo,
    /// The runs that were merged; none for a run of its own.
    pub parts: Vec<RunInfo>,
    /// Its connections, in the order of `parts` where there are any.
    pub flows: Vec<SavedFlow>,
}

/// A connection as it is saved: all that judging needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedFlow {
    /// The sensor's name; differs from the run's where runs were merged.
    pub sensor: Arc<str>,
    /// The server's name by a DNS answer, when no stronger source gave one.
    pub dns_name: Option<Arc<str>>,
    /// Which of the merged runs saw it, by its place among [`State::parts`]; 0 without any.
    pub part: usize,
    /// What was seen.
    pub facts: Box<FlowFacts>,
}

/// A saved run could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The bytes are damaged.
    #[error("the state file is damaged at byte {offset}: {what}; run the analysis again")]
    Damaged {
        /// Where the damaged frame begins.
        offset: u64,
        /// What was expected or found.
        what: &'static str,
    },
    /// Reading failed.
    #[error("can't read the state file: {0}")]
    Io(#[from] io::Error),
    /// Something else than a saved run.
    #[error("not a state file: it doesn't begin with \"tlsunset state\"")]
    NotState,
    /// A version that this program does not know.
    #[error(
        "the state file has version {found}, this program reads version {VERSION}; \
         run the analysis again, or use the program that wrote it"
    )]
    OtherVersion {
        /// The version found, as it stands there.
        found: String,
    },
    /// The file ends before its end.
    #[error("the state file is cut short at byte {offset}; run the analysis again")]
    Truncated {
        /// Where the bytes ran out.
        offset: u64,
    },
}

pub(crate) const MAGIC: &[u8] = b"tlsunset state ";
pub(crate) const VERSION: &str = "6";
/// The version before, which keeps no halves: what is there is read alike.
const VERSION_BEFORE: &str = "5";

/// One thing in the file. Offers, certificates and sensors are numbered as they come, from 0, and
/// come before the first connection that has them.
#[derive(Serialize, Deserialize)]
enum Item {
    Run(Box<RunRow>),
    Sensor(String),
    Offer(Box<OfferRow>),
    Certificate(CertificateRow),
    Flow(Box<FactsRow>),
    End {
        flows: u64,
    },
    Part(Box<RunRow>),
    /// Of the run or part before it.
    Interfaces(Vec<InterfaceRow>),
    Review(Box<ReviewRow>),
    /// What is known beside it of the connection that comes next, of which one direction alone was
    /// captured.
    Half(Box<HalfRow>),
}

/// Writes a run and its connections, and what ended without a word ([`dissect::Observer::silent`]).
///
/// # Errors
///
/// Whatever the writer fails with, and when the connections can't be read.
pub fn write<W: Write>(
    out: W,
    run: &RunInfo,
    flows: Connections<'_>,
    silent: &[Box<FlowFacts>],
) -> io::Result<()> {
    let mut writer = Writer::new(out, run)?;
    flows.each_part(|flows| {
        flows.iter().try_for_each(|flow| {
            let dns_name = match &flow.server_name {
                Some((name, NameSource::Dns)) => Some(&**name),
                _ => None,
            };
            writer.push(&flow.sensor, dns_name, &flow.facts)
        })
    })?;
    // Workers find them in any order.
    let mut silent: Vec<&FlowFacts> = silent.iter().map(|facts| &**facts).collect();
    silent.sort_by(|one, other| judge::compare(one, other));
    let sensor = Arc::from(run.sensor.as_str());
    for facts in silent {
        writer.push(&sensor, None, facts)?;
    }
    writer.finish()
}

impl State {
    /// Writes a run that was read or put together.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write<W: Write>(&self, out: W) -> io::Result<()> {
        let mut writer = Writer::new(out, &self.run)?;
        let mut parts = self.parts.iter().enumerate().peekable();
        for flow in &self.flows {
            while let Some((_, run)) = parts.next_if(|(index, _)| *index <= flow.part) {
                writer.push_part(run)?;
            }
            writer.push(&flow.sensor, flow.dns_name.as_deref(), &flow.facts)?;
        }
        for (_, run) in parts {
            writer.push_part(run)?;
        }
        writer.finish()
    }

    /// Reads a run.
    ///
    /// # Errors
    ///
    /// When reading fails, and when the bytes are no saved run of this version, whole and sound.
    pub fn read<R: Read>(mut input: R) -> Result<Self, StateError> {
        let header_len = read_header(&mut input)?;
        let mut reader = Reader::default();
        let mut frames = FrameReader::new(input, header_len);
        while !reader.is_done {
            let offset = frames.offset();
            let mut payload = frames.next_frame()?;
            let damaged = |what| StateError::Damaged { offset, what };
            while !payload.is_empty() {
                let (item, rest) = postcard::take_from_bytes::<Item>(payload)
                    .map_err(|_| damaged("an item is malformed"))?;
                reader.take(item).map_err(damaged)?;
                payload = rest;
            }
        }
        frames.expect_end()?;
        Ok(reader.state)
    }
}

/// Writes a run piece by piece.
struct Writer<W: Write> {
    frames: FrameWriter<W>,
    sensors: Numbers<str>,
    offers: Numbers<Offer>,
    certificates: Numbers<CertificateNames>,
    flows: u64,
}

impl<W: Write> Writer<W> {
    fn new(mut out: W, run: &RunInfo) -> io::Result<Self> {
        writeln!(out, "{}{VERSION}", String::from_utf8_lossy(MAGIC))?;
        let mut frames = FrameWriter::new(out);
        frames.push(&Item::Run(Box::new(RunRow::of(run))))?;
        push_interfaces(&mut frames, run)?;
        push_review(&mut frames, run)?;
        Ok(Self {
            frames,
            sensors: Numbers::default(),
            offers: Numbers::default(),
            certificates: Numbers::default(),
            flows: 0,
        })
    }

    /// Begins one of several runs: the connections that follow are its own.
    fn push_part(&mut self, run: &RunInfo) -> io::Result<()> {
        self.frames.push(&Item::Part(Box::new(RunRow::of(run))))?;
        push_interfaces(&mut self.frames, run)?;
        push_review(&mut self.frames, run)
    }

    /// Adds a connection, behind what it shares with those before.
    fn push(
        &mut self,
        sensor: &Arc<str>,
        dns_name: Option<&str>,
        facts: &FlowFacts,
    ) -> io::Result<()> {
        let frames = &mut self.frames;
        let sensor =
            self.sensors.of(sensor, |sensor| frames.push(&Item::Sensor(sensor.to_owned())))?;
        let offer = match &facts.client_hello {
            Some(hello) => Some(self.offers.of(&hello.offer, |offer| {
                frames.push(&Item::Offer(Box::new(OfferRow::of(offer))))
            })?),
            None => None,
        };
        let certificate =
            match &facts.certificate {
                Some(names) => Some(self.certificates.of(names, |names| {
                    frames.push(&Item::Certificate(CertificateRow::of(names)))
                })?),
                None => None,
            };
        if let Some(half) = &facts.half {
            frames.push(&Item::Half(Box::new(HalfRow::of(half, facts.first))))?;
        }
        let row = FactsRow::of(facts, sensor, dns_name, offer, certificate);
        frames.push(&Item::Flow(Box::new(row)))?;
        self.flows += 1;
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.frames.push(&Item::End { flows: self.flows })?;
        self.frames.finish()
    }
}

/// What interfaces counted stands behind the run that it is of.
fn push_interfaces<W: Write>(frames: &mut FrameWriter<W>, run: &RunInfo) -> io::Result<()> {
    match &run.capture {
        Some(capture) if !capture.interfaces.is_empty() => {
            let rows = capture.interfaces.iter().map(InterfaceRow::of).collect();
            frames.push(&Item::Interfaces(rows))
        }
        _ => Ok(()),
    }
}

/// What was counted of texts stands behind the run that it is of.
fn push_review<W: Write>(frames: &mut FrameWriter<W>, run: &RunInfo) -> io::Result<()> {
    match &run.review {
        Some(review) => frames.push(&Item::Review(Box::new(ReviewRow::of(review)))),
        None => Ok(()),
    }
}

/// Numbers given to things in the order in which they are first met.
struct Numbers<T: ?Sized> {
    by_value: HashMap<Arc<T>, u32>,
    /// By where they lie: connections share what they have in common, so that most are found without
    /// looking at the thing itself. Each is kept, so that nothing else comes to lie there.
    by_place: foldhash::HashMap<usize, (Arc<T>, u32)>,
}

impl<T: ?Sized> Default for Numbers<T> {
    fn default() -> Self {
        Self { by_value: HashMap::new(), by_place: foldhash::HashMap::default() }
    }
}

impl<T: ?Sized + Eq + std::hash::Hash> Numbers<T> {
    /// The number of a thing; one that is new is first introduced.
    fn of(
        &mut self,
        thing: &Arc<T>,
        introduce: impl FnOnce(&T) -> io::Result<()>,
    ) -> io::Result<u32> {
        let place = Arc::as_ptr(thing).cast::<()>().addr();
        if let Some((_, number)) = self.by_place.get(&place) {
            return Ok(*number);
        }
        let number = match self.by_value.get(thing) {
            Some(number) => *number,
            None => {
                introduce(thing)?;
                let number = u32::try_from(self.by_value.len()).map_err(io::Error::other)?;
                self.by_value.insert(Arc::clone(thing), number);
                number
            }
        };
        self.by_place.insert(place, (Arc::clone(thing), number));
        Ok(number)
    }
}

/// Reads magic and version line; returns its length.
fn read_header(input: &mut impl Read) -> Result<u64, StateError> {
    /// Longer than any version that will be written.
    const VERSION_LEN_MAX: usize = 16;
    let mut magic = [0; MAGIC.len()];
    match input.read_exact(&mut magic) {
        Ok(()) if magic == MAGIC => {}
        Ok(()) => return Err(StateError::NotState),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(StateError::NotState);
        }
        Err(error) => return Err(error.into()),
    }
    let mut version = Vec::new();
    loop {
        let mut byte = [0];
        input.read_exact(&mut byte).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                StateError::Truncated { offset: (MAGIC.len() + version.len()) as u64 }
            }
            _ => error.into(),
        })?;
        match byte {
            [b'\n'] if [VERSION, VERSION_BEFORE].iter().any(|it| it.as_bytes() == version) => {
                return Ok((MAGIC.len() + version.len() + 1) as u64);
            }
            [byte] if byte.is_ascii_alphanumeric() && version.len() < VERSION_LEN_MAX => {
                version.push(byte);
            }
            [b'\n'] => {
                let found = String::from_utf8_lossy(&version).into_owned();
                return Err(StateError::OtherVersion { found });
            }
            _ => return Err(StateError::NotState),
        }
    }
}

/// Puts items together again.
#[derive(Default)]
struct Reader {
    state: State,
    has_run: bool,
    is_done: bool,
    sensors: Vec<Arc<str>>,
    offers: Vec<Arc<Offer>>,
    certificates: Vec<Arc<CertificateNames>>,
    /// Of the connection that comes next.
    half: Option<Box<HalfRow>>,
}

impl Reader {
    fn take(&mut self, item: Item) -> Result<(), &'static str> {
        if self.is_done {
            return Err("items follow the end");
        }
        match item {
            Item::Run(_) if self.has_run => return Err("there are two runs"),
            Item::Run(row) => {
                self.state.run = row.into_run()?;
                self.has_run = true;
            }
            _ if !self.has_run => return Err("the run is not the first item"),
            Item::Part(_) if self.state.parts.is_empty() && !self.state.flows.is_empty() => {
                return Err("a connection stands before the run that it is of");
            }
            Item::Part(row) => {
                self.state.parts.push(row.into_run()?);
                self.state.run.merged_runs = self.state.parts.len();
            }
            Item::Interfaces(rows) => {
                let run = self.state.parts.last_mut().unwrap_or(&mut self.state.run);
                let capture = run.capture.as_mut().ok_or("files have no interfaces")?;
                capture.interfaces = rows.into_iter().map(InterfaceRow::into_counts).collect();
            }
            Item::Review(row) => {
                let run = self.state.parts.last_mut().unwrap_or(&mut self.state.run);
                if run.review.is_some() {
                    return Err("a run has two counts of texts");
                }
                run.review = Some(row.into_info()?);
            }
            Item::Sensor(name) => self.sensors.push(name.into()),
            Item::Offer(row) => self.offers.push(Arc::new(row.into_offer()?)),
            Item::Certificate(row) => self.certificates.push(Arc::new(row.into_names())),
            Item::Half(_) if self.half.is_some() => return Err("a connection has two halves"),
            Item::Half(row) => self.half = Some(row),
            Item::Flow(row) => {
                let sensor = numbered(&self.sensors, row.sensor)?;
                let offer = row.offer().map(|number| numbered(&self.offers, number)).transpose()?;
                let certificate = row
                    .certificate()
                    .map(|number| numbered(&self.certificates, number))
                    .transpose()?;
                let dns_name = row.dns_name.as_deref().map(Arc::from);
                let mut facts = Box::new(row.into_facts(offer, certificate)?);
                let half = self.half.take().map(|half| half.into_half(facts.first));
                facts.half = half.transpose()?.map(Box::new);
                let part = self.state.parts.len().saturating_sub(1);
                self.state.flows.push(SavedFlow { sensor, dns_name, part, facts });
            }
            Item::End { .. } if self.half.is_some() => return Err("a half has no connection"),
            Item::End { flows } if flows == self.state.flows.len() as u64 => self.is_done = true,
            Item::End { .. } => return Err("connections are missing"),
        }
        Ok(())
    }
}

fn numbered<T: ?Sized>(things: &[Arc<T>], number: u32) -> Result<Arc<T>, &'static str> {
    usize::try_from(number)
        .ok()
        .and_then(|number| things.get(number))
        .cloned()
        .ok_or("a connection refers to what is not there")
}

#[cfg(test)]
mod tests;

//! Every output format, and writing them to a folder whole or not at all.
//!
//! A [`Report`] puts connections and run together once; each format gives bytes to any writer.
//! Only `files` knows that there are files.

mod cells;
mod csv;
mod diff;
mod ecs;
mod endpoints;
mod eve;
mod explain;
mod files;
mod flows;
mod handshakes;
mod hosts;
mod html;
mod interop;
mod json_lines;
mod layout;
mod memo;
mod ocsf;
mod put;
mod sentences;
mod summary;
mod text;
mod zeek;

use std::io::{self, Write};
use std::net::IpAddr;

use crate::digest::Digest;
use crate::{
    Connections, CoverageLedger, Finding, HostTable, HostTally, Inventory, JudgedFlow, PathTable,
    Policy, RunInfo,
};

pub use diff::{BURN_DOWN_COLUMNS, DIFF_COLUMNS};
pub use explain::{Explanation, HostQuery};
pub use files::{OutputError, OutputFolder, write_file};
pub use flows::FLOW_COLUMNS;
pub use handshakes::HANDSHAKE_COLUMNS;
pub use hosts::HOST_COLUMNS;
pub use layout::printable;
pub use text::TextStyle;

/// How connections are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlowsFormat {
    /// CSV with a header.
    #[default]
    Csv,
    /// One JSON object a line, its keys the columns of the CSV.
    JsonLines,
    /// Zeek's `ssl.log`, tab-separated.
    Zeek,
    /// Zeek's `ssl.log` as its JSON writer has it.
    ZeekJson,
    /// Suricata's EVE: `tls` events.
    Eve,
    /// Documents of the Elastic Common Schema.
    Ecs,
    /// Network Activity of the Open Cybersecurity Schema Framework.
    Ocsf,
}

impl FlowsFormat {
    /// The name of the file among the default outputs.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Csv => "flows.csv",
            Self::JsonLines => "flows.jsonl",
            Self::Zeek | Self::ZeekJson => "ssl.log",
            Self::Eve => "eve.json",
            Self::Ecs => "ecs.jsonl",
            Self::Ocsf => "ocsf.jsonl",
        }
    }
}

/// Connections and run, put together for every output.
#[derive(Debug)]
pub struct Report<'a> {
    flows: Connections<'a>,
    run: &'a RunInfo,
    hosts: HostTable,
    tallies: Vec<HostTally>,
    digest: Digest,
    /// Rows of the inventory that was joined.
    inventory_rows: Option<usize>,
    findings: Vec<Finding>,
    /// The policies that judged, where the page is to say what they ask.
    policies: Vec<Policy>,
}

impl<'a> Report<'a> {
    /// A report of judged connections, in the order in which they are to appear.
    ///
    /// `inside` tells what counts as ours. Every connection has one judgement for each policy of
    /// the run, in the same order.
    #[must_use]
    pub fn new(flows: &'a [JudgedFlow], run: &'a RunInfo, inside: impl Fn(IpAddr) -> bool) -> Self {
        let mut digest = Digest::new(run);
        digest.absorb(flows, inside);
        Self::of_digest(Connections::Held(flows), run, digest)
    }

    /// A report of connections wherever they are; otherwise as [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// When the connections can't be read.
    pub fn of(
        flows: Connections<'a>,
        run: &'a RunInfo,
        inside: impl Fn(IpAddr) -> bool,
    ) -> io::Result<Self> {
        let mut digest = Digest::new(run);
        flows.each_part(|part| {
            digest.absorb(part, &inside);
            Ok(())
        })?;
        Ok(Self::of_digest(flows, run, digest))
    }

    fn of_digest(flows: Connections<'a>, run: &'a RunInfo, mut digest: Digest) -> Self {
        let hosts = digest.take_hosts();
        let tallies = tallies(&hosts, run);
        let findings = crate::doctor::findings(&digest.signs, run);
        Self {
            flows,
            run,
            hosts,
            tallies,
            digest,
            inventory_rows: None,
            findings,
            policies: Vec::new(),
        }
    }

    /// The report with what the policies ask, for people to read.
    #[must_use]
    pub fn with_policies(mut self, policies: &[Policy]) -> Self {
        self.policies = policies.to_vec();
        self
    }

    /// The report with an inventory joined in, under the policies of the run.
    #[must_use]
    pub fn with_inventory(mut self, inventory: &Inventory, policies: &[Policy]) -> Self {
        self.hosts.join(inventory, policies);
        self.tallies = tallies(&self.hosts, self.run);
        self.inventory_rows = Some(inventory.items().len());
        self
    }

    /// The connections.
    #[must_use]
    pub const fn flows(&self) -> Connections<'a> {
        self.flows
    }

    /// When the first of the connections began.
    #[must_use]
    pub const fn first_seen(&self) -> Option<dissect::Timestamp> {
        self.digest.first
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &'a RunInfo {
        self.run
    }

    /// The hosts.
    #[must_use]
    pub const fn hosts(&self) -> &HostTable {
        &self.hosts
    }

    /// Hosts counted by fate, for each policy in the order given.
    #[must_use]
    pub fn tallies(&self) -> &[HostTally] {
        &self.tallies
    }

    /// Access paths and scenarios, for each policy in the order given.
    #[must_use]
    pub fn paths(&self) -> &[PathTable] {
        &self.digest.paths
    }

    /// The ledger of what was seen.
    #[must_use]
    pub const fn coverage(&self) -> &CoverageLedger {
        &self.digest.coverage
    }

    /// What is wrong with the capture.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Writes `flows.csv`: a row for each connection and policy.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_flows<W: Write>(&self, out: W) -> io::Result<()> {
        self.write_flows_as(out, FlowsFormat::Csv)
    }

    /// Writes the connections in any format: in CSV and JSON Lines a row for each connection and
    /// policy, in those of other programs an event for each connection.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_flows_as<W: Write>(&self, out: W, format: FlowsFormat) -> io::Result<()> {
        let (flows, version) = (self.flows, &*self.run.version);
        let span = self.digest.first.zip(self.digest.last).unwrap_or_default();
        match format {
            FlowsFormat::Csv => flows::write_csv(out, flows),
            FlowsFormat::JsonLines => flows::write_json_lines(out, flows),
            FlowsFormat::Zeek => zeek::write_tsv(out, flows, span),
            FlowsFormat::ZeekJson => zeek::write_json(out, flows),
            FlowsFormat::Eve => eve::write(out, flows),
            FlowsFormat::Ecs => ecs::write(out, flows, version),
            FlowsFormat::Ocsf => ocsf::write(out, flows, version),
        }
    }

    /// Writes `hosts.csv`: a row for each host, side and policy.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_hosts<W: Write>(&self, out: W) -> io::Result<()> {
        hosts::write_hosts(out, &self.hosts)
    }

    /// Writes `handshakes.csv`: a row for each frame that completed handshake messages.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_handshakes<W: Write>(&self, out: W) -> io::Result<()> {
        let first_time = self.run.first_time.or(self.digest.first).unwrap_or_default();
        handshakes::write_handshakes(out, self.flows, first_time)
    }

    /// Writes `report.html`, the report for people in one file.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_html<W: Write>(&self, out: W) -> io::Result<()> {
        html::write_html(out, self)
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_summary<W: Write>(&self, out: W) -> io::Result<()> {
        summary::write_summary(out, self)
    }

    /// Writes the summary for people.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_text<W: Write>(&self, out: W, style: TextStyle) -> io::Result<()> {
        text::write_text(out, self, style)
    }

    /// Writes `state.tlsunset`, which [`State::read`](crate::state::State::read) reads.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_state<W: Write>(&self, out: W) -> io::Result<()> {
        self.write_state_with(out, &[])
    }

    /// Writes `state.tlsunset` with what ended without a word
    /// ([`dissect::Observer::silent`]).
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_state_with<W: Write>(
        &self,
        out: W,
        silent: &[Box<dissect::FlowFacts>],
    ) -> io::Result<()> {
        crate::state::write(out, self.run, self.flows, silent)
    }

    /// Whether any host breaks under any policy, as `--check` asks.
    #[must_use]
    pub fn any_breaks(&self) -> bool {
        self.tallies.iter().any(|tally| tally.hosts(crate::Verdict::Breaks) > 0)
    }
}

fn tallies(hosts: &HostTable, run: &RunInfo) -> Vec<HostTally> {
    let drops = run.capture.as_ref().map_or(0, crate::CaptureCounts::drops);
    let tallies = HostTally::of(hosts, &run.policies).into_iter();
    tallies.map(|tally| tally.with_drops(drops)).collect()
}

//! `report.html`: the answer for people, in one file that needs nothing else.
//!
//! The page is whole without its script: headline, fixes, findings, plots and the worst hosts are
//! HTML. The script adds search, sorting, filters and details over all hosts, from the data in the
//! page. Nothing is loaded from anywhere, which the page's own Content-Security-Policy holds:
//! its one style sheet and its one script are named by their digests, and all else is refused.
//! The page is written piece by piece; what is kept meanwhile is a few numbers for each host.

mod breakdown;
mod entries;
mod fixes;
mod head;
mod hosts;
mod island;
mod markup;
mod picked;
mod plots;
mod tables;
mod unseen;
mod words;

use std::io::{self, BufWriter, Write};

use sha2::{Digest as _, Sha256};

use self::entries::{Entry, FixGroup, groups};
use self::picked::Picked;
use super::Report;
use crate::base64;

const STYLE: &str = include_str!("html/page.css");

/// The scripts of the page, which share one scope, in the order in which they need each other.
const SCRIPT: &str = concat!(
    include_str!("html/data.js"),
    include_str!("html/filter.js"),
    include_str!("html/details.js"),
    include_str!("html/table.js"),
    include_str!("html/page.js"),
);

/// What all parts of the page are made from.
struct View<'r> {
    report: &'r Report<'r>,
    /// Hosts, the worst first.
    entries: Vec<Entry<'r>>,
    groups: Vec<FixGroup<'r>>,
    picked: Picked<'r>,
}

impl View<'_> {
    /// The policy of a place, behind a word; nothing where there is only one.
    fn under(&self, policy: usize) -> String {
        let policies = &self.report.run().policies;
        match policies.get(policy) {
            Some(name) if policies.len() > 1 => format!(" under {}", markup::Text(name)),
            _ => String::new(),
        }
    }
}

/// Writes `report.html`.
pub(super) fn write_html<W: Write>(out: W, report: &Report<'_>) -> io::Result<()> {
    let entries = Entry::all(report);
    let groups = groups(&entries, report.tallies().len());
    let picked = Picked::of(report.flows(), &entries)?;
    let view = View { report, entries, groups, picked };
    let mut writer = BufWriter::with_capacity(1 << 16, out);
    let out: &mut dyn Write = &mut writer;
    let (style, script) = (asset(STYLE), asset(SCRIPT));
    head::write_begin(out, &view, &policy_of_content(&style, &script), &style)?;
    head::write_answers(out, &view)?;
    fixes::write(out, &view)?;
    hosts::write(out, &view)?;
    tables::write_ways(out, &view)?;
    plots::write(out, &view)?;
    unseen::write(out, &view)?;
    head::write_about(out, &view)?;
    writeln!(
        out,
        "</main>\n<footer><p>Made by tlsunset {} from traffic alone.</p></footer>",
        markup::Text(&report.run().version)
    )?;
    island::write(out, &view)?;
    write!(out, "<script>{script}</script>\n</body>\n</html>\n")?;
    writer.flush()
}

/// A part of the page as a browser hashes it: with plain line ends, however it was checked out.
fn asset(text: &str) -> String {
    text.replace('\r', "")
}

/// The page's Content-Security-Policy: its own style and script, and nothing else from anywhere;
/// no text may become HTML.
fn policy_of_content(style: &str, script: &str) -> String {
    let digest = |text: &str| base64::encoded(&Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        digest(style),
        digest(script)
    )
}

#[cfg(test)]
mod tests;

//! Runs compared: for people, and as CSV.

use std::io::{self, Write};

use dissect::{Timestamp, Version};

use super::TextStyle;
use super::csv::CsvTable;
use super::layout::{Ink, Page};
use crate::diff::{BurnDownRow, Change, Diff, DiffRow, Observation};
use crate::rows::side_name;
use crate::{Cause, Verdict};

/// The columns of `diff --csv`, in their order.
pub const DIFF_COLUMNS: [&str; 15] = [
    "host_ip",
    "side",
    "policy",
    "status",
    "before",
    "after",
    "before_seen",
    "after_seen",
    "offered_before",
    "offered_after",
    "services",
    "unseen_services",
    "cause",
    "reason",
    "fix",
];

/// The columns of `diff --burn-down`, in their order.
pub const BURN_DOWN_COLUMNS: [&str; 10] = [
    "run",
    "date",
    "policy",
    "breaks",
    "fixed",
    "still_old",
    "new",
    "relapsed",
    "silent_since",
    "hidden",
];

/// The columns of counts, between `breaks` and `hidden`.
const COUNTED: [Change; 5] =
    [Change::Fixed, Change::StillOld, Change::New, Change::Relapsed, Change::SilentSince];

impl Diff {
    /// Writes a row for each host of which there is something to say.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_csv<W: Write>(&self, out: W) -> io::Result<()> {
        let mut table = CsvTable::new(out, &DIFF_COLUMNS)?;
        let name = |version: Option<Version>| version.map_or("", Version::name);
        for row in self.rows() {
            let verdict = |seen: Option<&Observation>| seen.map_or("", |it| it.verdict.name());
            let offered = |seen: Option<&Observation>| name(seen.and_then(|it| it.offered_max));
            table.value(row.addr);
            table.word(side_name(row.side));
            table.text(row.policy);
            table.word(row.change.name());
            table.word(verdict(row.before));
            table.word(verdict(row.after));
            table.optional(row.before.map(|seen| seen.last_seen));
            table.optional(row.after.map(|seen| seen.last_seen));
            table.word(offered(row.before));
            table.word(offered(row.after));
            table.text(&row.services.join(";"));
            table.text(&row.unseen_services.join(";"));
            let told = row.telling();
            table.word(told.and_then(|seen| seen.cause).map_or("", Cause::name));
            table.text(told.map_or("", |seen| &seen.reason));
            table.text(told.map_or("", |seen| &seen.fix));
            table.end_record()?;
        }
        table.finish()
    }

    /// Writes a row for each run and policy.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_burn_down<W: Write>(&self, out: W) -> io::Result<()> {
        let mut table = CsvTable::new(out, &BURN_DOWN_COLUMNS)?;
        for policy in self.policies() {
            for row in self.burn_down(policy) {
                table.text(row.run);
                table.word(&date(row.time));
                table.text(row.policy);
                table.number(row.breaks);
                for change in COUNTED {
                    table.number(row.count(change));
                }
                table.number(row.hidden_max);
                table.end_record()?;
            }
        }
        table.finish()
    }

    /// Writes it for people.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_text<W: Write>(&self, mut out: W, style: TextStyle) -> io::Result<()> {
        let mut page = Page::new(style);
        let rows = self.rows();
        for policy in self.policies() {
            let of_policy: Vec<&DiffRow<'_>> =
                rows.iter().filter(|row| row.policy == policy).collect();
            headline(&mut page, policy, &of_policy);
        }
        for policy in self.policies() {
            for change in Change::ALL {
                let is_it = |row: &&DiffRow<'_>| row.policy == policy && row.change == change;
                let listed: Vec<&DiffRow<'_>> = rows.iter().filter(is_it).collect();
                section(&mut page, change, policy, self.policies().len() > 1, &listed);
            }
        }
        for policy in self.policies() {
            self.services_text(&mut page, policy);
        }
        for policy in self.policies() {
            page.gap();
            page.title(&format!("Run by run, under {policy}"), Ink::Plain);
            page.line("  DATE        BREAKS  FIXED  STILL-OLD  NEW  RELAPSED  SILENT  HIDDEN  RUN");
            for row in self.burn_down(policy) {
                burn_down_line(&mut page, &row);
            }
        }
        out.write_all(page.text().as_bytes())?;
        out.flush()
    }

    fn services_text(&self, page: &mut Page, policy: &str) {
        let services = self.services(policy);
        if services.is_empty() {
            return;
        }
        page.gap();
        page.title(&format!("Hosts by service, under {policy}"), Ink::Plain);
        for (service, counts) in services {
            page.paragraph(2, &format!("{service}: {}", counted(|change| counts[change as usize])));
        }
    }
}

/// Hosts listed before a list is cut.
const LISTED_MAX: usize = 50;

fn headline(page: &mut Page, policy: &str, rows: &[&DiffRow<'_>]) {
    let count = |change| rows.iter().filter(|row| row.change == change).count() as u64;
    let is_bad = count(Change::Relapsed) + count(Change::New) + count(Change::StillOld) > 0;
    let ink = match (is_bad, count(Change::SilentSince)) {
        (true, _) => Ink::Red,
        (false, 0) => Ink::Green,
        (false, _) => Ink::Yellow,
    };
    page.title(&format!("Under {policy}: {}", counted(count)), ink);
}

/// `1 relapsed, 2 new, ...`, every change.
fn counted(count: impl Fn(Change) -> u64) -> String {
    let words = |change: Change| format!("{} {}", count(change), change.name().replace('-', " "));
    Change::ALL.map(words).join(", ")
}

fn section(
    page: &mut Page,
    change: Change,
    policy: &str,
    names_policy: bool,
    rows: &[&DiffRow<'_>],
) {
    if rows.is_empty() {
        return;
    }
    let (title, ink) = match change {
        Change::Relapsed => ("Relapsed: passed before, is behind now", Ink::Red),
        Change::New => ("New: behind now, not seen so before", Ink::Red),
        Change::StillOld => ("Still old", Ink::Red),
        Change::SilentSince => ("Silent since: was behind, not seen now", Ink::Yellow),
        Change::Fixed => ("Fixed", Ink::Green),
    };
    let named = if names_policy { format!(", {policy}") } else { String::new() };
    page.gap();
    page.title(&format!("{title} ({}{named})", rows.len()), ink);
    let listed = || rows.iter().take(LISTED_MAX);
    let width = listed().map(|row| row.addr.to_string().len()).max().unwrap_or(0).max(4);
    page.line(&format!("  {:width$}  SIDE    BEFORE       NOW          SERVICES", "HOST"));
    for row in listed() {
        let verdict = |seen: Option<&Observation>| seen.map_or("-", |seen| seen.verdict.name());
        page.line(&format!(
            "  {:width$}  {:6}  {:11}  {:11}  {}",
            row.addr.to_string(),
            side_name(row.side),
            verdict(row.before),
            verdict(row.after),
            row.services.join(", "),
        ));
        detail(page, row);
    }
    page.more(rows.len().saturating_sub(LISTED_MAX), "--csv");
}

fn detail(page: &mut Page, row: &DiffRow<'_>) {
    let told = row.telling().filter(|_| row.change != Change::Fixed);
    if let Some(seen) = told {
        let cause = seen.cause.map(|cause| format!("{}: ", cause.name())).unwrap_or_default();
        page.paragraph(6, &format!("{cause}{}", seen.reason));
    }
    match row.change {
        Change::SilentSince => {
            let unclear = row.after.is_some_and(|seen| seen.verdict == Verdict::Unknown);
            let last = row.before.map(|seen| date(Some(seen.last_seen))).unwrap_or_default();
            page.paragraph(
                6,
                &match unclear {
                    true => "seen now, but not the bytes that decide".to_owned(),
                    false => format!("last seen on {last}"),
                },
            );
        }
        Change::Fixed if !row.unseen_services.is_empty() => {
            page.paragraph(6, &format!("not seen again: {}", row.unseen_services.join(", ")));
        }
        _ => {}
    }
}

fn burn_down_line(page: &mut Page, row: &BurnDownRow<'_>) {
    let [fixed, still_old, new, relapsed, silent] = COUNTED.map(|change| row.count(change));
    page.line(&format!(
        "  {:10}  {:>6}  {fixed:>5}  {still_old:>9}  {new:>3}  {relapsed:>8}  {silent:>6}  {:>6}  {}",
        date(row.time),
        row.breaks,
        row.hidden_max,
        row.run,
    ));
}

/// The day, `YYYY-MM-DD`, in UTC.
fn date(time: Option<Timestamp>) -> String {
    let text = time.map(|time| time.to_string()).unwrap_or_default();
    text.split('T').next().unwrap_or_default().to_owned()
}

//! Tables of counts with a bar in each row, and those of access paths and scenarios.

use std::io::{self, Write};

use super::View;
use super::markup::{Count, Text, capital, count_of};
use super::words::verdict_title;
use crate::{AccessPath, Passage, Scenario, Verdict};

/// A table whose rows are counts of the same kinds.
pub(super) struct Tallies<'t> {
    pub(super) id: &'t str,
    pub(super) caption: &'t str,
    /// What a row is.
    pub(super) head: &'t str,
    /// Kinds: style class and title.
    pub(super) kinds: &'t [(String, &'t str)],
    /// What all kinds of a row are together.
    pub(super) sum: &'t str,
    /// Rows: title, and counts in the order of the kinds.
    pub(super) rows: &'t [(String, Vec<u64>)],
}

impl Tallies<'_> {
    /// Writes the table; kinds that no row has are left out.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        // Of one kind alone the sum says all.
        let kinds = if self.kinds.len() == 1 { 0 } else { self.kinds.len() };
        let used: Vec<usize> = (0..kinds)
            .filter(|kind| self.rows.iter().any(|(_, counts)| counts.get(*kind) > Some(&0)))
            .collect();
        let sum = |counts: &[u64]| counts.iter().sum::<u64>();
        let widest = self.rows.iter().map(|(_, counts)| sum(counts)).max().unwrap_or(0);
        writeln!(
            out,
            "<div class=\"scroll\" role=\"region\" aria-labelledby=\"{id}\" tabindex=\"0\">\
             <table class=\"bars\">\n<caption id=\"{id}\">{}</caption>\n<thead><tr><th \
             scope=\"col\">{}</th><td class=\"bar\"></td>",
            self.caption,
            self.head,
            id = self.id,
        )?;
        for kind in &used {
            let (class, title) = &self.kinds[*kind];
            write!(
                out,
                "<th scope=\"col\" class=\"n\"><span class=\"swatch {class}\"></span>{title}</th>"
            )?;
        }
        writeln!(out, "<th scope=\"col\" class=\"n\">{}</th></tr></thead>\n<tbody>", self.sum)?;
        for (title, counts) in self.rows {
            write!(out, "<tr><th scope=\"row\">{}</th><td class=\"bar\">", Text(title))?;
            self.write_bar(out, counts, widest)?;
            write!(out, "</td>")?;
            for kind in &used {
                let count = counts.get(*kind).copied().unwrap_or(0);
                let zero = if count == 0 { " zero" } else { "" };
                write!(out, "<td class=\"n{zero}\">{}</td>", Count(count))?;
            }
            writeln!(out, "<td class=\"n\">{}</td></tr>", Count(sum(counts)))?;
        }
        writeln!(out, "</tbody></table></div>")
    }

    /// The numbers beside it say the same, so that the bar is for the eye alone.
    fn write_bar(&self, out: &mut dyn Write, counts: &[u64], widest: u64) -> io::Result<()> {
        const WIDTH: u64 = 1000;
        write!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
        )?;
        let place =
            |count: u64| (u128::from(count) * u128::from(WIDTH)) / u128::from(widest.max(1));
        let mut before = 0;
        for (count, (class, _)) in counts.iter().zip(self.kinds) {
            let (from, to) = (place(before), place(before + count));
            before += count;
            if *count > 0 {
                // What is there is seen, however little of the whole it is.
                let width = (to - from).max(3);
                write!(
                    out,
                    "<rect class=\"{class}\" x=\"{from}\" width=\"{width}\" height=\"10\"/>"
                )?;
            }
        }
        write!(out, "</svg>")
    }
}

/// Verdicts as kinds of counts.
pub(super) fn verdict_kinds() -> Vec<(String, &'static str)> {
    Verdict::ALL
        .iter()
        .map(|verdict| (verdict.name().to_owned(), verdict_title(*verdict)))
        .collect()
}

/// Access paths and scenarios: what was seen of each, breaks on it, or was never seen.
pub(super) fn write_ways(out: &mut dyn Write, view: &View<'_>) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"ways\"><h2>Access paths and scenarios</h2>\n<p class=\"lead\">The six ways \
         on which a hybrid site talks to Office 365, and the three scenarios to prepare. What was \
         never seen is not known to work: capture where it passes, or when it is used.</p>"
    )?;
    for (policy, table) in view.report.paths().iter().enumerate() {
        let under = view.under(policy);
        let paths = AccessPath::ALL.map(|path| (path.title(), table.path(path)));
        write_passages(out, &format!("paths-{policy}"), &format!("Access paths{under}"), paths)?;
        let scenarios = Scenario::ALL.map(|it| (it.title(), table.scenario(it)));
        let id = format!("scenarios-{policy}");
        write_passages(out, &id, &format!("Scenarios{under}"), scenarios)?;
    }
    writeln!(out, "</section>")
}

fn write_passages<const N: usize>(
    out: &mut dyn Write,
    id: &str,
    caption: &str,
    passages: [(&str, &Passage); N],
) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"scroll\" role=\"region\" aria-labelledby=\"{id}\" tabindex=\"0\"><table>\n\
         <caption id=\"{id}\">{caption}</caption>\n<thead><tr><th scope=\"col\">Way</th><th \
         scope=\"col\">Worst</th><th scope=\"col\" class=\"n\">Hosts</th><th scope=\"col\" \
         class=\"n\">Break or fail</th><th scope=\"col\">Connections</th></tr></thead>\n<tbody>"
    )?;
    for (title, passage) in passages {
        let (class, worst) = match passage.worst() {
            Some(verdict) => (verdict.name(), verdict.name()),
            None => ("unseen", "never seen"),
        };
        let counts: Vec<String> = Verdict::ALL
            .into_iter()
            .filter(|verdict| passage.flows_of(*verdict) > 0)
            .map(|verdict| format!("{} {}", Count(passage.flows_of(verdict)), verdict.name()))
            .collect();
        let counts = if counts.is_empty() { count_of(0, "connection") } else { counts.join(", ") };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td><span class=\"badge {class}\">{worst}</span></td><td \
             class=\"n\">{}</td><td class=\"n\">{}</td><td>{counts}</td></tr>",
            capital(title),
            Count(passage.hosts() as u64),
            Count(passage.hosts_breaking() as u64),
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

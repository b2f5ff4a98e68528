//! An endpoint list for people: what belongs to which service, and what does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::{self, Write};

use super::TextStyle;
use super::layout::{Ink, Page, count_of};
use crate::{AddressClass, EndpointRow, Endpoints, Prefix, Service};

impl Endpoints {
    /// Writes the whole list for people.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_text<W: Write>(&self, mut out: W, style: TextStyle) -> io::Result<()> {
        let mut page = Page::new(style);
        self.counts(&mut page);
        for service in Service::ALL {
            let rows: Vec<&EndpointRow> =
                self.rows().iter().filter(|row| row.service == service).collect();
            if rows.is_empty() {
                continue;
            }
            page.gap();
            page.title(service.name(), Ink::Plain);
            rows.into_iter().for_each(|row| self.row(&mut page, row));
        }
        self.left_out_text(&mut page);
        out.write_all(page.text().as_bytes())?;
        out.flush()
    }

    /// Writes how much of what is in the list, and what does not count.
    ///
    /// # Errors
    ///
    /// Whatever the writer fails with.
    pub fn write_counts<W: Write>(&self, mut out: W, style: TextStyle) -> io::Result<()> {
        let mut page = Page::new(style);
        self.counts(&mut page);
        self.left_out_text(&mut page);
        out.write_all(page.text().as_bytes())?;
        out.flush()
    }

    fn counts(&self, page: &mut Page) {
        page.title(&format!("Endpoint list: {}", self.origin()), Ink::Plain);
        let mut services: BTreeMap<Service, Counts<'_>> = BTreeMap::new();
        for row in self.rows() {
            let counts = services.entry(row.service).or_default();
            counts.names.extend(row.names.iter().map(String::as_str));
            counts.prefixes.extend(&row.prefixes);
        }
        let width = services.keys().map(|service| service.name().len()).max().unwrap_or(0);
        page.line(&format!("  {:width$}  NAMES  NETWORKS", "SERVICE"));
        for (service, counts) in &services {
            let (names, prefixes) = (counts.names.len(), counts.prefixes.len());
            page.line(&format!("  {:width$}  {names:>5}  {prefixes:>8}", service.name()));
        }
    }

    fn row(&self, page: &mut Page, row: &EndpointRow) {
        let mut ports: Vec<String> = Vec::new();
        for (transport, ranges) in [("tcp", &row.tcp_ports), ("udp", &row.udp_ports)] {
            if !ranges.is_empty() {
                ports.push(format!("{transport} {}", joined(ranges)));
            }
        }
        let ports = if ports.is_empty() { "any".to_owned() } else { ports.join("; ") };
        page.paragraph(2, &format!("Ports: {ports}"));
        if !row.names.is_empty() {
            page.paragraph(4, &format!("Names: {}", joined(&row.names)));
        }
        let is_shared = |prefix: &&Prefix| {
            let class = self.match_address(prefix.first()).map(|found| found.class);
            class.unwrap_or(row.class) == AddressClass::Shared
        };
        let (shared, alone): (Vec<&Prefix>, Vec<&Prefix>) =
            row.prefixes.iter().partition(|prefix| is_shared(prefix));
        if !alone.is_empty() {
            page.paragraph(4, &format!("Networks: {}", joined(alone)));
        }
        if !shared.is_empty() {
            page.paragraph(4, &format!("Networks that serve others too: {}", joined(shared)));
        }
    }

    fn left_out_text(&self, page: &mut Page) {
        let names = self.left_out();
        if names.is_empty() {
            return;
        }
        let (wildcards, sites): (Vec<&String>, Vec<&String>) =
            names.iter().partition(|name| name.contains('*'));
        page.gap();
        let count = count_of(names.len() as u64, "name");
        page.title(&format!("Listed by Microsoft and left out: {count}"), Ink::Plain);
        let mut list = |why: &str, names: &[&String]| {
            if !names.is_empty() {
                page.paragraph(2, &format!("{why} ({}): {}", names.len(), joined(names)));
            }
        };
        list(
            "Wildcards that reach far beyond Office 365, over all of a company or a cloud",
            &wildcards,
        );
        list("Sites that everybody asks, with or without Office 365", &sites);
    }
}

/// Names and networks of a service, each once.
#[derive(Default)]
struct Counts<'a> {
    names: BTreeSet<&'a str>,
    prefixes: BTreeSet<&'a Prefix>,
}

fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    const STYLE: TextStyle = TextStyle { width: 80, color: false };

    #[test]
    fn every_name_and_network_is_shown() {
        let endpoints = Endpoints::builtin();
        let shown = text(|out| endpoints.write_text(out, STYLE));
        assert!(shown.starts_with("Endpoint list: built-in, 20"));
        let words: BTreeSet<&str> =
            shown.split_whitespace().map(|word| word.trim_end_matches(',')).collect();
        for row in endpoints.rows() {
            assert!(shown.contains(row.service.name()));
            assert!(row.names.iter().all(|name| words.contains(name.as_str())));
            assert!(row.prefixes.iter().all(|prefix| words.contains(&*prefix.to_string())));
        }
        assert!(endpoints.left_out().iter().all(|name| words.contains(name.as_str())));
        assert!(shown.lines().all(|line| line.len() <= STYLE.width));
    }

    #[test]
    fn counts_say_what_was_left_out() {
        let json = r#"[{"id":1,"serviceArea":"Exchange","urls":["outlook.office365.com",
            "*.microsoft.com","www.bing.com"],"ips":["52.96.0.0/14"],"tcpPorts":"443"}]"#;
        let endpoints = Endpoints::from_json(json).unwrap();
        let shown = text(|out| endpoints.write_counts(out, STYLE));
        for part in [
            "Endpoint list: endpoint web service",
            "SERVICE",
            "left out: 2 names",
            "*.microsoft.com",
            "(1): www.bing.com",
        ] {
            assert!(shown.contains(part), "no {part:?} in:\n{shown}");
        }
    }
}

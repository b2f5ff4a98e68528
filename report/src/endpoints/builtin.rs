//! Reads the built-in endpoint table, a text file of this crate.

use super::{AddressClass, EndpointRow, PortRange, Prefix};
use crate::services::Service;

const TEXT: &str = include_str!("builtin.txt");

/// The built-in table.
#[derive(Debug)]
pub(super) struct Table {
    /// Date of the sources.
    pub(super) date: String,
    /// Every row.
    pub(super) rows: Vec<EndpointRow>,
    /// How many of `rows`, from the first, are kept beside another list.
    always_len: usize,
    /// Names that Microsoft lists and that do not count.
    pub(super) left_out: Vec<String>,
}

impl Table {
    /// The rows that are kept beside another list.
    pub(super) fn always(&self) -> &[EndpointRow] {
        &self.rows[..self.always_len]
    }
}

pub(super) fn read() -> Table {
    parse(TEXT).expect("the table is part of the program and a test reads it")
}

/// `None` with a section or a word that the format does not know.
fn parse(text: &str) -> Option<Table> {
    let mut table =
        Table { date: String::new(), rows: Vec::new(), always_len: 0, left_out: Vec::new() };
    let mut leaving_out = false;
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(date) = line.strip_prefix("date ") {
            date.clone_into(&mut table.date);
        } else if let Some(heading) = line.strip_prefix('[') {
            let (title, flags) = heading.split_once(']')?;
            leaving_out = title == "left out";
            if !leaving_out {
                let (row, always) = section(Service::from_name(title)?, flags)?;
                table.rows.push(row);
                table.always_len += usize::from(always);
            }
        } else if leaving_out {
            table.left_out.extend(line.split_whitespace().map(str::to_owned));
        } else {
            fill(table.rows.last_mut()?, line)?;
        }
    }
    Some(table)
}

fn section(service: Service, flags: &str) -> Option<(EndpointRow, bool)> {
    let mut row = EndpointRow {
        service,
        names: Vec::new(),
        prefixes: Vec::new(),
        tcp_ports: Vec::new(),
        udp_ports: Vec::new(),
        class: AddressClass::Alone,
    };
    let mut always = false;
    let mut words = flags.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "always" => always = true,
            "shared" => row.class = AddressClass::Shared,
            "tcp" => row.tcp_ports = ports(words.next()?)?,
            "udp" => row.udp_ports = ports(words.next()?)?,
            _ => return None,
        }
    }
    Some((row, always))
}

fn fill(row: &mut EndpointRow, line: &str) -> Option<()> {
    for word in line.split_whitespace() {
        if word.contains('/') {
            row.prefixes.push(word.parse::<Prefix>().ok()?);
        } else {
            super::pattern::check(word).ok()?;
            row.names.push(word.to_owned());
        }
    }
    Some(())
}

fn ports(text: &str) -> Option<Vec<PortRange>> {
    text.split(',').map(PortRange::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_and_what_is_always_kept_comes_first() {
        let table = read();
        assert_eq!(table.date, "2025-12-01");
        assert!(table.rows.len() > 20 && table.left_out.len() > 50);
        let always = table.always();
        assert_eq!(always.len(), 3);
        assert!(always.iter().any(|row| row.names.iter().any(|name| name == "*.lync.com")));
    }

    #[test]
    fn no_name_of_the_table_is_also_left_out() {
        let table = read();
        for row in &table.rows {
            for name in &row.names {
                assert!(!table.left_out.contains(name), "{name}");
                assert_eq!(*name, name.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn unknown_words_are_refused() {
        for bad in ["[Fax Online] tcp 1\n", "[Exchange Online] often\n", "a.b\n", "[Exchange"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        for bad in ["[Exchange Online]\n1.2.3/8\n", "[Exchange Online] tcp 9-1\n"] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}

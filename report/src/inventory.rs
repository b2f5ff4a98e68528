//! What an inventory says of hosts: products and versions against the minimums.
//!
//! Reads CSV whose headers it forgives (`Computer Name;Software;Build` will do) and assesses each
//! row. It knows no traffic; [`Report::with_inventory`](crate::Report::with_inventory) joins the two.

use std::io;
use std::net::IpAddr;

use thiserror::Error;

use crate::products::{Product, ProductKind, Standing};

/// One row of an inventory, assessed.
#[derive(Debug, Clone)]
pub struct InventoryItem {
    /// The line in the file, counted from 1.
    pub line: u64,
    /// The host as it is written: a name, or an address without one.
    pub host: String,
    /// Its address, where one is given.
    pub addr: Option<IpAddr>,
    /// The product as it is written.
    pub product: String,
    /// The version as it is written; empty without one.
    pub version: String,
    /// The product of the tables.
    pub known: Option<&'static Product>,
    /// How it does.
    pub standing: Standing,
}

/// An inventory, in the order of its file.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    items: Vec<InventoryItem>,
}

/// An inventory that can't be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InventoryError {
    /// The CSV is malformed.
    #[error("the CSV is malformed: {0}")]
    Csv(#[from] csv::Error),
    /// There is not even a header.
    #[error("the file is empty; its first line names the columns, such as host,product,version")]
    Empty,
    /// A column is missing.
    #[error(
        "no column for the {what} in the header `{header}`; allowed are {allowed} and the like"
    )]
    NoColumn {
        /// What is missing.
        what: &'static str,
        /// The header as it is.
        header: String,
        /// Names that would do.
        allowed: &'static str,
    },
    /// The bytes are no text in any encoding that spreadsheets write.
    #[error("this is no text in UTF-8, UTF-16 or Windows-1252; save the table as CSV UTF-8")]
    NotText,
    /// Too many rows.
    #[error("more than {ROWS_MAX} rows; split the file")]
    TooLong,
}

/// More hosts than any site has; an inventory of that many takes some 500 MB.
const ROWS_MAX: usize = 1 << 20;

/// Header names, English and German, without case, blanks and punctuation.
const HOST: &[&str] = &[
    "host",
    "hostname",
    "computer",
    "computername",
    "device",
    "devicename",
    "machine",
    "machinename",
    "name",
    "asset",
    "assetname",
    "system",
    "systemname",
    "node",
    "client",
    "clientname",
    "fqdn",
    "dnsname",
    "netbiosname",
    "server",
    "servername",
    "pc",
    "endpoint",
    "workstation",
    "rechner",
    "rechnername",
    "gerät",
    "gerätename",
    "maschine",
    "arbeitsplatz",
    "arbeitsstation",
    "pcname",
];
const ADDRESS: &[&str] = &[
    "ip",
    "ipaddress",
    "ipaddr",
    "address",
    "hostip",
    "clientip",
    "ipv4",
    "ipv4address",
    "ipv6",
    "ipv6address",
    "addr",
    "ipadresse",
    "ipv4adresse",
    "ipv6adresse",
    "adresse",
];
const PRODUCT: &[&str] = &[
    "product",
    "productname",
    "software",
    "softwarename",
    "application",
    "applicationname",
    "app",
    "appname",
    "displayname",
    "title",
    "model",
    "devicemodel",
    "devicetype",
    "clienttype",
    "program",
    "os",
    "operatingsystem",
    "type",
    "package",
    "produkt",
    "produktname",
    "anwendung",
    "anwendungsname",
    "programm",
    "programmname",
    "anzeigename",
    "bezeichnung",
    "modell",
    "gerätetyp",
    "betriebssystem",
    "typ",
];
const VERSION: &[&str] = &[
    "version",
    "productversion",
    "softwareversion",
    "displayversion",
    "appversion",
    "build",
    "buildnumber",
    "release",
    "firmware",
    "firmwareversion",
    "osversion",
    "clientversion",
    "ver",
    "fileversion",
    "versionnumber",
    "versionsnummer",
    "produktversion",
    "programmversion",
    "dateiversion",
    "anzeigeversion",
    "buildnummer",
    "betriebssystemversion",
];

impl Inventory {
    /// Reads an inventory: CSV separated by commas, semicolons or tabs, with a header.
    ///
    /// # Errors
    ///
    /// When it is no text, no CSV, or lacks a column for the host or for the product.
    pub fn read(bytes: &[u8]) -> Result<Self, InventoryError> {
        let text = decode(bytes)?;
        let (text, skipped) = match text.split_once('\n') {
            // Excel's hint at the separator.
            Some((first, rest)) if first.trim_end().to_ascii_lowercase().starts_with("sep=") => {
                (rest, 1)
            }
            _ => (&*text, 0),
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(text.lines().next().unwrap_or_default()))
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let header = reader.headers()?;
        if header.is_empty() {
            return Err(InventoryError::Empty);
        }
        let columns = Columns::of(header)?;
        let mut items = Vec::new();
        for record in reader.records() {
            let record = record?;
            if items.len() == ROWS_MAX {
                return Err(InventoryError::TooLong);
            }
            items.extend(columns.item(&record, skipped));
        }
        Ok(Self { items })
    }

    /// The same rows with other names and addresses of the hosts.
    pub(crate) fn with_hosts(
        &self,
        name: impl Fn(&str) -> String,
        address: impl Fn(IpAddr) -> IpAddr,
    ) -> Self {
        let renamed = |item: &InventoryItem| InventoryItem {
            host: name(&item.host),
            addr: item.addr.map(&address),
            ..item.clone()
        };
        Self { items: self.items.iter().map(renamed).collect() }
    }

    /// The rows, in the order of the file.
    #[must_use]
    pub fn items(&self) -> &[InventoryItem] {
        &self.items
    }
}

impl InventoryItem {
    /// What is to be said of it: the product, the version and what it needs.
    #[must_use]
    pub fn finding(&self) -> String {
        let Self { product, version, .. } = self;
        let version = if version.is_empty() { "without a version" } else { version };
        let Some(known) = self.known else {
            return format!("{product} {version} is in none of the tables");
        };
        let (name, needs, note) = (known.name, known.requirement, known.note);
        let verdict = match self.standing {
            Standing::Below => format!("is below the minimum of {name}: {needs}"),
            Standing::Never => format!("never supports TLS 1.2 ({name})"),
            Standing::NeedsSetting => format!("does TLS 1.2 when it is switched on ({name})"),
            Standing::Meets => format!("meets the minimum of {name}: {needs}"),
            Standing::AskVendor => format!("depends on its vendor ({name})"),
            Standing::Undecided => format!("can't be compared; {name} needs {needs}"),
            Standing::UnknownProduct => "is in none of the tables".to_owned(),
        };
        let note = if note.is_empty() { String::new() } else { format!("; {note}") };
        format!("{product} {version} {verdict}{note}")
    }

    /// Whether it is a server, which answers instead of dialling.
    #[must_use]
    pub fn is_server(&self) -> bool {
        self.known.is_some_and(|known| known.kind == ProductKind::Server)
    }
}

/// Where the cells are.
struct Columns {
    host: Option<usize>,
    address: Option<usize>,
    product: usize,
    version: Option<usize>,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> Result<Self, InventoryError> {
        let plain = |name: &str| -> String {
            name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let names: Vec<String> = header.iter().map(plain).collect();
        // The likelier name wins, not the one that stands first.
        let find = |wanted: &[&str]| {
            wanted.iter().find_map(|name| names.iter().position(|known| known == name))
        };
        let missing = |what, allowed| InventoryError::NoColumn {
            what,
            allowed,
            header: header.iter().collect::<Vec<_>>().join(","),
        };
        let (host, address) = (find(HOST), find(ADDRESS));
        if host.or(address).is_none() {
            return Err(missing("host", "host, hostname, computer name, ip"));
        }
        let product = find(PRODUCT)
            .ok_or_else(|| missing("product", "product, software, application, model"))?;
        Ok(Self { host, address, product, version: find(VERSION) })
    }

    /// The row of a record; none for one that names no host or no product.
    fn item(&self, record: &csv::StringRecord, skipped: u64) -> Option<InventoryItem> {
        let cell = |place: Option<usize>| place.and_then(|place| record.get(place)).unwrap_or("");
        let (host, address) = (cell(self.host), cell(self.address));
        let product = record.get(self.product).filter(|product| !product.is_empty())?;
        let version = cell(self.version);
        let addr =
            address.parse().or_else(|_| host.parse()).ok().map(|addr: IpAddr| addr.to_canonical());
        let host = if host.is_empty() { address } else { host };
        if host.is_empty() {
            return None;
        }
        let (known, standing) = assess(product, version);
        Some(InventoryItem {
            line: record.position().map_or(0, csv::Position::line) + skipped,
            host: host.to_owned(),
            addr,
            product: product.to_owned(),
            version: version.to_owned(),
            known,
            standing,
        })
    }
}

/// The product that is meant, and how its version does.
///
/// A year is a part of the product's name wherever it stands (`Lync`, `2013`), and so is what makes
/// a name of it that the tables have (`Windows`, `7`). An update may stand with the product
/// (`Exchange 2013 CU18`).
fn assess(product: &str, version: &str) -> (Option<&'static Product>, Standing) {
    let full = format!("{product} {version}");
    let is_year = version.len() == 4 && version.starts_with("20");
    let (known, version) = match Product::find(product) {
        _ if is_year => (Product::find(&full), ""),
        None => (Product::find(&full), version),
        known => (known, version),
    };
    let standing = known.map_or(Standing::UnknownProduct, |known| known.assess(version, product));
    (known, standing)
}

/// The separator that a header has most of.
fn delimiter(header: &str) -> u8 {
    let count = |byte: u8| header.bytes().filter(|other| *other == byte).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|byte| count(*byte)).unwrap_or(b',')
}

/// The text of a file as spreadsheets write it: UTF-8 and UTF-16, with or without their marks, and
/// Windows-1252, which Excel takes for plain CSV in Western Europe.
fn decode(bytes: &[u8]) -> Result<String, InventoryError> {
    let wide = |from: fn([u8; 2]) -> u16, rest: &[u8]| {
        let (pairs, odd) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| from(*pair)).collect();
        String::from_utf16(&units).ok().filter(|_| odd.is_empty())
    };
    let text = match bytes {
        // Without a mark, the zeros of the header's letters tell.
        [0xff, 0xfe, rest @ ..] | rest @ [1..=0xff, 0, ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] | rest @ [0, 1..=0xff, ..] => wide(u16::from_be_bytes, rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        _ => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Some(text),
            Err(_) => bytes.iter().map(|byte| windows_1252(*byte)).collect(),
        },
    };
    text.filter(|text| !text.contains('\0')).ok_or(InventoryError::NotText)
}

/// A letter of Windows-1252; `None` for the five bytes that are none.
fn windows_1252(byte: u8) -> Option<char> {
    /// 0x80 to 0x9f; the rest is as in Unicode.
    const UPPER_CONTROLS: [char; 32] = [
        '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', //
        '\0', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
    ];
    let letter = match byte {
        0x80..=0x9f => *UPPER_CONTROLS.get(usize::from(byte - 0x80))?,
        _ => char::from(byte),
    };
    (letter != '\0').then_some(letter)
}

impl From<io::Error> for InventoryError {
    fn from(error: io::Error) -> Self {
        Self::Csv(error.into())
    }
}

#[cfg(test)]
mod tests;

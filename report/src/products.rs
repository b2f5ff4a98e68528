//! Clients, devices and servers of Lync and Skype for Business with the versions that they need.
//!
//! The tables of "Preparing for TLS 1.0/1.1 Deprecation - O365 Skype for Business", with the versions
//! that its text lost and the outcome of what it had under review, and the programs and systems
//! that "Preparing for TLS 1.2 in Office 365" names beside them. [`Product::assess`] compares a
//! version; nothing here knows hosts or traffic.

mod table;

use std::fmt;

pub use self::table::PRODUCTS;

/// What a product is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProductKind {
    /// A program that dials.
    Client,
    /// A phone, a room system, a board.
    Device,
    /// A server on premises.
    Server,
    /// An operating system or a library.
    System,
}

impl ProductKind {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Device => "device",
            Self::Server => "server",
            Self::System => "system",
        }
    }
}

/// What a product needs for TLS 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// This version or later.
    Minimum(&'static str),
    /// Office by the way it was installed, which builds tell: MSI has those below 16.0.6000.
    Office {
        /// Office 2013.
        older: &'static str,
        /// MSI.
        msi: &'static str,
        /// Semi-annual and deferred channels.
        deferred: &'static str,
        /// Monthly and targeted channels.
        monthly: &'static str,
    },
    /// An update by its number (`CU19`), known as this version.
    Update {
        /// `CU` or `RU`.
        series: &'static str,
        /// The number.
        number: u32,
        /// The version; empty when it is not known.
        version: &'static str,
        /// A later version is certain to be too old up to here; empty when `version` is known.
        too_old: &'static str,
    },
    /// No version has it.
    Never,
    /// Every version has it.
    Always,
    /// It is there and has to be switched on.
    Setting,
    /// The vendor knows.
    Vendor,
}

/// A product of the tables.
#[derive(Debug)]
pub struct Product {
    /// The name in reports.
    pub name: &'static str,
    /// What it is.
    pub kind: ProductKind,
    /// What it needs.
    pub requirement: Requirement,
    /// What else is to be known: how a review ended, what to do.
    pub note: &'static str,
    /// Where that is written.
    pub source: &'static str,
    /// Ways to write it: sets of words that all have to be there; `!` before one that must not.
    pub(crate) words: &'static [&'static [&'static str]],
}

/// How a version of a product does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Below the minimum.
    Below,
    /// No version of it does TLS 1.2.
    Never,
    /// It does TLS 1.2 when switched on.
    NeedsSetting,
    /// The version does not tell.
    Undecided,
    /// Only the vendor can tell.
    AskVendor,
    /// None of the tables has it.
    UnknownProduct,
    /// At the minimum or above.
    Meets,
}

impl Standing {
    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Below => "below-minimum",
            Self::Never => "never-supported",
            Self::NeedsSetting => "needs-setting",
            Self::Undecided => "undecided",
            Self::AskVendor => "ask-vendor",
            Self::UnknownProduct => "unknown-product",
            Self::Meets => "meets",
        }
    }

    /// Whether the product can't do TLS 1.2 as it is.
    #[must_use]
    pub const fn is_too_old(self) -> bool {
        matches!(self, Self::Below | Self::Never)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minimum(version) => write!(f, "{version} or later"),
            Self::Office { older, msi, deferred, monthly } => write!(
                f,
                "{monthly} (click-to-run; {deferred} in the semi-annual and deferred channels), \
                 {msi} (MSI) or {older} (2013), each or later"
            ),
            Self::Update { series, number, version: "", .. } => write!(f, "{series}{number}"),
            Self::Update { series, number, version, .. } => {
                write!(f, "{series}{number} ({version}) or later")
            }
            Self::Never => f.write_str("none: no version has TLS 1.2"),
            Self::Always => f.write_str("any version"),
            Self::Setting => f.write_str("any version, with TLS 1.2 switched on"),
            Self::Vendor => f.write_str("what the vendor says"),
        }
    }
}

impl Product {
    /// The product that a text names, by its words.
    #[must_use]
    pub fn find(text: &str) -> Option<&'static Self> {
        let words = words_of(text);
        let has = |word: &str| match word.strip_prefix('!') {
            Some(word) => !words.iter().any(|known| known == word),
            None => words.iter().any(|known| known == word),
        };
        PRODUCTS
            .iter()
            .find(|product| product.words.iter().any(|needed| needed.iter().all(|word| has(word))))
    }

    /// How a version does; `text` is the product as it was written, which may name a channel.
    #[must_use]
    pub fn assess(&self, version: &str, text: &str) -> Standing {
        let compare = |found: &str, minimum: &str| match (numbers(found), numbers(minimum)) {
            (Some(found), Some(minimum)) => {
                let [found, minimum] = [found, minimum].map(|list| align(list, self.name));
                if found < minimum { Standing::Below } else { Standing::Meets }
            }
            _ => Standing::Undecided,
        };
        match self.requirement {
            Requirement::Never => Standing::Never,
            Requirement::Always => Standing::Meets,
            Requirement::Setting => Standing::NeedsSetting,
            Requirement::Vendor => Standing::AskVendor,
            Requirement::Minimum(minimum) => compare(version, minimum),
            Requirement::Office { older, msi, deferred, monthly } => {
                let words = words_of(text);
                let is_deferred = words.iter().any(|word| {
                    matches!(word.as_str(), "deferred" | "semi" | "sac" | "semiannual")
                }) && !words.iter().any(|word| word == "targeted");
                let same_line = |found: &[u32], of: &str| {
                    numbers(of).is_some_and(|line| found.get(2) == line.get(2))
                };
                match numbers(version).map(|found| align(found, self.name)) {
                    None => Standing::Undecided,
                    Some(found) if found.first() == Some(&15) => compare(version, older),
                    // Four digits of MSI begin with 4; click-to-run begins above.
                    Some(found) if found.get(2).is_none_or(|build| *build < 6000) => {
                        compare(version, msi)
                    }
                    Some(found) if is_deferred || same_line(&found, deferred) => {
                        compare(version, deferred)
                    }
                    Some(_) => compare(version, monthly),
                }
            }
            Requirement::Update { series, number, version: minimum, too_old } => {
                let stands_in = |text| update_number(text, series);
                let in_name = || numbers(version).is_none().then(|| stands_in(text)).flatten();
                if let Some(found) = stands_in(version).or_else(in_name) {
                    return if found < number { Standing::Below } else { Standing::Meets };
                }
                if !minimum.is_empty() {
                    return compare(version, minimum);
                }
                match (numbers(version), numbers(too_old)) {
                    (Some(found), Some(old)) if found <= old => Standing::Below,
                    _ => Standing::Undecided,
                }
            }
        }
    }
}

/// The words of a text: runs of letters and digits, in lower case.
fn words_of(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// The numbers of a version such as `16.0.4678.1000`, `v6.19` or `15.0.5023.1000 (MSI)`.
fn numbers(text: &str) -> Option<Vec<u32>> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let end = text[start..]
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .map_or(text.len(), |len| start + len);
    let parts: Option<Vec<u32>> = text[start..end]
        .split('.')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse().ok())
        .collect();
    let mut parts = parts.filter(|parts| !parts.is_empty())?;
    // 6.19 and 6.19.0 are the same.
    while parts.len() > 1 && parts.last() == Some(&0) {
        parts.pop();
    }
    Some(parts)
}

/// Versions as one counts them: Office's may lack their `15.` or `16.`, as in the article, and Skype
/// for Business Server 2019 is 7.0 on the box and 17.0 in Microsoft's guidance.
fn align(mut version: Vec<u32>, product: &str) -> Vec<u32> {
    let missing = match product {
        _ if version.first() != Some(&0) => None,
        "Skype for Business 2015 or Lync 2013 (desktop)" => Some(15),
        "Skype for Business 2016 (MSI)" => Some(16),
        "Skype for Business 2016" => Some(16),
        _ => None,
    };
    if let Some(first) = missing {
        version.insert(0, first);
    }
    if product == "Java" && version.first() == Some(&1) && version.len() > 1 {
        // 1.8 is Java 8.
        version.remove(0);
    }
    if version.first() == Some(&17) && product.starts_with("Skype for Business Server") {
        version[0] = 7;
    }
    version
}

/// The number of an update: 19 of `CU19`, `CU 19`, `SP3 RU19`.
fn update_number(text: &str, series: &str) -> Option<u32> {
    let upper = text.to_ascii_uppercase();
    let rest = &upper[upper.find(series)? + series.len()..];
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests;

//! Policies as TOML files: reading one, and saying what is wrong with it.
//!
//! Every key is checked, so that a misspelt one is no silent hole in a policy. An error names the
//! line, what stands there and what is allowed.

use std::ops::Range;
use std::sync::Arc;

use dissect::Version;
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Accepted, Concerns, Deadline, Policy, Scope};
use crate::endpoints::{PortRange, check_pattern};
use crate::iana;
use crate::services::Service;

/// A policy file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {what}; {allowed}")]
pub struct PolicyError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
    /// What is allowed instead.
    pub allowed: String,
}

type Result<T> = std::result::Result<T, PolicyError>;

/// Bytes of a file that are read at most; the built-in policies have some 2,000.
const TEXT_LEN_MAX: usize = 1 << 20;

const KEYS: [&str; 16] = [
    "name",
    "requirer",
    "title",
    "text",
    "source",
    "minimum",
    "direction",
    "services",
    "names",
    "prefixes",
    "ports",
    "retired",
    "from",
    "deadlines",
    "tls12",
    "tls13",
];
const VERSION_KEYS: [&str; 3] = ["suites", "groups", "signature_algorithms"];
const DEADLINE_KEYS: [&str; 3] = ["date", "what", "source"];

const MINIMA: [Version; 5] =
    [Version::Ssl3, Version::Tls10, Version::Tls11, Version::Tls12, Version::Tls13];

const DIRECTIONS: [(&str, Concerns); 4] = [
    ("any", Concerns::Everyone),
    ("office365", Concerns::Office365),
    ("to-office365", Concerns::ToOffice365),
    ("from-office365", Concerns::FromOffice365),
];

impl Policy {
    /// Reads a policy from the text of a TOML file; docs/policies.md describes its keys.
    ///
    /// # Errors
    ///
    /// When the text is no TOML, has an unknown key, lacks one, or holds a value that means
    /// nothing; with the line and what is allowed.
    pub fn from_toml(text: &str) -> Result<Self> {
        let file = File { text };
        if text.len() > TEXT_LEN_MAX {
            let what = format!("the file has {} bytes", text.len());
            return Err(file.error(0..0, what, format!("{TEXT_LEN_MAX} bytes are the most")));
        }
        let root = DeTable::parse(text).map_err(|error| {
            let what = format!("this is no TOML: {}", error.message());
            let allowed = "a line is a comment, `key = value` or `[table]`".to_owned();
            file.error(error.span().unwrap_or(0..0), what, allowed)
        })?;
        let top = Keys::new(&file, root.get_ref(), root.span(), &KEYS)?;
        top.policy()
    }
}

/// The text that positions refer to.
struct File<'a> {
    text: &'a str,
}

impl File<'_> {
    fn error(&self, at: Range<usize>, what: String, allowed: String) -> PolicyError {
        let before = self.text.as_bytes().get(..at.start).unwrap_or(self.text.as_bytes());
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        PolicyError { line, what, allowed }
    }
}

/// One table of the file, its keys known to be allowed.
struct Keys<'a> {
    file: &'a File<'a>,
    table: &'a DeTable<'a>,
    span: Range<usize>,
}

type Item<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Keys<'a> {
    fn new(
        file: &'a File<'a>,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        allowed: &[&str],
    ) -> Result<Self> {
        let unknown = table.keys().filter(|key| !allowed.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(Self { file, table, span }),
            Some(key) => Err(file.error(
                key.span(),
                format!("unknown key `{}`", key.get_ref()),
                format!("allowed keys are {}", allowed.join(", ")),
            )),
        }
    }

    fn policy(&self) -> Result<Policy> {
        let name = self.name()?;
        let minimum = self.minimum()?;
        let tls12 = self.version_table("tls12")?;
        let tls13 = self.version_table("tls13")?;
        let numbers = |keys: &Option<Keys<'a>>, key, kind| match keys {
            Some(keys) => keys.numbers(key, kind),
            None => Ok(Accepted::Any),
        };
        let policy = Policy {
            requirer: self.text("requirer")?.map_or_else(|| Arc::clone(&name), Arc::from),
            title: self.text("title")?.unwrap_or_default().into(),
            text: self.text("text")?.unwrap_or_default().into(),
            name,
            minimum,
            suites: numbers(&tls12, "suites", &SUITES)?,
            suites13: numbers(&tls13, "suites", &SUITES13)?,
            groups: numbers(&tls12, "groups", &GROUPS)?,
            groups13: numbers(&tls13, "groups", &GROUPS)?,
            signatures: numbers(&tls12, "signature_algorithms", &SIGNATURES)?,
            signatures13: numbers(&tls13, "signature_algorithms", &SIGNATURES)?,
            concerns: self.direction()?,
            scope: self.scope()?,
            retired: self.retired()?,
            since: self.date("from")?,
            deadlines: self.deadlines()?,
            toml: self.file.text.into(),
        };
        self.text("source")?;
        if minimum >= Version::Tls13 && policy.suites13.is_nothing() {
            let at = self.table.get("minimum").map_or_else(|| self.span.clone(), Spanned::span);
            return Err(self.file.error(
                at,
                "minimum TLSv1.3 with no suite of TLS 1.3 lets nobody through".to_owned(),
                "list suites in [tls13], or leave `suites` out to accept all".to_owned(),
            ));
        }
        Ok(policy)
    }

    /// The name: a word, since it names columns, files and options.
    fn name(&self) -> Result<Arc<str>> {
        const NAME_LEN_MAX: usize = 64;
        let allowed = "a name has 1 to 64 letters, digits, `-`, `_` and `.`";
        let item = self.required("name", allowed)?;
        let name = self.as_text("name", item)?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > NAME_LEN_MAX || !name.bytes().all(good) {
            return Err(self.bad(item, format!("`{name}` is no name for a policy"), allowed));
        }
        Ok(name.into())
    }

    fn minimum(&self) -> Result<Version> {
        let allowed = format!("allowed are {}", MINIMA.map(Version::name).join(", "));
        let item = self.required("minimum", &allowed)?;
        let text = self.as_text("minimum", item)?;
        Version::from_name(text)
            .filter(|version| MINIMA.contains(version))
            .ok_or_else(|| self.bad(item, format!("`{text}` is no minimum version"), &allowed))
    }

    fn direction(&self) -> Result<Concerns> {
        let allowed = format!("allowed are {}", DIRECTIONS.map(|(name, _)| name).join(", "));
        let item = self.required("direction", &allowed)?;
        let text = self.as_text("direction", item)?;
        DIRECTIONS
            .into_iter()
            .find_map(|(name, concerns)| (name == text).then_some(concerns))
            .ok_or_else(|| self.bad(item, format!("`{text}` is no direction"), &allowed))
    }

    fn scope(&self) -> Result<Scope> {
        let services = self.list("services", |item, text| {
            Service::from_name(text).ok_or_else(|| {
                let names = Service::ALL.map(Service::name).join(", ");
                self.bad(item, format!("`{text}` is no service"), &format!("allowed are {names}"))
            })
        })?;
        let names = self.list("names", |item, text| match check_pattern(text) {
            Ok(()) => Ok(text.to_ascii_lowercase().into_boxed_str()),
            Err(rule) => {
                let allowed = format!("allowed is {rule}");
                Err(self.bad(item, format!("`{text}` is no pattern of host names"), &allowed))
            }
        })?;
        let prefixes = self.list("prefixes", |item, text| {
            text.parse().map_err(|error: crate::PrefixError| {
                self.bad(
                    item,
                    error.to_string(),
                    "allowed are networks of IPv4 and IPv6 such as 192.0.2.0/24",
                )
            })
        })?;
        Ok(Scope::new(services, names, prefixes, self.ports()?))
    }

    fn retired(&self) -> Result<Vec<Box<str>>> {
        self.list("retired", |item, text| match check_pattern(text) {
            Ok(()) if !text.contains('*') => Ok(text.to_ascii_lowercase().into_boxed_str()),
            _ => {
                let what = format!("`{text}` is no host name");
                Err(self.bad(item, what, "allowed are names in full, such as pop.example.com"))
            }
        })
    }

    fn ports(&self) -> Result<Vec<PortRange>> {
        let items = self.items("ports")?;
        let parse = |item: Item<'a>| {
            let text = match item.get_ref() {
                DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
                DeValue::String(text) => text,
                other => other.type_str(),
            };
            PortRange::parse(text).ok_or_else(|| {
                let allowed = "allowed are ports such as 443 and ranges such as \"50000-59999\"";
                self.bad(item, format!("`{text}` is no port"), allowed)
            })
        };
        items.into_iter().map(parse).collect()
    }

    fn deadlines(&self) -> Result<Vec<Deadline>> {
        let tables = self.items("deadlines")?;
        let parse = |item: Item<'a>| {
            let Some(table) = item.get_ref().as_table() else {
                let allowed = "a deadline is a table: [[deadlines]] with date and what";
                return Err(self.bad(item, "this is no table".to_owned(), allowed));
            };
            let keys = Keys::new(self.file, table, item.span(), &DEADLINE_KEYS)?;
            keys.text("source")?;
            let missing = |key| {
                self.bad(item, format!("the deadline has no `{key}`"), "it needs date and what")
            };
            Ok(Deadline {
                date: keys.date("date")?.ok_or_else(|| missing("date"))?,
                what: keys.text("what")?.ok_or_else(|| missing("what"))?.into(),
            })
        };
        tables.into_iter().map(parse).collect()
    }

    /// A table for the versions that share suites: `tls12` is for TLS 1.2 and below.
    fn version_table(&self, key: &str) -> Result<Option<Self>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        let Some(table) = item.get_ref().as_table() else {
            let allowed = format!("allowed is a table [{key}] with {}", VERSION_KEYS.join(", "));
            return Err(self.bad(item, format!("`{key}` is no table"), &allowed));
        };
        Keys::new(self.file, table, item.span(), &VERSION_KEYS).map(Some)
    }

    /// Registered numbers by name or number; anything is accepted when the key is left out.
    fn numbers(&self, key: &str, kind: &Kind) -> Result<Accepted> {
        if self.table.get(key).is_none() {
            return Ok(Accepted::Any);
        }
        let parse = |item: Item<'a>| {
            let (text, number) = match item.get_ref() {
                DeValue::Integer(number) => {
                    let text = number.as_str();
                    (text, u16::from_str_radix(text, number.radix()).ok())
                }
                DeValue::String(text) => (text.as_ref(), (kind.number_of)(text)),
                other => (other.type_str(), None),
            };
            number.filter(|number| (kind.fits)(*number)).ok_or_else(|| {
                self.bad(item, format!("`{text}` is no {}", kind.what), kind.allowed)
            })
        };
        let list: Result<Vec<u16>> = self.items(key)?.into_iter().map(parse).collect();
        Ok(Accepted::Only(list?))
    }

    fn required(&self, key: &str, allowed: &str) -> Result<Item<'a>> {
        self.table.get(key).ok_or_else(|| {
            let what = format!("the key `{key}` is missing");
            self.file.error(self.span.start..self.span.start, what, allowed.to_owned())
        })
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.table.get(key).map(|item| self.as_text(key, item)).transpose()
    }

    fn as_text(&self, key: &str, item: Item<'a>) -> Result<&'a str> {
        item.get_ref().as_str().ok_or_else(|| {
            let what = format!("`{key}` is {} {}", article(item), item.get_ref().type_str());
            self.bad(item, what, "allowed is text in quotes")
        })
    }

    /// A day, in quotes or as TOML's own date.
    fn date(&self, key: &str) -> Result<Option<Arc<str>>> {
        let Some(item) = self.table.get(key) else { return Ok(None) };
        let text = match item.get_ref() {
            DeValue::Datetime(date) => date.to_string(),
            DeValue::String(text) => text.to_string(),
            other => other.type_str().to_owned(),
        };
        if is_day(&text) {
            return Ok(Some(text.into()));
        }
        Err(self.bad(item, format!("`{text}` is no day"), "allowed are days such as 2018-10-31"))
    }

    fn list<T>(&self, key: &str, parse: impl Fn(Item<'a>, &str) -> Result<T>) -> Result<Vec<T>> {
        let items = self.items(key)?;
        items.into_iter().map(|item| parse(item, self.as_text(key, item)?)).collect()
    }

    fn items(&self, key: &str) -> Result<Vec<Item<'a>>> {
        let Some(item) = self.table.get(key) else { return Ok(Vec::new()) };
        match item.get_ref().as_array() {
            Some(array) => Ok(array.iter().collect()),
            None => {
                let what = format!("`{key}` is {} {}", article(item), item.get_ref().type_str());
                Err(self.bad(item, what, "allowed is a list in square brackets"))
            }
        }
    }

    fn bad(&self, item: Item<'a>, what: String, allowed: &str) -> PolicyError {
        self.file.error(item.span(), what, allowed.to_owned())
    }
}

fn article(item: Item<'_>) -> &'static str {
    match item.get_ref() {
        DeValue::Integer(_) | DeValue::Array(_) => "an",
        _ => "a",
    }
}

/// Whether a text is a day of the calendar, `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    let digits = |part: &str, len: usize| {
        (part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())
            .flatten()
    };
    let mut parts = text.split('-');
    let mut next = |len| parts.next().and_then(|part| digits(part, len));
    let (Some(year), Some(month), Some(day)) = (next(4), next(2), next(2)) else { return false };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return false,
    };
    (1..=days).contains(&day) && parts.next().is_none()
}

/// A registry that a list draws from.
struct Kind {
    what: &'static str,
    allowed: &'static str,
    number_of: fn(&str) -> Option<u16>,
    fits: fn(u16) -> bool,
}

const SUITES: Kind = Kind {
    what: "cipher suite of TLS 1.2 or below",
    allowed: "allowed are IANA names such as TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 and numbers \
              such as 0xC030; those of TLS 1.3 (0x13NN) go to [tls13]",
    number_of: |text| number_of(text, iana::cipher_suite_number),
    fits: |number| number >> 8 != 0x13,
};

const SUITES13: Kind = Kind {
    what: "cipher suite of TLS 1.3",
    allowed: "allowed are IANA names such as TLS_AES_128_GCM_SHA256 and numbers such as 0x1301; \
              those of older versions go to [tls12]",
    number_of: |text| number_of(text, iana::cipher_suite_number),
    fits: |number| number >> 8 == 0x13,
};

const GROUPS: Kind = Kind {
    what: "group",
    allowed: "allowed are IANA names such as x25519, secp256r1 and X25519MLKEM768, and numbers \
              such as 0x001D",
    number_of: |text| number_of(text, iana::group_number),
    fits: |_| true,
};

const SIGNATURES: Kind = Kind {
    what: "signature algorithm",
    allowed: "allowed are IANA names such as rsa_pss_rsae_sha256 and ecdsa_secp256r1_sha256, and \
              numbers such as 0x0804",
    number_of: |text| number_of(text, iana::signature_scheme_number),
    fits: |_| true,
};

fn number_of(text: &str, by_name: fn(&str) -> Option<u16>) -> Option<u16> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        // `from_str_radix` would take a sign.
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u16::from_str_radix(digits, 16).ok()
        }
        _ => by_name(text),
    }
}

#[cfg(test)]
mod tests;

//! Hellos out of cells.
//!
//! An export may leave out columns, give only the first of several values, or come from a capture
//! that was cut. Presence is evidence and absence is none, unless the export shows that nothing
//! can be missing: that decides how far a hello is said to have been read ([`HelloExtent`]).

use std::sync::Arc;

use dissect::{ClientHello, HelloExtent, HelloFormat, Mark, Offer, ServerHello, Version};

use super::columns::{Column, Row};
use super::values::{self, Kind};

/// Bytes of a server name that are kept: four times what DNS allows (RFC 1035 §2.3.4).
const NAME_LEN_MAX: usize = 1024;

/// Entries of a list of a hello: as many as its length field can count.
const ENTRIES_MAX: usize = 32_767;

/// Extensions (IANA TLS ExtensionType Values).
const SUPPORTED_GROUPS: u16 = 10;
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;

/// The `random` of a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A column whose cell is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotANumber(pub(super) Column);

/// All numbers of a cell as 16 bits.
pub(super) fn list(row: &Row, column: Column, kind: Kind) -> Result<Vec<u16>, NotANumber> {
    let numbers = values::numbers(row.text(column), kind).ok_or(NotANumber(column))?;
    let small = numbers.into_iter().map(u16::try_from).collect::<Result<Vec<_>, _>>();
    small.ok().filter(|list| list.len() <= ENTRIES_MAX).ok_or(NotANumber(column))
}

fn bytes(row: &Row, column: Column) -> Result<Vec<u8>, NotANumber> {
    let list = list(row, column, Kind::Plain)?;
    list.into_iter().map(|n| u8::try_from(n).map_err(|_| NotANumber(column))).collect()
}

/// The first number of a cell.
pub(super) fn first(row: &Row, column: Column) -> Result<Option<u64>, NotANumber> {
    let numbers = values::numbers(row.text(column), Kind::Plain).ok_or(NotANumber(column))?;
    Ok(numbers.first().copied())
}

/// An offer of which nothing is certain: it may be of any version.
pub(super) const fn unknown_offer() -> Offer {
    // No hello on the wire has this version.
    Offer::empty(HelloFormat::Tls, 0)
}

/// A ClientHello around an offer; its place is the caller's to fill in.
pub(super) fn hello_of(offer: Offer) -> ClientHello {
    ClientHello {
        offer: Arc::new(offer),
        record_version: 0,
        random: [0; 32],
        session_id_len: 0,
        offers_ticket: false,
        server_name: None,
        at: Mark::default(),
    }
}

/// The name in a cell, unless it is longer than any.
pub(super) fn name<T: for<'a> From<&'a str>>(text: &str) -> Option<T> {
    let name = text.split([',', ';']).next().unwrap_or_default().trim();
    (!name.is_empty() && name != "-" && name.len() <= NAME_LEN_MAX).then(|| name.into())
}

/// The ClientHello of a row; `is_only` when no other hello shares its cells.
pub(super) fn client_hello(row: &Row, is_only: bool) -> Result<ClientHello, NotANumber> {
    let offer = if is_only { offer(row)? } else { unknown_offer() };
    let types = list(row, Column::ExtensionTypes, Kind::Plain)?;
    let lengths = list(row, Column::ExtensionLengths, Kind::Plain)?;
    let is_filled =
        |wanted: u16| types.iter().zip(&lengths).any(|(number, len)| *number == wanted && *len > 0);
    let session_id_len = first(row, Column::SessionIdLength)?;
    let is_sslv2 = offer.format == HelloFormat::SslV2;
    let record = list(row, Column::RecordVersion, Kind::Version)?.first().copied();
    Ok(ClientHello {
        record_version: if is_sslv2 { 0x0002 } else { record.unwrap_or_default() },
        random: values::random(row.text(Column::Random)).unwrap_or_default(),
        session_id_len: session_id_len
            .and_then(|len| u8::try_from(len).ok())
            .filter(|len| *len <= 32)
            .unwrap_or_default(),
        offers_ticket: is_filled(SESSION_TICKET) || is_filled(PRE_SHARED_KEY),
        server_name: name(row.text(Column::ServerName)),
        ..hello_of(offer)
    })
}

fn offer(row: &Row) -> Result<Offer, NotANumber> {
    let ja3 = Ja3::of(row.text(Column::Ja3Full));
    let versions = list(row, Column::Version, Kind::Version)?;
    if versions.len() > 1 {
        // Of another hello, whose type the export left out.
        return Ok(unknown_offer());
    }
    let of_ja3 = || ja3.as_ref().map(|ja3| ja3.version);
    let legacy_version = versions.first().copied().or_else(of_ja3);
    let supported = list(row, Column::SupportedVersions, Kind::Version)?;
    let Some(legacy_version) = legacy_version.or_else(|| (!supported.is_empty()).then_some(0x0303))
    else {
        return Ok(unknown_offer());
    };
    if !row.text(Column::Sslv2Specs).is_empty() {
        return sslv2_offer(row, legacy_version);
    }
    let mut suites = list(row, Column::Suites, Kind::Suite)?;
    let types = list(row, Column::ExtensionTypes, Kind::Plain)?;
    let told_len = first(row, Column::SuitesLength)?;
    let has_told_len = told_len == Some(2 * suites.len() as u64);
    // Exports that give one value a cell have not the whole list of anything.
    let gives_all = suites.len() > 1 || has_told_len;
    let goes_on = !types.is_empty() || !row.text(Column::Compression).is_empty();
    let is_uncut = is_uncut(row)?;
    let mut extent = match () {
        () if suites.is_empty() => HelloExtent::Version,
        () if gives_all && (has_told_len || goes_on || is_uncut) => HelloExtent::Extensions,
        () => HelloExtent::Suites,
    };
    let (mut types, mut groups) = (
        row.knows(Column::ExtensionTypes).then_some(types),
        list(row, Column::Groups, Kind::Group)?,
    );
    let needed = [Column::SupportedVersions, Column::Groups, Column::Signatures];
    let is_whole = extent == HelloExtent::Extensions
        && needed.into_iter().all(|column| row.knows(column))
        && types.is_some()
        && (is_uncut || has_all_extensions(row, types.as_deref().unwrap_or_default())?);
    if is_whole {
        extent = HelloExtent::Whole;
    } else if let Some(ja3) = ja3 {
        suites = ja3.suites;
        types.get_or_insert(ja3.extensions);
        if groups.is_empty() {
            groups = ja3.groups;
        }
        // The string has all types of extensions, and nothing of what is in most.
        extent = match supported.is_empty() {
            true => HelloExtent::Listed,
            false => HelloExtent::Extensions,
        };
    } else if types.is_none() && !groups.is_empty() {
        // The list of groups may have been cut.
        types = Some(vec![SUPPORTED_GROUPS]);
    }
    let has = |wanted: u16| types.as_ref().is_some_and(|types| types.contains(&wanted));
    let signatures = list(row, Column::Signatures, Kind::Plain)?;
    let formats = bytes(row, Column::PointFormats)?;
    // One value of a cell may be one of many.
    let believes_versions = !supported.is_empty() && (gives_all || supported.len() > 1);
    Ok(Offer {
        legacy_version,
        supported_versions: (believes_versions || is_whole && has(SUPPORTED_VERSIONS))
            .then_some(supported),
        cipher_suites: suites,
        compression_methods: bytes(row, Column::Compression)?,
        groups: (!groups.is_empty() || is_whole && has(SUPPORTED_GROUPS)).then_some(groups),
        key_share_groups: list(row, Column::KeyShares, Kind::Group)?,
        signature_algorithms: (!signatures.is_empty()).then_some(signatures),
        ec_point_formats: (!formats.is_empty()).then_some(formats),
        alpn: alpn(row),
        // A hello whose block of extensions is missing tells so by having no length of it.
        extensions: types.filter(|types| !is_whole || !types.is_empty()),
        extent,
        ja3: if is_whole { hash(row.text(Column::Ja3)) } else { None },
        ja4: if is_whole { name(row.text(Column::Ja4)) } else { None },
        ..unknown_offer()
    })
}

/// The offer of a hello in the format of SSL 2.0, whose specs have three bytes.
fn sslv2_offer(row: &Row, legacy_version: u16) -> Result<Offer, NotANumber> {
    let column = Column::Sslv2Specs;
    let specs = values::numbers(row.text(column), Kind::Plain).ok_or(NotANumber(column))?;
    let specs: Vec<u32> = specs
        .into_iter()
        .map(|spec| u32::try_from(spec).map_err(|_| NotANumber(column)))
        .collect::<Result<_, _>>()?;
    let told_len = first(row, Column::SuitesLength)?;
    if told_len != Some(3 * specs.len() as u64) && (specs.len() <= 1 || !is_uncut(row)?) {
        return Ok(unknown_offer());
    }
    let suites = specs.iter().filter_map(|spec| u16::try_from(*spec).ok()).collect();
    Ok(Offer {
        format: HelloFormat::SslV2,
        legacy_version,
        cipher_suites: suites,
        sslv2_ciphers: specs.into_iter().filter(|spec| *spec > 0xffff).collect(),
        extent: HelloExtent::Whole,
        ..unknown_offer()
    })
}

/// Whether the frame was captured whole.
fn is_uncut(row: &Row) -> Result<bool, NotANumber> {
    let (captured, length) = (first(row, Column::CapturedLength)?, first(row, Column::Length)?);
    Ok(captured.zip(length).is_some_and(|(captured, length)| captured >= length))
}

/// Whether the lengths of the extensions add up to that of their block.
fn has_all_extensions(row: &Row, types: &[u16]) -> Result<bool, NotANumber> {
    let lengths = list(row, Column::ExtensionLengths, Kind::Plain)?;
    let Some(block) = first(row, Column::ExtensionsLength)? else { return Ok(false) };
    let sum: u64 = lengths.iter().map(|len| 4 + u64::from(*len)).sum();
    Ok(lengths.len() == types.len() && sum == block)
}

fn alpn(row: &Row) -> Vec<Box<[u8]>> {
    let names = row.text(Column::Alpn).split([',', ';']).map(str::trim);
    names.filter(|name| !name.is_empty()).take(64).map(|name| name.as_bytes().into()).collect()
}

/// The hash of a JA3.
pub(super) fn hash(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut hash = [0; 16];
    for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

/// What a JA3 says before it is hashed. GREASE is left out of it.
struct Ja3 {
    version: u16,
    suites: Vec<u16>,
    extensions: Vec<u16>,
    groups: Vec<u16>,
}

impl Ja3 {
    fn of(text: &str) -> Option<Self> {
        let mut parts = text.trim().trim_matches('"').split(',');
        let mut list = || -> Option<Vec<u16>> {
            let part = parts.next()?;
            part.split('-').filter(|it| !it.is_empty()).map(|it| it.parse().ok()).collect()
        };
        let version = *list()?.first()?;
        let (suites, extensions, groups) = (list()?, list()?, list()?);
        parts.next()?;
        Some(Self { version, suites, extensions, groups })
    }
}

/// A ServerHello of a row.
pub(super) enum Answer {
    Retry,
    Hello(ServerHello),
}

/// The ServerHello of a row; `is_only` when no other hello shares its cells.
pub(super) fn server_hello(row: &Row, is_only: bool) -> Result<Option<Answer>, NotANumber> {
    let random = values::random(row.text(Column::Random)).unwrap_or_default();
    if random == RETRY_RANDOM && is_only {
        return Ok(Some(Answer::Retry));
    }
    let versions = list(row, Column::Version, Kind::Version)?;
    let [legacy_version] = versions[..] else { return Ok(None) };
    if !is_only {
        return Ok(None);
    }
    let types = list(row, Column::ExtensionTypes, Kind::Plain)?;
    let selected_version = list(row, Column::SupportedVersions, Kind::Version)?.first().copied();
    let suites = list(row, Column::Suites, Kind::Suite)?;
    let is_13 = selected_version.and_then(Version::from_wire) == Some(Version::Tls13);
    let curve = if is_13 { Column::KeyShares } else { Column::ServerCurve };
    let is_whole = row.knows(Column::SupportedVersions)
        && (is_uncut(row)? || has_all_extensions(row, &types)?);
    let session_id_len = first(row, Column::SessionIdLength)?;
    Ok(Some(Answer::Hello(ServerHello {
        record_version: list(row, Column::RecordVersion, Kind::Version)?
            .first()
            .copied()
            .unwrap_or(legacy_version),
        legacy_version,
        selected_version,
        random,
        session_id_len: session_id_len
            .and_then(|len| u8::try_from(len).ok())
            .filter(|len| *len <= 32)
            .unwrap_or_default(),
        cipher_suite: suites.first().copied(),
        group: list(row, curve, Kind::Group)?.first().copied(),
        alpn: alpn(row).into_iter().next().filter(|_| !is_13),
        extensions: types.into_iter().collect(),
        extent: match suites.is_empty() {
            true => HelloExtent::Suites,
            false if is_whole => HelloExtent::Whole,
            false => HelloExtent::Extensions,
        },
        at: Mark::default(),
    })))
}

/// A ServerHello of which a program told no more than the version that it selected.
pub(super) fn told_server_hello(version: Version) -> ServerHello {
    let number = values::version_number(version);
    ServerHello {
        record_version: number.min(0x0303),
        legacy_version: number.min(0x0303),
        selected_version: (version >= Version::Tls12 && version <= Version::Tls13)
            .then_some(number),
        random: [0; 32],
        session_id_len: 0,
        cipher_suite: None,
        group: None,
        alpn: None,
        extensions: [].into_iter().collect(),
        extent: HelloExtent::Suites,
        at: Mark::default(),
    }
}

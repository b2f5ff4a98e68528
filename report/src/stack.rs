//! What a client probably is, told from its ClientHello.
//!
//! Each stack has a gate, which it never passes with a version that it can't speak, and traits
//! with points; the most points win, from a threshold on. What no stack reaches stays `unknown`.
//! The traits were read off hellos of known clients (the client simulations of testssl.sh, which
//! come from SSL Labs), and off handshakes of libraries. Invariant: a stack that ends below TLS 1.2 is never named for an offer of
//! TLS 1.2 or better.

mod libraries;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::Arc;

use dissect::{HelloExtent, HelloFormat, Offer, Version, is_grease};

use self::libraries::LIBRARIES;
use self::table::{JA3, STACKS};

/// A family of clients that are mended in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Android up to 4.3.
    AndroidOld,
    /// Android 2 or Java 6, whose hellos are the same.
    AndroidOrJava6,
    /// BearSSL, in devices.
    BearSsl,
    /// Google's BoringSSL: Chrome, Edge, Android.
    BoringSsl,
    /// Chrome before its own library.
    ChromeOld,
    /// GnuTLS.
    GnuTls,
    /// Programs in Go with its own library.
    Go,
    /// Java 6.
    Java6,
    /// Java 7.
    Java7,
    /// Java 8 and later.
    Java,
    /// Lync Phone Edition on Windows CE.
    LyncPhone,
    /// Mbed TLS, in devices.
    MbedTls,
    /// Firefox and others with its library.
    Nss,
    /// Firefox up to 26 and others with its library.
    NssOld,
    /// OpenSSL before 1.0.1.
    OpenSslOld,
    /// OpenSSL from 1.0.1 on.
    OpenSsl,
    /// Opera with its own engine.
    OperaOld,
    /// A printer, scanner or other device that submits mail.
    Printer,
    /// Programs in Rust with rustls.
    Rustls,
    /// Windows 7, Server 2008 R2.
    Schannel7,
    /// Windows 8, Server 2012.
    Schannel8,
    /// Windows 8.1 and later, and any Windows that offers TLS 1.2.
    Schannel,
    /// Windows Vista, Server 2008.
    SchannelVista,
    /// Windows XP, Server 2003.
    SchannelXp,
    /// OS X up to 10.8.
    SecureTransportOld,
    /// OS X from 10.9 on, iOS.
    SecureTransport,
    /// wolfSSL, in devices.
    WolfSsl,
}

/// Whom a hello was sent to, where that tells of the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Setting {
    /// It signs in to, or federates with, Skype for Business or Lync.
    pub is_sip: bool,
    /// It submits mail.
    pub is_mail_submission: bool,
}

/// What a client probably is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stack {
    /// The name in reports, such as `Schannel (Windows 7 or Server 2008 R2)`; `unknown`.
    pub name: &'static str,
    /// The family; `None` when unknown.
    pub family: Option<Family>,
    /// Points of the traits that were found.
    pub score: u32,
    /// The traits that were found, joined by `; `.
    pub evidence: String,
}

/// The name of what can't be told.
pub const UNKNOWN_STACK: &str = "unknown";

impl Stack {
    /// Tells a stack from an offer.
    #[must_use]
    pub fn of(offer: &Offer, setting: Setting) -> Self {
        if offer.extent < HelloExtent::Whole && offer.format == HelloFormat::Tls {
            return Self::unknown("the hello is not whole");
        }
        let look = Look::of(offer);
        let ja3 = offer.ja3.map(hex);
        let known = ja3.as_deref().and_then(|ja3| {
            JA3.iter().find(|(hash, ..)| *hash == ja3).map(|(_, name, of)| (*name, *of))
        });
        let mut best: Option<(u32, &table::Row, String)> = None;
        for row in STACKS.iter().chain(&LIBRARIES).filter(|row| (row.gate)(&look)) {
            let mut score = 0;
            let mut evidence = String::new();
            let mut add = |points: u32, what: &str| {
                score += points;
                let separator = if evidence.is_empty() { "" } else { "; " };
                // Writing to a string can't fail.
                let _ = write!(evidence, "{separator}{what} (+{points})");
            };
            for (points, what, holds) in row.traits {
                if holds(&look) {
                    add(*points, what);
                }
            }
            if let Some((name, _)) = known.filter(|(_, stack)| *stack == row.name) {
                add(JA3_POINTS, &format!("JA3 of {name}"));
            }
            let wins = best.as_ref().is_none_or(|(most, ..)| score > *most);
            if score >= row.threshold && wins {
                best = Some((score, row, evidence));
            }
        }
        match best {
            None => Self::unknown("no traits of a known stack suffice"),
            Some((score, row, evidence)) => {
                Self { name: row.name, family: Some(row.family), score, evidence }.set(setting)
            }
        }
    }

    fn unknown(why: &str) -> Self {
        Self { name: UNKNOWN_STACK, family: None, score: 0, evidence: why.to_owned() }
    }

    /// Takes into account whom the hello was sent to.
    fn set(mut self, setting: Setting) -> Self {
        let because = match self.family {
            Some(Family::SchannelXp) if setting.is_sip => {
                self.name = "Lync phone (Windows CE) or Schannel (Windows XP)";
                self.family = Some(Family::LyncPhone);
                "the hello of Windows XP and CE, sent to a SIP service (+1)"
            }
            Some(Family::OpenSslOld) if setting.is_mail_submission => {
                self.name = "printer or scanner (OpenSSL 0.9.8 or 1.0.0)";
                self.family = Some(Family::Printer);
                "submits mail with a library that devices have (+1)"
            }
            _ => return self,
        };
        self.score += 1;
        self.evidence.push_str("; ");
        self.evidence.push_str(because);
        self
    }
}

/// Points for a JA3 that was taken from the stack itself.
const JA3_POINTS: u32 = 5;

fn hex(hash: [u8; 16]) -> String {
    crate::rows::Hex(&hash).to_string()
}

/// What traits look at: an offer without GREASE.
struct Look<'a> {
    offer: &'a Offer,
    top: Option<Version>,
    suites: Vec<u16>,
    extensions: Vec<u16>,
    groups: &'a [u16],
    has_grease: bool,
}

impl<'a> Look<'a> {
    fn of(offer: &'a Offer) -> Self {
        let real = |list: &[u16]| -> Vec<u16> {
            list.iter().copied().filter(|&number| !is_grease(number)).collect()
        };
        Self {
            offer,
            top: offer.versions().last().copied(),
            suites: real(&offer.cipher_suites),
            extensions: real(offer.extensions.as_deref().unwrap_or_default()),
            groups: offer.groups.as_deref().unwrap_or_default(),
            has_grease: offer.cipher_suites.iter().any(|&suite| is_grease(suite)),
        }
    }

    fn ends_at(&self, version: Version) -> bool {
        self.top.is_some_and(|top| top <= version)
    }

    fn reaches(&self, version: Version) -> bool {
        self.top.is_some_and(|top| top >= version && top <= Version::Tls13)
    }

    fn has(&self, suite: u16) -> bool {
        self.suites.contains(&suite)
    }

    fn has_all(&self, suites: &[u16]) -> bool {
        suites.iter().all(|&suite| self.has(suite))
    }

    fn has_any(&self, suites: &[u16]) -> bool {
        suites.iter().any(|&suite| self.has(suite))
    }

    fn begins(&self, suites: &[u16]) -> bool {
        self.suites.starts_with(suites)
    }

    /// Whether one suite is preferred to another, and both are there.
    fn prefers(&self, one: u16, other: u16) -> bool {
        let place = |wanted| self.suites.iter().position(|&suite| suite == wanted);
        matches!((place(one), place(other)), (Some(one), Some(other)) if one < other)
    }

    fn extends(&self, extension: u16) -> bool {
        self.extensions.contains(&extension)
    }

    /// Whether these are the extensions, in this order, where `server_name` may be missing.
    fn extends_as(&self, list: &[u16]) -> bool {
        let named = |number: &&u16| **number != 0;
        self.extensions.iter().filter(named).eq(list.iter().filter(named))
    }

    fn is_sslv2_format(&self) -> bool {
        self.offer.format == HelloFormat::SslV2
    }

    fn point_formats(&self) -> &[u8] {
        self.offer.ec_point_formats.as_deref().unwrap_or_default()
    }
}

/// Stacks of a run, each told once for an offer.
#[derive(Debug, Default)]
pub(crate) struct StackBook {
    /// By address of the offer, which is held so that nothing else takes its place.
    known: foldhash::HashMap<(usize, Setting), (Arc<Offer>, Arc<Stack>)>,
}

impl StackBook {
    pub(crate) fn of(&mut self, offer: &Arc<Offer>, setting: Setting) -> Arc<Stack> {
        let place = Arc::as_ptr(offer).addr();
        let tell = || (Arc::clone(offer), Arc::new(Stack::of(offer, setting)));
        Arc::clone(&self.known.entry((place, setting)).or_insert_with(tell).1)
    }
}

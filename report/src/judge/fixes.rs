//! What to do about a verdict: plain steps for each cause and stack, put together from sentences
//! that have their sources ([`advice`](super::advice)).

use std::fmt::Write as _;

use dissect::{Coverage, Version};

use super::advice::{
    ANDROID, ANOTHER_REASON, Advice, BETWEEN, BROWSERS, CALLER, CAPPED, DOTNET, EMBEDDED,
    EXCHANGE_SERVER, FIREFOX, GNUTLS_LIMIT, GO_LIMIT, JAVA_6, JAVA_7, JAVA_LIMIT, KEEP_OLD,
    LYNC_PHONE, MIDDLEBOX, OPENSSL, OPENSSL_LIMIT, OS_X, OTHER_SERVER, PRINTER, SCHANNEL_CLIENT,
    SCHANNEL_SERVER, SKYPE_SERVER, UPDATE_OTHERS, WINDOWS_7, WINDOWS_8, WINDOWS_81, WINDOWS_VISTA,
    WINDOWS_XP, WINHTTP, WININET,
};
use super::rules::{Case, Ground, Ruling};
use super::words::put;
use crate::iana;
use crate::judged::{Cause, Direction, Verdict};
use crate::policy::{Accepted, Policy, Way};
use crate::stack::Family;

/// What helps where a text of another program left out what decides.
const RETOLD: &str = "Give the capture itself to `tlsunset analyze`, or export its packets with \
     all fields (`tshark -T ek`) for `tlsunset review`.";

/// What stands before a list that is for every client.
const UNTOLD: &str =
    "The hello does not tell which client this is: of what follows, do what fits it.";

pub(super) fn write_fix(
    out: &mut String,
    case: &Case<'_>,
    ruling: &Ruling,
    family: Option<Family>,
) {
    let is_tls12 = case.policy.minimum == Version::Tls12;
    let minimum = case.policy.minimum;
    match ruling.cause {
        _ if is_outside_offer(case, ruling) => put_all(out, &[CALLER]),
        Some(Cause::ClientTooOld) if is_tls12 => {
            write_untold(out, family);
            put_all(out, client_advice(family));
            put_all(out, &[BETWEEN, KEEP_OLD]);
        }
        Some(Cause::ClientCapped) if is_tls12 => {
            put_all(out, &[CAPPED]);
            write_untold(out, family);
            put_all(out, capped_advice(family));
            put_all(out, &[BETWEEN, KEEP_OLD]);
        }
        Some(Cause::ServerTooOld) if is_tls12 => {
            put_all(out, &[SCHANNEL_SERVER, DOTNET, SKYPE_SERVER, EXCHANGE_SERVER, OTHER_SERVER]);
            let suites = names_of(&case.policy.suites, |it| iana::CipherSuite(it).to_string());
            if ruling.ground == Ground::RefusedThough && !suites.is_empty() {
                put!(
                    out,
                    " Where the server speaks TLS 1.2 already, allow at least one of these suites \
                     there: {}.",
                    suites.join(", ")
                );
            }
            put_all(out, &[BETWEEN, KEEP_OLD]);
        }
        Some(Cause::ClientTooOld) => {
            put!(out, "Update or replace the client so that it offers {minimum}.");
        }
        Some(Cause::ClientCapped) => {
            put!(out, "Lift the setting that keeps the client below {minimum}, or update it.");
        }
        Some(Cause::ServerTooOld) => {
            put!(out, "Update the server so that it selects {minimum}.");
        }
        Some(Cause::NoCommonSuite) if case.way == Some(Way::NoSignature) => {
            write_fix_numbers(out, "signature algorithms", &signature_names(case.policy));
        }
        Some(Cause::NoCommonSuite) if case.lacks_group_in().is_some() => {
            write_fix_numbers(out, "groups", &group_names(case.policy));
        }
        Some(Cause::NoCommonSuite) => write_fix_numbers(out, "suites", &suite_names(case.policy)),
        Some(Cause::NoCommonGroup) => write_fix_numbers(out, "groups", &group_names(case.policy)),
        Some(Cause::Middlebox) => put_all(out, &[MIDDLEBOX]),
        None if ruling.verdict == Verdict::Unknown => write_fix_unknown(out, case, ruling),
        None => {}
    }
}

/// Whether the offer that falls short is nobody's inside: it came from an address of Office 365.
pub(super) fn is_outside_offer(case: &Case<'_>, ruling: &Ruling) -> bool {
    let is_short = match ruling.ground {
        Ground::OfferFails | Ground::OfferTooLowToTell => true,
        Ground::MarkClearsServer => case.is_offer_low(),
        _ => false,
    };
    let is_from = case.direction == Direction::FromOffice365;
    is_short && is_from && case.policy.minimum == Version::Tls12
}

/// Says of a client that is not known that it isn't.
fn write_untold(out: &mut String, family: Option<Family>) {
    if family.is_none() {
        let gap = if out.is_empty() { "" } else { " " };
        put!(out, "{gap}{UNTOLD}");
    }
}

fn put_all(out: &mut String, sentences: &[Advice]) {
    for sentence in sentences {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(sentence.text);
    }
}

/// What brings a client of this family to TLS 1.2.
const fn client_advice(family: Option<Family>) -> &'static [Advice] {
    match family {
        Some(Family::SchannelXp) => &[WINDOWS_XP],
        Some(Family::SchannelVista) => &[WINDOWS_VISTA],
        Some(Family::Schannel7) => &[WINDOWS_7, SCHANNEL_CLIENT, WINHTTP, DOTNET, WININET],
        Some(Family::Schannel8) => &[WINDOWS_8, WINHTTP, DOTNET, SCHANNEL_CLIENT],
        Some(Family::Schannel) => &[WINDOWS_81, SCHANNEL_CLIENT, DOTNET],
        Some(Family::Java6) => &[JAVA_6],
        Some(Family::Java7) => &[JAVA_7],
        Some(Family::AndroidOld) => &[ANDROID],
        Some(Family::AndroidOrJava6) => &[ANDROID, JAVA_6],
        Some(Family::OpenSslOld) => &[OPENSSL],
        Some(Family::SecureTransportOld) => &[OS_X],
        Some(Family::NssOld) => &[FIREFOX],
        Some(Family::ChromeOld | Family::OperaOld) => &[BROWSERS],
        Some(Family::LyncPhone) => &[LYNC_PHONE, WINDOWS_XP],
        Some(Family::Printer) => &[PRINTER, OPENSSL],
        Some(Family::Java) => &[JAVA_LIMIT, UPDATE_OTHERS],
        Some(Family::OpenSsl) => &[OPENSSL_LIMIT, UPDATE_OTHERS],
        Some(Family::Go) => &[GO_LIMIT],
        Some(Family::GnuTls) => &[GNUTLS_LIMIT, UPDATE_OTHERS],
        Some(Family::BearSsl | Family::MbedTls | Family::WolfSsl) => &[EMBEDDED],
        Some(Family::BoringSsl | Family::Nss | Family::Rustls | Family::SecureTransport) => {
            &[UPDATE_OTHERS]
        }
        None => &[
            WINDOWS_7,
            SCHANNEL_CLIENT,
            WINHTTP,
            DOTNET,
            JAVA_7,
            OPENSSL,
            ANDROID,
            PRINTER,
            UPDATE_OTHERS,
        ],
    }
}

/// What lifts the limit from a client of this family that knows TLS 1.2.
const fn capped_advice(family: Option<Family>) -> &'static [Advice] {
    match family {
        None => &[WINHTTP, SCHANNEL_CLIENT, DOTNET, JAVA_7, UPDATE_OTHERS],
        family => client_advice(family),
    }
}

/// Numbers that a policy lists for TLS 1.3 and below, by name.
fn names(newer: &Accepted, older: &Accepted, name: impl Fn(u16) -> String) -> Vec<String> {
    let mut names = Vec::new();
    for &number in newer.listed().iter().chain(older.listed()) {
        let name = name(number);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Numbers that a policy lists for TLS 1.2 and below, by name.
fn names_of(older: &Accepted, name: impl Fn(u16) -> String) -> Vec<String> {
    older.listed().iter().map(|&number| name(number)).collect()
}

fn suite_names(policy: &Policy) -> Vec<String> {
    names(&policy.suites13, &policy.suites, |number| iana::CipherSuite(number).to_string())
}

fn group_names(policy: &Policy) -> Vec<String> {
    // Of groups nobody minds the order; by number they are found.
    let sorted = |accepted: &Accepted| {
        let mut groups = accepted.listed().to_vec();
        groups.sort_unstable();
        Accepted::Only(groups)
    };
    let (newer, older) = (sorted(&policy.groups13), sorted(&policy.groups));
    names(&newer, &older, |number| iana::Group(number).to_string())
}

fn signature_names(policy: &Policy) -> Vec<String> {
    names(&policy.signatures13, &policy.signatures, |number| {
        iana::signature_scheme(number).map_or_else(|| format!("{number:#06x}"), str::to_owned)
    })
}

fn write_fix_numbers(out: &mut String, what: &str, names: &[String]) {
    put!(
        out,
        "Allow at least one of these {what} in the client's TLS settings, or update its TLS "
    );
    put!(out, "library: {}.", names.join(", "));
}

fn write_fix_unknown(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    match ruling.ground {
        Ground::RefusedThough | Ground::AbortedLater => {
            put_all(out, &[ANOTHER_REASON]);
            return;
        }
        Ground::MarkClearsServer => {
            put_all(out, &[MIDDLEBOX]);
            return;
        }
        _ => {}
    }
    if case.gist.is_retold && !case.gist.coverage.is_complete() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(RETOLD);
        return;
    }
    let advice = [
        (Coverage::MIDSTREAM, "Begin the capture before the connection."),
        (Coverage::CLIENT_SIDE_MISSING, "Capture both directions; the client's is missing."),
        (Coverage::SERVER_SIDE_MISSING, "Capture both directions; the server's is missing."),
        (Coverage::GAP, "Look for packets that the capture or the mirror port lost."),
        (Coverage::TRUNCATED, "Capture whole packets (snap length 0)."),
        (Coverage::EVICTED, "Give the analysis more memory (--memory)."),
    ];
    for (part, text) in advice {
        if case.gist.coverage.contains(part) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::advice::ALL;
    use crate::sources::linked;

    /// docs/fixes.md as the sentences make it.
    fn table() -> String {
        let mut text = String::from(HEAD);
        for (name, advice) in ALL {
            let cell = |text: &str| text.replace('|', "\\|");
            text.push_str(&format!(
                "| {} | {} | {} |\n",
                name.to_lowercase(),
                cell(advice.text),
                cell(&linked(advice.source))
            ));
        }
        text
    }

    const HEAD: &str = "\
# What fixes say, and where it comes from

The column `fix` is put together from these sentences, by cause and stack; a test holds this table and
the program together. Where the hello does not tell which client sent it, the fix says so and goes
through the common ones. Beside them a fix may list what the policy accepts (`tlsunset policy show`
names the policy's sources), name the version that it requires or a name that goes away, and where a
verdict is `unknown` it says what the capture lacks.

| sentence | text | source |
|---|---|---|
";

    #[test]
    fn every_sentence_has_its_source_in_the_documentation() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/fixes.md");
        if std::env::var_os("TLSUNSET_WRITE_DOCS").is_some() {
            std::fs::write(path, table()).expect("docs/fixes.md can be written");
        }
        let written = std::fs::read_to_string(path).expect("docs/fixes.md is there");
        assert_eq!(written, table(), "run with TLSUNSET_WRITE_DOCS=1 to write it anew");
        for (name, advice) in ALL {
            assert!(advice.text.ends_with('.'), "{name}");
            assert!(linked(advice.source).contains("](https://"), "{name} has no link");
        }
    }
}

//! What to do about a verdict: plain steps for each cause.

use std::fmt::Write as _;

use dissect::{Coverage, Version};

use super::rules::{Case, Ground, Ruling};
use super::words::put;
use crate::judged::{Cause, Verdict};
use crate::policy::Policy;

pub(super) fn write_fix(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    let is_tls12 = case.policy.minimum == Version::Tls12;
    let minimum = case.policy.minimum;
    match ruling.cause {
        Some(Cause::ClientTooOld) if is_tls12 => out.push_str(FIX_CLIENT_TOO_OLD),
        Some(Cause::ClientCapped) if is_tls12 => out.push_str(FIX_CLIENT_CAPPED),
        Some(Cause::ServerTooOld) if is_tls12 => out.push_str(FIX_SERVER_TOO_OLD),
        Some(Cause::ClientTooOld) => {
            put!(out, "Update or replace the client so that it offers {minimum}.");
        }
        Some(Cause::ClientCapped) => {
            put!(out, "Lift the setting that keeps the client below {minimum}.");
        }
        Some(Cause::ServerTooOld) => {
            put!(out, "Update the server so that it selects {minimum}.");
        }
        Some(Cause::NoCommonSuite) => write_fix_numbers(out, case, "suites", |policy| {
            policy.suites13.listed().iter().chain(policy.suites.listed()).copied().collect()
        }),
        Some(Cause::NoCommonGroup) => write_fix_numbers(out, case, "groups", |policy| {
            let mut groups: Vec<u16> =
                policy.groups13.listed().iter().chain(policy.groups.listed()).copied().collect();
            groups.sort_unstable();
            groups.dedup();
            groups
        }),
        Some(Cause::Middlebox) => out.push_str(FIX_MIDDLEBOX),
        None if ruling.verdict == Verdict::Unknown => write_fix_unknown(out, case, ruling),
        None => {}
    }
}

fn write_fix_numbers(
    out: &mut String,
    case: &Case<'_>,
    what: &str,
    numbers: impl Fn(&Policy) -> Vec<u16>,
) {
    put!(
        out,
        "Allow at least one of these {what} in the client's TLS settings, or \
         update its TLS library:"
    );
    for number in numbers(case.policy) {
        put!(out, " 0x{number:04X}");
    }
    out.push('.');
}

fn write_fix_unknown(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    match ruling.ground {
        Ground::RefusedThough | Ground::AbortedLater => {
            out.push_str(FIX_ANOTHER_REASON);
            return;
        }
        Ground::MarkClearsServer => {
            out.push_str(FIX_MIDDLEBOX);
            return;
        }
        _ => {}
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
        if case.facts.coverage.contains(part) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(text);
        }
    }
}

// Sources: "Preparing for TLS 1.2 in Office 365 and Office 365 GCC", "Enable support for TLS 1.2
// in your environment for Microsoft Entra TLS 1.1 and 1.0 deprecation" and KB3140245 of Microsoft
// for Windows and .NET; the release notes of Java and OpenSSL for their defaults; "Disable TLS
// 1.0/1.1 in Skype for Business Server 2015" and the Exchange TLS guidance for server versions.

const FIX_CLIENT_TOO_OLD: &str = "Bring the client to TLS 1.2. Windows 7, 8, Server 2008 R2 and \
    2012: install KB3140245, set DefaultSecureProtocols to 0xA00 for WinHTTP, and enable TLS 1.2 \
    under SCHANNEL\\Protocols\\TLS 1.2\\Client. .NET: SchUseStrongCrypto=1 and \
    SystemDefaultTlsVersions=1. Java: 8 or later, or jdk.tls.client.protocols=TLSv1.2 on 7. \
    OpenSSL: 1.0.1 or later. Printers and phones: firmware, if there is one. Replace what can't \
    learn it: Windows XP, Vista and Server 2003, Android up to 4.3, Lync Phone Edition.";

const FIX_CLIENT_CAPPED: &str = "The software knows TLS 1.2 but is set to less; lift the limit. \
    WinHTTP (Outlook, Office, Skype for Business): KB3140245 and DefaultSecureProtocols=0xA00. \
    Schannel: Enabled=1 and DisabledByDefault=0 under SCHANNEL\\Protocols\\TLS 1.2\\Client. .NET: \
    SchUseStrongCrypto=1 and SystemDefaultTlsVersions=1, and no fixed SecurityProtocol in the \
    program. Java 7: jdk.tls.client.protocols=TLSv1.2. Otherwise look for the program's own \
    setting.";

const FIX_SERVER_TOO_OLD: &str = "Bring the server to TLS 1.2: enable it under \
    SCHANNEL\\Protocols\\TLS 1.2\\Server. Skype for Business Server 2015 needs CU6 HF2 \
    (6.0.9319.516) or later, Lync Server 2013 the July 2018 update, Exchange 2010 SP3 RU19, 2013 \
    CU19 or 2016 CU8. Look also at gateways and load balancers that end TLS for it.";

const FIX_MIDDLEBOX: &str = "Find what answers or interferes on the way: a proxy, TLS inspection, \
    a firewall or a load balancer. Exempt this traffic from inspection, or bring the device to \
    TLS 1.2 and later.";

const FIX_ANOTHER_REASON: &str = "Versions and suites are not the obstacle; look at certificates, \
    the name asked for, and proxies or firewalls on the way.";

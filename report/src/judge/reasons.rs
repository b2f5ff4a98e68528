//! Sentences that tell why a verdict is what it is: one for each ground of a ruling.

use std::fmt::Write as _;

use dissect::{Coverage, EndKind, HelloExtent, Protocol, PseudoTls, RefusalKind, Side, Version};

use super::fixes::is_outside_offer;
use super::rules::{Capped, Case, Ground, Ruling};
use super::words::put;
use crate::iana::{AlertDescription, CipherSuite};
use crate::judged::{Cause, Direction, Verdict};
use crate::names;
use crate::policy::{Undecided, Way};

/// Says why the verdict is what it is.
pub(super) fn write_reason(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    let minimum = case.policy.minimum;
    match ruling.ground {
        Ground::NotConcerned => write_not_concerned(out, case),
        Ground::Dtls => out.push_str("DTLS carries media here, which the policy leaves alone"),
        Ground::Quic => out.push_str("QUIC has TLSv1.3 and nothing older"),
        Ground::PseudoTls => put!(
            out,
            "only looks like TLS: {} that opens a media relay's connection",
            imitation(case)
        ),
        Ground::PseudoTlsIntercepted => put!(
            out,
            "{} was answered by a certificate: something on the way ends TLS where the media relay \
             should answer",
            imitation(case)
        ),
        Ground::OfferFails => write_offer_fails(out, case, ruling),
        Ground::OfferPasses => write_offer_passes(out, case),
        Ground::OfferUndecided(why) => write_offer_undecided(out, case, why),
        Ground::RefusedThough => write_refused_though(out, case, ruling),
        Ground::AbortedLater => {
            put!(
                out,
                "refused for another reason: {} was selected, which is enough, \
                 and then the handshake was given up",
                selected(case)
            );
            write_alert_after(out, case);
        }
        Ground::Retry => {
            write_offer(out, case);
            put!(
                out,
                "; a retry within 60 s of a hello that reaches {minimum} and was \
                 refused or not answered: somebody on the way refuses the higher hello"
            );
            write_answer(out, case);
        }
        Ground::RetryUnsure => {
            write_offer(out, case);
            put!(
                out,
                "; another hello of it came within 60 s before, and whether that one reached \
                 {minimum} and failed is not known"
            );
            write_answer(out, case);
        }
        Ground::NothingSeen => write_nothing_seen(out, case),
        _ => write_choice(out, case, ruling),
    }
}

/// The reasons that rest on what the server selected.
fn write_choice(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    let who = &case.policy.requirer;
    let minimum = case.policy.minimum;
    match ruling.ground {
        Ground::ServerChoseLess if ruling.cause == Some(Cause::Middlebox) => {
            write_offer(out, case);
            put!(
                out,
                "; {} was selected where {who} would select {minimum} or better: \
                 somebody else answers",
                selected(case)
            );
            write_strangeness(out, case);
            write_abort(out, case);
        }
        Ground::ServerChoseLess => {
            put!(out, "the server selected {} although ", selected(case));
            write_offered(out, case);
            put!(out, " was offered; {who} requires {minimum}");
            write_mail(out, ruling);
        }
        Ground::OfferTooLowToTell => {
            write_offer(out, case);
            put!(out, "; too little to show whether the server could select {minimum}");
        }
        Ground::ServerChoseEnough => {
            put!(out, "the server selected {}, which {who} accepts", selected(case))
        }
        Ground::ServerChoseOutside => write_chose_outside(out, case),
        Ground::ChoiceProves => {
            put!(
                out,
                "the server selected {}, which {who} accepts and which the client \
                 must have offered; ",
                selected(case)
            );
            write_unseen(out, case, "the ClientHello was not seen whole");
        }
        Ground::MarkBlamesClient => {
            put!(
                out,
                "the server selected {} and its random carries the downgrade mark \
                 of RFC 8446: it could do better and the client offered no more; {who} requires \
                 {minimum}",
                selected(case)
            );
            write_capped(out, case, ruling);
            write_mail(out, ruling);
        }
        Ground::MarkClearsServer => {
            put!(
                out,
                "the server selected {}, but its random carries the downgrade mark \
                 of RFC 8446: it could do better than the hello that reached it asked for; ",
                selected(case)
            );
            if case.is_offer_low() {
                out.push_str("no more was offered");
            } else {
                write_unseen(out, case, "no hello that low was seen");
            }
        }
        Ground::ServerSideOnly => {
            put!(
                out,
                "the server selected {}, but whether more was offered is not known: ",
                selected(case)
            );
            write_unseen(out, case, "the ClientHello was not captured");
        }
        Ground::ServerHelloCut => {
            out.push_str("the part of the ServerHello that decides was not captured: ");
            write_unseen(out, case, "it is cut");
        }
        Ground::ServerUnseen => {
            put!(out, "the server's choice decides and was not seen: ");
            write_unseen(out, case, "no ServerHello was captured");
        }
        ground => debug_assert!(false, "{ground:?} rests on something else"),
    }
}

/// A name that is no endpoint may hide one. A decoy looks the same, and most browsers send one.
pub(super) fn write_hidden_name(out: &mut String, case: &Case<'_>) {
    let offers_ech = case.gist.offer.and_then(dissect::Offer::offers_ech);
    if offers_ech == Some(true) && case.gist.names_server {
        out.push_str(
            "; Encrypted ClientHello is offered: the name may be the one of a front, with the \
             service's own encrypted behind it",
        );
    }
}

fn write_not_concerned(out: &mut String, case: &Case<'_>) {
    match case.direction {
        _ if !case.in_scope => {
            out.push_str("the policy is about other services, names, networks or ports");
        }
        Direction::Other => {
            put!(out, "neither end is {}", case.policy.requirer);
        }
        direction => {
            put!(out, "the policy is not about connections {}", direction.name());
        }
    }
}

const fn imitation(case: &Case<'_>) -> &'static str {
    match case.gist.protocol {
        Protocol::PseudoTls(PseudoTls::Google) => "the imitated handshake (Google ssltcp)",
        Protocol::PseudoTls(PseudoTls::Skype) => "the imitated handshake (Skype)",
        _ => "the imitated handshake (MS-TURN)",
    }
}

/// `offers at most TLSv1.0`.
fn write_offer(out: &mut String, case: &Case<'_>) {
    match (case.gist.offered_max(), case.gist.offered_top()) {
        (Some(top), _) => put!(out, "offers at most {top}"),
        (None, Some(top)) => put!(out, "offers {top} or more"),
        (None, None) if is_cut(case) => {
            out.push_str("offers versions that are not known (the ClientHello is cut before them)");
        }
        (None, None) => out.push_str("offers no version of TLS"),
    }
}

/// `TLSv1.2`, as an object.
fn write_offered(out: &mut String, case: &Case<'_>) {
    match (case.gist.offered_max(), case.gist.offered_top()) {
        (Some(top), _) => put!(out, "{top}"),
        (None, Some(top)) => put!(out, "{top} or more"),
        (None, None) => out.push_str("nothing"),
    }
}

/// Whether bytes at the end of the hello are missing.
fn is_cut(case: &Case<'_>) -> bool {
    case.gist.offer.is_some_and(|offer| offer.extent < HelloExtent::Whole)
}

fn write_offer_fails(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    let who = &case.policy.requirer;
    if is_outside_offer(case, ruling) {
        out.push_str("the caller at an address of Office 365 ");
    }
    write_offer(out, case);
    match (case.way, case.lacks_group_in()) {
        (Some(Way::NoSuite), Some(version)) => {
            put!(
                out,
                ", but none of the groups that {who} accepts in {version}, and none of the suites \
                 that it accepts in another version"
            );
        }
        (Some(Way::NoSuite), None) => {
            put!(out, ", but none of the suites that {who} accepts from then on");
        }
        (Some(Way::NoGroup), _) => {
            put!(out, " with ECDHE, but none of the groups that {who} accepts")
        }
        (Some(Way::NoSignature), _) => {
            put!(out, ", but none of the signature algorithms that {who} accepts")
        }
        _ => put!(out, "; {who} requires {}", case.policy.minimum),
    }
    write_capped(out, case, ruling);
    write_answer(out, case);
    write_mail(out, ruling);
}

fn write_capped(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    if ruling.cause != Some(Cause::ClientCapped) {
        return;
    }
    let minimum = case.policy.minimum;
    match case.capped() {
        Some(Capped::Suites) => {
            out.push_str("; its suites include some that exist in TLSv1.2 and later only");
        }
        Some(Capped::Extensions) => {
            out.push_str("; its extensions include some that came with TLSv1.2 or later");
        }
        Some(Capped::Elsewhere) => {
            put!(out, "; the same host offers {minimum} or better elsewhere");
        }
        None => {}
    }
}

/// What the server said to the offer.
fn write_answer(out: &mut String, case: &Case<'_>) {
    if let Some(kind) = case.gist.refusal {
        out.push_str("; refused ");
        write_refusal(out, kind);
    } else if let Some(version) = case.gist.negotiated() {
        put!(out, "; today {version} is selected");
    } else if case.gist.hello_retried {
        out.push_str("; answered by a HelloRetryRequest");
    } else if is_answered_in_clear(case) {
        out.push_str("; answered in the clear, by something that is no TLS");
    } else if case.gist.answer.is_none() {
        out.push_str("; no answer was seen");
    }
}

/// Whether something else than TLS answered: neither ServerHello nor refusal came, and no byte of
/// the server's is missing.
fn is_answered_in_clear(case: &Case<'_>) -> bool {
    let gist = &case.gist;
    gist.answer.is_none()
        && !gist.hello_retried
        && gist.coverage.is_complete()
        && gist.refusal.is_none()
}

fn write_refusal(out: &mut String, kind: RefusalKind) {
    match kind {
        RefusalKind::Alert(description) => {
            put!(out, "by alert {}", AlertDescription(description));
        }
        RefusalKind::Reset => out.push_str("by RST"),
        RefusalKind::Close => out.push_str("by FIN"),
    }
}

fn write_mail(out: &mut String, ruling: &Ruling) {
    if ruling.verdict == Verdict::Degrades {
        out.push_str("; mail between servers goes on in cleartext unless a connector requires TLS");
    }
}

fn write_offer_passes(out: &mut String, case: &Case<'_>) {
    write_offer(out, case);
    put!(out, "; version, suite and group are shared with {}", case.policy.requirer);
    write_shadow(out, case);
    if let Some(name) = case.foreign_certificate {
        put!(
            out,
            "; warning: {}: who shows it speaks to {} with a hello of its own, which was not seen",
            names::foreign_certificate_words(name),
            case.policy.requirer
        );
    }
    if is_answered_in_clear(case) {
        out.push_str("; answered in the clear, by something that is no TLS");
    } else if case.gist.hello_retried && case.gist.answer.is_none() {
        out.push_str("; answered by a HelloRetryRequest, and the ServerHello is not needed");
    } else if case.gist.answer.is_none() {
        out.push_str("; the server's answer was not seen and is not needed");
    } else if case.gave_up() {
        let who = &case.policy.requirer;
        put!(out, "; {} was selected, which {who} would not, and given up", selected(case));
        write_alert_after(out, case);
    }
}

/// The better version in which nothing is shared, if there is one.
fn write_shadow(out: &mut String, case: &Case<'_>) {
    if let Some(Way::Through { shadowed_by: Some(version) }) = case.way {
        put!(
            out,
            "; warning: {version} is offered too but shares nothing, and servers \
             that speak {version} choose it first"
        );
    }
}

fn write_offer_undecided(out: &mut String, case: &Case<'_>, why: Undecided) {
    let who = &case.policy.requirer;
    match why {
        Undecided::NoGroupsExtension => put!(
            out,
            "only ECDHE suites are shared with {who}, and the hello has no supported_groups: the \
             choice is the server's"
        ),
        Undecided::Cut => {
            out.push_str("the part of the ClientHello that decides was not captured: ");
            write_unseen(out, case, "the hello is cut");
        }
    }
    if let Some(kind) = case.gist.refusal {
        out.push_str("; refused ");
        write_refusal(out, kind);
    }
}

fn write_refused_though(out: &mut String, case: &Case<'_>, ruling: &Ruling) {
    let who = &case.policy.requirer;
    let by_server = ruling.cause == Some(Cause::ServerTooOld);
    if by_server {
        put!(out, "the server refused what {who} offers");
    } else {
        out.push_str("refused for another reason");
    }
    out.push_str(" (");
    if let Some(kind) = case.gist.refusal {
        write_refusal(out, kind);
    }
    out.push_str("): ");
    write_offer(out, case);
    let minimum = case.policy.minimum.name().replace("TLSv", "TLS ");
    put!(out, "; the offer satisfies {who}'s {minimum} policy");
    write_shadow(out, case);
    write_mail(out, ruling);
}

fn write_abort(out: &mut String, case: &Case<'_>) {
    if case.gist.established == Some(false) {
        out.push_str("; the handshake was given up");
        write_alert_after(out, case);
    }
}

fn write_alert_after(out: &mut String, case: &Case<'_>) {
    let side = |side| if side == Side::Client { "client" } else { "server" };
    if let Some((from, description)) = case.gist.fatal {
        put!(out, " by the {}, alert {}", side(from), AlertDescription(description));
    } else if let Some((by, kind)) = case.gist.end {
        let kind = if kind == EndKind::Reset { "RST" } else { "FIN" };
        put!(out, " by the {}, {kind}", side(by));
    }
}

/// What else shows that the service itself did not answer, or not to this hello.
fn write_strangeness(out: &mut String, case: &Case<'_>) {
    let who = &case.policy.requirer;
    if case.is_marked_down() {
        out.push_str(
            "; its random carries the downgrade mark of RFC 8446, so the hello that reached the \
             server asked for less: it was changed on the way",
        );
    }
    if let Some((chosen, better)) = case.preferred_instead() {
        let [chosen, better] = [chosen, better].map(CipherSuite);
        put!(out, "; {chosen} was selected although {better} was offered, which {who} prefers");
    }
    if let Some(name) = case.foreign_certificate {
        put!(out, "; {}", names::foreign_certificate_words(name));
    }
}

fn write_chose_outside(out: &mut String, case: &Case<'_>) {
    let who = &case.policy.requirer;
    put!(out, "the server selected {}, which is none of {who}'s", selected(case));
    if case.direction == Direction::FromOffice365 || case.gist.offer.is_some() {
        out.push_str("; it may hold others");
    } else {
        out.push_str("; what else the client offers was not captured: ");
        write_unseen(out, case, "the ClientHello is missing");
    }
}

fn write_nothing_seen(out: &mut String, case: &Case<'_>) {
    let coverage = case.gist.coverage;
    if coverage.is_complete() {
        out.push_str("the client sent no ClientHello before the connection ended");
        if let Some((from, description)) = case.gist.fatal {
            let side = if from == Side::Client { "client" } else { "server" };
            put!(out, "; the {side} sent alert {}", AlertDescription(description));
        }
        return;
    }
    let what = if coverage.contains(Coverage::MIDSTREAM) {
        "the capture begins after the handshake, so that neither ClientHello nor ServerHello was \
         seen: "
    } else {
        "neither ClientHello nor ServerHello was captured: "
    };
    out.push_str(what);
    write_unseen(out, case, "no handshake");
    if let Some(kind) = case.gist.refusal {
        out.push_str("; the server refused ");
        write_refusal(out, kind);
    }
}

/// The parts of the coverage that are missing, or what to say when it is complete.
fn write_unseen(out: &mut String, case: &Case<'_>, otherwise: &str) {
    let mut names = case.gist.coverage.names().peekable();
    if names.peek().is_none() {
        out.push_str(otherwise);
        return;
    }
    out.push_str("coverage is ");
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push('+');
        }
        out.push_str(name);
    }
}

/// The server's choice, such as `TLSv1.2 with suite TLS_RSA_WITH_AES_128_GCM_SHA256`.
fn selected(case: &Case<'_>) -> Selected {
    let version = case.gist.negotiated();
    let is_enough = version.is_some_and(|version| version >= case.policy.minimum);
    let suite = case.gist.answer.and_then(|answer| answer.suite).filter(|_| is_enough);
    Selected { version: case.gist.proven(), suite }
}

struct Selected {
    version: Option<Version>,
    suite: Option<u16>,
}

impl std::fmt::Display for Selected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.version, self.suite) {
            (Some(version), Some(suite)) => {
                write!(f, "{version} with suite {}", CipherSuite(suite))
            }
            (Some(version), None) => write!(f, "{version}"),
            (None, _) => f.write_str("an unknown version"),
        }
    }
}

//! Verdicts, causes and coverage in words for people who read one report in their life.

use crate::{Bucket, Cause, Verdict};

/// A verdict on hosts, as a predicate of them: `9 break`.
pub(super) const fn verdict_title(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Breaks => "break",
        Verdict::FailsToday => "fail today",
        Verdict::AtRisk => "at risk",
        Verdict::Degrades => "degrade",
        Verdict::Unknown => "unknown",
        Verdict::Passes => "pass",
        Verdict::Unaffected => "unaffected",
        Verdict::OutOfScope => "out of scope",
    }
}

pub(super) const fn verdict_meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Breaks => "work today, or were seen trying, and can't after the switch",
        Verdict::FailsToday => "are refused already, today",
        Verdict::AtRisk => "get an old version from somebody on the way who should not choose it",
        Verdict::Degrades => "fall back to cleartext instead of failing",
        Verdict::Unknown => "could not be judged: the deciding bytes were not captured",
        Verdict::Passes => "work today and after the switch",
        Verdict::Unaffected => "only look like TLS, or use QUIC",
        Verdict::OutOfScope => "do nothing that the policy is about",
    }
}

pub(super) const fn cause_title(cause: Option<Cause>) -> &'static str {
    match cause {
        Some(Cause::ClientTooOld) => "The client is too old, or is set to old versions",
        Some(Cause::ClientCapped) => "The client could do more, but something holds it back",
        Some(Cause::ServerTooOld) => "The server selects too old a version",
        Some(Cause::NoCommonSuite) => "No cipher suite in common",
        Some(Cause::NoCommonGroup) => "No key exchange group in common",
        Some(Cause::Middlebox) => "A device on the way interferes",
        None => "No single cause",
    }
}

pub(super) const fn bucket_meaning(bucket: Bucket) -> &'static str {
    match bucket {
        Bucket::Complete => "everything that decides was captured",
        Bucket::Midstream => "the capture begins after the handshake",
        Bucket::ClientSideMissing => "nothing that the client sent was captured",
        Bucket::ServerSideMissing => "nothing that the server sent was captured",
        Bucket::Gap => "packets are missing",
        Bucket::Truncated => "the snap length cut what decides",
        Bucket::Evicted => "given up to stay below the memory ceiling",
    }
}

/// Sentences of a fix, one by one. Only a full stop before a capital, a bracket or a dot ends one,
/// so that versions stay whole.
pub(super) fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(place) = rest.get(from..).and_then(|tail| tail.find(". ")) {
        let (end, next) = (from + place + 1, from + place + 2);
        let begins = |c: char| c.is_uppercase() || c == '.' || c == '(';
        if rest.get(next..).is_some_and(|tail| tail.starts_with(begins)) {
            sentences.push(&rest[..end]);
            rest = &rest[next..];
            from = 0;
        } else {
            from = next;
        }
    }
    if !rest.is_empty() {
        sentences.push(rest);
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_full_stops_before_capitals() {
        let check = |text, expect: &[&str]| assert_eq!(sentences(text), expect);
        check("Update it. Or replace it.", &["Update it.", "Or replace it."]);
        check(
            "Take .NET 4.6.2 or later. .NET programs: e.g. set a key.",
            &["Take .NET 4.6.2 or later.", ".NET programs: e.g. set a key."],
        );
        check("", &[]);
        check("no stop. ", &["no stop. "]);
    }
}

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

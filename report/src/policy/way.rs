//! Replays an offer under a policy, version by version, as a server does.
//!
//! A hello may be cut. Every question is then answered yes, no or maybe, and an answer of maybe
//! reaches the result only when it matters: what the remaining bytes determine stays determined.

use dissect::{HelloExtent, HelloFormat, Offer, Version};

use super::suites::{needs_group, needs_signature};
use super::{Accepted, Policy};

/// How an offer fares under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A version, a suite and a group where one is needed are shared.
    Through {
        /// A better version is offered and shares nothing; a server that speaks it chooses it
        /// first and refuses.
        shadowed_by: Option<Version>,
    },
    /// No version is enough.
    NoVersion,
    /// No suite is shared in any version that is enough.
    NoSuite,
    /// No group is shared where a suite is.
    NoGroup,
    /// No signature algorithm is shared where a suite is.
    NoSignature,
    /// The offer does not tell.
    Unknown(Undecided),
}

impl Way {
    /// Whether the offer certainly has no way through.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::NoVersion | Self::NoSuite | Self::NoGroup | Self::NoSignature)
    }
}

/// Why an offer does not tell whether it has a way through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undecided {
    /// The hello was cut before the deciding part.
    Cut,
    /// Only ECDHE is shared, and without `supported_groups` the choice is the server's
    /// (RFC 8422 §4).
    NoGroupsExtension,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Maybe,
}

/// How one version fares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Through,
    NotOffered,
    NoSuite,
    NoGroup,
    NoGroupsExtension,
    NoSignature,
    Cut,
}

/// Extensions that decide.
const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const SUPPORTED_VERSIONS: u16 = 43;

/// Versions in the order in which a server tries them.
const FROM_THE_TOP: [Version; 5] =
    [Version::Tls13, Version::Tls12, Version::Tls11, Version::Tls10, Version::Ssl3];

impl Policy {
    /// How an offer fares: the first version from the top that a server could settle on.
    #[must_use]
    pub fn way(&self, offer: &Offer) -> Way {
        self.way_given(offer, None)
    }

    /// How an offer fares when the server's choice proves that `proven` is among its versions.
    #[must_use]
    pub(crate) fn way_given(&self, offer: &Offer, proven: Option<Version>) -> Way {
        let versions = offer.versions();
        let mut seen = Vec::with_capacity(FROM_THE_TOP.len());
        for version in FROM_THE_TOP.into_iter().filter(|version| *version >= self.minimum) {
            let is_known = version < Version::Tls13 || !self.suites13.is_nothing();
            let is_offered = match offered(offer, &versions, version) {
                Answer::Maybe if proven == Some(version) => Answer::Yes,
                answer => answer,
            };
            let step = self.step(offer, is_offered, version);
            if step == Step::Through {
                return Way::Through { shadowed_by: seen.iter().find_map(shadow) };
            }
            seen.push((version, step, is_known && is_offered == Answer::Yes));
        }
        let any = |wanted: Step| seen.iter().any(|(_, step, _)| *step == wanted);
        // Too old before no suite before no group, and nothing of it while a cut hides the rest.
        if any(Step::Cut) {
            Way::Unknown(Undecided::Cut)
        } else if any(Step::NoGroupsExtension) {
            Way::Unknown(Undecided::NoGroupsExtension)
        } else if any(Step::NoSuite) {
            Way::NoSuite
        } else if any(Step::NoGroup) {
            Way::NoGroup
        } else if any(Step::NoSignature) {
            Way::NoSignature
        } else {
            Way::NoVersion
        }
    }

    /// The highest version in which a suite is shared and only the group lacks.
    pub(crate) fn lacks_group_in(&self, offer: &Offer) -> Option<Version> {
        let versions = offer.versions();
        let lacks_group = |version: &Version| {
            self.step(offer, offered(offer, &versions, *version), *version) == Step::NoGroup
        };
        FROM_THE_TOP.into_iter().filter(|version| *version >= self.minimum).find(lacks_group)
    }

    /// Whether a suite below TLS 1.3 needs no group, or one is shared for certain.
    pub(crate) fn shares_group(&self, offer: &Offer, suite: u16) -> bool {
        !needs_group(suite) || self.groups_shared(offer, Version::Tls12) == Some(Answer::Yes)
    }

    fn step(&self, offer: &Offer, is_offered: Answer, version: Version) -> Step {
        if is_offered == Answer::No {
            return Step::NotOffered;
        }
        let suites_are_complete = offer.extent >= HelloExtent::Extensions;
        let has_suite_of_13 = || offer.cipher_suites.iter().any(|&suite| suite >> 8 == 0x13);
        if version == Version::Tls13
            && is_offered == Answer::Maybe
            && suites_are_complete
            && !has_suite_of_13()
        {
            // Who offers TLS 1.3 offers a suite of it (RFC 8446 §9.1).
            return Step::NotOffered;
        }
        let groups = self.groups_shared(offer, version);
        let signature = self.signature_shared(offer, version);
        let signs = |suite: u16| match version {
            Version::Tls13 => signature,
            _ if needs_signature(suite) => signature,
            _ => Answer::Yes,
        };
        let mut shared = offer.cipher_suites.iter().filter(|&&s| self.has_suite(version, s));
        let is_settled = |suite: u16| {
            let has_group = match version {
                Version::Tls13 => groups == Some(Answer::Yes),
                _ => !needs_group(suite) || groups == Some(Answer::Yes),
            };
            // A suite of TLS 1.2 makes it likely that the version is offered, and does not prove
            // it: `supported_versions` behind a cut may leave it out.
            has_group && signs(suite) == Answer::Yes && is_offered == Answer::Yes
        };
        if shared.clone().any(|&suite| is_settled(suite)) {
            return Step::Through;
        }
        if !suites_are_complete {
            return Step::Cut;
        }
        if shared.clone().next().is_none() {
            return Step::NoSuite;
        }
        if shared.all(|&suite| signs(suite) == Answer::No) && groups != Some(Answer::No) {
            return Step::NoSignature;
        }
        let is_free_of_groups = |suite: u16| version < Version::Tls13 && !needs_group(suite);
        let through_if_offered = offer.cipher_suites.iter().any(|&suite| {
            self.has_suite(version, suite) && is_free_of_groups(suite) && signs(suite) != Answer::No
        });
        match groups {
            _ if through_if_offered => Step::Cut,
            Some(Answer::Yes | Answer::Maybe) => Step::Cut,
            Some(Answer::No) => Step::NoGroup,
            None if version >= Version::Tls13 => Step::NoGroup,
            None => Step::NoGroupsExtension,
        }
    }

    /// Whether a signature algorithm is shared, for suites that need one.
    ///
    /// Below TLS 1.2 there is no choice of algorithms. Without the extension TLS 1.2 means SHA-1
    /// (RFC 5246 §7.4.1.4.1), and TLS 1.3 has no way to authenticate by certificate.
    fn signature_shared(&self, offer: &Offer, version: Version) -> Answer {
        const IMPLIED: [u16; 3] = [0x0201, 0x0202, 0x0203];
        let accepted = match version {
            Version::Tls13 => &self.signatures13,
            Version::Tls12 => &self.signatures,
            _ => return Answer::Yes,
        };
        if *accepted == Accepted::Any {
            return Answer::Yes;
        }
        let any = |list: &[u16]| match list.iter().any(|&number| accepted.has(number)) {
            true => Answer::Yes,
            false => Answer::No,
        };
        match &offer.signature_algorithms {
            Some(list) => match any(list) {
                Answer::No if !is_complete(offer, SIGNATURE_ALGORITHMS) => Answer::Maybe,
                answer => answer,
            },
            None if !is_absent(offer, SIGNATURE_ALGORITHMS) => Answer::Maybe,
            None if version == Version::Tls12 => any(&IMPLIED),
            None => Answer::No,
        }
    }

    /// Whether a group is shared; `None` when there is no `supported_groups` at all.
    fn groups_shared(&self, offer: &Offer, version: Version) -> Option<Answer> {
        match &offer.groups {
            Some(list) if list.iter().any(|&group| self.groups_for(version).has(group)) => {
                Some(Answer::Yes)
            }
            Some(_) if is_complete(offer, SUPPORTED_GROUPS) => Some(Answer::No),
            None if is_absent(offer, SUPPORTED_GROUPS) => None,
            _ => Some(Answer::Maybe),
        }
    }
}

fn shadow(&(version, step, is_offered): &(Version, Step, bool)) -> Option<Version> {
    (is_offered && matches!(step, Step::NoSuite | Step::NoGroup | Step::NoSignature))
        .then_some(version)
}

fn offered(offer: &Offer, versions: &[Version], version: Version) -> Answer {
    if offer.is_unread() {
        return Answer::Maybe;
    }
    let is_listed = versions.contains(&version);
    if offer.supported_versions.is_some() {
        return match is_listed {
            true => Answer::Yes,
            false if is_complete(offer, SUPPORTED_VERSIONS) => Answer::No,
            false => Answer::Maybe,
        };
    }
    // A client that knows `supported_versions` says 0x0303 (RFC 8446 §4.1.2); below that nothing
    // can follow that would change the versions. At 0x0303 it may add 1.3, and leave out others.
    let may_follow =
        !is_absent(offer, SUPPORTED_VERSIONS) && (0x0303..0x0400).contains(&offer.legacy_version);
    match (may_follow, is_listed) {
        (true, _) if version == Version::Tls13 || is_listed => Answer::Maybe,
        (_, true) => Answer::Yes,
        (_, false) => Answer::No,
    }
}

/// Whether nothing can follow what was seen. Hellos of the SSL 2.0 format have no extensions.
fn ends_for_certain(offer: &Offer) -> bool {
    offer.extent == HelloExtent::Whole || offer.format == HelloFormat::SslV2
}

/// Whether an extension that was not seen was not sent either.
fn is_absent(offer: &Offer, extension: u16) -> bool {
    ends_for_certain(offer) || offer.lacks(extension)
}

/// Whether an extension that was seen is complete: the cut, if any, is behind it.
fn is_complete(offer: &Offer, extension: u16) -> bool {
    let is_last = || offer.extensions.as_ref().and_then(|list| list.last()) == Some(&extension);
    match offer.extent {
        HelloExtent::Listed => extension != SUPPORTED_VERSIONS,
        _ => ends_for_certain(offer) || !is_last(),
    }
}

/// The highest version of TLS that an offer certainly holds.
///
/// A hello of 0x0303 or above that is cut before `supported_versions` holds none for certain but
/// the one that the server's choice proves: the extension may add versions and leave others out.
pub(crate) fn certain_top(offer: &Offer, proven: Option<Version>) -> Option<Version> {
    if offer.extent == HelloExtent::Whole {
        return offer.certain_max();
    }
    let versions = offer.versions();
    versions
        .iter()
        .copied()
        .filter(|&version| offered(offer, &versions, version) == Answer::Yes)
        .chain(proven.filter(|&version| offered(offer, &versions, version) == Answer::Maybe))
        .max()
}

/// Whether the offer certainly holds a version of TLS at or above the minimum.
pub(crate) fn reaches(offer: &Offer, proven: Option<Version>, minimum: Version) -> bool {
    certain_top(offer, proven).is_some_and(|top| top <= Version::Tls13 && top >= minimum)
}

/// Whether a version at or above the minimum may stand behind the cut of a hello.
pub(crate) fn may_reach(offer: &Offer, minimum: Version) -> bool {
    let versions = offer.versions();
    [Version::Tls13, Version::Tls12]
        .into_iter()
        .any(|v| v >= minimum && offered(offer, &versions, v) == Answer::Maybe)
}

#[cfg(test)]
mod tests;

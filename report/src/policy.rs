//! What is to be enforced, as plain data, and how an offer or a choice fares under it.
//!
//! A [`Policy`] says which versions, suites and groups are enough and whom it concerns. It is read
//! from TOML ([`Policy::from_toml`]), the built-in ones too. It knows nothing of connections:
//! [`Policy::way`] replays an offer as a server under the policy would answer it,
//! [`Policy::choice`] looks at what a server selected.

mod accepted;
mod builtin;
mod file;
mod scope;
mod suites;
mod way;

use std::sync::Arc;

use dissect::Version;

pub use self::accepted::Accepted;
pub use self::builtin::BUILTIN_NAMES;
pub use self::file::PolicyError;
pub(crate) use self::scope::Destination;
pub use self::scope::Scope;
pub(crate) use self::suites::is_tls12_suite;
use self::suites::needs_group;
pub use self::way::{Undecided, Way};
pub(crate) use self::way::{certain_top, may_reach, reaches};
use crate::endpoints::normal;

/// What is to be enforced, on whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name in reports and on the command line.
    pub name: Arc<str>,
    /// Who requires it, as the subject of a sentence: `Office 365`.
    pub requirer: Arc<str>,
    /// What it is about in half a line; empty when its file says nothing.
    pub title: Arc<str>,
    /// What it is about, for people; empty when its file says nothing.
    pub text: Arc<str>,
    /// The lowest version that is enough.
    pub minimum: Version,
    /// Suites that are enough up to TLS 1.2, by IANA number.
    pub suites: Accepted,
    /// Suites that are enough in TLS 1.3; nothing when the policy does not know TLS 1.3.
    pub suites13: Accepted,
    /// Groups that are enough up to TLS 1.2, by IANA number.
    pub groups: Accepted,
    /// Groups that are enough in TLS 1.3.
    pub groups13: Accepted,
    /// Signature algorithms that are enough in TLS 1.2, by IANA number.
    pub signatures: Accepted,
    /// Signature algorithms that are enough in TLS 1.3.
    pub signatures13: Accepted,
    /// Which connections it is about, by who dialled whom.
    pub concerns: Concerns,
    /// Which of these, by service, name, network and port.
    pub scope: Scope,
    /// Host names that go away with it, in lower case: who uses one needs another, whatever it
    /// offers.
    pub retired: Vec<Box<str>>,
    /// The day it is enforced from, `YYYY-MM-DD`; for display.
    pub since: Option<Arc<str>>,
    /// The days that lead to it and follow; for display.
    pub deadlines: Vec<Deadline>,
    /// The text that it was read from, so that a saved run can be judged by it again.
    pub toml: Arc<str>,
}

/// A day in a policy's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// The day, `YYYY-MM-DD`.
    pub date: Arc<str>,
    /// What happens on it.
    pub what: Arc<str>,
}

/// Which connections a policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concerns {
    /// All connections.
    Everyone,
    /// Connections that Office 365 dials to servers inside.
    FromOffice365,
    /// Connections to Office 365 and from it.
    Office365,
    /// Connections to Office 365.
    ToOffice365,
}

/// What a server's choice is under a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Choice {
    /// The version is below the minimum.
    BelowMinimum,
    /// Version and suite are enough, and the group where one was seen.
    Enough,
    /// The group is none of the policy's.
    GroupOutside,
    /// The suite is none of the policy's.
    SuiteOutside,
    /// The suite was cut off.
    SuiteUnseen,
}

impl Policy {
    /// Suites that are enough in a version, with those that the version can't use.
    const fn suites_for(&self, version: Version) -> &Accepted {
        if is_tls13(version) { &self.suites13 } else { &self.suites }
    }

    const fn groups_for(&self, version: Version) -> &Accepted {
        if is_tls13(version) { &self.groups13 } else { &self.groups }
    }

    fn has_suite(&self, version: Version, suite: u16) -> bool {
        let exists = match version {
            Version::Tls13 => suite >> 8 == 0x13,
            Version::Tls12 => suite >> 8 != 0x13,
            _ => !is_tls12_suite(suite),
        };
        exists && self.suites_for(version).has_suite(suite)
    }

    /// Whether a suite is enough in any version that is.
    #[must_use]
    pub fn accepts_suite(&self, suite: u16) -> bool {
        self.enough_versions().any(|version| self.has_suite(version, suite))
    }

    /// Whether a group is enough in any version that is.
    #[must_use]
    pub fn accepts_group(&self, group: u16) -> bool {
        self.enough_versions().any(|version| self.groups_for(version).has(group))
    }

    fn enough_versions(&self) -> impl Iterator<Item = Version> {
        let minimum = self.minimum;
        [Version::Ssl3, Version::Tls10, Version::Tls11, Version::Tls12, Version::Tls13]
            .into_iter()
            .filter(move |version| *version >= minimum)
    }

    /// The first of these names that goes away with the policy.
    pub(crate) fn retires<'a>(&self, to: Destination<'a>) -> Option<&'a str> {
        let is_retired = |name: &&str| self.retired.iter().any(|it| **it == *normal(name));
        [to.name, to.asked].into_iter().flatten().find(is_retired)
    }

    /// What a server's choice of version, suite and group is.
    ///
    /// A group that was not seen is no objection: in a full handshake of TLS 1.2 it may have been
    /// lost, and a resumed one has none.
    pub(crate) fn choice(
        &self,
        version: Version,
        suite: Option<u16>,
        group: Option<u16>,
    ) -> Choice {
        if version < self.minimum {
            return Choice::BelowMinimum;
        }
        let Some(suite) = suite else { return Choice::SuiteUnseen };
        if !self.has_suite(version, suite) {
            return Choice::SuiteOutside;
        }
        let group_matters = version >= Version::Tls13 || needs_group(suite);
        match group {
            Some(group) if group_matters && !self.groups_for(version).has(group) => {
                Choice::GroupOutside
            }
            _ => Choice::Enough,
        }
    }
}

const fn is_tls13(version: Version) -> bool {
    matches!(version, Version::Tls13)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_enough_by_version_suite_and_group() {
        let policy = Policy::builtin("office365-tls12").expect("it is built in");
        let check = |version, suite, group, expect| {
            assert_eq!(policy.choice(version, suite, group), expect, "{version} {suite:x?}");
        };
        check(Version::Tls11, Some(0xc014), None, Choice::BelowMinimum);
        check(Version::Ssl2, None, None, Choice::BelowMinimum);
        check(Version::Tls12, Some(0xc02f), Some(23), Choice::Enough);
        check(Version::Tls12, Some(0xc02f), None, Choice::Enough);
        check(Version::Tls12, Some(0xc02f), Some(22), Choice::GroupOutside);
        check(Version::Tls12, Some(0x009c), Some(22), Choice::Enough);
        check(Version::Tls12, Some(0x002f), None, Choice::SuiteOutside);
        check(Version::Tls12, Some(0x1301), None, Choice::SuiteOutside);
        check(Version::Tls12, None, None, Choice::SuiteUnseen);
        check(Version::Tls13, Some(0x1301), Some(29), Choice::Enough);
        check(Version::Tls13, Some(0x1301), Some(0x11ec), Choice::GroupOutside);
        check(Version::Tls13, Some(0xc02f), Some(29), Choice::SuiteOutside);
    }
}

//! What is to be enforced, as plain data, and how an offer or a choice fares under it.
//!
//! A [`Policy`] says which versions, suites and groups are enough and whom it concerns. It knows
//! nothing of connections: [`Policy::way`] replays an offer as a server under the policy would
//! answer it, [`Policy::choice`] looks at what a server selected.

mod suites;
mod way;

use std::sync::Arc;

use dissect::Version;

pub(crate) use self::suites::is_tls12_suite;
use self::suites::needs_group;
pub use self::way::{Undecided, Way};
pub(crate) use self::way::{certain_top, may_reach, reaches};

/// What is to be enforced, on whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The name in reports and on the command line.
    pub name: Arc<str>,
    /// Who requires it, as the subject of a sentence: `Office 365`.
    pub requirer: Arc<str>,
    /// The lowest version that is enough.
    pub minimum: Version,
    /// Suites that are enough up to TLS 1.2, by IANA number.
    pub suites: Vec<u16>,
    /// Suites that are enough in TLS 1.3; empty when the policy does not know TLS 1.3.
    pub suites13: Vec<u16>,
    /// Groups that are enough up to TLS 1.2, by IANA number.
    pub groups: Vec<u16>,
    /// Groups that are enough in TLS 1.3.
    pub groups13: Vec<u16>,
    /// Which connections it is about.
    pub concerns: Concerns,
    /// The day it is enforced from, `YYYY-MM-DD`; for display.
    pub since: Option<Arc<str>>,
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

/// Names of the built-in policies; the first is the default.
pub const BUILTIN_NAMES: [&str; 1] = ["office365-tls12"];

impl Policy {
    /// The built-in policy of a name.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Self> {
        (name == BUILTIN_NAMES[0]).then(office365_tls12)
    }

    /// Suites that are enough in a version, with those that the version can't use.
    fn suites_for(&self, version: Version) -> &[u16] {
        if version >= Version::Tls13 { &self.suites13 } else { &self.suites }
    }

    fn groups_for(&self, version: Version) -> &[u16] {
        if version >= Version::Tls13 { &self.groups13 } else { &self.groups }
    }

    fn has_suite(&self, version: Version, suite: u16) -> bool {
        self.suites_for(version).contains(&suite)
            && (version >= Version::Tls12 || !is_tls12_suite(suite))
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
            Some(group) if group_matters && !self.groups_for(version).contains(&group) => {
                Choice::GroupOutside
            }
            _ => Choice::Enough,
        }
    }
}

/// What Office 365 accepts since TLS 1.0 and 1.1 are switched off.
///
/// Suites: "Technical reference details about encryption" of the Microsoft 365 compliance
/// documentation, strongest first. TLS 1.3 is spoken by some of the services, with the three
/// suites that RFC 8446 §9.1 names for everybody. Groups: what Schannel has had since Windows 10
/// and Server 2016 (curve25519, P-256 and P-384 by default, P-521 when enabled); the front doors
/// that end TLS for some services take all four. The date: enforcement began on 2020-10-15
/// ("Disabling TLS 1.0 and 1.1 for Microsoft 365").
fn office365_tls12() -> Policy {
    const SECP256R1: u16 = 23;
    const SECP384R1: u16 = 24;
    const SECP521R1: u16 = 25;
    const X25519: u16 = 29;
    let groups = vec![X25519, SECP256R1, SECP384R1, SECP521R1];
    Policy {
        name: BUILTIN_NAMES[0].into(),
        requirer: "Office 365".into(),
        minimum: Version::Tls12,
        suites: vec![
            0xc030, // TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
            0xc02f, // TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            0xc028, // TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384
            0xc027, // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256
            0xc014, // TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA
            0xc013, // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
            0x009d, // TLS_RSA_WITH_AES_256_GCM_SHA384
            0x009c, // TLS_RSA_WITH_AES_128_GCM_SHA256
        ],
        suites13: vec![
            0x1301, // TLS_AES_128_GCM_SHA256
            0x1302, // TLS_AES_256_GCM_SHA384
            0x1303, // TLS_CHACHA20_POLY1305_SHA256
        ],
        groups13: groups.clone(),
        groups,
        concerns: Concerns::Office365,
        since: Some("2020-10-15".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_policies_are_found_by_name() {
        for name in BUILTIN_NAMES {
            assert_eq!(&*Policy::builtin(name).expect(name).name, name);
        }
        assert_eq!(Policy::builtin("office365"), None);
    }

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

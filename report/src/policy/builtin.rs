//! The policies that the program brings along: TOML files like everybody's, with their sources.

use super::Policy;

/// Names of the built-in policies; the first is the default.
pub const BUILTIN_NAMES: [&str; TEXTS.len()] = {
    let mut names = [""; TEXTS.len()];
    let mut index = 0;
    while index < TEXTS.len() {
        names[index] = TEXTS[index].0;
        index += 1;
    }
    names
};

macro_rules! text {
    ($name:literal) => {
        ($name, include_str!(concat!("builtin/", $name, ".toml")))
    };
}

const TEXTS: [(&str, &str); 8] = [
    text!("office365-tls12"),
    text!("office365-gcc-high"),
    text!("azure-front-door"),
    text!("exchange-online-pop-imap-2026"),
    text!("pci-dss-4"),
    text!("nist-800-52r2"),
    text!("tls13-only"),
    text!("post-quantum"),
];

impl Policy {
    /// The built-in policy of a name.
    ///
    /// # Panics
    ///
    /// When a built-in text is wrong, which a test rules out.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Self> {
        let text = Self::builtin_toml(name)?;
        Some(Self::from_toml(text).expect("a test reads every built-in policy"))
    }

    /// The text of the built-in policy of a name, as [`Policy::from_toml`] reads it.
    #[must_use]
    pub fn builtin_toml(name: &str) -> Option<&'static str> {
        TEXTS.iter().find_map(|(known, text)| (*known == name).then_some(*text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Concerns, iana};

    #[test]
    fn every_built_in_policy_is_read_under_its_name() {
        for (name, text) in TEXTS {
            let policy = Policy::from_toml(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(&*policy.name, name);
            assert_eq!(Policy::builtin(name), Some(policy.clone()));
            assert!(!policy.title.is_empty() && !policy.text.is_empty(), "{name}");
            assert!(policy.deadlines.is_sorted_by_key(|line| &*line.date), "{name}");
            for suite in policy.suites.listed().iter().chain(policy.suites13.listed()) {
                assert!(iana::cipher_suite(*suite).is_some(), "{name}: {suite:#06x}");
            }
        }
        assert_eq!(Policy::builtin("office365"), None);
    }

    #[test]
    fn office365_is_the_default_and_takes_what_its_reference_lists() {
        let policy = Policy::builtin(BUILTIN_NAMES[0]).expect("it is built in");
        assert_eq!(&*policy.name, "office365-tls12");
        assert_eq!(policy.concerns, Concerns::Office365);
        let suites = [0xc030, 0xc02f, 0xc028, 0xc027, 0xc014, 0xc013, 0x009d, 0x009c];
        assert_eq!(policy.suites.listed(), suites);
        assert_eq!(policy.suites13.listed(), [0x1301, 0x1302, 0x1303]);
        for groups in [&policy.groups, &policy.groups13] {
            assert_eq!(groups.listed(), [29, 23, 24, 25]);
        }
    }
}
